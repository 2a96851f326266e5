"""The staging folder: where a package grows, unseen, on the target's own file system.

It is ``TARGET/.bic-staging/SOURCE-RECID-xxxxxxxx@OWNER/``, named by what is harvested and not by
time, so that the next run of the same command finds what an interrupted one left, and by the run
that works there (see :mod:`.claim`). In it are ``bag/`` (the package), ``parts/`` (notes about
downloads under way), ``done.jsonl`` (the finished ones), and ``job.log``. The finished bag appears
in the target by one rename.
"""

from __future__ import annotations

import errno
import hashlib
import json
import os
import shutil
from contextlib import suppress
from pathlib import Path
from typing import Any, TextIO

from .. import log
from ..errors import SipError
from . import claim
from .disk import cannot_write, sync, sync_folder
from .names import Names, check_place, make_place, tidy_names

FOLDER = ".bic-staging"
TRIES = 100
"""How often a folder is made again that other runs have tidied away meanwhile."""


class Staging:
    """One run's staging folder. Use as a context manager; see :meth:`publish`, :meth:`discard`.

    :param target: the folder in which the SIP shall appear; made if it is missing.
    :param workdir: another place for the staging folder, if on the same file system.
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
        """The folder to stage in: the work folder only if a rename into the target can work."""
        if workdir is None:
            return self.target
        try:
            check_place(self.target / FOLDER)  # the package's name will be reserved there
            workdir = workdir.absolute()
            workdir.mkdir(parents=True, exist_ok=True)
            if workdir.stat().st_dev == self.target.stat().st_dev:
                return workdir
        except OSError as err:
            self._remove_made()
            raise cannot_write(err, workdir) from err
        log.warning(
            f"the work folder {workdir} is on another file system than the target, so the package "
            "is staged in the target, where it can appear by one rename"
        )
        return self.target

    def _claim(self, parent: Path, name: str, recid: str) -> Path:
        """A folder of this run's own: what an ended run of the same kind left, or a new one."""
        own = parent / claim.own_name(name)
        try:
            self._make(own)
            busy, left = self._others(parent, name, own)
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
                self._make(own)
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

    def _make(self, own: Path) -> None:
        """Make this run's folder, and again what another run, which ended, has tidied away."""
        for _ in range(TRIES):
            with suppress(FileNotFoundError):
                make_place(own.parent)
                own.mkdir()
                return
            self._make_target()
        own.mkdir()

    @staticmethod
    def _others(parent: Path, name: str, own: Path) -> tuple[bool, list[Path]]:
        """Whether a run is at work on the same, and what ended ones left, the last one first."""
        clock = own.stat().st_mtime
        busy, left = False, []
        with os.scandir(parent) as entries:
            for one in entries:
                if one.name == own.name or claim.name_of(one.name) != name:
                    continue
                with suppress(FileNotFoundError):
                    touched = one.stat(follow_symlinks=False).st_mtime
                    if not claim.is_abandoned(one.name, touched, clock):
                        busy = True
                    elif one.is_dir(follow_symlinks=False) and not _is_empty(one.path):
                        left.append((touched, Path(one.path)))
        return busy, [path for _, path in sorted(left, reverse=True)]

    # -- the journal of finished downloads ----------------------------------------------------

    def finished(self) -> dict[str, dict[str, Any]]:
        """What an earlier run finished here: bag path to the facts given to :meth:`finish`."""
        found: dict[str, dict[str, Any]] = {}
        with suppress(FileNotFoundError), open(self.root / "done.jsonl", "rb") as lines:
            for line in lines:
                # The last line may be cut, or anything may have happened to the file.
                with suppress(ValueError, KeyError, TypeError, RecursionError):
                    fact = json.loads(line)
                    found[fact["bagpath"]] = fact
        return found

    def finish(self, fact: dict[str, Any]) -> None:
        """Note that a file is complete. Call it from one thread at a time."""
        if self._journal is None:
            self._journal = open(self.root / "done.jsonl", "a", encoding="utf-8")
        self._journal.write(json.dumps(fact) + "\n")
        self._journal.flush()

    def keep_only(self, bagpaths: set[str]) -> None:
        """Remove everything from the bag but these files: remains of an earlier run."""
        wanted = bagpaths | self._under_way()
        for folder, _, names in os.walk(self.bag, topdown=False):
            for name in names:
                path = Path(folder, name)
                if str(path.relative_to(self.bag)) not in wanted:
                    path.unlink()
            with suppress(OSError):  # not empty: it is wanted
                if Path(folder) != self.bag:
                    os.rmdir(folder)

    def _under_way(self) -> set[str]:
        """The files that a note says an earlier run had begun; other remains are removed."""
        found: set[str] = set()
        for part in list(self.parts.iterdir()):
            if part.is_dir() and not part.is_symlink():  # scratch of a run that was killed
                shutil.rmtree(part)
                continue
            try:
                bagpath = json.loads(part.read_bytes())["bagpath"]
                os.lstat(self.bag / bagpath)
                found.add(bagpath)
            except (OSError, ValueError, KeyError, TypeError, RecursionError):
                part.unlink()
        return found

    # -- the end ------------------------------------------------------------------------------

    def publish(self, name: str) -> Path:
        """Give the finished bag its final name.

        :raises SipError: if that name is taken.
        """
        final = self.target / name
        if os.path.lexists(final):
            raise SipError("A package of that name is already there.", where=str(final))
        sync(self.bag)
        os.rename(self.bag, final)
        with suppress(PermissionError):  # a folder that one may write to and not read
            sync_folder(self.target)
        self._made.clear()
        return final

    @property
    def lost(self) -> bool:
        """Whether this run's folder is gone: taken over by another run, or with the target."""
        return self._heartbeat.lost or not os.path.lexists(self.root)

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
                for one in self._others(parent, name, self.root)[1]:
                    claim.remove(one)
        self._end(remove=True)
        self._tidy(self.root.parent)

    def keep(self) -> None:
        """Leave the staging folder for the next run of the same command."""
        self._end()
        left = self.root.with_name(claim.left_name(self.root.name))
        with suppress(OSError):  # then it counts as left once this process has ended
            self.root = self.root.rename(left)

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


def _is_empty(folder: str) -> bool:
    """Whether a run was killed before it began; then the folder is removed."""
    with suppress(OSError):
        os.rmdir(folder)
        return True
    return False
