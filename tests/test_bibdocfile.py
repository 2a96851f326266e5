"""bibdocfile: its grammar, how it is run, and how it joins what MARC lists."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

import pytest
from packages import Harvest, by_name, payload

from bagit_create.pipelines.bibdocfile import parse
from bagit_create.sandbox import Sandbox
from bagit_create.sandbox.content import Content

Install = Callable[..., Path]


def lines(number: int, version: int, suffix: str, recid: str = "1002", **values: str) -> str:
    """What is printed of one file."""
    return "".join(
        f"{recid}:{number}:{version}:{suffix}:{key}={value}\n" for key, value in values.items()
    )


HEAD = (
    "WARNING: some module says hello\n"
    "1002::::total bibdocs attached=2\n"
    "1002::::total size latest version=470.81 KB\n"
)
DOCUMENT = "arXiv:2402.99999:1002:31:::doctype=Main\n1002:31:::status=\n"


@pytest.fixture
def install(config_file: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Install:
    """Put a bibdocfile (and an ssh) in place that prints something."""

    def put(output: str, *, code: int = 0, error: str = "", wait: float = 0) -> Path:
        folder = tmp_path / "bin"
        folder.mkdir(exist_ok=True)
        (folder / "output").write_text(output, encoding="utf-8")
        program = folder / "bibdocfile"
        program.write_text(
            f'#!/bin/sh\necho "$0 $*" >> {folder}/asked\nsleep {wait}\ncat {folder}/output\n'
            f"echo '{error}' >&2\nexit {code}\n"
        )
        ssh = folder / "ssh"
        ssh.write_text(
            f'#!/bin/sh\necho "ssh $*" >> {folder}/asked\n'
            'while [ "$1" != "--" ]; do shift; done\nshift; shift\nexec sh -c "$*"\n'
        )
        program.chmod(0o755)
        ssh.chmod(0o755)
        text = config_file.read_text()
        if "bibdocfile" not in text:
            config_file.write_text(
                text.replace("[cds]", f'[cds]\nbibdocfile = "{program}"', 1), encoding="utf-8"
            )
        monkeypatch.setenv("PATH", f"{folder}{os.pathsep}{os.environ['PATH']}")
        return folder / "asked"

    return put


def published(sandbox: Sandbox, name: str, content: bytes, version: str = "") -> str:
    """Put a file on the server that MARC does not list; its address."""
    sandbox.app("cds").records["1002"].files[(name, version)] = Content(content)
    tail = f"?version={version}" if version else ""
    return f"http://cds.cern.ch/record/1002/files/{name}{tail}"


# -- the grammar ----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "text", ["\u00b2", "\u0664", "-1", "1.5 KB", "None", pytest.param("9" * 5000, id="5000 digits")]
)
def test_a_size_that_is_no_number_is_as_none(text: str) -> None:
    """Whatever the program prints."""
    [one] = parse(lines(1, 1, ".pdf", size=text).encode(), "1002")

    assert one.size is None


def test_values_keep_colons_and_equals_signs() -> None:
    """Only the first four colons and the first equals sign divide."""
    text = lines(31, 1, ".pdf", url="http://x/a:b?c=d", description="a = b: c", name="arXiv:1")

    [one] = parse(text.encode(), "1002")

    assert ("http://x/a:b?c=d", "a = b: c", "arXiv:1.pdf") == (
        one.values["url"],
        one.text("description"),
        one.name,
    )


def test_a_restriction_goes_on_in_the_next_line() -> None:
    """A value that people write may have line breaks."""
    text = lines(31, 1, ".pdf", status='firerole: allow group "toys"\ndeny all', size="7")

    [one] = parse(text.encode(), "1002")

    assert ('firerole: allow group "toys"\ndeny all', 7) == (one.text("status"), one.size)


def test_noise_does_not_spoil_a_value() -> None:
    """A warning of another module after a checksum is not part of it."""
    digest = "92eb5ffee6ae2fec3ad71c777531578f"
    text = (
        lines(31, 1, ".pdf", checksum=digest) + "WARNING: hello\n" + lines(31, 1, ".pdf", size="1")
    )

    [one] = parse(text.encode(), "1002")

    assert digest == one.md5


@pytest.mark.parametrize("name", ["arXiv:2402.99999", "1002", "1002 notes", "1002:1:::x", ""])
def test_a_document_name_is_no_line_of_a_file(name: str) -> None:
    """It is glued in front of the document's first line, whatever it looks like."""
    text = f"{name}:1002:31:::doctype=Main\n" + lines(31, 1, ".pdf", name=name, size="1")

    assert [name + ".pdf"] == [one.name for one in parse(text.encode(), "1002")]


def test_the_highest_version_of_a_document_is_current() -> None:
    """A format that exists in an older version only is not."""
    text = lines(31, 1, ".pdf", size="1") + lines(31, 1, ".ps", size="1")
    text += lines(31, 2, ".pdf", size="2") + lines(32, 1, ".txt", size="3")

    current = [(one.document, one.format) for one in parse(text.encode(), "1002") if one.current]

    assert [("31", ".pdf"), ("32", ".txt")] == current


def test_a_document_of_several_records_is_this_ones_too() -> None:
    """The first column is then a list."""
    text = lines(31, 1, ".pdf", recid="[1002,1005]", size="1")
    text += lines(33, 1, ".pdf", recid="[1003,10021]", size="1")

    assert ["31"] == [one.document for one in parse(text.encode(), "1002")]


def test_the_ampersand_of_an_address_is_unescaped() -> None:
    """bibdocfile prints it as HTML where there are two parameters."""
    text = lines(31, 1, ".pdf;x", fullurl="http://x/f?subformat=x&amp;version=1")
    text += lines(31, 2, ".pdf", url="u")

    assert "http://x/f?subformat=x&version=1" == parse(text.encode(), "1002")[0].url


@pytest.mark.parametrize("text", ["", "1002::::total bibdocs attached=0\n", "nonsense\n\0\xff"])
def test_no_documents_are_no_error(text: str) -> None:
    """A record without files prints nothing at all."""
    assert () == parse(text.encode("latin-1"), "1002")


# -- what becomes of it ---------------------------------------------------------------------------


def test_the_output_is_kept(harvest: Harvest, install: Install) -> None:
    """Byte for byte, in data/meta."""
    install(HEAD)

    result = harvest(1002, "cds", bibdoc=True)

    assert HEAD == (Path(result["path"]) / "data/meta/bibdoc.txt").read_text()[: len(HEAD)]


def test_what_marc_lists_gets_path_and_md5(
    harvest: Harvest, install: Install, sandbox: Sandbox
) -> None:
    """In a light package the md5 stands in the manifest."""
    md5 = sandbox.app("cds").records["1002"].files[("thesis.pdf", "")].digest("md5")
    url = "http://cds.cern.ch/record/1002/files/thesis.pdf"
    path = "/opt/cdsweb/var/data/files/g0/31/content.pdf;1"
    install(
        HEAD + DOCUMENT + lines(31, 1, ".pdf", fullpath=path, name="thesis", checksum=md5, url=url)
    )

    result = harvest(1002, "cds", bibdoc=True, dry_run=True)

    entry = by_name(result)["thesis.pdf"]
    assert (path, [f"md5:{md5}"]) == (entry["origin"]["fullpath"], entry["checksum"])


def test_a_wrong_md5_of_bibdocfile_is_9(harvest: Harvest, install: Install) -> None:
    """It is what upstream says of the file, so it is compared."""
    url = "http://cds.cern.ch/record/1002/files/thesis.pdf"
    install(HEAD + DOCUMENT + lines(31, 1, ".pdf", name="thesis", checksum="0" * 32, url=url))

    assert 9 == harvest(1002, "cds", bibdoc=True)["exit_code"]


def test_files_that_only_bibdocfile_knows_are_added(
    harvest: Harvest, install: Install, sandbox: Sandbox
) -> None:
    """An old version in a folder of its own."""
    new = published(sandbox, "extra.txt", b"extra")
    old = published(sandbox, "extra.txt", b"older", "1")
    text = lines(32, 1, ".txt", name="extra", url=new, fullurl=old)
    text += lines(32, 2, ".txt", name="extra", url=new, fullurl=new + "?version=2")
    install(HEAD + text)

    result = harvest(1002, "cds", bibdoc=True)

    assert {"extra.txt", "version 1/extra.txt"} <= payload(result)


def test_a_hidden_file_that_is_refused_is_named(
    harvest: Harvest, install: Install, sandbox: Sandbox
) -> None:
    """Only curators may read it, so it fails nothing."""
    url = "http://cds.cern.ch/record/1002/files/hidden.txt"
    install(HEAD + lines(32, 1, ".txt", name="hidden", url=url, hidden="True"))

    result = harvest(1002, "cds", bibdoc=True)

    assert ["hidden.txt"] == [one["name"] for one in result["missing"]]


def test_a_file_that_can_be_read_here_is_copied(
    harvest: Harvest, install: Install, sandbox: Sandbox, tmp_path: Path
) -> None:
    """On the server itself its internal path is good."""
    inside = tmp_path / "content.txt;1"
    inside.write_bytes(b"from the inside")
    url = "http://cds.cern.ch/record/1002/files/inside.txt"
    install(HEAD + lines(32, 1, ".txt", name="inside", url=url, fullpath=str(inside)))

    result = harvest(1002, "cds", bibdoc=True)

    stored = Path(result["path"]) / "data/content/inside.txt"
    assert b"from the inside" == stored.read_bytes()
    assert not any("inside.txt" in one.path for one in sandbox.seen)


def test_a_path_on_another_machine_is_not_opened_on_this(
    harvest: Harvest, install: Install, sandbox: Sandbox, tmp_path: Path
) -> None:
    """By ssh it is a name of the other one; here somebody else's file may have it."""
    mine = tmp_path / "private.txt"
    mine.write_bytes(b"c4n4ry")
    url = published(sandbox, "inside.txt", b"theirs")
    install(HEAD + lines(32, 1, ".txt", name="inside", url=url, fullpath=str(mine)))

    result = harvest(1002, "cds", bibdoc=True, bd_ssh_host="cds-host")

    assert b"theirs" == (Path(result["path"]) / "data/content/inside.txt").read_bytes()


def test_a_deleted_file_is_named(harvest: Harvest, install: Install) -> None:
    """With the reason."""
    install(HEAD + lines(32, 1, ".txt", name="gone", status="DELETED", url="http://x/y"))

    result = harvest(1002, "cds", bibdoc=True)

    assert "gone.txt" in [one["name"] for one in result["skipped"]]


# -- how it is run --------------------------------------------------------------------------------


def test_it_is_asked_for_the_record(harvest: Harvest, install: Install) -> None:
    """Here, without a shell."""
    asked = install(HEAD)

    harvest(1002, "cds", bibdoc=True)

    assert asked.read_text().endswith("bibdocfile --get-info --recid=1002\n")


def test_ssh_asks_for_nothing(harvest: Harvest, install: Install) -> None:
    """``BatchMode``: it fails instead of waiting for a password."""
    asked = install(HEAD)

    result = harvest(1002, "cds", bibdoc=True, bd_ssh_host="cds-host")

    assert 0 == result["status"]
    assert "-o BatchMode=yes" in asked.read_text() and "-- cds-host " in asked.read_text()


def test_its_own_error_is_shown(harvest: Harvest, install: Install, tmp_path: Path) -> None:
    """And nothing is left."""
    install("", code=1, error="ERROR: no such database")

    result = harvest(1002, "cds", bibdoc=True)

    assert 4 == result["exit_code"]
    assert "no such database" in result["where"]
    assert not (tmp_path / "out").exists()


def test_a_silent_one_is_7(harvest: Harvest, install: Install) -> None:
    """After ``--timeout``."""
    install("", wait=30)

    assert 7 == harvest(1002, "cds", bibdoc=True, timeout=0.5)["exit_code"]


def test_ssh_that_does_not_get_through_is_7(harvest: Harvest, install: Install) -> None:
    """255 is its own failure, not the program's."""
    install("", code=255, error="ssh: connect to host cds-host: No route to host")

    result = harvest(1002, "cds", bibdoc=True, bd_ssh_host="cds-host")

    assert 7 == result["exit_code"]
    assert "No route to host" in result["where"]


def test_without_the_program_it_is_3(harvest: Harvest) -> None:
    """With what to do about it."""
    result = harvest(1002, "cds", bibdoc=True)

    assert 3 == result["exit_code"]
    assert "--bd-ssh-host" in result["hint"]


@pytest.mark.parametrize("host", ["-oProxyCommand=x", "a b", "x;y", "$(x)"])
def test_a_host_that_is_none_is_2(host: str, harvest: Harvest, sandbox: Sandbox) -> None:
    """It could be taken for an option or a command."""
    assert 2 == harvest(1002, "cds", bibdoc=True, bd_ssh_host=host)["exit_code"]
    assert [] == sandbox.seen
