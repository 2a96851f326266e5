"""What the miniature upstreams list: pages, walls, tokens, as the real ones have them."""

from __future__ import annotations

import json
import re
from typing import Any
from urllib.parse import quote

import pytest
from test_sandbox import ask

from bagit_create.sandbox import Sandbox
from bagit_create.sandbox.crowd import DAY_MS, Crowd, Run

MANY = Crowd([Run(50_000, "2012-01-01T00:00:00Z", DAY_MS // 8)], "9{n:06}", "big")


@pytest.fixture
def rdm(sandbox: Sandbox) -> Any:
    """Searches InvenioRDM, which has fifty thousand records more."""
    sandbox.app("inveniordm").searches.crowd = MANY

    def search(query: str, more: str = "") -> Any:
        path = f"/api/records?q={quote(query)}&{more}"
        return ask(sandbox.url("inveniordm"), path)

    return search


def ids(answer: Any) -> list[str]:
    """The ids of a page of hits."""
    return [one["id"] for one in answer.json["hits"]["hits"]]


def test_a_crowd_is_found_beside_what_is_stored(rdm: Any) -> None:
    """All are counted, and come in the order of their creation."""
    answer = rdm("", "sort=oldest&size=3")

    assert 50_006 == answer.json["hits"]["total"]
    assert ["9000000", "9000001", "9000002"] == ids(answer)
    assert "9049999" == ids(rdm("", "sort=newest&size=9"))[0]
    assert "2012-01-01T03:00:00.000000+00:00" == answer.json["hits"]["hits"][1]["created"]


def test_stored_records_stand_where_they_belong(rdm: Any) -> None:
    """Between those of the crowd that were created before and after them."""
    found = ids(rdm("created:[2024-02-29T06:00:00Z TO 2024-02-29T09:00:00Z]", "sort=oldest"))

    assert found[0].startswith("90") and found[-1].startswith("90")
    assert "k3f9q-7xw21" in found and 8 == len(found)


def test_pages_do_not_overlap(rdm: Any) -> None:
    """In each order."""
    for order in ("oldest", "newest", "bestmatch"):
        pages = [ids(rdm("", f"sort={order}&size=7&page={n}")) for n in (1, 2, 3)]
        assert 21 == len({one for page in pages for one in page})


def test_a_range_has_both_its_ends(rdm: Any) -> None:
    """To the millisecond; a star is open."""
    query = "created:[2012-01-01T03:00:00.000Z TO 2012-01-01T06:00:00Z]"

    assert ["9000001", "9000002"] == ids(rdm(query, "sort=oldest"))
    assert ["9000000"] == ids(rdm("created:[* TO 2012-01-01T02:59:59.999Z]"))


@pytest.mark.parametrize("query", ["created:[x TO *]", "(a", 'title:"a'])
def test_what_is_no_query_is_400(rdm: Any, query: str) -> None:
    assert (400, "The syntax of the search query is invalid.") == (
        rdm(query).status,
        rdm(query).message,
    )


def test_the_next_page_is_offered_beyond_the_wall(rdm: Any) -> None:
    """And refused."""
    last = rdm("", "size=100&page=100")
    refused = rdm("", "size=100&page=101")

    assert 200 == last.status and "page=101" in last.json["links"]["next"]
    assert 400 == refused.status


def test_no_community_is_404(sandbox: Sandbox) -> None:
    """One that has records is 200."""
    assert [200, 404] == [
        ask(sandbox.url("zenodo"), f"/api/communities/{slug}/records").status
        for slug in ("toys", "none")
    ]


def test_the_last_page_of_an_old_server_repeats_for_ever(sandbox: Sandbox) -> None:
    """200 at most, the newest first; ids are a list of Python, counted from 0."""
    sandbox.app("cds").finder.crowd = Crowd([Run(250, "2012-01-01", 1)], "9{n:03}", "Notes")

    def search(query: str) -> str:
        body: str = ask(sandbox.url("cds"), f"/search?cc=Notes&{query}").body.decode()
        return body

    def records(query: str) -> list[str]:
        return re.findall(r'tag="001">(\d+)<', search(f"of=xm&{query}"))

    assert 200 == len(records("rg=500&jrec=1")) and 10 == len(records("jrec=1"))
    assert records("rg=200&jrec=251") == records("rg=200&jrec=900") == records("rg=200&jrec=51")
    assert "<!-- Search-Engine-Total-Number-Of-Results: 250 -->" in search("of=xm&jrec=1")
    assert 9249 == json.loads(search("of=id&rg=500&jrec=0"))[0]
    assert [] == json.loads(search("of=id&rg=500&jrec=250"))


def test_oai_pmh_hands_out_tokens_that_stand_alone(sandbox: Sandbox) -> None:
    """422 for errors; 10 to a page; cursor and size; the last token is empty."""
    sandbox.app("inveniordm").searches.crowd = Crowd([Run(25, "2012-01-01", 1)], "9{n}", "big")

    def oai(query: str) -> tuple[int, str]:
        answer = ask(sandbox.url("inveniordm"), f"/oai2d?verb=ListIdentifiers&{query}")
        return answer.status, answer.body.decode()

    found, token = 0, "metadataPrefix=oai_dc&set=community-big"
    for cursor in (0, 10, 20):
        status, text = oai(token)
        found += text.count("<header>")
        assert 200 == status and f'cursor="{cursor}" completeListSize="25"' in text
        value = re.search(r"25\">([^<]*)<", text)
        assert value is not None
        token = f"resumptionToken={value[1]}"
    assert (25, "resumptionToken=") == (found, token)
    assert 422 == oai("resumptionToken=x")[0] == oai("metadataPrefix=a&resumptionToken=x")[0]
    assert 'code="badArgument"' in oai("metadataPrefix=oai_dc&set=none")[1]
    assert 'code="noRecordsMatch"' in oai("metadataPrefix=oai_dc&until=1999-01-01T00:00:00Z")[1]
    assert 'code="badArgument"' in oai("metadataPrefix=oai_dc&until=1999-01-01")[1]
