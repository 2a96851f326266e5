"""The central directory of a zip archive (APPNOTE.TXT 6.3, sections 4.3 to 4.5), entry by entry.

:mod:`zipfile` keeps an object for each member, and takes what programs unpack differently.
"""

from __future__ import annotations

import os
import struct
import zlib
from collections.abc import Iterator
from typing import NamedTuple

from .listing import ArchiveFault

_END = struct.Struct("<4s4H2LH")
_LOCATOR = struct.Struct("<4sLQL")
_END_64 = struct.Struct("<4sQ2H2L4Q")
_ENTRY = struct.Struct("<4s6H3L5H2L")
_LOCAL = struct.Struct("<4s5H3L2H")
_LONGEST_COMMENT = 0xFFFF
_CHUNK = 1 << 20
_FULL_16, _FULL_32 = 0xFFFF, 0xFFFFFFFF
UTF8 = 0x800
"""The flag that says that a name is UTF-8."""
ENCRYPTED = 0x1 | 0x40 | 0x2000
PATCH = 0x20
"""The flag that says that the data change another file."""
LATER = 0x8
"""The flag that says that sizes stand behind the data, not before."""


class End(NamedTuple):
    """Where the directory is: ``shift`` is how many bytes stand before the archive."""

    start: int
    size: int
    entries: int
    shift: int
    is_64: bool
    rubbish: int


class Entry(NamedTuple):
    """What the directory says of a member. ``version`` is what is needed to read it, times ten;
    ``mode`` is that of Unix, 0 if it has none.
    """

    name: bytes
    unicode_name: str
    version: int
    flags: int
    method: int
    crc: int
    packed: int
    size: int
    offset: int
    mode: int


def find_end(descriptor: int, length: int) -> End | None:
    """Find the directory from the archive's end; None if this is no zip archive.

    :raises ArchiveFault: if it is one that cannot be read in one way only.
    """
    first = max(0, length - _END.size - _LONGEST_COMMENT)
    tail = os.pread(descriptor, length - first, first)
    places = []
    place = tail.rfind(b"PK\5\6")
    while place >= 0:
        if len(tail) - place >= _END.size:
            behind = len(tail) - place - _END.size - _END.unpack_from(tail, place)[7]
            if behind >= 0:
                places.append((behind, place))
        place = tail.rfind(b"PK\5\6", 0, place)
    if not places:
        return None
    exact = [place for behind, place in places if behind == 0]
    if len(exact) > 1:
        raise ArchiveFault("it has two ends, and programs differ on which one counts")
    behind, place = (0, exact[0]) if exact else places[0]
    _, disk, first_disk, here, count, size, start, _ = _END.unpack_from(tail, place)
    end = first + place
    is_64 = False
    old = (disk, first_disk, here, count, size, start)
    if end >= _LOCATOR.size:
        locator = os.pread(descriptor, _LOCATOR.size, end - _LOCATOR.size)
        if locator.startswith(b"PK\6\7"):
            is_64 = True
            end, new = _end_64(descriptor, end - _LOCATOR.size, locator)
            limits = (_FULL_16,) * 4 + (_FULL_32,) * 2
            for one, other, limit in zip(old, new, limits, strict=True):
                if one != other and one != limit:
                    raise ArchiveFault("it has two ends that tell different things")
            disk, first_disk, here, count, size, start = new
    if disk or first_disk or here != count:
        raise ArchiveFault("it is one part of several")
    shift = end - size - start
    if shift < 0:
        raise ArchiveFault("its directory does not stand where it should; it is cut short")
    return End(start + shift, size, count, shift, is_64, behind)


def _end_64(descriptor: int, place: int, locator: bytes) -> tuple[int, tuple[int, ...]]:
    """Where the larger form of the end stands, and what it says."""
    told = _LOCATOR.unpack(locator)[2]
    for start in (told, place - _END_64.size):
        if 0 <= start <= place - _END_64.size:
            record = os.pread(descriptor, _END_64.size, start)
            if record.startswith(b"PK\6\6"):
                return start, tuple(_END_64.unpack(record)[4:])
    raise ArchiveFault("its end (ZIP64) cannot be found")


def entries(descriptor: int, end: End) -> Iterator[Entry]:
    """Read the directory.

    :raises ArchiveFault: where it cannot be read further, or has not as many entries as it says.
    """
    place, left = 0, end.size
    position = end.start
    data = b""
    count = 0
    while left or place < len(data):
        if len(data) - place < _CHUNK // 2 and left:  # an entry takes less
            more = os.pread(descriptor, min(_CHUNK, left), position)
            if not more:
                raise ArchiveFault("its directory is cut short")
            data = data[place:] + more
            place = 0
            position += len(more)
            left -= len(more)
        entry, place = _entry(data, place, end.shift)
        count += 1
        yield entry
    if count != end.entries and (end.is_64 or count & _FULL_16 != end.entries):
        raise ArchiveFault(f"its directory has {count} entries, its end says {end.entries}")


def _entry(data: bytes, place: int, shift: int) -> tuple[Entry, int]:
    if len(data) - place < _ENTRY.size or data[place : place + 4] != b"PK\1\2":
        raise ArchiveFault("its directory is damaged")
    _, _, version, flags, method, _, _, crc, packed, size, *more = _ENTRY.unpack_from(data, place)
    name_length, extra_length, comment_length, _, _, attributes, offset = more
    begin = place + _ENTRY.size
    name = data[begin : begin + name_length]
    begin += name_length
    extra = data[begin : begin + extra_length]
    if len(extra) < extra_length:
        raise ArchiveFault("its directory is damaged")
    unicode_name = ""
    if extra:
        fields = _extra(extra)
        wide = fields.get(1, b"")
        values = [size, packed, offset]
        for number, value in enumerate(values):
            if value == _FULL_32:
                if len(wide) < 8:
                    raise ArchiveFault("a size (ZIP64) is missing in its directory")
                values[number] = int.from_bytes(wide[:8], "little")
                wide = wide[8:]
        size, packed, offset = values
        unicode_name = _unicode_name(fields.get(0x7075, b""), name)
    if max(size, packed, offset) >= 1 << 62:
        raise ArchiveFault("a size in its directory that cannot be")
    made = Entry(
        name,
        unicode_name,
        version,
        flags,
        method,
        crc,
        packed,
        size,
        offset + shift,
        attributes >> 16,
    )
    return made, begin + extra_length + comment_length


def _extra(extra: bytes) -> dict[int, bytes]:
    """The extra fields by their number; what is no field is passed over, as others do."""
    found: dict[int, bytes] = {}
    place = 0
    while place + 4 <= len(extra):
        number, length = struct.unpack_from("<2H", extra, place)
        found.setdefault(number, extra[place + 4 : place + 4 + length])
        place += 4 + length
    return found


def _unicode_name(field: bytes, name: bytes) -> str:
    """What Info-ZIP says that the name is in Unicode, if that belongs to this name."""
    if len(field) > 5 and field[0] == 1:
        if int.from_bytes(field[1:5], "little") == zlib.crc32(name):
            return field[5:].decode("utf-8", "surrogateescape")
    return ""


class Local(NamedTuple):
    """What stands before a member's data, which begin at ``start``."""

    start: int
    flags: int
    method: int
    crc: int
    packed: int
    size: int
    name: bytes


def local(descriptor: int, offset: int) -> Local:
    """Read what stands before a member's data.

    :raises ArchiveFault: if it does not stand there.
    """
    head = os.pread(descriptor, _LOCAL.size, offset)
    if len(head) < _LOCAL.size or not head.startswith(b"PK\3\4"):
        raise ArchiveFault("does not stand where the directory says")
    _, _, flags, method, _, _, crc, packed, size, names, extras = _LOCAL.unpack(head)
    rest = os.pread(descriptor, names + extras, offset + _LOCAL.size)
    if len(rest) < names + extras:
        raise ArchiveFault("does not stand where the directory says")
    wide = _extra(rest[names:]).get(1, b"")
    if size == _FULL_32 and len(wide) >= 8:
        size, wide = int.from_bytes(wide[:8], "little"), wide[8:]
    if packed == _FULL_32 and len(wide) >= 8:
        packed = int.from_bytes(wide[:8], "little")
    start = offset + _LOCAL.size + names + extras
    return Local(start, flags, method, crc, packed, size, rest[:names])
