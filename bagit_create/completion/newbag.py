"""A bag's next state, made in a folder beside it: its files and folders.

Nothing in the old bag is written to. The old one stands until the new one is complete, verified and
put in its place by one step (see :mod:`.swap`). Tag files that change are in :mod:`.tagfiles`.
"""

from __future__ import annotations

import os
import shutil
from contextlib import suppress
from pathlib import Path
from typing import BinaryIO

from ..checksums import CRYPTOGRAPHIC, DEFAULT_ALGORITHMS
from ..model import Checksum
from ..validation.bag import Examination

PIECE = 1 << 20


class NewBag:
    """What becomes of an examined bag.

    ``algorithms`` are those of the payload manifests in which every file stands that is here.

    :param old: the bag as it was found; ``path`` is its folder.
    :param root: the new bag's folder, in which new payload may be already.
    :param more: whether a SIP gets the manifests that CERN's platform asks for.
    """

    def __init__(self, old: Examination, path: Path, root: Path, *, more: bool = True) -> None:
        self.old = old
        self.path = path
        self.root = root
        strong = tuple(
            one.algorithm for one in old.tags.manifests if one.algorithm in CRYPTOGRAPHIC
        )
        if old.sip is not None and more:
            strong = tuple(dict.fromkeys((*strong, *DEFAULT_ALGORITHMS)))
        self.algorithms = strong
        self.copied: set[str] = set()
        """Payload that :meth:`link` had to copy, where the file system has no second names."""
        self._written: list[str] = []

    def known(self, path: str) -> tuple[Checksum, ...]:
        """What the manifests say of a file."""
        found = []
        for one in self.old.tags.manifests:
            if (value := one.digests.get(path)) is not None:
                found.append(Checksum(one.algorithm, value))
        return tuple(found)

    def link(self, leave_out: set[str]) -> None:
        """Bring over every file, link and folder of the old bag, but for these and the tag files
        that may change.

        :raises OSError: if something cannot be brought over.
        """
        there, tags = self.old.there, self.old.tags
        later = {one.name for one in (*tags.manifests, *tags.tag_manifests)}
        later |= {"fetch.txt", tags.info}
        for folder in sorted(there.folders):
            os.makedirs(self.root / folder, exist_ok=True)
        for path in there.payload:
            if path not in leave_out and self._bring(path):
                self.copied.add(path)
        for path in there.tags:
            if path not in later:
                self._bring(path)
        for path in there.links:
            os.symlink(os.readlink(self.path / path), self.root / path)

    def keep(self, name: str) -> None:
        """Bring over a tag file that need not change."""
        self._bring(name)

    def sink(self, name: str) -> BinaryIO:
        """A new file."""
        self._written.append(name)
        return (self.root / name).open("xb")

    def finish(self) -> None:
        """Give folders and rewritten files the rights and the owners that they had.

        Last of all: what may not be written to cannot be filled.
        """
        for name in self._written:
            self._restore(name)
        for folder in sorted(self.old.there.folders, reverse=True):
            self._restore(folder)
        self._restore("")

    def _restore(self, name: str) -> None:
        with suppress(OSError):  # a new file; or of somebody else, which stays with who runs this
            facts, made = os.lstat(self.path / name), os.lstat(self.root / name)
            if (facts.st_uid, facts.st_gid) != (made.st_uid, made.st_gid):
                with suppress(OSError):
                    os.chown(self.root / name, facts.st_uid, facts.st_gid)
            shutil.copymode(self.path / name, self.root / name)

    def _bring(self, name: str) -> bool:
        """Give a file a second name, or where that cannot be, copy it; whether it was copied."""
        source, destination = self.path / name, self.root / name
        try:
            os.link(source, destination, follow_symlinks=False)
            return False
        except FileExistsError:
            raise
        except OSError:
            with open(source, "rb", opener=_no_links) as file, destination.open("xb") as sink:
                shutil.copyfileobj(file, sink, PIECE)
            with suppress(OSError):
                shutil.copystat(source, destination)
            return True


def _no_links(path: str, flags: int) -> int:
    return os.open(path, flags | os.O_NOFOLLOW | os.O_CLOEXEC)
