"""A report as one HTML page, for people who have never heard of BagIt."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime

from ..page import code, document, duration, size, text
from ..report import FileType, Finding, Report
from .catalogue import advice, title
from .htmlstyle import STYLE

SHOWN = 10
"""Findings of a kind that are shown at once, and printed; the others unfold."""
TYPES = 10
"""File types that get a row of their own."""

_VERDICTS = {
    "valid": ("✔", "Sound", "Everything that the package lists is here, and nothing was changed."),
    "incomplete": (
        "◐",
        "Not complete yet",
        "What is here is sound. The rest is still to be fetched from the addresses in fetch.txt.",
    ),
    "invalid": (
        "✘",
        "Not sound",
        "Something is missing, damaged, or against the rules. The faults below say what and where.",
    ),
}
_UNREAD = (
    "Everything that the package lists is here. The contents of the files were not read,"
    " so it is not known whether they were changed."
)
_LEVELS = {
    "error": ("Faults", "Each of these makes the package unsound."),
    "warning": ("Warnings", "These do not make a package unsound, but may cause trouble later."),
    "information": ("Remarks", "Good to know."),
}
_MODES = {
    "full": "In full: every file was read and compared with its checksum",
    "fast": "Quickly: names, lists and sizes only; the contents of the files were not read",
}
_GLOSSARY = {
    "Bag": "A folder that is laid out by the rules of BagIt (RFC 8493), so that anybody can find"
    " out later whether its files are complete and unchanged. Here also called a package.",
    "Payload": "The preserved files themselves. They are in the bag's folder data/.",
    "Manifest": "A list of files with the checksum of each. A payload manifest lists the preserved"
    " files, a tag manifest the bag's own files beside data/.",
    "Checksum": "A short number computed from all bytes of a file (by md5, sha256, sha512 and"
    " others). If it is not the same as before, the file was changed.",
    "fetch.txt": "A list of preserved files that are not in the bag yet, with the addresses to get"
    " them from. A bag with such gaps is called light.",
    "SIP": "Submission Information Package: what is handed to an archive. CERN's are bags with a"
    " description in data/meta/sip.json.",
}


def page(reports: Sequence[Report], *, made_by: str = "") -> str:
    """One page about all these packages.

    :param made_by: the tool and its version, for the foot of the page.
    :returns: a complete document; write it as UTF-8.
    """
    alone = len(reports) == 1
    name = _name(reports[0]) if alone else f"{len(reports):,} packages"
    heading = f"Check of {code(name) if alone else name}"
    return "".join(document(f"Check of {name}", heading, STYLE, _main(reports), _footer(made_by)))


def _main(reports: Sequence[Report]) -> Iterator[str]:
    alone = len(reports) == 1
    if not alone:
        yield from _summary(reports)
    for number, report in enumerate(reports, 1):
        yield from _package(number, report, alone)


def _footer(made_by: str) -> Iterator[str]:
    yield "<h2>Words used here</h2>\n<dl>\n"
    for word, meaning in _GLOSSARY.items():
        yield f"<dt>{word}</dt><dd>{meaning}</dd>\n"
    yield "</dl>\n" + (f"<p>Made by {text(made_by)}.</p>\n" if made_by else "")


def _summary(reports: Sequence[Report]) -> Iterator[str]:
    verdicts = Counter(_word(one).lower() for one in reports)
    yield f"<p>{', '.join(f'{count:,} {word}' for word, count in verdicts.items())}.</p>\n"
    yield '<table class="summary">\n<caption>All packages</caption>\n<thead><tr>'
    for head in ("Package", "Verdict"):
        yield f'<th scope="col">{head}</th>'
    for head in ("Faults", "Warnings", "Files", "Size", "To fetch"):
        yield f'<th scope="col" class="n">{head}</th>'
    yield "</tr></thead>\n<tbody>\n"
    for number, report in enumerate(reports, 1):
        numbers = (
            f"{_count(report, 'error'):,}",
            f"{_count(report, 'warning'):,}",
            f"{report.files:,}",
            size(report.bytes),
            f"{report.to_fetch_files:,}",
        )
        yield (
            f'<tr><th scope="row"><a href="#package-{number}">{code(_name(report))}</a></th>'
            f"<td>{_badge(report)}</td>"
            + "".join(f'<td class="n">{one}</td>' for one in numbers)
            + "</tr>\n"
        )
    yield "</tbody>\n</table>\n"


def _package(number: int, report: Report, alone: bool) -> Iterator[str]:
    yield f'<section id="package-{number}">\n'
    if not alone:
        yield f"<h2>{code(_name(report))}</h2>\n"
    unread = report.verdict == "valid" and report.mode == "fast"
    explained = _UNREAD if unread else _VERDICTS.get(report.verdict, ("", "", ""))[2]
    yield f'<p class="verdict {_kind(report)}">{_badge(report)} {explained}</p>\n'
    yield '<dl class="facts">\n'
    for label, value in _facts(report):
        yield f"<dt>{label}</dt><dd>{value}</dd>\n"
    yield "</dl>\n"
    if report.types:
        yield from _types(report.types)
    for level in _LEVELS:
        yield from _level(level, report, "h2" if alone else "h3")
    yield "</section>\n"


def _facts(report: Report) -> Iterator[tuple[str, str]]:
    yield "Where", code(str(report.path))
    if report.checked:
        when = datetime.fromtimestamp(report.checked, UTC)
        took = f", in {duration(report.seconds)}" if report.seconds else ""
        yield "When", f"{when:%Y-%m-%d at %H:%M} UTC{took}"
    yield "How", _MODES.get(report.mode) or text(report.mode)
    kind = "CERN SIP, which is a bag" if report.is_sip else "Bag"
    version = f" of BagIt version {text(report.version)}" if report.version else ""
    yield "Kind of package", kind + version
    if report.algorithms:
        yield "Checksums", text(", ".join(report.algorithms))
    if report.profile:
        yield "Profile checked", code(report.profile)
    yield "Files here", f"{report.files:,} ({size(report.bytes)})"
    if report.to_fetch_files:
        due = report.to_fetch_bytes
        told = "some of unknown size" if due is None else size(due)
        yield "Still to fetch", f"{report.to_fetch_files:,} ({told})"
    if report.opinion:
        yield "A second opinion", text(report.opinion)


def _types(types: Sequence[FileType]) -> Iterator[str]:
    total = sum(one.bytes for one in types)
    rows = [(f"{code(one.suffix)}" if one.suffix else "no suffix", one) for one in types[:TYPES]]
    if rest := types[TYPES:]:
        others = FileType("", sum(one.files for one in rest), sum(one.bytes for one in rest))
        rows.append((f"{len(rest):,} other kinds", others))
    yield '<table class="types">\n<caption>Preserved files by the ending of their names</caption>\n'
    yield '<thead><tr><th scope="col">Ending</th><th scope="col" class="n">Files</th>'
    yield '<th scope="col" class="n">Size</th><th scope="col">Share of the size</th></tr></thead>\n'
    for label, one in rows:
        share = 100 * one.bytes / total if total else 0
        told = f"{share:.1f} %" if share >= 0.1 or not one.bytes else "under 0.1 %"
        yield (
            f'<tr><th scope="row">{label}</th><td class="n">{one.files:,}</td>'
            f'<td class="n">{size(one.bytes)}</td><td class="share">'
            f'<span class="bar" style="width:{share * 0.6:.1f}%"></span> {told}</td></tr>\n'
        )
    yield "</table>\n"


def _level(level: str, report: Report, head: str) -> Iterator[str]:
    groups: dict[str, list[Finding]] = {}
    for one in report.findings:
        if one.level == level:
            groups.setdefault(one.id, []).append(one)
    if not groups:
        return
    name, meaning = _LEVELS[level]
    yield f'<{head} class="level {level}">{name}: {_count(report, level):,}</{head}>\n'
    yield f'<p class="meaning">{meaning}</p>\n'
    for number in sorted(groups):
        yield from _group(number, level, groups[number])


def _group(number: str, level: str, findings: Sequence[Finding]) -> Iterator[str]:
    # Of a kind with too many findings the last one only tells how many more there are.
    cut = re.fullmatch(r"(\d+) more of \w+", findings[-1].message) if len(findings) > 1 else None
    if cut:
        findings = findings[:-1]
    count = len(findings) + (int(cut[1]) if cut else 0)
    about = title(number) or findings[0].message
    todo = findings[0].advice or advice(number)
    yield (
        f'<details class="kind {level}"{"" if level == "information" else " open"}>\n'
        f'<summary>{text(about)} <span class="id">{text(number)}, '
        f'{count:,} {"place" if count == 1 else "places"}</span></summary>\n'
    )
    if todo:
        yield f"<p><b>What to do:</b> {text(todo)}</p>\n"
    yield from _table(findings[:SHOWN])
    if rest := findings[SHOWN:]:
        yield f"<details>\n<summary>Show {len(rest):,} more</summary>\n"
        yield from _table(rest)
        yield "</details>\n"
    if cut:
        yield f"<p>{int(cut[1]):,} more of this kind are not listed here.</p>\n"
    yield "</details>\n"


def _table(findings: Sequence[Finding]) -> Iterator[str]:
    differs = any(one.expected or one.found for one in findings)
    yield '<table class="findings">\n<thead><tr><th scope="col">Where</th><th scope="col">What</th>'
    yield '<th scope="col">Expected</th><th scope="col">Found</th>' if differs else ""
    yield "</tr></thead>\n<tbody>\n"
    for one in findings:
        place = f" line {one.line:,}" if one.line is not None else ""
        place += f" at {code(one.pointer)}" if one.pointer else ""
        where = code(one.file) if one.file else "the package"
        yield f'<tr><th scope="row">{where}{place}</th><td>{text(one.message)}</td>'
        if differs:
            yield f"<td>{code(one.expected)}</td><td>{code(one.found)}</td>"
        yield "</tr>\n"
    yield "</tbody>\n</table>\n"


def _badge(report: Report) -> str:
    """The verdict: a sign and a word, so that colour alone tells nothing."""
    sign = _VERDICTS.get(report.verdict, ("?",))[0]
    sign = f'<span aria-hidden="true">{sign}</span>'
    return f'<span class="badge {_kind(report)}">{sign} {_word(report)}</span>'


def _word(report: Report) -> str:
    known = _VERDICTS.get(report.verdict)
    return known[1] if known else text(report.verdict)


def _name(report: Report) -> str:
    return report.path.name or str(report.path)


def _kind(report: Report) -> str:
    return report.verdict if report.verdict in _VERDICTS else "unknown"


def _count(report: Report, level: str) -> int:
    return report.counts.get(level) or sum(one.level == level for one in report.findings)
