"""CDS Videos, as its REST interface answers.

Routes and shapes follow CERNDocumentServer/cds-videos. The records:

    3000001  a video: a master with subformat, frame and playlist inside, a poster and subtitles;
             one key twice, blanks and accents raw in addresses, a file that was never made
    3000002  a project of 3000001 and 3000004, with references that name another host
    3000003  restricted: the token ``good`` opens it       3000004  a second, small video
    3000005  a project with its videos embedded            3000410  deleted
    /legacy/record/2999900 leads to 3000001
"""

from __future__ import annotations

import re
from typing import Any
from urllib.parse import parse_qs, unquote

from .content import Content
from .crowd import One, milliseconds, stamp
from .searches import WINDOW, Malformed, Searches
from .server import Reply, Seen, json_reply, page
from .storage import Storage, ranged

CREATED = "2024-02-29T08:30:15.123456+00:00"
UPDATED = "2024-02-29T08:31:00.000001+00:00"


class Videos:
    """One server. ``base`` and ``storage_url`` are set once the ports are known."""

    methods: frozenset[str] = frozenset()

    def __init__(self, storage: Storage) -> None:
        self.base = self.storage_url = ""
        self.records: dict[str, dict[str, Any]] = {}
        self.versions: dict[str, tuple[str, Content]] = {}
        self.searches = Searches(sorts=False)  # "oldest" is by the date of the video

    def __call__(self, request: Seen) -> Reply:
        """Answer a request."""
        path, _, query = request.path.partition("?")
        may = request.headers.get("authorization") == "Bearer good"
        if match := re.fullmatch(r"/api/record/([^/]+)", path):
            return self._record(match[1], may)
        if match := re.fullmatch(r"/api/files/[^/]+/(.+)", path):
            return self._file(unquote(match[1]), parse_qs(query), request)
        if path == "/api/records/":
            return self._search(parse_qs(query, True), may)
        if path == "/legacy/record/2999900":
            return Reply(301, {"Location": f"{self.base}/record/3000001"})
        return page(404, "Not found")

    def _search(self, asked: dict[str, list[str]], may: bool) -> Reply:
        """``/api/records/?q=``; the newest first, by the date that the video has."""
        stored = [
            One(recid, milliseconds(CREATED), milliseconds(UPDATED), one["title"]["title"])
            for recid, one in self.records.items()
            if may or recid != "3000003"
        ]
        try:
            given = {key: values[-1] for key, values in asked.items()}
            found = self.searches.find(stored, given, WINDOW)
        except Malformed as err:
            return json_reply(400, {"status": 400, "message": str(err)})
        hits = [
            {
                "id": int(one.recid),
                "created": stamp(one.created),
                "updated": stamp(one.updated),
                "metadata": {"title": {"title": one.title}, "date": "2024-02-29"},
            }
            for one in found.hits
        ]
        body = {"hits": hits, "total": self.searches.total(found.total)}
        return json_reply(200, {"hits": body, "aggregations": {}, "links": {}})

    def _record(self, recid: str, may: bool) -> Reply:
        if recid == "3000410":
            return json_reply(410, {"status": 410, "message": "PID has been deleted."})
        metadata = self.records.get(recid)
        if metadata is None:
            return json_reply(404, {"status": 404, "message": "PID does not exist."})
        if recid == "3000003" and not may:
            return json_reply(401, {"status": 401, "message": "Unauthorized."})
        body = {
            "id": recid,
            "created": CREATED,
            "updated": UPDATED,
            "revision": 7,
            "links": {"self": f"{self.base}/api/record/{recid}"},
            "metadata": self._here({"recid": int(recid), **metadata}),
        }
        return json_reply(200, body)

    def _here(self, value: Any) -> Any:
        """The same with this server's address."""
        if isinstance(value, dict):
            return {key: self._here(one) for key, one in value.items()}
        if isinstance(value, list):
            return [self._here(one) for one in value]
        return value.replace("@BASE@", self.base) if isinstance(value, str) else value

    def _file(self, key: str, asked: dict[str, list[str]], request: Seen) -> Reply:
        name, content = self.versions.get(asked.get("versionId", [""])[0], ("", Content(b"")))
        if not name:  # the current head, which is another version
            return ranged(Content(b"the head of " + key.encode()), request.headers)
        if name != key:
            return json_reply(404, {"status": 404, "message": "Object does not exists."})
        return ranged(content, request.headers)

    def add(
        self, key: str, content: bytes | int, kind: str, *, md5: bool = True, **more: Any
    ) -> dict[str, Any]:
        """Store a file, and describe it as a list of files does."""
        version = f"60000000-0000-4000-8000-{len(self.versions):012}"
        body = Content(content, key)
        self.versions[version] = key, body
        bucket = "50000000-0000-4000-8000-000000000001"
        address = f"@BASE@/api/files/{bucket}/{key}"
        return {
            "key": key,
            "bucket_id": bucket,
            "version_id": version,
            "checksum": f"md5:{body.digest('md5')}" if md5 else "",
            "size": body.size,
            "completed": True,
            "content_type": key.rpartition(".")[2],
            "media_type": "video",
            "context_type": kind,
            "tags": {"width": "1920"},
            "links": {"self": f"{address}?versionId={version}", "deleteFile": address},
            **more,
        }


def videos(storage: Storage) -> Videos:
    """A server of CDS Videos, with its records."""
    app = Videos(storage)
    film = 300_000
    never = app.add("Toy film final.smil", b"", "playlist", md5=False, completed=False)
    master = app.add(
        "Toy film final.mov",
        film,
        "master",
        subformat=[app.add("1080p.mp4", film, "subformat"), app.add("360p.mp4", 9000, "subformat")],
        frame=[app.add("frame-1.jpg", b"a frame", "frame")],
        playlist=[never],
    )
    master["frames-preview"] = []
    side = [
        app.add("frame-1.jpg", b"a poster", "poster"),
        app.add("TOY_fré.vtt", b"WEBVTT", "subtitle"),
    ]
    facts = {"date": "2024-02-29", "contributors": [{"name": "Example, Ada"}], "language": "en"}
    app.records["3000001"] = {
        "title": {"title": "A toy film"},
        "report_number": ["TOY-VIDEO-2024-001-001"],
        "_project_id": "3000002",
        "_files": [master, *side],
        **facts,
    }
    second = [
        app.add("uploaded_1.mov", b"second", "master"),
        app.add("frame-1.jpg", b"x", "poster"),
    ]
    app.records["3000004"] = {"title": {"title": "Another"}, "_files": second, **facts}
    host = "https://cds.cern.ch/api/record"
    refs = [{"$ref": f"{host}/3000001"}, {"$ref": f"{host}/3000004"}]
    project = {"title": {"title": "A project"}, "_files": [], **facts}
    app.records["3000002"] = {**project, "videos": refs}
    app.records["3000003"] = {**project, "_files": [app.add("closed.mov", b"closed", "master")]}
    embedded = [{"recid": 3000004, **app.records["3000004"]}]
    app.records["3000005"] = {**project, "videos": embedded}
    return app
