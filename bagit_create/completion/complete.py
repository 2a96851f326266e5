"""Fill a light bag: fetch what fetch.txt promises, verify it, and make the bag a full one."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import closing
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from .. import log, sip, transfer, validation
from ..checksums import CRYPTOGRAPHIC
from ..client import Client
from ..errors import BicError, Interrupted, InvalidSip
from ..log import now
from ..model import Events, Fetched, Missing, Silent
from ..report import Report
from ..sip.disk import check_space
from ..sip.staging import Staging
from ..transfer.partial import listing
from ..validation.bag import Examination
from . import sipjson, workshop
from .change import Change
from .newbag import NewBag
from .options import CompletionOptions
from .plan import Plan, Planner
from .policy import Policy
from .servers import connect, instance_of
from .sipjson import SIP_JSON
from .tagfiles import TagFiles


@dataclass(frozen=True)
class Completion:
    """What became of a bag. ``report`` is of the bag as it is now; ``failed`` are files that could
    not be had; ``left`` is how many fetch.txt still promises."""

    path: Path
    report: Report
    fetched: int = 0
    bytes: int = 0
    failed: tuple[Missing, ...] = ()
    left: int = 0

    @property
    def exit_code(self) -> int:
        """0, or that of the worst thing that happened to a file."""
        codes = [one.exit_code for one in self.failed]
        if self.report.verdict == "invalid":
            codes.append(InvalidSip.exit_code)
        return max(codes, default=0)


def complete(
    path: Path, options: CompletionOptions | None = None, events: Events | None = None
) -> Completion:
    """Fetch what a bag promises, and put the fuller bag in its place by one step.

    Until then the old bag stands as it is. What was fetched before an interruption is kept beside
    the bag, in ``.bic-staging``, and the next call goes on with it.

    :raises InputError: if an address may not be asked; nothing is asked then.
    :raises InvalidSip: if the bag has faults, or would have.
    :raises SipError: if the bag cannot be written.
    """
    options = options or CompletionOptions()
    options.check()
    with log.job(None) as own:
        try:
            return _Run(path, options, events or Silent(), own).run()
        except KeyboardInterrupt as err:
            raise Interrupted("Interrupted.", hint="the same command goes on") from err
        except BicError as err:
            err.redact(own.redact)
            raise


class _Run(Change):
    """One completion. ``_failed`` are the files that could not be had."""

    _failed: tuple[Missing, ...] = ()

    def run(self) -> Completion:
        """See :func:`complete`."""
        report, old = self._examine()
        planner = Planner(self._path, report, old, self._options)
        chosen, wrong = planner.look()
        if not chosen and not report.counts["error"]:
            workshop.tidy(self._path)
            return Completion(self._path, report)
        self._refuse(old, planner.faults, planner.hint())
        instance = instance_of(self._path, self._options.config) if old.sip is not None else None
        policy = Policy(self._options, instance)
        plan = planner.plan(chosen, wrong, policy)
        urls, judge = plan.addresses(), policy.judge_machine
        needed = sum(one.entry.size or 0 for one in plan.placed)
        client = connect(instance, urls, self._options, self._events, self._log, judge)
        with closing(client):
            done = self._staged(needed, lambda staging: self._make(old, plan, client, staging))
        return done or Completion(self._path, report, 0, 0, self._failed, len(old.missing()))

    def _make(
        self, old: Examination, plan: Plan, client: Client, staging: Staging
    ) -> Completion | None:
        """Fetch, verify, build, replace; None if there is nothing to build a new bag of."""
        workshop.sweep(staging, {one.bagpath for one in plan.placed})
        needed = sum(one.entry.size or 0 for one in plan.placed)
        if not workshop.can_link(staging, self._path):
            needed += old.there.payload.total()  # it has to be copied
        check_space(self._path.parent, needed, len(plan.placed), staging.here())
        new = NewBag(old, self._path, staging.bag)
        self._events.phase("fetch")
        fetched, failed = transfer.fetch(
            plan.placed,
            staging.bag,
            client=client,
            algorithms=new.algorithms,
            jobs=self._options.jobs,
            events=self._events,
            parts=staging.parts,
            finished=_same_bytes(plan, staging.finished()),
            finish=staging.finish,
            forgive=True,
            max_size=self._options.max_size,
        )
        self._failed = (*plan.too_large, *failed)
        if not fetched or plan.wrong - {one.placed.bagpath for one in fetched}:
            return None  # what is here and wrong would be there again
        self._events.phase("verify")
        validation.read_back(staging.bag, fetched, self._options.jobs, self._events.advanced)
        self._events.phase("write")
        workshop.set_aside(staging, {one.placed.bagpath for one in fetched})
        report = self._build(old, new, fetched, plan.wrong)
        self._replace(new, staging)
        return Completion(
            self._path,
            replace(report, path=self._path),
            len(fetched),
            sum(one.size for one in fetched),
            self._failed,
            report.to_fetch_files,
        )

    def _build(
        self,
        old: Examination,
        new: NewBag,
        fetched: tuple[Fetched, ...],
        wrong: frozenset[str],
    ) -> Report:
        """Make the new bag around the fetched files, and validate it."""
        by_path = {one.placed.bagpath: one for one in fetched}
        fresh = {
            path: (one.size, {sum_.algorithm: sum_.value for sum_ in one.checksums})
            for path, one in by_path.items()
        }
        new.link(set(fresh) | {SIP_JSON} if old.sip is not None else set(fresh))
        if old.sip is not None:
            fresh[SIP_JSON] = self._write_sip(old, new, by_path)
        urls, sizes = old.tags.fetch.urls or {}, old.tags.fetch.sizes
        gone = {
            path: (urls[path], sizes.get(path)) for path in old.missing() if path not in by_path
        }
        TagFiles(new, fresh, gone).write()
        verified = {one.placed.bagpath: one.size for one in fetched}
        if not wrong:  # else some of what was here has been found to be wrong: all is read again
            here = old.there.payload
            verified.update((p, here[p]) for p in here if p not in fresh and p not in new.copied)
        report = validation.validate(new.root, verified=verified.items(), jobs=self._options.jobs)
        faults = [str(one) for one in report.findings if one.level == "error"]
        if faults or report.verdict != ("incomplete" if gone else "valid"):
            raise InvalidSip(
                "The package would not be valid, so it was left as it is.", findings=faults
            )
        return report

    def _write_sip(
        self, old: Examination, new: NewBag, fetched: Mapping[str, Fetched]
    ) -> tuple[int, dict[str, str]]:
        """sip.json with the files' new facts; returns its size and digests."""
        size = sum(one.size for one in fetched.values())
        text = f"{len(fetched)} files fetched"
        step = sip.step("populate", now(), text, files=len(fetched), bytes=size)
        promised, payload = old.tags.fetch.lines, old.there.payload

        def change(entry: sipjson.Entry) -> sipjson.Entry:
            path = str(entry.get("bagpath"))
            if path in fetched:
                return _updated(entry, fetched[path])
            if entry.get("downloaded") is False and path in promised and path in payload:
                return {**entry, "downloaded": True, "size": payload[path]}  # put there by hand
            return entry

        return sipjson.rewrite(self._path, new, change, step)


def _same_bytes(plan: Plan, finished: dict[str, dict[str, Any]]) -> dict[str, dict[str, Any]]:
    """What an earlier run finished, as if of the same addresses: a digest tells what a file is,
    wherever it was looked for then."""
    for one in plan.placed:
        left = finished.get(one.bagpath)
        sums = [s for s in one.entry.checksums if s.algorithm in CRYPTOGRAPHIC]
        if left is not None and sums:
            here = left.get("checksums")
            if isinstance(here, dict) and all(here.get(s.algorithm) == s.value for s in sums):
                left["listing"] = listing(one.entry)
    return finished


def _updated(entry: sipjson.Entry, one: Fetched) -> sipjson.Entry:
    """An entry of a file that is here now. What upstream published of it stands in ``origin``."""
    origin = entry.get("origin")
    origin = dict(origin) if isinstance(origin, dict) else {"told": origin}
    published = sipjson.texts(entry.get("checksum"))
    if published and "checksum" not in origin:
        origin["checksum"] = [*published]
    if one.url and not one.url.startswith("file:"):
        origin["served_by"] = one.url
    if one.http_status:
        origin["http_status"] = one.http_status
    origin["fetched"] = one.timestamp
    return {
        **entry,
        "origin": origin,
        "downloaded": True,
        "size": one.size,
        "checksum": [str(sum_) for sum_ in one.checksums],
    }
