"""CERN Open Data (cod): two shapes of a record, indices, odd checksums, XRootD and EOS."""

from __future__ import annotations

import json
import os
from pathlib import Path

import pytest
from packages import Harvest, by_name, payload, sip_json

from bagit_create.sandbox import Fault, Sandbox
from bagit_create.sandbox.content import Content

PLACE = "/eos/opendata/cms/invented"

# -- the lists ------------------------------------------------------------------------------------


def test_a_record_becomes_a_package(harvest: Harvest) -> None:
    """The JSON as it came, and every file under its own name."""
    result = harvest(2, "cod")

    assert {"metadata.json", "README.txt", "schéma général.pdf", "empty.csv"} == payload(result)


def test_files_that_stand_in_indices_only_are_files(harvest: Harvest) -> None:
    """``files`` is empty there."""
    assert {"metadata.json", "0000.root", "0001.root", "0002.root"} == payload(harvest(3, "cod"))


def test_an_old_index_file_is_expanded_and_kept(harvest: Harvest) -> None:
    """Portals before December 2024 list the index, not its members."""
    found = payload(harvest(4, "cod"))

    assert {"OLD_file_index.json", "OLD_file_index.txt"} <= found
    assert {"old/OLD/0001.root", "old/OLD/0002.root"} <= found


def test_an_old_index_may_stand_at_the_new_address(harvest: Harvest, sandbox: Sandbox) -> None:
    """A portal between two versions."""
    app = sandbox.app("cod")
    members = app.records["3"]["_file_indices"][0]["files"]
    app.records["4"]["_file_indices"] = []
    page = json.dumps({"key": "OLD_file_index.json", "files": members}).encode()
    sandbox.fault("/record/4/files/OLD_file_index.json", Fault("status", status=404))
    sandbox.fault("/record/4/file_index/", Fault("not-json", body=page))

    assert "aod/0000.root" in payload(harvest(4, "cod"))


@pytest.mark.parametrize("recid", ["8", "11"])
def test_an_index_that_is_broken_is_4(recid: str, harvest: Harvest, tmp_path: Path) -> None:
    """Shorter than it counts, or no JSON: then nobody knows which files there are."""
    assert 4 == harvest(recid, "cod")["exit_code"]
    assert not (tmp_path / "out").exists()


def test_an_index_that_is_gone_is_4(harvest: Harvest, sandbox: Sandbox) -> None:
    """At both of its addresses."""
    sandbox.fault("OLD_file_index.json", Fault("status", status=404))

    assert 4 == harvest(4, "cod")["exit_code"]


def test_a_record_without_files_says_so(harvest: Harvest) -> None:
    """It is a package of its metadata."""
    result = harvest(1, "cod")

    # Where tests put their packages may be a long way down, which is warned of too.
    told = [one for one in result["warnings"] if "longer than" not in one]
    assert (0, ["the record lists no files"]) == (result["files"], told)


def test_equal_names_keep_their_directories(harvest: Harvest) -> None:
    """Without the part that all files share."""
    found = payload(harvest(5, "cod"))

    assert {"0001/AO2D.root", "0002/AO2D.root", "0004/AO2D.root", "none.txt"} <= found


def test_a_file_on_tape_is_named_and_not_fetched(harvest: Harvest, sandbox: Sandbox) -> None:
    """Whichever list tells it; ``_files`` knows better than ``files``."""
    result = harvest(5, "cod")

    assert {"0003/AO2D.root", "staged.txt"} == {one["name"] for one in result["skipped"]}
    assert all("on demand" in one["reason"] for one in result["skipped"])
    assert not any("0003" in one.path or "staged" in one.path for one in sandbox.seen)


def test_a_light_package_lists_what_is_on_tape(harvest: Harvest) -> None:
    """It may be on disk when the package is completed; the package says what it is now."""
    result = harvest(5, "cod", dry_run=True)

    assert "on demand" == by_name(result)["staged.txt"]["origin"]["availability"]
    assert any("2 of the files that fetch.txt lists" in one for one in result["warnings"])


def test_ten_thousand_files_are_one_request_for_metadata(
    harvest: Harvest, sandbox: Sandbox
) -> None:
    """And no HEAD, since sizes and checksums are known."""
    result = harvest(6, "cod", dry_run=True)

    assert 10_001 == result["files"]
    assert 1 == len(sandbox.seen)


# -- checksums ------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("recid", "name", "text"),
    [
        (2, "README.txt", "adler32:062c0215"),
        (2, "empty.csv", "adler32:00000001"),
        (5, "bare.txt", f"adler32:{Content(b'bare').digest('adler32')}"),
        (4, "0002.root", "sha1:da39a3ee5e6b4b0d3255bfef95601890afd80709"),
    ],
)
def test_a_checksum_is_read_in_every_spelling(
    recid: int, name: str, text: str, harvest: Harvest
) -> None:
    """Without its zeros, without its name, of no bytes, and of another kind."""
    assert [text] == by_name(harvest(recid, "cod"))[name]["origin"]["checksum"]


@pytest.mark.parametrize("name", ["README.txt", "schéma général.pdf", "empty.csv"])
def test_adler32_is_compared(name: str, harvest: Harvest, sandbox: Sandbox) -> None:
    """A file with other bytes is no package, not even one without a byte."""
    path = f"{PLACE}/{name}"
    content = sandbox.app("cod").paths[path]
    sandbox.app("cod").paths[path] = Content(content.size, "other") if content.size else content
    if not content.size:
        sandbox.app("cod").records["2"]["files"][2]["checksum"] = "adler32:00000002"

    assert 9 == harvest(2, "cod")["exit_code"]


@pytest.mark.parametrize(
    ("name", "text"), [("typo.txt", "alder32:0123abcd"), ("odd.txt", "adler32:xyz")]
)
def test_a_checksum_of_no_kind_is_kept(name: str, text: str, harvest: Harvest) -> None:
    """As it is, with a warning."""
    result = harvest(5, "cod")

    assert text == by_name(result)[name]["origin"]["checksum_text"]
    assert any(name in one for one in result["warnings"])


def test_a_light_package_has_an_adler32_manifest(harvest: Harvest) -> None:
    """What the portal gives is what can be verified later."""
    result = harvest(2, "cod", dry_run=True)

    manifest = (Path(result["path"]) / "manifest-adler32.txt").read_text()
    assert "062c0215  data/content/README.txt" in manifest


# -- where files are ------------------------------------------------------------------------------


def test_a_light_package_gives_the_web_address(harvest: Harvest, sandbox: Sandbox) -> None:
    """With the blanks of the name encoded."""
    result = harvest(2, "cod", dry_run=True)

    base = sandbox.url("cod")
    fetch = (Path(result["path"]) / "fetch.txt").read_text()
    assert f"{base}{PLACE}/sch%C3%A9ma%20g%C3%A9n%C3%A9ral.pdf 7002 data/" in fetch


def test_the_alternate_address_is_that_of_xrootd(harvest: Harvest) -> None:
    """``-a``, with two slashes however many the record has."""
    result = harvest(5, "cod", dry_run=True, alternate_uri=True)

    fetch = (Path(result["path"]) / "fetch.txt").read_text()
    assert f"root://eospublic.cern.ch/{PLACE}/0001/AO2D.root 5 data/" in fetch
    assert f"root://eospublic.cern.ch/{PLACE}/0002/AO2D.root 6 data/" in fetch


def test_a_redirect_to_another_host_is_followed(harvest: Harvest, sandbox: Sandbox) -> None:
    """Without any credential."""
    result = harvest(7, "cod", token="good")

    assert "elsewhere.root" in payload(result)
    [there] = [one for one in sandbox.seen if one.host == "storage"]
    assert not {"authorization", "cookie"} & set(there.headers)


def test_a_mounted_eos_is_read_from_disk(
    harvest: Harvest, sandbox: Sandbox, config_file: Path, tmp_path: Path
) -> None:
    """As on LXPLUS; what is not there, or not the same, comes by HTTP."""
    place = tmp_path / "eos/opendata/cms/invented"
    place.mkdir(parents=True)
    (place / "README.txt").write_bytes(b"hello")
    (place / "empty.csv").write_bytes(b"not empty")
    text = config_file.read_text().replace("[cod]", f'[cod]\neos_mount = "{tmp_path}/eos"', 1)
    config_file.write_text(text)

    result = harvest(2, "cod")

    asked = [one.path for one in sandbox.seen]
    assert b"" == (Path(result["path"]) / "data/content/empty.csv").read_bytes()
    assert not any("README" in path for path in asked)
    assert any("empty.csv" in path for path in asked) and any("sch%C3" in path for path in asked)


@pytest.fixture
def xrdcp(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An ``xrdcp`` that reads below a folder; its address arrives decoded."""
    folder = tmp_path / "xrootd"
    folder.mkdir()
    program = folder / "xrdcp"
    program.write_text(
        '#!/bin/sh\necho "$*" >> ' + f"{folder}/asked\n"
        "for last; do address=$previous; previous=$last; done\n"
        f'exec cat "{folder}/${{address#root://eospublic.cern.ch/}}"\n'
    )
    program.chmod(0o755)
    monkeypatch.setenv("PATH", f"{folder}{os.pathsep}{os.environ['PATH']}")
    return folder


def test_xrdcp_is_the_second_way(harvest: Harvest, sandbox: Sandbox, xrdcp: Path) -> None:
    """Where the web does not have the file."""
    place = xrdcp / PLACE[1:]
    place.mkdir(parents=True)
    (place / "schéma général.pdf").write_bytes(b"%PDF-1.4\n" + b"schema\n" * 999)
    sandbox.fault("sch%C3%A9ma", Fault("status", status=404))

    result = harvest(2, "cod")

    entry = by_name(result)["schéma général.pdf"]
    assert "schéma général.pdf" in payload(result)
    assert entry["origin"]["served_by"].startswith("root://eospublic.cern.ch//eos/")
    assert f"root://eospublic.cern.ch/{PLACE}/schéma général.pdf -" in (xrdcp / "asked").read_text()


def test_xrdcp_is_compared_too(harvest: Harvest, sandbox: Sandbox, xrdcp: Path) -> None:
    """Its bytes are hashed as they come."""
    place = xrdcp / PLACE[1:]
    place.mkdir(parents=True)
    (place / "README.txt").write_bytes(b"jello")
    sandbox.fault("README", Fault("status", status=404))

    assert 9 == harvest(2, "cod")["exit_code"]


def test_what_neither_way_has_is_8(harvest: Harvest, sandbox: Sandbox, xrdcp: Path) -> None:
    """With the words of xrdcp."""
    sandbox.fault("README", Fault("status", status=404))

    result = harvest(2, "cod")

    assert 8 == result["exit_code"]
    assert "README.txt" in result["where"]


def test_a_page_in_place_of_a_file_is_refused(harvest: Harvest, sandbox: Sandbox) -> None:
    """An old error page comes with status 200."""
    sandbox.fault("README", Fault("html"))

    assert 8 == harvest(2, "cod")["exit_code"]


def test_a_cut_file_is_continued(harvest: Harvest, sandbox: Sandbox) -> None:
    """The front server is known to cut; the whole size counts."""
    sandbox.fault("sch%C3%A9ma", Fault("cut", after=3000), times=2)

    assert "schéma général.pdf" in payload(harvest(2, "cod"))


# -- which record ---------------------------------------------------------------------------------


def test_the_recid_may_be_a_number_or_text(harvest: Harvest) -> None:
    """The package has it as text."""
    assert "2" == sip_json(harvest("2", "cod"))["recid"]


def test_an_alias_gives_the_record(harvest: Harvest) -> None:
    """New portals know ``cms-1``; the package carries the record's own number."""
    assert "2" == harvest("cms-1", "cod")["recid"]


@pytest.mark.parametrize(
    ("doi", "recid"),
    [
        ("10.7483/OPENDATA.CMS.INVE.NTED", "2"),
        ("https://doi.org/10.7483/OPENDATA.CMS.HIDD.EN00", "12"),
    ],
)
def test_a_doi_is_looked_up(doi: str, recid: str, harvest: Harvest) -> None:
    """Also of a record on demand, which searches hide."""
    assert recid == harvest(None, None, url=doi)["recid"]


def test_an_unknown_doi_is_5(harvest: Harvest) -> None:
    """Told as such."""
    assert 5 == harvest("10.7483/OPENDATA.CMS.NOTH.ING0", "cod")["exit_code"]


@pytest.mark.parametrize(
    "tail",
    [
        "/record/2",
        "/record/2/",
        "/record/2/files/README.txt",
        "/record/2/export/json",
        "/api/records/2",
        "/record/cms-1",
    ],
)
def test_every_form_of_an_address_names_the_record(tail: str, harvest: Harvest) -> None:
    """As people copy it."""
    assert "2" == harvest(None, None, url=f"http://opendata.cern.ch{tail}")["recid"]


def test_a_deleted_record_is_5(harvest: Harvest) -> None:
    """410."""
    assert 5 == harvest(10, "cod")["exit_code"]


def test_the_limit_of_requests_is_waited_for(harvest: Harvest, sandbox: Sandbox) -> None:
    """429 with ``Retry-After``; beyond all retries it is 7."""
    sandbox.limit("cod", 0)

    assert 7 == harvest(2, "cod", retries=1)["exit_code"]


@pytest.mark.parametrize(
    "change",
    [
        {"files": "none"},
        {"files": [{"size": 1}]},
        {"files": [{"key": "x", "uri": 7}]},
        {"files": [{"key": "x", "uri": "root://h//x", "size": -1}]},
        {"files": [{"key": "x", "uri": "root://h//x", "size": "1"}]},
        {"_file_indices": {}, "files": [None]},
        {"_file_indices": [{"key": "x"}]},
    ],
)
def test_a_list_of_another_shape_is_4(
    change: dict[str, object], harvest: Harvest, sandbox: Sandbox
) -> None:
    """It is never read as a record without files."""
    sandbox.app("cod").put("77", {"title": "Changed", **change})

    assert 4 == harvest(77, "cod")["exit_code"]


def test_a_name_that_climbs_stays_inside(harvest: Harvest, sandbox: Sandbox) -> None:
    """Whatever directories a record invents."""
    app = sandbox.app("cod")
    climbing = app.file("/eos/opendata/../../../../tmp/evil", Content(b"evil"))
    app.put("78", {"title": "Climbing", "files": [climbing, app.file(f"{PLACE}/a", Content(b"a"))]})

    result = harvest(78, "cod", dry_run=True)

    assert all(
        one["bagpath"].startswith("data/") and "/../" not in one["bagpath"]
        for one in sip_json(result)["contentFiles"]
    )
