"""The sandbox answers as Zenodo and InvenioRDM do, and fails on request. Sockets are real."""

from __future__ import annotations

import gzip
import hashlib
import http.client
import json
import threading
import time
import tomllib
import zlib
from typing import Any
from urllib.parse import urlsplit

import pytest
from gates import FOR_EVER_S, LONG_S, until

from bagit_create.sandbox import Fault, Sandbox
from bagit_create.sandbox.sandbox import SOURCES
from bagit_create.sandbox.storage import Storage

OPEN = "/api/records/7000001"
REPORT = f"{OPEN}/files/report.pdf/content"
DETECTOR = "/api/records/k3f9q-7xw21"
GOOD = {"Authorization": "Bearer good"}
RATE = ("x-ratelimit-limit", "x-ratelimit-remaining", "x-ratelimit-reset", "retry-after")


class Answer:
    """Status, headers by lower-case name, and body."""

    def __init__(self, response: http.client.HTTPResponse) -> None:
        self.status = response.status
        self.headers = {name.lower(): value for name, value in response.getheaders()}
        self.body = response.read()

    @property
    def json(self) -> Any:
        return json.loads(self.body)

    @property
    def message(self) -> Any:
        return self.json["message"]


def ask(
    base: str, path: str, headers: dict[str, str] | None = None, method: str = "GET", body: str = ""
) -> Answer:
    """Ask for exactly that path: nothing is folded, encoded, followed or added."""
    connection = http.client.HTTPConnection(base.removeprefix("http://"), timeout=LONG_S)
    try:
        connection.putrequest(method, path, skip_accept_encoding=True)
        for name, value in (headers or {}).items():
            connection.putheader(name, value)
        if body:
            connection.putheader("Content-Length", str(len(body)))
        connection.endheaders(body.encode() or None)
        return Answer(connection.getresponse())
    finally:
        connection.close()


@pytest.fixture
def zenodo(sandbox: Sandbox) -> Any:
    """Ask the miniature Zenodo."""
    return lambda path, headers=None, **more: ask(sandbox.url("zenodo"), path, headers, **more)


@pytest.fixture
def rdm(sandbox: Sandbox) -> Any:
    """Ask the miniature InvenioRDM."""
    return lambda path, headers=None, **more: ask(sandbox.url("inveniordm"), path, headers, **more)


def link(entry: Any) -> str:
    """The path of an entry's content, raw."""
    return str(urlsplit(entry["links"]["content"]).path)


# -- the servers ----------------------------------------------------------------------------------


def test_each_source_has_an_origin_of_its_own(sandbox: Sandbox) -> None:
    """The configuration names one base and one unique host for every source."""
    tables = tomllib.loads(sandbox.config_text())

    assert set(SOURCES) == set(tables)
    assert len(SOURCES) == len({table["hosts"][0] for table in tables.values()})
    assert all(table["base_url"] == f"http://{table['hosts'][0]}" for table in tables.values())


def test_every_request_is_kept_as_it_came(sandbox: Sandbox, zenodo: Any) -> None:
    """The target raw with its query, header names in lower case, the body."""
    zenodo("//api/%2e%2E/x?q=%20", {"X-Toy": "1"}, method="POST", body="hello")

    [one] = sandbox.seen
    assert ("zenodo", "POST", "//api/%2e%2E/x?q=%20") == (one.host, one.method, one.path)
    assert ("1", b"hello") == (one.headers["x-toy"], one.body)


def test_a_published_record_cannot_be_changed(zenodo: Any) -> None:
    """Other verbs are 405."""
    assert 405 == zenodo(REPORT, method="DELETE").status


def test_a_connection_is_kept_for_further_requests(sandbox: Sandbox) -> None:
    """HTTP/1.1 without Connection: close."""
    connection = http.client.HTTPConnection(sandbox.url("zenodo")[7:], timeout=LONG_S)
    for _ in range(3):
        connection.request("GET", OPEN)
        assert 200 == (response := connection.getresponse()).status
        response.read()
    connection.close()


def test_nothing_is_answered_after_the_end() -> None:
    """A connection that was idle is closed, not served for ever."""
    sandbox = Sandbox()
    sandbox.start()
    connection = http.client.HTTPConnection(sandbox.url("zenodo")[7:], timeout=LONG_S)
    connection.request("GET", OPEN)
    connection.getresponse().read()

    sandbox.stop()

    with pytest.raises((http.client.HTTPException, OSError)):
        connection.request("GET", OPEN)
        connection.getresponse()
    connection.close()


def test_the_end_does_not_wait_for_a_stall() -> None:
    """The stalled client is cut off, and no thread stays."""
    before = {*threading.enumerate()}
    sandbox = Sandbox()
    sandbox.start()
    sandbox.fault("/content", Fault("stall", after=5, seconds=FOR_EVER_S))
    connection = http.client.HTTPConnection(sandbox.url("zenodo")[7:], timeout=LONG_S)
    connection.request("GET", REPORT)
    response = connection.getresponse()
    assert b"%PDF-" == response.read(5)
    stopping = threading.Thread(target=sandbox.stop, daemon=True)
    stopping.start()
    stopping.join(LONG_S)

    assert not stopping.is_alive()
    until(lambda: not {*threading.enumerate()} - before, "the end of the last thread")
    connection.close()


# -- records --------------------------------------------------------------------------------------


def test_an_inveniordm_record_has_its_files_by_name(rdm: Any) -> None:
    """``entries`` of the record is an object."""
    files = rdm(DETECTOR).json["files"]

    assert (True, len(files["entries"])) == (files["enabled"], files["count"])
    assert "data/run 1/hits#1.csv" in files["entries"]


def test_the_list_of_files_is_a_list(rdm: Any, zenodo: Any) -> None:
    """``entries`` of ``/files`` is a list, on Zenodo too."""
    for answer in (rdm(f"{DETECTOR}/files"), zenodo(f"{OPEN}/files")):
        assert isinstance(answer.json["entries"], list)


def test_every_announced_size_and_checksum_is_true(rdm: Any) -> None:
    """md5, sha256 and adler32 are those of the bytes served."""
    for recid in ("k3f9q-7xw21", "sums0-00008", "awkwd-00009"):
        for entry in rdm(f"/api/records/{recid}/files").json["entries"]:
            body = rdm(link(entry)).body
            assert len(body) == entry["size"]
            algorithm, _, digest = entry.get("checksum", "").partition(":")
            if algorithm == "adler32":
                assert f"{zlib.adler32(body):08x}" == digest
            elif algorithm:
                assert hashlib.new(algorithm, body).hexdigest() == digest


def test_zenodos_own_shape_is_the_default_there(zenodo: Any) -> None:
    """An integer id, a list of files, and ``links.self`` is the content."""
    body = zenodo(OPEN).json

    assert (7000001, "7000000") == (body["id"], body["conceptrecid"])
    assert all(one["links"]["self"].endswith("/content") for one in body["files"])


def test_zenodo_gives_inveniordms_shape_on_request(zenodo: Any) -> None:
    """By ``Accept``."""
    body = zenodo(OPEN, {"Accept": "application/vnd.inveniordm.v1+json"}).json

    assert isinstance(body["files"]["entries"], dict)


@pytest.mark.parametrize("accept", ["text/html", "application/x-nonsense"])
def test_an_unknown_type_is_406_for_record_and_content(rdm: Any, accept: str) -> None:
    """The message lists what there is."""
    for path in (DETECTOR, f"{DETECTOR}/files/report.pdf/content"):
        answer = rdm(path, {"Accept": accept})
        assert 406 == answer.status
        assert answer.message.startswith("Invalid 'Accept' header. Expected one of: application/")


def test_zenodos_type_is_unknown_elsewhere(rdm: Any) -> None:
    """``application/vnd.zenodo.v1+json`` is 406 on a plain InvenioRDM."""
    assert 406 == rdm(DETECTOR, {"Accept": "application/vnd.zenodo.v1+json"}).status


@pytest.mark.parametrize(
    ("source", "recid", "status", "message"),
    [
        ("zenodo", "99999999", 404, "The persistent identifier does not exist."),
        ("zenodo", "7000007", 410, "Record deleted"),
        ("zenodo", "7000008", 404, "Record not found"),
        ("inveniordm", "K3F9Q-7XW21", 404, "The persistent identifier does not exist."),
        ("inveniordm", "gone0-00004", 410, "Record deleted"),
        ("inveniordm", "hiddn-00005", 404, "Record not found"),
        ("inveniordm", "draft-00007", 404, "The persistent identifier is not registered."),
        ("inveniordm", "priva-00006", 403, "Permission denied."),
    ],
)
def test_a_record_that_is_not_there(
    sandbox: Sandbox, source: str, recid: str, status: int, message: str
) -> None:
    """The same answer for the record, its list of files and a content."""
    for below in ("", "/files", "/files/a.txt/content"):
        answer = ask(sandbox.url(source), f"/api/records/{recid}{below}")
        assert (status, message) == (answer.status, answer.message)
        assert status == answer.json["status"]


def test_a_tombstone_says_why(rdm: Any) -> None:
    """All its fields are there."""
    assert {
        "note",
        "removed_by",
        "removal_date",
        "citation_text",
        "is_visible",
        "removal_reason",
    } == set(rdm("/api/records/gone0-00004").json["tombstone"])


def test_an_owner_sees_the_draft(rdm: Any) -> None:
    """Under ``/draft``; the published address stays 404, and a guest is refused."""
    path = "/api/records/draft-00007"

    assert (404, 200, 403) == (
        rdm(path, GOOD).status,
        rdm(f"{path}/draft", GOOD).status,
        rdm(f"{path}/draft").status,
    )
    assert rdm(f"{path}/draft/files", GOOD).json["enabled"] is True


def test_an_unknown_address_is_not_counted(rdm: Any) -> None:
    """404 without the four rate headers."""
    answer = rdm("/api/nothing")

    assert 404 == answer.status
    assert not set(RATE) & set(answer.headers)


# -- versions -------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("source", "parent", "newest"),
    [("zenodo", "7000000", "7000001"), ("inveniordm", "parnt-00001", "k3f9q-7xw21")],
)
def test_the_id_of_all_versions(sandbox: Sandbox, source: str, parent: str, newest: str) -> None:
    """302 with a relative address for the record, 404 for its files."""
    base = sandbox.url(source)
    answer, files = (ask(base, f"/api/records/{parent}{below}") for below in ("", "/files"))

    assert (302, f"/api/records/{newest}") == (answer.status, answer.headers["location"])
    assert (404, "Not found.") == (files.status, files.message)
    assert f"/records/{newest}" == ask(base, f"/records/{parent}").headers["location"]


def test_latest_is_301_with_json(rdm: Any) -> None:
    """The body repeats the address."""
    answer = rdm(f"{DETECTOR}/versions/latest")

    assert 301 == answer.status
    assert answer.headers["location"] == answer.json["location"]


def test_versions_are_a_search_result(zenodo: Any) -> None:
    """All records under one parent."""
    hits = zenodo(f"{OPEN}/versions").json["hits"]

    assert (1, 7000001) == (hits["total"], hits["hits"][0]["id"])


# -- access ---------------------------------------------------------------------------------------


def test_restricted_files_leave_the_record_readable(rdm: Any) -> None:
    """``files`` holds ``enabled`` only; the list and the content are 403."""
    path = "/api/records/close-00003"
    record = rdm(path)

    assert ({"enabled": True}, "restricted") == (
        record.json["files"],
        record.json["access"]["status"],
    )
    for below in ("/files", "/files/report.pdf", "/files/report.pdf/content"):
        answer = rdm(path + below)
        assert (403, "Permission denied.") == (answer.status, answer.message)


@pytest.mark.parametrize(
    ("query", "headers"),
    [("", GOOD), ("?token=good", {}), ("?access_token=good", {})],
    ids=["token", "share link", "token in the query"],
)
def test_a_credential_opens_restricted_files(rdm: Any, query: str, headers: Any) -> None:
    """A token, a share link; for the list and for the content."""
    path = "/api/records/close-00003/files"

    assert 200 == rdm(path + query, headers).status
    assert 200 == rdm(f"{path}/report.pdf/content{query}", headers).status


@pytest.mark.parametrize(
    "token", ["Bearer wrong", "Token good", "Bearer ", "Bearer None", "Basic x"]
)
def test_a_wrong_credential_makes_a_guest(rdm: Any, token: str) -> None:
    """There is no 401: 200 for what is public, 403 for the rest."""
    headers = {"Authorization": token}

    assert 200 == rdm(DETECTOR, headers).status
    assert 403 == rdm("/api/records/close-00003/files", headers).status


def test_only_a_credential_opens_anything(rdm: Any) -> None:
    """The right word in another parameter does not."""
    assert 403 == rdm("/api/records/close-00003/files?q=good&download=good").status


def test_a_user_is_named_in_the_answer(rdm: Any) -> None:
    """``X-User-ID`` with a token, and without one not."""
    assert "x-user-id" in rdm(DETECTOR, GOOD).headers
    assert "x-user-id" not in rdm(DETECTOR).headers
    assert "x-user-id" not in rdm(f"{DETECTOR}?token=good").headers


@pytest.mark.parametrize(("recid", "right"), [("7000002", "restricted"), ("7000005", "embargoed")])
def test_zenodo_shows_an_empty_list_to_a_stranger(zenodo: Any, recid: str, right: str) -> None:
    """``files: []`` with the right beside it; the list is 403, and the token opens both."""
    path = f"/api/records/{recid}"
    body = zenodo(path).json

    assert ([], right) == (body["files"], body["metadata"]["access_right"])
    assert ("embargo_date" in body["metadata"]) is (right == "embargoed")
    assert 403 == zenodo(f"{path}/files").status
    assert zenodo(path, GOOD).json["files"]
    assert 200 == zenodo(f"{path}/files", GOOD).status


def test_an_embargo_has_an_end(rdm: Any) -> None:
    """The record says until when."""
    access = rdm("/api/records/embar-00002").json["access"]

    assert ("embargoed", True) == (access["status"], access["embargo"]["active"])
    assert access["embargo"]["until"]


def test_metadata_only_has_no_entries_at_all(rdm: Any, zenodo: Any) -> None:
    """``enabled`` is false, the key ``entries`` is missing, and a content is 403."""
    for answer in (rdm("/api/records/metad-only1/files"), zenodo("/api/records/7000006/files")):
        assert (200, False) == (answer.status, answer.json["enabled"])
        assert "entries" not in answer.json
    content = rdm("/api/records/metad-only1/files/x.txt/content")
    assert (403, "Files are not enabled.") == (content.status, content.message)


# -- Zenodo's past --------------------------------------------------------------------------------


def test_the_oldest_shape_has_no_list(zenodo: Any) -> None:
    """The key ``files`` is missing."""
    assert "files" not in zenodo("/api/records/7000003").json


def test_the_shape_of_october_2023(zenodo: Any) -> None:
    """``filename``, ``filesize``, a bare checksum; ``self`` is not the content; no list beside."""
    [one, *_] = zenodo("/api/records/7000004").json["files"]

    assert {"filename", "filesize"} < set(one)
    assert 32 == len(one["checksum"])
    assert not one["links"]["self"].endswith("/content")
    assert 404 == zenodo("/api/records/7000004/files").status


def test_old_addresses_move_for_good(zenodo: Any, rdm: Any) -> None:
    """``/record/N`` is 301 on Zenodo, and 404 where there never was such a page."""
    answer = zenodo("/record/7000001")

    assert 301 == answer.status
    assert answer.headers["location"].endswith("/records/7000001")
    assert 404 == rdm("/record/k3f9q-7xw21").status


@pytest.mark.parametrize("query", ["", "?download=1"])
def test_the_web_address_of_a_file_gives_its_bytes(zenodo: Any, query: str) -> None:
    """As the API does, whatever ``Accept`` says."""
    web = zenodo(f"/records/7000001/files/report.pdf{query}", {"Accept": "text/html"})

    assert zenodo(REPORT).body == web.body


def test_a_foreign_doi_does_not_hold_the_id(zenodo: Any) -> None:
    """The record is found by searching for it."""
    [hit] = zenodo('/api/records?q=doi:"10.1234/toy.7"'.replace('"', "%22")).json["hits"]["hits"]

    assert "7000015" == hit["recid"]


# -- files ----------------------------------------------------------------------------------------


def test_every_link_leads_to_its_file(zenodo: Any) -> None:
    """Awkward names: each listed address, asked for as it stands, gives its own bytes."""
    entries = zenodo("/api/records/7000009/files").json["entries"]

    assert len(entries) == len({one["key"] for one in entries}) > 15
    for one in entries:
        answer = zenodo(link(one))
        assert (200, one["size"]) == (answer.status, len(answer.body)), one["key"]


def test_a_folded_address_is_another_one(zenodo: Any) -> None:
    """``files/../escape.txt`` is 200 as it stands, and 404 once ``..`` is resolved."""
    path = "/api/records/7000009"

    assert 200 == zenodo(f"{path}/files/../escape.txt/content").status
    assert 404 == zenodo(f"{path}/escape.txt/content").status


def test_an_encoded_slash_works_too(zenodo: Any) -> None:
    """``%2F`` in a key is its slash."""
    assert 200 == zenodo(f"{OPEN}/files/data%2Frun%201%2Fhits%231.csv/content").status


def test_an_entry_can_be_asked_for_alone(zenodo: Any) -> None:
    """``/files/KEY`` is the same entry as in the list."""
    for one in zenodo(f"{OPEN}/files").json["entries"]:
        assert one == zenodo(link(one).removesuffix("/content")).json


@pytest.mark.parametrize("key", ["nothing.txt", "nothing.txt/content", "report.pdf/content/"])
def test_an_unknown_key_is_named(zenodo: Any, key: str) -> None:
    """Also before the permission is looked at."""
    for recid in ("7000001", "7000002"):
        answer = zenodo(f"/api/records/{recid}/files/{key}")
        assert 404 == answer.status
        assert answer.message.startswith(f"Record '{recid}' has no file '")


def test_a_content_tells_its_checksum(zenodo: Any) -> None:
    """Content-MD5 and ETag, by HEAD as by GET; a known ETag is 304."""
    got, head = zenodo(REPORT), zenodo(REPORT, method="HEAD")
    md5 = hashlib.md5(got.body).hexdigest()

    assert (md5, f'"md5:{md5}"') == (got.headers["content-md5"], got.headers["etag"])
    assert (str(len(got.body)), b"") == (head.headers["content-length"], head.body)
    assert md5 == head.headers["content-md5"]
    known = zenodo(REPORT, {"If-None-Match": f'"md5:{md5}"'})
    assert (304, b"") == (known.status, known.body)


@pytest.mark.parametrize(
    ("asked", "start", "stop"),
    [("bytes=10-", 10, 900_000), ("bytes=0-2", 0, 3), ("bytes=-7", 899_993, 900_000)],
)
def test_a_range_is_honoured_by_one_file(zenodo: Any, asked: str, start: int, stop: int) -> None:
    """206 with Content-Range, and no ETag."""
    path = "/api/records/7000011/files/with.bin/content"
    part = zenodo(path, {"Range": asked})

    assert 206 == part.status
    assert f"bytes {start}-{stop - 1}/900000" == part.headers["content-range"]
    assert zenodo(path).body[start:stop] == part.body
    assert "etag" not in part.headers


def test_a_range_beyond_the_end_is_416(zenodo: Any) -> None:
    """With the length in Content-Range."""
    answer = zenodo("/api/records/7000011/files/with.bin/content", {"Range": "bytes=900000-"})

    assert (416, "bytes */900000") == (answer.status, answer.headers["content-range"])


def test_a_range_is_ignored_by_another(zenodo: Any) -> None:
    """200 and the whole."""
    answer = zenodo("/api/records/7000011/files/without.bin/content", {"Range": "bytes=10-"})

    assert (200, 900_000) == (answer.status, len(answer.body))


def test_a_pending_file_has_neither_size_nor_bytes(zenodo: Any) -> None:
    """It is listed, and its content is 404."""
    entries = zenodo("/api/records/7000014/files").json["entries"]
    [pending] = [one for one in entries if one["status"] == "pending"]

    assert not {"size", "checksum"} & set(pending)
    assert 404 == zenodo(link(pending)).status


def test_a_hundred_files_come_in_one_list(zenodo: Any) -> None:
    """There is no paging of files."""
    assert 100 == len(zenodo("/api/records/7000012/files").json["entries"])


def test_a_generated_file_is_the_same_each_time(sandbox: Sandbox, zenodo: Any) -> None:
    """Its md5 is that of the bytes, which are sent in blocks."""
    sandbox.add_file("zenodo", "7000001", "big.bin", 5_000_001)
    entries = zenodo(f"{OPEN}/files").json["entries"]
    [big] = [one for one in entries if one["key"] == "big.bin"]

    body = zenodo(link(big)).body
    assert 5_000_001 == len(body) == big["size"]
    assert f"md5:{hashlib.md5(body).hexdigest()}" == big["checksum"]


def test_a_record_can_be_added(sandbox: Sandbox, zenodo: Any) -> None:
    """And is found by its DOI."""
    sandbox.add_record("zenodo", "5", {"a.txt": b"a", "b.bin": 7}, title="New")

    body = zenodo("/api/records/5").json
    assert ("New", "10.5281/zenodo.5", 2) == (body["title"], body["doi"], len(body["files"]))


# -- storage --------------------------------------------------------------------------------------


def test_a_remote_file_is_a_redirect(sandbox: Sandbox, zenodo: Any) -> None:
    """No size, no checksum, type R; 302 to another origin, where the bytes are."""
    [entry] = zenodo("/api/records/7000010/files").json["entries"]
    answer = zenodo(link(entry))

    assert "R" == entry["transfer"]["type"]
    assert not {"size", "checksum"} & set(entry)
    assert 302 == answer.status
    where = answer.headers["location"]
    assert where.startswith(sandbox.storage_url + "/")
    signed = where.removeprefix(sandbox.storage_url)
    assert 70_000 == len(ask(sandbox.storage_url, signed).body)
    refused = ask(sandbox.storage_url, signed, GOOD)
    assert 400 == refused.status
    assert b"<Code>InvalidArgument</Code>" in refused.body
    assert 206 == ask(sandbox.storage_url, signed, {"Range": "bytes=9-"}).status


def test_a_signed_address_does_not_last(
    sandbox: Sandbox, zenodo: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """403 once it is over: the record's address must be asked again."""
    monkeypatch.setattr(Storage, "LIFE_S", -1)
    where = zenodo("/api/records/7000010/files/big.root/content").headers["location"]

    answer = ask(sandbox.storage_url, where.removeprefix(sandbox.storage_url))

    assert 403 == answer.status
    assert b"<Code>AccessDenied</Code>" in answer.body


def test_two_signatures_are_never_the_same() -> None:
    """Also when many threads ask at once."""
    from bagit_create.sandbox.content import Content

    storage = Storage()
    signed: list[str] = []
    threads = [
        threading.Thread(
            target=lambda: signed.extend(storage.sign(Content(b"x")) for _ in range(200))
        )
        for _ in range(8)
    ]
    for one in threads:
        one.start()
    for one in threads:
        one.join()

    assert 1600 == len(set(signed))


# -- limits, search, OAI --------------------------------------------------------------------------


@pytest.mark.parametrize("path", [OPEN, f"{OPEN}/files", REPORT, "/api/records/1", "/oai2d"])
def test_the_rate_is_announced_on_every_answer(zenodo: Any, path: str) -> None:
    """Four headers, ``Retry-After`` among them though nothing failed; Reset is a point in time."""
    before = time.time()
    headers = zenodo(path).headers

    assert set(RATE) <= set(headers)
    assert before <= int(headers["x-ratelimit-reset"]) <= time.time() + 61


def test_too_many_requests_are_429(sandbox: Sandbox, zenodo: Any) -> None:
    """After the allowed number, files too, with ``Retry-After: 1``."""
    sandbox.limit("zenodo", 2)

    assert [200, 200, 429, 429] == [zenodo(path).status for path in (OPEN, REPORT, OPEN, REPORT)]
    assert "1" == zenodo(OPEN).headers["retry-after"]
    sandbox.limit("zenodo", None)
    assert 200 == zenodo(OPEN).status


@pytest.mark.parametrize(
    ("source", "query", "recid"),
    [
        ("zenodo", 'doi:"10.5281/zenodo.7000001"', "7000001"),
        ("zenodo", 'conceptdoi:"10.5281/zenodo.7000000"', "7000001"),
        ("inveniordm", 'pids.doi.identifier:"10.17181/k3f9q-7xw21"', "k3f9q-7xw21"),
    ],
)
def test_a_record_is_found_by_its_doi(
    sandbox: Sandbox, source: str, query: str, recid: str
) -> None:
    """The fields of both shapes are understood."""
    asked = query.replace('"', "%22")
    hits = ask(sandbox.url(source), f"/api/records?q={asked}").json["hits"]

    assert [recid] == [str(one["id"]) for one in hits["hits"]]


@pytest.mark.parametrize(
    ("query", "headers", "status"),
    [
        ("size=25", {}, 200),
        ("size=26", {}, 400),
        ("size=100", GOOD, 200),
        ("size=101", GOOD, 400),
        ("size=abc", {}, 400),
        ("size=-1", {}, 400),
        ("page=0", {}, 400),
    ],
)
def test_zenodo_limits_a_page(zenodo: Any, query: str, headers: Any, status: int) -> None:
    """25 hits for a guest, 100 for a user."""
    assert status == zenodo(f"/api/records?{query}", headers).status


def test_the_window_of_a_search_ends_at_10000(sandbox: Sandbox, zenodo: Any) -> None:
    """The last page offers a next one, which is refused."""
    for number in range(10_001):
        sandbox.add_record("zenodo", str(8_000_000 + number), {})
    last = zenodo("/api/records?q=&size=25&page=400")

    assert (200, 25) == (last.status, len(last.json["hits"]["hits"]))
    refused = zenodo(last.json["links"]["next"].removeprefix(sandbox.url("zenodo")))
    assert (400, "Invalid querystring parameters.") == (refused.status, refused.message)


def test_a_search_hides_what_a_stranger_may_not_see(rdm: Any) -> None:
    """Deleted records, drafts, and restricted ones unless the token shows them."""

    def ids(headers: dict[str, str]) -> set[str]:
        hits = rdm("/api/records", headers).json["hits"]["hits"]
        return {str(one["id"]) for one in hits}

    assert not ids({}) & {"gone0-00004", "hiddn-00005", "draft-00007", "priva-00006"}
    assert {"priva-00006"} == ids(GOOD) - ids({})


def test_oai_errors_are_422(rdm: Any) -> None:
    """With the usual XML."""
    answer = rdm("/oai2d?verb=Nonsense")

    assert 422 == answer.status
    assert b'code="badVerb"' in answer.body


# -- faults ---------------------------------------------------------------------------------------


def test_a_fault_hits_so_many_requests(sandbox: Sandbox, zenodo: Any) -> None:
    """Those that match, the first ``times`` of them."""
    sandbox.fault(r"/7000001$", Fault("status"), times=2)

    assert [503, 503, 200] == [zenodo(OPEN).status for _ in range(3)]
    assert 200 == zenodo(REPORT).status


def test_a_fault_can_be_for_one_source(sandbox: Sandbox, zenodo: Any, rdm: Any) -> None:
    """The others go on."""
    sandbox.fault("/api", Fault("status"), source="zenodo")

    assert (503, 200) == (zenodo(OPEN).status, rdm(DETECTOR).status)


def test_faults_and_requests_can_be_forgotten(sandbox: Sandbox, zenodo: Any) -> None:
    """clear() starts afresh."""
    sandbox.fault("/api", Fault("status"))
    zenodo(OPEN)

    sandbox.clear()

    assert [] == sandbox.seen
    assert 200 == zenodo(OPEN).status


@pytest.mark.parametrize("status", [403, 429, 500, 502, 503, 504])
def test_a_status_comes_as_a_page(sandbox: Sandbox, zenodo: Any, status: int) -> None:
    """As from a proxy, with ``Retry-After`` if wanted."""
    sandbox.fault("/api", Fault("status", status=status, retry_after="7"))
    answer = zenodo(OPEN)

    assert (status, "7") == (answer.status, answer.headers["retry-after"])
    assert answer.headers["content-type"].startswith("text/html")


@pytest.mark.parametrize(
    ("fault", "status", "kind"),
    [
        (Fault("html"), 200, "text/html"),
        (Fault("json-shape"), 200, "application/json"),
        (Fault("not-json"), 200, "application/json"),
        (Fault("firewall"), 403, "application/octet-stream"),
    ],
    ids=lambda value: value.kind if isinstance(value, Fault) else None,
)
def test_something_else_comes_in_place_of_the_answer(
    sandbox: Sandbox, zenodo: Any, fault: Fault, status: int, kind: str
) -> None:
    """Status and type are as in the field."""
    sandbox.fault("/api", fault)
    answer = zenodo(OPEN)

    assert (status, kind) == (answer.status, answer.headers["content-type"])
    if fault.kind == "not-json":
        pytest.raises(ValueError, json.loads, answer.body)
    if fault.kind == "firewall":
        assert 600 < len(answer.body) < 850


@pytest.mark.parametrize("kind", ["status", "html", "not-json", "empty"])
def test_a_body_may_be_given(sandbox: Sandbox, zenodo: Any, kind: str) -> None:
    """Also an empty one."""
    sandbox.fault("/7000001$", Fault(kind, body=b"mine"), times=1)
    sandbox.fault("/7000001$", Fault(kind, body=b""))

    assert [b"mine", b""] == [zenodo(OPEN).body for _ in range(2)]


def test_empty_is_200_without_a_byte(sandbox: Sandbox, zenodo: Any) -> None:
    """Length 0."""
    sandbox.fault("/content", Fault("empty"))
    answer = zenodo(REPORT)

    assert (200, "0", b"") == (answer.status, answer.headers["content-length"], answer.body)


def test_a_redirect_leads_where_it_is_told(sandbox: Sandbox, zenodo: Any) -> None:
    """302, to any scheme."""
    sandbox.fault("/api", Fault("redirect", location="file:///etc/passwd"))
    answer = zenodo(OPEN)

    assert (302, "file:///etc/passwd") == (answer.status, answer.headers["location"])


def test_wrong_bytes_have_the_right_length(sandbox: Sandbox, zenodo: Any) -> None:
    """Only the checksum can tell."""
    right = zenodo(REPORT).body
    sandbox.fault("/content", Fault("wrong-bytes"))
    wrong = zenodo(REPORT).body

    assert len(right) == len(wrong)
    assert right != wrong


def test_a_longer_body_agrees_with_itself(sandbox: Sandbox, zenodo: Any) -> None:
    """Content-Length is that of the body, and more than the list announced."""
    right = zenodo(REPORT).body
    sandbox.fault("/content", Fault("longer"))
    answer = zenodo(REPORT)

    assert len(answer.body) == int(answer.headers["content-length"]) > len(right)
    assert answer.body.startswith(right)


def test_gzip_hides_the_right_bytes(sandbox: Sandbox, zenodo: Any) -> None:
    """Under Content-Encoding, though nobody asked."""
    right = zenodo(REPORT).body
    sandbox.fault("/content", Fault("gzip"))
    answer = zenodo(REPORT)

    assert "gzip" == answer.headers["content-encoding"]
    assert right == gzip.decompress(answer.body)


def test_a_cut_body_ends_politely_too_early(sandbox: Sandbox, zenodo: Any) -> None:
    """The whole length is promised, so many bytes come, and the connection is closed."""
    sandbox.fault("/content", Fault("cut", after=1000))

    with pytest.raises(http.client.IncompleteRead) as caught:
        zenodo(REPORT)

    assert 1000 == len(caught.value.partial)


@pytest.mark.parametrize("after", [0, 300_000])
def test_a_reset_breaks_the_connection(sandbox: Sandbox, zenodo: Any, after: int) -> None:
    """In place of the answer, or in the middle of the body."""
    sandbox.fault("/content", Fault("reset", after=after))

    with pytest.raises(ConnectionResetError):
        zenodo(REPORT)


def test_a_reset_comes_behind_all_that_was_sent(sandbox: Sandbox) -> None:
    """However slowly it is read: the bytes that arrive are those of the fault."""
    sandbox.add_record("zenodo", "7300000", {"large.bin": 9_000_000})
    sandbox.fault("/content", Fault("reset", after=8_000_000))
    connection = http.client.HTTPConnection(sandbox.url("zenodo")[7:], timeout=LONG_S)
    connection.request("GET", "/api/records/7300000/files/large.bin/content")
    response, count = connection.getresponse(), 0

    with pytest.raises(ConnectionResetError):
        while True:
            count += len(response.read1(100_000))
            time.sleep(0.001)
    assert 8_000_000 == count
    connection.close()


def test_a_stall_is_silence(sandbox: Sandbox) -> None:
    """The first bytes come, then nothing."""
    sandbox.fault("/content", Fault("stall", after=5, seconds=FOR_EVER_S))
    connection = http.client.HTTPConnection(sandbox.url("zenodo")[7:], timeout=LONG_S)
    connection.request("GET", REPORT)
    sock = connection.sock
    response = connection.getresponse()

    assert b"%PDF-" == response.read(5)
    sock.settimeout(0.2)
    with pytest.raises(TimeoutError):
        response.read(1)
    connection.close()


def test_a_slow_first_byte_is_the_right_answer(sandbox: Sandbox, zenodo: Any) -> None:
    """Only later."""
    sandbox.fault("/7000001$", Fault("slow-first-byte", seconds=0.3))
    before = time.monotonic()

    assert 7000001 == zenodo(OPEN).json["id"]
    assert time.monotonic() - before >= 0.3


def test_an_endless_body_does_not_end(sandbox: Sandbox) -> None:
    """More than the file ever had, without a length."""
    sandbox.fault("/content", Fault("endless"))
    connection = http.client.HTTPConnection(sandbox.url("zenodo")[7:], timeout=LONG_S)
    connection.request("GET", REPORT)
    response = connection.getresponse()

    assert response.getheader("Content-Length") is None
    assert 3_000_000 == len(response.read(3_000_000))
    connection.close()


@pytest.mark.parametrize("kind", ["status", "html", "empty", "wrong-bytes", "longer", "cut"])
def test_head_never_has_a_body(sandbox: Sandbox, zenodo: Any, kind: str) -> None:
    """Whatever goes wrong."""
    sandbox.fault("/content", Fault(kind, after=10))

    assert b"" == zenodo(REPORT, method="HEAD").body


def test_an_unknown_kind_of_fault_is_refused() -> None:
    """A misspelt fault would otherwise test nothing."""
    with pytest.raises(ValueError, match="stal"):
        Fault("stal")
