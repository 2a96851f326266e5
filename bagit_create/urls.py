"""Web addresses as upstream gives them: made sendable, compared, and stripped of secrets."""

from __future__ import annotations

import re
from functools import lru_cache
from urllib.parse import quote, urlsplit, urlunsplit

from .log import redact

# What RFC 3986 does not allow to stand raw, and a % that starts no escape.
_UNSENDABLE = re.compile(rb"[^A-Za-z0-9\-._~:/?#\[\]@!$&'()*+,;=%]|%(?![0-9A-Fa-f]{2})")
# Nearly all addresses: nothing to escape in them, nothing to hide, and one look takes them apart.
_PLAIN = re.compile(
    r"(https?)://([a-z0-9.-]+)(?::([1-9][0-9]{0,3}|[1-5][0-9]{4}))?"
    r"(/(?:[A-Za-z0-9\-._~/!$'()*+,;=:]|%[0-9A-Fa-f]{2})*)"
)
_DEFAULT_PORT = {"http": 80, "https": 443, "ftp": 21, "root": 1094}


@lru_cache(maxsize=256)
def _plain(url: str) -> tuple[str, str, int | None] | None:
    """Scheme, host and port of a plain address; each is asked for several times in a row."""
    match = _PLAIN.fullmatch(url)
    if match is None:
        return None
    return match[1], match[2], int(match[3]) if match[3] else _DEFAULT_PORT[match[1]]


def clean(url: str) -> str:
    """Percent-encode what may not stand in an address (RFC 3986), and nothing else.

    Existing escapes stay, and so do ``.`` and ``..``: a name that InvenioRDM publishes as
    ``…/files/../x/content`` must be asked for like that. A ``#`` is part of a file's name in the
    addresses of older Zenodo answers, never a fragment, so it is encoded.
    """
    if _plain(url):
        return url
    raw = url.strip().encode("utf-8", "surrogateescape")
    return _UNSENDABLE.sub(_escape, raw).replace(b"#", b"%23").decode("ascii")


def _escape(match: re.Match[bytes]) -> bytes:
    return b"".join(b"%%%02X" % byte for byte in match[0])


def origin(url: str) -> tuple[str, str, int | None]:
    """Scheme, host and port of an address: what a credential is bound to (RFC 6454 section 4)."""
    if place := _plain(url):
        return place
    parts = urlsplit(url)
    scheme = parts.scheme.lower()
    return scheme, (parts.hostname or "").lower(), parts.port or _DEFAULT_PORT.get(scheme)


def without_secrets(url: str) -> str:
    """The address without user information and without token parameters, for logs and bags."""
    if _plain(url):
        return url
    parts = urlsplit(url)
    host = parts.netloc.rpartition("@")[2]
    query = "&".join(
        pair for pair in parts.query.split("&") if pair and redact(f"?{pair}") == f"?{pair}"
    )
    return urlunsplit((parts.scheme, host, parts.path, query, parts.fragment))


def with_parameter(url: str, name: str, value: str) -> str:
    """The address with one more query parameter."""
    return f"{url}{'&' if '?' in url else '?'}{name}={quote(value, safe='')}"
