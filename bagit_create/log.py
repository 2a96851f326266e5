"""Logging: one log a job, kept in the package, and nothing secret in any of them.

Each job has a :class:`JobLog`, found through a context variable, so that jobs in many threads of
one process never write into each other's package. What is logged also goes to the standard logger
``bagit_create``, whose handlers and level belong to the program that runs us.
"""

from __future__ import annotations

import logging
import re
import sys
import time
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from contextvars import ContextVar
from datetime import UTC, datetime
from pathlib import Path
from threading import Lock
from typing import TextIO

STANDARD = logging.getLogger("bagit_create")

#: The forerunner's old scale (0 to 3) and the constants of :mod:`logging`; both are accepted.
_OLD_SCALE = (logging.DEBUG, logging.INFO, logging.WARNING, logging.ERROR)

TELLING = 16
"""Characters from which a secret is no word that may stand anywhere by chance."""
_USER_INFO = re.compile(r"(?<=://)[^/\s@]*@")
_QUERY_SECRET = re.compile(
    r"(?i)(?<=[?&])((?:access_|resource-|access_request_|private_|job_)?token|apikey|api_key"
    r"|signature|x-amz-[a-z-]+|authz|password)=[^&#\s\"']*"
)


def level(value: int | None) -> int:
    """Turn a ``loglevel`` of either scale into one of :mod:`logging`; None is WARNING."""
    if value is None:
        return logging.WARNING
    if 0 <= value < len(_OLD_SCALE):
        return _OLD_SCALE[value]
    return value


class JobLog:
    """The log of one job: the file that becomes ``bagitcreate.log``; what never stands in it."""

    def __init__(self, threshold: int = logging.INFO, told: bool = True) -> None:
        self._threshold = threshold
        self._told = told
        self._lock = Lock()
        self._secrets: set[str] = set()
        self._lines: list[str] | None = []
        self._file: TextIO | None = None
        self._fault: OSError | None = None
        self.warnings: list[str] = []

    def hide(self, secret: str) -> None:
        """Never let this value appear."""
        if secret:
            self._secrets.add(secret)

    def in_any_of(self, files: Iterable[Path]) -> Path | None:
        """The first of these files that holds a secret of the job, if one does."""
        wanted = [one.encode() for one in self._secrets if len(one) >= TELLING]
        longest = max(map(len, wanted), default=0)
        for path in files if wanted else ():
            kept = b""
            with path.open("rb") as file:
                while block := file.read(1 << 20):
                    if any(one in kept + block for one in wanted):
                        return path
                    kept = block[-longest:]
        return None

    def redact(self, text: str) -> str:
        """``text`` without the job's secrets, user information and token parameters."""
        for secret in tuple(self._secrets):  # another thread may have one more to hide
            text = text.replace(secret, "********")
        return _QUERY_SECRET.sub(r"\1=********", _USER_INFO.sub("********@", text))

    def write_to(self, path: Path) -> None:
        """Write from now on to this file, what came before first."""
        with self._lock:
            self._file = path.open("w", encoding="utf-8", errors="backslashreplace", newline="\n")
            self._file.writelines(self._lines or ())
            self._lines = None

    def close(self) -> None:
        """End the file: nothing that comes later is written to it.

        :raises OSError: if not all of it could be written, now or before.
        """
        with self._lock:
            file, self._file, self._lines = self._file, None, None
            fault, self._fault = self._fault, None
            if file is not None:
                file.close()
        if fault is not None:
            raise fault

    def keeps(self, number: int) -> bool:
        """Whether messages of this level go anywhere."""
        return number >= self._threshold or self._told and STANDARD.isEnabledFor(number)

    def emit(self, number: int, text: str) -> None:
        """Add a message of the given level, redacted, with control characters made visible."""
        if not self.keeps(number):
            return
        text = visible(self.redact(text))
        if number >= logging.WARNING:
            self.warnings.append(text)
        if self._told:
            STANDARD.log(number, "%s", text)
        if number < self._threshold:
            return
        moment = datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
        line = f"{moment} {logging.getLevelName(number):<7} {text}\n"
        with self._lock:
            if self._file is not None:
                try:
                    self._file.write(line)
                except OSError as err:  # who speaks has other cares; who closes the file is told
                    self._fault = self._fault or err
            elif self._lines is not None:
                self._lines.append(line)


_job: ContextVar[JobLog | None] = ContextVar("bic_job", default=None)


@contextmanager
def job(loglevel: int | None = None, told: bool = True) -> Iterator[JobLog]:
    """Open the log of a job; messages of this context (and its copies) go there.

    :param told: whether they go to the standard logger, too.

    The package's log keeps at least what is ``info``, whatever the console shows. A package is made
    with a log that was closed before; that of any other run may break off.
    """
    one = JobLog(min(level(loglevel), logging.INFO), told)
    mark = _job.set(one)
    try:
        yield one
    finally:
        with suppress(OSError):
            one.close()
        _job.reset(mark)


def current() -> JobLog:
    """The log of the running job; a new one that goes nowhere if there is none."""
    return _job.get() or JobLog(sys.maxsize)


def is_followed() -> bool:
    """Whether anybody reads what :func:`debug` says: where that is much, nothing need be said."""
    return current().keeps(logging.DEBUG)


def debug(text: str) -> None:
    """For following a run in detail."""
    current().emit(logging.DEBUG, text)


def info(text: str) -> None:
    """A step of the run."""
    current().emit(logging.INFO, text)


def warning(text: str) -> None:
    """Something that the keeper of the package should know; it is repeated in the result."""
    current().emit(logging.WARNING, text)


def redact(text: str) -> str:
    """``text`` without the job's secrets, passwords and token parameters."""
    return current().redact(text)


def visible(text: str) -> str:
    """Show control characters (escape sequences, line breaks) instead of obeying them."""
    if text.isprintable():
        return text
    return "".join(c if c.isprintable() or c == " " else ascii(c)[1:-1] for c in text)


def readable(text: str) -> str:
    """A name as text that can be written down: bytes that are not UTF-8 become ``%XX``."""
    if is_text(text):
        return text
    raw = text.encode("utf-8", "surrogateescape" if _is_local(text) else "surrogatepass")
    return raw.decode("utf-8", "backslashreplace").replace("\\x", "%")


def is_text(text: str) -> bool:
    """Whether a name is Unicode text, without lone surrogates."""
    try:
        text.encode("utf-8")
    except UnicodeEncodeError:
        return False
    return True


def _is_local(text: str) -> bool:
    """Whether all lone surrogates stand for undecodable bytes of a local name (PEP 383)."""
    return all("\udc80" <= char <= "\udcff" for char in text if "\ud800" <= char <= "\udfff")


def now() -> int:
    """Unix seconds, as logs, audit steps and the names of packages carry them."""
    return int(time.time())
