"""Planning one record, a list of them, or what is left of a job."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from pathlib import Path

from ..batch import JobFolder, last_outcomes
from ..batch.create import with_record
from ..batch.items import Lines
from ..batch.jobfile import OF_A_RUN
from ..batch.outcome import FAILED
from ..errors import InputError
from ..model import Events
from ..options import JobOptions
from .listed import Listed
from .model import Plan
from .survey import Each, Survey

DEFAULT_WORKERS = 4
SMALLEST_SAMPLE = 5
"""Records from which on a range can be told that is of any use."""


def plan(
    options: JobOptions,
    lines: Iterable[str] | None = None,
    *,
    workers: int = DEFAULT_WORKERS,
    sample: int | None = None,
    rate: float | None = None,
    events: Events | None = None,
    each: Each | None = None,
    telling: bool = False,
) -> Plan:
    """Say what a run would do, without a file being fetched or anything being written.

    :param options: of the run; with ``lines``, of every record.
    :param lines: ids, addresses, DOIs or JSON objects, as ``batch.create`` reads them; None plans
        the one record that ``options`` name.
    :param workers: records that are asked for at once, now and by the run that is planned.
    :param sample: ask for so many records only, evenly spaced over the list.
    :param rate: bytes a second, to tell how long the bytes take.
    :param events: told of records that are done, and of pauses.
    :param each: called with the plan of each record when it is made, one at a time, with all names.
    :param telling: pass on what is logged about single records.
    :raises InputError: if it cannot be asked for as it was put.
    :raises BicError: of a list, if all of it must fail: a credential that cannot be read
        (ConfigError), or servers that are gone (Unreachable).
    :raises Interrupted: on Ctrl-C.
    """
    _check(workers, sample, rate, lines is None)
    if lines is None:
        options.check()
        return Survey(options, workers, rate, events, each, telling).single()
    listed = Listed()
    with_record(replace(options, recid=None, url=None)).check()
    if options.is_local:
        raise InputError("A list of records has no folders of this machine (source local).")
    reader = Lines(options)
    for source, recid in reader.read(lines):
        listed.add(source, recid)
    survey = Survey(options, workers, rate, events, each, telling)
    return survey.many(listed, sample, reader.deleted)


def plan_job(
    path: Path,
    options: JobOptions | None = None,
    *,
    workers: int = DEFAULT_WORKERS,
    sample: int | None = None,
    rate: float | None = None,
    events: Events | None = None,
    each: Each | None = None,
    telling: bool = False,
) -> Plan:
    """Say what is still to be done for a job folder: its records that have no package yet.

    :param path: the folder that ``batch.create`` made.
    :param options: what is given to each run anew (credentials, proxy); the others are the job's.
    :raises InputError: if it is no job folder, or nothing of it is left.

    The other parameters and errors are those of :func:`plan`.
    """
    _check(workers, sample, rate, False)
    job = JobFolder(path)
    given = {name: getattr(options, name) for name in OF_A_RUN} if options else {}
    listed = Listed()
    for item, outcome, _ in last_outcomes(job):
        if outcome is None or outcome.state == FAILED:
            listed.add(item.source, item.recid)
    if not listed:
        raise InputError("Every record of this job has its package.", where=str(job.path))
    of_the_job = replace(job.file.options, target=job.target, **given)
    return Survey(of_the_job, workers, rate, events, each, telling).many(listed, sample, 0)


def _check(workers: int, sample: int | None, rate: float | None, single: bool) -> None:
    faults = []
    if workers < 1:
        faults.append("--workers is at least 1.")
    if sample is not None and single:
        faults.append("--sample needs a list.")
    elif sample is not None and sample < SMALLEST_SAMPLE:
        faults.append(f"--sample is at least {SMALLEST_SAMPLE}: of fewer nothing can be told.")
    if rate is not None and not 0 < rate < float("inf"):
        faults.append("--rate is above 0.")
    elif rate is not None and rate < 1:
        faults.append("--rate is at least a byte a second: 0.000001.")
    if faults:
        raise InputError("\n".join(faults), hint="bic plan --help")
