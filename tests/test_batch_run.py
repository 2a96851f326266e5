"""``bic batch run``, ``status`` and ``retry``: every record ends once, whatever happens."""

from __future__ import annotations

import json
import os
import signal
import socket
import threading
import time
from collections.abc import Callable
from contextlib import closing, suppress
from pathlib import Path
from typing import Any

import pytest
from batches import Bench, bench, told
from gates import FOR_EVER_S, LONG_S, gate, until

from bagit_create import batch, budget, validation
from bagit_create.batch import Item, JobFolder, Orders, Outcome, crew
from bagit_create.batch.board import Board
from bagit_create.batch.crew import Crew
from bagit_create.batch.folder import Shard
from bagit_create.batch.ledger import Lost, log_name, take
from bagit_create.batch.run import Quiet
from bagit_create.errors import Interrupted, SipError
from bagit_create.sandbox import Fault
from bagit_create.sip import claim

__all__ = ["bench"]


# -- the plain case -----------------------------------------------------------------------------


def test_every_record_gets_its_package(bench: Bench) -> None:
    """Each is a valid one."""
    ids = bench.records(12)
    job = bench.job(ids)
    result = bench.run("--workers", "4")

    assert 0 == result.returncode, result.stderr
    assert ids == bench.packages()
    for path in job.target.iterdir():
        assert "valid" == validation.validate(path).verdict


def test_the_packages_folder_is_the_result(bench: Bench) -> None:
    """One line."""
    bench.job(bench.records(1), "--target", bench.place / "out")

    assert f"{bench.place / 'out'}\n" == bench.run().stdout


def test_the_same_options_as_for_one_record_hold(bench: Bench) -> None:
    """A light package as an archive."""
    job = bench.job(bench.records(1), "--dry-run", "--archive", "zip")
    bench.run("-w", "1")

    (made,) = job.target.glob("*.zip")
    assert "incomplete" == validation.validate(made).verdict


def test_a_failed_record_is_told_with_its_kind_and_the_others_are_made(bench: Bench) -> None:
    """Exit code 8, as with files that are missing."""
    ids = [*bench.records(2), "7000002", "9999999"]
    bench.job(ids)
    result = bench.run("--workers", "2", "--json")

    assert 8 == result.returncode
    assert {"AccessDenied": 1, "RecordNotFound": 1} == told(result)["failed"]
    assert ids[:2] == bench.packages()


def test_a_job_that_is_done_asks_nobody(bench: Bench) -> None:
    """Run again, it is over at once, with the same exit code."""
    bench.job([*bench.records(2), "9999999"])
    bench.run()
    asked = bench.asked()
    result = bench.run()

    assert 8 == result.returncode
    assert asked == bench.asked()


@pytest.mark.parametrize("workers, processes", [(1, 1), (3, 1), (4, 2), (9, 3)])
def test_workers_are_threads_in_processes(bench: Bench, workers: int, processes: int) -> None:
    """All of them work on one job."""
    ids = bench.records(10)
    bench.job(ids)

    assert 0 == bench.run("-w", workers, "--processes", processes).returncode
    assert ids == bench.packages()


def test_two_runs_at_the_same_time_make_each_record_once(bench: Bench) -> None:
    """As two machines would."""
    ids = bench.records(30)
    bench.job(ids)
    runs = [bench.start("run", bench.path, "-w", "2") for _ in range(2)]
    for one in runs:
        one.communicate(timeout=LONG_S)

    assert [0, 0] == [one.returncode for one in runs]
    assert ids == bench.packages()


def test_v_tells_how_each_record_ended(bench: Bench) -> None:
    """On standard error."""
    bench.job([*bench.records(1), "9999999"])
    told_of = bench.run("-v").stderr

    assert "zenodo 7100001: done sip::zenodo::7100001::" in told_of
    assert "zenodo 9999999: failed (RecordNotFound)" in told_of


@pytest.mark.parametrize(
    "words",
    [("--processes", "0"), ("--processes", "-1"), ("--workers", "0"),
     ("--workers", "9999"), ("--share", "2"), ("--share", "x"),
     ("--share", "1/0"), ("--share", "1e999"), ("--patience", "-1"), ("--patience", "nan"),
     ("--token", "a", "--token-file", "b")],
)  # fmt: skip
def test_orders_that_cannot_work_are_refused(bench: Bench, words: tuple[str, ...]) -> None:
    """Before any request."""
    bench.job(bench.records(1))
    result = bench.run(*words)

    assert 2 == result.returncode
    assert words[0].lstrip("-") in result.stderr
    assert 0 == bench.asked()


# -- secrets ------------------------------------------------------------------------------------


def test_a_token_reaches_every_worker_and_stands_nowhere(bench: Bench) -> None:
    """It is given to the run, goes to the processes by a pipe, and opens the record."""
    bench.job(["7000002", *bench.records(3)])
    secret = bench.place / "token"
    secret.write_text("good\n")
    secret.chmod(0o600)
    result = bench.run("--workers", "4", "--processes", "2", "--token-file", secret, "-v")

    assert 0 == result.returncode, result.stderr
    used = {one.headers.get("authorization") for one in bench.sandbox.seen if one.host == "zenodo"}
    assert {"Bearer good"} == used


def test_a_tokens_process_list_does_not_show_it(bench: Bench) -> None:
    """No process of the run has it among its arguments or its environment."""
    bench.sandbox.fault("/api/records/", Fault("slow-first-byte", seconds=FOR_EVER_S))
    bench.job(bench.records(2))
    secret = bench.place / "token"
    secret.write_text("abcdef-very-secret-token\n")
    secret.chmod(0o600)
    run = bench.start("run", bench.path, "-w", "2", "--processes", "2", "--token-file", secret)
    until(lambda: bench.asked() >= 1 and 2 == len(processes(bench)))
    shown = b""
    for place in Path("/proc").glob("[0-9]*"):
        for name in ("cmdline", "environ"):
            try:
                shown += (place / name).read_bytes()
            except OSError:
                continue
    run.send_signal(signal.SIGTERM)
    run.communicate(timeout=LONG_S)

    assert b"very-secret" not in shown
    kept = [path.read_bytes() for path in bench.path.rglob("*") if path.is_file()]
    assert not any(b"very-secret" in one for one in kept)


def test_one_token_is_not_sent_to_several_sources(bench: Bench) -> None:
    """Each has its own, in the environment."""
    bench.job(["7000001", "https://cds.cern.ch/record/1001"])
    result = bench.run("--token", "x")

    assert 2 == result.returncode
    assert "BIC_TOKEN_" in result.stderr
    assert 0 == bench.asked()


# -- being stopped ------------------------------------------------------------------------------


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
@pytest.mark.parametrize("processes", [1, 2])
def test_a_run_that_is_ended_goes_on_where_it_was(
    bench: Bench, number: signal.Signals, processes: int
) -> None:
    """Exit code 130, soon; nothing is lost, and nothing made twice."""
    ids = bench.records(12)
    bench.job(ids)
    with gate(free=4) as held:
        bench.sandbox.fault("/api/records/[0-9]*$", held.fault)
        run = bench.start("run", bench.path, "-w", "3", "--processes", processes)
        until(lambda: len(bench.packages()) >= 3)
        run.send_signal(number)
        _, said = run.communicate(timeout=LONG_S)

    assert 130 == run.returncode, said
    assert "run the job again" in said
    bench.sandbox.clear()
    assert 0 == bench.run("-w", "2").returncode
    assert ids == bench.packages()
    assert [] == list(JobFolder(bench.path).target.glob(".bic-staging/*"))


def processes(bench: Bench) -> set[int]:
    """The processes that hold shards."""
    return {one.pid for one in batch.survey(JobFolder(bench.path)).holders}


def children_of(parent: int) -> list[int]:
    """The processes that a process has started."""
    found = []
    for place in Path("/proc").glob("[0-9]*"):
        with suppress(OSError):
            told = (place / "stat").read_bytes().rpartition(b")")[2].split()
            if int(told[1]) == parent:
                found.append(int(place.name))
    return found


def test_a_killed_run_goes_on_where_it_was(bench: Bench) -> None:
    """All of its processes at once, without a word."""
    ids = bench.records(12)
    bench.job(ids, "--shard-size", "4")
    with gate(free=4) as held:
        bench.sandbox.fault("/api/records/[0-9]*$", held.fault)
        run = bench.start("run", bench.path, "-w", "3", "--processes", "2")
        until(lambda: len(bench.packages()) >= 3)
        for pid in [*children_of(run.pid), run.pid]:
            os.kill(pid, signal.SIGKILL)
        run.communicate(timeout=LONG_S)
    bench.sandbox.clear()

    assert 0 == bench.run("-w", "2").returncode
    assert ids == bench.packages()


def test_workers_end_when_their_parent_is_gone(bench: Bench) -> None:
    """Nobody is left to tell them."""
    bench.sandbox.fault("/api/records/", Fault("slow-first-byte", seconds=FOR_EVER_S))
    bench.job(bench.records(4))
    run = bench.start("run", bench.path, "-w", "2", "--processes", "2")
    until(lambda: bench.asked() >= 1 and 2 == len(processes(bench)))
    os.kill(run.pid, signal.SIGKILL)
    run.communicate(timeout=LONG_S)

    until(lambda: all(one.gone for one in batch.survey(JobFolder(bench.path)).holders))


def test_a_process_that_dies_is_replaced(bench: Bench) -> None:
    """The kernel takes the one that needs most memory."""
    ids = bench.records(8)
    bench.sandbox.fault("/api/records/", Fault("slow-first-byte", seconds=FOR_EVER_S), times=1)
    bench.job(ids)
    run = bench.start("run", bench.path, "-w", "2", "--processes", "2")
    until(lambda: bench.asked() >= 1 and 2 == len(processes(bench)))
    for pid in processes(bench):
        os.kill(pid, signal.SIGKILL)
    _, said = run.communicate(timeout=LONG_S)

    assert 0 == run.returncode, said
    assert "another one goes on" in said
    assert ids == bench.packages()


# -- claims -------------------------------------------------------------------------------------


class Stub:
    """Makes an empty folder for each record, and remembers whom it was asked for."""

    def __init__(self) -> None:
        self.made: list[str] = []
        self.before: Callable[[], None] = lambda: None

    def make(self, item: Item, place: Path, begin: Callable[[Outcome], None]) -> Outcome:
        outcome = Outcome(number=item.number, state="done", package=f"sip::x::{item.recid}::1")
        self.before()
        begin(outcome)
        (place / outcome.package).mkdir(parents=True)
        self.made.append(item.recid)
        return outcome

    def settle(self, begun: Outcome, place: Path) -> bool:
        return (place / begun.package).exists()

    def answers(self, item: Item) -> bool:
        return True

    def stop(self) -> None:
        pass

    def close(self) -> None:
        pass


def work(job: JobFolder, stub: Stub, **more: Any) -> Crew:
    crew = Crew(job, Quiet(), lambda: stub, **more)
    crew.wait()
    return crew


def test_a_shard_that_somebody_works_on_is_left_alone(bench: Bench) -> None:
    """A second delivery of it finds it taken."""
    job, stub = bench.job(["1", "2"], "--shard-size", "2"), Stub()
    held = Board(job).next()

    assert held is not None
    assert work(job, stub, only=Shard(1, 0)).taken
    assert [] == stub.made
    held.close()


def test_a_shard_that_was_left_is_gone_on_with(bench: Bench) -> None:
    """What its worker had finished is not made again."""
    job, stub = bench.job(["1", "2"], "--shard-size", "2"), Stub()
    held = Board(job).next()
    assert held is not None
    held.append(Outcome(number=0, state="done", package="x"))
    held.leave()
    held.close()
    work(job, stub)

    assert ["2"] == stub.made
    assert batch.survey(job).complete


def test_a_shard_of_another_machine_is_taken_once_that_is_silent(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    """By the clock of the file system: those of the machines differ."""
    job, stub = bench.job(["1"]), Stub()
    with monkeypatch.context() as elsewhere:
        elsewhere.setattr(claim, "_here", lambda pid: ("0badcafe", "0000"))
        held = take(job, Shard(1, 0), 1)
    assert held is not None

    assert work(job, stub, wait=False) and [] == stub.made
    silent = time.time() - claim.OTHER_HOST_S - 60
    os.utime(held.path, (silent, silent))
    assert work(job, stub, wait=False) and ["1"] == stub.made


def test_a_worker_that_was_taken_for_dead_makes_no_package(bench: Bench) -> None:
    """It slept for too long; its successor makes the record."""
    job, stub = bench.job(["1", "2"], "--shard-size", "2"), Stub()
    stub.before = lambda: (job.logs / log_name(Shard(1, 0), 2)).touch()
    work(job, stub, wait=False)

    assert [] == stub.made
    assert not job.target.exists()


def test_a_real_package_does_not_appear_either_then(bench: Bench) -> None:
    """The last question before it gets its name."""
    from bagit_create.batch.harvest import Harvester

    job = bench.job(bench.records(1))

    def lost(_: Outcome) -> None:
        raise Lost("another worker has it")

    harvester = Harvester(job.file.options, Quiet())
    with closing(harvester), pytest.raises(Lost):
        harvester.make(job.items(Shard(1, 0))[0], job.target, lost)

    assert [] == list(job.target.glob("*"))


def test_a_package_that_appeared_and_was_not_noted_is_not_made_again(bench: Bench) -> None:
    """The worker was killed in between."""
    job, stub = bench.job(["1", "2"], "--shard-size", "2"), Stub()
    held = Board(job).next()
    assert held is not None
    (job.target / "sip::x::1::1").mkdir(parents=True)
    held.begin(Outcome(number=0, state="done", package="sip::x::1::1", files=3, bytes=7))
    held.begin(Outcome(number=1, state="done", package="sip::x::2::1"))
    held.leave()
    held.close()
    work(job, stub)

    assert ["2"] == stub.made
    totals = batch.survey(job).totals
    assert (2, 3, 7) == (totals.done, totals.files, totals.bytes)


@pytest.mark.parametrize("end", [b"", b'{"n":', b"\0" * 50, b"\xff\xfe\n", b"[]\n", b'{"n":"x"}\n'])
def test_a_log_that_was_cut_is_read_as_far_as_it_goes(bench: Bench, end: bytes) -> None:
    """The machine went down while it was written."""
    job, stub = bench.job(["1", "2"], "--shard-size", "2"), Stub()
    held = Board(job).next()
    assert held is not None
    held.append(Outcome(number=0, state="done", package="x"))
    held.close()
    with held.path.open("ab") as file:
        file.write(end)
    work(job, stub)

    assert ["2"] == stub.made


def test_a_claim_that_says_nothing_is_waited_for_and_then_taken(bench: Bench) -> None:
    """Its worker died before it could say who it is."""
    job, stub = bench.job(["1"]), Stub()
    path = job.logs / log_name(Shard(1, 0), 1)
    path.touch()

    assert work(job, stub, wait=False) and [] == stub.made
    silent = time.time() - claim.OTHER_HOST_S - 60
    os.utime(path, (silent, silent))
    assert work(job, stub, wait=False) and ["1"] == stub.made


def test_claims_work_where_there_are_no_hard_links(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    """On EOS there are none."""

    def none(*_: object) -> None:
        raise PermissionError(1, "no links here")

    monkeypatch.setattr(os, "link", none)
    job, stub = bench.job(["1", "2"], "--shard-size", "1"), Stub()
    work(job, stub, workers=3)

    assert ["1", "2"] == sorted(stub.made)


def test_many_workers_make_each_record_once(bench: Bench) -> None:
    """In one process, and with shards of one record, where they meet most often."""
    ids = [str(number) for number in range(300)]
    job, stub = bench.job(ids, "--shard-size", "1"), Stub()
    work(job, stub, workers=16)

    assert sorted(ids) == sorted(stub.made)


# -- what no record can be made with ------------------------------------------------------------


def test_a_target_that_cannot_be_written_ends_the_run(bench: Bench) -> None:
    """Exit code 10, and no record is called failed for it."""
    (bench.place / "out").write_text("a file")
    bench.job(bench.records(3), "--target", bench.place / "out")
    result = bench.run("-w", "2")

    assert 10 == result.returncode
    assert {"pending"} == set(bench.outcomes().values())


def test_a_server_that_is_not_there_ends_the_run_and_fails_nothing(bench: Bench) -> None:
    """Exit code 7: an outage of a night is not a million failures."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    job = bench.job(
        [str(number) for number in range(20)],
        *("--base-url", f"http://127.0.0.1:{port}", "--retries", "0", "--shard-size", "20"),
    )
    result = bench.run("-w", "1", "--patience", "0")

    assert 7 == result.returncode, result.stderr
    assert {"pending"} == set(bench.outcomes().values())
    assert not batch.survey(job).complete


def test_a_server_that_comes_back_is_waited_for(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The records that did not find it are tried again, and none has failed."""
    from bagit_create.batch import patience

    monkeypatch.setattr(patience, "FIRST_HOLD_S", 0.01)
    ids = bench.records(6)
    bench.job(ids, "--shard-size", "6", "--retries", "0")
    bench.sandbox.fault("/api/records/", Fault("status", status=503), times=4)
    made = batch.run(bench.path, Orders(workers=1))

    assert (6, {}) == (made.done, made.failed)


def test_an_outage_fails_one_record_a_worker_at_most(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Also where a shard is one record, so that nothing else can be made meanwhile."""
    from bagit_create.batch import patience

    monkeypatch.setattr(patience, "FIRST_HOLD_S", 0.01)
    bench.job(bench.records(6), "--shard-size", "1", "--retries", "0")
    bench.sandbox.fault("/api/records/", Fault("status", status=503), times=7)
    made = batch.run(bench.path, Orders(workers=1))

    assert (5, {"Unreachable": 1}) == (made.done, made.failed)


def test_the_error_of_a_worker_process_is_that_of_the_run(bench: Bench) -> None:
    """From Python, it is raised as what it is."""
    (bench.place / "out").write_text("a file")
    bench.job(bench.records(3), "--target", bench.place / "out")

    with pytest.raises(SipError) as err:
        batch.run(bench.path, Orders(workers=2), processes=2)
    assert str(bench.place / "out") in str(err.value)


# -- retry --------------------------------------------------------------------------------------


def test_failed_records_are_tried_again_and_counted_once(bench: Bench) -> None:
    """The others are not."""
    ids = bench.records(3)
    bench.sandbox.fault("/api/records/7100002", Fault("status", status=404))
    bench.job([*ids, "9999999"])
    assert 8 == bench.run().returncode
    bench.sandbox.clear()

    assert {"records": 2, "kinds": {"RecordNotFound": 2}} == told(
        bench.bic("retry", bench.path, "--json")
    )
    before = told(bench.bic("status", bench.path, "--json"))
    assert (2, 2, {}) == (before["done"], before["left"], before["failed"])
    bench.run()
    after = told(bench.bic("status", bench.path, "--json"))
    assert (3, 0, {"RecordNotFound": 1}) == (after["done"], after["left"], after["failed"])
    assert ids == bench.packages()


def test_retry_takes_the_kinds_that_it_is_told(bench: Bench) -> None:
    """By the name of the error or by its exit code."""
    bench.job(["7000002", "9999999"])
    bench.run()

    assert "1 record" in bench.bic("retry", bench.path, "--kind", "AccessDenied").stderr
    assert "1 record" in bench.bic("retry", bench.path, "--kind", "5").stderr
    assert "nothing to try" in bench.bic("retry", bench.path).stderr, "they are pending now"


def test_a_kind_that_does_not_exist_is_refused(bench: Bench) -> None:
    """With those that do."""
    bench.job(["1"])
    result = bench.bic("retry", bench.path, "--kind", "Nonsense")

    assert 2 == result.returncode
    assert "RecordNotFound" in result.stderr


def test_running_workers_take_up_what_is_retried(bench: Bench) -> None:
    """Nobody need start them again."""
    ids = bench.records(2)
    bench.sandbox.fault("/api/records/7100001", Fault("status", status=404), times=1)
    bench.job(ids)
    with gate() as held:
        bench.sandbox.fault("/api/records/7100002$", held.fault, times=1)
        run = bench.start("run", bench.path, "-w", "2", "--processes", "1")
        until(lambda: "RecordNotFound" in bench.outcomes().values())
        held.wait()
        bench.bic("retry", bench.path)
        held.open()
        _, said = run.communicate(timeout=LONG_S)

    assert 0 == run.returncode, said
    assert ids == bench.packages()


# -- status -------------------------------------------------------------------------------------


def test_status_tells_who_is_at_work(bench: Bench) -> None:
    """Host, process, and whether it lives."""
    bench.sandbox.fault("/api/records/", Fault("slow-first-byte", seconds=FOR_EVER_S))
    bench.job(bench.records(3), "--shard-size", "3")
    run = bench.start("run", bench.path, "-w", "1")
    until(lambda: bench.asked() >= 1)
    (worker,) = told(bench.bic("status", bench.path, "--json"))["workers"]
    text = bench.bic("status", bench.path).stdout
    run.kill()
    run.communicate()

    assert (run.pid, False, "01-000000") == (worker["pid"], worker["gone"], worker["shard"])
    assert f"process {run.pid}, alive" in text
    assert "gone" in bench.bic("status", bench.path).stdout


def test_status_live_ends_with_the_job(bench: Bench) -> None:
    """A line of JSON a look."""
    bench.job(bench.records(2))
    watch = bench.start("status", bench.path, "--live", "--json")
    bench.run()
    said, _ = watch.communicate(timeout=LONG_S)
    looks = [json.loads(line) for line in said.splitlines()]

    assert 0 == watch.returncode
    assert (2, True) == (looks[-1]["done"], looks[-1]["complete"])


# -- from Python --------------------------------------------------------------------------------


def test_ctrl_c_waits_for_all_workers_together(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Not for each in turn: a minute is long enough."""
    waited = [0.0]

    class Stuck(threading.Event):
        def wait(self, timeout: float | None = None) -> bool:
            if timeout == crew.LOOK_S:
                raise KeyboardInterrupt
            waited[0] += timeout or 0.0
            return False

    made = Crew(bench.job(bench.records(1)), Quiet(), Stub, workers=8)
    with monkeypatch.context() as patched:
        patched.setattr(made, "_ended", [Stuck() for _ in range(8)])
        patched.setattr(crew, "monotonic", lambda: waited[0])
        with pytest.raises(KeyboardInterrupt):
            made.wait()

    assert crew.GRACE_S == waited[0]


def test_events_tell_of_every_record(bench: Bench) -> None:
    """The same that the progress display uses."""

    class Noted(Quiet):
        def __init__(self) -> None:
            self.lock = threading.Lock()
            self.ended: list[tuple[str, str]] = []
            self.all = 0
            self.files: list[str] = []
            self.moved = 0

        def started(self, files: int, size: int | None) -> None:
            self.all = files

        def file_done(self, bagpath: str) -> None:
            self.files.append(bagpath)

        def advanced(self, count: int) -> None:
            with self.lock:
                self.moved += count

        def record_done(self, item: Item, outcome: Outcome) -> None:
            self.ended.append((item.recid, outcome.state))

    ids = bench.records(4)
    bench.job([*ids, "9999999"])
    for processes, events in ((2, Noted()), (1, Noted())):
        made = batch.run(bench.path, Orders(workers=4), events, processes=processes)
        if processes == 2:
            assert 5 == events.all == made.records
            assert {*((one, "done") for one in ids), ("9999999", "failed")} == set(events.ended)
            assert {f"zenodo {one}" for one in [*ids, "9999999"]} == set(events.files)
            assert events.moved == made.bytes, "read back, they do not count again"
        else:
            assert 0 == events.all == made.records


def test_an_interrupted_run_raises_and_can_be_continued(bench: Bench) -> None:
    """As ``run()`` of one record does."""
    bench.sandbox.fault("/api/records/", Fault("status", status=503, retry_after="1"), times=1)
    ids = bench.records(1)
    bench.job(ids)
    events = Quiet()
    here = os.getpid()
    events.waiting = lambda *_: os.kill(here, signal.SIGINT)  # type: ignore[method-assign]
    with pytest.raises(Interrupted):
        batch.run(bench.path, Orders(workers=1), events)
    batch.run(bench.path, Orders(workers=1))

    assert ids == bench.packages()


# -- what workers keep between records ----------------------------------------------------------


def test_a_worker_keeps_its_connections(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    """Each would else begin with some turns to the server and back."""
    from bagit_create.net.connect import Connections

    opened = []
    reach = Connections._reach

    def counted(self: Connections, host: str, port: int) -> Any:
        opened.append((host, port))
        return reach(self, host, port)

    monkeypatch.setattr(Connections, "_reach", counted)
    bench.job(bench.records(6))

    assert 0 == bench.run("-w", "1", "--processes", "1").returncode
    assert len(set(opened)) == len(opened) <= 2, "the source, and where its files are"


def test_a_record_that_broke_off_does_not_spoil_the_next(bench: Bench) -> None:
    """Connections that it began are not taken for its successor's."""
    ids = bench.records(5)
    bench.sandbox.fault("7100002/files/a.txt", Fault("cut", after=3))
    bench.sandbox.fault("/api/records/7100004", Fault("reset", after=20))
    bench.job(ids, "--shard-size", "5")
    bench.run("-w", "1", "--processes", "1")

    assert {"7100001", "7100003", "7100005"} == set(bench.packages())


# -- a later run --------------------------------------------------------------------------------


@pytest.mark.parametrize("layout", ["flat", "hashed"])
def test_a_later_job_makes_what_has_changed(bench: Bench, layout: str) -> None:
    """Of the others one request tells that nothing has."""
    ids = bench.records(4)
    words = ("--target", bench.place / "out", "--layout", layout)
    bench.job(ids, *words)
    bench.run()
    bench.path = bench.place / "later"
    bench.job(ids, *words, "--if-changed")
    bench.sandbox.clear()
    bench.sandbox.add_file("zenodo", "7100003", "b.txt", b"new")
    made = told(bench.run("--json"))["made"]

    assert (1, 3, {}) == (made["done"], made["unchanged"], made["failed"])
    assert 1 == made["reused"], "the other file of that record"
    assert sorted([*ids, "7100003"]) == bench.packages()
    asked = [one.path for one in bench.sandbox.seen if "7100003" not in one.path]
    assert 3 == len(asked)


@pytest.mark.parametrize("then", ["flat", "hashed"])
@pytest.mark.parametrize("now", ["flat", "hashed"])
def test_the_packages_of_an_earlier_job_may_be_elsewhere(bench: Bench, then: str, now: str) -> None:
    """In folders by id or side by side, whatever the later one does."""
    ids = bench.records(3)
    bench.job(ids, "--layout", then)
    bench.run()
    earlier = bench.path / "packages"
    bench.path = bench.place / "later"
    words = ("--layout", now, "--if-changed", "--previous", earlier)
    bench.job(ids, *words)

    assert 3 == told(bench.run("--json"))["made"]["unchanged"]
    assert [] == bench.packages()


def test_two_jobs_in_one_process_keep_to_what_each_shares(bench: Bench, config_file: Path) -> None:
    """Each with the other processes that work on it; what is run beside them shares nothing."""
    first = bench.job(bench.records(6))
    second = Bench(bench.sandbox, config_file, bench.place / "second")
    second.place.mkdir()
    other = second.job(bench.records(6, 7200001))
    both = threading.Barrier(3)

    class Together(Quiet):
        def record_done(self, item: Item, outcome: Outcome) -> None:
            if item.number == 0:
                both.wait(LONG_S)

    threads = [
        threading.Thread(
            target=batch.run,
            args=(job.path, Orders(workers=1), Together()),
            kwargs={"processes": 1},
        )
        for job in (first, other)
    ]
    for one in threads:
        one.start()
    both.wait(LONG_S)
    assert budget.budgets().of(("http", "127.0.0.1", 1), "").is_free
    for one in threads:
        one.join(LONG_S)

    assert (6, 6) == (len(bench.packages()), len(second.packages()))
    for job in (first, other):
        (book,) = [path for path in job.budget.glob("*/*-*") if path.is_file()]
        asked = {line.split('"')[1] for line in book.read_text().splitlines()}
        assert "ticket" in asked or "end" in asked, asked
