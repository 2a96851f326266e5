"""What was asked for is checked before any request, and all that is wrong is said at once."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from bagit_create.errors import InputError
from bagit_create.options import JobOptions, algorithms, embargo_seconds


def faults(options: JobOptions, kind: str | None = None) -> str:
    with pytest.raises(InputError) as caught:
        options.check(kind)
    return caught.value.message


def test_every_fault_is_named_in_one_message() -> None:
    """Three mistakes cost one attempt, not three."""
    message = faults(JobOptions(source="local", jobs=0, bagit_version="2.0", algorithms=("crc32",)))

    for part in (
        "source_path is missing",
        "Author is missing",
        "--jobs",
        "--bagit-version",
        "crc32",
    ):
        assert part in message


@pytest.mark.parametrize(
    ("options", "text"),
    [
        (JobOptions(source="zenodo"), "Source and Record ID are required"),
        (JobOptions(recid="1"), "Source and Record ID are required"),
        (JobOptions(url="https://zenodo.org/records/1", recid="1"), "--recid is too much"),
        (JobOptions(source="zenodo", recid="a//b"), "characters that no id has"),
        (JobOptions(source="zenodo", recid="../x"), "characters that no id has"),
        (JobOptions(source="zenodo", recid="a\nb"), "characters that no id has"),
        (JobOptions(source="zenodo", recid="1" * 400), "longer than 200"),
        (JobOptions(source="zenodo", recid="1", alternate_uri=True), "needs --dry-run"),
        (JobOptions(source="zenodo", recid="1", hash_missing=True), "together with --dry-run"),
        (JobOptions(source="zenodo", recid="1", bd_ssh_host="h"), "together with --bibdoc"),
        (JobOptions(source="zenodo", recid="1", timeout=0), "--timeout"),
        (JobOptions(source="zenodo", recid="1", retries=-1), "--retries"),
        (JobOptions(source="local", source_path=Path("x"), author=" "), "Author is missing"),
        (JobOptions(source="zenodo", recid="1", base_url="http://["), "--base-url is"),
        (JobOptions(source="zenodo", recid="1", base_url="http://h:99999"), "--base-url is"),
    ],
)
def test_what_cannot_work_is_refused(options: JobOptions, text: str) -> None:
    """Each combination that cannot work has its own sentence."""
    assert text in faults(options, options.source)


@pytest.mark.parametrize("option", ["author", "cert", "bd_ssh_host"])
def test_an_option_of_another_source_is_refused(option: str) -> None:
    """No option is taken and then ignored."""
    given: dict[str, Any] = {option: "x"}
    options = JobOptions(source="zenodo", recid="1", bibdoc=True, **given)

    assert f"--{option.replace('_', '-')} does not go with source zenodo" in faults(
        options, "zenodo"
    )


ODD = ["a\0b", "a\x1b[31mb", "a\rb", "a\x85b", "a\u2028b", "a\ud800", "a\udce9"]


@pytest.mark.parametrize("text", [*ODD, "Ada\nLovelace", "Ada\tLovelace"])
@pytest.mark.parametrize("option", ["author", "collection"])
def test_a_name_is_one_line_of_text(option: str, text: str) -> None:
    """It stands in lists and on terminals for decades."""
    given: dict[str, Any] = {"author": "Ada", option: text}

    assert f"--{option} is one line" in faults(
        JobOptions(source="local", source_path=Path("x"), **given)
    )


@pytest.mark.parametrize("text", ODD)
def test_a_comment_is_text(text: str) -> None:
    """Nothing in it moves a cursor, and no byte of it is lost."""
    assert "--comment is" in faults(JobOptions(source="zenodo", recid="1", comment=text))


@pytest.mark.parametrize("text", ["one\ntwo", "one\r\ntwo\r\n", "a\tb", "\N{NO-BREAK SPACE}«été»"])
def test_a_comment_may_have_several_lines(text: str) -> None:
    """As with the forerunner."""
    JobOptions(source="zenodo", recid="1", comment=text).check("zenodo")


PATHS = ["target", "workdir", "source_path", "source_base_path", "config", "cookies"]


@pytest.mark.parametrize("name", ["a\0b", "a\ud800"])
@pytest.mark.parametrize("option", PATHS)
def test_a_path_that_no_system_can_have_is_refused(option: str, name: str) -> None:
    """A half of a character is no byte; what stands for one (PEP 383) is."""
    given: dict[str, Any] = {option: Path(name)}
    fine: dict[str, Any] = {option: Path("a\udce9")}

    flag = option.replace("_", "-")
    assert f"--{flag} has " in faults(JobOptions(source="zenodo", recid="1", **given))
    JobOptions(source="zenodo", recid="1", **fine).check()


@pytest.mark.parametrize("recid", ["7000001", "k3f9q-7xw21", "10.5281/zenodo.7000001", "a.b_c~d"])
def test_ids_and_dois_are_accepted(recid: str) -> None:
    """Numbers, InvenioRDM's ids, and DOIs name a record."""
    JobOptions(source="zenodo", recid=recid).check("zenodo")


@pytest.mark.parametrize(
    ("given", "seconds"),
    [
        (1798761600, 1798761600),
        ("1798761600", 1798761600),
        ("2027-01-01", 1798761600),
        ("2027-01-01T00:00:00Z", 1798761600),
        ("2027-01-01T01:00:00+01:00", 1798761600),
        ("", None),
        (None, None),
    ],
)
def test_an_embargo_becomes_an_integer(given: str | int | None, seconds: int | None) -> None:
    """Unix seconds, a date (UTC), or a time with its zone."""
    assert seconds == embargo_seconds(given)
    assert seconds in (None, int(datetime(2027, 1, 1, tzinfo=UTC).timestamp()))


@pytest.mark.parametrize("given", ["next year", "2027-13-01", "9" * 30, "12:00", "1e9"])
def test_an_embargo_that_is_no_time_is_refused(given: str) -> None:
    """A typing error does not become an embargo that is not there."""
    with pytest.raises(InputError, match="--embargo"):
        embargo_seconds(given)


def test_algorithms_may_be_spelt_as_people_do() -> None:
    """``SHA-256`` is BagIt's ``sha256``, and naming one twice does no harm."""
    assert ("sha256", "md5") == algorithms(("SHA-256", "md5", "sha256"))
    assert ("md5", "sha512") == algorithms(())
