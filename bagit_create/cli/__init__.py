"""The command line: Click options become :class:`JobOptions`, outcomes become streams and codes.

Everything a command does, a script can do with one call of the package. Importing this loads
nothing heavy: what a command needs is imported inside it.
"""

from __future__ import annotations

from typing import Any

import click

from ..version import __version__
from .batch import batch
from .clean import clean
from .complete import complete, thin
from .demo import demo
from .group import Bic, refuse_lost_options
from .listing import list_
from .options import job_options
from .pack import pack
from .plan import plan
from .sandbox import sandbox
from .sources import sources
from .validate import validate

__all__ = ["cli"]


@click.group(
    cls=Bic,
    invoke_without_command=True,
    subcommand_metavar="[COMMAND]",
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100},
)
@job_options
@click.version_option(__version__, message="bic %(version)s", help="Show the version and exit.")
@click.pass_context
def cli(ctx: click.Context, /, **given: Any) -> int | None:
    """Make a CERN Submission Information Package (SIP) of a record or of a local folder.

    The path of the finished package is written to standard output, all else to standard error.
    """
    if ctx.invoked_subcommand is not None:
        refuse_lost_options(ctx)
        return None
    from .job import make_package

    return make_package(given)


for command in (list_, plan, batch, validate, pack, complete, thin, sources, clean, demo, sandbox):
    cli.add_command(command)
