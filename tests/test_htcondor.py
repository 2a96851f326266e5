"""A job given to HTCondor: read back by HTCondor's own library, and run as it would."""

from __future__ import annotations

import json
import os
import re
import stat
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from batches import Bench, bench
from click.testing import CliRunner, Result

from bagit_create import batch
from bagit_create.batch.condorsyntax import quoted
from bagit_create.batch.htcondor import FOLDER, Plan, description, submit, system, write
from bagit_create.cli import cli
from bagit_create.errors import ConfigError, InputError
from bagit_create.options import JobOptions

os.environ.setdefault("CONDOR_CONFIG", os.devnull)  # else the library warns that there is none
import classad  # noqa: E402
import htcondor  # noqa: E402

__all__ = ["bench"]

PLAN = Plan(executable=Path("/usr/bin/true"), jobs=40, at_once=10)


def ads(path: Path) -> list[Any]:
    """The jobs that HTCondor makes of a description."""
    description = htcondor.Submit(path.read_text(encoding="utf-8"))
    return list(description.jobs(clusterid=7))


def words_of(ad: Any) -> list[str]:
    """A job's arguments; its ClassAd has them in the new syntax, without the double quotes."""
    found = []
    for one in re.findall(r"(?:'(?:[^']|'')*'|[^\s'])+", ad["Arguments"]):
        parts = re.findall(r"'(?:[^']|'')*'|[^']+", one)
        found.append("".join(p[1:-1].replace("''", "'") if p[0] == "'" else p for p in parts))
    return found


def job_in(folder: Path, config: Path | None = None, records: int = 3) -> batch.JobFolder:
    """A job with one record a shard."""
    options = JobOptions(source="zenodo", target=Path(), config=config)
    return batch.create(folder, [str(1 + n) for n in range(records)], options, shard_size=1).job


@pytest.fixture
def job(tmp_path: Path) -> batch.JobFolder:
    return job_in(tmp_path / "job")


# -- the description ------------------------------------------------------------------------------


def test_htcondor_reads_what_is_meant(job: batch.JobFolder) -> None:
    """So many jobs, in one cluster, with one log."""
    plan = Plan(
        executable=Path("/opt/bic/bin/bic"),
        jobs=40,
        at_once=10,
        workers=8,
        cpus=2,
        memory="1.5 GB",
        disk="5GB",
        flavour="testmatch",
    )
    path = write(job, plan)
    made = ads(path)

    expected = {
        "Cmd": "/opt/bic/bin/bic",
        "TransferExecutable": False,
        "ShouldTransferFiles": "YES",
        "TransferOutput": "",
        "UserLog": str(job.path / FOLDER / "bic-01.log"),
        "Iwd": str(job.path / FOLDER),
        "RequestCpus": 2,
        "RequestMemory": 1536,
        "RequestDisk": 5 * 1024 * 1024,
        "JobFlavour": "testmatch",
        "KillSig": "SIGTERM",
        "WantGracefulRemoval": True,
        "JobNotification": 0,
        "Environment": "",
        "JobBatchName": "bic_job",
    }
    assert expected == {name: made[0].get(name) for name in expected}
    assert [(7, number) for number in range(40)] == [(a["ClusterId"], a["ProcId"]) for a in made]
    assert 40 == len({one["Err"] for one in made})


def test_only_so_many_are_there_at_once(job: batch.JobFolder) -> None:
    """As max_materialize says; the others follow."""
    submitted = htcondor.Submit(write(job, PLAN).read_text())

    assert ("10", "40") == (submitted["max_materialize"], submitted.getQArgs())


def test_each_job_has_its_part_of_what_servers_allow(job: batch.JobFolder) -> None:
    """Of all machines together it is no more than of one."""
    assert ["--share", "1/10"] == _option(write(job, PLAN), "--share")
    few = Plan(executable=Path("/usr/bin/true"), jobs=3, at_once=10)
    assert ["--share", "1/3"] == _option(write(job, few), "--share")


def _option(path: Path, name: str) -> list[str]:
    words = words_of(ads(path)[0])
    place = words.index(name)
    return words[place : place + 2]


def test_a_job_works_in_its_scratch_folder_and_waits_for_nobody(job: batch.JobFolder) -> None:
    """HTCondor begins it there, and what is left there is not brought back."""
    words = words_of(ads(write(job, PLAN))[0])

    assert ["batch", "run", str(job.path), "--no-wait"] == words[:4]
    assert ["--workdir", "."] == words[-2:]


ODD = [
    "a blank",
    "it's",
    'said "so"',
    "'",
    '"',
    "$(Process)",
    "$ENV(HOME)",
    "$",
    "100%",
    "a#b",
    "a\\",
    "a\\ b'c\"d$(x)",
    "é中",
    "@=x",
    "a;b&c|d",
    "*",
]


@pytest.mark.parametrize("name", ODD)
def test_a_name_reaches_the_job_as_it_is(name: str, tmp_path: Path) -> None:
    """Blanks, quotes, dollars: HTCondor's own library says what it makes of them."""
    job = job_in(tmp_path / name)

    assert str(tmp_path / name) == words_of(ads(write(job, PLAN, tmp_path / "x.sub"))[0])[2]


@pytest.mark.parametrize("name", [one for one in ODD if '"' not in one and one[-1] != "\\"])
def test_a_log_may_have_such_a_name_too(name: str, tmp_path: Path) -> None:
    """It is not quoted in a description."""
    path = write(job_in(tmp_path / "job"), PLAN, tmp_path / name / "x.sub")
    [first, *_] = ads(path)

    assert str(tmp_path / name / "x.log") == first["UserLog"]
    assert str(tmp_path / name) == first["Iwd"]
    assert first["Err"].startswith(f"{tmp_path / name}/x.7.0")


@pytest.mark.parametrize("name", ["a$$(b)", "a\nqueue 9", "a\rb", "a\x07", os.fsdecode(b"a\xe9")])
def test_a_name_that_htcondor_would_misread_is_refused(name: str, tmp_path: Path) -> None:
    """And nothing is written."""
    job = job_in(tmp_path / name)

    with pytest.raises(InputError, match="cannot be given a name"):
        write(job, PLAN, tmp_path / "x.sub")
    assert not (tmp_path / "x.sub").exists()


@pytest.mark.parametrize("name", ['a"b', "a ", "a\\", "a\nb"])
def test_a_log_that_htcondor_would_misread_is_refused(name: str, tmp_path: Path) -> None:
    """Another --output helps."""
    with pytest.raises(InputError, match="cannot be given a name"):
        write(job_in(tmp_path / "job"), PLAN, tmp_path / name / "x.sub")


@pytest.mark.parametrize("words", [["a", "", "b"], ["a  b"], ["--x", "y z", "'"]], ids=str)
def test_arguments_are_told_apart(words: list[str]) -> None:
    """Empty ones too."""
    submitted = htcondor.Submit(f"executable = /usr/bin/true\narguments = {quoted(words)}\nqueue")
    [ad] = submitted.jobs(clusterid=1)

    assert words == words_of(ad)


def test_each_submission_has_a_description_and_a_log_of_its_own(job: batch.JobFolder) -> None:
    """The first may still be at work."""
    assert ["bic-01.sub", "bic-02.sub"] == [write(job, PLAN).name for _ in range(2)]


def test_a_file_that_is_there_is_not_replaced(job: batch.JobFolder, tmp_path: Path) -> None:
    """It may be somebody's own."""
    (tmp_path / "mine.sub").write_text("mine")

    with pytest.raises(InputError, match="already"):
        write(job, PLAN, tmp_path / "mine.sub")
    assert "mine" == (tmp_path / "mine.sub").read_text()


def test_on_eos_another_place_is_asked_for(job: batch.JobFolder, tmp_path: Path) -> None:
    """CERN's usual servers of HTCondor write no log there."""
    job.path = Path("/eos/user/a/ada/job")

    with pytest.raises(InputError, match="EOS"):
        write(job, PLAN)
    path = write(job, PLAN, tmp_path / "x.sub")
    assert ads(path)[0]["SendCredential"] is True


def test_credentials_of_kerberos_go_along_where_they_are_of_use(job: batch.JobFolder) -> None:
    """To AFS and EOS."""
    home = "/afs/cern.ch/user/a/ada/token"
    asked = Plan(executable=Path("/bin/true"), jobs=1, at_once=1, options=("--token-file", home))
    path = job.path / "x.sub"

    assert "MY.SendCredential = true" in description(job, asked, path)
    assert "SendCredential" not in description(job, PLAN, path)


@pytest.mark.parametrize(
    ("text", "name"),
    [('PLATFORM_ID="platform:el9"\n', "el9"), ("ID=debian\n", ""), ("", "")],
)
def test_jobs_run_on_the_system_that_they_are_submitted_from(
    text: str, name: str, tmp_path: Path
) -> None:
    """Where it is one of CERN's."""
    (tmp_path / "os-release").write_text(text)

    assert name == system(tmp_path / "os-release")
    assert "" == system(tmp_path / "missing")


def test_seconds_are_told_instead_of_a_flavour(job: batch.JobFolder) -> None:
    """CERN takes either."""
    plan = Plan(executable=Path("/usr/bin/true"), jobs=1, at_once=1, runtime=7200)

    assert 7200 == ads(write(job, plan))[0]["MaxRuntime"]


# -- what happens with a job that ends ------------------------------------------------------------


def ended(job: batch.JobFolder, **facts: Any) -> str:
    """What becomes of a job, as HTCondor's own language says; holding comes before removing."""
    ad = ads(write(job, PLAN))[0]
    for name, value in {"NumJobStarts": 1, **facts}.items():
        ad[name] = value
    if ad.eval("OnExitHold") is True:
        return f"held {ad.eval('OnExitHoldSubCode')}"
    return "removed" if ad.eval("OnExitRemove") is True else "again"


@pytest.mark.parametrize(
    ("code", "fate"),
    [
        (0, "removed"),
        (8, "removed"),
        (130, "again"),
        (7, "held 7"),
        (10, "held 10"),
        (3, "held 3"),
        (1, "held 1"),
    ],
)
def test_an_exit_code_decides(code: int, fate: str, job: batch.JobFolder) -> None:
    """8: some records failed, which trying again would not change."""
    assert fate == ended(job, ExitBySignal=False, ExitCode=code)


def test_a_job_that_was_killed_is_begun_again(job: batch.JobFolder) -> None:
    """Until it looks as if it always is."""
    assert "again" == ended(job, ExitBySignal=True, ExitSignal=9)
    assert "held 0" == ended(job, ExitBySignal=True, ExitSignal=9, NumJobStarts=10)
    assert "held 130" == ended(job, ExitBySignal=False, ExitCode=130, NumJobStarts=10)
    assert "removed" == ended(job, ExitBySignal=False, ExitCode=0, NumJobStarts=10)


@pytest.mark.parametrize(
    ("facts", "released"),
    [
        ({}, True),
        ({"HoldReasonSubCode": 10}, False),
        ({"HoldReasonCode": 1}, False),
        ({"NumHolds": 48}, False),
        ({"EnteredCurrentStatus": 2**40}, False),
    ],
    ids=str,
)
def test_a_server_that_was_not_there_is_tried_later(
    facts: dict[str, int], released: bool, job: batch.JobFolder
) -> None:
    """And nothing else that was held."""
    ad = ads(write(job, PLAN))[0]
    held = {"HoldReasonCode": 3, "HoldReasonSubCode": 7, "NumHolds": 1, "EnteredCurrentStatus": 0}
    for name, value in {**held, **facts}.items():
        ad[name] = value

    assert released is ad.eval("PeriodicRelease")


# -- the command ----------------------------------------------------------------------------------


@pytest.fixture
def condor(tmp_path: Path, bench: Bench) -> Callable[[str, int], Path]:
    """Put a ``condor_submit`` on the PATH that says something, and notes what it is given."""

    def put(says: str, code: int = 0) -> Path:
        place = tmp_path / "programs"
        place.mkdir()
        program = place / "condor_submit"
        noted = tmp_path / "noted"
        program.write_text(
            f'#!/bin/sh\nprintf "%s\\n" "$@" > {noted}\nenv >> {noted}\n{says}\nexit {code}\n'
        )
        program.chmod(0o755)
        bench.environment["PATH"] = f"{place}:{os.environ['PATH']}"
        return noted

    return put


@pytest.fixture
def made(bench: Bench) -> Bench:
    """A job of six records."""
    options = JobOptions(source="zenodo", config=bench.config, target=Path())
    batch.create(bench.path, bench.records(6), options, shard_size=2)
    return bench


def to_htcondor(made: Bench, *words: object) -> Result:
    """``bic batch submit``."""
    line = ["batch", "submit", made.path, "--engine", "htcondor", *words]
    return CliRunner().invoke(cli, list(map(str, line)), env=made.environment)


def test_the_cluster_is_told(made: Bench, condor: Callable[..., Path]) -> None:
    """With the description on standard output."""
    noted = condor("echo 4711.0 - 4711.2")
    answer = to_htcondor(made)

    assert 0 == answer.exit_code, answer.stderr
    assert "3 jobs, 3 at once, submitted as cluster 4711" in answer.stderr
    path = answer.stdout.rstrip("\n")
    assert ["-terse", path] == noted.read_text().splitlines()[:2]
    assert 3 == len(ads(Path(path)))


def test_what_condor_submit_says_is_passed_on(made: Bench, condor: Callable[..., Path]) -> None:
    """With 3; the description stays, and can be changed."""
    condor("echo 'ERROR: no such pool' >&2", 1)
    answer = to_htcondor(made)

    assert 3 == answer.exit_code
    assert "ERROR: no such pool" in answer.stderr and "Traceback" not in answer.stderr
    assert [*made.path.glob("htcondor/*.sub")]


def test_an_answer_without_a_cluster_is_no_success(
    tmp_path: Path, condor: Callable[..., Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whatever its exit code."""
    condor("echo hello")
    monkeypatch.setenv("PATH", f"{tmp_path / 'programs'}:{os.environ['PATH']}")

    with pytest.raises(ConfigError, match="hello"):
        submit(tmp_path / "x.sub")


def test_where_condor_is_not_it_is_said_what_to_do(made: Bench, tmp_path: Path) -> None:
    """The description may be taken elsewhere."""
    made.environment["PATH"] = str(tmp_path)
    answer = to_htcondor(made)

    assert 0 == answer.exit_code, answer.stderr
    assert f"Next: condor_submit {answer.stdout.strip()}" in answer.stderr


def test_write_only_submits_nothing(made: Bench, condor: Callable[..., Path]) -> None:
    """Though it could."""
    noted = condor("echo 1.0 - 1.0")
    answer = to_htcondor(made, "--write-only", "--json")

    assert 0 == answer.exit_code, answer.stderr
    facts = json.loads(answer.stdout)
    assert (None, 3, 3) == (facts["cluster"], facts["jobs"], facts["at_once"])
    assert not noted.exists()


def test_a_token_file_goes_as_a_path(made: Bench, tmp_path: Path) -> None:
    """What is in it stands nowhere, nor does what the environment holds."""
    token = tmp_path / "token"
    token.write_text("very-secret")
    token.chmod(0o600)
    made.environment["BIC_TOKEN_ZENODO"] = "also-secret"
    answer = to_htcondor(made, "--token-file", token, "--write-only")

    assert 0 == answer.exit_code, answer.stderr
    path = Path(answer.stdout.strip())
    assert ["--token-file", str(token)] == _option(path, "--token-file")
    assert "secret" not in path.read_text() + answer.stderr


@pytest.mark.parametrize("mode", [0o644, 0o640, None])
def test_a_token_file_that_others_may_read_is_refused(
    mode: int | None, made: Bench, tmp_path: Path
) -> None:
    """Before a job finds that out; so is one that is not there."""
    token = tmp_path / "token"
    if mode is not None:
        token.write_text("secret")
        token.chmod(mode)
    answer = to_htcondor(made, "--token-file", token)

    assert 3 == answer.exit_code
    assert not (made.path / FOLDER).exists()


@pytest.mark.parametrize("words", [["--token", "x"], ["--token-file", "-"], ["--invcookie", "x"]])
def test_a_secret_itself_is_refused(words: list[str], made: Bench) -> None:
    """HTCondor's queue can be read by everybody."""
    assert 2 == to_htcondor(made, *words).exit_code


def test_all_that_cannot_work_is_named_at_once(made: Bench) -> None:
    """And nothing is written."""
    words = ["--jobs", "0", "--workers", "999", "--memory", "much", "--flavour", "vanilla"]
    words += ["--runtime", "0", "--cpus", "-1"]
    answer = to_htcondor(made, *words)

    assert 2 == answer.exit_code
    for name in ("--jobs", "--workers", "--memory", "--flavour", "--runtime", "--cpus"):
        assert name in answer.stderr
    assert not (made.path / FOLDER).exists()


@pytest.mark.parametrize(
    ("engine", "words"),
    [("celery", ("--jobs", "3")), ("celery", ("--token-file", "x")), ("htcondor", ("--app", "x"))],
    ids=str,
)
def test_an_option_of_another_engine_is_refused(
    engine: str, words: tuple[str, ...], made: Bench
) -> None:
    """Rather than ignored."""
    line = ["batch", "submit", str(made.path), "--engine", engine, *words]
    answer = CliRunner().invoke(cli, line)

    assert 2 == answer.exit_code
    assert f"{words[0]} does not go with --engine {engine}" in answer.stderr


def test_a_folder_that_is_no_job_is_2(bench: Bench) -> None:
    """Nothing appears in it."""
    bench.path.mkdir()

    assert 2 == to_htcondor(bench).exit_code
    assert [] == os.listdir(bench.path)


def test_what_it_describes_does_the_work(made: Bench, tmp_path: Path) -> None:
    """Two of its jobs at once, each in a scratch folder of its own; then a third finds nothing."""
    answer = to_htcondor(made, "--workers", "2", "--write-only")
    jobs = ads(Path(answer.stdout.strip()))
    children = []
    for number, ad in enumerate(jobs):
        scratch = tmp_path / f"dir_{number}"
        scratch.mkdir()
        line = [ad["Cmd"], *words_of(ad)]
        environment = {**os.environ, "_CONDOR_SCRATCH_DIR": str(scratch)}
        children.append(subprocess.Popen(line, cwd=scratch, env=environment, **QUIET))
        if number:
            children[0].wait(60)
    codes = [one.wait(60) for one in children]

    assert {0, 8} >= set(codes), "8 says that another job has what is left"
    assert made.path.joinpath("packages").is_dir()
    names = [one.name.split("::")[2] for one in made.path.glob("packages/sip::*")]
    assert sorted(made.records(6)) == sorted(names)
    assert [[]] * 3 == [os.listdir(tmp_path / f"dir_{number}") for number in range(3)]
    answer = to_htcondor(made)
    assert (0, "") == (answer.exit_code, answer.stdout)
    assert "nothing to submit" in answer.stderr


QUIET: dict[str, Any] = {"stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL}


def test_the_program_is_that_of_this_installation(made: Bench) -> None:
    """By its absolute path: other machines see the same folder."""
    answer = to_htcondor(made, "--write-only")
    program = Path(ads(Path(answer.stdout.strip()))[0]["Cmd"])

    assert Path(sys.executable).with_name("bic") == program
    assert program.stat().st_mode & stat.S_IXUSR
    assert classad.version()
