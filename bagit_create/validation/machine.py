"""What says nothing of a package: that this machine cannot read it here and now.

A file that is not there, is a folder, or that the disk does not give back is a fault of the
package, and becomes a finding. That this process has too many files open, or that a network file
system is away, is none: who took it for one would throw a good package away. Facts: the ERRORS
sections of open(2), read(2), stat(2), getdents(2); errno(3).
"""

from __future__ import annotations

import errno
import os
import resource
import tempfile
from pathlib import Path

from ..errors import SipError

_AWAY = "is the network file system it is on there? Mount it again, and repeat the command"
_LATER = "repeat the command"
_HINTS = {
    errno.ENFILE: "all programs of this machine together have too many files open: try again later",
    errno.ENOMEM: "this machine is short of memory: try again later, or use fewer --jobs",
    errno.EAGAIN: _LATER,
    errno.EBUSY: _LATER,
    errno.EINTR: _LATER,
    errno.ENOLCK: _LATER,
    errno.ECONNABORTED: _AWAY,
    errno.ECONNREFUSED: _AWAY,
    errno.ECONNRESET: _AWAY,
    errno.EHOSTDOWN: _AWAY,
    errno.EHOSTUNREACH: _AWAY,
    errno.ENETDOWN: _AWAY,
    errno.ENETUNREACH: _AWAY,
    errno.ENODEV: _AWAY,
    errno.ENOTCONN: _AWAY,
    errno.ESHUTDOWN: _AWAY,
    errno.ESTALE: _AWAY,
    errno.ETIMEDOUT: _AWAY,
}


def not_here(err: OSError, place: str | Path) -> None:
    """Refuse to judge a package where it is this machine that cannot read it.

    To be called before an error becomes a finding. EIO is none of these: the disk has the file and
    does not give it back.

    :param place: what was being read, if the error does not say.
    :raises SipError: if the error says nothing of the package; the same command may succeed later.
    """
    if err.errno == errno.EMFILE:
        most = resource.getrlimit(resource.RLIMIT_NOFILE)[0]
        hint = f"allow more than {most} ('ulimit -n'), or use fewer --jobs"
        reason = "this process may not open more files"
    elif err.errno in _HINTS:
        hint, reason = _HINTS[err.errno], (err.strerror or str(err)).lower()
    else:
        return
    raise SipError(
        f"The package cannot be checked here and now: {reason}.",
        where=os.fsdecode(err.filename or place),
        hint=hint,
        resumable=True,
    ) from err


def no_scratch(err: OSError) -> SipError:
    """The error for a temporary file that does not give back what was written to it."""
    return SipError(
        f"The package cannot be checked here and now: {(err.strerror or str(err)).lower()}.",
        where=f"a temporary file in {tempfile.gettempdir()}",
        hint="set TMPDIR to a folder on another disk",
        resumable=True,
    )
