"""Searches that hand out no more than their first ten thousand hits, listed to their end.

Where hits come in the order of their creation, each request begins at the time at which the last
one ended: nothing is moved by what is added, removed or published anew meanwhile, and there is no
wall. Where they do not, the time is halved until each part lies before the wall.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from itertools import pairwise
from typing import NamedTuple, Protocol

from .base import Listed, Tally

WALL = 10_000
"""Hits that a search hands out (``index.max_result_window`` of OpenSearch, and Invenio's own)."""
PASSES = 3
"""How often a window is paged through whose hits do not add up to its total."""
FEW, MANY = 10, 50
"""So many may be removed from one page to the next, or one in so many, and nobody wonders."""
TICK = timedelta(milliseconds=1)
"""What OpenSearch keeps of a time."""
BEGINNING = datetime(2000, 1, 1, tzinfo=UTC)
"""Where halving begins; the first half is open towards the past."""

DAY = timedelta(days=1)

DEAF = "the search does not keep to the time of creation that it is asked for"
AILING = "the search found far fewer for a while than before: records may have been passed over"
MOVING = "records were removed again and again while they were listed, and others may be missing"


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
    """A page of hits. ``total`` is how many hits there are; ``exact`` if it is no lower bound."""

    total: int
    hits: tuple[Hit, ...]
    exact: bool = True


class Search(Protocol):
    """One search. ``size`` is the number of hits that a whole page has."""

    size: int

    def page(self, window: Window, number: int) -> Page:
        """Ask for a page, from 1."""


def walk(search: Search, tally: Tally) -> Iterator[Listed]:
    """All hits of a search that answers by time of creation, the oldest first.

    If it turns out not to, all is listed by :func:`halve` instead.
    """
    start: datetime | None = None
    number, before, is_exact = 1, None, True
    total, again, least = 0, 0, 0
    page = Page(0, ())
    while True:
        last_hits = page.hits
        [page] = _ask(search, tally, [Window(start)], number, least)
        yield from (one.listed for one in page.hits)
        times = [one.created for one in page.hits]
        if not _ascend([before, *times] if number > 1 else times):
            yield from halve(search, tally)
            return
        at_wall = (number + 1) * search.size > WALL
        if number > 1 and page.total < total:  # others have moved to pages that came before
            again += 1
            if again < PASSES:
                number, before = 1, None
                continue
            tally.lacks(MOVING)
        total = page.total
        if _is_last(search, page, number, last_hits):
            if _is_cut(search, page, number):
                tally.lacks(_unseen(total))
            break
        first, last = times[0], times[-1]
        assert first is not None and last is not None
        if number == 1:  # else it goes by days, say: then a page is no step
            is_exact = start is None or first >= start
        least = total
        if last > (start or first) and (is_exact or at_wall):
            least -= (number - 1) * search.size + sum(one != last for one in times)
            start, number, before, again = last, 1, None, 0
        elif at_wall and number * search.size >= page.total:
            break
        elif at_wall and not is_exact:
            tally.lacks(DEAF)
            break
        elif at_wall:
            tally.lacks(_too_many(last))
            start, number, before, again = max(last, start or last) + TICK, 1, None, 0
            least = 0
        else:
            number, before = number + 1, last
    _reconcile(search, tally)


def halve(search: Search, tally: Tally) -> Iterator[Listed]:
    """All hits of a search in whatever order: windows before the wall, paged through one by one."""
    window = Window()
    first = search.page(window, 1)
    _count(first, tally)
    yield from _part(search, tally, window, first)
    _reconcile(search, tally)


def _part(
    search: Search, tally: Tally, window: Window, first: Page, sampled: bool = True
) -> Iterator[Listed]:
    """A window, cut until each part lies before the wall.

    :param first: its first page. Its hits tell where the window may be cut: a bulk import of a day
        would take twenty steps to be found by halving the years.
    :param sampled: whether they are trusted to be from all over the window.
    """
    halves = None
    if first.total >= WALL or not first.exact:  # that very number is a bound that is not named
        halves = window.halves(_cut(first, window) if sampled else None)
    if halves is None:
        if first.total > WALL:
            tally.lacks(_too_many(_middle(first) or window.start))
        yield from _paged(search, tally, window, first)
        return
    yield from (one.listed for one in first.hits)
    pages = _ask(search, tally, halves, 1, first.total)
    if all(page.total >= first.total for page in pages) and not (
        first.total <= WALL + 1 and all(map(_keeps_to, halves, pages))
    ):
        tally.lacks(DEAF)
        yield from _paged(search, tally, window, first)
        return
    was_fair = min(page.total for page in pages) * 10 >= first.total
    for half, page in zip(halves, pages, strict=True):
        yield from _part(search, tally, half, page, sampled if was_fair else not sampled)


def _ask(
    search: Search, tally: Tally, windows: Sequence[Window], number: int, least: int
) -> list[Page]:
    """The same page of some windows; asked for again where a server shows only a part of what it
    has, as a search does of which some shards fail.

    :param least: how many all of them have together, by what was counted before. Some are always
        removed meanwhile.
    """
    for _ in range(PASSES):
        pages = [search.page(one, number) for one in windows]
        for page in pages:
            _count(page, tally)
        if sum(page.total for page in pages) >= least - max(FEW, least // MANY):
            return pages
    tally.lacks(AILING)
    return pages


def _cut(page: Page, window: Window) -> datetime | None:
    """The middle of a page's times; beside it, if it is the moment of many: they would be listed
    with both halves."""
    middle = _middle(page)
    many = [one for one in page.hits if one.created == middle]
    if middle is None or len(many) * 4 < len(page.hits):
        return middle
    return middle + TICK if middle + TICK != window.end else middle - TICK


def _middle(page: Page) -> datetime | None:
    times = sorted(one.created for one in page.hits if one.created is not None)
    return times[len(times) // 2] if times else None


def _paged(search: Search, tally: Tally, window: Window, page: Page) -> Iterator[Listed]:
    """All pages of a window before the wall; again if hits moved from page to page meanwhile."""
    seen: set[tuple[type[Listed], str]] = set()
    last: tuple[Hit, ...] = ()
    total = page.total
    for again in range(PASSES):
        number, has_fallen = 1, False
        while True:
            if number > 1 or again:
                last, page = page.hits, search.page(window, number)
                _count(page, tally)
            has_fallen = has_fallen or page.total < total
            total = page.total
            for one in page.hits:
                seen.add((type(one.listed), one.listed.recid))
                yield one.listed
            if _is_last(search, page, number, last if number > 1 else ()):
                break
            number += 1
            if number * search.size > WALL:
                break
        if total > WALL:
            if not tally.cut:  # it has grown meanwhile
                tally.lacks(_unseen(total))
            return
        if has_fallen:  # what is gone does not make up for what was passed over
            seen.clear()
        elif len(seen) >= total:
            return
    if not seen and total:
        tally.lacks(MOVING)
    elif len(seen) < total and page.exact:
        tally.lacks(_unseen(total))


def _is_last(search: Search, page: Page, number: int, before: tuple[Hit, ...]) -> bool:
    """Whether no page follows. A whole one may be followed by another, whatever the total says.

    :param before: the hits of the page before it: some servers repeat their last one for ever.
    """
    is_whole = len(page.hits) >= search.size
    return not page.hits or (
        number * search.size >= page.total and (not is_whole or page.hits == before)
    )


def _is_cut(search: Search, page: Page, number: int) -> bool:
    """Whether the last page has less than it should: where the first total was only a bound,
    nothing else would tell."""
    return page.exact and (number - 1) * search.size + len(page.hits) < page.total


def _keeps_to(window: Window, page: Page) -> bool:
    """Whether all hits are of that time, to the day."""
    return all(
        one.created is not None
        and (window.start is None or one.created > window.start - DAY)
        and (window.end is None or one.created < window.end + DAY)
        for one in page.hits
    )


def _count(page: Page, tally: Tally) -> None:
    """Take in a page; the first tells how many there are."""
    if tally.expected is None and not tally.pages and page.exact:
        tally.expected = page.total
    tally.pages += bool(page.hits)


def _reconcile(search: Search, tally: Tally) -> None:
    """What was removed while it was listed is not missing: ask once more how many there are."""
    if tally.expected is not None and tally.found < tally.expected:
        tally.recount(search.page(Window(), 1).total)


def _ascend(times: list[datetime | None]) -> bool:
    """Whether all are known, and none is before the one before it."""
    known = [one for one in times if one is not None]
    return len(known) == len(times) and all(one <= other for one, other in pairwise(known))


def _unseen(total: int) -> str:
    return f"the search counts {total} at one time, and does not show all of them"


def _too_many(moment: datetime | None) -> str:
    when = "one moment" if moment is None else moment.isoformat(timespec="milliseconds")
    return f"more than {WALL} records were created at {when}: the search hands out no more of them"
