"""fetch.txt: where the absent files are (RFC 8493 section 2.2.3)."""

from __future__ import annotations

from collections.abc import Sequence

from .. import log
from ..model import FileEntry, Placed
from ..urls import clean, without_secrets
from .contents import Contents


def lines(absent: Sequence[Placed], contents: Contents) -> list[str]:
    """One line a file: ``URL LENGTH PATH``, the length in bytes or ``-``.

    Bag paths hold neither CR, LF nor ``%``, so they are the same in every version of BagIt.
    """
    made = []
    missing = 0
    for one in absent:
        url, alternate = location(one.entry, contents.alternate_uri)
        missing += contents.alternate_uri and not alternate
        size = "-" if one.entry.size is None else one.entry.size
        made.append(f"{without_secrets(clean(url))} {size} {one.bagpath}\n")
    if missing:
        log.warning(f"{missing} files have no alternate address; fetch.txt has their usual one")
    return made


def location(entry: FileEntry, alternate: bool) -> tuple[str, bool]:
    """The address for fetch.txt, and whether it is the alternate one that was asked for.

    The alternate one is the first that is not http or https (CERN Open Data has ``root://``), else
    the second.
    """
    if alternate:
        for url in entry.urls:
            if not url.lower().startswith(("http:", "https:")):
                return url, True
        if len(entry.urls) > 1:
            return entry.urls[1], True
    return entry.urls[0], False
