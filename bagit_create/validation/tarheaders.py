"""The headers of a tar archive (POSIX.1-2017 pax, ustar, GNU), one after the other.

:mod:`tarfile` keeps an object for each member, reads extended headers of any size into memory, and
is forgiving where two programs would unpack different things. Here that is a fault.
"""

from __future__ import annotations

import re
import struct
from collections.abc import Callable, Iterator
from typing import NamedTuple

from .container import Kind
from .listing import ArchiveFault

BLOCK = 512
MOST_EXTENDED = 1 << 20
"""Bytes of an extended header: it is read into memory."""
MOST_RECORDS = 1000
"""Lines in an extended header: as a rule there are three."""
MOST_IN_A_ROW = 10
"""Extended headers before one member."""
_SPARSE = (b"GNU.sparse", b"SCHILY.realsize")
_ZERO = bytes(BLOCK)
_KINDS = {
    b"\0": Kind.FILE,
    b"0": Kind.FILE,
    b"7": Kind.FILE,  # contiguous: of no meaning today
    b"1": Kind.LINK,
    b"2": Kind.LINK,
    b"3": Kind.DEVICE,
    b"4": Kind.DEVICE,
    b"5": Kind.FOLDER,
    b"6": Kind.FIFO,
}
_OCTAL = re.compile(rb" *([0-7]*)[ \0]*")
_OTHER_NUMBERS = ((100, 108), (108, 116), (116, 124), (136, 148), (329, 337), (337, 345))
"""Mode, owner, group, time, device: of no meaning here, but one that is no number makes some
programs take the header for the archive's end."""
_FITS = 8**11
"""Sizes below it stand in the header itself."""
NAMED = "named in a way on which programs differ"
At = Callable[[int, int], bytes]
"""Reads so many bytes from an offset, fewer only at the end; offsets ascend."""


class Header(NamedTuple):
    """A member: ``offset`` is where its ``size`` bytes begin. ``target`` is that of a link,
    ``what`` is what it is where the kind does not say it, ``fault`` why it cannot be used.
    """

    name: bytes
    kind: Kind
    size: int
    offset: int
    target: bytes = b""
    what: str = ""
    fault: str = ""


class Headers:
    """Goes through an archive; afterwards ``end`` is the offset behind it.

    :raises ArchiveFault: when no next header can be read.
    """

    def __init__(self, at: At) -> None:
        self._at = at
        self.end = 0
        self.closed = 0
        """Empty blocks at the end: two if the archive is whole."""

    def __iter__(self) -> Iterator[Header]:
        at = self._at
        extended: dict[bytes, bytes] = {}
        fault = ""
        in_a_row = 0
        while True:
            block = at(self.end, BLOCK)
            if len(block) < BLOCK or block == _ZERO:
                if extended or 0 < len(block) < BLOCK:
                    raise ArchiveFault("cut short in the middle of a header")
                self._close(block)
                return
            _verify(block)
            begin = self.end + BLOCK
            flag = block[156:157]
            size = _number(block[124:136])
            if flag in b"xXgLK":
                in_a_row += 1
                if in_a_row > MOST_IN_A_ROW:
                    raise ArchiveFault("extended headers without end")
                self.end = begin + _padded(size)
                content = self._content(begin, size)
                if flag == b"g":
                    _judge_global(content[:size])
                    continue
                if flag in b"xX":
                    found = _records(content[:size])
                else:
                    found = {_LONG[flag]: _cut(content[:size])}
                    if found[_LONG[flag]] != _cut(content):  # some read on up to a NUL
                        fault = NAMED
                if extended.keys() & found.keys():
                    fault = "described twice, so that programs differ on what it is"
                extended.update(found)
                continue
            if flag == b"S":
                begin = self._behind_map(block, begin)
            header = _member(block, begin, size, extended, fault)
            self.end = begin + _padded(header.size)
            yield header
            extended, fault, in_a_row = {}, "", 0

    def _content(self, begin: int, size: int) -> bytes:
        """An extended header with all of its last block."""
        if size > MOST_EXTENDED:
            raise ArchiveFault(f"an extended header of {size} bytes")
        content = self._at(begin, _padded(size))
        if len(content) < size:
            raise ArchiveFault("cut short in the middle of a header")
        return content

    def _behind_map(self, block: bytes, begin: int) -> int:
        """Where the data begin in GNU's old form of sparse files: behind the list of holes."""
        more = block[482]
        while more:
            block = self._at(begin, BLOCK)
            if len(block) < BLOCK:
                raise ArchiveFault("cut short in the middle of a header")
            more = block[504]
            begin += BLOCK
        return begin

    def _close(self, block: bytes) -> None:
        if block:
            self.end += BLOCK
            self.closed = 1
            if self._at(self.end, BLOCK) == _ZERO:
                self.end += BLOCK
                self.closed = 2


_LONG = {b"L": b"path", b"K": b"linkpath"}


def is_header(block: bytes) -> bool:
    """Whether an archive can begin so."""
    try:
        if len(block) == BLOCK and block != _ZERO:
            _verify(block)
            return True
    except ArchiveFault:
        pass
    return False


def _member(
    block: bytes, begin: int, size: int, extended: dict[bytes, bytes], fault: str
) -> Header:
    flag = block[156:157]
    kind = _KINDS.get(flag)
    name = _cut(block[:100])
    if block[345]:
        name = _cut(block[345:500]) + b"/" + name
        if block[257:263] != b"ustar\0":  # in GNU's own form other things may stand there
            fault = NAMED
    if not all(map(_is_number, (block[begin:end] for begin, end in _OTHER_NUMBERS))):
        fault = "a number in its header that cannot be"
    target = _cut(block[157:257])
    if extended:
        name = extended.get(b"path", name)
        target = extended.get(b"linkpath", target)
        if b"size" in extended:
            told = _decimal(extended[b"size"])
            if told != size and told < _FITS:
                fault = f"its size is told twice, as {size} and {told} bytes"
            size = told
        if any(key.startswith(_SPARSE) for key in extended):
            fault = "a sparse file, stored in a form that few programs read"
    if flag == b"S":
        fault = "a sparse file, stored in a form that few programs read"
    elif kind is None:
        fault = f"of the type {ascii(flag)[1:]}, which is not known"
    if kind is Kind.FILE or kind is None:
        if name.endswith(b"/"):
            if flag == b"\0" and not size:  # before POSIX, folders were marked so
                kind = Kind.FOLDER
            else:
                fault = "named as a folder and marked as a file, on which programs differ"
        return Header(name, kind or Kind.FILE, size, begin, fault=fault)
    if kind is Kind.FOLDER and size:
        fault = "a folder with a size, on which programs differ"
    return Header(name, kind, 0, begin, target, "hard link" if flag == b"1" else "", fault)


def _verify(block: bytes) -> None:
    told = _number(block[148:156])
    if told != sum(block) - sum(block[148:156]) + 256:
        # Before POSIX, some added up signed bytes.
        signed = sum(struct.unpack("148b8x356b", block)) + 256
        if told != signed:
            raise ArchiveFault("no header where one is due; the archive is damaged or cut short")


def _number(field: bytes) -> int:
    """An octal number, or GNU's form for large ones."""
    if field[0] == 0x80:
        value = int.from_bytes(field[1:], "big")
        if value < 1 << 62:
            return value
    elif match := _OCTAL.fullmatch(field):
        return int(match[1] or b"0", 8)
    raise ArchiveFault("a number in a header that cannot be")


def _is_number(field: bytes) -> bool:
    return field[0] in (0x80, 0xFF) or _OCTAL.fullmatch(field) is not None


def _decimal(text: bytes) -> int:
    if not text.isdigit() or len(text) > 18:
        raise ArchiveFault("a number in a header that cannot be")
    return int(text)


def _records(content: bytes) -> dict[bytes, bytes]:
    """What an extended header says of name and size: ``LENGTH KEY=VALUE`` lines (pax)."""
    found: dict[bytes, bytes] = {}
    begin = count = 0
    while begin < len(content):
        space = content.find(b" ", begin, begin + 20)
        digits = content[begin:space]
        if space < 0 or not digits.isdigit():
            raise ArchiveFault("an extended header that cannot be read")
        end = begin + int(digits)
        key, equals, value = content[space + 1 : end - 1].partition(b"=")
        whole = space < end <= len(content) and content[end - 1 : end] == b"\n"
        count += 1
        if not whole or not equals or b"\0" in key or count > MOST_RECORDS:
            raise ArchiveFault("an extended header that cannot be read")
        if key in (b"path", b"linkpath", b"size") or key.startswith(_SPARSE):
            found[key] = value
        begin = end
    if not all(found.values()):  # "as if it were not there", and some take it for the name
        raise ArchiveFault("an extended header that cannot be read")
    return found


def _judge_global(content: bytes) -> None:
    """A header for all members may hold remarks, as git writes them, and nothing else."""
    if _records(content):
        raise ArchiveFault("a header that gives all members one name or size")


def _cut(field: bytes) -> bytes:
    return field.partition(b"\0")[0]


def _padded(size: int) -> int:
    return (size + BLOCK - 1) // BLOCK * BLOCK
