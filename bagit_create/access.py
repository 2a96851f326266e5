"""How a source is reached: which server is meant, and a client with the credentials for it."""

from __future__ import annotations

import re
from dataclasses import replace
from typing import TYPE_CHECKING
from urllib.parse import parse_qsl, unquote, urlsplit

from . import config, credentials, log, sso
from .client import Client
from .config import Instance
from .credentials import Secret
from .errors import InputError
from .limits import requests_allowed
from .model import Events
from .options import JobOptions
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


def open_client(
    instance: Instance, recid: str | None, options: JobOptions, own: log.JobLog, events: Events
) -> Client | None:
    """Make the client for a server, with the credentials that are found; nothing is sent yet.

    :param recid: the record that a signing-on is for.
    :returns: None for a source that asks nobody (``local``); otherwise to be closed.
    :raises ConfigError: if a credential cannot be read.
    """
    if instance.pipeline == "local":
        return None
    token = credentials.find(instance, options.invcookie or options.token)
    share = _share(options.url)
    own.hide(share[1].value if share else "")
    if instance.pipeline not in WITH_SHARE_LINKS:
        share = None  # elsewhere it means something else: a registration with Indico
    jar: CookieJar | None = None
    if options.cookies:
        jar = credentials.read_cookies(options.cookies)
    if options.cert:
        jar = sso.sign_on(f"{instance.base_url}/record/{recid}", options.cert, jar)
    for value in (
        token and token.value,
        share and share[1].value,
        *(c.value for c in jar or ()),
    ):
        own.hide(value or "")
    if options.skipssl:
        log.warning("certificates are not checked (--skipssl): nobody vouches for the source")
    wire = Wire(
        instance.base_url,
        token=token,
        cookie=instance.credential_cookie,
        jar=jar,
        share=share,
        proxy=options.proxy,
        timeout=options.timeout,
        verify=not options.skipssl,
    )
    return Client(
        wire,
        hosts=instance.hosts,
        retries=options.retries,
        max_wait=options.max_wait,
        credential_hint=_credential_hint(instance),
        limits=[requests_allowed(text) for text in instance.limits],
        events=events,
    )


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
