"""Which addresses of a bag ``bic complete`` asks: anybody may have written them."""

from __future__ import annotations

import json
import os
import socket
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from lightbags import (
    FILES,
    Form,
    assert_full,
    bic,
    change_sip,
    complete,
    fetched,
    holey,
    place_of,
    promised,
    tree,
)
from scripted import Asked, Scripted, serving, whole

from bagit_create.main import process
from bagit_create.sandbox import Sandbox
from bagit_create.validation import validate

ONE = {"data/a.txt": b"alpha\n"}
TOKEN = "c4n4ry-t0ken-of-the-source"


@pytest.fixture
def server() -> Iterator[Scripted]:
    with serving() as one:
        yield one


@pytest.fixture
def other() -> Iterator[Scripted]:
    """Another origin: the same machine, another port."""
    with serving() as one:
        yield one


def pointing(path: Path, server: Scripted, url: str, form: Form = Form(tags=False)) -> Path:
    """A bag with one file, which it says is at this address."""
    holey(path, server, ONE, form)
    [line] = promised(path)
    (path / "fetch.txt").write_text(url + line[line.index(" ") :] + "\n", encoding="utf-8")
    return path


# -- refused before anything is asked -------------------------------------------------------------


@pytest.mark.parametrize(
    "url",
    [
        "ftp://127.0.0.1/a",
        "gopher://127.0.0.1/a",
        "file:///etc/hostname",
        "FILE:///etc/hostname",
        "root://eospublic.cern.ch//eos/a",
        "s3://bucket/a",
        "{url}x@{place}/f/data/a.txt",
        "http://user:secret@{place}/f/data/a.txt",
        "http://@{place}/f/data/a.txt",
        "http://{place}#@localhost/f/data/a.txt",
        "http://{place}\\@localhost/f/data/a.txt",
        "http://localhost:{port}/f/data/a.txt",
        "http://127.0.0.1.example.org/f/data/a.txt",
        "http://127.0.0.2:{port}/f/data/a.txt",
        "http://127.1:{port}/f/data/a.txt",
        "http://2130706433:{port}/f/data/a.txt",
        "http://[::1]:{port}/f/data/a.txt",
        "http://example.org/a",
        "http://127.0.0.1:99999/a",
    ],
)
def test_an_address_that_nobody_allowed_is_refused(
    url: str, server: Scripted, tmp_path: Path
) -> None:
    """With what would allow it, and before a single request."""
    place = f"127.0.0.1:{server.port}"
    url = url.format(url=server.url, place=place, port=server.port)
    path = pointing(tmp_path / "bag", server, url)
    before = tree(path)
    done = complete(path, code=2)

    assert 0 == server.connections
    assert "no address that may be asked" in done.stderr
    assert "secret" not in done.stderr
    assert before == tree(path)


@pytest.mark.parametrize(
    "host",
    "127.0.0.1 localhost localhost. 127.1 0x7f000001 017700000001 2130706433 [::1] 10.1.2.3 "
    "[::ffff:127.0.0.1] [::ffff:7f00:1] 169.254.169.254 192.168.0.1 172.16.0.1 100.64.0.1 0.0.0.0 "
    "[fe80::1] [fc00::1] [fec0::1] [2002:7f00:1::] [64:ff9b::10.0.0.1] intranet printer.local "
    "metadata.google.internal 224.0.0.1 [ff02::1] [::]".split(),
)
def test_a_star_allows_no_host_of_this_house(host: str, server: Scripted, tmp_path: Path) -> None:
    """In no spelling."""
    path = pointing(tmp_path / "bag", server, f"http://{host}:{server.port}/f/data/a.txt")
    done = bic("complete", path, "--allow-host", "*")

    assert 2 == done.exit_code, done.stderr
    assert 0 == server.connections


@pytest.mark.parametrize("host", ["127.0.0.1", "localhost", "[::1]"])
def test_a_host_of_this_house_is_asked_once_it_is_named(
    host: str, server: Scripted, tmp_path: Path
) -> None:
    """That is what the option is for; over IPv6 nobody listens here."""
    path = pointing(tmp_path / "bag", server, f"http://{host}:{server.port}/f/data/a.txt")
    done = bic("complete", path, "--allow-host", host, "--retries", 0)

    assert (7 if "::" in host else 0) == done.exit_code, done.stderr


def test_one_refused_address_refuses_the_bag(server: Scripted, tmp_path: Path) -> None:
    """Nothing is asked for the others, and every reason is told with how many files it concerns."""
    path = holey(tmp_path / "bag", server, form=Form(tags=False))
    lines = promised(path)
    lines[0] = "ftp" + lines[0].removeprefix("http")
    lines[1] = lines[1].replace("127.0.0.1", "example.org")
    (path / "fetch.txt").write_text("\n".join(lines) + "\n")
    done = complete(path, code=2)

    assert [] == server.asked
    assert "scheme ftp (--allow-scheme): 1 file" in done.stderr
    assert "host example.org (--allow-host): 1 file" in done.stderr


def test_only_leaves_the_refused_ones_out(server: Scripted, tmp_path: Path) -> None:
    """What is not fetched need not be allowed."""
    path = holey(tmp_path / "bag", server, form=Form(tags=False))
    lines = [x.replace("127.0.0.1", "example.org") if "ü" in x else x for x in promised(path)]
    (path / "fetch.txt").write_text("\n".join(lines) + "\n")
    complete(path, "--only", "a.txt", "--only", "run 1/*", "--only", "data/run 1/*")

    assert "incomplete" == validate(path).verdict
    assert 1 == len(promised(path))


def test_a_sip_may_ask_the_hosts_of_its_own_source_only(
    sandbox: Sandbox, config_file: Path, tmp_path: Path, server: Scripted
) -> None:
    """A bag that calls itself one of Zenodo is not let into others by that."""
    path = light(config_file, tmp_path)
    lines = [line.replace(sandbox.url("zenodo"), "http://[::1]:1") for line in promised(path)]
    (path / "fetch.txt").write_text("\n".join(lines) + "\n")
    seal_fetch(path)
    change_sip(path, lambda document: [e["origin"].pop("url", 0) for e in document["contentFiles"]])
    sandbox.seen.clear()
    done = bic("complete", path, "--config", config_file)

    assert 2 == done.exit_code, done.stderr
    assert [] == sandbox.seen


def light(config: Path, tmp_path: Path, recid: str = "7000001", source: str = "zenodo") -> Path:
    result = process(recid, source, target=tmp_path / "out", config=config, dry_run=True)
    assert 0 == result["status"], result
    return Path(result["path"])


def seal_fetch(path: Path) -> None:
    change_sip(path, lambda _: None)


# -- machines, redirects, the name server ---------------------------------------------------------


class Elsewhere(socket.socket):
    """A connection that says it reached another machine than it did."""

    number = "93.184.216.34"

    def getpeername(self) -> Any:
        return (self.number, 80)


@pytest.fixture
def names(monkeypatch: pytest.MonkeyPatch) -> dict[str, str]:
    """Names that lead here, and the number of the machine that each seems to be."""
    known: dict[str, str] = {}
    connect = socket.create_connection

    def lead(address: tuple[str, int], *more: Any, **options: Any) -> socket.socket:
        number = known.get(address[0])
        if number is None:
            return connect(address, *more, **options)
        made = connect(("127.0.0.1", address[1]), *more, **options)
        seeming = Elsewhere(fileno=made.detach())
        seeming.number = number
        return seeming

    monkeypatch.setattr(socket, "create_connection", lead)
    return known


def test_a_star_allows_what_is_public(
    server: Scripted, tmp_path: Path, names: dict[str, str]
) -> None:
    """By the number of the machine that is reached."""
    names["data.example.org"] = "93.184.216.34"
    path = pointing(tmp_path / "bag", server, f"http://data.example.org:{server.port}/f/data/a.txt")
    done = bic("complete", path, "--allow-host", "*")

    assert 0 == done.exit_code, done.stderr
    assert_full(path, ONE)


@pytest.mark.parametrize(
    "number", ["127.0.0.1", "10.0.0.1", "::1", "fe80::1%eth0", "::ffff:10.1.1.1"]
)
def test_a_public_name_that_leads_into_this_house_is_refused(
    number: str, server: Scripted, tmp_path: Path, names: dict[str, str]
) -> None:
    """The name server may say one thing when it is judged and another when it is asked."""
    names["data.example.org"] = number
    path = pointing(tmp_path / "bag", server, f"http://data.example.org:{server.port}/f/data/a.txt")
    done = bic("complete", path, "--allow-host", "*")

    assert 4 == done.exit_code, done.stderr
    assert "private network" in done.stdout
    assert [] == server.asked


def test_a_host_of_a_known_source_must_be_public_too(
    server: Scripted, config_file: Path, tmp_path: Path, names: dict[str, str]
) -> None:
    """Unless its user has set it up: then it may be in the house."""
    path = light(config_file, tmp_path)
    lines = [f"http://zenodo.org:{server.port}/x {x.partition(' ')[2]}" for x in promised(path)]
    (path / "fetch.txt").write_text("\n".join(lines) + "\n")
    change_sip(path, lambda document: [e["origin"].pop("url", 0) for e in document["contentFiles"]])
    names["zenodo.org"] = "127.0.0.1"
    done = bic("complete", path)

    assert 4 == done.exit_code, done.stderr
    assert [] == server.asked


@pytest.mark.parametrize(
    ("location", "code"),
    [
        ("http://localhost:{port}/f/data/a.txt", 4),
        ("http://2130706433:{port}/f/data/a.txt", 4),
        ("ftp://127.0.0.1/f/data/a.txt", 4),
        ("file:///etc/hostname", 4),
        ("root://eospublic.cern.ch//eos/a", 4),
        ("//localhost:{port}/f/data/a.txt", 4),
        ("http://[::1", 4),
        ("/login/?next=x", 8),
        ("/again", 4),
    ],
)
def test_a_redirect_to_what_nobody_allowed_is_not_followed(
    location: str, code: int, server: Scripted, tmp_path: Path
) -> None:
    """That file is named; the others are completed."""
    path = holey(tmp_path / "bag", server)
    where = location.format(port=server.port)
    moved = whole(b"", "302 Found", Location=where)
    server.answers[place_of("data/a.txt")] = server.answers["/again"] = lambda _: moved
    done = complete(path, code=code)

    assert "not moved: data/a.txt" in done.stdout
    assert "incomplete" == validate(path).verdict
    assert [f" {len(FILES['data/a.txt'])} data/a.txt"] == [
        line[line.index(" ") :] for line in promised(path)
    ]


def test_a_redirect_within_what_was_named_is_followed(
    server: Scripted, other: Scripted, tmp_path: Path
) -> None:
    """Sources keep their files elsewhere."""
    path = holey(tmp_path / "bag", server)
    content = FILES["data/a.txt"]
    other.answers["/x"] = lambda _: whole(content)
    moved = whole(b"", "302 Found", Location=f"{other.url}/x")
    server.answers[place_of("data/a.txt")] = lambda _: moved
    complete(path)

    assert_full(path, FILES)


@pytest.mark.parametrize(
    "target", ["http://localhost:1/x", "http://10.0.0.1/x", "http://intranet/"]
)
def test_a_proxy_is_not_asked_for_what_is_in_this_house(
    target: str, server: Scripted, other: Scripted, tmp_path: Path
) -> None:
    """Which machine it reaches is out of sight, so the name must do."""
    path = pointing(tmp_path / "bag", server, "http://data.example.org/a")
    moved = whole(b"", "302 Found", Location=target)
    other.answers["http://data.example.org/a"] = lambda _: moved
    done = bic("complete", path, "--allow-host", "*", "--proxy", other.url, "--retries", 0)

    assert 4 == done.exit_code, done.stderr
    assert ["http://data.example.org/a"] == other.paths()


# -- credentials ----------------------------------------------------------------------------------


def seen(server: Scripted) -> set[str]:
    """The credentials that arrived."""
    return {one.headers.get("authorization", "") for one in server.asked} - {""}


@pytest.fixture
def sip(server: Scripted, tmp_path: Path) -> Path:
    """A light SIP of the source ``scripted``."""
    server.record({"a.bin": b"one", "b.bin": b"two"})
    server.file("a.bin", lambda _: whole(b"one"))
    server.file("b.bin", lambda _: whole(b"two"))
    path = light(server.config(tmp_path), tmp_path, "r", "scripted")
    server.asked.clear()
    return path


def test_the_credential_goes_to_the_source(server: Scripted, sip: Path, tmp_path: Path) -> None:
    """To each of its files."""
    done = bic("complete", sip, "--config", tmp_path / "scripted.toml", "-tk", TOKEN)

    assert 0 == done.exit_code, done.stderr
    assert {f"Bearer {TOKEN}"} == seen(server)


@pytest.mark.parametrize("way", ["redirect", "mirror", "fetch.txt", "sip.json"])
def test_the_credential_goes_to_no_other_origin(
    way: str, server: Scripted, other: Scripted, sip: Path, tmp_path: Path
) -> None:
    """Another port of the same host is another one."""
    place = "/api/records/r/files/a.bin/content"
    other.answers[place] = lambda _: whole(b"one")
    options: list[object] = ["--allow-host", "127.0.0.1"]
    if way == "redirect":
        moved = whole(b"", "302 Found", Location=other.url + place)
        server.file("a.bin", lambda _: moved)
    else:
        server.answers.pop(place)
    if way == "mirror":
        options = ["--mirror", f"{server.url}/={other.url}/"]
    elif way == "fetch.txt":
        text = (sip / "fetch.txt").read_text()
        (sip / "fetch.txt").write_text(text.replace(server.url + place, other.url + place))
        seal_fetch(sip)
    elif way == "sip.json":
        change_sip(sip, lambda document: add_address(document, "a.bin", other.url + place))
    options += ["--config", tmp_path / "scripted.toml", "-tk", TOKEN, "--retries", 0]
    done = bic("complete", sip, *options, "-v")

    assert 0 == done.exit_code, done.stderr
    assert [place] == other.paths()
    assert set() == seen(other)
    assert TOKEN not in done.stdout + done.stderr
    assert TOKEN.encode() not in b"".join(content or b"" for content in tree(sip).values())


def add_address(document: dict[str, Any], name: str, url: str) -> None:
    for one in document["contentFiles"]:
        if one["origin"]["filename"] == name:
            one["origin"]["url"] = [one["origin"]["url"], url]


def test_a_bag_of_no_source_gives_the_credential_to_the_one_host_named(
    server: Scripted, tmp_path: Path
) -> None:
    """There is no other that it could be for."""
    path = holey(tmp_path / "bag", server)
    complete(path, "-tk", TOKEN)

    assert {f"Bearer {TOKEN}"} == seen(server)


@pytest.mark.parametrize("hosts", [["*"], ["127.0.0.1", "localhost"], ["127.0.0.1", "*"]])
def test_a_bag_has_no_say_in_where_a_credential_goes(
    hosts: list[str], server: Scripted, tmp_path: Path, names: dict[str, str]
) -> None:
    """Where several servers may be asked, its author would choose."""
    names["evil.example.org"] = "93.184.216.34"
    url = f"http://evil.example.org:{server.port}/f/data/a.txt"
    path = pointing(tmp_path / "bag", server, url if "*" in hosts else server.url)
    options = [word for host in hosts for word in ("--allow-host", host)]
    done = bic("complete", path, *options, "-tk", TOKEN)

    assert 2 == done.exit_code, done.stderr
    assert "which server the token is for" in done.stderr
    assert 0 == server.connections


def test_two_ports_of_one_host_are_two_servers(
    server: Scripted, other: Scripted, tmp_path: Path
) -> None:
    """Nothing tells which of them is meant."""
    path = holey(tmp_path / "bag", server, form=Form(tags=False))
    text = (path / "fetch.txt").read_text()
    (path / "fetch.txt").write_text(text.replace(str(server.port), str(other.port), 1))
    complete(path, "-tk", TOKEN, code=2)

    assert [] == server.asked + other.asked


def test_one_token_is_not_for_packages_of_two_sources(
    sandbox: Sandbox, config_file: Path, tmp_path: Path
) -> None:
    """Each server would get that of the other."""
    paths = [light(config_file, tmp_path), light(config_file, tmp_path, "1002", "cds")]
    sandbox.seen.clear()
    done = bic("complete", *paths, "--config", config_file, "-tk", TOKEN)

    assert 2 == done.exit_code
    assert [] == sandbox.seen


def test_a_token_of_the_environment_is_found_for_each_source(
    sandbox: Sandbox, config_file: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As for harvesting; and shown to nobody else."""
    paths = [light(config_file, tmp_path), light(config_file, tmp_path, "1002", "cds")]
    sandbox.seen.clear()
    monkeypatch.setenv("BIC_TOKEN_ZENODO", TOKEN)
    done = bic("complete", *paths, "--config", config_file)

    assert 0 == done.exit_code, done.stderr
    assert {"zenodo"} == {one.host for one in sandbox.seen if TOKEN in str(one.headers)}


# -- files of this machine ------------------------------------------------------------------------


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """The folder that was named; beside it lies what nobody may have."""
    folder = tmp_path / "root"
    (folder / "in ü").mkdir(parents=True)
    (folder / "in ü/a.txt").write_bytes(ONE["data/a.txt"])
    (tmp_path / "secret.txt").write_bytes(ONE["data/a.txt"])
    (tmp_path / "root-2").mkdir()
    (tmp_path / "root-2/a.txt").write_bytes(ONE["data/a.txt"])
    (folder / "out").symlink_to(tmp_path / "secret.txt")
    (folder / "up").symlink_to(tmp_path)
    (folder / "here").symlink_to("in ü/a.txt")
    return folder


@pytest.mark.parametrize(
    "url", ["in%20%C3%BC/a.txt", "in%20ü/a.txt", "here", "./in%20%C3%BC//a.txt"]
)
def test_a_file_below_the_folder_that_was_named_is_read(
    url: str, server: Scripted, root: Path, tmp_path: Path
) -> None:
    """Escapes are undone; a link inside is followed."""
    path = pointing(tmp_path / "bag", server, f"file://{root}/{url}")
    done = bic("complete", path, "--file-root", root)

    assert 0 == done.exit_code, done.stderr
    assert_full(path, ONE)


@pytest.mark.parametrize(
    "url",
    [
        "../secret.txt",
        "%2e%2e/secret.txt",
        "%2E%2E%2Fsecret.txt",
        "in%20%C3%BC/../../secret.txt",
        "out",
        "up/secret.txt",
        "../root-2/a.txt",
        "",
        "in%20%C3%BC",
        "missing",
        "in%20%C3%BC/a.txt%00.txt",
    ],
)
def test_no_file_beside_that_folder_is_read(
    url: str, server: Scripted, root: Path, tmp_path: Path
) -> None:
    """By no spelling and no link; nor what is no file."""
    path = pointing(tmp_path / "bag", server, f"file://{root}/{url}")
    done = bic("complete", path, "--file-root", root)

    assert 2 == done.exit_code, done.stderr
    assert "incomplete" == validate(path).verdict


@pytest.mark.parametrize("before", ["file:", "file://localhost", "file://example.org"])
def test_a_file_address_has_three_slashes(
    before: str, server: Scripted, root: Path, tmp_path: Path
) -> None:
    """Every other form is refused, whatever it may mean elsewhere."""
    path = pointing(tmp_path / "bag", server, f"{before}{root}/here")

    assert 2 == bic("complete", path, "--file-root", root).exit_code


def test_a_local_file_that_is_another_one_is_named(
    server: Scripted, root: Path, tmp_path: Path
) -> None:
    """And nothing of it comes into the bag."""
    (root / "here").resolve().write_bytes(b"omega\n")
    path = pointing(tmp_path / "bag", server, f"file://{root}/here")
    before = tree(path)
    done = bic("complete", path, "--file-root", root)

    assert 9 == done.exit_code, done.stderr
    assert before == tree(path)
    assert [] == [one for one in path.parent.iterdir() if one.name.startswith(".bic")]


def test_a_fifo_below_the_folder_is_not_waited_for(
    server: Scripted, root: Path, tmp_path: Path
) -> None:
    """It is no file."""
    os.mkfifo(root / "pipe")
    path = pointing(tmp_path / "bag", server, f"file://{root}/pipe")

    assert 2 == bic("complete", path, "--file-root", root).exit_code


# -- several locations ----------------------------------------------------------------------------


Wrong = Callable[[Asked], bytes | None]
WAYS_TO_FAIL: dict[str, Wrong] = {
    "404": lambda _: whole(b"", "404 Not Found"),
    "400": lambda _: whole(b"", "400 Bad Request"),
    "403": lambda _: whole(b"", "403 Forbidden"),
    "500": lambda _: whole(b"", "500 Oops"),
    "wrong bytes": lambda _: whole(b"two"),
    "too few": lambda _: whole(b"on"),
    "cut": lambda _: whole(b"one")[:-1],
    "nothing": lambda _: None,
    "redirect into the house": lambda _: whole(b"", "302 F", Location="http://localhost/"),
}


@pytest.mark.parametrize("what", WAYS_TO_FAIL)
def test_the_addresses_of_sip_json_are_tried_in_turn(
    what: str, server: Scripted, other: Scripted, sip: Path, tmp_path: Path
) -> None:
    """Whatever is wrong with the first."""
    server.file("a.bin", WAYS_TO_FAIL[what])
    other.answers["/a"] = lambda _: whole(b"one")
    change_sip(sip, lambda document: add_address(document, "a.bin", f"{other.url}/a"))
    done = bic("complete", sip, "--config", tmp_path / "scripted.toml", "--retries", 0)

    assert 0 == done.exit_code, done.stderr
    assert_full(sip)
    text = (sip / "data/meta/sip.json").read_text()
    [entry] = [e for e in json.loads(text)["contentFiles"] if e["origin"]["filename"] == "a.bin"]
    assert f"{other.url}/a" == entry["origin"]["served_by"]


def test_a_mirror_is_tried_after_the_address_itself(
    server: Scripted, other: Scripted, tmp_path: Path
) -> None:
    """Its host need not be named again."""
    path = holey(tmp_path / "bag", server)
    other.answers["/mirror/a.txt"] = server.answers.pop(place_of("data/a.txt"))
    mirror = f"{server.url}/f/data={other.url}/mirror"
    done = bic("complete", path, "--allow-host", "127.0.0.1", "--mirror", mirror, "--retries", 0)

    assert 0 == done.exit_code, done.stderr
    assert ["/mirror/a.txt"] == other.paths()
    assert sorted(map(place_of, FILES)) == fetched(server)
    assert_full(path, FILES)


def test_a_mirror_serves_what_may_not_be_asked_itself(server: Scripted, tmp_path: Path) -> None:
    """The old server is gone, and its name is somebody else's."""
    path = pointing(tmp_path / "bag", server, "http://gone.example.org/a.txt")
    done = bic("complete", path, "--mirror", f"http://gone.example.org={server.url}/f/data")

    assert 0 == done.exit_code, done.stderr
    assert_full(path, ONE)


@pytest.mark.parametrize("rest", [".evil.example.org/a", "@evil.example.org/a", ":1@evil/a"])
def test_a_mirror_does_not_open_other_hosts(rest: str, server: Scripted, tmp_path: Path) -> None:
    """What stands behind the beginning may make another host of it."""
    path = pointing(tmp_path / "bag", server, f"http://gone.example.org{rest}")
    done = bic("complete", path, "--mirror", "http://gone.example.org=http://127.0.0.1")

    assert 2 == done.exit_code, done.stderr


@pytest.mark.parametrize("allowed", [True, False])
def test_xrootd_is_asked_only_where_it_was_allowed(
    allowed: bool,
    sandbox: Sandbox,
    config_file: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Of the public servers of EOS; the address arrives decoded."""
    folder = tmp_path / "xrootd"
    folder.mkdir()
    program = folder / "xrdcp"
    program.write_text(f'#!/bin/sh\necho "$*" >> {folder}/asked\nprintf hello\n')
    program.chmod(0o755)
    monkeypatch.setenv("PATH", f"{folder}{os.pathsep}{os.environ['PATH']}")
    path = light(config_file, tmp_path, "2", "cod")
    [line] = [x for x in promised(path) if "README" in x]
    url = "root://eospublic.cern.ch//eos/opendata/cms/invented/README.txt"
    text = (path / "fetch.txt").read_text().replace(line.partition(" ")[0], url)
    (path / "fetch.txt").write_text(text)
    change_sip(path, lambda document: [e["origin"].pop("url", 0) for e in document["contentFiles"]])
    options = ["--allow-scheme", "root"] if allowed else []
    done = bic("complete", path, "--config", config_file, "--only", "README*", *options)

    assert (0 if allowed else 2) == done.exit_code, done.stderr
    assert allowed == (folder / "asked").exists()


def test_a_signed_address_is_asked_as_it_is_and_told_without_its_signature(
    server: Scripted, tmp_path: Path
) -> None:
    """Object stores hand such addresses out; they are credentials."""
    url = f"{server.url}/x?versionId=1&X-Amz-Signature={TOKEN}&a=b"
    path = pointing(tmp_path / "bag", server, url)
    done = complete(path, "-v", code=8)

    assert [url.removeprefix(server.url)] == server.paths()
    assert TOKEN not in done.stdout + done.stderr
    server.answers[url.removeprefix(server.url)] = lambda _: whole(ONE["data/a.txt"])
    complete(path)
    assert_full(path, ONE)
