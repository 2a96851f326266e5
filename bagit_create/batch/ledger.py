"""Claims and logs: which worker has a shard, and what became of its records.

The log of a worker for a shard is its claim too: ``logs/01-000123.0001.jsonl`` appears by one step
that succeeds once, and only its worker appends to it. It lives while it is touched now and then.
When it does not, or says that it was left, the next worker makes ``….0002.jsonl``, reads what came
before and goes on. The owner looks for such a file before each package gets its name.
"""

from __future__ import annotations

import errno
import json
import os
import re
import socket
import threading
import time
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from typing import Any

from ..errors import Interrupted, SipError
from ..sip import claim
from ..version import __version__
from .folder import JobFolder, Shard
from .jobfile import DAMAGED
from .outcome import MAKING, Outcome, Totals, from_line

_LOG = re.compile(r"(\d{2,}-\d{6,})\.(\d{4,})\.jsonl")
LEFT = '{"left":true}\n'
TAIL = 4096
"""Bytes at the end of a log that hold its last line."""


class Lost(Interrupted):
    """Another worker has taken this one for dead and its shard over."""

    resumable = False


class Gone(SipError):
    """The job folder was moved or removed while a run worked on it."""


def log_name(shard: Shard, generation: int) -> str:
    """The file of a claim."""
    return f"{shard.name}.{generation:04d}.jsonl"


def generations(job: JobFolder) -> dict[Shard, int]:
    """The last claim of each shard that had one."""
    found: dict[Shard, int] = {}
    for name in os.listdir(job.logs):
        if match := _LOG.fullmatch(name):
            shard = Shard.named(match[1])
            found[shard] = max(found.get(shard, 0), int(match[2]))
    return found


def lines(path: Path) -> Iterator[dict[str, Any]]:
    """The lines of a log; one that was cut when its machine went down does not count."""
    with path.open("rb") as file:
        for line in file:
            with suppress(ValueError, RecursionError):
                facts = json.loads(line)
                if isinstance(facts, dict):
                    yield facts


def last_line(path: Path) -> dict[str, Any]:
    """The last whole line of a log, ``{}`` if there is none; the rest is not read."""
    with path.open("rb") as file:
        size = file.seek(0, os.SEEK_END)
        file.seek(max(0, size - TAIL))
        for line in reversed(file.read().split(b"\n")):
            with suppress(ValueError, RecursionError):
                facts = json.loads(line)
                if isinstance(facts, dict):
                    return facts
    return {}


def read(
    job: JobFolder, shard: Shard, before: int
) -> tuple[dict[int, Outcome], dict[int, Outcome]]:
    """What the claims before this one made of a shard's records, by their numbers.

    :returns: those that have ended; those whose package was about to get its name, and may have it.
    """
    ended: dict[int, Outcome] = {}
    begun: dict[int, Outcome] = {}
    for generation in range(1, before):
        with suppress(FileNotFoundError):
            for facts in lines(job.logs / log_name(shard, generation)):
                with suppress(*DAMAGED):
                    outcome = from_line(facts)
                    (begun if outcome.state == MAKING else ended)[outcome.number] = outcome
    return ended, begun


def deaths(job: JobFolder, shard: Shard, before: int) -> int:
    """How many workers in a row, just before this claim, died before a record of theirs ended."""
    for generation in range(before - 1, 0, -1):
        with suppress(FileNotFoundError):
            for facts in lines(job.logs / log_name(shard, generation)):
                if "left" in facts or facts.get("state", MAKING) != MAKING:
                    return before - 1 - generation
    return before - 1


def head(path: Path) -> dict[str, Any]:
    """The first line of a log, which says whose it is; ``{}`` if it is not whole."""
    with path.open("rb") as file, suppress(ValueError, RecursionError):
        facts = json.loads(file.readline())
        if isinstance(facts, dict):
            return facts
    return {}


def file_clock(job: JobFolder) -> float:
    """What the clock of the job's file system says, in Unix seconds: those of two machines differ.

    :raises OSError: if the job folder cannot be written.
    """
    path = job.logs / f".clock-{os.getpid()}-{threading.get_ident()}"
    try:
        with path.open("wb") as file:
            return os.fstat(file.fileno()).st_mtime
    finally:
        with suppress(OSError):
            path.unlink()


def is_over(path: Path, clock: float) -> bool:
    """Whether the worker of a claim has left it, or is surely dead.

    :param clock: what the clock of the file system says now.
    """
    try:
        touched = path.stat().st_mtime
        if touched <= 0 or "left" in last_line(path):
            return True
        owner = head(path).get("owner")
    except FileNotFoundError:
        return False
    if not isinstance(owner, str):  # it was killed before it could say who it is
        return clock - touched > claim.OTHER_HOST_S
    return claim.is_abandoned(owner, touched, clock)


class Claim:
    """A shard that this worker has; see :func:`take`."""

    def __init__(self, job: JobFolder, shard: Shard, generation: int, owner: str, fd: int) -> None:
        self.shard = shard
        self.path = job.logs / log_name(shard, generation)
        self.ended, self.begun = read(job, shard, generation)
        self.deaths = deaths(job, shard, generation)
        self._next = job.logs / log_name(shard, generation + 1)
        self._owner = owner
        self._fd = fd
        self._torn = False

    def append(self, outcome: Outcome) -> None:
        """Note how a record ended.

        :raises OSError: if it cannot be written.
        """
        self._write(outcome.line())
        self.ended[outcome.number] = outcome

    def append_totals(self) -> None:
        """Note, for good, what became of the whole shard, so that nobody need count it again.

        The shard is finished after that: should the machine go down then, its log must be whole.

        :raises OSError: if it cannot be noted.
        """
        totals = Totals()
        for outcome in self.ended.values():
            totals.add(outcome)
        self._write(json.dumps({"totals": totals.as_dict()}) + "\n")
        os.fsync(self._fd)

    def _write(self, line: str) -> None:
        data = b"\n" * self._torn + line.encode()
        self._torn = os.write(self._fd, data) != len(data)
        if self._torn:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), str(self.path))

    def begin(self, outcome: Outcome) -> None:
        """Note, for good, that the package is about to get its name.

        :raises Lost: if another worker has the shard now; the package must not appear then.
        :raises Gone: if nobody sees the log any more where the job is; nor must it then.
        :raises OSError: if it cannot be noted.
        """
        self._write(replace(outcome, state=MAKING).line())
        os.fsync(self._fd)
        # In this order: whoever comes now reads that line, or is seen here.
        self.check()
        if not os.path.lexists(self.path):
            # A target in the job folder would be made anew in the old place.
            raise Gone(
                "The job folder is not there any more.",
                where=str(self.path),
                hint="was it moved? Run the job where it is now",
            )

    def check(self) -> None:
        """Make sure that the shard is still this worker's.

        :raises Lost: if it is not.
        """
        if os.path.lexists(self._next):
            raise Lost(
                "Another worker took this one for dead and its shard over.",
                where=str(self._next),
                hint="was this machine asleep?",
            )

    def beat(self) -> None:
        """Give a sign of life."""
        with suppress(OSError):  # a network file system may be away for a while
            os.utime(self._fd)

    def leave(self) -> None:
        """Let others go on with what is not finished."""
        try:
            self._write(LEFT)
        except OSError:  # the disk is full: that takes no room, and no other file is so old
            with suppress(OSError):
                os.utime(self._fd, (0, 0))

    def close(self) -> None:
        """This worker does no more about the shard."""
        os.close(self._fd)
        claim.release(self._owner)


def take(job: JobFolder, shard: Shard, generation: int) -> Claim | None:
    """Make a claim; None if another worker was quicker.

    :param generation: 1, or the number after that of a claim that is over.
    :raises OSError: if the job folder cannot be written.
    """
    owner = claim.own_name(shard.name)
    path = job.logs / log_name(shard, generation)
    first = {
        "owner": owner,
        "host": socket.gethostname(),
        "pid": os.getpid(),
        "bic": __version__,
        "at": round(time.time(), 3),
    }
    try:
        fd = _appear(path, (json.dumps(first) + "\n").encode(), job.logs / f".{owner}")
    except FileExistsError:
        claim.release(owner)
        return None
    except BaseException:
        claim.release(owner)
        raise
    return Claim(job, shard, generation, owner, fd)


def _appear(path: Path, first: bytes, draft: Path) -> int:
    """Make a file that appears with its first line, if no such file is there; open for appending.

    :raises FileExistsError: if there is one.
    """
    flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_APPEND | os.O_CLOEXEC
    fd = os.open(draft, flags, 0o644)
    try:
        os.write(fd, first)
        try:
            os.link(draft, path)
            return fd
        except FileExistsError:
            raise
        except OSError:  # no hard links here: it appears empty, for a moment
            os.close(fd)
            fd = -1
            own = os.open(path, flags, 0o644)
            os.write(own, first)
            return own
    except BaseException:
        if fd >= 0:
            os.close(fd)
        raise
    finally:
        with suppress(OSError):
            os.unlink(draft)
