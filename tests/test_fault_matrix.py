"""Everything that a server can do wrong, done by every source: a run may fail, it may never lie.

A case is a sentence: which source, what happens, how often, and at which request. A run that claims
success is compared with what the sandbox published, byte for byte; one that fails must say so with
an exit code of that failure, and leave nothing but what the next run can use.
"""

from __future__ import annotations

import gzip
import io
import json
import re
import ssl
import tarfile
import time
import zlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from email.utils import formatdate
from functools import partial
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread
from typing import Any
from urllib.parse import quote

import pytest
import trustme

from bagit_create.main import process
from bagit_create.sandbox import Fault, Sandbox, Seen
from bagit_create.sandbox.codimd import Note
from bagit_create.sandbox.content import Content
from bagit_create.sandbox.gitlab_repos import LFS, ODD, OLD_LFS
from bagit_create.sandbox.indico_events import Event, Folder, Held
from bagit_create.sandbox.sandbox import SOURCES
from bagit_create.sandbox.server import Reply
from bagit_create.validation import validate

# -- the sources ----------------------------------------------------------------------------------

Files = dict[str, str | bytes]


@dataclass(frozen=True)
class Facts:
    """A record, where its metadata and one of its files are asked for, and what it consists of.

    ``files`` are the package's files, and where the sandbox has each or its bytes; ``made`` are
    those that nobody published, ``name`` is the metadata. ``document`` is where JSON is due, if
    not there. ``optional``: the package does without a file that is withheld. ``blind``: nothing
    announces the file's size or checksum. ``again``: a file that is wrong is fetched once more.
    """

    recid: str
    metadata: str
    file: str
    files: Files
    name: str = "metadata.json"
    document: str = ""
    file_host: str | None = None
    made: frozenset[str] = frozenset()
    optional: bool = False
    blind: bool = False
    again: bool = True


def below(place: str, *names: str, tail: str = "") -> Files:
    return {name: f"{place}/{quote(name)}{tail}" for name in names}


def of_rdm(recid: str) -> Facts:
    place = f"/api/records/{recid}"
    names = ("data/run 1/hits#1.csv", "日本.zip", "empty.txt", "report.pdf")
    files = below(f"{place}/files", *names, tail="/content")
    return Facts(recid, f"{place}$", "report.pdf", files)


VIDEO_FILES = ("", "subformat/1080p.mp4", "subformat/360p.mp4", "frame/frame-1.jpg")
VIDEO_FILES += ("Toy film final.mov", "frame-1.jpg", "TOY_fré.vtt")
VERSION = "?versionId=60000000-0000-4000-8000-"
GIT_NAMES = {"readme.md": "readme-8f04a82739.md", "line\nbreak.txt": "line_break.txt"}
GIT_NAMES |= {
    "odd #1 100%?&x=[y].txt": "odd #1 100__&x=[y].txt",
    "trailing blank ": "trailing blank",
}
NOTE = "faults0000000000000000"

V1 = Facts(
    "1002",
    r"/record/1002\?of=xm$",
    "thesis",
    below("/record/1002/files", "thesis.pdf", "data.tar.gz"),
    "metadata.xml",
)
INDICO = Facts(
    "201",
    "/export/event/201",
    "slides",
    {
        "slides.pdf": "/event/201/attachments/1/1/slides.pdf",
        "b.txt": "/event/201/attachments/1/2/b.txt",
    },
)
FACTS = {
    "cds": V1,
    "ilcdoc": V1,
    "indico": INDICO,
    "ilcagenda": INDICO,
    "zenodo": of_rdm("7000001"),
    **{source: of_rdm("k3f9q-7xw21") for source in ("inveniordm", "cds-rdm", "cds-rdm-sandbox")},
    "cds-videos": Facts(
        "3000001",
        "/api/record/3000001$",
        "1080p",
        {
            path: f"/api/files/bucket/{quote(path.rpartition('/')[2])}{VERSION}{number:012}"
            for number, path in enumerate(VIDEO_FILES)
            if path
        },
    ),
    "cod": Facts(
        "2",
        "/api/records/2$",
        "invented/sch",
        below("/eos/opendata/cms/invented", "README.txt", "schéma général.pdf", "empty.csv"),
    ),
    "gitlab": Facts(
        "7",
        "/api/v4/projects/7$",
        "^/bucket/",
        {
            f"repository/{GIT_NAMES.get(name, name)}": LFS if name.endswith("lfs.bin") else content
            for name, content in ODD.items()
        },
        file_host="storage",
        made=frozenset({"repository.bundle", "wiki.bundle", "lfs-objects.tar"}),
        again=False,
    ),
    "codimd": Facts(
        NOTE,
        f"{NOTE}/download$",
        "plan%20B",
        {
            "uploads/named.jpg": "/uploads/named.jpg",
            "uploads/plan B.pdf": "/uploads/plan%20B.pdf",
            "Faults.pdf": f"/{NOTE}/pdf",
        },
        "Faults.md",
        f"{NOTE}/info$",
        optional=True,
        blind=True,
    ),
}

# -- the faults -----------------------------------------------------------------------------------


@dataclass(frozen=True)
class End:
    """How a run may end: the exit codes that tell of a fault at the one request or the other.

    ``traits``: ``helps``: another try may help, so once is no failure. ``again``: a file is fetched
    once more, which helps, or ``may-help``. ``keeps``: finished files may stay for the next run. ``silent``: only
    a size or a checksum shows it. ``shape``: only what reads JSON or XML sees it.
    """

    metadata: set[int]
    file: set[int]
    traits: str = ""


HARMLESS = End({0}, {0})
UNREACHABLE = End({7}, {7}, "helps keeps")
PUT_OFF = End({7}, {7}, "keeps")
BROKEN = End({7}, {8}, "helps keeps")
GARBAGE = End({4, 7}, {4, 7, 8}, "helps keeps")
STRANGE = End({0, 4, 7}, {0, 4, 7, 8}, "keeps")
PACKED = End({4, 7}, {4, 7, 8, 9}, "keeps")
UNUSABLE = End({4}, {4, 8})
REFUSED = End({6}, {8})
GONE = End({5}, {8})
LED_AWAY = End({4, 5, 6}, {4, 8})
PAGE = End({4, 6}, {8, 9}, "may-help")
ANOTHER = End({4}, {8, 9}, "again silent shape")
UNREADABLE = End({4}, set(), "shape")
DAMAGED = End(set(), {9}, "again silent")


def raw(speak: Callable[[Reply], bytes], ends: str = "close", seconds: float = 0) -> Fault:
    return Fault("raw", speak=speak, ends=ends, seconds=seconds)


def body(reply: Reply) -> bytes:
    return b"".join(reply.blocks())


def head(reply: Reply, *more: str, start: str = "") -> bytes:
    lines = [start or f"HTTP/1.1 {reply.status} Fine"]
    lines += [f"{name}: {value}" for name, value in reply.headers.items()]
    return "\r\n".join([*lines, *more, "", ""]).encode("latin-1")


def told(*lines: str, start: str = "", part: float = 1, lacks: int = 0) -> Callable[[Reply], bytes]:
    """The right answer with these headers (``N`` is its length), or a part of it."""

    def speak(reply: Reply) -> bytes:
        headers = [one.replace("#N", str(reply.length)) for one in lines or ("Content-Length: #N",)]
        count = max(0, int(reply.length * part) - lacks)
        return head(reply, *headers, start=start) + body(reply)[:count]

    return speak


def instead(change: Callable[[bytes], bytes], *more: str) -> Callable[[Reply], bytes]:
    """Another body, whose length is told."""

    def speak(reply: Reply) -> bytes:
        other = change(body(reply))
        return head(reply, *more, f"Content-Length: {len(other)}") + other

    return speak


def chunked(tail: bytes, note: bytes = b"") -> Callable[[Reply], bytes]:
    """The body in two chunks, and an end that may be none."""

    def speak(reply: Reply) -> bytes:
        whole, half = body(reply), reply.length // 2
        parts = b"".join(
            b"%x%b\r\n%b\r\n" % (len(p), note, p) for p in (whole[:half], whole[half:])
        )
        return head(reply, "Transfer-Encoding: chunked") + parts + tail

    return speak


def says(text: bytes) -> Callable[[Reply], bytes]:
    return lambda _: text


def begins(count: int) -> Callable[[Reply], bytes]:
    """So many bytes of the right answer."""
    return lambda reply: head(reply)[:count]


def before(text: bytes, follows: bytes = b"") -> Callable[[Reply], bytes]:
    return lambda reply: text + told()(reply) + follows


def bomb() -> bytes:
    """600 MiB of blanks as gzip: one block that starts anew, again and again."""
    packer = zlib.compressobj(9, zlib.DEFLATED, -15)
    block = packer.compress(b" " * 2**20) + packer.flush(zlib.Z_FULL_FLUSH)
    return b"\x1f\x8b\x08\0\0\0\0\0\0\x03" + block * 600 + packer.flush() + bytes(8)


def middle(odd: bytes) -> Callable[[bytes], bytes]:
    return lambda whole: whole[: len(whole) // 2] + odd + whole[len(whole) // 2 :]


BOMB = bomb()
GZIP = "Content-Encoding: gzip"
INNER = b"HTTP/1.1 200 OK\r\nContent-Type: image/jpeg\r\nContent-Length: 5\r\n\r\nnamed"
LOGIN = b"<!DOCTYPE html><html><body><form id=login><input type='password'></form></body></html>"
PART = "HTTP/1.1 206 Partial Content"
LENGTH = "Content-Length: #N"

FAULTS: dict[str, tuple[Fault, End]] = {
    # the connection
    "the connection is reset": (Fault("reset"), UNREACHABLE),
    "nobody says a word": (raw(says(b"")), UNREACHABLE),
    "it is reset in the status line": (raw(begins(11), "reset"), UNREACHABLE),
    "it is reset in the headers": (raw(begins(30), "reset"), UNREACHABLE),
    "it ends in the status line": (raw(begins(11)), UNREACHABLE),
    "it ends in the headers": (raw(begins(30)), UNREACHABLE),
    "it ends before the empty line": (raw(lambda r: head(r, "X: y")[:-2]), UNREACHABLE),
    **{
        f"the body {verb} {place}": (raw(told(part=part, lacks=lacks), ends), BROKEN)
        for verb, ends in (("ends", "close"), ("is reset", "reset"))
        for place, part, lacks in (
            ("at its first byte", 0, 0),
            ("behind its first byte", 1e-9, -1),
            ("at half", 0.5, 0),
            ("at its last byte", 1, 1),
        )
    },
    "it is silent": (raw(says(b""), seconds=2), UNREACHABLE),
    "it falls silent in the headers": (raw(begins(30), seconds=2), UNREACHABLE),
    "it falls silent in the body": (raw(told(part=0.5), seconds=2), BROKEN),
    "the first byte comes late": (Fault("slow-first-byte", seconds=0.1), HARMLESS),
    # how the body comes
    "the chunks have no end": (raw(chunked(b"")), BROKEN),
    "a chunk ends too early": (raw(chunked(b"ff\r\nhalf")), BROKEN),
    "a chunk's size is no number": (raw(chunked(b"zz\r\nhalf\r\n0\r\n\r\n")), BROKEN),
    "a chunk's size is negative": (raw(chunked(b"-4\r\nhalf\r\n0\r\n\r\n")), BROKEN),
    "a chunk's size has no end": (raw(chunked(b"f" * 100_000)), BROKEN),
    "the chunks have notes and trailers": (raw(chunked(b"0\r\nX: y\r\n\r\n", b";x=y")), HARMLESS),
    "no length is told": (raw(told("X: y")), HARMLESS),
    "HTTP 1.0 answers": (raw(told(start="HTTP/1.0 200 OK")), HARMLESS),
    "an answer too many follows": (raw(before(b"", INNER), "keep"), HARMLESS),
    "100 comes first": (raw(before(b"HTTP/1.1 100 Continue\r\n\r\n")), HARMLESS),
    "103 comes first": (raw(before(b"HTTP/1.1 103 Early Hints\r\nX: y\r\n\r\n")), STRANGE),
    "the length is too big": (raw(told("Content-Length: 3#N")), BROKEN),
    "the length is too small": (raw(told("Content-Length: 4")), ANOTHER),
    "the length is negative": (raw(told("Content-Length: -5")), STRANGE),
    "the length is no number": (raw(told("Content-Length: many")), STRANGE),
    "the length has a sign": (raw(told("Content-Length: +#N")), STRANGE),
    "two lengths differ": (raw(told(LENGTH, "Content-Length: 3")), STRANGE),
    "two lengths differ in one line": (raw(told(f"{LENGTH}, 3")), STRANGE),
    "two lengths agree": (raw(told(LENGTH, LENGTH)), STRANGE),
    # what is no HTTP
    "something else speaks": (raw(says(b"SSH-2.0-OpenSSH_9.9\r\n")), GARBAGE),
    "bytes without sense come": (raw(says(bytes(range(256)) * 9)), GARBAGE),
    "the status is a word": (raw(told(start="HTTP/1.1 OK")), GARBAGE),
    "the status is 7": (raw(told(start="HTTP/1.1 7 OK")), GARBAGE),
    "the status is a billion": (raw(told(start="HTTP/1.1 1000000000 OK")), GARBAGE),
    "a header has 200,000 bytes": (raw(told(LENGTH, "X: " + "x" * 200_000)), STRANGE),
    "20,000 headers come": (raw(told(LENGTH, *["X: y"] * 20_000)), STRANGE),
    "a header has no colon": (raw(told(LENGTH, "nonsense")), STRANGE),
    "a header has a NUL": (raw(told(LENGTH, "X: a\0b")), STRANGE),
    # what the body is packed in
    "the body is compressed": (raw(instead(gzip.compress, GZIP)), HARMLESS),
    "it is deflated": (raw(instead(zlib.compress, "Content-Encoding: deflate")), HARMLESS),
    "the compressed body is cut": (raw(instead(lambda b: gzip.compress(b)[:-9], GZIP)), PACKED),
    "it is damaged": (raw(instead(lambda b: middle(b"?")(gzip.compress(b)), GZIP)), PACKED),
    "it is not compressed at all": (raw(instead(bytes, GZIP)), PACKED),
    "it is packed in an unknown way": (raw(instead(bytes, "Content-Encoding: x-odd")), STRANGE),
    "it is a bomb": (raw(instead(lambda _: BOMB, GZIP)), ANOTHER),
    # what it is
    "a page comes instead": (Fault("html"), PAGE),
    "a login page comes instead": (Fault("html", body=LOGIN), PAGE),
    "nothing comes with status 200": (Fault("empty"), replace(ANOTHER, traits="again silent")),
    "one bit is wrong": (Fault("wrong-bytes"), DAMAGED),
    "it is longer": (Fault("longer"), ANOTHER),
    "it is shorter": (raw(instead(lambda b: b[:-7])), ANOTHER),
    "there is a NUL in it": (raw(instead(middle(b"\0"))), UNREADABLE),
    "there is a byte in it that is no UTF-8": (raw(instead(middle(b"\xff"))), UNREADABLE),
    "it is too deep": (
        raw(instead(lambda b: (b"<a>" if b[:1] == b"<" else b"[") * 99_999)),
        UNREADABLE,
    ),
    # redirects
    **{
        f"a redirect leads to {where or 'nothing'}": (Fault("redirect", location=where), LED_AWAY)
        for where in (
            "?",
            "file:///etc/passwd",
            "ftp://127.0.0.1/x",
            "javascript:x",
            "http://[x",
            "",
        )
    },
    "a redirect leads to another site": (
        Fault("redirect", location="http://localhost:{port}/public/moved"),
        End({4, 5, 6}, {0}),
    ),
    "a redirect leads to another port": (
        Fault("redirect", location="http://127.0.0.1:{port}/public/moved"),
        End(set(), {0}),
    ),
    "a redirect leads to where nobody listens": (
        Fault("redirect", location="http://127.0.0.1:9/x"),
        End(set(), {7}, "helps keeps"),
    ),
    # statuses
    **{
        f"the answer is {status}": (Fault("status", status=status), end)
        for statuses, end in (
            ((400, 406, 418, 501, 511), UNUSABLE),
            ((402, 451), End({4, 6}, {4, 8})),
            ((302,), LED_AWAY),
            ((401, 403), REFUSED),
            ((404, 410), GONE),
            ((408, 429, 500, 502, 503, 504), UNREACHABLE),
        )
        for status in statuses
    },
    "204 comes": (raw(says(b"HTTP/1.1 204 No Content\r\n\r\n")), UNUSABLE),
    "304 comes unasked": (raw(says(b"HTTP/1.1 304 Not Modified\r\n\r\n")), UNUSABLE),
    "206 comes of another range": (
        raw(told(LENGTH, "Content-Range: bytes 9-99/100", start=PART)),
        replace(UNUSABLE, traits="keeps"),
    ),
    "206 comes without a range": (raw(told(start=PART)), replace(UNUSABLE, traits="keeps")),
    **{
        f"the answer is {status}, to be asked again {when}": (
            Fault("status", status=status, retry_after=text),
            end,
        )
        for status in (429, 503)
        for when, text, end in (
            ("at once", "0", UNREACHABLE),
            ("long ago", formatdate(0, usegmt=True), UNREACHABLE),
            ("soon", "soon", UNREACHABLE),
            ("in an hour", "3600", PUT_OFF),
            ("tomorrow", formatdate(time.time() + 86_400, usegmt=True), PUT_OFF),
            ("in an aeon", "9" * 30, PUT_OFF),
        )
    },
}

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
        facts, end = FACTS[self.source], FAULTS[self.what][1]
        found: set[int] = getattr(end, self.at)
        if self.at == "file" and facts.blind and "silent" in end.traits:
            return set()
        if not self.once or not found:
            besides = {0} if facts.optional and (self.at == "file" or self.document) else set()
            return found | besides if found & {4, 8} else found
        traits = end.traits.split()
        if "helps" in traits or (self.at == "file" and "again" in traits and facts.again):
            return {0}
        return found | {0} if self.at == "file" and {"again", "may-help"} & {*traits} else set()

    @property
    def document(self) -> str:
        """The pattern of what is hit in place of metadata that has no shape."""
        return FACTS[self.source].document if "shape" in self.traits else ""


CASES = [
    case
    for source in FACTS
    for what in FAULTS
    for once in (True, False)
    for at in ("metadata", "file")
    if (case := Case(source, what, once, at)).allowed
]


@pytest.fixture(scope="module")
def upstreams() -> Iterator[Sandbox]:
    """All sources, for all cases: what is published does not change."""
    with Sandbox() as running:
        slides = Held(1, "slides.pdf", Content(90_000, "slides"))
        text = Held(2, "b.txt", Content(b"text"), kind="text/plain")
        for source in ("indico", "ilcagenda"):
            running.app(source).events["201"] = Event("201", folders=[Folder(1, [slides, text])])
        shown = "# Faults\n\n![](/uploads/named.jpg) [plan](/uploads/plan%20B.pdf)\n"
        running.app("codimd").notes[NOTE] = Note("Faults", shown, revisions=[1780000000000])
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
    due, kept = answer(upstreams, asked[-1]), found[facts.name].read_bytes()
    if source == "gitlab":  # kept without the secrets in it
        project = {**json.loads(due), "import_url": "https://mirror.example/x.git"}
        assert project == json.loads(kept)
        with tarfile.open(found["lfs-objects.tar"]) as archive:
            objects = {archive.extractfile(one).read() for one in archive}  # type: ignore[union-attr]
        assert {LFS, OLD_LFS} == objects
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
    number, rest = re.fullmatch(r"(?:HTTP (\d{3}): )?(.+)", text, re.DOTALL).groups()  # type: ignore
    assert not re.search("408|429|502|503|504", rest)
    assert not re.search("object at 0x|Error\\(", text + result["where"])
    if fault.kind == "status" and fault.status >= 400:
        assert str(fault.status) == number
    json.dumps(result)


@pytest.mark.parametrize("case", CASES, ids=str)
def test_a_run_never_lies(case: Case, upstreams: Sandbox, config: Path, tmp_path: Path) -> None:
    """It is whole, or it fails with a code of this failure and leaves what the next run can use."""
    facts, (fault, end) = FACTS[case.source], FAULTS[case.what]
    run = partial(
        process,
        facts.recid,
        case.source,
        target=tmp_path,
        config=config,
        retries=1,
        max_wait=9,
        timeout=0.25 if fault.seconds > 1 else 3,
        jobs=2,
    )
    upstreams.clear()
    pattern = facts.file if case.at == "file" else case.document or facts.metadata
    host = facts.file_host if case.at == "file" else None
    if "{port}" in fault.location:
        target = next(p for p in FACTS[case.source].files if re.search(facts.file, quote(p)))
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
        assert_true(result, case.source, upstreams, case.once)
        assert {result["foldername"]} == left
        return
    assert_told(result, fault)
    assert left <= ({".bic-staging"} if "keeps" in end.traits else set())
    if left:
        upstreams.clear()
        again = run(timeout=3)
        assert 0 == again["status"], again
        assert_true(again, case.source, upstreams, True)
        assert {again["foldername"]} == {one.name for one in tmp_path.iterdir()}
