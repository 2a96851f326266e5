"""Staging folders that ended runs left in a target, and their removal."""

from __future__ import annotations

import os
import re
import time
from collections.abc import Iterable
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from ..errors import SipError
from . import claim
from .disk import cannot_write
from .names import tidy_names
from .staging import FOLDER

UNNAMED_S = 24 * 3600
"""Seconds after which a folder that names no run is one of an older version."""


@dataclass(frozen=True)
class Leftover:
    """A staging folder.

    ``what`` is ``SOURCE-RECID-xxxxxxxx``. ``size`` is in bytes, ``age`` in seconds since the last
    sign of life. ``in_use`` folders belong to a run that is at work, or may be.
    """

    path: Path
    what: str
    files: int
    size: int
    age: float
    in_use: bool


def find(target: Path) -> list[Leftover]:
    """The staging folders in a target (or work folder), the oldest first.

    :raises SipError: if the target cannot be read.
    """
    found: list[Leftover] = []
    clock = time.time()
    try:
        if not target.is_dir():
            raise SipError("There is no such folder.", where=str(target))
        place = target / FOLDER
        if place.is_symlink() or not place.is_dir():
            return []
        with os.scandir(place) as entries:
            for one in entries:
                with suppress(FileNotFoundError):  # its run has just ended
                    if not one.name.startswith("sip::") and one.is_dir(follow_symlinks=False):
                        found.append(_look_at(one, clock))
    except FileNotFoundError:  # the last of them went, and the place with it
        return []
    except OSError as err:
        raise cannot_write(err, target) from err
    return sorted(found, key=lambda one: one.age, reverse=True)


def _look_at(one: os.DirEntry[str], clock: float) -> Leftover:
    touched = one.stat(follow_symlinks=False).st_mtime
    what = claim.name_of(one.name)
    over = clock - touched > UNNAMED_S
    if what is not None:
        over = claim.is_abandoned(one.name, touched, clock)
    files, size = _measure(one.path)
    age = max(0.0, clock - touched)
    return Leftover(Path(one.path), what or one.name, files, size, age, not over)


def remove(leftover: Leftover) -> bool:
    """Remove a folder that is not in use; False if a run has taken it over meanwhile.

    :raises SipError: if it cannot be removed.
    """
    if leftover.in_use:
        return False
    try:
        removed = claim.remove(leftover.path)
        _tidy(leftover.path.parent)
    except OSError as err:
        raise cannot_write(err, leftover.path) from err
    return removed


def remove_made(folders: Iterable[Path], source: str, recid: str) -> None:
    """Remove what killed runs left of a record whose package is there: nobody goes on with it.

    :param folders: targets and work folders in which such runs were staged.
    """
    name = re.compile(re.escape(f"{source}-{recid[:80]}-") + "[0-9a-f]{8}(-copy)?")
    clock = time.time()
    for place in {folder / FOLDER for folder in folders}:
        with suppress(OSError):  # it is not there, or another run was quicker
            for one in list(os.scandir(place)):
                if name.fullmatch(claim.name_of(one.name) or ""):
                    touched = one.stat(follow_symlinks=False).st_mtime
                    if claim.is_abandoned(one.name, touched, clock):
                        claim.remove(Path(one.path))
            _tidy(place)


def withdraw(target: Path, holder: str) -> None:
    """Make sure that a package which was about to get its name does not get it any more.

    The run that made it may be dead, or only asleep. Of its rename and this one only one succeeds.

    :param target: the folder in which it was to appear.
    :param holder: see :attr:`.Staging.holder`; it is removed.
    """
    path = target / FOLDER / holder
    if claim.name_of(path.name):
        with suppress(OSError):  # it cannot be reached from here
            claim.remove(path)


def _tidy(place: Path) -> None:
    """Remove names that were reserved long ago, and the place itself once nothing is in it."""
    with suppress(OSError):
        tidy_names(place)
        place.rmdir()


def _measure(folder: str) -> tuple[int, int]:
    """Files of the staged payload, and their bytes."""
    files = size = 0
    for place, _, names in os.walk(os.path.join(folder, "bag")):
        for name in names:
            with suppress(OSError):
                size += os.lstat(os.path.join(place, name)).st_size
                files += 1
    return files, size
