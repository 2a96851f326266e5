"""The JSON Schema of sip.json, for those who make or check one with other tools."""

from __future__ import annotations

from importlib import resources


def text() -> str:
    """The schema (JSON Schema draft 2020-12), stricter than CERN's draft 1.

    It tells about shapes only: the validation here looks at far more, and does not use it.
    """
    return resources.files(__package__).joinpath("sip-schema.json").read_text("utf-8")
