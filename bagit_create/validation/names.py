"""One file, two spellings; and names that not every system can have."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable, Mapping, Sequence
from itertools import chain

from .declaration import Declaration
from .fetchtxt import Fetch
from .findings import Findings
from .manifest import Manifest
from .pathcheck import decoded
from .table import ABSENT, Column

_ODD = re.compile(
    r"[^A-Za-z0-9_./()-]|/[-.]|\.(?:/|$)" r"|/(?:con|prn|aux|nul|com[0-9]|lpt[0-9])(?:[./]|$)",
    re.IGNORECASE,
)
"""Finds in a path whatever needs a closer look; most paths have nothing of it."""
_DEVICE = re.compile(r"(?:con|prn|aux|nul|com[0-9¹²³]|lpt[0-9¹²³])(?:\..*)?", re.IGNORECASE)
_UNSEEN = ("Cc", "Cf", "Cs", "Co", "Cn", "Zl", "Zp")
COMPONENT_BYTES = 255
WINDOWS_CHARACTERS = 255
KEY_BYTES = 1024
"""Of a key in object storage (S3)."""


def reconcile(
    manifests: Sequence[Manifest],
    fetch: Fetch,
    payload: Column,
    links: Mapping[str, str],
    told: Declaration,
    found: Findings,
) -> None:
    """Let a line whose path is not on disk stand for the file that only spells it otherwise.

    A Mac stores names decomposed (RFC 8493 section 6.1.1.3), and widespread tools write CR and LF
    percent-encoded into bags of 0.97, which has no escapes.
    """
    spellings: _Spellings | None = None
    for manifest in manifests:
        lines = manifest.digests.lines
        for path in [p for p in lines if not (p in payload or p in fetch or p in links)]:
            spellings = spellings or _Spellings(payload, fetch.lines)
            number, actual = spellings.like(path, told)
            if number:
                _settle(manifest, path, actual, number, told, found)


def _settle(
    manifest: Manifest,
    path: str,
    actual: str,
    number: str,
    told: Declaration,
    found: Findings,
) -> None:
    where = manifest.line(path)
    digests = manifest.digests
    if actual not in manifest and number != "M29":
        text = {
            "M28": f"{path} has another Unicode normal form on disk than in the manifest",
            "M31": f"{path}: this version has no escapes; the file with the decoded name is meant",
        }[number]
        found.warning("M27" if number == "M28" else number, where, text)
        digests.move(path, actual)
        return
    other = digests.lines.get(actual)
    same = other is not None and digests.get(path) == digests.get(actual)
    how = "case" if number == "M29" else "spelling"
    if same and not told.strict:
        # A system that knows no case, or one form only, made one file of two; no byte is lost.
        text = f"lines {other} and {where[1]} name one file, in another {how}: {actual}"
        found.warning("M28" if number == "M31" else number, where, text)
        digests.lines.drop(path)
    else:
        text = f"{path} is missing; did you mean {actual}?"
        found.error(number, where, text, expected=path, found=actual)


class _Spellings:
    """The files that are here or promised, by their names without case and normal form."""

    def __init__(self, payload: Column, promised: Column) -> None:
        self._payload = payload
        self._known: dict[str, list[str]] = {}
        for path in chain(payload, (one for one in promised if one not in payload)):
            self._known.setdefault(_folded(path), []).append(path)

    def like(self, path: str, told: Declaration) -> tuple[str, str]:
        """The finding, and the file on disk that a path that is not there may mean."""
        near = self._known.get(_folded(path), [])
        composed = unicodedata.normalize("NFC", path)
        same = [one for one in near if unicodedata.normalize("NFC", one) == composed]
        if len(same) == 1:
            return "M28", same[0]
        plain = decoded(path)
        if not told.strict and plain != path and plain in self._payload:
            return "M31", plain
        return ("M29", near[0]) if len(near) == 1 else ("", "")


def clashes(payload: Column, fetch: Fetch, manifests: Sequence[Manifest], found: Findings) -> None:
    """Names that become one on a disk without case or with another normal form."""
    sizes, promised = payload.whole(), fetch.lines.whole()
    paths = payload.table.rows

    def wanted() -> Iterable[str]:
        return (p for p, row in paths.items() if sizes[row] != ABSENT or promised[row] != ABSENT)

    # Hashes first: a second spelling of every name would take as much memory as the names.
    hashes: set[int] = set()
    twice: set[int] = set()
    for path in wanted():
        number = hash(_folded(path))
        (twice if number in hashes else hashes).add(number)
    if not twice:
        return
    seen: dict[str, str] = {}
    for path in wanted():
        key = _folded(path)
        if hash(key) not in twice or (other := seen.setdefault(key, path)) == path:
            continue
        is_form = unicodedata.normalize("NFC", path) == unicodedata.normalize("NFC", other)
        how = "Unicode form" if is_form else "case"
        if path in fetch:
            where = ("fetch.txt", fetch.lines[path])
            found.warning("F22", where, f"{path} and {other} differ only in {how}")
            continue
        found.warning("N09" if is_form else "N08", path, f"differs from {other} only in {how}")
        for one in manifests:
            if path in one and other in one:
                text = f"{path} and {other} differ only in {how}"
                found.warning("M28" if is_form else "M29", one.line(path), text)
                break


def _folded(path: str) -> str:
    if path.isascii():
        return path.lower()
    return unicodedata.normalize("NFC", unicodedata.normalize("NFC", path).casefold())


def portability(payload: Iterable[str], told: Declaration, found: Findings, *, sip: bool) -> None:
    """Names that are no trouble here and will be elsewhere (RFC 8493 section 6.1).

    :param sip: speak of CERN's archive where it will change a name.
    """
    for path in payload:
        if len(path) > WINDOWS_CHARACTERS:
            _long(path, found)
        if is_odd(path):
            _judge(path, found, "C57" if sip else "N11")
        if not told.strict and "%0" in path and decoded(path) != path:
            found.warning("M31", path, "some tools read the escape in the name as a line break")
        if told.encoding != "utf-8":
            try:
                path.encode(told.encoding)
            except UnicodeEncodeError:
                text = f"the name cannot be written in {told.encoding.upper()}"
                found.error("N05", path, text)


def is_odd(path: str) -> bool:
    """Whether a payload path has anything in it that needs a closer look."""
    return _ODD.search(path, 4) is not None


def _long(path: str, found: Findings) -> None:
    text = f"{len(path)} characters"
    size = len(path.encode("utf-8", "surrogateescape"))
    limit = f"{KEY_BYTES} bytes" if size > KEY_BYTES else f"{WINDOWS_CHARACTERS} characters"
    found.warning("N04", path, f"{text}: some systems take {limit}", expected=limit, found=text)


def _judge(path: str, found: Findings, renamed: str) -> None:
    names = path.split("/")[1:]
    for name in names:
        if len(name.encode("utf-8", "surrogateescape")) > COMPONENT_BYTES:
            found.warning("N04", path, f"a name of more than {COMPONENT_BYTES} bytes")
        if _DEVICE.fullmatch(name):
            found.warning("N02", path, f"{name} is a device on Windows")
        if name[-1:] in (".", " "):
            what = "dot" if name[-1] == "." else "space"
            found.warning("N03", path, f"a {what} at the end of a name is dropped by Windows")
        if name[:1] in ("-", ".") and name != ".keep":
            what = "dash" if name[0] == "-" else "dot"
            found.information("N10", path, f"leading {what}")
    if forbidden := sorted(set(re.findall(r'[<>:"|?*]', path))):
        found.warning("N01", path, f"not allowed on Windows: {' '.join(forbidden)}")
    if "\\" in path:
        found.warning("N07", path, "a backslash becomes a folder on Windows")
    unseen = {char for char in path if not char.isprintable() and char != " "}
    unseen |= {char for char in path if unicodedata.category(char) in _UNSEEN}
    if unseen:
        shown = ", ".join(sorted(f"U+{ord(char):04X}" for char in unseen))
        found.warning("N06", path, f"characters that cannot be seen: {shown[:200]}")
    if re.search(r"[^A-Za-z0-9_./()-]", path):
        found.information(renamed, path, f"Archivematica will rename it to {changed(path)}")


def changed(path: str) -> str:
    """A path as Archivematica's ``change_names`` makes it, nearly: ASCII letters, digits, -_.()"""
    plain = unicodedata.normalize("NFKD", path).encode("ascii", "ignore").decode()
    return re.sub(r"[^A-Za-z0-9_./()-]", "_", plain)
