"""``bic batch submit``: a job handed to an engine that others run."""

from __future__ import annotations

import shlex
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click
from click.core import ParameterSource

from ..credentials import read_cookies, read_file
from ..errors import ConfigError, InputError
from . import output, words
from .options import some_options

if TYPE_CHECKING:
    from ..batch import JobFolder

JOBS = 200
"""Jobs of HTCondor that are queued, unless there are fewer shards."""
AT_ONCE = 20
OF_CELERY = ("app",)
OF_BOTH = ("engine", "job", "as_json")


@click.command(short_help="Hand a job to HTCondor or Celery.")
@click.argument("job", metavar="JOB")
@click.option(
    "--engine", type=click.Choice(("htcondor", "celery")), required=True, help="Who does the work."
)
@click.option("--jobs", type=int, metavar="N", help=f"HTCondor's jobs. [{JOBS}, or the shards]")
@click.option(
    "--max-materialize",
    type=int,
    metavar="M",
    help=f"Of these, how many at once; each gets 1/M of what the servers allow. [{AT_ONCE}]",
)
@click.option("-w", "--workers", type=int, default=4, metavar="K", help="Records at once in a job.")
@click.option("--cpus", type=int, default=1, metavar="N", help="Cores of a job. [1]")
@click.option("--memory", default="2 GB", metavar="SIZE", help="Memory of a job. [2 GB]")
@click.option("--disk", default="20 GB", metavar="SIZE", help="Scratch of a job. [20 GB]")
@click.option("--flavour", metavar="NAME", help="CERN's JobFlavour, as tomorrow (one day).")
@click.option("--runtime", type=int, metavar="S", help="Or the seconds a job may take.")
@click.option("--executable", metavar="FILE", help="bic, where the jobs run. [this one]")
@click.option("--output", "file", metavar="FILE", help="The description. [in JOB/htcondor]")
@click.option("--write-only", is_flag=True, help="Write the description, submit nothing.")
@click.option("--app", metavar="MODULE:APP", help="Your Celery app. [that of bagit_create]")
@some_options(("token_file", "cookies", "config"))
@click.option("--json", "as_json", is_flag=True, help="Write one JSON object.")
@click.pass_context
def submit(ctx: click.Context, /, job: str, engine: str, as_json: bool, **given: Any) -> None:
    """Hand JOB to an engine whose machines see its folder.

    HTCondor: writes a submit description, and submits it where condor_submit is. Secrets are not in
    it: a token comes from the configuration of whoever submits, or from --token-file, which only
    that user may read. Celery: sends one task for each shard that is not finished; secrets come
    from the environment of the workers.
    """
    from ..batch import JobFolder, survey

    _refuse_others(ctx, engine)
    folder = JobFolder(Path(job))
    folder.check()
    found = survey(folder)
    left = found.shards - found.finished
    if not left:
        if as_json:
            output.emit_json({"job": str(folder.path), "engine": engine, "jobs": 0})
        output.tell("every shard of the job is finished: there is nothing to submit")
        return
    if engine == "celery":
        _to_celery(folder, given["app"], as_json)
    else:
        _to_htcondor(folder, left, given, as_json)


def _refuse_others(ctx: click.Context, engine: str) -> None:
    """Refuse options that would be ignored."""
    faults = []
    for one in ctx.command.params:
        name = one.name or ""
        if name in OF_BOTH or ctx.get_parameter_source(name) is ParameterSource.DEFAULT:
            continue
        if (name in OF_CELERY) != (engine == "celery"):
            faults.append(f"{one.opts[0]} does not go with --engine {engine}.")
    if faults:
        raise InputError("\n".join(faults), hint="bic batch submit --help")


def _to_htcondor(folder: JobFolder, left: int, given: dict[str, Any], as_json: bool) -> None:
    from ..batch import htcondor

    jobs = min(JOBS, left) if given["jobs"] is None else given["jobs"]
    most = AT_ONCE if given["max_materialize"] is None else given["max_materialize"]
    named = given["executable"]
    program = Path(named).absolute() if named else htcondor.this_program()
    plan = htcondor.Plan(
        executable=program,
        jobs=jobs,
        at_once=min(most, jobs),
        workers=given["workers"],
        cpus=given["cpus"],
        memory=given["memory"],
        disk=given["disk"],
        flavour=given["flavour"],
        runtime=given["runtime"],
        options=_passed_on(given),
    )
    path = htcondor.write(folder, plan, Path(given["file"]) if given["file"] else None)
    cluster = None
    if not given["write_only"] and htcondor.is_here():
        cluster = htcondor.submit(path)
    if as_json:
        facts = {"job": str(folder.path), "engine": "htcondor", "jobs": jobs}
        facts |= {"at_once": plan.at_once, "description": str(path), "cluster": cluster}
        output.emit_json(facts)
        return
    output.emit(bytes(path))
    told = f"{words.count(jobs, 'job')}, {plan.at_once} at once"
    if cluster is None:
        output.tell(f"{told}. Next: condor_submit {shlex.quote(str(path))}")
    else:
        output.tell(f"{told}, submitted as cluster {cluster}. Next: condor_q {cluster}")


def _passed_on(given: dict[str, Any]) -> tuple[str, ...]:
    """Options that the jobs are given too: paths, each of a file that is as it should be."""
    if given["token_file"]:
        if given["token_file"] == "-":
            raise InputError("--token-file is a file here: the jobs read it.")
        read_file(given["token_file"])
    if given["cookies"]:
        read_cookies(Path(given["cookies"]))
    passed = []
    for name in ("token_file", "cookies", "config"):
        if given[name]:
            path = Path(given[name]).expanduser().absolute()
            passed += [f"--{name.replace('_', '-')}", str(path)]
    return tuple(passed)


def _to_celery(folder: JobFolder, app: str | None, as_json: bool) -> None:
    try:
        from ..batch import celery
    except ImportError as err:
        raise ConfigError(
            "Celery is not installed here.", hint="pip install 'bagit-create[celery]'"
        ) from err
    sent = celery.submit(folder.path, celery.app_named(app))
    if as_json:
        output.emit_json({"job": str(folder.path), "engine": "celery", "jobs": sent})
    else:
        output.emit(bytes(folder.path))
        told = f"{words.count(sent, 'task')} sent"
        output.tell(f"{told}. Next: bic batch status {shlex.quote(str(folder.path))}")
