"""What of a bag is to be fetched, and from where; everything that can be refused is refused here,
before any request."""

from __future__ import annotations

import os
import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

from ..checksums import known
from ..errors import InputError
from ..model import Checksum, FileEntry, Missing, Placed
from ..report import Finding, Report
from ..validation.bag import Examination
from ..validation.readback import digest
from . import sipjson
from .newbag import NewBag
from .options import CompletionOptions, matches
from .policy import Policy, Refused, refuse
from .sipjson import SIP_JSON, Told
from .tagtext import OXUM

WRONG_HERE = ("M03", "C25", "C27", "C53")
"""Findings about a file that is here and not what it should be."""
LONGEST_NAME = 255
"""Bytes of a name, on all usual file systems."""


@dataclass(frozen=True)
class Plan:
    """``placed`` are the files to fetch, with all addresses that may be asked; ``wrong`` are those
    of them that are here already; ``too_large`` are over the user's limit."""

    placed: tuple[Placed, ...] = ()
    wrong: frozenset[str] = frozenset()
    too_large: tuple[Missing, ...] = ()

    def addresses(self) -> set[str]:
        """All that may be asked."""
        return {url for one in self.placed for url in one.entry.urls}


class Planner:
    """Makes the plan for one examined bag in the folder ``path``."""

    def __init__(
        self, path: Path, report: Report, old: Examination, options: CompletionOptions
    ) -> None:
        self._path = path
        self._report = report
        self._old = old
        self._options = options
        self._bag = NewBag(old, path, path)
        self._told: dict[str, Told] = {}
        self.faults: list[str] = []
        """What is wrong with the bag, or would be wrong with the next one."""

    def look(self) -> tuple[list[str], frozenset[str]]:
        """The paths to fetch, in the order of fetch.txt, and which of them are here and wrong.

        :raises InputError: if ``--only`` names nothing.
        """
        old, options = self._old, self._options
        missing = old.missing()
        self._read_sip(missing)
        wrong = self._wrong() if options.replace else []
        only = options.only
        chosen = [path for path in (*missing, *wrong) if matches(path, only)]
        if only and (missing or wrong) and not chosen:
            raise InputError("No file that is missing has such a name.", where=", ".join(only))
        taken = frozenset(wrong) & frozenset(chosen)
        self._judge(wrong if len(taken) == len(wrong) else [])
        self.faults += self._unplaceable(chosen)
        return chosen, taken

    def plan(self, chosen: list[str], wrong: frozenset[str], policy: Policy) -> Plan:
        """Find out where the files are.

        :raises InputError: if one has no address that may be asked.
        """
        fetch, refused = self._old.tags.fetch, Refused()
        urls = fetch.urls or {}
        placed, too_large = [], []
        for path in chosen:
            told = self._told.get(path, Told())
            size = fetch.sizes.get(path)
            size = told.size if size is None else size
            allowed = policy.addresses((urls[path], *told.urls), refused)
            entry = FileEntry(
                name=os.path.basename(path),
                urls=allowed,
                size=size,
                checksums=tuple(dict.fromkeys(self._expected(path))),
                path=next((here for url in allowed if (here := policy.local(url))), None),
            )
            if self._options.max_size and (size or 0) > self._options.max_size:
                reason = f"it has {size} bytes, more than --max-size allows"
                too_large.append(Missing(Placed(entry, path), reason))
            else:
                placed.append(Placed(entry, path))
        refuse(refused, self._path)
        return Plan(tuple(placed), wrong, tuple(too_large))

    # -- what is wrong ------------------------------------------------------------------------

    def _read_sip(self, missing: Iterable[str]) -> None:
        """Learn what sip.json says of the files that may be fetched."""
        if self._old.sip is None or SIP_JSON not in self._old.there.payload:
            return
        wanted = set(missing) | (set(self._promised_here()) if self._options.replace else set())
        self._told, self.faults = sipjson.told(self._path / SIP_JSON, wanted, self._report)
        lost = [
            f"{path}: {SIP_JSON} does not name it" for path in missing if path not in self._told
        ]
        self.faults += lost[:20]

    def _promised_here(self) -> Iterator[str]:
        payload = self._old.there.payload
        lines = self._old.tags.fetch.lines
        return (path for path in lines if path in payload and path != SIP_JSON)

    def _expected(self, path: str) -> Iterator[Checksum]:
        """Every digest that is told of a file and can be compared."""
        yield from filter(known, self._bag.known(path))
        yield from self._told.get(path, Told()).checksums

    def _wrong(self) -> list[str]:
        """The files that are here, promised, and not what they should be; read from the disk."""
        return [path for path in self._promised_here() if self._is_wrong(path)]

    def hint(self) -> str:
        """What the user may try if there are faults."""
        about = any(one.level == "error" and one.id in WRONG_HERE for one in self._report.findings)
        if about and not self._options.replace and next(self._promised_here(), ""):
            return "--replace fetches again what fetch.txt promises, is here, and is wrong"
        return ""

    def _is_wrong(self, path: str) -> bool:
        expected = tuple(dict.fromkeys(self._expected(path)))
        told, size = self._told.get(path, Told()), self._old.there.payload[path]
        if told.size is not None and told.size != size:
            return True
        if not expected:
            return False
        names = tuple(dict.fromkeys(one.algorithm for one in expected))
        try:
            _, sums, _ = digest(f"{self._path}/{path}", names)
        except OSError:
            return True
        return any(one not in sums for one in expected)

    def _judge(self, wrong: list[str]) -> None:
        """Note every fault but those of files that will be replaced.

        :param wrong: these files.
        """
        errors = [one for one in self._report.findings if one.level == "error"]
        about = [one for one in errors if one.id in WRONG_HERE]
        if about and wrong and self._mismatches(wrong) == _count(about, "M03"):
            forgiven = (*WRONG_HERE, "I05") if self._would_fit(wrong) else WRONG_HERE
            errors = [one for one in errors if one.id not in forgiven]
        self.faults += [str(one) for one in errors]

    def _would_fit(self, wrong: list[str]) -> bool:
        """Whether Payload-Oxum is right of the payload as it is promised."""
        old = self._old
        payload = old.there.payload
        sizes = {path: old.tags.fetch.sizes.get(path) for path in (*wrong, *old.missing())}
        if None in sizes.values() or old.there.links:
            return False
        total = sum(payload[path] for path in payload if path not in sizes)
        total += sum(filter(None, sizes.values()))
        oxum = f"{total}.{len({*payload, *sizes})}"
        elements = old.tags.elements or ()
        return {oxum} == {one.value for one in elements if one.label.lower() == OXUM}

    def _mismatches(self, wrong: list[str]) -> int:
        """How many lines of manifests these files contradict."""
        found = 0
        for path in wrong:
            expected = [one for one in self._bag.known(path) if known(one)]
            names = tuple(dict.fromkeys(one.algorithm for one in expected))
            if names:
                _, sums, _ = digest(f"{self._path}/{path}", names)
                found += sum(one not in sums for one in expected)
        return found

    def _unplaceable(self, chosen: list[str]) -> list[str]:
        """Why files could not be put where they belong: one would be another's folder, say."""
        there = self._old.there
        files = {*chosen, *there.payload, *there.irregular}
        found = []
        for path in chosen:
            parents = (path[: match.start()] for match in re.finditer("/", path))
            if path in there.folders or any(parent in files for parent in parents):
                found.append(f"{path}: it would be a file and a folder")
            elif not _can_be(path):
                found.append(f"{path}: no file can have this name here")
        return found


def _can_be(path: str) -> bool:
    try:
        return all(len(os.fsencode(name)) <= LONGEST_NAME for name in path.split("/"))
    except UnicodeEncodeError:
        return False


def _count(findings: Iterable[Finding], number: str) -> int:
    """How many there are of one kind, those too that were too many to keep."""
    total = 0
    for one in findings:
        if one.id == number:
            more = re.fullmatch(rf"(\d+) more of {number}", one.message)
            total += int(more[1]) if more else 1
    return total
