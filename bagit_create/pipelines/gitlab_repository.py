"""The repository of a GitLab project: its branch's files, its bundle, and what it keeps in LFS.

Facts: GitLab's documentation (``doc/api``: repositories, repository files). The files come from one
mirror clone, since the interface allows few downloads; a light package lists their addresses there.
The content of a file in LFS is fetched and compared with its pointer.
"""

from __future__ import annotations

import re
from collections.abc import Generator, Iterator
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
from ..model import Checksum, FileEntry, Maker, Skipped
from ..options import JobOptions
from ..urls import origin
from .base import expect, reading
from .gitlab_api import Api
from .gitlab_git import Mirror
from .gitlab_lfs import Objects, blocks, fetch, pointer
from .gitlab_program import Stopped, environment

NO_COPY = "a light package holds no copy of the repository"
NO_LFS = "a light package holds nothing of what any version of any branch keeps in LFS"


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
        """The files of the default branch, and everything that git and LFS hold.

        :raises AccessDenied: if there is a repository that may not be seen.
        """
        branch = facts.get("default_branch")
        if facts.get("repository_access_level") == "disabled":
            reason = "the project has its repository switched off"
            self.notes.append(reason)
            self.skipped.append(Skipped("repository", reason))
            return
        where = f"{self._api.gl.api_url}/projects/{project.id}/repository/tree"
        # Old servers do not tell whether it is empty; all tell the branch to those who may see it.
        if facts.get("empty_repo", "default_branch" in facts and not branch):
            self.notes.append("the repository is empty")
            return
        if not branch:
            raise self._denied(where)
        self._api.what = "File list request"
        with self._api.reading("file list", where):
            try:
                commit = expect(project.commits.get(branch).attributes["id"], str, "id")
            except RecordNotFound:  # the branch itself then: it may move meanwhile
                commit = expect(branch, str, "default_branch")
            items = self._tree(project, commit, where)
        self.notes.append(f"files of branch {branch} at commit {commit}")
        url = self.clone_url(facts)
        mirror = self._mirror(url)
        with self._api.reading("file list", where):
            entries = [*self._entries(project.id, commit, items, mirror)]
        yield from self._with_checksums(entries) if self._options.light else entries
        yield from self.bundle("repository.bundle", url, mirror, commit)
        if self._options.light:
            self._tell_of_lfs(items, f"{where.removesuffix('tree')}files", commit)
            return
        objects = Objects(self._client, mirror, url, facts.get("lfs_enabled") is not False)
        about = {"repository": url, "commit": commit}
        yield FileEntry("lfs-objects.tar", (), origin=about, maker=objects.make, if_any=True)

    def _denied(self, where: str, status: int | None = None) -> AccessDenied:
        return AccessDenied(
            "The project's repository may not be seen: access denied.",
            where=where,
            hint=self._client.access_hint(),
            http_status=status,
        )

    def _tree(self, project: Any, commit: str, where: str) -> list[dict[str, Any]]:
        """All that a commit has in it."""
        items, seen = [], set()
        try:
            for one in project.repository_tree(
                ref=commit, recursive=True, iterator=True, pagination="keyset", per_page=100
            ):
                full = expect(expect(one, dict, "tree entry")["path"], str, "path")
                if full in seen:  # pages without end
                    raise ValueError(f"{full!r} is listed twice")
                seen.add(full)
                items.append(one)
        except RecordNotFound as err:  # it is not empty: so it looks to those who may not see it
            raise self._denied(where, err.http_status) from err
        return items

    def _tell_of_lfs(self, items: list[dict[str, Any]], files: str, commit: str) -> None:
        """Say in a light package what is in LFS, as the ``.gitattributes`` of all folders tell."""
        self.skipped.append(Skipped("lfs-objects.tar", NO_LFS))
        for item in items:
            if item["path"].rpartition("/")[2] != ".gitattributes":
                continue
            answer = self._client.get(
                f"{files}/{quote(item['path'], safe='')}/raw?ref={commit}",
                what="File list request",
                accept="*/*",
                allow=(404,),
            )
            if b"filter=lfs" in answer.content:
                note = "some files are in LFS: what is listed of them are the pointers in git"
                log.warning(note)
                self.notes.append(note)
                return

    def _entries(
        self, number: int, commit: str, items: list[dict[str, Any]], mirror: Mirror
    ) -> Iterator[FileEntry]:
        for item in items:
            full = item["path"]
            if "\0" in full:
                raise ValueError(f"a path is {full!r}")
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
                    maker=None if self._options.light else self._maker(mirror, facts, full, raw),
                )

    def _with_checksums(self, entries: list[FileEntry]) -> Iterator[FileEntry]:
        """The files with size and sha256, which a HEAD request for each tells."""

        def ask(entry: FileEntry) -> FileEntry:
            where = entry.urls[0].replace("/raw?ref=", "?ref=")
            headers = self._client.head(where) or {}
            size, digest = (headers.get(f"X-Gitlab-{n}", "") for n in ("Size", "Content-Sha256"))
            if not size or not digest:
                return entry
            with reading("description of a file", where):
                if not re.fullmatch("[0-9]{1,18} [0-9a-f]{64}", f"{size} {digest}"):
                    raise ValueError(f"size and sha256 are {size!r} and {digest!r}")
            return replace(entry, size=int(size), checksums=(Checksum("sha256", digest),))

        with ThreadPoolExecutor(self._options.jobs) as pool:
            asked = [pool.submit(copy_context().run, ask, one) for one in entries]
            yield from (one.result() for one in asked)

    def _maker(self, mirror: Mirror, facts: dict[str, Any], path: str, raw: str) -> Maker:
        """Makes one file of the branch: from the clone, or from LFS if that holds a pointer.

        What only looks like a pointer is a file like any other.
        """

        def make(scratch: Path, stopped: Stopped) -> Generator[bytes, None, None]:
            content = mirror.blob(facts["git_id"], scratch, stopped)
            if not isinstance(content, bytes):
                yield from content
            elif found := pointer(content):
                held = scratch / "object"
                lack = fetch(self._client, *found, f"{raw}&lfs=true", {}, held, content)
                if lack is not None:
                    if mirror.is_in_lfs(facts["commit"], path, scratch, stopped):
                        raise lack
                    log.warning(f"{path} looks like a pointer, but is not in LFS: kept as it is")
                    held.write_bytes(content)
                yield from blocks(held)
            else:
                yield content

        return make

    def clone_url(self, facts: dict[str, Any]) -> str:
        """Where git finds it: as the server says, if that is the server that we ask.

        :raises ValueError: if what the server says cannot be an address.
        """
        told = facts.get("http_url_to_repo")
        base = self._instance.base_url
        if isinstance(told, str) and re.fullmatch(r"https?://[^\s@]+", told):
            if not told.isprintable():
                raise ValueError(f"http_url_to_repo is {told!r}")
            if origin(told) == origin(base):
                return told
        return f"{base}/{facts['path_with_namespace']}.git"

    def _mirror(self, url: str) -> Mirror:
        """The clone of a repository, made when it is needed."""
        settings = environment(
            url,
            self._client.wire.basic_authorization(url, "oauth2"),
            self._options.timeout,
            self._client.wire.proxy_for(url),
            self._options.skipssl,
        )
        mirror = Mirror(url, settings, self._client)
        self._client.at_end(mirror.close)
        return mirror

    def bundle(
        self, name: str, url: str, mirror: Mirror | None = None, commit: str = ""
    ) -> Iterator[FileEntry]:
        """Every branch and tag with their history, in one file that git can clone from.

        That of a wiki may be missing: its pages are kept as a list in any case.

        :param commit: at which the files are; with another one an older bundle does not count.
        """
        if self._options.light:
            self.skipped.append(Skipped(name, NO_COPY, {"url": url}))
            return
        made = mirror or self._mirror(url)
        about = {"repository": url, **({"commit": commit} if commit else {})}
        yield FileEntry(name, (), origin=about, optional=mirror is None, maker=made.bundle)
