"""A hidden place beside the packages for what is made, or removed, in one step that cannot fail
half-way: ``bic clean`` finds it if the run was killed."""

from __future__ import annotations

import errno
import hashlib
import os
import shutil
from contextlib import suppress
from pathlib import Path
from types import TracebackType
from typing import Self

from ..errors import SipError
from . import claim
from .disk import cannot_write
from .staging import FOLDER


class Scratch:
    """A folder of this run's own in ``TARGET/.bic-staging``, removed in the end. A context manager.

    :param target: an existing folder; ``what`` tells whoever finds it what it was for.
    :raises SipError: if nothing can be written there.
    """

    def __init__(self, target: Path, what: str) -> None:
        parent = target / FOLDER
        digest = hashlib.sha256(what.encode("utf-8", "surrogateescape")).hexdigest()[:8]
        self._root = parent / claim.own_name(f"pack-{what[:40]}-{digest}")
        #: Where leftovers are measured, too.
        self.path = self._root / "bag"
        try:
            parent.mkdir(exist_ok=True)
            if parent.is_symlink():
                raise NotADirectoryError(errno.ENOTDIR, "it is a link", str(parent))
            self.path.mkdir(parents=True)
        except OSError as err:
            claim.release(self._root.name)
            self._tidy()
            raise cannot_write(err, target) from err
        self._heartbeat = claim.Heartbeat(self._root)
        self.keep = False
        """Whether what is in it stays there."""

    @property
    def remains(self) -> bool:
        """Whether something of it is still there."""
        return os.path.lexists(self._root)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._heartbeat.end()
        if not self.keep:
            shutil.rmtree(self._root, ignore_errors=True)
        claim.release(self._root.name)
        self._tidy()

    def _tidy(self) -> None:
        with suppress(OSError):  # another run works there
            self._root.parent.rmdir()


def give_name(made: Path, final: Path) -> None:
    """Give a finished file its name, in one step that never replaces another file.

    :raises SipError: if the name is taken, or cannot be written.
    """
    try:
        try:
            os.link(made, final)
        except FileExistsError:
            raise
        except OSError:  # a file system without links: the name is taken first, then filled
            os.close(os.open(final, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC))
            try:
                os.rename(made, final)
            except BaseException:
                os.unlink(final)
                raise
    except FileExistsError as err:
        raise taken(final) from err
    except OSError as err:
        raise cannot_write(err, final) from err
    with suppress(OSError):  # it is in a hidden place that is removed anyway
        made.unlink(missing_ok=True)


def taken(final: Path) -> SipError:
    """The error for a name that something has already."""
    return SipError(
        "An archive of that name is already there.",
        where=str(final),
        hint="remove it, or choose another --target",
    )
