"""How much one server allows: pace and concurrency, learnt from its answers.

One budget for each server and credential, shared by all runs of the process: many records harvested
at once are one user to the server. Facts: ``X-RateLimit-*`` as Invenio, GitHub and others send them
(``Reset`` is a moment in Unix seconds, or a number of seconds), ``RateLimit-*`` as GitLab does and
draft-ietf-httpapi-ratelimit-headers up to 07 has it (seconds), and its later form
``RateLimit: "name";r=50;t=30``.
"""

from __future__ import annotations

import re
import threading
import time
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from email.utils import parsedate_to_datetime

SPARED = 0.1
"""Part of an allowance that is used slowly: others may count on it too."""
RECOVERY = 50
"""Good answers after which one more request at a time is tried again."""
USUAL_WINDOW_S = 60.0
"""Seconds after which most servers allow more, if they do not say."""
EPOCH = 10**9
"""A reset beyond this is a moment in Unix time, a smaller one a number of seconds."""

_PAIR = re.compile(r"""(?:^|[;,\s])(limit|remaining|reset|r|t|q)\s*=\s*(\d{1,15})""")


@dataclass
class Budget:
    """What one server allows one user. Safe to use from many threads."""

    _lock: threading.Lock = field(default_factory=threading.Lock)
    _not_before: float = 0.0
    _pause_until: float = 0.0
    _gap: float = 0.0
    _width: int | None = None
    _running: int = 0
    _good: int = 0
    _most: int = 1

    def begin(self) -> float:
        """Begin a request: 0, or the seconds to wait before asking again whether one may."""
        with self._lock:
            now = time.monotonic()
            if now < self._pause_until:
                return self._pause_until - now
            if self._width is not None and self._running >= self._width:
                return 0.05
            if self._gap:
                if now < self._not_before:
                    return self._not_before - now
                self._not_before = now + self._gap
            self._running += 1
            self._most = max(self._most, self._running)
            return 0.0

    @property
    def is_free(self) -> bool:
        """Whether nothing limits the next request."""
        return self._width is None and not self._gap and not self._pause_until

    def end(self) -> None:
        """The request that :meth:`begin` allowed is over."""
        with self._lock:
            self._running -= 1

    def learn(self, status: int, headers: Mapping[str, str]) -> None:
        """Take in what an answer says of the allowance."""
        told = allowance(headers)
        if told is None and self._width is None and not self._gap and status < 400:
            return  # nearly always: nothing is said, and nothing went wrong
        with self._lock:
            if status == 429:
                self._width = max(1, (self._width or self._most) // 2)
                self._good = 0
            elif self._width is not None and status < 400:
                self._good += 1
                if self._good >= RECOVERY:
                    self._good, self._width = 0, self._width + 1
            self._gap = 0.0
            if told is not None and told.remaining <= max(SPARED * told.limit, self._running):
                seconds = told.seconds(headers.get("date"))
                if told.remaining:
                    self._gap = seconds / told.remaining
                else:
                    self._pause(seconds)

    def pause(self, seconds: float) -> None:
        """Send nothing for so long: the server put one request off, and means them all."""
        with self._lock:
            self._pause(seconds)

    def _pause(self, seconds: float) -> None:
        self._pause_until = max(self._pause_until, time.monotonic() + seconds)


@dataclass(frozen=True)
class Allowance:
    """Requests that are left, of how many, and the number that tells when there are more."""

    remaining: int
    limit: int
    reset: int | None

    def seconds(self, date: str | None) -> float:
        """Seconds until there are more; by the server's own clock, if its answer has a date."""
        if self.reset is None:
            return USUAL_WINDOW_S
        if self.reset <= EPOCH:
            return float(self.reset)
        now = time.time()
        with suppress(ValueError, TypeError):
            now = parsedate_to_datetime(date or "").timestamp()
        return max(0.0, (self.reset // 1000 if self.reset > EPOCH * 1000 else self.reset) - now)


def allowance(headers: Mapping[str, str]) -> Allowance | None:
    """What an answer says of it; None if it says nothing."""
    for prefix in ("x-ratelimit-", "ratelimit-"):
        remaining = _number(headers.get(prefix + "remaining"))
        if remaining is not None:
            limit = _number(headers.get(prefix + "limit"))
            reset = _number(headers.get(prefix + "reset"))
            return Allowance(remaining, remaining if limit is None else limit, reset)
    text = headers.get("ratelimit")
    if text is None:
        return None
    found = dict(_PAIR.findall(text))
    remaining = _number(found.get("remaining") or found.get("r"))
    if remaining is None:
        return None
    policy = dict(_PAIR.findall(headers.get("ratelimit-policy", "")))
    limit = _number(found.get("limit") or found.get("q") or policy.get("q"))
    reset = _number(found.get("reset") or found.get("t"))
    return Allowance(remaining, remaining if limit is None else limit, reset)


def _number(text: str | None) -> int | None:
    match = re.match(r"\s*(\d{1,15})", text or "")
    return int(match[1]) if match else None


_budgets: dict[tuple[str, str, int | None, str], Budget] = {}
_budgets_lock = threading.Lock()


def forget() -> None:
    """Begin anew with every server."""
    with _budgets_lock:
        _budgets.clear()


def budget_for(place: tuple[str, str, int | None], user: str) -> Budget:
    """The budget of a server (scheme, host, port) and a user (``""`` for a guest)."""
    with _budgets_lock:
        return _budgets.setdefault((*place, user), Budget())
