"""The report of a job as one HTML page."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TextIO

from ..page import code, document, size, text
from ..version import __version__
from . import chart
from . import reportwords as words
from .figures import Kind, Remark
from .htmlcourse import slowest, throughput, workers
from .htmlparts import SHOWN, more, name_of, sign, table
from .report import JobReport

STYLE = """\
p.verdict.good { border-color: var(--good); }
p.verdict.wait { border-color: var(--wait); }
p.verdict.bad { border-color: var(--bad); }
.good b { color: var(--good); }
.wait b { color: var(--wait); }
.bad b { color: var(--bad); }
svg.progress { display: block; width: 100%; height: 1.75rem; margin: 1.5rem 0 .5rem; }
svg .done { fill: var(--good); }
svg .unchanged { fill: var(--bar); }
.key { display: flex; flex-wrap: wrap; gap: .25rem 2rem; margin: 0 0 1.5rem; padding: 0;
  list-style: none; }
svg.sign { width: .8em; height: .8em; }
.kind p { margin: .5rem 0; }
.rest { color: var(--soft); }
.wide { overflow-x: auto; }
table.narrow { max-width: 46rem; }
table.named th:first-child { white-space: nowrap; }
@media print { details.numbers { display: none; } }
"""


def write_html(made: JobReport, stream: TextIO) -> None:
    """Write a page that needs no script and nothing from elsewhere.

    :param stream: takes UTF-8.
    :raises OSError: if the stream cannot take it.
    """
    file = made.job.file
    name = made.job.path.name or str(made.job.path)
    sources = ", ".join(file.sources)
    heading = f"{words.number(file.records, 'record')} of {text(sources)}: {code(name)}"
    for piece in document(f"Report of {name}", heading, STYLE + chart.STYLE, _main(made), _foot()):
        stream.write(piece)


def _main(made: JobReport) -> Iterator[str]:
    kind, word, sentence = words.verdict(made)
    yield f'<p class="verdict {kind}"><b>{word}.</b> {text(sentence)}</p>\n'
    yield from _progress(made)
    yield from _facts(made)
    yield from _failures(made)
    yield from _remarks(made)
    yield from throughput(made)
    yield from slowest(made)
    yield from workers(made)
    yield from _options(made)
    yield "<section>\n<h2>All records</h2>\n<p>This page names some. A table of all, one row a"
    yield " record, for a spreadsheet or a script:"
    yield f" {code(made.command('report', '--output', 'FILE.csv'))}</p>\n</section>\n"


def _foot() -> Iterator[str]:
    yield f"<p>Made by bic {text(__version__)}. Times are in UTC; a MB is a million bytes.</p>\n"


# -- how far ------------------------------------------------------------------------------------


def _progress(made: JobReport) -> Iterator[str]:
    found, totals = made.survey, made.survey.totals
    parts = [
        ("done", "packaged", totals.done),
        ("unchanged", "unchanged", totals.unchanged),
        ("failed", "failed", sum(totals.failed.values())),
        ("rest", "left", found.left),
    ]
    told = ", ".join(f"{count:,} {word}" for _, word, count in parts)
    whole = sum(count for _, _, count in parts) or 1
    yield (
        '<svg class="progress" viewBox="0 0 1000 28" preserveAspectRatio="none" role="img"'
        ' aria-labelledby="progress-title progress-desc">\n'
        f'<title id="progress-title">Progress</title><desc id="progress-desc">{told}</desc>\n'
    )
    yield from chart.stripes("progress")
    x = 0.0
    for kind, _, count in parts:
        wide = 1000 * count / whole
        if count:
            area = f'x="{x:.2f}" y="0" width="{max(wide, 2):.2f}" height="28"'
            yield f'<rect class="{kind}" {area}/>'
            if kind == "failed":
                yield f'<rect fill="url(#progress-stripes)" {area}/>'
        x += wide
    yield '\n</svg>\n<ul class="key">\n'
    for kind, word, count in parts:
        yield (
            f'<li>{sign(kind)} <b>{count:,}</b> {word} <span class="id">'
            f"{words.percent(count, whole)}</span></li>\n"
        )
    yield "</ul>\n"


def _facts(made: JobReport) -> Iterator[str]:
    found, file = made.survey, made.job.file
    facts = [
        ("State of", words.moment(made.taken)),
        ("Created", f"{words.moment(file.created)}, job {code(file.id)}"),
        ("Job folder", code(str(made.job.path))),
        ("Packages in", code(str(made.job.target))),
        ("Files", f"{found.totals.files:,} ({size(found.totals.bytes)})"),
        ("Shards", f"{found.finished:,} of {found.shards:,} finished"),
    ]
    if made.retried:
        rounds = words.number(found.rounds - 1, "round")
        facts.append(("Tried again", f"{words.number(made.retried, 'record')}, in {rounds}"))
    if told := words.pace(made):
        facts.append(("Pace", told))
    if told := words.spread(made):
        facts.append(("Time of a package", told))
    if made.damaged:
        lines = words.number(made.damaged, "line")
        facts.append(("Damaged logs", f"{lines} cannot be read; they may have told of records"))
    yield '<dl class="facts">\n'
    for label, value in facts:
        yield f"<dt>{label}</dt><dd>{value}</dd>\n"
    yield "</dl>\n"


# -- what an archivist must look at ---------------------------------------------------------------


def _failures(made: JobReport) -> Iterator[str]:
    failed = sum(made.survey.totals.failed.values())
    yield f"<section>\n<h2>Failures: {failed:,}</h2>\n"
    if not made.failures:
        yield "<p>None.</p>\n"
    for number, kind in enumerate(made.failures):
        yield from _kind(made, kind, number < SHOWN)
    if made.failures:
        command = made.command("report", "--failed", "--format", "csv")
        yield f'<p class="rest">All of them, one row each: {code(command)}</p>\n'
    yield "</section>\n"


def _kind(made: JobReport, kind: Kind, unfolded: bool) -> Iterator[str]:
    statuses = ", ".join(
        f"HTTP {one} {count:,} times" for one, count in kind.statuses.most_common(5)
    )
    codes = f"exit code {kind.exit_code}" + (f"; {statuses}" if statuses else "")
    yield (
        f'<details class="kind error"{" open" if unfolded else ""}>\n<summary>'
        f"{words.number(kind.records, 'record')}: {text(kind.error)}"
        f' <span class="id">{codes}</span></summary>\n'
    )
    if advice := words.ADVICE.get(kind.error):
        yield f"<p><b>What to do:</b> {advice}</p>\n"
    if kind.error not in words.FINAL:
        yield f"<p>To try them again: {code(made.command('retry', '--kind', kind.error))}</p>\n"
    yield '<div class="wide"><table class="named">\n<thead><tr><th scope="col">Record</th>'
    yield '<th scope="col">What happened</th><th scope="col">Where</th>'
    yield '<th scope="col" class="n">Records alike</th></tr></thead>\n<tbody>\n'
    for one, alike in kind.examples:
        hint = f"<br>Try: {text(one.hint)}" if one.hint else ""
        yield (
            f'<tr><th scope="row">{name_of(one)}</th><td>{text(one.message)}{hint}</td>'
            f'<td>{code(one.where)}</td><td class="n">{alike:,}</td></tr>\n'
        )
    yield "</tbody>\n</table></div>\n"
    rest = kind.records - sum(alike for _, alike in kind.examples)
    if rest:
        yield f'<p class="rest">{words.number(rest, "record")} more, with other messages.</p>\n'
    yield "</details>\n"


def _remarks(made: JobReport) -> Iterator[str]:
    found = [(name, one) for name, one in made.remarks.items() if one.records]
    yield "<section>\n<h2>To look at</h2>\n"
    if not (found or made.twice):
        yield "<p>Nothing: no package lacks a file or a checksum, or has warnings.</p>\n"
    if made.twice:
        yield from _twice(made)
    for name, remark in found:
        yield from _remark(name, remark)
    yield "</section>\n"


def _twice(made: JobReport) -> Iterator[str]:
    count = words.number(len(made.twice), "record")
    yield f'<details class="kind error" open>\n<summary>Two packages of {count}</summary>\n'
    yield f"<p>{words.TWICE}</p>\n"
    rows = [
        (f"{text(one.item.source)} {code(one.item.recid)}", ", ".join(map(code, one.packages)))
        + (", ".join(map(code, one.here)) or "none",)
        for one in made.twice[:SHOWN]
    ]
    yield from table(("Record", "Packages", "In the target now"), rows)
    yield from more(
        len(made.twice) - len(rows), "records", made.command("report", "--format", "json")
    )
    yield "</details>\n"


def _remark(name: str, remark: Remark) -> Iterator[str]:
    title, meaning = words.REMARKS[name]
    yield (
        f'<details class="kind warning" open>\n<summary>{title} <span class="id">{remark.total:,}'
        f" in {words.number(remark.records, 'package')}</span></summary>\n<p>{meaning}</p>\n"
    )
    rows = [
        (name_of(one), code(one.package), f"{count:,}") for one, count in remark.examples[:SHOWN]
    ]
    yield from table(("Record", "Package", "How many"), rows, numbers=1)
    yield from more(remark.records - len(rows), "packages", f"column {name} of the CSV form")
    yield "</details>\n"


def _options(made: JobReport) -> Iterator[str]:
    yield "<section>\n<h2>Options of the job</h2>\n"
    options = made.options
    if not options:
        yield "<p>All as usual.</p>\n"
    else:
        rows = [
            (code(name), text(", ".join(value) if isinstance(value, (list, tuple)) else str(value)))
            for name, value in options.items()
        ]
        yield from table(("Option", "Value"), rows)
    yield "</section>\n"
