"""What is on the disk: payload and tag files, and what may not be in a bag."""

from __future__ import annotations

import os
import re
import sys

from ..report import FileType
from .container import Container, Kind, Member
from .findings import Findings
from .folder import FolderBag
from .machine import not_here
from .table import Column, Table

_JUNK = re.compile(
    r"(?:.*/)?(?:\.DS_Store|Thumbs\.db|desktop\.ini|\._[^/]+"
    r"|\.(?:Spotlight-V100|Trashes|fseventsd|TemporaryItems)(?:/.*)?)",
    re.IGNORECASE | re.DOTALL,
)

TYPES_AT_MOST = 12
"""Kinds of files that an overview names one by one."""


def is_junk(path: str) -> bool:
    """Whether an operating system made this file for itself."""
    return _JUNK.fullmatch(path) is not None


class Structure:
    """All that is in a bag, once :meth:`scan` has listed it.

    ``payload`` has the sizes of regular files below ``data/`` by path, ``tags`` those of all
    others. ``links`` are payload paths that are links to other files of the bag, with the path of
    the file. ``folders`` are all folders' paths.
    """

    def __init__(self, container: Container, table: Table, found: Findings) -> None:
        self._container = container
        self._found = found
        self.payload = Column(table)
        self.tags: dict[str, int] = {}
        self.irregular: dict[str, Kind] = {}
        self.links: dict[str, str] = {}
        self.folders: set[str] = set()
        self.junk: list[str] = []
        self.inner: list[str] = []
        self.cut: list[str] = []
        """Payload paths with a line break in them."""
        self.nameless = (0, 0)
        """Bytes and files of payload whose names no manifest can hold."""

    def scan(self) -> None:
        """List everything, and say what may not be there."""
        later: list[Member] = []
        for member in self._container.members(self._unreadable):
            if member.kind is Kind.FILE:
                self._file(member.path, member.size)
            elif member.kind is Kind.FOLDER:
                self.folders.add(member.path)
                if member.empty and member.path.startswith("data/"):
                    if member.path not in ("data/content", "data/meta"):
                        text = "empty folder, covered by no manifest"
                        self._found.information("S12", f"{member.path}/", text)
            elif member.kind is Kind.LINK:
                later.append(member)
            else:
                self.irregular[member.path] = member.kind
                text = f"is a {member.kind.value}; only regular files are allowed"
                self._found.error("S15", member.path, text)
        for member in later:  # what they lead to is known now
            self._link(member)

    def _unreadable(self, path: str, err: OSError) -> None:
        not_here(err, path)
        self._found.error("S19", path, f"cannot be read: {err.strerror or err}")

    def _file(self, path: str, size: int) -> None:
        if path.startswith("data/"):
            try:
                path.encode("utf-8")
            except UnicodeEncodeError:
                text = "the name is not UTF-8, no manifest can hold it"
                self._found.error("N05", ascii(path)[1:-1], text)
                self.nameless = (self.nameless[0] + size, self.nameless[1] + 1)
                return
            self.payload.put(sys.intern(path), size)
            if path.endswith("/bagit.txt"):
                self.inner.append(path)
            if "\n" in path or "\r" in path:
                self.cut.append(path)
        else:
            self.tags[path] = size
        if path[-1] in "eEbBiI" or "/." in path or path[0] == ".":
            if is_junk(path):
                self.junk.append(path)

    def _link(self, member: Member) -> None:
        path, found = member.path, self._found
        self.irregular[path] = Kind.LINK
        if not isinstance(self._container, FolderBag):
            return  # the archive's reader has refused it
        kind, target = self._container.behind(path)
        if kind is Kind.FILE and target:
            text = f"symbolic link to {target}; will not survive most transfers"
            found.warning("S16", path, text)
            self.links[path] = target
        elif kind is not None and not target:
            found.error("S17", path, "symbolic link leaves the bag; its target was not read")
        elif kind is Kind.FOLDER:
            text = f"symbolic link to a folder ({target}); its contents are in no manifest"
            found.error("S18", path, text)
        elif kind is None:
            text = "symbolic link that leads nowhere, or in a circle"
            found.error("S18", path, text, found=member.target)
        else:
            found.error("S15", path, f"symbolic link to a {kind.value}")

    def judge(self, listed: Column | None) -> None:
        """Say what is odd about the payload as a whole.

        :param listed: line numbers of the first payload manifest, for files of operating systems.
        """
        found = self._found
        if not len(self.payload) and not self.links:
            found.information("S11", "data/", "no payload files")
        for path in self.junk:
            unlisted = path.startswith("data/") and (listed is None or path not in listed)
            level = found.error if unlisted else found.warning
            level("S14", path, "a file that an operating system made for itself")
        for path in self.inner:
            text = "the payload contains a bag, or the remains of one; its inside is not validated"
            found.information("S20", path, text)


def types(payload: Column) -> tuple[FileType, ...]:
    """The payload by the endings of its names, the largest first; the rest as one."""
    sums: dict[str, tuple[int, int]] = {}
    for path in payload:
        suffix = os.path.splitext(path)[1].lower()
        if len(suffix) > 12:
            suffix = ""
        files, size = sums.get(suffix, (0, 0))
        sums[suffix] = files + 1, size + payload[path]
    order = sorted(sums.items(), key=lambda one: (-one[1][1], -one[1][0], one[0]))
    first = [FileType(suffix, *facts) for suffix, facts in order[:TYPES_AT_MOST]]
    rest = order[TYPES_AT_MOST:]
    if rest:
        files, size = (sum(one[1][n] for one in rest) for n in (0, 1))
        first.append(FileType("…", files, size))
    return tuple(first)
