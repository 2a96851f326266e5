"""The ``bic`` command itself: its help, and how every outcome becomes an exit code."""

from __future__ import annotations

import sys
from collections.abc import Callable
from typing import Any

import click
from click.core import ParameterSource

from ..errors import BicError
from . import output

EXAMPLES = (
    "bic --url https://zenodo.org/records/3911261",
    "bic --source cds --recid 2728246 --target packages --dry-run",
    "bic --source local --source-path FOLDER --author 'Ada Lovelace'",
)

EXIT_CODES = {
    0: "done",
    1: "unexpected error: a bug, please report it",
    2: "the command cannot be run as it was given",
    3: "a configuration file or a credential is wrong",
    4: "the source answered, but not usefully",
    5: "no such record: missing, deleted, or merged into another",
    6: "access denied: restricted, or the credential was refused",
    7: "not reachable or overloaded after all retries; a later run may succeed",
    8: "files missing, cut short, or of another size than announced",
    9: "a file does not have the checksum that the source announced",
    10: "the package cannot be written, or its name is taken",
    11: "a package that is not valid",
    130: "interrupted with Ctrl-C; the same command continues",
}

BEFORE_A_COMMAND = ("debug",)
"""Options of ``bic`` that may stand before a subcommand."""


class Purposeful(click.Option):
    """An option that knows under which heading the help shows it, and which spellings."""

    def __init__(self, *args: Any, heading: str, shown: str = "", **attrs: Any) -> None:
        super().__init__(*args, **attrs)
        self.heading = heading
        self.shown = shown

    def get_help_record(self, ctx: click.Context) -> tuple[str, str] | None:
        """The line of the help."""
        record = super().get_help_record(ctx)
        return (self.shown, record[1]) if record and self.shown else record


class Bic(click.Group):
    """A group that is a command too, with help by purpose and the package's exit codes."""

    # -- help ---------------------------------------------------------------------------------

    def format_help(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """Usage, what it does, examples, options by purpose, commands, exit codes."""
        self.format_usage(ctx, formatter)
        self.format_help_text(ctx, formatter)
        with formatter.section("Examples"):
            for line in EXAMPLES:
                formatter.write(" " * formatter.current_indent + line + "\n")
        self.format_options(ctx, formatter)
        with formatter.section("Exit codes"):
            formatter.write_dl([(str(code), text) for code, text in EXIT_CODES.items()])

    def format_options(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """The options, under their headings."""
        sections: dict[str, list[tuple[str, str]]] = {}
        for param in self.get_params(ctx):
            record = param.get_help_record(ctx)
            if record is not None:
                sections.setdefault(getattr(param, "heading", "Terminal"), []).append(record)
        for heading, records in sections.items():
            with formatter.section(heading):
                formatter.write_dl(records)
        self.format_commands(ctx, formatter)

    # -- running ------------------------------------------------------------------------------

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        """Nothing at all asks for help."""
        if not args and not ctx.resilient_parsing:
            click.echo(ctx.get_help())
            ctx.exit()
        return super().parse_args(ctx, args)

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        """Find the subcommand; say what a stray word may have meant."""
        if self.get_command(ctx, args[0]) is None and not ctx.resilient_parsing:
            word = args[0]
            if "/" in word:
                ctx.fail(f"{word!r} is no command; an address or DOI goes with --url.")
            if any(letter.isdigit() for letter in word):
                ctx.fail(f"{word!r} is no command; a record id goes with --recid.")
        return super().resolve_command(ctx, args)

    def invoke(self, ctx: click.Context) -> Any:
        """Run, and turn what goes wrong into a message and an exit code."""
        try:
            return super().invoke(ctx)
        except (click.ClickException, click.exceptions.Exit, click.Abort):
            raise
        except BicError as err:
            output.tell_error(str(err))
            return err.exit_code
        except BrokenPipeError:
            output.hush()
            return 0
        except Exception as err:  # a bug is told in one line, and its traceback on request
            return output.tell_bug(err, ctx.params["debug"])

    def main(self, *args: Any, **extra: Any) -> Any:
        """Run as a program, which ends with :class:`SystemExit`; see :meth:`click.Command.main`."""
        run: Callable[..., Any] = super().main
        if not extra.pop("standalone_mode", True):
            return run(*args, standalone_mode=False, **extra)
        output.open_closed_streams()
        try:
            code = run(*args, standalone_mode=False, **extra)
        except click.ClickException as err:
            err.show()
            code = err.exit_code
        except (click.Abort, KeyboardInterrupt):
            output.tell_error("Interrupted.")
            code = 130
        sys.exit(code if isinstance(code, int) else 0)


def refuse_lost_options(ctx: click.Context) -> None:
    """Refuse options of ``bic`` before a subcommand, which would not hear of them."""
    for param in ctx.command.get_params(ctx):
        name = param.name or ""
        given = ctx.get_parameter_source(name) is ParameterSource.COMMANDLINE
        if given and name not in BEFORE_A_COMMAND:
            ctx.fail(f"{param.opts[-1]} does not go before {ctx.invoked_subcommand!r}.")
