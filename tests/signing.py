"""CDS behind a single sign-on with certificates, over TLS on loopback, and who signs on to it.

Where ``python-cern-sso`` is not installed (it needs Kerberos headers), a stand-in takes its place
that does the same steps; the server, the certificates and everything of ours are real.
"""

from __future__ import annotations

import re
import ssl
import sys
import xml.etree.ElementTree as ET
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Lock, Thread
from types import ModuleType
from typing import Any
from urllib.parse import urljoin

import pytest
import requests
import trustme

from bagit_create.sandbox import Sandbox
from bagit_create.sandbox.content import Content
from bagit_create.sandbox.invenio_v1 import Held
from bagit_create.sandbox.server import Seen

FORM = (
    '<html><body><form method="post" action="{base}/Shibboleth.sso/ADFS">'
    '<input type="hidden" name="wresult" value="invented"/></form></body></html>'
)
INNER = re.compile(
    rb'\s*<datafield tag="8564?[^>]*>\s*<subfield code="u">[^<]*/inner.*?</datafield>'
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


class Door(BaseHTTPRequestHandler):
    """Answers for CDS: the application behind it, and the steps of the login.

    Whoever is not signed in is sent away from what is closed, and given a guest's session if they
    show one that is over. What a guest is not shown of an open record has a name that begins with
    ``inner``.
    """

    server: Entrance

    def log_message(self, format: str, *args: Any) -> None:
        """Nothing on the terminal."""

    def answer(self, status: int, body: bytes = b"", **headers: Any) -> None:
        """Send an answer."""
        self.send_response(status)
        for name, value in headers.items():
            self.send_header(name.replace("_", "-"), value)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def do_GET(self) -> None:
        """The application, and the steps of the login."""
        app, at = self.server.app, self.server
        if self.path.startswith("/adfs/ls/auth/sslclient/"):
            shown = self.connection.getpeercert()
            body = FORM.format(base=app.base).encode()
            self.answer(200, body) if shown and not at.refuses else self.answer(403)
        elif self.path.startswith("/adfs/ls/"):
            self.answer(200, b"<html>Sign in</html>")
        elif self.path == "/signed":
            self.answer(200, b"<html>Welcome</html>")
        elif self.path.startswith("/youraccount/login"):
            self.answer(302, Location=f"{app.base}/adfs/ls/?wa=wsignin1.0")
        else:
            self.application()

    def application(self) -> None:
        """A page, a record or a file."""
        at = self.server
        shown = re.search("INVENIOSESSION=(good[0-9]*)", self.headers.get("Cookie", ""))
        is_member = shown is not None and at.use(shown[1])
        at.asked.append((self.path, is_member))
        cookie: dict[str, Any] = (
            {"Set_Cookie": "INVENIOSESSION=guest; path=/"} if shown and not is_member else {}
        )
        headers = {name.lower(): value for name, value in self.headers.items()}
        if not is_member:
            headers.pop("cookie", None)
        reply = at.app(Seen("cds", "GET", self.path, headers))
        recid = (re.match("/record/([0-9]+)", self.path) or ("", ""))[1]
        is_login = "/youraccount/login" in reply.headers.get("Location", "")
        if is_login or recid in at.closed and not is_member:
            to = f"{at.app.base}/youraccount/login?action=1&referer={self.path}"
            self.answer(401 if at.says_401 else 302, Location=to, **cookie)
            return
        body = b"".join(reply.blocks())
        if not is_member:
            body = INNER.sub(b"", body.replace(b"\n", b"")) if b"/inner" in body else body
        kind = reply.headers.get("Content-Type", "text/html")
        given = {"Set_Cookie": at.gives} if at.gives else cookie
        self.answer(reply.status, body, Content_Type=kind, **given)

    def do_POST(self) -> None:
        """The form of the login server."""
        body = self.rfile.read(int(self.headers["Content-Length"]))
        if b"wresult=invented" not in body:
            self.answer(403)
            return
        cookie = f"INVENIOSESSION={self.server.begin()}; Path=/; Secure; HttpOnly"
        self.answer(302, Location=f"{self.server.app.base}/signed", Set_Cookie=cookie)


class Entrance(ThreadingHTTPServer):
    """The server, and what tests want to know of it and change.

    ``closed`` are the ids of closed records; ``sessions`` those that were begun; ``asked`` what the
    application was asked for, and whether by somebody signed in; ``lasts`` how many requests a
    session is good for; ``refuses`` has certificates refused; ``says_401`` has 401 take the place
    of the redirect; ``gives`` is the cookie that comes with each page.
    """

    app: Any

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Door)
        self.sessions: list[str] = []
        self.asked: list[tuple[str, bool]] = []
        self.closed: set[str] = set()
        self.lasts = 1_000_000
        self.refuses = self.says_401 = False
        self.gives = ""
        self._left: dict[str, int] = {}
        self._lock = Lock()

    def begin(self) -> str:
        """Begin a session."""
        with self._lock:
            self.sessions.append(f"good{len(self.sessions) + 1}")
            self._left[self.sessions[-1]] = self.lasts
            return self.sessions[-1]

    def use(self, session: str) -> bool:
        """Whether a session is known, for one more request."""
        with self._lock:
            left = self._left.get(session, 0)
            self._left[session] = left - 1
            return left > 0

    def end(self, session: str) -> None:
        """Forget a session."""
        with self._lock:
            self._left.pop(session, None)

    def put(self, recid: str, *names: str, closed: bool = True) -> str:
        """Put a record with small files in place; its id."""
        held = Held(recid)
        for name in names:
            held.fields.append(("8564_", [("u", f"@BASE@/record/{recid}/files/{name}")]))
            held.files[name, ""] = Content(f"{name} of {recid}".encode())
        self.app.records[recid] = held
        if closed:
            self.closed.add(recid)
        return recid


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
def server(sandbox: Sandbox, authority: trustme.CA, config_file: Path) -> Iterator[Entrance]:
    """CDS and its login server over TLS; a certificate is asked for, not demanded."""
    app = sandbox.app("cds")
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert("127.0.0.1").configure_cert(context)
    authority.configure_trust(context)
    context.verify_mode = ssl.CERT_OPTIONAL
    made = Entrance()
    made.app = app
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
