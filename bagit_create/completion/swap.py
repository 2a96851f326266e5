"""Put a new bag in the place of an old one."""

from __future__ import annotations

import ctypes
import errno
import os
from contextlib import suppress
from pathlib import Path

from ..errors import SipError
from ..sip.disk import sync, sync_folder

ASIDE = ".before"
"""What is added to the old bag's name for the moment in which there are two."""
_EXCHANGE = 2  # RENAME_EXCHANGE of linux/fs.h
_HERE = -100  # AT_FDCWD
_CANNOT = (errno.ENOSYS, errno.EINVAL, errno.ENOTSUP, errno.EPERM)


def swap(new: Path, old: Path) -> None:
    """Exchange the two folders, which must be on one file system; everything is written first.

    On Linux and the usual file systems that is one step: whoever looks sees the one or the other.
    Elsewhere (NFS, EOS) the old bag is moved aside first; :func:`restore` mends what a crash
    between the two steps leaves.

    :raises SipError: if it cannot be done; the old bag is in its place then.
    """
    sync(new)
    try:
        if not _exchange(new, old):
            aside = old.with_name(old.name + ASIDE)
            if os.path.lexists(aside):
                raise SipError("Something is in the way of exchanging the bag.", where=str(aside))
            os.rename(old, aside)
            try:
                os.rename(new, old)
            except OSError:
                os.rename(aside, old)
                raise
            os.rename(aside, new)
    except OSError as err:
        raise SipError(
            f"The bag cannot be replaced: {(err.strerror or str(err)).lower()}.", where=str(old)
        ) from err
    with suppress(PermissionError):
        sync_folder(old.parent)


def restore(path: Path) -> None:
    """Put back a bag that a crash has left aside, if there is one and none in its place."""
    aside = path.with_name(path.name + ASIDE)
    if not os.path.lexists(path) and (aside / "bagit.txt").is_file():
        os.rename(aside, path)


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
