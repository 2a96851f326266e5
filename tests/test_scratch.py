"""A work folder on another file system: built there, copied, verified, and then given its name."""

from __future__ import annotations

import errno
import os
import shutil
import signal
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from packages import Harvest

from bagit_create import log
from bagit_create.errors import Interrupted, SipError
from bagit_create.job import Job
from bagit_create.model import Result, Silent
from bagit_create.options import JobOptions
from bagit_create.sandbox import Sandbox
from bagit_create.sip import bagcopy, landing, leftovers, staging
from bagit_create.validation import validate

MEMORY = Path("/dev/shm")
RECORD = 7000001


@pytest.fixture
def work(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A work folder on another file system than the target."""
    if MEMORY.is_dir() and MEMORY.stat().st_dev != tmp_path.stat().st_dev:
        made = Path(tempfile.mkdtemp(dir=MEMORY, prefix="bic-test-"))
        yield made
        shutil.rmtree(made)
        return
    # There is no second one here; the way is the same, from folder to folder.
    monkeypatch.setattr(staging, "is_far", lambda *_: True)
    (tmp_path / "work").mkdir()
    yield tmp_path / "work"


def files(bag: Path) -> dict[str, bytes]:
    """A package's payload, but for the log and what else tells times."""
    content = bag / "data/content"
    return {str(one.relative_to(bag)): one.read_bytes() for one in content.rglob("*.*")}


def visible(folder: Path) -> list[str]:
    """What is in a target, for those who look."""
    return [one.name for one in folder.iterdir() if not one.name.startswith(".")]


def damage(path: Path) -> None:
    """Change one byte, as a disk does."""
    with path.open("r+b") as file:
        first = file.read(1)[0]
        file.seek(0)
        file.write(bytes([first ^ 1]))


def test_the_package_is_what_it_would_be_without(
    harvest: Harvest, work: Path, tmp_path: Path
) -> None:
    """All of it arrived, and nothing stays in either place."""
    near = harvest(RECORD, target=tmp_path / "near")
    far = harvest(RECORD, workdir=work)

    assert 0 == far["status"], far
    assert "valid" == validate(Path(far["path"])).verdict
    assert files(Path(near["path"])) == files(Path(far["path"]))
    assert [far["foldername"]] == os.listdir(tmp_path / "out")
    assert [] == os.listdir(work)


def test_modes_are_those_of_the_original(harvest: Harvest, work: Path) -> None:
    """Whoever may read a package made in the target may read this one."""
    made = Path(harvest(RECORD, workdir=work)["path"])
    usual = Path(harvest(RECORD)["path"])

    def modes(bag: Path) -> dict[str, int]:
        return {str(one.relative_to(bag)): one.stat().st_mode for one in bag.rglob("*")}

    assert modes(usual) == modes(made)


def test_a_light_package_has_its_promises(harvest: Harvest, work: Path, tmp_path: Path) -> None:
    """What is absent is in fetch.txt, and not missing."""
    made = harvest(RECORD, workdir=work, dry_run=True)

    assert 0 == made["status"], made
    assert "incomplete" == validate(Path(made["path"])).verdict
    assert ([made["foldername"]], []) == (os.listdir(tmp_path / "out"), os.listdir(work))


@pytest.mark.parametrize("form", ["tar", "tar.gz", "zip"])
def test_an_archive_is_written_where_it_belongs(
    form: str, harvest: Harvest, work: Path, tmp_path: Path
) -> None:
    """The folder never leaves the work folder."""
    made = harvest(RECORD, workdir=work, archive=form)

    assert 0 == made["status"], made
    assert "valid" == validate(Path(made["path"])).verdict
    assert ([Path(made["path"]).name], []) == (os.listdir(tmp_path / "out"), os.listdir(work))


def test_two_mounts_of_one_disk_are_two_disks(
    harvest: Harvest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As folders that a container is given are: only a rename tells."""
    rename = os.rename

    def between_mounts(old: Any, new: Any, **more: Any) -> None:
        if ("/work/" in str(old)) != ("/work/" in str(new)):
            raise OSError(errno.EXDEV, os.strerror(errno.EXDEV), str(old), None, str(new))
        rename(old, new, **more)

    monkeypatch.setattr(os, "rename", between_mounts)
    made = harvest(RECORD, workdir=tmp_path / "work")

    assert 0 == made["status"], made
    assert ([made["foldername"]], []) == (
        os.listdir(tmp_path / "out"),
        os.listdir(tmp_path / "work"),
    )


@pytest.mark.parametrize("where", ["work", "out"])
def test_on_one_disk_nothing_is_copied(
    where: str, harvest: Harvest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Also if the work folder is the target itself."""
    monkeypatch.setattr(bagcopy.BagCopy, "run", lambda _: pytest.fail("it copies"))

    assert 0 == harvest(RECORD, workdir=tmp_path / where)["status"]
    assert 1 == len(os.listdir(tmp_path / "out"))


@pytest.mark.parametrize("far", [True, False])
def test_the_hidden_folder_may_go_while_a_run_begins(
    far: bool, harvest: Harvest, work: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Another run has ended, and tidied up, between two steps of this one."""
    mkdir = os.mkdir
    tidied: list[Path] = []

    def tidying(path: Any, *more: Any) -> None:
        place = Path(path).parent
        if "@" in Path(path).name and place not in tidied and not os.listdir(place):
            tidied.append(place)
            place.rmdir()
        mkdir(path, *more)

    monkeypatch.setattr(os, "mkdir", tidying)
    made = harvest(RECORD, workdir=work if far else None)

    assert 0 == made["status"], made
    assert tidied
    assert [made["foldername"]] == os.listdir(tmp_path / "out")


def test_the_hidden_folder_may_go_while_it_is_made(
    harvest: Harvest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It was there, and is not when one looks whether it is a folder."""
    mkdir = os.mkdir
    told: list[Path] = []

    def gone(path: Any, *more: Any) -> None:
        if Path(path).name == ".bic-staging" and not told:
            told.append(Path(path))
            raise FileExistsError(errno.EEXIST, os.strerror(errno.EEXIST), str(path))
        mkdir(path, *more)

    monkeypatch.setattr(os, "mkdir", gone)

    assert 0 == harvest(RECORD)["status"]
    assert told


# -- what disks do ------------------------------------------------------------------------------


def test_a_byte_that_the_target_lost_is_found(
    harvest: Harvest, work: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, sandbox: Sandbox
) -> None:
    """No package then; and what was fetched is not fetched again."""
    from bagit_create.sip.disk import sync

    def losing(folder: Path) -> None:
        sync(folder)
        damage(max(folder.glob("data/content/*"), key=lambda one: one.stat().st_size))

    monkeypatch.setattr(bagcopy, "sync", losing)
    made = harvest(RECORD, workdir=work)

    assert 11 == made["exit_code"]
    assert "on disk are" in made["findings"][0]
    assert [] == [*tmp_path.glob("out/*")]
    monkeypatch.setattr(bagcopy, "sync", sync)
    sandbox.seen.clear()
    assert 0 == harvest(RECORD, workdir=work)["status"]
    assert not any(one.path.endswith("/content") for one in sandbox.seen)


@pytest.mark.parametrize("what", ["data/content/*.*", "bag-info.txt", "manifest-md5.txt"])
def test_a_byte_that_the_work_folder_lost_is_found(
    what: str, harvest: Harvest, work: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Between the reading back there and the copying."""
    run = bagcopy.BagCopy.run

    def after_damage(self: bagcopy.BagCopy) -> None:
        damage(next(self._bag.glob(what)))
        run(self)

    monkeypatch.setattr(bagcopy.BagCopy, "run", after_damage)
    made = harvest(RECORD, workdir=work)

    assert 11 == made["exit_code"]
    assert [] == [*tmp_path.glob("out/sip*")]


def test_a_file_that_the_work_folder_lost_is_found(
    harvest: Harvest, work: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It is named."""
    run = bagcopy.BagCopy.run

    def after_loss(self: bagcopy.BagCopy) -> None:
        (self._bag / "data/meta/dc.xml").unlink()
        run(self)

    monkeypatch.setattr(bagcopy.BagCopy, "run", after_loss)
    made = harvest(RECORD, workdir=work)

    assert (11, ["data/meta/dc.xml: it is missing"]) == (made["exit_code"], made["findings"])
    assert [] == [*tmp_path.glob("out/sip*")]


@pytest.mark.parametrize("number", [errno.EMFILE, errno.ESTALE, errno.ENOTCONN])
def test_a_work_folder_that_is_away_makes_no_package_invalid(
    number: int, harvest: Harvest, work: Path, monkeypatch: pytest.MonkeyPatch, sandbox: Sandbox
) -> None:
    """It may be there again for the next run, with all that was fetched."""
    real, run = os.open, bagcopy.BagCopy.run

    def failing(path: Any, flags: int, *more: Any, **named: Any) -> int:
        if str(path).startswith(str(work)) and str(path).endswith("/dc.xml"):
            raise OSError(number, os.strerror(number), str(path))
        return real(path, flags, *more, **named)

    with monkeypatch.context() as patched:

        def while_away(self: bagcopy.BagCopy) -> None:
            patched.setattr(os, "open", failing)
            run(self)

        patched.setattr(bagcopy.BagCopy, "run", while_away)
        made = harvest(RECORD, workdir=work)

    assert (10, "SipError") == (made["exit_code"], made["error"])
    sandbox.seen.clear()
    assert 0 == harvest(RECORD, workdir=work)["status"]
    assert not any(one.path.endswith("/content") for one in sandbox.seen)


def test_without_verification_the_copy_is_not_read(
    harvest: Harvest, work: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """--no-verify says so."""
    monkeypatch.setattr(bagcopy.BagCopy, "_digest", lambda *_: pytest.fail("it reads"))

    assert 0 == harvest(RECORD, workdir=work, verify=False)["status"]


@pytest.mark.parametrize("number", [errno.ENOSPC, errno.EDQUOT, errno.EIO])
def test_a_target_that_takes_no_more_is_10_and_can_be_continued(
    number: int,
    harvest: Harvest,
    work: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    sandbox: Sandbox,
) -> None:
    """What is staged is whole, and the next run asks for no file."""
    real = os.open

    def failing(path: Any, flags: int, *more: Any, **named: Any) -> int:
        if "-copy@" in str(path) and flags & os.O_CREAT:
            raise OSError(number, os.strerror(number), str(path))
        return real(path, flags, *more, **named)

    with monkeypatch.context() as patched:
        patched.setattr(os, "open", failing)
        made = harvest(RECORD, workdir=work)

    assert 10 == made["exit_code"]
    assert str(tmp_path / "out") in made["where"]
    assert not (tmp_path / "out").exists()
    sandbox.seen.clear()
    assert 0 == harvest(RECORD, workdir=work)["status"]
    assert not any(one.path.endswith("/content") for one in sandbox.seen)
    assert [] == os.listdir(work)


def test_a_target_that_goes_is_10_and_what_was_fetched_stays(
    harvest: Harvest,
    work: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    sandbox: Sandbox,
) -> None:
    """It is on another disk."""
    run = bagcopy.BagCopy.run

    def going(self: bagcopy.BagCopy) -> None:
        shutil.rmtree(tmp_path / "out")
        run(self)

    with monkeypatch.context() as patched:
        patched.setattr(bagcopy.BagCopy, "run", going)
        made = harvest(RECORD, workdir=work)

    assert 10 == made["exit_code"]
    assert made["where"].startswith(str(tmp_path / "out"))
    sandbox.seen.clear()
    assert 0 == harvest(RECORD, workdir=work)["status"]
    assert not any(one.path.endswith("/content") for one in sandbox.seen)


@pytest.mark.parametrize("option", ["target", "workdir"])
@pytest.mark.parametrize("archive", [None, "tar"])
def test_room_is_asked_for_in_both_places(
    option: str,
    archive: str | None,
    harvest: Harvest,
    work: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Before anything is fetched."""
    real = os.statvfs
    small = work if option == "workdir" else tmp_path

    def statvfs(place: Any) -> os.statvfs_result:
        if str(place).startswith(str(small)) and (
            option == "workdir" or str(work) not in str(place)
        ):
            return os.statvfs_result((1, 1, 9, 9, 9, 0, 0, 0, 0, 255))
        return real(place)

    monkeypatch.setattr(os, "statvfs", statvfs)
    made = harvest(RECORD, workdir=work, archive=archive)

    assert 10 == made["exit_code"]
    assert f"--{option}" in made["hint"]
    assert str(small) in made["where"]


def test_a_work_folder_that_takes_no_more_is_told_as_such(
    harvest: Harvest, work: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Another --target would not help."""
    from bagit_create.transfer import download

    def full(*_: Any) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(download, "_write", full)
    made = harvest(RECORD, workdir=work)

    assert 10 == made["exit_code"]
    assert "--workdir" in made["hint"] and "--target" not in made["hint"]
    assert made["where"].startswith(str(work))


# -- names, kills, ends ---------------------------------------------------------------------------


@pytest.fixture
def job(tmp_path: Path, work: Path, config_file: Path) -> Callable[..., Result]:
    """A job with a callback before its package gets its name."""

    def run(
        confirm: Callable[[Result, Path], None], events: Any = None, before: Any = None
    ) -> Result:
        options = JobOptions(
            source="zenodo",
            recid=str(RECORD),
            target=tmp_path / "out",
            workdir=work,
            config=config_file,
        )
        with log.job() as own:
            one = Job(options, events, own, confirm)
            if before is not None:
                before(one)
            return one.run()

    return run


def test_all_is_there_when_the_name_is_about_to_be_given(
    job: Callable[..., Result], tmp_path: Path
) -> None:
    """Whoever notes that moment notes it after the copying, and before anything is to be seen."""
    seen = []

    def confirm(_: Result, holder: Path) -> None:
        [copy] = tmp_path.glob("out/.bic-staging/*-copy@*/bag")
        seen.append((visible(tmp_path / "out"), validate(copy).verdict))

    job(confirm)

    assert [([], "valid")] == seen


def test_what_refuses_the_name_leaves_nothing(job: Callable[..., Result], tmp_path: Path) -> None:
    """Another worker may have the record by then."""

    def refuse(_: Result, holder: Path) -> None:
        raise SipError("It is another's.")

    with pytest.raises(SipError, match="another's"):
        job(refuse)
    assert not (tmp_path / "out").exists()


def test_a_folder_that_has_the_name_meanwhile_is_not_replaced(
    job: Callable[..., Result], tmp_path: Path
) -> None:
    """Not even an empty one, which a rename would replace."""

    def take(result: Result, holder: Path) -> None:
        result.path.mkdir()

    with pytest.raises(SipError, match="already there"):
        job(take)
    [taken] = visible(tmp_path / "out")
    assert [] == os.listdir(tmp_path / "out" / taken)


def test_a_run_that_is_stopped_while_it_copies_can_be_continued(
    job: Callable[..., Result], tmp_path: Path, sandbox: Sandbox
) -> None:
    """As workers of a batch are."""
    jobs: list[Job] = []

    class Stopping(Silent):
        def started(self, files: int, size: int | None) -> None:
            if [*tmp_path.glob("out/.bic-staging/*-copy@*")]:
                jobs[0].stop()

    with pytest.raises(Interrupted):
        job(lambda *_: None, Stopping(), jobs.append)
    assert not (tmp_path / "out").exists()
    sandbox.seen.clear()
    job(lambda *_: None)
    assert not any(one.path.endswith("/content") for one in sandbox.seen)


KILLED = """
import os, signal, sys
from bagit_create.cli import cli
from bagit_create.sip import bagcopy, landing, staging
def die(*_):
    os.kill(os.getpid(), signal.SIGKILL)
holder, name = {"copying": (bagcopy.BagCopy, "_compare"), "copied": (staging.Staging, "publish")}[
    sys.argv[1]
]
setattr(holder, name, die)
staging.is_far = lambda *_: True
cli(sys.argv[2:], prog_name="bic")
"""


@pytest.mark.parametrize("when", ["copying", "copied"])
def test_killed_at_the_end_it_leaves_no_package_and_goes_on(
    when: str, harvest: Harvest, work: Path, tmp_path: Path, config_file: Path, sandbox: Sandbox
) -> None:
    """What was copied is found, and goes with the next run; what was fetched is not asked for."""
    words = ["--source", "zenodo", "--recid", str(RECORD), "--config", str(config_file)]
    words += ["--target", str(tmp_path / "out"), "--workdir", str(work)]
    ended = subprocess.run([sys.executable, "-c", KILLED, when, *words], timeout=30)

    assert -signal.SIGKILL == ended.returncode
    assert [] == visible(tmp_path / "out")
    [left] = leftovers.find(tmp_path / "out")
    assert left.what.endswith(landing.ENDING) and not left.in_use and left.files
    sandbox.seen.clear()
    made = harvest(RECORD, workdir=work)
    assert 0 == made["status"]
    assert not any(one.path.endswith("/content") for one in sandbox.seen)
    assert ([made["foldername"]], []) == (os.listdir(tmp_path / "out"), os.listdir(work))


def test_what_a_killed_run_had_copied_can_be_cleaned(
    work: Path, tmp_path: Path, config_file: Path
) -> None:
    """'bic clean' knows it as it knows other staging folders."""
    words = ["--source", "zenodo", "--recid", str(RECORD), "--config", str(config_file)]
    words += ["--target", str(tmp_path / "out"), "--workdir", str(work)]
    subprocess.run([sys.executable, "-c", KILLED, "copied", *words], timeout=30)

    for place in (tmp_path / "out", work):
        [left] = leftovers.find(place)
        assert leftovers.remove(left)
        assert [] == os.listdir(place)
