"""Asking Indico's export: with whose eyes, and what its refusals mean.

Facts: indico/indico (``indico/web/http_api/handlers.py``, ``indico/web/util.py``).
"""

from __future__ import annotations

import re

from ..answers import Answer
from ..client import Client
from ..errors import AccessDenied, UpstreamError
from ..urls import without_secrets

_OAUTH = re.compile(rb"OAuth error|invalid_token|insufficient_scope", re.IGNORECASE)


def ask(client: Client, url: str, what: str) -> Answer:
    """Ask for something of the export.

    A token that is not valid, or has not the scope, is answered with 400 and a web page.

    :param url: without the parameters that say who asks; it has a query already.
    :param what: names the request in messages.
    :raises AccessDenied: if the token does not count.
    :raises RecordNotFound, Unreachable, UpstreamError: as the client does.
    """
    url += _identity(client)
    answer = client.get(url, what=what, allow=(400,))
    if answer.status != 400:
        return answer
    if _OAUTH.search(answer.content):
        raise AccessDenied(
            f"{what} was refused: access denied, the token is not valid for it.",
            where=without_secrets(url),
            hint=client.access_hint(),
            http_status=400,
        )
    raise UpstreamError(
        f"{what} was answered in a way that is not expected.",
        where=without_secrets(url),
        hint=(
            "a token and the cookies of a signed-in browser cannot go together"
            if client.wire.has_token
            else ""
        ),
        http_status=400,
    )


def _identity(client: Client) -> str:
    """Parameters without which a credential that does not count gives the public view."""
    if client.wire.has_token:
        return "&onlyauthed=yes"
    return "&cookieauth=yes&onlyauthed=yes" if client.wire.has_credential else ""
