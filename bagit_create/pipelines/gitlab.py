"""GitLab: a project's description, the files of its default branch, and the whole repository.

Facts: GitLab's documentation (``doc/api``: projects, repositories, repository files, wikis). The
files come from one mirror clone, since the interface allows few downloads; a light package lists
their addresses there. The content of a file in LFS is fetched and compared with its pointer.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextvars import copy_context
from dataclasses import replace
from pathlib import Path
from typing import Any
from urllib.parse import quote

from .. import log
from ..client import Client
from ..config import Instance
from ..errors import AccessDenied, RecordNotFound
from ..model import Checksum, Description, Document, FileEntry, Record, Skipped
from ..options import JobOptions
from ..urls import origin
from .base import expect, plain_text
from .gitlab_api import Api, public
from .gitlab_export import Export
from .gitlab_git import Mirror, environment
from .gitlab_lfs import Objects, blocks, fetch, pointer

NO_COPY = "a light package holds no copy of the repository"


class GitLab:
    """A GitLab server."""

    def __init__(self, instance: Instance, client: Client, options: JobOptions) -> None:
        self._instance = instance
        self._client = client
        self._options = options
        self._api = Api(instance.base_url, client)
        self._skipped: list[Skipped] = []
        self._notes: list[str] = []

    def harvest(self, recid: str | None) -> Record:
        """Ask for the project; see :meth:`Pipeline.harvest`."""
        asked = (recid or "").removesuffix(".git")
        url = f"{self._api.gl.api_url}/projects/{quote(asked, safe='')}"
        project = self._project(asked)
        with self._api.reading("project", url):
            facts = expect(project.attributes, dict, "the project")
            final = str(expect(facts["id"], int, "id"))
            expect(facts["path_with_namespace"], str, "path_with_namespace")
            description = _describe(facts)
        if final != asked:
            log.info(f"{asked} is project {final} of {self._instance.name}")
        content = json.dumps(public(facts), indent=2, ensure_ascii=False).encode("utf-8")
        documents = [Document("metadata.json", content, url, "content", "application/json")]
        self._notes.append("metadata.json is the server's answer without the secrets in it")
        files = [*self._repository(project, facts)]
        wiki = self._wiki(project, facts)
        if wiki is not None:
            documents.append(wiki)
            wiki_url = self._clone_url(facts).removesuffix(".git") + ".wiki.git"
            files += self._bundle("wiki.bundle", wiki_url)
        files += self._export(project)
        return Record(
            source=self._instance.name,
            recid=final,
            requested=asked,
            files=tuple(files),
            documents=tuple(documents),
            metadata_url=url,
            description=description,
            organization=self._instance.organization,
            external_identifier=description.identifiers[0],
            skipped=tuple(self._skipped),
            notes=tuple(self._notes),
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

    # -- the repository -----------------------------------------------------------------------

    def _repository(self, project: Any, facts: dict[str, Any]) -> Iterator[FileEntry]:
        branch = facts.get("default_branch")
        if facts.get("repository_access_level") == "disabled":
            self._notes.append("the project has no repository: it is switched off")
            return
        if facts.get("empty_repo") or not branch:
            self._notes.append("the repository is empty")
            return
        self._api.what = "File list request"
        where = f"{self._api.gl.api_url}/projects/{project.id}/repository/tree"
        with self._api.reading("file list", where):
            try:
                commit = expect(project.commits.get(branch).attributes["id"], str, "id")
            except RecordNotFound:  # the branch itself then: it may move meanwhile
                commit = expect(branch, str, "default_branch")
            tree = project.repository_tree(
                ref=commit, recursive=True, iterator=True, pagination="keyset", per_page=100
            )
            items, seen = [], set()
            for one in tree:
                full = expect(expect(one, dict, "tree entry")["path"], str, "path")
                if full in seen:  # pages without end
                    raise ValueError(f"{full!r} is listed twice")
                seen.add(full)
                items.append(one)
        self._notes.append(f"files of branch {branch} at commit {commit}")
        mirror = self._mirror(self._clone_url(facts))
        uses_lfs = self._uses_lfs(items, f"{where.removesuffix('tree')}files", commit)
        with self._api.reading("file list", where):
            entries = [*self._entries(project.id, commit, items, mirror)]
        yield from self._with_checksums(entries) if self._options.light else entries
        yield from self._bundle("repository.bundle", self._clone_url(facts), mirror)
        if uses_lfs:
            yield from self._lfs_objects(self._clone_url(facts), mirror)

    def _uses_lfs(self, items: list[dict[str, Any]], files: str, commit: str) -> bool:
        """Whether the branch keeps files in LFS: its ``.gitattributes`` says so."""
        if not any(one.get("path") == ".gitattributes" for one in items):
            return False
        answer = self._client.get(
            f"{files}/.gitattributes/raw?ref={commit}",
            what="File list request",
            accept="*/*",
            allow=(404,),
        )
        return b"filter=lfs" in answer.content

    def _lfs_objects(self, url: str, mirror: Mirror) -> Iterator[FileEntry]:
        """What any version of any branch keeps in LFS; the bundle has the pointers only."""
        name = "lfs-objects.tar"
        if self._options.light:
            note = "some files are in LFS: what is listed of them are the pointers in git"
            log.warning(note)
            self._notes.append(note)
            self._skipped.append(Skipped(name, NO_COPY))
            return
        objects = Objects(self._client, mirror, url)
        yield FileEntry(name, (), maker=objects.make)

    def _entries(
        self, number: int, commit: str, items: list[dict[str, Any]], mirror: Mirror
    ) -> Iterator[FileEntry]:
        for item in items:
            full = expect(item["path"], str, "path")
            kind, mode = expect(item["type"], str, "type"), item.get("mode")
            facts = {"git_id": expect(item["id"], str, "id"), "git_mode": mode, "commit": commit}
            if kind == "tree":
                continue
            if kind == "commit":
                self._skipped.append(Skipped(full, "a submodule: another repository", facts))
            elif mode == "120000":
                self._skipped.append(Skipped(full, "a symbolic link; the bundle has it", facts))
            elif kind != "blob" or not re.fullmatch(r"[0-9a-f]{40}|[0-9a-f]{64}", facts["git_id"]):
                raise ValueError(f"{full!r} is {kind!r} {facts['git_id']!r}")
            else:
                raw = (
                    f"{self._api.gl.api_url}/projects/{number}/repository/files/"
                    f"{quote(full, safe='')}/raw?ref={commit}"
                )
                folder, _, name = full.rpartition("/")
                yield FileEntry(
                    name=name,
                    urls=(raw,),
                    folder=f"repository/{folder}".rstrip("/"),
                    origin=facts,
                    maker=(
                        None if self._options.light else self._maker(mirror, facts["git_id"], raw)
                    ),
                )

    def _with_checksums(self, entries: list[FileEntry]) -> Iterator[FileEntry]:
        """The files with size and sha256, which a HEAD request for each tells."""

        def ask(entry: FileEntry) -> FileEntry:
            headers = self._client.head(entry.urls[0].replace("/raw?ref=", "?ref=")) or {}
            size, digest = (headers.get(f"X-Gitlab-{n}", "") for n in ("Size", "Content-Sha256"))
            if not size.isdigit() or not re.fullmatch("[0-9a-f]{64}", digest):
                return entry
            return replace(entry, size=int(size), checksums=(Checksum("sha256", digest),))

        with ThreadPoolExecutor(self._options.jobs) as pool:
            asked = [pool.submit(copy_context().run, ask, one) for one in entries]
            yield from (one.result() for one in asked)

    def _maker(
        self, mirror: Mirror, blob: str, raw: str
    ) -> Callable[[Path, Callable[[], bool]], Iterator[bytes]]:
        """Makes one file of the branch: from the clone, or from LFS if that holds a pointer."""

        def make(scratch: Path, stopped: Callable[[], bool]) -> Iterator[bytes]:
            content = mirror.blob(blob, scratch, stopped)
            if not isinstance(content, bytes):
                yield from content
            elif found := pointer(content):
                held = scratch / "object"
                fetch(self._client, *found, f"{raw}&lfs=true", {}, held)
                yield from blocks(held)
            else:
                yield content

        return make

    def _clone_url(self, facts: dict[str, Any]) -> str:
        """Where git finds it: as the server says, if that is the server that we ask."""
        told = facts.get("http_url_to_repo")
        base = self._instance.base_url
        if isinstance(told, str) and re.match(r"https?://[^\s@]+$", told):
            if origin(told) == origin(base):
                return told
        return f"{base}/{facts['path_with_namespace']}.git"

    def _mirror(self, url: str) -> Mirror:
        """The clone of a repository, made when it is needed."""
        settings = environment(
            url,
            self._client.basic_authorization(url, "oauth2"),
            self._options.timeout,
            self._options.proxy.value if self._options.proxy else None,
            self._options.skipssl,
        )
        mirror = Mirror(url, settings, self._client.access_hint())
        self._client.at_end(mirror.close)
        return mirror

    def _bundle(self, name: str, url: str, mirror: Mirror | None = None) -> Iterator[FileEntry]:
        """Every branch and tag with their history, in one file that git can clone from.

        That of a wiki may be missing: its pages are kept as a list in any case.
        """
        if self._options.light:
            self._skipped.append(Skipped(name, NO_COPY, {"url": url}))
            return
        made = mirror or self._mirror(url)
        yield FileEntry(
            name, (), origin={"repository": url}, optional=mirror is None, maker=made.bundle
        )

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
        except AccessDenied as err:
            self._skipped.append(Skipped("wiki", err.message, {"url": url}))
            return None
        except RecordNotFound:
            return None
        if not pages:
            return None
        content = json.dumps(pages, indent=2, ensure_ascii=False).encode("utf-8")
        return Document("wiki.json", content, url, "meta", "application/json")

    def _export(self, project: Any) -> Iterator[FileEntry]:
        """Issues, merge requests, uploads and LFS objects, as GitLab itself packs them."""
        name = "export.tar.gz"
        if self._options.light:
            self._skipped.append(Skipped(name, "a light package asks for no export"))
        elif not self._client.has_credential:
            reason = "an export needs the token of a Maintainer, with the scope api"
            self._skipped.append(Skipped(name, reason))
        else:
            export = Export(self._api, project, self._client)
            yield FileEntry(name, (), optional=True, maker=export.make)


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
