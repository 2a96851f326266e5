"""One file out of an earlier package: copied and hashed in one pass, and proven."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from contextlib import suppress

from .. import log
from ..checksums import BLOCK, Digests, ParallelDigests
from ..errors import Interrupted, TransferError
from ..model import Checksum, Fetched, Held, Placed
from .checks import compare
from .copy import LARGE


def take_over(
    item: Placed,
    held: Held,
    destination: str,
    algorithms: tuple[str, ...],
    advanced: Callable[[int], None],
    stopped: Callable[[], bool],
) -> Fetched | None:
    """Take a file over, if its bytes are those that upstream lists; else warn, and leave nothing.

    :param destination: where to; what an earlier run left there, a part perhaps, gives way.
    :param algorithms: of the digests; those that upstream published are among them.
    """
    with suppress(FileNotFoundError):
        os.unlink(destination)
    try:
        checksums = _copy(held, destination, algorithms, advanced, stopped)
        compare(item.entry, checksums, f"{held.bagpath} in {held.package}")
    except TransferError as err:
        log.warning(f"damaged in an earlier package, so it is fetched again: {err.where}")
        with suppress(FileNotFoundError):
            os.unlink(destination)
        return None
    return Fetched(item, held.size, checksums, "", log.now(), reused=held)


def _copy(
    held: Held,
    destination: str,
    algorithms: tuple[str, ...],
    advanced: Callable[[int], None],
    stopped: Callable[[], bool],
) -> tuple[Checksum, ...]:
    """Copy a file and compute its digests. It shares nothing with the old one: not even blocks,
    since two packages on the same blocks would be damaged together.

    :raises TransferError: if it cannot be read, or is of another size.
    """
    large = held.size >= LARGE and len(algorithms) > 1
    digests = ParallelDigests(algorithms) if large else Digests(algorithms)
    size = 0
    try:
        with open(destination, "xb", buffering=0) as sink:
            for block in _blocks(held):
                size += len(block)
                if size > held.size:
                    break  # it is growing, and may never end
                left = memoryview(block)
                while left:
                    left = left[sink.write(left) :]
                digests.update(block)
                advanced(len(block))
                if stopped():
                    raise Interrupted("The run was ended while files were being copied.")
        checksums = digests.checksums()
    finally:
        if isinstance(digests, ParallelDigests):
            digests.close()
    if size != held.size:
        raise _damaged(held, f"expected {held.size} bytes, found {size}")
    return checksums


def _blocks(held: Held) -> Iterator[bytes]:
    """The bytes of the old file; errors of writing the new one are another matter."""
    assert held.open is not None
    try:
        with held.open() as source:
            while block := source.read(BLOCK):
                yield block
    except OSError as err:
        raise _damaged(held, f"cannot be read: {err.strerror or err}") from err


def _damaged(held: Held, how: str) -> TransferError:
    return TransferError(
        "A file of an earlier package is damaged.", where=f"{held.bagpath} in {held.package}: {how}"
    )
