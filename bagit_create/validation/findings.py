"""Collecting findings: at most so many of a kind, the rest as a count."""

from __future__ import annotations

from collections import Counter

from ..log import visible
from ..model import Finding

OF_A_KIND = 1000
"""A million missing files are one fault, not a million lines of memory."""


class Findings:
    """The findings over one bag, in the order they were made."""

    def __init__(self) -> None:
        self._found: list[Finding] = []
        self._counts: Counter[tuple[str, str]] = Counter()

    def error(self, number: str, where: str, message: str) -> None:
        """The bag is invalid because of this."""
        self._add(number, "error", where, message)

    def warning(self, number: str, where: str, message: str) -> None:
        """Valid, and somebody will stumble over it."""
        self._add(number, "warning", where, message)

    def information(self, number: str, where: str, message: str) -> None:
        """Worth knowing."""
        self._add(number, "information", where, message)

    def _add(self, number: str, level: str, where: str, message: str) -> None:
        self._counts[number, level] += 1
        if self._counts[number, level] <= OF_A_KIND:
            self._found.append(Finding(number, level, visible(where), visible(message)))

    @property
    def has_errors(self) -> bool:
        """Whether any finding is an error."""
        return any(level == "error" for _, level in self._counts)

    def all(self) -> tuple[Finding, ...]:
        """The findings, and of each kind that was cut how many more there are."""
        cut = tuple(
            Finding(number, level, "", f"{count - OF_A_KIND} more of {number}")
            for (number, level), count in self._counts.items()
            if count > OF_A_KIND
        )
        return (*self._found, *cut)
