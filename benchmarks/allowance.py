"""How much of an allowance is used, and how often a server has to refuse.

``python -m benchmarks.allowance`` runs a server on loopback that counts as Zenodo does (60 requests
a minute and 2,000 an hour, of which answers tell the former until the latter is broken), with its
minutes and hours made shorter, and asks it for two of its hours: from two processes with half of
the workers each, with one worker, and with others' way to ask beside ours. Everything answers and
waits as it does out there, only sooner; resets are told in milliseconds, as a whole second would be
half a minute there.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import random
import subprocess
import sys
import tempfile
import threading
import time
from contextlib import suppress
from contextvars import copy_context
from pathlib import Path
from typing import Any

from bagit_create import budget
from bagit_create.client import Client
from bagit_create.errors import BicError
from bagit_create.sandbox.limits import Limiter
from bagit_create.wire import Wire

from .table import Row
from .upstream import await_server, free_port

NAME = "allowance: 60 a minute, 2,000 an hour, 60 times faster, two hours"
OURS, KNOWN, EACH, NAIVE = (
    "bic, shared folder",
    "bic, limits known before",
    "bic, each process for itself",
    "requests + urllib3.Retry",
)


START_S = 1.5
"""Seconds until all processes that ask have started."""


async def serve(port: int, limiter: Limiter, latency: tuple[float, float]) -> None:
    """Answer until ended; ``/told`` tells what was counted."""

    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            while line := await reader.readline():
                while (await reader.readline()).strip():
                    pass
                path = line.decode("ascii").split(" ")[1]
                told: dict[str, str] = {}
                body, status = b"{}", "200 OK"
                if path == "/told":
                    windows = [[*limit, counts] for limit, counts in limiter.most.items()]
                    body = json.dumps([limiter.allowed, limiter.refusals, windows]).encode()
                else:
                    seconds = random.uniform(*latency)
                    await asyncio.sleep(seconds / 2)
                    allowed, told = limiter.take("", path)
                    await asyncio.sleep(seconds / 2)
                    status = status if allowed else "429 TOO MANY REQUESTS"
                head = [f"HTTP/1.1 {status}", f"Content-Length: {len(body)}"]
                head += [f"{name}: {value}" for name, value in told.items()]
                writer.write("\r\n".join([*head, "", ""]).encode("ascii") + body)
                await writer.drain()
        except (ConnectionError, ValueError, IndexError):
            pass
        finally:
            writer.close()

    async with await asyncio.start_server(answer, "127.0.0.1", port, backlog=256) as server:
        await server.serve_forever()


def ask(
    url: str, threads: int, way: str, folder: str, start: float, end: float, known: Any
) -> None:
    """Ask again and again from so many threads until it is time; one of the processes."""
    if way in (OURS, KNOWN):
        budget.share(Path(folder))

    def ours() -> None:
        client = Client(
            Wire(url), retries=10**6, max_wait=10**6, limits=known if way == KNOWN else ()
        )
        number = 0
        while time.time() < end:
            number += 1
            with suppress(BicError):
                client.get(f"{url}/api/records/{number}", what="Record")

    def naive() -> None:
        import requests
        from urllib3 import Retry

        session = requests.Session()
        retry = Retry(10**6, status_forcelist=[429], backoff_factor=0.1)
        session.mount("http://", requests.adapters.HTTPAdapter(max_retries=retry))
        while time.time() < end:
            session.get(f"{url}/api/records/1")

    time.sleep(max(0.0, start - time.time()))
    work = naive if way == NAIVE else ours
    for _ in range(threads):  # only copies of this context know what is shared in it
        threading.Thread(target=copy_context().run, args=(work,), daemon=True).start()
    time.sleep(max(0.0, end - time.time()))
    os._exit(0)  # some wait for an hour


def measure(
    way: str,
    workers: int,
    limits: tuple[tuple[int, float], ...],
    latency: tuple[float, float],
    hours: int,
) -> dict[str, Any]:
    """Ask for so many of the longest windows; what was refused, and what was used."""
    import requests

    port = free_port()
    url = f"http://127.0.0.1:{port}"
    seconds = hours * max(one[1] for one in limits)
    me = [sys.executable, "-m", "benchmarks.allowance"]
    served = [*me, "--serve", json.dumps([port, limits, latency])]
    with tempfile.TemporaryDirectory() as folder, subprocess.Popen(served) as server:
        asking: list[subprocess.Popen[bytes]] = []
        try:
            await_server(server, port)
            start = time.time() + START_S
            for threads in {1: [1]}.get(workers, [workers // 2, workers - workers // 2]):
                given = [url, threads, way, folder, start, start + seconds, [limits]]
                asking.append(subprocess.Popen([*me, "--ask", json.dumps(given)]))
            time.sleep(max(0.0, start + seconds - time.time()))
            allowed, refusals, windows = requests.get(f"{url}/told").json()
            files = [one for one in Path(folder).rglob("*") if one.is_file()]
            size = sum(one.stat().st_size for one in files)
        finally:
            for one in (*asking, server):
                one.terminate()
                one.wait()
    refused = len(refusals)
    # In so many hours the windows of each limit allow that much, and the least of it is allowed.
    most = min(number * seconds / length for number, length in limits)
    return {
        "way": way,
        "workers": workers,
        "limits": limits,
        "latency": latency,
        "allowed": allowed,
        "refused": refused,
        "refused part": refused / (allowed + refused),
        "used": allowed / most,
        "windows": [[number, length, max(counts)] for number, length, counts in windows],
        "last windows": {number: counts[-3:] for number, _, counts in windows},
        "refusals": [[when - start, number, end - start] for when, number, _, end in refusals],
        "folder": [len(files), size],
    }


def rows(scale: float) -> list[Row]:
    """The case as ``python -m benchmarks`` has it, its hour shorter by the scale."""
    limits = ((60, 1.0), (max(60, round(2000 * scale)), 60.0 * scale))
    made: list[Row] = []
    for way, workers in [(OURS, 1), (OURS, 8), (OURS, 64), (EACH, 8), (NAIVE, 8)]:
        row: Row = {"case": NAME, "from": "a server that counts", "scale": scale, "runs": 1}
        row |= {"load": round(os.getloadavg()[0], 1), "contender": f"{way}, {workers} workers"}
        try:
            row |= measure(way, workers, limits, (0.01, 0.025), 2)
        except Exception as err:
            made.append({**row, "outcome": f"failed: {err!r}"[:120]})
            continue
        row["outcome"] = f"{row['refused part']:.3%} refused, {row['used']:.1%} used"
        if way == OURS:
            row["met"] = row["refused part"] < 0.001 and row["used"] >= 0.95
            row["outcome"] += f" (asked: < 0.1 %, >= 95 %: {'met' if row['met'] else 'not met'})"
        made.append(row)
    return made


def main() -> None:
    """The command line."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.allowance", description=__doc__)
    parser.add_argument("--workers", type=int, action="append", help="1, 8 and 64")
    parser.add_argument("--way", action="append", choices=(OURS, KNOWN, EACH, NAIVE))
    parser.add_argument("--faster", type=float, default=30.0, help="how much sooner (30)")
    parser.add_argument("--limits", default="60/60 2000/3600", help="requests/seconds, out there")
    parser.add_argument("--latency", default="0.6-1.5", help="seconds of an answer, out there")
    parser.add_argument("--hours", type=int, default=2, help="of the longest limit (2)")
    parser.add_argument("--json", metavar="FILE", help="write the rows here too")
    parser.add_argument("--serve", help=argparse.SUPPRESS)
    parser.add_argument("--ask", help=argparse.SUPPRESS)
    given = parser.parse_args()
    if given.serve:
        port, told, latency = json.loads(given.serve)
        limiter = Limiter(tuple((number, length) for number, length in told), grain=0.001)
        with suppress(KeyboardInterrupt):
            asyncio.run(serve(port, limiter, (latency[0], latency[1])))
        return
    if given.ask:
        ask(*json.loads(given.ask))
        return
    limits = tuple(
        (int(number), float(length) / given.faster)
        for number, length in (one.split("/") for one in given.limits.split())
    )
    low, high = (float(one) / given.faster for one in given.latency.split("-"))
    found = []
    print(f"{'':<32}{'workers':>8}{'answers':>9}{'refused':>9}{'':>10}{'used':>8}")
    for way in given.way or (OURS, KNOWN, EACH, NAIVE):
        for workers in given.workers or (1, 8, 64):
            row = measure(way, workers, limits, (low, high), given.hours)
            found.append(row)
            print(
                f"{way:<32}{workers:>8}{row['allowed'] + row['refused']:>9}{row['refused']:>9}"
                f"{row['refused part']:>10.3%}{row['used']:>8.1%}",
                flush=True,
            )
    if given.json:
        Path(given.json).parent.mkdir(parents=True, exist_ok=True)
        Path(given.json).write_text(json.dumps(found, indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
