"""GitLab (gitlab): the project, its branch's files, every branch and tag, LFS, wiki and export."""

from __future__ import annotations

import json
import os
import subprocess
import tarfile
from pathlib import Path

import pytest
from packages import Harvest, by_name, everything, payload, sip_json

from bagit_create.errors import TransferError
from bagit_create.pipelines import gitlab_export, gitlab_git
from bagit_create.sandbox import Fault, Sandbox
from bagit_create.sandbox.gitlab import ARCHIVE
from bagit_create.sandbox.gitlab_repos import LFS, LFS_ID, ODD, OLD_LFS, OLD_LFS_ID


@pytest.fixture(autouse=True)
def short_waits_for_exports(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nobody waits a minute here."""
    monkeypatch.setattr(gitlab_export, "FIRST_WAIT_S", 0.01)
    monkeypatch.setattr(gitlab_export, "BETWEEN_DOWNLOADS_S", 0.01)


def content(result: dict[str, object], name: str) -> bytes:
    """The bytes of a file by upstream's name."""
    bagpath = str(by_name(result)[name]["bagpath"])
    return (Path(str(result["path"])) / bagpath).read_bytes()


def git(*command: str | Path, at: Path | None = None) -> str:
    """What git prints."""
    done = subprocess.run(["git", *command], cwd=at, capture_output=True, check=True)
    return done.stdout.decode()


# -- the repository -------------------------------------------------------------------------------


@pytest.mark.parametrize("path", [path for path in ODD if not path.startswith("data/")])
def test_a_file_of_the_branch_is_as_git_has_it(path: str, harvest: Harvest) -> None:
    """Whatever its name."""
    result = harvest(7, "gitlab")

    folder, _, name = path.rpartition("/")
    [entry] = [
        one
        for one in sip_json(result)["contentFiles"]
        if (one["origin"]["filename"], one["origin"]["path"])
        == (name, f"repository/{folder}".rstrip("/"))
    ]
    assert ODD[path] == (Path(result["path"]) / entry["bagpath"]).read_bytes()


def test_the_bundle_has_every_branch_and_tag(harvest: Harvest, tmp_path: Path) -> None:
    """And what a merge request refers to; git can clone from it."""
    result = harvest(7, "gitlab")

    bundle = Path(result["path"]) / "data/content/repository.bundle"
    git("clone", "--quiet", "--mirror", bundle, tmp_path / "again.git")
    refs = git("for-each-ref", "--format=%(refname)", at=tmp_path / "again.git").split()
    assert {
        "refs/heads/main",
        "refs/heads/feature/one",
        "refs/tags/v1",
        "refs/merge-requests/1/head",
    } == set(refs)


def test_a_file_in_lfs_is_its_content(harvest: Harvest) -> None:
    """Not the pointer that git holds."""
    assert LFS == content(harvest(7, "gitlab"), "lfs.bin")


def test_lfs_objects_of_every_version_are_kept(harvest: Harvest) -> None:
    """The bundle has their pointers only."""
    result = harvest(7, "gitlab")

    with tarfile.open(Path(result["path"]) / "data/content/lfs-objects.tar") as archive:
        found = {}
        for name in archive.getnames():
            file = archive.extractfile(name)
            assert file is not None
            found[name.rpartition("/")[2]] = file.read()
    assert {LFS_ID: LFS, OLD_LFS_ID: OLD_LFS} == found


def test_lfs_objects_that_are_lost_are_named(harvest: Harvest, sandbox: Sandbox) -> None:
    """In the archive, and in a warning."""
    sandbox.app("gitlab").lfs = False

    result = harvest(7, "gitlab", allow_missing=True)

    with tarfile.open(Path(result["path"]) / "data/content/lfs-objects.tar") as archive:
        assert ["lfs-objects/MISSING.txt"] == archive.getnames()
    assert any("does not have 2 of 2 LFS objects" in one for one in result["warnings"])


def test_lfs_that_is_refused_is_8(harvest: Harvest, sandbox: Sandbox) -> None:
    """As any file that upstream lists."""
    sandbox.fault("/info/lfs/", Fault("status", status=403))

    assert 8 == harvest(7, "gitlab")["exit_code"]


def test_lfs_gets_the_token_as_git_does(harvest: Harvest, sandbox: Sandbox) -> None:
    """GitLab takes basic authentication there; another host gets what it asked for only."""
    harvest(7, "gitlab", token="reader")

    [asked] = [one for one in sandbox.seen if one.path.endswith("/objects/batch")]
    assert asked.headers["authorization"].startswith("Basic ")
    there = [one for one in sandbox.seen if one.host == "storage"]
    assert there and not any("authorization" in one.headers for one in there)


def test_a_wrong_file_from_lfs_is_9(harvest: Harvest, sandbox: Sandbox) -> None:
    """Its pointer has a sha256 and a size."""
    sandbox.fault("/bucket/", Fault("wrong-bytes"), source="storage")

    assert 9 == harvest(7, "gitlab")["exit_code"]


@pytest.mark.parametrize("times", [1, None])
def test_a_file_from_lfs_that_breaks_off_is_asked_for_again(
    times: int | None, harvest: Harvest, sandbox: Sandbox
) -> None:
    """Until the retries are used up."""
    sandbox.fault("/bucket/", Fault("cut", after=100), source="storage", times=times)

    assert (8 if times is None else 0) == harvest(7, "gitlab")["exit_code"]


def test_a_file_that_lfs_lacks_is_8(harvest: Harvest, sandbox: Sandbox) -> None:
    """Unless one may do without."""
    sandbox.app("gitlab").lfs = False

    assert 8 == harvest(7, "gitlab")["exit_code"]
    assert ["lfs.bin"] == [
        one["name"] for one in harvest(7, "gitlab", allow_missing=True)["missing"]
    ]


def test_links_and_submodules_are_named(harvest: Harvest) -> None:
    """The one by its kind, the other by the commit it stands at."""
    left_out = {one["name"]: one for one in harvest(7, "gitlab")["skipped"]}

    assert "symbolic link" in left_out["latest"]["reason"]
    assert "a" * 40 == left_out["vendor/lib"]["git_id"]


@pytest.mark.parametrize("keyset", [True, False])
def test_a_long_list_is_whole(keyset: bool, harvest: Harvest, sandbox: Sandbox) -> None:
    """250 files in folders, page by page, in either way of paging."""
    sandbox.app("gitlab").keyset = keyset

    result = harvest(9, "gitlab")

    assert 250 == len([path for path in payload(result) if path.startswith("repository/")])


def test_a_server_that_does_not_tell_the_commit(harvest: Harvest, sandbox: Sandbox) -> None:
    """The branch's name stands for it."""
    sandbox.fault("/repository/commits/", Fault("status", status=404))

    assert "repository/docs/hello.txt" in payload(harvest(7, "gitlab"))


def test_a_wiki_that_git_does_not_have_is_named(harvest: Harvest, sandbox: Sandbox) -> None:
    """Its pages are kept as a list."""
    sandbox.fault(r"\.wiki\.git", Fault("status", status=404))

    result = harvest(7, "gitlab")

    assert ["wiki.bundle"] == [one["name"] for one in result["missing"]]
    assert (Path(result["path"]) / "data/meta/wiki.json").is_file()


def test_pages_without_end_are_4(harvest: Harvest, sandbox: Sandbox) -> None:
    """A path is listed once."""
    sandbox.app("gitlab").endless = True

    assert 4 == harvest(9, "gitlab")["exit_code"]


def test_an_empty_repository_is_a_package(harvest: Harvest) -> None:
    """Of the project's description."""
    result = harvest(8, "gitlab")

    assert {"metadata.json"} == payload(result)
    assert "the repository is empty" in json.dumps(sip_json(result)["audit"])


def test_a_repository_that_is_switched_off_is_told(harvest: Harvest) -> None:
    """It is no failure."""
    assert "switched off" in json.dumps(sip_json(harvest(12, "gitlab"))["audit"])


def test_a_clone_that_is_refused_is_8(harvest: Harvest, tmp_path: Path) -> None:
    """With git's own words; the package is not published without its files."""
    result = harvest(13, "gitlab")

    assert 8 == result["exit_code"]
    assert "terminal prompts disabled" in result["where"]
    assert not (tmp_path / "out").exists()


def test_a_server_that_breaks_the_clone_is_7(harvest: Harvest, sandbox: Sandbox) -> None:
    """It may work later."""
    sandbox.fault("git-upload-pack", Fault("reset"))

    assert 7 == harvest(7, "gitlab")["exit_code"]


def test_without_git_a_full_package_is_3(
    harvest: Harvest, sandbox: Sandbox, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """A light one needs none."""
    monkeypatch.setenv("PATH", str(tmp_path))

    result = harvest(9, "gitlab")

    assert (3, "git is not installed") == (result["exit_code"], result["errormsg"][:20])
    assert 0 == harvest(9, "gitlab", dry_run=True)["status"]


def test_a_damaged_blob_is_8() -> None:
    """The name of a blob is the digest of its content."""
    from io import BytesIO

    with pytest.raises(TransferError):
        list(gitlab_git.compared("0" * 40, 5, BytesIO(b"hello\n")))


# -- light ----------------------------------------------------------------------------------------


def test_a_light_package_lists_the_files_with_their_checksums(harvest: Harvest) -> None:
    """Size and sha256 come from the headers of each file."""
    result = harvest(7, "gitlab", dry_run=True)

    fetch = (Path(result["path"]) / "fetch.txt").read_text()
    manifest = (Path(result["path"]) / "manifest-sha256.txt").read_text()
    assert "/repository/files/docs%2Fhello.txt/raw?ref=" in fetch
    assert "data/content/repository/docs/hello.txt" in manifest


def test_a_light_package_copies_and_triggers_nothing(harvest: Harvest, sandbox: Sandbox) -> None:
    """No clone, no export; both are named."""
    result = harvest(7, "gitlab", dry_run=True, token="good")

    assert {"GET", "HEAD"} == {one.method for one in sandbox.seen}
    assert not any(".git/" in one.path for one in sandbox.seen)
    assert {"repository.bundle", "wiki.bundle", "export.tar.gz"} <= {
        one["name"] for one in result["skipped"]
    }


def test_a_light_package_says_that_pointers_are_listed(harvest: Harvest) -> None:
    """What git holds of a file in LFS."""
    assert any("pointers" in one for one in harvest(7, "gitlab", dry_run=True)["warnings"])


# -- wiki and export ------------------------------------------------------------------------------


def test_the_wiki_is_kept(harvest: Harvest) -> None:
    """Its pages as a list, and its repository."""
    result = harvest(7, "gitlab")

    pages = json.loads((Path(result["path"]) / "data/meta/wiki.json").read_text())
    assert ["home"] == [one["slug"] for one in pages]
    assert "wiki.bundle" in payload(result)


def test_the_export_is_waited_for(harvest: Harvest, sandbox: Sandbox) -> None:
    """Asked for once, fetched once, from another host without the token."""
    result = harvest(7, "gitlab", token="good")

    assert ARCHIVE == content(result, "export.tar.gz")
    assert 1 == sandbox.app("gitlab").downloads
    assert 1 == len(
        [one for one in sandbox.seen if one.path.endswith("/export") and one.method == "POST"]
    )


def test_an_export_may_be_not_found_at_first(harvest: Harvest, sandbox: Sandbox) -> None:
    """Though its state is finished."""
    sandbox.app("gitlab").not_yet = 2

    assert ARCHIVE == content(harvest(7, "gitlab", token="good"), "export.tar.gz")


@pytest.mark.parametrize("way", ["none", "failed"])
def test_an_export_that_fails_is_named(way: str, harvest: Harvest, sandbox: Sandbox) -> None:
    """The package has the repository all the same."""
    sandbox.app("gitlab").export = way

    result = harvest(7, "gitlab", token="good")

    assert ["export.tar.gz"] == [one["name"] for one in result["missing"]]
    assert "repository.bundle" in payload(result)


def test_an_export_that_hangs_is_given_up(
    harvest: Harvest, sandbox: Sandbox, monkeypatch: pytest.MonkeyPatch
) -> None:
    """After an hour; here sooner."""
    monkeypatch.setattr(gitlab_export, "DEADLINE_S", 0.2)
    sandbox.app("gitlab").export = "stuck"

    [missing] = harvest(7, "gitlab", token="good")["missing"]

    assert "not ready" in missing["reason"]


def test_an_export_that_is_refused_is_named(harvest: Harvest) -> None:
    """With what it takes."""
    [missing] = harvest(7, "gitlab", token="reader")["missing"]

    assert "Maintainer" in missing["reason"] and "scope api" in missing["reason"]


@pytest.mark.parametrize("kind", ["html", "cut"])
def test_an_export_that_does_not_arrive_is_named(
    kind: str, harvest: Harvest, sandbox: Sandbox
) -> None:
    """A page, or half of it, is not stored."""
    sandbox.fault("/bucket/", Fault(kind, after=100), source="storage")
    sandbox.app("gitlab").lfs = False

    result = harvest(7, "gitlab", token="good", allow_missing=True)

    assert "export.tar.gz" in [one["name"] for one in result["missing"]]
    assert "export.tar.gz" not in payload(result)


# -- secrets --------------------------------------------------------------------------------------


def test_the_projects_secrets_are_not_kept(harvest: Harvest, tmp_path: Path) -> None:
    """Maintainers get them with the description."""
    result = harvest(7, "gitlab", token="good")

    assert b"s3cr3t" not in everything(tmp_path / "out")
    assert 1 == json.loads(content(result, "metadata.json"))["nested"][0]["kept"]


def test_the_token_is_in_no_argument_and_no_config(
    harvest: Harvest, sandbox: Sandbox, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """It travels in the environment of git, and as a header to its own host."""
    started: list[str] = []
    real = subprocess.Popen

    def watched(command: list[str], **kwargs: object) -> object:
        started.append(" ".join(command))
        return real(command, **kwargs)  # type: ignore[call-overload]

    monkeypatch.setattr("bagit_create.pipelines.gitlab_program.subprocess.Popen", watched)

    result = harvest(10, "gitlab", loglevel=0, token="good")

    assert "repository/secret.txt" in payload(result)
    assert any("clone --mirror" in one for one in started)
    assert not any("good" in one or "Authorization" in one for one in started)
    kept = everything(tmp_path / "out")
    assert b"Authorization" not in kept and b"b2F1dGgyOmdvb2Q" not in kept


def test_the_users_git_configuration_is_not_read(
    harvest: Harvest, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """Neither their files nor their variables."""
    (Path(os.environ["HOME"]) / ".gitconfig").write_text(
        '[url "http://evil/"]\n insteadOf = http://\n'
    )
    monkeypatch.setenv("GIT_DIR", str(tmp_path / "nowhere"))
    monkeypatch.setenv("GIT_TRACE", "1")

    assert "repository.bundle" in payload(harvest(7, "gitlab"))


# -- which project --------------------------------------------------------------------------------


@pytest.mark.parametrize("recid", ["7", "toys/detector", "toys/old-name", "toys/detector.git"])
def test_a_project_by_number_or_path(recid: str, harvest: Harvest) -> None:
    """The package carries the number."""
    assert "7" == harvest(recid, "gitlab", dry_run=True)["recid"]


@pytest.mark.parametrize(
    "tail",
    [
        "/toys/detector",
        "/toys/detector/",
        "/toys/detector.git",
        "/toys/detector/-/tree/main/docs",
        "/toys/detector/-/issues?state=all",
        "/projects/7",
        "/api/v4/projects/7",
        "/api/v4/projects/toys%2Fdetector",
    ],
)
def test_every_form_of_an_address_names_the_project(tail: str, harvest: Harvest) -> None:
    """As people copy it."""
    result = harvest(None, None, url=f"https://gitlab.cern.ch{tail}", dry_run=True)

    assert "7" == result.get("recid"), result


@pytest.mark.parametrize("tail", ["/toys", "/explore/projects", "/", "/-/profile"])
def test_an_address_of_no_project_is_2(tail: str, harvest: Harvest, sandbox: Sandbox) -> None:
    """Before any request."""
    assert 2 == harvest(None, None, url=f"https://gitlab.cern.ch{tail}")["exit_code"]
    assert [] == sandbox.seen


@pytest.mark.parametrize("recid", ["../x", "a//b", "a/../b", "/a/b", "a/b/"])
def test_a_path_that_climbs_is_2(recid: str, harvest: Harvest, sandbox: Sandbox) -> None:
    """A recid becomes part of a name, so it is looked at first."""
    assert 2 == harvest(recid, "gitlab")["exit_code"]
    assert [] == sandbox.seen


def test_a_private_project_looks_missing(harvest: Harvest) -> None:
    """So the hint speaks of the token, too."""
    result = harvest(10, "gitlab")

    assert 5 == result["exit_code"]
    assert "may not see" in result["hint"] and "read_repository" in result["hint"]


def test_a_wrong_token_is_6(harvest: Harvest) -> None:
    """Even for a public project."""
    assert 6 == harvest(7, "gitlab", token="wrong")["exit_code"]


@pytest.mark.parametrize(
    "body", [b"[]", b'{"id": "7"}', b'{"id": 7}', b'{"id": 7, "path_with_namespace": 1}', b"null"]
)
def test_a_project_of_another_shape_is_4(body: bytes, harvest: Harvest, sandbox: Sandbox) -> None:
    """Saying what was being read."""
    sandbox.fault("/projects/7$", Fault("not-json", body=body))

    assert 4 == harvest(7, "gitlab")["exit_code"]


@pytest.mark.parametrize(
    "body", [b"{}", b"[1]", b'[{"path": "a"}]', b'[{"path": "a", "type": "blob", "id": "--x"}]']
)
def test_a_tree_of_another_shape_is_4(body: bytes, harvest: Harvest, sandbox: Sandbox) -> None:
    """It is never read as an empty one."""
    sandbox.fault("/repository/tree", Fault("not-json", body=body))

    assert 4 == harvest(7, "gitlab")["exit_code"]
