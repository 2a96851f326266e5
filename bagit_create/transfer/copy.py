"""One file of this machine: copied and hashed in one pass."""

from __future__ import annotations

import os
import stat
from collections.abc import Callable
from urllib.parse import unquote_to_bytes

from ..checksums import BLOCK, Digests
from ..errors import Interrupted, TransferError
from ..model import Checksum, FileEntry


def source_path(entry: FileEntry) -> bytes | None:
    """The path that a ``file://`` address names, as bytes; None if the file has none."""
    for url in entry.urls:
        if url.startswith("file:///"):
            return unquote_to_bytes(url[len("file://") :])
    return None


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
    :raises TransferError: if the source is gone, unreadable, no regular file, or changes meanwhile.
    """
    path = source_path(entry)
    assert path is not None
    try:
        source = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
    except OSError as err:
        raise _unreadable(entry, err) from err
    sink = -1
    try:
        before = os.fstat(source)
        if not stat.S_ISREG(before.st_mode):
            raise _changed(entry, "it is no longer a regular file")
        if destination is not None:
            sink = os.open(destination, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o644)
        digests = Digests(algorithms)
        size = 0
        while True:
            try:
                block = os.read(source, BLOCK)
            except OSError as err:
                raise _unreadable(entry, err) from err
            if not block:
                break
            if sink >= 0:
                left = memoryview(block)
                while left:
                    left = left[os.write(sink, left) :]
            digests.update(block)
            size += len(block)
            advanced(len(block))
            if size >= before.st_size and len(block) < BLOCK:
                break  # a regular file's short read is its end; the fstat below makes sure
            if stopped():
                raise Interrupted("The run was ended while files were being copied.")
        after = os.fstat(source)
        if (after.st_size, after.st_mtime_ns) != (before.st_size, before.st_mtime_ns):
            raise _changed(entry, "it was written to while it was read")
        if size != after.st_size or (entry.size is not None and size != entry.size):
            raise _changed(entry, f"expected {entry.size} bytes, found {size}")
        return size, digests.checksums()
    finally:
        os.close(source)
        if sink >= 0:
            os.close(sink)


def _unreadable(entry: FileEntry, err: OSError) -> TransferError:
    name = f"{entry.folder}/{entry.name}".lstrip("/")
    return TransferError(
        f"A file cannot be read: {(err.strerror or str(err)).lower()}.", where=name
    )


def _changed(entry: FileEntry, how: str) -> TransferError:
    return TransferError(
        "A file changed while it was being packaged.",
        where=f"{entry.folder}/{entry.name}".lstrip("/") + f": {how}",
        hint="run again when nothing writes to the folder",
    )
