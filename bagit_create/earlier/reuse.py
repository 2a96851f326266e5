"""Which files of an earlier package should be files that upstream lists now."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import suppress
from typing import Any

from .. import log
from ..checksums import CRYPTOGRAPHIC, parse
from ..errors import UpstreamError
from ..model import Checksum, Held, Placed
from ..validation.siphead import at
from .package import Package

SAFE = CRYPTOGRAPHIC
"""Algorithms by which a file counts as the one that upstream lists.

An adler32 or crc32 is as short as an accident. Of md5 and sha1, two files with one digest can be
made, but only by whoever makes both; nobody can make one for a file that is there.
"""


def held(package: Package, placed: Iterable[Placed]) -> dict[str, Held]:
    """By the bag path of today, the files that a package should have.

    :param placed: the files of the record; those of this machine, and those that are made here,
        are not looked for.
    """
    if package.serialisation and package.serialisation not in ("tar", "zip"):
        log.info(f"no files are taken out of {package.name}: it is compressed as a whole")
        return {}
    wanted: dict[Checksum, list[Placed]] = {}
    for one in placed:
        if one.entry.path is None and one.entry.maker is None:
            for checksum in one.entry.checksums:
                if checksum.algorithm in SAFE:
                    wanted.setdefault(checksum, []).append(one)
    found: dict[str, Held] = {}
    times: dict[str, int] = {}
    for checksum, path in _promised(package, wanted, times):
        for one in wanted[checksum]:
            if one.bagpath not in found or path == one.bagpath:
                size = package.sizes[path]
                made = Held(package.name, path, size, checksum, None, package.opener(path))
                found[one.bagpath] = made
    for one in (item for items in wanted.values() for item in items):
        there = found.get(one.bagpath)
        if there is None:
            continue
        if one.entry.size not in (None, there.size):
            log.warning(
                f"{there.bagpath} in {there.package} is {there.size} bytes long, not"
                f" {one.entry.size}: it is damaged there, and fetched again"
            )
            del found[one.bagpath]
    return {path: _dated(one, times.get(one.bagpath)) for path, one in found.items()}


def _dated(one: Held, fetched: int | None) -> Held:
    return Held(one.package, one.bagpath, one.size, one.checksum, fetched, one.open)


def _promised(
    package: Package, wanted: dict[Checksum, list[Placed]], times: dict[str, int]
) -> Iterator[tuple[Checksum, str]]:
    """What the manifests and sip.json promise of files that are there, as far as it is wanted.

    :param times: gets when each file was fetched, by bag path.
    """
    pairs: list[tuple[Checksum, str]] = []

    def take(entry: Any) -> None:
        path, fetched = at(entry, "bagpath"), at(entry, "origin", "fetched")
        if not isinstance(path, str) or path not in package.sizes:
            return
        if type(fetched) is int:
            times[path] = fetched
        sums = entry.get("checksum")
        for text in sums if isinstance(sums, list) else ():
            with suppress(UpstreamError, AttributeError):
                if (one := parse(text)) in wanted:
                    pairs.append((one, path))

    package.each_entry(take)
    for path in package.sizes:
        for name, value in package.digests(path).items():
            if (one := Checksum(name, value)) in wanted:
                pairs.append((one, path))
    yield from pairs
