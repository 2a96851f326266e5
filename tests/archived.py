"""Archives made by hand, good and bad, and what the reader makes of them."""

from __future__ import annotations

import bz2
import gzip
import hashlib
import io
import lzma
import os
import random
import struct
import tarfile
import zipfile
from collections.abc import Callable, Iterable
from functools import cache
from pathlib import Path

from bagit_create.validation import zipdirectory
from bagit_create.validation.archives import open_archive
from bagit_create.validation.container import Container, Kind
from bagit_create.validation.findings import Findings

BAGIT = b"BagIt-Version: 0.97\nTag-File-Character-Encoding: UTF-8\n"
BIG = random.Random(7).randbytes(600_000)
FILES = {
    "bagit.txt": BAGIT,
    "bag-info.txt": b"Bagging-Date: 2024-02-03\n",
    "manifest-md5.txt": b"(as good as any)\n",
    "data/content/a.txt": b"alpha",
    "data/content/sub/empty": b"",
    "data/content/sub/big.bin": BIG,
    "data/content/zeros": bytes(300_000),
    "data/meta/sip.json": b"{}",
}
ODD_NAMES = (
    "data/content/\u00e9t\u00e9.txt",
    "data/content/\U0001f9ea \U0001f3f3\ufe0f\u200d\U0001f308.txt",
    "data/content/a:b?*.txt",
    "data/content/line\nbreak",
    "data/content/" + "deep/" * 50 + "x" * 60,
    "data/content/" + "w" * 255,
    "data/content/" + "\u20ac" * 85,
    "data/content/ blank ",
    "data/content/-rf",
    "data/content/..hidden..",
)
Write = Callable[[Path, dict[str, bytes]], None]


def tar_bytes(files: dict[str, bytes], form: int = tarfile.PAX_FORMAT) -> bytes:
    """A plain tar archive with exactly these members, in this order."""
    made = io.BytesIO()
    with tarfile.open(fileobj=made, mode="w", format=form, encoding="utf-8") as tar:
        for name, content in files.items():
            one = tarfile.TarInfo(name)
            one.size = len(content)
            if name.endswith("/"):
                one.type = tarfile.DIRTYPE
            tar.addfile(one, io.BytesIO(content))
    return made.getvalue()


def zip_bytes(files: dict[str, bytes], method: int = zipfile.ZIP_DEFLATED) -> bytes:
    made = io.BytesIO()
    with zipfile.ZipFile(made, "w", method) as archive:
        for name, content in files.items():
            archive.writestr(zipfile.ZipInfo(name), content, method)
    return made.getvalue()


def zip_stream(files: dict[str, bytes]) -> bytes:
    """Written to a pipe: sizes stand behind the data."""

    class Pipe(io.BytesIO):
        def seekable(self) -> bool:
            return False

        def seek(self, *_: int) -> int:
            raise OSError

    made = Pipe()
    with zipfile.ZipFile(made, "w") as archive:
        for name, content in files.items():
            with archive.open(name, "w", force_zip64=True) as member:
                member.write(content)
    return made.getvalue()


FORMS: dict[str, tuple[str, Callable[[dict[str, bytes]], bytes]]] = {
    "pax": (".tar", tar_bytes),
    "gnu": (".tar", lambda files: tar_bytes(files, tarfile.GNU_FORMAT)),
    "gzip": (".tar.gz", lambda files: gzip.compress(tar_bytes(files))),
    "tgz": (".tgz", lambda files: gzip.compress(tar_bytes(files))),
    "bzip2": (".tar.bz2", lambda files: bz2.compress(tar_bytes(files))),
    "xz": (".tar.xz", lambda files: lzma.compress(tar_bytes(files))),
    "zip": (".zip", zip_bytes),
    "zip-stored": (".zip", lambda files: zip_bytes(files, zipfile.ZIP_STORED)),
    "zip-stream": (".zip", zip_stream),
}
BOTH = {name: FORMS[name] for name in ("pax", "zip")}


def in_base(files: dict[str, bytes], base: str = "bag") -> dict[str, bytes]:
    return {f"{base}/{name}": content for name, content in files.items()}


class Read:
    """What the reader makes of an archive: read to the last byte."""

    def __init__(self, path: Path, jobs: int = 2, flat_ok: bool = False) -> None:
        found = Findings()
        self.files: dict[str, tuple[int, str]] = {}
        self.failed: dict[str, str] = {}
        self.kinds: dict[str, Kind] = {}
        self.empty: set[str] = set()
        self.targets: dict[str, str] = {}
        self.name = ""
        bag = open_archive(path, found, flat_ok=flat_ok)
        self.usable = bag is not None
        if bag is not None:
            self._read(bag, jobs)
            bag.close()
        self.findings = found.all()
        self.errors = {one.id for one in self.findings if one.level == "error"}
        self.warnings = {one.id for one in self.findings if one.level == "warning"}

    def _read(self, bag: Container, jobs: int) -> None:
        self.name = bag.name
        members = list(bag.members(lambda *_: None))
        self.kinds = {one.path: one.kind for one in members}
        assert len(self.kinds) == len(members)
        self.empty = {one.path for one in members if one.empty}
        self.targets = {one.path: one.target for one in members if one.target}
        self.serialisation = bag.serialisation
        self.heads: dict[str, bytes] = {}
        self.read = 0
        wanted = [(one.path, one.size) for one in members if one.kind is Kind.FILE]

        def failed(path: str, err: OSError) -> None:
            self.failed[path] = str(err.strerror)

        def take(path: str, size: int, sums: Iterable[object], head: bytes) -> None:
            self.files[path] = (size, " ".join(map(str, sums)))
            self.heads[path] = head

        def advanced(count: int) -> None:
            self.read += count

        bag.digest_all(wanted, lambda _: ("md5", "sha1"), take, failed, jobs, advanced)
        assert {path for path, _ in wanted} == self.files.keys() | self.failed.keys()

    def said(self, number: str) -> str:
        """Where and what, of all findings with this id."""
        return "\n".join(f"{one.file}: {one.message}" for one in self.findings if one.id == number)


def expected(files: dict[str, bytes]) -> dict[str, tuple[int, str]]:
    return {
        name: (
            len(content),
            f"md5:{hashlib.md5(content).hexdigest()} sha1:{hashlib.sha1(content).hexdigest()}",
        )
        for name, content in files.items()
    }


def read(content: bytes, name: str, folder: Path, flat_ok: bool = False) -> Read:
    path = folder / name
    path.write_bytes(content)
    return Read(path, flat_ok=flat_ok)


@cache
def whole(form: str) -> bytes:
    """The usual bag in this form."""
    return FORMS[form][1](in_base(FILES))


def huge_zip(file: io.BufferedWriter, name: str, size: int, small: bytes) -> None:
    """Add a stored file of zeros to a zip archive, in the ZIP64 way, leaving a hole for it."""
    end = zipdirectory._END.unpack(small[-22:])
    directory = small[end[6] : end[6] + end[5]]
    file.write(small[: end[6]])
    raw = name.encode()
    offset = file.tell()
    full = 0xFFFFFFFF
    wide = struct.pack("<2HQQ", 1, 16, size, size)
    head = (45, 0, 0, 0, 33, 0, full, full, len(raw), len(wide))
    file.write(struct.pack("<4s5H3L2H", b"PK\3\4", *head) + raw + wide)
    file.seek(size, os.SEEK_CUR)
    start = file.tell()
    more = (45, 45, 0, 0, 0, 33, 0, full, full, len(raw), len(wide), 0, 0, 0, 0, offset)
    directory += struct.pack("<4s6H3L5H2L", b"PK\1\2", *more) + raw + wide
    file.write(directory)
    place = file.tell()
    file.write(
        struct.pack("<4sQ2H2L4Q", b"PK\6\6", 44, 45, 45, 0, 0, 2, 2, len(directory), start)
        + struct.pack("<4sLQL", b"PK\6\7", 0, place, 1)
        + struct.pack("<4s4H2LH", b"PK\5\6", 0, 0, 2, 2, full, full, 0)
    )


def fix_tar(content: bytes) -> bytes:
    """Make the headers' sums right again; all members are small."""
    made = bytearray(content)
    for place in range(0, len(made), 512):
        block = made[place : place + 512]
        if block[257:262] == b"ustar":
            block[148:156] = b" " * 8
            made[place + 148 : place + 156] = b"%06o\0 " % sum(block)
    return bytes(made)
