"""Which files of an earlier package should be files that upstream lists now."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import suppress
from dataclasses import replace
from typing import Any
from urllib.parse import urlsplit

from .. import log
from ..checksums import CRYPTOGRAPHIC, parse
from ..errors import UpstreamError
from ..model import Checksum, Held, Placed
from ..validation.siphead import SIP_JSON, at
from ..validation.sipjson import MAX_BYTES
from .package import Package

SAFE = CRYPTOGRAPHIC
"""Algorithms by which a file counts as the one that upstream lists.

An adler32 or crc32 is as short as an accident. Of md5 and sha1, two files with one digest can be
made, but only by whoever makes both; nobody can make one for a file that is there. Such two may lie
in one record (they are published as examples). Where a package has them, as its better digests
show, neither is taken; where two are listed, only what has the very same place.
"""
FORGED = ("md5", "sha1")
"""Those of which there are two files with one digest."""


def may_be_held(one: Placed) -> bool:
    """Whether a file comes from upstream, with a checksum by which it can be recognised."""
    is_remote = one.entry.path is None and one.entry.maker is None
    return is_remote and any(sum_.algorithm in SAFE for sum_ in one.entry.checksums)


def held(package: Package, placed: Iterable[Placed]) -> dict[str, Held]:
    """By the bag path of today, the files that a package should have.

    :param placed: the files of the record; those of this machine, and those that are made here,
        are not looked for.
    """
    if package.serialisation and package.serialisation not in ("tar", "zip"):
        log.info(f"no files are taken out of {package.name}: it is compressed as a whole")
        return {}
    wanted: dict[Checksum, list[Placed]] = {}
    for one in filter(may_be_held, placed):
        for checksum in one.entry.checksums:
            if checksum.algorithm in SAFE:
                wanted.setdefault(checksum, []).append(one)
    found: dict[str, Held] = {}
    times: dict[str, tuple[int, frozenset[str]]] = {}
    for checksum, path in _distinct(package, _promised(package, wanted, times)):
        several = len(wanted[checksum]) > 1 and checksum.algorithm in FORGED
        for one in wanted[checksum]:
            if several and path != one.bagpath:
                continue
            if one.bagpath not in found or path == one.bagpath:
                size = package.sizes[path]
                there = Held(package.name, path, size, checksum, open=package.opener(path))
                found[one.bagpath] = there
    for one in (item for items in wanted.values() for item in items):
        if one.bagpath in found and one.entry.size not in (None, found[one.bagpath].size):
            there = found.pop(one.bagpath)
            log.warning(
                f"damaged in an earlier package, so it is fetched again: {there.bagpath} in"
                f" {there.package}: expected {one.entry.size} bytes, found {there.size}"
            )
    if found and package.fault and package.read(SIP_JSON, MAX_BYTES, 0) is None:
        times = {}  # somebody has written in it since
    servers = {one.bagpath: _servers(one.entry.urls) for items in wanted.values() for one in items}
    return {
        path: replace(one, fetched=_fetched(times.get(one.bagpath), servers[path]))
        for path, one in found.items()
    }


def _fetched(told: tuple[int, frozenset[str]] | None, servers: frozenset[str]) -> int | None:
    """When the bytes left upstream; None if they came from other servers then, or nobody knows."""
    return told[0] if told is not None and told[1] & servers else None


def _servers(urls: Any) -> frozenset[str]:
    """The names of the servers in some addresses, or in what should be such."""
    found = set()
    for one in urls if isinstance(urls, (list, tuple)) else [urls]:
        if isinstance(one, str):
            with suppress(ValueError):
                found.add(urlsplit(one).netloc.rpartition("@")[2].lower())
    return frozenset(found - {""})


def _distinct(
    package: Package, promised: Iterable[tuple[Checksum, str]]
) -> Iterator[tuple[Checksum, str]]:
    """All but those whose checksum two files of the package share that are not the same."""
    pairs = tuple(promised)
    first: dict[Checksum, str] = {}
    shared: set[Checksum] = set()
    for checksum, path in pairs:
        other = first.setdefault(checksum, path)
        if other != path and package.digests(other) != package.digests(path):
            shared.add(checksum)
    yield from (one for one in pairs if one[0] not in shared)


def _promised(
    package: Package,
    wanted: dict[Checksum, list[Placed]],
    times: dict[str, tuple[int, frozenset[str]]],
) -> Iterator[tuple[Checksum, str]]:
    """What the manifests and sip.json promise of files that are there, as far as it is wanted.

    :param times: gets when each file was fetched, and from which servers, by bag path.
    """
    pairs: list[tuple[Checksum, str]] = []

    def take(entry: Any) -> None:
        path, fetched = at(entry, "bagpath"), at(entry, "origin", "fetched")
        if not isinstance(path, str) or path not in package.sizes:
            return
        if type(fetched) is int and 0 < fetched <= log.now():
            times[path] = fetched, _servers(at(entry, "origin", "url"))
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
