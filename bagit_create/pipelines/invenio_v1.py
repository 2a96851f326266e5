"""Invenio v1 (the old CERN Document Server, ILCDoc): MARCXML, and the files of its 856 fields.

Facts: inveniosoftware/invenio (maint-1.2). The server answers 200 to nearly everything: an empty
collection for a record that never was, a web page for one that may not be read. A redirect loses
``of=xm``, so none is followed blindly.
"""

from __future__ import annotations

import re
from urllib.parse import quote, urljoin, urlsplit

from .. import log
from ..answers import REDIRECTS, Answer, html_hint, leads_to_login
from ..client import Client
from ..config import Instance
from ..errors import AccessDenied, RecordNotFound, UpstreamError
from ..model import Document, FileEntry, Record, Skipped
from ..options import JobOptions
from ..urls import without_secrets
from . import bibdocfile, marc
from .base import Begun, Essence
from .eos import locations, on_disk

WHAT = "Metadata request"
_XML = "application/xml"
_BOT = re.compile(rb"not a bot|anubis_challenge", re.IGNORECASE)
_NOT_ALLOWED = re.compile(rb"not authori[sz]ed", re.IGNORECASE)


class InvenioV1:
    """A server that runs Invenio 1."""

    def __init__(self, instance: Instance, client: Client, options: JobOptions) -> None:
        self._instance = instance
        self._client = client
        self._options = options
        self._hosts = {urlsplit(instance.base_url).netloc.lower(), *instance.hosts}
        self._notes: list[str] = []

    def begin(self, recid: str | None) -> Begun:
        """Ask for the record; see :meth:`Pipeline.begin`."""
        asked = recid or ""
        answer = self._metadata(asked)
        found = self._record(answer, asked)
        document = Document("metadata.xml", answer.content, answer.url, "content", _XML)
        return Begun(asked, found.recid, (document,), found)

    def harvest(self, begun: Begun) -> Record:
        """Gather the files that the record names; see :meth:`Pipeline.harvest`."""
        found = begun.body
        page = f"{self._instance.base_url}/record/{found.recid}"
        documents = [*begun.documents]
        files, skipped = self._files(found)
        if self._options.bibdoc:
            output = bibdocfile.run(
                self._instance.bibdocfile,
                found.recid,
                self._options.bd_ssh_host,
                self._options.timeout,
            )
            documents.append(Document("bibdoc.txt", output, None, "meta", "text/plain"))
            known = bibdocfile.parse(output, found.recid)
            is_here = not self._options.bd_ssh_host
            files, more = bibdocfile.join(files, known, self._own, is_here)
            skipped = (*skipped, *more)
        description = marc.describe(found, page)
        return Record(
            source=self._instance.name,
            recid=found.recid,
            requested=begun.asked,
            files=files,
            documents=tuple(documents),
            metadata_url=documents[0].url,
            description=description,
            organization=self._instance.organization,
            external_identifier=description.identifiers[0],
            skipped=skipped,
            notes=tuple(self._notes),
        )

    def essence(self, document: Document) -> Essence | None:
        """The record's own fields, its time of change (controlfield 005) included.

        Invenio keeps its own files, and revising one through it gives the record a new 005 and the
        file's new size (``$s``); of a file in another store only a checksum (``$w``) can tell. What
        was exchanged on a disk behind Invenio's back, byte for byte of one size, cannot be seen.
        """
        if document.name != "metadata.xml":
            return Essence(document.content)
        try:
            text, every = marc.canonical(document.content)
            known = len(every) == 1 and bool(every[0].changed) and self._knows_files(every[0])
        except UpstreamError:
            return None
        return Essence(text, known and not self._options.bibdoc)

    def _knows_files(self, record: marc.MarcRecord) -> bool:
        """Whether what the record says of each file would change with the file."""
        for one in marc.located(record, lambda host: host in self._hosts):
            if one.checksums or one.kind == "link" or (one.kind == "file" and one.size is not None):
                continue
            if one.kind != "path" or locations(one.address, True):
                return False
        return True

    # -- the record ---------------------------------------------------------------------------

    def _metadata(self, recid: str) -> Answer:
        """The MARCXML; from OAI-PMH if a wall against robots stands before the record."""
        url = f"{self._instance.base_url}/record/{quote(recid, safe='')}?of=xm"
        for _ in range(5):
            answer = self._client.get(
                url, what=WHAT, accept="text/xml", allow=(*REDIRECTS, 410), follow=False
            )
            if answer.status not in REDIRECTS:
                break
            url = self._redirected(recid, url, answer.headers.get("Location", ""))
        if answer.status == 410:
            self._refuse_gone(answer, recid)
        if answer.content.lstrip(b"\xef\xbb\xbf \r\n\t").startswith(b"<"):
            if not html_hint(answer.content):
                return answer
        if _BOT.search(answer.content[:20_000]) and self._instance.oai_id:
            return self._from_oai(recid)
        answer.refuse_login(WHAT, self._client.access_hint())
        if _NOT_ALLOWED.search(answer.content[:200_000]):
            raise AccessDenied(
                f"{WHAT} was refused: access denied.",
                where=answer.url,
                hint=self._client.access_hint(),
            )
        kind = answer.headers.get("Content-Type", "none")
        raise UpstreamError(
            f"{WHAT} did not return XML (Content-Type: {kind}).",
            where=answer.url,
            hint="the answer was a web page, not data: a firewall or a page for people stands in"
            " between",
        )

    def _redirected(self, recid: str, url: str, location: str) -> str:
        """Where to ask instead, if it is still this record on this server."""
        try:
            target = urljoin(url, location)
            parts = urlsplit(target)
        except ValueError as err:
            raise UpstreamError(f"{WHAT} was redirected to no address.", where=url) from err
        where = f"{without_secrets(url)} to {without_secrets(target)}"
        if leads_to_login(target):
            raise AccessDenied(
                f"{WHAT} was refused: access denied, a login is asked for.",
                where=where,
                hint=self._client.access_hint(),
            )
        if parts.scheme not in ("http", "https"):
            raise UpstreamError(f"{WHAT} was redirected to an unsafe address.", where=where)
        if parts.netloc.lower() not in self._hosts or parts.scheme not in ("http", "https"):
            raise RecordNotFound(
                f"{WHAT} was redirected: no such record here, it moved to another site."
                " Try to harvest the redirected source.",
                where=where,
                hint=f"bic --url {without_secrets(target)}; if no source knows that address, open"
                " it and give the one it leads to",
            )
        other = re.match(r"/record/(\d+)", parts.path)
        if other and other[1] != recid:
            raise _merged(other[1], where)
        if other and (parts.scheme == "https" or url.startswith("http:")):
            return f"{parts.scheme}://{parts.netloc}/record/{recid}?of=xm"
        raise UpstreamError(f"{WHAT} was redirected to where no record is.", where=where)

    def _refuse_gone(self, answer: Answer, recid: str) -> None:
        merged = ""
        if b"<record" in answer.content:
            for one in marc.records(answer.content, answer.url):
                merged = merged or marc.state(one)[1]
        if merged:
            raise _merged(merged, answer.url, 410)
        raise RecordNotFound(
            "No such record: it was deleted.", where=answer.url, http_status=answer.status
        )

    def _from_oai(self, recid: str) -> Answer:
        """The same record by OAI-PMH, which stays open when the pages do not."""
        identifier = quote(self._instance.oai_id.format(recid=recid), safe=":")
        url = (
            f"{self._instance.base_url}/oai2d?verb=GetRecord&metadataPrefix=marcxml"
            f"&identifier={identifier}"
        )
        answer = self._client.get(url, what=WHAT, accept="text/xml")
        note = "a wall against robots stands before the record; its metadata came by OAI-PMH"
        log.warning(note)
        self._notes.append(note)
        return answer

    def _record(self, answer: Answer, recid: str) -> marc.MarcRecord:
        every = marc.records(answer.content, answer.url)
        wanted = [one for one in every if _same(one.recid, recid)]
        if not every or b'code="idDoesNotExist"' in answer.content[:4096]:
            raise RecordNotFound(
                f"{WHAT} was answered: no such record.",
                where=answer.url,
                hint="check the record id",
            )
        if not wanted:
            raise UpstreamError(
                "The metadata is of other records than the one asked for.",
                where=f"{answer.url}: {', '.join(one.recid for one in every[:5])}",
            )
        if len(every) > 1:
            self._notes.append(f"the answer holds {len(every)} records; this one was taken")
        is_now, merged = marc.state(wanted[0])
        if is_now == "merged":
            raise _merged(merged, answer.url)
        if is_now == "deleted":
            raise RecordNotFound("No such record: it was deleted.", where=answer.url)
        if is_now == "migrated":
            self._notes.append("the record says of itself that it moved to another system")
        return wanted[0]

    # -- the files ----------------------------------------------------------------------------

    def _files(self, record: marc.MarcRecord) -> tuple[tuple[FileEntry, ...], tuple[Skipped, ...]]:
        files: dict[tuple[str, ...], FileEntry] = {}
        skipped = []
        for one in marc.located(record, lambda host: host in self._hosts):
            here = on_disk(one.address, self._instance.eos_mount) if one.kind == "path" else None
            if one.kind == "file":
                urls: tuple[str, ...] = (self._own(one.address),)
            elif one.kind == "stored":
                urls = (one.address,)
            elif one.kind == "path":
                urls = locations(one.address, self._options.light)
            else:
                urls = ()
            if not urls and here is None:
                details = {"address": _shown(one.address), **one.facts}
                name = _shown(one.address) if one.kind == "link" else one.name
                skipped.append(Skipped(name, _REASONS[one.kind], details))
                continue
            origin = {**one.facts, **({"path": one.address} if one.kind == "path" else {})}
            entry = FileEntry(
                name=one.name,
                urls=urls,
                size=one.size,
                checksums=one.checksums,
                path=here,
                folder=_folder(one),
                # Invenio answers 404 for a file without bytes, so it cannot be had.
                optional=one.kind == "file" and one.size == 0,
                origin={**origin, **({"subformat": one.subformat} if one.subformat else {})},
            )
            files.setdefault(
                bibdocfile.key((*urls, one.address)[0]), entry
            )  # the same address twice is one file
        return tuple(files.values()), tuple(skipped)

    def _own(self, address: str) -> str:
        """The address on the server that is asked: old fields name http, or a former host."""
        parts = urlsplit(address.strip())
        base = urlsplit(self._instance.base_url)
        query = f"?{parts.query}" if parts.query else ""
        return f"{base.scheme}://{base.netloc}{parts.path}{query}"


_REASONS = {
    "link": "a link to elsewhere, not a file of the record",
    "path": "a path on a disk that cannot be reached from here",
}


def _folder(one: marc.Located) -> str:
    """Derived copies and old versions share a file's name, so each has a folder of its kind."""
    version = one.facts.get("version")
    return "/".join(
        part for part in (f"version {version}" if version else "", one.subformat) if part
    )


def _merged(recid: str, where: str, status: int | None = None) -> RecordNotFound:
    return RecordNotFound(
        "No such record: it was merged into another one.",
        where=where,
        hint=f"harvest that one: --recid {recid}",
        http_status=status,
    )


def _shown(address: str) -> str:
    try:
        return without_secrets(address)
    except ValueError:  # it cannot be taken apart, so neither can a secret be taken out
        return re.sub(r"[?@].*", "…", address)


def _same(one: str, other: str) -> bool:
    """Whether two ids are one: numbers may begin with zeros."""
    numbers = re.fullmatch("[0-9]+", one) and re.fullmatch("[0-9]+", other)
    return one == other or (bool(numbers) and one.lstrip("0") == other.lstrip("0"))
