"""Which addresses of a bag may be asked: anybody may have written them (RFC 8493 section 5.2)."""

from __future__ import annotations

import ipaddress
import os
import socket
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import unquote_to_bytes, urlsplit

from ..config import Instance
from ..errors import InputError, UpstreamError
from ..log import visible
from ..transfer.xrootd import PUBLIC
from ..urls import clean
from .options import CompletionOptions

ANY = "*"
NAMED_AT_MOST = 10
_NAT64 = ipaddress.ip_network("64:ff9b::/96")
Address = ipaddress.IPv4Address | ipaddress.IPv6Address


@dataclass
class Refused:
    """Why addresses were not asked: by reason, how many files it concerns."""

    reasons: dict[str, int] = field(default_factory=dict)

    def add(self, reason: str) -> None:
        """One more file."""
        self.reasons[reason] = self.reasons.get(reason, 0) + 1


class Policy:
    """Decides about addresses before they are asked, and about machines once they answer.

    :param instance: the server of the record's own source, if it is known.
    """

    def __init__(self, options: CompletionOptions, instance: Instance | None) -> None:
        self._schemes = {"http", "https", *options.schemes}
        self._file_root = os.path.realpath(options.file_root) if options.file_root else None
        self._mirrors = options.mirrors
        named = {bare(host) for host in options.hosts if host != ANY}
        named |= {urlsplit(new).hostname or "" for _, new in options.mirrors}
        own: set[str] = set()
        if instance is not None:
            own = {bare(host) for host in instance.hosts}
            own.add(urlsplit(instance.base_url).hostname or "")
        self._any = ANY in options.hosts
        self._hosts = named | own
        # A server that the user has set up or named may be in the house. What a name of the public
        # network leads to must be public, or it is a trick (DNS rebinding).
        trusted = instance is not None and (instance.origin_file or not instance.configured)
        self._in_house = named | (own if trusted else set())

    def addresses(self, urls: Iterable[str], refused: Refused) -> tuple[str, ...]:
        """Those of a file's addresses that may be asked, as they are sent, mirrors behind them.

        :param refused: gets a reason, if none is left.
        """
        kept: list[str] = []
        reasons: list[str] = []
        for url in urls:
            mirrored = (new + url[len(old) :] for old, new in self._mirrors if url.startswith(old))
            for one in (url, *mirrored):
                # What is judged must be what is asked: the client reads "#" as part of a name.
                sent = one if one.lower().startswith("file:") else clean(one)
                if reason := self._reason(sent):
                    reasons.append(reason)
                else:
                    kept.append(sent)
        if not kept:
            refused.add(reasons[0] if reasons else "no address")
        return tuple(dict.fromkeys(kept))

    def _reason(self, url: str) -> str:
        """Why an address may not be asked; empty if it may."""
        try:
            parts = urlsplit(url)
            host, scheme = (parts.hostname or "").lower(), parts.scheme.lower()
            parts.port  # raises, if it is no number
        except ValueError:
            return "an address that cannot be taken apart"
        if scheme == "file":
            return "" if self.local(url) else "file: addresses (--file-root)"
        if scheme not in self._schemes:
            return f"scheme {visible(scheme) or 'missing'} (--allow-scheme)"
        if "@" in parts.netloc:
            return "an address that carries credentials"
        if host in self._hosts or (self._any and not is_private(host)):
            return ""
        if url.startswith(PUBLIC):
            return ""
        return f"host {visible(host) or 'missing'} (--allow-host)"

    def local(self, url: str) -> bytes | None:
        """The file that a ``file:`` address names, if it is below the folder that was named."""
        if self._file_root is None or not url.lower().startswith("file:///"):
            return None
        path = unquote_to_bytes(url[len("file://") :])
        if b"\0" in path:
            return None
        real = os.path.realpath(path)
        root = os.fsencode(self._file_root)
        inside = real.startswith(root.rstrip(b"/") + b"/")
        return real if inside and os.path.isfile(real) else None

    def judge_machine(self, host: str, address: str) -> None:
        """Refuse a machine that a connection has reached, also behind a redirect.

        :param host: as the address named it.
        :param address: the machine's own number; the name again, where a proxy looks it up.
        :raises UpstreamError: if it is of this house and nobody has named it.
        """
        if bare(host) in self._in_house or not is_private(address):
            return
        raise UpstreamError(
            "A file's address leads into a private network, which nobody allowed.",
            where=f"{host} is {address}",
            hint=f"if that is meant: --allow-host {host}",
        )


def refuse(refused: Refused, path: Path) -> None:
    """End before any request, if some files have no address that may be asked.

    :raises InputError: naming what to allow.
    """
    if not refused.reasons:
        return
    told = [
        f"{reason}: {count} file{'' if count == 1 else 's'}"
        for reason, count in sorted(refused.reasons.items(), key=lambda one: -one[1])
    ]
    raise InputError(
        "Some files have no address that may be asked.",
        where=f"{path}: " + "; ".join(told[:NAMED_AT_MOST]),
        hint="look at fetch.txt; allow what you trust, or choose other files with --only",
    )


def bare(host: str) -> str:
    """A host as addresses have it, without its port and brackets."""
    if host.count(":") > 1 and not host.startswith("["):
        return host.lower()
    return (urlsplit(f"//{host}").hostname or "").lower()


def is_private(host: str) -> bool:
    """Whether a host, by its name or number, is of this house; a name without dots always is."""
    host = host.lower().rstrip(".")
    number = _number(host)
    if number is None:
        return "." not in host or host.endswith((".localhost", ".local", ".internal"))
    if isinstance(number, ipaddress.IPv6Address):
        inner = number.ipv4_mapped or number.sixtofour
        if number in _NAT64:
            inner = ipaddress.IPv4Address(int(number) & 0xFFFFFFFF)
        if number.is_site_local or (inner is not None and is_private(str(inner))):
            return True
        if number.ipv4_mapped is not None:
            return False
    return not number.is_global or number.is_multicast


def _number(host: str) -> Address | None:
    """The number that a host is, in whatever spelling the system takes for one."""
    try:
        return ipaddress.ip_address(host.partition("%")[0])
    except ValueError:
        pass
    try:  # 127.1, 0x7f000001, 2130706433
        return ipaddress.IPv4Address(socket.inet_aton(host))
    except (OSError, UnicodeError):
        return None
