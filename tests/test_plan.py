"""``bic plan`` tells what a run would do, and does none of it."""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from dataclasses import replace
from functools import partial
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from click.testing import CliRunner, Result
from gates import FOR_EVER_S, LONG_S, until
from scripted import Asked, serving, whole

from bagit_create import batch, planning
from bagit_create.cli import cli
from bagit_create.credentials import Secret
from bagit_create.errors import BicError, ConfigError, InputError, Interrupted, Unreachable
from bagit_create.main import run
from bagit_create.options import JobOptions
from bagit_create.planning import Plan, RecordPlan, Requests, Weight
from bagit_create.planning.listed import Listed
from bagit_create.planning.pace import Pace
from bagit_create.planning.record import Looked
from bagit_create.planning.totals import Totals, student
from bagit_create.sandbox import Fault, Sandbox
from bagit_create.sandbox.content import Content

Ask = Callable[..., Plan]
Bic = Callable[..., Result]

LIGHT = {"light": True}
HASHED = {"light": True, "hash_missing": True}
SOURCES = (
    ("zenodo", "7000001"),
    ("zenodo", "10.1234/toy.7"),
    ("zenodo", "7000012"),
    ("inveniordm", "sums0-00008"),
    ("cds", "1002"),
    ("cds", "1003"),
    ("ilcdoc", "1002"),
    ("cds-videos", "3000002"),
    ("cod", "5"),
    ("indico", "101"),
    ("ilcagenda", "101"),
    ("codimd", "AbCdEfGhIjKlMnOpQrStUv"),
)
MODES: tuple[dict[str, bool], ...] = ({}, LIGHT, HASHED)


@pytest.fixture
def target(tmp_path: Path) -> Path:
    """A folder that is not there."""
    return tmp_path / "out"


@pytest.fixture
def ask(config_file: Path, target: Path) -> Ask:
    """A plan of a record, or of lines, of the sandbox."""

    def call(source: str | None = "zenodo", recid: str | None = None, **more: Any) -> Plan:
        about = {name: more.pop(name) for name in set(more) & set(OF_A_PLAN)}
        place = more.pop("target", target)
        return planning.plan(_options(config_file, place, source, recid, **more), **about)

    return call


OF_A_PLAN = ("lines", "workers", "sample", "rate", "each", "events")


def _options(
    config: Path, target: Path, source: str | None, recid: str | None, **more: Any
) -> JobOptions:
    given = {"config": config, "target": target, "retries": 2, **more}
    return JobOptions(source=source, recid=recid, **given)


@pytest.fixture
def bic(config_file: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Bic:
    """``bic plan`` in a folder of its own."""
    here = tmp_path / "here"
    here.mkdir()
    monkeypatch.chdir(here)
    monkeypatch.setenv("BIC_CONFIG", str(config_file))

    def call(*args: str | Path, input: str = "") -> Result:
        # The process has one logger; the command line sets its level for as long as it runs.
        return CliRunner().invoke(
            cli, ["plan", *map(str, args)], input=input, standalone_mode=False
        )

    return call


def code(answer: Result) -> int:
    """The exit code: what the command returned, or one of Click's own."""
    return int(answer.return_value or answer.exit_code)


def fits(path: Path, room: int) -> bool:
    """Whether a package takes what was reckoned, at most a fifth and some kB less.

    On some file systems folders take nothing: a plan cannot know, so that is no fault of it.
    """
    if path.is_file():
        return path.stat().st_size <= room <= 1.2 * path.stat().st_size + 8192
    found = list(os.walk(path))
    files = [Path(folder, name) for folder, _, names in found for name in names]
    taken = sum(one.lstat().st_blocks * 512 for one in files)
    folders = [Path(folder).lstat().st_blocks * 512 for folder, _, _ in found]
    most = 1.2 * (taken + sum(max(one, 4096) for one in folders)) + 8192
    return taken + sum(folders) <= room <= most


# -- the plan is that of the real run ---------------------------


@pytest.mark.parametrize("mode", MODES, ids=("full", "light", "hashed"))
@pytest.mark.parametrize(("source", "recid"), SOURCES)
def test_a_run_does_what_its_plan_says(
    sandbox: Sandbox,
    config_file: Path,
    target: Path,
    source: str,
    recid: str,
    mode: dict[str, bool],
) -> None:
    """Requests, files, bytes, names and room: the package that is made then has them all."""
    options = _options(config_file, target, source, recid, **mode)
    planned = planning.plan(options)
    assert not target.exists()

    sandbox.clear()
    made = run(replace(options, jobs=1))  # with several, one may be sent ahead and then again

    [one] = planned.records
    assert len(sandbox.seen) == planned.requests.total
    assert (made.files, made.recid) == (one.files, one.recid)
    assert len(made.renamed) == one.renamed.count
    assert [(s.name, s.reason) for s in made.skipped] == [
        (row["name"], row["reason"]) for row in one.skipped.first
    ]
    if mode:
        assert list(made.without_checksum) == [row["path"] for row in one.without_checksum.first]
    if not one.unknown_sizes:
        assert made.bytes == one.bytes
        assert fits(made.path, one.disk.package)
    assert 0 == planned.exit_code


@pytest.mark.parametrize("source", ["zenodo", "cds-videos", "cod", "indico"])
def test_no_file_is_asked_for(sandbox: Sandbox, ask: Ask, source: str) -> None:
    """Of the files of a full package nothing is requested, not even their heads."""
    [recid] = {"zenodo": "7000001", "cds-videos": "3000001", "cod": "2", "indico": "101"}[
        source
    ].split()

    found = ask(source, recid)

    assert found.files > 0
    assert len(sandbox.seen) == found.sent == found.requests.metadata
    assert not [one for one in sandbox.seen if one.method == "HEAD"]


def test_the_archive_and_the_folder_it_is_made_of(config_file: Path, target: Path) -> None:
    """At the peak both are on the disk; in the end only the archive."""
    options = _options(config_file, target, "zenodo", "7000011", archive="tar")

    found = planning.plan(options).disk

    assert fits(run(options).path, found.package)
    assert found.needed >= 2 * 1_800_000


def test_a_folder_of_this_machine(tmp_path: Path, target: Path) -> None:
    """Nobody is asked; empty folders and names that no other system has are told."""
    source = tmp_path / "source"
    (source / "empty").mkdir(parents=True)
    (source / "aux.txt").write_bytes(b"x" * 5000)
    (source / os.fsdecode(b"caf\xe9.txt")).write_bytes(b"coffee")
    options = JobOptions(source="local", source_path=source, author="Ada", target=target)

    found = planning.plan(options)
    assert not target.exists()

    made = run(options)
    assert (2, made.bytes, 0, None) == (
        found.files,
        found.bytes,
        found.requests.total,
        found.seconds,
    )
    assert [
        {"from": "aux.txt", "to": "data/content/_aux.txt"},
        {"from": "caf%e9.txt", "to": "data/content/caf_E9.txt"},
    ] == [
        {"from": row["from"], "to": row["to"]}
        for row in sorted(found.renamed.first, key=lambda row: row["from"])
    ]
    assert fits(made.path, found.disk.package)
    assert 0 == found.without_checksum.count


def test_a_folder_that_the_package_would_be_made_inside_of(tmp_path: Path) -> None:
    """As the run, the plan refuses it."""
    (tmp_path / "a.txt").write_text("a")

    with pytest.raises(InputError, match="inside the source"):
        planning.plan(
            JobOptions(source="local", source_path=tmp_path, author="A", target=tmp_path / "out")
        )


def test_a_redirect_that_no_head_showed_is_one_request_more(
    sandbox: Sandbox, config_file: Path, target: Path
) -> None:
    """Only the request for the file itself would tell; a light plan has asked by HEAD."""
    full = _options(config_file, target, "zenodo", "7000010")
    hashed = _options(config_file, target, "zenodo", "7000010", **HASHED)
    plans = [planning.plan(one).requests for one in (full, hashed)]

    seen = []
    for options in (full, hashed):
        sandbox.clear()
        run(options)
        seen.append(len(sandbox.seen))

    assert [plans[0].total + 1, plans[1].total] == seen
    assert sandbox.storage_url in plans[1].servers


def test_a_repository_is_made_of_a_clone(sandbox: Sandbox, ask: Ask) -> None:
    """Of what git brings neither size nor requests are known, and none is guessed."""
    found = ask("gitlab", "7")

    assert found.files == found.made == found.unknown_sizes == 16
    assert (0, 4, None) == (found.requests.files, found.requests.metadata, found.room.enough)
    assert not [one for one in sandbox.seen if ".git/" in one.path]


def test_without_the_files_a_repository_is_light(
    sandbox: Sandbox, config_file: Path, target: Path
) -> None:
    """Its light package asks for the head of each file, and so does its plan."""
    options = _options(config_file, target, "gitlab", "9", light=True)
    found = planning.plan(options)

    sandbox.clear()
    made = run(options)

    assert (len(sandbox.seen), made.bytes, 250) == (
        found.requests.total,
        found.bytes,
        found.files,
    )


def test_a_light_package_by_1_0_leaves_out_what_has_no_checksum(
    config_file: Path, target: Path
) -> None:
    """BagIt 1.0 cannot list it, and the plan names it as the run does."""
    options = _options(
        config_file, target, "inveniordm", "sums0-00008", light=True, bagit_version="1.0"
    )

    found = planning.plan(options)

    made = run(options)
    assert {one.name for one in made.skipped} == {row["name"] for row in found.skipped.first}
    assert (made.files - len(made.skipped), 2) == (found.files, found.skipped.count)


def test_other_algorithms_take_other_room(ask: Ask) -> None:
    """The manifests are in the estimate."""
    usual, more = (
        ask("zenodo", "7000012", algorithms=names)
        for names in (("md5",), ("md5", "sha1", "sha256", "sha384", "sha512"))
    )

    assert more.disk.package > usual.disk.package + 4 * 3 * 4096


def test_the_files_that_bibdocfile_knows(
    sandbox: Sandbox, config_file: Path, target: Path, tmp_path: Path
) -> None:
    """The program is asked, as by the run, and its files and sizes count."""
    facts = {"name": "extra", "url": "http://cds.cern.ch/record/1002/files/extra.txt", "size": "5"}
    facts["checksum"] = hashlib.md5(b"extra").hexdigest()
    sandbox.app("cds").records["1002"].files[("extra.txt", "")] = Content(b"extra")
    program = tmp_path / "bibdocfile"
    told = "".join(f"echo '1002:32:1:.txt:{name}={text}'\n" for name, text in facts.items())
    program.write_text(f"#!/bin/sh\n{told}")
    program.chmod(0o755)
    text = config_file.read_text().replace("[cds]", f'[cds]\nbibdocfile = "{program}"', 1)
    config_file.write_text(text)
    plain = planning.plan(_options(config_file, target, "cds", "1002"))
    options = _options(config_file, target, "cds", "1002", bibdoc=True)

    found = planning.plan(options)

    sandbox.clear()
    made = run(options)
    assert (plain.files + 1, plain.bytes + 5) == (found.files, found.bytes)
    assert (len(sandbox.seen), made.files) == (found.requests.total, found.files)


def test_bytes_that_are_read_and_not_kept(ask: Ask) -> None:
    """--hash-missing reads what has no checksum, and a light package keeps none of it."""
    listed, read = (ask("zenodo", "7000010", **mode) for mode in (LIGHT, HASHED))

    assert (0, 1, 0) == (listed.read, listed.without_checksum.count, listed.requests.files)
    assert (70_000, 0, 2) == (read.read, read.without_checksum.count, read.requests.files)
    assert read.disk.package < 70_000


# -- what is in the way ---------------------------


@pytest.mark.parametrize(
    ("source", "recid"),
    [
        ("zenodo", "7000002"),
        ("zenodo", "7000007"),
        ("zenodo", "9999999"),
        ("cds", "1302"),
        ("codimd", "private00000000000000u"),
        ("gitlab", "11"),
    ],
)
def test_one_record_that_cannot_be_packaged(
    config_file: Path, target: Path, source: str, recid: str
) -> None:
    """The plan ends as the run would, for the same reason."""
    options = _options(config_file, target, source, recid)
    found = planning.plan(options)

    with pytest.raises(BicError) as err:
        run(options)

    failure = found.records[0].failure
    assert failure is not None
    assert (err.value.exit_code, err.value.headline(), err.value.hint) == (
        found.exit_code,
        failure.message,
        failure.hint,
    )


def test_a_server_that_is_gone(ask: Ask, sandbox: Sandbox) -> None:
    """What may pass is not for ever: the code says so."""
    sandbox.fault("/api/records", Fault("status", status=503))

    assert 7 == ask("zenodo", "7000001").exit_code


def test_what_had_to_be_asked_twice_is_planned_once(ask: Ask, sandbox: Sandbox) -> None:
    """A run on another day may be luckier; what the plan itself sent is told apart."""
    sandbox.fault("/files$", Fault("status", status=502), times=1)

    found = ask("zenodo", "7000001")

    assert (2, 3) == (found.requests.metadata, found.sent)


def test_the_credential_that_is_missing(ask: Ask) -> None:
    """Which, for what, and in which variable it may stand."""
    found = ask(lines=["7000001", "7000002", "7000013"])

    [one] = found.credentials
    assert ("zenodo", "personal access token", False, 2) == (
        one.source,
        one.kind,
        one.given,
        one.refused,
    )
    assert {"7000002", "7000013"} == set(one.first)
    assert "BIC_TOKEN_ZENODO" == one.variables[0]


def test_the_credential_that_is_given(ask: Ask) -> None:
    """Then the record is open, and nothing is missing."""
    found = ask("zenodo", "7000002", token=Secret("good"))

    assert (0, 4) == (found.exit_code, found.files)
    assert [(True, 0)] == [(one.given, one.refused) for one in found.credentials]


def test_a_token_appears_nowhere(bic: Bic, monkeypatch: pytest.MonkeyPatch) -> None:
    """Not in the plan, and not in what goes wrong."""
    monkeypatch.setenv("BIC_TOKEN_ZENODO", "not-a-good-token-at-all")

    answer = bic("--source", "zenodo", "--recid", "7000002", "--json", "-vv")

    assert 6 == code(answer)
    assert json.loads(answer.stdout)["credentials"][0]["given"]
    assert "not-a-good-token" not in answer.output


def test_a_file_that_the_head_refuses_ends_the_reading(ask: Ask, sandbox: Sandbox) -> None:
    """With --hash-missing it must be read: then the run ends with 8, or does without it."""
    sandbox.fault("bare.dat/content", Fault("status", status=403))

    strict = ask("inveniordm", "sums0-00008", **HASHED)
    tolerant = ask("inveniordm", "sums0-00008", **HASHED, allow_missing=True)

    assert (8, 0) == (strict.exit_code, tolerant.exit_code)
    assert ["bare.dat"] == [row["name"] for row in tolerant.missing.first]
    assert strict.failures["TransferError"].count == 1


def test_doing_without_it_is_what_the_run_does(
    sandbox: Sandbox, config_file: Path, target: Path
) -> None:
    """Files, bytes and requests are those of the plan."""
    sandbox.fault("bare.dat/content", Fault("status", status=403))
    options = _options(
        config_file, target, "inveniordm", "sums0-00008", **HASHED, allow_missing=True
    )
    found = planning.plan(options)

    sandbox.seen.clear()
    made = run(options)

    assert (len(sandbox.seen), made.files, made.bytes, len(made.missing)) == (
        found.requests.total,
        found.files,
        found.bytes,
        found.missing.count,
    )


def test_a_file_that_has_no_address_is_foreseen(ask: Ask) -> None:
    """Nothing could be fetched, so the run would end with 8."""
    found = ask("cds", "1001", **HASHED)

    failure = found.records[0].failure
    assert failure is not None and "no address" in failure.message
    assert 8 == found.exit_code


def test_warnings_are_those_of_the_run(config_file: Path, target: Path) -> None:
    """An embargo that is over, and a name that CERN's platform cannot keep."""
    options = _options(config_file, target / ("x" * 90), "zenodo", "7000004", embargo=10**9)

    found = planning.plan(options)

    assert set(run(options).warnings) == {row["text"] for row in found.warnings.first}
    assert 3 == found.warnings.count


def test_an_id_that_upstream_knows_by_another(ask: Ask) -> None:
    """A concept's id, or a DOI: told, for it will stand in the package's name."""
    found = ask("zenodo", "7000000")

    assert [{"source": "zenodo", "recid": "7000001", "requested": "7000000"}] == list(
        found.moved.first
    )


# -- the disk ---------------------------


@pytest.fixture
def full_disk(monkeypatch: pytest.MonkeyPatch) -> SimpleNamespace:
    """A file system with some room, as far as anybody can tell."""
    facts = SimpleNamespace(
        f_bavail=100, f_frsize=4096, f_files=10**6, f_favail=10**6, f_bsize=4096
    )
    monkeypatch.setattr(os, "statvfs", lambda place: facts)
    return facts


def test_too_little_room_is_told_before_anything_is_fetched(
    ask: Ask, full_disk: SimpleNamespace
) -> None:
    """The run would end with 10; so does the plan."""
    found = ask("zenodo", "7000001")

    assert (False, 10, 409_600) == (found.room.enough, found.exit_code, found.room.free)


def test_a_light_package_needs_little_room(ask: Ask, full_disk: SimpleNamespace) -> None:
    """It fits where the files do not."""
    assert (True, 0) == (
        (found := ask("zenodo", "7000001", light=True)).room.enough,
        found.exit_code,
    )


def test_too_few_files_can_be_made(ask: Ask, full_disk: SimpleNamespace) -> None:
    """Room has two sides."""
    full_disk.f_bavail, full_disk.f_favail = 10**6, 30

    assert 10 == ask("zenodo", "7000001").exit_code


def test_room_that_nobody_can_tell(ask: Ask) -> None:
    """A file of unknown size may be of any."""
    found = ask("zenodo", "7000010")

    assert (1, None, 0) == (found.unknown_sizes, found.room.enough, found.exit_code)


def test_a_target_that_cannot_be_written(ask: Ask, tmp_path: Path) -> None:
    """It is no folder: said, with all the rest of the plan."""
    place = tmp_path / "file"
    place.write_text("taken")

    found = ask("zenodo", "7000001", target=place / "below")

    assert (10, 4) == (found.exit_code, found.files)
    assert "not a folder" in found.room.fault


# -- limits and times ---------------------------


@pytest.fixture
def limited(tmp_path: Path) -> Iterator[Callable[..., Plan]]:
    """A plan of a record of three files, from a server that answers with certain headers."""

    def _headed(body: bytes, headers: dict[str, str], _: Asked) -> bytes:
        return whole(body, **headers)

    with serving() as server:
        server.record({f"f{n}": b"x" for n in range(3)})

        def call(**headers: str) -> Plan:
            for path, answer in list(server.answers.items()):
                told: Any = answer(Asked("GET", path, {}))
                server.answers[path] = partial(_headed, told.partition(b"\r\n\r\n")[2], headers)
            config = server.config(tmp_path)
            return planning.plan(
                JobOptions(source="scripted", recid="r", config=config, target=tmp_path / "out")
            )

        yield call


@pytest.mark.parametrize(
    ("headers", "expected"),
    [
        (
            {"X_RateLimit_Limit": "60", "X_RateLimit_Remaining": "50", "X_RateLimit_Reset": "58"},
            (60, 60.0, False),
        ),
        (
            {"X_RateLimit_Limit": "9", "X_RateLimit_Remaining": "8", "X_RateLimit_Reset": "3500"},
            (9, 3600.0, False),
        ),
        ({"RateLimit_Limit": "30", "RateLimit_Remaining": "20"}, (30, 60.0, False)),
        (
            {"RateLimit": '"a";r=4;t=3', "RateLimit_Policy": '"a";q=8;w=20'},
            (8, 20.0, True),
        ),
        (
            {
                "RateLimit_Limit": "100, 100;w=3600",
                "RateLimit_Remaining": "99",
                "RateLimit_Reset": "50",
            },
            (100, 3600.0, True),
        ),
    ],
)
def test_limits_are_read_in_every_form(
    limited: Callable[..., Plan], headers: dict[str, str], expected: tuple[int, float, bool]
) -> None:
    """So many requests in a window; one that is not named is the usual one that fits."""
    found = limited(**headers)

    [limit] = found.limits
    assert expected == (limit.requests, limit.window, limit.told)
    seconds = found.requests.total / expected[0] * expected[1]
    assert ("limits", seconds) == (found.decided_by, found.seconds)


@pytest.mark.parametrize(
    "headers",
    [
        {},
        {"X_RateLimit_Remaining": "7"},
        {"X_RateLimit_Limit": "0", "X_RateLimit_Remaining": "9"},
        {"RateLimit_Limit": "many", "RateLimit_Remaining": "nine"},
    ],
)
def test_without_a_limit_the_answers_tell_the_time(
    limited: Callable[..., Plan], headers: dict[str, str]
) -> None:
    """Two answers for the metadata one after the other, three files side by side."""
    found = limited(**headers)

    assert ((), "answers") == (found.limits, found.decided_by)
    assert found.answer is not None
    assert found.seconds == pytest.approx((2 + 3 / 8) * found.answer)


def test_heads_go_side_by_side(ask: Ask) -> None:
    """As the files do, so they take an eighth of the time that one after the other would."""
    found = ask("indico", "101", light=True)

    assert (0, "answers") == (found.requests.files, found.decided_by)
    assert 0 < found.requests.heads < found.requests.metadata
    in_turn = found.requests.metadata - found.requests.heads + found.requests.heads / 8
    assert found.answer is not None
    assert found.seconds == pytest.approx(in_turn * found.answer)


def test_the_tightest_limit_counts() -> None:
    """Of two kinds of limit, that which is reached first, whatever its window."""
    pace = Pace()
    for limit, window in ((5000, 3600), (60, 60), (2000, 60)):
        headers = {"ratelimit": f"r=9;t=1;q={limit}", "ratelimit-policy": f"q={limit};w={window}"}
        answer: Any = SimpleNamespace(headers=headers, waited=0.1)
        pace.learn("https://a.example", answer)

    [one] = pace.limits()
    assert (60, 60.0) == (one.requests, one.window)


def test_the_bytes_take_their_time_at_a_rate_that_is_given(ask: Ask) -> None:
    """Otherwise nothing is said of it."""
    assert ask("zenodo", "7000011").transfer is None
    assert 180.0 == ask("zenodo", "7000011", rate=10_000).transfer


# -- many records ---------------------------

MIXED = "7000001\n# a remark\n\n7000002\n10.5281/zenodo.7000007\n7000009\n7000001\n9999999\n"


def test_a_list_adds_up(ask: Ask) -> None:
    """What can be packaged, and what cannot, by kind with the ids."""
    one, other = ask("zenodo", "7000001"), ask("zenodo", "7000009")

    found = ask(lines=MIXED.splitlines())

    assert (5, 5, 1, 2) == (found.listed, found.planned, found.repeated, found.makeable)
    assert (one.files + other.files, one.bytes + other.bytes) == (found.files, found.bytes)
    assert {"RecordNotFound": 2, "AccessDenied": 1} == {
        kind: named.count for kind, named in found.failures.items()
    }
    assert {"7000007", "9999999"} == {
        row["recid"] for row in found.failures["RecordNotFound"].first
    }
    assert one.disk.package + other.disk.package == found.disk.package
    assert 8 == found.exit_code


def test_the_requests_of_a_list_are_those_of_its_batch(
    sandbox: Sandbox, ask: Ask, config_file: Path, tmp_path: Path
) -> None:
    """With those for records that cannot be packaged: nobody knows without asking."""
    lines = MIXED.splitlines()
    found = ask(lines=lines)
    options = JobOptions(source="zenodo", config=config_file, retries=2)
    job = batch.create(tmp_path / "job", lines, options).job

    sandbox.clear()
    batch.run(job.path, batch.Orders(workers=2), processes=1)

    assert len(sandbox.seen) == found.requests.total
    totals = batch.survey(job).totals
    assert (totals.done, totals.files, totals.bytes) == (
        found.makeable,
        found.files,
        found.bytes,
    )


def test_a_job_folder_is_planned_for_what_is_left(
    config_file: Path, tmp_path: Path, sandbox: Sandbox
) -> None:
    """Records with a package count no more, and the folder stays as it is."""
    options = JobOptions(source="zenodo", config=config_file, retries=2)
    job = batch.create(tmp_path / "job", ["7000001", "7000002", "7000004"], options).job
    first = planning.plan_job(job.path)
    assert 3 == first.listed

    batch.run(job.path, batch.Orders(workers=1), processes=1)
    before = _tree(tmp_path)
    left = planning.plan_job(job.path, JobOptions(token=Secret("good")))

    assert (1, 1, 0, str(job.target)) == (
        left.listed,
        left.makeable,
        left.exit_code,
        left.room.place,
    )
    assert before == _tree(tmp_path)


def test_a_job_that_is_done_has_no_plan(config_file: Path, tmp_path: Path) -> None:
    """That is no failure of the plan, but there is none to make."""
    options = JobOptions(source="zenodo", config=config_file)
    job = batch.create(tmp_path / "job", ["7000015"], options).job
    batch.run(job.path, batch.Orders(workers=1), processes=1)

    with pytest.raises(InputError, match="Every record"):
        planning.plan_job(job.path)


def test_a_list_with_a_line_that_names_nothing(ask: Ask, sandbox: Sandbox) -> None:
    """It is refused before anybody is asked, naming the line."""
    with pytest.raises(InputError, match="line 2"):
        ask(lines=["7000001", "no such thing", "7000002"])

    assert [] == sandbox.seen


@pytest.mark.parametrize("lines", [[], ["# nothing"]])
def test_a_list_that_names_no_record(ask: Ask, lines: list[str]) -> None:
    """There is nothing to plan."""
    with pytest.raises(InputError, match="no record"):
        ask(lines=lines)


def test_a_credential_that_cannot_be_read_ends_the_plan(
    ask: Ask, sandbox: Sandbox, tmp_path: Path
) -> None:
    """Every other record would end so too."""
    cookies = tmp_path / "cookies"
    cookies.write_text("no cookies")
    cookies.chmod(0o600)

    with pytest.raises(ConfigError):
        ask(lines=["7000001", "7000002"], cookies=cookies)


def test_a_server_that_is_gone_for_all(ask: Ask, sandbox: Sandbox) -> None:
    """After twenty records one after the other nobody goes on asking."""
    sandbox.fault("/api/records", Fault("status", status=503))

    with pytest.raises(Unreachable, match="20 records"):
        ask(lines=[str(one) for one in range(1000)], retries=0, workers=1)

    assert 20 == len(sandbox.seen)


def test_many_servers_are_told_apart(ask: Ask, sandbox: Sandbox) -> None:
    """Requests by server, and the credential of each."""
    found = ask(
        None,
        lines=[
            f"{sandbox.url('zenodo')}/records/7000001",
            '{"source": "inveniordm", "recid": "k3f9q-7xw21"}',
            '{"source": "inveniordm", "recid": "gone", "deleted": true}',
        ],
    )

    assert {sandbox.url("zenodo"): 6, sandbox.url("inveniordm"): 6} == found.requests.servers
    assert (2, 1, 0) == (found.listed, found.deleted, found.exit_code)
    assert ["inveniordm", "zenodo"] == [one.source for one in found.credentials]


def test_names_are_kept_up_to_a_number(ask: Ask, sandbox: Sandbox) -> None:
    """A million records that were renamed do not fill the memory; each record can tell its own."""
    sandbox.add_record("zenodo", "5", {f"a?{n}": b"x" for n in range(30)})
    told: list[RecordPlan] = []

    short = ask(lines=["5"])
    ask(lines=["5"], each=told.append)

    assert (30, 20) == (short.renamed.count, len(short.renamed.first))
    assert (30, 30) == (told[0].renamed.count, len(told[0].renamed.first))


def test_records_at_once_do_not_change_the_numbers(ask: Ask) -> None:
    """One worker and eight come to the same."""
    one, eight = (ask(lines=MIXED.splitlines(), workers=number) for number in (1, 8))

    assert (one.files, one.bytes, one.requests, one.makeable) == (
        eight.files,
        eight.bytes,
        eight.requests,
        eight.makeable,
    )


# -- a sample ---------------------------


def test_a_sample_asks_for_so_many_only(ask: Ask, sandbox: Sandbox) -> None:
    """The same ones each time, evenly spaced; the range holds the whole list's numbers."""
    for number in range(40):
        sandbox.add_record("zenodo", str(100 + number), {"a": 1000 + 10 * number, "b": 500})
    lines = [str(100 + number) for number in range(40)]
    everything = ask(lines=lines)

    sandbox.clear()
    found = ask(lines=lines, sample=10)
    asked = {one.path for one in sandbox.seen}
    sandbox.clear()
    ask(lines=lines, sample=10)

    assert asked == {one.path for one in sandbox.seen}
    assert (40, 10, 20, True) == (found.listed, found.planned, len(asked), found.is_sample)
    assert found.estimate is not None
    size = found.estimate["bytes"]
    assert size.low <= everything.bytes <= size.high
    assert (80, 80, 80) == tuple(
        getattr(found.estimate["files"], name) for name in ("value", "low", "high")
    )
    assert everything.requests.total == found.estimate["requests"].value
    records = found.estimate["records"]
    assert records.low < records.value == records.high == 40


def test_a_sample_as_large_as_the_list_is_the_list(ask: Ask) -> None:
    """Then nothing is reckoned."""
    found = ask(lines=["7000001", "7000004"], sample=5)

    assert (None, 2, False) == (found.estimate, found.planned, found.is_sample)


def test_failures_of_a_sample_are_reckoned_too() -> None:
    """Half of ten failed: Wilson's range for a thousand is that of the textbook."""
    totals = Totals()
    for number in range(10):
        failure = planning.Failure("AccessDenied", 6, "no") if number % 2 else None
        totals.add(Looked(RecordPlan("a", str(number), str(number), failure=failure)))

    found = totals.estimate(1000)["records"]

    assert (500, 236, 764) == (found.value, found.low, found.high)


def test_the_range_is_that_of_student() -> None:
    """Five values, a list of a hundred: mean, spread and correction by hand."""
    totals = Totals()
    for size in (10, 20, 30, 40, 50):
        plan = RecordPlan("a", "1", "1", bytes=size, requests=Requests(1), disk=Weight(1, 1, 1))
        totals.add(Looked(plan))

    found = totals.estimate(100)["bytes"]

    # 30 a record; s/sqrt(5) = 7.0711, times sqrt(0.95), 2.78 and 100 records: 1915.98.
    assert (3000, 3000 - 1916, 3000 + 1916) == (found.value, found.low, found.high)


@pytest.mark.parametrize(("freedom", "value"), [(1, 12.706), (4, 2.776), (15, 2.131), (60, 2.000)])
def test_students_t(freedom: int, value: float) -> None:
    """As the tables have it, to the third digit."""
    assert student(freedom) == pytest.approx(value, rel=0.002)


@pytest.mark.parametrize(("number", "of"), [(5, 5), (5, 7), (10, 1000), (333, 1000)])
def test_a_sample_is_spaced_evenly(number: int, of: int) -> None:
    """So many, all different, and no two gaps differ by more than one."""
    listed = Listed()
    for one in range(of):
        listed.add("a", str(one))

    found = [int(recid) for _, recid in listed.sample(number)]

    gaps = {after - before for before, after in zip(found, found[1:], strict=False)}
    assert number == len(set(found))
    assert max(gaps) - min(gaps) <= 1


def test_a_list_knows_what_it_has() -> None:
    """Thousands of records, each once, in their order, whatever their ids are."""
    listed = Listed()
    ids = [f"id-{number}" for number in range(5000)] + ["été", "a/b", "id-7", "été"]
    for one in ids:
        listed.add("zenodo", one)

    assert (5002, 2) == (len(listed), listed.repeated)
    assert list(dict.fromkeys(ids)) == [recid for _, recid in listed]


# -- the command ---------------------------


def _tree(folder: Path) -> dict[str, tuple[int, int]]:
    """Every name below a folder, with its size and time."""
    return {
        str(path): (path.lstat().st_size, path.lstat().st_mtime_ns) for path in folder.rglob("*")
    }


def test_nothing_is_written_anywhere(bic: Bic, tmp_path: Path) -> None:
    """No target, no staging folder, no file beside: everything is as it was."""
    (tmp_path / "list").write_text(MIXED)
    before = _tree(tmp_path)

    assert 0 == code(bic("--source", "zenodo", "--recid", "7000001"))
    assert 0 == code(bic("--source", "zenodo", "--recid", "7000001", "-t", tmp_path / "a" / "b"))
    assert 8 == code(bic("--source", "zenodo", "--list", tmp_path / "list"))
    assert 5 == code(bic("--source", "zenodo", "--recid", "7000007"))

    assert before == _tree(tmp_path)


def test_a_plan_for_people(bic: Bic) -> None:
    """A fact a line, and nothing on the other stream."""
    answer = bic("--source", "zenodo", "--recid", "7000009", "--rate", "1")

    assert 0 == code(answer)
    assert "" == answer.stderr
    lines = answer.stdout.splitlines()
    assert "record: zenodo 7000009 can be packaged" == lines[0]
    assert {"files", "requests", "time", "transfer", "disk", "credential"} <= {
        line.partition(":")[0] for line in lines
    }
    assert "  zenodo 7000009: 'CON' -> 'data/content/_CON'" in lines
    assert r"  zenodo 7000009: 'line\r\nbreak.txt' -> 'data/content/line__break.txt'" in lines


def test_an_address_is_enough(bic: Bic, sandbox: Sandbox) -> None:
    """As for bic itself, in both spellings."""
    for option in ("--url", "-u"):
        answer = bic(option, f"{sandbox.url('zenodo')}/records/7000001", "--json")
        assert "7000001" == json.loads(answer.stdout)["records"][0]["recid"]


def test_the_reason_stands_on_stderr_too(bic: Bic) -> None:
    """In the words of the run, with what to try."""
    answer = bic("--source", "zenodo", "--recid", "7000002")

    assert 6 == code(answer)
    assert answer.stderr.startswith("Error: HTTP 403: File list request was refused")
    assert "  try: " in answer.stderr
    assert "credential: zenodo: personal access token: missing for 1 record" in answer.stdout


def test_json_is_one_object(bic: Bic) -> None:
    """Its keys are an interface."""
    answer = bic("--source", "zenodo", "--list", "-", "--json", input=MIXED)

    found = json.loads(answer.stdout)
    assert 8 == code(answer) == found["exit_code"]
    assert {
        "listed": 5,
        "planned": 5,
        "makeable": 2,
        "repeated": 1,
        "sample": False,
        "estimate": None,
    }.items() <= found.items()
    assert {"total", "metadata", "heads", "files", "servers"} == set(found["requests"])
    assert {"package", "needed", "entries"} == set(found["disk"])
    assert {"place", "free", "free_entries", "enough", "fault"} == set(found["room"])
    assert 5 == len(found["records"])
    assert {"renamed", "skipped", "without_checksum", "missing", "warnings", "failure"} <= set(
        found["records"][0]
    )


def test_a_line_for_each_record(bic: Bic) -> None:
    """And the plan as the last one."""
    answer = bic("--source", "zenodo", "--list", "-", "--each", input=MIXED)

    *records, last = map(json.loads, answer.stdout.splitlines())
    assert {"7000001", "7000002", "7000007", "7000009", "9999999"} == {
        one["record"]["recid"] for one in records
    }
    assert 5 == last["plan"]["planned"]


def test_a_sample_says_how_sure_it_is(bic: Bic, sandbox: Sandbox) -> None:
    """The reckoned numbers stand apart from those that were counted."""
    for number in range(12):
        sandbox.add_record("zenodo", str(100 + number), {"a": 1000 * number})
    lines = "".join(f"{100 + number}\n" for number in range(12))

    answer = bic("--source", "zenodo", "--list", "-", "--sample", "6", input=lines)

    assert 0 == code(answer)
    assert "records: 12 records; a sample of 6 asked for" in answer.stdout
    assert "the whole list, reckoned from the sample (95 %" in answer.stdout
    assert "  files: 12 (12 to 12)" in answer.stdout


def test_a_job_by_its_folder(bic: Bic, tmp_path: Path, config_file: Path) -> None:
    """Its options are those it was made with."""
    options = JobOptions(source="zenodo", config=config_file, light=True)
    job = batch.create(tmp_path / "job", ["7000001", "7000009"], options).job

    answer = bic(job.path, "--json")

    found = json.loads(answer.stdout)
    assert (0, 2, 0) == (code(answer), found["listed"], found["requests"]["files"])


@pytest.mark.parametrize(
    ("args", "message"),
    [
        (("--list", "-", "--recid", "1", "--source", "zenodo"), "--recid does not go with --list"),
        (("JOB", "--list", "-"), "JOB does not go with --list"),
        (("JOB", "--dry-run"), "--light stands in the job folder"),
        (("JOB",), "no job folder"),
        (("--source", "zenodo", "--recid", "1", "--sample", "5"), "--sample needs a list"),
        (("--source", "zenodo", "--list", "-", "--sample", "2"), "--sample is at least 5"),
        (("--source", "zenodo", "--recid", "1", "--workers", "0"), "--workers is at least 1"),
        (("--source", "zenodo", "--recid", "1", "--rate", "-1"), "--rate is above 0"),
        (("--source", "zenodo", "--recid", "1", "--rate", "nan"), "--rate is above 0"),
        (("--source", "zenodo", "--recid", "1", "--rate", "1e-320"), "at least a byte a second"),
        (("--source", "zenodo"), "Record ID are required"),
        (("--source", "local", "--list", "-"), "no folders of this machine"),
        (("--list", "/no/such/list", "--source", "zenodo"), "The list cannot be read"),
        (("--source", "zenodo", "--recid", "1", "--archive", "rar"), "--archive is one of"),
        ((), "are required"),
    ],
)
def test_what_cannot_be_planned(
    bic: Bic, sandbox: Sandbox, args: tuple[str, ...], message: str
) -> None:
    """It is refused before any request, in words."""
    answer = bic(*args)

    assert 2 == code(answer)
    assert message in answer.stderr
    assert ("", []) == (answer.stdout, sandbox.seen)


def test_a_list_that_is_no_text(bic: Bic, tmp_path: Path) -> None:
    """Bytes that are no UTF-8 name no record."""
    (tmp_path / "list").write_bytes(b"70000\xff01\n")

    answer = bic("--source", "zenodo", "--list", tmp_path / "list")

    assert 2 == code(answer)
    assert "no UTF-8" in answer.stderr


def test_a_refusal_in_json(bic: Bic) -> None:
    """The object that bic itself gives."""
    answer = bic("--source", "zenodo", "--recid", "1", "--sample", "5", "--json")

    assert (2, "InputError") == (
        (found := json.loads(answer.stdout))["exit_code"],
        found["error"],
    )


def test_options_that_mean_nothing_to_a_plan_are_not_offered(bic: Bic) -> None:
    """Nothing is read back, so nobody can ask for it not to be."""
    answer = bic("--source", "zenodo", "--recid", "1", "--no-verify")

    assert answer.exception is not None and "No such option" in str(answer.exception)


def test_ctrl_c_ends_it(config_file: Path, tmp_path: Path, sandbox: Sandbox) -> None:
    """At once, with 130, in the middle of a request."""
    sandbox.fault("/api/records", Fault("stall", seconds=FOR_EVER_S))
    args = ("plan", "--source", "zenodo", "--list", "-", "--config", str(config_file))
    with subprocess.Popen(
        [sys.executable, "-m", "bagit_create", *args],
        cwd=tmp_path,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    ) as program:
        assert program.stdin is not None
        program.stdin.write(b"7000001\n7000002\n")
        program.stdin.close()
        until(lambda: sandbox.seen)
        program.send_signal(signal.SIGINT)
        assert 130 == program.wait(LONG_S)
        assert program.stderr is not None
        assert b"Interrupted" in program.stderr.read()


def test_python_can_be_interrupted_too(
    ask: Ask, sandbox: Sandbox, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Ctrl-C in the caller's thread is told as everywhere in the package."""

    def each(_: RecordPlan) -> None:
        raise KeyboardInterrupt

    with pytest.raises((Interrupted, KeyboardInterrupt)):
        ask(lines=["7000001", "7000002"], each=each)


def test_progress_is_told(ask: Ask) -> None:
    """Each record that is done, of how many."""
    told: list[Any] = []
    events: Any = SimpleNamespace(
        phase=told.append,
        started=lambda files, size: told.append((files, size)),
        file_done=told.append,
        waiting=lambda seconds, why: None,
        advanced=lambda count: None,
    )

    ask(lines=["7000001", "7000004"], workers=1, events=events)

    assert ["plan", (2, None), "7000001", "7000004"] == told


def test_a_plan_can_be_written_down(ask: Ask, target: Path) -> None:
    """As JSON, whatever is in it."""
    shutil.rmtree(target, ignore_errors=True)
    found = ask(lines=MIXED.splitlines() + ["7000010"], sample=5)

    assert found.as_dict() == json.loads(json.dumps(found.as_dict()))


def test_a_plan_that_nobody_reads_any_more_is_ended(
    config_file: Path, sandbox: Sandbox, tmp_path: Path
) -> None:
    """As ``head`` does; hours of requests would follow."""
    ids = [f"80{n:04}" for n in range(150)]
    for recid in ids:
        sandbox.add_record("zenodo", recid, {})
    (tmp_path / "ids").write_text("\n".join(ids), "utf-8")
    words = ["-m", "bagit_create", "plan", "--source", "zenodo", "--list", str(tmp_path / "ids")]
    with subprocess.Popen(
        [sys.executable, *words, "--each", "--workers", "1"],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        env={**os.environ, "BIC_CONFIG": str(config_file)},
    ) as plan:
        assert plan.stdout is not None and plan.stderr is not None
        plan.stdout.readline()
        plan.stdout.close()
        told = plan.stderr.read()
        code = plan.wait(LONG_S)

    assert (0, b"") == (code, told)
    assert len(sandbox.seen) < 200


def test_a_plan_says_that_it_looks_at_no_earlier_packages(
    bic: Bic, tmp_path: Path, config_file: Path
) -> None:
    """A job of what has changed takes that at most."""
    options = JobOptions(source="zenodo", config=config_file, if_changed=True)
    job = batch.create(tmp_path / "job", ["7000001"], options).job

    assert "earlier packages: not looked at" in bic(str(job.path)).stdout
    assert json.loads(bic(str(job.path), "--json").stdout)["earlier"] is True
    assert "earlier packages" not in bic("--source", "zenodo", "--recid", "7000001").stdout
