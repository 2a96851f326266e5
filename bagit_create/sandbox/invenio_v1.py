"""Invenio v1, as the old CERN Document Server and ILCDoc answer.

Routes, statuses and texts follow inveniosoftware/invenio (maint-1.2). The records:

    1001  every awkward 856: blanks, escapes, line breaks, icons, PDF/A, links, a size in words, a
          file without bytes, a digitised item, a path on EOS
    1002  plain: a PDF and a compressed file, no checksum in MARC
    1003  no files          1302  merged into 1001          1303  the same, told by its own page
    1403  restricted: the cookie ``good`` opens it; its file is at /record/1403/files/closed.pdf
    1404  signed in or not, a page that says no              1410  deleted       1411  merged, 410
    1600  moved to another site                              1700  a wall against robots; OAI works
    1800  three records in one answer, this one second       1900  public, with a restricted file
    1999  digitised films: masters on disks, derived copies in the object store
    2001  a document type with entities                      2002  cut in the middle
    other numbers: 200 and an empty collection
"""

from __future__ import annotations

import base64
import re
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import parse_qs, quote, unquote
from xml.sax.saxutils import escape, quoteattr

from .content import Content
from .search_v1 import Finder
from .server import Reply, Seen, page
from .storage import Storage

HEAD = '<?xml version="1.0" encoding="UTF-8"?>\n'
SLIM = '<collection xmlns="http://www.loc.gov/MARC21/slim">\n'
LOGIN = "Please sign in: <form action='/youraccount/login'><input type='password'></form>"
Marc = tuple[str, list[tuple[str, str]]]
"""A datafield: tag and indicators as in ``8564_``, and its subfields."""


@dataclass
class Held:
    """A record: its further fields, its files by (name, subformat), and who may read them.

    ``changed`` is controlfield 005, local time; empty for none.
    """

    recid: str
    title: str = "Invented record"
    fields: list[Marc] = field(default_factory=list)
    files: dict[tuple[str, str], Content] = field(default_factory=dict)
    closed_files: tuple[str, ...] = ()
    changed: str = "20240229083015.0"


class InvenioV1:
    """One server. ``base`` and ``storage_url`` are set once the ports are known."""

    methods: frozenset[str] = frozenset()

    def __init__(self, storage: Storage) -> None:
        self.base = self.storage_url = ""
        self.storage = storage
        self.records: dict[str, Held] = {}
        self.busy_oai = 1
        """How many requests OAI-PMH puts off before it answers."""
        self.finder = Finder()

    def __call__(self, request: Seen) -> Reply:
        """Answer a request."""
        path, _, query = request.path.partition("?")
        asked = {key: values[0] for key, values in parse_qs(query).items()}
        may = "INVENIOSESSION=good" in request.headers.get("cookie", "")
        if match := re.fullmatch(r"/record/(\d+)", path):
            return self._record(match[1], asked, may)
        if match := re.fullmatch(r"/record/(\d+)/files/([^/]+)", path):
            return self._file(match[1], unquote(match[2]), asked, may)
        if path == "/youraccount/login":
            return page(200, LOGIN)
        if path == "/oai2d":
            return self._oai(asked, query)
        if path == "/search":
            stored = [(one.recid, one.title) for one in self._public()]
            return self.finder.search(asked, stored)
        return page(404, "Not found")

    # -- records --------------------------------------------------------------------------------

    def _record(self, recid: str, asked: dict[str, str], may: bool) -> Reply:
        special = getattr(self, f"_record_{recid}", None)
        if asked.get("of") != "xm" and (recid != "1403" or may):
            return page(200, f"Record {recid}")
        if special is not None:
            made: Reply = special(may)
            return made
        found = [self.records[recid]] if recid in self.records else []
        return _xml(200, HEAD + SLIM + "".join(map(self._marc, found)) + "\n</collection>")

    def _marc(self, one: Held) -> str:
        rows: list[Marc] = [
            ("0248_", [("a", f"oai:cds.cern.ch:{one.recid}"), ("p", "cerncds:FULLTEXT")]),
            ("100__", [("a", "Example, Ada")]),
            ("245__", [("a", one.title)]),
            ("260__", [("c", "2024")]),
            ("8560_", [("f", "ada@example.org")]),
            *one.fields,
            ("980__", [("a", "THESIS")]),
        ]
        return (
            _marcxml(one.recid, rows, one.changed)
            .replace("@BASE@", self.base)
            .replace("@STORE@", self.storage_url)
        )

    def _record_1302(self, may: bool) -> Reply:
        return Reply(302, {"Location": f"{self.base}/record/1001?ln=en"})

    def _record_1303(self, may: bool) -> Reply:
        rows = [("980__", [("c", "DELETED")]), ("970__", [("d", "1002")])]
        return _xml(200, HEAD + SLIM + _marcxml("1303", rows) + "</collection>")

    def _record_1403(self, may: bool) -> Reply:
        if may:
            return _xml(200, HEAD + SLIM + self._marc(self.records["1403"]) + "</collection>")
        return self._login("1403")

    def _record_1404(self, may: bool) -> Reply:
        return page(200, "You are not authorized to view this record.")

    def _record_1410(self, may: bool) -> Reply:
        rows = [("980  ", [("c", "DELETED")])]
        return _xml(410, HEAD + SLIM + _marcxml("1410", rows) + "</collection>")

    def _record_1411(self, may: bool) -> Reply:
        rows = [("980  ", [("c", "DELETED")]), ("970__", [("d", "1001")])]
        return _xml(410, HEAD + SLIM + _marcxml("1411", rows) + "</collection>")

    def _record_1600(self, may: bool) -> Reply:
        return Reply(302, {"Location": f"{self.storage_url}/legacy/record/1600"})

    def _record_1700(self, may: bool) -> Reply:
        text = "<title>Making sure you&#39;re not a bot!</title><script id='anubis_challenge'>"
        return page(200, text)

    def _record_1800(self, may: bool) -> Reply:
        others = [_marcxml(n, [("245__", [("a", "Another")])]) for n in ("1799", "1801")]
        own = self._marc(self.records["1800"])
        return _xml(200, HEAD + SLIM + others[0] + own + others[1] + "</collection>")

    def _record_2001(self, may: bool) -> Reply:
        bomb = '<!DOCTYPE collection [<!ENTITY a "ha"><!ENTITY b "&a;&a;&a;&a;&a;&a;&a;&a;">]>\n'
        rows = [("245__", [("a", "@B@")])]
        text = HEAD + bomb + SLIM + _marcxml("2001", rows).replace("@B@", "&b;") + "</collection>"
        return _xml(200, text)

    def _record_2002(self, may: bool) -> Reply:
        whole = HEAD + SLIM + _marcxml("2002", [("245__", [("a", "Cut")])])
        return _xml(200, whole[:-40])

    def _public(self) -> list[Held]:
        """The records that anybody may find."""
        return [one for one in self.records.values() if one.recid != "1403"]

    def _oai(self, asked: dict[str, str], query: str) -> Reply:
        identifier = asked.get("identifier", "")
        is_free = "resumptionToken" in asked or asked.get("verb") == "Identify"
        if self.busy_oai and not is_free:
            self.busy_oai -= 1
            reply = page(503, "Retry after 1 seconds")
            reply.headers["Retry-After"] = "1"
            return reply
        if asked.get("verb") != "GetRecord":
            return self.finder.oai(query, [one.recid for one in self._public()], self.base)
        recid = identifier.rpartition(":")[2]
        inner = '<error code="idDoesNotExist">nothing of that name</error>'
        if recid in self.records:
            marc = re.sub(r"<(/?)(?=\w)", r"<\1marc:", self._marc(self.records[recid]))
            marc = marc.replace(
                "<marc:record>", '<marc:record xmlns:marc="http://www.loc.gov/MARC21/slim">', 1
            )
            inner = (
                f"<GetRecord><record><header><identifier>{identifier}</identifier></header>"
                f"<metadata>{marc}</metadata></record></GetRecord>"
            )
        root = '<OAI-PMH xmlns="http://www.openarchives.org/OAI/2.0/">'
        style = '<?xml-stylesheet type="text/xsl" href="/css/oai2.xsl.v1.0" ?>\n'
        return _xml(200, f"{HEAD}{style}{root}{inner}</OAI-PMH>")

    # -- files ----------------------------------------------------------------------------------

    def _login(self, recid: str) -> Reply:
        to = f"{self.base}/youraccount/login?action=1&referer=/record/{recid}"
        return Reply(302, {"Location": to, "Set-Cookie": "INVENIOSESSION=guest; path=/"})

    def _file(self, recid: str, name: str, asked: dict[str, str], may: bool) -> Reply:
        one = self.records.get(recid)
        if one is None:
            return page(200, "Requested record does not exist")
        if name in one.closed_files and not may:
            return self._login(recid)
        content = one.files.get((name, asked.get("subformat", "") + asked.get("version", "")))
        if content is None or not content.size:
            return page(404, "Not found")
        md5 = base64.b64encode(bytes.fromhex(content.digest("md5"))).decode()
        headers = {
            "Content-Type": "application/pdf" if name.endswith(".pdf") else "text/plain",
            "Content-MD5": md5,
            "ETag": f'"{recid}.{quote(name)}1"',
            "Accept-Ranges": "none",
            "Content-Disposition": f'inline; filename="{quote(name)}"',
        }
        for suffix, coding in ((".gz", "gzip"), (".tgz", "gzip"), (".bz2", "bzip2")):
            if name.endswith(suffix):
                headers["Content-Encoding"] = coding
        return Reply(200, headers, content)


def _xml(status: int, text: str) -> Reply:
    return Reply(status, {"Content-Type": "text/xml"}, Content(text.encode("utf-8")))


def _marcxml(recid: str, rows: list[Marc], changed: str = "") -> str:
    lines = ["<record>", f'  <controlfield tag="001">{recid}</controlfield>']
    if changed:
        lines.append(f'  <controlfield tag="005">{changed}</controlfield>')
    for place, subfields in rows:
        kind = f'ind1="{place[3]}" ind2="{place[4]}"'.replace("_", " ")
        lines.append(f'  <datafield tag="{place[:3]}" {kind}>')
        for code, text in subfields:
            lines.append(f"    <subfield code={quoteattr(code)}>{escape(text)}</subfield>")
        lines.append("  </datafield>")
    return "\n".join([*lines, "</record>\n"])


def invenio_v1(storage: Storage) -> InvenioV1:
    """A server of Invenio v1, with its records."""
    from .marc_records import populate

    app = InvenioV1(storage)
    populate(app)
    return app


def put(app: Any, one: Held) -> None:
    """Put a record in place."""
    app.records[one.recid] = one
