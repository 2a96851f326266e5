"""Put a new bag in the place of an old one."""

from __future__ import annotations

import ctypes
import errno
import os
from contextlib import suppress
from pathlib import Path

from ..errors import SipError
from ..sip.disk import sync_folder

ASIDE = ".bic-before"
"""What is added to the old bag's name for the moment in which there are two."""
_EXCHANGE = 2  # RENAME_EXCHANGE of linux/fs.h
_HERE = -100  # AT_FDCWD
_CANNOT = (errno.ENOSYS, errno.EINVAL, errno.ENOTSUP, errno.EPERM)


def swap(new: Path, old: Path) -> None:
    """Exchange the two folders, which must be on one file system and on the disk.

    On Linux and the usual file systems that is one step: whoever looks sees the one or the other.
    Elsewhere (NFS, EOS) the old bag is moved aside first; :func:`restore` mends what a crash
    between the two steps leaves.

    :raises SipError: if it cannot be done; the old bag is in its place then.
    """
    try:
        if not _exchange(new, old):
            _by_three(new, old)
    except OSError as err:
        raise SipError(
            f"The bag cannot be replaced: {(err.strerror or str(err)).lower()}.", where=str(old)
        ) from err
    with suppress(OSError):
        sync_folder(old.parent)


def _by_three(new: Path, old: Path) -> None:
    """Exchange by three renames. Whatever happens, a whole bag has its name again at the end."""
    before = aside(old)
    if os.path.lexists(before):
        raise left_behind(old)
    try:
        os.rename(old, before)
        os.rename(new, old)
    except BaseException:
        if os.path.lexists(before) and not os.path.lexists(old):
            os.rename(before, old)
        raise
    os.rename(before, new)


def restore(path: Path) -> None:
    """Put back a bag that a crash has left aside, if there is none in its place.

    :raises SipError: if it cannot be done.
    """
    before = aside(path)
    if not os.path.lexists(before) or os.path.lexists(path):
        return
    try:
        os.rename(before, path)
    except OSError as err:
        raise SipError(
            f"An interrupted run cannot be mended: {(err.strerror or str(err)).lower()}.",
            where=f"{before} should be {path}",
        ) from err


def left_behind(path: Path) -> SipError:
    """The error for a run that was killed with the new bag in place and the old one beside it."""
    return SipError(
        "An earlier run was killed at its very end: the package as it was before is still there.",
        where=str(aside(path)),
        hint="validate both; if the package is sound, remove the other one",
    )


def aside(path: Path) -> Path:
    """Where a bag is while it is being replaced, if that takes more than one step."""
    return path.with_name(path.name + ASIDE)


def _exchange(one: Path, other: Path) -> bool:
    """Exchange two names in one step; False where the system cannot."""
    call = getattr(ctypes.CDLL(None, use_errno=True), "renameat2", None)
    if call is None:
        return False
    if call(_HERE, os.fsencode(one), _HERE, os.fsencode(other), _EXCHANGE) == 0:
        return True
    number = ctypes.get_errno()
    if number in _CANNOT:
        return False
    raise OSError(number, os.strerror(number), str(other))
