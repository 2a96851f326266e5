"""The object store behind some files, and byte ranges."""

from __future__ import annotations

import re
import time
from collections.abc import Mapping
from itertools import count
from urllib.parse import urlsplit

from .content import Content
from .server import Reply, Seen


class Storage:
    """The object store behind some files: signed addresses, and no second way to sign in."""

    LIFE_S = 60
    methods: frozenset[str] = frozenset()

    def __init__(self) -> None:
        self.base = self.storage_url = ""
        self._held: dict[str, tuple[Content, float]] = {}
        self._numbers = count()  # not the length: two threads may sign at once

    def sign(self, content: Content) -> str:
        """A path that is good for a minute."""
        name = f"/bucket/{next(self._numbers):06}"
        self._held[name] = content, time.monotonic() + self.LIFE_S
        return f"{name}?X-Amz-Signature=invented"

    def publish(self, path: str, content: Content) -> None:
        """Put something in place for everybody, below ``/public/``."""
        self._held[path] = content, float("inf")

    def __call__(self, request: Seen) -> Reply:
        """Serve what was signed."""
        content, until = self._held.get(urlsplit(request.path).path, (Content(b""), 0.0))
        if {"authorization", "private-token", "cookie"} & set(request.headers):
            return _xml(400, "InvalidArgument")
        signed = "X-Amz-Signature=" in request.path or request.path.startswith("/public/")
        if not signed or time.monotonic() > until:
            return _xml(403, "AccessDenied")
        return ranged(content, request.headers)


def ranged(content: Content, headers: Mapping[str, str], tagged: bool = True) -> Reply:
    """Content that honours one range (RFC 9110 section 14), with an ETag if ``tagged``."""
    kind = {"Content-Type": "application/octet-stream", "Accept-Ranges": "bytes"}
    if tagged:
        kind["ETag"] = f'"{content.digest("md5")}"'
    match = re.fullmatch(r"bytes=(\d*)-(\d*)", headers.get("range", ""))
    condition = headers.get("if-range")
    if not match or not (match[1] or match[2]) or condition not in (None, kind.get("ETag")):
        return Reply(200, kind, content)
    if match[1]:
        start = int(match[1])
        stop = min(int(match[2]) + 1, content.size) if match[2] else content.size
    else:  # the last so many bytes
        start, stop = max(0, content.size - int(match[2])), content.size
    if start >= content.size:
        return Reply(416, {"Content-Range": f"bytes */{content.size}"})
    if start >= stop:
        return Reply(200, kind, content)
    place = f"bytes {start}-{stop - 1}/{content.size}"
    return Reply(206, {**kind, "Content-Range": place}, content, start, stop)


def _xml(status: int, code: str) -> Reply:
    body = f"<?xml version='1.0'?><Error><Code>{code}</Code></Error>"
    return Reply(status, {"Content-Type": "application/xml"}, Content(body.encode()))
