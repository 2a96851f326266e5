"""The package of one record of a job, as ``bic`` itself makes it."""

from __future__ import annotations

import errno
import os
import traceback
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

from .. import access, log
from ..errors import (
    AccessDenied,
    BicError,
    ConfigError,
    Interrupted,
    InvalidSip,
    NoRoom,
    SipError,
    Unreachable,
)
from ..job import Job
from ..main import failure
from ..model import Events, Result, Silent
from ..options import JobOptions
from ..session import NotSignedOn, Sessions
from ..sip.leftovers import remove_made, withdraw
from ..sip.staging import FOLDER
from .crew import lacks_threads, no_threads
from .folder import hashed_name
from .items import Item
from .ledger import Gone
from .maker import Fatal
from .outcome import DONE, FAILED, UNCHANGED, Outcome

NOBODY_CAN_WRITE = (
    errno.EACCES,
    errno.EDQUOT,
    errno.EIO,
    errno.EMFILE,
    errno.ENFILE,
    errno.ENOSPC,
    errno.ENOTCONN,
    errno.ENOTDIR,
    errno.EPERM,
    errno.EROFS,
    errno.ESTALE,
)
"""Of these the next record would die as well."""
LONGEST_TEXT = 500
MOST_WITHOUT_ROOM = 3
"""Records in a row for which the disk has no room, after which the run is ended."""
MOST_REFUSED = 10
"""Records in a row for which a credential counts as none (401): it has expired, or is revoked."""


class _Moving(Silent):
    """Of a single run, a batch shows what moves and what waits."""

    def __init__(self, events: Events) -> None:
        self._events = events
        self._fetches = False

    def phase(self, name: str) -> None:
        """A step of the record begins: what is only read back does not count again."""
        self._fetches = name == "fetch"

    def advanced(self, count: int) -> None:
        """``count`` more bytes were moved."""
        if self._fetches:
            self._events.advanced(count)

    def waiting(self, seconds: float, why: str) -> None:
        """The record waits."""
        self._events.waiting(seconds, why)


class Harvester:
    """Makes packages, one after the other, with what they share: options and connections.

    :param options: of every record, with the secrets of this run.
    :param events: told of the bytes that move, and of pauses.
    :param telling: pass on what is logged; otherwise it only stands in the packages.
    :param sessions: the sign-ons that it shares with the others of this process.
    """

    def __init__(
        self,
        options: JobOptions,
        events: Events,
        telling: bool = False,
        sessions: Sessions | None = None,
    ) -> None:
        self._options = options
        self._events = _Moving(events)
        self._job: Job | None = None
        self._telling = telling
        self._kept = access.keep(options, sessions or Sessions())
        self._stopped = False
        self._in_a_row: list[type[BicError]] = []

    def make(self, item: Item, place: Path, begin: Callable[[Outcome], None]) -> Outcome:
        """See :class:`bagit_create.batch.maker.Maker`."""
        options = self._options_of(item, place)
        if options.previous is not None and (part := options.previous / hashed_name(item)).is_dir():
            options = replace(options, previous=part)  # the packages of a large job

        def confirm(result: Result, holder: Path) -> None:
            here = holder.parent == place / FOLDER
            begin(replace(_outcome(item, result), holder=holder.name if here else str(holder)))

        with log.job(told=self._telling) as own:
            self._kept.login.turned_away = False
            job = Job(options, self._events, own, confirm, self._kept)
            try:
                with self._under_way(job):
                    made = _outcome(item, job.run())
                self._in_a_row.clear()
                return made
            except Interrupted:
                raise
            except BicError as err:
                err.redact(own.redact)
                if _is_fatal(err, place):
                    raise Fatal(err) from err
                refused = err.http_status == 401 and job.has_credential
                self._count(err, refused or self._kept.login.turned_away)
                return failed(item, err)
            except Exception as err:  # a bug of ours must not end a run of a million records
                if lacks_threads(err):  # which the next record would find as well
                    raise Fatal(no_threads()) from err
                text = own.redact(f"{type(err).__name__}: {err}")
                log.STANDARD.error("unexpected error with %s: %s", item.recid, log.visible(text))
                log.STANDARD.debug("%s", own.redact(traceback.format_exc()))
                return failed(item, BicError(f"Unexpected error, please report it: {text}"))

    def _options_of(self, item: Item, place: Path) -> JobOptions:
        return replace(self._options, source=item.source, recid=item.recid, target=place)

    @contextmanager
    def _under_way(self, job: Job) -> Iterator[None]:
        """Let :meth:`stop` end this job."""
        self._job = job
        if self._stopped:
            job.stop()
        try:
            yield
        except BicError as err:
            if self._stopped and not isinstance(err, Interrupted):
                # A connection that was closed for that looks like any other.
                raise Interrupted("The run was ended while it made a record.") from err
            if isinstance(err, NotSignedOn):
                self._kept.login.turned_away = True
                raise err.error from err.error.__cause__
            raise
        finally:
            self._job = None

    def answers(self, item: Item) -> bool:
        """See :class:`bagit_create.batch.maker.Maker`."""
        options = self._options_of(item, self._options.target)
        with log.job(told=False) as own:
            job = Job(options, self._events, own, kept=self._kept)
            try:
                with self._under_way(job):
                    return job.ask()
            except Interrupted:
                raise
            except BicError as err:  # whatever is wrong with this one, somebody may have answered
                return not isinstance(err, Unreachable)
            except Exception:  # a bug of ours tells nothing of the server
                return False

    def settle(self, begun: Outcome, place: Path) -> bool:
        """See :class:`bagit_create.batch.maker.Maker`."""
        package = place / begun.package
        if not os.path.lexists(package):
            withdraw(place, begun.holder)
        if not os.path.lexists(package):
            return False
        _, source, rest = begun.package.split("::", 2)
        recid = rest.rpartition("::")[0]
        remove_made({place, self._options.workdir or place}, source, recid)
        return True

    def _count(self, err: BicError, is_refused: bool) -> None:
        """Count what, if it befalls many in a row, befalls all that come after them.

        Those before have failed, so that the next run goes on behind them: a few huge records, or
        some that nobody may read, do not keep it from the others.

        :param is_refused: whether, if access was denied, the credential is to blame.
        :raises Fatal: if it is so.
        """
        kind = type(err)
        refused = isinstance(err, AccessDenied) and is_refused
        if not refused and kind is not NoRoom:
            self._in_a_row.clear()
            return
        self._in_a_row = [one for one in self._in_a_row if one is kind] + [kind]
        number = len(self._in_a_row)
        if refused and number >= MOST_REFUSED:
            raise Fatal(
                AccessDenied(
                    f"The credential was refused for {number} records in a row: has it expired?",
                    where=err.where,
                    http_status=err.http_status,
                    hint="give another one to the next run; 'bic batch retry' with"
                    " '--kind AccessDenied' takes up those that failed",
                )
            ) from err
        if not refused and number >= MOST_WITHOUT_ROOM:
            err.hint += "; 'bic batch retry' with '--kind NoRoom' takes up those that failed"
            raise Fatal(err) from err

    def stop(self) -> None:
        """End what is under way, from another thread."""
        self._stopped = True
        job = self._job
        if job is not None:
            job.stop()

    def close(self) -> None:
        """Close the connections."""
        self._kept.close()


def _outcome(item: Item, result: Result) -> Outcome:
    return Outcome(
        number=item.number,
        state=UNCHANGED if result.unchanged else DONE,
        package=result.path.name,
        files=result.files,
        bytes=result.bytes or 0,
        warnings=len(result.warnings),
        missing=len(result.missing),
        skipped=len(result.skipped),
        without_checksum=len(result.without_checksum),
        reused=result.reused,
    )


def failed(item: Item, err: BicError) -> Outcome:
    """The outcome of a record that ended with an error."""
    facts = failure(err)
    findings = "; ".join(facts["findings"][:3])
    return Outcome(
        number=item.number,
        state=FAILED,
        error=facts["error"],
        exit_code=err.exit_code,
        http_status=err.http_status or 0,
        message=" ".join(f"{err.headline()} {findings}".split())[:LONGEST_TEXT],
        where=err.where[:LONGEST_TEXT],
        hint=err.hint[:LONGEST_TEXT],
    )


def _is_fatal(err: BicError, place: Path) -> bool:
    """Whether every other record would end so too.

    :param place: the folder in which its package was to appear.
    """
    if isinstance(err, (ConfigError, Gone)):
        return True
    if isinstance(err, SipError) and not isinstance(err, InvalidSip):
        cause = err.__cause__
        if isinstance(cause, FileNotFoundError):
            return not place.is_dir()  # it was there when the record was begun
        return isinstance(cause, OSError) and cause.errno in NOBODY_CAN_WRITE
    return False
