"""The disk a package is written to: may we, is there room, is it really there, what went wrong."""

from __future__ import annotations

import ctypes
import errno
import os
import shutil
from pathlib import Path

from ..errors import SipError


def check_target(target: Path) -> None:
    """Make sure, before anything is asked of upstream, that a package can appear in ``target``.

    :raises SipError: if it is no folder or may not be written.
    """
    place = target.absolute()
    while not os.path.lexists(place) and place != place.parent:
        place = place.parent
    if not place.is_dir():
        raise cannot_write(NotADirectoryError(errno.ENOTDIR, "it is not a folder"), place)
    if not os.access(place, os.W_OK | os.X_OK):
        raise cannot_write(PermissionError(errno.EACCES, "permission denied"), place)


def check_space(target: Path, needed: int) -> None:
    """Make sure that ``needed`` bytes fit into the target's file system.

    :raises SipError: naming what is missing.
    """
    free = shutil.disk_usage(target).free
    if needed > free:
        raise SipError(
            "The package cannot be written: there is not enough room on the target's disk.",
            where=f"{target}: {needed} bytes are needed, {free} are free",
            hint="make room there, or choose another --target",
        )


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


def cannot_write(err: OSError, place: Path) -> SipError:
    """The error for a place that cannot be written, with what to do about it."""
    hints = {
        errno.ENOSPC: "make room on that file system, or choose another --target",
        errno.EDQUOT: "make room within your quota, or choose another --target",
        errno.EACCES: "choose a --target that you may write to",
        errno.EPERM: "choose a --target that you may write to",
        errno.EROFS: "the file system is mounted read-only; choose another --target",
        errno.ENOTDIR: "choose a folder as --target",
        errno.ENAMETOOLONG: "choose a --target with a shorter path",
    }
    return SipError(
        f"The package cannot be written: {(err.strerror or str(err)).lower()}.",
        where=str(err.filename or place),
        hint=hints.get(err.errno or 0, ""),
    )
