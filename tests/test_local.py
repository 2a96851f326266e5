"""Folders of this machine, with all that real trees hold."""

from __future__ import annotations

import json
import os
import socket
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from importlib import import_module
from pathlib import Path
from typing import Any

import bagit
import pytest

from bagit_create import sip, validation
from bagit_create.main import process

fetch_module = import_module("bagit_create.transfer.fetch")
copy_module = import_module("bagit_create.transfer.copy")


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


@pytest.fixture
def everybodys() -> Iterator[Path]:
    """A folder that other users may look into; pytest closes its own whenever it begins."""
    with tempfile.TemporaryDirectory(prefix="bic-test-") as made:
        os.chmod(made, 0o755)
        yield Path(made)


def test_what_cannot_be_read_is_named_and_nothing_is_packaged(everybodys: Path) -> None:
    """All of it in one message: the caller may delete the folder after a success."""
    tree, out = everybodys / "tree", everybodys / "out"
    tree.mkdir()
    for name in ("a.txt", "b.txt", "fine.txt"):
        (tree / name).write_text(name)
    (tree / "closed").mkdir()
    (tree / "closed").chmod(0)
    (tree / "a.txt").chmod(0)
    (tree / "b.txt").chmod(0)
    out.mkdir()
    out.chmod(0o777)
    # Root can read everything. The child loads what it needs by a first run, then drops its rights.
    code = (
        "import json, os, sys; from bagit_create.main import process\n"
        "one = dict(source='local', author='x')\n"
        "process(source_path=sys.argv[1], target=sys.argv[3], **one)\n"
        "if os.geteuid() == 0: os.setgroups([]); os.setgid(65534); os.setuid(65534)\n"
        "print(json.dumps(process(source_path=sys.argv[1], target=sys.argv[2], **one)))"
    )
    places = [str(tree), str(out), str(everybodys / "first")]

    done = subprocess.run(
        [sys.executable, "-c", code, *places], capture_output=True, text=True, check=True
    )

    result = json.loads(done.stdout)
    assert 8 == result["exit_code"]
    assert all(name in result["where"] for name in ("a.txt", "b.txt", "closed"))
    assert "fine.txt" not in result["where"]
    assert [] == list(out.iterdir())
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


def test_a_file_that_grows_while_it_is_copied_is_no_success(
    tree: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its bytes would be those of no moment."""
    path = tree / "growing.bin"
    path.write_bytes(bytes(8_000_000))
    real = copy_module.read_block

    def read_and_grow(descriptor: int) -> memoryview:
        block: memoryview = real(descriptor)
        if path.stat().st_size < 8_000_100:
            with path.open("ab") as file:
                file.write(b"more")
        return block

    monkeypatch.setattr(copy_module, "read_block", read_and_grow)

    assert 8 == package(tree)["exit_code"]
    assert path.stat().st_size > 8_000_000
    assert not (tree.parent / "out").exists()


# -- files that change meanwhile ------------------------------------------------------------------


def before_the_copy_of(
    name: str, happens: Callable[[], object], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Have something happen when all is listed and what comes before this file is copied."""
    real = fetch_module.copy

    def copy(entry: Any, *more: Any) -> Any:
        if entry.name == name:
            happens()
        return real(entry, *more)

    monkeypatch.setattr(fetch_module, "copy", copy)


def old(path: Path, text: str = "hello") -> Path:
    """A file of long ago: the clocks of file systems are slow."""
    path.write_text(text)
    os.utime(path, (1_000_000_000, 1_000_000_000))
    return path


@pytest.mark.parametrize("light", [False, True])
@pytest.mark.parametrize("text", ["HELLO", "hello and more", ""])
def test_a_file_that_is_written_to_after_its_copy_is_noticed(
    text: str, light: bool, tree: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """In its place, so that no folder tells: its new bytes would be in no package."""
    (tree / "sub").mkdir()
    changed = old(tree / "a.txt")
    old(tree / "sub/b.txt")
    before_the_copy_of("b.txt", lambda: changed.write_text(text), monkeypatch)

    result = package(tree, dry_run=light)

    assert (8, "a.txt") == (result["exit_code"], result["where"])
    assert not (tree.parent / "out").exists()


@pytest.mark.parametrize(
    ("module", "name", "archive"), [(sip, "build", None), (validation, "verify_archive", "tar")]
)
def test_a_file_that_is_written_to_before_its_package_has_a_name_is_noticed(
    module: Any, name: str, archive: str | None, tree: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """However late that is."""
    changed = old(tree / "a.txt")
    real = getattr(module, name)

    def late(*given: Any, **named: Any) -> Any:
        changed.write_text("HELLO")
        return real(*given, **named)

    monkeypatch.setattr(module, name, late)

    assert 8 == package(tree, archive=archive)["exit_code"]
    assert not (tree.parent / "out").exists()


def test_a_file_that_is_written_to_before_its_copy_is_noticed(
    tree: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """sip.json would give the old time to new bytes. This is the only file: it has no folder."""
    changed = old(tree / "a.txt")
    before_the_copy_of("a.txt", lambda: changed.write_text("HELLO"), monkeypatch)

    result = process(source="local", source_path=changed, author="Ada", target=tree.parent / "out")

    assert (8, "a.txt: it was written to after it was listed") == (
        result["exit_code"],
        result["where"],
    )


def test_a_link_that_is_copied_is_noticed_by_its_file(
    tree: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What it leads to may be written to as well."""
    changed = old(tree / "z.txt")
    (tree / "a.txt").symlink_to("z.txt")
    before_the_copy_of("z.txt", lambda: changed.write_text("HELLO"), monkeypatch)

    assert 8 == package(tree)["exit_code"]


def test_a_file_that_has_grown_is_not_read(tree: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """That it is another one is known before."""
    changed = old(tree / "a.txt")
    before_the_copy_of("a.txt", lambda: os.truncate(changed, 300_000_000), monkeypatch)

    result = package(tree)

    assert (8, "a.txt: expected 5 bytes, found 300000000") == (
        result["exit_code"],
        result["where"],
    )


@pytest.mark.parametrize("size", [5, 2_000_000])
def test_a_file_that_grows_without_end_is_not_read_without_end(
    size: int, tree: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """One block more than was listed is enough to know."""
    growing = old(tree / "a.txt", "x" * size)
    real, read = copy_module._read, [0]

    def counted(*given: Any) -> Any:
        os.truncate(growing, 300_000_000 + read[0])
        block = real(*given)
        read[0] += len(block)
        return block

    monkeypatch.setattr(copy_module, "_read", counted)

    assert 8 == package(tree)["exit_code"]
    assert read[0] <= size + copy_module.BLOCK


def test_a_folder_that_gets_a_file_is_named(tree: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Beside the files that changed."""
    (tree / "sub").mkdir()
    changed = old(tree / "sub/a.txt")
    os.utime(tree / "sub", (1_000_000_000, 1_000_000_000))
    old(tree / "sub/b.txt")

    def happens() -> None:
        changed.write_text("HELLO")
        (tree / "new.txt").write_text("new")

    before_the_copy_of("b.txt", happens, monkeypatch)

    assert "sub/a.txt; something appeared or vanished in ." == package(tree)["where"]


def test_a_file_that_may_not_be_read_is_found_by_its_owner_too(tree: Path) -> None:
    """Who owns a file is not asked further; of others the system is."""
    (tree / "a.txt").write_text("a")
    (tree / "a.txt").chmod(0o200)

    assert (0 if os.geteuid() == 0 else 8) == package(tree).get("exit_code")


def test_a_misspelt_folder_gets_a_near_name(tree: Path) -> None:
    """The message helps."""
    result = process(source="local", source_path=f"{tree}e", author="A", target=tree.parent / "o")

    assert (2, True) == (result["exit_code"], str(tree) in result["hint"])


def test_sip_json_tells_no_path_of_this_machine(tree: Path) -> None:
    """Users, inodes and absolute paths are nobody's business for decades."""
    (tree / "x").write_text("x")

    [entry] = [e for e in sip_json(package(tree))["contentFiles"] if e["bagpath"].endswith("/x")]
    assert {"filename", "path", "sourcePath", "date", "fetched"} == set(entry["origin"])
