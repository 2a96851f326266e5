"""Which authorities vouch for servers."""

from __future__ import annotations

import os
import ssl
from pathlib import Path


class BadAuthorities(Exception):
    """The file of the authorities that are to be trusted cannot be read."""


def trusted(verify: bool) -> ssl.SSLContext:
    """Whom to trust: the authorities of REQUESTS_CA_BUNDLE or SSL_CERT_FILE, else certifi's."""
    given = next(
        (
            name
            for name in ("REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE", "SSL_CERT_FILE")
            if os.environ.get(name)
        ),
        None,
    )
    if given is None:
        import certifi

        place = certifi.where()
    else:
        place = os.environ[given]
    try:
        folder = place if Path(place).is_dir() else None
        context = ssl.create_default_context(cafile=None if folder else place, capath=folder)
    except OSError as err:
        raise BadAuthorities(f"{given}: {place}: {err.strerror or err}") from err
    if not verify:
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
    context.set_alpn_protocols(["http/1.1"])
    return context
