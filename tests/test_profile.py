"""BagIt profiles: each rule, broken and kept."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from gates import effort

from bagit_create.errors import ConfigError, InputError
from bagit_create.report import Finding
from bagit_create.validation import profile as profiles
from bagit_create.validation.findings import Findings
from bagit_create.validation.profile import Facts, Profile
from bagit_create.validation.profilefile import matches
from bagit_create.validation.table import Column, Table

IDENTIFIER = "https://example.org/profile-1.json"
INFO = {
    "BagIt-Profile-Identifier": IDENTIFIER,
    "BagIt-Profile-Version": "1.4.0",
    "Source-Organization": "An archive",
    "External-Description": "What the archive takes",
    "Version": "1",
}
#: The least that a profile must say.
LEAST: dict[str, Any] = {"BagIt-Profile-Info": INFO, "Accept-BagIt-Version": ["0.97", "1.0"]}
GOOD = Facts(
    elements=[("BagIt-Profile-Identifier", IDENTIFIER, 1), ("Contact-Name", "Ada", 2)],
    version="1.0",
    encoding="UTF-8",
    manifests=("sha256", "sha512"),
    tag_manifests=("sha256",),
    tag_files=frozenset(
        {"bagit.txt", "bag-info.txt", "manifest-sha256.txt", "tagmanifest-sha256.txt", "dc/dc.xml"}
    ),
    payload={"data/content/a.txt": 5, "data/meta/b.xml": 7},
    fetch=False,
    fetch_paths=(),
    serialisation=None,
)
LIGHT = replace(
    GOOD,
    payload={"data/meta/b.xml": 7},
    fetch=True,
    fetch_paths={"data/content/a.txt"},
    tag_files={*GOOD.tag_files, "fetch.txt"},
)
Make = Callable[..., Profile]


@pytest.fixture
def make(tmp_path: Path) -> Make:
    """Write a profile with these rules, and read it."""

    def made(rules: dict[str, Any] | None = None) -> Profile:
        path = tmp_path / "profile.json"
        path.write_text(json.dumps({**LEAST, **(rules or {})}), encoding="utf-8")
        return profiles.read(path)

    return made


def findings(profile: Profile, facts: Facts) -> tuple[Finding, ...]:
    found = Findings()
    profiles.check(profile, facts, found)
    return found.all()


def element(**rule: Any) -> dict[str, Any]:
    return {"Bag-Info": {"Contact-Name": rule}}


def with_info(*elements: tuple[str, str]) -> Facts:
    first = ("BagIt-Profile-Identifier", IDENTIFIER, 1)
    return replace(GOOD, elements=[first, *((*one, line) for line, one in enumerate(elements, 2))])


EMPTY = replace(GOOD, payload={})
PACKED = replace(GOOD, serialisation="tar")
ADA = ("Contact-Name", "Ada")

BROKEN: dict[str, tuple[str, dict[str, Any], Facts]] = {
    "no identifier": ("P01", {}, replace(GOOD, elements=[])),
    "another identifier": (
        "P02",
        {},
        replace(GOOD, elements=[("BagIt-Profile-Identifier", IDENTIFIER + "x", 1)]),
    ),
    "required element": ("P03", element(required=True), with_info()),
    "required element, in quotes": ("P03", element(required="true"), with_info()),
    "repeated element": ("P04", element(repeatable=False), with_info(ADA, ADA)),
    "repeated in another case": (
        "P04",
        element(repeatable=False),
        with_info(ADA, ("contact-NAME", "Ada")),
    ),
    "value": ("P05", element(values=["Bob", "ada"]), GOOD),
    "one value of two": ("P05", element(values=["Ada"]), with_info(ADA, ("Contact-Name", "Bob"))),
    "manifest required": ("P07", {"Manifests-Required": ["md5"]}, GOOD),
    "manifest allowed": ("P08", {"Manifests-Allowed": ["sha512"]}, GOOD),
    "no manifest allowed": ("P10", {"Tag-Manifests-Allowed": []}, GOOD),
    "tag manifest required": ("P09", {"Tag-Manifests-Required": ["sha512"]}, GOOD),
    "tag manifest allowed": ("P10", {"Tag-Manifests-Allowed": ["sha512"]}, GOOD),
    "fetch.txt not allowed": ("P11", {"Allow-Fetch.txt": False}, LIGHT),
    "fetch.txt required": ("P12", {"Fetch.txt-Required": True}, GOOD),
    "data empty, one file": ("P13", {"Data-Empty": True}, replace(GOOD, payload={"data/x": 1})),
    "data empty, two files": (
        "P13",
        {"Data-Empty": True},
        replace(GOOD, payload={"data/x": 0, "data/y": 0}),
    ),
    "no archive allowed": ("P14", {"Serialization": "forbidden"}, PACKED),
    "archive required": (
        "P14",
        {"Serialization": "required", "Accept-Serialization": ["application/zip"]},
        GOOD,
    ),
    "kind of archive": ("P15", {"Accept-Serialization": ["application/zip"]}, PACKED),
    "a packed tar is no tar": (
        "P15",
        {"Accept-Serialization": ["application/x-tar"]},
        replace(GOOD, serialisation="tar.gz"),
    ),
    "version": ("P16", {"Accept-BagIt-Version": ["0.97"]}, GOOD),
    "tag file required": ("P17", {"Tag-Files-Required": ["dc/x.xml"]}, GOOD),
    "tag file allowed": ("P18", {"Tag-Files-Allowed": ["DPN/*"]}, GOOD),
    "payload file required": ("P19", {"Payload-Files-Required": ["data/LICENSE"]}, GOOD),
    "payload folder required": ("P19", {"Payload-Files-Required": ["data/src/"]}, GOOD),
    "a file is no folder": ("P19", {"Payload-Files-Required": ["data/content/a.txt/"]}, GOOD),
    "payload file allowed": ("P20", {"Payload-Files-Allowed": ["data/content/*"]}, GOOD),
    "promised file allowed": ("P20", {"Payload-Files-Allowed": ["data/meta/*"]}, LIGHT),
}
KEPT: dict[str, tuple[dict[str, Any], Facts]] = {
    "nothing asked": ({}, GOOD),
    "nothing asked of an archive": ({}, PACKED),
    "one identifier of two": (
        {},
        replace(
            GOOD,
            elements=[
                ("BagIt-Profile-Identifier", "https://example.org/other.json", 1),
                ("bagit-profile-identifier", IDENTIFIER, 2),
            ],
        ),
    ),
    "required element": (element(required=True), GOOD),
    "required element in another case": (
        element(required=True),
        with_info(("CONTACT-NAME", "Ada")),
    ),
    "element may repeat": (element(required=True), with_info(ADA, ADA)),
    "element once": (element(repeatable=False), GOOD),
    "value": (element(values=["Ada", "Bob"]), GOOD),
    "any value": (element(values=[], description="whom to ask"), GOOD),
    "value of what is not there": (element(values=["Bob"]), with_info()),
    "recommended element": (element(recommended=True), GOOD),
    "manifests": (
        {"Manifests-Required": ["SHA-256"], "Manifests-Allowed": ["sha256", "sha512"]},
        GOOD,
    ),
    "tag manifests": (
        {"Tag-Manifests-Required": ["sha256"], "Tag-Manifests-Allowed": ["sha256", "md5"]},
        GOOD,
    ),
    "fetch.txt allowed": ({"Allow-Fetch.txt": True}, LIGHT),
    "no fetch.txt": ({"Allow-Fetch.txt": False}, GOOD),
    "fetch.txt required": ({"Fetch.txt-Required": True}, LIGHT),
    "data empty": ({"Data-Empty": True}, EMPTY),
    "data empty but a placeholder": (
        {"Data-Empty": True},
        replace(EMPTY, payload={"data/.keep": 0}),
    ),
    "data empty but promises": (
        {"Data-Empty": True, "Fetch.txt-Required": True},
        replace(LIGHT, payload={}),
    ),
    "folder": ({"Serialization": "forbidden"}, GOOD),
    "archive": (
        {"Serialization": "required", "Accept-Serialization": ["Application/Tar"]},
        PACKED,
    ),
    "either": (
        {"Serialization": "optional", "Accept-Serialization": ["application/zip"]},
        GOOD,
    ),
    "zip": ({"Accept-Serialization": ["application/zip"]}, replace(GOOD, serialisation="zip")),
    "packed tar": (
        {"Accept-Serialization": ["application/gzip"]},
        replace(GOOD, serialisation="tar.gz"),
    ),
    "version": ({"Accept-BagIt-Version": ["1.0"]}, GOOD),
    "tag files": ({"Tag-Files-Required": ["dc/dc.xml"], "Tag-Files-Allowed": ["dc/*"]}, GOOD),
    "ordinary tag files": (
        {"Tag-Files-Required": ["bag-info.txt"], "Tag-Files-Allowed": ["dc/dc.xml"]},
        LIGHT,
    ),
    "payload file": ({"Payload-Files-Required": ["data/content/a.txt"]}, GOOD),
    "payload file promised": ({"Payload-Files-Required": ["data/content/a.txt"]}, LIGHT),
    "payload folder": ({"Payload-Files-Required": ["data/content/"]}, GOOD),
    "payload folder promised": ({"Payload-Files-Required": ["data/content/"]}, LIGHT),
    "payload allowed": (
        {
            "Payload-Files-Required": ["data/content/"],
            "Payload-Files-Allowed": ["data/content/*", "data/*.xml"],
        },
        GOOD,
    ),
}


@pytest.mark.parametrize("case", BROKEN)
def test_a_broken_rule_is_found(make: Make, case: str) -> None:
    """As one error with its own id, which tells where."""
    number, rules, facts = BROKEN[case]

    [one] = findings(make(rules), facts)
    assert (number, "error") == (one.id, one.level)
    assert one.file or number in ("P14", "P15")


@pytest.mark.parametrize("case", KEPT)
def test_a_kept_rule_is_silent(make: Make, case: str) -> None:
    """Nothing is said of a bag that does what is asked."""
    rules, facts = KEPT[case]

    assert () == findings(make(rules), facts)


def test_every_rule_is_broken_once() -> None:
    """All errors of the catalogue are in this test."""
    ids = {f"P{number:02}" for number in range(1, 21)} - {"P06"}

    assert ids == {number for number, _, _ in BROKEN.values()}


def test_what_is_recommended_and_missing_is_a_remark(make: Make) -> None:
    """The bag is acceptable without it."""
    [one] = findings(make(element(recommended=True)), with_info())

    assert ("P06", "information") == (one.id, one.level)


@pytest.mark.parametrize(
    "rules", [{"Manifest-Required": ["md5"]}, element(requried=True)], ids=["rule", "element"]
)
def test_a_rule_that_is_not_known_is_told(make: Make, rules: dict[str, Any]) -> None:
    """A misspelled one would otherwise go unchecked in silence."""
    [one] = findings(make(rules), GOOD)

    assert ("P21", "information") == (one.id, one.level)


def test_a_finding_tells_line_expected_and_found(make: Make) -> None:
    """So that it can be mended."""
    [one] = findings(make(element(values=["Bob", "Eve"])), GOOD)

    assert ("bag-info.txt", 2, "Bob or Eve", "Ada") == (one.file, one.line, one.expected, one.found)


def test_all_faults_are_told_at_once(make: Make) -> None:
    """A bag need not be mended twice."""
    profile = make(
        {"Accept-BagIt-Version": ["0.96"], "Serialization": "forbidden", **element(required=True)}
    )

    assert {"P14", "P16", "P03"} == {
        one.id for one in findings(profile, replace(with_info(), serialisation="zip"))
    }


@pytest.mark.parametrize(
    "path, pattern, fits",
    [
        ("data/a", "data/a", True),
        ("data/a", "data/A", False),
        ("data/a", "*", True),
        ("data/a/b/c.txt", "data/*.txt", True),
        ("data/a/b/c.txt", "data/*/b/*", True),
        ("data/", "data/*", True),
        ("data", "data/*", False),
        ("aa", "a*a", True),
        ("a", "a*a", False),
        ("abcabc", "a*bc*bc", True),
        ("abc", "a*bc*bc", False),
        ("data/[x]?.txt", "data/[x]?.txt", True),
        ("data/x1.txt", "data/[x]?.txt", False),
        ("ab", "a**b", True),
    ],
)
def test_an_asterisk_stands_for_anything(path: str, pattern: str, fits: bool) -> None:
    """Slashes too; nothing else in a pattern is special."""
    assert fits == matches(path, pattern)


def test_a_pattern_is_never_slow() -> None:
    """As a regular expression with thirty asterisks is."""

    def match(pattern: str) -> None:
        for _ in range(1000):
            assert not matches("a" * 4096, pattern)

    assert 1000 * effort(lambda: match("a" * 60 + "b")) > effort(lambda: match("a*" * 30 + "b"))


UNUSABLE: dict[str, Any] = {
    "an array": [],
    "no info": {"Accept-BagIt-Version": ["1.0"]},
    **{
        f"no {key}": {**LEAST, "BagIt-Profile-Info": {k: v for k, v in INFO.items() if k != key}}
        for key in INFO
        if key != "BagIt-Profile-Version"
    },
    "version 2": {**LEAST, "BagIt-Profile-Info": {**INFO, "BagIt-Profile-Version": "2.0.0"}},
    "no versions": {"BagIt-Profile-Info": INFO},
    "versions are numbers": {**LEAST, "Accept-BagIt-Version": [1.0]},
    "a list is a text": {**LEAST, "Manifests-Required": "md5"},
    "a flag is a word": {**LEAST, "Allow-Fetch.txt": "yes"},
    "a flag is a number": {**LEAST, "Data-Empty": 1},
    "Bag-Info is an array": {**LEAST, "Bag-Info": []},
    "a label is a text": {**LEAST, "Bag-Info": {"Contact-Name": "required"}},
    "a description is a number": {**LEAST, **element(description=1)},
    "one label twice": {**LEAST, "Bag-Info": {"Contact-Name": {}, "contact-name": {}}},
    "serialization is a word": {**LEAST, "Serialization": "never"},
    "serialization without media types": {**LEAST, "Serialization": "required"},
    "fetch.txt forbidden and required": {
        **LEAST,
        "Allow-Fetch.txt": False,
        "Fetch.txt-Required": True,
    },
    **{
        f"{name} required and not allowed": {
            **LEAST,
            f"{name}-Required": [one],
            f"{name}-Allowed": [other],
        }
        for name, one, other in (
            ("Manifests", "md5", "sha1"),
            ("Tag-Manifests", "md5", "sha1"),
            ("Tag-Files", "a.txt", "b*"),
            ("Payload-Files", "data/a", "data/b/*"),
        )
    },
}


@pytest.mark.parametrize("case", UNUSABLE)
def test_an_unusable_profile_is_refused(tmp_path: Path, case: str) -> None:
    """Before any bag is judged by it."""
    path = tmp_path / "profile.json"
    path.write_text(json.dumps(UNUSABLE[case]), encoding="utf-8")

    with pytest.raises(ConfigError, match="the profile cannot be used"):
        profiles.read(path)


@pytest.mark.parametrize(
    "raw",
    [b"", b"{", b"\xff", b'{"a": 1, "a": 2}', b"[NaN]", b"[" * 100_000, b"1" * 10_000],
    ids=["empty", "open", "bytes", "twice", "nan", "deep", "long"],
)
def test_what_is_no_json_is_refused(tmp_path: Path, raw: bytes) -> None:
    """With a message for a person."""
    path = tmp_path / "profile.json"
    path.write_bytes(raw)

    with pytest.raises(ConfigError):
        profiles.read(path)


def test_an_address_is_not_fetched() -> None:
    """It is said that a file is wanted."""
    with pytest.raises(InputError) as caught:
        profiles.read(Path("https://example.org/profile.json"))

    assert "download the profile" in caught.value.hint


@pytest.mark.parametrize("kind", ["folder", "unreadable", "huge"])
def test_a_file_that_cannot_be_read_is_refused(tmp_path: Path, kind: str) -> None:
    """And nothing of it is read."""
    path = tmp_path / "profile.json"
    if kind == "folder":
        path.mkdir()
    elif kind == "unreadable":
        path.symlink_to(path)
    else:
        with path.open("wb") as file:
            file.truncate(1 << 40)

    with pytest.raises(InputError):
        profiles.read(path)


def test_a_profile_without_a_version_of_its_own_can_be_read(tmp_path: Path) -> None:
    """It is one of the time before 1.2."""
    info = {key: value for key, value in INFO.items() if key != "BagIt-Profile-Version"}
    path = tmp_path / "profile.json"
    path.write_text(json.dumps({**LEAST, "BagIt-Profile-Info": info}), encoding="utf-8-sig")

    assert IDENTIFIER == profiles.read(path).identifier


def test_the_sizes_may_be_a_column_of_the_table(make: Make) -> None:
    """As a bag of a million files has them."""
    sizes = Column(Table())
    sizes.put("data/a", 0)
    facts = replace(GOOD, payload=sizes)
    profile = make({"Data-Empty": True, "Payload-Files-Required": ["data/a"]})

    assert () == findings(profile, facts)
    sizes.put("data/b", 3)
    [one] = findings(profile, facts)
    assert ("P13", "2 files of 3 bytes") == (one.id, one.found)
