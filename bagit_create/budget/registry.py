"""Where the budgets of a process are found, and whether they are shared."""

from __future__ import annotations

import threading
from pathlib import Path

from .. import log
from .budget import Budget, Limits
from .shared import SharedLog, digest, machine, salt_of

Place = tuple[str, str, int | None]
"""Scheme, host and port of a server."""

_lock = threading.Lock()
_budgets: dict[tuple[str, str, int | None, str], Budget] = {}
_folder: Path | None = None
_part: float | None = None
_asked: tuple[Path, float] | None = None
_warned = False


def share(folder: Path, part: float = 1.0) -> None:
    """Keep every budget together with those of other processes, from now on.

    Clients that were made before keep theirs. Where the folder cannot be used, or stops to be
    usable, each process goes on by itself, and a warning says so once.

    :param folder: the same one for all processes of this machine; machines may have it in common.
        It is made, and holds neither names of servers nor anything of a credential.
    :param part: our part of each allowance, above 0 and at most 1, where others have the rest; less
        than 1 is kept by this process alone.
    :raises ValueError: if ``part`` is none.
    """
    global _folder, _part, _asked
    if not 0 < part <= 1:
        raise ValueError("a part is above 0 and at most 1")
    if _asked == (folder, part):
        return
    forget()
    with _lock:
        _asked = folder, part
        _part = part
        if part == 1:
            try:
                salt_of(folder)
                _folder = folder
            except OSError as err:
                _warn(err)


def forget() -> None:
    """Begin anew with every server, each process for itself."""
    global _folder, _part, _asked, _warned
    with _lock:
        for one in _budgets.values():
            one.close()
        _budgets.clear()
        _folder, _part, _asked, _warned = None, None, None, False


def budget_for(place: Place, user: str, known: Limits = ()) -> Budget:
    """The budget of a server and a user (``""`` for a guest); see :class:`Budget`."""
    with _lock:
        found = _budgets.get((*place, user))
        if found is None:
            found = _budgets[(*place, user)] = _made(place, user, known)
        return found


def _made(place: Place, user: str, known: Limits) -> Budget:
    if _part is None:
        return Budget(known=known)
    if _folder is not None:
        try:
            salt = salt_of(_folder)
            name = f"{digest(salt, *place)}-{digest(salt, *place, user, size=2)}"
            book = SharedLog(_folder / digest(salt, machine(), size=4), name)
            return Budget(paced=True, book=book, salt=salt, warn=_warn, known=known)
        except OSError as err:
            _warn(err)
    return Budget(part=_part, paced=True, known=known)


def _warn(err: OSError) -> None:
    """Say once that nothing is shared."""
    global _warned
    if not _warned:
        _warned = True
        log.warning(
            "the limits of servers cannot be kept together with other processes"
            f" ({err.strerror or err}): each goes by what the servers tell it"
        )
