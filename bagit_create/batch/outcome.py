"""How one record of a job ended, as a value and as a line of a log."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from typing import Any

DONE = "done"
UNCHANGED = "unchanged"
FAILED = "failed"
MAKING = "making"
"""The package is about to get its name: whoever comes later looks whether it has."""
STATES = (DONE, UNCHANGED, FAILED, MAKING)
MOST = 1 << 63
"""No number in a log is as large: one that is was damaged."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """How a record ended.

    ``number`` is the item's. ``state`` is :data:`DONE`, :data:`UNCHANGED` or :data:`FAILED`.
    ``package`` is the name of the folder or archive, ``""`` if none was made; while it is being
    made, ``holder`` is the hidden folder that it comes out of, by its name alone if it is in the
    target's own staging place. ``bytes`` are those
    of its files. ``at`` is when it ended, in Unix seconds, ``seconds`` how long it took. Of a
    failure, ``error`` is the class of :mod:`bagit_create.errors`, with its ``exit_code``,
    ``http_status``, ``message``, ``where`` and ``hint``. ``warnings``, ``missing``, ``skipped``,
    ``without_checksum`` and ``reused`` count what sip.json tells.
    """

    number: int
    state: str
    at: float = 0.0
    seconds: float = 0.0
    package: str = ""
    holder: str = ""
    files: int = 0
    bytes: int = 0
    warnings: int = 0
    missing: int = 0
    skipped: int = 0
    without_checksum: int = 0
    reused: int = 0
    error: str = ""
    exit_code: int = 0
    http_status: int = 0
    message: str = ""
    where: str = ""
    hint: str = ""

    def line(self) -> str:
        """The outcome's line in a log: what is not there is 0 or empty."""
        facts: dict[str, Any] = {"n": self.number}
        for name in _NAMES:
            value = getattr(self, name)
            if value:
                facts[name] = value
        return _encode(facts) + "\n"


_KINDS = {"int": int, "float": float, "str": str}
_TYPES: dict[str, Any] = {one.name: _KINDS[str(one.type)] for one in fields(Outcome)}
_NAMES = tuple(name for name in _TYPES if name != "number")
_NUMBERS = tuple(name for name in _NAMES if _TYPES[name] is not str)
_encode = json.JSONEncoder(ensure_ascii=True, separators=(",", ":")).encode


def from_line(facts: Mapping[str, Any]) -> Outcome:
    """The outcome that a line of a log tells.

    :raises ValueError, KeyError, TypeError, OverflowError: if it tells none, or no record can have
        ended so.
    """
    given: dict[str, Any] = {name: _TYPES[name](facts[name]) for name in _NAMES if name in facts}
    made = Outcome(number=int(facts["n"]), **given)
    if made.state not in STATES or made.state in (DONE, MAKING) and not made.package:
        raise ValueError("no such state")
    if not all(0 <= getattr(made, name) < MOST for name in _NUMBERS if name in given):
        raise ValueError("no such number")
    return made


@dataclass(slots=True)
class Totals:
    """Many outcomes, counted. ``failed`` is by the class of the error; ``seconds`` are of work."""

    done: int = 0
    unchanged: int = 0
    failed: dict[str, int] = field(default_factory=dict)
    files: int = 0
    bytes: int = 0
    seconds: float = 0.0
    missing: int = 0
    without_checksum: int = 0
    reused: int = 0

    @property
    def records(self) -> int:
        """All that have ended."""
        return self.done + self.unchanged + sum(self.failed.values())

    def add(self, one: Outcome) -> None:
        """Count one outcome."""
        if one.state == FAILED:
            self.failed[one.error] = self.failed.get(one.error, 0) + 1
        elif one.state == UNCHANGED:
            self.unchanged += 1
        else:
            self.done += 1
            self.files += one.files
            self.bytes += one.bytes
            self.missing += one.missing
            self.without_checksum += one.without_checksum
            self.reused += one.reused
        self.seconds += one.seconds

    def merge(self, other: Totals) -> None:
        """Count what another has counted."""
        for kind, count in other.failed.items():
            self.failed[kind] = self.failed.get(kind, 0) + count
        for name in _COUNTS:
            setattr(self, name, getattr(self, name) + getattr(other, name))

    def as_dict(self) -> dict[str, Any]:
        """As JSON can hold it."""
        return {"failed": dict(self.failed)} | {name: getattr(self, name) for name in _COUNTS}

    @classmethod
    def from_dict(cls, facts: Mapping[str, Any]) -> Totals:
        """What :meth:`as_dict` gave.

        :raises ValueError, KeyError, TypeError: if it is something else.
        """
        counts: dict[str, Any] = {
            name: (float if name == "seconds" else int)(facts[name]) for name in _COUNTS
        }
        failed = {str(kind): int(count) for kind, count in dict(facts["failed"]).items()}
        return cls(failed=failed, **counts)


_COUNTS = tuple(one.name for one in fields(Totals) if one.name != "failed")
