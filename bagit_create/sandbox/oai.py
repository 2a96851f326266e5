"""OAI-PMH 2.0, as Invenio v1 and invenio-oaiserver speak it.

The former lists by record id, answers errors with 200 and has deleted records; the latter lists in
no order of time, answers errors with 422 and tells no deletions.
"""

from __future__ import annotations

import time
from base64 import urlsafe_b64decode, urlsafe_b64encode
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import parse_qs, urlencode
from xml.sax.saxutils import escape, quoteattr

from .content import Content
from .crowd import One, milliseconds, stamp
from .server import Reply

HEAD = '<?xml version="1.0" encoding="UTF-8"?>\n'
ROOT = '<OAI-PMH xmlns="http://www.openarchives.org/OAI/2.0/">'
VERBS = ("Identify", "ListIdentifiers", "ListRecords", "ListSets", "GetRecord")
NOW = "2026-09-01T00:00:00Z"


@dataclass
class Interface:
    """One server's interface.

    :param prefix: what identifiers begin with.
    :param page: records of a page.
    :param life_s: seconds that a token lives.
    :param error_status: the status of errors.

    ``order`` is ``"id"``, ``"time"`` (by datestamp) or ``"none"``. ``form`` is the granularity,
    ``"second"`` or ``"day"``. ``expires`` are the numbers of requests with a token, from 1, that
    are refused as expired. ``counts`` is false where no list tells its size. ``circle`` is how
    many pages come again and again after the first; 0 for none. ``before_each`` is called with the
    number of each list, from 1.
    """

    prefix: str
    page: int
    life_s: int
    error_status: int
    order: str = "none"
    form: str = "second"
    expires: set[int] = field(default_factory=set)
    counts: bool = True
    circle: int = 0
    stylesheet: str = ""
    before_each: Callable[[int], None] | None = None
    lists: int = 0
    continued: int = 0

    def answer(self, query: str, records: list[One], base: str) -> Reply:
        """Answer a request; records are told by the time of their last change."""
        asked = {key: values[0] for key, values in parse_qs(query).items()}
        verb = asked.pop("verb", "")
        if verb not in VERBS:
            return self._error("badVerb", "Illegal OAI verb")
        if verb == "Identify":
            earliest = min((one.updated for one in records), default=0)
            granularity = "YYYY-MM-DD" if self.form == "day" else "YYYY-MM-DDThh:mm:ssZ"
            return self._reply(
                f"<Identify><repositoryName>Sandbox</repositoryName><baseURL>{base}/oai2d</baseURL>"
                f"<earliestDatestamp>{stamp(earliest, self.form)}</earliestDatestamp>"
                f"<granularity>{granularity}</granularity></Identify>"
            )
        if verb == "ListSets":
            names = sorted({name for one in records for name in one.sets if name})
            sets = "".join(f"<set><setSpec>{escape(one)}</setSpec></set>" for one in names)
            return self._reply(f"<ListSets>{sets}</ListSets>")
        if verb != "ListIdentifiers":
            return self._error("cannotDisseminateFormat", "the sandbox lists identifiers only")
        return self._list(asked, records)

    def _list(self, asked: dict[str, str], records: list[One]) -> Reply:
        self.lists += 1
        if self.before_each is not None:
            self.before_each(self.lists)
        cursor = 0
        if "resumptionToken" in asked:
            if set(asked) != {"resumptionToken"}:
                return self._error("badArgument", "resumptionToken is an exclusive argument")
            self.continued += 1
            try:
                asked = _opened(asked["resumptionToken"])
            except ValueError:
                return self._error("badResumptionToken", "no such token")
            if self.continued in self.expires or float(asked["before"]) < time.time():
                return self._error("badResumptionToken", "the token has expired")
            cursor = int(asked["cursor"])
        elif "metadataPrefix" not in asked:
            return self._error("badArgument", "metadataPrefix is missing")
        try:
            found = self._chosen(asked, records)
        except ValueError:
            return self._error("badArgument", "a date is not of the granularity")
        spec = asked.get("set", "")
        if spec and not any(spec in one.sets for one in records):
            return self._error("badArgument", f"there is no set {spec}")
        if not found:
            return self._error("noRecordsMatch", "nothing matches")
        part = found[cursor : cursor + self.page]
        text = "".join(map(self._header, part)) + self._token(asked, cursor, len(found))
        return self._reply(f"<ListIdentifiers>{text}</ListIdentifiers>")

    def _chosen(self, asked: dict[str, str], records: list[One]) -> list[One]:
        length = 10 if self.form == "day" else 20
        times = [asked[name] for name in ("from", "until") if name in asked]
        if any(len(one) != length for one in times):
            raise ValueError("granularity")
        for one in times:
            milliseconds(one)
        first, last = asked.get("from", ""), asked.get("until", "9999")
        found = [
            one
            for one in records
            if first <= stamp(one.updated, self.form) <= last
            and asked.get("set", "") in ("", *one.sets)
        ]
        keys: dict[str, Callable[[One], Any]] = {
            "id": lambda one: (len(one.recid), one.recid),
            "time": lambda one: one.updated,
            "none": lambda one: one.recid[::-1],
        }
        return sorted(found, key=keys[self.order])

    def _header(self, one: One) -> str:
        status = ' status="deleted"' if one.deleted else ""
        sets = "".join(f"<setSpec>{escape(name)}</setSpec>" for name in one.sets)
        return (
            f"<header{status}><identifier>{escape(self.prefix + one.recid)}</identifier>"
            f"<datestamp>{stamp(one.updated, self.form)}</datestamp>{sets}</header>"
        )

    def _token(self, asked: dict[str, str], cursor: int, size: int) -> str:
        if not cursor and size <= self.page:
            return ""
        following = cursor + self.page
        if cursor and cursor == self.circle * self.page:
            following = self.page
        attributes = f' cursor="{cursor}"'
        if self.counts:
            attributes += f' completeListSize="{size}"'
        text = ""
        if following < size:
            kept = {**asked, "cursor": str(following), "before": str(time.time() + self.life_s)}
            text = urlsafe_b64encode(urlencode(kept).encode()).decode()
        return f"<resumptionToken{attributes}>{text}</resumptionToken>"

    def _error(self, code: str, text: str) -> Reply:
        return self._reply(f"<error code={quoteattr(code)}>{text}</error>", self.error_status)

    def _reply(self, inner: str, status: int = 200) -> Reply:
        date = f"<responseDate>{NOW}</responseDate>"
        text = f"{HEAD}{self.stylesheet}{ROOT}{date}{inner}</OAI-PMH>\n"
        return Reply(status, {"Content-Type": "text/xml"}, Content(text.encode("utf-8")))


def _opened(token: str) -> dict[str, str]:
    text = urlsafe_b64decode(token.encode()).decode()
    found = {key: values[0] for key, values in parse_qs(text).items()}
    if not {"cursor", "before"} <= set(found):
        raise ValueError(token)
    return found
