"""Bodies of answers: read whole or block by block, decoded or as they are, and broken ones."""

from __future__ import annotations

import ssl
import zlib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from .errors import UpstreamError
from .net.http1 import BLOCK, Body, ProtocolError
from .net.response import Response
from .urls import without_secrets

MAX_METADATA_BYTES = 512 * 1024 * 1024


@dataclass(frozen=True)
class Stream:
    """The open answer to a request for a file: 200 or 206, its headers, and its raw body."""

    status: int
    headers: Mapping[str, str]
    url: str
    body: Body

    def blocks(self, decode: bool) -> Iterator[bytes | memoryview]:
        """The body block by block; a block changes when the next one is asked for.

        :param decode: undo its ``Content-Encoding``.
        :raises BrokenBody: when the connection breaks or falls silent before the end.
        """
        if decode:
            return decoded(self.body, self.headers.get("Content-Encoding", ""))
        return _raw(self.body)


def _raw(body: Body) -> Iterator[memoryview]:
    try:
        while block := body.read():
            yield block
    except (ProtocolError, OSError) as err:
        raise BrokenBody(plain(err)) from err


def decoded(body: Body, coding: str) -> Iterator[bytes]:
    """A body without its ``Content-Encoding`` (RFC 9110 section 8.4): gzip, or deflate.

    Memory stays flat, however much a block unfolds to.

    :raises BrokenBody: when it breaks off, or is not of that coding.
    """
    coding = coding.strip().lower()
    if coding in ("", "identity"):
        yield from map(bytes, _raw(body))
        return
    if coding not in ("gzip", "x-gzip", "deflate"):
        raise BrokenBody(f"the body is coded in a way that was not asked for: {coding[:40]!r}")
    unzip: Any = None
    try:
        for block in _raw(body):
            if unzip is None:  # "deflate" comes with or without zlib's header
                bare = coding == "deflate" and block[0] & 0x0F != 8
                unzip = zlib.decompressobj(-15 if bare else 47)
            left: bytes | memoryview = block
            made = b""
            while left or len(made) == BLOCK:  # a full block may not be all there is
                if unzip.eof:  # another member follows (RFC 1952 section 2.2)
                    unzip = zlib.decompressobj(31)
                if made := unzip.decompress(left, BLOCK):
                    yield made
                left = unzip.unused_data if unzip.eof else unzip.unconsumed_tail
    except zlib.error as err:
        raise BrokenBody(f"the body is no {coding}: {err}") from err
    if unzip is not None and not unzip.eof:
        raise BrokenBody(f"the {coding} body has no end")


class BrokenBody(Exception):
    """The body ended too early. Caught by the transfer, which goes on where it broke."""


def whole(response: Response, what: str, url: str, limit: int = MAX_METADATA_BYTES) -> bytes:
    """Read a body into memory, never more than ``limit`` bytes after decompression.

    :raises BrokenBody: when it breaks off.
    :raises UpstreamError: when it is longer.
    """
    body = bytearray()
    for block in decoded(response.body, response.headers.get("Content-Encoding", "")):
        body += block
        if len(body) > limit:
            if limit < MAX_METADATA_BYTES:
                return bytes(body[:limit])
            raise UpstreamError(
                f"{what} was answered with more than {limit // 2**20} MiB.",
                where=without_secrets(url),
            )
    return bytes(body)


def plain(err: BaseException) -> str:
    """A network error in one short line."""
    if isinstance(err, ssl.SSLCertVerificationError):
        return err.verify_message
    if isinstance(err, TimeoutError):
        return str(err) if str(err).startswith("only") else "the server fell silent"
    if isinstance(err, OSError) and err.strerror:
        return err.strerror
    return str(err) or type(err).__name__
