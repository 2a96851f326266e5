"""``bic batch report``: what became of a job, as text, JSON, CSV and a page."""

from __future__ import annotations

import csv
import io
import json
import os
import re
import time
from collections.abc import Callable
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import pytest
from batches import Bench, bench, told

from bagit_create.batch import JobFolder, Outcome, retry
from bagit_create.batch.board import Board
from bagit_create.batch.folder import Shard
from bagit_create.batch.ledger import Claim, log_name, take

__all__ = ["bench"]

HOSTILE = "<script>alert(1)</script>\"'&=1+1\x1b[31m\r\nnext"
FORMATS = ("text", "json", "csv", "html")


def made(number: int, **more: Any) -> Outcome:
    at = time.time() - 100 + number
    facts: dict[str, Any] = {"package": f"sip::zenodo::{number}::1", "files": 2, "bytes": 1000}
    return Outcome(**{"number": number, "state": "done", "at": at, "seconds": 1.5, **facts, **more})


def failed(number: int, error: str = "RecordNotFound", code: int = 5, **more: Any) -> Outcome:
    facts: dict[str, Any] = {"message": f"No such record: {number}.", "hint": "check the id"}
    facts |= {"at": time.time() - 100 + number, "seconds": 0.1, **more}
    return Outcome(number=number, state="failed", error=error, exit_code=code, **facts)


def note(job: JobFolder, *outcomes: Outcome, end: bool = True) -> None:
    """Have a worker note this of the first shard that is free."""
    held = Board(job).next()
    assert held is not None
    for one in outcomes:
        held.append(one)
    if end:
        held.append_totals()
        job.finish(held.shard)
    held.close()


def job_of(bench: Bench, count: int) -> JobFolder:
    return bench.job([str(number) for number in range(count)], "--shard-size", str(count))


def report(bench: Bench, form: str, *words: object) -> str:
    done = bench.bic("report", bench.path, "--format", form, *words)
    assert 0 == done.returncode, done.stderr
    return done.stdout


def rows(bench: Bench, *words: object) -> list[dict[str, str]]:
    return list(csv.DictReader(io.StringIO(report(bench, "csv", *words), newline="")))


class Page(HTMLParser):
    """What is in a page: its tags, and the text outside of the style."""

    def __init__(self, markup: str) -> None:
        super().__init__()
        self.tags: list[str] = []
        self.text = ""
        self.links: list[str] = []
        self.feed(markup)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        self.links += [text or "" for name, text in attrs if name in ("href", "src")]

    def handle_data(self, data: str) -> None:
        if self.tags[-1:] != ["style"]:
            self.text += data


# -- every form -----------------------------------------------------------------------------------


@pytest.mark.parametrize("form", FORMATS)
def test_a_job_that_has_not_begun_can_be_told(bench: Bench, form: str) -> None:
    """It has records, and nothing else."""
    job_of(bench, 3)

    assert report(bench, form)


@pytest.mark.parametrize("form", FORMATS)
@pytest.mark.parametrize(
    "damage",
    [b"", b"\0" * 100, b'{"n":', b"[" * 100_000 + b"\n", b'{"n":1,"state":"done","bytes":"x"}\n',
     b'{"n":1,"state":"done","at":1e400}\n', b'{"n":1,"state":5}\n', b"\xff\xfe\n"],
)  # fmt: skip
def test_a_damaged_log_can_be_told(bench: Bench, form: str, damage: bytes) -> None:
    """What is whole in it counts."""
    job = job_of(bench, 3)
    note(job, made(0), end=False)
    with (job.logs / log_name(Shard(1, 0), 1)).open("ab") as file:
        file.write(damage)

    assert report(bench, form)
    assert ["done", "pending", "pending"] == [row["state"] for row in rows(bench)]


@pytest.mark.parametrize("form", FORMATS)
def test_a_claim_that_is_empty_can_be_told(bench: Bench, form: str) -> None:
    """Its worker was killed before its first word."""
    job = job_of(bench, 1)
    (job.logs / log_name(Shard(1, 0), 1)).touch()

    assert report(bench, form)


@pytest.mark.parametrize("form", ["json", "csv", "html"])
def test_the_form_follows_the_files_ending(bench: Bench, form: str) -> None:
    """Nothing else is written to standard output than its path."""
    note(job_of(bench, 1), made(0))
    file = bench.place / f"report.{form}"
    done = bench.bic("report", bench.path, "--output", file)

    assert f"{file}\n" == done.stdout
    begins = {"json": "{", "csv": "number,", "html": "<!doctype html>"}
    assert file.read_text().lower().startswith(begins[form])


def test_a_report_replaces_an_older_one_whole_or_not_at_all(bench: Bench) -> None:
    """With a shard that cannot be read, the old one stays, and nothing else."""
    job = job_of(bench, 2)
    note(job, made(0), made(1))
    file = bench.place / "report.csv"
    bench.bic("report", bench.path, "--output", file)
    before = file.read_bytes()
    shard = job.shards_folder / "01" / "000000.jsonl"
    shard.chmod(0o644)
    shard.write_text("{")

    assert 2 == bench.bic("report", bench.path, "--output", file).returncode
    assert before == file.read_bytes()
    assert {"report.csv", "job"} == set(os.listdir(bench.place))


def test_a_place_that_cannot_be_written_is_told(bench: Bench) -> None:
    """Exit code 10."""
    job_of(bench, 1)
    done = bench.bic("report", bench.path, "--output", bench.place / "nowhere" / "r.html")

    assert 10 == done.returncode
    assert "nowhere" in done.stderr


@pytest.mark.parametrize("words", [("--failed",), ("--kind", "5")])
def test_a_choice_of_rows_goes_with_csv_only(bench: Bench, words: tuple[str, ...]) -> None:
    """Elsewhere it would be ignored."""
    job_of(bench, 1)

    assert 2 == bench.bic("report", bench.path, "--format", "html", *words).returncode


# -- JSON -----------------------------------------------------------------------------------------


def test_json_has_the_numbers_of_status(bench: Bench) -> None:
    """And they agree."""
    note(job_of(bench, 4), made(0, missing=2), failed(1), made(2, reused=1), made(3))
    found, status = json.loads(report(bench, "json")), told(
        bench.bic("status", bench.path, "--json")
    )

    for name in ("records", "left", "done", "failed", "files", "bytes", "missing", "reused"):
        assert status[name] == found[name], name
    assert {"RecordNotFound": 1} == found["failed"]


def test_failures_are_by_kind_with_examples(bench: Bench) -> None:
    """The most frequent kind first; messages that differ in a number only are one."""
    outcomes = [failed(n) for n in range(5)] + [failed(5, "AccessDenied", 6, http_status=403)]
    note(job_of(bench, 6), *outcomes)
    first, second = json.loads(report(bench, "json"))["failures"]

    assert ("RecordNotFound", 5, 5) == (first["error"], first["exit_code"], first["records"])
    assert [5] == [one["alike"] for one in first["examples"]]
    assert ("AccessDenied", {"403": 1}) == (second["error"], second["http_statuses"])


def test_throughput_has_every_attempt(bench: Bench) -> None:
    """In stretches of equal length, failures among them."""
    note(job_of(bench, 3), made(0), made(1), failed(2))
    buckets = json.loads(report(bench, "json"))["throughput"]

    assert (3, 1, 2000) == tuple(
        sum(one[name] for one in buckets) for name in ("records", "failed", "bytes")
    )
    gaps = {after["at"] - one["at"] for one, after in zip(buckets, buckets[1:], strict=False)}
    assert len(gaps) <= 1


def test_a_job_of_years_has_few_stretches(bench: Bench) -> None:
    """No page has room for more."""
    job = job_of(bench, 1000)
    text = (job.path / "job.json").read_text()
    created = re.sub(r'"created": \d+', '"created": 1600000000', text)
    (job.path / "job.json").write_text(created)
    outcomes = [made(n, at=1_600_000_000.0 + n * 150_000) for n in range(1000)]
    note(job, *outcomes)
    buckets = json.loads(report(bench, "json"))["throughput"]

    assert len(buckets) <= 120
    assert 1000 == sum(one["records"] for one in buckets)


def test_a_record_that_was_made_twice_is_named(bench: Bench) -> None:
    """A worker was taken for dead, and was not."""
    job = job_of(bench, 1)
    first = take(job, Shard(1, 0), 1)
    second = take(job, Shard(1, 0), 2)
    assert isinstance(first, Claim) and isinstance(second, Claim)
    for held, name in ((first, "sip::zenodo::0::1"), (second, "sip::zenodo::0::2")):
        held.append(made(0, package=name))
        held.close()
    [one] = json.loads(report(bench, "json"))["made_twice"]

    assert ("0", ["sip::zenodo::0::1", "sip::zenodo::0::2"]) == (one["recid"], one["packages"])
    assert "two packages" in report(bench, "text").lower()


def test_a_retried_record_counts_once(bench: Bench) -> None:
    """As it ended last."""
    job = job_of(bench, 2)
    note(job, failed(0), made(1))
    retry(job.path)
    note(JobFolder(job.path), made(0))
    found = json.loads(report(bench, "json"))

    assert (2, {}, 1) == (found["done"], found["failed"], found["retried"])
    assert [("done", "2"), ("done", "1")] == [(one["state"], one["round"]) for one in rows(bench)]


# -- CSV ------------------------------------------------------------------------------------------


def test_csv_has_a_row_a_record_in_the_order_of_the_list(bench: Bench) -> None:
    """Whatever the order they ended in."""
    note(job_of(bench, 4), failed(3), made(1), made(0), end=False)
    found = rows(bench)

    assert ["0", "1", "2", "3"] == [row["recid"] for row in found]
    assert ["done", "done", "pending", "failed"] == [row["state"] for row in found]
    assert "sip::zenodo::1::1" == found[1]["package"]
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ", found[1]["ended"])


def test_csv_may_have_the_failed_only(bench: Bench) -> None:
    """All of them, or of one kind."""
    note(job_of(bench, 3), failed(0), made(1), failed(2, "AccessDenied", 6))

    assert ["0", "2"] == [row["number"] for row in rows(bench, "--failed")]
    assert ["2"] == [row["number"] for row in rows(bench, "--kind", "AccessDenied")]
    assert ["0"] == [row["number"] for row in rows(bench, "--kind", "5")]


def test_lines_of_csv_end_as_the_standard_says(bench: Bench) -> None:
    """RFC 4180: CR and LF."""
    note(job_of(bench, 1), made(0))
    file = bench.place / "r.csv"
    bench.bic("report", bench.path, "--output", file)

    assert 2 == file.read_bytes().count(b"\r\n") == file.read_bytes().count(b"\n")


@pytest.mark.parametrize("begin", ["=", "+", "-", "@", "\t=", "\r=", "＝"])
def test_a_spreadsheet_calculates_nothing(bench: Bench, begin: str) -> None:
    """A message may come from upstream."""
    note(job_of(bench, 1), failed(0, message=f"{begin}HYPERLINK(1)", where=f"{begin}1"))
    [row] = rows(bench)

    assert not row["message"].startswith(tuple("=+-@\t\r＝"))
    assert not row["where"].startswith(tuple("=+-@\t\r＝"))
    assert "HYPERLINK(1)" in row["message"]


# -- outside text ---------------------------------------------------------------------------------


@pytest.mark.parametrize("form", FORMATS)
def test_what_comes_from_upstream_does_nothing(bench: Bench, form: str) -> None:
    """No markup, no escape sequence, no further line."""
    outcome = failed(0, message=HOSTILE, where=HOSTILE, hint=HOSTILE)
    note(job_of(bench, 2), outcome, made(1, package=HOSTILE, warnings=1))
    text = report(bench, form)

    assert "\x1b" not in text
    if form == "html":
        assert "script" not in Page(text).tags
    if form == "csv":
        assert 2 == len(rows(bench))


# -- the page -------------------------------------------------------------------------------------


@pytest.fixture
def page(bench: Bench) -> Callable[[], tuple[str, Page]]:
    """A page of a job with everything in it."""

    def make() -> tuple[str, Page]:
        outcomes = [made(n, missing=n % 2, warnings=1) for n in range(8)]
        note(job_of(bench, 12), *outcomes, failed(8), failed(9, "AccessDenied", 6), end=False)
        text = report(bench, "html")
        return text, Page(text)

    return make


def test_a_page_needs_nothing_from_elsewhere(page: Callable[[], tuple[str, Page]]) -> None:
    """An archive keeps it for decades."""
    text, found = page()

    assert {"script", "link", "img", "iframe"}.isdisjoint(found.tags)
    assert [] == found.links
    assert "url(http" not in text and "@import" not in text


def test_a_page_tells_how_far_what_failed_and_what_to_do(
    page: Callable[[], tuple[str, Page]],
) -> None:
    """In words beside the colours."""
    _, found = page()
    text = " ".join(found.text.split())

    for words in (
        "8 packaged",
        "2 failed",
        "2 left",
        "RecordNotFound",
        "AccessDenied",
        "What to do",
    ):
        assert words in text, words
    assert "bic batch retry" in text and "--kind AccessDenied" in text
    assert "Files are missing" in text


def test_a_page_has_charts_with_a_text_of_their_own(page: Callable[[], tuple[str, Page]]) -> None:
    """For whoever cannot see them."""
    _, found = page()

    assert found.tags.count("svg") >= 3
    assert found.tags.count("desc") >= 3 and found.tags.count("th") > 10


# -- text -----------------------------------------------------------------------------------------


def test_the_text_is_short_and_says_what_next(bench: Bench) -> None:
    """Also of a thousand failures."""
    note(job_of(bench, 1000), *(failed(n) for n in range(1000)))
    text = report(bench, "text")

    assert len(text.splitlines()) < 30
    assert "1,000 failed" in text and "999 more like it" in text


def test_a_pipe_that_closes_is_no_error(bench: Bench, tmp_path: Path) -> None:
    """As with ``head``."""
    import subprocess
    import sys

    note(job_of(bench, 3000), *(failed(n, message="x" * 400) for n in range(3000)))
    command = f"{sys.executable} -m bagit_create batch report {bench.path} --format csv"
    done = subprocess.run(
        ["bash", "-c", f"set -o pipefail; {command} | head -n 1"],
        capture_output=True,
        text=True,
        timeout=60,
    )

    assert (0, "") == (done.returncode, done.stderr)
    assert done.stdout.startswith("number,")
