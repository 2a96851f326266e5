"""sip.json against the disk, the manifests and fetch.txt: what makes a bag a CERN SIP."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

from . import siphead
from .container import Container
from .content import Expected
from .fetchtxt import Fetch
from .findings import Findings
from .jsonstream import Stream
from .listing import ArchiveFault
from .machine import not_here
from .manifest import Manifest
from .sipentry import check_entry, has_no_address
from .siphead import SIP_JSON, at, kind
from .structure import Structure
from .table import Column

MAX_BYTES = 1 << 30
"""Of sip.json: a million entries are less, and to read more takes all memory there is."""


NAMED_AT_MOST = 20


@dataclass(frozen=True)
class Bag:
    """What the bag's own check has found out; ``manifests`` by algorithm."""

    container: Container
    there: Structure
    fetch: Fetch
    manifests: Mapping[str, Manifest]

    def digest(self, algorithm: str, path: str) -> str | None:
        """What the manifest of an algorithm says of a path."""
        manifest = self.manifests.get(algorithm)
        return manifest.digests.get(path) if manifest else None


@dataclass
class Facts:
    """What sip.json says: ``light`` None where it says nothing that can be used.

    ``extra`` are digests that no manifest has: the files are still to be compared with them.
    ``metadata`` are the files that it marks as upstream's metadata.
    """

    light: bool | None
    extra: Expected
    recid: Any = None
    metadata: tuple[str, ...] = ()


class _EnoughError(Exception):
    """What was looked for is found."""


def is_light(container: Container) -> bool:
    """Whether a bag says itself that it is a light SIP; asked before anything is judged."""
    try:
        with container.open(SIP_JSON) as file:
            stream = Stream(file, dict)

            def enough(_: Any) -> None:
                if "audit" in stream.made:  # it usually stands first
                    raise _EnoughError

            with suppress(_EnoughError):
                stream.object("contentFiles", enough)
    except (OSError, ValueError, RecursionError) as err:
        if isinstance(err, OSError):
            not_here(err, SIP_JSON)
        return False
    audit = stream.made.get("audit")
    return (
        bool(audit)
        and isinstance(audit, list)
        and (at(audit[0], "tool", "params", "dry_run") is True)
    )


def check(bag: Bag, found: Findings) -> Facts:
    """Judge the document; the ids are those of the catalogue."""
    payload = bag.there.payload
    if SIP_JSON not in payload:
        found.error("C01", SIP_JSON, "missing; a CERN SIP needs it (a plain BagIt bag?)")
        return Facts(None, {})
    entries = _Entries(bag, found)
    document = _read(bag, entries, found)
    facts = Facts(None, entries.extra, at(document, "recid"), tuple(entries.metadata))
    if document is None:
        return facts
    facts.light = light = siphead.check(document, bag.container.name, found)
    listed = document.get("contentFiles")
    if not isinstance(listed, list):
        where = (SIP_JSON, "/contentFiles")
        found.error("C14", where, f"expected an array, found {kind(listed)}")
        return facts
    for path in payload:
        if path not in entries.seen:
            level = found.error if path.startswith("data/content/") else found.warning
            level("C22", path, "not listed in sip.json")
    absent = len(bag.fetch) and any(path not in payload for path in bag.fetch.lines)
    if light is True and "fetch.txt" not in bag.there.tags and entries.absent:
        found.error("C44", "fetch.txt", "sip.json says light bag, fetch.txt is missing")
    if light is True and not entries.absent and not absent:
        found.information("C45", SIP_JSON, "light bag, complete")
    if light is False and absent:
        text = "files are to be fetched although sip.json says full bag"
        found.warning("C46", "fetch.txt", text)
    for number in entries.homeless if at(document, "source") != "local" else ():
        where = (SIP_JSON, f"/contentFiles/{number}/origin/url")
        found.warning("C29", where, "missing: nothing says where the file came from")
    if not entries.metadata and at(document, "source") != "local":
        found.warning("C31", SIP_JSON, "no upstream metadata file is marked")
    return facts


class _Entries:
    """The entries of contentFiles, judged as they are read: of 100,000 one is in memory."""

    def __init__(self, bag: Bag, found: Findings) -> None:
        self._bag = bag
        self._found = found
        self._number = 0
        self.seen = Column(bag.there.payload.table)
        self.extra: Expected = {}
        self.absent = False
        """Whether a file is neither here nor downloaded."""
        self.homeless: list[int] = []
        """Numbers of the first that do not say where they came from."""
        self.metadata: list[str] = []
        """Those marked as upstream's metadata."""

    def judge(self, entry: Any) -> None:
        """Judge the next entry."""
        check_entry(self._number, entry, self._bag, self.seen, self.extra, self._found)
        if len(self.homeless) < NAMED_AT_MOST and has_no_address(entry):
            self.homeless.append(self._number)
        self._number += 1
        path = at(entry, "bagpath")
        if at(entry, "downloaded") is False and isinstance(path, str):
            self.absent = self.absent or path not in self._bag.there.payload
        if at(entry, "metadata") is True and len(self.metadata) < NAMED_AT_MOST:
            self.metadata.append(path if isinstance(path, str) else "")


def _read(bag: Bag, entries: _Entries, found: Findings) -> dict[str, Any] | None:
    """The document without its contentFiles, which are judged on the way."""
    repeated: list[str] = []

    def once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
        made = dict(pairs)
        if len(made) != len(pairs):
            note([name for name, _ in pairs])
        return made

    def note(names: list[str]) -> None:
        if len(repeated) < NAMED_AT_MOST:
            counts = Counter(names)
            repeated.extend(sorted(name for name, count in counts.items() if count > 1))

    if bag.there.payload[SIP_JSON] > MAX_BYTES:
        found.error("C02", SIP_JSON, f"larger than {MAX_BYTES} bytes; refusing to read")
        return None
    try:
        with bag.container.open(SIP_JSON) as file:
            stream = Stream(file, once)
            try:
                document, keys = stream.object("contentFiles", entries.judge)
            except (ValueError, RecursionError) as err:
                line = stream.line(err)
                text = f"not valid JSON: {stream.words(err)}"
                found.error("C02", (SIP_JSON, line) if line else SIP_JSON, text)
                return None
    except ArchiveFault:
        return None  # the archive's reader has told it
    except OSError as err:
        not_here(err, SIP_JSON)
        found.error("S19", SIP_JSON, f"cannot be read: {err.strerror or err}")
        return None
    note(keys)
    for name in repeated[:NAMED_AT_MOST]:
        found.warning("C03", SIP_JSON, f'key "{name}" twice in one object')
    if not isinstance(document, dict):
        found.error("C04", SIP_JSON, f"expected an object, found {kind(document)}")
        return None
    return document
