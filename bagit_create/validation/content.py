"""The bytes of the payload against what its manifests promise."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

from .findings import Findings
from .readback import digest, each
from .tagfiles import Manifest

_WEAK = ("md5", "sha1")
_NO_PROOF = ("adler32", "crc32")


def compare(
    bag: Path,
    payload: Mapping[str, int],
    manifests: Sequence[Manifest],
    verified: Mapping[str, int],
    jobs: int,
    found: Findings,
) -> None:
    """Read each payload file once and compare it with all manifests that list it.

    :param payload: bag paths on disk, with sizes in bytes.
    :param verified: those, with sizes, that need not be read again.
    :param jobs: threads for large files.
    """
    expected: dict[str, list[tuple[str, str, str]]] = {}
    for manifest in manifests:
        for path, (value, line) in manifest.entries.items():
            if path in payload and verified.get(path) != payload[path]:
                entry = (manifest.algorithm, value, f"{manifest.name}:{line}")
                expected.setdefault(path, []).append(entry)

    def check(path: str) -> None:
        wanted = expected[path]
        size, actual = digest(f"{bag}/{path}", [one[0] for one in wanted])
        if size != payload[path]:
            found.error("S23", path, "the size changed during validation")
        for (algorithm, value, where), computed in zip(wanted, actual, strict=True):
            if computed.value != value:
                text = f"{path}: {algorithm} expected {value}, found {computed.value}"
                found.error("M03", where, f"{text} ({size} bytes)")

    each(check, expected, lambda path: payload[path], jobs)
    names = [one.algorithm for one in manifests]
    if names and all(name in _NO_PROOF for name in names):
        found.error("S10", "manifest", f"{', '.join(names)} cannot serve as a checksum")
    elif names and all(name in (*_WEAK, *_NO_PROOF) for name in names):
        found.information("M35", "manifest", f"only {', '.join(names)}; add sha512")
