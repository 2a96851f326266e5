"""Progress and messages on a terminal, or on whatever stderr is instead.

Names that come from upstream pass through :func:`bagit_create.log.visible` and are never read as
markup. ``rich`` loads only when a bar is drawn.
"""

from __future__ import annotations

import os
import time
from contextlib import suppress
from threading import Lock
from types import TracebackType
from typing import TYPE_CHECKING, Self, TextIO

from . import log

if TYPE_CHECKING:
    from rich.progress import Progress

REFRESH_S = 0.1
LINE_S = 10.0
LONG_WAIT_S = 5.0
_STEPS = {
    "harvest": "asking the source",
    "fetch": "fetching",
    "verify": "reading back",
    "write": "writing",
    "records": "packaging",
    "plan": "asking the sources",
    "list": "listing",
}
_UNITS = {"records": "records", "list": "records"}
"""What is counted in a step, if it is not files."""


def display(stream: TextIO, *, silent: bool = False, verbose: bool = False) -> Display:
    """Choose how to show a run: bars on a terminal, a line now and then if verbose, or nothing.

    :param silent: show no progress at all; messages still pass.
    """
    if silent:
        return Display(stream)
    capable = os.environ.get("TERM") not in ("dumb", "unknown") and not os.environ.get("CI")
    if stream.isatty() and capable:
        return Bars(stream)
    return Lines(stream) if verbose else Display(stream)


def size_text(size: int | None) -> str:
    """Bytes for people, in powers of 1000: ``1.2 GB``; ``an unknown size`` for None."""
    if size is None:
        return "an unknown size"
    if size < 1000:
        return f"{size} bytes" if size != 1 else "1 byte"
    number = float(size)
    for unit in ("kB", "MB", "GB", "TB"):
        number /= 1000
        if number < 999.95 or unit == "TB":
            break
    return f"{number:.1f} {unit}"


class Display:
    """Passes messages on and counts, but shows no progress. Implements ``model.Events``.

    The counting is shared by all threads of the run, so it does little under its lock.
    """

    interval = float("inf")
    """Seconds between two calls of :meth:`show`."""

    def __init__(self, stream: TextIO) -> None:
        self._stream = stream
        self._lock = Lock()
        self._shown = time.monotonic()
        self.step = ""
        self.pause = ""
        self.unit = "files"
        self.files = 0
        self.all_files: int | None = None
        self.bytes = 0
        self.all_bytes: int | None = None

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    def close(self) -> None:
        """Leave the terminal as it was."""

    def message(self, text: str) -> None:
        """Show a line; it must be free of control characters."""
        with suppress(OSError):  # nobody is left to be told, and the work goes on
            print(text, file=self._stream, flush=True)

    def show(self) -> None:
        """Show where the run is. Called at most once in :attr:`interval`, from any thread."""

    def phase(self, name: str) -> None:
        """A step begins."""
        with self._lock:
            self.step = _STEPS.get(name, name)
            self.unit = _UNITS.get(name, "files")
            self.pause = ""
            self.files = self.bytes = 0
            self.all_files = self.all_bytes = None
        self.stepped()

    def stepped(self) -> None:
        """React to a new step, or to its totals."""

    def started(self, files: int, size: int | None) -> None:
        """The totals of the step are known."""
        with self._lock:
            self.all_files, self.all_bytes = files, size
        self.stepped()

    def advanced(self, count: int) -> None:
        """``count`` more bytes were moved."""
        with self._lock:
            self.bytes += count
            self.pause = ""
        self._perhaps_show()

    def file_done(self, bagpath: str) -> None:
        """A file is complete."""
        with self._lock:
            self.files += 1
        self._perhaps_show()

    def waiting(self, seconds: float, why: str) -> None:
        """The run pauses."""
        with self._lock:
            self.pause = f"waiting {seconds:.0f} s ({log.visible(log.redact(why))})"
        if seconds >= LONG_WAIT_S:
            self._shown = time.monotonic()
            self.show()

    def _perhaps_show(self) -> None:
        now = time.monotonic()
        if now - self._shown < self.interval:
            return
        with self._lock:
            if now - self._shown < self.interval:
                return
            self._shown = now
        self.show()

    def progress_text(self) -> str:
        """``3 of 17 files, 1.2 of 3.4 GB``, as far as it is known."""
        parts = []
        if self.all_files:
            parts.append(f"{self.files} of {self.all_files} {self.unit}")
        elif self.unit == "records":
            parts.append(f"{self.files} records")
        if self.bytes or self.all_bytes:
            total = "" if self.all_bytes is None else f" of {size_text(self.all_bytes)}"
            parts.append(size_text(self.bytes) + total)
        return ", ".join(parts)


class Lines(Display):
    """A plain line every ten seconds, for logs of other programs."""

    interval = LINE_S

    def show(self) -> None:
        """Write the line."""
        state = ": ".join(part for part in (self.step, self.progress_text()) if part)
        self.message(", ".join(part for part in (state, self.pause) if part))


class Bars(Display):
    """One bar for the running step, gone when the run ends."""

    interval = REFRESH_S

    def __init__(self, stream: TextIO) -> None:
        super().__init__(stream)
        from rich import progress
        from rich.console import Console

        self._progress: Progress = progress.Progress(
            progress.TextColumn("{task.description}", markup=False),
            progress.BarColumn(bar_width=24),
            progress.TextColumn("{task.fields[state]}", markup=False),
            progress.TransferSpeedColumn(),
            progress.TimeRemainingColumn(),
            console=Console(file=stream, markup=False, highlight=False, emoji=False),
            transient=True,
        )
        self._task = self._progress.add_task("", total=None, state="")

    def __enter__(self) -> Self:
        self._progress.start()
        return self

    def close(self) -> None:
        """Take the bar away."""
        self._progress.stop()

    def message(self, text: str) -> None:
        """Show a line above the bar."""
        self._progress.console.print(text, soft_wrap=True)

    def stepped(self) -> None:
        """Begin again at nothing."""
        self._progress.reset(self._task)
        self._progress.tasks[0].total = self.all_bytes  # None means "as before" to reset()
        self.show()

    def show(self) -> None:
        """Bring the bar up to date."""
        self._progress.update(
            self._task,
            description=self.pause or self.step,
            completed=self.bytes,
            state=self.progress_text(),
        )
