"""The names of packages: each is given to one run only."""

from __future__ import annotations

import os
import time
from contextlib import suppress
from pathlib import Path

from . import claim

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
        """
        while True:
            name = f"sip::{source}::{recid}::{now}"
            reservation = self._place / name
            try:
                reservation.parent.mkdir(exist_ok=True)
                reservation.mkdir()
                (reservation / self._owner).mkdir()  # whose it is
            except FileExistsError:
                now += 1
                continue
            self._reserved = reservation
            if not os.path.lexists(self._target / name):
                return name, now
            self.give_up()
            now += 1

    def give_up(self) -> None:
        """Leave the name to others; the package has it, or never will."""
        if self._reserved is not None:
            with suppress(OSError):
                (self._reserved / self._owner).rmdir()
                self._reserved.rmdir()
            self._reserved = None


def tidy_names(place: Path) -> None:
    """Remove names that killed runs reserved and never used."""
    clock = time.time()
    for one in os.scandir(place):
        with suppress(OSError):
            if not one.name.startswith("sip::"):
                continue
            age = clock - one.stat(follow_symlinks=False).st_mtime
            owners = os.listdir(one.path)
            for owner in owners:
                if age > STALE_S or claim.is_abandoned(owner, clock, clock):
                    os.rmdir(f"{one.path}/{owner}")
            if owners or age > STALE_S:
                os.rmdir(one.path)  # not while an owner is left
