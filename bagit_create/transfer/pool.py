"""A pool of threads over any number of items, which costs nothing per item that waits."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextvars import copy_context
from threading import Event, Lock, Thread
from typing import TypeVar

Item = TypeVar("Item")
Made = TypeVar("Made")


def run(
    work: Callable[[Item], Made], items: Sequence[Item], jobs: int, stop: Callable[[], None]
) -> list[Made]:
    """Call ``work`` with every item, ``jobs`` at a time, and return what it made, in order.

    The first exception ends the run: ``stop`` is called, so that work under way can notice, and the
    exception is raised once every thread has ended. So it is with Ctrl-C.
    """
    made: list[Made | None] = [None] * len(items)
    numbers = iter(range(len(items)))
    lock = Lock()
    halted = Event()
    errors: list[BaseException] = []

    def worker() -> None:
        while not halted.is_set():
            with lock:
                number = next(numbers, None)
            if number is None:
                return
            try:
                made[number] = work(items[number])
            except BaseException as err:
                errors.append(err)
                halted.set()
                stop()

    threads = [
        Thread(target=copy_context().run, args=(worker,), name=f"bic-{n}", daemon=True)
        for n in range(min(jobs, len(items)))
    ]
    try:
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    except BaseException:
        halted.set()
        stop()
        for thread in threads:
            if thread.ident is not None:
                thread.join()
        raise
    if errors:
        raise errors[0]
    return made  # type: ignore[return-value]  # no errors: every place is filled
