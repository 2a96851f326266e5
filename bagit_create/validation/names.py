"""One file, two spellings: normal forms, escapes that 0.97 does not have, and near clashes."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable, Mapping, Sequence

from .findings import Findings
from .tagfiles import ESCAPES, Declaration, Manifest


def reconcile(
    manifests: Sequence[Manifest],
    fetch: Mapping[str, object],
    payload: Mapping[str, int],
    told: Declaration,
    found: Findings,
) -> None:
    """Let a line whose path is not on disk stand for the file that only spells it otherwise.

    A Mac stores names decomposed (RFC 8493 section 6.1.1.3), and widespread tools write CR and LF
    percent-encoded into bags of 0.97, which has no escapes.
    """
    composed: dict[str, list[str]] | None = None
    for manifest in manifests:
        for path in [one for one in manifest.entries if one not in payload and one not in fetch]:
            where = f"{manifest.name}:{manifest.entries[path][1]}"
            if composed is None:
                composed = _by_normal_form(payload)
            same = composed.get(unicodedata.normalize("NFC", path), [])
            plain = re.sub(r"%(?:0[AaDd]|25)", lambda m: ESCAPES[m[0].upper()], path)
            if len(same) == 1:
                actual = same[0]
                text = f"{path} has another Unicode normal form on disk than in the manifest"
                number = "M27"
            elif not told.strict and plain != path and plain in payload:
                actual, number = plain, "M31"
                text = f"{path}: BagIt {told.version} has no escapes; the decoded name is on disk"
            else:
                continue
            if actual in manifest.entries:
                found.warning("M28", where, f"{path} names a file that another line lists")
                continue
            found.warning(number, where, text)
            manifest.entries[actual] = manifest.entries.pop(path)


def _by_normal_form(payload: Iterable[str]) -> dict[str, list[str]]:
    made: dict[str, list[str]] = {}
    for path in payload:
        if not path.isascii():
            made.setdefault(unicodedata.normalize("NFC", path), []).append(path)
    return made


def clashes(payload: Iterable[str], found: Findings) -> None:
    """Names that become one on a disk without case or with another normal form."""
    # Hashes first: a second spelling of every name would take as much memory as the names.
    hashes: set[int] = set()
    twice: set[int] = set()
    for path in payload:
        number = hash(_folded(path))
        (twice if number in hashes else hashes).add(number)
    if not twice:
        return
    seen: dict[str, str] = {}
    for path in payload:
        key = _folded(path)
        if hash(key) in twice and (other := seen.setdefault(key, path)) != path:
            found.warning("N08", path, f"becomes the same name as {other}")


def _folded(path: str) -> str:
    return path.lower() if path.isascii() else unicodedata.normalize("NFC", path).casefold()
