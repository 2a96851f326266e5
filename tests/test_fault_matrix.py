"""Everything that a server can do wrong, done by every source: a run may fail, it may never lie.

A case is a sentence: which source, what happens, how often, and at which request. A run that claims
success is compared with what the sandbox published, byte for byte; one that fails must say so with
an exit code of that failure, and leave nothing but what the next run can use.
"""

from __future__ import annotations

import json
import re
import ssl
import tarfile
from collections.abc import Iterator
from dataclasses import dataclass, replace
from functools import partial
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from itertools import product, repeat
from pathlib import Path
from threading import Thread
from typing import Any

import pytest
import trustme
from faulty import FACTS, FAULTS, body, populate

from bagit_create.main import process
from bagit_create.sandbox import Fault, Sandbox, Seen
from bagit_create.sandbox.content import Content
from bagit_create.sandbox.gitlab_repos import LFS, OLD_LFS
from bagit_create.validation import validate

# -- the cases ------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Case:
    """One source, one fault, once or for ever, at one of the two requests."""

    source: str
    what: str
    once: bool
    at: str

    def __str__(self) -> str:
        often = "once" if self.once else "for ever"
        return f"{self.source}: {self.what}, {often}, at the {self.at}"

    @property
    def traits(self) -> str:
        return FAULTS[self.what][1].traits

    @property
    def allowed(self) -> set[int]:
        """The exit codes with which the run may end; none: the case tells nothing."""
        facts, (fault, end) = FACTS[self.source], FAULTS[self.what]
        found: set[int] = getattr(end, self.at)
        if self.at == "file" and facts.blind and "silent" in end.traits:
            return set()
        if "{port}" in fault.location and facts.file_host:  # the file is elsewhere already
            return set()
        if not self.once or not found:
            besides = {0} if facts.optional and (self.at == "file" or self.document) else set()
            return found | besides if found & {4, 8} else found
        traits = end.traits.split()
        if "helps" in traits or (self.at == "file" and "again" in traits):
            return {0}
        return found | {0} if self.at == "file" and {"again", "may-help"} & {*traits} else set()

    @property
    def document(self) -> str:
        """The pattern of what is hit in place of metadata that has no shape."""
        return FACTS[self.source].document if "shape" in self.traits else ""


TWINS = {"ilcdoc", "ilcagenda", "inveniordm", "cds-rdm-sandbox"}
"""Sources of the same pipeline as another one: for them each fault takes its turn at one case."""
SLOW = "it is a bomb"


def cases() -> Iterator[Case]:
    """All that tell something, but for what takes long and is the same elsewhere."""
    for source, facts in FACTS.items():
        for number, what in enumerate(FAULTS):
            every = product((True, False), ("metadata", "file"))
            found = [case for o, at in every if (case := Case(source, what, o, at)).allowed]
            if source in TWINS and found:
                found = [found[number % len(found)]]
            if facts.file_host:  # git runs in each case that gets beyond the metadata
                early = [one for one in found if one.at == "metadata" and 0 not in one.allowed]
                found = early + [one for one in found if number % 4 == 2 * one.once]
                found = list(dict.fromkeys(found))
            if what.startswith("it falls silent"):  # like silence without a word
                found = [one for one in found if not one.once]
            if what == SLOW and source not in ("zenodo", "cds", "gitlab", "codimd"):
                found = [one for one in found if one.at == "file"]
            yield from found


@pytest.fixture(scope="module")
def upstreams() -> Iterator[Sandbox]:
    """All sources, for all cases: what is published does not change."""
    with Sandbox() as running:
        populate(running)
        for name in ("indico", "ilcagenda"):
            running.app(name).clock = repeat(1780000000)
        yield running


@pytest.fixture(scope="module")
def config(upstreams: Sandbox, tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("matrix") / "sandbox.toml"
    path.write_text(upstreams.config_text(), encoding="utf-8")
    return path


_PUBLISHED: dict[tuple[int, str], dict[str, bytes]] = {}


def answer(upstreams: Sandbox, request: Seen) -> bytes:
    """What the sandbox says without any fault, past all sockets."""
    return body(upstreams.app(request.host)(request))


def published(upstreams: Sandbox, source: str) -> dict[str, bytes]:
    """The files of the record, by their paths in the package."""
    key = id(upstreams), source
    if key not in _PUBLISHED:
        _PUBLISHED[key] = {
            path: (
                place
                if isinstance(place, bytes)
                else answer(upstreams, Seen(source, "GET", place, {}))
            )
            for path, place in FACTS[source].files.items()
        }
    return _PUBLISHED[key]


def assert_true(result: dict[str, Any], source: str, upstreams: Sandbox, whole: bool) -> None:
    """The package is valid, and has exactly what was published; what it lacks is named."""
    facts, content = FACTS[source], Path(result["path"]) / "data/content"
    lacks = {one["path"].removeprefix("data/content/") for one in result["missing"]}
    assert not lacks or (facts.optional and not whole)
    assert "valid" == validate(Path(result["path"])).verdict
    found = {p.relative_to(content).as_posix(): p for p in content.rglob("*") if p.is_file()}
    wanted = published(upstreams, source)
    assert {*found} == {*wanted, *facts.made, facts.name} - lacks
    for path in {*wanted} - lacks:
        assert found[path].read_bytes() == wanted[path], path
    asked = [one for one in upstreams.seen if re.search(facts.metadata, one.path)]
    due, kept = answer(upstreams, asked[0]), found[facts.name].read_bytes()
    if source == "gitlab":  # kept without the secrets in it
        project = {**json.loads(due), "import_url": "https://mirror.example/x.git"}
        assert project == json.loads(kept)
        with tarfile.open(found["lfs-objects.tar"]) as archive:
            objects = [archive.extractfile(one) for one in archive]
            assert {LFS, OLD_LFS} == {one.read() for one in objects if one is not None}
    else:
        assert due == kept
    if facts.document:
        self_described = Path(result["path"]) / "data/meta/info.json"
        named = any("info" in one["name"] for one in result["skipped"])
        assert self_described.is_file() != named


def assert_told(result: dict[str, Any], fault: Fault) -> None:
    """A message for people and for callers that search it for digits."""
    text = result["errormsg"]
    assert result["exit_code"] != 1 and "Traceback" not in text and "Unexpected" not in text
    number, rest = re.findall(r"(?s)^(?:HTTP (\d{3}): )?(.+)$", text)[0]
    assert not re.search("408|429|502|503|504", rest)
    assert "object at 0x" not in text + result["where"]
    if fault.kind == "status" and fault.status >= 400:
        assert str(fault.status) == number
    json.dumps(result)


@pytest.mark.parametrize("case", [pytest.param(case, id=str(case)) for case in cases()])
def test_a_run_never_lies(
    case: Case, upstreams: Sandbox, config: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It is whole, or it fails with a code of this failure and leaves what the next run can use."""
    facts, (fault, end) = FACTS[case.source], FAULTS[case.what]
    is_silent = fault.seconds > 1
    if is_silent:  # the rest of what fell silent is not waited for either
        monkeypatch.setattr("bagit_create.net.response.SHORT_S", 0.05)
    run = partial(
        process,
        facts.recid,
        case.source,
        target=tmp_path,
        config=config,
        retries=0 if is_silent and not case.once else 1,
        max_wait=9,
        timeout=1 if is_silent else 60,
        jobs=2,
    )
    upstreams.clear()
    pattern = facts.file if case.at == "file" else case.document or facts.metadata
    host = facts.file_host if case.at == "file" else None
    if "{port}" in fault.location:
        [target] = [p for p, place in facts.files.items() if re.search(facts.file, str(place))]
        storage = upstreams.app("cds").storage
        storage.publish("/public/moved", Content(published(upstreams, case.source)[target]))
        port = upstreams.storage_url.rpartition(":")[2]
        fault = replace(fault, location=fault.location.format(port=port))
    upstreams.fault(pattern, fault, 1 if case.once else None, host or case.source)

    result = run()

    assert result["exit_code"] in case.allowed, result
    if case.at == "metadata" and fault.kind == "redirect":
        assert {case.source} == {one.host for one in upstreams.seen}
    left = {one.name for one in tmp_path.iterdir()}
    if result["status"] == 0:
        assert_true(result, case.source, upstreams, case.once and "may-help" not in end.traits)
        assert {result["foldername"]} == left
        return
    assert_told(result, fault)
    assert left <= ({".bic-staging"} if "keeps" in end.traits else set())
    if left:
        upstreams.clear()
        again = run(timeout=60, retries=1)
        assert 0 == again["status"], again
        assert_true(again, case.source, upstreams, True)
        assert {again["foldername"]} == {one.name for one in tmp_path.iterdir()}


@pytest.mark.parametrize("source", FACTS)
def test_a_server_that_is_not_there_is_7(source: str, tmp_path: Path) -> None:
    """And nothing is left of the try."""
    result = process(
        FACTS[source].recid, source, base_url="http://127.0.0.1:9", retries=1, target=tmp_path
    )

    assert (7, "Unreachable") == (result["exit_code"], result["error"])
    assert [] == [*tmp_path.iterdir()]


@pytest.fixture(scope="module")
def tls(upstreams: Sandbox, tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[str, str]]:
    """A server over TLS that leads every request ``/NAME/...`` to ``...`` in the clear."""

    class Leads(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            _, name, path = self.path.split("/", 2)
            self.send_response(302)
            self.send_header("Location", f"{upstreams.url(name)}/{path}")
            self.send_header("Content-Length", "0")
            self.end_headers()

        def log_message(self, format: str, *args: Any) -> None:
            pass

    authority, context = trustme.CA(), ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert("127.0.0.1").configure_cert(context)
    trusted = tmp_path_factory.mktemp("tls") / "authority.pem"
    authority.cert_pem.write_to_path(str(trusted))
    server = ThreadingHTTPServer(("127.0.0.1", 0), Leads)
    server.socket = context.wrap_socket(server.socket, server_side=True)
    Thread(target=server.serve_forever, args=(0.02,), daemon=True).start()
    yield f"https://127.0.0.1:{server.server_port}", str(trusted)
    server.shutdown()
    server.server_close()


@pytest.mark.parametrize("source", FACTS)
def test_nobody_is_led_from_https_into_the_clear(
    source: str,
    upstreams: Sandbox,
    tls: tuple[str, str],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Whoever listens there would learn the credential, and could answer anything."""
    upstreams.clear()
    address, trusted = tls
    monkeypatch.setenv("REQUESTS_CA_BUNDLE", trusted)

    result = process(
        FACTS[source].recid,
        source,
        base_url=f"{address}/{source}",
        retries=0,
        token="good",
        target=tmp_path,
    )

    assert result["exit_code"] in (4, 5, 6), result
    assert [] == upstreams.seen
    assert [] == [*tmp_path.iterdir()]
