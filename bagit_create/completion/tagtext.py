"""Tag files changed line by line: what need not change stays as it is, byte for byte.

Others have written these files, with line ends, blanks and an order of their own. Lines are
numbered as :mod:`..validation.lines` numbers them.
"""

from __future__ import annotations

import codecs
import posixpath
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import BinaryIO

from ..validation.pathcheck import decoded

PIECE = 1 << 20
_LINE = re.compile(rb"[^\r\n]*(?:\r\n|\n|\r)")
_WIDE_LINE = re.compile(r"[^\r\n]*(?:\r\n|\n|\r)|[^\r\n]+")
_ENTRY = re.compile(r"(\ufeff?[ \t]*)([0-9A-Fa-f]+)([ \t]+\*?)(.+?)(\r\n|\n|\r|$)", re.DOTALL)
OXUM = "payload-oxum"
_LABEL = re.compile(rf"(\ufeff?[ \t]*{OXUM}[ \t]*:[ \t]*)[^\r\n]*", re.IGNORECASE)
_MARK = "\ufeff"


def filter_lines(
    source: Path,
    sink: BinaryIO,
    encoding: str,
    change: Callable[[int, str], str],
    more: Sequence[str] = (),
) -> None:
    """Copy a tag file line by line.

    :param encoding: as :func:`..validation.declaration.declaration` names it.
    :param change: gives for a line, its number from 1 and its text with its end, what to write.
    :param more: further lines, without their ends.
    :raises OSError: if it cannot be read or written.
    """
    with source.open("rb") as file:
        first = file.read(4)
        file.seek(0)
        exact = _exact(encoding, first)
        end, ended = "\n", True
        for number, raw in enumerate(_lines(file, exact), 1):
            text = raw.decode(exact)
            made = change(number, text)
            if number == 1 and text.startswith(_MARK) and not made.startswith(_MARK):
                made = _MARK + made  # it is the file's, not the line's
            sink.write(raw if made == text else made.encode(exact))
            if made:
                ended = made[-1] in "\r\n"
                end = made[len(made.rstrip("\r\n")) :] or end
        if more and not ended:
            sink.write(end.encode(exact))
        for line in more:
            sink.write(f"{line}{end}".encode(exact))


def same(number: int, text: str) -> str:
    """For :func:`filter_lines`: every line as it is."""
    return text


def _exact(encoding: str, first: bytes) -> str:
    """The encoding with its byte order, so that the mark is a character like any other."""
    if encoding not in ("utf-16", "utf-32"):
        return encoding
    width = encoding[-2:]
    big = codecs.BOM_UTF16_BE if width == "16" else codecs.BOM_UTF32_BE
    return f"{encoding}-{'be' if first.startswith(big) else 'le'}"


def _lines(file: BinaryIO, encoding: str) -> Iterator[bytes]:
    """The lines with their ends; of what has more than one byte a character, all at once."""
    if encoding.startswith(("utf-16", "utf-32")):
        for wide in _WIDE_LINE.finditer(file.read().decode(encoding)):
            yield wide[0].encode(encoding)
        return
    rest = b""
    while block := file.read(PIECE):
        data = rest + block
        held = b"\r" if data.endswith(b"\r") else b""  # perhaps half a CRLF
        data = data[: len(data) - len(held)]
        end = 0
        for match in _LINE.finditer(data):
            yield match[0]
            end = match.end()
        rest = data[end:] + held
    if rest:
        yield rest


def without(numbers: set[int]) -> Callable[[int, str], str]:
    """For :func:`filter_lines`: leave out these lines."""
    return lambda number, text: "" if number in numbers else text


def with_digests(digests: Mapping[str, str | None], strict: bool) -> Callable[[int, str], str]:
    """For :func:`filter_lines`: give lines of a manifest other digests.

    :param digests: by path; None leaves the line out.
    :param strict: whether paths are encoded as in BagIt 1.0.
    """

    def change(number: int, text: str) -> str:
        match = _ENTRY.fullmatch(text)
        if match is None:
            return text
        path = posixpath.normpath(decoded(match[4]) if strict else match[4])
        if path not in digests:
            return text
        value = digests[path]
        if value is None:
            return ""
        value = value.upper() if match[2].isupper() else value
        return "".join((match[1], value, *match.group(3, 4, 5)))

    return change


class OxumChange:
    """For :func:`filter_lines`: another Payload-Oxum, and nothing else, in bag-info.txt."""

    def __init__(self, value: str) -> None:
        self._value = value
        self._inside = False
        self._begun = False

    def __call__(self, number: int, text: str) -> str:
        """One line; a value that was folded comes to stand on one."""
        body = text.rstrip("\r\n")
        if self._begun and body[:1] in (" ", "\t"):
            return "" if self._inside else text
        self._begun = self._begun or bool(body.strip(f" \t{_MARK}"))
        match = _LABEL.fullmatch(body)
        self._inside = match is not None
        if match is None:
            return text
        blank = "" if match[1][-1:] in (" ", "\t") else " "
        return f"{match[1]}{blank}{self._value}{text[len(body) :]}"
