"""The job folder: where the shards, claims and packages of a job are.

    JOB/job.json                      what the job is; a folder without it is no job
    JOB/shards/01/000123.jsonl        the records, never changed; round 02 and on are retries
    JOB/logs/01-000123.0001.jsonl     the log of the first worker that had this shard, and its claim
    JOB/done/01-000123                the shard has come to its end
    JOB/budget/                       what the servers allow, shared by the workers of a machine
    JOB/packages/                     the packages, unless the job names another target

Everything here is made by one step that succeeds for one process only (a new name), or written by
one process only. Nothing is locked: locks lie on network file systems.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path

from ..errors import InputError, SipError
from . import jobfile
from .items import Item, read_shard
from .jobfile import JobFile

RETRIED = "retried.json"
"""In the folder of a later round: how many failures of each kind it takes up again."""
HASHED = 3
"""Hexadecimal digits of a folder's name in the hashed layout: 4,096 of them."""


@dataclass(frozen=True, slots=True, order=True)
class Shard:
    """A shard: its round (1 is the first, later ones are retries) and number in it."""

    round: int
    number: int

    @property
    def name(self) -> str:
        """``01-000123``."""
        return f"{self.round:02d}-{self.number:06d}"

    @classmethod
    def named(cls, name: str) -> Shard:
        """The shard of that name.

        :raises InputError: if that is no name of a shard.
        """
        first, _, second = name.partition("-")
        if not (first.isdigit() and second.isdigit()) or len(name) > 20:
            raise InputError(f"{name[:40]!r} is no shard.", hint="they are named as 01-000123")
        return cls(int(first), int(second))


@contextmanager
def reading(place: Path) -> Iterator[None]:
    """Say in words that a job folder cannot be read.

    :raises SipError: instead of :class:`OSError`.
    """
    try:
        yield
    except OSError as err:
        raise SipError(
            f"The job folder cannot be read: {(err.strerror or str(err)).lower()}.",
            where=str(err.filename or place),
            hint="is all of it there, and may you read it?",
        ) from err


class JobFolder:
    """An existing job folder.

    :raises InputError: if it is none.
    """

    def __init__(self, path: Path) -> None:
        self.path = path.absolute()
        self.file: JobFile = jobfile.read(self.path)
        self.shards_folder = self.path / "shards"
        self.logs = self.path / "logs"
        self.done = self.path / "done"
        self.budget = self.path / "budget"
        self.target = self.path / self.file.target
        self._rounds: dict[int, list[int]] = {}

    def shards(self) -> list[Shard]:
        """All shards there are by now, those of retries last.

        A round appears whole, so one that was seen need not be read again.
        """
        with suppress(FileNotFoundError):
            for name in os.listdir(self.shards_folder):
                if name.isdigit() and int(name) not in self._rounds:
                    numbers = (
                        one.removesuffix(".jsonl")
                        for one in os.listdir(self.shards_folder / name)
                        if one.endswith(".jsonl")
                    )
                    self._rounds[int(name)] = sorted(int(one) for one in numbers if one.isdigit())
        return [
            Shard(number, one) for number in sorted(self._rounds) for one in self._rounds[number]
        ]

    def check(self) -> None:
        """Make sure that all shards of the list are there.

        :raises InputError: if some are not: a run would end without their records.
        """
        lost = self.file.shards - sum(one.round == 1 for one in self.shards())
        if lost > 0:
            raise InputError(
                f"{lost} of the job's {self.file.shards} shards are not there any more.",
                where=str(self.shards_folder),
                hint="restore the folder, or make a new job of the list",
            )

    def items(self, shard: Shard) -> list[Item]:
        """The records of a shard.

        :raises InputError: if there is no such shard, or it is damaged.
        """
        path = self.shards_folder / f"{shard.round:02d}" / f"{shard.number:06d}.jsonl"
        try:
            found = read_shard(path)
        except FileNotFoundError as err:
            raise InputError(f"The job has no shard {shard.name}.", where=str(self.path)) from err
        except (ValueError, KeyError, TypeError) as err:
            raise InputError(
                "A shard of the job is damaged.", where=f"{path} ({type(err).__name__}: {err})"
            ) from err
        size = self.file.shard_size
        expected = min(size, self.file.records - shard.number * size)
        if shard.round == 1 and len(found) != expected:
            raise InputError(
                "A shard of the job is damaged.",
                where=f"{path} ({len(found)} records, where {expected} were)",
                hint="restore it, or make a new job of the list",
            )
        return found

    def finished(self) -> set[Shard]:
        """The shards that have come to their end."""
        found = set()
        for name in os.listdir(self.done):
            with suppress(InputError):
                found.add(Shard.named(name))
        return found

    def finish(self, shard: Shard) -> None:
        """Note that a shard has come to its end."""
        with open(self.done / shard.name, "wb"):
            pass

    def place_of(self, item: Item) -> Path:
        """The folder in which the package of a record appears."""
        if self.file.layout == "flat":
            return self.target
        digest = sha256(f"{item.source}::{item.recid}".encode()).hexdigest()
        return self.target / digest[:HASHED]

    def every_item(self) -> Iterator[tuple[Shard, Item]]:
        """All records of all shards, in their order."""
        for shard in self.shards():
            for item in self.items(shard):
                yield shard, item
