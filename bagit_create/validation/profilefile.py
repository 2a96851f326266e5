"""Reading the JSON file of a BagIt profile (BagIt Profiles Specification 1.4.0)."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NoReturn

from ..errors import ConfigError, InputError
from ..log import visible

LARGEST = 4 * 1024 * 1024
"""Bytes; the largest profiles in use have some ten thousand."""
_INFO = ("Source-Organization", "External-Description", "Version", "BagIt-Profile-Identifier")
_ELEMENT = {"required", "recommended", "repeatable", "values", "description"}
#: Tag files that have rules of their own, so that Tag-Files-Allowed need not name them.
ORDINARY = re.compile(r"(bagit|bag-info|fetch|(tag)?manifest-[^/]*)\.txt")
_RULES = {
    "BagIt-Profile-Info",
    "Bag-Info",
    "Manifests-Required",
    "Manifests-Allowed",
    "Allow-Fetch.txt",
    "Fetch.txt-Required",
    "Data-Empty",
    "Serialization",
    "Accept-Serialization",
    "Accept-BagIt-Version",
    "Tag-Manifests-Required",
    "Tag-Manifests-Allowed",
    "Tag-Files-Required",
    "Tag-Files-Allowed",
    "Payload-Files-Required",
    "Payload-Files-Allowed",
}


@dataclass(frozen=True, slots=True)
class Element:
    """What is asked of one label of bag-info.txt; no ``values`` means any."""

    label: str
    required: bool
    recommended: bool
    repeatable: bool
    values: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Limits:
    """What must be there, and what may be; None means anything."""

    required: tuple[str, ...]
    allowed: tuple[str, ...] | None


@dataclass(frozen=True, slots=True)
class Profile:
    """The rules of a profile.

    ``serialization`` is "forbidden", "required" or "optional"; ``archives`` are media types, none
    if any will do. ``unread`` are keys that 1.4 does not know, so that nothing goes unchecked in
    silence.
    """

    identifier: str
    description: str
    version: str
    elements: tuple[Element, ...]
    manifests: Limits
    tag_manifests: Limits
    tag_files: Limits
    payload_files: Limits
    allow_fetch: bool
    require_fetch: bool
    empty: bool
    serialization: str
    archives: tuple[str, ...]
    versions: tuple[str, ...]
    unread: tuple[str, ...]


def read(path: Path) -> Profile:
    """Read a profile from its file; nothing is ever fetched.

    :raises InputError: if there is no such file, or it cannot be read.
    :raises ConfigError: if it is no profile, or its rules contradict each other.
    """
    try:
        if not path.is_file():
            raise InputError(
                "there is no such profile file",
                where=visible(str(path)),
                hint="download the profile and give the path of its file",
            )
        if path.stat().st_size > LARGEST:
            raise InputError(f"a profile has at most {LARGEST} bytes", where=visible(str(path)))
        text = path.read_bytes().decode("utf-8-sig")
        document = json.loads(text, object_pairs_hook=_once, parse_constant=_no_number)
    except OSError as err:
        raise InputError(
            f"the profile cannot be read: {err.strerror}", where=visible(str(path))
        ) from err
    except (ValueError, RecursionError) as err:
        message = f"the profile is not valid JSON: {visible(str(err)[:200])}"
        raise ConfigError(message, where=visible(str(path))) from err
    return _File(path, document).profile()


def matches(path: str, pattern: str) -> bool:
    """Whether a path fits a pattern, in which ``*`` stands for any characters, ``/`` too.

    Taking each piece between asterisks at its first place is enough, and never slow as a regular
    expression may be.
    """
    first, *pieces = pattern.split("*")
    if not pieces:
        return path == pattern
    last = pieces.pop()
    if not path.startswith(first) or not path.endswith(last):
        return False
    at, end = len(first), len(path) - len(last)
    for piece in pieces:
        place = path.find(piece, at, end)
        if place < 0:
            return False
        at = place + len(piece)
    return at <= end


class _File:
    """A profile's file, told about where it is wrong."""

    def __init__(self, path: Path, document: Any) -> None:
        self._path = path
        self._document = self._object(document, "")

    def profile(self) -> Profile:
        get = self._document.get
        info = self._object(get("BagIt-Profile-Info"), "/BagIt-Profile-Info")
        for key in _INFO:
            self._text(info.get(key), f"/BagIt-Profile-Info/{key}")
        # A profile without it is one of 1.1.0. Of a version 2 nobody knows what it will mean.
        if not re.fullmatch(r"1(\.\d+){0,2}", str(info.get("BagIt-Profile-Version", "1.1.0"))):
            self._fail("/BagIt-Profile-Info/BagIt-Profile-Version", "expected a version 1")
        rules = self._object(get("Bag-Info", {}), "/Bag-Info")
        elements = tuple(self._element(label, one) for label, one in rules.items())
        if len({one.label.lower() for one in elements}) < len(elements):
            self._fail("/Bag-Info", "two labels differ only in capital letters")
        made = Profile(
            identifier=info["BagIt-Profile-Identifier"],
            description=info["External-Description"],
            version=info["Version"],
            elements=elements,
            manifests=self._limits("Manifests", _is_same, _algorithm),
            tag_manifests=self._limits("Tag-Manifests", _is_same, _algorithm),
            tag_files=self._limits("Tag-Files", _is_covered, str),
            payload_files=self._limits("Payload-Files", matches, str),
            allow_fetch=self._flag(get("Allow-Fetch.txt", True), "/Allow-Fetch.txt"),
            require_fetch=self._flag(get("Fetch.txt-Required", False), "/Fetch.txt-Required"),
            empty=self._flag(get("Data-Empty", False), "/Data-Empty"),
            serialization=get("Serialization", "optional"),
            archives=tuple(one.lower() for one in self._list("Accept-Serialization")),
            versions=self._list("Accept-BagIt-Version"),
            unread=self._unread(rules),
        )
        if made.require_fetch and not made.allow_fetch:
            self._fail("/Fetch.txt-Required", "required, while Allow-Fetch.txt forbids it")
        if made.serialization not in ("forbidden", "required", "optional"):
            self._fail("/Serialization", 'expected "forbidden", "required" or "optional"')
        if made.serialization != "forbidden" and "Serialization" in self._document:
            if not made.archives:
                self._fail("/Accept-Serialization", "expected at least one media type")
        if not made.versions:
            self._fail("/Accept-BagIt-Version", "expected at least one version")
        return made

    def _element(self, label: str, value: Any) -> Element:
        where = f"/Bag-Info/{label}"
        rule = self._object(value, where)
        if "description" in rule and not isinstance(rule["description"], str):
            self._fail(f"{where}/description", "expected a text")
        return Element(
            label,
            self._flag(rule.get("required", False), f"{where}/required"),
            self._flag(rule.get("recommended", False), f"{where}/recommended"),
            self._flag(rule.get("repeatable", True), f"{where}/repeatable"),
            self._texts(rule.get("values", []), f"{where}/values"),
        )

    def _limits(
        self, name: str, covers: Callable[[str, str], bool], spelled: Callable[[str], str]
    ) -> Limits:
        """NAME-Required and NAME-Allowed; whatever is required must be allowed."""
        required = tuple(map(spelled, self._list(f"{name}-Required")))
        if f"{name}-Allowed" not in self._document:
            return Limits(required, None)
        allowed = tuple(map(spelled, self._list(f"{name}-Allowed")))
        for one in required:
            if not any(covers(one, pattern) for pattern in allowed):
                self._fail(f"/{name}-Allowed", f'"{one}" is required and not allowed')
        return Limits(required, allowed)

    def _unread(self, elements: dict[str, Any]) -> tuple[str, ...]:
        unknown = [key for key in self._document if key not in _RULES]
        for label, rule in elements.items():
            unknown += [f"Bag-Info/{label}/{key}" for key in rule if key not in _ELEMENT]
        return tuple(unknown)

    def _object(self, value: Any, where: str) -> dict[str, Any]:
        if not isinstance(value, dict):
            self._fail(where, "expected an object")
        return value

    def _text(self, value: Any, where: str) -> str:
        if not isinstance(value, str) or not value:
            self._fail(where, "expected a text")
        return value

    def _list(self, key: str) -> tuple[str, ...]:
        return self._texts(self._document.get(key, []), f"/{key}")

    def _texts(self, value: Any, where: str) -> tuple[str, ...]:
        if not isinstance(value, list):
            self._fail(where, "expected an array of texts")
        return tuple(self._text(one, f"{where}/{number}") for number, one in enumerate(value))

    def _flag(self, value: Any, where: str) -> bool:
        """True or false; the specification's grammar has them in quotes, its examples have not."""
        if value is True or value == "true":
            return True
        if value is not False and value != "false":
            self._fail(where, "expected true or false")
        return False

    def _fail(self, pointer: str, message: str) -> NoReturn:
        raise ConfigError(
            f"the profile cannot be used: {visible(message)}",
            where=visible(f"{self._path} {pointer}"),
            hint="ask whoever published it; the rules are those of BagIt Profiles 1.4.0",
        )


def _algorithm(name: str) -> str:
    """BagIt's spelling of an algorithm (RFC 8493 section 2.4)."""
    return re.sub(r"[^a-z0-9]", "", name.lower())


def _is_same(one: str, other: str) -> bool:
    return one == other


def _is_covered(path: str, pattern: str) -> bool:
    return matches(path, pattern) or ORDINARY.fullmatch(path) is not None


def _once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    """An object without repeated keys: nobody can tell which rule was meant."""
    made = dict(pairs)
    if len(made) < len(pairs):
        raise ValueError("a key is twice in one object")
    return made


def _no_number(text: str) -> NoReturn:
    raise ValueError(f"{text} is no JSON")
