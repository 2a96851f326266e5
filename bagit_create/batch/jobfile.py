"""``job.json``: what a job folder says of itself, and its records' options; no secret."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any

from ..credentials import Secret
from ..errors import InputError, SipError
from ..options import JobOptions

VERSION = 1
NAME = "job.json"
LAYOUTS = ("flat", "hashed")

OF_A_RUN = ("token", "invcookie", "proxy", "cookies", "cert", "workdir")
"""Options that hold a secret or lead to one, or belong to one machine: given to each run anew."""
OF_A_RECORD = ("recid", "url", "target", "source_path", "source_base_path", "author")
"""Options that the list and the job folder decide."""
_PATHS = ("config", "previous")
DAMAGED = (ValueError, KeyError, TypeError, OverflowError, RecursionError)
"""What reading JSON raises that is not what was written."""


@dataclass(frozen=True, kw_only=True)
class JobFile:
    """What a job is.

    ``id`` tells it from all others. ``created`` is Unix seconds. ``records`` is their number,
    ``shards`` that of the first round, of ``shard_size`` records each, from these ``sources``.
    ``target`` is the packages' folder; a relative one is in the job folder. ``layout`` is
    ``"flat"`` (packages lie in the target itself) or ``"hashed"`` (in folders by the record's id,
    the same for each job). ``options`` are those of every record.
    """

    id: str
    created: int
    records: int
    shards: int
    shard_size: int
    target: str
    layout: str
    sources: tuple[str, ...]
    options: JobOptions

    def check(self) -> None:
        """Make sure that it says one thing.

        :raises ValueError: if it does not.
        """
        sizes = (self.records, self.shards, self.shard_size)
        if min(sizes) < 1 or self.shards != -(-self.records // self.shard_size):
            raise ValueError("its numbers of records and shards do not go together")
        if self.layout not in LAYOUTS:
            raise ValueError(f"no such layout: {self.layout}")
        if not self.sources:
            raise ValueError("no sources")

    def as_text(self) -> str:
        """The file's content."""
        facts = {
            "version": VERSION,
            "id": self.id,
            "created": self.created,
            "records": self.records,
            "shards": self.shards,
            "shard_size": self.shard_size,
            "target": self.target,
            "layout": self.layout,
            "sources": list(self.sources),
            "options": plain_options(self.options),
        }
        text = json.dumps(facts, indent=2, ensure_ascii=False) + "\n"
        if any("\ud800" <= one <= "\udfff" for one in text):  # of a path that is not UTF-8
            return json.dumps(facts, indent=2) + "\n"
        return text


def read(folder: Path) -> JobFile:
    """Read the file of a job folder.

    :raises InputError: if there is none, or it is of a version that is not known here.
    """
    path = folder / NAME
    try:
        facts = json.loads(path.read_text(encoding="utf-8"))
        if facts["version"] != VERSION:
            raise InputError(
                f"The job folder is of version {facts['version']}; this program knows {VERSION}.",
                where=str(path),
            )
        made = JobFile(
            id=str(facts["id"]),
            created=int(facts["created"]),
            records=int(facts["records"]),
            shards=int(facts["shards"]),
            shard_size=int(facts["shard_size"]),
            target=str(facts["target"]),
            layout=str(facts["layout"]),
            sources=tuple(str(one) for one in facts["sources"]),
            options=_options(facts["options"]),
        )
        made.check()
        return made
    except FileNotFoundError as err:
        raise InputError(
            "This is no job folder.", where=str(folder), hint="bic batch create"
        ) from err
    except OSError as err:
        raise SipError(f"The job folder cannot be read: {err.strerror}.", where=str(path)) from err
    except (*DAMAGED, AttributeError) as err:
        raise InputError(
            "The file of the job folder is damaged.", where=f"{path} ({type(err).__name__}: {err})"
        ) from err


def plain_options(options: JobOptions) -> dict[str, Any]:
    """The options that differ from what is usual, as JSON can hold them.

    :raises InputError: if one is among them that a job folder may not keep, or that the list
        decides.
    """
    usual = JobOptions()
    found: dict[str, Any] = {}
    faults = []
    for field in fields(JobOptions):
        value = getattr(options, field.name)
        if value == getattr(usual, field.name):
            continue
        if field.name in OF_A_RUN or isinstance(value, Secret):
            faults.append(f"{field.name} is given to each run, not kept in a job folder.")
        elif field.name in OF_A_RECORD:
            faults.append(f"{field.name} does not go with a list of records.")
        else:
            found[field.name] = str(value) if isinstance(value, Path) else value
    if faults:
        raise InputError("\n".join(faults))
    return found


def _options(facts: Mapping[str, Any]) -> JobOptions:
    known = {field.name for field in fields(JobOptions)} - set(OF_A_RUN) - set(OF_A_RECORD)
    if unknown := set(facts) - known:
        raise ValueError(f"unknown options: {', '.join(sorted(unknown))}")
    given = dict(facts)
    for name, value in facts.items():
        if not _is_of(value, _TYPES[name]):  # "false" would count as true
            raise TypeError(f"options: {name} cannot be {json.dumps(value)[:40]}")
        if name in _PATHS:
            given[name] = Path(value)
    if "algorithms" in given:
        given["algorithms"] = tuple(given["algorithms"])
    return JobOptions(**given)


_TYPES = {field.name: str(field.type).removesuffix(" | None") for field in fields(JobOptions)}
_KINDS: dict[str, Any] = {"bool": bool, "int": int, "float": (int, float), "str": str, "Path": str}


def _is_of(value: Any, kind: str) -> bool:
    """Whether JSON holds what :func:`plain_options` writes for an option of that type."""
    if kind == "tuple[str, ...]":
        return isinstance(value, list) and all(isinstance(one, str) for one in value)
    if isinstance(value, float) and not math.isfinite(value):
        return False
    return isinstance(value, _KINDS[kind]) and (kind == "bool") == isinstance(value, bool)
