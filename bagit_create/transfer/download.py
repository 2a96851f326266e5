"""One file over HTTP: whole, of the announced size and checksum, or an error."""

from __future__ import annotations

import errno
import os
import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace
from typing import NoReturn

from .. import log
from ..bodies import BrokenBody, Stream
from ..checksums import Digests, from_content_md5, known
from ..client import Client
from ..errors import (
    AccessDenied,
    ChecksumMismatch,
    Interrupted,
    RecordNotFound,
    TransferError,
    UpstreamError,
)
from ..model import Checksum, FileEntry
from ..urls import without_secrets
from . import xrootd
from .checks import compare, is_decoded, is_page, validator, web_addresses, withheld
from .partial import Partial


class Download:
    """A file on its way. After :meth:`run`, the facts stand in the attributes.

    ``entry`` is the file with the checksum of ``Content-MD5`` (RFC 1864), where upstream's list
    has none and its server sends one.

    :param part: where the bytes go, and what an earlier run left of them; None to hash only.
    :param algorithms: digests to compute, those upstream published among them.
    :param max_size: bytes after which a file whose size nobody knows is given up; 0 for none.
    :raises TransferError: from :meth:`run`, when the file is missing, cut short, or too long.
    :raises ChecksumMismatch: when the bytes are not those that upstream announced.
    """

    def __init__(
        self,
        client: Client,
        entry: FileEntry,
        part: Partial | None,
        algorithms: tuple[str, ...],
        advanced: Callable[[int], None],
        max_size: int = 0,
    ) -> None:
        self._client = client
        self._entry = self.entry = entry
        self._part = part
        self._algorithms = algorithms
        self._advanced = advanced
        self._max_size = max_size
        self._digests = Digests(algorithms)
        self._validator: str | None = None
        self._told: Checksum | None = None
        self._vouched: set[str] | None = None
        self._decoded = False
        self.received = 0
        self.url = ""
        self.http_status = 0
        self.checksums: tuple[Checksum, ...] = ()

    def run(self) -> None:
        """Fetch from the first location that has the file; a wrong one is fetched once more."""
        self._recall()
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
                except (TransferError, UpstreamError) as err:
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
        self.url = without_secrets(url)
        if self.received and self.received == self._entry.size:
            return  # a run was killed between its last byte and its end
        breaks = 0
        while True:
            try:
                with self._client.open(url, self._range()) as stream:
                    self._take(stream)
                return
            except BrokenBody as err:
                breaks += 1
                if self._decoded:
                    self._restart()
                if breaks > self._client.retries:
                    raise TransferError(
                        "A file was cut short, again and again.",
                        where=f"{self._entry.name} from {self.url} ({err})",
                        hint="run the same command again; what is finished is not fetched again",
                        resumable=True,
                    ) from err
                self._client.wait_before_retry(breaks, f"{self._entry.name} broke off: {err}")
            except UpstreamError as err:
                if err.http_status == 416 and self.received:
                    if err.range_of == self.received and self._entry.size is None:
                        return  # it was whole, to the byte
                    self._restart()  # nothing is left of that version
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
        """Ask for the rest only, if something can tell whether it is the rest of the same file.

        That is the server, if it named its version, or else upstream's checksum in the end.
        """
        if not self.received:
            return {}
        ask = {"Range": f"bytes={self.received}-"}
        if self._validator:
            return ask | {"If-Range": self._validator}
        if self._entry.size is not None and any(map(known, self._entry.checksums)):
            return ask
        return {}

    def _take(self, stream: Stream) -> None:
        """Write and hash the body of one answer."""
        going_on = stream.status == 206 and self._goes_on(stream.headers)
        if not going_on:
            self._restart()
            if stream.status == 206:
                raise BrokenBody("the server sent another part than was asked for")
        self.http_status = stream.status
        decode = is_decoded(stream.headers, self._entry.name)
        # Of what is decoded the length counts compressed bytes: there is nothing to go on from.
        self._validator = None if decode else validator(stream.headers)
        self._decoded = decode
        self._refuse_page(stream.headers)
        self._vouched = {"content-length", "transfer-encoding"} & {
            n.lower() for n in stream.headers
        }
        if not decode and not going_on:
            self._told = from_content_md5(stream.headers.get("Content-MD5"))
        if self._part is not None and not going_on and not decode:
            self._part.note(self._validator, self._told.value if self._told else None)
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
                if limit is None and 0 < self._max_size < self.received:
                    raise TransferError(
                        "A file is larger than --max-size allows.",
                        where=f"{self._entry.name} at {self.url}: more than {self._max_size} bytes",
                    )
                if sink >= 0:
                    _write(sink, block)
                self._digests.update(block)
        finally:
            if sink >= 0:
                os.close(sink)

    def _goes_on(self, headers: Mapping[str, str]) -> bool:
        """Whether this is the rest of the same version (RFC 9110 section 14.4)."""
        match = re.match(
            r"bytes ([0-9]{1,18})-[0-9]+/([0-9]+|\*)", headers.get("Content-Range", "")
        )
        if not match or int(match[1]) != self.received or not self.received:
            return False
        if self._entry.size is not None and match[2] not in ("*", str(self._entry.size)):
            return False
        # A server may overlook If-Range.
        now = validator(headers)
        return not (now and self._validator) or now == self._validator

    def _open_part(self) -> int:
        if self._part is None:
            return -1
        flags = os.O_WRONLY | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC
        flags |= os.O_APPEND if self.received else os.O_TRUNC
        return os.open(self._part.path, flags, 0o644)

    def _refuse_page(self, headers: Mapping[str, str]) -> None:
        """A web page where a file was due is refused, unless a checksum can decide."""
        kind = headers.get("Content-Type", "").partition(";")[0].strip().lower()
        if is_page(kind, self._entry) and not any(known(one) for one in self._entry.checksums):
            raise withheld(
                "The server sent a web page instead of the file.",
                where=f"{self._entry.name} at {self.url}",
                hint=self._client.access_hint(),
            )

    def _recall(self) -> None:
        """Go on with what an earlier run left."""
        if self._part is None:
            return
        self.received, self._validator, told = self._part.recall(
            self._digests, lambda: self._client.stopped
        )
        if not self.received:
            if self._part.was_begun:
                self._digests = Digests(self._algorithms)
            return
        self._told = from_content_md5(told)
        self._advanced(self.received)
        log.info(f"{self._entry.name}: {self.received} bytes are here from an earlier run")

    def _restart(self) -> None:
        if not self.received:
            return
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


def _write(descriptor: int, block: bytes | memoryview) -> None:
    written = os.write(descriptor, block)
    while written < len(block):
        more = os.write(descriptor, memoryview(block)[written:])
        if not more:
            raise OSError(errno.EIO, "nothing could be written")
        written += more
