"""Run the cases, each contender in a process of its own, and print medians and ratios.

``python -m benchmarks [--runs N] [--scale F] [--only CASE] [--json FILE]``. ``BIC_BENCH_DIR`` says
on which disk. ``BIC_BENCH_PEERS`` names the ``bin`` folder of a virtual environment with
bagit-create 1.5.3, bdbag, bagit and zenodo_get; ``BIC_BENCH_FORERUNNER`` a Python with the first.
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import statistics
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from .cases import CASES, Case
from .peers import Command, contenders


class Failed(Exception):
    """A contender did not succeed; the text is its last line."""


def measure(command: Command, folder: Path) -> tuple[float, float, float]:
    """Run a command in a new process.

    :returns: seconds of wall clock and of processor, MB of memory at the peak of its largest
        process.
    :raises Failed: if it fails.
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
        words = errors.read_text(errors="replace").strip().splitlines()
        raise Failed(words[-1][:100] if words else "no word")
    return seconds, usage.ru_utime + usage.ru_stime, usage.ru_maxrss * 1024 / 1e6


def run_case(case: Case, runs: int, scale: float, folder: Path) -> list[dict[str, Any]]:
    """Measure every contender ``runs`` times, taking turns, and return their medians."""
    out = folder / "out"
    measured: dict[str, list[tuple[float, float, float]]] = {}
    failed: dict[str, str] = {}
    with case.prepared(folder / "source", scale) as server:
        names = contenders(case, folder / "source", out)
        for _ in range(runs):
            for name, command in names.items():
                if command is None:
                    failed[name] = "not here"
                elif name not in failed:
                    try:
                        measured.setdefault(name, []).append(measure(command, out))
                    except Failed as err:
                        failed[name] = f"failed: {err}"
    shutil.rmtree(out, ignore_errors=True)
    rows: list[dict[str, Any]] = []
    for name in names:
        row: dict[str, Any] = {"case": case.name, "scale": scale, "from": server, "contender": name}
        if name in failed:
            rows.append({**row, "outcome": failed[name]})
            continue
        medians = [statistics.median(one) for one in zip(*measured[name], strict=True)]
        row |= {"seconds": medians[0], "processor": medians[1], "MB": medians[2], "runs": runs}
        rows.append(row)
    _judge(case, rows, case.count(scale))
    return rows


def _judge(case: Case, rows: list[dict[str, Any]], files: int) -> None:
    """Add how ``bic`` compares, and whether that is what is asked."""
    ours = rows[0]
    if "seconds" not in ours:
        return
    ours["ms a file"] = 1000 * ours["seconds"] / files
    if case.memory is not None:
        ours |= {"asked": f"{case.memory} MB", "met": ours["MB"] <= case.memory}
    for row in rows[1:]:
        if "seconds" in row:
            row["bic takes"] = ours["seconds"] / row["seconds"]
            if (asked := case.asked.get(row["contender"])) is not None:
                row |= {"asked": f"{asked} x", "met": row["bic takes"] <= asked}


def show(rows: list[dict[str, Any]], write: Callable[[str], Any] = print) -> None:
    """Print the table."""
    first = rows[0]
    write(f"{first['case']}, from {first['from']}, scale {first['scale']}")
    for row in rows:
        line = f"  {row['contender']:<32}"
        if "seconds" not in row:
            write(f"{line} {row.get('outcome', '')}")
            continue
        line += f" {row['seconds']:>8.2f} s {row['processor']:>8.2f} s cpu {row['MB']:>6.0f} MB"
        if "bic takes" in row:
            line += f"   bic takes {row['bic takes']:.2f} x"
        if "ms a file" in row:
            line += f"   {row['ms a file']:.3f} ms a file"
        if "asked" in row:
            line += f"   (asked: {row['asked']}, {'met' if row['met'] else 'NOT met'})"
        write(line)


def main() -> None:
    """The command line."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__)
    parser.add_argument("--runs", type=int, default=3)
    parser.add_argument("--scale", type=float, default=1.0, help="part of the full size")
    parser.add_argument("--only", help="cases whose name holds this")
    parser.add_argument("--json", type=Path, help="write the rows here too")
    given = parser.parse_args()
    rows: list[dict[str, Any]] = []
    for case in CASES:
        if given.only and given.only not in case.name:
            continue
        folder = Path(tempfile.mkdtemp(prefix="bic-bench-", dir=os.environ.get("BIC_BENCH_DIR")))
        os.chmod(folder, 0o755)  # nginx lets go of its rights where it was started with many
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
