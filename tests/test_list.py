"""``bic list``: what is written where, exit codes, and what is refused before any request."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest
from gates import FOR_EVER_S, LONG_S
from listed import command, lists_with

from bagit_create import log
from bagit_create.credentials import Secret
from bagit_create.errors import InputError, Interrupted
from bagit_create.listing import LISTERS, Listed, Listing, Selection, Tally, check, list_records
from bagit_create.model import Silent
from bagit_create.options import JobOptions
from bagit_create.pipelines import PIPELINES
from bagit_create.sandbox import Fault, Sandbox
from bagit_create.sandbox.crowd import DAY_MS, Crowd, Run

OTHERS = ["cod", "gitlab", "indico", "codimd"]
TOYS = ["--source", "zenodo", "--community", "toys"]


def crowd(number: int) -> Crowd:
    """Records with ids that no stored one has."""
    return Crowd([Run(number, "2015-01-01", DAY_MS)], "9{n:06}", "big")


# -- what is written --------------------------------------------------------------------------


def test_ids_are_all_there_is_on_stdout(config_file: Path, sandbox: Sandbox) -> None:
    """One a line; what was counted goes to stderr."""
    done = command(config_file, *TOYS)

    assert (0, {"7000001", "7000002", "7000012"}) == (
        done.returncode,
        set(done.stdout.splitlines()),
    )
    assert done.stderr.startswith("3 of 3 records found, 1 page in ")


def test_json_lines_say_what_is_known(config_file: Path, sandbox: Sandbox) -> None:
    """ASCII, so that no title can break a line; what is not known is not there."""
    sandbox.add_record("zenodo", "1", {}, title="Über\nzwei\u2028Zeilen", community="other")
    done = command(config_file, "-s", "zenodo", "--community", "other", "--json")
    [line] = done.stdout.splitlines()

    assert {
        "source": "zenodo",
        "recid": "1",
        "modified": "2024-02-29T08:30:15.123456+00:00",
        "title": "Über zwei Zeilen",
    } == json.loads(line)
    assert line.isascii()


def test_deleted_records_are_told_of_in_json_only(config_file: Path, sandbox: Sandbox) -> None:
    """An id on a line is one to be harvested."""
    sandbox.app("cds").busy_oai = 0
    args = ["-s", "cds", "--set", "cerncds:FULLTEXT"]
    plain, told = command(config_file, *args), command(config_file, *args, "--json")

    assert "1410" not in plain.stdout.split() and "1002" in plain.stdout.split()
    assert ", 1 of them deleted" in plain.stderr
    lines = [json.loads(line) for line in told.stdout.splitlines()]
    assert ["1410"] == [one["recid"] for one in lines if one.get("deleted")]


def test_quiet_is_quiet(config_file: Path, sandbox: Sandbox) -> None:
    done = command(config_file, *TOYS, "-q")

    assert (0, "", 3) == (done.returncode, done.stderr, len(done.stdout.splitlines()))


def test_verbose_tells_each_request(config_file: Path, sandbox: Sandbox) -> None:
    """And never a token."""
    args = ["-s", "zenodo", "--limit", "1", "-vv", "--token-file", "-"]
    done = command(config_file, *args, input="good-but-secret\n")

    assert 0 == done.returncode and "debug: " in done.stderr
    assert "good-but-secret" not in done.stderr + done.stdout
    assert {"Bearer good-but-secret"} == {one.headers["authorization"] for one in sandbox.seen}


def test_a_limit_ends_the_list_without_further_requests(
    config_file: Path, sandbox: Sandbox
) -> None:
    """That is no shortfall."""
    sandbox.app("zenodo").searches.crowd = crowd(200)
    done = command(config_file, "-s", "zenodo", "--limit", "30")

    assert (0, 30) == (done.returncode, len(done.stdout.splitlines()))
    assert "note: ended after 30 records, as asked" in done.stderr
    assert 2 == len(sandbox.seen)


def test_deleted_records_do_not_count_for_a_limit(config_file: Path, sandbox: Sandbox) -> None:
    sandbox.app("cds").busy_oai = 0
    sandbox.app("cds").finder.deleted = ["5", "6", "7"]
    done = lists_with(config_file)("cds", limit=1)

    assert ["5", "6", "7", "1001"] == done.ids


def test_who_has_read_enough_may_go(config_file: Path, sandbox: Sandbox) -> None:
    """A broken pipe is no error, and ends the requests."""
    sandbox.app("zenodo").searches.crowd = crowd(50_000)
    with subprocess.Popen(
        [sys.executable, "-m", "bagit_create", "list", "-s", "zenodo"],
        env={**os.environ, "BIC_CONFIG": str(config_file)},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    ) as running:
        assert running.stdout is not None and running.stderr is not None
        assert b"9000000\n" == running.stdout.readline()
        running.stdout.close()
        assert b"" == running.stderr.read()
        assert 0 == running.wait(LONG_S)
    assert len(sandbox.seen) < 2000


@pytest.mark.skipif(not os.path.exists("/dev/full"), reason="no /dev/full")
def test_a_disk_that_is_full_is_an_error(config_file: Path, sandbox: Sandbox) -> None:
    """Exit code 10, as for a package."""
    with open("/dev/full", "w") as full:
        done = subprocess.run(
            [sys.executable, "-m", "bagit_create", "list", *TOYS],
            env={**os.environ, "BIC_CONFIG": str(config_file)},
            stdout=full,
            stderr=subprocess.PIPE,
            timeout=60,
        )
    assert 10 == done.returncode and b"Standard output cannot be written" in done.stderr


# -- how it ends ------------------------------------------------------------------------------


def test_a_shortfall_is_exit_code_8_with_its_numbers(config_file: Path, sandbox: Sandbox) -> None:
    """After all that was listed was written."""
    body = b'{"hits": {"total": 5, "hits": [{"id": 1}, {"id": 2}]}}'
    sandbox.fault("/api/records", Fault("not-json", body=body))
    done = command(config_file, "-s", "cds-rdm")

    assert (8, ["1", "2"]) == (done.returncode, done.stdout.split())
    assert "2 of 5 records found" in done.stderr
    assert "The list is short: 3 of 5 records were not listed." in done.stderr


def test_a_list_that_breaks_off_ends_with_the_code_of_its_error(
    config_file: Path, sandbox: Sandbox
) -> None:
    """What was found before is written and counted."""
    sandbox.app("zenodo").searches.crowd = crowd(60)
    sandbox.app("zenodo").searches.before_each = lambda number: (
        sandbox.fault("/api/records", Fault("not-json")) if number == 1 else None
    )
    done = command(config_file, "-s", "zenodo")

    assert (4, 25) == (done.returncode, len(done.stdout.splitlines()))
    assert "25 of 72 records found" in done.stderr
    assert "Error: Search request did not return valid JSON" in done.stderr


@pytest.mark.parametrize(
    ("fault", "code"),
    [
        (Fault("status", status=403), 6),
        (Fault("status", status=500), 7),
        (Fault("reset"), 7),
        (Fault("status", status=404), 5),
        (Fault("html"), 4),
    ],
    ids=lambda one: f"{one.kind}{one.status}" if isinstance(one, Fault) else "",
)
def test_a_failure_has_the_exit_code_of_its_kind(
    config_file: Path, sandbox: Sandbox, fault: Fault, code: int
) -> None:
    sandbox.fault("/api/records", fault)
    done = lists_with(config_file)("zenodo")

    assert done.error is not None and code == done.error.exit_code
    assert [] == done.records


def test_ctrl_c_ends_with_130(config_file: Path, sandbox: Sandbox) -> None:
    """In one line."""
    sandbox.app("zenodo").searches.crowd = crowd(200)
    sandbox.fault("created", Fault("stall", seconds=FOR_EVER_S))
    with subprocess.Popen(
        [sys.executable, "-m", "bagit_create", "list", "-s", "zenodo"],
        env={**os.environ, "BIC_CONFIG": str(config_file)},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    ) as running:
        assert running.stdout is not None and running.stderr is not None
        assert [running.stdout.readline() for _ in range(25)]
        running.send_signal(signal.SIGINT)
        assert b"Error: Interrupted.\n" == running.stderr.read()
        assert 130 == running.wait(LONG_S)


# -- what is refused --------------------------------------------------------------------------


def test_everything_that_is_wrong_is_named_at_once(config_file: Path, sandbox: Sandbox) -> None:
    """Of the command, the source and the selection; nothing is sent."""
    args = "-s zenodo --set x --query y --from soon --group g --timeout -1 -q -v --limit 0"
    done = command(config_file, *args.split(), "--token", "")

    assert (2, "", []) == (done.returncode, done.stdout, sandbox.seen)
    for fault in (
        "--token is empty.",
        "--quiet does not go with --verbose.",
        "--timeout is a number of seconds above 0",
        "--group does not go with source zenodo.",
        "--query does not go with OAI-PMH",
        "--from is an ISO date or time",
        "--limit is at least 1.",
    ):
        assert fault in done.stderr


@pytest.mark.parametrize("source", ["cds", "cds-rdm", "zenodo", "cds-videos", *OTHERS])
def test_every_lister_looks_at_the_selection_first(
    config_file: Path, sandbox: Sandbox, source: str
) -> None:
    """No source has sets, groups and categories, all of them; what else is wrong is told too."""
    selection = Selection(set="x", group="y", category="7", since="soon")
    with pytest.raises(InputError) as refused:
        check(JobOptions(source=source, config=config_file), selection, ["Another fault."])

    assert 4 <= len(str(refused.value).split("\n- ")) and "Another fault." in str(refused.value)
    assert "--from is an ISO date" in str(refused.value) and [] == sandbox.seen


def test_a_source_is_needed(config_file: Path, sandbox: Sandbox) -> None:
    done = command(config_file)

    assert (2, "Error: --source is missing.") == (done.returncode, done.stderr.splitlines()[0])


@pytest.mark.parametrize(
    ("source", "selected", "fault"),
    [
        ("local", {}, "Source local cannot be listed."),
        ("nowhere", {}, "The given source nowhere is not supported."),
        ("cds", {"community": "x"}, "--community does not go with source cds."),
        ("cds", {"set": "a", "collection": "b"}, "--set is of OAI-PMH"),
        ("cds", {"set": "a", "via": "search"}, "--set is of OAI-PMH"),
        ("cds", {"query": "a", "via": "oai"}, "--collection and --query are of the search"),
        ("cds", {"collection": "a", "since": "2024-01-01"}, "the search has another clock"),
        ("cds", {"all_versions": True}, "--all-versions does not go with source cds."),
        ("cds-rdm", {"collection": "a"}, "--collection does not go with source cds-rdm."),
        ("cds-rdm", {"set": "a", "community": "b"}, "--set and --community name two sets"),
        ("cds-rdm", {"set": "a", "via": "search"}, "--set is of OAI-PMH"),
        ("cds-rdm", {"via": "oai", "all_versions": True}, "--all-versions does not go with OAI"),
        ("cds-videos", {"set": "a"}, "--set does not go with source cds-videos."),
        ("cds-videos", {"via": "oai"}, "--via oai does not go with source cds-videos."),
        ("zenodo", {"via": "ftp"}, "--via is oai or search."),
        ("zenodo", {"category": "1"}, "--category does not go with source zenodo."),
        ("zenodo", {"until": "2024-02-30"}, "--until is an ISO date or time"),
        ("zenodo", {"since": "2024-02-01", "until": "2024-01-01"}, "--from is later than --until."),
        ("zenodo", {"query": "a\nb"}, "--query is one line of text"),
        ("zenodo", {"community": " a"}, "--community has white space around it."),
        ("zenodo", {"since": "0001-01-01T00:00:00+14:00"}, "--from is an ISO date or time"),
    ],
)
def test_a_selection_that_cannot_be_listed_is_refused(
    config_file: Path, sandbox: Sandbox, source: str, selected: dict[str, str], fault: str
) -> None:
    """Before any request, in Python too."""
    done = lists_with(config_file)(source, **selected)

    assert isinstance(done.error, InputError) and 2 == done.error.exit_code
    assert fault in str(done.error)
    assert [] == sandbox.seen


def test_a_day_alone_is_a_window(config_file: Path, sandbox: Sandbox) -> None:
    """Its ends are the same date, and the day is in it."""
    done = lists_with(config_file)("zenodo", since="2024-02-29", until="2024-02-29")

    assert done.error is None and "7000001" in done.ids


def test_another_server_of_a_kind_can_be_listed(config_file: Path, sandbox: Sandbox) -> None:
    """And no credential that is kept for the known one goes there."""
    address = sandbox.url("inveniordm")
    args = ["-s", "zenodo", "--base-url", address, "--json", "--limit", "1"]
    done = subprocess.run(
        [sys.executable, "-m", "bagit_create", "list", *args],
        env={**os.environ, "BIC_CONFIG": str(config_file), "BIC_TOKEN_ZENODO": "kept"},
        capture_output=True,
        timeout=60,
    )

    assert 0 == done.returncode and sandbox.seen
    assert not any("authorization" in one.headers for one in sandbox.seen)


# -- from Python ------------------------------------------------------------------------------


def test_every_kind_of_source_can_be_listed() -> None:
    """But a folder."""
    assert set(PIPELINES) - {"local"} == set(LISTERS)


class Followed(Silent):
    """Writes down what it is told."""

    def __init__(self) -> None:
        self.told: list[str] = []

    def phase(self, name: str) -> None:
        self.told.append(name)

    def started(self, files: int, size: int | None) -> None:
        self.told.append(f"of {files}")

    def file_done(self, bagpath: str) -> None:
        self.told.append(bagpath)


def test_progress_is_told(config_file: Path, sandbox: Sandbox) -> None:
    """The step, how many there are, and each record."""
    followed = Followed()
    options = JobOptions(source="zenodo", config=config_file)
    [*_] = list_records(options, Selection(community="toys"), followed)

    assert ["list", "of 3", "7000001", "7000002", "7000012"] == followed.told


def test_a_list_can_be_ended_from_another_thread(config_file: Path, sandbox: Sandbox) -> None:
    """It raises, wherever it is."""
    sandbox.app("zenodo").searches.crowd = crowd(100)
    sandbox.fault("created", Fault("stall", seconds=FOR_EVER_S))
    listing = list_records(JobOptions(source="zenodo", config=config_file), Selection())
    # The server's thread ends it, when the second request is under way and nothing answers it.
    sandbox.app("zenodo").searches.before_each = lambda number: (
        listing.stop() if number == 2 else None
    )
    found: list[str] = []
    with pytest.raises(Interrupted):
        found.extend(one.recid for one in listing)
    assert 2 == len(sandbox.seen)


def test_a_list_can_be_ended_between_two_records(config_file: Path, sandbox: Sandbox) -> None:
    """No further request is sent."""
    sandbox.app("zenodo").searches.crowd = crowd(100)
    listing = list_records(JobOptions(source="zenodo", config=config_file), Selection())
    with pytest.raises(Interrupted):
        for _ in listing:
            listing.stop()
    assert 1 == len(sandbox.seen) == listing.tally.found


def test_lists_in_one_thread_do_not_mix(config_file: Path, sandbox: Sandbox) -> None:
    """Their records may be taken in turn, and what each hides is its own affair."""
    options = [
        JobOptions(source="zenodo", config=config_file, token=Secret(f"the-secret-of-{name}"))
        for name in ("one", "other")
    ]
    one, other = (iter(list_records(job, Selection(community="toys"))) for job in options)

    assert ["7000001", "7000001"] == [next(one).recid, next(other).recid]
    assert "the-secret-of-one" == log.redact("the-secret-of-one")
    assert 2 == len(list(one)) == len(list(other))


def test_an_id_is_told_once_whatever_it_looks_like() -> None:
    """Numbers and texts that look alike are two."""
    ids = ["7", "07", "0", "00", "7", "٧", "7.0", "-7", "0", "9" * 30, "9" * 30]
    listing = Listing(JobOptions(source="x"), Selection())
    found = [one.recid for one in listing._counted(Listed("x", recid) for recid in ids)]

    assert ["7", "07", "0", "00", "٧", "7.0", "-7", "9" * 30] == found
    assert 3 == listing.tally.repeated


def test_a_shortfall_is_never_negative() -> None:
    """More may be found than were expected."""
    assert [0, 0, 0, 2] == [Tally(expected=one, found=3).shortfall for one in (None, 2, 3, 5)]
