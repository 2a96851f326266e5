"""The repositories of the sandbox's GitLab, made by git itself."""

from __future__ import annotations

import atexit
import hashlib
import os
import shutil
import subprocess
from functools import lru_cache
from pathlib import Path
from tempfile import TemporaryDirectory, mkdtemp

LFS = b"what is kept in LFS\n" * 1000
LFS_ID = hashlib.sha256(LFS).hexdigest()
POINTER = (
    f"version https://git-lfs.github.com/spec/v1\noid sha256:{LFS_ID}\nsize {len(LFS)}\n"
).encode()
OLD_LFS = b"an older version of it\n" * 500
OLD_LFS_ID = hashlib.sha256(OLD_LFS).hexdigest()
OLD_POINTER = POINTER.replace(LFS_ID.encode(), OLD_LFS_ID.encode()).replace(
    str(len(LFS)).encode(), str(len(OLD_LFS)).encode()
)
ODD = {
    "README.md": b"# Toy detector\n",
    "readme.md": b"differs in case only\n",
    "docs/hello.txt": b"hello",
    "docs/empty": b"",
    "docs/-dash.txt": b"dash",
    "odd #1 100%?&x=[y].txt": b"odd",
    "\u00e9t\u00e9/\u56f3.txt": b"accents",
    "line\nbreak.txt": b"broken line",
    "trailing blank ": b"blank",
    "big/data.bin": bytes(range(256)) * 8192,
    "data/lfs.bin": POINTER,
    ".gitattributes": b"data/*.bin filter=lfs diff=lfs merge=lfs -text\n",
    ".gitmodules": b'[submodule "lib"]\n\tpath = vendor/lib\n\turl = ../lib.git\n',
}
ENVIRONMENT = {
    "PATH": os.environ.get("PATH", os.defpath),
    "HOME": os.devnull,
    "GIT_AUTHOR_NAME": "Ada Example",
    "GIT_AUTHOR_EMAIL": "ada@example.org",
    "GIT_COMMITTER_NAME": "Ada Example",
    "GIT_COMMITTER_EMAIL": "ada@example.org",
    "GIT_AUTHOR_DATE": "2026-01-02T03:04:05Z",
    "GIT_COMMITTER_DATE": "2026-01-02T03:04:05Z",
    "GIT_CONFIG_GLOBAL": os.devnull,
    "GIT_CONFIG_NOSYSTEM": "1",
}


@lru_cache(maxsize=1)
def repositories() -> str:
    """The folder of all repositories; nobody changes them, so one will do for every sandbox."""
    root = mkdtemp(prefix="bic-sandbox-")
    atexit.register(shutil.rmtree, root, ignore_errors=True)
    _create_all(root)
    return root


def _create_all(root: str) -> None:
    many = {f"part{n % 5}/file {n:03}.txt": b"%d\n" % n for n in range(250)}
    for path, files in (
        ("toys/detector", ODD),
        ("toys/detector.wiki", {"home.md": b"# Home\n", "notes/\u56f3.md": b"Notes\n"}),
        ("toys/empty", {}),
        ("toys/many", many),
        ("toys/private", {"secret.txt": b"secret"}),
        ("toys/broken", {"a.txt": b"a"}),
    ):
        _create(Path(root, f"{path}.git"), files, path == "toys/detector")


def _create(bare: Path, files: dict[str, bytes], rich: bool) -> None:
    bare.parent.mkdir(parents=True, exist_ok=True)
    _git(None, "init", "--quiet", "--bare", "--initial-branch=main", str(bare))
    if not files:
        return
    with TemporaryDirectory() as tree:
        _git(tree, "init", "--quiet", "--initial-branch=main")
        for name, content in files.items():
            path = Path(tree, name)
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(content)
        if rich:
            held = Path(tree, "data/lfs.bin")
            held.write_bytes(OLD_POINTER)
            _git(tree, "add", "--all")
            _git(tree, "commit", "--quiet", "-m", "Before")
            held.write_bytes(POINTER)
            Path(tree, "latest").symlink_to("docs/hello.txt")
        _git(tree, "add", "--all")
        if rich:
            _git(tree, "update-index", "--add", "--cacheinfo", f"160000,{'a' * 40},vendor/lib")
        _git(tree, "commit", "--quiet", "-m", "First")
        if rich:
            _git(tree, "tag", "-a", "v1", "-m", "Version 1")
            _git(tree, "branch", "feature/one")
            _git(tree, "update-ref", "refs/merge-requests/1/head", "HEAD")
        _git(tree, "push", "--quiet", str(bare), "refs/*:refs/*")


def _git(folder: str | None, *command: str) -> None:
    subprocess.run(["git", *command], cwd=folder, env=ENVIRONMENT, check=True, capture_output=True)
