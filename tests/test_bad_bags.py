"""What the validator says about bags and packages with one known defect each."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from bad_bags import CASES, Case, Damage
from bad_sips import PDF, SIPS, contents, nothing, twins
from click.testing import CliRunner

from bagit_create.cli import cli

TIMEOUT = 120.0
"""Seconds that are more than enough; without a guard, whoever opens a FIFO waits forever."""

Answer = tuple[int, str]

everyone = pytest.mark.parametrize("case", [*CASES, *SIPS], ids=lambda case: case.name)
BAGS_ONLY = {case.name for case in CASES}


@pytest.fixture
def package(case: Case, tmp_path: Path) -> Path:
    if not case.readable and os.geteuid() == 0:
        pytest.skip("root may read everything")
    return case.make(tmp_path)


def ask(case: Case, path: Path) -> Answer:
    """Exit code and standard output of ``bic validate``."""
    bag = ["--bag"] if case.name in BAGS_ONLY else []
    arguments = ["validate", "--json", *bag, str(path)]
    if case.special:
        done = subprocess.run(
            [sys.executable, "-m", "bagit_create", *arguments],
            capture_output=True,
            encoding="utf-8",
            timeout=TIMEOUT,
        )
        assert "Traceback" not in done.stderr
        return done.returncode, done.stdout
    result = CliRunner().invoke(cli, arguments)
    assert result.exception is None or isinstance(result.exception, SystemExit), result.exception
    assert "Traceback" not in result.output
    return result.exit_code, result.stdout


def at(expected: str, finding: dict[str, Any]) -> bool:
    """Whether it is there; an expectation without a line is for any line of that file."""
    found = str(finding["where"])
    spellings = {found, found.rsplit(":", 1)[0]} if not _has_line(expected) else {found}
    return expected.rstrip("/") in {one.rstrip("/") for one in spellings}


def _has_line(where: str) -> bool:
    return where.rsplit(":", 1)[-1].isdecimal() and ":" in where


def fits(wanted: str, number: str) -> bool:
    """Whether an id is the expected one, or one of these."""
    return "*" == wanted or number in wanted.split("|")


@everyone
def test_the_defect_is_named_and_nothing_else(case: Case, package: Path) -> None:
    """With verdict, level and place."""
    code, output = ask(case, package)
    (report,) = json.loads(output)["reports"]
    findings = report["findings"]
    said = "\n".join(f"{one['level']} {one['id']} {one['where']}" for one in findings)

    if case.verdict:
        assert (case.verdict, 11 if "invalid" == case.verdict else 0) == (
            report["verdict"],
            code,
        ), said
    ours = [one for one in findings if one["level"] == case.level]
    for wanted in case.ids:
        assert any(fits(wanted, one["id"]) for one in ours), f"no {case.level} {wanted} in\n{said}"
    if case.where:
        assert any(
            at(case.where, one) for one in ours if any(fits(it, one["id"]) for it in case.ids)
        ), f"not at {case.where}:\n{said}"
    allowed = (*case.ids, *case.also)
    for one in findings:
        if "error" == one["level"]:
            assert any(fits(it, one["id"]) for it in allowed), f"false: {one}\n{said}"
        if case.clean and "warning" == one["level"]:
            in_ids = "warning" == case.level and any(fits(it, one["id"]) for it in case.ids)
            assert in_ids or one["id"] in case.also, f"false: {one}\n{said}"
    if case.clean:
        assert not [one for one in findings if "error" == one["level"]], said


@everyone
def test_it_ends_well_and_leaves_the_package_alone(case: Case, package: Path) -> None:
    """No traceback, no waiting, no changed byte or time, nothing new, no secret in the output."""
    before = state(package.parent)

    code, output = ask(case, package)

    assert code in (0, 11)
    assert before == state(package.parent)
    assert not case.secret or case.secret not in output


def state(folder: Path) -> dict[str, tuple[int, int, int, bytes]]:
    """What is on disk: kinds, times and bytes."""
    found = {}
    for top, folders, files in os.walk(folder):
        for name in [*folders, *files]:
            path = Path(top) / name
            status = path.lstat()
            plain = path.is_file() and not path.is_symlink() and os.access(path, os.R_OK)
            content = path.read_bytes() if plain else b""
            found[str(path)] = (status.st_mode, status.st_size, status.st_mtime_ns, content)
    return found


def test_the_names_of_the_cases_are_different() -> None:
    """Each is the name of a test."""
    names = [case.name for case in (*CASES, *SIPS)]
    assert sorted(set(names)) == sorted(names)


@pytest.mark.parametrize(
    ("change", "clash"), [(contents(PDF, b"%PDF-1.4\nother\n"), True), (nothing, False)]
)
def test_two_packages_with_one_name_are_compared(
    tmp_path: Path, change: Damage, clash: bool
) -> None:
    """C59: with other bytes they cannot both be what their name says; a copy can."""
    result = CliRunner().invoke(cli, ["validate", "--json", *map(str, twins(tmp_path, change))])

    findings = [one for each in json.loads(result.stdout)["reports"] for one in each["findings"]]
    assert clash == any("C59" == one["id"] and "error" == one["level"] for one in findings)
    assert (11 if clash else 0) == result.exit_code


def test_every_row_of_the_catalogue_has_a_case() -> None:
    """But for what is right (M16), no finding (F14), a race (S23), and what completing finds."""
    rows = {"D": 16, "S": 23, "M": 37, "N": 11, "T": 12, "I": 18, "F": 22, "Z": 9, "C": 60}
    catalogue = {f"{letter}{row:02}" for letter in rows for row in range(1, rows[letter] + 1)}
    named = {one for case in (*CASES, *SIPS) for ids in case.ids for one in ids.split("|")}
    elsewhere = {"M16", "F14", "S23", "F17", "F18", "F19", "F20", "C59"}

    assert catalogue - elsewhere == named - {"*"}
