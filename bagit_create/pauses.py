"""Waiting before something is tried again."""

from __future__ import annotations

import random
import threading

from . import log
from .errors import Interrupted
from .model import Events

BASE_WAIT_S = 0.5
LONGEST_BACKOFF_S = 60.0
LONG_S = 5
"""Seconds from which on a pause is worth telling."""


def backoff(attempt: int) -> float:
    """Seconds to wait before try number ``attempt`` (from 1): ever longer, and never the same for
    all who wait."""
    longest = min(LONGEST_BACKOFF_S, BASE_WAIT_S * 2**attempt)
    return random.uniform(longest / 2, longest)


class Pauses:
    """The pauses of one run.

    :param stopped: ends every pause.
    """

    def __init__(self, events: Events, stopped: threading.Event) -> None:
        self._events = events
        self._stopped = stopped

    def take(self, seconds: float, why: str) -> None:
        """Wait.

        :raises Interrupted: if the run is ended meanwhile.
        """
        if seconds >= LONG_S:
            log.info(f"waiting {seconds:.0f} s before the next try ({why})")
        else:
            log.debug(f"waiting {seconds:.1f} s before the next try ({why})")
        self._events.waiting(seconds, why)
        if self._stopped.wait(seconds):
            raise Interrupted("The run was ended while it was waiting for the server.")
