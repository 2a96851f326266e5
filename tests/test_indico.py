"""Indico (indico): every attachment at every level, minutes, and what cannot be seen."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from gates import effort
from packages import Harvest, by_name, everything, payload, sip_json

from bagit_create.sandbox import Fault, Sandbox
from bagit_create.sandbox.content import Content


def answer(sandbox: Sandbox, **change: Any) -> None:
    """Have event 105 be something else."""
    event = {"id": "105", "title": "x", "folders": [], **change}
    body = json.dumps({"count": 1, "results": [event]}).encode()
    sandbox.fault("/export/event/105", Fault("not-json", body=body))


def session(block: int | str, minutes: str) -> dict[str, Any]:
    """A block of one and the same session."""
    return {
        "id": block,
        "note": {"html": minutes, "url": "https://indico.example/note/"},
        "contributions": [],
        "session": {"db_id": 5, "title": "s", "folders": []},
    }


def warnings(result: dict[str, Any]) -> str:
    """All of them."""
    return "\n".join(result["warnings"])


def left_out(result: dict[str, Any]) -> dict[str, dict[str, Any]]:
    """What is not in the package, by name."""
    return {one["name"]: one for one in result["skipped"]}


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


def test_what_is_in_a_hidden_folder_is_kept(harvest: Harvest) -> None:
    """Only Indico's old list names it, without size and checksum; links too."""
    result = harvest(101, "indico")

    assert "Drafts/slides.pdf" in payload(result)
    [entry] = [one for one in sip_json(result)["contentFiles"] if one["origin"].get("hidden")]
    assert 5005 == entry["origin"]["attachment"]
    assert "https://videos.example/record/2" == left_out(result)["Rehearsal"]["link_url"]


def test_the_old_list_adds_nothing_that_is_shown(harvest: Harvest) -> None:
    """Neither a second copy of a folder, nor the page that it makes of minutes."""
    found = payload(harvest(101, "indico"))

    assert {"Day 1_2/slides.pdf"} == {one for one in found if one.startswith("Day")}
    assert not any("minutes.txt" in one for one in found)


def test_two_files_may_have_one_address(harvest: Harvest, sandbox: Sandbox) -> None:
    """Each attachment is a file of its own."""
    one = {"type": "file", "download_url": "/event/105/attachments/930/5200/old.pdf"}
    files = [{**one, "id": number, "filename": f"{number}.pdf"} for number in (1, 2)]
    answer(sandbox, folders=[{"id": 9, "title": None, "attachments": files}])

    assert {"1.pdf", "2.pdf"} <= payload(harvest(105, "indico"))


def test_a_link_is_named_and_not_fetched(harvest: Harvest, sandbox: Sandbox) -> None:
    """With where it leads."""
    link = left_out(harvest(101, "indico"))["Recording"]

    assert "https://videos.example/record/1?t=0&x=1" == link["link_url"]
    assert not any("5003" in one.path for one in sandbox.seen)


@pytest.mark.parametrize(
    ("path", "text"),
    [
        ("minutes.html", "<p>Minutes <img"),
        ("contributions/660001/minutes.html", "<p>Minutes of a talk</p>"),
        ("sessions/99001/minutes.html", "<p>Of a block</p>"),
    ],
)
def test_minutes_are_kept(path: str, text: str, harvest: Harvest) -> None:
    """Of the event, of a contribution, of a session, whose blocks all repeat them."""
    result = harvest(101, "indico")

    assert (Path(result["path"]) / "data/content" / path).read_text().startswith(text)


def test_minutes_that_blocks_repeat_are_kept_once(harvest: Harvest) -> None:
    """Indico gives those of a session for each of its blocks."""
    found = payload(harvest(101, "indico"))

    assert not any("blocks" in one for one in found)


def test_minutes_of_a_block_alone_are_kept(harvest: Harvest, sandbox: Sandbox) -> None:
    """Other ones than those of the session's first block."""
    answer(sandbox, sessions=[session(7, "<p>one"), session(8, "<p>two")])

    assert {"sessions/5/minutes.html", "sessions/5/blocks/8/minutes.html"} <= payload(
        harvest(105, "indico")
    )


def test_an_odd_sign_in_minutes_is_kept(harvest: Harvest, sandbox: Sandbox) -> None:
    """JSON may hold half a character, which a file of UTF-8 cannot."""
    answer(sandbox, note={"html": "<p>half \ud800", "url": 5})

    content = Path(harvest(105, "indico")["path"]) / "data/content/minutes.html"
    assert "<p>half &#55296;" == content.read_text("utf-8")


def test_an_image_in_minutes_is_kept(harvest: Harvest, sandbox: Sandbox) -> None:
    """If it lies here; another site is named, and so is an address that is none."""
    result = harvest(101, "indico")

    assert {"minutes/9-plot.png"} == {one for one in payload(result) if "minutes/" in one}
    assert {"https://e.example/x", "http://[x"} <= set(left_out(result))


def test_an_image_that_is_attached_is_fetched_once(harvest: Harvest, sandbox: Sandbox) -> None:
    """It stands where it is attached."""
    path = "/event/105/attachments/930/5200/old.pdf"
    one = {"id": 1, "type": "file", "filename": "old.pdf", "download_url": path}
    folders = [{"id": 9, "title": None, "attachments": [one]}]
    answer(sandbox, folders=folders, note={"html": f"<IMG SRC='{path}'>"})

    assert {"old.pdf", "minutes.html", "metadata.json"} == payload(harvest(105, "indico"))


def test_minutes_without_end_take_no_time(harvest: Harvest, sandbox: Sandbox) -> None:
    """Who writes minutes cannot keep the reader busy."""

    def package(html: str) -> None:
        answer(sandbox, note={"html": html})
        assert 0 == harvest(105, "indico")["status"]

    plain = effort(lambda: package("<p>x " * 300_000 + "x " * 300_000))

    assert 100 * plain > effort(lambda: package("<img " * 300_000 + "x=" * 300_000))


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


def test_the_timetable_is_compared(harvest: Harvest, sandbox: Sandbox) -> None:
    """What it names and no list has is told."""
    entry = {"attachments": {"files": [{"_type": "Attachment", "id": 77}], "folders": []}}
    body = json.dumps({"results": {"101": {"20260504": {"c1": entry}}}}).encode()

    assert "timetable names" not in warnings(harvest(101, "indico"))
    sandbox.fault("/export/timetable/", Fault("not-json", body=body))
    assert "names attachments that no list has: 77" in warnings(harvest(101, "indico"))


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
    assert "shows nothing in it: Restricted" in warnings(harvest(101, "indico"))


def test_a_protected_event_that_is_seen_is_told(harvest: Harvest, sandbox: Sandbox) -> None:
    """Without a token it may show less than there is."""
    answer(sandbox, hasAnyProtection=True)

    assert "parts of the event are protected" in warnings(harvest(105, "indico"))


def test_contributions_that_may_not_be_published_are_told(harvest: Harvest) -> None:
    """A new conference shows none; one that has none looks the same."""
    assert "they are not published" in warnings(harvest(108, "indico"))
    assert "they are not published" not in warnings(harvest(107, "indico"))


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


@pytest.fixture
def cookies(sandbox: Sandbox, tmp_path: Path) -> Path:
    """Those of a browser that is signed in, as the sign-on tools write them."""
    path = tmp_path / "cookies.txt"
    fields = ("127.0.0.1", "FALSE", "/", "FALSE", "0", "indico_session", "good")
    path.write_text("# Netscape HTTP Cookie File\n" + "\t".join(fields) + "\n")
    path.chmod(0o600)
    return path


def test_cookies_open_an_event(cookies: Path, harvest: Harvest) -> None:
    """The export heeds them where it is asked to."""
    assert "closed.pdf" in payload(harvest(102, "indico", cookies=cookies))


def test_cookies_that_do_not_count_are_6(cookies: Path, harvest: Harvest) -> None:
    """The public view is not taken for all there is."""
    cookies.write_text(cookies.read_text().replace("good", "over"))

    assert 6 == harvest(101, "indico", cookies=cookies)["exit_code"]


def test_cookies_beside_a_token_are_4(cookies: Path, harvest: Harvest) -> None:
    """Indico refuses both together; the hint says so."""
    result = harvest(101, "indico", cookies=cookies, token="good")

    assert 4 == result["exit_code"]
    assert "cannot go together" in result["hint"]


def test_the_token_of_a_registration_goes_nowhere(
    harvest: Harvest, sandbox: Sandbox, tmp_path: Path
) -> None:
    """Indico's answer would repeat it, and the package keep it."""
    url = "https://indico.cern.ch/event/101/registrations/3/?token=r3g1strat10n"

    assert 0 == harvest(None, None, url=url)["status"]
    assert b"r3g1strat10n" not in everything(tmp_path / "out")
    assert not any("r3g1strat10n" in one.path for one in sandbox.seen)


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
        "/contributionDisplay.py?contribId=3&confId=101",
        "/getFile.py/access?contribId=3&resId=0&materialId=slides&confId=101",
        "/export/event/101.json?detail=sessions",
    ],
)
def test_every_form_of_an_address_names_the_event(tail: str, harvest: Harvest) -> None:
    """Shortcuts and old ids too; the package carries the number."""
    assert "101" == harvest(None, None, url=f"https://indico.cern.ch{tail}")["recid"]


def test_a_shortcut_to_a_login_is_6(harvest: Harvest, sandbox: Sandbox) -> None:
    """It exists; the login page is not asked for."""
    sandbox.fault("^/e/closed", Fault("redirect", location="/login/?next=/e/closed"))

    assert 6 == harvest("e/closed", "indico")["exit_code"]
    assert ["/e/closed"] == [one.path for one in sandbox.seen]


@pytest.mark.parametrize(
    "location", ["https://other.example/event/101/", "http://[x", "file:///event/101/"]
)
def test_a_shortcut_to_elsewhere_is_4(location: str, harvest: Harvest, sandbox: Sandbox) -> None:
    """A number of another server means nothing here."""
    sandbox.fault("^/e/away", Fault("redirect", location=location))

    assert 4 == harvest("e/away", "indico")["exit_code"]
    assert 1 == len(sandbox.seen)


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
        {"material": [{"id": "1", "title": "x", "resources": [{"fileName": "a"}]}]},
        {"material": [{"id": "1", "title": 5, "resources": []}]},
    ],
)
def test_an_event_of_another_shape_is_4(
    change: dict[str, Any], harvest: Harvest, sandbox: Sandbox
) -> None:
    """It is never read as one without attachments."""
    answer(sandbox, **change)

    assert 4 == harvest(105, "indico")["exit_code"]


@pytest.mark.parametrize("block", ["../" * 30 + "tmp/escaped", "a/b", ""])
def test_the_number_of_a_block_is_one(
    block: str, harvest: Harvest, sandbox: Sandbox, tmp_path: Path
) -> None:
    """It becomes a directory: what is no number is refused, and nothing is written."""
    climbing = block.replace("tmp/escaped", f"{tmp_path}/escaped")
    answer(sandbox, sessions=[session(1, "<p>one"), session(climbing, "<p>two")])

    assert 4 == harvest(105, "indico")["exit_code"]
    assert not (tmp_path / "escaped").exists()
