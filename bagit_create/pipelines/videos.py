"""CDS Videos: a video's master, what was derived from it, and the videos of a project.

Facts: CERNDocumentServer/cds-videos (``cds/modules/records/api.py``, ``serializers/json.py``). The
list of files shows masters and side files; subformats, frames and playlists are nested in their
master. A project has no files of its own, but videos.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any
from urllib.parse import quote, urlsplit

from .. import checksums
from ..answers import Answer
from ..client import Client
from ..config import Instance
from ..errors import AccessDenied
from ..model import Checksum, Description, Document, FileEntry, Record, Skipped
from ..options import RECID, JobOptions
from .base import Begun, Essence, expect, plain_text, reading
from .legacy import current_id
from .sameness import of_json

WHAT = "Metadata request"
_JSON = "application/json"


class Videos:
    """A server that runs CDS Videos."""

    def __init__(self, instance: Instance, client: Client, options: JobOptions) -> None:
        self._instance = instance
        self._client = client

    def begin(self, recid: str | None) -> Begun:
        """Ask for the video or project; see :meth:`Pipeline.begin`."""
        asked = recid or ""
        answer, body = self._ask(current_id(self._client, self._instance, asked))
        with reading("record", answer.url):
            metadata = expect(body["metadata"], dict, "metadata")
            final = str(body["id"])
        document = Document("metadata.json", answer.content, answer.url, "content", _JSON)
        return Begun(asked, final, (document,), metadata)

    def harvest(self, begun: Begun) -> Record:
        """Ask for the videos of a project; see :meth:`Pipeline.harvest`."""
        final, metadata = begun.recid, begun.body
        documents = [*begun.documents]
        url = documents[0].url or ""
        files: list[FileEntry] = []
        skipped: list[Skipped] = []
        with reading("record", url):
            description = self._describe(metadata, final)
            self._add(metadata, "", files, skipped)
            videos = [_id_of(one) for one in expect(metadata.get("videos") or [], list, "videos")]
        for number in dict.fromkeys(videos):
            try:
                one, inner = self._ask(number)
            except AccessDenied as err:
                skipped.append(Skipped(f"video {number}", err.message, {"url": err.where}))
                continue
            documents.append(Document(f"video-{number}.json", one.content, one.url, "meta", _JSON))
            with reading("record", one.url):
                self._add(inner["metadata"], number, files, skipped)
        return Record(
            source=self._instance.name,
            recid=final,
            requested=begun.asked,
            files=tuple(files),
            documents=tuple(documents),
            metadata_url=url,
            description=description,
            organization=self._instance.organization,
            external_identifier=description.identifiers[0],
            skipped=tuple(skipped),
        )

    def essence(self, document: Document) -> Essence | None:
        """Everything but the links: the revision, and each file's checksum and version.

        Of a project, the videos stand in answers of their own.
        """
        return of_json(document.content, ("links",), kept=("metadata",), tells_all=_tells_all)

    def _ask(self, recid: str) -> tuple[Answer, Any]:
        url = f"{self._instance.base_url}/api/record/{quote(recid, safe='')}"
        answer = self._client.get(url, what=WHAT)
        return answer, answer.json(WHAT)

    def _describe(self, metadata: dict[str, Any], recid: str) -> Description:
        title = metadata.get("title")
        doi = metadata.get("doi")
        return Description(
            title=plain_text(title.get("title") if isinstance(title, dict) else title),
            creators=tuple(
                plain_text(one.get("name")) for one in metadata.get("contributors") or ()
            ),
            date=plain_text(metadata.get("date")),
            description=plain_text(metadata.get("description")),
            publisher=self._instance.title,
            identifiers=(
                *((f"https://doi.org/{doi}",) if isinstance(doi, str) and doi else ()),
                f"{self._instance.base_url}/record/{recid}",
                *map(plain_text, metadata.get("report_number") or ()),
            ),
            rights=tuple(plain_text(one.get("license")) for one in metadata.get("license") or ()),
            types=("Moving Image",),
            languages=tuple(t for t in (plain_text(metadata.get("language")),) if t),
        )

    # -- the files ----------------------------------------------------------------------------

    def _add(
        self,
        metadata: dict[str, Any],
        folder: str,
        files: list[FileEntry],
        skipped: list[Skipped],
    ) -> None:
        """Add a record's files, each kind of derived ones in a folder of its own."""
        for item, kind in _walk(expect(metadata.get("_files") or [], list, "_files"), ""):
            key = expect(item["key"], str, "key")
            text = item.get("checksum") or ""
            facts = {
                name: item[name]
                for name in ("context_type", "media_type", "content_type", "version_id")
                if isinstance(item.get(name), str)
            }
            if isinstance(tags := item.get("tags"), dict):
                facts["tags"] = {key: one for key, one in tags.items() if isinstance(one, str)}
            if item.get("completed") is False or not (text or item.get("size")):
                name = "/".join(part for part in (folder, kind, key) if part)
                skipped.append(Skipped(name, "upstream has no content for it", facts))
                continue
            sums: tuple[Checksum, ...] = (checksums.parse(text),) if text else ()
            size = item.get("size")
            if size is not None and expect(size, int, "size") < 0:
                raise ValueError(f"size is {size}")
            files.append(
                FileEntry(
                    name=key,
                    urls=(self._url(item, key),),
                    size=size,
                    checksums=sums,
                    folder="/".join(part for part in (folder, kind) if part),
                    origin=facts,
                )
            )

    def _url(self, item: dict[str, Any], key: str) -> str:
        """The address of this very version; without ``versionId`` it would be that of the head."""
        link = item["links"].get("self") if isinstance(item.get("links"), dict) else None
        if isinstance(link, str) and "versionId=" in link:
            return link
        bucket = expect(item["bucket_id"], str, "bucket_id")
        version = expect(item["version_id"], str, "version_id")
        return f"{self._instance.base_url}/api/files/{bucket}/{quote(key)}?versionId={version}"


def _tells_all(body: dict[str, Any]) -> bool:
    """Whether the record names every file that has a content with its checksum."""
    files = [one for one, _ in _walk(body["metadata"].get("_files") or [], "")]
    known = all(one.get("checksum") or one.get("completed") is False for one in files)
    return body["revision"] is not None and known and not body["metadata"].get("videos")


def _walk(items: list[Any], kind: str) -> Iterator[tuple[dict[str, Any], str]]:
    """Every file, with the kind of list that it stands in (``""`` at the top)."""
    for item in items:
        yield expect(item, dict, "file"), kind
        for name, inner in item.items():
            if isinstance(inner, list) and inner and all(_is_file(one) for one in inner):
                yield from _walk(inner, name)


def _is_file(one: Any) -> bool:
    return isinstance(one, dict) and "key" in one and "links" in one


def _id_of(one: Any) -> str:
    """The id of a video of a project: embedded, or a reference with a host that means nothing."""
    if isinstance(one, dict) and "$ref" in one:
        path = urlsplit(str(expect(one["$ref"], str, "$ref"))).path
        found = path.rstrip("/").rpartition("/")[2]
    else:
        found = str(one.get("id") or one.get("metadata", one)["recid"])
    if not re.fullmatch(RECID, found):
        raise ValueError(f"the id of a video is {found[:50]!r}")
    return found
