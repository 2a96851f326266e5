"""GitLab: a project's description, the files of its default branch, and the whole repository.

Facts: GitLab's documentation (``doc/api``: projects, wikis, project import and export).
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from datetime import datetime
from typing import Any
from urllib.parse import quote

from .. import log
from ..client import Client
from ..config import Instance
from ..errors import AccessDenied, RecordNotFound
from ..model import Description, Document, FileEntry, Record, Skipped
from ..options import JobOptions
from .base import Begun, Essence, expect, plain_text
from .gitlab_api import Api, public
from .gitlab_export import NAME, Export
from .gitlab_repository import Repository
from .sameness import of_json

VOLATILE = ("star_count", "forks_count", "permissions", "_links")
"""Of a project: what others do with it, and what whoever asks may do."""
ACTIVITY_S = 2 * 3600
"""Seconds within which a further activity may not show: GitLab notes it once an hour
(``app/models/event.rb``, ``RESET_PROJECT_ACTIVITY_INTERVAL``); clocks may differ by as much."""


class GitLab:
    """A GitLab server."""

    def __init__(self, instance: Instance, client: Client, options: JobOptions) -> None:
        self._instance = instance
        self._client = client
        self._options = options
        self._api = Api(instance.base_url, client)
        self._repository = Repository(instance, client, options, self._api)

    def begin(self, recid: str | None) -> Begun:
        """Ask for the project; see :meth:`Pipeline.begin`."""
        asked = (recid or "").removesuffix(".git")
        url = f"{self._api.gl.api_url}/projects/{quote(asked, safe='')}"
        project = self._project(asked)
        with self._api.reading("project", url):
            facts = expect(project.attributes, dict, "the project")
            final = str(expect(facts["id"], int, "id"))
            if not re.fullmatch(r"[\w.~+-]+(/[\w.~+-]+)*", facts["path_with_namespace"]):
                raise ValueError(f"the path is {facts['path_with_namespace']!r}")
            self._repository.clone_url(facts)
            shown = public(facts)
        if final != asked:
            log.info(f"{asked} is project {final} of {self._instance.name}")
        content = json.dumps(shown, indent=2, ensure_ascii=False).encode(
            "utf-8", "backslashreplace"
        )
        document = Document("metadata.json", content, url, "content", "application/json")
        return Begun(asked, final, (document,), (project, facts, shown))

    def harvest(self, begun: Begun) -> Record:
        """Ask for what the project holds; see :meth:`Pipeline.harvest`."""
        project, facts, shown = begun.body
        documents = [*begun.documents]
        url = documents[0].url or ""
        with self._api.reading("project", url):
            description = _describe(shown)
        self._repository.notes.append(
            "metadata.json is the server's answer without the secrets in it"
        )
        files = [*self._repository.files(project, facts)]
        wiki = self._wiki(project, facts)
        if wiki is not None:
            documents.append(wiki)
            wiki_url = self._repository.clone_url(facts).removesuffix(".git") + ".wiki.git"
            files += self._repository.bundle("wiki.bundle", wiki_url)
        files += self._export(project, shown)
        return Record(
            source=self._instance.name,
            recid=begun.recid,
            requested=begun.asked,
            files=tuple(files),
            documents=tuple(documents),
            metadata_url=url,
            description=description,
            organization=self._instance.organization,
            external_identifier=description.identifiers[0],
            skipped=tuple(self._repository.skipped),
            notes=tuple(self._repository.notes),
        )

    def essence(self, document: Document) -> Essence | None:
        """What the project says of itself, but for :data:`VOLATILE`.

        A push, a wiki page, an issue is an activity (``last_activity_at``), so that nothing has
        changed since a package that was made well after the last one. An export holds what is no
        activity too (labels, settings): with one, nothing is known.
        """
        has_export = self._client.wire.has_credential and not self._options.light
        return of_json(
            document.content,
            VOLATILE,
            tells_all=lambda project: not has_export and _activity(project) > 0,
            settled=lambda project: _activity(project) + ACTIVITY_S,
        )

    def _project(self, asked: str) -> Any:
        where = f"{self._api.gl.api_url}/projects/{quote(asked, safe='')}"
        try:
            with self._api.reading("project", where):
                return self._api.project(asked)
        except RecordNotFound as err:
            err.hint = (
                "a project that you may not see looks missing too; " + self._client.access_hint()
            )
            raise

    # -- what stands beside it ----------------------------------------------------------------

    def _wiki(self, project: Any, facts: dict[str, Any]) -> Document | None:
        if facts.get("wiki_enabled") is False or facts.get("wiki_access_level") == "disabled":
            return None
        self._api.what = "Wiki request"
        url = f"{self._api.gl.api_url}/projects/{project.id}/wikis"
        try:
            with self._api.reading("wiki", url):
                pages = [
                    expect(one.attributes, dict, "wiki page")
                    for one in project.wikis.list(iterator=True, with_content=True)
                ]
        except (AccessDenied, RecordNotFound) as err:  # it is said to be there
            self._repository.skipped.append(Skipped("wiki", err.message, {"url": url}))
            return None
        if not pages:
            return None
        content = json.dumps(pages, indent=2, ensure_ascii=False).encode(
            "utf-8", "backslashreplace"
        )
        return Document("wiki.json", content, url, "meta", "application/json")

    def _export(self, project: Any, shown: dict[str, Any]) -> Iterator[FileEntry]:
        """Issues, merge requests, uploads and LFS objects, as GitLab itself packs them."""
        if self._options.light:
            self._repository.skipped.append(Skipped(NAME, "a light package asks for no export"))
        elif not self._client.wire.has_credential:
            reason = "an export needs the token of a Maintainer, with the scope api"
            self._repository.skipped.append(Skipped(NAME, reason))
        else:
            export = Export(self._api, project, self._client)
            origin = {"export_of": shown.get("web_url")}
            yield FileEntry(NAME, (), origin=origin, optional=True, maker=export.make)


def _activity(project: dict[str, Any]) -> int:
    """When something last happened in a project, in Unix seconds.

    :raises ValueError: if it does not say.
    """
    return int(datetime.fromisoformat(project["last_activity_at"]).timestamp())


def _describe(facts: dict[str, Any]) -> Description:
    owner = facts.get("namespace") or {}
    rights = facts.get("license") or {}
    return Description(
        title=plain_text(facts.get("name")),
        creators=tuple(t for t in (plain_text(owner.get("full_path")),) if t),
        date=plain_text(facts.get("last_activity_at"))[:10],
        description=plain_text(facts.get("description")),
        identifiers=(plain_text(facts.get("web_url")) or str(facts["path_with_namespace"]),),
        rights=tuple(t for t in (plain_text(rights.get("key")),) if t),
        types=("Software",),
        subjects=tuple(map(plain_text, facts.get("topics") or ())),
    )
