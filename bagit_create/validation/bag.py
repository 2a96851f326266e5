"""Judge a bag in a folder: structure, manifests, digests, and what makes it a CERN SIP.

Nothing is trusted: links are not followed, special files not opened, nothing outside the bag is
looked at, and every fault is reported, not only the first.
"""

from __future__ import annotations

import os
import re
import stat
import sys
from collections.abc import Iterable
from pathlib import Path

from ..checksums import HEX_LENGTH, normalise
from ..report import Report
from . import baginfo, content, names, sipjson, tagfiles
from .findings import Findings
from .readback import digest

_MANIFEST = re.compile(r"(tag)?manifest-(.+)\.txt", re.IGNORECASE)


def validate(
    path: Path,
    *,
    verified: Iterable[tuple[str, int]] = (),
    jobs: int | None = None,
    sip: bool = True,
) -> Report:
    """Validate a bag.

    :param verified: bag paths, and sizes in bytes, whose bytes were just compared with the digests
        that the manifests hold; they are not read again.
    :param jobs: threads for hashing; None takes one a core.
    :param sip: whether the bag must be a CERN SIP as well.
    :returns: a report with the verdict ``valid``, ``incomplete`` (a sound light bag), ``invalid``.
    """
    found = Findings()
    one = _Bag(path, found, verified, jobs or os.cpu_count() or 1)
    light = False
    try:
        if one.is_bag():
            light = one.check()
            extra: content.Expected = {}
            if sip:
                facts = sipjson.Bag(
                    path,
                    one.payload,
                    one.fetch,
                    one.listed(),
                    one.oxum,
                    one.version,
                    one.algorithms,
                )
                extra = sipjson.check(facts, found)
            one.compare(extra)
    except OSError as err:
        found.error("S19", str(err.filename or path), f"cannot be read: {err.strerror}")
    verdict = "invalid" if found.has_errors else "incomplete" if light else "valid"
    return Report(path, verdict, found.all(), len(one.payload), sum(one.payload.values()))


class _Bag:
    """One bag under examination."""

    def __init__(
        self, path: Path, found: Findings, verified: Iterable[tuple[str, int]], jobs: int
    ) -> None:
        self._path = path
        self._found = found
        self._verified = verified
        self._jobs = jobs
        self._tags: dict[str, int] = {}
        self._told = tagfiles.Declaration()
        self._manifests: list[tagfiles.Manifest] = []
        self._tag_manifests: list[tagfiles.Manifest] = []
        self.payload: dict[str, int] = {}
        self.fetch: dict[str, tuple[str, int | None, int]] = {}
        self.oxum: tuple[int, int] | None = None

    @property
    def version(self) -> str:
        """BagIt's version, as declared."""
        return self._told.version

    @property
    def algorithms(self) -> tuple[str, ...]:
        """Those of the payload manifests."""
        return tuple(one.algorithm for one in self._manifests)

    def listed(self) -> dict[str, dict[str, tuple[str, int]]]:
        """Of each algorithm digest and line by path, as the payload manifests have them."""
        return {one.algorithm: one.entries for one in self._manifests}

    # -- structure ------------------------------------------------------------------------------

    def is_bag(self) -> bool:
        """List what is on disk; False if there is nothing to examine further."""
        found = self._found
        if not self._path.is_dir():
            found.error("S01", str(self._path), "not a folder")
            return False
        self._scan("")
        if "bagit.txt" not in self._tags:
            found.error("D01", "bagit.txt", "missing; this folder does not declare itself a bag")
            return False
        if not stat.S_ISDIR(_mode(self._path / "data")):
            there = os.path.lexists(self._path / "data")
            text = "is no folder" if there else "missing; every bag needs a payload folder"
            found.error("S03" if there else "S02", "data/", text)
            return False
        return True

    def _scan(self, top: str) -> None:
        todo = [top]
        while todo:
            folder = todo.pop()
            empty = True
            try:
                with os.scandir(self._path / folder) as entries:
                    for entry in entries:
                        empty = False
                        relative = f"{folder}/{entry.name}" if folder else entry.name
                        if entry.is_symlink():
                            self._found.error("S17", relative, "symbolic link; not followed")
                        elif entry.is_dir(follow_symlinks=False):
                            todo.append(relative)
                        elif entry.is_file(follow_symlinks=False):
                            self._note(relative, entry.stat(follow_symlinks=False).st_size)
                        else:
                            self._found.error(
                                "S15", relative, "special file; only regular ones are allowed"
                            )
            except OSError as err:  # one folder that cannot be read hides no other fault
                self._found.error("S19", f"{folder}/", f"cannot be read: {err.strerror}")
                continue
            if empty and folder.startswith("data/") and folder not in ("data/content", "data/meta"):
                self._found.information("S12", f"{folder}/", "empty folder, in no manifest")

    def _note(self, relative: str, size: int) -> None:
        if "/" not in relative or not relative.startswith("data/"):
            self._tags[relative] = size
            return
        try:
            relative.encode("utf-8")
        except UnicodeEncodeError:
            self._found.error(
                "N05", ascii(relative), "the name is not UTF-8, no manifest can hold it"
            )
            return
        self.payload[sys.intern(relative)] = size  # the manifests will have the same

    # -- the whole check ------------------------------------------------------------------------

    def check(self) -> bool:
        """Examine everything; True if files are missing that fetch.txt promises."""
        self._told = tagfiles.declaration(self._path, self._tags["bagit.txt"], self._found)
        self._read_manifests()
        if "fetch.txt" in self._tags:
            self.fetch = tagfiles.fetch(self._path, self._told, self._found)
        names.reconcile(self._manifests, self.fetch, self.payload, self._told, self._found)
        missing = self._compare_lists()
        self._check_tags()
        self.oxum = baginfo.check(
            self._path,
            self._tags.get("bag-info.txt"),
            self._told,
            self.payload,
            self.fetch,
            self._found,
        )
        names.clashes(self.payload, self._found)
        return bool(missing)

    def compare(self, extra: content.Expected) -> None:
        """Read the payload; ``extra`` are digests that sip.json alone knows."""
        content.compare(
            self._path,
            self.payload,
            self._manifests,
            extra,
            self._verified,
            self._jobs,
            self._found,
        )

    def _read_manifests(self) -> None:
        found = self._found
        seen: dict[str, str] = {}
        for name in sorted(self._tags):
            match = _MANIFEST.fullmatch(name)
            if match is None:
                continue
            algorithm = normalise(match[2])
            kind = f"{'tag' if match[1] else ''}manifest-{algorithm}.txt"
            if kind in seen:
                found.error("S08", name, f"{seen[kind]} is for the same algorithm")
                continue
            seen[kind] = name
            if name != kind:
                level = found.error if self._told.strict else found.warning
                level("S07", name, f"the name must be {kind}")
            if algorithm not in HEX_LENGTH:
                found.warning("S06", name, "not verified, the algorithm is unknown")
                continue
            made = tagfiles.manifest(self._path, name, algorithm, self._told, found)
            (self._tag_manifests if match[1] else self._manifests).append(made)
        if not self._manifests:
            found.error(
                "S04", "manifest-ALG.txt", "none found that can be verified; one is required"
            )

    def _compare_lists(self) -> set[str]:
        """Disk against manifests against fetch.txt; returns what is absent as promised."""
        found = self._found
        lists = [manifest.entries for manifest in self._manifests]

        # Differences of sets would copy 100,000 names each.
        for path in sorted(one for one in self.payload if not any(one in of for of in lists)):
            found.error("M02", path, "not listed in any payload manifest")
        for manifest in self._manifests:
            here = manifest.entries
            for path in sorted(p for p in here if p not in self.payload and p not in self.fetch):
                line = here[path][1]
                found.error("M01", f"{manifest.name}:{line}", f"{path} is listed but missing")
            level = found.error if self._told.strict else found.information
            for path in sorted({p for of in lists if of is not here for p in of if p not in here}):
                level("M04", manifest.name, f"does not list {path}")
        for path, (_, size, line) in self.fetch.items():
            if not any(path in of for of in lists):
                level = found.error if self._told.strict else found.warning
                level("F05", f"fetch.txt:{line}", f"{path} is in no payload manifest")
            if path in self.payload and size is not None and size != self.payload[path]:
                found.warning("F13", f"fetch.txt:{line}", f"{path} is here with another size")
        return self.fetch.keys() - self.payload.keys()

    def _check_tags(self) -> None:
        found = self._found
        covered: set[str] = set()
        for manifest in self._tag_manifests:
            covered.update(manifest.entries)
            for path, (expected, line) in manifest.entries.items():
                where = f"{manifest.name}:{line}"
                if path not in self._tags:
                    found.error("T02", where, f"{path} is listed but missing")
                    continue
                if path.startswith("tagmanifest-"):
                    level = found.error if self._told.strict else found.warning
                    level("T04", where, f"lists {path}")
                try:
                    _, (actual,) = digest(f"{self._path}/{path}", (manifest.algorithm,))
                except OSError as err:
                    found.error("S19", path, f"cannot be read: {err.strerror}")
                    continue
                if actual.value != expected:
                    found.error("T01", where, f"{path}: expected {expected}, found {actual.value}")
            for other in self._manifests:
                if other.name not in manifest.entries:
                    level = found.error if self._told.strict else found.information
                    level("T03", manifest.name, f"does not list {other.name}")
        for name in sorted(self._tags.keys() - covered):
            if not name.startswith("tagmanifest-"):
                found.information("T08", name, "not protected by a tag manifest")


def _mode(path: Path) -> int:
    try:
        return path.lstat().st_mode
    except OSError:
        return 0
