"""A bag in a folder: listed and read without ever following a link or opening a special file."""

from __future__ import annotations

import os
import stat
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import BinaryIO

from .container import Kind, Member, Take
from .machine import not_here
from .readback import digest, each

LARGE = 64 * 1024 * 1024
"""Bytes from which a file's digests are worth a thread each."""
_KINDS = {
    stat.S_IFREG: Kind.FILE,
    stat.S_IFDIR: Kind.FOLDER,
    stat.S_IFLNK: Kind.LINK,
    stat.S_IFIFO: Kind.FIFO,
    stat.S_IFSOCK: Kind.SOCKET,
}


class FolderBag:
    """The :class:`~.container.Container` that a folder is."""

    serialisation: str | None = None

    def __init__(self, path: Path) -> None:
        self.path = path
        self.name = path.absolute().name
        self._root = os.fspath(path)

    def is_declared(self) -> bool:
        """Whether anything stands where bagit.txt should, or that cannot be told."""
        try:
            os.lstat(f"{self._root}/bagit.txt")
        except FileNotFoundError:
            return False
        except OSError as err:
            not_here(err, self.path)
            return True
        return True

    def bags_below(self) -> list[str]:
        """The names of the folders directly in this one that declare themselves bags."""
        try:
            with os.scandir(self._root) as entries:
                return sorted(
                    one.name
                    for one in entries
                    if one.is_dir(follow_symlinks=False)
                    and os.path.lexists(f"{one.path}/bagit.txt")
                )
        except OSError as err:
            not_here(err, self.path)
            return []

    def members(self, unreadable: Callable[[str, OSError], None]) -> Iterator[Member]:
        """See :meth:`.container.Container.members`."""
        todo = [""]
        while todo:
            folder = todo.pop()
            empty = True
            try:
                with os.scandir(f"{self._root}/{folder}") as entries:
                    for entry in entries:
                        empty = False
                        path = f"{folder}/{entry.name}" if folder else entry.name
                        if entry.is_dir(follow_symlinks=False):
                            todo.append(path)
                        else:
                            yield self._member(path, entry)
            except OSError as err:  # one folder that cannot be read hides no other fault
                unreadable(f"{folder}/", err)
                continue
            if folder:
                yield Member(folder, Kind.FOLDER, empty=empty)

    @staticmethod
    def _member(path: str, entry: os.DirEntry[str]) -> Member:
        facts = entry.stat(follow_symlinks=False)
        kind = _KINDS.get(stat.S_IFMT(facts.st_mode), Kind.DEVICE)
        target = os.readlink(entry.path) if kind is Kind.LINK else ""
        return Member(path, kind, facts.st_size, target)

    def behind(self, link: str) -> tuple[Kind | None, str]:
        """What a link in the bag leads to in the end, and its path if that is in the bag.

        Nothing is opened. None stands for what is not there, a circle, and what is outside.
        """
        root = os.path.realpath(self._root)
        try:
            real = os.path.realpath(f"{self._root}/{link}", strict=True)
            mode = os.lstat(real).st_mode
        except OSError as err:
            not_here(err, link)
            return None, ""
        inside = os.path.commonpath((root, real)) == root and real != root
        kind = _KINDS.get(stat.S_IFMT(mode), Kind.DEVICE)
        return kind, os.path.relpath(real, root) if inside else ""

    def open(self, path: str) -> BinaryIO:
        """See :meth:`.container.Container.open`."""
        file = open(f"{self._root}/{path}", "rb", opener=_no_links)
        if not stat.S_ISREG(os.fstat(file.fileno()).st_mode):
            file.close()
            raise OSError(0, "not a regular file", path)
        return file

    def digest_all(
        self,
        wanted: Iterable[tuple[str, int]],
        algorithms: Callable[[str], tuple[str, ...]],
        take: Take,
        failed: Callable[[str, OSError], None],
        jobs: int,
        advanced: Callable[[int], None] | None = None,
    ) -> None:
        """See :meth:`.container.Container.digest_all`."""

        # Where fewer large files than cores are left, each digest gets a core of its own.
        large = sum(1 for one in wanted if one[1] >= LARGE)
        alone = 0 < large < jobs

        def read(one: tuple[str, int]) -> None:
            path, size = one
            names = algorithms(path)
            parallel = alone and size >= LARGE and len(names) > 1
            try:
                read_bytes, sums, head = digest(
                    f"{self._root}/{path}", names, advanced, parallel=parallel
                )
            except OSError as err:
                failed(path, err)
                return
            take(path, read_bytes, sums, head)

        each(read, wanted, lambda one: one[1], jobs)

    def close(self) -> None:
        """Nothing is held."""


def _no_links(path: str, flags: int) -> int:
    return os.open(path, flags | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
