"""``bic clean``: remove what ended runs left in a target and nobody will continue."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from ..console import size_text
from ..errors import InputError
from ..log import visible
from . import output

DAY_S = 24 * 3600


@click.command(short_help="Remove the staging folders of ended runs.")
@click.argument("targets", nargs=-1, metavar="[TARGET]...")
@click.option(
    "-t", "--target", "more", multiple=True, metavar="DIR", help="The same as an argument."
)
@click.option("-d", "--dry-run", is_flag=True, help="Only list them.")
@click.option(
    "--older-than",
    type=click.FloatRange(min=0),
    default=0.0,
    metavar="DAYS",
    help="Keep what was worked on since.",
)
@click.option("--json", "as_json", is_flag=True, help="Write one JSON object.")
def clean(
    targets: tuple[str, ...], more: tuple[str, ...], dry_run: bool, older_than: float, as_json: bool
) -> None:
    """List and remove the staging folders that interrupted or killed runs left.

    Each TARGET is a folder that was given to --target or --workdir; the current one if none is
    named. What a run is working on, here or on another machine, is never touched. Packages are
    not touched either.
    """
    from ..sip import leftovers

    places = [Path(one) for one in (*targets, *more)] or [Path()]
    if not all(map(str, (*targets, *more))):
        raise InputError("A target without a name.")
    told: list[dict[str, Any]] = []
    for place in places:
        for one in leftovers.find(place):
            old = one.age >= older_than * DAY_S
            if one.in_use:
                outcome = "in use"
            elif not old:
                outcome = "kept"
            elif dry_run:
                outcome = "to be removed"
            else:
                outcome = "removed" if leftovers.remove(one) else "in use"
            told.append(
                {
                    "path": str(one.path),
                    "what": one.what,
                    "files": one.files,
                    "bytes": one.size,
                    "age_seconds": round(one.age),
                    "outcome": outcome,
                }
            )
    if as_json:
        output.emit_json({"status": 0, "staging_folders": told})
        return
    for row in told:
        output.emit(
            f"{row['outcome']}: {visible(row['path'])} ({row['files']} files, "
            f"{size_text(row['bytes'])}, untouched for {_age(row['age_seconds'])})"
        )
    if not told:
        output.tell("there are no staging folders")


def _age(seconds: int) -> str:
    for unit, length in (("days", DAY_S), ("hours", 3600), ("minutes", 60)):
        if seconds >= 2 * length:
            return f"{seconds // length} {unit}"
    return f"{seconds} seconds"
