"""How a batch is told of to people."""

from __future__ import annotations

from shlex import quote
from typing import TYPE_CHECKING

from .. import log
from ..console import size_text

if TYPE_CHECKING:
    from ..batch import Survey, Totals


def count(number: int, what: str) -> str:
    """``1 record``, ``2,000 records``."""
    return f"{number:,} {what}" + ("" if number == 1 else "s")


def made(totals: Totals, seconds: float) -> str:
    """What one run has made, in one line."""
    number = count(totals.records, "record")
    rate = f" ({totals.records / seconds:.1f} a second)" if totals.records and seconds else ""
    return f"this run: {number} in {time(seconds)}{rate}, {size_text(totals.bytes)}"


def state(found: Survey, job: str) -> str:
    """What became of a job's records, and what to do about those that failed."""
    totals = found.totals
    lines = [
        f"{totals.done:,} of {count(found.records, 'record')} packaged, {totals.unchanged:,}"
        f" unchanged, {sum(totals.failed.values()):,} failed, {found.left:,} left"
    ]
    for kind, failed in sorted(totals.failed.items(), key=lambda one: -one[1]):
        lines.append(f"  failed: {failed:,} {kind}")
    if totals.failed:
        lines.append(
            f"what failed: bic batch report {quote(job)} --format csv;"
            f" again: bic batch retry {quote(job)}"
        )
    return "\n".join(lines)


def status(found: Survey, job: str) -> str:
    """The same, with who is at work and how long it takes."""
    lines = [state(found, job)]
    lines.append(
        f"{found.finished:,} of {count(found.shards, 'shard')} finished"
        + (f", {found.rounds - 1} rounds of retries" if found.rounds > 1 else "")
    )
    lines.append(f"{count(found.totals.files, 'file')}, {size_text(found.totals.bytes)}")
    if found.rate and not found.complete:
        left = found.seconds_left or 0.0
        lines.append(f"{found.rate:.2f} records a second; about {time(left)} left")
    for one in found.holders:
        sign = "gone" if one.gone else f"alive {one.silent:.0f} s ago"
        lines.append(f"  shard {one.shard}: {log.visible(one.host)} process {one.pid}, {sign}")
    return "\n".join(lines)


def time(seconds: float) -> str:
    """A time span in the unit that fits."""
    if seconds < 120:
        return f"{seconds:.1f} s"
    if seconds < 2 * 3600:
        return f"{seconds / 60:.0f} min"
    if seconds < 48 * 3600:
        return f"{seconds / 3600:.1f} h"
    return f"{seconds / 86400:.1f} days"
