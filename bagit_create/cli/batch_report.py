"""``bic batch report``: what became of a job, for people, for scripts, and for the archive."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from secrets import token_hex
from typing import TextIO

import click

from ..errors import InputError, SipError
from . import output

FORMATS = ("text", "json", "csv", "html")
ENDINGS = {".json": "json", ".csv": "csv", ".html": "html", ".htm": "html"}


@click.command(short_help="Report on a job: text, JSON, CSV, or a page.")
@click.argument("job", metavar="JOB")
@click.option(
    "--format",
    "form",
    type=click.Choice(FORMATS),
    help="Text, one JSON object, a row of CSV a record, or a self-contained page."
    " [default: by FILE's ending, else text]",
)
@click.option("--output", "file", metavar="FILE", help="Write it there. [default: standard output]")
@click.option("--failed", is_flag=True, help="With csv: only the records that failed.")
@click.option(
    "--kind",
    "kinds",
    multiple=True,
    metavar="KIND",
    help="With csv: only those that failed so, by name or exit code. Repeatable.",
)
def report(
    job: str, form: str | None, file: str | None, failed: bool, kinds: tuple[str, ...]
) -> None:
    """Report on JOB, also while it is being worked on: progress, failures by kind, throughput over
    time, what an archivist should look at.
    """
    from .. import batch

    chosen = form or ENDINGS.get(Path(file or "").suffix.lower(), "text")
    if (failed or kinds) and chosen != "csv":
        raise InputError("--failed and --kind choose rows of --format csv.")
    folder = batch.JobFolder(Path(job))
    output.tell_of_losses(folder.check)
    writers = {"text": batch.write_text, "json": batch.write_json, "html": batch.write_html}

    def write(stream: TextIO) -> None:
        if chosen == "csv":
            batch.write_csv(folder, stream, failed=failed, kinds=kinds)
        else:
            writers[chosen](batch.report(folder), stream)

    if file:
        _replace(Path(file), write)
        output.emit(os.fsencode(file))
    else:
        _print(write)


def _print(write: Callable[[TextIO], None]) -> None:
    """Write to standard output; that nobody reads it to its end is no error."""
    sys.stdout.reconfigure(encoding="utf-8", newline="")  # type: ignore[union-attr]
    try:
        write(sys.stdout)
        sys.stdout.flush()
    except BrokenPipeError:
        output.hush()
    except OSError as err:
        output.hush()
        raise SipError(f"Standard output cannot be written: {err.strerror}.") from err


def _replace(path: Path, write: Callable[[TextIO], None]) -> None:
    """Write a file that appears whole, in the place of an old one.

    :raises SipError: if it cannot be written; nothing is left then.
    """
    draft = path.with_name(f".{path.name[:40]}.{token_hex(4)}")
    try:
        with draft.open("x", encoding="utf-8", newline="") as stream:
            write(stream)
            stream.flush()
            os.fsync(stream.fileno())
        os.replace(draft, path)
    except OSError as err:
        raise SipError(
            f"The report cannot be written: {err.strerror or err}.", where=str(err.filename or path)
        ) from err
    finally:
        with suppress(OSError):
            draft.unlink()
