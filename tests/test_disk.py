"""The disk that a package is written to: full, gone, or with somebody's things on it."""

from __future__ import annotations

import errno
import os
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from threading import Event, Thread
from typing import Any

import pytest
from gates import LONG_S, size_of, until
from packages import Harvest
from scripted import Scripted, serving, whole

from bagit_create.log import JobLog
from bagit_create.main import process
from bagit_create.sip.staging import Staging
from bagit_create.transfer import download
from bagit_create.transfer.room import EVERY, Room

FIRST, SECOND = b"1" * 900_000, b"2" * 900_000
Run = Callable[..., dict[str, Any]]


@pytest.fixture
def server() -> Iterator[Scripted]:
    """A record with two files, of which the second is not to be had."""
    with serving() as one:
        one.record({"a.bin": FIRST, "b.bin": SECOND})
        one.file("a.bin", lambda _: whole(FIRST))
        one.file("b.bin", lambda _: None)
        yield one


@pytest.fixture
def run(server: Scripted, tmp_path: Path) -> Run:
    """Package the record."""
    config = server.config(tmp_path)

    def call(**more: Any) -> dict[str, Any]:
        settings = {"retries": 0, "jobs": 1, "target": tmp_path / "out", **more}
        return process("r", "scripted", config=config, **settings)

    return call


# -- no room --------------------------------------------------------------------------------------


@pytest.fixture
def small_disk(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """Bytes and files that there is room for, in all."""
    real, total = os.statvfs, [2_300_000, 10_000]

    def small(place: Any) -> os.statvfs_result:
        used = [one.lstat().st_size for one in tmp_path.rglob("*") if one.is_file()]
        free = max(0, total[0] - sum(used)) // 4096
        files = max(0, total[1] - len(used))
        more = [total[1], files, files, *list(real(place))[8:]]
        return os.statvfs_result((4096, 4096, 600, free, free, *more))

    monkeypatch.setattr("os.statvfs", small)
    return total


def test_room_for_what_is_left_is_room_enough(
    server: Scripted, run: Run, small_disk: list[int]
) -> None:
    """What an earlier run left needs no more."""
    assert 7 == run()["exit_code"]
    server.file("b.bin", lambda _: whole(SECOND))

    assert 0 == run()["status"]


def test_what_is_here_is_kept_where_there_is_no_room(
    server: Scripted, run: Run, small_disk: list[int]
) -> None:
    """Until somebody made some."""
    assert 7 == run()["exit_code"]
    server.file("b.bin", lambda _: whole(SECOND))
    small_disk[0] = 1_000_000
    assert 10 == run()["exit_code"]
    small_disk[0] = 2_300_000
    server.asked.clear()

    assert 0 == run()["status"]
    assert not any("a.bin" in one for one in server.paths())


def test_room_for_the_files_that_are_left_is_room_enough(
    server: Scripted, run: Run, small_disk: list[int], tmp_path: Path
) -> None:
    """Inodes are counted likewise."""
    assert 7 == run()["exit_code"]
    server.file("b.bin", lambda _: whole(SECOND))
    small_disk[1] = 21 + len([one for one in tmp_path.rglob("*") if one.is_file()])

    assert 0 == run()["status"]


def test_an_archive_needs_its_room_beside_the_folder(
    server: Scripted, run: Run, small_disk: list[int]
) -> None:
    """Which goes only once the archive is verified."""
    server.file("b.bin", lambda _: whole(SECOND))

    assert 10 == run(archive="tar")["exit_code"]
    assert 0 == run()["status"]


def test_while_files_arrive_those_that_are_here_do_not_count(
    run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Else a large package could never be finished."""
    totals: list[int | None] = []
    real = Room.__init__

    def noted(self: Room, folder: Path, total: int | None) -> None:
        totals.append(total)
        real(self, folder, total)

    monkeypatch.setattr(Room, "__init__", noted)
    run()
    run()

    assert [1_800_000, 900_000] == totals


def test_room_is_asked_for_what_is_still_to_come(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Now and then."""
    monkeypatch.setattr("os.statvfs", lambda _: os.statvfs_result((1, 1, 9, 9, 9, 0, 0, 0, 0, 255)))
    Room(tmp_path, EVERY + 9).count(EVERY)

    with pytest.raises(OSError, match="No space left"):
        Room(tmp_path, EVERY + 10).count(EVERY)


def full(*_: Any) -> None:
    """What the system says."""
    raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))


@pytest.mark.parametrize("besides", [True, False])
def test_a_log_that_does_not_fit_any_more_is_10(
    besides: bool, harvest: Harvest, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """Beside a file that does not fit either, or alone: a package has its whole log."""
    real = JobLog.write_to
    monkeypatch.setattr(JobLog, "write_to", lambda self, path: real(self, Path("/dev/full")))
    if besides:
        monkeypatch.setattr(download, "_write", full)

    assert 10 == harvest(7000001)["exit_code"]
    assert [] == list(tmp_path.glob("out/sip::*"))


def test_a_log_with_a_gap_is_10(
    harvest: Harvest, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """There may be room again for its end."""
    real = JobLog.emit
    done: list[bool] = []

    class Gap:
        def write(self, _: str) -> None:
            full()

    def emit(self: JobLog, number: int, text: str) -> None:
        file = self._file
        if file is not None and not done:
            done.append(True)
            self._file = Gap()  # type: ignore[assignment]
        real(self, number, text)
        self._file = file

    monkeypatch.setattr(JobLog, "emit", emit)

    assert 10 == harvest(7000001)["exit_code"]
    assert [] == list(tmp_path.glob("out/sip::*"))
    assert 0 == harvest(7000001)["status"]


def test_a_journal_that_does_not_fit_is_10(
    harvest: Harvest, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It is closed then, and what it could not write does not fit either."""
    real = Staging.finish

    def finish(self: Staging, fact: dict[str, Any]) -> None:
        self._journal = self._journal or open("/dev/full", "a", encoding="utf-8")
        real(self, fact)

    monkeypatch.setattr(Staging, "finish", finish)

    assert 10 == harvest(7000001)["exit_code"]


# -- no target ------------------------------------------------------------------------------------


@pytest.mark.parametrize("files", [{"a.bin": FIRST}, {"a.bin": FIRST, "b.bin": b"b"}], ids=len)
@pytest.mark.parametrize("more", [{}, {"verify": False}, {"archive": "zip"}, {"workdir": "work"}])
def test_a_target_that_vanishes_is_10(
    more: dict[str, Any], files: dict[str, bytes], server: Scripted, run: Run, tmp_path: Path
) -> None:
    """11 speaks of a damaged disk."""
    more = {**more, **({"workdir": tmp_path / "out/work"} if "workdir" in more else {})}

    def vanish(_: Any) -> Iterator[bytes]:
        made = whole(FIRST)
        yield made[:500_000]
        until(lambda: size_of("a.bin", tmp_path / "out") > 400_000)  # what is behind it is buffered
        shutil.rmtree(tmp_path / "out")
        yield made[500_000:]

    server.record(files)
    server.file("a.bin", vanish)
    server.file("b.bin", lambda _: whole(b"b"))

    result = run(**more)

    assert (10, str(tmp_path / "out")) == (result["exit_code"], result["where"])
    assert "removed" in result["hint"]
    assert not (tmp_path / "out").exists()


def test_a_package_that_vanishes_before_it_is_validated_is_10(
    server: Scripted, run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It does not validate then; that is not the reason."""
    from bagit_create import validation

    real = validation.validate

    def validate(*given: Any, **named: Any) -> Any:
        shutil.rmtree(tmp_path / "out")
        return real(*given, **named)

    server.file("b.bin", lambda _: whole(SECOND))
    monkeypatch.setattr(validation, "validate", validate)

    assert 10 == run()["exit_code"]


@pytest.mark.parametrize("kind", ["file", "link"])
def test_a_place_for_names_that_is_none_is_10(kind: str, tmp_path: Path) -> None:
    """Nobody looks for a free name in it for ever, nor writes where a link leads."""
    for name in ("out", "work", "source", "elsewhere"):
        (tmp_path / name).mkdir()
    (tmp_path / "source/a.txt").write_text("a")
    taken = tmp_path / "out/.bic-staging"
    if kind == "file":
        taken.write_text("a file of somebody's")
    else:
        taken.symlink_to(tmp_path / "elsewhere")
    words = [sys.executable, "-m", "bagit_create", "--source", "local", "--author", "Ada"]
    words += ["--source-path", "source", "--target", "out", "--workdir", "work"]

    ended = subprocess.run(words, cwd=tmp_path, capture_output=True, text=True, timeout=LONG_S)

    assert 10 == ended.returncode
    assert str(taken) in ended.stderr
    assert [] == [*(tmp_path / "elsewhere").iterdir(), *(tmp_path / "work").iterdir()]


@pytest.mark.parametrize("option", ["target", "workdir"])
@pytest.mark.parametrize("name", ["x" * 5000, "x/" * 2500], ids=["a name", "a path"])
def test_a_folder_with_too_long_a_name_is_10(
    option: str, name: str, harvest: Harvest, tmp_path: Path
) -> None:
    """No system has such a one."""
    assert 10 == harvest(7000001, **{option: tmp_path / name})["exit_code"]


def test_two_runs_may_tidy_at_once(
    run: Run, server: Scripted, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The place for names may go before one is reserved in it."""
    from bagit_create.sip import names

    real = names._reserve
    tidied: list[bool] = []

    def reserve(reservation: Path, owner: str) -> None:
        if not tidied:
            tidied.append(True)
            reservation.parent.rmdir()
        real(reservation, owner)

    server.file("b.bin", lambda _: whole(SECOND))
    monkeypatch.setattr(names, "_reserve", reserve)

    assert 0 == run(workdir=tmp_path / "work")["status"]


def test_a_place_that_runs_tidy_away_all_the_time_is_never_taken_for_a_file(tmp_path: Path) -> None:
    """Whoever looks at it twice may find it the first time only."""
    from bagit_create.sip.names import check_place

    place = tmp_path / ".bic-staging"
    over = Event()

    def come_and_go() -> None:
        while not over.is_set():
            place.mkdir()
            place.rmdir()

    other = Thread(target=come_and_go)
    other.start()
    try:
        for _ in range(60_000):
            check_place(place)
    finally:
        over.set()
        other.join()
