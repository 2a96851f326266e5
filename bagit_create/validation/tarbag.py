"""A bag in a tar archive: plain, read at random; or compressed, read front to back."""

from __future__ import annotations

import os
import re
import tempfile
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from threading import Lock

from ..checksums import BLOCK, read_at
from ..log import is_text
from .archivebag import LARGE, ArchiveBag, Block, digest
from .container import Take
from .findings import Findings
from .inflate import Compression, Inflow
from .listing import ArchiveFault
from .machine import no_scratch, not_here
from .tarheaders import Header, Headers

SPOOLED_BYTES = 16 << 20
"""Of tag files that are kept in memory; more of them wait in a temporary file."""
KEPT_BYTES = 1 << 30
"""Of tag files that are kept at all; what is beyond is unpacked once more when it is asked for."""
LOOKED_AT = 1 << 20
"""Bytes behind the end of a plain archive in which anything but padding is looked for."""
CUT = "the archive is cut short in this member"
_PAYLOAD = re.compile(r"(?:\./)*(?:[^/]+/)?data/(?!meta/)")


class TarBag(ArchiveBag):
    """A bag in a tar archive without compression. Its members are read where they stand.

    :raises TooMuch: if the archive is beyond the limits.
    """

    serialisation: str | None = "tar"

    def __init__(self, path: Path, descriptor: int, found: Findings) -> None:
        super().__init__(path, descriptor, found)
        headers = Headers(self.at)
        self._name = ""
        self._row: int | None = None
        inside = False
        try:
            for header in headers:
                self._take(header)
                inside = True
                self.pass_over(header)
                inside = False
            self._judge_end(headers)
        except OSError as err:
            not_here(err, path)
            self.whole = False
            number = err.number if isinstance(err, ArchiveFault) else "Z07"
            text = f"{err.strerror}; what follows cannot be read"
            if inside:
                self.spoil(self._row, self._name, text, number)
            else:
                after = f"after {self._name}: " if self._name else ""
                found.error(number, path.name, after + text)

    def at(self, offset: int, size: int) -> bytes:
        """So many bytes of the archive, fewer at its end."""
        return os.pread(self.descriptor, size, offset)

    def _take(self, header: Header) -> None:
        self._name = name = header.name.decode("utf-8", "surrogateescape")
        if not name.isascii() and not is_text(name):
            self.found.warning("Z09", name, "the name is not UTF-8")
        target = header.target.decode("utf-8", "surrogateescape")
        self._row = self.listing.add(
            name, header.kind, header.size, header.offset, target, header.what
        )
        if header.fault:
            self.spoil(self._row, name, header.fault)

    def pass_over(self, header: Header) -> None:
        """Make sure that a member's bytes are all there.

        :raises ArchiveFault: if the archive ends before.
        """
        if header.offset + header.size > self.size:
            raise ArchiveFault(CUT)

    def _judge_end(self, headers: Headers) -> None:
        name = self.path.name
        if headers.closed == 0:
            raise ArchiveFault("the archive has no end; it is cut short")
        if headers.closed == 1:
            self.found.warning("Z07", name, "only one of two empty blocks marks the end")
        if rubbish := self.rubbish(headers.end):
            self.found.warning("Z07", name, rubbish)

    def rubbish(self, end: int) -> str:
        """What stands behind the archive's end; empty if that is padding."""
        rest = self.size - end
        if rest > LOOKED_AT or self.at(end, LOOKED_AT).strip(b"\0"):
            return f"{rest} bytes follow the end of the archive; nobody reads them"
        return ""

    def blocks(self, row: int) -> Iterator[Block]:
        """The bytes of a member."""
        offset, left = self.listing.offsets[row], self.listing.sizes[row]
        while left:
            block = read_at(self.descriptor, offset, left)
            if not block:
                raise ArchiveFault(CUT)
            yield block
            offset += len(block)
            left -= len(block)


class CompressedTarBag(TarBag):
    """A bag in a compressed tar archive, which is read twice: for its listing, and for digests.

    The first time, tag files are kept. To open a file of the payload is slow: all that stands
    before it is unpacked once more.

    :param form: how it is compressed.
    :raises TooMuch: if the archive is beyond the limits.
    """

    def __init__(self, path: Path, descriptor: int, found: Findings, form: Compression) -> None:
        self._form = form
        self._inflow = Inflow(descriptor, form)
        self._spool = tempfile.SpooledTemporaryFile(SPOOLED_BYTES)
        self._spool_lock = Lock()
        self._kept: dict[int, int] = {}
        try:
            super().__init__(path, descriptor, found)
        except BaseException:
            self._spool.close()
            raise
        del self._inflow
        self.serialisation = f"tar.{form.name}"

    def at(self, offset: int, size: int) -> bytes:
        """So many unpacked bytes; offsets ascend."""
        return self._inflow.at(offset, size)

    def pass_over(self, header: Header) -> None:
        """Go to the end of a member, and keep it if it is a tag file."""
        inflow = self._inflow
        inflow.mark()
        if self._row is not None and header.size and not _PAYLOAD.match(self._name):
            self._keep(self._row, header)
        if header.size and not inflow.some(header.offset + header.size - 1, 1):
            raise ArchiveFault(CUT)

    def _keep(self, row: int, header: Header) -> None:
        begin = self._spool.seek(0, os.SEEK_END)
        if begin + header.size > KEPT_BYTES:
            return
        for block in _unpacked(self._inflow, header.offset, header.size):
            try:
                self._spool.write(block)
            except OSError:  # no room for temporary files: it is unpacked again when needed
                return
        self._kept[row] = begin

    def rubbish(self, end: int) -> str:
        """What stands behind the archive's end, which is read to the end of the compression."""
        begin = end
        odd = False
        while block := self._inflow.some(end, BLOCK):
            odd = odd or any(block)
            end += len(block)
        if odd:
            return f"{end - begin} bytes follow the end of the archive; nobody reads them"
        if self._inflow.trailing:
            return "something follows the compressed data; nobody reads it"
        return ""

    def blocks(self, row: int) -> Iterator[Block]:
        """The bytes of a member: kept ones, or all before it unpacked once more.

        :raises SipError: if the temporary file cannot be read that they are kept in.
        """
        begin = self._kept.get(row)
        size = self.listing.sizes[row]
        if begin is None:
            inflow = Inflow(self.descriptor, self._form)
            yield from _unpacked(inflow, self.listing.offsets[row], size)
            return
        for place in range(begin, begin + size, BLOCK):
            try:
                with self._spool_lock:
                    self._spool.seek(place)
                    block = self._spool.read(min(BLOCK, begin + size - place))
            except OSError as err:
                raise no_scratch(err) from err
            yield block

    def digest_all(
        self,
        wanted: Iterable[tuple[str, int]],
        algorithms: Callable[[str], tuple[str, ...]],
        take: Take,
        failed: Callable[[str, OSError], None],
        jobs: int,
        advanced: Callable[[int], None] | None = None,
    ) -> None:
        """Go once from the front to the back; see :meth:`ArchiveBag.digest_all`."""
        inflow = Inflow(self.descriptor, self._form)
        for path, _ in self.in_order(wanted):
            try:
                row = self.row(path)
                size = self.listing.sizes[row]
                if row in self._kept:
                    blocks = self.blocks(row)
                else:
                    inflow.mark()
                    blocks = _unpacked(inflow, self.listing.offsets[row], size)
                facts = digest(blocks, algorithms(path), advanced, jobs > 1 and size > LARGE)
            except OSError as err:
                self.tell(path, err)
                failed(path, err)
                continue
            take(path, *facts)
        self.check_unchanged()

    def offset(self, path: str) -> int:
        """Where a file is in the stream; what was kept may be read at any time."""
        return 0 if self.listing.rows.get(path) in self._kept else super().offset(path)

    def close(self) -> None:
        """Let go of the archive and of what was kept."""
        self._spool.close()
        super().close()


def _unpacked(inflow: Inflow, offset: int, size: int) -> Iterator[Block]:
    end = offset + size
    while offset < end:
        block = inflow.some(offset, end - offset)
        if not block:
            raise ArchiveFault(CUT)
        yield block
        offset += len(block)
