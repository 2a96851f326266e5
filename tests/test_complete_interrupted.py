"""``bic complete`` killed, disturbed, or in odd places: there is one whole bag at any moment."""

from __future__ import annotations

import errno
import os
import random
import resource
import shutil
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from threading import Event
from typing import Any

import killed
import pytest
from gates import LONG_S, begun, size_of, until
from lightbags import (
    FILES,
    Form,
    assert_alone,
    assert_full,
    bic,
    complete,
    fetched,
    holey,
    offer,
    place_of,
    remains,
    tree,
    unprivileged,
)
from scripted import Asked, Scripted, cut, ranged, serving, whole

from bagit_create.completion import change, swap
from bagit_create.sip.staging import FOLDER
from bagit_create.validation import validate

BIG = "data/run 1/big.bin"
CONTENT = random.Random(3).randbytes(1_500_000)
ALL = {**FILES, BIG: CONTENT}
OPTIONS = ["--allow-host", "127.0.0.1", "--retries", "0"]


@pytest.fixture
def server() -> Iterator[Scripted]:
    with serving() as one:
        yield one


@pytest.fixture
def bag(server: Scripted, tmp_path: Path) -> Path:
    """One of its files is large enough to be gone on with."""
    path = holey(tmp_path / "bag", server, ALL, here=("data/a.txt",))
    server.answers[place_of(BIG)] = lambda asked: ranged(CONTENT, asked, ETag='"1"')
    return path


def program(*words: object) -> list[str]:
    return [sys.executable, "-m", "bagit_create", *map(str, words), *OPTIONS]


def killed_at(where: str, *words: object) -> None:
    command = [sys.executable, killed.__file__, where, *map(str, words), *OPTIONS]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60)
    assert -signal.SIGKILL == done.returncode, (done.stdout, done.stderr)


def journal(bag: Path) -> list[str]:
    """The lines about finished files beside a bag."""
    return [line for one in remains(bag) for line in _lines(one / "done.jsonl")]


def _lines(path: Path) -> list[str]:
    return path.read_text().splitlines() if path.exists() else []


# -- killed ---------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "where",
    [
        "before reading back",
        "behind linking",
        "before writing tag files",
        "behind writing tag files",
        "before syncing",
        "before exchanging",
    ],
)
def test_a_run_that_is_killed_before_the_exchange_changes_nothing(
    where: str, bag: Path, server: Scripted
) -> None:
    """What it has fetched is not asked for again."""
    before = tree(bag)
    killed_at(where, "complete", bag)
    assert before == tree(bag)
    server.asked.clear()
    complete(bag)

    assert [] == fetched(server)
    assert_full(bag, ALL)


@pytest.mark.parametrize("where", ["behind exchanging", "before leaving", "rename 3"])
def test_a_run_that_is_killed_after_the_exchange_has_done_its_work(
    where: str, bag: Path, server: Scripted
) -> None:
    """The next one removes what it left."""
    killed_at(where, "complete", bag)
    assert "valid" == validate(bag).verdict
    server.asked.clear()
    complete(bag)

    assert [] == server.asked
    assert_full(bag, ALL)


@pytest.mark.parametrize(("where", "verdict"), [("rename 1", ""), ("rename 2", "valid")])
def test_a_run_that_is_killed_within_the_exchange_is_mended_by_the_next(
    where: str, verdict: str, bag: Path, server: Scripted
) -> None:
    """Where two folders cannot be exchanged in one step, the old one is aside for a moment."""
    before = tree(bag)
    killed_at(where, "complete", bag)
    assert before == tree(bag.with_name("bag.bic-before"))
    assert (verdict and validate(bag).verdict or "") == verdict
    server.asked.clear()
    complete(bag)

    assert [] == server.asked
    assert_full(bag, ALL)


def test_without_a_trace_of_the_run_two_bags_are_for_their_keeper_to_judge(
    bag: Path, server: Scripted
) -> None:
    """Neither is removed, for nothing tells which is right."""
    aside = bag.with_name("bag.bic-before")
    shutil.copytree(bag, aside)
    before = tree(bag)
    done = complete(bag, code=10)

    assert str(aside) in done.stderr
    assert before == tree(bag) == tree(aside)
    assert [] == remains(bag)
    assert [] == server.asked


def test_a_download_that_is_killed_goes_on_where_it_was(bag: Path, server: Scripted) -> None:
    """With the rest of the one file that was under way."""

    over = Event()

    def slow(asked: Asked) -> Iterator[bytes]:
        made = ranged(CONTENT, asked, ETag='"1"')
        yield made[:1_000_000]
        over.wait()

    server.answers[place_of(BIG)] = slow
    before = tree(bag)
    with begun(program("complete", bag), stderr=subprocess.DEVNULL):
        until(lambda: size_of("big.bin", bag.parent) > 500_000)
        until(lambda: 3 == len(journal(bag)))
    over.set()
    assert before == tree(bag)
    server.asked.clear()
    server.answers[place_of(BIG)] = lambda asked: ranged(CONTENT, asked, ETag='"1"')
    complete(bag)

    assert [place_of(BIG)] == fetched(server)
    assert server.asked[0].headers["range"].startswith("bytes=")
    assert_full(bag, ALL)


def test_ctrl_c_is_130_and_the_same_command_goes_on(bag: Path, server: Scripted) -> None:
    """The bag stands as it was."""

    over = Event()

    def slow(_: Asked) -> Iterator[bytes]:
        yield whole(CONTENT, ETag='"1"')[:1_000_000]
        over.wait()

    server.answers[place_of(BIG)] = slow
    before = tree(bag)
    words = program("complete", bag, "--timeout", 3600)
    with begun(words, stderr=subprocess.PIPE, text=True) as child:
        until(lambda: size_of("big.bin", bag.parent) > 500_000)
        child.send_signal(signal.SIGINT)
        _, told = child.communicate(timeout=LONG_S)
    over.set()

    assert 130 == child.returncode
    assert "goes on" in told
    assert before == tree(bag)
    server.answers[place_of(BIG)] = lambda asked: ranged(CONTENT, asked, ETag='"1"')
    complete(bag)
    assert server.asked[-1].headers["range"].startswith("bytes=")
    assert_full(bag, ALL)


def test_a_file_that_broke_off_is_gone_on_with_though_the_others_are_in(
    bag: Path, server: Scripted
) -> None:
    """A hundred gigabytes are not begun anew because a small file came in."""
    server.answers[place_of(BIG)] = lambda _: cut(whole(CONTENT, ETag='"1"'), 900_000)
    complete(bag, code=8)

    assert "incomplete" == validate(bag).verdict
    assert FILES["data/ü.txt"] == (bag / "data/ü.txt").read_bytes()
    assert 1 == len(remains(bag))
    server.asked.clear()
    server.answers[place_of(BIG)] = lambda asked: ranged(CONTENT, asked, ETag='"1"')
    complete(bag)
    assert ["bytes=900000-"] == [one.headers.get("range") for one in server.asked]
    assert_full(bag, ALL)


def test_another_address_does_not_make_fetched_files_worthless(
    bag: Path, server: Scripted, tmp_path: Path
) -> None:
    """A digest tells what a file is, wherever the next run would look for it."""
    killed_at("before exchanging", "complete", bag)
    server.asked.clear()
    complete(bag, "--mirror", f"{server.url}=http://127.0.0.1:1")

    assert [] == server.asked
    assert_full(bag, ALL)


def test_a_fetched_file_that_rotted_since_is_fetched_again(bag: Path, server: Scripted) -> None:
    """It is read before it is used."""
    killed_at("before reading back", "complete", bag)
    [left] = [one for one in bag.parent.rglob("b.bin") if FOLDER in str(one)]
    left.write_bytes(left.read_bytes()[::-1])
    server.asked.clear()
    complete(bag)

    assert [place_of("data/run 1/b.bin")] == fetched(server)
    assert_full(bag, ALL)


def test_nothing_is_written_to_a_file_that_is_the_bags_own(bag: Path, server: Scripted) -> None:
    """What a killed run had linked is no download, whatever its notes say."""
    killed_at("behind linking", "complete", bag)
    [root] = remains(bag)
    linked = root / "bag/data/a.txt"
    assert linked.stat().st_ino == (bag / "data/a.txt").stat().st_ino
    with (root / "done.jsonl").open("a") as journal:
        journal.write('{"bagpath": "data/a.txt"}\n')
    (bag / "data/a.txt").unlink()
    os.link(linked, bag / "data/kept")
    (bag / "data/kept").rename(bag.parent / "kept")
    complete(bag, code=11)
    with (bag / "fetch.txt").open("a") as promises:
        promises.write(f"{server.url}{place_of('data/a.txt')} 6 data/a.txt\n")
    for one in bag.glob("tagmanifest-*"):
        one.unlink()
    offer(server, "data/a.txt", FILES["data/a.txt"])
    complete(bag)

    assert FILES["data/a.txt"] == (bag.parent / "kept").read_bytes()
    assert (bag / "data/a.txt").stat().st_ino != (bag.parent / "kept").stat().st_ino
    assert_full(bag, ALL)


# -- somebody else --------------------------------------------------------------------------------


def test_a_second_run_at_the_same_time_is_refused(bag: Path, server: Scripted) -> None:
    """With 10, and the first ends as it would have."""
    going = [True]

    def slow(_: Asked) -> Iterator[bytes]:
        made = whole(CONTENT, ETag='"1"')
        yield made[:1000]
        until(lambda: not going[0])
        yield made[1000:]

    server.answers[place_of(BIG)] = slow
    first = subprocess.Popen(program("complete", bag), stdout=subprocess.PIPE, text=True)
    until(lambda: place_of(BIG) in server.paths())
    done = complete(bag, code=10)
    going[0] = False
    told, _ = first.communicate(timeout=LONG_S)

    assert "Another run is at work" in done.stderr and str(bag) in done.stderr
    assert 0 == first.returncode and told.startswith("valid")
    assert_full(bag, ALL)


def other_bytes(path: Path) -> None:
    """Of the same length, in the very file."""
    with (path / "data/a.txt").open("r+b") as file:
        file.write(b"omega\n")


def in_a_folder(path: Path) -> None:
    (path / "x").mkdir()
    (path / "x/y").touch()


MEDDLING: dict[str, Callable[[Path], object]] = {
    "a new file": lambda path: (path / "data/new").write_bytes(b"x"),
    "a new tag file": lambda path: (path / "note.txt").write_bytes(b"x"),
    "a file in a new folder": in_a_folder,
    "other bytes in a file": other_bytes,
    "a file is gone": lambda path: (path / "data/a.txt").unlink(),
    "bag-info.txt is another": lambda path: (path / "bag-info.txt").write_text("Contact-Name: x\n"),
    "the whole bag is another": lambda path: shutil.copytree(path.rename(f"{path}-old"), path),
}


@pytest.mark.parametrize("what", MEDDLING)
def test_a_bag_that_somebody_changes_meanwhile_is_left_to_them(
    what: str, bag: Path, server: Scripted
) -> None:
    """What was fetched is kept for the next run."""

    def meddle(asked: Asked) -> bytes:
        MEDDLING[what](bag)
        return ranged(CONTENT, asked, ETag='"1"')

    server.answers[place_of(BIG)] = meddle
    done = complete(bag, code=10)

    assert "changed by somebody else" in done.stderr
    assert (bag / "fetch.txt").exists()
    assert not (bag / BIG).exists()
    assert 1 == len(remains(bag))


def test_a_bag_that_is_gone_meanwhile_is_10(bag: Path, server: Scripted) -> None:
    """Nothing takes its place."""

    def meddle(asked: Asked) -> bytes:
        bag.rename(bag.with_name("elsewhere"))
        return ranged(CONTENT, asked)

    server.answers[place_of(BIG)] = meddle
    complete(bag, code=10)

    assert not bag.exists()


@pytest.mark.parametrize("can", [True, False])
def test_a_change_in_the_last_moment_is_found_too(
    can: bool, bag: Path, server: Scripted, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Then the old bag is put back, with what is new in it."""
    real = swap.swap
    calls: list[Path] = []

    def swapped(new: Path, old: Path) -> None:
        if not calls:
            (old / "data/new").write_bytes(b"precious")
        calls.append(new)
        real(new, old)

    monkeypatch.setattr(change, "swap", swapped)
    if not can:
        monkeypatch.setattr(swap, "_exchange", lambda *_: False)
    complete(bag, code=10)

    assert 2 == len(calls)
    assert b"precious" == (bag / "data/new").read_bytes()
    assert (bag / "fetch.txt").exists()


# -- places ---------------------------------------------------------------------------------------


@pytest.mark.parametrize("number", [errno.EPERM, errno.EMLINK, errno.EXDEV, errno.ENOTSUP])
def test_a_file_system_without_second_names_gets_copies(
    number: int, bag: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """They are read again before they are called right."""

    def refuse(*_: object, **__: object) -> None:
        raise OSError(number, os.strerror(number))

    monkeypatch.setattr(os, "link", refuse)
    (bag / "data/a.txt").chmod(0o600)
    complete(bag)

    assert 0o600 == (bag / "data/a.txt").stat().st_mode & 0o777
    assert_full(bag, ALL)


def test_a_copy_that_is_another_is_found(bag: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A disk may give other bytes back than it was given."""

    def refuse(*_: object, **__: object) -> None:
        raise OSError(errno.EPERM, "")

    def damaged(source: Any, sink: Any, _: int = 0) -> None:
        content = source.read()
        sink.write(content[::-1] if content == FILES["data/a.txt"] else content)

    monkeypatch.setattr(os, "link", refuse)
    monkeypatch.setattr(shutil, "copyfileobj", damaged)
    before = tree(bag)
    complete(bag, code=11)

    assert before == tree(bag)


def test_a_system_that_cannot_exchange_takes_three_steps(
    bag: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As on NFS and EOS."""
    monkeypatch.setattr(swap, "_exchange", lambda *_: False)
    complete(bag)

    assert_full(bag, ALL)


@pytest.mark.parametrize("given", [".", "../bag", "../bag/", "data/..", "../bag/.", "../bag//"])
def test_a_bag_may_be_named_from_within(
    given: str, bag: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The current folder is another one then, which is said."""
    monkeypatch.chdir(bag)
    done = bic("complete", given, *OPTIONS)
    monkeypatch.undo()

    assert 0 == done.exit_code, done.stderr
    assert "change into it anew" in done.stderr
    assert str(bag) in done.stdout
    assert_full(bag, ALL)


def test_a_bag_after_the_current_folder_is_still_found(
    bag: Path, server: Scripted, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Paths are made absolute before the current folder is replaced."""
    other = holey(bag.with_name("other"), server)
    monkeypatch.chdir(bag)
    done = bic("complete", ".", "../other", *OPTIONS)
    monkeypatch.undo()

    assert 0 == done.exit_code, done.stderr
    assert_full(other, FILES)


def test_a_bag_below_a_link_is_completed_where_it_is(bag: Path, tmp_path: Path) -> None:
    """Only the last name of a path must be no link."""
    (tmp_path / "link").symlink_to(bag.parent)
    complete(tmp_path / "link/bag")

    assert_full(bag, ALL)


@pytest.mark.parametrize(
    "name",
    [
        "urn:a::b:1",
        "with blanks  in it ",
        "größer/日本語の名前",
        "-rf",
        "~",
        "*",
        "line\nbreak",
        "quote'\"$HOME`id`",
        "日" * 84,
        "x" * 255,
        os.fsdecode(b"no text \xff\xfe"),
        "a@b.c.d.1.2.3",
    ],
)
def test_a_bag_may_have_any_name(name: str, server: Scripted, tmp_path: Path) -> None:
    """Its folder beside it has one of its own."""
    path = tmp_path / name
    holey(path, server)
    complete(path, "--only", "a.txt")
    complete(path)

    assert "valid" == validate(path).verdict
    assert not (path.parent / FOLDER).exists()


def test_the_root_of_the_file_system_is_no_bag() -> None:
    """It cannot be replaced."""
    assert 2 == bic("complete", "/").exit_code


# -- rights and room ------------------------------------------------------------------------------


def limited(*words: object, prepare: Callable[[], object] = unprivileged) -> Any:
    return subprocess.run(
        program(*words), preexec_fn=prepare, capture_output=True, text=True, timeout=60
    )


def test_a_folder_that_may_not_be_written_to_is_seen_before_anything_is_asked(
    bag: Path, server: Scripted
) -> None:
    """The new bag is made beside the old one."""
    bag.parent.chmod(0o555)
    done = limited("complete", bag)

    assert 10 == done.returncode, done.stderr
    assert "--target" not in done.stderr
    assert [] == server.asked


def test_a_full_bag_in_a_folder_that_may_not_be_written_to_is_no_fault(
    bag: Path, server: Scripted
) -> None:
    """There is nothing to do."""
    complete(bag)
    bag.parent.chmod(0o555)
    done = limited("complete", bag)

    assert 0 == done.returncode, done.stderr


def test_a_bag_that_may_not_be_written_to_is_refused(bag: Path, server: Scripted) -> None:
    """Whoever closed it meant that."""
    bag.chmod(0o555)
    done = limited("complete", bag)

    assert 10 == done.returncode, done.stderr
    assert "chmod u+w" in done.stderr
    assert [] == server.asked


def test_closed_folders_inside_stay_closed(bag: Path, server: Scripted) -> None:
    """Archives close what they keep; nothing of the old bag is left beside the new one."""
    (bag / "data/kept").mkdir()
    (bag / "data/kept").chmod(0o555)
    (bag / "data").chmod(0o555)
    done = limited("complete", bag)

    assert 0 == done.returncode, done.stderr
    assert [0o555] * 2 == [p.stat().st_mode & 0o777 for p in (bag / "data", bag / "data/kept")]
    assert_full(bag, ALL)


def test_nobody_else_may_look_into_a_bag_that_is_being_completed(
    bag: Path, server: Scripted
) -> None:
    """What comes may be restricted."""
    bag.chmod(0o750)
    rights = []

    def look(asked: Asked) -> bytes:
        [root] = remains(bag)
        rights.append((root / "bag").stat().st_mode & 0o777)
        return ranged(CONTENT, asked)

    server.answers[place_of(BIG)] = look
    complete(bag)

    assert [0o700] == rights
    assert 0o750 == bag.stat().st_mode & 0o777


def test_a_file_that_the_system_cuts_off_is_10(bag: Path, server: Scripted) -> None:
    """No file may be larger than 100 kB in this process."""
    before = tree(bag)

    def prepare() -> None:
        resource.setrlimit(resource.RLIMIT_FSIZE, (100_000, 100_000))

    done = limited("complete", bag, prepare=prepare)

    assert 10 == done.returncode, done.stderr
    assert before == tree(bag)


def test_a_disk_that_fills_up_is_10_and_the_next_run_goes_on(
    bag: Path, server: Scripted, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It says how much is still to be written."""
    write, written = os.write, [0]

    def full(descriptor: int, data: Any) -> int:
        written[0] += len(data) if len(data) > 1000 else 0
        if written[0] > 600_000:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        return write(descriptor, data)

    monkeypatch.setattr(os, "write", full)
    before = tree(bag)
    done = complete(bag, code=10)
    monkeypatch.setattr(os, "write", write)

    assert "bytes are still to be written" in done.stderr
    assert "--target" not in done.stderr
    assert before == tree(bag)
    server.asked.clear()
    complete(bag)
    assert {place_of("data/a.txt")}.isdisjoint(server.paths())
    assert_full(bag, ALL)


def test_room_is_looked_for_before_and_what_is_here_already_is_not_counted(
    bag: Path, server: Scripted, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A run that goes on needs less."""
    real = os.statvfs
    room = [1_000_000]

    def tight(place: Any) -> os.statvfs_result:
        facts = list(real(place))[:10]
        facts[1], facts[4] = 1, room[0]
        return os.statvfs_result((*facts, 255))

    monkeypatch.setattr(os, "statvfs", tight)
    complete(bag, code=10)
    assert [] == server.asked
    killed_at("before exchanging", "complete", bag)
    complete(bag)
    assert_full(bag, ALL)


def test_a_bag_of_many_small_files_leaves_nothing_behind(server: Scripted, tmp_path: Path) -> None:
    """Neither beside the bag nor in it."""
    files = {f"data/{n % 7}/{n}": b"%d" % n for n in range(100)}
    path = holey(tmp_path / "bag", server, files, Form("1.0"))
    complete(path)

    assert {*files} == {
        p.relative_to(path).as_posix() for p in path.rglob("data/**/*") if p.is_file()
    }
    assert_alone(path)
