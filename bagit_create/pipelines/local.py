"""A folder (or one file) on this machine.

Links are never followed out of the tree and folders behind links never entered; special files are
never opened. What cannot be read ends the run before anything is packaged, for the caller may
delete the folder once the package is there.
"""

from __future__ import annotations

import hashlib
import os
from collections.abc import Iterator
from contextlib import suppress
from difflib import get_close_matches
from pathlib import Path

from ..client import Client
from ..config import Instance
from ..errors import InputError, TransferError
from ..log import readable
from ..model import Description, Document, Record
from ..options import JobOptions
from ..tree import EXHAUSTED, NAMED_AT_MOST, Tree
from .base import Begun, Essence


class Local:
    """The folder that ``--source-path`` names."""

    def __init__(self, instance: Instance, client: Client | None, options: JobOptions) -> None:
        self._instance = instance
        self._options = options
        self._given = options.source_path or Path()
        self._author = options.author or ""

    def begin(self, recid: str | None) -> Begun:
        """Say what the package will be called; nobody is asked."""
        absolute = os.path.abspath(self._given)
        digest = hashlib.md5(f"{absolute}{self._author}".encode("utf-8", "surrogateescape"))
        name = recid or digest.hexdigest()
        return Begun(name, name)

    def harvest(self, begun: Begun) -> Record:
        """List the folder; no file is opened. See :meth:`Pipeline.harvest`.

        :raises InputError: if there is no such folder, it is empty, or the target lies in it.
        :raises TransferError: if anything in it cannot be read, naming all of it.
        """
        path = self._resolved()
        tree = Tree(path, self._hierarchy(path))
        try:
            tree.scan()
        except OSError as err:
            if err.errno in EXHAUSTED:
                raise TransferError(
                    f"The source cannot be listed: {(err.strerror or str(err)).lower()}.",
                    where=readable(str(err.filename or self._given)),
                    hint="allow more ('ulimit -n', 'ulimit -v'), or try again later",
                ) from err
            raise TransferError(
                f"The source changed while it was listed: {(err.strerror or str(err)).lower()}.",
                where=readable(str(err.filename or self._given)),
                hint="run again when nothing writes to the folder",
            ) from err
        if tree.unreadable:
            raise _unreadable(tree.unreadable)
        if not tree.files and not tree.skipped and not tree.empty:
            raise InputError("Given directory is empty.", where=str(self._given))
        return Record(
            source=self._instance.name,
            recid=begun.recid,
            requested=begun.asked,
            files=tuple(tree.files),
            description=Description(title=readable(path.name), creators=(self._author,)),
            skipped=tuple(tree.skipped),
            empty_folders=tuple(tree.empty),
            notes=tuple(_notes(tree)),
            recheck=lambda: _still_the_same(tree),
            source_details={
                "source_path": _shown(self._given),
                "source_base_path": _shown(self._options.source_base_path),
            },
        )

    def essence(self, document: Document) -> Essence | None:
        """Nothing: a folder has no metadata but its list of files."""
        return None

    # -- what was asked for ---------------------------------------------------------------------

    def _resolved(self) -> Path:
        """The real folder or file, which the package must not be made inside of."""
        try:
            path = self._given.resolve(strict=True)
        except (OSError, RuntimeError) as err:
            near = _nearest(self._given)
            raise InputError(
                "There is no such file or folder to package.",
                where=str(self._given),
                hint=f"did you mean {near}?" if near else "check --source-path",
            ) from err
        for name, place in (("target", self._options.target), ("workdir", self._options.workdir)):
            if place is not None and Path(os.path.realpath(place)).is_relative_to(path):
                raise InputError(
                    f"The {name} is inside the source: the package would be packed into itself.",
                    where=f"{place} is in {self._given}",
                    hint=f"choose another --{name}",
                )
        return path

    def _hierarchy(self, path: Path) -> str:
        """The folders between ``--source-base-path`` and the source: they stay in the bag."""
        base = self._options.source_base_path
        if base is None:
            return ""
        top = path if path.is_dir() else path.parent
        try:
            below = top.relative_to(os.path.realpath(base)).as_posix()
        except ValueError as err:
            raise InputError(
                "source_base_path should include source_path.", where=f"{base} and {self._given}"
            ) from err
        return "" if below == "." else below


def _nearest(given: Path) -> Path | None:
    """What may have been meant by a path that is not there."""
    with suppress(OSError):  # the folder above may be closed, or not there either
        parent = given.absolute().parent
        for name in get_close_matches(given.name, os.listdir(parent), n=1):
            return parent / name
    return None


def _still_the_same(tree: Tree) -> None:
    """Refuse a source of which a file was written to, or a folder got or lost an entry.

    :raises TransferError: naming them.
    """
    files, folders = tree.changed()
    told = [_named(files)] if files else []
    if folders:
        told.append(f"something appeared or vanished in {_named(folders)}")
    if told:
        raise TransferError(
            "The source changed while it was being packaged.",
            where="; ".join(told),
            hint="run again when nothing writes to the folder",
        )


def _unreadable(names: list[str]) -> TransferError:
    return TransferError(
        "Something in the source cannot be read, so nothing was packaged.",
        where=_named(names),
        hint="chmod -R u+rX on the folder, or run as its owner; a path of more than 4096 bytes"
        " cannot be opened by anybody: package a folder further down",
    )


def _named(names: list[str]) -> str:
    """All of them, or the first and how many more there are."""
    more = f" and {len(names) - NAMED_AT_MOST} more" if len(names) > NAMED_AT_MOST else ""
    return ", ".join(map(readable, names[:NAMED_AT_MOST])) + more


def _notes(tree: Tree) -> Iterator[str]:
    if tree.empty:
        yield f"{len(tree.empty)} empty folders are kept by a placeholder named .keep"
    if tree.copied_links:
        yield f"{tree.copied_links} symbolic links are packaged as copies of their files"


def _shown(path: Path | None) -> str | None:
    """A path for sip.json: as it was given, the home folder not spelt out."""
    if path is None:
        return None
    text = readable(str(path))
    home = os.path.expanduser("~")
    return f"~{text[len(home):]}" if home != "/" and f"{text}/".startswith(f"{home}/") else text
