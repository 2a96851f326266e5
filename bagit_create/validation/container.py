"""Where a bag is: a folder, or a serialised one (tar, zip) that is never unpacked to disk."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from enum import Enum
from pathlib import Path
from typing import BinaryIO, NamedTuple, Protocol

from ..model import Checksum


class Kind(Enum):
    """What stands under a path."""

    FILE = "file"
    FOLDER = "folder"
    LINK = "symbolic link"
    FIFO = "FIFO"
    SOCKET = "socket"
    DEVICE = "device"


class Member(NamedTuple):
    """One thing in a bag: its path below the base directory, ``/``-separated, without ``./``.

    ``size`` is in bytes, of files only. ``target`` is where a link leads, as it is written there.
    ``empty`` is set for folders with nothing in them.
    """

    path: str
    kind: Kind
    size: int = 0
    target: str = ""
    empty: bool = False


Take = Callable[[str, int, tuple[Checksum, ...], bytes], None]
"""Called with a path, the number of bytes read, their digests, and the first of them."""


class Container(Protocol):
    """A bag that can be looked at. Links are never followed and special files never opened."""

    path: Path
    name: str
    """Of the base directory."""
    serialisation: str | None
    """``"tar"``, ``"tar.gz"``, ``"zip"`` and so on; None for a folder."""

    def members(self, unreadable: Callable[[str, OSError], None]) -> Iterator[Member]:
        """All that is in the bag but its base directory, in no order.

        :param unreadable: called for each folder, or part of an archive, that cannot be listed.
        """

    def open(self, path: str) -> BinaryIO:
        """Open a regular file for reading once, from its beginning.

        :raises OSError: if it is none, or cannot be read.
        """

    def digest_all(
        self,
        wanted: Iterable[tuple[str, int]],
        algorithms: Callable[[str], tuple[str, ...]],
        take: Take,
        failed: Callable[[str, OSError], None],
        jobs: int,
        advanced: Callable[[int], None] | None = None,
    ) -> None:
        """Read each of these files once, in whatever order is quickest.

        :param wanted: paths, and their sizes in bytes; may be gone through several times.
        :param algorithms: tells for a path which digests to compute.
        :param take: called for each file read, from several threads.
        :param failed: called for each that cannot be read.
        :param advanced: called with the number of bytes read since the last call.
        """

    def close(self) -> None:
        """Let go of the archive."""
