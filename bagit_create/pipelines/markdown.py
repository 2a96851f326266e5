"""The addresses in a Markdown text: images, links to uploads, and those of HTML in it.

Facts: commonmark.org, "Links" and "Images"; CodiMD writes a size (``=100x50``) behind an address.
What stands in code is text, not an address.
"""

from __future__ import annotations

import html
import re
from collections.abc import Iterator
from urllib.parse import urljoin

# A note is written by anybody: no pattern here goes back over what it has read, or far ahead.
_CODE = re.compile(
    r"^[ ]{0,3}(?P<fence>`{3,}+|~{3,}+)[^\n]*+\n.*?(?:^[ ]{0,3}(?P=fence)[`~]*+[ \t]*+$|\Z)"
    r"|(?<!`)(?P<ticks>`++)[^\n]*?(?<!`)(?P=ticks)(?!`)",
    re.MULTILINE | re.DOTALL,
)
_TEXT = r"\[[^\]\n]{0,500}\]"
_TARGET = r"\s*+(?:<([^>\n]*+)>|((?:[^\s()]|\([^\s()]*+\))++))"
_IMAGE = re.compile(rf"!{_TEXT}\({_TARGET}")
_LINK = re.compile(rf"(?<!!){_TEXT}\({_TARGET}")
_DEFINED = re.compile(rf"^[ ]{{0,3}}\[([^\]\n]{{1,500}})\]:{_TARGET}", re.MULTILINE)
_HTML = re.compile(
    r"""<img\b[^<>]*?\bsrc\s*=\s*(?:"([^"]*)"|'([^']*)'|([^\s>"']+))""", re.IGNORECASE
)
_HREF = re.compile(r"""<a\b[^<>]*?\bhref\s*=\s*(?:"([^"]*)"|'([^']*)')""", re.IGNORECASE)
_BARE = re.compile(r"https?://[^\s<>()\[\]\"'`]{1,200}?/uploads/[^\s<>()\[\]\"'`]++")


def references(text: str, base: str) -> Iterator[tuple[str, bool]]:
    """Each address once, made absolute, and whether it is that of an image.

    :param base: what relative addresses are relative to.
    """
    plain = _CODE.sub(" ", text)
    named = {
        match[1].casefold() for match in re.finditer(rf"!{_TEXT}\[([^\]\n]{{1,500}})\]", plain)
    }
    named |= {
        match[1].casefold() for match in re.finditer(r"!\[([^\]\n]{1,500})\](?:\[\])?(?!\()", plain)
    }
    seen: set[str] = set()
    for pattern, is_image in ((_IMAGE, True), (_HTML, True), (_LINK, False), (_HREF, False)):
        for match in pattern.finditer(plain):
            yield from _once(next((g for g in match.groups() if g), ""), base, is_image, seen)
    for match in _DEFINED.finditer(plain):
        yield from _once(match[2] or match[3], base, match[1].casefold() in named, seen)
    for match in _BARE.finditer(plain):
        yield from _once(match[0].rstrip(".,;:!?"), base, False, seen)


def _once(address: str, base: str, is_image: bool, seen: set[str]) -> Iterator[tuple[str, bool]]:
    try:
        url = urljoin(base, html.unescape(address.strip()))
    except ValueError:  # "http://[x"
        return
    if url not in seen:
        seen.add(url)
        yield url, is_image
