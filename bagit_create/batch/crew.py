"""The workers of one process: threads that share a board."""

from __future__ import annotations

import threading
from collections.abc import Callable
from contextvars import copy_context
from functools import partial
from time import monotonic
from typing import Protocol

from ..errors import BicError, SipError
from ..model import Events
from .board import Board
from .folder import JobFolder, Shard
from .items import Item
from .maker import Fatal, Maker
from .outcome import Outcome
from .patience import PATIENCE_S, Patience
from .work import Worker

LOOK_S = 0.5
GRACE_S = 60.0
"""Seconds that workers have, after Ctrl-C, to end what cannot be interrupted."""


class BatchEvents(Events, Protocol):
    """Who wants to follow a batch.

    ``phase`` is ``"records"``; ``started`` tells how many there are to be made in all;
    ``file_done`` is called with ``SOURCE RECID`` for each that has ended, ``advanced`` and
    ``waiting`` as in a single run. The methods are called from several threads at once.
    """

    def record_done(self, item: Item, outcome: Outcome) -> None:
        """A record has ended, well or not."""


class Crew:
    """So many workers; :meth:`wait` for them.

    :param make_maker: makes the maker of each worker.
    :param wait: whether they wait for shards that others have.
    :param only: work on this shard alone, in one thread.
    """

    def __init__(
        self,
        job: JobFolder,
        events: BatchEvents,
        make_maker: Callable[[], Maker],
        *,
        workers: int = 1,
        wait: bool = True,
        only: Shard | None = None,
        patience: float = PATIENCE_S,
    ) -> None:
        self._job = job
        self._events = events
        self._board = Board(job)
        self._stopped = threading.Event()
        self._wait = wait
        self._only = only
        self._patience = patience
        self._packaged: dict[str, Item] = {}
        self._makers = [make_maker() for _ in range(workers if only is None else 1)]
        self._ended = [threading.Event() for _ in self._makers]
        self._errors: list[BaseException] = []
        self.taken = False
        """Whether the only shard was another worker's."""
        for number, (maker, ended) in enumerate(zip(self._makers, self._ended, strict=True)):
            work = partial(copy_context().run, self._work, maker, ended)
            try:
                threading.Thread(target=work, name=f"bic-worker-{number}", daemon=True).start()
            except RuntimeError as err:
                self._errors.append(err)
                self.stop()  # those that have begun
                for other in range(number, len(self._makers)):
                    self._makers[other].close()
                    self._ended[other].set()
                return

    def _work(self, maker: Maker, ended: threading.Event) -> None:
        events = self._events

        def note(item: Item, outcome: Outcome) -> None:
            events.file_done(f"{item.source} {item.recid}")
            events.record_done(item, outcome)

        try:
            patience = Patience(
                self._job, maker, self._packaged, self._stopped, events.waiting, self._patience
            )
            worker = Worker(self._job, self._board, maker, self._stopped, note, patience)
            if self._only is None:
                worker.run(self._wait)
            elif not self._board.is_done(self._only):
                claimed = self._board.claim(self._only)
                self.taken = claimed is None
                if claimed is not None:
                    worker.finish(claimed)
        except BaseException as err:
            self._errors.append(err)
            self.stop()
        finally:
            maker.close()
            ended.set()

    def stop(self) -> None:
        """End what is under way, soon; what is left is for the next run."""
        self._stopped.set()
        for maker in self._makers:
            maker.stop()

    @property
    def stopped(self) -> bool:
        """Whether the crew was told to end."""
        return self._stopped.is_set()

    def wait(self) -> None:
        """Wait for all workers.

        :raises BicError: the reason for which the run could not go on.
        """
        try:
            for ended in self._ended:
                while not ended.wait(LOOK_S):  # a signal just before it would not end a plain wait
                    pass
        except BaseException:  # Ctrl-C
            self.stop()
            until = monotonic() + GRACE_S
            for ended in self._ended:
                ended.wait(max(0.0, until - monotonic()))
            raise
        finally:
            self._board.close()
        for err in self._errors:
            if isinstance(err, Fatal):
                raise err.error
            if lacks_threads(err):
                raise no_threads() from err
            if isinstance(err, BicError) or not isinstance(err, Exception):
                raise err
        if self._errors:
            raise self._errors[0]


def lacks_threads(err: BaseException) -> bool:
    """Whether this is how Python says that the system allows no thread more."""
    return isinstance(err, RuntimeError) and "start new thread" in str(err)


def no_threads() -> SipError:
    """The error for that."""
    return SipError(
        "This process may not start more threads.",
        hint="use fewer --workers or --jobs, or allow more ('ulimit -u')",
    )
