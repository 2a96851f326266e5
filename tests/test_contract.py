"""What every source must be, whatever it is: run over the registry."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from bagit_create import config
from bagit_create.main import process
from bagit_create.pipelines import PIPELINES
from bagit_create.sandbox import Fault, Sandbox
from bagit_create.validation import validate

ROOT = Path(__file__).parent.parent


@dataclass(frozen=True)
class Facts:
    """A record of each kind in the sandbox: one that works, none, and one that is closed."""

    source: str
    good: str
    missing: str
    restricted: str
    metadata: str


KINDS = {
    "cod": Facts("cod", "2", "999", "9", r"/api/records/2$"),
    "invenio-v1": Facts("cds", "1002", "404404", "1403", r"/record/1002\?of=xm$"),
    "zenodo": Facts("zenodo", "7000001", "999", "7000002", r"/api/records/7000001$"),
    "inveniordm": Facts(
        "cds-rdm", "k3f9q-7xw21", "nowhe-re000", "close-00003", r"/api/records/k3f9q-7xw21$"
    ),
    "videos": Facts("cds-videos", "3000001", "999", "3000003", r"/api/record/3000001$"),
}
REMOTE = [pytest.param(facts, id=kind) for kind, facts in KINDS.items()]


def harvest(facts: Facts, recid: str, config_file: Path, target: Path) -> dict[str, Any]:
    return process(recid, facts.source, target=target, config=config_file, retries=1, timeout=3)


def test_every_kind_has_its_facts_here() -> None:
    """A new pipeline without a row in this test is not done."""
    assert set(PIPELINES) - {"local"} == set(KINDS)


@pytest.mark.parametrize("kind", PIPELINES)
def test_every_kind_has_a_test_module_and_a_row_in_the_readme(kind: str) -> None:
    """Somebody looks for both."""
    tests = " ".join(path.read_text("utf-8") for path in (ROOT / "tests").glob("test_*.py"))
    readme = (ROOT / "README.md").read_text("utf-8")
    sources = [one.name for one in config.load().instances.values() if one.pipeline == kind]

    assert all(f"`{name}`" in readme for name in sources)
    assert kind in tests


@pytest.mark.parametrize("facts", REMOTE)
def test_a_record_becomes_a_valid_package(facts: Facts, config_file: Path, tmp_path: Path) -> None:
    """Full, and light."""
    full = harvest(facts, facts.good, config_file, tmp_path)
    light = process(facts.good, facts.source, target=tmp_path, config=config_file, dry_run=True)

    assert "valid" == validate(Path(full["path"])).verdict
    assert "incomplete" == validate(Path(light["path"])).verdict
    assert full["files"] == light["files"] > 0


@pytest.mark.parametrize("facts", REMOTE)
def test_no_such_record_is_5(facts: Facts, config_file: Path, tmp_path: Path) -> None:
    """In the same words for every source."""
    result = harvest(facts, facts.missing, config_file, tmp_path)

    assert (5, "RecordNotFound") == (result["exit_code"], result["error"])
    assert "no such record" in result["errormsg"]


@pytest.mark.parametrize("facts", REMOTE)
def test_access_denied_is_6(facts: Facts, config_file: Path, tmp_path: Path) -> None:
    """With the credential that may help."""
    result = harvest(facts, facts.restricted, config_file, tmp_path)

    assert (6, "AccessDenied") == (result["exit_code"], result["error"])
    assert "access denied" in result["errormsg"]
    assert "BIC_TOKEN_" in result["hint"]


@pytest.mark.parametrize("facts", REMOTE)
@pytest.mark.parametrize("kind", ["json-shape", "not-json", "html"])
def test_a_changed_answer_is_4(
    facts: Facts, kind: str, sandbox: Sandbox, config_file: Path, tmp_path: Path
) -> None:
    """Saying what was being read."""
    sandbox.fault(facts.metadata, Fault(kind))

    result = harvest(facts, facts.good, config_file, tmp_path)

    assert (4, "UpstreamError") == (result["exit_code"], result["error"])
    assert facts.good in result["where"]
    assert [] == list(tmp_path.iterdir())


@pytest.mark.parametrize("facts", REMOTE)
@pytest.mark.parametrize("fault", [Fault("status", status=503), Fault("reset")], ids=str)
def test_unreachable_is_7(
    facts: Facts, fault: Fault, sandbox: Sandbox, config_file: Path, tmp_path: Path
) -> None:
    """After all retries."""
    sandbox.fault(facts.metadata, fault)

    result = harvest(facts, facts.good, config_file, tmp_path)

    assert (7, "Unreachable") == (result["exit_code"], result["error"])
    assert 2 == len(sandbox.seen)
