"""Listing the projects of a GitLab group."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from faulty import raw, told
from listed import Lists, command, lists_of

from bagit_create.errors import AccessDenied, InputError, RecordNotFound, Unreachable, UpstreamError
from bagit_create.listing import Listed
from bagit_create.sandbox import Fault, Sandbox

TOYS = ["7", "8", "9", "11", "12", "13", "21", "20"]
"""What a guest may see: archived ones are asked for last."""


@pytest.fixture
def listing(config_file: Path) -> Lists:
    """The records of a selection, and how it went."""
    return lists_of("gitlab", config_file, group="toys")


def pages_asked(sandbox: Sandbox) -> list[str]:
    return [one.path for one in sandbox.seen if "/projects?" in one.path]


# -- what is listed -------------------------------------------------------------------------------


@pytest.mark.parametrize("group", ["toys", "70", "/toys/"])
def test_a_group_is_named_by_its_path_or_number(group: str, listing: Lists) -> None:
    """Its subgroups and archived projects belong to it; others' projects do not."""
    assert TOYS == listing(group=group).ids


def test_a_subgroup_is_a_group(listing: Lists) -> None:
    """Its path has a slash, which is escaped."""
    assert ["21"] == listing(group="toys/sub").ids


def test_a_token_shows_private_projects(listing: Lists) -> None:
    """And nothing is said of guests then."""
    done = listing("reader")

    assert "10" in done.ids
    assert not any("without a token" in note for note in done.tally.notes)


def test_a_guest_is_told_what_guests_see(listing: Lists) -> None:
    """Private projects are left out, and nobody counts them."""
    assert any("only public projects" in note for note in listing().tally.notes)


@pytest.mark.parametrize("old", [True, False])
def test_archived_projects_are_listed_by_servers_of_any_age(
    old: bool, listing: Lists, sandbox: Sandbox
) -> None:
    """Older ones leave them out unless asked."""
    sandbox.app("gitlab").groups.old = old

    assert "20" in listing().ids


@pytest.mark.parametrize(
    "old, said", [(False, "2 projects of other groups"), (True, "projects of")]
)
def test_shared_projects_are_left_out_and_told_of(
    old: bool, said: str, listing: Lists, sandbox: Sandbox
) -> None:
    """They belong to another group; an old server does not say how many there are."""
    sandbox.app("gitlab").groups.old = old

    done = listing()

    assert not {"30", "31"} & set(done.ids)
    assert any(note.startswith(said) and "shared" in note for note in done.tally.notes)


def test_where_nothing_is_shared_nothing_is_said(listing: Lists) -> None:
    """A note is for what is left out."""
    assert not any("shared" in note for note in listing(group="toys/sub").tally.notes)


def test_a_project_is_told_with_its_path_and_time(listing: Lists) -> None:
    """The time is in UTC, whatever the server's zone."""
    [attic] = [one for one in listing().records if one.recid == "20"]

    assert Listed("gitlab", "20", "2019-05-06T05:08:09Z", "toys/attic") == attic


def test_a_query_searches_the_group(listing: Lists) -> None:
    """By GitLab's own search."""
    assert ["7"] == listing(query="detec").ids


@pytest.mark.parametrize("filters", [True, False])
@pytest.mark.parametrize(
    "since, until, expected",
    [
        ("2026-02-01", "", ["21"]),
        ("", "2019-05-06", ["20"]),
        ("2026-03-01", "2026-03-01", ["21"]),
        ("2026-03-01T00:00:00Z", "2026-03-01T00:00:00Z", ["21"]),
        ("2026-03-01T00:00:01Z", "", []),
        ("", "2019-05-06T05:08:08Z", []),
    ],
)
def test_a_window_is_of_the_last_activity(
    since: str, until: str, expected: list[str], filters: bool, listing: Lists, sandbox: Sandbox
) -> None:
    """Both ends are included, whether or not the list of a group knows such a filter."""
    sandbox.app("gitlab").groups.filters = filters

    done = listing(since=since, until=until)

    assert expected == done.ids
    assert (len(expected), 0) == (done.tally.expected, done.tally.shortfall)


def test_a_project_without_a_time_is_in_no_window(listing: Lists, sandbox: Sandbox) -> None:
    """It is counted, so that somebody can look."""
    sandbox.app("gitlab").groups.projects[0].active = ""

    done = listing(since="2000-01-01")

    assert "7" not in done.ids
    assert any("1 projects whose last activity" in note for note in done.tally.notes)
    assert "7" in listing().ids


def test_what_is_listed_can_be_asked_for(listing: Lists, harvest: Any) -> None:
    """An id of a list is what --recid takes."""
    [only] = listing(query="switched").ids

    assert 0 == harvest(only, "gitlab", dry_run=True)["status"]


# -- pages and counts -----------------------------------------------------------------------------


@pytest.mark.parametrize("keyset", ["ignored", "works", "refused"])
def test_every_page_is_read_once(keyset: str, listing: Lists, sandbox: Sandbox) -> None:
    """However the server chains them: by number, by the last id, or by number on request only."""
    groups = sandbox.app("gitlab").groups
    groups.crowd, groups.keyset = 250, keyset

    done = listing(group="crowd")

    assert [str(number) for number in range(1000, 1250)] == done.ids
    assert (3, 0) == (done.tally.pages, done.tally.repeated)


def test_counts_are_those_of_upstream(listing: Lists) -> None:
    """Of both kinds together."""
    tally = listing().tally

    assert (8, 8, 0) == (tally.expected, tally.found, tally.shortfall)


def test_where_upstream_counts_nothing_nothing_is_expected(
    listing: Lists, sandbox: Sandbox
) -> None:
    """Above 10,000 projects, and with keyset pages."""
    sandbox.app("gitlab").groups.totals = False

    done = listing()

    assert done.tally.expected is None and TOYS == done.ids


@pytest.mark.parametrize(("keyset", "is_told"), [("ignored", True), ("works", False)])
def test_pages_that_nothing_counts_may_not_be_all(
    keyset: str, is_told: bool, listing: Lists, sandbox: Sandbox
) -> None:
    """Others move to pages that came before; where a page begins at a project, none does."""
    groups = crowded(sandbox)
    groups.totals, groups.keyset = False, keyset
    meanwhile(sandbox, 2, lambda: groups.projects.pop(5))

    tally = listing().tally

    assert ("", 0) == (tally.cut, tally.shortfall)
    assert is_told == any("may not be all" in one for one in tally.notes)


def crowded(sandbox: Sandbox) -> Any:
    """250 projects of one group, which come and go."""
    groups = sandbox.app("gitlab").groups
    groups.projects = [type(groups.projects[0])(n, f"toys/p{n}") for n in range(1000, 1250)]
    return groups


def meanwhile(sandbox: Sandbox, page: int, change: Callable[[], object], times: int = 1) -> None:
    """Have something happen before a page is answered."""
    groups = sandbox.app("gitlab").groups
    answer, left = groups._page, [times]

    def changed(name: str, found: list[Any], given: dict[str, str]) -> Any:
        if left[0] and given.get("page", "1") == str(page) and given["archived"] == "false":
            left[0] -= 1
            gone = {one.number for one in groups.projects}
            change()
            gone -= {one.number for one in groups.projects}
            found = [one for one in found if one.number not in gone]
        return answer(name, found, given)

    groups._page = changed


def test_a_project_that_goes_meanwhile_hides_no_other(listing: Lists, sandbox: Sandbox) -> None:
    """All that follow move up by one, so the pages are asked for again."""
    groups = crowded(sandbox)
    meanwhile(sandbox, 2, lambda: groups.projects.pop(5))

    done = listing()

    assert [str(number) for number in range(1000, 1250)] == sorted(done.ids)
    assert (0, "") == (done.tally.shortfall, done.tally.cut)
    assert any("at first and" in note for note in done.tally.notes)


def test_one_that_comes_does_not_make_up_for_one_passed_over(
    listing: Lists, sandbox: Sandbox
) -> None:
    """The counts add up in the end, and the list had lacked one."""
    groups = crowded(sandbox)
    new = type(groups.projects[0])(5000, "toys/new")
    meanwhile(sandbox, 2, lambda: groups.projects.pop(5))
    meanwhile(sandbox, 3, lambda: groups.projects.append(new))

    assert {one.number for one in groups.projects} <= {int(one) for one in listing().ids}


def test_a_project_that_goes_before_it_is_listed_is_not_missing(
    listing: Lists, sandbox: Sandbox
) -> None:
    """Nobody can have it any more."""
    groups = crowded(sandbox)
    meanwhile(sandbox, 2, lambda: groups.projects.pop(240))

    done = listing()

    assert (249, 0, "") == (len(done.ids), done.tally.shortfall, done.tally.cut)


def test_a_group_that_never_stands_still_is_told_of(listing: Lists, sandbox: Sandbox) -> None:
    """After some rounds."""
    groups = crowded(sandbox)
    meanwhile(sandbox, 2, lambda: groups.projects.pop(5), times=9)

    assert "again and again" in listing().tally.cut


def test_no_link_leads_to_another_server(listing: Lists, sandbox: Sandbox) -> None:
    """A server that thinks it has another address is asked at its own; the token stays there."""
    sandbox.app("gitlab").groups.crowd = 150

    listing("reader", group="crowd")

    assert {"gitlab"} == {one.host for one in sandbox.seen}
    assert any("page=2" in path for path in pages_asked(sandbox))
    assert not any("reader" in one.path for one in sandbox.seen)


def test_a_page_that_leads_to_itself_ends_in_an_error(listing: Lists, sandbox: Sandbox) -> None:
    """After one round."""
    groups = sandbox.app("gitlab").groups
    groups.crowd, groups.stuck = 150, True

    with pytest.raises(UpstreamError, match="again and again"):
        listing(group="crowd")

    assert 4 > len(pages_asked(sandbox))


def test_empty_pages_that_lead_on_end_in_an_error(listing: Lists, sandbox: Sandbox) -> None:
    """A list without end, of nothing."""

    def speak(_: Any) -> bytes:
        return (
            b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: 2\r\n"
            b'Link: <https://gitlab.example/x?page=7>; rel="next"\r\n\r\n[]'
        )

    sandbox.fault("/groups/", Fault("raw", speak=speak))

    with pytest.raises(UpstreamError, match="again and again"):
        listing()


def test_a_link_that_is_no_address_is_an_error(listing: Lists, sandbox: Sandbox) -> None:
    """Nobody knows where the list goes on."""
    link = 'Link: <http://[x>; rel="next"'
    sandbox.fault("/groups/", raw(told(link, "Content-Length: #N")))

    with pytest.raises(UpstreamError, match="not in the form that is known"):
        listing()


def test_a_link_that_forgets_the_selection_changes_nothing(
    listing: Lists, sandbox: Sandbox
) -> None:
    """Else the second page would have the projects of others."""
    groups = sandbox.app("gitlab").groups
    groups.crowd, groups.forgets = 150, True
    groups.shared["crowd"] = groups.shared["toys"]

    assert [str(number) for number in range(1000, 1150)] == listing(group="crowd").ids


def test_an_offset_that_is_too_high_is_explained(listing: Lists, sandbox: Sandbox) -> None:
    """What came before was listed; the subgroups are fewer each."""
    groups = sandbox.app("gitlab").groups
    groups.crowd, groups.most = 350, 200

    with pytest.raises(UpstreamError) as caught:
        listing(group="crowd")

    assert 405 == caught.value.http_status
    assert "subgroups" in caught.value.hint


def test_a_last_keyset_page_may_be_empty(listing: Lists, sandbox: Sandbox) -> None:
    """The page before was full, so nobody knew."""
    groups = sandbox.app("gitlab").groups
    groups.crowd, groups.stuck, groups.keyset = 100, True, "works"

    done = listing(group="crowd")

    assert (100, 1) == (len(done.records), done.tally.pages)


# -- the command ----------------------------------------------------------------------------------


def test_the_command_lists_a_group(config_file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Ids to standard output; what was left out to standard error, without the token."""
    monkeypatch.setenv("BIC_TOKEN_GITLAB", "reader")
    done = command(config_file, "--source", "gitlab", "--group", "toys")

    assert (0, ["7", "8", "9", "10"]) == (done.returncode, done.stdout.split()[:4])
    assert "9 of 9 records found" in done.stderr and "only shared with this one" in done.stderr
    assert "reader" not in done.stderr


# -- refusals -------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "group", ["", "..", "toys/..", "toys//sub", "https://x.example/toys", "a b"]
)
def test_what_is_no_group_is_refused_before_any_request(
    group: str, listing: Lists, sandbox: Sandbox
) -> None:
    """With a word on what one is."""
    with pytest.raises(InputError, match="--group is the path of a group"):
        listing(group=group)

    assert not sandbox.seen


def test_all_that_gitlab_does_not_know_is_refused_at_once(listing: Lists, sandbox: Sandbox) -> None:
    """In one message, before any request."""
    with pytest.raises(InputError) as caught:
        listing(set="x", category="1", via="oai", since="yesterday")

    assert all(flag in str(caught.value) for flag in ("--set", "--category", "--via", "--from"))
    assert not sandbox.seen


def test_a_group_that_is_missing_is_not_found(listing: Lists) -> None:
    """Or may not be seen; or is a person."""
    with pytest.raises(RecordNotFound) as caught:
        listing(group="nobody")

    assert "may not see" in caught.value.hint


def test_a_wrong_token_is_denied(listing: Lists) -> None:
    """It does not become a guest's list."""
    with pytest.raises(AccessDenied):
        listing("wrong")


@pytest.mark.parametrize(
    "fault, error",
    [
        (Fault("html"), UpstreamError),
        (Fault("json-shape"), UpstreamError),
        (Fault("not-json"), UpstreamError),
        (Fault("status", status=403), AccessDenied),
        (Fault("status", status=429, retry_after="0"), Unreachable),
        (Fault("status", status=502), Unreachable),
        (Fault("html", body=b'[{"id": "7"}]'), UpstreamError),
        (Fault("html", body=b"[7]"), UpstreamError),
        (
            Fault("html", body=b'[{"id": 7, "path_with_namespace": "a", "last_activity_at": "x"}]'),
            UpstreamError,
        ),
    ],
)
def test_what_is_no_list_is_an_error(
    fault: Fault, error: type[Exception], listing: Lists, sandbox: Sandbox
) -> None:
    """Whatever the status claims."""
    sandbox.fault("/groups/", fault)

    with pytest.raises(error) as caught:
        listing()

    assert error is type(caught.value)


def test_the_server_is_asked_again_where_that_helps(listing: Lists, sandbox: Sandbox) -> None:
    """One failure in the middle loses nothing."""
    sandbox.app("gitlab").groups.crowd = 150
    sandbox.fault("page=2", Fault("status", status=502), times=1)

    assert 150 == len(listing(group="crowd").ids)


def test_no_token_of_a_project_is_asked_for(listing: Lists, sandbox: Sandbox) -> None:
    """The short form of a project is enough, and has no secret in it."""
    listing("good")

    assert all(re.search("[?&]simple=true", path) for path in pages_asked(sandbox))
