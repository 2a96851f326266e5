"""The others: a bare loop, bagit-python, and the forerunner. Run as a script, in their own process.

Nothing of ``bagit_create`` is imported at the top: the forerunner's package has the same name.
"""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import sys
from concurrent.futures import ThreadPoolExecutor
from http.client import HTTPConnection
from importlib import import_module
from pathlib import Path
from threading import local
from typing import Any
from urllib.parse import urlsplit

BLOCK = 512 * 1024


def loop(kind: str, source: Path, out: Path, ways: int) -> None:
    """Copy (or fetch) and hash every file with so many threads, and write nothing else."""
    if kind == "local":
        for folder in [source, *(path for path in source.rglob("*") if path.is_dir())]:
            (out / folder.relative_to(source)).mkdir(parents=True, exist_ok=True)
        files = [path for path in source.rglob("*") if path.is_file()]
        with ThreadPoolExecutor(ways) as pool:
            list(pool.map(lambda path: copy_one(path, out / path.relative_to(source)), files))
        return
    host = urlsplit((source / "address").read_text(encoding="utf-8")).netloc
    asking = HTTPConnection(host)
    asking.request("GET", "/api/records/1/files")
    entries = json.load(asking.getresponse())["entries"]
    own = local()
    with ThreadPoolExecutor(
        ways, initializer=lambda: setattr(own, "to", HTTPConnection(host))
    ) as pool:
        list(pool.map(lambda e: fetch_one(own.to, e["links"]["content"], out / e["key"]), entries))


def copy_one(path: Path, to: Path) -> None:
    """One file, one pass, md5 and sha1."""
    with open(path, "rb", buffering=0) as reader:
        pour(reader, to, [hashlib.md5(), hashlib.sha1()])


def fetch_one(to: HTTPConnection, url: str, path: Path) -> None:
    """One download over a connection that is kept, md5."""
    to.request("GET", urlsplit(url).path)
    with to.getresponse() as reader:
        if reader.status != 200:
            raise SystemExit(f"{url}: {reader.status}")
        pour(reader, path, [hashlib.md5()])


def pour(reader: Any, to: Path, digests: list[Any]) -> None:
    """Write and hash what a reader gives."""
    with open(to, "wb", buffering=0) as writer:
        while block := reader.read(BLOCK):
            writer.write(block)
            for digest in digests:
                digest.update(block)


def bagit_python(_kind: str, source: Path, out: Path, _ways: int) -> None:
    """Copy the folder, then let bagit-python make a bag of it and validate that."""
    import bagit

    bag = out / "bag"
    shutil.copytree(source, bag)
    bagit.make_bag(str(bag), checksums=["md5", "sha1"], processes=2).validate(processes=2)


def bdbag(_kind: str, source: Path, out: Path, _ways: int) -> None:
    """Copy the folder, then let bdbag make a bag of it and validate that."""
    bdbag_api = import_module("bdbag.bdbag_api")

    bag = out / "bag"
    shutil.copytree(source, bag)
    bdbag_api.make_bag(str(bag), algs=["md5", "sha1"])
    bdbag_api.validate_bag(str(bag), fast=False)


def zenodo_get(_kind: str, source: Path, out: Path, _ways: int) -> None:
    """The downloader of that name; its Zenodo address is turned to the benchmark's server."""
    address = (source / "address").read_text(encoding="utf-8")
    for name in ("zenodo_get.metadata.fetch_record_metadata", "zenodo_get.workflow.run_download"):
        module = import_module(name)
        text = Path(str(module.__file__)).read_text(encoding="utf-8")
        exec(compile(text.replace("https://zenodo.org", address), name, "exec"), vars(module))
        for package in (sys.modules[name.rpartition(".")[0]], import_module("zenodo_get.zget")):
            for key in vars(package).keys() & vars(module).keys():
                if callable(vars(module)[key]):
                    setattr(package, key, vars(module)[key])
    os.chdir(out)
    sys.argv = ["zenodo_get", "-r", "1", "-o", str(out)]
    import_module("zenodo_get.zget").cli()


def peer(kind: str, source: Path, out: Path, _ways: int) -> None:
    """The forerunner's ``process()``; its Zenodo address is turned to the sandbox."""
    # Its package has our name: the checkout must not come first.
    sys.path[:] = [place for place in sys.path if not os.path.isdir(f"{place}/benchmarks")]
    import bagit_create

    (out / "work").mkdir()
    common = {"loglevel": 40, "target": str(out / "made"), "workdir": str(out / "work")}
    if kind == "local":
        result = bagit_create.main.process(
            recid=None, source="local", source_path=str(source), author="bench", **common
        )
    else:
        invenio_v3 = import_module("bagit_create.pipelines.invenio_v3")

        made = invenio_v3.InvenioV3Pipeline.__init__

        def turned(self: Any, *given: Any, **named: Any) -> None:
            made(self, *given, **named)
            address = (source / "address").read_text(encoding="utf-8")
            self.base_endpoint = f"{address}/api/records/"

        invenio_v3.InvenioV3Pipeline.__init__ = turned
        for recid in _recids(kind, source):
            result = bagit_create.main.process(recid=recid, source="zenodo", **common)
            if result["status"] != 0:
                break
    if result["status"] != 0:
        raise SystemExit(str(result))


def own(kind: str, source: Path, out: Path, _ways: int) -> None:
    """Our own ``process()``, one record after the other."""
    sys.path.insert(0, str(Path(__file__).parent.parent))
    process = import_module("bagit_create.main").process
    for recid in _recids(kind, source):
        result = process(
            recid=recid,
            source="zenodo",
            loglevel=40,
            target=out / "made",
            algorithm="md5",
            config=source / "sandbox.toml",
        )
        if result["status"] != 0:
            raise SystemExit(str(result))


def _recids(kind: str, source: Path) -> list[str]:
    return (source / "list").read_text("utf-8").split() if kind == "records" else ["1"]


if __name__ == "__main__":
    {
        "loop": loop,
        "bagit": bagit_python,
        "bdbag": bdbag,
        "zenodo_get": zenodo_get,
        "peer": peer,
        "own": own,
    }[sys.argv[1]](sys.argv[2], Path(sys.argv[3]), Path(sys.argv[4]), int(sys.argv[5]))
