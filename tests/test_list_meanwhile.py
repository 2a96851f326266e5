"""Lists whose counts add up, or are not told, though something is missing."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from listed import Lists, answered, crowd_of, lists_with

from bagit_create.errors import UpstreamError
from bagit_create.listing import windows
from bagit_create.sandbox import Fault, Sandbox, searches
from bagit_create.sandbox.crowd import DAY_MS, Crowd, Run
from bagit_create.sandbox.oai import HEAD, ROOT, Interface

MANY = [Run(230, "2020-01-01T00:00:00Z", DAY_MS)]


@pytest.fixture
def lists(config_file: Path) -> Lists:
    return lists_with(config_file)


@pytest.fixture
def old(sandbox: Sandbox) -> Interface:
    """OAI-PMH of Invenio v1, over 230 records in pages of 50."""
    app = sandbox.app("cds")
    app.busy_oai = 0
    app.finder.crowd = Crowd(MANY, "9{n:06}", "THESES")
    found: Interface = app.finder.interface
    found.page = 50
    return found


def test_a_record_that_was_restored_meanwhile_is_listed(
    lists: Lists, old: Interface, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It was told as deleted on a page before; whoever lists ids had left it out."""
    monkeypatch.setattr(Crowd, "one", dead_until(old, lists=2))
    old.order, old.expires = "none", {1}
    done = lists("cds", set="THESES")

    alive = [one.recid for one in done.records if not one.deleted]
    assert (None, 0) == (done.error, done.tally.deleted)
    assert any(one.deleted for one in done.records)
    assert {f"9{n:06}" for n in range(230)} == set(alive)
    assert len(alive) == len(set(alive)) == done.tally.found


def dead_until(interface: Interface, lists: int) -> Any:
    """The first ten records are deleted until the set is listed for the n-th time."""
    plain = Crowd.one

    def one(crowd: Crowd, number: int) -> Any:
        return plain(crowd, number)._replace(deleted=number < 10 and interface.lists < lists)

    return one


@pytest.mark.parametrize("counts", [True, False])
def test_a_token_that_leads_to_nothing_is_no_end(
    counts: bool, lists: Lists, old: Interface, sandbox: Sandbox
) -> None:
    """Some servers say noRecordsMatch of a token that they have forgotten."""
    old.counts = counts
    text = f'{HEAD}{ROOT}<error code="noRecordsMatch">none</error></OAI-PMH>'.encode()
    sandbox.fault("resumptionToken", Fault("html", body=text), times=1)
    done = lists("cds", set="THESES")

    assert (None, 0) == (done.error, done.tally.shortfall)
    assert {f"9{n:06}" for n in range(230)} == set(done.ids)


def test_a_server_that_ends_every_list_so_is_not_asked_for_ever(
    lists: Lists, old: Interface, sandbox: Sandbox
) -> None:
    """What came is listed, and that it may not be all is told."""
    old.counts = False
    text = f'{HEAD}{ROOT}<error code="noRecordsMatch">none</error></OAI-PMH>'.encode()
    sandbox.fault("resumptionToken", Fault("html", body=text))
    done = lists("cds", set="THESES")

    assert done.error is None and "ended in nothing" in done.tally.cut
    assert len(sandbox.seen) < 20


@pytest.mark.parametrize("source", ["zenodo", "cds-videos"])
@pytest.mark.parametrize("is_named", [True, False])
def test_a_page_that_is_cut_short_is_told_of_where_totals_are_bounds(
    source: str, is_named: bool, lists: Lists, sandbox: Sandbox, monkeypatch: pytest.MonkeyPatch
) -> None:
    """An ailing server shows less than it counts; no total of all says what is missing."""
    monkeypatch.setattr(windows, "WALL", 200)
    monkeypatch.setattr(searches, "WINDOW", 200)
    crowd_of(sandbox, source, [Run(700, "2010-01-01", DAY_MS)])
    search = sandbox.app(source).searches
    if is_named:
        search.keeps_count = False
    else:
        monkeypatch.setattr(search, "total", lambda found: min(found, 200))

    def ail(body: Any) -> None:
        if search.asked > 8:
            del body["hits"]["hits"][5:]

    sandbox.fault("/records", answered(ail), source=source)
    done = lists(source)

    assert isinstance(done.error, UpstreamError) or done.tally.cut


@pytest.mark.parametrize("source", ["zenodo", "cds-rdm"])
@pytest.mark.parametrize("until", [6, 9])
def test_new_records_do_not_make_up_for_those_of_a_shard_that_failed(
    source: str, until: int, lists: Lists, sandbox: Sandbox
) -> None:
    """For a while a third is neither shown nor counted, and meanwhile as many are published."""
    size = {"zenodo": 25, "cds-rdm": 100}[source]
    crowd = crowd_of(sandbox, source, [Run(12 * size, "2015-01-01T00:00:00Z", DAY_MS)])
    before = {one.recid for one in crowd}
    search = sandbox.app(source).searches

    def ail(number: int) -> None:
        crowd.removed = set(range(0, 12 * size, 3)) if 5 <= number < until else set()
        if number == until:
            crowd.runs.append(Run(12 * size, "2024-01-01T00:00:00Z", 1000))

    search.before_each = ail
    done = lists(source)

    assert (None, 0) == (done.error, done.tally.shortfall)
    assert before <= set(done.ids) or done.tally.cut == windows.AILING
    assert until == 9 or not done.tally.cut


def test_who_asks_for_times_of_a_server_that_knows_days_is_told(
    lists: Lists, old: Interface
) -> None:
    """It lists the whole day."""
    old.form = "day"
    times = lists("cds", set="THESES", since="2020-02-01T12:00:00Z", until="2020-02-02").tally
    days = lists("cds", set="THESES", since="2020-02-01", until="2020-02-02").tally

    assert (2, 2) == (times.found, days.found)
    assert [True, False] == [any("knows days" in n for n in one.notes) for one in (times, days)]


def test_what_has_no_oai_identifier_is_not_passed_over_in_silence(
    lists: Lists, old: Interface
) -> None:
    """All that a set has must have one."""
    notes = [
        lists("cds", **more).tally.notes for more in ({}, {"set": "THESES"}, {"via": "search"})
    ]

    assert [True, False, False] == [any("no OAI" in one for one in some) for some in notes]


@pytest.mark.parametrize("rounds_ms", [1000, DAY_MS])
@pytest.mark.parametrize("gap_ms", [0, 10])
@pytest.mark.parametrize("is_named", [True, False])
def test_a_search_of_coarse_times_and_bounds_is_not_halved_without_end(
    rounds_ms: int, gap_ms: int, is_named: bool, lists: Lists, sandbox: Sandbox, monkeypatch: Any
) -> None:
    """More of one day than a search hands out: both halves of a part of it have the same hits."""
    monkeypatch.setattr(windows, "WALL", 200)
    monkeypatch.setattr(searches, "WINDOW", 200)
    crowd_of(sandbox, "cds-videos", [Run(40_000 // max(1, gap_ms), "2015-01-01", gap_ms)])
    search = sandbox.app("cds-videos").searches
    search.rounds_ms = rounds_ms
    if is_named:
        search.keeps_count = False
    else:
        monkeypatch.setattr(search, "total", lambda found: min(found, 200))

    def give_up(number: int) -> None:
        assert number < 2000

    search.before_each = give_up
    done = lists("cds-videos")

    assert done.error is None and "the search hands out no more" in done.tally.cut
    assert len(sandbox.seen) < 1500


@pytest.mark.parametrize("source", ["zenodo", "cds-videos"])
def test_a_search_that_knows_only_bounds_is_listed_to_its_end(
    source: str, lists: Lists, sandbox: Sandbox
) -> None:
    """Even of an empty time it says that there are so many at least."""
    crowd = crowd_of(sandbox, source, MANY)

    def bound(body: Any) -> None:
        body["hits"]["total"] = {"value": body["hits"]["total"], "relation": "gte"}

    sandbox.fault("/records", answered(bound), source=source)
    done = lists(source)

    assert (None, "") == (done.error, done.tally.cut)
    assert {one.recid for one in crowd} <= set(done.ids)
    assert len(sandbox.seen) < 60


@pytest.mark.parametrize("source", ["zenodo", "cds-videos"])
@pytest.mark.parametrize("total", [7, 10_000, {"value": 10_000, "relation": "gte"}])
def test_a_search_that_counts_and_shows_nothing_is_not_asked_for_ever(
    source: str, total: Any, lists: Lists, sandbox: Sandbox
) -> None:
    """There is nothing that a part of it could show."""

    def hide(body: Any) -> None:
        body["hits"] = {"total": total, "hits": []}

    sandbox.fault("/records", answered(hide), source=source)
    done = lists(source)

    assert ([], None) == (done.ids, done.error)
    assert done.tally.shortfall or done.tally.cut
    assert len(sandbox.seen) < 10


@pytest.mark.parametrize("source", ["zenodo", "cds-videos"])
def test_a_bound_that_is_given_as_the_total_of_a_moment_is_no_end(
    source: str, lists: Lists, sandbox: Sandbox, monkeypatch: pytest.MonkeyPatch
) -> None:
    """More were created at once than a search hands out, and others later."""
    monkeypatch.setattr(windows, "WALL", 200)
    monkeypatch.setattr(searches, "WINDOW", 200)
    bulk, later = Run(300, "2015-01-01T00:00:00Z", 0), Run(50, "2016-01-01T00:00:00Z", DAY_MS)
    crowd = crowd_of(sandbox, source, [bulk, later])
    search = sandbox.app(source).searches
    monkeypatch.setattr(search, "total", lambda found: min(found, 200))
    done = lists(source)

    assert {crowd.one(n).recid for n in range(300, 350)} <= set(done.ids)
    assert done.error is None and "the search hands out no more" in done.tally.cut
