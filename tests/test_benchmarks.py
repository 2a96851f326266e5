"""The benchmarks, as small as can be: that they still run, not what they measure."""

from __future__ import annotations

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
    table, rows = bench("5,000 x", "20 ms", "local, 100,000", "bic --help", PATH="/nowhere")
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
