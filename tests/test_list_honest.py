"""A list is whole, or says that it is not, whatever the server does meanwhile."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from faulty import body, instead, raw
from listed import Lists, answered, command, crowd_of, lists_with
from scripted import whole

from bagit_create.errors import InputError, UpstreamError
from bagit_create.listing import Selection, check, windows
from bagit_create.options import JobOptions
from bagit_create.sandbox import Sandbox, searches
from bagit_create.sandbox.crowd import DAY_MS, Crowd, Run

AT_ONCE = [Run(90, "2015-01-01T00:00:00Z", 0)]
DAILY = [Run(90, "2015-01-01T00:00:00Z", DAY_MS)]


@pytest.fixture
def lists(config_file: Path) -> Lists:
    return lists_with(config_file)


def removing(crowd: Crowd, at: set[int], many: int = 5) -> Callable[[int], None]:
    """Takes the oldest away before each of these searches."""

    def remove(number: int) -> None:
        if number in at:
            left = [n for n in range(crowd.count) if n not in crowd.removed]
            crowd.removed.update(left[:many])

    return remove


@pytest.mark.parametrize(
    ("source", "runs"), [("zenodo", AT_ONCE), ("cds-videos", DAILY), ("inveniordm", AT_ONCE)]
)
def test_what_moved_to_a_page_before_is_listed(
    source: str, runs: list[Run], lists: Lists, sandbox: Sandbox
) -> None:
    """Where a search goes by the numbers of pages, others close up to what is removed."""
    crowd = crowd_of(sandbox, source, runs)
    if source != "zenodo":
        crowd.runs = [Run(190, runs[0].start, runs[0].gap_ms)]
    sandbox.app(source).searches.before_each = removing(crowd, {2})
    done = lists(source)

    assert {one.recid for one in crowd} <= set(done.ids)
    assert (None, 0, "") == (done.error, done.tally.shortfall, done.tally.cut)


def test_a_list_that_never_stands_still_is_8(config_file: Path, sandbox: Sandbox) -> None:
    """With the reason, though all that upstream counts in the end be found."""
    crowd = crowd_of(sandbox, "zenodo", AT_ONCE)
    sandbox.app("zenodo").searches.before_each = removing(crowd, {2, 4, 6, 7}, 1)
    done = command(config_file, "--source", "zenodo", "--quiet")

    assert 8 == done.returncode
    assert "The list may not be whole" in done.stderr and "removed again and again" in done.stderr


@pytest.mark.parametrize("source", ["zenodo", "cds-videos"])
def test_a_total_of_the_page_alone_does_not_end_a_list(
    source: str, lists: Lists, sandbox: Sandbox
) -> None:
    """A whole page may have another one behind it."""
    crowd = crowd_of(sandbox, source, [Run(290, "2015-01-01", DAY_MS)])

    def understate(body: Any) -> None:
        body["hits"]["total"] = len(body["hits"]["hits"])

    sandbox.fault("/records", answered(understate), source=source)
    done = lists(source)

    assert {one.recid for one in crowd} <= set(done.ids)
    assert done.error is None


def test_a_total_below_0_is_none(lists: Lists, sandbox: Sandbox) -> None:
    """Nothing can be compared with it."""

    def negate(body: Any) -> None:
        body["hits"]["total"] = -1

    sandbox.fault("/records", answered(negate), source="zenodo")

    assert isinstance(lists("zenodo").error, UpstreamError)


@pytest.mark.parametrize("is_named", [True, False])
def test_a_total_that_is_a_bound_is_no_end(
    is_named: bool, lists: Lists, sandbox: Sandbox, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whether the server says so or gives the bound as the total: each half may be beyond it."""
    monkeypatch.setattr(windows, "WALL", 200)
    monkeypatch.setattr(searches, "WINDOW", 200)
    crowd = crowd_of(sandbox, "cds-videos", [Run(1500, "2010-01-01", DAY_MS)])
    search = sandbox.app("cds-videos").searches
    if is_named:
        search.keeps_count = False
    else:
        monkeypatch.setattr(search, "total", lambda found: min(found, 200))
    done = lists("cds-videos")

    assert {one.recid for one in crowd} <= set(done.ids)
    assert (None, "") == (done.error, done.tally.cut)


def test_a_bound_of_a_search_that_is_deaf_to_times_is_8(
    config_file: Path, lists: Lists, sandbox: Sandbox, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Nothing is counted then of which the list could be short."""
    monkeypatch.setattr(windows, "WALL", 200)
    monkeypatch.setattr(searches, "WINDOW", 200)
    crowd_of(sandbox, "cds-videos", [Run(1500, "2010-01-01", DAY_MS)])
    search = sandbox.app("cds-videos").searches
    search.keeps_count, search.deaf = False, True
    done = lists("cds-videos")

    assert (None, windows.DEAF) == (done.tally.expected, done.tally.cut)
    assert len(sandbox.seen) < 20


def test_an_old_search_is_gone_through_again_where_records_went(
    lists: Lists, sandbox: Sandbox
) -> None:
    """Three of the first page go, so that the second begins three too late."""
    crowd = Crowd([Run(450, "2012-01-01", DAY_MS)], "9{n:06}", "Notes")
    finder = sandbox.app("cds").finder
    finder.crowd = crowd
    finder.before_each = lambda number: (
        crowd.removed.update({445, 446, 447}) if number == 3 else None
    )
    done = lists("cds", collection="Notes")

    assert {one.recid for one in crowd} <= set(done.ids)
    assert (None, 0, "") == (done.error, done.tally.shortfall, done.tally.cut)


def test_an_ailing_server_does_not_make_a_short_list_whole(lists: Lists, sandbox: Sandbox) -> None:
    """It answers that nothing matches, and when the count is asked for again, once more."""
    interface = sandbox.app("inveniordm").interface
    crowd_of(sandbox, "inveniordm", [Run(90, "2015-01-01", DAY_MS)])

    def nothing(text: bytes) -> bytes:
        if interface.lists > 1:
            error = b'<error code="noRecordsMatch">none</error>'
            text = re.sub(b"<ListIdentifiers>.*</ListIdentifiers>", error, text, flags=re.DOTALL)
        return text

    sandbox.fault("verb=ListIdentifiers", raw(instead(nothing)), source="inveniordm")
    done = lists("inveniordm", via="oai")

    assert done.error is None and 0 < done.tally.shortfall
    assert any("counted" in one for one in done.tally.notes)


def test_pages_without_a_record_have_an_end(lists: Lists, sandbox: Sandbox) -> None:
    """Though each have another token."""
    count = iter(range(10_000))

    def hollow(text: bytes) -> bytes:
        inner = b"<ListIdentifiers><resumptionToken>%d</resumptionToken></ListIdentifiers>"
        some = inner % next(count)
        return re.sub(b"<ListIdentifiers>.*</ListIdentifiers>|<error.*</error>", some, text)

    # A token that nobody gave is refused; here it leads on.
    fault = raw(lambda reply: whole(hollow(body(reply))))
    sandbox.fault("verb=ListIdentifiers", fault, source="inveniordm")
    error = lists("inveniordm", via="oai").error

    assert isinstance(error, UpstreamError) and "have no record" in error.message
    assert len(sandbox.seen) < 110


@pytest.mark.parametrize(
    "recid",
    ["https://zenodo.org/records/7000001", "10.5281/zenodo.7000001", "#7", '{"source": "x"}', " 7"],
)
def test_an_id_that_a_list_would_read_as_something_else_is_refused(
    recid: str, lists: Lists, sandbox: Sandbox
) -> None:
    """As the address of another record, a comment, an object."""

    def rename(body: Any) -> None:
        body["hits"]["hits"][0]["id"] = recid

    sandbox.fault("/records", answered(rename), source="zenodo")
    done = lists("zenodo")

    assert isinstance(done.error, UpstreamError) and "cannot be an id" in done.error.message
    assert recid not in done.ids


@pytest.mark.parametrize("last", ["20240102", "2024-W01-2", "2024-01-02"])
def test_a_day_is_whole_in_whatever_form_it_is_written(
    last: str, lists: Lists, sandbox: Sandbox
) -> None:
    """ISO 8601 has a basic form, and days of weeks."""
    sandbox.add_record(
        "zenodo", "1", {}, updated="2024-01-02T18:00:00+00:00", created="2020-01-01T00:00:00Z"
    )

    assert ["1"] == lists("zenodo", since="2024-01-01", until=last).ids


def test_a_week_is_no_day() -> None:
    """It would be taken for its Monday."""
    with pytest.raises(InputError) as caught:
        check(JobOptions(source="zenodo"), Selection(until="2024-W09"))

    assert "--until is an ISO date" in str(caught.value)


def test_the_end_of_the_calendar_is_no_end_of_the_list(lists: Lists, sandbox: Sandbox) -> None:
    """Neither where a record was created then, nor where a server's clock says so."""
    sandbox.add_record("zenodo", "9", {}, created="9999-12-31T23:59:59.999999Z")

    def late(text: bytes) -> bytes:
        return re.sub(rb"2026-[-0-9T:]*Z", b"9999-12-31T23:59:59Z", text)

    sandbox.fault("verb=Identify", raw(instead(late)), source="zenodo")

    assert "9" in lists("zenodo").ids
    assert lists("zenodo", via="oai").error is None
