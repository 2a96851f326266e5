"""The bytes of a bag's files against what manifests and sip.json promise of them."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence

from ..checksums import CRYPTOGRAPHIC
from ..model import Checksum
from .container import Container
from .findings import Findings, Place
from .listing import ArchiveFault
from .machine import not_here
from .manifest import Manifest
from .structure import Structure
from .table import ABSENT, Column

Expected = dict[str, list[tuple[str, str, str, Place]]]
"""Bag path to digests that the file must have: finding id, algorithm, value, where it is told."""
_WEAK = ("md5", "sha1")
SHOWN = 12
"""Digits of a digest in a message; the finding has all of them."""
Look = Callable[[str, int, bytes], None]
"""Looks at a file's path, size in bytes, and first bytes."""


class Content:
    """Reads each file once and compares it with all that is told of it.

    :param extra: what sip.json tells and no manifest does.
    :param verified: sizes of payload files that need not be read again.
    :param fingerprint: whether ``tag_files`` shall have the sha256 of each tag file.
    """

    def __init__(
        self,
        there: Structure,
        manifests: Sequence[Manifest],
        tag_manifests: Sequence[Manifest],
        extra: Expected,
        verified: Column,
        found: Findings,
        look: Look,
        fingerprint: bool,
    ) -> None:
        self._there = there
        self._manifests = manifests
        self._tag_manifests = tag_manifests
        self._extra = extra
        self._verified = verified
        self._found = found
        self._look = look
        self._fingerprint = fingerprint
        self.tag_files: dict[str, str] = {}
        self._named: Mapping[str, list[str]] = _by_target(there.links)
        self._with_payload = True

    def compare(
        self,
        container: Container,
        jobs: int,
        payload: bool,
        advanced: Callable[[int], None] | None,
    ) -> None:
        """Read everything that something is told of.

        :param payload: False reads the tag files only.
        """
        self._with_payload = payload
        container.digest_all(self, self._algorithms, self._take, self._failed, jobs, advanced)

    def __iter__(self) -> Iterator[tuple[str, int]]:
        """The files to be read, and their sizes in bytes."""
        for path, size in self._there.tags.items():
            if self._fingerprint or any(path in one for one in self._tag_manifests):
                yield path, size
        if not self._with_payload:
            return
        sizes, verified = self._there.payload.whole(), self._verified.whole()
        columns = [one.digests.lines.whole() for one in self._manifests]
        for path, row in self._there.payload.table.rows.items():
            size = sizes[row]
            if size == ABSENT or verified[row] == size:
                continue
            for lines in columns:
                if lines[row] != ABSENT:
                    yield path, size
                    break
            else:
                if path in self._extra or path in self._named:
                    yield path, size

    def _told(self, path: str) -> list[tuple[str, str, str, Place]]:
        """What is told of a file: of itself, and of the links that lead to it."""
        found: list[tuple[str, str, str, Place]] = []
        lists = self._manifests if path.startswith("data/") else self._tag_manifests
        for name in (path, *self._named[path]) if path in self._named else (path,):
            for one in lists:
                if (value := one.digests.get(name)) is not None:
                    number = ("T12" if name == "fetch.txt" else "T01") if one.is_tag else "M03"
                    found.append((number, one.algorithm, value, one.line(name)))
            if name in self._extra:
                found += self._extra[name]
        return found

    def _algorithms(self, path: str) -> tuple[str, ...]:
        names = dict.fromkeys(one[1] for one in self._told(path))
        if self._fingerprint and path in self._there.tags:
            names["sha256"] = None
        return tuple(names)

    def _take(self, path: str, size: int, sums: tuple[Checksum, ...], head: bytes) -> None:
        found = self._found
        tags = self._there.tags
        due = tags[path] if path in tags else self._there.payload[path]
        if size != due:
            text = "the size changed during validation"
            found.error("S23", path, text, expected=str(due), found=str(size))
        actual = {one.algorithm: one.value for one in sums}
        for number, algorithm, value, where in self._told(path):
            if actual[algorithm] != value:
                short = f"expected {value[:SHOWN]}…, found {actual[algorithm][:SHOWN]}…"
                text = f"{path}: {algorithm} {short}"
                found.error(
                    number,
                    where,
                    f"{text} ({size} bytes)",
                    expected=f"{algorithm}:{value}",
                    found=f"{algorithm}:{actual[algorithm]}",
                )
        if self._fingerprint and path in tags:
            self.tag_files[path] = actual["sha256"]
        self._look(path, size, head)

    def _failed(self, path: str, err: OSError) -> None:
        not_here(err, path)
        if not isinstance(err, ArchiveFault):  # the archive's reader has told that
            self._found.error("S19", path, f"cannot be read: {err.strerror or err}")


def _by_target(links: Mapping[str, str]) -> dict[str, list[str]]:
    made: dict[str, list[str]] = {}
    for link, target in links.items():
        made.setdefault(target, []).append(link)
    return made


def strength(manifests: Sequence[Manifest], found: Findings, *, is_light: bool, sip: bool) -> None:
    """Say what the algorithms are worth (RFC 8493 section 2.4)."""
    proofs = [one.algorithm for one in manifests if one.algorithm in CRYPTOGRAPHIC]
    for one in manifests:
        if one.algorithm in CRYPTOGRAPHIC:
            continue
        # The light SIPs of CERN Open Data have nothing better until they are completed.
        level = found.warning if proofs and is_light else found.error
        level("S10", one.name, f"{one.algorithm} cannot serve as a BagIt checksum")
    if proofs and all(name in _WEAK for name in proofs):
        text = f"only {', '.join(proofs)}: add sha256 or sha512"
        found.warning("C42" if sip else "M35", manifests[0].name, text)
