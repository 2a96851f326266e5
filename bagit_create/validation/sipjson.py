"""The rules that make a bag a CERN SIP: sip.json against the disk, the manifests and fetch.txt."""

from __future__ import annotations

import re
import sys
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ..checksums import HEX_LENGTH
from . import siphead
from .content import Expected
from .findings import Findings
from .jsonstream import Stream
from .siphead import SIP_JSON, at, kind

MAX_BYTES = 1 << 30
"""Of sip.json: a million entries are less, and to read more takes all memory there is."""
_CREDENTIAL = re.compile(r"://[^/]*@|[?&](?:access_token|token|apikey|X-Amz-Signature)=")


NAMED_AT_MOST = 20


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
    """Judge the SIP; the ids are C01 to C56 of the catalogue.

    :returns: digests that no manifest has: the files are still to be compared with them.
    """
    _check_bag(bag, found)
    if SIP_JSON not in bag.payload:
        found.error("C01", SIP_JSON, "missing; a CERN SIP needs it (a plain BagIt bag?)")
        return {}
    entries = _Entries(bag, found)
    document = _read(bag, entries, found)
    if document is None:
        return entries.extra
    light = siphead.check(document, bag.path.name, found)
    listed = document.get("contentFiles")
    if not isinstance(listed, list):
        found.error("C14", f"{SIP_JSON} /contentFiles", f"expected an array, found {kind(listed)}")
        return entries.extra
    for path in sorted(bag.payload.keys() - entries.seen.keys()):
        level = found.error if path.startswith("data/content/") else found.warning
        level("C22", path, "not listed in sip.json")
    if light is True and not bag.fetch and entries.absent:
        found.error("C44", "fetch.txt", "sip.json says light bag, fetch.txt is missing")
    if light is True and not entries.absent:
        found.information("C45", SIP_JSON, "light bag, complete")
    if light is False and (bag.fetch.keys() - bag.payload.keys()):
        found.warning("C46", "fetch.txt", "files are to be fetched although sip.json says full bag")
    if not entries.metadata:
        found.warning("C31", SIP_JSON, "no upstream metadata file is marked")
    return entries.extra


class _Entries:
    """The entries of contentFiles, judged as they are read: of 100,000 one is in memory."""

    def __init__(self, bag: Bag, found: Findings) -> None:
        self._bag = bag
        self._found = found
        self._number = 0
        self.seen: dict[str, int] = {}
        self.extra: Expected = {}
        self.absent = False
        """Whether a file is neither here nor downloaded."""
        self.metadata = False
        """Whether one is marked as upstream's metadata."""

    def judge(self, entry: Any) -> None:
        """Judge the next entry."""
        _check_entry(self._number, entry, self._bag, self.seen, self.extra, self._found)
        self._number += 1
        path = at(entry, "bagpath")
        if at(entry, "downloaded") is False and isinstance(path, str):
            self.absent = self.absent or path not in self._bag.payload
        self.metadata = self.metadata or at(entry, "metadata") is True


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


def _read(bag: Bag, entries: _Entries, found: Findings) -> dict[str, Any] | None:
    """The document without its contentFiles, which are judged on the way."""
    repeated: list[str] = []

    def once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
        made = dict(pairs)
        if len(made) != len(pairs):
            note([name for name, _ in pairs])
        return made

    def note(names: list[str]) -> None:
        if len(repeated) < NAMED_AT_MOST:
            counts = Counter(names)
            repeated.extend(sorted(name for name, count in counts.items() if count > 1))

    if bag.payload[SIP_JSON] > MAX_BYTES:
        found.error("C02", SIP_JSON, f"larger than {MAX_BYTES} bytes; refusing to read")
        return None
    try:
        with open(bag.path / SIP_JSON, "rb") as file:
            document, keys = Stream(file, once).object("contentFiles", entries.judge)
    except (ValueError, RecursionError) as err:
        found.error("C02", SIP_JSON, f"not valid JSON: {type(err).__name__}: {str(err)[:200]}")
        return None
    note(keys)
    for name in repeated[:NAMED_AT_MOST]:
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
    seen[sys.intern(path)] = number
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


def _urls(value: Any) -> Iterator[Any]:
    if isinstance(value, list):
        yield from value
    elif value is not None:
        yield value
