"""Indico (indico): every attachment at every level, minutes, and what cannot be seen."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from packages import Harvest, by_name, everything, payload, sip_json

from bagit_create.sandbox import Fault, Sandbox
from bagit_create.sandbox.content import Content


def warnings(result: dict[str, object]) -> str:
    """All of them."""
    found = result["warnings"]
    assert isinstance(found, list)
    return "\n".join(found)


# -- every attachment -----------------------------------------------------------------------------


@pytest.mark.parametrize(
    "path",
    [
        "Day 1_2/slides.pdf",
        "contributions/660001/empty.pdf",
        "contributions/660001/subcontributions/770001/slides.pdf",
        "contributions/660002/b.pdf",
        "contributions/660003/l.pdf",
        "sessions/99001/posters.zip",
    ],
)
def test_an_attachment_stands_where_it_hangs(path: str, harvest: Harvest) -> None:
    """Of the event, of contributions and their parts, in a block and in none, of a session."""
    assert path in payload(harvest(101, "indico"))


def test_every_attachment_arrives_once(harvest: Harvest, sandbox: Sandbox) -> None:
    """Both answers show most of them; a session's are shown for each of its blocks."""
    result = harvest(101, "indico")

    held = sandbox.app("indico").events["101"].attachments.values()
    files = {one.number for one in held if not one.link and one.name != "unseen.pdf"}
    found = [
        one["origin"]["attachment"]
        for one in sip_json(result)["contentFiles"]
        if "attachment" in one["origin"]
    ]
    assert sorted(files) == sorted(found)


def test_equal_names_in_a_folder_get_one_each(harvest: Harvest) -> None:
    """Named by the attachment's number; upstream allows them, and file systems fold case."""
    found = payload(harvest(101, "indico"))

    assert {"5001/slides.pdf", "5002/Slides.pdf"} <= found


def test_the_name_is_upstreams_not_the_addresss(harvest: Harvest) -> None:
    """Which is percent-encoded."""
    assert "ün año – 図 (1) #2 100%?.txt" in by_name(harvest(101, "indico"))


def test_a_link_is_named_and_not_fetched(harvest: Harvest, sandbox: Sandbox) -> None:
    """With where it leads."""
    [link] = harvest(101, "indico")["skipped"]

    assert ("Recording", "https://videos.example/record/1?t=0&x=1") == (
        link["name"],
        link["link_url"],
    )
    assert not any("5003" in one.path for one in sandbox.seen)


@pytest.mark.parametrize(
    ("path", "text"),
    [
        ("minutes.html", "<p>Minutes <img"),
        ("contributions/660001/minutes.html", "<p>Minutes of a talk</p>"),
        ("sessions/99001/blocks/990010/minutes.html", "<p>Of a block</p>"),
    ],
)
def test_minutes_are_kept(path: str, text: str, harvest: Harvest) -> None:
    """Of the event, of a contribution, of a block of a session."""
    result = harvest(101, "indico")

    assert (Path(result["path"]) / "data/content" / path).read_text().startswith(text)


def test_an_image_in_minutes_is_kept(harvest: Harvest, sandbox: Sandbox) -> None:
    """If it lies here; another site is not asked."""
    result = harvest(101, "indico")

    assert "minutes/9-plot.png" in payload(result)


def test_an_image_in_minutes_may_be_gone(harvest: Harvest, sandbox: Sandbox) -> None:
    """Then it is named."""
    sandbox.fault("9-plot", Fault("status", status=404))

    assert ["9-plot.png"] == [one["name"] for one in harvest(101, "indico")["missing"]]


def test_both_answers_and_the_timetable_are_kept(harvest: Harvest, sandbox: Sandbox) -> None:
    """Byte for byte."""
    meta = Path(harvest(101, "indico")["path"]) / "data/meta"

    assert "sessions" in json.loads((meta / "sessions.json").read_text())["results"][0]
    assert "101" in json.loads((meta / "timetable.json").read_text())["results"]


def test_a_timetable_that_fails_is_told(harvest: Harvest, sandbox: Sandbox) -> None:
    """The package is made without it."""
    sandbox.fault("/export/timetable/", Fault("html"))

    assert "timetable could not be had" in warnings(harvest(101, "indico"))


def test_a_stale_answer_is_gone_round(harvest: Harvest, sandbox: Sandbox) -> None:
    """Indico keeps answers for ten minutes unless it is told not to."""
    harvest(105, "indico")
    folder = sandbox.app("indico").events["105"].folders[0]
    folder.inside.append(type(folder.inside[0])(5999, "new.pdf", Content(b"%PDF-1.4 new")))

    assert "new.pdf" in payload(harvest(105, "indico"))


def test_an_old_server_has_no_checksums(harvest: Harvest) -> None:
    """The size is compared, and ours are computed."""
    entry = by_name(harvest(105, "indico"))["old.pdf"]

    assert "checksum" not in entry["origin"]
    assert any(one.startswith("sha512:") for one in entry["checksum"])


@pytest.mark.parametrize("kind", ["wrong-bytes", "longer"])
def test_an_attachment_that_differs_is_refused(
    kind: str, harvest: Harvest, sandbox: Sandbox
) -> None:
    """By its md5, or its size."""
    sandbox.fault("posters", Fault(kind))

    assert harvest(101, "indico")["exit_code"] in (8, 9)


def test_a_file_elsewhere_is_fetched_without_the_token(harvest: Harvest, sandbox: Sandbox) -> None:
    """A signed address refuses whoever signs in twice."""
    result = harvest(106, "indico", token="good")

    assert {"far.bin", "secret.pdf"} <= payload(result)
    assert all("authorization" not in one.headers for one in sandbox.seen if one.host == "storage")


# -- what cannot be seen --------------------------------------------------------------------------


def test_what_is_protected_is_told(harvest: Harvest) -> None:
    """An empty folder and one that shows nothing look the same otherwise."""
    told = warnings(harvest(101, "indico"))

    assert "parts of the event are protected" in told
    assert "shows nothing in it: Restricted" in told


def test_a_session_without_a_block_is_told(harvest: Harvest) -> None:
    """No answer shows it, or its files; its contributions name it."""
    told = warnings(harvest(101, "indico"))

    assert "no block, so its own files cannot be seen: Evening" in told
    assert "Morning" not in told


@pytest.mark.parametrize(
    ("recid", "code"), [("102", 6), ("103", 5), ("104", 6), ("999", 5), ("e/none", 5)]
)
def test_a_count_of_nothing_is_told_apart(recid: str, code: int, harvest: Harvest) -> None:
    """Protected, deleted, behind a key, missing: the export says the same of all."""
    assert code == harvest(recid, "indico")["exit_code"]


@pytest.mark.parametrize("token", ["files", "made-up"])
def test_a_token_that_does_not_open_the_export_is_6(token: str, harvest: Harvest) -> None:
    """With the two scopes that it needs; the server answers 400 and a page."""
    result = harvest(101, "indico", token=token)

    assert 6 == result["exit_code"]
    assert "read:legacy_api" in result["hint"] and "read:everything" in result["hint"]


def test_a_token_without_the_scope_for_files_is_8(harvest: Harvest) -> None:
    """Even public files are refused to it."""
    result = harvest(101, "indico", token="export")

    assert 8 == result["exit_code"]
    assert "read:everything" in result["hint"]


def test_a_file_behind_a_login_is_8(harvest: Harvest) -> None:
    """The login page that a redirect leads to is not stored."""
    result = harvest(106, "indico")

    assert 8 == result["exit_code"]
    assert "secret.pdf" in result["where"]


def test_a_page_that_says_no_with_200_is_refused(harvest: Harvest, sandbox: Sandbox) -> None:
    """An access key is asked for so."""
    sandbox.app("indico").events["105"].old = True
    sandbox.fault("old.pdf", Fault("html"))

    assert 8 == harvest(105, "indico")["exit_code"]


def test_the_key_opens_an_event(
    harvest: Harvest, sandbox: Sandbox, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """``INDICO_KEY``, as ever; it is found nowhere afterwards."""
    monkeypatch.setenv("INDICO_KEY", "good")

    result = harvest(102, "indico")

    assert "closed.pdf" in payload(result)
    assert b"Bearer" not in everything(tmp_path / "out")
    assert all("onlyauthed=yes" in one.path for one in sandbox.seen if "/export/event" in one.path)


def test_an_empty_key_is_none(harvest: Harvest, monkeypatch: pytest.MonkeyPatch) -> None:
    """It becomes no header."""
    monkeypatch.setenv("INDICO_KEY", "")

    assert 0 == harvest(105, "indico")["status"]


# -- addresses ------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "tail",
    [
        "/event/101/",
        "/event/101",
        "/event/101/contributions/660001/",
        "/event/101/timetable/?view=standard",
        "/event/a0123/",
        "/e/toys",
        "/e/toys/",
        "/conferenceDisplay.py?confId=101",
        "/conferenceDisplay.py?ln=fr&confId=101#x",
        "/export/event/101.json?detail=sessions",
    ],
)
def test_every_form_of_an_address_names_the_event(tail: str, harvest: Harvest) -> None:
    """Shortcuts and old ids too; the package carries the number."""
    assert "101" == harvest(None, None, url=f"https://indico.cern.ch{tail}")["recid"]


@pytest.mark.parametrize("tail", ["/category/42/", "/", "/conferenceDisplay.py"])
def test_an_address_of_no_event_is_2(tail: str, harvest: Harvest) -> None:
    """A category is no record."""
    assert 2 == harvest(None, None, url=f"https://indico.cern.ch{tail}")["exit_code"]


@pytest.mark.parametrize(
    "change",
    [
        {"folders": None},
        {"folders": [{"attachments": None}]},
        {"folders": [{"attachments": [{"id": 1, "type": "video"}]}]},
        {"folders": [{"attachments": [{"id": 1, "type": "file"}]}]},
        {"id": "102"},
        {"contributions": [{"folders": []}]},
        {"sessions": [{}]},
    ],
)
def test_an_event_of_another_shape_is_4(
    change: dict[str, object], harvest: Harvest, sandbox: Sandbox
) -> None:
    """It is never read as one without attachments."""
    event = {"id": "105", "title": "x", "folders": [], **change}
    body = json.dumps({"count": 1, "results": [event]}).encode()
    sandbox.fault("/export/event/105", Fault("not-json", body=body))

    assert 4 == harvest(105, "indico")["exit_code"]
