"""The old CDS and ILCDoc (invenio-v1): what 856 really means, and what a 200 may hide."""

from __future__ import annotations

import gzip
from pathlib import Path

import pytest
from packages import Harvest, by_name, everything, payload, sip_json

from bagit_create.errors import UpstreamError
from bagit_create.pipelines import marc
from bagit_create.sandbox import Fault, Sandbox
from bagit_create.sandbox.content import Content


def skipped(result: dict[str, object]) -> dict[str, str]:
    """Reasons by the name of what was left out."""
    found = result["skipped"]
    assert isinstance(found, list)
    return {one["name"]: one["reason"] for one in found}


# -- the plain case -------------------------------------------------------------------------------


def test_a_record_becomes_a_package(harvest: Harvest) -> None:
    """The MARCXML as it came, and the files of its 856 fields."""
    result = harvest(1002, "cds")

    assert {"metadata.xml", "thesis.pdf", "data.tar.gz"} == payload(result)


def test_ilcdoc_is_the_same_kind(harvest: Harvest) -> None:
    """Another server, the same answers."""
    assert {"metadata.xml", "thesis.pdf", "data.tar.gz"} == payload(harvest(1002, "ilcdoc"))


def test_the_md5_of_the_header_is_compared(harvest: Harvest, sandbox: Sandbox) -> None:
    """MARC has none, so ``Content-MD5`` is what upstream published of the file."""
    entry = by_name(harvest(1002, "cds"))["thesis.pdf"]

    md5 = sandbox.app("cds").records["1002"].files[("thesis.pdf", "")].digest("md5")
    assert [f"md5:{md5}"] == entry["origin"]["checksum"]


@pytest.mark.parametrize("length", [b"\xb2", b"-1", pytest.param(b"9" * 5000, id="5000 digits")])
def test_an_odd_length_is_as_none(length: bytes, harvest: Harvest, sandbox: Sandbox) -> None:
    """Of a file whose size MARC does not tell."""
    answer = b"HTTP/1.1 200 OK\r\nContent-Length: " + length + b"\r\n\r\n"
    sandbox.fault("/record/1001/files/", Fault("raw", speak=lambda _: answer))

    result = harvest(1001, "cds", dry_run=True)

    assert (0, None) == (result["status"], result["bytes"])


def test_a_file_that_differs_from_its_header_is_9(harvest: Harvest, sandbox: Sandbox) -> None:
    """Twice: then nobody can say what the file is."""
    sandbox.fault("thesis.pdf", Fault("wrong-bytes"))

    assert 9 == harvest(1002, "cds")["exit_code"]


def test_a_compressed_file_is_stored_as_published(harvest: Harvest) -> None:
    """``Content-Encoding: gzip`` of a .gz is the server's guess from the name."""
    result = harvest(1002, "cds")

    stored = (Path(result["path"]) / "data/content/data.tar.gz").read_bytes()
    assert gzip.decompress(stored).startswith(b"not a tar")


def test_a_light_package_asks_for_size_and_md5(harvest: Harvest, sandbox: Sandbox) -> None:
    """HEAD tells what MARC does not; the body is not fetched."""
    result = harvest(1002, "cds", dry_run=True)

    manifest = (Path(result["path"]) / "manifest-md5.txt").read_text()
    assert "data/content/thesis.pdf" in manifest and "data/content/data.tar.gz" in manifest
    assert {"HEAD"} == {one.method for one in sandbox.seen if "/files/" in one.path}


def test_the_title_and_the_names_go_into_dublin_core(harvest: Harvest) -> None:
    """Without the markup that MARC escapes."""
    result = harvest(1001, "cds")

    dc = (Path(result["path"]) / "data/meta/dc.xml").read_text()
    assert "Response of a toy detector at 7 TeV &amp; below" in dc
    assert "Example, Ada" in dc


# -- field 856 ------------------------------------------------------------------------------------


def test_every_856_is_a_file_or_is_named(harvest: Harvest) -> None:
    """Ten files, one of them without bytes and one on EOS, and five links; no third thing."""
    result = harvest(1001, "cds")

    assert 9 == result["files"]
    assert ["empty.txt"] == [one["name"] for one in result["missing"]]
    assert 6 == len(result["skipped"])


@pytest.mark.parametrize(
    "path",
    [
        "TOY THESIS 2024.pdf",
        "icon/TOY THESIS 2024.gif",
        "pdfa/TOY THESIS 2024.pdf",
        "résumé.txt",
        "raw.tar.gz",
        "scan_0042.tif",
        "ac_film.mp4",
    ],
)
def test_a_name_is_that_of_the_address_decoded(path: str, harvest: Harvest) -> None:
    """Derived copies stand in a folder of their subformat, since they share the name."""
    assert path in payload(harvest(1001, "cds"))


@pytest.mark.parametrize(
    "address",
    [
        "http://cds.cern.ch/record/1001",
        "http://cds.cern.ch/record/1002/files/thesis.pdf",
        "https://indico.example/event/99/",
        "https://example.org/mirror/raw.tar.gz",
        "https://[broken/record",
    ],
)
def test_a_link_is_not_a_file(address: str, harvest: Harvest) -> None:
    """Not to a page, to another record's file, to a mirror, nor to nowhere."""
    assert "link" in skipped(harvest(1001, "cds"))[address]


def test_a_published_name_is_asked_of_the_server_itself(harvest: Harvest, sandbox: Sandbox) -> None:
    """An old address says http, or a former host; the file is asked for where the record was."""
    record = sandbox.app("cds").records["1002"]
    record.fields[0][1][2] = ("u", "http://cds.cern.ch/record/1002/files/thesis.pdf")

    assert "thesis.pdf" in payload(harvest(1002, "cds"))


def test_a_digest_of_that_name_is_compared(harvest: Harvest, sandbox: Sandbox) -> None:
    """``$w`` of the same file name."""
    entry = by_name(harvest(1001, "cds"))["scan_0042.tif"]

    assert entry["origin"]["checksum"][0].startswith("md5:")


def test_a_digest_of_another_name_is_only_kept(harvest: Harvest) -> None:
    """It may be of the master, not of the copy that can be fetched."""
    origin = by_name(harvest(1001, "cds"))["ac_film.mp4"]["origin"]

    assert "film.mp4;0cc175b9c0f1b6a831c399e269772661" in origin["checksum_text"]


@pytest.mark.parametrize(
    ("address", "kind", "name"),
    [
        ("http://h/record/7/files/a%20b.pdf", "file", "a b.pdf"),
        ("HTTPS://h/record/7/files/a.pdf?version=2", "file", "a.pdf"),
        ("http://h/getfile.py?recid=7&name=a&format=.pdf", "file", "a.pdf"),
        ("http://h/getfile.py?recid=8&name=a&format=.pdf", "link", "a.pdf"),
        ("http://h/record/8/files/a.pdf", "link", "a.pdf"),
        ("http://h/record/7/files/", "link", "files"),
        ("http://h/record/7/files/../../8/files/a.pdf", "link", "a.pdf"),
        ("http://h@evil/record/7/files/a.pdf", "link", "a.pdf"),
        ("ftp://h/record/7/files/a.pdf", "path", "a.pdf"),
        ("javascript:alert(1)", "path", "javascript:alert(1)"),
    ],
)
def test_an_address_is_judged_by_host_and_path(address: str, kind: str, name: str) -> None:
    """Only a file of this very record, on its own server, is one."""
    field = marc.Field("856", "4 ", (("u", address),))

    [found] = marc.located(marc.MarcRecord("7", (field,)), lambda host: host == "h")

    assert (kind, name) == (found.kind, found.name)


def test_an_old_version_has_a_folder_of_its_own(harvest: Harvest, sandbox: Sandbox) -> None:
    """It shares the name of the current one."""
    record = sandbox.app("cds").records["1002"]
    record.files[("thesis.pdf", "1")] = Content(b"%PDF-1.4 first version")
    address = "@BASE@/record/1002/files/thesis.pdf?version=1"
    record.fields.append(("8564_", [("8", "3100001"), ("u", address)]))

    assert {"thesis.pdf", "version 1/thesis.pdf"} <= payload(harvest(1002, "cds"))


def test_what_a_field_says_of_a_file_is_kept(harvest: Harvest) -> None:
    """The document's number, both comments, and a size that is no number."""
    names = by_name(harvest(1001, "cds"))

    arxiv = names["arXiv:2402.99999.pdf"]["origin"]
    assert ("3100001", ["first note", "second note"]) == (arxiv["document"], arxiv["comment"])
    assert "1.2 MB" == names["raw.tar.gz"]["origin"]["size_text"]


def test_paths_on_disks_are_named(harvest: Harvest) -> None:
    """A share, a mount and an address without a host cannot be had."""
    left_out = skipped(harvest(1999, "cds"))

    assert {"TOY-1.mov", "999016", "999016_en.vtt"} == set(left_out)


def test_two_files_of_one_name_both_arrive(harvest: Harvest) -> None:
    """Posters of two films, both called poster.jpg."""
    result = harvest(1999, "cds")

    found = [path for path in payload(result) if path.startswith("poster")]
    assert 2 == len(found)


def test_a_path_on_eos_is_copied_where_eos_is_mounted(
    harvest: Harvest, config_file: Path, tmp_path: Path
) -> None:
    """As on LXPLUS."""
    place = tmp_path / "eos/media/cds/invented"
    place.mkdir(parents=True)
    (place / "scan_0043.tif").write_bytes(b"from eos")
    text = config_file.read_text().replace("[cds]", f'[cds]\neos_mount = "{tmp_path}/eos"', 1)
    config_file.write_text(text)

    result = harvest(1001, "cds")

    assert b"from eos" == (Path(result["path"]) / "data/content/scan_0043.tif").read_bytes()


def test_a_private_path_on_eos_is_not_read(
    harvest: Harvest, sandbox: Sandbox, config_file: Path, tmp_path: Path
) -> None:
    """Whoever packages a record may read more than the record should tell."""
    home = tmp_path / "eos/user/a/ada"
    home.mkdir(parents=True)
    (home / "diary.txt").write_bytes(b"c4n4ry")
    text = config_file.read_text().replace("[cds]", f'[cds]\neos_mount = "{tmp_path}/eos"', 1)
    config_file.write_text(text)
    address = "/eos/user/a/ada/diary.txt"
    sandbox.app("cds").records["1002"].fields.append(("8564_", [("d", address)]))

    result = harvest(1002, "cds")

    assert "diary.txt" in skipped(result)
    assert b"c4n4ry" not in everything(Path(result["path"]))


def test_a_path_on_eos_stands_in_fetch_txt(harvest: Harvest) -> None:
    """With two slashes, as XRootD wants it."""
    result = harvest(1001, "cds", dry_run=True)

    fetch = (Path(result["path"]) / "fetch.txt").read_text()
    assert "root://eosmedia.cern.ch//eos/media/cds/invented/scan_0043.tif - data/" in fetch


# -- what a 200 may hide --------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("recid", "code", "words"),
    [
        ("404404", 5, "no such record"),
        ("1410", 5, "deleted"),
        ("1411", 5, "merged"),
        ("1302", 5, "merged"),
        ("1303", 5, "merged"),
        ("1600", 5, "redirected"),
        ("1403", 6, "login"),
        ("1404", 6, "access denied"),
        ("2001", 4, "MARCXML"),
        ("2002", 4, "well-formed"),
        ("abc", 5, "no such record"),
    ],
)
def test_a_record_that_cannot_be_had_is_told_apart(
    recid: str, code: int, words: str, harvest: Harvest, tmp_path: Path
) -> None:
    """Each with its own exit code, and nothing left behind."""
    result = harvest(recid, "cds")

    assert code == result["exit_code"]
    assert words in result["errormsg"]
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize(("recid", "into"), [("1302", "1001"), ("1303", "1002"), ("1411", "1001")])
def test_a_merged_record_says_where_to(recid: str, into: str, harvest: Harvest) -> None:
    """However the server tells it."""
    assert f"--recid {into}" in harvest(recid, "cds")["hint"]


def test_a_moved_record_says_where_to(harvest: Harvest, sandbox: Sandbox) -> None:
    """The page of the new site is not packed as if it were the record."""
    assert f"{sandbox.storage_url}/legacy/record/1600" in harvest(1600, "cds")["hint"]


def test_a_login_page_with_status_200_is_refused(harvest: Harvest, sandbox: Sandbox) -> None:
    """It is told as what it is."""
    page = b"<html><form action='/youraccount/login'><input type=password></form></html>"
    sandbox.fault("/record/1002", Fault("html", body=page))

    result = harvest(1002, "cds")

    assert 6 == result["exit_code"]
    assert "BIC_TOKEN_CDS" in result["hint"]


def test_a_wall_against_robots_is_walked_round(harvest: Harvest) -> None:
    """OAI-PMH gives the same MARC; the package says so."""
    result = harvest(1700, "cds")

    assert "walled.pdf" in payload(result)
    assert any("OAI-PMH" in one for one in result["warnings"])


def test_without_oai_the_wall_is_4(harvest: Harvest) -> None:
    """ILCDoc has no known OAI identifiers."""
    assert 4 == harvest(1700, "ilcdoc")["exit_code"]


def test_one_of_several_records_is_taken_by_its_number(harvest: Harvest) -> None:
    """Not by its place in the answer."""
    result = harvest(1800, "cds")

    assert "1800" == sip_json(result)["recid"]
    assert {"metadata.xml", "second.txt"} == payload(result)


def test_an_answer_about_other_records_is_4(harvest: Harvest, sandbox: Sandbox) -> None:
    """It is not packed under the number that was asked for."""
    other = b'<?xml version="1.0"?><collection><record><controlfield tag="001">7</controlfield>'
    sandbox.fault("/record/1002", Fault("html", body=other + b"</record></collection>"))

    assert 4 == harvest(1002, "cds")["exit_code"]


def test_an_entity_reads_no_file(tmp_path: Path) -> None:
    """Nothing outside the document is loaded: it is refused for having a DTD at all."""
    secret = tmp_path / "secret"
    secret.write_text("canary")
    text = (
        f'<!DOCTYPE c [<!ENTITY x SYSTEM "file://{secret}">]><collection><record>'
        '<controlfield tag="001">1</controlfield><datafield tag="245"><subfield code="a">&x;'
        "</subfield></datafield></record></collection>"
    )

    with pytest.raises(UpstreamError) as caught:
        marc.records(text.encode(), "here")

    assert "canary" not in str(caught.value)


# -- access ---------------------------------------------------------------------------------------


@pytest.mark.parametrize("way", ["token", "invcookie"])
def test_the_cookie_opens_a_record_and_its_files(way: str, harvest: Harvest) -> None:
    """``--token`` and ``--invcookie`` are the same cookie."""
    assert {"metadata.xml", "closed.pdf"} == payload(harvest(1403, "cds", **{way: "good"}))


def test_the_cookie_goes_to_its_server_only(
    harvest: Harvest, sandbox: Sandbox, tmp_path: Path
) -> None:
    """Not to the object store, and into no package."""
    canary = "good; canary=c4n4ry"
    result = harvest(1001, "cds", token=canary)

    assert 0 == result["status"]
    assert all("c4n4ry" not in str(one.headers) for one in sandbox.seen if one.host != "cds")
    assert any("c4n4ry" in str(one.headers) for one in sandbox.seen)
    assert b"c4n4ry" not in everything(tmp_path / "out")


def test_a_cookie_file_works_too(harvest: Harvest, tmp_path: Path) -> None:
    """In the Netscape form, as CERN's tools write it."""
    jar = tmp_path / "cookies.txt"
    line = "127.0.0.1\tFALSE\t/\tFALSE\t0\tINVENIOSESSION\tgood\n"
    jar.write_text("# Netscape HTTP Cookie File\n" + line)
    jar.chmod(0o600)

    assert {"metadata.xml", "closed.pdf"} == payload(harvest(1403, "cds", cookies=jar))


def test_a_cookie_that_is_a_word_is_hidden_nowhere(harvest: Harvest, tmp_path: Path) -> None:
    """Browsers export those that tell a language, too: the log would lack it in every word."""
    jar = tmp_path / "cookies.txt"
    words = ("INVENIOSESSION\tgood", "ln\ten", "INVENIOSESSIONstub\tNO", "consent\t1")
    lines = [f"127.0.0.1\tFALSE\t/\tFALSE\t0\t{one}\n" for one in words]
    jar.write_text("".join(["# Netscape HTTP Cookie File\n", *lines]))
    jar.chmod(0o600)
    made = harvest(1403, "cds", cookies=jar)

    assert (
        "harvesting 1403 from cds" in (Path(made["path"]) / "data/meta/bagitcreate.log").read_text()
    )


def test_a_cookie_that_others_can_read_is_refused(harvest: Harvest, tmp_path: Path) -> None:
    """Before any request."""
    jar = tmp_path / "cookies.txt"
    jar.write_text("# Netscape HTTP Cookie File\n")
    jar.chmod(0o644)

    result = harvest(1403, "cds", cookies=jar)

    assert 3 == result["exit_code"]
    assert "chmod 600" in result["hint"]


@pytest.mark.parametrize("text", ["", "no cookies\n", "# Netscape HTTP Cookie File\n", "\0\xff"])
def test_a_cookie_file_of_another_form_is_3(text: str, harvest: Harvest, tmp_path: Path) -> None:
    """Without showing what is in it."""
    jar = tmp_path / "cookies.txt"
    jar.write_text(text)
    jar.chmod(0o600)

    assert 3 == harvest(1403, "cds", cookies=jar)["exit_code"]


# -- files that are withheld ----------------------------------------------------------------------


def test_a_file_that_is_refused_is_8(harvest: Harvest, tmp_path: Path) -> None:
    """The record is public, the file is not."""
    result = harvest(1900, "cds")

    assert 8 == result["exit_code"]
    assert "secret.pdf" in result["where"]
    assert not (tmp_path / "out").exists()


def test_allow_missing_names_what_is_refused(harvest: Harvest) -> None:
    """In the result, and in sip.json with the reason."""
    result = harvest(1900, "cds", allow_missing=True)

    entry = by_name(result)["secret.pdf"]
    assert {"metadata.xml", "open.txt"} == payload(result)
    assert ["secret.pdf"] == [one["name"] for one in result["missing"]]
    assert (False, "A file that upstream lists is refused.") == (
        entry["downloaded"],
        entry["origin"]["missing"],
    )


def test_allow_missing_accepts_no_damage(harvest: Harvest, sandbox: Sandbox) -> None:
    """A file that arrives with other bytes is a failure all the same."""
    sandbox.fault("open.txt", Fault("wrong-bytes"))

    assert 9 == harvest(1900, "cds", allow_missing=True)["exit_code"]


def test_a_file_that_is_gone_is_8(harvest: Harvest, sandbox: Sandbox) -> None:
    """404 for one of the files."""
    sandbox.fault("thesis.pdf", Fault("status", status=404))

    assert 8 == harvest(1002, "cds")["exit_code"]


# -- addresses ------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "tail",
    [
        "/record/1002",
        "/record/1002/",
        "/record/1002?ln=fr",
        "/record/1002/files/thesis.pdf",
        "/record/1002/export/xm",
        "/record/1002#top",
        "/search?ln=fr&recid=1002",
        "/getfile.py?recid=1002&name=thesis&format=.pdf",
    ],
)
def test_every_form_of_an_address_names_the_record(tail: str, harvest: Harvest) -> None:
    """As people copy it from a browser."""
    assert 0 == harvest(None, None, url=f"http://cds.cern.ch{tail}")["status"]
