"""GitLab: its REST interface, and git over HTTP by git's own server program.

Routes, statuses and texts follow gitlabhq/gitlabhq (``lib/api``). The projects:

     7  toys/detector   branches, a tag, a wiki, odd names, a link, a submodule, a file in LFS
     8  toys/empty      no commit                       9  toys/many     250 files
    10  toys/private    404 without a token             11  toys/closed  403 for everybody
    12  toys/switched   its repository is switched off  13  toys/broken  the clone is refused
    toys/old-name       moved: redirects to 7           more in groups: gitlab_groups.py

The token ``good`` is a Maintainer's, ``reader`` may not export, any other is refused.
"""

from __future__ import annotations

import json
import re
import subprocess
from base64 import b64decode
from typing import Any
from urllib.parse import parse_qs, unquote

from .content import Content
from .gitlab_groups import Groups
from .gitlab_repos import ENVIRONMENT, LFS, LFS_ID, OLD_LFS, OLD_LFS_ID, POINTER, repositories
from .server import Reply, Seen, json_reply, page
from .storage import Storage

PROJECTS = {
    "7": "toys/detector",
    "8": "toys/empty",
    "9": "toys/many",
    "10": "toys/private",
    "11": "toys/closed",
    "12": "toys/switched",
    "13": "toys/broken",
}
TOKENS = ("good", "reader")
ARCHIVE = b"\x1f\x8b\x08\x00" + b"an invented export " * 500


class GitLab:
    """One server. ``base`` and ``storage_url`` are set once the ports are known.

    ``export`` says how an export goes: ``"works"``, ``"ready"`` (at once), ``"none"`` (falls
    back), ``"failed"``, ``"stuck"``. ``not_yet`` is how many downloads are "not found" first,
    ``downloads`` how many were asked for, ``keyset`` whether pages are numbered or chained, ``lfs``
    whether the objects in LFS are there, ``endless`` whether the last page leads to the first.
    """

    methods = frozenset({"POST"})

    def __init__(self, storage: Storage) -> None:
        self.base = self.storage_url = ""
        self.storage = storage
        self.export = "works"
        self.not_yet = 0
        self.downloads = 0
        self.keyset = True
        self.exporting = -1
        self.lfs = True
        self.endless = False
        self.stars = 0
        self.active = "2026-01-02T03:04:05.678Z"
        self.groups = Groups(PROJECTS)

    @property
    def root(self) -> str:
        """The folder of the repositories, made when one is first asked for."""
        return repositories()

    def __call__(self, request: Seen) -> Reply:
        """Answer a request."""
        path, _, query = request.path.partition("?")
        if match := re.match(r"/(toys/[\w-]+(?:\.wiki)?)\.git/", path):
            return self._git(match[1], path, query, request)
        token = request.headers.get("private-token", "")
        if request.headers.get("authorization", "").startswith("Bearer "):
            token = request.headers["authorization"][7:]
        if token and token not in TOKENS:
            return json_reply(401, {"message": "401 Unauthorized"})
        if match := re.fullmatch(r"/api/v4/groups/([^/]+)/projects(/shared)?", path):
            return self.groups(unquote(match[1]), bool(match[2]), parse_qs(query), token)
        match = re.match(r"/api/v4/projects/([^/]+)(.*)", path)
        if not match:
            return json_reply(404, {"error": "404 Not Found"})
        name = unquote(match[1])
        if name == "toys/old-name":
            return Reply(301, {"Location": f"{self.base}/api/v4/projects/7{match[2]}"})
        number = name if name in PROJECTS else _number(name)
        if number is None or (number == "10" and not token):
            return json_reply(404, {"message": "404 Project Not Found"})
        if number == "11":
            return json_reply(403, {"message": "403 Forbidden"})
        return self._api(number, match[2], parse_qs(query), token, request)

    def _api(
        self, number: str, rest: str, asked: dict[str, list[str]], token: str, request: Seen
    ) -> Reply:
        if rest.startswith("/export"):
            return self._export(number, rest, token, request.method)
        if request.method == "POST":
            return json_reply(405, {"error": "405 Not Allowed"})
        if rest == "":
            return json_reply(200, self._project(number, token))
        if rest == "/wikis":
            pages = [{"slug": "home", "title": "home", "format": "markdown", "content": "# Home\n"}]
            return json_reply(200, pages if number == "7" else [])
        if number in ("8", "12"):
            return json_reply(404, {"message": "404 Tree Not Found"})
        if rest.startswith("/repository/commits/"):
            return json_reply(200, {"id": self._head(number), "title": "Latest"})
        if rest == "/repository/tree":
            return self._tree(number, asked)
        if match := re.fullmatch(r"/repository/files/([^/]+)/raw", rest):
            return self._raw(number, unquote(match[1]), asked)
        if match := re.fullmatch(r"/repository/files/([^/]+)", rest):
            return self._about(number, unquote(match[1]), asked)
        return json_reply(404, {"error": "404 Not Found"})

    def _project(self, number: str, token: str) -> dict[str, Any]:
        path = PROJECTS[number]
        empty = number == "8"
        made: dict[str, Any] = {
            "id": int(number),
            "name": f"Projet été {number}",
            "path_with_namespace": path,
            "namespace": {"full_path": "toys"},
            "description": "Invented",
            "default_branch": None if empty else "main",
            "empty_repo": empty,
            "visibility": "public",
            "topics": ["toy"],
            "last_activity_at": self.active,
            "star_count": self.stars,
            "web_url": f"{self.base}/{path}",
            "http_url_to_repo": f"{self.base}/{path}.git",
            "wiki_enabled": number != "12",
            "repository_access_level": "disabled" if number == "12" else "enabled",
            "import_url": "https://ada:s3cr3t-import@mirror.example/x.git",
        }
        if token == "good":
            made["runners_token"] = "GR-s3cr3t-runners"
            made["nested"] = [{"ci_job_token": "s3cr3t-job", "kept": 1}]
        return made

    # -- the repository -------------------------------------------------------------------------

    def _run(self, number: str, *command: str) -> bytes:
        folder = f"{self.root}/{PROJECTS[number]}.git"
        return subprocess.run(
            ["git", *command], cwd=folder, env=ENVIRONMENT, capture_output=True, check=True
        ).stdout

    def _head(self, number: str) -> str:
        return self._run(number, "rev-parse", "main").decode().strip()

    def _tree(self, number: str, asked: dict[str, list[str]]) -> Reply:
        listed = self._run(number, "ls-tree", "-r", "-t", "-z", asked.get("ref", ["main"])[0])
        items = []
        for line in listed.decode("utf-8", "replace").split("\0")[:-1]:
            facts, _, path = line.partition("\t")
            mode, kind, blob = facts.split(" ")
            name = path.rpartition("/")[2]
            items.append({"id": blob, "name": name, "type": kind, "path": path, "mode": mode})
        size = int(asked.get("per_page", ["20"])[0])
        if self.keyset:
            start = int(asked.get("page_token", ["0"])[0].removeprefix("opaque-"))
        else:
            start = (int(asked.get("page", ["1"])[0]) - 1) * size
        reply = json_reply(200, items[start : start + size])
        if start + size < len(items) or self.endless:
            next_ = f"page_token=opaque-{0 if self.endless else start + size}"
            if not self.keyset:
                next_ = f"page={start // size + 2}"
                reply.headers["X-Next-Page"] = str(start // size + 2)
            query = (
                f"recursive=true&per_page={size}&pagination=keyset&ref={asked['ref'][0]}&{next_}"
            )
            # The address that the server thinks it has may be another one.
            link = f"https://gitlab.example/api/v4/projects/{number}/repository/tree?{query}"
            reply.headers["Link"] = f'<{link}>; rel="next", <{link}>; rel="first"'
        return reply

    def _about(self, number: str, path: str, asked: dict[str, list[str]]) -> Reply:
        """What is known of a file stands in headers; HEAD gives them alone."""
        raw = self._raw(number, path, asked)
        if raw.status != 200:
            return raw
        facts = {"size": raw.body.size, "content_sha256": raw.body.digest("sha256")}
        reply = json_reply(200, {"file_path": path, **facts, "ref": asked["ref"][0]})
        reply.headers["X-Gitlab-Size"] = str(facts["size"])
        reply.headers["X-Gitlab-Content-Sha256"] = str(facts["content_sha256"])
        return reply

    def _raw(self, number: str, path: str, asked: dict[str, list[str]]) -> Reply:
        try:
            found = Content(self._run(number, "show", f"{asked['ref'][0]}:{path}"))
        except subprocess.CalledProcessError:
            return json_reply(404, {"message": "404 File Not Found"})
        text = b"".join(found.blocks())
        if asked.get("lfs") == ["true"] and text.startswith(POINTER[:43]):
            if not self.lfs or LFS_ID.encode() not in text:
                return json_reply(404, {"message": "404 File Not Found"})
            return Reply(302, {"Location": self.storage_url + self.storage.sign(Content(LFS))})
        return Reply(200, {"Content-Type": "text/plain"}, found)

    def _git(self, name: str, path: str, query: str, request: Seen) -> Reply:
        """``git http-backend`` as a CGI program (RFC 3875)."""
        token = ""
        scheme, _, value = request.headers.get("authorization", "").partition(" ")
        if scheme == "Basic":
            token = b64decode(value).decode().partition(":")[2]
        closed = name == "toys/broken" or (name == "toys/private" and token not in TOKENS)
        if (token and token not in TOKENS) or closed:
            reply = page(401, "HTTP Basic: Access denied")
            reply.headers["WWW-Authenticate"] = 'Basic realm="GitLab"'
            return reply
        if path.endswith("/info/lfs/objects/batch"):
            return self._batch(request)
        environment = {
            **ENVIRONMENT,
            "GIT_PROJECT_ROOT": self.root,
            "GIT_HTTP_EXPORT_ALL": "1",
            "PATH_INFO": unquote(path),
            "QUERY_STRING": query,
            "REQUEST_METHOD": request.method,
            "CONTENT_TYPE": request.headers.get("content-type", ""),
            "HTTP_CONTENT_ENCODING": request.headers.get("content-encoding", ""),
            "GIT_PROTOCOL": request.headers.get("git-protocol", ""),
            "CONTENT_LENGTH": str(len(request.body)),
        }
        done = subprocess.run(
            ["git", "http-backend"], env=environment, input=request.body, capture_output=True
        )
        head, _, body = done.stdout.partition(b"\r\n\r\n")
        headers = dict(line.split(": ", 1) for line in head.decode().split("\r\n") if line)
        status = int(headers.pop("Status", "200").split(" ")[0])
        return Reply(status, headers, Content(body))

    def _batch(self, request: Seen) -> Reply:
        """LFS tells where an object is, and with what it may be had."""
        if request.headers.get("content-type") != "application/vnd.git-lfs+json":
            return json_reply(415, {"message": "Unsupported media type"})
        found = []
        for one in json.loads(request.body)["objects"]:
            made: dict[str, Any] = {"oid": one["oid"], "size": one["size"]}
            content = {LFS_ID: LFS, OLD_LFS_ID: OLD_LFS}.get(one["oid"])
            if content is None or not self.lfs:
                made["error"] = {"code": 404, "message": "Object does not exist"}
            else:
                address = self.storage_url + self.storage.sign(Content(content))
                made["actions"] = {"download": {"href": address, "header": {"X-Given": "yes"}}}
            found.append(made)
        return json_reply(200, {"transfer": "basic", "objects": found})

    # -- the export -----------------------------------------------------------------------------

    def _export(self, number: str, rest: str, token: str, method: str) -> Reply:
        if token != "good":
            if not token:
                return json_reply(401, {"message": "401 Unauthorized"})
            body = {
                "error": "insufficient_scope",
                "error_description": "More is needed.",
                "scope": "api",
            }
            return json_reply(403, body)
        if method == "POST":
            self.exporting = 0
            return json_reply(202, {"message": "202 Accepted"})
        if rest == "/export":
            self.exporting += 1
            states = {
                "ready": ["finished"],
                "works": ["none", "queued", "started", "finished"],
                "none": ["queued", "started", "none"],
                "failed": ["started", "failed"],
                "stuck": ["regeneration_in_progress"],
            }[self.export]
            state = states[min(self.exporting, len(states)) - 1]
            facts = {"id": int(number), "path_with_namespace": PROJECTS[number]}
            return json_reply(200, {**facts, "export_status": state})
        self.downloads += 1
        if self.downloads <= self.not_yet:
            return json_reply(404, {"message": "404 Not found or has expired"})
        return Reply(302, {"Location": self.storage_url + self.storage.sign(Content(ARCHIVE))})


def _number(path: str) -> str | None:
    return next((number for number, one in PROJECTS.items() if one == path), None)


def gitlab(storage: Storage) -> GitLab:
    """A server, with its projects."""
    return GitLab(storage)
