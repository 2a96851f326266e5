"""Many records: a batch beside a loop over ``process()``, and beside the forerunner in a loop."""

from __future__ import annotations

import grp
import json
import os
import pwd
import shutil
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from shlex import quote

from .cases import OLD, Case, Commands
from .upstream import SLOW, await_server, describe, free_port, make_files

FIRST = 7_000_001
SCRIPT = str(Path(__file__).with_name("contenders.py"))
WORKERS = 8
LOOP = "a loop over process()"

CONFIG = """{user}daemon off; pid {place}/pid; error_log {place}/errors.txt; worker_processes 1;
events {{ worker_connections 1024; }}
http {{ access_log off; sendfile on; tcp_nodelay on; keepalive_requests 10000000;
default_type application/octet-stream; client_body_temp_path {place}/t1; proxy_temp_path {place}/t2;
fastcgi_temp_path {place}/t3; uwsgi_temp_path {place}/t4; scgi_temp_path {place}/t5;
server {{ listen 127.0.0.1:{port};
location ~ ^/api/records/(\\d+)$ {{ default_type application/json; alias {place}/records/$1; }}
location ~ ^/api/records/(\\d+)/files$ {{ default_type application/json; alias {place}/lists/$1; }}
location ~ ^/api/records/\\d+/files/([^/]+)/content$ {{ alias {place}/files/$1; }}
location ~ ^/records/\\d+/files/([^/]+)$ {{ alias {place}/files/$1; }} }} }}
"""


@dataclass(frozen=True)
class Many(Case):
    """``files`` is the number of records; each has two files of ``size`` bytes."""

    def payload(self, scale: float) -> int:
        """The bytes that whoever takes part has to leave."""
        count, size = self.shape(scale)
        return 2 * count * size

    @contextmanager
    def prepared(self, source: Path, scale: float) -> Iterator[str]:
        """Write what each record answers, and serve it."""
        count, size = self.shape(scale)
        port = free_port()
        address = f"http://127.0.0.1:{port}"
        source.mkdir(parents=True)
        files = make_files(source / "files", 2, size)
        describe(source, address, files)
        record = (source / "record.json").read_text(encoding="utf-8")
        listing = (source / "files.json").read_text(encoding="utf-8")
        for folder in ("records", "lists"):
            (source / folder).mkdir()
        ids = [str(FIRST + number) for number in range(count)]
        for recid in ids:
            told = json.loads(record.replace("/records/1", f"/records/{recid}"))
            told["id"] = told["recid"] = recid if isinstance(told["id"], str) else int(recid)
            (source / "records" / recid).write_text(json.dumps(told), encoding="utf-8")
            text = listing.replace("/records/1/", f"/records/{recid}/")
            (source / "lists" / recid).write_text(text, encoding="utf-8")
        (source / "address").write_text(address, encoding="utf-8")
        (source / "list").write_text("\n".join(ids) + "\n", encoding="utf-8")
        (source / "sandbox.toml").write_text(f'[zenodo]\nbase_url = "{address}"\n', "utf-8")
        if not self.delay and shutil.which("nginx"):
            user = f"user {pwd.getpwuid(0)[0]} {grp.getgrgid(0)[0]}; " if os.geteuid() == 0 else ""
            text = CONFIG.format(place=source, port=port, user=user)
            (source / "nginx.conf").write_text(text, encoding="utf-8")
            command, name = ["nginx", "-c", str(source / "nginx.conf")], "nginx"
        else:
            command = [sys.executable, SLOW, str(source), str(port), str(self.delay)]
            name = f"a server that waits {self.delay * 1000:.0f} ms"
        with subprocess.Popen(command, stderr=subprocess.DEVNULL) as server:
            try:
                await_server(server, port)
                yield name
            finally:
                server.terminate()

    def bic(self, source: Path, out: Path) -> list[str]:
        """A job is made, and worked on."""
        bic = f"{quote(sys.executable)} -m bagit_create batch"
        job, of = quote(str(out / "job")), quote(str(source))
        options = f"--source zenodo --algorithm md5 --config {of}/sandbox.toml"
        line = (
            f"{bic} create {job} {of}/list {options} --json"
            f" && {bic} run {job} --workers {WORKERS} --json"
        )
        return ["/bin/sh", "-c", line]

    def beside(self, source: Path, out: Path) -> Commands:
        """The loops."""
        from .peers import MISSING, forerunner

        place = ["records", str(source), str(out), "1"]
        old = forerunner()
        return {
            LOOP: [sys.executable, SCRIPT, "own", *place],
            OLD: [old, SCRIPT, "peer", *place] if old else MISSING,
        }


CASES = (
    Many(
        "records, 10,000 of 2 x 4 KiB", "http", 10_000, 4096, asked={LOOP: 1.0, OLD: 0.5}, turns=0
    ),
    Many(
        "records, 1,000 of 2 x 4 KiB, 20 ms",
        "http",
        1_000,
        4096,
        asked={LOOP: 0.25, OLD: 0.15},
        delay=0.02,
        turns=0,
    ),
)
