"""Helpers for tests of lists."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

from bagit_create.credentials import Secret
from bagit_create.listing import Listed, Listing, Selection, list_records
from bagit_create.options import JobOptions

Lists = Callable[..., tuple[list[Listed], Listing]]
"""Takes a credential, if any, and fields of a selection; gives its records, and how it went."""


def lists_of(source: str, config: Path, credential: str = "", **usual: Any) -> Lists:
    """What lists a source of the sandbox, with these fields of a selection if no others."""

    def call(credential: str = credential, **selection: Any) -> tuple[list[Listed], Listing]:
        options = JobOptions(
            source=source,
            config=config,
            retries=1,
            token=Secret(credential) if credential else None,
        )
        made = list_records(options, Selection(**{**usual, **selection}))
        return list(made), made

    return call


def ids(found: tuple[list[Listed], Listing]) -> list[str]:
    """The ids of records, in the order in which they came."""
    return [one.recid for one in found[0]]


def bic_list(config: Path, *arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
    """Run ``bic list`` as a user would."""
    return subprocess.run(
        [sys.executable, "-m", "bagit_create", "list", *arguments],
        env={**os.environ, "BIC_CONFIG": str(config), **environment},
        capture_output=True,
        encoding="utf-8",
        timeout=60,
    )
