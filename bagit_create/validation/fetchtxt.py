"""fetch.txt, line by line (RFC 8493 section 2.2.3)."""

from __future__ import annotations

import ipaddress
import re
from urllib.parse import urlsplit

from .container import Container
from .declaration import Declaration
from .findings import Findings
from .lines import lines
from .pathcheck import check_path
from .table import Column, Table

_LINE = re.compile(r"([^ \t]+)[ \t]+([^ \t]+)[ \t]+(.+)", re.DOTALL)
_SPLIT_URL = re.compile(
    r"[A-Za-z][A-Za-z0-9+.-]*:[^ \t]*[ \t].*[ \t](?:-|[0-9]+)[ \t]+\.?/?data/.+"
)
_ABSOLUTE = re.compile(r"[A-Za-z][A-Za-z0-9+.-]*:[^\s]+")
FETCHED = ("http", "https", "root")
"""Schemes that ``bic complete`` knows."""
_SIZE = re.compile(r"[0-9]{1,18}")


class Fetch:
    """What is promised: ``lines`` and, where they are told, ``sizes`` in bytes, by path."""

    def __init__(self, table: Table, addresses: bool = False) -> None:
        self.urls: dict[str, str] | None = {} if addresses else None
        """The addresses by path, if they are to be kept."""
        self.lines = Column(table)
        self.sizes = Column(table)
        self.secret: list[int] = []
        """Lines whose address carries credentials."""

    def __contains__(self, path: object) -> bool:
        return path in self.lines

    def __len__(self) -> int:
        return len(self.lines)


def read_fetch(container: Container, made: Fetch, told: Declaration, found: Findings) -> None:
    """Read every line into ``made`` and judge it.

    :raises OSError: if it cannot be read.
    """
    addresses: set[int] = set()
    for number, text in lines(container, "fetch.txt", told.encoding, found, "F01"):
        where = ("fetch.txt", number)
        if number == 1 and text.startswith("\ufeff"):
            level = found.error if told.strict else found.warning
            level("M25", where, "byte-order mark before the first address")
            text = text[1:]
        if not text.strip(" \t"):
            found.warning("F16", where, "blank line")
            continue
        match = _LINE.fullmatch(text)
        if match is None:
            fields = len(text.split())
            found.error("F01", where, "expected URL LENGTH PATH", found=f"{fields} fields")
            continue
        url, length, path = match.groups()
        if not re.fullmatch(r"-|[0-9]+", length):
            if _SPLIT_URL.fullmatch(text):
                found.error("F08", where, "a space in the address must be written %20")
            else:
                found.error("F02", where, f'length "{length[:40]}" is neither digits nor "-"')
            continue
        if _has_credentials(url, where, found):
            made.secret.append(number)
        key = hash(url)
        if key in addresses:
            found.information("F21", where, "another line has the same address")
        addresses.add(key)
        plain = check_path(path, told, where, found, bag=container.name, kind="fetch")
        if plain is None:
            continue
        if plain in made.lines:
            found.error("F07", where, f"{plain} is already on line {made.lines[plain]}")
            continue
        made.lines.put(plain, number)
        if made.urls is not None:
            made.urls[plain] = url
        if _SIZE.fullmatch(length):
            made.sizes.put(plain, int(length))
        elif length != "-":
            found.error("F02", where, "the length is larger than any file can be")


def _has_credentials(url: str, where: tuple[str, int], found: Findings) -> bool:
    """Judge an address; whether it carries credentials."""
    if not _ABSOLUTE.fullmatch(url):
        found.error("F08", where, f'"{url[:80]}" is not an absolute address')
        return False
    try:
        parts = urlsplit(url)
        host = parts.hostname or ""
    except ValueError:
        found.error("F08", where, "the address cannot be taken apart")
        return False
    scheme = parts.scheme.lower()
    if scheme not in FETCHED:
        found.warning("F09", where, f'scheme "{scheme}" is not fetched')
    elif not host:
        found.error("F08", where, f'"{url[:80]}" names no server')
    elif is_private(host):
        found.warning("F10", where, f"{host} is not a public address")
    if "@" in parts.netloc:
        found.warning("F11", where, "the address carries credentials (not shown)")
        return True
    return False


def is_private(host: str) -> bool:
    """Whether a host is this machine or one of a private network, by its name alone."""
    if host.lower().rstrip(".") == "localhost" or host.lower().endswith((".localhost", ".local")):
        return True
    try:
        return not ipaddress.ip_address(host.strip("[]")).is_global
    except ValueError:
        return False
