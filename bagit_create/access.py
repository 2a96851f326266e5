"""How a source is reached: which server is meant, and a client with the credentials for it."""

from __future__ import annotations

import re
from dataclasses import dataclass, field, replace
from functools import partial
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qsl, unquote, urlsplit

from . import config, credentials, log, sso
from .client import Client
from .config import Instance
from .credentials import Secret, secrets_of
from .errors import InputError
from .limits import requests_allowed
from .model import Events
from .net.connect import Connections
from .options import JobOptions
from .session import Login, Sessions, SignedWire
from .wire import Wire

if TYPE_CHECKING:
    from http.cookiejar import CookieJar

SHARE_PARAMETERS = ("token", "access_token", "resource-token", "access_request_token")
WITH_SHARE_LINKS = ("inveniordm", "zenodo")


def instance_of(options: JobOptions) -> Instance:
    """The server that ``source`` and ``base_url`` name.

    :raises InputError: if there is none.
    """
    known = config.load(options.config)
    if options.base_url:
        return known.one_off(options.source or "", options.base_url)
    return known.instance(options.source or "")


def whereabouts(options: JobOptions) -> tuple[Instance, str | None]:
    """Which server and record are meant; the record is None for a folder of this machine.

    :raises InputError: if the address is nobody's, or not that of the source that is named.
    """
    if not options.url:
        return instance_of(options), options.recid
    known_servers = config.load(options.config)
    if options.base_url:
        one_off = instance_of(options)
        known_servers = config.Config({one_off.name: one_off}, known_servers.kinds)
    instance, recid = known_servers.resolve(options.url)
    if options.source and options.source.lower() != instance.name:
        raise InputError(
            f"--source is {options.source}, but the address belongs to {instance.name}."
        )
    replace(options, url=None, source=instance.name, recid=recid).check(instance.pipeline)
    return instance, recid


def hide_secrets(options: JobOptions, own: log.JobLog) -> None:
    """Have what was given as a secret never told."""
    for value in (options.token, options.invcookie):
        own.hide(value.value if value else "")
    if options.proxy:
        login = re.search(r"//[^/@]*:([^/@]*)@", options.proxy.value)
        own.hide(unquote(login[1]) if login else "")
        own.hide(login[1] if login else "")


@dataclass(frozen=True)
class Kept:
    """What one run leaves to the next; see :func:`keep`.

    ``login`` is the sign-on with a certificate; ``connections`` are those of one maker of records,
    None where each record has its own.
    """

    login: Login = field(default_factory=Login)
    connections: Connections | None = None

    def close(self) -> None:
        """Close the connections."""
        if self.connections is not None:
            self.connections.close()


def keep(options: JobOptions, sessions: Sessions) -> Kept:
    """What several runs with these options share, one after the other; to be closed.

    :param sessions: the sign-ons of this process, which its threads share.
    """
    proxy = options.proxy.value if options.proxy else None
    return Kept(Login(sessions), Connections(proxy, options.timeout, not options.skipssl))


def open_client(
    instance: Instance,
    recid: str | None,
    options: JobOptions,
    own: log.JobLog,
    events: Events,
    kept: Kept | None = None,
) -> Client | None:
    """Make the client for a server, with the credentials that are found.

    Nothing is sent yet, but what signing on with a certificate takes.

    :param recid: the record that a signing-on is for; None for a list of them.
    :param kept: what an earlier run left. Its sign-on serves for this one, and is made anew when
        the server does not know it any more.
    :returns: None for a source that asks nobody (``local``); otherwise to be closed.
    :raises ConfigError: if a credential cannot be read.
    :raises AccessDenied, Unreachable: if signing on fails; :class:`.session.NotSignedOn` if there
        is ``kept``.
    """
    if instance.pipeline == "local":
        return None
    token = credentials.find(instance, options.invcookie or options.token)
    share = _share(options.url)
    own.hide(share[1].value if share else "")
    if instance.pipeline not in WITH_SHARE_LINKS:
        share = None  # elsewhere it means something else: a registration with Indico
    page = f"{instance.base_url}/record/{recid}" if recid else ""
    is_shared = kept is not None and bool(options.cert)
    jar: CookieJar | None = None
    if options.cookies and not is_shared:
        jar = credentials.read_cookies(options.cookies)
    if options.cert and not is_shared:
        jar = sso.sign_on(page or instance.base_url, options.cert, jar)
    for value in (
        token and token.value,
        share and share[1].value,
        *(secrets_of(jar) if jar is not None else ()),
    ):
        own.hide(value or "")
    if options.skipssl:
        log.warning("certificates are not checked (--skipssl): nobody vouches for the source")
    asked: dict[str, Any] = {
        "token": token,
        "cookie": instance.credential_cookie,
        "share": share,
        "proxy": options.proxy,
        "timeout": options.timeout,
        "verify": not options.skipssl,
        "connections": kept.connections if kept else None,
    }
    if kept is not None and is_shared:
        sign_on = partial(_sign_on, options)
        wire: Wire = SignedWire(instance.base_url, kept.login, page, sign_on, own.hide, **asked)
    else:
        wire = Wire(instance.base_url, jar=jar, **asked)
    return Client(
        wire,
        hosts=instance.hosts,
        retries=options.retries,
        max_wait=options.max_wait,
        credential_hint=_credential_hint(instance),
        limits=[requests_allowed(text) for text in instance.limits],
        events=events,
    )


def _sign_on(options: JobOptions, address: str) -> CookieJar:
    """The cookies of a sign-on at an address, with those that were given."""
    jar = credentials.read_cookies(options.cookies) if options.cookies else None
    return sso.sign_on(address, options.cert or "", jar)


def _share(url: str | None) -> tuple[str, Secret] | None:
    """The parameter of a share link in the address the user gave, and its value."""
    for name, value in parse_qsl(urlsplit(url or "").query):
        if name in SHARE_PARAMETERS and value:
            return name, Secret(value)
    return None


def _credential_hint(instance: Instance) -> str:
    if not instance.credential:
        return ""
    way = f"in {credentials.variable_for(instance.name)}"
    if not instance.configured:
        way = "with --token-file"
    return f"{instance.credential}, from {instance.credential_help}; give it {way}"
