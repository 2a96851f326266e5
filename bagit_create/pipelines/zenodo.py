"""Zenodo: InvenioRDM with a record of its own, older shape.

Facts: developers.zenodo.org, and the serializers of zenodo/zenodo-rdm. The record's own ``files``
is a list whose ``links.self`` is the content, empty when the files are restricted; in older
answers it is missing, or (October 2023) speaks of ``filename`` and ``filesize``. The list beside
the record (``…/files``) has InvenioRDM's shape and comes first; the record's own serves where a
server has no such list.
"""

from __future__ import annotations

from typing import Any

from .. import log
from ..errors import AccessDenied, RecordNotFound, UpstreamError
from ..model import Description, Document
from .base import expect, plain_text, reading
from .inveniordm import InvenioRDM
from .sameness import all_have


class Zenodo(InvenioRDM):
    """zenodo.org and its sandbox."""

    _doi_field = "doi"

    def _status(self, body: dict[str, Any]) -> str:
        return str(body["metadata"]["access_right"])

    def _counted(self, body: dict[str, Any]) -> int | None:
        listed = body.get("files")
        return len(listed) if isinstance(listed, list) else None

    def _named(self, body: dict[str, Any]) -> set[str]:
        return {
            one["key"] for one in body.get("files") or () if isinstance(one, dict) and "key" in one
        }

    def _tells_all(self, body: dict[str, Any]) -> bool:
        """As of InvenioRDM; an empty list of a record that is not open may only be hidden."""
        if not (body.get("revision") is not None and body["updated"]):
            return False
        listed = body.get("files")
        if not isinstance(listed, list) or not all_have(listed, "checksum"):
            return False
        return bool(listed) or self._status(body) == "open"

    def _embargo(self, body: dict[str, Any]) -> str:
        return str(body["metadata"].get("embargo_date") or "")

    def _describe(self, body: dict[str, Any]) -> Description:
        metadata = expect(body["metadata"], dict, "metadata")
        doi = metadata.get("doi") or body.get("doi")
        links = body.get("links") or {}
        page = plain_text(links.get("self_html") or links.get("html"))
        licence = metadata.get("license")
        kind = metadata.get("resource_type") or {}
        return Description(
            title=plain_text(metadata.get("title") or body.get("title")),
            creators=tuple(plain_text(c.get("name")) for c in metadata.get("creators") or ()),
            date=plain_text(metadata.get("publication_date")),
            description=plain_text(metadata.get("description")),
            publisher="Zenodo",
            identifiers=tuple(t for t in (f"https://doi.org/{doi}" if doi else "", page) if t),
            rights=(plain_text(licence["id"]),) if isinstance(licence, dict) else (),
            types=tuple(t for t in (plain_text(kind.get("title")),) if t),
            languages=tuple(t for t in (plain_text(metadata.get("language")),) if t),
            subjects=tuple(plain_text(word) for word in metadata.get("keywords") or ()),
        )

    def _listing(
        self, url: str, body: dict[str, Any], status: str
    ) -> tuple[Any, tuple[Document, ...]]:
        try:
            return super()._listing(url, body, status)
        except RecordNotFound as err:
            listed = body.get("files")
            if not listed and status != "open":
                raise AccessDenied(
                    f"The record names no files. Record status: {status}.",
                    where=url,
                    hint=self._client.access_hint(),
                ) from err
            if not isinstance(listed, list):
                raise UpstreamError(
                    "The record is open, but upstream lists its files nowhere.", where=url
                ) from err
            log.warning("the list of files is missing upstream; the one inside the record is used")
            with reading("file list", url):
                return {"enabled": True, "entries": [_as_rdm(item) for item in listed]}, ()


def _as_rdm(item: dict[str, Any]) -> dict[str, Any]:
    """An item of the record's own list in InvenioRDM's terms, whatever its age."""
    links = item["links"]
    url = links.get("download") or links.get("content") or links["self"]
    if "/api/records/" in url and not url.endswith("/content"):
        url += "/content"  # in October 2023 `self` was the entry, not its bytes
    return {
        "key": item["key"] if "key" in item else item["filename"],
        "size": item["size"] if "size" in item else item["filesize"],
        "checksum": item.get("checksum"),
        "links": {"content": url},
    }
