"""Folders of this machine, with all that real trees hold."""

from __future__ import annotations

import json
import os
import socket
import subprocess
import sys
import threading
from pathlib import Path
from typing import Any

import bagit
import pytest

from bagit_create.main import process


@pytest.fixture
def tree(tmp_path: Path) -> Path:
    """An empty folder to fill."""
    folder = tmp_path / "tree"
    folder.mkdir()
    return folder


def package(tree: Path, **more: Any) -> dict[str, Any]:
    """Package it beside itself."""
    result = process(
        source="local", source_path=tree, author="Ada", target=tree.parent / "out", **more
    )
    if result["status"] == 0:
        assert bagit.Bag(result["path"]).is_valid()
    return result


def sip_json(result: dict[str, Any]) -> Any:
    return json.loads((Path(result["path"]) / "data/meta/sip.json").read_text("utf-8"))


def content(result: dict[str, Any]) -> Path:
    return Path(result["path"]) / "data/content"


def test_a_source_checkout_keeps_its_git_folder(tree: Path) -> None:
    """Hidden folders belong to the data."""
    subprocess.run(["git", "init", "-q", tree], check=True)
    (tree / "code.py").write_text("pass\n")

    result = package(tree)

    assert (tree / ".git/HEAD").read_bytes() == (content(result) / ".git/HEAD").read_bytes()


def test_the_standard_library_can_be_packaged(tmp_path: Path) -> None:
    """A real tree of thousands of files, complete."""
    source = Path(os.__file__).parent / "email"

    result = process(source="local", source_path=source, author="Guido", target=tmp_path)

    assert result["files"] == sum(one.is_file() for one in source.rglob("*"))


def test_an_empty_folder_is_kept_by_a_placeholder(tree: Path) -> None:
    """A bag knows files only; the audit trail says what the placeholder is."""
    (tree / "a").write_text("a")
    (tree / "empty/inner").mkdir(parents=True)

    result = package(tree)

    assert (content(result) / "empty/inner/.keep").read_bytes() == b""
    assert any("placeholder" in step["message"] for step in sip_json(result)["audit"])


def test_a_placeholder_does_not_replace_a_file(tree: Path) -> None:
    """A folder that holds only a ``.keep`` is not empty."""
    (tree / "kept").mkdir()
    (tree / "kept/.keep").write_text("mine")

    assert "mine" == (content(package(tree)) / "kept/.keep").read_text()


def test_links_are_never_followed_out_of_the_tree(tree: Path, tmp_path: Path) -> None:
    """Each one is reported with where it points to, and no foreign byte is in the bag."""
    (tmp_path / "secret.txt").write_text("foreign bytes")
    (tree / "a.txt").write_text("a")
    (tree / "folder").mkdir()
    (tree / "folder/b.txt").write_text("b")
    (tree / "out.txt").symlink_to(tmp_path / "secret.txt")
    (tree / "out").symlink_to(tmp_path)
    (tree / "dangling").symlink_to("nowhere")
    (tree / "loop").symlink_to(".")
    (tree / "self").symlink_to("self")
    (tree / "inner").symlink_to("folder")
    (tree / "folder/copy.txt").symlink_to("../a.txt")

    result = package(tree)

    left_out = {one["name"]: (one["reason"], one["link_target"]) for one in result["skipped"]}
    assert left_out == {
        "out.txt": ("symbolic link out of the source folder", str(tmp_path / "secret.txt")),
        "out": ("symbolic link out of the source folder", str(tmp_path)),
        "dangling": ("dangling symbolic link", "nowhere"),
        "loop": ("symbolic link to a folder", "."),
        "self": ("dangling symbolic link", "self"),
        "inner": ("symbolic link to a folder", "folder"),
    }
    assert "a" == (content(result) / "folder/copy.txt").read_text()
    for path in Path(result["path"]).rglob("*"):
        assert not path.is_symlink()
        assert path.is_dir() or b"foreign bytes" not in path.read_bytes()
    [skip] = [step for step in sip_json(result)["audit"] if step["action"] == "skip"]
    assert left_out.keys() == {one["name"] for one in skip["tool"]["params"]["files"]}


def test_special_files_are_left_out_and_named(tree: Path) -> None:
    """A FIFO is never opened: it would wait for ever."""
    (tree / "a").write_text("a")
    os.mkfifo(tree / "pipe")
    with socket.socket(socket.AF_UNIX) as server:
        here = os.getcwd()
        os.chdir(tree)  # a socket's path may be 108 bytes long only
        try:
            server.bind("sock")
        finally:
            os.chdir(here)

    result = package(tree)

    reasons = {one["name"]: one["reason"] for one in result["skipped"]}
    assert {"pipe": "special file (FIFO)", "sock": "special file (socket)"} == reasons


def test_what_cannot_be_read_is_named_and_nothing_is_packaged(tree: Path, tmp_path: Path) -> None:
    """All of it in one message: the caller may delete the folder after a success."""
    for name in ("a.txt", "b.txt", "fine.txt"):
        (tree / name).write_text(name)
    (tree / "closed").mkdir()
    (tree / "closed").chmod(0)
    (tree / "a.txt").chmod(0)
    (tree / "b.txt").chmod(0)
    for folder in (tmp_path, *tmp_path.parents):
        if "pytest-" in str(folder):
            folder.chmod(0o755)
    (tmp_path / "out").mkdir()
    (tmp_path / "out").chmod(0o777)
    # Root can read everything. The child loads what it needs by a first run, then drops its rights.
    code = (
        "import json, os, sys; from bagit_create.main import process\n"
        "one = dict(source='local', author='x')\n"
        "process(source_path=sys.argv[1], target=sys.argv[3], **one)\n"
        "if os.geteuid() == 0: os.setgroups([]); os.setgid(65534); os.setuid(65534)\n"
        "print(json.dumps(process(source_path=sys.argv[1], target=sys.argv[2], **one)))"
    )
    places = [str(tree), str(tmp_path / "out"), str(tmp_path / "first")]

    done = subprocess.run(
        [sys.executable, "-c", code, *places], capture_output=True, text=True, check=True
    )

    result = json.loads(done.stdout)
    assert 8 == result["exit_code"]
    assert all(name in result["where"] for name in ("a.txt", "b.txt", "closed"))
    assert "fine.txt" not in result["where"]
    assert [] == list((tmp_path / "out").iterdir())
    (tree / "closed").chmod(0o755)


def test_names_that_are_no_text_are_kept_readable(tree: Path) -> None:
    """The bytes of a name that is not UTF-8 stand in hex beside it."""
    with open(os.fsencode(tree) + b"/caf\xe9", "wb") as file:
        file.write(b"x")

    [entry] = [
        one for one in sip_json(package(tree))["contentFiles"] if "filename_bytes" in one["origin"]
    ]
    assert (b"caf\xe9".hex(), "data/content/caf_E9") == (
        entry["origin"]["filename_bytes"],
        entry["bagpath"],
    )


@pytest.mark.parametrize(
    "name", ["line\nbreak", "tab\there", " blank ", "a%0Ab", "dot.", "CON", "日本", "e\u0301", "-x"]
)
def test_odd_names_make_a_valid_bag(tree: Path, name: str) -> None:
    """And sip.json has the name to the letter."""
    (tree / name).write_text("x")

    result = package(tree)

    names = {one["origin"]["filename"]: one["bagpath"] for one in sip_json(result)["contentFiles"]}
    assert "x" == (Path(result["path"]) / names[name]).read_text()


def test_a_deep_tree_is_no_problem(tree: Path) -> None:
    """Folders a hundred levels down."""
    deep = tree.joinpath(*["d"] * 100)
    deep.mkdir(parents=True)
    (deep / "x").write_text("deep")

    assert "deep" == (content(package(tree)).joinpath(*["d"] * 100) / "x").read_text()


def test_a_single_file_can_be_packaged(tree: Path) -> None:
    """As the forerunner could."""
    (tree / "one.txt").write_text("1")
    (tree / "two.txt").write_text("2")

    result = process(
        source="local", source_path=tree / "one.txt", author="Ada", target=tree.parent / "out"
    )

    assert ["one.txt"] == [one.name for one in content(result).iterdir()]


def test_the_part_below_the_base_path_stays_as_hierarchy(tree: Path) -> None:
    """Paths in the bag begin below --source-base-path."""
    (tree / "a/b").mkdir(parents=True)
    (tree / "a/b/x.txt").write_text("x")

    result = process(
        source="local",
        source_path=tree / "a/b",
        source_base_path=tree,
        author="Ada",
        target=tree.parent / "out",
    )

    assert "x" == (content(result) / "a/b/x.txt").read_text()
    entry = next(e for e in sip_json(result)["contentFiles"] if e["bagpath"].endswith("x.txt"))
    assert ("a/b", "x.txt") == (entry["origin"]["path"], entry["origin"]["sourcePath"])


def test_a_base_path_elsewhere_is_refused(tree: Path, tmp_path: Path) -> None:
    """It must hold the source."""
    (tree / "x").write_text("x")

    result = package(tree, source_base_path=tmp_path / "other")

    assert 2 == result["exit_code"]
    assert "source_base_path should include source_path" in result["errormsg"]


def test_the_same_folder_and_author_have_the_same_id(tree: Path) -> None:
    """So that packages of one folder belong together, as the forerunner had it."""
    (tree / "x").write_text("x")

    assert package(tree)["recid"] == package(tree)["recid"]
    assert "own" == package(tree, recid="own")["recid"]


def test_a_file_that_grows_while_it_is_copied_is_no_success(tree: Path) -> None:
    """Its bytes would be those of no moment."""
    path = tree / "growing.bin"
    path.write_bytes(bytes(80_000_000))
    ended = threading.Event()

    def grow() -> None:
        with path.open("ab") as file:
            while not ended.wait(0.001):
                file.write(b"more")
                file.flush()

    writer = threading.Thread(target=grow)
    writer.start()
    try:
        result = package(tree)
    finally:
        ended.set()
        writer.join()

    assert 8 == result["exit_code"]
    assert not (tree.parent / "out").exists()


def test_a_misspelt_folder_gets_a_near_name(tree: Path) -> None:
    """The message helps."""
    result = process(source="local", source_path=f"{tree}e", author="A", target=tree.parent / "o")

    assert (2, True) == (result["exit_code"], str(tree) in result["hint"])


def test_sip_json_tells_no_path_of_this_machine(tree: Path) -> None:
    """Users, inodes and absolute paths are nobody's business for decades."""
    (tree / "x").write_text("x")

    [entry] = [e for e in sip_json(package(tree))["contentFiles"] if e["bagpath"].endswith("/x")]
    assert {"filename", "path", "sourcePath", "date", "fetched"} == set(entry["origin"])
