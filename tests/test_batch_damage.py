"""Job folders that lost something, were moved, or have odd names: nothing is taken for done."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
import threading
import time
from pathlib import Path
from typing import Any

import pytest
from batches import Bench, bench, told
from gates import LONG_S, gate, until

from bagit_create import batch
from bagit_create.batch import JobFolder, retry
from bagit_create.batch.board import Board
from bagit_create.batch.ledger import Gone, Lost
from bagit_create.errors import BicError
from bagit_create.main import failure
from bagit_create.sip import claim

__all__ = ["bench"]


def rewrite(path: Path, content: bytes) -> None:
    """Write a file that may be read-only."""
    path.chmod(0o644)
    path.write_bytes(content)


def finished_job(bench: Bench, good: int = 2, shard_size: int = 2) -> JobFolder:
    """A job with so many packages and two records that failed."""
    ids = bench.records(good)
    job = bench.job([*ids, "9999998", "9999999"], "--shard-size", shard_size)
    assert 8 == bench.run("-w", "1").returncode
    return job


# -- a log that lost its end --------------------------------------------------------------------


@pytest.mark.parametrize("lines", [0, 1, 2, 3])
def test_what_the_log_of_a_finished_shard_lost_is_taken_up_again(bench: Bench, lines: int) -> None:
    """The machine went down: the shard's mark reached the disk, the end of its log did not.

    With its first package noted as about to get its name, or more, nothing is made again.
    """
    ids = bench.records(2)
    job = bench.job(ids, "--shard-size", "2")
    bench.run("-w", "1")
    log = job.logs / "01-000000.0001.jsonl"
    kept = log.read_bytes().splitlines(keepends=True)[: lines + 1]
    log.write_bytes(b"".join(kept))
    found = batch.survey(job)
    again = bench.run("-w", "1")

    assert not found.complete
    assert 0 == again.returncode
    assert "01-000000 is not whole" in again.stderr
    assert (0, True) == (batch.survey(job).left, batch.survey(job).complete)
    if lines == 3:
        assert ids == bench.packages()
    assert ids == sorted(set(bench.packages()))


def test_a_report_of_a_job_whose_log_is_not_whole_says_so(bench: Bench) -> None:
    """It was told as complete."""
    job = finished_job(bench)
    log = job.logs / "01-000001.0001.jsonl"
    log.write_bytes(log.read_bytes().splitlines(keepends=True)[0])
    facts = told(bench.bic("report", bench.path, "--format", "json"))

    assert (False, 2, 1) == (facts["complete"], facts["left"], facts["shards_finished"])


def test_a_job_whose_log_is_not_whole_is_submitted_again(bench: Bench) -> None:
    """The shard is finished by its mark alone."""
    job = finished_job(bench)
    log = job.logs / "01-000001.0001.jsonl"
    log.write_bytes(log.read_bytes().splitlines(keepends=True)[0])
    words = ("--engine", "htcondor", "--write-only", "--executable", "/bin/true", "--json")

    assert 1 == told(bench.bic("submit", bench.path, *words))["jobs"]


@pytest.mark.parametrize("ahead", [0, 3600])
def test_a_shard_that_another_machine_has_just_finished_is_left_alone(
    bench: Bench, monkeypatch: pytest.MonkeyPatch, ahead: int
) -> None:
    """Of its log a network file system may show less than there is, for a while; and the clock of
    this machine may be ahead."""
    job = finished_job(bench)
    log = job.logs / "01-000001.0001.jsonl"
    first = json.loads(log.read_bytes().splitlines()[0])
    first["owner"] = re.sub("@[0-9a-f]{8}", "@0badcafe", first["owner"])
    log.write_text(json.dumps(first) + "\n")
    now = time.time
    monkeypatch.setattr(time, "time", lambda: now() + ahead)
    result = bench.run("-w", "1")

    assert 8 == result.returncode
    assert (job.done / "01-000001").exists()


def test_a_finished_shard_without_a_log_is_not_made_again(bench: Bench) -> None:
    """Its records may all have their packages."""
    job = finished_job(bench)
    (job.logs / "01-000000.0001.jsonl").unlink()
    result = bench.run()

    assert 2 == result.returncode
    assert "logs of 1 finished shards are not there" in result.stderr
    assert 2 == len(bench.packages())


# -- rounds of retries that lost something ------------------------------------------------------


def test_a_retry_that_was_killed_changes_no_numbers(bench: Bench) -> None:
    """It was about to give its round a name; the records it wrote down have failed all the same."""
    job = finished_job(bench)
    killed = subprocess.run(
        [sys.executable, "-c", AT_THE_NAME, "batch", "retry", str(job.path)],
        env=bench.environment,
        timeout=LONG_S,
    )
    found = batch.survey(job)

    assert -9 == killed.returncode
    assert ({"RecordNotFound": 2}, 0) == (found.totals.failed, found.left)
    assert 2 == retry(job.path)[0]
    assert ["01", "02"] == sorted(os.listdir(job.shards_folder))


AT_THE_NAME = """
import os, sys
from bagit_create.cli import cli
os.rename = lambda *_: os.kill(os.getpid(), 9)
cli(sys.argv[1:], prog_name="bic")
"""


def test_a_round_that_comes_while_status_counts_changes_no_numbers(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its records were not counted in their new shards."""
    job = finished_job(bench)
    finished = JobFolder.finished

    def and_retry(self: JobFolder) -> Any:
        monkeypatch.undo()
        retry(job.path)
        return finished(self)

    monkeypatch.setattr(JobFolder, "finished", and_retry)
    found = batch.survey(JobFolder(job.path))

    assert ({"RecordNotFound": 2}, 0) == (found.totals.failed, found.left)


@pytest.mark.parametrize("lost", ["000001.jsonl", "retried.json", ""])
def test_a_round_of_retries_that_is_gone_in_part_is_not_done(bench: Bench, lost: str) -> None:
    """Its records would be left for ever, and no run would say why."""
    job = finished_job(bench)
    retry(job.path)
    bench.run("-w", "1")
    retry(job.path)
    gone = job.shards_folder / "02" / lost
    shutil.rmtree(gone) if gone.is_dir() else gone.unlink()
    result = bench.run()

    assert 2 == result.returncode
    assert "shard" in result.stderr


def test_a_shard_of_a_retry_that_was_cut_at_the_end_of_a_line_is_damaged(bench: Bench) -> None:
    """Like one of the list."""
    job = finished_job(bench)
    retry(job.path)
    rewrite(job.shards_folder / "02" / "000000.jsonl", b"")
    result = bench.run()

    assert 2 == result.returncode
    assert "0 records, where 1 were" in result.stderr


@pytest.mark.parametrize("content", [b"[" * 3000, b"{}", b"[]", b'{"BicError": []}', b"\xff"])
def test_a_damaged_round_is_told_in_words(bench: Bench, content: bytes) -> None:
    """By each command."""
    job = finished_job(bench)
    retry(job.path)
    rewrite(job.shards_folder / "02" / "retried.json", content)
    for name in ("status", "run", "retry", "report"):
        result = bench.bic(name, job.path)
        assert result.returncode in (2, 8) if name == "report" else 2 == result.returncode
        assert "bug" not in result.stderr


@pytest.mark.parametrize("content", [b"[" * 3000, b'{"n": 0, "source": "\\ud800", "recid": "1"}'])
def test_a_damaged_shard_is_told_in_words(bench: Bench, content: bytes) -> None:
    """Whatever is in it."""
    job = bench.job(["1"])
    rewrite(job.shards_folder / "01" / "000000.jsonl", content)
    for name in ("run", "report"):
        result = bench.bic(name, job.path)
        assert 2 == result.returncode
        assert "damaged" in result.stderr


@pytest.mark.parametrize(
    "facts",
    [
        {"records": 1e999},
        {"records": 7},
        {"shards": -1},
        {"shard_size": 0},
        {"layout": "tall"},
        {"sources": []},
    ],
)
def test_a_job_file_that_contradicts_itself_is_damaged(bench: Bench, facts: Any) -> None:
    """A run would end too early, or look for packages elsewhere."""
    job = bench.job(["1"])
    path = job.path / "job.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | facts))
    result = bench.bic("status", job.path)

    assert 2 == result.returncode
    assert "damaged" in result.stderr


@pytest.mark.parametrize(
    "facts",
    [
        {"allow_missing": "no"},
        {"light": 0},
        {"embargo": "tomorrow"},
        {"jobs": True},
        {"timeout": 1e999},
        {"algorithms": "md5"},
        {"config": None},
    ],
)
def test_an_option_of_another_type_is_not_guessed_at(bench: Bench, facts: Any) -> None:
    """Whoever wrote "no" by hand would get packages with files missing."""
    job = bench.job(["1"])
    path = job.path / "job.json"
    known = json.loads(path.read_text())
    path.write_text(json.dumps(known | {"options": known["options"] | facts}))
    result = bench.bic("run", job.path)

    assert 2 == result.returncode
    assert f"options: {next(iter(facts))} cannot be" in result.stderr


@pytest.mark.parametrize(
    "change", [{"at": "late"}, {"at": 1e999}, {"pid": None}, {"pid": "x"}, {"pid": -1e999}]
)
def test_a_claim_with_odd_values_is_told(bench: Bench, change: dict[str, Any]) -> None:
    """Who has it is not known, and nothing else is wrong."""
    job = finished_job(bench)
    log = job.logs / "01-000000.0001.jsonl"
    first, *others = log.read_text().splitlines()
    log.write_text("\n".join([json.dumps(json.loads(first) | change), *others]) + "\n")
    (job.done / "01-000000").unlink()
    result = bench.bic("status", job.path, "--json")

    assert 0 == result.returncode
    assert 2 == told(result)["done"]


@pytest.mark.parametrize("state", ["", "packaged", None])
def test_a_line_with_no_known_state_is_no_package(bench: Bench, state: str | None) -> None:
    """Its record is made."""
    (recid,) = bench.records(1)
    job = bench.job([recid])
    log = job.logs / "01-000000.0001.jsonl"
    log.write_text(json.dumps({"n": 0, "state": state, "package": "x"}) + '\n{"left":true}\n')

    assert 0 == bench.run("-w", "1").returncode
    assert [recid] == bench.packages()


@pytest.mark.parametrize("name", ["logs", "done"])
@pytest.mark.parametrize("form", ["text", "csv"])
@pytest.mark.parametrize("to_file", [False, True])
def test_a_report_of_a_folder_that_is_not_whole_says_what_cannot_be_read(
    bench: Bench, form: str, name: str, to_file: bool
) -> None:
    """It is no bug, and the report is not what cannot be written."""
    job = bench.job(["1"])
    (job.path / name).rmdir()
    words = ("--output", bench.place / "r") if to_file else ()
    result = bench.bic("report", job.path, "--format", form, *words)

    assert 10 == result.returncode
    assert "The job folder cannot be read" in result.stderr
    assert ["job"] == os.listdir(bench.place)


@pytest.mark.parametrize("command", ["status", "report"])
def test_what_is_told_of_a_job_that_lost_shards_is_told_with_a_warning(
    bench: Bench, command: str
) -> None:
    """Packages of theirs may be there."""
    job = finished_job(bench)
    shutil.rmtree(job.shards_folder)
    result = bench.bic(command, job.path)

    assert 0 == result.returncode
    assert "warning: 2 of the job's 2 shards are not there" in result.stderr


def test_status_live_ends_when_nobody_reads_it(bench: Bench) -> None:
    """``bic batch status JOB --live | head``."""
    bench.job(["1"])
    running = bench.start("status", bench.path, "--live", "--json")
    assert running.stdout is not None
    assert running.stdout.readline()
    running.stdout.close()

    assert 0 == running.wait(30)
    assert running.stderr is not None
    running.stderr.close()


@pytest.mark.parametrize("form", ["text", "csv"])
def test_a_report_that_standard_output_cannot_take_is_no_bug(bench: Bench, form: str) -> None:
    """A full disk behind a redirection."""
    job = bench.job(["1"])
    with open("/dev/full", "w", encoding="utf-8") as full:
        made = subprocess.run(
            [sys.executable, "-m", "bagit_create", "batch", "report", job.path, "--format", form],
            stdout=full,
            stderr=subprocess.PIPE,
            text=True,
            env=bench.environment,
            timeout=60,
        )

    assert 10 == made.returncode
    assert "Standard output cannot be written" in made.stderr


# -- names and places ---------------------------------------------------------------------------


ODD = ["über 100 % $HOME 'a' \"b\"\n*", os.fsdecode(b"caf\xe9"), "日" * 85, "-rf"]


@pytest.mark.parametrize("name", ODD)
def test_a_job_and_its_target_may_have_any_name(bench: Bench, name: str) -> None:
    """Also one that is no text, or as long as can be."""
    ids = bench.records(2)
    bench.path = bench.place / name
    job = bench.job(ids, "--target", bench.place / "out" / name)

    assert 0 == bench.run("--processes", "2", "-w", "2").returncode
    assert ids == bench.packages()
    assert job.target == bench.place / "out" / name
    for form in ("text", "json", "csv", "html"):
        page = bench.place / f"{name[:84]}."
        assert 0 == bench.bic("report", job.path, "--format", form, "--output", page).returncode


def test_a_job_that_cannot_be_made_leaves_no_folders(bench: Bench) -> None:
    """Nor does it speak of a package."""
    words = ("--source", "zenodo", "--config", bench.config)
    faulty = bench.bic("create", bench.place / "a" / "b" / "job", *words, text="?\n")
    (bench.place / "file").touch()
    below = bench.bic("create", bench.place / "file" / "job", *words, text="1\n")

    assert 2 == faulty.returncode
    assert 10 == below.returncode
    assert "The job folder cannot be written" in below.stderr
    assert "--target" not in below.stderr
    assert ["file"] == os.listdir(bench.place)


def test_what_a_killed_create_left_goes_with_the_next(bench: Bench) -> None:
    """Of a list of millions that is a lot."""
    words = ["create", str(bench.path), "--source", "zenodo", "--config", str(bench.config)]
    killed = subprocess.run(
        [sys.executable, "-c", AT_THE_NAME, "batch", *words],
        input="1\n",
        text=True,
        env=bench.environment,
        timeout=LONG_S,
    )

    assert -9 == killed.returncode
    assert 1 == len(os.listdir(bench.place))
    bench.job(["1"])
    assert ["job"] == os.listdir(bench.place)


def test_an_id_of_json_is_text_or_a_number(bench: Bench) -> None:
    """``false`` is neither."""
    result = bench.create(['{"source": "zenodo", "recid": false}'])

    assert 2 == result.returncode
    assert not bench.path.exists()


@pytest.mark.parametrize("number", ["1", "2"])
def test_a_job_that_is_moved_while_it_runs_makes_no_package_in_the_old_place(
    bench: Bench, number: str
) -> None:
    """Its log, which moves with it, would say that the package is in the new one."""
    job = bench.job(bench.records(2), "--shard-size", "1")
    moved = bench.place / "moved"
    with gate() as held:
        bench.sandbox.fault("/api/records/", held.fault)
        running = bench.start("run", job.path, "-w", number, "--processes", number)
        until(lambda: int(number) <= bench.asked())
        job.path.rename(moved)
        held.open()
        running.communicate(timeout=LONG_S)

    assert 10 == running.returncode
    assert [] == [*job.path.rglob("sip::*")]
    assert {"pending"} == set(
        "pending" if one is None else one.state
        for _, one, _ in batch.last_outcomes(JobFolder(moved))
    )


@pytest.mark.parametrize(
    "error, kind", [(Gone("moved"), "SipError"), (Lost("asleep"), "Interrupted")]
)
def test_a_kind_of_failure_is_one_that_is_documented(error: BicError, kind: str) -> None:
    """Scripts go by it, and a run by what its processes tell."""
    assert kind == failure(error)["error"]


# -- processes ----------------------------------------------------------------------------------


def test_a_shard_is_left_to_others_on_a_disk_that_takes_no_byte_more(bench: Bench) -> None:
    """The process that had it may live on for years, as one of Celery's does."""
    job = bench.job(["1"])
    other = subprocess.Popen(
        [sys.executable, "-c", FULL, str(job.path)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        env=bench.environment,
    )
    assert other.stdin is not None and other.stdout is not None
    with other:
        assert b"held\n" == other.stdout.readline()
        before = Board(job).next()
        other.stdin.write(b"\n")
        other.stdin.flush()
        assert b"left\n" == other.stdout.readline()
        after = Board(job).next()

    assert before is None
    assert after is not None
    after.close()


FULL = """
import pathlib, resource, sys
from bagit_create.batch import JobFolder
from bagit_create.batch.board import Board
held = Board(JobFolder(pathlib.Path(sys.argv[1]))).next()
print("held", flush=True)
sys.stdin.readline()
resource.setrlimit(resource.RLIMIT_FSIZE, (held.path.stat().st_size, -1))
held.leave()
held.close()
print("left", flush=True)
sys.stdin.readline()
"""


def test_a_forked_process_keeps_nothing_of_its_parent_alive(bench: Bench) -> None:
    """Where the parent dies, others would wait for the child, and a lock of it for ever."""
    made = subprocess.run(
        [sys.executable, "-c", FORKING, str(bench.place)],
        capture_output=True,
        text=True,
        env=bench.environment,
        timeout=LONG_S,
    )

    assert "parent's: False, own: True" == made.stdout.strip()


FORKING = """
import os, pathlib, sys, time
from bagit_create.sip import claim
claim.HEARTBEAT_S = 0.02
place = pathlib.Path(sys.argv[1])
theirs, own = (place / claim.own_name(name) for name in ("a", "b"))
theirs.mkdir(), own.mkdir()
beat = claim.Heartbeat(theirs)
claim._lock.acquire()
if not (pid := os.fork()):
    for one in (theirs, own):
        os.utime(one, (1, 1))
    claim.Heartbeat(own)
    until = time.monotonic() + 60
    while own.stat().st_mtime == 1 and time.monotonic() < until:
        time.sleep(0.01)
    touched = [one.stat().st_mtime > 1 for one in (theirs, own)]
    print(f"parent's: {touched[0]}, own: {touched[1]}", flush=True)
    os._exit(0)
os.waitpid(pid, 0)
"""


@pytest.mark.parametrize("name", ["bic-worker-2", "bic-batch", "bic-heartbeat", "bic-0"])
def test_a_system_that_allows_no_more_threads_ends_the_run(
    bench: Bench, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    """A million records would else fail with what looks like a bug."""
    ids = bench.records(3)
    bench.sandbox.add_file("zenodo", ids[1], "b.txt", b"another")
    bench.job(ids)
    start = threading.Thread.start

    def limited(self: threading.Thread) -> None:
        if self.name.startswith(name):
            raise RuntimeError("can't start new thread")
        start(self)

    with monkeypatch.context() as few:
        few.setattr(threading.Thread, "start", limited)
        few.setattr(claim, "_beater", None)
        result = bench.run("-w", "4")
    workers = [one for one in threading.enumerate() if one.name.startswith("bic-worker")]

    assert 10 == result.returncode
    assert "may not start more threads" in result.stderr
    assert "fewer --workers" in result.stderr
    assert [] == workers
    assert 0 == bench.run("-w", "4").returncode
    assert ids == bench.packages()


def test_a_run_that_cannot_follow_all_its_processes_ends_them(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    """They would go on behind the back of who was told that the run has ended."""
    job = bench.job(bench.records(2))
    start, begun = threading.Thread.start, list[int]()

    def limited(self: threading.Thread) -> None:
        begun.append(1)
        if len(begun) > 1:
            raise RuntimeError("can't start new thread")
        start(self)

    with monkeypatch.context() as few:
        few.setattr(threading.Thread, "start", limited)
        result = bench.run("-w", "2", "--processes", "2")
    held = [Board(job).claim(one) for one in job.shards() if one not in job.finished()]

    assert 10 == result.returncode
    assert "may not start more threads" in result.stderr
    assert None not in held
    for one in held:
        assert one is not None
        one.close()
