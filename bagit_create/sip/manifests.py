"""Payload manifests and tag manifests (RFC 8493 sections 2.1.3 and 2.2.1; 0.97 likewise)."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path

from ..checksums import Digests, known
from ..model import Checksum, Placed
from .contents import Contents, Written

#: Sums that find an accident and no forger: fit for a light bag of 0.97 only.
NOT_BY_1_0 = ("adler32", "crc32")


def usable(checksums: Iterable[Checksum]) -> list[Checksum]:
    """Those that a manifest of their algorithm can hold."""
    return [one for one in checksums if known(one)]


def write(
    bag: Path,
    contents: Contents,
    written: Sequence[Written],
    absent: Sequence[Placed],
    algorithms: tuple[str, ...],
) -> tuple[str, ...]:
    """Write ``manifest-ALG.txt`` for each algorithm, lines in the order of their paths.

    :returns: the algorithms of the manifests.
    """
    for name in algorithms:
        lines = [f"{digest}  {path}\n" for path, digest in _listed(name, contents, written, absent)]
        lines.sort(key=lambda line: line.partition("  ")[2])
        with open(bag / f"manifest-{name}.txt", "w", encoding="utf-8", newline="\n") as file:
            file.writelines(lines)
    return algorithms


def _listed(
    algorithm: str, contents: Contents, written: Sequence[Written], absent: Sequence[Placed]
) -> Iterator[tuple[str, str]]:
    """Path and digest of all files of which this algorithm's digest is known."""
    for one in written:
        yield from _digest(algorithm, one.bagpath, one.checksums)
    for fetched in contents.fetched:
        yield from _digest(algorithm, fetched.placed.bagpath, fetched.checksums)
    for placed in absent:
        yield from _digest(algorithm, placed.bagpath, placed.entry.checksums)


def _digest(
    algorithm: str, bagpath: str, checksums: tuple[Checksum, ...]
) -> Iterator[tuple[str, str]]:
    for one in checksums:
        if one.algorithm == algorithm:
            yield bagpath, one.value
            return


def write_tag_manifests(bag: Path, names: Sequence[str], algorithms: tuple[str, ...]) -> None:
    """Write ``tagmanifest-ALG.txt`` over the tag files ``names``, which must be written already."""
    strong = [name for name in algorithms if name not in NOT_BY_1_0]
    lines: dict[str, list[str]] = {name: [] for name in strong}
    for name in sorted(names):
        digests = Digests(strong)
        with open(bag / name, "rb") as file:
            while block := file.read(1 << 20):
                digests.update(block)
        for one in digests.checksums():
            lines[one.algorithm].append(f"{one.value}  {name}\n")
    for algorithm, listed in lines.items():
        path = bag / f"tagmanifest-{algorithm}.txt"
        path.write_bytes("".join(listed).encode("utf-8"))
