"""The search of Invenio v1, whose last page repeats for ever."""

from __future__ import annotations

from pathlib import Path

import pytest
from listed import Lists, lists_with

from bagit_create.errors import AccessDenied, UpstreamError
from bagit_create.sandbox import Fault, Sandbox
from bagit_create.sandbox.crowd import DAY_MS, Crowd, Run

NOTES = {f"9{n:06}" for n in range(730)}


@pytest.fixture
def lists(config_file: Path, sandbox: Sandbox) -> Lists:
    crowd = Crowd([Run(730, "2012-01-01", DAY_MS)], "9{n:06}", "Notes & Drafts")
    sandbox.app("cds").finder.crowd = crowd
    return lists_with(config_file)


@pytest.mark.parametrize("tells_total", [True, False])
@pytest.mark.parametrize("counts_from", [0, 1, -1, None])
def test_a_collection_is_listed_however_the_server_counts(
    lists: Lists, sandbox: Sandbox, counts_from: int | None, tells_total: bool
) -> None:
    """Pages of ids from 0 or from 1, or all at once; with a total or without."""
    finder = sandbox.app("cds").finder
    finder.counts_from, finder.tells_total = counts_from, tells_total
    done = lists("cds", collection="Notes & Drafts")

    assert done.error is None
    assert NOTES == set(done.ids) and 730 == len(done.ids)
    assert (730 if tells_total else None) == done.tally.expected
    assert len(sandbox.seen) <= 7


@pytest.mark.parametrize("counts_from", [0, 1, -1, None])
@pytest.mark.parametrize("number", [0, 1, 199, 200, 201, 399, 400])
def test_no_record_is_lost_at_the_edge_of_a_page(
    lists: Lists, sandbox: Sandbox, number: int, counts_from: int | None
) -> None:
    """200 are a page."""
    finder = sandbox.app("cds").finder
    finder.crowd, finder.counts_from = (
        Crowd([Run(number, "2012-01-01", 1)], "9{n}", "X"),
        counts_from,
    )
    done = lists("cds", collection="X")

    assert (None, number, number) == (done.error, len(set(done.ids)), done.tally.expected)


def test_a_query_is_the_servers_own(lists: Lists, sandbox: Sandbox) -> None:
    """Alone, or in a collection; restricted records are left out silently by the server."""
    assert ["1002"] == lists("cds", query="plain thesis").ids
    assert [] == lists("cds", query="plain thesis", collection="Notes & Drafts").ids
    assert "1403" not in lists("cds", query="thesis").ids


def test_all_can_be_listed_by_search(lists: Lists, sandbox: Sandbox) -> None:
    """Instead of by OAI-PMH."""
    done = lists("cds", via="search")

    assert NOTES < set(done.ids) and done.tally.expected == done.tally.found
    assert all(one.path.startswith("/search?") for one in sandbox.seen)


def test_a_collection_without_records_may_not_be_there(lists: Lists) -> None:
    """The server does not say which it is."""
    done = lists("cds", collection="Nothing")

    assert (None, [], 0) == (done.error, done.ids, done.tally.expected)
    assert ["there may be no collection 'Nothing'"] == done.tally.notes


def test_what_is_added_meanwhile_hides_nothing(lists: Lists, sandbox: Sandbox) -> None:
    """The newest come first, so that all others move to later places."""
    finder = sandbox.app("cds").finder

    def grow(number: int) -> None:
        finder.crowd.runs = [Run(730 + 50 * number, "2012-01-01", DAY_MS)]

    finder.before_each = grow
    done = lists("cds", collection="Notes & Drafts")

    assert done.error is None and NOTES <= set(done.ids)


@pytest.mark.parametrize(
    ("fault", "kind", "text"),
    [
        (Fault("html"), AccessDenied, "sign"),
        (Fault("html", body=b"<html>not a bot</html>"), UpstreamError, "--via oai"),
        (Fault("not-json"), UpstreamError, "did not return a list of ids"),
        (Fault("not-json", body=b"[1, 2, 'x']"), UpstreamError, "did not return a list of ids"),
        (Fault("not-json", body=b"[1 2,"), UpstreamError, "did not return a list of ids"),
        (Fault("empty"), UpstreamError, "did not return a list of ids"),
    ],
    ids=["login", "wall", "nonsense", "text", "cut", "empty"],
)
def test_what_is_no_list_of_ids_is_a_clear_error(
    lists: Lists, sandbox: Sandbox, fault: Fault, kind: type[Exception], text: str
) -> None:
    if text == "sign":
        fault = Fault("html", body=b"<html><form><input type='password'></form></html>")
        text = "login"
    sandbox.fault("of=id", fault)
    error = lists("cds", collection="Notes & Drafts").error

    assert type(error) is kind and text in str(error)
