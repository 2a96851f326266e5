"""One contender run once, in a process of its own, and where nobody's settings count."""

from __future__ import annotations

import os
import shutil
import signal
import site
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

STOPWATCH = Path(__file__).with_name("stopwatch.py")
LIMIT_S = 3600.0
TRACE = b"Traceback (most recent call last)"
END = 64 * 1024
"""Bytes at the end of what was said that hold the last line: some name a million files in it."""


class Failed(Exception):
    """A contender did not succeed; the text is its last line, or what is wrong with its output."""


class Measured(NamedTuple):
    """Seconds of wall clock, seconds of processor, MB in memory, MB to disk (-1: not known)."""

    wall: float
    processor: float
    memory: float
    disk: float


def environment(home: Path) -> dict[str, str]:
    """Ours without proxies and settings, with an empty home: no .curlrc or aria2.conf counts."""
    kept = {
        name: value
        for name, value in os.environ.items()
        if not name.startswith(("BIC_", "XDG_", "RCLONE_"))
        and not name.lower().endswith("_proxy")
        and name not in ("ZENODO_TOKEN", "PYTHONPROFILEIMPORTTIME")
    }
    own = {"HOME": str(home), "TMPDIR": str(home / "tmp"), "PYTHONUSERBASE": site.getuserbase()}
    return {**kept, **own, "PYTHONDONTWRITEBYTECODE": "1"}


def measure(
    command: list[str],
    folder: Path,
    payload: int,
    fill: Callable[[Path], None] | None = None,
    faulty: bool = False,
) -> Measured:
    """Run a command that leaves at least ``payload`` bytes below ``folder``, which is made empty.

    :param fill: puts there what the command finds.
    :param faulty: the command has to find faults, and end with another code than 0.
    :raises Failed: if it fails, leaves less, or takes more than an hour.
    """
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    if fill is not None:
        fill(folder)
    home = folder.parent / "home"
    shutil.rmtree(home / "tmp", ignore_errors=True)
    (home / "tmp").mkdir(parents=True)
    os.sync()
    log = folder.parent / "log.txt"
    with subprocess.Popen(
        [sys.executable, "-I", "-S", str(STOPWATCH), str(log), *command],
        env=environment(home),
        stdout=subprocess.PIPE,
        text=True,
        start_new_session=True,
    ) as watch:
        try:
            told, _ = watch.communicate(timeout=LIMIT_S)
        except BaseException as err:  # an interrupt too: nothing of ours is left running
            os.killpg(watch.pid, signal.SIGKILL)
            if isinstance(err, subprocess.TimeoutExpired):
                raise Failed(f"no end after {LIMIT_S:.0f} s") from err
            raise
    code, *numbers = map(float, told.split())
    if faulty and code == 0:
        raise Failed("did not see what is wrong")
    if code and not (faulty and code > 0 and not _broke(log)):
        raise Failed(_last_words(log) or f"ended with {code:.0f} and without a word")
    if payload and (left := weigh(folder)) < payload:
        raise Failed(f"left {left} of {payload} bytes")
    return Measured(*numbers)


def _broke(log: Path) -> bool:
    """Whether a Python ended by an error of its own, which it tells by its code 1 as well."""
    with open(log, "rb") as lines:
        return any(TRACE in line for line in lines)


def _last_words(log: Path) -> str:
    with open(log, "rb") as file:
        file.seek(max(0, os.fstat(file.fileno()).st_size - END))
        lines = file.read().decode("utf-8", "replace").strip().splitlines()
    return "".join(c if c.isprintable() else " " for c in lines[-1])[:100] if lines else ""


def weigh(folder: Path) -> int:
    """The bytes of all files in a folder."""
    return sum(
        os.lstat(os.path.join(place, name)).st_size
        for place, _, names in os.walk(folder)
        for name in names
    )
