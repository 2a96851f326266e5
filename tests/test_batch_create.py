"""``bic batch create``: a job folder from a list of records."""

from __future__ import annotations

import json
import os
import shutil
import stat
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from batches import Bench, bench, told

from bagit_create.batch import JobFolder, create
from bagit_create.credentials import Secret
from bagit_create.errors import InputError
from bagit_create.options import JobOptions

__all__ = ["bench"]


def items(path: Path) -> list[tuple[str, str]]:
    return [(item.source, item.recid) for _, item in JobFolder(path).every_item()]


def test_a_job_has_each_record_of_the_list_in_its_order(bench: Bench) -> None:
    """Empty lines and remarks are none."""
    bench.job(["7000003", "", "# a remark", " 7000001 "])

    assert [("zenodo", "7000003"), ("zenodo", "7000001")] == items(bench.path)


def test_its_path_is_the_result(bench: Bench) -> None:
    """A script goes on with it."""
    assert f"{bench.path}\n" == bench.create(["7000001"]).stdout


def test_a_repeated_record_is_taken_once(bench: Bench) -> None:
    """Lists that were put together overlap."""
    facts = told(bench.create(["1", "2", "1", "3", "2", "1"], "--json"))

    assert (3, 3) == (facts["records"], facts["repeated"])


def test_addresses_and_dois_name_records_of_any_source(bench: Bench) -> None:
    """The same record by its address and its id is one record."""
    bench.job(
        ["https://zenodo.org/records/7000001", "7000001", "https://cds.cern.ch/record/1001",
         "10.5281/zenodo.7000003", "https://doi.org/10.5281/zenodo.7000004"],
    )  # fmt: skip

    assert [
        ("zenodo", "7000001"),
        ("cds", "1001"),
        ("zenodo", "7000003"),
        ("zenodo", "7000004"),
    ] == items(bench.path)


def test_lines_of_bic_list_are_taken_and_deleted_records_left_out(bench: Bench) -> None:
    """What is deleted can only fail."""
    lines = [
        json.dumps({"source": "cds", "recid": "1001", "modified": "2026-01-01T00:00:00Z"}),
        json.dumps({"source": "cds", "recid": "1410", "deleted": True}),
    ]
    facts = told(bench.create(lines, "--json"))

    assert (1, 1) == (facts["records"], facts["deleted"])
    assert [("cds", "1001")] == items(bench.path)


@pytest.mark.parametrize(
    "line",
    [
        "../../etc/passwd",
        "a b",
        "{",
        "{}",
        '{"source": "cds"}',
        '{"source": "cds", "recid": null}',
        '{"source": "cds", "recid": true}',
        '{"source": "nowhere", "recid": "1"}',
        '{"source": "local", "recid": "1"}',
        "[" * 2000,
        "x" * 20_000,
        "https://nowhere.example/records/1",
        "https://zenodo.org/communities/x",
        "file:///etc/passwd",
        "\x1b[31m7000001",
    ],
)
def test_a_line_that_names_no_record_is_refused(bench: Bench, line: str) -> None:
    """Nothing is made of a list with such a line, and the line is named."""
    result = bench.create(["7000001", line, "7000003"])

    assert 2 == result.returncode
    assert "line 2" in result.stderr
    assert "\x1b" not in result.stderr
    assert [] == list(bench.place.iterdir())


def test_every_faulty_line_is_named_up_to_twenty(bench: Bench) -> None:
    """One look is enough to mend the list."""
    result = bench.create([f"a {number}" for number in range(30)])

    assert "line 1:" in result.stderr and "line 20:" in result.stderr
    assert "line 21:" not in result.stderr
    assert "10 more" in result.stderr


def test_an_empty_list_is_refused(bench: Bench) -> None:
    """A pipe that broke would else look like a job well done."""
    assert 2 == bench.create(["# nothing"]).returncode
    assert [] == list(bench.place.iterdir())


def test_a_list_that_is_no_text_is_refused(bench: Bench) -> None:
    """An archive, say."""
    (bench.place / "list").write_bytes(b"\xff\xfe\x00")
    result = bench.bic("create", bench.path, bench.place / "list", "--source", "zenodo")

    assert 2 == result.returncode
    assert "UTF-8" in result.stderr
    assert not bench.path.exists()


def test_a_list_that_is_not_there_is_refused(bench: Bench) -> None:
    """With its name."""
    result = bench.bic("create", bench.path, bench.place / "list", "--source", "zenodo")

    assert 2 == result.returncode
    assert str(bench.place / "list") in result.stderr


def test_a_job_is_made_once(bench: Bench) -> None:
    """A second one of that name would take its place."""
    bench.job(["1"])
    before = (bench.path / "job.json").read_bytes()

    assert 2 == bench.create(["2"]).returncode
    assert before == (bench.path / "job.json").read_bytes()


def test_an_empty_folder_may_become_a_job(bench: Bench) -> None:
    """Somebody made it, to see whether one may write there."""
    bench.path.mkdir()

    assert 0 == bench.create(["1"]).returncode


def test_shards_cannot_be_written_to(bench: Bench) -> None:
    """They are the input, and stay what they were."""
    job = bench.job(["1", "2", "3"], "--shard-size", "2")
    shards = sorted(job.shards_folder.glob("01/*.jsonl"))

    assert ["000000.jsonl", "000001.jsonl"] == [path.name for path in shards]
    assert {0o444} == {stat.S_IMODE(path.stat().st_mode) for path in shards}


@pytest.mark.parametrize("count, size, shards", [(10, 1, 10), (1000, 1, 1000), (2500, 3, 834)])
def test_a_job_is_cut_into_about_a_thousand_shards(
    tmp_path: Path, count: int, size: int, shards: int
) -> None:
    """Few enough to look through, and enough for many workers."""
    made = create(tmp_path / "job", map(str, range(count)), JobOptions(source="zenodo"))

    assert (size, shards) == (made.job.file.shard_size, made.job.file.shards)
    assert count == sum(1 for _ in made.job.every_item())


def test_packages_of_large_jobs_lie_in_many_folders(tmp_path: Path) -> None:
    """A million entries in one folder are slow everywhere."""
    made = create(tmp_path / "job", map(str, range(1001)), JobOptions(source="zenodo"))
    places = {made.job.place_of(item) for _, item in made.job.every_item()}

    assert "hashed" == made.job.file.layout
    assert len(places) > 500
    assert {made.job.target} == {place.parent for place in places}


def test_the_options_hold_for_every_record(bench: Bench) -> None:
    """They are read back as they were given."""
    job = bench.job(["1"], "--dry-run", "--algorithm", "sha256", "--comment", "für später")
    options = job.file.options

    assert (True, ("sha256",), "für später") == (options.light, options.algorithms, options.comment)


@pytest.mark.parametrize(
    "words, text",
    [
        (("--bagit-version", "2"), "--bagit-version"),
        (("--alternate-uri",), "--alternate-uri"),
        (("--jobs", "0"), "--jobs"),
        (("--shard-size", "0"), "--shard-size"),
        (("--source", "nowhere"), "nowhere"),
        (("--source", "local"), "local"),
    ],
)
def test_options_that_cannot_work_are_refused_at_once(
    bench: Bench, words: tuple[str, ...], text: str
) -> None:
    """A million failures later would be late."""
    result = bench.create(["1"], *words)

    assert 2 == result.returncode
    assert text in result.stderr
    assert [] == list(bench.place.iterdir())


def test_a_share_link_is_no_line(bench: Bench) -> None:
    """It is a secret, and the folder is read by others; the secret is not told again either."""
    result = bench.create(["https://zenodo.org/records/7000002?token=VERYSECRET"])

    assert 2 == result.returncode
    assert "VERYSECRET" not in result.stderr
    assert [] == list(bench.place.iterdir())


@pytest.mark.parametrize(
    "secret",
    [
        {"token": Secret("VERYSECRET")},
        {"proxy": Secret("http://me:VERYSECRET@proxy")},
        {"invcookie": Secret("VERYSECRET")},
        {"cookies": Path("cookies.txt")},
        {"workdir": Path("scratch")},
    ],
)
def test_a_job_folder_keeps_no_secret_and_no_place_of_a_machine(
    tmp_path: Path, secret: dict[str, Any]
) -> None:
    """They are given to each run."""
    with pytest.raises(InputError) as err:
        create(tmp_path / "job", ["1"], replace(JobOptions(source="cds"), **secret))

    assert next(iter(secret)) in str(err.value)
    assert "VERYSECRET" not in str(err.value)
    assert [] == list(tmp_path.iterdir())


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"[]",
        b"\xff",
        b'{"version": 1}',
        b'{"version": 99}',
        b'{"version": 1, "id": "1", "created": 1, "records": 1, "shards": 1, "shard_size": 1,'
        b' "target": "x", "layout": "flat", "sources": [], "options": {"token": "x"}}',
    ],
)
def test_a_damaged_job_file_is_told_in_words(bench: Bench, content: bytes) -> None:
    """No traceback."""
    bench.job(["1"])
    (bench.path / "job.json").write_bytes(content)
    result = bench.bic("status", bench.path)

    assert 2 == result.returncode
    assert "job.json" in result.stderr
    assert "Traceback" not in result.stderr and "bug" not in result.stderr


def test_what_is_no_job_folder_is_told_in_words(bench: Bench) -> None:
    """Each command says so."""
    for words in (("run", bench.place), ("status", bench.place), ("retry", bench.place)):
        result = bench.bic(*words)

        assert 2 == result.returncode
        assert "no job folder" in result.stderr


def test_what_has_no_lines_is_no_list(bench: Bench) -> None:
    """A device, or a disk image: no memory would hold its first line."""
    result = bench.bic("create", bench.path, "/dev/zero", "--source", "zenodo")

    assert 2 == result.returncode
    assert "line 1 is longer than 10000 characters" in result.stderr
    assert [] == os.listdir(bench.place)


def test_a_line_may_have_as_many_characters_as_is_said(bench: Bench) -> None:
    """With its end, and without."""
    line = "https://zenodo.org/records/7100001#"
    for more in (0, 1):
        text = line + "x" * (10_000 - len(line) + more)
        made = bench.create([text, text])

        assert 2 * more == made.returncode
        shutil.rmtree(bench.path, ignore_errors=True)
