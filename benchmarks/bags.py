"""Bags to be judged and completed: full ones, light ones, ones of which nothing is there."""

from __future__ import annotations

import hashlib
import os
import tarfile
import zipfile
from collections.abc import Iterable, Iterator
from contextlib import ExitStack
from pathlib import Path

BLOCK = 1 << 20
Sums = dict[str, str]
DECLARATION = "BagIt-Version: 1.0\nTag-File-Character-Encoding: UTF-8\n"
FORMS = ("tar", "tar.gz", "zip")


def full(bag: Path, count: int, size: int, algorithms: Iterable[str]) -> None:
    """Write a bag of ``count`` files of ``size`` bytes, a thousand to a folder."""
    chosen = tuple(algorithms)
    _describe(bag, chosen, _written(bag, count, size, chosen), f"{count * size}.{count}")


def promised(bag: Path, files: dict[str, tuple[str, int, Sums]], algorithms: Iterable[str]) -> None:
    """Write a light bag without payload.

    :param files: by name in ``data/``, the address, the size in bytes, and digests.
    """
    told = {f"data/{name}": facts for name, facts in files.items()}
    (bag / "data").mkdir(parents=True)
    with open(bag / "fetch.txt", "w", encoding="utf-8") as fetch:
        fetch.writelines(f"{url} {size} {path}\n" for path, (url, size, _) in told.items())
    oxum = f"{sum(size for _, size, _ in told.values())}.{len(told)}"
    _describe(bag, tuple(algorithms), ((path, one[2]) for path, one in told.items()), oxum)


def listed(bag: Path, count: int, algorithms: Iterable[str], *, light: bool) -> None:
    """Write a bag whose manifests list ``count`` files, none of which is there.

    It has no Payload-Oxum, which would tell a validator at once that all is lost.

    :param light: fetch.txt promises all of them.
    """
    (bag / "data").mkdir(parents=True)
    chosen = {name: hashlib.new(name).digest_size for name in algorithms}
    paths = (f"data/content/d{number // 1000:04}/f{number:07}.bin" for number in range(count))
    with ExitStack() as stack:
        fetch = None
        if light:
            fetch = stack.enter_context(open(bag / "fetch.txt", "w", encoding="utf-8"))

        def entries() -> Iterator[tuple[str, Sums]]:
            for path in paths:
                if fetch is not None:
                    fetch.write(f"https://example.org/records/1/{path} 4096 {path}\n")
                yield path, {name: os.urandom(width).hex() for name, width in chosen.items()}
            if fetch is not None:
                fetch.flush()

        _describe(bag, tuple(chosen), entries(), "")


def pack(bag: Path, form: str) -> Path:
    """Pack a bag beside its folder; compressed quickly, as packing is not what is measured."""
    archive = bag.with_name(f"{bag.name}.{form}")
    if form == "zip":
        with zipfile.ZipFile(archive, "w", zipfile.ZIP_DEFLATED, compresslevel=1) as zipped:
            for path in sorted(bag.rglob("*")):
                zipped.write(path, path.relative_to(bag.parent))
    elif form == "tar":
        with tarfile.open(archive, "w") as plain:
            plain.add(bag, bag.name)
    else:
        with tarfile.open(archive, "w:gz", compresslevel=1) as squeezed:
            squeezed.add(bag, bag.name)
    return archive


def digests(path: Path, algorithms: Iterable[str]) -> Sums:
    """A file's digests."""
    made = {name: hashlib.new(name) for name in algorithms}
    with open(path, "rb") as file:
        while block := file.read(BLOCK):
            for one in made.values():
                one.update(block)
    return {name: one.hexdigest() for name, one in made.items()}


def _written(
    bag: Path, count: int, size: int, algorithms: tuple[str, ...]
) -> Iterator[tuple[str, Sums]]:
    """Write the payload: bytes of which one half compresses and the other does not."""
    for number in range(count):
        path = f"data/d{number // 1000:04}/f{number:06}.bin"
        if number % 1000 == 0:
            (bag / path).parent.mkdir(parents=True)
        piece = min(size, BLOCK)
        noise = os.urandom((piece + 1) // 2)
        block = noise + noise.hex().encode("ascii")[: piece // 2]
        made = {name: hashlib.new(name) for name in algorithms}
        with open(bag / path, "wb") as file:
            left = size
            while left > 0:
                left -= file.write(block[:left])
                for one in made.values():
                    one.update(block)  # sizes are whole blocks, or less than one
        yield path, {name: one.hexdigest() for name, one in made.items()}


def _describe(
    bag: Path, algorithms: tuple[str, ...], entries: Iterable[tuple[str, Sums]], oxum: str
) -> None:
    """Write the tag files around a payload: manifests, bag-info.txt, tag manifests."""
    bag.mkdir(parents=True, exist_ok=True)
    with ExitStack() as stack:
        manifests = {
            name: stack.enter_context(open(bag / f"manifest-{name}.txt", "w", encoding="utf-8"))
            for name in algorithms
        }
        for path, sums in entries:
            for name, manifest in manifests.items():
                manifest.write(f"{sums[name]}  {path}\n")
    (bag / "bagit.txt").write_text(DECLARATION, encoding="utf-8")
    info = "Source-Organization: bench\nBagging-Date: 2026-01-01\n"
    info += f"Payload-Oxum: {oxum}\n" if oxum else ""
    (bag / "bag-info.txt").write_text(info, encoding="utf-8")
    tags = sorted(path for path in bag.iterdir() if path.is_file())
    sums_of = {path.name: digests(path, algorithms) for path in tags}
    for algorithm in algorithms:
        (bag / f"tagmanifest-{algorithm}.txt").write_text(
            "".join(f"{sums[algorithm]}  {name}\n" for name, sums in sums_of.items()), "utf-8"
        )
