"""``bic demo``: the main job on invented records, from the installed package alone."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path

import click

from ..console import size_text
from ..credentials import GENERIC_VARIABLE
from ..errors import InvalidSip, SipError
from ..model import Result
from ..options import JobOptions
from . import output

#: A record of each source that the sandbox plays.
RECORDS = {
    "cod": "2",
    "cds": "1002",
    "ilcdoc": "1003",
    "zenodo": "7000001",
    "inveniordm": "k3f9q-7xw21",
    "cds-rdm": "k3f9q-7xw21",
    "cds-rdm-sandbox": "k3f9q-7xw21",
    "cds-videos": "3000001",
    "gitlab": "7",
    "indico": "101",
    "ilcagenda": "107",
    "codimd": "AbCdEfGhIjKlMnOpQrStUv",
}
LIGHT = ("zenodo", "7000001")


@dataclass(frozen=True)
class Made:
    """A package of the demonstration, and what the validator says of it."""

    result: Result
    verdict: str
    findings: tuple[str, ...]

    @property
    def cells(self) -> tuple[str, ...]:
        """The package as a row of the table."""
        one = self.result
        return (
            one.source,
            one.recid,
            "light" if one.light else "full",
            str(one.files),
            size_text(one.bytes),
            self.verdict,
            str(one.path),
        )

    @property
    def good(self) -> bool:
        """Whether it is what it should be."""
        return self.verdict == ("incomplete" if self.result.light else "valid")


@click.command(short_help="Try it: a package of each source, offline.")
@click.option(
    "--keep", metavar="DIR", help="Leave the packages in DIR. [default: they are removed]"
)
def demo(keep: str | None) -> None:
    """Make and validate a package of each source, from invented records, without any network."""
    from tempfile import TemporaryDirectory  # what --help need not load

    with TemporaryDirectory(prefix="bic-demo-") as scratch:
        target = Path(keep) if keep else Path(scratch, "packages")
        made = _make_all(Path(scratch), target)
        output.emit(_table(made))
        if keep is None:
            output.tell("The packages were removed again; --keep DIR leaves them.")
    bad = [f"{one.result.path}: {line}" for one in made if not one.good for line in one.findings]
    if not all(one.good for one in made):
        raise InvalidSip("Not every package is valid.", findings=bad)


def _make_all(scratch: Path, target: Path) -> list[Made]:
    from ..main import run
    from ..sandbox import Sandbox

    try:
        folder = _folder(scratch / "toy experiment")
    except OSError as err:
        raise SipError(f"The demonstration cannot be written: {err.strerror}.") from err
    with Sandbox() as upstream, _undisturbed():
        servers = scratch / "sandbox.toml"
        servers.write_text(upstream.config_text(), encoding="utf-8")
        common = JobOptions(target=target, config=servers)
        jobs = [replace(common, source=name, recid=recid) for name, recid in RECORDS.items()]
        author = "A person of the demonstration"
        jobs.append(replace(common, source="local", source_path=folder, author=author))
        jobs.append(replace(common, source=LIGHT[0], recid=LIGHT[1], light=True))
        return [_judged(run(job)) for job in jobs]


def _judged(result: Result) -> Made:
    from ..validation import validate

    report = validate(result.path)
    lines = tuple(str(one) for one in report.findings if one.level == "error")
    return Made(result, report.verdict, lines)


@contextmanager
def _undisturbed() -> Iterator[None]:
    """Talk to loopback directly and without the user's tokens, as long as this lasts."""
    before = dict(os.environ)
    for name in before:
        if name.startswith(GENERIC_VARIABLE) or name.endswith("_TOKEN"):
            del os.environ[name]
        elif name.lower().endswith("_proxy"):
            del os.environ[name]
    try:
        yield
    finally:
        os.environ.clear()
        os.environ.update(before)


def _folder(root: Path) -> Path:
    """A small local folder with a few of the things real ones have."""
    (root / "run 1").mkdir(parents=True)
    (root / "empty").mkdir()
    (root / "README.txt").write_text("Made up by bic demo.\n", encoding="utf-8")
    (root / "run 1" / "Zähler ☃.csv").write_text("t,n\n0,3\n1,5\n", encoding="utf-8")
    (root / "run 1" / "noise.bin").write_bytes(bytes(range(256)) * 4096)
    (root / "run 1" / "nothing.dat").touch()
    return root


def _table(made: list[Made]) -> str:
    head = ("source", "record", "kind", "files", "size", "verdict", "package")
    rows = [head, *(one.cells for one in made)]
    widths = [max(len(row[column]) for row in rows) for column in range(len(rows[0]) - 1)]
    return "\n".join(
        "  ".join([*(cell.ljust(width) for cell, width in zip(row, widths)), row[-1]])
        for row in rows
    )
