"""A path that a line of a tag file names: decoded by the version's rule, judged, made plain."""

from __future__ import annotations

import re

from .declaration import Declaration
from .findings import Findings

ESCAPES = {"%0A": "\n", "%0D": "\r", "%25": "%"}
"""What RFC 8493 section 2.1.3 writes encoded, and nothing else."""
_ESCAPE = re.compile(r"%(?:0[AaDd]|25)")
_WINDOWS = re.compile(r"[A-Za-z]:|\\\\|%[A-Za-z_]\w*%")
_PLAIN = re.compile(r"[^~\x00/\\%. ][^\x00\\%]*", re.DOTALL)
_BLANK = re.compile(r"/\s|\s(?:/|$)")
_UNEVEN = re.compile(r"(?:^|/)(?:\.{0,2})(?:/|$)")


def decoded(path: str) -> str:
    """A path with the three escapes of RFC 8493 undone, in one pass."""
    return _ESCAPE.sub(lambda match: ESCAPES[match[0].upper()], path)


def check_path(
    path: str,
    told: Declaration,
    where: tuple[str, int],
    found: Findings,
    *,
    bag: str,
    kind: str = "manifest",
) -> str | None:
    """Judge a path (RFC 8493 sections 2.1.3, 5.1).

    :param bag: the name of the base directory.
    :param kind: ``"manifest"``, ``"tagmanifest"`` or ``"fetch"``.
    :returns: the path without detours, None if nothing may be looked up there.
    """
    plain: str | None = path
    if not _PLAIN.fullmatch(path) or _UNEVEN.search(path) or path[1:2] == ":":
        plain = _judged(path, told, where, found, bag, kind == "fetch")
    if plain is None:
        return None
    inside = plain.startswith("data/")
    if kind == "tagmanifest":
        if inside:
            found.error("T05", where, f"{plain[:200]} is payload")
            return None
    elif not inside:
        rule = "F03" if kind == "fetch" else "M10"
        found.error(rule, where, f"{plain[:200]} is not a payload path", expected="data/…")
        return None
    if _BLANK.search(path):
        found.warning("M34", where, f'a name in "{path[:200]}" begins or ends with white space')
    return plain


def _judged(
    path: str,
    told: Declaration,
    where: tuple[str, int],
    found: Findings,
    bag: str,
    is_fetch: bool,
) -> str | None:
    shown = f'"{path[:200]}"'
    if is_fetch and not told.strict and path.startswith("/data/"):
        # The draft of 0.97, section 2.2.3: such a path is relative to the bag.
        found.warning("M18", where, f"{shown} begins with a slash", expected=path[1:], found=path)
        path = path[1:]
    if _WINDOWS.match(path):
        found.error("F04" if is_fetch else "M15", where, f"{shown} is absolute on Windows")
        return None
    if told.strict:
        if re.search(r"%(?!0[AaDd]|25)", path):
            number = "F22" if is_fetch else "M30"
            found.error(number, where, f'{shown}: "%" must be written %25')
        else:
            path = decoded(path)
    rule = ""
    if "\0" in path:
        rule, text = "M11", "holds a NUL"
    elif path.startswith(("/", "\\")):
        rule, text = "M13", "is absolute"
    elif path.startswith("~"):
        rule, text = "M14", "is a home-directory shortcut"
    if rule:
        found.error("F04" if is_fetch else rule, where, f"{shown} {text}")
        return None
    parts: list[str] = []
    for part in path.split("/"):
        if part == "..":
            if not parts:
                rule = "M12" if bag and path.startswith(f"../{bag}") else "M11"
                found.error("F04" if is_fetch else rule, where, f"{shown} leaves the bag")
                return None
            parts.pop()
        elif part not in ("", "."):
            parts.append(part)
    plain = "/".join(parts)
    if plain != path:
        rule = "M17" if path == f"./{plain}" else "M18"
        found.warning(rule, where, f"{shown} goes a detour", expected=plain, found=path)
    return plain
