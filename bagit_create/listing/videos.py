"""CDS Videos: its search, which sorts by the date of the video and not of its record.

Facts: CERNDocumentServer/cds-videos, ``cds/config.py``; invenio-records-rest and invenio-indexer
(``_created``, ``_updated`` of the index).
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from ..client import Client
from ..config import Instance
from ..pipelines.base import plain_text
from . import windows
from .base import Listed, Selection, Tally, refuse
from .inveniordm import RecordSearch


class Videos:
    """A server that runs CDS Videos."""

    def __init__(self, instance: Instance, client: Client) -> None:
        self._instance = instance
        self._client = client

    def records(self, selection: Selection, tally: Tally) -> Iterator[Listed]:
        """By search; see :meth:`Lister.records`."""
        faults = []
        if selection.via == "oai":
            faults.append(f"--via oai does not go with source {self._instance.name}.")
        refuse(selection, ("query", "since", "until", "via"), self._instance.name, *faults)
        search = VideoSearch(self._instance, self._client, selection, (100, 25, 10))
        yield from windows.halve(search, tally)


class VideoSearch(RecordSearch):
    """Its search: the older interface of Invenio 3."""

    created = "_created"
    updated = "_updated"

    def _path(self, selection: Selection) -> str:
        return "/api/records/"

    def _parameters(self, selection: Selection) -> dict[str, str]:
        return {"sort": "oldest"}

    def _title(self, title: Any) -> str:
        return plain_text(title.get("title") if isinstance(title, dict) else title)
