"""``bic sandbox``: the miniature upstreams, in the foreground."""

from __future__ import annotations

from pathlib import Path
from threading import Event

import click

from ..errors import SipError
from . import output


@click.command(short_help="Run invented sources on this machine.")
@click.option(
    "--port",
    type=click.IntRange(0, 65500),
    default=0,
    metavar="P",
    help="The first port; the others follow it. [default: free ones]",
)
@click.option("--config-file", metavar="FILE", help="Write the configuration there too.")
def sandbox(port: int, config_file: str | None) -> None:
    """Run invented sources on this machine, to try bic without any network.

    Writes the configuration that points bic to them to standard output, and runs until Ctrl-C.
    """
    from ..sandbox import Sandbox

    try:
        with Sandbox(port) as running:
            text = running.config_text()
            if config_file:
                Path(config_file).write_text(text, encoding="utf-8")
            output.emit(text.rstrip("\n"))
            name = config_file or "FILE"
            output.tell(
                ("" if config_file else "Save the lines above as FILE.\n")
                + "Ctrl-C ends it. In another terminal, try:\n"
                f"  bic --config {name} --source zenodo --recid 7000001"
            )
            Event().wait()
    except KeyboardInterrupt:
        return
    except OSError as err:
        raise SipError(
            f"The sandbox cannot run: {err.strerror}.",
            where=str(err.filename or (f"port {port}" if port else "127.0.0.1")),
            hint="another --port or --config-file",
        ) from err
