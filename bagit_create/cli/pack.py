"""``bic pack``: make one archive of a package that is there already."""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from ..console import display
from ..errors import BicError, InputError, InvalidSip
from ..log import visible
from ..options import ARCHIVES
from . import output

if TYPE_CHECKING:
    from ..console import Display


@click.command(short_help="Make an archive of a package.")
@click.argument("paths", nargs=-1, required=True, metavar="PATH...")
@click.option(
    "--archive",
    "form",
    type=click.Choice(list(ARCHIVES)),
    help="The form of the archive. [default: tar, with --flat zip]",
)
@click.option(
    "--flat",
    is_flag=True,
    help="Leave the package's own folder out: the form that CERN's platform takes for upload; not"
    " the specification's.",
)
@click.option(
    "-t",
    "--target",
    metavar="DIR",
    help="The folder the archive appears in; made if missing. [default: that of PATH]",
)
@click.option("--checksum", is_flag=True, help="Write ARCHIVE.sha256 too, for 'sha256sum -c'.")
@click.option(
    "--remove-folder",
    is_flag=True,
    help="Remove PATH once the verified archive is on the disk.",
)
@click.option("--json", "as_json", is_flag=True, help="Write one JSON object for all paths.")
@click.option("-j", "--jobs", type=click.IntRange(min=1), metavar="N", help="Threads.")
@click.option("-q", "--quiet", is_flag=True, help="Show no progress.")
def pack(paths: tuple[str, ...], **given: Any) -> int:
    """Make an archive of each PATH, the folder of a package.

    The package is validated, packed, and the archive read to its last byte and compared, before it
    appears. Its path goes to standard output. An invalid package is not packed; the exit code is
    then 11. The same package always gives the same bytes.
    """
    if not all(paths) or given["target"] == "":
        raise InputError("A path without a name.")
    told: list[dict[str, Any]] = []
    code = 0
    with display(sys.stderr, silent=given["quiet"] or given["as_json"]) as shown:
        for path in paths:
            told.append({"folder": path, "status": 0})
            try:
                _pack(path, given, shown, told[-1])
            except BicError as err:
                code = code or err.exit_code
                output.tell_error(str(err))
                if given["as_json"]:
                    from ..main import failure

                    told[-1].update(failure(err))
    if given["as_json"]:
        output.emit_json({"status": 1 if code else 0, "packed": told})
    return code


def _pack(path: str, given: dict[str, Any], shown: Display, told: dict[str, Any]) -> None:
    """Pack one folder; ``told`` gets the facts for JSON.

    :raises BicError: if that cannot be; what was made by then is in ``told``.
    """
    from ..sip.archive import pack as make
    from ..sip.archive import remove_packed
    from ..validation import validate, verify_archive

    bag = Path(os.path.abspath(path))
    if not bag.is_dir():
        raise InputError("This is not a folder, so there is nothing to pack.", where=visible(path))
    if given["remove_folder"] and bag.is_symlink():
        raise InputError("--remove-folder does not go with a link.", where=visible(path))
    form = given["form"] or ("zip" if given["flat"] else "tar")
    target = Path(os.path.abspath(given["target"])) if given["target"] else bag.parent
    jobs = given["jobs"]
    report = validate(bag, jobs=jobs, fingerprint=True, events=shown)
    faults = [str(one) for one in report.findings if one.level == "error"]
    if faults or report.verdict == "invalid":
        raise InvalidSip(
            "The package is not valid, so it is not packed.", findings=faults, where=visible(path)
        )
    shown.phase("write")
    shown.started(0, report.bytes)
    packed = make(
        bag,
        target / f"{bag.name}{ARCHIVES[form]}",
        form,
        flat=given["flat"],
        jobs=jobs,
        on_bytes=shown.advanced,
        verify=lambda archive: verify_archive(archive, report, jobs=jobs, events=shown),
        sidecar=given["checksum"],
    )
    told |= {
        "archive": str(packed.path),
        "form": form,
        "flat": given["flat"],
        "bytes": packed.size,
        "payload_files": report.files,
        "payload_bytes": report.bytes,
        "verdict": report.verdict,
        "sha256": packed.sha256 or None,
        "checksum_file": str(packed.sidecar) if packed.sidecar else None,
        "folder_removed": False,
    }
    if not given["as_json"]:
        output.emit(bytes(packed.path))
    if given["remove_folder"]:
        remove_packed(bag, packed)
        told["folder_removed"] = True
