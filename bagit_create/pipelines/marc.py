"""MARCXML as Invenio v1 writes it: the record asked for, its fields, and what its 856 fields mean.

Facts: MARC 21 Format for Bibliographic Data, field 856; inveniosoftware/invenio (maint-1.2),
``search_engine.py`` and ``bibdocfile.py``. A link in 856 is not a file, and a file's address may
hold raw blanks, line breaks around it, and a query that names a derived copy.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import parse_qs, unquote, urlsplit

from lxml import etree

from .. import checksums
from ..errors import UpstreamError
from ..model import Checksum, Description
from .base import plain_text

_SUM = re.compile(r"\((?:[^():]*:)?([A-Za-z0-9-]+)\)(.*);\s*([0-9a-fA-F]+)\s*$", re.DOTALL)
_STORES = ("mediaarchive.cern.ch", "lecturemedia.cern.ch")


@dataclass(frozen=True)
class Field:
    """A datafield: its subfields in order, as (code, text stripped of white space around it)."""

    tag: str
    indicators: str
    subfields: tuple[tuple[str, str], ...]

    def all(self, code: str) -> tuple[str, ...]:
        """Every subfield with this code that is not empty."""
        return tuple(text for name, text in self.subfields if name == code and text)

    def first(self, code: str) -> str:
        """The first such subfield, or ``""``."""
        return next(iter(self.all(code)), "")


@dataclass(frozen=True)
class MarcRecord:
    """One record: its id (controlfield 001), its time of change (005), and its datafields."""

    recid: str
    fields: tuple[Field, ...]
    changed: str = ""

    def all(self, tag: str) -> tuple[Field, ...]:
        """The fields with this tag, in order."""
        return tuple(one for one in self.fields if one.tag == tag)

    def texts(self, tag: str, code: str) -> tuple[str, ...]:
        """All values of a subfield, as plain text."""
        return tuple(plain_text(text) for one in self.all(tag) for text in one.all(code))


def records(content: bytes, where: str) -> tuple[MarcRecord, ...]:
    """All records of an answer: of a ``collection``, or of OAI-PMH.

    Nothing outside the document is ever loaded and no entity is expanded: a document with a DTD is
    refused, since Invenio writes none.

    :raises UpstreamError: if it is not XML, or holds neither.
    """
    return tuple(_record(one) for one in _elements(content, where))


def canonical(content: bytes) -> tuple[bytes, tuple[MarcRecord, ...]]:
    """All records of an answer in one spelling (W3C Canonical XML), and as :func:`records`."""
    found = _elements(content, "the metadata")
    spelt = b"\n".join(
        etree.tostring(one, method="c14n", with_comments=False, with_tail=False) for one in found
    )
    return spelt, tuple(map(_record, found))


def _elements(content: bytes, where: str) -> list[Any]:
    parser = etree.XMLParser(
        resolve_entities=False, no_network=True, load_dtd=False, huge_tree=False, remove_pis=True
    )
    try:
        root: Any = etree.fromstring(content, parser)
        doctype = root.getroottree().docinfo.doctype
    except (etree.XMLSyntaxError, ValueError) as err:
        raise UpstreamError(
            "The metadata is not well-formed XML.",
            where=f"{where} ({err})",
            hint="the service may have changed; please report it",
        ) from err
    if doctype or _name(root) not in ("collection", "OAI-PMH"):
        raise UpstreamError(
            "The metadata is not in the form that is known: it is no MARCXML collection.",
            where=f"{where} ({'DOCTYPE' if doctype else _name(root)})",
            hint="the service may have changed; please report it",
        )
    found = []
    for element in root.iter():
        # OAI-PMH calls its own envelope "record" too; only the MARC one has fields.
        if _name(element) == "record" and any(_name(child) == "controlfield" for child in element):
            found.append(element)
    return found


def _name(element: Any) -> str:
    tag = element.tag
    return tag.rpartition("}")[2] if isinstance(tag, str) else ""


def _record(element: Any) -> MarcRecord:
    recid, changed, fields = "", "", []
    for child in element:
        kind, tag = _name(child), child.get("tag", "")
        if kind == "controlfield" and tag in ("001", "005"):
            text = (child.text or "").strip()
            recid, changed = (text, changed) if tag == "001" else (recid, text)
        elif kind == "datafield":
            subfields = tuple(
                (one.get("code", ""), "".join(one.itertext()).strip())
                for one in child
                if _name(one) == "subfield"
            )
            fields.append(Field(tag, child.get("ind1", " ") + child.get("ind2", " "), subfields))
    return MarcRecord(recid, tuple(fields), changed)


# -- field 856 ------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Located:
    """One place that an 856 field names.

    ``kind`` is ``"file"`` (of this record, on its own server), ``"stored"`` (a file in another
    store, by address), ``"path"`` (a path on a disk) or ``"link"`` (no file of the record).
    ``size`` is in bytes, None if the field does not say it in digits.
    """

    kind: str
    address: str
    name: str
    subformat: str
    size: int | None
    checksums: tuple[Checksum, ...]
    facts: Mapping[str, Any]


def located(record: MarcRecord, is_own: Any) -> Iterator[Located]:
    """What the 856 fields name, in order.

    :param is_own: tells of the host of an address whether it is the record's own server.
    """
    for one in record.all("856"):
        addresses = one.all("u") or one.all("d")
        for address in addresses:
            yield _locate(record, one, address, is_own)


def _locate(record: MarcRecord, one: Field, address: str, is_own: Any) -> Located:
    path, query, host = _taken_apart(address)
    subformat = query.get("subformat", [""])[0]
    last = re.split(r"[/\\]", path.rstrip("/\\"))[-1]
    name = unquote(last) if host else last
    facts: dict[str, Any] = {
        key: values if len(values) > 1 else values[0]
        for key, code in (
            ("document", "8"),
            ("label", "y"),
            ("comment", "z"),
            ("note", "x"),
            ("format", "q"),
            ("store", "2"),
        )
        if (values := list(one.all(code)))
    }
    if version := query.get("version", [""])[0]:
        facts["version"] = version
    digits = one.first("s")
    size = int(digits) if re.fullmatch(r"\d{1,18}", digits) else None
    if digits and size is None:
        facts["size_text"] = digits
    sums = _checksums(one, name, facts)
    own = re.fullmatch(r"/record/(\d+)/files/[^/]+", path)
    old = parse_qs(urlsplit(address).query) if path == "/getfile.py" else {}
    if is_own(host) and (own or old):
        number = own[1] if own else old.get("recid", [""])[0]
        if old:
            name = old.get("name", [""])[0] + old.get("format", [""])[0]
        kind = "file" if number == record.recid else "link"
    elif not host:
        kind = "path"
    else:
        stored = one.indicators.startswith("7") or any(map(one.first, "2qws"))
        kind = "stored" if stored or host in _STORES else "link"
    return Located(kind, address, name, subformat, size, sums, facts)


def _taken_apart(address: str) -> tuple[str, dict[str, list[str]], str]:
    """Path, query and host of an address; a path alone has no host."""
    if not re.match(r"https?://", address, re.IGNORECASE):
        return address, {}, ""
    try:
        parts = urlsplit(address)
        return parts.path, parse_qs(parts.query), parts.netloc.rpartition("@")[2].lower()
    except ValueError:  # "https://[x"
        return address, {}, "(unreadable)"


def _checksums(one: Field, name: str, facts: dict[str, Any]) -> tuple[Checksum, ...]:
    """``$w``, as ``(LABEL:MD5)NAME;HEX``; of another name it may be of another file's bytes."""
    found = []
    for text in one.all("w"):
        match = _SUM.match(text)
        if match and match[2].strip() == name:
            found.append(checksums.parse(f"{match[1]}:{match[3]}"))
        else:
            facts["checksum_text"] = text
    return tuple(found)


# -- what the record is ---------------------------------------------------------------------------


def state(record: MarcRecord) -> tuple[str, str]:
    """``"deleted"``, ``"merged"``, ``"migrated"`` or ``""``, and the id of the record merged into.

    Source: Invenio's ``search_engine.py`` (``record_exists``, ``get_merged_recid``).
    """
    collections = {*record.texts("980", "c"), *record.texts("980", "a")}
    merged = next(iter(record.texts("970", "d")), "")
    if {"DELETED", "DUMMY"} & collections:
        return ("merged" if merged else "deleted"), merged
    return ("migrated" if "MIGRATED" in collections else ""), ""


def describe(record: MarcRecord, page: str) -> Description:
    """The record in Dublin Core, after the Library of Congress's crosswalk from MARC."""
    title = " : ".join(
        text
        for one in record.all("245")[:1]
        for code in "ab"
        for text in map(plain_text, one.all(code))
    )
    dois = [
        f"https://doi.org/{one.first('a')}"
        for one in record.all("024")
        if one.first("2").upper() == "DOI" and one.first("a")
    ]
    dates = (*record.texts("260", "c"), *record.texts("269", "c"))
    return Description(
        title=title,
        creators=(
            *record.texts("100", "a"),
            *record.texts("700", "a"),
            *record.texts("110", "a"),
            *record.texts("710", "g"),
        ),
        date=next(iter(dates), ""),
        description=next(iter(record.texts("520", "a")), ""),
        publisher=next(iter(record.texts("260", "b")), ""),
        identifiers=(*dois, page, *record.texts("037", "a")),
        rights=(*record.texts("540", "a"), *record.texts("542", "d")),
        types=record.texts("980", "a"),
        languages=record.texts("041", "a"),
        subjects=(*record.texts("650", "a"), *record.texts("653", "a")),
    )
