"""InvenioRDM and Zenodo, as their REST interfaces answer.

Routes, statuses, headers and texts follow inveniosoftware/invenio-rdm-records,
invenio-records-resources and zenodo/zenodo-rdm; see also the REST reference of InvenioRDM.
"""

from __future__ import annotations

import re
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from itertools import count
from typing import Any
from urllib.parse import parse_qs, parse_qsl, quote, unquote, urlsplit

from .content import Content
from .server import Reply, json_reply, page

GOOD = "good"
"""The token, and the secret of the share links, that opens what is restricted."""
LINK_SAFE = "/!$&'()*+,;=:@~"
STAMP = "2024-02-29T08:30:15.123456+00:00"
WINDOW = 10_000


@dataclass
class File:
    """A file of a record.

    ``checksum`` is ``"real"`` (md5 of the content), the name of another algorithm, or None.
    ``way`` is how its bytes come: ``"plain"``, ``"ranges"`` (RFC 9110 ranges honoured, no ETag),
    ``"storage"`` (a redirect to a signed address elsewhere).
    """

    key: str
    content: Content
    checksum: str | None = "md5"
    announce_size: bool = True
    status: str = "completed"
    transfer: str = "L"
    hidden: bool = False
    way: str = "plain"
    mimetype: str = "application/octet-stream"

    def published(self) -> str | None:
        """The checksum as the list of files has it."""
        return f"{self.checksum}:{self.content.digest(self.checksum)}" if self.checksum else None


@dataclass
class Record:
    """A record in one of its states.

    ``state``: open, metadata-only, restricted (files), embargoed (files), closed (the record
    itself), deleted, hidden (deleted without a tombstone to see), draft. ``shape`` is Zenodo's
    age: now, no-files-key, old-names (October 2023).
    """

    recid: str
    state: str = "open"
    title: str = "Invented record"
    doi: str = ""
    parent: str = ""
    shape: str = "now"
    until: str = "2031-01-01"
    files: dict[str, File] = field(default_factory=dict)


class Invenio:
    """One server. ``base`` and ``storage_url`` are set once the ports are known."""

    def __init__(self, is_zenodo: bool, storage: Storage) -> None:
        self.is_zenodo = is_zenodo
        self.storage = storage
        self.base = ""
        self.storage_url = ""
        self.records: dict[str, Record] = {}
        self.parents: dict[str, str] = {}
        self.allowance: int | None = None

    def add(self, record: Record) -> None:
        """Put a record in place; the newest of a parent is the one added last."""
        prefix = "10.5281/zenodo." if self.is_zenodo else "10.17181/"
        record.doi = record.doi or f"{prefix}{record.recid}"
        self.records[record.recid] = record
        if record.parent:
            self.parents[record.parent] = record.recid

    def __call__(self, method: str, target: str, headers: Mapping[str, str]) -> Reply:
        """Answer a request; ``target`` is raw and must not be folded."""
        path, _, query = target.partition("?")
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
            return _error(404, "Not found.")
        if record is None:
            return _error(404, "The persistent identifier does not exist.")
        if record.state == "draft":
            return _error(404, "The persistent identifier is not registered.")
        if record.state == "hidden":
            return _error(404, "Record not found")
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
            return _error(403, "Permission denied.")
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
            return _error(406, f"Invalid 'Accept' header. Expected one of: {', '.join(kinds)}")
        record = self.records[recid]
        if self.is_zenodo and "inveniordm" not in accept:
            body = self._old_shape(record, may)
        else:
            body = self._shape(record, may)
        link = f'<{self.base}/api/records/{recid}>; rel="linkset"; type="application/linkset+json"'
        return json_reply(200, body, ETag='"4"', Link=link)

    def _opened(self, record: Record, may: bool) -> bool:
        return may or record.state in ("open", "metadata-only")

    def _links(self, record: Record) -> dict[str, str]:
        api = f"{self.base}/api/records/{record.recid}"
        return {
            "self": api,
            "self_html": f"{self.base}/records/{record.recid}",
            "files": f"{api}/files",
            "archive": f"{api}/files-archive",
            "latest": f"{api}/versions/latest",
            "versions": f"{api}/versions",
        }

    def _shape(self, record: Record, may: bool) -> dict[str, Any]:
        """InvenioRDM's own form of a record."""
        files: dict[str, Any] = {"enabled": record.state != "metadata-only"}
        if self._opened(record, may):
            entries = {one.key: self._entry(record, one) for one in record.files.values()}
            total = sum(one.content.size for one in record.files.values())
            files |= {"order": [], "count": len(entries), "total_bytes": total, "entries": entries}
        status = "restricted" if record.state == "closed" else record.state
        embargo: dict[str, Any] = {"active": record.state == "embargoed", "reason": None}
        if record.state == "embargoed":
            embargo["until"] = record.until
        person = {"type": "personal", "name": "Example, Ada", "given_name": "Ada"}
        return {
            "id": record.recid,
            "created": STAMP,
            "updated": STAMP,
            "revision_id": 4,
            "is_published": True,
            "is_draft": False,
            "links": self._links(record),
            "access": {
                "record": "restricted" if record.state == "closed" else "public",
                "files": "public" if self._opened(record, False) else "restricted",
                "embargo": embargo,
                "status": status,
            },
            "files": files,
            "metadata": {
                "title": record.title,
                "resource_type": {"id": "dataset", "title": {"en": "Dataset"}},
                "publication_date": "2024-02-29",
                "creators": [{"person_or_org": person}],
                "rights": [{"id": "cc-by-4.0", "title": {"en": "CC BY 4.0"}}],
                "publisher": "Sandbox",
                "description": "<p>Invented &amp; harmless.</p>",
            },
            "parent": {"id": record.parent or f"p-{record.recid}"},
            "pids": {"doi": {"identifier": record.doi, "provider": "datacite"}},
            "versions": {"index": 2, "is_latest": True},
            "custom_fields": {},
            "deletion_status": {"is_deleted": False, "status": "P"},
        }

    def _old_shape(self, record: Record, may: bool) -> dict[str, Any]:
        """Zenodo's older form, the default there."""
        right = {"metadata-only": "open", "closed": "restricted"}.get(record.state, record.state)
        body: dict[str, Any] = {
            "created": STAMP,
            "modified": STAMP,
            "id": int(record.recid) if record.recid.isdigit() else record.recid,
            "recid": record.recid,
            "conceptrecid": record.parent,
            "conceptdoi": f"10.5281/zenodo.{record.parent}" if record.parent else None,
            "doi": record.doi,
            "doi_url": f"https://doi.org/{record.doi}",
            "title": record.title,
            "metadata": {
                "title": record.title,
                "doi": record.doi,
                "publication_date": "2024-02-29",
                "description": "<p>Invented &amp; harmless.</p>",
                "access_right": right,
                "creators": [{"name": "Example, Ada", "affiliation": None}],
                "resource_type": {"title": "Dataset", "type": "dataset"},
                "license": {"id": "cc-by-4.0"},
            },
            "links": self._links(record),
            "updated": STAMP,
            "revision": 4,
            "owners": [{"id": "17"}],
            "status": "published",
            "state": "done",
            "submitted": True,
        }
        if right == "embargoed":
            body["metadata"]["embargo_date"] = record.until
        if record.shape != "no-files-key":
            shown = record.files.values() if self._opened(record, may) else ()
            body["files"] = [self._old_entry(record, one) for one in shown]
        return body

    def _old_entry(self, record: Record, one: File) -> dict[str, Any]:
        link = self._content_link(record, one)
        if record.shape == "old-names":
            digest = (one.published() or ":").partition(":")[2]
            return {
                "id": _uuid(one.key),
                "filename": one.key,
                "filesize": one.content.size,
                "checksum": digest,
                "links": {"self": link.removesuffix("/content"), "download": link},
            }
        return {
            "id": _uuid(one.key),
            "key": one.key,
            "size": one.content.size,
            "checksum": one.published(),
            "links": {"self": link},
        }

    # -- files ----------------------------------------------------------------------------------

    def _content_link(self, record: Record, one: File) -> str:
        key = quote(one.key, safe=LINK_SAFE)
        return f"{self.base}/api/records/{record.recid}/files/{key}/content"

    def _entry(self, record: Record, one: File) -> dict[str, Any]:
        link = self._content_link(record, one)
        made: dict[str, Any] = {
            "created": STAMP,
            "updated": STAMP,
            "key": one.key,
            "mimetype": one.mimetype,
            "file_id": _uuid(one.key),
            "metadata": None,
            "access": {"hidden": one.hidden},
            "storage_class": "L",
            "transfer": {"type": one.transfer},
            "status": one.status,
            "links": {"self": link.removesuffix("/content"), "content": link},
        }
        if (published := one.published()) is not None:
            made["checksum"] = published
        if one.announce_size:
            made["size"] = one.content.size
        return made

    def listing(self, may: bool, query: str, headers: Mapping[str, str], recid: str) -> Reply:
        """``/api/records/ID/files``; a parent's id is not redirected here."""
        if (gone := self._gone(unquote(recid), may)) is not None:
            return gone
        record = self.records[unquote(recid)]
        if record.shape == "old-names":
            return _error(404, "The requested URL was not found on the server.")
        links = {name: self._links(record)[name] for name in ("files", "archive")}
        body: dict[str, Any] = {"enabled": True, "links": {"self": links["files"]}}
        if record.state == "metadata-only":
            return json_reply(200, body | {"enabled": False})
        if not self._opened(record, may):
            return _error(403, "Permission denied.")
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
            return _error(403, "Files are not enabled.")
        if one is None or one.status != "completed":
            shown = name.removesuffix("/content")
            return _error(404, f"Record '{record.recid}' has no file '{shown}'.")
        if not self._opened(record, may):
            return _error(403, "Permission denied.")
        if not re.search(r"\*/\*|application/json", headers.get("accept", "*/*")):
            return _error(406, "Invalid 'Accept' header. Expected one of: application/json")
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
            return _error(404, "The persistent identifier does not exist.")
        if not may:
            return _error(403, "Permission denied.")
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

    def search(self, may: bool, query: str, headers: Mapping[str, str]) -> Reply:
        """``/api/records?q=``: by DOI or everything, within the window of 10,000."""
        asked = {name: values[-1] for name, values in parse_qs(query).items()}
        try:
            size, number = int(asked.get("size", "25")), int(asked.get("page", "1"))
        except ValueError:
            return _error(400, "Invalid querystring parameters.")
        most = 25 if self.is_zenodo and not may else 100 if self.is_zenodo else 1000
        if not 0 < size <= most or number < 1 or size * number > WINDOW:
            return _error(400, "Invalid querystring parameters.")
        unseen = {"deleted", "hidden", "draft"} | (set() if may else {"closed"})
        found = [one for one in self.records.values() if one.state not in unseen]
        if match := re.search(r'(concept)?doi(?:\.identifier)?:"([^"]+)"', asked.get("q", "")):
            concept, doi = match[1], match[2]
            found = [one for one in found if doi == (self._concept(one) if concept else one.doi)]
        part = found[size * (number - 1) : size * number]
        make = self._old_shape if self.is_zenodo else self._shape
        hits = [make(one, may) for one in part]
        links = {"self": f"{self.base}/api/records?page={number}&size={size}"}
        if size * number < len(found):
            links["next"] = f"{self.base}/api/records?page={number + 1}&size={size}"
        return json_reply(
            200, {"hits": {"hits": hits, "total": len(found)}, "aggregations": {}, "links": links}
        )

    def _concept(self, record: Record) -> str:
        prefix = "10.5281/zenodo." if self.is_zenodo else "10.17181/"
        return prefix + record.parent if record.parent else ""

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

    def oai(self, may: bool, query: str, headers: Mapping[str, str]) -> Reply:
        """OAI-PMH answers errors with 422."""
        body = '<OAI-PMH><error code="badVerb">Illegal OAI verb</error></OAI-PMH>'
        return Reply(422, {"Content-Type": "text/xml"}, Content(body.encode()))


_ROUTES = (
    (r"/api/records/?", "search"),
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


class Storage:
    """The object store behind some files: signed addresses, and no second way to sign in."""

    LIFE_S = 60

    def __init__(self) -> None:
        self._held: dict[str, tuple[Content, float]] = {}
        self._numbers = count()  # not the length: two threads may sign at once

    def sign(self, content: Content) -> str:
        """A path that is good for a minute."""
        name = f"/bucket/{next(self._numbers):06}"
        self._held[name] = content, time.monotonic() + self.LIFE_S
        return f"{name}?X-Amz-Signature=invented"

    def __call__(self, method: str, target: str, headers: Mapping[str, str]) -> Reply:
        """Serve what was signed."""
        content, until = self._held.get(urlsplit(target).path, (Content(b""), 0.0))
        if "authorization" in headers:
            return _xml(400, "InvalidArgument")
        if "X-Amz-Signature=" not in target or time.monotonic() > until:
            return _xml(403, "AccessDenied")
        return ranged(content, headers)


def ranged(content: Content, headers: Mapping[str, str], tagged: bool = True) -> Reply:
    """Content that honours one range (RFC 9110 section 14), with an ETag if ``tagged``."""
    kind = {"Content-Type": "application/octet-stream", "Accept-Ranges": "bytes"}
    if tagged:
        kind["ETag"] = f'"{content.digest("md5")}"'
    match = re.fullmatch(r"bytes=(\d*)-(\d*)", headers.get("range", ""))
    condition = headers.get("if-range")
    if not match or not (match[1] or match[2]) or condition not in (None, kind.get("ETag")):
        return Reply(200, kind, content)
    if match[1]:
        start = int(match[1])
        stop = min(int(match[2]) + 1, content.size) if match[2] else content.size
    else:  # the last so many bytes
        start, stop = max(0, content.size - int(match[2])), content.size
    if start >= content.size:
        return Reply(416, {"Content-Range": f"bytes */{content.size}"})
    if start >= stop:
        return Reply(200, kind, content)
    place = f"bytes {start}-{stop - 1}/{content.size}"
    return Reply(206, {**kind, "Content-Range": place}, content, start, stop)


def _xml(status: int, code: str) -> Reply:
    body = f"<?xml version='1.0'?><Error><Code>{code}</Code></Error>"
    return Reply(status, {"Content-Type": "application/xml"}, Content(body.encode()))


def _error(status: int, message: str) -> Reply:
    return json_reply(status, {"status": status, "message": message})


def _uuid(key: str) -> str:
    digest = Content(key.encode("utf-8", "surrogatepass")).digest("md5")
    return f"{digest[:8]}-{digest[8:12]}-4{digest[13:16]}-8{digest[17:20]}-{digest[20:]}"
