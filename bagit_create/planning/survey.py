"""Going through the records, many at a time, and what is told in the end."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Mapping
from dataclasses import replace
from itertools import islice
from pathlib import Path

from ..errors import (
    ConfigError,
    InputError,
    Interrupted,
    SipError,
    TransferError,
    Unreachable,
)
from ..model import Events, Silent
from ..options import JobOptions
from ..sip.disk import OWN_FILES, check_target
from ..transfer.pool import run
from .listed import Listed
from .model import NAMED_AT_MOST, Failure, Plan, Range, RecordPlan, Room, Weight
from .pace import Pace, slowest
from .record import Looked, Planner
from .totals import Totals

AT_ONCE = 256
"""Records that are given to the workers together."""
GIVEN_UP_AFTER = 20
"""Records one after the other that cannot be reached: then the rest cannot either."""

Each = Callable[[RecordPlan], None]


class Survey:
    """One plan in the making."""

    def __init__(
        self,
        options: JobOptions,
        workers: int,
        rate: float | None,
        events: Events | None,
        each: Each | None,
        telling: bool,
    ) -> None:
        self._options = options
        self._workers = workers
        self._rate = rate
        self._events = events or Silent()
        self._each = each
        self._pace = Pace()
        self._totals = Totals()
        self._lost = 0
        self._place, self._fault = _place_of(options.target)
        block = os.statvfs(self._place).f_frsize
        most = NAMED_AT_MOST if each is None else None
        self._planner = Planner(self._pace, self._events, block, most, telling)

    def single(self) -> Plan:
        """Plan the record that the options name."""
        self._events.phase("plan")
        self._events.started(1, None)
        self._run([self._options], 1, self._planner.look)
        return self._told(1, 0, 0, 1, single=True)

    def many(self, listed: Listed, sample: int | None, deleted: int) -> Plan:
        """Plan the records of a list, or some of them."""
        if not listed:
            raise InputError("The list names no record.", hint="one id or address a line")
        is_sample = sample is not None and sample < len(listed)
        wanted = listed.sample(sample or 0) if is_sample else iter(listed)
        self._events.phase("plan")
        self._events.started(sample or 0 if is_sample else len(listed), None)
        options = (
            replace(self._options, source=source, recid=recid, url=None) for source, recid in wanted
        )
        self._run(options, self._workers, self._look)
        return self._told(len(listed), listed.repeated, deleted, self._workers, single=False)

    def _run(
        self, items: Iterable[JobOptions], workers: int, look: Callable[[JobOptions], Looked]
    ) -> None:
        def work(options: JobOptions) -> None:
            looked = look(options)
            self._totals.add(looked, self._each)
            self._events.file_done(looked.plan.recid)

        source = iter(items)
        try:
            while some := list(islice(source, AT_ONCE)):
                run(work, some, workers, self._planner.stop)
        except KeyboardInterrupt as err:
            raise Interrupted("Interrupted.") from err

    def _look(self, options: JobOptions) -> Looked:
        """One record of many: what is wrong with it is no reason to leave the others."""
        try:
            looked = self._planner.look(options)
        except (ConfigError, Interrupted):
            raise
        except InputError as err:
            told = Failure("InputError", err.exit_code, err.message, err.where, err.hint)
            asked = options.recid or ""
            return Looked(RecordPlan(options.source or "", asked, asked, failure=told))
        failure = looked.plan.failure
        self._lost = self._lost + 1 if failure and failure.error == "Unreachable" else 0
        if failure and self._lost >= GIVEN_UP_AFTER:
            raise Unreachable(
                f"{self._lost} records one after the other could not be had, so the others were"
                f" not asked for: {failure.message}",
                where=failure.where,
                hint="try again later",
            )
        return looked

    # -- what is told -------------------------------------------------------------------------

    def _told(self, listed: int, repeated: int, deleted: int, workers: int, single: bool) -> Plan:
        totals = self._totals
        planned = totals.planned
        estimate = totals.estimate(listed) if planned < listed else None
        factor = listed / planned
        requests = totals.all_requests()
        limits = self._pace.limits()
        by_limits = slowest(limits, {k: v * factor for k, v in requests.servers.items()})
        answer = self._pace.answer
        by_answers = 0.0
        if answer is not None:
            beside = requests.files + requests.heads
            in_turn = requests.metadata - requests.heads + beside / self._options.jobs
            by_answers = in_turn * factor * answer / workers
        weight = totals.weight(workers)
        size = totals.sum("bytes") if not self._options.light else totals.sum("read")
        room = self._room(weight, estimate)
        return Plan(
            listed=listed,
            planned=planned,
            repeated=repeated,
            deleted=deleted,
            workers=workers,
            makeable=totals.makeable,
            failures=totals.failures(),
            files=totals.sum("files"),
            bytes=totals.sum("bytes"),
            unknown_sizes=totals.sum("unknown_sizes"),
            made=totals.sum("made"),
            read=totals.sum("read"),
            requests=requests,
            sent=self._pace.sent,
            limits=limits,
            answer=answer,
            seconds=max(by_limits, by_answers) if limits or answer is not None else None,
            decided_by="limits" if limits and by_limits >= by_answers else "answers",
            rate=self._rate,
            transfer=size * factor / self._rate if self._rate else None,
            disk=weight,
            room=room,
            credentials=totals.credentials(),
            without_checksum=totals.named("without_checksum"),
            renamed=totals.named("renamed"),
            skipped=totals.named("skipped"),
            missing=totals.named("missing"),
            moved=totals.named("moved"),
            warnings=totals.named("warnings"),
            estimate=estimate,
            records=tuple(totals.records),
            exit_code=self._exit_code(room, single),
            earlier=self._options.if_changed or self._options.previous is not None,
        )

    def _room(self, weight: Weight, estimate: Mapping[str, Range] | None) -> Room:
        """The target's file system, and whether all packages find room there."""
        found = os.statvfs(self._place)
        free = found.f_bavail * found.f_frsize
        entries = found.f_favail if found.f_files else None
        beside = weight.needed - weight.package
        least = most = weight.needed
        many = weight.entries + OWN_FILES
        if estimate is not None:
            least, most = (one + beside for one in (estimate["disk"].low, estimate["disk"].high))
            if weight.package:
                many = round(many * estimate["disk"].value / weight.package)
        enough: bool | None = None
        if self._fault or least > free or (entries is not None and many > entries):
            enough = False
        elif most <= free and not self._totals.sum("unknown_sizes"):
            enough = True
        return Room(str(self._place), free, entries, enough, self._fault)

    def _exit_code(self, room: Room, single: bool) -> int:
        """What the run would end with: for many records, whether all get their package."""
        if not single:
            return 8 if self._totals.makeable < self._totals.planned or room.enough is False else 0
        failure = self._totals.records[0].failure
        if room.fault:
            return SipError.exit_code  # which is looked at before anything is asked
        if failure is not None and failure.exit_code != TransferError.exit_code:
            return failure.exit_code
        if room.enough is False:
            return SipError.exit_code
        return failure.exit_code if failure is not None else 0


def _place_of(target: Path) -> tuple[Path, str]:
    """The nearest folder that exists, and why nothing could be written there, if so."""
    fault = ""
    try:
        check_target(target)
    except SipError as err:
        fault = " ".join(str(err).split())
    place = target.absolute()
    while not os.path.exists(place):
        place = place.parent
    return place, fault
