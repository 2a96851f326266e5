"""What is wrong with a package is found and named, and what is right is not."""

from __future__ import annotations

import hashlib
import json
import os
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from gates import effort
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from bagit_create.main import process
from bagit_create.validation import validate
from bagit_create.validation.readback import digest


@pytest.fixture(scope="module")
def originals(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    """A full package and a light one of the same folder."""
    folder = tmp_path_factory.mktemp("made")
    (folder / "source/sub").mkdir(parents=True)
    (folder / "source/a.txt").write_text("alpha")
    (folder / "source/sub/b.txt").write_text("beta")
    made = [
        process(
            source="local",
            source_path=folder / "source",
            author="Ada",
            target=folder,
            dry_run=light,
        )
        for light in (False, True)
    ]
    return Path(made[0]["path"]), Path(made[1]["path"])


@pytest.fixture
def full(originals: tuple[Path, Path], tmp_path: Path) -> Path:
    return Path(shutil.copytree(originals[0], tmp_path / originals[0].name))


@pytest.fixture
def light(originals: tuple[Path, Path], tmp_path: Path) -> Path:
    return Path(shutil.copytree(originals[1], tmp_path / originals[1].name))


def ids(bag: Path, level: str = "error") -> set[str]:
    """Ids of the findings of one level; errors decide the verdict."""
    report = validate(bag)
    assert ("invalid" == report.verdict) == any(one.level == "error" for one in report.findings)
    return {one.id for one in report.findings if one.level == level}


def rewrite_tags(bag: Path) -> None:
    """Make the tag manifests fit again, so that only the fault under test is left."""
    for path in bag.glob("tagmanifest-*.txt"):
        algorithm = path.stem.partition("-")[2]
        lines = [
            f"{hashlib.new(algorithm, one.read_bytes()).hexdigest()}  {one.name}\n"
            for one in sorted(bag.glob("*.txt"))
            if not one.name.startswith("tagmanifest-")
        ]
        path.write_text("".join(lines))


def reseal(bag: Path) -> None:
    """Make manifests and Oxum fit whatever is in the payload now."""
    files = sorted(one for one in (bag / "data").rglob("*") if one.is_file())
    for path in bag.glob("manifest-*.txt"):
        algorithm = path.stem.partition("-")[2]
        path.write_text(
            "".join(
                f"{hashlib.new(algorithm, one.read_bytes()).hexdigest()}  {one.relative_to(bag)}\n"
                for one in files
            )
        )
    info = (bag / "bag-info.txt").read_text().splitlines()
    oxum = f"Payload-Oxum: {sum(one.stat().st_size for one in files)}.{len(files)}"
    info = [oxum if line.startswith("Payload-Oxum") else line for line in info]
    (bag / "bag-info.txt").write_text("\n".join(info) + "\n")
    rewrite_tags(bag)


def test_a_good_package_has_no_errors_or_warnings(full: Path, light: Path) -> None:
    """No false alarm, full or light."""
    for bag, verdict in ((full, "valid"), (light, "incomplete")):
        report = validate(bag)
        assert verdict == report.verdict
        told = {one.id for one in report.findings if one.level != "information"}
        assert ({"F09"} if bag == light else set()) == told  # only this machine has the files


def edit(name: str, old: str, new: str) -> Callable[[Path], None]:
    def change(bag: Path) -> None:
        text = (bag / name).read_text("utf-8")
        assert old in text
        (bag / name).write_text(text.replace(old, new, 1), "utf-8")
        rewrite_tags(bag)

    return change


def append(name: str, text: str) -> Callable[[Path], None]:
    def change(bag: Path) -> None:
        with (bag / name).open("a", encoding="utf-8", newline="") as file:
            file.write(text)
        rewrite_tags(bag)

    return change


def no_manifests(bag: Path) -> None:
    for path in bag.glob("manifest-*"):
        path.unlink()


def one_byte(bag: Path) -> None:
    (bag / "data/content/a.txt").write_text("alphA")


def data_is_a_file(bag: Path) -> None:
    shutil.rmtree(bag / "data")
    (bag / "data").touch()


MD5 = "0" * 32

FAULTS = [
    ("M03", one_byte),
    ("M03", lambda bag: (bag / "data/content/a.txt").write_text("alp")),
    ("M01", lambda bag: (bag / "data/content/a.txt").unlink()),
    ("C18", lambda bag: (bag / "data/content/a.txt").unlink()),
    ("M02", lambda bag: (bag / "data/content/extra").write_text("x")),
    ("I05", lambda bag: (bag / "data/content/extra").write_text("x")),
    ("S17", lambda bag: (bag / "data/content/link").symlink_to("/etc/hostname")),
    ("S15", lambda bag: os.mkfifo(bag / "data/content/pipe")),
    ("N05", lambda bag: (bag / "data/content/caf\udce9").write_text("x")),
    ("D01", lambda bag: (bag / "bagit.txt").unlink()),
    ("S02", lambda bag: shutil.rmtree(bag / "data")),
    ("S04", no_manifests),
    ("T01", lambda bag: (bag / "bag-info.txt").write_text("Payload-Oxum: 1.1\n")),
    ("T02", lambda bag: (bag / "bag-info.txt").unlink()),
    ("C40", lambda bag: (bag / "bag-info.txt").unlink()),
    ("D11", edit("bagit.txt", "0.97", "2.0")),
    ("D09", edit("bagit.txt", "0.97", ".97")),
    ("D12", edit("bagit.txt", "UTF-8", "rot13")),
    ("D05", edit("bagit.txt", "Tag-File-Character-Encoding: UTF-8\n", "")),
    ("D07", append("bagit.txt", "Foo: bar\n")),
    ("D16", append("bagit.txt", "x" * 2000)),
    ("I04", edit("bag-info.txt", "Payload-Oxum: ", "Payload-Oxum: x")),
    ("I04", edit("bag-info.txt", "Payload-Oxum: ", "Payload-Oxum: " + "9" * 400)),
    ("I05", append("bag-info.txt", "Payload-Oxum: 1.1\n")),
    ("I02", append("bag-info.txt", "nonsense\n")),
    ("M05", append("manifest-md5.txt", "abc  data/content/a.txt\n")),
    ("M06", append("manifest-md5.txt", "zz  data/content/a.txt\n")),
    ("M07", append("manifest-md5.txt", MD5 + "\n")),
    ("M09", append("manifest-md5.txt", f"{MD5}  data/content/a.txt\n")),
    ("M10", append("manifest-md5.txt", f"{MD5}  bagit.txt\n")),
    ("M11", append("manifest-md5.txt", f"{MD5}  ../x\n")),
    ("M11", append("manifest-md5.txt", f"{MD5}  data/../../x\n")),
    ("M13", append("manifest-md5.txt", f"{MD5}  /etc/passwd\n")),
    ("M15", append("manifest-md5.txt", f"{MD5}  C:\\x\n")),
    ("M14", append("manifest-md5.txt", f"{MD5}  ~root/x\n")),
    ("M01", append("manifest-md5.txt", f"{MD5}  data/content/none\n")),
    ("M26", append("manifest-md5.txt", "x" * 100_000)),
    ("M22", append("manifest-md5.txt", f"data/content/a.txt  {MD5}\n")),
    ("M24", append("manifest-md5.txt", "# made by hand\n")),
    ("D08", edit("bagit.txt", "Tag-File-Character-Encoding: UTF-8", "BagIt-Version: 0.97")),
    ("D12", edit("bagit.txt", "UTF-8", "ISO-8859-99")),
    ("D12", edit("bagit.txt", "UTF-8", "windows-1299")),
    ("D12", edit("bagit.txt", "UTF-8", "rot13")),
    ("S03", data_is_a_file),
    ("I04", edit("bag-info.txt", "Payload-Oxum: ", "Payload-Oxum: \u0661")),
]


@pytest.mark.parametrize(("number", "break_it"), FAULTS)
def test_a_fault_is_named(full: Path, number: str, break_it: Callable[[Path], Any]) -> None:
    """Each has the id of the catalogue, and makes the package invalid."""
    break_it(full)

    assert number in ids(full)


SIP_FAULTS: list[tuple[str, Callable[[dict[str, Any]], Any]]] = [
    ("C05", lambda sip: sip.pop("audit")),
    ("C06", lambda sip: sip["audit"][0]["tool"]["params"].update(dry_run="no")),
    ("C08", lambda sip: sip.update(source=None)),
    ("C09", lambda sip: sip.pop("recid")),
    ("C14", lambda sip: sip.update(contentFiles={})),
    ("C15", lambda sip: sip["contentFiles"][0].pop("bagpath")),
    ("C16", lambda sip: sip["contentFiles"][0].update(bagpath="data/../../x")),
    ("C17", lambda sip: sip["contentFiles"].append(sip["contentFiles"][0])),
    ("C22", lambda sip: sip["contentFiles"].remove(entry(sip, "a.txt"))),
    ("C23", lambda sip: entry(sip, "a.txt").update(checksum=["md5:abc"])),
    ("C24", lambda sip: entry(sip, "a.txt").update(checksum=["md5:" + MD5])),
    ("C27", lambda sip: entry(sip, "a.txt").update(size=4)),
    ("C26", lambda sip: entry(sip, "a.txt").update(size=-4)),
    ("C23", lambda sip: entry(sip, "a.txt").update(checksum=[":abc"])),
    ("C25", lambda sip: entry(sip, "a.txt").update(checksum=["sha1:" + "0" * 40])),
    ("C29", lambda sip: entry(sip, "a.txt")["origin"].update(url=[3])),
    ("C30", lambda sip: entry(sip, "a.txt")["origin"].update(url="https://u:p@h/x")),
    ("C33", lambda sip: sip.update(sip_creation_timestamp="1")),
    ("C34", lambda sip: sip.update({"usr-meta": None})),
]


def entry(sip: dict[str, Any], name: str) -> dict[str, Any]:
    found: dict[str, Any] = next(
        one for one in sip["contentFiles"] if one.get("bagpath", "").endswith(name)
    )
    return found


@pytest.mark.parametrize(("number", "break_it"), SIP_FAULTS)
def test_a_fault_of_sip_json_is_named(
    full: Path, number: str, break_it: Callable[[dict[str, Any]], Any]
) -> None:
    """Although every checksum fits."""
    path = full / "data/meta/sip.json"
    document = json.loads(path.read_text("utf-8"))
    break_it(document)
    path.write_text(json.dumps(document), "utf-8")
    reseal(full)

    found = ids(full)
    assert number in found
    assert not {one for one in found if one[0] != "C"}


@pytest.mark.parametrize(
    "content", [b"", b"{", b"\xff", b"[" * 100_000, b'{"a": NaN}', b"\xef\xbb\xbf{}"]
)
def test_a_sip_json_that_is_no_json_is_named(full: Path, content: bytes) -> None:
    """Depth, byte-order marks and NaN among it; there is no traceback."""
    (full / "data/meta/sip.json").write_bytes(content)
    reseal(full)

    assert {"C02"} == ids(full)


WEAKER: list[tuple[str, Callable[[Path], Any]]] = [
    ("I07", append("bag-info.txt", "Bagging-Date: 2026-01-01\n")),
    ("I08", append("bag-info.txt", "bagging-date: 01/02/2026\n")),
    ("M23", append("manifest-md5.txt", "\n")),
    ("F16", append("fetch.txt", "\n")),
]


@pytest.mark.parametrize(("number", "break_it"), WEAKER)
def test_what_others_will_stumble_over_is_a_warning(
    full: Path, number: str, break_it: Callable[[Path], Any]
) -> None:
    """The package stays valid by the rules of BagIt 0.97."""
    break_it(full)

    assert number in ids(full, "warning")
    assert set() == ids(full)


SIP_REMARKS: list[tuple[str, str, Callable[[dict[str, Any]], Any]]] = [
    ("C07", "warning", lambda sip: sip["audit"].append({"timestamp": 1})),
    ("C13", "warning", lambda sip: sip["audit"][0]["tool"]["params"].update(source="cds")),
    ("C32", "information", lambda sip: sip.update({"$schema": "https://h/other"})),
    ("C33", "warning", lambda sip: sip.update(sip_creation_timestamp=10**11)),
    ("C45", "information", lambda sip: sip["audit"][0]["tool"]["params"].update(dry_run=True)),
    ("C28", "warning", lambda sip: entry(sip, "a.txt").update(origin=[])),
]


@pytest.mark.parametrize(("number", "level", "break_it"), SIP_REMARKS)
def test_an_oddity_of_sip_json_is_remarked(
    full: Path, number: str, level: str, break_it: Callable[[dict[str, Any]], Any]
) -> None:
    """At the level of the catalogue."""
    path = full / "data/meta/sip.json"
    document = json.loads(path.read_text("utf-8"))
    break_it(document)
    path.write_text(json.dumps(document), "utf-8")
    (full / "fetch.txt").touch()
    reseal(full)

    assert number in ids(full, level)


def test_an_emptied_file_is_told_from_a_changed_one(full: Path) -> None:
    """Somebody's disk was full."""
    (full / "data/content/a.txt").write_bytes(b"")
    reseal(full)

    assert "C53" in ids(full)


def test_a_repeated_key_among_many_is_found_quickly(full: Path) -> None:
    """Time grows with the size of the file, not with its square."""
    pairs = ",".join(f'"{number}":0' for number in range(100_000))
    found: list[bool] = []

    def look(last: str) -> None:
        (full / "data/meta/sip.json").write_text(f'{{{pairs},"{last}":1}}')
        reseal(full)
        found.append("C03" in ids(full, "warning"))

    plain = effort(lambda: look("none of them"))

    assert 20 * plain > effort(lambda: look("0"))
    assert [False, True] == found


def test_a_name_stored_decomposed_is_the_same_name(full: Path) -> None:
    """A Mac writes it so; the file is there, and its bytes are compared."""
    (full / "data/content/a.txt").rename(full / "data/content/e\u0301.txt")
    for path in full.glob("manifest-*"):
        path.write_text(path.read_text("utf-8").replace("/a.txt", "/\u00e9.txt"), "utf-8")
    rewrite_tags(full)

    report = validate(full, sip=False)
    assert ("valid", {"M27"}) == (
        report.verdict,
        {one.id for one in report.findings if one.level == "warning"},
    )
    (full / "data/content/e\u0301.txt").write_text("alphA")
    assert "M03" in {one.id for one in validate(full, sip=False).findings}


def test_an_escape_that_0_97_does_not_have_is_understood(full: Path) -> None:
    """bagit-python and bagit-java write line breaks so."""
    (full / "data/content/a.txt").rename(full / "data/content/a\r.txt")
    for path in full.glob("manifest-*"):
        path.write_text(path.read_text("utf-8").replace("/a.txt", "/a%0D.txt"), "utf-8")
    rewrite_tags(full)

    report = validate(full, sip=False)
    assert ("valid", ["M31", "M31", "N06"]) == (
        report.verdict,
        [one.id for one in report.findings if one.level == "warning"],
    )


def test_one_unreadable_file_hides_no_other_fault(
    full: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It is a finding like any other."""

    def refuse(path: str, *rest: Any, **more: Any) -> Any:
        if path.endswith("a.txt"):
            raise PermissionError(13, "Permission denied", path)
        return digest(path, *rest, **more)

    monkeypatch.setattr("bagit_create.validation.folder.digest", refuse)
    (full / "data/content/sub/b.txt").write_text("betA")  # comes after the other one

    assert {"S19", "M03"} <= ids(full)


def test_a_digest_that_only_sip_json_has_is_compared_too(full: Path) -> None:
    """No manifest is for sha1 here; the file is read once for all its digests."""
    path = full / "data/meta/sip.json"
    document = json.loads(path.read_text("utf-8"))
    right = hashlib.sha1(b"alpha").hexdigest()
    for value, expected in ((right, set()), ("0" * 40, {"C25"})):
        entry(document, "a.txt")["checksum"] = [f"sha1:{value}"]
        path.write_text(json.dumps(document), "utf-8")
        reseal(full)
        assert expected == ids(full)


def test_a_plain_bag_is_no_sip(full: Path) -> None:
    """It lacks sip.json; as a bag alone it is valid."""
    (full / "data/meta/sip.json").unlink()
    reseal(full)

    assert {"C01"} == ids(full)
    assert "valid" == validate(full, sip=False).verdict


LIGHT_FAULTS = [
    ("M01", lambda bag: (bag / "fetch.txt").unlink()),
    ("C44", lambda bag: (bag / "fetch.txt").unlink()),
    ("F01", append("fetch.txt", "two fields\n")),
    ("F02", append("fetch.txt", "https://h/x three data/content/x\n")),
    ("F03", append("fetch.txt", "https://h/x 3 bagit.txt\n")),
    ("F04", append("fetch.txt", "https://h/x 3 ../../x\n")),
    ("F07", append("fetch.txt", "https://h/x 3 data/content/a.txt\n")),
    ("F08", append("fetch.txt", "a.txt 3 data/content/y\n")),
    ("C30", append("fetch.txt", "https://u:p@h/x 3 data/content/y\n")),
    ("C20", edit("fetch.txt", "data/content/a.txt", "data/content/other.txt")),
    ("I05", edit("fetch.txt", " 5 ", " 6 ")),
    ("F02", append("fetch.txt", "https://h/x \u0663 data/content/x\n")),
]


@pytest.mark.parametrize(("number", "break_it"), LIGHT_FAULTS)
def test_a_fault_of_a_light_bag_is_named(
    light: Path, number: str, break_it: Callable[[Path], Any]
) -> None:
    """Incomplete as declared is one thing, wrong another."""
    break_it(light)

    assert number in ids(light)


def test_what_is_outside_is_never_read(full: Path) -> None:
    """A path that leaves the bag is not followed, even if the file there would fit."""
    (full.parent / "secret").write_text("s")
    digest = hashlib.md5(b"s").hexdigest()
    append("manifest-md5.txt", f"{digest}  data/../../secret\n")(full)

    assert {"M11"} == ids(full)


def test_a_file_that_is_no_folder_is_no_bag(tmp_path: Path) -> None:
    """Nor is a folder that is not there."""
    (tmp_path / "file").touch()

    assert ({"S01"}, {"Z07"}) == (ids(tmp_path / "file"), ids(tmp_path / "none"))


def test_a_million_findings_are_not_a_million_lines(full: Path) -> None:
    """The first thousand of a kind are named, the rest are counted."""
    lines = "".join(f"{MD5}  data/content/none{n}\n" for n in range(5000))
    append("manifest-md5.txt", lines)(full)

    report = validate(full)

    assert 2100 > len(report.findings)  # each is missing, and in one of two manifests only
    assert any("4000 more of M01" in one.message for one in report.findings)


@settings(
    max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(
    name=st.sampled_from(
        ["bagit.txt", "bag-info.txt", "manifest-md5.txt", "tagmanifest-md5.txt", "fetch.txt"]
    ),
    content=st.one_of(
        st.binary(max_size=300),
        st.text(alphabet="0a%/.: \t\r\n*~data-\u2028", max_size=200).map(str.encode),
    ),
)
def test_garbage_is_reported_and_never_a_crash(full: Path, name: str, content: bytes) -> None:
    """Whatever bytes stand in a tag file."""
    (full / name).write_bytes(content)

    assert validate(full).verdict in ("valid", "incomplete", "invalid")
