"""Indico's categories: the export of their events, and their pages.

Routes, parameters and texts follow indico/indico (``indico/modules/events/api.py``,
``indico/web/http_api/hooks/base.py``). The categories:

    0   above all            42  those of indico.py         43  within 42, empty at first
    44  protected            45  empty                      others: missing
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from datetime import UTC, datetime, time, timedelta, tzinfo
from typing import Any, Protocol
from urllib.parse import quote

from .content import Content
from .indico_events import ZONE, Event, seen
from .server import Reply, json_reply, page

PARENTS = {"0": "", "42": "0", "43": "42", "44": "0", "45": "0"}
MOST = {"events": 1000, "contributions": 500, "subcontributions": 500, "sessions": 100}
ZONES = {"Europe/Zurich": ZONE, "UTC": UTC}
_AGES = datetime.min.replace(tzinfo=UTC), datetime.max.replace(tzinfo=UTC)


class Holder(Protocol):
    """The server whose events these are."""

    base: str
    events: dict[str, Event]


class Categories:
    """The categories of a server.

    ``deaf`` is whether the export pays no heed to ``offset``, ``unordered`` none to ``order``.
    """

    def __init__(self, holder: Holder) -> None:
        self._holder = holder
        self.deaf = False
        self.unordered = False

    def fill(self, category: str, count: int, first: int = 1000, state: str = "open") -> None:
        """Put generated events into a category, one a day from the year 2000 on."""
        for number in range(first, first + count):
            begins = datetime(2000, 1, 1, 9, tzinfo=ZONE) + timedelta(days=number - 1000)
            made = Event(str(number), f"Generated {number}", state, category=category)
            made.begins = made.ends = begins
            self._holder.events[made.number] = made

    def page(self, number: str, token: str) -> Reply:
        """A category's page."""
        if number not in PARENTS:
            return page(404, "Not found")
        if token == "export":
            return json_reply(403, {"error": "insufficient_scope"})
        if number == "44" and token != "good":
            where = quote(f"/category/{number}/")
            return Reply(302, {"Location": f"{self._holder.base}/login/?next={where}"})
        return page(200, "A category's page")

    def export(self, number: str, asked: Mapping[str, str], token: str, target: str) -> Reply:
        """The events of a category and of those below it."""
        if not number.isdigit():
            return json_reply(400, {"message": "Category IDs must be numeric"})
        level = asked.get("detail", "events")
        if level not in MOST:
            return json_reply(400, {"message": f"Invalid detail level: {level}"})
        if int(asked.get("limit", "0")) > MOST[level]:
            text = f"You can only request up to {MOST[level]} records per request"
            return json_reply(400, {"message": text})
        try:
            zone = ZONES[asked.get("tz", "Europe/Zurich")]
            start, end = (_bound(asked.get(name, ""), name, zone) for name in ("from", "to"))
        except (ValueError, KeyError) as err:
            return json_reply(400, {"message": f"Impossible to parse: {err}"})
        found = [one for one in self._below(number) if _happens(one, start, end)]
        if asked.get("order") == "id" and not self.unordered:
            found.sort(key=lambda one: int(one.number))
        offset = 0 if self.deaf else int(asked.get("offset", "0"))
        found = found[offset:]
        found = found[: int(asked.get("limit", "0")) or None]
        # Only now is it looked at who may see what.
        shown = [one for one in found if one.state == "open" or token == "good"]
        results = [seen(one, level, self._holder.base, zone) for one in shown]
        later = end is not None and any(one.begins > end for one in self._below(number))
        body = {
            "count": len(results),
            "additionalInfo": {"eventCategories": [], "moreFutureEvents": later},
            "_type": "HTTPAPIResult",
            "url": self._holder.base + target,
            "ts": 1780000000,
            "results": results,
        }
        return Reply(200, {"Content-Type": "application/json"}, Content(escaped(body)))

    def _below(self, number: str) -> list[Event]:
        """The events of a category and its subcategories, in the order of the store."""
        chain = {number}
        for one, parent in PARENTS.items():
            if parent in chain:
                chain.add(one)
        events = self._holder.events.values()
        return [one for one in events if one.category in chain and one.state != "deleted"]


def escaped(body: Any) -> bytes:
    """JSON with escaped slashes, as Indico's serialiser writes it."""
    return json.dumps(body, indent=4).replace("/", "\\/").encode()


def _bound(text: str, name: str, zone: tzinfo) -> datetime | None:
    """An end of a window: a date is its beginning or its last second."""
    if not text:
        return None
    if "T" in text:
        return datetime.strptime(text, "%Y-%m-%dT%H:%M").replace(tzinfo=zone)
    day = datetime.strptime(text, "%Y-%m-%d").date()
    return datetime.combine(day, time.min if name == "from" else time(23, 59, 59), zone)


def _happens(event: Event, start: datetime | None, end: datetime | None) -> bool:
    """Both bounds together ask for an overlap, one alone for more."""
    if start is not None and end is not None:
        return event.begins <= end and event.ends >= start
    return event.begins >= (start or _AGES[0]) and event.ends <= (end or _AGES[1])
