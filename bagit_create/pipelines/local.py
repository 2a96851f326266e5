"""A folder (or one file) on this machine.

Links are never followed out of the tree and folders behind links never entered; special files are
never opened. What cannot be read ends the run before anything is packaged, for the caller may
delete the folder once the package is there.
"""

from __future__ import annotations

import hashlib
import os
import stat
from collections.abc import Iterator
from difflib import get_close_matches
from pathlib import Path
from typing import Any
from urllib.parse import quote_from_bytes

from .. import log
from ..client import Client
from ..config import Instance
from ..errors import InputError, TransferError
from ..model import Description, FileEntry, Record, Skipped
from ..options import JobOptions

NAMED_AT_MOST = 20
_SPECIAL = {
    stat.S_IFIFO: "FIFO",
    stat.S_IFSOCK: "socket",
    stat.S_IFCHR: "character device",
    stat.S_IFBLK: "block device",
}


class Local:
    """The folder that ``--source-path`` names."""

    def __init__(self, instance: Instance, client: Client | None, options: JobOptions) -> None:
        self._instance = instance
        self._options = options
        self._given = options.source_path or Path()
        self._author = options.author or ""
        self._prefix = ""
        self._root = ""
        self._files: list[FileEntry] = []
        self._skipped: list[Skipped] = []
        self._empty: list[str] = []
        self._unreadable: list[str] = []
        self._copied_links = 0

    def harvest(self, recid: str | None) -> Record:
        """List the folder; no file is opened. See :meth:`Pipeline.harvest`.

        :raises InputError: if there is no such folder, it is empty, or the target lies in it.
        :raises TransferError: if anything in it cannot be read, naming all of it.
        """
        path = self._resolved()
        self._root = str(path)
        self._prefix = self._hierarchy(path)
        self._list(path)
        if self._unreadable:
            self._refuse_unreadable()
        if not self._files and not self._skipped and not self._empty:
            raise InputError("Given directory is empty.", where=str(self._given))
        absolute = os.path.abspath(self._given)
        digest = hashlib.md5(f"{absolute}{self._author}".encode("utf-8", "surrogateescape"))
        return Record(
            source=self._instance.name,
            recid=recid or digest.hexdigest(),
            requested=recid or digest.hexdigest(),
            files=tuple(self._files),
            description=Description(title=_readable(path.name), creators=(self._author,)),
            skipped=tuple(self._skipped),
            empty_folders=tuple(self._empty),
            notes=tuple(self._notes()),
            source_details={
                "source_path": _shown(self._given),
                "source_base_path": _shown(self._options.source_base_path),
            },
        )

    # -- what was asked for ---------------------------------------------------------------------

    def _resolved(self) -> Path:
        """The real folder or file, which the package must not be made inside of."""
        try:
            path = self._given.resolve(strict=True)
        except (OSError, RuntimeError) as err:
            parent = self._given.absolute().parent
            names = os.listdir(parent) if parent.is_dir() else []
            near = get_close_matches(self._given.name, names, n=1)
            raise InputError(
                "There is no such file or folder to package.",
                where=str(self._given),
                hint=f"did you mean {parent / near[0]}?" if near else "check --source-path",
            ) from err
        for name, place in (("target", self._options.target), ("workdir", self._options.workdir)):
            if place is not None and Path(os.path.realpath(place)).is_relative_to(path):
                raise InputError(
                    f"The {name} is inside the source: the package would be packed into itself.",
                    where=f"{place} is in {self._given}",
                    hint=f"choose another --{name}",
                )
        return path

    def _hierarchy(self, path: Path) -> str:
        """The folders between ``--source-base-path`` and the source: they stay in the bag."""
        base = self._options.source_base_path
        if base is None:
            return ""
        top = path if path.is_dir() else path.parent
        try:
            below = top.relative_to(os.path.realpath(base)).as_posix()
        except ValueError as err:
            raise InputError(
                "source_base_path should include source_path.", where=f"{base} and {self._given}"
            ) from err
        return "" if below == "." else below

    # -- the listing ----------------------------------------------------------------------------

    def _list(self, path: Path) -> None:
        facts = path.stat()
        if stat.S_ISREG(facts.st_mode):
            if not os.access(path, os.R_OK):
                self._unreadable.append(path.name)
                return
            self._root = str(path.parent)
            self._add(str(path), path.name, "", facts)
            return
        if not stat.S_ISDIR(facts.st_mode):
            raise InputError("This is neither a file nor a folder.", where=str(self._given))
        todo = [""]
        while todo:
            folder = todo.pop()
            inner = [self._take(entry, folder) for entry in self._entries(folder)]
            todo.extend(sorted((one for one in inner if one), key=os.fsencode, reverse=True))
            if not inner and folder and folder not in self._unreadable:
                self._empty.append(self._placed(folder))

    def _entries(self, folder: str) -> Iterator[os.DirEntry[str]]:
        """A folder's entries in the order of their names' bytes."""
        place = f"{self._root}/{folder}" if folder else self._root
        try:
            if not os.access(place, os.X_OK):
                raise PermissionError
            with os.scandir(place) as entries:
                return iter(sorted(entries, key=lambda one: os.fsencode(one.name)))
        except OSError:
            self._unreadable.append(folder or ".")
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
                self._skipped.append(Skipped(relative, f"special file ({kind})"))
            elif not os.access(entry.path, os.R_OK):
                self._unreadable.append(relative)
            else:
                self._add(entry.path, entry.name, folder, facts)
        return None

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
            self._skipped.append(Skipped(relative, reason, {"link_target": _readable(text)}))
        elif not os.access(real, os.R_OK):
            self._unreadable.append(relative)
        else:
            self._copied_links += 1
            if self._copied_links <= NAMED_AT_MOST:
                log.warning(f"symbolic link packaged as a copy of its file: {relative} -> {text}")
            self._add(real, name, folder, os.stat(real), link_target=_readable(text))

    def _add(self, path: str, name: str, folder: str, facts: os.stat_result, **origin: Any) -> None:
        relative = f"{folder}/{name}" if folder else name
        self._files.append(
            FileEntry(
                name=name,
                urls=("file://" + quote_from_bytes(os.fsencode(path)),),
                size=facts.st_size,
                folder=self._placed(folder),
                origin={
                    "sourcePath": _readable(relative),
                    "date": int(facts.st_mtime),
                    **origin,
                },
            )
        )

    def _placed(self, folder: str) -> str:
        """A folder of the source as it stands below ``data/content/``."""
        return "/".join(part for part in (self._prefix, folder) if part)

    # -- what to say of it ----------------------------------------------------------------------

    def _refuse_unreadable(self) -> None:
        count = len(self._unreadable)
        more = f" and {count - NAMED_AT_MOST} more" if count > NAMED_AT_MOST else ""
        raise TransferError(
            "Something in the source cannot be read, so nothing was packaged.",
            where=", ".join(map(_readable, self._unreadable[:NAMED_AT_MOST])) + more,
            hint="chmod -R u+rX on the folder, or run as its owner",
        )

    def _notes(self) -> Iterator[str]:
        if self._empty:
            yield f"{len(self._empty)} empty folders are kept by a placeholder named .keep"
        if self._copied_links:
            yield f"{self._copied_links} symbolic links are packaged as copies of their files"


def _readable(text: str) -> str:
    """A name that may not be UTF-8, as text that is."""
    return os.fsencode(text).decode("utf-8", "backslashreplace")


def _shown(path: Path | None) -> str | None:
    """A path for sip.json: as it was given, the home folder not spelt out."""
    if path is None:
        return None
    text = _readable(str(path))
    home = os.path.expanduser("~")
    return f"~{text[len(home):]}" if home != "/" and f"{text}/".startswith(f"{home}/") else text
