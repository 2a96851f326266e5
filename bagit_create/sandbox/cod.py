"""CERN Open Data, as the portal answers.

Routes, statuses and texts follow cernopendata/cernopendata-portal. The records:

    1        no lists of files at all               2       plain; its recid is a number; DOI
    3        indices only, and ``files`` is empty   4       the old shape, with an index file
    5        equal names in directories, a triple slash, every kind of checksum, one file on tape
    6        an index of 10,001 files               7       a file behind a redirect to another host
    8        an index that lists less than it counts
    9        not released                           10      deleted
    11       old, with an index that is broken      12      on demand, hidden from searches; DOI
    cms-1    another name of 2                      others  missing
    what a search finds besides: cod_search.py
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from typing import Any
from urllib.parse import parse_qs, unquote

from .cod_search import CREATED, UPDATED, PortalSearch
from .content import Content
from .server import Reply, Seen, json_reply, page
from .storage import Storage, ranged

ROOT = "root://eospublic.cern.ch/"
PLACE = "/eos/opendata/cms/invented"


class OpenData:
    """One portal. ``base`` and ``storage_url`` are set once the ports are known."""

    methods: frozenset[str] = frozenset()

    def __init__(self, storage: Storage) -> None:
        self.base = self.storage_url = ""
        self.storage = storage
        self.allowance: int | None = None
        self.paths: dict[str, Content] = {}
        self.redirected: set[str] = set()
        self.records: dict[str, dict[str, Any]] = {}
        self.search = PortalSearch()

    def __call__(self, request: Seen) -> Reply:
        """Answer a request."""
        path, _, query = request.path.partition("?")
        path = unquote(path)
        if path.startswith("/eos/"):
            return self._stored(path, request.headers)
        if self.allowance is not None:
            self.allowance -= 1
            if self.allowance < 0:
                body = {"status": 429, "message": "60 per 1 minute"}
                return json_reply(429, body, **{"Retry-After": "1"})
        if path == "/api/records/":
            asked = {name: values[-1] for name, values in parse_qs(query, True).items()}
            return self.search.answer(self.records, asked)
        if match := re.fullmatch(r"/api/records/([^/]+)", path):
            return self._record(match[1])
        if match := re.fullmatch(r"/record/([^/]+)/(files|file_index)/(.+)", path):
            return self._by_key(match[1], match[2], match[3], request.headers)
        return page(404, "Not found")

    def put(self, recid: str, metadata: dict[str, Any]) -> None:
        """Put a record in place."""
        self.records[recid] = {"recid": recid, **metadata}

    def file(
        self, path: str, content: Content, *, checksum: str | None = "adler32", **more: Any
    ) -> dict[str, Any]:
        """Store something, and describe it as a list of files does.

        :param checksum: an algorithm, a whole checksum (with a colon), or None for none.
        """
        self.paths[re.sub("/+", "/", path)] = content
        name = path.rpartition("/")[2]
        made: dict[str, Any] = {"key": name, "size": content.size, "uri": f"{ROOT}/{path[1:]}"}
        made |= {"availability": "online", "version_id": f"v-{len(self.paths):06}", **more}
        if checksum and (":" in checksum or checksum == "bare"):
            made["checksum"] = checksum.replace("bare", content.digest("adler32"))
        elif checksum:
            made["checksum"] = f"{checksum}:{content.digest(checksum)}"
        return made

    # -- answers --------------------------------------------------------------------------------

    def _record(self, recid: str) -> Reply:
        if recid == "9":
            return json_reply(401, {"status": 401, "message": "Unauthorized."})
        if recid == "10":
            return json_reply(410, {"status": 410, "message": "PID has been deleted."})
        if recid == "6" and "6" not in self.records:
            self._many()
        metadata = self.records.get("2" if recid == "cms-1" else recid)
        if metadata is None:
            return json_reply(404, {"status": 404, "message": "PID does not exist."})
        body = {
            "id": recid,
            "created": CREATED,
            "updated": UPDATED,
            "links": {"self": f"{self.base}/api/records/{recid}"},
            "metadata": metadata,
        }
        return json_reply(200, body, ETag='"3"')

    def _many(self) -> None:
        files = []
        for number in range(10_001):
            content = Content(b"%06d\n" % number)
            one = self.file(f"{PLACE}/many/{number:05}/part.root", content)
            files.append({**one, "filename": "part.root", "key": f"MANY_file_index.json_{number}"})
        self.put(
            "6",
            {"title": "Ten thousand and one", "files": [], "_file_indices": [index("MANY", files)]},
        )

    def _stored(self, path: str, headers: Mapping[str, str]) -> Reply:
        if "//" in path:
            return json_reply(500, {"errors": ["Invalid path"]})
        content = self.paths.get(path)
        if content is None:
            return page(404, "Not found")
        if path in self.redirected:
            return Reply(302, {"Location": self.storage_url + self.storage.sign(content)})
        return ranged(content, headers, tagged=False)

    def _by_key(self, recid: str, way: str, key: str, headers: Mapping[str, str]) -> Reply:
        metadata = self.records.get(recid, {})
        if way == "file_index":
            for one in metadata.get("_file_indices", []):
                if one["key"] == key:
                    return json_reply(200, one)
            return json_reply(404, {"status": 404, "message": "No such index."})
        for one in metadata.get("files", []):
            if one["key"] == key:
                return self._stored(re.sub("/+", "/", one["uri"].removeprefix(ROOT)), headers)
        return json_reply(404, {"status": 404, "message": "No such file."})


def index(name: str, files: list[dict[str, Any]], number: int | None = None) -> dict[str, Any]:
    """An index inside a record."""
    return {
        "key": f"{name}_file_index.json",
        "description": f"{name} file index (1 of 1)",
        "number_files": len(files) if number is None else number,
        "size": sum(one["size"] for one in files),
        "availability": {"online": len(files)},
        "files": [{"filename": one["key"], **one} for one in files],
    }


def cod(storage: Storage) -> OpenData:
    """The portal, with its records."""
    app = OpenData(storage)
    title = {"experiment": ["CMS"], "type": {"primary": "Dataset"}, "date_published": "2024"}
    app.put("1", {"title": "An invented documentation page", "availability": "online"})
    app.put("2", {**title, **_plain(app), "recid": 2, "doi": "10.7483/OPENDATA.CMS.INVE.NTED"})
    members = [app.file(f"{PLACE}/aod/{n:04}.root", Content(2000 + n, str(n))) for n in range(3)]
    app.put(
        "3",
        {**title, "title": "Indices only", "files": [], "_file_indices": [index("AOD", members)]},
    )
    app.put("4", {"title": "Invented old record", "files": _old(app, "OLD")})
    app.put("5", {**title, **_awkward(app)})
    elsewhere = app.file(f"{PLACE}/elsewhere.root", Content(5000, "elsewhere"))
    app.redirected.add(f"{PLACE}/elsewhere.root")
    app.put("7", {"title": "Kept elsewhere", "files": [elsewhere]})
    app.put("8", {"title": "Broken", "files": [], "_file_indices": [index("BAD", members, 9)]})
    broken = _old(app, "BROKEN")
    app.paths[f"{PLACE}/BROKEN_file_index.json"] = Content(b'[{"checksum": "adler32:1"')
    app.put("11", {"title": "Broken index", "files": broken})
    hidden = {"doi": "10.7483/OPENDATA.CMS.HIDD.EN00", "availability": "ondemand"}
    app.put("12", {"title": "On demand", **hidden})
    return app


def _plain(app: OpenData) -> dict[str, Any]:
    files = [
        app.file(f"{PLACE}/README.txt", Content(b"hello"), checksum="adler32:62c0215"),
        app.file(f"{PLACE}/schéma général.pdf", Content(b"%PDF-1.4\n" + b"schema\n" * 999)),
        app.file(f"{PLACE}/empty.csv", Content(b"")),
    ]
    return {"title": "Invented collision data, été 2012", "files": files, "_files": files}


def _old(app: OpenData, name: str) -> list[dict[str, Any]]:
    """An index file in both forms, with two members."""
    members = [
        app.file(f"{PLACE}/old/{name}/0001.root", Content(b"one")),
        app.file(f"{PLACE}/old/{name}/0002.root", Content(b""), checksum="sha1"),
    ]
    listed = [
        {"filename": one["key"], **{k: one[k] for k in ("checksum", "size", "uri")}}
        for one in members
    ]
    lines = "".join(f"{one['uri']}\n" for one in members).encode()
    as_json = Content(json.dumps(listed).encode())
    return [
        app.file(f"{PLACE}/{name}_file_index.json", as_json, type="index.json"),
        app.file(f"{PLACE}/{name}_file_index.txt", Content(lines), type="index.txt"),
    ]


def _awkward(app: OpenData) -> dict[str, Any]:
    members = [
        app.file(f"{PLACE}/0001/AO2D.root", Content(b"first"), key="AWK_0"),
        app.file(f"/{PLACE}/0002/AO2D.root", Content(b"second"), key="AWK_1"),
        app.file(
            f"{PLACE}/0003/AO2D.root", Content(b"tape"), key="AWK_2", availability="on demand"
        ),
        app.file(f"{PLACE}/0004/AO2D.root", Content(b"sha1"), key="AWK_3", checksum="sha1"),
    ]
    for one in members:
        one["filename"] = "AO2D.root"
    files = [
        app.file(f"{PLACE}/bare.txt", Content(b"bare"), checksum="bare"),
        app.file(f"{PLACE}/typo.txt", Content(b"typo"), checksum="alder32:0123abcd"),
        app.file(f"{PLACE}/none.txt", Content(b"none"), checksum=None),
        app.file(f"{PLACE}/odd.txt", Content(b"odd"), checksum="adler32:xyz"),
        app.file(f"{PLACE}/staged.txt", Content(b"on tape by now")),
        app.file(f"{PLACE}/100% #1?.txt", Content(b"signs")),
    ]
    states = [{**files[4], "availability": "on demand"}]
    return {
        "title": "Awkward",
        "availability": "partial",
        "files": files,
        "_files": states,
        "_file_indices": [index("AWK", members)],
        "distribution": {"number_files": 10},
    }
