"""One request on the wire: connections, proxies, certificates, and credentials bound to a host."""

from __future__ import annotations

import os
import threading
from base64 import b64encode
from collections.abc import Mapping
from http.cookiejar import CookieJar

import requests
from requests.adapters import HTTPAdapter
from requests.cookies import get_cookie_header

from . import log
from .credentials import Secret
from .urls import origin, with_parameter, without_secrets
from .version import get_version

PROJECT = "https://gitlab.cern.ch/digitalmemory/bagit-create"
USER_AGENT = (
    f"cern-digital-memory-bot bagit-create/{get_version()} "
    f"(+{PROJECT}; digitalmemory-support@cern.ch)"
)
CONNECT_TIMEOUT_S = 15.0


class Wire:
    """Sends single requests; safe to use from many threads, each of which has its own session.

    :param base_url: the source's own address; the token and the share link go to its origin only.
    :param token: sent as ``Authorization: Bearer``, or as the cookie that ``cookie`` names.
    :param share: a (name, value) pair for the query, of a share link the user gave.
    :param jar: further cookies; each goes to its own domain and path only.
    :param proxy: the proxy for all requests, in place of the environment's.
    :param timeout: seconds of silence after which a connection is given up.
    """

    def __init__(
        self,
        base_url: str,
        *,
        token: Secret | None = None,
        cookie: str = "",
        jar: CookieJar | None = None,
        share: tuple[str, Secret] | None = None,
        proxy: Secret | None = None,
        timeout: float = 60.0,
        verify: bool = True,
    ) -> None:
        self.origin = origin(base_url)
        self._token = token
        self._cookie = cookie
        self._jar = jar
        self._share = share
        self._proxy = proxy
        self.timeout = timeout
        self._verify = verify
        self._local = threading.local()
        self._sessions: list[requests.Session] = []

    @property
    def has_credential(self) -> bool:
        """Whether anything was given that may open what is closed."""
        return bool(self._token or self._share or self._jar is not None)

    @property
    def has_token(self) -> bool:
        """Whether a token was given, beside which a server may refuse cookies."""
        return bool(self._token)

    def close(self) -> None:
        """Close every connection."""
        for session in self._sessions:
            session.close()

    def basic_authorization(self, url: str, user: str) -> str | None:
        """The header that carries the token as a password (RFC 7617), for programs of others.

        None where there is no token, or the address is not of its own server.
        """
        if not self._token or origin(url) != self.origin:
            return None
        pair = f"{user}:{self._token.value}".encode()
        return f"Basic {b64encode(pair).decode('ascii')}"

    def send(
        self, method: str, url: str, headers: Mapping[str, str], body: bytes | None = None
    ) -> requests.Response:
        """Send one request and return its answer, whatever that is; the body is not read yet."""
        sent = {"User-Agent": USER_AGENT, "Accept-Encoding": "identity", **headers}
        target = url
        if origin(url) == self.origin:
            if self._token and self._cookie:
                sent["Cookie"] = f"{self._cookie}={self._token.value}"
            elif self._token and "Authorization" not in headers:
                sent["Authorization"] = f"Bearer {self._token.value}"
            if self._share:
                target = with_parameter(url, self._share[0], self._share[1].value)
        request = requests.Request(method, target, headers=sent, data=body).prepare()
        # requests folds "/files/../x"; upstream wants exactly the address it gave.
        request.url = target
        if self._jar is not None and (jar := _cookies(self._jar, request)):
            own = request.headers.get("Cookie")
            request.headers["Cookie"] = f"{own}; {jar}" if own else jar
        session = self._session()
        verify: bool | str = self._verify
        if verify is True and not os.environ.get("REQUESTS_CA_BUNDLE"):
            verify = os.environ.get("SSL_CERT_FILE") or True
        proxies = {"all": self._proxy.value} if self._proxy else {}
        settings = session.merge_environment_settings(target, proxies, True, verify, None)
        if self._proxy:
            settings["proxies"] = proxies  # not the environment's for the scheme
        response = session.send(
            request,
            timeout=(min(CONNECT_TIMEOUT_S, self.timeout), self.timeout),
            allow_redirects=False,
            **settings,
        )
        log.debug(f"{method} {without_secrets(url)} -> {response.status_code}")
        return response

    def _session(self) -> requests.Session:
        """This thread's session: requests does not promise that one may be shared."""
        session: requests.Session | None = getattr(self._local, "session", None)
        if session is None:
            session = requests.Session()
            session.mount("http://", HTTPAdapter(pool_connections=4, pool_maxsize=2))
            session.mount("https://", HTTPAdapter(pool_connections=4, pool_maxsize=2))
            self._local.session = session
            self._sessions.append(session)
        return session


def _cookies(jar: CookieJar, request: requests.PreparedRequest) -> str | None:
    """The cookies that may go with a request, by domain, path, and safety of the connection."""
    found: str | None = get_cookie_header(jar, request)  # type: ignore[no-untyped-call]
    return found
