"""Manifests and tag manifests, line by line (RFC 8493 sections 2.1.3 and 2.2.1)."""

from __future__ import annotations

import re
from collections.abc import Callable

from ..checksums import HEX_LENGTH
from .container import Container
from .declaration import Declaration
from .findings import Findings
from .lines import lines
from .pathcheck import check_path
from .table import Digests, Table

MAX_ROWS = 20_000_000
"""Paths: with more, a manifest is made to fill the memory."""
_SWAPPED = re.compile(
    r"[A-Za-z0-9-]+ ?\((.*)\) ?= ?[0-9a-fA-F]+|(.*?)[ \t]+[0-9a-fA-F]{8,}", re.DOTALL
)
_LINE = re.compile(r"([0-9a-fA-F]+)[ \t]+(\*?)(.+)", re.DOTALL)
_BOM = "\ufeff"


class Manifest:
    """A payload or tag manifest: ``digests`` by path, and their line numbers."""

    def __init__(self, name: str, algorithm: str, table: Table) -> None:
        self.name = name
        self.algorithm = algorithm
        self.digests = Digests(table, HEX_LENGTH[algorithm] // 2)
        self.is_tag = name.lower().startswith("tag")
        self.payload: dict[str, int] = {}
        """Of a tag manifest: payload that it lists and may not, with line numbers."""

    def line(self, path: str) -> tuple[str, int]:
        """Where it lists a path."""
        return self.name, self.digests.lines[path]

    def __contains__(self, path: object) -> bool:
        return path in self.digests.lines


def read_manifest(
    container: Container,
    made: Manifest,
    told: Declaration,
    found: Findings,
    exists: Callable[[str], bool],
) -> None:
    """Read every line into ``made`` and judge it.

    :param exists: whether a file of that path is in the bag.
    :raises OSError: if it cannot be read.
    """
    reader = _Reader(made, container.name, told, found, exists)
    for number, text in lines(container, made.name, told.encoding, found, "M26", ended="M33"):
        if number == 1 and text.startswith(_BOM):
            level = found.error if told.strict else found.warning
            level("M25", (made.name, 1), "byte-order mark before the first checksum")
            text = text[1:]
        reader.take(number, text)
        if len(made.digests.lines.table.rows) > MAX_ROWS:
            where = (made.name, number)
            found.error("M36", where, f"more than {MAX_ROWS} files are listed; read no further")
            return


class _Reader:
    """Judges the lines of one manifest, one after the other."""

    def __init__(
        self,
        made: Manifest,
        bag: str,
        told: Declaration,
        found: Findings,
        exists: Callable[[str], bool],
    ) -> None:
        self._made = made
        self._bag = bag
        self._told = told
        self._found = found
        self._exists = exists
        self._length = HEX_LENGTH[made.algorithm]
        self._kind = "tagmanifest" if made.is_tag else "manifest"

    def take(self, number: int, text: str) -> None:
        """Read a line into the manifest, and say what is wrong with it."""
        made, found = self._made, self._found
        where = (made.name, number)
        match = _LINE.fullmatch(text) or self._unusual(text, where)
        if match is None:
            return
        digest, star, path = match[1].lower(), match[2], match[3]
        if not path.strip(" \t"):
            found.error("M07", where, f'no path after "{digest[:80]}"')
            return
        if len(digest) != self._length:
            text = f"{made.algorithm} needs {self._length} hexadecimal digits"
            found.error("M05", where, text, expected=str(self._length), found=str(len(digest)))
            self._list(path, where)
            return
        if star:
            level = found.warning if self._told.strict else found.information
            level("M20", where, 'binary marker "*"; strict validators will reject this bag')
        plain = check_path(path, self._told, where, found, bag=self._bag, kind=self._kind)
        if plain is None:
            if made.is_tag and path.startswith("data/"):
                made.payload[path] = number
            return
        self._put(plain, digest, where)

    def _put(self, path: str, digest: str, where: tuple[str, int]) -> None:
        digests, found = self._made.digests, self._found
        line = digests.lines.get(path)
        if line is None:
            digests.put(path, digest, where[1])
        elif (other := digests.get(path)) == digest:
            level = found.error if self._told.strict else found.warning
            level("M08", where, f"{path} already listed on line {line}")
        else:
            text = f"{path} is listed with another checksum on line {line}"
            found.error("M09", where, text, expected=other or "", found=digest)

    def _list(self, path: str, where: tuple[str, int]) -> None:
        """Note that a file is listed, though with nothing that could be compared."""
        plain = check_path(path, self._told, where, self._found, bag=self._bag, kind=self._kind)
        if plain is not None:
            self._made.digests.put_broken(plain, where[1])

    def _unusual(self, text: str, where: tuple[str, int]) -> re.Match[str] | None:
        """Say what is wrong with a line that is no entry; an entry, where it can be read as one."""
        found = self._found
        if not text.strip(" \t"):
            found.warning("M23", where, "blank line")
            return None
        if text.startswith("\\"):
            return _escaped(text, where, found, self._exists)
        if text[0] in " \t" and (match := _LINE.fullmatch(text.lstrip(" \t"))) is not None:
            level = found.error if self._told.strict else found.warning
            level("M07", where, "white space before the checksum")
            return match
        shown = text[:80]
        if text.startswith("#"):
            found.error("M24", where, f'"{shown}" is no entry: manifests have no comments')
        elif (match := _SWAPPED.fullmatch(text)) is not None:
            wanted = "checksum path"
            found.error("M22", where, "the columns are swapped", expected=wanted, found=shown)
            self._list(match[1] or match[2] or text, where)
        elif (match := re.fullmatch(r"([^ \t]+)[ \t]+\*?(.+)", text, re.DOTALL)) is not None:
            found.error("M06", where, f'"{match[1][:40]}" is not hexadecimal')
            self._list(match[2], where)
        else:
            found.error("M07", where, f'no path after "{shown}"')
        return None


def _escaped(
    text: str, where: tuple[str, int], found: Findings, exists: Callable[[str], bool]
) -> re.Match[str] | None:
    r"""A line as ``md5sum`` writes it for names with a backslash or line feed: ``\d4… a\\b``."""
    match = _LINE.fullmatch(text[1:])
    if match is not None:
        names = {"\\\\": "\\", "\\n": "\n", "\\r": "\r"}
        path = re.sub(r"\\[\\nr]", lambda one: names[one[0]], match[3])
        if exists(path):
            found.warning("M21", where, "the line is escaped as md5sum does; read so")
            return _LINE.fullmatch(f"{match[1]}  {match[2]}{path}")
    found.error("M21", where, "the line begins with a backslash, as md5sum writes it")
    return None
