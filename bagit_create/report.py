"""What a validation says: findings with stable ids, and one report for each package."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path


@dataclass(frozen=True, slots=True)
class Finding:
    """One fault (or remark) about a bag or SIP, with a stable id.

    ``level`` is ``"error"``, ``"warning"`` or ``"information"``. ``file`` is a path inside the bag,
    ``line`` counts from 1, ``pointer`` is a place in a JSON file (RFC 6901). ``expected`` and
    ``found`` are what differs, ``advice`` what to do about it; each may be empty. Nothing in here
    can move a terminal's cursor.
    """

    id: str
    level: str
    file: str
    message: str
    line: int | None = None
    pointer: str = ""
    expected: str = ""
    found: str = ""
    advice: str = ""

    @property
    def where(self) -> str:
        """``file``, ``file:line`` or ``file /pointer``."""
        if self.line is not None:
            return f"{self.file}:{self.line}"
        return f"{self.file} {self.pointer}".strip()

    def __str__(self) -> str:
        return f"{self.level} {self.id} {self.where}: {self.message}"


@dataclass(frozen=True, slots=True)
class FileType:
    """So many files of one kind: ``suffix`` is ``".pdf"``, or empty; ``bytes`` are theirs."""

    suffix: str
    files: int
    bytes: int


@dataclass(frozen=True, slots=True)
class Report:
    """What was found of one bag.

    ``verdict`` is ``"valid"``, ``"incomplete"`` (a sound light bag: all that is missing is promised
    by fetch.txt) or ``"invalid"``. ``mode`` is ``"full"``, or ``"fast"`` where no payload was read.
    ``files`` and ``bytes`` are the payload that is here, ``to_fetch_files`` and ``to_fetch_bytes``
    what is promised (None if a size is unknown). ``counts`` has the number of findings of each
    level, those too that were too many to keep. ``types`` are the payload's, largest first.
    ``opinion`` is what another validator says, ``profile`` the profile that was checked.
    ``seconds`` is how long it took, ``checked`` when it began (Unix seconds). ``tag_files`` are the
    sha256 of the tag files, where they were asked for.
    """

    path: Path
    verdict: str
    findings: tuple[Finding, ...] = field(default=())
    files: int = 0
    bytes: int = 0
    mode: str = "full"
    is_sip: bool = False
    version: str = ""
    algorithms: tuple[str, ...] = ()
    to_fetch_files: int = 0
    to_fetch_bytes: int | None = 0
    counts: Mapping[str, int] = field(default_factory=dict)
    types: tuple[FileType, ...] = ()
    opinion: str = ""
    profile: str = ""
    seconds: float = 0.0
    checked: int = 0
    tag_files: Mapping[str, str] = field(default_factory=dict)
