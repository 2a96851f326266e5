"""A server whose answers come when a test says so: what happens meanwhile needs no clock."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from itertools import count
from pathlib import Path
from threading import Event
from time import monotonic, process_time, sleep
from typing import Any

from faulty import told

from bagit_create.sandbox import Fault
from bagit_create.sandbox.server import Reply

LONG_S = 120.0
"""Seconds that nothing takes which works, however busy the machine: a guard against waiting for
ever, and never what a test is about."""

FOR_EVER_S = 3600.0
"""Seconds of a silence that no test waits for: the sandbox ends it when it ends itself."""


def until(true: Callable[[], object], what: str = "it") -> None:
    """Wait for a fact."""
    end = monotonic() + LONG_S
    while not true():
        assert monotonic() < end, f"{what} did not happen"
        sleep(0.005)


def effort(call: Callable[[], object]) -> float:
    """The processor's seconds that something takes, to be compared with another such number."""
    before = process_time()
    call()
    return process_time() - before


def size_of(name: str, folder: Path) -> int:
    """Bytes of the largest file of this name below a folder in which things come and go."""
    sizes = [0]
    for place, _, names in os.walk(folder):
        if name in names:
            with suppress(FileNotFoundError):
                sizes.append(os.stat(f"{place}/{name}").st_size)
    return max(sizes)


@contextmanager
def begun(words: list[str], **how: Any) -> Iterator[subprocess.Popen[Any]]:
    """A program that runs beside a test, and is gone at its end, however that comes."""
    with subprocess.Popen(words, **how) as program:
        try:
            yield program
        finally:
            program.kill()


class Gate:
    """Holds the sandbox's right answers back until it is opened.

    :param free: how many are not held back.

    ``reached`` is set when the first request stands before it. A gate that a test left closed is
    opened at its end, or the sandbox would wait for its own threads.
    """

    def __init__(self, free: int = 0) -> None:
        self.reached, self._opened = Event(), Event()
        self._numbers = count(-free)
        self.fault = Fault("raw", speak=self._answer)

    def open(self) -> None:
        """Let all through, those who wait and those who come."""
        self._opened.set()

    def wait(self) -> None:
        """Until somebody stands before it."""
        assert self.reached.wait(LONG_S), "nobody asked"

    def _answer(self, reply: Reply) -> bytes:
        if next(self._numbers) >= 0:
            self.reached.set()
            self._opened.wait(FOR_EVER_S)
        return told()(reply)


@contextmanager
def gate(free: int = 0) -> Iterator[Gate]:
    """A closed one."""
    one = Gate(free)
    try:
        yield one
    finally:
        one.open()
