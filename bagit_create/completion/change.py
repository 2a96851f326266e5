"""A bag that is changed as a whole: examined, made anew beside itself, and replaced by one step."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path
from typing import TypeVar

from .. import log
from ..errors import BicError, InvalidSip, SipError
from ..model import Events
from ..report import Report
from ..sip.disk import FULL, cannot_write, full, sync
from ..sip.staging import Staging
from ..validation.bag import Examination, examine
from . import workshop
from .newbag import NewBag
from .options import CompletionOptions
from .place import check_folder, is_inside, locate, state, unreadable
from .swap import restore, swap

Made = TypeVar("Made")


class Change:
    """What every change of the bag in the folder ``path`` does."""

    def __init__(
        self, path: Path, options: CompletionOptions, events: Events, own: log.JobLog
    ) -> None:
        self._path = locate(path)
        self._options = options
        self._events = events
        self._log = own
        self._state = ""
        self._replaced = False

    def _examine(self) -> tuple[Report, Examination]:
        """Read the whole bag.

        :raises InputError: if it is not a folder.
        :raises SipError: if it cannot be read, or not be replaced.
        """
        restore(self._path)
        check_folder(self._path)
        try:
            self._state = state(self._path)
        except OSError as err:
            raise unreadable(self._path, err) from err
        return examine(self._path, self._options.jobs, self._events)

    def _check_unchanged(self, path: Path | None = None) -> None:
        """Make sure that nobody has changed the bag since it was examined.

        :param path: where it is now.
        :raises SipError: if somebody has.
        """
        try:
            if state(path or self._path) == self._state:
                return
        except OSError:
            pass  # it is not even there
        raise SipError(
            "The package was changed by somebody else meanwhile; nothing was done to it.",
            where=str(self._path),
            hint="run the same command again; what was fetched is kept",
            resumable=True,
        )

    def _refuse(self, old: Examination, faults: list[str], hint: str = "") -> None:
        """Refuse a bag with faults, and one of which we could not be sure afterwards.

        :param faults: what was found.
        :raises InvalidSip: naming everything.
        """
        tags, there = old.tags, old.there
        computed = {one.algorithm for one in (*tags.manifests, *tags.tag_manifests)}
        unknown = {*tags.algorithms(tags=True)} - computed
        if old.sip is not None:
            unknown |= {*tags.algorithms(tags=False)} - computed
        found = [
            *faults,
            *(f"checksums of {name} cannot be computed, and would be wrong" for name in unknown),
            *(
                f"{link} is a link to an absolute path: it would lead into the package as it was"
                for link in there.links
                if os.path.isabs(os.readlink(self._path / link))
            ),
        ]
        if found:
            error = InvalidSip(
                "The package has faults, so nothing was done.",
                findings=found,
                where=str(self._path),
            )
            error.hint = hint
            raise error

    def _staged(self, needed: int, work: Callable[[Staging], Made]) -> Made:
        """Call ``work`` with a folder beside the bag, and leave there only what is of use.

        :param needed: bytes that will be written.
        """
        staging = workshop.open_staging(self._path)
        try:
            # What comes may be for few eyes; the folder gets its own rights in the end.
            staging.bag.chmod(0o700)
            try:
                done = work(staging)
            except (InvalidSip, FileNotFoundError):
                self._check_unchanged()  # that would be why
                raise
            workshop.leave(staging, replaced=self._replaced)
            return done
        except (BicError, KeyboardInterrupt) as err:
            if isinstance(err, BicError):
                workshop.without_target(err)
            self._leave(staging, err)
            raise
        except OSError as err:
            if err.errno in FULL:
                error = full(err, self._path.parent, staging.left_to_write(needed))
                error.hint = "make room there; what is here is kept, the same command goes on"
            else:
                error = cannot_write(err, self._path)
                error.hint = ""
            self._leave(staging, error)
            raise error from err
        except BaseException:
            workshop.unlock(staging.root)
            staging.discard()
            raise

    def _leave(self, staging: Staging, err: BaseException) -> None:
        """Keep what the next call can use, or remove everything."""
        resumable = isinstance(err, (KeyboardInterrupt, InvalidSip))
        resumable = resumable or getattr(err, "resumable", False)
        if resumable and staging.is_worth_keeping():
            staging.keep()
        else:
            workshop.unlock(staging.root)
            staging.discard()

    def _replace(self, new: NewBag, staging: Staging) -> None:
        """Put the new bag in the old one's place.

        :raises SipError: if somebody has changed the old one since it was examined.
        """
        new.finish()
        sync(new.root)  # it may take long, so it comes before the last look
        self._check_unchanged()
        here = is_inside(self._path)
        (staging.root / workshop.READY).touch()
        swap(new.root, self._path)
        try:
            self._check_unchanged(new.root)  # in the moment between
        except SipError:
            swap(new.root, self._path)
            raise
        self._replaced = True
        if here:
            log.warning("the current folder was in the package as it was: change into it anew")
