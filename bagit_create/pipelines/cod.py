"""CERN Open Data: a record's JSON, its files, and the members of its file indices.

Facts: cernopendata/cernopendata-portal (``cernopendata/api.py``) and cernopendata-client. Since
December 2024 the members of indices stand in ``metadata._file_indices``; older portals list the
index files among ``metadata.files`` and serve each as a list of its own. Both are read here.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any
from urllib.parse import quote, urlsplit

from .. import checksums, log
from ..client import Client
from ..config import Instance, as_doi
from ..errors import RecordNotFound, UpstreamError
from ..model import NOTHING, Checksum, Description, Document, FileEntry, Record, Skipped
from ..options import JobOptions
from .base import Begun, Essence, expect, only_one, plain_text, reading
from .sameness import all_have, of_json

WHAT = "Metadata request"
_JSON = "application/json"
EOS = "root://eospublic.cern.ch/"
NOT_ON_DISK = ("on demand", "ondemand", "requested")
ON_TAPE = "on demand: it is on tape, and the portal must be asked to bring it to disk first"


@dataclass(frozen=True)
class _Item:
    """A file as one of the lists has it; ``path`` is its absolute path in the store."""

    name: str
    path: str
    urls: tuple[str, ...]
    raw: dict[str, Any]
    index: str


class OpenData:
    """The portal at opendata.cern.ch, or another installation of it."""

    def __init__(self, instance: Instance, client: Client, options: JobOptions) -> None:
        self._instance = instance
        self._client = client
        self._options = options
        store = os.path.join(instance.eos_mount, "opendata")
        self._eos = os.path.abspath(store) if os.path.isdir(store) else ""

    def begin(self, recid: str | None) -> Begun:
        """Ask for the record; see :meth:`Pipeline.begin`."""
        asked = recid or ""
        doi = as_doi(asked)
        wanted = self._find_doi(doi) if doi else asked
        url = f"{self._instance.base_url}/api/records/{quote(wanted, safe='')}"
        answer = self._client.get(url, what=WHAT)
        body = answer.json(WHAT)
        with reading("record", answer.url):
            metadata = expect(body["metadata"], dict, "metadata")
            final = str(metadata.get("recid") or body["id"])
        if final != asked:
            log.info(f"{asked} is record {final} of {self._instance.name}")
        document = Document("metadata.json", answer.content, answer.url, "content", _JSON)
        return Begun(asked, final, (document,), metadata)

    def harvest(self, begun: Begun) -> Record:
        """Read the lists of files; see :meth:`Pipeline.harvest`."""
        final, metadata = begun.recid, begun.body
        (document,) = begun.documents
        url = document.url or ""
        with reading("record", url):
            description = self._describe(metadata, final)
        with reading("file list", url):
            items = [*self._direct(metadata, final), *self._members(metadata)]
            counted = metadata.get("distribution", {}).get("number_files")
        if isinstance(counted, int) and counted > len(items):
            log.warning(f"the record counts {counted} files and lists {len(items)}")
        with reading("file list", url):
            files, skipped = self._entries(items, _states(metadata))
        return Record(
            source=self._instance.name,
            recid=final,
            requested=begun.asked,
            files=files,
            documents=begun.documents,
            metadata_url=document.url,
            description=description,
            organization=self._instance.organization,
            external_identifier=description.identifiers[0],
            skipped=skipped,
        )

    def essence(self, document: Document) -> Essence | None:
        """Everything but the links: when it was changed, and each file's checksum and place.

        Of a record with an index that is itself a file (until December 2024), the members stand
        in another answer.
        """
        return of_json(document.content, ("links",), kept=("metadata",), tells_all=_tells_all)

    def _find_doi(self, doi: str) -> str:
        """The record with a DOI; those on demand are hidden from a search that does not ask."""
        query = quote(f'doi:"{doi}"', safe="")
        url = f"{self._instance.base_url}/api/records/?q={query}&size=2&page=1&ondemand=true"
        answer = self._client.get(url, what="Search for the DOI")
        with reading("search result", answer.url):
            found = [str(one["id"]) for one in answer.json("Search for the DOI")["hits"]["hits"]]
        return only_one(found, self._instance.name, doi)

    def _describe(self, metadata: dict[str, Any], recid: str) -> Description:
        def inner(key: str, field: str) -> Any:
            value = metadata.get(key)
            return value.get(field) if isinstance(value, dict) else None

        doi = metadata.get("doi")
        people = metadata.get("authors") or [metadata.get("collaboration") or {}]
        page = f"{self._instance.base_url}/record/{recid}"
        return Description(
            title=plain_text(metadata.get("title")),
            creators=tuple(
                name
                for one in people
                if isinstance(one, dict) and (name := plain_text(one.get("name")))
            ),
            date=plain_text(metadata.get("date_published")),
            description=plain_text(inner("abstract", "description")),
            publisher=plain_text(metadata.get("publisher")),
            identifiers=(*((f"https://doi.org/{doi}",) if isinstance(doi, str) else ()), page),
            rights=tuple(t for t in (plain_text(inner("license", "attribution")),) if t),
            types=tuple(t for t in (plain_text(inner("type", "primary")),) if t),
            subjects=tuple(map(plain_text, metadata.get("experiment") or ())),
        )

    # -- the lists ----------------------------------------------------------------------------

    def _direct(self, metadata: dict[str, Any], recid: str) -> Iterator[_Item]:
        """``files``; an index among them is a file, and its members are files too."""
        for raw in expect(metadata.get("files") or [], list, "files"):
            key = expect(raw["key"], str, "key")
            page = f"{self._instance.base_url}/record/{recid}/files/{quote(key)}"
            yield self._item(key, raw, "", page)
            if raw.get("type") == "index.json":
                for member in self._old_index(recid, key):
                    yield self._item(expect(member["filename"], str, "filename"), member, key, "")

    def _members(self, metadata: dict[str, Any]) -> Iterator[_Item]:
        """``_file_indices``: lists inside the record."""
        for index in expect(metadata.get("_file_indices") or [], list, "_file_indices"):
            key, files = str(index["key"]), expect(index["files"], list, "files of an index")
            number = index.get("number_files")
            if isinstance(number, int) and number > len(files):
                raise ValueError(f"{key} counts {number} files and lists {len(files)}")
            for raw in files:
                yield self._item(expect(raw["filename"], str, "filename"), raw, key, "")

    def _old_index(self, recid: str, key: str) -> list[Any]:
        """The members of an index that is a file."""
        what = "Index file request"
        place = f"{self._instance.base_url}/record/{recid}"
        try:
            answer = self._client.get(f"{place}/files/{quote(key)}", what=what)
        except RecordNotFound:
            try:
                answer = self._client.get(f"{place}/file_index/{quote(key)}", what=what)
            except RecordNotFound as err:
                raise UpstreamError(
                    "An index of files that the record lists is not there.",
                    where=err.where,
                    hint="which files the record has cannot be known; tell who runs the source",
                    http_status=err.http_status,
                ) from err
        body = answer.json(what)
        with reading("index of files", answer.url):
            return list(expect(body["files"] if isinstance(body, dict) else body, list, "index"))

    def _item(self, name: str, raw: dict[str, Any], index: str, page: str) -> _Item:
        """Where a file can be had: by the web, by XRootD, and from a mounted EOS."""
        uri = raw.get("uri")
        if not uri and page:
            return _Item(name, "", (page,), raw, index)
        uri = expect(uri, str, "uri")
        if not uri.startswith("root://"):
            return _Item(name, urlsplit(uri).path, (uri,), raw, index)
        host, _, path = uri.removeprefix("root://").partition("/")
        path = re.sub("/+", "/", f"/{path}")  # some records have three slashes
        urls = [f"root://{host}/{quote(path)}"]
        if f"root://{host}/" == EOS:
            urls.insert(0, self._instance.base_url + quote(path))
        return _Item(name, path, tuple(urls), raw, index)

    # -- the entries --------------------------------------------------------------------------

    def _entries(
        self, items: list[_Item], states: dict[str, str]
    ) -> tuple[tuple[FileEntry, ...], tuple[Skipped, ...]]:
        """One entry a file; the directory that all share is left out of their paths."""
        folders = [os.path.dirname(one.path) for one in items if one.path]
        shared = os.path.commonpath(folders) if folders else ""
        files, skipped, seen, on_tape = [], [], set(), 0
        for one in items:
            folder = os.path.dirname(one.path)[len(shared) :].strip("/") if one.path else ""
            sums, origin = _checksum(one)
            size = one.raw.get("size")
            if size is not None and expect(size, int, "size") < 0:
                raise ValueError(f"size is {size}")
            if one.index:
                origin["index"] = one.index
            state = states.get(str(one.raw.get("version_id") or one.raw.get("key")), "")
            state = state or str(one.raw.get("availability") or "")
            if state in NOT_ON_DISK:
                origin["availability"] = state
                on_tape += 1
                if not self._options.light:
                    facts = {"url": one.urls[-1], "size": size, "checksum": list(map(str, sums))}
                    name = f"{folder}/{one.name}".lstrip("/")
                    skipped.append(Skipped(name, ON_TAPE, {**facts, **origin}))
                    continue
            entry = FileEntry(
                name=one.name,
                urls=one.urls,
                size=size,
                checksums=sums,
                folder=folder,
                origin=origin or NOTHING,
                path=self._on_disk(one.path),
            )
            if (entry.urls, entry.name) not in seen:  # in two indices, or in a list and an index
                seen.add((entry.urls, entry.name))
                files.append(entry)
        if on_tape and self._options.light:
            log.warning(f"{on_tape} of the files that fetch.txt lists are {ON_TAPE}")
        if not items:
            log.warning("the record lists no files")
        return tuple(files), tuple(skipped)

    def _on_disk(self, path: str) -> bytes | None:
        """Where a file is, if EOS is mounted on this machine; whether it is there shows later."""
        if not self._eos or not path.startswith("/eos/opendata/") or ".." in path.split("/"):
            return None
        return os.fsencode(self._eos + path.removeprefix("/eos/opendata"))


def _tells_all(body: dict[str, Any]) -> bool:
    """Whether the record names every file with a checksum, and says when it was changed."""
    direct = body["metadata"].get("files") or []
    indices = body["metadata"].get("_file_indices") or []
    members = [one for index in indices for one in index["files"]]
    if any(one.get("type") == "index.json" for one in direct):
        return False
    return bool(body["updated"]) and all_have([*direct, *members], "checksum")


def _states(metadata: dict[str, Any]) -> dict[str, str]:
    """The availability of today, by version and by key: that of ``files`` is the one of old."""
    found: dict[str, str] = {}
    for one in metadata.get("_files") or ():
        for name in ("key", "version_id"):
            if one.get(name) and one.get("availability"):
                found[str(one[name])] = str(one["availability"])
    return found


def _checksum(one: _Item) -> tuple[tuple[Checksum, ...], dict[str, Any]]:
    """The published checksum; one that cannot be read is kept as it is, and named."""
    text = one.raw.get("checksum")
    if not text:
        return (), {}
    try:
        found = checksums.parse(str(text), default="adler32")
    except UpstreamError:
        log.warning(f"the checksum of {one.name} cannot be read: {text}")
        return (), {"checksum_text": str(text)}
    if not checksums.known(found):
        log.warning(f"the checksum of {one.name} is of no known kind: {text}")
        return (), {"checksum_text": str(text)}
    return (found,), {}
