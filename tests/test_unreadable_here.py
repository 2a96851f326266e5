"""What this machine cannot read here and now is no fault of a package: no verdict, exit code 10."""

from __future__ import annotations

import errno
import json
import os
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from batches import Bench, bench
from click.testing import CliRunner
from packages import Harvest

from bagit_create.cli import cli
from bagit_create.errors import SipError
from bagit_create.main import process
from bagit_create.validation import validate

__all__ = ["bench"]

#: Runs a command again and again, each time with one more file that the process may open, and
#: writes a JSON list of [exit code, standard output, standard error].
SWEEP = """
import json, os, resource, sys
from click.testing import CliRunner
from bagit_create.cli import cli
from bagit_create.main import process

def once(words):
    made = CliRunner().invoke(cli, words)
    if made.exception and not isinstance(made.exception, SystemExit):
        raise made.exception
    return [made.exit_code, made.stdout, made.stderr]

words, most = json.loads(sys.argv[1]), int(sys.argv[2])
assert once(words)[0] == 0  # everything that loads on use is loaded now
hard = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
resource.setrlimit(resource.RLIMIT_NOFILE, (40, hard))
taken = []
try:
    while True:
        taken.append(os.open("/dev/null", os.O_RDONLY))
except OSError:
    pass
made = []
for spare in range(most + 1):
    made.append(once(words))
    os.close(taken.pop())
print(json.dumps(made))
"""


def sweep(words: list[str], most: int) -> list[tuple[int, str, str]]:
    """What ``bic WORDS`` does with 0, 1, … ``most`` files that may still be opened."""
    made = subprocess.run(
        [sys.executable, "-c", SWEEP, json.dumps(words), str(most)],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert 0 == made.returncode, made.stderr
    return [(code, out, err) for code, out, err in json.loads(made.stdout)]


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with small and large files, some deep down."""
    place = tmp_path_factory.mktemp("local") / "given"
    for name, size in (("a.txt", 1), ("b/c/d.bin", 300_000), ("b/e.bin", 200_000)):
        path = place / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(name.encode() * size)
    return place


Make = Callable[..., Path]


@pytest.fixture(scope="module")
def make(folder: Path) -> Make:
    """Makes a package of that folder, or shows the one it made; nothing may be changed in it."""
    made: dict[str, Path] = {}

    def call(archive: str | None = None, number: int = 1) -> Path:
        key = f"{archive} {number}"
        if key not in made:
            result = process(
                source="local",
                source_path=folder,
                author="ada",
                target=folder.parent / f"out of {archive}",
                archive=archive,
            )
            assert 0 == result["status"], result
            made[key] = Path(result["path"])
        return made[key]

    return call


@pytest.fixture
def failing(monkeypatch: pytest.MonkeyPatch) -> Callable[[str, int], None]:
    """Has files of which the path ends so fail with an error when they are opened to be read."""
    real = os.open

    def begin(end: str, number: int) -> None:
        def opened(path: Any, flags: int, *more: Any, **options: Any) -> int:
            if flags & os.O_ACCMODE == os.O_RDONLY and os.fsdecode(path).endswith(end):
                raise OSError(number, os.strerror(number), path)
            return real(path, flags, *more, **options)

        monkeypatch.setattr(os, "open", opened)

    return begin


@pytest.mark.parametrize("archive", [None, "tar", "tar.gz", "zip"])
def test_a_process_with_too_many_open_files_judges_no_package(
    make: Make, archive: str | None
) -> None:
    """However few it may still open: it says that, or the package is valid."""
    package = make(archive)
    ends = sweep(["validate", str(package), "--jobs", "2"], 5)

    assert {0, 10} == {code for code, *_ in ends}
    assert 0 == ends[-1][0]
    for code, told, why in ends:
        assert ("" if code else f"valid: {package}") == told.partition(" (")[0]
        assert not code or "may not open more files" in why and "'ulimit -n'" in why


def test_a_run_with_too_many_open_files_blames_no_disk(folder: Path, tmp_path: Path) -> None:
    """It ends with 10, or 8 where the folder cannot be listed, or with a package that is whole."""
    target = tmp_path / "out"
    words = [
        "--source",
        "local",
        "--source-path",
        str(folder),
        "-au",
        "ada",
        "--target",
        str(target),
        "-q",
    ]
    ends = sweep(words, 14)

    assert {code for code, *_ in ends} <= {0, 8, 10}, ends
    assert 0 == ends[-1][0]
    assert not any("chmod" in why or "there is nothing" in why for *_, why in ends), ends
    for code, _, why in ends:
        assert not code or "ulimit -n" in why, why
    found = sorted(target.glob("sip::*"))
    assert 1 + sum(not code for code, *_ in ends) == len(found)
    assert all("valid" == validate(one).verdict for one in found)


@pytest.mark.parametrize(
    "name", ["ENOENT", "EISDIR", "ELOOP", "EIO", "EACCES", "ENXIO", "ENAMETOOLONG"]
)
def test_what_is_wrong_with_a_file_is_a_finding(
    make: Make, failing: Callable[[str, int], None], name: str
) -> None:
    """The disk has the file and does not give it back, say."""
    package = make()
    failing("/d.bin", getattr(errno, name))
    made = CliRunner().invoke(cli, ["validate", str(package)])

    assert 11 == made.exit_code
    assert "S19" in made.stdout and os.strerror(getattr(errno, name)) in made.stdout


@pytest.mark.parametrize("name", ["EMFILE", "ENFILE", "ENOMEM", "ESTALE", "ENOTCONN", "ETIMEDOUT"])
def test_what_is_wrong_with_this_machine_is_none(
    make: Make, failing: Callable[[str, int], None], name: str
) -> None:
    """Whichever file it befalls; what to try is told."""
    package = make()
    for file in ("/d.bin", "/manifest-sha512.txt", "/sip.json", "/bag-info.txt"):
        failing(file, getattr(errno, name))
        made = CliRunner().invoke(cli, ["validate", str(package)])

        assert (10, "") == (made.exit_code, made.stdout), file
        assert "cannot be checked here and now" in made.stderr and "try: " in made.stderr


def test_a_path_on_a_file_system_that_is_away_is_not_called_missing(
    make: Make, monkeypatch: pytest.MonkeyPatch
) -> None:
    """There may be a package."""
    package = str(make())
    real = os.lstat

    def away(path: Any, **options: Any) -> os.stat_result:
        if path == package:
            raise OSError(errno.ESTALE, os.strerror(errno.ESTALE), path)
        return real(path, **options)

    monkeypatch.setattr(os, "lstat", away)
    made = CliRunner().invoke(cli, ["validate", package])

    assert (10, "") == (made.exit_code, made.stdout)
    assert "no such path" not in made.stderr and "Mount it again" in made.stderr


def test_checks_of_a_store_that_came_before_are_kept(
    make: Make, failing: Callable[[str, int], None], tmp_path: Path
) -> None:
    """The one that cannot be read is not noted as broken, nor as gone."""
    first, second = make("tar"), make("tar", 2)
    record = tmp_path / "record"
    words = ["validate", "--since", str(record), str(first.parent)]
    failing(second.name, errno.ESTALE)
    made = CliRunner().invoke(cli, words)

    assert 10 == made.exit_code
    noted = [json.loads(line) for line in record.read_text().splitlines()]
    assert [f"out of tar/{first.name}"] == [one["package"] for one in noted]
    assert ["valid"] == [one["verdict"] for one in noted]


def test_a_batch_that_runs_out_of_files_ends_and_goes_on_later(
    bench: Bench, failing: Callable[[str, int], None], monkeypatch: pytest.MonkeyPatch
) -> None:
    """No record of it is said to have come back from the disk as something else."""
    ids = bench.records(3)
    bench.job(ids)
    failing("/data/content/a.txt", errno.EMFILE)
    made = bench.run("--workers", 1)

    assert 10 == made.returncode
    assert "'ulimit -n'" in made.stderr
    assert {"pending"} == set(bench.outcomes().values())
    monkeypatch.undo()
    assert 0 == bench.run("--workers", 1).returncode
    assert ids == bench.packages()


def test_a_link_on_a_file_system_that_is_away_leads_somewhere_still(
    make: Make, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It is not called broken."""
    package = tmp_path / "package"
    shutil.copytree(make(), package)
    (package / "data/content/link").symlink_to("a.txt")
    real = os.path.realpath

    def away(path: Any, *, strict: bool = False) -> str:
        if strict:
            raise OSError(errno.ESTALE, os.strerror(errno.ESTALE), path)
        return str(real(path))

    monkeypatch.setattr(os.path, "realpath", away)
    with pytest.raises(SipError, match="stale file handle"):
        validate(package)


def test_at_no_moment_is_an_earlier_package_taken_for_broken(
    harvest: Harvest, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whichever of its files this machine cannot open, and however late in the examination."""
    first = Path(harvest(7000001)["path"])
    real, left = os.open, [0]

    def opened(path: Any, flags: int, *more: Any, **options: Any) -> int:
        if os.fsdecode(path).startswith(f"{first}/"):
            left[0] -= 1
            if left[0] == 0:
                raise OSError(errno.EMFILE, os.strerror(errno.EMFILE), path)
        return real(path, flags, *more, **options)

    monkeypatch.setattr(os, "open", opened)
    number = 0
    while left[0] <= 0:  # until nothing is opened so late
        number += 1
        left[0] = number
        again = harvest(7000001, if_changed=True)
        assert again["unchanged"] if left[0] > 0 else 10 == again["exit_code"], again

    assert number > 10
    assert [first] == [*first.parent.glob("sip::*")]


def test_packages_that_cannot_be_looked_for_now_are_not_taken_for_gone(
    harvest: Harvest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Another one would be made beside them."""
    place = Path(harvest(7000001)["path"]).parent
    real = os.scandir

    def scanned(path: Any) -> Any:
        if os.fspath(path) == os.fspath(place):
            raise OSError(errno.ESTALE, os.strerror(errno.ESTALE), path)
        return real(path)

    monkeypatch.setattr(os, "scandir", scanned)
    target = tmp_path / "other"
    again = harvest(7000001, if_changed=True, previous=place, target=target)

    assert (10, "SipError") == (again["exit_code"], again["error"])
    assert not target.exists() or not [*target.iterdir()]


@pytest.mark.parametrize("archive", [None, "zip"])
def test_an_earlier_package_that_cannot_be_read_now_is_not_taken_for_broken(
    harvest: Harvest, failing: Callable[[str, int], None], archive: str | None
) -> None:
    """Another one would be made beside it, of a record that has not changed."""
    first = harvest(7000001, archive=archive)
    failing(Path(first["path"]).name if archive else "/sip.json", errno.ESTALE)
    again = harvest(7000001, archive=archive, if_changed=True)

    assert (10, "SipError") == (again["exit_code"], again["error"])
    assert [Path(first["path"])] == [*Path(first["path"]).parent.glob("sip::*")]
