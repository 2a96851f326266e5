"""``bic complete`` and ``bic thin``: light packages become full ones, and full ones light."""

from __future__ import annotations

import logging
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from ..console import display, size_text
from ..credentials import Secret, read_file
from ..errors import BicError, InputError
from ..log import visible
from ..options import DEFAULT_JOBS, DEFAULT_MAX_WAIT_S, DEFAULT_RETRIES, DEFAULT_TIMEOUT_S
from . import output

if TYPE_CHECKING:
    from ..completion import Completion, CompletionOptions

NAMED_AT_MOST = 50
"""Files that could not be moved, named one by one."""
Work = Callable[[Path, "CompletionOptions", Any], "Completion"]


def _shared(command: Callable[..., Any]) -> Callable[..., Any]:
    """The options of both commands."""
    for option in reversed(
        (
            click.argument("paths", nargs=-1, required=True, metavar="PATH..."),
            click.option("--only", multiple=True, metavar="GLOB", help="Only files named so."),
            click.option(
                "--allow-host", "hosts", multiple=True, metavar="HOST", help="Ask this host, too."
            ),
            click.option(
                "-tk", "--token", metavar="TOKEN", help="Better: --token-file, or BIC_TOKEN_…"
            ),
            click.option("--token-file", metavar="FILE", help="A file with the source's token."),
            click.option("--cookies", metavar="FILE", help="Cookies in the Netscape form."),
            click.option("--proxy", metavar="URL", help="The proxy for all requests."),
            click.option("-ss", "--skipssl", is_flag=True, help="Do not check certificates."),
            click.option("--config", metavar="FILE", help="Your own servers."),
            click.option(
                "-j", "--jobs", type=int, default=DEFAULT_JOBS, metavar="N", help="Files at once."
            ),
            click.option(
                "--timeout",
                type=float,
                default=DEFAULT_TIMEOUT_S,
                metavar="SECONDS",
                help="Seconds of silence after which a server is given up.",
            ),
            click.option(
                "--retries", type=int, default=DEFAULT_RETRIES, metavar="N", help="Further tries."
            ),
            click.option(
                "--max-wait",
                type=float,
                default=DEFAULT_MAX_WAIT_S,
                metavar="SECONDS",
                help="The longest pause that a server may ask for.",
            ),
            click.option("--json", "as_json", is_flag=True, help="Write one JSON object."),
            click.option("-v", "--verbose", is_flag=True, help="Tell more."),
            click.option("-q", "--quiet", is_flag=True, help="Tell errors only."),
        )
    ):
        command = option(command)
    return command


@click.command(short_help="Fetch what light packages promise.")
@_shared
@click.option(
    "--allow-scheme", "schemes", multiple=True, metavar="SCHEME", help="For example root."
)
@click.option("--file-root", metavar="DIR", help="Read file: addresses below this folder.")
@click.option(
    "--mirror", "mirrors", multiple=True, metavar="OLD=NEW", help="Another beginning of addresses."
)
@click.option("--replace", is_flag=True, help="Fetch again what is here and wrong.")
@click.option(
    "--max-size", type=int, default=0, metavar="BYTES", help="Fetch no file larger than this."
)
def complete(**given: Any) -> int:
    """Fetch the files that fetch.txt promises, verify them, and make each package a full one.

    Each PATH is the folder of a package. It is replaced by one step once everything is verified,
    and is a valid package at any moment. Interrupted, the same command goes on. Only hosts of the
    record's own source are asked; others must be named.
    """
    from ..completion import complete as work

    return _each(work, given)


@click.command(short_help="Take files out of packages that their source still has.")
@_shared
def thin(**given: Any) -> int:
    """Make full packages light: files that the source still has are promised in fetch.txt instead.

    A file goes only if its server says, now, that it has one of the very size, and if a manifest
    has its checksum. 'bic complete' brings them back.
    """
    from ..completion import thin as work

    return _each(work, given)


def _each(work: Work, given: dict[str, Any]) -> int:
    options = _options(given)
    paths = _places(given["paths"], options)
    told: list[dict[str, Any]] = []
    worst = 0
    silent = given["quiet"] or given["as_json"]
    level = logging.INFO if given["verbose"] else logging.ERROR if silent else logging.WARNING
    with display(sys.stderr, silent=silent, verbose=given["verbose"]) as shown:
        with output.logging_to(shown, level):
            for path in paths:
                try:
                    done = work(path, options, shown)
                except BicError as err:
                    output.tell_error(str(err))
                    worst = max(worst, err.exit_code)
                    told.append(_failure(str(path), err))
                    if err.exit_code == 130:
                        break
                    continue
                worst = max(worst, done.exit_code)
                told.append(_plain(done))
                if not given["as_json"]:
                    output.emit(_text(done))
    if given["as_json"]:
        output.emit_json({"status": 1 if worst else 0, "exit_code": worst, "packages": told})
    return worst


def _places(names: Sequence[str], options: CompletionOptions) -> list[Path]:
    """The paths, absolute: one of them may be the current folder, which is replaced by another.

    :raises InputError: if there is no current folder, or the token cannot be for all of them.
    """
    from ..completion.servers import one_source

    try:
        paths = [Path(name).absolute() for name in names]
    except OSError as err:
        raise InputError("The current folder is gone.", hint="change into one that exists") from err
    one_source(paths, options.token, options.config)
    return paths


def _options(given: dict[str, Any]) -> CompletionOptions:
    from ..completion import CompletionOptions

    faults = [
        f"--{name.replace('_', '-')} is empty."
        for name in ("token", "token_file", "cookies", "proxy", "config", "file_root")
        if given.get(name) == ""
    ]
    if not all(given["paths"]):
        faults.append("A PATH is empty.")
    if given["token"] and given["token_file"]:
        faults.append("--token does not go with --token-file.")
    if given["quiet"] and given["verbose"]:
        faults.append("--quiet does not go with --verbose.")
    mirrors = [tuple(one.split("=", 1)) for one in given.get("mirrors", ())]
    if not all(len(one) == 2 for one in mirrors):
        faults.append("--mirror is OLD=NEW, two beginnings of addresses.")
    if faults:
        raise InputError("\n".join(faults), hint="bic complete --help")
    token = Secret(given["token"]) if given["token"] else None
    if given["token_file"]:
        token = read_file(given["token_file"])
    return CompletionOptions(
        only=given["only"],
        hosts=given["hosts"],
        schemes=given.get("schemes", ()),
        file_root=_path(given.get("file_root")),
        mirrors=tuple((old, new) for old, new in mirrors),
        replace=given.get("replace", False),
        max_size=given.get("max_size", 0),
        token=token,
        cookies=_path(given["cookies"]),
        proxy=Secret(given["proxy"]) if given["proxy"] else None,
        skipssl=given["skipssl"],
        jobs=given["jobs"],
        timeout=given["timeout"],
        retries=given["retries"],
        max_wait=given["max_wait"],
        config=_path(given["config"]),
    )


def _path(text: str | None) -> Path | None:
    return Path(text) if text else None


def _text(done: Completion) -> str:
    moved = f"{done.fetched} file{'' if done.fetched == 1 else 's'}, {size_text(done.bytes)}"
    parts = [f"{moved} moved" if done.fetched else "nothing moved"]
    if done.left:
        parts.append(f"{done.left} to fetch")
    lines = [f"{done.report.verdict}: {visible(str(done.path))} ({'; '.join(parts)})"]
    for one in done.failed[:NAMED_AT_MOST]:
        status = f"HTTP {one.http_status}: " if one.http_status else ""
        lines.append(f"  not moved: {visible(one.placed.bagpath)}: {status}{visible(one.reason)}")
    if len(done.failed) > NAMED_AT_MOST:
        lines.append(f"  not moved: {len(done.failed) - NAMED_AT_MOST} more (--json names all)")
    return "\n".join(lines)


def _plain(done: Completion) -> dict[str, Any]:
    return {
        "path": str(done.path),
        "status": 1 if done.exit_code else 0,
        "verdict": done.report.verdict,
        "files": done.fetched,
        "bytes": done.bytes,
        "left": done.left,
        "failed": [
            {
                "path": one.placed.bagpath,
                "reason": one.reason,
                "http_status": one.http_status,
                "exit_code": one.exit_code,
            }
            for one in done.failed
        ],
    }


def _failure(path: str, err: BicError) -> dict[str, Any]:
    from ..main import failure

    return {"path": path, **failure(err)}
