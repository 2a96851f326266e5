"""What can go wrong, as one tree. Each class carries the exit code of the command line.

BicError                    1   base; a bug if raised as itself
├── InputError              2   the request cannot be run
│   └── ConfigError         3   instances.toml, the user's own file, or a credential
├── UpstreamError           4   the source answered, but not usefully
│   ├── RecordNotFound      5   missing, deleted, or merged
│   ├── AccessDenied        6   restricted, or the credential was refused
│   └── Unreachable         7   network or overload after retries: a later run may succeed
├── TransferError           8   files missing or cut short
│   └── ChecksumMismatch    9
├── SipError               10   the package could not be written, or its name is taken
│   ├── NoRoom             10   the disk has no room for it
│   └── InvalidSip         11   written, but does not validate
└── Interrupted           130   Ctrl-C
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence

# CERN's platform looks for these digits anywhere in ``errormsg`` to decide on a retry.
_PARSED_BY_CALLERS = ("408", "429", "502", "503", "504")


MORE_FILES = "allow more open files ('ulimit -n'), or use fewer --jobs"
"""What to do where this process may open no more."""


class BicError(Exception):
    """Something went wrong that the reader of the message can understand.

    :param message: what happened, one sentence; it becomes ``errormsg`` of ``process()``.
    :param where: the address, path or field it happened at (never with a secret in it).
    :param hint: what to try next.
    :param http_status: the status that upstream answered with, where that is the cause.
    :param resumable: whether what was fetched so far is worth keeping for the next run.
    """

    exit_code = 1
    resumable = False

    def __init__(
        self,
        message: str,
        *,
        where: str = "",
        hint: str = "",
        http_status: int | None = None,
        resumable: bool | None = None,
    ) -> None:
        super().__init__(message)
        self.message = message
        self.where = where
        self.hint = hint
        self.http_status = http_status
        if resumable is not None:
            self.resumable = resumable

    def __str__(self) -> str:
        """Everything, on up to three lines, for a person."""
        lines = [self.message if self.http_status is None else self.headline()]
        if self.where:
            lines.append(f"  at: {self.where}")
        if self.hint:
            lines.append(f"  try: {self.hint}")
        return "\n".join(lines)

    def redact(self, redacted: Callable[[str], str]) -> None:
        """Have the job's secrets taken out of all that is told."""
        self.message, self.where, self.hint = map(redacted, (self.message, self.where, self.hint))
        self.args = (self.message,)

    def headline(self) -> str:
        """The status, if any, and the message: ``HTTP 404: No such record…``."""
        return (
            self.message if self.http_status is None else f"HTTP {self.http_status}: {self.message}"
        )

    def for_callers(self) -> str:
        """The text of ``errormsg``: the headline, safe for callers that search it for digits.

        A number that happens to contain 429 or 504 (a record id, a size, a port) would make CERN's
        platform retry a permanent error, so such numbers are masked. Only the leading status stays.
        """
        masked = re.sub(
            r"\d+",
            lambda m: "#" * len(m[0]) if any(code in m[0] for code in _PARSED_BY_CALLERS) else m[0],
            self.message,
        )
        return masked if self.http_status is None else f"HTTP {self.http_status}: {masked}"


class InputError(BicError):
    """The request cannot be run as it was put."""

    exit_code = 2


class ConfigError(InputError):
    """A configuration file or a credential is missing, unreadable or wrong."""

    exit_code = 3


class UpstreamError(BicError):
    """The source answered, but not with what was asked for.

    ``range_of`` is the size that the file has, where a part was asked for that it has not.
    """

    exit_code = 4
    range_of: int | None = None


class RecordNotFound(UpstreamError):
    """The record does not exist, was deleted, or became another one."""

    exit_code = 5


class AccessDenied(UpstreamError):
    """The record or its files are restricted, or the credential was refused."""

    exit_code = 6


class Unreachable(UpstreamError):
    """No usable answer after all retries; a later run may succeed."""

    exit_code = 7
    resumable = True


class TransferError(BicError):
    """A file is missing, cut short, or of another size than announced.

    ``withheld`` is set where upstream lists the file and will not hand it out: then a user may
    choose to do without it (``--allow-missing``). A file that arrives damaged is never withheld.
    """

    exit_code = 8
    withheld = False


class ChecksumMismatch(TransferError):
    """A file's bytes are not those that upstream announced."""

    exit_code = 9


class SipError(BicError):
    """The package could not be written."""

    exit_code = 10


class NoRoom(SipError):
    """The disk has no room for this package; a smaller one may fit."""

    resumable = True


class InvalidSip(SipError):
    """The package was written and does not validate.

    :param findings: one line each, what is wrong and where.
    """

    exit_code = 11

    def __init__(self, message: str, *, findings: Sequence[str] = (), where: str = "") -> None:
        super().__init__(message, where=where)
        self.findings = tuple(findings)

    def __str__(self) -> str:
        return "\n".join([super().__str__(), *(f"  - {line}" for line in self.findings[:20])])


class Interrupted(BicError):
    """The user pressed Ctrl-C."""

    exit_code = 130
    resumable = True
