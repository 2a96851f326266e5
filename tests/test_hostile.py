"""What a server may send that no honest one would, and what a folder may do meanwhile."""

from __future__ import annotations

import json
import os
from importlib import import_module
from pathlib import Path
from typing import Any

import pytest
from packages import Harvest, by_name, everything, sip_json

from bagit_create.main import process
from bagit_create.sandbox import Fault, Sandbox
from bagit_create.transfer.copy import copy

RECID = "k3f9q-7xw21"


def listing(sandbox: Sandbox, **facts: Any) -> None:
    """Have InvenioRDM list one file, as told."""
    item = {"key": "a.txt", "links": {"content": f"{sandbox.storage_url}/public/a.txt"}, **facts}
    body = {"enabled": True, "entries": [item]}
    record = {"id": RECID, "access": {"status": "open"}, "files": {}, "metadata": {"title": "x"}}
    sandbox.fault(f"{RECID}$", Fault("not-json", body=json.dumps(record).encode()))
    sandbox.fault("/files$", Fault("not-json", body=json.dumps(body).encode()))


@pytest.mark.parametrize("light", [False, True])
@pytest.mark.parametrize("scheme", ["file://", "FILE://", "file:", " file://"])
def test_a_file_of_this_machine_is_never_packaged(
    scheme: str, light: bool, harvest: Harvest, sandbox: Sandbox, tmp_path: Path
) -> None:
    """An address from upstream may say so; only the user names files of their own."""
    secret = tmp_path / "secret"
    secret.write_text("c4n4ry")
    listing(sandbox, links={"content": f"{scheme}{secret}"})

    result = harvest(RECID, "cds-rdm", dry_run=light)

    kept = everything(tmp_path / "out")
    assert b"c4n4ry" not in kept
    assert not light or all(
        "file:" not in path.read_text().lower() for path in tmp_path.rglob("fetch.txt")
    )
    assert light or 0 != result["status"]


@pytest.mark.parametrize(
    "address",
    ["http://[::1", "http://127.0.0.1:99999/x", "http://127.0.0.1:abc/", "relative/x", "", "//x"],
)
@pytest.mark.parametrize("way", ["link", "redirect"])
def test_an_address_that_is_none_is_no_bug_of_ours(
    way: str, address: str, harvest: Harvest, sandbox: Sandbox
) -> None:
    """In a list, or where a redirect leads."""
    if way == "link":
        listing(sandbox, links={"content": address})
    else:
        sandbox.fault("report.pdf", Fault("redirect", location=address))

    assert harvest(RECID, "cds-rdm", retries=0)["exit_code"] in (4, 7, 8)


@pytest.mark.parametrize("size", [10**30, 1 << 63])
@pytest.mark.parametrize("light", [False, True])
def test_a_size_that_cannot_be_is_4(
    size: int, light: bool, harvest: Harvest, sandbox: Sandbox
) -> None:
    """Before any space is looked for."""
    listing(sandbox, size=size)

    assert 4 == harvest(RECID, "cds-rdm", dry_run=light)["exit_code"]


@pytest.mark.parametrize("checksum", ["md5:0000 md5:1111", f"md5:{'0' * 32},sha1:00", "md5:abc"])
def test_a_checksum_that_is_no_checksum_is_4(
    checksum: str, harvest: Harvest, sandbox: Sandbox
) -> None:
    """It is not taken for one of an unknown kind."""
    listing(sandbox, checksum=checksum)

    assert 4 == harvest(RECID, "cds-rdm")["exit_code"]


def test_a_checksum_of_another_kind_is_warned_of(harvest: Harvest, sandbox: Sandbox) -> None:
    """It cannot be compared, and the package says so."""
    sandbox.add_record("cds-rdm", "other-00001", {"a.txt": b"a"})
    sandbox.app("cds-rdm").records["other-00001"].files["a.txt"].checksum = "blake2b"

    result = harvest("other-00001", "cds-rdm")

    assert any("a.txt is of a kind that cannot be compared" in one for one in result["warnings"])


def test_the_error_has_the_name_in_the_readme(harvest: Harvest, sandbox: Sandbox) -> None:
    """Not one that only the code knows."""
    sandbox.fault("report.pdf", Fault("longer"))

    assert "TransferError" == harvest(RECID, "cds-rdm")["error"]


# -- a folder -------------------------------------------------------------------------------------


def local(source: Path, target: Path) -> dict[str, Any]:
    return process(source="local", source_path=source, author="Ada", target=target)


@pytest.mark.parametrize("change", ["appears", "vanishes"])
def test_a_folder_that_changes_meanwhile_is_8(
    change: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A file that came later would be lost with the source."""
    source = tmp_path / "source"
    (source / "inner").mkdir(parents=True)
    (source / "inner/a").write_text("a")
    (source / "inner/gone").symlink_to("nowhere")
    os.utime(source / "inner", ns=(1, 1))

    def meanwhile(*arguments: Any) -> Any:
        if change == "appears":
            (source / "inner/late").write_text("late")
        else:
            (source / "inner/gone").unlink(missing_ok=True)
        return copy(*arguments)

    monkeypatch.setattr(import_module("bagit_create.transfer.fetch"), "copy", meanwhile)

    result = local(source, tmp_path / "out")

    assert 8 == result["exit_code"]
    assert "in inner" == result["where"]
    assert not (tmp_path / "out").exists()


def test_a_name_in_latin_1_is_told_in_one_way(tmp_path: Path) -> None:
    """As text that every reader of JSON takes, with the bytes beside it."""
    source = tmp_path / "source"
    source.mkdir()
    Path(os.fsdecode(bytes(source) + b"/caf\xe9")).write_text("x")

    result = local(source, tmp_path / "out")

    json.dumps(result, ensure_ascii=False).encode("utf-8")
    json.dumps(sip_json(result), ensure_ascii=False).encode("utf-8")
    origin = by_name(result)["caf%E9".lower()]["origin"]
    assert ("caf%e9", "636166e9") == (origin["sourcePath"], origin["filename_bytes"])
    assert "caf%e9" == result["renamed"][0]["from"]


def test_a_placeholder_tells_which_folder_it_keeps(tmp_path: Path) -> None:
    """And that it is none of the source's files."""
    source = tmp_path / "source"
    (source / "deep/empty").mkdir(parents=True)
    (source / ".keep").write_text("the source's own")

    result = local(source, tmp_path / "out")

    kept = [
        one["origin"] for one in sip_json(result)["contentFiles"] if one["bagpath"].endswith("keep")
    ]
    assert {("", False), ("deep/empty", True)} == {(o["path"], "placeholder" in o) for o in kept}


# -- embargo --------------------------------------------------------------------------------------


@pytest.mark.parametrize("embargo", ["2030", "20300101", 2030, -1, "-1", 0])
def test_an_embargo_that_is_meant_as_a_date_is_2(embargo: str | int, harvest: Harvest) -> None:
    """As seconds it would be long over."""
    assert 2 == harvest(7000001, "zenodo", embargo=embargo)["exit_code"]


def test_an_embargo_that_is_over_is_warned_of(harvest: Harvest) -> None:
    """It may be meant."""
    result = harvest(7000001, "zenodo", embargo="2020-01-01")

    assert any("over already" in one for one in result["warnings"])
