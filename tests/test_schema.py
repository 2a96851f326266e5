"""The schema of sip.json takes what bic writes, and refuses every fault of shape."""

from __future__ import annotations

import copy
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from jsonschema import Draft202012Validator
from packages import sip_json
from test_contract import LISTED, REMOTE, Facts

from bagit_create.checksums import HEX_LENGTH
from bagit_create.main import process
from bagit_create.sandbox import Fault, Sandbox
from bagit_create.validation.schema import text

SCHEMA = json.loads(text())
VALIDATOR = Draft202012Validator(SCHEMA)
GONE = object()
"""Stands for a key that is not there."""


def faults(document: Any) -> list[str]:
    """What the schema says against a document."""
    return [f"{one.json_path}: {one.message}" for one in VALIDATOR.iter_errors(document)]


@pytest.fixture(scope="module")
def original(tmp_path_factory: pytest.TempPathFactory) -> Any:
    """The sip.json of a folder with one file, as if there were metadata of it upstream."""
    folder = tmp_path_factory.mktemp("made")
    (folder / "source").mkdir()
    (folder / "source/a.txt").write_text("alpha")
    made = process(
        source="local", source_path=folder / "source", author="Ada", target=folder / "out"
    )
    document = sip_json(made)
    document["metadataFile_upstream"] = "https://example.org/1"
    return document


def changed(document: Any, pointer: str, value: Any) -> Any:
    """A copy of a document with another value, or none, under a JSON pointer."""
    made = copy.deepcopy(document)
    *way, last = [int(key) if key.isdigit() else key for key in pointer.split("/")[1:]]
    place = made
    for key in way:
        place = place[key]
    if value is GONE:
        del place[last]
    else:
        place[last] = value
    return made


def test_the_schema_is_one() -> None:
    """Of draft 2020-12, with a name that nobody can fetch."""
    Draft202012Validator.check_schema(SCHEMA)

    assert "urn:bagit-create:sip-schema:1" == SCHEMA["$id"]


def test_every_value_is_explained() -> None:
    """A title and a description beside each type of a property."""

    def properties(schema: Any) -> Iterator[tuple[str, Any]]:
        for key, value in schema.items() if isinstance(schema, dict) else ():
            yield from value.items() if key == "properties" else ()
            yield from properties(value)

    named = {key: one for key, one in properties(SCHEMA) if "title" in one}
    typed = {key for key, one in properties(SCHEMA) if {"type", "$ref", "oneOf"} & set(one)}

    assert len(typed) > 25 and typed == set(named)
    assert all(one["description"] for one in named.values())


@pytest.mark.parametrize("light", [False, True], ids=["full", "light"])
@pytest.mark.parametrize("facts", REMOTE)
def test_what_is_written_of_a_source_is_accepted(
    facts: Facts, light: bool, config_file: Path, tmp_path: Path
) -> None:
    """Of every kind of source, with all that a user may say."""
    result = process(
        facts.good,
        facts.source,
        target=tmp_path,
        config=config_file,
        dry_run=light,
        collection="Theses",
        embargo=1893456000,
        comment="for the archive",
    )

    assert [] == faults(sip_json(result))


@pytest.mark.parametrize("facts", LISTED)
def test_a_package_with_a_gap_is_accepted(
    facts: Facts, sandbox: Sandbox, config_file: Path, tmp_path: Path
) -> None:
    """A file that was withheld is no fault of shape."""
    sandbox.fault(facts.file, Fault("status", status=403))
    result = process(
        facts.good, facts.source, target=tmp_path, config=config_file, allow_missing=True
    )

    assert [] == faults(sip_json(result))


@pytest.mark.parametrize("light", [False, True], ids=["full", "light"])
def test_what_is_written_of_a_folder_is_accepted(light: bool, tmp_path: Path) -> None:
    """Names that need renaming, an empty folder, and an empty file too."""
    (tmp_path / "source/empty").mkdir(parents=True)
    for name in ("a:b?.txt", "é\n.txt", ".hidden", "zero"):
        (tmp_path / "source" / name).write_text("" if name == "zero" else name)
    result = process(
        source="local",
        source_path=tmp_path / "source",
        author="Ada",
        target=tmp_path,
        dry_run=light,
    )

    assert [] == faults(sip_json(result))


FILE = "/contentFiles/0"
ORIGIN = f"{FILE}/origin"
DRY_RUN = "/audit/0/tool/params/dry_run"
BROKEN: list[tuple[str, str, Any]] = [
    ("C05", "/audit", GONE),
    ("C05", "/audit", []),
    ("C05", "/audit", {}),
    ("C06", DRY_RUN, GONE),
    ("C06", DRY_RUN, "no"),
    ("C06", DRY_RUN, 0),
    ("C06", "/audit/0/tool/params", GONE),
    ("C06", "/audit/0/tool", GONE),
    ("C07", "/audit/0/timestamp", "1635233733"),
    ("C07", "/audit/0/timestamp", GONE),
    ("C07", "/audit/0/action", 1),
    ("C07", "/audit/0/message", None),
    ("C07", "/audit/0/tool/name", None),
    ("C07", "/audit/0", "made"),
    ("C08", "/source", GONE),
    ("C08", "/source", None),
    ("C08", "/source", ""),
    ("C09", "/recid", GONE),
    ("C09", "/recid", None),
    ("C09", "/recid", ""),
    ("C10", "/recid", 2728246),
    ("C10", "/source", 1),
    ("C14", "/contentFiles", GONE),
    ("C14", "/contentFiles", {}),
    ("C15", FILE, "a.txt"),
    ("C15", f"{FILE}/bagpath", GONE),
    ("C15", f"{FILE}/bagpath", 1),
    ("C15", f"{FILE}/downloaded", GONE),
    ("C15", f"{FILE}/downloaded", "true"),
    ("C16", f"{FILE}/bagpath", "/data/a.txt"),
    ("C16", f"{FILE}/bagpath", "data/../../a.txt"),
    ("C16", f"{FILE}/bagpath", "data/content/.."),
    ("C16", f"{FILE}/bagpath", "data/./a.txt"),
    ("C16", f"{FILE}/bagpath", "data//a.txt"),
    ("C16", f"{FILE}/bagpath", "data/"),
    ("C16", f"{FILE}/bagpath", "bagit.txt"),
    ("C16", f"{FILE}/bagpath", "database/a.txt"),
    ("C23", f"{FILE}/checksum", "md5:" + "0" * 32),
    ("C23", f"{FILE}/checksum", ["md5:abc"]),
    ("C23", f"{FILE}/checksum", ["0" * 32]),
    ("C23", f"{FILE}/checksum", ["md5:" + "g" * 32]),
    ("C23", f"{FILE}/checksum", ["shake:"]),
    ("C23", f"{FILE}/checksum", [{"md5": "0" * 32}]),
    ("C26", f"{FILE}/size", "807"),
    ("C26", f"{FILE}/size", 1.5),
    ("C26", f"{FILE}/size", -1),
    ("C26", f"{FILE}/size", True),
    ("C28", ORIGIN, GONE),
    ("C28", ORIGIN, None),
    ("C28", f"{ORIGIN}/filename", GONE),
    ("C28", f"{ORIGIN}/filename", None),
    ("C29", f"{ORIGIN}/url", None),
    ("C29", f"{ORIGIN}/url", 1),
    ("C29", f"{ORIGIN}/url", ["https://example.org/a", None]),
    ("C29", f"{ORIGIN}/url", []),
    ("C30", f"{ORIGIN}/url", "https://ada:secret@example.org/a"),
    ("C30", f"{ORIGIN}/url", "https://example.org/a?x=1&access_token=secret"),
    ("C30", f"{ORIGIN}/url", ["https://example.org/a?X-Amz-Signature=secret"]),
    ("C30", f"{ORIGIN}/served_by", "https://example.org/a?token=secret"),
    ("C30", "/metadataFile_upstream", "https://ada@example.org/1"),
    ("C33", "/sip_creation_timestamp", GONE),
    ("C33", "/sip_creation_timestamp", "1635233733"),
    ("C33", "/sip_creation_timestamp", None),
    ("C34", "/usr-meta", None),
    ("C34", "/usr-meta", []),
    ("C35", "/usr-meta/embargo_timestamp", "2027-01-01"),
    ("C54", "/contentFiles/-1/checksum", ["md5:" + "0" * 32]),
]


@pytest.mark.parametrize("number, pointer, value", BROKEN)
def test_a_fault_of_shape_is_refused(
    original: Any, number: str, pointer: str, value: object
) -> None:
    """Each alone, in a document that is right otherwise."""
    last = len(original["contentFiles"]) - 1

    assert [] == faults(original)
    assert faults(changed(original, pointer.replace("-1", str(last)), value))


@pytest.mark.parametrize("document", [[], "sip", None, 1])
def test_what_is_no_object_is_refused(document: object) -> None:
    """C04: an array, a text, nothing, a number."""
    assert faults(document)


def test_metadata_that_is_not_marked_is_refused(original: Any) -> None:
    """C31: the source has metadata, and no file is said to hold it."""
    document = copy.deepcopy(original)
    for entry in document["contentFiles"]:
        entry["metadata"] = False

    assert faults(document)
    assert [] == faults({**document, "metadataFile_upstream": None})


@pytest.mark.parametrize("algorithm, length", HEX_LENGTH.items())
def test_the_length_of_a_checksum_is_known(original: Any, algorithm: str, length: int) -> None:
    """For every algorithm that is known here, in either case."""
    pointer = f"{FILE}/checksum"

    assert [] == faults(changed(original, pointer, [f"{algorithm}:{'aF' * (length // 2)}"]))
    assert faults(changed(original, pointer, [f"{algorithm}:{'a' * (length - 1)}"]))


@pytest.mark.parametrize(
    "pointer, value",
    [
        (f"{FILE}/size", None),
        (f"{FILE}/size", GONE),
        (f"{FILE}/checksum", ["blake3:" + "0" * 64]),
        (f"{FILE}/bagpath", "data/content/..a/.b/ö (1).txt"),
        (f"{ORIGIN}/url", "https://example.org/@ada?q=a@b"),
        (f"{ORIGIN}/url", ["https://example.org/a", "root://example.org//a"]),
        ("/usr-meta", GONE),
        ("/$schema", GONE),
        ("/metadataFile_upstream", GONE),
        ("/anything", {"else": 1}),
        (f"{ORIGIN}/anything", 1),
    ],
)
def test_what_is_allowed_is_accepted(original: Any, pointer: str, value: object) -> None:
    """Also what other tools add."""
    assert [] == faults(changed(original, pointer, value))
