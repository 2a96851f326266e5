"""The invented events of Indico; indico.py tells what each is for."""

from __future__ import annotations

from .content import Content
from .indico_events import Event, Folder, Held, Thing


def events() -> dict[str, Event]:
    """Every event, fresh."""
    slides = Content(b"%PDF-1.4\nslides\n" * 500)
    minutes = (
        '<p>Minutes <img alt="a > b" src=/event/101/images/9-plot.png>'
        '<img data-src="none.png" src="https://e.example/x"><img src="http://[x">'
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
        Folder(
            907,
            [
                Held(5005, "slides.pdf", Content(b"%PDF-1.4\nhidden")),
                Held(5006, "Rehearsal", link="https://videos.example/record/2"),
            ],
            "Drafts",
            hidden=True,
        ),
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
    early = Event("108", "Not published yet", kind="conference", published=False)
    early.contributions = [Thing(660010, "Early", [Folder(950, [Held(5400, "e.pdf", slides)])])]
    every = [meeting, closed, Event("103", "Gone", "deleted"), Event("104", "Key", "key"), old]
    return {one.number: one for one in [*every, split, early, Event("107", "Nothing attached")]}
