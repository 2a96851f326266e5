"""InvenioRDM and Zenodo, as their REST interfaces answer.

Routes, statuses, headers and texts follow inveniosoftware/invenio-rdm-records,
invenio-records-resources and zenodo/zenodo-rdm; see also the REST reference of InvenioRDM.
"""

from __future__ import annotations

import re
import time
from collections.abc import Mapping
from typing import Any
from urllib.parse import parse_qsl, unquote

from .findable import Findable, refused
from .server import Reply, Seen, json_reply, page
from .shapes import File, Record
from .storage import Storage, ranged

GOOD = "good"
"""The token, and the secret of the share links, that opens what is restricted."""


class Invenio(Findable):
    """One server. ``base`` and ``storage_url`` are set once the ports are known."""

    def __init__(self, is_zenodo: bool, storage: Storage) -> None:
        super().__init__(is_zenodo)
        self.storage = storage
        self.storage_url = ""
        self.allowance: int | None = None

    def add(self, record: Record) -> None:
        """Put a record in place; the newest of a parent is the one added last."""
        prefix = "10.5281/zenodo." if self.is_zenodo else "10.17181/"
        record.doi = record.doi or f"{prefix}{record.recid}"
        self.records[record.recid] = record
        if record.parent:
            self.parents[record.parent] = record.recid

    methods: frozenset[str] = frozenset()

    def __call__(self, request: Seen) -> Reply:
        """Answer a request."""
        path, _, query = request.path.partition("?")
        headers = request.headers
        if self.allowance is not None:
            self.allowance -= 1
            if self.allowance < 0:
                return self._limited(json_reply(429, {"status": 429, "message": "60 per 1 minute"}))
        token = headers.get("authorization", "")
        parameters = dict(parse_qsl(query))
        bearer = token[7:] if token.lower().startswith("bearer ") else ""
        is_user = GOOD in (bearer, parameters.get("access_token"))
        # A share link; ``resource-token`` is Zenodo's own way. No other parameter opens anything.
        may = is_user or GOOD in (parameters.get("token"), parameters.get("resource-token"))
        for pattern, answer in _ROUTES:
            if match := re.fullmatch(pattern, path):
                reply: Reply = getattr(self, answer)(may, query, headers, *match.groups())
                if is_user:
                    reply.headers["X-User-ID"] = "17"
                return self._limited(reply)
        return json_reply(
            404, {"status": 404, "message": "The requested URL was not found on the server."}
        )

    def _limited(self, reply: Reply) -> Reply:
        """The four headers of every answer: ``Retry-After`` does not mean a failure."""
        now = int(time.time())
        reply.headers.setdefault("X-RateLimit-Limit", "500")
        reply.headers.setdefault("X-RateLimit-Remaining", "499")
        reply.headers.setdefault("X-RateLimit-Reset", str(now + 60))
        reply.headers.setdefault("Retry-After", "1" if reply.status == 429 else "60")
        return reply

    # -- records --------------------------------------------------------------------------------

    def _gone(self, recid: str, may: bool) -> Reply | None:
        """The answer where there is no record to show."""
        record = self.records.get(recid)
        if record is None and recid in self.parents:
            return refused(404, "Not found.")
        if record is None:
            return refused(404, "The persistent identifier does not exist.")
        if record.state == "draft":
            return refused(404, "The persistent identifier is not registered.")
        if record.state == "hidden":
            return refused(404, "Record not found")
        if record.state == "deleted":
            tombstone = {
                "removal_reason": {"id": "retracted"},
                "note": "Invented for the sandbox",
                "removed_by": {"user": "1"},
                "removal_date": "2024-03-01T10:00:00.000000+00:00",
                "citation_text": "Example, A. (2024). A retracted toy.",
                "is_visible": True,
            }
            return json_reply(
                410, {"status": 410, "message": "Record deleted", "tombstone": tombstone}
            )
        if record.state == "closed" and not may:
            return refused(403, "Permission denied.")
        return None

    def record(self, may: bool, query: str, headers: Mapping[str, str], recid: str) -> Reply:
        """``/api/records/ID``; the id of all versions redirects to the newest."""
        recid = unquote(recid)
        if recid in self.parents and recid not in self.records:
            to = f"/api/records/{self.parents[recid]}" + (f"?{query}" if query else "")
            reply = page(302, "Redirecting…")
            reply.headers["Location"] = to
            return reply
        if (gone := self._gone(recid, may)) is not None:
            return gone
        accept = headers.get("accept", "*/*")
        kinds = ["application/json", "application/vnd.inveniordm.v1+json"]
        kinds += ["application/vnd.zenodo.v1+json"] if self.is_zenodo else []
        if not any(one in accept for one in ("*/*", *kinds)):
            return refused(406, f"Invalid 'Accept' header. Expected one of: {', '.join(kinds)}")
        record = self.records[recid]
        if self.is_zenodo and "inveniordm" not in accept:
            body = self._old_shape(record, may)
        else:
            body = self._shape(record, may)
        link = f'<{self.base}/api/records/{recid}>; rel="linkset"; type="application/linkset+json"'
        return json_reply(200, body, ETag='"4"', Link=link)

    # -- files ----------------------------------------------------------------------------------

    def listing(self, may: bool, query: str, headers: Mapping[str, str], recid: str) -> Reply:
        """``/api/records/ID/files``; a parent's id is not redirected here."""
        if (gone := self._gone(unquote(recid), may)) is not None:
            return gone
        record = self.records[unquote(recid)]
        if record.shape == "old-names":
            return refused(404, "The requested URL was not found on the server.")
        links = {name: self._links(record)[name] for name in ("files", "archive")}
        body: dict[str, Any] = {"enabled": True, "links": {"self": links["files"]}}
        if record.state == "metadata-only":
            return json_reply(200, body | {"enabled": False})
        if not self._opened(record, may):
            return refused(403, "Permission denied.")
        entries = [self._entry(record, one) for one in record.files.values()]
        return json_reply(200, body | {"entries": entries, "default_preview": None, "order": []})

    def one_file(
        self, may: bool, query: str, headers: Mapping[str, str], recid: str, key: str
    ) -> Reply:
        """``/api/records/ID/files/KEY``, and its ``/content``."""
        if (gone := self._gone(unquote(recid), may)) is not None:
            return gone
        record = self.records[unquote(recid)]
        name = unquote(key)
        is_content = name.endswith("/content") and name[:-8] in record.files
        one = record.files.get(name[:-8] if is_content else name)
        if record.state == "metadata-only":
            return refused(403, "Files are not enabled.")
        if one is None or one.status != "completed":
            shown = name.removesuffix("/content")
            return refused(404, f"Record '{record.recid}' has no file '{shown}'.")
        if not self._opened(record, may):
            return refused(403, "Permission denied.")
        if not re.search(r"\*/\*|application/json", headers.get("accept", "*/*")):
            return refused(406, "Invalid 'Accept' header. Expected one of: application/json")
        return (
            self._content(one, headers) if is_content else json_reply(200, self._entry(record, one))
        )

    def _content(self, one: File, headers: Mapping[str, str]) -> Reply:
        if one.way == "storage":
            return Reply(302, {"Location": self.storage_url + self.storage.sign(one.content)})
        if one.way == "ranges":
            return ranged(one.content, headers, tagged=False)
        md5 = one.content.digest("md5")
        if headers.get("if-none-match") == f'"md5:{md5}"':
            return Reply(304, {"ETag": f'"md5:{md5}"'})
        return Reply(
            200,
            {
                "Content-Type": "application/octet-stream",
                "Content-MD5": md5,
                "ETag": f'"md5:{md5}"',
                "Content-Disposition": "attachment",
            },
            one.content,
        )

    # -- the rest -------------------------------------------------------------------------------

    def draft(
        self, may: bool, query: str, headers: Mapping[str, str], recid: str, files: str | None
    ) -> Reply:
        """``/api/records/ID/draft[/files]``: for the owner, who alone holds the token."""
        record = self.records.get(recid)
        if record is None or record.state != "draft":
            return refused(404, "The persistent identifier does not exist.")
        if not may:
            return refused(403, "Permission denied.")
        if files:
            entries = [self._entry(record, one) for one in record.files.values()]
            return json_reply(200, {"enabled": True, "entries": entries, "order": []})
        body = self._shape(record, may) | {"is_published": False, "is_draft": True}
        return json_reply(200, body)

    def versions(self, may: bool, query: str, headers: Mapping[str, str], recid: str) -> Reply:
        """``/api/records/ID/versions``: a search result of all that share the parent."""
        if (gone := self._gone(recid, may)) is not None:
            return gone
        parent = self.records[recid].parent
        found = [
            one
            for one in self.records.values()
            if one.recid == recid or (parent and one.parent == parent)
        ]
        make = self._old_shape if self.is_zenodo else self._shape
        hits = {"hits": [make(one, may) for one in found], "total": len(found)}
        return json_reply(200, {"hits": hits, "sortBy": "version", "page": 1})

    def latest(self, may: bool, query: str, headers: Mapping[str, str], recid: str) -> Reply:
        """``/api/records/ID/versions/latest``: 301 with a JSON body."""
        record = self.records.get(recid)
        newest = self.parents.get(record.parent, recid) if record else recid
        to = f"{self.base}/api/records/{newest}"
        return json_reply(301, {"status": 301, "message": "Moved", "location": to}, Location=to)

    def old_page(
        self, may: bool, query: str, headers: Mapping[str, str], recid: str, rest: str
    ) -> Reply:
        """``/record/N`` of old Zenodo moves for good; InvenioRDM never had it."""
        if not self.is_zenodo:
            return page(404, "Page not found")
        reply = page(301, "Redirecting…")
        reply.headers["Location"] = f"{self.base}/records/{recid}{rest}"
        return reply

    def page_of(self, may: bool, query: str, headers: Mapping[str, str], recid: str) -> Reply:
        """The page for people; the id of all versions leads to the newest."""
        if recid in self.parents and recid not in self.records:
            reply = page(302, "Redirecting…")
            reply.headers["Location"] = f"/records/{self.parents[recid]}"
            return reply
        return page(200 if recid in self.records else 404, "A record's page")

    def web_file(
        self, may: bool, query: str, headers: Mapping[str, str], recid: str, key: str
    ) -> Reply:
        """``/records/ID/files/NAME``: the bytes, with or without ``?download=1``."""
        return self.one_file(may, query, {**headers, "accept": "*/*"}, recid, f"{key}/content")


_ROUTES = (
    (r"/api/records/?", "search"),
    (r"/api/communities/([^/]+)/records", "search"),
    (r"/api/records/([^/]+)", "record"),
    (r"/api/records/([^/]+)/files", "listing"),
    (r"/api/records/([^/]+)/versions", "versions"),
    (r"/api/records/([^/]+)/versions/latest", "latest"),
    (r"/api/records/([^/]+)/draft(/files)?", "draft"),
    (r"/api/records/([^/]+)/files/(.+)", "one_file"),
    (r"/record/([^/]+)(.*)", "old_page"),
    (r"/records/([^/]+)/files/(.+)", "web_file"),
    (r"/records/([^/]+).*", "page_of"),
    (r"/oai2d", "oai"),
)
