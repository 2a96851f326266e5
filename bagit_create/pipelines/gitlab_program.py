"""git as a program: what it may know of this machine, its end with ours, and what its words mean.

Facts: git's documentation (git, git-config, gitcredentials), git/git ``http.c`` and ``sideband.c``.
The token travels in the environment, as a header that is bound to its host: not in an argument, an
address, or the clone's configuration. Nothing of the user's or the machine's configuration is read.
"""

from __future__ import annotations

import errno
import os
import re
import shutil
import signal
import subprocess
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from typing import IO

from .. import log
from ..answers import RETRIED
from ..errors import ConfigError, Interrupted, TransferError, Unreachable

Stopped = Callable[[], bool]
WORDS = 64 * 1024
"""Bytes of git's last words that are read: why it ended is said at the end."""
FOREIGN = ("SSH_ASKPASS", "XDG_CONFIG_HOME")
"""Variables that lead git to programs and files of the user's, besides its own GIT_*."""
_GUARDED = (
    'exec 3<&0 </dev/null; (read -r line <&3; kill -KILL 0) >/dev/null 2>&1 & exec "$0" "$@" 3<&-'
)
"""Becomes the program; what stays behind ends the whole process group once its input is closed.

We never write to that pipe, so it closes when we close it, or when we are killed, in whatever way.
A signal that the parent has died (PR_SET_PDEATHSIG) would miss git's own helpers, and is Linux's.
"""
_STATUS = re.compile(r"The requested URL returned error: (\d{3})\b")
_REFUSED = re.compile(
    r"^fatal: (?:Authentication failed for |could not read (?:Username|Password) for "
    r"|repository '.*' not found$)",
    re.MULTILINE,
)
_FULL = re.compile(r": (No space left on device|Disk quota exceeded)$", re.MULTILINE)


def start(
    command: Sequence[str | bytes],
    folder: str | None,
    settings: Mapping[str, str],
    words: IO[bytes] | None,
    reads: bool = False,
) -> subprocess.Popen[bytes]:
    """Start git in a process group of its own, which ends with us.

    :param words: where its own words go.
    :param reads: whether it reads its standard input, and so ends with us by itself.
    """
    git = shutil.which("git", path=settings.get("PATH"))
    if git is None:
        raise ConfigError(
            "git is not installed on this machine.",
            hint="install it, or make a light package (--dry-run), which needs none",
        )
    guard = [] if reads else ["/bin/sh", "-c", _GUARDED]
    return subprocess.Popen(
        [*guard, git, *command],
        cwd=folder,
        env=dict(settings),
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=words or subprocess.DEVNULL,
        start_new_session=True,  # its helpers end with it, and Ctrl-C comes to us alone
    )


def wait(program: subprocess.Popen[bytes], stopped: Stopped) -> bytes:
    """Wait for the end of a program, and return what nobody has read of its (short) output."""
    try:
        while program.poll() is None:
            if stopped():
                raise Interrupted("The run was ended while git was at work.")
            time.sleep(0.02)
    except BaseException:
        kill(program)
        raise
    assert program.stdin is not None and program.stdout is not None
    program.stdin.close()  # ends helpers that are left
    with program.stdout:
        return program.stdout.read()


def kill(program: subprocess.Popen[bytes]) -> None:
    """End a program and its helpers; they are a process group of their own."""
    with suppress(ProcessLookupError):
        os.killpg(program.pid, signal.SIGKILL)
    for stream in (program.stdin, program.stdout):
        if stream is not None:
            with suppress(OSError):
                stream.close()
    program.wait()


def failure(words: IO[bytes], url: str, hint: str) -> TransferError | Unreachable | OSError:
    """What git's words mean. What the server has it say is shown, and not believed.

    :returns: a :class:`TransferError` that is withheld, for what the server refuses;
        :class:`Unreachable` for what may pass; an :class:`OSError` for a disk that is full.
    """
    words.seek(max(0, words.seek(0, os.SEEK_END) - WORDS))
    text = words.read().decode("utf-8", "replace")
    told = log.redact(" ".join(text.split()))[-400:]
    own = _own(text)
    if full := _FULL.search(own):
        number = errno.ENOSPC if full[1].startswith("No space") else errno.EDQUOT
        return OSError(number, os.strerror(number))
    found = _STATUS.search(own)
    status = int(found[1]) if found else None
    where = f"{url}: {told or 'git gave no reason'}"
    if _REFUSED.search(own) or (status and 300 <= status < 500 and status not in RETRIED):
        error = TransferError(
            "The repository was refused or is not there.",
            where=where,
            hint=hint,
            http_status=status,
        )
        error.withheld = True
        return error
    return Unreachable(
        "The repository could not be cloned.",
        where=where,
        hint="try again later",
        http_status=status,
    )


def _own(text: str) -> str:
    """git's words without those that it repeats of the server's (lines, or all that follows)."""
    lines = text.partition("fatal: remote error:")[0].split("\n")
    return "\n".join(line for line in lines if not line.startswith("remote:"))


def environment(
    url: str, authorization: str | None, timeout: float, proxy: str, skipssl: bool
) -> dict[str, str]:
    """The environment for git: ours, without what leads it to settings or secrets of the user's.

    :param url: the server's address; ``authorization`` is sent to its origin only.
    :param timeout: seconds without a byte after which git gives up.
    :param proxy: the one to go through, ``""`` for none, whatever the environment says.
    """
    made = {
        name: value
        for name, value in os.environ.items()
        if not name.startswith("GIT_")
        and not name.lower().endswith("_proxy")
        and name not in FOREIGN
    }
    scheme = url.partition(":")[0]
    host = "/".join(url.split("/")[:3])
    config = {
        "core.hooksPath": os.devnull,
        "credential.helper": "",
        "http.followRedirects": "false",  # it would send the header there, too
        "http.lowSpeedLimit": "1",
        "http.lowSpeedTime": str(max(1, int(timeout))),
        "http.proxy": proxy,
    }
    if authorization:
        config[f"http.{host}/.extraHeader"] = f"Authorization: {authorization}"
    if skipssl:
        config["http.sslVerify"] = "false"
    authorities = made.get("REQUESTS_CA_BUNDLE") or made.get("SSL_CERT_FILE")
    if authorities:
        config["http.sslCAInfo"] = authorities
    made |= {
        "GIT_ALLOW_PROTOCOL": scheme,
        "GIT_ASKPASS": "",
        "GIT_ATTR_NOSYSTEM": "1",
        "GIT_CONFIG_GLOBAL": os.devnull,
        "GIT_CONFIG_NOSYSTEM": "1",
        "GIT_LFS_SKIP_SMUDGE": "1",
        "GIT_NO_REPLACE_OBJECTS": "1",
        "GIT_TERMINAL_PROMPT": "0",
        "GIT_CONFIG_COUNT": str(len(config)),
        "HOME": os.devnull,  # without it, ~/.netrc is looked for where the system says
        "LC_ALL": "C",
    }
    for number, (key, value) in enumerate(config.items()):
        made |= {f"GIT_CONFIG_KEY_{number}": key, f"GIT_CONFIG_VALUE_{number}": value}
    return made
