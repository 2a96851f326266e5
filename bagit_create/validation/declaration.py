"""bagit.txt: which rules hold, and how the other tag files are encoded (RFC 8493 section 2.1.1)."""

from __future__ import annotations

import codecs
import re
from dataclasses import dataclass

from .container import Container
from .findings import Findings
from .lines import lines

VERSIONS = ("0.93", "0.94", "0.95", "0.96", "0.97", "1.0")
MAX_BYTES = 1024
_LABELS = ("BagIt-Version", "Tag-File-Character-Encoding")
_ENCODINGS = re.compile(
    r"utf-(?:7|8|16(?:be|le)?|32(?:be|le)?)|csutf8|(?:us-)?ascii|latin[1-6]"
    r"|iso[-_]8859-(?:[1-9]|1[013456])|ms_kanji"
    r"|windows-(?:125[0-8]|874)|koi8-[ru]|shift_jis|euc-(?:jp|kr)|iso-2022-(?:jp|kr)|gb2312|gbk"
    r"|gb18030|hz-gb-2312|big5(?:-hkscs)?|tis-620|macintosh|ibm(?:037|437|775|85[0257]|86[0-9])",
    re.IGNORECASE,
)
"""Of IANA's registered character sets those that Python reads. Not whatever Python calls a codec:
``rot13`` and ``base64`` are none."""
_PYTHON_NAMES = {"macintosh": "mac-roman", "windows-874": "cp874", "csutf8": "utf-8"}


@dataclass
class Declaration:
    """What bagit.txt says; ``encoding`` is Python's name."""

    version: str = "1.0"
    encoding: str = "utf-8"

    @property
    def strict(self) -> bool:
        """Whether RFC 8493's rules hold (1.0) or those of the drafts before it."""
        return self.version == "1.0"

    @property
    def number(self) -> tuple[int, int]:
        """The version, to be compared: ``(0, 97)``."""
        major, _, minor = self.version.partition(".")
        return int(major), int(minor)


def declaration(container: Container, size: int, found: Findings) -> Declaration:
    """Read bagit.txt.

    :param size: of it in bytes.
    :raises OSError: if it cannot be read.
    """
    told = Declaration()
    if size > MAX_BYTES:
        found.error("D16", "bagit.txt", f"{size} bytes; two short lines were due")
        return told
    before = found.counts["error"]
    read = list(lines(container, "bagit.txt", "utf-8", found, "D03", ended="D15"))
    if read and read[0][1].startswith("\ufeff"):
        found.error("D02", ("bagit.txt", 1), "starts with a byte-order mark, which is forbidden")
        read[0] = (1, read[0][1][1:])
    names = [_label(text) for _, text in read[:2]]
    if names == [*reversed(_LABELS)]:
        found.error("D06", "bagit.txt", "the two lines are in the wrong order")
        read[:2] = [(1, read[1][1]), (2, read[0][1])]
    kept: list[tuple[int, str]] = []
    for number, text in read:
        label = _label(text)
        if label and label in map(_label, (one[1] for one in kept)):
            found.error("D08", ("bagit.txt", number), f"{label} given twice")
        else:
            kept.append((number, text))
    read = kept
    if not size:
        found.error("D04", "bagit.txt", "empty", expected=f"{_LABELS[0]}: …")
    for (number, text), label in zip(read, _LABELS, strict=False):
        _judge(number, text, label, told, found)
    if len(read) < 2 and (not size or found.counts["error"] == before):
        missing = _LABELS[1] if names[:1] == [_LABELS[0]] or not names[:1] else _LABELS[0]
        found.error(
            "D05",
            "bagit.txt",
            f"{missing} is missing",
            expected="2 lines",
            found=f"{len(names)} line{'' if len(names) == 1 else 's'}",
        )
    for number, text in read[2:]:
        found.error("D07", ("bagit.txt", number), f'unexpected line "{text[:80]}"')
    return told


def _label(text: str) -> str:
    for label in _LABELS:
        if re.match(rf"{label}\s*:", text, re.IGNORECASE):
            return label
    return ""


def _judge(number: int, text: str, label: str, told: Declaration, found: Findings) -> None:
    where = ("bagit.txt", number)
    match = re.fullmatch(rf"({label})(\s*):(\s*)(.*?)(\s*)", text, re.IGNORECASE)
    if match is None:
        rule = "D04" if number == 1 else "D05"
        found.error(rule, where, f"{label} was due", expected=f"{label}: …", found=text)
        return
    value = match[4]
    if label == _LABELS[0]:
        if not re.fullmatch(r"[0-9]{1,4}\.[0-9]{1,4}", value):
            found.error("D09", where, f'version "{value[:40]}" is not MAJOR.MINOR')
        elif value not in VERSIONS:
            known = f"{VERSIONS[0]} to {VERSIONS[-2]}, {VERSIONS[-1]}"
            found.error("D11", where, f"BagIt version {value} is not supported (known: {known})")
        else:
            told.version = value
    else:
        told.encoding = _encoding(value, where, found)
    level = found.error if told.strict else found.warning
    due = f"{label}: {value}"
    if match[1] != label:
        level("D14", where, f'label is "{match[1]}"', expected=due, found=text)
    if match[2] or match[3] != " " or match[5]:
        level("D10", where, "white space is not as it must be", expected=due, found=text)


def _encoding(name: str, where: tuple[str, int], found: Findings) -> str:
    if not _ENCODINGS.fullmatch(name):
        found.error("D12", where, f'"{name[:40]}" is not a registered character set')
        return "utf-8"
    if name.lower() != "utf-8":
        found.information("D13", where, f"tag files use {name}; UTF-8 is recommended")
    return codecs.lookup(_PYTHON_NAMES.get(name.lower(), name.lower())).name
