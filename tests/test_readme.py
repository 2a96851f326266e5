"""The README is true: its options are those of the help, and its commands run.

In a ``console`` block, a line that begins with ``$`` is a command, run by bash against the sandbox;
the lines below it are its standard output, in which ``…`` stands for anything. ``python`` blocks
are run too.
"""

from __future__ import annotations

import os
import re
import subprocess
import sys
import tomllib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner

from bagit_create import config, errors, main
from bagit_create.cli import cli
from bagit_create.cli.group import EXIT_CODES
from bagit_create.sandbox import Sandbox

README = Path(__file__).parent.parent / "README.md"
TEXT = README.read_text(encoding="utf-8")


def blocks(language: str) -> list[str]:
    return re.findall(rf"^```{language}\n(.*?)^```$", TEXT, re.MULTILINE | re.DOTALL)


def first_line(block: str) -> str:
    return block.partition("\n")[0]


def dialogue(block: str) -> Iterator[tuple[str, list[str]]]:
    """The commands of a block, each with the lines it shows."""
    for part in re.split(r"^\$ ", block, flags=re.MULTILINE)[1:]:
        command, *shown = part.splitlines()
        yield command, shown


def matches(shown: list[str], real: str) -> bool:
    """Whether every line shown stands in the output, in this order."""
    pattern = r"[^\n]*(?:\n[^\n]*)*?".join(
        "^" + ".*".join(map(re.escape, line.split("…"))) + "$" for line in shown
    )
    return re.search(pattern, real, re.MULTILINE) is not None


@pytest.fixture
def place(tmp_path: Path, sandbox: Sandbox, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty folder in which ``bic`` is this one, and Zenodo's addresses mean the sandbox."""
    file = tmp_path / "sandbox.toml"
    file.write_text(sandbox.config_text())
    programs = tmp_path / "bin"
    programs.mkdir()
    (programs / "bic").write_text(f'#!/bin/sh\nexec "{sys.executable}" -m bagit_create "$@"\n')
    (programs / "bic").chmod(0o755)
    monkeypatch.setenv("BIC_CONFIG", str(file))
    monkeypatch.setenv("PATH", f"{programs}:{os.environ['PATH']}")
    monkeypatch.setenv("PYTHONPATH", str(README.parent))
    here = tmp_path / "here"
    here.mkdir()
    monkeypatch.chdir(here)
    return here


@pytest.mark.parametrize("block", blocks("console"), ids=first_line)
def test_a_command_of_the_readme_runs(block: str, place: Path) -> None:
    """It succeeds and shows what the README shows."""
    for command, shown in dialogue(block):
        done = subprocess.run(
            ["bash", "-c", command], cwd=place, capture_output=True, encoding="utf-8", timeout=60
        )

        assert 0 == done.returncode, (command, done.stderr)
        assert matches(shown, done.stdout), (command, shown, done.stdout)


@pytest.mark.parametrize("block", blocks("python"), ids=first_line)
def test_python_of_the_readme_runs(block: str, place: Path) -> None:
    """It does what it says: one package appears."""
    done = subprocess.run(
        [sys.executable, "-c", block], cwd=place, capture_output=True, encoding="utf-8", timeout=60
    )

    assert (0, "") == (done.returncode, done.stderr)
    assert 1 == len(list((place / "packages").glob("sip::zenodo::7000001::*")))


def test_the_options_are_those_of_the_help() -> None:
    """To the letter; ``python tests/test_readme.py`` brings the block up to date."""
    assert help_text() == options_block()


def test_the_sources_are_those_there_are() -> None:
    """A row for each, with its title, address and kind."""
    for one in config.load().instances.values():
        [row] = [line for line in TEXT.splitlines() if line.startswith(f"| `{one.name}` |")]
        cells = [cell.strip() for cell in row.strip("|").split("|")]
        assert [one.base_url, one.pipeline] == cells[2:4]
        assert one.title.split(" (")[0].split(" on ")[0].split()[0] in cells[1]


def test_the_exit_codes_are_those_of_the_errors() -> None:
    """A row for each code, with the class that carries it."""
    rows = re.findall(r"^\| (\d+) \| .* \| `?(\w*)`? ?\|$", TEXT, re.MULTILINE)

    assert list(EXIT_CODES) == [int(code) for code, _ in rows]
    for code, name in rows:
        assert code == "0" or getattr(errors, name).exit_code == int(code)


def test_the_keywords_are_those_of_process() -> None:
    """In their order."""
    import inspect

    names = list(inspect.signature(main.process).parameters)
    told = re.search(r"The keywords are `(.*?)` in this order.*?`(alternate.*?)`", TEXT, re.DOTALL)
    assert told
    assert names == re.split(r",\s+", f"{told[1]}, {told[2]}")


def test_the_configuration_can_be_read(tmp_path: Path) -> None:
    """The example is a file that works."""
    [block] = blocks("toml")
    file = tmp_path / "instances.toml"
    file.write_text(block)
    known = config.load(file)

    for name, table in tomllib.loads(block).items():
        assert table["base_url"] == known.instance(name).base_url


def test_links_inside_lead_somewhere() -> None:
    """Every heading that is linked to exists."""
    headings = re.findall(r"^#+ (.*)$", re.sub(r"```.*?```", "", TEXT, flags=re.DOTALL), re.M)
    anchors = {re.sub(r"[^\w -]", "", one.lower()).replace(" ", "-") for one in headings}

    assert set() == set(re.findall(r"\]\(#(.*?)\)", TEXT)) - anchors


def help_text() -> str:
    return CliRunner().invoke(cli, ["--help"], prog_name="bic", terminal_width=80).stdout


def options_block() -> str:
    [block] = blocks("text")
    return block


if __name__ == "__main__":
    README.write_text(
        TEXT.replace(f"```text\n{options_block()}```", f"```text\n{help_text()}```"),
        encoding="utf-8",
    )


@pytest.mark.parametrize(
    "name",
    ["validate", "complete", "thin", "pack", "clean", "list", "plan"]
    + [f"batch {one}" for one in ("create", "run", "status", "retry", "submit", "report")],
)
def test_every_option_of_a_command_is_explained(name: str) -> None:
    """By its long name at least."""
    command: Any = cli
    for word in name.split():
        command = command.commands[word]
    options = [max(one.opts, key=len) for one in command.params if "-" in one.opts[0]]

    assert [] == [one for one in options if not re.search(rf"`[^`]*{one}\b", TEXT)]
