"""``bic sources``: what can be harvested, and with which credential."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from .. import config, credentials
from ..config import Instance
from ..errors import BicError
from ..log import visible
from . import output


@click.command(short_help="List the sources and their credentials.")
@click.option("--config", "file", metavar="FILE", help="Your own servers. [env: BIC_CONFIG]")
@click.option("--json", "as_json", is_flag=True, help="Write one JSON object.")
def sources(file: str | None, as_json: bool) -> None:
    """List the sources: their kind and address, the credential they take and where it is found."""
    known = config.load(Path(file) if file else None)
    used = Path(file) if file else config.user_file()
    if as_json:
        output.emit_json(
            {
                "config": str(used) if used else None,
                "default_config": str(config.default_file()),
                "sources": [_plain(one) for one in known.instances.values()],
            }
        )
        return
    output.emit("\n".join(_text(one) for one in known.instances.values()))
    output.tell(
        f"your own servers: {used}"
        if used
        else f"your own servers: {config.default_file()}"
        " (not there; --config and BIC_CONFIG name another)"
    )


def _variables(one: Instance) -> list[str]:
    return list(credentials.variables(one)) if one.credential else []


def _state(one: Instance) -> tuple[str | None, str | None]:
    try:
        found = credentials.locate(one) if one.credential else None
        return found[0] if found else None, None
    except (BicError, OSError) as err:
        return None, " ".join(str(err).split())


def _plain(one: Instance) -> dict[str, Any]:
    place, fault = _state(one)
    return {
        "source": one.name,
        "kind": one.pipeline,
        "title": one.title,
        "address": one.base_url or None,
        "hosts": list(one.hosts),
        "credential": one.credential or None,
        "credential_help": one.credential_help or None,
        "variables": _variables(one),
        "configured": place is not None,
        "configured_in": place,
        "fault": fault,
    }


def _text(one: Instance) -> str:
    lines = [f"{one.name}: {one.title or one.base_url} (kind {one.pipeline})"]
    if one.base_url:
        lines.append(one.base_url)
    if one.credential:
        place, fault = _state(one)
        state = f"found in {place}" if place else fault or "none found"
        lines.append(f"{one.credential}, if needed, from {', '.join(_variables(one))}: {state}")
    else:
        lines.append("no credential")
    return visible(lines[0]) + "".join(f"\n    {visible(line)}" for line in lines[1:])
