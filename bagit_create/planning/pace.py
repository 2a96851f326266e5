"""How fast a server may be asked, and how fast it answers: from the answers to a plan's requests.

Facts: flask-limiter (Invenio) counts in fixed windows and tells the moment of the next one, GitLab
does the same; draft-ietf-httpapi-ratelimit-headers names the window (``w``) in its policy.
"""

from __future__ import annotations

import re
import time
from collections import Counter
from collections.abc import Mapping
from threading import Lock
from urllib.parse import urljoin

from ..answers import REDIRECTS, RETRIED
from ..budget import Limits
from ..budget.allowance import USUAL_WINDOW_S, allowances, clock_ahead, policies
from ..client import MAX_REDIRECTS
from ..urls import origin
from ..wire import Response
from .model import Limit

WINDOWS = (USUAL_WINDOW_S, 300.0, 900.0, 3600.0, 86400.0)
"""Seconds for which servers usually count; a shorter window is believed only if it is named."""
_SLACK = 1.05
"""Two clocks may differ, so that a reset seems to be further away than a window lasts."""
_WINDOW = re.compile(r"[;,\s]w\s*=\s*(\d{1,9})")
_POLICIES = ("ratelimit-policy", "ratelimit-limit", "x-ratelimit-limit")
_KINDS = 8
"""Different limits of one server that are remembered; it has one for each kind of request."""
_REFUSED = (401, 403, 404, 410)


class Pace:
    """What the answers of all servers told. Safe to use from many threads."""

    def __init__(self) -> None:
        self._lock = Lock()
        self._limits: dict[str, dict[int, tuple[float, bool]]] = {}
        self._known: dict[str, Limits] = {}
        self._answers = 0
        self._waited = 0.0

    def know(self, server: str, limits: Limits) -> None:
        """Take in which limits of a server hold together: a run keeps to all of a set as soon as an
        answer tells one of it (see :class:`.budget.Budget`)."""
        self._known[server] = limits

    def learn(self, server: str, response: Response) -> None:
        """Take in one answer."""
        headers, now = response.headers, time.time()
        named = dict(policies(headers))
        ahead = clock_ahead(0.0, headers, now, response.waited)
        with self._lock:
            self._answers += 1
            self._waited += response.waited
            for told in allowances(headers):
                kinds = self._limits.setdefault(server, {})
                if not told.limit or (told.limit not in kinds and len(kinds) >= _KINDS):
                    continue
                known, is_named = kinds.get(told.limit, (0.0, False))
                window = named.get(told.limit) or _window(headers)
                if window is not None:
                    kinds[told.limit] = (window, True)
                elif not is_named:
                    kinds[told.limit] = (max(known, told.end(now, ahead) - now), False)
            for number, seconds in named.items():
                if len(kinds := self._limits.setdefault(server, {})) < _KINDS:
                    kinds[number] = (seconds, True)

    @property
    def sent(self) -> int:
        """Requests that were answered."""
        return self._answers

    @property
    def answer(self) -> float | None:
        """Seconds that an answer took to begin, on average."""
        return self._waited / self._answers if self._answers else None

    def limits(self) -> tuple[Limit, ...]:
        """The tightest limit of each server, by name."""
        found = []
        for server, kinds in sorted(self._limits.items()):
            if not kinds:
                continue
            every = [
                Limit(server, number, seen if named else _usual(seen), named)
                for number, (seen, named) in kinds.items()
            ]
            for limits in self._known.get(server, ()):
                if any(number in kinds for number, _ in limits):
                    every += [
                        Limit(server, number, seconds, False, known=True)
                        for number, seconds in limits
                        if number not in kinds
                    ]
            found.append(min(every, key=lambda one: one.requests / one.window))
        return tuple(found)


class Meter:
    """The requests of one record. Safe to use from many threads.

    ``servers`` counts those that every run needs: what was put off or failed for a while is asked
    again, and does not count. ``heads`` of them were HEAD. ``refused`` are the addresses of files
    that the source itself would not hand out, as HEAD told; ``redirects`` says where others lead.
    """

    def __init__(self, pace: Pace, own: str) -> None:
        self._pace = pace
        self._own = own
        self._lock = Lock()
        self.servers: Counter[str] = Counter()
        self.heads = 0
        self.refused: set[str] = set()
        self.redirects: dict[str, str] = {}

    def note(self, method: str, url: str, response: Response) -> None:
        """Take in one answer; see ``Wire.on_answer``."""
        server = server_of(url)
        self._pace.learn(server, response)
        if response.status in RETRIED:
            return
        with self._lock:
            self.servers[server] += 1
            if method != "HEAD":
                return
            self.heads += 1
            if response.status in _REFUSED and server == self._own:
                self.refused.add(url)
            elif response.status in REDIRECTS and "Location" in response.headers:
                self.redirects[url] = urljoin(url, response.headers["Location"])

    def ways(self, url: str) -> list[str]:
        """The servers that fetching a file asks, one request each, as far as is known."""
        servers = [server_of(url)]
        while (url := self.redirects.get(url, "")) and len(servers) <= MAX_REDIRECTS:
            servers.append(server_of(url))
        return servers


def server_of(url: str) -> str:
    """Scheme, host and port, as people write them."""
    scheme, host, port = origin(url)
    usual = {"http": 80, "https": 443}.get(scheme)
    host = f"[{host}]" if ":" in host else host
    return f"{scheme}://{host}" + ("" if port in (usual, None) else f":{port}")


def slowest(limits: tuple[Limit, ...], servers: Mapping[str, float]) -> float:
    """Seconds until the server that is done last has answered so many requests."""
    return max(
        (servers.get(one.server, 0.0) / one.requests * one.window for one in limits), default=0.0
    )


def _window(headers: Mapping[str, str]) -> float | None:
    for name in _POLICIES:
        if match := _WINDOW.search(headers.get(name, "")):
            return float(match[1]) or None
    return None


def _usual(left: float) -> float:
    """The window of which so many seconds were left at most."""
    return next((one for one in WINDOWS if left <= one * _SLACK), left)
