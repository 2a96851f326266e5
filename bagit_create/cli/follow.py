"""A batch on the terminal: how many records have ended, and how."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ..log import visible

if TYPE_CHECKING:
    from ..batch import Item, Outcome
    from ..console import Display


class Follower:
    """Shows a batch through the display of a single run. Implements ``batch.BatchEvents``.

    :param telling: write a line for each record.
    """

    def __init__(self, shown: Display, telling: bool) -> None:
        self._shown = shown
        self._telling = telling
        self.phase = shown.phase
        self.started = shown.started
        self.advanced = shown.advanced
        self.file_done = shown.file_done
        self.waiting = shown.waiting

    def record_done(self, item: Item, outcome: Outcome) -> None:
        """Tell of a record if asked to."""
        if not self._telling:
            return
        text = f"{item.source} {item.recid}: {outcome.state}"
        if outcome.error:
            text += f" ({outcome.error}): {outcome.message}"
        elif outcome.package:
            text += f" {outcome.package}"
        self._shown.message(visible(text))
