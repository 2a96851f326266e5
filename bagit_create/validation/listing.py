"""What an archive lists: names that are safe and unique, one folder at the top, sane sizes.

A member takes a name and some numbers in arrays: archives of millions of files are usual.
"""

from __future__ import annotations

import errno
import re
import unicodedata
from array import array
from collections.abc import Iterator
from pathlib import Path

from .container import Kind, Member
from .findings import Findings

MOST_MEMBERS = 10_000_000
MOST_BYTES = 100 * 10**12
"""That all members together may unpack to."""
MOST_NAME_BYTES = 2 << 30
"""Of memory that names may take: a small compressed archive can hold very many long ones."""
LONGEST_NAME = 4095
"""Characters of a path; Linux takes no more bytes (PATH_MAX)."""
MOST_TOPS = 10_000
"""Entries at the top: even a flat archive has only its tag files there."""
BOMB_RATIO = 1000
BOMB_BYTES = 1 << 30
"""What unpacks to more than both is no data but an attack (deflate can do 1032:1)."""
EXTENSIONS = (".zip", ".tar", *(".tar.gz", ".tgz", ".tar.bz2", ".tbz2", ".tbz", ".tar.xz", ".txz"))
_INNER = (*EXTENSIONS, ".gz", ".bz2", ".xz", ".7z", ".rar", ".zst")
_ODD = re.compile(r"^/|^[A-Za-z]:|[\\\0]|(?:^|/)\.{0,2}(?:/|\Z)")
_KINDS = tuple(Kind)


class ArchiveFault(OSError):
    """Something in an archive cannot be read. ``number`` is the id of the finding."""

    def __init__(self, text: str, number: str = "Z07") -> None:
        super().__init__(errno.EIO, text)
        self.number = number


class TooMuch(Exception):
    """The archive is beyond all limits, so that listing it goes no further."""


class Listing:
    """The members of one archive; :meth:`add` each, then :meth:`settle`."""

    def __init__(self, archive: Path, found: Findings) -> None:
        self._archive = archive
        self._found = found
        self._kinds = bytearray()
        self._targets: dict[int, str] = {}
        self._tops: dict[str, dict[str, int]] = {}
        self._folders: set[str] = set()
        self._bytes = 0
        self._name_bytes = 0
        self.offsets = array("q")
        self.sizes = array("q")
        self.rows: dict[str, int] = {}
        """By path below the base directory, once it is settled."""
        self.base = ""
        """The base directory's name; empty in a flat archive."""

    # -- one member after the other -----------------------------------------------------------

    def add(
        self, name: str, kind: Kind, size: int, offset: int, target: str = "", what: str = ""
    ) -> int | None:
        """Take a member; None if its name makes it unusable.

        :param size: in bytes, as it is declared; ``offset`` is for the archive's own use.
        :param what: it is, where the kind does not say it.
        :returns: its row.
        :raises TooMuch: if the archive is beyond the limits.
        """
        row = len(self.sizes)
        self._bytes += size
        if row >= MOST_MEMBERS:
            raise TooMuch(f"more than {MOST_MEMBERS:,} members")
        if self._bytes > MOST_BYTES:
            raise TooMuch(f"unpacks to more than {MOST_BYTES // 10**12} TB")
        self.offsets.append(offset)
        self.sizes.append(size)
        self._kinds.append(_KINDS.index(kind))
        if kind is Kind.FOLDER:
            name = name.rstrip("/") or name
        if len(name) > LONGEST_NAME or _ODD.search(name):
            if fault := _fault(name):
                self._found.error("Z03", name, f"not used: {fault}")
                return None
            name = "/".join(part for part in name.split("/") if part not in ("", "."))
            if not name:  # "./": a flat archive's own folder
                return row
        self._count_name(name)
        top, _, rest = name.partition("/")
        below = self._tops.get(top)
        if below is None:
            if len(self._tops) >= MOST_TOPS:
                raise TooMuch(f"more than {MOST_TOPS:,} entries at the top")
            below = self._tops[top] = {}
        old = below.setdefault(rest, row)
        if old != row and not (kind is Kind.FOLDER and self._kind(old) is Kind.FOLDER):
            self._found.error("Z05", name, "stands in the archive more than once")
            below[rest] = row  # as most programs do that unpack it
        if kind is not Kind.FILE and kind is not Kind.FOLDER:
            text = f"{what or kind.value}; a bag holds regular files only"
            self._found.error("Z04", name, text)
            self._targets[row] = target
            self._count_name(target)
        return row

    def _count_name(self, text: str) -> None:
        self._name_bytes += len(text)
        if self._name_bytes > MOST_NAME_BYTES:
            raise TooMuch("the names of its members alone would fill the memory")

    # -- all of them --------------------------------------------------------------------------

    def settle(self, flat_ok: bool) -> bool:
        """Find the bag among the members, and what clashes in it.

        :param flat_ok: whether a bag without base directory is as good.
        :returns: whether there is one thing that can be judged as a bag.
        :raises TooMuch: if its folders are beyond the limits.
        """
        rows = self._flat(flat_ok) if self._is_flat() else self._below_base()
        if rows is None:
            return False
        self._tops.clear()
        self.rows = rows
        own = rows.pop("", None)
        if own is not None and self._kind(own) is not Kind.FOLDER:
            self._found.error("Z05", self.base, "is a folder, and something else too")
        self._find_folders()
        self._look_for_payload()
        self._look_for_clashes()
        return True

    def _is_flat(self) -> bool:
        row = self._tops.get("bagit.txt", {}).get("")
        return row is not None and self._kind(row) is not Kind.FOLDER

    def _flat(self, flat_ok: bool) -> dict[str, int]:
        name = self._archive.name
        text = "the bag's files stand at the top, without a base directory"
        if flat_ok:
            text += "; fine for the upload to CERN's platform, not by the specification"
            self._found.warning("C56", name, text)
        else:
            self._found.error("Z01", name, text)
        return {
            f"{top}/{rest}" if rest else top: row
            for top, below in self._tops.items()
            for rest, row in below.items()
        }

    def _below_base(self) -> dict[str, int] | None:
        archive, error = self._archive.name, self._found.error
        tops = self._tops
        bags = [top for top, below in tops.items() if "bagit.txt" in below]
        if not bags:
            if inner := self._inner():
                text = f"no bag, but another archive in it: {inner}"
                error("Z08", archive, text)
                return None
            bags = [top for top, below in tops.items() if "" not in below or len(below) > 1]
        if len(tops) != 1 or len(bags) != 1:
            count = f"{len(tops)} {'entry' if len(tops) == 1 else 'entries'} at the top"
            text = f"{count}, expected one directory" if tops else "nothing in it"
            error("Z01", archive, text, expected="1", found=", ".join(sorted(tops)[:10]))
        if len(bags) != 1:
            return None
        [self.base] = bags
        if self.base != stem(archive):
            text = f"contains {self.base}/; the archive should have that name and an extension"
            self._found.warning("Z02", archive, text, expected=self.base, found=stem(archive))
        return tops[self.base]

    def _inner(self) -> str:
        """An archive at the top or one level below, as somebody packs who packs twice."""
        for top, below in self._tops.items():
            for rest, row in below.items():
                is_archive = "/" not in rest and (rest or top).lower().endswith(_INNER)
                if is_archive and self._kind(row) is Kind.FILE:
                    return f"{top}/{rest}".rstrip("/")
        return ""

    def _look_for_payload(self) -> None:
        if "data" in self._folders or "data" in self.rows:
            return
        for path in self.rows:
            if path.startswith("data.") and path.lower().endswith(_INNER):
                text = "found where data/ was expected; the payload must not be packed twice"
                self._found.error("Z08", self.full(path), text)

    def _find_folders(self) -> None:
        """Collect the folders that something is in, listed or not."""
        folders, rows = self._folders, self.rows
        for path in rows:
            folder = path.rpartition("/")[0]
            while folder and folder not in folders:
                self._count_name(folder)
                folders.add(folder)
                row = rows.get(folder)
                if row is not None and self._kind(row) is not Kind.FOLDER:
                    text = f"is a folder, and a {self._kind(row).value} too"
                    self._found.error("Z05", self.full(folder), text)
                folder = folder.rpartition("/")[0]

    def _look_for_clashes(self) -> None:
        # Hashes in order: a second spelling of every name would take as much memory as the names.
        hashes = array("q", (hash(_folded(path)) for path in self.rows))
        ordered = sorted(hashes)
        twice = {one for one, next_ in zip(ordered, ordered[1:]) if one == next_}
        if not twice:
            return
        seen: dict[str, str] = {}
        for path, number in zip(self.rows, hashes, strict=True):
            if number not in twice:
                continue
            other = seen.setdefault(_folded(path), path)
            if other == path:
                continue
            same = unicodedata.normalize("NFC", path) == unicodedata.normalize("NFC", other)
            which = "the Unicode normal form" if same else "case"
            text = f"differs from {self.full(other)} by {which} only; unpacking may lose one"
            self._found.error("Z05", self.full(path), text)

    # -- what is there ------------------------------------------------------------------------

    def full(self, path: str) -> str:
        """The member's name in the archive."""
        return f"{self.base}/{path}" if self.base else path

    def file(self, path: str) -> int:
        """The row of a regular file.

        :raises OSError: if there is none of that name.
        """
        row = self.rows.get(path)
        if row is None:
            raise FileNotFoundError(errno.ENOENT, "not in the archive", path)
        if (kind := self._kind(row)) is not Kind.FILE:
            raise OSError(errno.EINVAL, f"a {kind.value}, not a regular file", path)
        return row

    def members(self) -> Iterator[Member]:
        """What is in the bag; a folder is there because it is listed, or something is in it."""
        rows, folders = self.rows, self._folders
        for path, row in rows.items():
            kind = self._kind(row)
            if kind is Kind.FILE:
                yield Member(path, kind, self.sizes[row])
            elif kind is Kind.FOLDER:
                yield Member(path, kind, empty=path not in folders)
            else:
                yield Member(path, kind, target=self._targets.get(row, ""))
        for path in folders:
            if path not in rows:
                yield Member(path, Kind.FOLDER)

    def _kind(self, row: int) -> Kind:
        return _KINDS[self._kinds[row]]


def stem(name: str) -> str:
    """The name of an archive without its extension."""
    low = name.lower()
    for extension in sorted(EXTENSIONS, key=len, reverse=True):
        if low.endswith(extension) and len(low) > len(extension):
            return name[: -len(extension)]
    return name


def _fault(name: str) -> str:
    """Why nobody may unpack this; empty for what only looks odd, as ``./a`` or ``a//b``."""
    if len(name) > LONGEST_NAME:
        return f"longer than {LONGEST_NAME} characters"
    if not name:
        return "it has no name"
    if "\0" in name:
        return "a NUL in the name"
    if "\\" in name:
        return "a backslash in the name, which some programs take for a folder's end"
    if name.startswith("/"):
        return "an absolute name"
    if re.match("[A-Za-z]:", name):
        return "the name begins with a drive"
    if ".." in name.split("/"):
        return "the name leads out of its folder"
    return ""


def _folded(path: str) -> str:
    return path.lower() if path.isascii() else unicodedata.normalize("NFC", path).casefold()
