"""What tells whether a file is the one that upstream lists, and whether an answer is a file."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from ..checksums import known
from ..errors import ChecksumMismatch, TransferError
from ..model import Checksum, FileEntry

_PAGES = ("text/html", "application/xhtml+xml")
_PAGE_NAMES = re.compile(r"\.(html?|xhtml|shtml|mht|php|aspx?|jsp)$", re.IGNORECASE)
_COMPRESSED_NAMES = re.compile(r"\.(gz|tgz|z|taz|svgz|bz2|tbz2?|xz|txz|zst|br)$", re.IGNORECASE)


def compare(entry: FileEntry, computed: tuple[Checksum, ...], where: str) -> None:
    """Compare digests with what upstream published.

    :raises ChecksumMismatch: naming both.
    """
    if not entry.checksums:
        return
    found = {one.algorithm: one.value for one in computed}
    for announced in entry.checksums:
        if known(announced) and found[announced.algorithm] != announced.value:
            raise ChecksumMismatch(
                "A file is not the one that upstream announced: the checksum differs.",
                where=f"{entry.name} at {where}: expected {announced}, "
                f"found {found[announced.algorithm]}",
                hint="it was fetched twice; tell who runs the source",
            )


def is_page(kind: str, entry: FileEntry) -> bool:
    """Whether an answer of this media type is a web page where the file is none."""
    return kind in _PAGES and entry.media_type not in _PAGES and not _PAGE_NAMES.search(entry.name)


def is_decoded(headers: Mapping[str, str], name: str) -> bool:
    """Whether a body was compressed for the way only.

    A server that guesses ``Content-Encoding`` from a name (``data.tar.gz``) sends the file itself:
    its size and checksum are of these very bytes.
    """
    coding = headers.get("Content-Encoding", "identity").lower()
    return coding != "identity" and not _COMPRESSED_NAMES.search(name)


def withheld(message: str, **facts: Any) -> TransferError:
    """The error for a file that upstream lists and does not hand out."""
    error = TransferError(message, **facts)
    error.withheld = True
    return error


def web_addresses(entry: FileEntry) -> tuple[str, ...]:
    """The locations of a file that HTTP can fetch."""
    return tuple(url for url in entry.urls if url.lower().startswith(("http://", "https://")))


def validator(headers: Mapping[str, str]) -> str | None:
    """What ``If-Range`` may carry: a strong ETag, else a date (RFC 9110 section 13.1.5)."""
    etag = headers.get("ETag", "")
    return etag if etag.startswith('"') else headers.get("Last-Modified")
