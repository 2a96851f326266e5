"""Certificates: whom we trust, and how a user says whom else to trust."""

from __future__ import annotations

import socket
import ssl
from collections.abc import Iterator
from pathlib import Path
from threading import Event, Thread
from typing import Any
from urllib.parse import urlsplit

import pytest
import trustme

from bagit_create.main import process
from bagit_create.sandbox import Sandbox


def pour(source: socket.socket, sink: socket.socket) -> None:
    """Pass bytes on until one side ends."""
    try:
        while block := source.recv(65536):
            sink.sendall(block)
        sink.shutdown(socket.SHUT_WR)
    except OSError:
        pass


@pytest.fixture
def authority() -> trustme.CA:
    """Who signs the server's certificate; nobody trusts it yet."""
    return trustme.CA()


@pytest.fixture
def config_over_tls(sandbox: Sandbox, authority: trustme.CA, tmp_path: Path) -> Iterator[Path]:
    """Zenodo's sandbox behind TLS, on a port of its own."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert("127.0.0.1").configure_cert(context)
    listener = socket.create_server(("127.0.0.1", 0))
    ended = Event()
    behind = ("127.0.0.1", urlsplit(sandbox.url("zenodo")).port or 0)

    def serve(plain: socket.socket) -> None:
        try:
            with context.wrap_socket(plain, server_side=True) as outside:
                with socket.create_connection(behind) as inside:
                    Thread(target=pour, args=(inside, outside), daemon=True).start()
                    pour(outside, inside)
        except OSError:
            pass

    def accept() -> None:
        while not ended.is_set():
            try:
                Thread(target=serve, args=(listener.accept()[0],), daemon=True).start()
            except OSError:
                return

    Thread(target=accept, daemon=True).start()
    path = tmp_path / "tls.toml"
    address = f"https://127.0.0.1:{listener.getsockname()[1]}"
    path.write_text(f'[zenodo]\nbase_url = "{address}"\n', encoding="utf-8")
    yield path
    ended.set()
    listener.shutdown(socket.SHUT_RDWR)
    listener.close()


def harvest(config: Path, **more: Any) -> dict[str, Any]:
    target = config.parent / "out"
    return process("7000001", "zenodo", target=target, config=config, retries=0, **more)


def test_a_certificate_that_nobody_vouches_for_is_refused(config_over_tls: Path) -> None:
    """Exit 7, saying how to name the authority; nothing was asked of the server."""
    result = harvest(config_over_tls)

    assert 7 == result["exit_code"]
    assert "certificate that is not trusted" in result["errormsg"]
    assert "REQUESTS_CA_BUNDLE" in result["hint"]


@pytest.mark.parametrize("variable", ["REQUESTS_CA_BUNDLE", "SSL_CERT_FILE"])
def test_an_authority_can_be_named(
    config_over_tls: Path,
    authority: trustme.CA,
    variable: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """By the variables that other programs obey too."""
    authority.cert_pem.write_to_path(str(tmp_path / "authority.pem"))
    monkeypatch.setenv(variable, str(tmp_path / "authority.pem"))

    assert 0 == (result := harvest(config_over_tls))["status"], result


@pytest.mark.filterwarnings("ignore:Unverified HTTPS request")
def test_skipssl_asks_nobody_and_says_so(config_over_tls: Path) -> None:
    """The package's keeper learns that nobody vouched for the source."""
    result = harvest(config_over_tls, skipssl=True)

    assert 0 == result["status"], result
    assert any("--skipssl" in one for one in result["warnings"])
