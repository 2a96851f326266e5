"""Of sip.json what is not a file: the package's identity, history, and the user's own notes."""

from __future__ import annotations

import re
import time
from typing import Any

from .findings import Findings

SIP_JSON = "data/meta/sip.json"
DAY_S = 86400


def check(document: dict[str, Any], folder: str, found: Findings) -> bool | None:
    """Judge them; ``folder`` is the name of the bag's folder.

    :returns: audit/0's dry_run, None if it tells nothing.
    """
    light = None
    audit = document.get("audit")
    if not isinstance(audit, list) or not audit:
        found.error("C05", f"{SIP_JSON} /audit", f"expected a non-empty array, found {kind(audit)}")
    else:
        light = at(audit[0], "tool", "params", "dry_run")
        if not isinstance(light, bool):
            where = f"{SIP_JSON} /audit/0/tool/params/dry_run"
            found.error("C06", where, f"expected true or false, found {kind(light)}")
            light = None
        _check_times(audit, found)
        _compare_params(document, audit[0], found)
    for rule, key in (("C08", "source"), ("C09", "recid")):
        value = document.get(key)
        if value in (None, ""):
            found.error(rule, f"{SIP_JSON} /{key}", f"expected a text, found {kind(value)}")
        elif not isinstance(value, str):
            found.warning("C10", f"{SIP_JSON} /{key}", f"expected a text, found {kind(value)}")
        elif len(value) > 50:
            found.warning(
                "C11", f"{SIP_JSON} /{key}", f"{len(value)} characters; the platform has 50"
            )
    stamp = document.get("sip_creation_timestamp")
    if type(stamp) is not int:
        where = f"{SIP_JSON} /sip_creation_timestamp"
        found.error("C33", where, f"expected an integer, found {kind(stamp)}")
    elif stamp > time.time() + DAY_S:
        found.warning("C33", f"{SIP_JSON} /sip_creation_timestamp", f"{stamp} is in the future")
    name = f"sip::{document.get('source')}::{document.get('recid')}::{stamp}"
    if folder.startswith("sip::") and folder != name:
        found.warning("C12", folder, f'expected "{name}"')
    meta = document.get("usr-meta", {})
    if not isinstance(meta, dict):
        found.error("C34", f"{SIP_JSON} /usr-meta", f"expected an object, found {kind(meta)}")
    elif type(meta.get("embargo_timestamp", 0)) is not int:
        found.warning("C35", f"{SIP_JSON} /usr-meta/embargo_timestamp", "expected Unix seconds")
    schema = document.get("$schema")
    if schema is not None and not re.search(r"sip-schema-[a-z0-9.]+\.json", str(schema)[:500]):
        found.information("C32", f"{SIP_JSON} /$schema", f"unknown schema {kind(schema)}")
    return light


def _check_times(audit: list[Any], found: Findings) -> None:
    before = None
    for number, one in enumerate(audit):
        where = f"{SIP_JSON} /audit/{number}/timestamp"
        now = at(one, "timestamp")
        if type(now) is not int:
            found.warning("C07", where, "not an integer")
            continue
        # Step 0 carries the package's own time, which is chosen last: only later steps have order.
        if before is not None and now < before:
            found.warning("C07", where, f"{now} is earlier than the step before ({before})")
        before = now if number else None


def _compare_params(document: dict[str, Any], first: Any, found: Findings) -> None:
    """The record that was asked for may differ from the one harvested (a DOI, a concept)."""
    told, here = at(first, "tool", "params", "source"), document.get("source")
    if isinstance(told, str) and isinstance(here, str) and told != here:
        where = f"{SIP_JSON} /audit/0/tool/params/source"
        found.warning("C13", where, f'"{told[:40]}", but /source is "{here[:40]}"')


def at(value: Any, *keys: str) -> Any:
    """What stands under these keys, None if nothing does."""
    for key in keys:
        value = value.get(key) if isinstance(value, dict) else None
    return value


def kind(value: Any) -> str:
    """A value's type in JSON's words."""
    for kind, name in (
        (bool, "a boolean"),
        (str, "the text"),
        (dict, "an object"),
        (list, "an array"),
    ):
        if isinstance(value, kind):
            return f'{name} "{value[:40]}"' if isinstance(value, str) else name
    return "nothing" if value is None else f"the number {value}"
