"""sip.json of a bag that changes: entries are brought up to date, a step is added to the audit.

The document is read as a stream and written as one. Step 0 stays as it is: consumers read there
that the package was light.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

from ..validation.jsonstream import Stream

SIP_JSON = "data/meta/sip.json"
_encode = json.JSONEncoder(ensure_ascii=False, allow_nan=False).encode
Entry = dict[str, Any]


def head(path: Path) -> dict[str, Any]:
    """The document without its ``contentFiles``.

    :raises OSError, ValueError: if it cannot be read; a bag that validates has it whole.
    """
    with path.open("rb") as file:
        document, _ = Stream(file, dict).object("contentFiles", lambda _: None)
    if not isinstance(document, dict):
        raise ValueError("not an object")
    return document


def each_entry(path: Path, take: Callable[[Entry], None]) -> None:
    """Call ``take`` with every entry of ``contentFiles``, in order."""
    with path.open("rb") as file:
        Stream(file, dict).object("contentFiles", take)


def rewrite(
    source: Path, destination: Path, change: Callable[[Entry], Entry], step: dict[str, Any]
) -> None:
    """Write the document anew.

    :param change: gives for each entry the one to write.
    :param step: is added to the audit.
    """
    document = head(source)
    document["audit"] = [*document.get("audit", []), step]
    with destination.open("xb") as sink:

        def put(text: str) -> None:
            sink.write(text.encode("utf-8", "backslashreplace"))

        first = True

        def write(entry: Entry) -> None:
            nonlocal first
            put(("" if first else ",\n") + _encode(change(entry)))
            first = False

        opening = "{"
        for key, value in document.items():
            if key == "contentFiles":
                put(f'{opening}"contentFiles": [\n')
                each_entry(source, write)
                put("\n]")
            else:
                put(f"{opening}{_encode(key)}: {_encode(value)}")
            opening = ", "
        put("}\n")
