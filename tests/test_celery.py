"""A job's shards as Celery's tasks: a real Redis, real workers, and what becomes of both."""

from __future__ import annotations

import base64
import errno
import json
import os
import shlex
import shutil
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest
from celery import Celery
from click.testing import CliRunner, Result
from redis import Redis, RedisError

from bagit_create import batch
from bagit_create.batch import celery, folder
from bagit_create.batch.ledger import take
from bagit_create.budget import budgets
from bagit_create.cli import cli
from bagit_create.errors import InputError, SipError
from bagit_create.options import JobOptions
from bagit_create.sandbox import Fault, Sandbox
from bagit_create.transfer import download

WAIT_S = 120
"""For a condition that comes in a second or two, on a machine that does much else."""


def redis_server() -> str:
    """The program of a Redis server; the development packages bring one."""
    beside = Path(sys.executable).with_name("redis-server")
    found = str(beside) if beside.exists() else shutil.which("redis-server")
    assert found, "these tests need Redis: make test installs it, or apt install redis-server"
    return found


def wait_for(condition: Callable[[], Any], what: str) -> Any:
    """Until it holds."""
    until = time.monotonic() + WAIT_S
    while not (found := condition()):
        assert time.monotonic() < until, f"still not: {what}"
        time.sleep(0.02)
    return found


@pytest.fixture(scope="module")
def redis(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The address of a Redis server on loopback."""
    words = [redis_server(), "--bind", "127.0.0.1", "--save", ""]
    words += ["--dir", str(tmp_path_factory.mktemp("redis"))]
    while True:
        with socket.socket() as one:
            one.bind(("127.0.0.1", 0))
            port = one.getsockname()[1]
        server = subprocess.Popen([*words, "--port", str(port)], stdout=subprocess.DEVNULL)
        address = f"redis://127.0.0.1:{port}/0"

        def is_there() -> bool:
            """Whether it answers; somebody else may have had the port first, and it has ended."""
            with suppress(RedisError), Redis.from_url(address) as client:
                return bool(client.info("server")["process_id"] == server.pid)
            return server.poll() is not None

        wait_for(is_there, "Redis answers")
        if server.poll() is None:
            break
    yield address
    server.kill()
    server.wait()


APP = """
from bagit_create.batch.celery import app
app.conf.broker_transport_options = {
    "visibility_timeout": 1.0,
    "unacked_restore_interval": 0.3,
    "unacked_restore_throttle": 1,
}
app.conf.result_backend = app.conf.broker_url
"""


class Engine:
    """Workers on one broker, and a client of it."""

    def __init__(self, folder: Path, redis: str) -> None:
        self.folder = folder
        self.environment = {**os.environ, "CELERY_BROKER_URL": redis, "PYTHONWARNINGS": "ignore"}
        self.environment |= {"PYTHONPATH": str(folder)}
        self.workers: list[subprocess.Popen[bytes]] = []
        (folder / "ours.py").write_text(APP)

    def worker(self, *words: str) -> subprocess.Popen[bytes]:
        """Start a worker, in a process group of its own."""
        log = self.folder / f"worker-{len(self.workers)}.log"
        line = [sys.executable, "-m", "celery", "-A", "ours:app", "worker", "-l", "INFO", *words]
        line += ["-n", f"w{len(self.workers)}@%h", "-Q", "bic"]
        line += ["--without-gossip", "--without-mingle", "--without-heartbeat"]
        with log.open("wb") as out:
            started = subprocess.Popen(
                line,
                cwd=self.folder,
                env=self.environment,
                stdout=out,
                stderr=out,
                start_new_session=True,
            )
        self.workers.append(started)
        return started

    def told(self) -> str:
        """What the workers have logged."""
        return "".join(one.read_text() for one in sorted(self.folder.glob("worker-*.log")))

    def submit(self, job: Path) -> str:
        """Send the tasks, as users do."""
        done = call(str(job), "--engine", "celery", **self.environment)
        assert 0 == done.exit_code, done.stderr
        return done.stderr

    def end(self) -> None:
        """Leave no process behind."""
        for one in self.workers:
            if one.poll() is None:
                os.killpg(one.pid, signal.SIGKILL)
                one.wait()


@pytest.fixture
def engine(tmp_path: Path, redis: str) -> Iterator[Engine]:
    """A broker without messages, and no worker yet."""
    port = int(redis.rpartition(":")[2].partition("/")[0])
    with socket.create_connection(("127.0.0.1", port)) as one:
        one.sendall(b"FLUSHALL\r\n")
        assert one.recv(10).startswith(b"+OK")
    folder = tmp_path / "celery"
    folder.mkdir()
    made = Engine(folder, redis)
    yield made
    made.end()


def job_of(tmp_path: Path, config: Path, sandbox: Sandbox, records: int, shard: int) -> Path:
    """A job over small records, from 9000 on."""
    ids = [str(9000 + number) for number in range(records)]
    for one in ids:
        sandbox.add_record("zenodo", one, {"a.txt": 10})
    options = JobOptions(source="zenodo", config=config, retries=0, target=Path())
    return batch.create(tmp_path / "job", ids, options, shard_size=shard).job.path


def packages(job: Path) -> list[str]:
    """The ids of the packages that are there, each as often as it is."""
    return sorted(one.name.split("::")[2] for one in (job / "packages").glob("sip::*"))


def is_complete(job: Path) -> bool:
    """Whether all shards have come to their end."""
    return batch.survey(batch.JobFolder(job)).complete


@pytest.fixture
def stalled(tmp_path: Path, config_file: Path, sandbox: Sandbox) -> tuple[Path, Callable[[], int]]:
    """A job of one shard whose second record stalls, once; and a call that waits for that and tells
    the process it happens to."""
    job = job_of(tmp_path, config_file, sandbox, 3, 3)
    sandbox.fault(r"/9001/files/.*content", Fault("stall", seconds=WAIT_S), times=1)

    def wait() -> int:
        wait_for(lambda: any("9001/files/" in one.path for one in sandbox.seen), "a file stalls")
        [holder] = batch.survey(batch.JobFolder(job)).holders
        return holder.pid

    return job, wait


@pytest.mark.parametrize("pool", ["prefork", "threads"])
def test_every_record_has_one_package_though_all_is_sent_twice(
    pool: str, engine: Engine, tmp_path: Path, config_file: Path, sandbox: Sandbox
) -> None:
    """What comes again finds it done, or another at it."""
    job = job_of(tmp_path, config_file, sandbox, 12, 3)
    assert "4 tasks sent" in engine.submit(job)
    assert "4 tasks sent" in engine.submit(job)
    engine.worker("-P", pool, "-c", "3")

    wait_for(lambda: engine.told().count("succeeded in") >= 8, "all messages are dealt with")
    wait_for(lambda: is_complete(job), "all is done")

    assert [str(9000 + number) for number in range(12)] == packages(job)
    assert "finished before" in engine.told() or "'taken'" in engine.told()


def test_a_shard_whose_process_is_killed_is_finished_by_another(
    engine: Engine, stalled: tuple[Path, Callable[[], int]]
) -> None:
    """The worker gives the message back; finished records are not made again."""
    job, wait = stalled
    engine.submit(job)
    engine.worker("-P", "prefork", "-c", "1")
    pid = wait()
    before = packages(job)
    os.kill(pid, signal.SIGKILL)
    wait_for(lambda: is_complete(job), "all is done")

    assert ["9000"] == before
    assert ["9000", "9001", "9002"] == packages(job)


def test_a_message_that_comes_again_waits_until_the_worker_is_dead(
    engine: Engine, stalled: tuple[Path, Callable[[], int]]
) -> None:
    """Redis gives a message to the next worker after a time, whether the first one lives or not."""
    job, wait = stalled
    engine.submit(job)
    first = engine.worker("-P", "prefork", "-c", "1")
    wait()
    engine.worker("-P", "prefork", "-c", "1")
    wait_for(lambda: "Retry in" in engine.told(), "the second worker looks and waits")
    between = packages(job)
    os.killpg(first.pid, signal.SIGKILL)
    first.wait()
    wait_for(lambda: is_complete(job), "all is done")

    assert ["9000"] == between
    assert ["9000", "9001", "9002"] == packages(job)


@pytest.mark.parametrize("pool", ["prefork", "threads"])
def test_a_worker_that_is_shut_down_leaves_its_shard_to_others(
    pool: str, engine: Engine, stalled: tuple[Path, Callable[[], int]]
) -> None:
    """Soon, and not when all its records are done."""
    job, wait = stalled
    engine.submit(job)
    first = engine.worker("-P", pool, "-c", "1")
    wait()
    first.send_signal(signal.SIGTERM)
    first.wait(WAIT_S / 2)  # a file stalls for twice that
    between = packages(job)
    engine.worker("-P", pool, "-c", "1")
    wait_for(lambda: is_complete(job), "all is done")

    assert ["9000"] == between
    assert ["9000", "9001", "9002"] == packages(job)


@pytest.mark.parametrize("part", ["", "logs"])
def test_a_job_folder_that_is_away_is_tried_again(
    part: str, engine: Engine, tmp_path: Path, config_file: Path, sandbox: Sandbox
) -> None:
    """As is whatever else stops every record: no worker throws the messages away."""
    job = job_of(tmp_path, config_file, sandbox, 1, 1)
    engine.submit(job)
    (job / part).rename(tmp_path / "away")
    engine.worker("-P", "solo")
    wait_for(lambda: "Retry in" in engine.told(), "it is to be tried again")
    (tmp_path / "away").rename(job / part)
    wait_for(lambda: is_complete(job), "all is done")

    assert ["9000"] == packages(job)


# -- one task, called as a function ---------------------------------------------------------------


def test_a_record_that_fails_is_an_outcome(
    tmp_path: Path, config_file: Path, sandbox: Sandbox
) -> None:
    """The task succeeds, and says what there is in plain JSON."""
    options = JobOptions(source="zenodo", config=config_file, retries=0, target=Path())
    sandbox.add_record("zenodo", "9000", {"a.txt": 10})
    job = batch.create(tmp_path / "job", ["9000", "404404"], options, shard_size=2).job.path

    made = celery.work(str(job), "01-000000")

    assert made == json.loads(json.dumps(made))
    assert ("finished", 1, {"RecordNotFound": 1}) == (made["state"], made["done"], made["failed"])
    assert "finished before" == celery.work(str(job), "01-000000")["state"]


def test_a_shard_that_another_has_is_left_to_it(
    tmp_path: Path, config_file: Path, sandbox: Sandbox
) -> None:
    """At once."""
    job = job_of(tmp_path, config_file, sandbox, 1, 1)
    held = take(batch.JobFolder(job), batch.Shard(1, 0), 1)
    assert held is not None

    assert "taken" == celery.work(str(job), "01-000000")["state"]
    held.leave()
    held.close()
    assert "finished" == celery.work(str(job), "01-000000")["state"]


@pytest.mark.parametrize("shard", ["01-999999", "x", "../../etc"])
def test_a_shard_that_is_none_is_refused(
    shard: str, tmp_path: Path, config_file: Path, sandbox: Sandbox
) -> None:
    """Trying again would not help."""
    job = job_of(tmp_path, config_file, sandbox, 1, 1)

    with pytest.raises(InputError):
        celery.work(str(job), shard)


def test_what_stops_all_records_is_no_outcome(
    tmp_path: Path, config_file: Path, sandbox: Sandbox, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The shard is not finished then."""
    job = job_of(tmp_path, config_file, sandbox, 1, 1)

    def full(*_: Any) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(download, "_write", full)

    with pytest.raises(SipError):
        celery.work(str(job), "01-000000")
    assert not is_complete(job)


def test_what_a_process_does_after_a_task_is_no_part_of_the_job(
    tmp_path: Path, config_file: Path, sandbox: Sandbox
) -> None:
    """Another task of the same worker may package one record, at full speed."""
    job = job_of(tmp_path, config_file, sandbox, 1, 1)
    before = budgets()
    celery.work(str(job), "01-000000")

    assert is_complete(job)
    assert before is budgets()


def test_without_a_worker_what_stops_all_records_is_raised_once(
    tmp_path: Path, config_file: Path, sandbox: Sandbox
) -> None:
    """With ``task_always_eager`` a try again comes at once: there would be no end to them."""
    job = job_of(tmp_path, config_file, sandbox, 1, 1)
    (job / "packages").touch()
    app = Celery("eager", broker="memory://", set_as_current=False)
    app.conf.update(task_always_eager=True, task_eager_propagates=True)

    with pytest.raises(SipError, match="not a folder"):
        app.tasks[celery.NAME].delay(str(job), "01-000000")
    assert 1 == len(os.listdir(job / "logs"))


def test_a_shard_that_cannot_be_read_for_a_while_is_tried_again(
    tmp_path: Path, config_file: Path, sandbox: Sandbox, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its message would be thrown away, and nobody would work on it."""
    job = job_of(tmp_path, config_file, sandbox, 1, 1)

    def stale(*_: Any) -> None:
        raise OSError(errno.ESTALE, os.strerror(errno.ESTALE))

    monkeypatch.setattr(folder, "read_shard", stale)
    monkeypatch.setattr(celery, "_later", lambda *_: Again())

    with pytest.raises(Again):
        celery.work(str(job), "01-000000")


class Again(Exception):
    """A try again was asked for."""


def test_a_worker_has_its_own_scratch_and_share(
    tmp_path: Path, config_file: Path, sandbox: Sandbox, monkeypatch: pytest.MonkeyPatch
) -> None:
    """By its environment, as its credentials."""
    job = job_of(tmp_path, config_file, sandbox, 1, 1)
    monkeypatch.setenv("BIC_WORKDIR", str(tmp_path / "work"))
    monkeypatch.setenv("BIC_SHARE", "1/4")
    orders = celery._orders()

    assert (0.25, tmp_path / "work") == (orders.part, orders.workdir)
    assert "finished" == celery.work(str(job), "01-000000")["state"]
    assert (tmp_path / "work").is_dir()


@pytest.mark.parametrize("share", ["2", "0", "many", "1/0", "1e999"])
def test_a_share_that_is_none_is_refused(share: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Before anything is asked for."""
    monkeypatch.setenv("BIC_SHARE", share)

    with pytest.raises(InputError, match="BIC_SHARE"):
        celery._orders()


# -- messages -------------------------------------------------------------------------------------


def test_a_message_names_the_job_and_the_shard_alone(
    engine: Engine,
    tmp_path: Path,
    config_file: Path,
    sandbox: Sandbox,
    redis: str,
) -> None:
    """No credential goes through the broker."""
    job = job_of(tmp_path, config_file, sandbox, 2, 1)
    engine.environment["BIC_TOKEN_ZENODO"] = "a-token-of-somebody"
    engine.submit(job)
    messages = Redis.from_url(redis).lrange("bic", 0, -1)
    bodies = [json.loads(base64.b64decode(json.loads(one)["body"])) for one in messages]

    assert [[str(job), "01-000000"], [str(job), "01-000001"]] == sorted(one[0] for one in bodies)
    assert [{}, {}] == [one[1] for one in bodies]
    assert not any(b"a-token-of" in one for one in messages)


def test_only_unfinished_shards_are_sent(
    engine: Engine, tmp_path: Path, config_file: Path, sandbox: Sandbox
) -> None:
    """And none when all is done."""
    job = job_of(tmp_path, config_file, sandbox, 2, 1)
    celery.work(str(job), "01-000000")
    assert "1 task sent" in engine.submit(job)
    celery.work(str(job), "01-000001")
    assert "nothing to submit" in engine.submit(job)


def call(*words: str, **environment: str) -> Result:
    """``bic batch submit``, as a process of its own would: no connection is open yet."""
    celery._app.cache_clear()
    return CliRunner().invoke(cli, ["batch", "submit", *words], env=environment)


def test_the_next_command_can_be_typed_as_it_stands(
    tmp_path: Path, config_file: Path, sandbox: Sandbox
) -> None:
    """Though the job's name has a space in it."""
    job = job_of(tmp_path, config_file, sandbox, 1, 1).rename(tmp_path / "my job")
    answer = call(str(job), "--engine", "celery", CELERY_BROKER_URL="memory://")

    assert 0 == answer.exit_code, answer.stderr
    assert ["bic", "batch", "status", str(job)] == shlex.split(answer.stderr.partition("Next: ")[2])


def test_a_broker_that_is_away_is_7_and_its_password_is_kept(
    tmp_path: Path, config_file: Path, sandbox: Sandbox
) -> None:
    """Its address is told."""
    job = job_of(tmp_path, config_file, sandbox, 1, 1)
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))  # and nobody listens: who connects is refused
        address = f"redis://ada:hush-hush@127.0.0.1:{taken.getsockname()[1]}/0"
        answer = call(str(job), "--engine", "celery", CELERY_BROKER_URL=address)

    assert 7 == answer.exit_code, answer.stderr
    assert "127.0.0.1" in answer.stderr
    assert "hush-hush" not in answer.stderr and "Traceback" not in answer.stderr


@pytest.mark.parametrize(
    "words",
    [(), ("--app", "no_such_module:app"), ("--app", "json:dumps"), ("--app", "json:no")],
    ids=str,
)
def test_no_broker_and_no_app_is_2(
    words: tuple[str, ...], tmp_path: Path, config_file: Path, sandbox: Sandbox
) -> None:
    """With what to do about it."""
    job = job_of(tmp_path, config_file, sandbox, 1, 1)

    answer = call(str(job), "--engine", "celery", *words, CELERY_BROKER_URL="")

    assert 2 == answer.exit_code, answer.stderr
    assert "Traceback" not in answer.stderr


def test_without_celery_it_is_said_what_to_install() -> None:
    """To those who import it."""
    code = "import sys; sys.modules['celery'] = None\nimport bagit_create.batch.celery"
    answer = subprocess.run([sys.executable, "-c", code], capture_output=True, encoding="utf-8")

    assert "pip install 'bagit-create[celery]'" in answer.stderr.splitlines()[-1]
