"""One file over HTTP: whole, of the announced size and checksum, or an error."""

from __future__ import annotations

import errno
import os
import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any, NoReturn

from .. import log
from ..answers import BrokenBody, Stream
from ..checksums import Digests, from_content_md5, known
from ..client import Client
from ..errors import (
    AccessDenied,
    ChecksumMismatch,
    Interrupted,
    RecordNotFound,
    TransferError,
    Unreachable,
    UpstreamError,
)
from ..model import Checksum, FileEntry
from ..urls import without_secrets
from . import xrootd

_PAGES = ("text/html", "application/xhtml+xml")
_PAGE_NAMES = re.compile(r"\.(html?|xhtml|shtml|mht|php|aspx?|jsp)$", re.IGNORECASE)
_COMPRESSED_NAMES = re.compile(r"\.(gz|tgz|z|taz|svgz|bz2|tbz2?|xz|txz|zst|br)$", re.IGNORECASE)


class Download:
    """A file on its way. After :meth:`run`, the facts stand in the attributes.

    ``entry`` is the file with the checksum of ``Content-MD5`` (RFC 1864), where upstream's list
    has none and its server sends one.

    :param part: where the bytes go; None to hash them only.
    :param algorithms: digests to compute, those upstream published among them.
    :raises TransferError: from :meth:`run`, when the file is missing, cut short, or too long.
    :raises ChecksumMismatch: when the bytes are not those that upstream announced.
    """

    def __init__(
        self,
        client: Client,
        entry: FileEntry,
        part: Path | None,
        algorithms: tuple[str, ...],
        advanced: Callable[[int], None],
    ) -> None:
        self._client = client
        self._entry = self.entry = entry
        self._part = part
        self._algorithms = algorithms
        self._advanced = advanced
        self._digests = Digests(algorithms)
        self._validator: str | None = None
        self._told: Checksum | None = None
        self._vouched: set[str] | None = None
        self.received = 0
        self.url = ""
        self.http_status = 0
        self.checksums: tuple[Checksum, ...] = ()

    def run(self) -> None:
        """Fetch from the first location that has the file; a wrong one is fetched once more."""
        error: Exception | None = None
        for url in (*web_addresses(self._entry), *xrootd.addresses(self._entry)):
            for again in (False, True):
                try:
                    if url.startswith("root:"):
                        self._copy(url)
                    else:
                        self._fetch(url)
                    self._verify()
                    return
                except (ChecksumMismatch, _WrongLength) as err:
                    error = err
                    if not again:
                        log.info(f"{self._entry.name}: {err.message} It is fetched once more.")
                except (TransferError, Unreachable) as err:
                    error = err
                    break
            self._restart()
        if error is None:
            raise TransferError(
                "A file has no address that can be fetched.",
                where=f"{self._entry.name}: {', '.join(self._entry.urls) or 'none'}",
            )
        raise error

    def _fetch(self, url: str) -> None:
        """Read the body, going on after each break, until it is whole."""
        self._restart()
        self.url = without_secrets(url)
        breaks = 0
        while True:
            try:
                with self._client.open(url, self._range()) as stream:
                    self._take(stream)
                return
            except BrokenBody as err:
                breaks += 1
                if breaks > self._client.retries:
                    raise TransferError(
                        "A file was cut short, again and again.",
                        where=f"{self._entry.name} from {self.url} ({err})",
                        hint="run the same command again; what is finished is not fetched again",
                        resumable=True,
                    ) from err
                self._client.wait_before_retry(breaks, f"{self._entry.name} broke off: {err}")
            except UpstreamError as err:
                if err.http_status == 416 and self.received:  # nothing is left of that version
                    self._restart()
                    continue
                if not isinstance(err, (RecordNotFound, AccessDenied)):
                    raise
                raise withheld(
                    "A file that upstream lists is "
                    + ("refused." if isinstance(err, AccessDenied) else "not there."),
                    where=f"{self._entry.name} at {self.url}",
                    http_status=err.http_status,
                    hint=err.hint,
                ) from err

    def _copy(self, url: str) -> None:
        """Read the file with xrdcp."""
        self._restart()
        self.url = url
        self._store(xrootd.blocks(url, self._entry.name, self._client.timeout))

    def _range(self) -> dict[str, str]:
        """Ask for the rest only, if the server can tell whether it is the rest of the same file."""
        if self.received and self._validator:
            return {"Range": f"bytes={self.received}-", "If-Range": self._validator}
        return {}

    def _take(self, stream: Stream) -> None:
        """Write and hash the body of one answer."""
        if not (stream.status == 206 and self._goes_on(stream.headers)):
            if stream.status == 206:
                self._validator = None
                raise BrokenBody("the server sent another part than was asked for")
            self._restart()
        self.http_status = stream.status
        self._validator = _validator(stream.headers)
        decode = is_decoded(stream.headers, self._entry.name)
        if decode:
            self._validator = None  # the length counts compressed bytes: nothing to go on from
        self._refuse_page(stream.headers)
        self._vouched = {"content-length", "transfer-encoding"} & {
            n.lower() for n in stream.headers
        }
        if not decode:
            self._told = from_content_md5(stream.headers.get("Content-MD5"))
        self._store(stream.blocks(decode))

    def _store(self, blocks: Iterator[bytes | memoryview] | Iterator[bytes]) -> None:
        """Write and hash what arrives."""
        limit = self._entry.size
        sink = self._open_part()
        try:
            for block in blocks:
                if self._client.stopped:
                    raise Interrupted("The run was ended while files were being fetched.")
                self.received += len(block)
                self._advanced(len(block))
                if limit is not None and self.received > limit:
                    self._wrong_length(f"more than {limit}")
                if sink >= 0:
                    _write(sink, block)
                self._digests.update(block)
        finally:
            if sink >= 0:
                os.close(sink)

    def _goes_on(self, headers: Mapping[str, str]) -> bool:
        match = re.match(r"bytes (\d+)-", headers.get("Content-Range", ""))
        return bool(match and int(match[1]) == self.received and self.received)

    def _open_part(self) -> int:
        if self._part is None:
            return -1
        flags = os.O_WRONLY | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC
        flags |= os.O_APPEND if self.received else os.O_TRUNC
        return os.open(self._part, flags, 0o644)

    def _refuse_page(self, headers: Mapping[str, str]) -> None:
        """A web page where a file was due is refused, unless a checksum can decide."""
        kind = headers.get("Content-Type", "").partition(";")[0].strip().lower()
        if is_page(kind, self._entry) and not any(known(one) for one in self._entry.checksums):
            raise withheld(
                "The server sent a web page instead of the file.",
                where=f"{self._entry.name} at {self.url}",
                hint=self._client.access_hint(),
            )

    def _restart(self) -> None:
        if self.received:
            self._advanced(-self.received)
        self.received = 0
        self._validator = None
        self._digests = Digests(self._algorithms)

    def _wrong_length(self, found: str) -> NoReturn:
        raise _WrongLength(
            "A file is not of the size that upstream announced.",
            where=f"{self._entry.name} at {self.url}: expected {self._entry.size} bytes, "
            f"found {found}",
            hint="upstream may be changing it; try again later, or tell who runs the source",
        )

    def _verify(self) -> None:
        entry = self._entry
        if entry.size is not None and self.received != entry.size:
            self._wrong_length(str(self.received))
        self.checksums = self._digests.checksums()
        if entry.size is None and not self._vouched and not any(map(known, entry.checksums)):
            log.warning(f"nothing tells whether {entry.name} is whole: no size, no checksum")
        if self._told is not None and not any(map(known, entry.checksums)):
            self.entry = entry = replace(entry, checksums=(*entry.checksums, self._told))
        compare(entry, self.checksums, self.url)


class _WrongLength(TransferError):
    """Another size than announced: worth one more try."""


def compare(entry: FileEntry, computed: tuple[Checksum, ...], where: str) -> None:
    """Compare digests with what upstream published.

    :raises ChecksumMismatch: naming both.
    """
    found = {one.algorithm: one.value for one in computed}
    for announced in entry.checksums:
        if known(announced) and found[announced.algorithm] != announced.value:
            raise ChecksumMismatch(
                "A file is not the one that upstream announced: the checksum differs.",
                where=f"{entry.name} at {where}: expected {announced}, "
                f"found {found[announced.algorithm]}",
                hint="it was fetched twice; tell who runs the source",
            )


def is_page(kind: str, entry: FileEntry) -> bool:
    """Whether an answer of this media type is a web page where the file is none."""
    return kind in _PAGES and entry.media_type not in _PAGES and not _PAGE_NAMES.search(entry.name)


def is_decoded(headers: Mapping[str, str], name: str) -> bool:
    """Whether a body was compressed for the way only.

    A server that guesses ``Content-Encoding`` from a name (``data.tar.gz``) sends the file itself:
    its size and checksum are of these very bytes.
    """
    coding = headers.get("Content-Encoding", "identity").lower()
    return coding != "identity" and not _COMPRESSED_NAMES.search(name)


def withheld(message: str, **facts: Any) -> TransferError:
    """The error for a file that upstream lists and does not hand out."""
    error = TransferError(message, **facts)
    error.withheld = True
    return error


def web_addresses(entry: FileEntry) -> tuple[str, ...]:
    """The locations of a file that HTTP can fetch."""
    return tuple(url for url in entry.urls if url.lower().startswith(("http://", "https://")))


def _validator(headers: Mapping[str, str]) -> str | None:
    """What ``If-Range`` may carry: a strong ETag, else a date (RFC 9110 section 13.1.5)."""
    etag = headers.get("ETag", "")
    return etag if etag.startswith('"') else headers.get("Last-Modified")


def _write(descriptor: int, block: bytes | memoryview) -> None:
    written = os.write(descriptor, block)
    while written < len(block):
        more = os.write(descriptor, memoryview(block)[written:])
        if not more:
            raise OSError(errno.EIO, "nothing could be written")
        written += more
