"""Files by XRootD: ``xrdcp``, where it is installed, writes to a pipe that is read here.

Facts: xrootd.slac.stanford.edu, "xrdcp" manual. The path of a ``root://`` address is taken raw, so
percent-encoding is undone; a closed port would hang for minutes without the two settings below.
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
from collections.abc import Iterator
from tempfile import TemporaryFile
from urllib.parse import unquote

from ..checksums import BLOCK
from ..errors import TransferError
from ..model import FileEntry
from .watch import Silence

PUBLIC = ("root://eospublic.cern.ch/", "root://eosmedia.cern.ch/")
"""Servers of published files. On others, xrdcp would read with the rights of whoever runs this."""
SETTINGS = {"XRD_CONNECTIONWINDOW": "15", "XRD_CONNECTIONRETRY": "1"}


def addresses(entry: FileEntry) -> tuple[str, ...]:
    """The locations of a file that ``xrdcp`` may read, if it is installed."""
    found = tuple(url for url in entry.urls if url.startswith(PUBLIC))
    return found if found and shutil.which("xrdcp") else ()


def blocks(url: str, name: str, timeout: float) -> Iterator[bytes]:
    """The bytes of a file, as they arrive.

    :param timeout: seconds of silence after which the program is ended.
    :raises TransferError: with the program's own words.
    """
    command = ["xrdcp", "--nopbar", "--", unquote(url), "-"]
    with (
        TemporaryFile() as words,
        subprocess.Popen(
            command,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=words,
            env={**os.environ, **SETTINGS},
        ) as program,
    ):
        assert program.stdout is not None
        with Silence(program, timeout) as silence:
            while block := os.read(program.stdout.fileno(), BLOCK):
                silence.broken()
                yield block
            code = program.wait()
        words.seek(0)
        told = words.read(4096).decode("utf-8", "replace")
    if code:
        why = "it fell silent" if silence.ended else re.sub(r"\s+", " ", told).strip()[-300:]
        raise TransferError(
            "A file could not be read by XRootD.",
            where=f"{name} at {url}: {why or f'xrdcp ended with {code}'}",
            hint="try again later, or from a machine that EOS lets in",
        )
