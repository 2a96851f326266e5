"""What happens to a budget, written down in a folder, so that processes of a machine share it.

A file for each server and user, in a folder for each machine: one line of JSON for each happening,
appended in one write, so that all who read it see the same lines in the same order. There is no
lock, as locks lie on network folders, and nothing that a killed process could leave locked. A file
that has grown long ends with a line that says so, and the next one begins with all that is known.

No name tells whose budget it is: they are keyed digests (RFC 2104), and of the user's only so much
is kept that a guessed credential can be neither confirmed nor, but for one in 65,536, excluded.
"""

from __future__ import annotations

import errno
import hmac
import json
import os
import platform
import secrets
import time
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

Record = list[Any]
"""A kind, and what belongs to it."""

LONGEST = 256 * 1024
"""Bytes after which a file is followed by another one."""
LONGEST_ROUTE = 8
"""Parts of a path that are counted: files may lie in folders of any depth."""
SALT_BYTES = 32
SALT_PATIENCE_S = 2.0
"""Seconds that whoever made the file of the salt has for filling it."""
END, BEGINNING = "end", "all"
"""Kinds of the lines that are about the file itself: its last one, and its first."""


def salt_of(folder: Path) -> bytes:
    """The random bytes of a folder, which whoever comes first makes.

    :raises OSError: if the folder cannot be written.
    """
    folder.mkdir(exist_ok=True)
    path = folder / "salt"
    with suppress(FileExistsError):
        file = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        try:
            os.write(file, secrets.token_bytes(SALT_BYTES))
        finally:
            os.close(file)
    until = time.monotonic() + SALT_PATIENCE_S
    while len(salt := path.read_bytes()) != SALT_BYTES:
        if time.monotonic() > until:  # its maker was killed between two system calls
            made = path.with_name(f"salt.{secrets.token_hex(8)}")
            made.write_bytes(secrets.token_bytes(SALT_BYTES))
            made.replace(path)
            until += SALT_PATIENCE_S
        time.sleep(0.02)
    return salt


def digest(salt: bytes, *words: object, size: int = 8) -> str:
    """A digest of some words that says nothing about them to who has not the salt."""
    return hmac.digest(salt, json.dumps(words).encode(), "sha256")[:size].hex()


def route_of(url: str, salt: bytes) -> str:
    """What an address has in common with those that are counted with it, nearly always.

    A digest, as the beginning of an address may be what opens it (a note that is not listed).
    """
    parts = url.partition("://")[2].partition("?")[0].split("/")[1:]
    start = parts[:2] if parts[:1] == ["api"] else parts[:1]
    return digest(salt, start, min(len(parts), LONGEST_ROUTE), size=2)


def machine() -> str:
    """What tells this machine from others with the same folder."""
    number = ""
    with suppress(OSError):
        number = Path("/etc/machine-id").read_text(encoding="ascii", errors="replace").strip()
    return f"{number} {platform.node()}"


class SharedLog:
    """The happenings of one budget.

    :param folder: that of this machine; it is made.
    :param name: what its files begin with.
    :raises OSError: from every method, if the file cannot be used.
    """

    def __init__(self, folder: Path, name: str) -> None:
        self._folder, self._name = folder, name
        self._file = -1
        self._rest = b""
        self._at = 0
        self._begun = False
        self._number = 0
        folder.mkdir(exist_ok=True)
        self._open(1)

    def close(self) -> None:
        """Use it no more."""
        if self._file >= 0:
            os.close(self._file)
            self._file = -1

    def append(self, *records: Record) -> None:
        """Write down what happened."""
        text = b"".join(json.dumps(one).encode("ascii") + b"\n" for one in records)
        if os.write(self._file, text) != len(text):
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    def read(self) -> Iterator[Record]:
        """What was written since the last reading, by anybody."""
        while block := os.pread(self._file, 1 << 16, self._at):
            self._at += len(block)
            *lines, self._rest = (self._rest + block).split(b"\n")
            for line in lines:
                try:
                    record = json.loads(line)
                except (ValueError, RecursionError):
                    continue  # of somebody who was killed, or whose disk was full
                if not isinstance(record, list) or not record:
                    continue
                if record[0] == BEGINNING and self._begun:
                    continue  # two wrote the same
                self._begun = True
                yield record
                if record[0] == END:
                    return

    @property
    def is_long(self) -> bool:
        """Whether it is time for the next file."""
        return self._at > LONGEST

    @property
    def is_lost(self) -> bool:
        """Whether somebody removed the file."""
        return os.fstat(self._file).st_nlink == 0

    def follow(self, known: Any) -> None:
        """Go on in the next file, as the last line said; ``known`` is what it begins with."""
        before = self._number
        self._open(before + 1)
        if self._number == before + 1 and not os.fstat(self._file).st_size:
            self.append([BEGINNING, "", known])
        with suppress(OSError):
            self._path(before).unlink()

    def _open(self, least: int) -> None:
        """Open the last file there is; if that is before ``least``, begin that one."""
        self.close()
        for _ in range(10):
            there = [int(one.suffix[1:]) for one in self._folder.glob(f"{self._name}.*[0-9]")]
            self._number = max([least, *there])
            flags = os.O_RDWR | os.O_APPEND | getattr(os, "O_CLOEXEC", 0)
            if self._number not in there:
                flags |= os.O_CREAT
            with suppress(FileNotFoundError):  # it was the last one a moment ago
                self._file = os.open(self._path(self._number), flags, 0o600)
                break
        else:
            raise FileNotFoundError(errno.ENOENT, os.strerror(errno.ENOENT))
        self._rest, self._at, self._begun = b"", 0, False

    def _path(self, number: int) -> Path:
        return self._folder / f"{self._name}.{number}"
