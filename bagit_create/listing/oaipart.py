"""A part of an OAI-PMH list: a time of it, and what was seen there."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime

from .oaixml import Header


@dataclass
class Part:
    """A time of the list, both ends included, None is open; and what was seen of it."""

    start: datetime | None
    end: datetime | None
    size: int | None = None
    count: int = 0
    last: str = ""
    at_last: set[str] = field(default_factory=set)
    stamps: int = 0
    ordered: bool = True
    resumed: bool = False

    def take(self, header: Header) -> bool:
        """Count a header; False if it came before, where the list was gone on with."""
        if header.datestamp == self.last:
            if header.identifier in self.at_last:
                return False
        else:
            self.ordered = self.ordered and header.datestamp > self.last
            self.last = header.datestamp
            self.at_last = set()
            self.stamps += 1
        self.at_last.add(header.identifier)
        self.count += 1
        return True

    @property
    def has_order(self) -> bool:
        """Whether all that is still to come seems to be of the last datestamp or later; trusted
        only where the size of the list will tell if it is not."""
        return self.ordered and self.stamps > 1 and self.size is not None

    @property
    def may_be_short(self) -> bool:
        """Whether less was seen than there is, or nobody knows."""
        return self.size is None or self.count < self.size

    @property
    def is_short(self) -> bool:
        """Whether less was seen than there is."""
        return self.size is not None and self.count < self.size
