"""One entry of sip.json's contentFiles, against the file it speaks of."""

from __future__ import annotations

import re
import sys
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

from ..checksums import HEX_LENGTH
from .content import Expected
from .findings import Findings
from .siphead import SECRET, SIP_JSON, at, kind
from .table import Column

if TYPE_CHECKING:
    from .sipjson import Bag


def check_entry(
    number: int,
    entry: Any,
    bag: Bag,
    seen: Column,
    extra: Expected,
    found: Findings,
) -> None:
    """Judge entry ``number``, counted from 0.

    :param seen: numbers of the entries before, by bag path.
    :param extra: gets the digests that no manifest has.
    """
    pointer = f"/contentFiles/{number}"
    where = (SIP_JSON, pointer)
    path = at(entry, "bagpath")
    downloaded = at(entry, "downloaded")
    for key, value, wanted in (("bagpath", path, str), ("downloaded", downloaded, bool)):
        if not isinstance(value, wanted):
            name = at(entry, "origin", "filename")
            of = f' (origin "{name}")' if isinstance(name, str) else ""
            text = f'no "{key}"{of}' if value is None else f'"{key}" is {kind(value)}{of}'
            found.error("C15", where, text)
    if not isinstance(path, str) or not isinstance(downloaded, bool):
        return
    if not path.startswith("data/") or {"..", ".", ""} & set(path.split("/")) or "\0" in path:
        found.error("C16", (SIP_JSON, f"{pointer}/bagpath"), f'"{path[:200]}" leaves data/')
        return
    if (other := seen.get(path)) is not None:
        text = f'"{path}" already used by entry {other}'
        found.error("C17", (SIP_JSON, f"{pointer}/bagpath"), text)
    seen.put(sys.intern(path), number)
    here = bag.there.payload.get(path)
    _check_presence(path, downloaded, here is not None, entry, bag, found)
    _check_size(pointer, entry, path, here, found)
    _check_sums(pointer, entry, path, bag, extra, found)
    if here is not None:
        _check_published(entry, path, extra, found)
    _check_origin(pointer, entry, bag, path, found)


def _check_presence(
    path: str, downloaded: bool, here: bool, entry: Any, bag: Bag, found: Findings
) -> None:
    reason = None if here else at(entry, "origin", "missing")
    if downloaded and not here:
        found.error("C18", path, "sip.json says downloaded, the file is missing")
    elif not downloaded and here:
        text = "present, but sip.json says not downloaded (a completed bag that was not updated?)"
        found.warning("C19", path, text)
    elif not downloaded and isinstance(reason, str):
        found.warning("C61", path, f"withheld by its source: {reason}")
    elif not downloaded:
        if path not in bag.fetch:
            found.error("C20", path, "absent and not in fetch.txt; it cannot be completed")
        if not any(path in one for one in bag.manifests.values()):
            # Of some files nobody publishes a checksum; a light SIP of 0.97 promises them too.
            level = found.warning if path in bag.fetch else found.error
            level("C21", path, "absent and in no manifest; nothing can verify it later")
    if downloaded and here and path in bag.fetch:
        where = ("fetch.txt", bag.fetch.lines[path])
        found.warning("C47", where, f"{path} is already in the bag")


def _check_size(pointer: str, entry: Any, path: str, here: int | None, found: Findings) -> None:
    size = entry.get("size")
    if size is None:
        return
    if type(size) is int and size == here:
        return
    where = (SIP_JSON, f"{pointer}/size")
    if type(size) is not int:
        found.warning("C26", where, f"expected an integer, found {kind(size)}")
    elif size < 0:
        found.error("C26", where, f"expected an integer, found {size}")
    elif here is not None and size != here:
        level = found.error if size else found.warning
        text = f"size expected {size} (sip.json), found {here}"
        level("C27" if here else "C53", path, text, expected=str(size), found=str(here))


def _check_sums(
    pointer: str, entry: Any, path: str, bag: Bag, extra: Expected, found: Findings
) -> None:
    sums = entry.get("checksum", [])
    for number, text in enumerate(sums if isinstance(sums, list) else [sums]):
        algorithm, _, value = text.partition(":") if isinstance(text, str) else ("", "", "")
        listed = bag.digest(algorithm, path)
        if listed is not None and listed == value and path != SIP_JSON:
            continue
        where = (SIP_JSON, f"{pointer}/checksum/{number}")
        length = HEX_LENGTH.get(algorithm)
        if not algorithm or not re.fullmatch(r"[0-9a-fA-F]+", value):
            shown = text[:60] if isinstance(text, str) else kind(text)
            found.error("C23", where, f'"{shown}" is not ALGORITHM:HEX')
            continue
        if length and len(value) != length:
            told = f'"{text[:60]}": expected {length} hexadecimal digits, found {len(value)}'
            found.error("C23", where, told, expected=str(length), found=str(len(value)))
            continue
        value = value.lower()
        if path == SIP_JSON:
            found.warning("C54", where, "sip.json carries a checksum of itself")
            continue
        if listed is not None and listed != value:
            told = f"{algorithm} in sip.json {value}, in the manifest {listed}"
            found.error("C24", path, told, expected=listed, found=value)
        elif listed is None and length and path in bag.there.payload:
            extra.setdefault(path, []).append(("C25", algorithm, value, path))


def _check_published(entry: Any, path: str, extra: Expected, found: Findings) -> None:
    """What the source published of a file must be true of the file that is here."""
    published = _texts(at(entry, "origin", "checksum"))
    if not published:
        return
    own = {text.partition(":")[0]: text for text in _texts(entry.get("checksum"))}
    for text in published:
        algorithm, _, value = text.partition(":")
        length = HEX_LENGTH.get(algorithm)
        if length is None or len(value) != length:
            continue  # of a kind that cannot be compared
        if algorithm not in own:
            extra.setdefault(path, []).append(("C25", algorithm, value.lower(), path))
        elif own[algorithm].lower() != text.lower():
            told = f"its source published {text}, it has {own[algorithm]}"
            found.error("C25", path, told, expected=text, found=own[algorithm])


def _check_origin(pointer: str, entry: Any, bag: Bag, path: str, found: Findings) -> None:
    origin = entry.get("origin")
    if not isinstance(at(origin, "filename"), str):
        where = (SIP_JSON, f"{pointer}/origin/filename")
        found.warning("C28", where, "missing" if at(origin, "filename") is None else "no text")
    if not isinstance(origin, dict):
        return
    if "url" in origin and origin["url"] is None:
        where = (SIP_JSON, f"{pointer}/origin/url")
        found.error("C29", where, "expected a text, found nothing", expected="a text")
    for key in ("url", "served_by"):
        for url in _urls(origin.get(key)):
            where = (SIP_JSON, f"{pointer}/origin/{key}")
            if not isinstance(url, str):
                found.error("C29", where, f"expected a text, found {kind(url)}")
            elif SECRET.search(url):
                found.error("C30", where, "contains credentials (not shown)")
    source = origin.get("sourcePath")
    if isinstance(source, str) and re.match(r"/|[A-Za-z]:[\\/]", source):
        where = (SIP_JSON, f"{pointer}/origin/sourcePath")
        found.information("C55", where, "absolute path of the machine that made the package")


ADDRESSES = ("url", "served_by", "repository", "export_of", "placeholder")
"""Keys of an entry's origin of which one says where the file came from."""


def has_no_address(entry: Any) -> bool:
    """Whether a payload file does not say where it came from."""
    path, origin = at(entry, "bagpath"), at(entry, "origin")
    if not isinstance(path, str) or not path.startswith("data/content/"):
        return False
    if not isinstance(origin, dict) or at(entry, "metadata") is True:
        return False
    return not any(origin.get(key) for key in ADDRESSES)


def _texts(value: Any) -> list[str]:
    return [one for one in value if isinstance(one, str)] if isinstance(value, list) else []


def _urls(value: Any) -> Iterator[Any]:
    if isinstance(value, list):
        yield from value
    elif value is not None:
        yield value
