"""Which room may look into which: the plan of the package, enforced.

A row says what the modules of a room may import of ours, besides their own room. A name stands for
a module or for a whole room.
"""

from __future__ import annotations

import ast
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

import bagit_create

PACKAGE = Path(bagit_create.__file__).parent

#: Facts and the error tree, which any room above may use.
GROUND = {"errors", "model", "report", "log"}

MAY_IMPORT: dict[str, set[str]] = {
    # the ground: nothing of ours
    "__init__": set(),
    "errors": set(),
    "model": set(),
    "report": set(),
    "log": set(),
    "version": set(),
    # what was asked for, and which servers there are
    "checksums": {"errors", "model"},
    "limits": set(),
    "config": {"errors", "limits"},
    "credentials": {"config", "errors"},
    "options": {"checksums", "config", "credentials", "errors"},
    # names, addresses, and pages for people
    "page": {"log"},
    "paths": GROUND,
    "tree": GROUND,
    "urls": GROUND,
    # HTTP, and what answers look like
    "net": set(),
    "wire": {"credentials", "errors", "log", "net", "urls", "version"},
    "bodies": {"errors", "net", "urls", "wire"},
    "answers": GROUND | {"bodies", "urls"},
    "budget": {"log"},
    "pauses": GROUND,
    "client": GROUND
    | {"bodies", "budget", "pauses"}
    | {"answers", "credentials", "net", "urls", "version", "wire"},
    # a record: never how it is fetched, written, or asked for on a terminal
    "pipelines": GROUND
    | {"answers", "bodies", "checksums", "client", "config", "options", "paths", "tree", "urls"},
    # bytes: never where they come from by name, nor what becomes of them
    "transfer": GROUND | {"bodies", "checksums", "client", "urls"},
    # the package: never a network
    "sip": GROUND | {"checksums", "options", "paths", "urls", "version"},
    "validation": GROUND | {"checksums", "page", "paths", "urls"},
    # a package that changes: everything but where records come from
    "completion": GROUND
    | {
        "answers",
        "urls",
        "checksums",
        "client",
        "config",
        "credentials",
        "options",
        "sip",
        "transfer",
        "validation",
        "wire",
    },
    # where all of it meets
    "provenance": GROUND | {"options", "sip", "urls", "version"},
    "earlier": GROUND | {"checksums", "options", "pipelines", "sip", "validation"},
    "harvested": GROUND | {"checksums", "options", "paths", "urls"},
    "assembly": GROUND
    | {
        "checksums",
        "client",
        "harvested",
        "options",
        "provenance",
        "sip",
        "transfer",
        "validation",
    },
    "sso": {"errors"},
    "session": GROUND | {"answers", "credentials", "urls", "wire"},
    "access": GROUND
    | {"client", "config", "credentials", "limits", "net", "options", "session", "sso", "wire"},
    "job": GROUND
    | {
        "access",
        "assembly",
        "client",
        "config",
        "earlier",
        "harvested",
        "options",
        "pipelines",
        "provenance",
        "sip",
    },
    "main": GROUND | {"credentials", "job", "options"},
    # many records
    "listing": GROUND
    | {"access", "answers", "client", "config", "credentials", "options", "pipelines"}
    | {"session", "urls"},
    "batch": GROUND
    | {"access", "budget", "config", "credentials", "job", "main", "options", "page", "session"}
    | {"sip", "version"},
    # what a run would do, without doing it
    "planning": GROUND
    | {"access", "answers", "assembly", "batch", "budget", "checksums", "client", "config"}
    | {"credentials", "harvested", "limits", "main", "options", "pipelines", "provenance"}
    | {"session"}
    | {"sip", "transfer", "urls", "wire"},
    # the terminal
    "console": GROUND,
    "cli": GROUND
    | {"checksums", "config", "console", "credentials", "main", "options", "sandbox"}
    | {"batch", "completion", "listing", "planning", "sip", "validation", "version"},
    "__main__": {"cli"},
    # the miniature upstreams share no code with what they test
    "sandbox": set(),
}

#: A pipeline may build on another one only where that is declared here.
RELATED = {
    "cod": {"sameness"},
    "indico": {"indico_export", "indico_material", "sameness"},
    "invenio_v1": {"bibdocfile", "eos", "marc"},
    "codimd": {"markdown"},
    "gitlab": {"gitlab_api", "gitlab_export", "gitlab_repository", "sameness"},
    "gitlab_repository": {"gitlab_api", "gitlab_git", "gitlab_lfs", "gitlab_program"},
    "gitlab_git": {"gitlab_program"},
    "gitlab_lfs": {"gitlab_git"},
    "gitlab_export": {"gitlab_api"},
    "inveniordm": {"legacy", "sameness"},
    "videos": {"legacy", "sameness"},
    "zenodo": {"inveniordm", "sameness"},
}

#: Each library stands behind one door.
ONLY_IN: dict[str, set[str]] = {
    "requests": {"net", "sso"},
    "urllib3": {"net"},
    "certifi": {"net"},
    "socks": {"net"},
    "click": {"cli"},
    "rich": {"console"},
    "platformdirs": {"config"},
    "gitlab": {"pipelines"},
    "lxml": {"listing", "pipelines"},
    "celery": {"batch"},
    "kombu": {"batch"},
    "bagit": {"validation"},  # our own writer and validator decide
}

SLOW_TO_LOAD = {
    "requests",
    "urllib3",
    "rich",
    "xml",
    "bagit",
    "bagit_create.sandbox",
    "http",
    "lxml",
    "gitlab",
    "celery",
}


def modules() -> list[Path]:
    return sorted(PACKAGE.rglob("*.py"))


def room(module: Path) -> str:
    return module.relative_to(PACKAGE).with_suffix("").parts[0]


def imports(module: Path) -> Iterator[str]:
    """Absolute names of what a module imports, wherever in it; ``.x`` for a module of ours."""
    package = module.relative_to(PACKAGE).parent.parts
    for node in ast.walk(ast.parse(module.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.level == 0:
            yield node.module or ""
        elif isinstance(node, ast.ImportFrom):
            base = package[: len(package) - node.level + 1]
            names = [node.module] if node.module else [alias.name for alias in node.names]
            yield from ("." + ".".join((*base, name)) for name in names)


def name(module: Path) -> str:
    return module.relative_to(PACKAGE).as_posix()


@pytest.mark.parametrize("module", modules(), ids=name)
def test_a_room_looks_only_where_it_may(module: Path) -> None:
    """Every import of ours is in the table, so that things flow one way."""
    here = room(module)
    found = {one.split(".")[1] for one in imports(module) if one.startswith(".")}

    assert set() == found - MAY_IMPORT[here] - {here}


@pytest.mark.parametrize("module", modules(), ids=name)
def test_a_library_stands_behind_its_door(module: Path) -> None:
    """Nobody but the declared modules imports it; nobody imports us by our full name."""
    found = {one.split(".")[0] for one in imports(module) if not one.startswith(".")}

    assert set() == {one for one in found if room(module) not in ONLY_IN.get(one, {room(module)})}
    assert "bagit_create" not in found


@pytest.mark.parametrize("module", sorted((PACKAGE / "pipelines").glob("*.py")), ids=name)
def test_a_pipeline_stands_alone(module: Path) -> None:
    """It imports the base, and another pipeline only where that is declared."""
    prefix = ".pipelines."
    found = {one.removeprefix(prefix) for one in imports(module) if one.startswith(prefix)}

    assert set() == found - {"base"} - RELATED.get(module.stem, set())


def test_every_room_has_a_row() -> None:
    """A new module is a decision about what it may see; an old row is removed with its module."""
    assert set(MAY_IMPORT) == {room(module) for module in modules()}


def test_the_sandbox_needs_the_standard_library_only() -> None:
    """It runs wherever Python runs."""
    found = {
        one.split(".")[0]
        for module in (PACKAGE / "sandbox").glob("*.py")
        for one in imports(module)
        if not one.startswith(".")
    }

    assert set() == found - set(sys.stdlib_module_names)


def test_importing_does_no_work() -> None:
    """The command line and the package load nothing heavy before they know what is wanted."""
    code = (
        "import sys, bagit_create, bagit_create.cli;"
        f"print(*sorted(set(sys.modules) & {SLOW_TO_LOAD!r}))"
    )
    answer = subprocess.run([sys.executable, "-c", code], capture_output=True, check=True)

    assert b"" == answer.stdout.strip()
