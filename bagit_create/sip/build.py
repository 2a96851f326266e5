"""Write everything into the staged bag that is not payload from upstream."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import replace
from pathlib import Path

from .. import log
from ..checksums import BLOCK, Digests
from ..model import Placed, Skipped
from . import baginfo, dublincore, fetchtxt, manifests, sipjson
from .contents import Built, Contents, Written

SIP_JSON = "data/meta/sip.json"
LOG = "data/meta/bagitcreate.log"
DC_XML = "data/meta/dc.xml"
NO_SUM = "upstream gives no checksum that BagIt 1.0 accepts, so fetch.txt cannot list it"


def build(bag: Path, contents: Contents, log_file: Path) -> Built:
    """Make a bag of a folder that holds the fetched payload at its bag paths.

    :param log_file: becomes ``data/meta/bagitcreate.log``; nothing may write to it any more.
    :raises OSError: if the disk is full or may not be written, or if one of these files is there
        already: payload is never overwritten.
    """
    for folder in ("content", "meta"):
        (bag / "data" / folder).mkdir(parents=True, exist_ok=True)
    algorithms, absent, skipped = coverage(contents)
    written = list(_documents(bag, contents, algorithms))
    with open(log_file, "rb") as source:
        log_entry = _write(bag, LOG, iter(lambda: source.read(BLOCK), b""), algorithms)
    sip_json = _write(
        bag,
        SIP_JSON,
        sipjson.document(contents, absent, skipped, written, log_entry),
        algorithms,
    )
    written += [log_entry, sip_json]
    absent_size = _total(absent)
    present = sum(one.size for one in written) + sum(one.size for one in contents.fetched)
    files = len(written) + len(contents.fetched) + len(absent)
    payload_bytes = None if absent_size is None else present + absent_size
    if payload_bytes is None:
        here = [one for one in contents.fetched if one.downloaded]
        oxum = (
            sum(one.size for one in written) + sum(one.size for one in here),
            len(written) + len(here),
        )
    else:
        oxum = (payload_bytes, files)
    tags = {
        "bagit.txt": baginfo.declaration(contents.bagit_version),
        "bag-info.txt": baginfo.bag_info(contents, *oxum),
    }
    lines: list[str] = []
    if contents.light:
        promised = [
            replace(one.placed, entry=replace(one.placed.entry, size=one.size))
            for one in contents.fetched
            if not one.downloaded
        ]
        lines = fetchtxt.lines((*promised, *absent), contents)
        # Even without a line: CERN's validator takes a light bag for one by this file.
        tags["fetch.txt"] = "".join(sorted(lines, key=lambda line: line.split(" ", 2)[2]))
    for name, text in tags.items():
        _put(bag / name, text)
    names = manifests.write(bag, contents, written, absent, algorithms)
    manifests.write_tag_manifests(bag, [*tags, *(f"manifest-{name}.txt" for name in names)], names)
    return Built(
        payload_bytes=payload_bytes,
        payload_files=files,
        promised=len(lines),
        without_checksum=tuple(
            one.bagpath for one in absent if not manifests.usable(one.entry.checksums)
        ),
        algorithms=names,
        skipped=skipped,
    )


def coverage(
    contents: Contents,
) -> tuple[tuple[str, ...], tuple[Placed, ...], tuple[Skipped, ...]]:
    """Which algorithms the bag's own files need, and which absent files can be promised.

    The third value is what cannot be, with the reason.

    BagIt 0.97 is content when some manifest lists a file. By 1.0 every manifest lists every file
    (RFC 8493 section 3), so the algorithm is chosen that covers most, and the rest is left out.
    """
    absent, lost = _with_address(contents)
    skipped = [_left_out(one, "upstream gives no address to fetch it from") for one in lost]
    if not absent:
        return contents.algorithms, (), tuple(skipped)
    known = [{sum_.algorithm for sum_ in manifests.usable(one.entry.checksums)} for one in absent]
    found = [name for name in dict.fromkeys(n for names in known for n in sorted(names))]
    if contents.bagit_version != "1.0":
        return tuple(dict.fromkeys((*contents.algorithms, *found))), absent, tuple(skipped)
    strong = [name for name in found if name not in manifests.NOT_BY_1_0]
    if contents.fetched:  # files hashed here carry only what was chosen and what upstream gave
        strong = [
            n
            for n in strong
            if all(n in {c.algorithm for c in f.checksums} for f in contents.fetched)
        ]
    if not strong:
        return contents.algorithms, (), (*skipped, *(_left_out(one, NO_SUM) for one in absent))
    best = max(sum(name in names for names in known) for name in strong)
    chosen = [n for n in strong if sum(n in names for names in known) == best]
    first = chosen[0]
    kept = tuple(one for one, names in zip(absent, known, strict=True) if first in names)
    skipped += [
        _left_out(one, NO_SUM)
        for one, names in zip(absent, known, strict=True)
        if first not in names
    ]
    full = [n for n in chosen if all(n in _names(one) for one in kept)]
    return tuple(full), kept, tuple(skipped)


def _with_address(contents: Contents) -> tuple[tuple[Placed, ...], list[Placed]]:
    """The absent files that fetch.txt can tell the place of, and the others."""
    kept: list[Placed] = []
    lost: list[Placed] = []
    for one in contents.absent:
        url, _ = fetchtxt.location(one.entry, contents.alternate_uri)
        (kept if url else lost).append(one)
    return tuple(kept), lost


def _names(placed: Placed) -> set[str]:
    return {one.algorithm for one in placed.entry.checksums}


def _left_out(one: Placed, reason: str) -> Skipped:
    url, _ = fetchtxt.location(one.entry, False)
    return Skipped(one.entry.name, reason, {"url": url or None})


def _documents(bag: Path, contents: Contents, algorithms: tuple[str, ...]) -> Iterator[Written]:
    """Upstream's metadata, the placeholders of empty folders, and dc.xml."""
    record = contents.record
    for one in record.documents:
        place = f"data/{one.place}/{one.name}"
        yield _write(bag, place, [one.content], algorithms, True, one.url, one.media_type)
    for path, folder in zip(contents.placeholders, record.empty_folders, strict=True):
        yield replace(_write(bag, path, [], algorithms), folder=folder, placeholder=True)
    yield _write(
        bag, DC_XML, [dublincore.document(record)], algorithms, True, media_type="application/xml"
    )


def _write(
    bag: Path,
    bagpath: str,
    blocks: Iterable[bytes],
    algorithms: tuple[str, ...],
    is_metadata: bool = False,
    url: str | None = None,
    media_type: str | None = None,
) -> Written:
    """Write and hash a file in one pass; it must not be there yet."""
    path = bag / bagpath
    path.parent.mkdir(parents=True, exist_ok=True)
    digests = Digests(algorithms)
    size = 0
    with path.open("xb") as file:
        for block in blocks:
            file.write(block)
            digests.update(block)
            size += len(block)
    return Written(bagpath, size, digests.checksums(), is_metadata, url, media_type)


def _put(path: Path, text: str) -> None:
    with path.open("xb") as file:
        file.write(text.encode("utf-8"))


def _total(absent: tuple[Placed, ...]) -> int | None:
    total = 0
    for one in absent:
        if one.entry.size is None:
            log.warning("the size of some files is unknown: Payload-Oxum counts what is present")
            return None
        total += one.entry.size
    return total
