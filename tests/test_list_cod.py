"""Listing the records of CERN Open Data."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest
from listed import Lists, command, lists_of

from bagit_create.errors import AccessDenied, InputError, RecordNotFound, Unreachable, UpstreamError
from bagit_create.listing import Selection, list_records
from bagit_create.listing.cod import in_fields
from bagit_create.options import JobOptions
from bagit_create.sandbox import Fault, Sandbox
from bagit_create.sandbox.crowd import Crowd, Run

WITH_A_PATH = b'{"hits": {"total": 1, "hits": [{"id": "1", "metadata": {"recid": "../1"}}]}}'
RECORDS = {"1", "2", "3", "4", "5", "7", "8", "11", "12"}


@pytest.fixture
def options(config_file: Path) -> JobOptions:
    return JobOptions(source="cod", config=config_file, retries=1)


@pytest.fixture
def listing(config_file: Path) -> Lists:
    """The records of a selection, and how it went."""
    return lists_of("cod", config_file)


@pytest.fixture
def crowd(sandbox: Sandbox) -> Callable[..., Crowd]:
    """Have the search find many more."""

    def put(*runs: Run, **more: Any) -> Crowd:
        made = Crowd(list(runs), **{"ident": "1{n:06}", **more})
        sandbox.app("cod").search.searches.crowd = made
        return made

    return put


def queries(sandbox: Sandbox) -> list[dict[str, str]]:
    """The parameters of each search."""
    asked = [parse_qs(urlsplit(one.path).query) for one in sandbox.seen]
    return [{name: values[0] for name, values in one.items()} for one in asked]


# -- what is listed -------------------------------------------------------------------------------


def test_all_records_are_listed(listing: Lists) -> None:
    """Those on demand among them, which a search hides from who does not ask."""
    assert RECORDS == set(listing().ids)


def test_documents_of_the_portal_are_told_of_and_left_out(listing: Lists) -> None:
    """--recid takes no article, no news and no term; upstream counts them all the same."""
    done = listing()

    [note] = [one for one in done.tally.notes if "no records" in one]
    assert note.startswith("4 pages") and "(Documentation 1, Glossary 2, News 1)" in note
    assert (9, 9, 0) == (done.tally.expected, done.tally.found, done.tally.shortfall)


def test_a_record_is_told_with_its_title_and_time(listing: Lists) -> None:
    """A recid that is a number is a text here."""
    [second] = [one for one in listing().records if one.recid == "2"]

    assert "Invented collision data, été 2012" == second.title
    assert second.modified.startswith("2026-06-30T12:34:56.789")


def test_a_record_with_another_name_is_listed_by_its_own(listing: Lists, sandbox: Sandbox) -> None:
    """That is what its package is called."""
    body = {"hits": {"total": 1, "hits": [{"id": "cms-1", "metadata": {"recid": "2"}}]}}
    sandbox.fault("/api/records/", Fault("html", body=json.dumps(body).encode()))

    assert {"2"} == set(listing().ids)


def test_what_is_listed_can_be_asked_for(listing: Lists, harvest: Any) -> None:
    """An id of a list is what --recid takes."""
    [only] = listing(query="collision").ids

    assert 0 == harvest(only, "cod", dry_run=True)["status"]


def test_lists_of_files_are_not_asked_for(listing: Lists, sandbox: Sandbox) -> None:
    """They may be megabytes a record."""
    listing()

    assert all("skip_files" in one for one in queries(sandbox))


# -- the query ------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "query, expected",
    [
        ("collision", {"2"}),
        ("type:Dataset", {"2", "3", "5"}),
        ("type:Dataset collision", {"2"}),
        ("experiment:CMS", {"2", "3", "5"}),
        ('doi:"10.7483/OPENDATA.CMS.HIDD.EN00"', {"12"}),
        ("nothing-like-it", set()),
    ],
)
def test_a_query_is_the_portals_own(query: str, expected: set[str], listing: Lists) -> None:
    """Words, fields, and facets."""
    done = listing(query=query)

    assert expected == set(done.ids)
    assert 0 == done.tally.shortfall


@pytest.mark.parametrize(
    "query, asked",
    [
        ("type:Dataset", "type.primary:Dataset"),
        ('type:"Dataset" higgs', 'type.primary:"Dataset" higgs'),
        ("type:Dataset::Collision", "(type.primary:Dataset AND type.secondary:Collision)"),
        ("type:Dataset+subtype:Collision", "(type.primary:Dataset AND type.secondary:Collision)"),
        ("(file_type:csv OR x) AND y", "(distribution.formats:csv OR x) AND y"),
        ("year:2010--2012", "date_created:[2010 TO 2012]"),
        ("year:--2012", "date_created:[* TO 2012]"),
        ("year:2011", "date_created:2011"),
        ("experiment:CMS", "experiment:CMS"),
        ("type.primary:Dataset mytype:x", "type.primary:Dataset mytype:x"),
        ('"type:Dataset" x', '"type:Dataset" x'),
        ('title:"a type:b \\" type:c"', 'title:"a type:b \\" type:c"'),
        ('collision_energy:"13 TeV"', 'collision_information.energy:"13 TeV"'),
        ("", ""),
    ],
)
def test_facets_become_fields_of_the_index(query: str, asked: str) -> None:
    """The interface itself does not read them in a query, and finds nothing without a word."""
    assert asked == in_fields(query)


@pytest.mark.parametrize(
    "since, until, count",
    [
        ("2024-01-01", "", 10),
        ("2024-01-03", "", 8),
        ("", "2024-01-03", 3),
        ("2024-01-02", "2024-01-03", 2),
        ("2024-01-02T00:00:00Z", "2024-01-02T00:00:00Z", 1),
        ("2030-01-01", "", 0),
    ],
)
def test_a_window_is_of_the_last_change(
    since: str, until: str, count: int, listing: Lists, crowd: Any
) -> None:
    """Both ends are included; with a query, both count."""
    crowd(Run(10, "2024-01-01T00:00:00+00:00", 24 * 3600 * 1000), title="generated")

    done = listing(since=since, until=until, query="generated")

    assert (count, 0) == (len(done.records), done.tally.shortfall)


# -- pages, the wall, and counts ------------------------------------------------------------------


def test_pages_come_in_an_order_that_lasts(listing: Lists, sandbox: Sandbox, crowd: Any) -> None:
    """By the score, hits of one score change places from page to page."""
    crowd(Run(500, "2024-01-01T00:00:00+00:00", 1000))

    assert 509 == len(listing().ids)
    assert {"mostrecent"} == {one["sort"] for one in queries(sandbox)}


def test_more_than_a_search_hands_out_is_listed(
    listing: Lists, sandbox: Sandbox, crowd: Any
) -> None:
    """By windows of creation; the pages are few more than needed."""
    crowd(
        Run(9_000, "2014-11-20T00:00:00+00:00", 3_600_000),
        Run(9_000, "2024-12-10T00:00:00+00:00", 60_000),
    )

    done = listing()

    assert 18_009 == len(done.records) == done.tally.expected
    assert 1.3 * 18_013 / 200 > len(queries(sandbox))


def test_a_bulk_that_cannot_be_parted_shows_as_a_shortfall(listing: Lists, crowd: Any) -> None:
    """More at one moment than a search hands out."""
    crowd(Run(10_300, "2024-12-10T08:30:00+00:00", 0))

    done = listing(query="crowd")

    assert (10_300, 10_000, 300) == (done.tally.expected, len(done.records), done.tally.shortfall)
    assert any("the search" in note for note in done.tally.notes)


def test_a_record_published_meanwhile_costs_no_other(
    options: JobOptions, sandbox: Sandbox, crowd: Any
) -> None:
    """It moves all others on; what comes again is listed once."""
    put = crowd(Run(450, "2024-01-01T00:00:00+00:00", 1000), Run(0, "2025-01-01T00:00:00+00:00", 1))
    made = list_records(options, Selection(query="crowd"))
    listed = iter(made)

    found = {next(listed).recid}
    put.runs[1] = Run(3, "2025-01-01T00:00:00+00:00", 1)
    found |= {one.recid for one in listed}

    assert {f"1{n:06}" for n in range(453)} == found
    assert 0 == made.tally.shortfall


def test_a_page_that_comes_for_ever_ends_in_a_shortfall(listing: Lists, sandbox: Sandbox) -> None:
    """The total tells what is missing; it is not asked for without end."""
    hits = [{"id": str(n), "metadata": {"recid": str(n)}} for n in range(100, 300)]
    body = json.dumps({"hits": {"total": 1000, "hits": hits}}).encode()
    sandbox.fault("/api/records/", Fault("html", body=body))

    done = listing()

    assert (200, 800) == (len(done.records), done.tally.shortfall)
    assert 20 > len(sandbox.seen)


# -- the command ----------------------------------------------------------------------------------


def test_the_command_lists_a_search(config_file: Path) -> None:
    """Ids to standard output, what was counted and left out to standard error."""
    done = command(config_file, "--source", "cod", "--query", "type:Dataset")

    assert (0, {"2", "3", "5"}) == (done.returncode, set(done.stdout.split()))
    assert "3 of 3 records found" in done.stderr


def test_a_shortfall_is_8(config_file: Path, sandbox: Sandbox) -> None:
    """What was found is written all the same."""
    body = b'{"hits": {"total": 5, "hits": [{"id": "1", "metadata": {"recid": "1"}}]}}'
    sandbox.fault("/api/records/", Fault("html", body=body))

    done = command(config_file, "--source", "cod")

    assert (8, "1\n") == (done.returncode, done.stdout)
    assert "4 of 5 records were not listed" in done.stderr


# -- refusals -------------------------------------------------------------------------------------


def test_all_that_the_portal_does_not_know_is_refused_at_once(
    listing: Lists, sandbox: Sandbox
) -> None:
    """In one message, before any request."""
    with pytest.raises(InputError) as caught:
        listing(group="x", set="y", via="oai", until="soon")

    assert all(flag in str(caught.value) for flag in ("--group", "--set", "--via", "--until"))
    assert not sandbox.seen


def test_a_query_that_cannot_be_read_is_refused(listing: Lists) -> None:
    """By the portal, with its words."""
    with pytest.raises(UpstreamError, match="syntax"):
        listing(query="(higgs")


@pytest.mark.parametrize(
    "fault, error",
    [
        (Fault("html"), UpstreamError),
        (Fault("html", body=b'<html><form><input type="password"></form>'), AccessDenied),
        (Fault("json-shape"), UpstreamError),
        (Fault("not-json"), UpstreamError),
        (Fault("html", body=b'{"hits": {"total": "x", "hits": []}}'), UpstreamError),
        (Fault("html", body=b'{"hits": {"total": 1, "hits": [{"id": "1"}]}}'), UpstreamError),
        (Fault("html", body=WITH_A_PATH), UpstreamError),
        (Fault("status", status=401), AccessDenied),
        (Fault("status", status=404), RecordNotFound),
        (Fault("status", status=429, retry_after="0"), Unreachable),
        (Fault("status", status=502), Unreachable),
    ],
)
def test_what_is_no_result_is_an_error(
    fault: Fault, error: type[Exception], listing: Lists, sandbox: Sandbox
) -> None:
    """Whatever the status claims."""
    sandbox.fault("/api/records/", fault)

    with pytest.raises(error) as caught:
        listing()

    assert error is type(caught.value)


def test_the_limit_of_requests_is_kept(listing: Lists, sandbox: Sandbox, crowd: Any) -> None:
    """429 in the middle loses nothing."""
    crowd(Run(500, "2024-01-01T00:00:00+00:00", 1000))
    sandbox.fault("page=2", Fault("status", status=429, retry_after="0"), times=1)

    assert 509 == len(listing().ids)
