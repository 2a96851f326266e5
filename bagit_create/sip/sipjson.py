"""data/meta/sip.json: the package's identity, its history, and the provenance of every file.

Keys and types are those of the CERN SIP specification (cerndigitalmemory/sip-spec) and of what the
forerunner writes; further facts stand under ``audit`` and ``origin`` only.
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from ..log import is_text, readable
from ..model import Checksum, Fetched, FileEntry, Missing, Placed, Skipped
from ..version import get_version
from .baginfo import WEBSITE
from .contents import Contents, Written
from .fetchtxt import public

SCHEMA = "https://gitlab.cern.ch/digitalmemory/sip-spec/-/raw/main/versions/sip-schema-v1.json"
AT_ONCE = 100
"""Entries that are hashed and written together: one by one, the calls cost more than the bytes."""
_encode = json.JSONEncoder(ensure_ascii=False, allow_nan=False).encode


def step(action: str, timestamp: int, message: str, /, **params: Any) -> dict[str, Any]:
    """One step of the audit trail, by us. ``timestamp`` is Unix seconds."""
    return {
        "tool": {
            "name": "CERN BagIt Create",
            "version": get_version(),
            "website": WEBSITE,
            "params": params,
        },
        "action": action,
        "timestamp": timestamp,
        "message": message,
    }


def document(
    contents: Contents,
    absent: Sequence[Placed],
    skipped: Sequence[Skipped],
    written: Sequence[Written],
    log_entry: Written,
) -> Iterator[bytes]:
    """The document in pieces, so that memory stays flat however many files there are."""
    record = contents.record
    audit = [
        step("sip_create", contents.timestamp, "SIP created", **contents.params),
        *contents.steps,
    ]
    if left_out := [*record.skipped, *skipped]:
        files = [
            {**_name(one.name, "name"), "reason": one.reason, **one.details} for one in left_out
        ]
        audit.append(
            step("skip", contents.timestamp, f"{len(files)} not in the package", files=files)
        )
    head = {
        "$schema": SCHEMA,
        "created_by": f"bagit-create {get_version()}",
        "audit": audit,
        "source": record.source,
        "recid": record.recid,
        "metadataFile_upstream": public(record.metadata_url or "") or None,
    }
    yield (_encode(head)[:-1] + ', "contentFiles": [\n').encode("utf-8", "backslashreplace")
    lines: list[str] = []
    for entry in _entries(contents, absent, skipped, written):
        lines.append(_encode(entry) + ",\n")
        if len(lines) == AT_ONCE:
            yield "".join(lines).encode("utf-8", "backslashreplace")
            lines.clear()
    yield "".join(lines).encode("utf-8", "backslashreplace")
    last = [_own_entry(log_entry), _unhashed("data/meta/sip.json")]
    tail: dict[str, Any] = {
        "sip_creation_timestamp": contents.timestamp,
        "usr-meta": dict(contents.usr_meta),
    }
    if record.source_details:
        tail["source_details"] = dict(record.source_details)
    if contents.author:
        tail["author"] = contents.author
    text = ",\n".join(map(_encode, last)) + "\n], " + _encode(tail)[1:] + "\n"
    yield text.encode("utf-8", "backslashreplace")


def _entries(
    contents: Contents,
    absent: Sequence[Placed],
    skipped: Sequence[Skipped],
    written: Sequence[Written],
) -> Iterator[dict[str, Any]]:
    for one in written:
        yield _own_entry(one)
    for fetched in contents.fetched:
        yield _fetched_entry(fetched)
    for placed in absent:
        yield _absent_entry(placed)
    for one_missing in contents.missing:
        yield _missing_entry(one_missing)


def _own_entry(one: Written) -> dict[str, Any]:
    """A file that did not come as payload: metadata, a placeholder, dc.xml, the log."""
    origin: dict[str, Any] = {
        "filename": os.path.basename(one.bagpath),
        **_name(one.folder, "path"),
    }
    if one.placeholder:
        origin["placeholder"] = "keeps an empty folder"
    if one.url and (url := public(one.url)):
        origin["url"] = url
    if one.media_type:
        origin["media_type"] = one.media_type
    return {
        "origin": origin,
        "metadata": one.is_metadata,
        "downloaded": True,
        "bagpath": one.bagpath,
        "size": one.size,
        "checksum": [str(sum_) for sum_ in one.checksums],
    }


def _unhashed(bagpath: str) -> dict[str, Any]:
    """sip.json's entry for itself: it cannot hold its own size or checksum."""
    return {
        "origin": {"filename": os.path.basename(bagpath), "path": ""},
        "metadata": False,
        "downloaded": True,
        "bagpath": bagpath,
    }


def _fetched_entry(one: Fetched) -> dict[str, Any]:
    entry = one.placed.entry
    origin = origin_of(entry)
    if one.url and not one.url.startswith("file:") and (url := public(one.url)):
        origin["served_by"] = url
    if one.http_status:
        origin["http_status"] = one.http_status
    if one.reused is None:
        origin["fetched" if one.downloaded else "hashed"] = one.timestamp
    else:  # when the bytes left upstream, as far as that is known, and when they came here
        if one.reused.fetched is not None:
            origin["fetched"] = one.reused.fetched
        origin["reused"] = one.timestamp
    return {
        "origin": origin,
        "metadata": False,
        "downloaded": one.downloaded,
        "bagpath": one.placed.bagpath,
        "size": one.size,
        "checksum": _texts(one.checksums),
    }


def _absent_entry(one: Placed) -> dict[str, Any]:
    made: dict[str, Any] = {
        "origin": origin_of(one.entry),
        "metadata": False,
        "downloaded": False,
        "bagpath": one.bagpath,
        "checksum": _texts(one.entry.checksums),
    }
    if one.entry.size is not None:
        made["size"] = one.entry.size
    return made


def _missing_entry(one: Missing) -> dict[str, Any]:
    """A file that upstream lists and does not hand out; ``origin.missing`` is the reason."""
    made = _absent_entry(one.placed)
    made["origin"]["missing"] = one.reason
    if one.placed.entry.optional:  # upstream does not list it, it is only mentioned
        made["origin"]["optional"] = True
    if one.http_status:
        made["origin"]["http_status"] = one.http_status
    return made


def origin_of(entry: FileEntry) -> dict[str, Any]:
    """Where a file came from, in upstream's own words."""
    origin = {**_name(entry.name, "filename"), **_name(entry.folder, "path")}
    urls = [u for one in entry.urls if not one.startswith("file:") and (u := public(one))]
    if urls:
        origin["url"] = urls[0] if len(urls) == 1 else urls
    if entry.media_type:
        origin["media_type"] = entry.media_type
    if entry.checksums:
        origin["checksum"] = _texts(entry.checksums)
    origin.update(entry.origin)
    return origin


def _texts(checksums: Sequence[Checksum]) -> list[str]:
    return [f"{one.algorithm}:{one.value}" for one in checksums]


def _name(text: str, key: str) -> Mapping[str, Any]:
    """A name from outside; of one that is not UTF-8 the bytes are kept beside it, in hex."""
    if is_text(text):
        return {key: text}
    try:
        raw = text.encode("utf-8", "surrogateescape")
    except UnicodeEncodeError:
        raw = text.encode("utf-8", "surrogatepass")
    return {key: readable(text), f"{key}_bytes": raw.hex()}
