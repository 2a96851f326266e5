"""A repository by git: one mirror clone, from which bundles and files are made.

Facts: git's documentation (git-clone, git-bundle, git-cat-file, git-check-attr).
"""

from __future__ import annotations

import hashlib
import os
import re
import subprocess
from collections.abc import Generator, Iterator, Mapping, Sequence
from pathlib import Path
from tempfile import TemporaryDirectory, TemporaryFile
from typing import IO

from .. import log
from ..client import Client
from ..errors import Interrupted, TransferError, Unreachable
from .gitlab_program import Stopped, failure, kill, start, wait

BLOCK = 1024 * 1024


class Mirror:
    """A bare copy of a repository with all its references, made when it is first needed.

    :param url: where it is, without credentials.
    :param settings: the environment for git (see :func:`.gitlab_program.environment`).
    :param client: knows how often to try, and what to tell somebody who is refused.
    """

    def __init__(self, url: str, settings: Mapping[str, str], client: Client) -> None:
        self._url = url
        self._settings = settings
        self._client = client
        self._place: TemporaryDirectory[str] | None = None
        self._refusal: TransferError | None = None
        self._reader: subprocess.Popen[bytes] | None = None

    def folder(self, scratch: Path, stopped: Stopped) -> str:
        """Where it is; it is cloned beside ``scratch`` if it is not there yet.

        A refusal is final: whoever asks again for every file is soon shut out for all.
        """
        if self._refusal is not None:
            raise self._refusal.with_traceback(None)
        failures = 0
        while self._place is None:
            try:
                self._place = self._clone(scratch, stopped)
            except Unreachable:
                failures += 1
                if failures > self._client.retries:
                    raise
                self._client.wait_before_retry(failures, "the repository could not be cloned")
            except TransferError as err:
                self._refusal = err
                raise
        return self._place.name

    def _clone(self, scratch: Path, stopped: Stopped) -> TemporaryDirectory[str]:
        place = TemporaryDirectory(prefix="mirror-", dir=scratch.parent)
        log.info(f"cloning {self._url}")
        try:
            self._ask(["clone", "--mirror", "--quiet", self._url, place.name], None, stopped)
        except BaseException:
            place.cleanup()
            raise
        return place

    def bundle(self, scratch: Path, stopped: Stopped) -> Generator[bytes, None, None]:
        """Every branch, tag and other reference, with its history, as one file (git-bundle)."""
        folder = self.folder(scratch, stopped)
        with TemporaryFile() as words:
            program = self._start(["bundle", "create", "--quiet", "-", "--all"], folder, words)
            assert program.stdout is not None
            try:
                while block := program.stdout.read(BLOCK):
                    if stopped():
                        raise Interrupted("The run was ended while a bundle was made.")
                    yield block
            except BaseException:
                kill(program)
                raise
            self._wait(program, words, stopped)

    def blob(self, name: str, scratch: Path, stopped: Stopped) -> bytes | Iterator[bytes]:
        """The content of a blob, compared with its name.

        :returns: all of it if it is small, else its blocks.
        """
        folder = self.folder(scratch, stopped)
        if self._reader is None:
            self._reader = self._start(["cat-file", "--batch"], folder, None, reads=True)
        asked, told = self._reader.stdin, self._reader.stdout
        assert asked is not None and told is not None
        asked.write(f"{name}\n".encode())
        asked.flush()
        head = told.readline().split()
        if len(head) != 3 or head[1] != b"blob":
            raise TransferError(
                "A file of the repository is not in its copy.",
                where=f"{name} in {self._url}",
                hint="somebody may be changing it; run the same command again",
            )
        blocks = compared(name, int(head[2]), told)
        return b"".join(blocks) if int(head[2]) <= BLOCK else blocks

    def small_blobs(self, scratch: Path, stopped: Stopped) -> Iterator[bytes]:
        """The content of every blob below 1024 bytes, of all versions: pointers are so small."""
        folder = self.folder(scratch, stopped)
        form = "--batch-check=%(objecttype) %(objectsize) %(objectname)"
        with TemporaryFile() as words:
            program = self._start(["cat-file", "--batch-all-objects", form], folder, words)
            assert program.stdout is not None
            facts = (line.decode("ascii").split() for line in program.stdout)
            names = [
                name for kind, size, name in facts if kind == "blob" and 100 < int(size) < 1024
            ]
            self._wait(program, words, stopped)
        for name in names:
            content = self.blob(name, scratch, stopped)
            assert isinstance(content, bytes)
            yield content

    def is_in_lfs(self, commit: str, path: str, scratch: Path, stopped: Stopped) -> bool:
        """Whether the attributes of a commit (``.gitattributes``) give a file to LFS."""
        folder = self.folder(scratch, stopped)
        index = {"GIT_INDEX_FILE": f"{folder}/attributes"}  # a bare repository has none
        if not os.path.exists(index["GIT_INDEX_FILE"]):
            is_id = re.fullmatch("[0-9a-f]{40,64}", commit)
            tree = commit if is_id else f"refs/heads/{commit}"  # never an option
            self._ask(["read-tree", tree], folder, stopped, index)
        asked = ("check-attr", "--cached", "-z", "filter", "--", path.encode("utf-8", "replace"))
        told = self._ask(asked, folder, stopped, index)
        return told.split(b"\0")[-2:-1] == [b"lfs"]

    def close(self) -> None:
        """End git, and remove the copy."""
        if self._reader is not None:
            kill(self._reader)
            self._reader = None
        if self._place is not None:
            self._place.cleanup()
            self._place = None

    # -- running git --------------------------------------------------------------------------

    def _start(
        self,
        command: Sequence[str | bytes],
        folder: str | None,
        words: IO[bytes] | None,
        reads: bool = False,
        more: Mapping[str, str] | None = None,
    ) -> subprocess.Popen[bytes]:
        return start(command, folder, {**self._settings, **(more or {})}, words, reads)

    def _ask(
        self,
        command: Sequence[str | bytes],
        folder: str | None,
        stopped: Stopped,
        more: Mapping[str, str] | None = None,
    ) -> bytes:
        """Run git to its end, and return what it prints, which must be short."""
        with TemporaryFile() as words:
            return self._wait(self._start(command, folder, words, more=more), words, stopped)

    def _wait(self, program: subprocess.Popen[bytes], words: IO[bytes], stopped: Stopped) -> bytes:
        """Wait for the end; its own words tell what went wrong."""
        told = wait(program, stopped)
        if program.returncode:
            raise failure(words, self._url, self._client.access_hint())
        return told


def compared(name: str, size: int, told: IO[bytes]) -> Iterator[bytes]:
    """The blocks of a blob as ``git cat-file --batch`` gives it, compared with its name.

    :raises TransferError: from the last one, if it is another.
    """
    kind = "sha256" if len(name) == 64 else "sha1"
    digest = hashlib.new(kind, b"blob %d\0" % size, usedforsecurity=False)
    left = size
    while left and (block := told.read(min(BLOCK, left))):
        digest.update(block)
        left -= len(block)
        yield block
    told.read(1)  # the line feed behind each object
    if digest.hexdigest() != name:
        raise TransferError("A file of the repository is damaged.", where=name)
