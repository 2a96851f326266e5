"""The small rooms: errors, checksums, addresses, the log."""

from __future__ import annotations

import hashlib
import logging
import threading
import zlib
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bagit_create import checksums, errors, log, urls
from bagit_create.errors import BicError, UpstreamError
from bagit_create.model import Checksum


def test_the_exit_codes_are_those_of_the_design() -> None:
    """Scripts rely on them."""
    codes = {
        name: kind.exit_code
        for name, kind in vars(errors).items()
        if isinstance(kind, type) and issubclass(kind, BicError)
    }

    assert codes == {
        "BicError": 1,
        "InputError": 2,
        "ConfigError": 3,
        "UpstreamError": 4,
        "RecordNotFound": 5,
        "AccessDenied": 6,
        "Unreachable": 7,
        "TransferError": 8,
        "ChecksumMismatch": 9,
        "SipError": 10,
        "NoRoom": 10,
        "InvalidSip": 11,
        "Interrupted": 130,
    }


@pytest.mark.parametrize("number", ["142950", "429", "5040", "40855", "150250", "8503"])
def test_a_number_that_callers_would_take_for_a_status_is_masked(number: str) -> None:
    """A record id or a size must not make CERN's platform retry a permanent error."""
    text = BicError(f"Record {number} of 17 is odd.", http_status=404).for_callers()

    assert text.startswith("HTTP 404: ")
    assert not any(code in text for code in ("429", "408", "502", "503", "504"))
    assert "17" in text


def test_the_status_itself_is_not_masked() -> None:
    """An overload that upstream admits is retried by the platform."""
    assert "HTTP 429: Too much." == BicError("Too much.", http_status=429).for_callers()


@given(st.lists(st.binary(max_size=2000)))
def test_digests_do_not_depend_on_the_blocks(blocks: list[bytes]) -> None:
    """Bytes are hashed as they arrive, in whatever pieces."""
    digests = checksums.Digests(("md5", "sha512", "adler32", "sha3256"))
    for block in blocks:
        digests.update(block)
    whole = b"".join(blocks)

    assert digests.checksums() == (
        Checksum("md5", hashlib.md5(whole).hexdigest()),
        Checksum("sha512", hashlib.sha512(whole).hexdigest()),
        Checksum("adler32", f"{zlib.adler32(whole):08x}"),
        Checksum("sha3256", hashlib.sha3_256(whole).hexdigest()),
    )


@pytest.mark.parametrize(
    ("text", "checksum"),
    [
        ("md5:" + "A" * 32, Checksum("md5", "a" * 32)),
        ("a" * 32, Checksum("md5", "a" * 32)),
        ("SHA-256:" + "0" * 64, Checksum("sha256", "0" * 64)),
        ("adler32:0x62", Checksum("adler32", "00000062")),
        ("whirlpool:abcdef", Checksum("whirlpool", "abcdef")),
    ],
)
def test_published_checksums_are_read_in_all_spellings(text: str, checksum: Checksum) -> None:
    """With and without prefix, any case, adler32 without its zeros."""
    assert checksum == checksums.parse(text)


@pytest.mark.parametrize("text", ["", "md5:", "md5:xyz", "md5:abc", "sha256:" + "0" * 63])
def test_a_checksum_that_is_none_is_refused(text: str) -> None:
    """What upstream published must be usable or named, never half understood."""
    with pytest.raises(UpstreamError):
        checksums.parse(text)


@pytest.mark.parametrize(
    ("header", "value"),
    [
        ("XrY7u+Ae7tCTyyK7j1rNww==", "5eb63bbbe01eeed093cb22bb8f5acdc3"),
        ("5EB63BBBE01EEED093CB22BB8F5ACDC3", "5eb63bbbe01eeed093cb22bb8f5acdc3"),
        ("nonsense", None),
        (None, None),
    ],
)
def test_content_md5_comes_in_two_spellings(header: str | None, value: str | None) -> None:
    """Base64 by RFC 1864, hexadecimal by InvenioRDM."""
    found = checksums.from_content_md5(header)

    assert value == (found.value if found else None)


@pytest.mark.parametrize(
    ("given_url", "sent"),
    [
        ("https://h/a b", "https://h/a%20b"),
        ("https://h/é", "https://h/%C3%A9"),
        ("https://h/a%20b", "https://h/a%20b"),
        ("https://h/100% sure", "https://h/100%25%20sure"),
        ("https://h/files/../x/content", "https://h/files/../x/content"),
        ("https://h/hits#1.csv/content", "https://h/hits%231.csv/content"),
        ("https://h/a\r\nHost: x", "https://h/a%0D%0AHost:%20x"),
    ],
)
def test_an_address_is_made_sendable_and_otherwise_left_alone(given_url: str, sent: str) -> None:
    """Nothing is decoded, folded or encoded twice."""
    assert sent == urls.clean(given_url)


def test_secrets_leave_an_address() -> None:
    """User information and token parameters go, the rest stays."""
    url = "https://u:p@h/x?a=1&token=T&X-Amz-Signature=S&b=2"

    assert "https://h/x?a=1&b=2" == urls.without_secrets(url)


@pytest.mark.parametrize(
    ("value", "level"),
    [
        (0, logging.DEBUG),
        (1, logging.INFO),
        (2, logging.WARNING),
        (3, logging.ERROR),
        (30, logging.WARNING),
        (50, logging.CRITICAL),
        (None, logging.WARNING),
    ],
)
def test_both_scales_of_log_levels_are_understood(value: int | None, level: int) -> None:
    """The forerunner changed its scale; callers of both remain."""
    assert level == log.level(value)


def test_a_job_log_holds_no_secret_and_no_escape_sequence(tmp_path: Path) -> None:
    """Neither the value itself nor an address that carries one; control characters are shown."""
    with log.job() as own:
        own.hide("hunter2")
        log.info("before the file is open: hunter2")
        own.write_to(tmp_path / "log")
        log.warning("GET https://u:pw@h/x?token=abc \x1b[31mred\x1b[0m")

    text = (tmp_path / "log").read_text()
    assert "before the file is open: ********" in text
    assert not any(secret in text for secret in ("hunter2", "pw@", "abc", "\x1b"))
    assert own.warnings == [line.split(" ", 2)[2].strip() for line in text.splitlines()[1:]]


def test_jobs_in_threads_do_not_share_a_log(tmp_path: Path) -> None:
    """Each package's log tells of its own harvest only."""

    def one(name: str) -> None:
        with log.job() as own:
            own.write_to(tmp_path / name)
            for _ in range(200):
                log.info(f"line of {name}")

    threads = [threading.Thread(target=one, args=(f"job-{n}",)) for n in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    for number in range(4):
        lines = (tmp_path / f"job-{number}").read_text().splitlines()
        assert 200 == len(lines)
        assert all(line.endswith(f"line of job-{number}") for line in lines)
