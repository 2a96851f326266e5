"""The lines of a tag file, read as bytes that anybody may have written.

Lines end with LF, CR or CRLF and nothing else (RFC 8493 section 2.1.1 and 2.3): Python's own
``splitlines`` also ends them at U+2028 and the like, which are part of a name.
"""

from __future__ import annotations

import codecs
from collections.abc import Iterator
from typing import BinaryIO

from .container import Container
from .findings import Findings

MAX_LINE = 64 * 1024
"""Bytes: no system has longer paths, and an endless line must end."""
_PIECE = 1 << 20
_WIDE = ("utf-16", "utf-16-be", "utf-16-le", "utf-32", "utf-32-be", "utf-32-le")


def lines(
    container: Container,
    name: str,
    encoding: str,
    found: Findings,
    number: str,
    *,
    ended: str = "",
) -> Iterator[tuple[int, str]]:
    """The lines of a tag file with their numbers, from 1; never more than a piece is in memory.

    :param encoding: Python's name of it, as :func:`.declaration.encoding` gives it.
    :param number: id of the finding for bytes that are no text.
    :param ended: id of the remark that the last line has no end.
    :raises OSError: if the file cannot be read.
    """
    with container.open(name) as file:
        if encoding in _WIDE:
            yield from _wide(file, name, encoding, found, number)
            return
        count = 0
        rest = b""
        while True:
            block = file.read(_PIECE)
            data = rest + block
            held = b"\r" if block and data.endswith(b"\r") else b""  # perhaps half a CRLF
            data = data[: len(data) - len(held)].replace(b"\r\n", b"\n").replace(b"\r", b"\n")
            pieces = data.split(b"\n")
            rest = pieces.pop() + held
            for raw in pieces:
                count += 1
                if (text := _decoded(raw, count, name, encoding, found, number)) is not None:
                    yield count, text
            if len(rest) > MAX_LINE:
                _too_long(name, count + 1, found, number)
                return
            if not block:
                break
        if rest:
            if ended:
                found.information(ended, name, "the last line has no line end")
            if (text := _decoded(rest, count + 1, name, encoding, found, number)) is not None:
                yield count + 1, text


def _decoded(
    raw: bytes, count: int, name: str, encoding: str, found: Findings, number: str
) -> str | None:
    if len(raw) > MAX_LINE:
        _too_long(name, count, found, number)
        return None
    try:
        return raw.decode(encoding)
    except UnicodeDecodeError as err:
        found.error(
            number,
            (name, count),
            f"byte 0x{raw[err.start]:02X} at column {err.start + 1} is not {encoding.upper()}",
        )
        return None


def _too_long(name: str, count: int, found: Findings, number: str) -> None:
    found.error(number, (name, count), f"the line is longer than {MAX_LINE} bytes")


def _wide(
    file: BinaryIO, name: str, encoding: str, found: Findings, number: str
) -> Iterator[tuple[int, str]]:
    """As :func:`lines` where a line end is more than one byte: decoded first, split then."""
    decoder = codecs.getincrementaldecoder(encoding)()
    count = 0
    rest = ""
    while True:
        block = file.read(_PIECE)
        try:
            text = rest + decoder.decode(block, final=not block)
        except UnicodeDecodeError as err:
            found.error(number, (name, count + 1), f"not {encoding.upper()}: {err.reason}")
            return
        held = "\r" if block and text.endswith("\r") else ""
        text = text[: len(text) - len(held)].replace("\r\n", "\n").replace("\r", "\n")
        pieces = text.split("\n")
        rest = pieces.pop() + held
        for piece in pieces:
            count += 1
            yield count, piece
        if len(rest) > MAX_LINE:
            _too_long(name, count + 1, found, number)
            return
        if not block:
            break
    if rest:
        yield count + 1, rest
