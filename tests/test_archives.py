"""Bags in archives: they are read where they are, whatever made them."""

from __future__ import annotations

import io
import os
import stat
import tarfile
import unicodedata
import zipfile
from pathlib import Path

import pytest
from archived import (
    BAGIT,
    BIG,
    BOTH,
    FILES,
    FORMS,
    ODD_NAMES,
    Read,
    expected,
    fix_tar,
    huge_zip,
    in_base,
    read,
    tar_bytes,
    whole,
    zip_bytes,
)

from bagit_create.validation.archives import open_archive
from bagit_create.validation.container import Kind
from bagit_create.validation.findings import Findings

# -- what is right -------------------------------------------------------------------------------


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("jobs", [1, 4])
def test_a_bag_is_read_where_it_is(form: str, jobs: int, tmp_path: Path) -> None:
    """Every form: all files with their bytes, the folders, and nothing to complain of."""
    extension, make = FORMS[form]
    (tmp_path / f"bag{extension}").write_bytes(whole(form))
    one = Read(tmp_path / f"bag{extension}", jobs)

    assert expected(FILES) == one.files
    assert ("bag", ()) == (one.name, one.findings)
    assert {name: content[:512] for name, content in FILES.items()} == one.heads
    assert sum(map(len, FILES.values())) == one.read
    assert one.serialisation == {".tgz": "tar.gz"}.get(extension, extension[1:])
    folders = {path for path, kind in one.kinds.items() if kind is Kind.FOLDER}
    assert {"data", "data/content", "data/content/sub", "data/meta"} == folders


@pytest.mark.parametrize("form", FORMS)
def test_odd_names_are_read(form: str, tmp_path: Path) -> None:
    """Long, deep, Unicode, with control characters, in all forms."""
    extension, make = FORMS[form]
    files = {"bagit.txt": BAGIT, **{name: name.encode() for name in ODD_NAMES}}
    one = read(make(in_base(files, "sip::x::1::2")), f"sip::x::1::2{extension}", tmp_path)

    assert expected(files) == one.files
    assert () == one.findings


@pytest.mark.parametrize("form", FORMS)
def test_files_open_from_their_beginning_in_any_order(form: str, tmp_path: Path) -> None:
    """Two at a time, in pieces of any size, those of the payload too."""
    extension, make = FORMS[form]
    path = tmp_path / f"bag{extension}"
    path.write_bytes(whole(form))
    bag = open_archive(path, Findings())
    assert bag is not None
    with bag.open("data/content/zeros") as zeros, bag.open("data/content/sub/big.bin") as big:
        pieces = [(zeros.read(1000), big.read(70_001)) for _ in range(10)]
    assert bytes(10_000) == b"".join(one for one, _ in pieces)
    assert BIG == b"".join(one for _, one in pieces)[: len(BIG)] + BIG[700_010:]
    for name, content in reversed(FILES.items()):
        with bag.open(name) as file:
            assert content == file.read()
    for name in ("data", "nothing", "bag/bagit.txt", "../bagit.txt", ""):
        with pytest.raises(OSError):
            bag.open(name)
    bag.close()


@pytest.mark.parametrize("form", sorted(FORMS.keys() - {"zip-stream"}))  # it knows no folders
def test_empty_folders_are_known_as_such(form: str, tmp_path: Path) -> None:
    """They are in no manifest, so somebody must be able to say so."""
    extension, make = FORMS[form]
    files = {"bag/": b"", **in_base(FILES), "bag/data/": b"", "bag/data/content/void/": b""}
    one = read(make(files), f"bag{extension}", tmp_path)

    assert {"data/content/void"} == one.empty
    assert "" not in one.kinds and () == one.findings


def test_what_tar_and_zip_make_is_read(tmp_path: Path) -> None:
    """The programs everybody has, if they are here."""
    import shutil
    import subprocess

    for name, content in FILES.items():
        (tmp_path / "bag" / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / "bag" / name).write_bytes(content)
    odd = tmp_path / "bag/data/content" / ("\u00e9" * 110)
    odd.write_bytes(b"odd")
    files = {**FILES, f"data/content/{odd.name}": b"odd"}
    lines = [
        ("tar", "-cf", "bag.tar", "bag"),
        ("tar", "-czf", "bag.tgz", "--format=ustar", "--exclude=*\u00e9*", "bag"),
        ("tar", "-cJf", "bag.tar.xz", "--format=pax", "./bag"),
        ("zip", "-qr", "bag.zip", "bag"),
    ]
    for line in lines:
        if shutil.which(line[0]):
            subprocess.run(line, cwd=tmp_path, check=True, env={**os.environ, "LC_ALL": "C.UTF-8"})
            one = Read(tmp_path / next(part for part in line if part.startswith("bag.")))
            assert expected(FILES if "ustar" in str(line) else files) == one.files, line
            # zip does not mark names as UTF-8: other programs take them for DOS's letters.
            assert ({"Z09"} if line[0] == "zip" else set()) == one.warnings | one.errors, line


def test_more_members_than_16_bits_count(tmp_path: Path) -> None:
    """A zip archive then needs ZIP64."""
    files = {"bagit.txt": BAGIT, **{f"data/{number}": b"" for number in range(65_600)}}
    one = read(zip_bytes(in_base(files), zipfile.ZIP_STORED), "bag.zip", tmp_path)

    assert 65_601 == len(one.files)
    assert () == one.findings


@pytest.mark.parametrize("form", ["pax", "gnu", "zip"])
def test_files_beyond_4_and_8_gib_are_read(
    form: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Where their sizes no longer fit into the first form of the headers; the bytes are a hole."""
    size = 9 << 30
    path = tmp_path / ("bag.zip" if form == "zip" else "bag.tar")
    if form == "zip":
        head = zip_bytes(in_base({"bagit.txt": BAGIT}))
        with path.open("wb") as file:
            huge_zip(file, "bag/data/huge", size, head)
    else:
        one = tarfile.TarInfo("bag/data/huge")
        one.size = size
        with path.open("wb") as file:
            file.write(tar_bytes(in_base({"bagit.txt": BAGIT}))[:1024])
            file.write(one.tobuf(tarfile.PAX_FORMAT if form == "pax" else tarfile.GNU_FORMAT))
            file.seek(size, os.SEEK_CUR)
            file.write(bytes(1024))
    found = Findings()
    bag = open_archive(path, found)
    assert bag is not None

    assert size == {one.path: one.size for one in bag.members(lambda *_: None)}["data/huge"]
    with bag.open("data/huge") as opened:
        assert bytes(100_000) == opened.read(100_000)
    assert () == found.all()
    bag.close()


# -- where the bag is ----------------------------------------------------------------------------


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("flat_ok", [False, True])
def test_a_flat_archive_is_an_error_unless_it_is_wanted(
    form: str, flat_ok: bool, tmp_path: Path
) -> None:
    """CERN's platform wants it so; the bag in it is judged all the same, whatever comes first."""
    extension, make = FORMS[form]
    for files in (FILES, dict(reversed(FILES.items()))):
        one = read(make(files), f"sip::x::1::2{extension}", tmp_path, flat_ok)
        assert ("sip::x::1::2", expected(FILES)) == (one.name, one.files)
        assert (set() if flat_ok else {"Z01"}) == one.errors
        assert ({"C56"} if flat_ok else set()) == one.warnings


def test_a_tar_of_the_current_folder_is_flat(tmp_path: Path) -> None:
    """``tar -cf x.tar .`` begins every name with a dot."""
    files = {"./": b"", **in_base(FILES, ".")}
    one = read(tar_bytes(files), "x.tar", tmp_path)

    assert (expected(FILES), {"Z01"}) == (one.files, one.errors)


@pytest.mark.parametrize("form", BOTH)
@pytest.mark.parametrize(
    "more", [{"notes.txt": b"1"}, {"__MACOSX/._bag": b"2"}, {"other/x": b"", "third/": b""}]
)
def test_a_second_entry_at_the_top_is_an_error(
    form: str, more: dict[str, bytes], tmp_path: Path
) -> None:
    """The bag beside it is judged."""
    extension, make = BOTH[form]
    for files in ({**in_base(FILES), **more}, {**more, **in_base(FILES)}):
        one = read(make(files), f"bag{extension}", tmp_path)
        assert (expected(FILES), {"Z01"}) == (one.files, one.errors)


@pytest.mark.parametrize("form", BOTH)
@pytest.mark.parametrize(
    ("files", "number"),
    [
        ({}, "Z01"),
        ({"a.txt": b"", "b.txt": b""}, "Z01"),
        ({"a/b.txt": b"", "c/d.txt": b""}, "Z01"),
        ({**in_base(FILES, "a"), **in_base(FILES, "b")}, "Z01"),
        ({"bag.tar": b"..."}, "Z08"),
        ({"bag/bag.zip": b"...", "bag/readme": b""}, "Z08"),
        ({"bag/": b""}, "Z01"),
    ],
)
def test_where_no_one_bag_is_nothing_is_judged(
    form: str, files: dict[str, bytes], number: str, tmp_path: Path
) -> None:
    """Empty, several, or packed twice."""
    extension, make = BOTH[form]
    one = read(make(files), f"bag{extension}", tmp_path)

    assert (False, {number}) == (one.usable, one.errors)


def test_a_folder_that_is_no_bag_is_for_others_to_judge(tmp_path: Path) -> None:
    """They say what is missing in it."""
    one = read(tar_bytes({"bag/readme": b""}), "bag.tar", tmp_path)

    assert ("bag", {"readme"}, ()) == (one.name, set(one.files), one.findings)


@pytest.mark.parametrize("form", BOTH)
def test_a_packed_payload_is_an_error(form: str, tmp_path: Path) -> None:
    """One step must be enough to unpack a bag."""
    extension, make = BOTH[form]
    files = {"bagit.txt": BAGIT, "data.tar.gz": b"..."}

    assert {"Z08"} == read(make(in_base(files)), f"bag{extension}", tmp_path).errors


@pytest.mark.parametrize("name", ["other.tar", "bag.zip", "bag", "bag.TAR", "bag.tar.gz", ".tar"])
def test_the_archive_is_named_like_the_folder(name: str, tmp_path: Path) -> None:
    """Otherwise that is a warning. What it is, is told by its content."""
    one = read(tar_bytes(in_base(FILES)), name, tmp_path)

    assert expected(FILES) == one.files
    assert ({"Z02"} if name in ("other.tar", ".tar") else set()) == one.warnings


# -- names ---------------------------------------------------------------------------------------

BAD_NAMES = [
    "/etc/passwd",
    "../x",
    "bag/../../x",
    "bag/data/..",
    "C:/x",
    "c:x",
    "bag\\x",
    "\\\\h\\x",
]


@pytest.mark.parametrize("form", ["pax", "gnu", "gzip", "zip"])
@pytest.mark.parametrize("name", [*BAD_NAMES, "bag/" + "long/" * 900 + "x"])
def test_a_name_that_leads_elsewhere_is_not_used(form: str, name: str, tmp_path: Path) -> None:
    """It is told, and the rest is judged."""
    extension, make = FORMS[form]
    one = read(make({**in_base(FILES), name: b"evil"}), f"bag{extension}", tmp_path)

    assert (expected(FILES), {"Z03"}) == (one.files, one.errors)


@pytest.mark.parametrize("form", BOTH)
def test_a_nul_in_a_name_is_not_used(form: str, tmp_path: Path) -> None:
    """C programs see a shorter name."""
    extension, make = BOTH[form]
    long = "bag/data/" + "x" * 120 + "@z"
    content = make({**in_base(FILES), long: b"evil"})
    one = read(content.replace(b"xxx@z", b"xxx\0z"), f"bag{extension}", tmp_path)

    assert (expected(FILES), {"Z03"}) == (one.files, one.errors)


@pytest.mark.parametrize("name", ["bag/./data/x", "bag//data/x", "./bag/data/./x", "bag/data//./x"])
def test_a_roundabout_name_is_taken_as_it_is_unpacked(name: str, tmp_path: Path) -> None:
    """And one file twice is found out."""
    files = {**in_base(FILES), name: b"once"}
    once = read(tar_bytes(files), "bag.tar", tmp_path)
    twice = read(tar_bytes({**files, "bag/data/x": b"twice"}), "bag.tar", tmp_path)

    assert expected({**FILES, "data/x": b"once"}) == once.files
    assert (set(), {"Z05"}) == (once.errors, twice.errors)


@pytest.mark.filterwarnings("ignore:Duplicate name")
@pytest.mark.parametrize("form", BOTH)
def test_a_file_that_is_there_twice_is_an_error(form: str, tmp_path: Path) -> None:
    """The last one counts, as when it is unpacked."""
    extension, _ = BOTH[form]
    made = io.BytesIO()
    members = [*in_base(FILES).items(), ("bag/data/content/a.txt", b"other")]
    if form == "zip":
        with zipfile.ZipFile(made, "w") as archive:
            for name, content in members:
                archive.writestr(name, content)
    else:
        with tarfile.open(fileobj=made, mode="w") as tar:
            for name, content in members:
                one = tarfile.TarInfo(name)
                one.size = len(content)
                tar.addfile(one, io.BytesIO(content))
    seen = read(made.getvalue(), f"bag{extension}", tmp_path)

    assert {"Z05"} == seen.errors
    assert expected({"x": b"other"})["x"] == seen.files["data/content/a.txt"]


@pytest.mark.parametrize("form", BOTH)
@pytest.mark.parametrize(
    ("first", "second"),
    [
        ("a.txt", "A.TXT"),
        ("stra\u00dfe", "STRASSE"),
        ("\u00e9", "e\u0301"),
        ("\u00c9", "e\u0301"),
    ],
)
def test_names_that_become_one_are_told(form: str, first: str, second: str, tmp_path: Path) -> None:
    """On disks that know no case, or one normal form only."""
    extension, make = BOTH[form]
    files = {**FILES, f"data/{first}": b"1", f"data/{second}": b"2"}
    one = read(make(in_base(files)), f"bag{extension}", tmp_path)

    assert ["Z05"] == [finding.id for finding in one.findings if finding.level == "error"]
    assert unicodedata.normalize("NFC", first) in unicodedata.normalize("NFC", one.said("Z05"))
    assert expected(files) == one.files


@pytest.mark.parametrize("form", BOTH)
def test_a_file_cannot_be_a_folder_too(form: str, tmp_path: Path) -> None:
    """What is in it could not be unpacked."""
    extension, make = BOTH[form]
    files = {**FILES, "data/content/a.txt/inside": b""}

    assert {"Z05"} == read(make(in_base(files)), f"bag{extension}", tmp_path).errors


def test_names_that_are_not_utf8_are_a_warning(tmp_path: Path) -> None:
    """In a tar archive they are bytes; in a zip archive DOS's letters, or UTF-8 unmarked."""
    content = tar_bytes(in_base({**FILES, "data/@@": b"x"}), tarfile.USTAR_FORMAT)
    latin = fix_tar(content.replace(b"data/@@", b"data/\xe9@"))
    one = read(latin, "bag.tar", tmp_path)
    assert (set(), {"Z09"}) == (one.errors, one.warnings)
    assert "data/\udce9@" in one.files

    content = zip_bytes(in_base({**FILES, "data/@@": b"x"}))
    for raw, name in ((b"data/\x82@", "data/\u00e9@"), (b"data/\xc3\xa9", "data/\u00e9")):
        one = read(content.replace(b"data/@@", raw), "bag.zip", tmp_path)
        assert (set(), {"Z09"}) == (one.errors, one.warnings)
        assert name in one.files


# -- what is no file -----------------------------------------------------------------------------

SPECIAL = {
    tarfile.SYMTYPE: Kind.LINK,
    tarfile.LNKTYPE: Kind.LINK,
    tarfile.CHRTYPE: Kind.DEVICE,
    tarfile.BLKTYPE: Kind.DEVICE,
    tarfile.FIFOTYPE: Kind.FIFO,
}


@pytest.mark.parametrize("flag", SPECIAL)
def test_links_and_devices_in_a_tar_are_listed_and_an_error(flag: bytes, tmp_path: Path) -> None:
    """They cannot be opened."""
    made = io.BytesIO(tar_bytes(in_base(FILES)))
    with tarfile.open(fileobj=made, mode="a") as tar:
        one = tarfile.TarInfo("bag/data/odd")
        one.type = flag
        one.linkname = "bag/data/content/a.txt"
        tar.addfile(one)
    seen = read(made.getvalue(), "bag.tar", tmp_path)

    assert (expected(FILES), {"Z04"}) == (seen.files, seen.errors)
    assert SPECIAL[flag] is seen.kinds["data/odd"]
    assert ("hard link" in seen.said("Z04")) == (flag == tarfile.LNKTYPE)
    if SPECIAL[flag] is Kind.LINK:
        assert {"data/odd": "bag/data/content/a.txt"} == seen.targets
    bag = open_archive(tmp_path / "bag.tar", Findings())
    assert bag is not None
    with pytest.raises(OSError):
        bag.open("data/odd")
    bag.close()


@pytest.mark.parametrize(
    ("mode", "kind"),
    [
        (stat.S_IFLNK, Kind.LINK),
        (stat.S_IFIFO, Kind.FIFO),
        (stat.S_IFSOCK, Kind.SOCKET),
        (stat.S_IFBLK, Kind.DEVICE),
    ],
)
def test_links_and_devices_in_a_zip_are_listed_and_an_error(
    mode: int, kind: Kind, tmp_path: Path
) -> None:
    """Their mode says what they are, their content where a link leads."""
    made = io.BytesIO(zip_bytes(in_base(FILES)))
    with zipfile.ZipFile(made, "a") as archive:
        one = zipfile.ZipInfo("bag/data/odd")
        one.external_attr = (mode | 0o777) << 16
        archive.writestr(one, "../../etc/passwd")
    seen = read(made.getvalue(), "bag.zip", tmp_path)

    assert (expected(FILES), {"Z04"}) == (seen.files, seen.errors)
    assert kind is seen.kinds["data/odd"]
    if kind is Kind.LINK:
        assert {"data/odd": "../../etc/passwd"} == seen.targets


def test_a_link_in_the_place_of_a_folder_is_not_followed(tmp_path: Path) -> None:
    """The classic way out: first the link, then a file behind it."""
    made = io.BytesIO(tar_bytes(in_base(FILES)))
    with tarfile.open(fileobj=made, mode="a") as tar:
        one = tarfile.TarInfo("bag/data/out")
        one.type, one.linkname = tarfile.SYMTYPE, "/tmp"
        tar.addfile(one)
        tar.addfile(tarfile.TarInfo("bag/data/out/evil"))

    assert {"Z04", "Z05"} == read(made.getvalue(), "bag.tar", tmp_path).errors
