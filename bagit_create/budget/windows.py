"""The windows of a server's limits: when the next request may go.

It is arithmetic over what happened, in order, without a clock of its own: processes that read the
same happenings come to the same result, and none has to ask another. Times are Unix seconds.

A window that answers tell of is known until it ends. Then, with ``alone``, one request goes and the
others wait for what its answer says. A limit that shows only when it is broken, or in a list of
all, stands from then on: its windows begin with the first request after the last one's end, as
those of flask-limiter do (its documentation, "Rate limiting strategies", Fixed Window).

A *route* stands for requests that are counted alike: servers have other limits for other paths.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, replace
from typing import Any, NamedTuple

from .window import Window

PATIENCE_S = 3.0
"""Seconds that others wait for the answer to the one request that goes alone."""
POLL_S = 0.02
"""Seconds after which they look whether it is there."""
NATURAL_S = (1.0, 60.0, 3600.0, 86400.0)
"""How long windows are, nearly always."""
NEAR = 0.02
"""A length that was measured and is this near to a natural one is taken for it."""
SLACK = 200
"""One in so many requests may be counted wrongly when the length of a window is measured."""
KEPT_MARKS = 1000
KEPT_ROUTES = 1000
KEPT_WINDOWS = 32
"""A server has fewer limits; one whose answers tell another number each time has no more here."""


class Plan(NamedTuple):
    """What can be said of the next request: when to ask again, or when it may go."""

    again: float
    slot: float
    drawn: list[Window]
    opens: bool


class Windows:
    """All windows of one server and one user.

    :param part: our part of each limit, above 0, at most 1.
    :param spread: the part of a window that is used evenly; what is before may go in a burst.
    :param alone: whether one request goes ahead where nothing is known.
    """

    def __init__(self, part: float = 1.0, spread: float = 1.0, alone: bool = True) -> None:
        self.part, self.spread, self.alone = part, spread, alone
        self.windows: dict[int, Window] = {}
        self.told: dict[str, tuple[int, ...]] = {}
        self.main: tuple[int, ...] | None = None
        self.pause_until = 0.0
        self.opening = 0.0
        self.total = 0
        self.breaks = 0
        """How often it was learnt that nothing is left: what was planned before is void."""
        self.marks: list[tuple[float, int]] = []

    # -- what is asked ------------------------------------------------------------------------

    @property
    def is_free(self) -> bool:
        """Whether nothing is known that limits anything, and nobody waits to know."""
        return not self.pause_until and not self.windows and (self.main == () or not self.alone)

    @property
    def is_ample(self) -> bool:
        """Whether more is left of every window than is used evenly."""
        return not self.pause_until and all(
            one.left(self.part) > self.spread * one.limit for one in self.windows.values()
        )

    def limits(self, route: str) -> tuple[int, ...] | None:
        """The limits that answers to such requests tell; None where nothing is known."""
        return self.told.get(route, self.main)

    def plan(self, route: str, now: float, ahead: bool = False) -> Plan:
        """What can be said of a request that is asked for now; ``ahead``: it may go out of turn."""
        again, slot = self.pause_until, now
        drawn = [one for one in self.windows.values() if one.length is not None]
        for one in drawn:
            if now < one.over:
                turn = now if ahead else one.next
                if one.left(self.part) <= 0 or turn >= one.end or now >= one.end:
                    again = max(again, one.over)
                slot = max(slot, turn)
        limits = self.limits(route)
        told = [self.windows[limit] for limit in limits or () if limit in self.windows]
        for one in told:
            if one.length is None and now < one.over and one.left(self.part) <= 0:
                again = max(again, one.over)
            elif one.length is None and now < one.end:
                turn = now if ahead else one.next
                if turn >= one.end:
                    again = max(again, one.end)
                slot = max(slot, turn)
        live = [one for one in told if one.length is not None or slot < one.end]
        opens = limits is None or len(live) < len(limits)
        if opens and self.alone and now < self.opening + PATIENCE_S:
            again = max(again, min(now + POLL_S, self.opening + PATIENCE_S))
        return Plan(again, slot, drawn + [one for one in live if one.length is None], opens)

    def is_news(self, route: str, told: Sequence[Sequence[float]], now: float) -> bool:
        """Whether what an answer tells, as for :meth:`tell`, changes anything about limits."""
        if not {int(one[0]) for one in told}.issubset(self.told.get(route, ())):
            return True
        for limit, remaining, end, grain in told:
            window = self.windows.get(int(limit))
            if end > now and (window is None or not window.is_same(end, grain)):
                return True
            if window is not None and window.is_same(end, grain):
                if window.limit - window.used > remaining:
                    return True
        return False

    # -- what happens -------------------------------------------------------------------------

    def ticket(self, now: float, route: str, ahead: bool = False) -> float | None:
        """A request is planned: when it goes, or None if the plan says to ask again later."""
        again, slot, drawn, opens = self.plan(route, now, ahead)
        if again > now:
            return None
        if opens:
            self.opening = slot
        for one in drawn:
            if one.length is not None and now >= one.over:
                following = replace(
                    one, start=slot, end=slot + one.length, used=0, own=0, next=0.0, floor=0.0
                )
                self.windows[one.limit] = one = following
            one.take(slot, self.part, self.spread)
        self.total += 1
        self.marks.append((slot, self.total))
        if len(self.marks) > KEPT_MARKS:
            self.marks = self.marks[::2]
        return slot

    def tell(
        self, now: float, route: str, told: Sequence[Sequence[float]], opened: bool = False
    ) -> None:
        """An answer told limits: of each the number, what remains, the end, and the end's grain.

        :param opened: whether it is the answer to the one that went alone; if another one's is
            faster, that one will be counted too.
        """
        coming = 1 if self.opening and self.alone and not opened else 0
        if opened or any(one[2] > now for one in told):
            self.opening = 0.0
        limits = [int(one[0]) for one in told]
        for limit in self.told.get(route, ()):  # answers may tell now the one, now the other
            if limit not in limits and limit in self.windows and self.windows[limit].end > now:
                limits.append(limit)
        self.main = tuple(limits)
        self._remember(route, self.main)
        for number, remaining, end, grain in told:
            if end <= now:
                continue  # said when that window was about to end
            key, left = int(number), int(remaining)
            window = self.windows.get(key)
            if window is not None and window.is_same(end, grain):
                window.used = max(window.used, window.limit - left)
                window.length = None
            else:
                most = key or left + 1  # some tell no limit
                following = Window(most, now, end, most - left + coming, grain, own=1 + coming)
                if window is not None and window.end > now:  # one whose end moves all the time
                    following.next = window.next
                self.windows[key] = following
                self._forget_some(now, key)
            if not left:
                self.breaks += 1

    def nothing(self, route: str) -> None:
        """An answer told no limit."""
        self.opening = 0.0
        self._remember(route, ())
        if self.main is None:
            self.main = ()

    def failed(self) -> None:
        """A request had no answer that tells anything: the next one goes alone."""
        self.opening = 0.0

    def broken(self, now: float, limit: int, end: float, grain: float) -> None:
        """A limit that no other answer tells was broken; it ends then."""
        self.opening = 0.0
        self.breaks += 1
        window = self.windows.get(limit)
        if window is not None and window.length is not None:
            if window.is_same(end, grain):
                window.used = max(window.used, limit)
                return
        known = window.length if window is not None else None
        if known is not None and known + 2 * grain < (1 - NEAR) * (end - now):
            known = None  # the server counts for longer now
        length = self._length(limit, now, end)
        if length is None:
            length = known
        elif known is not None:
            length = min(length, known)  # where others ask too, it is measured too long
        if length is None:
            # Others sent the rest, now or before us. A guess that is too short is found out by the
            # next refusal, one that is too long by nothing.
            least = (1 - NEAR) * (end - now)
            length = next((one for one in NATURAL_S if one >= least), end - now)
        self.windows[limit] = Window(limit, end - length, end, limit, grain, length)
        self._forget_some(now, limit)

    def stand(self, now: float, limits: Sequence[Sequence[float]]) -> None:
        """Limits are known to hold, besides those that answers tell: numbers and seconds."""
        for limit, length in limits:
            window = self.windows.get(int(limit))
            if window is None:
                window = Window(int(limit), now, now + length, 1, 1.0, own=1)
                self.windows[int(limit)] = window
                self._forget_some(now, int(limit))
            window.length = window.length or length

    def pause(self, until: float) -> None:
        """Nothing may go until then."""
        self.pause_until = max(self.pause_until, until)

    def _remember(self, route: str, limits: tuple[int, ...]) -> None:
        if len(self.told) > KEPT_ROUTES:
            self.told.clear()
        self.told[route] = limits

    def _forget_some(self, now: float, new: int) -> None:
        """Keep no more windows than any server has: first those go that have ended."""
        if len(self.windows) <= KEPT_WINDOWS:
            return
        for key, one in list(self.windows.items()):
            if one.length is None and now >= one.over and key != new:
                del self.windows[key]
        while len(self.windows) > KEPT_WINDOWS:
            others = [key for key in self.windows if key != new]
            del self.windows[max(others, key=lambda key: self.windows[key].left(self.part))]

    def _length(self, limit: int, now: float, end: float) -> float | None:
        """How long the window was that is broken now: since we sent so many requests."""
        ours = max(1, int(limit * self.part))
        before = self.total - ours - ours // SLACK
        if not self.marks or self.total - ours < -ours // SLACK:
            return None
        first = self.marks[0][0]
        for moment, number in self.marks:
            if number > max(1, before):
                break
            first = moment
        length = end - first
        return next((one for one in NATURAL_S if abs(one - length) <= NEAR * one), length)

    # -- as one value -------------------------------------------------------------------------

    def snapshot(self) -> dict[str, Any]:
        """All that is known, as JSON takes it."""
        return {
            "windows": [[key, asdict(one)] for key, one in self.windows.items()],
            "told": self.told,
            "main": self.main,
            "pause_until": self.pause_until,
            "opening": self.opening,
            "total": self.total,
            "marks": self.marks,
        }

    def restore(self, value: dict[str, Any]) -> None:
        """What :meth:`snapshot` gave.

        :raises KeyError, TypeError, ValueError: if it is something else.
        """
        windows = {int(key): Window(**one) for key, one in value["windows"]}
        told = {str(route): tuple(limits) for route, limits in value["told"].items()}
        main = None if value["main"] is None else tuple(value["main"])
        marks = [(float(moment), int(number)) for moment, number in value["marks"]]
        self.pause_until, self.opening = float(value["pause_until"]), float(value["opening"])
        self.total = int(value["total"])
        self.windows, self.told, self.main, self.marks = windows, told, main, marks
