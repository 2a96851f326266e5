"""The repository of a GitLab project: its branch's files, its bundle, and what it keeps in LFS.

Facts: GitLab's documentation (``doc/api``: repositories, repository files). The files come from one
mirror clone, since the interface allows few downloads; a light package lists their addresses there.
The content of a file in LFS is fetched and compared with its pointer.
"""

from __future__ import annotations

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
from ..errors import RecordNotFound
from ..model import Checksum, FileEntry, Skipped
from ..options import JobOptions
from ..urls import origin
from .base import expect
from .gitlab_api import Api
from .gitlab_git import Mirror, environment
from .gitlab_lfs import Objects, blocks, fetch, pointer

NO_COPY = "a light package holds no copy of the repository"


class Repository:
    """What is in git. ``skipped`` and ``notes`` gather what a record says of it."""

    def __init__(self, instance: Instance, client: Client, options: JobOptions, api: Api) -> None:
        self._instance = instance
        self._client = client
        self._options = options
        self._api = api
        self.skipped: list[Skipped] = []
        self.notes: list[str] = []

    def files(self, project: Any, facts: dict[str, Any]) -> Iterator[FileEntry]:
        """The files of the default branch, and everything that git and LFS hold."""
        branch = facts.get("default_branch")
        if facts.get("repository_access_level") == "disabled":
            self.notes.append("the project has no repository: it is switched off")
            return
        if facts.get("empty_repo") or not branch:
            self.notes.append("the repository is empty")
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
        self.notes.append(f"files of branch {branch} at commit {commit}")
        mirror = self._mirror(self.clone_url(facts))
        uses_lfs = self._uses_lfs(items, f"{where.removesuffix('tree')}files", commit)
        with self._api.reading("file list", where):
            entries = [*self._entries(project.id, commit, items, mirror)]
        yield from self._with_checksums(entries) if self._options.light else entries
        yield from self.bundle("repository.bundle", self.clone_url(facts), mirror)
        if uses_lfs:
            yield from self._lfs_objects(self.clone_url(facts), mirror)

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
            self.notes.append(note)
            self.skipped.append(Skipped(name, NO_COPY))
            return
        objects = Objects(self._client, mirror, url)
        yield FileEntry(name, (), origin={"repository": url}, maker=objects.make)

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
                self.skipped.append(Skipped(full, "a submodule: another repository", facts))
            elif mode == "120000":
                self.skipped.append(Skipped(full, "a symbolic link; the bundle has it", facts))
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

    def clone_url(self, facts: dict[str, Any]) -> str:
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
            self._client.wire.basic_authorization(url, "oauth2"),
            self._options.timeout,
            self._options.proxy.value if self._options.proxy else None,
            self._options.skipssl,
        )
        mirror = Mirror(url, settings, self._client.access_hint())
        self._client.at_end(mirror.close)
        return mirror

    def bundle(self, name: str, url: str, mirror: Mirror | None = None) -> Iterator[FileEntry]:
        """Every branch and tag with their history, in one file that git can clone from.

        That of a wiki may be missing: its pages are kept as a list in any case.
        """
        if self._options.light:
            self.skipped.append(Skipped(name, NO_COPY, {"url": url}))
            return
        made = mirror or self._mirror(url)
        yield FileEntry(
            name, (), origin={"repository": url}, optional=mirror is None, maker=made.bundle
        )
