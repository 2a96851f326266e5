"""``--cert``: the sign-on with a client certificate, over TLS on loopback; see ``signing``."""

from __future__ import annotations

import logging
import sys
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
import trustme
from packages import Harvest, everything, payload
from signing import authority, certificate, package, server

__all__ = ["authority", "package", "server"]

# python-cern-sso does not check the certificate of the page that asks for ours.
pytestmark = pytest.mark.filterwarnings("ignore:Unverified HTTPS request")


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


def test_the_library_that_signs_on_logs_no_cookie(
    server: Any,
    authority: trustme.CA,
    harvest: Harvest,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    """A program that logs everything has it in its log else; pages of the sign-on, too."""
    real = sys.modules["cern_sso"].cert_sign_on

    def talking(*given: str) -> Any:
        cookies, log = real(*given), logging.getLogger("cern_sso")
        log.debug("Cookie jar now contains: %s", cookies)
        log.error("The contents returned was: %s", cookies)
        return cookies

    monkeypatch.setattr(sys.modules["cern_sso"], "cert_sign_on", talking)
    caplog.set_level(logging.DEBUG, "cern_sso")
    caplog.set_level(logging.DEBUG)
    harvest(1403, "cds", cert=certificate(authority, tmp_path))

    assert ["good1"] == server.sessions
    assert "harvesting 1403" in caplog.text
    assert "good1" not in caplog.text


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
