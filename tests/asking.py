"""A process that asks a server for records: ``asking.py URL FOLDER THREADS SECONDS [TOKEN]``.

It prints the statuses it got, and the longest wait it was told.
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


def ask(
    client: Client,
    url: str,
    seconds: float,
    threads: int = 1,
    enough: Callable[[], bool] = lambda: False,
) -> list[int]:
    """Ask from so many threads for so long, or until it is enough and a bit more.

    :returns: the statuses that were not waited for.
    """
    found: list[int] = []
    end = time.monotonic() + seconds

    def one() -> None:
        while time.monotonic() < end:
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
    time.sleep(min(0.2, max(0.0, end - time.monotonic())))
    client.stop()
    for thread in asking:
        thread.join()
    client.close()
    return found


def main() -> None:
    """See above."""
    url, folder, threads, seconds, *token = sys.argv[1:]
    budget.share(Path(folder))
    wire = Wire(url, token=Secret(token[0]) if token else None)
    client = Client(wire, retries=100, max_wait=3600)
    print(*ask(client, f"{url}/api/records/1", float(seconds), int(threads)))


if __name__ == "__main__":
    main()
