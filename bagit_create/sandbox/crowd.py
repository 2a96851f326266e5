"""Many invented records that nobody keeps: each is made when it is asked for."""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import NamedTuple

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
DAY_MS = 24 * 3600 * 1000


@dataclass(frozen=True)
class Run:
    """``count`` records from a moment (ISO, UTC) on, so many milliseconds apart."""

    count: int
    start: str
    gap_ms: int


class One(NamedTuple):
    """A record as searches and sets see it; times are Unix milliseconds."""

    recid: str
    created: int
    updated: int
    title: str
    sets: tuple[str, ...] = ()
    deleted: bool = False


@dataclass
class Crowd:
    """Records in runs of time, the oldest first. ``removed`` are the numbers of those that went.

    :param ident: makes the id of the n-th, with ``{n}`` in it.
    :param community: the community, set or collection that all of them are in.
    :param lag_ms: how long after its creation each was last changed.
    """

    runs: list[Run]
    ident: str = "{n}"
    community: str = ""
    title: str = "One of a crowd"
    lag_ms: int = 0
    removed: set[int] = field(default_factory=set)

    @property
    def count(self) -> int:
        """How many there are, those that went among them."""
        return sum(run.count for run in self.runs)

    def created(self, number: int) -> int:
        """When the n-th was created."""
        for run in self.runs:
            if number < run.count:
                return milliseconds(run.start) + number * run.gap_ms
            number -= run.count
        raise IndexError(number)

    def one(self, number: int) -> One:
        """The n-th."""
        created = self.created(number)
        recid = self.ident.format(n=number)
        return One(recid, created, created + self.lag_ms, self.title, (self.community,))

    def between(self, start: int, end: int) -> range:
        """The numbers of those that were created in a time, both ends included."""
        every = range(self.count)
        first = bisect_left(every, start, key=self.created)
        return range(first, bisect_left(every, end + 1, key=self.created))

    def __iter__(self) -> Iterator[One]:
        """All that are there."""
        return (self.one(n) for n in range(self.count) if n not in self.removed)


def milliseconds(text: str) -> int:
    """Unix milliseconds of an ISO time, or of the beginning of a date; in UTC if it does not say.

    :raises ValueError: if it is neither.
    """
    moment = datetime.fromisoformat(text)
    moment = moment if moment.tzinfo else moment.replace(tzinfo=UTC)
    return (moment - EPOCH) // timedelta(milliseconds=1)


def stamp(ms: int, form: str = "micro") -> str:
    """A moment as servers write it: ``micro`` (with an offset), ``second`` (with Z), ``day``."""
    moment = EPOCH + timedelta(milliseconds=ms)
    if form == "micro":
        return moment.isoformat(timespec="microseconds")
    return moment.strftime("%Y-%m-%d" if form == "day" else "%Y-%m-%dT%H:%M:%SZ")
