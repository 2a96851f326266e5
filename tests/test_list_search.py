"""Searches of InvenioRDM, Zenodo and CDS Videos, listed to their end."""

from __future__ import annotations

from pathlib import Path
from urllib.parse import parse_qs, urlsplit

import pytest
from listed import Done, Lists, lists_with

from bagit_create.errors import AccessDenied, RecordNotFound, Unreachable, UpstreamError
from bagit_create.sandbox import Fault, Sandbox
from bagit_create.sandbox.crowd import DAY_MS, Crowd, Run
from bagit_create.sandbox.searches import Searches

HOUR_MS = DAY_MS // 24
EVEN = [Run(10_400, "2015-01-01T00:00:00Z", 6 * HOUR_MS)]
IN_BULK = [
    Run(300, "2008-01-01T00:00:00Z", 4 * DAY_MS),
    Run(10_100, "2019-05-06T09:00:00Z", 40),  # an import in less than eight minutes
    Run(100, "2021-01-01T00:00:00Z", DAY_MS),
]


@pytest.fixture
def lists(config_file: Path) -> Lists:
    return lists_with(config_file)


def searches(sandbox: Sandbox, source: str) -> Searches:
    """The search of a server of the sandbox."""
    found: Searches = sandbox.app(source).searches
    return found


def crowd(runs: list[Run], **facts: object) -> Crowd:
    """Records with ids that no stored one has."""
    return Crowd(runs, "9{n:06}", **facts)  # type: ignore[arg-type]


def ids_of(one: Crowd) -> set[str]:
    """Their ids."""
    return {record.recid for record in one}


def complete(done: Done, expected: set[str]) -> None:
    """All are there, once each, and the counts say so."""
    assert done.error is None
    assert len(done.ids) == len(set(done.ids)) == done.tally.found
    assert expected - set(done.ids) == set()
    assert done.tally.shortfall == 0


# -- what is found ----------------------------------------------------------------------------


def test_all_that_a_guest_may_find_is_listed(lists: Lists, sandbox: Sandbox) -> None:
    """With the time of the last change and the title; no deleted or restricted ones, no drafts."""
    done = lists("inveniordm")

    complete(done, {"k3f9q-7xw21", "metad-only1", "close-00003", "embar-00002", "awkwd-00009"})
    assert not {"gone0-00004", "hiddn-00005", "draft-00007", "priva-00006"} & set(done.ids)
    [toy] = [one for one in done.records if one.recid == "k3f9q-7xw21"]
    assert toy.as_dict() == {
        "source": "inveniordm",
        "recid": "k3f9q-7xw21",
        "modified": "2024-02-29T08:30:15.123456+00:00",
        "title": "Toy detector",
    }


def test_a_token_shows_more(lists: Lists) -> None:
    """It goes with every request."""
    assert "7000013" not in lists("zenodo").ids
    assert "7000013" in lists("zenodo", token="good").ids


def test_a_community_is_listed(lists: Lists, sandbox: Sandbox) -> None:
    """By the records of that community alone."""
    done = lists("zenodo", community="toys")

    assert {"7000001", "7000002", "7000012"} == set(done.ids)
    assert {"/api/communities/toys/records"} == {urlsplit(one.path).path for one in sandbox.seen}


def test_a_community_that_is_not_there_is_named(lists: Lists) -> None:
    """Not as a record that is missing."""
    error = lists("inveniordm", community="no such/one").error

    assert isinstance(error, RecordNotFound)
    assert "no community 'no such/one'" in str(error) and "HTTP 404" in str(error)


def test_a_query_is_in_the_servers_own_language(lists: Lists) -> None:
    assert ["7000012"] == lists("zenodo", query="hundred AND toys").ids


def test_a_query_that_cannot_be_read_is_told_in_the_servers_words(lists: Lists) -> None:
    """A 400 is no reason to ask for ever smaller pages without an end."""
    error = lists("zenodo", query='title:"half').error

    assert type(error) is UpstreamError
    assert "HTTP 400: The search was refused: The syntax of the search query" in str(error)


def test_older_versions_are_listed_on_request(lists: Lists, sandbox: Sandbox) -> None:
    """Otherwise the newest of each record."""
    sandbox.add_record("zenodo", "7100001", {}, parent="7000000")

    assert "7000001" not in lists("zenodo").ids
    assert {"7000001", "7100001"} <= set(lists("zenodo", all_versions=True).ids)


def test_dates_are_of_the_last_change_and_both_are_included(lists: Lists, sandbox: Sandbox) -> None:
    """A day is meant to its last moment, a time to its last second, in whatever zone it is."""
    for recid, updated in (
        ("1", "2023-12-31T23:59:59.999999+00:00"),
        ("2", "2024-01-01T00:00:00.000000+00:00"),
        ("3", "2024-01-02T23:59:59.999500+00:00"),
        ("4", "2024-01-03T00:00:00.000000+00:00"),
    ):
        sandbox.add_record("zenodo", recid, {}, updated=updated, created="2020-01-01T00:00:00Z")

    assert ["2", "3"] == lists("zenodo", since="2024-01-01", until="2024-01-02").ids
    assert ["1", "2"] == lists("zenodo", until="2024-01-01T01:00:00+01:00").ids
    assert "4" in lists("zenodo", query="invented", since="2024-01-03T00:00:00").ids


# -- pages ------------------------------------------------------------------------------------


def test_a_guest_of_zenodo_asks_for_small_pages(lists: Lists, sandbox: Sandbox) -> None:
    """25 hits, with a token 100; no request is refused for its size."""
    lists("zenodo")
    lists("zenodo", token="good")

    sizes = [parse_qs(urlsplit(one.path).query)["size"] for one in sandbox.seen]
    assert [["25"], ["100"]] == sizes


def test_a_server_with_smaller_pages_is_asked_for_smaller_ones(
    lists: Lists, sandbox: Sandbox
) -> None:
    """What it accepted is asked for from then on."""
    sandbox.app("inveniordm").most = 30
    searches(sandbox, "inveniordm").crowd = many = crowd([Run(200, "2015-01-01", DAY_MS)])

    complete(lists("inveniordm"), ids_of(many))
    sizes = [parse_qs(urlsplit(one.path).query)["size"] for one in sandbox.seen]
    assert ["100"] == sizes[0] and {"25"} == {size for [size] in sizes[1:]}


def test_a_server_that_knows_no_such_order_is_done_without(lists: Lists, sandbox: Sandbox) -> None:
    """Which orders there are is up to who runs it."""
    search = searches(sandbox, "cds-rdm")
    search.crowd, search.orders = many = crowd(EVEN), ("newest", "bestmatch")
    done = lists("cds-rdm")

    complete(done, ids_of(many[0]))
    assert len(sandbox.seen) <= 1.3 * 105


@pytest.mark.parametrize("runs", [EVEN, IN_BULK], ids=["even", "in bulk"])
@pytest.mark.parametrize("sorts", [True, False], ids=["sorted", "not sorted"])
def test_a_list_goes_past_the_wall(
    lists: Lists, sandbox: Sandbox, runs: list[Run], sorts: bool
) -> None:
    """With at most 1.3 times as many pages as there must be, and never a request beyond it."""
    search = searches(sandbox, "cds-rdm")
    search.crowd, search.sorts = many = crowd(runs), sorts
    done = lists("cds-rdm")

    complete(done, ids_of(many[0]))
    assert len(sandbox.seen) <= 1.3 * -(-len(done.ids) // 100)
    for one in sandbox.seen:
        asked = parse_qs(urlsplit(one.path).query)
        assert int(asked["size"][0]) * int(asked["page"][0]) <= 10_000


def test_a_date_and_a_query_hold_beyond_the_wall(lists: Lists, sandbox: Sandbox) -> None:
    """They stand in every request beside the time of creation."""
    many = crowd(EVEN, lag_ms=DAY_MS, title="Crowded toys")
    searches(sandbox, "cds-rdm").crowd = many
    done = lists("cds-rdm", query="crowded", since="2016-01-01", until="2019-12-31")

    assert done.error is None
    wanted = {one.recid for one in many if 1451606400000 <= one.updated < 1577836800000}
    assert wanted == set(done.ids) and done.tally.expected == len(wanted)


@pytest.mark.parametrize("sorts", [True, False])
def test_more_in_one_moment_than_a_search_hands_out_is_a_shortfall(
    lists: Lists, sandbox: Sandbox, sorts: bool
) -> None:
    """Those that can be had are listed, the rest is counted and the moment named."""
    search = searches(sandbox, "cds-rdm")
    search.sorts = sorts
    search.crowd = crowd([Run(10_250, "2019-05-06T09:00:00Z", 0), Run(40, "2020-01-01", DAY_MS)])
    done = lists("cds-rdm")

    assert done.error is None
    assert 0 < done.tally.shortfall <= 250
    assert 1 == len(done.tally.notes) and len(sandbox.seen) < 200
    assert {f"9{n:06}" for n in range(10_250, 10_290)} <= set(done.ids)
    assert any("created at 2019-05-06T09:00:00.000+00:00" in one for one in done.tally.notes)


def test_a_search_that_goes_by_days_is_listed_all_the_same(lists: Lists, sandbox: Sandbox) -> None:
    """Where a window is rounded to whole days, no page is a step, and each step is a window."""
    search = searches(sandbox, "cds-rdm")
    search.crowd, search.rounds_ms = many = crowd(EVEN), DAY_MS
    done = lists("cds-rdm")

    complete(done, ids_of(many[0]))
    assert len(sandbox.seen) <= 1.3 * 105


def test_a_search_deaf_to_times_is_a_shortfall_and_has_an_end(
    lists: Lists, sandbox: Sandbox
) -> None:
    """What lies before the wall is listed."""
    search = searches(sandbox, "cds-rdm")
    search.crowd, search.deaf = crowd(EVEN), True
    done = lists("cds-rdm")

    assert done.error is None
    assert (10_406, 10_000) == (done.tally.expected, done.tally.found)
    assert any("does not keep to the time of creation" in one for one in done.tally.notes)
    assert len(sandbox.seen) < 210


def test_totals_that_are_lower_bounds_are_no_end(lists: Lists, sandbox: Sandbox) -> None:
    """OpenSearch counts to 10,000 only, unless told otherwise; then nothing is expected."""
    search = searches(sandbox, "cds-rdm")
    search.crowd, search.keeps_count = many = crowd(EVEN), False
    done = lists("cds-rdm")

    complete(done, ids_of(many[0]))
    assert done.tally.expected is None


# -- what changes meanwhile -------------------------------------------------------------------


def test_what_is_added_meanwhile_is_listed_too(lists: Lists, sandbox: Sandbox) -> None:
    """The oldest come first, so it comes last."""
    search = searches(sandbox, "zenodo")
    search.crowd = many = crowd([Run(300, "2025-01-01", HOUR_MS)])

    def add(number: int) -> None:
        if number % 3 == 0:
            many.runs[0] = Run(many.count + 1, "2025-01-01", HOUR_MS)

    search.before_each = add
    done = lists("zenodo")

    complete(done, ids_of(many))
    assert done.tally.expected is not None and done.tally.found > done.tally.expected


def test_what_is_published_anew_meanwhile_hides_no_other(lists: Lists, sandbox: Sandbox) -> None:
    """One vanishes from among the old and another comes at the end: the total stays, and every
    page would begin one place too late."""
    search = searches(sandbox, "zenodo")
    search.crowd = many = crowd([Run(300, "2025-01-01", HOUR_MS)])

    def renew(number: int) -> None:
        if number > 1:
            many.removed.add(number)
            many.runs[0] = Run(many.count + 1, "2025-01-01", HOUR_MS)

    search.before_each = renew
    complete(lists("zenodo"), ids_of(many))


def test_what_is_removed_before_it_is_reached_is_not_missing(
    lists: Lists, sandbox: Sandbox
) -> None:
    """The count is asked for again before a shortfall is told."""
    search = searches(sandbox, "zenodo")
    search.crowd = many = crowd([Run(100, "2025-01-01", HOUR_MS)])
    search.before_each = lambda number: many.removed.update({90, 91})  # after the first answer
    many.removed.clear()
    first = search.before_each
    search.before_each = lambda number: first(number) if number > 1 else None
    done = lists("zenodo")

    complete(done, ids_of(many))
    assert "2 fewer are there now than when the list began" in done.tally.notes


def test_a_page_is_read_again_where_hits_moved_and_no_order_helps(
    lists: Lists, sandbox: Sandbox
) -> None:
    """CDS Videos cannot be asked for the order of creation."""
    search = searches(sandbox, "cds-videos")
    search.crowd = many = crowd([Run(350, "2015-01-01", DAY_MS)])

    def lose(number: int) -> None:
        if number == 2:
            many.removed.update(range(0, 40, 2))
        if number == 4:
            many.removed.clear()

    search.before_each = lose
    done = lists("cds-videos")

    complete(done, ids_of(many))
    assert done.tally.repeated > 0


def test_videos_are_listed_past_the_wall(lists: Lists, sandbox: Sandbox) -> None:
    """By halving the time of creation; their titles are one level down."""
    search = searches(sandbox, "cds-videos")
    search.crowd = many = crowd(EVEN)
    done = lists("cds-videos")

    complete(done, ids_of(many) | {"3000001", "3000002", "3000004"})
    assert "3000003" not in done.ids
    assert len(sandbox.seen) <= 1.3 * 105
    assert {"A toy film"} == {one.title for one in done.records if one.recid == "3000001"}


# -- what goes wrong --------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("fault", "kind", "text"),
    [
        (Fault("html"), AccessDenied, None),
        (Fault("not-json"), UpstreamError, "Search request did not return valid JSON"),
        (Fault("json-shape"), UpstreamError, "The search result is not in the form"),
        (Fault("firewall"), AccessDenied, "a firewall"),
        (Fault("status", status=404), RecordNotFound, None),
        (Fault("status", status=503, retry_after="0"), Unreachable, "overloaded"),
        (Fault("redirect", location="https://example.org/"), UpstreamError, "another site"),
    ],
    ids=lambda one: f"{one.kind} {one.status}" if isinstance(one, Fault) else "",
)
def test_a_list_that_breaks_off_says_why(
    lists: Lists, sandbox: Sandbox, fault: Fault, kind: type[Exception], text: str | None
) -> None:
    """What came before it is good; the fourth page is not there any more."""
    searches(sandbox, "zenodo").crowd = crowd([Run(200, "2025-01-01", HOUR_MS)])
    searches(sandbox, "zenodo").before_each = lambda number: (
        sandbox.fault("/api/records", fault) if number == 3 else None
    )
    if fault.kind == "html":
        fault = Fault("html", body=b"<!DOCTYPE html><form><input type='password'></form>")
    done = lists("zenodo")

    assert isinstance(done.error, kind)
    assert text is None or text in str(done.error)
    assert len(set(done.ids)) == done.tally.found == 25 + 24 + 24


def test_an_overloaded_server_is_waited_for(lists: Lists, sandbox: Sandbox) -> None:
    """The client does that, so nothing is lost."""
    searches(sandbox, "zenodo").crowd = many = crowd([Run(200, "2025-01-01", HOUR_MS)])
    sandbox.fault("/api/records", Fault("status", status=429, retry_after="0"), times=1)

    complete(lists("zenodo"), ids_of(many))


@pytest.mark.parametrize("recid", ['"a\\nb"', '""', "null", "true", "[1]", '{"a": 1}'])
def test_what_cannot_be_an_id_is_no_line(lists: Lists, sandbox: Sandbox, recid: str) -> None:
    """It would be read as two, or as none."""
    body = '{"hits": {"total": 1, "hits": [{"id": %s, "metadata": {}}]}}' % recid
    sandbox.fault("/api/records", Fault("not-json", body=body.encode()))
    done = lists("cds-rdm")

    assert type(done.error) is UpstreamError and done.ids == []


def test_hits_with_odd_facts_are_listed(lists: Lists, sandbox: Sandbox) -> None:
    """A title that is no text, a time that is none, no metadata: the id is what counts."""
    body = (
        b'{"hits": {"total": 4, "hits": [{"id": 1, "metadata": {"title": {"x": 1}}},'
        b'{"id": "2-a", "created": 7}, {"id": "3", "created": "0001-01-01T00:00:00+14:00"},'
        b'{"id": "<&;", "metadata": null, "created": "2020-13-01"}]}}'
    )
    sandbox.fault("/api/records", Fault("not-json", body=body))
    done = lists("cds-rdm")

    assert (["1", "2-a", "3", "<&;"], None) == (done.ids, done.error)
