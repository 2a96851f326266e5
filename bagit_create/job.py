"""One job: what is meant, who is asked, and a staging folder that never outlives its use."""

from __future__ import annotations

import errno
import os
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager, suppress
from pathlib import Path

from . import access, log, pipelines, provenance
from .assembly import Assembly
from .client import Client
from .config import Instance
from .earlier import Earlier, check_place
from .earlier.same import Judge
from .errors import BicError, Interrupted, InvalidSip, SipError
from .harvested import NAMED_AT_MOST, arrange, judge, tell_of_lengths
from .model import Events, Record, Result, Silent
from .options import JobOptions
from .pipelines.base import Begun, Pipeline
from .sip.disk import FULL, cannot_write, check_target, sync_folder
from .sip.staging import Staging


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
        instance, recid = self._whereabouts()
        check_target(self._options.target)
        if self._options.previous is not None:
            check_place(self._options.previous)
        try:
            with self._asking(instance, recid) as (pipeline, begun):
                return self._made_of(pipeline, begun, instance.name)
        except KeyboardInterrupt as err:
            if self.made is not None:
                return self.made
            raise Interrupted("Interrupted.", hint=self._next) from err

    def ask(self) -> bool:
        """Ask for the record and for its smallest file, and make nothing of them.

        :returns: whether the record has any file.
        :raises BicError: as :meth:`run` does; :class:`.Unreachable` if nobody is there.
        """
        with self._asking(*self._whereabouts()) as (pipeline, begun):
            files = pipeline.harvest(begun).files
            smallest = min(files, key=lambda one: one.size or 0, default=None)
            if smallest and smallest.urls and self._client:
                with self._client.open(smallest.urls[0]) as stream:
                    next(iter(stream.blocks(decode=False)), None)
            return bool(files)

    def _whereabouts(self) -> tuple[Instance, str | None]:
        self._options.check()
        instance, recid = access.whereabouts(self._options)
        self._options.check(instance.pipeline)
        return instance, recid

    @contextmanager
    def _asking(self, instance: Instance, recid: str | None) -> Iterator[tuple[Pipeline, Begun]]:
        """Begin with the record; the client is there until this ends."""
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
            yield pipeline, pipeline.begin(recid)
        finally:
            if client is not None:
                client.close()

    def _made_of(self, pipeline: Pipeline, begun: Begun, source: str) -> Result:
        """The package, or the earlier one if nothing has changed since."""
        with closing(self._earlier(source, begun.recid, pipeline.essence)) as earlier:
            kept = earlier.unchanged(begun) if self._options.if_changed else None
            if kept is None:
                record = pipeline.harvest(begun)
                judge(record)
                kept = earlier.still_unchanged(record)
            if kept is not None:
                self.made = kept
                return kept
            self._remark_on(record)
            return self._package(record, self._client, earlier)

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
