"""The package that is written: every byte of it is looked at again, by other code."""

from __future__ import annotations

import hashlib
import json
import os
import tempfile
import zlib
from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import bagit
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from bagit_create import log
from bagit_create.errors import InvalidSip
from bagit_create.model import (
    Checksum,
    Description,
    Document,
    Fetched,
    FileEntry,
    Placed,
    Record,
    Skipped,
)
from bagit_create.sip import Built, Contents, build, step
from bagit_create.validation import read_back, validate

NOW = 1_700_000_000
DC = "{http://purl.org/dc/elements/1.1/}"
ENCODED = "a%20b%20%C3%A7%22%3C%3E%5C%5E%60%7B%7C%7D"
ADDRESS = "https://zenodo.org/api/records/1/files/"


def digest(algorithm: str, content: bytes) -> str:
    """By the standard library alone."""
    if algorithm == "adler32":
        return f"{zlib.adler32(content):08x}"
    return hashlib.new(algorithm, content).hexdigest()


def sums(content: bytes, *algorithms: str) -> tuple[Checksum, ...]:
    return tuple(Checksum(one, digest(one, content)) for one in algorithms)


def entry(name: str, content: bytes | None = None, *algorithms: str, **facts: Any) -> FileEntry:
    """A file that upstream lists, with checksums in these algorithms."""
    facts.setdefault("urls", (ADDRESS + name,))
    facts.setdefault("size", None if content is None else len(content))
    return FileEntry(name, checksums=sums(content or b"", *algorithms), **facts)


class Bench:
    """A folder to build in."""

    def __init__(self, folder: Path) -> None:
        self.bag = folder / f"sip::zenodo::1::{NOW}"
        self.bag.mkdir()
        self._log = folder / "job.log"
        self._log.write_text("one line\n", "utf-8")
        self.fetched: list[Fetched] = []
        self.absent: list[Placed] = []

    def here(self, one: FileEntry, content: bytes, downloaded: bool = True) -> None:
        """A file that was fetched, or only read through."""
        bagpath = f"data/content/{one.folder + '/' if one.folder else ''}{one.name}"
        if downloaded:
            path = self.bag / bagpath
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(content)
        names = dict.fromkeys(("md5", "sha512", *(c.algorithm for c in one.checksums)))
        self.fetched.append(
            Fetched(
                Placed(one, bagpath),
                len(content),
                sums(content, *names),
                one.urls[0] if one.urls else "",
                NOW - 5,
                downloaded,
                200,
            )
        )

    def not_here(self, *entries: FileEntry) -> None:
        self.absent += [Placed(one, f"data/content/{one.name}") for one in entries]

    def build(self, changes: Mapping[str, Any] | None = None, **facts: Any) -> Built:
        """``changes`` are to the record, ``facts`` to the contents."""
        record = Record(
            source="zenodo",
            recid="1",
            requested="1",
            files=tuple(one.placed.entry for one in self.fetched),
            documents=(Document("metadata.json", b'{"id": 1}\r\n', ADDRESS),),
            metadata_url=ADDRESS,
            description=Description(title="A title"),
            organization="CERN",
        )
        light = facts.get("light", bool(self.absent))
        contents = Contents(
            record=replace(record, **(changes or {})),
            fetched=tuple(self.fetched),
            absent=tuple(self.absent),
            renamed=(),
            params={"dry_run": light, "source": "zenodo"},
            steps=(step("note", NOW, "a note"),),
            timestamp=NOW,
            light=light,
            algorithms=("md5", "sha512"),
            bagit_version="0.97",
            alternate_uri=False,
            usr_meta={},
        )
        return build(self.bag, replace(contents, **facts), self._log)

    def text(self, name: str) -> str:
        return (self.bag / name).read_bytes().decode("utf-8")

    def sip(self) -> Any:
        return json.loads(self.text("data/meta/sip.json"))

    def entry(self, end: str) -> Any:
        return next(one for one in self.sip()["contentFiles"] if one["bagpath"].endswith(end))

    def manifest(self, name: str) -> dict[str, str]:
        """Path to digest; the lines are in the order of their paths, none is repeated."""
        lines = [one.split("  ", 1) for one in self.text(name).split("\n")[:-1]]
        paths = [path for _, path in lines]
        assert sorted(set(paths)) == paths
        return {path: value for value, path in lines}

    def recheck(self) -> None:
        """Hash everything again and compare every line that tells of a present file."""
        files = {
            str(one.relative_to(self.bag)): one.read_bytes()
            for one in self.bag.rglob("*")
            if one.is_file()
        }
        payload = {path: body for path, body in files.items() if path.startswith("data/")}
        manifests = [one for one in files if one.startswith("manifest-")]
        for name in manifests:
            listed = self.manifest(name)
            algorithm = name[len("manifest-") : -len(".txt")]
            assert {path: digest(algorithm, body) for path, body in payload.items()} == {
                path: value for path, value in listed.items() if path in payload
            }
            if algorithm != "adler32":
                tags = {path for path in files.keys() - payload.keys() if path[:3] != "tag"}
                assert {path: digest(algorithm, files[path]) for path in tags} == self.manifest(
                    f"tag{name}"
                )
        for one in self.sip()["contentFiles"]:
            path = one["bagpath"]
            assert one["downloaded"] is (path in payload)
            if path in payload and path != "data/meta/sip.json":
                assert len(payload[path]) == one["size"]
                for text in one["checksum"]:
                    algorithm, value = text.split(":")
                    assert digest(algorithm, payload[path]) == value
        paths = [one["bagpath"] for one in self.sip()["contentFiles"]]
        assert len(set(paths)) == len(paths)
        assert payload.keys() <= set(paths)
        for name in files.keys() - payload.keys():
            assert b"\r" not in files[name]
            assert not files[name].startswith(b"\xef\xbb\xbf")


@pytest.fixture
def bench(tmp_path: Path) -> Bench:
    return Bench(tmp_path)


# -- a full package ---------------------------------------------------------------------------


def test_a_full_package_is_right_to_the_last_digest(bench: Bench) -> None:
    """For our own validator, for bagit-python, and for a plain count of everything."""
    bench.here(entry("a.txt", b"alpha", "md5", "adler32"), b"alpha")
    bench.here(entry("b é.bin", b"", folder="sub/dir"), b"")

    built = bench.build({"empty_folders": ("empty",)}, placeholders=("data/content/empty/.keep",))

    report = validate(bench.bag)
    assert "valid" == report.verdict
    assert {"information"} == {one.level for one in report.findings}
    assert bagit.Bag(str(bench.bag)).validate()
    bench.recheck()
    assert (("md5", "sha512"), (), (), 0) == (
        built.algorithms,
        built.without_checksum,
        built.skipped,
        built.promised,
    )
    assert (report.bytes, report.files) == (built.payload_bytes, built.payload_files)
    assert not (bench.bag / "fetch.txt").exists()


def test_documents_are_kept_byte_for_byte(bench: Bench) -> None:
    """The line end of the server stays what it is."""
    bench.build()

    assert b'{"id": 1}\r\n' == (bench.bag / "data/content/metadata.json").read_bytes()


def test_sip_json_has_the_forerunners_keys_in_its_order(bench: Bench) -> None:
    """Step 0 first, and of the files the log and sip.json last."""
    bench.here(entry("a.txt", b"alpha"), b"alpha")
    bench.build()
    sip = bench.sip()

    assert [
        "$schema",
        "created_by",
        "audit",
        "source",
        "recid",
        "metadataFile_upstream",
        "contentFiles",
        "sip_creation_timestamp",
        "usr-meta",
    ] == list(sip)
    assert ("sip_create", NOW) == (sip["audit"][0]["action"], sip["audit"][0]["timestamp"])
    assert NOW == sip["sip_creation_timestamp"]
    assert ["data/meta/bagitcreate.log", "data/meta/sip.json"] == [
        one["bagpath"] for one in sip["contentFiles"][-2:]
    ]
    assert {"size", "checksum"}.isdisjoint(sip["contentFiles"][-1])


def test_what_upstream_said_stands_apart_from_what_was_computed(bench: Bench) -> None:
    """A reader sees which is which."""
    bench.here(entry("a.txt", b"alpha", "adler32"), b"alpha")
    bench.build()
    made = bench.entry("/a.txt")

    assert [f"adler32:{digest('adler32', b'alpha')}"] == made["origin"]["checksum"]
    assert ["md5", "sha512", "adler32"] == [one.split(":")[0] for one in made["checksum"]]


def test_what_was_left_out_is_named(bench: Bench) -> None:
    """One step for all of it, with the reason of each."""
    bench.build({"skipped": (Skipped("x", "restricted"), Skipped("\udce9", "gone"))})
    [skip] = [one for one in bench.sip()["audit"] if one["action"] == "skip"]

    names = [(one["name"], one["reason"]) for one in skip["tool"]["params"]["files"]]
    assert [("x", "restricted"), ("%e9", "gone")] == names


def test_a_name_that_is_no_utf8_is_kept_in_hex(bench: Bench) -> None:
    """sip.json stays UTF-8, and the name can be told back to the byte."""
    raw = os.fsdecode(b"caf\xe9")
    bench.here(replace(entry("cafe"), name="cafe"), b"x")
    bench.fetched[0] = replace(
        bench.fetched[0],
        placed=Placed(replace(entry("cafe"), name=raw, urls=()), "data/content/cafe"),
    )
    bench.build()
    origin = bench.entry("/cafe")["origin"]

    assert ("caf%e9", b"caf\xe9") == (origin["filename"], bytes.fromhex(origin["filename_bytes"]))


def test_payload_is_never_overwritten(bench: Bench) -> None:
    """A document of the same name is an error, not a loss."""
    bench.here(entry("metadata.json", b"payload"), b"payload")

    with pytest.raises(FileExistsError):
        bench.build()
    assert b"payload" == (bench.bag / "data/content/metadata.json").read_bytes()


def test_nothing_is_written_through_a_link(bench: Bench, tmp_path: Path) -> None:
    """Not even a tag file."""
    outside = tmp_path / "outside"
    outside.write_text("kept")
    (bench.bag / "bag-info.txt").symlink_to(outside)

    with pytest.raises(FileExistsError):
        bench.build()
    assert "kept" == outside.read_text()


def test_no_address_carries_a_secret(bench: Bench) -> None:
    """Whatever a pipeline hands over: metadata, files, and who served them."""
    secret = "https://u:hush@h/x?access_token=hush&X-Amz-Signature=hush"
    bench.here(entry("a", b"a", urls=(secret, "https://[hush/x")), b"a")
    bench.build({"metadata_url": secret, "documents": (Document("m.json", b"{}", secret),)})

    for path in bench.bag.rglob("*"):
        assert path.is_dir() or b"hush" not in path.read_bytes()


# -- a light package --------------------------------------------------------------------------


def test_a_light_package_promises_what_is_absent(bench: Bench) -> None:
    """Each file stands in the manifest of the algorithm that upstream gives."""
    bench.not_here(entry("a", b"a", "md5"), entry("b", b"bb", "adler32"), entry("c", b"ccc"))
    built = bench.build()

    assert "incomplete" == validate(bench.bag).verdict
    bench.recheck()
    assert f"{ADDRESS}a 1 data/content/a\n" in bench.text("fetch.txt")
    assert ("md5", "sha512", "adler32") == built.algorithms
    assert ("data/content/c",) == built.without_checksum
    assert "data/content/a" in bench.manifest("manifest-md5.txt")
    assert "data/content/b" in bench.manifest("manifest-adler32.txt")
    assert not (bench.bag / "tagmanifest-adler32.txt").exists()


def test_a_completed_light_package_is_valid(bench: Bench) -> None:
    """Payload-Oxum and manifests tell of the complete payload, as bagit-python sees it too."""
    bench.not_here(entry("a", b"a", "md5", "sha512"))
    bench.build()
    (bench.bag / "data/content/a").write_bytes(b"a")

    assert bagit.Bag(str(bench.bag)).validate()
    assert "invalid" != validate(bench.bag).verdict


def test_an_unknown_size_is_a_dash(bench: Bench) -> None:
    """Payload-Oxum counts what is present then, and a warning says so."""
    bench.not_here(replace(entry("a", b"a", "md5"), size=None))
    with log.job() as job:
        built = bench.build()

    assert f"{ADDRESS}a - data/content/a\n" == bench.text("fetch.txt")
    assert (None, 5) == (built.payload_bytes, built.payload_files)
    assert any("Payload-Oxum" in one for one in job.warnings)
    assert "incomplete" == validate(bench.bag).verdict


def test_a_file_that_was_read_through_has_a_size_and_all_digests(bench: Bench) -> None:
    """Although upstream told neither."""
    bench.here(entry("a"), b"alpha", downloaded=False)
    built = bench.build(light=True)

    assert f"{ADDRESS}a 5 data/content/a\n" == bench.text("fetch.txt")
    assert digest("sha512", b"alpha") == bench.manifest("manifest-sha512.txt")["data/content/a"]
    assert built.payload_bytes is not None
    assert "incomplete" == validate(bench.bag).verdict


@pytest.mark.parametrize("urls", [(), ("",), ("https://[bad/x",), ("https://h/\ud800",)])
def test_a_file_without_an_address_is_not_promised(bench: Bench, urls: tuple[str, ...]) -> None:
    """Nobody could fetch it; the rest of the package is made."""
    bench.not_here(entry("a", b"a", "md5"), entry("b", b"b", "md5", urls=urls))
    built = bench.build()

    assert ["b"] == [one.name for one in built.skipped]
    assert 1 == built.promised
    assert "incomplete" == validate(bench.bag).verdict


@pytest.mark.parametrize(
    ("urls", "alternate", "expected"),
    [
        (("https://h/a", "root://h//a"), False, "https://h/a"),
        (("https://h/a", "root://h//a"), True, "root://h//a"),
        (("https://h/a", "https://i/a"), True, "https://i/a"),
        (("https://h/a",), True, "https://h/a"),
        (('https://h/a b%20ç"<>\\^`{|}',), False, f"https://h/{ENCODED}"),
        (("https://u:p@h/a?token=x&v=1",), False, "https://h/a?v=1"),
    ],
)
def test_an_address_is_clean(
    bench: Bench, urls: tuple[str, ...], alternate: bool, expected: str
) -> None:
    """RFC 3986, encoded once, without credentials, the alternate one if asked for."""
    bench.not_here(entry("a", b"a", "md5", urls=urls))
    bench.build(alternate_uri=alternate)

    assert f"{expected} 1 data/content/a\n" == bench.text("fetch.txt")


def test_bagit_1_0_promises_only_what_every_manifest_lists(bench: Bench) -> None:
    """The algorithm that covers most is taken; what it leaves out is named."""
    bench.not_here(entry("a", b"a", "md5"), entry("b", b"b", "md5", "sha1"))
    bench.not_here(entry("c", b"c", "sha256"), entry("d", b"d"), entry("e", b"e", "adler32"))
    built = bench.build(bagit_version="1.0")

    assert (("md5",), 2) == (built.algorithms, built.promised)
    assert ["c", "d", "e"] == sorted(one.name for one in built.skipped)
    assert "incomplete" == validate(bench.bag).verdict
    bench.recheck()


# -- hostile texts ----------------------------------------------------------------------------

TEXT = st.text(alphabet=st.characters(), max_size=150)


@settings(max_examples=60, deadline=None)
@given(TEXT, TEXT, TEXT)
@example("\ud800 a\x00\x1b[0m: b\r\nPayload-Oxum: 1.1", "\udce9", "C\u2028\x85\ud800N")
def test_no_text_from_outside_breaks_a_tag_file(title: str, name: str, organization: str) -> None:
    """Lone surrogates, control characters, line breaks: the package is valid for both readers."""
    with tempfile.TemporaryDirectory() as folder:
        bench = Bench(Path(folder))
        bench.here(entry("a", b"a", origin={"note": name}, media_type=name), b"a")
        bench.fetched[0] = replace(
            bench.fetched[0],
            placed=replace(bench.fetched[0].placed, entry=entry(name, b"a", urls=("https://h/a",))),
        )
        told = Description(title=title, creators=(name,), identifiers=(organization,))
        bench.build({"description": told, "organization": organization, "notes": (name,)})

        root = ElementTree.fromstring(bench.text("data/meta/dc.xml"))
        assert "collection" == root.tag
        assert (root.findtext(f"{DC}dc/{DC}title") or "").strip()
        assert [
            "Bag-Software-Agent",
            "Bagging-Date",
            "External-Identifier",
            "Payload-Oxum",
        ] == sorted(
            set(bagit.Bag(str(bench.bag)).info) - {"External-Description", "Source-Organization"}
        )
        origin = bench.entry("/a")["origin"]
        kept = origin.get("filename_bytes")
        assert kept or name == origin["filename"]
        assert bagit.Bag(str(bench.bag)).validate()
        assert not [one for one in validate(bench.bag).findings if one.level == "error"]


def test_a_long_title_is_folded(bench: Bench) -> None:
    """No line of bag-info.txt is longer than 79 characters, and both readers join it again."""
    title = "word " * 60 + "end"
    bench.build({"description": Description(title=title)})

    assert 79 >= max(map(len, bench.text("bag-info.txt").split("\n")))
    joined = bagit.Bag(str(bench.bag)).info["External-Description"]
    assert title == " ".join(joined.split())


# -- reading back -----------------------------------------------------------------------------


def test_what_is_on_disk_is_compared(bench: Bench) -> None:
    """By the quickest digest, which is named; large files are counted as they are read."""
    bench.here(entry("a", b"a"), b"a")
    bench.here(entry("b"), b"b" * 200_000)
    seen: list[int] = []

    assert "sha512" == read_back(bench.bag, bench.fetched, 4, seen.append)
    assert 200_001 == sum(seen)


def replaced_by_link(path: Path) -> None:
    path.rename(path.parent.parent / "elsewhere")
    path.symlink_to(path.parent.parent / "elsewhere")


def replaced_by_pipe(path: Path) -> None:
    path.unlink()
    os.mkfifo(path)


@pytest.mark.parametrize(
    "change",
    [
        lambda path: path.write_bytes(b"alphA"),
        lambda path: path.write_bytes(b"alp"),
        lambda path: path.write_bytes(b"alpha+"),
        lambda path: path.unlink(),
        replaced_by_link,
        replaced_by_pipe,
    ],
)
def test_what_changed_on_disk_is_found(bench: Bench, change: Callable[[Path], Any]) -> None:
    """The file is named; no link is followed, and no pipe waited for."""
    bench.here(entry("a", b"alpha"), b"alpha")
    change(bench.bag / "data/content/a")

    with pytest.raises(InvalidSip) as caught:
        read_back(bench.bag, bench.fetched, 2)
    assert "data/content/a" in caught.value.findings[0]


def test_twenty_differing_files_are_named(bench: Bench) -> None:
    """Not a million."""
    for number in range(30):
        bench.here(entry(f"{number:02}", b"x"), b"x")
        (bench.bag / f"data/content/{number:02}").unlink()

    with pytest.raises(InvalidSip) as caught:
        read_back(bench.bag, bench.fetched, 2)
    assert 20 == len(caught.value.findings)


def test_a_file_that_was_just_read_back_is_not_read_again(bench: Bench) -> None:
    """If its size still is what it was."""
    bench.here(entry("a", b"alpha"), b"alpha")
    bench.build()
    (bench.bag / "data/content/a").write_bytes(b"alphA")

    assert "valid" == validate(bench.bag, verified=[("data/content/a", 5)]).verdict
    assert "invalid" == validate(bench.bag, verified=[("data/content/a", 4)]).verdict
