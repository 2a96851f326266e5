"""``bic plan``: what a run would do, without doing it."""

from __future__ import annotations

import logging
import sys
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click
from click.core import ParameterSource

from ..console import Display, display
from ..errors import BicError, InputError
from . import output
from .options import not_given, some_options

if TYPE_CHECKING:
    from ..options import JobOptions
    from ..planning import Plan, RecordPlan

OPTIONS = (
    "source",
    "recid",
    "url",
    "short_u",
    "base_url",
    "allow_missing",
    "target",
    "workdir",
    "algorithm",
    "bagit_version",
    "archive",
    "token_file",
    "token",
    "cookies",
    "proxy",
    "skipssl",
    "dry_run",
    "alternate_uri",
    "hash_missing",
    "collection",
    "embargo",
    "comment",
    "source_path",
    "author",
    "source_base_path",
    "bibdoc",
    "bd_ssh_host",
    "invcookie",
    "cert",
    "jobs",
    "timeout",
    "retries",
    "max_wait",
    "config",
    "as_json",
    "verbose",
    "very_verbose",
    "quiet",
)
"""All of ``bic`` but what no request, byte or name depends on."""
NOT_WITH_A_LIST = ("recid", "url", "short_u", "source_path", "author", "source_base_path")
WITH_A_JOB = ("token_file", "token", "invcookie", "cookies", "cert", "proxy", "workdir", "config")
"""What is given to each run of a job, and so to its plan."""
OF_THE_PLAN = ("job", "list_", "workers", "sample", "rate", "each")
OF_THE_TERMINAL = ("as_json", "verbose", "very_verbose", "quiet")
MEGABYTE = 1_000_000


class _NobodyReads(Exception):
    """Standard output was closed, so that nothing more needs to be asked for."""


@click.command(short_help="Say what a run would do: files, bytes, requests, hours, room.")
@click.argument("job", metavar="[JOB]", required=False)
@click.option(
    "-l",
    "--list",
    "list_",
    metavar="FILE",
    help="Plan the records of a list, as 'bic batch create' reads it; - is standard input.",
)
@click.option(
    "-w",
    "--workers",
    type=int,
    metavar="N",
    help="Records at once, now and in the run that is planned. [default: 4]",
)
@click.option(
    "--sample",
    type=int,
    metavar="N",
    help="Ask for N records only, evenly spaced over the list, and reckon the whole from them.",
)
@click.option(
    "--rate", type=float, metavar="MB/S", help="Tell how long the bytes take at this rate."
)
@click.option(
    "--each",
    is_flag=True,
    help="Write one JSON object a line for each record, with all names, and the plan at the end.",
)
@some_options(OPTIONS)
@click.pass_context
def plan(ctx: click.Context, /, job: str | None, list_: str | None, **given: Any) -> int:
    """Say what 'bic' with the same options would do, or 'bic batch' with a list or a JOB folder.

    The sources are asked for metadata only, and nothing is written anywhere. Told are the files,
    bytes and requests, the hours at the limits that the servers tell, the room on the disk, names
    that would be changed, files without a checksum, and what cannot be packaged, with the reason.

    Exit code 0 if everything can be packaged. Otherwise for one record the code that the run would
    end with; for many 8.
    """
    as_json = bool(given["as_json"] or given["each"])
    try:
        return _plan(ctx, job, list_, given, as_json)
    except _NobodyReads:
        return 0  # whoever reads has had enough
    except BicError as err:
        if not as_json:
            raise
        from ..main import failure

        output.tell_error(str(err))
        output.emit_json(failure(err))
        return err.exit_code


def _plan(
    ctx: click.Context, job: str | None, list_: str | None, given: dict[str, Any], as_json: bool
) -> int:
    _refuse(ctx, job, list_, given["source"])
    verbosity = 2 if given["very_verbose"] else given["verbose"]
    silent = bool(given["quiet"] or as_json)
    level = logging.ERROR if silent else logging.WARNING
    if verbosity:
        level = logging.DEBUG if verbosity > 1 else logging.INFO
    options = _options(given, invented=job is not None or list_ is not None)
    with display(sys.stderr, silent=silent, verbose=verbosity > 0) as shown:
        with output.logging_to(shown, level):
            made = _made(options, job, list_, given, shown, verbosity > 0)
    if as_json:
        value = made.as_dict()
        output.emit_json({"plan": value} if given["each"] else value)
    else:
        from .planwords import text

        output.emit(text(made))
    if job is None and list_ is None and made.exit_code:
        _tell_why(made)
    return made.exit_code


def _made(
    options: JobOptions,
    job: str | None,
    list_: str | None,
    given: dict[str, Any],
    shown: Display,
    telling: bool,
) -> Plan:
    from .. import planning

    def each(one: RecordPlan) -> None:
        if not output.emit_json({"record": one.as_dict()}):
            raise _NobodyReads

    more: dict[str, Any] = {
        "workers": planning.DEFAULT_WORKERS if given["workers"] is None else given["workers"],
        "sample": given["sample"],
        "rate": None if given["rate"] is None else given["rate"] * MEGABYTE,
        "events": shown,
        "each": each if given["each"] else None,
        "telling": telling,
    }
    if job is not None:
        return planning.plan_job(Path(job), options, **more)
    if list_ is None:
        return planning.plan(options, **more)
    try:
        with click.open_file(list_, encoding="utf-8") as lines:
            return planning.plan(options, lines, **more)
    except UnicodeDecodeError as err:
        raise InputError("The list is no UTF-8 text.", where=list_) from err
    except (FileNotFoundError, PermissionError, IsADirectoryError) as err:
        if err.filename != list_:
            raise
        raise InputError(f"The list cannot be read: {err.strerror}.", where=list_) from err


def _options(given: dict[str, Any], invented: bool) -> JobOptions:
    from .job import job_options

    known = {name: given[name] for name in OPTIONS}
    values = not_given() | known | ({"recid": "1"} if invented else {})
    options = job_options(values, any_source=invented)
    return replace(options, recid=None) if invented else options


def _refuse(ctx: click.Context, job: str | None, list_: str | None, source: str | None) -> None:
    """Refuse options that would be lost."""
    faults = []
    if job is not None and list_ is not None:
        faults.append("JOB does not go with --list.")
    if list_ is not None and (source or "").strip().lower() == "local":
        faults.append("A list of records has no folders of this machine (source local).")
    for param in ctx.command.get_params(ctx):
        name = param.name or ""
        if ctx.get_parameter_source(name) is not ParameterSource.COMMANDLINE:
            continue
        if job is not None and name not in (*WITH_A_JOB, *OF_THE_PLAN, *OF_THE_TERMINAL):
            faults.append(f"{param.opts[-1]} stands in the job folder, and cannot be given anew.")
        elif list_ is not None and name in NOT_WITH_A_LIST:
            faults.append(f"{param.opts[-1]} does not go with --list.")
    if faults:
        raise InputError("\n".join(faults), hint="bic plan --help")


def _tell_why(made: Plan) -> None:
    """Say on standard error what the run would end with."""
    [one] = made.records
    if made.room.fault:
        output.tell_error(made.room.fault)
    elif one.failure is not None and one.failure.exit_code == made.exit_code:
        lines = [one.failure.message]
        lines += [f"  at: {one.failure.where}"] if one.failure.where else []
        lines += [f"  try: {one.failure.hint}"] if one.failure.hint else []
        output.tell_error("\n".join(lines))
    else:
        output.tell_error(
            "There is not enough room on the target's disk.\n"
            f"  at: {made.room.place}: {made.disk.needed} bytes and {made.disk.entries} files are"
            f" needed, {made.room.free} bytes are free\n"
            "  try: make room there, or choose another --target"
        )
