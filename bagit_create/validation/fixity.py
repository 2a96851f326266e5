"""Checking a store of packages again and again: what changed since the last time.

The record is a file of the user's choosing to which each check adds one line of JSON a package; no
line is ever changed. What a line tells is enough to say which packages are new, gone, changed,
newly at fault or repaired: the verdict, the size, and a sha256 of every tag file, manifests
included. As the manifests hold the digests of the payload, a package is what it was if its
manifests are and it is valid.
"""

from __future__ import annotations

import json
import os
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ..errors import ConfigError, SipError
from ..report import Report
from .machine import not_here

FORMAT = "bic-fixity"
VERSION = 1
_ARCHIVE = re.compile(r".+\.(?:tar|tgz|tar\.gz|tar\.bz2|tar\.xz|zip)", re.IGNORECASE)
FAULTS_AT_MOST = 20


@dataclass(frozen=True)
class Change:
    """What became of one package: ``"new"``, ``"same"``, ``"changed"``, ``"broken"`` (valid the
    last time, not now), ``"repaired"`` or ``"gone"``; ``details`` names what differs."""

    package: str
    what: str
    details: tuple[str, ...] = ()
    before: int = 0


class Record:
    """The checks of a store so far.

    :raises ConfigError: if the file is something else.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._last: dict[str, dict[str, Any]] = {}
        self._whole = True
        if path.exists():
            self._read()

    def _read(self) -> None:
        try:
            with self._path.open("rb") as lines:
                for number, line in enumerate(lines, 1):
                    self._whole = line.endswith(b"\n")
                    self._note(line, number)
        except OSError as err:
            raise ConfigError(
                f"The record of earlier checks cannot be read: {err.strerror}.",
                where=str(self._path),
            ) from err

    def _note(self, line: bytes, number: int) -> None:
        try:
            fact = json.loads(line)
            if fact["format"] != FORMAT or int(fact["version"]) > VERSION:
                raise ValueError(f"format {fact['format']!r}")
            self._last[str(fact["package"])] = fact
        except (ValueError, KeyError, TypeError, RecursionError) as err:
            begun = f'{{"format": "{FORMAT}"'.encode()
            if line.startswith(begun[: len(line)]) and not line.endswith(b"}\n"):
                return  # a run was killed while it wrote
            raise ConfigError(
                "This file is no record of earlier checks; nothing was written to it.",
                where=f"{self._path}, line {number}",
                hint="give a new file, or one that bic validate --since wrote",
            ) from err

    def checked(self, package: str) -> int:
        """When a package was checked last, in Unix seconds; 0 if never."""
        return int(self._last.get(package, {}).get("time", 0))

    def packages(self) -> Iterator[str]:
        """The packages of which the last that is known is not that they are gone."""
        return (name for name, fact in self._last.items() if fact["verdict"] != "gone")

    def add(self, package: str, report: Report) -> Change:
        """Note a check, and say what changed."""
        fact = {
            "format": FORMAT,
            "version": VERSION,
            "time": report.checked,
            "package": package,
            "verdict": report.verdict,
            "mode": report.mode,
            "files": report.files,
            "bytes": report.bytes,
            "tag_files": dict(sorted(report.tag_files.items())),
            "errors": report.counts["error"],
            "faults": [f"{one.id} {one.where}" for one in report.findings if one.level == "error"][
                :FAULTS_AT_MOST
            ],
        }
        before = self._last.get(package)
        self._append(fact)
        self._last[package] = fact
        return _compare(package, before, fact)

    def add_gone(self, package: str, now: int) -> Change:
        """Note that a package that was there the last time is not."""
        before = self.checked(package)
        fact = {
            "format": FORMAT,
            "version": VERSION,
            "time": now,
            "package": package,
            "verdict": "gone",
        }
        self._append(fact)
        self._last[package] = fact
        return Change(package, "gone", (), before)

    def _append(self, fact: dict[str, Any]) -> None:
        """One write for one line, so that two runs never mix theirs."""
        line = json.dumps(fact).encode("ascii") + b"\n"
        if not self._whole:
            line = b"\n" + line
        try:
            sink = os.open(self._path, os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC, 0o644)
            try:
                written = os.write(sink, line)
                os.fsync(sink)
            finally:
                os.close(sink)
        except OSError as err:
            raise SipError(
                f"The record of checks cannot be written: {err.strerror}.", where=str(self._path)
            ) from err
        self._whole = written == len(line)
        if not self._whole:
            raise SipError("The record of checks cannot be written whole.", where=str(self._path))


def _compare(package: str, before: dict[str, Any] | None, now: dict[str, Any]) -> Change:
    if before is None or before["verdict"] == "gone":
        return Change(package, "new", tuple(now["faults"]))
    then = int(before["time"])
    details = [
        f"{name} {'appeared' if name not in before['tag_files'] else 'changed'}"
        for name, value in now["tag_files"].items()
        if before["tag_files"].get(name) != value
    ]
    details += [f"{name} vanished" for name in before["tag_files"] if name not in now["tag_files"]]
    for what in ("files", "bytes"):
        if before[what] != now[what]:
            details.append(f"{before[what]} payload {what} then, {now[what]} now")
    was_sound, is_sound = before["verdict"] != "invalid", now["verdict"] != "invalid"
    if was_sound and not is_sound:
        return Change(package, "broken", (*now["faults"], *details), then)
    if is_sound and not was_sound:
        return Change(package, "repaired", tuple(details), then)
    if before["verdict"] != now["verdict"]:
        details.insert(0, f"{before['verdict']} then, {now['verdict']} now")
    if not is_sound and before["faults"] != now["faults"]:
        details += [one for one in now["faults"] if one not in before["faults"]]
    return Change(package, "changed" if details else "same", tuple(details), then)


def packages(top: Path) -> Iterator[Path]:
    """The packages at and below a folder: folders with a bagit.txt, and archives by their names.

    A package is not searched for others, links are not followed, and what cannot be listed is
    passed over only if it holds nothing that can be listed: :exc:`OSError` is raised otherwise.
    """
    if not top.is_dir():
        yield top
        return
    todo = [top]
    while todo:
        folder = todo.pop()
        if os.path.lexists(folder / "bagit.txt"):
            yield folder
            continue
        inner = []
        try:
            entries = sorted(os.scandir(folder), key=lambda one: one.name)
        except OSError as err:
            not_here(err, folder)
            raise
        for entry in entries:
            if entry.name.startswith(".bic-staging"):
                continue
            if entry.is_dir(follow_symlinks=False):
                inner.append(Path(entry.path))
            elif entry.is_file(follow_symlinks=False) and _ARCHIVE.fullmatch(entry.name):
                yield Path(entry.path)
        todo.extend(reversed(inner))
