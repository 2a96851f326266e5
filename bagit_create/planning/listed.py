"""A list of records that is gone through more than once: some fifty bytes a record, each once."""

from __future__ import annotations

from array import array
from collections.abc import Iterator
from hashlib import blake2b

_EMPTY = 0


class Listed:
    """Source and id of each record, in the order of the list; ``repeated`` were left out."""

    def __init__(self) -> None:
        self.repeated = 0
        self._text = bytearray()
        self._count = 0
        self._table = array("Q", bytes(8 * 1024))

    def __len__(self) -> int:
        return self._count

    def add(self, source: str, recid: str) -> None:
        """Add a record, unless it is there already."""
        raw = f"{source}\t{recid}\n".encode("utf-8", "surrogatepass")
        if self._is_known(raw):
            self.repeated += 1
            return
        self._text += raw
        self._count += 1

    def __iter__(self) -> Iterator[tuple[str, str]]:
        start = 0
        for _ in range(self._count):
            end = self._text.index(b"\n", start)
            source, _, recid = (
                self._text[start:end].decode("utf-8", "surrogatepass").partition("\t")
            )
            yield source, recid
            start = end + 1

    def sample(self, number: int) -> Iterator[tuple[str, str]]:
        """So many records, evenly spaced over the list; the same ones each time."""
        wanted = ((2 * one + 1) * self._count // (2 * number) for one in range(number))
        following = next(wanted, None)
        for place, item in enumerate(self):
            if place == following:
                yield item
                following = next(wanted, None)

    # A set of digests would take a hundred bytes a record; this takes sixteen to thirty-two.

    def _is_known(self, raw: bytes) -> bool:
        """Whether this came before; it is remembered."""
        digest = int.from_bytes(blake2b(raw, digest_size=8).digest()) or 1
        if 2 * self._count >= len(self._table):
            self._widen()
        place = self._place(digest)
        if self._table[place] == digest:
            return True
        self._table[place] = digest
        return False

    def _place(self, digest: int) -> int:
        mask = len(self._table) - 1
        place = digest & mask
        while self._table[place] not in (_EMPTY, digest):
            place = (place + 1) & mask
        return place

    def _widen(self) -> None:
        before = self._table
        self._table = array("Q", bytes(2 * 8 * len(before)))
        for digest in before:
            if digest != _EMPTY:
                self._table[self._place(digest)] = digest
