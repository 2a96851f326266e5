"""The values that flow from one step to the next. Facts only: nothing here does any work."""

from __future__ import annotations

from collections.abc import Callable, Generator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from types import MappingProxyType
from typing import Any, BinaryIO, Protocol

NOTHING: Mapping[str, Any] = MappingProxyType({})
"""One empty mapping for all: 100,000 entries need not have one each."""


def _nothing() -> Mapping[str, Any]:
    return NOTHING


Maker = Callable[[Path, Callable[[], bool]], Generator[bytes, None, None]]
"""Makes the bytes of a file that no address gives: called with an empty scratch folder, which is
removed afterwards, and with a function that says whether the run is being ended. It is closed at
the end, and then ends what it has begun."""


@dataclass(frozen=True, slots=True)
class Checksum:
    """A digest and the algorithm it was made with.

    ``algorithm`` is BagIt's spelling (RFC 8493 section 2.4): lower case, letters and digits only.
    ``value`` is lower-case hexadecimal.
    """

    algorithm: str
    value: str

    def __str__(self) -> str:
        return f"{self.algorithm}:{self.value}"


@dataclass(frozen=True, slots=True)
class FileEntry:
    """A file that upstream lists, before anything was fetched.

    ``name`` is upstream's own name to the letter; it may hold slashes where upstream treats the
    whole as one name (InvenioRDM keys do). ``folder`` is the directory that upstream keeps apart
    from the name, ``/``-separated, ``""`` for none. ``urls`` are the locations, best first, free
    of credentials; ``size`` is in bytes, None if upstream does not say. ``origin`` holds further
    facts for the entry's ``origin`` in sip.json. ``optional`` files are only mentioned by upstream
    (an image in a note), not listed: one that is gone is named and fails nothing. ``path`` is where
    the file is on this machine; an address from upstream never names such a place. ``mtime_ns`` is
    when that one was last written to, in Unix nanoseconds, if it was looked at. ``maker`` makes
    the bytes where no address does; such a file cannot stand in a light bag. With ``if_any`` there
    is no such file if its maker, which alone can tell, gives no byte.
    """

    name: str
    urls: tuple[str, ...]
    size: int | None = None
    checksums: tuple[Checksum, ...] = ()
    folder: str = ""
    media_type: str | None = None
    origin: Mapping[str, Any] = field(default_factory=_nothing)
    optional: bool = False
    path: bytes | None = None
    mtime_ns: int | None = None
    maker: Maker | None = field(default=None, repr=False, compare=False)
    if_any: bool = False


@dataclass(frozen=True, slots=True)
class Document:
    """Upstream metadata that arrived with the harvest, stored byte for byte as it came.

    ``place`` is the directory below ``data/``: ``"content"`` or ``"meta"``.
    """

    name: str
    content: bytes
    url: str | None = None
    place: str = "content"
    media_type: str | None = None


@dataclass(frozen=True, slots=True)
class Skipped:
    """Something upstream holds that is not in the package, and the reason."""

    name: str
    reason: str
    details: Mapping[str, Any] = field(default_factory=_nothing)


@dataclass(frozen=True, slots=True)
class Description:
    """What dc.xml says of the record (Dublin Core elements), as plain text without markup."""

    title: str = ""
    creators: tuple[str, ...] = ()
    date: str = ""
    description: str = ""
    publisher: str = ""
    identifiers: tuple[str, ...] = ()
    rights: tuple[str, ...] = ()
    types: tuple[str, ...] = ()
    languages: tuple[str, ...] = ()
    subjects: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Record:
    """All that a pipeline learnt about a record; ``harvest`` returns it and writes no file.

    ``recid`` is the id that upstream gave, which may differ from ``requested`` (a concept id, a
    DOI). ``documents`` starts with the record's own metadata, if the source has any.
    ``metadata_url`` is where that came from. ``organization`` is who runs the source.
    ``empty_folders`` are ``/``-separated paths of folders without anything in them, which a bag
    keeps by a placeholder. ``notes`` are facts about the harvest for the audit trail.
    ``recheck`` is called before the package gets its name; it raises if the source changed since.
    """

    source: str
    recid: str
    requested: str
    files: tuple[FileEntry, ...]
    documents: tuple[Document, ...] = ()
    metadata_url: str | None = None
    description: Description = Description()
    organization: str = ""
    external_identifier: str = ""
    skipped: tuple[Skipped, ...] = ()
    empty_folders: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()
    source_details: Mapping[str, Any] = field(default_factory=_nothing)
    recheck: Callable[[], None] | None = field(default=None, repr=False, compare=False)


@dataclass(frozen=True, slots=True)
class Placed:
    """A file and the path it gets in the bag (``data/content/…``, ``/``-separated, NFC)."""

    entry: FileEntry
    bagpath: str


@dataclass(frozen=True, slots=True)
class Held:
    """A file of an earlier package that should have the bytes of one that is wanted.

    ``checksum`` is upstream's of today, which that package promises of its own file ``bagpath``;
    ``size`` is that file's. ``fetched`` is when those bytes came from upstream, in Unix seconds, as
    the package tells. ``open`` gives them; only they prove anything.
    """

    package: str
    bagpath: str
    size: int
    checksum: Checksum
    fetched: int | None = None
    open: Callable[[], BinaryIO] | None = field(default=None, repr=False, compare=False)


@dataclass(frozen=True, slots=True)
class Fetched:
    """A file of which the digests are known: fetched (``downloaded``) or only read through.

    ``checksums`` were computed here from the bytes, one per algorithm. ``size`` is in bytes.
    ``url`` is the location that served it. ``timestamp`` is Unix seconds. ``read_back`` files were
    left by an earlier run and read from the disk by this one. ``reused`` is where the bytes were
    taken from instead of upstream.
    """

    placed: Placed
    size: int
    checksums: tuple[Checksum, ...]
    url: str
    timestamp: int
    downloaded: bool = True
    http_status: int | None = None
    read_back: bool = False
    reused: Held | None = None


@dataclass(frozen=True, slots=True)
class Missing:
    """A file that upstream lists and does not hand out, and why.

    ``exit_code`` is that of the error which it would have been.
    """

    placed: Placed
    reason: str
    http_status: int | None = None
    exit_code: int = 8


@dataclass(frozen=True, slots=True)
class Result:
    """What a run made. :meth:`as_dict` is what ``process()`` and ``--json`` give.

    ``name`` is the package's. ``path`` is where it is: a folder of that name, or the ``archive``.
    ``unchanged``: nothing was made, since the package has the record as it is. ``reused`` is how
    many files came from an earlier package.
    """

    path: Path
    name: str
    timestamp: int
    source: str
    recid: str
    light: bool
    files: int
    bytes: int | None
    verified: bool
    skipped: tuple[Skipped, ...] = ()
    missing: tuple[Missing, ...] = ()
    without_checksum: tuple[str, ...] = ()
    renamed: tuple[tuple[str, str], ...] = ()
    warnings: tuple[str, ...] = ()
    algorithms: tuple[str, ...] = ()
    archive: Path | None = None
    unchanged: bool = False
    reused: int = 0

    def as_dict(self) -> dict[str, Any]:
        """A plain, JSON-serialisable dict with the forerunner's keys first."""
        return {
            "status": 0,
            "errormsg": None,
            "foldername": self.name,
            "exit_code": 0,
            "path": str(self.path),
            "archive": str(self.archive) if self.archive else None,
            "source": self.source,
            "recid": self.recid,
            "timestamp": self.timestamp,
            "light": self.light,
            "files": self.files,
            "bytes": self.bytes,
            "verified": self.verified,
            "algorithms": list(self.algorithms),
            "skipped": [
                {"name": s.name, "reason": s.reason, **dict(s.details)} for s in self.skipped
            ],
            "missing": [
                {
                    "name": m.placed.entry.name,
                    "path": m.placed.bagpath,
                    "reason": m.reason,
                    "http_status": m.http_status,
                }
                for m in self.missing
            ],
            "without_checksum": list(self.without_checksum),
            "renamed": [{"from": old, "to": new} for old, new in self.renamed],
            "warnings": list(self.warnings),
            "unchanged": self.unchanged,
            "reused": self.reused,
        }


class Events(Protocol):
    """Who wants to follow a run (a progress display, a batch) implements this.

    The methods are called from several threads at once and must be quick.
    """

    def phase(self, name: str) -> None:
        """A step begins: ``"harvest"``, ``"fetch"``, ``"verify"`` or ``"write"``."""

    def started(self, files: int, size: int | None) -> None:
        """So many files (0: they are not counted), and bytes if known, are to be moved."""

    def advanced(self, count: int) -> None:
        """``count`` more bytes were moved."""

    def file_done(self, bagpath: str) -> None:
        """A file is complete."""

    def waiting(self, seconds: float, why: str) -> None:
        """The run pauses, because upstream asked for it or before trying again."""


class Silent:
    """:class:`Events` that nobody follows."""

    def phase(self, name: str) -> None:
        """Nothing."""

    def started(self, files: int, size: int | None) -> None:
        """Nothing."""

    def advanced(self, count: int) -> None:
        """Nothing."""

    def file_done(self, bagpath: str) -> None:
        """Nothing."""

    def waiting(self, seconds: float, why: str) -> None:
        """Nothing."""
