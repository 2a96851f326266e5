"""The gate between names from outside and paths in the bag."""

from __future__ import annotations

import json
import tempfile
import unicodedata
from pathlib import Path

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from scripted import serving

from bagit_create.main import process
from bagit_create.model import FileEntry
from bagit_create.paths import ROOT, place, portable


def placed(*names: str, taken: tuple[str, ...] = ()) -> list[str]:
    """Paths below data/content of files of these names."""
    found, _ = place([FileEntry(name, ()) for name in names], taken)
    assert all(one.bagpath.startswith(f"{ROOT}/") for one in found)
    return [one.bagpath[len(ROOT) + 1 :] for one in found]


def folded(path: str) -> str:
    """What a disk without case and of another normal form makes of a path."""
    return unicodedata.normalize("NFC", unicodedata.normalize("NFC", path).casefold())


@pytest.mark.parametrize(
    "name",
    [
        "a.txt",
        "data/run 1/hits#1.csv",
        ".git/config",
        "résumé.txt",
        "日本.zip",
        "it's & (done) [1] {2} $x;y=z+1,@~.txt",
        "a b.txt",
        "-dash.txt",
        "x..y",
    ],
)
def test_an_ordinary_name_stays_as_it_is(name: str) -> None:
    """Only what would hurt is changed."""
    assert [name] == placed(name)


@pytest.mark.parametrize(
    ("name", "path"),
    [
        ("../escape.txt", "__/escape.txt"),
        ("/etc/passwd", "etc/passwd"),
        ("a//b", "a/b"),
        ("./a", "_/a"),
        ("100%25.txt", "100_25.txt"),
        ("a\r\nb", "a__b"),
        ("a\0b", "a_b"),
        ("dot.", "dot_"),
        (" both ", "both"),
        ("CON", "_CON"),
        ("aux.txt", "_aux.txt"),
        ("com1.tar.gz", "_com1.tar.gz"),
        ("a:b?c*.txt", "a_b_c_.txt"),
        ("back\\slash", "back_slash"),
        ("~root/x", "_root/x"),
        ("re\u0301sume\u0301", "résumé"),
        ("\u202egpj.exe", "_gpj.exe"),
        ("caf\udce9", "caf_E9"),
        ("", "_"),
        ("/", "_"),
        ("..", "__"),
    ],
)
def test_a_hostile_name_is_made_harmless(name: str, path: str) -> None:
    """And every change is told, so that it can be told back."""
    found, renamed = place([FileEntry(name, ())])

    assert f"{ROOT}/{path}" == found[0].bagpath
    assert ((name, found[0].bagpath),) == renamed


def test_equal_names_get_different_paths() -> None:
    """The one that needs no change keeps its name, whatever the order."""
    first = placed("Case.txt", "case.txt", "CASE.TXT")
    second = placed("re\u0301s", "rés")

    assert 3 == len({folded(path) for path in first})
    assert "rés" == second[1]
    assert "rés" != second[0]


def test_identical_entries_do_not_overwrite_each_other() -> None:
    """A server may list one key twice."""
    assert 3 == len(set(placed("a.txt", "a.txt", "a.txt")))


def test_a_file_and_a_folder_of_one_name_both_fit() -> None:
    """``a`` and ``a/b`` may both be keys."""
    one, two = placed("a", "a/b")
    three, four = placed("A/b", "a")

    assert not two.startswith(f"{one}/")
    assert not three.startswith(f"{four}/")


def test_folders_that_differ_in_case_do_not_merge() -> None:
    """On a disk without case they would become one."""
    paths = placed("Dir/x", "dir/y", "Dir/z")

    assert paths[0].split("/")[0] == paths[2].split("/")[0]
    assert folded(paths[0].split("/")[0]) != folded(paths[1].split("/")[0])


def test_our_own_documents_keep_their_names() -> None:
    """A payload file named like the record's metadata gives way."""
    assert ["metadata.json"] != placed("metadata.json", taken=(f"{ROOT}/metadata.json",))


def test_a_long_name_is_cut_and_keeps_its_extension() -> None:
    """255 bytes is what file systems take."""
    one, two = placed("ü" * 200 + "1.root", "ü" * 200 + "2.root")

    assert one != two
    assert all(len(path.encode()) <= 255 and path.endswith(".root") for path in (one, two))


NAMES = st.lists(
    st.one_of(
        st.text(min_size=0, max_size=40),
        st.text(alphabet="aAéÉe\u0301/. ~%\\\r\n:-_\u202e", max_size=12),
        st.text(alphabet="ab/", max_size=6),
        st.sampled_from(["..", "../..", "CON", "nul.txt", "x" * 300, "ß", "SS", "ﬁ", "fi"]),
        st.text(alphabet=st.characters(categories=["Cs", "Co", "Cf", "Cc"]), max_size=5),
    ),
    max_size=12,
)


@settings(max_examples=150, deadline=None)
@given(NAMES)
@example(["a", "A/b", "a/b", "a-x"])
def test_any_names_become_safe_unique_paths_that_exist(names: list[str]) -> None:
    """For whatever names: inside, unique after folding, portable, and they can all be made."""
    paths = placed(*names)

    assert paths == placed(*names)
    assert len(paths) == len({folded(path) for path in paths})
    folders = {folded(str(above)) for path in paths for above in list(Path(path).parents)[:-1]}
    assert not folders & {folded(path) for path in paths}
    for path in paths:
        assert path == unicodedata.normalize("NFC", path)
        for part in path.split("/"):
            assert part not in ("", ".", "..") and len(part.encode()) <= 255
            assert part == part.strip() and not part.endswith(".")
            assert not set(part) & set('<>:"\\|?*%') and part.isprintable()
    with tempfile.TemporaryDirectory() as place_on_disk:
        for path in paths:
            where = Path(place_on_disk, path)
            where.parent.mkdir(parents=True, exist_ok=True)
            where.touch(exist_ok=False)


@given(st.text(min_size=1, max_size=300))
def test_a_portable_component_stays_as_it_is(text: str) -> None:
    """Made safe once, it is safe."""
    assert portable(portable(text)) == portable(text)


TOLD = st.lists(
    st.text(alphabet=st.characters(exclude_categories=["Cs"]), min_size=1, max_size=30),
    unique=True,
    min_size=1,
    max_size=8,
)


@settings(max_examples=30, deadline=None)
@given(TOLD)
@example(["a", "A", "../a", "a/b", "caf\u00e9", "cafe\u0301", "con.txt", "a\x1b[31m", "x\u202ey"])
def test_every_name_can_be_told_back(names: list[str]) -> None:
    """From sip.json alone, whatever became of it in the bag."""
    with serving() as server, tempfile.TemporaryDirectory() as scratch:
        server.record({name: b"x" for name in names})
        config = server.config(Path(scratch))
        result = process("r", "scripted", target=Path(scratch, "out"), config=config, dry_run=True)

        assert 0 == result["status"], result
        entries = json.loads((Path(result["path"]) / "data/meta/sip.json").read_bytes())
        told = [one["origin"] for one in entries["contentFiles"] if not one["downloaded"]]
        assert sorted(names) == sorted(one["filename"] for one in told)
