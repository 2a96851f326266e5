"""Lists records of the sandbox, through Python and through the command."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from faulty import instead, raw

from bagit_create.credentials import Secret
from bagit_create.errors import BicError
from bagit_create.listing import Listed, Selection, Tally, list_records
from bagit_create.options import JobOptions
from bagit_create.sandbox import Fault, Sandbox
from bagit_create.sandbox.crowd import Crowd, Run

Answer = subprocess.CompletedProcess[str]


@dataclass
class Done:
    """What a list brought, and what ended it if it broke off."""

    tally: Tally
    records: list[Listed] = field(default_factory=list)
    error: BicError | None = None

    @property
    def ids(self) -> list[str]:
        """The ids, in the order in which they came."""
        return [one.recid for one in self.records]


Lists = Callable[..., Done]


def lists_with(config: Path) -> Lists:
    """A function that lists; ``source`` and ``token`` are the job's, the rest is selected by."""

    def call(source: str, token: str = "", **selected: Any) -> Done:
        secret = Secret(token) if token else None
        options = JobOptions(source=source, token=secret, config=config, retries=1)
        listing = list_records(options, Selection(**selected))
        done = Done(listing.tally)
        try:
            for one in listing:
                done.records.append(one)
        except BicError as err:
            done.error = err
        return done

    return call


def lists_of(source: str, config: Path, token: str = "", **usual: Any) -> Lists:
    """A function that lists one source, and raises what ends its list; ``usual`` is selected by."""
    lists = lists_with(config)

    def call(token: str = token, **selected: Any) -> Done:
        done = lists(source, token, **{**usual, **selected})
        if done.error is not None:
            raise done.error
        return done

    return call


def answered(change: Callable[[Any], Any]) -> Fault:
    """A fault that changes the JSON of the right answer, in place or into what is returned."""

    def changed(text: bytes) -> bytes:
        body = json.loads(text)
        return json.dumps(change(body) or body).encode()

    return raw(instead(changed))


def crowd_of(sandbox: Sandbox, source: str, runs: list[Run]) -> Crowd:
    """Records that the search of a source finds."""
    crowd = Crowd(runs, "9{n:06}")
    sandbox.app(source).searches.crowd = crowd
    return crowd


def command(config: Path, *args: str, **how: Any) -> Answer:
    """``bic list`` as a program of its own."""
    return subprocess.run(
        [sys.executable, "-m", "bagit_create", "list", *args],
        env={**os.environ, "BIC_CONFIG": str(config)},
        capture_output=True,
        encoding="utf-8",
        timeout=60,
        **how,
    )
