"""Read what was just written back from the disk, before the package gets its name."""

from __future__ import annotations

import os
import stat
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from threading import Event, Lock
from typing import TypeVar

from ..checksums import BLOCK, MANIFEST_ALGORITHMS, Digests, ParallelDigests, read_block
from ..errors import InvalidSip
from ..model import Checksum, Fetched
from .machine import not_here

Item = TypeVar("Item")
SMALL = 64 * 1024
"""Bytes up to which reading a file is mostly interpreter, so that threads would only wait."""
HEAD = 512
"""Bytes at a file's beginning that tell what it is."""


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
    :raises SipError: if this machine cannot read one of them here and now.
    """
    wrong: list[str] = []
    used: set[str] = set()

    def check(one: Fetched) -> None:
        expected = _quickest(one.checksums)
        used.add(expected.algorithm)
        try:
            size, found, _ = digest(f"{bag}/{one.placed.bagpath}", (expected.algorithm,), on_bytes)
        except OSError as err:
            not_here(err, bag / one.placed.bagpath)
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
    """Call ``work`` for every item: large files in threads, small ones in this one.

    :param items: gone through more than once; nothing is kept of them.
    """
    width = max(1, min(jobs, os.cpu_count() or 1))
    if not any(size(item) > SMALL for item in items):
        for item in items:
            work(item)
        return
    large = (item for item in items if size(item) > SMALL)
    lock = Lock()
    stopped = Event()

    def take_turns() -> None:
        while not stopped.is_set():
            with lock:
                item = next(large, None)
            if item is None:
                return
            try:
                work(item)
            except BaseException:  # what one has ended for ends all
                stopped.set()
                raise

    with ThreadPoolExecutor(width) as pool:
        waiting = [pool.submit(take_turns) for _ in range(width)]
        try:
            for item in items:
                if size(item) <= SMALL and not stopped.is_set():
                    work(item)
            for one in waiting:
                one.result()
        except BaseException:  # Ctrl-C, say: what is under way is the last
            stopped.set()
            raise


def digest(
    path: str | bytes,
    algorithms: Sequence[str],
    on_bytes: Callable[[int], None] | None = None,
    *,
    parallel: bool = False,
) -> tuple[int, tuple[Checksum, ...], bytes]:
    """Read a regular file once, never through a link.

    :param parallel: compute each digest in a thread of its own.
    :returns: its size in bytes, its digests, and its first bytes.
    :raises OSError: if it cannot be read, or is no regular file.
    """
    size = 0
    head = b""
    source = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
    digests = ParallelDigests(algorithms) if parallel else Digests(algorithms)
    try:
        while block := read_block(source):
            digests.update(block)
            head = head or bytes(block[:HEAD])
            size += len(block)
            if on_bytes is not None:
                on_bytes(len(block))
            if len(block) < BLOCK:
                facts = os.fstat(source)
                if size >= facts.st_size or not stat.S_ISREG(facts.st_mode):
                    break
        return size, digests.checksums(), head
    finally:
        os.close(source)
        if isinstance(digests, ParallelDigests):
            digests.close()


def _quickest(checksums: Sequence[Checksum]) -> Checksum:
    """The one to compare: of those a manifest may hold, the quickest to compute."""
    order = MANIFEST_ALGORITHMS
    return min(
        checksums,
        key=lambda one: order.index(one.algorithm) if one.algorithm in order else len(order),
    )
