"""Where a package arrives that was put together on another file system: unseen, byte for byte.

It is ``TARGET/.bic-staging/SOURCE-RECID-xxxxxxxx-copy@OWNER/bag/``, from where the package gets its
name by one rename. What is copied is never worth keeping: the original is, until the end.
"""

from __future__ import annotations

import errno
import os
import shutil
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

from ..errors import SipError
from ..model import Events
from . import claim
from .bagcopy import BagCopy
from .disk import FULL, cannot_write, full
from .names import make_place

ENDING = "-copy"


def is_far(root: Path, target: Path, place: Path) -> bool:
    """Whether no rename leads from a work folder into the target.

    Two mounts of one file system cannot be told from one by their numbers; trying tells.

    :param root: a run's own staging folder in the work folder.
    :param place: the folder ``.bic-staging`` of the target.
    :raises OSError: if nothing can be written there.
    """
    if root.stat().st_dev != target.stat().st_dev:
        return True
    if os.path.lexists(place / root.name):  # it is the target's own
        return False
    probe = root / "probe"
    probe.mkdir(exist_ok=True)
    while True:
        make_place(place)
        try:
            os.rename(probe, place / root.name)
        except FileNotFoundError:
            if not target.is_dir():
                raise
            continue  # another run has just tidied the place away
        except OSError as err:
            probe.rmdir()
            if err.errno != errno.EXDEV:
                raise
            return True
        (place / root.name).rmdir()
        return False


class Landing:
    """A hidden folder of this run's own in the target; :meth:`end` removes it.

    :param place: the folder ``.bic-staging`` of the target.
    :param name: of what is staged, without its owner.
    :raises SipError: if nothing can be written there.
    """

    def __init__(self, place: Path, name: str) -> None:
        self._target = place.parent
        self.root = place / claim.own_name(name + ENDING)
        self.bag = self.root / "bag"
        try:
            make_place(place)
            self.root.mkdir()
            # What killed runs had copied of the same package takes the room for this.
            for one in claim.others(place, name + ENDING, self.root)[1]:
                claim.remove(one)
        except OSError as err:
            claim.release(self.root.name)
            with suppress(OSError):
                self.root.rmdir()
            raise self._error(err, 0) from err
        self._heartbeat = claim.Heartbeat(self.root)

    def bring(
        self, bag: Path, *, jobs: int, verify: bool, events: Events, stopped: Callable[[], bool]
    ) -> None:
        """Copy a finished bag here, as :class:`.BagCopy` does.

        :raises InvalidSip: if the bag is not what its manifests say, or the copy not what it is.
        :raises SipError: if the copy cannot be written; the bag is untouched.
        :raises Interrupted: if it was stopped.
        """
        copy = BagCopy(bag, self.bag, jobs=jobs, verify=verify, events=events, stopped=stopped)
        try:
            copy.run()
        except OSError as err:
            raise self._error(err, copy.left) from err

    def _error(self, err: OSError, left: int) -> SipError:
        if err.errno in FULL and self._target.is_dir():
            return full(err, self._target, left)
        error = cannot_write(err, self._target)
        error.resumable = True  # what is staged elsewhere is whole
        return error

    def end(self) -> None:
        """Remove all that is left here."""
        shutil.rmtree(self.root, ignore_errors=True)
        self._heartbeat.end()
        claim.release(self.root.name)
