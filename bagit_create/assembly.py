"""From a harvested record to a published package, inside the staging folder."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from . import log, provenance, sip, transfer, validation
from .checksums import fastest, known
from .client import Client
from .errors import InvalidSip, SipError, UpstreamError
from .harvested import NAMED_AT_MOST
from .log import now
from .model import Events, Fetched, Held, Missing, Placed, Record, Result
from .options import ARCHIVES, JobOptions
from .report import Report
from .sip.archive import pack
from .sip.staging import Staging

PATH_COLUMN = 100
"""Characters in which CERN's platform keeps the path of a package."""


class Assembly:
    """One package in the making; call :meth:`run` once.

    :param held: by bag path, files that an earlier package should have.
    :param confirm: called with what is about to appear, and with the hidden folder that it comes
        out of (:attr:`.Staging.holder`); what it raises prevents that.
    """

    def __init__(
        self,
        options: JobOptions,
        events: Events,
        own: log.JobLog,
        staging: Staging,
        client: Client | None,
        held: Mapping[str, Held],
        confirm: Callable[[Result, Path], None] | None = None,
    ) -> None:
        self._options = options
        self._events = events
        self._log = own
        self._staging = staging
        self._client = client
        self._held = held
        self._confirm = confirm
        self._ready: Result | None = None

    @property
    def made(self) -> Result | None:
        """What was made, once it stands under its final name, whatever came after."""
        ready = self._ready
        if ready is None or not os.path.lexists(ready.path):
            return None
        if ready.archive is None and os.path.lexists(self._staging.holder / "bag"):
            return None  # which becomes the package by one rename
        if ready.archive is not None and not os.path.getsize(ready.archive):
            return None  # some file systems want an empty file first
        return ready

    def run(
        self,
        record: Record,
        placed: tuple[Placed, ...],
        placeholders: tuple[str, ...],
        renamed: tuple[tuple[str, str], ...],
    ) -> Result:
        """Fetch, read back, build, check, publish.

        :param placed: the record's files with their bag paths.
        :param placeholders: bag paths of files that keep empty folders.
        :param renamed: (upstream's name, bag path) of those that changed.
        :raises BicError: the package is not published then.
        """
        options, staging = self._options, self._staging
        finished = {} if self._client is None or options.light else staging.finished()
        staging.keep_only(set(finished))
        fetched, absent, missing = self._obtain(placed, finished)
        steps = [self._read_back(fetched), *provenance.steps(record, renamed, fetched)]
        self._events.phase("write")
        name, timestamp = staging.names.reserve(record.source, record.recid, now())
        if len(str(options.target / name)) > PATH_COLUMN:
            log.warning(f"the package's path is longer than {PATH_COLUMN} characters")
        log.info(f"writing {name}")
        self._log.close()
        built = sip.build(
            staging.bag,
            sip.Contents(
                record=record,
                fetched=fetched,
                absent=absent,
                renamed=renamed,
                params=provenance.params(options, record, timestamp),
                steps=tuple(steps),
                timestamp=timestamp,
                light=options.light,
                algorithms=options.algorithms,
                bagit_version=options.bagit_version,
                alternate_uri=options.alternate_uri,
                usr_meta=provenance.usr_meta(options),
                author=options.author,
                placeholders=placeholders,
                missing=missing,
            ),
            staging.log_file,
        )
        self._refuse_secrets(record)
        for left_out in built.skipped[:NAMED_AT_MOST]:
            log.warning(f"left out: {left_out.name}: {left_out.reason}")
        if len(built.skipped) > NAMED_AT_MOST:
            log.warning(f"left out: {len(built.skipped) - NAMED_AT_MOST} more, named in sip.json")
        verified = ((one.placed.bagpath, one.size) for one in fetched if one.downloaded)
        report = validation.validate(
            staging.bag,
            verified=verified,
            jobs=options.jobs,
            fingerprint=options.archive is not None,
        )
        faults = [str(one) for one in report.findings if one.level == "error"]
        if faults or report.verdict != ("incomplete" if built.promised else "valid"):
            raise InvalidSip("The package that was written does not validate.", findings=faults)
        sizes = [*(one.size for one in fetched), *(one.entry.size for one in absent)]
        path = staging.target / f"{name}{ARCHIVES[options.archive] if options.archive else ''}"
        result = Result(
            path=path,
            name=name,
            archive=path if options.archive else None,
            timestamp=timestamp,
            source=record.source,
            recid=record.recid,
            light=options.light,
            files=len(fetched) + len(absent) + len(missing),
            bytes=None if None in sizes else sum(filter(None, sizes)),
            verified=options.verify and not options.light,
            skipped=(*record.skipped, *built.skipped),
            missing=missing,
            without_checksum=built.without_checksum,
            renamed=renamed,
            warnings=tuple(self._log.warnings),
            algorithms=built.algorithms,
            reused=sum(one.reused is not None for one in fetched),
        )

        def name_it_now() -> None:
            """The last moment in which the source may prove to be another than was packaged."""
            if record.recheck is not None:
                record.recheck()
            if self._confirm is not None:
                self._confirm(result, staging.holder)
            self._ready = result

        if options.archive:
            self._pack(path, options.archive, report, name_it_now)
        else:
            if staging.far:
                self._events.phase("write")
                staging.bring(
                    jobs=options.jobs,
                    verify=options.verify,
                    events=self._events,
                    stopped=lambda: self._client is not None and self._client.stopped,
                )
            staging.publish(name, name_it_now)
        return result

    def _pack(self, path: Path, form: str, report: Report, before: Callable[[], None]) -> None:
        """Make an archive of the finished package, and verify it; the folder never appears.

        :param before: called before it gets its name.
        """
        staging, events = self._staging, self._events

        def verify(made: Path) -> None:
            validation.verify_archive(made, report, events=events)
            before()

        events.phase("write")
        events.started(0, report.bytes)
        scratch = staging.archive_place()
        try:
            pack(staging.bag, path, form, on_bytes=events.advanced, verify=verify, place=scratch)
        except SipError as err:
            # No room, perhaps: then what was fetched is worth keeping.
            err.resumable = not isinstance(err, InvalidSip)
            raise
        finally:
            scratch.rmdir()

    def _refuse_secrets(self, record: Record) -> None:
        """Refuse what upstream wrote with the credential in it that it was sent.

        :raises UpstreamError: the metadata is kept to the letter, or not at all.
        """
        bag = self._staging.bag
        documents = [bag / "data" / one.place / one.name for one in record.documents]
        written = [path for path in (*bag.glob("*.txt"), *bag.glob("data/meta/*"))]
        if place := self._log.in_any_of((*documents, *filter(Path.is_file, written))):
            raise UpstreamError(
                "The source repeats the credential that it was sent, so nothing is packaged.",
                where=f"it would stand in {place.relative_to(bag)}",
                hint="tell who runs the source, and have a new credential made",
            )

    def _obtain(
        self, placed: tuple[Placed, ...], finished: dict[str, dict[str, Any]]
    ) -> tuple[tuple[Fetched, ...], tuple[Placed, ...], tuple[Missing, ...]]:
        """Fetch all files; for a light bag, learn what can be learnt without keeping any."""
        options, staging, client = self._options, self._staging, self._client
        self._events.phase("fetch")
        if not options.light:
            fetched, missing = transfer.fetch(
                placed,
                staging.bag,
                client=client,
                algorithms=options.algorithms,
                jobs=options.jobs,
                events=self._events,
                parts=staging.parts,
                finished=finished,
                finish=staging.finish,
                allow_missing=options.allow_missing,
                held=self._held,
            )
            return fetched, (), missing
        placed = transfer.look_ahead(placed, client, options.jobs)
        unknown = [
            item
            for item in placed
            if client is None
            or (options.hash_missing and not any(map(known, item.entry.checksums)))
        ]
        fetched, missing = transfer.fetch(
            unknown,
            staging.bag,
            client=client,
            algorithms=options.algorithms,
            jobs=options.jobs,
            events=self._events,
            allow_missing=options.allow_missing,
        )
        hashed = {one.placed.bagpath for one in fetched}
        hashed |= {one.placed.bagpath for one in missing}
        absent = tuple(item for item in placed if item.bagpath not in hashed)
        _name_unknown([one for one in absent if not any(map(known, one.entry.checksums))])
        return fetched, absent, missing

    def _read_back(self, fetched: tuple[Fetched, ...]) -> dict[str, Any]:
        """Verify the payload from disk, and say so for the audit trail."""
        written = [one for one in fetched if one.downloaded]
        facts: dict[str, Any] = {
            "files": len(written),
            "compared_with_upstream": sum(
                any(map(known, one.placed.entry.checksums)) for one in fetched
            ),
        }
        if self._options.light:
            return sip.step(
                "fixity_check",
                now(),
                "light bag: no payload to read back; what was hashed here was read once",
                outcome="skipped",
                hashed=len(fetched),
                **facts,
            )
        if not self._options.verify:
            return sip.step(
                "fixity_check",
                now(),
                "not read back from disk (--no-verify)",
                outcome="skipped",
                **facts,
            )
        self._events.phase("verify")
        self._events.started(0, sum(one.size for one in written if not one.read_back))
        unread = [one for one in written if not one.read_back]
        algorithm = validation.read_back(
            self._staging.bag, unread, self._options.jobs, self._events.advanced
        )
        return sip.step(
            "fixity_check",
            now(),
            "every file read back from disk and compared with the digest of what arrived",
            algorithm=algorithm or fastest(self._options.algorithms),
            outcome="pass",
            **facts,
        )


def _name_unknown(files: list[Placed]) -> None:
    """Warn of files that nothing can verify once they are fetched."""
    for one in files[:NAMED_AT_MOST]:
        log.warning(
            f"no checksum is known of {one.entry.name}: no manifest lists it (--hash-missing helps)"
        )
    if len(files) > NAMED_AT_MOST:
        log.warning(f"no checksum is known of {len(files) - NAMED_AT_MOST} more files")
