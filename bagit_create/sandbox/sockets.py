"""A server of threads that can be ended in the middle of everything."""

from __future__ import annotations

import fcntl
import socket
import struct
import termios
import time
from contextlib import suppress
from http.server import ThreadingHTTPServer
from threading import Event, Lock, Thread, current_thread
from typing import Any

ARRIVED_S = 10.0
"""Seconds after which a client that reads nothing is not waited for."""


class Sockets(ThreadingHTTPServer):
    """Listens, and knows its connections."""

    request_queue_size = 256
    daemon_threads = True
    block_on_close = False

    def __init__(self, *args: Any) -> None:
        self._lock = Lock()
        self._open: dict[Thread, socket.socket] = {}
        super().__init__(*args)

    def process_request(self, request: Any, client_address: Any) -> None:
        """Give the connection a thread, and remember both."""
        thread = Thread(target=self._converse, args=(request, client_address), daemon=True)
        with self._lock:
            self._open[thread] = request
        thread.start()

    def _converse(self, request: Any, client_address: Any) -> None:
        try:
            self.process_request_thread(request, client_address)
        finally:
            with self._lock:
                self._open.pop(current_thread(), None)

    def cut_off(self) -> None:
        """Close the connections that are open, and wait for their threads."""
        with self._lock:
            open_ones = list(self._open.items())
        for _, connection in open_ones:
            with suppress(OSError):
                connection.shutdown(socket.SHUT_RDWR)
        for thread, _ in open_ones:
            thread.join(1)

    def handle_error(self, request: Any, client_address: Any) -> None:
        """A client that goes away is no event."""


def reset(connection: socket.socket, ended: Event) -> None:
    """Break a connection when all that was sent has arrived: a reset would overtake it.

    :param ended: set when nobody is to wait any more.
    """
    waiting = bytes(4)
    with suppress(OSError):  # the other side may be gone, and not every system tells
        until = time.monotonic() + ARRIVED_S
        while any(waiting := fcntl.ioctl(connection, termios.TIOCOUTQ, waiting)):
            if ended.wait(0.001) or time.monotonic() > until:
                break
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    connection.close()
