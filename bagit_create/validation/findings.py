"""Collecting findings: at most so many of a kind, the rest as a count."""

from __future__ import annotations

import threading
from collections import Counter

from ..log import visible
from ..report import Finding
from .catalogue import advice

OF_A_KIND = 1000
"""A million missing files are one fault, not a million lines of memory."""
LONGEST = 300
"""Characters of what is told as expected or found."""
Place = str | tuple[str, int] | tuple[str, str]
"""Where something is: a file in the bag, a file and a line, or a file and a JSON pointer."""


class Findings:
    """The findings over one bag, in the order they were made. Safe to use from many threads."""

    def __init__(self) -> None:
        self._found: list[Finding] = []
        self._counts: Counter[tuple[str, str]] = Counter()
        self._lock = threading.Lock()

    def error(
        self, number: str, where: Place, message: str, *, expected: str = "", found: str = ""
    ) -> None:
        """The bag is invalid because of this."""
        self._add(number, "error", where, message, expected, found)

    def warning(
        self, number: str, where: Place, message: str, *, expected: str = "", found: str = ""
    ) -> None:
        """Valid, and somebody will stumble over it."""
        self._add(number, "warning", where, message, expected, found)

    def information(
        self, number: str, where: Place, message: str, *, expected: str = "", found: str = ""
    ) -> None:
        """Worth knowing."""
        self._add(number, "information", where, message, expected, found)

    def _add(
        self, number: str, level: str, where: Place, message: str, expected: str, found: str
    ) -> None:
        with self._lock:
            self._counts[number, level] += 1
            if self._counts[number, level] > OF_A_KIND:
                return
        file, place = where if isinstance(where, tuple) else (where, None)
        made = Finding(
            number,
            level,
            visible(file),
            visible(message),
            line=place if isinstance(place, int) else None,
            pointer=visible(place) if isinstance(place, str) else "",
            expected=visible(expected[:LONGEST]),
            found=visible(found[:LONGEST]),
            advice=advice(number),
        )
        with self._lock:
            self._found.append(made)

    @property
    def has_errors(self) -> bool:
        """Whether any finding is an error."""
        return any(level == "error" for _, level in self._counts)

    @property
    def counts(self) -> dict[str, int]:
        """The number of findings of each level, those too that were too many to keep."""
        levels = {"error": 0, "warning": 0, "information": 0}
        for (_, level), count in self._counts.items():
            levels[level] += count
        return levels

    def all(self) -> tuple[Finding, ...]:
        """The findings, and of each kind that was cut how many more there are."""
        cut = tuple(
            Finding(number, level, "", f"{count - OF_A_KIND} more of {number}")
            for (number, level), count in self._counts.items()
            if count > OF_A_KIND
        )
        return (*self._found, *cut)
