"""Threads, processes and machines that ask one server keep its limits together."""

from __future__ import annotations

import gc
import hashlib
import json
import os
import shutil
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import closing
from contextvars import copy_context
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from asking import ask
from gates import LONG_S, until

from bagit_create import budget
from bagit_create.budget import history, shared, windows
from bagit_create.client import Client
from bagit_create.credentials import Secret
from bagit_create.errors import Unreachable
from bagit_create.sandbox import Fault, Sandbox
from bagit_create.sandbox.limits import Limiter
from bagit_create.wire import Wire

ASKING = str(Path(__file__).with_name("asking.py"))
ROOT = Path(__file__).parent.parent
LONG = (30, 30.0)
"""A window that no test sees the end of: nobody's luck decides what is counted in it."""
SHORT = (30, 2.0)
"""One that ends while it is asked; a busy machine may then send a request too late."""
HERE = ("https", "example.org", 443)
Start = Callable[..., subprocess.Popen[str]]


@pytest.fixture
def start(sandbox: Sandbox, tmp_path: Path) -> Iterator[Start]:
    """Start a process that asks until it is communicated with."""
    started: list[subprocess.Popen[str]] = []

    def call(threads: int, *token: str) -> subprocess.Popen[str]:
        given = [sandbox.url("zenodo"), str(tmp_path / "job"), str(threads), *token]
        one = subprocess.Popen(
            [sys.executable, ASKING, *given],
            stdin=subprocess.PIPE,  # whose end is the process's end
            stdout=subprocess.PIPE,
            text=True,
        )
        started.append(one)
        return one

    yield call
    for one in started:
        one.kill()
        one.communicate()


@pytest.fixture
def job(tmp_path: Path) -> Iterator[Path]:
    """A folder that this process shares."""
    folder = tmp_path / "job"
    budget.share(folder)
    yield folder
    budget.forget()


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """The time for a budget, which goes on only when the test says so."""
    now = [time.time()]
    monkeypatch.setattr("bagit_create.budget.budget.time", SimpleNamespace(time=lambda: now[0]))
    return now


def limited(sandbox: Sandbox, *limits: tuple[int, float], **more: Any) -> Limiter:
    """Have Zenodo keep limits, told in milliseconds."""
    limiter = Limiter(limits, **{"grain": 0.001, **more})
    sandbox.keep_limits("zenodo", limiter)
    return limiter


def client_of(sandbox: Sandbox, source: str = "zenodo", **more: Any) -> Client:
    return Client(Wire(sandbox.url(source), **more), retries=100, max_wait=3600)


def files(folder: Path) -> list[Path]:
    return sorted(one for one in folder.rglob("*") if one.is_file() and one.name != "salt")


def lines(folder: Path) -> list[Any]:
    text = "".join(one.read_text(encoding="ascii") for one in files(folder))
    return [json.loads(line) for line in text.splitlines()]


@pytest.mark.parametrize("more", [{}, {"form": "draft"}, {"grain": 1.0}], ids=str)
def test_processes_and_threads_keep_a_limit_together(
    sandbox: Sandbox, start: Start, more: dict[str, Any]
) -> None:
    """All that is allowed is used, and none is refused, in whichever words it is told."""
    limiter = limited(sandbox, LONG, **more)
    started = [start(5), start(5), start(1)]
    until(lambda: limiter.allowed >= LONG[0])
    for one in started:
        one.communicate(timeout=LONG_S)

    assert (LONG[0], 0) == (limiter.allowed, limiter.refused)


def test_a_limit_that_a_refusal_told_is_kept_by_those_who_come_later(
    sandbox: Sandbox, start: Start
) -> None:
    """Its number, its end and its length are known from then on."""
    limiter = limited(sandbox, (20, 1.0), hour := (45, 4.0))
    first = start(6)
    until(lambda: limiter.refused)
    first.communicate(timeout=LONG_S)
    at_first = limiter.refused
    second = start(6)
    until(lambda: limiter.most[hour][1:] and limiter.most[hour][1] >= 15)
    second.communicate(timeout=LONG_S)

    assert 1 <= at_first <= 6
    assert limiter.most[hour][0] == 45
    assert hour[0] not in [limit for _, limit, _, _ in limiter.refusals[at_first:]]


def test_who_is_killed_leaves_nothing_that_stops_the_others(sandbox: Sandbox, start: Start) -> None:
    """The next window is used by those who are left."""
    limiter = limited(sandbox, SHORT)
    killed, left = start(5), start(5)
    until(lambda: limiter.allowed >= 20)
    killed.send_signal(signal.SIGKILL)
    until(lambda: max(limiter.most[SHORT][1:], default=0) >= 0.8 * SHORT[0])
    statuses = left.communicate(timeout=LONG_S)[0].split()

    assert {"404"} == set(statuses) and len(statuses) >= 0.8 * SHORT[0]
    assert limiter.refused <= 2


def test_where_nothing_is_limited_nothing_is_written_down(
    sandbox: Sandbox, job: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """One request looks, and the others just go."""
    monkeypatch.setattr(windows, "PATIENCE_S", LONG_S)
    url = sandbox.url("cod") + "/api/records/1"
    found = ask(client_of(sandbox, "cod"), url, 4, lambda: len(sandbox.seen) > 20)

    assert len(found) > 8
    assert ["ticket", "nothing"] == [one[0] for one in lines(job)]


def test_a_pause_is_one_for_all_processes(sandbox: Sandbox, start: Start) -> None:
    """A server that puts off the one means the other as well."""
    sandbox.fault("/api/", Fault("status", 503, retry_after="1"), times=1)
    one, other = start(3), start(3)
    until(lambda: sandbox.seen)
    began = time.monotonic()
    until(lambda: len(sandbox.seen) >= 2)
    waited = time.monotonic() - began
    one.communicate(timeout=LONG_S)
    other.communicate(timeout=LONG_S)

    assert waited > 0.8


def test_a_part_is_kept_to(sandbox: Sandbox, tmp_path: Path) -> None:
    """The rest is for other machines; nothing is written, as they would not see it in time."""
    limiter = limited(sandbox, (40, 30.0))
    budget.share(tmp_path / "job", 0.25)
    url = sandbox.url("zenodo") + "/api/records/1"
    ask(client_of(sandbox), url, 4, lambda: limiter.allowed >= 10)

    assert (10, 0) == (limiter.allowed, limiter.refused)
    assert not (tmp_path / "job").exists()


def test_a_part_is_still_known_when_the_next_shard_comes(job: Path) -> None:
    """A Celery worker makes one after the other, and no folder remembers what it was told."""

    def shard() -> float:
        budget.share(job, 0.25)
        one = budget.budgets().of(HERE, "")
        wait = one.begin()
        one.pause(100)
        return wait

    assert 0 == copy_context().run(shard)
    gc.collect()
    assert 90 < copy_context().run(shard)


@pytest.mark.parametrize("part", [0, -1, 1.01])
def test_a_part_is_above_0_and_at_most_all(part: float, tmp_path: Path) -> None:
    """Anything else is a mistake of the caller."""
    with pytest.raises(ValueError, match="above 0 and at most 1"):
        budget.share(tmp_path, part)


def test_no_name_and_no_line_tells_of_server_or_credential(sandbox: Sandbox, job: Path) -> None:
    """Not even as the digest that the run itself knows the credential by."""
    limited(sandbox, LONG)
    token = "b-7Qy2-not-for-others"
    client = client_of(sandbox, token=Secret(token))
    client.get(sandbox.url("zenodo") + "/api/records/1", what="Record", allow=(404,))
    client.close()
    told = " ".join(str(one) for one in files(job)) + json.dumps(lines(job))

    assert len(files(job)) == 1
    assert "127.0.0.1" not in told and "records" not in told
    for text in (token, hashlib.sha256(token.encode()).hexdigest()[:16]):
        assert text not in told
        assert hashlib.sha256(text.encode()).hexdigest()[:8] not in told


def test_folders_give_one_server_different_names(tmp_path: Path) -> None:
    """What was seen in one says nothing about another."""
    names = set()
    for folder in (tmp_path / "a", tmp_path / "b"):
        budget.share(folder)
        budget.budgets().of(HERE, "").begin("https://example.org/api/records/1")
        names.add(files(folder)[0].name)

    assert 2 == len(names)


def test_a_folder_that_cannot_be_written_is_one_warning(
    sandbox: Sandbox, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """The process keeps the limits by itself."""
    (tmp_path / "file").touch()
    limiter = limited(sandbox, LONG)
    with caplog.at_level("WARNING"):
        budget.share(tmp_path / "file" / "job")
        url = sandbox.url("zenodo") + "/api/records/1"
        ask(client_of(sandbox), url, 4, lambda: limiter.allowed >= 30)
        budget.budgets().of(HERE, "").begin()

    assert 1 == len(caplog.records) and "cannot be kept together" in caplog.text
    assert (LONG[0], 0) == (limiter.allowed, limiter.refused)


def test_a_folder_that_goes_away_is_one_warning(
    job: Path,
    clock: list[float],
    caplog: pytest.LogCaptureFixture,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """What is known by then is not lost."""
    one = budget.budgets().of(HERE, "")
    one.pause(100)
    monkeypatch.setattr(os, "write", full)
    with caplog.at_level("WARNING"):
        one.pause(200)
        one.pause(300)

    assert 1 == len(caplog.records) and "No space left on device" in caplog.text
    assert 300 == pytest.approx(one.begin())


def full(*_: object) -> int:
    raise OSError(28, "No space left on device")


def test_files_that_somebody_removed_are_made_anew(
    job: Path, clock: list[float], monkeypatch: pytest.MonkeyPatch
) -> None:
    """With all that is known."""
    monkeypatch.setattr(history, "LOOK_S", 0.0)
    one = budget.budgets().of(HERE, "")
    one.pause(100)
    files(job)[0].unlink()
    one.pause(200)
    one.begin()

    assert "pause_until" in lines(job)[0][2]
    budget.forget()
    budget.share(job)
    assert budget.budgets().of(HERE, "").begin() > 90


def test_a_job_that_was_made_anew_in_its_place_has_budgets_of_its_own(job: Path) -> None:
    """A process may live for months: of a job that nobody works on any more, it keeps nothing."""
    budget.budgets().of(HERE, "").pause(100)
    budget.share(job.with_name("another"))
    shutil.rmtree(job)
    budget.share(job)
    budget.budgets().of(HERE, "").pause(200)

    assert ["pause"] == [one[0] for one in lines(job)]


def test_a_file_that_has_grown_is_followed_by_a_short_one(
    sandbox: Sandbox, start: Start, job: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Who reads the old one goes over to the new one, and no request is counted twice or not."""
    limiter = limited(sandbox, (150, 30.0))
    monkeypatch.setattr(shared, "LONGEST", 1500)
    monkeypatch.setattr(history, "LOOK_S", 0.02)
    other = start(4)
    url = sandbox.url("zenodo") + "/api/records/1"
    ask(client_of(sandbox), url, 4, lambda: limiter.allowed >= 150)
    other.communicate(timeout=LONG_S)

    assert 1 == len(files(job)) and int(files(job)[0].suffix[1:]) >= 2
    assert (150, 0) == (limiter.allowed, limiter.refused)


@pytest.mark.parametrize(
    "rubbish",
    [b'["ticket", "1f', b"\xff\xfe\n", b'{"a": 1}\n', b'["told", "", 1, [], 3]\n["end"\n', b"[]\n"],
)
def test_half_a_line_of_somebody_killed_is_passed_over(job: Path, rubbish: bytes) -> None:
    """Whatever is behind it counts."""
    one = budget.budgets().of(HERE, "")
    one.pause(100)
    with open(files(job)[0], "ab") as file:
        file.write(rubbish)
    one.pause(200)
    budget.forget()
    budget.share(job)

    assert budget.budgets().of(HERE, "").begin() > 190


def test_all_who_begin_at_once_have_one_salt(tmp_path: Path) -> None:
    """It is made once."""
    found: list[bytes] = []
    threads = [
        threading.Thread(target=lambda: found.append(shared.salt_of(tmp_path / "job")))
        for _ in range(8)
    ]
    for one in threads:
        one.start()
    for one in threads:
        one.join()

    assert 8 == len(found) and 1 == len(set(found)) and 32 == len(found[0])


def test_a_salt_whose_maker_was_killed_is_made_anew(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """After some patience."""
    monkeypatch.setattr(shared, "SALT_PATIENCE_S", 0.05)
    (tmp_path / "salt").touch()

    assert 32 == len(shared.salt_of(tmp_path))
    assert ["salt"] == [one.name for one in tmp_path.iterdir()]


def test_a_search_that_has_a_limit_of_its_own_slows_nothing_else(
    sandbox: Sandbox, job: Path
) -> None:
    """Invenio counts it apart."""
    search = (4, 30.0)
    limiter = limited(sandbox, LONG, paths={r"^/api/records\?": (search,)})
    url = sandbox.url("zenodo") + "/api/records"
    client = client_of(sandbox)
    for one in (url + "?q=x", url + "/1"):
        client.get(one, what="Record", allow=(404,))
    client.close()
    over = threading.Event()
    searching = threading.Thread(
        target=ask, args=(client_of(sandbox), url + "?q=x", 2, over.is_set)
    )
    searching.start()
    ask(client_of(sandbox), url + "/1", 4, lambda: limiter.most[LONG] == [30])
    over.set()
    searching.join()

    assert ([LONG[0]], 0) == (limiter.most[LONG], limiter.refused)


@pytest.mark.parametrize("status", [429, 503])
def test_who_gives_up_at_once_tells_the_others_how_long_to_wait(
    sandbox: Sandbox, job: Path, status: int
) -> None:
    """The server has said it, and means all of them."""
    url = sandbox.url("zenodo") + "/api/records/"
    sandbox.fault("/api/records/1", Fault("status", status=status, retry_after="30"))
    with closing(Client(Wire(url), retries=0, max_wait=60)) as client:
        with pytest.raises(Unreachable):
            client.get(url + "1", what="Record")
    with closing(Client(Wire(url), retries=0, max_wait=1)) as client:
        with pytest.raises(Unreachable, match="put the request off"):
            client.get(url + "2", what="Record")

    assert ["/api/records/1"] == [one.path for one in sandbox.seen]


def test_a_limit_that_changes_is_followed(sandbox: Sandbox, job: Path) -> None:
    """From the first answer that tells the other one."""
    new = (8, 30.0)

    class Changing(Limiter):
        def take(self, user: str, path: str) -> tuple[bool, dict[str, str]]:
            if self.allowed >= 10:
                self.limits = (new,)
            return super().take(user, path)

    sandbox.keep_limits("zenodo", limiter := Changing((LONG,), grain=0.001))
    url = sandbox.url("zenodo") + "/api/records/1"
    ask(client_of(sandbox), url, 4, lambda: limiter.most.get(new) == [8])

    assert ([8], 0) == (limiter.most[new], limiter.refused)


def test_servers_and_credentials_do_not_mix(sandbox: Sandbox, job: Path) -> None:
    """The limits of the one are not those of the other."""
    limited(sandbox, (1, 3600))
    for source, token in (("zenodo", "a"), ("zenodo", "b"), ("inveniordm", "a")):
        client = client_of(sandbox, source, token=Secret(token))
        client.get(sandbox.url(source) + "/api/records/1", what="Record", allow=(404,))
        client.close()
    place = ("http", "127.0.0.1", int(sandbox.url("inveniordm").rpartition(":")[2]))

    assert 3 == len(files(job))
    assert budget.budgets().of(place, Wire(sandbox.url("zenodo")).user(place)).begin() == 0


def test_who_had_no_answer_does_not_make_the_others_wait(job: Path) -> None:
    """The next one goes ahead in its place."""
    one = budget.budgets().of(HERE, "")
    url = "https://example.org/api/records/1"
    assert 0 == one.begin(url)
    assert 0 < one.begin(url)
    one.end(answered=False)

    assert 0 == one.begin(url)


def test_who_is_killed_before_the_first_answer_is_waited_for_only_a_while(
    job: Path, clock: list[float]
) -> None:
    """Then another one goes alone."""
    url = "https://example.org/api/records/1"
    assert 0 == budget.budgets().of(HERE, "").begin(url)
    budget.forget()
    budget.share(job)  # as another process would, which has nothing but the folder
    one = budget.budgets().of(HERE, "")

    assert 0 < one.begin(url) <= windows.PATIENCE_S
    clock[0] += windows.PATIENCE_S + 0.01
    assert 0 == one.begin(url)


def test_a_limit_that_only_refusals_tell_is_kept(sandbox: Sandbox, job: Path) -> None:
    """Good answers tell nothing."""
    second = (20, 1.0)
    sandbox.keep_limits("cod", limiter := Limiter((second,), grain=0.001, form="refusals"))
    url = sandbox.url("cod") + "/api/records/1"
    client = client_of(sandbox, "cod")
    ask(client, url, 2, lambda: max(limiter.most.get(second, [0])[1:], default=0) >= 10)

    assert 1 <= limiter.refused <= 3
    assert limiter.most[second][1] >= 10


def test_the_benchmark_counts_what_was_refused_and_what_was_used(tmp_path: Path) -> None:
    """With its own server and processes, on a small scale."""
    command = [sys.executable, "-m", "benchmarks.allowance", "--faster", "60", "--hours", "1"]
    command += ["--limits", "20/30 30/60", "--latency", "0.06-0.3", "--workers", "4"]
    command += ["--way", "bic, shared folder", "--json", str(tmp_path / "rows.json")]
    subprocess.run(command, cwd=ROOT, check=True, timeout=LONG_S, stdout=subprocess.DEVNULL)
    row = json.loads((tmp_path / "rows.json").read_text())[0]

    assert 2 == row["folder"][0]  # the salt, and what all processes write down together
    assert 1 <= row["allowed"] <= 30
    assert row["used"] == row["allowed"] / 30
    assert row["refused part"] == row["refused"] / (row["allowed"] + row["refused"])
