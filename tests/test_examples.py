"""Every recipe in examples/ runs against the sandbox."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from bagit_create.sandbox import Fault, Sandbox

EXAMPLES = Path(__file__).parent.parent / "examples"


def run(*command: str | Path, config: Path, **environment: str) -> subprocess.CompletedProcess[str]:
    """Run an example as a user would."""
    path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    return subprocess.run(
        [str(part) for part in command],
        env={**os.environ, "PATH": path, "BIC_CONFIG": str(config), **environment},
        capture_output=True,
        encoding="utf-8",
        timeout=120,
        check=False,
    )


def test_every_example_is_run_here() -> None:
    """A recipe that nothing runs is one that may not work."""
    text = "".join(path.read_text("utf-8") for path in Path(__file__).parent.glob("test_*.py"))

    assert all(one.name in text for one in EXAMPLES.iterdir() if one.is_file())


def test_a_range_of_cds_records(config_file: Path, tmp_path: Path) -> None:
    """Two are there, and one never was."""
    done = run(
        sys.executable,
        EXAMPLES / "cds_range.py",
        "1002",
        "1004",
        "--target",
        tmp_path,
        config=config_file,
    )

    assert 0 == done.returncode, done.stderr
    assert "2 packaged, 1 do not exist, 0 failed" in done.stdout
    assert 2 == len(list(tmp_path.glob("sip::cds::*")))


def test_a_range_tells_what_failed(config_file: Path, tmp_path: Path) -> None:
    """A restricted record ends nothing, and shows in the exit code."""
    done = run(
        sys.executable,
        EXAMPLES / "cds_range.py",
        "1402",
        "1404",
        "--target",
        tmp_path,
        config=config_file,
    )

    assert 1 == done.returncode
    assert "1403: FAILED: " in done.stdout


def test_a_zenodo_community(sandbox: Sandbox, config_file: Path, tmp_path: Path) -> None:
    """Its records, with the token also the restricted one; repeated, nothing is made twice."""
    sandbox.fault("/api/communities/", Fault("status", status=429, retry_after="0"), times=1)
    command: list[str | Path] = [
        sys.executable,
        EXAMPLES / "zenodo_community.py",
        "toys",
        "--target",
        tmp_path,
    ]
    command += ["--base-url", sandbox.url("zenodo")]

    first = run(*command, config=config_file)
    second = run(*command, config=config_file, BIC_TOKEN_ZENODO="good")

    assert (1, 0) == (first.returncode, second.returncode), first.stderr + second.stderr
    assert "failed: 7000002" in first.stdout
    assert "7000001: is there already" in second.stdout
    assert 3 == len(list(tmp_path.glob("sip::zenodo::*")))


def test_a_light_bag_on_lxplus(config_file: Path, tmp_path: Path) -> None:
    """With the addresses that jobs read from."""
    done = run(EXAMPLES / "lxplus_light_bag.sh", "3", tmp_path / "out", config=config_file)

    assert 0 == done.returncode, done.stderr
    [package] = (tmp_path / "out").glob("sip::cod::3::*")
    assert "3 files listed" in done.stdout
    assert "root://eospublic.cern.ch//eos" in (package / "fetch.txt").read_text()


@pytest.mark.parametrize("recid", ["999", "9"])
def test_a_light_bag_that_cannot_be_had_leaves_nothing(
    recid: str, config_file: Path, tmp_path: Path
) -> None:
    """The script ends with bic's own exit code."""
    done = run(EXAMPLES / "lxplus_light_bag.sh", recid, tmp_path / "out", config=config_file)

    assert {"999": 5, "9": 6}[recid] == done.returncode
    assert not list(tmp_path.rglob("sip::*"))
