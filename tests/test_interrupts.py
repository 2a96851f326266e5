"""Ctrl-C at any moment: what is at work is waited for, and what is made stays made."""

from __future__ import annotations

import os
import random
import signal
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path
from threading import Barrier, Event, Thread
from typing import Any

import pytest
from click.testing import CliRunner
from gates import LONG_S
from packages import Harvest

from bagit_create.checksums import Digests, read_block
from bagit_create.cli import cli
from bagit_create.client import Client
from bagit_create.console import Display
from bagit_create.errors import Interrupted
from bagit_create.model import Checksum, Fetched, FileEntry, Placed
from bagit_create.sip import disk, staging
from bagit_create.sip.staging import Staging
from bagit_create.transfer import finished
from bagit_create.transfer import partial as partial_module
from bagit_create.transfer import pool
from bagit_create.transfer.partial import Partial
from bagit_create.validation import validate

ZENODO = ["--source", "zenodo", "--recid", "7000001"]


def press() -> None:
    """Press Ctrl-C."""
    os.kill(os.getpid(), signal.SIGINT)


def test_the_thread_that_is_at_work_is_waited_for() -> None:
    """Else it would write into a folder that is being removed."""
    ended: list[int] = []
    stopped = Event()

    def work(number: int) -> None:
        press()
        assert stopped.wait(LONG_S)
        time.sleep(0.2)  # whoever does not wait is gone by now
        ended.append(number)

    with pytest.raises(KeyboardInterrupt):
        pool.run(work, [1], 1, stopped.set)

    assert [1] == ended


def test_no_thread_takes_a_further_turn() -> None:
    """Each ends with what it is at."""
    begun: list[int] = []
    all_at_work = Barrier(3, action=press)
    stopped = Event()

    def work(number: int) -> None:
        begun.append(number)
        all_at_work.wait(LONG_S)
        assert stopped.wait(LONG_S)

    with pytest.raises(KeyboardInterrupt):
        pool.run(work, range(100), 3, stopped.set)

    assert [0, 1, 2] == sorted(begun)


def test_who_presses_twice_does_not_wait() -> None:
    """A disk may hang for ever."""
    stopped, free = Event(), Event()
    ended: list[bool] = []

    def work(_: int) -> None:
        press()
        assert stopped.wait(LONG_S)
        time.sleep(0.1)  # by now it is waited for this thread
        press()
        ended.append(free.wait(LONG_S))

    with pytest.raises(KeyboardInterrupt):
        pool.run(work, [1], 1, stopped.set)

    assert [] == ended
    free.set()


def test_a_system_without_threads_is_no_reason_to_wait(monkeypatch: pytest.MonkeyPatch) -> None:
    """The one that was never begun has no end."""
    real, begun = Thread.start, [0]

    def start(self: Thread) -> None:
        begun[0] += self.name.startswith("bic-")
        if begun[0] == 2 and self.name.startswith("bic-"):
            raise RuntimeError("can't start new thread")
        real(self)

    monkeypatch.setattr(Thread, "start", start)

    with pytest.raises(RuntimeError, match="new thread"):
        pool.run(lambda _: None, range(5), 3, lambda: None)


def read_what_is_finished(folder: Path, stopped: Callable[[], bool]) -> None:
    """As the next run does with a file that is there, to its end."""
    content = (folder / "f").read_bytes()
    digests = Digests(["md5"])
    digests.update(content)
    [sum_] = digests.checksums()
    entry = FileEntry("f", ("https://h/f",), len(content), (sum_,))
    placed = Placed(entry, "f")
    done = {"f": finished.fact(Fetched(placed, len(content), (sum_,), "https://h/f", 1), entry)}
    finished.reusable([placed], folder, done, ("md5",), 1, lambda: None, stopped)


def read_what_is_half(folder: Path, stopped: Callable[[], bool]) -> None:
    """As the next run does with a file that it goes on with."""
    (folder / "notes").mkdir()
    entry = FileEntry("f", ("https://h/f",), 9_000_000, (Checksum("md5", "0" * 32),))
    first = Partial(str(folder / "f"), "f", folder / "notes", entry, ())
    first.note('"1"', None)
    begun = os.listdir(folder / "notes")
    again = Partial(str(folder / "f"), "f", folder / "notes", entry, begun)
    again.recall(Digests(["md5"]), stopped)


@pytest.mark.parametrize("read", [read_what_is_finished, read_what_is_half])
def test_reading_what_an_earlier_run_left_ends_too(
    read: Callable[[Path, Callable[[], bool]], None],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """It may be large."""
    (tmp_path / "f").write_bytes(random.Random(1).randbytes(5_000_000))
    blocks = [0]

    def counted(descriptor: int) -> Any:
        blocks[0] += 1
        return read_block(descriptor)

    for module in (finished, partial_module):
        monkeypatch.setattr(module, "read_block", counted)

    with pytest.raises(Interrupted):
        read(tmp_path, lambda: blocks[0] == 2)
    assert 2 == blocks[0]


# -- too late -------------------------------------------------------------------------------------


class Once:
    """A function behind which Ctrl-C is pressed when it is called first."""

    def __init__(self, real: Callable[..., Any]) -> None:
        self._real = real
        self.pressed = False

    def __get__(self, one: Any, kind: type) -> Callable[..., Any]:
        return partial(self, one)

    def __call__(self, *given: Any, **named: Any) -> Any:
        made = self._real(*given, **named)
        if not self.pressed:
            self.pressed = True
            raise KeyboardInterrupt
        return made


FOLDER: list[str] = []
ARCHIVE = ["--archive", "zip"]
LATE = {
    "a folder has just its name": (FOLDER, os, "rename"),
    "an archive has just its name": (ARCHIVE, os, "link"),
    "the staging folder goes": (FOLDER, Staging, "discard"),
    "the connections are closed": (FOLDER, Client, "close"),
    "the display ends": (FOLDER, Display, "__exit__"),
}


@pytest.mark.parametrize(("more", "place", "name"), LATE.values(), ids=LATE)
def test_a_package_that_has_its_name_is_done(
    more: list[str],
    place: Any,
    name: str,
    config_file: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Ctrl-C behind it changes nothing: the path is told, and no staging folder stays."""
    once = Once(getattr(place, name))
    monkeypatch.setattr(place, name, once)
    words = [*ZENODO, *more, "--config", str(config_file), "--target", str(tmp_path / "out")]

    answer = CliRunner().invoke(cli, words)

    assert once.pressed
    assert 0 == answer.exit_code, answer.stderr
    [made] = (tmp_path / "out").iterdir()
    assert f"{made}\n" == answer.stdout
    assert "valid" == validate(made).verdict


def test_a_package_without_its_name_is_not_done(
    harvest: Harvest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The moment before."""
    monkeypatch.setattr(staging, "sync", Once(disk.sync))

    with pytest.raises(KeyboardInterrupt):
        harvest(7000001)
    assert [] == list((tmp_path / "out").glob("sip::*"))
    assert 0 == harvest(7000001)["status"]
