"""Of sip.json what is not a file: the package's identity, history, and the user's own notes."""

from __future__ import annotations

import re
import time
from datetime import UTC, datetime
from typing import Any

from .findings import Findings

SIP_JSON = "data/meta/sip.json"
DAY_S = 86400
SECRET = re.compile(
    r"://[^/]*@|[?&](?:(?:access_|private_|job_|resource-|access_request_)?token|apikey|api_key"
    r"|signature|x-amz-signature|password)=",
    re.IGNORECASE,
)
"""A credential in an address."""


def check(document: dict[str, Any], folder: str, found: Findings) -> bool | None:
    """Judge them; ``folder`` is the name of the bag's folder.

    :returns: audit/0's dry_run, None if it tells nothing.
    """
    light = None
    audit = document.get("audit")
    if not isinstance(audit, list) or not audit:
        found.error("C05", (SIP_JSON, "/audit"), f"expected a non-empty array, found {kind(audit)}")
    else:
        light = at(audit[0], "tool", "params", "dry_run")
        if not isinstance(light, bool):
            where = (SIP_JSON, "/audit/0/tool/params/dry_run")
            found.error("C06", where, f"expected true or false, found {kind(light)}")
            light = None
        _check_times(audit, found)
        _compare_params(document, audit, found)
    for rule, key in (("C08", "source"), ("C09", "recid")):
        value = document.get(key)
        if value in (None, "") or isinstance(value, (dict, list)):
            found.error(rule, (SIP_JSON, f"/{key}"), f"expected a text, found {kind(value)}")
        elif not isinstance(value, str):
            found.warning("C10", (SIP_JSON, f"/{key}"), f"expected a text, found {kind(value)}")
        elif len(value) > 50:
            found.warning(
                "C11", (SIP_JSON, f"/{key}"), f"{len(value)} characters; the platform has 50"
            )
    url = document.get("metadataFile_upstream")
    if isinstance(url, str) and SECRET.search(url):
        text = "contains credentials (not shown)"
        found.error("C30", (SIP_JSON, "/metadataFile_upstream"), text)
    stamp = document.get("sip_creation_timestamp")
    where = (SIP_JSON, "/sip_creation_timestamp")
    if type(stamp) is not int:
        level = found.warning if stamp is None else found.error
        level("C33", where, f"expected an integer, found {kind(stamp)}")
    elif stamp > time.time() + DAY_S:
        found.warning("C33", where, f"{stamp} is in the future")
    name = f"sip::{document.get('source')}::{document.get('recid')}::{stamp}"
    if folder != name:
        text = "the folder's name is not made of source, record id and time"
        found.warning("C12", folder, text, expected=name, found=folder)
    _check_own_notes(document.get("usr-meta", {}), found)
    schema = document.get("$schema")
    if schema is not None and not re.search(r"sip-schema-[a-z0-9.]+\.json", str(schema)[:500]):
        found.information("C32", (SIP_JSON, "/$schema"), f"unknown schema {kind(schema)}")
    details = document.get("source_details")
    for key in ("source_path", "source_base_path"):
        path = at(details, key)
        if isinstance(path, str) and re.match(r"/|[A-Za-z]:[\\/]", path):
            text = "absolute path of the machine that made the package"
            found.information("C55", (SIP_JSON, f"/source_details/{key}"), text)
    return light


def _check_times(audit: list[Any], found: Findings) -> None:
    before = None
    for number, one in enumerate(audit):
        where = (SIP_JSON, f"/audit/{number}/timestamp")
        now = at(one, "timestamp")
        if type(now) is not int or not isinstance(at(one, "tool"), dict):
            text = "a step needs a tool and an integer as its time"
            found.warning("C07", where, text, found=kind(now))
            continue
        for key in ("action", "message"):
            if not isinstance(at(one, key), str):
                text = f"expected a text, found {kind(at(one, key))}"
                found.warning("C07", (SIP_JSON, f"/audit/{number}/{key}"), text)
        # Step 0 carries the package's own time, which is chosen last: only later steps have order.
        if before is not None and now < before:
            found.warning("C07", where, f"{now} is earlier than the step before ({before})")
        before = now if number else None


def _check_own_notes(meta: Any, found: Findings) -> None:
    if not isinstance(meta, dict):
        text = f"expected an object, found {kind(meta)}; the platform's announce fails on this"
        found.error("C34", (SIP_JSON, "/usr-meta"), text)
        return
    where = (SIP_JSON, "/usr-meta/embargo_timestamp")
    embargo = meta.get("embargo_timestamp", 0)
    if type(embargo) is not int:
        found.warning("C35", where, f"expected Unix seconds, found {kind(embargo)}")
    elif embargo:
        try:
            moment = datetime.fromtimestamp(embargo, UTC)
        except (OverflowError, OSError, ValueError):
            found.warning("C35", where, f"{embargo} is no time")
            return
        over = "was embargoed" if embargo <= time.time() else "embargoed"
        found.information("C36", where, f"{over} until {moment:%Y-%m-%dT%H:%M:%SZ}")


def _compare_params(document: dict[str, Any], audit: list[Any], found: Findings) -> None:
    """The record that was asked for may differ from the one harvested: then a step says so."""
    resolved = any(at(one, "action") == "resolve" for one in audit)
    for key in ("source", "recid"):
        told, here = at(audit[0], "tool", "params", key), document.get(key)
        if told is None or not isinstance(here, str) or str(told).lower() == here.lower():
            continue
        if not resolved:
            where = (SIP_JSON, f"/audit/0/tool/params/{key}")
            found.warning("C13", where, f'"{str(told)[:60]}", but /{key} is "{here[:60]}"')


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
