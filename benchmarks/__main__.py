"""Run the cases, each contender in a process of its own, and print medians and ratios.

``BIC_BENCH_DIR`` says on which disk. ``BIC_BENCH_PEERS`` names the ``bin`` folder of a virtual
environment with bagit-create 1.5.3, bdbag, bagit and zenodo_get; ``BIC_BENCH_FORERUNNER`` a Python
with the first. Who is not there is named so. A target that is missed is no failure.
"""

from __future__ import annotations

import argparse
import compileall
import json
import os
import shutil
import signal
import statistics
import sys
import tempfile
from functools import partial
from pathlib import Path
from typing import TextIO

import bagit_create

from . import allowance, cases, completing, listing, many, validating
from .cases import Case
from .measure import Failed, Measured, measure
from .peers import contenders
from .table import LEGEND, Row, ask, judge, lines

CASES = (*cases.CASES, *validating.CASES, *completing.CASES, *many.CASES, *listing.CASES)


def run_case(case: Case, runs: int, scale: float, before: list[Row]) -> list[Row]:
    """Measure every contender ``runs`` times, taking turns, and return their medians.

    A contender that fails is not asked again, and a case that cannot be prepared is one row.
    """
    common: Row = {"case": case.name, "scale": scale, "runs": case.runs(runs), "from": "nowhere"}
    common["load"] = round(os.getloadavg()[0], 1)
    folder = Path(tempfile.mkdtemp(prefix="bic-bench-", dir=os.environ.get("BIC_BENCH_DIR")))
    try:
        with case.prepared(folder / "source", scale) as server:
            common["from"] = server
            rows = _measure_all(case, common, folder)
    except Exception as err:
        return [{**common, "contender": "all", "outcome": f"failed: {err!r}"[:120]}]
    finally:
        shutil.rmtree(folder, ignore_errors=True)
    judge(case, rows, case.shape(scale)[0], before)
    if "wall s" in rows[0] and (asked := case.also_asked(scale, common["runs"])):
        ask(rows[0], *asked)
    return rows


def _measure_all(case: Case, common: Row, folder: Path) -> list[Row]:
    out = folder / "out"
    source = folder / "source"
    commands = contenders(case, source, out)
    payload = case.payload(common["scale"])
    fill = partial(case.fill, source)
    outcomes = {name: one for name, one in commands.items() if isinstance(one, str)}
    measured: dict[str, list[Measured]] = {name: [] for name in commands}
    for _ in range(common["runs"]):
        for name, command in commands.items():
            if name in outcomes or isinstance(command, str):
                continue
            try:
                faulty = case.finds_faults(name)
                measured[name].append(measure(command, out, payload, fill, faulty))
            except Failed as err:
                outcomes[name] = f"failed: {err}"
    rows: list[Row] = []
    for name, all_of_it in measured.items():
        row = {**common, "contender": name}
        if name in outcomes:
            row["outcome"] = outcomes[name]
        else:
            medians = map(statistics.median, zip(*all_of_it, strict=True))
            row |= zip(("wall s", "cpu s", "peak MB", "disk MB"), medians, strict=True)
            row["each wall s"] = [one.wall for one in all_of_it]
        rows.append(row)
    return rows


def _add(rows: list[Row], made: list[Row], table: TextIO, file: str | None) -> None:
    """Show a case, and write down what there is so far."""
    print("", *lines(made), sep="\n", file=table, flush=True)
    rows += made
    if file and file != "-":
        place = Path(file)
        place.parent.mkdir(parents=True, exist_ok=True)
        place.write_text(json.dumps(rows, indent=1) + "\n", encoding="utf-8")


def main() -> None:
    """The command line."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__)
    parser.add_argument("--runs", type=int, default=3, help="of each contender (3)")
    parser.add_argument("--scale", type=float, default=1.0, help="part of the full size (1)")
    parser.add_argument(
        "--only", action="append", metavar="TEXT", help="cases whose name holds this; repeatable"
    )
    parser.add_argument(
        "--json",
        metavar="FILE",
        help="write the rows here too; - prints them, and the table to standard error",
    )
    given = parser.parse_args()
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))  # so that servers are ended
    # Else the first runs after a change would compile, and all of them where nothing is kept.
    compileall.compile_dir(Path(bagit_create.__file__).parent, quiet=2)
    rows: list[Row] = []
    table = sys.stderr if given.json == "-" else sys.stdout
    print(LEGEND, file=table)
    for case in CASES:
        if given.only and not any(text in case.name for text in given.only):
            continue
        made = run_case(case, max(1, given.runs), given.scale, rows)
        _add(rows, made, table, given.json)
    if not given.only or any(text in allowance.NAME for text in given.only):
        _add(rows, allowance.rows(given.scale), table, given.json)
    if given.json == "-":
        print(json.dumps(rows, indent=1))


if __name__ == "__main__":
    main()
