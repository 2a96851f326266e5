"""A record of every source, and what servers do wrong, with the ways in which a run may tell it."""

from __future__ import annotations

import gzip
import time
import zlib
from collections.abc import Callable
from dataclasses import dataclass, replace
from email.utils import formatdate
from urllib.parse import quote

from bagit_create.sandbox import Fault, Sandbox
from bagit_create.sandbox.codimd import Note
from bagit_create.sandbox.content import Content
from bagit_create.sandbox.gitlab_repos import LFS, ODD
from bagit_create.sandbox.indico_events import Event, Folder, Held
from bagit_create.sandbox.server import Reply

# -- the sources ----------------------------------------------------------------------------------

Files = dict[str, str | bytes]


@dataclass(frozen=True)
class Facts:
    """A record, where its metadata and one of its files are asked for, and what it consists of.

    ``files`` are the package's files, and where the sandbox has each or its bytes; ``made`` are
    those that nobody published, ``name`` is the metadata. ``document`` is where JSON is due, if
    not there. ``optional``: the package does without a file that is withheld. ``blind``: nothing
    announces the file's size or checksum.
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


def below(place: str, *names: str, tail: str = "") -> Files:
    return {name: f"{place}/{quote(name)}{tail}" for name in names}


def of_rdm(recid: str) -> Facts:
    place = f"/api/records/{recid}"
    names = ("data/run 1/hits#1.csv", "日本.zip", "empty.txt", "report.pdf")
    files = below(f"{place}/files", *names, tail="/content")
    return Facts(recid, f"{place}$", "report.pdf", files)


VIDEO_FILES = ["", "subformat/1080p.mp4", "subformat/360p.mp4", "frame/frame-1.jpg"]
VIDEO_FILES += ["Toy film final.mov", "frame-1.jpg", "TOY_fré.vtt"]
VERSION = "?versionId=60000000-0000-4000-8000-"
GIT_NAMES = {"readme.md": "readme-8f04a82739.md", "line\nbreak.txt": "line_break.txt"}
GIT_NAMES |= {
    "odd #1 100%?&x=[y].txt": "odd #1 100__&x=[y].txt",
    "trailing blank ": "trailing blank",
}
RDM = ("7000001", "k3f9q-7xw21")
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
    "zenodo": of_rdm(RDM[0]),
    **{source: of_rdm(RDM[1]) for source in ("inveniordm", "cds-rdm", "cds-rdm-sandbox")},
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


def populate(running: Sandbox) -> None:
    """Put the records in place that the sandbox does not have."""
    slides = Held(1, "slides.pdf", Content(90_000, "slides"))
    text = Held(2, "b.txt", Content(b"text"), kind="text/plain")
    for source in ("indico", "ilcagenda"):
        running.app(source).events["201"] = Event("201", folders=[Folder(1, [slides, text])])
    shown = "# Faults\n\n![](/uploads/named.jpg) [plan](/uploads/plan%20B.pdf)\n"
    running.app("codimd").notes[NOTE] = Note("Faults", shown, revisions=[1780000000000])


# -- the faults -----------------------------------------------------------------------------------


@dataclass(frozen=True)
class End:
    """How a run may end: the exit codes that tell of a fault at the one request or the other.

    ``traits``: ``helps``: another try may help, so once is no failure. ``again``: a file is fetched
    once more, which helps, or ``may-help``. ``keeps``: finished files may stay for the next run.
    ``silent``: only a size or a checksum shows it. ``shape``: only a reader of JSON or XML sees it.
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
PARTIAL = End({4}, {0, 4, 8}, "keeps")
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
    "it is silent": (raw(says(b""), seconds=3600), UNREACHABLE),
    "it falls silent in the headers": (raw(begins(30), seconds=3600), UNREACHABLE),
    "it falls silent in the body": (raw(told(part=0.5), seconds=3600), BROKEN),
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
    "the compressed body is cut": (
        raw(instead(lambda b: (packed := gzip.compress(b))[: len(packed) * 2 // 3], GZIP)),
        PACKED,
    ),
    "the compressed body lacks its checksum": (
        raw(instead(lambda b: gzip.compress(b)[:-8], GZIP)),
        replace(STRANGE, traits="keeps"),
    ),
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
        PARTIAL,
    ),
    "206 comes without a range": (raw(told(start=PART)), PARTIAL),
    **{
        f"the answer is {status}, to be asked again {when}": (
            Fault("status", status=status, retry_after=text),
            end,
        )
        for status, when, text, end in (
            (429, "at once", "0", UNREACHABLE),
            (503, "long ago", formatdate(0, usegmt=True), UNREACHABLE),
            (429, "soon", "soon", UNREACHABLE),
            (503, "in an hour", "3600", PUT_OFF),
            (429, "tomorrow", formatdate(time.time() + 86_400, usegmt=True), PUT_OFF),
            (429, "in an aeon", "9" * 30, PUT_OFF),
        )
    },
}
