"""``bic batch``: many records, by any number of workers on any number of machines."""

from __future__ import annotations

import logging
import shlex
import signal
import sys
import time
from dataclasses import replace
from fractions import Fraction
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click
from click.core import ParameterSource

from ..console import display
from ..credentials import Secret, read_file
from ..errors import InputError
from . import output, words
from .batch_report import report
from .options import not_given, some_options
from .submit import submit

if TYPE_CHECKING:
    from ..batch import Orders

JOBS = 4
"""Files that each of several workers fetches at the same time."""
MAX_WAIT_S = 24 * 3600.0
"""A job of days waits for a server as long as that asks for."""
LOOK_S = 2.0
"""Seconds between two looks of ``status --live``."""
OF_A_JOB = (
    "source",
    "base_url",
    "allow_missing",
    "if_changed",
    "previous",
    "algorithm",
    "bagit_version",
    "archive",
    "no_verify",
    "skipssl",
    "dry_run",
    "alternate_uri",
    "hash_missing",
    "collection",
    "embargo",
    "comment",
    "bibdoc",
    "bd_ssh_host",
    "jobs",
    "timeout",
    "retries",
    "max_wait",
    "config",
)
"""Options that hold for every record; secrets are given to ``run``."""
OF_A_RUN = ("token_file", "token", "invcookie", "cookies", "cert", "proxy", "workdir", "config")


@click.group(short_help="Package many records: create, run, status, retry.")
def batch() -> None:
    """Package many records.

    'create' makes a job folder from a list, 'run' works on it, from as many places at once as you
    like; killed and started again, nothing is lost and nothing is made twice.
    """


batch.add_command(report)
batch.add_command(submit)


@batch.command(short_help="Make a job folder from a list of records.")
@click.argument("job", metavar="JOB")
@click.argument("list_", metavar="[LIST]", required=False)
@click.option("-t", "--target", metavar="DIR", help="The packages' folder. [default: JOB/packages]")
@click.option("--shard-size", type=int, metavar="N", help="Records a shard. [default: by number]")
@click.option(
    "--layout",
    type=click.Choice(("flat", "hashed")),
    help="All packages in one folder, or in 4,096 by their ids. [default: flat up to 1,000]",
)
@some_options(OF_A_JOB)
@click.option("--json", "as_json", is_flag=True, help="Write one JSON object.")
@click.pass_context
def create(
    ctx: click.Context,
    /,
    job: str,
    list_: str | None,
    target: str | None,
    shard_size: int | None,
    layout: str | None,
    as_json: bool,
    **given: Any,
) -> None:
    """Make the job folder JOB from LIST: a file, or - for standard input (as without it).

    Each line is an id (with --source), a web address, a DOI, or a JSON object as 'bic list --json'
    writes it. The options are those of bic and hold for every record; what is secret or belongs to
    one machine is given to 'bic batch run'.
    """
    from ..batch import create as create_job
    from ..batch.items import lines_of
    from .job import job_options as job_from

    for name, usual in (("jobs", JOBS), ("max_wait", MAX_WAIT_S)):
        if ctx.get_parameter_source(name) is ParameterSource.DEFAULT:
            given[name] = usual
    if (given["source"] or "").strip().lower() == "local":
        raise InputError("A list of records has no folders of this machine (source local).")
    values = not_given() | given | {"recid": "1"}
    options = replace(job_from(values, any_source=True), recid=None, target=Path())
    if list_ in (None, "-") and (sys.stdin is None or list_ is None and sys.stdin.isatty()):
        raise InputError("There is no list.", hint="name a file, or pipe 'bic list' into this")
    try:
        with click.open_file(list_ or "-", encoding="utf-8-sig") as lines:
            made = create_job(
                Path(job),
                lines_of(lines),
                options,
                target=Path(target) if target else None,
                shard_size=shard_size,
                layout=layout,
            )
    except UnicodeDecodeError as err:
        raise InputError("The list is no UTF-8 text.", where=list_ or "standard input") from err
    except (FileNotFoundError, PermissionError, IsADirectoryError) as err:
        if err.filename != list_:
            raise
        raise InputError(f"The list cannot be read: {err.strerror}.", where=list_ or "") from err
    if made.unended:
        output.tell(
            f"warning: the last line, {made.unended[:80]!r}, has no end: if the list was cut off,"
            " it may name another record, and others are missing"
        )
    file = made.job.file
    if as_json:
        output.emit_json(
            {
                "job": str(made.job.path),
                "records": file.records,
                "shards": file.shards,
                "repeated": made.repeated,
                "deleted": made.deleted,
                "target": str(made.job.target),
            }
        )
        return
    output.emit(bytes(made.job.path))
    notes = [f"{words.count(file.records, 'record')} in {words.count(file.shards, 'shard')}"]
    if made.repeated:
        notes.append(f"{made.repeated} repeated lines left out")
    if made.deleted:
        notes.append(f"{made.deleted} deleted records left out")
    output.tell("; ".join(notes) + f". Next: bic batch run {shlex.quote(job)}")


@batch.command(short_help="Work on a job.")
@click.argument("job", metavar="JOB")
@click.option("-w", "--workers", type=int, default=4, metavar="N", help="Records at once. [4]")
@click.option(
    "--processes", type=int, metavar="N", help="Processes for them. [default: two a core]"
)
@click.option(
    "--share",
    metavar="PART",
    help="This run's part of what the servers allow, as 1/4, if other machines have the rest.",
)
@click.option(
    "--wait/--no-wait",
    default=True,
    help="Wait for shards that other workers have, in case they die. [--wait]",
)
@click.option(
    "--patience",
    type=float,
    default=3600.0,
    metavar="S",
    help="Seconds to wait for a server that is not there, before the run is ended. [3600]",
)
@some_options(OF_A_RUN)
@click.option("--json", "as_json", is_flag=True, help="Write one JSON object at the end.")
@click.option("-v", "--verbose", count=True, help="Tell how each record ended; twice: each step.")
@click.option("-q", "--quiet", is_flag=True, help="Tell errors only, show no progress.")
def run(job: str, **given: Any) -> int:
    """Work on JOB until each of its records has ended.

    Any number of runs may work on one job at the same time, on all machines that see its folder.
    Exit code 0 if every record of the job has its package, 8 if some have failed, or are left to
    others (--no-wait).
    """
    from .. import batch as batches
    from .follow import Follower

    orders = _orders(given)
    silent = bool(given["quiet"] or given["as_json"])
    level = logging.ERROR if silent else logging.WARNING
    if given["verbose"] > 1:
        level = logging.DEBUG
    signal.signal(signal.SIGTERM, signal.default_int_handler)  # as batch systems end a job
    began = time.monotonic()
    folder = batches.JobFolder(Path(job))
    with display(sys.stderr, silent=silent, verbose=given["verbose"] > 0) as shown:
        with output.logging_to(shown, level):
            follower = Follower(shown, telling=given["verbose"] > 0 and not silent)
            made = batches.run(folder.path, orders, follower, processes=given["processes"])
    found = batches.survey(folder)
    if given["as_json"]:
        output.emit_json({"job": str(folder.path), "made": made.as_dict(), **found.as_dict()})
    else:
        output.emit(bytes(folder.target))
        output.tell(words.made(made, time.monotonic() - began) + "\n" + words.state(found, job))
    return 8 if found.totals.failed or found.left else 0


def _orders(given: dict[str, Any]) -> Orders:
    from ..batch import Orders

    if given["token"] and given["token_file"]:
        raise InputError("--token does not go with --token-file.")
    part = None
    if given["share"]:
        try:
            part = float(Fraction(given["share"]))
        except (ValueError, ArithmeticError) as err:
            raise InputError("--share is a part of 1, as 1/4 or 0.25.") from err
    token = Secret(given["token"]) if given["token"] else None
    if given["token_file"]:
        token = read_file(given["token_file"])
    return Orders(
        workers=given["workers"],
        wait=given["wait"],
        part=part,
        patience=given["patience"],
        token=token,
        invcookie=Secret(given["invcookie"]) if given["invcookie"] else None,
        proxy=Secret(given["proxy"]) if given["proxy"] else None,
        cookies=Path(given["cookies"]) if given["cookies"] else None,
        cert=given["cert"] or None,
        workdir=Path(given["workdir"]) if given["workdir"] else None,
        config=Path(given["config"]).absolute() if given["config"] else None,
        telling=given["verbose"] > 1,
    )


@batch.command(short_help="Say how far a job is.")
@click.argument("job", metavar="JOB")
@click.option("--live", is_flag=True, help="Go on telling until the job is complete.")
@click.option("--json", "as_json", is_flag=True, help="Write one JSON object; a line a look.")
def status(job: str, live: bool, as_json: bool) -> None:
    """Say how far JOB is, what has failed, and who works on it."""
    from ..batch import JobFolder, survey

    folder = JobFolder(Path(job))
    output.tell_of_losses(folder.check)
    while True:
        found = survey(folder)
        if as_json:
            read = output.emit_json({"job": str(folder.path), **found.as_dict()})
        else:
            if live and sys.stdout.isatty():
                click.clear()
            read = output.emit(words.status(found, job))
        if not live or found.complete or not read:
            return
        time.sleep(LOOK_S)


@batch.command(short_help="Give failed records to the workers again.")
@click.argument("job", metavar="JOB")
@click.option(
    "--kind",
    "kinds",
    multiple=True,
    metavar="KIND",
    help="Only failures of this kind, as 'status' names it, or of this exit code. Repeatable.",
)
@click.option("--json", "as_json", is_flag=True, help="Write one JSON object.")
def retry(job: str, kinds: tuple[str, ...], as_json: bool) -> None:
    """Give the failed records of JOB to the workers again, those at work or the next run's."""
    from ..batch import retry as retry_job

    number, counts = retry_job(Path(job), kinds)
    if as_json:
        output.emit_json({"records": number, "kinds": dict(counts)})
        return
    told = ", ".join(f"{count} {kind}" for kind, count in counts.most_common())
    output.tell(
        f"{words.count(number, 'record')} to be tried again ({told})."
        f" Next: bic batch run {shlex.quote(job)}"
        if number
        else "no such failure: there is nothing to try again"
    )
