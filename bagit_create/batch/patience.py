"""A worker's patience with servers that seem to be away."""

from __future__ import annotations

import random
import threading
from collections.abc import Callable, Collection

from ..errors import Unreachable
from .folder import JobFolder
from .items import Item
from .maker import Fatal, Maker
from .outcome import FAILED, Outcome

HOLD_AFTER = 3
"""Records in a row that found nobody there, after which a worker asks for another, and waits."""
FIRST_HOLD_S = 30.0
LONGEST_HOLD_S = 900.0
PATIENCE_S = 3600.0
"""Seconds that a worker waits for a server that is not there, before the run is ended."""


class Patience:
    """Tells records that find nobody there from a server that is away, and waits for the latter.

    Some servers answer 503 for ever to a request for one broken record. So if several in a row
    find nobody, another record is asked for: one that was packaged, or else any. If that is handed
    out, the fault is the records' own, and they fail; otherwise all wait.

    :param packaged: by source, a record that was; all workers of a process have it in common.
    :param on_wait: told of a pause: seconds, and why.
    :param seconds: how long to wait in all, each time that the server goes away.
    """

    def __init__(
        self,
        job: JobFolder,
        maker: Maker,
        packaged: dict[str, Item],
        stopped: threading.Event,
        on_wait: Callable[[float, str], None],
        seconds: float,
    ) -> None:
        self._job = job
        self._maker = maker
        self._packaged = packaged
        self._stopped = stopped
        self._on_wait = on_wait
        self._seconds = seconds
        self._held = 0.0
        self._in_a_row = 0

    def found_somebody(self, item: Item, outcome: Outcome) -> bool:
        """Whether the source was there for a record; counts those for which it was not."""
        if outcome.error == Unreachable.__name__:
            self._in_a_row += 1
            return False
        self._in_a_row, self._held = 0, 0.0
        if outcome.state != FAILED and outcome.files:
            self._packaged[item.source] = item
        return True

    @property
    def is_strained(self) -> bool:
        """Whether so many in a row found nobody that it may be the server."""
        return self._in_a_row >= HOLD_AFTER

    def hold(self, item: Item, outcome: Outcome, missed: Collection[Item]) -> bool:
        """Find out whether the server is away, and wait then; False if the run is ended meanwhile.

        :param item: the last that found nobody there.
        :param missed: all of the shard that did.
        :raises Fatal: if it took too long.
        """
        if self._is_there(item.source, missed):
            self._in_a_row, self._held = 0, 0.0
            return True
        seconds = min(FIRST_HOLD_S * 2 ** (self._in_a_row - HOLD_AFTER), LONGEST_HOLD_S)
        if self._held + seconds > self._seconds:
            raise Fatal(
                Unreachable(
                    f"{self._in_a_row} records in a row found nobody there: {outcome.message}",
                    where=outcome.where,
                    hint="run the job again once the server is back; 'bic batch retry' takes up"
                    " what has failed",
                )
            )
        self._held += seconds
        self._on_wait(seconds, f"{self._in_a_row} records in a row found nobody there")
        return not self._stopped.wait(seconds)

    def _is_there(self, source: str, missed: Collection[Item]) -> bool:
        """Whether the source hands out a record that has nothing to do with those that failed."""
        packaged = self._packaged.get(source)
        if packaged is not None:
            return self._maker.answers(packaged)
        some = self._job.items(random.choice(self._job.shards()))
        others = [one for one in some if one.source == source and one not in missed]
        return bool(others) and self._maker.answers(random.choice(others))
