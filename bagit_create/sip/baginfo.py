"""bagit.txt and bag-info.txt (RFC 8493 sections 2.1.1 and 2.2.2)."""

from __future__ import annotations

import textwrap
from datetime import UTC, datetime

from ..version import get_version
from .contents import Contents

WEBSITE = "https://gitlab.cern.ch/digitalmemory/bagit-create"


def declaration(version: str) -> str:
    """The two lines of bagit.txt."""
    return f"BagIt-Version: {version}\nTag-File-Character-Encoding: UTF-8\n"


def bag_info(contents: Contents, payload_bytes: int, payload_files: int) -> str:
    """The text of bag-info.txt, no line longer than 79 characters where that can be."""
    record = contents.record
    made = datetime.fromtimestamp(contents.timestamp, UTC)
    fields = (
        ("Source-Organization", record.organization),
        ("External-Identifier", record.external_identifier or record.recid),
        ("External-Description", record.description.title),
        ("Bag-Software-Agent", f"bagit-create {get_version()} <{WEBSITE}>"),
        ("Bagging-Date", made.strftime("%Y-%m-%d")),
        ("Payload-Oxum", f"{payload_bytes}.{payload_files}"),
    )
    return "".join(_element(label, value) for label, value in fields if value)


def _element(label: str, value: str) -> str:
    """One element, continued on indented lines where it is long."""
    shown = "".join(char if char.isprintable() else " " for char in value)
    pieces = textwrap.wrap(
        " ".join(shown.split()),
        width=79,
        initial_indent=f"{label}: ",
        subsequent_indent="  ",
        break_long_words=False,
        break_on_hyphens=False,
    )
    return "".join(f"{piece}\n" for piece in pieces)
