"""The sections of a job's page that tell how the work went."""

from __future__ import annotations

from collections.abc import Iterator

from ..page import code, duration, size
from . import chart
from . import reportwords as words
from .figures import Bucket
from .htmlparts import SHOWN, more, name_of, sign, table
from .report import JobReport


def throughput(made: JobReport) -> Iterator[str]:
    """How fast records ended, over time."""
    yield "<section>\n<h2>Throughput</h2>\n"
    buckets = made.timeline
    if not buckets:
        yield "<p>No record has ended yet.</p>\n</section>\n"
        return
    width = duration(buckets[1].at - buckets[0].at if len(buckets) > 1 else buckets[0].seconds)
    yield f"<h3>Records a minute</h3>\n<p>{sign('made')} packaged or unchanged, {sign('failed')}"
    yield f" failed (striped). Each bar is {width}; a record that was tried again counts each time."
    yield "</p>\n"
    layers = [("made", _made_a_minute), ("failed", _failed_a_minute)]
    yield from chart.bars("records", "Records a minute", buckets, layers, lambda one: f"{one:,.4g}")
    yield "<h3>Bytes a second</h3>\n<p>The files of packages, when the package was ready.</p>\n"
    layers = [("made", _bytes_a_second)]
    yield from chart.bars("bytes", "Bytes a second", buckets, layers, lambda one: f"{size(one)}/s")
    if made.untimed:
        yield f'<p class="rest">Of {words.number(made.untimed, "record")} it is not known when they'
        yield " ended: a worker died before it could note that.</p>\n"
    yield '<details class="numbers">\n<summary>The numbers</summary>\n'
    rows = [
        (words.moment(one.at), f"{one.seconds:,.0f} s", f"{one.records:,}", f"{one.failed:,}")
        + (size(one.bytes),)
        for one in buckets
        if one.records
    ]
    yield from table(("From", "Length", "Records ended", "Failed", "Bytes"), rows, numbers=4)
    yield "</details>\n</section>\n"


def _made_a_minute(one: Bucket) -> float:
    return 60 * (one.records - one.failed) / one.seconds


def _failed_a_minute(one: Bucket) -> float:
    return 60 * one.failed / one.seconds


def _bytes_a_second(one: Bucket) -> float:
    return one.bytes / one.seconds


def slowest(made: JobReport) -> Iterator[str]:
    """The packages that took longest."""
    if made.slowest:
        yield "<section>\n<h2>Took longest</h2>\n"
        rows = [
            (name_of(one), code(one.package), f"{seconds:,.1f} s") for one, seconds in made.slowest
        ]
        yield from table(("Record", "Package", "Time"), rows, numbers=1)
        yield "</section>\n"


def workers(made: JobReport) -> Iterator[str]:
    """Who is at work, and who did what."""
    yield "<section>\n<h2>Workers</h2>\n"
    if not made.shares:
        yield "<p>None so far.</p>\n"
    if made.survey.holders:
        rows = [
            (code(one.shard), code(one.host), str(one.pid), _sign_of_life(one.silent, one.gone))
            for one in made.survey.holders[:SHOWN]
        ]
        yield "<h3>Shards that are not finished</h3>\n"
        yield from table(("Shard", "Host", "Process", "Last sign of life"), rows)
        status = made.command("status")
        yield from more(len(made.survey.holders) - len(rows), "shards", status)
    if made.shares:
        every = [
            (code(one.host) or "unknown", str(one.pid), words.moment(one.began))
            + (words.moment(one.ended), f"{one.shards:,}", f"{one.records:,}", f"{one.failed:,}")
            + (size(one.bytes),)
            for one in made.shares[:SHOWN]
        ]
        heads = ("Host", "Process", "First claim", "Last record")
        yield "<h3>Processes</h3>\n"
        yield from table((*heads, "Shards", "Records", "Failed", "Bytes"), every, numbers=4)
        command = made.command("report", "--format", "json")
        yield from more(len(made.shares) - len(every), "processes", command)
    yield "</section>\n"


def _sign_of_life(silent: float, gone: bool) -> str:
    return f"{duration(silent)} ago" + ("; it has left, or is dead" if gone else "")
