"""The switchboard: what goes wrong, where, and how often."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass, field
from threading import Lock
from typing import Any

from .limits import Limiter

KINDS = frozenset(
    "status reset cut stall slow-first-byte wrong-bytes longer redirect html json-shape not-json"
    " empty gzip firewall endless raw".split()
)


@dataclass(frozen=True)
class Fault:
    """One way for a server to fail.

    ``kind`` is one of: ``status`` (answer ``status`` with a web page, ``retry_after`` as header),
    ``reset`` (break the connection after ``after`` bytes of the body), ``cut`` (close it politely
    there), ``stall`` (silence there for ``seconds``), ``slow-first-byte`` (wait ``seconds``),
    ``wrong-bytes`` (right length, other bytes), ``longer`` (more bytes than announced in the list),
    ``redirect`` (302 to ``location``), ``html`` (200 and a web page, or ``body``), ``json-shape``
    (JSON without the expected fields), ``not-json`` (garbage that claims to be JSON), ``empty``,
    ``gzip`` (compressed though nobody asked), ``firewall`` (403 and a page labelled as data),
    ``endless`` (a body without end), ``raw`` (the bytes that ``speak`` makes of the right answer,
    with status line and headers; then silence for ``seconds``, and what ``ends`` says: ``close``,
    ``reset``, or ``keep`` for a connection that stays).
    """

    kind: str
    status: int = 503
    after: int = 0
    seconds: float = 0
    location: str = ""
    retry_after: str | None = None
    body: bytes | None = None
    speak: Callable[[Any], bytes] | None = None
    ends: str = "close"

    def __post_init__(self) -> None:
        if self.kind not in KINDS:
            raise ValueError(f"no fault of kind {self.kind!r}")
        if (self.kind == "raw") != (self.speak is not None):
            raise ValueError("raw, and nothing else, needs to be told what to say")


@dataclass
class _Rule:
    pattern: re.Pattern[str]
    fault: Fault
    left: int | None
    source: str | None


@dataclass
class Switchboard:
    """Which requests meet a fault; the first rule that fits counts."""

    limiters: dict[str, Limiter] = field(default_factory=dict)
    """By source, what it allows; others allow everything."""
    _rules: list[_Rule] = field(default_factory=list)
    _lock: Lock = field(default_factory=Lock)

    def add(self, pattern: str, fault: Fault, times: int | None, source: str | None) -> None:
        """Have the next ``times`` requests (None: all) whose raw path has ``pattern`` fail."""
        with self._lock:
            self._rules.append(_Rule(re.compile(pattern), fault, times, source))

    def clear(self) -> None:
        """Everything works again."""
        with self._lock:
            self._rules.clear()
            self.limiters.clear()

    def find(self, source: str, path: str) -> Fault | None:
        """The fault that this request meets, counted."""
        with self._lock:
            for rule in self._rules:
                if rule.left == 0 or rule.source not in (None, source):
                    continue
                if rule.pattern.search(path):
                    if rule.left is not None:
                        rule.left -= 1
                    return rule.fault
        return None
