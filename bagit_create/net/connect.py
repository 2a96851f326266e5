"""Connections: straight or through a proxy, plain or secured, and kept for the next request."""

from __future__ import annotations

import os
import select
import socket
import ssl
import sys
import threading
import time
from base64 import b64encode
from collections.abc import Callable, Mapping
from contextlib import suppress
from typing import Any
from urllib.parse import SplitResult, unquote, urlsplit

from .http1 import ProtocolError, Reader, Socket, receive
from .trust import BadAuthorities, trusted

CONNECT_TIMEOUT_S = 15.0
NEAR_S = 0.002
"""Seconds in which a near server is reached."""
NEAR_BUFFER = 256 * 1024
"""Bytes that the system takes in ahead of us from a near server: 250 MB/s at 2 ms.

Left alone it takes in many megabytes, which are lost, and sent again, when a run is killed. For a
far server nothing is changed: there, that is what makes a connection quick.
"""
KEPT = 32
"""Idle connections that are kept to one server."""
KEPT_BETWEEN = 16
"""Idle connections, to whichever servers, that are kept from one record to the next."""
Key = tuple[str, str, int, str]
"""Scheme, host, port, and the proxy's address (``""`` for none)."""


class NoSocks(Exception):
    """A SOCKS proxy is asked for, and the library for it is not installed."""


class Connection:
    """An open connection with its buffer."""

    def __init__(self, sock: Socket, key: Key, timeout: float) -> None:
        self.sock = sock
        self.key = key
        self.timeout = timeout
        self.reader = Reader(sock, timeout)
        self.used = False
        """Whether it has brought an answer before: one that then ends was only closed as idle."""

    def is_dropped(self) -> bool:
        """Whether the other side has closed it, or says what nobody asked for."""
        if not self.reader.empty:
            return True
        poll = select.poll()
        poll.register(self.sock.fileno(), select.POLLIN)
        return bool(poll.poll(0))

    def end(self) -> None:
        """End it at once, whoever is reading from it."""
        with suppress(OSError):
            self.sock.shutdown(socket.SHUT_RDWR)

    def close(self) -> None:
        """Give it up."""
        with suppress(OSError):
            self.sock.close()


class Connections:
    """Opens connections, and keeps idle ones. Safe to use from many threads.

    :param proxy: the proxy for all requests, in place of the environment's.
    :param timeout: seconds of silence after which a connection is given up.
    :param verify: whether certificates are checked.
    :param judge: called with the name and number of each server that was reached, with the name
        alone before a proxy is asked for it; may refuse it.
    """

    def __init__(
        self,
        proxy: str | None,
        timeout: float,
        verify: bool,
        judge: Callable[[str, str], None] | None = None,
    ) -> None:
        self._proxy = proxy
        # Asking the environment for every request would cost as much as the request.
        self._straight = sys.platform == "linux" and not any(
            name.lower().endswith("_proxy") for name in os.environ
        )
        self._timeout = timeout
        self._verify = verify
        self._judge = judge
        self._lock = threading.Lock()
        self._idle: dict[Key, list[Connection]] = {}
        self._busy: set[Connection] = set()
        self._context: ssl.SSLContext | None = None
        self._ended = False

    def take(self, scheme: str, host: str, port: int, proxy: str) -> Connection:
        """An idle connection or a new one.

        :raises OSError: if there is no way to the server (:class:`ssl.SSLError` among them).
        :raises ProtocolError: if the proxy refuses.
        """
        key = (scheme, host, port, proxy)
        while True:
            with self._lock:
                idle = self._idle.get(key)
                connection = idle.pop() if idle else None
                if connection is not None:
                    self._busy.add(connection)
                    if self._ended:
                        connection.end()
            if connection is None:
                return self.new(key)
            if not connection.is_dropped():
                return connection
            self.drop(connection)

    def idle(self, scheme: str, host: str, port: int, proxy: str) -> Connection | None:
        """As :meth:`take`, for what can be asked again: None if there is no way to the server."""
        with suppress(OSError, ProtocolError, NoSocks, BadAuthorities):
            return self.take(scheme, host, port, proxy)
        return None

    def new(self, key: Key) -> Connection:
        """A new connection; see :meth:`take`."""
        connection = Connection(self._open(key), key, self._timeout)
        with self._lock:
            self._busy.add(connection)
            if self._ended:
                connection.end()
        return connection

    def give_back(self, connection: Connection) -> None:
        """Keep a connection whose answer was read to its end."""
        connection.used = True
        with self._lock:
            self._busy.discard(connection)
            idle = self._idle.setdefault(connection.key, [])
            if len(idle) < KEPT and not self._ended:
                idle.append(connection)
                return
        connection.close()

    def drop(self, connection: Connection) -> None:
        """Give up a connection."""
        with self._lock:
            self._busy.discard(connection)
        connection.close()

    def end(self) -> None:
        """End every connection at once; whoever reads from one learns that it was closed."""
        with self._lock:
            self._ended = True
            for one in self._busy:
                one.end()

    def close(self) -> None:
        """Close every connection."""
        self.end()
        with self._lock:
            for idle in self._idle.values():
                for one in idle:
                    one.close()
            self._idle.clear()
            for one in self._busy:  # of requests that were sent ahead and never asked for
                one.close()
            self._busy.clear()

    def rest(self) -> None:
        """Between two runs: keep some idle connections, and nothing that the last one began."""
        with self._lock:
            for one in self._busy:  # of requests that were sent ahead and never asked for
                one.close()
            self._busy.clear()
            left = 0 if self._ended else KEPT_BETWEEN
            for key, idle in list(self._idle.items()):
                while len(idle) > left:
                    idle.pop().close()
                left -= len(idle)
                if not idle:
                    del self._idle[key]
            self._ended = False

    def proxy_for(self, url: str) -> str:
        """The proxy's address for a request, ``""`` for none."""
        if self._proxy is not None:
            return self._proxy
        if self._straight:
            return ""
        # The rules of NO_PROXY are many; requests knows them. It is slow to load.
        from requests.utils import get_environ_proxies, select_proxy

        return select_proxy(url, get_environ_proxies(url)) or ""

    # -- opening ------------------------------------------------------------------------------

    def _open(self, key: Key) -> Socket:
        scheme, host, port, proxy = key
        if proxy and self._judge is not None:
            self._judge(host, host)  # the machine is out of sight: its name must do
        if not proxy:
            sock: Any = self._reach(host, port)
            if self._judge is not None:
                try:
                    self._judge(host, str(sock.getpeername()[0]))
                except BaseException:
                    sock.close()
                    raise
            return self._secured(sock, host) if scheme == "https" else self._ready(sock)
        parts = urlsplit(proxy if "://" in proxy else f"http://{proxy}")
        if parts.scheme.startswith("socks"):
            sock = self._through_socks(parts, host, port)
            return self._secured(sock, host) if scheme == "https" else self._ready(sock)
        sock = self._reach(parts.hostname or "", parts.port or {"https": 443}.get(parts.scheme, 80))
        if parts.scheme == "https":
            sock = self._secured(sock, parts.hostname or "")
        if scheme != "https":
            return self._ready(sock)
        sock.settimeout(self._timeout)
        self._tunnel(sock, parts, host, port)
        return self._secured(sock, host)

    def _reach(self, host: str, port: int) -> socket.socket:
        started = time.monotonic()
        sock = socket.create_connection((host, port), min(CONNECT_TIMEOUT_S, self._timeout))
        if time.monotonic() - started < NEAR_S:
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, NEAR_BUFFER)
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
        return sock

    def _ready(self, sock: Any) -> Socket:
        sock.settimeout(self._timeout)
        ready: Socket = sock
        return ready

    def _secured(self, sock: Any, host: str) -> Socket:
        """TLS over what is there, another TLS connection or not."""
        try:
            with self._lock:
                self._context = self._context or trusted(self._verify)
            if isinstance(sock, ssl.SSLSocket):
                from urllib3.util.ssltransport import SSLTransport  # seldom needed, slow to load

                return self._ready(SSLTransport(sock, self._context, host))
            return self._ready(self._context.wrap_socket(sock, server_hostname=host))
        except BaseException:
            sock.close()
            raise

    def _tunnel(self, sock: Any, proxy: SplitResult, host: str, port: int) -> None:
        """Have an HTTP proxy pass everything on (RFC 9110 section 9.3.6)."""
        place = f"[{host}]:{port}" if ":" in host else f"{host}:{port}"
        lines = [f"CONNECT {place} HTTP/1.1", f"Host: {place}"]
        lines += [f"{name}: {value}" for name, value in proxy_authorization(proxy).items()]
        try:
            sock.sendall(("\r\n".join(lines) + "\r\n\r\n").encode("latin-1"))
            status, *_ = receive(Reader(sock, self._timeout), "HEAD")
            if not 200 <= status < 300:
                raise ProtocolError(f"the proxy answered HTTP {status}")
        except BaseException:
            sock.close()
            raise

    def _through_socks(self, proxy: SplitResult, host: str, port: int) -> socket.socket:
        try:
            import socks
        except ImportError as err:
            raise NoSocks from err

        kind = socks.SOCKS4 if proxy.scheme.startswith("socks4") else socks.SOCKS5
        made: socket.socket = socks.create_connection(
            (host, port),
            timeout=int(min(CONNECT_TIMEOUT_S, self._timeout)) or 1,
            proxy_type=kind,
            proxy_addr=proxy.hostname,
            proxy_port=proxy.port or 1080,
            proxy_rdns=proxy.scheme in ("socks5h", "socks4a"),
            proxy_username=unquote(proxy.username) if proxy.username else None,
            proxy_password=unquote(proxy.password) if proxy.password else None,
            socket_options=[(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)],
        )
        return made


def proxy_authorization(proxy: SplitResult) -> Mapping[str, str]:
    """The field that carries the proxy's user and password (RFC 7617), if its address has them."""
    if proxy.username is None:
        return {}
    pair = f"{unquote(proxy.username)}:{unquote(proxy.password or '')}".encode()
    return {"Proxy-Authorization": f"Basic {b64encode(pair).decode('ascii')}"}
