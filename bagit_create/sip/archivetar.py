"""Writing tar and tar.gz archives: the same bytes for the same members, in one pass.

What :mod:`tarfile` writes changes with Python's version. The form here is one: POSIX pax (IEEE
1003.1-2017, pax), with fixed owners, and gzip (RFC 1952) without name and time.
"""

from __future__ import annotations

import struct
import zlib
from collections import deque
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from datetime import date

from .archivetree import FILE_MODE, FOLDER_MODE, Opened, seconds

Write = Callable[[bytes | memoryview], object]
_BLOCK = 512
_RECORD = 20 * _BLOCK
"""What a tar archive is filled up to, as tar itself does."""
_FITS = 8**11
"""Bytes from which a size needs an extended header."""
_CHUNK = 1 << 20
"""Bytes that are compressed by themselves: threads share the work, and the result is the same for
any number of them."""
_WINDOW = 32 * 1024


class Tar:
    """A tar archive in the pax form. Everything belongs to user 0, nothing has a user's name.

    :param day: the time of all members.
    """

    def __init__(self, write: Write, day: date) -> None:
        self._write = write
        self._time = b"%011o\0" % seconds(day)
        self._length = 0

    def folder(self, name: str) -> None:
        """See :meth:`Form.folder`."""
        self._member(name, 0, b"5", FOLDER_MODE)

    def file(self, name: str, source: Opened) -> None:
        """See :meth:`Form.file`."""
        self._member(name, source.size, b"0", FILE_MODE)
        for block in source.blocks():
            self._write(block)
        self._fill(source.size, _BLOCK)
        self._length += source.size

    def finish(self) -> None:
        """See :meth:`Form.finish`."""
        self._write(bytes(2 * _BLOCK))
        self._length += 2 * _BLOCK
        self._fill(self._length, _RECORD)

    def patches(self) -> Iterator[tuple[int, bytes]]:
        """None."""
        return iter(())

    def close(self) -> None:
        """Nothing is held."""

    def _member(self, name: str, size: int, flag: bytes, mode: int) -> None:
        raw = name.encode("utf-8")
        records = b""
        if len(raw) > 100 or not raw.isascii():
            records += _record(b"path", raw)
        if size >= _FITS:
            records += _record(b"size", b"%d" % size)
        if records:
            self._header(b"././@PaxHeader", len(records), b"x", FILE_MODE)
            self._write(records)
            self._length += len(records)
            self._fill(len(records), _BLOCK)
        self._header(raw[:100], size if size < _FITS else 0, flag, mode)

    def _header(self, name: bytes, size: int, flag: bytes, mode: int) -> None:
        start = b"%s%07o\0%s%011o\0%s" % (
            name.ljust(100, b"\0"),
            mode & 0o7777,
            b"0000000\0" * 2,
            size,
            self._time,
        )
        end = b"%s%sustar\x0000%s%s%s" % (
            flag,
            bytes(100),
            bytes(64),
            b"0000000\0" * 2,
            bytes(167),
        )
        self._write(b"%s%06o\0 %s" % (start, sum(start) + sum(end) + 8 * 32, end))
        self._length += _BLOCK

    def _fill(self, length: int, unit: int) -> None:
        missing = -length % unit
        if missing:
            self._write(bytes(missing))
            self._length += missing


def _record(key: bytes, value: bytes) -> bytes:
    """``LENGTH KEY=VALUE``, in which the length counts its own digits."""
    rest = len(key) + len(value) + 3
    length = rest + len(str(rest))
    length = rest + len(str(length))
    return b"%d %s=%s\n" % (length, key, value)


class TarGz(Tar):
    """A tar archive in gzip, compressed in as many threads as are allowed.

    :param day: the time of all members.
    """

    def __init__(self, write: Write, day: date, jobs: int) -> None:
        self._gzip = _Gzip(write, jobs)
        super().__init__(self._gzip.write, day)

    def finish(self) -> None:
        """See :meth:`Form.finish`."""
        super().finish()
        self._gzip.finish()

    def close(self) -> None:
        """End the threads."""
        self._gzip.close()


class _Gzip:
    """Compresses what is written, in as many threads as are allowed.

    Each megabyte is compressed by itself, with what stands before it as dictionary, and all are
    joined to one stream: nobody who reads it can tell. The bytes depend on the zlib library only.
    """

    def __init__(self, write: Write, jobs: int) -> None:
        self._write = write
        self._pool = ThreadPoolExecutor(jobs)
        self._waiting: deque[Future[bytes]] = deque()
        self._width = 2 * jobs
        self._chunk = bytearray()
        self._window = b""
        self._sum = self._length = 0
        # No name and no time; made on no system in particular.
        write(b"\x1f\x8b\x08\0\0\0\0\0\0\xff")

    def write(self, data: bytes | memoryview) -> None:
        """Take what is to be compressed."""
        self._chunk += data
        while len(self._chunk) >= _CHUNK:
            self._next(_CHUNK, zlib.Z_SYNC_FLUSH)

    def _next(self, size: int, flush: int) -> None:
        chunk = bytes(self._chunk[:size])
        del self._chunk[:size]
        self._sum = zlib.crc32(chunk, self._sum)
        self._length += len(chunk)
        self._waiting.append(self._pool.submit(_deflate, chunk, self._window, flush))
        self._window = chunk[-_WINDOW:]
        while len(self._waiting) > self._width or (flush == zlib.Z_FINISH and self._waiting):
            self._write(self._waiting.popleft().result())

    def finish(self) -> None:
        """Write the rest and the sum."""
        self._next(len(self._chunk), zlib.Z_FINISH)
        self._write(struct.pack("<2L", self._sum, self._length & 0xFFFFFFFF))

    def close(self) -> None:
        """End the threads."""
        self._pool.shutdown(cancel_futures=True)


def _deflate(chunk: bytes, window: bytes, flush: int) -> bytes:
    one = zlib.compressobj(6, zlib.DEFLATED, -15, 8, zlib.Z_DEFAULT_STRATEGY, window)
    return one.compress(chunk) + one.flush(flush)
