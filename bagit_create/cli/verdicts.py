"""How reports look on standard output: for people, and as JSON."""

from __future__ import annotations

import time
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from ..console import size_text
from ..log import visible
from ..report import Finding, Report
from ..version import __version__

if TYPE_CHECKING:
    from ..validation.fixity import Change

FORMAT = "bic-validation"
VERSION = 1
OF_ONE_ID = 10
"""Findings with one id that are shown one by one, unless all are asked for."""


def text(report: Report, verbose: bool = False, quiet: bool = False) -> str:
    """A verdict, and under it the findings, those of one kind together with what to do.

    :param verbose: show every finding, information too.
    :param quiet: show the verdict only.
    """
    lines = [_head(report)]
    if quiet:
        return lines[0]
    shown = [one for one in report.findings if verbose or one.level != "information"]
    groups: dict[tuple[str, str], list[Finding]] = {}
    for one in shown:
        groups.setdefault((one.id, one.level), []).append(one)
    for group in groups.values():
        some = group if verbose else group[:OF_ONE_ID]
        lines += [f"  {visible(str(one))}" for one in some]
        if len(group) > len(some):
            lines.append(f"  … and {len(group) - len(some)} more of {group[0].id} (-v shows all)")
        if group[0].advice:
            lines.append(f"    try: {group[0].advice}")
    remarks = report.counts["information"]
    if remarks and not verbose:
        lines.append(f"  {remarks} remark{'' if remarks == 1 else 's'} (-v shows them)")
    if report.opinion:
        lines.append(f"  second opinion: {visible(report.opinion)}")
    return "\n".join(lines)


def _head(report: Report) -> str:
    number = f"{report.files} payload file{'' if report.files == 1 else 's'}"
    facts = [f"{number}, {size_text(report.bytes)}"]
    if report.to_fetch_files:
        facts.append(f"{report.to_fetch_files} to fetch, {size_text(report.to_fetch_bytes)}")
    if report.mode == "fast":
        facts.append("no payload was read: checksums not compared")
    return f"{report.verdict}: {visible(str(report.path))} ({'; '.join(facts)})"


def change(one: Change) -> str:
    """What became of a package since the last time, in a line or a few."""
    since = f" since {time.strftime('%Y-%m-%d', time.gmtime(one.before))}" if one.before else ""
    head = f"{one.what}{since}: {visible(one.package)}"
    return "\n".join([head, *(f"  {visible(line)}" for line in one.details[:OF_ONE_ID])])


def document(reports: Sequence[Report], changes: Sequence[Change]) -> dict[str, Any]:
    """All reports as one JSON value; README documents it."""
    verdicts = [one.verdict for one in reports]
    made: dict[str, Any] = {
        "format": FORMAT,
        "version": VERSION,
        "created_by": f"bagit-create {__version__}",
        "status": 1 if "invalid" in verdicts else 0,
        "summary": {
            "packages": len(reports),
            **{kind: verdicts.count(kind) for kind in ("valid", "incomplete", "invalid")},
            "errors": sum(one.counts["error"] for one in reports),
            "warnings": sum(one.counts["warning"] for one in reports),
            "information": sum(one.counts["information"] for one in reports),
        },
        "reports": [_report(one) for one in reports],
    }
    if changes:
        made["changes"] = [
            {"package": c.package, "what": c.what, "details": list(c.details), "before": c.before}
            for c in changes
        ]
    return made


def _report(one: Report) -> dict[str, Any]:
    return {
        "path": str(one.path),
        "verdict": one.verdict,
        "mode": one.mode,
        "sip": one.is_sip,
        "bagit_version": one.version or None,
        "algorithms": list(one.algorithms),
        "files": one.files,
        "bytes": one.bytes,
        "to_fetch": {"files": one.to_fetch_files, "bytes": one.to_fetch_bytes},
        "types": [{"suffix": t.suffix, "files": t.files, "bytes": t.bytes} for t in one.types],
        "checked": one.checked,
        "seconds": round(one.seconds, 3),
        "second_opinion": one.opinion or None,
        "profile": one.profile or None,
        "counts": {
            level: one.counts.get(level, 0) for level in ("error", "warning", "information")
        },
        "findings": [_finding(finding) for finding in one.findings],
    }


def _finding(one: Finding) -> dict[str, Any]:
    return {
        "id": one.id,
        "level": one.level,
        "file": one.file,
        "line": one.line,
        "pointer": one.pointer or None,
        "where": one.where,
        "message": one.message,
        "expected": one.expected or None,
        "found": one.found or None,
        "advice": one.advice or None,
    }
