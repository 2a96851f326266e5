"""Workers of a job are killed at random moments, stopped and woken: is each record made once?

Each record's package is made as the real one is: staged, noted, and given its name by one rename;
its name is never the same twice, so that what is made twice can be seen.

    python -m benchmarks.batch_kills [--kills 1000] [--sleepers] [--records 1500]

With ``--sleepers`` each process believes to be on a host of its own, processes are stopped for
longer than their lease and then woken, and the others take their shards over meanwhile.
"""

from __future__ import annotations

import argparse
import os
import random
import secrets
import signal
import sys
import tempfile
import threading
import time
from collections import Counter
from collections.abc import Callable
from contextlib import suppress
from dataclasses import replace
from pathlib import Path

from bagit_create.batch import Item, JobFolder, Outcome
from bagit_create.batch import board as board_module
from bagit_create.batch import create, last_outcomes, survey
from bagit_create.batch.crew import Crew
from bagit_create.batch.run import Quiet
from bagit_create.options import JobOptions
from bagit_create.sip import claim

FAST = Path("/dev/shm")
RECORDS = 1500
PROCESSES = 3
LEASE_S = 0.3


class Maker:
    """Makes an empty folder in the place of a package, in the same steps."""

    def make(self, item: Item, place: Path, begin: Callable[[Outcome], None]) -> Outcome:
        """Stage, note, rename."""
        package = f"sip::zenodo::{item.recid}::{secrets.token_hex(6)}"
        place.mkdir(parents=True, exist_ok=True)
        staged = place / f".{package}"
        staged.mkdir()
        time.sleep(random.uniform(0, 0.002))
        outcome = Outcome(number=item.number, state="done", package=package, files=1, bytes=1)
        try:
            begin(replace(outcome, holder=staged.name))
        except BaseException:
            staged.rmdir()
            raise
        if random.random() < 0.25:  # asleep just here, it must not wake up and go on
            time.sleep(0.02)
        try:
            os.rename(staged, place / package)
        except FileNotFoundError:
            return replace(outcome, state="failed", error="SipError")
        return outcome

    def settle(self, begun: Outcome, place: Path) -> bool:
        """Take its staged folder away from a worker that may wake up."""
        with suppress(FileNotFoundError):
            (place / begun.holder).rmdir()
        return os.path.lexists(place / begun.package)

    def answers(self, item: Item) -> bool:
        """Nobody is asked."""
        return True

    def stop(self) -> None:
        """Nothing takes long."""

    def close(self) -> None:
        """Nothing is kept."""


def start(path: Path, sleepers: bool) -> int:
    """A process with two workers; its id."""
    pid = os.fork()
    if pid:
        return pid
    code = 1
    try:
        if sleepers:
            host = secrets.token_hex(4)
            claim._here = lambda pid: (host, "0000")  # type: ignore[assignment]
            claim.OTHER_HOST_S = LEASE_S  # type: ignore[assignment]
            board_module.BEAT_S = LEASE_S / 6
        crew = Crew(JobFolder(path), Quiet(), Maker, workers=2)
        crew.wait()
        code = 0
    finally:
        os._exit(code)


def one_job(folder: Path, kills: int, sleepers: bool, records: int) -> Counter[str]:
    """Work on one job under fire until it is complete."""
    path = folder / "job"
    lines = (f"{7_000_000 + number}\n" for number in range(records))
    create(path, lines, JobOptions(source="zenodo"), shard_size=20, layout="hashed")
    counts: Counter[str] = Counter()
    running = {start(path, sleepers) for _ in range(PROCESSES)}
    asleep: dict[int, float] = {}
    while running:
        time.sleep(random.uniform(0.002, 0.03))
        for pid in list(running):
            done, status = os.waitpid(pid, os.WNOHANG)
            if done:
                running.discard(pid)
                asleep.pop(pid, None)
                if os.WIFSIGNALED(status):
                    running.add(start(path, sleepers))
                elif status:
                    counts["failed processes"] += 1
        for pid, until in list(asleep.items()):
            if time.monotonic() > until:
                os.kill(pid, signal.SIGCONT)
                del asleep[pid]
        if not running or counts["kills"] >= kills:
            continue
        victim = random.choice(sorted(running))
        if victim in asleep:
            continue
        counts["kills"] += 1
        if sleepers and random.random() < 0.5:
            counts["sleeps"] += 1
            os.kill(victim, signal.SIGSTOP)
            asleep[victim] = time.monotonic() + LEASE_S * random.uniform(1, 3)
        else:
            os.kill(victim, signal.SIGKILL)
    return counts + judge(JobFolder(path))


def judge(job: JobFolder) -> Counter[str]:
    """What is lost, and what was made twice."""
    made: Counter[str] = Counter()
    names = set()
    for place, folders, _ in os.walk(job.target):
        for name in folders:
            if name.startswith("sip::"):
                made[name.split("::")[2]] += 1
                names.add(name)
    found: Counter[str] = Counter(jobs=1)
    for item, outcome, _ in last_outcomes(job):
        found["records"] += 1
        found["lost"] += made[item.recid] == 0
        found["made twice"] += made[item.recid] > 1
        found["said wrongly"] += outcome is None or outcome.package not in names
    seen = survey(job)
    found["miscounted"] += abs(seen.totals.done - len(names)) if not found["made twice"] else 0
    found["not complete"] += not seen.complete
    return found


def main() -> int:
    """Jobs until there were so many kills."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--kills", type=int, default=1000)
    parser.add_argument("--sleepers", action="store_true")
    parser.add_argument("--records", type=int, default=RECORDS, help=f"of each job ({RECORDS})")
    given = parser.parse_args()
    counts: Counter[str] = Counter()
    while counts["kills"] < given.kills:
        with tempfile.TemporaryDirectory(dir=FAST if FAST.is_dir() else None) as folder:
            left = given.kills - counts["kills"]
            counts += one_job(Path(folder), left, given.sleepers, given.records)
    print(dict(counts))
    bad = ("lost", "made twice", "said wrongly", "miscounted", "not complete", "failed processes")
    return int(any(counts[one] for one in bad))


if __name__ == "__main__":
    assert threading.active_count() == 1
    sys.exit(main())
