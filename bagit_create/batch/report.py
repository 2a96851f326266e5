"""A job in one value: how far it is, what failed and why, how fast it went, what to look at.

made = batch.report(JobFolder(Path("job")))
with open("report.html", "w", encoding="utf-8") as stream:
    batch.write_html(made, stream)
"""

from __future__ import annotations

import json
import time
from array import array
from dataclasses import asdict, dataclass, field
from shlex import quote
from typing import Any, TextIO

from .. import log
from ..version import __version__
from .figures import Bucket, Example, Kind, Longest, Remark, Spread, Timeline, spread
from .folder import JobFolder
from .history import History, Share, Twice
from .jobfile import plain_options
from .outcome import DONE, FAILED, Outcome, Totals
from .survey import RECENT_S, Survey

REMARKS = ("missing", "without_checksum", "warnings", "skipped")
"""What an outcome counts that an archivist must look at, the gravest first."""


@dataclass(slots=True, kw_only=True)
class JobReport:
    """What became of a job by the time ``taken`` (Unix seconds).

    ``survey`` has the numbers, drawn from the same reading as all else. ``failures`` are by kind,
    the most frequent first; of a record that was taken up again only the last attempt counts.
    ``retried`` records were. ``remarks`` are by the names of :data:`REMARKS`, about packages made
    or found unchanged. ``timeline`` and ``shares`` (the processes) count each attempt; of
    ``untimed`` ones it is not known when they ended. ``spread`` and ``slowest`` are about the time
    that packages took. ``twice`` are records that have two packages. ``damaged`` lines of logs
    cannot be read.
    """

    job: JobFolder
    taken: float
    survey: Survey
    failures: list[Kind] = field(default_factory=list)
    retried: int = 0
    remarks: dict[str, Remark] = field(default_factory=dict)
    timeline: list[Bucket] = field(default_factory=list)
    untimed: int = 0
    spread: Spread = field(default_factory=Spread)
    slowest: list[tuple[Example, float]] = field(default_factory=list)
    shares: list[Share] = field(default_factory=list)
    twice: list[Twice] = field(default_factory=list)
    damaged: int = 0

    @property
    def options(self) -> dict[str, Any]:
        """The options that differ from what is usual; none is a secret."""
        return {
            name: log.redact(value) if isinstance(value, str) else value
            for name, value in plain_options(self.job.file.options).items()
        }

    def command(self, name: str, *more: str) -> str:
        """What to type for another command about this job."""
        return " ".join(["bic batch", name, *map(quote, (str(self.job.path), *more))])

    def as_dict(self) -> dict[str, Any]:
        """As JSON can hold it."""
        file = self.job.file
        return {
            "taken": round(self.taken, 3),
            "bic": __version__,
            "job": {
                "path": str(self.job.path),
                "id": file.id,
                "created": file.created,
                "sources": list(file.sources),
                "shard_size": file.shard_size,
                "layout": file.layout,
                "target": str(self.job.target),
                "options": self.options,
            },
            **self.survey.as_dict(),
            "retried": self.retried,
            "failures": [
                {
                    "error": one.error,
                    "exit_code": one.exit_code,
                    "records": one.records,
                    "http_statuses": {str(code): n for code, n in one.statuses.most_common()},
                    "examples": [
                        {**example.as_dict(), "alike": alike} for example, alike in one.examples
                    ],
                }
                for one in self.failures
            ],
            "remarks": {
                name: {
                    "records": one.records,
                    "total": one.total,
                    "examples": [
                        {**example.as_dict(), "count": count} for example, count in one.examples
                    ],
                }
                for name, one in self.remarks.items()
            },
            "made_twice": [
                {
                    "number": one.item.number,
                    "source": one.item.source,
                    "recid": one.item.recid,
                    "packages": list(one.packages),
                    "here": list(one.here),
                }
                for one in self.twice
            ],
            "throughput": [asdict(one) for one in self.timeline],
            "attempts_without_time": self.untimed,
            "seconds_a_package": asdict(self.spread),
            "slowest": [{**example.as_dict(), "seconds": s} for example, s in self.slowest],
            "processes": [asdict(one) for one in self.shares],
            "damaged_lines": self.damaged,
        }


def report(job: JobFolder) -> JobReport:
    """Read all of a job, also while it is being worked on. Memory holds a few megabytes and eight
    bytes a record.

    :raises InputError: if a shard is damaged.
    :raises SipError: if the folder cannot be read.
    """
    taken = time.time()
    timeline = Timeline(job.file.created, taken)
    recent = _Recent(taken - RECENT_S)

    def attempt(one: Outcome) -> None:
        timeline.add(one)
        recent.add(one)

    history = History(job, taken, attempt)
    made = JobReport(
        job=job, taken=taken, survey=Survey(job.file.records, len(history.shards)), shares=[]
    )
    made.survey.finished = len(history.finished & set(history.shards))
    made.survey.rounds = max((one.round for one in history.shards), default=1)
    made.remarks = {name: Remark() for name in REMARKS}
    _count(made, history)
    made.survey.holders, made.survey.cut = history.holders, history.cut
    made.survey.finished -= len(history.cut)
    made.survey.rate = recent.rate(taken)
    made.timeline, made.untimed = timeline.buckets(taken), timeline.untimed
    made.shares, made.twice, made.damaged = history.shares, history.twice, history.damaged
    return made


def _count(made: JobReport, history: History) -> None:
    """Fill in what is about the last attempt at each record."""
    totals, remarks, kinds = Totals(), list(made.remarks.items()), dict[str, Kind]()
    seconds, longest = array("d"), Longest()
    for entry in history.entries():
        one = entry.outcome
        made.retried += entry.round > 1
        if one is None:
            continue
        totals.add(one)
        if one.state == FAILED:
            kind = kinds.setdefault(one.error, Kind(one.error, one.exit_code))
            kind.add(entry.item, one)
            continue
        if one.state == DONE and one.seconds:
            seconds.append(one.seconds)
            longest.add(entry, one.seconds)
        if one.missing or one.without_checksum or one.warnings or one.skipped:
            for name, remark in remarks:
                if count := getattr(one, name):
                    remark.add(entry.item, one, count)
    made.survey.totals = totals
    made.failures = sorted(kinds.values(), key=lambda one: (-one.records, one.error))
    made.spread, made.slowest = spread(seconds), longest.examples()


class _Recent:
    """The present rate, as ``status`` takes it."""

    def __init__(self, since: float) -> None:
        self._since = since
        self._count = 0
        self._first = float("inf")

    def add(self, one: Outcome) -> None:
        if one.at >= self._since:
            self._count += 1
            self._first = min(self._first, one.at)

    def rate(self, now: float) -> float:
        return self._count / max(now - self._first, 1.0) if self._count else 0.0


def write_json(made: JobReport, stream: TextIO) -> None:
    """Write the report as one JSON object on one line, in ASCII.

    :raises OSError: if the stream cannot take it.
    """
    json.dump(made.as_dict(), stream)
    stream.write("\n")
