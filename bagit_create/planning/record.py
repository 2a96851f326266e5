"""One record is harvested for a plan, by any number of threads, and what came of it is kept."""

from __future__ import annotations

from dataclasses import dataclass, field
from threading import Lock

from .. import access, log, pipelines
from ..client import Client
from ..config import Instance
from ..errors import BicError, InputError, Interrupted
from ..harvested import judge, tell_of_lengths
from ..limits import requests_allowed
from ..log import now
from ..main import failure
from ..model import Events, Silent
from ..options import JobOptions
from ..session import NotSignedOn
from .course import Course, named
from .model import Failure, RecordPlan, Requests
from .pace import Meter, Pace, server_of


class _Waiting(Silent):
    """Of what happens to one record, a plan shows the pauses."""

    def __init__(self, events: Events) -> None:
        self.waiting = events.waiting  # type: ignore[method-assign]


@dataclass(frozen=True, slots=True)
class Looked:
    """A record's plan, and how its source was asked: None if it came to nothing before."""

    plan: RecordPlan
    instance: Instance | None = None
    has_credential: bool = False


@dataclass(slots=True)
class Planner:
    """Plans records, in any number of threads.

    :param most: names of a kind that are kept of a record; None for all.
    :param block: bytes of a block of the target's file system.
    :param telling: pass on what is logged.
    """

    pace: Pace
    events: Events
    block: int
    most: int | None
    telling: bool = False
    _kept: access.Kept = field(default_factory=access.Kept)
    _clients: set[Client] = field(default_factory=set)
    _lock: Lock = field(default_factory=Lock)
    _stopped: bool = False

    def stop(self) -> None:
        """End what is under way, from another thread."""
        with self._lock:
            self._stopped = True
            clients = list(self._clients)
        for one in clients:
            one.stop()

    def look(self, options: JobOptions) -> Looked:
        """Plan one record.

        :returns: also what cannot be packaged, with the reason.
        :raises InputError: if it cannot be asked for as it was put.
        :raises AccessDenied, Unreachable: if signing on with a certificate fails.
        :raises Interrupted: if :meth:`stop` was called.
        """
        with log.job(told=self.telling) as own:
            try:
                access.hide_secrets(options, own)
                options.check()
                instance, recid = access.whereabouts(options)
                options.check(instance.pipeline)
                waiting = _Waiting(self.events)
                client = access.open_client(instance, recid, options, own, waiting, self._kept)
                return self._ask(options, instance, recid, client, own)
            except NotSignedOn as err:
                err.error.redact(own.redact)
                raise err.error from err.error.__cause__
            except BicError as err:
                err.redact(own.redact)
                raise

    def _ask(
        self,
        options: JobOptions,
        instance: Instance,
        recid: str | None,
        client: Client | None,
        own: log.JobLog,
    ) -> Looked:
        meter = Meter(self.pace, server_of(instance.base_url))
        self.pace.know(
            server_of(instance.base_url), [requests_allowed(one) for one in instance.limits]
        )
        has_credential = client is not None and client.wire.has_credential
        if client is not None:
            client.wire.on_answer = meter.note
            with self._lock:
                self._clients.add(client)
                if self._stopped:
                    client.stop()
        try:
            pipeline = pipelines.load(instance, client, options)
            record = pipeline.harvest(pipeline.begin(recid))
            judge(record)
            tell_of_lengths(record)
            if options.embargo is not None and options.embargo < now():
                log.warning("the embargo of --embargo is over already")
            return Looked(
                Course(options, record, client, meter, own, self.most, self.block).plan(),
                instance,
                has_credential,
            )
        except BicError as err:
            if isinstance(err, (InputError, Interrupted, NotSignedOn)):
                raise
            err.redact(own.redact)
            asked = recid or ""
            taken = Requests(sum(meter.servers.values()), 0, dict(meter.servers), meter.heads)
            told = named(({"text": one} for one in own.warnings), self.most)
            failed = RecordPlan(
                instance.name, asked, asked, requests=taken, warnings=told, failure=_failure(err)
            )
            return Looked(failed, instance, has_credential)
        finally:
            if client is not None:
                client.close()
                with self._lock:
                    self._clients.discard(client)


def _failure(err: BicError) -> Failure:
    facts = failure(err)
    return Failure(
        error=facts["error"],
        exit_code=err.exit_code,
        message=err.headline(),
        where=err.where,
        hint=err.hint,
        http_status=err.http_status,
    )
