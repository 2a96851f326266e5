"""Every record of a job as a line of CSV (RFC 4180), for spreadsheets and scripts.

A cell that begins with ``=``, ``+``, ``-``, ``@`` or an apostrophe gets an apostrophe in front:
spreadsheets would calculate what follows, and a message may come from upstream. One apostrophe at
the begin of a cell is thus always to be taken off again.
"""

from __future__ import annotations

import csv
import time
from collections.abc import Collection, Iterator
from datetime import UTC, datetime
from itertools import chain
from typing import TextIO

from ..log import visible
from .folder import JobFolder
from .history import Entry, History
from .outcome import FAILED
from .retry import known_kinds

COLUMNS = (
    "number",
    "source",
    "recid",
    "state",
    "package",
    "files",
    "bytes",
    "seconds",
    "ended",
    "worker",
    "round",
    "error",
    "exit_code",
    "http_status",
    "message",
    "where",
    "hint",
    "warnings",
    "missing",
    "skipped",
    "without_checksum",
    "reused",
)
PENDING = "pending"
"""The state of a record that has not ended."""
_CALCULATED = ("=", "+", "-", "@", "'", "\uff1d", "\uff0b", "\uff0d", "\uff20")
"""What a formula begins with; the last ones are the wide forms, which some spreadsheets take too.
"""
_LAST_SECOND = 253402300799
"""Unix seconds of the end of the year 9999."""


def write_csv(
    job: JobFolder, stream: TextIO, *, failed: bool = False, kinds: Collection[str] = ()
) -> int:
    """Write one row a record, in the order of the list, as they are read.

    ``number`` counts from 0; ``package`` is a path relative to the target; ``ended`` is UTC, empty
    where an ended worker could not note it; ``round`` is 1, or that of a retry. What does not apply
    is empty.

    :param stream: opened with ``newline=""``.
    :param failed: only the records that failed.
    :param kinds: only those that failed so: classes of :mod:`bagit_create.errors` or exit codes.
    :returns: how many rows were written below the header.
    :raises InputError: if a kind is none, or a shard is damaged.
    :raises SipError: if the job cannot be read.
    :raises OSError: if the stream cannot take it.
    """
    wanted = known_kinds(kinds)
    entries = History(job, time.time()).entries()
    count = 0

    def rows() -> Iterator[tuple[str | int | float, ...]]:
        nonlocal count
        for entry in entries:
            if (failed or wanted) and not _is_meant(entry, wanted):
                continue
            count += 1
            yield _row(job, entry)

    csv.writer(stream).writerows(chain([COLUMNS], rows()))
    return count


def _is_meant(entry: Entry, kinds: Collection[str]) -> bool:
    one = entry.outcome
    if one is None or one.state != FAILED:
        return False
    return not kinds or one.error in kinds or str(one.exit_code) in kinds


def _row(job: JobFolder, entry: Entry) -> tuple[str | int | float, ...]:
    item, one, number, share = entry
    head = (item.number, _cell(item.source), _cell(item.recid))
    if one is None or share is None:
        return (*head, PENDING, *[""] * 6, number, *[""] * (len(COLUMNS) - 11))
    middle = (
        f"{one.seconds:.4f}" if one.at else "",
        _moment(one.at),
        _cell(share.host),
        number,
    )
    if one.state == FAILED:
        return (
            *head,
            FAILED,
            *("", "", ""),
            *middle,
            _cell(one.error),
            one.exit_code,
            one.http_status or "",
            _cell(one.message),
            _cell(one.where),
            _cell(one.hint),
            *[""] * 5,
        )
    return (
        *head,
        one.state,
        _cell(_path(job, entry, one.package)),
        one.files,
        one.bytes,
        *middle,
        *[""] * 6,
        one.warnings,
        one.missing,
        one.skipped,
        one.without_checksum,
        one.reused,
    )


def _path(job: JobFolder, entry: Entry, package: str) -> str:
    if job.file.layout == "flat":
        return package
    return f"{job.place_of(entry.item).name}/{package}"


def _moment(at: float) -> str:
    if not 0 < at < _LAST_SECOND:
        return ""
    return datetime.fromtimestamp(at, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def _cell(value: str) -> str:
    """Text that no spreadsheet calculates, and that stays on its line."""
    told = visible(value)
    return "'" + told if told.startswith(_CALCULATED) else told
