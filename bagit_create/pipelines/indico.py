"""Indico: an event's export, and every attachment of it, wherever it hangs.

Facts: indico/indico (``indico/modules/events/api.py``, ``attachments/api/util.py``) and its HTTP
API documentation. No level of detail gives everything: that of subcontributions lacks the material
of sessions, that of sessions what is in no block; so both are asked for and joined by attachment
id. What one may not see looks like what never was, so the event's page is asked then.
"""

from __future__ import annotations

import re
from typing import Any
from urllib.parse import urljoin, urlsplit

from .. import log
from ..answers import REDIRECTS, Answer, check_redirect
from ..client import Client
from ..config import Instance
from ..errors import AccessDenied, RecordNotFound, UpstreamError
from ..model import Description, Document, Record
from ..options import JobOptions
from ..urls import without_secrets
from .base import Begun, Essence, expect, plain_text, reading
from .indico_export import ask
from .indico_material import Material
from .sameness import of_json

WHAT = "Metadata request"
LEVELS = ("subcontributions", "sessions")


class Indico:
    """A server that runs Indico 3."""

    def __init__(self, instance: Instance, client: Client, options: JobOptions) -> None:
        self._instance = instance
        self._client = client
        self._notes: list[str] = []

    def begin(self, recid: str | None) -> Begun:
        """Ask for the event; see :meth:`Pipeline.begin`."""
        asked = recid or ""
        number = str(int(asked)) if re.fullmatch("[0-9]+", asked) else self._number(asked)
        answer = self._export(number, LEVELS[0])
        event = self._event(answer, number)
        document = Document("metadata.json", answer.content, answer.url, "content", _JSON)
        return Begun(asked, number, (document,), (answer, event))

    def harvest(self, begun: Begun) -> Record:
        """Ask for what the first answer leaves out; see :meth:`Pipeline.harvest`."""
        number = begun.recid
        first, event = begun.body
        answers = [first, self._export(number, LEVELS[1])]
        events = [event, self._event(answers[1], number)]
        material = Material(self._own)
        for event, answer in zip(events, answers, strict=True):
            with reading("list of attachments", answer.url):
                material.add_event(event)
        with reading("list of attachments", answers[0].url):
            files, skipped, notes = material.result()
            description = _describe(events[0], f"{self._instance.base_url}/event/{number}/")
        if events[0].get("hasAnyProtection") and not self._client.wire.has_credential:
            self._remark("parts of the event are protected: without a token they cannot be seen")
        for title in material.sessions_unseen:
            self._remark(f"a session has no block, so its own files cannot be seen: {title}")
        for place in material.closed:
            self._remark(f"a folder is protected and shows nothing in it: {place}")
        for place in material.hidden:
            self._notes.append(f"a folder is hidden; the old list names what is in it: {place}")
        if events[0].get("type") == "conference" and not material.has_parts:
            self._remark("no contribution is shown: there is none, or they are not published")
        documents = [
            *begun.documents,
            Document("sessions.json", answers[1].content, answers[1].url, "meta", _JSON),
            *self._timetable(number, material),
            *notes,
        ]
        return Record(
            source=self._instance.name,
            recid=number,
            requested=begun.asked,
            files=files,
            documents=tuple(documents),
            metadata_url=answers[0].url,
            description=description,
            organization=self._instance.organization,
            external_identifier=description.identifiers[0],
            skipped=skipped,
            notes=tuple(self._notes),
        )

    def essence(self, document: Document) -> Essence | None:
        """The event or timetable, without the envelope, which carries the time of the answer.

        The first answer lacks what belongs to sessions: it can show that an event has changed, and
        all answers together, with a checksum of every file, that it has not.
        """
        if not document.name.endswith(".json"):
            return Essence(document.content)
        return of_json(document.content, part=lambda answer: answer["results"])

    def _remark(self, text: str) -> None:
        log.warning(text)
        self._notes.append(text)

    # -- which event --------------------------------------------------------------------------

    def _number(self, asked: str) -> str:
        """The number behind a shortcut (``e/NAME``) or an old id (``a0123``)."""
        url = f"{self._instance.base_url}/{asked if asked.startswith('e/') else f'event/{asked}'}"
        for _ in range(3):
            answer = self._client.get(
                url, what=WHAT, accept="*/*", allow=tuple(REDIRECTS), follow=False
            )
            if answer.status not in REDIRECTS:
                break
            url = self._led_to(answer)
            if match := re.match(r".*/event/(\d+)(?:/|$)", urlsplit(url).path):
                log.info(f"{asked} is event {match[1]}")
                return match[1]
        raise RecordNotFound(
            f"{WHAT} was answered: no such record. This name leads to no event.",
            where=without_secrets(url),
            hint="check the record id",
        )

    def _led_to(self, answer: Answer) -> str:
        """Where a redirect leads: on this server, and not to its login page."""
        with reading("redirect", answer.url):
            url = self._own(urljoin(answer.url, answer.headers["Location"]))
        base = urlsplit(self._instance.base_url)
        check_redirect(answer.url, url, WHAT, {base.hostname or ""}, self._client.access_hint())
        return url

    def _export(self, number: str, level: str) -> Answer:
        """The event at a level of detail; ``nc`` goes round a cache of ten minutes."""
        url = (
            f"{self._instance.base_url}/export/event/{number}.json"
            f"?detail={level}&occ=yes&pretty=yes&nc=yes"
        )
        return ask(self._client, url, WHAT)

    def _event(self, answer: Answer, number: str) -> dict[str, Any]:
        body = answer.json(WHAT)
        with reading("event", answer.url):
            results = expect(body["results"], list, "results")
            count = expect(body["count"], int, "count")
            if results:
                event: dict[str, Any] = expect(results[0], dict, "event")
                if count != 1 or str(event["id"]) != number:
                    raise ValueError(f"{count} events, the first is {event['id']}")
                return event
        raise self._nothing(number)

    def _nothing(self, number: str) -> UpstreamError:
        """The export shows nothing: its page tells whether there is an event."""
        url = f"{self._instance.base_url}/event/{number}/"
        answer = self._client.get(
            url, what=WHAT, accept="text/html", allow=tuple(REDIRECTS), follow=False
        )
        return AccessDenied(
            f"{WHAT} was refused: access denied. There is such an event, and it is protected.",
            where=without_secrets(answer.url),
            hint=self._client.access_hint(),
        )

    # -- what belongs to it -------------------------------------------------------------------

    def _own(self, address: str) -> str:
        """An address on this server as it is asked: it may see itself under another scheme."""
        base = urlsplit(self._instance.base_url)
        parts = urlsplit(urljoin(self._instance.base_url + "/", address))
        if parts.netloc.lower() in (base.netloc.lower(), *self._instance.hosts):
            query = f"?{parts.query}" if parts.query else ""
            return f"{base.scheme}://{base.netloc}{parts.path}{query}"
        return parts.geturl()

    def _timetable(self, number: str, material: Material) -> list[Document]:
        """When what takes place, compared with what was found; an event may have none."""
        url = f"{self._instance.base_url}/export/timetable/{number}.json?nc=yes&pretty=yes"
        try:
            answer = ask(self._client, url, "Timetable request")
            unlisted = material.unlisted(answer.json("Timetable request"))
        except (RecordNotFound, AccessDenied, UpstreamError) as err:
            if err.resumable:
                raise
            self._remark(f"the timetable could not be had: {err.headline()}")
            return []
        if unlisted:
            numbers = ", ".join(map(str, unlisted))
            self._remark(f"the timetable names attachments that no list has: {numbers}")
        return [Document("timetable.json", answer.content, answer.url, "meta", _JSON)]


_JSON = "application/json"


def _describe(event: dict[str, Any], page: str) -> Description:
    people = [one for one in event.get("chairs") or () if isinstance(one, dict)]
    people = people or [event.get("creator") or {}]
    start = event.get("startDate") or {}
    return Description(
        title=plain_text(event.get("title")),
        creators=tuple(t for one in people if (t := plain_text(one.get("fullName")))),
        date=plain_text(start.get("date")),
        description=plain_text(event.get("description")),
        identifiers=(page,),
        types=("Event",),
        languages=tuple(t for t in (plain_text(event.get("language")),) if t),
        subjects=tuple(map(plain_text, event.get("keywords") or ())),
    )
