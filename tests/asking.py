"""A process that asks a server for records: ``asking.py URL FOLDER THREADS [TOKEN]``.

It asks until its standard input ends, and prints the statuses it got.
"""

from __future__ import annotations

import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path

from bagit_create import budget
from bagit_create.client import Client
from bagit_create.credentials import Secret
from bagit_create.errors import BicError, Interrupted
from bagit_create.wire import Wire

MORE_S = 0.2
"""Seconds for which it is asked on when it is enough: what must not happen has its chance."""
LONGEST_S = 120.0
"""Seconds after which somebody waits in vain."""


def ask(client: Client, url: str, threads: int, enough: Callable[[], bool]) -> list[int]:
    """Ask from so many threads until it is enough, and a bit more.

    :returns: the statuses that were not waited for.
    """
    found: list[int] = []
    end = time.monotonic() + LONGEST_S
    ended = threading.Event()

    def one() -> None:
        while not ended.is_set():
            try:
                found.append(client.get(url, what="Record", allow=(404, 429)).status)
            except Interrupted:
                return
            except BicError as err:
                found.append(err.http_status or 0)

    asking = [threading.Thread(target=one) for _ in range(threads)]
    for thread in asking:
        thread.start()
    while time.monotonic() < end and not enough():
        time.sleep(0.01)
    time.sleep(MORE_S)
    ended.set()
    client.stop()
    for thread in asking:
        thread.join()
    client.close()
    return found


def main() -> None:
    """See above."""
    url, folder, threads, *token = sys.argv[1:]
    over = threading.Event()

    def read_on() -> None:
        sys.stdin.read()
        over.set()

    threading.Thread(target=read_on, daemon=True).start()
    budget.share(Path(folder))
    wire = Wire(url, token=Secret(token[0]) if token else None)
    client = Client(wire, retries=100, max_wait=3600)
    print(*ask(client, f"{url}/api/records/1", int(threads), over.is_set))


if __name__ == "__main__":
    main()
