"""The servers that the http cases are fetched from: nginx if there is one, else our own sandbox."""

from __future__ import annotations

import grp
import hashlib
import json
import os
import pwd
import shutil
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

from bagit_create.sandbox import Sandbox

BLOCK = 1 << 20
SLOW = str(Path(__file__).with_name("slow.py"))

CONFIG = """{user}daemon off; pid {place}/pid; error_log {place}/errors.txt; worker_processes 1;
events {{ worker_connections 1024; }}
http {{ access_log off; sendfile on; tcp_nodelay on; keepalive_requests 10000000;
default_type application/octet-stream; client_body_temp_path {place}/t1; proxy_temp_path {place}/t2;
fastcgi_temp_path {place}/t3; uwsgi_temp_path {place}/t4; scgi_temp_path {place}/t5;
server {{ listen 127.0.0.1:{port};
location = /api/records/1 {{ default_type application/json; alias {place}/record.json; }}
location = /api/records/1/files {{ default_type application/json; alias {place}/files.json; }}
location ~ ^/api/records/1/files/([^/]+)/content$ {{ alias {place}/files/$1; }}
location ~ ^/records/1/files/([^/]+)$ {{ alias {place}/files/$1; }}
location /plain/ {{ autoindex on; alias {place}/files/; }} }} }}
"""


def free_port() -> int:
    """A port of loopback that nobody uses."""
    with socket.socket() as sock:
        sock.bind(("127.0.0.1", 0))
        port: int = sock.getsockname()[1]
        return port


def make_files(folder: Path, count: int, size: int) -> dict[str, tuple[int, str]]:
    """Write files of random bytes; by name their size and md5."""
    folder.mkdir(parents=True)
    found: dict[str, tuple[int, str]] = {}
    for number in range(count):
        start = os.urandom(min(size, BLOCK))
        digest, left = hashlib.md5(), size
        with open(folder / f"f{number:06}.bin", "wb") as file:
            while left > 0:
                left -= file.write(start[:left])
                digest.update(start)  # sizes are whole blocks, or less than one
        found[f"f{number:06}.bin"] = size, digest.hexdigest()
    return found


def describe(place: Path, address: str, files: dict[str, tuple[int, str]]) -> None:
    """Write down the record as Zenodo's interface tells it: the sandbox is asked how."""
    with Sandbox() as sandbox:
        sandbox.add_record("zenodo", "1", {"a.bin": 10})
        own = sandbox.url("zenodo")

        def ask(path: str) -> Any:
            with urllib.request.urlopen(own + path) as answer:
                return json.loads(answer.read().replace(own.encode(), address.encode()))

        record, listing = ask("/api/records/1"), ask("/api/records/1/files")
    listing["entries"] = [_like(listing["entries"][0], name, *fact) for name, fact in files.items()]
    record["files"] = [_like(record["files"][0], name, *fact) for name, fact in files.items()]
    (place / "record.json").write_text(json.dumps(record), encoding="utf-8")
    (place / "files.json").write_text(json.dumps(listing), encoding="utf-8")


def _like(entry: Any, name: str, size: int, md5: str) -> Any:
    made = json.loads(json.dumps(entry).replace("a.bin", name))
    return {**made, "size": size, "checksum": f"md5:{md5}"}


@contextmanager
def serving(place: Path, count: int, size: int, delay: float) -> Iterator[str]:
    """Serve a record of so many files; yields which server it is. ``place`` gets what it needs.

    :param delay: seconds before each answer.
    """
    place.mkdir(parents=True)
    if not delay and not shutil.which("nginx"):
        with Sandbox() as sandbox:
            names: dict[str, bytes | int] = {f"f{n:06}.bin": size for n in range(count)}
            sandbox.add_record("zenodo", "1", names)
            _tell(place, sandbox.url("zenodo"), list(names))
            yield "the sandbox (no nginx here)"
        return
    port = free_port()
    address = f"http://127.0.0.1:{port}"
    files = make_files(place / "files", count, size)
    describe(place, address, files)
    _tell(place, address, list(files))
    if delay:
        command = [sys.executable, SLOW, str(place), str(port), str(delay)]
        name = f"a server that waits {delay * 1000:.0f} ms"
    else:
        # Started by root it would otherwise serve as a user who cannot read our folder.
        user = f"user {pwd.getpwuid(0)[0]} {grp.getgrgid(0)[0]}; " if os.geteuid() == 0 else ""
        (place / "nginx.conf").write_text(
            CONFIG.format(place=place, port=port, user=user), encoding="utf-8"
        )
        command, name = ["nginx", "-c", str(place / "nginx.conf")], "nginx"
    with subprocess.Popen(command, stderr=subprocess.DEVNULL) as server:
        try:
            await_server(server, port)
            yield name
        finally:
            server.terminate()


def await_server(server: subprocess.Popen[bytes], port: int) -> None:
    """Return when it takes connections.

    :raises RuntimeError: if it ended, or does not within ten seconds.
    """
    for _ in range(1000):
        if server.poll() is not None:
            break
        with suppress(OSError):
            socket.create_connection(("127.0.0.1", port)).close()
            return
        time.sleep(0.01)
    raise RuntimeError(f"the server does not serve: {server.args!r}")


def _tell(place: Path, address: str, names: list[str]) -> None:
    """Write what each contender takes as its input."""
    (place / "address").write_text(address, encoding="utf-8")
    (place / "sandbox.toml").write_text(f'[zenodo]\nbase_url = "{address}"\n', encoding="utf-8")
    urls = {name: f"{address}/api/records/1/files/{name}/content" for name in names}
    (place / "curl.txt").write_text(
        "".join(f'url = "{url}"\noutput = "{name}"\n' for name, url in urls.items()), "utf-8"
    )
    (place / "aria2.txt").write_text(
        "".join(f"{url}\n  out={name}\n" for name, url in urls.items()), "utf-8"
    )
    (place / "list.html").write_text(
        "<pre>" + "".join(f'<a href="{name}">{name}</a>\n' for name in names) + "</pre>", "utf-8"
    )
    (place / "wget2.txt").write_text(
        "".join(f"{address}/plain/{name}\n" for name in names), "utf-8"
    )
