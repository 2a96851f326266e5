"""Numbers of a plan that a run proves right or wrong."""

from __future__ import annotations

from functools import partial
from pathlib import Path
from typing import Any

import pytest
from scripted import Asked, serving, whole

from bagit_create import planning
from bagit_create.options import JobOptions


def telling(answer: Any, headers: dict[str, str], asked: Asked) -> bytes:
    """The answer, with headers."""
    made: bytes = answer(asked)
    return whole(made.partition(b"\r\n\r\n")[2], **headers)


@pytest.mark.parametrize(("told", "window"), [(60, 3600.0), (100, 60.0)])
def test_the_hours_are_those_of_all_limits_that_a_run_keeps_to(
    told: int, window: float, tmp_path: Path
) -> None:
    """Answers tell the minute's; ``limits`` in instances.toml names the hour's beside it."""
    headers = {
        "X_RateLimit_Limit": str(told),
        "X_RateLimit_Remaining": "9",
        "X_RateLimit_Reset": "58",
    }
    with serving() as server:
        server.record({"a": b"a"})
        for path, answer in list(server.answers.items()):
            server.answers[path] = partial(telling, answer, headers)
        config = server.config(tmp_path)
        with config.open("a") as file:
            file.write('limits = ["60/minute 36/hour", "100/minute 9000/hour"]\n')
        options = JobOptions(source="scripted", recid="r", config=config, target=tmp_path / "out")
        found = planning.plan(options)

    [limit] = found.limits
    assert (window, window == 3600) == (limit.window, limit.known)
    assert found.seconds == found.requests.total / limit.requests * window
