"""Run the cases, each contender in a process of its own, and print medians and ratios.

``python -m benchmarks [--runs N] [--scale F] [--only CASE] [--json FILE]``. The forerunner takes
part when ``BIC_BENCH_FORERUNNER`` names a Python that has bagit-create 1.5.3 installed, and
bagit-python when this Python has it.
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import statistics
import sys
import tempfile
import time
from collections.abc import Callable
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from . import cases

Command = list[str]


def measure(command: Command, folder: Path) -> tuple[float, float]:
    """Run a command in a new process.

    :returns: seconds of wall clock, MiB of memory at its peak.
    :raises SystemExit: if it fails, with its own words.
    """
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    os.sync()
    errors = folder.parent / "errors.txt"
    started = time.perf_counter()
    with errors.open("wb") as sink:
        pid = os.posix_spawn(
            command[0],
            command,
            {**os.environ, "PYTHONDONTWRITEBYTECODE": "1"},
            file_actions=[
                (os.POSIX_SPAWN_DUP2, sink.fileno(), 1),
                (os.POSIX_SPAWN_DUP2, sink.fileno(), 2),
            ],
        )
        _, status, usage = os.wait4(pid, 0)
    seconds = time.perf_counter() - started
    if os.waitstatus_to_exitcode(status):
        raise SystemExit(f"{' '.join(command)} failed:\n{errors.read_text(errors='replace')}")
    return seconds, usage.ru_maxrss / 1024


def contenders(case: cases.Case, source: Path, out: Path) -> dict[str, Command]:
    """The commands of a case by the contender's name."""
    here = [sys.executable, "-m", "benchmarks.contenders"]
    found = {
        "bic": case.bic(source, out),
        "bic --no-verify": [*case.bic(source, out), "--no-verify"],
        "bare loop": [*here, "loop", case.kind, str(source), str(out)],
    }
    if case.kind == "local" and find_spec("bagit"):
        found["cp + bagit-python, 2 processes"] = [*here, "bagit", case.kind, str(source), str(out)]
    if forerunner := os.environ.get("BIC_BENCH_FORERUNNER"):
        script = str(Path(__file__).with_name("contenders.py"))
        found["bagit-create 1.5.3"] = [forerunner, script, "peer", case.kind, str(source), str(out)]
    return found


def run_case(case: cases.Case, runs: int, scale: float, folder: Path) -> list[dict[str, Any]]:
    """Measure every contender ``runs`` times, taking turns, and return their medians."""
    source = folder / "source"
    out = folder / "out"
    with case.prepared(source, scale) as place:
        names = contenders(case, place, out)
        measured: dict[str, list[tuple[float, float]]] = {name: [] for name in names}
        for _ in range(runs):
            for name, command in names.items():
                measured[name].append(measure(command, out))
    rows: list[dict[str, Any]] = []
    for name, values in measured.items():
        seconds = statistics.median(value[0] for value in values)
        rows.append(
            {
                "case": case.name,
                "contender": name,
                "seconds": round(seconds, 3),
                "MiB": round(statistics.median(value[1] for value in values)),
                "runs": runs,
            }
        )
    ours = rows[0]["seconds"]
    for row in rows:
        row["bic takes"] = round(ours / row["seconds"], 2)
    return rows


def show(rows: list[dict[str, Any]], write: Callable[[str], Any] = print) -> None:
    """Print the table."""
    write(f"{rows[0]['case']} (median of {rows[0]['runs']})")
    for row in rows:
        write(
            f"  {row['contender']:<32} {row['seconds']:>8.2f} s {row['MiB']:>6} MiB"
            f"   bic takes {row['bic takes']:.2f} x"
        )


def main() -> None:
    """The command line."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__)
    parser.add_argument("--runs", type=int, default=3)
    parser.add_argument("--scale", type=float, default=1.0, help="part of the full size")
    parser.add_argument("--only", help="cases whose name holds this")
    parser.add_argument("--json", type=Path, help="write the rows here too")
    given = parser.parse_args()
    rows: list[dict[str, Any]] = []
    for case in cases.CASES:
        if given.only and given.only not in case.name:
            continue
        folder = Path(tempfile.mkdtemp(prefix="bic-bench-", dir=os.environ.get("BIC_BENCH_DIR")))
        try:
            made = run_case(case, given.runs, given.scale, folder)
        finally:
            shutil.rmtree(folder, ignore_errors=True)
        show(made)
        rows += made
    if given.json:
        given.json.write_text(json.dumps(rows, indent=1), encoding="utf-8")


if __name__ == "__main__":
    main()
