"""A worker sleeps longer than its lease, and wakes up when another one has done its work."""

from __future__ import annotations

import os
import shutil
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import closing
from dataclasses import replace
from pathlib import Path

import pytest
from batches import Bench, bench
from gates import LONG_S

from bagit_create import batch, validation
from bagit_create.batch import Item, JobFolder, Outcome
from bagit_create.batch.board import Board
from bagit_create.batch.crew import Crew
from bagit_create.batch.folder import Shard
from bagit_create.batch.harvest import Harvester
from bagit_create.batch.ledger import Lost, take
from bagit_create.batch.patience import Patience
from bagit_create.batch.run import Quiet
from bagit_create.batch.work import Worker
from bagit_create.sip import claim, staging

__all__ = ["bench"]

MEMORY = Path("/dev/shm")


class Sleeper(Harvester):
    """Falls asleep after it has noted a package and found its claim in order, before the rename."""

    def __init__(self, job: JobFolder, workdir: Path | None) -> None:
        super().__init__(replace(job.file.options, workdir=workdir), Quiet())
        self.asleep, self.woken = threading.Event(), threading.Event()

    def make(self, item: Item, place: Path, begin: Callable[[Outcome], None]) -> Outcome:
        def begin_and_sleep(outcome: Outcome) -> None:
            begin(outcome)
            self.asleep.set()
            assert self.woken.wait(LONG_S)

        return super().make(item, place, begin_and_sleep)


@pytest.fixture(params=["in the target", "same disk", "other disk", "as if on another"])
def workdir(
    request: pytest.FixtureRequest, bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> Iterator[Path | None]:
    """Where the sleeper puts packages together."""
    if request.param == "in the target":
        yield None
    elif request.param == "same disk":
        yield bench.place / "work"
    elif request.param == "other disk" and MEMORY.is_dir():
        made = tempfile.mkdtemp(dir=MEMORY, prefix="bic-test-")
        yield Path(made)
        shutil.rmtree(made)
    else:
        monkeypatch.setattr(staging, "is_far", lambda *_: True)
        yield bench.place / "work"


@pytest.mark.parametrize("form", [[], ["--archive", "tar"], ["--archive", "zip"]])
def test_who_wakes_up_just_before_the_rename_makes_no_second_package(
    bench: Bench, monkeypatch: pytest.MonkeyPatch, workdir: Path | None, form: list[str]
) -> None:
    """Of its rename, and the taking away of what is to be renamed, only one succeeds."""
    ids = bench.records(3)
    job = bench.job(ids, *form)
    with monkeypatch.context() as elsewhere:
        elsewhere.setattr(claim, "_here", lambda pid: ("0badcafe", "0000"))
        held = take(job, Shard(1, 0), 1)
    assert held is not None
    noted: list[Outcome] = []
    ends: list[str] = []
    with closing(Sleeper(job, workdir)) as sleeper:
        worker = Worker(
            job,
            Board(job),
            sleeper,
            threading.Event(),
            lambda item, outcome: noted.append(outcome),
            Patience(job, sleeper, {}, threading.Event(), lambda seconds, why: None, 60),
        )

        def work() -> None:
            try:
                worker.finish(held)
            except Lost:
                ends.append("lost")

        thread = threading.Thread(target=work)
        thread.start()
        assert sleeper.asleep.wait(LONG_S)
        silent = time.time() - claim.OTHER_HOST_S - 60
        os.utime(held.path, (silent, silent))
        Crew(job, Quiet(), lambda: Harvester(job.file.options, Quiet())).wait()
        sleeper.woken.set()
        thread.join(LONG_S)

    assert (["lost"], []) == (ends, noted)
    made = list(job.target.iterdir())
    assert ids == sorted(one.name.split("::")[2] for one in made)
    assert {"valid"} == {validation.validate(one).verdict for one in made}
    assert 3 == batch.survey(job).totals.done
    assert workdir is None or [] == list(workdir.iterdir())
