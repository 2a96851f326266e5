"""Killed anywhere, continued by the same command: what is here is not fetched again."""

from __future__ import annotations

import errno
import json
import os
import random
import shutil
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from gates import LONG_S, begun, size_of, until
from packages import Harvest, by_name
from scripted import Asked, Scripted, cut, ranged, serving, whole

from bagit_create.main import process
from bagit_create.sandbox import Sandbox
from bagit_create.sandbox.content import Content
from bagit_create.sandbox.shapes import File, Record
from bagit_create.sip import claim
from bagit_create.transfer import finished, partial
from bagit_create.validation import validate

CONTENT = random.Random(1).randbytes(900_000)
OTHER = random.Random(2).randbytes(900_000)
HALF = 500_000
PLACE = "/api/records/r/files/f.bin/content"
Run = Callable[..., dict[str, Any]]


@pytest.fixture
def server() -> Iterator[Scripted]:
    """A record with one file, ``f.bin``, which breaks off in its middle."""
    with serving() as one:
        one.record({"f.bin": CONTENT})
        one.file("f.bin", lambda _: cut(whole(CONTENT, ETag='"1"'), HALF))
        yield one


@pytest.fixture
def run(server: Scripted, tmp_path: Path) -> Run:
    """Package the record."""
    config = server.config(tmp_path)

    def call(**more: Any) -> dict[str, Any]:
        settings = {"retries": 0, "timeout": 60, "jobs": 1, **more}
        return process("r", "scripted", target=tmp_path / "out", config=config, **settings)

    return call


def last(server: Scripted) -> Asked:
    return [one for one in server.asked if one.path == PLACE][-1]


def content(result: dict[str, Any]) -> bytes:
    assert 0 == result["status"], result
    return (Path(result["path"]) / "data/content/f.bin").read_bytes()


def test_a_partial_file_goes_on_where_it_broke(server: Scripted, run: Run) -> None:
    """With the version it was begun with as a condition."""
    first = run()
    server.file("f.bin", lambda asked: ranged(CONTENT, asked, ETag='"1"'))

    assert 8 == first["exit_code"]
    assert CONTENT == content(run())
    assert f"bytes={HALF}-" == last(server).headers["range"]
    assert '"1"' == last(server).headers["if-range"]


def test_without_a_version_the_checksum_decides(server: Scripted, run: Run) -> None:
    """A server that names none is asked for the rest all the same."""
    server.file("f.bin", lambda _: cut(whole(CONTENT), HALF))
    run()
    server.file("f.bin", lambda asked: ranged(CONTENT, asked))

    assert CONTENT == content(run())
    assert f"bytes={HALF}-" == last(server).headers["range"]
    assert "if-range" not in last(server).headers


def test_a_weak_version_is_no_condition(server: Scripted, run: Run) -> None:
    """``If-Range`` knows strong ones only (RFC 9110 section 13.1.5)."""
    server.file("f.bin", lambda _: cut(whole(CONTENT, ETag='W/"1"'), HALF))
    run()
    server.file("f.bin", lambda asked: ranged(CONTENT, asked, ETag='W/"1"'))

    assert CONTENT == content(run())
    assert "if-range" not in last(server).headers


def test_a_file_that_upstream_replaced_is_begun_anew(server: Scripted, run: Run) -> None:
    """No byte of the old one stays."""
    run()
    server.record({"f.bin": OTHER})
    server.file("f.bin", lambda asked: ranged(OTHER, asked, ETag='"2"'))

    assert OTHER == content(run())
    assert "range" not in last(server).headers


@pytest.mark.parametrize("listed", [{"checksum": None}, {"checksum": None, "size": None}])
def test_a_file_replaced_behind_an_unchanged_list_is_begun_anew(
    listed: dict[str, None], server: Scripted, run: Run
) -> None:
    """The server says so by sending the whole."""
    server.record({"f.bin": CONTENT}, **listed)
    run()
    server.file("f.bin", lambda asked: ranged(OTHER, asked, ETag='"2"'))

    assert OTHER == content(run())
    assert '"1"' == last(server).headers["if-range"]


def test_a_server_that_overlooks_the_condition_is_found_out(server: Scripted, run: Run) -> None:
    """It sends the rest of another version, and says which."""
    server.record({"f.bin": CONTENT}, checksum=None)
    run()
    server.file("f.bin", lambda asked: ranged(OTHER, Asked("GET", "", _plain(asked)), ETag='"2"'))

    assert OTHER == content(run(retries=1))


def _plain(asked: Asked) -> dict[str, str]:
    return {name: value for name, value in asked.headers.items() if name != "if-range"}


@pytest.mark.parametrize(
    "place",
    ["bytes 0-899999/900000", "bytes 500000-899999/900001", "bytes 500001-899999/*", "x"]
    + [pytest.param(f"bytes {'5' * 5000}-899999/900000", id="5000 digits")],
)
def test_another_part_than_was_asked_for_is_not_appended(
    place: str, server: Scripted, run: Run
) -> None:
    """The file is begun anew."""
    run()
    rest = whole(CONTENT[HALF:], "206 Partial Content", Content_Range=place, ETag='"1"')
    server.file("f.bin", lambda asked: rest if "range" in asked.headers else whole(CONTENT))

    assert CONTENT == content(run(retries=1))


def test_a_part_that_somebody_changed_costs_one_more_try(
    server: Scripted, run: Run, tmp_path: Path
) -> None:
    """The checksum tells in the end."""
    run()
    [part] = (tmp_path / "out").rglob("f.bin")
    part.write_bytes(b"x" * HALF)
    server.file("f.bin", lambda asked: ranged(CONTENT, asked, ETag='"1"'))

    assert CONTENT == content(run())
    assert "range" not in last(server).headers


@pytest.mark.parametrize("note", [b"", b"[]", b'{"bagpath": "x"}', b"{" * 100_000, b"\xff"])
def test_a_note_of_garbage_is_no_bug(
    note: bytes, server: Scripted, run: Run, tmp_path: Path
) -> None:
    """The file is begun anew."""
    run()
    [place] = (tmp_path / "out").rglob("parts/*.json")
    place.write_bytes(note)
    server.file("f.bin", lambda asked: ranged(CONTENT, asked, ETag='"1"'))

    assert CONTENT == content(run())


def test_after_a_crash_of_the_machine_only_a_checksum_is_trusted(
    server: Scripted, run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What was not yet on the disk may be holes."""
    server.record({"f.bin": CONTENT}, checksum=None)
    run()
    monkeypatch.setattr(partial, "boot_id", lambda: "another")
    server.file("f.bin", lambda asked: ranged(CONTENT, asked, ETag='"1"'))

    assert CONTENT == content(run())
    assert "range" not in last(server).headers


def test_a_file_killed_behind_its_last_byte_is_not_asked_for(
    server: Scripted, run: Run, tmp_path: Path
) -> None:
    """It is all there."""
    run()
    [part] = (tmp_path / "out").rglob("f.bin")
    part.write_bytes(CONTENT)
    server.asked.clear()

    assert CONTENT == content(run())
    assert PLACE not in server.paths()


def test_a_whole_file_of_unknown_size_is_known_by_its_range(
    server: Scripted, run: Run, tmp_path: Path
) -> None:
    """416, and the size it has."""
    server.record({"f.bin": CONTENT}, checksum=None, size=None)
    run()
    [part] = (tmp_path / "out").rglob("f.bin")
    part.write_bytes(CONTENT)
    server.file("f.bin", lambda asked: ranged(CONTENT, asked, ETag='"1"'))
    server.asked.clear()

    assert CONTENT == content(run())
    assert 1 == server.paths().count(PLACE)


def test_the_digests_are_those_of_the_whole(server: Scripted, run: Run) -> None:
    """Of what was here and of what came."""
    run()
    server.file("f.bin", lambda asked: ranged(CONTENT, asked, ETag='"1"'))

    assert "valid" == validate(Path(run()["path"])).verdict


@pytest.mark.parametrize(("trusted", "asked"), [(3600, 0), (-1, 1)])
def test_a_finished_file_without_a_checksum_is_trusted_for_a_time(
    trusted: int, asked: int, server: Scripted, run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As Indico's are; later it may have been replaced without a trace."""
    server.record({"a.bin": b"a", "f.bin": CONTENT}, checksum=None)
    server.file("a.bin", lambda _: whole(b"a"))
    run()
    server.file("f.bin", lambda asked: ranged(CONTENT, asked, ETag='"1"'))
    server.asked.clear()
    monkeypatch.setattr(finished, "TRUSTED_S", trusted)

    assert CONTENT == content(run())
    assert asked == server.paths().count("/api/records/r/files/a.bin/content")


# -- kills, and two at once -----------------------------------------------------------------------


def command(config: Path, target: Path) -> list[str]:
    return [
        *(sys.executable, "-m", "bagit_create", "-q", "-s", "zenodo", "--recid", "kill"),
        *("--config", str(config), "-t", str(target)),
    ]


def fetched(sandbox: Sandbox, sizes: dict[str, int]) -> int:
    """Bytes that were asked for: each request's file from where it was to go on."""
    total = 0
    for one in sandbox.seen:
        name = one.path.split("/")[-2]
        if name in sizes:
            start = one.headers.get("range", "bytes=0-").removeprefix("bytes=").rstrip("-")
            total += sizes[name] - int(start)
    return total


def test_kills_at_random_moments_are_survived(
    sandbox: Sandbox, config_file: Path, tmp_path: Path
) -> None:
    """No broken package is ever visible, and the last run makes a whole one."""
    record = Record("kill")
    sizes = {f"s{n:02}.bin": 3000 + n for n in range(30)} | {"b.bin": 30_000_000}
    for name, size in sizes.items():
        record.files[name] = File(name, Content(size, name), way="ranges")
    sandbox.app("zenodo").add(record)
    target = tmp_path / "out"
    started = time.monotonic()
    subprocess.run(command(config_file, target), check=True, capture_output=True)
    length = time.monotonic() - started
    shutil.rmtree(target)
    chance = random.Random(5)
    for _ in range(10):
        child = subprocess.Popen(command(config_file, target), stdout=subprocess.PIPE)
        try:
            child.wait(chance.uniform(0.1, 0.9) * length)
        except subprocess.TimeoutExpired:
            child.kill()
        child.communicate()
        for made in target.glob("sip::*"):
            assert "valid" == validate(made).verdict

    done = subprocess.run(command(config_file, target), check=True, capture_output=True, text=True)

    assert "valid" == validate(Path(done.stdout.strip())).verdict
    assert [] == [str(path) for path in target.rglob("*") if ".bic-staging" in str(path)]


def test_a_killed_run_costs_no_finished_byte_again(
    sandbox: Sandbox, config_file: Path, tmp_path: Path
) -> None:
    """What is asked for after the kill is what is not here."""
    record = Record("kill")
    sizes = {"a.bin": 2_000_000, "b.bin": 60_000_000}
    for name, size in sizes.items():
        record.files[name] = File(name, Content(size, name), way="ranges")
    sandbox.app("zenodo").add(record)
    target = tmp_path / "out"
    with begun(command(config_file, target), stdout=subprocess.DEVNULL):
        until(lambda: size_of("b.bin", target) > 10_000_000)
    here = sum(one.stat().st_size for one in target.rglob("*.bin"))
    sandbox.seen.clear()

    subprocess.run(command(config_file, target), check=True, capture_output=True)

    assert sum(sizes.values()) - here == fetched(sandbox, sizes)


def test_two_runs_at_once_do_not_mix(sandbox: Sandbox, config_file: Path, tmp_path: Path) -> None:
    """Each makes a package of its own, and the later one says that there is another."""
    record = Record("kill")
    record.files["b.bin"] = File("b.bin", Content(40_000_000, "b"), way="ranges")
    sandbox.app("zenodo").add(record)
    line = [one for one in command(config_file, tmp_path / "out") if one != "-q"]
    runs = [
        subprocess.Popen(line, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
        for _ in range(2)
    ]
    ends = [one.communicate(timeout=LONG_S) for one in runs]

    assert [0, 0] == [one.returncode for one in runs]
    paths = {Path(out.strip()) for out, _ in ends}
    assert 2 == len(paths)
    assert {"valid"} == {validate(one).verdict for one in paths}
    assert 1 <= sum("another run harvests the same record" in err for _, err in ends)


# -- whose a staging folder is --------------------------------------------------------------------


def owner(host: str = "", boot: str = "", pid: int = 0, start: str = "1") -> str:
    here = claim._here(os.getpid())
    return f"x@{host or here[0]}.{boot or here[1]}.{pid or os.getpid()}.{start}.77"


def test_a_folder_of_a_dead_process_is_abandoned() -> None:
    """A number that was given again starts at another time."""
    child = subprocess.Popen([sys.executable, "-c", ""])
    child.wait()

    assert claim.is_abandoned(owner(pid=child.pid), 1000, 1000)
    assert claim.is_abandoned(owner(pid=os.getppid(), start="1"), 1000, 1000)


def test_a_folder_of_a_living_process_is_not() -> None:
    """However long it is silent."""
    name = owner(pid=os.getppid(), start=claim._start_of(os.getppid()))

    assert not claim.is_abandoned(name, 1000, 10_000_000)


def test_a_folder_of_another_host_is_abandoned_after_silence() -> None:
    """Nobody can look at its processes."""
    name = owner(host="0123abcd")

    assert not claim.is_abandoned(name, 1000, 1000 + claim.OTHER_HOST_S - 1)
    assert claim.is_abandoned(name, 1000, 1000 + claim.OTHER_HOST_S + 1)


def test_a_folder_from_before_the_last_start_is_abandoned_soon() -> None:
    """The machine was switched off and on."""
    assert claim.is_abandoned(owner(boot="0000"), 1000, 1000 + claim.SAME_HOST_S + 1)


def test_a_run_gives_signs_of_life(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Other hosts see them."""
    monkeypatch.setattr(claim, "HEARTBEAT_S", 0.01)
    monkeypatch.setattr(claim, "_beater", None)  # an earlier test's waits for longer
    os.utime(tmp_path, (1, 1))
    heart = claim.Heartbeat(tmp_path)
    until(lambda: tmp_path.stat().st_mtime > 2)
    heart.end()


def test_a_run_whose_folder_was_taken_over_ends_with_10(
    server: Scripted, run: Run, tmp_path: Path
) -> None:
    """It was thought dead; no half package is made of two."""
    server.file("f.bin", lambda _: slowly(tmp_path))
    result = run()

    assert 10 == result["exit_code"]
    assert "Another run took" in result["errormsg"]


def slowly(place: Path) -> Iterator[bytes]:
    made = whole(CONTENT)
    yield made[:HALF]
    until(lambda: size_of("f.bin", place / "out") > 400_000)  # what is behind it is buffered
    [root] = (place / "out/.bic-staging").iterdir()
    root.rename(root.with_name("taken"))
    yield made[HALF:]


# -- no room --------------------------------------------------------------------------------------


def test_a_disk_that_fills_up_is_10_and_the_next_run_goes_on(
    server: Scripted, run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """With where, and how much is still to be written."""
    server.file("f.bin", lambda asked: ranged(CONTENT, asked, ETag='"1"'))
    write, written = os.write, [0]

    def full(descriptor: int, data: Any) -> int:
        written[0] += len(data) if len(data) > 1000 else 0
        if written[0] > 600_000:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        return write(descriptor, data)

    monkeypatch.setattr(os, "write", full)
    first = run()
    monkeypatch.setattr(os, "write", write)
    [part] = (tmp_path / "out").rglob("f.bin")
    missing = len(CONTENT) - part.stat().st_size

    assert 10 == first["exit_code"]
    assert f"{missing} bytes are still to be written" in first["where"]
    assert [] == list((tmp_path / "out").glob("sip::*"))
    assert CONTENT == content(run())
    assert last(server).headers["range"].startswith("bytes=")


def test_room_for_too_few_files_is_seen_before(
    harvest: Harvest, sandbox: Sandbox, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Inodes run out too."""
    real = os.statvfs
    monkeypatch.setattr(
        "os.statvfs",
        lambda place: os.statvfs_result((*list(real(place))[:5], 1000, 7, 7, 0, 255)),
    )
    result = harvest(7000001)

    assert 10 == result["exit_code"]
    assert "too few files" in result["errormsg"]
    assert not any(one.path.endswith("/content") for one in sandbox.seen)
    assert not (tmp_path / "out").exists()


def test_the_journal_and_the_notes_hold_no_secret(
    server: Scripted, run: Run, tmp_path: Path
) -> None:
    """They stay after a run that failed."""
    run(token="c4n4ry-token")

    for path in (tmp_path / "out").rglob("*"):
        assert not path.is_file() or b"c4n4ry" not in path.read_bytes()


def test_two_threads_of_one_process_work_apart(server: Scripted, run: Run) -> None:
    """As Celery runs them."""
    server.file("f.bin", lambda _: whole(CONTENT))
    made: list[dict[str, Any]] = []
    threads = [threading.Thread(target=lambda: made.append(run())) for _ in range(4)]
    for one in threads:
        one.start()
    for one in threads:
        one.join()

    assert [0] * 4 == [one["status"] for one in made]
    assert 4 == len({one["path"] for one in made})


def test_an_entry_of_a_file_that_went_on_is_as_of_any_other(server: Scripted, run: Run) -> None:
    """sip.json has its size and digests."""
    run()
    server.file("f.bin", lambda asked: ranged(CONTENT, asked, ETag='"1"'))

    entry = by_name(run())["f.bin"]

    assert len(CONTENT) == entry["size"]
    assert 206 == entry["origin"]["http_status"]
    assert json.dumps(entry)
