"""Every path that a bag has or names, once, with what is known of it in columns of plain numbers.

A manifest of a million lines is a few hundred bytes a line as Python objects. Here the path is kept
once for the disk, all manifests and fetch.txt together, a digest takes its own bytes, and a size or
a line number takes eight.
"""

from __future__ import annotations

from array import array
from collections.abc import Iterator

ABSENT = -1


class Table:
    """The paths, a row each, in the order in which they came."""

    def __init__(self) -> None:
        self.rows: dict[str, int] = {}

    def add(self, path: str) -> int:
        """The row of a path, a new one if it has none."""
        row = self.rows.get(path)
        if row is None:
            row = self.rows[path] = len(self.rows)
        return row


class Column:
    """A number, not below 0, for some of the table's paths."""

    def __init__(self, table: Table) -> None:
        self.table = table
        self._values = array("q")
        self._count = 0

    def put(self, path: str, value: int) -> int:
        """Set the number of a path; returns the path's row."""
        row = self.table.add(path)
        self._grow(row + 1)
        self._count += self._values[row] == ABSENT
        self._values[row] = value
        return row

    def get(self, path: str) -> int | None:
        """The number of a path, None if it has none."""
        row = self.table.rows.get(path)
        if row is None:
            return None
        try:
            value = self._values[row]
        except IndexError:  # the table has grown since
            return None
        return None if value == ABSENT else value

    def drop(self, path: str) -> None:
        """Forget the number of a path that has one."""
        self._values[self.table.rows[path]] = ABSENT
        self._count -= 1

    def whole(self) -> array[int]:
        """The numbers by row, :data:`ABSENT` where there is none; for all rows of the table."""
        self._grow(len(self.table.rows))
        return self._values

    def __contains__(self, path: object) -> bool:
        row = self.table.rows.get(path)  # type: ignore[call-overload]
        return row is not None and row < len(self._values) and self._values[row] != ABSENT

    def __getitem__(self, path: str) -> int:
        value = self.get(path)
        if value is None:
            raise KeyError(path)
        return value

    def __len__(self) -> int:
        return self._count

    def __iter__(self) -> Iterator[str]:
        values = self._values
        for path, row in self.table.rows.items():
            if row >= len(values):
                return
            if values[row] != ABSENT:
                yield path

    def total(self) -> int:
        """The sum of all numbers."""
        return sum(value for value in self._values if value > 0)

    def _grow(self, length: int) -> None:
        if (more := length - len(self._values)) > 0:
            self._values.extend([ABSENT] * more)


class Digests:
    """A digest for some of the table's paths, all of one length in bytes, and its line number."""

    def __init__(self, table: Table, width: int) -> None:
        self.lines = Column(table)
        self._width = width
        self._bytes = bytearray()
        self._broken: set[str] = set()

    def put(self, path: str, digest: str, line: int) -> None:
        """Set a path's digest, in hexadecimal."""
        at = self.lines.put(path, line) * self._width
        if len(self._bytes) < at:
            self._bytes.extend(bytes(at - len(self._bytes)))
        self._bytes[at : at + self._width] = bytes.fromhex(digest)

    def put_broken(self, path: str, line: int) -> None:
        """Note that a path is listed, with something that is no digest."""
        if path not in self.lines:
            self.lines.put(path, line)
            self._broken.add(path)

    def get(self, path: str) -> str | None:
        """The digest of a path in lower-case hexadecimal, None if it has none."""
        if path not in self.lines or path in self._broken:
            return None
        at = self.lines.table.rows[path] * self._width
        return self._bytes[at : at + self._width].hex()

    def move(self, path: str, other: str) -> None:
        """Let a path's digest stand for another path."""
        digest, line = self.get(path), self.lines[path]
        self.lines.drop(path)
        if digest is not None:
            self.put(other, digest, line)
