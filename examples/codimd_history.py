"""Package every note of your CodiMD (or HedgeDoc) history.

    CODIMD_SESSION=... python examples/codimd_history.py --target packages

CODIMD_SESSION is the value of the cookie ``connect.sid`` of a browser that is signed in. A history
lists the notes that you have seen, so some may be gone or closed by now: they are told, and are no
failure.
"""

import argparse
import logging
import os
import sys

import requests

import bagit_create

GONE_OR_CLOSED = (5, 6)


def main() -> int:
    """Read the history, then package note after note."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--base-url", default="https://codimd.web.cern.ch", help="the server")
    parser.add_argument("--target", default=".", help="the folder the packages appear in")
    asked = parser.parse_args()

    session = os.environ.get("CODIMD_SESSION", "")
    if not session:
        sys.exit("Set CODIMD_SESSION to the value of the cookie connect.sid.")
    answer = requests.get(
        f"{asked.base_url.rstrip('/')}/history",
        headers={"Cookie": f"connect.sid={session}"},
        timeout=60,
        allow_redirects=False,  # nobody signed in: it leads to the front page
    )
    if answer.status_code != 200:
        sys.exit("The history was refused: CODIMD_SESSION is not valid any more.")

    made, skipped, failed = 0, 0, 0
    for note in sorted(answer.json()["history"], key=lambda one: one["time"]):
        result = bagit_create.main.process(
            recid=note["id"],
            source="codimd",
            loglevel=logging.WARNING,
            target=asked.target,
            token=session,
        )
        if result["status"] == 0:
            made += 1
            print(f"{note['id']}: {result['foldername']}")
        elif result["exit_code"] in GONE_OR_CLOSED:
            skipped += 1
            print(f"{note['id']}: {result['errormsg']}")
        else:
            failed += 1
            print(f"{note['id']}: FAILED: {result['errormsg']}")
    print(f"{made} packaged, {skipped} gone or closed, {failed} failed")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
