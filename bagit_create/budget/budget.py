"""The budget of one server and one user: whether the next request may go."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Mapping, Sequence

from .allowance import allowances, clock_ahead, policies
from .history import History
from .shared import SharedLog, route_of
from .windows import POLL_S, Windows

SPARED = 0.1
"""Part of an allowance that a run of its own uses slowly: others may count on it too."""
RECOVERY = 50
"""Good answers after which one more request at a time is tried again."""
STALE_S = 5.0
"""Seconds after its turn when a planned request is taken for one that was given up."""
LONGEST_PAUSE_S = 31 * 24 * 3600.0

Limits = Sequence[Sequence[tuple[int, float]]]
"""Sets of limits that hold together: each a number of requests, and seconds."""


def _nothing(_: OSError) -> None:
    """Nobody wants to know."""


class Budget:
    """What one server allows one user. Safe to use from many threads.

    Alone, it lets requests go as they come until a tenth of an allowance is left. With others, it
    spreads them over the whole window: then few are under way when a limit ends that no answer
    tells of.

    :param part: our part of each limit; others, whom we cannot ask, have the rest.
    :param paced: whether to spread all requests.
    :param book: where processes share what happens; None keeps it here.
    :param salt: what the digests that stand in ``book`` are keyed with.
    :param warn: called with what went wrong when ``book`` cannot be used any more.
    :param known: limits that are believed as soon as answers tell one of their set.
    """

    def __init__(
        self,
        *,
        part: float = 1.0,
        paced: bool = False,
        book: SharedLog | None = None,
        salt: bytes = b"",
        warn: Callable[[OSError], None] = _nothing,
        known: Limits = (),
    ) -> None:
        self._lock = threading.Lock()
        self._state = Windows(part, 1.0 if paced else SPARED, paced)
        self._history = History(self._state, book, warn)
        self._salt = salt
        self._known = known
        self._held: dict[str, tuple[float, int, bool]] = {}
        self._asking: set[int] = set()
        self._openers: set[int] = set()
        self._first = (0, 0.0)
        self._ahead = 0.0
        self._width: int | None = None
        self._running = 0
        self._good = 0
        self._most = 1

    # -- what a request needs -----------------------------------------------------------------

    def begin(self, url: str = "") -> float:
        """Begin a request: 0, or the seconds to wait before asking again whether one may.

        :param url: its address: servers have other limits for other paths.
        """
        with self._lock:
            now = time.time()
            state = self._state
            if now >= self._history.look_at:
                self._history.look(now)
            if state.pause_until:
                if now < state.pause_until:
                    return state.pause_until - now
                state.pause_until = 0.0
            if self._width is not None and self._running >= self._width:
                return 0.05
            if not state.is_free:
                route = route_of(url, self._salt)
                due = self._due(route, now)
                if due > now:
                    return self._patience(due, now)
                if self._held.pop(route, (0.0, 0, False))[2]:
                    self._openers.add(threading.get_ident())
                self._asking.add(threading.get_ident())
            self._running += 1
            self._most = max(self._most, self._running)
            return 0.0

    @property
    def is_free(self) -> bool:
        """Whether nothing limits the next request."""
        state = self._state
        return self._width is None and (state.is_free or not state.alone and state.is_ample)

    def end(self, *, answered: bool = True) -> None:
        """The request that :meth:`begin` allowed is over, or came to nothing."""
        with self._lock:
            self._running -= 1
            if not answered:
                self._asking.discard(threading.get_ident())
            if not answered and threading.get_ident() in self._openers:
                self._openers.discard(threading.get_ident())
                self._history.add("failed")

    def learn(
        self, status: int, headers: Mapping[str, str], url: str = "", waited: float = 0.0
    ) -> None:
        """Take in what an answer says of the allowance.

        :param waited: seconds from the request to the answer.
        """
        found = allowances(headers)
        state = self._state
        if self._asking:
            self._asking.discard(threading.get_ident())
        if not found and self._width is None and state.is_free and status < 400:
            return  # nearly always: nothing is said, and nothing went wrong
        with self._lock:
            now = time.time()
            route = route_of(url, self._salt)
            opened = threading.get_ident() in self._openers
            self._openers.discard(threading.get_ident())
            if not found:
                self._learn_nothing(status, route, opened)
                return
            self._answered_well(status)
            self._ahead = clock_ahead(self._ahead, headers, now, waited)
            told = [
                [one.limit, one.remaining, one.end(now, self._ahead), one.grain] for one in found
            ]
            limits = state.limits(route)
            if status == 429 and limits is not None:
                hidden = [one for one in told if one[0] and one[0] not in limits]
                for one in hidden:
                    self._history.add("broken", now, one[0], *one[2:])
                told = [one for one in told if one not in hidden]
            if told and (opened or state.is_news(route, told, now)):
                self._history.add("told", now, route, told, opened)
            self._learn_others(now, [int(one[0]) for one in told], policies(headers))

    def pause(self, seconds: float) -> None:
        """Send nothing for so long: the server put one request off, and means them all."""
        with self._lock:
            self._history.add("pause", time.time() + min(seconds, LONGEST_PAUSE_S))

    def close(self) -> None:
        """Share it no more."""
        with self._lock:
            self._history.close()

    # -- concurrency --------------------------------------------------------------------------

    def _answered_well(self, status: int) -> None:
        if self._width is not None and status < 400:
            self._good += 1
            if self._good >= RECOVERY:
                self._good, self._width = 0, self._width + 1

    def _learn_nothing(self, status: int, route: str, opened: bool) -> None:
        """An answer that tells no limit; a refusal then is about requests at a time."""
        if status == 429:
            self._width = max(1, (self._width or self._most) // 2)
            self._good = 0
        self._answered_well(status)
        state = self._state
        if (
            status < 500
            and status != 429
            and state.limits(route) != ()
            and not self._is_told(route)
        ):
            self._history.add("nothing", route)
        elif opened:
            self._history.add("failed")

    def _is_told(self, route: str) -> bool:
        """Whether a window stands of which answers to such requests tell."""
        now, windows = time.time(), self._state.windows
        limits = self._state.limits(route) or ()
        return any(one in windows and now < windows[one].end for one in limits)

    def _learn_others(
        self, now: float, told: list[int], listed: Sequence[tuple[int, float]]
    ) -> None:
        """Limits that no header counts down, but that go with those that were told."""
        if not told:
            return
        together = [*listed]
        for limits in self._known:
            if any(number in told for number, _ in limits):
                together += limits
        windows = self._state.windows
        new = [
            [number, seconds]
            for number, seconds in together
            if number not in told and number not in windows
        ]
        if new:
            self._history.add("stand", now, new)

    def _due(self, route: str, now: float) -> float:
        """When a request may go, or when to ask again; the same turn until it is used.

        One may always go out of turn, while no other one of ours waits for its answer: a short
        job does not take the whole window, and no more than that one is refused if a limit ends.
        """
        state = self._state
        ahead = state.alone and not self._asking
        if route in self._held:
            due, breaks, opens = self._held[route]
            if breaks == state.breaks and now < due + STALE_S:
                return now if ahead and not opens else due
            del self._held[route]
        again = state.plan(route, now, ahead).again
        if again > now:
            return again
        slot = self._history.add("ticket", now, route, ahead)
        if slot is None:  # somebody was faster
            return max(state.plan(route, now, ahead).again, now + 0.001)
        self._held[route] = slot, state.breaks, state.opening == slot
        return slot

    def _patience(self, due: float, now: float) -> float:
        """Seconds to wait for a turn; one of those who wait looks often whether it may go ahead."""
        me = threading.get_ident()
        first, until = self._first
        if not self._state.alone or not self._asking or (first != me and now < until):
            return due - now
        self._first = me, now + 5 * POLL_S
        return min(due - now, POLL_S)
