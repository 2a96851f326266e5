"""All that the logs of a job tell, record after record, also while they are being written.

Memory holds one shard a round, however many records there are.
"""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from itertools import chain
from typing import Any, NamedTuple

from .folder import JobFolder, Shard, reading
from .items import Item
from .jobfile import DAMAGED
from .ledger import generations, is_over, log_name
from .outcome import DONE, FAILED, MAKING, MOST, UNCHANGED, Outcome, from_line
from .survey import Holder

_MAKING = b',"state":"making",'
"""Within a text of JSON, its quotes would have backslashes."""


@dataclass(slots=True)
class Share:
    """What one process has done of a job: records that ended there, each attempt counted.

    ``shards`` it has had, ``bytes`` of the packages it made, ``began`` and ``ended`` in Unix
    seconds (0 if unknown).
    """

    host: str
    pid: int
    shards: int = 0
    records: int = 0
    failed: int = 0
    bytes: int = 0
    began: float = 0.0
    ended: float = 0.0

    def add(self, one: Outcome) -> None:
        """Count one attempt."""
        self.records += 1
        if one.state == FAILED:
            self.failed += 1
        elif one.state == DONE:
            self.bytes += one.bytes
        if one.at > self.ended:
            self.ended = one.at


class Entry(NamedTuple):
    """A record of the list: how it ended last (None: not yet), in which round, and where."""

    item: Item
    outcome: Outcome | None
    round: int
    share: Share | None


@dataclass(frozen=True, slots=True)
class Twice:
    """A record of which workers of two claims have made different packages.

    ``packages`` are their names, ``here`` those that are in the target now.
    """

    item: Item
    packages: tuple[str, ...]
    here: tuple[str, ...]


_Ended = dict[int, tuple[Outcome, Share]]


class History:
    """Reads the logs of a job, once; what is told beside the records is whole at the end of it.

    :param clock: Unix seconds; where that of the file system differs, a worker may be told as gone
        that is not, or the other way round.
    :param on_attempt: called with each attempt at a record, also those that later ones replaced.
    :raises SipError: if the folder cannot be read.
    """

    def __init__(
        self,
        job: JobFolder,
        clock: float,
        on_attempt: Callable[[Outcome], None] = lambda one: None,
    ) -> None:
        self._job = job
        self._clock = clock
        self._on_attempt = on_attempt
        with reading(job.path):
            self.finished = job.finished()  # before the logs are listed: theirs are whole then
            self.shards = job.shards()
            self._claimed = generations(job)
        self._shares: dict[tuple[str, int], Share] = {}
        self.holders: list[Holder] = []
        self.twice: list[Twice] = []
        self.cut: list[Shard] = []
        """See :class:`.Survey`."""
        self.damaged = 0
        """Lines that cannot be read; what they told is not known."""

    @property
    def shares(self) -> list[Share]:
        """What each process has done, the one that began first at the top."""
        return sorted(self._shares.values(), key=lambda one: (one.began, one.host, one.pid))

    def entries(self) -> Iterator[Entry]:
        """Each record of the list, in its order.

        :raises InputError: if a shard is damaged.
        :raises SipError: if something cannot be read.
        """
        with reading(self._job.path):
            yield from self._entries()

    def _entries(self) -> Iterator[Entry]:
        first, *others = sorted({one.round for one in self.shards}) or [1]
        later = [_Later(self._round(number)) for number in others]
        for entry in self._round(first):
            for one in later:
                entry = one.entry_of(entry.item.number) or entry
            yield entry

    def _round(self, number: int) -> Iterator[Entry]:
        for shard in self.shards:
            if shard.round == number:
                items = self._job.items(shard)
                ended = self._read(shard, items)
                for item in items:
                    found = ended.get(item.number)
                    if found is None:
                        yield Entry(item, None, number, None)
                    else:
                        yield Entry(item, found[0], number, found[1])

    def _read(self, shard: Shard, items: list[Item]) -> _Ended:
        ended: _Ended = {}
        named: dict[int, dict[str, str]] = {}
        last = self._claimed.get(shard, 0)
        for generation in range(1, last + 1):
            with suppress(FileNotFoundError):
                self._log(shard, generation, ended, named if last > 1 else None)
        if named:
            self._look_for_twice(items, named)
        return ended

    def _log(
        self,
        shard: Shard,
        generation: int,
        ended: _Ended,
        named: dict[int, dict[str, str]] | None,
    ) -> None:
        """Read one log.

        :param named: takes in the packages of each record, and how far they came; None to pass
            over those that were about to get their names.
        """
        path = self._job.logs / log_name(shard, generation)
        with path.open("rb") as file:
            touched = os.fstat(file.fileno()).st_mtime
            first = file.readline()
            head = _facts(first) or {}
            share = self._share(head)
            for line in file if "owner" in head else chain((first,), file):
                if named is None and _MAKING in line:
                    continue
                outcome = self._outcome(line)
                if outcome is None:
                    continue
                if named is not None and outcome.package and outcome.state != UNCHANGED:
                    states = named.setdefault(outcome.number, {})
                    if states.get(outcome.package) != DONE:
                        states[outcome.package] = outcome.state
                if outcome.state != MAKING:
                    ended[outcome.number] = outcome, share
                    share.add(outcome)
                    self._on_attempt(outcome)
        if generation < self._claimed[shard]:
            return
        if shard in self.finished:
            if len(ended) < self._job.size_of(shard) and is_over(path, self._clock):
                self.cut.append(shard)
        else:
            silent, gone = round(max(0.0, self._clock - touched), 1), is_over(path, self._clock)
            self.holders.append(Holder(shard.name, share.host, share.pid, silent, gone))

    def _outcome(self, line: bytes) -> Outcome | None:
        """The outcome that a line tells; None if it tells none, which is counted if it should."""
        facts = _facts(line)
        if facts is not None and "n" in facts:
            with suppress(*DAMAGED):
                return from_line(facts)
            self.damaged += 1
        elif facts is None and line.strip() and line.endswith(b"\n"):
            self.damaged += 1  # one without its end is being written, or its worker was killed
        return None

    def _share(self, head: dict[str, Any]) -> Share:
        host, pid, began = head.get("host"), head.get("pid"), head.get("at")
        key = host if isinstance(host, str) else "", pid if isinstance(pid, int) else 0
        share = self._shares.setdefault(key, Share(*key))
        share.shards += 1
        if isinstance(began, (int, float)) and 0 < began < MOST:
            share.began = min(share.began or began, began)
        return share

    def _look_for_twice(self, items: list[Item], named: dict[int, dict[str, str]]) -> None:
        """Find the records that have several packages: of those that were only about to get their
        names, those count that are there."""
        for item in items:
            states = named.get(item.number, {})
            if len(states) < 2:
                continue
            place = self._job.place_of(item)
            here = {one for one in states if "\0" not in one and os.path.lexists(place / one)}
            made = sorted(one for one, state in states.items() if state == DONE or one in here)
            if len(made) > 1:
                self.twice.append(Twice(item, tuple(made), tuple(sorted(here))))


class _Later:
    """A later round, asked for one number after the other: its records are in the list's order."""

    def __init__(self, entries: Iterator[Entry]) -> None:
        self._entries = entries
        self._next = next(entries, None)

    def entry_of(self, number: int) -> Entry | None:
        """What this round says of a record; None if it has not taken it up."""
        while self._next is not None and self._next.item.number < number:
            self._next = next(self._entries, None)
        return self._next if self._next is not None and self._next.item.number == number else None


def _facts(line: bytes) -> dict[str, Any] | None:
    with suppress(ValueError, RecursionError):
        facts = json.loads(line)
        if isinstance(facts, dict):
            return facts
    return None
