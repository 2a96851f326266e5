"""``bic list``: the ids of the records of a source, one a line, as they come."""

from __future__ import annotations

import logging
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from ..console import Display, display
from ..credentials import Secret, read_file
from ..errors import BicError, TransferError
from ..log import visible
from ..options import DEFAULT_MAX_WAIT_S, DEFAULT_RETRIES, DEFAULT_TIMEOUT_S, JobOptions
from . import output

if TYPE_CHECKING:
    from ..listing import Listing, Selection, Tally

SELECTED = (
    "set",
    "community",
    "collection",
    "category",
    "group",
    "query",
    "since",
    "until",
    "via",
)
"""Options that say which records are meant."""
MAY_NOT_BE_EMPTY = (*SELECTED, "token", "token_file", "cookies", "proxy", "config", "base_url")


@click.command("list", short_help="List the records of a source.")
@click.option("-s", "--source", metavar="NAME", help="Where the records are, see 'bic sources'.")
@click.option("--base-url", metavar="URL", help="Another server of that source's kind.")
@click.option("--set", metavar="SPEC", help="A set of OAI-PMH (cds, InvenioRDM, zenodo).")
@click.option("--community", metavar="SLUG", help="A community (InvenioRDM, zenodo).")
@click.option("--collection", metavar="NAME", help="A collection (cds, ilcdoc).")
@click.option("--category", metavar="ID", help="A category (Indico).")
@click.option("--group", metavar="PATH", help="A group, by path or id (GitLab).")
@click.option("--query", metavar="TEXT", help="A search, in the service's own language.")
@click.option("--from", "since", metavar="TIME", help="Changed then or later: ISO date or time.")
@click.option("--until", metavar="TIME", help="Changed then or before; a date's whole day is in.")
@click.option("--all-versions", is_flag=True, help="Older versions of records, too.")
@click.option("--via", metavar="WAY", help="oai or search, where a source has both.")
@click.option("--limit", type=int, metavar="N", help="End after so many records.")
@click.option("--token-file", metavar="FILE", help="A file with the source's token; - is stdin.")
@click.option("-tk", "--token", metavar="TOKEN", help="Better: --token-file, or BIC_TOKEN_…")
@click.option("--cookies", metavar="FILE", help="Cookies in the Netscape form.")
@click.option("--proxy", metavar="URL", help="The proxy for all requests.")
@click.option("-ss", "--skipssl", is_flag=True, help="Do not check certificates.")
@click.option(
    "--timeout",
    type=float,
    default=DEFAULT_TIMEOUT_S,
    metavar="SECONDS",
    help="Seconds of silence after which a server is given up.",
)
@click.option("--retries", type=int, default=DEFAULT_RETRIES, metavar="N", help="Further tries.")
@click.option(
    "--max-wait",
    type=float,
    default=DEFAULT_MAX_WAIT_S,
    metavar="SECONDS",
    help="The longest pause that a server may ask for.",
)
@click.option("--config", metavar="FILE", help="Your own servers.")
@click.option(
    "--json",
    "as_json",
    is_flag=True,
    help="One JSON object a line: id, time of the last change, title, deleted ones too.",
)
@click.option("-v", "--verbose", count=True, help="Tell more; twice: in detail.")
@click.option("-q", "--quiet", is_flag=True, help="Tell errors only.")
def list_(**given: Any) -> int:
    """Write the ids of records to standard output, one a line, as they come.

    Each is what --recid takes. What was counted goes to standard error. The exit code is 8 if the
    source says that there are more than it listed; what it listed is written even then.
    """
    from ..listing import list_records

    options, selection = _asked(given)
    silent = given["quiet"]
    level = logging.ERROR if silent else logging.WARNING
    if given["verbose"]:
        level = logging.DEBUG if given["verbose"] > 1 else logging.INFO
    # A bar among the ids on one terminal would spoil both.
    shows = silent or sys.stdout.isatty()
    with display(sys.stderr, silent=shows, verbose=given["verbose"] > 0) as shown:
        with output.logging_to(shown, level):
            listing = list_records(options, selection, shown)
            return _write(listing, shown, given["as_json"], given["quiet"])


def _write(listing: Listing, shown: Display, as_json: bool, quiet: bool) -> int:
    """Write each record as it comes, and then what was counted; return the exit code."""
    began = time.monotonic()
    error: BicError | None = None
    try:
        for one in listing:
            if as_json:
                is_read = output.emit_json(one.as_dict())
            else:
                is_read = one.deleted or output.emit(one.recid)
            if not is_read:
                return 0  # whoever reads has had enough
    except BicError as err:
        error = err
    except KeyboardInterrupt:
        shown.close()
        output.tell_error("Interrupted.")
        return 130
    shown.close()
    tally = listing.tally
    if not quiet and (error is None or tally.found):
        output.tell(_summary(tally, time.monotonic() - began))
    if error is None and tally.shortfall:
        error = TransferError(
            f"The list is short: {tally.shortfall} of {tally.expected} records were not listed.",
            hint="run the same command again, or list parts of it with --from and --until",
        )
    elif error is None and tally.cut:
        error = TransferError(
            "The list may not be whole.",
            where=tally.cut,
            hint="run the same command again, or list parts of it with --from and --until",
        )
    if error is None:
        return 0
    output.tell_error(str(error))
    return error.exit_code


def _summary(tally: Tally, seconds: float) -> str:
    """One line of numbers, and one for each thing that a reader must know."""
    expected = "" if tally.expected is None else f" of {tally.expected}"
    parts = [f"{tally.found}{expected} records found"]
    parts += [f"{tally.deleted} of them deleted"] if tally.deleted else []
    parts += [f"{tally.repeated} told again"] if tally.repeated else []
    parts.append(f"{tally.pages} page{'' if tally.pages == 1 else 's'} in {seconds:.1f} s")
    return "\n".join([", ".join(parts), *(f"note: {visible(one)}" for one in tally.notes)])


def _asked(given: dict[str, Any]) -> tuple[JobOptions, Selection]:
    """What the command line asks for, as values.

    :raises InputError: naming everything that cannot work.
    """
    from ..listing import Selection, check

    faults = [
        f"--{'from' if name == 'since' else name.replace('_', '-')} is empty."
        for name in MAY_NOT_BE_EMPTY
        if given[name] == ""
    ]
    if given["token"] and given["token_file"]:
        faults.append("--token does not go with --token-file.")
    if given["quiet"] and given["verbose"]:
        faults.append("--quiet does not go with --verbose.")
    options = JobOptions(
        source=(given["source"] or "").strip() or None,
        base_url=given["base_url"] or None,
        token=Secret(given["token"]) if given["token"] else None,
        cookies=_path(given["cookies"]),
        proxy=Secret(given["proxy"]) if given["proxy"] else None,
        skipssl=given["skipssl"],
        timeout=given["timeout"],
        retries=given["retries"],
        max_wait=given["max_wait"],
        config=_path(given["config"]),
    )
    selection = Selection(
        **{name: given[name] or "" for name in SELECTED},
        all_versions=given["all_versions"],
        limit=given["limit"],
    )
    check(options, selection, faults)
    if given["token_file"]:
        from dataclasses import replace

        options = replace(options, token=read_file(given["token_file"]))
    return options, selection


def _path(text: str | None) -> Path | None:
    return Path(text) if text else None
