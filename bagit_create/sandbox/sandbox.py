"""All upstreams together, populated, with one switchboard."""

from __future__ import annotations

from collections.abc import Callable
from threading import Event, Thread
from typing import Any, NamedTuple

from .cod import cod
from .codimd import codimd
from .content import Content
from .faults import Fault, Switchboard
from .gitlab import gitlab
from .indico import indico
from .invenio_v1 import invenio_v1
from .limits import Limiter
from .records import inveniordm, zenodo
from .server import App, Seen, Server
from .shapes import File, Record
from .storage import Storage
from .videos import videos


class Part(NamedTuple):
    """Whose part an upstream plays, and what makes it, with its records."""

    host: str
    make: Callable[[Storage], App]


PARTS = {
    "cod": Part("opendata.cern.ch", cod),
    "cds": Part("cds.cern.ch", invenio_v1),
    "ilcdoc": Part("ilcdoc.linearcollider.org", invenio_v1),
    "zenodo": Part("zenodo.org", zenodo),
    "inveniordm": Part("inveniordm.web.cern.ch", inveniordm),
    "cds-rdm": Part("repository.cern", inveniordm),
    "cds-rdm-sandbox": Part("sandbox-cds-rdm.web.cern.ch", inveniordm),
    "cds-videos": Part("videos.cern.ch", videos),
    "gitlab": Part("gitlab.cern.ch", gitlab),
    "indico": Part("indico.cern.ch", indico),
    "ilcagenda": Part("agenda.linearcollider.org", indico),
    "codimd": Part("codimd.web.cern.ch", codimd),
}
SOURCES = {name: part.host for name, part in PARTS.items()}
"""The sources, and whose part they play."""


class Sandbox:
    """The upstreams, on loopback ports. Use as a context manager.

    :param port: the first port; the others follow it. 0 takes free ones.
    """

    def __init__(self, port: int = 0) -> None:
        self._port = port
        self._faults = Switchboard()
        self._ended = Event()
        self._servers: dict[str, Server] = {}
        self._apps: dict[str, Any] = {}
        self.seen: list[Seen] = []

    def __enter__(self) -> Sandbox:
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()

    def start(self) -> None:
        """Listen and answer."""
        storage = Storage()
        self._listen("storage", storage)
        for name, part in PARTS.items():
            app = part.make(storage)
            self._listen(name, app)
            app.base = self.url(name)
            app.storage_url = self.storage_url
            self._apps[name] = app

    def _listen(self, name: str, app: App) -> None:
        # The storage takes whatever is free: nobody types its address.
        offset = len(self._servers) - 1
        port = self._port + offset if self._port and name != "storage" else 0
        self._servers[name] = Server(name, app, port, self._faults, self.seen, self._ended)

    def stop(self) -> None:
        """End at once, in the middle of whatever is being sent."""
        self._ended.set()
        # All at once: each may take until its next look at the clock.
        ends = [Thread(target=server.stop) for server in self._servers.values()]
        for one in ends:
            one.start()
        for one in ends:
            one.join()

    def url(self, source: str) -> str:
        """The base address of a source, without a slash at the end."""
        return self._servers[source].url

    @property
    def storage_url(self) -> str:
        """The origin that some files are redirected to; it refuses credentials."""
        return self._servers["storage"].url

    def app(self, source: str) -> Any:
        """The upstream itself, to change what it holds and how it behaves."""
        return self._apps[source]

    def config_text(self) -> str:
        """The file for ``bic --config`` that points the sources here."""
        return "\n".join(
            f'[{name}]\nbase_url = "{self.url(name)}"\nhosts = ["{self.url(name)[7:]}", "{host}"]\n'
            for name, host in SOURCES.items()
        )

    def fault(
        self, pattern: str, fault: Fault, times: int | None = None, source: str | None = None
    ) -> None:
        """Have requests fail whose raw path matches a regular expression.

        :param times: how many of them; None means all.
        """
        self._faults.add(pattern, fault, times, source)

    def clear(self) -> None:
        """Forget all faults and all requests."""
        self._faults.clear()
        self.seen.clear()

    def limit(self, source: str, requests: int | None) -> None:
        """Answer 429 from the request after the next ``requests`` on; None lifts the limit."""
        self._apps[source].allowance = requests

    def keep_limits(self, source: str, limiter: Limiter) -> None:
        """Have a source count requests in windows, and refuse those that are too many."""
        self._faults.limiters[source] = limiter

    def add_record(
        self, source: str, recid: str, files: dict[str, bytes | int], **facts: Any
    ) -> None:
        """Put a record in place, or another one in its place.

        :param files: key to content; a number stands for so many generated bytes.
        :param facts: further fields of the record (see :class:`~.shapes.Record`).
        """
        app = self._apps[source]
        app.add(Record(recid, **facts))
        for key, content in files.items():
            self.add_file(source, recid, key, content)

    def add_file(
        self, source: str, recid: str, key: str, content: bytes | int, **facts: Any
    ) -> None:
        """Put a further file into a record; ``facts`` are fields of :class:`~.shapes.File`."""
        record = self._apps[source].records[recid]
        record.files[key] = File(key, Content(content, key), **facts)
