"""Package every record of a community on Zenodo, or on another InvenioRDM server.

    python examples/zenodo_community.py cern-open-access --target packages

A token in ``BIC_TOKEN_ZENODO`` opens restricted records and raises the server's limits. Packages
that are there already are not made again, so the command may be repeated until nothing fails.
"""

import argparse
import logging
import os
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import requests

import bagit_create

USER_AGENT = "bagit-create-example/2 (https://gitlab.cern.ch/digitalmemory/bagit-create)"
WINDOW = 10_000
"""The server lists no more than this many records of one search."""


def records(base_url: str, community: str, token: str) -> Iterator[str]:
    """The ids of a community's records, oldest first, each once."""
    headers = {"User-Agent": USER_AGENT, "Accept": "application/json"}
    if token:
        headers["Authorization"] = f"Bearer {token}"
    seen: set[str] = set()
    page = 1
    while True:
        answer = requests.get(
            f"{base_url}/api/communities/{community}/records",
            params={"sort": "oldest", "size": "25", "page": str(page)},
            headers=headers,
            timeout=60,
            allow_redirects=False,  # a token follows no redirect
        )
        if answer.status_code == 429:
            time.sleep(int(answer.headers.get("Retry-After", "60")))
            continue
        answer.raise_for_status()
        hits = answer.json()["hits"]
        if hits["total"] > WINDOW:
            sys.exit(f"The community has {hits['total']} records; a search lists only {WINDOW}.")
        for hit in hits["hits"]:
            if str(hit["id"]) not in seen:
                seen.add(str(hit["id"]))
                yield str(hit["id"])
        if not hits["hits"] or page * 25 >= hits["total"]:
            if len(seen) < hits["total"]:
                sys.exit(f"The server counts {hits['total']} records and listed {len(seen)}.")
            return
        page += 1


def main() -> int:
    """List the community, then package what is not there yet."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("community", help="the last part of the community's address")
    parser.add_argument("--source", default="zenodo", help="a source of bic's")
    parser.add_argument("--base-url", default="https://zenodo.org", help="that source's address")
    parser.add_argument("--target", default=".", help="the folder the packages appear in")
    asked = parser.parse_args()

    token = os.environ.get(f"BIC_TOKEN_{asked.source.upper().replace('-', '_')}", "")
    failed = []
    for recid in records(asked.base_url.rstrip("/"), asked.community, token):
        if list(Path(asked.target).glob(f"sip::{asked.source}::{recid}::*")):
            print(f"{recid}: is there already")
            continue
        result = bagit_create.main.process(
            recid=recid, source=asked.source, loglevel=logging.WARNING, target=asked.target
        )
        if result["status"] == 0:
            print(f"{recid}: {result['foldername']}")
        else:
            failed.append(recid)
            print(f"{recid}: FAILED: {result['errormsg']}")
    print(f"failed: {' '.join(failed) or 'none'}")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
