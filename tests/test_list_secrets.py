"""A line of a list may hold a secret: it is refused, and not repeated anywhere."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from bagit_create import batch, planning
from bagit_create.errors import InputError
from bagit_create.options import JobOptions

SECRET = "eyJhbGciOiJIUzI1NiJ9" * 6
LINES = [
    f"https://zenodo.org/records/7000001?token={SECRET}",
    f"https://somebody:{SECRET}@example.org/records/7000001",
]


@pytest.mark.parametrize("line", LINES)
def test_no_plan_and_no_job_repeats_the_secret_of_a_line(line: str, tmp_path: Path) -> None:
    """Not even the part of it that fits into a message."""
    for call in (
        lambda: planning.plan(JobOptions(), [line + "\n"]),
        lambda: batch.create(tmp_path / "job", [line + "\n"], JobOptions(), target=tmp_path),
    ):
        with pytest.raises(InputError) as caught:
            call()
        assert "line 1" in str(caught.value)
        assert SECRET[:20] not in str(caught.value)


@pytest.mark.parametrize("line", LINES)
def test_the_command_writes_it_neither_as_text_nor_as_json(
    line: str, config_file: Path, tmp_path: Path
) -> None:
    """Standard output is what other programs log."""
    done = subprocess.run(
        [sys.executable, "-m", "bagit_create", "plan", "--list", "-", "--json"],
        input=line + "\n",
        env={**os.environ, "BIC_CONFIG": str(config_file)},
        capture_output=True,
        encoding="utf-8",
        timeout=60,
    )

    assert 2 == done.returncode == json.loads(done.stdout)["exit_code"]
    assert SECRET[:20] not in done.stdout + done.stderr
