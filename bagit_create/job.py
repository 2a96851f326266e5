"""One job, step by step: ask, harvest, fetch, read back, build, check, publish."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from typing import Any
from urllib.parse import parse_qsl, urlsplit

from . import config, credentials, log, paths, pipelines, provenance, sip, transfer, validation
from .checksums import known
from .client import Client
from .config import Instance
from .credentials import Secret
from .errors import BicError, InputError, Interrupted, InvalidSip
from .model import Events, Fetched, FileEntry, Placed, Record, Result, Silent
from .options import JobOptions
from .sip.disk import cannot_write, check_space, check_target
from .sip.staging import Staging, now

SHARE_PARAMETERS = ("token", "access_token", "resource-token", "access_request_token")
PLACEHOLDER = ".keep"
"""The empty file that keeps an empty folder, as RFC 8493 section 2.1.3 suggests."""
NAMED_AT_MOST = 20
"""Files that a warning names one by one; sip.json and the result have all."""
COLUMN = 50
PATH_COLUMN = 100
"""Characters in which CERN's platform keeps source and recid, and the package's path."""


class Job:
    """A run of one :class:`JobOptions`; call :meth:`run` once."""

    def __init__(self, options: JobOptions, events: Events | None, own: log.JobLog) -> None:
        self._options = options
        self._events = events or Silent()
        self._log = own
        for secret in (options.token, options.invcookie):
            self._log.hide(secret.value if secret else "")

    def run(self) -> Result:
        """Make the package; see :func:`bagit_create.main.run`."""
        self._options.check()
        instance, recid = self._whereabouts()
        self._options.check(instance.pipeline)
        check_target(self._options.target)
        client = self._client(instance)
        try:
            self._events.phase("harvest")
            log.info(f"harvesting {recid or 'a folder'} from {instance.name}")
            record = pipelines.load(instance, client, self._options).harvest(recid)
            self._remark_on(record)
            return self._package(record, client)
        except KeyboardInterrupt as err:
            raise Interrupted("Interrupted.") from err
        finally:
            if client is not None:
                client.close()

    # -- before anything is asked -------------------------------------------------------------

    def _whereabouts(self) -> tuple[Instance, str | None]:
        """Which server and record are meant."""
        options = self._options
        known_servers = config.load(options.config)
        if options.url:
            instance, recid = known_servers.resolve(options.url)
            if options.source and options.source.lower() != instance.name:
                raise InputError(
                    f"--source is {options.source}, but the address belongs to {instance.name}."
                )
            replace(options, url=None, source=instance.name, recid=recid).check()
            return instance, recid
        return known_servers.instance(options.source or ""), options.recid

    def _client(self, instance: Instance) -> Client | None:
        if instance.pipeline == "local":
            return None
        options = self._options
        token = credentials.find(instance, options.token)
        share = _share(options.url)
        for secret in (token, share[1] if share else None):
            self._log.hide(secret.value if secret else "")
        if options.skipssl:
            log.warning("certificates are not checked (--skipssl): nobody vouches for the source")
        return Client(
            instance.base_url,
            token=token,
            share=share,
            hosts=instance.hosts,
            timeout=options.timeout,
            retries=options.retries,
            max_wait=options.max_wait,
            skipssl=options.skipssl,
            credential_hint=_credential_hint(instance),
            events=self._events,
        )

    def _remark_on(self, record: Record) -> None:
        for what, text in (("source", record.source), ("record id", record.recid)):
            if len(text) > COLUMN:
                log.warning(f"the {what} is {len(text)} characters; CERN's platform keeps {COLUMN}")
        for one in record.skipped[:NAMED_AT_MOST]:
            log.warning(f"left out: {one.name}: {one.reason}")
        if len(record.skipped) > NAMED_AT_MOST:
            more = len(record.skipped) - NAMED_AT_MOST
            log.warning(f"left out: {more} more, all named in sip.json")
        log.info(f"{len(record.files)} files listed")

    # -- the package --------------------------------------------------------------------------

    def _package(self, record: Record, client: Client | None) -> Result:
        options = self._options
        own = [f"data/{one.place}/{one.name}" for one in record.documents]
        keepers = [FileEntry(PLACEHOLDER, (), 0, (), one) for one in record.empty_folders]
        every, renamed = paths.place((*record.files, *keepers), own)
        placed = every[: len(record.files)]
        placeholders = tuple(one.bagpath for one in every[len(record.files) :])
        for old, new in renamed:
            log.info(f"{old!r} is {new!r} in the package")
        if not options.light:
            self._need_room(placed)
        identity = [options.light, sorted(options.algorithms), options.bagit_version]
        staging = Staging(options.target, options.workdir, record.source, record.recid, identity)
        try:
            self._log.write_to(staging.log_file)
            result = self._stage(staging, record, placed, placeholders, renamed, client)
            staging.discard()
            return result
        except (BicError, KeyboardInterrupt) as err:
            self._leave(staging, err)
            raise
        except OSError as err:
            staging.discard()
            raise cannot_write(err, options.target) from err
        except BaseException:
            staging.discard()
            raise

    def _need_room(self, placed: tuple[Placed, ...]) -> None:
        place = self._options.target.absolute()
        while not place.exists():
            place = place.parent
        check_space(place, sum(item.entry.size or 0 for item in placed))

    def _leave(self, staging: Staging, err: BaseException) -> None:
        """Keep what the next run can use, or remove everything."""
        resumable = isinstance(err, KeyboardInterrupt) or getattr(err, "resumable", False)
        if not (resumable and staging.has_finished_files()):
            staging.discard()
            return
        staging.keep()
        log.info(f"finished files are kept in {staging.root}")
        if isinstance(err, BicError) and not err.hint:
            err.hint = "run the same command again; what is finished is not fetched again"

    def _stage(
        self,
        staging: Staging,
        record: Record,
        placed: tuple[Placed, ...],
        placeholders: tuple[str, ...],
        renamed: tuple[tuple[str, str], ...],
        client: Client | None,
    ) -> Result:
        options = self._options
        finished = {} if client is None or options.light else staging.finished()
        staging.keep_only(set(finished))
        fetched, absent = self._obtain(staging, placed, client, finished)
        steps = [self._read_back(staging, fetched)]
        if renamed:
            pairs = [{"from": old, "to": new} for old, new in renamed]
            steps.append(sip.step("rename", now(), "names made portable and unique", files=pairs))
        for note in record.notes:
            steps.append(sip.step("note", now(), note))
        self._events.phase("write")
        name, timestamp = staging.reserve(record.source, record.recid, now())
        if len(str(options.target / name)) > PATH_COLUMN:
            log.warning(f"the package's path is longer than {PATH_COLUMN} characters")
        log.info(f"writing {name}")
        warnings = tuple(self._log.warnings)
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
            ),
            staging.log_file,
        )
        verified = {one.placed.bagpath: one.size for one in fetched if one.downloaded}
        report = validation.validate(staging.bag, verified=verified, jobs=options.jobs)
        faults = [str(one) for one in report.findings if one.level == "error"]
        if faults or report.verdict != (
            "incomplete" if absent or self._hashed(fetched) else "valid"
        ):
            raise InvalidSip("The package that was written does not validate.", findings=faults)
        return Result(
            path=staging.publish(name),
            timestamp=timestamp,
            source=record.source,
            recid=record.recid,
            light=options.light,
            files=len(record.files),
            bytes=_sum((*(one.size for one in fetched), *(one.entry.size for one in absent))),
            verified=options.verify,
            skipped=(*record.skipped, *built.skipped),
            without_checksum=built.without_checksum,
            renamed=renamed,
            warnings=warnings,
            algorithms=built.algorithms,
        )

    def _obtain(
        self,
        staging: Staging,
        placed: tuple[Placed, ...],
        client: Client | None,
        finished: dict[str, dict[str, Any]],
    ) -> tuple[tuple[Fetched, ...], tuple[Placed, ...]]:
        """Fetch all files; for a light bag, learn what can be learnt without keeping any."""
        options = self._options
        self._events.phase("fetch")
        if not options.light:
            fetched = transfer.fetch(
                placed,
                staging.bag,
                client=client,
                algorithms=options.algorithms,
                jobs=options.jobs,
                events=self._events,
                parts=staging.parts,
                finished=finished,
                finish=staging.finish,
            )
            return fetched, ()
        placed = transfer.look_ahead(placed, client, options.jobs)
        unknown = [
            item
            for item in placed
            if client is None
            or (options.hash_missing and not any(map(known, item.entry.checksums)))
        ]
        fetched = transfer.fetch(
            unknown,
            staging.bag,
            client=client,
            algorithms=options.algorithms,
            jobs=options.jobs,
            events=self._events,
        )
        hashed = {one.placed.bagpath for one in fetched}
        absent = tuple(item for item in placed if item.bagpath not in hashed)
        _name_unknown([one for one in absent if not any(map(known, one.entry.checksums))])
        return fetched, absent

    @staticmethod
    def _hashed(fetched: tuple[Fetched, ...]) -> bool:
        return any(not one.downloaded for one in fetched)

    def _read_back(self, staging: Staging, fetched: tuple[Fetched, ...]) -> dict[str, Any]:
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
        self._events.started(len(written), sum(one.size for one in written))
        algorithm = validation.read_back(
            staging.bag, written, self._options.jobs, self._events.advanced
        )
        return sip.step(
            "fixity_check",
            now(),
            "every file read back from disk and compared with the digest of what arrived",
            algorithm=algorithm,
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


def _share(url: str | None) -> tuple[str, Secret] | None:
    """The parameter of a share link in the address the user gave, and its value."""
    for name, value in parse_qsl(urlsplit(url or "").query):
        if name in SHARE_PARAMETERS and value:
            return name, Secret(value)
    return None


def _credential_hint(instance: Instance) -> str:
    if not instance.credential:
        return ""
    variable = credentials.variable_for(instance.name)
    return f"{instance.credential}, from {instance.credential_help}; give it in {variable}"


def _sum(sizes: Iterable[int | None]) -> int | None:
    total = 0
    for size in sizes:
        if size is None:
            return None
        total += size
    return total
