"""Lists by OAI-PMH: sets, dates, tokens that die, and what may come instead of XML."""

from __future__ import annotations

from pathlib import Path
from urllib.parse import parse_qs, urlsplit

import pytest
from listed import Done, Lists, lists_with

from bagit_create.errors import AccessDenied, Unreachable, UpstreamError
from bagit_create.sandbox import Fault, Sandbox
from bagit_create.sandbox.crowd import DAY_MS, Crowd, Run
from bagit_create.sandbox.oai import HEAD, ROOT, Interface

MANY = [Run(230, "2020-01-01T00:00:00Z", DAY_MS)]


@pytest.fixture
def lists(config_file: Path, sandbox: Sandbox) -> Lists:
    sandbox.app("cds").busy_oai = 0
    sandbox.app("cds").finder.crowd = Crowd(MANY, "9{n:06}", "THESES")
    sandbox.app("cds").finder.interface.page = 50
    sandbox.app("zenodo").searches.crowd = Crowd(MANY, "9{n:06}", "big")
    return lists_with(config_file)


@pytest.fixture
def old(sandbox: Sandbox) -> Interface:
    """The interface of Invenio v1."""
    found: Interface = sandbox.app("cds").finder.interface
    return found


@pytest.fixture
def new(sandbox: Sandbox) -> Interface:
    """The interface of Zenodo."""
    found: Interface = sandbox.app("zenodo").interface
    return found


def asked(sandbox: Sandbox) -> list[dict[str, str]]:
    """The parameters of the requests."""
    queries = [parse_qs(urlsplit(one.path).query) for one in sandbox.seen]
    return [{key: value for key, [value] in one.items()} for one in queries]


CROWD = {f"9{n:06}" for n in range(230)}


def complete(done: Done, expected: set[str] = CROWD) -> None:
    """All are there, once each, and the counts say so."""
    assert done.error is None
    assert len(done.ids) == len(set(done.ids)) == done.tally.found == done.tally.expected
    assert expected - set(done.ids) == set()


# -- what is listed ---------------------------------------------------------------------------


def test_a_set_is_listed(lists: Lists) -> None:
    """By the record id in each identifier, and the datestamp."""
    done = lists("cds", set="THESES")

    complete(done)
    assert CROWD == set(done.ids)
    assert ("9000001", "2020-01-02T00:00:00Z") == (done.ids[1], done.records[1].modified)


def test_deleted_records_are_marked(lists: Lists) -> None:
    """They are counted too."""
    done = lists("cds", set="cerncds:FULLTEXT")

    assert ["1410"] == [one.recid for one in done.records if one.deleted]
    assert 1 == done.tally.deleted
    assert done.tally.expected == done.tally.found


def test_a_token_is_sent_alone(lists: Lists, sandbox: Sandbox) -> None:
    """Everything else is in it (section 3.5 of the protocol)."""
    lists("cds", set="THESES", since="2020-01-01")

    tokens = [one for one in asked(sandbox) if "resumptionToken" in one]
    assert 4 == len(tokens)
    assert all(set(one) == {"verb", "resumptionToken"} for one in tokens)


@pytest.mark.parametrize("source", ["cds", "zenodo"])
def test_a_date_window_has_both_its_ends(lists: Lists, source: str) -> None:
    """To the second, or to the day where the server knows days only."""
    done = lists(source, via="oai", since="2020-01-03", until="2020-01-05")

    assert {"9000002", "9000003", "9000004"} == set(done.ids)


def test_days_are_asked_for_where_there_are_no_times(
    lists: Lists, old: Interface, sandbox: Sandbox
) -> None:
    """A time would be a bad argument."""
    old.form = "day"
    done = lists("cds", since="2020-01-03T10:00:00Z", until="2020-01-05")

    assert {"9000002", "9000003", "9000004"} == set(done.ids)
    assert ("2020-01-03", "2020-01-05") == (asked(sandbox)[1]["from"], asked(sandbox)[1]["until"])


def test_nothing_in_a_window_is_an_empty_list(lists: Lists) -> None:
    """``noRecordsMatch`` is no error, with either status."""
    for source in ("cds", "zenodo"):
        done = lists(source, via="oai", since="2010-01-01", until="2010-12-31")
        assert (None, [], 0) == (done.error, done.ids, done.tally.expected)


def test_a_community_is_a_set_of_its_servers_own_name(lists: Lists, sandbox: Sandbox) -> None:
    """``user-`` at Zenodo, ``community-`` elsewhere."""
    complete(lists("zenodo", community="big", via="oai"))
    sandbox.app("cds-rdm").searches.crowd = Crowd(MANY, "9{n:06}", "big")
    complete(lists("cds-rdm", community="big", via="oai"))

    assert {"user-big", "community-big"} == {one["set"] for one in asked(sandbox) if "set" in one}


def test_a_set_that_is_not_there_is_an_error_that_says_where_sets_are(lists: Lists) -> None:
    for source in ("cds", "zenodo"):
        error = lists(source, set="no:such:set").error
        assert type(error) is UpstreamError
        assert "badArgument: there is no set" in str(error) and "verb=ListSets" in str(error)


def test_identifiers_of_others_are_left_out_and_counted(
    lists: Lists, old: Interface, sandbox: Sandbox
) -> None:
    """A harvest could not ask for them."""
    sandbox.app("cds").finder.deleted = ["not/an id", "SCAN-0001"]
    done = lists("cds", set="cerncds:FULLTEXT")

    assert "2 have identifiers that name no record id here" in done.tally.notes
    assert 2 == done.tally.shortfall


def test_a_set_without_records_may_not_be_there(lists: Lists, old: Interface) -> None:
    """Some servers find nothing in what they do not know."""
    done = lists("cds", set="THESES", until="2001-01-01")

    assert (None, [], 0) == (done.error, done.ids, done.tally.expected)
    assert ["no record is in the set 'THESES', or there is no such set"] == done.tally.notes


def test_a_busy_server_is_obeyed(lists: Lists, sandbox: Sandbox) -> None:
    """503 with ``Retry-After`` for a list that comes too soon after another request."""
    sandbox.fault("metadataPrefix", Fault("status", status=503, retry_after="0"), times=1)

    complete(lists("cds"))


# -- lists that break off ---------------------------------------------------------------------


@pytest.mark.parametrize("order", ["time", "id", "none"])
@pytest.mark.parametrize("source", ["cds", "zenodo"])
def test_a_token_that_expired_loses_nothing(
    lists: Lists, sandbox: Sandbox, source: str, order: str
) -> None:
    """Whatever the order in which the server lists; ``none`` is that of invenio-oaiserver."""
    interface = old_or_new(sandbox, source)
    interface.order, interface.expires = order, {2, 5, 6}

    complete(lists(source, via="oai"))


def test_a_list_in_order_goes_on_from_the_last_datestamp(
    lists: Lists, new: Interface, sandbox: Sandbox
) -> None:
    """Not from its beginning: what was told is not told again, but for the last one."""
    new.order, new.expires = "time", {2}
    done = lists("zenodo", community="big", via="oai")

    complete(done)
    assert {"metadataPrefix": "oai_dc", "set": "user-big", "verb": "ListIdentifiers"} | {
        "from": "2020-04-09T00:00:00Z"
    } == asked(sandbox)[4]
    assert 0 == done.tally.repeated
    assert 5 == done.tally.pages


def test_a_list_without_a_size_is_never_gone_on_with_by_datestamp(
    lists: Lists, new: Interface
) -> None:
    """Nothing would tell that the order was an accident; so its time is halved."""
    new.order, new.counts, new.expires = "time", False, {2}
    done = lists("zenodo", community="big", via="oai")

    assert done.error is None and CROWD == set(done.ids)
    assert done.tally.expected is None and done.tally.repeated > 50


def test_an_order_that_was_an_accident_is_found_out(
    lists: Lists, new: Interface, sandbox: Sandbox
) -> None:
    """The first pages came in order of time, the rest is older: the size of the list tells."""
    early = Run(100, "2020-01-01T00:00:00Z", DAY_MS)
    sandbox.app("zenodo").searches.crowd = Crowd([early], "8{n:06}", "big")
    for n in range(130):
        recid, day = f"9{n:06}", f"2019-01-01T00:{n // 60:02}:{n % 60:02}Z"
        sandbox.add_record("zenodo", recid, {}, community="big", created=day, updated=day)
    new.order, new.expires = "id", {2}
    done = lists("zenodo", community="big", via="oai")

    complete(done, {f"8{n:06}" for n in range(100)} | {f"9{n:06}" for n in range(130)})


def test_a_gateway_that_gives_up_is_gone_around_in_smaller_windows(
    lists: Lists, new: Interface, sandbox: Sandbox
) -> None:
    """504 for a token, again and again, as large communities of Zenodo have it."""
    sandbox.fault("resumptionToken", Fault("status", status=504), times=4)

    complete(lists("zenodo", community="big", via="oai"))


def test_a_server_that_fails_from_the_first_request_on_is_not_asked_for_ever(
    lists: Lists, sandbox: Sandbox
) -> None:
    sandbox.fault("metadataPrefix", Fault("status", status=500))
    error = lists("zenodo", via="oai").error

    assert isinstance(error, Unreachable) and "HTTP 500" in str(error)
    assert len(sandbox.seen) == 3


def test_tokens_that_never_work_end_the_list_with_the_servers_words(
    lists: Lists, new: Interface, sandbox: Sandbox
) -> None:
    """A second that holds more than a page cannot be halved."""
    moment = [Run(60, "2020-01-01T00:00:00Z", 0)]
    sandbox.app("zenodo").searches.crowd = Crowd(moment, "9{n:06}", "big")
    new.expires = set(range(1000))
    done = lists("zenodo", community="big", via="oai")

    assert type(done.error) is UpstreamError and "badResumptionToken" in str(done.error)
    assert 50 == done.tally.found and len(sandbox.seen) < 100


@pytest.mark.parametrize("counts", [True, False])
@pytest.mark.parametrize("length", [1, 3])
def test_a_list_that_runs_in_a_circle_has_an_end(
    lists: Lists, old: Interface, length: int, counts: bool
) -> None:
    """The tokens lead back to a page that was told."""
    old.circle, old.counts, old.page = length, counts, 20
    done = lists("cds", set="THESES")

    assert type(done.error) is UpstreamError and "goes in a circle" in str(done.error)
    assert 20 * (length + 1) == done.tally.found


def test_what_was_removed_meanwhile_is_not_missing(
    lists: Lists, old: Interface, sandbox: Sandbox
) -> None:
    crowd = sandbox.app("cds").finder.crowd
    old.before_each = lambda number: crowd.removed.update({220, 221}) if number > 1 else None
    done = lists("cds", set="THESES")

    complete(done, CROWD - {"9000220", "9000221"})
    assert "2 fewer are there now than when the list began" in done.tally.notes


# -- what comes instead of a list -------------------------------------------------------------

BOMB = '<!DOCTYPE x [<!ENTITY a "ha"><!ENTITY b "&a;&a;&a;&a;">]>'
LIST = "<ListIdentifiers><header><identifier>%s</identifier></header></ListIdentifiers>"


@pytest.mark.parametrize(
    ("body", "kind", "text"),
    [
        (
            b"<!DOCTYPE html><html><body>not a bot?</body></html>",
            UpstreamError,
            "no.* XML|web page",
        ),
        (b"<html><form><input type='password'></form></html>", AccessDenied, "login"),
        (f"{HEAD}{ROOT}<ListIdentifiers><header>".encode(), UpstreamError, "well-formed"),
        (b"", UpstreamError, "well-formed"),
        (b"\0\0\0", UpstreamError, "well-formed"),
        (b"<?xml version='1.0'?><rss/>", UpstreamError, "no answer of OAI-PMH"),
        (f"{BOMB}{ROOT}{LIST % '&b;'}</OAI-PMH>".encode(), UpstreamError, "DOCTYPE"),
        (f"{ROOT}{LIST % '&file;'}</OAI-PMH>".encode(), UpstreamError, "well-formed"),
        (b"<a>" * 5000, UpstreamError, "OAI-PMH|well-formed"),
        (f"{ROOT}{'<a>' * 5000}".encode(), UpstreamError, "well-formed"),
    ],
    ids=["wall", "login", "cut", "empty", "zeros", "other", "bomb", "entity", "other deep", "deep"],
)
def test_what_is_no_list_is_a_clear_error(
    lists: Lists, sandbox: Sandbox, body: bytes, kind: type[Exception], text: str
) -> None:
    """No entity is expanded, no DTD is read."""
    sandbox.fault("ListIdentifiers", Fault("html", body=body))
    error = lists("cds").error

    assert type(error) is kind
    assert any(one in str(error) for one in text.replace(".*", " return").split("|"))


def test_elements_of_a_list_are_read_by_name_and_not_by_prefix(
    lists: Lists, sandbox: Sandbox
) -> None:
    """White space around a text and other elements between do not count."""
    body = (
        '<?xml version="1.0"?>\n<?xml-stylesheet href="x"?><!-- hello -->'
        '<o:OAI-PMH xmlns:o="http://www.openarchives.org/OAI/2.0/"><o:ListIdentifiers><o:header>'
        "<o:identifier>\n oai:cds.cern.ch:77 </o:identifier><o:about><o:identifier>8</o:identifier>"
        "</o:about><o:datestamp>2020-01-01</o:datestamp></o:header></o:ListIdentifiers>"
        "</o:OAI-PMH>"
    )
    sandbox.fault("ListIdentifiers", Fault("html", body=body.encode()))
    done = lists("cds")

    assert (["77"], "2020-01-01") == (done.ids, done.records[0].modified)


def old_or_new(sandbox: Sandbox, source: str) -> Interface:
    """The interface of a source."""
    app = sandbox.app(source)
    found: Interface = app.interface if source == "zenodo" else app.finder.interface
    return found
