"""The bytes of the payload against what its manifests promise."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

from .findings import Findings
from .readback import digest, each
from .tagfiles import Manifest

Expected = dict[str, list[tuple[str, str, str, str]]]
"""Bag path to digests that the file must have: finding id, algorithm, value, where it is told."""
_WEAK = ("md5", "sha1")
_NO_PROOF = ("adler32", "crc32")


def compare(
    bag: Path,
    payload: Mapping[str, int],
    manifests: Sequence[Manifest],
    extra: Expected,
    verified: Iterable[tuple[str, int]],
    jobs: int,
    found: Findings,
) -> None:
    """Read each payload file once and compare it with all that is told of it.

    :param payload: bag paths on disk, with sizes in bytes.
    :param extra: what is told elsewhere than in ``manifests``.
    :param verified: those, with sizes, that need not be read again.
    :param jobs: threads for large files.
    """
    expected: Expected = {}
    here = dict(verified)
    for manifest in manifests:
        for path, (value, line) in manifest.entries.items():
            if path in payload and here.get(path) != payload[path]:
                entry = ("M03", manifest.algorithm, value, f"{manifest.name}:{line}")
                expected.setdefault(path, []).append(entry)
    for path, more in extra.items():
        if path in payload and here.get(path) != payload[path]:
            expected.setdefault(path, []).extend(more)

    def check(path: str) -> None:
        wanted = expected[path]
        try:
            size, sums = digest(f"{bag}/{path}", [one[1] for one in wanted])
        except OSError as err:  # gone, or not readable: the other files are still judged
            found.error("S19", path, f"cannot be read: {err.strerror}")
            return
        actual = {one.algorithm: one.value for one in sums}
        if size != payload[path]:
            found.error("S23", path, "the size changed during validation")
        for number, algorithm, value, where in wanted:
            if actual[algorithm] != value:
                text = f"{path}: {algorithm} expected {value}, found {actual[algorithm]}"
                found.error(number, where, f"{text} ({size} bytes)")

    each(check, expected, lambda path: payload[path], jobs)
    names = [one.algorithm for one in manifests]
    if names and all(name in _NO_PROOF for name in names):
        found.error("S10", "manifest", f"{', '.join(names)} cannot serve as a checksum")
    elif names and all(name in (*_WEAK, *_NO_PROOF) for name in names):
        found.information("M35", "manifest", f"only {', '.join(names)}; add sha512")
