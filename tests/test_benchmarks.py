"""The benchmarks, as small as can be: that they still run, not what they measure."""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).parent.parent
Bench = Any


@pytest.fixture
def bench(tmp_path: Path) -> Bench:
    """Runs cases once at a thousandth of their size: the printed table, and the JSON's rows."""

    def run(*names: str, **environment: str) -> tuple[str, list[dict[str, Any]]]:
        command = [sys.executable, "-m", "benchmarks", "--runs", "1", "--scale", "0.001"]
        command += ["--json", str(tmp_path / "out" / "rows.json")]
        for name in names:
            command += ["--only", name]
        folder = tmp_path / "measured"
        folder.mkdir(exist_ok=True)
        told = subprocess.run(
            command,
            cwd=ROOT,
            env={**os.environ, "BIC_BENCH_DIR": str(folder), **environment},
            stdout=subprocess.PIPE,
            text=True,
            check=True,
            timeout=60,
        )
        assert not list(folder.iterdir()), "something was left behind"
        return told.stdout, json.loads((tmp_path / "out" / "rows.json").read_text())

    return run


def test_every_kind_of_case_runs_without_any_peer(bench: Bench) -> None:
    """With nothing on the PATH the sandbox serves, and the others are named as not installed."""
    table, rows = bench("5,000 x", "http, 500 x", "local, 100,000", "bic --help", PATH="/nowhere")
    outcomes = {(row["case"], row["contender"]): row.get("outcome", "ran") for row in rows}
    for (case, contender), outcome in outcomes.items():
        if contender.startswith(("bic", "bare loop", "python")):
            assert outcome == "ran", (case, contender)
    assert set(outcomes.values()) - {"ran"} == {
        "not installed",
        "needs nginx: the sandbox lists no folder",
    }
    assert {row["from"] for row in rows} == {
        "a folder",
        "nowhere",
        "the sandbox (no nginx here)",
        "a server that waits 20 ms",
    }
    memory = next(row for row in rows if row["case"].startswith("local, 100,000"))
    assert memory["limit"] == 250 and memory["met"] is True
    assert "<= 250 MB" in table


def test_the_time_per_file_is_compared_with_fewer_files(bench: Bench) -> None:
    """The larger case carries the ratio to the smaller one."""
    _, rows = bench("scaling: local, 1,000 x", "scaling: local, 10,000 x")
    ours = [row for row in rows if row["contender"] == "bic"]
    assert "met" not in ours[0] and ours[1]["limit"] == 1.0
    assert ours[1]["measured"] == pytest.approx(ours[1]["ms/file"] / ours[0]["ms/file"])


def test_a_contender_that_fails_ends_nothing(bench: Bench, tmp_path: Path) -> None:
    """Its row holds its last line."""
    bad = tmp_path / "python"
    bad.write_text("#!/bin/sh\necho first; echo it broke >&2; exit 3\n")
    bad.chmod(0o700)
    _, rows = bench("local, 1 x 2 GiB", BIC_BENCH_FORERUNNER=str(bad))
    outcomes = {row["contender"]: row.get("outcome", "ran") for row in rows}
    assert outcomes["bagit-create 1.5.3"] == "failed: it broke"
    assert outcomes["bic"] == outcomes["bare loop"] == "ran"


@pytest.mark.skipif(not shutil.which("nginx"), reason="no nginx on the PATH")
def test_nginx_serves_where_it_is_installed(bench: Bench) -> None:
    """The same record, from a server of its own that is ended afterwards."""
    _, rows = bench("scaling: http, 1,000 x 100 B, full")
    assert [row["from"] for row in rows] == ["nginx", "nginx"]
    assert all("wall s" in row for row in rows)


def test_a_server_that_does_not_start_ends_nothing(bench: Bench, tmp_path: Path) -> None:
    """Its case is one row that says so, and the next case runs."""
    bad = tmp_path / "nginx"
    bad.write_text("#!/bin/sh\nexit 1\n")
    bad.chmod(0o700)
    _, rows = bench("http, 1,000 x 100 B, light", "bic --version", PATH=str(tmp_path))
    assert "does not serve" in rows[0]["outcome"]
    assert rows[1]["contender"] == "bic" and "wall s" in rows[1]


def test_bags_folders_and_archives_are_validated_beside_others(bench: Bench) -> None:
    """Each finds what it should, and the others are held against what bic took and held."""
    names = ("validate, 20,000 x", "validate tar.gz, 20,000 x", "validate zip, 20,000 x")
    table, rows = bench(*names, "1,000,000 files", BIC_BENCH_PEERS="/nowhere")
    outcomes = {(row["case"], row["contender"]): row.get("outcome", "ran") for row in rows}
    kinds = {row["from"] for row in rows}
    assert kinds == {"a folder", "a tar.gz", "a zip"}
    for (case, contender), outcome in outcomes.items():
        if contender.startswith(("bic", "bagit-python")):
            assert outcome == "ran", (case, contender)
    assert outcomes[names[0] + " 4 KiB, sha256 sha512", "bdbag --validate full"] == "not installed"
    beside = [row for row in rows if row["contender"] == "bagit-python, 2 processes"]
    assert all(row["bic holds"] > 0 and row["limit"] == 1.0 for row in beside) and beside
    assert "bic holds" in table


def test_a_validator_that_sees_no_fault_where_there_is_one_fails(
    bench: Bench, tmp_path: Path
) -> None:
    """And so does one that breaks, though it ends with a code of its own."""
    site = tmp_path / "bin" / ".." / "lib" / "python3.11" / "site-packages" / "bdbag"
    (tmp_path / "bin").mkdir()
    site.mkdir(parents=True)
    (tmp_path / "bin" / "python").touch()
    program = tmp_path / "bin" / "bdbag"
    name = "validate, 1,000,000 files listed and missing"
    for text, outcome in (
        ("exit 0", "failed: did not see what is wrong"),
        ("echo 'Traceback (most recent call last)'; echo Error: no; exit 1", "failed: Error: no"),
    ):
        program.write_text(f"#!/bin/sh\n{text}\n")
        program.chmod(0o700)
        _, rows = bench(name, BIC_BENCH_PEERS=str(tmp_path / "bin"))
        outcomes = {row["contender"]: row.get("outcome", "ran") for row in rows}
        assert outcomes["bdbag --validate full"] == outcome
        assert outcomes["bic"] == "ran"
        assert {row["runs"] for row in rows} == {1}


@pytest.mark.parametrize("path", [os.environ["PATH"], "/nowhere"])
def test_light_bags_are_completed(bench: Bench, path: str) -> None:
    """From whichever server there is; a bag that is not filled would be a failure."""
    _, rows = bench("complete, 1,000 x 4 KiB", PATH=path)
    ours = [row for row in rows if row["contender"] == "bic"]
    assert ["wall s" in row for row in ours] == [True, True]
    assert ours[1]["from"] == "a server that waits 20 ms"


def test_large_files_are_completed_from_far_away(bench: Bench) -> None:
    """The server sends them in pieces."""
    _, rows = bench("complete, 4 x 256 MiB, 20 ms")
    assert "wall s" in rows[0]


def test_the_conformance_suite_is_judged_by_its_folders(tmp_path: Path) -> None:
    """A bag that is not as its folder says is told, and makes the exit code 1."""
    suite = tmp_path / "suite"
    for kind in ("valid", "invalid", "warning"):
        bag = suite / "v1.0" / kind / "a"
        (bag / "data").mkdir(parents=True)
        (bag / "bagit.txt").write_text("BagIt-Version: 1.0\nTag-File-Character-Encoding: UTF-8\n")
        digest = hashlib.sha512(b"x" if kind == "invalid" else b"").hexdigest()
        (bag / "manifest-sha512.txt").write_text(f"{digest}  data/f\n")
        (bag / "data" / "f").touch()
        (bag / "bag-info.txt").write_text("Payload-Oxum: 0.1\n")
    (suite / "v1.0" / "Makefile").touch()

    def run() -> tuple[int, list[str]]:
        command = [sys.executable, "-m", "benchmarks.conformance", str(suite)]
        told = subprocess.run(command, cwd=ROOT, stdout=subprocess.PIPE, text=True, timeout=60)
        return told.returncode, told.stdout.splitlines()

    code, lines = run()
    assert code == 1 and lines[-1].startswith("3 bags, 2 judged as their folders say, in ")
    assert [line.split()[0] for line in lines[:-1]] == ["as", "as", "OTHERWISE"]
    shutil.rmtree(suite / "v1.0" / "warning")
    assert run()[0] == 0
    shutil.rmtree(suite / "v1.0")
    assert run() == (2, [])


def test_lists_are_measured_by_the_pages_they_ask_for(bench: Bench) -> None:
    """Each id has to be there."""
    _, rows = bench("list 50,000 records, 25 a page, in no order, nine")
    assert [("bic", "<= 1.30 x pages")] == [(r["contender"], r["asked of bic"]) for r in rows]
    assert all(row["measured"] >= 1 for row in rows)


def test_a_million_records_can_be_fewer() -> None:
    """Every step is measured, and every record has ended."""
    done = subprocess.run(
        [sys.executable, "-m", "benchmarks.records", "2000", "2"],
        cwd=ROOT,
        stdout=subprocess.PIPE,
        text=True,
        check=True,
        timeout=60,
    )
    steps = [json.loads(line) for line in done.stdout.splitlines()]

    assert 8 == len(steps)
    assert 2000 == next(one["records"] for one in steps if one.get("step") == "create")


@pytest.mark.parametrize("words", [(), ("--sleepers",)])
def test_killed_workers_make_each_record_once(words: tuple[str, ...]) -> None:
    """The exit code says so; for numbers, the benchmark is run with more kills."""
    done = subprocess.run(
        [
            sys.executable,
            "-m",
            "benchmarks.batch_kills",
            "--kills",
            "8",
            "--records",
            "150",
            *words,
        ],
        cwd=ROOT,
        stdout=subprocess.PIPE,
        text=True,
        timeout=60,
    )

    assert 0 == done.returncode, done.stdout
