"""The rules that make a bag a CERN SIP: sip.json against the disk, the manifests and fetch.txt."""

from __future__ import annotations

import json
import re
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ..checksums import HEX_LENGTH
from . import siphead
from .content import Expected
from .findings import Findings
from .siphead import SIP_JSON, at, kind

MAX_BYTES = 1 << 30
"""Of sip.json: a million entries are less, and to read more takes all memory there is."""
_CREDENTIAL = re.compile(r"://[^/]*@|[?&](?:access_token|token|apikey|X-Amz-Signature)=")


# Of an entry only this is looked at; the rest need not stay in memory, 100,000 times over.
_JUDGED_OF_ORIGIN = ("filename", "url", "missing", "checksum")
_JUDGED = ("origin", "bagpath", "downloaded", "size", "checksum", "metadata")


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


def check(bag: Bag, found: Findings) -> Expected:
    """Judge the SIP; the ids are C01 to C54 of the catalogue.

    :returns: digests that no manifest has: the files are still to be compared with them.
    """
    extra: Expected = {}
    _check_bag(bag, found)
    if SIP_JSON not in bag.payload:
        found.error("C01", SIP_JSON, "missing; a CERN SIP needs it (a plain BagIt bag?)")
        return extra
    document = _read(bag, found)
    if document is None:
        return extra
    light = siphead.check(document, bag.path.name, found)
    entries = document.get("contentFiles")
    if not isinstance(entries, list):
        found.error("C14", f"{SIP_JSON} /contentFiles", f"expected an array, found {kind(entries)}")
        return extra
    seen: dict[str, int] = {}
    for number, entry in enumerate(entries):
        _check_entry(number, entry, bag, seen, extra, found)
    for path in sorted(bag.payload.keys() - seen.keys()):
        level = found.error if path.startswith("data/content/") else found.warning
        level("C22", path, "not listed in sip.json")
    if light is True and not bag.fetch and _missing(entries, bag):
        found.error("C44", "fetch.txt", "sip.json says light bag, fetch.txt is missing")
    if light is True and not _missing(entries, bag):
        found.information("C45", SIP_JSON, "light bag, complete")
    if light is False and (bag.fetch.keys() - bag.payload.keys()):
        found.warning("C46", "fetch.txt", "files are to be fetched although sip.json says full bag")
    if not any(at(one, "metadata") is True for one in entries):
        found.warning("C31", SIP_JSON, "no upstream metadata file is marked")
    return extra


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
    for path, (_, line) in bag.listed.get("md5", {}).items():
        if "%0" in path and re.search("%0[AaDd]", path) or path != path.strip():
            found.warning("C43", f"manifest-md5.txt:{line}", f'the platform misreads "{path}"')


def _read(bag: Bag, found: Findings) -> dict[str, Any] | None:
    repeated: list[str] = []

    def once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
        made = dict(pairs)
        if len(made) != len(pairs):
            counts = Counter(name for name, _ in pairs)
            repeated.extend(sorted(name for name, count in counts.items() if count > 1))
        if "bagpath" in made:
            return {name: made[name] for name in _JUDGED if name in made}
        if "filename" in made:
            return {name: made[name] for name in _JUDGED_OF_ORIGIN if name in made}
        return made

    def refuse(name: str) -> None:
        raise ValueError(f"{name} is not JSON")

    if bag.payload[SIP_JSON] > MAX_BYTES:
        found.error("C02", SIP_JSON, f"larger than {MAX_BYTES} bytes; refusing to read")
        return None
    try:
        text = (bag.path / SIP_JSON).read_bytes().decode("utf-8")
        document = json.loads(text, object_pairs_hook=once, parse_constant=refuse)
    except (ValueError, RecursionError) as err:
        found.error("C02", SIP_JSON, f"not valid JSON: {type(err).__name__}: {str(err)[:200]}")
        return None
    for name in repeated[:20]:
        found.warning("C03", SIP_JSON, f'key "{name}" twice in one object')
    if not isinstance(document, dict):
        found.error("C04", SIP_JSON, f"expected an object, found {kind(document)}")
        return None
    return document


def _check_entry(
    number: int,
    entry: Any,
    bag: Bag,
    seen: dict[str, int],
    extra: Expected,
    found: Findings,
) -> None:
    where = f"{SIP_JSON} /contentFiles/{number}"
    path = at(entry, "bagpath")
    downloaded = at(entry, "downloaded")
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
    if not downloaded and not here and isinstance(at(entry, "origin", "missing"), str):
        found.warning("C55", path, f"withheld by its source: {at(entry, 'origin', 'missing')}")
    elif not downloaded and not here:
        if path not in bag.fetch:
            found.error("C20", path, "absent and not in fetch.txt; it cannot be completed")
        if not any(path in digests for digests in bag.listed.values()):
            found.warning("C21", path, "absent and in no manifest; nothing can verify it later")
    if downloaded and path in bag.fetch:
        found.warning("C47", "fetch.txt", f"{path} is already in the bag")
    _check_size(where, entry, path, bag, found)
    _check_sums(where, entry, path, bag, extra, found)
    _check_published(where, entry, path, bag, extra, found)
    for url in _urls(at(entry, "origin", "url")):
        if not isinstance(url, str):
            found.error("C29", f"{where}/origin/url", f"expected a text, found {kind(url)}")
        elif _CREDENTIAL.search(url):
            found.error("C30", f"{where}/origin/url", "contains credentials (not shown)")
    if not isinstance(at(entry, "origin", "filename"), str):
        found.warning("C28", f"{where}/origin/filename", "missing")


def _check_size(where: str, entry: Any, path: str, bag: Bag, found: Findings) -> None:
    size = entry.get("size")
    if size is None:
        return
    if type(size) is not int:
        found.warning("C26", f"{where}/size", f"expected an integer, found {kind(size)}")
    elif size < 0:
        found.error("C26", f"{where}/size", "negative")
    elif path in bag.payload and size != bag.payload[path]:
        level = found.error if size else found.warning
        number = "C27" if bag.payload[path] else "C53"
        level(number, path, f"size expected {size} (sip.json), found {bag.payload[path]}")


def _check_sums(
    where: str, entry: Any, path: str, bag: Bag, extra: Expected, found: Findings
) -> None:
    sums = entry.get("checksum", [])
    for text in sums if isinstance(sums, list) else [sums]:
        algorithm, _, value = text.partition(":") if isinstance(text, str) else ("", "", "")
        length = HEX_LENGTH.get(algorithm)
        if (
            not algorithm
            or not re.fullmatch(r"[0-9a-fA-F]+", value)
            or (length and len(value) != length)
        ):
            found.error("C23", f"{where}/checksum", f'"{str(text)[:60]}" is not ALGORITHM:HEX')
            continue
        if path == SIP_JSON:
            found.warning("C54", SIP_JSON, "carries a checksum of itself")
        listed, _ = bag.listed.get(algorithm, {}).get(path, (None, 0))
        if listed is None and length and path in bag.payload and path != SIP_JSON:
            extra.setdefault(path, []).append(
                ("C25", algorithm, value.lower(), f"{where}/checksum")
            )
        elif listed is not None and listed != value.lower():
            found.error("C24", path, f"{algorithm} in sip.json {value}, in the manifest {listed}")


def _check_published(
    where: str, entry: Any, path: str, bag: Bag, extra: Expected, found: Findings
) -> None:
    """What upstream published of a file must be true of the file that is here."""
    if path not in bag.payload:
        return
    own = {text.partition(":")[0]: text for text in _texts(entry.get("checksum"))}
    for text in _texts(at(entry, "origin", "checksum")):
        algorithm, _, value = text.partition(":")
        length = HEX_LENGTH.get(algorithm)
        if length is None or len(value) != length:
            continue  # of a kind that cannot be compared
        if algorithm not in own:
            extra.setdefault(path, []).append(
                ("C56", algorithm, value.lower(), f"{where}/origin/checksum")
            )
        elif own[algorithm].lower() != text.lower():
            found.error("C56", path, f"its source published {text}, it has {own[algorithm]}")


def _texts(value: Any) -> list[str]:
    return [one for one in value if isinstance(one, str)] if isinstance(value, list) else []


def _missing(entries: list[Any], bag: Bag) -> bool:
    return any(
        at(one, "downloaded") is False and one["bagpath"] not in bag.payload
        for one in entries
        if isinstance(at(one, "bagpath"), str)
    )


def _urls(value: Any) -> Iterator[Any]:
    if isinstance(value, list):
        yield from value
    elif value is not None:
        yield value
