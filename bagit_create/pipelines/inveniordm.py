"""InvenioRDM: a published record's JSON, and one entry per file of its list of files.

Facts: inveniosoftware/docs-invenio-rdm, "REST API: drafts and records". The list of files is asked
for at the address of the record that was *received*: a parent id redirects to the newest version,
its ``/files`` does not.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any
from urllib.parse import quote

from .. import checksums, log
from ..answers import Answer
from ..client import Client
from ..config import Instance, as_doi
from ..errors import AccessDenied, RecordNotFound, UpstreamError
from ..model import NOTHING, Checksum, Description, Document, FileEntry, Record, Skipped
from ..options import JobOptions
from .base import Begun, Essence, expect, only_one, plain_text, reading
from .legacy import current_id
from .sameness import all_have, of_json

VOLATILE = ("links", "stats", "ui", "expanded")
"""Of a record: what follows from its id, may hold a token, counts readers, or is for people."""


class InvenioRDM:
    """A server that runs InvenioRDM, such as repository.cern."""

    def __init__(self, instance: Instance, client: Client, options: JobOptions) -> None:
        self._instance = instance
        self._client = client
        self._api = f"{instance.base_url}/api/records"

    def begin(self, recid: str | None) -> Begun:
        """Ask for the record; see :meth:`Pipeline.begin`."""
        asked = recid or ""
        doi = as_doi(asked)
        wanted = self._find_doi(doi) if doi else current_id(self._client, self._instance, asked)
        answer = self._metadata(wanted)
        body = answer.json("Metadata request")
        with reading("record", answer.url):
            final = str(_id(expect(body, dict, "the record")["id"]))
        if final != asked:
            log.info(f"{asked} is record {final} of {self._instance.name}")
        document = Document(
            "metadata.json", answer.content, answer.url, media_type="application/json"
        )
        return Begun(asked, final, (document,), body)

    def harvest(self, begun: Begun) -> Record:
        """Ask for the files; see :meth:`Pipeline.harvest`."""
        final, body = begun.recid, begun.body
        (document,) = begun.documents
        url = document.url or ""
        with reading("record", url):
            status = self._status(body)
            description = self._describe(body)
        listing_url = f"{self._api}/{quote(final)}/files"
        listing, documents = self._listing(listing_url, body, status)
        with reading("file list", listing_url):
            files, skipped = self._files(listing)
            counted = self._counted(body)
            if counted is not None and counted > len(files) + len(skipped):
                raise ValueError(f"{len(files)} entries, but the record counts {counted} files")
            _compare(self._named(body), {f.name for f in files} | {s.name for s in skipped})
            skipped += tuple(_media(body))
        if not files and status not in ("open", "metadata-only", ""):
            log.warning(f"the record is {status} and shows no files: it may have some")
        return Record(
            source=self._instance.name,
            recid=final,
            requested=begun.asked,
            files=files,
            documents=(document, *documents),
            metadata_url=document.url,
            description=description,
            organization=self._instance.organization,
            external_identifier=(description.identifiers or (url,))[0],
            skipped=skipped,
            notes=(f"access status of the record: {status}",) if status else (),
        )

    def essence(self, document: Document) -> Essence | None:
        """Everything that the record says but for :data:`VOLATILE`, its ``revision_id`` included.

        The files of a published record are named in it with their checksums, and a change of any
        is a new revision; where one has no checksum (kept elsewhere), or none are shown, nothing is
        known of the files. The list of files is in no kept order.
        """
        if document.name == "files.json":
            return of_json(document.content, VOLATILE, part=_in_order)
        return of_json(
            document.content,
            VOLATILE,
            kept=("metadata", "custom_fields"),
            part=_files_as_list,
            tells_all=self._tells_all,
        )

    def _tells_all(self, body: dict[str, Any]) -> bool:
        """Whether the record says which version of it this is, and that of every file."""
        if not (body.get("revision_id") is not None and body["updated"]):
            return False
        if body["files"]["enabled"] is False:
            return True
        named = body["files"].get("entries")
        return isinstance(named, dict) and named != {} and all_have(named.values(), "checksum")

    # -- the record ---------------------------------------------------------------------------

    def _metadata(self, recid: str) -> Answer:
        url = f"{self._api}/{quote(recid, safe='')}"
        answer = self._client.get(
            url, what="Metadata request", accept="application/json", allow=(410,)
        )
        if answer.status == 410:
            raise self._deleted(answer)
        return answer

    def _deleted(self, answer: Answer) -> RecordNotFound:
        """The error for a deleted record, with what its tombstone tells."""
        try:
            body = answer.json("Metadata request")
        except UpstreamError:  # a page for people says no less
            body = None
        tombstone = body.get("tombstone") if isinstance(body, dict) else None
        told: list[str] = []
        if isinstance(tombstone, dict):
            reason = tombstone.get("removal_reason")
            if isinstance(reason, dict) and reason.get("id"):
                told.append(f"Reason: {plain_text(reason['id'])}.")
            if note := plain_text(tombstone.get("note")):
                told.append(f"Note: {note}.")
            if date := plain_text(tombstone.get("removal_date")):
                told.append(f"Removed on {date[:10]}.")
        return RecordNotFound(
            " ".join(["No such record: it was deleted.", *told]), where=answer.url, http_status=410
        )

    def _find_doi(self, doi: str) -> str:
        """The record that carries a DOI which does not itself hold the record's id."""
        for pattern in self._instance.dois:
            if match := re.fullmatch(pattern, doi, re.IGNORECASE):
                return match["recid"]
        query = quote(f'{self._doi_field}:"{doi}"', safe="")
        url = f"{self._api}?q={query}&size=2&allversions=true"
        hits = self._client.get(url, what="Search for the DOI")
        with reading("search result", hits.url):
            found = [str(hit["id"]) for hit in hits.json("Search for the DOI")["hits"]["hits"]]
        return only_one(found, self._instance.name, doi)

    _doi_field = "pids.doi.identifier"

    def _status(self, body: dict[str, Any]) -> str:
        """``open``, ``restricted``, ``embargoed`` or ``metadata-only``."""
        return str(body["access"]["status"])

    def _counted(self, body: dict[str, Any]) -> int | None:
        """How many files the record itself says it has, where the reader may know."""
        count = body["files"].get("count")
        return count if isinstance(count, int) else None

    def _named(self, body: dict[str, Any]) -> set[str]:
        """The keys of the files that the record itself names, where the reader may know."""
        entries = body["files"].get("entries")
        return set(entries) if isinstance(entries, dict) else set()

    def _embargo(self, body: dict[str, Any]) -> str:
        embargo = body.get("access", {}).get("embargo")
        return str(embargo.get("until") or "") if isinstance(embargo, dict) else ""

    def _describe(self, body: dict[str, Any]) -> Description:
        metadata = expect(body["metadata"], dict, "metadata")
        pids = body.get("pids")
        doi = (pids if isinstance(pids, dict) else {}).get("doi", {}).get("identifier")
        links = body.get("links")
        page = plain_text((links if isinstance(links, dict) else {}).get("self_html"))
        people = [one.get("person_or_org", {}) for one in metadata.get("creators") or ()]
        return Description(
            title=plain_text(metadata.get("title")),
            creators=tuple(plain_text(one.get("name")) for one in people if one.get("name")),
            date=plain_text(metadata.get("publication_date")),
            description=plain_text(metadata.get("description")),
            publisher=plain_text(metadata.get("publisher")),
            identifiers=tuple(
                text for text in (f"https://doi.org/{doi}" if doi else "", page) if text
            ),
            rights=tuple(
                plain_text(one.get("id") or next(iter((one.get("title") or {"": ""}).values())))
                for one in metadata.get("rights") or ()
            ),
            types=tuple(
                t for t in (plain_text((metadata.get("resource_type") or {}).get("id")),) if t
            ),
            languages=tuple(plain_text(one.get("id")) for one in metadata.get("languages") or ()),
            subjects=tuple(
                plain_text(one.get("subject")) for one in metadata.get("subjects") or ()
            ),
        )

    # -- the files ----------------------------------------------------------------------------

    def _listing(
        self, url: str, body: dict[str, Any], status: str
    ) -> tuple[Any, tuple[Document, ...]]:
        """The list of files, and the answer it came in."""
        try:
            answer = self._client.get(url, what="File list request", accept="application/json")
        except AccessDenied as err:
            until = self._embargo(body)
            raise AccessDenied(
                f"File list request was refused: access denied. Record status: {status}"
                + (f" until {until}." if until else "."),
                where=url,
                hint=err.hint,
                http_status=err.http_status,
            ) from err
        document = Document("files.json", answer.content, answer.url, "meta", "application/json")
        return answer.json("File list request"), (document,)

    def _files(self, listing: Any) -> tuple[tuple[FileEntry, ...], tuple[Skipped, ...]]:
        """Entries for all that can be fetched. ``enabled: false`` is a metadata-only record."""
        if not expect(listing["enabled"], bool, "enabled"):
            return (), ()
        entries: list[FileEntry] = []
        skipped: list[Skipped] = []
        for item in expect(listing["entries"], list, "entries"):
            key = expect(item["key"], str, "key")
            state = item.get("status", "completed")
            if state != "completed":
                skipped.append(Skipped(key, f"upstream has no content for it yet (status {state})"))
                continue
            entries.append(entry(item, item["links"]["content"]))
        return tuple(entries), tuple(skipped)


def _files_as_list(body: dict[str, Any]) -> dict[str, Any]:
    """The record with its files as a list: their names as keys could be any, ``stats`` too."""
    files = body.get("files")
    if not isinstance(files, dict) or not isinstance(files.get("entries"), dict):
        return body
    return {**body, "files": {**files, "entries": sorted(files["entries"].items())}}


def _in_order(listing: dict[str, Any]) -> dict[str, Any]:
    """The list of files, by their keys."""
    entries = sorted(listing.get("entries") or (), key=lambda one: str(one["key"]))
    return {**listing, "entries": entries}


def _id(value: Any) -> str | int:
    """An id, which Zenodo once gave as a number."""
    if isinstance(value, bool) or not isinstance(value, (str, int)):
        raise TypeError(f"id is {type(value).__name__}")
    return value


def _compare(named: set[str], listed: set[str]) -> None:
    """The list must have what the record names; the record's own may be older and shorter."""
    if lost := sorted(named - listed):
        raise ValueError(f"the record names {lost[0]!r}, and the list does not have it")


def _media(body: dict[str, Any]) -> Iterator[Skipped]:
    """The auxiliary files (thumbnails, tiles) that a server makes from a record's own files."""
    media = body.get("media_files")
    if isinstance(media, dict) and media.get("enabled"):
        for key in media.get("entries") or ("(not listed)",):
            yield Skipped(str(key), "auxiliary media file, derived by the server")


def entry(item: dict[str, Any], url: Any) -> FileEntry:
    """Make a FileEntry of one item of a list of files.

    Remote files (``transfer.type`` R) may have neither size nor checksum. ``url`` is used to the
    letter: a key may hold slashes, ``#`` or ``../``, and the server encodes them in its own way.
    """
    published = item.get("checksum")
    sums: tuple[Checksum, ...] = (checksums.parse(published),) if published else ()
    size = item.get("size")
    if size is not None and expect(size, int, "size") < 0:
        raise ValueError(f"size is {size}")
    hidden = isinstance(item.get("access"), dict) and item["access"].get("hidden") is True
    return FileEntry(
        name=expect(item["key"], str, "key"),
        urls=(expect(url, str, "links.content"),),
        size=size,
        checksums=sums,
        media_type=item.get("mimetype"),
        origin={"hidden": True} if hidden else NOTHING,
    )
