"""``--if-changed``: nothing is made of a record that a package has as it is."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
import zipfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from packages import Harvest, everything, sip_json

from bagit_create.completion import CompletionOptions, complete
from bagit_create.earlier import same
from bagit_create.main import process
from bagit_create.pipelines import PIPELINES
from bagit_create.sandbox import Fault, Sandbox, invenio_v1
from bagit_create.sandbox.content import Content
from bagit_create.sandbox.indico_events import Event, Folder
from bagit_create.sandbox.indico_events import Held as Attachment
from bagit_create.sandbox.indico_events import Thing
from bagit_create.sandbox.shapes import File
from bagit_create.validation import validate

Change = Callable[[Sandbox], object]
NOTE = "AbCdEfGhIjKlMnOpQrStUv"


@dataclass(frozen=True)
class Facts:
    """A record of each kind; what changes of it by itself, and what makes it another one.

    ``requests`` is how many show that nothing has changed.
    """

    source: str
    recid: str
    counts: Change
    changes: Change
    requests: int = 1


def retitle(source: str, recid: str) -> Change:
    """Give a record another title."""

    def change(sandbox: Sandbox) -> None:
        one = sandbox.app(source).records[recid]
        if isinstance(one, dict):
            one["title"] = {"title": "Renamed"} if source == "cds-videos" else "Renamed"
        else:
            one.title = "Renamed"

    return change


def look_at(source: str, recid: str) -> Change:
    """Count a reader."""

    def change(sandbox: Sandbox) -> None:
        sandbox.app(source).records[recid].views += 1

    return change


def nothing(sandbox: Sandbox) -> None:
    """Of this kind, nothing changes by itself; or it does with every answer."""


def comment(sandbox: Sandbox) -> None:
    """Invenio writes into each answer how much it found."""
    invenio_v1.SLIM += "<!-- Search-Engine-Total-Number-Of-Results: 1 -->\n"


def write(sandbox: Sandbox) -> None:
    sandbox.app("codimd").notes[NOTE].text += "One more line.\n"


def push(sandbox: Sandbox) -> None:
    sandbox.app("gitlab").active = "2026-02-02T03:04:05.678Z"


def star(sandbox: Sandbox) -> None:
    sandbox.app("gitlab").stars += 1


def reschedule(sandbox: Sandbox) -> None:
    sandbox.app("indico").events["555"].title = "Renamed"


KINDS = {
    "zenodo": Facts(
        "zenodo", "7000001", look_at("zenodo", "7000001"), retitle("zenodo", "7000001")
    ),
    "inveniordm": Facts(
        "cds-rdm",
        "k3f9q-7xw21",
        look_at("cds-rdm", "k3f9q-7xw21"),
        retitle("cds-rdm", "k3f9q-7xw21"),
    ),
    "invenio-v1": Facts("cds", "1002", comment, retitle("cds", "1002")),
    "cod": Facts("cod", "2", nothing, retitle("cod", "2")),
    "videos": Facts("cds-videos", "3000001", nothing, retitle("cds-videos", "3000001")),
    "codimd": Facts("codimd", NOTE, nothing, write),
    "gitlab": Facts("gitlab", "7", star, push),
    # No level of detail shows all of an event, so it takes all three answers.
    "indico": Facts("indico", "555", nothing, reschedule, requests=3),
}
EACH = [pytest.param(facts, id=kind) for kind, facts in KINDS.items()]


@pytest.fixture(autouse=True)
def plain_event(sandbox: Sandbox, monkeypatch: pytest.MonkeyPatch) -> None:
    """An event of which every file has a checksum; and what a test changes is changed back."""
    event = Event("555", folders=[Folder(1, [Attachment(1, "a.pdf"), Attachment(2, "b.pdf")])])
    sandbox.app("indico").events["555"] = event
    monkeypatch.setattr(invenio_v1, "SLIM", invenio_v1.SLIM)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    path = tmp_path / "source"
    (path / "sub/void").mkdir(parents=True)
    (path / "a.txt").write_text("alpha")
    (path / "sub/b.txt").write_text("beta")
    (path / "sub/lost").symlink_to("nowhere")
    return path


@pytest.fixture
def pack(folder: Path, tmp_path: Path) -> Callable[..., dict[str, Any]]:
    def call(**more: Any) -> dict[str, Any]:
        options = {"source_path": folder, "author": "Ada", "target": tmp_path / "out", **more}
        return process(source="local", **options)

    return call


Pack = Callable[..., dict[str, Any]]


def again(harvest: Harvest, facts: Facts, **more: Any) -> dict[str, Any]:
    return harvest(facts.recid, facts.source, if_changed=True, **more)


def target_of(result: dict[str, Any]) -> list[str]:
    return sorted(os.listdir(Path(result["path"]).parent))


def test_every_kind_is_here() -> None:
    """A new pipeline has to say what proves that nothing has changed."""
    assert set(PIPELINES) - {"local"} == set(KINDS)


@pytest.mark.parametrize("facts", EACH)
def test_an_unchanged_record_costs_its_metadata_only(
    facts: Facts, harvest: Harvest, sandbox: Sandbox
) -> None:
    """Nothing is made, and the package that is there is the result; counters may count."""
    made = harvest(facts.recid, facts.source)
    before = everything(Path(made["path"]).parent)
    facts.counts(sandbox)
    sandbox.seen.clear()

    result = again(harvest, facts)

    assert (0, True) == (result["status"], result["unchanged"])
    assert (made["foldername"], made["path"]) == (result["foldername"], result["path"])
    assert facts.requests == len(sandbox.seen)
    assert before == everything(Path(made["path"]).parent)


@pytest.mark.parametrize("facts", EACH)
def test_a_changed_record_becomes_a_new_package(
    facts: Facts, harvest: Harvest, sandbox: Sandbox
) -> None:
    """And the one after that is unchanged again."""
    made = harvest(facts.recid, facts.source)
    facts.changes(sandbox)

    result = again(harvest, facts)

    assert (0, False) == (result["status"], result["unchanged"])
    assert made["foldername"] != result["foldername"]
    assert validate(Path(result["path"])).verdict == "valid"
    assert again(harvest, facts)["foldername"] == result["foldername"]


@pytest.mark.parametrize("facts", EACH)
def test_it_takes_no_request_more_to_find_a_change(
    facts: Facts, harvest: Harvest, sandbox: Sandbox, tmp_path: Path
) -> None:
    """The answer that was compared is the one that is packaged."""
    harvest(facts.recid, facts.source, dry_run=True)
    facts.changes(sandbox)
    sandbox.seen.clear()
    harvest(facts.recid, facts.source, dry_run=True, target=tmp_path / "other")
    needed = [one.path for one in sandbox.seen]
    sandbox.seen.clear()

    result = again(harvest, facts, dry_run=True)

    assert not result["unchanged"]
    assert sorted(needed) == sorted(one.path for one in sandbox.seen)


def test_without_a_package_one_is_made(harvest: Harvest) -> None:
    """The target need not be there."""
    assert not harvest(7000001, if_changed=True)["unchanged"]


def test_the_command_line_says_so(harvest: Harvest, config_file: Path, tmp_path: Path) -> None:
    """The path on standard output, the reason on standard error, exit code 0."""
    made = harvest(7000001)
    words = [sys.executable, "-m", "bagit_create", "--source", "zenodo", "--recid", "7000001"]
    words += ["--target", str(tmp_path / "out"), "--config", str(config_file), "--if-changed"]

    done = subprocess.run(words, capture_output=True, encoding="utf-8", timeout=60)
    as_json = subprocess.run([*words, "--json"], capture_output=True, encoding="utf-8", timeout=60)

    assert (0, made["path"] + "\n") == (done.returncode, done.stdout)
    assert f"unchanged since {made['foldername']} was made: nothing was made\n" == done.stderr
    assert ("", True) == (as_json.stderr, json.loads(as_json.stdout)["unchanged"])


def test_the_result_is_of_the_package_that_is_there(harvest: Harvest) -> None:
    """All but what belongs to a run."""
    made = harvest(7000001)
    result = harvest(7000001, if_changed=True)

    other = {key for key in made if made[key] != result[key]} - {"warnings"}
    assert {"verified", "unchanged"} == other


# -- what else is no proof -------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("source", "recid"), [("zenodo", 7000010), ("cds-rdm", "sums0-00008"), ("cod", 5)]
)
def test_a_file_without_a_checksum_may_have_changed(
    source: str, recid: Any, harvest: Harvest
) -> None:
    """Nobody tells, so a package is made."""
    harvest(recid, source)

    assert not harvest(recid, source, if_changed=True)["unchanged"]


def test_a_file_that_was_exchanged_is_a_change(harvest: Harvest, sandbox: Sandbox) -> None:
    """Under the same name, of the same size."""
    harvest(7000001)
    sandbox.app("zenodo").records["7000001"].files["report.pdf"].content = Content(450_009)
    sandbox.app("zenodo").records["7000001"].files["empty.txt"] = File("empty.txt", Content(b""))

    assert not harvest(7000001, if_changed=True)["unchanged"]


def test_an_event_of_which_a_file_was_replaced_has_changed(
    harvest: Harvest, sandbox: Sandbox
) -> None:
    """Its checksum is another one."""
    harvest(555, "indico")
    event = sandbox.app("indico").events["555"]
    event.folders[0].inside[1] = Attachment(2, "b.pdf", Content(b"another"))

    result = harvest(555, "indico", if_changed=True)

    assert (False, 1) == (result["unchanged"], result["reused"])


def test_material_of_a_session_counts(harvest: Harvest, sandbox: Sandbox) -> None:
    """The first answer does not show it."""
    event = sandbox.app("indico").events["555"]
    event.sessions = [Thing(5, "A session", [Folder(9, [Attachment(9, "s.pdf")])], blocks=1)]
    harvest(555, "indico")
    assert harvest(555, "indico", if_changed=True)["unchanged"]
    event.sessions[0].folders[0].inside.append(Attachment(10, "new.pdf"))

    assert not harvest(555, "indico", if_changed=True)["unchanged"]


def test_a_marc_record_without_its_time_of_change_proves_nothing(
    harvest: Harvest, sandbox: Sandbox
) -> None:
    """Controlfield 005 is what says that files were not revised."""
    sandbox.app("cds").records["1002"].changed = ""
    harvest(1002, "cds")

    assert not harvest(1002, "cds", if_changed=True)["unchanged"]


def test_a_new_005_alone_is_a_change(harvest: Harvest, sandbox: Sandbox) -> None:
    """A file was revised, say, to one of the same size."""
    harvest(1002, "cds")
    sandbox.app("cds").records["1002"].changed = "20260101000000.0"

    assert not harvest(1002, "cds", if_changed=True)["unchanged"]


def test_an_old_index_of_files_is_looked_at(harvest: Harvest, sandbox: Sandbox) -> None:
    """It is a file of the portal, with a list of its own."""
    harvest(4, "cod")
    sandbox.seen.clear()

    assert harvest(4, "cod", if_changed=True)["unchanged"]
    assert ["4", "OLD_file_index.json"] == [one.path.rpartition("/")[2] for one in sandbox.seen]


def test_a_project_of_videos_is_asked_for_each(harvest: Harvest, sandbox: Sandbox) -> None:
    """One request a video, no payload."""
    harvest(3000002, "cds-videos")
    sandbox.seen.clear()
    assert harvest(3000002, "cds-videos", if_changed=True)["unchanged"]
    assert 3 == len(sandbox.seen)
    retitle("cds-videos", "3000004")(sandbox)

    assert not harvest(3000002, "cds-videos", if_changed=True)["unchanged"]


def test_gitlab_notes_activity_once_an_hour(harvest: Harvest, sandbox: Sandbox) -> None:
    """So a package that was made soon after one may lack the next."""
    from datetime import UTC, datetime, timedelta

    lately = datetime.now(UTC) - timedelta(minutes=30)
    sandbox.app("gitlab").active = lately.isoformat()
    harvest(7, "gitlab")

    assert not harvest(7, "gitlab", if_changed=True)["unchanged"]


def test_an_export_of_gitlab_cannot_be_compared(harvest: Harvest, sandbox: Sandbox) -> None:
    """It has in it what is no activity."""
    sandbox.app("gitlab").export = "ready"
    harvest(7, "gitlab", token="good")

    assert not harvest(7, "gitlab", token="good", if_changed=True)["unchanged"]


@pytest.mark.parametrize(
    ("state", "code"), [("deleted", 5), ("hidden", 5), ("closed", 6), ("restricted", 6)]
)
def test_a_record_that_is_gone_is_an_error(
    state: str, code: int, harvest: Harvest, sandbox: Sandbox
) -> None:
    """And not an unchanged one; its package stays."""
    made = harvest(7000001)
    sandbox.app("zenodo").records["7000001"].state = state

    assert code == harvest(7000001, if_changed=True)["exit_code"]
    assert [made["foldername"]] == target_of(made)


def test_another_server_is_another_record(harvest: Harvest, sandbox: Sandbox) -> None:
    """Though its answer be the same but for links."""
    harvest(1002, "ilcdoc")
    other = sandbox.app("ilcdoc").records["1002"]
    assert harvest(1002, "ilcdoc", if_changed=True)["unchanged"]

    result = harvest(1002, "ilcdoc", if_changed=True, base_url=sandbox.url("cds"))

    assert other is not sandbox.app("cds").records["1002"]
    assert (0, False) == (result["status"], result.get("unchanged"))


# -- what is asked for -----------------------------------------------------------------------------


@pytest.mark.parametrize(
    "more",
    [
        {"algorithm": "sha256"},
        {"bagit_version": "1.0"},
        {"archive": "tar"},
        {"dry_run": True},
        {"comment": "for the second series"},
        {"embargo": "2031-01-01"},
    ],
    ids=str,
)
def test_another_kind_of_package_is_made(more: dict[str, Any], harvest: Harvest) -> None:
    """What was asked for is not there; once it is, it is enough."""
    harvest(7000001)
    result = harvest(7000001, if_changed=True, **more)

    assert (0, False) == (result["status"], result["unchanged"])
    assert result["path"] == harvest(7000001, if_changed=True, **more)["path"]
    assert harvest(7000001, if_changed=True)["unchanged"]


@pytest.mark.parametrize(("made", "asked"), [("zip", "tar"), ("tar", None), ("tar", "tar.gz")])
def test_another_form_of_it_is_made(made: str, asked: str | None, harvest: Harvest) -> None:
    """A folder is asked for by naming none."""
    harvest(7000001, archive=made)

    assert not harvest(7000001, archive=asked, if_changed=True)["unchanged"]


def test_a_light_package_with_other_manifests_is_made(harvest: Harvest) -> None:
    """Of its own files, since those of the others are what upstream gives."""
    harvest(7000001, dry_run=True)

    assert not harvest(7000001, dry_run=True, algorithm="sha256", if_changed=True)["unchanged"]


@pytest.mark.parametrize("more", [{"algorithm": "md5"}, {"verify": False}], ids=str)
def test_more_than_is_asked_for_will_do(more: dict[str, Any], harvest: Harvest) -> None:
    """Further manifests, or payload that was read back."""
    harvest(7000001)

    assert harvest(7000001, if_changed=True, **more)["unchanged"]


def test_a_package_that_was_not_read_back_will_not_do(harvest: Harvest) -> None:
    """Unless that is what is asked for."""
    harvest(7000001, verify=False)

    assert harvest(7000001, if_changed=True, verify=False)["unchanged"]
    assert not harvest(7000001, if_changed=True)["unchanged"]


def test_a_light_package_is_enough_for_a_light_one(harvest: Harvest, sandbox: Sandbox) -> None:
    """One request, and for a full one it is not enough."""
    made = harvest(7000001, dry_run=True)
    sandbox.seen.clear()
    result = harvest(7000001, dry_run=True, if_changed=True)
    assert (True, made["path"], 1) == (result["unchanged"], result["path"], len(sandbox.seen))
    assert (made["files"], made["bytes"], True) == (
        result["files"],
        result["bytes"],
        result["light"],
    )

    full = harvest(7000001, if_changed=True)

    assert (0, False, 0) == (full["status"], full["unchanged"], full["reused"])


def test_a_light_package_that_was_completed_is_a_full_one(
    harvest: Harvest, config_file: Path
) -> None:
    """Though its history says that it was light."""
    made = harvest(7000001, dry_run=True)
    done = complete(Path(made["path"]), CompletionOptions(config=config_file))
    assert "valid" == done.report.verdict

    assert harvest(7000001, if_changed=True)["path"] == made["path"]


def test_hash_missing_is_asked_for(harvest: Harvest, sandbox: Sandbox) -> None:
    """A light package without the digests is not the one."""
    harvest(7000001, dry_run=True)

    assert not harvest(7000001, dry_run=True, hash_missing=True, if_changed=True)["unchanged"]
    assert harvest(7000001, dry_run=True, hash_missing=True, if_changed=True)["unchanged"]


def test_a_package_with_files_missing_is_made_anew(harvest: Harvest, sandbox: Sandbox) -> None:
    """The source may hand them out by now."""
    made = harvest(1900, "cds", allow_missing=True)
    assert made["missing"]

    assert not harvest(1900, "cds", allow_missing=True, if_changed=True)["unchanged"]


def test_a_file_that_is_only_mentioned_may_be_missing(harvest: Harvest) -> None:
    """An image that a note shows and nobody has any more."""
    assert harvest(NOTE, "codimd")["missing"]

    assert harvest(NOTE, "codimd", if_changed=True)["unchanged"]


@pytest.mark.parametrize("form", ["tar", "tar.gz", "zip"])
def test_an_archive_is_recognised(form: str, harvest: Harvest) -> None:
    """And nothing is unpacked."""
    made = harvest(7000001, archive=form)
    result = harvest(7000001, archive=form, if_changed=True)

    assert (True, made["path"], made["archive"]) == (
        result["unchanged"],
        result["path"],
        result["archive"],
    )
    assert [Path(made["path"]).name] == target_of(made)


def test_another_place_may_be_looked_in(harvest: Harvest, tmp_path: Path) -> None:
    """A folder of packages, or one of them; the target is left alone then."""
    made = harvest(7000001)
    for previous in (tmp_path / "out", made["path"], Path(made["path"])):
        result = harvest(7000001, if_changed=True, target=tmp_path / "elsewhere", previous=previous)
        assert (True, made["path"]) == (result["unchanged"], result["path"])
    assert not (tmp_path / "elsewhere").exists()


def test_the_id_of_all_versions_leads_to_the_package_of_the_newest(harvest: Harvest) -> None:
    """The name is that which upstream gives."""
    made = harvest(7000000)

    assert harvest(7000000, if_changed=True)["path"] == made["path"]
    assert harvest(7000001, if_changed=True)["path"] == made["path"]


def test_a_package_of_another_record_is_not_it(harvest: Harvest, tmp_path: Path) -> None:
    """Whatever it is called."""
    made = harvest(7000012)
    name = made["foldername"].replace("7000012", "7000001")
    Path(made["path"]).rename(tmp_path / "out" / name)

    assert not harvest(7000001, if_changed=True)["unchanged"]


# -- packages that do not count --------------------------------------------------------------------


def spoil_sip_json(package: Path) -> None:
    path = package / "data/meta/sip.json"
    path.write_text(path.read_text("utf-8").replace("SIP created", "SIP treated"), encoding="utf-8")


def spoil_tag_file(package: Path) -> None:
    (package / "bag-info.txt").write_text("Payload-Oxum: 1.1\n")


def lose_a_file(package: Path) -> None:
    (package / "data/content/report.pdf").unlink()


def cut_a_file(package: Path) -> None:
    os.truncate(package / "data/content/report.pdf", 1000)


def add_a_file(package: Path) -> None:
    (package / "data/content/more.txt").write_text("more")


def unmake(package: Path) -> None:
    (package / "bagit.txt").unlink()


def spoil_metadata(package: Path) -> None:
    path = package / "data/content/metadata.json"
    path.write_bytes(path.read_bytes().replace(b'"downloads": 1', b'"downloads": 2'))


def deep(package: Path) -> None:
    (package / "data/meta/sip.json").write_text("[" * 100_000)


@pytest.mark.parametrize(
    "spoil",
    [
        spoil_sip_json,
        spoil_tag_file,
        lose_a_file,
        cut_a_file,
        add_a_file,
        unmake,
        spoil_metadata,
        deep,
        shutil.rmtree,
    ],
)
def test_a_broken_package_is_not_taken_for_good(
    spoil: Callable[[Path], None], harvest: Harvest
) -> None:
    """A new one is made beside it, from upstream or from what in it can be proven."""
    made = harvest(7000001)
    spoil(Path(made["path"]))

    result = harvest(7000001, if_changed=True)

    assert (0, False) == (result["status"], result["unchanged"])
    assert "valid" == validate(Path(result["path"])).verdict


def test_an_older_package_counts_if_the_newest_is_broken(
    harvest: Harvest, sandbox: Sandbox
) -> None:
    """And somebody is told."""
    first, second = harvest(7000001), harvest(7000001)
    lose_a_file(Path(second["path"]))

    result = harvest(7000001, if_changed=True)

    assert (True, first["path"]) == (result["unchanged"], result["path"])
    [told] = [one for one in result["warnings"] if "is not sound" in one]
    assert second["foldername"] in told


def test_a_newer_package_counts_before_an_older_one(harvest: Harvest, sandbox: Sandbox) -> None:
    """Else what was changed and changed back would be the old one."""
    harvest(7000001)
    sandbox.app("zenodo").records["7000001"].title = "Between"
    harvest(7000001)
    sandbox.app("zenodo").records["7000001"].title = "Toy data, version 2"

    assert not harvest(7000001, if_changed=True)["unchanged"]


def made_by(program: str) -> Callable[[Path], None]:
    """Have another program be the maker, with everything else as it should be."""

    def change(package: Path) -> None:
        path = package / "data/meta/sip.json"
        text = path.read_text("utf-8")
        text = re.sub(r'"created_by": "[^"]*"', f'"created_by": "{program}"', text, count=1)
        path.write_text(text, encoding="utf-8")
        resign(package)

    return change


def resign(package: Path) -> None:
    """Bring the manifests up to date, as somebody would who changes a package on purpose."""
    import bagit

    here = os.getcwd()
    try:
        bag = bagit.Bag(str(package))
        bag.save(manifests=True)
    finally:
        os.chdir(here)


@pytest.mark.parametrize("program", ["bagit-create 1.0.3", "bagit-create unknown", "another 2.0"])
def test_a_package_of_another_program_is_not_taken_for_good(program: str, harvest: Harvest) -> None:
    """The forerunner did not compare what it fetched; its files are proven one by one."""
    made = harvest(7000001)
    made_by(program)(Path(made["path"]))
    assert "valid" == validate(Path(made["path"])).verdict

    result = harvest(7000001, if_changed=True)

    assert (False, 4) == (result["unchanged"], result["reused"])


def test_a_package_from_the_future_proves_nothing(harvest: Harvest) -> None:
    """A clock was wrong, then or now."""
    made = harvest(7000001)
    path = Path(made["path"]) / "data/meta/sip.json"
    later = str(made["timestamp"] + 80_000)
    path.write_text(path.read_text("utf-8").replace(str(made["timestamp"]), later), "utf-8")
    resign(Path(made["path"]))

    assert not harvest(7000001, if_changed=True)["unchanged"]


ODD = {
    '"path": "sub/void"': '"path": ["sub/void"]',
    '"files": [{': '"files": 5, "more": [{',
    '"metadata": false': '"metadata": true',
    '"origin": {': '"origin": [], "other": {',
    '"contentFiles": [': '"contentFiles": [null, 7, [], {"bagpath": []}, {"checksum": [7, null]},',
    '"audit": [{': '"audit": [7, {',
    '"params": {': '"params": 7, "more": {',
    '"usr-meta": {}': '"usr-meta": []',
}


@pytest.mark.parametrize("odd", ODD)
def test_a_package_may_say_anything(odd: str, pack: Pack) -> None:
    """And sign for it: then a new one is made, and nothing breaks."""
    made = Path(pack()["path"])
    text = (made / "data/meta/sip.json").read_text("utf-8")
    assert odd in text
    (made / "data/meta/sip.json").write_text(text.replace(odd, ODD[odd]), "utf-8")
    resign(made)

    result = pack(if_changed=True)

    assert (0, False) == (result["status"], result["unchanged"])


def test_a_package_that_was_given_another_time_is_not_the_newest_for_ever(
    harvest: Harvest, sandbox: Sandbox
) -> None:
    """Else each later run would compare the record with it, and make one more."""
    made = Path(harvest(7000001)["path"])
    made.rename(made.with_name("sip::zenodo::7000001::99999999999"))
    new, again = harvest(7000001, if_changed=True), harvest(7000001, if_changed=True)

    assert [(False, new["reused"] > 0), (True, False)] == [
        (one["unchanged"], one["reused"] > 0) for one in (new, again)
    ]
    assert new["foldername"] == again["foldername"]


@pytest.mark.parametrize("name", ["stats", "links", "ui"])
def test_a_file_may_be_called_as_what_does_not_count(
    name: str, harvest: Harvest, sandbox: Sandbox
) -> None:
    """A record names its files as keys, beside those of counters and links."""
    sandbox.add_record("inveniordm", "names-00001", {name: b"one"})
    harvest("names-00001", "inveniordm")
    sandbox.add_file("inveniordm", "names-00001", name, b"two")
    result = harvest("names-00001", "inveniordm", if_changed=True)

    assert not result["unchanged"]


def test_a_link_in_the_target_is_passed_over(harvest: Harvest, tmp_path: Path) -> None:
    """What it leads to may be gone tomorrow; named by the user, it may be one."""
    made = harvest(7000001, target=tmp_path / "store")
    (tmp_path / "out").mkdir()
    link = tmp_path / "out" / made["foldername"]
    link.symlink_to(made["path"])

    assert harvest(7000001, if_changed=True, previous=link)["unchanged"]
    assert not harvest(7000001, if_changed=True)["unchanged"]


def test_odd_things_of_a_packages_name_are_passed_over(harvest: Harvest, tmp_path: Path) -> None:
    """A FIFO, a file, a folder that is no number of seconds."""
    out = tmp_path / "out"
    out.mkdir()
    os.mkfifo(out / "sip::zenodo::7000001::1700000003.tar")
    (out / "sip::zenodo::7000001::1700000002").write_text("a file")
    (out / "sip::zenodo::7000001::now").mkdir()
    (out / "sip::zenodo::7000001::1700000001.zip").mkdir()
    (out / "sip::zenodo::7000001::1700000004.zip").write_bytes(b"PK no archive")

    result = harvest(7000001, if_changed=True)

    assert (0, False) == (result["status"], result["unchanged"])
    assert any("1700000004.zip is not sound" in one for one in result["warnings"])


@pytest.mark.parametrize("staged", [".bic-staging", ".bic-staging/zenodo-7000001-x/bag"])
def test_a_staging_folder_is_no_package(
    staged: str, harvest: Harvest, sandbox: Sandbox, tmp_path: Path
) -> None:
    """What is in it is not finished; nothing is asked."""
    (tmp_path / staged).mkdir(parents=True)

    result = harvest(7000001, previous=tmp_path / staged)

    assert (2, []) == (result["exit_code"], sandbox.seen)
    assert "staging folder" in result["errormsg"]


def test_a_place_that_is_not_there_is_2(harvest: Harvest, sandbox: Sandbox, tmp_path: Path) -> None:
    """So is what is no package; before any request."""
    (tmp_path / "text.txt").write_text("hello")
    os.mkfifo(tmp_path / "fifo")
    for name in ("missing", "text.txt", "fifo", "text.txt/below"):
        assert 2 == harvest(7000001, previous=tmp_path / name)["exit_code"]
        assert 2 == harvest(7000001, if_changed=True, previous=tmp_path / name)["exit_code"]
    assert [] == sandbox.seen


@pytest.mark.parametrize("facts", [{"if_changed": "perhaps"}, {"previous": 7}], ids=str)
def test_values_of_another_type_are_2(facts: dict[str, Any], harvest: Harvest) -> None:
    """As for every keyword."""
    assert 2 == harvest(7000001, **facts)["exit_code"]


def test_an_answer_that_is_broken_is_an_error(harvest: Harvest, sandbox: Sandbox) -> None:
    """And no unchanged record."""
    harvest(7000001)
    sandbox.fault("/api/records/7000001$", Fault("not-json"))

    assert 4 == harvest(7000001, if_changed=True)["exit_code"]


def test_a_zip_that_lies_about_its_sizes_does_not_count(harvest: Harvest) -> None:
    """It is judged as 'bic validate' does."""
    made = harvest(7000001, archive="zip")
    path = Path(made["path"])
    with zipfile.ZipFile(path, "a") as archive:
        archive.writestr(f"{made['foldername']}/data/content/more.txt", "more")

    assert not harvest(7000001, archive="zip", if_changed=True)["unchanged"]


# -- folders of this machine -----------------------------------------------------------------------


@pytest.mark.parametrize("light", [False, True])
def test_an_unchanged_folder_is_recognised(light: bool, pack: Pack) -> None:
    """By names, sizes and times; what was written to lately is read."""
    made = pack(dry_run=light)

    result = pack(dry_run=light, if_changed=True)

    assert (True, made["path"]) == (result["unchanged"], result["path"])


def rewrite(folder: Path) -> None:
    """The same size and time, other bytes."""
    facts = (folder / "a.txt").stat()
    (folder / "a.txt").write_text("alpho")
    os.utime(folder / "a.txt", ns=(facts.st_atime_ns, facts.st_mtime_ns))


def touch(folder: Path) -> None:
    os.utime(folder / "a.txt", (1, 1))


@pytest.mark.parametrize(
    "change",
    [
        rewrite,
        touch,
        lambda folder: (folder / "a.txt").write_text("longer"),
        lambda folder: (folder / "a.txt").unlink(),
        lambda folder: (folder / "a.txt").rename(folder / "c.txt"),
        lambda folder: (folder / "new.txt").write_text(""),
        lambda folder: (folder / "newvoid").mkdir(),
        lambda folder: (folder / "sub/void").rmdir(),
        lambda folder: (folder / "sub/lost").unlink(),
    ],
    ids=["rewritten", "touched", "longer", "gone", "renamed", "new", "folder", "no-folder", "link"],
)
def test_a_changed_folder_is_packaged(
    change: Callable[[Path], object], pack: Pack, folder: Path
) -> None:
    """Whatever it is that changed."""
    pack()
    change(folder)

    result = pack(if_changed=True)

    assert (0, False) == (result["status"], result["unchanged"])
    assert pack(if_changed=True)["path"] == result["path"]


def test_the_same_files_elsewhere_are_another_folder(
    pack: Pack, folder: Path, tmp_path: Path
) -> None:
    """Though the user call them the same."""
    pack(recid="series-7")
    shutil.copytree(folder, tmp_path / "copy", symlinks=True)

    assert pack(recid="series-7", if_changed=True)["unchanged"]
    assert not pack(recid="series-7", if_changed=True, source_path=tmp_path / "copy")["unchanged"]


def test_a_file_that_nobody_can_have_written_to_is_not_read(
    pack: Pack, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The system's own time of change is before the reading for the package."""
    pack()
    monkeypatch.setattr(same, "SETTLED_S", -3600)  # as if all of this were long ago
    monkeypatch.setattr(same, "digest", lambda *_: pytest.fail("it was read"))

    assert pack(if_changed=True)["unchanged"]


def test_previous_is_of_no_use_for_a_folder(pack: Pack, tmp_path: Path) -> None:
    """Its files are here anyway, so without --if-changed it is refused."""
    made = pack()

    assert 2 == pack(previous=made["path"])["exit_code"]
    assert pack(previous=made["path"], if_changed=True)["unchanged"]


def test_the_history_tells_what_was_asked_for(harvest: Harvest, tmp_path: Path) -> None:
    """The name of the folder alone; its place on a machine is nobody's business."""
    made = harvest(7000001, if_changed=True, previous=tmp_path)

    params = sip_json(made)["audit"][0]["tool"]["params"]
    assert (True, tmp_path.name) == (params["if_changed"], params["previous"])
    assert str(tmp_path.parent) not in json.dumps(params)
