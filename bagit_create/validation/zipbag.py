"""A bag in a zip archive: members are read at random, from any number of threads."""

from __future__ import annotations

import os
import stat
import zlib
from array import array
from collections.abc import Iterator
from pathlib import Path

from ..checksums import BLOCK, read_at
from .archivebag import ArchiveBag, Block
from .container import Kind
from .findings import Findings
from .listing import BOMB_BYTES, BOMB_RATIO, ArchiveFault, TooMuch
from .machine import not_here
from .zipdirectory import ENCRYPTED, LATER, PATCH, UTF8, End, Entry, entries, local

_STORED, _DEFLATED = 0, 8
_TELLING = ENCRYPTED | UTF8
_NEWEST = 63
"""The version of the format (6.3) that this reads."""
_INPUT = 64 * 1024
_LOCAL_BYTES = 30
_LONGEST_TARGET = 4096
_KINDS = {
    stat.S_IFLNK: Kind.LINK,
    stat.S_IFIFO: Kind.FIFO,
    stat.S_IFSOCK: Kind.SOCKET,
    stat.S_IFCHR: Kind.DEVICE,
    stat.S_IFBLK: Kind.DEVICE,
}


class ZipBag(ArchiveBag):
    """A bag in a zip archive, stored or deflated.

    :param end: of the archive, as :func:`zipdirectory.find_end` found it.
    :raises TooMuch: if the archive is beyond the limits.
    """

    serialisation = "zip"

    def __init__(self, path: Path, descriptor: int, found: Findings, end: End) -> None:
        super().__init__(path, descriptor, found)
        self._packed = array("q")
        self._crcs = array("I")
        self._names = array("I")
        self._flags = array("H")
        self._methods = array("H")
        if end.rubbish:
            text = f"{end.rubbish} bytes follow the end of the archive; nobody reads them"
            found.warning("Z07", path.name, text)
        if end.shift:
            text = f"{end.shift} bytes stand before the archive; nobody reads them"
            found.warning("Z07", path.name, text)
        try:
            for entry in entries(descriptor, end):
                self._take(entry)
        except OSError as err:
            not_here(err, path)
            self.whole = False
            found.error("Z07", path.name, f"{err.strerror}; what follows cannot be read")
        total = sum(self.listing.sizes)
        if total > BOMB_BYTES and total > BOMB_RATIO * self.size:
            raise TooMuch(f"{self.size} bytes say that they unpack to {total}")
        self._directory = end.start

    def _take(self, entry: Entry) -> None:
        name = self._name(entry)
        kind = _KINDS.get(stat.S_IFMT(entry.mode), Kind.FILE)
        fault, number = _fault(entry), "Z07"
        if entry.unicode_name and entry.unicode_name != name:
            fault = "has two names, on which programs differ"
        is_folder = stat.S_ISDIR(entry.mode)
        if name.endswith("/") and kind is Kind.FILE:
            kind = Kind.FOLDER
            if entry.size:
                kind, fault = Kind.FILE, "named as a folder, with content"
        elif is_folder:
            fault = "said to be a folder, and not named as one, on which programs differ"
        if entry.size > BOMB_BYTES and entry.size > BOMB_RATIO * entry.packed:
            fault, number = f"compressed more than {BOMB_RATIO}:1, not read", "Z06"
        size = entry.size if kind is Kind.FILE else 0
        row = len(self.listing.sizes)
        self._packed.append(entry.packed)
        self._crcs.append(entry.crc)
        self._names.append(zlib.crc32(entry.name))
        self._flags.append(entry.flags)
        self._methods.append(entry.method)
        target = ""
        if kind is Kind.LINK:
            target = self._target(row, entry)
        used = self.listing.add(name, kind, size, entry.offset, target)
        if fault:
            self.spoil(used, name, fault, number)

    def _name(self, entry: Entry) -> str:
        """The name as text; only one flag says that it is UTF-8."""
        raw = entry.name
        if raw.isascii():
            return raw.decode("ascii")
        try:
            name = raw.decode("utf-8")
        except UnicodeDecodeError:
            name = entry.unicode_name or raw.decode("cp437")
            if entry.flags & UTF8:
                name = raw.decode("utf-8", "surrogateescape")
            self.found.warning("Z09", name, "the name is not UTF-8")
            return name
        if not entry.flags & UTF8 and entry.unicode_name != name:
            text = "the name is UTF-8 and not marked so; other programs may read another one"
            self.found.warning("Z09", name, text)
        return name

    def _target(self, row: int, entry: Entry) -> str:
        """Where a link leads: that is its content."""
        if entry.size > _LONGEST_TARGET or _fault(entry):
            return ""
        try:
            parts = [bytes(block) for block in self._content(row, entry.offset, entry.size)]
        except OSError as err:
            not_here(err, self.path)
            return ""
        return b"".join(parts).decode("utf-8", "surrogateescape")

    def settle(self, flat_ok: bool) -> bool:
        """Find the bag, and members that share bytes; see :meth:`ArchiveBag.settle`."""
        usable = super().settle(flat_ok)
        self._look_for_overlaps()
        return usable

    def _look_for_overlaps(self) -> None:
        # A bomb is built so: each member's ratio is harmless, and all have the same bytes.
        offsets, packed = self.listing.offsets, self._packed
        names: dict[int, str] = {}
        reach = 0
        for row in sorted(range(len(offsets)), key=offsets.__getitem__):
            begin = offsets[row]
            end = begin + _LOCAL_BYTES + packed[row]
            if begin < reach or end > self._directory:
                text = "shares bytes with another member" if begin < reach else "is cut short"
                names = names or {row: path for path, row in self.listing.rows.items()}
                path = names.get(row)
                where = self.path.name if path is None else self.listing.full(path)
                self.spoil(row, where, text)
            reach = max(reach, end)

    def blocks(self, row: int) -> Iterator[Block]:
        """The bytes of a member, compared with its length and CRC-32 at the end."""
        return self._content(row, self.listing.offsets[row], self.listing.sizes[row])

    def _content(self, row: int, offset: int, size: int) -> Iterator[Block]:
        start = self._start(row, offset, size)
        packed = self._packed[row]
        stored = self._methods[row] == _STORED
        parts = self._stored(start, packed) if stored else self._inflated(start, packed, size)
        crc = count = 0
        for block in parts:
            count += len(block)
            if count > size:
                raise ArchiveFault(f"holds more than the {size} bytes that it declares", "Z06")
            crc = zlib.crc32(block, crc)
            yield block
        if count < size:
            raise ArchiveFault(f"holds {count} bytes, not the {size} that it declares")
        if crc != self._crcs[row]:
            raise ArchiveFault(f"CRC-32 is {crc:08x}, declared {self._crcs[row]:08x}")

    def _start(self, row: int, offset: int, size: int) -> int:
        """Where a member's data begin. Programs that read front to back go by what stands there.

        :raises ArchiveFault: if that differs from the directory.
        """
        head = local(self.descriptor, offset)
        expected = (self._crcs[row], self._packed[row], size)
        told = (head.crc, head.packed, head.size)
        later = head.flags & LATER
        if (
            zlib.crc32(head.name) != self._names[row]
            or head.method != self._methods[row]
            or (head.flags ^ self._flags[row]) & (ENCRYPTED if head.name.isascii() else _TELLING)
            or not (told == expected or later and told[1:] in ((0, 0), expected[1:]))
        ):
            raise ArchiveFault("is described in two ways, on which programs differ")
        return head.start

    def _stored(self, start: int, left: int) -> Iterator[Block]:
        while left:
            block = read_at(self.descriptor, start, left)
            if not block:
                raise ArchiveFault("is cut short")
            yield block
            start += len(block)
            left -= len(block)

    def _inflated(self, start: int, left: int, size: int) -> Iterator[Block]:
        one = zlib.decompressobj(-15)
        data = b""
        while not one.eof:
            if not data:
                data = os.pread(self.descriptor, min(_INPUT, left), start)
                start += len(data)
                left -= len(data)
            starved = not data
            try:
                block = one.decompress(data, BLOCK)
            except zlib.error as err:
                raise ArchiveFault(f"the compressed data are damaged: {err}") from err
            data = one.unconsumed_tail
            if block:
                yield block
            elif starved and not one.eof:
                raise ArchiveFault("is cut short")
        if left or one.unused_data:
            raise ArchiveFault("more compressed data than its content takes")


def _fault(entry: Entry) -> str:
    if entry.flags & ENCRYPTED:
        return "encrypted"
    if entry.flags & PATCH or entry.version > _NEWEST:
        return "of a form that is not known"
    if entry.method not in (_STORED, _DEFLATED):
        return f"compressed by method {entry.method}; only 0 (stored) and 8 (deflated) are read"
    if entry.method == _STORED and entry.packed != entry.size:
        return f"stored as {entry.packed} bytes, declared as {entry.size}"
    return ""
