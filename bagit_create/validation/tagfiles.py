"""Reading bagit.txt, bag-info.txt, manifests and fetch.txt as bytes that anybody may have written.

Section numbers are those of RFC 8493; ids those of the catalogue in the documentation.
"""

from __future__ import annotations

import codecs
import os
import re
import sys
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

from ..checksums import HEX_LENGTH
from .findings import Findings

VERSIONS = ("0.93", "0.94", "0.95", "0.96", "0.97", "1.0")
MAX_LINE = 64 * 1024
MAX_SMALL = 16 * 1024 * 1024
ESCAPES = {"%0A": "\n", "%0D": "\r", "%25": "%"}


@dataclass
class Declaration:
    """What bagit.txt says."""

    version: str = "1.0"
    encoding: str = "UTF-8"

    @property
    def strict(self) -> bool:
        """Whether RFC 8493's rules hold (1.0) or those of the drafts before it."""
        return self.version == "1.0"


@dataclass
class Manifest:
    """A payload or tag manifest: path to (digest, line number)."""

    name: str
    algorithm: str
    entries: dict[str, tuple[str, int]] = field(default_factory=dict)


def lines(
    bag: Path, name: str, encoding: str, found: Findings, number: str
) -> Iterator[tuple[int, str]]:
    """The lines of a tag file, split at LF, CR and CRLF only; read in pieces, never endless.

    :param number: id of the finding for bytes that are not text.
    """
    with open(bag / name, "rb", opener=_no_links) as file:
        count = 0
        rest = b""
        while True:
            block = file.read(1 << 20)
            data = rest + block
            held = b"\r" if block and data.endswith(b"\r") else b""  # perhaps half a CRLF
            data = data[: len(data) - len(held)].replace(b"\r\n", b"\n").replace(b"\r", b"\n")
            pieces = data.split(b"\n")
            rest = pieces.pop() + held
            for raw in pieces:
                count += 1
                yield from _decoded(raw, count, name, encoding, found, number)
            if len(rest) > MAX_LINE:
                found.error(
                    number, f"{name}:{count + 1}", f"the line is longer than {MAX_LINE} bytes"
                )
                return
            if not block:
                break
        if rest:
            yield from _decoded(rest, count + 1, name, encoding, found, number)


def _decoded(
    raw: bytes, count: int, name: str, encoding: str, found: Findings, number: str
) -> Iterator[tuple[int, str]]:
    if count == 1 and encoding == "UTF-8" and raw.startswith(b"\xef\xbb\xbf"):
        found.error("M25", f"{name}:1", "starts with a byte-order mark, which is forbidden")
        raw = raw[3:]
    try:
        yield count, raw.decode(encoding)
    except UnicodeDecodeError as err:
        found.error(
            number,
            f"{name}:{count}",
            f"byte 0x{raw[err.start]:02X} at {err.start} is not {encoding}",
        )


def _no_links(path: str, flags: int) -> int:
    return os.open(path, flags | os.O_NOFOLLOW | os.O_NONBLOCK)


def declaration(bag: Path, size: int, found: Findings) -> Declaration:
    """Read bagit.txt (section 2.1.1)."""
    told = Declaration()
    if size > 1024:
        found.error("D16", "bagit.txt", f"{size} bytes; two short lines were due")
        return told
    read = list(lines(bag, "bagit.txt", "UTF-8", found, "D03"))
    labels = ("BagIt-Version", "Tag-File-Character-Encoding")
    for (number, text), label in zip(read, labels, strict=False):
        match = re.fullmatch(rf"({label})(\s*):(\s*)(.*?)(\s*)", text, re.IGNORECASE)
        if match is None:
            known = any(text.lower().startswith(one.lower()) for one in labels)
            again = number == 2 and text.lower().startswith(labels[0].lower())
            found.error(
                "D08" if again else "D06" if known else ("D04" if number == 1 else "D05"),
                f"bagit.txt:{number}",
                f'expected "{label}: …", found "{text[:80]}"',
            )
            continue
        sloppy = match[1] != label or match[2] or match[3] != " " or match[5]
        if label == "BagIt-Version":
            told.version = match[4]
            if not re.fullmatch(r"\d+\.\d+", match[4]):
                found.error("D09", "bagit.txt:1", f'version "{match[4]}" is not MAJOR.MINOR')
            elif match[4] not in VERSIONS:
                found.error(
                    "D11", "bagit.txt:1", f"BagIt version {match[4]} is not supported (0.93 to 1.0)"
                )
        else:
            told.encoding = _encoding(match[4], found)
        if sloppy:
            level = found.error if told.strict else found.warning
            level("D10", f"bagit.txt:{number}", f'expected "{label}: {match[4]}", found "{text}"')
    if len(read) < 2:
        found.error("D05", "bagit.txt", f"expected 2 lines, found {len(read)}")
    for number, text in read[2:]:
        found.error("D07", f"bagit.txt:{number}", f'unexpected line "{text[:80]}"')
    return told


def _encoding(name: str, found: Findings) -> str:
    known = {"utf-8": "UTF-8", "us-ascii": "ascii", "utf-16": "utf-16"}
    if name.lower() in known:
        return known[name.lower()]
    if re.fullmatch(
        r"(?i)iso-8859-[0-9]{1,2}|windows-12[0-9]{2}|shift_jis|euc-jp|gb18030|big5|koi8-r", name
    ) and _is_codec(name):
        found.information("D13", "bagit.txt:2", f"tag files use {name}; UTF-8 is recommended")
        return name
    found.error("D12", "bagit.txt:2", f'"{name[:40]}" is not a registered character set')
    return "UTF-8"


def _is_codec(name: str) -> bool:
    """Whether it can be read here: there is no ISO-8859-12, and none above 16."""
    try:
        codecs.lookup(name)
    except LookupError:
        return False
    return True


def manifest(bag: Path, name: str, algorithm: str, told: Declaration, found: Findings) -> Manifest:
    """Read a manifest (sections 2.1.3 and 2.2.1); every line is judged."""
    made = Manifest(name, algorithm)
    is_tag = name.startswith("tag")
    length = HEX_LENGTH[algorithm]
    for number, text in lines(bag, name, told.encoding, found, "M26"):
        where = f"{name}:{number}"
        match = re.fullmatch(r"([^ \t]*)[ \t]+(\*?)(.+)", text)
        if not text.strip(" \t"):
            found.warning("M23", where, "blank line")
            continue
        if match is None:
            found.error("M07", where, f'no path after "{text[:80]}"')
            continue
        digest, star, path = match[1].lower(), match[2], match[3]
        if not re.fullmatch(r"[0-9a-f]+", digest):
            rule, text = "M06", f'"{digest[:40]}" is not hexadecimal'
            if digest.startswith("#"):
                rule, text = "M24", "a comment is no entry"
            elif digest.startswith("data/"):
                rule, text = "M22", 'looks like "path checksum"; expected "checksum path"'
            found.error(rule, where, text)
            continue
        if len(digest) != length:
            found.error("M05", where, f"{len(digest)} hex digits, {algorithm} needs {length}")
            continue
        if star:
            level = found.warning if told.strict else found.information
            level("M20", where, 'binary marker "*"; strict validators will reject this bag')
        checked = payload_path(path, told, where, found, is_tag)
        if checked is None:
            continue
        if checked in made.entries:
            other, line = made.entries[checked]
            if other != digest:
                found.error("M09", where, f"{checked} is listed with another digest on line {line}")
            else:
                level = found.error if told.strict else found.warning
                level("M08", where, f"{checked} already listed on line {line}")
            continue
        made.entries[sys.intern(checked)] = (digest, number)
    return made


def payload_path(
    path: str, told: Declaration, where: str, found: Findings, is_tag: bool = False
) -> str | None:
    """The path a line names, decoded and judged; None if nothing may be looked up there."""
    if told.strict:
        if re.search(r"%(?!0[AaDd]|25)", path):
            found.error("M30", where, f'"{path[:80]}": "%" must be written %25')
            return None
        path = re.sub(r"%(?:0[AaDd]|25)", lambda m: ESCAPES[m[0].upper()], path)
    if path.startswith(("/", "\\")) or re.match(r"[A-Za-z]:", path):
        found.error("M13", where, f'"{path[:80]}" is absolute')
        return None
    if path.startswith("~"):
        found.error("M14", where, f'"{path[:80]}" is a home-directory shortcut')
        return None
    if "\0" in path:
        found.error("M11", where, "the path holds a NUL")
        return None
    parts: list[str] = []
    for part in path.split("/"):
        if part == "..":
            if not parts:
                found.error("M11", where, f'"{path[:80]}" leaves the bag')
                return None
            parts.pop()
        elif part not in ("", "."):
            parts.append(part)
    plain = "/".join(parts)
    if plain != path:
        found.warning("M18", where, f'"{path[:80]}" should be "{plain[:80]}"')
    inside = len(parts) > 1 and parts[0] == "data"
    if is_tag and inside:
        found.error("T05", where, f"{plain} is payload")
        return None
    if not is_tag and not inside:
        found.error(
            "F03" if where.startswith("fetch") else "M10", where, f"{plain} is no payload path"
        )
        return None
    return plain


def bag_info(bag: Path, told: Declaration, found: Findings) -> list[tuple[str, str, int]]:
    """Read bag-info.txt (section 2.2.2): label, value, line number, in order."""
    elements: list[tuple[str, str, int]] = []
    for number, text in lines(bag, "bag-info.txt", told.encoding, found, "I13"):
        if text[:1] in (" ", "\t"):
            if not elements:
                found.error("I03", f"bag-info.txt:{number}", "continuation without a label")
            elif text.strip():
                label, value, line = elements[-1]
                elements[-1] = (label, f"{value} {text.strip()}", line)
            continue
        if not text:
            continue
        label, colon, value = text.partition(":")
        if not colon:
            found.error("I02", f"bag-info.txt:{number}", f'"{text[:80]}" has no colon')
            continue
        if told.strict and (label != label.strip() or value[:1] not in (" ", "\t")):
            found.error("I10", f"bag-info.txt:{number}", f'expected "{label.strip()}: value"')
        elements.append((label.strip(), value.strip(), number))
    return elements


def fetch(bag: Path, told: Declaration, found: Findings) -> dict[str, tuple[str, int | None, int]]:
    """Read fetch.txt (section 2.2.3): path to (URL, length in bytes or None, line number)."""
    listed: dict[str, tuple[str, int | None, int]] = {}
    for number, text in lines(bag, "fetch.txt", told.encoding, found, "F01"):
        where = f"fetch.txt:{number}"
        if not text.strip(" \t"):
            found.warning("F16", where, "blank line")
            continue
        match = re.fullmatch(r"([^ \t]+)[ \t]+([^ \t]+)[ \t]+(.+)", text)
        if match is None:
            found.error("F01", where, "expected URL LENGTH PATH")
            continue
        if not re.fullmatch(r"-|[0-9]{1,20}", match[2]):
            found.error("F02", where, f'length "{match[2][:40]}" is neither digits nor "-"')
            continue
        if not re.match(r"[A-Za-z][A-Za-z0-9+.-]*:\S", match[1]):
            found.error("F08", where, f'"{match[1][:80]}" is not an absolute URL')
        if re.match(r"[A-Za-z0-9+.-]+://[^/]*@", match[1]):
            found.error("C30", where, "the URL contains credentials (not shown)")
        path = payload_path(match[3], told, where, found)
        if path is None:
            continue
        if path in listed:
            found.error("F07", where, f"{path} already on line {listed[path][2]}")
            continue
        listed[path] = (match[1], None if match[2] == "-" else int(match[2]), number)
    return listed
