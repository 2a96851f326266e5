"""One job: what is meant, who is asked, and a staging folder that never outlives its use."""

from __future__ import annotations

import errno
import os
import re
from collections.abc import Callable
from contextlib import closing, suppress
from pathlib import Path
from urllib.parse import urlsplit

from . import access, log, paths, pipelines, provenance
from .assembly import NAMED_AT_MOST, Assembly
from .checksums import known
from .client import Client
from .earlier import Earlier, check_place
from .earlier.same import Judge
from .errors import BicError, Interrupted, InvalidSip, SipError, UpstreamError
from .log import readable
from .model import Events, FileEntry, Placed, Record, Result, Silent
from .options import RECID, JobOptions
from .sip.disk import FULL, cannot_write, check_target, sync_folder
from .sip.staging import Staging
from .urls import clean

PLACEHOLDER = ".keep"
"""The empty file that keeps an empty folder, as RFC 8493 section 2.1.3 suggests."""
COLUMN = 50
"""Characters in which CERN's platform keeps source and recid."""


class Job:
    """A run of one :class:`JobOptions`; call :meth:`run` once.

    :param confirm: called with what is about to appear, and with the hidden folder that it comes
        out of (:attr:`.Staging.holder`); what it raises prevents that.
    :param kept: what an earlier run left; see :func:`.access.keep`.
    """

    def __init__(
        self,
        options: JobOptions,
        events: Events | None,
        own: log.JobLog,
        confirm: Callable[[Result, Path], None] | None = None,
        kept: access.Kept | None = None,
    ) -> None:
        self._options = options
        self._kept = kept
        self._confirm = confirm
        self._client: Client | None = None
        self._stopped = False
        self._events = events or Silent()
        self._log = own
        self._next = ""
        self.made: Result | None = None
        """What was made, once it stands under its final name."""
        access.hide_secrets(options, own)

    def run(self) -> Result:
        """Make the package; see :func:`bagit_create.main.run`."""
        self._options.check()
        instance, recid = access.whereabouts(self._options)
        self._options.check(instance.pipeline)
        check_target(self._options.target)
        if self._options.previous is not None:
            check_place(self._options.previous)
        client = access.open_client(
            instance, recid, self._options, self._log, self._events, self._kept
        )
        self._client = client
        try:
            if self._stopped:
                self.stop()
            self._events.phase("harvest")
            log.info(f"harvesting {recid or 'a folder'} from {instance.name}")
            pipeline = pipelines.load(instance, client, self._options)
            begun = pipeline.begin(recid)
            with closing(self._earlier(instance.name, begun.recid, pipeline.essence)) as earlier:
                kept = earlier.unchanged(begun) if self._options.if_changed else None
                if kept is None:
                    record = pipeline.harvest(begun)
                    judge(record)
                    kept = earlier.still_unchanged(record)
                if kept is not None:
                    self.made = kept
                    return kept
                self._remark_on(record)
                return self._package(record, client, earlier)
        except KeyboardInterrupt as err:
            if self.made is not None:
                return self.made
            raise Interrupted("Interrupted.", hint=self._next) from err
        finally:
            if client is not None:
                client.close()

    def _earlier(self, source: str, recid: str, essence: Judge) -> Earlier:
        """What earlier runs made of this record, where the options ask for it."""
        options = self._options
        asked = options.if_changed or options.previous
        place = (options.previous or options.target) if asked else None
        return Earlier(place, source, recid, options, provenance.usr_meta(options), essence)

    @property
    def has_credential(self) -> bool:
        """Whether the source was sent a credential."""
        return self._client is not None and self._client.wire.has_credential

    def stop(self) -> None:
        """End the run, from another thread: it raises :class:`Interrupted` and can be continued.

        A package that is about to get its name still gets it.
        """
        self._stopped = True
        if self._client is not None:
            self._client.stop()

    def _remark_on(self, record: Record) -> None:
        tell_of_lengths(record)
        for one in record.skipped[:NAMED_AT_MOST]:
            log.warning(f"left out: {one.name}: {one.reason}")
        if len(record.skipped) > NAMED_AT_MOST:
            more = len(record.skipped) - NAMED_AT_MOST
            log.warning(f"left out: {more} more, all named in sip.json")
        log.info(f"{len(record.files)} files listed")
        if self._options.embargo is not None and self._options.embargo < log.now():
            log.warning("the embargo of --embargo is over already")

    # -- the package --------------------------------------------------------------------------

    def _package(self, record: Record, client: Client | None, earlier: Earlier) -> Result:
        options = self._options
        placed, placeholders, renamed = arrange(record)
        for old, new in renamed:
            log.info(f"{old!r} is {new!r} in the package")
        size = sum(item.entry.size or 0 for item in placed)
        held = {} if options.light else earlier.held(placed)
        identity = [options.light, sorted(options.algorithms), options.bagit_version]
        staging = Staging(options.target, options.workdir, record.source, record.recid, identity)
        assembly = Assembly(options, self._events, self._log, staging, client, held, self._confirm)
        try:
            if not options.light:
                staging.check_room(size, len(placed), options.archive is not None)
            self._log.write_to(staging.log_file)
            self.made = assembly.run(record, placed, placeholders, renamed)
        except (BicError, KeyboardInterrupt) as err:
            self.made = assembly.made if isinstance(err, KeyboardInterrupt) else None
            if self.made is None:
                # What is gone does not validate either, and that is not the reason.
                lost = _lost(staging) if isinstance(err, InvalidSip) else None
                self._leave(staging, err)
                raise lost or err
            with suppress(OSError):
                sync_folder(staging.target)  # it may have come before that
        except OSError as err:
            if err.errno in FULL:
                error = staging.full(err, size)
                self._leave(staging, error)
                raise error from err
            error = _lost(staging) or _not_written(staging, err)
            self._leave(staging, error)
            raise error from err
        except BaseException:
            staging.discard()
            raise
        try:
            staging.discard(made=True)
        except KeyboardInterrupt:  # too late: the package is made, and this takes a moment
            staging.discard(made=True)
        return self.made

    def _leave(self, staging: Staging, err: BaseException) -> None:
        """Keep what the next run can use, or remove everything."""
        resumable = isinstance(err, KeyboardInterrupt) or getattr(err, "resumable", False)
        if not (resumable and staging.is_worth_keeping()):
            staging.discard()
            return
        staging.keep()
        log.info(f"finished files are kept in {staging.root}")
        self._next = "run the same command again; what is finished is not fetched again"
        if isinstance(err, BicError) and not err.hint:
            err.hint = self._next


def _not_written(staging: Staging, err: OSError) -> SipError:
    error = cannot_write(err, staging.target)
    error.resumable = staging.far  # the work folder is not where the target is
    return error


def _lost(staging: Staging) -> SipError | None:
    """Why the staging folder is not there any more, if it is not."""
    if not staging.lost:
        return None
    if not os.path.isdir(staging.target):
        gone = FileNotFoundError(errno.ENOENT, "the target is not there any more")
        return _not_written(staging, gone)
    return SipError(
        "Another run took this one for dead and its files over.",
        where=str(staging.root),
        hint="was this machine asleep? Wait for the other run, or repeat the command",
    )


def arrange(
    record: Record,
) -> tuple[tuple[Placed, ...], tuple[str, ...], tuple[tuple[str, str], ...]]:
    """Give every file of a record its place in the package.

    :returns: the placed files, the bag paths of files that keep empty folders, and (upstream's
        name, bag path) of those whose name had to change.
    """
    own = [f"data/{one.place}/{one.name}" for one in record.documents]
    keepers = [FileEntry(PLACEHOLDER, (), 0, (), one) for one in record.empty_folders]
    every, pairs = paths.place((*record.files, *keepers), own)
    count = len(record.files)
    renamed = tuple((readable(old), new) for old, new in pairs)
    return every[:count], tuple(one.bagpath for one in every[count:]), renamed


def tell_of_lengths(record: Record) -> None:
    """Warn of what is too long for CERN's platform."""
    for what, text in (("source", record.source), ("record id", record.recid)):
        if len(text) > COLUMN:
            log.warning(f"the {what} is {len(text)} characters; CERN's platform keeps {COLUMN}")


def judge(record: Record) -> None:
    """Refuse what no record can be, whatever its pipeline made of it.

    :raises UpstreamError: if a name, an address or a size is impossible.
    """
    fault = ""
    if not re.fullmatch(RECID, record.recid):
        fault = f"the record's id {record.recid[:100]!r}"
    for document in record.documents:  # written under this very name
        if not all(part == paths.portable(part) for part in document.name.split("/")):
            fault = f"the name of a document: {document.name[:200]!r}"
    odd = []
    for one in record.files:
        if one.path is not None:
            continue
        if one.size is not None and one.size >= 1 << 63:
            fault = f"the size of {one.name!r}: {one.size}"
        if not all(map(_is_address, one.urls)):
            fault = f"the address of {one.name!r}: {one.urls[0][:200]!r}"
        if one.checksums and not any(map(known, one.checksums)):
            odd.append(one.name)
    if fault:
        raise UpstreamError(
            "The record has something in it that cannot be.",
            where=fault,
            hint="the service may have changed; please report it",
        )
    for name in odd[:NAMED_AT_MOST]:
        log.warning(f"the checksum of {name} is of a kind that cannot be compared here")
    if len(odd) > NAMED_AT_MOST:
        log.warning(f"so are those of {len(odd) - NAMED_AT_MOST} more files")


def _is_address(url: str) -> bool:
    """Whether this can be taken apart (RFC 3986): what upstream calls an address may be none."""
    try:
        if clean(url) is url:  # it is plain
            return True
        parts = urlsplit(url.strip())
        return bool(parts.scheme) and parts.port != 0
    except ValueError:  # "http://[x", "http://x:99999/"
        return False
