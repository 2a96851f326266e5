"""Where a file on EOS, CERN's disk store, can be had: mounted here, by XRootD, or by the web.

Facts: eos-docs.web.cern.ch; the web address of the digital memory's archive is that of its folder
on EOS.
"""

from __future__ import annotations

import os
import shutil
from urllib.parse import quote

_WEB = {
    "/eos/media/cds/public/www/digital-memory/": "https://cern.ch/digital-memory/",
    "/eos/opendata/": "https://opendata.cern.ch/eos/opendata/",
}
_SERVERS = {
    "/eos/media/": "root://eosmedia.cern.ch/",
    "/eos/opendata/": "root://eospublic.cern.ch/",
}
"""Published parts of EOS. A record never makes us read other parts, such as somebody's home."""


def on_disk(path: str, mount: str) -> bytes | None:
    """Where a path on EOS is on this machine, if it is mounted here.

    :param path: ``/eos/…``.
    :param mount: where EOS is mounted, usually ``/eos``.
    """
    if not path.startswith(tuple(_SERVERS)) or ".." in path.split("/"):
        return None
    local = os.path.join(mount, path.removeprefix("/eos/"))
    return os.fsencode(os.path.abspath(local)) if os.path.isfile(local) else None


def locations(path: str, light: bool) -> tuple[str, ...]:
    """Every address at which a path on EOS can be had, the best first.

    A light bag promises the XRootD address too where this machine has no ``xrdcp``: whoever
    completes it may. A path elsewhere has none.
    """
    if not path.startswith(tuple(_SERVERS)):
        return ()
    found = [web + quote(path[len(p) :]) for p, web in _WEB.items() if path.startswith(p)]
    if light or shutil.which("xrdcp"):
        found += [
            server + quote(path)  # two slashes before the path: XRootD takes one for relative
            for p, server in _SERVERS.items()
            if path.startswith(p)
        ]
    return tuple(found)
