"""A record as its pipeline gives it: whether it can be one, and where its files go."""

from __future__ import annotations

import re
from urllib.parse import urlsplit

from . import log, paths
from .checksums import known
from .errors import UpstreamError
from .log import readable
from .model import FileEntry, Placed, Record
from .options import RECID
from .urls import clean

NAMED_AT_MOST = 20
"""Files that a warning names one by one; sip.json and the result have all."""
PLACEHOLDER = ".keep"
"""The empty file that keeps an empty folder, as RFC 8493 section 2.1.3 suggests."""
COLUMN = 50
"""Characters in which CERN's platform keeps source and recid."""


def arrange(
    record: Record,
) -> tuple[tuple[Placed, ...], tuple[str, ...], tuple[tuple[str, str], ...]]:
    """Give every file of a record its place in the package.

    :returns: the placed files, the bag paths of files that keep empty folders, and (upstream's
        name, bag path) of those whose name had to change.
    """
    own = [f"data/{one.place}/{one.name}" for one in record.documents]
    keepers = [FileEntry(PLACEHOLDER, (), 0, (), one) for one in record.empty_folders]
    every, pairs = paths.place((*record.files, *keepers), own)
    count = len(record.files)
    renamed = tuple((readable(old), new) for old, new in pairs)
    return every[:count], tuple(one.bagpath for one in every[count:]), renamed


def tell_of_lengths(record: Record) -> None:
    """Warn of what is too long for CERN's platform."""
    for what, text in (("source", record.source), ("record id", record.recid)):
        if len(text) > COLUMN:
            log.warning(f"the {what} is {len(text)} characters; CERN's platform keeps {COLUMN}")


def judge(record: Record) -> None:
    """Refuse what no record can be, whatever its pipeline made of it.

    :raises UpstreamError: if a name, an address or a size is impossible.
    """
    fault = ""
    if not re.fullmatch(RECID, record.recid):
        fault = f"the record's id {record.recid[:100]!r}"
    for document in record.documents:  # written under this very name
        if not all(part == paths.portable(part) for part in document.name.split("/")):
            fault = f"the name of a document: {document.name[:200]!r}"
    odd = []
    for one in record.files:
        if one.path is not None:
            continue
        if one.size is not None and one.size >= 1 << 63:
            fault = f"the size of {one.name!r}: {one.size}"
        if not all(map(_is_address, one.urls)):
            fault = f"the address of {one.name!r}: {one.urls[0][:200]!r}"
        if one.checksums and not any(map(known, one.checksums)):
            odd.append(one.name)
    if fault:
        raise UpstreamError(
            "The record has something in it that cannot be.",
            where=fault,
            hint="the service may have changed; please report it",
        )
    for name in odd[:NAMED_AT_MOST]:
        log.warning(f"the checksum of {name} is of a kind that cannot be compared here")
    if len(odd) > NAMED_AT_MOST:
        log.warning(f"so are those of {len(odd) - NAMED_AT_MOST} more files")


def _is_address(url: str) -> bool:
    """Whether this can be taken apart (RFC 3986): what upstream calls an address may be none."""
    try:
        if clean(url) is url:  # it is plain
            return True
        parts = urlsplit(url.strip())
        return bool(parts.scheme) and parts.port != 0
    except ValueError:  # "http://[x", "http://x:99999/"
        return False
