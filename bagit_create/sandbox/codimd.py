"""CodiMD and HedgeDoc 1, as they answer.

Routes, statuses and texts follow hackmdio/codimd 2.6 and, with ``hedgedoc`` set, hedgedoc/hedgedoc
1.12. The notes:

    AbCdEfGhIjKlMnOpQrStUv  public: two uploads, one that is gone, images elsewhere, revisions
    team-meeting            the same by its alias; S1invented by its short id
    -_empty0000000000000000 empty                  busy00000000000000000u  503 once, then a note
    private00000000000000u  private: the cookie ``good`` opens it
    odd0000000000000000000  a title with slashes, dots, a line break; 300 characters long
    other numbers: 404; the bare address of one makes a note, which ``made`` counts
"""

from __future__ import annotations

import gzip
import re
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import quote, unquote

from .content import Content
from .server import Reply, Seen, json_reply, page
from .storage import Storage

PICTURE = "upload_0123456789abcdef0123456789abcdef.png"
TEXT = """# Réunion d'équipe / 2026

![a title](@BASE@/uploads/{picture} "Title" =100x50)
![](/uploads/gone.png) and [a file](/uploads/plan%20B.pdf)
![elsewhere](https://images.example/x.png) <img src='@BASE@/uploads/empty.gif'>
![named][shot]

[shot]: /uploads/named.jpg

```
![code](/uploads/in-code.png)
```
and `![inline](/uploads/inline.png)`
""".replace("{picture}", PICTURE)


@dataclass
class Note:
    """A note; ``state`` is open, private, or busy (503 at first)."""

    title: str
    text: str
    state: str = "open"
    revisions: list[int] = field(default_factory=list)


class CodiMD:
    """One server. ``base`` and ``storage_url`` are set once the ports are known.

    ``hedgedoc`` is whether it speaks the other dialect, ``pdf`` how its PDFs come: ``"good"``,
    ``"html"``, ``"failed"``, ``"off"``. ``made`` counts notes that somebody's GET made, ``pdfs``
    the PDFs that were asked for. ``seen`` are the entries of the history; None stands for three:
    one note is gone, one private.
    """

    methods: frozenset[str] = frozenset()

    def __init__(self, storage: Storage) -> None:
        self.base = self.storage_url = ""
        self.hedgedoc = False
        self.pdf = "good"
        self.made = 0
        self.pdfs = 0
        self.seen: list[Any] | None = None
        odd = "../a/b\\c:d\nline " + "x" * 300
        self.notes = {
            "AbCdEfGhIjKlMnOpQrStUv": Note(
                "Réunion d'équipe / 2026", TEXT, revisions=[1780300000000, 1780000000000]
            ),
            "-_empty0000000000000000": Note("Untitled", ""),
            "private00000000000000u": Note("Private", "# Private\n", "private"),
            "busy00000000000000000u": Note("Busy", "# Busy\n" * 500, "busy"),
            "odd0000000000000000000": Note(odd, "# Odd\n"),
        }
        for alias in ("team-meeting", "S1invented"):
            self.notes[alias] = self.notes["AbCdEfGhIjKlMnOpQrStUv"]

    def __call__(self, request: Seen) -> Reply:
        """Answer a request."""
        path = unquote(request.path.partition("?")[0])
        signed_in = "connect.sid=good" in request.headers.get("cookie", "").split("; ")
        if path.startswith("/uploads/"):
            return self._upload(path)
        if path == "/":
            return page(200, "The front page <form><input type=password></form>")
        if path == "/me":
            body = {"status": "ok", "id": "1", "name": "Ada", "photo": ""}
            if signed_in:
                return json_reply(200, body)
            return json_reply(200 if self.hedgedoc else 401, {"status": "forbidden"})
        if path == "/history":
            return self._history(signed_in)
        match = re.fullmatch(r"(?:/s)?/([^/]+)(?:/(.+))?", path)
        name, action = (match[1], match[2]) if match else ("", "")
        note = self.notes.get(name)
        if not action:
            self.made += note is None
            return page(200, "The editor")
        if note is None:
            return page(404, "Not found")
        if note.state == "private" and not signed_in:
            return Reply(302, {"Location": "/" if self.hedgedoc else f"/?next={quote(path)}"})
        return self._act(note, name, action, request)

    def _history(self, signed_in: bool) -> Reply:
        if not signed_in:
            return Reply(302, {"Location": "/" if self.hedgedoc else "/?next=%2Fhistory"})
        seen = ["team-meeting", "gone000000000000000000", "private00000000000000u"]
        history = [
            {
                "id": name,
                "text": self.notes[name].title if name in self.notes else "",
                "tags": [],
                "time": 1780000000000 + number,
            }
            for number, name in enumerate(seen)
        ]
        return json_reply(200, {"history": history if self.seen is None else self.seen})

    def _act(self, note: Note, name: str, action: str, request: Seen) -> Reply:
        text = note.text.replace("@BASE@", self.base)
        if note.state == "busy":
            note.state = "open"
            return Reply(503, {"Content-Type": "text/plain"}, Content(b"I'm busy right now"))
        if action == "download":
            return self._download(note, text.encode(), request)
        if action == "info":
            times = {"createtime": "2026-05-04T09:00:00.000Z", "updatetime": None}
            return json_reply(200, {"title": note.title, "description": text[:50], **times})
        if action == "revision":
            listed = [{"time": time, "length": len(text)} for time in note.revisions]
            return json_reply(200, {"revision": listed})
        if match := re.fullmatch(r"revision/(\d+)", action):
            if int(match[1]) not in note.revisions:
                return page(404, "Not found")
            return json_reply(200, {"content": text, "patch": "@@ -0,0 @@", "authorship": []})
        if action == "pdf" and not self.hedgedoc:
            self.pdfs += 1
            return self._pdf()
        return Reply(302, {"Location": f"/{name}"})

    def _download(self, note: Note, body: bytes, request: Seen) -> Reply:
        # encodeURIComponent leaves these five as they are; nothing is quoted.
        name = quote(note.title, safe="!'()*-._~")
        headers = {
            "Content-Type": "text/markdown; charset=utf-8",
            "Cache-Control": "private",
            "Content-disposition": f"attachment; filename={name}.md",
        }
        offered = request.headers.get("accept-encoding", "")
        if self.hedgedoc and len(body) > 1024 and "gzip" in offered:
            headers["Content-Encoding"] = "gzip"
            body = gzip.compress(body)
        return Reply(200, headers, Content(body))

    def _pdf(self) -> Reply:
        if self.pdf == "failed":
            return page(500, "The renderer died")
        if self.pdf == "off":
            return page(403, "Forbidden")
        if self.pdf == "html":
            return page(200, "The editor")
        return Reply(
            200, {"Content-Type": "application/pdf; charset=UTF-8"}, Content(b"%PDF-1.4 note")
        )

    def _upload(self, path: str) -> Reply:
        held = {
            f"/uploads/{PICTURE}": ("image/png", b"\x89PNG picture"),
            "/uploads/plan B.pdf": ("application/pdf", b"%PDF-1.4 plan"),
            "/uploads/empty.gif": ("image/gif", b""),
            "/uploads/named.jpg": ("image/jpeg", b"named"),
        }
        if path not in held:
            return page(404, "Not found")
        kind, content = held[path]
        return Reply(200, {"Content-Type": kind}, Content(content))


def codimd(storage: Storage) -> CodiMD:
    """A server, with its notes."""
    return CodiMD(storage)
