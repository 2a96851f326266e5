"""What goes into a package, everything known by now, and what came of it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from ..model import Checksum, Fetched, Missing, Placed, Record, Skipped


@dataclass(frozen=True, slots=True)
class Contents:
    """What is to be packaged.

    ``fetched`` are files whose digests were computed here: in the bag already (``downloaded``) or
    only read through. ``absent`` are files that are not in the bag and of which only upstream's
    own checksums are known. ``params`` are those of the first audit step, free of secrets;
    ``steps`` are the further ones. ``timestamp`` is Unix seconds. ``placeholders`` are bag paths of
    empty files that keep empty folders. ``missing`` are files that upstream withheld and nobody can
    fetch: they stand in sip.json only.
    """

    record: Record
    fetched: tuple[Fetched, ...]
    absent: tuple[Placed, ...]
    renamed: tuple[tuple[str, str], ...]
    params: Mapping[str, Any]
    steps: tuple[Mapping[str, Any], ...]
    timestamp: int
    light: bool
    algorithms: tuple[str, ...]
    bagit_version: str
    alternate_uri: bool
    usr_meta: Mapping[str, Any]
    author: str | None = None
    placeholders: tuple[str, ...] = ()
    missing: tuple[Missing, ...] = ()


@dataclass(frozen=True, slots=True)
class Written:
    """A payload file that the build itself wrote.

    ``folder`` is upstream's, ``placeholder`` whether the file only keeps that folder.
    """

    bagpath: str
    size: int
    checksums: tuple[Checksum, ...]
    is_metadata: bool
    url: str | None = None
    media_type: str | None = None
    folder: str = ""
    placeholder: bool = False


@dataclass(frozen=True, slots=True)
class Built:
    """What a build made.

    ``payload_bytes`` counts the complete payload, None if a size is unknown.
    ``promised`` is the number of lines of fetch.txt.
    ``without_checksum`` are bag paths that stand in no manifest; ``algorithms`` those of the
    payload manifests written; ``skipped`` what had to be left out of fetch.txt.
    """

    payload_bytes: int | None
    payload_files: int
    promised: int
    without_checksum: tuple[str, ...]
    algorithms: tuple[str, ...]
    skipped: tuple[Skipped, ...]
