"""The transport: sockets, keep-alive, and the faults that tear at them."""

from __future__ import annotations

import gzip
import json
import re
from collections.abc import Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler
from threading import Event, Thread
from typing import Any, Protocol

from .content import Content
from .faults import Fault, Switchboard
from .sockets import Sockets, reset

PAGE = b"<!DOCTYPE html>\n<html><head><title>Sorry</title></head><body><p>%s</p></body></html>\n"


@dataclass(frozen=True)
class Seen:
    """A request that arrived. ``path`` is as it came on the wire; header names are lower case."""

    host: str
    method: str
    path: str
    headers: Mapping[str, str]
    body: bytes = b""


@dataclass
class Reply:
    """An answer before it is sent: of the body the bytes from ``start`` up to ``stop``."""

    status: int
    headers: dict[str, str] = field(default_factory=dict)
    body: Content = field(default_factory=lambda: Content(b""))
    start: int = 0
    stop: int | None = None

    @property
    def length(self) -> int:
        """How many bytes of the body are sent."""
        return (self.body.size if self.stop is None else self.stop) - self.start

    def blocks(self) -> Iterator[bytes]:
        """The bytes to send."""
        return self.body.blocks(self.start, self.stop)


class App(Protocol):
    """What answers. The server sets the addresses once it listens."""

    base: str
    """Its own address, without a slash at the end."""
    storage_url: str
    """The object store's."""
    methods: frozenset[str]
    """What it answers besides GET and HEAD."""

    def __call__(self, request: Seen) -> Reply:
        """Answer; ``request.path`` is raw and must not be folded."""


def json_reply(status: int, value: Any, **headers: str) -> Reply:
    """An answer in JSON."""
    body = json.dumps(value, ensure_ascii=False).encode("utf-8")
    return Reply(status, {"Content-Type": "application/json", **headers}, Content(body))


def page(status: int, text: str, kind: str = "text/html; charset=utf-8") -> Reply:
    """An answer for people."""
    return Reply(status, {"Content-Type": kind}, Content(PAGE % text.encode("utf-8")))


class Server:
    """One upstream on a port of 127.0.0.1."""

    def __init__(
        self, name: str, app: App, port: int, faults: Switchboard, seen: list[Seen], ended: Event
    ) -> None:
        handler = type("Handler", (_Handler,), {"upstream": self})
        self.name = name
        self.app = app
        self.faults = faults
        self.seen = seen
        self.ended = ended
        self._http = Sockets(("127.0.0.1", port), handler)
        self.port: int = self._http.server_address[1]
        self._thread = Thread(target=self._http.serve_forever, args=(0.02,), daemon=True)
        self._thread.start()

    @property
    def url(self) -> str:
        """The address, without a slash at the end."""
        return f"http://127.0.0.1:{self.port}"

    def stop(self) -> None:
        """End, and with it every connection, idle or stalled."""
        self._http.shutdown()
        self._http.server_close()
        self._thread.join()
        self._http.cut_off()


class _Handler(BaseHTTPRequestHandler):
    upstream: Server
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True
    wbufsize = -1
    timeout = 60
    _limits: Mapping[str, str] | None = None

    def log_message(self, format: str, *args: Any) -> None:
        """Nothing on the terminal."""

    def version_string(self) -> str:
        """The Server header."""
        return "nginx"

    def do_GET(self) -> None:
        """Answer, or fail as the switchboard says."""
        up = self.upstream
        request = self._arrived()
        fault = up.faults.find(up.name, request.path)
        limiter, allowed, self._limits = up.faults.limiters.get(up.name), True, None
        if limiter is not None:
            user = f"{request.headers.get('user-agent')} {request.headers.get('authorization')}"
            allowed, self._limits = limiter.take(user, request.path)
        with suppress(BrokenPipeError, ConnectionResetError, TimeoutError):
            if not allowed:
                self._send(json_reply(429, {"status": 429, "message": "Too many requests."}))
            elif fault is None:
                self._send(up.app(request))
            else:
                self._fail(fault, request)

    do_HEAD = do_GET

    def _arrived(self) -> Seen:
        headers = {name.lower(): value for name, value in self.headers.items()}
        # ``self.path`` has lost a double slash at its beginning, the request line has not.
        target = self.requestline.split(" ")[1]
        length = headers.get("content-length", "")
        body = self.rfile.read(int(length)) if re.fullmatch("[0-9]{1,18}", length) else b""
        request = Seen(self.upstream.name, self.command, target, headers, body)
        self.upstream.seen.append(request)
        return request

    def do_POST(self) -> None:
        """Few upstreams here can be changed, or asked this way."""
        if self.command in self.upstream.app.methods:
            self.do_GET()
            return
        self._arrived()
        self.close_connection = True
        self._send(json_reply(405, {"status": 405, "message": "Method not allowed."}))

    do_PUT = do_DELETE = do_PATCH = do_POST

    def _head(self, reply: Reply, length: int | None) -> None:
        self.send_response(reply.status)
        told = reply.headers
        if self._limits is not None:  # in place of what the upstream would tell
            told = {k: v for k, v in told.items() if not k.startswith("X-RateLimit")}
            told |= self._limits
        for name, value in told.items():
            self.send_header(name, value)
        if length is None and reply.status != 304:
            self.send_header("Transfer-Encoding", "chunked")
        elif length is not None:
            self.send_header("Content-Length", str(length))
        if self.close_connection:
            self.send_header("Connection", "close")
        self.end_headers()

    def _send(self, reply: Reply) -> None:
        self._head(reply, None if reply.status == 304 else reply.length)
        if self.command != "HEAD":
            for block in reply.blocks():
                self.wfile.write(block)
        self.wfile.flush()

    # -- faults ---------------------------------------------------------------------------------

    def _fail(self, fault: Fault, request: Seen) -> None:
        made = self._instead(fault)
        if made is not None:
            self._send(made)
            return
        if fault.kind == "slow-first-byte":
            self.upstream.ended.wait(fault.seconds)
        reply = self.upstream.app(request)
        if fault.kind in ("reset", "cut", "stall"):
            self._break(fault, reply)
        elif fault.kind == "endless":
            self._endless(reply)
        elif fault.speak is not None:
            self._raw(fault, fault.speak(reply))
        else:
            self._send(_changed(fault, reply))

    def _instead(self, fault: Fault) -> Reply | None:
        """The answer of a fault that has nothing to do with what was asked for."""
        if fault.kind == "status":
            reply = page(fault.status, f"Error {fault.status}")
            if fault.body is not None:
                reply.body = Content(fault.body)
            if fault.retry_after is not None:
                reply.headers["Retry-After"] = fault.retry_after
            return reply
        if fault.kind == "redirect":
            return Reply(302, {"Location": fault.location})
        if fault.kind == "firewall":
            reply = page(403, "Unusual traffic. " + "x" * 640, "application/octet-stream")
            return reply
        bodies = {
            "html": ("text/html", PAGE % b"Please sign in"),
            "json-shape": ("application/json", b'{"surprise": true}'),
            "not-json": ("application/json", b"{nonsense"),
            "empty": ("application/octet-stream", b""),
        }
        if fault.kind not in bodies:
            return None
        kind, body = bodies[fault.kind]
        return Reply(
            200, {"Content-Type": kind}, Content(body if fault.body is None else fault.body)
        )

    def _break(self, fault: Fault, reply: Reply) -> None:
        """Promise the whole body, send a part, and end as the fault says."""
        self.close_connection = True
        if fault.kind == "reset" and not fault.after:
            reset(self.connection, self.upstream.ended)
            return
        self._head(reply, reply.length)
        count = 0 if self.command == "HEAD" else fault.after
        for block in _first(reply.blocks(), count):
            self.wfile.write(block)
        self.wfile.flush()
        if fault.kind == "stall":
            self.upstream.ended.wait(fault.seconds)
        elif fault.kind == "reset":
            reset(self.connection, self.upstream.ended)

    def _raw(self, fault: Fault, said: bytes) -> None:
        """Say it, and end as the fault says."""
        self.close_connection = fault.ends != "keep"
        self.wfile.write(said)
        self.wfile.flush()
        if fault.seconds:
            self.upstream.ended.wait(fault.seconds)
        if fault.ends == "reset":
            reset(self.connection, self.upstream.ended)

    def _endless(self, reply: Reply) -> None:
        self.close_connection = True
        self._head(reply, None)
        block = b"x" * 65536
        while self.command != "HEAD" and not self.upstream.ended.is_set():
            self.wfile.write(b"%x\r\n%s\r\n" % (len(block), block))


def _changed(fault: Fault, reply: Reply) -> Reply:
    """The right answer, spoilt."""
    if fault.kind == "slow-first-byte" or reply.status >= 300:
        return reply
    whole = b"".join(reply.blocks())
    reply.start, reply.stop = 0, None
    if fault.kind == "wrong-bytes":
        reply.body = Content(bytes([whole[0] ^ 1]) + whole[1:] if whole else b"")
    elif fault.kind == "longer":
        reply.body = Content(whole + b"and more")
    elif fault.kind == "gzip":
        reply.headers["Content-Encoding"] = "gzip"
        reply.body = Content(gzip.compress(whole))
    else:
        raise ValueError(f"no fault of kind {fault.kind!r}")
    return reply


def _first(blocks: Iterator[bytes], count: int) -> Iterator[bytes]:
    for block in blocks:
        if count <= 0:
            return
        yield block[:count]
        count -= len(block)
