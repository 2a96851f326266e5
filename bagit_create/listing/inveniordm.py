"""InvenioRDM: its search, a community's records, and OAI-PMH.

Facts: inveniosoftware/docs-invenio-rdm, "REST API: records"; invenio-rdm-records, ``config.py``
(``sort=oldest`` is by ``created``, and on by default). The query language is that of OpenSearch.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import suppress
from datetime import datetime
from typing import Any
from urllib.parse import quote, urlencode

from ..answers import Answer, refusal
from ..client import Client
from ..config import Instance
from ..errors import BicError, RecordNotFound, UpstreamError
from ..pipelines.base import expect, plain_text, reading
from . import dates, oai, windows
from .base import Listed, Selection, Tally, refuse
from .hits import TICK, Hit, Page, Window

SEARCH_ONLY = ("query", "all_versions")
"""What OAI-PMH cannot select by."""
WHAT = "Search request"


class InvenioRDM:
    """A server that runs InvenioRDM, such as repository.cern."""

    set_of_community = "community-"
    """How the OAI-PMH set of a community begins."""

    def __init__(self, instance: Instance, client: Client) -> None:
        self._instance = instance
        self._client = client

    def records(self, selection: Selection, tally: Tally) -> Iterator[Listed]:
        """By search; by OAI-PMH if a set is named, or on request. See :meth:`Lister.records`."""
        by_oai = selection.via == "oai" or bool(selection.set)
        faults = []
        if by_oai:
            faults += [
                f"--{name.replace('_', '-')} does not go with OAI-PMH, which knows no search."
                for name in SEARCH_ONLY
                if getattr(selection, name)
            ]
        if selection.set and selection.via == "search":
            faults.append("--set is of OAI-PMH, so it does not go with --via search.")
        if selection.set and selection.community:
            faults.append("--set and --community name two sets; give one of them.")
        allowed = ("set", "community", "query", "since", "until", "all_versions", "via")
        refuse(selection, allowed, self._instance.name, *faults)
        if not by_oai:
            search = RecordSearch(self._instance, self._client, selection, self._sizes())
            yield from windows.walk(search, tally)
            return
        named = f"{self.set_of_community}{selection.community}" if selection.community else ""
        provider = oai.Provider(self._instance, self._client)
        yield from provider.records(selection.set or named, selection, tally)

    def _sizes(self) -> tuple[int, ...]:
        """Sizes of a page to ask for, until one is accepted."""
        return (100, 25, 10)


class RecordSearch:
    """A search for records; ``created`` and ``updated`` are the fields of the index.

    :param sizes: sizes of a page, the first of which the server may refuse.
    """

    created = "created"
    updated = "updated"

    def __init__(
        self, instance: Instance, client: Client, selection: Selection, sizes: tuple[int, ...]
    ) -> None:
        self._instance = instance
        self._client = client
        self._community = selection.community
        self._sizes = sizes
        self.size = sizes[0]
        self._accepted = False
        self._parts = [f"({selection.query})"] if selection.query else []
        self._alone = selection.query
        if selection.since or selection.until:
            since = dates.moment(selection.since) if selection.since else None
            until = dates.after(selection.until) - TICK if selection.until else None
            self._parts.append(_between(self.updated, since, until))
            self._alone = " AND ".join(self._parts)
        self._url = instance.base_url + self._path(selection)
        self._more = self._parameters(selection)

    def _path(self, selection: Selection) -> str:
        if selection.community:
            return f"/api/communities/{quote(selection.community, safe='')}/records"
        return "/api/records"

    def _parameters(self, selection: Selection) -> dict[str, str]:
        more = {"sort": "oldest"}
        return {**more, "allversions": "true"} if selection.all_versions else more

    def page(self, window: Window, number: int) -> Page:
        """Ask for a page, from 1.

        :raises RecordNotFound: if there is no such community.
        :raises UpstreamError: if the query cannot be read, or the answer.
        """
        query = self._alone
        if window != Window():
            query = " AND ".join([*self._parts, _between(self.created, *window)])
        answer = self._ask(query, number)
        body = answer.json(WHAT)
        with reading("search result", answer.url):
            found = expect(body, dict, "the result")["hits"]
            hits = tuple(map(self._hit, expect(found["hits"], list, "hits.hits")))
            total = found["total"]
            exact = not isinstance(total, dict) or total.get("relation", "eq") == "eq"
            if isinstance(total, dict):  # as OpenSearch itself has it
                total = total["value"]
            if expect(total, int, "hits.total") < 0:
                raise ValueError(f"hits.total is {total}")
            return Page(total + (not exact), hits, exact)

    def _ask(self, query: str, number: int) -> Answer:
        """The answer; the size of a page is the largest that is accepted.

        A server may know no such order: it is done without then, and :func:`windows.walk` sees it.
        """
        while True:
            asked = {"q": query, "size": str(self.size), "page": str(number), **self._more}
            url = f"{self._url}?{urlencode(asked)}"
            allow = (400, 404) if self._community else (400,)
            answer = self._client.get(url, what=WHAT, allow=() if self._accepted else allow)
            if answer.status == 200:
                self._accepted = True
                return answer
            if answer.status == 404:
                raise RecordNotFound(
                    f"{self._instance.name} has no community {self._community!r}.",
                    where=answer.url,
                    hint="the slug of a community is the last part of its address",
                    http_status=404,
                )
            smaller = [one for one in self._sizes if one < self.size]
            if not smaller and not self._more.pop("sort", None):
                raise _refused(answer, url)
            self.size = smaller[0] if smaller else self._sizes[0]  # then without the order

    def _hit(self, hit: dict[str, Any]) -> Hit:
        metadata = hit.get("metadata") or {}
        recid = expect(hit["id"], (int if isinstance(hit["id"], int) else str), "id")
        listed = Listed(
            self._instance.name,
            str(recid),
            str(hit.get("updated") or hit.get("modified") or ""),
            self._title(metadata.get("title") or hit.get("title")),
        )
        return Hit(listed, _moment(hit.get("created")))

    def _title(self, title: Any) -> str:
        return plain_text(title)


def _refused(answer: Answer, url: str) -> BicError:
    """The error for a search that is refused whatever the size of a page."""
    error = refusal(answer.status, WHAT, url, answer.content, "")
    error.message = "The search was refused."
    with suppress(UpstreamError):  # a page for people says no less
        body = answer.json(WHAT)
        if isinstance(body, dict) and plain_text(body.get("message")):
            error.message = f"The search was refused: {plain_text(body['message'])[:300]}"
    error.hint = error.hint or "check the query; it is in the language of the service's own search"
    return error


def _moment(text: Any) -> datetime | None:
    """A time of upstream, to the millisecond; None if it is none, or at an end of the calendar."""
    try:
        found = dates.moment(text)
    except (TypeError, ValueError):
        return None
    if found.year in (1, 9999):  # times are reckoned from it
        return None
    return found.replace(microsecond=found.microsecond // 1000 * 1000)


def _between(field: str, start: datetime | None, end: datetime | None) -> str:
    """A range of the query language, both ends included."""
    return f"{field}:[{_bound(start)} TO {_bound(end)}]"


def _bound(time: datetime | None) -> str:
    if time is None:
        return "*"
    return time.isoformat(timespec="milliseconds").replace("+00:00", "Z")
