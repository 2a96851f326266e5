"""The commands of the forerunner's README, one by one, as they stand there.

Each runs against the sandbox, in which a record of that number is put in place. Where the text has
a placeholder for a credential, that of the sandbox stands.
"""

from __future__ import annotations

import os
import shlex
import subprocess
import sys
from pathlib import Path

import pytest

from bagit_create.sandbox import Sandbox
from bagit_create.sandbox.indico_events import Event, Folder
from bagit_create.sandbox.indico_events import Held as Attachment
from bagit_create.sandbox.invenio_v1 import Held, put

COMMANDS = [
    ("bic --recid 2728246 --source cds", 0),
    ("bic --url http://cds.cern.ch/record/2798105 -v", 0),
    ("bic --url http://cds.cern.ch/record/2665537", 0),
    ("bic --source gitlab --token good --recid 104913 -vv", 0),
    ("bic --recid 1 --source cds", 5),
    ("bic --recid 1000 --source cds", 6),
    ("bic --recid 1000571 --source cds --dry-run", 0),
    ("bic --source ilcdoc --recid 62959 --verbose", 0),
    ("bic --source ilcdoc --recid 34794 --verbose", 0),
    ("bic --recid 3911261 --source zenodo --verbose", 0),
    ("bic --recid 3974864 --source zenodo --verbose", 0),
    ("bic --recid 1024767 --source indico", 0),
    ("bic --recid 1 --source cod --dry-run --verbose", 0),
    ("bic --recid 8884 --source cod --dry-run --verbose --alternate-uri", 0),
    ("bic --recid 8884 --source cod --dry-run --verbose", 0),
    ("bic --recid 5200 --source cod --dry-run --verbose", 0),
    ("bic --recid 8888 --source cod --dry-run --verbose", 0),
    *((f"bic --recid {n} --source cod --dry-run --verbose", 0) for n in range(10101, 10106)),
    *((f"bic --recid {n} --source cod --verbose", 0) for n in range(10101, 10106)),
    ("bic --source cds --recid 2748063 --token good", 0),
    ("bic --source codimd --recid vgGgOxGQU --token good", 0),
    ("bic --recid 1024767 --source indico -vv", 0),
    ("bic --version", 0),
]


@pytest.fixture
def populated(sandbox: Sandbox, monkeypatch: pytest.MonkeyPatch) -> None:
    """Records of the numbers that the commands name."""
    for source in ("cds", "ilcdoc"):
        records = sandbox.app(source).records
        for recid in ("2728246", "2798105", "2665537", "1000571", "62959", "34794", "2748063"):
            one = records["1002"]
            fields = [
                (tag, [(code, text.replace("/1002/", f"/{recid}/")) for code, text in subfields])
                for tag, subfields in one.fields
            ]
            put(sandbox.app(source), Held(recid, "As in the README", fields, one.files))
    app = sandbox.app("cds")
    monkeypatch.setattr(app, "_record_1", app._record_1410, raising=False)
    monkeypatch.setattr(app, "_record_1000", app._record_1404, raising=False)
    for recid in ("3911261", "3974864"):
        sandbox.add_record("zenodo", recid, {"a.txt": b"a"})
    cod = sandbox.app("cod")
    for number in (8884, 5200, 8888, *range(10101, 10106)):
        cod.put(str(number), {"title": "As in the README", "files": cod.records["2"]["files"]})
    event = Event("1024767", folders=[Folder(1, [Attachment(1, "a.pdf")])])
    sandbox.app("indico").events["1024767"] = event
    codimd = sandbox.app("codimd").notes
    codimd["vgGgOxGQU"] = codimd["private00000000000000u"]
    sandbox.app("gitlab").export = "ready"
    monkeypatch.setattr("bagit_create.sandbox.gitlab.PROJECTS", {"104913": "toys/many"})


@pytest.mark.parametrize(("command", "code"), COMMANDS, ids=[one for one, _ in COMMANDS])
def test_a_command_of_old_still_works(
    command: str, code: int, populated: None, config_file: Path, tmp_path: Path
) -> None:
    """With the exit code that tells what happened, and one package if it is 0."""
    environment = {**os.environ, "BIC_CONFIG": str(config_file), "INDICO_KEY": "good"}
    words = [sys.executable, "-m", "bagit_create", *shlex.split(command)[1:]]
    done = subprocess.run(
        words, cwd=tmp_path, env=environment, capture_output=True, encoding="utf-8", timeout=60
    )

    assert code == done.returncode, done.stderr
    made = list(tmp_path.iterdir())
    assert (1 if code == 0 and "--version" not in command else 0) == len(made)
    assert not made or done.stdout.strip() == str(made[0])
