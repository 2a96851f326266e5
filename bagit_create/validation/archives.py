"""Serialised bags (BagIt 0.97 section 4): tar, gzip, bzip2 and xz over it, and zip.

Nothing is unpacked to disk, nothing in an archive is trusted, and no archive inside is opened.
"""

from __future__ import annotations

import os
import stat
from pathlib import Path

from .archivebag import ArchiveBag
from .container import Container
from .findings import Findings
from .folder import FolderBag
from .inflate import compression
from .listing import EXTENSIONS, ArchiveFault, TooMuch, stem
from .machine import not_here
from .tarbag import CompressedTarBag, TarBag
from .tarheaders import BLOCK, is_header
from .zipbag import ZipBag
from .zipdirectory import find_end

__all__ = ["EXTENSIONS", "ArchiveFault", "TarBag", "ZipBag", "open_archive", "open_bag", "stem"]


class NoArchive(ArchiveFault):
    """The file is something else."""


def open_bag(path: Path, found: Findings, *, flat_ok: bool) -> Container | None:
    """Open a bag in a folder, or a serialised one as :func:`open_archive` does.

    :raises SipError: if this machine cannot read it here and now.
    """
    try:
        if path.is_dir():
            return FolderBag(path)
    except OSError as err:
        not_here(err, path)  # what else may be wrong is told as for an archive
    return open_archive(path, found, flat_ok=flat_ok)


def open_archive(path: Path, found: Findings, *, flat_ok: bool = False) -> Container | None:
    """Open a serialised bag and list it; close it in the end.

    :param found: gets what is wrong with the archive, now and when its files are read.
    :param flat_ok: whether the bag's files may stand at the top, as CERN's platform wants them in
        an upload: then that is a warning (C56) instead of an error (Z01).
    :returns: the bag; None if there is nothing in it to judge, which is a finding.
    :raises SipError: if this machine cannot read it here and now.
    """
    try:
        # Without waiting: what stands there may be a pipe.
        descriptor = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
    except OSError as err:
        not_here(err, path)
        found.error("Z07", path.name, f"cannot be read: {err.strerror}")
        return None
    bag: ArchiveBag | None = None
    usable = False
    try:
        bag = _list(path, descriptor, found)
        usable = bag.settle(flat_ok)
    except NoArchive as err:
        known = path.name.lower().endswith(EXTENSIONS)
        found.error("Z07" if known else "S01", path.name, f"not a folder, and {err.strerror}")
    except OSError as err:
        not_here(err, path)
        found.error("Z07", path.name, str(err.strerror))
    except TooMuch as err:
        found.error("Z06", path.name, str(err))
    finally:
        if bag is None:
            os.close(descriptor)
        elif not usable:
            bag.close()
    return bag if usable else None


def _list(path: Path, descriptor: int, found: Findings) -> ArchiveBag:
    """Look what kind of archive it is, by its content, and list it.

    :raises ArchiveFault: if it is none.
    """
    status = os.fstat(descriptor)
    if not stat.S_ISREG(status.st_mode):
        raise ArchiveFault("not a regular file")
    first = os.pread(descriptor, BLOCK, 0)
    named_zip = path.name.lower().endswith(".zip")
    if not named_zip:  # a zip archive may have anything before it, even a tar archive
        if is_header(first) or first == bytes(BLOCK):
            return TarBag(path, descriptor, found)
    if (form := compression(first)) is not None:
        return CompressedTarBag(path, descriptor, found, form)
    end = find_end(descriptor, status.st_size)
    if end is not None:
        return ZipBag(path, descriptor, found, end)
    if first.startswith(b"PK"):
        raise ArchiveFault("a zip archive without its end; it is cut short")
    if is_header(first):
        return TarBag(path, descriptor, found)
    raise NoArchive("neither a tar nor a zip archive")
