"""Invenio v1 (the old CERN Document Server, ILCDoc): OAI-PMH, or the ids that a search finds.

Facts: inveniosoftware/invenio (maint-1.2), ``search_engine.py`` and ``oai_repository_server.py``.
A search cuts its pages at 200, repeats the last one for ever, and counts ``jrec`` from 1 or, for
ids, in newer versions from 0. Its dates are in the server's own time zone.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from urllib.parse import urlencode

from ..answers import html_hint
from ..client import Client
from ..config import Instance
from ..errors import UpstreamError
from ..pipelines.base import reading
from . import oai, windows
from .base import UNCOUNTED, Listed, Selection, Tally, refuse

WHAT = "Search request"
PAGE = 200
"""Records of a page at most (``CFG_WEBSEARCH_MAX_RECORDS_IN_GROUPS``); more are cut silently."""
NUMBER = "[0-9]{1,18}"
_TOTAL = re.compile(rb"<!--\s*Search-Engine-Total-Number-Of-Results:\s*(\d{1,12})\s*-->")


class InvenioV1:
    """A server that runs Invenio 1."""

    def __init__(self, instance: Instance, client: Client) -> None:
        self._instance = instance
        self._client = client

    def records(self, selection: Selection, tally: Tally) -> Iterator[Listed]:
        """By OAI-PMH; by search if a collection or query is named. See :meth:`Lister.records`."""
        searched = bool(selection.collection or selection.query)
        by_oai = selection.via != "search" and not searched
        faults = []
        if selection.via == "oai" and searched:
            faults.append("--collection and --query are of the search, not of OAI-PMH; use --set.")
        if selection.set and not by_oai:
            faults.append("--set is of OAI-PMH, so it does not go with a search.")
        if (selection.since or selection.until) and not by_oai:
            faults.append(
                "--from and --until go by OAI-PMH here: the search has another clock. Its query may"
                " say 'datemodified:2024-01-01->2024-02-01'."
            )
        allowed = ("set", "collection", "query", "since", "until", "via")
        refuse(selection, allowed, self._instance.name, *faults)
        if by_oai:
            if not selection.set:
                tally.notes.append(
                    "records that were given no OAI identifier are left out; --via search has them"
                )
            provider = oai.Provider(self._instance, self._client, NUMBER)
            return provider.records(selection.set, selection, tally)
        return self._search(selection, tally)

    def _search(self, selection: Selection, tally: Tally) -> Iterator[Listed]:
        """Page by page, and once more where records were removed meanwhile: others have moved to
        pages that came before."""
        total = self._total(selection)
        tally.expected = now = total
        if total is None:
            tally.notes.append(UNCOUNTED)
        for _ in range(windows.PASSES):
            total, ids = now, set[int]()
            yield from self._all_pages(selection, tally, total, ids)
            if not tally.shortfall:
                break
            now = self._total(selection)
            if now is None or total is None or now >= total:
                break
        if tally.shortfall:
            if now is not None and total is not None and now < total:
                tally.lacks(windows.MOVING)
            elif now is not None and len(ids) < now < (tally.expected or 0):
                tally.lacks(f"{now} are counted in the end, and {len(ids)} are listed")
            tally.recount(now)
        if not tally.found and selection.collection:
            tally.notes.append(f"there may be no collection {selection.collection!r}")

    def _all_pages(
        self, selection: Selection, tally: Tally, total: int | None, seen: set[int]
    ) -> Iterator[Listed]:
        """Each page begins with the last record of the one before, which both ways of counting
        allow.

        :param seen: gets the ids.
        """
        position, before = 0, [-1]
        while True:
            ids = self._ids(selection, position)
            if total != 0 and not ids and not position:  # a slice that begins before the first
                position = 1
                continue
            tally.pages += bool(ids)
            known = len(seen)
            seen.update(ids)
            yield from (Listed(self._instance.name, str(one)) for one in ids)
            position, before, last = position + max(1, len(ids) - 1), ids, before
            nothing_new = len(seen) == known and position > (total or 0)
            if not ids or ids == last or nothing_new or len(seen) == total:
                break

    def _total(self, selection: Selection) -> int | None:
        """How many there are, as the XML says in a comment; None if it does not."""
        content, _ = self._ask(selection, of="xm", ot="001", jrec="1", rg="1")
        match = _TOTAL.search(content[:2000])
        return int(match[1]) if match else None

    def _ids(self, selection: Selection, position: int) -> list[int]:
        content, url = self._ask(selection, of="id", jrec=str(position), rg=str(PAGE))
        match = re.fullmatch(rb"\s*\[([\d,\s]*)\]\s*", content)
        if match is None:
            raise UpstreamError(
                f"{WHAT} did not return a list of ids.",
                where=f"{url}: {content[:60]!r}",
                hint="the service may have changed; --via oai may still work",
            )
        with reading("list of ids", url):
            numbers = map(int, match[1].replace(b",", b" ").split())
            return list(dict.fromkeys(numbers))  # so many is the page, and not more

    def _ask(self, selection: Selection, **more: str) -> tuple[bytes, str]:
        asked = {"cc": selection.collection, "p": selection.query, "sc": "0", "ln": "en", **more}
        url = f"{self._instance.base_url}/search?" + urlencode(
            {name: text for name, text in asked.items() if text}
        )
        answer = self._client.get(url, what=WHAT, accept="*/*")
        if html_hint(answer.content):
            answer.refuse_login(WHAT, self._client.access_hint())
            raise UpstreamError(
                f"{WHAT} was answered with a web page.",
                where=answer.url,
                hint=f"{html_hint(answer.content)}; --via oai may still work, with --set",
            )
        return answer.content, answer.url
