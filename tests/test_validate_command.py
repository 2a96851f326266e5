"""``bic validate`` as people and scripts use it: options, streams, exit codes, stores."""

from __future__ import annotations

import json
import os
import shutil
import time
from pathlib import Path
from typing import Any

import pytest
from bad_bags import good_bag
from click.testing import CliRunner, Result

from bagit_create.cli import cli
from bagit_create.main import process

WRONG = "other bytes\n"


def run(*args: str | Path) -> Result:
    result = CliRunner().invoke(cli, ["validate", *map(str, args)])
    assert "Traceback" not in result.output
    return result


def as_json(*args: str | Path) -> dict[str, Any]:
    made: dict[str, Any] = json.loads(run("--json", *args).stdout)
    return made


@pytest.fixture
def bag(tmp_path: Path) -> Path:
    good_bag(tmp_path / "bag")
    return tmp_path / "bag"


@pytest.fixture
def store(tmp_path: Path) -> Path:
    for name in ("one", "two", "deep/three"):
        (tmp_path / "store" / name).parent.mkdir(parents=True, exist_ok=True)
        good_bag(tmp_path / "store" / name)
    return tmp_path / "store"


def spoil(bag: Path) -> Path:
    """Change a byte of a payload file; returns the file."""
    path = next(one for one in sorted((bag / "data").rglob("*")) if one.is_file())
    content = bytearray(path.read_bytes())
    content[0] ^= 1
    path.write_bytes(content)
    return path


# -- one package ---------------------------------------------------------------------------------


def test_a_plain_bag_is_not_called_a_broken_sip(bag: Path) -> None:
    """It is judged as what it looks like."""
    assert (0, False) == (run(bag).exit_code, as_json(bag)["reports"][0]["sip"])


def test_a_plain_bag_can_be_refused_as_a_sip(bag: Path) -> None:
    """Whoever expects SIPs wants nothing else."""
    result = run("--sip", bag)
    assert 11 == result.exit_code
    assert "error C01" in result.stdout


def test_every_path_gets_its_verdict_on_standard_output(bag: Path, tmp_path: Path) -> None:
    """And the summary goes to standard error."""
    good_bag(tmp_path / "other")
    spoil(tmp_path / "other")
    result = run(bag, tmp_path / "other")

    heads = [line.partition(":")[0] for line in result.stdout.splitlines() if line[0] != " "]
    assert ["valid", "invalid"] == heads
    assert "2 packages: 1 valid, 1 invalid; 1 errors, 0 warnings" in result.stderr
    assert 11 == result.exit_code


def test_a_finding_tells_its_place_what_was_due_and_what_to_do(bag: Path) -> None:
    """In JSON each has a field of its own."""
    spoil(bag)
    found = as_json(bag)["reports"][0]["findings"]
    one = next(one for one in found if one["level"] == "error")

    assert ("M03", "manifest-sha256.txt", 1) == (one["id"], one["file"], one["line"])
    assert one["expected"].startswith("sha256:")
    assert one["found"].startswith("sha256:")
    assert one["expected"] != one["found"]
    assert one["advice"]


def test_the_json_names_its_form(bag: Path) -> None:
    """So that readers can tell when it changes."""
    told = as_json(bag)
    assert ("bic-validation", 1, 0) == (told["format"], told["version"], told["status"])
    assert {"packages": 1, "valid": 1, "errors": 0}.items() <= told["summary"].items()


def test_fast_reads_no_payload_and_says_so(bag: Path) -> None:
    """A wrong byte passes; a wrong size does not."""
    path = spoil(bag)
    result = run("--fast", bag)
    assert 0 == result.exit_code
    assert "checksums not compared" in result.stdout
    assert "fast" == as_json("--fast", bag)["reports"][0]["mode"]
    path.write_text("longer than it was by far\n")
    assert 11 == run("--fast", bag).exit_code


def test_fast_still_compares_the_tag_files(bag: Path) -> None:
    """They are small, and everything hangs on them."""
    with (bag / "bag-info.txt").open("a") as file:
        file.write("Contact-Name: Eve\n")
    assert "T01" in run("--fast", bag).stdout


def test_remarks_are_shown_on_request(bag: Path) -> None:
    """Most of them need nobody's attention."""
    (bag / "notes.txt").write_text("x")
    assert ("T08" in run(bag).stdout, "T08" in run("-v", bag).stdout) == (False, True)


def test_quiet_shows_verdicts_only(bag: Path) -> None:
    """One line a path."""
    spoil(bag)
    result = run("-q", bag)
    assert (1, "") == (len(result.stdout.splitlines()), result.stderr)


def test_the_second_opinion_stands_beside_ours(bag: Path) -> None:
    """bagit-python's, with its version; its verdict decides nothing."""
    assert "second opinion: bagit-python 1." in run("--second-opinion", bag).stdout
    spoil(bag)
    told = as_json("--second-opinion", bag)["reports"][0]["second_opinion"]
    assert "invalid: " in told


def test_no_second_opinion_is_asked_where_it_would_hang(bag: Path) -> None:
    """bagit-python opens pipes."""
    os.mkfifo(bag / "data/pipe")
    told = as_json("--second-opinion", bag)["reports"][0]["second_opinion"]
    assert "not asked" in told


def test_the_page_is_written(bag: Path, tmp_path: Path) -> None:
    """With the file at fault in it."""
    path = spoil(bag)
    result = run("--html", tmp_path / "page.html", bag)
    page = (tmp_path / "page.html").read_text("utf-8")
    assert 11 == result.exit_code
    assert path.name in page
    assert page.startswith("<!DOCTYPE html>")


def test_a_page_that_cannot_be_written_is_10(bag: Path, tmp_path: Path) -> None:
    """With its path, and no traceback."""
    result = run("--html", tmp_path / "none/page.html", bag)
    assert 10 == result.exit_code
    assert "none/page.html" in result.stderr


def test_a_profile_is_checked(bag: Path, tmp_path: Path) -> None:
    """What a receiver asks beyond BagIt makes a bag invalid for that receiver."""
    path = tmp_path / "profile.json"
    path.write_text(
        json.dumps(
            {
                "BagIt-Profile-Info": {
                    "BagIt-Profile-Identifier": "https://example.org/p.json",
                    "BagIt-Profile-Version": "1.4.0",
                    "Source-Organization": "An archive",
                    "External-Description": "What it takes",
                    "Version": "1",
                },
                "Accept-BagIt-Version": ["0.97"],
                "Manifests-Required": ["sha3512"],
            }
        )
    )
    told = as_json("--profile", path, bag)["reports"][0]
    assert ("invalid", "https://example.org/p.json") == (told["verdict"], told["profile"])
    assert "P07" in {one["id"] for one in told["findings"]}


def test_a_profile_that_is_none_is_refused_before_anything_is_read(
    bag: Path, tmp_path: Path
) -> None:
    """It is a matter of configuration."""
    (tmp_path / "profile.json").write_text("[]")
    result = run("--profile", tmp_path / "profile.json", bag)
    assert result.exit_code in (2, 3)
    assert "" == result.stdout


def test_a_light_package_is_sound_and_can_be_refused(tmp_path: Path) -> None:
    """0, or 8 for who needs the files."""
    (tmp_path / "source").mkdir()
    (tmp_path / "source/a.txt").write_text("alpha")
    made = process(
        source="local",
        source_path=tmp_path / "source",
        author="Ada",
        target=tmp_path,
        dry_run=True,
    )
    assert 0 == run(made["path"]).exit_code
    assert 8 == run("--require-complete", made["path"]).exit_code


def test_the_schema_of_sip_json_is_shown() -> None:
    """It is part of the package; nothing is fetched."""
    told = json.loads(run("--schema").stdout)
    assert told["$id"].startswith("urn:")


@pytest.mark.parametrize(
    "args",
    [
        ("--bag", "--sip"),
        ("--quiet", "--verbose"),
        ("--older-than", "3"),
        ("--fast", "--second-opinion"),
        ("--html", ""),
        ("--since", ""),
    ],
)
def test_what_does_not_go_together_is_refused(args: tuple[str, ...], bag: Path) -> None:
    """Before anything is read."""
    result = run(*args, bag)
    assert (2, "") == (result.exit_code, result.stdout)


# -- stores, year after year ---------------------------------------------------------------------


def changes(store: Path, record: Path, *more: str) -> dict[str, str]:
    told = as_json("--since", record, *more, store)
    return {one["package"]: one["what"] for one in told.get("changes", [])}


def test_all_packages_below_a_folder_are_checked(store: Path) -> None:
    """Archives too; what is no package is passed over."""
    shutil.make_archive(str(store / "four"), "tar", store, "one")
    (store / "readme.txt").write_text("x")
    told = as_json("-r", store)
    assert ["deep/three", "four.tar", "one", "two"] == sorted(
        str(Path(one["path"]).relative_to(store)) for one in told["reports"]
    )


def test_a_folder_without_packages_is_an_error(tmp_path: Path) -> None:
    """All is not well because nothing was looked at."""
    (tmp_path / "empty").mkdir()
    result = run("-r", tmp_path / "empty")
    assert 2 == result.exit_code
    assert "no package" in result.stderr


def test_the_first_check_calls_all_packages_new(store: Path, tmp_path: Path) -> None:
    """And writes one line each."""
    found = changes(store, tmp_path / "record")
    assert {"store/one": "new", "store/two": "new", "store/deep/three": "new"} == found
    assert 3 == len((tmp_path / "record").read_text().splitlines())


def test_what_changed_since_is_told(store: Path, tmp_path: Path) -> None:
    """Broken, gone, new and changed; what is as it was is only counted."""
    record = tmp_path / "record"
    changes(store, record)
    spoil(store / "one")
    shutil.rmtree(store / "two")
    good_bag(store / "five")
    with (store / "deep/three/tagmanifest-sha256.txt").open("a") as file:
        file.write("\n")

    result = run("--since", record, store)

    assert 11 == result.exit_code
    for line in ("broken since", "gone since", "changed since"):
        assert line in result.stdout
    assert "tagmanifest-sha256.txt changed" in result.stdout
    assert "1 new" in result.stderr


def test_what_is_mended_is_told(store: Path, tmp_path: Path) -> None:
    """The damage stays in the record: no line is ever changed."""
    record = tmp_path / "record"
    path = next(one for one in sorted((store / "one/data").rglob("*")) if one.is_file())
    content = path.read_bytes()
    changes(store, record)
    path.write_text(WRONG)
    assert "broken" == changes(store, record)["store/one"]
    before = record.read_bytes()
    path.write_bytes(content)

    assert "repaired" == changes(store, record)["store/one"]
    assert record.read_bytes().startswith(before)
    assert {"same"} == set(changes(store, record).values())


def test_what_is_gone_is_told_once(store: Path, tmp_path: Path) -> None:
    """And is new when it comes back."""
    record = tmp_path / "record"
    changes(store, record)
    shutil.move(store / "two", tmp_path / "two")
    assert "gone" == changes(store, record)["store/two"]
    assert "store/two" not in changes(store, record)
    shutil.move(tmp_path / "two", store / "two")
    assert "new" == changes(store, record)["store/two"]


def test_a_package_is_known_again_wherever_the_store_is(store: Path, tmp_path: Path) -> None:
    """Stores move from disk to disk."""
    record = tmp_path / "record"
    changes(store, record)
    (tmp_path / "elsewhere").mkdir()
    moved = Path(shutil.move(store, tmp_path / "elsewhere/store"))
    assert {"same"} == set(changes(moved, record).values())


def test_a_yearly_check_can_be_spread_over_days(store: Path, tmp_path: Path) -> None:
    """What was checked lately is passed over, and not called gone."""
    record = tmp_path / "record"
    changes(store, record)
    lines = record.read_text().splitlines()
    old = json.loads(lines[0])
    old["time"] = int(time.time()) - 400 * 86400
    record.write_text("\n".join([json.dumps(old), *lines[1:]]) + "\n")

    found = changes(store, record, "--older-than", "300")

    assert {old["package"]: "same"} == found


def test_a_line_that_was_cut_is_passed_over(store: Path, tmp_path: Path) -> None:
    """A run was killed while it wrote; the next line stands apart from it."""
    record = tmp_path / "record"
    changes(store, record)
    content = record.read_bytes()
    record.write_bytes(content[:-20])

    assert 2 == list(changes(store, record).values()).count("same")
    assert {"same"} == set(changes(store, record).values())


def test_a_file_that_is_no_record_is_left_alone(store: Path, tmp_path: Path) -> None:
    """Somebody named the wrong file."""
    (tmp_path / "letter").write_text("Dear Ada,\n")
    result = run("--since", tmp_path / "letter", store)
    assert 3 == result.exit_code
    assert "Dear Ada,\n" == (tmp_path / "letter").read_text()


def test_two_packages_of_one_name_and_other_content_are_told(tmp_path: Path) -> None:
    """They claim to be the same."""
    for place, content in (("a", "1"), ("b", "2")):
        (tmp_path / place).mkdir()
        (tmp_path / place / "f.txt").write_text(content)
    made = [
        Path(
            process(
                source="local", source_path=tmp_path / p, author="A", target=tmp_path / f"to-{p}"
            )["path"]
        )
        for p in ("a", "b")
    ]
    twin = made[1].rename(made[1].with_name(made[0].name))
    result = run(made[0], twin)
    assert 11 == result.exit_code
    assert "error C59" in result.stdout


def test_a_disk_that_is_no_bag_is_not_listed(tmp_path: Path) -> None:
    """A look for bagit.txt comes first; a bag one level down is pointed out."""
    good_bag(tmp_path / "store/inner")
    (tmp_path / "store/heap").mkdir()
    os.mkfifo(tmp_path / "store/heap/pipe")

    told = as_json("--bag", tmp_path / "store")["reports"][0]["findings"]

    assert [("S01", "inner"), ("D01", "bagit.txt")] == [(one["id"], one["file"]) for one in told]
