"""HTTP/1.1 to the letter: what servers send, what they should not send, and what becomes of it."""

from __future__ import annotations

import errno
import gzip
import os
import socket
import zlib
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from gates import LONG_S, begun, until
from scripted import Asked, Scripted, cut, serving, whole

from bagit_create.main import process

CONTENT = b"0123456789" * 30_000
Run = Callable[..., dict[str, Any]]


@pytest.fixture
def server() -> Iterator[Scripted]:
    """A record with one file, ``f.bin``."""
    with serving() as one:
        one.record({"f.bin": CONTENT})
        one.file("f.bin", lambda _: whole(CONTENT))
        yield one


@pytest.fixture
def run(server: Scripted, tmp_path: Path) -> Run:
    """Package the record."""
    config = server.config(tmp_path)

    def call(**more: Any) -> dict[str, Any]:
        settings = {"retries": 1, "timeout": 60, "jobs": 1, **more}
        return process("r", "scripted", target=tmp_path / "out", config=config, **settings)

    return call


def is_there(result: dict[str, Any]) -> bool:
    return (
        0 == result["status"]
        and CONTENT == (Path(result["path"]) / "data/content/f.bin").read_bytes()
    )


def chunks(body: bytes, size: int, extension: bytes = b"", trailer: bytes = b"") -> bytes:
    """The body in chunks (RFC 9112 section 7.1)."""
    pieces = [body[n : n + size] for n in range(0, len(body), size)]
    made = b"".join(b"%x%s\r\n%s\r\n" % (len(one), extension, one) for one in pieces)
    return b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n" + made + b"0\r\n" + trailer


GOOD: dict[str, bytes] = {
    "a length": whole(CONTENT),
    "no length, the connection's end": b"HTTP/1.1 200 OK\r\n\r\n" + CONTENT,
    "HTTP/1.0": b"HTTP/1.0 200 OK\r\nContent-Length: 300000\r\n\r\n" + CONTENT,
    "no reason": b"HTTP/1.1 200\r\nContent-Length: 300000\r\n\r\n" + CONTENT,
    "line feeds only": b"HTTP/1.1 200 OK\nContent-Length: 300000\n\n" + CONTENT,
    "a length twice": b"HTTP/1.1 200 OK\r\nContent-Length: 300000\r\n"
    b"content-length: 300000\r\n\r\n" + CONTENT,
    "a folded field": b"HTTP/1.1 200 OK\r\nX-A: b\r\n  c\r\nContent-Length: 300000\r\n\r\n"
    + CONTENT,
    "a field that is not ASCII": b"HTTP/1.1 200 OK\r\nX-A: \xe4\xff\r\n\r\n" + CONTENT,
    "interim answers": b"HTTP/1.1 103 Early Hints\r\nLink: x\r\n\r\nHTTP/1.1 100 Continue\r\n\r\n"
    + whole(CONTENT),
    "chunks": chunks(CONTENT, 70_001) + b"\r\n",
    "small chunks": chunks(CONTENT, 97) + b"\r\n",
    "chunks with extensions": chunks(CONTENT, 200_000, b";a=b") + b"\r\n",
    "chunks with trailers": chunks(CONTENT, 200_000, trailer=b"X-Sum: 1\r\nX-B: 2\r\n") + b"\r\n",
    "a chunk larger than any buffer": chunks(CONTENT, 300_000) + b"\r\n",
    "gzip": whole(gzip.compress(CONTENT), Content_Encoding="gzip"),
    "gzip of two members": whole(
        gzip.compress(CONTENT[:7]) + gzip.compress(CONTENT[7:]), Content_Encoding="gzip"
    ),
    "deflate": whole(zlib.compress(CONTENT), Content_Encoding="deflate"),
    "deflate without a header": whole(zlib.compress(CONTENT)[2:-4], Content_Encoding="deflate"),
}


@pytest.mark.parametrize("answer", GOOD.values(), ids=GOOD)
def test_the_file_arrives_whatever_its_body_looks_like(
    answer: bytes, server: Scripted, run: Run
) -> None:
    """With every byte."""
    server.file("f.bin", lambda _: answer)

    assert is_there(run())


def test_an_answer_in_single_bytes_is_read(server: Scripted, run: Run) -> None:
    """However the network cuts it."""
    body = b"0123456789"
    server.record({"f.bin": body})
    bytes_of = chunks(body, 3) + b"\r\n"
    server.file("f.bin", lambda _: (bytes([one]) for one in bytes_of))

    assert 0 == run()["status"]


BAD: dict[str, bytes] = {
    "no HTTP": b"SSH-2.0-OpenSSH_9.6\r\n\r\n",
    "HTTP/2": b"HTTP/2 200\r\n\r\n",
    "a status of two digits": b"HTTP/1.1 20 OK\r\n\r\n",
    "a field without a colon": b"HTTP/1.1 200 OK\r\nnonsense\r\n\r\n" + CONTENT,
    "a field with a space in its name": b"HTTP/1.1 200 OK\r\nContent Length: 3\r\n\r\n" + CONTENT,
    "two lengths": b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\nContent-Length: 300000\r\n\r\n"
    + CONTENT,
    "a negative length": b"HTTP/1.1 200 OK\r\nContent-Length: -1\r\n\r\n" + CONTENT,
    "a length in words": b"HTTP/1.1 200 OK\r\nContent-Length: many\r\n\r\n" + CONTENT,
    "an unknown transfer coding": b"HTTP/1.1 200 OK\r\nTransfer-Encoding: gzip\r\n\r\n" + CONTENT,
    "a chunk without a size": b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nxyz\r\n",
    "a chunk longer than it says": b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"
    b"5\r\n1234567\r\n0\r\n\r\n",
    "chunks without an end": chunks(CONTENT, 100_000)[:-3],
    "a header without an end": b"HTTP/1.1 200 OK\r\n" + b"X-A: b\r\n" * 20_000,
    "interim answers without an end": b"HTTP/1.1 100 Continue\r\n\r\n" * 100,
    "trailers without an end": chunks(CONTENT, 300_000, trailer=b"X: y\r\n" * 1000),
    "half a gzip": whole(gzip.compress(CONTENT)[:-10], Content_Encoding="gzip"),
    "no gzip": whole(CONTENT, Content_Encoding="gzip"),
    "a coding nobody asked for": whole(CONTENT, Content_Encoding="br"),
    "nothing": b"",
    "half a header": b"HTTP/1.1 200 OK\r\nContent-Le",
}


@pytest.mark.parametrize("answer", BAD.values(), ids=BAD)
def test_what_is_no_answer_is_no_file(
    answer: bytes, server: Scripted, run: Run, tmp_path: Path
) -> None:
    """Tried again, and then 7 or 8; nothing is left but what the next run can use."""
    server.file("f.bin", lambda _: answer)

    result = run()

    assert result["exit_code"] in (7, 8)
    assert not list((tmp_path / "out").glob("sip::*"))
    assert 2 == server.paths().count("/api/records/r/files/f.bin/content")


def test_what_breaks_once_is_mended(server: Scripted, run: Run) -> None:
    """By trying again."""
    answers = [cut(whole(CONTENT), 1000), whole(CONTENT)]
    server.file("f.bin", lambda _: answers.pop(0))

    assert is_there(run())


def test_connections_are_used_again(server: Scripted, run: Run) -> None:
    """One for the whole record."""
    server.keep = True

    assert is_there(run())
    assert 1 == server.connections


def test_a_connection_that_was_closed_meanwhile_is_replaced(server: Scripted, run: Run) -> None:
    """At once, without counting as a failure."""
    server.answers["/api/records/r/files"], listing = (
        lambda asked: None if server.connections < 2 else listing(asked),
        server.answers["/api/records/r/files"],
    )
    server.keep = True

    assert is_there(run(retries=0))


def test_a_gzip_bomb_is_not_unfolded_in_memory(server: Scripted, run: Run) -> None:
    """Where metadata was due, it ends at a limit: 4."""
    import resource

    bomb = gzip.compress(bytes(1 << 20)) * 700
    server.answers["/api/records/r"] = lambda _: whole(bomb, Content_Encoding="gzip")
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss

    assert 4 == run()["exit_code"]
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 1_500_000


def test_a_drip_is_not_waited_for_for_ever(
    server: Scripted, run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A byte now and then is no sign of life."""
    from itertools import count
    from time import sleep
    from types import SimpleNamespace

    from bagit_create.net import http1

    def drip(_: Asked) -> Iterator[bytes]:
        yield b"HTTP/1.1 200 OK\r\nContent-Length: 300000\r\n\r\n"
        for _number in range(30_000):
            sleep(0.001)
            yield b"0"

    server.file("f.bin", drip)
    ticks = count(0, 40)  # each look at the clock is later, by less than the silence allowed
    monkeypatch.setattr(http1, "time", SimpleNamespace(monotonic=lambda: next(ticks)))

    result = run(retries=0, timeout=60)

    assert 8 == result["exit_code"]
    assert "bytes came in" in result["where"]


def test_an_interrupt_ends_a_silent_connection(server: Scripted, tmp_path: Path) -> None:
    """Not only at the next byte: nobody wants to wait a minute for the prompt."""
    import signal
    import subprocess
    import sys
    from threading import Event
    from time import sleep

    over = Event()

    def silent(_: Asked) -> Iterator[bytes]:
        yield b"HTTP/1.1 200 OK\r\nContent-Length: 300000\r\n\r\n0"
        over.wait()

    server.file("f.bin", silent)
    command = [sys.executable, "-m", "bagit_create", "-q", "-s", "scripted", "--recid", "r"]
    command += ["--config", str(server.config(tmp_path)), "-t", str(tmp_path / "out")]
    command += ["--timeout", "3600"]
    with begun(command, stderr=subprocess.PIPE) as child:
        until(lambda: "/api/records/r/files/f.bin/content" in server.paths())
        sleep(0.2)  # the byte may be read by now; if it is not, it ends all the same
        child.send_signal(signal.SIGINT)
        child.communicate(timeout=LONG_S)
    over.set()

    assert 130 == child.returncode


def test_metadata_that_repeats_the_credential_is_not_packaged(
    server: Scripted, run: Run, tmp_path: Path
) -> None:
    """It is kept to the letter or not at all; a secret does not get into an archive."""
    made = server.answers["/api/records/r"]

    def echo(asked: Asked) -> bytes:
        body = made(asked)
        assert isinstance(body, bytes)
        said = f'{{"you_sent": "{asked.headers.get("authorization")}", '.encode()
        return whole(said + body.partition(b"\r\n\r\n{")[2])

    server.answers["/api/records/r"] = echo
    result = run(token="c4n4ry-0123456789abcdef")

    assert 4 == result["exit_code"]
    assert "repeats the credential" in result["errormsg"]
    assert not (tmp_path / "out").exists()
    assert 0 == run()["status"]


def test_a_credential_for_a_file_does_not_follow_it_elsewhere(server: Scripted, run: Run) -> None:
    """The redirect leads to another port."""
    with serving() as other:
        other.answers["/f"] = lambda _: whole(CONTENT)
        server.file("f.bin", lambda _: whole(b"", "302 Found", Location=f"{other.url}/f"))

        assert is_there(run(token="c4n4ry-0123456789abcdef"))
        assert ["/f"] == other.paths()
        assert not any("c4n4ry" in str(one) for one in other.asked)
        assert any("c4n4ry" in str(one) for one in server.asked)


@pytest.mark.parametrize(
    "page", ["/adfs/ls/?wa=wsignin1.0", "/auth/realms/cern/protocol/saml", "/login/?next=x"]
)
@pytest.mark.parametrize("place", ["/api/records/r", "/api/records/r/files/f.bin/content"])
def test_a_redirect_to_where_one_signs_in_is_a_refusal(
    server: Scripted, run: Run, place: str, page: str
) -> None:
    """On whatever server that page is: the record has not moved there."""
    there = f"https://login.example{page}"
    server.answers[place] = lambda _: whole(b"", "302 Found", Location=there)
    result = run()

    assert result["exit_code"] == (8 if "files" in place else 6)
    assert "refused" in result["errormsg"]


@pytest.mark.parametrize("number", [errno.EMFILE, errno.ENFILE])
def test_a_connection_that_this_machine_cannot_open_is_no_fault_of_the_server(
    run: Run, monkeypatch: pytest.MonkeyPatch, number: int
) -> None:
    """Nobody has to look at the network."""

    def none_left(*_: Any, **__: Any) -> None:
        raise OSError(number, os.strerror(number))

    monkeypatch.setattr(socket, "create_connection", none_left)
    result = run(retries=0)

    assert 10 == result["exit_code"]
    assert "ulimit -n" in result["hint"]


def test_a_body_without_end_does_not_fill_the_disk(
    server: Scripted, run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Where nobody knows its size, something is left for others: exit 10."""
    from bagit_create.transfer import room

    def endless(_: Asked) -> Iterator[bytes]:
        yield b"HTTP/1.1 200 OK\r\n\r\n"
        while True:
            yield bytes(65536)

    server.record({"f.bin": CONTENT}, size=None, checksum=None)
    server.file("f.bin", endless)
    monkeypatch.setattr(room, "EVERY", 1 << 20)
    monkeypatch.setattr(room, "SPARED", os.statvfs(tmp_path).f_bavail * 8192)

    result = run()

    assert 10 == result["exit_code"]
    assert sum(one.stat().st_size for one in tmp_path.rglob("f.bin")) < 4 << 20
