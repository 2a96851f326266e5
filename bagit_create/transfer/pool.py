"""A pool of threads over any number of items, which costs nothing per item that waits."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextvars import copy_context
from functools import partial
from threading import Event, Lock, Thread
from typing import TypeVar

LOOK_S = 0.5
"""Seconds after which a Ctrl-C is heard that no wait was ended by."""
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
    exception is raised once every thread has ended. So it is with Ctrl-C; a second one does not
    wait.
    """
    made: list[Made | None] = [None] * len(items)
    numbers = iter(range(len(items)))
    lock = Lock()
    halted = Event()
    errors: list[BaseException] = []

    def take_turns() -> None:
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

    def worker(ended: Event) -> None:
        try:
            take_turns()
        finally:
            ended.set()

    most = min(jobs, len(items))
    threads: list[tuple[Thread, Event]] = []

    def widen() -> None:
        """Start threads as long as more are of use."""
        with lock:
            while len(threads) < most and (useful is None or len(threads) < useful()):
                name, ended = f"bic-{len(threads)}", Event()
                there = partial(copy_context().run, worker, ended)
                thread = Thread(target=there, name=name, daemon=True)
                threads.append((thread, ended))
                try:
                    thread.start()
                except RuntimeError:  # the system has no more: nobody may wait for it
                    ended.set()
                    raise

    # A Ctrl-C that comes just before a wait without end would not end it, and in
    # Thread.join() makes Python 3.11 take the thread for ended, whatever it does: so
    # each says itself when it has.
    try:
        widen()
        for _, ended in threads:  # grows while it is gone through
            while not ended.wait(LOOK_S):
                pass
    except BaseException:
        halted.set()
        stop()
        for thread, ended in threads:
            if thread.ident is not None:  # else it never began
                ended.wait()
        raise
    if errors:
        raise errors[0]
    return made  # type: ignore[return-value]  # no errors: every place is filled
