"""One answer of an HTTP/1.1 server, read from a socket (RFC 9112).

The body is handed out block by block from one buffer, which belongs to the connection: nothing is
copied on its way to the disk and the digests.
"""

from __future__ import annotations

import re
import time
from typing import Protocol

from .headers import Headers

BLOCK = 512 * 1024
"""Bytes that are read at most at a time."""
ENOUGH = 64 * 1024
"""Bytes that are waited for before a block is handed out, if the body has them."""
MAX_HEAD = 64 * 1024
"""Bytes of a status line and its fields; servers send less than 8 KiB (nginx's own limit)."""
MAX_LINE = 4096
"""Bytes of a line between chunks."""
MAX_INTERIM = 20
"""Answers of the 100s before the one that counts."""
DRIP_WINDOW = 10
"""Times of silence after which an answer must have brought :data:`DRIP_BYTES`."""
DRIP_BYTES = 10 * 1024

_END_OF_HEAD = re.compile(rb"\r?\n\r?\n")
_STATUS = re.compile(rb"HTTP/1\.([01]) ([1-9][0-9]{2})(?: [^\r\n]*)?")
_USUAL = re.compile(r"[A-Za-z0-9-]+:[^\r\n]*(?:\r\n[A-Za-z0-9-]+:[^\r\n]*)*")
_FIELD = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+")
_CHUNK = re.compile(rb"([0-9A-Fa-f]{1,16})[ \t]*(?:;.*)?")


class ProtocolError(Exception):
    """What came is no HTTP, or broke off. ``begun`` tells whether any byte had come."""

    def __init__(self, text: str, begun: bool = True) -> None:
        super().__init__(text)
        self.begun = begun


class Socket(Protocol):
    """What is asked of a socket, plain or secured."""

    def recv_into(self, buffer: memoryview, /) -> int: ...

    def sendall(self, data: bytes, /) -> None: ...

    def settimeout(self, seconds: float | None, /) -> None: ...

    def shutdown(self, how: int, /) -> None: ...

    def close(self) -> None: ...

    def fileno(self) -> int: ...


class Reader:
    """Reads from one socket into one buffer.

    :param timeout: seconds of silence that the socket allows; a body that drips is judged by it.
    """

    def __init__(self, sock: Socket, timeout: float) -> None:
        self._sock = sock
        self._buffer = bytearray(BLOCK)
        self._view = memoryview(self._buffer)
        self._start = self._end = 0
        self._window = DRIP_WINDOW * timeout
        self._since = time.monotonic()
        self._came = 0

    def begin(self) -> None:
        """Forget how long the answer before took."""
        self._since = time.monotonic()
        self._came = 0

    @property
    def empty(self) -> bool:
        """Whether all that came was handed out."""
        return self._start == self._end

    def _receive(self, into: memoryview) -> int:
        """Bytes that came; 0 at the end.

        :raises OSError: from the network.
        :raises TimeoutError: also if next to nothing came for a long time.
        """
        count = self._sock.recv_into(into)
        self._came += count
        now = time.monotonic()
        if now - self._since > self._window:
            if self._came < DRIP_BYTES:
                raise TimeoutError(f"only {self._came} bytes came in {now - self._since:.0f} s")
            self._since, self._came = now, 0
        return count

    def head(self) -> bytes:
        """A status line with its fields, without the empty line that ends it.

        :raises ProtocolError: if it is too long, or the connection ends before.
        """
        self._make_room(2 * MAX_HEAD)
        searched = self._start
        while (match := _END_OF_HEAD.search(self._buffer, searched, self._end)) is None:
            if self._end - self._start > MAX_HEAD:
                raise ProtocolError("the answer's header has no end")
            searched = max(self._start, self._end - 3)
            self._more()
        head = bytes(self._view[self._start : match.start()])
        self._start = match.end()
        return head

    def line(self) -> bytes:
        """A line without its end.

        :raises ProtocolError: if it is too long, or the connection ends before.
        """
        self._make_room(2 * MAX_LINE)
        while (found := self._buffer.find(b"\n", self._start, self._end)) < 0:
            if self._end - self._start > MAX_LINE:
                raise ProtocolError("a chunk has no size")
            self._more()
        line = bytes(self._view[self._start : found])
        self._start = found + 1
        return line.removesuffix(b"\r")

    def _make_room(self, size: int) -> None:
        """Move what is left to the front, where there is too little room behind it."""
        if self._start == self._end:
            self._start = self._end = 0
        elif BLOCK - self._end < size:
            kept = bytes(self._view[self._start : self._end])
            self._view[: len(kept)] = kept
            self._start, self._end = 0, len(kept)

    def _more(self) -> None:
        count = self._receive(self._view[self._end :])
        if not count:
            raise ProtocolError("the connection was closed", begun=self._end > self._start)
        self._end += count

    def some(self, most: int | None) -> memoryview:
        """Some bytes of the body, at most ``most``; empty at the end of the connection.

        What is returned changes with the next call.
        """
        room = BLOCK if most is None else min(BLOCK, most)
        start = self._start
        if start < self._end:
            stop = min(self._end, start + room)
            self._start = stop
            if stop - start >= min(room, ENOUGH):
                return self._view[start:stop]
            # Too little to be worth a system call or two: more is read behind it.
            kept = bytes(self._view[start:stop])
            self._view[: len(kept)] = kept
            self._start = self._end = 0
            filled = len(kept)
        else:
            self._start = self._end = filled = 0
        while filled < min(room, ENOUGH):
            count = self._receive(self._view[filled:room])
            if not count:
                break
            filled += count
        return self._view[:filled]


class Body:
    """The body of an answer, which knows where it ends (RFC 9112 section 6.3).

    :param length: bytes, or None if its chunks or the end of the connection tell.
    """

    def __init__(self, reader: Reader, length: int | None, chunked: bool) -> None:
        self._reader = reader
        self._chunked = chunked
        self._begun = False
        self._left = 0 if chunked else length
        self.whole = not chunked and length == 0
        """Whether all of it was read."""

    @property
    def left(self) -> int | None:
        """Bytes that are still to come, if that is known."""
        return None if self._chunked else self._left

    def read(self) -> memoryview:
        """The next block; empty at the end. It changes with the next call.

        :raises ProtocolError: if the body breaks off.
        :raises OSError: from the network.
        """
        if self.whole:
            return memoryview(b"")
        if self._chunked and not self._left:
            if self._begun and self._reader.line():
                raise ProtocolError("a chunk is longer than it says")
            self._begun = True
            self._left = self._chunk()
            if not self._left:
                self.whole = True
                return memoryview(b"")
        block = self._reader.some(self._left)
        if self._left is None:
            self.whole = not block
        elif not block:
            missing = "in a chunk" if self._chunked else f"{self._left} bytes before its end"
            raise ProtocolError(f"the connection was closed {missing}")
        else:
            self._left -= len(block)
            self.whole = not self._chunked and not self._left
        return block

    def _chunk(self) -> int:
        match = _CHUNK.fullmatch(line := self._reader.line())
        if match is None:
            raise ProtocolError(f"no size of a chunk: {line[:40]!r}")
        size = int(match[1], 16)
        trailers = 0
        while not size and self._reader.line():  # the fields behind the last chunk
            trailers += 1
            if trailers > 100:
                raise ProtocolError("the fields behind the last chunk have no end")
        return size


def receive(reader: Reader, method: str) -> tuple[int, Headers, Body, bool]:
    """Read the head of an answer.

    :param method: of the request: an answer to HEAD has no body.
    :returns: status, fields, body, and whether the connection may be used again after it.
    :raises ProtocolError: if it is no HTTP/1.1.
    """
    for _ in range(MAX_INTERIM):
        first, _, rest = reader.head().partition(b"\n")
        match = _STATUS.fullmatch(first.rstrip(b"\r"))
        if match is None:
            raise ProtocolError(f"the answer is not HTTP: {first[:60]!r}")
        status = int(match[2])
        if status >= 200 or status == 101:
            break
    else:
        raise ProtocolError("interim answers have no end")
    headers = _fields(rest.decode("latin-1"))
    connection = headers.get("connection", "").lower()
    reusable = "close" not in connection if match[1] == b"1" else "keep-alive" in connection
    chunked, length = False, None
    coding = headers.get("transfer-encoding")
    if method == "HEAD" or status in (101, 204, 304):
        length = 0
    elif coding is not None:
        if coding.strip().lower() != "chunked":
            raise ProtocolError(f"a transfer coding that is not known: {coding[:40]!r}")
        chunked = True
        reusable = reusable and "content-length" not in headers
    else:
        length = _length(headers.get("content-length"))
    reusable = reusable and (chunked or length is not None)
    return status, headers, Body(reader, length, chunked), reusable


def _fields(text: str) -> Headers:
    """The fields of a head, without its first line."""
    found: dict[str, str] = {}
    if _USUAL.fullmatch(text):
        for line in text.split("\r\n"):
            name, _, value = line.partition(":")
            name, value = name.lower(), value.strip()
            found[name] = f"{found[name]}, {value}" if name in found else value
        return Headers(found)
    name = ""
    for line in text.replace("\r\n", "\n").split("\n") if text else ():
        field, colon, value = line.partition(":")
        if line[:1] in (" ", "\t") and name:  # folded, as old servers may
            found[name] += " " + line.strip()
            continue
        if not colon or not _FIELD.fullmatch(field):
            raise ProtocolError(f"a header field that is none: {line[:40]!r}")
        name, value = field.lower(), value.strip()
        found[name] = f"{found[name]}, {value}" if name in found else value
    return Headers(found)


def _length(text: str | None) -> int | None:
    if text is None:
        return None
    lengths = {one.strip() for one in text.split(",")}
    if len(lengths) != 1 or not re.fullmatch("[0-9]{1,18}", one := lengths.pop()):
        raise ProtocolError(f"a length that is none: {text[:40]!r}")
    return int(one)
