"""Whose a staging folder is: its own name says so.

No lock is used, because locks lie on network file systems. A run works in a folder that carries its
name, ``NAME@HOST.BOOT.PID.START.NUMBER``, and touches it now and then. To go on with what an ended
run left, a folder is renamed: that is atomic everywhere, and only one run can succeed.
"""

from __future__ import annotations

import hashlib
import os
import re
import shutil
import socket
import threading
import time
from contextlib import suppress
from functools import lru_cache
from pathlib import Path

HEARTBEAT_S = 15.0
"""Seconds between two signs of life."""
SAME_HOST_S = 60
"""Seconds without one after which a run of this host before its last start is over."""
OTHER_HOST_S = 600
"""Seconds without one after which a run of another host is over."""

_OWNER = re.compile(r"(.+)@([0-9a-f]{8})\.([0-9a-f]{4})\.(\d+)\.(\d+)\.(\d+)")
_held: set[str] = set()
_lock = threading.Lock()
_count = 0


def _forget() -> None:
    """In a process that was forked: what its parent has is none of it, and no thread came along
    that would set the lock free."""
    global _lock
    _lock = threading.Lock()
    _held.clear()
    _beating.clear()


os.register_at_fork(after_in_child=_forget)


def own_name(name: str) -> str:
    """The name of a new folder of this run; :func:`release` it in the end."""
    global _count
    host, boot = _here(os.getpid())
    with _lock:
        _count += 1
        made = f"{name}@{host}.{boot}.{os.getpid()}.{_start_of(os.getpid())}.{_count}"
        _held.add(made)
    return made


def left_name(name: str) -> str:
    """What to call the folder of a run that leaves it to the next one, from its own name.

    The process may go on for years with other records, so it is not the one to look at.
    """
    match = _OWNER.fullmatch(name)
    assert match is not None
    return f"{match[1]}@{match[2]}.{match[3]}.0.{match[4]}.{match[6]}"


def release(name: str) -> None:
    """The run that holds this name is over."""
    with _lock:
        _held.discard(name)


def name_of(folder: str) -> str | None:
    """The name without its owner; None if it has none."""
    match = _OWNER.fullmatch(folder)
    return match[1] if match else None


def is_abandoned(folder: str, touched: float, clock: float) -> bool:
    """Whether the run that works there is surely over.

    :param touched: when it gave its last sign of life, by the clock of the file system.
    :param clock: what that clock says now.
    """
    match = _OWNER.fullmatch(folder)
    if match is None:
        return False
    host, boot, pid, start = match[2], match[3], int(match[4]), match[5]
    if pid == 0:  # left on purpose
        return True
    here = _here(os.getpid())
    if (host, boot) == here:
        if pid == os.getpid() and start == _start_of(pid):
            with _lock:
                return folder not in _held
        return _start_of(pid) != start or not _lives(pid)
    return clock - touched > (SAME_HOST_S if host == here[0] else OTHER_HOST_S)


def remove(folder: Path) -> bool:
    """Remove what an ended run left, unless another run was quicker to take it over."""
    own = folder.with_name(own_name(name_of(folder.name) or folder.name))
    try:
        os.rename(folder, own)
        shutil.rmtree(own)
    except FileNotFoundError:
        return False
    finally:
        release(own.name)
    return True


def others(parent: Path, name: str, own: Path) -> tuple[bool, list[Path]]:
    """Whether a run is at work on the same, and what ended ones left, the last one first.

    :param parent: the folder in which runs have theirs.
    :param name: what they work on: their folders' name without the owner.
    :param own: the folder of this run.
    """
    clock = own.stat().st_mtime
    busy, left = False, []
    with os.scandir(parent) as entries:
        for one in entries:
            if one.name == own.name or name_of(one.name) != name:
                continue
            with suppress(FileNotFoundError):
                touched = one.stat(follow_symlinks=False).st_mtime
                if not is_abandoned(one.name, touched, clock):
                    busy = True
                elif one.is_dir(follow_symlinks=False) and not _is_empty(one.path):
                    left.append((touched, Path(one.path)))
    return busy, [path for _, path in sorted(left, reverse=True)]


def _is_empty(folder: str) -> bool:
    """Whether a run was killed before it began; then the folder is removed."""
    with suppress(OSError):
        os.rmdir(folder)
        return True
    return False


class Heartbeat:
    """Touches a folder now and then. ``lost`` says whether another run has taken it over.

    One thread does it for all of a process: of a million records each would need its own.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self.lost = False
        with _lock:
            _beating.add(self)
            _start_beating()

    def beat(self) -> None:
        """Give a sign of life."""
        try:
            os.utime(self._folder)
        except FileNotFoundError:
            self.lost = True
        except OSError:  # a network file system may be away for a while
            pass

    def end(self) -> None:
        """No more signs of life."""
        with _lock:
            _beating.discard(self)


_beating: set[Heartbeat] = set()
_beater: tuple[int, threading.Thread] | None = None


def _start_beating() -> None:
    """Start the thread, unless this process has it: a process that forks leaves it behind."""
    global _beater
    if _beater is None or _beater[0] != os.getpid() or not _beater[1].is_alive():
        thread = threading.Thread(target=_beat_on, name="bic-heartbeat", daemon=True)
        _beater = os.getpid(), thread
        thread.start()


def _beat_on() -> None:
    while True:
        time.sleep(HEARTBEAT_S)
        with _lock:
            beating = list(_beating)
        for one in beating:
            if not one.lost:
                one.beat()


@lru_cache(4)
def _here(pid: int) -> tuple[str, str]:
    """This host, and this start of it: in a container, what its processes can see."""
    machine = _text("/etc/machine-id")
    host = hashlib.sha256(f"{socket.gethostname()} {machine}".encode()).hexdigest()[:8]
    space = ""
    with suppress(OSError):
        space = os.readlink("/proc/self/ns/pid")
    start = f"{_text('/proc/sys/kernel/random/boot_id')} {space}"
    return host, hashlib.sha256(start.encode()).hexdigest()[:4]


def _start_of(pid: int) -> str:
    """When a process was started, in ticks since the machine was: numbers are used again."""
    found = _text(f"/proc/{pid}/stat").rpartition(")")[2].split()
    return found[19] if len(found) > 19 else "0"


def _lives(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except OSError:
        pass
    return True


def _text(path: str) -> str:
    try:
        return Path(path).read_text(encoding="utf-8", errors="replace").strip()
    except OSError:
        return ""
