"""How tests make a job, run ``bic`` on it, and look at what it left."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner

from bagit_create.batch import JobFolder, last_outcomes
from bagit_create.cli import cli
from bagit_create.sandbox import Sandbox


class Bench:
    """A sandbox with small records, and the command line.

    :param place: an empty folder; the job is ``job`` in it.
    """

    def __init__(self, sandbox: Sandbox, config: Path, place: Path) -> None:
        self.sandbox = sandbox
        self.config = config
        self.place = place
        self.path = place / "job"
        self.environment = {**os.environ, "NO_COLOR": "1", "COLUMNS": "100"}

    def records(self, count: int, first: int = 7100001) -> list[str]:
        """Put so many records with one small file each into the sandbox's Zenodo; their ids."""
        ids = [str(first + number) for number in range(count)]
        for recid in ids:
            self.sandbox.add_record("zenodo", recid, {"a.txt": f"of {recid}".encode()})
        return ids

    def bic(self, *words: object, text: str | None = None) -> subprocess.CompletedProcess[str]:
        """``bic batch WORDS``, in this process: starting one takes longer than most tests."""
        term = signal.getsignal(signal.SIGTERM)
        try:
            made = CliRunner().invoke(cli, ["batch", *map(str, words)], input=text)
        finally:
            signal.signal(signal.SIGTERM, term)
        if made.exception and not isinstance(made.exception, SystemExit):
            raise made.exception
        return subprocess.CompletedProcess([], made.exit_code, made.stdout, made.stderr)

    def start(self, *words: object) -> subprocess.Popen[str]:
        """The same, left running, in a process group of its own."""
        command = [sys.executable, "-m", "bagit_create", "batch", *map(str, words)]
        return subprocess.Popen(
            command,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            env=self.environment,
            start_new_session=True,
        )

    def create(self, lines: list[str], *words: object) -> subprocess.CompletedProcess[str]:
        """Make the job of a list."""
        options = ["--source", "zenodo", "--config", self.config, "--retries", "1"]
        text = "".join(f"{line}\n" for line in lines)
        return self.bic("create", self.path, *options, *words, text=text)

    def job(self, lines: list[str], *words: object) -> JobFolder:
        """The same, which must succeed."""
        made = self.create(lines, *words)
        assert 0 == made.returncode, made.stderr
        return JobFolder(self.path)

    def run(self, *words: object) -> subprocess.CompletedProcess[str]:
        """Work on the job, in threads of this process if nothing else is asked for."""
        one = () if "--processes" in words else ("--processes", 1)
        return self.bic("run", self.path, *words, *one)

    def packages(self) -> list[str]:
        """The ids of the packages that are there, sorted; one that is there twice comes twice."""
        target = JobFolder(self.path).target
        found = (*target.glob("sip::*"), *target.glob("???/sip::*"))
        return sorted(path.name.split("::")[2] for path in found if path.is_dir())

    def outcomes(self) -> dict[str, str]:
        """How each record ended, by its id: the state, or the error."""
        return {
            item.recid: "pending" if one is None else one.error or one.state
            for item, one, _ in last_outcomes(JobFolder(self.path))
        }

    def asked(self) -> int:
        """Requests that the sandbox has seen."""
        return len(self.sandbox.seen)


@pytest.fixture
def bench(sandbox: Sandbox, config_file: Path, tmp_path: Path) -> Iterator[Bench]:
    """A sandbox and an empty folder."""
    yield Bench(sandbox, config_file, tmp_path)


def told(result: subprocess.CompletedProcess[str]) -> Any:
    """The one JSON object on standard output."""
    return json.loads(result.stdout)
