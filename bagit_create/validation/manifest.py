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
    length = HEX_LENGTH[made.algorithm]
    kind = "tagmanifest" if made.is_tag else "manifest"
    digests, known = made.digests, made.digests.lines
    for number, text in lines(container, made.name, told.encoding, found, "M26", ended="M33"):
        where = (made.name, number)
        if number == 1 and text.startswith(_BOM):
            level = found.error if told.strict else found.warning
            level("M25", where, "byte-order mark before the first checksum")
            text = text[1:]
        match = _LINE.fullmatch(text)
        if match is None:
            match = _unusual(text, where, told, found, exists)
            if match is None:
                continue
        digest, star, path = match[1].lower(), match[2], match[3]
        if len(digest) != length:
            text = f"{made.algorithm} needs {length} hexadecimal digits"
            found.error("M05", where, text, expected=str(length), found=str(len(digest)))
            continue
        if star:
            level = found.warning if told.strict else found.information
            level("M20", where, 'binary marker "*"; strict validators will reject this bag')
        plain = check_path(path, told, where, found, bag=container.name, kind=kind)
        if plain is None:
            if made.is_tag and path.startswith("data/"):
                made.payload[path] = number
            continue
        line = known.get(plain)
        if line is None:
            digests.put(plain, digest, number)
        elif (other := digests.get(plain)) == digest:
            level = found.error if told.strict else found.warning
            level("M08", where, f"{plain} already listed on line {line}")
        else:
            text = f"{plain} is listed with another checksum on line {line}"
            found.error("M09", where, text, expected=other or "", found=digest)
        if len(known.table.rows) > MAX_ROWS:
            found.error("M36", where, f"more than {MAX_ROWS} files are listed; read no further")
            return


def _unusual(
    text: str,
    where: tuple[str, int],
    told: Declaration,
    found: Findings,
    exists: Callable[[str], bool],
) -> re.Match[str] | None:
    """Say what is wrong with a line that is no entry; an entry, where it can be read as one."""
    if not text.strip(" \t"):
        found.warning("M23", where, "blank line")
        return None
    if text.startswith("\\"):
        return _escaped(text, where, found, exists)
    if re.match(r"[ \t]", text):
        match = _LINE.fullmatch(text.lstrip(" \t"))
        if match is not None:
            level = found.error if told.strict else found.warning
            level("M07", where, "white space before the checksum")
            return match
    shown = text[:80]
    first, _, rest = text.partition(" ")
    if text.startswith("#"):
        found.error("M24", where, f'"{shown}" is no entry: manifests have no comments')
    elif re.match(r"[A-Za-z0-9-]+ ?\(.*\) ?= ?[0-9a-fA-F]+$", text) or re.search(
        r"[ \t][0-9a-fA-F]{8,}$", text
    ):
        wanted = "checksum path"
        found.error("M22", where, "the columns are swapped", expected=wanted, found=shown)
    elif not re.fullmatch(r"[0-9a-fA-F]+", first.partition("\t")[0]) and (rest or "\t" in text):
        found.error("M06", where, f'"{first[:40]}" is not hexadecimal')
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
