"""Searches of Invenio 3 and later: pages, their sizes, the order, and the wall at 10,000.

After invenio-records-resources and invenio-records-rest: an offset from 10,000 on is refused, and
the link to the next page is offered all the same.
"""

from __future__ import annotations

import re
from bisect import bisect_left
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

from .crowd import DAY_MS, Crowd, One, milliseconds

WINDOW = 10_000
_RANGE = re.compile(r"_?(created|updated):\[(\S+) TO (\S+)\]")
_DOI = re.compile(r'(?:pids\.)?(concept)?doi(?:\.identifier)?:"([^"]+)"')
FOREVER = 1 << 60


class Malformed(Exception):
    """The query is not in the language of the search, or the page is not there to be asked for."""


@dataclass
class Results:
    """What a search found: how many, the page, and whether there is a next one."""

    total: int
    hits: list[One]
    has_next: bool


@dataclass
class Searches:
    """The search of one server, with what may be odd about it.

    ``crowd`` is searched beside what is stored. ``sorts`` is false where the order is not that of
    creation, whatever is asked; ``orders`` are those that may be asked for. ``rounds_ms`` rounds
    the ends of a time of creation outwards, ``deaf`` does not regard them. ``keeps_count`` is false
    where totals beyond the wall are only lower bounds. ``before_each`` is called with the number of
    each search, from 1.
    """

    crowd: Crowd | None = None
    sorts: bool = True
    orders: tuple[str, ...] = ("newest", "oldest", "bestmatch", "mostrecent")
    rounds_ms: int = 1
    deaf: bool = False
    keeps_count: bool = True
    before_each: Callable[[int], None] | None = None
    asked: int = 0

    def find(
        self, stored: list[One], asked: dict[str, str], most: int, community: str = ""
    ) -> Results:
        """Answer a search.

        :param stored: what may be seen of the records that are stored, already chosen by DOI.
        :param asked: the parameters ``q``, ``size``, ``page`` and ``sort``.
        :param most: hits of a page at most.
        :raises Malformed: where a server answers 400.
        """
        self.asked += 1
        if self.before_each is not None:
            self.before_each(self.asked)
        size, number = _number(asked.get("size", "25")), _number(asked.get("page", "1"))
        if not 0 < size <= most or number < 1 or size * number > WINDOW:
            raise Malformed("Invalid querystring parameters.")
        sort = asked.get("sort", "newest")
        if sort not in self.orders:
            raise Malformed("Invalid sort option.")
        times, words = self._read(asked.get("q", ""))
        chosen = [one for one in stored if _fits(one, times, words)]
        chosen.sort(key=lambda one: one.created)
        numbers = self._of_crowd(times, words, community)
        total = len(chosen) + len(numbers)
        places = range(size * (number - 1), min(size * number, total))
        in_order = self._in_order(chosen, numbers)
        return Results(
            total,
            [in_order(self._place(one, total, sort)) for one in places],
            size * number < total,
        )

    def total(self, found: int) -> Any:
        """How the number of hits is told."""
        if self.keeps_count or found <= WINDOW:
            return found
        return {"value": WINDOW, "relation": "gte"}

    def _read(self, query: str) -> tuple[dict[str, tuple[int, int]], list[str]]:
        times: dict[str, tuple[int, int]] = {}
        for field, start, end in _RANGE.findall(query):
            try:
                first = -FOREVER if start == "*" else milliseconds(start)
                last = FOREVER if end == "*" else milliseconds(end)
            except ValueError as err:
                raise Malformed("The syntax of the search query is invalid.") from err
            if field == "created":
                first = first // self.rounds_ms * self.rounds_ms
                last = (last // self.rounds_ms + 1) * self.rounds_ms - 1
            times[field] = first, last
        if self.deaf:
            times.pop("created", None)
        rest = _DOI.sub("", _RANGE.sub("", query))
        if rest.count("(") != rest.count(")") or rest.count('"') % 2:
            raise Malformed("The syntax of the search query is invalid.")
        words = re.sub(r'[()"]|\bAND\b', " ", rest).casefold().split()
        return times, [word for word in words if word != "*"]

    def _of_crowd(
        self, times: dict[str, tuple[int, int]], words: list[str], community: str
    ) -> list[int] | range:
        crowd = self.crowd
        if crowd is None or (community and community != crowd.community):
            return []
        if not all(word in crowd.title.casefold() for word in words):
            return []
        first, last = times.get("created", (-FOREVER, FOREVER))
        if "updated" in times:
            first = max(first, times["updated"][0] - crowd.lag_ms)
            last = min(last, times["updated"][1] - crowd.lag_ms)
        found = crowd.between(first, last)
        if not crowd.removed:
            return found
        return [number for number in found if number not in crowd.removed]

    def _in_order(self, chosen: list[One], numbers: list[int] | range) -> Callable[[int], One]:
        """Gives the hit at a place among all, the oldest first."""
        crowd = self.crowd
        before = [
            bisect_left(numbers, one.created, key=crowd.created) + place if crowd else place
            for place, one in enumerate(chosen)
        ]

        def at(place: int) -> One:
            stored = bisect_left(before, place)
            if stored < len(before) and before[stored] == place:
                return chosen[stored]
            assert crowd is not None
            return crowd.one(numbers[place - stored])

        return at

    def _place(self, place: int, total: int, sort: str) -> int:
        """Where the hit at a place of the answer stands, the oldest first."""
        if not self.sorts or sort == "bestmatch":
            return place * _stride(total) % total
        return place if sort == "oldest" else total - 1 - place


def doi_in(query: str) -> tuple[bool, str] | None:
    """The DOI that a query asks for, and whether it is that of all versions."""
    match = _DOI.search(query)
    return (bool(match[1]), match[2]) if match else None


def _fits(one: One, times: dict[str, tuple[int, int]], words: list[str]) -> bool:
    first, last = times.get("created", (-FOREVER, FOREVER))
    since, until = times.get("updated", (-FOREVER, FOREVER))
    is_in_time = first <= one.created <= last and since <= one.updated <= until
    return is_in_time and all(word in one.title.casefold() for word in words)


def _stride(total: int) -> int:
    """A step that visits every place once, and never two neighbours in turn."""
    return next(step for step in _primes() if total % step)


def _primes() -> Iterator[int]:
    yield from (7919, 7907, 7901, 7883, 7879, 7877)


def _number(text: str) -> int:
    if not re.fullmatch(r"-?\d{1,9}", text):
        raise Malformed("Invalid querystring parameters.")
    return int(text)


__all__ = ["DAY_MS", "WINDOW", "Malformed", "Results", "Searches", "doi_in"]
