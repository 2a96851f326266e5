"""Archives of packages: complete, verified, always the same bytes, and all or nothing."""

from __future__ import annotations

import errno
import hashlib
import json
import os
import shutil
import signal
import stat
import subprocess
import sys
import tarfile
import threading
import time
import zipfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from archived import FILES, ODD_NAMES, Read, expected
from gates import begun
from packages import Harvest

from bagit_create import assembly, validation
from bagit_create.errors import InputError, InvalidSip, SipError
from bagit_create.main import process
from bagit_create.options import ARCHIVES
from bagit_create.sip import archive, archivetar, archivezip
from bagit_create.sip.archive import Packed, pack, remove_packed, sidecar_line
from bagit_create.validation import validate

NAME = "sip::x::1::2"
ODD = {name: name.encode() for name in ODD_NAMES}
PRINTABLE = {name: content for name, content in ODD.items() if "\n" not in name}
TAGS = {"bagit.txt", "bag-info.txt", "extra/deep/tag.txt", "manifest-md5.txt"}
Change = Callable[[Path], object]


def write_bag(folder: Path, files: dict[str, bytes] = FILES) -> Path:
    """A folder with these files, and an empty one; it need not be valid."""
    for name, content in files.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(content)
    (folder / "data/content/void").mkdir()
    return folder


@pytest.fixture
def bag(tmp_path: Path) -> Path:
    return write_bag(tmp_path / "from" / NAME)


@pytest.fixture
def out(tmp_path: Path) -> Path:
    return tmp_path / "out"


def packed(bag: Path, out: Path, form: str, **more: Any) -> Packed:
    return pack(bag, out / (bag.name + ARCHIVES[form]), form, **more)


def everything(folder: Path) -> set[str]:
    """All that is there, hidden things too."""
    return {path.relative_to(folder).as_posix() for path in folder.rglob("*")}


def members(archive: Path) -> dict[str, bytes | None]:
    """What Python's own modules find, in order; folders with None."""
    if archive.suffix == ".zip":
        with zipfile.ZipFile(archive) as one:
            assert one.testzip() is None
            return {
                i.filename: None if i.is_dir() else one.read(i.filename) for i in one.infolist()
            }
    found: dict[str, bytes | None] = {}
    with tarfile.open(archive) as tar:
        for member in tar:
            file = tar.extractfile(member)
            found[member.name + "/" * member.isdir()] = file.read() if file else None
    return found


# -- what is in it -------------------------------------------------------------------------------


@pytest.mark.parametrize("form", ARCHIVES)
@pytest.mark.parametrize("flat", [False, True])
def test_everything_is_in_the_archive_in_one_order(
    form: str, flat: bool, tmp_path: Path, out: Path
) -> None:
    """bagit.txt, the other tag files, the payload; each folder before what is in it."""
    odd = PRINTABLE if form == "zip" else ODD
    files = {**FILES, **odd, "extra/deep/tag.txt": b"tag", "data/content-2": b"", "a.txt": b""}
    made = packed(write_bag(tmp_path / NAME, files), out, form, flat=flat)
    found = members(made.path)
    prefix = "" if flat else f"{NAME}/"

    assert files == {
        name.removeprefix(prefix): content for name, content in found.items() if content is not None
    }
    names = [name.removeprefix(prefix) for name in found]
    if not flat:
        assert "" == names.pop(0)
    assert "bagit.txt" == names.pop(0)
    payload = names.index("data/")
    assert sorted(names[:payload], key=str.encode) == names[:payload]
    assert sorted(names[payload:], key=str.encode) == names[payload:]
    assert "data/content/void/" in names and "extra/deep/" in names
    assert all(f"{os.path.dirname(one)}/" in names for one in files if "/" in one)
    assert (len(files), sum(map(len, files.values()))) == (made.files, made.bytes)
    assert made.size == made.path.stat().st_size
    assert {made.path.name} == everything(out)


@pytest.mark.parametrize("form", ARCHIVES)
def test_the_reader_finds_what_was_packed(form: str, bag: Path, out: Path) -> None:
    """And nothing to complain of."""
    one = Read(packed(bag, out, form).path)

    assert (expected(FILES), (), NAME) == (one.files, one.findings, one.name)
    assert {"data/content/void"} == one.empty


def test_nobody_owns_what_is_in_a_tar(bag: Path, out: Path) -> None:
    """No user, no group, no times but one, and modes for all."""
    (bag / "data/content/a.txt").chmod(0o4751)
    with tarfile.open(packed(bag, out, "tar").path) as tar:
        facts = {(m.uid, m.gid, m.uname, m.gname, m.mtime, m.mode, m.isdir()) for m in tar}

    day = 1706918400  # Bagging-Date: 2024-02-03
    assert {(0, 0, "", "", day, 0o644, False), (0, 0, "", "", day, 0o755, True)} == facts


def test_nobody_owns_what_is_in_a_zip(bag: Path, out: Path) -> None:
    """Names are marked as UTF-8, nothing is compressed, sizes stand before the data."""
    with zipfile.ZipFile(packed(bag, out, "zip").path) as archive:
        for one in archive.infolist():
            mode = one.external_attr >> 16
            assert (0o755 if one.is_dir() else 0o644) == stat.S_IMODE(mode)
            assert one.is_dir() == stat.S_ISDIR(mode)
            assert (2024, 2, 3, 0, 0, 0) == one.date_time
            assert (0x800, zipfile.ZIP_STORED, b"") == (one.flag_bits, one.compress_type, one.extra)


@pytest.mark.parametrize(
    ("info", "year"),
    [
        (b"", 1980),
        (b"bagging-date : 2001-09-09\r\n", 2001),
        (b"Bagging-Date: 2001-09-32\n", 1980),
        (b"Bagging-Date: 1970-01-01\n", 1980),
        (b"Bagging-Date: 9999-01-01\n", 1980),
        (b"X-Bagging-Date: 2001-09-09\n", 1980),
        (b"\xff\nBagging-Date: 2001-09-09", 2001),
    ],
)
def test_the_time_is_that_of_the_bag(info: bytes, year: int, bag: Path, out: Path) -> None:
    """The one that it tells of itself, if an archive can."""
    (bag / "bag-info.txt").write_bytes(info)
    with zipfile.ZipFile(packed(bag, out, "zip").path) as archive:
        assert {year} == {one.date_time[0] for one in archive.infolist()}
    with tarfile.open(packed(bag, out, "tar").path) as tar:
        assert {year} == {time.gmtime(one.mtime).tm_year for one in tar}


# -- the same bytes ------------------------------------------------------------------------------

#: Of the usual bag. They change only if the form is changed on purpose.
SUMS = {
    "tar": "ce1ef97f5e87e95e88f7a9f602583ba7fc39d4b50aec5e75debc957821d38a0b",
    "zip": "4575ba5d83fefc2515147e8c1737c6e100cab2ca982ec29b85765404f1529ad9",
}


@pytest.mark.parametrize("form", SUMS)
def test_the_bytes_are_the_same_on_every_machine(form: str, bag: Path, out: Path) -> None:
    """With every version of Python, and of every library."""
    content = packed(bag, out, form).path.read_bytes()

    assert SUMS[form] == hashlib.sha256(content).hexdigest()


@pytest.mark.parametrize("form", ARCHIVES)
def test_two_copies_of_a_bag_give_the_same_bytes(form: str, tmp_path: Path, out: Path) -> None:
    """Other folders, times, modes, an other order on the disk, another umask."""
    files = {**FILES, **PRINTABLE}
    first = write_bag(tmp_path / "one" / NAME, files)
    before = os.umask(0o077)
    try:
        second = write_bag(tmp_path / "two" / NAME, dict(reversed(files.items())))
    finally:
        os.umask(before)
    for path in second.rglob("*"):
        os.utime(path, (1, 1))

    one, two = packed(first, out / "1", form), packed(second, out / "2", form)
    assert one.path.read_bytes() == two.path.read_bytes()


def test_the_number_of_threads_does_not_show(tmp_path: Path, out: Path) -> None:
    """And what they make is one stream, which gzip's own reader takes."""
    content = b"".join(b"%d alpha beta\n" % number for number in range(400_000))
    bag = write_bag(tmp_path / NAME, {**FILES, "data/content/text": content})
    made = [
        packed(bag, out / str(jobs), "tar.gz", jobs=jobs).path.read_bytes() for jobs in (1, 2, 7)
    ]

    assert 1 == len(set(made))
    assert made[0].startswith(b"\x1f\x8b\x08\0\0\0\0\0")  # no name, no time
    assert content in packed(bag, out, "tar").path.read_bytes()
    import gzip

    assert packed(bag, out / "again", "tar").path.read_bytes() == gzip.decompress(made[0])


@pytest.mark.parametrize("form", ARCHIVES)
def test_a_checksum_file_can_be_checked(
    form: str, tmp_path: Path, out: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It is computed while writing; the archive is the same with and without."""
    monkeypatch.setattr(archivezip, "_SMALL", 1000)  # the larger ones are written in two steps
    bag = write_bag(tmp_path / NAME)
    plain = packed(bag, out / "plain", form)
    made = packed(bag, out, form, sidecar=True)
    assert plain.path.read_bytes() == made.path.read_bytes()
    assert ("", None) == (plain.sha256, plain.sidecar)

    value = hashlib.sha256(made.path.read_bytes()).hexdigest()
    assert value == made.sha256
    assert made.sidecar is not None
    assert f"{value}  {made.path.name}\n" == made.sidecar.read_text()
    assert made.sidecar.name == f"{made.path.name}.sha256"


@pytest.mark.parametrize("name", ["plain.tar", "back\\slash", "line\nbreak", "\u00e9", "return\r"])
def test_sha256sum_reads_the_line(name: str, tmp_path: Path) -> None:
    """Odd names too."""
    if shutil.which("sha256sum") is None:
        pytest.skip("sha256sum is not here")
    (tmp_path / name).write_bytes(b"content")
    (tmp_path / "sums").write_bytes(sidecar_line(hashlib.sha256(b"content").hexdigest(), name))

    subprocess.run(["sha256sum", "--quiet", "-c", "sums"], cwd=tmp_path, check=True)


# -- large ones ----------------------------------------------------------------------------------


@pytest.mark.parametrize("sidecar", [False, True])
def test_zip64_is_used_where_it_is_needed(
    sidecar: bool, bag: Path, out: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """For large files, for what stands behind them, and for many members."""
    monkeypatch.setattr(archivezip, "_LARGE", 1000)
    monkeypatch.setattr(archivezip, "_MANY", 3)
    monkeypatch.setattr(archivezip, "_SMALL", 1000)
    made = packed(bag, out, "zip", sidecar=sidecar)

    found = {f"{NAME}/{name}": content for name, content in FILES.items()}
    assert found.items() <= members(made.path).items()
    one = Read(made.path)
    assert (expected(FILES), ()) == (one.files, one.findings)
    content = made.path.read_bytes()
    assert b"PK\6\6" in content and b"PK\6\7" in content
    if shutil.which("unzip"):
        subprocess.run(["unzip", "-tqq", made.path], check=True)


def test_a_file_beyond_4_gib_is_packed(out: Path, tmp_path: Path) -> None:
    """A hole is read, and thrown away where it is written: only the headers are looked at."""
    size = 0xFFFFFFFF + 5
    made: list[bytes] = []
    length = 0

    class Hole:
        def __init__(self) -> None:
            self.size = size

        def blocks(self, again: bool = False) -> Iterator[memoryview]:
            return iter(())

    def write(data: bytes | memoryview) -> None:
        nonlocal length
        made.append(bytes(data))
        length += len(data)

    from datetime import date

    form = archivezip.Zip(write, date(2024, 2, 3), False)
    source: Any = Hole()
    form.file("a", source)
    form.file("b", source)
    form.finish()
    form.close()
    directory = b"".join(made).index(b"PK\1\2")
    content = b"".join(made)
    second = content.index(b"PK\1\2", directory + 4)
    wide = content[second + 47 : second + 47 + 28]

    assert (1, 24) == tuple(int.from_bytes(wide[n : n + 2], "little") for n in (0, 2))
    offset = int.from_bytes(wide[20:28], "little")
    assert offset == size + 30 + 1 + 20
    tar = archivetar.Tar(made.append, date(2024, 2, 3))  # type: ignore[arg-type]
    made.clear()
    source.size = 9 << 30
    tar.file("a", source)
    assert b"19 size=9663676416\n" in b"".join(made)


def test_a_size_that_needs_an_extended_header_is_read_again(
    bag: Path, out: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As every tar beyond 8 GiB has one."""
    monkeypatch.setattr(archivetar, "_FITS", 1000)
    made = packed(bag, out, "tar")

    found = {f"{NAME}/{name}": content for name, content in FILES.items()}
    assert found.items() <= members(made.path).items()


# -- what must not be in it ----------------------------------------------------------------------


def link(bag: Path) -> None:
    (bag / "data/content/link").symlink_to("a.txt")


def folder_link(bag: Path) -> None:
    (bag / "data/content/link").symlink_to("/etc")


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (link, "data/content/link: a symbolic link"),
        (folder_link, "data/content/link: a symbolic link"),
        (lambda bag: os.mkfifo(bag / "data/pipe"), "data/pipe: a special file"),
        (lambda bag: (bag / "data/a\\b").touch(), "backslash"),
        (lambda bag: (bag / "back\\slash").mkdir(), "backslash"),
        (lambda bag: open(os.fsencode(bag) + b"/data/\xff", "w").close(), "not UTF-8"),
        (lambda bag: (bag / "data/line\nbreak").touch(), "control character"),
    ],
)
def test_what_no_archive_should_have_is_refused(
    change: Change, said: str, bag: Path, out: Path
) -> None:
    """By its name, before anything is written."""
    change(bag)
    with pytest.raises(SipError) as caught:
        packed(bag, out, "zip")

    assert said in caught.value.where
    assert not out.exists()


def test_a_name_like_a_drive_is_refused_where_it_would_stand_first(bag: Path, out: Path) -> None:
    """Below the base directory it is a name like any other."""
    (bag / "c:notes").touch()
    with pytest.raises(SipError):
        packed(bag, out, "tar", flat=True)

    assert () == Read(packed(bag, out, "tar").path).findings


@pytest.mark.parametrize("place", [".", "data", "data/content/sub", "new/folder"])
def test_an_archive_in_the_package_itself_is_refused(place: str, bag: Path, tmp_path: Path) -> None:
    """By whatever way it is named."""
    before = everything(bag)
    (tmp_path / "way").symlink_to(bag)
    for top in (bag, tmp_path / "way", bag / "data/.."):
        with pytest.raises(InputError, match="in the package itself"):
            pack(bag, top / place / "x.tar", "tar")

    assert before == everything(bag)


def test_an_archive_without_its_extension_is_refused(bag: Path, out: Path) -> None:
    """Its name is that of the folder and the extension."""
    for name in ("x.zip", ".tar", "..tar", "...tar", "x"):
        with pytest.raises(InputError):
            pack(bag, out / name, "tar")


@pytest.mark.parametrize("sidecar", [False, True])
def test_a_name_that_is_taken_stays_what_it_is(sidecar: bool, bag: Path, out: Path) -> None:
    """Nothing is overwritten, neither by the archive nor by its checksum."""
    out.mkdir()
    (out / f"{NAME}.tar{'.sha256' if sidecar else ''}").write_text("mine")
    with pytest.raises(SipError, match="already there"):
        packed(bag, out, "tar", sidecar=True)

    assert ["mine"] == [path.read_text() for path in out.iterdir()]


@pytest.mark.parametrize("sidecar", [False, True])
def test_a_name_that_is_taken_meanwhile_too(sidecar: bool, bag: Path, out: Path) -> None:
    """While it was written and verified."""
    name = f"{NAME}.tar{'.sha256' if sidecar else ''}"
    with pytest.raises(SipError, match="already there"):
        packed(bag, out, "tar", sidecar=True, verify=lambda _: (out / name).write_text("mine"))

    assert ["mine"] == [path.read_text() for path in out.iterdir()]


def test_of_two_at_a_time_one_wins(bag: Path, out: Path) -> None:
    """And the other one says so."""
    outcomes: list[str] = []
    barrier = threading.Barrier(4)

    def work() -> None:
        try:
            packed(bag, out, "tar", verify=lambda _: [None, barrier.wait()][0])
            outcomes.append("made")
        except SipError as err:
            outcomes.append(err.message)

    threads = [threading.Thread(target=work) for _ in range(4)]
    for one in threads:
        one.start()
    for one in threads:
        one.join()

    assert ["An archive of that name is already there."] * 3 + ["made"] == sorted(outcomes)
    assert {f"{NAME}.tar"} == everything(out)
    assert () == Read(out / f"{NAME}.tar").findings


def test_a_file_system_without_links_does(
    bag: Path, out: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """There the name is taken first."""

    def refuse(*_: object) -> None:
        raise PermissionError(1, "Operation not permitted")

    monkeypatch.setattr(os, "link", refuse)
    assert () == Read(packed(bag, out, "tar", sidecar=True).path).findings
    with pytest.raises(SipError, match="already there"):
        packed(bag, out, "tar")
    assert {f"{NAME}.tar", f"{NAME}.tar.sha256"} == everything(out)


# -- all or nothing ------------------------------------------------------------------------------


def grow(path: Path) -> None:
    with path.open("ab") as file:
        file.write(b"more")


def shrink(path: Path) -> None:
    os.truncate(path, 590_000)


def rewrite(path: Path) -> None:
    """Other bytes, the same size and time."""
    facts = path.stat()
    with path.open("r+b") as file:
        file.write(b"other")
    os.utime(path, ns=(facts.st_atime_ns, facts.st_mtime_ns))


@pytest.mark.parametrize("form", ARCHIVES)
@pytest.mark.parametrize("change", [grow, shrink, rewrite])
def test_a_file_that_changes_meanwhile_is_an_error(
    form: str, change: Change, bag: Path, out: Path
) -> None:
    """The archive would hold neither the one nor the other."""
    big = bag / "data/content/sub/big.bin"
    seen = 0

    def on_bytes(count: int) -> None:
        nonlocal seen
        seen += count
        if count > 500_000:
            change(big)

    with pytest.raises(SipError, match="changed while it was packed") as caught:
        packed(bag, out, form, on_bytes=on_bytes)
    assert "data/content/sub/big.bin" == caught.value.where
    assert not out.exists()


@pytest.mark.parametrize("change", [lambda path: path.unlink(), lambda path: path.chmod(0)])
def test_a_file_that_cannot_be_read_is_an_error(change: Change, bag: Path, out: Path) -> None:
    """It was there when the package was listed."""
    if change is not None and os.getuid() == 0:
        change = Path.unlink
    with pytest.raises(SipError, match="cannot be read"):
        packed(bag, out, "tar", on_bytes=lambda _: change(bag / "data/meta/sip.json"))
    assert not out.exists()


def test_a_link_in_the_place_of_a_file_is_not_followed(bag: Path, out: Path) -> None:
    """Somebody may put it there after the listing."""

    def swap(_: int) -> None:
        path = bag / "data/meta/sip.json"
        path.unlink(missing_ok=True)
        path.symlink_to("/etc/passwd")

    with pytest.raises(SipError):
        packed(bag, out, "tar", on_bytes=swap)
    assert not out.exists()


@pytest.mark.parametrize("form", ARCHIVES)
@pytest.mark.parametrize("error", [KeyboardInterrupt, MemoryError])
def test_an_interrupted_run_leaves_nothing(
    form: str, error: type[BaseException], bag: Path, out: Path
) -> None:
    """Not even the folder that it made, nor a thread."""

    def on_bytes(count: int) -> None:
        if count > 500_000:
            raise error

    before = {*threading.enumerate()}
    with pytest.raises(error):
        packed(bag, out / "new/er", form, on_bytes=on_bytes)
    assert not out.exists()
    more = {*threading.enumerate()} - before
    assert {"bic-heartbeat"} >= {one.name for one in more}, "one for the whole process may be new"


@pytest.mark.parametrize("form", ARCHIVES)
def test_what_does_not_verify_gets_no_name(form: str, bag: Path, out: Path) -> None:
    """It is read under a hidden name, complete."""

    def verify(path: Path) -> None:
        assert expected(FILES) == Read(path).files
        assert {".bic-staging"} == {one.name for one in out.iterdir()}
        raise InvalidSip("no")

    out.mkdir()
    with pytest.raises(InvalidSip, match="no"):
        packed(bag, out, form, verify=verify, sidecar=True)
    assert set() == everything(out)


@pytest.mark.parametrize("form", ARCHIVES)
def test_a_full_disk_is_10_and_leaves_nothing(form: str, bag: Path, out: Path) -> None:
    """Whatever is written last does not fit."""
    sink = {"tar": 800_000, "tar.gz": 500_000, "zip": 901_000}[form]
    code = (
        "import resource, sys; from pathlib import Path\n"
        "from bagit_create.sip.archive import pack\n"
        "from bagit_create.errors import SipError\n"
        f"resource.setrlimit(resource.RLIMIT_FSIZE, ({sink}, {sink}))\n"
        "try: pack(Path(sys.argv[1]), Path(sys.argv[2]), sys.argv[3])\n"
        "except SipError as err: print(err); sys.exit(err.exit_code)\n"
    )
    line = [sys.executable, "-c", code, str(bag), str(out / (NAME + ARCHIVES[form])), form]
    done = subprocess.run(line, capture_output=True, text=True)

    assert (10, "") == (done.returncode, done.stderr)
    assert "The package cannot be written: file too large." in done.stdout
    assert not out.exists()


def test_room_is_looked_for_before(bag: Path, out: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Rather than after hours."""
    monkeypatch.setattr(os, "statvfs", lambda _: os.statvfs_result((4096,) * 2 + (1,) * 8))
    with pytest.raises(SipError, match="not enough room"):
        packed(bag, out, "zip")
    assert not out.exists()


def test_a_target_that_cannot_be_written_is_10(bag: Path, tmp_path: Path) -> None:
    """It may be a file."""
    (tmp_path / "file").touch()
    for place in ("file", "file/below"):
        with pytest.raises(SipError):
            packed(bag, tmp_path / place, "tar")


def test_a_link_in_the_place_of_the_staging_folder_is_refused(bag: Path, out: Path) -> None:
    """It would lead out of the target."""
    (out / "elsewhere").mkdir(parents=True)
    (out / ".bic-staging").symlink_to("elsewhere")
    with pytest.raises(SipError):
        packed(bag, out, "tar")
    assert {"elsewhere", ".bic-staging"} == everything(out)


# -- the command ---------------------------------------------------------------------------------


def bic(*arguments: str | Path, code: int = 0) -> subprocess.CompletedProcess[str]:
    """Run the command."""
    line = [sys.executable, "-m", "bagit_create", *arguments]
    done = subprocess.run(line, capture_output=True, encoding="utf-8", timeout=60)
    assert code == done.returncode, (done.stdout, done.stderr)
    return done


@pytest.fixture(scope="module")
def originals(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    """A package and a light one, both with odd names."""
    top = tmp_path_factory.mktemp("made")
    for name in (
        "a.txt",
        "sub/\u00e9t\u00e9.txt",
        "sub/\U0001f9ea",
        "w" * 255,
        "a b",
        "deep/" * 60 + "x",
    ):
        (top / "source" / name).parent.mkdir(parents=True, exist_ok=True)
        (top / "source" / name).write_bytes(name.encode() * 100)
    made = [
        process(source="local", source_path=top / "source", author="A", target=top, dry_run=light)
        for light in (False, True)
    ]
    return Path(made[0]["path"]), Path(made[1]["path"])


@pytest.fixture
def package(originals: tuple[Path, Path], tmp_path: Path) -> Path:
    return Path(shutil.copytree(originals[0], tmp_path / "packages" / originals[0].name))


@pytest.fixture
def light(originals: tuple[Path, Path], tmp_path: Path) -> Path:
    return Path(shutil.copytree(originals[1], tmp_path / "packages" / originals[1].name))


def warnings(place: Path) -> list[str]:
    return sorted(one.id for one in validate(place).findings if one.level == "warning")


@pytest.mark.parametrize("form", [None, *ARCHIVES])
def test_a_package_is_packed_beside_itself(form: str | None, package: Path) -> None:
    """Its path is all that standard output gets, and it is valid."""
    done = bic("pack", package, *(("--archive", form) if form else ()))
    archive = Path(done.stdout.removesuffix("\n"))

    assert archive == package.with_name(package.name + ARCHIVES[form or "tar"])
    assert "" == done.stderr
    report = validate(archive)
    assert "valid" == report.verdict
    assert warnings(package) == warnings(archive)
    assert {package.name, archive.name} == {one.name for one in package.parent.iterdir()}


def test_the_flat_form_is_what_the_platform_unpacks(package: Path, tmp_path: Path) -> None:
    """``extractall`` into a folder of its own, with ``data/meta/sip.json`` right below."""
    archive = Path(bic("pack", package, "--flat", "-t", tmp_path / "a/b").stdout.strip("\n"))
    assert (tmp_path / "a/b" / f"{package.name}.zip") == archive
    with zipfile.ZipFile(archive) as one:
        one.extractall(tmp_path / "Archive-1")

    subprocess.run(["diff", "-r", package, tmp_path / "Archive-1"], check=True)
    assert "valid" == validate(archive).verdict
    assert ["C56", *warnings(package)] == warnings(archive)


def test_json_and_the_checksum_are_for_programs(package: Path) -> None:
    """One object, whatever becomes of each path."""
    done = bic("pack", package, package / "nothing", "--json", "--checksum", code=2)
    told = json.loads(done.stdout)

    assert 1 == told["status"]
    first, second = told["packed"]
    content = Path(first["archive"]).read_bytes()
    assert (0, "tar", False, len(content)) == tuple(
        first[key] for key in ("status", "form", "flat", "bytes")
    )
    assert hashlib.sha256(content).hexdigest() == first["sha256"]
    assert Path(first["checksum_file"]).read_text().startswith(first["sha256"])
    assert (1, 2, "InputError") == tuple(second[key] for key in ("status", "exit_code", "error"))


def test_an_invalid_package_is_not_packed(package: Path) -> None:
    """Exit code 11, what is wrong, and no archive."""
    with (package / "data/content/a.txt").open("ab") as file:
        file.write(b"x")
    done = bic("pack", package, code=11)

    assert "" == done.stdout
    assert "not valid, so it is not packed" in done.stderr and "M03" in done.stderr
    assert [package] == list(package.parent.iterdir())


def test_a_light_package_is_packed_as_it_is(light: Path) -> None:
    """It can be completed after it is unpacked."""
    archive = Path(bic("pack", light, "--archive", "zip").stdout.strip("\n"))

    assert "incomplete" == validate(archive).verdict


def test_one_that_cannot_be_packed_does_not_stop_the_others(
    package: Path, light: Path, tmp_path: Path
) -> None:
    """The exit code is that of the first failure."""
    (tmp_path / "no bag").mkdir()
    done = bic("pack", tmp_path / "no bag", package, light, light, code=11)

    assert 2 == len(done.stdout.splitlines())
    assert "already there" in done.stderr


def test_the_folder_goes_once_the_archive_is_there(package: Path) -> None:
    """And not before; nothing hidden is left either."""
    bic("pack", package, "--remove-folder")

    assert {f"{package.name}.tar"} == everything(package.parent)


def test_the_folder_stays_if_there_is_no_archive(package: Path) -> None:
    """Because the name is taken, or the package is a link to another place."""
    taken = package.with_name(f"{package.name}.tar")
    taken.write_text("mine")
    bic("pack", package, "--remove-folder", code=10)
    assert package.is_dir() and "mine" == taken.read_text()

    (package.parent / "way").symlink_to(package)
    bic("pack", package.parent / "way", "--remove-folder", code=2)
    assert package.is_dir()


@pytest.mark.parametrize(
    "change",
    [
        lambda bag: (bag / "data/content/new").touch(),
        lambda bag: (bag / "data/content/new").mkdir(),
        lambda bag: (bag / "data/content/a.txt").unlink(),
        lambda bag: rewrite(bag / "data/content/a.txt"),
        lambda bag: (bag / "link").symlink_to("bagit.txt"),
    ],
)
def test_a_folder_that_changed_since_is_not_removed(change: Change, bag: Path, out: Path) -> None:
    """It may hold what the archive does not."""
    made = packed(bag, out, "tar")
    change(bag)
    before = everything(bag.parent)
    with pytest.raises(SipError):
        remove_packed(bag, made)

    assert before == everything(bag.parent)


def test_a_folder_that_changes_while_it_is_removed_comes_back(
    bag: Path, out: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """To its place."""
    made = packed(bag, out, "tar")
    before = everything(bag.parent)
    rename = os.rename

    def late(old: Path, new: Path) -> None:
        if old == bag:
            (bag / "data/content/a.txt").write_bytes(b"saved in the last moment")
        rename(old, new)

    monkeypatch.setattr(os, "rename", late)
    with pytest.raises(SipError, match="changed since"):
        remove_packed(bag, made)
    assert before == everything(bag.parent)


def test_a_kill_leaves_nothing_visible(tmp_path: Path, bag: Path) -> None:
    """Whenever it comes; ``bic clean`` finds what is hidden, and the next run works."""
    target = tmp_path / "target"
    code = (
        "import sys; from pathlib import Path\n"
        "from bagit_create.sip.archive import pack\n"
        "def on_bytes(count):\n"
        "    print(count, flush=True); sys.stdin.readline()\n"
        "pack(Path(sys.argv[1]), Path(sys.argv[2]), 'tar', on_bytes=on_bytes)\n"
    )
    for blocks in (1, 5, 8):
        line = [sys.executable, "-c", code, str(bag), str(target / f"{NAME}.tar")]
        with begun(line, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as child:
            assert child.stdin is not None and child.stdout is not None
            for number in range(blocks):
                if number:
                    child.stdin.write(b"go on\n")
                    child.stdin.flush()
                assert child.stdout.readline()
            child.send_signal(signal.SIGKILL)
        assert {".bic-staging"} == {one.name for one in target.iterdir()}
    told = bic("clean", target).stdout
    assert 3 == told.count("removed: ") and "pack-sip::x" in told
    assert set() == everything(target)

    assert () == Read(packed(bag, target, "tar").path).findings


# -- instead of a folder -------------------------------------------------------------------------


@pytest.mark.parametrize("form", ARCHIVES)
@pytest.mark.parametrize("light", [False, True])
def test_a_harvest_can_leave_an_archive(form: str, light: bool, harvest: Harvest) -> None:
    """One file, valid, and nothing else."""
    result = harvest(7000001, archive=form, dry_run=light)

    archive = Path(result["archive"])
    assert (result["path"], result["foldername"] + ARCHIVES[form]) == (str(archive), archive.name)
    assert result["foldername"].startswith("sip::zenodo::7000001::")
    assert {archive.name} == everything(archive.parent)
    report = validate(archive)
    assert ("incomplete" if light else "valid") == report.verdict
    assert not [one for one in report.findings if one.id.startswith("Z")]


def test_without_it_there_is_a_folder(harvest: Harvest) -> None:
    """As CERN's platform needs it."""
    result = harvest(7000001)

    assert (None, True) == (result["archive"], Path(result["path"]).is_dir())


def test_a_form_that_is_not_known_is_refused(harvest: Harvest) -> None:
    """Before anything is asked."""
    for form in ("rar", "ZIP", "tgz"):
        assert 2 == harvest(7000001, archive=form)["exit_code"]
    assert 2 == harvest(7000001, archive=7)["exit_code"]


def test_the_command_line_takes_it_too(originals: tuple[Path, Path], tmp_path: Path) -> None:
    """Standard output has the archive's path."""
    source = originals[0] / "data/content"
    line = ("-s", "local", "-sp", source, "-au", "A", "-t", tmp_path / "out")
    archive = Path(bic(*line, "--archive", "zip").stdout.strip("\n"))

    assert ([archive], ".zip") == (list((tmp_path / "out").iterdir()), archive.suffix)


def test_an_archive_that_does_not_verify_is_not_published(
    harvest: Harvest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A disk that gives other bytes back, between writing and reading."""
    real = validation.verify_archive

    def damaged(archive: Path, *more: Any, **names: Any) -> None:
        content = bytearray(archive.read_bytes())
        content[content.index(b"a tiny") if b"a tiny" in content else len(content) // 2] ^= 1
        archive.write_bytes(content)
        real(archive, *more, **names)

    monkeypatch.setattr(validation, "verify_archive", damaged)
    for form in ARCHIVES:
        result = harvest(7000001, archive=form)
        assert (11, "InvalidSip") == (result["exit_code"], result["error"]), form
        assert result["findings"]
    assert not (tmp_path / "out").exists()


def test_a_kill_while_packing_leaves_nothing_visible_and_the_next_run_goes_on(
    originals: tuple[Path, Path], tmp_path: Path
) -> None:
    """Of the archive nothing is kept."""
    target = tmp_path / "out"
    given = {"source": "local", "source_path": str(originals[0]), "author": "A", "archive": "zip"}
    code = (
        "import json, os, sys; from bagit_create import main, validation\n"
        "validation.verify_archive = lambda *_, **__: os.kill(os.getpid(), 9)\n"
        "main.process(target=sys.argv[1], **json.loads(sys.argv[2]))\n"
    )
    line = [sys.executable, "-c", code, str(target), json.dumps(given)]
    assert -signal.SIGKILL == subprocess.run(line).returncode
    assert {".bic-staging"} == {one.name for one in target.iterdir()}

    result = process(target=target, **given)  # type: ignore[arg-type]
    assert {Path(result["path"]).name} == everything(target)
    assert "valid" == validate(Path(result["path"])).verdict


def test_a_full_disk_keeps_what_was_fetched(
    harvest: Harvest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The folder was made, and there is no room for the archive beside it."""

    def full(*_: Any) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    with monkeypatch.context() as patched:
        patched.setattr(archive, "_fill", full)
        result = harvest(7000001, archive="tar")
    assert (10, True) == (result["exit_code"], "no space left" in result["errormsg"])
    assert {".bic-staging"} == {one.name for one in (tmp_path / "out").iterdir()}
    assert not [name for name in everything(tmp_path / "out") if name.endswith(".tar")]

    result = harvest(7000001, archive="tar")
    assert {Path(result["path"]).name} == everything(tmp_path / "out")


def test_a_name_is_given_to_one_package_only(
    harvest: Harvest, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Folder or archive: in one second the second one takes the next."""
    monkeypatch.setattr(assembly, "now", lambda: 1_700_000_000)
    made = [harvest(7000001, archive=form) for form in ("zip", None, "tar", "zip")]

    assert list(range(1_700_000_000, 1_700_000_004)) == [one["timestamp"] for one in made]


def test_an_archive_says_so_if_it_is_another_one(package: Path, tmp_path: Path) -> None:
    """A tag file that no manifest protects is compared too."""
    from bagit_create.validation import verify_archive

    (package / "notes.txt").write_text("one")
    report = validate(package, fingerprint=True)
    (package / "notes.txt").write_text("two")
    made = packed(package, tmp_path, "tar")
    with pytest.raises(InvalidSip) as caught:
        verify_archive(made.path, report)

    assert ("notes.txt: not as in the folder",) == caught.value.findings
