"""``bagit_create.main.process`` as CERN's platform and old scripts call it, on local folders."""

from __future__ import annotations

import hashlib
import json
import logging
import os
import signal
import subprocess
import sys
import threading
from pathlib import Path
from typing import Any

import bagit
import pytest
from gates import LONG_S, begun, size_of, until

import bagit_create
from bagit_create import main
from bagit_create.errors import ChecksumMismatch, InputError, TransferError
from bagit_create.main import process, run
from bagit_create.options import JobOptions
from bagit_create.sandbox import Fault, Sandbox
from bagit_create.validation import validate


@pytest.fixture
def source(tmp_path: Path) -> Path:
    """A small real folder."""
    folder = tmp_path / "source"
    (folder / "sub/deep").mkdir(parents=True)
    (folder / "a.txt").write_bytes(b"alpha")
    (folder / "sub/b.bin").write_bytes(bytes(range(256)) * 5000)
    (folder / "sub/deep/Ünïcode ☃.txt").write_bytes("schön".encode())
    (folder / "empty.txt").touch()
    (folder / "nothing here").mkdir()
    return folder


def bag_up(source: Path, target: Path, **more: Any) -> dict[str, Any]:
    return process(
        recid=None,
        source="local",
        loglevel=logging.WARNING,
        target=str(target),
        source_path=str(source),
        author="7",
        **more,
    )


def test_a_folder_becomes_a_valid_package(source: Path, tmp_path: Path) -> None:
    """bagit-python and our own validator accept it, and every byte is there."""
    result = bag_up(source, tmp_path / "out")

    assert 0 == result["status"], result
    root = tmp_path / "out" / result["foldername"]
    assert bagit.Bag(str(root)).validate()
    assert "valid" == validate(root).verdict
    for path in source.rglob("*"):
        if path.is_file():
            assert (
                path.read_bytes() == (root / "data/content" / path.relative_to(source)).read_bytes()
            )


def test_every_line_agrees_with_the_disk(source: Path, tmp_path: Path) -> None:
    """Each manifest lists each payload file once with its digest; sip.json has the same."""
    root = Path(bag_up(source, tmp_path / "out")["path"])
    payload = {
        str(path.relative_to(root)): path for path in (root / "data").rglob("*") if path.is_file()
    }

    for algorithm in ("md5", "sha512"):
        lines = (root / f"manifest-{algorithm}.txt").read_text("utf-8").splitlines()
        pairs = [line.split("  ", 1) for line in lines]
        listed = {path: digest for digest, path in pairs}
        assert len(lines) == len(listed)
        assert listed == {
            name: hashlib.new(algorithm, path.read_bytes()).hexdigest()
            for name, path in payload.items()
        }
    entries = json.loads((root / "data/meta/sip.json").read_text("utf-8"))["contentFiles"]
    assert sorted(payload) == sorted(one["bagpath"] for one in entries)
    for one in entries[:-1]:
        content = payload[one["bagpath"]].read_bytes()
        assert len(content) == one["size"]
        assert f"md5:{hashlib.md5(content).hexdigest()}" in one["checksum"]


def test_the_result_can_be_written_as_json(source: Path, tmp_path: Path) -> None:
    """The platform keeps it in a JSON column and adds a key of its own."""
    result = bag_up(source, tmp_path / "out")

    result["artifact"] = {}
    assert result["foldername"] == json.loads(json.dumps(result))["foldername"]
    assert "/" not in result["foldername"]


@pytest.mark.parametrize("loglevel", [0, 1, 2, 3, 10, 20, 30, 40, 50, None])
def test_both_scales_of_log_levels_work(source: Path, tmp_path: Path, loglevel: int | None) -> None:
    """0 to 3 of the old releases, logging's constants of the new ones."""
    result = process(
        None, "local", loglevel, tmp_path / "out", str(source), "me", None, False, False, None, 0
    )

    assert 0 == result["status"]


@pytest.mark.parametrize("loglevel", [4, -1, 15, "INFO", True, 1.0, 20.0, []])
def test_another_log_level_is_refused(source: Path, tmp_path: Path, loglevel: Any) -> None:
    """In the forerunner's words."""
    result = process(None, "local", loglevel, tmp_path / "out", str(source), "me")

    assert (2, "Not a valid log level.") == (result["exit_code"], result["errormsg"])


def test_importing_the_package_alone_is_enough() -> None:
    """``bagit_create.main.process`` and ``bagit_create.version.get_version()`` are reachable."""
    assert bagit_create.main.process is process
    assert bagit_create.version.get_version()


def test_importing_does_no_work() -> None:
    """No file is touched, no handler is set, and nothing heavy is loaded for ``bic --help``."""
    code = (
        "import sys, logging, bagit_create.cli; "
        "assert not logging.getLogger('bagit_create').handlers; "
        "print([m for m in ('requests','rich','lxml','bagit_create.main') if m in sys.modules])"
    )

    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)

    assert "[]" == done.stdout.strip()


def test_two_runs_in_one_second_make_two_packages(source: Path, tmp_path: Path) -> None:
    """The later one takes the next free second, and both are valid."""
    first = bag_up(source, tmp_path / "out")
    second = bag_up(source, tmp_path / "out")

    assert first["foldername"] != second["foldername"]
    for one in (first, second):
        assert "valid" == validate(Path(one["path"])).verdict
        stamp = json.loads((Path(one["path"]) / "data/meta/sip.json").read_text())
        assert one["foldername"].endswith(f"::{stamp['sip_creation_timestamp']}")


def test_many_threads_may_package_at_once(source: Path, tmp_path: Path) -> None:
    """Eight threads, one folder, one target: eight different, valid packages."""
    results: list[dict[str, Any]] = []
    threads = [
        threading.Thread(target=lambda: results.append(bag_up(source, tmp_path / "out")))
        for _ in range(8)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert [0] * 8 == [one["status"] for one in results], results
    assert 8 == len({one["foldername"] for one in results})
    assert all("valid" == validate(Path(one["path"])).verdict for one in results)
    assert 8 == len(list((tmp_path / "out").iterdir()))


def test_the_working_directory_stays(source: Path, tmp_path: Path) -> None:
    """A worker process harvests many records; nobody may move it."""
    before = os.getcwd()

    bag_up(source, tmp_path / "out")

    assert before == os.getcwd()


def test_nothing_is_left_on_the_standard_logger(source: Path, tmp_path: Path) -> None:
    """Handlers and levels belong to the program that calls us."""
    logger = logging.getLogger("bagit_create")
    before = (list(logger.handlers), logger.level)

    bag_up(source, tmp_path / "out")

    assert before == (list(logger.handlers), logger.level)


@pytest.mark.parametrize(
    ("arguments", "code", "text"),
    [
        ({"source": "zenod", "recid": 1}, 2, "The given source zenod is not supported"),
        ({"source": "zenodo"}, 2, "Source and Record ID are required"),
        ({"source": "zenodo", "recid": "a/b"}, 2, "characters that no id has"),
        ({"source": "zenodo", "recid": "1" * 400}, 2, "longer than 200"),
        ({"source": "local", "author": "a"}, 2, "source_path is missing"),
        ({"source": "local", "source_path": "x"}, 2, "Author is missing"),
        ({"source": "local", "author": "a", "source_path": "/no/such/folder"}, 2, "folder"),
        ({"url": "https://nobody.example/1"}, 2, "No known source"),
        ({"source": "zenodo", "recid": "1", "embargo": "soon"}, 2, "--embargo"),
        ({"source": "zenodo", "recid": "1", "config": "/no/such/file"}, 3, "cannot be read"),
        ({"source": "zenodo", "recid": "1", "token": "a\nb"}, 2, "characters that no token has"),
    ],
)
def test_bad_input_is_explained(
    tmp_path: Path, arguments: dict[str, Any], code: int, text: str
) -> None:
    """Status 1, the exit code, a text; the target is not even made."""
    result = process(target=tmp_path / "out", **arguments)

    assert (1, code) == (result["status"], result["exit_code"])
    assert text in result["errormsg"]
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize(
    "arguments",
    [
        {"recid": b"7"},
        {"recid": True},
        {"source": 5},
        {"url": 7},
        {"target": 5},
        {"token": 5},
        {"jobs": "x"},
        {"author": 5},
        {"collection": ["x"]},
        {"bagit_version": 1.0},
        {"embargo": []},
    ],
)
def test_a_value_of_another_type_is_bad_input(tmp_path: Path, arguments: dict[str, Any]) -> None:
    """It is the caller's mistake and is called so; it is no bug of ours."""
    result = process(**{"source": "zenodo", "recid": 1, "target": tmp_path / "out", **arguments})

    assert (1, 2) == (result["status"], result["exit_code"])


def test_an_empty_folder_is_refused(tmp_path: Path) -> None:
    """In the forerunner's words."""
    (tmp_path / "source").mkdir()

    assert "Given directory is empty." in bag_up(tmp_path / "source", tmp_path / "out")["errormsg"]


@pytest.mark.parametrize("option", ["target", "workdir"])
def test_a_folder_whose_name_is_no_text_is_one_like_others(
    option: str, source: Path, tmp_path: Path
) -> None:
    """Names are bytes; sip.json tells this one so that every reader of JSON takes it."""
    odd = Path(os.fsdecode(bytes(tmp_path) + b"/caf\xe9"))
    named: dict[str, Any] = {"target": tmp_path / "out", option: odd}
    result = process(None, "local", source_path=source, author="me", **named)

    assert 0 == result["status"], result
    described = Path(result["path"], "data/meta/sip.json").read_text("utf-8")
    assert "caf%e9" == json.loads(described)["audit"][0]["tool"]["params"][option]


def test_a_target_inside_the_source_is_refused(source: Path) -> None:
    """The package would be packed into itself."""
    result = bag_up(source, source / "sub/out")

    assert 2 == result["exit_code"]
    assert not (source / "sub/out").exists()


def test_a_target_that_is_a_file_is_refused(source: Path, tmp_path: Path) -> None:
    """Exit 10, naming it."""
    (tmp_path / "out").write_text("here")

    result = bag_up(source, tmp_path / "out")

    assert (10, "here") == (result["exit_code"], (tmp_path / "out").read_text())
    assert str(tmp_path / "out") in result["where"]


def test_no_room_is_seen_before_anything_is_written(
    source: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Exit 10 with what is needed and what is free."""
    real = os.statvfs
    monkeypatch.setattr(
        "os.statvfs",
        lambda place: os.statvfs_result((1, 1, 100, 100, 100, *list(real(place))[5:])),
    )

    result = bag_up(source, tmp_path / "out")

    assert 10 == result["exit_code"]
    assert "100 are free" in result["where"]
    assert not (tmp_path / "out").exists()


def test_a_bug_is_an_answer_too(
    source: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A worker must not die of us: exit code 1, status 1, nothing left."""

    def broken(*_: Any, **__: Any) -> None:
        raise RuntimeError("oops")

    monkeypatch.setattr("bagit_create.sip.build", broken)

    result = bag_up(source, tmp_path / "out")

    assert (1, 1) == (result["status"], result["exit_code"])
    assert "oops" in result["errormsg"]
    assert not (tmp_path / "out").exists()


def test_ctrl_c_still_ends_the_callers_loop(monkeypatch: pytest.MonkeyPatch, source: Path) -> None:
    """It is raised as KeyboardInterrupt, as it would be without us."""

    def interrupted(*_: Any, **__: Any) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr("bagit_create.pipelines.local.Local.harvest", interrupted)

    with pytest.raises(KeyboardInterrupt):
        bag_up(source, source.parent / "out")


def test_run_raises_what_process_tells(source: Path, tmp_path: Path) -> None:
    """The same for those who prefer exceptions and types."""
    with pytest.raises(InputError):
        run(JobOptions(source="local", source_path=source, target=tmp_path))
    result = run(JobOptions(source="local", source_path=source, author="me", target=tmp_path / "o"))

    assert result.path.is_dir()


def test_a_light_bag_of_a_folder_has_every_digest(source: Path, tmp_path: Path) -> None:
    """No payload, and still a manifest that can verify it later."""
    result = bag_up(source, tmp_path / "out", dry_run=True)

    root = Path(result["path"])
    assert "incomplete" == validate(root).verdict
    assert [] == result["without_checksum"]
    assert not (root / "data/content/a.txt").exists()
    assert hashlib.sha512(b"alpha").hexdigest() in (root / "manifest-sha512.txt").read_text("utf-8")


@pytest.mark.parametrize("version", ["0.97", "1.0"])
@pytest.mark.parametrize("names", [("sha256",), ("md5", "sha1", "sha512")])
def test_algorithms_and_version_can_be_chosen(
    source: Path, tmp_path: Path, names: tuple[str, ...], version: str
) -> None:
    """The manifests are those that were asked for, of the payload and of the tag files."""
    root = Path(bag_up(source, tmp_path / "o", algorithm=names, bagit_version=version)["path"])

    assert {f"manifest-{name}.txt" for name in names} == {p.name for p in root.glob("manifest-*")}
    assert f"BagIt-Version: {version}\n" in (root / "bagit.txt").read_text()
    assert bagit.Bag(str(root)).validate()


def test_without_the_read_back_the_audit_says_so(source: Path, tmp_path: Path) -> None:
    """``--no-verify`` is told to whoever keeps the package."""
    root = Path(bag_up(source, tmp_path / "out", verify=False)["path"])

    [step] = [
        one
        for one in json.loads((root / "data/meta/sip.json").read_text())["audit"]
        if one["action"] == "fixity_check"
    ]
    assert "skipped" == step["tool"]["params"]["outcome"]


def test_bytes_that_rot_on_the_way_to_the_disk_are_found(
    source: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The read-back compares what is on disk with what arrived: exit 11, no package."""
    from bagit_create import validation

    read_back = validation.read_back

    def after_damage(bag: Path, *given: Any, **named: Any) -> str:
        with open(bag / "data/content/a.txt", "r+b") as file:
            file.write(b"A")
        return read_back(bag, *given, **named)

    monkeypatch.setattr(validation, "read_back", after_damage)

    result = bag_up(source, tmp_path / "out")

    assert 11 == result["exit_code"]
    assert any("a.txt" in line for line in (*result["findings"], result["where"]))
    assert not (tmp_path / "out").exists()


def test_a_workdir_on_the_same_disk_is_used(source: Path, tmp_path: Path) -> None:
    """And it is left as empty as it was found."""
    result = bag_up(source, tmp_path / "out", workdir=tmp_path / "work")

    assert 0 == result["status"]
    assert [] == list((tmp_path / "work").iterdir())


def test_a_killed_run_leaves_no_package_and_the_next_one_works(
    sandbox: Sandbox, config_file: Path, tmp_path: Path
) -> None:
    """kill -9 in the middle: nothing under a final name; the same command finishes the job."""
    sandbox.add_record("zenodo", "5", {"a.bin": 1000, "b.bin": 4_000_000})
    sandbox.fault("/b.bin/content", Fault("stall", after=2_000_000, seconds=LONG_S), times=1)
    command = [sys.executable, "-m", "bagit_create", "-s", "zenodo", "--recid", "5", "-q"]
    command += ["-t", str(tmp_path / "out"), "--config", str(config_file), "-j", "1"]
    staging = tmp_path / "out/.bic-staging"
    with begun(command) as child:
        until(lambda: size_of("b.bin", staging) > 1_000_000)
        child.send_signal(signal.SIGKILL)

    assert [".bic-staging"] == [one.name for one in (tmp_path / "out").iterdir()]
    sandbox.seen.clear()
    done = subprocess.run(command, capture_output=True, text=True, check=True)

    assert "valid" == validate(Path(done.stdout.strip())).verdict
    assert [Path(done.stdout.strip()).name] == [one.name for one in (tmp_path / "out").iterdir()]
    assert not any(one.path.endswith("/a.bin/content") for one in sandbox.seen)


def test_ctrl_c_exits_130(sandbox: Sandbox, config_file: Path, tmp_path: Path) -> None:
    """And what was finished is there for the next run."""
    sandbox.add_record("zenodo", "5", {"a.bin": 1000, "b.bin": 4_000_000})
    sandbox.fault("/b.bin/content", Fault("stall", after=2_000_000, seconds=LONG_S))
    command = [sys.executable, "-m", "bagit_create", "-s", "zenodo", "--recid", "5", "-q"]
    command += ["-t", str(tmp_path / "out"), "--config", str(config_file), "-j", "1"]
    staging = tmp_path / "out/.bic-staging"
    with begun(command, stderr=subprocess.PIPE, text=True) as child:
        until(lambda: size_of("b.bin", staging) > 1_000_000)
        child.send_signal(signal.SIGINT)
        _, errors = child.communicate(timeout=LONG_S)

    assert 130 == child.returncode
    assert "Traceback" not in errors
    assert list(staging.glob("*/done.jsonl"))


def test_the_errors_are_typed() -> None:
    """A wrong checksum is a kind of failed transfer, for those who catch."""
    assert issubclass(ChecksumMismatch, TransferError)
    assert main.failure(ChecksumMismatch("x"))["error"] == "ChecksumMismatch"
