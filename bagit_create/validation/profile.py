"""BagIt Profiles: what a receiver asks of a bag beyond BagIt itself.

The facts are those of the BagIt Profiles Specification 1.4.0, "Implementation Details". A rule that
is written down holds whatever version of the specification the profile declares: somebody meant it.
``recommended`` is no part of the specification, but in use (Beyond the Repository's profile).
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Sequence
from dataclasses import dataclass
from itertools import chain
from typing import Protocol

from .findings import Findings
from .profilefile import ORDINARY, Element, Limits, Profile, matches, read

__all__ = ["Facts", "Profile", "check", "read"]

BAG_INFO = "bag-info.txt"
IDENTIFIER = "BagIt-Profile-Identifier"
#: The names in use for each kind of archive; only application/gzip and zip are registered.
_MEDIA_TYPES = {
    "tar": {"application/tar", "application/x-tar", "application/x-gtar"},
    "tar.gz": {
        "application/gzip",
        "application/x-gzip",
        "application/tar+gzip",
        "application/x-tgz",
        "application/x-compressed-tar",
        "application/x-gtar-compressed",
    },
    "zip": {"application/zip", "application/x-zip", "application/x-zip-compressed"},
}


class Sizes(Collection[str], Protocol):
    """Paths with their sizes in bytes, as a dict has them, or a column of the table."""

    def __getitem__(self, path: str, /) -> int: ...


@dataclass(frozen=True, slots=True)
class Facts:
    """What a profile may have rules about, found out while the bag was read.

    ``elements`` are bag-info.txt's labels, values and lines. ``version`` and ``encoding`` are
    bagit.txt's (no rule of 1.4 asks for the encoding). ``manifests`` and ``tag_manifests`` are
    algorithms in BagIt's spelling. ``tag_files`` are all paths outside data/, ``payload`` the
    files below it with their sizes, ``fetch_paths`` those that fetch.txt promises, ``fetch``
    whether there is a fetch.txt. ``serialisation`` is "tar", "tar.gz" or "zip", None for a folder.
    """

    elements: Sequence[tuple[str, str, int]]
    version: str
    encoding: str
    manifests: tuple[str, ...]
    tag_manifests: tuple[str, ...]
    tag_files: Collection[str]
    payload: Sizes
    fetch: bool
    fetch_paths: Collection[str]
    serialisation: str | None


def check(profile: Profile, facts: Facts, found: Findings) -> None:
    """Judge a bag by a profile; the ids are P01 to P21 of the catalogue.

    All rules are looked at, also after one that the specification calls fatal (BagIt version,
    serialisation), so that a bag need not be mended twice. Files that fetch.txt promises count as
    if they were there, except for Data-Empty, which is about bags that hold nothing but promises.
    """
    for rule in profile.unread:
        found.information("P21", "", f'the profile\'s "{rule}" is no rule of BagIt Profiles 1.4')
    _check_archive(profile, facts, found)
    if facts.version not in profile.versions:
        versions = _one_of(profile.versions)
        message = "the profile does not accept this version of BagIt"
        found.error("P16", "bagit.txt", message, expected=versions, found=facts.version)
    _check_info(profile, facts.elements, found)
    _check_kinds(profile.manifests, facts.manifests, "manifest", ("P07", "P08"), found)
    _check_kinds(profile.tag_manifests, facts.tag_manifests, "tagmanifest", ("P09", "P10"), found)
    if facts.fetch and not profile.allow_fetch:
        found.error("P11", "fetch.txt", "the profile does not allow it")
    if profile.require_fetch and not facts.fetch:
        found.error("P12", "fetch.txt", "missing, and the profile requires it")
    _check_empty(profile, facts.payload, found)
    own = facts.tag_files
    extra = (path for path in own if not ORDINARY.fullmatch(path))
    _check_files(profile.tag_files, own.__contains__, extra, ("P17", "P18"), found)
    promised = (path for path in facts.fetch_paths if path not in facts.payload)
    _check_files(
        profile.payload_files,
        lambda wanted: _is_there(wanted, facts),
        chain(facts.payload, promised),
        ("P19", "P20"),
        found,
    )


def _check_archive(profile: Profile, facts: Facts, found: Findings) -> None:
    """Serialization and Accept-Serialization."""
    kind = facts.serialisation
    if kind is None:
        if profile.serialization == "required":
            message = "the profile wants an archive file"
            found.error("P14", "", message, expected=_one_of(profile.archives), found="a folder")
    elif profile.serialization == "forbidden":
        found.error("P14", "", "the profile wants a folder", expected="a folder", found=kind)
    elif profile.archives and not _MEDIA_TYPES.get(kind, set()) & set(profile.archives):
        message = "the profile does not accept this kind of archive"
        found.error("P15", "", message, expected=_one_of(profile.archives), found=kind)


def _check_info(
    profile: Profile, elements: Iterable[tuple[str, str, int]], found: Findings
) -> None:
    """Bag-Info and the identifier; labels in any case (RFC 8493 section 2.2.2)."""
    told: dict[str, list[tuple[str, int]]] = {}
    for label, value, line in elements:
        told.setdefault(label.strip().lower(), []).append((value, line))
    named = told.get(IDENTIFIER.lower(), [])
    if not named:
        found.error("P01", BAG_INFO, f"no {IDENTIFIER}", expected=profile.identifier)
    elif profile.identifier not in [value for value, _ in named]:  # a bag may follow several
        value, line = named[0]
        message = f"{IDENTIFIER} is another one"
        found.error("P02", (BAG_INFO, line), message, expected=profile.identifier, found=value)
    for element in profile.elements:
        _check_element(element, told.get(element.label.lower(), []), found)


def _check_element(element: Element, told: Sequence[tuple[str, int]], found: Findings) -> None:
    if not told and element.required:
        found.error("P03", BAG_INFO, f"no {element.label}, which the profile requires")
    elif not told and element.recommended:
        found.information("P06", BAG_INFO, f"no {element.label}, which the profile recommends")
    for value, line in told[1:] if not element.repeatable else ():
        message = f"{element.label} was already given on line {told[0][1]}"
        found.error("P04", (BAG_INFO, line), message, expected="once", found=value)
    for value, line in told if element.values else ():
        if value not in element.values:
            message = f"the profile does not allow this {element.label}"
            expected = _one_of(element.values)
            found.error("P05", (BAG_INFO, line), message, expected=expected, found=value)


def _check_kinds(
    limits: Limits,
    present: Collection[str],
    prefix: str,
    ids: tuple[str, str],
    found: Findings,
) -> None:
    """Manifests-Required and -Allowed, Tag-Manifests-Required and -Allowed."""
    missing, unwanted = ids
    for kind in limits.required:
        if kind not in present:
            found.error(missing, f"{prefix}-{kind}.txt", "missing, and the profile requires it")
    if limits.allowed is None:
        return
    for kind in present:
        if kind not in limits.allowed:
            message, allowed = "the profile does not allow it", _one_of(limits.allowed)
            found.error(unwanted, f"{prefix}-{kind}.txt", message, expected=allowed, found=kind)


def _check_empty(profile: Profile, payload: Sizes, found: Findings) -> None:
    """Data-Empty: no file, or one of zero bytes."""
    if profile.empty and (len(payload) > 1 or any(payload[path] for path in payload)):
        told = f"{len(payload)} files of {sum(payload[path] for path in payload)} bytes"
        message = "the profile wants no preserved files"
        found.error("P13", "data/", message, expected="none, or one that is empty", found=told)


def _check_files(
    limits: Limits,
    is_there: Callable[[str], bool],
    present: Iterable[str],
    ids: tuple[str, str],
    found: Findings,
) -> None:
    """Tag-Files-Required and -Allowed, Payload-Files-Required and -Allowed."""
    missing, unwanted = ids
    for wanted in limits.required:
        if not is_there(wanted):
            found.error(missing, wanted, "missing, and the profile requires it")
    if limits.allowed is None:
        return
    for path in present:
        if not any(matches(path, pattern) for pattern in limits.allowed):
            message, allowed = "the profile does not allow it", _one_of(limits.allowed)
            found.error(unwanted, path, message, expected=allowed)


def _is_there(wanted: str, facts: Facts) -> bool:
    """Whether a payload file is here or promised; a folder (``…/``) is there if a file is in it."""
    if not wanted.endswith("/"):
        return wanted in facts.payload or wanted in facts.fetch_paths
    return any(path.startswith(wanted) for path in chain(facts.payload, facts.fetch_paths))


def _one_of(values: Collection[str]) -> str:
    return " or ".join(values)
