"""Files of an earlier package serve a new one, if their bytes are those that upstream lists."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from packages import Harvest, by_name, everything, payload, sip_json
from test_if_changed import resign

from bagit_create import log
from bagit_create.errors import Interrupted
from bagit_create.job import Job
from bagit_create.model import Silent
from bagit_create.options import JobOptions
from bagit_create.sandbox import Fault, Sandbox
from bagit_create.sandbox.shapes import File
from bagit_create.transfer import reuse
from bagit_create.validation import validate

RECID = "7000500"
FILES = {f"part {n}/f{n}.bin": b"%d" % n * (1000 + n) for n in range(9)} | {
    "large.bin": b"L" * 90_000
}
CHANGED = "part 3/f3.bin"


@pytest.fixture(autouse=True)
def record(sandbox: Sandbox) -> None:
    """A record of ten files."""
    sandbox.add_record("zenodo", RECID, dict(FILES), title="Ten toys")


@pytest.fixture
def last(harvest: Harvest, sandbox: Sandbox) -> Path:
    """Its package, made before one of the files changed."""
    made = harvest(RECID)
    sandbox.add_file("zenodo", RECID, CHANGED, b"new")
    sandbox.seen.clear()
    return Path(made["path"])


def fetched(sandbox: Sandbox) -> int:
    """How many files came from upstream."""
    return sum("/content" in one.path for one in sandbox.seen)


def step(result: dict[str, Any]) -> dict[str, Any]:
    """The step of the history that tells of the reuse."""
    [one] = [one for one in sip_json(result)["audit"] if one["action"] == "reuse"]
    params: dict[str, Any] = one["tool"]["params"]
    return params


def assert_whole(result: dict[str, Any]) -> None:
    """The package is valid, and has upstream's files of today, none tied to another package."""
    assert "valid" == validate(Path(result["path"])).verdict
    content = Path(result["path"]) / "data/content"
    expected = FILES | {CHANGED: b"new"}
    assert expected == {
        name: (content / name).read_bytes() for name in payload(result) - {"metadata.json"}
    }
    assert {1} == {(content / name).stat().st_nlink for name in expected}


def warned(result: dict[str, Any]) -> list[str]:
    return [one for one in result["warnings"] if "fetched again" in one]


@pytest.mark.parametrize("how", ["if_changed", "previous"])
def test_only_what_changed_is_fetched(
    how: str, last: Path, harvest: Harvest, sandbox: Sandbox
) -> None:
    """Nine of ten files come from the last package."""
    before = everything(last)
    result = harvest(RECID, **({"if_changed": True} if how == "if_changed" else {"previous": last}))

    assert (9, 1, False) == (result["reused"], fetched(sandbox), result["unchanged"])
    assert_whole(result)
    assert before == everything(last)


def test_the_history_names_what_was_reused(last: Path, harvest: Harvest, sandbox: Sandbox) -> None:
    """The package, the files, and the checksum that was compared."""
    result = harvest(RECID, previous=last)

    params = step(result)
    md5 = sandbox.app("zenodo").records[RECID].files["large.bin"].published()
    place = "data/content/large.bin"
    assert last.name == params["package"]
    assert {"file": place, "from": place, "checksum": md5} in params["files"]
    assert 9 == len(params["files"])
    assert f"data/content/{CHANGED}" not in {one["file"] for one in params["files"]}


def test_where_a_file_is_from_stays_upstreams_address(last: Path, harvest: Harvest) -> None:
    """With the time at which the bytes left upstream, and that of the copy."""
    old = last / "data/meta/sip.json"
    [entry] = [
        one
        for one in json.loads(old.read_text("utf-8"))["contentFiles"]
        if one["bagpath"] == "data/content/large.bin"
    ]
    first = entry["origin"]["fetched"]
    text = old.read_text("utf-8").replace(f'"fetched": {first}', f'"fetched": {first - 5000}')
    old.write_text(text, "utf-8")
    resign(last)

    made = by_name(harvest(RECID, previous=last))
    origin = made["large.bin"]["origin"]

    assert entry["origin"]["url"] == origin["url"]
    assert first - 5000 == origin["fetched"]
    assert first <= origin["reused"]
    assert "http_status" not in origin
    assert "reused" not in made[CHANGED]["origin"]
    assert entry["checksum"] == made["large.bin"]["checksum"]


@pytest.mark.parametrize("told", ["99999999999", "-5", "true", "null"])
def test_a_time_that_cannot_be_is_not_handed_on(told: str, last: Path, harvest: Harvest) -> None:
    """Nobody knows then when the bytes left upstream."""
    path = last / "data/meta/sip.json"
    path.write_text(re.sub(r'"fetched": \d+', f'"fetched": {told}', path.read_text()), "utf-8")
    resign(last)

    origin = by_name(harvest(RECID, previous=last))["large.bin"]["origin"]

    assert ("fetched" in origin, "reused" in origin) == (False, True)


def test_a_time_that_somebody_wrote_in_is_not_handed_on(last: Path, harvest: Harvest) -> None:
    """The manifests tell that sip.json is another one now."""
    path = last / "data/meta/sip.json"
    path.write_text(re.sub(r'"fetched": \d+', '"fetched": 86400', path.read_text()), "utf-8")

    result = harvest(RECID, previous=last)

    assert 9 == result["reused"]
    assert "fetched" not in by_name(result)["large.bin"]["origin"]


@pytest.mark.parametrize("told", ["[null]", "[0, {}]", "null", "{}", '["http://[x"]'])
def test_an_address_that_is_none_says_nothing_of_a_time(
    told: str, last: Path, harvest: Harvest
) -> None:
    """Anything may stand in an earlier package; its files are proven all the same."""
    path = last / "data/meta/sip.json"
    old = json.loads(path.read_text("utf-8"))
    for one in old["contentFiles"]:
        one["origin"]["url"] = json.loads(told)
    path.write_text(json.dumps(old), "utf-8")
    resign(last)

    result = harvest(RECID, previous=last)

    assert 9 == result["reused"]
    assert "fetched" not in by_name(result)["large.bin"]["origin"]


def test_the_time_of_a_download_from_another_server_is_not_handed_on(
    last: Path, harvest: Harvest, sandbox: Sandbox
) -> None:
    """It would stand beside an address of which nothing was fetched."""
    sandbox.add_record("cds-rdm", "abcde-12345", dict(FILES))
    sandbox.seen.clear()

    result = harvest("abcde-12345", "cds-rdm", previous=last)

    assert (10, 0) == (result["reused"], fetched(sandbox))
    assert last.name == step(result)["package"]
    origin = by_name(result)["large.bin"]["origin"]
    assert ("fetched" in origin, "reused" in origin) == (False, True)


def test_a_file_of_another_size_is_not_the_one(
    last: Path, harvest: Harvest, sandbox: Sandbox
) -> None:
    """Upstream contradicts itself then, and is asked."""
    listed = sandbox.app("zenodo").records[RECID].files["large.bin"]
    real = listed.published()
    sandbox.add_file("zenodo", RECID, "large.bin", b"L" * 90_001, checksum="md5")
    other = sandbox.app("zenodo").records[RECID].files["large.bin"]
    object.__setattr__(other, "published", lambda: real)

    result = harvest(RECID, previous=last)

    assert 9 == result["exit_code"]


def test_it_is_handed_on_from_package_to_package(
    last: Path, harvest: Harvest, sandbox: Sandbox
) -> None:
    """The time is that of the only download."""
    second = harvest(RECID, if_changed=True)
    sandbox.app("zenodo").records[RECID].title = "Another"
    third = harvest(RECID, if_changed=True)

    assert (9, 10) == (second["reused"], third["reused"])
    assert second["foldername"] == step(third)["package"]
    one, other = (by_name(made)["large.bin"]["origin"] for made in (second, third))
    assert one["fetched"] == other["fetched"]


def test_other_manifests_are_made_of_the_same_bytes(
    last: Path, harvest: Harvest, sandbox: Sandbox
) -> None:
    """Nothing is copied from the old manifests."""
    result = harvest(RECID, previous=last, algorithm="sha256", bagit_version="1.0")

    assert 9 == result["reused"]
    assert_whole(result)


def test_a_file_that_moved_is_found_by_its_checksum(
    last: Path, harvest: Harvest, sandbox: Sandbox
) -> None:
    """Under another name."""
    files = sandbox.app("zenodo").records[RECID].files
    content = files.pop("large.bin").content
    files["moved/to here.bin"] = File("moved/to here.bin", content)

    result = harvest(RECID, previous=last)

    assert (9, 1) == (result["reused"], fetched(sandbox))
    origins = {one["file"]: one["from"] for one in step(result)["files"]}
    assert "data/content/large.bin" == origins["data/content/moved/to here.bin"]
    assert "valid" == validate(Path(result["path"])).verdict


TWIN = bytes.fromhex(
    "d131dd02c5e6eec4693d9a0698aff95c2fcab58712467eab4004583eb8fb7f89"
    "55ad340609f4b30283e488832571415a085125e8f7cdc99fd91dbdf280373c5b"
    "d8823e3156348f5bae6dacd436c919c6dd53e2b487da03fd02396306d248cda0"
    "e99f33420f577ee8ce54b67080a80d1ec69821bcb6a8839396f9652b6ff72a70"
)
"""One of two blocks of one md5, by X. Wang et al. (2004); six bits are all that differs."""
OTHER = bytearray(TWIN)
for place in (19, 45, 59, 83, 109, 123):
    OTHER[place] ^= 0x80


@pytest.mark.parametrize(
    ("then", "today"),
    [
        ({"a": TWIN, "b": bytes(OTHER)}, {"other name": bytes(OTHER)}),
        ({"a": TWIN}, {"a": TWIN, "b": bytes(OTHER)}),
    ],
)
def test_two_files_of_one_md5_are_not_taken_for_each_other(
    then: dict[str, bytes], today: dict[str, bytes], harvest: Harvest, sandbox: Sandbox
) -> None:
    """Such pairs are published as examples, and stand in repositories."""
    sandbox.add_record("zenodo", "7000600", dict(then))
    made = harvest("7000600")
    sandbox.add_record("zenodo", "7000601", dict(today))
    result = harvest("7000601", previous=made["path"])

    content = Path(result["path"]) / "data/content"
    assert today == {name: (content / name).read_bytes() for name in today}


def test_a_part_that_was_downloaded_gives_way_to_the_whole_file(
    last: Path, harvest: Harvest, sandbox: Sandbox
) -> None:
    """The first run knew of no earlier package, and broke off."""
    sandbox.fault("large.bin/content", Fault("cut", after=70_000))
    broken = harvest(RECID, target=last.parent / "new")
    sandbox.clear()
    result = harvest(RECID, target=last.parent / "new", previous=last)

    assert 8 == broken["exit_code"]
    assert (0, None) == (result["status"], result["errormsg"])
    assert_whole(result)


def test_a_new_version_is_another_record(last: Path, harvest: Harvest, sandbox: Sandbox) -> None:
    """Whose package may serve it, if the user says so."""
    sandbox.add_record("zenodo", "7000501", {**FILES, "more.bin": b"more"})

    result = harvest(7000501, previous=last)
    alone = harvest(7000501)

    assert (10, 0) == (result["reused"], alone["reused"])


def test_without_either_option_everything_is_fetched(
    last: Path, harvest: Harvest, sandbox: Sandbox
) -> None:
    """Though there is a package in the target."""
    assert 0 == harvest(RECID)["reused"]
    assert 10 == fetched(sandbox)


def test_adler32_and_the_size_are_not_enough(harvest: Harvest, sandbox: Sandbox) -> None:
    """It is as short as an accident; one file of the record has a sha1."""
    made = harvest(5, "cod")
    sandbox.app("cod").records["5"]["title"] = "Changed"

    result = harvest(5, "cod", previous=made["path"])

    assert 1 == result["reused"]
    assert ["sha1"] == [one["checksum"][:4] for one in step(result)["files"]]


def test_no_package_is_opened_for_files_that_nothing_recognises(
    harvest: Harvest, sandbox: Sandbox, monkeypatch: pytest.MonkeyPatch
) -> None:
    """There may be one of each month, and each takes as long as it is large."""
    made = harvest(7000010)
    opened: list[Path] = []
    monkeypatch.setattr("bagit_create.earlier.earlier.Package", opened.append)

    assert (0, 0) == (made["status"], harvest(7000010, previous=made["path"])["status"])
    assert not opened


def test_a_file_without_a_checksum_is_fetched(harvest: Harvest, sandbox: Sandbox) -> None:
    """Nobody knows whether it is the same."""
    made = harvest(7000010)

    assert 0 == harvest(7000010, previous=made["path"])["reused"]


@pytest.mark.parametrize(
    ("source", "recid", "reused"),
    [
        ("cds-videos", 3000001, 6),
        ("cds-rdm", "k3f9q-7xw21", 4),
        ("indico", 101, 9),
        ("cds", 1001, 1),
    ],
)
def test_every_source_with_checksums_can_reuse(
    source: str, recid: Any, reused: int, harvest: Harvest, sandbox: Sandbox
) -> None:
    """What it lists with an md5, to the last file."""
    made = harvest(recid, source)
    result = harvest(recid, source, previous=made["path"])

    assert reused == result["reused"]
    assert "valid" == validate(Path(result["path"])).verdict
    assert payload(made) == payload(result)


# -- a last package that is not what it says -------------------------------------------------------

Spoil = Callable[[Path], object]


def damage(file: Path) -> None:
    file.write_bytes(b"M" + file.read_bytes()[1:])


def cut(file: Path) -> None:
    os.truncate(file, 100)


def lengthen(file: Path) -> None:
    file.write_bytes(file.read_bytes() + b"more")


def swap(file: Path) -> None:
    shutil.copy(file.parents[1] / "part 1/f1.bin", file)


def link(file: Path) -> None:
    outside = file.parents[4] / "outside.bin"
    shutil.move(file, outside)
    file.symlink_to(outside)


def pipe(file: Path) -> None:
    file.unlink()
    os.mkfifo(file)


def folder(file: Path) -> None:
    file.unlink()
    file.mkdir()


SPOILT: dict[str, Spoil] = {
    "part 0/f0.bin": damage,
    "part 2/f2.bin": cut,
    "part 4/f4.bin": lengthen,
    "part 5/f5.bin": swap,
    "part 6/f6.bin": Path.unlink,
    "part 7/f7.bin": link,
    "part 8/f8.bin": pipe,
    "large.bin": folder,
}


def test_a_damaged_file_is_fetched(last: Path, harvest: Harvest, sandbox: Sandbox) -> None:
    """Whatever became of it; the old package is left as it is."""
    for name, spoil in SPOILT.items():
        spoil(last / "data/content" / name)
    before = sorted(map(str, last.rglob("*")))

    result = harvest(RECID, previous=last)

    assert (1, 9) == (result["reused"], fetched(sandbox))
    assert ["data/content/part 1/f1.bin"] == [one["from"] for one in step(result)["files"]]
    assert_whole(result)
    assert before == sorted(map(str, last.rglob("*")))


def test_somebody_is_told_of_the_damage(last: Path, harvest: Harvest) -> None:
    """With each file and the package."""
    named = [name for name, spoil in SPOILT.items() if spoil in (damage, cut, lengthen, swap)]
    for name in named:
        SPOILT[name](last / "data/content" / name)

    told = sorted(warned(harvest(RECID, previous=last)))

    assert named == sorted(name for name in FILES for one in told if f"data/content/{name}" in one)
    assert all(last.name in one for one in told)


def test_a_folder_that_became_a_link_is_not_entered(
    last: Path, harvest: Harvest, sandbox: Sandbox, tmp_path: Path
) -> None:
    """Though the right bytes be behind it."""
    shutil.move(last / "data/content/part 1", tmp_path / "outside")
    (last / "data/content/part 1").symlink_to(tmp_path / "outside")

    result = harvest(RECID, previous=last)

    assert (8, 2) == (result["reused"], fetched(sandbox))
    assert_whole(result)


CLIMBING = (
    "data/../../{name}",
    "data/content/../../../{name}",
    "../{name}",
    "{place}/{name}",
    "data/content/%2e%2e/%2e%2e/%2e%2e/{name}",
)


def test_a_path_that_climbs_out_is_not_read(last: Path, harvest: Harvest, sandbox: Sandbox) -> None:
    """Though the right bytes be there."""
    names = [name for name in FILES if name != CHANGED][: len(CLIMBING)]
    places = {
        name: path.format(name=os.path.basename(name), place=last.parent)
        for name, path in zip(names, CLIMBING, strict=True)
    }
    for file in ("manifest-md5.txt", "manifest-sha512.txt", "data/meta/sip.json"):
        text = (last / file).read_text("utf-8")
        for name, path in places.items():
            text = text.replace(f"data/content/{name}", path)
        (last / file).write_text(text, "utf-8")
    for name in names:
        shutil.move(last / "data/content" / name, last.parent)

    result = harvest(RECID, previous=last)

    assert (4, 6) == (result["reused"], fetched(sandbox))
    assert_whole(result)


def test_a_promise_of_the_wrong_file_is_not_believed(
    last: Path, harvest: Harvest, sandbox: Sandbox
) -> None:
    """All that a manifest says is where to look."""
    manifest = last / "manifest-md5.txt"
    lines = [line.split(" ", 1) for line in manifest.read_text("utf-8").splitlines()]
    turned = zip(lines, lines[1:] + lines[:1], strict=True)
    manifest.write_text("".join(f"{one[0]} {other[1]}\n" for one, other in turned), "utf-8")
    (last / "data/meta/sip.json").write_text("{}")

    result = harvest(RECID, previous=last)

    assert 0 == result["reused"]
    assert_whole(result)


def lose_declaration(last: Path) -> None:
    (last / "bagit.txt").unlink()


def lose_sip_json(last: Path) -> None:
    (last / "data/meta/sip.json").unlink()


def lose_manifests(last: Path) -> None:
    for one in last.glob("manifest-*"):
        one.unlink()


def nonsense(last: Path) -> None:
    (last / "data/meta/sip.json").write_bytes(b'{"contentFiles": [1, null, {"bagpath": 7}, [[')


@pytest.mark.parametrize(
    ("spoil", "reused"),
    [(lose_declaration, 0), (lose_sip_json, 9), (lose_manifests, 9), (nonsense, 9)],
)
def test_a_broken_package_may_still_have_files(
    spoil: Spoil, reused: int, last: Path, harvest: Harvest
) -> None:
    """Each is proven by itself; what is no bag is none."""
    spoil(last)

    result = harvest(RECID, if_changed=True)

    assert (False, reused) == (result["unchanged"], result["reused"])
    assert any("is not sound" in one for one in result["warnings"])
    assert_whole(result)


def test_what_changes_while_it_is_copied_is_fetched(
    last: Path, harvest: Harvest, sandbox: Sandbox, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A file that somebody appends to has no end."""
    blocks = reuse._blocks

    def growing(held: Any) -> Any:
        yield from blocks(held)
        if held.bagpath.endswith("large.bin"):
            yield b"more"

    monkeypatch.setattr(reuse, "_blocks", growing)
    result = harvest(RECID, previous=last)

    assert (8, 2, 1) == (result["reused"], fetched(sandbox), len(warned(result)))
    assert_whole(result)


def test_a_damaged_file_that_upstream_has_not_either_is_an_error(
    last: Path, harvest: Harvest, sandbox: Sandbox, tmp_path: Path
) -> None:
    """No package is made of damaged bytes."""
    damage(last / "data/content/large.bin")
    sandbox.fault("large.bin", Fault("status", 404))

    result = harvest(RECID, previous=last, target=tmp_path / "new")

    assert 8 == result["exit_code"]
    assert not (tmp_path / "new").exists()


# -- other forms of packages -----------------------------------------------------------------------


@pytest.mark.parametrize(("form", "reused"), [("tar", 9), ("zip", 9), ("tar.gz", 0)])
def test_files_come_out_of_an_archive(
    form: str, reused: int, harvest: Harvest, sandbox: Sandbox
) -> None:
    """But not of one that is compressed as a whole: each would be searched for from the start."""
    made = harvest(RECID, archive=form)
    sandbox.add_file("zenodo", RECID, CHANGED, b"new")

    result = harvest(RECID, if_changed=True)

    assert reused == result["reused"]
    if reused:
        assert made["foldername"] == step(result)["package"]
    assert_whole(result)


def test_a_damaged_archive_gives_what_is_whole(harvest: Harvest, sandbox: Sandbox) -> None:
    """Member by member."""
    made = harvest(RECID, archive="tar")
    sandbox.add_file("zenodo", RECID, CHANGED, b"new")
    raw = Path(made["path"]).read_bytes()
    Path(made["path"]).write_bytes(raw.replace(b"L" * 1000, b"M" * 1000, 1))

    result = harvest(RECID, if_changed=True)

    assert (8, 1) == (result["reused"], len(warned(result)))
    assert_whole(result)


def test_an_archive_of_the_new_is_made_of_a_folder(last: Path, harvest: Harvest) -> None:
    """The forms have nothing to do with each other."""
    result = harvest(RECID, previous=last, archive="zip")

    assert 9 == result["reused"]
    assert "valid" == validate(Path(result["path"])).verdict


def test_a_light_package_has_nothing_to_give(harvest: Harvest, sandbox: Sandbox) -> None:
    """An older full one has."""
    harvest(RECID)
    sandbox.add_file("zenodo", RECID, CHANGED, b"new")
    harvest(RECID, dry_run=True)

    result = harvest(RECID, if_changed=True)

    assert 9 == result["reused"]
    assert_whole(result)


def test_a_light_package_takes_nothing(last: Path, harvest: Harvest, sandbox: Sandbox) -> None:
    """So --previous alone would be of no use, and is refused; no payload is fetched or copied."""
    assert 2 == harvest(RECID, previous=last, dry_run=True)["exit_code"]

    result = harvest(RECID, if_changed=True, dry_run=True, hash_missing=True)

    assert (0, 0) == (result["reused"], fetched(sandbox))
    assert {"metadata.json"} == payload(result)


def test_a_plain_bag_will_do(harvest: Harvest, sandbox: Sandbox, tmp_path: Path) -> None:
    """Such as one that another program made of the same files."""
    import bagit

    plain = tmp_path / "plain"
    for name, content in FILES.items():
        (plain / name).parent.mkdir(parents=True, exist_ok=True)
        (plain / name).write_bytes(content)
    here = os.getcwd()
    try:
        bagit.make_bag(str(plain), checksums=["md5"])
    finally:
        os.chdir(here)

    made = harvest(RECID, previous=plain)

    assert (10, 0) == (made["reused"], fetched(sandbox))
    assert "fetched" not in by_name(made)["large.bin"]["origin"]


def test_the_command_line_has_it_too(
    last: Path, config_file: Path, tmp_path: Path, sandbox: Sandbox
) -> None:
    """--previous PATH."""
    words = [sys.executable, "-m", "bagit_create", "-s", "zenodo", "--recid", RECID, "--json"]
    words += ["-t", str(tmp_path / "new"), "--config", str(config_file), "--previous", str(last)]
    done = subprocess.run(words, capture_output=True, encoding="utf-8", timeout=60)

    assert 9 == json.loads(done.stdout)["reused"]


# -- runs that end before their time ---------------------------------------------------------------

KILLED = """
import os, signal, sys
import bagit_create.transfer.fetch
from bagit_create.cli import cli
fetch = sys.modules["bagit_create.transfer.fetch"]
take, left = fetch.take_over, [int(sys.argv[1])]
def counted(*args):
    made = take(*args)
    left[0] -= 1
    if not left[0]:
        os.kill(os.getpid(), signal.SIGKILL)
    return made
fetch.take_over = counted
cli(sys.argv[2:], prog_name="bic")
"""


@pytest.mark.parametrize("after", [1, 5])
def test_killed_while_it_copies_and_begun_again(
    after: int, last: Path, harvest: Harvest, config_file: Path, sandbox: Sandbox
) -> None:
    """What was copied is not copied again, and the history still tells where it came from."""
    words = ["-s", "zenodo", "--recid", RECID, "-t", str(last.parent), "--previous", str(last)]
    words += ["--jobs", "1"]  # else several are copied and not noted yet
    command = [sys.executable, "-c", KILLED, str(after), *words, "--config", str(config_file)]
    assert -9 == subprocess.run(command, timeout=60).returncode
    assert [".bic-staging", last.name] == sorted(os.listdir(last.parent))
    shutil.move(last, last.parent.parent / "away")

    result = harvest(RECID)

    finished = after - 1  # the last one was not noted yet
    assert (finished, 10 - finished) == (result["reused"], fetched(sandbox))
    if finished:
        assert (last.name, finished) == (step(result)["package"], len(step(result)["files"]))
    assert_whole(result)
    assert [result["foldername"]] == os.listdir(last.parent)


def test_a_run_that_failed_goes_on_with_a_package(
    last: Path, harvest: Harvest, sandbox: Sandbox
) -> None:
    """What it had fetched itself is taken first."""
    sandbox.fault("large.bin", Fault("status", 503))
    assert 7 == harvest(RECID, jobs=1, retries=0)["exit_code"]
    sandbox.clear()

    result = harvest(RECID, previous=last)

    assert 1 + 9 >= result["reused"] + fetched(sandbox)
    assert 0 < result["reused"] < 9
    assert_whole(result)


def test_a_run_that_is_stopped_stops_copying(
    last: Path, harvest: Harvest, config_file: Path, sandbox: Sandbox
) -> None:
    """What is here already is kept for the next one."""
    options = JobOptions(
        source="zenodo", recid=RECID, target=last.parent, config=config_file, previous=last, jobs=1
    )

    class Stopping(Silent):
        def file_done(self, bagpath: str) -> None:
            job.stop()

    with log.job() as own:
        job = Job(options, Stopping(), own)
        with pytest.raises(Interrupted):
            job.run()

    result = harvest(RECID, previous=last)
    assert (9, 1) == (result["reused"], fetched(sandbox))
    assert_whole(result)


def test_no_room_is_an_error_and_no_damage(
    last: Path, harvest: Harvest, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A disk that is full while a file is copied is not the old package's fault."""

    def full(*_: Any, **__: Any) -> Any:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(reuse, "open", full, raising=False)
    result = harvest(RECID, previous=last)

    assert 10 == result["exit_code"]
    assert [last.name] == os.listdir(last.parent)


def test_bytes_are_read_once_and_written_once(
    last: Path, harvest: Harvest, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Not first judged and then copied."""
    read: list[tuple[str, int]] = []
    blocks = reuse._blocks

    def counted(held: Any) -> Any:
        for block in blocks(held):
            read.append((held.bagpath, len(block)))
            yield block

    monkeypatch.setattr(reuse, "_blocks", counted)
    harvest(RECID, previous=last, verify=False)

    assert sum(len(FILES[name]) for name in FILES if name != CHANGED) == sum(n for _, n in read)


def test_large_files_are_hashed_in_threads_and_give_the_same(
    harvest: Harvest, sandbox: Sandbox, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As where they are copied from a folder."""
    made = harvest(RECID)
    monkeypatch.setattr(reuse, "LARGE", 1000)

    result = harvest(RECID, previous=made["path"])

    assert 10 == result["reused"]
    one, other = (
        {n: e["checksum"] for n, e in by_name(m).items() if n in FILES} for m in (made, result)
    )
    assert one == other


def test_empty_files_are_reused(harvest: Harvest, sandbox: Sandbox) -> None:
    """Nothing comes from upstream for them either."""
    sandbox.add_record("zenodo", "7000502", {"empty.txt": b"", "twin.txt": b""})
    made = harvest(7000502)
    sandbox.seen.clear()

    result = harvest(7000502, previous=made["path"])

    assert (2, 0) == (result["reused"], fetched(sandbox))
    assert 0 == result["bytes"]
