"""python-gitlab over our own HTTP: its interface to GitLab, our retries, credentials and errors.

Facts: python-gitlab's documentation, "Using a custom backend". It never sees the token: the client
sends it, to GitLab's own origin only.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from functools import partial
from types import SimpleNamespace
from typing import Any
from urllib.parse import urlencode

import gitlab

from ..client import Client
from .base import reading

_SECRET = re.compile(r"token|secret|password", re.IGNORECASE)
_USER_INFO = re.compile(r"(?<=://)[^/\s\"<>]*@")  # a password may have ? # @ in it unescaped


class Api:
    """A server's interface. ``what`` names the next requests in messages."""

    def __init__(self, base_url: str, client: Client) -> None:
        self.what = "Metadata request"
        self.gl = gitlab.Gitlab(
            base_url,
            keep_base_url=True,
            per_page=100,
            backend=partial(_Backend, self, client),
        )

    def project(self, recid: str) -> Any:
        """A project by its number, or by its path."""
        return self.gl.projects.get(recid)

    @contextmanager
    def reading(self, what: str, where: str) -> Iterator[None]:
        """As :func:`.base.reading`, for what python-gitlab cannot read either."""
        with reading(what, where):
            try:
                yield
            except gitlab.GitlabError as err:
                raise ValueError(str(err.error_message or err)) from err


class _Backend:
    """Sends what python-gitlab asks for through the client."""

    def __init__(self, api: Api, client: Client) -> None:
        self._api = api
        self._client = client
        self.client = None  # where python-gitlab looks for a session of its own

    @staticmethod
    def prepare_send_data(
        files: Any = None, post_data: Any = None, raw: bool = False
    ) -> SimpleNamespace:
        """A body as JSON; nothing is ever uploaded."""
        return SimpleNamespace(json=post_data, data=None, content_type="application/json")

    def http_request(
        self, method: str, url: str, json: Any = None, params: Any = None, **_: Any
    ) -> SimpleNamespace:
        """One request; what is not JSON, or not a success, raises one of our errors."""
        query = urlencode(_plain(params or {}), doseq=True)
        answer = self._client.get(
            f"{url}?{query}" if query else url,
            what=self._api.what,
            allow=(201, 202, 204),
            method=method.upper(),
            body=_encode(json),
        )
        value = answer.json(self._api.what) if answer.content else None
        if not isinstance(value, (dict, list)):
            raise TypeError(f"the answer is {type(value).__name__}")
        response = SimpleNamespace(
            status_code=answer.status,
            headers=answer.headers,
            content=answer.content,
            url=answer.url,
            history=(),
            links=_links(answer.headers),
            json=lambda: value,
        )
        response.response = response
        response.reason = ""
        return response


def _encode(body: Any) -> bytes | None:
    return None if body is None else json.dumps(body).encode("utf-8")


def _plain(params: Mapping[str, Any]) -> dict[str, Any]:
    """Python's booleans as GitLab writes them."""
    return {
        key: str(value).lower() if isinstance(value, bool) else value
        for key, value in params.items()
    }


def _links(headers: Mapping[str, str]) -> dict[str, dict[str, str]]:
    """The ``Link`` header (RFC 8288), as requests gives it."""
    found = re.findall(r'<([^<>]*)>[^,<]*?;\s*rel="?(\w+)"?', headers.get("Link", ""))
    return {rel: {"url": url} for url, rel in found}


def public(value: Any) -> Any:
    """The same without secrets: keys that name one, and user information of addresses in texts."""
    if isinstance(value, dict):
        return {
            key: public(one)
            for key, one in value.items()
            if not (_SECRET.search(key) and isinstance(one, str))
        }
    if isinstance(value, list):
        return [public(one) for one in value]
    return _USER_INFO.sub("", value) if isinstance(value, str) else value
