"""A sign-on with a certificate that many records share, and that is made anew when it has ended.

A single run signs on and is done. A process that makes a thousand records signs on once for each
server: its threads share the cookies, and the first request that is answered as a guest's would be
signs on again and is sent again. How Invenio 1 shows that a session has ended: it redirects what is
closed to its login page, and replaces or takes back the cookie of a session that it does not know
(inveniosoftware/invenio, ``modules/webaccess`` and ``modules/websession``). The latter counts
because a guest is answered too where a record is open to all, with less in it. Whether every
version does so is not known, and therefore no sign-on is relied on for longer than an hour.
"""

from __future__ import annotations

import re
import threading
import time
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any
from urllib.parse import urljoin, urlsplit

from . import log
from .answers import REDIRECTS, leads_to_login
from .credentials import secrets_of
from .errors import AccessDenied, BicError, UpstreamError
from .urls import origin
from .wire import Response, Wire

if TYPE_CHECKING:
    from http.cookiejar import CookieJar

LOGIN, REFUSED, REPLACED = "login", "401", "cookie"
"""What tells that a session has ended: a redirect to a login page, a status, another session's
cookie. Each may tell something else; that is learned by signing on once more."""
IN_VAIN = 3
"""Sign-ons in a row that changed nothing, after which such a sign is taken for something else."""
LONGEST_S = 3600.0
"""Seconds after which a sign-on is made anew, well before servers end one: Shibboleth's own setting
is eight hours, Invenio's two days."""
PAUSE_S = 60.0
"""Seconds for which that holds: a session that ends meanwhile is noticed only then."""
_SESSION = re.compile("sess|sid", re.IGNORECASE)
"""Names of cookies that stand for a session; others, of load balancers say, may change."""

SignOn = Callable[[str], "CookieJar"]
"""Signs on at an address, and returns the cookies; see :func:`.sso.sign_on`."""


class NotSignedOn(BicError):
    """A sign-on failed; ``error`` is what a single run would end with.

    It is of no class that says something about a file: nobody takes a file for refused because of
    it. Who makes many records unwraps it.
    """

    resumable = True

    def __init__(self, error: UpstreamError) -> None:
        super().__init__(error.message, where=error.where, hint=error.hint)
        self.exit_code = error.exit_code
        self.error = error


@dataclass(frozen=True, eq=False)
class SignedOn:
    """What one sign-on brought.

    ``values`` are the cookies that stand for the session, by name; ``until`` is the Unix time until
    which it is relied on.
    """

    jar: CookieJar = field(repr=False)
    values: Mapping[str, str] = field(repr=False)
    until: float

    @property
    def is_over(self) -> bool:
        """Whether its time is over."""
        return time.time() >= self.until


class Session:
    """The sign-on at one server. Safe to use from many threads.

    :param base_url: the server's own address.
    """

    def __init__(self, base_url: str) -> None:
        self._base_url = base_url
        self._lock = threading.Lock()
        self._now: SignedOn | None = None
        self._tries = 0
        self._failure: UpstreamError | None = None
        self._vain: dict[str, int] = {}
        self._pauses: dict[str, float] = {}

    def begin(self, record: str, sign_on: SignOn) -> SignedOn:
        """The sign-on that a record is made with.

        :param record: the address of its page, at which a sign-on is tried first.
        :raises NotSignedOn: if there is none.
        """
        # A server that always gives other cookies does not tell when it knows us no more.
        is_unwatched = self._vain.get(REPLACED, 0) >= IN_VAIN
        return self._signed(None, record, sign_on, anew=is_unwatched)

    def current(self, record: str, sign_on: SignOn) -> SignedOn:
        """The sign-on that a request is sent with; a new one if its time is over.

        :raises NotSignedOn: if there is none.
        """
        return self._signed(None, record, sign_on, anew=False)

    def renewed(self, seen: SignedOn, sign: str, record: str, sign_on: SignOn) -> SignedOn | None:
        """A newer sign-on than ``seen``, made now unless another thread has made it.

        :param sign: what tells that it has ended.
        :returns: None if such a sign was answered so in vain a short while ago.
        :raises NotSignedOn: if it fails.
        """
        if time.monotonic() < self._pauses.get(sign, 0.0):
            # A server that always gives other cookies does so whichever sign-on is newer.
            if self._now is seen or sign == REPLACED:
                return None
        return self._signed(seen, record, sign_on, anew=False)

    def learn(self, sign: str, in_vain: bool) -> None:
        """Note whether a sign stood after a sign-on, too: then it tells something else."""
        with self._lock:
            self._vain[sign] = many = self._vain.get(sign, 0) + 1 if in_vain else 0
            self._pauses[sign] = time.monotonic() + PAUSE_S if many >= IN_VAIN else 0.0

    def _newer(self, seen: SignedOn | None) -> SignedOn | None:
        """The present sign-on, if it is another one and its time is not over."""
        now = self._now
        return None if now is None or now is seen or now.is_over else now

    def _signed(
        self, seen: SignedOn | None, record: str, sign_on: SignOn, *, anew: bool
    ) -> SignedOn:
        tries = self._tries
        # Without the lock: while one record signs on for itself, others need not wait for it.
        if not anew and (now := self._newer(seen)):
            return now
        with self._lock:
            if self._tries != tries:  # what came of it while this thread waited is for it too
                if (last := self._failure) is not None:
                    error = type(last)(last.message, where=self._base_url, hint=last.hint)
                    raise NotSignedOn(error) from last
                anew = False
            if not anew:
                if now := self._newer(seen):
                    return now
                self._now = None
            self._failure = None
            try:
                jar = self._sign_on(record, sign_on)
            except UpstreamError as err:
                self._failure = err
                raise NotSignedOn(err) from err
            else:
                self._now = _signed_on(jar, urlsplit(self._base_url).hostname or "")
                return self._now
            finally:
                self._tries += 1

    def _sign_on(self, record: str, sign_on: SignOn) -> CookieJar:
        """Sign on at a record's page, or else, as it may be open to all, at the login page."""
        log.info(f"signing on to {urlsplit(self._base_url).hostname} with the certificate")
        page = f"{self._base_url}/youraccount/login"
        try:
            return sign_on(record or page)
        except AccessDenied:
            with suppress(AccessDenied):
                if record:
                    return sign_on(page)
            raise


class Sessions:
    """The sign-ons of one process, one for each server."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._made: dict[str, Session] = {}

    def at(self, base_url: str) -> Session:
        """That of the server at an address."""
        with self._lock:
            return self._made.setdefault(base_url, Session(base_url))


@dataclass
class Login:
    """What one maker of records knows of the sign-ons of its process.

    ``turned_away`` tells whether a fresh one, too, was answered with the login page, or would have
    been (:data:`IN_VAIN`).
    """

    sessions: Sessions = field(default_factory=Sessions)
    turned_away: bool = False


class SignedWire(Wire):
    """A :class:`.wire.Wire` that stays signed on.

    :param record: the address of the page of the record that is made, ``""`` for none.
    :param sign_on: signs on at an address; see :func:`.sso.sign_on`.
    :param hide: told of every secret that is brought.
    :raises NotSignedOn: if signing on fails, now or in :meth:`send`.
    """

    def __init__(
        self,
        base_url: str,
        login: Login,
        record: str,
        sign_on: SignOn,
        hide: Callable[[str], None],
        **options: Any,
    ) -> None:
        self._login = login
        self._session = login.sessions.at(base_url)
        self._record = record
        self._sign_on = sign_on
        self._hide = hide
        self._is_ended = False
        super().__init__(base_url, **options)
        self._take(self._session.begin(record, sign_on))

    def _take(self, signed: SignedOn) -> SignedOn:
        if signed.jar is not self._jar:
            for one in secrets_of(signed.jar):
                self._hide(one)
            self._jar = signed.jar
        return signed

    def end(self) -> None:
        """See :meth:`.wire.Wire.end`; nobody is signed on any more."""
        self._is_ended = True
        super().end()

    def send(
        self, method: str, url: str, headers: Mapping[str, str], body: bytes | None = None
    ) -> Response:
        """See :meth:`.wire.Wire.send`; what only a guest would be answered is asked again."""
        if self._is_ended or origin(url) != self.origin:
            return super().send(method, url, headers, body)
        signed = self._take(self._session.current(self._record, self._sign_on))
        response = super().send(method, url, headers, body)
        sign = _sign(response, url, signed)
        if not sign or self._is_ended:
            return response
        try:
            newer = self._session.renewed(signed, sign, self._record, self._sign_on)
        except BaseException:
            response.close()
            raise
        if newer is not None:
            response.close()
            self._take(newer)
            response = super().send(method, url, headers, body)
            still = _sign(response, url, newer)
            self._session.learn(sign, in_vain=bool(still))
            sign = still
        self._login.turned_away = self._login.turned_away or sign == LOGIN
        return response


def _sign(response: Response, url: str, signed: SignedOn) -> str:
    """What in an answer tells that the session it was asked in has ended; ``""`` for nothing."""
    if response.status == 401:
        return REFUSED
    if response.status in REDIRECTS:
        with suppress(ValueError):  # no address; who follows it says so
            if leads_to_login(urljoin(url, response.headers.get("Location", ""))):
                return LOGIN
    given = response.headers.get("Set-Cookie", "")
    for name, value in signed.values.items() if given else ():
        for other in re.findall(rf"(?:^|,)\s*{re.escape(name)}=([^;,]*)", given):
            if other.strip().strip('"') != value.strip('"'):
                return REPLACED
    return ""


def _signed_on(jar: CookieJar, host: str) -> SignedOn:
    now = time.time()
    values, times = {}, [now + LONGEST_S]
    for cookie in jar:
        domain = cookie.domain.lstrip(".")
        is_sent_there = host == domain or host.endswith(f".{domain}")
        if is_sent_there and cookie.value and _SESSION.search(cookie.name):
            values[cookie.name] = cookie.value
            if cookie.expires is not None and cookie.expires > now:
                times.append(float(cookie.expires))
    return SignedOn(jar, values, min(times))
