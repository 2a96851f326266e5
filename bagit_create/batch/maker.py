"""What makes packages for workers, as they see it: :mod:`.harvest` is the one that ``bic`` has."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Protocol

from ..errors import BicError
from .items import Item
from .outcome import Outcome


class Fatal(Exception):
    """The run cannot go on: the next record would fail for the same reason.

    :param error: that reason.
    """

    def __init__(self, error: BicError) -> None:
        super().__init__(str(error))
        self.error = error


class Maker(Protocol):
    """Makes the package of one record. Each worker has its own."""

    def make(self, item: Item, place: Path, begin: Callable[[Outcome], None]) -> Outcome:
        """Make it; a failure of the record is an outcome.

        :param place: the folder in which the package is to appear.
        :param begin: to be called when all is ready, before the package gets its name.
        :raises Lost: if the shard is another worker's now.
        :raises Interrupted: if the run is being ended; nothing is known of the record then.
        :raises Fatal: if no record can be made.
        """

    def settle(self, begun: Outcome, place: Path) -> bool:
        """Whether a package that another worker was about to name is there; if not, it never will.

        That worker may be dead, or only asleep. What it left beside the package is removed.

        :param begun: what that worker gave to ``begin``.
        :param place: the folder that the package is in.
        """

    def answers(self, item: Item) -> bool:
        """Whether its source hands a record out: asks for it and for a file, and makes nothing.

        One without files proves nothing: those may come from elsewhere than the metadata.

        :raises Interrupted: if the run is being ended.
        """

    def stop(self) -> None:
        """End what is under way, from another thread."""

    def close(self) -> None:
        """Give up what is kept between records."""
