"""Two packages that claim to be one: the same name, and other bytes."""

from __future__ import annotations

import hashlib
import json
from dataclasses import replace

from ..report import Finding, Report
from .catalogue import advice


class Twins:
    """The packages of one run by their names. A copy of a package is no clash."""

    def __init__(self) -> None:
        self._known: dict[str, tuple[str, str]] = {}

    def judge(self, name: str, report: Report) -> Report:
        """A report with finding C59, if another package of that name was something else.

        :param name: of the package: that of its folder, or of its archive without the extension.
        :param report: of a validation with ``fingerprint``; tag files stand for the payload.
        """
        text = json.dumps([report.files, report.bytes, sorted(report.tag_files.items())])
        own = hashlib.sha256(text.encode()).hexdigest()
        if report.verdict == "incomplete" or not name.startswith("sip::"):
            return report  # a light package and a full one may be of one making
        digest, path = self._known.setdefault(name, (own, str(report.path)))
        if digest == own:
            return report
        clash = Finding(
            "C59", "error", name, f"another package has this name: {path}", advice=advice("C59")
        )
        counts = {**report.counts, "error": report.counts["error"] + 1}
        return replace(report, verdict="invalid", findings=(*report.findings, clash), counts=counts)
