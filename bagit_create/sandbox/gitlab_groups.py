"""GitLab's groups: the projects in them, page by page.

Routes, headers and texts follow gitlabhq/gitlabhq (``lib/api/groups.rb``,
``lib/gitlab/pagination``). The groups:

    toys (70)      the projects of gitlab.py, one that is archived, two of others shared with it
    toys/sub (71)  one project                  crowd (80)  as many as ``crowd`` says, generated
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from .server import Reply, json_reply

IDS = {"70": "toys", "71": "toys/sub", "80": "crowd"}
NO_TOTAL_ABOVE = 10_000
KEYSET_MISSING = "Keyset pagination is not yet available for this type of request"


@dataclass
class Project:
    """A project of a group. ``active`` is the time of its last activity, ``""`` for none."""

    number: int
    path: str
    active: str = "2026-01-02T03:04:05.678Z"
    archived: bool = False
    private: bool = False


class Groups:
    """The groups of one server.

    ``crowd`` is how many projects the group of that name has. ``keyset`` is how pages are chained:
    ``"ignored"`` (by number, as today), ``"works"``, ``"refused"``. ``most`` is the highest offset
    that is answered, ``totals`` whether they are told, ``stuck`` whether the last page leads on to
    itself, ``forgets`` whether links lack what was selected, ``old`` whether archived projects need
    asking for and shared ones have no list, ``filters`` whether the list knows the filter by
    activity.
    """

    def __init__(self, paths: Mapping[str, str]) -> None:
        self.projects = [
            Project(int(number), path, private=path == "toys/private")
            for number, path in paths.items()
        ]
        self.projects += [
            Project(20, "toys/attic", "2019-05-06T07:08:09.000+02:00", archived=True),
            Project(21, "toys/sub/inner", "2026-03-01T00:00:00.000Z"),
        ]
        self.shared = {"toys": [Project(30, "others/tool"), Project(31, "others/kit")]}
        self.crowd = 0
        self.keyset = "ignored"
        self.most = 50_000
        self.totals = True
        self.stuck = False
        self.forgets = False
        self.old = False
        self.filters = False

    def __call__(self, name: str, shared: bool, asked: dict[str, list[str]], token: str) -> Reply:
        """Answer a request for a group's projects, or for those shared with it."""
        given = {key: values[0] for key, values in asked.items()}
        path = IDS.get(name, name)
        if path not in IDS.values():
            return json_reply(404, {"message": "404 Group Not Found"})
        if shared and self.old:
            return json_reply(404, {"error": "404 Not Found"})
        if given.get("pagination") == "keyset" and self.keyset == "refused":
            return json_reply(405, {"error": KEYSET_MISSING})
        found = [one for one in self._of(path, shared, given) if token or not one.private]
        found = [one for one in found if self._is_meant(one, given)]
        by = given.get("order_by", "created_at").replace("created_at", "id")
        found.sort(
            key=lambda one: one.number if by == "id" else one.path,
            reverse=given.get("sort", "desc") == "desc",
        )
        return self._page(name, found, given)

    def _of(self, path: str, shared: bool, given: Mapping[str, str]) -> Iterator[Project]:
        if shared or given.get("with_shared", "true") == "true":
            yield from self.shared.get(path, [])
        if shared:
            return
        if path == "crowd":
            for number in range(1000, 1000 + self.crowd):
                yield Project(number, f"crowd/p{number}", f"2026-01-{number % 28 + 1:02}T12:00:00Z")
        for one in self.projects:
            place = one.path.rpartition("/")[0]
            below = given.get("include_subgroups") == "true" and place.startswith(f"{path}/")
            if place == path or below:
                yield one

    def _is_meant(self, one: Project, given: Mapping[str, str]) -> bool:
        archived = given.get("archived", "false" if self.old else "")
        if archived and one.archived != (archived == "true"):
            return False
        if self.filters and not (
            given.get("last_activity_after", "") <= one.active
            and one.active <= given.get("last_activity_before", "9")
        ):
            return False
        return given.get("search", "").lower() in one.path.lower()

    def _page(self, name: str, found: list[Project], given: Mapping[str, str]) -> Reply:
        size, number = int(given.get("per_page", "20")), int(given.get("page", "1"))
        start = (number - 1) * size
        if start > self.most:
            text = f"Offset pagination has a maximum allowed offset of {self.most}"
            return json_reply(405, {"error": text})
        chained = self.keyset == "works" and given.get("pagination") == "keyset"
        if chained:
            found = [one for one in found if one.number > int(given.get("id_after", "0"))]
            start = 0
        page = found[start : start + size]
        reply = json_reply(200, [_shown(one, given.get("simple") == "true") for one in page])
        more = start + size < len(found)
        if more or (self.stuck and page):
            at = number + 1 if more else number
            where = {"id_after": str(page[-1].number)} if chained else {"page": str(at)}
            told = where if self.forgets else {**given, **where}
            query = "&".join(f"{key}={value}" for key, value in told.items())
            # The address that the server thinks it has may be another one.
            link = f"https://gitlab.example/api/v4/groups/{name}/projects?{query}"
            reply.headers["Link"] = f'<{link}>; rel="next", <{link}>; rel="first"'
        if not chained and self.totals and len(found) <= NO_TOTAL_ABOVE:
            reply.headers["X-Total"] = str(len(found))
        return reply


def _shown(one: Project, simple: bool) -> dict[str, Any]:
    made: dict[str, Any] = {
        "id": one.number,
        "name": one.path.rpartition("/")[2],
        "path_with_namespace": one.path,
        "last_activity_at": one.active or None,
    }
    return made if simple else {**made, "archived": one.archived, "runners_token": "GR-s3cr3t"}
