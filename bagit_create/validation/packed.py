"""Is an archive what was packed into it?"""

from __future__ import annotations

from pathlib import Path

from ..errors import InvalidSip
from ..model import Events
from ..report import Report
from .bag import validate


def verify_archive(
    archive: Path, folder: Report, *, jobs: int | None = None, events: Events | None = None
) -> None:
    """Read an archive to its last byte, and compare it with the folder that it was made of.

    The payload is compared with the manifests, and those and all other tag files with the folder's.

    :param folder: the report on the folder, made with ``fingerprint=True``.
    :raises InvalidSip: if anything differs.
    """
    report = validate(archive, jobs=jobs, fingerprint=True, events=events)
    faults = [str(one) for one in report.findings if one.level == "error"]
    if not faults:
        faults = [
            f"{what}: {before} in the folder, {after} in the archive"
            for what, before, after in (
                ("verdict", folder.verdict, report.verdict),
                ("payload files", folder.files, report.files),
                ("payload bytes", folder.bytes, report.bytes),
                ("files to be fetched", folder.to_fetch_files, report.to_fetch_files),
                ("tag files", len(folder.tag_files), len(report.tag_files)),
            )
            if before != after
        ]
        faults += [
            f"{name}: not as in the folder"
            for name, value in folder.tag_files.items()
            if report.tag_files.get(name) != value
        ]
    if faults:
        raise InvalidSip(
            "The archive that was written is not what was to be packed.", findings=faults
        )
