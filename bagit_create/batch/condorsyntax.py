"""How names and sizes are written in a submit description of HTCondor.

Source: the HTCondor manual, "Submit Description File Commands": arguments (new syntax), "Macros"
(``$(DOLLAR)``; ``$$(...)`` is replaced when a machine is found), request_memory, request_disk.
"""

from __future__ import annotations

import re
from collections.abc import Sequence

from ..errors import InputError

_SIZE = re.compile(r"\d{1,9}(\.\d{1,3})? ?[KMGT]?B?", re.IGNORECASE)
_CONTROL = re.compile(r"[\0-\x1f\x7f]")


def quoted(words: Sequence[str]) -> str:
    """Arguments in HTCondor's new syntax, and so that no macro is seen in them.

    The whole stands in double quotes; in it an argument with blanks in single ones; either quote is
    written twice, and a dollar as ``$(DOLLAR)``.

    :raises InputError: for what cannot be written so.
    """
    made = []
    for word in words:
        _refuse(word)
        inner = word.replace("'", "''").replace('"', '""').replace("$", "$(DOLLAR)")
        made.append(f"'{inner}'" if not word or re.search(r"[\s']", word) else inner)
    return '"' + " ".join(made) + '"'


def plain(path: str) -> str:
    """A path as the value of a command, which is not quoted.

    :raises InputError: if it would be read as another one.
    """
    _refuse(path)
    if path != path.strip() or path.endswith("\\") or '"' in path:
        raise InputError(
            "HTCondor cannot be given a name that has double quotes in it, or ends with a blank or"
            " a backslash.",
            where=path,
            hint="use --output, --executable, or another name",
        )
    return path.replace("$", "$(DOLLAR)")


def _refuse(text: str) -> None:
    if _CONTROL.search(text) or "$$" in text or not _is_text(text):
        raise InputError(
            "HTCondor cannot be given a name with '$$' or a control character in it, or one that is"
            " not UTF-8.",
            where=repr(text),
            hint="rename it",
        )


def _is_text(text: str) -> bool:
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True


def is_size(text: str) -> bool:
    """Whether this is a size, as ``2 GB`` or ``1500``."""
    return bool(_SIZE.fullmatch(text.strip()))


def in_megabytes(text: str) -> str:
    """A size as HTCondor takes it: ``2 GB`` as ``2GB``; a number alone is of megabytes."""
    size = text.strip().upper().replace(" ", "")
    return size if size[-1] in "KMGTB" else f"{size}MB"
