"""The disk, the payload manifests, fetch.txt and the tag manifests against each other."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence

from ..checksums import CRYPTOGRAPHIC
from .declaration import Declaration
from .fetchtxt import Fetch
from .findings import Findings
from .manifest import Manifest
from .structure import Structure, is_junk
from .table import ABSENT, Column


def payload(
    there: Structure,
    manifests: Sequence[Manifest],
    fetch: Fetch,
    tag_manifests: Sequence[Manifest],
    told: Declaration,
    found: Findings,
    *,
    is_light: bool,
) -> None:
    """Which payload files are listed, here, promised (RFC 8493 section 3).

    :param is_light: the bag says itself that it is a light SIP: such a bag of 0.97 promises files
        too of which nobody published a checksum.
    """
    if not manifests:
        return  # it is said already that there is none
    sizes, promised = there.payload.whole(), fetch.lines.whole()
    columns = [(one, one.digests.lines.whole()) for one in manifests]
    tagged = {path: (one.name, line) for one in tag_manifests for path, line in one.payload.items()}
    for path, row in there.payload.table.rows.items():
        here = sizes[row] != ABSENT or path in there.links
        fetched = promised[row] != ABSENT
        lists = 0
        for _, lines in columns:
            if lines[row] != ABSENT:
                lists += 1
        if here and not fetched and lists == len(columns) and lists:
            continue
        if not lists:
            _unlisted(path, there, here, fetched, promised[row], tagged, told, found, is_light)
            continue
        if not here and not fetched:
            for one, lines in columns:
                if lines[row] != ABSENT:
                    _missing(path, (one.name, lines[row]), there, found)
        if lists < len(columns):
            _partly(path, row, columns, here, fetched, promised[row], told, found)
        if fetched:
            _promised(path, sizes[row], promised[row], fetch.sizes, found)


def _unlisted(
    path: str,
    there: Structure,
    here: bool,
    fetched: bool,
    line: int,
    tagged: Mapping[str, tuple[str, int]],
    told: Declaration,
    found: Findings,
    is_light: bool,
) -> None:
    if here and path in tagged:
        name, number = tagged[path]
        text = f"in no payload manifest, only in {name}:{number}"
        found.error("T06", path, text)
    elif here and path in there.cut:
        text = "not listed: a name with a line break cannot stand in a manifest as it is"
        found.error("M37", path, text)
    elif here:
        found.error("M02", path, "not listed in any payload manifest")
    if fetched:
        level = found.warning if is_light and not told.strict else found.error
        text = f"{path} is in no payload manifest, so it cannot be verified"
        level("F05", ("fetch.txt", line), text)
        if not here:
            found.information("F14", path, "to be fetched")


def _missing(
    path: str,
    where: tuple[str, int],
    there: Structure,
    found: Findings,
) -> None:
    if is_junk(path):
        text = f"{path} is listed and missing: a file that an operating system made for itself"
        found.warning("S14", where, text)
    elif path in there.folders:
        found.error("M19", where, f"{path} is a folder; only files are listed")
    elif path in there.irregular:
        text = f"{path} is listed, and is a {there.irregular[path].value}"
        found.error("M01", where, text)
    elif any(one.startswith((f"{path}\n", f"{path}\r")) for one in there.cut):
        text = f"the name on disk has a line break, which cuts this line short: {path}"
        found.error("M37", where, text)
    else:
        found.error("M01", where, f"{path} is listed but missing")


def _partly(
    path: str,
    row: int,
    columns: Sequence[tuple[Manifest, Sequence[int]]],
    here: bool,
    fetched: bool,
    line: int,
    told: Declaration,
    found: Findings,
) -> None:
    level = found.error if told.strict else found.information
    listing = next(one.line(path) for one, lines in columns if lines[row] != ABSENT)
    for one, lines in columns:
        if lines[row] == ABSENT:
            text = f"does not list {path} (listed in {listing[0]}:{listing[1]})"
            level("M04", one.name, text)
            if fetched:
                level("F06", ("fetch.txt", line), f"{path} is not in {one.name}")
    proofs = [one for one, lines in columns if lines[row] != ABSENT]
    if here and not any(one.algorithm in CRYPTOGRAPHIC for one in proofs):
        text = f"{path} is listed with {proofs[0].algorithm} only, which proves nothing"
        found.error("S10", proofs[0].line(path), text)


def _promised(path: str, size: int, line: int, sizes: Column, found: Findings) -> None:
    told = sizes.get(path)
    if size == ABSENT:
        text = "to be fetched" if told is None else f"to be fetched ({told} bytes)"
        found.information("F14", path, text)
        return
    found.information("F12", ("fetch.txt", line), f"{path} is already present")
    if told is not None and told != size:
        text = f"{path} is here with another size"
        found.warning("F13", ("fetch.txt", line), text, expected=str(told), found=str(size))


def tag_files(
    there: Structure,
    manifests: Sequence[Manifest],
    tag_manifests: Sequence[Manifest],
    told: Declaration,
    found: Findings,
) -> None:
    """Which tag files are listed, here, left out (RFC 8493 sections 2.2.1, 2.2.4)."""
    covered: set[str] = set()
    for one in tag_manifests:
        covered.update(one.digests.lines)
        for path in one.digests.lines:
            where = one.line(path)
            if path in there.folders:
                found.error("M19", where, f"{path} is a folder; only files are listed")
            elif path not in there.tags:
                _missing_tag(path, where, there, found)
            if path.lower().startswith("tagmanifest-"):
                level = found.error if told.strict else found.warning
                level("T04", where, f"lists {path}")
        for other in manifests:
            if other.name not in one:
                level = found.error if told.strict else found.information
                level("T03", one.name, f"does not list {other.name}")
    for one in tag_manifests:
        for path in sorted(covered):
            if path not in one and path in there.tags:
                found.warning("T07", one.name, f"lacks {path}, which another tag manifest lists")
    _unknown_tag_files(there, covered, told, found)
    if not tag_manifests:
        found.information("T10", "tagmanifest-ALG.txt", "none: the tag files are unprotected")
        return
    if {one.algorithm for one in manifests} != {one.algorithm for one in tag_manifests}:
        text = "the tag manifests use other algorithms than the payload manifests"
        found.information("T09", tag_manifests[0].name, text)
    for path in sorted(there.tags.keys() - covered):
        if not path.lower().startswith("tagmanifest-"):
            found.information("T08", path, "not protected by a tag manifest")


def _missing_tag(path: str, where: tuple[str, int], there: Structure, found: Findings) -> None:
    if path in there.links:
        return  # said already
    number = "T12" if path == "fetch.txt" else "T02"
    if is_junk(path):
        found.warning("S14", where, f"{path} is listed and missing: an operating system's file")
    else:
        found.error(number, where, f"{path} is listed but missing")


def _unknown_tag_files(
    there: Structure, covered: Collection[str], told: Declaration, found: Findings
) -> None:
    """Tag files and folders that the specification does not name.

    :param covered: what the tag manifests list.
    """
    known = ("bagit.txt", "bag-info.txt", "package-info.txt", "fetch.txt")
    folders: set[str] = set()
    for path in sorted(there.tags):
        if path in known or "manifest-" in path.partition("/")[0].lower():
            continue
        if path not in covered:
            found.information("S13", path, "outside data/ and in no manifest: unprotected")
        if "/" in path:
            folders.add(path.partition("/")[0])
    if told.number <= (0, 96):
        for folder in sorted(folders):
            text = f"version {told.version} knows no folders but data/"
            found.information("S22", f"{folder}/", text)
    old = told.number < (0, 96)
    odd = "bag-info.txt" if old else "package-info.txt"
    if odd in there.tags:
        right = "package-info.txt" if old else "bag-info.txt"
        text = f"ignored: version {told.version} uses {right}"
        found.warning("S21", odd, text, expected=right, found=odd)
