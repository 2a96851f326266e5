"""A bag's next state, made in a folder beside it: files linked, tag files written anew.

Nothing in the old bag is written to. The old one stands until the new one is complete, verified and
put in its place by one step (see :mod:`.swap`).
"""

from __future__ import annotations

import os
import re
import shutil
from collections.abc import Iterator, Mapping
from contextlib import suppress
from pathlib import Path

from ..checksums import CRYPTOGRAPHIC, DEFAULT_ALGORITHMS, Digests
from ..model import Checksum
from ..validation.bag import Examination
from ..validation.readback import digest

Sums = Mapping[str, str]
"""Digests in hexadecimal by algorithm."""
_OXUM = re.compile(r"(payload-oxum[ \t]*:[ \t]*)[^\r\n]*", re.IGNORECASE)


class NewBag:
    """What becomes of an examined bag.

    :param old: the bag as it was found; ``path`` is its folder.
    :param root: the new bag's folder, in which new payload may be already.
    """

    def __init__(self, old: Examination, path: Path, root: Path) -> None:
        self._old = old
        self._path = path
        self._root = root
        self._told = old.tags.told
        listed = tuple(one.algorithm for one in old.tags.manifests)
        strong = tuple(name for name in listed if name in CRYPTOGRAPHIC)
        if old.sip is not None or not strong:
            strong = tuple(dict.fromkeys((*strong, *DEFAULT_ALGORITHMS)))
        self.algorithms = strong
        """Those of the new payload manifests, which list every file that is here."""
        self._weak = tuple(name for name in listed if name not in CRYPTOGRAPHIC)

    def known(self, path: str) -> tuple[Checksum, ...]:
        """What the manifests say of a file."""
        found = []
        for one in self._old.tags.manifests:
            if (value := one.digests.get(path)) is not None:
                found.append(Checksum(one.algorithm, value))
        return tuple(found)

    # -- files --------------------------------------------------------------------------------

    def link(self, leave_out: set[str]) -> None:
        """Bring over every file and folder of the old bag, but for these and the changed ones.

        :raises OSError: if something cannot be brought over.
        """
        there = self._old.there
        own = {one.name for one in (*self._old.tags.manifests, *self._old.tags.tag_manifests)}
        skipped = own | leave_out | {"fetch.txt", self._old.tags.info}
        for folder in sorted(there.folders):
            os.makedirs(self._root / folder, exist_ok=True)
            with suppress(OSError):
                shutil.copymode(self._path / folder, self._root / folder)
        for path in (*there.payload, *there.tags):
            if path not in skipped:
                _bring(self._path / path, self._root / path)

    # -- tag files ----------------------------------------------------------------------------

    def write_tags(
        self, fresh: Mapping[str, tuple[int, Sums]], gone: Mapping[str, tuple[str, int | None]]
    ) -> None:
        """Write manifests, fetch.txt, bag-info.txt and tag manifests.

        :param fresh: of payload that is new or changed, sizes in bytes and digests.
        :param gone: of payload that is not here, its address and its size if known.
        :raises OSError: if they cannot be written.
        """
        sizes = {path: self._old.there.payload[path] for path in self._old.there.payload}
        for path in gone:
            sizes.pop(path, None)
        sizes.update((path, size) for path, (size, _) in fresh.items())
        lines: dict[str, list[tuple[str, str]]] = {name: [] for name in self.algorithms}
        for path in sizes:
            sums = self._sums(path, fresh)
            for name in self.algorithms:
                lines[name].append((path, sums[name]))
        weak: dict[str, list[tuple[str, str]]] = {name: [] for name in self._weak}
        for path in gone:
            for one in self.known(path):
                if one.algorithm in lines:
                    lines[one.algorithm].append((path, one.value))
                elif one.algorithm in weak:
                    weak[one.algorithm].append((path, one.value))
        lines.update((name, listed) for name, listed in weak.items() if listed)
        for algorithm, listed in lines.items():
            text = "".join(f"{value}  {self._encoded(path)}\n" for path, value in sorted(listed))
            self._put(f"manifest-{algorithm}.txt", text)
        self._write_fetch(gone)
        self._write_info(sizes, gone)
        self._write_tag_manifests()

    def _sums(self, path: str, fresh: Mapping[str, tuple[int, Sums]]) -> Sums:
        """A file's digests: computed now, told by the manifests, or read from the disk."""
        if path in fresh:
            return fresh[path][1]
        sums = {one.algorithm: one.value for one in self.known(path)}
        missing = [name for name in self.algorithms if name not in sums]
        if missing:
            _, computed, _ = digest(f"{self._root}/{path}", missing)
            sums.update((one.algorithm, one.value) for one in computed)
        return sums

    def _encoded(self, path: str) -> str:
        """A path as a line of this version of BagIt has it (RFC 8493 section 2.1.3)."""
        if not self._told.strict:
            return path
        return path.replace("%", "%25").replace("\n", "%0A").replace("\r", "%0D")

    def _write_fetch(self, gone: Mapping[str, tuple[str, int | None]]) -> None:
        """What is still to be fetched. An empty one stays in a SIP: CERN's validator takes a
        package that was light for one by this file."""
        if not gone and self._old.sip is None:
            return
        text = "".join(
            f"{url} {'-' if size is None else size} {self._encoded(path)}\n"
            for path, (url, size) in sorted(gone.items())
        )
        self._put("fetch.txt", text)

    def _write_info(
        self, sizes: Mapping[str, int], gone: Mapping[str, tuple[str, int | None]]
    ) -> None:
        """bag-info.txt as it was, with another Payload-Oxum."""
        name = self._old.tags.info
        if name not in self._old.there.tags:
            return
        promised = [size for _, size in gone.values() if size is not None]
        total, count = sum(sizes.values()), len(sizes)
        if len(promised) == len(gone):  # then it counts the complete payload
            total, count = total + sum(promised), count + len(gone)
        text = (self._path / name).read_bytes().decode(self._told.encoding)
        self._put(name, _OXUM.sub(rf"\g<1>{total}.{count}", text))

    def _write_tag_manifests(self) -> None:
        """List every tag file that is here in as many tag manifests as there were."""
        kinds = [one.algorithm for one in self._old.tags.tag_manifests]
        if self._old.sip is not None:
            kinds = [*self.algorithms]
        names = sorted(self._tag_files())
        lines: dict[str, list[str]] = {kind: [] for kind in kinds}
        for name in names if kinds else ():
            digests = Digests(kinds)
            digests.update((self._root / name).read_bytes())
            for one in digests.checksums():
                lines[one.algorithm].append(f"{one.value}  {self._encoded(name)}\n")
        for kind, listed in lines.items():
            self._put(f"tagmanifest-{kind}.txt", "".join(listed))

    def _tag_files(self) -> Iterator[str]:
        for folder, folders, names in os.walk(self._root):
            inside = os.path.relpath(folder, self._root)
            if inside == ".":
                folders[:] = [one for one in folders if one != "data"]
            for name in names:
                yield name if inside == "." else f"{inside}/{name}"

    def _put(self, name: str, text: str) -> None:
        with (self._root / name).open("xb") as file:
            file.write(text.encode(self._told.encoding))


def _bring(source: Path, destination: Path) -> None:
    """A second name for a file, or where the file system has none such, a copy."""
    try:
        os.link(source, destination, follow_symlinks=False)
    except FileExistsError:
        raise
    except OSError:
        with open(source, "rb", opener=_no_links) as file, destination.open("xb") as sink:
            shutil.copyfileobj(file, sink, 1 << 20)
        with suppress(OSError):
            shutil.copystat(source, destination)


def _no_links(path: str, flags: int) -> int:
    return os.open(path, flags | os.O_NOFOLLOW | os.O_CLOEXEC)
