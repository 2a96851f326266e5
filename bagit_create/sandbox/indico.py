"""Indico, as its export, its files and its pages answer.

Routes, statuses and texts follow indico/indico (3.2). The events:

    101  a meeting: equal names in a folder, names in other scripts, an empty file, a link; files of
         contributions, subcontributions, sessions; one in a session without a block, one in a
         contribution without a block; minutes with an image; a protected folder, a hidden one
    102  protected: the token ``good`` opens it           103  deleted
    104  behind an access key                             105  an old server: no checksums
    106  a file in the object store, one that only ``good`` may read
    107  nothing attached                                 108  contributions not published yet
    others: missing
    /e/toys, /event/a0123 and /conferenceDisplay.py?confId=101 lead to 101
    all are in category 42; more of these: indico_categories.py

The token ``good`` has both scopes, ``export`` and ``files`` have one each; others are refused.
The cookie ``indico_session=good`` is as good, with ``cookieauth=yes`` in the export; beside a
token it is refused.
"""

from __future__ import annotations

import copy
import re
from collections.abc import Iterator
from itertools import count
from typing import Any
from urllib.parse import parse_qs, quote, unquote

from .content import Content
from .indico_categories import Categories, escaped
from .indico_events import Event, seen, timetable
from .indico_records import events
from .server import Reply, Seen, json_reply, page
from .storage import Storage

LEVELS = ("events", "contributions", "subcontributions", "sessions")
SCOPES = {"": "both", "good": "both", "export": "export", "files": "files"}


class Indico:
    """One server. ``base`` and ``storage_url`` are set once the ports are known."""

    methods: frozenset[str] = frozenset()

    def __init__(self, storage: Storage) -> None:
        self.base = self.storage_url = ""
        self.storage = storage
        self.events = events()
        self.categories = Categories(self)
        self._cache: dict[str, bytes] = {}
        self.clock: Iterator[int] = count(1780000000)
        """The ``ts`` of each answer: real ones never have the same."""

    def __call__(self, request: Seen) -> Reply:
        """Answer a request."""
        path, _, query = request.path.partition("?")
        asked = {key: values[0] for key, values in parse_qs(query).items()}
        header = request.headers.get("authorization", "")
        token = header[7:].strip() if header.lower().startswith("bearer ") else ""
        if "indico_session=good" in request.headers.get("cookie", ""):
            if token:
                return page(400, "Bad request")
            token = "good" if asked.get("cookieauth") == "yes" or "/export/" not in path else ""
        if path.startswith("/export/"):
            return self._export(path, asked, token, request.path)
        if match := re.fullmatch(r"/event/(\d+)/(?:.*/)?attachments/\d+/(\d+)/(.+)", path):
            if request.method == "HEAD":
                return page(400, "Bad request")
            return self._file(match[1], int(match[2]), unquote(match[3]), token)
        if re.fullmatch(r"/event/\d+/images/9-plot\.png", path):
            return Reply(200, {"Content-Type": "image/png"}, Content(b"\x89PNG plot"))
        return self._page(path, asked, token)

    def _page(self, path: str, asked: dict[str, str], token: str) -> Reply:
        if path in ("/e/toys", "/e/TOYS") or path == "/event/a0123":
            return Reply(302, {"Location": f"{self.base}/event/101/"})
        if path == "/conferenceDisplay.py":
            return Reply(301, {"Location": f"{self.base}/event/{asked.get('confId')}/"})
        if path == "/login/":
            return page(200, '<form id="login-form"><input type="password"></form>')
        if match := re.fullmatch(r"/event/(\d+)", path):
            return Reply(301, {"Location": f"{self.base}/event/{match[1]}/"})
        if match := re.fullmatch(r"/category/(\w+)/", path):
            return self.categories.page(match[1], token)
        match = re.fullmatch(r"/event/(\d+)/", path)
        event = self.events.get(match[1]) if match else None
        if event is None or event.state == "deleted":
            return page(404, "Not found")
        if event.state == "protected" and token != "good":
            return Reply(302, {"Location": f"{self.base}/login/?next={quote(path)}"})
        return page(200, "Access denied" if event.state == "key" else "An event's page")

    # -- the export -----------------------------------------------------------------------------

    def _export(self, path: str, asked: dict[str, str], token: str, target: str) -> Reply:
        if token and SCOPES.get(token) not in ("both", "export"):
            kind = "insufficient_scope" if token in SCOPES else "invalid_token"
            return page(400, f"OAuth error: {kind}: no")
        if asked.get("onlyauthed") == "yes" and not token:
            return json_reply(403, {"message": "Not authenticated"})
        if match := re.fullmatch(r"/export/categ/(\w+)\.json", path):
            return self.categories.export(match[1], asked, token, target)
        match = re.fullmatch(r"/export/(event|timetable)/([^/]+)\.json", path)
        if match is None:
            return page(404, "Not found")
        if not match[2].isdigit():
            return json_reply(400, {"message": "Event IDs must be numeric"})
        level = asked.get("detail", "events")
        if level not in LEVELS:
            return json_reply(400, {"message": f"Invalid detail level: {level}"})
        key = f"{match[0]} {level} {token}"
        if key not in self._cache or asked.get("nc") != "yes":
            self._cache.setdefault(key, self._answer(match[1], match[2], level, token, target))
        if asked.get("nc") == "yes":
            self._cache[key] = self._answer(match[1], match[2], level, token, target)
        return Reply(200, {"Content-Type": "application/json"}, Content(self._cache[key]))

    def _answer(self, kind: str, number: str, level: str, token: str, target: str) -> bytes:
        event = self.events.get(number)
        shown = event is not None and (event.state == "open" or token == "good")
        results: Any = [seen(event, level, self.base)] if event and shown else []
        if kind == "timetable":
            results = timetable(event) if event and shown else {}
        body = {
            "count": len(results),
            "additionalInfo": {},
            "_type": "HTTPAPIResult",
            "url": self.base + target,
            "ts": next(self.clock),
            "results": results,
        }
        return escaped(body)

    # -- files ----------------------------------------------------------------------------------

    def _file(self, number: str, attachment: int, name: str, token: str) -> Reply:
        if token and token not in SCOPES:
            return json_reply(401, {"error": "invalid_token"}, **{"WWW-Authenticate": "Bearer"})
        if token and SCOPES[token] == "export":
            return json_reply(403, {"error": "insufficient_scope"})
        event: Event | None = self.events.get(number)
        held = event.attachments.get(attachment) if event else None
        if event is None or held is None:
            return page(404, "Not found")
        if event.state == "key":
            return page(200, "Access Denied")
        if (event.state == "protected" or held.closed) and token != "good":
            return Reply(302, {"Location": f"{self.base}/login/?next=/event/{number}"})
        if name != held.name:
            return Reply(302, {"Location": f"{self.base}{held.path(number)}"})
        if held.elsewhere:
            return Reply(302, {"Location": self.storage_url + self.storage.sign(held.content)})
        kind = "inline" if name.endswith(".pdf") else "attachment"
        return Reply(
            200,
            {
                "Content-Type": held.kind,
                "Content-Disposition": f"{kind}; filename*=UTF-8''{quote(name)}",
                "Cache-Control": "no-cache, private",
            },
            held.content,
        )


def indico(storage: Storage) -> Indico:
    """A server, with its events."""
    app = Indico(storage)
    app.events = copy.copy(app.events)
    return app
