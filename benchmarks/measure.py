"""One contender run once, in a process of its own, and where nobody's settings count."""

from __future__ import annotations

import os
import shutil
import signal
import site
import subprocess
import sys
from pathlib import Path
from typing import NamedTuple

STOPWATCH = Path(__file__).with_name("stopwatch.py")
LIMIT_S = 3600.0


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
    base = site.getuserbase()
    return {**kept, "HOME": str(home), "PYTHONUSERBASE": base, "PYTHONDONTWRITEBYTECODE": "1"}


def measure(command: list[str], folder: Path, payload: int) -> Measured:
    """Run a command that leaves at least ``payload`` bytes below ``folder``, which is made empty.

    :raises Failed: if it fails, leaves less, or takes more than an hour.
    """
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    home = folder.parent / "home"
    home.mkdir(exist_ok=True)
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
    if code:
        lines = log.read_text(errors="replace").strip().splitlines()
        words = "".join(c if c.isprintable() else " " for c in lines[-1])[:100] if lines else ""
        raise Failed(words or f"ended with {code:.0f} and without a word")
    if payload and (left := weigh(folder)) < payload:
        raise Failed(f"left {left} of {payload} bytes")
    return Measured(*numbers)


def weigh(folder: Path) -> int:
    """The bytes of all files in a folder."""
    return sum(
        os.lstat(os.path.join(place, name)).st_size
        for place, _, names in os.walk(folder)
        for name in names
    )
