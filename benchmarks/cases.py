"""What is measured: the files of each case, how ``bic`` is called for it, and what is asked."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from .upstream import serving

Commands = dict[str, "list[str] | str"]
"""By contender its command line, or why it has none."""
ALGORITHMS = ["--algorithm", "md5", "--algorithm", "sha1"]
BLOCK = 1 << 20
MANY = 100
"""More files than that: ``--scale`` makes them fewer; else it makes them smaller."""

ARIA2, CURL, RCLONE = "aria2c", "curl + md5sum", "rclone"
ARIA2_SUM = "aria2c + md5sum"
CP, BDBAG = "cp", "cp + bdbag"
BAGIT = "cp + bagit-python, 2 processes"
OLD = "bagit-create 1.5.3"


@dataclass(frozen=True)
class Case:
    """``files`` of ``size`` bytes each, from a folder (``local``) or a server (``http``).

    For ``start`` there are none, and ``name`` ends with what ``bic`` is asked.

    :param asked: by contender, how much of its time ``bic`` may take; ``aims`` are only hoped for.
    :param memory: what ``bic`` may take, in MB.
    :param like: the case whose time per file this one's may not exceed.
    :param delay: seconds before each answer of the server.
    :param light: a package without payload.
    :param peers: whether others than the bare loop take part.
    :param turns: runs for each that was asked for; 0 for one run in all, as it takes long.
    """

    name: str
    kind: str
    files: int = 0
    size: int = 0
    asked: dict[str, float] = field(default_factory=dict)
    aims: dict[str, float] = field(default_factory=dict)
    memory: int | None = None
    like: str | None = None
    delay: float = 0.0
    light: bool = False
    peers: bool = True
    turns: int = 1

    def runs(self, asked: int) -> int:
        """How often each contender is measured."""
        return asked * self.turns or 1

    @property
    def connections(self) -> int:
        """How many the bare loop has at a time."""
        return 16 if self.delay else 2

    def shape(self, scale: float) -> tuple[int, int]:
        """Number of files and bytes of each, at this scale; large files are whole blocks."""
        if self.kind == "start":
            return 0, 0
        if self.files > MANY:
            return max(1, round(self.files * scale)), self.size
        return self.files, max(1, round(self.size * scale / BLOCK)) * BLOCK

    def payload(self, scale: float) -> int:
        """The bytes that whoever takes part has to leave."""
        count, size = self.shape(scale)
        return 0 if self.light else count * size

    @contextmanager
    def prepared(self, source: Path, scale: float) -> Iterator[str]:
        """Make the files, or start the server; yields where they are from."""
        count, size = self.shape(scale)
        if self.kind == "start":
            yield "nowhere"
        elif self.kind == "local":
            make_files(source, count, size)
            yield "a folder"
        else:
            with serving(source, count, size, self.delay) as server:
                yield server

    def bic(self, source: Path, out: Path) -> list[str]:
        """Our own command line."""
        command = [sys.executable, "-m", "bagit_create"]
        if self.kind == "start":
            return [*command, self.name.split()[-1]]
        command += ["-q", "-t", str(out)]
        if self.kind == "local":
            return [*command, *ALGORITHMS, "-s", "local", "-sp", str(source), "-au", "bench"]
        command += ["--algorithm", "md5", "-s", "zenodo", "--recid", "1"]
        command += ["--config", str(source / "sandbox.toml")]
        command += ["--jobs", "16"] if self.delay else []
        return [*command, "--light"] if self.light else command

    def beside(self, source: Path, out: Path) -> Commands | None:
        """Who is measured beside ``bic``; None for those whom every package is made by."""
        return None

    def also_asked(self, scale: float, runs: int) -> tuple[str, float, float] | None:
        """What else is asked of ``bic``, now that it was measured: unit, measured, limit."""
        return None

    def fill(self, source: Path, out: Path) -> None:
        """Put into ``out``, which is empty, what each run finds there. It is not measured."""

    def finds_faults(self, contender: str) -> bool:
        """Whether a contender has to end with another code than 0, since something is wrong."""
        return False


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


def _growing() -> Iterator[Case]:
    """The same at 1,000 files and more: the time per file must not grow."""
    for kind, size, ways in (("local", 1024, ("full",)), ("http", 100, ("light", "full"))):
        for way in ways:
            first = None
            for count in (1000, 10_000, 100_000):
                name = f"scaling: {kind}, {count:,} x {size} B, {way}"
                yield Case(name, kind, count, size, like=first, light=way == "light", peers=False)
                first = first or name


CASES = (
    Case("http, 4 x 512 MiB, md5", "http", 4, 512 << 20, {OLD: 0.40, CURL: 1.0}, memory=100),
    Case("http, 5,000 x 4 KiB, md5", "http", 5000, 4096, {OLD: 0.25}, {RCLONE: 2.0}),
    Case(
        "http, 500 x 4 KiB, 20 ms away, 16 connections",
        "http",
        500,
        4096,
        {OLD: 0.12, ARIA2: 1.2, ARIA2_SUM: 1.2},
        delay=0.02,
    ),
    Case("local, 8 x 256 MiB, md5 sha1", "local", 8, 256 << 20, {OLD: 0.25, BAGIT: 1.4}),
    Case(
        "local, 100,000 x 1 KiB, md5 sha1",
        "local",
        100_000,
        1024,
        {OLD: 0.12, BDBAG: 0.75},
        {CP: 1.5},
        memory=250,
    ),
    Case("local, 1 x 2 GiB, md5 sha1", "local", 1, 2 << 30),
    *_growing(),
    Case("start-up: bic --version", "start", turns=3),
    Case("start-up: bic --help", "start", turns=3),
)
