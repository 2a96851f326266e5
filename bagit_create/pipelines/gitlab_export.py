"""A project's export: asked for, waited for, fetched once.

Facts: GitLab's documentation, "Project import and export API". There is no status for a failure on
older servers (``none`` after ``started`` is one), a finished export may be "not found" for a
moment, and only one download a minute is served, refused ones counted.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Generator
from pathlib import Path
from typing import Any

from .. import log
from ..bodies import BrokenBody
from ..client import Client
from ..errors import (
    AccessDenied,
    Interrupted,
    RecordNotFound,
    TransferError,
    Unreachable,
    UpstreamError,
)
from .gitlab_api import Api

NAME = "export.tar.gz"
DEADLINE_S = 3600.0
FIRST_WAIT_S = 5.0
LONGEST_WAIT_S = 60.0
BETWEEN_DOWNLOADS_S = 61.0
DOWNLOADS = 4
BLOCK = 1024 * 1024
UNDER_WAY = ("queued", "started", "regeneration_in_progress")


class Export:
    """The maker of a project's export archive.

    What keeps it from being had is no failure of the package, which has the repository: the errors
    are those of a file that upstream withholds.
    """

    def __init__(self, api: Api, project: Any, client: Client) -> None:
        self._api = api
        self._project = project
        self._client = client

    def make(self, scratch: Path, stopped: Callable[[], bool]) -> Generator[bytes, None, None]:
        """Ask for the export, wait for it, and give its bytes."""
        self._api.what = "Export request"
        try:
            export = self._project.exports.create()
            self._wait(export, stopped)
        except (AccessDenied, RecordNotFound) as err:
            reason = "it needs the role of a Maintainer, and a token with the scope api"
            raise _withheld(f"The project's export was refused: {reason}.", err) from err
        except UpstreamError as err:
            raise _withheld(f"The project's export failed: {err.message}", err) from err
        archive = scratch / NAME
        self._download(archive, stopped)
        with archive.open("rb") as file:
            while block := file.read(BLOCK):
                yield block

    def _wait(self, export: Any, stopped: Callable[[], bool]) -> None:
        until = time.monotonic() + DEADLINE_S
        pause, begun, asked = FIRST_WAIT_S, False, 0
        while True:
            export.refresh()
            status = export.attributes.get("export_status")
            if status == "finished":
                return
            if status == "failed" or (status == "none" and (begun or asked)):
                raise UpstreamError("the server gave it up.")
            if status not in (*UNDER_WAY, "none"):
                raise UpstreamError("its state is not one that is known.")
            begun = begun or status in UNDER_WAY
            asked += 1
            if time.monotonic() + pause > until:
                raise UpstreamError(f"it was not ready after {DEADLINE_S / 60:.0f} minutes.")
            log.info(f"the project's export is {status}")
            self._pause(pause, stopped)
            pause = min(LONGEST_WAIT_S, pause * 2)

    def _download(self, archive: Path, stopped: Callable[[], bool]) -> None:
        """Fetch the archive whole; each try counts against the server's limit, so few are made."""
        url = f"{self._api.gl.api_url}/projects/{self._project.id}/export/download"
        error: Exception | None = None
        for number in range(DOWNLOADS):
            if number:
                self._pause(BETWEEN_DOWNLOADS_S, stopped)
            try:
                with self._client.open(url) as stream, archive.open("wb") as file:
                    ends = any(
                        name in stream.headers for name in ("Content-Length", "Transfer-Encoding")
                    )
                    for block in stream.blocks(decode=False):
                        if stopped():
                            raise Interrupted("The run was ended while files were being fetched.")
                        file.write(block)
                with archive.open("rb") as file:
                    if file.read(2) != b"\x1f\x8b":
                        raise BrokenBody("it is no gzip archive")
                if not ends:
                    log.warning(f"nothing tells whether {NAME} is whole: no size, no checksum")
                return
            except (BrokenBody, RecordNotFound, Unreachable) as err:
                error = err
                log.info(f"the export could not be fetched yet: {err}")
            except UpstreamError as err:
                error = err
                break
        raise _withheld("The project's export could not be fetched.", error)

    def _pause(self, seconds: float, stopped: Callable[[], bool]) -> None:
        until = time.monotonic() + seconds
        while (left := until - time.monotonic()) > 0:
            if stopped():
                raise Interrupted("The run was ended while it was waiting for the server.")
            time.sleep(min(0.2, left))


def _withheld(message: str, cause: Exception | None) -> TransferError:
    status = getattr(cause, "http_status", None)
    where = getattr(cause, "where", "") or str(cause or "")
    error = TransferError(message, where=where, http_status=status)
    error.withheld = True
    return error
