"""The folder beside a bag in which its next state is made, and what stays there for the next run.

It is a :class:`~..sip.staging.Staging`. In its ``bag/`` downloads arrive, and the new bag is built
around them. ``ready`` says that what was built is whole: from then on it may be the bag itself.
"""

from __future__ import annotations

import os
import re
import shutil
from contextlib import suppress
from pathlib import Path

from ..errors import BicError, SipError
from ..sip.disk import cannot_write
from ..sip.staging import Staging
from ..transfer.partial import note_name
from .swap import aside, left_behind

READY = "ready"
_LATER = "partial"


def open_staging(path: Path) -> Staging:
    """The folder for a bag, with what an ended run has left there.

    :raises SipError: if nothing can be written beside the bag, or another run works on it.
    """
    # The name is of any length and any characters; a folder's name here is not.
    slug = re.sub(r"[^A-Za-z0-9._-]+", "_", path.name)[:40]
    try:
        staging = Staging(path.parent, None, "complete", slug, path.name, alone=True)
    except SipError as err:
        if err.where.endswith(slug):
            err.where = str(path)
        without_target(err)
        raise
    try:
        _settle(staging, path)
    except (OSError, SipError) as err:
        if staging.is_worth_keeping() or (staging.root / READY).exists():
            staging.keep()
        else:
            staging.discard()
        if isinstance(err, SipError):
            raise
        raise cannot_write(err, path) from err
    return staging


def without_target(err: BicError) -> None:
    """Take back the advice to write elsewhere."""
    if "--target" in err.hint:
        err.hint = "the new state of a package is made beside it: make room there, or move it"


def tidy(path: Path) -> None:
    """Remove what ended runs have left beside a bag with which nothing is to be done."""
    with suppress(SipError, OSError):  # in a folder that may not be written to, nothing is left
        if (path.parent / ".bic-staging").is_dir() or os.path.lexists(aside(path)):
            staging = open_staging(path)
            unlock(staging.root)
            staging.discard(made=True)


def _settle(staging: Staging, path: Path) -> None:
    """Finish what a run was about when it was killed between two renames."""
    before, ready = aside(path), staging.root / READY
    if os.path.lexists(before):
        if not ready.exists() or any(staging.bag.iterdir()):
            raise left_behind(path)
        old = staging.root / "before"
        os.rename(before, old)
        unlock(old)
        shutil.rmtree(old)
    ready.unlink(missing_ok=True)


def can_link(staging: Staging, path: Path) -> bool:
    """Whether the file system lets a file have two names."""
    probe = staging.root / "probe"
    try:
        os.link(path / "bagit.txt", probe, follow_symlinks=False)
        probe.unlink()
    except OSError:
        return False
    return True


def sweep(staging: Staging, wanted: set[str]) -> None:
    """Leave in ``bag/`` only what an ended run has fetched of these files, whole or in part.

    A file with two names is the old bag's own: nothing may be written to it.
    """
    shutil.rmtree(staging.root / _LATER, ignore_errors=True)
    unlock(staging.bag)
    staging.keep_only(set(staging.finished()) & wanted)
    for folder, _, names in os.walk(staging.bag):
        for name in names:
            file = Path(folder, name)
            inside = str(file.relative_to(staging.bag))
            if inside not in wanted or file.lstat().st_nlink > 1:
                file.unlink()


def set_aside(staging: Staging, fetched: set[str]) -> None:
    """Take out of ``bag/`` what was not fetched to its end; what can be gone on with is kept."""
    for folder, _, names in os.walk(staging.bag, topdown=False):
        for name in names:
            file = Path(folder, name)
            inside = str(file.relative_to(staging.bag))
            if inside in fetched:
                continue
            if (staging.parts / note_name(inside)).exists():
                (staging.root / _LATER).mkdir(mode=0o700, exist_ok=True)
                later = staging.root / _LATER / inside
                later.parent.mkdir(parents=True, exist_ok=True)
                os.rename(file, later)
            else:
                file.unlink()
        if Path(folder) != staging.bag:
            with suppress(OSError):  # not empty
                os.rmdir(folder)


def leave(staging: Staging, *, replaced: bool) -> None:
    """End a run that went well: keep what is there in part, and nothing else.

    :param replaced: whether ``bag/`` is the old bag by now.
    """
    later = staging.root / _LATER
    if replaced:
        unlock(staging.bag)
        if later.is_dir():
            shutil.rmtree(staging.bag, ignore_errors=True)
            with suppress(OSError):
                os.rename(later, staging.bag)
                (staging.root / "done.jsonl").unlink(missing_ok=True)
                (staging.root / READY).unlink(missing_ok=True)
                staging.keep()
                return
    elif staging.is_worth_keeping():
        staging.keep()
        return
    staging.discard(made=True)


def unlock(folder: Path) -> None:
    """Let everything below be removed: a bag may have folders that are closed."""
    with suppress(OSError):
        for place, folders, _ in os.walk(folder):
            for name in folders:
                inside = Path(place, name)
                if not inside.is_symlink() and not os.access(inside, os.W_OK | os.X_OK):
                    with suppress(OSError):
                        inside.chmod(0o700)
