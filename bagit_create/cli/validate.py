"""``bic validate``: judge packages that are there already."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from ..console import size_text
from ..log import visible
from ..report import Report
from . import output

INVALID = 11


@click.command(short_help="Check packages that are there already.")
@click.argument("paths", nargs=-1, required=True, metavar="PATH...")
@click.option(
    "-j",
    "--jobs",
    type=click.IntRange(min=1),
    metavar="N",
    help="Threads for hashing. [default: one a core]",
)
@click.option("--bag", "only_bag", is_flag=True, help="Check as a BagIt bag only, not as a SIP.")
@click.option("--json", "as_json", is_flag=True, help="Write one JSON object for all paths.")
def validate(paths: tuple[str, ...], jobs: int | None, only_bag: bool, as_json: bool) -> int:
    """Check packages: structure, manifests, every byte, and sip.json.

    Each PATH gets a verdict on standard output: 'valid', 'incomplete' (a sound light package) or
    'invalid', followed by the findings. The exit code is 11 if any is invalid.
    """
    missing = [path for path in paths if not path or not Path(path).exists()]
    if missing:
        raise click.UsageError("no such path: " + ", ".join(visible(path) for path in missing))
    from ..validation import validate as judge

    reports = []
    for path in paths:
        report = judge(Path(path), jobs=jobs, sip=not only_bag)
        reports.append(report)
        if not as_json:
            output.emit(_text(report))
    if as_json:
        valid = not any(report.verdict == "invalid" for report in reports)
        output.emit_json(
            {"status": 0 if valid else 1, "reports": [_plain(report) for report in reports]}
        )
    return INVALID if any(report.verdict == "invalid" for report in reports) else 0


def _text(report: Report) -> str:
    head = (
        f"{report.verdict}: {visible(str(report.path))}"
        f" ({report.files} payload files, {size_text(report.bytes)})"
    )
    return "\n".join([head, *(f"  {visible(str(finding))}" for finding in report.findings)])


def _plain(report: Report) -> dict[str, Any]:
    return {
        "path": str(report.path),
        "verdict": report.verdict,
        "files": report.files,
        "bytes": report.bytes,
        "findings": [
            {"id": one.id, "level": one.level, "where": one.where, "message": one.message}
            for one in report.findings
        ],
    }
