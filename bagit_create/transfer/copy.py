"""One file of this machine: copied and hashed in one pass."""

from __future__ import annotations

import errno
import os
import stat
from collections.abc import Callable

from ..checksums import BLOCK, Digests, ParallelDigests, read_block
from ..errors import MORE_FILES, Interrupted, TransferError
from ..model import Checksum, FileEntry

SMALL = 64 * 1024
"""Bytes up to which memory of their own costs less than that which all reads share."""
LARGE = 64 * 1024 * 1024
"""Bytes from which a file's digests are worth a thread each."""


def copy(
    entry: FileEntry,
    destination: str | None,
    algorithms: tuple[str, ...],
    advanced: Callable[[int], None],
    stopped: Callable[[], bool],
) -> tuple[int, tuple[Checksum, ...]]:
    """Copy a file and compute its digests; the source is opened without following a link.

    :param destination: where to; it must not exist yet. None hashes only.
    :returns: size in bytes, digests.
    :raises TransferError: if the source is gone, unreadable, no regular file, not what was listed,
        or changes meanwhile.
    """
    path = entry.path
    assert path is not None
    try:
        source = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
    except OSError as err:
        raise _unreadable(entry, err) from err
    sink = -1
    digests: Digests | None = None
    try:
        before = os.fstat(source)
        if not stat.S_ISREG(before.st_mode):
            raise _changed(entry, "it is no longer a regular file")
        if entry.size is not None and before.st_size != entry.size:
            raise _changed(entry, f"expected {entry.size} bytes, found {before.st_size}")
        if entry.mtime_ns is not None and before.st_mtime_ns != entry.mtime_ns:
            raise _changed(entry, "it was written to after it was listed")
        if destination is not None:
            sink = os.open(destination, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o644)
        large = before.st_size >= LARGE and len(algorithms) > 1
        digests = ParallelDigests(algorithms) if large else Digests(algorithms)
        size = 0
        while block := _read(source, entry, before.st_size):
            size += len(block)
            if size > before.st_size:
                break  # it is growing, and may never end
            left = block
            while sink >= 0 and left:
                left = left[os.write(sink, left) :]
            digests.update(block)
            advanced(len(block))
            if len(block) < BLOCK and size == before.st_size:
                break  # its end: asking once more costs as much as copying a small file
            if stopped():
                raise Interrupted("The run was ended while files were being copied.")
        if size > BLOCK or entry.mtime_ns is None:  # else the listing is compared in the end
            after = os.fstat(source)
            if (after.st_size, after.st_mtime_ns) != (before.st_size, before.st_mtime_ns):
                raise _changed(entry, "it was written to while it was read")
        if size != before.st_size:
            raise _changed(entry, f"expected {before.st_size} bytes, found {size}")
        return size, digests.checksums()
    finally:
        os.close(source)
        if sink >= 0:
            os.close(sink)
        if isinstance(digests, ParallelDigests):
            digests.close()


def _read(source: int, entry: FileEntry, size: int) -> bytes | memoryview:
    """The next bytes of a file, and not much more than it should have."""
    try:
        return os.read(source, size + 1) if size < SMALL else read_block(source)
    except OSError as err:
        raise _unreadable(entry, err) from err


def _unreadable(entry: FileEntry, err: OSError) -> TransferError:
    name = f"{entry.folder}/{entry.name}".lstrip("/")
    return TransferError(
        f"A file cannot be read: {(err.strerror or str(err)).lower()}.",
        where=name,
        hint=MORE_FILES if err.errno in (errno.EMFILE, errno.ENFILE) else "",
    )


def _changed(entry: FileEntry, how: str) -> TransferError:
    return TransferError(
        "A file changed while it was being packaged.",
        where=f"{entry.folder}/{entry.name}".lstrip("/") + f": {how}",
        hint="run again when nothing writes to the folder",
    )
