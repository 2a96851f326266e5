"""Judge a bag: declaration, structure, manifests, fetch.txt, digests, and what makes it a SIP.

Nothing is trusted: links are not followed, special files not opened, nothing outside the bag is
looked at, nothing is fetched, and every fault is reported, not only the first.
"""

from __future__ import annotations

import os
import re
import time
from collections.abc import Callable, Iterable
from pathlib import Path

from ..checksums import HEX_LENGTH, normalise
from ..model import Events, Silent
from ..report import Report
from . import baginfo, content, crosscheck, names, sipfiles, sipjson
from .container import Container, Kind
from .declaration import Declaration, declaration
from .fetchtxt import Fetch, read_fetch
from .findings import Findings
from .folder import FolderBag
from .manifest import Manifest, read_manifest
from .opinion import ask
from .siphead import SIP_JSON
from .structure import Structure, is_junk, types
from .table import ABSENT, Column, Table

_MANIFEST = re.compile(r"(tag)?manifest-(.+)\.txt", re.IGNORECASE)
_VARIABLE = ("shake128", "shake256")


def validate(
    path: Path,
    *,
    verified: Iterable[tuple[str, int]] = (),
    jobs: int | None = None,
    sip: bool | None = None,
    fast: bool = False,
    second_opinion: bool = False,
    fingerprint: bool = False,
    events: Events | None = None,
) -> Report:
    """Validate a bag.

    :param path: a folder, or an archive (tar, zip), which is not unpacked.
    :param verified: bag paths, and sizes in bytes, whose bytes were just compared with the digests
        that the manifests hold; they are not read again.
    :param jobs: threads for hashing; None takes one a core.
    :param sip: whether the bag must be a CERN SIP as well; None decides by what it looks like.
    :param fast: read no payload: only structure, sizes, and tag files.
    :param second_opinion: ask bagit-python too.
    :param fingerprint: have the sha256 of each tag file in the report.
    :param events: told of the progress.
    :returns: a report with the verdict ``valid``, ``incomplete`` (a sound light bag), ``invalid``.
    """
    began = time.monotonic()
    now = int(time.time())
    found = Findings()
    events = events or Silent()
    container = _container(path, found)
    if container is None:
        return Report(
            path, "invalid", found.all(), counts=found.counts, checked=now, mode=_mode(fast)
        )
    try:
        one = _Bag(container, found, verified)
        if one.is_bag():
            one.check(sip)
            events.phase("verify")
            events.started(len(one.there.payload), one.there.payload.total())
            one.compare(jobs or os.cpu_count() or 1, fast, fingerprint, events.advanced)
        opinion = ask(path, one.there.irregular) if second_opinion else ""
        return one.report(path, _mode(fast), now, time.monotonic() - began, opinion)
    finally:
        container.close()


def _mode(fast: bool) -> str:
    return "fast" if fast else "full"


def _container(path: Path, found: Findings) -> Container | None:
    if path.is_dir():
        return FolderBag(path)
    found.error("S01", str(path), "not a folder")
    return None


class _Bag:
    """One bag under examination."""

    def __init__(
        self, container: Container, found: Findings, verified: Iterable[tuple[str, int]]
    ) -> None:
        self._container = container
        self._found = found
        self._table = Table()
        self._told = Declaration()
        self._manifests: list[Manifest] = []
        self._tag_manifests: list[Manifest] = []
        self._fetch = Fetch(self._table)
        self._sip: sipjson.Facts | None = None
        self._tag_files: dict[str, str] = {}
        self._names: dict[str, str] = {}
        self.there = Structure(container, self._table, found)
        self._verified = Column(self._table)
        for path, size in verified:
            self._verified.put(path, size)

    # -- structure ------------------------------------------------------------------------------

    def is_bag(self) -> bool:
        """List what is there; False if there is nothing to examine further."""
        found, there = self._found, self.there
        there.scan()
        if (kind := there.irregular.get("bagit.txt")) is not None:
            found.error("D16", "bagit.txt", f"is a {kind.value}; refusing to read")
            return False
        if "bagit.txt" not in there.tags:
            inner = sorted(p for p in there.tags if re.fullmatch(r"[^/]+/bagit\.txt", p))
            for path in inner[:3]:
                text = f"no bagit.txt here, but {path[:-10]} is a bag; validate that"
                found.error("S01", path[:-10], text)
            found.error("D01", "bagit.txt", "missing; this folder does not declare itself a bag")
            return False
        return True

    def _judge_data(self) -> None:
        found, there = self._found, self.there
        if "data" in there.folders:
            return
        if there.irregular.get("data") is Kind.LINK:
            found.error("S03", "data", "is a symbolic link; it was not followed")
        elif "data" in there.tags or "data" in there.irregular:
            found.error("S03", "data", "is not a folder")
        else:
            found.error("S02", "data/", "missing; every bag needs a payload folder")

    # -- the whole check ------------------------------------------------------------------------

    def check(self, sip: bool | None) -> None:
        """Examine everything but the payload's bytes."""
        found, there = self._found, self.there
        self._judge_data()
        self._reading("bagit.txt", self._read_declaration)
        self._read_manifests()
        if "fetch.txt" in there.tags:
            self._reading("fetch.txt", self._read_fetch)
        is_sip = self._looks_like_sip() if sip is None else sip
        light = is_sip and SIP_JSON in there.payload and sipjson.is_light(self._container)
        if "fetch.txt" in there.tags and not len(self._fetch) and not light:
            found.warning("F16", "fetch.txt", "promises nothing")
        names.reconcile(self._manifests, self._fetch, there.payload, there.links, self._told, found)
        there.judge(self._manifests[0].digests.lines if self._manifests else None)
        if self._manifests:
            crosscheck.payload(
                there,
                self._manifests,
                self._fetch,
                self._tag_manifests,
                self._told,
                found,
                is_light=light,
            )
        self._check_tags()
        names.clashes(there.payload, self._fetch, self._manifests, found)
        names.portability(there.payload, self._told, found, sip=is_sip)
        oxum = self._check_info()
        content.strength(self._manifests, found, is_light=bool(self._missing()), sip=is_sip)
        if is_sip:
            self._check_sip(oxum)

    def _looks_like_sip(self) -> bool:
        there = self.there
        return (
            SIP_JSON in there.payload
            or self._container.name.startswith("sip::")
            or {"data/content", "data/meta"} <= there.folders
        )

    def _reading(self, name: str, read: Callable[[], None]) -> None:
        """Let a tag file that cannot be read be one finding, and the rest go on."""
        try:
            read()
        except OSError as err:
            self._found.error("S19", name, f"cannot be read: {err.strerror or err}")

    def _read_declaration(self) -> None:
        size = self.there.tags["bagit.txt"]
        self._told = declaration(self._container, size, self._found)

    def _read_fetch(self) -> None:
        self._fetch = read_fetch(self._container, self._table, self._told, self._found)

    def _read_manifests(self) -> None:
        found = self._found
        seen: dict[str, str] = {}
        tags = Table()
        odd = [name for name in self.there.irregular if _MANIFEST.fullmatch(name)]
        for name in odd:
            kind = self.there.irregular[name].value
            found.error("M36", name, f"is a {kind}, not a regular file")
        any_payload = False
        for name in sorted(self.there.tags):
            match = _MANIFEST.fullmatch(name)
            if match is None or "/" in name:
                continue
            any_payload = any_payload or not match[1]
            algorithm = normalise(match[2])
            kind = f"{'tag' if match[1] else ''}manifest-{algorithm}.txt"
            if kind in seen:
                found.error("S08", name, f"{seen[kind]} is for the same algorithm")
                continue
            seen[kind] = name
            if name != kind:
                level = found.error if self._told.strict else found.warning
                level("S07", name, f"the name must be {kind}", expected=kind, found=name)
            if algorithm not in HEX_LENGTH:
                self._names[name] = algorithm
                continue
            made = Manifest(name, algorithm, tags if match[1] else self._table)
            (self._tag_manifests if match[1] else self._manifests).append(made)
            self._reading(name, lambda one=made: self._read_manifest(one))  # type: ignore[misc]
        for name, algorithm in self._names.items():
            self._judge_unknown(name, algorithm)
        if not any_payload and not odd:
            text = "no manifest-ALG.txt found; at least one is required"
            found.error("S04", "manifest-ALG.txt", text)

    def _judge_unknown(self, name: str, algorithm: str) -> None:
        found = self._found
        if algorithm in _VARIABLE or algorithm.startswith("shake"):
            found.error("S09", name, f"{algorithm} has no fixed length")
        elif self._manifests or name.lower().startswith("tag"):
            found.warning("S06", name, f'not verified: algorithm "{algorithm}" is unknown')
        else:
            text = f'algorithm "{algorithm}" is not supported, nothing can be verified'
            found.error("S05", name, text)

    def _read_manifest(self, made: Manifest) -> None:
        there = self.there
        exists = there.tags.__contains__ if made.is_tag else there.payload.__contains__
        read_manifest(self._container, made, self._told, self._found, exists)
        if not made.is_tag and not len(made.digests.lines) and len(there.payload):
            covered = len(self._manifests) > 1 or len(made.digests.lines)
            level = self._found.warning if covered and not self._told.strict else self._found.error
            text = f"empty, and there are {len(there.payload)} payload files"
            level("M32", made.name, text)

    def _check_tags(self) -> None:
        there, found = self.there, self._found
        crosscheck.tag_files(there, self._manifests, self._tag_manifests, self._told, found)
        covered: set[str] = set()
        for one in self._tag_manifests:
            covered.update(one.digests.lines)
        crosscheck.unknown_tag_files(there, covered, self._told, found)

    def _check_info(self) -> tuple[int, int] | None:
        """bag-info.txt, or what stood for it; returns Payload-Oxum."""
        there, told = self.there, self._told
        name = "bag-info.txt" if told.number >= (0, 96) else "package-info.txt"
        if name not in there.tags:
            name = "bag-info.txt"
        if name not in there.tags:
            self._found.information("I01", name, "missing")
            return None
        here = (there.payload.total(), len(there.payload))
        for target in there.links.values():  # a link counts as what it leads to
            here = (here[0] + (there.payload.get(target) or 0), here[1] + 1)
        missing = self._missing()
        sizes = [self._fetch.sizes.get(path) for path in missing]
        known = [size for size in sizes if size is not None]
        whole = (here[0] + sum(known), here[1] + len(missing))
        payload = baginfo.Payload(
            here, whole if len(known) == len(sizes) else None, bool(missing), self._lost_junk
        )
        try:
            elements = baginfo.read_elements(
                self._container, name, there.tags[name], told, self._found
            )
        except OSError as err:
            self._found.error("S19", name, f"cannot be read: {err.strerror or err}")
            return None
        return baginfo.judge(name, elements, payload, told, self._found)

    def _lost_junk(self) -> int:
        payload = self.there.payload
        listed = {path for one in self._manifests for path in one.digests.lines}
        return sum(path not in payload and is_junk(path) for path in listed)

    def _missing(self) -> list[str]:
        """What fetch.txt promises and is not here."""
        there = self.there.payload.whole()
        rows = self._table.rows
        return [path for path in self._fetch.lines if there[rows[path]] == ABSENT]

    def _check_sip(self, oxum: tuple[int, int] | None) -> None:
        there, found = self.there, self._found
        for line in self._fetch.secret:
            found.error("C30", ("fetch.txt", line), "contains credentials (not shown)")
        sipfiles.bag(
            self._container, there, self._manifests, self._fetch.lines, self._told, oxum, found
        )
        listed = {one.algorithm: one for one in self._manifests}
        facts = sipjson.Bag(self._container, there, self._fetch, listed)
        self._sip = sipjson.check(facts, found)
        sipfiles.metadata(self._container, self._sip.metadata, self._sip.recid, there, found)

    # -- bytes, and the end ---------------------------------------------------------------------

    def compare(
        self, jobs: int, fast: bool, fingerprint: bool, advanced: Callable[[int], None]
    ) -> None:
        """Read the files."""
        sip = self._sip
        reading = content.Content(
            self.there,
            self._manifests,
            self._tag_manifests,
            sip.extra if sip else {},
            self._verified,
            self._found,
            self._look if sip else _ignore,
            fingerprint,
        )
        self._tag_files = reading.tag_files
        reading.compare(self._container, jobs, not fast, advanced)

    def _look(self, path: str, size: int, head: bytes) -> None:
        sipfiles.look(path, size, head, self._found)

    def report(self, path: Path, mode: str, now: int, seconds: float, opinion: str) -> Report:
        """All that was found."""
        found, payload = self._found, self.there.payload
        missing = self._missing()
        sizes = [self._fetch.sizes.get(one) for one in missing]
        verdict = "invalid" if found.has_errors else "incomplete" if missing else "valid"
        return Report(
            path,
            verdict,
            found.all(),
            len(payload),
            payload.total(),
            mode,
            self._sip is not None,
            self._told.version,
            tuple(one.algorithm for one in self._manifests),
            len(missing),
            None if None in sizes else sum(size for size in sizes if size is not None),
            found.counts,
            types(payload),
            opinion=opinion,
            seconds=seconds,
            checked=now,
            tag_files=self._tag_files,
        )


def _ignore(path: str, size: int, head: bytes) -> None:
    """A plain bag may hold what it likes."""
