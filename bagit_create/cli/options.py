"""The options of ``bic``, by purpose. Names, long and short, are those of the forerunner."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

import click
from click.shell_completion import CompletionItem

from ..checksums import DEFAULT_ALGORITHMS, MANIFEST_ALGORITHMS
from ..options import DEFAULT_JOBS, DEFAULT_MAX_WAIT_S, DEFAULT_RETRIES, DEFAULT_TIMEOUT_S
from .group import Purposeful

Decorator = Callable[[Callable[..., Any]], Callable[..., Any]]


def _sources(ctx: click.Context, param: click.Parameter, incomplete: str) -> list[CompletionItem]:
    """Complete the name of a source, with those of the user's own file."""
    from .. import config
    from ..errors import BicError

    try:
        known = config.load().instances
    except BicError:
        return []
    return [
        CompletionItem(name, help=one.title)
        for name, one in known.items()
        if name.startswith(incomplete.lower())
    ]


def _in(heading: str) -> Callable[..., Decorator]:
    def option(*names: str, **attrs: Any) -> Decorator:
        return click.option(*names, cls=Purposeful, heading=heading, **attrs)

    return option


_what = _in("What to package")
_where = _in("Where it goes")
_access = _in("Access")
_light = _in("Light bags")
_notes = _in("Notes for the archive")
_local = _in("Local folders")
_invenio = _in("Old Invenio servers")
_how = _in("How to run")
_term = _in("Terminal")

_ALL: tuple[Decorator, ...] = (
    _what(
        "-s",
        "--source",
        metavar="NAME",
        shell_complete=_sources,
        help="Where the record is; 'bic sources' lists the names.",
    ),
    _what("--recid", metavar="ID", help="The record's id there, or its DOI."),
    _what(
        "--url",
        metavar="URL",
        shown="-u, --url URL",
        help="The record's address or DOI, instead of --source and --recid. With --source local,"
        " -u is --author.",
    ),
    _what("-u", "short_u", metavar="URL", hidden=True),
    _what(
        "--base-url",
        metavar="URL",
        help="Another server of the kind that --source names, for this run only: its address."
        " Only a credential given on the command line goes there.",
    ),
    _what(
        "--allow-missing",
        is_flag=True,
        help="Make the package without the files that the source lists and does not hand out;"
        " sip.json names them.",
    ),
    _what(
        "--if-changed",
        is_flag=True,
        help="Make nothing if the newest package of the record, in --target or --previous, has it"
        " as it is: that package's path is written. Otherwise, files that have not changed are"
        " taken from it.",
    ),
    _what(
        "--previous",
        metavar="PATH",
        help="An earlier package (folder, tar, zip), or a folder of them: files in it that have"
        " the checksum that the source lists (md5, sha1 or better) are copied instead of fetched.",
    ),
    _where(
        "-t",
        "--target",
        metavar="DIR",
        help="The folder the package appears in; made if missing. [default: the current one]",
    ),
    _where(
        "-wd",
        "--workdir",
        metavar="DIR",
        help="Where the package is put together. If that is another disk than the target's, it is"
        " copied there and verified again. [default: a hidden folder in --target]",
    ),
    _where(
        "--algorithm",
        metavar="NAME",
        multiple=True,
        help="A checksum algorithm for the manifests; repeat it for several: "
        f"{', '.join(sorted(MANIFEST_ALGORITHMS))}."
        f" [default: {', '.join(DEFAULT_ALGORITHMS)}]",
    ),
    _where(
        "--bagit-version",
        metavar="VERSION",
        default="0.97",
        help="0.97 as the SIP specification asks, or 1.0 to follow RFC 8493 strictly."
        " [default: 0.97]",
    ),
    _where(
        "--archive",
        metavar="FORM",
        help="Leave one archive instead of a folder: tar, tar.gz or zip."
        " 'bic pack' makes one of a folder.",
    ),
    _where(
        "--no-verify",
        is_flag=True,
        help="Do not read the payload back from disk; sip.json says so.",
    ),
    _access(
        "--token-file",
        metavar="FILE",
        help="Read the access token from the first line of FILE, which only you may read;"
        " - is standard input.",
    ),
    _access(
        "-tk",
        "--token",
        metavar="TOKEN",
        help="The access token. Other users of this machine can see it in the list of"
        " processes: better use --token-file, or the environment: BIC_TOKEN_<SOURCE>"
        " (BIC_TOKEN_CDS_RDM for cds-rdm), else BIC_TOKEN.",
    ),
    _access(
        "--cookies",
        metavar="FILE",
        help="Send the cookies in FILE (Netscape form), which only you may read, each to its own"
        " server.",
    ),
    _access(
        "--proxy",
        metavar="URL",
        help="Go through this proxy: http://, https:// or socks5h://HOST:PORT."
        " [default: the variables HTTPS_PROXY, HTTP_PROXY, ALL_PROXY and NO_PROXY]",
    ),
    _access(
        "-ss",
        "--skipssl",
        is_flag=True,
        help="Do not check certificates. Nobody vouches then for what arrives.",
    ),
    _light(
        "-d",
        "--dry-run",
        "--light",
        "dry_run",
        is_flag=True,
        help="Make a light package: everything but the files, and a fetch.txt that lists them.",
    ),
    _light(
        "-a",
        "--alternate-uri",
        is_flag=True,
        help="Write the alternate address of each file into fetch.txt (root:// instead of"
        " https://), where the source gives one.",
    ),
    _light(
        "--hash-missing",
        is_flag=True,
        help="Read files that come without a checksum once, and keep only the digest.",
    ),
    _notes("-ct", "--collection", metavar="TEXT", help="Becomes 'collection' in sip.json."),
    _notes(
        "-em",
        "--embargo",
        metavar="TIME",
        help="Becomes 'embargo_timestamp' in sip.json: Unix seconds, or an ISO date (UTC).",
    ),
    _notes("-cm", "--comment", metavar="TEXT", help="Becomes 'comment' in sip.json."),
    _local(
        "-sp",
        "--source-path",
        metavar="DIR",
        help="The folder to package. Required with --source local.",
    ),
    _local(
        "-au",
        "--author",
        metavar="NAME",
        help="Who made the data. Required with --source local, where -u is the same.",
    ),
    _local(
        "-sbp",
        "--source-base-path",
        metavar="DIR",
        help="A folder above --source-path; paths in the package begin below it."
        " [default: --source-path]",
    ),
    _invenio("-b", "--bibdoc", is_flag=True, help="Ask the bibdocfile program for the file list."),
    _invenio("--bd-ssh-host", metavar="HOST", help="The SSH host to run bibdocfile on."),
    _invenio("-ic", "--invcookie", metavar="VALUE", help="The value of an INVENIOSESSION cookie."),
    _invenio(
        "-c",
        "--cert",
        metavar="PATH",
        help="A certificate for the single sign-on: PATH.pem and PATH.key.",
    ),
    _how(
        "-j",
        "--jobs",
        metavar="N",
        type=int,
        default=DEFAULT_JOBS,
        help=f"Files to fetch at the same time. [default: {DEFAULT_JOBS}]",
    ),
    _how(
        "--timeout",
        metavar="S",
        type=float,
        default=DEFAULT_TIMEOUT_S,
        help="Seconds of silence after which a connection is given up."
        f" [default: {DEFAULT_TIMEOUT_S:.0f}]",
    ),
    _how(
        "--retries",
        metavar="N",
        type=int,
        default=DEFAULT_RETRIES,
        help="How often to try again what failed for a reason that may pass."
        f" [default: {DEFAULT_RETRIES}]",
    ),
    _how(
        "--max-wait",
        metavar="S",
        type=float,
        default=DEFAULT_MAX_WAIT_S,
        help="The longest pause in seconds that a server may ask for."
        f" [default: {DEFAULT_MAX_WAIT_S:.0f}]",
    ),
    _how(
        "--config",
        metavar="FILE",
        help="Your own servers. [env: BIC_CONFIG] [default: instances.toml in your configuration"
        " folder, see 'bic sources']",
    ),
    _term(
        "--json",
        "as_json",
        is_flag=True,
        help="Write one JSON object to standard output, on failure too.",
    ),
    _term("-v", "--verbose", count=True, help="Tell each step; twice: in detail."),
    _term("-vv", "--very-verbose", is_flag=True, help="Tell each step in detail."),
    _term("-q", "--quiet", is_flag=True, help="Tell errors only, show no progress."),
    _term("--debug", is_flag=True, help="Show the traceback of a bug."),
)


def job_options(function: Callable[..., Any]) -> Callable[..., Any]:
    """Give a command all options of a job, in the order of the help."""
    for decorate in reversed(_ALL):
        function = decorate(function)
    return function


def some_options(names: Iterable[str]) -> Decorator:
    """Give a command those options of a job that it has use for."""
    wanted = set(names)

    def decorate(function: Callable[..., Any]) -> Callable[..., Any]:
        mine = getattr(function, "__click_params__", [])
        chosen = [one for one in _parameters() if one.name in wanted]
        function.__click_params__ = [*mine, *chosen]  # type: ignore[attr-defined]
        return function

    return decorate


def not_given() -> dict[str, Any]:
    """The values of all options of a job when none of them is given."""
    return click.Command("bic", params=_parameters()).make_context("bic", []).params


def _parameters() -> list[click.Parameter]:
    function = job_options(lambda: None)
    found: list[click.Parameter] = getattr(function, "__click_params__")
    return found
