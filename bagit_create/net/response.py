"""The answer to one request, and what becomes of its connection."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress

from .connect import Connection, Connections
from .headers import Headers
from .http1 import Body, ProtocolError

SHORT = 64 * 1024
"""Bytes of an answer that nobody wants and that are read, so that its connection can be kept."""
SHORT_S = 1.0
"""Seconds for that: a new connection takes less."""


class Response:
    """The answer to one request; its body is still on the wire.

    ``status`` and ``headers`` are what came; ``body`` is read block by block.
    ``waited`` is how many seconds the server took to begin.
    """

    def __init__(
        self,
        status: int,
        headers: Headers,
        body: Body,
        waited: float,
        connection: Connection,
        connections: Connections,
        reusable: bool,
    ) -> None:
        self.status = status
        self.headers = headers
        self.body = body
        self.waited = waited
        self.at_end: Callable[[], None] | None = None
        """Called once when it is closed."""
        self._connection: Connection | None = connection
        self._connections = connections
        self._reusable = reusable

    def close(self) -> None:
        """Give the connection back, if the answer was read to its end; what is short is read."""
        connection, self._connection = self._connection, None
        if connection is None:
            return
        if self.at_end is not None:
            self.at_end()
        if self._reusable and not self.body.whole and (self.body.left or SHORT) < SHORT:
            with suppress(OSError, ProtocolError):
                connection.sock.settimeout(SHORT_S)
                while not self.body.whole:
                    self.body.read()
                connection.sock.settimeout(connection.timeout)
        if self._reusable and self.body.whole:
            self._connections.give_back(connection)
        else:
            self._connections.drop(connection)
