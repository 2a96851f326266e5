"""OAI-PMH 2.0 as a list of records: ``ListIdentifiers``, its tokens, and what to do without them.

Facts: the protocol (openarchives.org); Invenio's ``oai_repository_server.py``; invenio-oaiserver.
A token dies after a minute or a day, and long harvests end in 502 or 504. Then the list goes on
from the last datestamp, but only if datestamps came in order: Invenio v1 lists by record id, and
invenio-oaiserver in no order at all. There, the time is halved, and each half listed anew.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from urllib.parse import urlencode

from .. import log
from ..answers import html_hint, refusal
from ..client import Client
from ..config import Instance
from ..errors import BicError, Unreachable, UpstreamError
from ..options import RECID
from . import dates, oaixml
from .base import Listed, Selection, Tally
from .oaipart import Part
from .oaixml import Header, Message

WHAT = "OAI-PMH request"
TRIES = 3
"""How often a time is listed that cannot be divided, when its list breaks off."""
EMPTY_AT_MOST = 100
"""Pages without a record, one after the other, from which on a list is taken for endless."""
BEGINNING = datetime(1990, 1, 1, tzinfo=UTC)
"""Where dividing begins if upstream does not tell its earliest datestamp."""


class _Lost(Exception):
    """The list cannot be gone on with by its token."""

    def __init__(self, why: BicError) -> None:
        super().__init__(why.message)
        self.why = why


class Provider:
    """The OAI-PMH interface of one server.

    :param recid: a regular expression for its record ids.
    """

    def __init__(self, instance: Instance, client: Client, recid: str = RECID) -> None:
        self._instance = instance
        self._client = client
        self._url = f"{instance.base_url}/oai2d"
        template = re.escape(instance.oai_id or "oai:{any}:{recid}")
        named = template.replace(re.escape("{any}"), "[^:]*").replace(
            re.escape("{recid}"), f"({recid})"
        )
        self._identifier = re.compile(named)
        self._by_day = False
        self._earliest = BEGINNING
        self._now = datetime.now(UTC)
        self._foreign: set[str] = set()
        self._dry = 0

    def records(self, spec: str, selection: Selection, tally: Tally) -> Iterator[Listed]:
        """The records of a set (``""``: of all), in the time of the selection.

        :raises UpstreamError: if the answer is no OAI-PMH, or says what is wrong.
        """
        self._identify()
        start = dates.moment(selection.since) if selection.since else None
        end = dates.after(selection.until) - dates.SECOND if selection.until else None
        whole = Part(start, end)
        times = [one for one in (selection.since, selection.until) if one]
        if self._by_day and not all(map(dates.is_day, times)):
            tally.notes.append("the server knows days, not times: the days of both ends are whole")
        yield from self._part(spec, whole, tally)
        if tally.expected is not None and tally.found + len(self._foreign) < tally.expected:
            first = self._first(self._bounds(spec, whole))
            tally.recount(self._size(first))
        if spec and not tally.found and not self._foreign:
            tally.notes.append(f"no record is in the set {spec!r}, or there is no such set")
        if self._foreign:
            number = len(self._foreign)
            tally.notes.append(f"{number} have identifiers that name no record id here")

    # -- one time of the list -----------------------------------------------------------------

    def _part(self, spec: str, part: Part, tally: Tally) -> Iterator[Listed]:
        for left in reversed(range(TRIES)):
            try:
                yield from self._chain(spec, part, tally)
            except _Lost as lost:
                if halves := self._halves(part):
                    log.info(f"the list broke off and is gone on with in parts: {lost.why.message}")
                    for half in halves:
                        yield from self._part(spec, half, tally)
                    return
                if not left:
                    raise lost.why from lost
                part = Part(part.start, part.end)
                continue
            if part.resumed and part.is_short:  # it was not in order after all
                for half in self._halves(part) or ():
                    yield from self._part(spec, half, tally)
            return

    def _chain(self, spec: str, part: Part, tally: Tally) -> Iterator[Listed]:
        """A list and its continuations; where a token fails, on from the last datestamp."""
        asked = self._bounds(spec, part)
        pages: set[int] = set()
        token, idle = "", 0
        while True:
            try:
                message = self._next(token) if token else self._first(asked)
            except _Lost:
                if not part.has_order or part.last <= asked.get("from", ""):
                    raise
                log.info(f"the list broke off and is gone on with from {part.last}")
                part.resumed, token = True, ""
                pages.clear()
                asked = {**asked, "from": part.last}
                continue
            if not token and not part.resumed:
                part.size = self._size(message)
                if tally.expected is None and not tally.pages:
                    tally.expected = part.size
            if token and message.size == 0 and not message.headers and part.may_be_short:
                self._judge_end(part, tally)
            tally.pages += bool(message.headers)
            fresh = [one for one in message.headers if part.take(one)]
            yield from self._listed(fresh)
            token = message.token
            if not token:
                return
            page = hash((*message.headers,) or token)
            idle = 0 if message.headers else idle + 1
            if page in pages or idle > EMPTY_AT_MOST:
                raise UpstreamError(
                    (
                        "The list goes in a circle: it comes back to a page that was there before."
                        if page in pages
                        else f"{idle} pages of the list, one after the other, have no record."
                    ),
                    where=f"{self._url}, at {part.last}",
                )
            pages.add(page)

    def _judge_end(self, part: Part, tally: Tally) -> None:
        """A token, which is given where more follows, led to nothing: it was forgotten, perhaps.

        :raises _Lost: unless this server ends all its lists so.
        """
        why = UpstreamError(
            "The OAI-PMH interface lists nothing where it said that more follows.",
            where=f"{self._url}, at {part.last}",
        )
        self._dry += 1
        if self._dry <= TRIES:
            raise _Lost(why)
        tally.lacks("lists ended in nothing, again and again, where more was to follow")

    def _listed(self, headers: list[Header]) -> Iterator[Listed]:
        for one in headers:
            match = self._identifier.fullmatch(one.identifier)
            if match is None:
                self._foreign.add(one.identifier)
                log.debug(f"no record id: {one.identifier}")
                continue
            yield Listed(self._instance.name, match[1], one.datestamp, deleted=one.deleted)

    def _halves(self, part: Part) -> tuple[Part, Part] | None:
        """Both halves of a time, which share a datestamp; None if it is too short."""
        start, end = part.start or self._earliest, part.end or self._now
        middle = (start + (end - start) / 2).replace(microsecond=0)
        if self._by_day:
            middle = middle.replace(hour=0, minute=0, second=0)
        if not start < middle < end:
            return None
        return Part(part.start, middle), Part(middle, part.end)

    def _bounds(self, spec: str, part: Part) -> dict[str, str]:
        asked = {"metadataPrefix": "oai_dc"}
        if spec:
            asked["set"] = spec
        for name, moment in (("from", part.start), ("until", part.end)):
            if moment is not None:
                text = dates.zulu(moment)
                asked[name] = text[:10] if self._by_day else text
        return asked

    @staticmethod
    def _size(message: Message) -> int | None:
        """How many the list has in all; one without a token is whole."""
        if message.size is None and not message.token:
            return len(message.headers)
        return message.size

    # -- requests -----------------------------------------------------------------------------

    def _identify(self) -> None:
        facts = self._ask({"verb": "Identify"}).facts
        self._by_day = len(facts.get("granularity", "")) == len("YYYY-MM-DD")
        for name in ("earliestDatestamp", "responseDate"):
            try:
                moment = dates.moment(facts.get(name, ""))
            except ValueError:
                continue
            if moment.year in (1, 9999):  # nothing can be reckoned from it
                continue
            if name == "responseDate":
                self._now = moment + timedelta(days=1)  # a day's end, if it goes by days
            else:
                self._earliest = moment

    def _first(self, asked: dict[str, str]) -> Message:
        return self._ask({"verb": "ListIdentifiers", **asked})

    def _next(self, token: str) -> Message:
        """The next page: the token is all that may be sent beside the verb (section 3.5)."""
        try:
            message = self._ask({"verb": "ListIdentifiers", "resumptionToken": token})
        except Unreachable as err:
            if err.http_status is None:  # nobody is there at all
                raise
            raise _Lost(err) from err
        return message

    def _ask(self, asked: dict[str, str]) -> Message:
        url = f"{self._url}?{urlencode(asked)}"
        answer = self._client.get(url, what=WHAT, accept="text/xml", allow=(400, 422))
        if html_hint(answer.content):
            answer.refuse_login(WHAT, self._client.access_hint())
            raise UpstreamError(
                f"{WHAT} did not return XML.", where=answer.url, hint=html_hint(answer.content)
            )
        if answer.status != 200 and b"<error" not in answer.content:
            raise refusal(answer.status, WHAT, url, answer.content, self._client.access_hint())
        message = oaixml.read(answer.content, answer.url)
        errors = [one for one in message.errors if one[0] != "noRecordsMatch"]
        if errors:
            self._refuse(errors, asked, answer.url)
        elif message.errors:
            message = replace(message, headers=[], token="", size=0)
        return message

    def _refuse(self, errors: list[tuple[str, str]], asked: dict[str, str], where: str) -> None:
        told = "; ".join(f"{code}: {text[:200]}" for code, text in errors)
        error = UpstreamError(
            f"The OAI-PMH interface refused the request: {told}.",
            where=where,
            hint=(
                f"is there such a set? {self._url}?verb=ListSets names them"
                if "set" in asked
                else "the service may have changed; please report it"
            ),
        )
        if "resumptionToken" in asked:  # not all servers call a dead one by its name
            raise _Lost(error)
        raise error
