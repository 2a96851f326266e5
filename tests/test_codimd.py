"""CodiMD and HedgeDoc (codimd): notes, revisions, uploads, PDFs."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
from packages import Harvest, by_name, everything, payload, sip_json

from bagit_create.pipelines.markdown import references
from bagit_create.sandbox import Fault, Sandbox
from bagit_create.sandbox.codimd import PICTURE

NOTE = "AbCdEfGhIjKlMnOpQrStUv"
NAME = "Réunion d'équipe _ 2026.md"


@pytest.fixture(params=["codimd", "hedgedoc"])
def dialect(request: pytest.FixtureRequest, sandbox: Sandbox) -> str:
    """Both kinds of server."""
    sandbox.app("codimd").hedgedoc = request.param == "hedgedoc"
    return str(request.param)


# -- the note -------------------------------------------------------------------------------------


def test_a_note_becomes_a_package(dialect: str, harvest: Harvest, sandbox: Sandbox) -> None:
    """Its text, byte for byte."""
    result = harvest(NOTE, "codimd")

    text = sandbox.app("codimd").notes[NOTE].text.replace("@BASE@", sandbox.url("codimd"))
    assert text.encode() == (Path(result["path"]) / "data/content" / NAME).read_bytes()


def test_revisions_and_information_are_kept(dialect: str, harvest: Harvest) -> None:
    """The list, and the text of each."""
    meta = Path(harvest(NOTE, "codimd")["path"]) / "data/meta"

    assert "title" in json.loads((meta / "info.json").read_text())
    assert {"1780300000000.json", "1780000000000.json"} == set(os.listdir(meta / "revisions"))


def test_information_that_cannot_be_had_is_named(harvest: Harvest, sandbox: Sandbox) -> None:
    """The note is the record."""
    sandbox.fault("/info$|/revision$", Fault("status", status=404))

    result = harvest(NOTE, "codimd")

    assert {"info", "revision"} <= {one["name"] for one in result["skipped"]}


def test_an_empty_note_is_a_note(dialect: str, harvest: Harvest) -> None:
    """200 and no bytes; its id begins with a dash."""
    result = harvest("-_empty0000000000000000", "codimd")

    assert 0 == (Path(result["path"]) / "data/content/Untitled.md").stat().st_size


def test_a_title_of_any_kind_becomes_a_name(harvest: Harvest) -> None:
    """It has slashes, dots, a colon, a line break and 300 letters; what it was is kept."""
    result = harvest("odd0000000000000000000", "codimd")

    [name] = [path for path in payload(result) if path.endswith(".md")]
    assert "/" not in name and len(name.encode()) <= 255
    assert "../a/b\\c:d\nline " in sip_json(result)["source_details"]["download_name"]


def test_a_busy_server_is_asked_again(harvest: Harvest) -> None:
    """It says 503 when it is."""
    assert 0 == harvest("busy00000000000000000u", "codimd")["status"]


@pytest.mark.parametrize("light", [True, False])
def test_the_bare_address_is_never_asked_for(
    light: bool, harvest: Harvest, sandbox: Sandbox
) -> None:
    """It may make a note, and on HedgeDoc it is what a PDF leads to."""
    sandbox.app("codimd").hedgedoc = True
    harvest(NOTE, "codimd", dry_run=light)
    harvest("nothing", "codimd")

    assert 0 == sandbox.app("codimd").made
    assert not any(one.path in (f"/{NOTE}", "/nothing", "/") for one in sandbox.seen)


# -- uploads --------------------------------------------------------------------------------------


def test_uploads_are_kept_and_others_named(dialect: str, harvest: Harvest) -> None:
    """Images, files, by their names; what is in code is text."""
    result = harvest(NOTE, "codimd")

    found = {path for path in payload(result) if path.startswith("uploads/")}
    assert {
        f"uploads/{PICTURE}",
        "uploads/plan B.pdf",
        "uploads/empty.gif",
        "uploads/named.jpg",
    } == found
    assert ["gone.png"] == [one["name"] for one in result["missing"]]
    assert ["https://images.example/x.png"] == [one["name"] for one in result["skipped"]]


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("![a](/uploads/a.png)", [("http://h/uploads/a.png", True)]),
        ("![a]( </uploads/a b.png> 'title')", [("http://h/uploads/a b.png", True)]),
        ("![a](/uploads/a(1).png =100x50)", [("http://h/uploads/a(1).png", True)]),
        ("[a](/uploads/a.pdf)", [("http://h/uploads/a.pdf", False)]),
        ("<img alt='x' src=/uploads/a.png>", [("http://h/uploads/a.png", True)]),
        ('<a href="/uploads/a.zip">x</a>', [("http://h/uploads/a.zip", False)]),
        ("![x][y]\n\n[y]: /uploads/a.png 'z'", [("http://h/uploads/a.png", True)]),
        ("![y]\n\n[Y]: /uploads/a.png", [("http://h/uploads/a.png", True)]),
        ("see http://h/uploads/a.png.", [("http://h/uploads/a.png", False)]),
        ("```\n![a](/uploads/a.png)\n```", []),
        ("~~~~\n![a](/uploads/a.png)\n~~~\n![b](/b)\n~~~~\n", []),
        ("```\n![a](/uploads/unclosed.png)", []),
        ("`![a](/uploads/a.png)` ``![b](/uploads/b`.png)``", []),
        ("![a](http://[x)", []),
    ],
)
def test_an_address_is_found_in_every_form(text: str, found: list[tuple[str, bool]]) -> None:
    """As Markdown writes images and links, and as CodiMD does."""
    assert found == list(references(text, "http://h/"))


def test_a_hostile_note_takes_no_time() -> None:
    """Nested brackets and open fences are read in one pass."""
    text = "![" * 20_000 + "](" * 20_000 + "`" * 20_000 + "\n```\n" * 2000 + "<img " * 20_000

    assert len(list(references(text, "http://h/"))) <= 2


# -- the PDF --------------------------------------------------------------------------------------


def test_codimd_makes_a_pdf(harvest: Harvest, sandbox: Sandbox) -> None:
    """It is asked for once: its renderer is known to fall over."""
    result = harvest(NOTE, "codimd")

    assert "Réunion d'équipe _ 2026.pdf" in payload(result)
    assert 1 == sandbox.app("codimd").pdfs


@pytest.mark.parametrize("way", ["failed", "off", "html"])
def test_a_pdf_that_does_not_come_is_named(way: str, harvest: Harvest, sandbox: Sandbox) -> None:
    """And fails nothing."""
    sandbox.app("codimd").pdf = way

    result = harvest(NOTE, "codimd")

    assert "PDF of the note" in {one["name"] for one in result["skipped"]}
    assert NAME in payload(result)


def test_a_pdf_that_breaks_the_connection_is_named(harvest: Harvest, sandbox: Sandbox) -> None:
    """A renderer that dies takes the server with it."""
    sandbox.fault("/pdf$", Fault("reset"))

    result = harvest(NOTE, "codimd", retries=0)

    assert "PDF of the note" in {one["name"] for one in result["skipped"]}


def test_hedgedoc_makes_none(harvest: Harvest, sandbox: Sandbox) -> None:
    """Its redirect is not followed to the editor's page."""
    sandbox.app("codimd").hedgedoc = True

    result = harvest(NOTE, "codimd")

    assert not any(path.endswith(".pdf") and "uploads" not in path for path in payload(result))
    assert "makes no PDF" in json.dumps(sip_json(result)["audit"])


def test_a_light_package_asks_for_no_pdf(harvest: Harvest, sandbox: Sandbox) -> None:
    """It has the note, and lists the uploads."""
    result = harvest(NOTE, "codimd", dry_run=True)

    assert 0 == sandbox.app("codimd").pdfs
    assert {NAME} == payload(result)


# -- access ---------------------------------------------------------------------------------------


def test_the_session_opens_a_private_note(
    dialect: str,
    harvest: Harvest,
    sandbox: Sandbox,
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
) -> None:
    """``CODIMD_SESSION``, as ever; sent exactly as it was copied."""
    monkeypatch.setenv("CODIMD_SESSION", "good")

    result = harvest("private00000000000000u", "codimd")

    assert "Private.md" in payload(result)
    assert {"connect.sid=good"} == {one.headers["cookie"] for one in sandbox.seen}
    assert b"connect.sid" not in everything(tmp_path / "out")


def test_a_session_is_not_encoded_again(harvest: Harvest, sandbox: Sandbox) -> None:
    """Its value is percent-encoded already, and signed."""
    harvest(NOTE, "codimd", token="s%3Aabc.DEF%2Bghi")

    assert "connect.sid=s%3Aabc.DEF%2Bghi" == sandbox.seen[0].headers["cookie"]


def test_a_private_note_is_6(dialect: str, harvest: Harvest) -> None:
    """The front page that it redirects to is not the note."""
    result = harvest("private00000000000000u", "codimd")

    assert 6 == result["exit_code"]
    assert "connect.sid" in result["hint"]


def test_a_stale_session_is_told(dialect: str, harvest: Harvest) -> None:
    """Guests have sessions too, so ``/me`` is asked."""
    result = harvest("private00000000000000u", "codimd", token="stale")

    assert 6 == result["exit_code"]
    assert "not valid any more" in result["hint"]


def test_a_page_in_place_of_the_note_is_4(harvest: Harvest, sandbox: Sandbox) -> None:
    """With 200 and no title."""
    sandbox.fault("/download$", Fault("html"))

    assert 4 == harvest(NOTE, "codimd")["exit_code"]


# -- addresses ------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "tail",
    [
        f"/{NOTE}",
        f"/{NOTE}?both",
        f"/{NOTE}#heading",
        f"/{NOTE}/download",
        "/s/S1invented",
        "/p/S1invented#/2",
        "/team-meeting",
    ],
)
def test_every_form_of_an_address_names_the_note(tail: str, harvest: Harvest) -> None:
    """As people copy it."""
    assert NAME in payload(harvest(None, None, url=f"https://codimd.web.cern.ch{tail}"))


@pytest.mark.parametrize("tail", ["/", "/new", "/uploads/x.png", "/history"])
def test_an_address_of_no_note_is_2(tail: str, harvest: Harvest, sandbox: Sandbox) -> None:
    """Before any request."""
    assert 2 == harvest(None, None, url=f"https://codimd.web.cern.ch{tail}")["exit_code"]
    assert [] == sandbox.seen


def test_an_alias_may_have_any_letters(harvest: Harvest, sandbox: Sandbox) -> None:
    """The package's name has them made safe, and a digest."""
    notes = sandbox.app("codimd").notes
    notes["été à la plage"] = notes[NOTE]

    result = harvest(
        None, None, url="https://codimd.web.cern.ch/%C3%A9t%C3%A9%20%C3%A0%20la%20plage"
    )

    assert result["recid"].startswith("_t_la_plage-")
    assert NAME in payload(result)


def test_a_server_below_a_path_works(harvest: Harvest, sandbox: Sandbox) -> None:
    """The prefix is kept."""
    base = f"{sandbox.url('codimd')}/notes"
    result = harvest(NOTE, "codimd", base_url=base)

    assert 5 == result["exit_code"]
    assert f"/notes/{NOTE}/download" == sandbox.seen[0].path


# -- the recipe -----------------------------------------------------------------------------------


def history(config: Path, target: Path, **more: str) -> subprocess.CompletedProcess[str]:
    program = Path(__file__).parent.parent / "examples/codimd_history.py"
    base = [
        line for line in config.read_text().split("[codimd]")[1].splitlines() if "base_url" in line
    ]
    address = base[0].partition('"')[2].strip('"')
    return subprocess.run(
        [sys.executable, str(program), "--target", str(target), "--base-url", address],
        env={**os.environ, "BIC_CONFIG": str(config), **more},
        capture_output=True,
        encoding="utf-8",
        timeout=60,
        check=False,
    )


def test_a_whole_history_is_packaged(config_file: Path, tmp_path: Path) -> None:
    """A note that is gone is told, and is no failure."""
    done = history(config_file, tmp_path, CODIMD_SESSION="good")

    assert 0 == done.returncode, done.stdout + done.stderr
    assert "2 packaged, 1 gone or closed, 0 failed" in done.stdout
    assert 2 == len(list(tmp_path.glob("sip::codimd::*")))


@pytest.mark.parametrize("session", ["", "stale"])
def test_a_history_needs_a_session(session: str, config_file: Path, tmp_path: Path) -> None:
    """Said in words."""
    done = history(config_file, tmp_path, CODIMD_SESSION=session)

    assert 1 == done.returncode
    assert "CODIMD_SESSION" in done.stderr
    assert "Traceback" not in done.stderr


def test_the_names_are_upstreams(harvest: Harvest) -> None:
    """The note's own name stands in sip.json."""
    assert NAME in by_name(harvest(NOTE, "codimd"))
