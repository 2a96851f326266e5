"""What a server may send that no honest one would, and what a folder may do meanwhile."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from dataclasses import replace
from importlib import import_module
from pathlib import Path
from typing import Any

import pytest
from packages import Harvest, by_name, everything, sip_json

from bagit_create.main import process
from bagit_create.model import Document, Record
from bagit_create.pipelines.base import Begun
from bagit_create.pipelines.inveniordm import InvenioRDM
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


@pytest.mark.parametrize("name", ["../../../escaped.txt", "/escaped.txt", "a/../b", "a//b", ""])
def test_a_document_stands_where_it_says(
    name: str, harvest: Harvest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its name is used as it is, so one that leads elsewhere is refused for every source."""
    asked = InvenioRDM.harvest

    def harvested(self: InvenioRDM, begun: Begun) -> Record:
        return replace(asked(self, begun), documents=(Document(name, b"x"),))

    monkeypatch.setattr(InvenioRDM, "harvest", harvested)
    result = harvest(RECID, "cds-rdm")

    assert 4 == result["exit_code"]
    assert "the name of a document" in result["where"]
    assert not any(tmp_path.rglob("escaped.txt"))


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
    assert "something appeared or vanished in inner" == result["where"]
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


# -- what was found by attacking ------------------------------------------------------------------


@pytest.mark.parametrize("status", ["closed", "embargoed"])
def test_a_closed_record_that_shows_no_files_is_warned_of(
    status: str, harvest: Harvest, sandbox: Sandbox
) -> None:
    """It may have some."""
    record = {"id": RECID, "access": {"status": status}, "files": {}, "metadata": {"title": "x"}}
    sandbox.fault(f"{RECID}$", Fault("not-json", body=json.dumps(record).encode()))
    sandbox.fault("/files$", Fault("not-json", body=b'{"enabled": true, "entries": []}'))

    result = harvest(RECID, "cds-rdm")

    assert any("shows no files" in one for one in result["warnings"])


def test_a_list_without_a_file_that_the_record_names_is_4(
    harvest: Harvest, sandbox: Sandbox
) -> None:
    """Though the numbers agree."""
    item = {"key": "b.txt", "links": {"content": f"{sandbox.storage_url}/public/b"}}
    body = {"enabled": True, "entries": [item]}
    sandbox.add_record("cds-rdm", "named-00001", {"a.txt": b"a"})
    sandbox.fault("named-00001/files$", Fault("not-json", body=json.dumps(body).encode()))

    assert 4 == harvest("named-00001", "cds-rdm")["exit_code"]


@pytest.mark.parametrize("recid", [None, True, ["a"], {}])
def test_an_id_of_another_type_is_4(recid: Any, harvest: Harvest, sandbox: Sandbox) -> None:
    """It is not written down as ``None``."""
    record = {"id": recid, "access": {"status": "open"}, "files": {}, "metadata": {}}
    sandbox.fault(f"{RECID}$", Fault("not-json", body=json.dumps(record).encode()))

    assert 4 == harvest(RECID, "cds-rdm")["exit_code"]


@pytest.mark.parametrize("item", [{}, {"key": "a"}, {"key": "a", "links": {}}, {"links": 1}, 7])
def test_a_file_inside_an_old_record_of_another_shape_is_4(
    item: Any, harvest: Harvest, sandbox: Sandbox
) -> None:
    """Zenodo's list beside the record is missing then."""
    record = {"id": 7000001, "metadata": {"access_right": "open"}, "files": [item]}
    sandbox.fault("7000001$", Fault("not-json", body=json.dumps(record).encode()))
    sandbox.fault("/files$", Fault("status", status=404))

    assert 4 == harvest(7000001, "zenodo")["exit_code"]


def test_a_light_package_warns_of_what_it_cannot_list(harvest: Harvest) -> None:
    """BagIt 1.0 asks for a checksum that upstream does not give."""
    result = harvest("sums0-00008", "cds-rdm", dry_run=True, bagit_version="1.0")

    assert any(one.startswith("left out: bare.dat") for one in result["warnings"])


def test_a_light_package_was_not_verified(harvest: Harvest) -> None:
    """There is nothing to read back."""
    assert False is harvest(RECID, "cds-rdm", dry_run=True)["verified"]


def test_what_an_earlier_run_left_is_read_even_without_verifying(
    harvest: Harvest, sandbox: Sandbox, tmp_path: Path
) -> None:
    """Somebody may have touched it since: then it is fetched again."""
    sandbox.fault("report.pdf", Fault("cut", after=10))
    first = harvest(RECID, "cds-rdm", verify=False, retries=0)
    [kept] = (tmp_path / "out").rglob("hits#1.csv")
    kept.write_bytes(b"3,2,1")
    sandbox.clear()

    second = harvest(RECID, "cds-rdm", verify=False, retries=0)

    assert (8, 0) == (first["exit_code"], second["status"])
    [made] = Path(second["path"]).rglob("hits#1.csv")
    assert b"3,2,1" != made.read_bytes()


def test_a_journal_of_garbage_is_no_bug(harvest: Harvest, sandbox: Sandbox, tmp_path: Path) -> None:
    """Its good lines are used."""
    sandbox.fault("report.pdf", Fault("cut", after=10))
    harvest(RECID, "cds-rdm", retries=0)
    [journal] = (tmp_path / "out").rglob("done.jsonl")
    journal.write_bytes(b"\xff{[" + b"[" * 100_000 + b"\n" + journal.read_bytes())
    sandbox.clear()

    assert 0 == harvest(RECID, "cds-rdm")["status"]
    assert not any("hits" in one.path for one in sandbox.seen)


def test_a_staging_folder_that_is_a_link_is_10(harvest: Harvest, tmp_path: Path) -> None:
    """It would lead out of the target."""
    (tmp_path / "out").mkdir()
    (tmp_path / "elsewhere").mkdir()
    (tmp_path / "out/.bic-staging").symlink_to(tmp_path / "elsewhere")

    assert 10 == harvest(RECID, "cds-rdm")["exit_code"]
    assert [] == list((tmp_path / "elsewhere").iterdir())


def test_a_false_published_checksum_is_found_by_validating(harvest: Harvest) -> None:
    """sip.json says what the source published; it must be true of the file."""
    from bagit_create.validation import validate

    result = harvest(RECID, "cds-rdm")
    document = sip_json(result)
    for entry in document["contentFiles"]:
        if entry["origin"]["filename"] == "empty.txt":
            entry["origin"]["checksum"] = ["md5:" + "0" * 32]
    (Path(result["path"]) / "data/meta/sip.json").write_text(json.dumps(document))

    found = [one.id for one in validate(Path(result["path"])).findings]

    assert "C25" in found


@pytest.mark.parametrize(
    "options",
    [
        {"timeout": 1e300},
        {"timeout": float("nan")},
        {"max_wait": float("inf")},
        {"target": "a\0b"},
        {"workdir": "a\0b"},
        {"config": "a\0b"},
        {"algorithm": [5]},
        {"verify": "no"},
        {"dry_run": "false"},
    ],
)
def test_an_option_that_no_caller_can_mean_is_no_bug(options: Any, harvest: Harvest) -> None:
    """It is refused before any request."""
    assert harvest(RECID, "cds-rdm", **options)["exit_code"] in (2, 3)


@pytest.mark.parametrize(
    "table",
    [
        '[zz]\npipeline = "local"\n',
        '["a::b"]\npipeline = "inveniordm"\nbase_url = "https://x.example"\n',
        '["../z"]\npipeline = "inveniordm"\nbase_url = "https://x.example"\n',
        '[zz]\npipeline = "inveniordm"\nbase_url = "https://x.example:99999"\n',
        '[zz]\npipeline = "inveniordm"\nbase_url = "http://[::1"\n',
    ],
)
def test_a_source_of_ones_own_that_cannot_be_is_3(table: str, tmp_path: Path) -> None:
    """Its name becomes part of packages' names, its address that of requests."""
    config = tmp_path / "own.toml"
    config.write_text(table)

    assert 3 == process("1", "zz", target=tmp_path / "out", config=config)["exit_code"]


@pytest.mark.parametrize("closed", [">&-", "2>&-", ">&- 2>&- <&-"])
def test_a_closed_stream_is_no_bug(closed: str, config_file: Path, tmp_path: Path) -> None:
    """The package is made all the same."""
    command = f"{sys.executable} -m bagit_create --source zenodo --recid 7000001 -t {tmp_path}/out"
    done = subprocess.run(
        ["bash", "-c", f"{command} {closed}"],
        env={**os.environ, "BIC_CONFIG": str(config_file)},
        timeout=60,
        check=False,
    )

    assert 0 == done.returncode
    assert 1 == len(list((tmp_path / "out").glob("sip::*")))


@pytest.mark.parametrize("text", ["NaN", "Infinity", "-Infinity"])
def test_a_number_that_json_does_not_know_is_4(
    text: str, harvest: Harvest, sandbox: Sandbox
) -> None:
    """Python would read it, and nobody could read what was written of it."""
    body = f'{{"id": "{RECID}", "access": {{"status": "open"}}, "x": {text}}}'
    sandbox.fault(f"{RECID}$", Fault("not-json", body=body.encode()))

    assert 4 == harvest(RECID, "cds-rdm")["exit_code"]
