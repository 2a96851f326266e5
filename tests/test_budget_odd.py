"""Odd words of servers about their limits: none is overlooked, and none is waited for without end.

The forms are those that proxies, older drafts and other frameworks write.
"""

from __future__ import annotations

import time
from pathlib import Path

import pytest
from scripted import Asked, serving

from bagit_create.budget import Budget
from bagit_create.budget.allowance import allowances, clock_ahead, policies
from bagit_create.main import process

NOW = 1_800_000_000.0  # 2027-01-15 08:00 UTC


def ends(headers: dict[str, str]) -> list[tuple[int, int, float]]:
    """Remaining, limit, and seconds until there is more, of each limit."""
    return [(one.remaining, one.limit, one.end(NOW, 0.0) - NOW) for one in allowances(headers)]


@pytest.mark.parametrize(
    ("reset", "seconds"),
    [
        ("1800000030000000", 30.0),
        ("1800000030000000000", 30.0),
        ("2027-01-15T08:00:30Z", 30.0),
        ("2027-01-15T10:00:30+02:00", 30.0),
        ("2027-01-15 08:00:30", 30.0),
        ("Fri, 15 Jan 2027 08:00:30 GMT", 30.0),
        ("Fri Jan 15 08:00:30 2027", 30.0),
        ("30, 30", 30.0),
        ("30;w=60", 30.0),
        ("soon", 60.0),
        ("-30", 60.0),
        ("", 60.0),
        ("9999-12-31T23:59:59-14:00", 60.0),
        ("4102444800", 60.0),
        ("999999999999999", 60.0),
        ("9" * 19, 60.0),
        ("9" * 400, 60.0),
    ],
)
def test_a_reset_is_read_in_every_form_or_not_believed(reset: str, seconds: float) -> None:
    """Nobody waits for the year 2100, nor 2027 seconds for the year of a date."""
    headers = {"x-ratelimit-limit": "5", "x-ratelimit-remaining": "0", "x-ratelimit-reset": reset}

    [(left, quota, end)] = ends(headers)
    assert (0, 5) == (left, quota)
    assert pytest.approx(seconds) == end


@pytest.mark.parametrize("zone", ["UTC", "America/New_York", "Asia/Tokyo"])
def test_a_date_without_a_zone_is_not_that_of_this_machine(
    zone: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The oldest form of HTTP's dates names none, and means UTC."""
    monkeypatch.setenv("TZ", zone)
    time.tzset()
    try:
        assert 0 == clock_ahead(0.0, {"date": "Fri Jan 15 08:00:00 2027"}, NOW, 0.1)
    finally:
        monkeypatch.undo()
        time.tzset()


def test_limits_that_two_of_a_server_tell_are_both_read() -> None:
    """A proxy and what is behind it write the same field, and its values are joined."""
    headers = {
        "x-ratelimit-limit": "2000, 60",
        "x-ratelimit-remaining": "1999, 0",
        "x-ratelimit-reset": "3600, 20",
    }
    told = "Fri, 15 Jan 2027 08:00:20 GMT"

    assert [(1999, 2000, 3600.0), (0, 60, 20.0)] == ends(headers)
    assert [(1999, 0, 60.0), (0, 0, 60.0)] == ends({"x-ratelimit-remaining": "1999, 0"})
    assert [(3, 9, 20.0)] == ends({**headers, **one_limit(told)})


def one_limit(reset: str) -> dict[str, str]:
    """One limit, with the policies that the drafts have behind it."""
    return {
        "x-ratelimit-limit": "9, 9;w=60",
        "x-ratelimit-remaining": "3",
        "x-ratelimit-reset": reset,
    }


def test_a_window_of_years_is_no_policy() -> None:
    """Spread over it, a request would go once a month."""
    assert ((8, 60.0),) == policies({"ratelimit-policy": '"a";q=8;w=60, "b";q=9;w=999999999'})


def test_a_reset_in_another_century_does_not_spread_the_requests() -> None:
    """With others beside it, a batch spreads what is left over the whole window."""
    one = Budget(paced=True)
    one.begin()
    told = {"x-ratelimit-limit": "60", "x-ratelimit-remaining": "59"}
    one.learn(200, {**told, "x-ratelimit-reset": "4102444800"})
    one.end()
    one.begin()

    assert 0 < one.begin() < 2


def test_the_tighter_of_two_limits_stops_the_run(tmp_path: Path) -> None:
    """On the wire they are two lines of one name."""
    fields = [("Limit", 2000, 60), ("Remaining", 1999, 0), ("Reset", 9999, 9999)]
    lines = "".join(f"\r\nX-RateLimit-{name}: {one}" for name, *both in fields for one in both)

    with serving() as server:
        server.record({"a.bin": b"a"})
        answer = server.answers["/api/records/r"]

        def telling(asked: Asked) -> bytes:
            made = answer(asked)
            assert isinstance(made, bytes)
            return made.replace(b"\r\n", lines.encode() + b"\r\n", 1)

        server.answers["/api/records/r"] = telling
        config = server.config(tmp_path)
        result = process("r", "scripted", config=config, max_wait=5, target=tmp_path / "out")

        assert (7, 1) == (result["exit_code"], len(server.asked))
