"""What an answer of a server means: statuses, redirects, waits, pages where data was due."""

from __future__ import annotations

import errno
import json
import re
import ssl
import time
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC
from email.utils import parsedate_to_datetime
from typing import Any
from urllib.parse import urljoin, urlsplit

from .bodies import plain
from .errors import AccessDenied, BicError, RecordNotFound, SipError, Unreachable, UpstreamError
from .log import redact
from .urls import clean, origin, without_secrets

RETRIED = frozenset({408, 425, 429, 500, 502, 503, 504})
REDIRECTS = frozenset({301, 302, 303, 307, 308})
_LOGIN_PATH = re.compile("/login|(?i:/adfs/ls|/auth/realms/|/shibboleth[.]sso/)")


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


def unreachable(err: Exception, what: str, url: str) -> BicError:
    """The error for a server to which there is no way, or whose certificate nobody vouches for.

    That this machine has too many files open, connections among them, says nothing of the server.
    """
    if isinstance(err, OSError) and err.errno in (errno.EMFILE, errno.ENFILE):
        return SipError(
            "No connection can be opened: this process, or this machine, has too many files open.",
            where=without_secrets(url),
            hint="allow more ('ulimit -n'), or use fewer --jobs or --workers",
            resumable=True,
        )
    why = redact(plain(err))
    host = urlsplit(url).hostname
    if isinstance(err, ssl.SSLCertVerificationError):
        return Unreachable(
            f"{host} shows a certificate that is not trusted.",
            where=f"{without_secrets(url)} ({why})",
            hint="set REQUESTS_CA_BUNDLE or SSL_CERT_FILE to its authority's file",
            resumable=False,
        )
    return Unreachable(
        f"{what} failed: {host} cannot be reached.",
        where=f"{without_secrets(url)} ({why})",
        hint="check the network and proxy settings, or try again later",
    )


def put_off(url: str, seconds: float, status: int) -> Unreachable:
    """The error for a server that wants us to wait longer than the user does."""
    until = time.strftime("%Y-%m-%d %H:%M:%S UTC", time.gmtime(time.time() + seconds))
    return Unreachable(
        "The server put the request off for longer than this run may wait.",
        where=without_secrets(url),
        http_status=status,
        hint=f"run the same command again after {until}, or raise --max-wait",
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
    if leads_to_login(after):
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


def leads_to_login(url: str) -> bool:
    """Whether an address is that of a page on which one signs in: a source's own, or one of those
    that Shibboleth, ADFS and Keycloak have.

    :raises ValueError: if it is no address.
    """
    return bool(_LOGIN_PATH.search(urlsplit(url).path))


def retry_after(headers: Mapping[str, str]) -> float | None:
    """Read ``Retry-After`` (RFC 9110 section 10.2.3): seconds, or a date.

    If a server and one before it have each written one, they stand side by side; the longer counts.
    """
    text = headers.get("Retry-After", "")
    numbers = [one.strip() for one in text.split(",")]
    if all(re.fullmatch("[0-9]+", one) for one in numbers):
        return float(min(max(int(one[:12]) for one in numbers), 10**9))
    try:
        told = parsedate_to_datetime(text)
        if told.tzinfo is None:  # RFC 9110 section 5.6.7: every date is in UTC
            told = told.replace(tzinfo=UTC)
        return max(0.0, told.timestamp() - time.time())
    except (ValueError, TypeError, IndexError, OverflowError):
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
