"""Making a job folder: it appears whole, or not at all."""

from __future__ import annotations

import os
import secrets
import shutil
from array import array
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, replace
from hashlib import blake2b
from itertools import islice
from pathlib import Path

from ..errors import BicError, InputError
from ..log import now
from ..options import JobOptions
from ..sip import claim
from ..sip.disk import sync_folder
from . import jobfile
from .folder import JobFolder, not_written
from .items import Item, Lines
from .jobfile import LAYOUTS, JobFile

MANY_SHARDS = 1000
"""Into so many shards a job is cut, while they would be small."""
LARGEST_SHARD = 1000
"""Records of one; a worker that dies leaves at most so many log lines to read again."""
FLAT_UP_TO = 1000
"""Packages that may lie in one folder, unless it is asked for."""
FOLDERS = ("shards", "logs", "done", "budget")


@dataclass(frozen=True)
class Created:
    """A new job, and what of the list is not in it: ``repeated`` lines, ``deleted`` records.

    ``unended`` is the last line if it may be half of one; see :class:`Lines`.
    """

    job: JobFolder
    repeated: int
    deleted: int
    unended: str = ""


def create(
    path: Path,
    lines: Iterable[str],
    options: JobOptions,
    *,
    target: Path | None = None,
    shard_size: int | None = None,
    layout: str | None = None,
) -> Created:
    """Make a job folder from a list of records.

    :param path: the folder; it must not exist, or be empty.
    :param lines: ids, addresses, DOIs or JSON objects, as :class:`Lines` reads them.
    :param options: for every record. What is secret or belongs to one machine is given to
        :func:`bagit_create.batch.run` instead.
    :param target: where the packages go; ``packages`` in the job folder if None.
    :param shard_size: records a shard; by their number if None.
    :param layout: ``"flat"`` or ``"hashed"``; by the number of records if None.
    :raises InputError: if something cannot work, naming all of it.
    :raises SipError: if the folder cannot be written; nothing is left then.
    """
    _check(path, options, shard_size, layout)
    for name in ("config", "previous"):
        if (file := getattr(options, name)) is not None:
            options = replace(options, **{name: file.absolute()})
    path = path.absolute()
    with _draft(path) as made:
        for name in FOLDERS:
            (made / name).mkdir()
        reader = Lines(options)
        spool = made / "list"
        sources: dict[str, None] = {}
        digests = _spool(reader.read(lines), spool, sources)
        if not digests:
            raise InputError("The list names no record.", hint="one id or address a line")
        repeated = _repeated(digests)
        records = len(digests) - _count_again(spool, repeated)
        size = shard_size or max(1, min(LARGEST_SHARD, -(-records // MANY_SHARDS)))
        shards = write_round(made / "shards" / "01", _unique(spool, repeated), size)
        spool.unlink()
        file = JobFile(
            id=secrets.token_hex(8),
            created=now(),
            records=records,
            shards=shards,
            shard_size=size,
            target=str(target.absolute()) if target else "packages",
            layout=layout or ("flat" if records <= FLAT_UP_TO else "hashed"),
            sources=tuple(sources),
            options=options,
        )
        text = made / jobfile.NAME
        text.write_text(file.as_text(), encoding="utf-8")
        sync_folder(made)
        os.rename(made, path)
    with suppress(OSError):
        sync_folder(path.parent)
    return Created(JobFolder(path), len(digests) - records, reader.deleted, reader.unended)


@contextmanager
def _draft(path: Path) -> Iterator[Path]:
    """A hidden folder beside ``path``, in which that is made; in the end it is gone.

    :raises SipError: instead of :class:`OSError`; folders made on the way to it are gone then.
    """
    name = f".{path.name[:40]}.new"
    made = path.with_name(claim.own_name(name))
    above: list[Path] = []
    heartbeat = None
    try:
        for folder in reversed([one for one in path.parents if not os.path.lexists(one)]):
            folder.mkdir(exist_ok=True)
            above.append(folder)
        made.mkdir()
        heartbeat = claim.Heartbeat(made)
        for left in claim.others(path.parent, name, made)[1]:
            claim.remove(left)  # of one that was killed
        yield made
        above.clear()
    except OSError as err:
        raise not_written(err, path) from err
    finally:
        if heartbeat is not None:
            heartbeat.end()
        shutil.rmtree(made, ignore_errors=True)
        claim.release(made.name)
        with suppress(OSError):  # others use it now
            for folder in reversed(above):
                folder.rmdir()


def _check(path: Path, options: JobOptions, shard_size: int | None, layout: str | None) -> None:
    faults = []
    try:
        jobfile.plain_options(options)
    except InputError as err:
        faults += err.message.split("\n")
    if shard_size is not None and not 1 <= shard_size <= 1_000_000:
        faults.append("--shard-size is at least 1 and at most a million.")
    if layout is not None and layout not in LAYOUTS:
        faults.append(f"--layout is {' or '.join(LAYOUTS)}.")
    if options.is_local:
        faults.append("A list of records has no folders of this machine (source local).")
    if os.path.lexists(path) and not (path.is_dir() and not any(path.iterdir())):
        faults.append(f"{path} is there already; a job is made once.")
    elif path.is_dir() and path.samefile(Path()):  # it will be replaced, and who is in it is lost
        faults.append(f"{path} is the current folder; name one in it, or go elsewhere.")
    try:
        with_record(options).check()
    except BicError as err:
        faults += err.message.split("\n")
    if faults:
        raise InputError("\n".join(faults), hint="bic batch create --help")


def with_record(options: JobOptions) -> JobOptions:
    """The options with an invented record, so that the rest of them can be checked."""
    return replace(options, source=options.source or "any", recid="1")


def write_round(folder: Path, items: Iterable[Item], size: int) -> int:
    """Write the shards of one round, each of ``size`` records but the last; how many they are.

    :raises OSError: if they cannot be written.
    """
    folder.mkdir(parents=True)
    source = iter(items)
    count = 0
    while some := list(islice(source, size)):
        path = folder / f"{count:06d}.jsonl"
        with path.open("w", encoding="utf-8", newline="\n") as file:
            file.writelines(item.line() for item in some)
            file.flush()
            os.fsync(file.fileno())
        path.chmod(0o444)
        count += 1
    return count


# -- each record once ---------------------------------------------------------------------------
# A set of a million ids takes 150 MB; eight bytes a record, and a second look where two are the
# same, are enough.


def _key(source: str, recid: str) -> int:
    return int.from_bytes(blake2b(f"{source}\0{recid}".encode(), digest_size=8).digest())


def _spool(found: Iterable[tuple[str, str]], spool: Path, sources: dict[str, None]) -> array[int]:
    digests = array("Q")
    with spool.open("w", encoding="utf-8", newline="\n") as file:
        for source, recid in found:
            sources[source] = None
            digests.append(_key(source, recid))
            file.write(f"{source}\t{recid}\n")
    return digests


def _spooled(spool: Path) -> Iterator[tuple[str, str]]:
    with spool.open(encoding="utf-8", newline="\n") as lines:
        for line in lines:
            source, _, recid = line.rstrip("\n").partition("\t")
            yield source, recid


def _repeated(digests: array[int]) -> set[int]:
    """The digests that come more than once."""
    found: set[int] = set()
    before = None
    for one in sorted(digests):
        if one == before:
            found.add(one)
        before = one
    return found


def _count_again(spool: Path, repeated: set[int]) -> int:
    """How many lines name a record that came before."""
    if not repeated:
        return 0
    return sum(1 for _ in _spooled(spool)) - sum(1 for _ in _unique(spool, repeated))


def _unique(spool: Path, repeated: set[int]) -> Iterator[Item]:
    seen: set[tuple[str, str]] = set()
    number = 0
    for source, recid in _spooled(spool):
        if repeated and _key(source, recid) in repeated:
            if (source, recid) in seen:
                continue
            seen.add((source, recid))
        yield Item(number, source, recid)
        number += 1
