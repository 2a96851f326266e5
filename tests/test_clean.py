"""``bic clean``: what ended runs left goes, what a run works on stays."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from threading import Event
from typing import Any

import pytest
from gates import begun, until
from scripted import Asked, Scripted, cut, serving, whole

from bagit_create.main import process
from bagit_create.sip import leftovers

CONTENT = bytes(600_000)


def clean(*arguments: str, code: int = 0) -> subprocess.CompletedProcess[str]:
    """Run the command."""
    done = subprocess.run(
        [sys.executable, "-m", "bagit_create", "clean", *arguments], capture_output=True, text=True
    )
    assert code == done.returncode, done.stderr
    return done


@pytest.fixture
def server() -> Iterator[Scripted]:
    """A record whose file breaks off."""
    with serving() as one:
        one.record({"f.bin": CONTENT})
        one.file("f.bin", lambda _: cut(whole(CONTENT, ETag='"1"'), 500_000))
        yield one


@pytest.fixture
def target(server: Scripted, tmp_path: Path) -> Path:
    """A folder in which a run failed half-way."""
    out = tmp_path / "out"
    result = process("r", "scripted", target=out, config=server.config(tmp_path), retries=0)
    assert 8 == result["exit_code"]
    assert (out / ".bic-staging").is_dir()
    return out


def test_what_an_ended_run_left_is_removed(target: Path) -> None:
    """And told, with how much it was."""
    told = clean(str(target)).stdout

    assert told.startswith("removed: ")
    assert "scripted-r-" in told
    assert "1 files, 500.0 kB" in told
    assert [] == list(target.iterdir())


@pytest.mark.parametrize("option", ["-d", "--dry-run"])
def test_it_can_be_listed_only(option: str, target: Path) -> None:
    """To look first."""
    assert clean(option, str(target)).stdout.startswith("to be removed: ")
    assert (target / ".bic-staging").is_dir()


def test_the_target_can_be_named_as_everywhere_else(target: Path) -> None:
    """By ``-t``."""
    assert clean("-t", str(target)).stdout.startswith("removed: ")


def test_what_was_worked_on_lately_can_be_kept(target: Path) -> None:
    """``--older-than`` counts days."""
    assert clean("--older-than", "1", str(target)).stdout.startswith("kept: ")
    [root] = (target / ".bic-staging").iterdir()
    os.utime(root, (time.time() - 90_000,) * 2)

    assert clean("--older-than", "1", str(target)).stdout.startswith("removed: ")


def test_json_is_for_programs(target: Path) -> None:
    """One object."""
    told = json.loads(clean("--json", str(target)).stdout)

    [row] = told["staging_folders"]
    assert ("removed", 1, 500_000) == (row["outcome"], row["files"], row["bytes"])
    assert "Z" not in row["what"] and row["what"].startswith("scripted-r-")


def test_what_a_run_works_on_is_left_alone(server: Scripted, tmp_path: Path) -> None:
    """Until it is over."""

    over = Event()

    def slow(_: Asked) -> Iterator[bytes]:
        made = whole(CONTENT)
        yield made[:400_000]
        over.wait()

    server.file("f.bin", slow)
    out = tmp_path / "out"
    line = [sys.executable, "-m", "bagit_create", "-q", "-s", "scripted", "--recid", "r"]
    line += ["--config", str(server.config(tmp_path)), "-t", str(out)]
    with begun(line, stderr=subprocess.DEVNULL):
        until(lambda: "/api/records/r/files/f.bin/content" in server.paths())
        told = clean(str(out)).stdout
    over.set()

    assert told.startswith("in use: ")
    assert clean(str(out)).stdout.startswith("removed: ")


@pytest.mark.parametrize("place_goes", [False, True])
def test_a_run_that_ends_beside_it_is_no_error(
    place_goes: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its folder goes while others are looked at."""
    place = tmp_path / ".bic-staging"
    for number in range(4):
        (place / f"zenodo-{number}-00000000@00000000.0000.1.1.{number}").mkdir(parents=True)
    real = leftovers._measure

    def ends(folder: str) -> tuple[int, int]:
        for one in list(place.iterdir()):
            if place_goes or str(one) != folder:
                one.rmdir()
        return real(folder)

    monkeypatch.setattr(leftovers, "_measure", ends)

    assert 1 == len(leftovers.find(tmp_path))


def test_a_place_that_goes_before_it_is_looked_at_is_empty(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The last run has just tidied it away."""
    place = tmp_path / ".bic-staging"
    place.mkdir()
    real = Path.is_dir

    def is_dir(one: Path) -> bool:
        found = real(one)
        if one == place:
            place.rmdir()
        return found

    monkeypatch.setattr(Path, "is_dir", is_dir)

    assert [] == leftovers.find(tmp_path)


def test_packages_are_not_touched(target: Path) -> None:
    """Nor anything else."""
    (target / "sip::x::1::2").mkdir()
    (target / "notes.txt").write_text("mine")
    clean(str(target))

    assert {"sip::x::1::2", "notes.txt"} == {one.name for one in target.iterdir()}


def test_a_link_out_of_the_target_is_not_followed(tmp_path: Path) -> None:
    """``.bic-staging`` may be anything."""
    (tmp_path / "elsewhere/precious@0123abcd.0123.1.1.1").mkdir(parents=True)
    (tmp_path / "out").mkdir()
    (tmp_path / "out/.bic-staging").symlink_to(tmp_path / "elsewhere")

    clean(str(tmp_path / "out"))

    assert (tmp_path / "elsewhere/precious@0123abcd.0123.1.1.1").is_dir()


def test_nothing_to_do_is_said(tmp_path: Path) -> None:
    """On standard error."""
    done = clean(str(tmp_path))

    assert ("", "there are no staging folders\n") == (done.stdout, done.stderr)


def test_a_target_that_is_not_there_is_10(tmp_path: Path) -> None:
    """It may be misspelt."""
    assert "There is no such folder." in clean(str(tmp_path / "x"), code=10).stderr


def test_folders_of_an_older_version_go_after_a_day(tmp_path: Path) -> None:
    """They say nobody's name."""
    old: Any = tmp_path / ".bic-staging/zenodo-1-0123abcd"
    (old / "bag").mkdir(parents=True)

    assert clean(str(tmp_path)).stdout.startswith("in use: ")
    os.utime(old, (time.time() - 90_000,) * 2)
    assert clean(str(tmp_path)).stdout.startswith("removed: ")
