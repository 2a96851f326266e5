"""A credential goes to its own server, and shows itself nowhere else: canaries look for the leak.

Each way to give a credential is tried with a value that stands nowhere else, in runs that work and
runs that fail. It is then looked for as it is, percent-encoded in part or whole, and in base64.
"""

from __future__ import annotations

import base64
import os
import re
import signal
import sys
from collections.abc import Iterator
from http.cookiejar import Cookie, CookieJar
from http.server import ThreadingHTTPServer
from pathlib import Path
from threading import Thread
from types import ModuleType
from urllib.parse import parse_qs, quote, urlsplit

import pytest
from canary import CANARY, Bench, Given, Proxy, Watch, Way, assert_unseen, variable
from faulty import FACTS, populate
from faulty import told as as_told
from gates import FOR_EVER_S, LONG_S, until
from packages import everything

from bagit_create.sandbox import Fault, Sandbox
from bagit_create.sandbox import gitlab as sandbox_gitlab
from bagit_create.sandbox import indico as sandbox_indico
from bagit_create.sandbox.server import Reply


@pytest.mark.parametrize("before", ["", "a", "ab", "oauth2:", "token="])
@pytest.mark.parametrize("form", ["raw", "part", "quoted", "percent", "base64", "urlsafe"])
def test_the_canary_is_found_in_every_form(before: str, form: str) -> None:
    """Otherwise the tests below would find nothing."""
    text = {
        "raw": before + CANARY,
        "part": before + CANARY[7:20],
        "quoted": quote(before + CANARY, safe=""),
        "percent": before + "".join(f"%{ord(c):02X}" for c in CANARY),
        "base64": base64.b64encode(f"{before}{CANARY}!".encode()).decode(),
        "urlsafe": base64.urlsafe_b64encode((before + CANARY).encode()).decode(),
    }[form]

    with pytest.raises(AssertionError):
        assert_unseen(form, f"x{text}y")


KINDS = ("zenodo", "cds-rdm", "cds", "cds-videos", "cod", "gitlab", "codimd", "indico")
WAYS = [
    *(Way(source, variable(source)) for source in FACTS),
    *(Way(source, "--token-file") for source in KINDS),
    Way("zenodo", "$ZENODO_TOKEN"),
    Way("gitlab", "$GITLAB_KEY"),
    Way("gitlab", "$GITLAB_TOKEN"),
    Way("indico", "$INDICO_KEY"),
    Way("codimd", "$CODIMD_SESSION"),
    Way("cds-videos", "$BIC_TOKEN"),
    Way("cds-rdm", "standard input"),
    Way("zenodo", "--token"),
    Way("gitlab", "-tk"),
    Way("cds", "--invcookie"),
    Way("ilcdoc", "-ic"),
    Way("cds-rdm", "token"),
    Way("indico", "token_file"),
    *(Way(source, "--cookies") for source in ("cds", "zenodo", "codimd", "cod")),
    Way("zenodo", "token="),
    Way("cds-rdm", "token="),
]
RUNS = {"full": 0, "light": 0, "refused with 401": 6, "refused with 403": 6, "failing with 500": 7}


@pytest.fixture
def bench(
    sandbox: Sandbox, config_file: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Bench:
    """Servers that know the canary, where they refuse what they do not know."""
    populate(sandbox)
    monkeypatch.setattr(sandbox_gitlab, "TOKENS", (*sandbox_gitlab.TOKENS, CANARY))
    monkeypatch.setitem(sandbox_indico.SCOPES, CANARY, "both")
    return Bench(sandbox, config_file, tmp_path)


# -- runs -----------------------------------------------------------------------------------------


@pytest.mark.parametrize("run", RUNS)
@pytest.mark.parametrize("way", WAYS, ids=str)
def test_a_credential_shows_itself_nowhere(
    way: Way, run: str, bench: Bench, caplog: pytest.LogCaptureFixture
) -> None:
    """Its own server gets it; package, staging, log, terminal and all other hosts do not."""
    given = way.give(bench.keys, bench.config)
    # To a cookie, another port is no other server (RFC 6265 section 8.5).
    bench.spoil(way.source, run, "localhost" if way.how == "--cookies" else "127.0.0.1")

    code, told = bench.call(given, *["--light"] * (run == "light"))

    assert RUNS[run] == code, told
    assert_unseen("the terminal", told)
    assert_unseen("the log", caplog.text)
    bench.assert_clean(way.source)
    received = bench.received(way.source)
    assert any(given.received in one for one in received)
    if run == "full":
        assert "storage" in {one.host for one in bench.sandbox.seen}


@pytest.mark.parametrize("source", ["zenodo", "cds-rdm"])
def test_a_share_link_arrives_as_it_was_given(source: str, bench: Bench) -> None:
    """A plus sign in it would be a blank otherwise."""
    bench.call(Way(source, "token=").give(bench.keys, bench.config), "--light")

    asked = [parse_qs(urlsplit(one.path).query) for one in bench.sandbox.seen]
    assert asked and all([CANARY] == one["token"] for one in asked)


@pytest.mark.parametrize("source", ["zenodo", "cds", "cod", "cds-videos", "codimd"])
def test_a_server_that_gives_it_away_is_told_without_it(
    source: str, bench: Bench, caplog: pytest.LogCaptureFixture
) -> None:
    """It puts what it was sent into the address of a file; the log names addresses."""
    bench.spoil(source, "full", "127.0.0.1", f"?who={CANARY}")
    given = Way(source, variable(source)).give(bench.keys, bench.config)

    code, told = bench.call(given)

    assert 0 == code, told
    assert "/public/moved" in told
    assert_unseen("the terminal", told)
    assert_unseen("the log", caplog.text)
    assert_unseen("the target", everything(bench.out))


def test_what_git_says_is_told_without_it(bench: Bench, caplog: pytest.LogCaptureFixture) -> None:
    """Git repeats what the server says to people."""
    page = f"HTTP/1.1 403 No\r\nContent-Type: text/plain\r\n\nnot {CANARY}\n".encode()
    bench.sandbox.fault("/info/refs", Fault("raw", speak=lambda _: page), source="gitlab")

    code, told = bench.call(Way("gitlab", "$GITLAB_KEY").give(bench.keys, bench.config))

    assert 8 == code, told
    assert "remote: not " in told
    assert_unseen("the terminal", told)
    assert_unseen("the log", caplog.text)


@pytest.mark.parametrize("form", [[], ["--json"]])
@pytest.mark.parametrize("source", ["zenodo", "cds-rdm"])
def test_a_tombstone_with_the_canary_is_told_without_it(
    source: str, form: list[str], bench: Bench, caplog: pytest.LogCaptureFixture
) -> None:
    """What a server writes to people may hold what it was sent."""
    stone = f'{{"tombstone": {{"note": "{CANARY} was refused"}}}}'.encode()
    fault = Fault("status", status=410, body=stone)
    bench.sandbox.fault(FACTS[source].metadata, fault, source=source)
    given = Way(source, variable(source)).give(bench.keys, bench.config)

    code, told = bench.call(given, *form)

    assert 5 == code
    assert "was refused" in told
    assert_unseen("the terminal", told)
    assert_unseen("the log", caplog.text)


# -- programs -------------------------------------------------------------------------------------


INTERRUPTED = [
    *(Way(source, variable(source)) for source in KINDS),
    Way("zenodo", "--token-file"),
    Way("cds", "--cookies"),
    Way("zenodo", "token="),
]


@pytest.mark.parametrize("way", INTERRUPTED, ids=str)
def test_an_interrupted_run_leaves_no_trace_of_it(way: Way, bench: Bench) -> None:
    """In what it keeps for the next one, and in the arguments of all that it started."""
    facts = FACTS[way.source]
    host = facts.file_host or way.source
    bench.sandbox.fault(facts.file, Fault("stall", after=1, seconds=FOR_EVER_S), source=host)
    given = way.give(bench.keys, bench.config)
    arguments, given.arguments = given.arguments, [*given.arguments, "--jobs", "1"]

    with Watch() as watch, bench.begin(given) as program:
        until(lambda: any(re.search(facts.file, one.path) for one in bench.sandbox.seen))
        until(lambda: watch.saw(b"bagit_create"))
        program.send_signal(signal.SIGINT)
        told = program.communicate(timeout=LONG_S)[0]

    assert 130 == program.returncode, told
    assert_unseen("the terminal", told)
    bench.assert_clean(way.source)
    given_openly = b"\0".join(map(os.fsencode, arguments)) if way.how.endswith("=") else b"\0\0"
    for line in watch.seen:
        assert_unseen("an argument", line.replace(given_openly, b""))


@pytest.mark.parametrize("name", [variable("gitlab"), "$GITLAB_KEY", "--token-file"])
def test_git_gets_it_in_no_argument(name: str, bench: Bench) -> None:
    """Nor does any helper that git starts; GitLab gets it from all of them."""
    given = Way("gitlab", name).give(bench.keys, bench.config)

    with Watch() as watch:

        def once_seen(reply: Reply) -> bytes:
            until(lambda: watch.saw(b"git\0", b"git-remote-http\0"))
            return as_told()(reply)

        late = Fault("raw", speak=once_seen)
        bench.sandbox.fault("/info/refs", late, source="gitlab")
        code, told = bench.call(given)

    assert 0 == code, told
    assert {b"git", b"git-remote-http"} <= {
        line.partition(b"\0")[0].rpartition(b"/")[2] for line in watch.seen
    }
    for line in watch.seen:
        assert_unseen("an argument", line)
    basic = base64.b64encode(f"oauth2:{CANARY}".encode()).decode()
    asked = [one for one in bench.sandbox.seen if "/info/refs" in one.path]
    assert asked and all(f"Basic {basic}" == one.headers["authorization"] for one in asked)
    bench.assert_clean("gitlab")


def test_bibdocfile_gets_no_session_in_its_arguments(bench: Bench) -> None:
    """It is a program of the server's, and asks nobody for anything."""
    program = bench.keys / "bibdocfile"
    seen = bench.keys / "seen"
    program.write_text(f"#!/bin/sh\nuntil [ -e '{seen}' ]; do sleep 0.05; done\n")
    program.chmod(0o755)
    text = bench.config.read_text()
    bench.config.write_text(text.replace("[cds]\n", f"[cds]\nbibdocfile = '{program}'\n"))

    def look() -> None:
        until(lambda: watch.saw(b"bibdocfile"))
        seen.touch()

    with Watch() as watch:
        given = Way("cds", "--invcookie").give(bench.keys, bench.config)
        looking = Thread(target=look)
        looking.start()
        bench.call(given, "--bibdoc")
        looking.join()

    for line in watch.seen:
        assert_unseen("an argument", line)
    bench.assert_clean("cds")


# -- what is no token -----------------------------------------------------------------------------


@pytest.fixture
def proxy() -> Iterator[ThreadingHTTPServer]:
    """Takes every password, and writes it down."""
    handler = type("Handler", (Proxy,), {"asked": []})
    server = ThreadingHTTPServer(("127.0.0.1", 0), handler)
    Thread(target=server.serve_forever, args=(0.02,), daemon=True).start()
    yield server
    server.shutdown()
    server.server_close()


@pytest.mark.parametrize("how", ["--proxy", "HTTP_PROXY", "http_proxy", "ALL_PROXY"])
@pytest.mark.parametrize("source", ["zenodo", "cds", "gitlab"])
@pytest.mark.parametrize("run", ["full", "light", "refused with 403", "without a proxy"])
def test_the_password_of_a_proxy_goes_to_the_proxy(
    how: str,
    source: str,
    run: str,
    bench: Bench,
    proxy: ThreadingHTTPServer,
    caplog: pytest.LogCaptureFixture,
) -> None:
    """In its own header, which no source gets to see."""
    bench.spoil(source, run, "127.0.0.1")
    port = 9 if run == "without a proxy" else proxy.server_port
    address = f"http://ada:{quote(CANARY, safe='')}@127.0.0.1:{port}"
    given = Given(["--source", source, "--recid", FACTS[source].recid])
    given.environment = {"BIC_CONFIG": str(bench.config)}
    if how.startswith("-"):
        given.arguments += [how, address]
    else:
        given.environment[how] = address

    with Watch() as watch:
        code, told = bench.call(given, *["--light"] * (run == "light"))

    assert {"full": 0, "light": 0, "refused with 403": 6}.get(run, 7) == code, told
    assert_unseen("the terminal", told)
    assert_unseen("the log", caplog.text)
    bench.assert_clean("the proxy")
    for line in watch.seen:
        assert_unseen("an argument", line)
    expected = "Basic " + base64.b64encode(f"ada:{CANARY}".encode()).decode()
    asked: list[str] = proxy.RequestHandlerClass.asked  # type: ignore[attr-defined]
    assert {expected} == {*asked} or run == "without a proxy"


@pytest.mark.parametrize("works", [True, False])
def test_a_certificate_and_its_session_show_themselves_nowhere(
    works: bool, bench: Bench, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """The key stays in its file; the cookie that it opens goes to the server of the source."""

    def sign_on(address: str, cert: str, key: str) -> CookieJar:
        if not works:
            raise ValueError(f"not a key: {Path(key).read_text()}")
        jar = CookieJar()
        place = ("127.0.0.1", True, False, "/", True)
        jar.set_cookie(
            Cookie(
                0, "INVENIOSESSION", CANARY, None, False, *place, False, None, True, None, None, {}
            )
        )
        return jar

    module = ModuleType("cern_sso")
    setattr(module, "cert_sign_on", sign_on)
    monkeypatch.setitem(sys.modules, "cern_sso", module)
    (bench.keys / "ada.pem").write_text("a certificate")
    (bench.keys / "ada.key").write_text(f"-----BEGIN PRIVATE KEY-----\n{CANARY}\n")
    given = Given(["--source", "cds", "--recid", "1002", "--cert", str(bench.keys / "ada")])
    given.environment = {"BIC_CONFIG": str(bench.config)}
    bench.spoil("cds", "full", "localhost")

    code, told = bench.call(given)

    assert (0 if works else 6) == code, told
    assert_unseen("the terminal", told)
    assert_unseen("the log", caplog.text)
    bench.assert_clean("cds")
    assert works == any(f"INVENIOSESSION={CANARY}" in one for one in bench.received("cds"))
