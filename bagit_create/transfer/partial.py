"""What is known of a file that is under way, so that a later run can go on with it.

Beside the bag, in the staging folder's ``parts/``, stands one small JSON file for each such file:
what upstream listed, and which version its server sent. It is written before the first byte is.
"""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Callable, Collection
from contextlib import suppress
from functools import lru_cache
from pathlib import Path

from ..checksums import Digests, known, read_block
from ..errors import Interrupted
from ..model import FileEntry

WORTH_NOTING = 256 * 1024
"""Bytes from which a file is worth a note: less is fetched again as quickly."""


class Partial:
    """One file under way, and the note about it.

    :param path: the file, in the staged bag.
    :param bagpath: its path in the bag, which the note repeats.
    :param notes: the folder of the notes.
    :param begun: what was in it when this run began.
    """

    def __init__(
        self, path: str, bagpath: str, notes: Path, entry: FileEntry, begun: Collection[str]
    ) -> None:
        self.path = path
        self._bagpath = bagpath
        self._notes = notes
        self._entry = entry
        self._begun = begun
        self._noted = False

    @property
    def was_begun(self) -> bool:
        """Whether an earlier run left a note."""
        return bool(self._begun) and self._name in self._begun

    @property
    def _name(self) -> str:
        return note_name(self._bagpath)

    def note(self, validator: str | None, told: str | None) -> None:
        """Say which version is being written.

        :param validator: what ``If-Range`` may carry.
        :param told: the ``Content-MD5`` that came with it.
        """
        short = self._entry.size is not None and self._entry.size < WORTH_NOTING
        if short or not (validator or self._is_sure()):
            return
        text = json.dumps(
            {
                "bagpath": self._bagpath,
                "listing": listing(self._entry),
                "validator": validator,
                "told": told,
                "boot": boot_id(),
            }
        )
        note = self._notes / self._name
        scratch = note.with_suffix(".new")
        scratch.write_text(text, encoding="utf-8")
        os.replace(scratch, note)
        self._noted = True

    def recall(
        self, digests: Digests, stopped: Callable[[], bool]
    ) -> tuple[int, str | None, str | None]:
        """What an earlier run left, read into the digests: its size, validator, and Content-MD5.

        (0, None, None) if there is nothing that can be gone on with: another listing, no way to
        tell whether upstream has changed, or a machine that has crashed since (what it had not yet
        written to the disk may be holes) where no checksum of upstream's would tell.
        """
        nothing = 0, None, None
        if not self.was_begun:
            return nothing
        try:
            found = json.loads((self._notes / self._name).read_bytes())
            if found["listing"] != listing(self._entry):
                return nothing
            if not self._is_sure() and (not found["validator"] or found["boot"] != boot_id()):
                return nothing
            flags = os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC
            source = os.open(self.path, flags)
        except (OSError, ValueError, KeyError, TypeError, RecursionError):
            return nothing
        size = 0
        try:
            while block := read_block(source):
                digests.update(block)
                size += len(block)
                if stopped():
                    raise Interrupted("The run was ended while it read what an earlier one left.")
        finally:
            os.close(source)
        self._noted = True
        if self._entry.size is not None and size > self._entry.size:
            return nothing
        return size, found["validator"], found["told"]

    def _is_sure(self) -> bool:
        """Whether upstream's list tells in the end if all of it is right."""
        return self._entry.size is not None and any(map(known, self._entry.checksums))

    def done(self) -> None:
        """The file is whole: the note is of no use any more."""
        if self._noted:
            self._noted = False
            with suppress(FileNotFoundError):
                os.unlink(self._notes / self._name)

    def remove(self) -> None:
        """There will be no such file."""
        self.done()
        with suppress(FileNotFoundError):
            os.unlink(self.path)


def note_name(bagpath: str) -> str:
    """The name of the note about a file."""
    return hashlib.sha256(bagpath.encode()).hexdigest()[:32] + ".json"


def listing(entry: FileEntry) -> str:
    """A short digest of all that upstream's list says of a file: another one, another file."""
    facts = [entry.name, entry.folder, str(entry.size), *entry.urls, *map(str, entry.checksums)]
    if entry.origin:
        facts.append(repr(sorted(entry.origin.items())))
    return hashlib.sha256("\0".join(facts).encode("utf-8", "backslashreplace")).hexdigest()[:32]


@lru_cache(1)
def boot_id() -> str:
    """Another one after every start of the machine; ``""`` where it cannot be told."""
    with suppress(OSError):
        return Path("/proc/sys/kernel/random/boot_id").read_text(encoding="ascii").strip()
    return ""
