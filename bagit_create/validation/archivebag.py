"""What tar and zip have in common as places where a bag is."""

from __future__ import annotations

import io
import os
from abc import abstractmethod
from collections.abc import Callable, Collection, Iterable, Iterator
from pathlib import Path
from threading import Lock
from typing import BinaryIO

from ..checksums import Digests, ParallelDigests
from ..model import Checksum
from .container import Container, Member, Take
from .findings import Findings
from .listing import ArchiveFault, Listing, stem
from .readback import HEAD, each

Block = bytes | memoryview
LARGE = 16 << 20
"""Bytes from which a file is worth a thread for each of its digests."""


class ArchiveBag(Container):
    """A bag in an archive: who derives from it says how the members are listed and read.

    :param path: of the archive; ``name`` of the bag is known once it is settled.
    :param descriptor: of the open archive. Reading is by offset, from any thread.
    """

    serialisation: str | None

    def __init__(self, path: Path, descriptor: int, found: Findings) -> None:
        self.path = path
        self.name = ""
        self.descriptor = descriptor
        self.size = os.fstat(descriptor).st_size
        self.found = found
        self.listing = Listing(path, found)
        self.unusable: dict[int, str] = {}
        """By row, why a member that is listed cannot be read; it has been told."""
        self.whole = True
        """Whether it could be listed to its end; if not, that has been told."""
        self._state = _state(descriptor)
        self._told: set[str] = set()
        self._lock = Lock()

    # -- for those who derive -----------------------------------------------------------------

    @abstractmethod
    def blocks(self, row: int) -> Iterator[Block]:
        """The bytes of a member. A block is good until the next one.

        :raises OSError: if it cannot be read, or is not what was declared.
        """

    def settle(self, flat_ok: bool) -> bool:
        """Find the bag, once all members are listed; see :meth:`Listing.settle`."""
        if not self.whole and not self.listing.sizes:
            return False
        usable = self.listing.settle(flat_ok)
        self.name = self.listing.base or stem(self.path.name)
        return usable

    def offset(self, path: str) -> int:
        """Where in the archive a file is: reading is quickest in that order."""
        row = self.listing.rows.get(path)
        return 0 if row is None else self.listing.offsets[row]

    def row(self, path: str) -> int:
        """Where a regular file stands in the listing.

        :raises OSError: if it is none, or is known to be unreadable.
        """
        row = self.listing.file(path)
        if row in self.unusable:
            raise ArchiveFault(self.unusable[row])
        return row

    def tell(self, path: str, err: OSError) -> None:
        """Report, once for each file, that the archive is damaged there."""
        with self._lock:
            if path in self._told:
                return
            self._told.add(path)
        row = self.listing.rows.get(path)
        if isinstance(err, ArchiveFault) and row not in self.unusable:
            self.found.error(err.number, self.listing.full(path), str(err.strerror))

    def spoil(self, row: int | None, name: str, why: str, number: str = "Z07") -> None:
        """Report a listed member that cannot be used."""
        self.found.error(number, name, why)
        if row is not None:
            self.unusable[row] = why

    # -- the container ------------------------------------------------------------------------

    def members(self, unreadable: Callable[[str, OSError], None]) -> Iterator[Member]:
        """All that is in the bag but its base directory; folders are there if anything is in them.

        Links and devices are listed, and cannot be opened.

        :param unreadable: is not called: it has been told already where the listing ends too soon.
        """
        return self.listing.members()

    def open(self, path: str) -> BinaryIO:
        """Open a regular file for reading once, from its beginning.

        :raises OSError: if it is none, or cannot be read. So do the methods of what is returned, if
            the archive turns out to be damaged there; that is reported as a finding too.
        """
        try:
            return io.BufferedReader(_File(self, path, self.blocks(self.row(path))))
        except OSError as err:
            self.tell(path, err)
            raise

    def digest_all(
        self,
        wanted: Iterable[tuple[str, int]],
        algorithms: Callable[[str], tuple[str, ...]],
        take: Take,
        failed: Callable[[str, OSError], None],
        jobs: int,
        advanced: Callable[[int], None] | None = None,
    ) -> None:
        """Read each of these files once, in the order in which they stand in the archive.

        Damage is reported as a finding too; see :meth:`.container.Container.digest_all`.
        """
        # Where fewer large files than cores are left, each digest gets a core of its own.
        alone = sum(1 for one in wanted if one[1] > LARGE) < min(jobs, os.cpu_count() or 1)

        def read(one: tuple[str, int]) -> None:
            path, size = one
            names = algorithms(path)
            parallel = alone and size > LARGE and len(names) > 1
            try:
                facts = digest(self.blocks(self.row(path)), names, advanced, parallel)
            except OSError as err:
                self.tell(path, err)
                failed(path, err)
                return
            take(path, *facts)

        each(read, self.in_order(wanted), lambda one: one[1], jobs)
        self.check_unchanged()

    def in_order(self, wanted: Iterable[tuple[str, int]]) -> Iterable[tuple[str, int]]:
        """As they stand in the archive. Mostly they are asked for so, and no list is needed."""
        last = 0
        for path, _ in wanted:
            here = self.offset(path)
            if here < last:
                return sorted(wanted, key=lambda one: self.offset(one[0]))
            last = max(last, here)
        return wanted

    def check_unchanged(self) -> None:
        """Report an archive that somebody wrote to since it was listed."""
        if _state(self.descriptor) != self._state:
            self.found.error("Z07", self.path.name, "the archive changed while it was read")

    def close(self) -> None:
        """Let go of the archive. Files that were opened cannot be read any more."""
        if self.descriptor >= 0:
            os.close(self.descriptor)
            self.descriptor = -1


class _File(io.RawIOBase):
    """A member as a file."""

    def __init__(self, bag: ArchiveBag, path: str, blocks: Iterator[Block]) -> None:
        self._bag = bag
        self._path = path
        self._blocks = blocks
        self._left = b""

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: memoryview) -> int:  # type: ignore[override]
        while not self._left:
            try:
                block = next(self._blocks, None)
            except OSError as err:
                self._bag.tell(self._path, err)
                raise
            if block is None:
                return 0
            self._left = bytes(block)  # the next reader in this thread may use the same memory
        count = min(len(buffer), len(self._left))
        buffer[:count] = self._left[:count]
        self._left = self._left[count:]
        return count


def digest(
    blocks: Iterator[Block],
    algorithms: Collection[str],
    advanced: Callable[[int], None] | None,
    parallel: bool,
) -> tuple[int, tuple[Checksum, ...], bytes]:
    """Read all blocks: how many bytes they are, their digests, and the first of them.

    :param parallel: compute each digest in a thread of its own.
    :raises OSError: as reading them does.
    """
    size = 0
    head = b""
    digests = ParallelDigests(algorithms) if parallel else Digests(algorithms)
    try:
        for block in blocks:
            digests.update(block)
            head = head or bytes(block[:HEAD])
            size += len(block)
            if advanced is not None:
                advanced(len(block))
        return size, digests.checksums(), head
    finally:
        if isinstance(digests, ParallelDigests):
            digests.close()


def _state(descriptor: int) -> tuple[int, int]:
    now = os.fstat(descriptor)
    return now.st_size, now.st_mtime_ns
