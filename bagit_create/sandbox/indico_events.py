"""An event of Indico: one model, from which every level of detail and the timetable are drawn."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime, timedelta, timezone, tzinfo
from typing import Any
from urllib.parse import quote

from .content import Content

ZONE = timezone(timedelta(hours=2), "Europe/Zurich")
"""That of the server, where it is always summer."""


@dataclass
class Held:
    """An attachment: a file, or with ``link`` a link."""

    number: int
    name: str
    content: Content = field(default_factory=lambda: Content(b""))
    link: str = ""
    kind: str = "application/pdf"
    closed: bool = False
    elsewhere: bool = False
    place: str = ""
    folder: int = 0

    def path(self, event: str) -> str:
        """Where it is asked for."""
        return f"/event/{event}{self.place}/attachments/{self.folder}/{self.number}/" + quote(
            self.name
        )


@dataclass
class Folder:
    """A folder of something; without a title it is the default one.

    A hidden one is left out of ``folders``, and stands in the old list ``material``.
    """

    number: int
    inside: list[Held]
    title: str | None = None
    protected: bool = False
    hidden: bool = False


@dataclass
class Thing:
    """A contribution, subcontribution or session.

    Of a contribution ``session`` is the number of its session; ``blocked`` is whether it stands in
    one of that session's blocks. Of a session ``blocks`` is how many it has.
    """

    number: int
    title: str
    folders: list[Folder] = field(default_factory=list)
    inner: list[Thing] = field(default_factory=list)
    note: str = ""
    session: int = 0
    blocked: bool = True
    blocks: int = 0


@dataclass
class Event:
    """An event of a category. ``state`` is open, protected, deleted, or key (an access key).

    ``published`` is whether its contributions are shown, which is not so at first.
    """

    number: str
    title: str = "Invented event"
    state: str = "open"
    folders: list[Folder] = field(default_factory=list)
    contributions: list[Thing] = field(default_factory=list)
    sessions: list[Thing] = field(default_factory=list)
    note: str = ""
    old: bool = False
    kind: str = "meeting"
    published: bool = True
    category: str = "42"
    begins: datetime = datetime(2026, 5, 4, 9, tzinfo=ZONE)
    ends: datetime = datetime(2026, 5, 4, 9, tzinfo=ZONE)

    @property
    def attachments(self) -> dict[int, Held]:
        """Every attachment by its number, each told where it hangs."""
        found: dict[int, Held] = {}
        places: list[tuple[str, list[Folder]]] = [("", self.folders)]
        for one in self.contributions:
            place = f"/contributions/{one.number}"
            places.append((place, one.folders))
            places += [(f"{place}/subcontributions/{i.number}", i.folders) for i in one.inner]
        places += [(f"/sessions/{one.number}", one.folders) for one in self.sessions]
        for place, folders in places:
            for folder in folders:
                for held in folder.inside:
                    held.place, held.folder = place, folder.number
                    found[held.number] = held
        return found


def seen(event: Event, level: str, base: str, zone: tzinfo = ZONE) -> dict[str, Any]:
    """An event as the export shows it at a level of detail, its dates in a zone."""
    event.attachments  # tells each where it hangs
    made: dict[str, Any] = {
        "_type": "Conference",
        "id": event.number,
        "title": event.title,
        "description": "<p>Invented &amp; harmless</p>",
        "startDate": _date(event.begins, zone),
        "endDate": _date(event.ends, zone),
        "type": event.kind,
        "categoryId": int(event.category),
        "url": f"{base}/event/{event.number}/",
        "creator": {"fullName": "Example, Ada"},
        "chairs": [],
        "keywords": ["toy"],
        "language": None,
        "hasAnyProtection": event.state == "protected",
        **_hung(event.note, event.folders, event, f"{base}/event/{event.number}"),
    }
    if level == "events":
        return made
    with_inner = level != "contributions"
    shown = event.contributions if event.published else []
    free = [one for one in shown if level != "sessions" or not one.session]
    made["contributions"] = [_contribution(one, event, base, with_inner) for one in free]
    if level == "sessions":
        made["sessions"] = [
            _block(one, number, event, base)
            for one in event.sessions
            for number in range(one.blocks)
        ]
    return made


def _date(moment: datetime, zone: tzinfo) -> dict[str, str]:
    there = moment.astimezone(zone)
    return {"date": str(there.date()), "time": str(there.time()), "tz": str(zone)}


def timetable(event: Event) -> dict[str, Any]:
    """Its sessions and contributions as the timetable shows them: relative addresses, no sizes."""
    event.attachments  # tells each where it hangs
    day: dict[str, Any] = {}
    for one in event.sessions if event.published else []:
        for number in range(one.blocks):
            day[f"s{one.number}{number}"] = {"entryType": "Session", **_entry(one, event)}
    for one in event.contributions if event.published else []:
        if not one.session or one.blocked:
            day[f"c{one.number}"] = {"entryType": "Contribution", **_entry(one, event)}
    return {event.number: {"20260504": day}}


def _entry(thing: Thing, event: Event) -> dict[str, Any]:
    files = [
        {
            "_type": "Attachment",
            "id": one.number,
            "title": one.name,
            "download_url": one.path(event.number),
        }
        for folder in thing.folders
        for one in folder.inside
        if folder.title is None
    ]
    return {"title": thing.title, "attachments": {"files": files or None, "folders": []}}


def _block(session: Thing, number: int, event: Event, base: str) -> dict[str, Any]:
    """A block; the minutes are those of the session, so each block has the same."""
    inside = [one for one in event.contributions if one.session == session.number and one.blocked]
    address = f"{base}/event/{event.number}/sessions/{session.number}"
    of_session = _hung(session.note, session.folders, event, address)
    return {
        "_type": "SessionSlot",
        "id": session.number * 10 + number,
        "title": f"{session.title}: part {number}",
        "note": of_session.pop("note"),
        "contributions": [_contribution(o, event, base, True) for o in inside if number == 0],
        "session": {
            "_type": "Session",
            "id": "3",
            "db_id": session.number,
            "title": session.title,
            **of_session,
        },
    }


def _contribution(
    one: Thing, event: Event, base: str, with_inner: bool, above: str = ""
) -> dict[str, Any]:
    kind = "subcontributions" if above else "contributions"
    address = f"{above or f'{base}/event/{event.number}'}/{kind}/{one.number}"
    made = {
        "_type": "SubContribution" if above else "Contribution",
        "id": str(one.number % 100),
        "db_id": one.number,
        "title": one.title,
        **_hung(one.note, one.folders, event, address),
    }
    if not above:
        made["session"] = next((s.title for s in event.sessions if s.number == one.session), None)
    if with_inner:
        made["subContributions"] = [
            _contribution(i, event, base, False, address) for i in one.inner
        ]
    return made


def _hung(note: str, folders: list[Folder], event: Event, address: str) -> dict[str, Any]:
    """What hangs at something: minutes, folders, and the old list, which has no default folder."""
    base = address.partition("/event/")[0]
    minutes = {"html": note, "url": f"{address}/note/"} if note else {}
    old = [
        {
            "_type": "Material",
            "_fossil": "materialMetadata",
            "title": folder.title,
            "id": str(folder.number),
            "resources": [_resource(one, event, base) for one in folder.inside],
        }
        for folder in folders
        if folder.title is not None and folder.inside
    ]
    if note:
        page = {"_type": "LocalFile", "id": "minutes", "name": "minutes"}
        page |= {"fileName": "minutes.txt", "url": f"{address}/note/"}
        old.append({"_type": "Minutes", "title": "Minutes", "id": "minutes", "resources": [page]})
    return {
        "note": minutes,
        "folders": [_folder(one, event, base) for one in folders if not one.hidden],
        "material": old,
    }


def _resource(one: Held, event: Event, base: str) -> dict[str, Any]:
    if one.link:
        return {"_type": "Link", "name": one.name, "url": one.link}
    facts = {"_type": "LocalFile", "id": str(one.number), "name": one.name, "fileName": one.name}
    return {**facts, "url": base + one.path(event.number)}


def _folder(folder: Folder, event: Event, base: str) -> dict[str, Any]:
    return {
        "_type": "folder",
        "id": folder.number,
        "title": folder.title,
        "description": "",
        "default_folder": folder.title is None,
        "is_protected": folder.protected,
        "attachments": [_attachment(one, event, base) for one in folder.inside],
    }


def _attachment(one: Held, event: Event, base: str) -> dict[str, Any]:
    made: dict[str, Any] = {
        "_type": "attachment",
        "id": one.number,
        "title": one.name,
        "description": "",
        "is_protected": False,
        "modified_dt": "2026-05-04T08:00:00+00:00",
        "type": "link" if one.link else "file",
        "download_url": base + one.path(event.number),
    }
    if one.link:
        return {**made, "link_url": one.link}
    made |= {"filename": one.name, "content_type": one.kind, "size": one.content.size}
    if not event.old:
        made["checksum"] = one.content.digest("md5")
    return made
