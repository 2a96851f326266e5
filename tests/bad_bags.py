"""Bags with one defect each, or with one legal oddity, and what must be said about them.

The ids are those of the catalogue. Every bag starts as a good one; a damage is done to it, and it
is sealed again, so that nothing but that defect is left. Nothing here knows the validator.
"""

from __future__ import annotations

import gzip
import hashlib
import io
import os
import re
import shutil
import stat
import struct
import tarfile
import warnings
import zipfile
import zlib
from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import partial
from itertools import chain
from pathlib import Path
from typing import Any

Damage = Callable[[Path], object]

OLD = "0.97"
NEW = "1.0"
BOTH = (OLD, NEW)
ONE = ("sha256",)
TWO = ("sha256", "sha512")
BOM = b"\xef\xbb\xbf"
FILES = {"data/a.txt": b"alpha\n", "data/b.txt": b"beta\n", "data/sub/c.txt": b"gamma\n"}
"""The payload of the good bag: lines 1, 2 and 3 of each manifest."""
INFO = "Bagging-Date: 2024-02-29\nExternal-Description: Three small files\n"
OXUM = 3
"""The line of bag-info.txt with the Payload-Oxum, which is the last."""
NEXT = 4
"""The first line after those of the good bag, in manifests and in bag-info.txt."""


@dataclass(frozen=True)
class Case:
    """A package, and what a validator must find in it."""

    name: str
    make: Callable[[Path], Path]
    """Makes it in an empty folder, and returns what to validate."""
    verdict: str
    """valid, incomplete or invalid; nothing if either is right."""
    ids: tuple[str, ...] = ()
    """All of these are found; ``A|B`` is for either of two, ``*`` for any."""
    level: str = "error"
    """The level of the findings with these ids."""
    where: str = ""
    """The place of one of these findings: a file, or a file and a line, ``file:line``."""
    also: tuple[str, ...] = ()
    """What may be said besides; every other error is a false accusation."""
    clean: bool = False
    """Nothing above information is allowed but ``ids`` and ``also``."""
    special: bool = False
    """It may hang whoever opens what is in it."""
    readable: bool = True
    """False if only somebody other than root sees the defect."""
    secret: str = ""
    """What the output must not show."""


# -- a good bag ---------------------------------------------------------------------------------


def good_bag(path: Path, version: str = OLD, algorithms: tuple[str, ...] = ONE) -> Path:
    """Make a small bag in which nothing is wrong, with a tag manifest for every manifest."""
    for name, content in FILES.items():
        put(path, name, content)
    declare(version)(path)
    put(path, "bag-info.txt", INFO + f"Payload-Oxum: {oxum(path)}\n")
    for algorithm in algorithms:
        put(path, f"manifest-{algorithm}.txt", "")
        put(path, f"tagmanifest-{algorithm}.txt", "")
    relist(path)
    seal(path)
    return path


def digest(algorithm: str, content: bytes) -> str:
    """The digest as manifests have it."""
    return hashlib.new(algorithm, content).hexdigest()


def sha(content: bytes) -> str:
    """The digest that most manifests here are of."""
    return digest("sha256", content)


ZERO = "0" * 64
A, B, C = (sha(content) for content in FILES.values())


def put(bag: Path, name: str, content: bytes | str = b"x\n") -> Path:
    """Write a file below the bag."""
    path = bag / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content if isinstance(content, bytes) else encoded(content))
    return path


def encoded(text: str, encoding: str = "utf-8") -> bytes:
    """Text for a tag file; names that are no text stay the bytes they are."""
    return text.encode(encoding, "surrogateescape")


def regular(bag: Path) -> list[str]:
    """Every regular file below the bag, sorted; links to files count as what they lead to."""
    found = []
    for top, _, names in os.walk(bag):
        for name in names:
            path = Path(top) / name
            if path.is_file():
                found.append(path.relative_to(bag).as_posix())
    return sorted(found)


def payload(bag: Path) -> list[str]:
    """The files of the payload."""
    return [name for name in regular(bag) if name.startswith("data/")]


def tag_files(bag: Path) -> list[str]:
    """The files that a tag manifest lists."""
    return [name for name in regular(bag) if not re.match("data/|tagmanifest-", name)]


def manifests(bag: Path, prefix: str = "") -> dict[str, str]:
    """Names of the manifests whose algorithm is known, and that algorithm."""
    names = (one for one in bag.glob(f"{prefix}manifest-*.txt") if one.is_file())
    found = {one.name: re.sub("[^a-z0-9]", "", one.stem.partition("-")[2].lower()) for one in names}
    return {
        name: found[name] for name in sorted(found) if found[name] in hashlib.algorithms_available
    }


def oxum(bag: Path) -> str:
    """The right Payload-Oxum of what is here."""
    real = bag.resolve()
    files = (bag / name for name in payload(bag))
    sizes = [path.stat().st_size for path in files if path.resolve().is_relative_to(real)]
    return f"{sum(sizes)}.{len(sizes)}"


def spelled(bag: Path, name: str) -> str:
    """A path as a manifest of the bag's version has it."""
    told = bag / "bagit.txt"
    if not told.is_file() or b": 1.0" not in told.read_bytes():
        return name
    return name.replace("%", "%25").replace("\r", "%0D").replace("\n", "%0A")


def listing(bag: Path, algorithm: str, names: list[str]) -> str:
    """The lines of a manifest."""
    return "".join(
        f"{digest(algorithm, (bag / name).read_bytes())}  {spelled(bag, name)}\n" for name in names
    )


def relist(bag: Path) -> None:
    """Make the payload manifests fit the payload."""
    for name, algorithm in manifests(bag).items():
        put(bag, name, listing(bag, algorithm, payload(bag)))


def seal(bag: Path) -> None:
    """Make the tag manifests fit the tag files."""
    for name, algorithm in manifests(bag, "tag").items():
        put(bag, name, listing(bag, algorithm, tag_files(bag)))


def recount(bag: Path) -> None:
    """Make Payload-Oxum fit the payload."""
    path = bag / "bag-info.txt"
    path.write_bytes(re.sub(rb"(?<=Payload-Oxum: )\d+\.\d+", oxum(bag).encode(), path.read_bytes()))


def bag(
    damage: Damage, version: str = OLD, algorithms: tuple[str, ...] = ONE, sealed: bool = True
) -> Callable[[Path], Path]:
    """The maker of a bag that was good before.

    Unless the damage is to bag-info.txt itself, or files are elsewhere, Payload-Oxum fits.
    """

    def make(folder: Path) -> Path:
        path = good_bag(folder / "bag", version, algorithms)
        info = path / "bag-info.txt"
        before = info.read_bytes()
        damage(path)
        if sealed:
            kept = info.is_file() and not info.is_symlink() and info.read_bytes() == before
            moved = (path / "data").is_symlink() or (path / "fetch.txt").exists()
            if kept and not moved:
                recount(path)
            seal(path)
        return path

    return make


# -- damages ------------------------------------------------------------------------------------


def declare(version: str, encoding: str = "UTF-8") -> Damage:
    """Another bagit.txt."""
    return write(
        "bagit.txt", f"BagIt-Version: {version}\nTag-File-Character-Encoding: {encoding}\n"
    )


def write(name: str, content: bytes | str = b"x\n") -> Damage:
    """A file that no payload manifest knows."""
    return lambda bag: put(bag, name, content)


def add(*names: str, content: bytes | str = b"x\n") -> Damage:
    """Files that every payload manifest lists as it should."""

    def change(bag: Path) -> None:
        for name in names:
            put(bag, name, content)
        relist(bag)

    return change


def edit(name: str, old: bytes | str, new: bytes | str) -> Damage:
    """Something else in a tag file, once."""
    before, after = (one if isinstance(one, bytes) else encoded(one) for one in (old, new))

    def change(bag: Path) -> None:
        content = (bag / name).read_bytes()
        assert before in content, f"{before!r} is not in {name}"
        put(bag, name, content.replace(before, after, 1))

    return change


def append(name: str, text: bytes | str) -> Damage:
    """More at the end of a tag file."""
    more = text if isinstance(text, bytes) else encoded(text)
    return lambda bag: put(bag, name, (bag / name).read_bytes() + more)


def prepend(name: str, text: bytes | str) -> Damage:
    """More at the beginning of a tag file."""
    more = text if isinstance(text, bytes) else encoded(text)
    return lambda bag: put(bag, name, more + (bag / name).read_bytes())


def line(text: bytes | str, name: str = "manifest-sha256.txt") -> Damage:
    """One more line in a manifest, the fourth."""
    return append(name, (text if isinstance(text, bytes) else encoded(text)) + b"\n")


def respell(old: str, new: str) -> Damage:
    """Another spelling of a path in every payload manifest."""

    def change(bag: Path) -> None:
        for name in manifests(bag):
            edit(name, f"  {old}\n", f"  {new}\n")(bag)

    return change


def rename(old: str, new: str) -> Damage:
    """Another name on disk only."""

    def change(bag: Path) -> None:
        (bag / new).parent.mkdir(parents=True, exist_ok=True)
        (bag / old).rename(bag / new)

    return change


def remove(*names: str) -> Damage:
    """Files or folders less."""

    def change(bag: Path) -> None:
        for name in names:
            path = bag / name
            shutil.rmtree(path) if path.is_dir() and not path.is_symlink() else path.unlink()

    return change


def unlist(path: str, *names: str) -> Damage:
    """A file that some manifests do not list."""

    def change(bag: Path) -> None:
        for name in names:
            edit(name, listing(bag, manifests(bag)[name], [path]), "")(bag)

    return change


def link(name: str, target: str) -> Damage:
    """A symbolic link, with whatever text."""

    def change(bag: Path) -> None:
        (bag / name).parent.mkdir(parents=True, exist_ok=True)
        (bag / name).symlink_to(target)

    return change


def special(name: str, kind: int = stat.S_IFIFO) -> Damage:
    """A FIFO or a socket, in place of whatever was there."""

    def change(bag: Path) -> None:
        (bag / name).unlink(missing_ok=True)
        os.mknod(bag / name, kind | 0o600)

    return change


def outside(name: str, content: bytes = b"secret\n") -> Damage:
    """A file beside the bag."""
    return lambda bag: put(bag.parent, name, content)


def then(*damages: Damage) -> Damage:
    """One after the other."""

    def change(bag: Path) -> None:
        for one in damages:
            one(bag)

    return change


def mode(name: str, bits: int) -> Damage:
    """Other permissions."""
    return lambda bag: (bag / name).chmod(bits)


def info(*lines: str) -> Damage:
    """More elements in bag-info.txt, from line 4 on."""
    return append("bag-info.txt", "".join(f"{one}\n" for one in lines))


def instead_of_oxum(text: str) -> Damage:
    """Something else on line 3 of bag-info.txt."""
    return edit("bag-info.txt", "Payload-Oxum: 17.3\n", text)


# -- cases --------------------------------------------------------------------------------------


def _cases(
    verdict: str,
    level: str,
    name: str,
    damage: Damage,
    ids: str = "",
    where: str = "",
    *,
    also: str = "",
    versions: tuple[str, ...] = BOTH,
    algorithms: tuple[str, ...] = ONE,
    sealed: bool = True,
    special: bool = False,
    readable: bool = True,
    oxum: bool = True,
    secret: str = "",
) -> list[Case]:
    return [
        Case(
            f"{version}: {name}",
            bag(damage, version, algorithms, sealed),
            verdict,
            tuple(ids.split()),
            level,
            where,
            (*also.split(), *(() if oxum else ("I05",))),
            verdict != "invalid",
            special,
            readable,
            secret,
        )
        for version in versions
    ]


wrong = partial(_cases, "invalid", "error")
"""An error, and no other."""
odd = partial(_cases, "valid", "warning")
"""Valid, with a warning, and no other."""
fine = partial(_cases, "valid", "information")
"""Valid without a warning; perhaps with a remark."""
light = partial(_cases, "incomplete", "warning")
"""Sound, with files to be fetched, perhaps with a warning."""
noted = partial(_cases, "incomplete", "information")
"""The same, with a remark."""

AT_OLD = (OLD,)
AT_NEW = (NEW,)

VERSION = "BagIt-Version: "
ENCODING = "Tag-File-Character-Encoding: UTF-8\n"


def told(text: bytes | str) -> Damage:
    """Another bagit.txt altogether."""
    return write("bagit.txt", text)


def in_encoding(name: str, codec: str, mark: bytes = b"") -> Damage:
    """All tag files in another encoding, as bagit.txt says."""

    def change(bag: Path) -> None:
        declare(OLD if b"0.97" in (bag / "bagit.txt").read_bytes() else NEW, name)(bag)
        recount(bag)
        info = (bag / "bag-info.txt").read_bytes().decode()
        put(bag, "bag-info.txt", mark + encoded(info + "Contact-Name: Zo\u00eb\n", codec))
        for prefix, files in (("", payload), ("tag", tag_files)):
            for one, algorithm in manifests(bag, prefix).items():
                put(bag, one, mark + encoded(listing(bag, algorithm, files(bag)), codec))

    return change


def line_ends(end: bytes) -> Damage:
    """Other line ends in every tag file."""

    def change(bag: Path) -> None:
        for names in (tag_files, lambda bag: manifests(bag, "tag")):
            for one in names(bag):
                put(bag, one, (bag / one).read_bytes().replace(b"\n", end))
            if names is tag_files:
                seal(bag)

    return change


DECLARATION = (
    wrong("no bagit.txt", remove("bagit.txt"), "D01", "bagit.txt"),
    wrong("bagit.txt with a byte-order mark", prepend("bagit.txt", BOM), "D02", "bagit.txt:1"),
    wrong(
        "a byte in bagit.txt that is not UTF-8",
        edit("bagit.txt", "UTF-8\n", b"UTF-8\xff\n"),
        "D03",
        "bagit.txt:2",
        also="D12",
    ),
    wrong(
        "bagit.txt in UTF-16",
        told(encoded(f"{VERSION}0.97\nTag-File-Character-Encoding: UTF-16\n", "utf-16")),
        "D03",
        "bagit.txt",
        also="D02 D04 D05 D06 D07 D08 D09 D10",
        versions=AT_OLD,
    ),
    wrong("bagit.txt without the version", told(ENCODING), "D04", "bagit.txt:1", also="D05 D06"),
    wrong("an empty bagit.txt", told(""), "D04", "bagit.txt", also="D05", versions=AT_NEW),
    wrong(
        "bagit.txt without the encoding",
        edit("bagit.txt", ENCODING, ""),
        "D05",
        "bagit.txt",
    ),
    wrong(
        "something else where the version is expected",
        told(f"Version: 1.0\n{ENCODING}"),
        "D04",
        "bagit.txt:1",
        versions=AT_NEW,
    ),
    wrong(
        "the lines of bagit.txt swapped",
        told(f"{ENCODING}{VERSION}0.97\n"),
        "D06",
        "bagit.txt",
        also="D04 D05",
        versions=AT_OLD,
    ),
    wrong(
        "the lines of bagit.txt swapped",
        told(f"{ENCODING}{VERSION}1.0\n"),
        "D06",
        "bagit.txt",
        also="D04 D05",
        versions=AT_NEW,
    ),
    wrong("a third line in bagit.txt", append("bagit.txt", "Foo: bar\n"), "D07", "bagit.txt:3"),
    # Exactly two lines are due, and an empty one is a line.
    wrong("an empty third line in bagit.txt", append("bagit.txt", "\n"), "D07", "bagit.txt:3"),
    wrong(
        "the version twice",
        told(f"{VERSION}0.97\n{VERSION}0.97\n{ENCODING}"),
        "D08",
        "bagit.txt:2",
        also="D07",
        versions=AT_OLD,
    ),
    wrong(
        "the version twice and no encoding",
        told(f"{VERSION}1.0\n{VERSION}1.0\n"),
        "D08",
        "bagit.txt:2",
        also="D05",
        versions=AT_NEW,
    ),
    wrong("the encoding twice", append("bagit.txt", ENCODING), "D08", "bagit.txt:3", also="D07"),
    *(
        wrong(f"version {one!r}", declare(one), "D09", "bagit.txt:1", versions=AT_OLD)
        for one in (".97", "1", "1.", "1.0.0", "v1.0", "0,97", "one.zero", "0.97 (draft)")
    ),
    wrong(
        "a version in Arabic digits",
        declare("\u0661.\u0660"),
        "D09",
        "bagit.txt:1",
        versions=AT_NEW,
    ),
    *(
        wrong(f"version {one}", declare(one), "D11", "bagit.txt:1", versions=AT_OLD)
        for one in ("2.0", "0.98", "1.1", "0.10", "0.92", "0.970", "10.0")
    ),
    *chain.from_iterable(
        (
            wrong(
                f"{text} in bagit.txt",
                told(f"{first.format(NEW)}\n{second}\n"),
                "D10",
                where,
                versions=AT_NEW,
            ),
            odd(
                f"{text} in bagit.txt",
                told(f"{first.format(OLD)}\n{second}\n"),
                "D10",
                where,
                versions=AT_OLD,
            ),
        )
        for text, first, second, where in (
            ("a space before the colon", "BagIt-Version : {}", ENCODING[:-1], "bagit.txt:1"),
            ("nothing after the colon", "BagIt-Version:{}", ENCODING[:-1], "bagit.txt:1"),
            ("two spaces after the colon", "BagIt-Version:  {}", ENCODING[:-1], "bagit.txt:1"),
            ("a space after the version", "BagIt-Version: {} ", ENCODING[:-1], "bagit.txt:1"),
            ("a space after the encoding", "BagIt-Version: {}", ENCODING[:-1] + " ", "bagit.txt:2"),
            (
                "nothing after the second colon",
                "BagIt-Version: {}",
                "Tag-File-Character-Encoding:UTF-8",
                "bagit.txt:2",
            ),
        )
    ),
    *(
        wrong(f"encoding {one}", declare(OLD, one), "D12", "bagit.txt:2", versions=AT_OLD)
        for one in ("nobody-knows", "rot13", "base64", "idna", "punycode", "unicode_escape", "zlib")
    ),
    wrong("encoding rot13", declare(NEW, "rot13"), "D12", "bagit.txt:2", versions=AT_NEW),
    wrong("encoding ISO-8859-12", declare(NEW, "ISO-8859-12"), "D12", versions=AT_NEW),
    fine("encoding utf-8 in small letters", declare(OLD, "utf-8"), versions=AT_OLD),
    fine("encoding US-ASCII", declare(OLD, "US-ASCII"), "D13", "bagit.txt:2", versions=AT_OLD),
    fine(
        "tag files in ISO-8859-1",
        then(add("data/caf\u00e9.txt"), in_encoding("ISO-8859-1", "latin-1")),
        "D13",
        "bagit.txt:2",
        sealed=False,
        algorithms=TWO,
    ),
    fine("tag files in latin1", in_encoding("latin1", "latin-1"), "D13", sealed=False),
    fine("tag files in Windows-1252", in_encoding("windows-1252", "cp1252"), "D13", sealed=False),
    fine(
        "tag files in UTF-16 with a byte-order mark, big end first",
        in_encoding("UTF-16", "utf-16-be", b"\xfe\xff"),
        "D13",
        sealed=False,
    ),
    fine(
        "tag files in UTF-16 with a byte-order mark, little end first",
        then(add("data/\u010a\u0d0a.txt"), in_encoding("UTF-16", "utf-16-le", b"\xff\xfe")),
        "D13",
        sealed=False,
    ),
    fine("tag files in UTF-16LE", in_encoding("UTF-16LE", "utf-16-le"), "D13", sealed=False),
    fine(
        "names in KOI8-R in the manifest",
        then(
            add("data/\u0434\u0430.txt"),
            declare(NEW, "KOI8-R"),
            lambda bag: put(
                bag, "manifest-sha256.txt", encoded(listing(bag, "sha256", payload(bag)), "koi8-r")
            ),
        ),
        "D13",
        versions=AT_NEW,
    ),
    odd(
        "the label BagIt-version",
        edit("bagit.txt", "BagIt-V", "BagIt-v"),
        "D14",
        "bagit.txt:1",
        versions=AT_OLD,
    ),
    wrong(
        "the label BagIt-version",
        edit("bagit.txt", "BagIt-V", "BagIt-v"),
        "D14",
        "bagit.txt:1",
        versions=AT_NEW,
    ),
    fine("no line end after the last line of bagit.txt", edit("bagit.txt", "8\n", "8"), "D15"),
    wrong("bagit.txt of 2 kB", append("bagit.txt", "x" * 2000), "D16", also="D07"),
    wrong(
        "bagit.txt is a link to a file in the bag",
        then(rename("bagit.txt", "notes/b.txt"), link("bagit.txt", "notes/b.txt")),
        "D16",
        "bagit.txt",
        also="D01",
    ),
    wrong(
        "bagit.txt is a folder",
        then(remove("bagit.txt"), write("bagit.txt/x")),
        "D16",
        "bagit.txt",
        also="D01",
        versions=AT_OLD,
    ),
    wrong(
        "bagit.txt is a FIFO",
        special("bagit.txt"),
        "D16",
        "bagit.txt",
        also="D01 S15",
        versions=AT_OLD,
        special=True,
    ),
    fine("a bag with bag-info.txt", declare("0.96"), versions=("0.96",)),
    *(
        fine(
            "a bag with package-info.txt",
            then(remove("bag-info.txt"), write("package-info.txt", "Packing-Date: 2008-05-30\n")),
            versions=(one,),
        )
        for one in ("0.93", "0.94", "0.95")
    ),
    fine("CR line ends in every tag file", line_ends(b"\r"), sealed=False, algorithms=TWO),
    fine("CRLF line ends in every tag file", line_ends(b"\r\n"), sealed=False, algorithms=TWO),
)


# -- structure and files ------------------------------------------------------------------------


def empty(folder: Path) -> Path:
    """A folder with nothing in it."""
    (folder / "empty").mkdir()
    return folder / "empty"


def nested(folder: Path) -> Path:
    """A folder with a bag in it."""
    good_bag(folder / "outer/inner")
    return folder / "outer"


def second(algorithm: str, value: Callable[[bytes], str], *, alone: bool = False) -> Damage:
    """A manifest of an algorithm that hashlib does not have, beside the known one or instead."""

    def change(bag: Path) -> None:
        lines = (f"{value(content)}  {name}\n" for name, content in FILES.items())
        put(bag, f"manifest-{algorithm}.txt", "".join(lines))
        if alone:
            remove("manifest-sha256.txt")(bag)

    return change


def adler(content: bytes) -> str:
    """Eight digits."""
    return f"{zlib.adler32(content):08x}"


def shake(content: bytes) -> str:
    """A digest that could have any length."""
    return hashlib.shake_128(content).hexdigest(16)


def in_name(old: str, new: str) -> Damage:
    """Another name for a file, on disk and in every manifest."""
    return then(rename(old, new), relist)


OUTSIDE = f"{sha(b'secret' + bytes([10]))}  "
"""How a manifest line begins that is right about the file outside."""

STRUCTURE = (
    [
        Case(
            "a file instead of a folder", lambda folder: put(folder, "x", "y"), "invalid", ("S01",)
        ),
        Case("an empty folder", empty, "invalid", ("D01",), also=("S02", "S04")),
        Case(
            "a folder with a bag in it",
            nested,
            "invalid",
            ("S01",),
            also=("D01", "S02", "S04"),
        ),
    ],
    wrong(
        "no data/ and nothing listed",
        then(remove("data"), write("manifest-sha256.txt", "")),
        "S02",
        "data",
    ),
    wrong("no data/", remove("data"), "S02", "data", also="M01"),
    wrong(
        "data is a file",
        then(remove("data"), write("data"), write("manifest-sha256.txt", "")),
        "S03",
        "data",
        also="S02",
    ),
    wrong(
        "data is a link out of the bag, and everything fits",
        then(rename("data", "../elsewhere"), link("data", "../elsewhere")),
        "S03",
        "data",
        also="M01 S02 S17 S18 I05",
    ),
    wrong(
        "data is a link to a folder in the bag",
        then(rename("data", "files"), link("data", "files")),
        "S03",
        "data",
        also="M01 S02 S18 I05",
    ),
    wrong("no payload manifest", remove("manifest-sha256.txt"), "S04", also="M02"),
    wrong(
        "only a manifest of an unknown algorithm",
        second("foo42", lambda content: "0f" * 21, alone=True),
        "S05",
        also="S04",
    ),
    odd(
        "a manifest of an unknown algorithm beside a known one",
        second("foo42", lambda content: "0f" * 21),
        "S06",
        "manifest-foo42.txt",
    ),
    odd(
        "a tag manifest of an unknown algorithm beside a known one",
        lambda bag: put(bag, "tagmanifest-foo42.txt", f"{'0f' * 21}  manifest-sha256.txt\n"),
        "S06",
        "tagmanifest-foo42.txt",
        also="T07",
        versions=AT_OLD,
    ),
    *(
        row(
            f"manifest-{name}.txt",
            rename("manifest-sha256.txt", f"manifest-{name}.txt"),
            "S07",
            f"manifest-{name}.txt",
            versions=(version,),
        )
        for row, version in ((odd, OLD), (wrong, NEW))
        for name in ("SHA256", "sha-256")
    ),
    wrong(
        "a wrong digest in manifest-SHA256.txt",
        then(rename("manifest-sha256.txt", "manifest-SHA256.txt"), write("data/a.txt", "alphA\n")),
        "M03",
        "manifest-SHA256.txt:1",
        versions=AT_OLD,
    ),
    wrong(
        "two manifests for one algorithm",
        lambda bag: shutil.copy(bag / "manifest-sha256.txt", bag / "manifest-SHA256.txt"),
        "S08",
        also="S07",
    ),
    wrong(
        "only a digest without fixed length",
        second("shake128", shake, alone=True),
        "S09",
        "manifest-shake128.txt",
        also="S04 S05",
    ),
    wrong(
        "manifest-shake_128.txt beside a good one",
        second("shake_128", shake),
        "S09",
        "manifest-shake_128.txt",
        also="S07",
    ),
    wrong("only adler32", second("adler32", adler, alone=True), "S10", also="S04 S05"),
    wrong(
        "crc32 beside a good one",
        second("crc32", lambda content: f"{zlib.crc32(content):08x}"),
        "S10",
        "manifest-crc32.txt",
    ),
    fine(
        "an empty payload",
        then(remove(*FILES), remove("data/sub"), relist),
        "S11",
    ),
    fine(
        "an empty folder in the payload",
        lambda bag: (bag / "data/empty").mkdir(),
        "S12",
        "data/empty",
    ),
    fine(
        "a file outside data/ that no tag manifest lists",
        write("notes/readme.txt"),
        "S13|T08",
        "notes/readme.txt",
        sealed=False,
    ),
    fine("a tag folder that the tag manifest lists", write("notes/readme.txt")),
    *(
        odd(
            f"{name}, listed",
            add(f"data/{name}"),
            "S14",
            "" if "/" in name else f"data/{name}",
            versions=versions,
        )
        for name, versions in (
            (".DS_Store", BOTH),
            ("Thumbs.db", AT_OLD),
            ("sub/desktop.ini", AT_OLD),
            ("._a.txt", AT_OLD),
            (".Spotlight-V100/store.db", AT_OLD),
            (".Trashes/501/x", AT_OLD),
            (".fseventsd/0001", AT_OLD),
        )
    ),
    *(
        wrong(
            f"{name}, not listed",
            write(f"data/{name}"),
            "S14",
            "" if "/" in name else f"data/{name}",
            also="M02",
            versions=versions,
        )
        for name, versions in (
            (".DS_Store", BOTH),
            ("Thumbs.db", AT_OLD),
            (".Spotlight-V100/store.db", AT_OLD),
        )
    ),
    fine(
        "names that only look like a system's",
        add("data/Thumbs.db.txt", "data/my.DS_Store", "data/_a.txt"),
        versions=AT_OLD,
    ),
    wrong("a FIFO", special("data/pipe"), "S15", "data/pipe", also="M02", special=True),
    wrong("a socket", special("data/s", stat.S_IFSOCK), "S15", "data/s", also="M02", special=True),
    wrong(
        "a listed FIFO, and no Payload-Oxum",
        then(special("data/pipe"), line(f"{ZERO}  data/pipe"), instead_of_oxum("")),
        "S15",
        "data/pipe",
        also="M01",
        special=True,
    ),
    wrong(
        "a listed FIFO instead of a file",
        special("data/a.txt"),
        "S15",
        "data/a.txt",
        also="M01",
        special=True,
    ),
    wrong(
        "a FIFO beside data/ that the tag manifest lists",
        then(special("x.txt"), line(f"{ZERO}  x.txt", "tagmanifest-sha256.txt")),
        "S15",
        "x.txt",
        also="T02",
        sealed=False,
        special=True,
    ),
    wrong("bag-info.txt is a FIFO", special("bag-info.txt"), "S15", special=True, versions=AT_OLD),
    wrong("fetch.txt is a FIFO", special("fetch.txt"), "S15", special=True, versions=AT_OLD),
    wrong(
        "the tag manifest is a FIFO",
        special("tagmanifest-sha256.txt"),
        "S15|M36",
        also="S15 M36",
        special=True,
        sealed=False,
    ),
    odd(
        "a link to a payload file",
        then(link("data/l.txt", "a.txt"), relist),
        "S16",
        "data/l.txt",
    ),
    odd(
        "a link to a file in another folder of the payload",
        then(link("data/sub/l.txt", "../a.txt"), relist),
        "S16",
        "data/sub/l.txt",
    ),
    wrong(
        "a link to a payload file with another digest",
        then(link("data/l.txt", "a.txt"), line(f"{B}  data/l.txt")),
        "M03",
        "manifest-sha256.txt:4",
        versions=AT_OLD,
    ),
    wrong(
        "a listed link out of the bag, to a file with that digest",
        then(outside("secret"), link("data/l.txt", "../../secret"), line(f"{OUTSIDE}data/l.txt")),
        "S17",
        "data/l.txt",
        also="M01",
    ),
    wrong(
        "a link out of the bag, not listed",
        then(outside("secret"), link("data/l.txt", "../../secret")),
        "S17",
        "data/l.txt",
        also="M02",
    ),
    wrong(
        "an absolute link out of the bag",
        link("data/l.txt", "/etc/hostname"),
        "S17",
        "data/l.txt",
        also="M02",
        versions=AT_OLD,
    ),
    wrong(
        "a link into a folder whose name begins as the bag's",
        then(
            outside("bag-evil/f"),
            link("data/l.txt", "../../bag-evil/f"),
            line(f"{OUTSIDE}data/l.txt"),
        ),
        "S17",
        "data/l.txt",
        also="M01",
        versions=AT_OLD,
    ),
    wrong(
        "a link to a link out of the bag",
        then(outside("secret"), link("data/l1", "l2"), link("data/l2", "../../secret")),
        "S17",
        also="M02 S18",
        versions=AT_OLD,
    ),
    wrong(
        "bag-info.txt is a link out of the bag",
        then(rename("bag-info.txt", "../info"), link("bag-info.txt", "../info")),
        "S17",
        "bag-info.txt",
        also="T02",
        sealed=False,
    ),
    wrong(
        "a link to a folder outside",
        then(outside("there/f"), link("data/d", "../../there")),
        "S17|S18",
        "data/d",
        also="S17 S18 M02",
    ),
    wrong(
        "a listed file in a folder that is a link out of the bag",
        then(outside("there/f"), link("data/d", "../../there"), line(f"{OUTSIDE}data/d/f")),
        "S17|S18",
        "data/d",
        also="S17 S18 M01",
        versions=AT_OLD,
    ),
    wrong("a link to a folder in the bag", link("data/d", "sub"), "S18", "data/d", also="M02"),
    wrong("a link to itself", link("data/loop", "loop"), "S18", "data/loop", also="M02"),
    wrong(
        "a link to the folder above", link("data/sub/up", ".."), "S18", "data/sub/up", also="M02"
    ),
    wrong("a link to nothing", link("data/l.txt", "none"), "S18", "data/l.txt", also="M02"),
    wrong(
        "a listed link to nothing",
        then(link("data/l.txt", "none"), line(f"{ZERO}  data/l.txt")),
        "S18",
        "data/l.txt",
        also="M01",
        versions=AT_OLD,
    ),
    wrong(
        "a file that may not be read",
        mode("data/a.txt", 0),
        "S19",
        "data/a.txt",
        readable=False,
        versions=AT_OLD,
    ),
    wrong(
        "a folder that may not be read",
        mode("data/sub", 0),
        "S19",
        "data/sub",
        also="M01 I05",
        readable=False,
        versions=AT_OLD,
        sealed=False,
    ),
    fine(
        "a bag in the payload",
        then(lambda bag: good_bag(bag / "data/bag"), relist),
        "S20",
        "data/bag/bagit.txt",
    ),
    odd("package-info.txt", write("package-info.txt", "Packing-Date: 2008-05-30\n"), "S21"),
    odd(
        "bag-info.txt",
        declare("0.95"),
        "S21",
        "bag-info.txt",
        versions=("0.95",),
    ),
    fine(
        "a tag folder",
        then(declare("0.96"), write("tags/x.txt")),
        "S22",
        "tags",
        versions=("0.96",),
    ),
)


# -- payload manifests --------------------------------------------------------------------------


def swapped(bag: Path) -> None:
    """The columns of the manifest the other way round."""
    lines = "".join(f"{name}  {sha(content)}\n" for name, content in FILES.items())
    put(bag, "manifest-sha256.txt", lines)


def bsd(bag: Path) -> None:
    """As BSD's tools print it."""
    lines = "".join(f"SHA256 ({name}) = {sha(content)}\n" for name, content in FILES.items())
    put(bag, "manifest-sha256.txt", lines)


def halves(bag: Path) -> None:
    """Each manifest lists what the other does not."""
    unlist("data/a.txt", "manifest-sha256.txt")(bag)
    unlist("data/b.txt", "manifest-sha512.txt")(bag)
    unlist("data/sub/c.txt", "manifest-sha512.txt")(bag)


def upper(bag: Path) -> None:
    """Digests in capitals, in the tag manifest too."""

    def change(prefix: str) -> None:
        for name in manifests(bag, prefix):
            text = (bag / name).read_text()
            put(bag, name, re.sub("(?m)^[0-9a-f]+", lambda match: match[0].upper(), text))

    change("")
    seal(bag)
    change("tag")


def no_last_end(bag: Path) -> None:
    """No line end after the last line of the manifest, and of the tag manifest."""
    for prefix in ("", "tag"):
        for name in manifests(bag, prefix):
            put(bag, name, (bag / name).read_bytes()[:-1])
        if not prefix:
            seal(bag)


def separators(text: str) -> Damage:
    """Something else between digest and path, in the tag manifest too."""

    def change(bag: Path) -> None:
        put(
            bag,
            "manifest-sha256.txt",
            (bag / "manifest-sha256.txt").read_text().replace("  ", text),
        )
        seal(bag)
        tag = bag / "tagmanifest-sha256.txt"
        put(bag, tag.name, tag.read_text().replace("  ", text))

    return change


def rebuilt(*algorithms: str) -> Damage:
    """Manifests of these algorithms only."""

    def change(bag: Path) -> None:
        remove(*manifests(bag), *manifests(bag, "tag"))(bag)
        for algorithm in algorithms:
            put(bag, f"manifest-{algorithm}.txt", "")
            put(bag, f"tagmanifest-{algorithm}.txt", "")
        relist(bag)

    return change


M256 = "manifest-sha256.txt"
M512 = "manifest-sha512.txt"
LAST = f"{M256}:{NEXT}"

MANIFESTS = (
    fine("nothing at all", lambda bag: None),
    fine("two algorithms", lambda bag: None, algorithms=TWO),
    fine("four algorithms", lambda bag: None, algorithms=(*TWO, "md5", "sha1")),
    wrong("a file is missing", remove("data/a.txt"), "M01", f"{M256}:1"),
    wrong(
        "a file is missing that two manifests list",
        remove("data/b.txt"),
        "M01",
        f"{M512}:2",
        algorithms=TWO,
    ),
    wrong("a file more", write("data/extra"), "M02", "data/extra"),
    wrong(
        "a file more in a folder of its own",
        write("data/x/y/extra"),
        "M02",
        "data/x/y/extra",
        algorithms=TWO,
    ),
    wrong("another byte", write("data/a.txt", "alphA\n"), "M03", f"{M256}:1"),
    wrong("a byte less", write("data/b.txt", "beta"), "M03", f"{M256}:2", algorithms=TWO),
    wrong("an emptied file", write("data/sub/c.txt", ""), "M03", f"{M256}:3"),
    wrong("a wrong digest", edit(M256, A, ZERO), "M03", f"{M256}:1"),
    wrong(
        "a wrong digest in one of two manifests",
        edit(M512, digest("sha512", b"beta\n"), "0" * 128),
        "M03",
        f"{M512}:2",
        algorithms=TWO,
    ),
    wrong(
        "one manifest does not list a file",
        unlist("data/b.txt", M512),
        "M04",
        M512,
        algorithms=TWO,
        versions=AT_NEW,
    ),
    fine(
        "one manifest does not list a file",
        unlist("data/b.txt", M512),
        "M04",
        M512,
        algorithms=TWO,
        versions=AT_OLD,
    ),
    wrong("each manifest lists half", halves, "M04", algorithms=TWO, versions=AT_NEW),
    fine("each manifest lists half", halves, "M04", algorithms=TWO, versions=AT_OLD),
    wrong(
        "a file in no manifest of two, each of which lists others",
        then(halves, unlist("data/a.txt", M512)),
        "M02",
        "data/a.txt",
        algorithms=TWO,
        versions=AT_OLD,
    ),
    wrong("a digest is a digit short", edit(M256, A, A[1:]), "M05", f"{M256}:1"),
    wrong("a digest is a digit long", edit(M256, B, B + "0"), "M05", f"{M256}:2"),
    wrong("an md5 in a sha256 manifest", edit(M256, A, "0" * 32), "M05", f"{M256}:1"),
    wrong("a digest that is not hexadecimal", edit(M256, A, "zz" + A[2:]), "M06", f"{M256}:1"),
    wrong("a digest in full-width digits", edit(M256, A, "\uff10" * 64), "M06", f"{M256}:1"),
    wrong("a line with nothing but a digest", line(ZERO), "M07", LAST),
    wrong("a digest and blanks", line(f"{ZERO}  "), "M07", LAST),
    wrong("a word without a path", line("deadbeef"), "M07", LAST, also="M05"),
    wrong("an entry twice", line(f"{A}  data/a.txt"), "M08", LAST, versions=AT_NEW),
    odd("an entry twice", line(f"{A}  data/a.txt"), "M08", LAST, versions=AT_OLD),
    wrong(
        "an entry twice, once in capitals",
        line(f"{A.upper()}  data/a.txt"),
        "M08",
        LAST,
        versions=AT_NEW,
    ),
    odd(
        "an entry twice, once in capitals",
        line(f"{A.upper()}  data/a.txt"),
        "M08",
        LAST,
        versions=AT_OLD,
    ),
    wrong("an entry twice, once with ./", line(f"{A}  ./data/a.txt"), "M08", LAST, versions=AT_NEW),
    odd(
        "an entry twice, once with ./",
        line(f"{A}  ./data/a.txt"),
        "M08 M17",
        LAST,
        versions=AT_OLD,
    ),
    wrong(
        "an entry twice, the second with another digest",
        line(f"{B}  data/a.txt"),
        "M09",
        LAST,
        also="M03",
    ),
    wrong(
        "an entry twice, the first with another digest",
        prepend(M256, f"{B}  data/a.txt\n"),
        "M09",
        f"{M256}:2",
        also="M03",
    ),
    wrong(
        "a tag file in the payload manifest",
        then(write("notes/x.txt"), line(f"{sha(b'x' + bytes([10]))}  notes/x.txt")),
        "M10",
        LAST,
    ),
    wrong(
        "bagit.txt in the payload manifest",
        lambda bag: line(f"{sha((bag / 'bagit.txt').read_bytes())}  bagit.txt")(bag),
        "M10",
        LAST,
    ),
    wrong(
        "a folder whose name begins with data",
        then(write("data2/x"), line(f"{sha(b'x' + bytes([10]))}  data2/x")),
        "M10",
        LAST,
    ),
    wrong("a path out of the bag", line(f"{ZERO}  ../../../README.md"), "M11", LAST, also="M10"),
    wrong(
        "a path out of data/ and of the bag, with the right digest",
        then(outside("secret"), line(f"{OUTSIDE}data/../../secret")),
        "M11",
        LAST,
    ),
    wrong(
        "a path deep in data/ and out of the bag",
        then(outside("secret"), line(f"{OUTSIDE}data/sub/../../../secret")),
        "M11",
        LAST,
    ),
    wrong(
        "a path out of data/ to a tag file",
        lambda bag: line(f"{sha((bag / 'bagit.txt').read_bytes())}  data/../bagit.txt")(bag),
        "M10",
        LAST,
        also="M11",
    ),
    wrong(
        "a path into a folder whose name begins as the bag's",
        then(outside("bag-evil/f"), line(f"{OUTSIDE}../bag-evil/f")),
        "M12",
        LAST,
        also="M10 M11",
    ),
    wrong("an absolute path", line(f"{ZERO}  /abs/foo"), "M13", LAST, also="M10"),
    wrong("a path that begins with //", line(f"{ZERO}  //abs/foo"), "M13|M15", LAST, also="M10"),
    wrong("~ as the first part", line(f"{ZERO}  ~/foo"), "M14", LAST, also="M10"),
    wrong("~root as the first part", line(f"{ZERO}  ~root/foo"), "M14", LAST, also="M10"),
    *(
        wrong(
            f"the path {path}",
            line(f"{ZERO}  {path}"),
            "M15",
            LAST,
            also="M10 M13 M30",
            versions=versions,
        )
        for path, versions in (
            ("C:\\data\\a.txt", BOTH),
            ("c:/data/a.txt", AT_OLD),
            ("\\\\server\\share\\a.txt", BOTH),
            ("\\\\?\\C:\\data\\a.txt", AT_OLD),
            ("%TEMP%\\a.txt", BOTH),
            ("%HOMEDRIVE%%HOMEPATH%\\a.txt", AT_OLD),
        )
    ),
    fine("~ in names below data/", add("data/~x", "data/a~/b", "data/sub/~root", "data/x~1"), ""),
    odd("a path with ./ before it", respell("data/a.txt", "./data/a.txt"), "M17", f"{M256}:1"),
    odd(
        "a path with ./ before it in two manifests",
        respell("data/a.txt", "./data/a.txt"),
        "M17",
        f"{M512}:1",
        algorithms=TWO,
        versions=AT_OLD,
    ),
    *(
        odd(f"the path {path}", respell(plain, path), "M18", f"{M256}:{number}")
        for number, plain, path in (
            (3, "data/sub/c.txt", "data//sub/c.txt"),
            (2, "data/b.txt", "data/./b.txt"),
            (1, "data/a.txt", "data/sub/../a.txt"),
        )
    ),
    wrong(
        "a wrong digest for a path with ..",
        then(respell("data/a.txt", "data/sub/../a.txt"), edit(M256, A, ZERO)),
        "M03",
        f"{M256}:1",
        versions=AT_OLD,
    ),
    wrong("a folder in the manifest", line(f"{ZERO}  data/sub"), "M19", LAST, also="M01"),
    wrong(
        "a folder with a slash",
        line(f"{ZERO}  data/sub/"),
        "M19",
        LAST,
        also="M01",
        versions=AT_OLD,
    ),
    odd(
        "a * before a path",
        respell("data/a.txt", "*data/a.txt"),
        "M20",
        f"{M256}:1",
        versions=AT_NEW,
    ),
    fine(
        "a * before a path",
        respell("data/a.txt", "*data/a.txt"),
        "M20",
        f"{M256}:1",
        versions=AT_OLD,
    ),
    fine("a * right after the blank", edit(M256, "  data/a", " *data/a"), "M20", versions=AT_OLD),
    odd(
        "a name that md5sum has escaped",
        then(
            in_name("data/a.txt", "data/a\\b.txt"),
            edit(M256, f"{A}  data/a\\b", f"\\{A}  data/a\\\\b"),
        ),
        "M21",
        f"{M256}:1",
        also="N07",
    ),
    odd(
        "a line feed in a name that md5sum has escaped",
        then(
            rename("data/a.txt", "data/a\nb.txt"),
            edit(M256, f"{A}  data/a.txt", f"\\{A}  data/a\\nb.txt"),
        ),
        "M21",
        f"{M256}:1",
        also="N06",
        versions=AT_OLD,
    ),
    wrong(
        "an escaped line without a file",
        line(f"\\{ZERO}  data/x\\\\y"),
        "M21",
        LAST,
        also="M01",
    ),
    wrong("path first, then digest", swapped, "M22", f"{M256}:1", also="M02"),
    wrong("a manifest as BSD prints it", bsd, "M22", f"{M256}:1", also="M02"),
    odd("a blank line at the end", line(""), "M23", LAST),
    odd("a blank line at the beginning", prepend(M256, "\n"), "M23", f"{M256}:1"),
    odd("a line of nothing but blanks", line(" \t "), "M23", LAST),
    wrong("a comment", prepend(M256, "# made by hand\n"), "M24", f"{M256}:1"),
    wrong(
        "a byte-order mark in the manifest", prepend(M256, BOM), "M25", f"{M256}:1", versions=AT_NEW
    ),
    odd(
        "a byte-order mark in the manifest", prepend(M256, BOM), "M25", f"{M256}:1", versions=AT_OLD
    ),
    wrong(
        "a byte in the manifest that is not UTF-8",
        line(encoded(f"{ZERO}  data/x") + b"\xff"),
        "M26",
        LAST,
        also="M01",
    ),
    wrong(
        "a manifest in ISO-8859-1 that claims to be UTF-8",
        then(
            add("data/caf\u00e9.txt"),
            edit(M256, "caf\u00e9", b"caf\xe9"),
        ),
        "M26",
        f"{M256}:3",
        also="M01 M02",
    ),
    odd(
        "composed in the manifest, decomposed on disk",
        then(
            in_name("data/a.txt", "data/\u00e9.txt"), rename("data/\u00e9.txt", "data/e\u0301.txt")
        ),
        "M27",
        f"{M256}:3",
    ),
    odd(
        "decomposed in the manifest, composed on disk",
        then(
            in_name("data/a.txt", "data/e\u0301.txt"), rename("data/e\u0301.txt", "data/\u00e9.txt")
        ),
        "M27",
        f"{M256}:2",
    ),
    odd(
        "a folder composed in the manifest, decomposed on disk",
        then(in_name("data/sub/c.txt", "data/\u00fc/c.txt"), rename("data/\u00fc", "data/u\u0308")),
        "M27",
        versions=AT_OLD,
    ),
    wrong(
        "a wrong digest for a name in another form",
        then(
            in_name("data/a.txt", "data/\u00e9.txt"),
            rename("data/\u00e9.txt", "data/e\u0301.txt"),
            edit(M256, A, ZERO),
        ),
        "M03",
        f"{M256}:3",
        versions=AT_OLD,
    ),
    fine(
        "composed names, in both",
        add("data/\u00e9.txt", "data/\u65e5\u672c\u8a9e.txt"),
        algorithms=TWO,
    ),
    fine("decomposed names, in both", add("data/e\u0301.txt"), algorithms=TWO),
    odd(
        "both forms of a name on disk and in the manifest",
        add("data/e\u0301.txt", "data/\u00e9.txt"),
        "M28",
        also="N09 M27",
    ),
    # For 0.97 the conformance suite wants this to pass with a warning; see M28 of the catalogue.
    wrong(
        "both forms of a name in the manifest, one on disk",
        then(add("data/\u00e9.txt"), line(f"{sha(b'x' + bytes([10]))}  data/e\u0301.txt")),
        "M28",
        also="M01 M08",
        versions=AT_NEW,
    ),
    odd("names that differ only in case", add("data/A.txt"), "M29|N08", also="M29 N08"),
    wrong(
        "names in the manifest that differ only in case, one on disk",
        line(f"{A}  data/A.txt"),
        "M29",
        LAST,
        also="M01",
        versions=AT_NEW,
    ),
    # As the conformance suite has it: a disk without case made one of two names, no byte is lost.
    odd(
        "names in the manifest that differ only in case, one on disk",
        line(f"{A}  data/A.txt"),
        "M29",
        LAST,
        versions=AT_OLD,
    ),
    wrong(
        "another case in the manifest than on disk",
        respell("data/a.txt", "data/A.txt"),
        "M29|M01",
        f"{M256}:1",
        also="M01 M29 M02",
    ),
    *(
        wrong(
            f"{text} in the manifest",
            then(rename("data/a.txt", disk), edit(M256, "data/a.txt", listed)),
            "M30",
            f"{M256}:1",
            also="M01 M02",
            versions=AT_NEW,
        )
        for text, listed, disk in (
            ("a raw %", "data/100%.txt", "data/100%.txt"),
            ("a raw %20", "data/a%20b", "data/a%20b"),
            ("%20 for a space", "data/a%20b", "data/a b"),
            ("%C3%A9 for a letter", "data/%C3%A9", "data/\u00e9"),
            ("%2E", "data/%2E%2E/x", "data/x"),
            ("a % and one digit", "data/x%0", "data/x%0"),
        )
    ),
    fine("% written %25", in_name("data/a.txt", "data/100%.txt"), versions=AT_NEW),
    fine("%0A in a name, written %250A", in_name("data/a.txt", "data/x%0Ay.txt"), versions=AT_NEW),
    fine("%25 in a name, written %2525", in_name("data/a.txt", "data/x%25.txt"), versions=AT_NEW),
    fine(
        "three line feeds in a name, written %0A",
        in_name("data/a.txt", "data/x\n\n\ny"),
        also="N06",
        versions=AT_NEW,
    ),
    fine(
        "a line feed in a name, written %0a",
        then(in_name("data/a.txt", "data/x\ny"), edit(M256, "%0A", "%0a")),
        also="N06",
        versions=AT_NEW,
    ),
    fine(
        "a carriage return in a name, written %0D",
        in_name("data/a.txt", "data/Icon\r"),
        also="N06",
        versions=AT_NEW,
    ),
    fine("a raw %20", in_name("data/a.txt", "data/a%20b.txt"), versions=AT_OLD),
    fine("a raw %25", in_name("data/a.txt", "data/a%25b.txt"), versions=AT_OLD),
    fine("a raw %", in_name("data/a.txt", "data/100%.txt"), versions=AT_OLD),
    # Right by the letter, but bagit-python and bagit-java look for a line feed.
    odd(
        "a file really named a%0Ab",
        in_name("data/a.txt", "data/a%0Ab"),
        "*",
        also="M30 M31 N01",
        versions=AT_OLD,
    ),
    odd(
        "a carriage return in a name, written %0D",
        then(in_name("data/a.txt", "data/x%0Dy"), rename("data/x%0Dy", "data/x\ry")),
        "M31",
        f"{M256}:3",
        also="N06",
        versions=AT_OLD,
    ),
    odd(
        "three line feeds in a name, written %0A",
        then(in_name("data/a.txt", "data/x%0A%0a%0A"), rename("data/x%0A%0a%0A", "data/x\n\n\n")),
        "M31",
        also="N06",
        versions=AT_OLD,
    ),
    wrong("an empty manifest", write(M256, ""), "M32", M256, also="M02"),
    fine(
        "no line end after the last line of every manifest",
        no_last_end,
        "M33",
        sealed=False,
    ),
    odd("a name that ends in a space", add("data/a "), "M34|N03", also="M34 N03"),
    odd(
        "a folder that ends in a space",
        add("data/d /x"),
        "M34|N03",
        also="M34 N03",
        versions=AT_OLD,
    ),
    odd(
        "a name that ends in a tab", add("data/a\t"), "M34|N06", also="M34 N03 N06", versions=AT_OLD
    ),
    odd("a name that begins with a space", add("data/ a"), "M34", versions=AT_OLD),
    fine("spaces within names", add("data/a  b.txt", "data/c d/e f"), algorithms=TWO),
    odd("only md5", rebuilt("md5"), "M35"),
    odd("only md5 and sha1", rebuilt("md5", "sha1"), "M35"),
    odd("only sha1", rebuilt("sha1"), "M35", versions=AT_OLD),
    fine("md5 and sha256", rebuilt("md5", "sha256")),
    wrong(
        "the manifest is a link to a file in the bag",
        then(rename(M256, "notes/m.txt"), link(M256, "notes/m.txt")),
        "M36",
        M256,
        also="S04 S16 M02",
    ),
    wrong(
        "the manifest is a link out of the bag",
        then(rename(M256, "../m.txt"), link(M256, "../m.txt")),
        "M36|S17",
        M256,
        also="S04 S17 M36 M02 T02",
        sealed=False,
    ),
    wrong(
        "the manifest is a FIFO",
        special(M256),
        "M36|S15",
        M256,
        also="S04 S15 M36 M02",
        special=True,
    ),
    wrong(
        "the manifest is a folder",
        then(remove(M256), write(f"{M256}/x")),
        "M36",
        M256,
        also="S04 M02",
        versions=AT_OLD,
    ),
    wrong(
        "a line of 300 kB in the manifest",
        line(f"{ZERO}  data/{'x' * 300_000}"),
        "*",
        M256,
        also="M01 M26 M36 N04",
        versions=AT_OLD,
    ),
    *(
        wrong(
            f"a {text} in a name, written as it is",
            then(
                rename("data/a.txt", f"data/Ic{end}on.txt"),
                edit(M256, "data/a.txt", f"data/Ic{end}on.txt"),
            ),
            "M37",
            M256,
            also="M01 M02 M05 M06 M07",
            versions=versions,
        )
        for text, end, versions in (("carriage return", "\r", BOTH), ("line feed", "\n", AT_OLD))
    ),
    wrong(
        "a carriage return at the end of a name, written as it is",
        then(rename("data/a.txt", "data/Icon\r"), edit(M256, "data/a.txt", "data/Icon\r")),
        "M37|M01",
        f"{M256}:1",
        also="M01 M02 M37",
    ),
    fine("digests in capitals", upper, sealed=False, algorithms=TWO),
    *(
        fine(f"{text} between digest and path", separators(between), sealed=False)
        for text, between in (
            ("a tab", "\t"),
            ("one space", " "),
            ("many blanks", " \t   \t"),
        )
    ),
    fine(
        "two manifests in another order",
        lambda bag: put(bag, M512, listing(bag, "sha512", payload(bag)[::-1])),
        algorithms=TWO,
    ),
)


# -- names --------------------------------------------------------------------------------------

DEEP = "data/" + "/".join("abcdefghij" * 6 for _ in range(5)) + "/x"
DEEPER = "data/" + "/".join("abcdefghij" * 6 for _ in range(18)) + "/x"

NAMES = (
    odd("a : and a ? in a name", add("data/a:b?.txt"), "N01", "data/a:b?.txt"),
    *(
        odd(f"a {one} in a name", add(f"data/a{one}b.txt"), "N01", versions=AT_OLD)
        for one in '<>"|*'
    ),
    odd("a : in a folder's name", add("data/sip::x/y"), "N01", versions=AT_OLD),
    *(
        odd(f"the name {name}", add(f"data/{name}"), "N02", f"data/{name}", versions=versions)
        for name, versions in (
            ("CON.txt", BOTH),
            ("nul", AT_OLD),
            ("aux.tar.gz", AT_OLD),
            ("COM1", AT_OLD),
            ("LPT9.log", AT_OLD),
            ("prn/x", AT_OLD),
        )
    ),
    fine(
        "names that are nearly a device's",
        add("data/CONTROL.txt", "data/COM10", "data/nulls", "data/x.con", "data/aux_1/y"),
    ),
    odd("a name that ends in a dot", add("data/a."), "N03", "data/a."),
    odd("a folder that ends in a dot", add("data/d./x"), "N03", versions=AT_OLD),
    odd("a path of 312 characters", add(DEEP), "N04"),
    odd("a path of 1,105 characters", add(DEEPER), "N04", versions=AT_OLD),
    fine("a name of 100 characters", add("data/" + "n" * 100)),
    wrong("a name that is not UTF-8", write("data/caf\udce9.txt"), "N05", also="M02"),
    wrong(
        "a name that is not UTF-8, as it is in the manifest",
        add("data/caf\udce9.txt"),
        "N05",
        also="M01 M02 M26",
    ),
    wrong(
        "a folder whose name is not UTF-8",
        write("data/caf\udce9/x.txt"),
        "N05",
        also="M02",
        versions=AT_OLD,
    ),
    *(
        odd(f"{text} in a name", add(f"data/a{one}b.txt"), "N06", versions=versions)
        for text, one, versions in (
            ("U+0007", "\a", BOTH),
            ("an escape", "\x1b[31m", AT_OLD),
            ("DEL", "\x7f", AT_OLD),
            ("U+202E", "\u202e", BOTH),
            ("a zero-width space", "\u200b", AT_OLD),
            ("a private-use character", "\ue000", AT_OLD),
            ("an unassigned character", "\u0378", AT_OLD),
            ("a form feed", "\f", AT_OLD),
            ("a vertical tab", "\v", AT_OLD),
            ("U+0085", "\x85", BOTH),
            ("U+001C", "\x1c", AT_OLD),
        )
    ),
    fine("U+2028 and U+2029 in names", add("data/a\u2028b", "data/a\u2029b"), also="N06"),
    fine(
        "letters, digits and signs of the world in names",
        add(
            "data/\u03a9\u03bc\u03ad\u03b3\u03b1.txt",
            "data/\u65e5\u672c\u8a9e/\ud55c\uad6d\uc5b4.txt",
            "data/\u0627\u0644\u0639\u0631\u0628\u064a\u0629.txt",
            "data/\U0001f600.txt",
            "data/stra\u00dfe & 'co' {=} #1 [x] @home; $5, 100 + 2!",
        ),
        algorithms=TWO,
    ),
    odd("a backslash in a name", add("data/a\\b.txt"), "N07", "data/a\\b.txt"),
    odd(
        "a backslash in a name, and the folder it would be",
        add("data/sub\\c.txt"),
        "N07",
        versions=AT_OLD,
    ),
    odd("files that differ in case", add("data/A.txt"), "N08", also="M29", versions=AT_NEW),
    odd(
        "Greek names that differ in case",
        add("data/\u03b1.txt", "data/\u0391.txt"),
        "N08",
        also="M29",
        versions=AT_OLD,
    ),
    odd(
        "files whose folders differ in case",
        add("data/Sub/c.txt"),
        "N08",
        also="M29",
        versions=AT_OLD,
    ),
    odd(
        "files whose names are one after composing",
        add("data/o\u0308.txt", "data/\u00f6.txt"),
        "N09",
        also="M28",
    ),
    fine("a leading dash and a leading dot", add("data/-rf", "data/.hidden"), "N10"),
    fine("a name that Archivematica changes", add("data/a b.txt"), "N11", "data/a b.txt"),
)


# -- tag manifests ------------------------------------------------------------------------------

TAGS = "tagmanifest-sha256.txt"


def tag_line(text: bytes | str) -> Damage:
    """One more line in the tag manifest, the fourth."""
    return line(text, TAGS)


def self_listed(bag: Path) -> None:
    """A tag manifest that lists another one; its line and digest are right."""
    other = "tagmanifest-sha512.txt"
    tag_line(f"{sha((bag / other).read_bytes())}  {other}")(bag)


def in_tag_manifest_only(bag: Path) -> None:
    """A payload file that a tag manifest lists, and no payload manifest."""
    unlist("data/sub/c.txt", M256)(bag)
    seal(bag)
    tag_line(f"{C}  data/sub/c.txt")(bag)


tagwrong = partial(wrong, sealed=False)
tagodd = partial(odd, sealed=False)
tagfine = partial(fine, sealed=False)
TLAST = f"{TAGS}:{NEXT}"

TAG_MANIFESTS = (
    tagwrong(
        "a tag file has changed",
        edit("bag-info.txt", "Three", "Seven"),
        "T01",
        f"{TAGS}:1",
        versions=("0.96", *BOTH),
    ),
    tagwrong(
        "a tag file in a folder has changed",
        then(write("notes/x.txt", "x"), seal, write("notes/x.txt", "y")),
        "T01",
        f"{TAGS}:4",
    ),
    tagwrong(
        "the payload manifest has changed since it was sealed",
        edit(M256, f"{A}  data", f"{A} data"),
        "T01",
        f"{TAGS}:3",
    ),
    tagwrong("a listed tag file is missing", remove("bag-info.txt"), "T02", f"{TAGS}:1"),
    tagwrong(
        "a listed tag file with a decomposed name is missing",
        tag_line(f"{ZERO}  notes/e\u0301.txt"),
        "T02",
        TLAST,
    ),
    tagwrong(
        "a tag manifest without the payload manifest",
        lambda bag: edit(TAGS, listing(bag, "sha256", [M256]), "")(bag),
        "T03",
        TAGS,
        versions=AT_NEW,
    ),
    tagfine(
        "a tag manifest without the payload manifest",
        lambda bag: edit(TAGS, listing(bag, "sha256", [M256]), "")(bag),
        "T03",
        TAGS,
        versions=AT_OLD,
    ),
    tagwrong(
        "a tag manifest lacks one of two payload manifests",
        lambda bag: edit(TAGS, listing(bag, "sha256", [M512]), "")(bag),
        "T03",
        TAGS,
        algorithms=TWO,
        versions=AT_NEW,
    ),
    tagwrong(
        "a tag manifest lists another one",
        self_listed,
        "T04",
        f"{TAGS}:5",
        algorithms=TWO,
        versions=AT_NEW,
    ),
    tagodd(
        "a tag manifest lists another one",
        self_listed,
        "T04",
        f"{TAGS}:5",
        also="T07",
        algorithms=TWO,
        versions=AT_OLD,
    ),
    tagwrong(
        "a tag manifest lists itself", tag_line(f"{ZERO}  {TAGS}"), "T04|T01", TLAST, also="T01 T04"
    ),
    tagwrong("a tag manifest lists a payload file", tag_line(f"{A}  data/a.txt"), "T05", TLAST),
    tagwrong(
        "a payload file in the tag manifest only",
        in_tag_manifest_only,
        "T06",
        "data/sub/c.txt",
        also="T05 M02",
    ),
    tagodd(
        "tag manifests list different files",
        lambda bag: edit("tagmanifest-sha512.txt", listing(bag, "sha512", ["bag-info.txt"]), "")(
            bag
        ),
        "T07",
        "tagmanifest-sha512.txt",
        algorithms=TWO,
    ),
    tagfine(
        "a tag file in no tag manifest",
        lambda bag: edit(TAGS, listing(bag, "sha256", ["bag-info.txt"]), "")(bag),
        "T08",
        "bag-info.txt",
    ),
    tagfine(
        "the tag manifest has another algorithm than the payload manifest",
        then(remove(TAGS), write("tagmanifest-sha512.txt", ""), seal),
        "T09",
    ),
    tagfine("no tag manifest", remove(TAGS), "T10"),
    *(
        tagwrong(
            f"{text} in the tag manifest", tag_line(what), ids, TLAST, also=also, versions=versions
        )
        for text, what, ids, also, versions in (
            ("a path out of the bag", f"{ZERO}  ../../x", "M11|T11", "T02", BOTH),
            (
                "a path through data/ and out of the bag",
                f"{ZERO}  data/../../x",
                "M11|T11",
                "T02 T05",
                AT_OLD,
            ),
            (
                "a path into a folder named nearly as the bag",
                f"{ZERO}  ../bag-evil/x",
                "M12|T11",
                "M11 T02",
                BOTH,
            ),
            ("an absolute path", f"{ZERO}  /etc/hostname", "M13|T11", "T02", BOTH),
            ("a home folder", f"{ZERO}  ~root/x", "M14|T11", "T02", AT_OLD),
            ("a Windows drive", f"{ZERO}  C:\\x", "M15|T11", "T02", AT_OLD),
            ("a short digest", "0f  bagit.txt", "M05|T11", "M09", AT_OLD),
            (
                "a digest that is not hexadecimal",
                f"{'zz' * 32}  bagit.txt",
                "M06|T11",
                "M09",
                AT_OLD,
            ),
            ("a line without a path", ZERO, "M07|T11", "", BOTH),
            ("an entry twice, with another digest", f"{ZERO}  bagit.txt", "M09|T11", "T01", BOTH),
            ("a comment", "# made by hand", "M24|T11", "", AT_OLD),
            ("a byte that is not UTF-8", encoded(f"{ZERO}  x") + b"\xff", "M26|T11", "T02", AT_OLD),
            ("a raw %20", f"{ZERO}  a%20b", "M30|T11", "T02", AT_NEW),
        )
    ),
    tagwrong(
        "a folder in the tag manifest",
        then(write("notes/x.txt"), seal, tag_line(f"{ZERO}  notes")),
        "M19|T11",
        f"{TAGS}:5",
        also="T02",
        versions=AT_OLD,
    ),
    tagwrong(
        "an entry twice in the tag manifest",
        lambda bag: tag_line(listing(bag, "sha256", ["bagit.txt"])[:-1])(bag),
        "M08|T11",
        TLAST,
        versions=AT_NEW,
    ),
    tagodd(
        "an entry twice in the tag manifest",
        lambda bag: tag_line(listing(bag, "sha256", ["bagit.txt"])[:-1])(bag),
        "M08|T11",
        TLAST,
        versions=AT_OLD,
    ),
    tagodd("./ in the tag manifest", edit(TAGS, "  bagit", "  ./bagit"), "M17|T11", f"{TAGS}:2"),
    tagodd("a blank line in the tag manifest", tag_line(""), "M23|T11", TLAST, versions=AT_OLD),
    tagodd(
        "a * in the tag manifest",
        edit(TAGS, "  bagit", "  *bagit"),
        "M20|T11",
        f"{TAGS}:2",
        versions=AT_NEW,
    ),
    tagwrong(
        "a byte-order mark in the tag manifest",
        prepend(TAGS, BOM),
        "M25|T11",
        f"{TAGS}:1",
        versions=AT_NEW,
    ),
    tagwrong(
        "a digit short in the tag manifest",
        edit(TAGS, "  bagit", "0  bagit"),
        "M05|T11",
        f"{TAGS}:2",
        versions=AT_NEW,
    ),
    tagwrong(
        "fetch.txt was removed after completing, and is still listed",
        then(write("fetch.txt", "https://example.org/a 6 data/a.txt\n"), seal, remove("fetch.txt")),
        "T12",
        f"{TAGS}:3",
        also="T02",
    ),
    tagwrong(
        "fetch.txt was changed after completing, and is still listed",
        then(
            write("fetch.txt", "https://example.org/a 6 data/a.txt\n"),
            seal,
            write("fetch.txt", "https://example.org/b 5 data/b.txt\n"),
        ),
        "T12",
        f"{TAGS}:3",
        also="T01",
    ),
    fine(
        "names with spaces and letters in the tag manifest",
        write("notes/\u00e9 1.txt"),
        algorithms=TWO,
    ),
)


# -- bag-info.txt -------------------------------------------------------------------------------

GROUP = "Bag-Group-Identifier: letters"
INFO_LAST = f"bag-info.txt:{NEXT}"

BAG_INFO = (
    fine("no bag-info.txt", remove("bag-info.txt"), "I01", "bag-info.txt"),
    wrong("a line without a colon", info("nonsense"), "I02", INFO_LAST),
    wrong(
        "a continuation without a label",
        prepend("bag-info.txt", "  more\n"),
        "I03",
        "bag-info.txt:1",
    ),
    *(
        wrong(
            f"Payload-Oxum {text}",
            instead_of_oxum(f"Payload-Oxum: {value}\n"),
            "I04",
            f"bag-info.txt:{OXUM}",
            also="I05 I12",
            versions=versions,
        )
        for text, value, versions in (
            ("5", "5", BOTH),
            ("five.two", "five.two", BOTH),
            ("with three parts", "17.3.0", AT_OLD),
            ("with a minus", "-17.3", AT_OLD),
            ("with a plus", "+17.3", AT_NEW),
            ("with a comma", "17,3", AT_OLD),
            ("without octets", ".3", AT_OLD),
            ("without files", "17.", AT_OLD),
            ("in Arabic digits", "\u0661\u0667.\u0663", BOTH),
            ("with an underscore", "1_7.3", AT_OLD),
            ("in hexadecimal", "0x11.3", AT_OLD),
        )
    ),
    wrong(
        "Payload-Oxum of 400 digits",
        instead_of_oxum(f"Payload-Oxum: {'9' * 400}.3\n"),
        "I04|I05",
        f"bag-info.txt:{OXUM}",
        also="I04 I05",
        versions=AT_OLD,
    ),
    wrong(
        "Payload-Oxum of 5,000 digits",
        instead_of_oxum(f"Payload-Oxum: {'9' * 5000}.3\n"),
        "I04|I05",
        f"bag-info.txt:{OXUM}",
        also="I04 I05",
    ),
    wrong(
        "Payload-Oxum with a byte more",
        instead_of_oxum("Payload-Oxum: 18.3\n"),
        "I05",
        f"bag-info.txt:{OXUM}",
    ),
    wrong(
        "Payload-Oxum with a file less",
        instead_of_oxum("Payload-Oxum: 17.2\n"),
        "I05",
        f"bag-info.txt:{OXUM}",
    ),
    wrong(
        "Payload-Oxum twice, both right",
        info("Payload-Oxum: 17.3"),
        "I06",
        INFO_LAST,
        versions=AT_NEW,
    ),
    odd(
        "Payload-Oxum twice, both right",
        info("Payload-Oxum: 17.3"),
        "I06",
        INFO_LAST,
        versions=AT_OLD,
    ),
    wrong(
        "Payload-Oxum twice, once in small letters",
        info("payload-oxum: 17.3"),
        "I06",
        INFO_LAST,
        versions=AT_NEW,
    ),
    wrong(
        "Payload-Oxum twice, the second wrong",
        info("Payload-Oxum: 1.1"),
        "I06",
        INFO_LAST,
        also="I05",
        versions=AT_NEW,
    ),
    wrong(
        "Payload-Oxum twice, the second wrong",
        info("Payload-Oxum: 1.1"),
        "I05",
        INFO_LAST,
        versions=AT_OLD,
    ),
    wrong(
        "Payload-Oxum twice, the first wrong",
        prepend("bag-info.txt", "Payload-Oxum: 1.1\n"),
        "I05",
        "bag-info.txt:1",
        versions=AT_OLD,
    ),
    *(
        odd(f"{label} twice", info(*lines), "I07", f"bag-info.txt:{number}", versions=versions)
        for label, lines, number, versions in (
            ("Bagging-Date", ["Bagging-Date: 2024-03-01"], 4, BOTH),
            ("bagging-date", ["bagging-date: 2024-03-01"], 4, AT_NEW),
            ("Bag-Size", ["Bag-Size: 17 B", "Bag-Size: 17 B"], 5, BOTH),
            ("Bag-Group-Identifier", [GROUP, GROUP], 5, BOTH),
            ("Bag-Count", [GROUP, "Bag-Count: 1 of 2", "Bag-Count: 1 of 2"], 6, BOTH),
        )
    ),
    fine(
        "elements that may be repeated",
        info("Contact-Name: Ada", "Contact-Name: Bob", "External-Identifier: 1", "X: 1", "X: 1"),
    ),
    *(
        odd(
            f"the date {text!r}",
            edit("bag-info.txt", "2024-02-29", text),
            "I08",
            "bag-info.txt:1",
            versions=versions,
        )
        for text, versions in (
            ("01/02/2026", BOTH),
            ("2026-02-30", BOTH),
            ("2023-02-29", AT_OLD),
            ("2026-1-5", AT_OLD),
            ("20240229", AT_OLD),
            ("2024-02-29T10:00:00", AT_OLD),
            ("2024-W09-4", AT_OLD),
            ("29 February 2024", AT_OLD),
            ("2999-01-01", BOTH),
            ("\u0662\u0660\u0662\u0664-02-29", AT_OLD),
        )
    ),
    *(
        odd(
            f"Bag-Count {text}",
            info(GROUP, f"Bag-Count: {text}"),
            "I09",
            "bag-info.txt:5",
            versions=versions,
        )
        for text, versions in (
            ("5 of 3", BOTH),
            ("0 of 3", BOTH),
            ("1 of 0", AT_OLD),
            ("three", AT_OLD),
            ("1/3", AT_OLD),
            ("? of 3", AT_OLD),
        )
    ),
    *(
        fine(f"Bag-Count {text}", info(GROUP, f"Bag-Count: {text}"))
        for text in ("1 of 1", "2 of ?", "145 of 145")
    ),
    *chain.from_iterable(
        (
            row(
                f"{text} in bag-info.txt",
                edit("bag-info.txt", *change),
                number,
                place,
                versions=AT_NEW,
            ),
            fine(
                f"{text} in bag-info.txt",
                edit("bag-info.txt", *change),
                number,
                place,
                versions=AT_OLD,
            ),
        )
        for row, text, change, number, place in (
            (wrong, "a space before the colon", ("Date: ", "Date : "), "I10", "bag-info.txt:1"),
            (wrong, "a tab before the colon", ("Date: ", "Date\t: "), "I10", "bag-info.txt:1"),
            (wrong, "nothing after the colon", ("Date: ", "Date:"), "I11", "bag-info.txt:1"),
            (odd, "two spaces after the colon", ("Date: ", "Date:  "), "I11", "bag-info.txt:1"),
            (odd, "two spaces before the Oxum", ("Oxum: ", "Oxum:  "), "I11", "bag-info.txt:3"),
        )
    ),
    wrong(
        "a space before the colon after a wrong Oxum",
        instead_of_oxum("Payload-Oxum : 18.3\n"),
        "I05",
        f"bag-info.txt:{OXUM}",
        versions=AT_OLD,
    ),
    fine("a tab after the colon", edit("bag-info.txt", "Date: ", "Date:\t")),
    fine("an empty value", info("External-Identifier: "), "I12", INFO_LAST),
    wrong(
        "a byte in bag-info.txt that is not UTF-8",
        append("bag-info.txt", b"Contact-Name: Zo\xeb\n"),
        "I13",
        INFO_LAST,
    ),
    wrong(
        "a byte-order mark in bag-info.txt", prepend("bag-info.txt", BOM), "I13", "bag-info.txt:1"
    ),
    wrong(
        "a byte-order mark before a wrong Oxum",
        write("bag-info.txt", BOM + b"Payload-Oxum: 1.1\n"),
        "I13 I05",
        "bag-info.txt:1",
    ),
    fine("a line of 90 characters", info("X: " + "long " * 17), "I14", INFO_LAST),
    fine("Bag-Size far from the real size", info("Bag-Size: 42.6 GB"), "I15", INFO_LAST),
    fine(
        "payload-oxum in small letters",
        instead_of_oxum("payload-oxum: 17.3\n"),
        "I16",
        f"bag-info.txt:{OXUM}",
    ),
    wrong(
        "payload-oxum in small letters, and wrong",
        instead_of_oxum("payload-oxum: 18.3\n"),
        "I05",
        f"bag-info.txt:{OXUM}",
    ),
    fine("Bag-Count without a group", info("Bag-Count: 1 of 2"), "I17"),
    fine(
        "a profile",
        info("BagIt-Profile-Identifier: https://example.org/profile.json"),
        "I18",
        INFO_LAST,
    ),
    fine(
        "values over many lines",
        info("External-Description: one", "  two", "\tthree", " : four", "Contact-Name: Ada"),
    ),
    fine(
        "labels and values of all kinds",
        info("A label with spaces: and: colons", "\u00e9t\u00e9: \u65e5\u672c", "URL: https://h/x"),
    ),
    fine("no line end after the last line of bag-info.txt", instead_of_oxum("Payload-Oxum: 17.3")),
    fine("no Payload-Oxum", instead_of_oxum("")),
    fine(
        "Payload-Oxum with a continuation after it",
        prepend("bag-info.txt", "X: y\n  Payload-Oxum: 1.1\n"),
    ),
)


# -- fetch.txt ----------------------------------------------------------------------------------

URL = "https://example.org/a.txt"


def fetch(*lines: bytes | str, present: bool = False) -> Damage:
    """A fetch.txt; data/a.txt is absent, unless it is said to be present."""

    def change(bag: Path) -> None:
        if not present:
            (bag / "data/a.txt").unlink()
        texts = (one if isinstance(one, bytes) else encoded(one) for one in lines)
        put(bag, "fetch.txt", b"".join(text + b"\n" for text in texts))

    return change


def also_fetch(*lines: bytes | str) -> Damage:
    """More lines after a good one."""
    return fetch(f"{URL} 6 data/a.txt", *lines)


def absent(*paths: str) -> Damage:
    """Payload files that are listed, in line 1 to n of the manifest, and not here."""

    def change(bag: Path) -> None:
        for path in paths:
            put(bag, path)
        relist(bag)
        recount(bag)
        remove(*paths)(bag)

    return change


# Where a line of fetch.txt is bad, nobody can say what the complete payload is.
fetchwrong = partial(wrong, oxum=False)

FETCH = (
    light("a file to be fetched", fetch(f"{URL} 6 data/a.txt")),
    light("a file to be fetched, in two manifests", fetch(f"{URL} 6 data/a.txt"), algorithms=TWO),
    light("a length that is not known", fetch(f"{URL} - data/a.txt")),
    light("tabs in fetch.txt", fetch(f"{URL}\t6\tdata/a.txt")),
    light("many blanks in fetch.txt", fetch(f"{URL} \t 6   data/a.txt")),
    light("CRLF line ends in fetch.txt", fetch(f"{URL} 6 data/a.txt\r")),
    light(
        "a space in a path in fetch.txt",
        then(absent("data/x y z.txt"), fetch(f"{URL} 2 data/x y z.txt", present=True)),
    ),
    light(
        "a path in fetch.txt with %25",
        then(absent("data/100%.txt"), fetch(f"{URL} 2 data/100%25.txt", present=True)),
        versions=AT_NEW,
    ),
    light(
        "a path in fetch.txt with a raw %",
        then(absent("data/100%.txt"), fetch(f"{URL} 2 data/100%.txt", present=True)),
        versions=AT_OLD,
    ),
    light(
        "letters in a path in fetch.txt",
        then(
            absent("data/\u65e5\u672c.txt"), fetch(f"{URL} 2 data/\u65e5\u672c.txt", present=True)
        ),
        versions=AT_OLD,
    ),
    light(
        "all files to be fetched, and data/ is empty",
        then(
            fetch(*(f"{URL}?{n} {len(c)} {name}" for n, (name, c) in enumerate(FILES.items()))),
            remove("data/b.txt", "data/sub"),
        ),
    ),
    fetchwrong("two fields", also_fetch(f"{URL} data/b.txt"), "F01", "fetch.txt:2", also="F02"),
    fetchwrong("one field", also_fetch(URL), "F01", "fetch.txt:2"),
    fetchwrong(
        "a length and no path", also_fetch(f"{URL} 3 "), "F01", "fetch.txt:2", versions=AT_OLD
    ),
    *(
        fetchwrong(
            f"the length {text}",
            fetch(f"{URL} {text} data/a.txt"),
            "F02",
            "fetch.txt:1",
            also="M01",
            versions=versions,
        )
        for text, versions in (
            ("three", BOTH),
            ("-3", BOTH),
            ("+6", AT_OLD),
            ("6.0", AT_OLD),
            ("6e0", AT_OLD),
            ("0x6", AT_OLD),
            ("--", AT_OLD),
            ("\u0666", AT_OLD),
            ("6,000", AT_OLD),
        )
    ),
    fetchwrong(
        "a tag file in fetch.txt",
        also_fetch(f"{URL} 3 bag-info.txt"),
        "F03",
        "fetch.txt:2",
        also="F05",
    ),
    fetchwrong(
        "a missing tag file in fetch.txt",
        then(also_fetch(f"{URL} 3 notes/x.txt")),
        "F03",
        "fetch.txt:2",
        also="F05",
        versions=AT_OLD,
    ),
    *(
        fetchwrong(
            f"the path {path} in fetch.txt",
            also_fetch(f"{URL} 3 {path}"),
            ids,
            "fetch.txt:2",
            also="F03 F05",
            versions=versions,
        )
        for path, ids, versions in (
            ("../../../README.md", "F04", BOTH),
            ("data/../../x", "F04", BOTH),
            ("../bag-evil/x", "F04", AT_OLD),
            ("~root/x", "F04", AT_OLD),
            ("C:\\x", "F04", BOTH),
            ("\\\\server\\share\\x", "F04", AT_OLD),
            ("/etc/passwd", "F04", AT_NEW),
            ("data/%2E%2E/%2E%2E/x", "F22|F04|M30", AT_NEW),
            ("%2E%2E/x", "F22|F04|M30", AT_NEW),
        )
    ),
    fetchwrong("a path in no manifest", also_fetch(f"{URL} 3 data/zzz"), "F05", "fetch.txt:2"),
    fetchwrong(
        "a path that one manifest does not list",
        then(unlist("data/a.txt", M512), fetch(f"{URL} 6 data/a.txt")),
        "F06",
        "fetch.txt:1",
        also="M04",
        algorithms=TWO,
        versions=AT_NEW,
    ),
    noted(
        "a path that one manifest does not list",
        then(unlist("data/a.txt", M512), fetch(f"{URL} 6 data/a.txt")),
        "F06|M04",
        algorithms=TWO,
        versions=AT_OLD,
    ),
    fetchwrong("a path twice", also_fetch(f"{URL} 6 data/a.txt"), "F07", "fetch.txt:2"),
    fetchwrong(
        "a path twice, from two places",
        also_fetch("https://h.example/a 6 data/a.txt"),
        "F07",
        "fetch.txt:2",
    ),
    fetchwrong(
        "a path twice, once with ./",
        also_fetch(f"{URL} 6 ./data/a.txt"),
        "F07",
        "fetch.txt:2",
        versions=AT_OLD,
    ),
    *(
        fetchwrong(
            f"the URL {url}",
            fetch(f"{url} 6 data/a.txt"),
            "F08",
            "fetch.txt:1",
            also="M01",
            versions=versions,
        )
        for url, versions in (
            ("a.txt", BOTH),
            ("/a.txt", AT_OLD),
            ("//example.org/a.txt", AT_OLD),
            ("www.example.org/a.txt", AT_OLD),
            ("https:///a.txt", AT_OLD),
            ("https://", AT_OLD),
        )
    ),
    fetchwrong(
        "a space in a URL",
        fetch("https://example.org/a b.txt 6 data/a.txt"),
        "F08|F02",
        "fetch.txt:1",
        also="F02 F03 F05 F08 M01",
    ),
    *(
        light(
            f"a URL with {scheme}",
            fetch(f"{scheme}{rest} 6 data/a.txt"),
            "F09",
            "fetch.txt:1",
            versions=versions,
        )
        for scheme, rest, versions in (
            ("file:", "///etc/passwd", BOTH),
            ("gopher:", "//example.org/0a", AT_OLD),
            ("eos:", "//eos/experiment/x", AT_OLD),
            ("data:", "text/plain,alpha", AT_OLD),
            ("javascript:", "alert(1)", AT_OLD),
        )
    ),
    *(
        light(
            f"a URL on {host}",
            fetch(f"http://{host}/a.txt 6 data/a.txt"),
            "F10",
            "fetch.txt:1",
            versions=versions,
        )
        for host, versions in (
            ("127.0.0.1", BOTH),
            ("localhost", AT_OLD),
            ("127.0.0.1:8080", AT_OLD),
            ("10.1.2.3", AT_OLD),
            ("192.168.0.1", AT_OLD),
            ("172.16.0.1", AT_OLD),
            ("169.254.169.254", AT_OLD),
            ("[::1]", AT_OLD),
            ("[fe80::1]", AT_OLD),
            ("[fd00::1]", AT_OLD),
            ("[::ffff:127.0.0.1]", AT_OLD),
            ("0.0.0.0", AT_OLD),
        )
    ),
    light("a URL on a public address", fetch("http://8.8.8.8/a.txt 6 data/a.txt"), versions=AT_OLD),
    light(
        "user and password in a URL",
        fetch("https://ada:hunter2@example.org/a.txt 6 data/a.txt"),
        "F11",
        "fetch.txt:1",
        secret="hunter2",
    ),
    light(
        "a user in a URL",
        fetch("https://glpat-0123456789@example.org/a.txt 6 data/a.txt"),
        "F11",
        "fetch.txt:1",
        secret="glpat-0123456789",
        versions=AT_OLD,
    ),
    light(
        "an @ in the path of a URL",
        fetch("https://example.org/@ada/a.txt 6 data/a.txt"),
        versions=AT_OLD,
    ),
    fetchwrong(
        "credentials in a bad line",
        also_fetch("https://ada:hunter2@example.org/b.txt three data/b.txt"),
        "F02",
        "fetch.txt:2",
        secret="hunter2",
        versions=AT_OLD,
    ),
    fine(
        "a file to be fetched is here",
        fetch(f"{URL} 6 data/a.txt", present=True),
        "F12",
        "fetch.txt:1",
    ),
    fine(
        "all files to be fetched are here",
        fetch(
            *(f"{URL}?{n} {len(c)} {name}" for n, (name, c) in enumerate(FILES.items())),
            present=True,
        ),
        "F12",
    ),
    odd(
        "a file to be fetched is here with another size",
        fetch(f"{URL} 99 data/a.txt", present=True),
        "F13",
        "fetch.txt:1",
    ),
    fetchwrong(
        "a file to be fetched is here with other bytes",
        then(fetch(f"{URL} 6 data/a.txt", present=True), write("data/a.txt", "alphA\n")),
        "M03",
        f"{M256}:1",
        versions=AT_OLD,
    ),
    fetchwrong(
        "a missing file that fetch.txt does not promise",
        then(fetch(f"{URL} 6 data/a.txt"), remove("data/b.txt")),
        "M01|F15",
        f"{M256}:2",
    ),
    odd("an empty fetch.txt", write("fetch.txt", ""), "F16", "fetch.txt"),
    light("a blank line in fetch.txt", also_fetch(""), "F16", "fetch.txt:2"),
    light(
        "a line of blanks in fetch.txt", also_fetch("  \t"), "F16", "fetch.txt:2", versions=AT_OLD
    ),
    noted(
        "one URL for two paths",
        then(fetch(f"{URL} 6 data/a.txt", f"{URL} 5 data/b.txt"), remove("data/b.txt")),
        "F21",
    ),
    # The draft of 0.97 says how to read it: as relative to the bag.
    light(
        "a path in fetch.txt that begins with a slash",
        fetch(f"{URL} 6 /data/a.txt"),
        also="F04 M13 M17 M18",
        versions=AT_OLD,
    ),
    fetchwrong(
        "%20 in a path in fetch.txt",
        then(absent("data/x y"), fetch(f"{URL} 2 data/x%20y", present=True)),
        "F22|M30",
        "fetch.txt:1",
        also="F05 F22 M01 M30",
        versions=AT_NEW,
    ),
    light(
        "paths in fetch.txt that differ only in case",
        then(
            absent("data/X.txt", "data/x.txt"),
            fetch(f"{URL}?1 2 data/X.txt", f"{URL}?2 2 data/x.txt", present=True),
        ),
        "F22|M29|N08",
        also="F22 M29 N08",
    ),
    light(
        "paths in fetch.txt that are one after composing",
        then(
            absent("data/o\u0308.txt", "data/\u00f6.txt"),
            fetch(f"{URL}?1 2 data/o\u0308.txt", f"{URL}?2 2 data/\u00f6.txt", present=True),
        ),
        "F22|M28|N09",
        also="F22 M28 N09",
        versions=AT_OLD,
    ),
    light(
        "composed in fetch.txt, decomposed in the manifest",
        then(absent("data/o\u0308.txt"), fetch(f"{URL} 2 data/\u00f6.txt", present=True)),
        "M27|F22",
        also="M27 F22",
        versions=AT_OLD,
    ),
    fetchwrong(
        "a byte-order mark in fetch.txt",
        then(fetch(f"{URL} 6 data/a.txt"), prepend("fetch.txt", BOM)),
        "*",
        "fetch.txt:1",
        versions=AT_NEW,
    ),
    fetchwrong(
        "a byte in fetch.txt that is not UTF-8",
        also_fetch(f"{URL} 3 data/".encode() + b"\xff"),
        "*",
        "fetch.txt:2",
        also="M26 F01 F05",
        versions=AT_OLD,
    ),
    fetchwrong(
        "a changed file in a light bag",
        then(fetch(f"{URL} 6 data/a.txt"), write("data/b.txt", "betA\n")),
        "M03",
        f"{M256}:2",
    ),
    fetchwrong(
        "a file more in a light bag",
        then(
            fetch(f"{URL} 6 data/a.txt"),
            write("data/extra"),
            edit("bag-info.txt", "17.3", "19.4"),
        ),
        "M02",
        "data/extra",
        versions=AT_OLD,
    ),
    noted(
        "Payload-Oxum of a light bag counts what is here",
        then(fetch(f"{URL} 6 data/a.txt"), edit("bag-info.txt", "17.3", "11.2")),
        "I05",
        f"bag-info.txt:{OXUM}",
    ),
)


# -- serialised bags ----------------------------------------------------------------------------


@dataclass(frozen=True)
class Member:
    """One entry of an archive."""

    name: str
    content: bytes = b""
    kind: bytes = tarfile.REGTYPE
    target: str = ""


Hook = Callable[[list[Member], Path], list[Member]]
"""What is done to the entries of a good archive; the path is a folder that nothing is to touch."""

KINDS = ("zip", "tar", "tar.gz")
EPOCH = (1980, 1, 1, 0, 0, 0)


def members(bag: Path) -> list[Member]:
    """A bag as an archive has it: its folder first."""
    found = [Member(f"{bag.name}/", kind=tarfile.DIRTYPE)]
    for path in sorted(bag.rglob("*")):
        name = path.relative_to(bag.parent).as_posix()
        if path.is_dir():
            found.append(Member(f"{name}/", kind=tarfile.DIRTYPE))
        else:
            found.append(Member(name, path.read_bytes()))
    return found


def zipped(entries: list[Member], method: int = zipfile.ZIP_DEFLATED) -> bytes:
    """A zip file."""
    made = io.BytesIO()
    with warnings.catch_warnings(), zipfile.ZipFile(made, "w", method) as archive:
        warnings.simplefilter("ignore")  # about names that stand there twice
        for one in entries:
            info = zipfile.ZipInfo(one.name, EPOCH)
            info.compress_type = method
            bits = {tarfile.DIRTYPE: stat.S_IFDIR | 0o755, tarfile.SYMTYPE: stat.S_IFLNK | 0o777}
            info.external_attr = bits.get(one.kind, stat.S_IFREG | 0o644) << 16
            archive.writestr(info, one.target.encode() or one.content)
    return made.getvalue()


def tarred(entries: list[Member], style: int = tarfile.PAX_FORMAT) -> bytes:
    """A tar file."""
    made = io.BytesIO()
    with tarfile.open(fileobj=made, mode="w", format=style) as archive:
        for one in entries:
            info = tarfile.TarInfo(one.name)
            info.type = one.kind
            info.linkname = one.target
            info.size = len(one.content)
            info.mode = 0o755 if one.kind == tarfile.DIRTYPE else 0o644
            archive.addfile(info, io.BytesIO(one.content))
    return made.getvalue()


def written(kind: str, entries: list[Member]) -> bytes:
    """An archive of that kind."""
    if kind == "zip":
        return zipped(entries)
    return gzip.compress(tarred(entries), mtime=0) if kind.endswith("gz") else tarred(entries)


def _serialised(
    verdict: str,
    level: str,
    name: str,
    ids: str = "",
    *,
    damage: Damage = lambda bag: None,
    hook: Hook = lambda entries, away: entries,
    bytewise: Callable[[bytes], bytes] = lambda content: content,
    write: Callable[[str, list[Member]], bytes] = written,
    stem: str = "bag",
    kinds: tuple[str, ...] = KINDS,
    version: str = OLD,
    also: str = "",
    special: bool = False,
) -> list[Case]:
    def maker(kind: str) -> Callable[[Path], Path]:
        def make(folder: Path) -> Path:
            there = bag(damage, version)(folder / "work")
            away = folder / "out/away"
            away.mkdir(parents=True)
            content = bytewise(write(kind, hook(members(there), away)))
            shutil.rmtree(folder / "work")
            return put(folder / "out", f"{stem}.{kind}", content)

        return make

    return [
        Case(
            f"{kind}: {name}",
            maker(kind),
            verdict,
            tuple(ids.split()),
            level,
            also=tuple(also.split()),
            clean=verdict in ("valid", "incomplete"),
            special=special,
        )
        for kind in kinds
    ]


badly = partial(_serialised, "invalid", "error")
oddly = partial(_serialised, "valid", "warning")
finely = partial(_serialised, "valid", "information")


def more(*entries: Member) -> Hook:
    """Entries after the good ones."""
    return lambda found, away: [*found, *entries]


def stripped(entries: list[Member], away: Path) -> list[Member]:
    """The bag's files at the top level."""
    found = (replace(one, name=one.name.partition("/")[2]) for one in entries)
    return [one for one in found if one.name]


def absolute(entries: list[Member], away: Path) -> list[Member]:
    """One entry goes where it must not."""
    return [*entries, Member(f"{away}/evil", b"x")]


def patched(offset: dict[bytes, int], layout: str, value: int) -> Callable[[bytes], bytes]:
    """A zip file with another value in the headers that begin so, at that offset."""

    def change(content: bytes) -> bytes:
        made = bytearray(content)
        for signature, place in offset.items():
            for match in re.finditer(re.escape(signature), content):
                struct.pack_into(layout, made, match.start() + place, value)
        return bytes(made)

    return change


LOCAL, CENTRAL = b"PK\3\4", b"PK\1\2"
FLAGS = {LOCAL: 6, CENTRAL: 8}
METHOD = {LOCAL: 8, CENTRAL: 10}
SIZE = {LOCAL: 22, CENTRAL: 24}


def flipped(content: bytes) -> bytes:
    """A byte of the first payload file is another one; the zip file is not compressed."""
    assert content.count(b"alpha\n") == 1
    return content.replace(b"alpha\n", b"alphA\n")


def beginning(part: float, content: bytes) -> bytes:
    """What there is of a file that was cut off, in the middle of a block."""
    return content[: int(len(content) * part) // 2 * 2 + 1]


BLOCK = 1 << 24
BLOCKS = 1000


def zip_bomb(kind: str, entries: list[Member]) -> bytes:
    """16 MB that become 16 GB of zeros; the header claims 4 GiB, the most that it can."""
    squeezer = zlib.compressobj(9, zlib.DEFLATED, -15)
    block = squeezer.compress(bytes(BLOCK)) + squeezer.flush(zlib.Z_FULL_FLUSH)
    data = block * BLOCKS + squeezer.flush(zlib.Z_FINISH)
    content = zipped([*entries, Member("bag/data/big", data)], zipfile.ZIP_STORED)
    made = bytearray(content)
    name = b"bag/data/big"
    for signature, length in ((LOCAL, 30), (CENTRAL, 46)):
        at = made.index(name, 0 if signature == LOCAL else made.rindex(CENTRAL)) - length
        assert made[at : at + 4] == signature
        struct.pack_into("<H", made, at + METHOD[signature], zipfile.ZIP_DEFLATED)
        struct.pack_into("<I", made, at + SIZE[signature], 0xFFFFFFF0)
    return bytes(made)


def gzip_bomb(kind: str, entries: list[Member]) -> bytes:
    """16 MB that become 16 GB, as gzip members one after the other."""
    info = tarfile.TarInfo("bag/data/big")
    info.size = BLOCK * BLOCKS
    good = tarred(entries)
    end = good.rstrip(b"\0")
    good = good[: -(-len(end) // 512) * 512]
    first = gzip.compress(good + info.tobuf(tarfile.GNU_FORMAT), mtime=0)
    block = gzip.compress(bytes(BLOCK), mtime=0)
    return first + block * BLOCKS + gzip.compress(bytes(1024), mtime=0)


def claimed(kind: str, entries: list[Member]) -> bytes:
    """A tar file whose last entry claims 4 TB and ends after a few bytes."""
    info = tarfile.TarInfo("bag/data/big")
    info.size = 4 * 10**12
    content = tarred(entries).rstrip(b"\0")
    content += bytes(-len(content) % 512) + info.tobuf(tarfile.GNU_FORMAT) + b"x" * 512
    return gzip.compress(content, mtime=0) if kind == "tar.gz" else content


def streamed(kind: str, entries: list[Member]) -> bytes:
    """A zip file from a writer that could not go back: sizes come after the data."""

    class Pipe(io.RawIOBase):
        def __init__(self) -> None:
            self.made = bytearray()

        def writable(self) -> bool:
            return True

        def write(self, content: Any) -> int:
            self.made += content
            return len(content)

    pipe = Pipe()
    with zipfile.ZipFile(pipe, "w", zipfile.ZIP_DEFLATED) as archive:
        for one in entries:
            archive.writestr(zipfile.ZipInfo(one.name, EPOCH), one.content)
    return bytes(pipe.made)


def inside_out(kind: str, entries: list[Member]) -> bytes:
    """An archive with nothing in it but another archive."""
    inner = written("tar.gz", entries)
    return written(kind, [Member("bag/", kind=tarfile.DIRTYPE), Member("bag/bag.tar.gz", inner)])


def packed_data(entries: list[Member], away: Path) -> list[Member]:
    """The payload as an archive of its own."""
    inner = [one for one in entries if one.name.startswith("bag/data/")]
    outer = [one for one in entries if not one.name.startswith("bag/data/")]
    return [*outer, Member("bag/data.tar.gz", written("tar.gz", inner))]


NOT_UTF8 = "data/caf\u00e9.txt"

ARCHIVES = (
    finely("a good bag"),
    finely("a good bag of 1.0", version=NEW),
    finely(
        "a good bag, packed without entries for folders",
        hook=lambda entries, away: [one for one in entries if one.kind != tarfile.DIRTYPE],
    ),
    finely("a good bag, packed the other way round", hook=lambda entries, away: entries[::-1]),
    finely(
        "letters of the world and long names",
        damage=add("data/\u00e9 \u65e5\u672c.txt", "data/" + "n" * 150),
    ),
    finely(
        "a good bag packed as ./bag",
        hook=lambda entries, away: [replace(one, name=f"./{one.name}") for one in entries],
        kinds=("tar", "tar.gz"),
    ),
    finely(
        "the old format",
        write=lambda kind, entries: tarred(entries, tarfile.USTAR_FORMAT),
        kinds=("tar",),
    ),
    finely(
        "the GNU format",
        damage=add("data/\u00e9.txt", "data/" + "n" * 150),
        write=lambda kind, entries: tarred(entries, tarfile.GNU_FORMAT),
        kinds=("tar",),
    ),
    finely(
        "not compressed",
        write=lambda kind, entries: zipped(entries, zipfile.ZIP_STORED),
        kinds=("zip",),
    ),
    finely("sizes after the data", write=streamed, kinds=("zip",)),
    finely("a comment", bytewise=lambda content: content[:-2] + b"\x05\0hello", kinds=("zip",)),
    finely("a good bag", kinds=("tgz",)),
    _serialised(
        "incomplete",
        "warning",
        "a light bag",
        damage=lambda bag: fetch(f"{URL} 6 data/a.txt")(bag),
    ),
    badly("another byte", "M03", damage=write("data/a.txt", "alphA\n")),
    badly("a file is missing", "M01", damage=remove("data/a.txt")),
    badly("a file more", "M02", damage=write("data/extra")),
    badly("no bagit.txt", "D01", damage=remove("bagit.txt")),
    badly("a wrong Payload-Oxum", "I05", damage=instead_of_oxum("Payload-Oxum: 1.1\n")),
    badly("a path out of the bag", "M11", damage=line(f"{ZERO}  data/../../x"), also="Z03"),
    badly("bag files at the top level", "Z01", hook=stripped, also="Z02"),
    badly("a file beside the bag", "Z01", hook=more(Member("readme.txt", b"x"))),
    badly(
        "two bags",
        "Z01",
        hook=lambda entries, away: entries
        + [replace(one, name=one.name.replace("bag", "other", 1)) for one in entries],
        also="Z02",
    ),
    badly(
        "what a Mac puts beside", "Z01", hook=more(Member("__MACOSX/._bag", b"x")), kinds=("zip",)
    ),
    badly(
        "nothing in it",
        "Z01|D01|Z07",
        hook=lambda entries, away: [],
        also="Z01 Z07 D01 S01 S02 S04",
    ),
    oddly("another name than the folder", "Z02", stem="other"),
    badly("an absolute path", "Z03", hook=absolute, also="Z01 M02 I05"),
    badly("a path out of the archive", "Z03", hook=more(Member("../evil", b"x")), also="Z01"),
    badly(
        "a path through the bag and out of the archive",
        "Z03",
        hook=more(Member("bag/data/../../../evil", b"x")),
        also="Z01",
    ),
    badly("a path with a drive", "Z03", hook=more(Member("C:\\evil", b"x")), also="Z01"),
    badly("a path with backslashes", "Z03", hook=more(Member("bag\\data\\evil", b"x")), also="Z01"),
    badly("a path out with backslashes", "Z03", hook=more(Member("..\\evil", b"x")), also="Z01"),
    badly(
        "a symbolic link out of the bag",
        "Z04",
        hook=more(Member("bag/data/l", kind=tarfile.SYMTYPE, target="/etc/passwd")),
        also="S17 M02 I05",
    ),
    badly(
        "a symbolic link in the bag",
        "Z04",
        hook=more(Member("bag/data/l", kind=tarfile.SYMTYPE, target="a.txt")),
        also="S16 M02 I05",
    ),
    badly(
        "a file below a symbolic link",
        "Z04",
        hook=lambda entries, away: [
            *entries,
            Member("bag/data/l", kind=tarfile.SYMTYPE, target=str(away)),
            Member("bag/data/l/evil", b"x"),
        ],
        also="S17 S18 M02 Z05 I05",
    ),
    *(
        badly(f"{text}", "Z04", hook=more(one), kinds=("tar", "tar.gz"), also="M02 S15 I05")
        for text, one in (
            ("a hard link", Member("bag/data/l", kind=tarfile.LNKTYPE, target="bag/data/a.txt")),
            ("a hard link out", Member("bag/data/l", kind=tarfile.LNKTYPE, target="/etc/passwd")),
            ("a FIFO", Member("bag/data/p", kind=tarfile.FIFOTYPE)),
            ("a device", Member("bag/data/d", kind=tarfile.CHRTYPE)),
        )
    ),
    badly("an entry twice", "Z05", hook=more(Member("bag/data/a.txt", b"alpha\n")), also="M03 I05"),
    badly(
        "an entry twice, with other bytes",
        "Z05",
        hook=more(Member("bag/data/a.txt", b"other")),
        also="M03 I05",
    ),
    badly(
        "bagit.txt twice",
        "Z05",
        hook=more(Member("bag/bagit.txt", b"BagIt-Version: 1.0\n" + ENCODING.encode())),
        also="T01",
    ),
    badly("entries that differ only in case", "Z05", damage=add("data/A.txt")),
    badly(
        "16 MB that become 16 GB",
        "Z06",
        write=gzip_bomb,
        kinds=("tar.gz",),
        special=True,
        also="M02 I05",
    ),
    badly(
        "16 MB that become more",
        "Z06|M02",  # no manifest lists it, so it is not even unpacked
        write=zip_bomb,
        kinds=("zip",),
        special=True,
        also="Z07 M02 I05",
    ),
    badly(
        "4 TB claimed", "Z06|Z07", write=claimed, kinds=("tar", "tar.gz"), also="Z06 Z07 M02 I05"
    ),
    *(
        badly(
            f"cut off after {text}",
            "Z07",
            bytewise=partial(beginning, part),
            also="D01 S02 S04 M01 T02 I05 Z01",
        )
        for text, part in (("half", 0.49), ("a tenth", 0.1))
    ),
    badly(
        "cut off between two blocks",
        "Z07|S04|D01",
        bytewise=lambda content: content[: len(content) // 1024 * 512],
        kinds=("tar",),
        also="Z07 D01 S02 S04 M01 M02 T02 I05",
    ),
    badly(
        "no archive at all", "Z07", bytewise=lambda content: b"This is a text.\n" * 99, also="S01"
    ),
    badly("an empty file", "Z07", bytewise=lambda content: b"", also="S01"),
    badly("encrypted", "Z07", bytewise=patched(FLAGS, "<H", 1), kinds=("zip",), also="D01 S02 S04"),
    badly(
        "an unknown compression",
        "Z07",
        bytewise=patched(METHOD, "<H", 97),
        kinds=("zip",),
        also="D01 S02 S04",
    ),
    badly(
        "a byte flipped in the archive",
        "Z07|M03",
        write=lambda kind, entries: flipped(zipped(entries, zipfile.ZIP_STORED)),
        kinds=("zip",),
        also="Z07 M03",
    ),
    badly(
        "a wrong checksum of the compressed data",
        "Z07",
        bytewise=lambda content: content[:-8] + bytes(4) + content[-4:],
        kinds=("tar.gz",),
    ),
    badly("an archive in the archive", "Z08", write=inside_out, also="D01 S01 S02 S04"),
    badly("data.tar.gz instead of data/", "Z08", hook=packed_data, also="S02 M01 I05"),
    _serialised(
        "",
        "warning",
        "a name in the code page of DOS",
        "Z09",
        damage=add(NOT_UTF8),
        hook=lambda entries, away: [
            replace(one, name=one.name.replace("\u00e9", "#")) for one in entries
        ],
        bytewise=lambda content: content.replace(b"caf#", b"caf\x82"),
        kinds=("zip",),
        also="*",
    ),
    _serialised(
        "",
        "warning",
        "a name in ISO-8859-1",
        "Z09",
        damage=add(NOT_UTF8),
        hook=lambda entries, away: [
            replace(one, name=one.name.replace("\u00e9", "\udce9")) for one in entries
        ],
        write=lambda kind, entries: tarred(entries, tarfile.GNU_FORMAT),
        kinds=("tar",),
        also="*",
    ),
)


CASES: tuple[Case, ...] = tuple(
    chain.from_iterable(
        chain(DECLARATION, STRUCTURE, MANIFESTS, NAMES, TAG_MANIFESTS, BAG_INFO, FETCH, ARCHIVES)
    )
)
"""Validated as bags only, with ``--bag``."""
