"""What of a bag's payload is here and what is promised, in bytes and files."""

from __future__ import annotations

from collections.abc import Iterable

from .baginfo import Payload
from .structure import Structure, is_junk
from .table import ABSENT
from .tags import TagFiles


class Balance:
    """Weighs the disk against fetch.txt, once both have been read."""

    def __init__(self, there: Structure, tags: TagFiles) -> None:
        self._there = there
        self._tags = tags

    def missing(self) -> list[str]:
        """What fetch.txt promises and is not here."""
        payload = self._there.payload
        sizes, rows = payload.whole(), payload.table.rows
        return [path for path in self._tags.fetch.lines if sizes[rows[path]] == ABSENT]

    def promised(self, missing: Iterable[str]) -> int | None:
        """The bytes still to be fetched; None if fetch.txt leaves one size open."""
        sizes = [self._tags.fetch.sizes.get(path) for path in missing]
        known = [size for size in sizes if size is not None]
        return sum(known) if len(known) == len(sizes) else None

    def sizes(self) -> Payload:
        """What Payload-Oxum may speak of."""
        there = self._there
        size, count = there.nameless
        here = (there.payload.total() + size, len(there.payload) + count)
        for link, target in there.links.items():  # it counts as what it leads to
            if link.startswith("data/"):
                here = (here[0] + (there.payload.get(target) or 0), here[1] + 1)
        missing = self.missing()
        promised = self.promised(missing)
        whole = None if promised is None else (here[0] + promised, here[1] + len(missing))
        return Payload(here, whole, bool(missing), self._lost_junk)

    def _lost_junk(self) -> int:
        payload = self._there.payload
        listed = {path for one in self._tags.manifests for path in one.digests.lines}
        return sum(path not in payload and is_junk(path) for path in listed)
