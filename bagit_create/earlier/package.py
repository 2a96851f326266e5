"""One earlier package, read without being trusted: what it says of itself, and what it holds."""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from functools import cached_property, partial
from pathlib import Path
from typing import Any

from ..checksums import BLOCK, MANIFEST_ALGORITHMS, Digests, fastest
from ..model import Checksum, Document, Silent
from ..sip.build import LOG
from ..validation.archives import open_bag
from ..validation.bag import Examination
from ..validation.findings import Findings
from ..validation.jsonstream import Stream
from ..validation.machine import not_here
from ..validation.siphead import SIP_JSON, at
from ..validation.sipjson import MAX_BYTES

MAX_DOCUMENT = 1 << 28
"""Bytes of a metadata document that is compared."""
_OURS = re.compile(r"bagit-create ([0-9]{1,4})\.")
_BEGUN = re.compile(rb"([0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}:[0-9]{2})Z ")


class Package:
    """A package that an earlier run may have made. Close it in the end.

    Its structure, sizes and tag files are examined as ``bic validate --fast`` does, and sip.json is
    compared with its digest; of the payload nothing is read. ``fault`` says in a few words what is
    wrong with it, ``""`` if nothing is. ``head`` is sip.json without its list of files; ``files``
    and ``bytes`` are the record's by that list (None if a size is unknown), ``withheld`` how many
    of them its source would not hand out.

    :raises SipError: if this machine cannot read it here and now, which is no fault of it.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self.head: dict[str, Any] = {}
        self.files = self.withheld = 0
        self.bytes: int | None = 0
        found = Findings()
        self._container = open_bag(path, found, flat_ok=False)
        self.name = self._container.name if self._container else path.name
        self.serialisation = self._container.serialisation if self._container else None
        if self._container is None:
            self.fault = str(found.all()[0])
            return
        self._one = Examination(self._container, found, ())
        try:
            self._examine()
        except BaseException:  # nobody else knows of the archive yet
            self._container.close()
            raise

    def _examine(self) -> None:
        self._one.run(None, None, os.cpu_count() or 1, True, False, Silent())
        self.report = self._one.report(self.path, "fast", 0, 0.0)
        errors = [str(one) for one in self.report.findings if one.level == "error"]
        self.fault = errors[0] if errors else ""
        is_told = SIP_JSON in self.sizes  # a plain bag has none
        if not self.fault and is_told and self.read(SIP_JSON, MAX_BYTES, 0) is None:
            self.fault = f"{SIP_JSON} is not the one that the manifests list"
        self._survey()

    def _survey(self) -> None:
        """Read sip.json once: what it says as a whole, and the sum of its files."""

        def take(entry: Any) -> None:
            told, size = at(entry, "origin"), at(entry, "size")
            withheld = at(told, "missing") is not None
            if withheld and at(told, "optional") is not True:
                self.withheld += 1
            own = at(entry, "metadata") is True or at(told, "placeholder") is not None
            if own or not str(at(entry, "bagpath")).startswith("data/content/"):
                return
            self.files += 1
            if not withheld and self.bytes is not None:
                self.bytes = self.bytes + size if type(size) is int else None

        head = self.each_entry(take)
        if isinstance(head, dict):
            self.head = head

    def close(self) -> None:
        """Let go of an archive."""
        if self._container is not None:
            self._container.close()

    # -- what it says ---------------------------------------------------------------------------

    @property
    def made_by(self) -> int:
        """The first number of the version of this program that made it, 0 if none did."""
        match = _OURS.match(str(self.head.get("created_by")))
        return int(match[1]) if match else 0

    @property
    def made(self) -> int:
        """When it was made, in Unix seconds; 0 if it does not say."""
        told = self.head.get("sip_creation_timestamp")
        return told if type(told) is int else 0

    @cached_property
    def begun(self) -> int:
        """When the run that made it began to ask, in Unix seconds: hours before it was
        :attr:`made`, perhaps. Its log begins then; 0 if there is none."""
        match = _BEGUN.match(self.read(LOG, MAX_DOCUMENT, BLOCK) or b"")
        try:
            asked = datetime.fromisoformat(match[1].decode()) if match else None
        except ValueError:
            asked = None
        return int(asked.replace(tzinfo=UTC).timestamp()) if asked else 0

    @property
    def params(self) -> dict[str, Any]:
        """What the run that made it was asked for."""
        audit = self.head.get("audit")
        params = at(audit[0], "tool", "params") if isinstance(audit, list) and audit else None
        return params if isinstance(params, dict) else {}

    def steps(self, action: str) -> Iterator[dict[str, Any]]:
        """The parameters of its history's steps of one kind."""
        audit = self.head.get("audit")
        for one in audit if isinstance(audit, list) else ():
            params = at(one, "tool", "params")
            if at(one, "action") == action and isinstance(params, dict):
                yield params

    def each_entry(self, take: Callable[[Any], None]) -> Any:
        """Call ``take`` with every entry of contentFiles; returns the rest of the document.

        None if it cannot be read to its end; then some entries have been taken.

        :raises SipError: if that is this machine's fault.
        """
        if self._container is None or not 0 < (self.sizes.get(SIP_JSON) or 0) <= MAX_BYTES:
            return None
        try:
            with self._container.open(SIP_JSON) as file:
                return Stream(file, dict).object("contentFiles", take)[0]
        except (OSError, ValueError, RecursionError) as err:
            if isinstance(err, OSError):
                not_here(err, self.path)
            return None

    # -- what it holds ----------------------------------------------------------------------------

    @property
    def sizes(self) -> Any:
        """Bytes of each payload file that is there and a regular file, by bag path."""
        return self._one.there.payload if self._container is not None else {}

    def digests(self, bagpath: str) -> dict[str, str]:
        """What the manifests say of a file: digest by algorithm."""
        if self._container is None:
            return {}
        found = {one.algorithm: one.digests.get(bagpath) for one in self._one.tags.manifests}
        return {name: value for name, value in found.items() if value is not None}

    def opener(self, bagpath: str) -> Any:
        """What opens a file of :attr:`sizes` for reading, without following a link."""
        assert self._container is not None
        return partial(self._container.open, bagpath)

    def read(self, bagpath: str, most: int, kept: int = MAX_DOCUMENT) -> bytes | None:
        """A file's first bytes, if all of them are those that the manifests list.

        :param most: bytes; a larger one is not read.
        :param kept: so many bytes are given, in whole blocks; 0 only compares.
        :raises SipError: if this machine cannot read it here and now.
        """
        listed = self.digests(bagpath)
        strong = [name for name in listed if name in MANIFEST_ALGORITHMS]
        if self._container is None or not strong or (self.sizes.get(bagpath) or 0) > most:
            return None
        expected = Checksum(fastest(strong), listed[fastest(strong)])
        digests = Digests([expected.algorithm])
        blocks: list[bytes] = []
        size = 0
        try:
            with self._container.open(bagpath) as file:
                while block := file.read(BLOCK):
                    digests.update(block)
                    if size < kept:
                        blocks.append(block)
                    size += len(block)
        except OSError as err:
            not_here(err, self.path)
            return None
        return b"".join(blocks) if digests.checksums() == (expected,) else None

    def document(self, one: Document) -> Document | None:
        """The metadata document that it has in the same place, if its bytes are the right ones."""
        content = self.read(f"data/{one.place}/{one.name}", MAX_DOCUMENT)
        return None if content is None else Document(one.name, content, None, one.place)
