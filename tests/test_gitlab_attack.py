"""GitLab under attack: what servers, names and machines do to make a package wrong, or tell tales.

Each of these began as a promise of the README that somebody broke.
"""

from __future__ import annotations

import errno
import json
import os
import random
import shutil
import signal
import subprocess
import sys
import tarfile
from base64 import b64encode
from collections.abc import Callable, Iterator
from http.client import HTTPConnection
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from importlib import import_module
from io import BytesIO
from pathlib import Path
from tempfile import TemporaryDirectory
from threading import Thread
from typing import Any
from urllib.parse import urlsplit

import pytest
from gates import FOR_EVER_S, LONG_S, begun, until
from packages import Harvest, by_name, everything, payload

from bagit_create.errors import TransferError, Unreachable
from bagit_create.pipelines import gitlab_export, gitlab_git, gitlab_program
from bagit_create.pipelines.gitlab_lfs import pointer
from bagit_create.sandbox import Fault, Sandbox
from bagit_create.sandbox import gitlab as sandbox_gitlab
from bagit_create.sandbox.content import Content
from bagit_create.sandbox.gitlab import ARCHIVE
from bagit_create.sandbox.gitlab_repos import ENVIRONMENT, LFS, LFS_ID, POINTER
from bagit_create.sandbox.server import Reply, json_reply

transfer = import_module("bagit_create.transfer.fetch")

Project = Callable[..., str]
ATTRIBUTES = b"*.bin filter=lfs\n"
UNKNOWN = POINTER.replace(LFS_ID.encode(), b"0" * 64)


@pytest.fixture(autouse=True)
def short_waits_for_exports(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nobody waits a minute here."""
    monkeypatch.setattr(gitlab_export, "FIRST_WAIT_S", 0.01)
    monkeypatch.setattr(gitlab_export, "BETWEEN_DOWNLOADS_S", 0.01)


def git(folder: str | Path, *command: str, given: bytes | None = None) -> str:
    """What git prints."""
    done = subprocess.run(
        ["git", *command],
        cwd=folder,
        env=ENVIRONMENT,
        check=True,
        capture_output=True,
        input=given,
    )
    return done.stdout.decode("utf-8", "replace").strip()


@pytest.fixture
def project(sandbox: Sandbox, monkeypatch: pytest.MonkeyPatch) -> Iterator[Project]:
    """Make a further project of the sandbox's GitLab: branches with files, oldest first.

    Further arguments are called with the folder of each branch, before it is pushed.
    """
    made: list[Path] = []

    def call(name: str, *more: Callable[[str], None], **branches: dict[str, bytes]) -> str:
        number = str(90 + len(made))
        monkeypatch.setitem(sandbox_gitlab.PROJECTS, number, f"toys/{name}")
        bare = Path(sandbox.app("gitlab").root, f"toys/{name}.git")
        made.append(bare)
        git(bare.parent, "init", "--quiet", "--bare", "--initial-branch=main", str(bare))
        for branch, files in branches.items():
            commit(bare, branch, files, *more)
        return number

    yield call
    for bare in made:
        shutil.rmtree(bare)


def commit(bare: Path, branch: str, files: dict[str, bytes], *more: Callable[[str], None]) -> None:
    """Push a commit without parents as a branch."""
    with TemporaryDirectory() as tree:
        git(tree, "init", "--quiet", f"--initial-branch={branch}")
        for path, content in files.items():
            Path(tree, path).parent.mkdir(parents=True, exist_ok=True)
            Path(tree, path).write_bytes(content)
        git(tree, "add", "--all", "--force")
        git(tree, "commit", "--quiet", "-m", branch)
        for one in more:
            one(tree)
        git(tree, "push", "--quiet", "--force", str(bare), "refs/*:refs/*")


def about(sandbox: Sandbox, **facts: Any) -> None:
    """Have every project described with these facts; None leaves one out."""
    real = sandbox.app("gitlab")._project

    def changed(*given: Any) -> dict[str, Any]:
        made = {**real(*given), **facts}
        return {name: value for name, value in made.items() if facts.get(name, 0) is not None}

    sandbox.app("gitlab")._project = changed


def kept(result: dict[str, Any], path: str) -> bytes:
    """The bytes of a file below ``data/content``."""
    assert 0 == result["status"], result
    return (Path(result["path"]) / "data/content" / path).read_bytes()


# -- what git is told, and tells ------------------------------------------------------------------


def test_gits_redirect_to_another_server_takes_no_token_along(
    harvest: Harvest, sandbox: Sandbox
) -> None:
    """It is a refusal: a token goes to the origin of its source only."""
    with Sandbox() as other:
        refs = "/toys/detector.git/info/refs?service=git-upload-pack"
        sandbox.fault(
            r"detector\.git/info/refs", Fault("redirect", location=other.url("gitlab") + refs)
        )

        assert 8 == harvest(7, "gitlab", token="good")["exit_code"]
        assert [] == other.seen


def test_git_does_not_read_netrc(harvest: Harvest, sandbox: Sandbox) -> None:
    """As nothing else of ours does."""
    netrc = Path(os.environ["HOME"], ".netrc")
    netrc.write_text("machine 127.0.0.1 login ada password s3cr3t-netrc\n")
    netrc.chmod(0o600)

    harvest(13, "gitlab")

    assert [] == [one.path for one in sandbox.seen if "authorization" in one.headers]


@pytest.mark.parametrize("name", ["SSH_ASKPASS", "GIT_ASKPASS"])
def test_git_opens_no_window_for_a_password(
    name: str, harvest: Harvest, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """Nothing is ever asked for; the one is set on desktops and on LXPLUS."""
    program, asked = tmp_path / "askpass", tmp_path / "asked"
    program.write_text(f"#!/bin/sh\necho \"$1\" >> '{asked}'\necho secret\n")
    program.chmod(0o755)
    monkeypatch.setenv(name, str(program))

    harvest(13, "gitlab")

    assert not asked.exists()


def test_git_goes_through_the_proxy_of_this_run(
    harvest: Harvest, sandbox: Sandbox, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whatever NO_PROXY says: ``--proxy`` is for everything."""
    passed: list[str] = []

    class Proxy(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            passed.append(self.path)
            length = int(self.headers.get("Content-Length", 0))
            body = self.rfile.read(length) if length else None
            place = urlsplit(self.path)
            there = HTTPConnection(place.hostname or "", place.port)
            there.request(self.command, self.path.split(place.netloc)[1], body, dict(self.headers))
            answer = there.getresponse()
            content = answer.read()
            there.close()
            self.send_response(answer.status)
            for name, value in answer.getheaders():
                if name.lower() not in ("transfer-encoding", "content-length", "connection"):
                    self.send_header(name, value)
            self.send_header("Content-Length", str(len(content)))
            self.end_headers()
            self.wfile.write(content)

        do_POST = do_GET

        def log_message(self, *_: Any) -> None:
            pass

    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    with ThreadingHTTPServer(("127.0.0.1", 0), Proxy) as server:
        Thread(target=server.serve_forever, daemon=True).start()
        result = harvest(9, "gitlab", proxy=f"http://127.0.0.1:{server.server_address[1]}")
        server.shutdown()

    assert 0 == result["status"], result
    assert {one.path for one in sandbox.seen} == {"/" + one.split("/", 3)[3] for one in passed}


def test_git_obeys_no_proxy(
    harvest: Harvest, sandbox: Sandbox, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As every other request does where no proxy was given."""
    monkeypatch.setenv("HTTP_PROXY", "http://127.0.0.1:9")
    monkeypatch.setenv("http_proxy", "http://127.0.0.1:9")
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")

    assert 0 == harvest(9, "gitlab")["status"]


@pytest.mark.parametrize("secret", [b"oauth2:good", b"good"])
def test_an_encoded_token_that_comes_back_is_not_shown(
    secret: bytes, harvest: Harvest, sandbox: Sandbox
) -> None:
    """It appears in no log and no message, also not as git is given it: base64 hides nothing."""
    encoded = b64encode(secret).decode()

    def echo(name: str, path: str, query: str, request: Any) -> Reply:
        text = f"cannot serve {encoded} {request.headers.get('authorization')}".encode()
        return Reply(500, {"Content-Type": "text/plain"}, Content(text))

    sandbox.app("gitlab")._git = echo

    result = harvest(7, "gitlab", token="good")

    assert "cannot serve" in result["where"]
    assert encoded.rstrip("=") not in json.dumps(result)


@pytest.mark.parametrize(
    "text",
    [
        "2:Fetching https://ada:s3cr3t-import@mirror.example/x.git failed",
        "(http://a@x.example, then <ssh://ada:s3cr3t-import@mirror.example:22>)",
        "http://ada:#?@s3cr3t-import@mirror.example",
    ],
)
def test_a_password_inside_a_text_is_not_kept(
    text: str, harvest: Harvest, sandbox: Sandbox, tmp_path: Path
) -> None:
    """Neither in the project's description, nor in ``dc.xml``."""
    about(sandbox, import_error=text, description=text)

    result = harvest(7, "gitlab", dry_run=True)

    assert 0 == result["status"]
    assert b"s3cr3t-import" not in everything(tmp_path / "out")


# -- git as a program -----------------------------------------------------------------------------


def running(text: str) -> list[str]:
    """The command lines of processes that have ``text`` in them."""
    found = []
    for one in Path("/proc").iterdir():
        if one.name.isdigit():
            try:
                words = (one / "cmdline").read_bytes().decode("utf-8", "replace")
            except OSError:
                continue
            if text in words:
                found.append(words.replace("\0", " "))
    return found


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGKILL])
def test_git_ends_with_the_run_that_started_it(
    number: int, sandbox: Sandbox, config_file: Path, tmp_path: Path
) -> None:
    """It and its helpers, however the run ends: it has the token in its environment."""
    sandbox.fault("detector.git/git-upload-pack", Fault("stall", after=50, seconds=FOR_EVER_S))
    words = [sys.executable, "-m", "bagit_create", "--source", "gitlab", "--recid", "7"]
    words += ["--config", str(config_file), "--target", str(tmp_path / "out"), "--quiet"]
    address = sandbox.url("gitlab")
    with begun(words, stderr=subprocess.DEVNULL) as run:
        until(lambda: running(f"remote-http\0origin\0{address}"))
        run.send_signal(number)
        run.wait(LONG_S)

    until(lambda: not running(address), "the end of git")


def test_git_on_a_full_disk_is_10(
    harvest: Harvest, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """The package cannot be written; no server is overloaded."""
    program = tmp_path / "bin/git"
    program.parent.mkdir()
    program.write_text(
        "#!/bin/sh\necho 'fatal: write error: No space left on device' >&2\nexit 128\n"
    )
    program.chmod(0o755)
    harvest(7, "gitlab", dry_run=True)  # the sandbox makes its repositories by git
    monkeypatch.setenv("PATH", f"{program.parent}:{os.environ['PATH']}")

    assert 10 == harvest(9, "gitlab")["exit_code"]


def test_a_bundle_that_does_not_fit_leaves_no_git_behind(
    harvest: Harvest, project: Project, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It would wait for ever for somebody to read on."""
    number = project("large", main={"large.bin": random.Random(1).randbytes(4_000_000)})
    real = gitlab_git.Mirror._start
    started: list[subprocess.Popen[bytes]] = []

    def start(self: Any, *more: Any, **further: Any) -> Any:
        started.append(real(self, *more, **further))
        return started[-1]

    update = transfer.Digests.update

    def full(self: Any, block: Any) -> None:
        if bytes(block[:5]) == b"# v2 ":
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        update(self, block)

    monkeypatch.setattr(gitlab_git.Mirror, "_start", start)
    monkeypatch.setattr(transfer.Digests, "update", full)

    assert 10 == harvest(number, "gitlab")["exit_code"]
    left = [one for one in started if one.poll() is None]
    for one in left:
        one.kill()
    assert [] == [one.args for one in left]


@pytest.mark.parametrize("fault", [Fault("status", status=503), Fault("reset")])
def test_a_clone_that_fails_once_is_tried_again(
    fault: Fault, harvest: Harvest, sandbox: Sandbox
) -> None:
    """As all that fails for a reason that may pass."""
    sandbox.fault("/info/refs", fault, times=1)

    assert 0 == harvest(9, "gitlab")["status"]


def test_a_clone_is_tried_as_often_as_retries_says(harvest: Harvest, sandbox: Sandbox) -> None:
    """And once before."""
    sandbox.fault("/info/refs", Fault("status", status=503))

    assert 7 == harvest(9, "gitlab", retries=1)["exit_code"]
    assert 2 == len([one for one in sandbox.seen if "/info/refs" in one.path])


def test_a_clone_that_is_refused_is_not_asked_for_with_every_file(
    harvest: Harvest, sandbox: Sandbox
) -> None:
    """GitLab bans who is refused thirty times."""
    sandbox.fault("many.git/info/refs", Fault("status", status=403))

    harvest(9, "gitlab", allow_missing=True)

    assert 1 == len([one for one in sandbox.seen if "/info/refs" in one.path])


def test_a_number_in_a_projects_name_is_no_status(
    harvest: Harvest, sandbox: Sandbox, project: Project
) -> None:
    """A server that is overloaded is 7, not a repository that is not there."""
    number = project("run-404", main={"a.txt": b"a"})
    sandbox.fault("/info/refs", Fault("status", status=503))

    assert 7 == harvest(number, "gitlab")["exit_code"]


@pytest.mark.parametrize(
    ("words", "kind"),
    [
        ("fatal: unable to access 'X': The requested URL returned error: 403", TransferError),
        ("fatal: unable to access 'X': The requested URL returned error: 302", TransferError),
        ("fatal: unable to access 'X': The requested URL returned error: 429", Unreachable),
        ("error: RPC failed; HTTP 502 curl 22 The requested URL returned error: 502", Unreachable),
        ("fatal: repository 'http://x.example/a.git/' not found", TransferError),
        ("fatal: Authentication failed for 'http://x.example/a.git/'", TransferError),
        ("error: unable to write file x: Disk quota exceeded", OSError),
        ("remote: fatal: x: No space left on device\nfatal: early EOF", Unreachable),
        ("fatal: remote error: x\nfatal: write error: No space left on device", Unreachable),
        ("remote: \u2028fatal: repository 'x' not found\nfatal: early EOF", Unreachable),
        ("remote: a\n" * 9999 + "fatal: repository 'x' not found", TransferError),
        ("", Unreachable),
    ],
)
def test_only_gits_own_words_say_what_happened(words: str, kind: type[Exception]) -> None:
    """Not those that it repeats of the server's."""
    found = gitlab_program.failure(BytesIO(words.encode()), "http://x.example/403.git", "")

    assert kind is type(found)
    assert isinstance(found, TransferError) == getattr(found, "withheld", False)


def test_a_replaced_blob_is_packaged_as_it_is(harvest: Harvest, project: Project) -> None:
    """Whatever references somebody pushed (git-replace)."""

    def replace(tree: str) -> None:
        old = git(tree, "rev-parse", "HEAD:a.txt")
        new = git(tree, "hash-object", "-w", "--stdin", given=b"another one")
        git(tree, "update-ref", f"refs/replace/{old}", new)

    number = project("replaced", replace, main={"a.txt": b"the one"})

    assert b"the one" == kept(harvest(number, "gitlab"), "repository/a.txt")


# -- a run that goes on ---------------------------------------------------------------------------


def test_what_gitlab_sent_is_not_fetched_again(harvest: Harvest, sandbox: Sandbox) -> None:
    """Files of the repository, its bundle, and what is in LFS."""
    sandbox.fault(r"\.wiki\.git", Fault("status", status=503))
    first = harvest(7, "gitlab")
    assert 7 == first["exit_code"]
    sandbox.clear()

    assert 0 == harvest(7, "gitlab")["status"]
    assert [] == [one.path for one in sandbox.seen if "detector.git/" in one.path]
    assert [] == [one.path for one in sandbox.seen if one.host == "storage"]


def test_a_bundle_of_another_commit_is_made_anew(
    harvest: Harvest, sandbox: Sandbox, project: Project
) -> None:
    """It would lack the history of the files beside it."""
    number = project("moving", main={"a.txt": b"old"}, data={"b.bin": POINTER})
    sandbox.fault("/info/lfs", Fault("status", status=503))
    assert 7 == harvest(number, "gitlab")["exit_code"]
    sandbox.clear()
    bare = Path(sandbox.app("gitlab").root, "toys/moving.git")
    commit(bare, "main", {"a.txt": b"new"})

    result = harvest(number, "gitlab")

    bundle = Path(result["path"]) / "data/content/repository.bundle"
    assert git(bare, "rev-parse", "main") in git(bare, "bundle", "list-heads", str(bundle))
    assert b"new" == kept(result, "repository/a.txt")


# -- what is in LFS -------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "branches",
    [
        {"main": {"data/.gitattributes": ATTRIBUTES, "data/a.bin": POINTER}},
        {"main": {"a": b"a"}, "data": {".gitattributes": ATTRIBUTES, "a.bin": POINTER}},
        {"main": {"a": b"a"}, "data": {"a.bin": POINTER}},
    ],
)
def test_what_any_branch_keeps_in_lfs_is_kept(
    branches: dict[str, dict[str, bytes]], harvest: Harvest, project: Project
) -> None:
    """Whichever folder's ``.gitattributes`` says so, or none that is left."""
    result = harvest(project("branches", **branches), "gitlab")

    with tarfile.open(fileobj=BytesIO(kept(result, "lfs-objects.tar"))) as archive:
        assert [f"lfs-objects/{LFS_ID[:2]}/{LFS_ID[2:4]}/{LFS_ID}"] == archive.getnames()


def test_without_anything_in_lfs_there_is_no_archive_of_it(harvest: Harvest) -> None:
    """Nor is one counted, or named as missing."""
    result = harvest(9, "gitlab")

    assert "lfs-objects.tar" not in payload(result)
    assert (251, []) == (result["files"], result["missing"])
    assert "lfs-objects.tar" not in by_name(result)


@pytest.mark.parametrize(
    "content",
    [
        POINTER + b"x" * 2000 + b"\nand this is what the pointer file taught us\n",
        POINTER + b"and more\n",
        b"\n" + POINTER,
        POINTER.replace(b"oid ", b"name x\noid "),
        POINTER.replace(b"sha256:", b"md5:"),
        POINTER.replace(b"\n", b"\r\n"),
        b"".join(sorted(POINTER.splitlines(True))),
        POINTER.splitlines(True)[0] + b"".join(POINTER.splitlines(True)[:0:-1]),
        POINTER.replace(b"oid ", b"ext-0-x " + b"y" * 1024 + b"\noid "),
    ],
)
def test_a_file_that_is_only_like_a_pointer_is_kept_whole(
    content: bytes, harvest: Harvest, project: Project
) -> None:
    """A pointer is one to the last byte, and shorter than 1024 (git-lfs, ``docs/spec.md``)."""
    assert pointer(content) is None

    result = harvest(project("tutorial", main={"howto.txt": content}), "gitlab")

    assert content == kept(result, "repository/howto.txt")


@pytest.mark.parametrize("more", [b"", b"ext-0-fold sha256:" + b"0" * 64 + b"\n"])
def test_a_pointer_names_digest_and_size(more: bytes) -> None:
    """With the keys of an extension or without."""
    content = POINTER.replace(b"oid ", more + b"oid ")

    assert (LFS_ID, len(LFS)) == pointer(content)


@pytest.mark.parametrize("enabled", [True, False])
def test_a_pointer_that_lfs_does_not_know_is_a_file(
    enabled: bool, harvest: Harvest, sandbox: Sandbox, project: Project
) -> None:
    """If no ``.gitattributes`` says otherwise; a GitLab without LFS gives the pointer for it."""
    number = project("fixture", main={"tests/pointer.txt": UNKNOWN})
    about(sandbox, lfs_enabled=enabled)
    if not enabled:
        sandbox.app("gitlab")._raw = lambda *_: Reply(200, {}, Content(UNKNOWN))

    result = harvest(number, "gitlab")

    assert UNKNOWN == kept(result, "repository/tests/pointer.txt")
    assert any("tests/pointer.txt looks like a pointer" in one for one in result["warnings"])


@pytest.mark.parametrize("known", [True, False])
def test_a_file_in_lfs_that_is_lost_is_8(
    known: bool, harvest: Harvest, sandbox: Sandbox, project: Project
) -> None:
    """Where a ``.gitattributes`` says so, it was more than a pointer, whatever names the commit."""
    files = {"a/.gitattributes": ATTRIBUTES, "a/\u00e9.bin": UNKNOWN, "b.bin": UNKNOWN}
    number = project("lost", main=files)
    if not known:
        sandbox.fault("/repository/commits/", Fault("status", status=404))

    assert 8 == harvest(number, "gitlab")["exit_code"]
    result = harvest(number, "gitlab", allow_missing=True)
    assert ["\u00e9.bin"] == [one["name"] for one in result["missing"]]
    assert UNKNOWN == kept(result, "repository/b.bin")


def test_lfs_that_is_switched_off_is_not_asked(
    harvest: Harvest, sandbox: Sandbox, project: Project
) -> None:
    """What pointers name is lost then, and told."""
    number = project("off", main={"a": b"a"}, old={"a.bin": POINTER})
    about(sandbox, lfs_enabled=False)

    result = harvest(number, "gitlab")

    assert any("does not have 1 of 1 LFS objects" in one for one in result["warnings"])
    assert [] == [one.path for one in sandbox.seen if "/info/lfs" in one.path]


@pytest.mark.parametrize(
    "header",
    [
        {"X: 1\r\n\r\nDELETE /smuggled HTTP/1.1\r\nHost: x\r\nX": "2"},
        {"X": "1\r\n\r\nDELETE /smuggled HTTP/1.1"},
        {"X-\u00e9": "1"},
        {"X": "\u00e9"},
        {"": "1"},
        {"Content-Length": "50"},
        {"transfer-encoding": "chunked"},
        {"Host": "x.example"},
    ],
)
def test_a_header_from_lfs_smuggles_no_request(
    header: dict[str, str], harvest: Harvest, sandbox: Sandbox
) -> None:
    """What cannot be one, or would frame the request, is refused."""
    real = sandbox.app("gitlab")._batch

    def odd(request: Any) -> Any:
        reply = real(request)
        value = json.loads(b"".join(reply.blocks()))
        for one in value["objects"]:
            one["actions"]["download"]["header"] = header
        return json_reply(200, value)

    sandbox.app("gitlab")._batch = odd

    assert 4 == harvest(7, "gitlab")["exit_code"]
    assert {"GET", "POST", "HEAD"} >= {one.method for one in sandbox.seen}


@pytest.mark.parametrize("lfs", [True, False])
def test_a_light_package_says_that_pointers_of_a_folder_are_listed(
    lfs: bool, harvest: Harvest, project: Project
) -> None:
    """And in any case that it has nothing of what is in LFS."""
    attributes = ATTRIBUTES if lfs else b"*.bin binary\n"
    files = {"data/.gitattributes": attributes, "data/a.bin": POINTER}

    result = harvest(project("nested-light", main=files), "gitlab", dry_run=True)

    assert lfs is any("pointer" in one for one in result["warnings"])
    assert "lfs-objects.tar" in [one["name"] for one in result["skipped"]]


# -- what may not be seen -------------------------------------------------------------------------


@pytest.mark.parametrize("level", ["private", "enabled", None])
@pytest.mark.parametrize("light", [True, False])
def test_a_repository_that_may_not_be_seen_is_6(
    light: bool, level: str | None, harvest: Harvest, sandbox: Sandbox
) -> None:
    """It is not called empty: GitLab tells the branch to those only who may read the code."""
    about(sandbox, repository_access_level=level, default_branch=None)

    assert 6 == harvest(7, "gitlab", dry_run=light)["exit_code"]


@pytest.mark.parametrize("status", [403, 404])
def test_a_tree_that_is_refused_is_6(status: int, harvest: Harvest, sandbox: Sandbox) -> None:
    """Whichever way the server says so."""
    sandbox.fault("/repository/tree", Fault("status", status=status))

    assert 6 == harvest(7, "gitlab")["exit_code"]


def test_an_old_server_does_not_tell_whether_a_repository_is_empty(
    harvest: Harvest, sandbox: Sandbox
) -> None:
    """A branch that is null says it."""
    about(sandbox, empty_repo=None)

    assert 0 == harvest(8, "gitlab")["status"]


def test_a_repository_that_is_switched_off_is_named(harvest: Harvest) -> None:
    """As anything that is left out."""
    [left_out] = harvest(12, "gitlab")["skipped"][:1]

    assert ("repository", True) == (left_out["name"], "switched off" in left_out["reason"])


def test_a_wiki_that_is_said_to_be_there_and_is_not_is_named(
    harvest: Harvest, sandbox: Sandbox
) -> None:
    """The project says ``wiki_enabled``."""
    sandbox.fault("/wikis", Fault("status", status=404))

    assert "wiki" in [one["name"] for one in harvest(7, "gitlab")["skipped"]]


def test_an_export_that_nothing_vouches_for_is_named(harvest: Harvest, sandbox: Sandbox) -> None:
    """Half of it would look the same; any other such file gets that warning."""
    half = b"HTTP/1.1 200 OK\r\nContent-Type: application/gzip\r\n\r\n" + ARCHIVE[:100]
    sandbox.fault("/bucket/", Fault("raw", speak=lambda _: half), source="storage")

    result = harvest(9, "gitlab", token="good")

    assert ARCHIVE[:100] == (Path(result["path"]) / "data/content/export.tar.gz").read_bytes()
    assert any("whether export.tar.gz is whole" in one for one in result["warnings"])


# -- answers that cannot be -----------------------------------------------------------------------


@pytest.mark.parametrize("size", ["\u00b2", "-1", "9" * 30, "1e3"])
def test_a_size_header_that_is_no_number_is_4(
    size: str, harvest: Harvest, sandbox: Sandbox
) -> None:
    """What a server sends is never a bug of ours."""
    real = sandbox.app("gitlab")._about

    def odd(*given: Any) -> Any:
        reply = real(*given)
        reply.headers["X-Gitlab-Size"] = size
        return reply

    sandbox.app("gitlab")._about = odd

    assert 4 == harvest(7, "gitlab", dry_run=True)["exit_code"]


@pytest.mark.parametrize("odd", ["\0", "\x1b"])
def test_an_address_with_control_characters_is_4(
    odd: str, harvest: Harvest, sandbox: Sandbox
) -> None:
    """No program can be told it."""
    about(sandbox, http_url_to_repo=f"{sandbox.url('gitlab')}/toys/{odd}.git")

    assert 4 == harvest(7, "gitlab")["exit_code"]


def test_a_project_without_an_address_is_a_package(harvest: Harvest, sandbox: Sandbox) -> None:
    """Its path tells where it is."""
    about(sandbox, http_url_to_repo=None, web_url=None)

    assert "export.tar.gz" in by_name(harvest(9, "gitlab", token="good"))
