"""Fill a light bag: fetch what fetch.txt promises, verify it, and make the bag a full one."""

from __future__ import annotations

import fnmatch
import os
from collections.abc import Iterable, Mapping
from contextlib import closing
from dataclasses import dataclass, replace
from pathlib import Path

from .. import log, sip, transfer, validation
from ..checksums import known
from ..client import Client
from ..config import Instance
from ..errors import BicError, InputError, Interrupted, InvalidSip
from ..log import now
from ..model import Events, Fetched, FileEntry, Missing, Placed, Silent
from ..report import Report
from ..sip.disk import check_space
from ..sip.staging import Staging
from ..validation.bag import Examination
from . import sipjson
from .change import Change
from .newbag import NewBag
from .options import CompletionOptions
from .policy import Policy, Refused, refuse
from .sipjson import SIP_JSON

WRONG_HERE = ("M03", "C25", "C27", "C53", "F13", "C24")
"""Findings about a file that is here and not what it should be."""


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
        return max((one.exit_code for one in self.failed), default=0)


def complete(
    path: Path, options: CompletionOptions | None = None, events: Events | None = None
) -> Completion:
    """Fetch what a bag promises, and put the fuller bag in its place by one step.

    Until then the old bag stands as it is. What was fetched before an interruption is kept beside
    the bag, in ``.bic-staging``, and the next call goes on with it.

    :raises InputError: if an address may not be asked; nothing is asked then.
    :raises InvalidSip: if the bag has faults, or would have.
    :raises SipError: if the bag cannot be written.
    :raises Unreachable: if a server does not answer; a later call goes on.
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
    """One completion."""

    def run(self) -> Completion:
        """See :func:`complete`."""
        report, old = self._examine()
        wrong = self._judge(report, old)
        chosen = self._chosen(old, wrong)
        if not chosen:
            Staging(self._path.parent, None, "complete", self._path.name, "").discard(made=True)
            return Completion(self._path, report, left=len(old.missing()))
        instance = self._instance(old)
        placed = self._placed(old, chosen, instance)
        needed = sum(one.entry.size or 0 for one in placed)
        check_space(self._path.parent, needed, len(placed))
        first = next((url for one in placed for url in one.entry.urls), "")
        with closing(self._client(instance, first, self._policy.judge_machine)) as client:
            return self._staged(
                needed, lambda staging: self._make(old, placed, wrong, client, staging)
            )

    # -- what is to be done -------------------------------------------------------------------

    def _judge(self, report: Report, old: Examination) -> set[str]:
        """The files that are here, wrong, and to be replaced.

        :raises InvalidSip: if there is any other fault.
        """
        promised = old.tags.fetch
        wrong: set[str] = set()
        faults = []
        for one in report.findings:
            if one.level != "error" and one.id not in ("F13",):
                continue
            path = next((p for p in _named(one.file, one.message) if p in promised), "")
            if self._options.replace and one.id in WRONG_HERE and path:
                wrong.add(path)
            elif one.level == "error":
                faults.append(str(one))
        if faults or report.counts["error"] > len(report.findings):
            raise InvalidSip(
                "The bag has faults, so it is not completed.",
                findings=faults,
                where=str(self._path),
            )
        return wrong

    def _chosen(self, old: Examination, wrong: set[str]) -> list[str]:
        """The paths to fetch, in the order of fetch.txt."""
        wanted = [*old.missing(), *sorted(wrong)]
        if not self._options.only:
            return wanted
        chosen = [path for path in wanted if matches(path, self._options.only)]
        if wanted and not chosen:
            raise InputError(
                "No file that is missing has such a name.", where=", ".join(self._options.only)
            )
        return chosen

    def _placed(
        self, old: Examination, chosen: list[str], instance: Instance | None
    ) -> tuple[Placed, ...]:
        """The files with all addresses that may be asked.

        :raises InputError: if one has none.
        """
        policy = self._policy = Policy(self._options, instance)
        others = self._further_addresses(old, set(chosen))
        refused = Refused()
        made = []
        urls = old.tags.fetch.urls or {}
        new = NewBag(old, self._path, self._path)
        for path in chosen:
            told = (urls[path], *others.get(path, ()))
            allowed = policy.addresses(told, refused)
            entry = FileEntry(
                name=os.path.basename(path),
                urls=allowed,
                size=old.tags.fetch.sizes.get(path),
                checksums=tuple(filter(known, new.known(path))),
                path=next((here for url in allowed if (here := policy.local(url))), None),
            )
            made.append(Placed(entry, path))
        refuse(refused, self._path)
        return tuple(made)

    def _further_addresses(
        self, old: Examination, wanted: set[str]
    ) -> Mapping[str, tuple[str, ...]]:
        """Where else sip.json says that files are."""
        found: dict[str, tuple[str, ...]] = {}

        def take(entry: sipjson.Entry) -> None:
            path = entry.get("bagpath")
            origin = entry.get("origin")
            if path in wanted and isinstance(origin, dict):
                urls = origin.get("url", [])
                told = urls if isinstance(urls, list) else [urls]
                found[path] = tuple(one for one in told if isinstance(one, str))

        if old.sip is not None:
            sipjson.each_entry(self._path / SIP_JSON, take)
        return found

    # -- doing it -----------------------------------------------------------------------------

    def _make(
        self,
        old: Examination,
        placed: tuple[Placed, ...],
        wrong: set[str],
        client: Client,
        staging: Staging,
    ) -> Completion:
        finished = staging.finished()
        staging.keep_only(set(finished))
        new = NewBag(old, self._path, staging.bag)
        self._events.phase("fetch")
        fetched, failed = transfer.fetch(
            placed,
            staging.bag,
            client=client,
            algorithms=new.algorithms,
            jobs=self._options.jobs,
            events=self._events,
            parts=staging.parts,
            finished=finished,
            finish=staging.finish,
            forgive=True,
        )
        if not fetched:
            report = validation.validate(self._path, fast=True)
            return Completion(self._path, report, 0, 0, failed, len(old.missing()))
        self._events.phase("verify")
        validation.read_back(staging.bag, fetched, self._options.jobs, self._events.advanced)
        self._events.phase("write")
        report = self._build(old, new, staging.bag, fetched, wrong)
        self._replace(staging.bag)
        return Completion(
            self._path,
            replace(report, path=self._path),
            len(fetched),
            sum(one.size for one in fetched),
            failed,
            report.to_fetch_files,
        )

    def _build(
        self,
        old: Examination,
        new: NewBag,
        root: Path,
        fetched: tuple[Fetched, ...],
        wrong: set[str],
    ) -> Report:
        """Write the new bag around the fetched files, and validate it."""
        by_path = {one.placed.bagpath: one for one in fetched}
        fresh = {
            path: (one.size, {sum_.algorithm: sum_.value for sum_ in one.checksums})
            for path, one in by_path.items()
        }
        replaced = set(fresh) | ({SIP_JSON} if old.sip is not None else set())
        new.link(replaced)
        if old.sip is not None:
            fresh[SIP_JSON] = self._write_sip(old, new, root, by_path)
        urls, sizes = old.tags.fetch.urls or {}, old.tags.fetch.sizes
        gone = {
            path: (urls[path], sizes.get(path)) for path in old.missing() if path not in by_path
        }
        new.write_tags(fresh, gone)
        verified = [(path, size) for path, (size, _) in fresh.items() if path != SIP_JSON]
        verified += [
            (path, old.there.payload[path])
            for path in old.there.payload
            if path not in fresh and path not in wrong
        ]
        report = validation.validate(root, verified=verified, jobs=self._options.jobs)
        faults = [str(one) for one in report.findings if one.level == "error"]
        if faults or report.verdict != ("incomplete" if gone else "valid"):
            raise InvalidSip(
                "The bag would not be valid, so it was left as it is.", findings=faults
            )
        return report

    def _write_sip(
        self, old: Examination, new: NewBag, root: Path, fetched: Mapping[str, Fetched]
    ) -> tuple[int, dict[str, str]]:
        """sip.json with the files' new facts; returns its size and digests."""
        size = sum(one.size for one in fetched.values())
        text = f"{len(fetched)} files fetched"
        step = sip.step("populate", now(), text, files=len(fetched), bytes=size)

        def change(entry: sipjson.Entry) -> sipjson.Entry:
            one = fetched.get(str(entry.get("bagpath")))
            return entry if one is None else _updated(entry, one)

        os.makedirs(root / "data/meta", exist_ok=True)
        sipjson.rewrite(self._path / SIP_JSON, root / SIP_JSON, change, step)
        length, sums, _ = validation.digest(f"{root}/{SIP_JSON}", new.algorithms)
        return length, {one.algorithm: one.value for one in sums}


def matches(path: str, patterns: tuple[str, ...]) -> bool:
    """Whether one matches the bag path, the path below data/content, or the name; none is all."""
    names = (path, path.removeprefix("data/content/"), os.path.basename(path))
    return not patterns or any(
        fnmatch.fnmatchcase(name, pattern) for pattern in patterns for name in names
    )


def _updated(entry: sipjson.Entry, one: Fetched) -> sipjson.Entry:
    """An entry of a file that is here now. What upstream published of it stands in ``origin``."""
    origin = dict(entry.get("origin") or {})
    published = [text for text in entry.get("checksum", []) if isinstance(text, str)]
    if published and "checksum" not in origin:
        origin["checksum"] = published
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


def _named(file: str, message: str) -> Iterable[str]:
    """The paths that a finding may be about."""
    yield file
    yield message.partition(": ")[0]
    yield message.partition(" is here")[0]
