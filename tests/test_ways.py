"""Ways to a server: another one of a kind, and proxies."""

from __future__ import annotations

import select
import socket
import sys
from collections.abc import Iterator
from pathlib import Path
from threading import Thread
from typing import Any

import pytest
from packages import Harvest, everything, payload, sip_json

from bagit_create.sandbox import Sandbox

# -- --base-url -----------------------------------------------------------------------------------


def test_another_server_of_a_kind(harvest: Harvest, sandbox: Sandbox) -> None:
    """Named by a source of that kind."""
    result = harvest("k3f9q-7xw21", "inveniordm", base_url=sandbox.url("cds-rdm-sandbox"))

    assert 0 == result["status"]
    assert {"cds-rdm-sandbox"} == {one.host for one in sandbox.seen}


def test_another_server_by_the_kind_itself(harvest: Harvest, sandbox: Sandbox) -> None:
    """The package carries the kind as its source, and the address in its history."""
    base = sandbox.url("ilcdoc")
    result = harvest(1002, "invenio-v1", base_url=base)

    sip = sip_json(result)
    assert ("invenio-v1", base) == (sip["source"], sip["audit"][0]["tool"]["params"]["base_url"])


def test_its_addresses_work_with_url(harvest: Harvest, sandbox: Sandbox) -> None:
    """``--url`` names the record there."""
    base = sandbox.url("ilcdoc")

    assert 0 == harvest(None, "cds", base_url=base, url=f"{base}/record/1002?ln=en")["status"]


def test_an_address_elsewhere_is_2(harvest: Harvest, sandbox: Sandbox) -> None:
    """Then one of the two is a mistake."""
    result = harvest(None, "cds", base_url=sandbox.url("ilcdoc"), url="http://cds.cern.ch/record/1")

    assert 2 == result["exit_code"]
    assert [] == sandbox.seen


def test_it_gets_no_credential_of_the_known_server(
    harvest: Harvest, sandbox: Sandbox, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Only one that is given for this run."""
    for name in ("BIC_TOKEN", "BIC_TOKEN_ZENODO", "ZENODO_TOKEN"):
        monkeypatch.setenv(name, "c4n4ry")
    base = sandbox.url("inveniordm")

    harvest("k3f9q-7xw21", "zenodo", base_url=base)
    assert all("authorization" not in one.headers for one in sandbox.seen)

    harvest("k3f9q-7xw21", "zenodo", base_url=base, token="good")
    assert "Bearer good" == sandbox.seen[-1].headers["authorization"]


@pytest.mark.parametrize(
    "facts",
    [
        {"source": "zenodo", "base_url": "ftp://x.example"},
        {"source": "zenodo", "base_url": "https://me:secret@x.example"},
        {"source": "zenodo", "base_url": "https://x.example/?a=b"},
        {"source": "nonsense", "base_url": "https://x.example"},
        {"source": None, "base_url": "https://x.example", "url": "https://x.example/records/1"},
    ],
)
def test_a_base_url_that_cannot_work_is_2(
    facts: dict[str, Any], harvest: Harvest, sandbox: Sandbox
) -> None:
    """Before any request."""
    recid = None if "url" in facts else "1"

    assert 2 == harvest(recid, **facts)["exit_code"]
    assert [] == sandbox.seen


# -- proxies --------------------------------------------------------------------------------------


def _pass_on(one: socket.socket, other: socket.socket) -> None:
    while True:
        for ready in select.select([one, other], [], [], 5)[0]:
            block = ready.recv(65536)
            if not block:
                return
            (other if ready is one else one).sendall(block)


def _http(client: socket.socket, asked: list[str]) -> None:
    """A proxy for http: the address stands in the request line."""
    head = b""
    while b"\r\n\r\n" not in head:
        head += client.recv(65536)
    line, _, rest = head.partition(b"\r\n")
    method, address, version = line.split(b" ")
    host, _, path = address.removeprefix(b"http://").partition(b"/")
    asked.append(f"{host.decode()} {rest.decode('latin-1')}")
    name, _, port = host.partition(b":")
    with socket.create_connection((name.decode(), int(port))) as server:
        server.sendall(method + b" /" + path + b" " + version + b"\r\nConnection: close\r\n" + rest)
        _pass_on(client, server)


def _socks(client: socket.socket, asked: list[str]) -> None:
    """SOCKS5 without a login (RFC 1928); names are resolved here."""
    client.recv(262)
    client.sendall(b"\x05\x00")
    request = client.recv(262)
    if request[3] == 1:
        name, port = socket.inet_ntoa(request[4:8]), request[8:10]
    else:
        length = request[4]
        name, port = request[5 : 5 + length].decode(), request[5 + length : 7 + length]
    number = int.from_bytes(port, "big")
    asked.append(f"{name}:{number}")
    with socket.create_connection((name, number)) as server:
        client.sendall(b"\x05\x00\x00\x01" + bytes(6))
        _pass_on(client, server)


class Proxy:
    """A proxy on loopback; ``asked`` is what it was asked for."""

    def __init__(self, speak: Any) -> None:
        self.asked: list[str] = []
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port = self._listener.getsockname()[1]
        self._speak = speak
        Thread(target=self._accept, daemon=True).start()

    def _accept(self) -> None:
        while True:
            try:
                client = self._listener.accept()[0]
            except OSError:
                return
            Thread(target=self._serve, args=(client,), daemon=True).start()

    def _serve(self, client: socket.socket) -> None:
        with client:
            try:
                self._speak(client, self.asked)
            except (OSError, ValueError, IndexError):
                pass

    def close(self) -> None:
        """Listen no longer."""
        self._listener.close()


@pytest.fixture(params=["http", "socks5h"])
def proxy(request: pytest.FixtureRequest) -> Iterator[tuple[str, Proxy]]:
    """Its address, and the proxy."""
    made = Proxy(_http if request.param == "http" else _socks)
    yield f"{request.param}://127.0.0.1:{made.port}", made
    made.close()


def test_everything_goes_through_the_proxy(
    proxy: tuple[str, Proxy], harvest: Harvest, sandbox: Sandbox
) -> None:
    """Metadata and files."""
    address, server = proxy

    result = harvest(1002, "cds", proxy=address)

    assert "thesis.pdf" in payload(result)
    assert server.asked
    assert len(sandbox.seen) >= 3


def test_the_environment_names_a_proxy_too(
    proxy: tuple[str, Proxy], harvest: Harvest, monkeypatch: pytest.MonkeyPatch
) -> None:
    """``ALL_PROXY``, in place of tsocks."""
    address, server = proxy
    monkeypatch.setenv("ALL_PROXY", address)

    assert 0 == harvest(1002, "cds")["status"]
    assert server.asked


def test_no_proxy_makes_exceptions(
    proxy: tuple[str, Proxy], harvest: Harvest, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Of the environment's proxy."""
    address, server = proxy
    monkeypatch.setenv("ALL_PROXY", address)
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")

    assert 0 == harvest(1002, "cds")["status"]
    assert [] == server.asked


def test_the_option_wins_over_the_environment(
    proxy: tuple[str, Proxy], harvest: Harvest, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A dead proxy there does no harm."""
    address, server = proxy
    monkeypatch.setenv("HTTP_PROXY", "http://127.0.0.1:9")
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")

    assert 0 == harvest(1002, "cds", proxy=address)["status"]
    assert server.asked


def test_the_password_of_a_proxy_is_kept_nowhere(harvest: Harvest, tmp_path: Path) -> None:
    """It goes to the proxy alone."""
    server = Proxy(_http)

    result = harvest(1002, "cds", proxy=f"http://ada:c4n4ry@127.0.0.1:{server.port}", loglevel=0)

    server.close()
    assert 0 == result["status"]
    assert "Proxy-Authorization" in server.asked[0]
    assert b"c4n4ry" not in everything(tmp_path / "out")


def test_a_dead_proxy_is_7(harvest: Harvest) -> None:
    """Without its password in the message."""
    result = harvest(1002, "cds", proxy="http://ada:c4n4ry@127.0.0.1:9", retries=0)

    assert 7 == result["exit_code"]
    assert "c4n4ry" not in str(result)


@pytest.mark.parametrize("address", ["127.0.0.1:1080", "ftp://x.example", "socks9://x.example"])
def test_a_proxy_of_another_kind_is_2(address: str, harvest: Harvest, sandbox: Sandbox) -> None:
    """Before any request."""
    assert 2 == harvest(1002, "cds", proxy=address)["exit_code"]
    assert [] == sandbox.seen


def test_socks_without_its_library_is_3(harvest: Harvest, monkeypatch: pytest.MonkeyPatch) -> None:
    """With what to install."""
    monkeypatch.setitem(sys.modules, "socks", None)

    result = harvest(1002, "cds", proxy="socks5h://127.0.0.1:9")

    assert 3 == result["exit_code"]
    assert "[socks]" in result["hint"]
