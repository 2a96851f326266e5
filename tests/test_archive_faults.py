"""Archives that are damaged, hostile, or beyond all limits: nothing goes unnoticed."""

from __future__ import annotations

import bz2
import gzip
import lzma
import os
import struct
import tarfile
import zipfile
from pathlib import Path

import pytest
from archived import (
    BAGIT,
    BIG,
    FILES,
    FORMS,
    Read,
    expected,
    fix_tar,
    in_base,
    read,
    tar_bytes,
    whole,
    zip_bytes,
)
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from bagit_create.validation import inflate, listing, tarbag, zipbag
from bagit_create.validation.archives import open_archive
from bagit_create.validation.findings import Findings

# -- limits --------------------------------------------------------------------------------------


@pytest.mark.parametrize("form", ["pax", "gzip", "zip"])
@pytest.mark.parametrize(
    ("limit", "value"),
    [("MOST_MEMBERS", 5), ("MOST_BYTES", 899_999), ("MOST_NAME_BYTES", 100), ("MOST_TOPS", 0)],
)
def test_an_archive_beyond_the_limits_is_not_judged(
    form: str, limit: str, value: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Ten million members, 100 TB, names that fill the memory."""
    monkeypatch.setattr(listing, limit, value)
    extension, make = FORMS[form]
    one = read(whole(form), f"bag{extension}", tmp_path)

    assert (False, {"Z06"}) == (one.usable, one.errors)


@pytest.mark.parametrize("form", ["gzip", "bzip2", "xz"])
def test_a_bomb_in_a_compressed_tar_stops_early(
    form: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Long before its end, while it is listed."""
    monkeypatch.setattr(inflate, "BOMB_BYTES", 2 << 20)
    monkeypatch.setattr(inflate, "BOMB_RATIO", 300)
    extension, make = FORMS[form]
    files = {**in_base(FILES), "bag/data/bomb": bytes(24 << 20), "bag/data/later": b""}
    made: list[int] = []
    watch = inflate.Inflow._watch

    def counted(self: inflate.Inflow, count: int) -> None:
        made.append(count)
        watch(self, count)

    monkeypatch.setattr(inflate.Inflow, "_watch", counted)
    one = read(make(files), f"bag{extension}", tmp_path)

    assert expected(FILES) == one.files
    assert {"data/bomb"} == one.failed.keys()
    assert {"Z06"} == one.errors and "bag/data/bomb" in one.said("Z06")
    assert sum(made) < 12 << 20


def test_many_small_bombs_are_one(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """None is large, all together are."""
    monkeypatch.setattr(inflate, "BOMB_BYTES", 4 << 20)
    monkeypatch.setattr(inflate, "BOMB_RATIO", 300)
    files = {"bag/bagit.txt": BAGIT, **{f"bag/data/{n}": bytes(1 << 20) for n in range(20)}}

    assert {"Z06"} == read(gzip.compress(tar_bytes(files)), "bag.tgz", tmp_path).errors


def test_a_bomb_in_a_zip_is_not_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Its directory tells; the other files are."""
    monkeypatch.setattr(zipbag, "BOMB_BYTES", 2 << 20)
    monkeypatch.setattr(zipbag, "BOMB_RATIO", 300)
    content = zip_bytes({**in_base(FILES), "bag/data/bomb": bytes(24 << 20)})
    noise = {f"bag/data/{n}": os.urandom(100_000) for n in range(4)}
    files = {**in_base(FILES), **noise, "bag/data/bomb": bytes(24 << 20)}
    one = read(zip_bytes(files), "bag.zip", tmp_path)

    assert {"data/bomb"} == one.failed.keys()
    assert {"Z06"} == one.errors and "bag/data/bomb" in one.said("Z06")
    monkeypatch.setattr(zipbag, "BOMB_RATIO", 20)  # now the whole archive is one
    assert not read(content, "bag.zip", tmp_path).usable


@pytest.mark.parametrize("declared", [10, 299_999])
def test_a_member_is_read_no_further_than_it_declares(declared: int, tmp_path: Path) -> None:
    """A size that lies is found out as soon as it does."""
    content = zip_bytes(in_base(FILES))
    place = content.rindex(b"bag/data/content/zeros")
    size = struct.pack("<L", declared)
    both = content[: place - 22] + size + content[place - 18 :]
    first = content.index(b"bag/data/content/zeros")
    both = both[: first - 8] + size + both[first - 4 :]
    one = read(both, "bag.zip", tmp_path)

    assert {"data/content/zeros"} == one.failed.keys()
    assert {"Z06"} == one.errors and f"more than the {declared} bytes" in one.said("Z06")


def test_a_large_dictionary_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """xz lets an archive choose how much memory it takes to unpack."""
    monkeypatch.setattr(inflate, "MOST_MEMORY", 1 << 20)
    one = read(lzma.compress(tar_bytes(in_base(FILES))), "bag.tar.xz", tmp_path)

    assert (False, True) == (one.usable, "Memory usage limit" in one.said("Z07"))


# -- damage --------------------------------------------------------------------------------------


@pytest.mark.parametrize("form", FORMS)
def test_a_cut_archive_is_found_out_wherever_it_is_cut(form: str, tmp_path: Path) -> None:
    """And what is read of it is right."""
    extension, make = FORMS[form]
    content = whole(form)
    right = expected(FILES)
    ends = [len(content) * part // 20 for part in range(20)]
    for end in (*ends, len(content) - 1, *range(0, 1600, 511)):
        one = read(content[:end], f"bag{extension}", tmp_path)
        if form in ("pax", "gnu") and not any(content[end:]):
            assert "Z07" in one.errors | one.warnings or end >= len(content.rstrip(b"\0")) + 1024
        else:
            assert one.errors & {"Z07", "Z01"}, end
        assert one.files.items() <= right.items()


def test_a_tar_cut_behind_a_member_is_cut(tmp_path: Path) -> None:
    """It lacks its end, and nothing else tells."""
    content = tar_bytes(in_base(FILES))
    one = read(content[: len(content.rstrip(b"\0")) // 512 * 512 + 512], "bag.tar", tmp_path)

    assert (expected(FILES), {"Z07"}) == (one.files, one.errors)
    assert "has no end" in one.said("Z07")


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("tail", [b"rubbish", b"\0" * 4096 + b"x", tar_bytes({"evil": b""})])
def test_what_follows_the_end_is_a_warning(form: str, tail: bytes, tmp_path: Path) -> None:
    """Nobody reads it, and nobody checks it."""
    extension, make = FORMS[form]
    one = read(whole(form) + tail, f"bag{extension}", tmp_path)

    assert expected(FILES) == one.files
    assert (set(), {"Z07"}) == (one.errors, one.warnings)


def test_what_follows_inside_the_compression_is_a_warning(tmp_path: Path) -> None:
    """A second archive behind the first one's end."""
    content = tar_bytes(in_base(FILES)) + tar_bytes({"evil": b"x"})
    for made in (
        gzip.compress(content),
        gzip.compress(content[:9999]) + gzip.compress(content[9999:]),
    ):
        one = read(made, "bag.tgz", tmp_path)
        assert (set(), {"Z07"}) == (one.errors, one.warnings)
        assert expected(FILES) == one.files


def test_parts_and_padding_of_a_compressed_file_are_fine(tmp_path: Path) -> None:
    """gzip joins files by writing them one after the other."""
    content = tar_bytes(in_base(FILES))
    parts = [content[:1], content[1:70_000], b"", content[70_000:]]
    for made in (
        b"".join(map(gzip.compress, parts)) + bytes(600),
        b"".join(map(lzma.compress, parts)) + bytes(8),
        b"".join(map(bz2.compress, parts)),
    ):
        one = read(made, "bag.tgz", tmp_path)
        assert (expected(FILES), ()) == (one.files, one.findings)


def test_what_stands_before_a_zip_archive_is_a_warning(tmp_path: Path) -> None:
    """As in one that unpacks itself; a tar archive before it is told too."""
    for before in (b"#!/bin/sh\n", tar_bytes(in_base({"evil": b""}))):
        one = read(before + zip_bytes(in_base(FILES)), "bag.zip", tmp_path)
        assert expected(FILES) == one.files
        assert (set(), {"Z07"}) == (one.errors, one.warnings)


@pytest.mark.parametrize("form", ["gzip", "bzip2", "xz", "zip", "zip-stored"])
def test_damaged_bytes_are_found_out(form: str, tmp_path: Path) -> None:
    """By the archive's own sums, and told with the name where that is known."""
    extension, make = FORMS[form]
    content = bytearray(whole(form))
    content[len(content) // 2] ^= 0x40
    one = read(bytes(content), f"bag{extension}", tmp_path)

    assert {"Z07"} == one.errors
    if form.startswith("zip"):
        assert {"data/content/sub/big.bin"} == one.failed.keys()
        assert "bag/data/content/sub/big.bin" in one.said("Z07")
        assert len(FILES) - 1 == len(one.files)
    assert one.files.items() <= expected(FILES).items()


def test_a_damaged_tag_file_is_told_when_it_is_opened(tmp_path: Path) -> None:
    """Once, and with an error for the caller."""
    content = zip_bytes(in_base(FILES), zipfile.ZIP_STORED).replace(b"as good as", b"as bad as ")
    (tmp_path / "bag.zip").write_bytes(content)
    found = Findings()
    bag = open_archive(tmp_path / "bag.zip", found)
    assert bag is not None
    for _ in range(2):
        with pytest.raises(OSError, match="CRC-32"), bag.open("manifest-md5.txt") as file:
            file.read()
    bag.close()

    [one] = found.all()
    assert ("Z07", "bag/manifest-md5.txt") == (one.id, one.file)


def patch_zip(content: bytes, name: bytes, **fields: int) -> bytes:
    """Change fields of a member's entry in the directory; ``local_*`` where it stands."""
    made = bytearray(content)
    central = {"flags": (8, "H"), "method": (10, "H"), "crc": (16, "L"), "packed": (20, "L")}
    central |= {"version": (6, "H"), "size": (24, "L"), "offset": (42, "L"), "disk": (34, "H")}
    own = {"flags": (6, "H"), "method": (8, "H"), "crc": (14, "L"), "packed": (18, "L")}
    own |= {"size": (22, "L"), "signature": (0, "L")}
    for field, value in fields.items():
        here = field.startswith("local_")
        offset, kind = (own if here else central)[field.removeprefix("local_")]
        base = content.index(name) - 30 if here else content.rindex(name) - 46
        struct.pack_into("<" + kind, made, base + offset, value)
    return bytes(made)


@pytest.mark.parametrize(
    ("fields", "said"),
    [
        ({"flags": 1, "local_flags": 1}, "encrypted"),
        ({"flags": 0x2041, "local_flags": 1}, "encrypted"),
        ({"method": 14, "local_method": 14}, "method 14"),
        ({"method": 99, "local_method": 99}, "method 99"),
        ({"method": 0, "local_method": 0}, "stored as"),
        ({"version": 64}, "not known"),
        ({"flags": 0x20, "local_flags": 0x20}, "not known"),
        ({"local_method": 0}, "two ways"),
        ({"local_size": 17}, "two ways"),
        ({"local_crc": 17}, "two ways"),
        ({"local_flags": 1}, "two ways"),
        ({"crc": 17, "local_crc": 17}, "CRC-32"),
        ({"packed": 0x7FFFFFFF, "local_packed": 0x7FFFFFFF}, "cut short"),
        ({"packed": 5, "local_packed": 5}, "cut short"),
        ({"size": 300_001, "local_size": 300_001}, "holds 300000 bytes"),
        ({"local_signature": 0}, "does not stand where"),
    ],
)
def test_a_zip_member_that_cannot_be_read_is_named(
    fields: dict[str, int], said: str, tmp_path: Path
) -> None:
    """All others are."""
    name = b"bag/data/content/zeros"
    content = patch_zip(zip_bytes(in_base(FILES)), name, **fields)
    one = read(content, "bag.zip", tmp_path)

    assert {"data/content/zeros"} <= one.failed.keys()
    assert said in one.said("Z07") and "data/content/zeros" in one.said("Z07")
    assert {"Z07"} == one.errors
    assert one.files.items() <= expected(FILES).items()
    assert len(one.files) >= len(FILES) - 2


def test_flags_that_mean_nothing_may_differ(tmp_path: Path) -> None:
    """Some programs mark names that are ASCII as UTF-8, in one of the two places."""
    name = b"bag/data/content/zeros"
    for fields in ({"flags": 0x800}, {"local_flags": 0x800}, {"local_flags": 8}):
        one = read(patch_zip(whole("zip"), name, **fields), "bag.zip", tmp_path)
        assert (expected(FILES), ()) == (one.files, one.findings)


def test_a_local_name_that_differs_is_an_error(tmp_path: Path) -> None:
    """Some programs go by it."""
    content = zip_bytes(in_base(FILES)).replace(
        b"bag/data/content/a.txt", b"bag/data/content/b.txt", 1
    )
    one = read(content, "bag.zip", tmp_path)

    assert {"data/content/a.txt"} == one.failed.keys()
    assert {"Z07"} == one.errors


def test_zip_members_that_share_bytes_are_an_error(tmp_path: Path) -> None:
    """As in bombs that need no high ratio."""
    files = in_base({**FILES, "data/b.txt": b"alpha"})
    content = zip_bytes(files)
    place = content.index(b"bag/data/content/a.txt") - 30
    one = read(patch_zip(content, b"bag/data/b.txt", offset=place), "bag.zip", tmp_path)

    assert {"Z07"} == one.errors
    assert "shares bytes" in one.said("Z07")


def test_a_zip_with_two_ends_is_refused(tmp_path: Path) -> None:
    """Programs differ on which of them counts."""
    first = zip_bytes(in_base(FILES))
    second = zip_bytes({"bag/bagit.txt": b"evil"})
    joined = first[:-2] + struct.pack("<H", len(second)) + second
    one = read(joined, "bag.zip", tmp_path)

    assert (False, {"Z07"}) == (one.usable, one.errors)
    assert "two ends" in one.said("Z07")


def test_a_zip_inside_a_zip_does_not_confuse(tmp_path: Path) -> None:
    """A stored archive as the last member has an end too."""
    files = {**FILES, "data/inner.zip": zip_bytes(FILES)}
    one = read(zip_bytes(in_base(files), zipfile.ZIP_STORED), "bag.zip", tmp_path)

    assert (expected(files), ()) == (one.files, one.findings)


@pytest.mark.parametrize(("place", "value"), [(8, 3), (10, 3), (4, 1)])
def test_a_zip_whose_end_lies_is_told(place: int, value: int, tmp_path: Path) -> None:
    """Fewer entries than there are, or one disk of several."""
    content = bytearray(zip_bytes(in_base(FILES)))
    struct.pack_into("<H", content, len(content) - 22 + place, value)

    assert {"Z07"} == read(bytes(content), "bag.zip", tmp_path).errors


def test_a_folder_with_content_is_an_error(tmp_path: Path) -> None:
    """Programs differ on what it is."""
    made = {**in_base(FILES), "bag/data/x@": b"content"}
    zipped = zip_bytes(made).replace(b"bag/data/x@", b"bag/data/x/")
    tarred = fix_tar(tar_bytes(made, tarfile.USTAR_FORMAT).replace(b"bag/data/x@", b"bag/data/x/"))
    for content, name in ((zipped, "bag.zip"), (tarred, "bag.tar")):
        one = read(content, name, tmp_path)
        assert {"Z07"} == one.errors
        assert expected(FILES) == one.files


def extended(**records: str) -> bytes:
    """A pax header for the next member."""
    made = tarfile.TarInfo("x")
    made.pax_headers = records
    return made.tobuf(tarfile.PAX_FORMAT)[:-512]


def plain_tar(*parts: bytes) -> bytes:
    body = tar_bytes(in_base(FILES))
    return body[: len(body.rstrip(b"\0")) // 512 * 512 + 512] + b"".join(parts) + bytes(1024)


def header(name: str, size: int = 0, flag: bytes = b"0") -> bytes:
    one = tarfile.TarInfo(name)
    one.size, one.type = size, flag
    return one.tobuf(tarfile.USTAR_FORMAT)


def test_a_size_that_is_told_twice_is_an_error(tmp_path: Path) -> None:
    """Programs that read the first one only take the content for further members."""
    inner = header("bag/data/evil") + bytes(512)
    made = plain_tar(extended(size="1024"), header("bag/data/x", 0), inner)
    one = read(made, "bag.tar", tmp_path)

    assert {"Z07"} == one.errors and "told twice" in one.said("Z07")
    assert (expected(FILES), {"data/x"}) == (one.files, set(one.failed))


@pytest.mark.parametrize(
    ("parts", "said"),
    [
        ((header("bag/data/x", 0, b"S"),), "sparse"),
        (
            (
                fix_tar(header("bag/data/x", 512, b"S")[:482] + b"\1" + bytes(29)),
                *(bytes(504) + b"\1" + bytes(7), bytes(512), b"x" * 512),
            ),
            "sparse",
        ),
        ((extended(**{"GNU.sparse.major": "1"}), header("bag/data/x", 5), b"x" * 512), "sparse"),
        ((header("bag/data/x", 0, b"V"),), "type"),
        ((header("bag/data/x", 512, b"Z"), bytes(512)), "type"),
        ((header("bag/data/x", 7, b"5"),), "a folder with a size"),
        ((header("bag/data/x/"),), "marked as a file"),
        ((fix_tar(header("bag/data/x")[:100] + b"\0rwxr-x\0" + header("x")[108:]),), "number"),
        (
            (fix_tar(header("data/x")[:257] + b"ustar  \0" + bytes(80) + b"bag" + bytes(164)),),
            "named",
        ),
        ((header("long", 10, b"L"), b"bag/data/xyz".ljust(512, b"\0"), header("z")), "named"),
        ((extended(path="bag/data/y"), extended(path="bag/data/x"), header("bag/data/z")), "twice"),
        (
            (header("long", 10, b"L"), b"bag/data/x".ljust(512, b"\0"))
            + (extended(path="bag/data/x"), header("bag/data/z")),
            "twice",
        ),
    ],
)
def test_a_tar_member_that_cannot_be_read_surely_is_named(
    parts: tuple[bytes, ...], said: str, tmp_path: Path
) -> None:
    """All others are read, those behind it too."""
    made = plain_tar(*parts, header("bag/data/last", 4), b"last" + bytes(508))
    one = read(made, "bag.tar", tmp_path)

    assert expected({**FILES, "data/last": b"last"}) == one.files
    assert {"Z07"} == one.errors and said in one.said("Z07")
    assert "bag/data/x: " in one.said("Z07").replace("x/: ", "x: ")


@pytest.mark.parametrize(
    ("parts", "said"),
    [
        ((header("long", (1 << 33) - 1, b"x"),), "extended header of"),
        ((header("long", 1 << 20, b"L"),), "middle of a header"),
        ((header("x", 10, b"x"), b"junk".ljust(512)), "cannot be read"),
        ((header("x", 10, b"x"), b"99 path=x\n".ljust(512, b"\0")), "cannot be read"),
        ((header("x", 10, b"x"), b"1 path=xy\n".ljust(512, b"\0")), "cannot be read"),
        ((header("x", 10, b"x"), b"10 size=x\n".ljust(512, b"\0"), header("y")), "cannot be"),
        ((header("g", 10, b"g"), b"10 path=x\n".ljust(512, b"\0"), header("y")), "all members"),
        ((header("x", 8, b"x"), b"8 path=\n".ljust(512, b"\0"), header("y")), "cannot be read"),
        ((fix_tar(header("x")[:124] + b"\0007" + header("x")[126:]),), "number"),
        ((header("x", 8, b"x"), b"8 pa\0h=\n".ljust(512, b"\0"), header("y")), "cannot be read"),
        ((header("x", 5005, b"x"), (b"5 a=\n" * 1001).ljust(5120, b"\0")), "cannot be read"),
        ((extended(comment="1"),) * 11, "without end"),
        ((extended(path="bag/data/x"),), "middle of a header"),
        ((header("x")[:50] + b"y" + header("x")[51:],), "no header"),
        ((b"x" * 512,), "number"),
        ((fix_tar(header("x")[:124] + b"-7 " + header("x")[127:]),), "number"),
        ((fix_tar(header("x")[:124] + b"\xff" * 12 + header("x")[136:]),), "number"),
        ((header("bag/data/x", (1 << 33) - 1),), "cut short"),
    ],
)
def test_a_broken_tar_header_ends_the_reading(
    parts: tuple[bytes, ...], said: str, tmp_path: Path
) -> None:
    """What was read before it stands."""
    one = read(plain_tar(*parts), "bag.tar", tmp_path)

    assert expected(FILES) == one.files
    assert {"Z07"} == one.errors and said in one.said("Z07")


@pytest.mark.parametrize(
    "remark",
    [
        b"52 comment=0123456789012345678901234567890123456789\n",
        b"27 SCHILY.release=star 1.6\n",
    ],
)
def test_a_remark_for_all_members_is_fine(remark: bytes, tmp_path: Path) -> None:
    """``git archive`` writes one, and star."""
    made = plain_tar(header("pax_global_header", len(remark), b"g"), remark.ljust(512, b"\0"))
    one = read(made, "bag.tar", tmp_path)

    assert (expected(FILES), ()) == (one.files, one.findings)


@pytest.mark.parametrize(
    "content", [b"", b"PK", b"x", b"\x1f\x8b", b"\x1f\x8b" + bytes(600), bytes(10), b"x" * 99_999]
)
def test_what_is_no_archive_is_said_to_be_none(content: bytes, tmp_path: Path) -> None:
    """Whatever its name."""
    for name in ("bag.tar", "bag.zip", "bag.tar.gz"):
        one = read(content, name, tmp_path)
        assert (False, {"Z07"}) == (one.usable, one.errors)


def test_a_compressed_file_that_is_no_archive_is_none(tmp_path: Path) -> None:
    """``notes.txt.gz``."""
    one = read(gzip.compress(b"notes" * 1000), "notes.txt.gz", tmp_path)

    assert not one.usable and "Z07" in one.errors


def test_a_pipe_or_a_folder_is_no_archive(tmp_path: Path) -> None:
    """And is not waited for."""
    os.mkfifo(tmp_path / "pipe.tar")
    (tmp_path / "folder.tar").mkdir()
    for name in ("pipe.tar", "folder.tar", "nothing.tar"):
        one = Read(tmp_path / name)
        assert (False, {"Z07"}) == (one.usable, one.errors)


def test_an_archive_that_changes_meanwhile_is_told(tmp_path: Path) -> None:
    """Listing and content would be of two archives."""
    path = tmp_path / "bag.tar"
    path.write_bytes(tar_bytes(in_base(FILES)))
    found = Findings()
    bag = open_archive(path, found)
    assert bag is not None
    path.write_bytes(tar_bytes(in_base(dict(reversed(FILES.items())))))
    os.utime(path, ns=(1, 1))
    bag.digest_all([("bagit.txt", 55)], lambda _: ("md5",), lambda *_: None, lambda *_: None, 1)
    bag.close()

    assert ["Z07"] == [one.id for one in found.all()]


# -- little memory, few handles ------------------------------------------------------------------


@pytest.mark.parametrize("form", ["pax", "gzip", "zip-stored"])
def test_a_member_takes_little_memory(form: str, tmp_path: Path) -> None:
    """Its name, and some numbers."""
    import tracemalloc

    extension, make = FORMS[form]
    files = {"bagit.txt": BAGIT, **{f"data/{number:05}": b"" for number in range(2_000)}}
    (tmp_path / f"bag{extension}").write_bytes(make(in_base(files)))
    tracemalloc.start()
    bag = open_archive(tmp_path / f"bag{extension}", Findings())
    kept, _ = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert bag is not None
    bag.close()

    assert kept < 2_000 * 350 + (1 << 20)


def test_large_tag_files_wait_on_disk_and_beyond_a_limit_in_the_archive(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """They are read again then; either way they are right."""
    content = gzip.compress(tar_bytes(in_base({**FILES, "big.txt": BIG})))
    for spooled, kept in ((1000, 1 << 30), (1000, 1000)):
        monkeypatch.setattr(tarbag, "SPOOLED_BYTES", spooled)
        monkeypatch.setattr(tarbag, "KEPT_BYTES", kept)
        one = read(content, "bag.tar.gz", tmp_path)
        assert expected({**FILES, "big.txt": BIG}) == one.files
        bag = open_archive(tmp_path / "bag.tar.gz", Findings())
        assert bag is not None
        with bag.open("big.txt") as file:
            assert BIG == file.read()
        bag.close()


@pytest.mark.parametrize("form", FORMS)
def test_nothing_stays_open(form: str, tmp_path: Path) -> None:
    """Neither after good archives nor after bad ones."""
    extension, make = FORMS[form]
    content = whole(form)
    before = len(os.listdir("/proc/self/fd"))
    for cut in (0, 10, len(content) // 2):
        read(content[: len(content) - cut], f"bag{extension}", tmp_path)

    assert before == len(os.listdir("/proc/self/fd"))


# -- anything at all -----------------------------------------------------------------------------

SMALL = {name: content[:2000] for name, content in FILES.items()}
SEEDS = {name: make(in_base(SMALL)) for name, (_, make) in FORMS.items()}


@pytest.mark.parametrize("form", FORMS)
@settings(
    max_examples=40,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)
@given(st.data())
def test_whatever_bytes_are_changed_nothing_breaks(
    form: str, tmp_path: Path, data: st.DataObject
) -> None:
    """No exception, and no file that is read wrong without a word in a form that has sums."""
    content = bytearray(SEEDS[form])
    for place in data.draw(st.lists(st.integers(0, len(content) - 1), min_size=1, max_size=4)):
        content[place] = data.draw(st.integers(0, 255))
    one = read(bytes(content), f"bag{FORMS[form][0]}", tmp_path)

    right = expected(SMALL)
    if form.startswith("zip") and not one.errors:
        assert {one.files[path] for path in one.files} <= set(right.values())
    if form in ("gzip", "tgz", "bzip2", "xz") and not one.findings:
        assert right == one.files


@pytest.mark.parametrize("form", ["pax", "gnu", "zip", "zip-stored", "zip-stream"])
@settings(
    max_examples=40,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)
@given(st.data())
def test_what_nobody_complains_of_others_read_in_the_same_way(
    form: str, tmp_path: Path, data: st.DataObject
) -> None:
    """A header with a wrong byte is either told, or means the same to Python's own modules."""
    content = bytearray(SEEDS[form])
    marks = (b"PK\1\2", b"PK\3\4", b"PK\5\6") if form.startswith("zip") else (b"ustar",)
    places = [place for mark in marks for place in all_places(bytes(content), mark)]
    for place in data.draw(st.lists(st.sampled_from(places), min_size=1, max_size=3)):
        offset = data.draw(st.integers(0, 60) if len(marks) == 3 else st.integers(-257, 250))
        if place + offset < len(content):
            content[place + offset] = data.draw(st.integers(0, 255))
    name = f"bag{FORMS[form][0]}"
    made = bytes(content) if len(marks) == 3 else fix_tar(bytes(content))
    one = read(made, name, tmp_path)

    if not one.findings:
        assert {f"bag/{path}": facts for path, facts in one.files.items()} == by_python(
            tmp_path / name
        )


def all_places(content: bytes, mark: bytes) -> list[int]:
    return [place for place in range(len(content)) if content.startswith(mark, place)]


def by_python(path: Path) -> dict[str, tuple[int, str]]:
    """The files that Python's own modules find."""
    found: dict[str, bytes] = {}
    if path.suffix == ".zip":
        with zipfile.ZipFile(path) as archive:
            for entry in archive.infolist():
                if not entry.is_dir():
                    found[os.path.normpath(entry.filename)] = archive.read(entry)
    else:
        with tarfile.open(path) as tar:
            for member in tar:
                assert member.isreg() or member.isdir()
                if member.isreg() and (file := tar.extractfile(member)):
                    found[os.path.normpath(member.name)] = file.read()
    return expected(found)
