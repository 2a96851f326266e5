"""What a server tells of a file before it is fetched: for light bags, which fetch none."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

from ..checksums import from_content_md5, known
from ..client import Client
from ..model import FileEntry, Placed
from .checks import is_decoded, is_page, web_addresses
from .pool import run


def look_ahead(placed: Sequence[Placed], client: Client | None, jobs: int) -> tuple[Placed, ...]:
    """Ask with HEAD for the size and checksum of files of which upstream's metadata has none."""
    if client is None:
        return tuple(placed)

    def ask(item: Placed) -> Placed:
        addresses = web_addresses(item.entry)
        if not addresses or (item.entry.size is not None and any(map(known, item.entry.checksums))):
            return item
        headers = client.head(addresses[0])
        return item if headers is None else replace(item, entry=_told(item.entry, headers))

    return tuple(run(ask, placed, jobs, client.stop))


def _told(entry: FileEntry, headers: Any) -> FileEntry:
    """The entry with what the headers of its file say, where it knew nothing."""
    kind = headers.get("Content-Type", "").partition(";")[0].strip().lower()
    if is_page(kind, entry):  # Invenio v1 answers HEAD so where it means nothing
        return entry
    length = headers.get("Content-Length", "")
    encoded = is_decoded(headers, entry.name)
    told = None if encoded else from_content_md5(headers.get("Content-MD5"))
    size = entry.size
    if size is None and not encoded and re.fullmatch("[0-9]{1,18}", length):
        size = int(length)
    return replace(
        entry,
        size=size,
        checksums=entry.checksums or ((told,) if told else ()),
    )
