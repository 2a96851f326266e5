"""One archive of a bag (BagIt 0.97 section 4): complete, verified, and the same for the same bag.

Times, owners and the order of members are fixed, so that two archives of one bag can be compared
by their checksums, wherever and by whom they were made.
"""

from __future__ import annotations

import hashlib
import os
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager, suppress
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Protocol

from ..errors import InputError, SipError
from ..options import ARCHIVES
from . import archivetree
from .archivetar import Tar, TarGz, Write
from .archivezip import Zip
from .disk import cannot_write, check_space, check_target, sync_folder
from .scratch import Scratch, give_name, taken

SIDECAR = ".sha256"
_MEMBER_BYTES = 1536
"""That a member takes beside its content, at most as a rule."""
_BUFFER = 1 << 20


class Form(Protocol):
    """An archive that is being written."""

    def folder(self, name: str) -> None:
        """Add a folder; its name ends with ``/``."""

    def file(self, name: str, source: archivetree.Opened) -> None:
        """Add a file."""

    def finish(self) -> None:
        """Write the end."""

    def patches(self) -> Iterator[tuple[int, bytes]]:
        """Bytes still to be written over others, and their offsets."""

    def close(self) -> None:
        """Let go of everything."""


@dataclass(frozen=True, slots=True)
class Packed:
    """An archive that was made.

    ``size`` is in bytes, ``files`` and ``bytes`` are what is in it. ``sha256`` is empty, and
    ``sidecar`` None, unless it was asked for. ``state`` is for :func:`is_unchanged`.
    """

    path: Path
    size: int
    files: int
    bytes: int
    sha256: str
    sidecar: Path | None
    state: str


def pack(
    bag: Path,
    archive: Path,
    form: str,
    *,
    flat: bool = False,
    jobs: int | None = None,
    on_bytes: Callable[[int], None] | None = None,
    verify: Callable[[Path], None] | None = None,
    sidecar: bool = False,
    place: Path | None = None,
) -> Packed:
    """Pack a bag. The archive gets its name once it is complete, verified and on the disk.

    :param archive: its path; the name without extension is that of the base directory in it.
    :param form: one of :data:`~bagit_create.options.ARCHIVES`.
    :param flat: leave the base directory out, as CERN's platform takes uploads. That is not what
        the specification of BagIt and SIPs says.
    :param jobs: threads for compressing; None takes one a core.
    :param on_bytes: called with the number of bytes read since the last call.
    :param verify: called with the path of the finished archive, which it reads; it raises if that
        is not what it should be.
    :param sidecar: write ``ARCHIVE.sha256`` too, as ``sha256sum -c`` reads it.
    :param place: a hidden folder on the same file system to write in; None makes one.
    :raises InputError: if the archive would lie in the bag, or be called otherwise than its form.
    :raises SipError: if the name is taken, the bag holds what no archive should have or changes
        meanwhile, or the archive cannot be written. Then nothing is left.
    """
    extension = ARCHIVES[form]
    base = archive.name.removesuffix(extension)
    if base in ("", ".", "..", archive.name):
        raise InputError(f"The name of the archive must end with {extension}.", where=str(archive))
    if not flat and (fault := archivetree.fault_of(base, form)):
        raise InputError(f"The package has {fault}.", where=str(bag))
    real = archive.parent.resolve()
    if real == bag.resolve() or bag.resolve() in real.parents:
        raise InputError("The archive would lie in the package itself.", where=str(archive))
    wanted = [archive, *([_beside(archive)] if sidecar else [])]
    for path in wanted:
        if os.path.lexists(path):
            raise taken(path)
    with _hidden(archive, place) as folder:
        staged = folder / archive.name
        packed = _write(bag, staged, "" if flat else f"{base}/", form, jobs, on_bytes, sidecar)
        if verify is not None:
            verify(staged)
        return _publish(staged, archive, packed)


@contextmanager
def _hidden(archive: Path, place: Path | None) -> Iterator[Path]:
    """A folder to write in, in which nothing stays; a target that was made for it goes too."""
    if place is not None:
        try:
            yield place
        finally:
            for path in (place / archive.name, _beside(place / archive.name)):
                path.unlink(missing_ok=True)
        return
    check_target(archive.parent)
    made: list[Path] = []
    try:
        _make(archive.parent, made)
        with Scratch(archive.parent, archive.name) as scratch:
            yield scratch.path
    except BaseException:
        for folder in reversed(made):
            with suppress(OSError):  # somebody else uses it by now
                folder.rmdir()
        raise


def _make(target: Path, made: list[Path]) -> None:
    """Make a folder and those above it; ``made`` gets what was not there."""
    missing = [one for one in (target, *target.parents) if not one.exists()]
    try:
        for folder in reversed(missing):
            folder.mkdir(exist_ok=True)
            made.append(folder)
    except OSError as err:
        raise cannot_write(err, target) from err


def _write(
    bag: Path,
    staged: Path,
    prefix: str,
    form: str,
    jobs: int | None,
    on_bytes: Callable[[int], None] | None,
    with_sum: bool,
) -> Packed:
    """Write the whole archive, and have it on the disk."""
    paths = archivetree.tree(bag, prefix, form)
    if form != "tar.gz":  # how far that shrinks nobody knows
        needed = archivetree.total(bag, paths) + _MEMBER_BYTES * len(paths)
        check_space(staged.parent, needed, 1)
    reader = archivetree.Reader(bag, on_bytes)
    hasher = hashlib.sha256() if with_sum else None
    try:
        with open(staged, "xb", buffering=_BUFFER) as file:

            def write(data: bytes | memoryview) -> None:
                file.write(data)
                if hasher is not None:
                    hasher.update(data)

            with closing(_form(form, bag, write, jobs, with_sum)) as made:
                _fill(made, paths, prefix, reader)
                file.flush()
                for place, content in made.patches():
                    os.pwrite(file.fileno(), content, place)
            os.fsync(file.fileno())
            size = os.fstat(file.fileno()).st_size
    except OSError as err:
        raise cannot_write(err, staged) from err
    total = hasher.hexdigest() if hasher else ""
    return Packed(staged, size, reader.files, reader.bytes, total, None, reader.state())


def _fill(made: Form, paths: list[str], prefix: str, reader: archivetree.Reader) -> None:
    if prefix:
        made.folder(prefix)
    for path in paths:
        if path.endswith("/"):
            made.folder(prefix + path)
            reader.folder(path)
        else:
            with reader.opened(path) as source:
                made.file(prefix + path, source)
    made.finish()


def _form(form: str, bag: Path, write: Write, jobs: int | None, with_sum: bool) -> Form:
    day = archivetree.bagging_date(bag)
    if form == "zip":
        return Zip(write, day, sums_first=with_sum)
    if form == "tar.gz":
        return TarGz(write, day, jobs or os.cpu_count() or 1)
    return Tar(write, day)


def _publish(staged: Path, archive: Path, packed: Packed) -> Packed:
    """Give the archive its name, and its sum."""
    sidecar = None
    if packed.sha256:
        sidecar = _beside(archive)
        hidden = _beside(staged)
        try:
            with open(hidden, "xb") as file:
                file.write(sidecar_line(packed.sha256, archive.name))
                file.flush()
                os.fsync(file.fileno())
        except OSError as err:
            raise cannot_write(err, sidecar) from err
    give_name(staged, archive)
    if sidecar is not None:
        try:
            give_name(hidden, sidecar)
        except BaseException:
            archive.unlink()
            raise
    _sync(archive.parent)
    return replace(packed, path=archive, sidecar=sidecar)


def _sync(folder: Path) -> None:
    try:
        with suppress(PermissionError):  # a folder that one may write to and not read
            sync_folder(folder)
    except OSError as err:
        raise cannot_write(err, folder) from err


def sidecar_line(value: str, name: str) -> bytes:
    """A line as ``sha256sum`` writes it: a name that would break it is marked and escaped."""
    plain = name.replace("\\", "\\\\").replace("\n", "\\n").replace("\r", "\\r")
    mark = "" if plain == name else "\\"
    return f"{mark}{value}  {plain}\n".encode("utf-8", "surrogateescape")


def _beside(archive: Path) -> Path:
    return archive.with_name(archive.name + SIDECAR)


def remove_packed(bag: Path, packed: Packed) -> None:
    """Remove a bag that was packed, unless it changed since; it vanishes in one step.

    :raises SipError: if it changed, or cannot be removed.
    """
    _require_unchanged(bag, packed, bag)
    with Scratch(bag.parent, bag.name) as scratch:
        hidden = scratch.path / bag.name
        try:
            os.rename(bag, hidden)
        except OSError as err:
            raise cannot_write(err, bag) from err
        try:  # from now on nobody finds it by its name; somebody may have been quicker
            _require_unchanged(hidden, packed, bag)
        except BaseException:
            scratch.keep = True  # rather than removed, should its name be taken meanwhile
            os.rename(hidden, bag)
            scratch.keep = False
            raise
    if scratch.remains:
        raise SipError("The package could not be removed whole.", where=str(scratch.path))
    _sync(bag.parent)


def _require_unchanged(place: Path, packed: Packed, bag: Path) -> None:
    if archivetree.state_of(place) != packed.state:
        raise SipError(
            "The package changed since it was packed, so it is not removed.",
            where=str(bag),
            hint="compare it with the archive",
        )
