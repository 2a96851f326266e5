"""Package a range of CDS records, and say which failed and whether to try again.

    python examples/cds_range.py 2728246 2728250 --target packages

``process()`` never raises for what can go wrong with a record, so one bad record ends nothing. The
exit code is 0 if all records are there or do not exist, else 1.
"""

import argparse
import logging
import sys

import bagit_create

NO_SUCH_RECORD = 5
TRY_LATER = 7


def main() -> int:
    """Package one record after the other."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("first", type=int, help="the first record's number")
    parser.add_argument("last", type=int, help="the last one's")
    parser.add_argument("--source", default="cds")
    parser.add_argument("--target", default=".", help="the folder the packages appear in")
    parser.add_argument("--light", action="store_true", help="without the files")
    asked = parser.parse_args()

    made, absent, failed = 0, 0, 0
    for recid in range(asked.first, asked.last + 1):
        result = bagit_create.main.process(
            recid=recid,
            source=asked.source,
            loglevel=logging.WARNING,
            target=asked.target,
            dry_run=asked.light,
        )
        if result["status"] == 0:
            made += 1
            print(f"{recid}: {result['foldername']}")
        elif result["exit_code"] == NO_SUCH_RECORD:
            absent += 1
            print(f"{recid}: no such record ({result['errormsg']})")
        else:
            failed += 1
            later = "try again later: " if result["exit_code"] == TRY_LATER else ""
            print(f"{recid}: FAILED: {later}{result['errormsg']}")
    print(f"{made} packaged, {absent} do not exist, {failed} failed")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
