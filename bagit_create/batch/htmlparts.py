"""Pieces that the sections of a job's page are made of."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from ..page import code, text
from .figures import Example

SHOWN = 20
"""Rows of a table that may be long; below it stands how many more there are."""


def sign(kind: str) -> str:
    """The colour of a part, beside its word."""
    return (
        '<svg class="sign" viewBox="0 0 10 10" aria-hidden="true">'
        f'<rect class="{kind}" width="10" height="10"/></svg>'
    )


def table(
    heads: Sequence[str], rows: Sequence[Sequence[str]], *, numbers: int = 0
) -> Iterator[str]:
    """A table of markup; the last so many columns are numbers."""
    kinds = [' class="n"' if place >= len(heads) - numbers else "" for place in range(len(heads))]
    yield '<div class="wide"><table class="named">\n<thead><tr>'
    for head, kind in zip(heads, kinds, strict=True):
        yield f'<th scope="col"{kind}>{head}</th>'
    yield "</tr></thead>\n<tbody>\n"
    for first, *others in rows:
        yield f'<tr><th scope="row">{first}</th>'
        for cell, kind in zip(others, kinds[1:], strict=True):
            yield f"<td{kind}>{cell}</td>"
        yield "</tr>\n"
    yield "</tbody>\n</table></div>\n"


def more(count: int, what: str, where: str) -> Iterator[str]:
    """How many rows are not shown, and the command that shows them; nothing if there are none."""
    if count > 0:
        yield f'<p class="rest">{count:,} more {what}: {code(where)}</p>\n'


def name_of(one: Example) -> str:
    """A record, by its source and id."""
    return f"{text(one.source)} {code(one.recid)}"
