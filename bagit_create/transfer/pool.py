"""A pool of threads over any number of items, which costs nothing per item that waits."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextvars import copy_context
from threading import Event, Lock, Thread
from typing import TypeVar

Item = TypeVar("Item")
Made = TypeVar("Made")


def run(
    work: Callable[[Item], Made],
    items: Sequence[Item],
    jobs: int,
    stop: Callable[[], None],
    useful: Callable[[], int] | None = None,
) -> list[Made]:
    """Call ``work`` with every item, ``jobs`` at a time, and return what it made, in order.

    :param useful: how many at a time are of use, as far as is known by now; asked after every item.

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
                if len(threads) < most:
                    widen()
            except BaseException as err:
                errors.append(err)
                halted.set()
                stop()

    most = min(jobs, len(items))
    threads: list[Thread] = []

    def widen() -> None:
        """Start threads as long as more are of use."""
        with lock:
            while len(threads) < most and (useful is None or len(threads) < useful()):
                name = f"bic-{len(threads)}"
                run_there = copy_context().run
                threads.append(Thread(target=run_there, args=(worker,), name=name, daemon=True))
                threads[-1].start()

    try:
        widen()
        for thread in threads:  # grows while it is gone through
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
