"""Every LFS object that any version of any branch points to, as one archive.

Facts: git-lfs/git-lfs, ``docs/spec.md`` and ``docs/api/batch.md``. A pointer is a small blob with
the sha256 and the size of what it stands for; the batch interface gives the address of each.
"""

from __future__ import annotations

import hashlib
import json
import re
import tarfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from .. import log
from ..answers import BrokenBody
from ..client import Client
from ..errors import TransferError, UpstreamError
from .base import expect, reading
from .gitlab_git import Mirror

KIND = "application/vnd.git-lfs+json"
AT_ONCE = 100
BLOCK = 1024 * 1024
_POINTER = re.compile(
    rb"version https://git-lfs\.github\.com/spec/v1\n"
    rb".*?oid sha256:([0-9a-f]{64})\nsize (\d{1,18})\n",
    re.DOTALL,
)


def pointer(content: bytes) -> tuple[str, int] | None:
    """The sha256 and the size that a pointer names, or None if this is none."""
    match = _POINTER.match(content)
    return (match[1].decode(), int(match[2])) if match else None


class Objects:
    """The maker of the archive: ``lfs-objects/AA/BB/SHA256``, as git-lfs keeps them."""

    def __init__(self, client: Client, mirror: Mirror, url: str) -> None:
        self._client = client
        self._mirror = mirror
        self._url = url

    def make(self, scratch: Path, stopped: Callable[[], bool]) -> Iterator[bytes]:
        """Find the pointers, fetch what they name, compare, and give the archive's bytes."""
        wanted = dict(
            found
            for content in self._mirror.small_blobs(scratch, stopped)
            if (found := pointer(content))
        )
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
                    self._fetch(name, wanted[name], address, header, held)
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
        with (scratch / "objects.tar").open("rb") as file:
            while block := file.read(BLOCK):
                yield block

    def _addresses(self, wanted: dict[str, int]) -> Iterator[tuple[str, str, dict[str, str]]]:
        """Where each object is, and what must be sent along; ``""`` if the server lacks it."""
        url = f"{self._url}/info/lfs/objects/batch"
        body = {
            "operation": "download",
            "transfers": ["basic"],
            "objects": [{"oid": name, "size": size} for name, size in wanted.items()],
        }
        headers = {"Content-Type": KIND}
        if basic := self._client.basic_authorization(url, "oauth2"):
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
            error = TransferError(
                "The repository's LFS objects were refused.",
                where=err.where,
                hint=err.hint,
                http_status=err.http_status,
            )
            error.withheld = True
            raise error from err
        with reading("list of LFS objects", url):
            given = {
                expect(one["oid"], str, "oid"): one.get("actions", {}).get("download")
                for one in expect(answer.json(what)["objects"], list, "objects")
            }
        for name in wanted:
            action: Any = given.get(name) or {}
            yield name, str(action.get("href") or ""), dict(action.get("header") or {})

    def _fetch(
        self, name: str, size: int, address: str, header: dict[str, str], held: Path
    ) -> None:
        digest, received = hashlib.sha256(), 0
        try:
            with self._client.open(address, header) as stream, held.open("wb") as file:
                for block in stream.blocks(BLOCK, decode=True):
                    received += len(block)
                    if received > size:
                        break
                    digest.update(block)
                    file.write(block)
        except BrokenBody as err:
            raise TransferError(
                "An LFS object was cut short.", where=f"{name} ({err})", hint="run it again"
            ) from err
        if received != size or digest.hexdigest() != name:
            raise TransferError(
                "An LFS object is not the one that its pointer names.",
                where=f"{name}: expected {size} bytes",
            )
