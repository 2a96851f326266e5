"""What InvenioRDM and Zenodo list: their search, a community's records, and OAI-PMH."""

from __future__ import annotations

from collections.abc import Mapping
from operator import attrgetter
from urllib.parse import parse_qs, urlencode

from .crowd import One, milliseconds, stamp
from .oai import Interface
from .searches import Malformed, Searches, doi_in
from .server import Reply, json_reply
from .shapes import Record, Shapes


def request_path(community: str) -> str:
    """The path of a search."""
    return f"/api/communities/{community}/records" if community else "/api/records"


class Findable(Shapes):
    """A server's records, and the ways to find them."""

    def __init__(self, is_zenodo: bool) -> None:
        super().__init__(is_zenodo)
        self.records: dict[str, Record] = {}
        self.parents: dict[str, str] = {}
        self.most = 1000
        """Hits of a page at most, where it is not Zenodo."""
        self.searches = Searches()
        host = "zenodo.org" if is_zenodo else "repository.example"
        life = 120 if is_zenodo else 60
        self.interface = Interface(f"oai:{host}:", 50 if is_zenodo else 10, life, 422)

    def search(
        self, may: bool, query: str, headers: Mapping[str, str], community: str = ""
    ) -> Reply:
        """``/api/records?q=``, of a community or of all: within the window of 10,000."""
        asked = {name: values[-1] for name, values in parse_qs(query, True).items()}
        seen = self._seen(may, community, asked.get("allversions") == "true")
        if doi := doi_in(asked.get("q", "")):
            name = self._concept if doi[0] else attrgetter("doi")
            seen = {recid: one for recid, one in seen.items() if name(one) == doi[1]}
        if community and not self._has_community(community):
            return refused(404, "The persistent identifier does not exist.")
        most = 25 if self.is_zenodo and not may else 100 if self.is_zenodo else self.most
        stored = [
            One(one.recid, milliseconds(one.created), milliseconds(one.updated), one.title)
            for one in seen.values()
        ]
        try:
            found = self.searches.find(stored, asked, most, community)
        except Malformed as err:
            return refused(400, str(err))
        make = self._old_shape if self.is_zenodo else self._shape
        hits = [make(seen.get(one.recid) or self._made(one), may) for one in found.hits]
        address = f"{self.base}{request_path(community)}?"
        number = int(asked.get("page", "1"))
        links = {"self": address + urlencode({**asked, "page": number})}
        if found.has_next:
            links["next"] = address + urlencode({**asked, "page": number + 1})
        body = {"hits": hits, "total": self.searches.total(found.total)}
        return json_reply(200, {"hits": body, "aggregations": {}, "links": links})

    def _seen(self, may: bool, community: str, every_version: bool) -> dict[str, Record]:
        """What a search may find of what is stored; of all versions the newest, if not all."""
        unseen = {"deleted", "hidden", "draft"} | (set() if may else {"closed"})
        return {
            one.recid: one
            for one in self.records.values()
            if one.state not in unseen
            and community in ("", one.community)
            and (every_version or self.parents.get(one.parent, one.recid) == one.recid)
        }

    def _has_community(self, community: str) -> bool:
        crowd = self.searches.crowd
        known = {one.community for one in self.records.values()}
        return community in known or (crowd is not None and crowd.community == community)

    @staticmethod
    def _made(one: One) -> Record:
        """A record of the crowd."""
        created, updated = stamp(one.created), stamp(one.updated)
        return Record(one.recid, title=one.title, created=created, updated=updated)

    def oai(self, may: bool, query: str, headers: Mapping[str, str]) -> Reply:
        """OAI-PMH answers errors with 422."""
        prefix = "user-" if self.is_zenodo else "community-"
        stored = [
            One(
                one.recid,
                milliseconds(one.created),
                milliseconds(one.updated),
                one.title,
                (prefix + one.community,) if one.community else (),
            )
            for one in self._seen(False, "", False).values()
        ]
        crowd = self.searches.crowd or ()
        many = (one._replace(sets=tuple(prefix + name for name in one.sets)) for one in crowd)
        return self.interface.answer(query, [*stored, *many], self.base)


def refused(status: int, message: str) -> Reply:
    """The answer to what cannot be had."""
    return json_reply(status, {"status": status, "message": message})
