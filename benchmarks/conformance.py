"""The Library of Congress' conformance suite: ``python -m benchmarks.conformance FOLDER``.

FOLDER is a clone of https://github.com/LibraryOfCongress/bagit-conformance-suite. Its bags stand in
VERSION/KIND/NAME, and the kind says what a validator has to find. The paths of linux-only and
windows-only lead out of the bag on that system, and have to be refused on every one. The exit code
is 1 if one bag is not judged as its folder says.
"""

from __future__ import annotations

import argparse
import sys
import time
from pathlib import Path

from bagit_create.report import Report
from bagit_create.validation import validate

VERDICTS = {
    "valid": "valid",
    "warning": "valid",
    "invalid": "invalid",
    "linux-only": "invalid",
    "windows-only": "invalid",
}


def is_as_told(kind: str, report: Report) -> bool:
    """Whether a verdict is what the folder says, and what shall be warned of is."""
    warned = kind != "warning" or report.counts["warning"] > 0
    return report.verdict == VERDICTS[kind] and warned


def main() -> None:
    """The command line."""
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.conformance",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("folder", type=Path, metavar="FOLDER", help="a clone of the suite")
    folder: Path = parser.parse_args().folder
    places = folder.glob("v*/*/*")
    bags = sorted(one for one in places if one.is_dir() and one.parent.name in VERDICTS)
    if not bags:
        parser.error(f"no bags below {folder}")
    wrong = 0
    began = time.perf_counter()
    for bag in bags:
        report = validate(bag, sip=False)
        fits = is_as_told(bag.parent.name, report)
        wrong += not fits
        told = f"{report.counts['error']} errors, {report.counts['warning']} warnings"
        name = bag.relative_to(folder).as_posix()
        print(f"{'as told' if fits else 'OTHERWISE'}  {name}: {report.verdict} ({told})")
    seconds = time.perf_counter() - began
    print(f"{len(bags)} bags, {len(bags) - wrong} judged as their folders say, in {seconds:.2f} s")
    sys.exit(1 if wrong else 0)


if __name__ == "__main__":
    main()
