"""Many files at once, from wherever they are into the staged bag, hashed as they arrive."""

from .fetch import fetch, look_ahead

__all__ = ["fetch", "look_ahead"]
