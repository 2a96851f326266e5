"""The search of CERN Open Data: records, and the portal's documents among them.

After cernopendata/cernopendata-portal (``config.py``: ``_query_parser_and``) and
invenio-records-rest. Beside the records of cod.py there are an article, a piece of news and two
terms of the glossary, which have no ``recid``; and a crowd, if one is put there.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from .crowd import One, milliseconds, stamp
from .searches import Malformed, Searches
from .server import Reply, json_reply

CREATED = "2025-03-01T08:00:00.000000+00:00"
UPDATED = "2026-06-30T12:34:56.789012+00:00"
FILES = ("files", "_files", "_file_indices")
DOCUMENTS: dict[str, dict[str, Any]] = {
    "invented-guide": {"slug": "invented-guide", "type": {"primary": "Documentation"}},
    "invented-news": {"slug": "invented-news", "type": {"primary": "News"}},
    "muon": {"anchor": "muon", "term": "muon"},
    "jet": {"anchor": "jet", "term": "jet"},
}
_FIELD = re.compile(r'([a-z][\w.]*):("[^"]*"|[^\s()\[]+)')


class PortalSearch:
    """One portal's search. ``documents`` are what it finds beside records."""

    def __init__(self) -> None:
        self.searches = Searches()
        self.documents = dict(DOCUMENTS)

    def answer(self, records: Mapping[str, dict[str, Any]], asked: dict[str, str]) -> Reply:
        """Answer ``/api/records/?q=…``."""
        query = asked.get("q", "")
        fields = [(name, value.strip('"')) for name, value in _FIELD.findall(query)]
        every = {
            **{name: {"title": name, **one} for name, one in self.documents.items()},
            **{recid: one for recid, one in records.items() if _is_shown(one, asked)},
        }
        fitting = {
            name: one
            for name, one in every.items()
            if all(value in _values(one, field) for field, value in fields)
        }
        stored = [
            One(name, milliseconds(CREATED), milliseconds(UPDATED), str(one.get("title")))
            for name, one in fitting.items()
        ]
        crowd = self.searches.crowd
        if fields:
            self.searches.crowd = None
        try:
            plain = {"size": "10", **asked, "q": _FIELD.sub("", query)}
            found = self.searches.find(stored, plain, 10_000)
        except Malformed as err:
            return json_reply(400, {"status": 400, "message": str(err)})
        finally:
            self.searches.crowd = crowd
        hits = [self._hit(one, fitting.get(one.recid), asked) for one in found.hits]
        return json_reply(200, {"hits": {"hits": hits, "total": found.total}, "links": {}})

    def _hit(
        self, one: One, metadata: dict[str, Any] | None, asked: Mapping[str, str]
    ) -> dict[str, Any]:
        """A hit; that of the crowd is made now."""
        times = {"created": CREATED, "updated": UPDATED}
        if metadata is None:
            metadata = {"recid": one.recid, "title": one.title}
            times = {"created": stamp(one.created), "updated": stamp(one.updated)}
        left = FILES if "skip_files" in asked else ()
        shown = {name: value for name, value in metadata.items() if name not in left}
        return {"id": str(metadata.get("recid", one.recid)), "metadata": shown, **times}


def _is_shown(record: Mapping[str, Any], asked: Mapping[str, str]) -> bool:
    """What is on demand is found only by those who ask for it."""
    return asked.get("ondemand") == "true" or record.get("availability") != "ondemand"


def _values(record: Mapping[str, Any], field: str) -> list[Any]:
    """What a field of the index holds."""
    value: Any = record
    for part in field.split("."):
        value = value.get(part, {}) if isinstance(value, dict) else {}
    return value if isinstance(value, list) else [value]
