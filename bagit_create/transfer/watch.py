"""A program that falls silent is ended, as a connection is given up."""

from __future__ import annotations

import subprocess
import threading
import time
from types import TracebackType


class Silence:
    """Watches a program; :meth:`broken` tells of every sign of life.

    Leaving the block by an exception ends the program too, so that nothing is left running.
    ``ended`` says whether silence was the reason.
    """

    def __init__(self, program: subprocess.Popen[bytes], timeout: float) -> None:
        self._program = program
        self._timeout = timeout
        self._last = time.monotonic()
        self._done = threading.Event()
        self._thread = threading.Thread(target=self._watch, daemon=True)
        self.ended = False

    def __enter__(self) -> Silence:
        self._thread.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if error is not None:
            self._program.kill()
        self._done.set()
        self._thread.join()

    def broken(self) -> None:
        """Something was heard."""
        self._last = time.monotonic()

    def _watch(self) -> None:
        while not self._done.wait(max(0.01, self._last + self._timeout - time.monotonic())):
            if time.monotonic() - self._last >= self._timeout:
                self.ended = True
                self._program.kill()
                return
