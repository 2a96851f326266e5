"""A repository by git: one mirror clone, from which bundles and files are made.

Facts: git's documentation (git-clone, git-bundle, git-cat-file, git-config). The token travels in
the environment, as a header that is bound to its host: not in an argument, an address, or the
clone's configuration. Nothing of the user's or the machine's git configuration is read.
"""

from __future__ import annotations

import hashlib
import os
import re
import signal
import subprocess
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import suppress
from pathlib import Path
from tempfile import TemporaryDirectory, TemporaryFile
from typing import IO

from .. import log
from ..errors import ConfigError, Interrupted, TransferError, Unreachable

Stopped = Callable[[], bool]
BLOCK = 1024 * 1024
_REFUSED = re.compile(
    r"Authentication failed|could not read Username|403|HTTP Basic: Access denied", re.IGNORECASE
)
_GONE = re.compile(r"not found|does not exist|404", re.IGNORECASE)


class Mirror:
    """A bare copy of a repository with all its references, made when it is first needed.

    :param url: where it is, without credentials.
    :param settings: further configuration and environment for git (see :func:`environment`).
    """

    def __init__(self, url: str, settings: Mapping[str, str], hint: str) -> None:
        self._url = url
        self._settings = settings
        self._hint = hint
        self._place: TemporaryDirectory[str] | None = None
        self._reader: subprocess.Popen[bytes] | None = None

    def folder(self, scratch: Path, stopped: Stopped) -> str:
        """Where it is; it is cloned beside ``scratch`` if it is not there yet."""
        if self._place is None:
            place = TemporaryDirectory(prefix="mirror-", dir=scratch.parent)
            log.info(f"cloning {self._url}")
            with TemporaryFile() as words:
                try:
                    program = self._start(
                        ["clone", "--mirror", "--quiet", self._url, place.name], None, words
                    )
                    self._wait(program, words, stopped)
                except BaseException:
                    place.cleanup()
                    raise
            self._place = place
        return self._place.name

    def bundle(self, scratch: Path, stopped: Stopped) -> Iterator[bytes]:
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
                _kill(program)
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
        blocks = self._blob(name, int(head[2]), told)
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

    def _blob(self, name: str, size: int, told: IO[bytes]) -> Iterator[bytes]:
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

    def close(self) -> None:
        """End git, and remove the copy."""
        if self._reader is not None:
            _kill(self._reader)
            self._reader = None
        if self._place is not None:
            self._place.cleanup()
            self._place = None

    # -- running git --------------------------------------------------------------------------

    def _start(
        self,
        command: list[str],
        folder: str | None,
        words: IO[bytes] | None,
        reads: bool = False,
    ) -> subprocess.Popen[bytes]:
        try:
            return subprocess.Popen(
                ["git", *command],
                cwd=folder,
                env=dict(self._settings),
                stdin=subprocess.PIPE if reads else subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=words or subprocess.DEVNULL,
                start_new_session=True,  # its helpers end with it, and Ctrl-C comes to us alone
            )
        except FileNotFoundError as err:
            raise ConfigError(
                "git is not installed on this machine.",
                hint="install it, or make a light package (--dry-run), which needs none",
            ) from err

    def _wait(self, program: subprocess.Popen[bytes], words: IO[bytes], stopped: Stopped) -> None:
        """Wait for the end; its own words tell what went wrong."""
        try:
            while program.poll() is None:
                if stopped():
                    raise Interrupted("The run was ended while git was at work.")
                time.sleep(0.02)
        except BaseException:
            _kill(program)
            raise
        if program.stdout is not None:
            program.stdout.close()
        if program.returncode:
            words.seek(0)
            told = log.redact(" ".join(words.read(8192).decode("utf-8", "replace").split()))
            raise self._error(told[-400:])

    def _error(self, told: str) -> TransferError | Unreachable:
        where = f"{self._url}: {told or 'git gave no reason'}"
        if _REFUSED.search(told) or _GONE.search(told):
            error = TransferError(
                "The repository was refused or is not there.", where=where, hint=self._hint
            )
            error.withheld = True
            return error
        return Unreachable(
            "The repository could not be cloned.", where=where, hint="try again later"
        )


def environment(
    url: str, authorization: str | None, timeout: float, proxy: str | None, skipssl: bool
) -> dict[str, str]:
    """The environment for git: ours, without any GIT_* of the user's, and what it needs to know.

    :param url: the server's address; ``authorization`` is sent to its host only.
    :param timeout: seconds without a byte after which git gives up.
    """
    made = {name: value for name, value in os.environ.items() if not name.startswith("GIT_")}
    scheme = url.partition(":")[0]
    host = "/".join(url.split("/")[:3])
    config = {
        "core.hooksPath": os.devnull,
        "http.lowSpeedLimit": "1",
        "http.lowSpeedTime": str(max(1, int(timeout))),
    }
    if authorization:
        config[f"http.{host}/.extraHeader"] = f"Authorization: {authorization}"
    if proxy:
        config["http.proxy"] = proxy
    if skipssl:
        config["http.sslVerify"] = "false"
    authorities = made.get("REQUESTS_CA_BUNDLE") or made.get("SSL_CERT_FILE")
    if authorities:
        config["http.sslCAInfo"] = authorities
    made |= {
        "GIT_ALLOW_PROTOCOL": scheme,
        "GIT_CONFIG_GLOBAL": os.devnull,
        "GIT_CONFIG_NOSYSTEM": "1",
        "GIT_LFS_SKIP_SMUDGE": "1",
        "GIT_TERMINAL_PROMPT": "0",
        "GIT_CONFIG_COUNT": str(len(config)),
        "LC_ALL": "C",
    }
    for number, (key, value) in enumerate(config.items()):
        made |= {f"GIT_CONFIG_KEY_{number}": key, f"GIT_CONFIG_VALUE_{number}": value}
    return made


def _kill(program: subprocess.Popen[bytes]) -> None:
    """End a program and its helpers; they are a process group of their own."""
    with suppress(ProcessLookupError):
        os.killpg(program.pid, signal.SIGKILL)
    for stream in (program.stdin, program.stdout):
        if stream is not None:
            with suppress(OSError):
                stream.close()
    program.wait()
