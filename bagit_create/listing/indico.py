"""The events of an Indico category and of all its subcategories.

Facts: indico/indico (``indico/modules/events/api.py``: ``CategoryEventHook``). ``limit`` and
``offset`` count before it is looked at who may see what, so a page may be short, or empty, though
more follow; only an answer without a limit is known to have all the rest. The order is kept only
if one is asked for. ``from`` and ``to`` mean other things alone (begins after, ends before) than
together (overlaps), so more is asked for than is meant, and when each begins is looked at here.
What may not be seen is left out in silence.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from datetime import datetime, timedelta
from typing import Any
from urllib.parse import quote

from ..answers import REDIRECTS, leads_to_login
from ..client import Client
from ..config import Instance
from ..errors import AccessDenied, RecordNotFound, UpstreamError
from ..pipelines.base import expect, reading
from ..pipelines.indico_export import ask
from . import dates
from .base import Listed, Selection, Tally, refuse

WHAT = "Request for the category's events"
LIMIT = 500
"""Half of what may be asked for: the server looks through the rights of each before it answers."""
OVERLAP = 10
"""How many events of a page the next one has again, for those that are taken away meanwhile."""
_LONG_AGO = "1900-01-01T00:00"


class Indico:
    """Lists a category by the numbers of its events."""

    def __init__(self, instance: Instance, client: Client) -> None:
        self._instance = instance
        self._client = client

    def records(self, selection: Selection, tally: Tally) -> Iterator[Listed]:
        """See :meth:`Lister.records`.

        ``since`` and ``until`` are of the event's beginning: dates are those of the server's own
        zone, as its pages show them; times are UTC.
        """
        faults = []
        if not re.fullmatch(r"\w{1,40}", selection.category, re.ASCII):
            faults.append("--category is the number in the category's address, /category/NUMBER/.")
        refuse(selection, ("category", "since", "until"), self._instance.name, *faults)
        if not self._client.wire.has_credential:
            tally.notes.append("asked without a token: events that are not public are left out")
        window = _Window(selection)
        url = (
            f"{self._instance.base_url}/export/categ/{quote(selection.category)}.json"
            f"?detail=events&order=id&nc=yes{window.query}"
        )
        some = False
        for number, begins, title in self._events(url, tally):
            some = True
            if window.has(begins):
                yield Listed(self._instance.name, str(number), "", title)
        if not some:
            self._look_at_category(selection.category, tally)

    # -- the pages ----------------------------------------------------------------------------

    def _events(self, url: str, tally: Tally) -> Iterator[tuple[int, str, str]]:
        """Number, beginning and title of each event that may be seen, by number."""
        last, offset = -1, 0
        lacking: list[int] = []  # by how many each page was short
        while True:
            page = self._page(f"{url}&limit={LIMIT}&offset={offset}", tally)
            new = [one for one in page if one[0] > last]
            if not new and len(page) > OVERLAP:
                raise UpstreamError(
                    f"{WHAT} is answered with the same events again and again.", where=url
                )
            if not new:  # the end, or very many that may not be seen
                rest = self._page(f"{url}&offset={offset}", tally)
                new = [one for one in rest if one[0] > last]
                lacking = [*lacking, LIMIT - len(page)] if new else lacking[:-1]
                yield from new
                break
            if lacking and not lacking[-1] and len(new) == len(page):
                tally.lacks(
                    "events were taken away while they were listed, and others may be missing"
                )
            lacking.append(LIMIT - len(page))
            last = new[-1][0]
            offset += LIMIT - OVERLAP
            yield from new
        if any(lacking):
            hidden = max(*lacking, sum(max(0, one - OVERLAP) for one in lacking))
            tally.notes.append(f"at least {hidden} events of the category may not be seen")

    def _page(self, url: str, tally: Tally) -> list[tuple[int, str, str]]:
        answer = ask(self._client, url, WHAT)
        body = answer.json(WHAT)
        with reading("list of events", answer.url):
            results = expect(body["results"], list, "results")
            if expect(body["count"], int, "count") != len(results):
                raise ValueError(f"{body['count']} events are counted, {len(results)} are listed")
            events = [_event(expect(one, dict, "event")) for one in results]
            if any(one[0] >= two[0] for one, two in zip(events, events[1:], strict=False)):
                raise ValueError("the events are not in the order of their numbers")
        tally.pages += bool(events)
        return events

    def _look_at_category(self, category: str, tally: Tally) -> None:
        """Nothing is shown: the category's page tells whether there is one."""
        url = f"{self._instance.base_url}/category/{quote(category)}/"
        try:
            answer = self._client.get(
                url,
                what="Request for the category",
                accept="text/html",
                allow=(*REDIRECTS, 401, 403),
                follow=False,
            )
        except RecordNotFound as err:
            err.hint = "the category is the number in its address, /category/NUMBER/"
            raise
        to_login = leads_to_login(answer.headers.get("Location", ""))
        if answer.status in (401, 403) and self._client.wire.has_token:
            tally.notes.append("nothing is shown, and the token may not open the category's page")
        elif answer.status in (401, 403) or to_login:
            raise AccessDenied(
                "There is such a category, and it is protected: nothing in it is shown.",
                where=answer.url,
                hint=self._client.access_hint(),
            )


def _event(one: dict[str, Any]) -> tuple[int, str, str]:
    """Number, beginning and title of an event."""
    start = expect(one["startDate"], dict, "startDate")
    begins = f"{expect(start['date'], str, 'date')}T{expect(start['time'], str, 'time')}"
    datetime.fromisoformat(begins)
    return int(expect(one["id"], str, "id")), begins, " ".join(str(one["title"]).split())


class _Window:
    """The times between which an event begins, in the zone that the server is asked to use."""

    def __init__(self, selection: Selection) -> None:
        given = [text for text in (selection.since, selection.until) if text]
        self._utc = not all(map(dates.is_day, given))
        self._since = (
            dates.moment(selection.since).replace(tzinfo=None) if selection.since else None
        )
        self._until = dates.after(selection.until).replace(tzinfo=None) if selection.until else None

    @property
    def query(self) -> str:
        """The parameters that ask for at least the events that are meant."""
        if self._since is None and self._until is None:
            return ""
        since = self._since.isoformat(timespec="minutes") if self._since else _LONG_AGO
        query = f"&from={since}" + ("&tz=UTC" if self._utc else "")
        if self._until is not None:
            until = self._until + (timedelta(minutes=1) if self._until.year < 9999 else timedelta())
            query += f"&to={until.isoformat(timespec='minutes')}"
        return query

    def has(self, begins: str) -> bool:
        """Whether an event that begins then is meant."""
        at = datetime.fromisoformat(begins)
        return (self._since is None or self._since <= at) and (
            self._until is None or at < self._until
        )
