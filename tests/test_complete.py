"""``bic complete``: a light SIP becomes a full one, and every other byte of it stays."""

from __future__ import annotations

import json
import os
import re
from pathlib import Path
from typing import Any

import pytest
from faulty import FACTS, populate
from lightbags import assert_alone, assert_full, bic, change_sip, promised, tree
from packages import Harvest

from bagit_create.sandbox import Sandbox
from bagit_create.validation import validate

META = "data/meta/sip.json"


class Bench:
    """Light SIPs of the sandbox, and commands on them."""

    def __init__(self, harvest: Harvest, config: Path) -> None:
        self._harvest = harvest
        self._config = config

    def light(
        self, recid: str | int | None = "7000001", source: str = "zenodo", **more: Any
    ) -> Path:
        result = self._harvest(recid, source, dry_run=True, **more)
        assert 0 == result["status"], result
        return Path(result["path"])

    def run(self, command: str, path: Path, *args: object, code: int = 0) -> str:
        done = bic(command, path, "--config", self._config, "--retries", 0, *args)
        assert code == done.exit_code, (done.stdout, done.stderr, done.exception)
        return done.stdout


@pytest.fixture
def bench(harvest: Harvest, config_file: Path) -> Bench:
    return Bench(harvest, config_file)


def sip(path: Path) -> Any:
    return json.loads((path / META).read_text(encoding="utf-8"))


def entries(path: Path) -> dict[str, Any]:
    return {one["bagpath"]: one for one in sip(path)["contentFiles"]}


def listed(path: Path, algorithm: str) -> dict[str, str]:
    lines = (path / f"manifest-{algorithm}.txt").read_text(encoding="utf-8").splitlines()
    return {line.split("  ", 1)[1]: line.split("  ", 1)[0] for line in lines}


def payload(path: Path) -> set[str]:
    return {p.relative_to(path).as_posix() for p in (path / "data").rglob("*") if p.is_file()}


# -- every source ---------------------------------------------------------------------------------


@pytest.mark.parametrize("source", FACTS)
def test_a_light_sip_of_every_source_becomes_a_valid_full_one(
    source: str, bench: Bench, sandbox: Sandbox
) -> None:
    """Every manifest lists every file, and sip.json knows all of them."""
    populate(sandbox)
    path = bench.light(FACTS[source].recid, source)
    promises = promised(path)

    bench.run("complete", path)

    assert promises
    assert_full(path)
    assert payload(path) == set(listed(path, "md5")) == set(listed(path, "sha512"))
    assert not list(path.glob("*manifest-adler32.txt"))
    assert "" == (path / "fetch.txt").read_text()
    for one in entries(path).values():
        assert one["downloaded"] is True


@pytest.mark.parametrize("source", ["zenodo", "cod", "codimd", "cds"])
def test_light_full_light_full_is_valid_at_each_stage(
    source: str, bench: Bench, sandbox: Sandbox
) -> None:
    """``bic thin`` is the way back."""
    populate(sandbox)
    path = bench.light(FACTS[source].recid, source)
    verdicts = []
    for command in ("complete", "thin", "complete"):
        bench.run(command, path)
        report = validate(path)
        verdicts.append(report.verdict)
        assert 0 == report.counts["error"]
        assert_alone(path)

    assert ["valid", "incomplete", "valid"] == verdicts
    assert_full(path)
    assert ["sip_create", "populate", "thin", "populate"] == [
        one["action"]
        for one in sip(path)["audit"]
        if one["action"] in ("sip_create", "populate", "thin")
    ]


def test_a_package_of_bagit_1_0_is_completed_by_its_rules(bench: Bench) -> None:
    """There, every manifest lists every file, at each stage."""
    path = bench.light(bagit_version="1.0")
    bench.run("complete", path, "--only", "report.pdf")

    assert "incomplete" == validate(path).verdict
    bench.run("complete", path)
    assert_full(path)
    assert payload(path) == set(listed(path, "md5"))


# -- what is written ------------------------------------------------------------------------------


def test_a_file_without_checksum_gets_a_line_in_every_manifest(
    bench: Bench, sandbox: Sandbox
) -> None:
    """Of what arrived; upstream gives none."""
    populate(sandbox)
    path = bench.light(FACTS["codimd"].recid, "codimd")
    name = "data/content/uploads/named.jpg"

    assert name not in listed(path, "md5")
    bench.run("complete", path)
    assert entries(path)[name]["checksum"] == [
        f"{algorithm}:{listed(path, algorithm)[name]}" for algorithm in ("md5", "sha512")
    ]


def test_the_entry_of_a_file_says_what_came_and_from_where(bench: Bench) -> None:
    """And what its source had published of it."""
    path = bench.light()
    name = "data/content/report.pdf"
    before = entries(path)[name]

    bench.run("complete", path)
    after = entries(path)[name]

    assert (False, True) == (before["downloaded"], after["downloaded"])
    assert (path / name).stat().st_size == after["size"]
    assert before["checksum"] == after["origin"]["checksum"]
    assert {f"md5:{listed(path, 'md5')[name]}", f"sha512:{listed(path, 'sha512')[name]}"} == {
        *after["checksum"]
    }
    assert before["origin"]["url"] == after["origin"]["served_by"]
    assert 200 == after["origin"]["http_status"]


def test_an_audit_step_is_appended_and_the_first_ones_stay(bench: Bench) -> None:
    """Consumers read in step 0 that the package was light."""
    path = bench.light()
    before = sip(path)

    bench.run("complete", path)
    after = sip(path)

    assert before["audit"] == after["audit"][:-1]
    assert "populate" == after["audit"][-1]["action"]
    assert 4 == after["audit"][-1]["tool"]["params"]["files"]
    assert [*before] == [*after]
    assert [o["bagpath"] for o in before["contentFiles"]] == [
        o["bagpath"] for o in after["contentFiles"]
    ]


def test_what_is_no_business_of_a_completion_stays(bench: Bench) -> None:
    """The log, dc.xml, the metadata, foreign tag files, empty folders, rights and links."""
    path = bench.light()
    (path / "notes").mkdir()
    (path / "notes/curator.txt").write_bytes(b"by hand\r\n")
    (path / "notes/curator.txt").chmod(0o640)
    (path / "notes/later").mkdir()
    (path / "data/content/nothing in it").mkdir()
    (path / "data/content/nothing in it").chmod(0o750)
    path.chmod(0o750)
    before = tree(path)
    changed = {META, "fetch.txt", "bag-info.txt"}
    changed |= {one for one in before if "manifest-" in one}

    bench.run("complete", path)
    after = tree(path)

    assert {} == {
        name: (content, after.get(name))
        for name, content in before.items()
        if name not in changed and after.get(name) != content
    }
    old, new = (re.sub(rb"\d+\.(?=\d+\n)", b"", t["bag-info.txt"] or b"") for t in (before, after))
    assert old == new  # but for the bytes, for sip.json has more of them
    modes = [path, path / "notes/curator.txt", path / "data/content/nothing in it"]
    assert [0o750, 0o640, 0o750] == [one.stat().st_mode & 0o777 for one in modes]
    assert_full(path)


def test_payload_oxum_counts_what_nobody_knew_before(bench: Bench) -> None:
    """Of this file upstream gives no size."""
    path = bench.light("7000010")
    bench.run("complete", path)

    size = sum((path / one).stat().st_size for one in payload(path))
    info = (path / "bag-info.txt").read_text()
    assert f"Payload-Oxum: {size}.{len(payload(path))}\n" in info
    assert_full(path)


def test_a_weak_checksum_is_verified_and_its_manifest_goes(bench: Bench, sandbox: Sandbox) -> None:
    """CERN Open Data publishes adler32; sip.json keeps it."""
    populate(sandbox)
    path = bench.light("2", "cod")
    absent = {one["bagpath"] for one in entries(path).values() if not one["downloaded"]}
    weak = {name: value for name, value in listed(path, "adler32").items() if name in absent}

    bench.run("complete", path)
    made = entries(path)

    assert weak and not (path / "manifest-adler32.txt").exists()
    for name, value in weak.items():
        assert [f"adler32:{value}"] == made[name]["origin"]["checksum"]
        assert f"adler32:{value}" in made[name]["checksum"]


def test_a_file_that_was_put_there_by_hand_counts_as_downloaded(
    bench: Bench, tmp_path: Path
) -> None:
    """A manifest vouches for it; its line of fetch.txt is done."""
    full, path = bench.light(), bench.light(target=tmp_path / "other")
    bench.run("complete", full)
    name = "data/content/report.pdf"
    os.link(full / name, path / name)

    bench.run("complete", path)

    assert entries(path)[name]["downloaded"] is True
    assert "served_by" not in entries(path)[name]["origin"]
    assert_full(path)


# -- a part ---------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("glob", "name"),
    [
        ("*.csv", "data/content/data/run 1/hits#1.csv"),
        ("report.???", "data/content/report.pdf"),
        ("data/run 1/*", "data/content/data/run 1/hits#1.csv"),
        ("data/content/empty.txt", "data/content/empty.txt"),
    ],
)
def test_a_part_is_completed_and_the_bag_is_still_a_light_one(
    glob: str, name: str, bench: Bench
) -> None:
    """Valid as such; a second run does the rest."""
    path = bench.light()
    told = bench.run("complete", path, "--only", glob)
    report = validate(path)

    assert "incomplete" == report.verdict
    assert "1 file" in told and "3 to fetch" in told
    assert (path / name).is_file()
    assert 3 == len(promised(path))
    assert [name] == [
        n for n, one in entries(path).items() if one["downloaded"] and "fetched" in one["origin"]
    ]
    assert not [str(one) for one in report.findings if one.level == "error"]
    bench.run("complete", path)
    assert_full(path)


def test_a_pattern_without_a_file_is_refused(bench: Bench, sandbox: Sandbox) -> None:
    """Before anything is asked."""
    path = bench.light()
    sandbox.seen.clear()
    bench.run("complete", path, "--only", "*.xyz", code=2)

    assert [] == sandbox.seen


def test_a_full_package_is_left_alone(bench: Bench, sandbox: Sandbox) -> None:
    """Not a byte is moved, nor a time."""
    path = bench.light()
    bench.run("complete", path)
    before = path.stat().st_mtime_ns
    sandbox.seen.clear()

    assert "valid" in bench.run("complete", path)
    assert before == path.stat().st_mtime_ns
    assert [] == sandbox.seen


def test_several_packages_are_completed_one_by_one(bench: Bench, config_file: Path) -> None:
    """One that fails ends no other, and the exit code is that of the worst."""
    one, broken, other = (bench.light(recid) for recid in ("7000001", "7000012", "7000011"))
    (broken / "data/content/metadata.json").write_bytes(b"{}")
    done = bic("complete", one, broken, other, "--config", config_file, "--json")
    told = json.loads(done.stdout)

    assert 11 == done.exit_code == told["exit_code"]
    assert ["valid", None, "valid"] == [x.get("verdict") for x in told["packages"]]
    assert [str(one), str(broken), str(other)] == [x["path"] for x in told["packages"]]
    assert_full(one)
    assert_full(other)


def test_a_full_package_is_no_fault_whatever_could_not_be_changed_in_it(
    bench: Bench, harvest: Harvest
) -> None:
    """There is nothing to do."""
    path = Path(harvest(7000001)["path"])
    text = (path / META).read_text(encoding="utf-8")
    change_sip(path, lambda _: text.replace('"recid":', '"recid": "x", "recid":'))

    assert "valid" in bench.run("complete", path)


# -- light SIPs of others -------------------------------------------------------------------------


def test_a_light_sip_of_the_forerunner_is_completed(
    bench: Bench, sandbox: Sandbox, config_file: Path
) -> None:
    """bagit_create 1.5.3 promises the metadata too, which is here in another form; it counts in
    Payload-Oxum what is here; it lists a file only if its checksum is an md5."""
    populate(sandbox)
    path = bench.light("2", "cod")
    for one in ("manifest-sha512.txt", "manifest-adler32.txt", "tagmanifest-sha512.txt"):
        (path / one).unlink()
    address = sandbox.url("cod") + "/api/records/2"
    with (path / "fetch.txt").open("a") as promises:
        promises.write(f"{address} 17 data/content/metadata.json\n")
    lines = (path / "manifest-md5.txt").read_text("utf-8").splitlines()
    here = [line for line in lines if (path / line.split("  ", 1)[1]).exists()]
    (path / "manifest-md5.txt").write_text("\n".join(here) + "\n", "utf-8")
    size = sum((path / one).stat().st_size for one in payload(path))
    info = (path / "bag-info.txt").read_text("utf-8")
    oxum = re.sub(r"Oxum: .*", f"Oxum: {size}.{len(payload(path))}", info)
    (path / "bag-info.txt").write_text(oxum, "utf-8")
    tags = path / "tagmanifest-md5.txt"
    tags.write_text(re.sub(r"(?m)^.*-(?:sha512|adler32)\.txt\n", "", tags.read_text()))
    change_sip(path, lambda document: [e["origin"].pop("checksum", 0) for e in files(document)])
    assert "incomplete" == validate(path).verdict

    bench.run("complete", path)

    assert_full(path)
    assert payload(path) == set(listed(path, "md5")) == set(listed(path, "sha512"))
    assert "" == (path / "fetch.txt").read_text()


def files(document: Any) -> list[Any]:
    return [one for one in document["contentFiles"] if not one["downloaded"]]


def test_a_checksum_that_only_sip_json_has_is_verified_too(bench: Bench, sandbox: Sandbox) -> None:
    """No manifest lists these files, as in light SIPs of the forerunner."""
    populate(sandbox)
    path = bench.light(FACTS["codimd"].recid, "codimd")

    def tell(document: Any) -> None:
        for one in files(document):
            one["checksum"] = ["adler32:00000001"]

    change_sip(path, tell)
    told = bench.run("complete", path, code=9)

    assert 2 == told.count("not moved: ")
    assert "incomplete" == validate(path).verdict


def test_a_light_sip_of_a_folder_is_completed_from_that_folder(
    bench: Bench, tmp_path: Path
) -> None:
    """Where it was named: a bag alone opens no file of this machine."""
    folder = tmp_path / "folder ü"
    (folder / "sub").mkdir(parents=True)
    (folder / "sub/a b.txt").write_bytes(b"alpha")
    (folder / "#1 100%.txt").write_bytes(b"beta")
    path = bench.light(None, "local", source_path=folder, author="Ada")

    bench.run("complete", path, code=2)
    bench.run("complete", path, "--file-root", tmp_path)
    assert_full(path)
    assert {b"alpha", b"beta"} <= {(path / one).read_bytes() for one in payload(path)}


def test_an_entry_that_is_missing_in_sip_json_refuses_the_package(
    bench: Bench, sandbox: Sandbox
) -> None:
    """A file that sip.json does not know would make the full one invalid."""
    path = bench.light()

    def forget(document: Any) -> None:
        document["contentFiles"] = [
            one for one in document["contentFiles"] if not one["bagpath"].endswith(".pdf")
        ]

    change_sip(path, forget)
    sandbox.seen.clear()
    bench.run("complete", path, code=11)

    assert [] == sandbox.seen
