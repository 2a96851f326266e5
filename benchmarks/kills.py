"""Kill a run again and again, at random moments: ``python -m benchmarks.kills [--kills N]``.

After every kill nothing but a whole package may be visible in the target; after at most six, the
run is left alone and must make one, and leave nothing else. Counted is what the server handed to
its sockets, what was still on its way at a kill included. At most 1.05 times the payload is wanted,
and a block of 512 KiB for each kill.
"""

from __future__ import annotations

import argparse
import random
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from threading import Lock

from bagit_create.sandbox import Sandbox
from bagit_create.sandbox.content import Content
from bagit_create.sandbox.server import Reply
from bagit_create.sandbox.shapes import File, Record
from bagit_create.validation import validate

BLOCK = 512 * 1024
SIZES = {f"s{n:03}.bin": 3000 + n for n in range(40)} | {f"b{n}.bin": 20_000_000 for n in range(6)}
PAYLOAD = sum(SIZES.values())
PAUSE_S = 0.002
"""After each block of a large file, so that a run lasts long enough to be killed in its middle."""


class Meter:
    """Counts what the sandbox sends, and slows it down."""

    def __init__(self) -> None:
        self.sent = 0
        self._lock = Lock()
        blocks = Reply.blocks

        def counted(reply: Reply) -> Iterator[bytes]:
            for block in blocks(reply):
                yield block
                with self._lock:
                    self.sent += len(block)
                if len(block) >= 64 * 1024:
                    time.sleep(PAUSE_S)

        Reply.blocks = counted  # type: ignore[method-assign, assignment]


def one_round(command: list[str], target: Path, length: float, kills: int) -> tuple[int, list[str]]:
    """Make a package in spite of some kills.

    :returns: the kills that hit before the package was there, and what was wrong.
    """
    hits, wrong = 0, []
    for number in range(kills + 1):
        child = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        if number < kills:
            try:
                child.wait(random.uniform(0.1, 1) * length)
            except subprocess.TimeoutExpired:
                child.kill()
        code = child.wait()
        made = list(target.glob("sip::*"))
        wrong += [f"{one.name}: not valid" for one in made if validate(one).verdict != "valid"]
        if made:
            break
        hits += code == -9
        wrong += [f"a run ended with {code}"] if code not in (0, -9) else []
    if code == 0:
        left = [one.name for one in target.iterdir() if not one.name.startswith("sip::")]
        wrong += [f"left behind: {one}" for one in left]
    shutil.rmtree(target)
    return hits, wrong


def main() -> None:
    """The command line."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.kills", description=__doc__)
    parser.add_argument("--kills", type=int, default=200)
    parser.add_argument("--seed", type=int, default=1)
    given = parser.parse_args()
    random.seed(given.seed)
    meter = Meter()
    folder = Path(tempfile.mkdtemp(prefix="bic-kills-"))
    target = folder / "out"
    done, rounds = 0, 0
    above: list[float] = []
    wrong: list[str] = []
    try:
        with Sandbox() as sandbox:
            record = Record("1")
            for name, size in SIZES.items():
                record.files[name] = File(name, Content(size, name), way="ranges")
            sandbox.app("zenodo").add(record)
            (folder / "sandbox.toml").write_text(sandbox.config_text(), encoding="utf-8")
            command = [sys.executable, "-m", "bagit_create", "-q", "-s", "zenodo", "--recid", "1"]
            command += ["--config", str(folder / "sandbox.toml"), "-t", str(target)]
            started = time.monotonic()
            one_round(command, target, 0, 0)
            length = time.monotonic() - started
            while done < given.kills:
                meter.sent = 0
                hits, faults = one_round(command, target, length, min(6, given.kills - done))
                done, rounds, wrong = done + hits, rounds + 1, wrong + faults
                above.append(meter.sent - 1.05 * PAYLOAD - hits * BLOCK)
    finally:
        shutil.rmtree(folder, ignore_errors=True)
    print(f"{done} kills in {rounds} packages; wrong: {len(wrong)}", *wrong, sep="\n  ")
    over = [one for one in above if one > 0]
    print(
        f"packages that took more than is wanted: {len(over)} (by {max(over, default=0):.0f} bytes)"
    )


if __name__ == "__main__":
    main()
