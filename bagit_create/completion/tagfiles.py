"""The tag files of a bag that changes: manifests, fetch.txt, bag-info.txt, tag manifests.

In a SIP, manifests are written anew: ``bic`` knows what each line must be. In a bag of another kind
what need not change stays byte for byte, and lines keep their order.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from io import TextIOWrapper

from ..checksums import CRYPTOGRAPHIC, Digests
from ..validation.manifest import Manifest
from ..validation.readback import digest
from .newbag import PIECE, NewBag
from .tagtext import OXUM, OxumChange, filter_lines, same, with_digests, without

Sums = Mapping[str, str]
"""Digests in hexadecimal by algorithm."""
Fresh = Mapping[str, tuple[int, Sums]]
"""Of payload that is new or changed, sizes in bytes and digests, by path."""
Gone = Mapping[str, tuple[str, int | None]]
"""Of payload that is not here, its address, and its size in bytes if known, by path."""
FETCH = "fetch.txt"


class TagFiles:
    """Writes them, once every other file is in the new bag.

    :param fresh: of payload that is new or changed, sizes in bytes and digests.
    :param gone: of payload that is not here, where it is.
    """

    def __init__(self, new: NewBag, fresh: Fresh, gone: Gone) -> None:
        self._new = new
        self._old = new.old
        self._told = new.old.tags.told
        self._fresh = fresh
        self._gone = gone
        self._manifests = {one.algorithm: one for one in new.old.tags.manifests}
        self._stale: dict[str, bool] = {}
        """Tag files that are others now, and whether they are still there."""

    def write(self) -> None:
        """Write all of them.

        :raises OSError: if they cannot be written.
        """
        is_sip = self._old.sip is not None
        if is_sip:
            self._write_manifests()
        else:
            self._extend_manifests()
        self._write_fetch()
        self._write_info()
        if is_sip:
            self._write_tag_manifests()
        else:
            self._edit_tag_manifests()

    # -- payload manifests --------------------------------------------------------------------

    def _write_manifests(self) -> None:
        """Of a SIP: each lists every file that is here, and what is known of those that are not."""
        strong = self._new.algorithms
        if self._told.strict and self._gone:  # there, each manifest lists every file
            strong = tuple(name for name in strong if name in self._manifests)
        here = [path for path in self._old.there.payload if path not in self._gone]
        lacking = self._lacking(here, strong)
        paths = sorted({*here, *self._fresh, *self._gone})
        for name in (*strong, *(one for one in self._manifests if one not in CRYPTOGRAPHIC)):
            wanted = paths if name in strong else sorted(self._gone)
            lines = ((self._digest(path, name, lacking), path) for path in wanted)
            known = (self._line(value, path) for value, path in lines if value)
            if name in strong or any(path in self._manifests[name] for path in wanted):
                self._put(f"manifest-{name}.txt", known)

    def _digest(self, path: str, name: str, lacking: Mapping[str, Sums]) -> str | None:
        if path in self._fresh:
            return self._fresh[path][1][name]
        one = self._manifests.get(name)
        value = one.digests.get(path) if one is not None else None
        return value or lacking.get(path, {}).get(name)

    def _lacking(self, here: Iterable[str], names: tuple[str, ...]) -> dict[str, Sums]:
        """Of files that are here the digests that no manifest has, read from the disk."""
        found: dict[str, Sums] = {}
        for path in here:
            missing = [name for name in names if self._digest(path, name, {}) is None]
            if missing:
                _, sums, _ = digest(f"{self._new.root}/{path}", missing)
                found[path] = {one.algorithm: one.value for one in sums}
        return found

    def _extend_manifests(self) -> None:
        """Of a plain bag: they stay, but that files of which only weak sums were known get a line,
        and the weak sums go once the files are here (RFC 8493 section 2.4)."""
        proofs = [one for name, one in self._manifests.items() if name in CRYPTOGRAPHIC]
        bare = [path for path in self._fresh if not any(path in one for one in proofs)]
        for name, one in self._manifests.items():
            is_proof = name in CRYPTOGRAPHIC
            if is_proof and bare:
                more = [self._line(self._fresh[path][1][name], path).rstrip("\n") for path in bare]
                self._edit(one.name, same, more)
            elif is_proof or any(path in one for path in self._gone):
                self._new.keep(one.name)
            else:
                self._stale[one.name] = False

    # -- fetch.txt and bag-info.txt -----------------------------------------------------------

    def _write_fetch(self) -> None:
        """What is still to be fetched. An empty one stays in a SIP that was light from the first:
        CERN's validator takes it for one by this file."""
        promised = self._old.tags.fetch.lines
        was_light = self._old.sip is not None and self._old.sip.light is True
        self._stale[FETCH] = bool(self._gone) or was_light
        if self._gone and all(path in promised for path in self._gone):
            self._edit(FETCH, without({promised[p] for p in promised if p not in self._gone}))
        elif self._stale[FETCH]:
            lines = (
                f"{url} {'-' if size is None else size} {self._spelled(path)}\n"
                for path, (url, size) in sorted(self._gone.items())
            )
            self._put(FETCH, lines)

    def _write_info(self) -> None:
        """bag-info.txt as it was, but for the right Payload-Oxum."""
        name, there = self._old.tags.info, self._old.there
        if name not in there.tags:
            return
        sizes = {path: there.payload[path] for path in there.payload if path not in self._gone}
        sizes.update((path, size) for path, (size, _) in self._fresh.items())
        for link, target in there.links.items():  # it counts as what it leads to
            if link.startswith("data/"):
                sizes[link] = sizes.get(target, 0)
        promised = [size for _, size in self._gone.values() if size is not None]
        total, count = sum(sizes.values()), len(sizes)
        if len(promised) == len(self._gone):  # then it counts the complete payload
            total, count = total + sum(promised), count + len(promised)
        oxum = f"{total}.{count}"
        told = {e.value for e in self._old.tags.elements or () if e.label.lower() == OXUM}
        if told <= {oxum}:  # it may be folded, or there may be none
            self._new.keep(name)
        else:
            self._edit(name, OxumChange(oxum))

    # -- tag manifests ------------------------------------------------------------------------

    def _write_tag_manifests(self) -> None:
        """Of a SIP: one for each strong manifest, over all tag files that are here."""
        names = sorted(self._tag_files())
        kinds = [one for one in self._new.algorithms if f"manifest-{one}.txt" in names]
        sums = {name: self._sums(name, kinds) for name in names}
        for kind in kinds:
            self._put(f"tagmanifest-{kind}.txt", (self._line(sums[n][kind], n) for n in names))

    def _edit_tag_manifests(self) -> None:
        """Of a plain bag: bring lines up to date. One that another lists comes before it."""
        left: list[Manifest] = list(self._old.tags.tag_manifests)
        while left:
            names = {one.name for one in left}
            free = (one for one in left if not any(name in one for name in names))
            one = next(free, left[0])
            left.remove(one)
            stale = {
                path: self._sums(path, [one.algorithm])[one.algorithm] if is_here else None
                for path, is_here in self._stale.items()
                if path in one
            }
            if not stale:
                self._new.keep(one.name)
                continue
            self._edit(one.name, with_digests(stale, self._told.strict))

    def _tag_files(self) -> Iterator[str]:
        for folder, folders, names in os.walk(self._new.root):
            inside = os.path.relpath(folder, self._new.root)
            if inside == ".":
                folders[:] = [one for one in folders if one != "data"]
            for name in names:
                yield name if inside == "." else f"{inside}/{name}"

    def _sums(self, name: str, algorithms: Iterable[str]) -> dict[str, str]:
        digests = Digests(algorithms)
        with (self._new.root / name).open("rb") as file:
            while block := file.read(PIECE):
                digests.update(block)
        return {one.algorithm: one.value for one in digests.checksums()}

    # -- lines --------------------------------------------------------------------------------

    def _put(self, name: str, lines: Iterable[str]) -> None:
        """Write a file anew."""
        with TextIOWrapper(self._new.sink(name), self._told.encoding, newline="") as sink:
            sink.writelines(lines)
        self._stale[name] = True

    def _edit(self, name: str, change: Callable[[int, str], str], more: Sequence[str] = ()) -> None:
        """Write a file with other lines here and there."""
        with self._new.sink(name) as sink:
            filter_lines(self._new.path / name, sink, self._told.encoding, change, more)
        self._stale[name] = True

    def _line(self, value: str, path: str) -> str:
        return f"{value}  {self._spelled(path)}\n"

    def _spelled(self, path: str) -> str:
        """A path as a line of this version of BagIt has it (RFC 8493 section 2.1.3)."""
        if not self._told.strict:
            return path
        return path.replace("%", "%25").replace("\n", "%0A").replace("\r", "%0D")
