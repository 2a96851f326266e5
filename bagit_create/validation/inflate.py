"""A compressed file, read front to back: gzip, bzip2 and xz, each with its own check at the end."""

from __future__ import annotations

import bz2
import lzma
import os
import zlib
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from .listing import BOMB_BYTES, BOMB_RATIO, ArchiveFault

INPUT = 256 * 1024
OUTPUT = 512 * 1024
"""Bytes that are read, and made, at a time."""
MOST_MEMORY = 512 << 20
"""For the dictionary of xz: an archive may ask for gigabytes."""


@dataclass(frozen=True)
class Compression:
    """A way to compress: what it is called behind ``tar.``, and what undoes it."""

    name: str
    magic: bytes
    make: Callable[[], Any]


COMPRESSIONS = (
    Compression("gz", b"\x1f\x8b", lambda: zlib.decompressobj(31)),  # with CRC-32 (RFC 1952)
    Compression("bz2", b"BZh", bz2.BZ2Decompressor),
    Compression("xz", b"\xfd7zXZ\0", lambda: lzma.LZMADecompressor(lzma.FORMAT_XZ, MOST_MEMORY)),
)


def compression(first: bytes) -> Compression | None:
    """How a file is compressed that begins so; None if it is in none of the known ways."""
    return next((one for one in COMPRESSIONS if first.startswith(one.magic)), None)


class Inflow:
    """The bytes behind a compression, by ascending offsets.

    :param descriptor: of the compressed file, which is read from its beginning.
    """

    def __init__(self, descriptor: int, form: Compression) -> None:
        self._descriptor = descriptor
        self._form = form
        self._one = form.make()
        self._input = b""
        self._fed = 0
        self._block = memoryview(b"")
        self._start = 0
        self._marks = ((0, 0), (0, 0))
        self._fault: ArchiveFault | None = None
        self.trailing = False
        """Whether something that is not compressed follows."""

    def mark(self) -> None:
        """A member begins here: its compression is watched, beside that of the whole."""
        self._marks = ((0, 0), (self._fed - len(self._input), self._start))

    def at(self, offset: int, size: int) -> bytes:
        """So many bytes from there, fewer only at the end.

        :raises ArchiveFault: if the file is damaged, cut short, or a bomb.
        """
        parts = []
        while size and (part := self.some(offset, size)):
            parts.append(bytes(part))
            offset += len(part)
            size -= len(part)
        return b"".join(parts)

    def some(self, offset: int, most: int) -> memoryview:
        """Up to ``most`` bytes from there, empty at the end; good until the next call.

        :raises ArchiveFault: as :meth:`at`.
        """
        if offset < self._start:
            raise ValueError("a compressed file is read front to back")
        while offset >= self._start + len(self._block):
            self._start += len(self._block)
            self._block = memoryview(b"")
            self._block = memoryview(self._checked())
            if not self._block:
                return self._block
        first = offset - self._start
        return self._block[first : first + most]

    def _checked(self) -> bytes:
        """The next block; once it failed, it fails again."""
        if self._fault is not None:
            raise self._fault
        try:
            return self._next()
        except ArchiveFault as err:
            self._fault = err
            raise

    def _next(self) -> bytes:
        """The next block; empty at the end."""
        while self._one is not None:
            hungry = not self._input and getattr(self._one, "needs_input", True)
            if hungry:
                self._more()
            starved = hungry and not self._input
            try:
                made: bytes = self._one.decompress(self._input, OUTPUT)
            except (zlib.error, lzma.LZMAError, OSError, EOFError) as err:
                raise ArchiveFault(f"the compressed data are damaged: {err}") from err
            if self._one.eof:
                self._input = self._one.unused_data
                self._begin_again()
            else:
                self._input = getattr(self._one, "unconsumed_tail", b"")
            if made:
                self._watch(len(made))
                return made
            if starved and self._one is not None:
                raise ArchiveFault("the compressed data are cut short")
        return b""

    def _watch(self, made: int) -> None:
        for read, start in self._marks:
            out = self._start + made - start
            if out > BOMB_BYTES and out > BOMB_RATIO * (self._fed - len(self._input) - read):
                raise ArchiveFault(f"compressed more than {BOMB_RATIO}:1, not read further", "Z06")

    def _begin_again(self) -> None:
        """One compressed part is over: another may follow, or padding, or rubbish."""
        self._one = None
        while True:
            self._input = self._input.lstrip(b"\0")
            if len(self._input) < 6:
                before = self._fed
                self._more()
                if self._fed != before:
                    continue
            break
        if self._input.startswith(self._form.magic):
            self._one = self._form.make()
        self.trailing = bool(self._input) and self._one is None

    def _more(self) -> None:
        block = os.pread(self._descriptor, INPUT, self._fed)
        self._fed += len(block)
        self._input += block
