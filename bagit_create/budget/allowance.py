"""What an answer says of the requests that a server allows.

Facts: ``X-RateLimit-*`` as Invenio, GitHub and others send them (``Reset`` is a moment in Unix
seconds or milliseconds, or a number of seconds); ``RateLimit-*`` as GitLab does and
draft-ietf-httpapi-ratelimit-headers up to 07 has it (seconds); its later form
``RateLimit: "name";r=50;t=30`` with ``RateLimit-Policy: "name";q=100;w=60``, each of which may list
several.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime

USUAL_WINDOW_S = 60.0
"""Seconds after which most servers allow more, if they do not say."""
EPOCH = 10**9
"""A reset beyond this is a moment in Unix time, a smaller one a number of seconds."""
LONGEST_WINDOW_S = 31 * 24 * 3600.0
"""Seconds beyond which nothing that is told of a window is believed."""

_NUMBER = re.compile(r"\s*(\d{1,15})(\.\d{1,9})?")
_RESET = re.compile(r"\s*(\d{1,19})(\.\d{1,9})?\s*(?:[,;].*)?", re.DOTALL)
_PAIR = re.compile(r"(?:^|[;,\s])([a-z]+)\s*=\s*(\d{1,15})")
_POLICY = re.compile(r"(\d{1,15})\s*;\s*w\s*=\s*(\d{1,15})")


@dataclass(frozen=True)
class Allowance:
    """One limit, as one answer tells it.

    ``limit`` is how many requests a window has, 0 if that is not said, ``remaining`` how many are
    left, ``reset`` the number that tells when there are more, ``grain`` how exact that is, in
    seconds.
    """

    remaining: int
    limit: int
    reset: float | None
    grain: float = 1.0

    def end(self, now: float, ahead: float) -> float:
        """When there are more, in Unix seconds of our clock.

        :param now: the time here.
        :param ahead: seconds that the server's clock is ahead of ours.
        """
        if self.reset is None:
            return now + USUAL_WINDOW_S
        end = now + self.reset if self.reset <= EPOCH else self.reset - ahead
        return end if end - now <= LONGEST_WINDOW_S else now + USUAL_WINDOW_S


def allowances(headers: Mapping[str, str]) -> tuple[Allowance, ...]:
    """What an answer says of its server's limits; nothing, nearly always."""
    for prefix in ("x-ratelimit-", "ratelimit-"):
        text = headers.get(prefix + "remaining")
        if text is None:
            continue
        several = text.split(",")
        limits = _each(headers.get(prefix + "limit") or "", len(several))
        resets = _each(headers.get(prefix + "reset") or "", len(several))
        found = [
            _made(remaining, _number(limit), reset)
            for one, limit, reset in zip(several, limits, resets, strict=True)
            if (remaining := _number(one)) is not None
        ]
        if found:
            return tuple(found)
    text = headers.get("ratelimit")
    return () if text is None else tuple(_items(text, headers.get("ratelimit-policy") or ""))


def policies(headers: Mapping[str, str]) -> tuple[tuple[int, float], ...]:
    """All limits of a server that lists them: requests, and the seconds of their window."""
    text = headers.get("ratelimit-policy")
    if text is None:
        return ()
    found = [(int(number), float(seconds)) for number, seconds in _POLICY.findall(text)]
    for item in text.split(","):
        pairs = dict(_PAIR.findall(item))
        if "q" in pairs and "w" in pairs:
            found.append((int(pairs["q"]), float(pairs["w"])))
    return tuple(one for one in dict.fromkeys(found) if one[0] and 0 < one[1] <= LONGEST_WINDOW_S)


def clock_ahead(before: float, headers: Mapping[str, str], now: float, waited: float) -> float:
    """How many seconds a server's clock is ahead of ours, as far as its answers prove it.

    A ``Date`` has whole seconds and was written between the request and now: what was believed
    before is changed only as much as this one asks for.

    :param before: what was believed before.
    :param waited: seconds from the request to its answer.
    """
    text = headers.get("date")
    if text is None:
        return before
    told = _moment(text)
    if told is None:
        return before
    return min(max(before, told - now), told + 1 + waited - now)


def _items(text: str, policy: str) -> Iterator[Allowance]:
    """The items of ``RateLimit``; the form of the drafts up to 07 is one, with commas in it."""
    quotas = {}
    for item in policy.split(","):
        name = item.partition(";")[0].strip()
        quotas[name] = dict(_PAIR.findall(item)).get("q")
    pairs = dict(_PAIR.findall(text))
    if "remaining" in pairs:
        limit = pairs.get("limit")
        yield _made(int(pairs["remaining"]), int(limit) if limit else None, pairs.get("reset"))
        return
    for item in text.split(","):
        pairs = dict(_PAIR.findall(item))
        if "r" not in pairs:
            continue
        limit = pairs.get("q") or quotas.get(item.partition(";")[0].strip())
        yield _made(int(pairs["r"]), int(limit) if limit else None, pairs.get("t"))


def _each(text: str, several: int) -> list[str]:
    """A field's value for each of several limits: of a field that two wrote, the values are joined
    by commas (RFC 9110 section 5.3). A date has one, too."""
    parts = text.split(",")
    return parts if len(parts) == several > 1 else [text] * several


def _made(remaining: int, limit: int | None, reset: str | None) -> Allowance:
    match = _RESET.fullmatch(reset or "")
    if match is None:
        moment = _moment(reset or "")
        return Allowance(remaining, limit or 0, moment)
    number, grain = float(match[1] + (match[2] or "")), 0.001 if match[2] else 1.0
    while number > EPOCH * 1000:  # in milliseconds, or less
        number, grain = number / 1000, 0.001
    return Allowance(remaining, limit or 0, number, grain)


def _moment(text: str) -> float | None:
    """Unix seconds of a date of HTTP (RFC 9110 section 5.6.7) or of an ISO time; None for others.

    What names no zone is UTC, as the oldest form of the former is.
    """
    found: datetime | None = None
    try:
        found = parsedate_to_datetime(text)
    except (ValueError, TypeError, IndexError, OverflowError):
        try:
            found = datetime.fromisoformat(text.strip())
        except ValueError:
            return None
    try:
        return (found if found.tzinfo else found.replace(tzinfo=UTC)).timestamp()
    except (ValueError, OverflowError):
        return None


def _number(text: str) -> int | None:
    match = _NUMBER.match(text)
    return int(match[1]) if match else None
