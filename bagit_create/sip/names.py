"""The names of packages: each is given to one run only."""

from __future__ import annotations

import errno
import os
import stat
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

from ..options import ARCHIVES
from . import claim

_FORMS = ("", *ARCHIVES.values())
"""A package is a folder or an archive, and its name is one for both."""
TRIES = 100
"""How often a folder is made again that other runs have tidied away meanwhile."""
STALE_S = 3600
"""Seconds after which a reserved name belongs to a run that was killed: writing takes less."""


class Names:
    """Reserves the name of one run's package.

    :param place: the folder in which reservations are made.
    :param target: the folder in which the package shall appear.
    :param owner: the name of the run's own staging folder, which tells whether it is over.
    """

    def __init__(self, place: Path, target: Path, owner: str) -> None:
        self._place = place
        self._target = target
        self._owner = owner
        self._reserved: Path | None = None

    def reserve(self, source: str, recid: str, now: int) -> tuple[str, int]:
        """Choose the package's name, and the second it carries, for this run alone.

        Two runs in one second get different ones: making the reservation's folder is atomic, and
        the name is looked for in the target only once it is held.

        :returns: the name ``sip::SOURCE::RECID::TIMESTAMP`` and its timestamp.
        :raises OSError: if no reservation can be made.
        """
        while True:
            name = f"sip::{source}::{recid}::{now}"
            reservation = self._place / name
            make_place(self._place)
            try:
                _reserve(reservation, self._owner)
            except FileExistsError:
                now += 1
                continue
            except FileNotFoundError:
                if not self._target.is_dir():
                    raise
                continue  # another run has just tidied the place away
            self._reserved = reservation
            if not any(os.path.lexists(self._target / f"{name}{end}") for end in _FORMS):
                return name, now
            self.give_up()
            now += 1

    def give_up(self) -> None:
        """Leave the name to others; the package has it, or never will."""
        if self._reserved is not None:
            with suppress(OSError):
                _free(self._reserved)
            self._reserved = None


def make_place(place: Path) -> None:
    """Make the hidden folder that runs share, if it is missing.

    :raises NotADirectoryError: if something else is there; a link may lead to anywhere.
    """
    while True:
        check_place(place)
        try:
            place.mkdir(exist_ok=True)
            return
        except FileExistsError:  # another run has just tidied it away
            continue


def make_in(place: Path, folder: Path) -> None:
    """Make a folder in that place; other runs may tidy it away just before.

    :raises OSError: if that cannot be.
    """
    while True:
        make_place(place)
        try:
            folder.mkdir()
            return
        except FileNotFoundError:
            if not place.parent.is_dir():
                raise


def make_own(own: Path, make_target: Callable[[], None]) -> None:
    """Make a run's own folder, and again what another run, which ended, has tidied away.

    :param make_target: makes the target again, should that be gone too.
    """
    for _ in range(TRIES):
        with suppress(FileNotFoundError):
            make_place(own.parent)
            own.mkdir()
            return
        make_target()
    own.mkdir()


def check_place(place: Path) -> None:
    """Make sure that nothing else has the name of the folder that runs share.

    :raises NotADirectoryError: if a file or a link has.
    """
    try:  # in one look: a run that ends may tidy it away between two
        mode = os.lstat(place).st_mode
    except (OSError, ValueError):  # whoever makes it will say what is wrong
        return
    if stat.S_ISLNK(mode):
        raise NotADirectoryError(errno.ENOTDIR, "it is a link", str(place))
    if not stat.S_ISDIR(mode):
        raise NotADirectoryError(errno.ENOTDIR, "it is not a folder", str(place))


def tidy_names(place: Path) -> None:
    """Remove names that killed runs reserved and never used."""
    clock = time.time()
    with os.scandir(place) as entries:
        for one in entries:
            with suppress(OSError):
                if not one.name.startswith("sip::"):
                    continue
                stale = clock - one.stat(follow_symlinks=False).st_mtime > STALE_S
                if stale or one.is_symlink() and claim.is_abandoned(os.readlink(one), clock, clock):
                    _free(Path(one.path))


def _reserve(reservation: Path, owner: str) -> None:
    """Take a name and say whose it is, in one step that only one run can do.

    That is a link which leads nowhere but tells the owner; where there are no links, a folder.
    """
    try:
        os.symlink(owner, reservation)
    except FileExistsError:
        raise
    except OSError:
        reservation.mkdir()


def _free(reservation: Path) -> None:
    if reservation.is_symlink():
        reservation.unlink()
    else:
        reservation.rmdir()
