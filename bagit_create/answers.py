"""What an answer of a server holds and means: bodies, broken bodies, statuses, waits."""

from __future__ import annotations

import json
import re
import ssl
import time
import zlib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from email.utils import parsedate_to_datetime
from typing import Any
from urllib.parse import urljoin, urlsplit

from .errors import AccessDenied, BicError, RecordNotFound, Unreachable, UpstreamError
from .net.http1 import BLOCK, Body, ProtocolError
from .urls import clean, origin, without_secrets
from .wire import Response

MAX_METADATA_BYTES = 512 * 1024 * 1024
RETRIED = frozenset({408, 425, 429, 500, 502, 503, 504})
REDIRECTS = frozenset({301, 302, 303, 307, 308})


@dataclass(frozen=True)
class Answer:
    """A whole answer of a metadata request. ``url`` is where it came from in the end."""

    status: int
    headers: Mapping[str, str]
    content: bytes
    url: str

    def json(self, what: str) -> Any:
        """Parse the body.

        :param what: what was asked for, for the message ("Metadata request").
        :raises UpstreamError: if it is not JSON, whatever its Content-Type claims.
        """
        try:
            return json.loads(self.content, parse_constant=_no_number)
        except (ValueError, RecursionError) as err:
            self.refuse_login(what)
            kind = self.headers.get("Content-Type", "none")
            raise UpstreamError(
                f"{what} did not return valid JSON (Content-Type: {kind}).",
                where=without_secrets(self.url),
                hint=html_hint(self.content) or "the service may have changed; report it",
            ) from err

    def refuse_login(self, what: str, hint: str = "") -> None:
        """Refuse a login page that came with status 200 where data was due.

        :raises AccessDenied: if the body is such a page.
        """
        if is_login_page(self.content):
            raise AccessDenied(
                f"{what} was refused: access denied, a login is asked for.",
                where=without_secrets(self.url),
                hint=hint or "the answer was a login page",
            )


def _no_number(name: str) -> None:
    """Refuse ``NaN`` and ``Infinity``, which Python reads and RFC 8259 does not know."""
    raise ValueError(f"{name} is no JSON")


@dataclass(frozen=True)
class Stream:
    """The open answer to a request for a file: 200 or 206, its headers, and its raw body."""

    status: int
    headers: Mapping[str, str]
    url: str
    body: Body

    def blocks(self, decode: bool) -> Iterator[bytes | memoryview]:
        """The body block by block; a block changes when the next one is asked for.

        :param decode: undo its ``Content-Encoding``.
        :raises BrokenBody: when the connection breaks or falls silent before the end.
        """
        if decode:
            return decoded(self.body, self.headers.get("Content-Encoding", ""))
        return _raw(self.body)


def _raw(body: Body) -> Iterator[memoryview]:
    try:
        while block := body.read():
            yield block
    except (ProtocolError, OSError) as err:
        raise BrokenBody(plain(err)) from err


def decoded(body: Body, coding: str) -> Iterator[bytes]:
    """A body without its ``Content-Encoding`` (RFC 9110 section 8.4): gzip, or deflate.

    Memory stays flat, however much a block unfolds to.

    :raises BrokenBody: when it breaks off, or is not of that coding.
    """
    coding = coding.strip().lower()
    if coding in ("", "identity"):
        yield from map(bytes, _raw(body))
        return
    if coding not in ("gzip", "x-gzip", "deflate"):
        raise BrokenBody(f"the body is coded in a way that was not asked for: {coding[:40]!r}")
    unzip: Any = None
    try:
        for block in _raw(body):
            if unzip is None:  # "deflate" comes with or without zlib's header
                bare = coding == "deflate" and block[0] & 0x0F != 8
                unzip = zlib.decompressobj(-15 if bare else 47)
            left: bytes | memoryview = block
            made = b""
            while left or len(made) == BLOCK:  # a full block may not be all there is
                if unzip.eof:  # another member follows (RFC 1952 section 2.2)
                    unzip = zlib.decompressobj(31)
                if made := unzip.decompress(left, BLOCK):
                    yield made
                left = unzip.unused_data if unzip.eof else unzip.unconsumed_tail
    except zlib.error as err:
        raise BrokenBody(f"the body is no {coding}: {err}") from err
    if unzip is not None and not unzip.eof:
        raise BrokenBody(f"the {coding} body has no end")


class BrokenBody(Exception):
    """The body ended too early. Caught by the transfer, which goes on where it broke."""


def refusal(status: int, what: str, url: str, content: bytes, access_hint: str) -> BicError:
    """The error that a status means, in the words that all sources share."""
    where = without_secrets(url)
    page = html_hint(content)
    if status == 404:
        return RecordNotFound(
            f"{what} was answered: no such record.",
            where=where,
            http_status=status,
            hint="check the record id; a record that needs a login may look missing too",
        )
    if status == 410:
        return RecordNotFound(
            f"{what} was answered: the record was deleted.", where=where, http_status=status
        )
    if status in (401, 403):
        return AccessDenied(
            f"{what} was refused: access denied.",
            where=where,
            http_status=status,
            hint=page or access_hint,
        )
    if status in RETRIED:
        return Unreachable(
            f"{what} could not be served: the server is overloaded or failing.",
            where=where,
            http_status=status,
            hint="run the same command again later; what is finished is not fetched again",
        )
    return UpstreamError(
        f"{what} was answered in a way that is not expected.",
        where=where,
        http_status=status,
        hint=page,
    )


def check_redirect(
    before: str, after: str, what: str, own_hosts: set[str], access_hint: str
) -> None:
    """Judge a redirect before it is followed.

    Files may lie anywhere that http or https reaches; metadata only on the source's own hosts.

    :raises AccessDenied: if it leads to a login page.
    :raises UpstreamError: if it leads to another scheme, from https to http, or to another site.
    """
    where = f"{without_secrets(before)} to {without_secrets(after)}"
    scheme, host, _ = origin(after)
    if scheme not in ("http", "https") or (scheme == "http" and origin(before)[0] == "https"):
        raise UpstreamError(f"{what} was redirected to an unsafe address.", where=where)
    if "/login" in urlsplit(after).path:
        raise AccessDenied(
            f"{what} was refused: access denied, a login is asked for.",
            where=where,
            hint=access_hint,
        )
    if what != "File request" and host not in own_hosts:
        raise UpstreamError(
            f"{what} was redirected to another site. Try to harvest the redirected source.",
            where=where,
        )


def whole(response: Response, what: str, url: str, limit: int = MAX_METADATA_BYTES) -> bytes:
    """Read a body into memory, never more than ``limit`` bytes after decompression.

    :raises BrokenBody: when it breaks off.
    :raises UpstreamError: when it is longer.
    """
    body = bytearray()
    for block in decoded(response.body, response.headers.get("Content-Encoding", "")):
        body += block
        if len(body) > limit:
            if limit < MAX_METADATA_BYTES:
                return bytes(body[:limit])
            raise UpstreamError(
                f"{what} was answered with more than {limit // 2**20} MiB.",
                where=without_secrets(url),
            )
    return bytes(body)


def retry_after(headers: Mapping[str, str]) -> float | None:
    """Read ``Retry-After`` (RFC 9110 section 10.2.3): seconds, or a date."""
    text = headers.get("Retry-After", "").strip()
    if text.isdigit():
        return float(min(int(text[:12]), 10**9))
    try:
        return max(0.0, parsedate_to_datetime(text).timestamp() - time.time())
    except (ValueError, TypeError, IndexError):
        return None


_LOGIN = re.compile(
    rb"""type=["']?password|/youraccount/login|/auth/realms/|/adfs/ls|kc-form-login|"""
    rb"""/login/\?next=|id=["']?login""",
    re.IGNORECASE,
)


def is_login_page(content: bytes) -> bool:
    """Whether this is a web page on which one signs in."""
    start = content[:200_000]
    return bool(html_hint(start)) and bool(_LOGIN.search(start))


def html_hint(content: bytes) -> str:
    start = content[:512].lstrip().lower()
    if start.startswith((b"<!doctype html", b"<html")) or b"<html" in start:
        return (
            "the answer was a web page, not data: a firewall, a login page or a page for people "
            "stands in between"
        )
    return ""


def plain(err: BaseException) -> str:
    """A network error in one short line."""
    if isinstance(err, ssl.SSLCertVerificationError):
        return err.verify_message
    if isinstance(err, TimeoutError):
        return str(err) if str(err).startswith("only") else "the server fell silent"
    if isinstance(err, OSError) and err.strerror:
        return err.strerror
    return str(err) or type(err).__name__


def address(url: str, what: str, base: str = "") -> str:
    """The address, fit to be sent.

    :param base: what a relative one is relative to.
    :raises UpstreamError: if it is none at all, as one that upstream gave may be.
    """
    try:
        target = clean(urljoin(base, url) if base else url)
        origin(target)
    except ValueError as err:
        raise no_address(what, url, err) from err
    return target


def no_address(what: str, url: str, err: ValueError) -> UpstreamError:
    """The error for an address that cannot be taken apart."""
    return UpstreamError(
        f"{what} leads to what is no web address.",
        where=f"{url[:200]!r} ({err})",
        hint="the service may have changed; please report it",
    )
