"""``--cert``: the sign-on with a client certificate, over TLS on loopback.

Where ``python-cern-sso`` is not installed (it needs Kerberos headers), a stand-in takes its place
that does the same steps; the server, the certificates and everything of ours are real.
"""

from __future__ import annotations

import ssl
import sys
import xml.etree.ElementTree as ET
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread
from types import ModuleType
from typing import Any
from urllib.parse import urljoin

import pytest
import requests
import trustme
from packages import Harvest, everything, payload

from bagit_create.sandbox import Sandbox
from bagit_create.sandbox.server import Seen

# python-cern-sso does not check the certificate of the page that asks for ours.
pytestmark = pytest.mark.filterwarnings("ignore:Unverified HTTPS request")

FORM = (
    '<html><body><form method="post" action="{base}/Shibboleth.sso/ADFS">'
    '<input type="hidden" name="wresult" value="invented"/></form></body></html>'
)


def stand_in(url: str, cert_file: str, key_file: str) -> Any:
    """What ``cern_sso.cert_sign_on`` does: follow, show the certificate, post the form."""
    with requests.Session() as session:
        session.cert = (cert_file, key_file)
        login = session.get(url)
        login.raise_for_status()
        page = login.url.replace("/adfs/ls/", "/adfs/ls/auth/sslclient/")
        answer = session.get(urljoin(login.url, page), timeout=10)
        answer.raise_for_status()
        form = ET.fromstring(answer.text).find("body/form")
        assert form is not None
        data = {one.get("name", ""): one.get("value", "") for one in form.findall("input")}
        session.post(form.get("action", ""), data=data).raise_for_status()
        return session.cookies


@pytest.fixture(autouse=True)
def package(monkeypatch: pytest.MonkeyPatch) -> None:
    """``cern_sso``, the real one if it is there."""
    try:
        import cern_sso  # noqa: F401
    except ImportError:
        module = ModuleType("cern_sso")
        setattr(module, "cert_sign_on", stand_in)
        monkeypatch.setitem(sys.modules, "cern_sso", module)


@pytest.fixture
def authority(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> trustme.CA:
    """Who signs both sides; trusted."""
    made = trustme.CA()
    made.cert_pem.write_to_path(str(tmp_path / "ca.pem"))
    monkeypatch.setenv("REQUESTS_CA_BUNDLE", str(tmp_path / "ca.pem"))
    return made


@pytest.fixture
def server(
    sandbox: Sandbox, authority: trustme.CA, config_file: Path
) -> Iterator[ThreadingHTTPServer]:
    """CDS and its login server over TLS; a certificate is asked for, not demanded."""
    app = sandbox.app("cds")

    class Handler(BaseHTTPRequestHandler):
        def log_message(self, format: str, *args: Any) -> None:
            """Nothing on the terminal."""

        def answer(self, status: int, body: bytes = b"", **headers: str) -> None:
            self.send_response(status)
            for name, value in headers.items():
                self.send_header(name.replace("_", "-"), value)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def do_GET(self) -> None:
            """The application, and the steps of the login."""
            if self.path.startswith("/adfs/ls/auth/sslclient/"):
                shown = self.connection.getpeercert()
                body = FORM.format(base=app.base).encode()
                self.answer(200, body) if shown else self.answer(403)
            elif self.path.startswith("/adfs/ls/"):
                self.answer(200, b"<html>Sign in</html>")
            else:
                headers = {name.lower(): value for name, value in self.headers.items()}
                reply = app(Seen("cds", "GET", self.path, headers))
                if "/youraccount/login" in reply.headers.get("Location", ""):
                    self.answer(302, Location=f"{app.base}/adfs/ls/?wa=wsignin1.0")
                else:
                    kind = reply.headers.get("Content-Type", "text/html")
                    self.answer(reply.status, b"".join(reply.blocks()), Content_Type=kind)

        def do_POST(self) -> None:
            """The form of the login server."""
            body = self.rfile.read(int(self.headers["Content-Length"]))
            cookie = "INVENIOSESSION=good; Path=/; Secure; HttpOnly"
            if b"wresult=invented" in body:
                self.answer(302, Location=f"{app.base}/record/1403", Set_Cookie=cookie)
            else:
                self.answer(403)

    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert("127.0.0.1").configure_cert(context)
    authority.configure_trust(context)
    context.verify_mode = ssl.CERT_OPTIONAL
    made = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    made.socket = context.wrap_socket(made.socket, server_side=True)
    base = f"https://127.0.0.1:{made.server_address[1]}"
    config_file.write_text(config_file.read_text().replace(app.base, base, 1))
    app.base = base
    thread = Thread(target=made.serve_forever, args=(0.02,), daemon=True)
    thread.start()
    yield made
    made.shutdown()
    made.server_close()
    thread.join()


def certificate(authority: trustme.CA, folder: Path) -> str:
    """A user's certificate and key; the path without its ending."""
    made = authority.issue_cert("ada@example.org")
    made.cert_chain_pems[0].write_to_path(str(folder / "ada.pem"))
    made.private_key_pem.write_to_path(str(folder / "ada.key"))
    return str(folder / "ada")


def test_a_certificate_opens_a_restricted_record(
    server: Any, authority: trustme.CA, harvest: Harvest, tmp_path: Path
) -> None:
    """Its files too."""
    result = harvest(1403, "cds", cert=certificate(authority, tmp_path))

    assert {"metadata.xml", "closed.pdf"} == payload(result)


def test_neither_certificate_nor_cookie_is_kept(
    server: Any, authority: trustme.CA, harvest: Harvest, tmp_path: Path
) -> None:
    """Only that one was given."""
    harvest(1403, "cds", cert=certificate(authority, tmp_path))

    kept = everything(tmp_path / "out")
    assert b"INVENIOSESSION=good" not in kept and b"ada.pem" not in kept
    assert b'"cert": true' in kept


def test_a_certificate_that_is_not_trusted_is_6(
    server: Any, harvest: Harvest, tmp_path: Path
) -> None:
    """The way that still works is in the hint."""
    result = harvest(1403, "cds", cert=certificate(trustme.CA(), tmp_path))

    assert result["exit_code"] in (6, 7)  # the server may close the connection without a word
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize(
    "name",
    ["nobody", "/", ".", "~nobody-here", pytest.param("x" * 5000, id="too long"), "a\0b", "\ud800"],
)
def test_a_certificate_that_is_not_there_is_3(name: str, harvest: Harvest) -> None:
    """Both files are needed, and some names no file has."""
    result = harvest(1403, "cds", cert=name)

    assert (3, "--cert names a file that is not there.") == (
        result["exit_code"],
        result["errormsg"],
    )


def test_without_the_package_it_is_3(
    authority: trustme.CA, harvest: Harvest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """With what to install, and what works without."""
    monkeypatch.setitem(sys.modules, "cern_sso", None)

    result = harvest(1403, "cds", cert=certificate(authority, tmp_path))

    assert 3 == result["exit_code"]
    assert "[sso]" in result["hint"] and "--cookies" in result["hint"]


def test_another_package_of_that_name_is_3(
    authority: trustme.CA, harvest: Harvest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Two packages install a module called so; the function decides."""
    monkeypatch.setitem(sys.modules, "cern_sso", ModuleType("cern_sso"))

    assert 3 == harvest(1403, "cds", cert=certificate(authority, tmp_path))["exit_code"]
