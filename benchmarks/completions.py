"""Kill completions at random moments: ``python -m benchmarks.completions [--kills N] [--thin]``.

A light package of 200 files is completed; the run is killed again and again. After every kill the
package must be as it was or complete, and never anything else; left alone, it must become the same
valid one each time, and nothing may be left beside it. What was finished at a kill must not be
asked for again. ``--thin`` kills the way back as well, and ``--steps`` does both as on a file
system that cannot exchange two folders.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import os
import random
import re
import shutil
import subprocess
import sys
import tempfile
import time
from collections import Counter
from contextlib import suppress
from pathlib import Path

from bagit_create.sandbox import Sandbox
from bagit_create.sandbox.content import Content
from bagit_create.sandbox.shapes import File, Record
from bagit_create.validation import validate

SIZES = {f"s{n:03}.bin": 1000 + 97 * n for n in range(195)}
SIZES |= {f"b{n}.bin": 3_000_000 + n for n in range(5)}
JOBS = 4
STEPS = (
    "import sys; from bagit_create.completion import swap; swap._exchange = lambda *_: False;"
    " from bagit_create.cli import cli; cli(sys.argv[1:], prog_name='bic')"
)


class Trial:
    """One package, killed on its way there and back."""

    def __init__(self, sandbox: Sandbox, folder: Path, steps: bool) -> None:
        self._sandbox = sandbox
        self._config = folder / "sandbox.toml"
        self._config.write_text(sandbox.config_text(), encoding="utf-8")
        self._program = [sys.executable, *(["-c", STEPS] if steps else ["-m", "bagit_create"])]
        self._length = {"complete": 1.0, "thin": 1.0}
        self.path = folder / "out" / "bag"
        self.kills = 0
        self.asked_again = 0
        self._finished: set[str] = set()
        self.wrong: list[str] = []
        self.results: Counter[str] = Counter()
        self.states: Counter[str] = Counter()

    def light(self) -> None:
        """Make the light package, whose times and names are those of the first."""
        target = self.path.parent
        shutil.rmtree(target, ignore_errors=True)
        command = [*self._program, "-q", "-s", "zenodo", "--recid", "1", "-d", "-t", str(target)]
        done = subprocess.run(
            [*command, "--config", str(self._config)], check=True, capture_output=True, text=True
        )
        Path(done.stdout.strip()).rename(self.path)

    def measure(self) -> None:
        """How long each command takes when nobody kills it."""
        for command in ("complete", "thin"):
            began = time.monotonic()
            self._start(command).communicate()
            self._length[command] = time.monotonic() - began

    def run(self, command: str, before: str, after: str, kills: int) -> None:
        """Kill a command up to so many times, then let it end.

        :param before: the verdict of the package as it is; ``after`` that of the one to be made.
        """
        self._finished.clear()
        for _ in range(kills):
            self._sandbox.seen.clear()
            child = self._start(command)
            try:
                child.wait(random.uniform(0.05, 1.0) * self._length[command])
                break
            except subprocess.TimeoutExpired:
                child.kill()
                child.communicate()
            self.kills += 1
            self._look(command, before, after)
            self._count()
        self._sandbox.seen.clear()
        child = self._start(command)
        _, told = child.communicate()
        if child.returncode or validate(self.path).verdict != after:
            self.wrong.append(f"{command} ended with {child.returncode}: {told.decode().strip()}")
            return
        beside = [one.name for one in self.path.parent.iterdir() if one != self.path]
        self.wrong += [f"{command} left {name}" for name in beside]
        self._count()
        if command == "complete":
            self.results[_digest(self.path)] += 1

    def _start(self, command: str) -> subprocess.Popen[bytes]:
        words = [*self._program, command, str(self.path), "-q", "-j", str(JOBS)]
        return subprocess.Popen(
            [*words, "--config", str(self._config)],
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
        )

    def _look(self, command: str, before: str, after: str) -> None:
        """The package after a kill."""
        aside = self.path.with_name(f"{self.path.name}.bic-before")
        place = self.path if self.path.exists() else aside
        verdict = validate(place).verdict
        allowed = (before, after) if place == self.path else (before,)
        self.states[f"{command}: {verdict}{' (aside)' if place == aside else ''}"] += 1
        if verdict not in allowed:
            self.wrong.append(f"{command}: {verdict} after a kill")
        lost = [name for name in SIZES if not (place / "data/content" / name).exists()]
        if verdict == "valid" and lost:
            self.wrong.append(f"{command}: {len(lost)} files lost")

    def _count(self) -> None:
        """What the last run asked for although an earlier one had finished it."""
        places = (
            re.search(r"/files/([sb][0-9]+\.bin)/content", x.path) for x in self._sandbox.seen
        )
        asked = {match[1] for match in places if match}
        again = asked & self._finished
        self.asked_again += len(again)
        self.wrong += [f"{name} was finished, and asked for again" for name in sorted(again)]
        for journal in self.path.parent.glob(".bic-staging/*/done.jsonl"):
            for line in journal.read_bytes().splitlines():
                with suppress(ValueError):  # it may be cut
                    self._finished.add(Path(json.loads(line)["bagpath"]).name)


def _digest(path: Path) -> str:
    """Of the payload manifests' lines for the record's files, and of their bytes."""
    found = hashlib.sha256()
    for line in sorted((path / "manifest-md5.txt").read_text(encoding="utf-8").splitlines()):
        if "data/content/" in line:
            found.update(line.encode())
    for name in sorted(SIZES):
        found.update((path / "data/content" / name).read_bytes())
    return found.hexdigest()[:12]


def main() -> None:
    """The command line."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.completions", description=__doc__)
    parser.add_argument("--kills", type=int, default=100)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--thin", action="store_true")
    parser.add_argument("--steps", action="store_true")
    given = parser.parse_args()
    random.seed(given.seed)
    os.environ.pop("BIC_CONFIG", None)
    folder = Path(tempfile.mkdtemp(prefix="bic-completions-"))
    rounds = 0
    try:
        with Sandbox() as sandbox:
            record = Record("1")
            for name, size in SIZES.items():
                record.files[name] = File(name, Content(size, name), way="ranges")
            sandbox.app("zenodo").add(record)
            trial = Trial(sandbox, folder, given.steps)
            trial.light()
            trial.measure()
            while trial.kills < given.kills:
                rounds += 1
                trial.light()
                trial.run("complete", "incomplete", "valid", random.randint(1, 6))
                if given.thin:
                    trial.run("thin", "valid", "incomplete", random.randint(1, 3))
                    trial.run("complete", "incomplete", "valid", random.randint(0, 2))
    finally:
        shutil.rmtree(folder, ignore_errors=True)
    print(f"{trial.kills} kills in {rounds} packages; wrong: {len(trial.wrong)}")
    print(*(f"  {one}" for one in trial.wrong), sep="\n", end="\n" if trial.wrong else "")
    print(f"after kills: {', '.join(f'{n} {state}' for state, n in trial.states.most_common())}")
    print(f"results: {len(trial.results)}; finished and asked for again: {trial.asked_again}")
    sys.exit(bool(trial.wrong) or len(trial.results) != 1)


if __name__ == "__main__":
    main()
