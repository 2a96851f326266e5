"""Servers and bags that lie: each file that cannot be had is named, the others come in."""

from __future__ import annotations

import gzip
import json
import os
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from threading import Event

import pytest
from lightbags import (
    FILES,
    Form,
    assert_alone,
    assert_full,
    bic,
    complete,
    fetched,
    holey,
    place_of,
    promised,
    remains,
    seal,
    tree,
)
from scripted import Answer, Asked, Scripted, cut, ranged, serving, whole

from bagit_create.transfer import room
from bagit_create.validation import validate

NAME = "data/run 1/b.bin"
RIGHT = FILES[NAME]
OTHERS = {name: content for name, content in FILES.items() if name != NAME}
PAGE = b"<!doctype html><title>Please sign in</title>"


@pytest.fixture
def server() -> Iterator[Scripted]:
    OVER.clear()
    with serving() as one:
        yield one
    OVER.set()


def asked_for(server: Scripted, name: str = NAME) -> int:
    return server.paths().count(place_of(name))


def assert_rest_is_in(path: Path) -> None:
    """A valid light bag with all files but one."""
    report = validate(path)
    assert "incomplete" == report.verdict, report.findings
    assert [NAME] == [line.split(" ", 2)[2] for line in promised(path)]
    for name, content in OTHERS.items():
        assert content == (path / name).read_bytes()


# -- answers that are not the file ----------------------------------------------------------------


def endless(_: Asked) -> Iterator[bytes]:
    """A body without an end; whoever reads on is sent more."""
    yield b"HTTP/1.1 200 OK\r\n\r\n"
    while True:
        yield bytes(1 << 16)


OVER = Event()
"""Set at the end of each test: who is silent, is silent until then."""


def stalled(_: Asked) -> Iterator[bytes]:
    yield cut(whole(RIGHT), 4000)
    OVER.wait()


ANSWERS: dict[str, tuple[Answer, int]] = {
    "404": (lambda _: whole(PAGE, "404 Not Found"), 8),
    "410": (lambda _: whole(b"", "410 Gone"), 8),
    "401": (lambda _: whole(b"", "401 Who"), 8),
    "403": (lambda _: whole(PAGE, "403 Forbidden"), 8),
    "400": (lambda _: whole(b"", "400 What"), 4),
    "451": (lambda _: whole(b"", "451 No"), 4),
    "500": (lambda _: whole(PAGE, "500 Oops"), 7),
    "503, come back tomorrow": (lambda _: whole(b"", "503 Busy", Retry_After="86400"), 7),
    "no answer": (lambda _: None, 7),
    "no HTTP": (lambda _: b"SSH-2.0-OpenSSH\r\n\r\n", 7),
    "silence": (stalled, 8),
    "cut": (lambda _: cut(whole(RIGHT), 5000), 8),
    "one byte too few": (lambda _: whole(RIGHT[:-1]), 8),
    "one byte too many": (lambda _: whole(RIGHT + b"x"), 8),
    "nothing": (lambda _: whole(b""), 8),
    "endless": (endless, 8),
    "other bytes": (lambda _: whole(RIGHT[::-1]), 9),
    "a login page": (lambda _: whole(PAGE, Content_Type="text/html"), 8),
    "a part": (lambda _: whole(RIGHT, "206 Partial", Content_Range="bytes 0-10239/10240"), 8),
    "another coding": (lambda _: whole(RIGHT, Content_Encoding="br"), 8),
    "a gzip bomb": (lambda _: whole(gzip.compress(bytes(10**7)), Content_Encoding="gzip"), 8),
    "half a gzip": (lambda _: whole(gzip.compress(RIGHT)[:99], Content_Encoding="gzip"), 8),
    "too many redirects": (lambda _: whole(b"", "302 F", Location=place_of(NAME)), 4),
}


@pytest.mark.parametrize("what", ANSWERS)
def test_a_file_that_cannot_be_had_is_named_and_the_others_are_in(
    what: str, server: Scripted, tmp_path: Path
) -> None:
    """With the exit code of what happened."""
    path = holey(tmp_path / "bag", server)
    server.answers[place_of(NAME)], code = ANSWERS[what]
    done = complete(path, "--timeout", 2 if what == "silence" else 60, code=code)

    assert f"not moved: {NAME}: " in done.stdout
    assert "3 files" in done.stdout and "1 to fetch" in done.stdout
    assert_rest_is_in(path)
    server.answers[place_of(NAME)] = lambda asked: ranged(RIGHT, asked)
    complete(path)
    assert_full(path, FILES)


@pytest.mark.parametrize("what", ["other bytes", "one byte too many", "one byte too few"])
def test_a_wrong_file_is_fetched_once_more_and_not_again(
    what: str, server: Scripted, tmp_path: Path
) -> None:
    """It may have been damaged on its way."""
    path = holey(tmp_path / "bag", server)
    server.answers[place_of(NAME)], code = ANSWERS[what]
    complete(path, "--retries", 5, code=code)

    assert 2 == asked_for(server)


def test_a_file_that_comes_right_the_second_time_is_in(server: Scripted, tmp_path: Path) -> None:
    """No more is asked than that."""
    path = holey(tmp_path / "bag", server)
    answers = iter([RIGHT[::-1], RIGHT])
    server.answers[place_of(NAME)] = lambda _: whole(next(answers))
    complete(path)

    assert_full(path, FILES)


def test_a_file_that_was_compressed_on_its_way_is_unpacked(
    server: Scripted, tmp_path: Path
) -> None:
    """Its checksum is of what it is, not of how it came."""
    path = holey(tmp_path / "bag", server)
    packed = gzip.compress(RIGHT)
    server.answers[place_of(NAME)] = lambda _: whole(packed, Content_Encoding="gzip")
    complete(path)

    assert_full(path, FILES)


def test_the_exit_code_is_that_of_the_worst(server: Scripted, tmp_path: Path) -> None:
    """And every file is named, with its own."""
    path = holey(tmp_path / "bag", server)
    for name, what in (("data/a.txt", "404"), (NAME, "other bytes"), ("data/ü.txt", "500")):
        server.answers[place_of(name)] = ANSWERS[what][0]
    done = complete(path, "--json", code=9)
    [told] = json.loads(done.stdout)["packages"]

    assert {"data/a.txt": 8, NAME: 9, "data/ü.txt": 7} == {
        one["path"]: one["exit_code"] for one in told["failed"]
    }
    assert {404, None, 500} == {one["http_status"] for one in told["failed"]}
    assert (1, 3, "incomplete") == (told["files"], told["left"], told["verdict"])


def test_a_server_that_is_gone_is_7_and_the_next_run_goes_on(
    server: Scripted, tmp_path: Path
) -> None:
    """What another server has is in meanwhile."""
    with serving() as gone:
        path = holey(tmp_path / "bag", server, form=Form(tags=False))
        text = (path / "fetch.txt").read_text()
        (path / "fetch.txt").write_text(
            "".join(
                line.replace(server.url, gone.url) if NAME in line else line
                for line in text.splitlines(keepends=True)
            )
        )
    complete(path, code=7)
    assert_rest_is_in(path)
    done = bic(
        "complete", path, "--allow-host", "127.0.0.1", "--mirror", f"{gone.url}={server.url}"
    )

    assert 0 == done.exit_code, done.stderr
    assert_full(path, FILES)


# -- the patience with a server -------------------------------------------------------------------


def many(count: int) -> dict[str, bytes]:
    return {f"data/{number:03}": b"%d" % number for number in range(count)}


def test_a_server_that_is_down_is_not_asked_for_every_file(tmp_path: Path) -> None:
    """After three files in a row it is given up for this run."""
    files = many(30)
    with serving() as one:
        path = holey(tmp_path / "bag", one, files)
        one.answers = dict.fromkeys(one.answers, lambda _: None)
        done = complete(path, "-j", 1, "--retries", 1, code=7)

        assert 2 * 3 == len(one.asked)
    assert 30 == done.stdout.count("not moved: data/")
    assert "could not be reached for the files before" in done.stdout


def test_a_server_that_fails_is_asked_once_for_each_further_file(tmp_path: Path) -> None:
    """Others may be there, and come in."""
    files = many(30)
    with serving() as one:
        path = holey(tmp_path / "bag", one, files)
        for name in [*files][:20]:
            one.answers[place_of(name)] = lambda _: whole(b"", "500 Oops")
        complete(path, "-j", 1, "--retries", 2, code=7)

        assert 3 * 3 + 17 + 10 == len(one.asked)
    assert 20 == len(promised(path))


def test_no_file_is_asked_for_twice_where_several_threads_are_at_work(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A request that is sent ahead is of use to the one thread only that will read its answer."""
    useful = iter([1, 4, 4, 4])
    transfer = sys.modules["bagit_create.transfer.fetch"]._Transfer
    monkeypatch.setattr(transfer, "connections", lambda _: next(useful, 1))
    files = many(60)
    with serving() as one:
        one.keep = True
        complete(holey(tmp_path / "bag", one, files))

        assert len(one.asked) <= 60 + 4
        assert sorted(map(place_of, files)) == sorted({*one.paths()})


# -- sizes ----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("told", "code"), [("3", 8), ("999999", 8), ("0", 8), ("-", 0), ("999999999999999999", 10)]
)
def test_a_length_that_is_wrong_is_a_fault_of_its_file(
    told: str, code: int, server: Scripted, tmp_path: Path
) -> None:
    """Also where the checksum is right: nobody can tell which of them is; more than the disk has
    is seen before anything is asked."""
    form = Form(length=lambda content: told if content == RIGHT else str(len(content)), info=None)
    path = holey(tmp_path / "bag", server, form=form)
    complete(path, code=code)

    if code == 8:
        assert_rest_is_in(path)
    if code == 10:
        assert [] == server.asked


@pytest.mark.parametrize(("limit", "code"), [(10240, 0), (10239, 8), (0, 0)])
@pytest.mark.parametrize("length", ["-", "10240"])
def test_a_limit_holds_for_files_of_any_length(
    length: str, limit: int, code: int, server: Scripted, tmp_path: Path
) -> None:
    """In bytes; 0 is none. What is told to be larger is not even asked for."""
    form = Form(length=lambda content: length if content == RIGHT else str(len(content)))
    path = holey(tmp_path / "bag", server, form=form)
    done = complete(path, "--max-size", limit, code=code)

    assert ("--max-size" in done.stdout) == bool(code)
    assert asked_for(server) == (0 if code and length != "-" else 1)
    if not code:
        assert_full(path, FILES)


def test_a_body_without_end_ends_at_the_limit(server: Scripted, tmp_path: Path) -> None:
    """Little more than that is read of it."""
    path = holey(tmp_path / "bag", server, form=Form(length=lambda _: "-"))
    server.answers[place_of(NAME)] = endless
    complete(path, "--max-size", 100_000, code=8)

    assert [NAME] == [line.split(" ", 2)[2] for line in promised(path)]
    assert_alone(path)


def test_a_body_without_end_ends_before_the_disk_does(
    server: Scripted, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Even without a limit; the bag stands as it was."""
    path = holey(tmp_path / "bag", server, form=Form(length=lambda _: "-"))
    server.answers[place_of(NAME)] = endless
    monkeypatch.setattr(room, "EVERY", 1 << 20)
    monkeypatch.setattr(room, "SPARED", 1 << 60)
    before = tree(path)
    done = complete(path, code=10)

    assert "no space left" in done.stderr
    assert before == tree(path)


def test_a_size_below_nothing_is_no_limit(server: Scripted, tmp_path: Path) -> None:
    """It is refused."""
    path = holey(tmp_path / "bag", server)
    complete(path, "--max-size", -1, code=2)

    assert [] == server.asked


# -- bags that lie --------------------------------------------------------------------------------


def add_line(name: str, line: str) -> Callable[[Path], object]:
    def change(path: Path) -> None:
        with (path / name).open("a", encoding="utf-8") as file:
            file.write(line + "\n")

    return change


SUM = "0" * 64
URL = "http://127.0.0.1/x"
FAULTS: dict[str, Callable[[Path], object]] = {
    "no bagit.txt": lambda path: (path / "bagit.txt").unlink(),
    "no manifest": lambda path: (path / "manifest-sha256.txt").unlink(),
    "no data": lambda path: (path / "data").rmdir(),
    "a tag file was changed": lambda path: (path / "bag-info.txt").write_text("Contact-Name: x\n"),
    "a file that nobody listed": lambda path: (path / "data/x").write_text("x"),
    "a listed file is gone": add_line("manifest-sha256.txt", f"{SUM}  data/lost"),
    "a promise that no manifest knows": add_line("fetch.txt", f"{URL} 3 data/x"),
    "a promise twice": add_line("fetch.txt", f"{URL} 6 data/a.txt"),
    "a promise above the bag": add_line("fetch.txt", f"{URL} 3 data/../../x"),
    "a promise with an absolute path": add_line("fetch.txt", f"{URL} 3 /tmp/x"),
    "a promise of a tag file": add_line("fetch.txt", f"{URL} 3 bagit.txt"),
    "a promise without a length": add_line("fetch.txt", f"{URL} data/a.txt"),
    "a promise with a negative length": add_line("fetch.txt", f"{URL} -3 data/a.txt"),
    "a relative address": add_line("fetch.txt", "x 3 data/a.txt"),
    "a link out of the bag": lambda path: (path / "data/l").symlink_to("/etc/hostname"),
    "a link to nowhere": lambda path: (path / "data/l").symlink_to("nowhere"),
    "a link to a folder": lambda path: (path / "data/l").symlink_to("."),
    "a folder that is a link": lambda path: (path / "data/run 1").symlink_to("/tmp"),
    "a FIFO": lambda path: os.mkfifo(path / "data/pipe"),
    "bytes that are no text": lambda path: (path / "fetch.txt").write_bytes(b"\xff 1 data/a\n"),
}


@pytest.mark.parametrize("fault", FAULTS)
def test_a_bag_with_a_fault_is_refused_before_anything_is_asked(
    fault: str, server: Scripted, tmp_path: Path
) -> None:
    """And left as it is, with nothing beside it."""
    path = holey(tmp_path / "bag", server)
    FAULTS[fault](path)
    before = tree(path)
    done = complete(path, code=11)

    assert "The package has faults" in done.stderr
    assert [] == server.asked
    assert before == tree(path)
    assert_alone(path)


@pytest.mark.parametrize(
    ("files", "here"),
    [
        ({"data/a": b"1", "data/a/b": b"2"}, ()),
        ({"data/a": b"1", "data/a/b": b"2"}, ("data/a",)),
        ({"data/a": b"1", "data/a/b": b"2"}, ("data/a/b",)),
        ({"data/" + "x" * 256: b"1"}, ()),
        ({"data/" + "ü" * 128: b"1"}, ()),
    ],
)
def test_files_that_cannot_be_where_they_should_refuse_the_bag(
    files: dict[str, bytes], here: tuple[str, ...], server: Scripted, tmp_path: Path
) -> None:
    """Before anything is asked."""
    path = holey(tmp_path / "bag", server, files, here=here)
    complete(path, code=11)

    assert [] == server.asked


def test_a_link_by_an_absolute_path_refuses_the_bag(server: Scripted, tmp_path: Path) -> None:
    """It would lead into the bag as it was, which is gone then."""
    path = holey(tmp_path / "bag", server, here=("data/a.txt",))
    (path / "about.txt").symlink_to(path / "bag-info.txt")
    done = complete(path, code=11)

    assert "absolute path" in done.stderr
    assert [] == server.asked


@pytest.mark.parametrize("what", ["missing", "file", "archive", "link"])
def test_only_a_folder_is_completed(what: str, server: Scripted, tmp_path: Path) -> None:
    """A link to one is not followed: it would be unclear what is replaced."""
    real = holey(tmp_path / "real", server)
    path = tmp_path / ("bag.tar" if what == "archive" else "bag")
    if what == "link":
        path.symlink_to(real)
    elif what != "missing":
        path.write_bytes(b"x")
    complete(path, code=2)
    done = complete(Path(f"{path}/"), code=2)

    assert "Only a bag in a folder" in done.stderr
    assert [] == server.asked


# -- files that are here and wrong ----------------------------------------------------------------


@pytest.fixture
def rotten(server: Scripted, tmp_path: Path) -> Path:
    """A bag in which one of the promised files is here, and another than promised."""
    path = holey(tmp_path / "bag", server)
    (path / "data/run 1").mkdir()
    (path / NAME).write_bytes(RIGHT[:-1] + b"?")
    return path


def test_a_wrong_file_refuses_the_bag_and_is_named(rotten: Path, server: Scripted) -> None:
    """With the way to have it fetched again."""
    done = complete(rotten, code=11)

    assert NAME in done.stderr
    assert "--replace" in done.stderr
    assert [] == server.asked


def test_replace_fetches_a_wrong_file_again(rotten: Path, server: Scripted) -> None:
    """And what is missing, too."""
    complete(rotten, "--replace")

    assert sorted(map(place_of, FILES)) == fetched(server)
    assert_full(rotten, FILES)


@pytest.mark.parametrize("what", ["404", "other bytes", "cut", "500"])
def test_a_replacement_that_fails_leaves_the_bag_as_it_was(
    what: str, rotten: Path, server: Scripted
) -> None:
    """A wrong file is never called verified; what was fetched besides is kept for the next run."""
    server.answers[place_of(NAME)] = ANSWERS[what][0]
    before = tree(rotten)
    done = complete(rotten, "--replace", code=11)

    assert "invalid: " in done.stdout and f"not moved: {NAME}" in done.stdout
    assert before == tree(rotten)
    server.asked.clear()
    server.answers[place_of(NAME)] = lambda asked: ranged(RIGHT, asked)
    complete(rotten, "--replace")
    assert [place_of(NAME)] == fetched(server)
    assert_full(rotten, FILES)


def test_a_wrong_file_that_was_not_chosen_refuses_the_bag(rotten: Path, server: Scripted) -> None:
    """It would be wrong afterwards."""
    complete(rotten, "--replace", "--only", "a.txt", code=11)

    assert [] == server.asked


def test_a_wrong_file_that_nobody_promised_cannot_be_replaced(
    server: Scripted, tmp_path: Path
) -> None:
    """There is no address to fetch it from."""
    path = holey(tmp_path / "bag", server, here=("data/a.txt",))
    (path / "data/a.txt").write_bytes(b"omega\n")
    complete(path, "--replace", code=11)

    assert [] == server.asked


def test_names_that_look_like_messages_mislead_nobody(server: Scripted, tmp_path: Path) -> None:
    """What is wrong is found by reading, not by what is said of it."""
    files = {"data/a": b"one", "data/a: b": b"two", "data/c is here with": b"three"}
    path = holey(tmp_path / "bag", server, files)
    (path / "data/a").write_bytes(b"one")
    (path / "data/a: b").write_bytes(b"TWO")
    complete(path, "--replace")

    assert [place_of("data/a: b"), place_of("data/c is here with")] == fetched(server)
    assert_full(path, files)


def test_a_right_file_with_a_wrong_length_in_fetch_txt_is_no_wrong_one(
    server: Scripted, tmp_path: Path
) -> None:
    """The checksum decides."""
    form = Form(length=lambda content: "7" if content == RIGHT else str(len(content)))
    path = holey(tmp_path / "bag", server, form=form)
    (path / "data/run 1").mkdir()
    (path / NAME).write_bytes(RIGHT)
    complete(path, "--replace")

    assert 0 == asked_for(server)
    assert_full(path, FILES)


def test_more_wrong_files_than_are_named_are_all_replaced(server: Scripted, tmp_path: Path) -> None:
    """A report names a thousand of a kind."""
    files = many(1100)
    path = holey(tmp_path / "bag", server, files, Form(tags=False))
    for name in files:
        (path / name).write_bytes(b"?")
    complete(path, "--replace")

    assert_full(path, files)


def test_with_several_manifests_a_file_must_fit_all(server: Scripted, tmp_path: Path) -> None:
    """One that contradicts another is no proof."""
    form = Form(algorithms=("md5", "sha256"))
    path = holey(tmp_path / "bag", server, form=form)
    file = path / "manifest-md5.txt"
    lines = file.read_text().splitlines()
    lines = [f"{'0' * 32}  {NAME}" if line.endswith(NAME) else line for line in lines]
    file.write_text("\n".join(lines) + "\n")
    seal(path, form)
    complete(path, code=9)

    assert_rest_is_in(path)
    assert [] == remains(path)
