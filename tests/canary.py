"""How tests plant a credential that stands nowhere else, and look for it everywhere."""

from __future__ import annotations

import base64
import os
import re
import subprocess
import sys
import tomllib
from collections.abc import Iterator
from dataclasses import dataclass, field
from http.client import HTTPConnection
from http.server import BaseHTTPRequestHandler
from pathlib import Path
from threading import Event, Thread
from typing import Any
from urllib.parse import quote, urlsplit

from click.testing import CliRunner
from faulty import FACTS
from packages import everything

from bagit_create.cli import cli
from bagit_create.sandbox import Fault, Sandbox, Seen
from bagit_create.sandbox.content import Content

CANARY = "c4n4ry-Zq7/vX2+mB9=kL5wT"
WINDOW = 12
"""So many of its characters are a trace: a message may hold a part of it."""

# -- looking for it -------------------------------------------------------------------------------


def _base64(piece: bytes) -> Iterator[bytes]:
    """What of a text stands in the base64 of anything around it, at the three alignments."""
    for shift in range(3):
        whole = base64.b64encode(bytes(shift) + piece)
        found = whole[(0, 2, 3)[shift] : (shift + len(piece)) * 8 // 6]
        yield from (found, found.translate(bytes.maketrans(b"+/", b"-_")))


def _traces(secret: str) -> re.Pattern[bytes]:
    pieces = [secret[at : at + WINDOW] for at in range(len(secret) - WINDOW + 1)]
    signs = ["".join(f"(?:{re.escape(c)}|%{ord(c):02x})" for c in piece) for piece in pieces]
    packed = [re.escape(one.decode()) for piece in pieces for one in _base64(piece.encode())]
    return re.compile(f"(?i:{'|'.join(signs)})|{'|'.join(packed)}".encode())


TRACES = _traces(CANARY)


def assert_unseen(where: str, content: bytes | str) -> None:
    """The canary is not in it, in no form."""
    raw = content if isinstance(content, bytes) else content.encode("utf-8", "surrogateescape")
    found = TRACES.search(raw)
    assert found is None, f"{where}: {raw[max(0, found.start() - 60) : found.end() + 20]!r}"


# -- the ways to give it --------------------------------------------------------------------------


@dataclass
class Given:
    """What a way adds to the command; ``received`` are the parts of what the server must see."""

    arguments: list[str] = field(default_factory=list)
    environment: dict[str, str] = field(default_factory=dict)
    stdin: str = ""
    received: str = ""


@dataclass(frozen=True)
class Way:
    """A source, and how it is given its credential."""

    source: str
    how: str

    def __str__(self) -> str:
        return f"{self.source} by {self.how}"

    def give(self, folder: Path, config: Path) -> Given:
        """Lay out files and name the options."""
        cookie = {"cds": "INVENIOSESSION", "ilcdoc": "INVENIOSESSION", "codimd": "connect.sid"}
        name = cookie.get(self.source)
        made = Given(received=f"{name}={CANARY}" if name else f"Bearer {CANARY}")
        held = folder / "secret"
        if self.how.startswith("$"):
            made.environment[self.how[1:]] = CANARY
        elif self.how == "--cookies":
            line = f"127.0.0.1\tFALSE\t/\tFALSE\t0\tsession\t{CANARY}\n"
            held.write_text(f"# Netscape HTTP Cookie File\n{line}")
            made.arguments, made.received = ["--cookies", str(held)], f"session={CANARY}"
        elif self.how == "standard input":
            made.arguments, made.stdin = ["--token-file", "-"], f"{CANARY}\n"
        elif self.how in ("--token-file", "token_file"):
            held.write_text(f"{CANARY}\n")
            made.arguments = ["--token-file", str(held)] * (self.how == "--token-file")
        elif self.how.startswith("-"):
            made.arguments = [self.how, CANARY]
        if self.how in ("token", "token_file"):
            value = CANARY if self.how == "token" else str(held)
            text = config.read_text().replace(
                f"[{self.source}]\n", f"[{self.source}]\n{self.how} = '{value}'\n"
            )
            config = folder / "own.toml"
            config.write_text(text)
            config.chmod(0o600)
        if held.exists():
            held.chmod(0o600)
        base = tomllib.loads(config.read_text())[self.source]["base_url"]
        if self.how.endswith("="):
            url = f"{base}/records/{FACTS[self.source].recid}?{self.how}{quote(CANARY, safe='')}"
            made.arguments, made.received = ["--url", url], f"?{self.how}c4n4ry"
        else:
            made.arguments += ["--source", self.source, "--recid", FACTS[self.source].recid]
        made.environment["BIC_CONFIG"] = str(config)
        return made


def variable(source: str) -> str:
    return f"$BIC_TOKEN_{source.upper().replace('-', '_')}"


# -- where it is tried ----------------------------------------------------------------------------


class Bench:
    """The sandbox, folders, and the command line in this process."""

    def __init__(self, sandbox: Sandbox, config: Path, folder: Path) -> None:
        self.sandbox, self.config = sandbox, config
        self.out, self.keys = folder / "out", folder / "keys"
        self.keys.mkdir()
        self.home = folder / "home"
        (self.home / "tmp").mkdir(parents=True)
        self.home_facts = {"HOME": str(self.home), "TMPDIR": str(self.home / "tmp")}

    def spoil(self, source: str, run: str, elsewhere: str, query: str = "") -> None:
        """Let the server fail, echoing what it was sent; let a file be on another host."""
        facts = FACTS[source]
        metadata = facts.metadata.replace("$", r"(\?|$)")  # a share link adds to it
        host = facts.file_host or source
        if status := re.search(r"\d+", run):
            fault = Fault("status", status=int(status[0]), body=f"bad {CANARY}".encode())
            if status[0] == "500":
                self.sandbox.fault(facts.file, fault, source=host)
            else:
                self.sandbox.fault(metadata, fault, source=source)
        elif run == "full" and host == source:
            place = next(str(p) for p in facts.files.values() if re.search(facts.file, str(p)))
            reply = self.sandbox.app(source)(Seen(source, "GET", place, {}))
            moved = Content(b"".join(reply.blocks()))
            self.sandbox.app("cds").storage.publish("/public/moved", moved)
            port = self.sandbox.storage_url.rpartition(":")[2]
            other = Fault("redirect", location=f"http://{elsewhere}:{port}/public/moved{query}")
            self.sandbox.fault(facts.file, other, source=source)

    def call(self, given: Given, *more: str) -> tuple[int, str]:
        """The exit code, and all that was written."""
        arguments = ["-vv", *given.arguments, "--target", str(self.out), "--retries", "0", *more]
        done = CliRunner().invoke(
            cli, arguments, input=given.stdin, env={**self.home_facts, **given.environment}
        )
        return done.exit_code, done.stdout + done.stderr

    def begin(self, given: Given, *more: str) -> subprocess.Popen[str]:
        """The same as a program of its own."""
        arguments = ["-vv", *given.arguments, "--target", str(self.out), *more]
        return subprocess.Popen(
            [sys.executable, "-m", "bagit_create", *arguments],
            env={**os.environ, **self.home_facts, **given.environment},
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )

    def assert_clean(self, source: str) -> None:
        """Nothing on the disk, and nothing that another host was sent."""
        assert_unseen("the target", everything(self.out))
        assert_unseen("the home folder", everything(self.home))
        for one in self.sandbox.seen:
            if one.host != source:
                assert_unseen(f"a request to {one.host}", f"{one.path} {one.headers} {one.body!r}")

    def received(self, source: str) -> list[str]:
        """What the server of the source was sent besides an address."""
        own = [one for one in self.sandbox.seen if one.host == source]
        return [f"{one.path}\n" + "\n".join(one.headers.values()) for one in own]


class Watch:
    """Gathers the arguments of every process that descends from one of ours, while it runs."""

    def __init__(self) -> None:
        self.seen: set[bytes] = set()
        self._done = Event()
        self._thread = Thread(target=self._look, daemon=True)

    def __enter__(self) -> Watch:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._done.set()
        self._thread.join()

    def saw(self, *programs: bytes) -> bool:
        """Whether each of them has been seen."""
        return all(any(one in line for line in self.seen.copy()) for one in programs)

    def _look(self) -> None:
        while not self._done.wait(0.01):
            parents, lines = {}, {}
            for place in Path("/proc").glob("[0-9]*"):
                try:
                    stat = (place / "stat").read_bytes()
                    lines[int(place.name)] = (place / "cmdline").read_bytes()
                except OSError:
                    continue
                parents[int(place.name)] = int(stat.rpartition(b")")[2].split()[1])
            ours = {os.getpid()}
            for _ in range(6):  # so deep are the helpers of git
                ours |= {pid for pid, parent in parents.items() if parent in ours}
            self.seen |= {lines[pid] for pid in ours - {os.getpid()} if pid in lines}


class Proxy(BaseHTTPRequestHandler):
    """Passes on what it is asked for, but for what is meant for itself."""

    protocol_version = "HTTP/1.1"
    asked: list[str]

    def do_GET(self) -> None:
        """One request over a connection of its own."""
        sent = self.rfile.read(int(self.headers.get("Content-Length", 0)))
        if not (password := self.headers.get("Proxy-Authorization")):  # git waits to be asked
            self.send_response(407)
            self.send_header("Proxy-Authenticate", "Basic")
            self.send_header("Content-Length", "0")
            self.end_headers()
            return
        self.asked.append(password)
        del self.headers["Proxy-Authorization"]
        parts = urlsplit(self.path)
        server = HTTPConnection(parts.netloc, timeout=10)
        path = parts._replace(scheme="", netloc="").geturl()
        server.request(self.command, path, sent, dict(self.headers))
        answer = server.getresponse()
        content = answer.read()
        server.close()
        self.send_response(answer.status)
        for name, value in answer.getheaders():
            if name.lower() not in ("transfer-encoding", "connection", "content-length"):
                self.send_header(name, value)
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        self.wfile.write(b"" if self.command == "HEAD" else content)

    do_POST = do_HEAD = do_GET

    def log_message(self, format: str, *args: Any) -> None:
        """Nothing on the terminal."""
