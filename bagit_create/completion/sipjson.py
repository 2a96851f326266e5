"""sip.json of a bag that changes: entries are brought up to date, a step is added to the audit.

The document is read as a stream and written as one. Step 0 stays as it is: consumers read there
that the package was light.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Collection
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ..checksums import known, parse
from ..errors import UpstreamError
from ..model import Checksum
from ..report import Report
from ..validation.jsonstream import Stream
from ..validation.readback import digest
from .newbag import NewBag

SIP_JSON = "data/meta/sip.json"
_encode = json.JSONEncoder(ensure_ascii=False, allow_nan=False).encode
Entry = dict[str, Any]


@dataclass(frozen=True)
class Told:
    """What an entry says of its file: addresses, size in bytes, and digests that can be compared,
    those that its source published among them."""

    urls: tuple[str, ...] = ()
    size: int | None = None
    checksums: tuple[Checksum, ...] = ()


def told(path: Path, wanted: Collection[str], report: Report) -> tuple[dict[str, Told], list[str]]:
    """What the document says of these files, by bag path; and why it cannot be written anew.

    :param report: of the bag.
    """
    found: dict[str, Told] = {}
    faults = []

    def take(entry: Entry) -> None:
        _encode(entry)
        if (name := entry.get("bagpath")) in wanted:
            found[str(name)] = _told(entry)

    ids = {one.id for one in report.findings}
    if "C02" in ids:
        return {}, []
    if "C03" in ids:
        faults.append(f"{SIP_JSON} has a key twice, and nobody can tell which is meant")
    try:  # 1e999 can be read, and is no number that JSON has
        _encode(head(path))
        each_entry(path, take)
    except (OSError, ValueError, RecursionError, AttributeError) as err:
        faults.append(f"{SIP_JSON} could not be written anew: {err}")
    return found, faults


def _told(entry: Entry) -> Told:
    origin = entry.get("origin")
    origin = origin if isinstance(origin, dict) else {}
    size = entry.get("size")
    sums = []
    for text in (*texts(entry.get("checksum")), *texts(origin.get("checksum"))):
        try:
            one = parse(text)
        except UpstreamError:
            continue  # of a form that nobody can compare
        if known(one) and ":" in text:
            sums.append(one)
    return Told(
        texts(origin.get("url")),
        size if type(size) is int and size >= 0 else None,
        tuple(dict.fromkeys(sums)),
    )


def texts(value: object) -> tuple[str, ...]:
    """The texts in what is a list of them, or one alone."""
    listed = value if isinstance(value, list) else [value]
    return tuple(one for one in listed if isinstance(one, str))


def head(path: Path) -> dict[str, Any]:
    """The document without its ``contentFiles``.

    :raises OSError, ValueError: if it cannot be read; a bag that validates has it whole.
    """
    with path.open("rb") as file:
        document, _ = Stream(file, dict).object("contentFiles", lambda _: None)
    if not isinstance(document, dict):
        raise ValueError("not an object")
    return document


def each_entry(path: Path, take: Callable[[Entry], None]) -> None:
    """Call ``take`` with every entry of ``contentFiles``, in order."""
    with path.open("rb") as file:
        Stream(file, dict).object("contentFiles", take)


def rewrite(
    path: Path, new: NewBag, change: Callable[[Entry], Entry], step: dict[str, Any]
) -> tuple[int, dict[str, str]]:
    """Write the document of a bag into its next state.

    :param change: gives for each entry the one to write.
    :param step: is added to the audit.
    :returns: its size in bytes and its digests.
    """
    source = path / SIP_JSON
    document = head(source)
    document["audit"] = [*document.get("audit", []), step]
    (new.root / SIP_JSON).parent.mkdir(parents=True, exist_ok=True)
    with new.sink(SIP_JSON) as sink:

        def put(text: str) -> None:
            sink.write(text.encode("utf-8", "backslashreplace"))

        first = True

        def write(entry: Entry) -> None:
            nonlocal first
            put(("" if first else ",\n") + _encode(change(entry)))
            first = False

        opening = "{"
        for key, value in document.items():
            if key == "contentFiles":
                put(f'{opening}"contentFiles": [\n')
                each_entry(source, write)
                put("\n]")
            else:
                put(f"{opening}{_encode(key)}: {_encode(value)}")
            opening = ", "
        put("}\n")
    length, sums, _ = digest(f"{new.root}/{SIP_JSON}", new.algorithms)
    return length, {one.algorithm: one.value for one in sums}
