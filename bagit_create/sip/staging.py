"""The staging folder: where a package grows, unseen.

It is ``TARGET/.bic-staging/SOURCE-RECID-xxxxxxxx@OWNER/``, named by what is harvested and not by
time, so that the next run of the same command finds what an interrupted one left, and by the run
that works there (see :mod:`.claim`). In it are ``bag/`` (the package), ``parts/`` (notes about
downloads under way), ``done.jsonl`` (the finished ones), and ``job.log``. The finished bag appears
in the target by one rename. If the work folder is on another file system, the bag is copied into a
hidden folder of the target before that (see :mod:`.landing`).
"""

from __future__ import annotations

import errno
import hashlib
import json
import os
import shutil
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any, TextIO

from .. import log
from ..errors import SipError
from ..model import Events
from . import claim, remains
from .disk import cannot_write, check_space, full, sync, sync_folder
from .landing import Landing, is_far
from .names import Names, check_place, make_own, tidy_names

FOLDER = ".bic-staging"


class Staging:
    """One run's staging folder. Use as a context manager; see :meth:`publish`, :meth:`discard`.

    :param target: the folder in which the SIP shall appear; made if it is missing.
    :param workdir: another place for the staging folder.
    :param identity: what makes a run the same as an earlier one: anything JSON can hold.
    :param alone: no other run may work on the same.
    :raises SipError: if the target cannot be written, or another run is at work.
    """

    def __init__(
        self,
        target: Path,
        workdir: Path | None,
        source: str,
        recid: str,
        identity: Any,
        *,
        alone: bool = False,
    ) -> None:
        self.target = target.absolute()
        self.far = False
        """Whether the package has to be copied into the target."""
        self._landing: Landing | None = None
        self._made: list[Path] = []
        self._alone = alone
        self._make_target()
        parent = self._parent(workdir)
        digest = hashlib.sha256(json.dumps([source, recid, identity]).encode()).hexdigest()[:8]
        self.root = self._claim(parent / FOLDER, f"{source}-{recid[:80]}-{digest}", recid)
        self._heartbeat = claim.Heartbeat(self.root)
        self.bag = self.root / "bag"
        self.parts = self.root / "parts"
        self.log_file = self.root / "job.log"
        self._journal: TextIO | None = None
        self.names = Names(self.target / FOLDER, self.target, self.root.name)
        try:
            self.far = is_far(self.root, self.target, self.target / FOLDER)
            for folder in (self.bag, self.parts):
                folder.mkdir(exist_ok=True)
        except OSError as err:
            self.discard()
            raise cannot_write(err, self.target) from err

    # -- claiming a place ---------------------------------------------------------------------

    def _make_target(self) -> None:
        missing = self.target
        absent = []
        while not os.path.exists(missing) and missing != missing.parent:
            absent.append(missing)
            missing = missing.parent
        try:
            for folder in reversed(absent):
                folder.mkdir(exist_ok=True)
                self._made.append(folder)
            if not os.path.isdir(self.target):
                raise NotADirectoryError(errno.ENOTDIR, "it is not a folder", str(self.target))
        except OSError as err:
            self._remove_made()
            raise cannot_write(err, self.target) from err

    def _parent(self, workdir: Path | None) -> Path:
        """The folder to stage in."""
        if workdir is None:
            return self.target
        try:
            check_place(self.target / FOLDER)  # the package's name will be reserved there
            workdir = workdir.absolute()
            workdir.mkdir(parents=True, exist_ok=True)
        except OSError as err:
            self._remove_made()
            raise cannot_write(err, workdir) from err
        return workdir

    def _claim(self, parent: Path, name: str, recid: str) -> Path:
        """A folder of this run's own: what an ended run of the same kind left, or a new one."""
        own = parent / claim.own_name(name)
        try:
            make_own(own, self._make_target)
            busy, left = claim.others(parent, name, own)
            if busy and self._alone:
                raise SipError(
                    "Another run is at work on the same package.",
                    where=str(self.target / recid),
                    hint="wait for it, and run the same command again",
                )
            if busy:
                log.warning("another run harvests the same record; this one works apart from it")
            for one in left:
                own.rmdir()
                with suppress(FileNotFoundError):  # another run was quicker
                    os.rename(one, own)
                    break
                make_own(own, self._make_target)
            os.utime(own)
        except (OSError, SipError) as err:
            claim.release(own.name)
            with suppress(OSError):
                own.rmdir()
            self._tidy(parent)
            if isinstance(err, SipError):
                raise
            raise cannot_write(err, self.target) from err
        return own

    # -- the journal of finished downloads ----------------------------------------------------

    def finished(self) -> dict[str, dict[str, Any]]:
        """What an earlier run finished here: bag path to the facts given to :meth:`finish`."""
        return remains.finished(self.root / "done.jsonl")

    def finish(self, fact: dict[str, Any]) -> None:
        """Note that a file is complete. Call it from one thread at a time."""
        if self._journal is None:
            self._journal = open(self.root / "done.jsonl", "a", encoding="utf-8")
        self._journal.write(json.dumps(fact) + "\n")
        self._journal.flush()

    def keep_only(self, bagpaths: set[str]) -> None:
        """Remove everything from the bag but these files: remains of an earlier run."""
        remains.keep_only(self.bag, self.parts, bagpaths)

    # -- the end ------------------------------------------------------------------------------

    def bring(
        self, *, jobs: int, verify: bool, events: Events, stopped: Callable[[], bool]
    ) -> None:
        """Copy the finished bag to the target's file system; see :meth:`.Landing.bring`."""
        self._land().bring(self.bag, jobs=jobs, verify=verify, events=events, stopped=stopped)

    def archive_place(self) -> Path:
        """Make a folder for an archive, unseen, on the target's file system."""
        place = self._land().bag if self.far else self.parts / "archive"
        place.mkdir()
        return place

    def _land(self) -> Landing:
        if self._landing is None:
            name = claim.name_of(self.root.name)
            assert name is not None
            self._landing = Landing(self.target / FOLDER, name)
        return self._landing

    @property
    def holder(self) -> Path:
        """The folder that the package comes out of, by one rename; without it there is none."""
        return self._landing.root if self._landing else self.root

    def publish(self, name: str, before: Callable[[], None]) -> Path:
        """Give the finished bag its final name.

        :param before: called just before; what it raises prevents that.
        :raises SipError: if that name is taken.
        """
        final = self.target / name
        if not self.far:
            sync(self.bag)
        before()
        if os.path.lexists(final):
            raise SipError("A package of that name is already there.", where=str(final))
        os.rename(self.holder / "bag", final)
        with suppress(PermissionError):  # a folder that one may write to and not read
            sync_folder(self.target)
        self._made.clear()
        return final

    def check_room(self, size: int, files: int, archive: bool) -> None:
        """Make sure that there is room for the package, wherever it will be.

        :param size: bytes of its payload.
        :param archive: an archive is to be made, beside the folder, which goes only after that.
        :raises SipError: naming what is missing; a later run can go on with what is there.
        """
        if not self.far:
            check_space(self.target, 2 * size if archive else size, files, self.here())
            return
        check_space(self.root, size, files, self.here(), option="workdir")
        check_space(self.target, size, 1 if archive else files)

    def full(self, err: OSError, size: int) -> SipError:
        """The error for a disk that is full while the package is put together.

        :param size: bytes of its payload.
        """
        error = full(err, self.root if self.far else self.target, self.left_to_write(size))
        if self.far:
            error.hint = error.hint.replace("--target", "--workdir")
        return error

    @property
    def lost(self) -> bool:
        """Whether this run's folder is gone: taken over by another run, or with the target."""
        if self.far and not os.path.isdir(self.target):
            return True
        return self._heartbeat.lost or not all(map(os.path.lexists, (self.root, self.holder)))

    def here(self) -> tuple[int, int]:
        """Bytes and files that are here already."""
        size = files = 0
        for folder, _, names in os.walk(self.bag):
            for name in names:
                with suppress(OSError):
                    size += os.lstat(f"{folder}/{name}").st_size
                    files += 1
        return size, files

    def left_to_write(self, needed: int) -> int:
        """Bytes of ``needed`` that are not here yet."""
        return max(0, needed - self.here()[0])

    def discard(self, made: bool = False) -> None:
        """Remove the staging folder and all that is in it.

        :param made: the package was made: what other ended runs left of it is of no use any more.
        """
        parent, name = self.root.parent, claim.name_of(self.root.name)
        if made and name:
            with suppress(OSError):
                for one in claim.others(parent, name, self.root)[1]:
                    claim.remove(one)
        self._end(remove=True)
        self._tidy(self.root.parent)

    def keep(self) -> None:
        """Leave the staging folder for the next run of the same command."""
        self._end()
        left = self.root.with_name(claim.left_name(self.root.name))
        with suppress(OSError):  # then it counts as left once this process has ended
            self.root = self.root.rename(left)
        if self.far:
            with suppress(OSError):  # other runs are at work there
                (self.target / FOLDER).rmdir()
            self._remove_made()

    def is_worth_keeping(self) -> bool:
        """Whether there is anything that the next run need not fetch again."""
        with suppress(OSError):
            return (self.root / "done.jsonl").exists() or any(self.parts.iterdir())
        return False

    def _end(self, remove: bool = False) -> None:
        if self._journal is not None:
            with suppress(OSError):  # the disk is full: then its last line is missing
                self._journal.close()
            self._journal = None
        if self._landing is not None:
            self._landing.end()
            self._landing = None
        self.names.give_up()
        if remove:
            shutil.rmtree(self.root, ignore_errors=True)
        self._heartbeat.end()
        claim.release(self.root.name)

    def _tidy(self, parent: Path) -> None:
        with suppress(OSError):
            tidy_names(self.target / FOLDER)
        for folder in (parent, self.target / FOLDER):
            with suppress(OSError):  # other runs are staged there
                folder.rmdir()
        self._remove_made()

    def _remove_made(self) -> None:
        for folder in reversed(self._made):
            with suppress(OSError):
                folder.rmdir()
