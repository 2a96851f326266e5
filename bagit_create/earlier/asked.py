"""Whether an earlier package is what is asked for now."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Any

from ..log import now
from ..options import ARCHIVES, JobOptions
from ..validation.siphead import at
from .package import Package

OWN_VERSION = 2
"""The forerunner (1.x) did not compare what it fetched with what upstream published."""
SKEW_S = 60
"""Seconds by which a package's time may be ahead: of many in one second, each gets its own."""


def lacks(package: Package, options: JobOptions, notes: Mapping[str, Any]) -> str:
    """What is asked for and not in a package, in a few words; ``""`` if it has everything.

    A package that is more than is asked for will do: one that was light and is complete by now, one
    with further manifests.

    :param notes: the user's own, as sip.json would have them.
    """
    return next(_lacking(package, options, notes), "")


def _lacking(package: Package, options: JobOptions, notes: Mapping[str, Any]) -> Iterator[str]:
    params = package.params
    if package.made_by < OWN_VERSION:
        yield "an older program made it, which did not compare what it fetched"
    named = re.fullmatch(r"sip::.*::([0-9]{1,12})(\.[a-z.]+)?", package.path.name)
    if named and int(named[1]) != package.made:  # it would be the newest for ever
        yield "its name tells of another time than it does itself"
    if not 0 < package.made <= now() + SKEW_S:
        yield "it does not say when it was made, or that is still to come"
    suffix = ARCHIVES[options.archive] if options.archive else ""
    if package.path.is_dir() if suffix else not package.path.is_dir():
        yield "it is in another form"
    elif suffix and not package.path.name.endswith(suffix):
        yield "it is an archive of another form"
    if package.report.version != options.bagit_version:
        yield f"it is a bag of version {package.report.version}"
    for name in ("alternate_uri", "hash_missing") if options.light else ():
        if params.get(name) is not getattr(options, name):
            yield f"{name} was asked for differently"
    if options.light and params.get("dry_run") is not True:
        yield "it is a full package"
    if options.light and params.get("algorithms") != list(options.algorithms):
        yield "it has other manifests"
    if not options.light and not {*options.algorithms} <= {*package.report.algorithms}:
        yield "it has other manifests"
    if params.get("bibdoc") is not options.bibdoc:
        yield "its list of files was made in another way"
    if package.head.get("usr-meta") != notes or package.head.get("author") != (
        options.author or None
    ):
        yield "the notes for the archive differ"
    if options.verify and not options.light and params.get("verify") is not True:
        yield "it was not read back from disk"
    if not options.light and package.report.verdict != "valid":
        yield "it is a light package"
    if failed := next(_failed(package), ""):
        yield f"its source failed to show what belongs to it: {failed}"
    if package.withheld:
        yield "files that its source lists are missing in it"  # it may hand them out today


def _failed(package: Package) -> Iterator[str]:
    """What is named as left out because the server failed (5xx): today it may not."""
    for step in package.steps("skip"):
        files = step.get("files")
        for one in files if isinstance(files, list) else ():
            if str(at(one, "reason")).startswith("HTTP 5"):
                yield str(at(one, "name"))
