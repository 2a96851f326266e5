"""The tag files of a bag, read once: bagit.txt, manifests, fetch.txt, bag-info.txt."""

from __future__ import annotations

import re
from collections.abc import Callable
from functools import partial

from ..checksums import HEX_LENGTH, normalise
from . import baginfo
from .container import Container
from .declaration import Declaration, declaration
from .fetchtxt import Fetch, read_fetch
from .findings import Findings
from .listing import ArchiveFault
from .machine import not_here
from .manifest import Manifest, read_manifest
from .structure import Structure
from .table import Table

_MANIFEST = re.compile(r"(tag)?manifest-([^/]+)\.txt", re.IGNORECASE)
_VARIABLE = re.compile(r"shake|xof")


class TagFiles:
    """What the tag files say, once :meth:`read` has read and judged them.

    ``told`` is the declaration; ``manifests`` and ``tag_manifests`` are those of algorithms that
    can be computed; ``fetch`` is fetch.txt, ``elements`` bag-info.txt, in the file ``info``.

    :param addresses: whether ``fetch`` shall keep the addresses; judging needs none.
    """

    def __init__(
        self,
        container: Container,
        there: Structure,
        table: Table,
        found: Findings,
        addresses: bool,
    ) -> None:
        self._container = container
        self._there = there
        self._table = table
        self._found = found
        self.told = Declaration()
        self.manifests: list[Manifest] = []
        self.tag_manifests: list[Manifest] = []
        self.fetch = Fetch(table, addresses)
        self.info = "bag-info.txt"
        self.all_read = True
        """Whether every payload manifest could be read; if not, nothing is called unlisted."""
        self._unknown: dict[str, str] = {}
        self.elements: list[baginfo.Element] | None = None

    def read(self) -> None:
        """Read all of them; one that cannot be read is a finding, and the rest go on."""
        self._reading("bagit.txt", self._read_declaration)
        self._read_manifests()
        if "fetch.txt" in self._there.tags:
            self._reading("fetch.txt", self._read_fetch)
        if self.told.number < (0, 96) and "package-info.txt" in self._there.tags:
            self.info = "package-info.txt"
        if self.info in self._there.tags:
            self._reading(self.info, self._read_info)
        else:
            self._found.information("I01", self.info, "missing")

    def algorithms(self, *, tags: bool) -> tuple[str, ...]:
        """Those of the tag manifests or of the others, also where they cannot be computed."""
        lists = self.tag_manifests if tags else self.manifests
        others = (a for n, a in self._unknown.items() if n.lower().startswith("tag") == tags)
        return (*(one.algorithm for one in lists), *others)

    def _reading(self, name: str, read: Callable[[], None]) -> bool:
        try:
            read()
        except ArchiveFault:
            return False  # the archive's reader has told it
        except OSError as err:
            not_here(err, name)
            self._found.error("S19", name, f"cannot be read: {err.strerror or err}")
            return False
        return True

    def _read_declaration(self) -> None:
        size = self._there.tags["bagit.txt"]
        self.told = declaration(self._container, size, self._found)

    def _read_fetch(self) -> None:
        read_fetch(self._container, self.fetch, self.told, self._found)

    def _read_info(self) -> None:
        size = self._there.tags[self.info]
        self.elements = baginfo.read_elements(
            self._container, self.info, size, self.told, self._found
        )

    def _read_manifests(self) -> None:
        found, there = self._found, self._there
        seen: dict[str, str] = {}
        unknown = self._unknown
        tag_table = Table()
        for name in sorted(filter(_MANIFEST.fullmatch, there.irregular)):
            text = f"is a {there.irregular[name].value}, not a regular file"
            found.error("M36", name, text)
            seen[name] = name
        for name in sorted(filter(_MANIFEST.fullmatch, there.folders)):
            found.error("M36", name, "is a folder, not a regular file")
            seen[name] = name
        for name in sorted(filter(_MANIFEST.fullmatch, there.tags)):
            match = _MANIFEST.fullmatch(name)
            assert match is not None
            algorithm = normalise(match[2])
            right = f"{'tag' if match[1] else ''}manifest-{algorithm}.txt"
            if right in seen:
                found.error("S08", name, f"{seen[right]} is for the same algorithm")
                continue
            seen[right] = name
            if name != right:
                level = found.error if self.told.strict else found.warning
                level("S07", name, f"the name must be {right}", expected=right, found=name)
            if algorithm not in HEX_LENGTH:
                unknown[name] = algorithm
                continue
            made = Manifest(name, algorithm, tag_table if match[1] else self._table)
            lists = self.tag_manifests if match[1] else self.manifests
            lists.append(made)
            if not self._reading(name, partial(self._read_manifest, made)):
                lists.remove(made)
                self.all_read = self.all_read and made.is_tag
        self._judge_empty()
        for name, algorithm in unknown.items():
            self._judge_unknown(name, algorithm)
        if not any(name.startswith("manifest-") for name in seen):
            text = "no manifest-ALG.txt found; at least one is required"
            found.error("S04", "manifest-ALG.txt", text)

    def _judge_empty(self) -> None:
        files = len(self._there.payload)
        any_line = any(len(one.digests.lines) for one in self.manifests)
        for one in self.manifests:
            if files and not self._there.tags[one.name]:
                # Until 0.97 another manifest may list the files.
                other = any_line and not self.told.strict
                level = self._found.warning if other else self._found.error
                level("M32", one.name, f"empty, and there are {files} payload files")

    def _judge_unknown(self, name: str, algorithm: str) -> None:
        found = self._found
        if _VARIABLE.search(algorithm):
            found.error("S09", name, f"{algorithm} has no fixed length")
        elif self.manifests or name.lower().startswith("tag"):
            found.warning("S06", name, f'not verified: algorithm "{algorithm}" is unknown')
        else:
            text = f'algorithm "{algorithm}" is not supported, nothing can be verified'
            found.error("S05", name, text)

    def _read_manifest(self, made: Manifest) -> None:
        there = self._there
        exists = there.tags.__contains__ if made.is_tag else there.payload.__contains__
        read_manifest(self._container, made, self.told, self._found, exists)
