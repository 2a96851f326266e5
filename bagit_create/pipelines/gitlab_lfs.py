"""Every LFS object that any version of any branch points to, as one archive.

Facts: git-lfs/git-lfs, ``docs/spec.md``, ``docs/extensions.md`` and ``docs/api/batch.md``. A
pointer is a small blob with the sha256 and the size of what it stands for; the batch interface
gives the address of each.
"""

from __future__ import annotations

import hashlib
import json
import re
import tarfile
from collections.abc import Callable, Generator, Iterator, Mapping
from pathlib import Path
from typing import Any

from .. import log
from ..bodies import BrokenBody
from ..client import Client
from ..errors import (
    AccessDenied,
    ChecksumMismatch,
    Interrupted,
    RecordNotFound,
    TransferError,
    UpstreamError,
)
from ..urls import without_secrets
from .base import expect, reading
from .gitlab_git import Mirror

KIND = "application/vnd.git-lfs+json"
AT_ONCE = 100
BLOCK = 1024 * 1024
SHORT = 1024
"""Bytes that every pointer is shorter than."""
_POINTER = re.compile(
    rb"version https://git-lfs\.github\.com/spec/v1\n"
    rb"(?:ext-\d-[\w.-]+ [^\r\n]+\n)*"
    rb"oid sha256:([0-9a-f]{64})\n"
    rb"size (\d{1,18})\n"
)
_TOKEN = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+")
FRAMING = frozenset({"host", "connection", "content-length", "transfer-encoding"})
"""Fields by which a request ends and finds its server: they are ours alone to write."""


def pointer(content: bytes) -> tuple[str, int] | None:
    """The sha256 and the size that a pointer names, or None if this is none, to the last byte."""
    match = _POINTER.fullmatch(content) if len(content) < SHORT else None
    return (match[1].decode(), int(match[2])) if match else None


class Objects:
    """The maker of the archive: ``lfs-objects/AA/BB/SHA256``, as git-lfs keeps them.

    :param enabled: whether the project has LFS; where it has not, nobody need be asked.
    """

    def __init__(self, client: Client, mirror: Mirror, url: str, enabled: bool) -> None:
        self._client = client
        self._mirror = mirror
        self._url = url
        self._enabled = enabled

    def make(self, scratch: Path, stopped: Callable[[], bool]) -> Generator[bytes, None, None]:
        """Find the pointers, fetch what they name, compare, and give the archive's bytes.

        Only the whole history tells whether there are any; where there are none, it gives nothing.
        """
        wanted = dict(
            found
            for content in self._mirror.small_blobs(scratch, stopped)
            if (found := pointer(content))
        )
        if not wanted:
            return
        names = sorted(wanted)
        lost = []
        with tarfile.open(scratch / "objects.tar", "w") as archive:
            for start in range(0, len(names), AT_ONCE):
                part = {name: wanted[name] for name in names[start : start + AT_ONCE]}
                for name, address, header in self._addresses(part):
                    if not address:
                        lost.append(name)
                        continue
                    held = scratch / "object"
                    if lack := fetch(self._client, name, wanted[name], address, header, held):
                        raise lack
                    member = tarfile.TarInfo(f"lfs-objects/{name[:2]}/{name[2:4]}/{name}")
                    member.size = wanted[name]
                    with held.open("rb") as file:
                        archive.addfile(member, file)
            if lost:
                log.warning(f"GitLab does not have {len(lost)} of {len(names)} LFS objects")
                text = "".join(f"{name} {wanted[name]}\n" for name in lost).encode()
                (scratch / "object").write_bytes(text)
                member = tarfile.TarInfo("lfs-objects/MISSING.txt")
                member.size = len(text)
                with (scratch / "object").open("rb") as file:
                    archive.addfile(member, file)
        yield from blocks(scratch / "objects.tar")

    def _addresses(self, wanted: dict[str, int]) -> Iterator[tuple[str, str, dict[str, str]]]:
        """Where each object is, and what must be sent along; ``""`` if the server lacks it."""
        if not self._enabled:
            yield from ((name, "", {}) for name in wanted)
            return
        url = f"{self._url}/info/lfs/objects/batch"
        body = {
            "operation": "download",
            "transfers": ["basic"],
            "objects": [{"oid": name, "size": size} for name, size in wanted.items()],
        }
        headers = {"Content-Type": KIND}
        if basic := self._client.wire.basic_authorization(url, "oauth2"):
            headers["Authorization"] = basic
        what = "Request for the LFS objects"
        try:
            answer = self._client.get(
                url,
                what=what,
                accept=KIND,
                method="POST",
                body=json.dumps(body).encode(),
                headers=headers,
            )
        except UpstreamError as err:
            if err.resumable:
                raise
            raise _withheld("The repository's LFS objects were refused.", err) from err
        with reading("list of LFS objects", url):
            given = {
                expect(one["oid"], str, "oid"): _action(one)
                for one in expect(answer.json(what)["objects"], list, "objects")
            }
        for name in wanted:
            yield (name, *given.get(name, ("", {})))


def _action(one: dict[str, Any]) -> tuple[str, dict[str, str]]:
    """Where an object is, and the headers to send along; ``""`` where the server says why not."""
    action = expect(
        expect(one.get("actions") or {}, dict, "actions").get("download") or {}, dict, ""
    )
    header = expect(action.get("header") or {}, dict, "header")
    for name, text in header.items():
        if not _TOKEN.fullmatch(name) or name.lower() in FRAMING:
            raise ValueError(f"a header has the name {name!r}")
        if not (isinstance(text, str) and text.isascii() and text.isprintable()):
            raise ValueError(f"the header {name} is no text")
    return expect(action.get("href") or "", str, "href"), dict(header)


def fetch(
    client: Client,
    digest: str,
    size: int,
    address: str,
    header: Mapping[str, str],
    held: Path,
    pointing: bytes = b"",
) -> TransferError | None:
    """Fetch one object into a file, and compare it with what its pointer says.

    :param header: what the server wants to be sent along.
    :param pointing: the pointer; a server without LFS gives that again.
    :returns: what to raise if there is no such object, unless the caller knows better.
    :raises TransferError: withheld, if it is refused; else if it is another one.
    """
    breaks, wrong = 0, False
    longest = max(size, len(pointing))
    while breaks <= client.retries:
        found, received = hashlib.sha256(), 0
        try:
            with client.open(address, header) as stream, held.open("wb") as file:
                for block in stream.blocks(decode=True):
                    received += len(block)
                    if client.stopped:
                        raise Interrupted("The run was ended while files were being fetched.")
                    if received > longest:
                        break
                    found.update(block)
                    file.write(block)
        except BrokenBody:
            breaks += 1
            client.wait_before_retry(breaks, "a file from LFS broke off")
            continue
        except AccessDenied as err:
            raise _withheld("A file that upstream keeps in LFS is refused.", err) from err
        except RecordNotFound as err:
            return _withheld("A file that upstream keeps in LFS is not there.", err)
        if received == size and found.hexdigest() == digest:
            return None
        if pointing and found.digest() == hashlib.sha256(pointing).digest():
            cause = RecordNotFound("", where=without_secrets(address))
            return _withheld("A file that upstream keeps in LFS is not there.", cause)
        if not wrong:  # once more, as any other file
            wrong = True
            continue
        kind = ChecksumMismatch if received == size else TransferError
        raise kind(
            "A file from LFS is not the one that its pointer names.",
            where=f"{without_secrets(address)}: expected {size} bytes, sha256 {digest}",
        )
    raise TransferError(
        "A file from LFS was cut short, again and again.",
        where=without_secrets(address),
        hint="run the same command again",
    )


def blocks(held: Path) -> Iterator[bytes]:
    """The bytes of a file that was fetched."""
    with held.open("rb") as file:
        while block := file.read(BLOCK):
            yield block


def _withheld(message: str, cause: UpstreamError) -> TransferError:
    error = TransferError(
        message, where=cause.where, hint=cause.hint, http_status=cause.http_status
    )
    error.withheld = True
    return error
