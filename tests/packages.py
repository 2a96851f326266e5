"""How tests look into a package."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

Harvest = Callable[..., dict[str, Any]]


def sip_json(result: dict[str, Any]) -> Any:
    """The package's description of itself."""
    assert 0 == result["status"], result
    return json.loads((Path(result["path"]) / "data/meta/sip.json").read_text(encoding="utf-8"))


def by_name(result: dict[str, Any]) -> dict[str, Any]:
    """Entries of sip.json by upstream's name."""
    return {one["origin"]["filename"]: one for one in sip_json(result)["contentFiles"]}


def payload(result: dict[str, Any]) -> set[str]:
    """Paths of the files below data/content."""
    content = Path(result["path"]) / "data/content"
    return {path.relative_to(content).as_posix() for path in content.rglob("*") if path.is_file()}


def everything(folder: Path) -> bytes:
    """Every byte of every file, and every name, below a folder."""
    return b"\0".join(
        bytes(path) + (path.read_bytes() if path.is_file() else b"") for path in folder.rglob("*")
    )
