"""What one process knows of a job's shards: which are free, and which of ours are alive."""

from __future__ import annotations

import os
import threading
from collections import deque
from collections.abc import Iterator
from contextlib import contextmanager
from zlib import crc32

from .folder import JobFolder, Shard
from .ledger import Claim, file_clock, generations, is_over, log_name, take

BEAT_S = 15.0
"""Seconds between two signs of life; :mod:`bagit_create.sip.claim` says how many may be missed."""


class Board:
    """Hands out claims to the workers of one process, and keeps them alive. Safe to use from many
    threads; :meth:`close` it."""

    def __init__(self, job: JobFolder) -> None:
        self._job = job
        self._lock = threading.Lock()
        self._free: deque[tuple[Shard, int]] = deque()
        self._done: set[Shard] = set()
        self._alive: set[Claim] = set()
        self._closed = threading.Event()
        self._thread: threading.Thread | None = None

    def next(self) -> Claim | None:
        """Claim a shard that nobody works on; None if there is none just now.

        :raises OSError: if the job folder cannot be read or written.
        """
        with self._lock:
            while True:
                if not self._free and not self._look():
                    return None
                shard, generation = self._free.popleft()
                claimed = take(self._job, shard, generation)
                if claimed is not None:
                    return claimed

    def claim(self, shard: Shard) -> Claim | None:
        """Claim this very shard; None if another worker has it.

        :raises InputError: if there is no such shard.
        :raises OSError: if the job folder cannot be read or written.
        """
        self._job.items(shard)
        last = generations(self._job).get(shard, 0)
        if last and not is_over(self._job.logs / log_name(shard, last), file_clock(self._job)):
            return None
        return take(self._job, shard, last + 1)

    def is_done(self, shard: Shard) -> bool:
        """Whether a shard has come to its end."""
        return shard in self._job.finished()

    def finished(self, shard: Shard) -> None:
        """A shard has come to its end here."""
        with self._lock:
            self._done.add(shard)

    def all_done(self) -> bool:
        """Whether every shard there is by now has come to its end."""
        return set(self._job.shards()) <= self._job.finished()

    def _look(self) -> bool:
        """Find the shards that are free; False if there are none."""
        self._done |= self._job.finished()
        claimed = generations(self._job)
        free, held = [], []
        for shard in self._job.shards():
            if shard in self._done:
                continue
            if shard in claimed:
                held.append(shard)
            else:
                free.append((shard, 1))
        if free:
            # Processes that begin at different places are seldom in each other's way.
            begin = crc32(f"{os.getpid()} {os.uname().nodename}".encode()) % len(free)
            self._free.extend(free[begin:] + free[:begin])
            return True
        clock = file_clock(self._job) if held else 0.0
        for shard in held:
            if is_over(self._job.logs / log_name(shard, claimed[shard]), clock):
                self._free.append((shard, claimed[shard] + 1))
        return bool(self._free)

    # -- signs of life ------------------------------------------------------------------------

    @contextmanager
    def beating(self, claimed: Claim) -> Iterator[None]:
        """Keep a claim alive while this lasts."""
        with self._lock:
            self._alive.add(claimed)
            if self._thread is None:
                thread = threading.Thread(target=self._beat, name="bic-batch", daemon=True)
                thread.start()
                self._thread = thread
        try:
            yield
        finally:
            with self._lock:
                self._alive.discard(claimed)

    def _beat(self) -> None:
        while not self._closed.wait(BEAT_S):
            with self._lock:
                for claimed in self._alive:
                    claimed.beat()

    def close(self) -> None:
        """No more signs of life."""
        self._closed.set()
        if self._thread is not None:
            self._thread.join()
