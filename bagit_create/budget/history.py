"""What happens to one budget, here and in the processes it is shared with, in one order."""

from __future__ import annotations

import itertools
import os
from collections.abc import Callable
from math import inf

from .shared import BEGINNING, END, Record, SharedLog
from .windows import Windows

LOOK_S = 1.0
"""Seconds after which we look for news where nothing limits us, and after the file itself."""

_numbers = itertools.count()


class History:
    """Tells the windows what happened. Used by one thread at a time.

    :param state: what is told.
    :param book: where processes share what happens; None keeps it here.
    :param warn: called with what went wrong when it cannot be shared any more.
    """

    def __init__(
        self, state: Windows, book: SharedLog | None, warn: Callable[[OSError], None]
    ) -> None:
        self._state = state
        self._book = book
        self._warn = warn
        self.look_at = inf if book is None else 0.0
        """When it is time to :meth:`look`."""
        self._check_at = 0.0
        self._kinds: dict[str, Callable[..., float | None]] = {
            "ticket": state.ticket,
            "told": state.tell,
            "nothing": state.nothing,
            "failed": state.failed,
            "broken": state.broken,
            "stand": state.stand,
            "pause": state.pause,
            BEGINNING: state.restore,
        }

    def add(self, kind: str, *facts: object) -> float | None:
        """Take in what happened here, behind what happened elsewhere before it.

        :param kind: one of ``ticket``, ``told``, ``nothing``, ``failed``, ``broken``, ``stand``,
            ``pause``; ``facts`` are what that method of :class:`Windows` takes, as JSON has it.
        :returns: what that method returned.
        """
        if self._book is not None:
            try:
                for _ in range(3):  # a line may meet the end of the file, or half of another one
                    mine = f"{os.getpid():x}.{next(_numbers):x}"
                    self._book.append([kind, mine, *facts])
                    found, result = self._read(mine)
                    if found:
                        return result
                raise OSError("lines that were written cannot be read")
            except OSError as err:
                self._give_up(err)
        return self._apply([kind, "", *facts])

    def look(self, now: float) -> None:
        """Take in what happened elsewhere."""
        if self._book is None:
            return
        try:
            if now >= self._check_at:
                self._check_at = now + LOOK_S
                if self._book.is_lost:
                    self._book.follow(self._state.snapshot())
                elif self._book.is_long:
                    self._book.append([END, ""])
            self._read("")
        except OSError as err:
            self._give_up(err)
        if self._book is not None:
            self.look_at = now + LOOK_S if self._state.is_free else 0.0

    def close(self) -> None:
        """Share it no more."""
        if self._book is not None:
            self._book.close()
            self._book = None
            self.look_at = inf

    def _read(self, mine: str) -> tuple[bool, float | None]:
        """Take in all that is new; whether our own line was there, and what came of it."""
        found, result, more = False, None, True
        while more and self._book is not None:
            more = False
            for record in self._book.read():
                if record[0] == END:
                    self._book.follow(self._state.snapshot())
                    more = True
                    break
                made = self._apply(record)
                if mine and record[1:2] == [mine]:
                    found, result = True, made
        return found, result

    def _apply(self, record: Record) -> float | None:
        try:
            return self._kinds[record[0]](*record[2:])
        except (TypeError, ValueError, LookupError, AttributeError, OverflowError):
            return None  # no line of ours

    def _give_up(self, err: OSError) -> None:
        self.close()
        self._warn(err)
