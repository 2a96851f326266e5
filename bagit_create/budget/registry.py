"""Where the budgets of a process are found, and whether they are shared."""

from __future__ import annotations

import threading
import weakref
from collections import deque
from contextvars import ContextVar
from pathlib import Path

from .. import log
from .budget import Budget, Limits
from .shared import SharedLog, digest, machine, salt_of

Place = tuple[str, str, int | None]
"""Scheme, host and port of a server."""


class _Warning:
    """Says once that nothing is shared. Budgets keep it, and must not keep their registry: nobody
    else would ever let go of that, and of the files that they hold open."""

    def __init__(self) -> None:
        self._told = False

    def __call__(self, err: OSError) -> None:
        if not self._told:
            self._told = True
            log.warning(
                "the limits of servers cannot be kept together with other processes"
                f" ({err.strerror or err}): each goes by what the servers tell it"
            )


class Registry:
    """The budgets of one job in this process, or those of all that is no part of a job.

    Where the folder cannot be used, or stops to be usable, each process goes on by itself, and a
    warning says so once.

    :param folder: the same one for all processes of this machine, as :func:`share` has it; None if
        nothing is shared.
    :param part: our part of each allowance; None if this is no job.
    """

    def __init__(self, folder: Path | None = None, part: float | None = None) -> None:
        self._lock = threading.Lock()
        self._budgets: dict[tuple[str, str, int | None, str], Budget] = {}
        self._folder: Path | None = None
        self._part = part
        self._warn = _Warning()
        weakref.finalize(self, _close, self._budgets)
        if folder is not None and part == 1:
            try:
                salt_of(folder)
                self._folder = folder
            except OSError as err:
                self._warn(err)

    def of(self, place: Place, user: str, known: Limits = ()) -> Budget:
        """The budget of a server and a user (``""`` for a guest); see :class:`Budget`."""
        with self._lock:
            found = self._budgets.get((*place, user))
            if found is None:
                found = self._budgets[(*place, user)] = self._made(place, user, known)
            return found

    def _made(self, place: Place, user: str, known: Limits) -> Budget:
        if self._part is None:
            return Budget(known=known)
        if self._folder is not None:
            try:
                salt = salt_of(self._folder)
                name = f"{digest(salt, *place)}-{digest(salt, *place, user, size=2)}"
                book = SharedLog(self._folder / digest(salt, machine(), size=4), name)
                return Budget(paced=True, book=book, salt=salt, warn=self._warn, known=known)
            except OSError as err:
                self._warn(err)
        return Budget(part=self._part, paced=True, known=known)


def _close(budgets: dict[tuple[str, str, int | None, str], Budget]) -> None:
    for one in budgets.values():
        one.close()


_lock = threading.Lock()
_own = Registry()
"""Of single runs."""
_jobs: weakref.WeakValueDictionary[tuple[Path, float], Registry] = weakref.WeakValueDictionary()
"""Those of jobs: there for as long as anybody works on one."""
_parts: deque[Registry] = deque(maxlen=8)
"""The last ones that keep a part of an allowance, of which no folder remembers anything."""
_here: ContextVar[Registry | None] = ContextVar("bic_budgets", default=None)
"""A process may work on two jobs at a time, each in threads of its own."""


def share(folder: Path, part: float = 1.0) -> None:
    """Keep every budget together with those of other processes, from now on.

    That holds for clients made in this thread, and in threads that it starts with a copy of its
    context. Those made before keep what they have.

    :param folder: the same one for all processes of this machine; machines may have it in common.
        It is made, and holds neither names of servers nor anything of a credential.
    :param part: our part of each allowance, above 0 and at most 1, where others have the rest; less
        than 1 is kept by this process alone.
    :raises ValueError: if ``part`` is none.
    """
    if not 0 < part <= 1:
        raise ValueError("a part is above 0 and at most 1")
    with _lock:
        found = _jobs.get((folder, part))
        if found is None:
            found = _jobs[(folder, part)] = Registry(folder, part)
            if part < 1:
                _parts.append(found)
        _here.set(found)


def forget() -> None:
    """Begin anew with every server, each process for itself."""
    global _own
    with _lock:
        _own = Registry()
        _jobs.clear()
        _parts.clear()
        _here.set(None)


def budgets() -> Registry:
    """Those that a client made here goes by, in whatever threads."""
    return _here.get() or _own
