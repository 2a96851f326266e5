"""Changes that are easy to overlook: none may make ``--if-changed`` keep the package of before."""

from __future__ import annotations

import time
from datetime import UTC, datetime, timedelta

import pytest
from packages import Harvest

from bagit_create.sandbox import Sandbox


def test_an_activity_while_the_files_were_fetched_may_not_show(
    harvest: Harvest, sandbox: Sandbox, monkeypatch: pytest.MonkeyPatch
) -> None:
    """GitLab notes it once an hour, and the package gets its name hours after the question."""
    hours = 3 * 3600
    active = datetime.now(UTC) - timedelta(minutes=30)
    sandbox.app("gitlab").active = active.isoformat()
    monkeypatch.setattr("bagit_create.assembly.now", lambda: int(time.time()) + hours)
    first = harvest(7, "gitlab")
    monkeypatch.setattr("bagit_create.earlier.asked.now", lambda: int(time.time()) + hours)

    assert first["status"] == 0 and first["timestamp"] > active.timestamp() + 2 * 3600
    assert not harvest(7, "gitlab", if_changed=True)["unchanged"]
