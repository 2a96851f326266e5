"""fetch.txt: where the absent files are (RFC 8493 section 2.2.3)."""

from __future__ import annotations

from collections.abc import Sequence
from urllib.parse import quote_from_bytes

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
        made.append(f"{url} {size} {one.bagpath}\n")
    if missing:
        log.warning(f"{missing} files have no alternate address; fetch.txt has their usual one")
    return made


def location(entry: FileEntry, alternate: bool) -> tuple[str, bool]:
    """The address for fetch.txt, and whether it is the alternate one that was asked for.

    The alternate one is the first that is not http or https (CERN Open Data has ``root://``), else
    the second. The address is ``""`` if upstream gives none that can be written down.
    """
    urls = [
        shown
        for url in entry.urls
        if not url.strip().lower().startswith("file:") and (shown := public(url))
    ]
    if entry.path is not None and not urls:  # a file of this machine only
        urls.append("file://" + quote_from_bytes(entry.path))
    if alternate:
        for url in urls:
            if not url.lower().startswith(("http:", "https:")):
                return url, True
        if len(urls) > 1:
            return urls[1], True
    return urls[0] if urls else "", False


def public(url: str) -> str:
    """The address as an archive may keep it: RFC 3986, without secrets.

    ``""`` if it cannot be taken apart: nobody could fetch from it, and a secret could hide in it.
    """
    try:
        return without_secrets(clean(url))
    except ValueError:  # "https://[x", or a lone surrogate
        return ""
