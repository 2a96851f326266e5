"""Who is measured beside ``bic``, how it is called, and why not if it cannot be."""

from __future__ import annotations

import os
import shutil
import sys
from importlib.util import find_spec
from pathlib import Path
from shlex import quote

from .cases import ARIA2, ARIA2_SUM, BAGIT, BDBAG, CP, CURL, OLD, RCLONE, Case, Commands

MISSING = "not installed"
NO_LIST = "needs nginx: the sandbox lists no folder"
WAYS = 16
SCRIPT = str(Path(__file__).with_name("contenders.py"))
MD5SUM = "find . -type f -print0 | xargs -0 md5sum"


def contenders(case: Case, source: Path, out: Path) -> Commands:
    """What takes part in a case, ``bic`` first: a command by name, or why there is none."""
    found: Commands = {"bic": case.bic(source, out)}
    if (others := case.beside(source, out)) is not None:
        return found | others
    if case.kind == "start":
        return found | _starting(found["bic"][-1])
    here = [sys.executable, SCRIPT]
    place = [case.kind, str(source), str(out), str(case.connections)]
    loop = [*here, "loop", *place]
    if not case.peers:
        return found if case.light else {**found, "bare loop": loop}
    found["bic --no-verify"] = [*case.bic(source, out), "--no-verify"]
    found["bare loop"] = loop
    old = forerunner()
    found[OLD] = [old, SCRIPT, "peer", *place] if old else MISSING
    if case.kind == "http":
        return found | _downloaders(source, out, place)
    copy = shutil.which("cp")
    found[CP] = [copy, "-r", str(source), str(out / "copy")] if copy else MISSING
    bagit = python_with_bagit()
    found[BAGIT] = [bagit, SCRIPT, "bagit", *place] if bagit else MISSING
    bdbag = python_with("bdbag")
    found[BDBAG] = [bdbag, SCRIPT, "bdbag", *place] if bdbag else MISSING
    return found


def _downloaders(source: Path, out: Path, place: list[str]) -> Commands:
    address = (source / "address").read_text(encoding="utf-8")
    at, of = quote(str(out)), quote(str(source))
    listed = (source / "files").is_dir()  # else the sandbox serves
    curl = f"curl -q -sS --fail -Z --parallel-max {WAYS} -K {of}/curl.txt"
    aria2 = f"aria2c -q --no-conf -j {WAYS} -x {WAYS} --file-allocation=none -i {of}/aria2.txt"
    wget2 = f"wget2 --no-config -q --max-threads {WAYS} -i {of}/wget2.txt"
    rclone = (
        f"rclone -q copy --config /dev/null --transfers {WAYS} --checkers {WAYS}"
        f" --http-url {address}/plain/ :http: {at}"
    )
    found: Commands = {
        CURL: shell("curl", f"cd {at} && {curl} && {MD5SUM} > {at}.md5"),
        ARIA2: shell("aria2c", f"{aria2} -d {at}"),
        ARIA2_SUM: shell("aria2c", f"cd {at} && {aria2} -d {at} && {MD5SUM} > {at}.md5"),
        "wget2": shell("wget2", f"{wget2} -P {at}") if listed else NO_LIST,
        RCLONE: shell("rclone", rclone) if listed else NO_LIST,
    }
    zenodo_get = python_with("zenodo_get")
    found["zenodo_get"] = [zenodo_get, SCRIPT, "zenodo_get", *place] if zenodo_get else MISSING
    return found


def _starting(option: str) -> Commands:
    """The same question to the others; Python alone is the least that any of them takes."""
    found: Commands = {"python, nothing else": [sys.executable, "-c", "pass"]}
    old = forerunner()
    programs = {OLD: Path(old).with_name("bic") if old else None}
    for name in ("bdbag", "zenodo_get"):
        python = python_with(name)
        programs[name] = Path(python).with_name(name) if python else None
    for name, program in programs.items():
        found[name] = [str(program), option] if program and program.exists() else MISSING
    return found


def shell(program: str, line: str) -> list[str] | str:
    """A line for the shell, if there is the program that it needs."""
    return ["/bin/sh", "-c", line] if shutil.which(program) else MISSING


def python_with_bagit() -> str | None:
    """A Python that has bagit-python: ours, or that of BIC_BENCH_PEERS."""
    return sys.executable if find_spec("bagit") else python_with("bagit")


def forerunner() -> str | None:
    """The Python that has bagit-create 1.5.3, if there is one."""
    named = os.environ.get("BIC_BENCH_FORERUNNER")
    return shutil.which(named) if named else python_with("bagit_create")


def python_with(module: str) -> str | None:
    """The Python of BIC_BENCH_PEERS (a folder ``…/bin``), if the module is installed there."""
    folder = os.environ.get("BIC_BENCH_PEERS")
    if not folder:
        return None
    python = Path(os.path.abspath(folder)) / "python"  # no links followed: it finds its modules so
    places = python.parent.parent.glob("lib/python3*/site-packages")
    here = any((at / module).is_dir() or (at / f"{module}.py").exists() for at in places)
    return str(python) if python.exists() and here else None
