"""Listing the events of an Indico category."""

from __future__ import annotations

import json
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from listed import Lists, command, lists_of

from bagit_create.errors import AccessDenied, InputError, RecordNotFound, Unreachable, UpstreamError
from bagit_create.listing import Listed, Selection, list_records
from bagit_create.options import JobOptions
from bagit_create.sandbox import Fault, Sandbox
from bagit_create.sandbox.indico_events import ZONE

PUBLIC = ["101", "105", "106", "107", "108"]


@pytest.fixture
def options(config_file: Path) -> JobOptions:
    return JobOptions(source="indico", config=config_file, retries=1)


@pytest.fixture
def listing(config_file: Path) -> Lists:
    """The records of a selection, and how it went."""
    return lists_of("indico", config_file, category="42")


def numbers(first: int, count: int) -> list[str]:
    return [str(number) for number in range(first, first + count)]


def asked(sandbox: Sandbox) -> list[str]:
    return [one.path for one in sandbox.seen if "/export/" in one.path]


# -- what is listed -------------------------------------------------------------------------------


def test_a_category_is_listed_by_the_numbers_of_its_events(listing: Lists) -> None:
    """Those that a guest may see."""
    assert PUBLIC == listing().ids


def test_subcategories_belong_to_it(listing: Lists, sandbox: Sandbox) -> None:
    """As the export includes them."""
    sandbox.app("indico").categories.fill("43", 2)

    assert [*PUBLIC, "1000", "1001"] == listing().ids
    assert ["1000", "1001"] == listing(category="43").ids


def test_an_event_is_told_with_its_title(listing: Lists) -> None:
    """When it was changed, Indico does not tell."""
    assert Listed("indico", "101", "", "Réunion inventée") == listing().records[0]


def test_a_token_shows_protected_events(listing: Lists) -> None:
    """It goes along as a bearer, and must count."""
    done = listing("good")

    assert {"102", "104"} < set(done.ids)
    assert not done.tally.notes


def test_a_guest_is_told_what_guests_see(listing: Lists) -> None:
    """What may not be seen is left out in silence."""
    assert any("not public are left out" in note for note in listing().tally.notes)


def test_what_is_listed_can_be_asked_for(listing: Lists, harvest: Any) -> None:
    """An id of a list is what --recid takes."""
    assert 0 == harvest(listing().ids[0], "indico", dry_run=True)["status"]


def test_upstream_counts_nothing_so_nothing_is_expected(listing: Lists) -> None:
    """``count`` is that of one answer."""
    tally = listing().tally

    assert (None, 5, 0) == (tally.expected, tally.found, tally.shortfall)


# -- pages ----------------------------------------------------------------------------------------


def test_all_pages_are_read(listing: Lists, sandbox: Sandbox) -> None:
    """They overlap; what comes again for that is no repeat."""
    sandbox.app("indico").categories.fill("43", 1200)

    done = listing(category="43")

    assert numbers(1000, 1200) == done.ids
    assert 0 == done.tally.repeated and 6 > len(asked(sandbox))


@pytest.mark.parametrize("hidden", [1, 600, 1100])
def test_pages_that_show_little_or_nothing_end_nothing(
    hidden: int, listing: Lists, sandbox: Sandbox
) -> None:
    """The server counts first and hides then; whoever stops there loses all that follows."""
    categories = sandbox.app("indico").categories
    categories.fill("43", hidden, state="protected")
    categories.fill("43", 520, 5000)

    done = listing(category="43")

    assert numbers(5000, 520) == done.ids
    assert any("may not be seen" in note for note in done.tally.notes)


def test_hidden_events_are_not_told_in_too_great_a_number(listing: Lists, sandbox: Sandbox) -> None:
    """``at least``: pages overlap, and the last one does not tell what it lacks."""
    categories = sandbox.app("indico").categories
    categories.fill("43", 10)
    categories.fill("43", 700, 2000, state="protected")
    categories.fill("43", 900, 5000)

    [note] = [one for one in listing(category="43").tally.notes if "at least" in one]

    assert 600 <= int(note.split()[2]) <= 700


def test_an_order_is_asked_for(listing: Lists, sandbox: Sandbox) -> None:
    """Without one, the store's own may change from page to page."""
    events = sandbox.app("indico").events
    sandbox.app("indico").events = dict(reversed(events.items()))

    assert PUBLIC == listing().ids


def test_a_server_that_keeps_no_order_is_an_error(listing: Lists, sandbox: Sandbox) -> None:
    """Its pages may lack some events and have others twice."""
    sandbox.app("indico").events = dict(reversed(sandbox.app("indico").events.items()))
    sandbox.app("indico").categories.unordered = True

    with pytest.raises(UpstreamError, match="list of events"):
        listing()


def test_the_same_page_for_ever_is_an_error(listing: Lists, sandbox: Sandbox) -> None:
    """A server that pays no heed to the offset."""
    sandbox.app("indico").categories.fill("43", 600)
    sandbox.app("indico").categories.deaf = True

    with pytest.raises(UpstreamError, match="again and again"):
        listing(category="43")

    assert 2 == len(asked(sandbox))


def test_a_few_events_taken_away_meanwhile_cost_no_other(
    options: JobOptions, sandbox: Sandbox
) -> None:
    """Those that follow move up, into what pages have in common."""
    sandbox.app("indico").categories.fill("43", 700)
    made = list_records(options, Selection(category="43"))
    listed = iter(made)

    found = [next(listed).recid]
    for number in numbers(1100, 5):
        del sandbox.app("indico").events[number]
    found += [one.recid for one in listed]

    assert numbers(1000, 700) == found
    assert not any("taken away" in note for note in made.tally.notes)


def test_many_events_taken_away_meanwhile_are_told_of(
    options: JobOptions, sandbox: Sandbox
) -> None:
    """More than pages have in common: others may have been passed over."""
    sandbox.app("indico").categories.fill("43", 700)
    made = list_records(options, Selection(category="43"))
    listed = iter(made)

    next(listed)
    for number in numbers(1100, 30):
        del sandbox.app("indico").events[number]
    list(listed)

    assert any("taken away" in note for note in made.tally.notes)
    assert "taken away" in made.tally.cut


def test_the_cache_of_the_server_is_passed_by(listing: Lists, sandbox: Sandbox) -> None:
    """Pages of different minutes do not fit together."""
    listing()

    assert all("&nc=yes" in path for path in asked(sandbox))


# -- windows --------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "since, until, expected",
    [
        ("2000-01-02", "", ["1001", "1002"]),
        ("", "2000-01-02", ["1000", "1001"]),
        ("2000-01-02", "2000-01-02", ["1001"]),
        # they begin at 9:00 in the server's zone, which is 7:00 UTC
        ("2000-01-02T07:00:00Z", "2000-01-02T07:00:00Z", ["1001"]),
        ("2000-01-02T07:00:01Z", "2000-01-03T06:59:59Z", []),
        ("", "2000-01-01T09:00:00+02:00", ["1000"]),
    ],
)
def test_a_window_is_of_the_day_an_event_begins(
    since: str, until: str, expected: list[str], listing: Lists, sandbox: Sandbox
) -> None:
    """Both ends are included."""
    sandbox.app("indico").categories.fill("43", 3)

    assert expected == listing(category="43", since=since, until=until).ids


def test_a_window_is_exact_to_the_second(listing: Lists, sandbox: Sandbox) -> None:
    """The export knows minutes only."""
    app = sandbox.app("indico")
    app.categories.fill("43", 3)
    for second, event in zip((19, 20, 21), ("1000", "1001", "1002"), strict=True):
        app.events[event].begins = datetime(2020, 1, 1, 2, 0, second, tzinfo=ZONE)
        app.events[event].ends = app.events[event].begins
    moment = "2020-01-01T00:00:20Z"

    assert ["1001"] == listing(category="43", since=moment, until=moment).ids


@pytest.mark.parametrize(
    "since, until, is_in",
    [
        ("", "2020-01-01", True),
        ("2020-01-01", "2020-01-01", True),
        ("2020-01-02", "2020-01-02", False),
        ("2020-01-02", "", False),
        ("2019-12-31", "2019-12-31", False),
    ],
)
def test_an_event_of_several_days_is_in_one_window(
    since: str, until: str, is_in: bool, listing: Lists, sandbox: Sandbox
) -> None:
    """That of its first day, whichever bounds are given; the export itself judges differently."""
    app = sandbox.app("indico")
    app.categories.fill("43", 1)
    app.events["1000"].begins = datetime(2020, 1, 1, 0, 0, tzinfo=ZONE)
    app.events["1000"].ends = app.events["1000"].begins + timedelta(days=5)

    assert (["1000"] if is_in else []) == listing(category="43", since=since, until=until).ids


def test_a_window_that_is_empty_is_an_empty_list(listing: Lists) -> None:
    """The category has other events, so there is nothing to complain of."""
    assert [] == listing(until="1999-12-31").ids


# -- nothing to see -------------------------------------------------------------------------------


def test_an_empty_category_is_an_empty_list(listing: Lists) -> None:
    """Its page says that it is there."""
    done = listing(category="45")

    assert ([], 0) == (done.records, done.tally.pages)


def test_a_category_that_is_missing_is_not_found(listing: Lists) -> None:
    """The export shows an empty list for it; its page is asked."""
    with pytest.raises(RecordNotFound) as caught:
        listing(category="4711")

    assert "/category/NUMBER/" in caught.value.hint


def test_a_closed_category_that_shows_nothing_is_denied(listing: Lists, sandbox: Sandbox) -> None:
    """An empty list would look right."""
    sandbox.app("indico").categories.fill("44", 2, state="protected")

    with pytest.raises(AccessDenied, match="is protected") as caught:
        listing(category="44")

    assert "read:legacy_api" in caught.value.hint
    assert ["1000", "1001"] == listing("good", category="44").ids


def test_a_closed_category_lists_its_public_events(listing: Lists, sandbox: Sandbox) -> None:
    """As Indico does."""
    sandbox.app("indico").categories.fill("44", 1)

    assert ["1000"] == listing(category="44").ids


def test_a_token_for_the_export_alone_may_not_open_the_page(listing: Lists) -> None:
    """So nobody knows whether the category is empty or missing, and that is said."""
    done = listing("export", category="45")

    assert [] == done.records
    assert any("may not open the category's page" in note for note in done.tally.notes)


# -- the command ----------------------------------------------------------------------------------


def test_the_command_lists_a_category(config_file: Path) -> None:
    """As JSON lines, if that is asked for."""
    done = command(config_file, "--source", "indico", "--category", "42", "--json")

    lines = [json.loads(line) for line in done.stdout.splitlines()]
    assert (0, PUBLIC) == (done.returncode, [one["recid"] for one in lines])
    assert "not public are left out" in done.stderr


def test_a_category_that_is_missing_is_5(config_file: Path) -> None:
    """An empty list would look as if all was well."""
    done = command(config_file, "--source", "indico", "--category", "4711")

    assert (5, "") == (done.returncode, done.stdout)


# -- refusals -------------------------------------------------------------------------------------


@pytest.mark.parametrize("category", ["", "42/", "https://indico.example/category/42/", "4 2", "é"])
def test_what_is_no_category_is_refused_before_any_request(
    category: str, listing: Lists, sandbox: Sandbox
) -> None:
    """With a word on where the number is found."""
    with pytest.raises(InputError, match="/category/NUMBER/"):
        listing(category=category)

    assert not sandbox.seen


def test_a_name_for_a_category_is_judged_by_the_server(listing: Lists) -> None:
    """Old categories have ids with letters; most servers want numbers."""
    with pytest.raises(UpstreamError) as caught:
        listing(category="abc")

    assert 400 == caught.value.http_status


def test_all_that_indico_does_not_know_is_refused_at_once(listing: Lists, sandbox: Sandbox) -> None:
    """In one message, before any request."""
    with pytest.raises(InputError) as caught:
        listing(query="x", set="y", until="soon", category="")

    wrong = ("--query", "--set", "--until", "--category")
    assert all(flag in str(caught.value) for flag in wrong)
    assert not sandbox.seen


@pytest.mark.parametrize("token", ["wrong", "files"])
def test_a_token_that_does_not_count_is_denied(token: str, listing: Lists) -> None:
    """It does not become a guest's list; the answer is 400 and a web page."""
    with pytest.raises(AccessDenied, match="token is not valid"):
        listing(token)


@pytest.mark.parametrize(
    "fault, error",
    [
        (Fault("html"), UpstreamError),
        (Fault("html", body=b'<html><form><input type="password"></form>'), AccessDenied),
        (Fault("json-shape"), UpstreamError),
        (Fault("not-json"), UpstreamError),
        (Fault("html", body=b'{"count": 1, "results": []}'), UpstreamError),
        (Fault("html", body=b'{"count": 0, "results": {}}'), UpstreamError),
        (
            Fault("html", body=b'{"count": 1, "results": [{"id": "1", "title": "x"}]}'),
            UpstreamError,
        ),
        (Fault("status", status=400), UpstreamError),
        (Fault("status", status=403), AccessDenied),
        (Fault("status", status=404), RecordNotFound),
        (Fault("status", status=429, retry_after="0"), Unreachable),
        (Fault("status", status=500), Unreachable),
    ],
)
def test_what_is_no_list_is_an_error(
    fault: Fault, error: type[Exception], listing: Lists, sandbox: Sandbox
) -> None:
    """Whatever the status claims."""
    sandbox.fault("/export/categ/", fault)

    with pytest.raises(error) as caught:
        listing()

    assert error is type(caught.value)


def test_the_server_is_asked_again_where_that_helps(listing: Lists, sandbox: Sandbox) -> None:
    """One failure in the middle loses nothing."""
    sandbox.app("indico").categories.fill("43", 600)
    sandbox.fault("offset=490", Fault("status", status=502), times=1)

    assert 600 == len(listing(category="43").ids)
