"""What CERN's platform and archive will make of a SIP's files, names and manifests."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Sequence
from typing import Any

from .container import Container
from .declaration import Declaration
from .findings import Findings
from .machine import not_here
from .manifest import Manifest
from .names import changed, is_odd
from .structure import Structure

_PAGE = re.compile(rb"\s*(?:<!--.{0,200}?-->\s*)?<(?:!doctype\s+html|html[\s>])", re.I | re.S)
_PAGES = re.compile(r"\.(?:html?|xhtml|shtml|mht|php|aspx?|jsp|xml|txt|md|eml|svg)$", re.I)
_GZIP = re.compile(
    r"\.(?:gz|tgz|svgz|z|taz|gzip|dz|rds|rda|rdata|root|fits|fz|nii|vsdx?|mcool|warc|xopp)$", re.I
)
_BINARY_JSON = re.compile(
    r"\.(?:pdf|zip|gz|tar|tgz|jpe?g|png|gif|tiff?|mp[34]|mov|avi|docx?|xlsx?|pptx?|root|h5|hdf5)$",
    re.I,
)
_WITH_PASSWORDS = ("/.git/config", "/.git-credentials", "/.netrc", "/_netrc")
_PRIVATE_KEY = re.compile(rb"-----BEGIN (?:[A-Z0-9]+ )*PRIVATE KEY-----")
_COOKIES = re.compile(rb"# (?:Netscape )?HTTP Cookie File")
_SMALL = 64 * 1024
_METADATA = 4 * 1024 * 1024


def bag(
    container: Container,
    there: Structure,
    manifests: Sequence[Manifest],
    promised: Iterable[str],
    told: Declaration,
    oxum: tuple[int, int] | None,
    found: Findings,
) -> None:
    """The rules that a SIP adds to those of a bag; the ids are those of the catalogue."""
    for folder in ("content", "meta"):
        if f"data/{folder}" not in there.folders:
            found.error("C37", f"data/{folder}", "missing")
    any_content = False
    for path in there.payload:
        if path.startswith("data/content/"):
            any_content = True
        elif not path.startswith("data/meta/"):
            found.warning("C38", path, "only data/content and data/meta are defined")
    any_content = any_content or any(path.startswith("data/content/") for path in promised)
    if not any_content and "data/content" in there.folders:
        found.warning("C37", "data/content", "without any file")
    if told.version != "0.97":
        text = f"BagIt-Version {told.version}; CERN SIPs declare 0.97"
        found.warning("C39", "bagit.txt", text, expected="0.97", found=told.version)
    if oxum is None:
        found.error("C40", "bag-info.txt", "no Payload-Oxum (required in a SIP)")
    md5 = next((one for one in manifests if one.algorithm == "md5"), None)
    if md5 is None:
        found.warning("C41", "manifest-md5.txt", "missing: CERN's platform validation needs it")
    else:
        for path in md5.digests.lines:
            if "%0" in path and re.search("%0[AaDd]", path) or path != path.strip():
                text = f'the platform does not read "{path}" as it is meant'
                found.warning("C43", md5.line(path), text)
    for path, kind in there.irregular.items():
        text = f"{kind.value}; a SIP holds regular files only"
        found.error("C50", path, text)
    _same_after_change(there, found)
    for path in there.payload:
        if path.endswith(_WITH_PASSWORDS):
            _look_for_password(container, path, found)


def _same_after_change(there: Structure, found: Findings) -> None:
    """Names that become one when Archivematica changes them; case is spoken of elsewhere."""
    seen: dict[str, str] = {}
    for path in there.payload:
        if is_odd(path) and (plain := changed(path)) != path:
            other = seen.setdefault(plain, path)
            if other == path and plain in there.payload:
                other = plain
            if other != path:
                found.warning("C58", path, f"and {other} become the same name: {plain}")


def _look_for_password(container: Container, path: str, found: Findings) -> None:
    try:
        with container.open(path) as file:
            text = file.read(_SMALL).decode("utf-8", "replace")
    except OSError as err:
        not_here(err, path)
        return  # said already
    for number, line in enumerate(text.splitlines(), 1):
        if re.search(r"://[^/\s@:]*:[^/\s@]+@|^\s*(?:machine\b.*\bpassword|password)\s+\S", line):
            found.error("C49", (path, number), "contains a password (not shown)")
            return


def look(path: str, size: int, head: bytes, found: Findings) -> None:
    """What a file's first bytes tell that its name does not.

    :param size: of the whole file in bytes.
    """
    if not size or not path.startswith("data/content/"):
        return
    if _PAGE.match(head) and not _PAGES.search(path) and "." in path.rpartition("/")[2]:
        named = path.rpartition(".")[2]
        text = f"named .{named}, content is HTML (a saved error page?)"
        found.warning("C51", path, text, expected=named, found="HTML")
    elif head.lstrip()[:1] == b"{" and _BINARY_JSON.search(path) and size < _SMALL:
        named = path.rpartition(".")[2]
        text = f"named .{named}, content is JSON (a saved error message?)"
        found.warning("C51", path, text, expected=named, found="JSON")
    elif head[:3] == b"\x1f\x8b\x08" and not _GZIP.search(path):
        found.warning("C52", path, "gzip data (a content-encoded download?)", found="gzip")
    if _PRIVATE_KEY.search(head):
        found.error("C49", path, "holds a private key (not shown)")
    elif _COOKIES.match(head):
        found.error("C49", path, "holds the cookies of a browser (not shown)")


def metadata(
    container: Container, paths: Sequence[str], recid: Any, there: Structure, found: Findings
) -> None:
    """Compare the record's id with the one inside the upstream metadata.

    :param paths: the files that sip.json marks as metadata.
    """
    if not isinstance(recid, str) or not paths or there.payload.get(paths[0]) is None:
        return
    path = paths[0]
    if there.payload[path] > _METADATA:
        return
    try:
        with container.open(path) as file:
            content = file.read(_METADATA)
    except OSError as err:
        not_here(err, path)
        return  # said already
    own = _id_in(content)
    if own and own != recid and recid.isdigit() and own.isdigit():
        text = f"says record {own}, sip.json says {recid}"
        found.warning("C60", path, text, expected=recid, found=own)


def _id_in(content: bytes) -> str:
    """The record's id in a JSON document, or in MARC's control field 001; empty if none."""
    if match := re.search(rb"<controlfield\s+tag=\"001\"\s*>\s*([^<\s]+)\s*<", content[:_SMALL]):
        return match[1].decode("utf-8", "replace")
    try:
        document = json.loads(content)
    except (ValueError, RecursionError):
        return ""
    if not isinstance(document, dict):
        return ""
    found = document.get("recid", document.get("id"))
    return str(found) if isinstance(found, (str, int)) else ""
