"""The budget of one server and one user, and where all of them are found."""

from __future__ import annotations

import itertools
import os
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

from .. import log
from .allowance import allowances, clock_ahead, policies
from .shared import BEGINNING, END, Record, SharedLog, digest, machine, salt_of
from .windows import Windows

SPARED = 0.1
"""Part of an allowance that a run of its own uses slowly: others may count on it too."""
RECOVERY = 50
"""Good answers after which one more request at a time is tried again."""
LOOK_S = 1.0
"""Seconds after which we look for news where nothing limits us, and after the file itself."""
STALE_S = 5.0
"""Seconds after its turn when a planned request is taken for one that was given up."""
LONGEST_PAUSE_S = 31 * 24 * 3600.0

Place = tuple[str, str, int | None]
"""Scheme, host and port of a server."""
Limits = Sequence[Sequence[tuple[int, float]]]
"""Sets of limits that hold together: each a number of requests, and seconds."""

_numbers = itertools.count()


class Budget:
    """What one server allows one user. Safe to use from many threads.

    Alone, it lets requests go as they come until a tenth of an allowance is left. With others, it
    spreads them over the whole window: then few are under way when a limit ends that no answer
    tells of.

    :param part: our part of each limit; others, whom we cannot ask, have the rest.
    :param paced: whether to spread all requests.
    :param book: where processes share what happens; None keeps it here.
    :param salt: what the digests that stand in ``book`` are keyed with.
    :param known: limits that are believed as soon as answers tell one of their set.
    """

    def __init__(
        self,
        *,
        part: float = 1.0,
        paced: bool = False,
        book: SharedLog | None = None,
        salt: bytes = b"",
        known: Limits = (),
    ) -> None:
        self._lock = threading.Lock()
        self._state = Windows(part, 1.0 if paced else SPARED, paced)
        state = self._state
        self._kinds: dict[str, Callable[..., float | None]] = {
            "ticket": state.ticket,
            "told": state.tell,
            "nothing": state.nothing,
            "failed": state.failed,
            "broken": state.broken,
            "stand": state.stand,
            "pause": state.pause,
            BEGINNING: state.restore,
        }
        self._book = book
        self._salt = salt
        self._known = known
        self._look_at = self._check_at = 0.0
        self._held: dict[str, tuple[float, int, bool]] = {}
        self._openers: set[int] = set()
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
            if now >= self._look_at and self._book is not None:
                self._look(now)
            if state.pause_until:
                if now < state.pause_until:
                    return state.pause_until - now
                state.pause_until = 0.0
            if self._width is not None and self._running >= self._width:
                return 0.05
            if not state.is_free:
                route = _route(url, self._salt)
                due = self._due(route, now)
                if due > now:
                    return due - now
                if self._held.pop(route, (0.0, 0, False))[2]:
                    self._openers.add(threading.get_ident())
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
            if not answered and threading.get_ident() in self._openers:
                self._openers.discard(threading.get_ident())
                self._happened("failed")

    def learn(
        self, status: int, headers: Mapping[str, str], url: str = "", waited: float = 0.0
    ) -> None:
        """Take in what an answer says of the allowance.

        :param waited: seconds from the request to the answer.
        """
        found = allowances(headers)
        state = self._state
        if not found and self._width is None and state.is_free and status < 400:
            return  # nearly always: nothing is said, and nothing went wrong
        with self._lock:
            now = time.time()
            route = _route(url, self._salt)
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
                    self._happened("broken", now, one[0], *one[2:])
                told = [one for one in told if one not in hidden]
            if told and (opened or state.is_news(route, told, now)):
                self._happened("told", now, route, told, opened)
            self._learn_others(now, [int(one[0]) for one in told], policies(headers))

    def pause(self, seconds: float) -> None:
        """Send nothing for so long: the server put one request off, and means them all."""
        with self._lock:
            self._happened("pause", time.time() + min(seconds, LONGEST_PAUSE_S))

    def close(self) -> None:
        """Share it no more."""
        with self._lock:
            if self._book is not None:
                self._book.close()
                self._book = None

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
        if status < 400 and state.limits(route) != () and not self._is_told(route):
            self._happened("nothing", route)
        elif opened:
            self._happened("failed")

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
            self._happened("stand", now, new)

    def _due(self, route: str, now: float) -> float:
        """When a request may go, or when to ask again; the same turn until it is used."""
        state = self._state
        if route in self._held:
            due, breaks, _ = self._held[route]
            if breaks == state.breaks and now < due + STALE_S:
                return due
            del self._held[route]
        again = state.plan(route, now).again
        if again > now:
            return again
        slot = self._happened("ticket", now, route)
        if slot is None:  # somebody was faster
            return max(state.plan(route, now).again, now + 0.001)
        self._held[route] = slot, state.breaks, state.opening == slot
        return slot

    # -- what happens, here and elsewhere -----------------------------------------------------

    def _happened(self, kind: str, *facts: object) -> float | None:
        """Take in what happened here, in its order among what happened elsewhere."""
        if self._book is not None:
            try:
                for _ in range(3):  # a line may meet the end of the file, or half of another one
                    mine = f"{os.getpid():x}.{next(_numbers):x}"
                    self._book.append([kind, mine, *facts])
                    found, result = self._read(mine)
                    if found:
                        return result
                raise OSError("lines that were written cannot be read")
            except OSError as err:
                self._give_up(err)
        return self._apply([kind, "", *facts])

    def _look(self, now: float) -> None:
        """Take in what happened elsewhere."""
        book = self._book
        if book is None:
            return
        try:
            if now >= self._check_at:
                self._check_at = now + LOOK_S
                if book.is_lost:
                    book.follow(self._state.snapshot())
                elif book.is_long:
                    book.append([END, ""])
            self._read("")
        except OSError as err:
            self._give_up(err)
        self._look_at = now + LOOK_S if self._state.is_free else 0.0

    def _read(self, mine: str) -> tuple[bool, float | None]:
        """Take in all that is new; whether our own line was there, and what came of it."""
        found, result, more = False, None, self._book is not None
        while more and self._book is not None:
            more = False
            for record in self._book.read():
                if record[0] == END:
                    self._book.follow(self._state.snapshot())
                    more = True
                    break
                made = self._apply(record)
                if mine and record[1:2] == [mine]:
                    found, result = True, made
        return found, result

    def _apply(self, record: Record) -> float | None:
        try:
            made: float | None = self._kinds[record[0]](*record[2:])
        except (TypeError, ValueError, LookupError, AttributeError, OverflowError):
            return None  # no line of ours
        return made

    def _give_up(self, err: OSError) -> None:
        if self._book is not None:
            self._book.close()
            self._book = None
        _warn(err)


_lock = threading.Lock()
_budgets: dict[tuple[str, str, int | None, str], Budget] = {}
_folder: Path | None = None
_part: float | None = None
_warned = False


def share(folder: Path, part: float = 1.0) -> None:
    """Keep every budget together with those of other processes, from now on.

    Clients that were made before keep theirs. Where the folder cannot be used, or stops to be
    usable, each process goes on by itself, and a warning says so once.

    :param folder: the same one for all processes of this machine; machines may have it in common.
        It is made, and holds neither names of servers nor anything of a credential.
    :param part: our part of each allowance, above 0 and at most 1, where others have the rest; less
        than 1 is kept by this process alone.
    :raises ValueError: if ``part`` is none.
    """
    global _folder, _part
    if not 0 < part <= 1:
        raise ValueError("a part is above 0 and at most 1")
    forget()
    with _lock:
        _part = part
        if part == 1:
            try:
                salt_of(folder)
                _folder = folder
            except OSError as err:
                _warn(err)


def forget() -> None:
    """Begin anew with every server, each process for itself."""
    global _folder, _part, _warned
    with _lock:
        for one in _budgets.values():
            one.close()
        _budgets.clear()
        _folder, _part, _warned = None, None, False


def budget_for(place: Place, user: str, known: Limits = ()) -> Budget:
    """The budget of a server and a user (``""`` for a guest); see :class:`Budget`."""
    with _lock:
        found = _budgets.get((*place, user))
        if found is None:
            found = _budgets[(*place, user)] = _made(place, user, known)
        return found


def _made(place: Place, user: str, known: Limits) -> Budget:
    if _part is None:
        return Budget(known=known)
    if _folder is not None:
        try:
            salt = salt_of(_folder)
            name = f"{digest(salt, *place)}-{digest(salt, *place, user, size=2)}"
            book = SharedLog(_folder / digest(salt, machine(), size=4), name)
            return Budget(paced=True, book=book, salt=salt, known=known)
        except OSError as err:
            _warn(err)
    return Budget(part=_part, paced=True, known=known)


def _warn(err: OSError) -> None:
    """Say once that nothing is shared."""
    global _warned
    if not _warned:
        _warned = True
        log.warning(
            "the limits of servers cannot be kept together with other processes"
            f" ({err.strerror or err}): each goes by what the servers tell it"
        )


def _route(url: str, salt: bytes) -> str:
    """What an address has in common with those that are counted with it, nearly always.

    A digest, as the beginning of an address may be what opens it (a note that is not listed).
    """
    parts = url.partition("://")[2].partition("?")[0].split("/")[1:]
    start = parts[:2] if parts[:1] == ["api"] else parts[:1]
    return digest(salt, start, min(len(parts), 8), size=2)
