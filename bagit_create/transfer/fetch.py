"""All files of a record: what is finished already, what is copied, what is downloaded."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping, Sequence
from contextlib import closing, suppress
from dataclasses import replace
from functools import partial
from itertools import pairwise
from pathlib import Path
from tempfile import TemporaryDirectory
from threading import Lock, get_ident
from typing import Any

from .. import log
from ..checksums import Digests
from ..client import Client
from ..errors import TransferError
from ..log import now
from ..model import Events, Fetched, FileEntry, Held, Missing, Placed
from .checks import compare, web_addresses
from .copy import copy
from .download import Download
from .finished import fact, reusable, with_published
from .partial import Partial
from .pool import run
from .reuse import take_over
from .room import Room, total_of
from .tolerance import tolerant

SMALL = 64 * 1024
"""Bytes up to which a local file is copied in one thread with all others of its kind.

Copying it is nearly all interpreter, so that a second thread only gets in the way: measured,
100,000 files of 1 KiB take twice as long with two threads as with one.
"""
SMALL_FILE_S = 0.0002
"""Seconds of interpreter that a small file costs, measured."""
LONG_WAIT_S = 0.005
"""Seconds for an answer from which on no second look is needed whether the way is long."""


def fetch(
    placed: Sequence[Placed],
    bag: Path,
    *,
    client: Client | None,
    algorithms: tuple[str, ...],
    jobs: int,
    events: Events,
    parts: Path | None = None,
    finished: dict[str, dict[str, Any]] | None = None,
    finish: Callable[[dict[str, Any]], None] | None = None,
    allow_missing: bool = False,
    forgive: bool = False,
    max_size: int = 0,
    held: Mapping[str, Held] | None = None,
) -> tuple[tuple[Fetched, ...], tuple[Missing, ...]]:
    """Bring every file into the bag, or with ``parts=None`` only read and hash it.

    :param bag: the staged bag's folder.
    :param algorithms: digests of the manifests; those upstream published are computed too.
    :param parts: folder for the notes of downloads under way; None keeps no bytes.
    :param finished: what an earlier run left, by bag path (see :class:`~..sip.staging.Staging`).
    :param finish: told of every finished download.
    :param allow_missing: do without files that upstream withholds; optional ones always are.
    :param forgive: do without every file that cannot be had, whatever is wrong with it.
    :param max_size: bytes after which a file whose size nobody knows is given up; 0 for none.
    :param held: by bag path, files that an earlier package should have; a wrong one is fetched.
    :returns: the files that are here now, and those that upstream withheld.
    :raises TransferError, ChecksumMismatch, Unreachable: the first that happens ends the rest.
    """
    events.started(len(placed), total_of(placed))
    ended: list[bool] = []
    if parts is not None:
        for folder in {os.path.dirname(item.bagpath) for item in placed}:
            os.makedirs(bag / folder, exist_ok=True)

    def stop() -> None:
        ended.append(True)
        if client is not None:
            client.stop()

    def stopped() -> bool:
        return bool(ended) or (client is not None and client.stopped)

    reused = reusable(placed, bag, finished or {}, algorithms, jobs, stop, stopped)
    for left in reused.values():
        events.advanced(left.size)
        events.file_done(left.placed.bagpath)
    if reused:
        log.info(f"{len(reused)} files were finished by an earlier run and are not fetched again")
    missing, held = list[Missing](), held or {}
    todo = [item for item in placed if item.bagpath not in reused]
    transfer = _Transfer(
        bag, client, algorithms, events, parts, finish, stopped, total_of(todo), max_size
    )
    taken = [item for item in todo if item.bagpath in held]
    made = [item for item in todo if item.entry.maker is not None]
    local = [item for item in todo if item.entry.path is not None]
    remote = [i for i in todo if not (i.entry.path or i.entry.maker or i.bagpath in held)]
    small = [item for item in local if (item.entry.size or 0) <= SMALL]
    large = [item for item in local if (item.entry.size or 0) > SMALL]
    brief = [item for item in remote if (item.entry.size or SMALL + 1) <= SMALL]
    others = [item for item in remote if (item.entry.size or SMALL + 1) > SMALL]
    if jobs > 1:
        transfer.look_ahead(brief)
    cores = min(jobs, os.cpu_count() or 1)
    take_over = partial(transfer.take_over, held)
    for work, items, threads, useful in (
        (take_over, [i for i in taken if held[i.bagpath].size > SMALL], cores, None),
        (take_over, [i for i in taken if held[i.bagpath].size <= SMALL], 1, None),
        (transfer.copy, large, cores, None),
        (transfer.copy, small, 1, None),
        (transfer.download, brief, jobs, transfer.connections),
        (transfer.download, others, jobs, None),
        (transfer.make, made, 1, None),
    ):
        for one in run(tolerant(work, allow_missing, forgive), items, threads, stop, useful):
            if isinstance(one, Missing):
                missing.append(one)
            elif one is not None:
                reused[one.placed.bagpath] = one
    return tuple(reused[i.bagpath] for i in placed if i.bagpath in reused), tuple(missing)


class _Transfer:
    """What all files of one run share."""

    def __init__(
        self,
        bag: Path,
        client: Client | None,
        algorithms: tuple[str, ...],
        events: Events,
        parts: Path | None,
        finish: Callable[[dict[str, Any]], None] | None,
        stopped: Callable[[], bool],
        total: int | None,
        max_size: int,
    ) -> None:
        self._bag = str(bag)
        self._client = client
        self._algorithms = algorithms
        self._events = events
        self._parts = parts
        self._finish = finish
        self._stopped = stopped
        self._max_size = max_size
        self._begun = frozenset(os.listdir(parts) if parts is not None else ())
        self._following: dict[str, str] = {}
        """By the bag path of a small file the address of the next: its server may begin with it."""
        self._room = None if parts is None else Room(bag, total)
        self._workers: set[int] = set()
        self._lock = Lock()
        self._started = now()

    def look_ahead(self, brief: Sequence[Placed]) -> None:
        """These will be asked for one after the other."""
        for one, after in pairwise(brief):
            addresses = web_addresses(after.entry)
            if addresses and not self._begun:
                self._following[one.bagpath] = addresses[0]

    def _advanced(self, size: int) -> None:
        if self._room is not None:
            self._room.count(size)
        self._events.advanced(size)

    def copy(self, item: Placed) -> Fetched:
        """Copy one local file, or only hash it; one that upstream has too may come from there."""
        destination = f"{self._bag}/{item.bagpath}" if self._parts else None
        try:
            size, checksums = copy(
                item.entry,
                destination,
                with_published(self._algorithms, item.entry),
                self._advanced,
                self._stopped,
            )
            compare(item.entry, checksums, "its place on this machine")
        except TransferError as err:
            if not web_addresses(item.entry):
                raise
            log.info(f"{item.entry.name} is fetched by HTTP instead: {err.message}")
            if destination is not None:
                with suppress(FileNotFoundError):
                    os.unlink(destination)
            return self.download(item)
        self._events.file_done(item.bagpath)
        return Fetched(item, size, checksums, "", self._started, downloaded=self._parts is not None)

    def take_over(self, held: Mapping[str, Held], item: Placed) -> Fetched:
        """Take one file from an earlier package; a damaged one comes from upstream."""
        path = f"{self._bag}/{item.bagpath}"
        wanted, one = with_published(self._algorithms, item.entry), held[item.bagpath]
        fetched = take_over(item, one, path, wanted, self._advanced, self._stopped)
        if fetched is None:
            return self.download(item)
        self._note(fetched, item.entry)
        self._events.file_done(item.bagpath)
        return fetched

    def connections(self) -> int:
        """How many are of use for small files: as many as keep one interpreter busy.

        Each file waits for its server, then costs time that threads of one interpreter cannot
        share. Over loopback a second connection only gets in the way; at 20 ms all are of use.
        """
        assert self._client is not None
        waits = self._client.waits
        if not waits:
            return 1
        shortest = min(waits)
        if len(waits) < 3 and shortest < LONG_WAIT_S:
            return 1
        return 1 + int(shortest / SMALL_FILE_S)

    def download(self, item: Placed) -> Fetched:
        """Fetch one file over HTTP into the bag, and verify it."""
        assert self._client is not None
        part: Partial | None = None
        if self._parts is not None:
            path = f"{self._bag}/{item.bagpath}"
            part = Partial(path, item.bagpath, self._parts, item.entry, self._begun)
        one = Download(
            self._client,
            item.entry,
            part,
            with_published(self._algorithms, item.entry, "md5"),
            self._advanced,
            self._max_size,
        )
        self._workers.add(get_ident())
        following = self._following.get(item.bagpath)
        # Where several threads are at work, another one has taken the next file by now: an answer
        # that nobody reads would keep its connection until the end.
        if following is not None and len(self._workers) == 1 and self.connections() == 1:
            self._client.ahead(following)
        try:
            one.run()
        except TransferError as err:
            if part is not None and not err.resumable:
                part.remove()
            raise
        listed = item.entry
        if one.entry is not listed:
            item = replace(item, entry=one.entry)
        fetched = Fetched(
            item,
            one.received,
            one.checksums,
            one.url,
            now(),
            part is not None,
            one.http_status or None,
        )
        if part is not None:
            self._note(fetched, listed)
            part.done()
        self._events.file_done(item.bagpath)
        if log.is_followed():
            log.debug(f"fetched {item.bagpath} ({one.received} bytes) from {one.url}")
        return fetched

    def _note(self, fetched: Fetched, listed: FileEntry) -> None:
        """Have a finished file remembered, as upstream listed it."""
        if self._finish is not None:
            line = fact(fetched, listed)
            with self._lock:
                self._finish(line)

    def make(self, item: Placed) -> Fetched | None:
        """Have a file made, hashing it as it comes; None if there is no such file."""
        assert item.entry.maker is not None
        digests, size = Digests(with_published(self._algorithms, item.entry)), 0
        with TemporaryDirectory(prefix="make-", dir=self._parts) as scratch:
            made = os.devnull if self._parts is None else f"{scratch}/made.part"
            # What gives the bytes ends what it has begun, also where they cannot be written.
            with closing(item.entry.maker(Path(scratch), self._stopped)) as blocks:
                with open(made, "wb") as part:
                    for block in blocks:
                        part.write(block)
                        digests.update(block)
                        size += len(block)
                        self._advanced(len(block))
            if item.entry.if_any and not size:
                return None
            kept = self._parts is not None
            fetched = Fetched(item, size, digests.checksums(), "", now(), downloaded=kept)
            compare(item.entry, fetched.checksums, "its maker")
            if kept:
                os.replace(made, f"{self._bag}/{item.bagpath}")
                self._note(fetched, item.entry)
        self._events.file_done(item.bagpath)
        log.debug(f"made {item.bagpath} ({size} bytes)")
        return fetched
