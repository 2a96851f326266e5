"""The projects of a GitLab group and of its subgroups.

Facts: GitLab's documentation ("Groups API", "REST API": pagination) and ``lib/api/groups.rb``. The
list is paged by number; keyset pages are asked for and taken where a server has them. Older servers
leave archived projects out unless they are asked for, so both kinds are asked for, one after the
other. Over 10,000 projects there is no total.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any
from urllib.parse import parse_qsl, quote, urlsplit

from ..client import Client
from ..config import Instance
from ..errors import BicError, RecordNotFound, UpstreamError
from ..pipelines.base import expect, plain_text
from ..pipelines.gitlab_api import Api
from . import dates, windows
from .base import UNCOUNTED, Listed, Selection, Tally, refuse

WHAT = "Request for the group's projects"
PER_PAGE = 100
"""The most that GitLab gives."""
_PATH = r"(?!\.+(?:/|$))[\w.][\w.-]*"


class GitLab:
    """Lists a group's own projects, archived ones among them, by their numbers."""

    def __init__(self, instance: Instance, client: Client) -> None:
        self._instance = instance
        self._client = client
        self._api = Api(instance.base_url, client)
        self._api.what = WHAT

    def records(self, selection: Selection, tally: Tally) -> Iterator[Listed]:
        """See :meth:`Lister.records`; ``since`` and ``until`` are of the last activity."""
        group = selection.group.strip("/")
        faults = []
        if not re.fullmatch(f"{_PATH}(/{_PATH})*", group, re.ASCII):
            faults.append("--group is the path of a group, such as GROUP/SUBGROUP, or its number.")
        refuse(selection, ("group", "query", "since", "until"), self._instance.name, *faults)
        self._where = f"{self._api.gl.api_url}/groups/{quote(group, safe='')}/projects"
        if not self._client.wire.has_credential:
            tally.notes.append("asked without a token: only public projects are listed")
        window = _Window(selection)
        tally.expected = 0
        self._gone = 0
        self._is_counted = True
        outside: set[str] = set()
        for archived in (False, True):
            query: dict[str, Any] = {
                "include_subgroups": True,
                "with_shared": False,
                "archived": archived,
                "simple": True,
                "order_by": "id",
                "sort": "asc",
                "per_page": PER_PAGE,
                "pagination": "keyset",
                **window.query,
            }
            if selection.query:
                query["search"] = selection.query
            for page in self._pages(query, tally):
                for one in page:
                    if window.has(one.modified):
                        yield one
                    elif tally.expected is not None and one.recid not in outside:
                        outside.add(one.recid)
                        tally.expected -= 1
        if tally.expected is not None and self._gone and tally.shortfall:
            tally.recount(tally.expected - self._gone)
        if not self._is_counted:
            tally.notes.append(UNCOUNTED)
        tally.notes += window.notes
        tally.notes += self._shared()

    # -- the pages ----------------------------------------------------------------------------

    def _pages(self, query: dict[str, Any], tally: Tally) -> Iterator[list[Listed]]:
        """All pages; and once more where projects went meanwhile: others have moved to pages that
        came before."""
        totals: list[int] = []
        for _ in range(windows.PASSES):
            begun = len(totals)
            yield from self._chain(query, tally, totals)
            if totals[begun:] == sorted(totals[begun:]):
                break
        else:
            tally.lacks(windows.MOVING)
        if len(set(totals)) > 1:
            tally.notes.append(
                f"upstream counted {totals[0]} projects at first and {totals[-1]} in the end"
            )
            self._gone += max(totals) - totals[-1]

    def _chain(
        self, query: dict[str, Any], tally: Tally, totals: list[int]
    ) -> Iterator[list[Listed]]:
        """Page after page, as the server's own links lead; each must bring something new.

        :param totals: gets how many there are, as each page tells it.
        """
        highest = -1
        while True:
            answer = self._ask(query)
            with self._api.reading("list of projects", self._where):
                found = [expect(one, dict, "project") for one in expect(answer.json(), list, "it")]
                numbers = [expect(one["id"], int, "id") for one in found]
                page = [self._listed(one) for one in found]
                link = answer.links.get("next", {}).get("url")
                following = dict(parse_qsl(urlsplit(link or "").query))
            if (found or link) and max(numbers, default=-1) <= highest:
                raise UpstreamError(
                    f"{WHAT} is answered with the same projects again and again, or with none.",
                    where=self._where,
                )
            highest = max([highest, *numbers])
            total = _total(answer.headers.get("X-Total"))
            if total is None and following.get("page", "1") != "1":  # keyset pages do not move
                self._is_counted = False
            if total is None and not totals:
                tally.expected = None
            elif total is not None and tally.expected is not None:
                tally.expected += max(0, total - max(totals, default=0))
                totals.append(total)
            tally.pages += bool(found)
            yield page
            if not link:
                break
            # Its address may be another one, and what is selected stays selected.
            kept = {key: value for key, value in query.items() if key != "pagination"}
            query = {**kept, **following}

    def _ask(self, query: dict[str, Any]) -> Any:
        """One page; a server that cannot do keyset pages for groups says so with 405."""
        with self._api.reading("list of projects", self._where):
            try:
                return self._api.gl.http_request("get", self._path, query_data=query)
            except RecordNotFound as err:
                err.hint = (
                    "a group that you may not see looks missing too, and a person is no group; "
                    + self._client.access_hint()
                )
                raise
            except UpstreamError as err:
                if err.http_status != 405:
                    raise
                if "page" in query or "pagination" not in query:
                    err.hint = "the server lists no more than so many; list the subgroups each"
                    raise
        return self._ask({key: value for key, value in query.items() if key != "pagination"})

    @property
    def _path(self) -> str:
        return self._where.removeprefix(self._api.gl.api_url)

    def _listed(self, one: dict[str, Any]) -> Listed:
        """A project of the list."""
        time = one.get("last_activity_at")
        return Listed(
            self._instance.name,
            str(one["id"]),
            dates.zulu(dates.moment(expect(time, str, "last_activity_at"))) if time else "",
            plain_text(one["path_with_namespace"]),
        )

    def _shared(self) -> list[str]:
        """What to say of projects of others that are shared with the group."""
        try:
            with self._api.reading("list of shared projects", self._where):
                answer = self._api.gl.http_request(
                    "get", f"{self._path}/shared", query_data={"per_page": 1, "simple": True}
                )
                some = bool(expect(answer.json(), list, "it"))
                count = _total(answer.headers.get("X-Total"))
        except BicError as err:
            if err.resumable:
                raise
            some, count = True, None  # a server that does not tell
        if not some:
            return []
        many = "projects" if count is None else f"{count} projects"
        return [f"{many} of other groups that are only shared with this one are left out"]


class _Window:
    """The times between which a project's last activity lies.

    The list of a group is not documented to know such a filter: it is told of the window, with a
    margin, and what it lists is looked at here.
    """

    def __init__(self, selection: Selection) -> None:
        self._since = dates.moment(selection.since) if selection.since else None
        self._until = dates.after(selection.until) if selection.until else None
        self._timeless = 0

    @property
    def query(self) -> dict[str, str]:
        """The parameters of it."""
        query = {}
        if self._since and self._since.year > 1:
            query["last_activity_after"] = dates.zulu(self._since - dates.SECOND)
        if self._until and self._until.year < 9999:
            query["last_activity_before"] = dates.zulu(self._until + dates.SECOND)
        return query

    def has(self, time: str) -> bool:
        """Whether a time lies in it; none does not, if there are bounds."""
        if self._since is None and self._until is None:
            return True
        if not time:
            self._timeless += 1
            return False
        at = dates.moment(time)
        return (self._since is None or self._since <= at) and (
            self._until is None or at < self._until
        )

    @property
    def notes(self) -> list[str]:
        """What was left out because nobody knows its time."""
        if not self._timeless:
            return []
        return [f"{self._timeless} projects whose last activity has no time are left out"]


def _total(text: str | None) -> int | None:
    """``X-Total``, if it is there."""
    return int(text) if text and re.fullmatch("[0-9]{1,12}", text) else None
