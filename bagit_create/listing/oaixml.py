"""Answers of OAI-PMH 2.0, read as a stream: headers of records, tokens, errors.

Nothing outside the document is loaded, no entity is expanded, and no tree is built: a document
with a DTD is refused, since OAI-PMH has none.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, NamedTuple

from lxml import etree

from ..errors import UpstreamError

BLOCK = 64 * 1024


class Header(NamedTuple):
    """A record as a list names it (section 2.5 of the protocol)."""

    identifier: str
    datestamp: str
    deleted: bool


@dataclass
class Message:
    """What an answer says. ``size`` is ``completeListSize``, None if it is not told.

    ``facts`` are the texts of Identify by the names of their elements, ``responseDate`` among them.
    """

    headers: list[Header] = field(default_factory=list)
    token: str = ""
    size: int | None = None
    errors: list[tuple[str, str]] = field(default_factory=list)
    facts: dict[str, str] = field(default_factory=dict)


def read(content: bytes, where: str) -> Message:
    """Read an answer.

    :param where: the address it came from.
    :raises UpstreamError: if it is no well-formed XML, or of another kind.
    """
    reader: Any = _Reader()  # more precise about its texts than the library's own types are
    parser = etree.XMLParser(
        target=reader, resolve_entities=False, no_network=True, load_dtd=False, huge_tree=False
    )
    try:
        for start in range(0, len(content) or 1, BLOCK):
            parser.feed(content[start : start + BLOCK])
        parser.close()
    except _Strange as err:
        raise UpstreamError(
            "The list is not in the form that is known: it is no answer of OAI-PMH.",
            where=f"{where} ({err})",
            hint="the service may have changed; please report it",
        ) from err
    except (etree.XMLSyntaxError, ValueError) as err:
        raise UpstreamError(
            "The list is not well-formed XML.",
            where=f"{where} ({err})",
            hint="it may have broken off; run the same command again",
        ) from err
    message: Message = reader.message
    return message


class _Strange(Exception):
    """The document is of another kind."""


class _Reader:
    """Takes the parser's events. Text counts only where an element is known."""

    def __init__(self) -> None:
        self.message = Message()
        self._path: list[str] = []
        self._text: list[str] = []
        self._header: dict[str, str] = {}
        self._code = ""

    def doctype(self, name: str, public: str | None, system: str | None) -> None:
        """Refuse a DTD."""
        raise _Strange("DOCTYPE")

    def start(self, tag: str, attributes: Any) -> None:
        """An element begins."""
        name = tag.rpartition("}")[2]
        if not self._path and name != "OAI-PMH":
            raise _Strange(name[:100])
        self._path.append(name)
        self._text = []
        if name == "header":
            self._header = {"status": attributes.get("status", "")}
        elif name == "error":
            self._code = attributes.get("code", "")
        elif name == "resumptionToken":
            size = attributes.get("completeListSize", "")
            self.message.size = int(size) if size.isdecimal() and len(size) < 19 else None

    def data(self, text: str) -> None:
        """Text of the element that is open."""
        self._text.append(text)

    def end(self, tag: str) -> None:
        """An element ends; what it says is taken from where it belongs."""
        text = "".join(self._text).strip()
        self._text = []
        name = self._path.pop()
        parent = self._path[-1] if self._path else ""
        if parent == "header" and name in ("identifier", "datestamp"):
            self._header[name] = text
        elif name == "header":
            found = self._header
            deleted = found["status"] == "deleted"
            header = Header(found.get("identifier", ""), found.get("datestamp", ""), deleted)
            self.message.headers.append(header)
        elif name == "resumptionToken" and len(self._path) == 2:
            self.message.token = text
        elif name == "error" and len(self._path) == 1:
            self.message.errors.append((self._code, text))
        elif parent == "Identify" or name == "responseDate":
            self.message.facts[name] = text

    def close(self) -> None:
        """The document is whole."""
