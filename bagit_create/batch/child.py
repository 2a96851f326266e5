"""One process of a run: what it is told on standard input, and tells on standard output.

The first line of the input is :class:`Orders` as JSON: secrets go that way too, where no list of
processes shows them. The end of the input ends the work. The output is one JSON object a line.
"""

from __future__ import annotations

import json
import logging
import os
import resource
import sys
import threading
from collections.abc import Mapping
from contextlib import suppress
from contextvars import copy_context
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any

from .. import budget, log
from ..credentials import Secret
from ..errors import BicError, Interrupted
from ..main import failure
from ..options import JobOptions
from ..session import Sessions
from .crew import Crew
from .folder import JobFolder, Shard
from .harvest import Harvester
from .items import Item
from .outcome import Outcome
from .patience import PATIENCE_S

OPEN_FILES = 65_536
"""More than all workers of a process ever have open."""
TELL_S = 0.5
"""Seconds between two reports of what has moved."""


@dataclass(frozen=True, kw_only=True)
class Orders:
    """What one run of a job is given, and no job folder keeps.

    ``workers`` is how many records are made at the same time; ``wait`` whether to wait for shards
    that other workers have; ``part`` this run's part of what the servers allow, if other machines
    have the rest; ``patience`` the seconds to wait for a server that is not there; ``telling``
    whether to log what happens with each record. The others are those of :class:`JobOptions`.
    """

    workers: int = 1
    wait: bool = True
    part: float | None = None
    patience: float = PATIENCE_S
    token: Secret | None = None
    invcookie: Secret | None = None
    proxy: Secret | None = None
    cookies: Path | None = None
    cert: str | None = None
    workdir: Path | None = None
    config: Path | None = None
    telling: bool = False

    def options(self, job: JobFolder) -> JobOptions:
        """The options of every record of a job."""
        return replace(
            job.file.options,
            token=self.token,
            invcookie=self.invcookie,
            proxy=self.proxy,
            cookies=self.cookies,
            cert=self.cert,
            workdir=self.workdir,
            config=self.config or job.file.options.config,
        )

    def as_text(self) -> str:
        """As one line, with the secrets in it."""
        facts = {name: getattr(self, name) for name in self.__dataclass_fields__}
        for name, value in facts.items():
            if isinstance(value, Secret):
                facts[name] = value.value
            elif isinstance(value, Path):
                facts[name] = str(value)
        return json.dumps(facts)

    @classmethod
    def from_dict(cls, facts: Mapping[str, Any]) -> Orders:
        """What :meth:`as_text` wrote."""
        given = dict(facts)
        for name in ("token", "invcookie", "proxy"):
            given[name] = Secret(given[name]) if given[name] else None
        for name in ("cookies", "workdir", "config"):
            given[name] = Path(given[name]) if given[name] else None
        return cls(**given)


def crew_for(job: JobFolder, orders: Orders, events: Any, only: Shard | None = None) -> Crew:
    """The workers of this process; they keep within what the servers allow all those of the job."""

    def made() -> Crew:
        budget.share(job.budget, orders.part or 1.0)
        return Crew(
            job,
            events,
            partial(Harvester, orders.options(job), events, orders.telling, Sessions()),
            workers=orders.workers,
            wait=orders.wait,
            only=only,
            patience=orders.patience,
        )

    return copy_context().run(made)  # what this process does besides is no part of the job


class Teller:
    """Tells the parent what happens, now and then. Implements ``BatchEvents``."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._bytes = 0
        self._ended = threading.Event()
        self._lines: list[str] = []
        self._thread = threading.Thread(target=self._often, daemon=True)
        self._thread.start()

    def phase(self, name: str) -> None:
        """Nothing: there is a phase for each record."""

    def started(self, files: int, size: int | None) -> None:
        """Nothing."""

    def file_done(self, bagpath: str) -> None:
        """Nothing."""

    def advanced(self, count: int) -> None:
        """Count bytes."""
        with self._lock:
            self._bytes += count

    def waiting(self, seconds: float, why: str) -> None:
        """Tell of a pause."""
        self.tell({"wait": [seconds, log.redact(why)]})

    def record_done(self, item: Item, outcome: Outcome) -> None:
        """Tell of a record."""
        line = outcome.line().rstrip("\n")
        who = json.dumps([item.source, item.recid])
        with self._lock:
            self._lines.append(f'{{"item":{who},"outcome":{line}}}\n')

    def tell(self, facts: dict[str, Any]) -> None:
        """Tell something soon."""
        with self._lock:
            self._lines.append(json.dumps(facts) + "\n")

    def _often(self) -> None:
        while not self._ended.wait(TELL_S):
            self._flush()

    def _flush(self) -> None:
        with self._lock:
            lines, self._lines = self._lines, []
            if self._bytes:
                lines.append(f'{{"bytes":{self._bytes}}}\n')
                self._bytes = 0
        if lines:
            try:
                sys.stdout.write("".join(lines))
                sys.stdout.flush()
            except OSError:  # the parent is gone; its end of the input says so too
                os._exit(1)

    def close(self) -> None:
        """Tell the rest."""
        self._ended.set()
        self._thread.join()
        self._flush()


def _allow_more_files() -> None:
    """Let many workers have all the files and connections open that the system allows us."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    most = OPEN_FILES if hard == resource.RLIM_INFINITY else min(hard, OPEN_FILES)
    if soft != resource.RLIM_INFINITY and soft < most:
        with suppress(ValueError, OSError):
            resource.setrlimit(resource.RLIMIT_NOFILE, (most, hard))


def main(facts: Mapping[str, Any]) -> None:
    """Work as the orders say, until all is done or the input ends."""
    orders = Orders.from_dict(facts["orders"])
    _allow_more_files()
    level = logging.DEBUG if orders.telling else logging.WARNING
    logging.basicConfig(stream=sys.stderr, format="%(message)s", level=logging.CRITICAL)
    log.STANDARD.setLevel(level)
    teller = Teller()
    code = 0
    try:
        job = JobFolder(Path(facts["job"]))
        crew = crew_for(job, orders, teller)

        def listen() -> None:
            sys.stdin.buffer.read()
            crew.stop()

        threading.Thread(target=listen, daemon=True).start()
        crew.wait()
    except BicError as err:
        code = err.exit_code if not isinstance(err, Interrupted) else 130
        teller.tell({"fatal": failure(err)})
    except Exception as err:  # a bug, which the parent tells
        code = 1
        text = f"Unexpected error, please report it: {type(err).__name__}: {err}"
        teller.tell({"fatal": failure(BicError(log.redact(text)))})
    teller.close()
    os._exit(code)  # threads that wait for a server end with the process
