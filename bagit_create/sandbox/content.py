"""Bodies: bytes, or any number of generated ones that are never all in memory."""

from __future__ import annotations

import hashlib
import random
import zlib
from collections.abc import Iterator
from functools import lru_cache

BLOCK = 256 * 1024
_PERIOD = BLOCK - 5  # prime: blocks that are lost, doubled or swapped change the digest


class Content:
    """Bytes that a server can send: given, or generated from a seed, the same each time."""

    def __init__(self, given: bytes | int, seed: str = "") -> None:
        self._given = given if isinstance(given, bytes) else None
        self.size = len(given) if isinstance(given, bytes) else given
        self._seed = seed

    def blocks(self, start: int = 0, stop: int | None = None) -> Iterator[bytes]:
        """The bytes from ``start`` up to ``stop`` (None: the end), in blocks."""
        end = self.size if stop is None else min(stop, self.size)
        if self._given is not None:
            if start < end:
                yield self._given[start:end]
            return
        pattern = _pattern(self._seed)
        position = start
        while position < end:
            offset = position % _PERIOD
            block = pattern[offset : offset + end - position]
            yield block
            position += len(block)

    def digest(self, algorithm: str) -> str:
        """The digest in hexadecimal, computed once."""
        return _digest(self, algorithm)


@lru_cache(maxsize=8)
def _pattern(seed: str) -> bytes:
    return random.Random(seed).randbytes(_PERIOD)


@lru_cache(maxsize=20_000)
def _digest(content: Content, algorithm: str) -> str:
    if algorithm == "adler32":
        value = 1
        for block in content.blocks():
            value = zlib.adler32(block, value)
        return f"{value:08x}"
    digest = hashlib.new(algorithm, usedforsecurity=False)
    for block in content.blocks():
        digest.update(block)
    return digest.hexdigest()
