"""What all tests share: a loopback sandbox, its config file, and no other network."""

from __future__ import annotations

import os
import socket
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, settings
from packages import Harvest

from bagit_create import budget
from bagit_create.main import process
from bagit_create.sandbox import Sandbox

# A machine that does much else is no failure, and every run tries the same examples: what one
# finds, the next one finds too.
settings.register_profile(
    "steady", deadline=None, derandomize=True, suppress_health_check=[HealthCheck.too_slow]
)
settings.load_profile("steady")


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_auto_num_workers() -> int | None:
    """Workers for ``-n auto``: more than there are processors, since many tests only wait."""
    if "PYTEST_XDIST_AUTO_NUM_WORKERS" in os.environ:
        return None  # which xdist obeys
    there = processors()
    return there + min(there, 4)


def processors() -> int:
    """How many this process may use: a container often has a part of them only."""
    there = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
    try:  # control groups version 2, as in the kernel's documentation of cpu.max
        quota, period = Path("/sys/fs/cgroup/cpu.max").read_text(encoding="ascii").split()
        return max(1, min(there or 1, round(int(quota) / int(period))))
    except (OSError, ValueError):
        return there or 1


@pytest.fixture(autouse=True)
def only_loopback(monkeypatch: pytest.MonkeyPatch) -> None:
    """A connection to anything but loopback is an error, whoever makes it."""
    connect = socket.socket.connect

    def guarded(self: socket.socket, address: Any) -> None:
        if self.family in (socket.AF_INET, socket.AF_INET6) and address[0] not in (
            "127.0.0.1",
            "::1",
        ):
            raise AssertionError(f"a test connects to {address}")
        connect(self, address)

    monkeypatch.setattr(socket.socket, "connect", guarded)


@pytest.fixture(autouse=True)
def clean_environment(monkeypatch: pytest.MonkeyPatch, tmp_path_factory: Any) -> None:
    """The settings of whoever runs the tests do not count."""
    for name in list(os.environ):
        if name.startswith(("BIC_", "ZENODO_", "SSL_CERT_")) or name.lower().endswith(
            ("_proxy", "_ca_bundle")
        ):
            monkeypatch.delenv(name)
    home = tmp_path_factory.mktemp("home")
    monkeypatch.setenv("HOME", str(home))
    monkeypatch.setenv("XDG_CONFIG_HOME", str(home / ".config"))


@pytest.fixture(autouse=True)
def short_waits(monkeypatch: pytest.MonkeyPatch) -> None:
    """Retries follow at once."""
    monkeypatch.setattr("bagit_create.pauses.BASE_WAIT_S", 0.001)
    budget.forget()  # another test's server may have had the same port


@pytest.fixture
def sandbox() -> Iterator[Sandbox]:
    """Upstreams on loopback, fresh for each test."""
    with Sandbox() as running:
        yield running


@pytest.fixture
def harvest(config_file: Path, tmp_path: Path) -> Harvest:
    """``process()`` with the sandbox's addresses and a target of the test's own."""

    def call(recid: str | int | None = None, source: str | None = "zenodo", **more: Any) -> Any:
        options = {"target": tmp_path / "out", "config": config_file, "retries": 2, **more}
        return process(recid=recid, source=source, **options)

    return call


@pytest.fixture
def config_file(sandbox: Sandbox, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The file for ``--config`` that points every source to the sandbox."""
    path = tmp_path_factory.mktemp("config") / "sandbox.toml"
    path.write_text(sandbox.config_text(), encoding="utf-8")
    return path
