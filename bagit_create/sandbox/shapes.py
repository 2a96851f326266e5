"""Records and files as the servers write them down."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any
from urllib.parse import quote

from .content import Content

LINK_SAFE = "/!$&'()*+,;=:@~"
STAMP = "2024-02-29T08:30:15.123456+00:00"


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
    age: now, no-files-key, old-names (October 2023). ``media`` are keys of auxiliary files,
    ``community`` is the one it belongs to, ``views`` how often the record was looked at.
    """

    recid: str
    state: str = "open"
    title: str = "Invented record"
    doi: str = ""
    parent: str = ""
    shape: str = "now"
    until: str = "2031-01-01"
    media: tuple[str, ...] = ()
    community: str = ""
    views: int = 3
    created: str = STAMP
    updated: str = STAMP
    files: dict[str, File] = field(default_factory=dict)


class Shapes:
    """A server's ways of writing. ``base`` is set once its port is known."""

    def __init__(self, is_zenodo: bool) -> None:
        self.is_zenodo = is_zenodo
        self.base = ""

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
            "created": record.created,
            "updated": record.updated,
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
            "media_files": {
                "enabled": bool(record.media),
                "entries": {k: {} for k in record.media},
            },
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
            "stats": {"this_version": {"views": record.views, "downloads": 1}},
        }

    def _old_shape(self, record: Record, may: bool) -> dict[str, Any]:
        """Zenodo's older form, the default there."""
        right = {"metadata-only": "open", "closed": "restricted"}.get(record.state, record.state)
        body: dict[str, Any] = {
            "created": record.created,
            "modified": record.updated,
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
            "updated": record.updated,
            "revision": 4,
            "owners": [{"id": "17"}],
            "stats": {"views": record.views, "downloads": 1},
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

    def _concept(self, record: Record) -> str:
        prefix = "10.5281/zenodo." if self.is_zenodo else "10.17181/"
        return prefix + record.parent if record.parent else ""


def _uuid(key: str) -> str:
    digest = Content(key.encode("utf-8", "surrogatepass")).digest("md5")
    return f"{digest[:8]}-{digest[8:12]}-4{digest[13:16]}-8{digest[17:20]}-{digest[20:]}"
