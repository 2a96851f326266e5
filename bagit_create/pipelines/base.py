"""What every pipeline is, and how it reads an answer whose shape may have changed."""

from __future__ import annotations

import html
import re
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, Protocol

from ..errors import RecordNotFound, UpstreamError
from ..model import Document, Record


@dataclass(frozen=True)
class Begun:
    """A harvest after upstream's first answer.

    ``asked`` is the id asked for, ``recid`` the one that upstream gives. ``documents`` is that
    answer, as it will stand in the package; none of a source that asks nobody (``local``).
    ``body`` is what the pipeline has read in it, for itself.
    """

    asked: str
    recid: str
    documents: tuple[Document, ...] = ()
    body: Any = None


@dataclass(frozen=True)
class Essence:
    """What of a metadata document counts when it is compared with another one.

    ``text`` is the document without what changes by itself (counters of views, links), in one
    spelling. ``tells_all`` is whether an equal one proves that the files are the same too, and
    ``settled`` the Unix second after which a change would surely have shown in it.
    """

    text: bytes
    tells_all: bool = False
    settled: int = 0


class Pipeline(Protocol):
    """One kind of source. It is made with its instance, a client, and the job's options.

    Nothing is written and no payload is fetched. Both steps raise RecordNotFound, AccessDenied,
    Unreachable and UpstreamError: the four ways upstream can fail, in the same words for all
    sources.
    """

    def begin(self, recid: str | None) -> Begun:
        """Ask for a record's own metadata: one request, where the id needs no resolving.

        :param recid: the id asked for; None only where a source can do without (``local``).
        """

    def harvest(self, begun: Begun) -> Record:
        """Go on from the first answer: all metadata as published, and one entry per file."""

    def essence(self, document: Document) -> Essence | None:
        """What of a document counts; its docstring says what proves that a record is unchanged.

        :param document: of today, or of a package, where anything may stand in it.
        :returns: None if it cannot be read, or nothing can be told from it.
        """


@contextmanager
def reading(what: str, where: str) -> Iterator[None]:
    """Turn a field that is missing or of another type into one clear error.

    :param what: what is being read: ``"file list"``.
    :param where: the address it came from.
    :raises UpstreamError: naming the field.
    """
    try:
        yield
    except (KeyError, IndexError, TypeError, AttributeError, ValueError) as err:
        raise UpstreamError(
            f"The {what} is not in the form that is known.",
            where=f"{where} ({type(err).__name__}: {err})",
            hint="the service may have changed; please report it",
        ) from err


def expect(value: Any, kind: type, field: str) -> Any:
    """Return ``value`` if it is of the type that upstream documents.

    :raises TypeError: naming the field; :func:`reading` makes it an UpstreamError.
    """
    if not isinstance(value, kind) or (kind is int and isinstance(value, bool)):
        raise TypeError(f"{field} is {type(value).__name__}, not {kind.__name__}")
    return value


def only_one(found: list[str], source: str, doi: str) -> str:
    """The id of the record that a search for a DOI found.

    :raises RecordNotFound: if it found none, or several.
    """
    if len(found) != 1:
        raise RecordNotFound(
            f"No such record: {source} has {len(found) or 'none'} with this DOI.",
            where=doi,
            hint="give the record's address or id",
        )
    return found[0]


def plain_text(markup: Any) -> str:
    """Text without HTML tags and entities, white space folded; ``""`` for what is no text."""
    if not isinstance(markup, str):
        return ""
    return " ".join(html.unescape(re.sub(r"<[^<>]*>", " ", markup)).split())
