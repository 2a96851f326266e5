"""A server that answers with exactly the bytes a test wants on the wire."""

from __future__ import annotations

import hashlib
import json
import socket
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from threading import Thread
from typing import Any
from urllib.parse import quote


@dataclass(frozen=True)
class Asked:
    """A request that arrived; header names are lower case."""

    method: str
    path: str
    headers: dict[str, str]


Answer = Callable[[Asked], bytes | Iterator[bytes] | None]
"""The bytes to send; None closes the connection without any."""


@dataclass
class Scripted:
    """Answers by path; after every answer the connection stays open if ``keep`` says so."""

    answers: dict[str, Answer] = field(default_factory=dict)
    asked: list[Asked] = field(default_factory=list)
    connections: int = 0
    keep: bool = False
    port: int = 0

    @property
    def url(self) -> str:
        """Its address, without a slash at the end."""
        return f"http://127.0.0.1:{self.port}"

    def paths(self) -> list[str]:
        """What was asked for, in order."""
        return [one.path for one in self.asked]

    def record(self, files: dict[str, bytes], **facts: Any) -> None:
        """A record of InvenioRDM with these files; ``facts`` replace what the list says of each."""
        entries = []
        for name, content in files.items():
            link = f"{self.url}/api/records/r/files/{quote(name, safe='')}/content"
            entry = {
                "key": name,
                "size": len(content),
                "checksum": f"md5:{hashlib.md5(content).hexdigest()}",
                "status": "completed",
                "links": {"self": link.removesuffix("/content"), "content": link},
                **facts,
            }
            entries.append({key: value for key, value in entry.items() if value is not None})
        access = {"record": "public", "files": "public", "status": "open"}
        links = {"self": f"{self.url}/api/records/r", "files": f"{self.url}/api/records/r/files"}
        head = {"id": "r", "access": access, "files": {"enabled": True}, "links": links}
        body = {**head, "metadata": {"title": "Scripted"}}
        listing = {"enabled": True, "entries": entries, "links": {"self": links["files"]}}
        self.answers["/api/records/r"] = lambda _: whole(json.dumps(body).encode())
        self.answers["/api/records/r/files"] = lambda _: whole(json.dumps(listing).encode())

    def file(self, name: str, answer: Answer) -> None:
        """How a file of the record is answered."""
        self.answers[f"/api/records/r/files/{name}/content"] = answer

    def config(self, folder: Path) -> Path:
        """A file for ``--config`` that makes this the source ``scripted``."""
        path = folder / "scripted.toml"
        text = f'[scripted]\npipeline = "inveniordm"\nbase_url = "{self.url}"\n'
        path.write_text(text, encoding="utf-8")
        return path


def whole(body: bytes, status: str = "200 OK", **headers: str) -> bytes:
    """An answer with its length."""
    lines = [f"HTTP/1.1 {status}", f"Content-Length: {len(body)}"]
    lines += [f"{name.replace('_', '-')}: {value}" for name, value in headers.items()]
    return ("\r\n".join(lines) + "\r\n\r\n").encode("latin-1") + body


def ranged(body: bytes, asked: Asked, **headers: str) -> bytes:
    """An answer that honours a range, and ``If-Range`` if it has an ETag (RFC 9110 section 14)."""
    start = asked.headers.get("range", "").removeprefix("bytes=").removesuffix("-")
    if not start or asked.headers.get("if-range", headers.get("ETag")) != headers.get("ETag"):
        return whole(body, **headers)
    number = int(start)
    if number >= len(body):
        return whole(
            b"", "416 Range Not Satisfiable", Content_Range=f"bytes */{len(body)}", **headers
        )
    place = f"bytes {number}-{len(body) - 1}/{len(body)}"
    return whole(body[number:], "206 Partial Content", Content_Range=place, **headers)


def cut(answer: bytes, body: int) -> bytes:
    """The answer, with only so many bytes of its body."""
    head, gap, rest = answer.partition(b"\r\n\r\n")
    return head + gap + rest[:body]


def _nothing(_: Asked) -> bytes:
    return whole(b"", "404 Not Found")


@contextmanager
def serving() -> Iterator[Scripted]:
    """Run one on loopback."""
    one = Scripted()
    listener = socket.create_server(("127.0.0.1", 0))
    one.port = listener.getsockname()[1]
    opened: list[socket.socket] = []

    def serve(connection: socket.socket) -> None:
        reader = connection.makefile("rb")
        with suppress(OSError), connection:
            while first := reader.readline():
                method, path, _ = first.decode("latin-1").split(" ", 2)
                headers: dict[str, str] = {}
                while (line := reader.readline().decode("latin-1").strip()) != "":
                    name, _, value = line.partition(":")
                    headers[name.lower()] = value.strip()
                reader.read(int(headers.get("content-length", "0")))
                one.asked.append(asked := Asked(method, path, headers))
                made = one.answers.get(path, _nothing)(asked)
                if made is None:
                    return
                for piece in [made] if isinstance(made, bytes) else made:
                    connection.sendall(piece)
                if not one.keep:
                    return

    def accept() -> None:
        while True:
            try:
                connection, _ = listener.accept()
            except OSError:
                return
            one.connections += 1
            opened.append(connection)
            Thread(target=serve, args=(connection,), daemon=True).start()

    accepting = Thread(target=accept, daemon=True)
    accepting.start()
    try:
        yield one
    finally:
        # Closing alone would leave the thread waiting, for whoever gets the number of the socket.
        listener.shutdown(socket.SHUT_RDWR)
        accepting.join()
        listener.close()
        for connection in opened:
            with suppress(OSError):
                connection.shutdown(socket.SHUT_RDWR)
