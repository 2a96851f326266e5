"""CERN Open Data: the records of a search of the portal.

Facts: cernopendata/cernopendata-portal (``cernopendata/config.py``: ``_query_parser_and``, sort
options and facets; ``modules/records/fetchers/recid.py``) and invenio-records-rest. The search
finds the portal's documents too (articles, news, glossary), which have no ``recid``. What is on
demand is found only if that is asked for. No order is that of creation; that of publication, and
then of ``recid``, is a stable one.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Any

from ..client import Client
from ..config import Instance
from ..options import RECID
from ..pipelines.base import expect, plain_text
from . import windows
from .base import Listed, Selection, Tally, refuse
from .hits import Hit
from .inveniordm import RecordSearch

FIELDS = {
    "type": "type.primary",
    "subtype": "type.secondary",
    "category": "categories.primary",
    "subcategory": "categories.secondary",
    "year": "date_created",
    "file_type": "distribution.formats",
    "collision_type": "collision_information.type",
    "collision_energy": "collision_information.energy",
    "number_events": "distribution.number_events",
    "stripping_stream": "stripping.stream",
    "stripping_version": "stripping.version",
}
"""Facets of the portal that its index calls otherwise; the others are fields of that name."""
_QUOTED = r'"(?:[^"\\]|\\.)*"'
_FACET = re.compile(rf"{_QUOTED}|(?<![\w.:\\])({'|'.join(FIELDS)}):({_QUOTED}|[^\s()]+)")


class OpenData:
    """The portal at opendata.cern.ch, or another installation of it."""

    def __init__(self, instance: Instance, client: Client) -> None:
        self._instance = instance
        self._client = client

    def records(self, selection: Selection, tally: Tally) -> Iterator[Listed]:
        """By search, in the query language of the portal, facets among it.

        See :meth:`Lister.records`.
        """
        faults = []
        if selection.via == "oai":
            faults.append(f"--via oai does not go with source {self._instance.name}.")
        refuse(selection, ("query", "since", "until", "via"), self._instance.name, *faults)
        asked = replace(selection, query=in_fields(selection.query))
        search = PortalSearch(self._instance, self._client, asked, (200, 25, 10))
        others: dict[str, str] = {}
        for one in windows.halve(search, tally):
            if isinstance(one, Other):
                others[one.recid] = one.kind
            else:
                yield one
        if others:
            kinds = ", ".join(f"{kind} {n}" for kind, n in sorted(Counter(others.values()).items()))
            tally.notes.append(
                f"{len(others)} pages of the portal that are no records are left out ({kinds})"
            )
            if tally.expected is not None:
                tally.expected = max(0, tally.expected - len(others))


@dataclass(frozen=True, slots=True)
class Other(Listed):
    """What a search finds and is no record; ``recid`` is its name."""

    kind: str = ""


class PortalSearch(RecordSearch):
    """The portal's search."""

    created = "_created"
    updated = "_updated"

    def _path(self, selection: Selection) -> str:
        return "/api/records/"

    def _parameters(self, selection: Selection) -> dict[str, str]:
        return {"sort": "mostrecent", "ondemand": "true", "skip_files": "1"}

    def _hit(self, hit: dict[str, Any]) -> Hit:
        metadata = expect(hit["metadata"], dict, "metadata")
        found = super()._hit(hit)
        if "recid" not in metadata:
            kinds = metadata.get("type")
            kind = plain_text(kinds.get("primary") if isinstance(kinds, dict) else "")
            kind = kind or ("Glossary" if "anchor" in metadata else "other")
            listed = found.listed
            return found._replace(listed=Other(listed.source, listed.recid, kind=kind))
        recid = str(metadata["recid"])  # ``id`` may be another name of it
        if not re.fullmatch(RECID, recid):
            raise ValueError(f"recid is {recid!r}")
        return found._replace(listed=replace(found.listed, recid=recid))


def in_fields(query: str) -> str:
    """The query with facets of the portal as fields of its index.

    ``type:Dataset``, ``type:Dataset::Collision`` or ``type:Dataset+subtype:Collision``, and
    ``year:2010--2012`` are facets as its interface and its addresses have them. What stands in
    quotes stays as it is.
    """
    return _FACET.sub(_in_field, query)


def _in_field(match: re.Match[str]) -> str:
    name, value = match[1], match[2]
    if name is None:
        return match[0]
    if name in ("year", "number_events") and "--" in value:
        first, _, last = value.partition("--")
        return f"{FIELDS[name]}:[{first or '*'} TO {last or '*'}]"
    inner = re.fullmatch(r"([^\"]+?)(?:::|\+sub\w+:)(.+)", value)
    if inner and f"sub{name}" in FIELDS:
        return f"({FIELDS[name]}:{inner[1]} AND {FIELDS[f'sub{name}']}:{inner[2]})"
    return f"{FIELDS[name]}:{value}"
