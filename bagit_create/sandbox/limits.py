"""Limits of requests as flask-limiter keeps them with fixed windows, which is what Invenio runs.

A window begins with the first request after the last one's end. A request is counted in the limits
of its path from the shortest window on, until one is broken; a refused one counts there too. Each
answer tells one limit only: the shortest one, or the one that was broken. Source: the documentation
of flask-limiter, "Rate limiting strategies" and "Rate limiting headers".
"""

from __future__ import annotations

import re
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from threading import Lock

Limits = tuple[tuple[int, float], ...]
"""Each a number of requests, and the seconds of a window."""


@dataclass
class Limiter:
    """What one server allows each user.

    ``limits`` hold where no pattern of ``paths`` fits, which has its own. ``grain`` is what the
    reset is rounded to, in seconds: 1 for Unix seconds as usual, 0.001 for milliseconds. ``form``
    is how answers tell: ``x`` (``X-RateLimit-*``), ``draft`` (``RateLimit``, in seconds from now),
    ``refusals`` (as ``x``, but only those have headers).
    """

    limits: Limits
    paths: Mapping[str, Limits] = field(default_factory=dict)
    grain: float = 1.0
    form: str = "x"
    allowed: int = 0
    refused: int = 0
    most: dict[tuple[int, float], list[int]] = field(default_factory=dict)
    """By limit, how many requests each of its windows allowed, of all users."""
    refusals: list[tuple[float, int, int, float]] = field(default_factory=list)
    """Of each refusal the time, and the limit that was broken, 0, and its end."""
    _windows: dict[tuple[str, int, float], tuple[float, int]] = field(default_factory=dict)
    _lock: Lock = field(default_factory=Lock)

    def take(self, user: str, path: str) -> tuple[bool, dict[str, str]]:
        """Count a request; whether it is allowed, and what its answer tells."""
        own = next((its for one, its in self.paths.items() if re.search(one, path)), self.limits)
        with self._lock:
            now = time.time()
            shown, broken = None, False
            for number, seconds in sorted(own, key=lambda one: one[1]):
                key = (user, number, seconds)
                end, count = self._windows.get(key, (0.0, 0))
                windows = self.most.setdefault((number, seconds), [])
                if end <= now:
                    end, count = now + seconds, 0
                    windows.append(0)
                self._windows[key] = end, count + 1
                broken = count >= number
                if shown is None or broken:
                    shown = (number, max(0, number - count - 1), end)
                if broken:
                    break
                windows[-1] += 1
            self.refused += broken
            if broken and shown:
                self.refusals.append((now, *shown))
            self.allowed += not broken
        return not broken, self._told(shown, now, broken) if shown else {}

    def _told(self, shown: tuple[int, int, float], now: float, refused: bool) -> dict[str, str]:
        number, left, end = shown
        if self.form == "refusals" and not refused:
            return {}
        wait = str(int(end - now) + 1)
        if self.form == "draft":
            return {"RateLimit": f'"default";r={left};t={wait}', "Retry-After": wait}
        reset = int(1 + end / self.grain)
        return {
            "X-RateLimit-Limit": str(number),
            "X-RateLimit-Remaining": str(left),
            "X-RateLimit-Reset": str(reset),
            "Retry-After": wait,
        }
