"""The plans of many records, added up; what a sample says of the whole list.

Only sums are kept, and the first names of each kind.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from math import ceil, floor, sqrt
from threading import Lock
from typing import Any

from .. import credentials
from ..config import Instance
from .model import (
    NAMED_AT_MOST,
    NAMES,
    RECORDS_AT_MOST,
    Credential,
    Named,
    Range,
    RecordPlan,
    Requests,
    Weight,
)
from .record import Looked

REFUSED = "AccessDenied"
_T = (12.71, 4.30, 3.18, 2.78, 2.57, 2.45, 2.36, 2.31, 2.26, 2.23)
"""Student's t for 95 % on both sides, by degrees of freedom from 1."""
_Z = 1.96


@dataclass(slots=True)
class _Sum:
    """A number of each record, added up, and the squares."""

    total: int = 0
    squares: int = 0

    def add(self, value: int) -> None:
        self.total += value
        self.squares += value * value


@dataclass(slots=True)
class _Names:
    count: int = 0
    first: list[Mapping[str, Any]] = field(default_factory=list)

    def add(self, source: str, recid: str, named: Named) -> None:
        self.count += named.count
        for row in named.first[: NAMED_AT_MOST - len(self.first)]:
            self.first.append({"source": source, "recid": recid, **row})

    def as_named(self) -> Named:
        return Named(self.count, tuple(self.first))


@dataclass(slots=True)
class _Refusals:
    instance: Instance
    given: bool
    count: int = 0
    first: list[str] = field(default_factory=list)


SUMS = ("files", "bytes", "unknown_sizes", "made", "read")


class Totals:
    """Adds up the plans of records. Safe to use from many threads."""

    def __init__(self) -> None:
        self._lock = Lock()
        self.planned = 0
        self.makeable = 0
        self.records: list[RecordPlan] = []
        self.surplus = 0
        self.entries = 0
        self._metadata = self._downloads = self._heads = 0
        self._servers: Counter[str] = Counter()
        self._sums = {name: _Sum() for name in (*SUMS, "requests", "disk")}
        self._names = {name: _Names() for name in (*NAMES, "moved")}
        self._failures: dict[str, _Names] = {}
        self._refusals: dict[str, _Refusals] = {}

    def add(self, looked: Looked, each: Callable[[RecordPlan], None] | None = None) -> None:
        """Add one record, and have ``each`` told of it: one at a time."""
        one = looked.plan
        with self._lock:
            if each is not None:
                each(one)
            self.planned += 1
            if len(self.records) < RECORDS_AT_MOST:
                self.records.append(one.shortened())
            if looked.instance is not None:
                self._note_credential(looked.instance, looked)
            names = {name: getattr(one, name) for name in NAMES}
            if one.requested != one.recid:
                names["moved"] = Named(1, ({"requested": one.requested},))
            for name, named in names.items():
                self._names[name].add(one.source, one.recid, named)
            self._metadata += one.requests.metadata
            self._downloads += one.requests.files
            self._heads += one.requests.heads
            self._servers.update(one.requests.servers)
            self._sums["requests"].add(one.requests.total)
            if one.failure is not None:
                row = {"message": one.failure.message, "where": one.failure.where}
                kind = self._failures.setdefault(one.failure.error, _Names())
                kind.add(one.source, one.recid, Named(1, (row,)))
                return
            self.makeable += 1
            self.surplus = max(self.surplus, one.disk.needed - one.disk.package)
            self.entries += one.disk.entries
            for name in SUMS:
                self._sums[name].add(getattr(one, name))
            self._sums["disk"].add(one.disk.package)

    def _note_credential(self, instance: Instance, looked: Looked) -> None:
        if not instance.credential:
            return
        found = self._refusals.setdefault(instance.name, _Refusals(instance, looked.has_credential))
        failure = looked.plan.failure
        if (failure is not None and failure.error == REFUSED) or looked.plan.missing.count:
            found.count += 1
            if len(found.first) < NAMED_AT_MOST:
                found.first.append(looked.plan.recid)

    # -- what it comes to ---------------------------------------------------------------------

    def sum(self, name: str) -> int:
        """A number of all records that can be packaged."""
        return self._sums[name].total

    def all_requests(self) -> Requests:
        """Those of all records: it takes some to learn that one cannot be packaged."""
        return Requests(self._metadata, self._downloads, dict(self._servers), self._heads)

    def named(self, name: str) -> Named:
        """The things of one kind."""
        return self._names[name].as_named()

    def failures(self) -> dict[str, Named]:
        """The records that cannot be packaged, by the class of the error, most first."""
        found = sorted(self._failures.items(), key=lambda one: -one[1].count)
        return {kind: names.as_named() for kind, names in found}

    def weight(self, workers: int) -> Weight:
        """The room for all packages, of which so many grow at once."""
        package = self.sum("disk")
        beside = self.surplus * min(workers, self.makeable)
        return Weight(package, package + beside, self.entries)

    def credentials(self) -> tuple[Credential, ...]:
        """Those of the sources that take one."""
        return tuple(
            Credential(
                source=name,
                kind=one.instance.credential,
                variables=credentials.variables(one.instance) if one.instance.configured else (),
                help=one.instance.credential_help,
                given=one.given,
                refused=one.count,
                first=tuple(one.first),
            )
            for name, one in sorted(self._refusals.items())
        )

    def estimate(self, listed: int) -> dict[str, Range]:
        """What the sample says of a list of so many records.

        A total is the sample's mean times their number; its range is that of Student's t for 95 %,
        narrower the larger a part of the list was asked for. It holds for records that are much
        alike: a few huge ones, none of which is in the sample, are not in the range. The number of
        records that can be packaged has Wilson's range.
        """
        found = {"records": self._share(listed)}
        for name in ("files", "bytes", "requests", "disk"):
            found[name] = self._range(self._sums[name], listed)
        return found

    def _range(self, one: _Sum, listed: int) -> Range:
        n = self.planned
        value = round(one.total * listed / n)
        variance = max(0.0, (one.squares - one.total * one.total / n) / (n - 1))
        error = student(n - 1) * listed * sqrt(variance / n * (1 - n / listed))
        return Range(value, max(one.total, floor(value - error)), ceil(value + error))

    def _share(self, listed: int) -> Range:
        n, good = self.planned, self.makeable
        share, z2 = good / n, _Z * _Z
        middle = (share + z2 / (2 * n)) / (1 + z2 / n)
        half = _Z / (1 + z2 / n) * sqrt(share * (1 - share) / n + z2 / (4 * n * n))
        low, high = (middle - half) * listed, (middle + half) * listed
        return Range(
            round(share * listed),
            max(good, floor(low)),
            min(listed - (n - good), ceil(high)),
        )


def student(freedom: int) -> float:
    """Student's t for 95 % on both sides (Abramowitz and Stegun 26.7.5 beyond the table)."""
    if freedom <= len(_T):
        return _T[freedom - 1]
    z = _Z
    return z + (z**3 + z) / (4 * freedom) + (5 * z**5 + 16 * z**3 + 3 * z) / (96 * freedom**2)
