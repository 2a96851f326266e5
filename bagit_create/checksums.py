"""Several digests in one reading.

BagIt's names for algorithms are used throughout (RFC 8493 section 2.4: lower case, without
punctuation). adler32 is here too, because CERN Open Data publishes it; it is verified and recorded,
and never used for a payload manifest of a full bag.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import os
import re
import threading
import zlib
from collections.abc import Callable, Iterable, Sequence
from functools import partial
from queue import Queue
from threading import Thread
from typing import Protocol

from .errors import InputError, UpstreamError
from .model import Checksum

BLOCK = 512 * 1024
"""Bytes read at a time: below 64 KiB the calls cost more than the bytes."""


class _Buffers(threading.local):
    """One buffer a thread: a fresh one for every read costs more than filling it."""

    def __init__(self) -> None:
        self.block = memoryview(bytearray(BLOCK))


_buffers = _Buffers()


def read_block(descriptor: int) -> memoryview:
    """Read up to :data:`BLOCK` bytes; empty at the end.

    What is returned changes with the next call in the same thread.

    :raises OSError: if the file cannot be read.
    """
    block = _buffers.block
    return block[: os.readv(descriptor, (block,))]


def read_at(descriptor: int, offset: int, most: int) -> memoryview:
    """As :func:`read_block`, from an offset and no more than ``most`` bytes."""
    block = _buffers.block[:most]
    return block[: os.preadv(descriptor, (block,), offset)]


class Hasher(Protocol):
    """What hashlib's objects offer, as far as it is used here."""

    def update(self, data: bytes | memoryview, /) -> None: ...

    def hexdigest(self) -> str: ...


#: What a payload manifest of a full bag may use, in order of reading speed (fastest first).
MANIFEST_ALGORITHMS = ("sha1", "sha256", "sha512", "md5", "sha384", "sha224", "sha3256", "sha3512")
DEFAULT_ALGORITHMS = ("md5", "sha512")

#: Length of each digest in hexadecimal digits.
HEX_LENGTH = {
    "adler32": 8,
    "crc32": 8,
    "md5": 32,
    "sha1": 40,
    "sha224": 56,
    "sha256": 64,
    "sha384": 96,
    "sha512": 128,
    "sha3224": 56,
    "sha3256": 64,
    "sha3384": 96,
    "sha3512": 128,
    "blake2b512": 128,
    "blake2s256": 64,
}
CRYPTOGRAPHIC = frozenset(HEX_LENGTH) - {"adler32", "crc32"}
"""What may serve in a manifest: RFC 8493 section 2.4 asks for a cryptographic algorithm."""
_HASHLIB_NAME = {
    "sha3224": "sha3_224",
    "sha3256": "sha3_256",
    "sha3384": "sha3_384",
    "sha3512": "sha3_512",
    "blake2b512": "blake2b",
    "blake2s256": "blake2s",
}
# The constructors themselves: hashlib.new() looks the name up anew for every file.
_CONSTRUCTORS: dict[str, Callable[[], Hasher]] = {
    name: partial(getattr(hashlib, _HASHLIB_NAME.get(name, name)), usedforsecurity=False)
    for name in CRYPTOGRAPHIC
}


class _Adler32:
    """zlib's checksum in the manner of hashlib; eight digits, as ``xrdadler32`` prints them."""

    def __init__(self) -> None:
        self._value = 1

    def update(self, data: bytes | memoryview, /) -> None:
        self._value = zlib.adler32(data, self._value)

    def hexdigest(self) -> str:
        return f"{self._value:08x}"


class _Crc32:
    def __init__(self) -> None:
        self._value = 0

    def update(self, data: bytes | memoryview, /) -> None:
        self._value = zlib.crc32(data, self._value)

    def hexdigest(self) -> str:
        return f"{self._value:08x}"


def normalise(algorithm: str) -> str:
    """Return BagIt's spelling of an algorithm's name: ``"SHA-256"`` becomes ``"sha256"``."""
    return re.sub(r"[^a-z0-9]", "", algorithm.lower())


_CONSTRUCTORS["adler32"] = _Adler32
_CONSTRUCTORS["crc32"] = _Crc32


def hasher(algorithm: str) -> Hasher:
    """Start a digest. :raises InputError: for an algorithm we cannot compute."""
    try:
        return _CONSTRUCTORS[algorithm]()
    except KeyError:
        raise InputError(
            f"Unknown checksum algorithm {algorithm!r}.",
            hint="use one of " + ", ".join(sorted(MANIFEST_ALGORITHMS)),
        ) from None


class Digests:
    """Several digests over the same bytes, fed block by block."""

    def __init__(self, algorithms: Iterable[str]) -> None:
        self._hashers: dict[str, Hasher] = {}  # filled by a loop: of small files there are many
        for name in algorithms:
            self._hashers[name] = hasher(name)

    def update(self, block: bytes | memoryview) -> None:
        """Feed the next block to every digest."""
        for one in self._hashers.values():
            one.update(block)

    def checksums(self) -> tuple[Checksum, ...]:
        """The digests so far, in the order the algorithms were named."""
        return tuple([Checksum(name, one.hexdigest()) for name, one in self._hashers.items()])


class ParallelDigests(Digests):
    """As :class:`Digests`, each digest in a thread of its own: for one large file.

    Only so many blocks wait that memory stays flat. Call :meth:`close` when it is given up.
    """

    WAITING_BLOCKS = 4

    def __init__(self, algorithms: Iterable[str]) -> None:
        super().__init__(algorithms)
        self._queues: list[Queue[bytes | None]] = []
        self._threads: list[Thread] = []
        for one in self._hashers.values():
            queue: Queue[bytes | None] = Queue(self.WAITING_BLOCKS)
            thread = Thread(target=_feed, args=(queue, one.update), daemon=True)
            thread.start()
            self._queues.append(queue)
            self._threads.append(thread)

    def update(self, block: bytes | memoryview) -> None:
        """Hand a copy of the next block to every thread."""
        kept = bytes(block)
        for queue in self._queues:
            queue.put(kept)

    def checksums(self) -> tuple[Checksum, ...]:
        """The digests, once every thread has seen all blocks."""
        self.close()
        return super().checksums()

    def close(self) -> None:
        """End the threads."""
        for queue in self._queues:
            queue.put(None)
        for thread in self._threads:
            thread.join()
        self._queues, self._threads = [], []


def _feed(queue: Queue[bytes | None], update: Callable[[bytes], None]) -> None:
    while (block := queue.get()) is not None:
        update(block)


def parse(text: str, default: str = "md5") -> Checksum:
    """Read ``"md5:92eb…"``, ``"MD5:92EB…"`` or a bare digest (then ``default`` is its algorithm).

    adler32 may come without its leading zeros (CERN Open Data); they are put back.

    :raises UpstreamError: if it is not a digest of the length its algorithm has. An algorithm we do
        not know is returned as it is, so that it can be recorded; :func:`known` tells.
    """
    named, colon, value = text.strip().rpartition(":")
    algorithm = normalise(named) if colon else default
    value = value.strip().lower()
    if algorithm == "adler32":
        value = value.removeprefix("0x").zfill(8)
    length = HEX_LENGTH.get(algorithm)
    strange = colon and not re.fullmatch(r"[A-Za-z0-9/_.-]{1,20}", named)
    if strange or not re.fullmatch(r"[0-9a-f]+", value) or (length and len(value) != length):
        raise UpstreamError(
            "Upstream published a checksum in a form that is not known.", where=repr(text)
        )
    return Checksum(algorithm, value)


def known(checksum: Checksum) -> bool:
    """Whether this checksum can be verified here."""
    return checksum.algorithm in HEX_LENGTH


def from_content_md5(header: str | None) -> Checksum | None:
    """Read a ``Content-MD5`` header: base64 (RFC 1864) or hexadecimal (InvenioRDM)."""
    text = (header or "").strip().strip('"')
    if re.fullmatch(r"[0-9a-fA-F]{32}", text):
        return Checksum("md5", text.lower())
    try:
        raw = base64.b64decode(text, validate=True)
    except (binascii.Error, ValueError):
        return None
    return Checksum("md5", raw.hex()) if len(raw) == 16 else None


def fastest(algorithms: Sequence[str]) -> str:
    """The algorithm that is quickest to compute: the read-back needs one digest only."""
    return min(algorithms, key=MANIFEST_ALGORITHMS.index)
