"""A server's limits are kept: learnt from what it says, shared by all that ask it."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from email.utils import formatdate
from pathlib import Path
from threading import Lock
from types import SimpleNamespace
from typing import Any

import pytest
from scripted import Asked, Scripted, serving, whole

from bagit_create import budget
from bagit_create.budget import Budget
from bagit_create.budget.allowance import allowances, clock_ahead, policies
from bagit_create.budget.windows import Windows
from bagit_create.main import process

Run = Callable[..., dict[str, Any]]
FILES = {f"f{n}.bin": b"%d" % n for n in range(6)}
NO_MORE = b"HTTP/1.1 429 Too Many Requests\r\nContent-Length: 0\r\n"


@pytest.fixture
def server() -> Iterator[Scripted]:
    """A record with six small files."""
    with serving() as one:
        one.record(FILES)
        for name, content in FILES.items():
            one.file(name, lambda _, content=content: whole(content))  # type: ignore[misc]
        yield one


@pytest.fixture
def run(server: Scripted, tmp_path: Path) -> Run:
    """Package the record."""
    config = server.config(tmp_path)

    def call(**more: Any) -> dict[str, Any]:
        settings = {"retries": 2, "timeout": 60, **more}
        return process("r", "scripted", target=tmp_path / "out", config=config, **settings)

    return call


@pytest.fixture
def at_rest(monkeypatch: pytest.MonkeyPatch) -> None:
    """No time goes by for a budget, however long the test is kept from going on."""
    now = time.time()
    monkeypatch.setattr("bagit_create.budget.budget.time", SimpleNamespace(time=lambda: now))


@pytest.mark.parametrize(
    ("headers", "expected"),
    [
        ({"x-ratelimit-limit": "60", "x-ratelimit-remaining": "0"}, (0, 60, 60.0)),
        ({"x-ratelimit-remaining": "3", "x-ratelimit-reset": "12"}, (3, 0, 12.0)),
        (
            {"ratelimit-limit": "9", "ratelimit-remaining": "2", "ratelimit-reset": "7"},
            (2, 9, 7.0),
        ),
        ({"ratelimit": "limit=100, remaining=50, reset=5"}, (50, 100, 5.0)),
        ({"ratelimit": '"default";r=4;t=30', "ratelimit-policy": '"default";q=8;w=60'}, (4, 8, 30)),
        ({"x-ratelimit-remaining": "0", "x-ratelimit-reset": "1800000030"}, (0, 0, 30.0)),
        ({"x-ratelimit-remaining": "0", "x-ratelimit-reset": "1800000030500"}, (0, 0, 30.5)),
        ({"x-ratelimit-remaining": "0", "x-ratelimit-reset": "1800000030.25"}, (0, 0, 30.25)),
        ({"ratelimit": '"a";r=4;t=30, "b";r=7;t=9', "ratelimit-policy": '"a";q=8'}, (4, 8, 30)),
    ],
)
def test_an_allowance_is_read_in_every_form(
    headers: dict[str, str], expected: tuple[int, int, float]
) -> None:
    """Remaining, limit, and seconds until there is more."""
    found = allowances(headers)[0]
    now = 1_800_000_000.0

    assert expected == (found.remaining, found.limit, found.end(now, 0.0) - now)


@pytest.mark.parametrize(
    "headers", [{}, {"x-ratelimit-remaining": "many"}, {"ratelimit": "nonsense"}, {"ratelimit": ""}]
)
def test_what_says_nothing_is_no_allowance(headers: dict[str, str]) -> None:
    """And limits nothing."""
    assert () == allowances(headers)


def test_several_limits_of_one_answer_are_all_read() -> None:
    """The later drafts list them, and of others only the windows."""
    headers = {
        "ratelimit": '"burst";r=4;t=30, "daily";r=70;t=900',
        "ratelimit-policy": '"burst";q=8;w=60, "daily";q=100;w=86400, "search";q=5;w=60',
    }

    assert [(4, 8), (70, 100)] == [(one.remaining, one.limit) for one in allowances(headers)]
    assert ((8, 60.0), (100, 86400.0), (5, 60.0)) == policies(headers)
    assert ((10, 1.0), (50, 60.0)) == policies({"ratelimit-policy": "10;w=1, 50;w=60"})
    assert () == policies({})


@pytest.mark.parametrize(("ahead", "within"), [(0.0, 0.0), (37.3, 1.0), (-3600.0, 1.0)])
def test_a_servers_clock_is_believed_wrong_only_as_far_as_it_must_be(
    ahead: float, within: float
) -> None:
    """Its whole seconds prove no more."""
    found = 0.0
    for n in range(40):
        now = 1_800_000_000 + n * 0.73
        date = formatdate(int(now + ahead - 0.05), usegmt=True)
        found = clock_ahead(found, {"date": date}, now, 0.1)

    assert abs(found - ahead) <= within
    assert found == clock_ahead(found, {"date": "yesterday"}, now, 0.1)
    assert found == clock_ahead(found, {}, now, 0.1)


def test_limits_that_hold_together_are_kept_when_one_of_them_is_told(at_rest: None) -> None:
    """The hour's is told by no good answer; whoever has other minutes has other hours."""
    for told, left in ((60, 0), (100, 1)):
        one = Budget(known=[[(60, 60.0), (3, 3600.0)]])
        one.begin()
        answer = {"x-ratelimit-limit": str(told), "x-ratelimit-remaining": str(told - 1)}
        one.learn(200, {**answer, "x-ratelimit-reset": "60"})
        waits = [one.begin() for _ in range(4)]

        assert left == (max(waits) == 0)
        assert left or max(waits) > 600


def test_a_configured_limit_reaches_the_run(server: Scripted, tmp_path: Path) -> None:
    """It is out of requests after two, though answers tell of sixty."""
    config = server.config(tmp_path)
    with open(config, "a", encoding="utf-8") as file:
        file.write('limits = ["60/minute 2/hour", "100/minute 9/hour"]\n')
    listing = server.answers["/api/records/r"]

    def telling(asked: Asked) -> bytes:
        made = listing(asked)
        assert isinstance(made, bytes)
        fields = b"\r\nX-RateLimit-Limit: 60\r\nX-RateLimit-Remaining: 59\r\nX-RateLimit-Reset: 60"
        return made.replace(b"\r\n", fields + b"\r\n", 1)

    server.answers["/api/records/r"] = telling
    result = process("r", "scripted", target=tmp_path / "out", config=config, max_wait=10)

    assert 7 == result["exit_code"] and "run the same command again after" in result["hint"]
    assert 2 == len(server.asked)


@pytest.mark.parametrize("text", ["60", "60/fortnight", "0/hour", "-1/hour", "60/minute, 2/hour"])
def test_a_limit_that_is_none_is_refused_with_its_place(tmp_path: Path, text: str) -> None:
    """Before anything is asked."""
    (tmp_path / "own.toml").write_text(f'[zenodo]\nlimits = ["{text}"]\n')
    result = process("1", "zenodo", target=tmp_path, config=tmp_path / "own.toml")

    assert 3 == result["exit_code"]
    assert "in 'limits' is no limit" in result["errormsg"]


def test_a_servers_clock_that_is_wrong_does_not_lengthen_the_wait(at_rest: None) -> None:
    """Its moments are taken by its own clock."""
    for wrong in (-3600, 3600):
        one = Budget()
        one.begin()
        there = time.time() + wrong
        headers = {"x-ratelimit-limit": "9", "x-ratelimit-remaining": "0"}
        headers["x-ratelimit-reset"] = str(int(there) + 30)
        one.learn(200, {**headers, "date": formatdate(there, usegmt=True)})

        assert 28 < one.begin() < 33


def test_a_list_of_all_limits_is_believed(at_rest: None) -> None:
    """Although only one is counted down."""
    one = Budget()
    one.begin()
    headers = {"ratelimit": '"a";r=50;t=60', "ratelimit-policy": '"a";q=60;w=60, "b";q=2;w=86400'}
    one.learn(200, headers)

    assert [one.begin(), one.begin() > 10_000] == [0, True]


def test_an_allowance_that_is_used_up_is_waited_for(server: Scripted, run: Run) -> None:
    """The next request is sent when there are more, and none is refused."""
    moments: list[float] = []

    def last(_: Asked) -> bytes:
        moments.append(time.monotonic())
        return whole(FILES["f0.bin"], X_RateLimit_Remaining="0", X_RateLimit_Reset="1")

    server.file("f0.bin", last)
    result = run(jobs=1)

    assert 0 == result["status"]
    assert time.monotonic() - moments[0] >= 0.9


def test_what_is_left_of_an_allowance_is_spread(at_rest: None) -> None:
    """The last tenth is not spent in one burst."""
    one = Budget()
    one.begin()
    one.learn(
        200,
        {"x-ratelimit-limit": "100", "x-ratelimit-remaining": "10", "x-ratelimit-reset": "20"},
    )
    one.end()

    assert 0 == one.begin()
    assert 2 == pytest.approx(one.begin())


def test_a_wait_beyond_the_users_patience_is_7(server: Scripted, run: Run) -> None:
    """With when to come back."""
    server.answers["/api/records/r"] = lambda _: NO_MORE + b"Retry-After: 7200\r\n\r\n"
    result = run(max_wait=10)

    assert (7, 429) == (result["exit_code"], result["http_status"])
    assert result["errormsg"].startswith("HTTP 429")
    assert "run the same command again after 20" in result["hint"]
    assert 1 == len(server.asked)


def test_a_limit_that_ends_too_late_is_7_too(server: Scripted, run: Run) -> None:
    """Although no request was refused."""
    listing = server.answers["/api/records/r"]

    def used_up(asked: Asked) -> bytes:
        made = listing(asked)
        assert isinstance(made, bytes)
        fields = b"\r\nX-RateLimit-Remaining: 0\r\nX-RateLimit-Reset: 9999\r\n"
        return made.replace(b"\r\n", fields, 1)

    server.answers["/api/records/r"] = used_up
    result = run(max_wait=10)

    assert 7 == result["exit_code"]
    assert 1 == len(server.asked)


def test_a_date_to_come_back_at_is_understood(server: Scripted, run: Run) -> None:
    """Retry-After has two forms (RFC 9110 section 10.2.3)."""
    come_back = formatdate(time.time() + 2, usegmt=True).encode()
    answers: list[Any] = [NO_MORE + b"Retry-After: " + come_back + b"\r\n\r\n", whole(b"0")]
    server.file("f0.bin", lambda _: answers.pop(0))
    started = time.monotonic()

    assert 0 == run(jobs=1)["status"]
    assert time.monotonic() - started > 0.5


def test_a_refusal_holds_for_every_thread(
    server: Scripted, run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    """While one waits, no other asks."""
    monkeypatch.setattr("bagit_create.pauses.BASE_WAIT_S", 0.01)
    moments: list[float] = []
    refused: list[float] = []
    lock = Lock()

    def counted(content: bytes) -> Callable[[Asked], bytes]:
        def answer(_: Asked) -> bytes:
            with lock:
                moments.append(time.monotonic())
                if len(moments) == 1:
                    refused.append(time.monotonic())
                    return NO_MORE + b"Retry-After: 1\r\n\r\n"
            return whole(content)

        return answer

    for name, content in FILES.items():
        server.file(name, counted(content))

    assert 0 == run(jobs=1)["status"]
    assert all(one - refused[0] > 0.9 for one in moments[1:])


def test_a_refusal_halves_the_requests_at_a_time() -> None:
    """And they grow again, one by one, while all goes well."""
    one = Budget()
    for _ in range(8):
        assert 0 == one.begin()
    one.learn(429, {})
    for _ in range(8):
        one.end()

    assert [0, 0, 0, 0] == [one.begin() for _ in range(4)]
    assert 0 < one.begin()
    for _ in range(budget.RECOVERY):
        one.learn(200, {})
    assert 0 == one.begin()
    assert 0 < one.begin()


def test_runs_of_one_user_share_a_budget_and_others_do_not() -> None:
    """A server counts by credential."""
    here = ("https", "example.org", 443)

    assert budget.budgets().of(here, "a") is budget.budgets().of(here, "a")
    assert budget.budgets().of(here, "a") is not budget.budgets().of(here, "b")
    assert budget.budgets().of(here, "a") is not budget.budgets().of(("https", "x.org", 443), "a")


def test_a_long_pause_is_announced(
    server: Scripted, run: Run, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Somebody may sit in front of it."""
    answers: list[Any] = [NO_MORE + b"Retry-After: 1\r\n\r\n", whole(b"0")]
    server.file("f0.bin", lambda _: answers.pop(0))
    monkeypatch.setattr("bagit_create.pauses.LONG_S", 1)
    with caplog.at_level("INFO"):
        run(jobs=1)

    assert "waiting 1 s before the next try (HTTP 429)" in caplog.text


@pytest.mark.parametrize(("left", "length"), [(10.0, 60.0), (59.9, 60.0), (600.0, 3600.0)])
def test_a_length_that_is_known_is_not_measured_anew_beside_others(
    left: float, length: float
) -> None:
    """Our last three requests began long before the window, which others have used up; only a
    window that lasts longer is another one."""
    windows = Windows()
    windows.stand(1000.0, [(3, 60.0)])
    for moment in (1000.0, 1100.0, 1200.0, 4000.0, 4100.0, 4200.0):
        assert moment == windows.ticket(moment, "records")
    windows.broken(4200.0, 3, 4200.0 + left, 0.001)

    assert length == windows.windows[3].length


@pytest.mark.parametrize("before", [0.5, 5.0, 600.0])
@pytest.mark.parametrize(("left", "length"), [(0.4, 1.0), (1.002, 1.0), (1.3, 60.0), (60.5, 60.0)])
def test_a_limit_that_others_broke_is_not_kept_for_longer_than_it_must_last(
    left: float, length: float, before: float
) -> None:
    """However long we have asked before: a limit of 600 a minute would be kept as one an hour. Nor
    is one of 20 a second kept as one a minute, because a clock is a little ahead."""
    windows = Windows()
    windows.ticket(1000.0 - before, "records")
    windows.broken(1000.0, 20, 1000.0 + left, 0.001)

    assert length == windows.windows[20].length
