"""What every source must be, whatever it is: run over the registry."""

from __future__ import annotations

from base64 import b64encode
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from packages import everything, sip_json

from bagit_create import config
from bagit_create.main import process
from bagit_create.pipelines import PIPELINES
from bagit_create.sandbox import Fault, Sandbox
from bagit_create.validation import validate

ROOT = Path(__file__).parent.parent


@dataclass(frozen=True)
class Facts:
    """A record of each kind in the sandbox: one that works, none, and one that is closed.

    ``metadata`` is a pattern for the address of the metadata, ``file`` for that of a file that
    upstream lists; a note of CodiMD lists none, it only shows some.
    """

    source: str
    good: str
    missing: str
    restricted: str
    metadata: str
    file: str = ""


KINDS = {
    "cod": Facts("cod", "2", "999", "9", r"/api/records/2$", "README"),
    "invenio-v1": Facts("cds", "1002", "404404", "1403", r"/record/1002\?of=xm$", "thesis"),
    "zenodo": Facts("zenodo", "7000001", "999", "7000002", r"/api/records/7000001$", "report.pdf"),
    "inveniordm": Facts(
        "cds-rdm",
        "k3f9q-7xw21",
        "nowhe-re000",
        "close-00003",
        r"/api/records/k3f9q-7xw21$",
        "report.pdf",
    ),
    "videos": Facts("cds-videos", "3000001", "999", "3000003", r"/api/record/3000001$", "1080p"),
    "gitlab": Facts("gitlab", "7", "999", "11", r"/api/v4/projects/7$", "lfs.bin/raw"),
    "indico": Facts("indico", "101", "999", "102", r"/export/event/101", "posters"),
    "codimd": Facts(
        "codimd", "AbCdEfGhIjKlMnOpQrStUv", "none", "private00000000000000u", r"QrStUv/download$"
    ),
}
REMOTE = [pytest.param(facts, id=kind) for kind, facts in KINDS.items()]
LISTED = [pytest.param(facts, id=kind) for kind, facts in KINDS.items() if facts.file]


def harvest(facts: Facts, recid: str, config_file: Path, target: Path) -> dict[str, Any]:
    return process(recid, facts.source, target=target, config=config_file, retries=1, timeout=60)


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
    assert full["files"] >= light["files"] > 0
    assert len(full["skipped"]) + full["files"] == len(light["skipped"]) + light["files"]


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


@pytest.mark.parametrize("facts", LISTED)
@pytest.mark.parametrize("status", [401, 403, 404, 410])
def test_a_file_that_is_withheld_is_8(
    facts: Facts, status: int, sandbox: Sandbox, config_file: Path, tmp_path: Path
) -> None:
    """The source lists it, so a package without it would not be the record."""
    sandbox.fault(facts.file, Fault("status", status=status))

    result = harvest(facts, facts.good, config_file, tmp_path)

    assert (8, "TransferError") == (result["exit_code"], result["error"])
    assert result["errormsg"].startswith(f"HTTP {status}: ")
    assert [] == list(tmp_path.iterdir())


@pytest.mark.parametrize("facts", LISTED)
def test_a_file_that_is_withheld_may_be_done_without(
    facts: Facts, sandbox: Sandbox, config_file: Path, tmp_path: Path
) -> None:
    """With ``--allow-missing``: named in the result and in sip.json, with the reason."""
    sandbox.fault(facts.file, Fault("status", status=403))

    result = process(
        facts.good, facts.source, target=tmp_path, config=config_file, allow_missing=True
    )

    [missing] = result["missing"]
    [entry] = [one for one in sip_json(result)["contentFiles"] if one["bagpath"] == missing["path"]]
    assert (False, missing["reason"]) == (entry["downloaded"], entry["origin"]["missing"])
    assert "valid" == validate(Path(result["path"])).verdict


@pytest.mark.parametrize("facts", LISTED)
def test_a_page_is_never_stored_as_a_file(
    facts: Facts, sandbox: Sandbox, config_file: Path, tmp_path: Path
) -> None:
    """A login page with status 200, whatever the file's size and checksum are."""
    sandbox.fault(facts.file, Fault("html"))

    assert harvest(facts, facts.good, config_file, tmp_path)["exit_code"] in (8, 9)
    assert [] == list(tmp_path.iterdir())


@pytest.mark.parametrize("facts", REMOTE)
@pytest.mark.parametrize("light", [False, True])
def test_a_token_is_kept_nowhere(
    facts: Facts, light: bool, sandbox: Sandbox, config_file: Path, tmp_path: Path
) -> None:
    """Not in the package, its log, the result, or the requests to other hosts."""
    result = process(
        facts.good,
        facts.source,
        0,
        target=tmp_path,
        config=config_file,
        token="c4n4ry-t0k3n",
        dry_run=light,
        retries=0,
    )

    told = [str(one.headers) + one.path for one in sandbox.seen]
    assert any("c4n4ry" in one or _basic("c4n4ry-t0k3n") in one for one in told)
    assert all("c4n4ry" not in one.path for one in sandbox.seen)
    assert all("c4n4ry" not in str(one.headers) for one in sandbox.seen if one.host != facts.source)
    assert "c4n4ry" not in str(result)
    assert b"c4n4ry" not in everything(tmp_path)


def _basic(token: str) -> str:
    """As git sends it."""
    return b64encode(f"oauth2:{token}".encode()).decode()


@pytest.mark.parametrize("facts", REMOTE)
def test_a_refused_credential_is_told_without_it(
    facts: Facts, config_file: Path, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    """Neither the message nor what is written to the terminal has it."""
    result = process(
        facts.restricted, facts.source, target=tmp_path, config=config_file, token="c4n4ry-t0k3n"
    )

    assert 6 == result["exit_code"]
    assert "c4n4ry" not in str(result) + "".join(capfd.readouterr())
