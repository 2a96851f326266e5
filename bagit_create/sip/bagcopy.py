"""A finished bag copied to another file system, and compared with its manifests on both sides."""

from __future__ import annotations

import errno
import os
import stat
from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from pathlib import Path
from threading import Event, Lock

from ..checksums import MANIFEST_ALGORITHMS, hasher, read_block
from ..errors import Interrupted, InvalidSip
from ..model import Events
from .disk import sync

NAMED_AT_MOST = 20
UNREADABLE = "The package cannot be read in the work folder."
_NOT_ITS_FAULT = (
    *(errno.EMFILE, errno.ENFILE, errno.ENOMEM),
    *(errno.ENODEV, errno.ENOTCONN, errno.ESTALE, errno.ETIMEDOUT),
)
"""Too many files are open, memory is short, or a network file system is away."""
_READ = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC
_WRITE = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC


class BagCopy:
    """One bag that is copied; call :meth:`run` once.

    :param bag: a finished bag of ours, of which nothing changes meanwhile.
    :param to: where to; nothing must be there.
    :param jobs: threads: most of a small file's time is that of a network file system.
    :param verify: whether to read the copy.
    :param stopped: asked after each block whether to end.
    """

    def __init__(
        self,
        bag: Path,
        to: Path,
        *,
        jobs: int,
        verify: bool,
        events: Events,
        stopped: Callable[[], bool],
    ) -> None:
        self._bag = bag
        self._to = to
        self._jobs = max(1, jobs)
        self._verify = verify
        self._events = events
        self._stopped = stopped
        self._algorithm, self._listed = _listed(bag)
        self._copied: dict[str, tuple[int, str]] = {}
        self.left = 0
        """Bytes that are still to be written."""

    def run(self) -> None:
        """Copy, have the copy on the disk, and read it from there.

        Every file is hashed while it is copied, and once more when the copy is read.

        :raises InvalidSip: if the bag is not what its manifests say, or the copy not what it is.
        :raises Interrupted: if it was stopped.
        :raises OSError: if the copy cannot be written or read.
        """
        folders, sizes = _tree(self._bag)
        self.left = sum(sizes.values())
        self._events.started(0, self.left * (2 if self._verify else 1))
        for folder in ("", *folders):
            os.mkdir(f"{self._to}/{folder}")
        self._each(self._copy, sizes)
        self._compare(sizes)
        sync(self._to)
        if self._verify:
            self._read_back()

    def _compare(self, sizes: dict[str, int]) -> None:
        """Make sure that what was read is what the manifests say."""
        absent = self._listed.keys() - self._copied.keys() - _promised(self._bag)
        wrong = [f"{path}: it is missing" for path in absent]
        for path, (size, value) in self._copied.items():
            if value != self._listed.get(path, value) or size != sizes[path]:
                wrong.append(f"{path}: it is not what its manifest says")
        if wrong:
            raise _invalid("The package changed in the work folder before it was copied.", wrong)

    def _read_back(self) -> None:
        wrong: list[str] = []

        def check(path: str) -> None:
            found, expected = self._digest(path), self._copied[path]
            if found != expected:
                wrong.append(
                    f"{path}: expected {expected[0]} bytes, {expected[1]};"
                    f" on disk are {found[0]} bytes, {found[1]}"
                )

        self._each(check, self._copied)
        if wrong:
            raise _invalid(
                "What was copied to the target is not what was staged: its disk gave other bytes"
                " back.",
                wrong,
            )

    def _copy(self, path: str) -> None:
        try:
            source = os.open(f"{self._bag}/{path}", _READ)
        except OSError as err:
            raise _unreadable(path, err) from err
        sink, size, sums = -1, 0, hasher(self._algorithm)
        try:
            facts = os.fstat(source)
            sink = os.open(f"{self._to}/{path}", _WRITE, stat.S_IMODE(facts.st_mode))
            while block := _block(source, path):
                left = block
                while left:
                    left = left[os.write(sink, left) :]
                sums.update(block)
                size += len(block)
                self._advance(len(block))
        finally:
            os.close(source)
            if sink >= 0:
                os.close(sink)  # network file systems tell here what they could not write
        self._copied[path] = size, sums.hexdigest()
        self.left -= size

    def _digest(self, path: str) -> tuple[int, str]:
        """Read a file as the disk has it, not as memory does: its size in bytes and digest."""
        source = os.open(f"{self._to}/{path}", _READ)
        try:
            if hasattr(os, "posix_fadvise"):  # not on macOS
                with suppress(OSError):
                    os.posix_fadvise(source, 0, 0, os.POSIX_FADV_DONTNEED)
            size, sums = 0, hasher(self._algorithm)
            while block := read_block(source):
                sums.update(block)
                size += len(block)
                self._advance(len(block))
            return size, sums.hexdigest()
        finally:
            os.close(source)

    def _advance(self, count: int) -> None:
        self._events.advanced(count)
        if self._stopped():
            raise Interrupted("The run was ended while the package was copied to the target.")

    def _each(self, work: Callable[[str], None], paths: Iterable[str]) -> None:
        """Call ``work`` for every path, in threads; the first error ends it."""
        todo, lock, failed = iter(paths), Lock(), Event()

        def take_turns() -> None:
            while not failed.is_set():
                with lock:
                    path = next(todo, None)
                if path is None:
                    return
                try:
                    work(path)
                except BaseException:
                    failed.set()
                    raise

        with ThreadPoolExecutor(self._jobs) as pool:
            waiting = [pool.submit(take_turns) for _ in range(self._jobs)]
            try:
                for one in waiting:
                    one.result()
            except BaseException:  # Ctrl-C, say
                failed.set()
                raise


def _tree(bag: Path) -> tuple[list[str], dict[str, int]]:
    """Folders, each after the one it is in, and files with their sizes.

    :raises InvalidSip: if anything else is in the bag.
    """
    folders: list[str] = []
    sizes: dict[str, int] = {}
    todo = [""]
    while todo:
        folder = todo.pop()
        try:
            with os.scandir(f"{bag}/{folder}") as entries:
                for one in entries:
                    path = folder + one.name
                    if one.is_dir(follow_symlinks=False):
                        folders.append(f"{path}/")
                        todo.append(f"{path}/")
                    elif one.is_file(follow_symlinks=False):
                        sizes[path] = one.stat(follow_symlinks=False).st_size
                    else:
                        raise _invalid(UNREADABLE, [f"{path}: it is a link or a special file"])
        except OSError as err:
            raise _unreadable(folder, err) from err
    return folders, sizes


def _listed(bag: Path) -> tuple[str, dict[str, str]]:
    """The quickest algorithm of the bag's own manifests, and the digests they hold by path.

    Our own bag paths have no ``%`` and no line breaks, so that nothing is encoded in a manifest.
    """
    there = [one for one in MANIFEST_ALGORITHMS if (bag / f"tagmanifest-{one}.txt").is_file()]
    algorithm = there[0] if there else MANIFEST_ALGORITHMS[0]
    found: dict[str, str] = {}
    for name in (f"manifest-{algorithm}.txt", f"tagmanifest-{algorithm}.txt"):
        with suppress(FileNotFoundError):
            with open(bag / name, encoding="utf-8", newline="\n") as lines:
                for line in lines:
                    value, _, path = line.rstrip("\n").partition("  ")
                    found[path] = value
    return algorithm, found


def _promised(bag: Path) -> set[str]:
    """The paths of a light bag's absent files."""
    with suppress(FileNotFoundError):
        with open(bag / "fetch.txt", encoding="utf-8", newline="\n") as lines:
            return {line.rstrip("\n").split(" ", 2)[2] for line in lines}
    return set()


def _block(source: int, path: str) -> memoryview:
    try:
        return read_block(source)
    except OSError as err:
        raise _unreadable(path, err) from err


def _unreadable(path: str, err: OSError) -> InvalidSip:
    """The error for what cannot be read.

    :raises OSError: where it is not the work folder's fault that it cannot.
    """
    if err.errno in _NOT_ITS_FAULT:
        raise err
    return _invalid(UNREADABLE, [f"{path}: {(err.strerror or str(err)).lower()}"])


def _invalid(message: str, wrong: list[str]) -> InvalidSip:
    error = InvalidSip(message, findings=sorted(wrong)[:NAMED_AT_MOST])
    error.resumable = True  # what is still good of what was fetched is used again
    return error
