"""Read what was just written back from the disk, before the package gets its name."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import TypeVar

from ..checksums import BLOCK, MANIFEST_ALGORITHMS, Digests, read_block
from ..errors import InvalidSip
from ..model import Checksum, Fetched

Item = TypeVar("Item")
SMALL = 64 * 1024
"""Bytes up to which reading a file is mostly interpreter, so that threads would only wait."""


def read_back(
    bag: Path,
    fetched: Sequence[Fetched],
    jobs: int,
    on_bytes: Callable[[int], None] | None = None,
) -> str:
    """Compare every downloaded file with the size and the quickest digest of what arrived.

    :param jobs: threads at most; more than the machine has cores are of no use.
    :returns: the algorithms that were compared: ``"sha1"``.
    :raises InvalidSip: naming up to twenty files that differ.
    """
    wrong: list[str] = []
    used: set[str] = set()

    def check(one: Fetched) -> None:
        expected = _quickest(one.checksums)
        used.add(expected.algorithm)
        try:
            size, found = digest(f"{bag}/{one.placed.bagpath}", (expected.algorithm,), on_bytes)
        except OSError as err:
            wrong.append(f"{one.placed.bagpath}: {err.strerror}")
            return
        if size != one.size or found[0] != expected:
            wrong.append(
                f"{one.placed.bagpath}: expected {one.size} bytes, {expected}; "
                f"on disk are {size} bytes, {found[0]}"
            )

    each(check, [one for one in fetched if one.downloaded], lambda one: one.size, jobs)
    if wrong:
        raise InvalidSip(
            "What was written is not what arrived: the disk gave other bytes back.",
            findings=sorted(wrong)[:20],
        )
    return ", ".join(sorted(used))


def each(
    work: Callable[[Item], None], items: Iterable[Item], size: Callable[[Item], int], jobs: int
) -> None:
    """Call ``work`` for every item: large files in threads, small ones in this one."""
    small: list[Item] = []
    with ThreadPoolExecutor(max(1, min(jobs, os.cpu_count() or 1))) as pool:
        waiting = []
        for item in items:
            if size(item) > SMALL:
                waiting.append(pool.submit(work, item))
            else:
                small.append(item)
        for item in small:
            work(item)
        for one in waiting:
            one.result()


def digest(
    path: str | bytes, algorithms: Sequence[str], on_bytes: Callable[[int], None] | None = None
) -> tuple[int, tuple[Checksum, ...]]:
    """Read a regular file once, never through a link: its size in bytes and its digests.

    :raises OSError: if it cannot be read.
    """
    digests = Digests(algorithms)
    size = 0
    source = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
    try:
        while block := read_block(source):
            digests.update(block)
            size += len(block)
            if on_bytes is not None:
                on_bytes(len(block))
            if len(block) < BLOCK and size >= os.fstat(source).st_size:
                break
    finally:
        os.close(source)
    return size, digests.checksums()


def _quickest(checksums: Sequence[Checksum]) -> Checksum:
    """The one to compare: of those a manifest may hold, the quickest to compute."""
    order = MANIFEST_ALGORITHMS
    return min(
        checksums,
        key=lambda one: order.index(one.algorithm) if one.algorithm in order else len(order),
    )
