"""Taking up failed records again: they become the shards of a new round."""

from __future__ import annotations

import json
import os
import re
import secrets
import shutil
import time
from collections import Counter
from collections.abc import Collection, Iterator
from contextlib import suppress
from pathlib import Path

from ..errors import InputError, SipError
from ..sip.disk import sync_folder
from .create import write_round
from .folder import RETRIED, JobFolder, not_written, reading, retried_size
from .history import History
from .items import Item
from .outcome import FAILED, Outcome

TRANSIENT = ("Unreachable",)
"""Failures that may go away by themselves."""
_DRAFT = re.compile(r"\.([0-9]{2,9})\.[0-9a-f]{8}")


def last_outcomes(job: JobFolder) -> Iterator[tuple[Item, Outcome | None, int]]:
    """Each record of the list in its order, how it ended last (None: not yet), and in which round.

    Memory holds one shard a round.
    """
    for entry in History(job, time.time()).entries():
        yield entry.item, entry.outcome, entry.round


def retry(path: Path, kinds: tuple[str, ...] = ()) -> tuple[int, Counter[str]]:
    """Give failed records to the workers again.

    :param path: the job folder.
    :param kinds: only failures of these kinds: classes of :mod:`bagit_create.errors` or exit codes;
        all of them if empty.
    :returns: how many records, and how many of each kind. The round is there when this returns.
    :raises InputError: if it is no job folder, or a kind is none.
    :raises SipError: if the folder cannot be written, or another retry is quicker.
    """
    job = JobFolder(path)
    wanted = known_kinds(kinds)
    job.check()
    # Before the logs are read, which takes its time: a retry that comes in between has this number
    # then, and its records are not given out a second time.
    number = job.shards()[-1].round + 1
    counts: Counter[str] = Counter()
    items = []
    with reading(job.path):
        for item, outcome, _ in last_outcomes(job):
            if outcome is None or outcome.state != FAILED:
                continue
            if not wanted or outcome.error in wanted or str(outcome.exit_code) in wanted:
                items.append(item)
                counts[outcome.error] += 1
    if not items:
        return 0, counts
    made = job.shards_folder / f".{number:02d}.{secrets.token_hex(4)}"
    final = job.shards_folder / f"{number:02d}"
    try:
        write_round(made, items, retried_size(job.file, len(items)))
        (made / RETRIED).write_text(json.dumps(counts), encoding="utf-8")
        sync_folder(made)
        os.rename(made, final)  # it never replaces a folder with something in it
        sync_folder(job.shards_folder)
    except OSError as err:
        if final.exists():
            raise SipError("Another retry of this job is under way.", where=str(final)) from err
        raise not_written(err, job.path) from err
    finally:
        shutil.rmtree(made, ignore_errors=True)
    _remove_drafts(job, number)
    return len(items), counts


def _remove_drafts(job: JobFolder, number: int) -> None:
    """Remove what retries have left that were killed, or come too late.

    :param number: of a round that is there: no other one can get its name.
    """
    with suppress(OSError):
        for one in os.listdir(job.shards_folder):
            match = _DRAFT.fullmatch(one)
            if match and int(match[1]) <= number:
                shutil.rmtree(job.shards_folder / one, ignore_errors=True)


def known_kinds(kinds: Collection[str]) -> set[str]:
    """The same kinds of failure, each of which there is.

    :param kinds: classes of :mod:`bagit_create.errors` or exit codes.
    :raises InputError: if one is neither.
    """
    from .. import errors

    found = set()
    for kind in kinds:
        known = getattr(errors, kind, None)
        if not kind.isdigit() and not (
            isinstance(known, type) and issubclass(known, errors.BicError)
        ):
            names = [
                name
                for name, one in vars(errors).items()
                if isinstance(one, type) and issubclass(one, errors.BicError)
            ]
            raise InputError(
                f"{kind} is no kind of failure.", hint="an exit code, or " + ", ".join(names)
            )
        found.add(kind)
    return found
