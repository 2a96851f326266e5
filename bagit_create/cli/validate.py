"""``bic validate``: judge packages that are there already."""

from __future__ import annotations

import os
import re
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from ..console import display
from ..errors import InputError, SipError
from ..log import visible
from ..version import __version__
from . import output, verdicts

if TYPE_CHECKING:
    from ..report import Report
    from ..validation.fixity import Change

INVALID = 11
INCOMPLETE = 8
DAY_S = 86400


@click.command(short_help="Check packages that are there already.")
@click.argument("paths", nargs=-1, required=True, metavar="PATH...")
@click.option("--bag", "only_bag", is_flag=True, help="Check as BagIt bags only, not as SIPs.")
@click.option(
    "--sip", "must_be_sip", is_flag=True, help="Check as SIPs, even what looks like none."
)
@click.option("--fast", is_flag=True, help="Read no payload: structure, names and sizes only.")
@click.option("--profile", metavar="FILE", help="Check against a BagIt profile as well.")
@click.option("--second-opinion", is_flag=True, help="Show what bagit-python says, too.")
@click.option("--require-complete", is_flag=True, help="Exit with 8 if a light package is there.")
@click.option("-r", "--recursive", is_flag=True, help="Check all packages below each PATH.")
@click.option(
    "--since",
    metavar="RECORD",
    help="Tell what changed since the last check in this file, and add this check to it.",
)
@click.option(
    "--older-than",
    type=click.IntRange(min=0),
    metavar="DAYS",
    help="With --since: pass over what was checked within so many days.",
)
@click.option("--json", "as_json", is_flag=True, help="Write one JSON object for all paths.")
@click.option("--html", metavar="FILE", help="Write a page for people, too.")
@click.option("-j", "--jobs", type=click.IntRange(min=1), metavar="N", help="Threads for hashing.")
@click.option(
    "--schema",
    is_flag=True,
    is_eager=True,
    expose_value=False,
    callback=lambda ctx, _, asked: _show_schema(ctx) if asked else None,
    help="Write the JSON schema of sip.json, and do nothing else.",
)
@click.option("-v", "--verbose", is_flag=True, help="Show every finding, remarks too.")
@click.option("-q", "--quiet", is_flag=True, help="Show verdicts only, and no progress.")
def validate(paths: tuple[str, ...], **given: Any) -> int:
    """Check packages: structure, manifests, every byte, and sip.json.

    A PATH is a folder, or a tar or zip archive, which is not unpacked. Each gets a verdict on
    standard output: 'valid', 'incomplete' (a sound light package) or 'invalid', followed by what
    was found. The exit code is 11 if any is invalid.
    """
    _refuse(paths, given)
    run = _Run(given, len(paths) > 1)
    reports: list[Report] = []
    sound = True
    with display(sys.stderr, silent=given["quiet"] or given["as_json"]) as shown:
        for top in paths:
            for path, key in run.packages(top):
                report = run.check(path, shown)
                run.note(report, key)
                sound = sound and report.verdict != "invalid"
                if given["as_json"] or given["html"]:
                    reports.append(report)
                run.tell(report)
    run.tell_gone(paths)
    if given["html"]:
        _write_page(Path(given["html"]), reports)
    if given["as_json"]:
        output.emit_json(verdicts.document(reports, run.changes))
    elif not given["quiet"]:
        for line in run.summary():
            output.tell(line)
    if not sound:
        return INVALID
    return INCOMPLETE if given["require_complete"] and run.counts["incomplete"] else 0


def _show_schema(ctx: click.Context) -> None:
    from ..validation import schema

    output.emit(schema.text().rstrip())
    ctx.exit()


def _refuse(paths: tuple[str, ...], given: dict[str, Any]) -> None:
    faults = []
    missing = [path for path in paths if not _is_there(path)]
    if missing:
        faults.append("no such path: " + ", ".join(visible(path) for path in missing))
    if given["only_bag"] and given["must_be_sip"]:
        faults.append("--bag does not go with --sip.")
    if given["quiet"] and given["verbose"]:
        faults.append("--quiet does not go with --verbose.")
    if given["older_than"] is not None and not given["since"]:
        faults.append("--older-than works only together with --since.")
    if given["fast"] and given["second_opinion"]:
        faults.append("--fast does not go with --second-opinion, which reads everything.")
    for name in ("html", "profile", "since"):
        if given[name] == "":
            faults.append(f"--{name} is empty.")
    if faults:
        raise click.UsageError("\n".join(faults))


def _is_there(path: str) -> bool:
    """Whether there is such a path; SipError if the file system is away on which it may be."""
    try:
        os.lstat(path)
    except OSError as err:
        from ..validation.machine import not_here

        not_here(err, path)
        return False
    return True


@dataclass
class _Kept:
    """Of one report what the summary needs."""

    warnings: int = 0
    errors: int = 0


class _Run:
    """One call of the command, over all its paths."""

    def __init__(self, given: dict[str, Any], several: bool) -> None:
        from ..validation import read_profile
        from ..validation.fixity import Record
        from ..validation.twins import Twins

        self._given = given
        self._sip = True if given["must_be_sip"] else False if given["only_bag"] else None
        self._profile = read_profile(Path(given["profile"])) if given["profile"] else None
        self._record: Record | None = Record(Path(given["since"])) if given["since"] else None
        self._seen: set[str] = set()
        self._kept = _Kept()
        self._passed_over = 0
        self._twins = Twins() if given["recursive"] or given["since"] or several else None
        self.counts = {"valid": 0, "incomplete": 0, "invalid": 0}
        self.changes: list[Change] = []

    def packages(self, top: str) -> Iterator[tuple[Path, str]]:
        """The packages that a path stands for, each with its name in the record."""
        path = Path(top)
        if not (self._given["recursive"] or self._record) or not path.is_dir():
            yield path, _key(path, path)
            return
        from ..validation.fixity import packages

        any_found = False
        try:
            for one in packages(path):
                any_found = True
                key = _key(path, one)
                self._seen.add(key)
                if self._is_recent(key):
                    self._passed_over += 1
                    continue
                yield one, key
        except OSError as err:
            raise SipError(
                f"A folder cannot be listed: {err.strerror}.", where=str(err.filename)
            ) from err
        if not any_found:
            raise InputError("There is no package in this folder, nor below it.", where=top)

    def _is_recent(self, key: str) -> bool:
        days = self._given["older_than"]
        if self._record is None or days is None:
            return False
        return bool(self._record.checked(key) > time.time() - days * DAY_S)

    def check(self, path: Path, shown: Any) -> Report:
        """Validate one package."""
        from ..validation import validate as judge

        given = self._given
        report = judge(
            path,
            jobs=given["jobs"],
            sip=self._sip,
            fast=given["fast"],
            profile=self._profile,
            second_opinion=given["second_opinion"],
            fingerprint=self._twins is not None,
            events=shown,
        )
        if self._twins is not None:
            report = self._twins.judge(_stem(path), report)
        self.counts[report.verdict] += 1
        self._kept.errors += report.counts["error"]
        self._kept.warnings += report.counts["warning"]
        return report

    def note(self, report: Report, key: str) -> None:
        """Add a check to the record."""
        self._seen.add(key)
        if self._record is not None:
            self.changes.append(self._record.add(key, report))

    def tell(self, report: Report) -> None:
        """Write the verdict, unless JSON is wanted."""
        given = self._given
        if given["as_json"]:
            return
        # Of a store one wants to see what is wrong, not a million lines that all is well.
        if self._record is not None and not given["verbose"]:
            change = self.changes[-1]
            if change.what not in ("same", "new") or report.verdict == "invalid":
                output.emit(verdicts.text(report, given["verbose"], given["quiet"]))
                output.emit(verdicts.change(change))
            return
        output.emit(verdicts.text(report, given["verbose"], given["quiet"]))
        if self._record is not None:
            output.emit(verdicts.change(self.changes[-1]))

    def tell_gone(self, paths: tuple[str, ...]) -> None:
        """Say which packages of these stores were there the last time and are not."""
        if self._record is None:
            return
        stores = tuple(f"{_name(Path(top))}/" for top in paths if _is_store(Path(top)))
        for key in sorted(self._record.packages()):
            if stores and key.startswith(stores) and key not in self._seen:
                gone = self._record.add_gone(key, int(time.time()))
                self.changes.append(gone)
                if not self._given["as_json"]:
                    output.emit(verdicts.change(gone))

    def summary(self) -> list[str]:
        """What all paths came to, where that is more than one verdict says."""
        counts = self.counts
        total = sum(counts.values())
        lines = []
        if total != 1 or self._kept.warnings:
            parts = [f"{number} {what}" for what, number in counts.items() if number]
            lines.append(
                f"{total} package{'' if total == 1 else 's'}: {', '.join(parts) or 'none checked'};"
                f" {self._kept.errors} errors, {self._kept.warnings} warnings"
            )
        if self._record is not None:
            kinds = [change.what for change in self.changes]
            told = [f"{kinds.count(kind)} {kind}" for kind in dict.fromkeys(kinds)]
            lines.append(f"since the last check: {', '.join(told) or 'nothing checked'}")
        if self._passed_over:
            days = self._given["older_than"]
            lines.append(f"{self._passed_over} passed over: checked within {days} days")
        return lines


def _name(path: Path) -> str:
    return Path(os.path.abspath(path)).name


def _stem(path: Path) -> str:
    """The name of a package, also where it is an archive."""
    return re.sub(r"\.(?:zip|tgz|tar(?:\.(?:gz|bz2|xz))?)$", "", _name(path), flags=re.IGNORECASE)


def _key(top: Path, path: Path) -> str:
    """The name of a package in the record: the store's own and the path below it."""
    if top == path:
        return f"{Path(os.path.abspath(path)).parent.name}/{_name(path)}"
    return f"{_name(top)}/{path.relative_to(top).as_posix()}"


def _is_store(path: Path) -> bool:
    return path.is_dir() and not os.path.lexists(path / "bagit.txt")


def _write_page(path: Path, reports: list[Report]) -> None:
    from ..validation.html import page

    try:
        path.write_text(page(reports, made_by=f"bic {__version__}"), encoding="utf-8")
    except OSError as err:
        raise SipError(f"The page cannot be written: {err.strerror}.", where=str(path)) from err
