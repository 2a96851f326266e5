"""Bags of other tools that promise files, the servers that have these, and looks into a bag."""

from __future__ import annotations

import ctypes
import hashlib
import json
import re
import zlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import quote

import bagit
from click.testing import CliRunner, Result
from scripted import Scripted, whole

from bagit_create.cli import cli
from bagit_create.validation import validate

FILES = {
    "data/a.txt": b"alpha\n",
    "data/run 1/b.bin": bytes(range(256)) * 40,
    "data/run 1/empty": b"",
    "data/ü.txt": "größer\n".encode(),
}
INFO = (
    "Source-Organization: Université d'Ailleurs\n"
    "External-Description: About payload-oxum: 1.1, and more\n"
    "  of that on a second line\n"
    "Payload-Oxum: {oxum}\n"
    "Contact-Name: Ada\n"
    "Contact-Name: Zoë\n"
)


def bic(*args: object) -> Result:
    """Run the command line in this process."""
    return CliRunner().invoke(cli, [str(one) for one in args])


def complete(path: Path, *args: object, code: int = 0) -> Result:
    """``bic complete`` with the host of scripted servers, which ends with this code."""
    done = bic("complete", path, "--allow-host", "127.0.0.1", "--retries", 0, *args)
    assert code == done.exit_code, (done.exit_code, done.stdout, done.stderr, done.exception)
    return done


def digest(algorithm: str, content: bytes) -> str:
    """As manifests have it."""
    return hashlib.new(algorithm, content).hexdigest()


@dataclass(frozen=True)
class Form:
    """How a tool writes bags. ``length`` makes the second column of fetch.txt; ``spell`` writes a
    path; ``info`` is bag-info.txt, in which ``{oxum}`` is filled in."""

    version: str = "0.97"
    algorithms: tuple[str, ...] = ("sha256",)
    encoding: str = "UTF-8"
    end: str = "\n"
    blank: str = " "
    gap: str = "  "
    length: Callable[[bytes], str] = lambda content: str(len(content))
    spell: Callable[[str], str] = lambda path: path
    info: str | None = INFO
    tags: bool = True


def holey(
    path: Path,
    server: Scripted,
    files: Mapping[str, bytes] = FILES,
    form: Form = Form(),
    here: tuple[str, ...] = (),
    extra: Mapping[str, bytes] | None = None,
) -> Path:
    """Make a bag that promises all files but those that are ``here``; the server has them.

    :param extra: further tag files, which the tag manifests list.
    """

    def text(name: str, content: str) -> None:
        (path / name).write_bytes(content.replace("\n", form.end).encode(form.encoding))

    (path / "data").mkdir(parents=True)
    declared = f"BagIt-Version: {form.version}\nTag-File-Character-Encoding: {form.encoding}\n"
    (path / "bagit.txt").write_bytes(declared.replace("\n", form.end).encode())
    for name in here:
        (path / name).parent.mkdir(parents=True, exist_ok=True)
        (path / name).write_bytes(files[name])
    for name, content in (extra or {}).items():
        (path / name).parent.mkdir(parents=True, exist_ok=True)
        (path / name).write_bytes(content)
    lines = []
    for name in reversed([*files]):  # any order is as good as another, and this one is theirs
        if name not in here:
            url = offer(server, name, files[name])
            lines.append(form.blank.join((url, form.length(files[name]), form.spell(name))))
    text("fetch.txt", "".join(f"{line}\n" for line in lines))
    for algorithm in form.algorithms:
        text(
            f"manifest-{algorithm}.txt",
            "".join(
                f"{digest(algorithm, files[n])}{form.gap}{form.spell(n)}\n"
                for n in reversed([*files])
            ),
        )
    if form.info is not None:
        oxum = f"{sum(map(len, files.values()))}.{len(files)}"
        text("bag-info.txt", form.info.replace("{oxum}", oxum))
    if form.tags:
        seal(path, form)
    return path


def seal(path: Path, form: Form = Form()) -> None:
    """Write the tag manifests, in the order of the disk's choice."""
    names = sorted(
        (one.relative_to(path).as_posix() for one in path.rglob("*") if one.is_file()), reverse=True
    )
    listed = [name for name in names if not re.match("data/|tagmanifest-", name)]
    for algorithm in form.algorithms:
        lines = (f"{digest(algorithm, (path / n).read_bytes())}{form.gap}{n}\n" for n in listed)
        content = "".join(lines).replace("\n", form.end).encode(form.encoding)
        (path / f"tagmanifest-{algorithm}.txt").write_bytes(content)


def place_of(name: str) -> str:
    """Where a server has a file."""
    return f"/f/{quote(name)}"


def offer(server: Scripted, name: str, content: bytes) -> str:
    """Have a server hand out a file; its address."""
    server.answers[place_of(name)] = lambda _: whole(content)
    return server.url + place_of(name)


def fetched(server: Scripted) -> list[str]:
    """The files that were asked for, in the order of their names."""
    return sorted(one.path for one in server.asked)


def promised(path: Path) -> list[str]:
    """The lines of fetch.txt."""
    return (path / "fetch.txt").read_text(encoding="utf-8").splitlines()


def tree(path: Path) -> dict[str, bytes | None]:
    """Everything below a folder; None stands for a folder."""
    return {
        one.relative_to(path).as_posix(): one.read_bytes() if one.is_file() else None
        for one in path.rglob("*")
    }


def assert_full(path: Path, files: Mapping[str, bytes] | None = None) -> None:
    """It is valid, by our validator and by the Library of Congress's, and has these files."""
    report = validate(path)
    assert "valid" == report.verdict, [str(one) for one in report.findings]
    bagit.Bag(str(path)).validate()
    for name, content in (files or {}).items():
        assert content == (path / name).read_bytes()
    assert_alone(path)


def assert_alone(path: Path) -> None:
    """Nothing was left beside the bag."""
    beside = [one.name for one in path.parent.iterdir() if one.name.startswith((".bic", path.name))]
    assert [path.name] == beside


def remains(path: Path) -> list[Path]:
    """What runs have left beside the bag."""
    place = path.parent / ".bic-staging"
    return list(place.iterdir()) if place.exists() else []


def unprivileged() -> None:
    """Make the program that is started next one that rights hold for, also as root."""
    libc = ctypes.CDLL(None)
    for capability in (1, 2, 3):  # CAP_DAC_OVERRIDE, CAP_DAC_READ_SEARCH, CAP_FOWNER
        libc.prctl(24, capability, 0, 0, 0)  # PR_CAPBSET_DROP


def change_sip(path: Path, change: Callable[[dict[str, Any]], object]) -> None:
    """Change a SIP's sip.json, and whatever tells of its size and checksums.

    :param change: changes the document, or gives the text to write in its place.
    """
    file = path / "data/meta/sip.json"
    document = json.loads(file.read_text(encoding="utf-8"))
    before = file.stat().st_size
    text = change(document)
    file.write_text(text if isinstance(text, str) else json.dumps(document), encoding="utf-8")
    info = path / "bag-info.txt"
    more = file.stat().st_size - before
    info.write_text(
        re.sub(r"(?<=Oxum: )\d+", lambda m: str(int(m[0]) + more), info.read_text("utf-8")), "utf-8"
    )
    for one in path.glob("manifest-*.txt"):
        algorithm = one.stem.partition("-")[2]
        content = file.read_bytes()
        value = f"{zlib.adler32(content):08x}" if algorithm == "adler32" else ""
        value = value or digest(algorithm, content)
        listed = re.sub(r"(?m)^\w+(?=  data/meta/sip.json$)", value, one.read_text("utf-8"))
        one.write_text(listed, "utf-8")
    reseal(path)


def reseal(path: Path) -> None:
    """Make the tag manifests fit, line by line."""
    for one in path.glob("tagmanifest-*.txt"):
        algorithm = one.stem.partition("-")[2]
        lines = (line.split("  ", 1) for line in one.read_text("utf-8").splitlines())
        one.write_text(
            "".join(f"{digest(algorithm, (path / n).read_bytes())}  {n}\n" for _, n in lines),
            "utf-8",
        )
