"""Who is measured beside ``bic``, how it is called, and whether it is here."""

from __future__ import annotations

import os
import shutil
import sys
from importlib.util import find_spec
from pathlib import Path

from .cases import BAGIT, OLD, Case

Command = list[str]
CONNECTIONS = "16"
SCRIPT = str(Path(__file__).with_name("contenders.py"))


def contenders(case: Case, source: Path, out: Path) -> dict[str, Command | None]:
    """The commands of a case by the contender's name; None for one that is not installed."""
    here = [sys.executable, SCRIPT]
    place = [case.kind, str(source), str(out)]
    found: dict[str, Command | None] = {"bic": case.bic(source, out)}
    if not case.peers:
        return found
    found["bic --no-verify"] = [*case.bic(source, out), "--no-verify"]
    found["bare loop"] = [*here, "loop", *place]
    old = os.environ.get("BIC_BENCH_FORERUNNER") or _python("bagit_create")
    found[OLD] = [old, SCRIPT, "peer", *place] if old else None
    if case.kind == "local":
        found["cp"] = [*here, "cp", *place]
        bagit = sys.executable if find_spec("bagit") else _python("bagit")
        found[BAGIT] = [bagit, SCRIPT, "bagit", *place] if bagit else None
        bdbag = _python("bdbag")
        found["bdbag"] = [bdbag, SCRIPT, "bdbag", *place] if bdbag else None
        return found
    address = (source / "address").read_text(encoding="utf-8")
    found["curl + md5sum"] = _shell(
        "curl",
        f"cd {out} && curl -s -Z --parallel-max {CONNECTIONS} -K {source}/curl.txt"
        f" && find . -type f -print0 | xargs -0 md5sum > {out}.md5",
    )
    found["aria2c"] = _shell(
        "aria2c",
        f"aria2c -q -j {CONNECTIONS} -x 1 --file-allocation=none -d {out} -i {source}/aria2.txt",
    )
    found["wget2"] = _shell(
        "wget2", f"wget2 -q --max-threads {CONNECTIONS} -P {out} -i {source}/wget2.txt"
    )
    found["rclone"] = (
        _shell(
            "rclone",
            f"rclone -q copy --config /dev/null --transfers {CONNECTIONS} --checkers {CONNECTIONS}"
            f" --http-url {address}/plain/ :http: {out}",
        )
        if not case.delay
        else None
    )
    zenodo_get = _python("zenodo_get")
    found["zenodo_get"] = [zenodo_get, SCRIPT, "zenodo_get", *place] if zenodo_get else None
    return found


def _shell(program: str, line: str) -> Command | None:
    return ["/bin/sh", "-c", line] if shutil.which(program) else None


def _python(module: str) -> str | None:
    """The Python of BIC_BENCH_PEERS (a folder ``…/bin``), if the module is installed there."""
    folder = os.environ.get("BIC_BENCH_PEERS")
    if not folder:
        return None
    python = Path(folder) / "python"
    places = (python.parent.parent / "lib").glob(f"python3*/site-packages/{module}*")
    return str(python) if python.exists() and any(places) else None
