"""What a report says in words, on a terminal and on a page."""

from __future__ import annotations

from datetime import UTC, datetime

from ..page import duration
from .report import JobReport

ADVICE = {
    "RecordNotFound": "The source has no such record: it was deleted, became another one, or the"
    " list is wrong. Trying again changes nothing.",
    "AccessDenied": "The record or its files are restricted, or the credential was refused. Give"
    " the next run a token that may read them, and try again.",
    "Unreachable": "The server did not answer, or had too much to do. Try again later.",
    "UpstreamError": "The source answered with something that cannot be used. Look at one of the"
    " records in a browser; if all is well there, please report it.",
    "TransferError": "Files are missing at the source, or arrive cut short. Try again; if they stay"
    " missing, ask the source, or package these records with --allow-missing.",
    "ChecksumMismatch": "What arrives is not what the source announced. Try again; if it stays so,"
    " the source's copy is damaged or its checksum is wrong: tell the source.",
    "SipError": "The package could not be written. Look at the target's disk and its rights, and"
    " try again.",
    "InvalidSip": "The package did not validate, so it did not get its name. Please report it.",
    "InputError": "The record cannot be asked for in this way. Correct the list or the options, and"
    " make a new job.",
    "BicError": "This is a fault of the program. Please report it, with the message.",
}
"""What to do about the kinds of failure; the hint of a record says more."""
FINAL = ("RecordNotFound", "InputError")
"""Failures that come again, whatever is done here."""
REMARKS = {
    "missing": (
        "Files are missing",
        "The source lists them and does not hand them out; they were left out because"
        " --allow-missing was given. sip.json names them, with the reason.",
    ),
    "without_checksum": (
        "Files without a checksum from the source",
        "Nobody can say whether they are what the source has. sip.json shows which they are.",
    ),
    "warnings": (
        "Warnings",
        "Each stands in the package, in data/meta/bagitcreate.log.",
    ),
    "skipped": (
        "Things left out",
        "What is listed in the record and is no file to be kept. sip.json names it, with the"
        " reason.",
    ),
}
"""What to look at, by the names of :data:`bagit_create.batch.report.REMARKS`."""
TWICE = (
    "Workers of two claims have each made a package: one was taken for dead while it was asleep or"
    " cut off from the disk. Both are whole. Keep one, and remove the other."
)


def moment(at: float) -> str:
    """A point in time, in UTC, to the minute."""
    try:
        return f"{datetime.fromtimestamp(at, UTC):%Y-%m-%d %H:%M} UTC"
    except (ValueError, OverflowError, OSError):  # what a damaged file may hold
        return "an impossible time"


def number(count: int, what: str) -> str:
    """``1 record``, ``2,000 records``."""
    return f"{count:,} {what}" + ("" if count == 1 else "s")


def percent(part: float, whole: float) -> str:
    """A share that is never told as nothing, or as all, if it is not."""
    share = 100 * part / whole if whole else 0.0
    if 0 < share < 0.1:
        return "under 0.1 %"
    if 99.9 < share < 100:
        return "over 99.9 %"
    return f"{share:.1f} %"


def verdict(made: JobReport) -> tuple[str, str, str]:
    """How the job stands: ``"good"``, ``"wait"`` or ``"bad"``, a word or two, and a sentence."""
    found = made.survey
    failed = sum(found.totals.failed.values())
    told = f" {number(failed, 'record')} failed." if failed else ""
    if found.complete and not found.left:
        if not failed:
            return "good", "Complete", "Every record has its package."
        return "bad", "Complete, with failures", f"Every record has ended.{told}"
    if any(not one.gone for one in found.holders):
        return "wait", "Under way", f"{number(found.left, 'record')} left.{told}"
    if not found.totals.records and not made.shares:
        return "wait", "Not begun", f"No worker has taken it up: {made.command('run')}"
    return (
        "wait",
        "Stopped",
        f"{number(found.left, 'record')} left, and nobody is at work.{told} To go on:"
        f" {made.command('run')}",
    )


def pace(made: JobReport) -> str:
    """How fast it goes now, and how long the rest takes; nothing if nobody is at work."""
    found = made.survey
    if found.complete or not found.rate:
        return ""
    left = f"; about {duration(found.seconds_left)} left" if found.seconds_left else ""
    return f"{found.rate * 60:,.1f} records a minute{left}"


def spread(made: JobReport) -> str:
    """How long packages took; nothing if none was made."""
    one = made.spread
    if not one.records:
        return ""
    return (
        f"half of them at most {one.median:,.1f} s, 90 % {one.p90:,.1f} s, 99 % {one.p99:,.1f} s,"
        f" the longest {one.longest:,.1f} s"
    )
