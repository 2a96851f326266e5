"""The report of a job as a short page for a terminal."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TextIO

from ..log import visible
from ..page import size
from . import reportwords as words
from .figures import Example
from .report import JobReport

NAMED = 3
"""Records that are named of each kind of thing."""
BAR = 50
"""Characters of the bar."""


def write_text(made: JobReport, stream: TextIO) -> None:
    """Write the report for people, with control characters made visible.

    :raises OSError: if the stream cannot take it.
    """
    for line in _lines(made):
        stream.write(visible(line) + "\n")


def _lines(made: JobReport) -> Iterator[str]:
    _, word, sentence = words.verdict(made)
    yield f"{word}. {sentence}"
    yield from _numbers(made)
    yield from _failures(made)
    yield from _remarks(made)
    if made.slowest:
        yield "Took longest:"
        for one, seconds in made.slowest[:NAMED]:
            yield f"  {seconds:,.1f} s  {_name(one)}"
    yield from _processes(made)
    yield f"Every record: {made.command('report', '--format', 'csv')}"


def _numbers(made: JobReport) -> Iterator[str]:
    found, totals = made.survey, made.survey.totals
    failed = sum(totals.failed.values())
    parts = ((failed, "!"), (totals.done + totals.unchanged, "#"))
    bar = "".join(
        sign * max(BAR * count // (found.records or 1), count > 0) for count, sign in parts
    )
    rest = bar[-1:] if not found.left else "."
    yield f"[{bar[:BAR]}{rest * (BAR - len(bar))}] as of {words.moment(made.taken)}"
    yield (
        f"  {totals.done:,} of {words.number(found.records, 'record')} packaged,"
        f" {totals.unchanged:,} unchanged, {failed:,} failed, {found.left:,} left"
    )
    again = f"; {words.number(made.retried, 'record')} tried again" if made.retried else ""
    yield f"  {words.number(totals.files, 'file')}, {size(totals.bytes)}{again}"
    if told := words.spread(made):
        yield f"  time of a package: {told}"
    if told := words.pace(made):
        yield f"  {told}"
    if made.damaged:
        yield f"  {words.number(made.damaged, 'line')} of the logs cannot be read"


def _failures(made: JobReport) -> Iterator[str]:
    if made.failures:
        yield "Failed:"
    for kind in made.failures:
        yield f"  {kind.records:,} {kind.error} (exit code {kind.exit_code})"
        if advice := words.ADVICE.get(kind.error):
            yield f"    {advice}"
        for one, alike in kind.examples[:NAMED]:
            more = f" (and {alike - 1:,} more like it)" if alike > 1 else ""
            yield f"    {_name(one)}: {one.message}{more}"
            if one.where:
                yield f"      at: {one.where}"
            if one.hint:
                yield f"      try: {one.hint}"
        if kind.error not in words.FINAL:
            yield f"    again: {made.command('retry', '--kind', kind.error)}"


def _remarks(made: JobReport) -> Iterator[str]:
    found = [(name, one) for name, one in made.remarks.items() if one.records]
    if found or made.twice:
        yield "To look at:"
    for one in made.twice[:NAMED]:
        yield f"  two packages: {one.item.source} {one.item.recid}: {', '.join(one.packages)}"
    if len(made.twice) > NAMED:
        yield f"  two packages: {len(made.twice) - NAMED:,} records more"
    for name, remark in found:
        named = ", ".join(_name(one) for one, _ in remark.examples[:NAMED])
        more = f" and {remark.records - NAMED:,} more" if remark.records > NAMED else ""
        told = f"{remark.total:,} in {words.number(remark.records, 'package')}"
        yield f"  {words.REMARKS[name][0].lower()}: {told}: {named}{more}"


def _processes(made: JobReport) -> Iterator[str]:
    if not made.shares:
        return
    hosts = len({one.host for one in made.shares})
    at_work = sum(not one.gone for one in made.survey.holders)
    yield (
        f"Worked on by {len(made.shares):,} process{'' if len(made.shares) == 1 else 'es'} on"
        f" {words.number(hosts, 'host')}; shards that are worked on now: {at_work:,}"
    )


def _name(one: Example) -> str:
    return f"{one.source} {one.recid}"
