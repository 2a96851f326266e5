"""Listing the history of a CodiMD or HedgeDoc user."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from listed import Lists, command, lists_of

from bagit_create.errors import AccessDenied, InputError, Unreachable, UpstreamError
from bagit_create.listing import Listed
from bagit_create.sandbox import Fault, Sandbox

GONE = "gone000000000000000000"
PRIVATE = "private00000000000000u"
NOON = 1780315200000  # 2026-06-01T12:00:00Z


@pytest.fixture
def listing(config_file: Path) -> Lists:
    """The records of a selection, and how it went."""
    return lists_of("codimd", config_file, "good")


@pytest.fixture(params=["codimd", "hedgedoc"])
def dialect(request: pytest.FixtureRequest, sandbox: Sandbox) -> str:
    """Both kinds of server."""
    sandbox.app("codimd").hedgedoc = request.param == "hedgedoc"
    return str(request.param)


@pytest.fixture
def history(sandbox: Sandbox) -> Callable[..., None]:
    """Put entries into the history."""

    def put(*entries: Any) -> None:
        sandbox.app("codimd").seen = list(entries)

    return put


def entry(recid: Any, **more: Any) -> dict[str, Any]:
    return {"id": recid, "text": "A note", "time": NOON, "tags": [], **more}


def test_a_history_is_listed(dialect: str, listing: Lists) -> None:
    """Of either kind of server; an alias is an id."""
    assert ["team-meeting", GONE, PRIVATE] == listing().ids


def test_a_note_is_told_with_its_title_and_the_last_visit(listing: Lists) -> None:
    """The time is in UTC, to the second."""
    first = listing().records[0]

    assert (
        Listed("codimd", "team-meeting", "2026-05-28T20:26:40Z", "Réunion d'équipe / 2026") == first
    )


def test_what_is_listed_can_be_asked_for(listing: Lists, harvest: Any) -> None:
    """What is gone by now is the exception that the notes tell of."""
    done = listing()

    codes = [harvest(one.recid, "codimd", token="good", dry_run=True) for one in done.records]
    assert [0, 1, 0] == [one["status"] for one in codes]
    assert any("gone or closed" in note for note in done.tally.notes)


def test_entries_come_in_the_order_of_their_times(listing: Lists, history: Any) -> None:
    """The server promises none."""
    history(entry("c", time=NOON + 2), entry("a", time=NOON), entry("b", time=NOON + 1))

    assert ["a", "b", "c"] == listing().ids


@pytest.mark.parametrize("recid", ["-_x", "ünï alias", "100%", "a#b?c", "x" * 200])
def test_an_alias_may_be_any_text(recid: str, listing: Lists, history: Any) -> None:
    """It is handed on as it is."""
    history(entry(recid))

    assert [recid] == listing().ids


@pytest.mark.parametrize("recid", [None, "", 7, [], {}])
def test_an_entry_that_names_no_note_is_counted(recid: Any, listing: Lists, history: Any) -> None:
    """The others are listed."""
    history(entry(recid), entry("good"))

    done = listing()

    assert ["good"] == done.ids
    assert any("1 entries of the history name no note" in note for note in done.tally.notes)


@pytest.mark.parametrize("recid", ["a/b", "..", ".", "a\nb", "a\ud800", "x" * 201])
def test_a_name_that_no_address_can_have_is_told(
    recid: str, listing: Lists, sandbox: Sandbox
) -> None:
    """--recid would refuse it."""
    body = json.dumps({"history": [entry(recid), entry("good")]}).encode()
    sandbox.fault("/history", Fault("html", body=body))

    done = listing()

    assert ["good"] == done.ids
    [note] = [one for one in done.tally.notes if "no address can have" in one]
    assert note.isprintable()


@pytest.mark.parametrize("time", [None, "May 1st 2016, 1:00:00 am", True, 1e300, -1e300, []])
def test_an_entry_without_a_time_is_listed_without_one(
    time: Any, listing: Lists, history: Any
) -> None:
    """But it is in no window of time, and that is told."""
    history(entry("old", time=time))

    assert [Listed("codimd", "old", "", "A note")] == listing().records
    done = listing(since="2000-01-01")
    assert not done.records
    assert any("1 entries without a time" in note for note in done.tally.notes)


def test_a_note_that_stands_there_twice_is_listed_once(listing: Lists, history: Any) -> None:
    """The second is a repeat."""
    history(entry("a"), entry("b"), entry("a", time=NOON + 1))

    done = listing()

    assert ["a", "b"] == done.ids
    assert (2, 1, 0) == (done.tally.found, done.tally.repeated, done.tally.shortfall)


@pytest.mark.parametrize(
    "since, until, expected",
    [
        ("2026-06-01", "", ["a", "b"]),
        ("2026-06-01T12:00:00Z", "2026-06-01T12:00:00Z", ["a"]),
        ("", "2026-06-01", ["a", "b"]),
        ("", "2026-06-01T12:59:59Z", ["a"]),
        ("", "2026-05-31", []),
        ("2026-06-01T14:00:01+02:00", "", ["b"]),
    ],
)
def test_a_window_is_of_the_last_visit(
    since: str, until: str, expected: list[str], listing: Lists, history: Any
) -> None:
    """Both ends are included; a date is its whole day."""
    history(entry("a", time=NOON + 999), entry("b", time=NOON + 3_600_000))

    assert expected == listing(since=since, until=until).ids


def test_an_empty_history_is_an_empty_list(listing: Lists, history: Any) -> None:
    """That of a new user."""
    history()

    done = listing()

    assert ([], 0, []) == (done.records, done.tally.pages, done.tally.notes)


@pytest.mark.parametrize("cookie, said", [("", "needed"), ("stale", "not valid any more")])
def test_who_is_not_signed_in_is_denied(
    cookie: str, said: str, dialect: str, listing: Lists, sandbox: Sandbox
) -> None:
    """The redirect to the front page is not followed; the hint says where a cookie is had."""
    with pytest.raises(AccessDenied) as caught:
        listing(cookie)

    assert said in caught.value.hint and "connect.sid" in caught.value.hint
    assert ["/history"] == [one.path for one in sandbox.seen]


def test_a_server_without_a_history_says_so(listing: Lists, sandbox: Sandbox) -> None:
    """No record is missing: it is another program, or another address."""
    sandbox.fault("/history", Fault("status", status=404))

    with pytest.raises(UpstreamError, match="there is none") as caught:
        listing()

    assert UpstreamError is type(caught.value) and "HedgeDoc 1" in caught.value.hint


@pytest.mark.parametrize(
    "fault, error",
    [
        (Fault("html"), UpstreamError),
        (Fault("html", body=b'<html><form><input type="password"></form>'), AccessDenied),
        (Fault("json-shape"), UpstreamError),
        (Fault("not-json"), UpstreamError),
        (Fault("html", body=b"[]"), UpstreamError),
        (Fault("html", body=b'{"history": {"a": 1}}'), UpstreamError),
        (Fault("html", body=b'{"history": ["a"]}'), UpstreamError),
        (Fault("status", status=401), AccessDenied),
        (Fault("status", status=403), AccessDenied),
        (Fault("status", status=429, retry_after="0"), Unreachable),
        (Fault("status", status=503), Unreachable),
    ],
)
def test_what_is_no_history_is_an_error(
    fault: Fault, error: type[Exception], listing: Lists, sandbox: Sandbox
) -> None:
    """Whatever the status claims."""
    sandbox.fault("/history", fault)

    with pytest.raises(error) as caught:
        listing()

    assert error is type(caught.value)


def test_a_busy_server_is_asked_again(listing: Lists, sandbox: Sandbox) -> None:
    """It says 503 when its event loop lags."""
    sandbox.fault("/history", Fault("status", status=503), times=1)

    assert 3 == len(listing().ids)


def test_all_that_a_history_does_not_know_is_refused_at_once(
    listing: Lists, sandbox: Sandbox
) -> None:
    """In one message, before any request."""
    with pytest.raises(InputError) as caught:
        listing(query="x", group="y", all_versions=True)

    assert all(flag in str(caught.value) for flag in ("--query", "--group", "--all-versions"))
    assert not sandbox.seen


def test_the_command_lists_a_history(config_file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """With the cookie from the environment."""
    monkeypatch.setenv("CODIMD_SESSION", "good")
    done = command(config_file, "--source", "codimd", "--json")

    lines = [json.loads(line) for line in done.stdout.splitlines()]
    assert (0, ["team-meeting", GONE, PRIVATE]) == (done.returncode, [o["recid"] for o in lines])


def test_half_a_character_in_a_title_ends_no_list(
    config_file: Path, sandbox: Sandbox, monkeypatch: pytest.MonkeyPatch
) -> None:
    """JSON may hold one, and no terminal can show it."""
    monkeypatch.setenv("CODIMD_SESSION", "good")
    body = json.dumps({"history": [entry("a", text="x\ud800"), entry("b")]}).encode()
    sandbox.fault("/history", Fault("html", body=body))

    done = command(config_file, "--source", "codimd", "--json")

    assert (0, 2) == (done.returncode, len(done.stdout.splitlines())), done.stderr


def test_no_session_is_6(config_file: Path) -> None:
    """With a word on where the cookie is had."""
    done = command(config_file, "--source", "codimd")

    assert (6, "") == (done.returncode, done.stdout)
    assert "connect.sid" in done.stderr
