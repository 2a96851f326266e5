"""What is measured: the files of each case, and how ``bic`` is called for it."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from bagit_create.sandbox import Sandbox

ALGORITHMS = ["--algorithm", "md5", "--algorithm", "sha1"]
BLOCK = 1 << 20


@dataclass(frozen=True)
class Case:
    """``files`` of ``size`` bytes each, from a folder (``local``) or a server (``zenodo``)."""

    name: str
    kind: str
    files: int
    size: int

    @contextmanager
    def prepared(self, source: Path, scale: float) -> Iterator[Path]:
        """Make the files, or start the server; yields what the commands take as their source."""
        count = max(1, round(self.files * scale)) if self.files > 100 else self.files
        size = self.size if self.files > 100 else max(1, round(self.size * scale))
        if self.kind == "local":
            make_files(source, count, size)
            yield source
            return
        with Sandbox() as sandbox:
            sandbox.add_record("zenodo", "1", {f"f{n:05}.bin": size for n in range(count)})
            source.mkdir(parents=True)
            config = source / "sandbox.toml"
            config.write_text(sandbox.config_text(), encoding="utf-8")
            (source / "address").write_text(sandbox.url("zenodo"), encoding="utf-8")
            yield source

    def bic(self, source: Path, out: Path) -> list[str]:
        """Our own command line."""
        command = [sys.executable, "-m", "bagit_create", "-q", "-t", str(out)]
        if self.kind == "local":
            return [*command, *ALGORITHMS, "-s", "local", "-sp", str(source), "-au", "bench"]
        return [
            *command,
            "--algorithm",
            "md5",
            "-s",
            "zenodo",
            "--recid",
            "1",
            "--config",
            str(source / "sandbox.toml"),
        ]


def make_files(folder: Path, count: int, size: int) -> None:
    """Write ``count`` different files of ``size`` bytes, a thousand to a folder."""
    for number in range(count):
        place = folder / f"d{number // 1000:04}"
        if number % 1000 == 0:
            place.mkdir(parents=True)
        start = os.urandom(min(size, BLOCK))
        with open(place / f"f{number:06}.bin", "wb") as file:
            left = size
            while left > 0:
                left -= file.write(start[:left])


CASES = (
    Case("local, 8 x 256 MiB", "local", 8, 256 << 20),
    Case("local, 1 x 2 GiB", "local", 1, 2 << 30),
    Case("local, 100,000 x 1 KiB", "local", 100_000, 1024),
    Case("http, 4 x 512 MiB, md5", "zenodo", 4, 512 << 20),
    Case("http, 5,000 x 4 KiB, md5", "zenodo", 5000, 4096),
)
