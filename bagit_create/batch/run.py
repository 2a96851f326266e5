"""Running a job here: so many workers, in as many processes as the machine has cores."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import threading
import time
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from typing import Any

from .. import errors, log
from ..errors import BicError, InputError, Interrupted
from ..main import failure
from ..model import Silent
from .child import Orders, crew_for
from .crew import GRACE_S, LOOK_S, BatchEvents, no_threads
from .folder import JobFolder
from .items import Item
from .outcome import Outcome, Totals, from_line
from .survey import survey, take_up

START = (
    "import json, sys;"
    "facts = json.loads(sys.stdin.buffer.readline());"
    "sys.path[:] = facts['path'];"
    "from bagit_create.batch.child import main;"
    "main(facts)"
)
MOST_WORKERS = 256
MOST_DEATHS = 5
"""Processes in a row that die before a record has ended; then something is wrong with all."""


class Quiet(Silent):
    """:class:`BatchEvents` that nobody follows."""

    def record_done(self, item: Item, outcome: Outcome) -> None:
        """Nothing."""


def run(
    path: Path,
    orders: Orders | None = None,
    events: BatchEvents | None = None,
    *,
    processes: int | None = None,
) -> Totals:
    """Work on a job until every record has ended, here or wherever else it is worked on.

    :param path: the job folder.
    :param processes: the number of processes for the workers; two a core (and never more than
        workers, or 16) if None. With 1, the workers are threads of this process.
    :returns: what this run has made.
    :raises InputError: if it is no job folder, or the orders cannot work.
    :raises Interrupted: on Ctrl-C; a later run goes on.
    :raises BicError: for a reason that stops every record (a full disk, nobody there).
    """
    job, orders = JobFolder(path), orders or Orders()
    _check(job, orders, processes)
    job.check()
    followed = _Counting(events or Quiet())
    _check_records(job, orders)
    found = survey(job)
    take_up(job, found)
    followed.phase("records")
    followed.started(found.left, None)
    number = min(processes or _usual_processes(), orders.workers)
    try:
        if number == 1:
            crew_for(job, orders, followed).wait()
        else:
            _Processes(job, orders, followed, number).wait()
    except KeyboardInterrupt as err:
        raise Interrupted(
            "Interrupted.", hint="run the job again; what is finished is not made again"
        ) from err
    return followed.totals


def _usual_processes() -> int:
    """Two a core: the threads of one process often wait for each other."""
    return min(2 * (os.cpu_count() or 1), 16)


def _check(job: JobFolder, orders: Orders, processes: int | None) -> None:
    faults = []
    if not 1 <= orders.workers <= MOST_WORKERS:
        faults.append(f"--workers is at least 1 and at most {MOST_WORKERS}.")
    if processes is not None and processes < 1:
        faults.append("--processes is at least 1.")
    if orders.part is not None and not 0 < orders.part <= 1:
        faults.append("--share is a part of 1, as 1/4 or 0.25.")
    if not orders.patience >= 0:  # NaN would have no end
        faults.append("--patience is not negative.")
    if orders.token and len(job.file.sources) > 1:
        faults.append(
            "The job has records of several sources, and one --token would be sent to all of them:"
            " give them in the environment, as BIC_TOKEN_<SOURCE>."
        )
    if faults:
        raise InputError("\n".join(faults), hint="bic batch run --help")


def _check_records(job: JobFolder, orders: Orders) -> None:
    """Refuse before the first request what no record can be made with.

    :raises InputError: naming all of it.
    """
    from .. import access

    for source in job.file.sources:
        options = replace(orders.options(job), source=source, recid="1")
        options.check(access.instance_of(options).pipeline)


class _Counting:
    """Passes events on, and counts what ends."""

    def __init__(self, events: BatchEvents) -> None:
        self.totals = Totals()
        self._lock = threading.Lock()
        self._events = events
        self.phase = events.phase
        self.started = events.started
        self.advanced = events.advanced
        self.file_done = events.file_done
        self.waiting = events.waiting

    def record_done(self, item: Item, outcome: Outcome) -> None:
        """Count, and pass it on."""
        with self._lock:
            self.totals.add(outcome)
        self._events.record_done(item, outcome)


class _Processes:
    """Child processes, and a thread that listens to each."""

    def __init__(self, job: JobFolder, orders: Orders, events: _Counting, number: int) -> None:
        self._job = job
        self._events = events
        self._lock = threading.Lock()
        self._stopping = False
        self._deaths = 0
        self._fatal: dict[str, Any] | None = None
        shares = [orders.workers // number + (i < orders.workers % number) for i in range(number)]
        # A part of what a server allows is kept by each process alone.
        self._orders = [
            replace(orders, workers=one, part=orders.part and orders.part * one / orders.workers)
            for one in shares
        ]
        self._running: dict[int, subprocess.Popen[bytes]] = {}
        # Ctrl-C in Thread.join() makes Python 3.11 take the thread for ended.
        self._ended = [threading.Event() for _ in range(number)]
        for index in range(number):
            try:
                threading.Thread(target=self._keep, args=(index,), daemon=True).start()
            except RuntimeError:
                self._fatal = self._fatal or failure(no_threads())
                self._stop()  # those that have begun
                for ended in self._ended[index:]:
                    ended.set()
                return

    def wait(self) -> None:
        """Wait for all of them.

        :raises BicError: what one of them could not go on for.
        """
        try:
            for ended in self._ended:
                while not ended.wait(LOOK_S):
                    pass
        except BaseException:
            self._stop()
            self._wait_for_end()
            raise
        if self._fatal is not None:
            raise _error(self._fatal)

    def _stop(self) -> None:
        with self._lock:
            self._stopping = True
            for child in self._running.values():
                with suppress(OSError):
                    assert child.stdin is not None
                    child.stdin.close()

    def _wait_for_end(self) -> None:
        until = time.monotonic() + GRACE_S
        try:
            for ended in self._ended:
                ended.wait(max(0.0, until - time.monotonic()))
        finally:
            for child in list(self._running.values()):
                child.kill()

    def _keep(self, index: int) -> None:
        try:
            self._restart(index)
        except Exception as err:  # the run must not look as if it had come to its end
            log.STANDARD.debug("a worker process cannot be followed any more", exc_info=True)
            self._give_up(f"Unexpected error, please report it: {type(err).__name__}: {err}")
        finally:
            self._ended[index].set()

    def _restart(self, index: int) -> None:
        """Run one process, and another one when it dies."""
        while not self._stopping:
            try:
                child = self._start(index)
            except OSError as err:
                self._give_up(f"A worker process cannot be started: {err}.")
                return
            assert child.stdout is not None
            with child:  # which closes its pipes
                for line in child.stdout:
                    self._hear(line)
                code = child.wait()
                with self._lock:
                    del self._running[index]
            if code in (0, 130) or self._fatal is not None or self._stopping:
                return
            name = signal.Signals(-code).name if code < 0 else f"exit code {code}"
            self._deaths += 1
            if self._deaths >= MOST_DEATHS:
                self._give_up(f"Worker processes die one after the other ({name}).")
                return
            log.warning(f"a worker process ended ({name}); another one goes on with its records")

    def _start(self, index: int) -> subprocess.Popen[bytes]:
        facts = {"path": sys.path, "job": str(self._job.path)}
        text = json.dumps(facts)[:-1] + f', "orders": {self._orders[index].as_text()}}}\n'
        with self._lock:
            child = subprocess.Popen(
                [sys.executable, "-P", "-c", START],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                start_new_session=True,  # Ctrl-C is for the parent, which tells its children
            )
            self._running[index] = child
            assert child.stdin is not None
            try:
                child.stdin.write(text.encode())
                child.stdin.flush()
            except BrokenPipeError:  # it has died already, which its end will tell
                with suppress(BrokenPipeError):  # of the bytes that are still kept for it
                    child.stdin.close()
            if self._stopping:
                child.stdin.close()
        return child

    def _hear(self, line: bytes) -> None:
        try:
            facts = json.loads(line)
        except ValueError:  # of a process that was killed while it spoke
            return
        if "outcome" in facts:
            self._deaths = 0
            outcome = from_line(facts["outcome"])
            item = Item(outcome.number, *facts["item"])
            self._events.file_done(f"{item.source} {item.recid}")
            self._events.record_done(item, outcome)
        elif "bytes" in facts:
            self._events.advanced(facts["bytes"])
        elif "wait" in facts:
            self._events.waiting(*facts["wait"])
        elif "fatal" in facts:
            if facts["fatal"]["exit_code"] != Interrupted.exit_code:
                self._fatal = self._fatal or facts["fatal"]
            self._stop()

    def _give_up(self, text: str) -> None:
        self._fatal = self._fatal or {"error": "BicError", "errormsg": text}
        self._stop()


def _error(facts: dict[str, Any]) -> BicError:
    """The error that a child told of."""
    kind = getattr(errors, facts["error"], BicError)
    text = facts["errormsg"]
    if facts.get("http_status"):
        text = text.partition(": ")[2] or text
    made: BicError = kind(text, where=facts.get("where") or "")
    made.hint = facts.get("hint") or ""
    made.http_status = facts.get("http_status")
    return made
