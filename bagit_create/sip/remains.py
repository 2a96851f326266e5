"""What an earlier run has left in a staging folder, and what of it is of use."""

from __future__ import annotations

import json
import os
import shutil
from contextlib import suppress
from pathlib import Path
from typing import Any


def finished(journal: Path) -> dict[str, dict[str, Any]]:
    """What a journal of finished downloads holds: bag path to the facts noted of it."""
    found: dict[str, dict[str, Any]] = {}
    with suppress(FileNotFoundError), open(journal, "rb") as lines:
        for line in lines:
            # The last line may be cut, or anything may have happened to the file.
            with suppress(ValueError, KeyError, TypeError, RecursionError):
                fact = json.loads(line)
                found[fact["bagpath"]] = fact
    return found


def keep_only(bag: Path, parts: Path, bagpaths: set[str]) -> None:
    """Remove everything from a bag but these files, and those whose download was begun.

    :param parts: the folder with the notes about downloads under way.
    """
    wanted = bagpaths | _under_way(bag, parts)
    for folder, _, names in os.walk(bag, topdown=False):
        for name in names:
            path = Path(folder, name)
            if str(path.relative_to(bag)) not in wanted:
                path.unlink()
        with suppress(OSError):  # not empty: it is wanted
            if Path(folder) != bag:
                os.rmdir(folder)


def _under_way(bag: Path, parts: Path) -> set[str]:
    """The files that a note says an earlier run had begun; other remains are removed."""
    found: set[str] = set()
    for part in list(parts.iterdir()):
        if part.is_dir() and not part.is_symlink():  # scratch of a run that was killed
            shutil.rmtree(part)
            continue
        try:
            bagpath = json.loads(part.read_bytes())["bagpath"]
            os.lstat(bag / bagpath)
            found.add(bagpath)
        except (OSError, ValueError, KeyError, TypeError, RecursionError):
            part.unlink()
    return found
