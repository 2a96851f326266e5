"""One list: the lister is loaded, its records are counted, and each is handed out once."""

from __future__ import annotations

import threading
from collections.abc import Generator, Iterator, Sequence
from contextvars import copy_context
from dataclasses import fields, replace
from importlib import import_module
from typing import TYPE_CHECKING, cast

from .. import access, log
from ..errors import BicError, InputError, Interrupted, UpstreamError
from ..model import Events, Silent
from ..session import NotSignedOn
from .base import Listed, Refused, Selection, Tally

if TYPE_CHECKING:
    from ..client import Client
    from ..config import Instance
    from ..options import JobOptions
    from .base import Lister

LISTERS = {
    "codimd": "codimd:CodiMD",
    "cod": "cod:OpenData",
    "gitlab": "gitlab:GitLab",
    "indico": "indico:Indico",
    "invenio-v1": "invenio_v1:InvenioV1",
    "inveniordm": "inveniordm:InvenioRDM",
    "videos": "videos:Videos",
    "zenodo": "zenodo:Zenodo",
}


class Listing:
    """The records of a selection, to be iterated once; :attr:`tally` says at the end how it went.

    :param options: name the source and how it is reached; nothing else of them counts.
    :param events: told of records (as ``file_done``) and pauses; the step is called ``"list"``.
    """

    def __init__(
        self, options: JobOptions, selection: Selection, events: Events | None = None
    ) -> None:
        self.tally = Tally()
        self._options = options
        self._selection = selection
        self._events = events or Silent()
        self._client: Client | None = None
        self._stopped = threading.Event()

    def __iter__(self) -> Iterator[Listed]:
        """Each record once; again if it was told as deleted, and is there after all.

        :raises BicError: as :meth:`Lister.records` does; what came before is good.
        """
        check(self._options, self._selection)
        # The log of this list is nobody else's, though others run between two of its records.
        context = copy_context()
        records = self._records()
        try:
            while (one := context.run(next, records, None)) is not None:
                yield one
        finally:
            context.run(records.close)

    def _records(self) -> Generator[Listed, None, None]:
        with log.job(None) as own:
            access.hide_secrets(self._options, own)
            instance = access.instance_of(self._options)
            try:
                self._client = access.open_client(
                    instance, None, self._options, own, self._events, access.Kept()
                )
                assert self._client is not None
                self._events.phase("list")
                lister = load(instance, self._client)
                yield from self._counted(lister.records(self._selection, self.tally))
            except NotSignedOn as err:
                err.error.redact(own.redact)
                raise err.error from err.error.__cause__
            except BicError as err:
                err.redact(own.redact)
                raise
            finally:
                if self._client is not None:
                    self._client.close()

    def _counted(self, records: Iterator[Listed]) -> Iterator[Listed]:
        tally, limit = self.tally, self._selection.limit
        seen: set[int | bytes] = set()
        dead: set[int | bytes] = set()
        told: int | None = None
        for one in records:
            key = _key(one.recid)
            if key in seen:
                tally.repeated += 1
                if one.deleted or key not in dead:
                    continue
                dead.remove(key)  # restored since: whoever takes no deleted ones has not had it
                tally.deleted -= 1
            else:
                seen.add(key)
                tally.found += 1
                tally.deleted += one.deleted
                if one.deleted:
                    dead.add(key)
            if tally.expected != told:
                told = tally.expected
                self._events.started(told or 0, None)
            self._events.file_done(one.recid)
            yield one
            if self._stopped.is_set():
                raise Interrupted("The list was ended.")
            if limit is not None and tally.found - tally.deleted >= limit:
                tally.notes.append(f"ended after {limit} records, as asked")
                tally.expected = None
                return

    def stop(self) -> None:
        """End it from another thread; the iterator raises :class:`Interrupted`."""
        self._stopped.set()
        if self._client is not None:
            self._client.stop()


def list_records(
    options: JobOptions, selection: Selection, events: Events | None = None
) -> Listing:
    """List the records of a source; see :class:`Listing`."""
    return Listing(options, selection, events)


def load(instance: Instance, client: Client) -> Lister:
    """Make the lister for a server."""
    module, _, name = LISTERS[instance.pipeline].partition(":")
    made = getattr(import_module(f".{module}", __package__), name)
    return cast("Lister", made(instance, client))


def check(options: JobOptions, selection: Selection, faults: Sequence[str] = ()) -> None:
    """Refuse what cannot work, naming everything that is wrong in one message. Nothing is sent.

    :param faults: what the caller has found wrong already, one sentence each.
    :raises InputError: if anything is.
    """
    found = list(faults)
    hint = "bic list --help"
    if not options.source:
        raise Refused([*found, "--source is missing.", *selection.faults()])
    try:
        instance = access.instance_of(options)
    except InputError as err:
        if err.exit_code != InputError.exit_code:
            raise
        found += [err.message, *selection.faults()]
        raise Refused(found, err.hint or hint) from err
    if instance.pipeline not in LISTERS:
        found.append(f"Source {instance.name} cannot be listed.")
        raise Refused([*found, *selection.faults()], "bic sources")
    try:
        replace(options, url=None, recid="1").check(instance.pipeline)
    except InputError as err:
        found += err.message.split("\n")
    found += _faults_of_selection(instance, options, selection)
    if found:
        raise Refused(found, hint)


class _Probe(Selection):
    """A selection that is refused in any case."""

    def faults(self) -> Iterator[str]:
        """The faults, and one more."""
        yield from super().faults()
        yield ""


def _faults_of_selection(
    instance: Instance, options: JobOptions, selection: Selection
) -> list[str]:
    """What the lister of a source finds wrong before it asks anything."""
    plain = type(options)(source=options.source, base_url=options.base_url, config=options.config)
    guest = replace(instance, configured=False)  # so that no credential is looked for
    with log.job(None) as own:
        client = access.open_client(guest, None, plain, own, Silent())
        assert client is not None
        client.stop()
        values = {one.name: getattr(selection, one.name) for one in fields(Selection)}
        try:
            next(load(instance, client).records(_Probe(**values), Tally()), None)
        except Refused as err:
            return [one for one in err.faults if one]
        finally:
            client.close()
    raise AssertionError(f"the lister of {instance.pipeline} checks no selection")


def _key(recid: str) -> int | bytes:
    """An id in as few bytes as it takes; no two share one.

    :raises UpstreamError: if it cannot be an id: on a line of a list it would be read as several,
        as none (a comment, say), or as the address or DOI of another record.
    """
    is_line = recid.isprintable() and recid == recid.strip() and recid[:1] not in ("", "#", "{")
    if not is_line or "/" in recid:
        raise UpstreamError(
            "The list has something in it that cannot be an id.",
            where=f"{recid[:100]!r}",
            hint="the service may have changed; please report it",
        )
    is_number = recid.isascii() and recid.isdigit() and recid[0] != "0" and len(recid) < 19
    return int(recid) if is_number else recid.encode("utf-8", "surrogatepass")
