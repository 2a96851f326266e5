"""``bic thin``: files go that their source still has, and come back as they were."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import killed
import pytest
from lightbags import (
    FILES,
    assert_alone,
    assert_full,
    bic,
    change_sip,
    holey,
    promised,
    remains,
    tree,
)
from packages import Harvest
from scripted import serving, whole

from bagit_create.completion import change
from bagit_create.sandbox import Fault, Sandbox
from bagit_create.sip import disk
from bagit_create.validation import validate

META = "data/meta/sip.json"
CONTENT = "data/content/"


@pytest.fixture
def full(harvest: Harvest, sandbox: Sandbox) -> Path:
    """A package with all its files."""
    result = harvest(7000001)
    assert 0 == result["status"], result
    sandbox.seen.clear()
    return Path(result["path"])


@pytest.fixture
def run(config_file: Path) -> Callable[..., str]:
    """A command on packages of the sandbox, and what it says."""

    def call(command: str, path: Path, *args: object, code: int = 0) -> str:
        done = bic(command, path, "--config", config_file, "--retries", 0, *args)
        assert code == done.exit_code, (done.stdout, done.stderr, done.exception)
        return done.stdout + done.stderr

    return call


def entries(path: Path) -> dict[str, Any]:
    document = json.loads((path / META).read_text(encoding="utf-8"))
    return {one["bagpath"]: one for one in document["contentFiles"]}


def files_of(path: Path) -> set[str]:
    return {p.relative_to(path).as_posix() for p in (path / "data").rglob("*") if p.is_file()}


def test_files_go_and_come_back_byte_for_byte(full: Path, run: Callable[..., str]) -> None:
    """What was taken out is what is put back."""
    before = tree(full)
    run("thin", full)

    assert "incomplete" == validate(full).verdict
    assert 4 == len(promised(full))
    run("complete", full)
    assert_full(full)
    after = tree(full)
    changed = {META, "bag-info.txt", *(name for name in before if "manifest-" in name)}
    assert {n: before[n] for n in before if n not in changed} == {
        n: after[n] for n in after if n not in changed
    }


def test_what_did_not_come_as_a_file_of_the_record_stays(
    full: Path, run: Callable[..., str]
) -> None:
    """Metadata, dc.xml, log, and sip.json."""
    entries_before = entries(full)
    kept = {
        p for p in files_of(full) if p.startswith("data/meta/") or entries_before[p]["metadata"]
    }
    run("thin", full)

    assert CONTENT + "metadata.json" in kept
    assert kept == files_of(full)


def test_sip_json_says_what_went(full: Path, run: Callable[..., str]) -> None:
    """The first step of the audit stays: the package was a full one."""
    before = json.loads((full / META).read_text())
    run("thin", full, "--only", "*.pdf")
    after = json.loads((full / META).read_text())

    assert before["audit"] == after["audit"][:-1]
    assert "thin" == after["audit"][-1]["action"]
    gone = entries(full)[CONTENT + "report.pdf"]
    assert gone["downloaded"] is False
    assert gone["checksum"] and gone["size"]
    assert ["report.pdf"] == [
        one["origin"]["filename"] for one in entries(full).values() if not one["downloaded"]
    ]


def test_a_part_can_go(full: Path, run: Callable[..., str]) -> None:
    """The others stay where they are."""
    told = run("thin", full, "--only", "*.pdf", "--only", "*.zip")

    assert "2 files" in told and "2 to fetch" in told
    assert {CONTENT + "data/run 1/hits#1.csv", CONTENT + "empty.txt"} <= files_of(full)
    assert "incomplete" == validate(full).verdict
    run("thin", full)
    assert 4 == len(promised(full))
    run("complete", full)
    assert_full(full)


def test_nothing_is_fetched_to_thin(full: Path, run: Callable[..., str], sandbox: Sandbox) -> None:
    """The servers are only asked whether they have the files."""
    run("thin", full)

    assert {"HEAD"} == {one.method for one in sandbox.seen}
    assert 4 == len(sandbox.seen)


def test_a_full_package_of_chosen_algorithms_gets_no_others(
    harvest: Harvest, run: Callable[..., str]
) -> None:
    """Its manifests are those it had."""
    path = Path(harvest(7000001, algorithm="sha256")["path"])
    before = {one.name for one in path.glob("*manifest-*")}
    run("thin", path)

    assert before == {one.name for one in path.glob("*manifest-*")}
    assert "incomplete" == validate(path).verdict


def test_a_pattern_without_a_file_is_refused(full: Path, run: Callable[..., str]) -> None:
    """A typing error takes nothing out."""
    run("thin", full, "--only", "*.xyz", code=2)

    assert "valid" == validate(full).verdict


# -- what may not go ------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "fault",
    [
        Fault("status", status=404),
        Fault("status", status=403),
        Fault("status", status=500),
        Fault("reset"),
        Fault("redirect", location="http://localhost:1/x"),
        Fault("raw", speak=lambda _: b"HTTP/1.1 200 OK\r\n\r\n"),
        Fault("raw", speak=lambda _: b"HTTP/1.1 200 OK\r\nContent-Length: 479999\r\n\r\n"),
        Fault("raw", speak=lambda _: b"HTTP/1.1 206 OK\r\nContent-Length: 480009\r\n\r\n"),
        Fault(
            "raw",
            speak=lambda _: b"HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\n"
            b"Content-Length: 480009\r\n\r\n",
        ),
    ],
    ids=lambda fault: fault.kind + str(fault.status),
)
def test_a_file_stays_that_its_server_does_not_vouch_for(
    fault: Fault, full: Path, run: Callable[..., str], sandbox: Sandbox
) -> None:
    """It is named, and the others go."""
    assert 480009 == (full / CONTENT / "report.pdf").stat().st_size
    sandbox.fault("report.pdf", fault)
    told = run("thin", full)

    assert "not moved: data/content/report.pdf" in told
    assert (full / CONTENT / "report.pdf").is_file()
    assert 3 == len(promised(full))
    assert "incomplete" == validate(full).verdict


def test_nothing_goes_where_no_server_answers(
    full: Path, run: Callable[..., str], sandbox: Sandbox
) -> None:
    """The package is not touched."""
    sandbox.fault(".", Fault("status", status=503))
    before, place = tree(full), full.stat().st_mtime_ns
    told = run("thin", full)

    assert 4 == told.count("not moved: ")
    assert before == tree(full)
    assert place == full.stat().st_mtime_ns
    assert_alone(full)


def test_a_file_without_an_address_stays(full: Path, run: Callable[..., str]) -> None:
    """Nobody could bring it back."""

    def forget(document: dict[str, Any]) -> None:
        for one in document["contentFiles"]:
            if one["bagpath"].endswith(".pdf"):
                one["origin"] = {"filename": "report.pdf"}

    change_sip(full, forget)
    told = run("thin", full)

    assert "not moved: data/content/report.pdf: no address" in told
    assert (full / CONTENT / "report.pdf").is_file()


@pytest.mark.parametrize(
    "url",
    [
        "http://example.org/report.pdf",
        "ftp://127.0.0.1/report.pdf",
        "file:///etc/hostname",
        "root://eospublic.cern.ch//eos/report.pdf",
    ],
)
def test_an_address_that_may_not_be_asked_vouches_for_nothing(
    url: str, full: Path, run: Callable[..., str]
) -> None:
    """The policy is that of ``bic complete``."""
    change_sip(full, lambda document: lead(document, url))
    told = run("thin", full)

    assert "not moved: data/content/report.pdf: " in told
    assert (full / CONTENT / "report.pdf").is_file()


def lead(document: dict[str, Any], *urls: str) -> None:
    """Say that one file is somewhere else."""
    for one in document["contentFiles"]:
        if one["bagpath"].endswith(".pdf"):
            one["origin"].pop("served_by", None)
            one["origin"]["url"] = [*urls]


def test_the_address_that_answered_is_the_one_that_is_promised(
    full: Path, run: Callable[..., str]
) -> None:
    """Not the first of several, which does not have the file."""
    with serving() as good, serving() as bad:
        content = (full / CONTENT / "report.pdf").read_bytes()
        good.answers["/a%20b.pdf"] = lambda _: whole(content)
        change_sip(full, lambda d: lead(d, f"{bad.url}/gone.pdf", f"{good.url}/a b.pdf"))
        run("thin", full, "--only", "*.pdf", "--allow-host", "127.0.0.1")
        [line] = promised(full)

        assert f"{good.url}/a%20b.pdf 480009 data/content/report.pdf" == line
        run("complete", full, "--allow-host", "127.0.0.1")
    assert_full(full)


def test_an_address_cannot_smuggle_a_line_into_fetch_txt(
    full: Path, run: Callable[..., str]
) -> None:
    """Whoever wrote sip.json may have put line breaks into it."""
    with serving() as server:
        content = (full / CONTENT / "report.pdf").read_bytes()
        bad = f"{server.url}/x 1 data/content/y\n{server.url}/z"
        server.answers["/x%201%20data/content/y%0A" + server.url + "/z"] = lambda _: whole(content)
        change_sip(full, lambda document: lead(document, bad))
        run("thin", full, "--only", "*.pdf", "--allow-host", "127.0.0.1")

    assert 1 == len(promised(full))
    assert "incomplete" == validate(full).verdict


# -- what is refused ------------------------------------------------------------------------------


def test_a_plain_bag_is_refused(tmp_path: Path, run: Callable[..., str]) -> None:
    """Nothing in it says where its files came from."""
    with serving() as server:
        path = holey(tmp_path / "bag", server, here=tuple(FILES))
        told = run("thin", path, code=11)

    assert "this is no SIP" in told
    assert [] == server.asked


@pytest.mark.parametrize(
    "damage",
    [
        lambda path: (path / CONTENT / "report.pdf").write_bytes(b"x"),
        lambda path: (path / CONTENT / "empty.txt").unlink(),
        lambda path: (path / CONTENT / "new.txt").write_bytes(b"x"),
        lambda path: (path / META).write_bytes(b"{}"),
        lambda path: (path / "bag-info.txt").write_bytes(b"Contact-Name: x\n"),
    ],
)
def test_a_package_with_faults_is_refused(
    damage: Callable[[Path], object], full: Path, run: Callable[..., str], sandbox: Sandbox
) -> None:
    """What is wrong in it may be all there is left of the right one."""
    damage(full)
    before = tree(full)
    run("thin", full, code=11)

    assert before == tree(full)
    assert [] == sandbox.seen


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ('"recid":', '"recid": "another", "recid":'),
        ('"sip_creation_timestamp":', '"a number": 1e999, "sip_creation_timestamp":'),
    ],
)
@pytest.mark.parametrize("command", ["thin", "complete"])
def test_a_sip_json_that_could_not_be_written_anew_is_refused(
    command: str, old: str, new: str, harvest: Harvest, run: Callable[..., str], sandbox: Sandbox
) -> None:
    """A value would be lost of it."""
    path = Path(harvest(7000001, dry_run=command == "complete")["path"])
    change_sip(path, lambda document: json.dumps(document).replace(old, new))
    sandbox.seen.clear()
    before = tree(path)
    run(command, path, code=11)

    assert before == tree(path)
    assert [] == sandbox.seen


# -- killed, or disturbed -------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("where", "verdict"),
    [
        ("before linking", "valid"),
        ("behind linking", "valid"),
        ("before writing tag files", "valid"),
        ("before exchanging", "valid"),
        ("behind exchanging", "incomplete"),
        ("rename 1", ""),
        ("rename 2", "incomplete"),
        ("rename 3", "incomplete"),
    ],
)
def test_a_kill_loses_no_byte(
    where: str, verdict: str, full: Path, run: Callable[..., str], config_file: Path
) -> None:
    """The full package stands until the light one is whole."""
    before = tree(full)
    command = [sys.executable, killed.__file__, where, "thin", str(full)]
    done = subprocess.run([*command, "--config", str(config_file)], capture_output=True, timeout=60)

    assert -9 == done.returncode, done.stderr
    if verdict:
        assert verdict == validate(full).verdict
    if verdict == "valid":
        assert before == tree(full)
    run("thin", full)
    assert "incomplete" == validate(full).verdict
    assert_alone(full)
    run("complete", full)
    assert_full(full)


def test_a_package_that_somebody_changes_meanwhile_is_left_to_them(
    full: Path, run: Callable[..., str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Every file of it is still there."""

    def meddle(folder: Path) -> None:
        (full / "note.txt").write_text("x")
        disk.sync(folder)

    monkeypatch.setattr(change, "sync", meddle)
    before = files_of(full)
    told = run("thin", full, code=10)

    assert "changed by somebody else" in told
    assert before == files_of(full)


def test_downloads_of_a_completion_do_not_survive_a_thinning(
    full: Path, run: Callable[..., str], config_file: Path
) -> None:
    """What was fetched for another state of the package is not taken for this one's."""
    run("thin", full)
    command = [sys.executable, killed.__file__, "before exchanging", "complete", str(full)]
    subprocess.run([*command, "--config", str(config_file)], capture_output=True, timeout=60)
    assert 1 == len(remains(full))
    run("complete", full)
    run("thin", full)

    assert_alone(full)
    assert "incomplete" == validate(full).verdict


def test_links_of_the_disk_are_kept(full: Path, run: Callable[..., str]) -> None:
    """What stays is the very file it was."""
    name = CONTENT + "metadata.json"
    number = (full / name).stat().st_ino
    os.link(full / name, full.parent / "second name")
    run("thin", full)

    assert number == (full / name).stat().st_ino


def test_nothing_to_take_out_is_no_fault(full: Path, run: Callable[..., str]) -> None:
    """A thin package is thinned again."""
    run("thin", full)
    number = full.stat().st_ino

    assert "nothing moved" in run("thin", full)
    assert number == full.stat().st_ino
