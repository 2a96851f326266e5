"""bag-info.txt: its elements, and Payload-Oxum against what is on disk (RFC 8493 section 2.2.2)."""

from __future__ import annotations

import re
from collections.abc import Mapping
from datetime import date
from pathlib import Path

from . import tagfiles
from .findings import Findings

_ONCE = ("bagging-date", "bag-size", "bag-group-identifier", "bag-count")


def check(
    bag: Path,
    size: int | None,
    told: tagfiles.Declaration,
    payload: Mapping[str, int],
    fetch: Mapping[str, tuple[str, int | None, int]],
    found: Findings,
) -> tuple[int, int] | None:
    """Judge the elements.

    :param size: of bag-info.txt in bytes, None if there is none.
    :param payload: bag paths on disk, with sizes in bytes; ``fetch`` is what fetch.txt lists.
    :returns: the Payload-Oxum that was read: bytes and files.
    """
    if size is None:
        found.information("I01", "bag-info.txt", "missing")
        return None
    if size > tagfiles.MAX_SMALL:
        found.error("I02", "bag-info.txt", "too large to be what it should be")
        return None
    oxum: tuple[int, int] | None = None
    first: dict[str, int] = {}
    for label, value, line in tagfiles.bag_info(bag, told, found):
        where = f"bag-info.txt:{line}"
        key = label.lower()
        if key in _ONCE and key in first:
            found.warning("I07", where, f"{label} already given on line {first[key]}")
        if key == "bagging-date" and not _is_date(value):
            found.warning("I08", where, f'"{value[:40]}" is not YYYY-MM-DD')
        if key == "payload-oxum":
            if key in first:
                found.error("I06", where, f"Payload-Oxum already given on line {first[key]}")
            match = re.fullmatch(r"([0-9]{1,20})\.([0-9]{1,20})", value)
            if match is None:
                found.error("I04", where, f'Payload-Oxum "{value[:40]}" is not OCTETS.FILES')
            else:
                oxum = int(match[1]), int(match[2])
                _check_oxum(oxum, where, payload, fetch, found)
        first.setdefault(key, line)
    return oxum


def _check_oxum(
    oxum: tuple[int, int],
    where: str,
    payload: Mapping[str, int],
    fetch: Mapping[str, tuple[str, int | None, int]],
    found: Findings,
) -> None:
    """Of a light bag it counts the complete payload, if all sizes are known."""
    here = (sum(payload.values()), len(payload))
    told = f"{oxum[0]}.{oxum[1]}"
    absent = [size for path, (_, size, _) in fetch.items() if path not in payload]
    if not absent:
        if oxum != here:
            found.error("I05", where, f"Payload-Oxum says {told}, found {here[0]}.{here[1]}")
        return
    sizes = [size for size in absent if size is not None]
    whole = (here[0] + sum(sizes), here[1] + len(absent))
    if len(sizes) == len(absent) and oxum != whole:
        level = found.warning if oxum == here else found.error
        level("C48", where, f"Payload-Oxum says {told}, complete are {whole[0]}.{whole[1]}")


def _is_date(text: str) -> bool:
    try:
        return bool(date.fromisoformat(text)) and re.fullmatch(r"[0-9-]{10}", text) is not None
    except ValueError:
        return False
