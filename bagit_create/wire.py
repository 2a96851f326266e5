"""One request on the wire: connections, proxies, certificates, and credentials bound to a host."""

from __future__ import annotations

import re
from base64 import b64encode
from collections.abc import Callable, Mapping
from contextlib import suppress
from hashlib import sha256
from threading import Lock
from time import monotonic
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from . import log
from .credentials import Secret
from .errors import ConfigError
from .net.connect import (
    Connection,
    Connections,
    Key,
    NoSocks,
    proxy_authorization,
)
from .net.headers import Headers
from .net.http1 import Body, ProtocolError, receive
from .net.trust import BadAuthorities
from .urls import origin, with_parameter, without_secrets
from .version import get_version

if TYPE_CHECKING:
    from http.cookiejar import CookieJar

PROJECT = "https://gitlab.cern.ch/digitalmemory/bagit-create"
USER_AGENT = (
    f"cern-digital-memory-bot bagit-create/{get_version()} "
    f"(+{PROJECT}; digitalmemory-support@cern.ch)"
)
_AUTHORITY = re.compile("[^/?]*")
SHORT = 64 * 1024
"""Bytes of an answer that nobody wants and that are read, so that its connection can be kept."""
SHORT_S = 1.0
"""Seconds for that: a new connection takes less."""


class Wire:
    """Sends single requests; safe to use from many threads.

    :param base_url: the source's own address; the token and the share link go to its origin only.
    :param token: sent as ``Authorization: Bearer``, or as the cookie that ``cookie`` names.
    :param share: a (name, value) pair for the query, of a share link the user gave.
    :param jar: further cookies; each goes to its own domain and path only.
    :param proxy: the proxy for all requests, in place of the environment's.
    :param timeout: seconds of silence after which a connection is given up.
    :param judge: called with the name and the number of each machine that was reached, with the
        name twice where a proxy is asked; what it raises ends the request before anything is sent.
    """

    def __init__(
        self,
        base_url: str,
        *,
        token: Secret | None = None,
        cookie: str = "",
        jar: CookieJar | None = None,
        share: tuple[str, Secret] | None = None,
        proxy: Secret | None = None,
        timeout: float = 60.0,
        verify: bool = True,
        judge: Callable[[str, str], None] | None = None,
    ) -> None:
        self.origin = origin(base_url)
        self._token = token
        self._cookie = cookie
        self._jar = jar
        self._share = share
        self.timeout = timeout
        self._lock = Lock()
        self._ahead: dict[bytes, tuple[Connection | None, float]] = {}
        self.on_answer: Callable[[str, str, Response], None] | None = None
        """Told of the method, the address and the head of each answer; must be quick."""
        self._connections = Connections(proxy.value if proxy else None, timeout, verify, judge)

    @property
    def has_credential(self) -> bool:
        """Whether anything was given that may open what is closed."""
        return bool(self._token or self._share or self._jar is not None)

    @property
    def has_token(self) -> bool:
        """Whether a token was given, beside which a server may refuse cookies."""
        return bool(self._token)

    def user(self, place: tuple[str, str, int | None]) -> str:
        """Who asks at a server: a digest of the credential that goes there, ``""`` for a guest."""
        if place != self.origin or not (self._token or self._share):
            return ""
        secret = (self._token.value if self._token else "") + (
            self._share[1].value if self._share else ""
        )
        return sha256(secret.encode()).hexdigest()[:16]

    def close(self) -> None:
        """Close every connection."""
        self._connections.close()

    def basic_authorization(self, url: str, user: str) -> str | None:
        """The header that carries the token as a password (RFC 7617), for programs of others.

        None where there is no token, or the address is not of its own server. What it looks like is
        hidden from now on as the token itself is: whoever sees it can read it.
        """
        if not self._token or origin(url) != self.origin:
            return None
        pair, alone = (
            b64encode(text.encode()).decode("ascii")
            for text in (f"{user}:{self._token.value}", self._token.value)
        )
        for one in (pair, alone):
            log.current().hide(one.rstrip("="))
        return f"Basic {pair}"

    def proxy_for(self, url: str) -> str:
        """The address of the proxy for a request, ``""`` for none, for programs of others."""
        return self._connections.proxy_for(url)

    def end(self) -> None:
        """End every request that is under way; their readers get a :class:`ProtocolError`."""
        self._connections.end()

    def send(
        self, method: str, url: str, headers: Mapping[str, str], body: bytes | None = None
    ) -> Response:
        """Send one request and return its answer, whatever that is; the body is not read yet.

        :raises OSError: if the server cannot be reached, or falls silent.
        :raises ProtocolError: if what it sends is no answer.
        :raises ConfigError: if the machine is not set up for such a request.
        """
        request, key = self._request(method, url, headers, body)
        try:
            response = self._exchange(request, method, key)
        except NoSocks as err:
            raise ConfigError(
                "A SOCKS proxy needs one more library.", hint="pip install 'bagit-create[socks]'"
            ) from err
        except BadAuthorities as err:
            raise ConfigError(
                "The certificates of the authorities to trust cannot be read.", where=str(err)
            ) from err
        if log.is_followed():
            log.debug(f"{method} {without_secrets(url)} -> {response.status}")
        if self.on_answer is not None:
            self.on_answer(method, url, response)
        return response

    def ahead(self, url: str, headers: Mapping[str, str]) -> None:
        """Send a request whose answer :meth:`send` will be asked for next, with the same words.

        The server can work on it meanwhile. What goes wrong is told then.
        """
        request, key = self._request("GET", url, headers, None)
        if self._ahead.setdefault(request, mine := (None, monotonic())) is not mine:
            return  # one record may name a file twice, and this is sent once
        connection = self._connections.idle(*key)
        if connection is not None:
            try:
                connection.sock.sendall(request)
            except OSError:
                self._connections.drop(connection)
                connection = None
        with self._lock:
            if self._ahead.get(request) is mine:
                del self._ahead[request]
                if connection is not None:
                    self._ahead[request] = connection, monotonic()
                    return
        if connection is not None:  # it was asked for meanwhile
            self._connections.drop(connection)

    def _request(
        self, method: str, url: str, headers: Mapping[str, str], body: bytes | None
    ) -> tuple[bytes, Key]:
        """What is sent, and over which connection."""
        sent = {"User-Agent": USER_AGENT, "Accept-Encoding": "identity", **headers}
        scheme, host, port = place = origin(url)
        target = url
        if place == self.origin:
            if self._token and self._cookie:
                sent["Cookie"] = f"{self._cookie}={self._token.value}"
            elif self._token and "Authorization" not in headers:
                sent["Authorization"] = f"Bearer {self._token.value}"
            if self._share:
                target = with_parameter(url, self._share[0], self._share[1].value)
        if self._jar is not None and (jar := _cookies(self._jar, url)):
            sent["Cookie"] = f"{sent['Cookie']}; {jar}" if "Cookie" in sent else jar
        if body is not None:
            sent["Content-Length"] = str(len(body))
        rest = target.partition("://")[2]
        authority = _AUTHORITY.match(rest)[0]  # type: ignore[index]  # it matches anything
        path = rest[len(authority) :]
        path = path if path.startswith("/") else f"/{path}"
        authority = authority.rpartition("@")[2]
        proxy = self._connections.proxy_for(url)
        if proxy and scheme == "http" and not proxy.startswith("socks"):
            path = f"http://{authority}{path}"
            sent |= proxy_authorization(urlsplit(proxy if "://" in proxy else f"http://{proxy}"))
        lines = [f"{method} {path} HTTP/1.1", f"Host: {authority}"]
        lines += [f"{name}: {value}" for name, value in sent.items()]
        request = ("\r\n".join(lines) + "\r\n\r\n").encode("latin-1") + (body or b"")
        return request, (scheme, host, port or 80, proxy)

    def _exchange(self, request: bytes, method: str, key: Key) -> Response:
        """Send and receive; a kept connection that was closed meanwhile is replaced once."""
        with self._lock:
            connection, sent = self._ahead.pop(request, (None, 0.0))
        if connection is None:
            sent = 0.0
            connection = self._connections.take(*key)
        while True:
            reader = connection.reader
            try:
                reader.begin()
                if not sent:
                    connection.sock.sendall(request)
                    sent = monotonic()
                status, headers, body, reusable = receive(reader, method)
                waited = monotonic() - sent
                return Response(
                    status, headers, body, waited, connection, self._connections, reusable
                )
            except (OSError, ProtocolError) as err:
                self._connections.drop(connection)
                begun = err.begun if isinstance(err, ProtocolError) else not _is_closed(err)
                if not connection.used or begun or method == "POST":
                    raise
                connection, sent = self._connections.new(key), 0.0
            except BaseException:
                self._connections.drop(connection)
                raise


class Response:
    """The answer to one request; its body is still on the wire.

    ``status`` and ``headers`` are what came; ``body`` is read block by block.
    ``waited`` is how many seconds the server took to begin.
    """

    def __init__(
        self,
        status: int,
        headers: Headers,
        body: Body,
        waited: float,
        connection: Connection,
        connections: Connections,
        reusable: bool,
    ) -> None:
        self.status = status
        self.headers = headers
        self.body = body
        self.waited = waited
        self.at_end: Callable[[], None] | None = None
        """Called once when it is closed."""
        self._connection: Connection | None = connection
        self._connections = connections
        self._reusable = reusable

    def close(self) -> None:
        """Give the connection back, if the answer was read to its end; what is short is read."""
        connection, self._connection = self._connection, None
        if connection is None:
            return
        if self.at_end is not None:
            self.at_end()
        if self._reusable and not self.body.whole and (self.body.left or SHORT) < SHORT:
            with suppress(OSError, ProtocolError):
                connection.sock.settimeout(SHORT_S)
                while not self.body.whole:
                    self.body.read()
                connection.sock.settimeout(connection.timeout)
        if self._reusable and self.body.whole:
            self._connections.give_back(connection)
        else:
            self._connections.drop(connection)


def _is_closed(err: OSError) -> bool:
    return isinstance(err, (ConnectionResetError, BrokenPipeError, ConnectionAbortedError))


def _cookies(jar: CookieJar, url: str) -> str | None:
    """The cookies that may go with a request, by domain, path, and safety of the connection."""
    from urllib.request import Request  # slow to load, seldom needed

    request = Request(url)
    jar.add_cookie_header(request)
    return request.get_header("Cookie")
