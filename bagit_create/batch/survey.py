"""What became of a job so far, read from its folder."""

from __future__ import annotations

import time
from contextlib import suppress
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from .. import log
from .folder import JobFolder, Shard, not_written, reading
from .jobfile import DAMAGED
from .ledger import file_clock, generations, head, is_over, last_line, log_name, read
from .outcome import MOST, Totals

RECENT_S = 300.0
"""Seconds over which the present rate is taken."""


@dataclass(frozen=True, slots=True)
class Holder:
    """A worker that has a shard: on which host, as which process.

    ``silent`` is how many seconds ago it gave its last sign of life. One that is ``gone`` has left
    the shard, or is dead: another worker will take it over.
    """

    shard: str
    host: str
    pid: int
    silent: float
    gone: bool


@dataclass(slots=True)
class Survey:
    """A job in numbers.

    ``records`` are those of the list, ``totals`` what became of them by now, a retried one counted
    once. ``shards`` are those of all rounds, ``finished`` of them have come to their end. Of those
    that are ``cut``, too, but their logs have lost how some records ended (a machine went down, or
    the folder was restored in part): the next run takes these up again.
    ``rate`` is in records a second, over the last five minutes; ``seconds_left`` is what the rest
    takes at that rate, None if nothing moves.
    """

    records: int
    shards: int = 0
    finished: int = 0
    rounds: int = 1
    totals: Totals = field(default_factory=Totals)
    holders: list[Holder] = field(default_factory=list)
    rate: float = 0.0
    cut: list[Shard] = field(default_factory=list)

    @property
    def left(self) -> int:
        """Records that have not ended."""
        return max(0, self.records - self.totals.records)

    @property
    def complete(self) -> bool:
        """Whether every record has ended, well or not."""
        return self.finished == self.shards and not self.left

    @property
    def seconds_left(self) -> float | None:
        """Seconds until the end at the present rate."""
        return self.left / self.rate if self.rate else None

    def as_dict(self) -> dict[str, Any]:
        """As JSON can hold it."""
        return {
            "records": self.records,
            "left": self.left,
            "complete": self.complete,
            **self.totals.as_dict(),
            "shards": self.shards,
            "shards_finished": self.finished,
            "rounds": self.rounds,
            "rate": round(self.rate, 4),
            "seconds_left": self.seconds_left,
            "workers": [asdict(one) for one in self.holders],
        }


def survey(job: JobFolder) -> Survey:
    """Look at a job. Of shards that are finished only the last line is read.

    :raises SipError: if the folder cannot be read.
    """
    with reading(job.path):
        return _survey(job)


def _survey(job: JobFolder) -> Survey:
    every = job.shards()
    finished = job.finished()
    claimed = generations(job)
    found = Survey(job.file.records, len(every), len(finished & set(every)))
    found.rounds = every[-1].round if every else 1
    now = time.time()
    recent, begun = 0, now
    for shard in every:
        last = claimed.get(shard)
        if last is None:
            continue
        path = job.logs / log_name(shard, last)
        with suppress(FileNotFoundError):
            touched = path.stat().st_mtime
            totals = _noted(path) if shard in finished else None
            first = _number(head(path).get("at"))
            whole = totals is not None and first >= now - RECENT_S and last == 1
            if totals is None or (touched >= now - RECENT_S and not whole):
                ended = read(job, shard, last + 1)[0]
                fresh = [one.at for one in ended.values() if one.at >= now - RECENT_S]
                recent += len(fresh)
                begun = min([begun, *fresh])
                if totals is None:
                    totals = Totals()
                    for one in ended.values():
                        totals.add(one)
            elif whole:
                recent += totals.records
                begun = min(begun, first)
            found.totals.merge(totals)
            if shard in finished:
                if totals.records < job.size_of(shard) and is_over(path, now):
                    found.cut.append(shard)
            else:
                found.holders.append(_holder(shard, path, touched, now))
    _without_retried(job, {one.round for one in every}, found.totals)
    found.finished -= len(found.cut)
    found.rate = recent / max(now - begun, 1.0) if recent else 0.0
    return found


def _noted(path: Path) -> Totals | None:
    """The totals at the end of a log; None if it was finished without them."""
    with suppress(*DAMAGED):
        return Totals.from_dict(last_line(path)["totals"])
    return None


def _number(value: Any) -> float:
    return value if isinstance(value, (int, float)) and 0 <= value < MOST else 0.0


def _holder(shard: Shard, path: Path, touched: float, now: float) -> Holder:
    facts = head(path)
    return Holder(
        shard=shard.name,
        host=str(facts.get("host", "")),
        pid=int(_number(facts.get("pid"))),
        silent=round(max(0.0, now - touched), 1),
        gone=is_over(path, now),
    )


def _without_retried(job: JobFolder, rounds: set[int], totals: Totals) -> None:
    """Take out the failures that a later round takes up again: they are counted there.

    :param rounds: of which the shards were counted; others may have come meanwhile.
    """
    for number in sorted(rounds - {1}):
        for kind, count in job.retried(number).items():
            totals.failed[kind] = max(0, totals.failed.get(kind, 0) - count)
            if not totals.failed[kind]:
                del totals.failed[kind]


def take_up(job: JobFolder, found: Survey) -> None:
    """Give the workers what the logs have lost of shards that had come to their end.

    Those of which another machine has just written the end are left alone, whatever the clock of
    this one says: a network file system may show less of a log than there is, for a while.

    :raises SipError: if the job folder cannot be written.
    """
    if not found.cut:
        return
    try:
        clock, claimed = file_clock(job), generations(job)
        for shard in found.cut:
            if is_over(job.logs / log_name(shard, claimed.get(shard, 0)), clock):
                job.reopen(shard)
                log.warning(
                    f"the log of shard {shard.name} is not whole: what it has lost is taken up"
                    " again"
                )
    except OSError as err:
        raise not_written(err, job.path) from err
