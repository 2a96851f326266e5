"""Answers in which one thing is not what it was: a run may refuse them, it may not be surprised."""

from __future__ import annotations

import json
import random
from pathlib import Path
from typing import Any

import pytest

from bagit_create.main import process
from bagit_create.pipelines import gitlab_export
from bagit_create.sandbox import Sandbox
from bagit_create.sandbox.content import Content
from bagit_create.sandbox.server import Reply, Seen

RECORDS = [
    ("cds", "1001"),
    ("cds-rdm", "k3f9q-7xw21"),
    ("cds-videos", "3000002"),
    ("cod", "4"),
    ("cod", "5"),
    ("codimd", "AbCdEfGhIjKlMnOpQrStUv"),
    ("gitlab", "7"),
    ("indico", "101"),
    ("zenodo", "7000004"),
]
ODD: list[Any] = [
    None,
    True,
    -1,
    1 << 70,
    1.5,
    "",
    "../../../x",
    "file:///etc/passwd",
    "http://[x",
    "a\0b",
]
ODD += ["\ud800", [], {}, ["x"], {"a": 1}, "x" * 5000, "\n", "http://127.0.0.1:1/x", "..", [[[]]]]


def places(value: Any, path: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
    """Where something stands in a document."""
    inner: Any = value.items() if isinstance(value, dict) else enumerate(value[:6])
    found = [path] if path else []
    for key, one in inner:
        found += places(one, (*path, key)) if isinstance(one, (dict, list)) else [(*path, key)]
    return found


def change(body: bytes, chance: random.Random, is_json: bool) -> bytes:
    """The same body with one thing taken away, doubled or replaced."""
    if not is_json:
        at = chance.randrange(len(body))
        odd = chance.choice([b"", b"<", b"&", b"\0", b"../", b'"', b"\xff"])
        return body[:at] + odd + body[at + chance.randint(0, 3) :]
    document = json.loads(body)
    path = chance.choice(places(document) or [()])
    inside: Any = document
    for key in path[:-1]:
        inside = inside[key]
    if not path:
        document = chance.choice(ODD)
    elif chance.random() < 0.2 and isinstance(inside, dict):
        del inside[path[-1]]
    elif chance.random() < 0.1 and isinstance(inside, list):
        inside.append(inside[path[-1]])
    else:
        inside[path[-1]] = chance.choice(ODD)
    return json.dumps(document).encode()


@pytest.mark.parametrize(("source", "recid"), RECORDS)
@pytest.mark.parametrize("seed", range(30))
def test_a_changed_answer_is_no_surprise(
    source: str,
    recid: str,
    seed: int,
    sandbox: Sandbox,
    config_file: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Whatever the exit code, it is not that of a bug, and nothing is written elsewhere."""
    monkeypatch.setattr(gitlab_export, "FIRST_WAIT_S", 0.001)
    chance = random.Random(f"{source} {recid} {seed}")
    left = [chance.randint(1, 4)]
    app = sandbox.app(source)
    real = type(app).__call__

    def answer(self: Any, request: Seen) -> Reply:
        reply: Reply = real(self, request)
        kind = reply.headers.get("Content-Type", "")
        if reply.status == 200 and reply.length and ("json" in kind or "xml" in kind):
            left[0] -= 1
            if left[0] == 0 or "xml" in kind:
                reply.body = Content(change(b"".join(reply.blocks()), chance, "json" in kind))
                reply.start, reply.stop = 0, None
        return reply

    monkeypatch.setattr(type(app), "__call__", answer)
    options: dict[str, Any] = {
        "dry_run": chance.random() < 0.5,
        "allow_missing": chance.random() < 0.5,
    }

    result = process(
        recid, source, target=tmp_path / "out", config=config_file, retries=0, timeout=60, **options
    )

    assert result["exit_code"] not in (1, 10, 11), result
    assert {"out"} >= {path.name for path in tmp_path.iterdir()}
