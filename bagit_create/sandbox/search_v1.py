"""What Invenio v1 lists: its search, in ids or XML, and OAI-PMH with deleted records.

After ``search_engine.py``: a page has 200 records at most, the default is 10, the newest come
first, and what is asked for beyond the end is the last page again.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

from .content import Content
from .crowd import Crowd, One, milliseconds
from .oai import Interface
from .server import Reply, page

MOST = 200
STORED_AT = milliseconds("2024-02-29T07:30:15+00:00")
SET = "cerncds:FULLTEXT"
COLLECTION = "THESIS"
STYLE = '<?xml-stylesheet type="text/xsl" href="/css/oai2.xsl.v1.0" ?>\n'


def _interface() -> Interface:
    day_and_hour = 25 * 3600
    return Interface("oai:cds.cern.ch:", 500, day_and_hour, 200, order="id", stylesheet=STYLE)


@dataclass
class Finder:
    """The search and the sets of one server.

    ``counts_from`` is what ``jrec`` counts from where ids are asked for: 0 in newer versions, 1
    where pages of ids are as those of XML, None where all ids come at once whatever is asked, and
    -1 where they are counted from 1 and 0 is not looked for, so that nothing is found there.
    ``tells_total`` is false where XML has no comment with the number of hits. ``before_each`` is
    called with the number of each search, from 1.
    """

    crowd: Crowd | None = None
    counts_from: int | None = 0
    tells_total: bool = True
    deleted: list[str] = field(default_factory=lambda: ["1410"])
    interface: Interface = field(default_factory=_interface)
    before_each: Callable[[int], None] | None = None
    asked: int = 0

    def oai(self, query: str, stored: list[str], base: str) -> Reply:
        """``/oai2d`` for all verbs that list."""
        every = [One(recid, STORED_AT, STORED_AT, "", (SET,)) for recid in stored]
        every += [One(one, STORED_AT, STORED_AT, "", (SET,), True) for one in self.deleted]
        return self.interface.answer(query, [*every, *(self.crowd or ())], base)

    def search(self, asked: dict[str, str], stored: list[tuple[str, str]]) -> Reply:
        """``/search``.

        :param stored: ids and titles of the records that a guest may find.
        """
        self.asked += 1
        if self.before_each is not None:
            self.before_each(self.asked)
        found = self._found(asked.get("p", ""), asked.get("cc", ""), stored)
        most = min(int(asked.get("rg", "10")), MOST)
        if asked.get("of") == "id":
            ids = self._ids(found, int(asked.get("jrec", "1")), most)
            return Reply(200, {"Content-Type": "text/plain"}, Content(str(ids).encode()))
        if asked.get("of") != "xm":
            return page(200, f"{len(found)} records found")
        part = _counted_from_1(found, int(asked.get("jrec", "1")), most)
        comment = f"<!-- Search-Engine-Total-Number-Of-Results: {len(found)} -->\n"
        records = "".join(
            f'<record><controlfield tag="001">{one}</controlfield></record>\n' for one in part
        )
        text = (
            '<?xml version="1.0" encoding="UTF-8"?>\n'
            + (comment if self.tells_total else "")
            + f'<collection xmlns="http://www.loc.gov/MARC21/slim">\n{records}</collection>'
        )
        return Reply(200, {"Content-Type": "text/xml"}, Content(text.encode()))

    def _found(self, words: str, collection: str, stored: list[tuple[str, str]]) -> list[int]:
        found = [
            int(recid)
            for recid, title in stored
            if collection in ("", COLLECTION) and words.casefold() in title.casefold()
        ]
        crowd = self.crowd
        if crowd is not None and collection in ("", crowd.community):
            if words.casefold() in crowd.title.casefold():
                found += [int(one.recid) for one in crowd]
        return sorted(found, reverse=True)

    def _ids(self, found: list[int], start: int, most: int) -> list[int]:
        if self.counts_from is None:
            return found
        if self.counts_from == -1:
            return found[start - 1 : start - 1 + most] if start else []
        if self.counts_from == 0:
            return found[start : start + most]
        return _counted_from_1(found, start, most)


def _counted_from_1(found: list[int], start: int, most: int) -> list[int]:
    start = max(1, start)
    if start > len(found):
        start = max(1, len(found) - most + 1)
    return found[start - 1 : start - 1 + most]
