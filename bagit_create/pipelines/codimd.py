"""CodiMD and HedgeDoc 1: a note, its revisions, its uploads, and its PDF where there is one.

Facts: hackmdio/codimd and hedgedoc/hedgedoc (branch ``master``), ``lib/routes.js`` and ``lib/web``.
The bare address of a note is never asked for: it may make a note of that name. A note that one may
not read redirects to the front page, so no redirect is followed.
"""

from __future__ import annotations

import hashlib
import re
from typing import Any
from urllib.parse import quote, unquote, urlsplit

from .. import log
from ..answers import REDIRECTS, Answer
from ..client import Client
from ..config import Instance
from ..errors import AccessDenied, BicError, UpstreamError
from ..model import Description, Document, FileEntry, Record, Skipped
from ..options import RECID, JobOptions
from ..paths import portable
from .base import Begun, Essence, expect, plain_text, reading
from .markdown import references

WHAT = "Note request"
_JSON = "application/json"


class CodiMD:
    """A server that runs CodiMD 2 or HedgeDoc 1."""

    def __init__(self, instance: Instance, client: Client, options: JobOptions) -> None:
        self._instance = instance
        self._client = client
        self._options = options
        self._skipped: list[Skipped] = []
        self._notes: list[str] = []

    def begin(self, recid: str | None) -> Begun:
        """Ask for the note's text; see :meth:`Pipeline.begin`."""
        asked = recid or ""
        self._base = f"{self._instance.base_url}/{quote(asked, safe='')}"
        note = self._ask("download")
        self._judge(note)
        published = _file_name(note) or f"{asked}.md"
        name = portable(published)
        self._notes.append(f"the note was downloaded as {published!r}")
        document = Document(name, note.content, note.url, "content", "text/markdown")
        return Begun(asked, _package_id(asked), (document,), published)

    def harvest(self, begun: Begun) -> Record:
        """Ask for what stands beside the note; see :meth:`Pipeline.harvest`."""
        asked, published = begun.asked, begun.body
        (note,) = begun.documents
        documents = [note]
        info = self._json("info", documents, "info.json")
        self._revisions(documents)
        if not self._options.light:
            self._pdf(note.name, documents)
        with reading("note's information", f"{self._base}/info"):
            description = self._describe(expect(info or {}, dict, "info"), published, asked)
        return Record(
            source=self._instance.name,
            recid=begun.recid,
            requested=asked,
            files=self._uploads(note.content.decode("utf-8", "replace")),
            documents=tuple(documents),
            metadata_url=note.url,
            description=description,
            organization=self._instance.organization,
            external_identifier=description.identifiers[0],
            skipped=tuple(self._skipped),
            notes=tuple(self._notes),
            source_details={"download_name": published},
        )

    def essence(self, document: Document) -> Essence | None:
        """The note's own bytes, under its title: an upload has another address for other bytes.

        A text that was changed, and changed back, has more revisions and counts as unchanged.
        """
        return Essence(
            document.content, document.place == "content" and document.name[-3:] == ".md"
        )

    # -- the note -----------------------------------------------------------------------------

    def _ask(self, action: str, accept: str = "*/*", what: str = WHAT) -> Answer:
        """One of the sub-paths of the note; a redirect is the caller's to judge."""
        return self._client.get(
            f"{self._base}/{action}",
            what=what,
            accept=accept,
            allow=(*REDIRECTS, 400, 403, 500) if action != "download" else tuple(REDIRECTS),
            follow=False,
        )

    def _judge(self, note: Answer) -> None:
        """Refuse everything that is not the note's own text."""
        if note.status in REDIRECTS:
            stale = self._client.wire.has_credential and not self._is_signed_in()
            raise AccessDenied(
                f"{WHAT} was refused: access denied, a login is asked for.",
                where=note.url,
                hint=("the session is not valid any more; " if stale else "")
                + self._client.access_hint(),
            )
        kind = note.headers.get("Content-Type", "none")
        if not kind.lower().startswith("text/markdown"):
            note.refuse_login(WHAT, self._client.access_hint())
            raise UpstreamError(
                f"{WHAT} did not return a note (Content-Type: {kind}).",
                where=note.url,
                hint="the service may have changed; please report it",
            )

    def _is_signed_in(self) -> bool:
        """``/me`` tells: with 200 (HedgeDoc) or 401 (CodiMD), it says ``forbidden`` to guests."""
        try:
            url = f"{self._instance.base_url}/me"
            answer = self._client.get(url, what="Session request", allow=(401,), follow=False)
            body = answer.json("Session request")
        except UpstreamError:
            return True  # nobody knows
        return isinstance(body, dict) and body.get("status") == "ok"

    def _json(self, action: str, documents: list[Document], name: str) -> Any:
        """What stands beside the note, if it can be had; the note is the record."""
        try:
            answer = self._ask(action, "application/json", "Request for what belongs to the note")
            if answer.status != 200:
                raise UpstreamError("it was refused", http_status=answer.status)
            value = answer.json("Request for what belongs to the note")
        except UpstreamError as err:
            self._left_out(action, err)
            return None
        documents.append(Document(name, answer.content, answer.url, "meta", _JSON))
        return value

    def _left_out(self, name: str, err: BicError) -> None:
        if err.resumable:
            raise err
        self._skipped.append(Skipped(name, err.headline(), {"url": err.where or None}))

    def _revisions(self, documents: list[Document]) -> None:
        """The list of revisions, and the text of each."""
        listed = self._json("revision", documents, "revisions.json")
        if listed is None:
            return
        with reading("list of revisions", f"{self._base}/revision"):
            times = [
                expect(one["time"], int, "time")
                for one in expect(listed["revision"], list, "revision")
            ]
        for time in dict.fromkeys(times):
            self._json(f"revision/{time}", documents, f"revisions/{time}.json")

    def _pdf(self, name: str, documents: list[Document]) -> None:
        """The PDF, asked for once, where the server makes one; it never fails the package."""
        try:
            answer = self._ask("pdf", "application/pdf", "PDF request")
            if answer.status in REDIRECTS:
                self._notes.append("the server makes no PDF of a note")
                return
            if answer.status != 200 or not answer.content.startswith(b"%PDF-"):
                raise UpstreamError("what came is no PDF", http_status=answer.status)
        except BicError as err:
            log.info(f"no PDF: {err.headline()}")
            self._skipped.append(Skipped("PDF of the note", f"no PDF came: {err.headline()}"))
            return
        pdf = portable(name.removesuffix(".md") + ".pdf")
        documents.append(Document(pdf, answer.content, answer.url, "content", "application/pdf"))

    # -- what it shows ------------------------------------------------------------------------

    def _uploads(self, text: str) -> tuple[FileEntry, ...]:
        """Files that the note shows and this server holds; images elsewhere are named."""
        base = urlsplit(self._instance.base_url)
        own = {base.netloc.lower(), *self._instance.hosts}
        found: dict[str, FileEntry] = {}
        for address, is_image in references(text, f"{self._instance.base_url}/"):
            try:
                parts = urlsplit(address)
                host = parts.netloc.lower()
            except ValueError:
                continue
            if parts.scheme not in ("http", "https"):
                continue
            if host in own and "/uploads/" in parts.path:
                url = f"{base.scheme}://{base.netloc}{parts.path}"
                name = unquote(parts.path.rpartition("/")[2])
                found[url] = FileEntry(name, (url,), folder="uploads", optional=True)
            elif is_image and host not in own:
                reason = "an image on another site"
                self._skipped.append(Skipped(address, reason, {"url": address}))
        return tuple(found.values())

    def _describe(self, info: dict[str, Any], published: str, asked: str) -> Description:
        return Description(
            title=plain_text(info.get("title")) or published.removesuffix(".md"),
            date=plain_text(info.get("updatetime") or info.get("createtime"))[:10],
            description=plain_text(info.get("description")),
            identifiers=(f"{self._instance.base_url}/{quote(asked, safe='')}",),
            types=("Text",),
        )


def _package_id(asked: str) -> str:
    """The note's name, as part of the package's: one with other signs gets a digest of it."""
    if re.fullmatch(RECID, asked):
        return asked
    digest = hashlib.sha256(asked.encode("utf-8")).hexdigest()[:8]
    return f"{re.sub('[^A-Za-z0-9_.~@+=-]+', '_', asked)[:100]}-{digest}"


def _file_name(note: Answer) -> str:
    """The title in ``Content-disposition``: percent-encoded UTF-8 without quotes."""
    header = note.headers.get("Content-Disposition", "")
    match = re.search(r"filename=\"?([^\";]*)", header)
    return unquote(match[1].strip()) if match else ""
