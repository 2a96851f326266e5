"""dc.xml: the record in Dublin Core, from which CERN's platform reads the title.

It looks for ``collection/dc:dc/dc:title`` in the namespace of the Dublin Core elements 1.1.
"""

from __future__ import annotations

import re
import xml.etree.ElementTree as ElementTree

from ..model import Record
from .fetchtxt import public

ELEMENTS = "http://purl.org/dc/elements/1.1/"
# All that XML 1.0 (section 2.2) cannot hold, lone surrogates among it.
_ILLEGAL = re.compile("[^\t\n\r\u0020-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")


def document(record: Record) -> bytes:
    """The document, UTF-8. It always has a title."""
    told = record.description
    url = public(record.metadata_url or "")
    ElementTree.register_namespace("dc", ELEMENTS)
    root = ElementTree.Element("collection")
    dc = ElementTree.SubElement(root, f"{{{ELEMENTS}}}dc")
    fields = (
        ("title", (told.title if _legal(told.title) else f"{record.source} {record.recid}",)),
        ("creator", told.creators),
        ("subject", told.subjects),
        ("description", (told.description,)),
        ("publisher", (told.publisher,)),
        ("date", (told.date,)),
        ("type", told.types),
        ("identifier", tuple(dict.fromkeys((*told.identifiers, url)))),
        ("language", told.languages),
        ("rights", told.rights),
    )
    for name, values in fields:
        for value in values:
            if text := _legal(value):
                ElementTree.SubElement(dc, f"{{{ELEMENTS}}}{name}").text = text
    ElementTree.indent(root)
    made: bytes = ElementTree.tostring(root, encoding="utf-8", xml_declaration=True)
    return made + b"\n"


def _legal(text: str) -> str:
    """The text as XML can hold it; nothing if only blanks are left."""
    return _ILLEGAL.sub("", text).strip()
