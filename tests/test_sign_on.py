"""``--cert`` for many records: one sign-on serves for all, and is made anew when it ends."""

from __future__ import annotations

import json
import re
import sys
import threading
import time
from collections.abc import Callable
from http.cookiejar import CookieJar
from pathlib import Path
from typing import Any
from urllib.request import Request

import pytest
import trustme
from batches import Bench, bench, told
from click.testing import CliRunner
from gates import LONG_S, until
from packages import everything
from signing import Entrance, authority, certificate, package, server

from bagit_create import session
from bagit_create.batch.harvest import MOST_REFUSED
from bagit_create.cli import cli
from bagit_create.credentials import read_cookies
from bagit_create.errors import Unreachable
from bagit_create.listing import Selection, list_records
from bagit_create.options import JobOptions
from bagit_create.sandbox.content import Content
from bagit_create.sandbox.server import Reply, Seen

__all__ = ["authority", "bench", "package", "server"]

NOTE = "AbCdEfGhIjKlMnOpQrStUv"

pytestmark = pytest.mark.filterwarnings("ignore:Unverified HTTPS request")


class Signing:
    """A job of CDS records, run with a certificate."""

    def __init__(self, bench: Bench, server: Entrance, authority: trustme.CA) -> None:
        self.bench = bench
        self.server = server
        self.cert = certificate(authority, bench.place)

    def closed(self, count: int, *names: str) -> list[str]:
        """So many closed records, of one file each if nothing else is said."""
        ids = range(8000001, 8000001 + count)
        return [self.server.put(str(one), *(names or ("a.txt",))) for one in ids]

    def job(self, ids: list[str], *words: object) -> None:
        """Make the job."""
        text = "".join(f"{one}\n" for one in ids)
        options = ["--source", "cds", "--config", self.bench.config, "--retries", 0, *words]
        made = self.bench.bic("create", self.bench.path, *options, text=text)
        assert 0 == made.returncode, made.stderr

    def run(self, *words: object) -> Any:
        """Run it; what it tells."""
        alone = () if "--workers" in words else ("--workers", 1)
        return self.bench.run("--cert", self.cert, *alone, *words)

    def files(self, recid: str) -> list[str]:
        """The files in the package of a record, without its metadata."""
        found = self.bench.path.parent.rglob(f"sip::cds::{recid}::*/data/content/*")
        return sorted(one.name for one in found if one.name != "metadata.xml")

    def refusals(self) -> int:
        """Requests of records that were answered as those of a guest."""
        return sum(not is_member for _, is_member in self.server.asked if "of=xm" in _)


@pytest.fixture
def signing(
    bench: Bench, server: Entrance, authority: trustme.CA, monkeypatch: pytest.MonkeyPatch
) -> Signing:
    """A server that nothing is asked of yet."""
    return Signing(bench, server, authority)


# -- one sign-on --------------------------------------------------------------------------------


def test_many_records_take_one_sign_on(signing: Signing) -> None:
    """In all threads of a process together."""
    ids = signing.closed(9)
    signing.job(ids, "--shard-size", 2)
    result = signing.run("--workers", 4)

    assert 0 == result.returncode, result.stderr
    assert ids == signing.bench.packages()
    assert ["good1"] == signing.server.sessions
    assert all(is_member for path, is_member in signing.server.asked if "of=xm" in path)


def test_each_process_signs_on_once(signing: Signing, monkeypatch: pytest.MonkeyPatch) -> None:
    """Cookies are handed from none to another."""
    place = signing.bench.place / "modules"
    place.mkdir()
    (place / "cern_sso.py").write_text("from signing import stand_in as cert_sign_on\n")
    monkeypatch.delitem(sys.modules, "cern_sso", raising=False)
    monkeypatch.syspath_prepend(place)
    ids = signing.closed(8)
    signing.job(ids, "--shard-size", 1)
    result = signing.run("--workers", 4, "--processes", 2)

    assert 0 == result.returncode, result.stderr
    assert ids == signing.bench.packages()
    assert len(signing.server.sessions) in (1, 2)  # one process may have been too late for any


def test_a_record_that_all_may_read_does_not_keep_the_others_from_a_sign_on(
    signing: Signing,
) -> None:
    """Its page asks nobody to sign on; the login page does."""
    ids = [signing.server.put("8100001", "a.txt", closed=False), *signing.closed(2)]
    signing.job(ids)

    assert 0 == signing.run().returncode
    assert sorted(ids) == signing.bench.packages()
    assert 1 == len(signing.server.sessions)


def test_no_secret_of_a_sign_on_is_kept(signing: Signing) -> None:
    """Neither in the job, nor in what it made or told; also of the second sign-on."""
    signing.server.lasts = 3
    signing.job(signing.closed(4))
    result = signing.run("-vv")

    assert len(signing.server.sessions) > 1
    kept = everything(signing.bench.place / "job") + result.stderr.encode()
    assert not re.search(b"good[0-9]|ada.pem", kept)


# -- a session that ends ------------------------------------------------------------------------


@pytest.mark.parametrize("says_401", [False, True])
def test_a_session_that_ended_is_begun_anew_and_the_record_is_made(
    signing: Signing, says_401: bool
) -> None:
    """A redirect to the login page or a 401 tells; no record fails for it."""
    signing.server.lasts, signing.server.says_401 = 6, says_401
    ids = signing.closed(9)
    signing.job(ids)
    result = signing.run()

    assert 0 == result.returncode, result.stderr
    assert ids == signing.bench.packages()
    asked = sum(is_member for _, is_member in signing.server.asked)
    assert len(signing.server.sessions) == -(-asked // 6)


def test_threads_that_see_it_end_sign_on_once_for_all(
    signing: Signing, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Four wait for the one that does."""
    ids = signing.closed(12)
    signing.job(ids, "--shard-size", 1)
    real = signing.server.app.__class__.__call__

    def once(app: Any, request: Seen) -> Reply:
        if "8000006" in request.path:
            signing.server.end("good1")
        made: Reply = real(app, request)
        return made

    monkeypatch.setattr(signing.server.app.__class__, "__call__", once)
    result = signing.run("--workers", 4)

    assert 0 == result.returncode, result.stderr
    assert ids == signing.bench.packages()
    assert ["good1", "good2"] == signing.server.sessions


def test_what_was_fetched_of_a_record_is_not_fetched_again(signing: Signing) -> None:
    """The session ends between two of its files."""
    names = tuple(f"{letter}.txt" for letter in "abcdef")
    signing.server.lasts = 4
    [recid] = signing.closed(1, *names)
    signing.job([recid])
    result = signing.run()

    assert 0 == result.returncode, result.stderr
    assert [*names] == signing.files(recid)
    fetched = [path for path, is_member in signing.server.asked if "/files/" in path and is_member]
    assert sorted(fetched) == sorted(set(fetched))


def test_a_file_is_not_left_out_for_a_session_that_ended(signing: Signing) -> None:
    """``--allow-missing`` is for what upstream withholds from whoever is signed in."""
    signing.server.lasts = 2
    [recid] = signing.closed(1, "a.txt", "b.txt", "c.txt")
    signing.job([recid], "--allow-missing")
    result = signing.run()

    assert 0 == result.returncode, result.stderr
    assert ["a.txt", "b.txt", "c.txt"] == signing.files(recid)


def test_an_open_record_has_all_that_members_see_though_the_session_ended(
    signing: Signing,
) -> None:
    """A guest is shown less of it, with status 200: the guest's cookie tells."""
    ids = [
        signing.server.put(str(8200001 + n), "a.txt", f"inner{n}.txt", closed=False)
        for n in range(4)
    ]
    signing.server.lasts = 4
    signing.job(ids)
    result = signing.run()

    assert 0 == result.returncode, result.stderr
    assert len(signing.server.sessions) > 1
    for number, recid in enumerate(ids):
        assert ["a.txt", f"inner{number}.txt"] == signing.files(recid)


def test_a_server_that_always_gives_other_cookies_is_signed_on_to_for_each_record(
    signing: Signing,
) -> None:
    """It would not tell when it knows us no more. What is made is whole, as in single runs."""
    ids = [
        signing.server.put(str(8200001 + n), "a.txt", "inner.txt", closed=False) for n in range(4)
    ]
    signing.server.gives = "INVENIOSESSION=other"
    signing.job(ids)
    result = signing.run()

    assert 0 == result.returncode, result.stderr
    assert all(["a.txt", "inner.txt"] == signing.files(recid) for recid in ids)
    assert len(ids) <= len(signing.server.sessions) <= len(ids) + session.IN_VAIN


def test_cookies_of_load_balancers_may_change(signing: Signing) -> None:
    """They stand for no session."""
    signing.server.gives = "ROUTE=b; path=/, lang=en; Expires=Wed, 09 Jun 2027 10:18:14 GMT"
    signing.job(signing.closed(3))

    assert 0 == signing.run().returncode
    assert 1 == len(signing.server.sessions)


@pytest.mark.parametrize("lasting, later", [("; Max-Age=600", 700), ("", session.LONGEST_S + 1)])
def test_a_sign_on_whose_time_is_over_is_made_anew_before_the_next_request(
    signing: Signing, monkeypatch: pytest.MonkeyPatch, lasting: str, later: float
) -> None:
    """Its cookie would not be sent any more, or nobody might tell that it does not count."""
    ids = [
        signing.server.put(str(8200001 + n), "a.txt", "inner.txt", closed=False) for n in range(2)
    ]
    begin, now, asked = signing.server.begin, time.time, signing.server.asked
    signing.server.begin = lambda: begin() + lasting  # type: ignore[method-assign]
    monkeypatch.setattr(time, "time", lambda: now() + (later if len(asked) > 3 else 0))
    signing.job(ids)
    result = signing.run()

    assert 0 == result.returncode, result.stderr
    assert 2 == len(signing.server.sessions)
    assert all(["a.txt", "inner.txt"] == signing.files(recid) for recid in ids)


def waiting(thread: threading.Thread) -> bool:
    """Whether it waits for a sign-on that another thread makes."""
    frame = sys._current_frames().get(thread.ident or 0)
    return frame is not None and "tries" in frame.f_locals


@pytest.mark.parametrize("is_away", [False, True])
def test_who_waits_for_a_sign_on_takes_what_comes_of_it(is_away: bool) -> None:
    """A login server that is away is not waited for by each thread in turn."""
    one = session.Session("https://cds.example")
    asked, go = threading.Event(), threading.Event()
    calls: list[str] = []

    def sign_on(address: str) -> CookieJar:
        calls.append(address)
        asked.set()
        assert go.wait(LONG_S)
        if is_away:
            raise Unreachable("Nobody is there.", where=address)
        return CookieJar()

    ends: list[object] = []

    def begin(page: str) -> None:
        try:
            ends.append(one.begin(page, sign_on))
        except session.NotSignedOn as err:
            ends.append((err.error.message, err.error.where))

    pages = [f"https://cds.example/record/{number}" for number in range(4)]
    threads = [threading.Thread(target=begin, args=(page,)) for page in pages]
    threads[0].start()
    assert asked.wait(LONG_S)
    for other in threads[1:]:
        other.start()
    until(lambda: all(map(waiting, threads[1:])))
    go.set()
    for each in threads:
        each.join(LONG_S)

    assert pages[:1] == calls
    if is_away:
        assert ends.count(("Nobody is there.", "https://cds.example")) == 3
    else:
        assert 1 == len(set(map(id, ends)))


def test_a_sign_on_for_one_record_keeps_no_other_from_going_on() -> None:
    """Where each record has its own, all threads would stand still most of the time."""
    one = session.Session("https://cds.example")
    seen = one.begin("", lambda _: CookieJar())
    for _ in range(session.IN_VAIN):
        one.learn(session.REPLACED, in_vain=True)
    asked, go = threading.Event(), threading.Event()

    def slow(_: str) -> CookieJar:
        asked.set()
        assert go.wait(LONG_S)
        return CookieJar()

    other = threading.Thread(target=one.begin, args=("", slow))
    other.start()
    assert asked.wait(LONG_S)
    now = one.current("", slow)
    newer = one.renewed(seen, session.REPLACED, "", slow)
    go.set()
    other.join(LONG_S)

    assert now is seen
    assert newer is None
    assert one.current("", slow) is not seen


def test_a_sign_that_was_often_in_vain_is_believed_again_after_a_minute(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """A session may end in any job in which some records are nobody's to read."""
    one = session.Session("https://cds.example")
    seen = one.begin("", lambda _: CookieJar())
    for _ in range(20):
        one.learn(session.LOGIN, in_vain=True)
    at_once = one.renewed(seen, session.LOGIN, "", lambda _: CookieJar())
    now = time.monotonic()
    with monkeypatch.context() as later:
        later.setattr(time, "monotonic", lambda: now + 61)
        then = one.renewed(seen, session.LOGIN, "", lambda _: CookieJar())

    assert at_once is None
    assert then not in (None, seen)


def test_a_sign_on_does_not_tell_its_cookies() -> None:
    """However it gets into a message."""
    made = session.SignedOn(CookieJar(), {"INVENIOSESSION": "good1"}, 0.0)

    assert "good1" not in repr(made)
    assert "Cookie" not in repr(made)


# -- what is refused ----------------------------------------------------------------------------


def test_records_that_nobody_may_read_do_not_sign_on_each(
    signing: Signing, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Invenio 1 says 401 to who is signed in and has no right. It is learned after three."""
    ids = signing.closed(8)
    for recid in ids[1:]:
        signing.bench.sandbox.app("cds").records[recid].closed_files = ("a.txt",)
    real = signing.server.app.__class__.__call__

    def no_right(app: Any, request: Seen) -> Reply:
        if "/files/a.txt" in request.path and ids[0] not in request.path:
            return Reply(401, {"Content-Type": "text/html"}, Content(b"<html>No</html>"))
        made: Reply = real(app, request)
        return made

    monkeypatch.setattr(signing.server.app.__class__, "__call__", no_right)
    signing.job(ids)
    result = signing.run()

    assert 8 == result.returncode
    assert [ids[0]] == signing.bench.packages()
    assert 1 + session.IN_VAIN == len(signing.server.sessions)


def test_a_certificate_that_is_refused_ends_the_run_after_ten_records(signing: Signing) -> None:
    """With what a single run says, for each of them."""
    signing.server.refuses = True
    signing.job(signing.closed(MOST_REFUSED + 3))
    result = signing.run()

    assert 6 == result.returncode
    assert f"refused for {MOST_REFUSED} records in a row" in result.stderr
    ends = list(signing.bench.outcomes().values())
    assert MOST_REFUSED - 1 <= ends.count("AccessDenied") <= MOST_REFUSED
    assert ends.count("pending") >= 3


def test_a_sign_on_that_changes_nothing_ends_the_run_after_ten_records(
    signing: Signing, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The certificate is good, and the server does not know its owner."""
    signing.server.lasts = 0
    signing.job(signing.closed(MOST_REFUSED + 3))
    result = signing.run()

    assert 6 == result.returncode
    assert f"refused for {MOST_REFUSED} records in a row" in result.stderr
    assert 1 + session.IN_VAIN == len(signing.server.sessions)


def test_a_sign_on_that_fails_later_leaves_no_file_out(
    signing: Signing, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The record fails as in a single run that cannot sign on, even with ``--allow-missing``."""
    signing.server.lasts = 2
    [recid] = signing.closed(1, "a.txt", "b.txt")
    signing.job([recid], "--allow-missing")
    begin = signing.server.begin

    def once() -> str:
        signing.server.refuses = True
        return begin()

    monkeypatch.setattr(signing.server, "begin", once)
    result = signing.run("--json")

    assert 8 == result.returncode
    assert {recid: "AccessDenied"} == signing.bench.outcomes()
    assert [] == signing.bench.packages()
    assert 1 == sum(told(result)["failed"].values())


def test_what_one_failed_for_is_made_by_the_next_run(signing: Signing) -> None:
    """Its owner has a new certificate."""
    signing.server.refuses = True
    ids = signing.closed(2)
    signing.job(ids)
    assert 8 == signing.run().returncode

    signing.server.refuses = False
    assert 0 == signing.bench.bic("retry", signing.bench.path, "--kind", "AccessDenied").returncode
    assert 0 == signing.run().returncode
    assert ids == signing.bench.packages()


# -- plans and lists ----------------------------------------------------------------------------


def test_a_plan_of_many_records_takes_one_sign_on(signing: Signing) -> None:
    """And one more when the session ends."""
    ids = signing.closed(6)
    signing.server.lasts = 4
    text = "".join(f"{one}\n" for one in ids)
    words = ["plan", "--list", "-", "--source", "cds", "--config", signing.bench.config, "--json"]
    made = CliRunner().invoke(cli, [*map(str, words), "--cert", signing.cert], input=text)

    assert 0 == made.exit_code, made.output
    assert 6 == json.loads(made.stdout)["makeable"]
    asked = sum(is_member for _, is_member in signing.server.asked)
    assert len(signing.server.sessions) == -(-asked // 4)


def test_a_list_signs_on_at_the_login_page(signing: Signing) -> None:
    """There is no record whose page could be asked for."""
    options = JobOptions(source="cds", config=signing.bench.config, cert=signing.cert)
    found = [one.recid for one in list_records(options, Selection(limit=3))]

    assert 3 == len(found)
    assert 1 == len(signing.server.sessions)
    assert not [path for path, _ in signing.server.asked if "None" in path]


# -- cookies ------------------------------------------------------------------------------------


def test_a_cookie_that_a_server_sets_is_not_sent_back(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Within no record, to no next one, and to no other server: as in a single run."""
    sources = {"zenodo": "7000001", "cds": "1002", "indico": "101", "codimd": NOTE}
    for one in sources:
        app = bench.sandbox.app(one)
        monkeypatch.setattr(app.__class__, "__call__", giving(app.__class__.__call__))
    lines = [json.dumps({"source": one, "recid": recid}) for one, recid in sources.items()]
    bench.job([*lines, json.dumps({"source": "cds", "recid": "1001"})])
    result = bench.run("--workers", 1)

    assert 0 == result.returncode, result.stderr
    assert {*sources} <= {one.host for one in bench.sandbox.seen}
    assert not [one for one in bench.sandbox.seen if "cookie" in one.headers]


def giving(answer: Callable[[Any, Seen], Reply]) -> Callable[[Any, Seen], Reply]:
    """The same server, which gives everybody a session."""

    def call(self: Any, request: Seen) -> Reply:
        made = answer(self, request)
        made.headers["Set-Cookie"] = "session=theirs; path=/; domain=127.0.0.1"
        return made

    return call


@pytest.mark.parametrize(
    "line, below",
    [
        ("cds.example\tFALSE\t/\tTRUE\t0\tINVENIOSESSION\tmine", None),
        (".cds.example\tTRUE\t/\tTRUE\t0\tINVENIOSESSION\tmine", "INVENIOSESSION=mine"),
    ],
)
def test_a_cookie_goes_to_hosts_below_its_own_only_where_it_is_marked_so(
    tmp_path: Path, line: str, below: str | None
) -> None:
    """RFC 6265 section 5.4; and never to a host beside it, nor over an open connection."""
    path = tmp_path / "cookies.txt"
    path.write_text(f"# Netscape HTTP Cookie File\n{line}\n")
    path.chmod(0o600)
    jar = read_cookies(path)

    def sent(url: str) -> str | None:
        request = Request(url)
        jar.add_cookie_header(request)
        return request.get_header("Cookie")

    assert "INVENIOSESSION=mine" == sent("https://cds.example/record/1")
    assert below == sent("https://store.cds.example/record/1")
    assert not sent("https://othercds.example/") and not sent("https://example/")
    assert not sent("http://cds.example/record/1")
