"""``python killed.py WHERE COMMAND...``: run ``bic``, and be killed at a certain place.

Before a place means that it is not reached; behind it, that it is just done. ``rename N`` is the
N-th renaming on a system that cannot exchange two folders in one step.
"""

from __future__ import annotations

import os
import signal
import sys
from collections.abc import Callable
from typing import Any

from bagit_create import validation
from bagit_create.cli import cli
from bagit_create.completion import change, newbag, swap, tagfiles, workshop

PLACES: dict[str, tuple[Any, str]] = {
    "reading back": (validation, "read_back"),
    "linking": (newbag.NewBag, "link"),
    "writing tag files": (tagfiles.TagFiles, "write"),
    "validating": (validation, "validate"),
    "giving rights": (newbag.NewBag, "finish"),
    "syncing": (change, "sync"),
    "exchanging": (change, "swap"),
    "leaving": (workshop, "leave"),
}


def die(*_: object, **__: object) -> None:
    os.kill(os.getpid(), signal.SIGKILL)


def behind(call: Callable[..., Any]) -> Callable[..., Any]:
    def called(*args: Any, **more: Any) -> None:
        call(*args, **more)
        die()

    return called


def at_rename(number: int) -> None:
    """Be killed behind the N-th renaming of a bag."""
    rename, left = os.rename, [number]
    by_three = swap._by_three

    def counted(*args: Any) -> None:
        rename(*args)
        left[0] -= 1
        if not left[0]:
            die()

    def swapped(*args: Any) -> None:
        os.rename = counted  # type: ignore[assignment]
        by_three(*args)

    setattr(swap, "_exchange", lambda *_: False)
    setattr(swap, "_by_three", swapped)


def prepare(where: str) -> None:
    """Lay the trap."""
    when, _, place = where.partition(" ")
    if when == "rename":
        at_rename(int(place))
        return
    holder, name = PLACES[place]
    setattr(holder, name, die if when == "before" else behind(getattr(holder, name)))


if __name__ == "__main__":
    prepare(sys.argv[1])
    cli(sys.argv[2:], prog_name="bic")
