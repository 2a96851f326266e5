"""Records that nobody hands out fail; a server that is away is waited for."""

from __future__ import annotations

import threading
from contextlib import closing

import pytest
from batches import Bench, bench, told

from bagit_create import batch
from bagit_create.batch import JobFolder, Orders, patience
from bagit_create.batch.crew import Crew
from bagit_create.batch.harvest import Harvester
from bagit_create.batch.run import Quiet
from bagit_create.sandbox import Fault

__all__ = ["bench"]

AWAY = Fault("status", status=503)


@pytest.fixture(autouse=True)
def short(monkeypatch: pytest.MonkeyPatch) -> None:
    """Waits of a hundredth of a second."""
    monkeypatch.setattr(patience, "FIRST_HOLD_S", 0.01)
    monkeypatch.setattr(patience, "LONGEST_HOLD_S", 0.01)


def broken(bench: Bench, ids: list[str], path: str = "") -> None:
    """Have the server answer 503 for ever to whoever asks for these."""
    for recid in ids:
        bench.sandbox.fault(f"/api/records/{recid}{path}", AWAY)


@pytest.mark.parametrize("path", ["", "/files"])
@pytest.mark.parametrize("first", [0, 1, 8])
def test_records_that_answer_503_for_ever_do_not_keep_the_others_back(
    bench: Bench, first: int, path: str
) -> None:
    """A dozen in a row look like a server that is away, but for the records around them."""
    ids = bench.records(20)
    bench.job(ids, "--retries", "0", "--shard-size", "20")
    broken(bench, ids[first : first + 12], path)
    result = bench.run("-w", "1")

    assert 8 == result.returncode, result.stderr
    assert {"Unreachable": 12} == told(bench.run("--json"))["failed"]
    assert ids[:first] + ids[first + 12 :] == bench.packages()


def test_once_a_record_was_packaged_none_waits_for_broken_ones(bench: Bench) -> None:
    """It is asked for again, and the server hands it out: without patience the run goes on."""
    ids = bench.records(20)
    bench.job(ids, "--retries", "0", "--shard-size", "20")
    broken(bench, ids[1:13])
    result = bench.run("-w", "1", "--patience", "0")

    assert 8 == result.returncode, result.stderr
    assert 8 == len(bench.packages())


def test_what_one_worker_has_packaged_is_asked_for_by_all(bench: Bench) -> None:
    """Another one may have a shard in which all records are broken."""
    ids = bench.records(5)
    job = bench.job(ids, "--retries", "0", "--shard-size", "5")
    broken(bench, ids[1:])
    good, *bad = job.items(job.shards()[0])
    packaged: dict[str, batch.Item] = {}
    with closing(Harvester(job.file.options, Quiet())) as maker:
        one, other = (
            patience.Patience(job, maker, packaged, threading.Event(), lambda *_: None, 0)
            for _ in range(2)
        )
        one.found_somebody(good, batch.Outcome(number=0, state="done", files=1))
        gone = batch.Outcome(number=1, state="failed", error="Unreachable")
        for item in bad:
            other.found_somebody(item, gone)

        assert other.is_strained
        assert other.hold(bad[-1], gone, bad)
        assert not other.is_strained


@pytest.mark.parametrize("made", [0, 5])
def test_a_server_that_hands_out_no_file_is_away(bench: Bench, made: int) -> None:
    """Its metadata may come from elsewhere: so a file is asked for too."""
    ids = bench.records(10)
    bench.job(ids, "--retries", "0", "--shard-size", "10")
    bench.sandbox.fault("/files/", AWAY)
    for recid in ids[:made]:
        bench.sandbox.add_record("zenodo", recid, {})
    result = bench.run("-w", "1", "--patience", "0")

    assert 7 == result.returncode, result.stderr
    assert {"pending"} == set(bench.outcomes().values()) - {"done"}


def test_another_source_says_nothing_of_this_one(bench: Bench) -> None:
    """A job may have records of several."""
    ids = bench.records(6)
    bench.sandbox.add_record("inveniordm", "abcde-fgh12", {"a.txt": b"a"})
    lines = ['{"source": "inveniordm", "recid": "abcde-fgh12"}']
    lines += [f'{{"source": "zenodo", "recid": "{one}"}}' for one in ids]
    bench.job(lines, "--retries", "0", "--shard-size", "10")
    bench.sandbox.fault("/api/records/71", AWAY)
    result = bench.run("-w", "1", "--patience", "0")

    assert 7 == result.returncode, result.stderr
    assert ["abcde-fgh12"] == bench.packages()
    assert 6 == list(bench.outcomes().values()).count("pending")


def test_what_was_packaged_and_is_gone_is_an_answer(bench: Bench) -> None:
    """Somebody says so."""
    ids = bench.records(2)
    job = bench.job(ids)
    item = job.items(job.shards()[0])[0]
    maker = Harvester(job.file.options, Quiet())
    bench.sandbox.fault(f"/api/records/{ids[0]}", Fault("status", status=410))

    assert maker.answers(item)
    maker.close()


def test_a_run_ends_while_it_asks_whether_anybody_is_there(bench: Bench) -> None:
    """What it was about to learn is for the next run."""
    ids = bench.records(8)
    job = bench.job(ids, "--retries", "0", "--shard-size", "8")
    broken(bench, ids[1:])
    asked = threading.Event()

    class Asker(Harvester):
        def answers(self, item: batch.Item) -> bool:
            bench.sandbox.clear()
            bench.sandbox.fault("/api/records/", Fault("slow-first-byte", seconds=60))
            asked.set()
            return super().answers(item)

    crew = Crew(JobFolder(job.path), Quiet(), lambda: Asker(job.file.options, Quiet()))
    assert asked.wait(30)
    crew.stop()
    crew.wait()

    assert {"done": 1, "pending": 7} == {
        state: list(bench.outcomes().values()).count(state) for state in ("done", "pending")
    }
    bench.sandbox.clear()
    batch.run(bench.path, Orders(workers=1))
    assert ids == bench.packages()
