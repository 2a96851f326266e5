"""What the medians say: ratios, what is asked and whether it is met, and all of it as a table."""

from __future__ import annotations

from typing import Any

from .cases import Case

Row = dict[str, Any]

MEASURED = ("wall s", "cpu s", "peak MB", "disk MB", "ms/file")
COLUMNS = (*MEASURED, "bic takes", "bic holds", "asked of bic", "met")
RATIOS = ("bic takes", "bic holds")
LEGEND = (
    "Medians. cpu s: user and system, children too. peak MB: of the largest process. disk MB:"
    " written to a disk\n(none if the folder is in memory). bic takes: its wall clock, as a"
    " multiple of this contender's;\nbic holds: its peak in memory, likewise."
)


def judge(case: Case, rows: list[Row], files: int, before: list[Row]) -> None:
    """Add to each row how ``bic``, the first, compares, and whether that is what is asked.

    :param files: how many there were at this scale.
    :param before: the rows of the cases that have run.
    """
    for row in rows:
        if files and "wall s" in row:
            row["ms/file"] = 1000 * row["wall s"] / files
    ours = rows[0]
    if "wall s" not in ours:
        return
    if case.memory is not None:
        ask(ours, "MB", ours["peak MB"], case.memory)
    if case.like is not None:
        for row in before:
            if row["case"] == case.like and row["contender"] == "bic" and "ms/file" in row:
                ours["per file, to fewer files"] = ours["ms/file"] / row["ms/file"]
                ask(ours, "x/file", ours["per file, to fewer files"], 1.0)
    for row in rows[1:]:
        if "wall s" in row:
            row["bic takes"] = ours["wall s"] / row["wall s"]
            row["bic holds"] = ours["peak MB"] / row["peak MB"]
            for limits, aim in ((case.asked, False), (case.aims, True)):
                if row["contender"] in limits:
                    ask(row, "x", row["bic takes"], limits[row["contender"]], aim)


def ask(row: Row, unit: str, measured: float, limit: float, aim: bool = False) -> None:
    """Say in a row what is asked, and whether what was measured meets it."""
    number = f"{limit:.0f}" if unit == "MB" else f"{limit:.2f}"
    row["asked of bic"] = f"{'aim ' if aim else ''}<= {number} {unit}"
    row |= {"limit": limit, "measured": measured, "aim": aim, "met": measured <= limit}


def lines(rows: list[Row]) -> list[str]:
    """The table of one case."""
    first = rows[0]
    made = [
        f"{first['case']}; from {first['from']}; scale {first['scale']:g}; runs: {first['runs']};"
        f" load before: {first['load']:g}"
    ]
    made.append(f"  {'':<35}" + "".join(f"{name:>{_width(name)}}" for name in COLUMNS))
    for row in rows:
        line = f"  {row['contender']:<35}"
        if "outcome" in row:
            made.append(f"{line} {row['outcome']}")
            continue
        made.append(line + "".join(f"{_cell(row, name):>{_width(name)}}" for name in COLUMNS))
    return made


def _width(name: str) -> int:
    return 17 if name == "asked of bic" else 11 if name in RATIOS else 9


def _cell(row: Row, name: str) -> str:
    value = row.get(name)
    if value is None or (name == "disk MB" and value < 0):
        return ""
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, str):
        return value
    form = {"peak MB": ".0f", "disk MB": ".0f", "ms/file": ".3f"}
    return f"{value:{form.get(name, '.2f')}}" + (" x" if name in RATIOS else "")
