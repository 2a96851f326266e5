"""Whether a package has a record exactly as it is listed now."""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Iterator
from typing import Any

from ..checksums import MANIFEST_ALGORITHMS, fastest, known
from ..log import readable
from ..model import Document, FileEntry, Record
from ..pipelines.base import Begun, Essence
from ..sip.build import DC_XML
from ..sip.fetchtxt import public
from ..sip.sipjson import origin_of
from ..validation import digest
from ..validation.siphead import at
from .package import Package

SETTLED_S = 60
"""Seconds by which the clock of a disk may differ from ours."""
OF_A_RUN = ("fetched", "hashed", "reused", "served_by", "http_status", "missing", "optional")
"""Keys of an entry's origin that tell of a harvest, and not of the file."""
Judge = Callable[[Document], Essence | None]
"""What of a document counts; a pipeline knows."""


def compare(package: Package, begun: Begun, essence: Judge) -> bool | None:
    """Compare upstream's first answer with what a package has of it.

    :returns: False if the record has changed, True if it has not, None if that cannot be told yet.
    """
    for document in begun.documents:
        if _place(document.url) != _place(package.head.get("metadataFile_upstream")):
            return False
        stored = package.document(document)
        now, then = essence(document), essence(stored) if stored else None
        if now is None or then is None or now.text != then.text:
            return False
        if not now.tells_all:
            return None
        if now.settled and min(package.begun, package.made) <= now.settled:
            return None  # what came while the files were fetched may not show
    return True if begun.documents else None


def differs(package: Package, record: Record, essence: Judge) -> str:
    """What of a harvested record is not in a package to the letter; ``""`` if all of it is.

    Each document must be the same in all that counts, and each file must be listed in the same
    words with a checksum. A file of this machine must have its size and time of change; its bytes
    are read and compared too, unless nobody can have written to it since the package was made.
    """
    return next(_differences(package, record, essence), "")


def _differences(package: Package, record: Record, essence: Judge) -> Iterator[str]:
    listed = {_key(origin_of(one)): one for one in record.files}
    if len(listed) != len(record.files):
        yield "two files are listed in the same words"
    documents = {f"data/{one.place}/{one.name}" for one in record.documents}
    folders = set(record.empty_folders)
    local: list[tuple[FileEntry, str, int]] = []
    new: list[str] = []

    def take(entry: Any) -> None:
        path, told = at(entry, "bagpath"), at(entry, "origin")
        if not isinstance(path, str) or not isinstance(told, dict):
            new.append("an entry without a place")
        elif at(entry, "metadata") is True:
            if path not in (DC_XML, *documents):
                new.append(f"{path} is not there any more")
            documents.discard(path)
        elif "placeholder" in told:
            folder = str(told.get("path"))
            if folder not in folders:
                new.append(f"the folder {folder} is not empty any more, or gone")
            folders.discard(folder)
        elif path.startswith("data/content/"):
            own = {key: value for key, value in told.items() if key not in OF_A_RUN}
            one = listed.pop(_key(own), None)
            if one is None:
                new.append(f"{path} is listed otherwise, or not any more")
            elif one.size is not None and entry.get("size") not in (None, one.size):
                new.append(f"the size of {path}")
            elif one.path is not None:
                read = told.get("fetched", told.get("hashed"))
                # What an earlier run had read, nobody knows since when.
                is_of_run = type(read) is int and read >= package.begun
                local.append((one, path, package.begun if is_of_run else 0))
            elif not any(map(known, one.checksums)):
                new.append(f"{path} has no checksum, so that it may have changed")

    if package.each_entry(take) is None:
        yield "its list of files cannot be read"
    yield from new[:1]
    for what in (documents, folders, [one.name for one in listed.values()]):
        yield from (f"{one} is new" for one in what)
    if sorted(f"{readable(one.name)}: {one.reason}" for one in record.skipped) != _left_out(
        package
    ):
        yield "other things are left out"
    if json.loads(json.dumps(dict(record.source_details))) != package.head.get(
        "source_details", {}
    ):
        yield "the source was named otherwise"
    for document in record.documents:
        stored = package.document(document)
        now, then = essence(document), essence(stored) if stored else None
        if now is None or then is None or now.text != then.text:
            yield f"{document.name} has changed"
    for one, path, read in local:
        if not _is_same(package, one, path, read):
            yield f"{path} has changed"


def _place(url: Any) -> str:
    """An address without its scheme: a server that learns https is the same one."""
    return public(url).partition("://")[2] if isinstance(url, str) else ""


def _key(told: dict[str, Any]) -> str:
    return json.dumps(told, sort_keys=True)


def _left_out(package: Package) -> list[str]:
    found = []
    for step in package.steps("skip"):
        files = step.get("files")
        for one in files if isinstance(files, list) else ():
            found.append(f"{at(one, 'name')}: {at(one, 'reason')}")
    return sorted(found)


def _is_same(package: Package, one: FileEntry, bagpath: str, read: int) -> bool:
    """Whether a file of this machine is the one in the package.

    :param read: when it was read for that, at the earliest; a large one takes hours.
    """
    assert one.path is not None
    listed = package.digests(bagpath)
    strong = [name for name in listed if name in MANIFEST_ALGORITHMS]
    try:
        if os.lstat(one.path).st_ctime < read - SETTLED_S:
            return True  # its name, size and time of change were compared
        if not strong:
            return False
        size, sums, _ = digest(one.path, [fastest(strong)])
    except OSError:
        return False
    return size == one.size and sums[0].value == listed[fastest(strong)]
