"""One list: the lister is loaded, its records are counted, and each is handed out once."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from hashlib import blake2b
from importlib import import_module
from typing import TYPE_CHECKING, cast

from .. import access, log
from ..errors import InputError, Interrupted
from ..model import Events, Silent
from .base import Listed, Selection, Tally

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
    :param events: told of pauses.
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
        """Each record once.

        :raises BicError: as :meth:`Lister.records` does; what came before is good.
        """
        instance = access.instance_of(self._options)
        if instance.pipeline not in LISTERS:
            raise InputError(f"Source {instance.name} cannot be listed.", hint="bic sources")
        limit = self._selection.limit
        seen: set[bytes] = set()  # sixteen bytes a record, whatever its id
        with log.job(None) as own:
            access.hide_secrets(self._options, own)
            self._client = access.open_client(instance, None, self._options, own, self._events)
            assert self._client is not None
            try:
                for one in load(instance, self._client).records(self._selection, self.tally):
                    if self._stopped.is_set():
                        raise Interrupted("The list was ended.")
                    key = blake2b(one.recid.encode(), digest_size=16).digest()
                    if key in seen:
                        self.tally.repeated += 1
                        continue
                    if limit is not None and self.tally.found >= limit:
                        self.tally.notes.append(f"ended after {limit} records, as asked")
                        self.tally.expected = None
                        return
                    seen.add(key)
                    self.tally.found += 1
                    self.tally.deleted += one.deleted
                    yield one
            finally:
                self._client.close()

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
