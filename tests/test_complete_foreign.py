"""Light bags that other tools have written: completed, and otherwise left as they were."""

from __future__ import annotations

import hashlib
import re
import zlib
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from lightbags import FILES, INFO, Form, assert_full, complete, fetched, holey, place_of, seal, tree
from scripted import Scripted, serving

from bagit_create.validation import validate

OXUM = f"{sum(map(len, FILES.values()))}.{len(FILES)}"


@pytest.fixture
def server() -> Iterator[Scripted]:
    with serving() as one:
        yield one


def length_unknown(_: bytes) -> str:
    return "-"


def escaped(path: str) -> str:
    """As BagIt 1.0 writes it."""
    return path.replace("%", "%25").replace("\n", "%0A").replace("\r", "%0D")


# The tools write so: bdbag 1.8 (fetch.txt with tabs, sha256 and md5), Dataverse's BagGenerator
# (one manifest, blanks in folder names, tag files in metadata/), bagit-python (bag-info sorted).
BDBAG = Form(algorithms=("md5", "sha256"), blank="\t")
DATAVERSE = Form(algorithms=("md5",), blank=" ", gap=" ")
FORMS = {
    "bdbag, 0.97": BDBAG,
    "bdbag, 1.0": replace(BDBAG, version="1.0", spell=escaped),
    "Dataverse, md5, sizes": DATAVERSE,
    "Dataverse, sha1, no sizes": replace(DATAVERSE, algorithms=("sha1",), length=length_unknown),
    "0.96": Form("0.96", algorithms=("md5",)),
    "0.95": Form("0.95", algorithms=("sha1",), info=None),
    "ISO-8859-1": Form(encoding="ISO-8859-1"),
    "UTF-16": Form(encoding="UTF-16"),
    "CRLF": Form(end="\r\n", algorithms=("sha256", "sha512")),
    "CR": Form(end="\r"),
    "no bag-info": Form(info=None),
    "no tag manifest": Form(tags=False),
    "1.0, nothing but what must be": Form("1.0", info=None, tags=False, spell=escaped),
    "md5sum's marker": Form(gap=" *"),
    "Oxum in another case, and folded": Form(info=INFO.replace("load-Oxum: ", "LOAD-oxum:\n  ")),
}


@pytest.fixture(params=FORMS)
def form(request: pytest.FixtureRequest) -> Form:
    return FORMS[request.param]


def test_a_bag_of_another_tool_becomes_a_valid_one(
    form: Form, server: Scripted, tmp_path: Path
) -> None:
    """All its files are here, and fetch.txt is gone."""
    path = holey(tmp_path / "bag", server, form=form)
    assert "incomplete" == validate(path).verdict
    complete(path)

    assert_full(path, FILES)
    assert not (path / "fetch.txt").exists()


def test_its_manifests_and_bag_info_stay_byte_for_byte(
    form: Form, server: Scripted, tmp_path: Path
) -> None:
    """The order of lines, their ends, blanks and markers are theirs."""
    extra = {"metadata/oai-ore.jsonld": b'{"a":\r\n1}', "metadata/pid mapping.txt": b"x\ty\n"}
    path = holey(tmp_path / "bag", server, form=form, extra=extra)
    before = tree(path)

    complete(path)
    after = tree(path)

    kept = {name for name in before if not re.match("fetch.txt|tagmanifest-", name)}
    assert {name: before[name] for name in kept} == {name: after[name] for name in kept}
    assert set(after) == kept | set(FILES) | {"data/run 1"} | {
        name for name in before if name.startswith("tagmanifest-")
    }


def test_a_tag_manifest_loses_the_line_of_fetch_txt_only(
    form: Form, server: Scripted, tmp_path: Path
) -> None:
    """Nothing else of the bag has changed."""
    path = holey(tmp_path / "bag", server, form=form)
    before = {one.name: one.read_bytes() for one in path.glob("tagmanifest-*")}

    complete(path)

    for name, content in before.items():
        lines = content.decode(form.encoding).splitlines(keepends=True)
        left = "".join(line for line in lines if "fetch.txt" not in line)
        assert left == (path / name).read_bytes().decode(form.encoding)


def test_payload_oxum_alone_is_changed_in_bag_info(server: Scripted, tmp_path: Path) -> None:
    """Where it counted what was here; also where another element speaks of it."""
    form = Form(info=INFO.replace("{oxum}", "6.1"), end="\r\n")
    path = holey(tmp_path / "bag", server, form=form, here=("data/a.txt",))
    before = (path / "bag-info.txt").read_bytes()

    complete(path)

    wanted = before.replace(b"Payload-Oxum: 6.1\r\n", f"Payload-Oxum: {OXUM}\r\n".encode())
    assert wanted == (path / "bag-info.txt").read_bytes()
    assert_full(path, FILES)


def test_a_payload_oxum_on_several_lines_comes_to_stand_on_one(
    server: Scripted, tmp_path: Path
) -> None:
    """Where it is another one; it may be folded like any value."""
    form = Form(info="Contact-Name: A\nPayload-Oxum:\n  6.1\nContact-Name: B\n")
    path = holey(tmp_path / "bag", server, form=form, here=("data/a.txt",))
    complete(path)

    wanted = f"Contact-Name: A\nPayload-Oxum: {OXUM}\nContact-Name: B\n"
    assert wanted == (path / "bag-info.txt").read_text()
    assert_full(path, FILES)


@pytest.mark.parametrize("here", [("data/a.txt",), ("data/a.txt", "data/run 1/b.bin")])
def test_what_is_here_is_not_fetched(
    here: tuple[str, ...], server: Scripted, tmp_path: Path
) -> None:
    """It is verified, and stays the very file it was."""
    path = holey(tmp_path / "bag", server, here=here)
    number = (path / here[0]).stat().st_ino
    complete(path)

    assert sorted(place_of(name) for name in FILES if name not in here) == fetched(server)
    assert number == (path / here[0]).stat().st_ino
    assert_full(path, FILES)


def test_a_line_for_a_file_that_is_here_goes_with_the_others(
    server: Scripted, tmp_path: Path
) -> None:
    """It was kept after somebody had put the file there."""
    path = holey(tmp_path / "bag", server)
    (path / "data/a.txt").write_bytes(FILES["data/a.txt"])
    complete(path)

    assert place_of("data/a.txt") not in fetched(server)
    assert not (path / "fetch.txt").exists()
    assert_full(path, FILES)


def test_a_bag_with_all_its_files_is_left_alone(server: Scripted, tmp_path: Path) -> None:
    """Its fetch.txt too, which is no fault."""
    path = holey(tmp_path / "bag", server)
    for name, content in FILES.items():
        (path / name).parent.mkdir(exist_ok=True)
        (path / name).write_bytes(content)
    before = tree(path)
    complete(path)

    assert before == tree(path)
    assert [] == server.asked


@pytest.mark.parametrize("end", ["\n", "\r\n", "\r"])
@pytest.mark.parametrize("encoding", ["UTF-8", "UTF-16", "ISO-8859-1"])
def test_of_a_part_the_other_lines_of_fetch_txt_stay_as_they_are(
    encoding: str, end: str, server: Scripted, tmp_path: Path
) -> None:
    """In their order, with their blanks."""
    form = Form(blank="\t \t", length=length_unknown, encoding=encoding, end=end)
    path = holey(tmp_path / "bag", server, form=form)
    before = (path / "fetch.txt").read_bytes().decode(encoding)

    complete(path, "--only", "*.txt")

    assert "incomplete" == validate(path).verdict
    wanted = "".join(
        x for x in before.splitlines(keepends=True) if ".txt" not in x.rsplit("\t")[-1]
    )
    assert wanted == (path / "fetch.txt").read_bytes().decode(encoding)
    complete(path)
    assert_full(path, FILES)


@pytest.mark.parametrize(
    ("version", "name", "spelled"),
    [
        ("1.0", "data/100% sure.txt", "data/100%25 sure.txt"),
        ("1.0", "data/two\nlines", "data/two%0Alines"),
        ("1.0", "data/two\r\nlines", "data/two%0d%0Alines"),
        ("1.0", "data/%0A", "data/%250A"),
        ("0.97", "data/100% sure.txt", "data/100% sure.txt"),
        ("0.97", "data/a%20b", "data/a%20b"),
        ("0.97", "data/a%25b", "data/a%25b"),
        ("0.96", "data/%7Euser", "data/%7Euser"),
        ("0.97", "data/~user/x", "data/~user/x"),
        ("0.97", "data/ends in a blank ", "data/ends in a blank "),
        ("0.97", "data/a: b", "data/a: b"),
        ("0.97", "data/back\\slash", "data/back\\slash"),
        ("1.0", "data/\u2028line", "data/\u2028line"),
    ],
)
def test_names_are_read_by_the_rule_of_the_version(
    version: str, name: str, spelled: str, server: Scripted, tmp_path: Path
) -> None:
    """Percent signs are escapes in 1.0, and nothing special before."""
    files = {name: b"one\n", "data/other": b"two\n"}
    form = Form(version, spell={name: spelled, "data/other": "data/other"}.__getitem__)
    path = holey(tmp_path / "bag", server, files, form)
    complete(path)

    assert b"one\n" == (path / name).read_bytes()
    report = validate(path)
    assert "valid" == report.verdict, report.findings


def test_a_path_with_a_slash_before_it_is_read_as_the_draft_says(
    server: Scripted, tmp_path: Path
) -> None:
    """Below 1.0 it is relative to the bag."""
    files = {"data/a": b"one\n"}
    path = holey(tmp_path / "bag", server, files, Form(tags=False))
    text = (path / "fetch.txt").read_text()
    (path / "fetch.txt").write_text(text.replace(" data/a", " /data/a"))
    complete(path)

    assert_full(path, files)


def test_a_link_inside_the_bag_stays_a_link(server: Scripted, tmp_path: Path) -> None:
    """To a file that is here; it counts in Payload-Oxum as what it leads to."""
    files = {**FILES, "data/same": FILES["data/a.txt"]}
    path = holey(tmp_path / "bag", server, files, here=("data/a.txt", "data/same"))
    (path / "data/same").unlink()
    (path / "data/same").symlink_to("a.txt")
    (path / "about.txt").symlink_to("bag-info.txt")
    complete(path)

    assert "a.txt" == str((path / "data/same").readlink())
    assert "bag-info.txt" == str((path / "about.txt").readlink())
    assert "valid" == validate(path).verdict


def test_a_file_known_by_a_weak_sum_only_gets_a_line_in_the_others(
    server: Scripted, tmp_path: Path
) -> None:
    """Until 0.97 one manifest is enough; one of adler32 is none once the file is here."""
    path = holey(tmp_path / "bag", server, form=Form(algorithms=("sha256", "sha512"), end="\r\n"))
    weak = f"{zlib.adler32(FILES['data/a.txt']):08x}  data/a.txt\r\n"
    (path / "manifest-adler32.txt").write_bytes(weak.encode())
    for name in ("sha256", "sha512"):
        file = path / f"manifest-{name}.txt"
        lines = file.read_bytes().splitlines(keepends=True)
        file.write_bytes(b"".join(line for line in lines if b"data/a.txt" not in line).rstrip())
    seal(path, Form(algorithms=("sha256", "sha512"), end="\r\n"))
    complete(path)

    assert not (path / "manifest-adler32.txt").exists()
    for name in ("sha256", "sha512"):
        assert (path / f"manifest-{name}.txt").read_bytes().endswith(b"data/a.txt\r\n")
    assert_full(path, FILES)


def test_a_tag_manifest_that_lists_another_is_written_after_it(
    server: Scripted, tmp_path: Path
) -> None:
    """Below 1.0 it may."""
    path = holey(tmp_path / "bag", server, form=Form(algorithms=("md5", "sha256")))
    file = path / "tagmanifest-md5.txt"
    other = hashlib.md5((path / "tagmanifest-sha256.txt").read_bytes()).hexdigest()
    file.write_text(file.read_text() + f"{other.upper()}  tagmanifest-sha256.txt\n")
    complete(path)

    assert "valid" == validate(path).verdict
    assert file.read_text().splitlines()[-1][:32].isupper()


@pytest.mark.parametrize("name", ["tagmanifest-foo42.txt", "tagmanifest-whirlpool.txt"])
def test_a_tag_manifest_that_nobody_here_can_compute_is_refused(
    name: str, server: Scripted, tmp_path: Path
) -> None:
    """Its line for fetch.txt would be wrong afterwards."""
    path = holey(tmp_path / "bag", server)
    (path / name).write_text("00ff  fetch.txt\n")
    before = tree(path)
    done = complete(path, code=11)

    assert "cannot be computed" in done.stderr
    assert before == tree(path)
    assert [] == server.asked


def test_an_unknown_manifest_stays_where_nothing_of_it_changes(
    server: Scripted, tmp_path: Path
) -> None:
    """A payload manifest lists the complete payload from the beginning."""
    path = holey(tmp_path / "bag", server, extra={"manifest-foo42.txt": b"00ff  data/a.txt\n"})
    complete(path)

    assert b"00ff  data/a.txt\n" == (path / "manifest-foo42.txt").read_bytes()
    assert "valid" == validate(path).verdict
