"""The rules that make a bag a CERN SIP: sip.json against the disk, the manifests and fetch.txt."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ..checksums import HEX_LENGTH
from .findings import Findings

SIP_JSON = "data/meta/sip.json"
_CREDENTIAL = re.compile(r"://[^/]*@|[?&](?:access_token|token|apikey|X-Amz-Signature)=")


# Of an entry only this is looked at; the rest need not stay in memory, 100,000 times over.
_JUDGED = ("origin", "bagpath", "downloaded", "size", "checksum")


@dataclass(frozen=True)
class Bag:
    """What the bag's own check has found out."""

    path: Path
    payload: Mapping[str, int]
    fetch: Mapping[str, tuple[str, int | None, int]]
    listed: Mapping[str, Mapping[str, tuple[str, int]]]
    oxum: tuple[int, int] | None
    version: str
    algorithms: tuple[str, ...]


def check(bag: Bag, found: Findings) -> None:
    """Judge the SIP; the ids are C01 to C54 of the catalogue."""
    _check_bag(bag, found)
    if SIP_JSON not in bag.payload:
        found.error("C01", SIP_JSON, "missing; a CERN SIP needs it (a plain BagIt bag?)")
        return
    document = _read(bag, found)
    if document is None:
        return
    light = _check_head(document, bag, found)
    entries = document.get("contentFiles")
    if not isinstance(entries, list):
        found.error(
            "C14", f"{SIP_JSON} /contentFiles", f"expected an array, found {_kind(entries)}"
        )
        return
    seen: dict[str, int] = {}
    for number, entry in enumerate(entries):
        _check_entry(number, entry, bag, seen, found)
    for path in sorted(bag.payload.keys() - seen.keys()):
        level = found.error if path.startswith("data/content/") else found.warning
        level("C22", path, "not listed in sip.json")
    if light is True and not bag.fetch and _missing(entries, bag):
        found.error("C44", "fetch.txt", "sip.json says light bag, fetch.txt is missing")
    if light is False and (bag.fetch.keys() - bag.payload.keys()):
        found.warning("C46", "fetch.txt", "files are to be fetched although sip.json says full bag")


def _check_bag(bag: Bag, found: Findings) -> None:
    for folder in ("content", "meta"):
        if not (bag.path / "data" / folder).is_dir():
            found.error("C37", f"data/{folder}", "missing")
    for path in bag.payload:
        if not path.startswith(("data/content/", "data/meta/")):
            found.warning("C38", path, "only data/content and data/meta are defined")
    if bag.version != "0.97":
        found.warning("C39", "bagit.txt", f"BagIt-Version {bag.version}; CERN SIPs declare 0.97")
    if bag.oxum is None:
        found.error("C40", "bag-info.txt", "no Payload-Oxum (required in a SIP)")
    if "md5" not in bag.algorithms:
        found.warning("C41", "manifest-md5.txt", "missing: CERN's platform validation needs it")


def _read(bag: Bag, found: Findings) -> dict[str, Any] | None:
    repeated: list[str] = []

    def once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
        made = dict(pairs)
        if len(made) != len(pairs):
            names = [name for name, _ in pairs]
            repeated.extend(sorted({name for name in names if names.count(name) > 1}))
        if "filename" in made:
            return {name: made[name] for name in ("filename", "url") if name in made}
        if "bagpath" in made:
            return {name: made[name] for name in _JUDGED if name in made}
        return made

    def refuse(name: str) -> None:
        raise ValueError(f"{name} is not JSON")

    try:
        text = (bag.path / SIP_JSON).read_bytes().decode("utf-8")
        document = json.loads(text, object_pairs_hook=once, parse_constant=refuse)
    except (ValueError, RecursionError) as err:
        found.error("C02", SIP_JSON, f"not valid JSON: {type(err).__name__}: {str(err)[:200]}")
        return None
    for name in repeated[:20]:
        found.warning("C03", SIP_JSON, f'key "{name}" twice in one object')
    if not isinstance(document, dict):
        found.error("C04", SIP_JSON, f"expected an object, found {_kind(document)}")
        return None
    return document


def _check_head(document: dict[str, Any], bag: Bag, found: Findings) -> bool | None:
    """Identity and history; returns audit/0's dry_run."""
    light = None
    audit = document.get("audit")
    if not isinstance(audit, list) or not audit:
        found.error(
            "C05", f"{SIP_JSON} /audit", f"expected a non-empty array, found {_kind(audit)}"
        )
    else:
        light = _at(audit[0], "tool", "params", "dry_run")
        if not isinstance(light, bool):
            where = f"{SIP_JSON} /audit/0/tool/params/dry_run"
            found.error("C06", where, f"expected true or false, found {_kind(light)}")
            light = None
        for number, one in enumerate(audit):
            if type(_at(one, "timestamp")) is not int:
                found.warning("C07", f"{SIP_JSON} /audit/{number}/timestamp", "not an integer")
    for rule, key in (("C08", "source"), ("C09", "recid")):
        value = document.get(key)
        if value in (None, ""):
            found.error(rule, f"{SIP_JSON} /{key}", f"expected a text, found {_kind(value)}")
        elif not isinstance(value, str):
            found.warning("C10", f"{SIP_JSON} /{key}", f"expected a text, found {_kind(value)}")
        elif len(value) > 50:
            found.warning(
                "C11", f"{SIP_JSON} /{key}", f"{len(value)} characters; the platform has 50"
            )
    stamp = document.get("sip_creation_timestamp")
    if type(stamp) is not int:
        where = f"{SIP_JSON} /sip_creation_timestamp"
        found.error("C33", where, f"expected an integer, found {_kind(stamp)}")
    name = f"sip::{document.get('source')}::{document.get('recid')}::{stamp}"
    if bag.path.name.startswith("sip::") and bag.path.name != name:
        found.warning("C12", bag.path.name, f'expected "{name}"')
    meta = document.get("usr-meta", {})
    if not isinstance(meta, dict):
        found.error("C34", f"{SIP_JSON} /usr-meta", f"expected an object, found {_kind(meta)}")
    elif type(meta.get("embargo_timestamp", 0)) is not int:
        found.warning("C35", f"{SIP_JSON} /usr-meta/embargo_timestamp", "expected Unix seconds")
    return light


def _check_entry(number: int, entry: Any, bag: Bag, seen: dict[str, int], found: Findings) -> None:
    where = f"{SIP_JSON} /contentFiles/{number}"
    path = _at(entry, "bagpath")
    downloaded = _at(entry, "downloaded")
    if not isinstance(path, str) or not isinstance(downloaded, bool):
        found.error("C15", where, 'no "bagpath" or no "downloaded"')
        return
    if not path.startswith("data/") or {"..", ".", ""} & set(path.split("/")):
        found.error("C16", f"{where}/bagpath", f'"{path[:80]}" leaves data/')
        return
    if path in seen:
        found.error("C17", f"{where}/bagpath", f'"{path}" already used by entry {seen[path]}')
    seen[path] = number
    here = path in bag.payload
    if downloaded and not here:
        found.error("C18", path, "sip.json says downloaded, the file is missing")
    if not downloaded and here:
        found.warning("C19", path, "present, but sip.json says not downloaded")
    if not downloaded and not here:
        if path not in bag.fetch:
            found.error("C20", path, "absent and not in fetch.txt; it cannot be completed")
        if not any(path in digests for digests in bag.listed.values()):
            found.warning("C21", path, "absent and in no manifest; nothing can verify it later")
    if downloaded and path in bag.fetch:
        found.warning("C47", "fetch.txt", f"{path} is already in the bag")
    _check_size(where, entry, path, bag, found)
    _check_sums(where, entry, path, bag, found)
    for url in _urls(_at(entry, "origin", "url")):
        if not isinstance(url, str):
            found.error("C29", f"{where}/origin/url", f"expected a text, found {_kind(url)}")
        elif _CREDENTIAL.search(url):
            found.error("C30", f"{where}/origin/url", "contains credentials (not shown)")
    if not isinstance(_at(entry, "origin", "filename"), str):
        found.warning("C28", f"{where}/origin/filename", "missing")


def _check_size(where: str, entry: Any, path: str, bag: Bag, found: Findings) -> None:
    size = entry.get("size")
    if size is None:
        return
    if type(size) is not int:
        found.warning("C26", f"{where}/size", f"expected an integer, found {_kind(size)}")
    elif size < 0:
        found.error("C26", f"{where}/size", "negative")
    elif path in bag.payload and size != bag.payload[path]:
        level = found.error if size else found.warning
        level("C27", path, f"size expected {size} (sip.json), found {bag.payload[path]}")


def _check_sums(where: str, entry: Any, path: str, bag: Bag, found: Findings) -> None:
    sums = entry.get("checksum", [])
    for text in sums if isinstance(sums, list) else [sums]:
        algorithm, _, value = text.partition(":") if isinstance(text, str) else ("", "", "")
        length = HEX_LENGTH.get(algorithm)
        if not re.fullmatch(r"[0-9a-fA-F]+", value) or (length and len(value) != length):
            found.error("C23", f"{where}/checksum", f'"{str(text)[:60]}" is not ALGORITHM:HEX')
            continue
        if path == SIP_JSON:
            found.warning("C54", SIP_JSON, "carries a checksum of itself")
        listed, _ = bag.listed.get(algorithm, {}).get(path, (None, 0))
        if listed is not None and listed != value.lower():
            found.error("C24", path, f"{algorithm} in sip.json {value}, in the manifest {listed}")


def _missing(entries: list[Any], bag: Bag) -> bool:
    return any(
        _at(one, "downloaded") is False and one["bagpath"] not in bag.payload
        for one in entries
        if isinstance(_at(one, "bagpath"), str)
    )


def _urls(value: Any) -> Iterator[Any]:
    if isinstance(value, list):
        yield from value
    elif value is not None:
        yield value


def _at(value: Any, *keys: str) -> Any:
    for key in keys:
        value = value.get(key) if isinstance(value, dict) else None
    return value


def _kind(value: Any) -> str:
    """A value's type in JSON's words."""
    for kind, name in (
        (bool, "a boolean"),
        (str, "the text"),
        (dict, "an object"),
        (list, "an array"),
    ):
        if isinstance(value, kind):
            return f'{name} "{value[:40]}"' if isinstance(value, str) else name
    return "nothing" if value is None else f"the number {value}"
