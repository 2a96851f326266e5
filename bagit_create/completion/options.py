"""What a completion may do, as one value, checked before anything is read."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from dataclasses import dataclass
from fnmatch import fnmatchcase
from pathlib import Path

from ..credentials import Secret
from ..errors import InputError
from ..options import (
    DEFAULT_JOBS,
    DEFAULT_MAX_WAIT_S,
    DEFAULT_RETRIES,
    DEFAULT_TIMEOUT_S,
    LONGEST_S,
    PROXY_SCHEMES,
)

SCHEMES = ("http", "https", "root")
_HOST = re.compile(r"[A-Za-z0-9_.-]+|\[[0-9A-Fa-f:.]+\]|\*")


@dataclass(frozen=True, kw_only=True)
class CompletionOptions:
    """How to complete bags.

    ``only`` are patterns (``*``, ``?``, ``[…]``) of the bag paths to fetch, none for all. ``hosts``
    are hosts that files may come from beside those of the record's own source; ``*`` for any that
    is public. ``schemes`` are further schemes than http and https. ``file_root`` is the folder
    below which ``file:`` addresses may be read. ``mirrors`` are pairs of beginnings of addresses:
    what begins with the first is also looked for at the second. ``replace`` fetches files again
    that are here and wrong. ``max_size`` is the largest file to fetch, in bytes, 0 for any. Times
    are in seconds, as in :class:`~bagit_create.options.JobOptions`.
    """

    only: tuple[str, ...] = ()
    hosts: tuple[str, ...] = ()
    schemes: tuple[str, ...] = ()
    file_root: Path | None = None
    mirrors: tuple[tuple[str, str], ...] = ()
    replace: bool = False
    max_size: int = 0
    token: Secret | None = None
    cookies: Path | None = None
    proxy: Secret | None = None
    skipssl: bool = False
    jobs: int = DEFAULT_JOBS
    timeout: float = DEFAULT_TIMEOUT_S
    retries: int = DEFAULT_RETRIES
    max_wait: float = DEFAULT_MAX_WAIT_S
    config: Path | None = None

    def check(self) -> None:
        """Refuse what cannot work, naming everything that is wrong.

        :raises InputError: with one line a fault.
        """
        faults = list(self._faults())
        if faults:
            raise InputError("\n".join(faults), hint="bic complete --help")

    def _faults(self) -> Iterator[str]:
        for scheme in self.schemes:
            if scheme not in SCHEMES:
                yield f"--allow-scheme is one of {', '.join(SCHEMES)}; for files see --file-root."
        for host in self.hosts:
            if not _HOST.fullmatch(host):
                yield f"--allow-host takes the name of a host, or *: {host!r} is none."
        for old, new in self.mirrors:
            if not all(re.match(r"https?://[^/\s@]+", one) for one in (old, new)):
                yield "--mirror takes two http or https addresses: OLD=NEW."
        if self.file_root is not None and not self.file_root.is_dir():
            yield f"--file-root is not a folder: {self.file_root}."
        if self.proxy and not re.match(rf"({'|'.join(PROXY_SCHEMES)})://[^/\s]+", self.proxy.value):
            yield f"--proxy is an address that begins with one of {', '.join(PROXY_SCHEMES)}."
        if self.max_size < 0:
            yield "--max-size is a number of bytes, 0 for any."
        if self.jobs < 1:
            yield "--jobs is at least 1."
        if not 0 < self.timeout <= LONGEST_S:
            yield f"--timeout is a number of seconds above 0 and up to {LONGEST_S}."
        if self.retries < 0 or not 0 <= self.max_wait <= LONGEST_S:
            yield f"--retries and --max-wait are not negative, --max-wait up to {LONGEST_S}."
        if not all(self.only):
            yield "--only is empty."


def matches(path: str, patterns: tuple[str, ...]) -> bool:
    """Whether one matches the bag path, the path below data/content, or the name; none is all."""
    names = (path, path.removeprefix("data/content/"), os.path.basename(path))
    return not patterns or any(fnmatchcase(name, one) for one in patterns for name in names)
