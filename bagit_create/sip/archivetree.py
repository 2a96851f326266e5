"""What of a bag goes into an archive, in which order, and reading it without being fooled."""

from __future__ import annotations

import hashlib
import os
import re
import stat
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from datetime import UTC, date, datetime
from pathlib import Path

from ..checksums import read_block
from ..errors import SipError
from ..log import is_text, visible

NAMED_AT_MOST = 20
LONGEST_PATH = 4095
"""Characters of a name in an archive: Linux unpacks no longer ones (PATH_MAX)."""
FILE_MODE, FOLDER_MODE = 0o100644, 0o040755
"""Of all members: what a mode is differs from copy to copy too."""
_CONTROL = re.compile(r"[\0-\x1f\x7f]")
_DATE = re.compile(rb"(?mi)^Bagging-Date[ \t]*:[ \t]*(\d{4})-(\d\d)-(\d\d)[ \t]*\r?$")
_EPOCH = date(1980, 1, 1)
"""The first day that a zip archive can tell."""
_LAST = date(2107, 12, 31)


def tree(bag: Path, prefix: str = "", form: str = "tar") -> list[str]:
    """The paths below a bag, folders with a ``/`` behind: bagit.txt, the other tag files, data/.

    The order is that of their bytes, the same on every system, and every folder comes before what
    is in it.

    :param prefix: what will stand before each path in the archive, which is of this ``form``.
    :raises SipError: naming links and special files, and names that no archive should have.
    """
    found: list[str] = []
    faults: list[str] = []
    todo = [""]
    while todo:
        folder = todo.pop()
        try:
            with os.scandir(f"{os.fspath(bag)}/{folder}") as entries:
                for entry in entries:
                    path = folder + entry.name
                    if fault := _fault(path, entry, prefix, form):
                        faults.append(f"{path}: {fault}")
                    elif entry.is_dir(follow_symlinks=False):
                        found.append(f"{path}/")
                        todo.append(f"{path}/")
                    else:
                        found.append(path)
        except OSError as err:
            raise _unreadable(folder or ".", err) from err
    if faults:
        raise SipError(
            "The package holds what an archive must not have.",
            where="; ".join(visible(one) for one in sorted(faults)[:NAMED_AT_MOST]),
            hint="change that in the package; archives hold regular files and folders, with names"
            " that every program unpacks in the same way",
        )
    # Code points have the order of their UTF-8 bytes.
    found.sort(key=lambda path: (path != "bagit.txt", path.startswith("data/"), path))
    return found


def _fault(path: str, entry: os.DirEntry[str], prefix: str, form: str) -> str:
    if entry.is_symlink():
        return "a symbolic link"
    if not entry.is_file(follow_symlinks=False) and not entry.is_dir(follow_symlinks=False):
        return "a special file"
    return fault_of(prefix + path, form)


def fault_of(path: str, form: str) -> str:
    """Why a name must not stand in an archive of this form; empty if it may."""
    if not is_text(path):
        return "a name that is not UTF-8"
    if "\\" in path:
        return "a backslash in its name, which some programs take for the end of a folder's"
    if form == "zip" and _CONTROL.search(path):
        return "a control character in its name, which unzip leaves out"
    if re.match("[A-Za-z]:", path):
        return "a name that begins like a drive"
    if len(path) > LONGEST_PATH:
        return f"a path of more than {LONGEST_PATH} characters"
    return ""


class Reader:
    """Reads a bag's files for an archive, each of them as it was when it was opened.

    ``files`` and ``bytes`` count what was read; :meth:`state` is a sum over names and times.
    """

    def __init__(self, bag: Path, on_bytes: Callable[[int], None] | None) -> None:
        self._bag = os.fspath(bag)
        self._on_bytes = on_bytes
        self._state = State()
        self.files = 0
        self.bytes = 0

    @contextmanager
    def opened(self, path: str) -> Iterator[Opened]:
        """Open a file, and see at the end whether it is still the same.

        :raises SipError: if it cannot be read, is no regular file, or changed meanwhile.
        """
        try:
            descriptor = os.open(
                f"{self._bag}/{path}", os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC
            )
        except OSError as err:
            raise _unreadable(path, err) from err
        try:
            before = os.fstat(descriptor)
            if not stat.S_ISREG(before.st_mode):
                raise _changed(path)
            yield Opened(descriptor, path, before.st_size, self._on_bytes)
            if facts(os.fstat(descriptor)) != facts(before):
                raise _changed(path)
            self._state.add(path, before)
            self.files += 1
            self.bytes += before.st_size
        finally:
            os.close(descriptor)

    def folder(self, path: str) -> None:
        """Note a folder that was packed."""
        self._state.add(path, None)

    def state(self) -> str:
        """What :func:`state_of` says as long as nothing in the bag changes."""
        return self._state.value()


class Opened:
    """A file that is being packed; ``size`` is in bytes."""

    def __init__(
        self, descriptor: int, path: str, size: int, on_bytes: Callable[[int], None] | None
    ) -> None:
        self._descriptor = descriptor
        self._path = path
        self._on_bytes = on_bytes
        self.size = size

    def blocks(self, again: bool = False) -> Iterator[memoryview]:
        """Its bytes, exactly ``size`` of them; a block is good until the next one.

        :param again: it will be gone through once more: this time does not count as progress.
        :raises SipError: if it is shorter or longer by now, or cannot be read.
        """
        left = self.size
        try:
            while block := read_block(self._descriptor):
                left -= len(block)
                if left < 0:
                    break
                yield block
                if not again and self._on_bytes is not None:
                    self._on_bytes(len(block))
                if not left:  # longer by now? that is seen by its times, without another call
                    break
            if left:
                raise _changed(self._path)
            if again:
                os.lseek(self._descriptor, 0, os.SEEK_SET)
        except OSError as err:
            raise _unreadable(self._path, err) from err

    def changed(self) -> SipError:
        """The error for a file that is not what it was a moment ago."""
        return _changed(self._path)


class State:
    """A sum over the names, sizes and times of a bag's files, in the order of an archive."""

    def __init__(self) -> None:
        self._sum = hashlib.sha256(usedforsecurity=False)

    def add(self, path: str, file: os.stat_result | None) -> None:
        """Add a file, or a folder."""
        self._sum.update(f"{path}\0{facts(file) if file else ''}\0".encode())

    def value(self) -> str:
        """The sum so far."""
        return self._sum.hexdigest()


def facts(file: os.stat_result) -> tuple[int, ...]:
    """What differs as soon as somebody writes to a file, or puts another one in its place."""
    return file.st_dev, file.st_ino, file.st_size, file.st_mtime_ns, file.st_ctime_ns


def state_of(bag: Path) -> str:
    """The sum over a bag as it is now; see :meth:`Reader.state`.

    :raises SipError: if it holds by now what cannot be packed.
    """
    state = State()
    for path in tree(bag):
        try:
            file = None if path.endswith("/") else os.lstat(f"{os.fspath(bag)}/{path}")
        except OSError as err:
            raise _unreadable(path, err) from err
        state.add(path, file)
    return state.value()


def bagging_date(bag: Path) -> date:
    """The day for all members of the archive: Bagging-Date, else the first that zip knows.

    Times of files differ from copy to copy, and archives of one bag should not.
    """
    try:
        with open(bag / "bag-info.txt", "rb", opener=_no_links) as file:
            match = _DATE.search(file.read(1 << 20))
        day = date(*map(int, match.groups())) if match else _EPOCH
    except (OSError, ValueError):
        return _EPOCH
    return day if _EPOCH <= day <= _LAST else _EPOCH


def seconds(day: date) -> int:
    """The first second of a day (UTC), since 1970."""
    return int(datetime(day.year, day.month, day.day, tzinfo=UTC).timestamp())


def total(bag: Path, paths: Iterable[str]) -> int:
    """The bytes of these files now.

    :raises SipError: if one of them is gone.
    """
    size = 0
    for path in paths:
        if not path.endswith("/"):
            try:
                size += os.lstat(f"{os.fspath(bag)}/{path}").st_size
            except OSError as err:
                raise _unreadable(path, err) from err
    return size


def _no_links(path: str, flags: int) -> int:
    return os.open(path, flags | os.O_NOFOLLOW | os.O_NONBLOCK)


def _changed(path: str) -> SipError:
    return SipError(
        "A file changed while it was packed.",
        where=visible(path),
        hint="leave the package alone meanwhile, and pack it again",
    )


def _unreadable(path: str, err: OSError) -> SipError:
    text = (err.strerror or str(err)).lower()
    return SipError(f"A part of the package cannot be read: {text}.", where=visible(path))
