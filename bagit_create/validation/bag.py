"""Judge a bag: declaration, structure, manifests, fetch.txt, digests, and what makes it a SIP.

Nothing is trusted: links are not followed, special files not opened, nothing outside the bag is
looked at, nothing is fetched, and every fault is reported, not only the first.
"""

from __future__ import annotations

import os
import re
import time
from collections.abc import Callable, Iterable
from contextlib import closing
from pathlib import Path

from ..model import Events, Silent
from ..report import Report
from . import baginfo, content, crosscheck, names, sipfiles, sipjson
from .archives import open_bag
from .balance import Balance
from .container import Container, Kind
from .findings import Findings
from .folder import FolderBag
from .opinion import ask
from .profile import IDENTIFIER, Facts, Profile
from .profile import check as check_profile
from .siphead import SIP_JSON
from .structure import Structure, types
from .table import Column, Table
from .tags import TagFiles

BAGS_NAMED = 3
"""Bags below what is none that are pointed out."""


def validate(
    path: Path,
    *,
    verified: Iterable[tuple[str, int]] = (),
    jobs: int | None = None,
    sip: bool | None = None,
    fast: bool = False,
    profile: Profile | None = None,
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
    :param profile: rules of a receiver, to be kept as well.
    :param second_opinion: ask bagit-python too.
    :param fingerprint: have the sha256 of each tag file in the report.
    :param events: told of the progress.
    :returns: a report with the verdict ``valid``, ``incomplete`` (a sound light bag), ``invalid``.
    :raises SipError: if this machine cannot read it here and now: that is no verdict.
    """
    began, now = time.monotonic(), int(time.time())
    found = Findings()
    container = open_bag(path, found, flat_ok=sip is not False)
    if container is None:
        return Report(
            path, "invalid", found.all(), counts=found.counts, checked=now, mode=_mode(fast)
        )
    with closing(container):
        one = Examination(container, found, verified)
        one.run(sip, profile, jobs or os.cpu_count() or 1, fast, fingerprint, events or Silent())
        opinion = ask(path, one.there.irregular) if second_opinion else ""
        seconds = time.monotonic() - began
        name = profile.identifier if profile else ""
        return one.report(path, _mode(fast), now, seconds, opinion=opinion, profile=name)


def examine(path: Path, jobs: int | None, events: Events) -> tuple[Report, Examination]:
    """Validate a bag in a folder, and hand out all that was read of it, addresses too.

    For who goes on with it: see :func:`validate`.
    """
    began, now = time.monotonic(), int(time.time())
    one = Examination(FolderBag(path), Findings(), (), addresses=True)
    one.run(None, None, jobs or os.cpu_count() or 1, False, False, events)
    return one.report(path, _mode(False), now, time.monotonic() - began), one


def _mode(fast: bool) -> str:
    return "fast" if fast else "full"


class Examination:
    """One bag under examination; once :meth:`run` has ended, all that was read of it.

    ``there`` is what is on the disk, ``tags`` what the tag files say, ``sip`` what sip.json does.
    """

    def __init__(
        self,
        container: Container,
        found: Findings,
        verified: Iterable[tuple[str, int]],
        addresses: bool = False,
    ) -> None:
        self._container = container
        self._found = found
        self._table = Table()
        self.sip: sipjson.Facts | None = None
        self._tag_files: dict[str, str] = {}
        self.there = Structure(container, self._table, found)
        self.tags = TagFiles(container, self.there, self._table, found, addresses)
        self._balance = Balance(self.there, self.tags)
        self._verified = Column(self._table)
        for path, size in verified:
            self._verified.put(path, size)

    def run(
        self,
        sip: bool | None,
        profile: Profile | None,
        jobs: int,
        fast: bool,
        fingerprint: bool,
        events: Events,
    ) -> None:
        """Judge everything; see :func:`validate`."""
        if not self._is_bag():
            return
        self._check(sip, profile)
        events.phase("verify")
        events.started(len(self.there.payload), self.there.payload.total())
        self._compare(jobs, fast, fingerprint, events.advanced)

    # -- structure ------------------------------------------------------------------------------

    def _is_bag(self) -> bool:
        """List what is there; False if there is nothing to examine further."""
        found, there = self._found, self.there
        folder = self._container
        if isinstance(folder, FolderBag) and not folder.is_declared():
            self._no_bag(folder.bags_below())  # what is in it need not be listed, be it a disk
            return False
        there.scan()
        kind = there.irregular.get("bagit.txt")
        if kind is not None or "bagit.txt" in there.folders:
            name = (kind or Kind.FOLDER).value
            found.error("D16", "bagit.txt", f"is a {name}, not a regular file; refusing to read")
            return False
        if "bagit.txt" not in there.tags:
            inner = (p for p in there.tags if re.fullmatch(r"[^/]+/bagit\.txt", p))
            self._no_bag(sorted(path[:-10] for path in inner))
            return False
        if there.irregular.get("data") is Kind.LINK:
            found.error("S03", "data", "is a symbolic link; it was not followed")
        elif "data" in there.tags or "data" in there.irregular:
            found.error("S03", "data", "is not a folder")
        elif "data" not in there.folders:
            found.error("S02", "data/", "missing; every bag needs a payload folder")
        return True

    def _no_bag(self, below: list[str]) -> None:
        for name in below[:BAGS_NAMED]:
            text = f"no bagit.txt here, but {name} is a bag; validate that"
            self._found.error("S01", name, text)
        text = "missing; this folder does not declare itself a bag"
        self._found.error("D01", "bagit.txt", text)

    # -- the whole check ------------------------------------------------------------------------

    def _check(self, sip: bool | None, profile: Profile | None) -> None:
        """Examine everything but the payload's bytes."""
        found, there, tags = self._found, self.there, self.tags
        tags.read()
        manifests, fetch, told = tags.manifests, tags.fetch, tags.told
        is_sip = self._looks_like_sip() if sip is None else sip
        light = is_sip and SIP_JSON in there.payload and sipjson.is_light(self._container)
        if "fetch.txt" in there.tags and not len(fetch) and not light:
            found.warning("F16", "fetch.txt", "promises nothing")
        names.reconcile(manifests, fetch, there.payload, there.links, told, found)
        there.judge(manifests[0].digests.lines if manifests else None)
        if tags.all_read:
            crosscheck.payload(
                there, manifests, fetch, tags.tag_manifests, told, found, is_light=light
            )
        crosscheck.tag_files(there, manifests, tags.tag_manifests, told, found)
        names.clashes(there.payload, fetch, manifests, found)
        names.portability(there.payload, told, found, sip=is_sip)
        oxum = None
        if tags.elements is not None:
            oxum = baginfo.judge(
                tags.info, tags.elements, self._balance.sizes(), told, found, sip=is_sip
            )
        content.strength(manifests, found, is_light=bool(self.missing()), sip=is_sip)
        if is_sip:
            self._check_sip(oxum)
        if profile is not None:
            self._check_profile(profile)
        for one in tags.elements or ():
            if profile is None and one.label.lower() == IDENTIFIER.lower():
                where = (tags.info, one.line)
                found.information("I18", where, f"profile {one.value[:200]} was not checked")

    def _looks_like_sip(self) -> bool:
        there = self.there
        return (
            SIP_JSON in there.payload
            or self._container.name.startswith("sip::")
            or {"data/content", "data/meta"} <= there.folders
        )

    def missing(self) -> list[str]:
        """What fetch.txt promises and is not here."""
        return self._balance.missing()

    def _check_sip(self, oxum: tuple[int, int] | None) -> None:
        there, found, tags = self.there, self._found, self.tags
        for line in tags.fetch.secret:
            found.error("C30", ("fetch.txt", line), "contains credentials (not shown)")
        sipfiles.bag(
            self._container, there, tags.manifests, tags.fetch.lines, tags.told, oxum, found
        )
        listed = {one.algorithm: one for one in tags.manifests}
        facts = sipjson.Bag(self._container, there, tags.fetch, listed)
        self.sip = sipjson.check(facts, found)
        sipfiles.metadata(self._container, self.sip.metadata, self.sip.recid, there, found)

    def _check_profile(self, profile: Profile) -> None:
        tags, there = self.tags, self.there
        facts = Facts(
            elements=tags.elements or (),
            version=tags.told.version,
            encoding=tags.told.encoding,
            manifests=tags.algorithms(tags=False),
            tag_manifests=tags.algorithms(tags=True),
            tag_files=there.tags.keys(),
            payload=there.payload,
            fetch="fetch.txt" in there.tags,
            fetch_paths=tags.fetch.lines,
            serialisation=self._container.serialisation,
        )
        check_profile(profile, facts, self._found)

    # -- bytes, and the end ---------------------------------------------------------------------

    def _compare(
        self, jobs: int, fast: bool, fingerprint: bool, advanced: Callable[[int], None]
    ) -> None:
        """Read the files."""
        sip = self.sip
        reading = content.Content(
            self.there,
            self.tags.manifests,
            self.tags.tag_manifests,
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

    def report(self, path: Path, mode: str, now: int, seconds: float, **more: str) -> Report:
        """All that was found."""
        found, payload = self._found, self.there.payload
        missing = self.missing()
        verdict = "invalid" if found.has_errors else "incomplete" if missing else "valid"
        return Report(
            path,
            verdict,
            found.all(),
            len(payload),
            payload.total(),
            mode,
            self.sip is not None,
            self.tags.told.version,
            tuple(one.algorithm for one in self.tags.manifests),
            len(missing),
            self._balance.promised(missing),
            found.counts,
            types(payload),
            seconds=seconds,
            checked=now,
            tag_files=self._tag_files,
            **more,
        )


def _ignore(path: str, size: int, head: bytes) -> None:
    """A plain bag may hold what it likes."""
