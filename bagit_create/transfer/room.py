"""Whether what is still to come fits on the disk, looked at now and then while it comes."""

from __future__ import annotations

import errno
import os
from collections.abc import Sequence
from pathlib import Path
from threading import Lock

from ..model import Placed

EVERY = 64 * 1024 * 1024
"""Bytes after which the disk is looked at again."""
SPARED = 256 * 1024 * 1024
"""Bytes that are left to others where nobody knows how much is still to come."""


def total_of(placed: Sequence[Placed]) -> int | None:
    """The bytes of all these files, None if the size of one is unknown."""
    total = 0
    for item in placed:
        if item.entry.size is None:
            return None
        total += item.entry.size
    return total


class Room:
    """Counts what is written. Safe to use from many threads.

    :param folder: where it is written.
    :param total: bytes that are still to come, None if nobody knows.
    """

    def __init__(self, folder: Path, total: int | None) -> None:
        self._folder = folder
        self._left = total
        self._since = 0
        self._lock = Lock()

    def count(self, size: int) -> None:
        """So many bytes are about to be written.

        :raises OSError: ``ENOSPC``, before the disk is full to the last byte.
        """
        with self._lock:
            if self._left is not None:
                self._left -= size
            self._since += size
            if self._since < EVERY:
                return
            self._since = 0
            needed = SPARED if self._left is None else self._left
        free = os.statvfs(self._folder)
        if free.f_bavail * free.f_frsize < needed:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), str(self._folder))
