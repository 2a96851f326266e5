"""Where a bag is, and whether somebody else has changed it."""

from __future__ import annotations

import hashlib
import os
from pathlib import Path

from ..errors import InputError, SipError


def locate(path: Path) -> Path:
    """The bag's own place, absolute and without detours, whatever the current folder becomes.

    :raises InputError: if it is a link or the root of the file system.
    """
    try:
        whole = path.absolute()
        if whole.is_symlink():
            raise InputError(
                "Only a bag in a folder can be changed, and this is a link.",
                where=str(path),
                hint=f"give the folder itself: {os.path.realpath(whole)}",
            )
        whole = whole.resolve() if ".." in whole.parts else whole
    except (OSError, RuntimeError) as err:
        raise unreadable(path, err) from err
    if not whole.name:
        raise InputError("Only a bag in a folder can be changed.", where=str(path))
    return whole


def check_folder(path: Path) -> None:
    """Make sure that a bag can be replaced.

    :raises InputError: if it is no folder.
    :raises SipError: if it is one that cannot be exchanged for another.
    """
    try:
        if path.is_symlink() or not path.is_dir():
            raise InputError(
                "Only a bag in a folder can be changed.",
                where=str(path),
                hint="give the folder of a package; unpack an archive first",
            )
        if path.stat().st_dev != path.parent.stat().st_dev:
            raise SipError(
                "The package is a file system of its own, which cannot be replaced by another.",
                where=str(path),
                hint="move it into a folder of that file system",
            )
        if not os.access(path, os.W_OK | os.X_OK):
            raise SipError(
                "The package's folder may not be written to.",
                where=str(path),
                hint="if it may be changed: chmod u+w",
            )
    except OSError as err:
        raise unreadable(path, err) from err


def state(path: Path) -> str:
    """Another text, if anything in the bag was changed, added or removed.

    It is made of names, inode numbers, sizes and times, so that no file need be read.

    :raises OSError: if a folder cannot be listed.
    """
    found = hashlib.blake2b()
    todo = [os.fspath(path)]
    while todo:
        folder = todo.pop()
        entries = sorted(os.scandir(folder), key=lambda one: one.name)
        for entry in entries:
            facts = entry.stat(follow_symlinks=False)
            line = f"{entry.name}\0{facts.st_ino} {facts.st_mode}"
            if entry.is_dir(follow_symlinks=False):
                todo.append(entry.path)
            else:
                line += f" {facts.st_size} {facts.st_mtime_ns}"
            found.update(f"{len(todo)} {line}\n".encode("utf-8", "surrogateescape"))
    return found.hexdigest()


def is_inside(path: Path) -> bool:
    """Whether the current folder is in the bag."""
    try:
        here = os.getcwd()
    except OSError:
        return False
    return os.path.commonpath((here, os.path.realpath(path))) == os.path.realpath(path)


def unreadable(path: Path, err: Exception) -> SipError:
    """The error for a bag that cannot be looked at."""
    why = getattr(err, "strerror", None) or str(err)
    return SipError(f"The package cannot be read: {why.lower()}.", where=str(path))
