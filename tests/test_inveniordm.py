"""Zenodo and InvenioRDM, through ``process()`` and ``run()`` against the sandbox."""

from __future__ import annotations

import hashlib
import json
import os
import subprocess
import sys
import time
from email.utils import formatdate
from pathlib import Path

import bagit
import pytest
from packages import Harvest, by_name, sip_json

from bagit_create.answers import retry_after
from bagit_create.sandbox import Fault, Sandbox


def nothing_left(tmp_path: Path) -> bool:
    """No package and no rubbish."""
    return not (tmp_path / "out").exists()


def test_a_zenodo_record_becomes_a_package(harvest: Harvest) -> None:
    """Every file that Zenodo lists stands in the bag under its own name, slashes as folders."""
    result = harvest(7000001)

    names = by_name(result)
    content = Path(result["path"]) / "data/content"
    for key in ("data/run 1/hits#1.csv", "日本.zip", "empty.txt"):
        assert names[key]["downloaded"] is True
        assert (content / key).stat().st_size == names[key]["size"]


def test_the_metadata_is_the_servers_own_bytes(harvest: Harvest, sandbox: Sandbox) -> None:
    """metadata.json is stored as it came, so its bytes can be compared with upstream's."""
    import requests

    result = harvest(7000001)

    stored = (Path(result["path"]) / "data/content/metadata.json").read_bytes()
    served = requests.get(
        sandbox.url("zenodo") + "/api/records/7000001",
        headers={"Accept": "application/json"},
        timeout=60,
    )
    assert served.content == stored


def test_upstreams_checksum_is_compared_not_copied(harvest: Harvest) -> None:
    """The manifest's digest is that of the bytes on disk."""
    result = harvest(7000001)

    for line in (Path(result["path"]) / "manifest-md5.txt").read_text("utf-8").splitlines():
        digest, path = line.split("  ", 1)
        assert hashlib.md5((Path(result["path"]) / path).read_bytes()).hexdigest() == digest


@pytest.mark.parametrize(
    ("source", "recid"),
    [
        ("inveniordm", "k3f9q-7xw21"),
        ("cds-rdm", "k3f9q-7xw21"),
        ("cds-rdm-sandbox", "k3f9q-7xw21"),
    ],
)
def test_every_inveniordm_server_is_a_source(harvest: Harvest, source: str, recid: str) -> None:
    """A server is a few lines of TOML, and all of them work."""
    assert (source, recid) == (
        (result := sip_json(harvest(recid, source)))["source"],
        result["recid"],
    )


@pytest.mark.parametrize(
    "name", ["10.5281/zenodo.7000001", "https://doi.org/10.5281/zenodo.7000001"]
)
def test_a_doi_names_a_record(harvest: Harvest, name: str) -> None:
    """As ``--recid`` beside a source, and as ``--url``."""
    beside = harvest(name)
    alone = harvest(None, None, url=name)

    assert "7000001" == beside["recid"] == alone["recid"]


def test_a_doi_without_the_id_in_it_is_searched_for(harvest: Harvest, sandbox: Sandbox) -> None:
    """Older records carry DOIs that do not hold Zenodo's number."""
    foreign = "10.1234/toy.foreign"
    sandbox.add_record("zenodo", "7000777", {"a.txt": b"a"}, doi=foreign)

    assert "7000777" == harvest(foreign)["recid"]


def test_a_concept_id_leads_to_the_newest_version(harvest: Harvest) -> None:
    """The package carries the id of the version it holds, and the one that was asked for."""
    result = harvest(7000000)

    assert "7000001" == result["recid"]
    assert result["foldername"].startswith("sip::zenodo::7000001::")
    assert "7000000" == sip_json(result)["audit"][0]["tool"]["params"]["recid"]


def test_a_metadata_only_record_is_a_package_without_files(harvest: Harvest) -> None:
    """No files is a fact about the record, not a failure."""
    result = harvest("metad-only1", "inveniordm")

    assert (0, 0) == (result["status"], result["files"])


@pytest.mark.parametrize(
    ("source", "recid", "status"),
    [("zenodo", "7000002", "restricted"), ("zenodo", "7000005", "embargoed")],
)
def test_restricted_files_are_access_denied(
    harvest: Harvest, tmp_path: Path, source: str, recid: str, status: str
) -> None:
    """Exit 6, with the record's status in the message and a way to a credential."""
    result = harvest(recid, source)

    assert (1, 6) == (result["status"], result["exit_code"])
    assert result["errormsg"].startswith("HTTP 403: ")
    assert f"Record status: {status}" in result["errormsg"]
    assert "BIC_TOKEN_ZENODO" in result["hint"]
    assert nothing_left(tmp_path)


def test_a_token_opens_restricted_files(harvest: Harvest) -> None:
    """The token goes with the record, the list and every file."""
    result = harvest("7000002", token="good")

    assert (0, True) == (result["status"], result["files"] > 0)


def test_a_share_link_opens_restricted_files(harvest: Harvest, sandbox: Sandbox) -> None:
    """Its secret goes with every request, and stands in no file of the package."""
    url = sandbox.url("inveniordm") + "/records/close-00003?token=good"

    result = harvest(None, None, url=url)

    assert 0 == result["status"], result
    for path in Path(result["path"]).rglob("*"):
        if path.is_file():
            assert b"token=good" not in path.read_bytes()


def test_a_token_never_reaches_another_host(harvest: Harvest, sandbox: Sandbox) -> None:
    """Storage behind a redirect sees no credential, and the package holds none."""
    result = harvest("7000010", token="canary-4711")

    assert 0 == result["status"], result
    storage = [one for one in sandbox.seen if one.host == "storage"]
    assert storage
    assert not any("canary" in f"{one.path}{dict(one.headers)}" for one in storage)
    for path in Path(result["path"]).rglob("*"):
        if path.is_file():
            assert b"canary" not in path.read_bytes()


@pytest.mark.parametrize("fault", [None, Fault("reset"), Fault("status", status=500)], ids=str)
def test_a_secret_stands_in_no_output(
    sandbox: Sandbox, config_file: Path, tmp_path: Path, fault: Fault | None
) -> None:
    """Neither a token nor a share link's secret, in success or failure, however much is told."""
    if fault is not None:
        sandbox.fault(r"/content", fault)
    url = sandbox.url("zenodo") + "/records/7000001?token=canary-link"
    command = [sys.executable, "-m", "bagit_create", "-vv", "--url", url, "--retries", "1"]
    command += ["-t", str(tmp_path / "out"), "--config", str(config_file)]
    environment = {**os.environ, "BIC_TOKEN_ZENODO": "canary-token"}

    done = subprocess.run(command, capture_output=True, env=environment)

    assert (0 if fault is None else 7) == done.returncode
    assert b"canary" not in done.stdout + done.stderr
    for path in (tmp_path / "out").rglob("*"):
        assert path.is_dir() or b"canary" not in path.read_bytes()


@pytest.mark.parametrize(
    ("source", "recid", "text"),
    [
        ("zenodo", "99999999", "no such record"),
        ("zenodo", "7000007", "deleted. Reason: "),
        ("zenodo", "7000008", "no such record"),
        ("inveniordm", "gone0-00004", "deleted. Reason: "),
        ("inveniordm", "hiddn-00005", "no such record"),
    ],
)
def test_a_missing_record_is_exit_5(
    harvest: Harvest, tmp_path: Path, source: str, recid: str, text: str
) -> None:
    """Missing, hidden and deleted records; a tombstone's reason is passed on."""
    result = harvest(recid, source)

    assert (1, 5) == (result["status"], result["exit_code"])
    assert text in result["errormsg"]
    assert result["errormsg"].startswith(("HTTP 404: ", "HTTP 410: "))
    assert nothing_left(tmp_path)


def test_files_listed_only_inside_the_record_are_taken(harvest: Harvest) -> None:
    """Zenodo's answers of October 2023: ``filename``, ``filesize``, a bare checksum."""
    result = harvest("7000004")

    assert 0 == result["status"], result
    assert result["files"] > 0


def test_awkward_names_stay_inside_and_can_be_told_back(harvest: Harvest) -> None:
    """Whatever a key is, its file is in the bag once, and sip.json has the key to the letter."""
    result = harvest("7000009")

    entries = by_name(result)
    for key in ("../escape.txt", "100%25 sure.txt"):
        path = (Path(result["path"]) / entries[key]["bagpath"]).resolve()
        assert path.is_relative_to(Path(result["path"]) / "data/content")
    paths = [one["bagpath"] for one in entries.values()]
    assert len(paths) == len({path.casefold() for path in paths})


def test_every_request_names_the_program(harvest: Harvest, sandbox: Sandbox) -> None:
    """The default name of a library has been refused by Zenodo's firewall."""
    harvest(7000001)

    agents = {one.headers.get("user-agent", "") for one in sandbox.seen}
    assert 1 == len(agents)
    assert "bagit-create/" in agents.pop()


def test_auxiliary_media_files_are_named(harvest: Harvest, sandbox: Sandbox) -> None:
    """What a server derived from a record's files is left out, and said so."""
    sandbox.add_record("inveniordm", "media-00001", {"a.tif": b"tif"}, media=("a.ptif",))

    [skipped] = harvest("media-00001", "inveniordm")["skipped"]

    assert ("a.ptif", "auxiliary media file, derived by the server") == tuple(skipped.values())


def test_a_list_shorter_than_the_record_says_is_no_success(
    harvest: Harvest, sandbox: Sandbox
) -> None:
    """Files that a list lost would be missing from the package without a word."""
    sandbox.fault(LISTING, Fault("html", body=b'{"enabled": true, "entries": []}'))

    result = harvest(7000001)

    assert 4 == result["exit_code"]
    assert "the record counts 4 files" in result["where"]


def test_a_light_bag_fetches_no_file(harvest: Harvest, sandbox: Sandbox) -> None:
    """fetch.txt lists every file with its size; nothing of the payload was asked for."""
    result = harvest(7000001, dry_run=True)

    root = Path(result["path"])
    lines = (root / "fetch.txt").read_text("utf-8").splitlines()
    assert result["files"] == len(lines)
    assert all(line.split(" ", 2)[1].isdigit() for line in lines)
    assert not any(one.path.endswith("/content") for one in sandbox.seen)


def test_a_light_bag_without_files_has_an_empty_fetch_txt(harvest: Harvest) -> None:
    """CERN's validator looks for the file; there is nothing that it could list."""
    root = Path(harvest("7000006", dry_run=True)["path"])

    assert b"" == (root / "fetch.txt").read_bytes()
    assert bagit.Bag(str(root)).is_valid()


def test_a_light_bag_learns_by_head_what_the_list_lacks(harvest: Harvest, sandbox: Sandbox) -> None:
    """A remote file has neither size nor checksum in the list; a HEAD request may tell."""
    harvest(7000010, dry_run=True)

    assert any(one.method == "HEAD" for one in sandbox.seen)


def test_hash_missing_reads_a_file_once_and_keeps_the_digest(harvest: Harvest) -> None:
    """Every file of the light bag stands in a manifest then."""
    result = harvest(7000010, dry_run=True, hash_missing=True)

    assert [] == result["without_checksum"]
    assert not list((Path(result["path"]) / "data/content").glob("*.root"))


def test_bagit_1_0_promises_only_what_can_be_verified(harvest: Harvest, sandbox: Sandbox) -> None:
    """A file without a digest cannot stand in fetch.txt; it is left out and named."""
    from bagit_create.validation import validate

    nothing = harvest(7000010, dry_run=True, bagit_version="1.0")
    mixed = harvest("sums0-00008", "inveniordm", dry_run=True, bagit_version="1.0")
    all_md5 = harvest(7000001, dry_run=True, bagit_version="1.0")

    assert ["big.root"] == [one["name"] for one in nothing["skipped"]]
    assert "valid" == validate(Path(nothing["path"])).verdict
    assert {"tape.dat"} <= {one["name"] for one in mixed["skipped"]}
    assert "incomplete" == validate(Path(mixed["path"])).verdict
    assert ([], ["md5"]) == (all_md5["skipped"], all_md5["algorithms"])
    for path in (Path(one["path"]) for one in (mixed, all_md5)):
        listed = [
            {line.split("  ", 1)[1] for line in one.read_text("utf-8").splitlines()}
            for one in path.glob("manifest-*.txt")
        ]
        assert all(one == listed[0] for one in listed)


def test_a_date_in_retry_after_is_understood(harvest: Harvest, sandbox: Sandbox) -> None:
    """RFC 9110 allows seconds and dates."""
    past = "Wed, 21 Oct 2015 07:28:00 GMT"
    far = "Fri, 31 Dec 2100 23:59:59 GMT"
    sandbox.fault(RECORD, Fault("status", status=503, retry_after=past), times=1)
    soon = harvest(7000001)
    sandbox.fault(RECORD, Fault("status", status=503, retry_after=far))
    never = harvest(7000001)

    assert (0, 7) == (soon["status"], never["exit_code"])
    assert "2100-12-31" in never["hint"]


@pytest.mark.parametrize("zone", ["UTC", "America/New_York", "Asia/Tokyo"])
def test_a_date_in_retry_after_is_in_utc_wherever_the_reader_is(
    zone: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Also one of a server that forgets to say so."""
    monkeypatch.setenv("TZ", zone)
    time.tzset()
    try:
        soon = formatdate(time.time() + 600).removesuffix(" -0000")
        told = retry_after({"Retry-After": soon})
    finally:
        monkeypatch.undo()
        time.tzset()

    assert told is not None and 0 < told <= 600


def test_of_two_in_retry_after_the_longer_counts() -> None:
    """The server's, and that of a proxy before it (RFC 9110 section 5.3)."""
    assert 60 == retry_after({"Retry-After": "5, 60"})


@pytest.mark.parametrize(
    "text",
    [
        "\u00b2",
        "soon",
        "-1",
        pytest.param("9" * 5000, id="5000 digits"),
        "Fri, 31 Dec 99999999999 23:59:59 GMT",
    ],
)
def test_an_odd_retry_after_is_no_bug(text: str, harvest: Harvest, sandbox: Sandbox) -> None:
    """It is as none, or as a very long one."""
    sandbox.fault(RECORD, Fault("status", status=503, retry_after=text))

    assert 7 == harvest(7000001)["exit_code"]


def test_redirects_end_after_ten(harvest: Harvest, sandbox: Sandbox) -> None:
    """A server that sends us in circles is an unusable answer."""
    sandbox.fault(r"/7000001$", Fault("redirect", location="/api/records/7000001"))

    result = harvest(7000001)

    assert 4 == result["exit_code"]
    assert 11 == len(sandbox.seen)


def test_an_unusable_file_does_not_wait_for_the_others(harvest: Harvest, sandbox: Sandbox) -> None:
    """The first lasting failure ends the run; what has not begun is not asked for."""
    sandbox.fault(r"/file%20000\.dat/content", Fault("status", status=404))

    result = harvest(7000012, jobs=1)

    assert 8 == result["exit_code"]
    assert 100 > len([one for one in sandbox.seen if one.path.endswith("/content")])


def test_a_collection_an_embargo_and_a_comment_are_kept(harvest: Harvest) -> None:
    """In sip.json's usr-meta, the embargo as an integer."""
    result = harvest(7000001, collection="Toys", embargo="2027-01-01", comment="Für später")

    assert sip_json(result)["usr-meta"] == {
        "collection": "Toys",
        "embargo_timestamp": 1798761600,
        "comment": "Für später",
    }


CONTENT = r"/files/.*/content"
RECORD = r"/api/records/7000001($|\?)"
LISTING = r"/7000001/files($|\?)"


@pytest.mark.parametrize(
    ("pattern", "fault", "code"),
    [
        (RECORD, Fault("not-json"), 4),
        (RECORD, Fault("html"), 4),
        (RECORD, Fault("empty"), 4),
        (RECORD, Fault("json-shape"), 4),
        (RECORD, Fault("status", status=403), 6),
        (RECORD, Fault("status", status=500), 7),
        (RECORD, Fault("status", status=502), 7),
        (RECORD, Fault("status", status=418), 4),
        (RECORD, Fault("reset", after=20), 7),
        (RECORD, Fault("redirect", location="http://elsewhere.invalid/x"), 4),
        (RECORD, Fault("redirect", location="file:///etc/passwd"), 4),
        (LISTING, Fault("not-json"), 4),
        (LISTING, Fault("html"), 4),
        (LISTING, Fault("json-shape"), 4),
        (LISTING, Fault("status", status=403), 6),
        (LISTING, Fault("status", status=504), 7),
        (CONTENT, Fault("status", status=404), 8),
        (CONTENT, Fault("status", status=403), 8),
        (CONTENT, Fault("firewall"), 8),
        (CONTENT, Fault("html"), 9),
        (CONTENT, Fault("empty"), 8),
        (CONTENT, Fault("wrong-bytes"), 9),
        (CONTENT, Fault("longer"), 8),
        (CONTENT, Fault("cut", after=3), 8),
        (CONTENT, Fault("reset", after=3), 8),
        (CONTENT, Fault("endless"), 8),
        (CONTENT, Fault("status", status=503), 7),
    ],
    ids=str,
)
def test_a_lasting_fault_is_an_error_and_leaves_no_package(
    harvest: Harvest, sandbox: Sandbox, tmp_path: Path, pattern: str, fault: Fault, code: int
) -> None:
    """Each has its exit code, and nothing that looks like a package is in the target."""
    sandbox.add_record("zenodo", "7000001", {"a.bin": b"0123456789" * 100})
    sandbox.fault(pattern, fault)

    result = harvest(7000001, retries=1, timeout=60)

    # A page in place of a file is of the wrong size as a rule, of the wrong checksum otherwise.
    accepted = {code, 8} if fault.kind == "html" else {code}
    assert 1 == result["status"]
    assert result["exit_code"] in accepted, result
    assert nothing_left(tmp_path)
    json.dumps(result)


@pytest.mark.parametrize(
    ("pattern", "fault"),
    [
        (RECORD, Fault("status", status=503)),
        (RECORD, Fault("status", status=429, retry_after="0")),
        (RECORD, Fault("reset", after=0)),
        (RECORD, Fault("reset", after=50)),
        (LISTING, Fault("status", status=500)),
        (CONTENT, Fault("status", status=504)),
        (CONTENT, Fault("cut", after=3)),
        (CONTENT, Fault("reset", after=3)),
        (CONTENT, Fault("wrong-bytes")),
        (CONTENT, Fault("longer")),
        (CONTENT, Fault("gzip")),
        (CONTENT, Fault("slow-first-byte", seconds=0.2)),
    ],
    ids=str,
)
def test_a_passing_fault_is_survived(
    harvest: Harvest, sandbox: Sandbox, pattern: str, fault: Fault
) -> None:
    """What goes away by itself costs a second try, not the package."""
    sandbox.fault(pattern, fault, times=1)

    assert 0 == (result := harvest(7000001))["status"], result


def test_silence_is_given_up_and_tried_again(harvest: Harvest, sandbox: Sandbox) -> None:
    """A stalled connection ends after the time-out."""
    sandbox.fault(CONTENT, Fault("stall", after=2, seconds=3600), times=1)

    assert 0 == (result := harvest(7000001, timeout=2))["status"], result


def test_a_long_retry_after_is_not_waited_for(harvest: Harvest, sandbox: Sandbox) -> None:
    """Beyond --max-wait the run ends with exit 7 and says when to come back."""
    sandbox.fault(RECORD, Fault("status", status=429, retry_after="7200"))

    result = harvest(7000001, max_wait=60)

    assert 7 == result["exit_code"]
    assert result["errormsg"].startswith("HTTP 429: ")
    assert "after 20" in result["hint"]


def test_a_broken_download_goes_on_where_it_broke(harvest: Harvest, sandbox: Sandbox) -> None:
    """With an ETag the rest is asked for by range, and the digest is that of the whole."""
    sandbox.add_file("zenodo", "7000001", "big.bin", 3_000_000)
    sandbox.fault(r"/big\.bin/content", Fault("reset", after=1_500_000), times=1)

    result = harvest(7000001)

    assert 0 == result["status"], result
    asked = [one for one in sandbox.seen if one.path.endswith("/big.bin/content")]
    assert 2 == len(asked)


def test_finished_files_are_not_fetched_again(
    harvest: Harvest, sandbox: Sandbox, tmp_path: Path
) -> None:
    """After an overload the same command goes on; files with a checksum are not asked for twice."""
    sandbox.fault(r"/empty\.txt/content", Fault("status", status=503))
    first = harvest(7000001, jobs=1, retries=0)
    sandbox.clear()

    second = harvest(7000001)

    assert (7, 0) == (first["exit_code"], second["status"])
    assert 1 <= len([one for one in sandbox.seen if one.path.endswith("/content")]) < 4
    assert [second["foldername"]] == [one.name for one in (tmp_path / "out").iterdir()]


def test_upstreams_answer_may_be_too_deep(harvest: Harvest, sandbox: Sandbox) -> None:
    """JSON of depth 100,000 is an unusable answer, not a crash."""
    sandbox.fault(RECORD, Fault("html", body=b"[" * 100_000))

    assert 4 == harvest(7000001)["exit_code"]


@pytest.mark.parametrize("recid", ["../../evil", "a/b", "", "x" * 300, "a\nb", ".."])
def test_an_id_that_is_no_name_is_4(
    recid: str, harvest: Harvest, sandbox: Sandbox, tmp_path: Path
) -> None:
    """What upstream calls the record becomes part of a folder's name."""
    body = {"id": recid, "access": {"status": "open"}, "files": {"enabled": False}, "metadata": {}}
    sandbox.fault("k3f9q-7xw21$", Fault("not-json", body=json.dumps(body).encode()))
    sandbox.fault("/files$", Fault("not-json", body=b'{"enabled": false}'))

    assert 4 == harvest("k3f9q-7xw21", "cds-rdm")["exit_code"]
    assert [] == [path for path in tmp_path.rglob("*") if "evil" in path.name]
