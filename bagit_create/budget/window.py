"""One window of one limit: what is used of it, and when the next request's turn comes."""

from __future__ import annotations

from dataclasses import dataclass

HASTE = 3.0
"""How many times faster than evenly a window's missed requests are made up for."""


@dataclass
class Window:
    """One window of a limit; ``length`` is that of the following ones, if the limit stands.

    ``used`` counts everybody's requests as far as known, ``own`` ours; ``next`` is when the next
    one's turn comes, ``floor`` the seconds that are between two at least.
    """

    limit: int
    start: float
    end: float
    used: int
    grain: float
    length: float | None = None
    own: int = 0
    next: float = 0.0
    floor: float = 0.0

    def __post_init__(self) -> None:
        self.next = self.next or self.start
        self.floor = self.floor or (self.end - self.start) / max(1, self.limit - self.used) / HASTE

    @property
    def over(self) -> float:
        """When nothing can be counted to it any more."""
        if self.length is None:
            return self.end + self.grain
        # It began when our request arrived there, which is later than when it was sent.
        return self.end + min(1.0, self.length / 50) + self.length / 200

    def left(self, part: float) -> int:
        """How many more requests we may send."""
        return min(self.limit - self.used, max(1, int(self.limit * part)) - self.own)

    def is_same(self, end: float, grain: float) -> bool:
        """Whether an answer that tells this end means this window."""
        return abs(end - self.end) <= min(2 * grain, (self.end - self.start) / 2)

    def take(self, slot: float, part: float, spread: float) -> None:
        """One goes at this time; the next one when its turn has come."""
        left = self.left(part)
        self.own += 1
        self.used += 1
        self.next = slot
        if left <= spread * self.limit:
            self.next += max((self.end - slot) / max(1, left), self.floor)
