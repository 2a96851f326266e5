"""Searches that hand out no more than their first ten thousand hits, listed to their end.

Where hits come in the order of their creation, each request begins at the time at which the last
one ended: nothing is moved by what is added, removed or published anew meanwhile, and there is no
wall. Where they do not, the time is halved until each part lies before the wall.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import datetime

from .base import Listed, Tally
from .hits import TICK, Hit, Page, Search, Window, ascend, keeps_to, middle_of, strays

WALL = 10_000
"""Hits that a search hands out (``index.max_result_window`` of OpenSearch, and Invenio's own)."""
PASSES = 3
"""How often a window is paged through whose hits do not add up to its total."""
FEW, MANY = 10, 50
"""So many may be removed from one page to the next, or one in so many, and nobody wonders."""

DEAF = "the search does not keep to the time of creation that it is asked for"
AILING = "the search found far fewer for a while than before: records may have been passed over"
MOVING = "records were removed again and again while they were listed, and others may be missing"


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
        if not ascend([before, *times] if number > 1 else times):
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
                tally.lacks(_unseen(page.least))
            break
        first, last = times[0], times[-1]
        assert first is not None and last is not None
        if number == 1:  # else it goes by days, say: then a page is no step
            is_exact = start is None or first >= start
        least = total
        if last > (start or first) and (is_exact or at_wall):
            least -= (number - 1) * search.size + sum(one != last for one in times)
            start, number, before, again = last, 1, None, 0
        elif at_wall and number * search.size >= page.total != WALL:  # which may be a bound
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
    yield from _part(search, tally, window, first, set())
    _reconcile(search, tally)


def _part(
    search: Search,
    tally: Tally,
    window: Window,
    first: Page,
    shown: set[str],
    sampled: bool = True,
) -> Iterator[Listed]:
    """A window, cut until each part lies before the wall.

    :param first: its first page. Its hits tell where the window may be cut: a bulk import of a day
        would take twenty steps to be found by halving the years.
    :param shown: gets the first hit of each time that cannot be cut and has too many: what is as
        short as that may have the very same ones.
    :param sampled: whether they are trusted to be from all over the window.
    """
    halves = None
    is_whole = len(first.hits) >= search.size
    # The wall itself may be a bound that is not named; one that is may be lower, or stand always.
    is_long = bool(first.hits) and (first.total >= WALL or (is_whole and not first.exact))
    if is_long:
        halves = window.halves(_cut(first, window) if sampled else None)
    if is_long and halves is None and first.total >= WALL:
        tally.lacks(_too_many(middle_of(first) or window.start))
        yield from _shown_once(search, tally, window, first, shown)
        return
    if halves is None:
        yield from _paged(search, tally, window, first)
        return
    yield from (one.listed for one in first.hits)
    pages = _ask(search, tally, halves, 1, first.total)
    are_alike = all(page.total >= first.total for page in pages)
    if are_alike and not (first.total <= WALL + 1 and all(map(keeps_to, halves, pages))):
        tally.lacks(DEAF)
        yield from _paged(search, tally, window, first)
        return
    far = [are_alike and strays(*one) for one in zip(halves, pages, strict=True)]
    if any(far):
        tally.lacks(_too_many(middle_of(first)))
    if all(far):
        yield from _shown_once(search, tally, window, first, shown)
        return
    was_fair = min(page.total for page in pages) * 10 >= first.total
    for half, page, is_far in zip(halves, pages, far, strict=True):
        if is_far:  # what is there is there in the other half, too
            yield from (one.listed for one in page.hits)
        else:
            yield from _part(search, tally, half, page, shown, sampled is was_fair)


def _shown_once(
    search: Search, tally: Tally, window: Window, first: Page, shown: set[str]
) -> Iterator[Listed]:
    """What a search hands out of a time that has too many; once for all that begin alike."""
    beginning = first.hits[0].listed.recid if first.hits else ""
    if beginning not in shown:
        shown.add(beginning)
        yield from _paged(search, tally, window, first)


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
    middle = middle_of(page)
    many = [one for one in page.hits if one.created == middle]
    if middle is None or len(many) * 4 < len(page.hits):
        return middle
    return middle + TICK if middle + TICK != window.end else middle - TICK


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
                tally.lacks(_unseen(page.least))
            return
        if has_fallen:  # what is gone does not make up for what was passed over
            seen.clear()
        elif len(seen) >= page.least:
            return
    if has_fallen and total:
        tally.lacks(MOVING)
    elif len(seen) < page.least:
        tally.lacks(_unseen(page.least))


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
    return (number - 1) * search.size + len(page.hits) < page.least


def _count(page: Page, tally: Tally) -> None:
    """Take in a page; the first tells how many there are."""
    if tally.expected is None and not tally.pages and page.exact:
        tally.expected = page.total
    tally.pages += bool(page.hits)


def _reconcile(search: Search, tally: Tally) -> None:
    """What was removed while it was listed is not missing: ask once more how many there are."""
    if tally.expected is not None and tally.found < tally.expected:
        tally.recount(search.page(Window(), 1).total)


def _unseen(total: int) -> str:
    return f"the search counts {total} at one time, and does not show all of them"


def _too_many(moment: datetime | None) -> str:
    when = "one moment" if moment is None else moment.isoformat(timespec="milliseconds")
    return f"more than {WALL} records were created at {when}: the search hands out no more of them"
