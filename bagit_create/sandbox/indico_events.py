"""The invented events of Indico: one model, from which every level of detail is drawn."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any
from urllib.parse import quote

from .content import Content


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
    """A folder of something; without a title it is the default one."""

    number: int
    inside: list[Held]
    title: str | None = None
    protected: bool = False


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
    """An event. ``state`` is open, protected, deleted, or key (behind an access key)."""

    number: str
    title: str = "Invented event"
    state: str = "open"
    folders: list[Folder] = field(default_factory=list)
    contributions: list[Thing] = field(default_factory=list)
    sessions: list[Thing] = field(default_factory=list)
    note: str = ""
    old: bool = False

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


def seen(event: Event, level: str, base: str) -> dict[str, Any]:
    """An event as the export shows it at a level of detail."""
    event.attachments  # tells each where it hangs
    date = {"date": "2026-05-04", "time": "09:00:00", "tz": "Europe/Zurich"}
    made: dict[str, Any] = {
        "_type": "Conference",
        "id": event.number,
        "title": event.title,
        "description": "<p>Invented &amp; harmless</p>",
        "startDate": date,
        "endDate": date,
        "type": "meeting",
        "categoryId": 42,
        "url": f"{base}/event/{event.number}/",
        "creator": {"fullName": "Example, Ada"},
        "chairs": [],
        "keywords": ["toy"],
        "language": None,
        "hasAnyProtection": any(f.protected for f in event.folders),
        "note": _note(event.note, base, event.number),
        "folders": [_folder(one, event, base) for one in event.folders],
    }
    if level == "events":
        return made
    with_inner = level != "contributions"
    free = [one for one in event.contributions if level != "sessions" or not one.session]
    made["contributions"] = [_contribution(one, event, base, with_inner) for one in free]
    if level == "sessions":
        made["sessions"] = [
            _block(one, number, event, base)
            for one in event.sessions
            for number in range(one.blocks)
        ]
    return made


def _block(session: Thing, number: int, event: Event, base: str) -> dict[str, Any]:
    inside = [one for one in event.contributions if one.session == session.number and one.blocked]
    return {
        "_type": "SessionSlot",
        "id": session.number * 10 + number,
        "title": f"{session.title}: part {number}",
        "note": _note(session.note, base, event.number) if number == 0 else {},
        "contributions": [_contribution(o, event, base, True) for o in inside if number == 0],
        "session": {
            "_type": "Session",
            "id": "3",
            "db_id": session.number,
            "title": session.title,
            "folders": [_folder(one, event, base) for one in session.folders],
        },
    }


def _contribution(one: Thing, event: Event, base: str, with_inner: bool) -> dict[str, Any]:
    made = {
        "_type": "Contribution",
        "id": str(one.number % 100),
        "db_id": one.number,
        "title": one.title,
        "note": _note(one.note, base, event.number),
        "session": next((s.title for s in event.sessions if s.number == one.session), None),
        "folders": [_folder(folder, event, base) for folder in one.folders],
    }
    if with_inner:
        made["subContributions"] = [_contribution(i, event, base, False) for i in one.inner]
    return made


def _note(text: str, base: str, number: str) -> dict[str, Any]:
    return {"html": text, "url": f"{base}/event/{number}/note/"} if text else {}


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


def events() -> dict[str, Event]:
    """Every event, fresh."""
    slides = Content(b"%PDF-1.4\nslides\n" * 500)
    minutes = (
        '<p>Minutes <img alt="" src="/event/101/images/9-plot.png"><img src="https://e.example/x">'
    )
    meeting = Event("101", "Réunion inventée", note=minutes)
    meeting.folders = [
        Folder(
            900,
            [
                Held(5001, "slides.pdf", slides),
                Held(5002, "Slides.pdf", Content(b"%PDF-1.4\nagain")),
                Held(5003, "Recording", link="https://videos.example/record/1?t=0&x=1"),
            ],
        ),
        Folder(901, [], "Restricted", True),
        Folder(902, [Held(5004, "slides.pdf", Content(b"%PDF-1.4\nin a folder"))], "Day 1/2"),
    ]
    odd = "ün año – 図 (1) #2 100%?.txt"
    talk = Thing(660001, "Talk with parts", note="<p>Minutes of a talk</p>")
    talk.folders = [
        Folder(903, [Held(5010, odd, Content(b"odd"), kind="text/plain"), Held(5011, "empty.pdf")])
    ]
    part = Thing(770001, "Part A", [Folder(904, [Held(5020, "slides.pdf", Content(b"part"))])])
    talk.inner = [part]
    blocked = Thing(660002, "In a block", [Folder(905, [Held(5021, "b.pdf", Content(b"b"))])])
    blocked.session = 99001
    loose = Thing(660003, "In no block", [Folder(906, [Held(5022, "l.pdf", Content(b"l"))])])
    loose.session, loose.blocked = 99001, False
    meeting.contributions = [talk, blocked, loose, Thing(660004, "Nothing attached")]
    posters = Held(5030, "posters.zip", Content(b"PK posters"), kind="application/zip")
    morning = Thing(99001, "Morning", [Folder(910, [posters])], blocks=2, note="<p>Of a block</p>")
    hidden = Held(5031, "unseen.pdf", Content(b"%PDF-1.4 nobody sees this"))
    evening = Thing(99002, "Evening", [Folder(911, [hidden])], blocks=0)
    late = Thing(660005, "Of a session without a block", session=99002)
    meeting.contributions.append(late)
    meeting.sessions = [morning, evening]
    closed = Event("102", "Closed", "protected")
    closed.folders = [Folder(920, [Held(5100, "closed.pdf", slides)])]
    old = Event("105", "Of an old server", old=True)
    old.folders = [Folder(930, [Held(5200, "old.pdf", slides)])]
    split = Event("106", "Files elsewhere")
    split.folders = [
        Folder(
            940,
            [
                Held(5300, "far.bin", Content(7000, "far"), elsewhere=True),
                Held(5301, "secret.pdf", slides, closed=True),
            ],
        )
    ]
    every = [meeting, closed, Event("103", "Gone", "deleted"), Event("104", "Key", "key"), old]
    return {one.number: one for one in [*every, split, Event("107", "Nothing attached")]}
