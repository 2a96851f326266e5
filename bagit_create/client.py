"""The only module that speaks HTTP: timeouts, retries, redirects, and credentials bound to a host.

Every request names the program and a contact, is given up after a time of silence, and is tried
again where that can help. A credential goes to the origin of the source's own address, never to
where a redirect leads.
"""

from __future__ import annotations

import re
import ssl
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from itertools import count

from . import log
from .answers import (
    REDIRECTS,
    RETRIED,
    Answer,
    address,
    check_redirect,
    no_address,
    put_off,
    refusal,
    retry_after,
    unreachable,
)
from .bodies import BrokenBody, Stream, plain, whole
from .budget import Budget, Limits, budgets
from .errors import Interrupted, Unreachable, UpstreamError
from .model import Events, Silent
from .net.http1 import ProtocolError
from .net.response import Response
from .pauses import LONG_S, Pauses, backoff
from .urls import origin, without_secrets
from .wire import Wire

MAX_REDIRECTS = 10
KEPT_WAITS = 8
HARMLESS = ("Accept", "Range", "If-Range", "Content-Type")
"""Fields that may follow a redirect to another server."""


class Client:
    """Speaks to one source. Safe to use from many threads.

    :param wire: sends single requests, with the credentials of the source; others may ask it what
        there is.
    :param hosts: where else the source's metadata may come from.
    :param limits: of requests, as :class:`.budget.Budget` may know them of the source's own server.
    :param credential_hint: where a user gets a credential for this source.
    """

    def __init__(
        self,
        wire: Wire,
        *,
        hosts: tuple[str, ...] = (),
        retries: int = 5,
        max_wait: float = 3600.0,
        credential_hint: str = "",
        limits: Limits = (),
        events: Events | None = None,
    ) -> None:
        self.wire = wire
        self._own_hosts = {wire.origin[1], *(host.partition(":")[0] for host in hosts)}
        self._retries, self._max_wait = retries, max_wait
        self._hint, self._limits = credential_hint, limits
        self._events = events or Silent()
        self._stopped = threading.Event()
        self._pauses = Pauses(self._events, self._stopped)
        self._at_end: list[Callable[[], None]] = []
        self._registry = budgets()
        self._budgets: dict[tuple[str, str, int | None], Budget] = {}
        self.waits: list[float] = []
        """Seconds that servers took to begin the last answers."""

    # -- what the pipelines use ---------------------------------------------------------------

    def get(
        self,
        url: str,
        *,
        what: str,
        accept: str = "application/json",
        allow: tuple[int, ...] = (),
        method: str = "GET",
        body: bytes | None = None,
        follow: bool = True,
        headers: Mapping[str, str] | None = None,
    ) -> Answer:
        """Fetch a document whole.

        :param what: names the request in messages: ``"Metadata request"``.
        :param allow: further statuses that are the caller's to judge.
        :param method: another method where upstream's interface needs one; ``body`` is JSON.
        :param headers: further ones; an ``Authorization`` among them replaces ours.
        :param follow: False hands a redirect to the caller, if ``allow`` has its status.
        :raises RecordNotFound, AccessDenied, Unreachable, UpstreamError: by the status.
        """
        sent = {"Accept": accept, **(headers or {})}
        if body is not None:
            sent.setdefault("Content-Type", "application/json")
        attempt = 0
        while True:
            with self._answered(url, sent, what, method, body, follow) as (response, final):
                try:
                    content = whole(response, what, final)
                except BrokenBody as err:
                    attempt += 1
                    if attempt > self._retries:
                        raise Unreachable(
                            f"{what} broke off before its end, again and again.",
                            where=without_secrets(url),
                        ) from err
                    self._pauses.take(backoff(attempt), f"{what} broke off")
                    continue
                answer = Answer(response.status, response.headers, content, final)
            if answer.status == 200 or answer.status in allow:
                return answer
            raise refusal(answer.status, what, url, content, self.access_hint())

    @contextmanager
    def open(self, url: str, headers: Mapping[str, str] | None = None) -> Iterator[Stream]:
        """Open a file for reading; the body is not read yet.

        :raises BicError: by the status; only 200 and 206 are handed out.
        """
        sent = {"Accept": "*/*", **(headers or {})}
        with self._answered(url, sent, "File request", "GET") as (response, final):
            if response.status not in (200, 206):
                content = b""
                with suppress(BrokenBody, UpstreamError):
                    content = whole(response, "File request", url, 4096)
                error = refusal(response.status, "File request", url, content, self.access_hint())
                if isinstance(error, UpstreamError):
                    whole_size = re.fullmatch(
                        r"bytes \*/(\d{1,18})", response.headers.get("Content-Range", "")
                    )
                    error.range_of = int(whole_size[1]) if whole_size else None
                raise error
            yield Stream(response.status, response.headers, final, response.body)

    def ahead(self, url: str) -> None:
        """Send the request for a file that :meth:`open` will ask for next, if nothing limits it."""
        with suppress(UpstreamError, ValueError):
            target = address(url, "File request")
            budget = self._budgets.get(origin(target))
            if budget is not None and budget.is_free and not self._stopped.is_set():
                self.wire.ahead(target, {"Accept": "*/*"})

    def head(self, url: str) -> Mapping[str, str] | None:
        """The headers of a file, or None where the server does not answer HEAD with 200."""
        try:
            with self._answered(url, {"Accept": "*/*"}, "File request", "HEAD") as (response, _):
                return response.headers if response.status == 200 else None
        except UpstreamError as err:
            log.debug(f"HEAD {without_secrets(url)}: {err.message}")
            return None

    def access_hint(self) -> str:
        """What to tell somebody who was refused."""
        if self.wire.has_credential:
            return f"the credential that was given may not read this; {self._hint}".rstrip("; ")
        return f"a credential may be needed: {self._hint}".rstrip(": ")

    def wait_before_retry(self, attempt: int, why: str) -> None:
        """Pause before try number ``attempt`` (from 1) of something that broke."""
        self._pauses.take(backoff(attempt), why)

    @property
    def timeout(self) -> float:
        """Seconds of silence after which something is given up."""
        return self.wire.timeout

    @property
    def retries(self) -> int:
        """How often a thing that broke is tried again."""
        return self._retries

    def stop(self) -> None:
        """End all waiting, and the requests that are under way."""
        self._stopped.set()
        self.wire.end()

    @property
    def stopped(self) -> bool:
        """Whether :meth:`stop` was called."""
        return self._stopped.is_set()

    def at_end(self, call: Callable[[], None]) -> None:
        """Have something called when the client is closed, as every client is."""
        self._at_end.append(call)

    def close(self) -> None:
        """Close every connection, and what was begun beside them."""
        self.wire.close()
        for call in self._at_end:
            call()

    # -- one request, with its redirects and retries ------------------------------------------

    @contextmanager
    def _answered(
        self,
        url: str,
        headers: Mapping[str, str],
        what: str,
        method: str,
        body: bytes | None = None,
        follow: bool = True,
    ) -> Iterator[tuple[Response, str]]:
        """The first answer that is not to be retried, redirects followed, and where it is from."""
        for attempt in count():
            seconds = backoff(attempt + 1)
            response: Response | None = None
            try:
                if follow:
                    response, final = self._follow(url, headers, what, method, body)
                else:
                    response, final = self._send(method, address(url, what), headers, body), url
            except (OSError, ProtocolError) as err:
                if self._stopped.is_set():
                    raise Interrupted("The run was ended while it spoke to the server.") from err
                if attempt >= self._retries or isinstance(err, ssl.SSLCertVerificationError):
                    raise unreachable(err, what, url) from err
                why = log.redact(plain(err))
            except ValueError as err:  # a host that no name can be (IDNA)
                raise no_address(what, url, err) from err
            if response is not None:
                told = retry_after(response.headers)
                seconds = seconds if told is None else told
                is_last = response.status not in RETRIED or attempt >= self._retries
                if response.status in (429, 503) and seconds <= self._max_wait:
                    if told is not None or not is_last:  # it means everybody here
                        self._budgets[origin(final)].pause(seconds)
                try:
                    if is_last:
                        yield response, without_secrets(final)
                        return
                finally:
                    response.close()
                why = f"HTTP {response.status}"
                if seconds > self._max_wait:
                    raise put_off(url, seconds, response.status)
            self._pauses.take(seconds, why)

    def _follow(
        self, url: str, headers: Mapping[str, str], what: str, method: str, body: bytes | None
    ) -> tuple[Response, str]:
        """Send, and follow redirects: at most ten, http(s) only, never from https to http."""
        target = address(url, what)
        for _ in range(MAX_REDIRECTS + 1):
            response = self._send(method, target, headers, body)
            if response.status not in REDIRECTS or "Location" not in response.headers:
                return response, target
            location = response.headers["Location"].encode("latin-1").decode("utf-8", "replace")
            response.close()
            following = address(location, what, target)
            check_redirect(target, following, what, self._own_hosts, self.access_hint())
            if origin(following) != origin(target):  # what else is sent may be a credential
                headers = {name: text for name, text in headers.items() if name in HARMLESS}
            target = following
        raise UpstreamError(
            f"{what} was redirected more than {MAX_REDIRECTS} times.", where=without_secrets(url)
        )

    def _send(
        self, method: str, url: str, headers: Mapping[str, str], body: bytes | None
    ) -> Response:
        """Send one request when its server's budget allows it."""
        place = origin(url)
        budget = self._budgets.get(place)
        if budget is None:
            known = self._limits if place == self.wire.origin else ()
            budget = self._budgets[place] = self._registry.of(place, self.wire.user(place), known)
        if self._stopped.is_set():
            raise Interrupted("The run was ended before it asked the server.")
        announced = False
        while wait := budget.begin(url):
            if wait > max(self._max_wait, 1.0):
                raise put_off(url, wait, 429)
            if wait >= LONG_S and not announced:
                announced = True
                log.info(f"{place[1]} allows no more requests for {wait:.0f} s")
                self._events.waiting(wait, "the server's limit of requests")
            if self._stopped.wait(wait):
                raise Interrupted("The run was ended while it was waiting for the server.")
        try:
            response = self.wire.send(method, url, headers, body)
        except BaseException:
            budget.end(answered=False)
            raise
        budget.learn(response.status, response.headers, url, response.waited)
        self.waits[:-KEPT_WAITS] = []
        self.waits.append(response.waited)
        response.at_end = budget.end
        return response
