"""Many files at once, from wherever they are into the staged bag, hashed as they arrive."""

from .ahead import look_ahead
from .fetch import fetch

__all__ = ["fetch", "look_ahead"]
