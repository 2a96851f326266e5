"""What every pipeline is, and how it reads an answer whose shape may have changed."""

from __future__ import annotations

import html
import re
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, Protocol

from ..errors import RecordNotFound, UpstreamError
from ..model import Record


class Pipeline(Protocol):
    """One kind of source. It is made with its instance, a client, and the job's options."""

    def harvest(self, recid: str | None) -> Record:
        """Ask upstream for a record: its metadata as published, and one entry per file.

        Nothing is written and no payload is fetched.

        :param recid: the id asked for; None only where a source can do without (``local``).
        :raises RecordNotFound, AccessDenied, Unreachable, UpstreamError: the four ways upstream
            can fail, in the same words for all sources.
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
