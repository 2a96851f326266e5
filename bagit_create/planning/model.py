"""The values of a plan. Sizes are in bytes, times in seconds."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, replace
from typing import Any

NAMED_AT_MOST = 20
"""Names of one kind that a plan gives; their number is told in any case."""
RECORDS_AT_MOST = 100
"""Records that a plan keeps one by one."""


NAMES = ("without_checksum", "renamed", "skipped", "missing", "warnings")
"""What is named of a record."""


@dataclass(frozen=True, slots=True)
class Requests:
    """HTTP requests of a run in which nothing goes wrong.

    ``metadata`` were counted while the record was asked for: with their redirects, and with the
    ``heads`` (HEAD requests) that a light package needs. ``files`` is one for each file that is to
    be fetched, or read for its checksum, and one more where HEAD was redirected. ``servers`` has
    all of them by server (``https://zenodo.org``). Not in it: redirects that no HEAD showed,
    retries, parts after a break, the requests of git and of a project's export, and the sign-on of
    ``--cert``.
    """

    metadata: int = 0
    files: int = 0
    servers: Mapping[str, int] = field(default_factory=dict)
    heads: int = 0

    @property
    def total(self) -> int:
        """All of them."""
        return self.metadata + self.files

    def as_dict(self) -> dict[str, Any]:
        """As JSON can hold it."""
        return {
            "total": self.total,
            "metadata": self.metadata,
            "heads": self.heads,
            "files": self.files,
            "servers": dict(self.servers),
        }


@dataclass(frozen=True, slots=True)
class Weight:
    """Room on a disk, in whole blocks of its file system, for the files of known size.

    ``package`` is what remains in the end, at most (an archive may compress well). ``needed`` is
    the most that is there at one time: the notes about downloads, and beside an archive the folder
    that it is made of. ``entries`` are files and folders.
    """

    package: int = 0
    needed: int = 0
    entries: int = 0


@dataclass(frozen=True, slots=True)
class Failure:
    """Why a record cannot be packaged, as the run would say; see ``main.failure``."""

    error: str
    exit_code: int
    message: str
    where: str = ""
    hint: str = ""
    http_status: int | None = None


@dataclass(frozen=True, slots=True)
class Named:
    """How many things of one kind there are, and the first of them."""

    count: int = 0
    first: tuple[Mapping[str, Any], ...] = ()

    def as_dict(self) -> dict[str, Any]:
        """As JSON can hold it."""
        return {"count": self.count, "first": [dict(one) for one in self.first]}


@dataclass(frozen=True, slots=True)
class RecordPlan:
    """What a run would do about one record.

    ``recid`` is the id that upstream gave, ``requested`` the one that was asked for. ``bytes`` are
    those of ``files`` whose size is known; ``unknown_sizes`` is how many others there are.
    ``made`` files are made on this machine from a clone or an export, which no plan asks for; one
    of what git keeps in LFS is counted, whether there is any or not. Whether a file that is listed
    will be handed out shows when it is fetched, so it may be missing all the same.
    ``read`` are bytes that pass without being kept (``--hash-missing``). The rest names things:
    ``without_checksum`` the ``path`` in the bag of files that cannot be compared with anything, or
    that no manifest of a light package would list; ``renamed`` what changes ``from`` upstream's
    name ``to`` a path in the bag; ``skipped`` the ``name`` of what would be left out, and the
    ``reason``; ``missing`` the ``name`` of files that the server refuses; ``warnings`` the ``text``
    that the run would give. With a ``failure`` the numbers are those known when it became clear.
    """

    source: str
    recid: str
    requested: str
    files: int = 0
    bytes: int = 0
    unknown_sizes: int = 0
    made: int = 0
    read: int = 0
    requests: Requests = Requests()
    disk: Weight = Weight()
    without_checksum: Named = Named()
    renamed: Named = Named()
    skipped: Named = Named()
    missing: Named = Named()
    warnings: Named = Named()
    failure: Failure | None = None

    def as_dict(self) -> dict[str, Any]:
        """A plain, JSON-serialisable dict."""
        found = {name: getattr(self, name) for name in _OF_A_RECORD}
        return {
            **found,
            "requests": self.requests.as_dict(),
            "disk": asdict(self.disk),
            **{name: getattr(self, name).as_dict() for name in NAMES},
            "failure": asdict(self.failure) if self.failure else None,
        }

    def shortened(self) -> RecordPlan:
        """The same with no more than the first names of each kind, to be kept."""
        if not any(len(getattr(self, name).first) > NAMED_AT_MOST for name in NAMES):
            return self
        cut: dict[str, Any] = {
            name: Named(one.count, one.first[:NAMED_AT_MOST])
            for name, one in ((name, getattr(self, name)) for name in NAMES)
        }
        return replace(self, **cut)


@dataclass(frozen=True, slots=True)
class Limit:
    """What a server allows: so many ``requests`` in each ``window`` (seconds).

    ``told`` is whether the server named the window; otherwise it is the usual one that fits what it
    told of the next reset, or the limit is a ``known`` one: ``instances.toml`` has it beside one
    that the server told.
    """

    server: str
    requests: int
    window: float
    told: bool
    known: bool = False


@dataclass(frozen=True, slots=True)
class Credential:
    """The credential of one source: what it takes, where it may stand, whether one was ``given``.

    ``refused`` counts the records for which it was missing or not enough; ``first`` are their ids.
    """

    source: str
    kind: str
    variables: tuple[str, ...]
    help: str
    given: bool
    refused: int
    first: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Range:
    """A number for the whole list, from a sample: in 19 of 20 samples it is in ``low``-``high``."""

    value: int
    low: int
    high: int


@dataclass(frozen=True, slots=True)
class Room:
    """The file system of the target: ``place`` is the nearest folder that exists.

    ``free_entries`` is how many more files and folders there can be, None if nothing limits them.
    ``enough`` is None where it cannot be told. ``fault`` is why nothing can be written there.
    """

    place: str
    free: int
    free_entries: int | None
    enough: bool | None
    fault: str = ""


@dataclass(frozen=True, kw_only=True)
class Plan:
    """What a run over one record or a list would do.

    ``listed`` records were named, without those ``repeated`` or ``deleted``; ``planned`` of them
    were asked for: all, or a sample. All numbers are of these, but for ``estimate``, which has
    those of the whole list where there was a sample: ``records`` that can be packaged, ``files``,
    ``bytes``, ``requests``, and ``disk`` in the end.

    ``makeable`` records can be packaged; ``failures`` has the others by kind. ``sent`` is how many
    requests the plan took itself. ``limits`` is the tightest that each server told. ``answer`` is
    the mean time of an answer, None if there was none. ``seconds`` are what the requests take (of
    the whole list), ``decided_by`` ``"limits"`` or ``"answers"``; ``transfer`` is what the bytes
    take at the ``rate`` (bytes a second) that was given. ``workers`` records are made at once.
    ``records`` are the first ones; ``exit_code`` is what the run would end with. ``earlier`` is
    whether the run would look for earlier packages: here all is reckoned as if there were none.
    """

    listed: int
    planned: int
    repeated: int
    deleted: int
    workers: int
    makeable: int
    failures: Mapping[str, Named]
    files: int
    bytes: int
    unknown_sizes: int
    made: int
    read: int
    requests: Requests
    sent: int
    limits: tuple[Limit, ...]
    answer: float | None
    seconds: float | None
    decided_by: str
    rate: float | None
    transfer: float | None
    disk: Weight
    room: Room
    credentials: tuple[Credential, ...]
    without_checksum: Named
    renamed: Named
    skipped: Named
    missing: Named
    moved: Named
    warnings: Named
    estimate: Mapping[str, Range] | None
    records: tuple[RecordPlan, ...]
    exit_code: int
    earlier: bool = False

    @property
    def is_sample(self) -> bool:
        """Whether only some of the list's records were asked for."""
        return self.planned < self.listed

    def as_dict(self) -> dict[str, Any]:
        """A plain, JSON-serialisable dict; of the names, the first of each kind."""
        found = {name: getattr(self, name) for name in _PLAIN}
        return {
            **found,
            "sample": self.is_sample,
            "requests": self.requests.as_dict(),
            "disk": asdict(self.disk),
            "room": asdict(self.room),
            "limits": [asdict(one) for one in self.limits],
            "credentials": [_plain(asdict(one)) for one in self.credentials],
            "failures": {kind: one.as_dict() for kind, one in self.failures.items()},
            **{name: getattr(self, name).as_dict() for name in (*NAMES, "moved")},
            "estimate": (
                {name: asdict(one) for name, one in self.estimate.items()}
                if self.estimate is not None
                else None
            ),
            "records": [one.as_dict() for one in self.records],
        }


_OF_A_RECORD = "source recid requested files bytes unknown_sizes made read".split()
_PLAIN = (
    "exit_code listed planned repeated deleted workers makeable files bytes unknown_sizes made read"
    " sent answer seconds decided_by rate transfer earlier"
).split()


def _plain(facts: dict[str, Any]) -> dict[str, Any]:
    """Lists instead of tuples, as JSON has them."""
    return {name: list(v) if isinstance(v, tuple) else v for name, v in facts.items()}
