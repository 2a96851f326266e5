"""A job given to Celery: one task for each shard, which holds two names and nothing else.

    celery -A bagit_create.batch.celery worker       with CELERY_BROKER_URL in the environment
    bic batch submit JOB --engine celery

or, in an app of one's own, ``include=["bagit_create.batch.celery"]`` and :func:`submit`. The job
folder is the truth, so a message may come twice, late, or after its worker died: a shard is worked
on by one worker at a time, and what is made is not made again. Facts: Celery's user guide ("Tasks":
acks_late, reject_on_worker_lost, retry; "Workers": warm shutdown; "Using Redis":
visibility_timeout).
"""

from __future__ import annotations

import mmap
import os
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from fractions import Fraction
from functools import lru_cache
from pathlib import Path
from typing import Any

from ..errors import BicError, InputError, Interrupted, SipError, Unreachable
from ..model import Silent
from .child import Orders, crew_for
from .crew import Crew
from .folder import JobFolder, Shard, reading
from .items import Item
from .ledger import Lost
from .outcome import Outcome, Totals
from .survey import survey, take_up

try:
    from celery import Celery, shared_task, signals
    from celery.app.utils import find_app
    from celery.exceptions import SoftTimeLimitExceeded
    from kombu.exceptions import OperationalError
except ImportError as error:
    raise ImportError(
        f"{error.name or 'celery'} is not installed: pip install 'bagit-create[celery]'",
        name=error.name,
    ) from error

NAME = "bagit_create.batch.work"
QUEUE = "bic"
"""Of the app that is made here: workers of other apps do not know this task."""
BROKER = "CELERY_BROKER_URL"
WORKDIR, SHARE = "BIC_WORKDIR", "BIC_SHARE"
"""In the environment of a worker: its own scratch folder, and its machine's part of what the
servers allow (``1/4``)."""
TAKEN_S = 60.0
"""Seconds after which a shard that another worker has is looked at again."""
FIRST_BACK_S, LONGEST_BACK_S = 30.0, 1800.0
"""Seconds after which a shard is tried again that no record can be made of."""
MOST_LOOKS = 60
"""How often a job folder is looked for that is not there: a worker without the file system would
else throw away one message after the other. That takes a day."""
PATIENCE_S = 120.0
"""Seconds a task itself waits for a server that is not there: others may use the worker."""
VISIBILITY_S = 3600.0
"""Seconds after which Redis delivers a message again that was not acknowledged, if not set."""
LOOK_S = 0.2

# One byte that the processes of a worker share: whether it is being shut down. Celery tells only
# its main process, which may be the parent of those that do the work.
_ENDING = mmap.mmap(-1, 1)


def _begin(**_: Any) -> None:
    _ENDING[0] = 0


def _end(**_: Any) -> None:
    _ENDING[0] = 1


signals.worker_init.connect(_begin, weak=False)
signals.worker_shutting_down.connect(_end, weak=False)


class _Tally(Silent):
    """Counts what a task has made. Implements ``BatchEvents``."""

    def __init__(self) -> None:
        self.totals = Totals()

    def record_done(self, item: Item, outcome: Outcome) -> None:
        """Count."""
        self.totals.add(outcome)


def _work(self: Any, job: str, shard: str) -> dict[str, Any]:
    """Make the packages of a shard.

    A record that fails is an outcome, as in any run. What stops every record (a full disk, a server
    that is not there) is tried again later, for ever; so is what a shutdown or a time limit cut.

    :param job: the job folder, as this machine sees it.
    :param shard: as ``01-000123``.
    :returns: what this task has made: ``state`` is ``"finished"``, ``"finished before"``, or
        ``"taken"`` if another worker has the shard, whose own message will see to it.
    :raises InputError: if there is no such job (for a day) or shard, or no record can be made as it
        is put.
    """
    which = Shard.named(shard)
    folder = None
    try:
        folder = JobFolder(Path(job))
        finished = which in folder.finished()
        folder.items(which)
    except (InputError, SipError, OSError) as err:  # it is away, or cannot be read for a while
        if folder is not None and isinstance(err, InputError):
            raise
        if self.request.retries >= MOST_LOOKS:
            raise
        raise _later(self, _back_off(self), err) from err
    tally, taken = _Tally(), False
    facts = {"job": str(folder.path), "shard": which.name}
    if finished:
        return {**facts, "state": "finished before", **tally.totals.as_dict()}
    crew = crew_for(folder, _orders(), tally, which)
    try:
        with _watched(crew):
            crew.wait()
        taken = crew.taken
    except Lost:
        taken = True
    except SoftTimeLimitExceeded:
        pass
    except InputError:
        raise
    except (BicError, OSError) as err:  # OSError: the job folder is away for a while
        raise _later(self, _back_off(self), err) from err
    if which in folder.finished():
        return {**facts, "state": "finished", **tally.totals.as_dict()}
    if not taken:  # this worker is being ended
        raise _later(self, 0, Interrupted("The worker is being ended."))
    if _is_last_message(self.request):
        raise _later(
            self, _at_most(self.app, TAKEN_S), Interrupted("Another worker has the shard.")
        )
    return {**facts, "state": "taken", **tally.totals.as_dict()}


def _later(task: Any, seconds: float, err: Exception) -> Exception:
    """Have the task tried again after so many seconds, whoever does it; else what to raise.

    Without a worker (``task_always_eager``) it would be at once, and within this try, for ever.
    """
    if task.request.is_eager:
        return err
    made: Exception = task.retry(exc=err, countdown=seconds)
    return made


def _is_last_message(request: Any) -> bool:
    """Whether nobody else may be left to see to the shard, if the worker that has it dies.

    A message that comes again is taken from the worker that had it, dead or alive.
    """
    return bool((request.delivery_info or {}).get("redelivered") or request.retries)


def _back_off(task: Any) -> float:
    seconds = min(FIRST_BACK_S * 2 ** min(task.request.retries, 10), LONGEST_BACK_S)
    return _at_most(task.app, seconds)


def _at_most(app: Any, seconds: float) -> float:
    """A pause after which the broker has not yet delivered the message of the next try again."""
    options = app.conf.broker_transport_options or {}
    return min(seconds, float(options.get("visibility_timeout", VISIBILITY_S)) / 4)


def _orders() -> Orders:
    """What this worker's environment says; credentials are looked for there, too.

    :raises InputError: if that cannot be.
    """
    part, scratch = os.environ.get(SHARE), os.environ.get(WORKDIR)
    try:
        share = float(Fraction(part)) if part else None
    except (ValueError, ArithmeticError):
        share = -1.0
    if share is not None and not 0 < share <= 1:
        raise InputError(f"{SHARE} is a part of 1, as 1/4 or 0.25.")
    return Orders(part=share, patience=PATIENCE_S, workdir=Path(scratch) if scratch else None)


@contextmanager
def _watched(crew: Crew) -> Iterator[None]:
    """Stop the crew, soon, when the worker is being shut down."""
    done = threading.Event()

    def watch() -> None:
        while not done.wait(LOOK_S):
            if _ENDING[0]:
                crew.stop()
                return

    thread = threading.Thread(target=watch, name="bic-watch", daemon=True)
    thread.start()
    try:
        yield
    finally:
        done.set()
        thread.join()


work = shared_task(
    name=NAME,
    bind=True,
    acks_late=True,
    reject_on_worker_lost=True,
    acks_on_failure_or_timeout=False,  # a task that a time limit killed comes again
    max_retries=None,
)(_work)
"""The task: ``work.delay("/path/of/job", "01-000123")``; see :func:`_work`."""


def submit(job: Path, app: Any = None) -> int:
    """Send a task for each shard that is not finished.

    :param job: the job folder, under a path that every worker sees it under.
    :param app: a Celery app; the one made here if None.
    :returns: the number of tasks.
    :raises InputError: if it is no job folder, a part of it is gone, or no broker is named.
    :raises Unreachable: if the broker cannot be reached. Sending again is harmless.
    """
    folder = JobFolder(job)
    folder.check()
    used = app_named(None) if app is None else app
    take_up(folder, survey(folder))
    with reading(folder.path):
        finished, sent = folder.finished(), 0
    task = used.tasks[NAME]
    try:
        with used.producer_or_acquire() as producer:
            for shard in folder.shards():
                if shard not in finished:
                    task.apply_async((str(folder.path), shard.name), producer=producer)
                    sent += 1
    except (OperationalError, OSError) as err:
        raise Unreachable(
            "Celery's broker cannot be reached.",
            where=used.connection_for_write().as_uri(),  # which hides the password
            hint="is it running? Then submit again: a shard is worked on once all the same",
        ) from err
    return sent


def app_named(name: str | None) -> Any:
    """An app by the name that ``celery -A`` takes; the one made here if None.

    :raises InputError: if there is none, or no broker is named.
    """
    if name is None:
        if not os.environ.get(BROKER):
            raise InputError(
                "It is not said where Celery's broker is.",
                hint=f"set {BROKER}, as redis://localhost:6379/0, or name your app with --app",
            )
        return _app()
    try:
        found = find_app(name)
    except (ImportError, AttributeError, ValueError) as err:
        raise InputError(f"There is no such app: {err}", where=name) from err
    if not isinstance(found, Celery):
        raise InputError("This is no Celery app.", where=name)
    return found


@lru_cache(1)
def _app() -> Any:
    """An app of which the environment says where the broker is."""
    made = Celery("bagit_create", set_as_current=False)
    made.conf.update(
        accept_content=["json"],
        broker_connection_retry_on_startup=True,
        task_default_queue=QUEUE,
        worker_prefetch_multiplier=1,  # a shard takes long; others may have the next one
    )
    return made


def __getattr__(name: str) -> Any:
    """``app``, once somebody wants it: an app that is made may get in the way of another one."""
    if name == "app":
        return _app()
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
