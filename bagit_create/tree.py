"""A folder on this machine, listed: regular files, and what cannot be packaged as it is.

Links are never followed out of the tree and folders behind links never entered; special files are
never opened.
"""

from __future__ import annotations

import errno
import os
import stat
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from . import log
from .errors import InputError
from .log import readable
from .model import FileEntry, Skipped

NAMED_AT_MOST = 20
"""Things that a message names one by one; sip.json has all."""
EXHAUSTED = frozenset((errno.EMFILE, errno.ENFILE, errno.ENOMEM))
"""Errors that a folder has nothing to do with: this process may have no more files or memory."""
_SPECIAL = {
    stat.S_IFIFO: "FIFO",
    stat.S_IFSOCK: "socket",
    stat.S_IFCHR: "character device",
    stat.S_IFBLK: "block device",
}


class Tree:
    """What :meth:`scan` finds below a folder (or the one file) ``path``, links resolved.

    ``prefix`` is put before every folder: the part of the hierarchy above that stays in the bag.
    """

    def __init__(self, path: Path, prefix: str) -> None:
        self._path = path
        self._root = str(path)
        self._prefix = prefix
        self.files: list[FileEntry] = []
        self.skipped: list[Skipped] = []
        self.empty: list[str] = []
        self.unreadable: list[str] = []
        self.copied_links = 0
        self._times: dict[str, int] = {}
        self._user = os.geteuid()

    def scan(self) -> None:
        """List everything below the root; no file is opened and no link entered.

        :raises OSError: if something vanishes meanwhile, or no more files may be open.
        """
        path = self._path
        facts = path.stat()
        if stat.S_ISREG(facts.st_mode):
            if not os.access(path, os.R_OK):
                self.unreadable.append(path.name)
                return
            self._root = str(path.parent)
            self._add(str(path), path.name, "", facts)
            return
        if not stat.S_ISDIR(facts.st_mode):
            raise InputError("This is neither a file nor a folder.", where=str(path))
        todo = [""]
        while todo:
            folder = todo.pop()
            inner = [self._take(entry, folder) for entry in self._entries(folder)]
            todo.extend(sorted((one for one in inner if one), key=os.fsencode, reverse=True))
            if not inner and folder and folder not in self.unreadable:
                self.empty.append(self._placed(folder))

    def changed(self) -> tuple[list[str], list[str]]:
        """What is not as it was listed any more.

        :returns: the files that were written to, or are gone; the folders in which something
            appeared or vanished.
        """
        files = []
        lstat = os.lstat
        for one in self.files:
            try:
                facts = lstat(one.path)  # type: ignore[arg-type]  # each of these has a path
                if facts.st_mtime_ns == one.mtime_ns and facts.st_size == one.size:
                    continue
            except OSError:
                pass
            files.append(one.origin["sourcePath"])
        folders = []
        for folder, then in self._times.items():
            try:
                if os.stat(f"{self._root}/{folder}").st_mtime_ns == then:
                    continue
            except OSError:
                pass
            folders.append(folder or ".")
        return files, folders

    def _entries(self, folder: str) -> Iterator[os.DirEntry[str]]:
        """A folder's entries in the order of their names' bytes."""
        place = f"{self._root}/{folder}" if folder else self._root
        try:
            self._times[folder] = os.stat(place).st_mtime_ns
            if not os.access(place, os.X_OK):
                raise PermissionError
            with os.scandir(place) as entries:
                return iter(sorted(entries, key=lambda one: os.fsencode(one.name)))
        except OSError as err:
            if err.errno in EXHAUSTED:
                raise
            self.unreadable.append(folder or ".")
            return iter(())

    def _take(self, entry: os.DirEntry[str], folder: str) -> str | None:
        """Note an entry; for a folder, return its path for its own turn."""
        relative = f"{folder}/{entry.name}" if folder else entry.name
        if entry.is_symlink():
            self._link(entry.path, relative, folder, entry.name)
        elif entry.is_dir(follow_symlinks=False):
            return relative
        else:
            facts = entry.stat(follow_symlinks=False)
            if not stat.S_ISREG(facts.st_mode):
                kind = _SPECIAL.get(stat.S_IFMT(facts.st_mode), "unknown kind")
                self.skipped.append(Skipped(readable(relative), f"special file ({kind})"))
            elif not (self._is_ours(facts) or os.access(entry.path, os.R_OK)):
                self.unreadable.append(relative)
            else:
                self._add(entry.path, entry.name, folder, facts)
        return None

    def _is_ours(self, facts: os.stat_result) -> bool:
        """Whether a file surely can be read: asking the system for each takes its time."""
        return facts.st_uid == self._user and bool(facts.st_mode & stat.S_IRUSR)

    def _link(self, path: str, relative: str, folder: str, name: str) -> None:
        """A link to a file of this tree becomes a copy of it; any other is reported."""
        text = os.readlink(path)
        real = os.path.realpath(path)
        reason = ""
        if not os.path.lexists(real) or os.path.islink(real):
            reason = "dangling symbolic link"
        elif not f"{real}/".startswith(f"{self._root}/"):
            reason = "symbolic link out of the source folder"
        elif os.path.isdir(real):
            reason = "symbolic link to a folder"
        elif not os.path.isfile(real):
            reason = "symbolic link to a special file"
        if reason:
            self.skipped.append(
                Skipped(readable(relative), reason, {"link_target": readable(text)})
            )
        elif not os.access(real, os.R_OK):
            self.unreadable.append(relative)
        else:
            self.copied_links += 1
            if self.copied_links <= NAMED_AT_MOST:
                log.warning(f"symbolic link packaged as a copy of its file: {relative} -> {text}")
            self._add(real, name, folder, os.stat(real), link_target=readable(text))

    def _add(self, path: str, name: str, folder: str, facts: os.stat_result, **origin: Any) -> None:
        relative = f"{folder}/{name}" if folder else name
        self.files.append(
            FileEntry(
                name=name,
                urls=(),
                size=facts.st_size,
                path=os.fsencode(path),
                mtime_ns=facts.st_mtime_ns,
                folder=self._placed(folder),
                origin={
                    "sourcePath": readable(relative),
                    "date": int(facts.st_mtime),
                    **origin,
                },
            )
        )

    def _placed(self, folder: str) -> str:
        """A folder of the source as it stands below ``data/content/``."""
        if not (self._prefix and folder):
            return self._prefix or folder
        return f"{self._prefix}/{folder}"
