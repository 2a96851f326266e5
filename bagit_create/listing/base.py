"""What is listed, and what every lister is."""

from __future__ import annotations

from collections.abc import Collection, Iterator
from dataclasses import dataclass, field, fields
from typing import Any, Protocol

from ..errors import InputError
from . import dates

ROUTES = ("oai", "search")
UNCOUNTED = "the server does not say how many there are: this may not be all"
"""A note, where what is removed meanwhile may move others out of sight, and no count tells."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Selection:
    """Which records of a source are meant; the source itself is named by the job's options.

    ``set`` is an OAI-PMH set, ``community`` a slug (InvenioRDM, Zenodo), ``collection`` a name
    (Invenio v1), ``category`` an id (Indico), ``group`` a path or id (GitLab), ``query`` is in
    upstream's own language. ``since`` and ``until`` are ISO dates or UTC times, both included, of
    the last change (of the event, with Indico). ``via`` is ``"oai"`` or ``"search"``; ``""``
    leaves the choice to the lister. ``limit`` ends the list after so many records that exist.
    """

    set: str = ""
    community: str = ""
    collection: str = ""
    category: str = ""
    group: str = ""
    query: str = ""
    since: str = ""
    until: str = ""
    all_versions: bool = False
    via: str = ""
    limit: int | None = None

    def faults(self) -> Iterator[str]:
        """What no source could make sense of, one sentence each."""
        times = []
        for flag, text, read in (
            ("--from", self.since, dates.moment),
            ("--until", self.until, dates.after),
        ):
            try:
                times += [read(text)] if text else []
            except ValueError:
                yield f"{flag} is an ISO date or time, such as 2024-03-01 or 2024-03-01T12:00:00Z."
        if len(times) == 2 and times[0] >= times[1]:
            yield "--from is later than --until."
        if self.via not in ("", *ROUTES):
            yield f"--via is {' or '.join(ROUTES)}."
        if self.limit is not None and self.limit < 1:
            yield "--limit is at least 1."
        for one in fields(self):
            value = getattr(self, one.name)
            if isinstance(value, str) and value != value.strip():
                yield f"{flag_of(one.name)} has white space around it."
            if isinstance(value, str) and not value.isprintable():
                yield f"{flag_of(one.name)} is one line of text without control characters."


def flag_of(name: str) -> str:
    """The command line's spelling of a field of :class:`Selection`."""
    return "--" + {"since": "from"}.get(name, name).replace("_", "-")


def refuse(selection: Selection, allowed: Collection[str], source: str, *more: str) -> None:
    """Refuse a selection that this source cannot list, naming all that is wrong in one message.

    :param allowed: the fields of the selection that can be listed by here; ``limit`` always can.
    :param more: further faults, one sentence each.
    :raises InputError: with one line a fault.
    """
    faults = [
        f"{flag_of(one.name)} does not go with source {source}."
        for one in fields(selection)
        if getattr(selection, one.name) != one.default and one.name not in (*allowed, "limit")
    ]
    faults += [*more, *selection.faults()]
    if faults:
        raise Refused(faults)


class Refused(InputError):
    """A request that cannot work; ``faults`` are what is wrong, one sentence each."""

    def __init__(self, faults: list[str], hint: str = "bic list --help") -> None:
        several = len(faults) > 1
        text = "\n- ".join(["Several things are wrong:", *faults]) if several else faults[0]
        super().__init__(text, hint=hint)
        self.faults = tuple(faults)


@dataclass(frozen=True, slots=True)
class Listed:
    """One record as a list names it.

    ``recid`` is what ``--recid`` takes. ``modified`` is an ISO time in UTC as upstream gives it,
    ``""`` if it does not. A ``deleted`` record is told of and cannot be harvested.
    """

    source: str
    recid: str
    modified: str = ""
    title: str = ""
    deleted: bool = False

    def as_dict(self) -> dict[str, Any]:
        """What a line of ``bic list --json`` says: only what is known."""
        facts = {
            "source": self.source,
            "recid": self.recid,
            "modified": self.modified,
            "title": self.title,
            "deleted": self.deleted,
        }
        return {key: value for key, value in facts.items() if value or key in ("source", "recid")}


@dataclass(slots=True)
class Tally:
    """The counts of a list, reconciled when it has come to its end.

    ``expected`` is how many upstream said there are, None if it does not say. ``found`` counts
    each record once, deleted ones among them (``deleted``); ``repeated`` are those that came again.
    ``pages`` are answers that held records. ``notes`` say in words what a reader must know: what
    kept the list from being complete, what was left out. ``cut`` says why records are missing, or
    may be, that no count tells of.
    """

    expected: int | None = None
    found: int = 0
    deleted: int = 0
    repeated: int = 0
    pages: int = 0
    notes: list[str] = field(default_factory=list)
    cut: str = ""

    def lacks(self, why: str) -> None:
        """Note that records are missing, or may be."""
        self.cut = self.cut or why
        if why not in self.notes:
            self.notes.append(why)

    @property
    def shortfall(self) -> int:
        """Records that upstream counts and did not list."""
        return max(0, (self.expected or 0) - self.found)

    def recount(self, now: int | None) -> None:
        """Expect no more than there are now: what was removed meanwhile is not missing.

        That more than a tenth went meanwhile is not believed: an ailing server finds less.
        """
        if now is not None and self.expected is not None and now < self.expected:
            gone = self.expected - now
            if not now or gone > max(10, self.expected // 10):
                self.notes.append(f"upstream counted {self.expected} at first and {now} in the end")
                return
            self.notes.append(f"{gone} fewer are there now than when the list began")
            self.expected = now


class Lister(Protocol):
    """Lists the records of one kind of source. It is made with its instance and a client."""

    def records(self, selection: Selection, tally: Tally) -> Iterator[Listed]:
        """The records, as upstream's pages bring them; each may come more than once.

        The selection goes through :func:`refuse` first of all.
        Memory does not grow with their number. ``tally`` is kept up to date but for ``found``,
        ``deleted`` and ``repeated``, which the caller counts.

        :raises InputError: if such a selection cannot be listed here, before any request.
        :raises RecordNotFound, AccessDenied, Unreachable, UpstreamError: as a pipeline does.
        """
