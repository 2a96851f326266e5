"""Where earlier packages are looked for."""

from __future__ import annotations

import os
import re
from pathlib import Path

from .. import log
from ..errors import InputError
from ..options import ARCHIVES
from ..sip.staging import FOLDER
from ..validation.archives import open_archive
from ..validation.findings import Findings
from ..validation.machine import not_here


def check_place(place: Path) -> None:
    """Refuse a place that can hold no earlier package, before anything is asked.

    :raises InputError: if it is not there, cannot be read, or is what a run is still making.
    """
    why = ""
    try:
        if not place.exists():
            why = "There is no such package or folder of packages."
        elif FOLDER in (*place.absolute().parts, *place.resolve().parts):
            why = "This is a staging folder: what is in it is no package yet."
        elif not (place.is_dir() or place.is_file()):
            why = "This is neither a package nor a folder of packages."
        elif not os.access(place, os.R_OK | (os.X_OK if place.is_dir() else 0)):
            why = "The earlier package may not be read."
    except (OSError, RuntimeError) as err:
        why = f"The earlier package cannot be looked at: {err}."
    if not why and place.is_file():
        found = Findings()
        if (archive := open_archive(place, found)) is None:
            why = f"This is no package: {found.all()[0].message}."
        else:
            archive.close()
    if why:
        raise InputError(why, where=str(place), hint="check --previous")


def packages(place: Path, source: str, recid: str) -> list[Path]:
    """What may be packages of a record, the newest first: folders and archives.

    :param place: a package itself, or the folder in which packages are. Links in that folder are
        passed over: what they lead to may be gone tomorrow.
    :raises SipError: if this machine cannot look into it here and now.
    """
    if place.is_file() or os.path.lexists(place / "bagit.txt"):
        return [place]
    ends = "|".join(map(re.escape, ARCHIVES.values()))
    name = re.compile(rf"sip::{re.escape(source)}::{re.escape(recid)}::([0-9]{{1,12}})({ends})?")
    found = []
    try:
        with os.scandir(place) as entries:
            for one in entries:
                if (match := name.fullmatch(one.name)) is None or one.is_symlink():
                    continue
                if one.is_file() if match[2] else one.is_dir():
                    found.append((int(match[1]), not match[2], one.path))
    except FileNotFoundError:
        return []  # a target that is still to be made
    except OSError as err:
        not_here(err, place)  # who does not see them would make another one beside them
        log.warning(f"earlier packages cannot be looked for: {err}")
    return [Path(path) for _, _, path in sorted(found, reverse=True)]
