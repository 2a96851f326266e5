"""Writing zip archives (APPNOTE.TXT 6.3): the same bytes for the same members.

:mod:`zipfile` keeps an object for each member, and either writes sizes behind the data or goes back
for each of them.
"""

from __future__ import annotations

import struct
import tempfile
import zlib
from collections.abc import Callable, Iterator
from datetime import date

from .archivetree import FILE_MODE, FOLDER_MODE, Opened

Write = Callable[[bytes | memoryview], object]
_SMALL = 1 << 20
"""Bytes up to which a file is kept in memory, to know its sum before it is written."""
_SPOOLED = 16 << 20
"""Bytes of a directory that are kept in memory; more of it waits in a temporary file."""
_BLOCK = 1 << 20
_FULL = 0xFFFFFFFF
"""Stands in a field that is too small, and says that ZIP64 has the number."""
_LARGE, _MANY = _FULL, 0xFFFF
"""Bytes, and members, from which that is so."""
_UTF8 = 0x800
_UNIX = 3 << 8
_DOS_FOLDER = 0x10
_CRC_AT = 14


class Zip:
    """A zip archive whose members are stored as they are.

    Payload is mostly compressed already; stored, a damaged byte costs one file and not its rest,
    every program can read at any place, and the bytes do not depend on a library's version.

    :param sums_first: read large files twice, to know their CRC-32 before they are written;
        otherwise that is put in its place at the end, by :meth:`patches`.
    """

    def __init__(self, write: Write, day: date, sums_first: bool) -> None:
        self._write = write
        self._date = (day.year - 1980) << 9 | day.month << 5 | day.day
        self._sums_first = sums_first
        self._directory = tempfile.SpooledTemporaryFile(_SPOOLED)
        self._entries = 0
        self._length = 0
        self._patches: list[tuple[int, int]] = []

    def folder(self, name: str) -> None:
        """See :meth:`Form.folder`."""
        start = self._head(name, 0, 0)
        self._entry(name, 0, 0, start, FOLDER_MODE << 16 | _DOS_FOLDER)

    def file(self, name: str, source: Opened) -> None:
        """See :meth:`Form.file`."""
        size, crc = source.size, 0
        if size <= _SMALL:
            content = b"".join(map(bytes, source.blocks()))
            crc = zlib.crc32(content)
            start = self._head(name, size, crc)
            self._write(content)
        else:
            if self._sums_first:
                for block in source.blocks(again=True):
                    crc = zlib.crc32(block, crc)
            start = self._head(name, size, crc)
            told, crc = crc, 0
            for block in source.blocks():
                crc = zlib.crc32(block, crc)
                self._write(block)
            if self._sums_first and told != crc:
                raise source.changed()
            if told != crc:
                self._patches.append((start + _CRC_AT, crc))
        self._length += size
        self._entry(name, size, crc, start, FILE_MODE << 16)

    def _head(self, name: str, size: int, crc: int) -> int:
        """Write what stands before a member; returns its offset."""
        start = self._length
        raw = name.encode("utf-8")
        extra = b""
        told = size
        if size >= _LARGE:
            told = _FULL
            extra = struct.pack("<2H2Q", 1, 16, size, size)
        head = (_version(extra), _UTF8, 0, 0, self._date, crc, told, told, len(raw), len(extra))
        self._write(struct.pack("<4s5H3L2H", b"PK\3\4", *head) + raw + extra)
        self._length += 30 + len(raw) + len(extra)
        return start

    def _entry(self, name: str, size: int, crc: int, start: int, attributes: int) -> None:
        raw = name.encode("utf-8")
        wide = b""
        told, place = size, start
        if size >= _LARGE:
            told = _FULL
            wide += struct.pack("<2Q", size, size)
        if start >= _LARGE:
            place = _FULL
            wide += struct.pack("<Q", start)
        extra = struct.pack("<2H", 1, len(wide)) + wide if wide else b""
        version = _version(extra)
        entry = (_UNIX | version, version, _UTF8, 0, 0, self._date, crc, told, told)
        more = (len(raw), len(extra), 0, 0, 0, attributes, place)
        self._directory.write(struct.pack("<4s6H3L5H2L", b"PK\1\2", *entry, *more) + raw + extra)
        self._entries += 1

    def finish(self) -> None:
        """Write the directory, and the end in its larger form too where that is needed."""
        start, count = self._length, self._entries
        size = self._directory.tell()
        self._directory.seek(0)
        while block := self._directory.read(_BLOCK):
            self._write(block)
        if max(start, size) >= _LARGE or count >= _MANY:
            version = (_UNIX | 45, 45, 0, 0)
            self._write(
                struct.pack("<4sQ2H2L4Q", b"PK\6\6", 44, *version, count, count, size, start)
                + struct.pack("<4sLQL", b"PK\6\7", 0, start + size, 1)
            )
        few = min(count, 0xFFFF)
        end = (0, 0, few, few, min(size, _FULL), min(start, _FULL), 0)
        self._write(struct.pack("<4s4H2LH", b"PK\5\6", *end))

    def patches(self) -> Iterator[tuple[int, bytes]]:
        """The sums of large files, to be written into what stands before them."""
        return ((place, struct.pack("<L", crc)) for place, crc in self._patches)

    def close(self) -> None:
        """Let go of the directory."""
        self._directory.close()


def _version(extra: bytes) -> int:
    """Of the format that a reader must know: 4.5 for ZIP64, else 2.0."""
    return 45 if extra else 20
