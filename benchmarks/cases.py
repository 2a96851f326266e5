"""What is measured: the files of each case, how ``bic`` is called for it, and what is asked."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from .upstream import serving

ALGORITHMS = ["--algorithm", "md5", "--algorithm", "sha1"]
BLOCK = 1 << 20
OLD = "bagit-create 1.5.3"


@dataclass(frozen=True)
class Case:
    """``files`` of ``size`` bytes each, from a folder (``local``) or a server (``http``).

    ``asked`` is by contender how much of its time ``bic`` may take; ``memory`` is in MB.
    A ``light`` package has no payload.
    """

    name: str
    kind: str
    files: int
    size: int
    asked: dict[str, float] = field(default_factory=dict)
    memory: int | None = None
    delay: float = 0.0
    light: bool = False
    peers: bool = True

    def count(self, scale: float) -> int:
        """Files at this scale."""
        return max(1, round(self.files * scale)) if self.files > 100 else self.files

    @contextmanager
    def prepared(self, source: Path, scale: float) -> Iterator[str]:
        """Make the files, or start the server; yields where they are from."""
        blocks = max(1, round(self.size * scale / BLOCK))
        size = self.size if self.files > 100 else blocks * BLOCK
        if self.kind == "local":
            make_files(source, self.count(scale), size)
            yield "a folder"
            return
        with serving(source, self.count(scale), size, self.delay) as server:
            yield server

    def bic(self, source: Path, out: Path) -> list[str]:
        """Our own command line."""
        command = [sys.executable, "-m", "bagit_create", "-q", "-t", str(out)]
        if self.kind == "local":
            return [*command, *ALGORITHMS, "-s", "local", "-sp", str(source), "-au", "bench"]
        command += ["--algorithm", "md5", "-s", "zenodo", "--recid", "1"]
        command += ["--config", str(source / "sandbox.toml")]
        command += ["--jobs", "16"] if self.delay else []
        return [*command, "--light"] if self.light else command


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


BAGIT = "cp + bagit-python, 2 processes"
CASES = (
    Case(
        "http, 4 x 512 MiB, md5",
        "http",
        4,
        512 << 20,
        {OLD: 0.40, "curl + md5sum": 1.0},
        memory=100,
    ),
    Case("http, 5,000 x 4 KiB, md5", "http", 5000, 4096, {OLD: 0.25, "rclone": 2.0}),
    Case(
        "http, 500 x 4 KiB, 20 ms away, 16 connections",
        "http",
        500,
        4096,
        {OLD: 0.12, "aria2c": 1.2},
        delay=0.02,
    ),
    Case("local, 8 x 256 MiB, md5 sha1", "local", 8, 256 << 20, {OLD: 0.25, BAGIT: 1.4}),
    Case(
        "local, 100,000 x 1 KiB, md5 sha1",
        "local",
        100_000,
        1024,
        {OLD: 0.12, "bdbag": 0.75, "cp": 1.5},
        memory=250,
    ),
    Case("local, 1 x 2 GiB, md5 sha1", "local", 1, 2 << 30),
    *(
        Case(
            f"http, {count:,} x 100 B{', light' * light}",
            "http",
            count,
            100,
            light=light,
            peers=False,
        )
        for light in (True, False)
        for count in (1000, 10_000, 100_000)
    ),
)
