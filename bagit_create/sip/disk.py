"""The disk a package is written to: may we, is there room, is it really there, what went wrong."""

from __future__ import annotations

import ctypes
import errno
import os
import stat
from pathlib import Path

from ..errors import MORE_FILES, NoRoom, SipError


def check_target(target: Path) -> None:
    """Make sure, before anything is asked of upstream, that a package can appear in ``target``.

    :raises SipError: if it is no folder or may not be written.
    """
    place = target
    try:
        place = target.absolute()
        while not _is_folder(place) and place != place.parent:
            place = place.parent
        # It may be gone by now: other runs tidy away what they have made.
        if os.path.lexists(place) and not os.access(place, os.W_OK | os.X_OK):
            raise PermissionError(errno.EACCES, "permission denied")
    except OSError as err:
        raise cannot_write(err, place) from err


def _is_folder(place: Path) -> bool:
    """Whether there is a folder of that name; it may be one that no folder can have.

    :raises NotADirectoryError: if something else is there.
    :raises OSError: if nobody can tell.
    """
    try:
        mode = os.lstat(place).st_mode
        if stat.S_ISLNK(mode):
            mode = os.stat(place).st_mode
    except (FileNotFoundError, NotADirectoryError):
        if os.path.islink(place):
            raise NotADirectoryError(errno.ENOTDIR, "it is not a folder") from None
        return False
    if not stat.S_ISDIR(mode):
        raise NotADirectoryError(errno.ENOTDIR, "it is not a folder")
    return True


FULL = (errno.ENOSPC, errno.EDQUOT)
"""What the system says when there is no room, on the disk or within the user's quota."""
OWN_BYTES = 1024
"""Bytes that a package's own files take for each file, at most."""
OWN_FILES = 20
"""Files and folders that a package has beside its payload, at most."""


def check_space(
    target: Path,
    needed: int,
    files: int,
    here: tuple[int, int] = (0, 0),
    *,
    option: str = "target",
) -> None:
    """Make sure that so many bytes and files fit into the target's file system.

    :param here: bytes and files of them that an earlier run left there.
    :param option: the option that names the place: ``"target"`` or ``"workdir"``.
    :raises NoRoom: naming what is missing; a later run can go on with what is there.
    """
    place = {"target": "target", "workdir": "work folder"}[option]
    free = os.statvfs(target)
    room = free.f_bavail * free.f_frsize
    needed = max(0, needed - here[0]) + OWN_BYTES * files
    files = max(0, files - here[1])
    if needed > room:
        raise NoRoom(
            f"The package cannot be written: there is not enough room on the {place}'s disk.",
            where=f"{target}: {needed} bytes are needed, {room} are free, "
            f"{needed - room} are missing",
            hint=f"make room there, or choose another --{option}",
        )
    if free.f_files and files + OWN_FILES > free.f_favail:
        raise NoRoom(
            f"The package cannot be written: the {place}'s disk has room for too few files.",
            where=f"{target}: {files + OWN_FILES} files are needed, {free.f_favail} more can be",
            hint=f"remove files there, or choose another --{option}",
        )


def full(err: OSError, place: Path, missing: int) -> SipError:
    """The error for a disk that is full in the middle of a run, which can go on later.

    :param missing: bytes that are still to be written.
    """
    free = os.statvfs(place)
    error = cannot_write(err, place)
    room = free.f_bavail * free.f_frsize
    error.where = f"{place}: {missing} bytes are still to be written, {room} are free"
    error.hint = f"{error.hint}; what is here is kept, and the same command goes on with it"
    error.resumable = True
    return error


def sync(folder: Path) -> None:
    """Have everything on the folder's file system written to the disk, in one call."""
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        syncfs = getattr(ctypes.CDLL(None, use_errno=True), "syncfs", None)
        if syncfs is None:  # not Linux
            os.sync()
        elif syncfs(descriptor) != 0:
            number = ctypes.get_errno()
            raise OSError(number, os.strerror(number), str(folder))
    finally:
        os.close(descriptor)


def sync_folder(folder: Path) -> None:
    """Have the names in a folder written to the disk."""
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    except OSError as err:
        if err.errno not in (errno.EINVAL, errno.ENOTSUP, errno.ENOSYS):
            raise  # else this file system knows no such thing
    finally:
        os.close(descriptor)


def cannot_write(err: OSError, place: Path) -> SipError:
    """The error for a place that cannot be written, with what to do about it."""
    hints = {
        errno.ENOSPC: "make room on that file system, or choose another --target",
        errno.EDQUOT: "make room within your quota, or choose another --target",
        errno.EACCES: "choose a --target that you may write to",
        errno.EPERM: "choose a --target that you may write to",
        errno.EROFS: "the file system is mounted read-only; choose another --target",
        errno.ENOENT: "was it removed, or its disk taken away, meanwhile?",
        errno.ENOTDIR: "choose a folder as --target",
        errno.ENAMETOOLONG: "choose a --target with a shorter path",
        errno.EMFILE: MORE_FILES,
        errno.ENFILE: "all programs of this machine have too many files open: try again later",
    }
    made = SipError(
        f"The package cannot be written: {(err.strerror or str(err)).lower()}.",
        where=str(err.filename or place),
        hint=hints.get(err.errno or 0, ""),
    )
    made.__cause__ = err
    return made
