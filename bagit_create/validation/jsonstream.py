"""A JSON object read piece by piece, so that its one long array need not fit into memory."""

from __future__ import annotations

import codecs
import json
import re
from collections.abc import Callable
from typing import Any, BinaryIO

PIECE = 1 << 20
"""Bytes read at a time, and twice as many whenever a value does not end within them."""
_COMMA = re.compile(r"[ \t\n\r]*,[ \t\n\r]*(?=[^\]} \t\n\r])")
_SPACE = re.compile(r"[ \t\n\r]*")


class Stream:
    """Reads one document (RFC 8259).

    :param pairs: makes the value of each object from its pairs.
    """

    def __init__(
        self, file: BinaryIO, pairs: Callable[[list[tuple[str, Any]]], dict[str, Any]]
    ) -> None:
        self._file = file
        self._text = ""
        self._at = 0
        self._ended = False
        self._lines = 0
        self._utf8 = codecs.getincrementaldecoder("utf-8")()
        self.made: dict[str, Any] = {}
        """What of the object is read so far."""
        self._decoder = json.JSONDecoder(object_pairs_hook=pairs, parse_constant=_refuse)

    def object(self, array: str, item: Callable[[Any], None]) -> tuple[Any, list[str]]:
        """Read the document.

        :param array: the key of the array whose values go to ``item``, one by one; its own value
            is an empty list then.
        :returns: the document, and the keys of its object in their order, each time they come.
        :raises ValueError: if it is no JSON.
        :raises RecursionError: if it is nested too deeply.
        """
        made = self.made
        keys: list[str] = []
        if self._peek() != "{":
            value = self._value()
            self._end()
            return value, keys
        self._skip()
        while self._peek() != "}":
            if keys:
                self._expect(",")
            self._peek()
            key = self._value()
            if not isinstance(key, str):
                raise ValueError(f"a key is no text: {str(key)[:40]}")
            keys.append(key)
            self._expect(":")
            if key == array and self._peek() == "[":
                self._items(item)
                made[key] = []
            else:
                self._peek()
                made[key] = self._value()
        self._skip()
        self._end()
        return made, keys

    def line(self, error: Exception) -> int:
        """The line, from 1, in which :meth:`object` met this error; 0 if that cannot be told."""
        if isinstance(error, json.JSONDecodeError):
            return self._lines + error.lineno
        if isinstance(error, UnicodeDecodeError):
            return 0
        return self._lines + self._text.count("\n", 0, self._at) + 1

    @staticmethod
    def words(error: Exception) -> str:
        """What is wrong, without the position, which counts from the last piece that was read."""
        if isinstance(error, json.JSONDecodeError):
            return f"{error.msg} (column {error.colno})"
        if isinstance(error, UnicodeDecodeError):
            return f"byte 0x{error.object[error.start]:02X} is not UTF-8"
        if isinstance(error, RecursionError):
            return "nested too deeply"
        return str(error)[:200]

    def _items(self, item: Callable[[Any], None]) -> None:
        self._skip()
        first = True
        while self._peek() != "]":
            if not first:
                self._expect(",")
            first = False
            self._peek()
            item(self._value())
            # As long as the next value begins in the same piece, there is no need to look twice.
            while (comma := _COMMA.match(self._text, self._at)) is not None:
                self._at = comma.end()
                item(self._value())
        self._skip()

    def _value(self) -> Any:
        """The next value; more is read until it is whole, and something comes behind it."""
        size = PIECE
        while True:
            try:
                value, end = self._decoder.raw_decode(self._text, self._at)
            except ValueError:
                if not self._more(size):
                    raise
            else:
                if end < len(self._text) or not self._more(size):  # "12" may go on as "123"
                    self._at = end
                    return value
            size *= 2

    def _peek(self) -> str:
        """The next character that is no space; ``""`` at the end."""
        while True:
            match = _SPACE.match(self._text, self._at)
            self._at = match.end() if match else self._at
            if self._at < len(self._text):
                return self._text[self._at]
            if not self._more(PIECE):
                return ""

    def _expect(self, character: str) -> None:
        if (found := self._peek()) != character:
            raise ValueError(f"{character!r} was due, found {found!r}")
        self._skip()
        if self._peek() in ("}", "]"):
            raise ValueError(f"nothing behind {character!r}")

    def _skip(self) -> None:
        self._at += 1

    def _end(self) -> None:
        if found := self._peek():
            raise ValueError(f"{found!r} behind the document's end")

    def _more(self, size: int) -> bool:
        """Read on; what was used is forgotten. False at the end."""
        if self._ended:
            return False
        raw = self._file.read(size)
        self._ended = not raw
        self._lines += self._text.count("\n", 0, self._at)
        self._text = self._text[self._at :] + self._utf8.decode(raw, final=not raw)
        self._at = 0
        return bool(raw)


def _refuse(name: str) -> None:
    raise ValueError(f"{name} is not JSON")
