"""How limits of requests are written down: ``60/minute 2000/hour``."""

from __future__ import annotations

import re

_SECONDS = {"second": 1.0, "minute": 60.0, "hour": 3600.0, "day": 86400.0}
_LIMIT = re.compile(r"([1-9][0-9]{0,8})/(second|minute|hour|day)")


def requests_allowed(text: str) -> tuple[tuple[int, float], ...]:
    """Read limits that hold together, as ``60/minute 2000/hour``: requests, and seconds.

    :raises ValueError: naming the one that is no limit.
    """
    found = []
    for one in text.split():
        match = _LIMIT.fullmatch(one)
        if match is None:
            raise ValueError(one)
        found.append((int(match[1]), _SECONDS[match[2]]))
    return tuple(found)
