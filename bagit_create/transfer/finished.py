"""What an earlier run finished, and whether it is still what upstream lists."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from ..checksums import Digests, fastest, known, parse, read_block
from ..errors import Interrupted, UpstreamError
from ..log import now
from ..model import Checksum, Fetched, FileEntry, Held, Placed
from .partial import listing
from .pool import run

TRUSTED_S = 24 * 3600
"""Seconds for which a finished file is trusted of which upstream gives no checksum."""


def with_published(
    algorithms: tuple[str, ...], entry: FileEntry, otherwise: str = ""
) -> tuple[str, ...]:
    """Digests for the manifests and to compare; ``otherwise`` where upstream's list has none."""
    published = [one.algorithm for one in entry.checksums if known(one)]
    if not published and not otherwise:
        return algorithms
    return tuple(dict.fromkeys((*algorithms, *(published or [otherwise]))))


def fact(fetched: Fetched, entry: FileEntry) -> dict[str, Any]:
    """A finished download, as the journal keeps it.

    :param entry: as upstream listed it; ``fetched`` may know a checksum that came with the file.
    """
    return {
        "bagpath": fetched.placed.bagpath,
        "listing": listing(entry),
        "published": [str(one) for one in fetched.placed.entry.checksums],
        "size": fetched.size,
        "checksums": {one.algorithm: one.value for one in fetched.checksums},
        "url": fetched.url,
        "timestamp": fetched.timestamp,
        "http_status": fetched.http_status,
        **({"reused": _told(fetched.reused)} if fetched.reused else {}),
    }


def _told(held: Held) -> dict[str, Any]:
    """Where a file was taken from, as the journal keeps it."""
    return {
        "package": held.package,
        "bagpath": held.bagpath,
        "checksum": str(held.checksum),
        "fetched": held.fetched,
    }


def _held(left: dict[str, Any]) -> Held | None:
    told = left.get("reused")
    if told is None:
        return None
    return Held(
        str(told["package"]),
        str(told["bagpath"]),
        left["size"],
        parse(told["checksum"]),
        told["fetched"] if type(told["fetched"]) is int else None,
    )


def reusable(
    placed: Sequence[Placed],
    bag: Path,
    finished: Mapping[str, dict[str, Any]],
    algorithms: tuple[str, ...],
    jobs: int,
    stop: Callable[[], None],
    stopped: Callable[[], bool],
) -> dict[str, Fetched]:
    """What an earlier run finished and is still the file that upstream lists, by bag path.

    Each is read from the disk: nobody knows what happened to it since. One that is not what arrived
    then counts for nothing.
    """
    candidates = [one for item in placed if (one := _candidate(item, bag, finished, algorithms))]

    quickest = fastest(algorithms)

    def is_whole(one: Fetched) -> bool:
        expected = next(sum_ for sum_ in one.checksums if sum_.algorithm == quickest)
        try:
            found = _digest(bag / one.placed.bagpath, expected.algorithm, stopped)
        except OSError:
            return False
        return found == (one.size, expected)

    found = run(is_whole, candidates, min(jobs, os.cpu_count() or 1), stop)
    return {one.placed.bagpath: one for one, whole in zip(candidates, found, strict=True) if whole}


def _candidate(
    item: Placed, bag: Path, finished: Mapping[str, dict[str, Any]], algorithms: tuple[str, ...]
) -> Fetched | None:
    """What an earlier run finished, if upstream lists it as it did then.

    Where its list has no checksum, it may have been replaced without a trace: then a run of more
    than a day ago counts for nothing.
    """
    left = finished.get(item.bagpath)
    if left is None:
        return None
    try:
        entry = item.entry
        if left["listing"] != listing(entry):
            return None
        if not any(map(known, entry.checksums)) and now() - left["timestamp"] > TRUSTED_S:
            return None
        if not entry.checksums:  # one may have come with the file
            entry = replace(entry, checksums=tuple(parse(one) for one in left["published"]))
        wanted = with_published(algorithms, entry)
        checksums = tuple(Checksum(name, str(left["checksums"][name])) for name in wanted)
        if os.lstat(bag / item.bagpath).st_size != left["size"]:
            return None
        return Fetched(
            replace(item, entry=entry),
            left["size"],
            checksums,
            left["url"],
            left["timestamp"],
            True,
            left["http_status"],
            read_back=True,
            reused=_held(left),
        )
    except (KeyError, TypeError, AttributeError, OSError, UpstreamError):
        return None


def _digest(path: Path, algorithm: str, stopped: Callable[[], bool]) -> tuple[int, Checksum]:
    """Size and digest of a file of the staged bag."""
    digests = Digests([algorithm])
    size = 0
    source = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC)
    try:
        while block := read_block(source):
            digests.update(block)
            size += len(block)
            if stopped():
                raise Interrupted("The run was ended while it read what an earlier one left.")
    finally:
        os.close(source)
    return size, digests.checksums()[0]
