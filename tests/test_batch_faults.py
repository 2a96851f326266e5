"""Many records, and what goes wrong around them: nothing ends that has not come to its end."""

from __future__ import annotations

import errno
import json
import os
import shutil
import socket
import subprocess
import sys
import tempfile
import time
from collections import Counter
from pathlib import Path
from typing import Any, ClassVar

import pytest
from batches import Bench, bench, told
from gates import LONG_S, gate

from bagit_create import batch
from bagit_create.batch import JobFolder, Orders, retry, run
from bagit_create.batch.board import Board
from bagit_create.batch.crew import Crew
from bagit_create.batch.harvest import Harvester
from bagit_create.batch.ledger import Claim
from bagit_create.batch.run import Quiet
from bagit_create.budget import Budget, windows
from bagit_create.errors import BicError, SipError
from bagit_create.sandbox import Fault

__all__ = ["bench"]

MEMORY = Path("/dev/shm")


def room(monkeypatch: pytest.MonkeyPatch, size: int) -> None:
    """Leave so many bytes free on every disk."""
    real = os.statvfs

    def said(place: Any) -> os.statvfs_result:
        facts = list(real(place))[:10]
        facts[1], facts[2:5] = 1, [size, size, size]
        return os.statvfs_result((*facts, 255))

    monkeypatch.setattr(os, "statvfs", said)


def void(_: object) -> None:
    """Nothing."""


# -- what looks like an end and is none ---------------------------------------------------------


def test_records_that_others_have_are_no_success(bench: Bench) -> None:
    """A script that goes on after ``--no-wait`` would take them for packaged."""
    job = bench.job(bench.records(2), "--shard-size", "1")
    held = Board(job).next()
    assert held is not None
    result = bench.run("--no-wait")
    held.close()

    assert 8 == result.returncode
    assert "1 left" in result.stderr


def test_a_job_whose_shards_are_gone_is_not_done(bench: Bench) -> None:
    """Its folder was restored in part."""
    job = bench.job(bench.records(2), "--shard-size", "1")
    os.unlink(job.shards_folder / "01" / "000001.jsonl")
    result = bench.run()

    assert 2 == result.returncode
    assert "1 of the job's 2 shards" in result.stderr


def test_a_shard_that_was_cut_at_the_end_of_a_line_is_damaged(bench: Bench) -> None:
    """Its other records would never be made, and nobody would know."""
    job = bench.job(bench.records(4), "--shard-size", "3")
    path = job.shards_folder / "01" / "000000.jsonl"
    path.chmod(0o644)
    path.write_text("".join(path.read_text().splitlines(keepends=True)[:2]))
    result = bench.run()

    assert 2 == result.returncode
    assert "2 records, where 3 were" in result.stderr


@pytest.mark.parametrize("at_once", [False, True])
def test_a_process_killed_while_it_spoke_is_replaced_like_any_other(
    bench: Bench, monkeypatch: pytest.MonkeyPatch, at_once: bool
) -> None:
    """Half a line is the last that is heard of it; it may not have heard anything itself."""
    ids = bench.records(3)
    bench.job(ids)
    once = bench.place / "once"
    begin = (
        f"import os; fd = os.open({str(once)!r}, os.O_CREAT | os.O_APPEND | os.O_WRONLY);"
        "first = not os.fstat(fd).st_size; os.write(fd, b'x');"
        "first and (os.write(1, b'{\"outco'), os.kill(os.getpid(), 9));"
    )
    running = sys.modules["bagit_create.batch.run"]
    monkeypatch.setattr(running, "START", begin + running.START)
    if at_once:
        monkeypatch.setattr(Slow, "started", [])
        monkeypatch.setattr(running.subprocess, "Popen", Slow)
    made = run(bench.path, Orders(workers=2), processes=2)

    assert 3 == made.done
    assert ids == bench.packages()


class Slow(subprocess.Popen[bytes]):
    """Comes back from starting the first process when that has ended."""

    started: ClassVar[list[int]] = []

    def __init__(self, *given: Any, **named: Any) -> None:
        super().__init__(*given, **named)
        self.started.append(self.pid)
        if self.started[0] == self.pid:
            os.waitid(os.P_PID, self.pid, os.WEXITED | os.WNOWAIT)


def test_who_follows_a_run_and_fails_does_not_end_it_unseen(bench: Bench) -> None:
    """The run ends with that error, not as if all were done."""
    bench.job(bench.records(1))
    events = Quiet()
    events.record_done = lambda *_: json.loads("{")  # type: ignore[method-assign]
    with pytest.raises(BicError, match="JSONDecodeError"):
        run(bench.path, Orders(workers=2), events, processes=2)


@pytest.mark.parametrize("processes", ["1", "2"])
def test_a_run_goes_on_when_nobody_reads_what_it_tells(bench: Bench, processes: str) -> None:
    """``bic batch run -v 2>&1 | head``."""
    ids = bench.records(8)
    bench.job(ids)
    reading, writing = os.pipe()
    os.close(reading)
    words = ["run", str(bench.path), "-v", "-w", "2", "--processes", processes]
    with os.fdopen(writing, "wb") as unread:
        made = subprocess.run(
            [sys.executable, "-m", "bagit_create", "batch", *words],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=unread,
            env=bench.environment,
            timeout=LONG_S,
        )

    assert 0 == made.returncode
    assert ids == bench.packages()


# -- what would never end -----------------------------------------------------------------------


def die(job: JobFolder) -> None:
    """Take a shard, and end without a word."""
    held = Board(job).next()
    assert held is not None
    held.close()


def test_a_record_that_ends_every_process_is_left_out_at_last(bench: Bench) -> None:
    """One that needs more memory than there is would keep the others for ever."""
    first, *others = bench.records(3)
    job = bench.job([first, *others], "--shard-size", "3")
    for _ in range(5):
        die(job)
    result = bench.run("-w", "1")

    assert 8 == result.returncode
    assert others == bench.packages()
    assert {first: "BicError", others[0]: "done", others[1]: "done"} == bench.outcomes()


def test_a_record_is_tried_again_after_a_few_deaths(bench: Bench) -> None:
    """They may have had another reason."""
    ids = bench.records(2)
    job = bench.job(ids, "--shard-size", "2")
    for _ in range(4):
        die(job)

    assert 0 == bench.run("-w", "1").returncode
    assert ids == bench.packages()


def test_workers_that_left_a_shard_have_not_died(bench: Bench) -> None:
    """However often a run is ended with Ctrl-C."""
    job = bench.job(bench.records(1))
    for _ in range(6):
        held = Board(job).next()
        assert held is not None
        held.leave()
        held.close()

    assert 0 == bench.run("-w", "1").returncode


# -- what befalls all ---------------------------------------------------------------------------


def test_a_disk_that_is_nearly_full_ends_the_run(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A million records would else fail in an hour, one after the other."""
    bench.job(bench.records(20))
    room(monkeypatch, 500)
    result = bench.run("-w", "1")

    assert 10 == result.returncode
    assert "not enough room" in result.stderr
    assert {"NoRoom": 2} == batch.survey(JobFolder(bench.path)).totals.failed


def test_a_job_folder_that_takes_no_byte_more_says_what_to_do(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Room is made first; there is no other place for it."""
    bench.job(bench.records(1))

    def full(*_: Any) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(Claim, "append", full)
    result = bench.run("-w", "1")

    assert 10 == result.returncode
    assert "make room on that file system, and run the job again then" in result.stderr


def test_a_machine_that_has_too_many_files_open_ends_the_run(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Waiting for the server would not help: it is there."""
    ids = bench.records(2)
    bench.job(ids, "--retries", "0")

    def none_left(*_: Any, **__: Any) -> None:
        raise OSError(errno.EMFILE, os.strerror(errno.EMFILE))

    with monkeypatch.context() as full:
        full.setattr(socket, "create_connection", none_left)
        result = bench.run("-w", "1")

    assert 10 == result.returncode
    assert "'ulimit -n'" in result.stderr
    assert {"pending"} == set(bench.outcomes().values())
    assert 0 == bench.run("-w", "1").returncode
    assert ids == bench.packages()


def test_one_record_that_is_too_large_for_the_disk_does_not_keep_the_others(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It fails with its kind."""
    ids = bench.records(4)
    bench.sandbox.add_record("zenodo", "7199999", {"large.bin": 3_000_000})
    bench.job([ids[0], "7199999", *ids[1:]], "--shard-size", "5")
    room(monkeypatch, 1_000_000)
    result = bench.run("-w", "1")

    assert 8 == result.returncode
    assert ids == bench.packages()
    assert "NoRoom" == bench.outcomes()["7199999"]


def test_a_full_disk_is_told_from_a_large_record_run_by_run(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Each run gets further, so records that cannot be made do not keep it for ever."""
    ids = bench.records(5)
    bench.job(ids, "--shard-size", "5")
    with monkeypatch.context() as full:
        room(full, 500)
        codes = [bench.run("-w", "1").returncode for _ in range(3)]

    assert [10, 10, 8] == codes
    assert 5 == retry(bench.path, ("NoRoom",))[0]
    assert 0 == bench.run("-w", "1").returncode
    assert ids == bench.packages()


@pytest.mark.parametrize("words", [(), ("--layout", "hashed")])
def test_a_target_that_goes_away_is_not_made_anew(bench: Bench, words: tuple[str, ...]) -> None:
    """It was on a disk that was taken away: what is written below is out of sight later."""
    ids = bench.records(4)
    out = bench.place / "out"
    bench.job(ids, "--shard-size", "4", "--target", out, *words)
    events = Quiet()
    gone = bench.place / "gone"
    events.record_done = lambda *_: void(out.rename(gone))  # type: ignore[method-assign]
    with pytest.raises(SipError, match="not there any more"):
        run(bench.path, Orders(), events, processes=1)

    assert not out.exists()
    assert {"done": 1, "pending": 3} == Counter(bench.outcomes().values())


def test_a_target_that_goes_away_under_a_record_is_no_failure_of_it(bench: Bench) -> None:
    """The next run makes it."""
    ids = bench.records(2)
    out = bench.place / "out"
    bench.job(ids, "--target", out)
    with gate() as held:
        bench.sandbox.fault("a.txt", held.fault)
        running = bench.start("run", bench.path, "-w", "1", "--processes", "1")
        held.wait()
        out.rename(bench.place / "gone")
        held.open()
        running.communicate(timeout=LONG_S)

    assert 10 == running.returncode
    assert {"pending"} == set(bench.outcomes().values())


def test_a_credential_that_expired_ends_the_run(bench: Bench) -> None:
    """Ten thousand records would else fail in a minute."""
    bench.job(bench.records(30), "--shard-size", "30")
    bench.sandbox.fault("/api/records/", Fault("status", status=401))
    result = bench.run("-w", "1", "--token", "old")

    assert 6 == result.returncode
    assert "has it expired?" in result.stderr
    assert {"AccessDenied": 9} == batch.survey(JobFolder(bench.path)).totals.failed


def test_records_that_nobody_may_read_without_a_credential_end_nothing(bench: Bench) -> None:
    """Each of them fails."""
    bench.job(bench.records(12), "--shard-size", "12")
    bench.sandbox.fault("/api/records/", Fault("status", status=401))

    assert 8 == bench.run("-w", "1").returncode
    assert {"AccessDenied": 12} == batch.survey(JobFolder(bench.path)).totals.failed


def test_a_process_of_a_run_may_have_all_files_open_that_the_system_allows(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Shells usually allow 1,024; too few look like a disk that gives other bytes back."""
    bench.job(bench.records(1))
    running = sys.modules["bagit_create.batch.run"]
    said = bench.place / "said"
    begin = (
        "import os, resource; of = resource.RLIMIT_NOFILE;"
        "resource.setrlimit(of, (64, resource.getrlimit(of)[1])); end = os._exit;"
        f"os._exit = lambda code: (open({str(said)!r}, 'w').write(str(resource.getrlimit(of)[0])),"
        " end(code));"
    )
    monkeypatch.setattr(running, "START", begin + running.START)
    run(bench.path, Orders(workers=2), processes=2)

    assert 64 < int(said.read_text())


# -- twice --------------------------------------------------------------------------------------


def test_of_two_retries_that_overlap_one_gives_the_records_out(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Reading the logs of a large job takes a while."""
    bench.job(["9999998", "9999999"])
    bench.run()
    reading = batch.last_outcomes

    def slowly(job: JobFolder) -> Any:
        yield from reading(job)
        monkeypatch.undo()
        assert 2 == retry(bench.path)[0]

    monkeypatch.setattr(sys.modules["bagit_create.batch.retry"], "last_outcomes", slowly)
    with pytest.raises(SipError, match="Another retry"):
        retry(bench.path)

    assert ["01", "02"] == sorted(os.listdir(bench.path / "shards"))


def test_a_record_by_its_id_and_its_doi_is_one_record(bench: Bench) -> None:
    """However the DOI is written."""
    lines = ["7100001", "10.5281/zenodo.7100001", "https://doi.org/10.5281/zenodo.7100001"]

    assert 2 == told(bench.create(lines, "--json"))["repeated"]


@pytest.mark.parametrize("elsewhere", [False, True])
def test_what_a_killed_worker_left_beside_its_package_goes(bench: Bench, elsewhere: bool) -> None:
    """With another disk to work on that is all of the package once more."""
    (recid,) = bench.records(1)
    job = bench.job([recid])
    disk = MEMORY if MEMORY.is_dir() else bench.place
    work = Path(tempfile.mkdtemp(dir=disk, prefix="bic-test-")) if elsewhere else job.target
    words = ["-w", "1", "--processes", "1", *(("--workdir", str(work)) if elsewhere else ())]
    killed = subprocess.run(
        [sys.executable, "-c", AT_ITS_END, "batch", "run", str(job.path), *words],
        env=bench.environment,
        timeout=LONG_S,
    )
    try:
        assert -9 == killed.returncode
        assert 1 == len(list(work.glob(".bic-staging/zenodo-*")))
        assert 0 == bench.run(*words).returncode
        assert [] == list(work.glob(".bic-staging"))
    finally:
        if elsewhere:
            shutil.rmtree(work)
    assert [recid] == bench.packages()


AT_ITS_END = """
import os, sys
from bagit_create.cli import cli
from bagit_create.sip.staging import Staging
Staging.discard = lambda *_, **__: os.kill(os.getpid(), 9)
cli(sys.argv[1:], prog_name="bic")
"""


def test_a_job_folder_that_cannot_be_written_is_named_as_such(bench: Bench) -> None:
    """The packages' folder is another one."""
    job = bench.job(bench.records(1), "--target", bench.place / "out")
    shard = job.shards()[0]
    (job.done / shard.name).mkdir()  # as if it could not be made
    job.finished = lambda: set()  # type: ignore[method-assign]
    with pytest.raises(SipError, match="The job folder cannot be written"):
        Crew(job, Quiet(), lambda: Harvester(job.file.options, Quiet())).wait()


HARMLESS = (("submit", "logs"), ("retry", "done"))
"""Which command does without which folder."""


@pytest.mark.parametrize(
    "words", [("run",), ("status",), ("retry",), ("submit", "--engine", "htcondor", "--write-only")]
)
@pytest.mark.parametrize("name", ["done", "logs"])
def test_a_job_folder_without_its_empty_folders_is_told_in_words(
    bench: Bench, words: tuple[str, ...], name: str
) -> None:
    """A copy by way of git has none."""
    job = bench.job(["1"])
    (job.path / name).rmdir()
    result = bench.bic(words[0], job.path, *words[1:])

    assert 10 == result.returncode or (words[0], name) in HARMLESS
    assert "bug" not in result.stderr


# -- what must not be told ----------------------------------------------------------------------


@pytest.mark.parametrize("words", [(), ("-vv",)])
def test_an_unexpected_error_tells_no_token(bench: Bench, words: tuple[str, ...]) -> None:
    """Nor does its traceback, which only ``-vv`` shows."""
    bench.job(bench.records(1))
    secret = bench.place / "token"
    secret.write_text("c4n4ry-very-secret\n")
    secret.chmod(0o600)
    command = ["batch", "run", str(bench.path), "--token-file", str(secret), "-w", "2", *words]
    made = subprocess.run(
        [sys.executable, "-c", BREAKING, *command, "--processes", "2"],
        capture_output=True,
        text=True,
        env=bench.environment,
        timeout=LONG_S,
    )

    assert 8 == made.returncode
    assert "unexpected error with 7100001: RuntimeError" in made.stderr
    assert "c4n4ry" not in made.stderr
    assert bool(words) == ("Traceback" in made.stderr)


BREAKING = """
import sys
from bagit_create.batch import run
run.__globals__["START"] = (
    "import bagit_create.wire as w; f = w.Wire.send\\n"
    "def send(self, *a):\\n"
    "    raise RuntimeError('Bearer ' + self._token.value)\\n"
    "w.Wire.send = send\\n"
) + run.__globals__["START"]
from bagit_create.cli import cli
cli(sys.argv[1:], prog_name="bic")
"""


# -- odd beginnings -----------------------------------------------------------------------------


def test_a_list_from_windows_is_read(bench: Bench) -> None:
    """It begins with a mark of its encoding, and its lines end otherwise."""
    path = bench.place / "list"
    path.write_bytes(b"\xef\xbb\xbf7100001\r\n7100002\r\n")
    made = bench.bic("create", bench.path, path, "--source", "zenodo")

    assert 0 == made.returncode, made.stderr
    assert ["7100001", "7100002"] == [one.recid for _, one in JobFolder(bench.path).every_item()]


def test_a_last_line_without_an_end_is_told_of(bench: Bench) -> None:
    """Half an id names another record, and whoever wrote the list may have been killed."""
    made = bench.bic("create", bench.path, "--source", "zenodo", text="7100001\n71000")

    assert 0 == made.returncode
    assert "the last line, '71000', has no end" in made.stderr


@pytest.mark.parametrize("text", ["7100001", "7100001\n7100002\n", "7100001\r\n7100002\r\n"])
def test_a_list_that_is_whole_needs_no_warning(bench: Bench, text: str) -> None:
    """Nor does a single id."""
    made = bench.bic("create", bench.path, "--source", "zenodo", text=text)

    assert "warning" not in made.stderr


def test_without_standard_input_a_list_must_be_named(bench: Bench) -> None:
    """As when a daemon starts it."""
    command = [sys.executable, "-m", "bagit_create", "batch", "create", str(bench.path)]
    made = subprocess.run(
        ["sh", "-c", 'exec "$@" <&-', "sh", *command, "--source", "zenodo"],
        capture_output=True,
        text=True,
        env=bench.environment,
        timeout=LONG_S,
    )

    assert 2 == made.returncode
    assert "There is no list" in made.stderr


def test_the_current_folder_does_not_become_a_job(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Another one would take its place, and the next command be nowhere."""
    bench.path = bench.place / "here"
    bench.path.mkdir()
    monkeypatch.chdir(bench.path)
    made = bench.bic("create", ".", "--source", "zenodo", text="1\n")

    assert 2 == made.returncode
    assert "current folder" in made.stderr


def test_what_to_do_next_can_be_pasted(bench: Bench) -> None:
    """A folder may have blanks in its name."""
    bench.path = bench.place / "my job"

    assert f"bic batch run '{bench.path}'" in bench.create(["1"]).stderr


# -- a hostile server ---------------------------------------------------------------------------


def test_a_server_that_tells_another_limit_each_time_fills_no_memory() -> None:
    """Neither that of a process nor the file that it shares."""
    one = Budget(paced=True)
    end = str(int(time.time()) + 3600)
    for number in range(500):
        told_of = {
            "x-ratelimit-limit": str(100_000 + number),
            "x-ratelimit-remaining": "90000",
            "x-ratelimit-reset": end,
        }
        one.learn(200, told_of, "https://example.org/api/records/1")

    assert len(one._state.windows) <= windows.KEPT_WINDOWS
    assert len(json.dumps(one._state.snapshot())) < 50_000


def test_of_too_many_limits_those_are_kept_of_which_least_is_left() -> None:
    """They are the ones that hold a run up."""
    one = Budget(paced=True)
    end = str(int(time.time()) + 3600)
    for number in (7, *range(1000, 1100)):
        told_of = {
            "x-ratelimit-limit": str(number),
            "x-ratelimit-remaining": str(number - 1),
            "x-ratelimit-reset": end,
        }
        one.learn(200, told_of, "https://example.org/api/records/1")

    assert 7 in one._state.windows
