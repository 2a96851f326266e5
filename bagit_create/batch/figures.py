"""What many outcomes come to, gathered one after the other in little memory."""

from __future__ import annotations

import math
import re
from array import array
from collections import Counter
from dataclasses import asdict, dataclass, field
from heapq import heappush, heappushpop
from typing import Any

from .history import Entry
from .items import Item
from .outcome import DONE, FAILED, Outcome

EXAMPLES = 10
"""Records that are named of each kind of thing; the CSV form names all."""
MOST_BUCKETS = 120
KEPT_BUCKETS = 4096
"""Of a job that is still read; more are put together."""
WIDTHS_S = (1, 5, 15, 60, 300, 900, 3600, 21600, 86400, 604800, 31449600)
"""Seconds of a bucket: each divides the next. The last one is 52 weeks."""
MOST_PATTERNS = 1000
"""Different messages of a kind that are told apart."""
LEEWAY_S = 86400.0
"""The clocks of two machines differ; by more than a day, one is wrong."""


@dataclass(slots=True)
class Bucket:
    """What ended in one stretch of time: ``at`` is its begin in Unix seconds, ``seconds`` its
    length, up to now if it has not ended. ``records`` are all attempts, ``failed`` among them,
    ``bytes`` those of the packages made."""

    at: int
    seconds: float
    records: int = 0
    failed: int = 0
    bytes: int = 0


class Timeline:
    """When attempts ended; ``untimed`` are those of which it is not known.

    :param first: Unix seconds before which none can have ended.
    :param last: Unix seconds after which none can have ended.
    """

    def __init__(self, first: float, last: float) -> None:
        self._first = first - LEEWAY_S
        self._last = last + LEEWAY_S
        self._level = 0
        self._found: dict[int, list[int]] = {}
        self.untimed = 0

    def add(self, one: Outcome) -> None:
        """Count an attempt."""
        if not (one.at and self._first <= one.at <= self._last):
            self.untimed += 1
            return
        key = int(one.at) // WIDTHS_S[self._level]
        found = self._found.get(key)
        if found is None:
            found = self._found[key] = [0, 0, 0]
            if len(self._found) > KEPT_BUCKETS:
                self._widen()
        found[0] += 1
        if one.state == FAILED:
            found[1] += 1
        elif one.state == DONE:
            found[2] += one.bytes

    def _widen(self) -> None:
        factor = WIDTHS_S[self._level + 1] // WIDTHS_S[self._level]
        wider: dict[int, list[int]] = {}
        for key, counts in self._found.items():
            sums = wider.setdefault(key // factor, [0, 0, 0])
            for place, count in enumerate(counts):
                sums[place] += count
        self._found = wider
        self._level += 1

    def buckets(self, now: float) -> list[Bucket]:
        """At most :data:`MOST_BUCKETS` of the same length, without a gap, the first one first."""
        if not self._found:
            return []
        while max(self._found) - min(self._found) >= MOST_BUCKETS and self._level + 1 < len(
            WIDTHS_S
        ):
            self._widen()
        width = WIDTHS_S[self._level]
        made = []
        for key in range(min(self._found), max(self._found) + 1):
            length = min(float(width), max(1.0, now - key * width))
            made.append(Bucket(key * width, length, *self._found.get(key, (0, 0, 0))))
        return made


@dataclass(frozen=True, slots=True)
class Spread:
    """Seconds that a package took: of so many ``records``, on average, half of them at most the
    ``median``, 90 and 99 of a hundred at most ``p90`` and ``p99``, and the one that took longest.
    """

    records: int = 0
    mean: float = 0.0
    median: float = 0.0
    p90: float = 0.0
    p99: float = 0.0
    longest: float = 0.0


def spread(seconds: array[float]) -> Spread:
    """How values are spread, by the nearest rank."""
    values = sorted(seconds)
    if not values:
        return Spread()

    def rank(part: float) -> float:
        return values[max(0, math.ceil(part * len(values)) - 1)]

    mean = round(math.fsum(values) / len(values), 4)
    return Spread(len(values), mean, rank(0.5), rank(0.9), rank(0.99), values[-1])


@dataclass(frozen=True, slots=True)
class Example:
    """A record that is named, and what is known of how it ended."""

    number: int
    source: str
    recid: str
    package: str = ""
    message: str = ""
    where: str = ""
    hint: str = ""
    http_status: int = 0

    @classmethod
    def of(cls, item: Item, one: Outcome) -> Example:
        """The example that a record gives."""
        return cls(
            number=item.number,
            source=item.source,
            recid=item.recid,
            package=one.package,
            message=one.message,
            where=one.where,
            hint=one.hint,
            http_status=one.http_status,
        )

    def as_dict(self) -> dict[str, Any]:
        """As JSON can hold it; what is not known is left out."""
        return {name: value for name, value in asdict(self).items() if value or name == "number"}


@dataclass(slots=True)
class Kind:
    """Failures of one kind: ``error`` is the class of :mod:`bagit_create.errors`, with its
    ``exit_code``; ``statuses`` are those of HTTP, where upstream answered with one."""

    error: str
    exit_code: int
    records: int = 0
    statuses: Counter[int] = field(default_factory=Counter)
    _alike: dict[str, tuple[Example, list[int]]] = field(default_factory=dict)

    def add(self, item: Item, one: Outcome) -> None:
        """Count one."""
        self.records += 1
        if one.http_status:
            self.statuses[one.http_status] += 1
        # Of messages that differ in a number or the record's id only, one is enough.
        pattern = re.sub(r"\d+", "#", one.message.replace(item.recid, "#"))
        found = self._alike.get(pattern)
        if found is not None:
            found[1][0] += 1
        elif len(self._alike) < MOST_PATTERNS:
            self._alike[pattern] = Example.of(item, one), [1]

    @property
    def examples(self) -> list[tuple[Example, int]]:
        """The messages that come most often: one record with each, and with how many it is so."""
        found = sorted(self._alike.values(), key=lambda one: -one[1][0])
        return [(example, alike[0]) for example, alike in found[:EXAMPLES]]


@dataclass(slots=True)
class Remark:
    """Packages that an archivist should look at, for one reason.

    ``records`` are so many, ``total`` is what they come to (files, warnings, skipped things).
    """

    records: int = 0
    total: int = 0
    examples: list[tuple[Example, int]] = field(default_factory=list)

    def add(self, item: Item, one: Outcome, count: int) -> None:
        """Count one package."""
        self.records += 1
        self.total += count
        if len(self.examples) < EXAMPLES:
            self.examples.append((Example.of(item, one), count))


class Longest:
    """Keeps the records that took longest."""

    def __init__(self) -> None:
        self._heap: list[tuple[float, int, Entry]] = []

    def add(self, entry: Entry, seconds: float) -> None:
        """Look at one record."""
        one = (seconds, -entry.item.number, entry)
        if len(self._heap) < EXAMPLES:
            heappush(self._heap, one)
        elif seconds > self._heap[0][0]:
            heappushpop(self._heap, one)

    def examples(self) -> list[tuple[Example, float]]:
        """The slowest first, each with its seconds."""
        return [
            (Example.of(entry.item, entry.outcome), seconds)
            for seconds, _, entry in sorted(self._heap, key=lambda one: (-one[0], -one[1]))
            if entry.outcome is not None
        ]
