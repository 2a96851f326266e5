"""CDS Videos (videos): masters, what was derived from them, and projects."""

from __future__ import annotations

from pathlib import Path

import pytest
from packages import Harvest, by_name, everything, payload

from bagit_create.sandbox import Fault, Sandbox


def test_a_video_has_its_master_and_what_was_derived(harvest: Harvest) -> None:
    """Derived files in a folder of their kind."""
    assert {
        "metadata.json",
        "Toy film final.mov",
        "subformat/1080p.mp4",
        "subformat/360p.mp4",
        "frame/frame-1.jpg",
        "frame-1.jpg",
        "TOY_fré.vtt",
    } == payload(harvest(3000001, "cds-videos"))


def test_a_key_in_two_lists_is_two_files(harvest: Harvest) -> None:
    """A frame and a poster of one name have other bytes."""
    content = Path(harvest(3000001, "cds-videos")["path"]) / "data/content"

    assert b"a poster" == (content / "frame-1.jpg").read_bytes()
    assert b"a frame" == (content / "frame/frame-1.jpg").read_bytes()


def test_a_file_that_was_never_made_is_named(harvest: Harvest) -> None:
    """It has neither size nor checksum."""
    result = harvest(3000001, "cds-videos")

    assert ["playlist/Toy film final.smil"] == [one["name"] for one in result["skipped"]]


def test_what_the_list_says_of_a_file_is_kept(harvest: Harvest) -> None:
    """Its role, its version and its tags."""
    origin = by_name(harvest(3000001, "cds-videos"))["1080p.mp4"]["origin"]

    assert ("subformat", {"width": "1920"}) == (origin["context_type"], origin["tags"])
    assert origin["url"].endswith(f"?versionId={origin['version_id']}")


@pytest.mark.parametrize(
    ("recid", "folders"), [(3000002, {"3000001", "3000004"}), (3000005, {"3000004"})]
)
def test_a_project_has_the_files_of_its_videos(
    recid: int, folders: set[str], harvest: Harvest
) -> None:
    """Referred to by another host's address, or embedded; each in a folder, with its metadata."""
    result = harvest(recid, "cds-videos")

    assert folders == {path.partition("/")[0] for path in payload(result)} - {"metadata.json"}
    for one in folders:
        assert (Path(result["path"]) / f"data/meta/video-{one}.json").is_file()


def test_a_restricted_video_of_a_project_is_named(harvest: Harvest, sandbox: Sandbox) -> None:
    """The others are packaged."""
    sandbox.fault("/api/record/3000004", Fault("status", status=403))

    result = harvest(3000002, "cds-videos")

    assert "video 3000004" in [one["name"] for one in result["skipped"]]
    assert "3000001/Toy film final.mov" in payload(result)


def test_a_video_of_a_project_that_is_gone_is_5(harvest: Harvest, sandbox: Sandbox) -> None:
    """A project without one of its videos is not the project."""
    sandbox.fault("/api/record/3000004", Fault("status", status=404))

    assert 5 == harvest(3000002, "cds-videos")["exit_code"]


def test_the_token_opens_a_video(harvest: Harvest, sandbox: Sandbox, tmp_path: Path) -> None:
    """And is found nowhere afterwards."""
    result = harvest(3000003, "cds-videos", token="good")

    assert "closed.mov" in payload(result)
    assert b"Bearer" not in everything(tmp_path / "out")
    assert {"cds-videos"} == {one.host for one in sandbox.seen}


def test_another_version_is_another_file(harvest: Harvest, sandbox: Sandbox) -> None:
    """The checksum tells, if a server forgets which version was asked for."""
    versions = sandbox.app("cds-videos").versions
    for name in list(versions):
        versions[name] = versions[name][0], type(versions[name][1])(b"other bytes")

    assert harvest(3000004, "cds-videos")["exit_code"] in (8, 9)


@pytest.mark.parametrize(
    "tail",
    [
        "/record/3000001",
        "/record/3000001/",
        "/record/3000001?x=1",
        "/api/record/3000001",
        "/legacy/record/2999900",
    ],
)
def test_every_form_of_an_address_names_the_record(tail: str, harvest: Harvest) -> None:
    """Old addresses of CDS too."""
    assert "3000001" == harvest(None, None, url=f"https://videos.cern.ch{tail}")["recid"]


def test_an_old_address_that_leads_nowhere_is_5(harvest: Harvest) -> None:
    """In the same words."""
    result = harvest(None, None, url="https://videos.cern.ch/legacy/record/7")

    assert 5 == result["exit_code"]


def test_a_deleted_video_is_5(harvest: Harvest) -> None:
    """410."""
    assert 5 == harvest(3000410, "cds-videos")["exit_code"]


@pytest.mark.parametrize(
    "change",
    [
        {"_files": "x"},
        {"_files": [{"key": 7, "size": 1}]},
        {"_files": [{"key": "a", "size": 1}]},
        {"_files": [{"key": "a", "size": -1, "links": {"self": "http://x/?versionId=1"}}]},
        {"videos": [7]},
    ],
)
def test_a_list_of_another_shape_is_4(
    change: dict[str, object], harvest: Harvest, sandbox: Sandbox
) -> None:
    """It is never read as a record without files."""
    sandbox.app("cds-videos").records["3000077"] = {"title": {"title": "x"}, **change}

    assert 4 == harvest(3000077, "cds-videos")["exit_code"]
