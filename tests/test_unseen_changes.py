"""Changes that are easy to overlook: none may make ``--if-changed`` keep the package of before."""

from __future__ import annotations

import os
import time
from datetime import UTC, datetime, timedelta
from importlib import import_module
from pathlib import Path
from typing import Any

import pytest
from packages import Harvest, sip_json

from bagit_create.main import process
from bagit_create.sandbox import Fault, Sandbox

NOTE = "AbCdEfGhIjKlMnOpQrStUv"


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


def test_what_a_note_could_not_show_then_is_asked_for_again(
    harvest: Harvest, sandbox: Sandbox
) -> None:
    """Its revisions failed, so the package lacks them, though the note is the same."""
    sandbox.fault("/revision", Fault("status", status=500), source="codimd")
    first = harvest(NOTE, "codimd")
    sandbox.clear()
    second = harvest(NOTE, "codimd", if_changed=True)
    third = harvest(NOTE, "codimd", if_changed=True)

    assert ["revision"] == [one["name"] for one in first["skipped"] if "HTTP 500" in one["reason"]]
    assert [False, True] == [second["unchanged"], third["unchanged"]]


def test_a_write_while_a_large_file_was_copied_may_not_show(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its size and time are as they were, and it was written to before the copy was done."""
    folder = tmp_path / "source"
    folder.mkdir()
    file = folder / "large.bin"
    file.write_bytes(b"before")
    options: dict[str, Any] = {"source_path": folder, "author": "Ada", "target": tmp_path / "out"}
    with monkeypatch.context() as hours:
        fetching = import_module("bagit_create.transfer.fetch")
        hours.setattr(fetching, "now", lambda: int(time.time()) + 7200)
        first = process(source="local", **options)
    times = file.stat()
    file.write_bytes(b"behind")
    os.utime(file, ns=(times.st_atime_ns, times.st_mtime_ns))
    second = process(source="local", if_changed=True, **options)

    [entry] = [one for one in sip_json(first)["contentFiles"] if "large" in one["bagpath"]]
    assert entry["origin"]["fetched"] > time.time() + 3600
    assert (0, False) == (second["status"], second["unchanged"])
