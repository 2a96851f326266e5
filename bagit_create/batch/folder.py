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

import errno
import json
import os
import re
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path

from ..errors import InputError, SipError
from ..sip.disk import cannot_write
from . import jobfile
from .items import Item, read_shard
from .jobfile import JobFile

RETRIED = "retried.json"
"""In the folder of a later round: how many failures of each kind it takes up again."""
HASHED = 3
"""Hexadecimal digits of a folder's name in the hashed layout: 4,096 of them."""
MANY_RETRIED = 64
"""Into so many shards the records of a later round are cut, if there are as many."""
_NAME = re.compile(r"([0-9]{1,9})-([0-9]{1,9})")
_NUMBER = re.compile(r"[0-9]{1,9}")


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
        match = _NAME.fullmatch(name)
        if match is None:
            raise InputError(f"{name[:40]!r} is no shard.", hint="they are named as 01-000123")
        return cls(int(match[1]), int(match[2]))


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


def not_written(err: OSError, place: Path, what: str = "job folder") -> SipError:
    """The error for a job folder that cannot be written, or for a file about a job."""
    error = cannot_write(err, place)
    error.message = error.message.replace("package", what)
    error.hint = error.hint.replace("a --target", "a place").replace("--target", "place")
    if err.errno in (errno.EACCES, errno.EPERM) and what == "job folder":
        error.hint = "may you write to it, and to the folders in it?"
    return error


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
        self._retried: dict[int, dict[str, int]] = {}

    def shards(self) -> list[Shard]:
        """All shards there are by now, those of retries last.

        A round appears whole, so one that was seen need not be read again.
        """
        with suppress(FileNotFoundError):
            for name in os.listdir(self.shards_folder):
                if _NUMBER.fullmatch(name) and int(name) not in self._rounds:
                    numbers = (
                        one.removesuffix(".jsonl")
                        for one in os.listdir(self.shards_folder / name)
                        if one.endswith(".jsonl")
                    )
                    self._rounds[int(name)] = sorted(
                        int(one) for one in numbers if _NUMBER.fullmatch(one)
                    )
        return [
            Shard(number, one) for number in sorted(self._rounds) for one in self._rounds[number]
        ]

    def check(self) -> None:
        """Make sure that all shards are there, and the logs of those that are finished.

        :raises InputError: if some are not: a run would end without their records, or make them
            again.
        :raises SipError: if the folder cannot be read.
        """
        with reading(self.path):
            there = set(self.shards())
            every = {
                Shard(number, one)
                for number in range(1, max(self._rounds, default=1) + 1)
                for one in range(self._extent(number)[0])
            }
            if gone := len(every - there):
                raise InputError(
                    f"{gone} of the job's {len(every)} shards are not there any more.",
                    where=str(self.shards_folder),
                    hint="restore the folder, or make a new job of the list",
                )
            logged = {name.partition(".")[0] for name in os.listdir(self.logs)}
            lost = sorted(one.name for one in self.finished() if one.name not in logged)
        if lost:
            raise InputError(
                f"The logs of {len(lost)} finished shards are not there any more: nobody can tell"
                " which of their records have a package.",
                where=f"{self.logs}: {', '.join(lost[:5])}{' …' if len(lost) > 5 else ''}",
                hint="restore the folder; or remove the files of these names from its folder"
                " 'done', and all their records are made again",
            )

    def retried(self, number: int) -> dict[str, int]:
        """How many failures of each kind a later round takes up again.

        :raises InputError: if the round does not say so.
        :raises OSError: if that cannot be read.
        """
        if number not in self._retried:
            path = self.shards_folder / f"{number:02d}" / RETRIED
            try:
                facts = json.loads(path.read_text(encoding="utf-8"))
                counts = {str(kind): int(n) for kind, n in facts.items()}
                if min(counts.values()) < 1:
                    raise ValueError("no record")
                self._retried[number] = counts
            except FileNotFoundError as err:
                raise _damaged(f"{path} (not there)") from err
            except (*jobfile.DAMAGED, AttributeError) as err:
                raise _damaged(f"{path} ({type(err).__name__}: {err})") from err
        return self._retried[number]

    def _extent(self, number: int) -> tuple[int, int, int]:
        """The shards of a round, how many records each has but the last, and all of them."""
        if number == 1:
            return self.file.shards, self.file.shard_size, self.file.records
        records = sum(self.retried(number).values())
        size = retried_size(self.file, records)
        return -(-records // size), size, records

    def size_of(self, shard: Shard) -> int:
        """How many records a shard has.

        :raises InputError: if its round does not say so.
        :raises OSError: if that cannot be read.
        """
        _, size, records = self._extent(shard.round)
        return min(size, records - shard.number * size)

    def items(self, shard: Shard) -> list[Item]:
        """The records of a shard.

        :raises InputError: if there is no such shard, or it is damaged.
        """
        path = self.shards_folder / f"{shard.round:02d}" / f"{shard.number:06d}.jsonl"
        try:
            found = read_shard(path)
        except FileNotFoundError as err:
            raise InputError(f"The job has no shard {shard.name}.", where=str(self.path)) from err
        except jobfile.DAMAGED as err:
            raise _damaged(f"{path} ({type(err).__name__}: {err})") from err
        expected = self.size_of(shard)
        if len(found) != expected:
            raise _damaged(f"{path} ({len(found)} records, where {expected} were)")
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

    def reopen(self, shard: Shard) -> None:
        """Take back that a shard has come to its end: its log has lost how some records ended.

        :raises OSError: if that cannot be.
        """
        with suppress(FileNotFoundError):  # another run was quicker
            os.unlink(self.done / shard.name)

    def place_of(self, item: Item) -> Path:
        """The folder in which the package of a record appears."""
        if self.file.layout == "flat":
            return self.target
        return self.target / hashed_name(item)

    def every_item(self) -> Iterator[tuple[Shard, Item]]:
        """All records of all shards, in their order."""
        for shard in self.shards():
            for item in self.items(shard):
                yield shard, item


def hashed_name(item: Item) -> str:
    """The folder of a record in the hashed layout: the same in every job."""
    return sha256(f"{item.source}::{item.recid}".encode()).hexdigest()[:HASHED]


def retried_size(file: JobFile, records: int) -> int:
    """How many records each shard of a later round has."""
    return min(file.shard_size, max(1, records // MANY_RETRIED))


def _damaged(where: str) -> InputError:
    return InputError(
        "A shard of the job is damaged.",
        where=where,
        hint="restore it, or make a new job of the list",
    )
