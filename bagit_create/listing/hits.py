"""What a search hands out of a time of creation: windows, pages, and what can be told of them."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from itertools import pairwise
from typing import NamedTuple, Protocol

from .base import Listed

TICK = timedelta(milliseconds=1)
"""What OpenSearch keeps of a time."""
BEGINNING = datetime(2000, 1, 1, tzinfo=UTC)
"""Where halving begins; the first half is open towards the past."""
DAY = timedelta(days=1)
FAR = 4
"""So many lengths of a window are between it and a hit that does not belong to it."""


class Window(NamedTuple):
    """A time of creation, both ends included; None is open."""

    start: datetime | None = None
    end: datetime | None = None

    def halves(self, guess: datetime | None = None) -> tuple[Window, Window] | None:
        """Both halves, which share a moment; None if it is too short.

        :param guess: where to cut if that is inside; else it is in the middle, at midnight if
            there is one.
        """
        start = self.start or BEGINNING
        end = self.end or max(datetime.now(UTC), start + timedelta(days=2))
        if end - start <= 2 * TICK:  # a moment in the middle would be in both
            return None
        if guess is not None and start < guess < end:
            return Window(self.start, guess), Window(guess, self.end)
        middle = start + (end - start) / 2
        middle -= timedelta(microseconds=middle.microsecond % 1000)
        midnight = middle.replace(hour=0, minute=0, second=0, microsecond=0)
        middle = midnight if start < midnight else middle
        if not start < middle < end:
            return None
        return Window(self.start, middle), Window(middle, self.end)


class Hit(NamedTuple):
    """A record of a page, and when it was created, to the millisecond; None if it is not told."""

    listed: Listed
    created: datetime | None


@dataclass(frozen=True, slots=True)
class Page:
    """A page of hits. ``total`` is how many there are, ``exact`` unless that is only a lower bound,
    which is counted as one more."""

    total: int
    hits: tuple[Hit, ...]
    exact: bool = True

    @property
    def least(self) -> int:
        """How many hits there are at least: a bound has become a total by one more."""
        return self.total if self.exact else self.total - 1


class Search(Protocol):
    """One search. ``size`` is the number of hits that a whole page has."""

    size: int

    def page(self, window: Window, number: int) -> Page:
        """Ask for a page, from 1."""


def keeps_to(window: Window, page: Page) -> bool:
    """Whether all hits are of that time, to the day."""
    return all(
        one.created is not None
        and (window.start is None or one.created > window.start - DAY)
        and (window.end is None or one.created < window.end + DAY)
        for one in page.hits
    )


def strays(window: Window, page: Page) -> bool:
    """Whether a hit is many times further from the window than that is long: then the search knows
    no times as exact as that, and a part of it would have the same hits."""
    if window.start is None or window.end is None:
        return False
    reach = FAR * (window.end - window.start)
    times = [one.created for one in page.hits if one.created is not None]
    return any(one <= window.start - reach or one >= window.end + reach for one in times)


def ascend(times: list[datetime | None]) -> bool:
    """Whether all are known, and none is before the one before it."""
    known = [one for one in times if one is not None]
    return len(known) == len(times) and all(one <= other for one, other in pairwise(known))


def middle_of(page: Page) -> datetime | None:
    """The middle of the times of a page; None if it has none."""
    times = sorted(one.created for one in page.hits if one.created is not None)
    return times[len(times) // 2] if times else None
