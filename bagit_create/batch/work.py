"""One worker: it takes shards, one after the other, and makes the packages of their records."""

from __future__ import annotations

import errno
import os
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import replace

from ..errors import BicError, Interrupted, Unreachable
from ..sip.disk import cannot_write
from .board import Board
from .folder import JobFolder, not_written
from .items import Item
from .ledger import Claim, Lost
from .maker import Fatal, Maker
from .outcome import DONE, FAILED, Outcome
from .patience import Patience

MOST_DEATHS = 5
"""Workers in a row that died while they made the same record; then it is left out, for the job
would never end."""
FIRST_LOOK_S = 0.05
LONGEST_LOOK_S = 5.0
"""Seconds between two looks for shards, while others have all that are left."""


class Worker:
    """Works on a job until nothing is left, or it is told to stop.

    :param board: what this process knows of the shards.
    :param on_outcome: told of each record that has ended, also of those that an earlier worker
        had finished and not noted.
    :param patience: what it has with servers that are away.
    """

    def __init__(
        self,
        job: JobFolder,
        board: Board,
        maker: Maker,
        stopped: threading.Event,
        on_outcome: Callable[[Item, Outcome], None],
        patience: Patience,
    ) -> None:
        self._job = job
        self._target = str(job.target)
        self._board = board
        self._maker = maker
        self._stopped = stopped
        self._on_outcome = on_outcome
        self._patience = patience
        self._target_seen = os.path.isdir(self._target)

    def run(self, wait: bool) -> None:
        """Take shards until all are finished.

        :param wait: for shards that other workers have, in case they are left.
        :raises Fatal: if the run cannot go on.
        """
        pause = FIRST_LOOK_S
        while not self._stopped.is_set():
            with _writing(self._job):
                claimed = self._board.next()
                if claimed is None and (not wait or self._board.all_done()):
                    return
            if claimed is None:
                self._stopped.wait(pause)
                pause = min(2 * pause, LONGEST_LOOK_S)
                continue
            pause = FIRST_LOOK_S
            with suppress(Lost):
                self.finish(claimed)

    def finish(self, claimed: Claim) -> bool:
        """Make what is left of a shard; False if this was stopped before its end.

        :raises Lost: if another worker took it over.
        :raises Fatal: if the run cannot go on.
        """
        shard, whole = claimed.shard, False
        try:
            with self._board.beating(claimed), _writing(self._job):
                whole = self._all(claimed)
                if whole:
                    self._job.finish(shard)
                    self._board.finished(shard)
        except Interrupted as err:
            if isinstance(err, Lost):
                raise
        finally:
            if not whole:
                claimed.leave()
            claimed.close()
        return whole

    def _all(self, claimed: Claim) -> bool:
        """Make the packages of all records that have none; False if stopped before the end."""
        later: list[Item] = []
        for item in self._job.items(claimed.shard):
            if item.number in claimed.ended:
                continue
            if self._stopped.is_set():
                return False
            outcome = self._made(claimed, item)
            if self._patience.found_somebody(item, outcome):
                self._note(claimed, item, outcome)
                continue
            later.append(item)
            if self._patience.is_strained and not self._patience.hold(item, outcome, later):
                return False
        for item in later:  # what was not there a while ago may be there now
            outcome = self._made(claimed, item)
            while not self._patience.found_somebody(item, outcome) and self._patience.is_strained:
                if not self._patience.hold(item, outcome, later):
                    return False
                outcome = self._made(claimed, item)
            if self._stopped.is_set() and outcome.error == Unreachable.__name__:
                return False
            self._note(claimed, item, outcome)
        claimed.append_totals()
        return True

    def _made(self, claimed: Claim, item: Item) -> Outcome:
        place = self._job.place_of(item)
        begun = claimed.begun.get(item.number)
        if begun is not None and self._maker.settle(begun, place):
            # Its package got its name, and the worker died before it could say so.
            return replace(begun, state=DONE, holder="")
        if claimed.deaths >= MOST_DEATHS:
            claimed.deaths = 0
            return _deadly(item)
        self._look_for_target()
        began = time.time()
        outcome = self._maker.make(item, place, claimed.begin)
        ended = time.time()
        if outcome.state == FAILED:
            claimed.check()  # it may have failed because another worker makes it now
        if outcome.state == DONE and not self._target_seen:
            self._target_seen = os.path.isdir(self._target)
        return replace(outcome, at=round(ended, 3), seconds=round(ended - began, 4))

    def _look_for_target(self) -> None:
        """Make sure that a target which was there is not made anew.

        Where its disk was taken away, packages would lie below the place where it is mounted, and
        be out of sight once it is there again.

        :raises Fatal: if it is gone.
        """
        if self._target_seen and not os.path.isdir(self._target):
            gone = FileNotFoundError(errno.ENOENT, "the target is not there any more")
            raise Fatal(cannot_write(gone, self._job.target))

    def _note(self, claimed: Claim, item: Item, outcome: Outcome) -> None:
        claimed.append(outcome)
        self._on_outcome(item, outcome)


def _deadly(item: Item) -> Outcome:
    """The outcome of a record with which one worker after the other has died."""
    return Outcome(
        number=item.number,
        state=FAILED,
        at=round(time.time(), 3),
        error=BicError.__name__,
        exit_code=BicError.exit_code,
        message=f"{MOST_DEATHS} processes in a row ended without a word while they made it.",
        hint="if memory is short, 'bic batch retry' and a run with fewer --workers may help",
    )


@contextmanager
def _writing(job: JobFolder) -> Iterator[None]:
    """What the job folder cannot take ends the run.

    :raises Fatal: instead of :class:`OSError`.
    """
    try:
        yield
    except OSError as err:
        error = not_written(err, job.path)
        error.hint = error.hint.replace("or choose another place", "and run the job again then")
        raise Fatal(error) from err
