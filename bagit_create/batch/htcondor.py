"""A job given to HTCondor: a submit description for a few hundred long jobs over its shards.

Each of them is one ``bic batch run``, which takes shards until none is free. Facts: the HTCondor
manual, "Submit Description File Commands" (arguments, max_materialize, on_exit_hold,
periodic_release, transfer_output_files, want_graceful_removal, job_max_vacate_time) and "Job
ClassAd Attributes" (HoldReasonCode 3 is a job's own policy). ``JobFlavour``, ``MaxRuntime``,
``WantOS`` and ``SendCredential`` are read at CERN (batchdocs.web.cern.ch) and ignored elsewhere.
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from ..errors import ConfigError, InputError, Interrupted, Unreachable
from ..sip.disk import cannot_write
from .condorsyntax import in_megabytes, is_size, plain, quoted
from .folder import JobFolder
from .run import MOST_WORKERS

FLAVOURS = (
    "espresso",
    "microcentury",
    "longlunch",
    "workday",
    "tomorrow",
    "testmatch",
    "nextweek",
)
"""CERN's names of times a job may run: 20 minutes, 1, 2 and 8 hours, 1, 3 and 7 days."""
FOLDER = "htcondor"
"""In the job folder: the descriptions, and what HTCondor writes."""
LATER = 30 * 60
"""Seconds after which a job that found nobody there is begun again."""
MOST_HOLDS = 48
"""How often that is done: for a day."""
MOST_STARTS = 10
"""Starts of one job after which somebody should see what ends it."""
GRACE_S = 180
"""Seconds that a job has to end after SIGTERM; it waits for files that cannot be interrupted."""
SUBMIT_S = 600
"""Seconds that condor_submit may take."""


@dataclass(frozen=True, kw_only=True)
class Plan:
    """What is asked of HTCondor.

    ``jobs`` are queued in all, and ``at_once`` of them are there at the same time; each makes
    ``workers`` records at once. ``memory`` and ``disk`` are those of one job, as ``2 GB``.
    ``flavour`` is one of :data:`FLAVOURS`; or ``runtime`` the seconds that a job may take.
    ``options`` go to ``bic batch run`` as they are; they never hold a secret.
    """

    executable: Path
    jobs: int
    at_once: int
    workers: int = 4
    cpus: int = 1
    memory: str = "2 GB"
    disk: str = "20 GB"
    flavour: str | None = None
    runtime: int | None = None
    options: tuple[str, ...] = ()

    def check(self) -> None:
        """:raises InputError: naming all that cannot work."""
        faults = []
        for name in ("jobs", "at_once", "cpus"):
            if getattr(self, name) < 1:
                option = "max-materialize" if name == "at_once" else name
                faults.append(f"--{option} is at least 1.")
        if not 1 <= self.workers <= MOST_WORKERS:
            faults.append(f"--workers is at least 1 and at most {MOST_WORKERS}.")
        for name in ("memory", "disk"):
            if not is_size(getattr(self, name)):
                faults.append(f"--{name} is a size, as '4 GB' or 500MB.")
        if self.flavour is not None and self.runtime is not None:
            faults.append("--flavour does not go with --runtime.")
        if self.flavour is not None and self.flavour not in FLAVOURS:
            faults.append(f"--flavour is one of {', '.join(FLAVOURS)}.")
        if self.runtime is not None and self.runtime < 1:
            faults.append("--runtime is at least 1 second.")
        if faults:
            raise InputError("\n".join(faults), hint="bic batch submit --help")


def write(job: JobFolder, plan: Plan, output: Path | None = None) -> Path:
    """Write the submit description.

    :param output: its file, which must not exist; a new one in the job folder if None. The log is
        beside it: HTCondor must be able to write there.
    :returns: its path.
    :raises InputError: if the plan or a name cannot work, or the file is there already.
    :raises SipError: if it cannot be written.
    """
    plan.check()
    path = _new(job) if output is None else output.absolute()
    text = description(job, plan, path)
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with path.open("x", encoding="utf-8") as file:
            file.write(text)
    except FileExistsError as err:
        raise InputError("There is such a file already.", where=str(path)) from err
    except OSError as err:
        error = cannot_write(err, path)
        error.hint = error.hint.replace("--target", "--output")
        raise error from err
    return path


def _new(job: JobFolder) -> Path:
    """A file of its own for each submission, since each has its own log."""
    if job.path.resolve().is_relative_to("/eos"):
        raise InputError(
            "The job folder is on EOS, where CERN's usual HTCondor servers write no log.",
            where=str(job.path),
            hint="name a file on AFS with --output; or, after 'module load lxbatch/eossubmit', one"
            " on EOS",
        )
    number = 1
    while os.path.lexists(path := job.path / FOLDER / f"bic-{number:02d}.sub"):
        number += 1
    return path


def description(job: JobFolder, plan: Plan, path: Path) -> str:
    """The submit description that will stand in ``path``.

    :raises InputError: if a name is one that HTCondor would take for something else.
    """
    words = ["batch", "run", str(job.path), "--no-wait"]
    words += ["--workers", str(plan.workers), "--processes", str(min(plan.cpus, plan.workers))]
    words += ["--share", f"1/{min(plan.at_once, plan.jobs)}"]
    words += ["--workdir", ".", *plan.options]  # the job begins in its scratch folder
    beside = plain(str(path.with_suffix("")))
    lines = [
        f"# {plan.jobs} jobs over the shards of a job of bic; submit again what is left of it.",
        "universe = vanilla",
        f"executable = {plain(str(plan.executable))}",
        "transfer_executable = false",
        f"arguments = {quoted(words)}",
        f"batch_name = bic_{re.sub(r'[^A-Za-z0-9._-]+', '_', job.path.name)[:60]}",
        "",
        "# Packages are put together in the job's scratch folder; bic moves them to the target.",
        "should_transfer_files = YES",
        "when_to_transfer_output = ON_EXIT",
        'transfer_output_files = ""',
        f"initialdir = {plain(str(path.parent))}",
        f"log = {beside}.log",
        f"error = {beside}.$(ClusterId).$(ProcId).err",
        "notification = Never",
        "",
        f"request_cpus = {plan.cpus}",
        f"request_memory = {in_megabytes(plan.memory)}",
        f"request_disk = {in_megabytes(plan.disk)}",
        "",
        "# 0: nothing was left to do. 8: all done, some records have failed, and the job folder",
        "# tells which. 7: nobody there, so later again. 130 or a signal: ended from outside, so",
        "# again. Anything else somebody should see.",
        "on_exit_remove = (ExitBySignal =?= false) && member(ExitCode, {0, 8})",
        "on_exit_hold = ((ExitBySignal =?= false) && !member(ExitCode, {0, 8, 130}))"
        f" || ((ExitCode =!= 0) && (ExitCode =!= 8) && (NumJobStarts >= {MOST_STARTS}))",
        'on_exit_hold_reason = ifThenElse(ExitBySignal =?= false, strcat("bic batch run ended with'
        ' exit code ", ExitCode), strcat("bic batch run was killed by signal ", ExitSignal))',
        "on_exit_hold_subcode = ifThenElse(ExitBySignal =?= false, ExitCode, 0)",
        "periodic_release = (HoldReasonCode == 3) && (HoldReasonSubCode == 7)"
        f" && (NumHolds < {MOST_HOLDS}) && (time() - EnteredCurrentStatus > {LATER})",
        "",
        "# SIGTERM is as Ctrl-C: what is under way is left so that another job goes on with it.",
        "kill_sig = SIGTERM",
        "want_graceful_removal = true",
        f"job_max_vacate_time = {GRACE_S}",
        "",
        *_of_cern(job, plan),
        f"max_materialize = {min(plan.at_once, plan.jobs)}",
        f"queue {plan.jobs}",
    ]
    return "\n".join(lines) + "\n"


def _of_cern(job: JobFolder, plan: Plan) -> list[str]:
    lines = []
    if plan.flavour is not None:
        lines.append(f'MY.JobFlavour = "{plan.flavour}"')
    if plan.runtime is not None:
        lines.append(f"MY.MaxRuntime = {plan.runtime}")
    if name := system():
        lines.append(f'MY.WantOS = "{name}"')
    places = (job.path, job.target, plan.executable, *map(Path, plan.options))
    if any(one.is_relative_to(root) for one in places for root in ("/afs", "/eos")):
        lines.append("MY.SendCredential = true")
    return [*lines, ""] if lines else []


def system(told: Path = Path("/etc/os-release")) -> str:
    """``el9`` on a machine that is like Red Hat's 9, else empty: where the same programs run."""
    with suppress(OSError):
        text = told.read_text(encoding="utf-8", errors="replace")
        if match := re.search(r'(?m)^PLATFORM_ID="?platform:(el\d+)"?$', text):
            return match[1]
    return ""


def this_program() -> Path:
    """The ``bic`` of this installation.

    :raises InputError: if there is none.
    """
    for one in (Path(sys.executable).with_name("bic"), Path(sys.argv[0]).absolute()):
        if one.name == "bic" and os.access(one, os.X_OK):
            return one
    raise InputError(
        "It cannot be told where bic is installed.", hint="name its path with --executable"
    )


def is_here() -> bool:
    """Whether ``condor_submit`` is on this machine."""
    return shutil.which("condor_submit") is not None


def submit(path: Path) -> int:
    """Hand a description to ``condor_submit``.

    :returns: the number of the cluster of jobs.
    :raises ConfigError: if it is refused.
    :raises Unreachable: if there is no answer.
    """
    try:
        answer = subprocess.run(
            ["condor_submit", "-terse", str(path)],
            stdin=subprocess.DEVNULL,
            capture_output=True,
            encoding="utf-8",
            errors="replace",
            timeout=SUBMIT_S,
        )
    except subprocess.TimeoutExpired as err:
        raise Unreachable(
            "condor_submit does not come to an end.",
            where=str(path),
            hint="condor_q tells whether the jobs are queued",
        ) from err
    except OSError as err:
        raise ConfigError(f"condor_submit cannot be started: {err.strerror}.") from err
    except KeyboardInterrupt as err:
        raise Interrupted("Interrupted.", hint="condor_q tells whether jobs are queued") from err
    match = re.search(r"(?m)^(\d+)\.\d+ - \d+\.\d+", answer.stdout)
    if answer.returncode or match is None:
        said = " ".join((answer.stderr or answer.stdout).split())[:1000]
        raise ConfigError(
            f"condor_submit refuses the description: {said or f'exit code {answer.returncode}'}",
            where=str(path),
            hint="the description is there and can be changed; condor_submit takes it",
        )
    return int(match[1])
