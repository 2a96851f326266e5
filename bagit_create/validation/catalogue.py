"""The catalogue of findings: for each id what is wrong, and what to do about it."""

from __future__ import annotations

import tomllib
from functools import cache
from importlib import resources


@cache
def catalogue() -> dict[str, dict[str, str]]:
    """By id: ``title`` (what is wrong, in one sentence) and ``advice`` (what to do)."""
    text = resources.files(__package__).joinpath("catalogue.toml").read_text("utf-8")
    return tomllib.loads(text)


def advice(number: str) -> str:
    """What to do about findings with this id; empty if nothing need be done."""
    return catalogue().get(number, {}).get("advice", "")


def title(number: str) -> str:
    """What findings with this id are about."""
    return catalogue().get(number, {}).get("title", "")
