"""The servers that hold a bag's files: with which credential they are asked, and for how long."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from threading import Lock
from typing import Any

from .. import config, credentials, log
from ..answers import RETRIED
from ..client import Client
from ..config import Instance
from ..credentials import Secret
from ..errors import InputError, Unreachable
from ..model import Events
from ..urls import origin
from ..wire import Response, Wire
from . import sipjson
from .options import CompletionOptions
from .policy import bare
from .sipjson import SIP_JSON

Place = tuple[str, str, int | None]
AFTER = 3
"""Files in a row that a server did not serve, after which less is expected of it."""
NOWHERE = "https://localhost"


class Servers(Client):
    """A client whose patience ends: a bag may have 100,000 files of a server that is down.

    One that could not be reached, or put us off, for three files in a row is not asked any more.
    One that only fails is asked once for each further file, because others may be there.
    """

    def __init__(self, wire: Wire, *, events: Events, **more: Any) -> None:
        super().__init__(wire, events=events, **more)
        self._once = Client(wire, events=events, **{**more, "retries": 0})
        self._counts: dict[Place, tuple[int, int]] = {}
        self._guard = Lock()

    def stop(self) -> None:
        """See :meth:`..client.Client.stop`."""
        super().stop()
        self._once.stop()

    @contextmanager
    def _answered(
        self,
        url: str,
        headers: Mapping[str, str],
        what: str,
        method: str,
        body: bytes | None = None,
        follow: bool = True,
    ) -> Iterator[tuple[Response, str]]:
        place = _place(url)
        silent, failing = self._counts.get(place, (0, 0))
        if silent >= AFTER:
            raise Unreachable(
                "The server was not asked: it could not be reached for the files before.",
                where=place[1],
                hint="run the same command again later",
            )
        ask = super()._answered if failing < AFTER else self._once._answered
        answered = False
        try:
            with ask(url, headers, what, method, body, follow) as (response, final):
                answered = True
                self._count(place, failed=response.status in RETRIED)
                yield response, final
        except Unreachable:
            if not answered:
                self._count(place, silent=True)
            raise

    def _count(self, place: Place, *, silent: bool = False, failed: bool = False) -> None:
        with self._guard:
            before = self._counts.get(place, (0, 0))
            after = (before[0] + 1, before[1]) if silent else (0, before[1] + 1 if failed else 0)
            self._counts[place] = after
        if max(before) < AFTER <= max(after):
            log.warning(
                f"{place[1]} has not served {AFTER} files in a row; less is asked of it now"
            )


def _place(url: str) -> Place:
    try:
        return origin(url)
    except ValueError:  # the client will say so
        return "", "", None


def instance_of(path: Path, configuration: Path | None) -> Instance | None:
    """The server of a SIP's own source, as its sip.json names it; None if that is none we know."""
    try:
        document = sipjson.head(path / SIP_JSON)
    except (OSError, ValueError, RecursionError):
        return None
    found = config.load(configuration).instances.get(str(document.get("source", "")).lower())
    return None if found is None or found.pipeline == "local" else found


def connect(
    instance: Instance | None,
    urls: Collection[str],
    options: CompletionOptions,
    events: Events,
    own: log.JobLog,
    judge: Callable[[str, str], None],
) -> Servers:
    """Speaks to all servers; the credential goes to one of them only.

    :param urls: the addresses that may be asked.
    :param judge: see :class:`..wire.Wire`.
    :raises InputError: if nobody can tell whose the credential is.
    """
    if instance is not None:
        base, token = instance.base_url, credentials.find(instance, options.token)
    else:
        base, token = NOWHERE, options.token
        if token:
            base = _only_origin(urls, options)
    jar = credentials.read_cookies(options.cookies) if options.cookies else None
    for value in (token and token.value, *(cookie.value for cookie in jar or ())):
        own.hide(value or "")
    wire = Wire(
        base,
        token=token,
        cookie=instance.credential_cookie if instance else "",
        jar=jar,
        proxy=options.proxy,
        timeout=options.timeout,
        verify=not options.skipssl,
        judge=judge,
    )
    return Servers(
        wire,
        hosts=instance.hosts if instance else (),
        retries=options.retries,
        max_wait=options.max_wait,
        events=events,
    )


def _only_origin(urls: Collection[str], options: CompletionOptions) -> str:
    """Where a credential goes if the bag is of no source that we know: to the one server that was
    named. The bag itself has no say in this, for anybody may have written it.

    :raises InputError: if there are several, or none.
    """
    named = {bare(host) for host in options.hosts}
    places = {
        place
        for url in urls
        if (place := origin(url))[0] in ("http", "https") and place[1] in named
    }
    if len(places) == 1 and len(named) == 1:
        scheme, host, port = places.pop()
        return f"{scheme}://{f'[{host}]' if ':' in host else host}:{port}"
    raise InputError(
        "Nothing tells which server the token is for.",
        where=", ".join(sorted(f"{one[0]}://{one[1]}:{one[2]}" for one in places)) or "no source",
        hint="name its host alone with --allow-host, and choose its files with --only",
    )


def one_source(paths: Collection[Path], token: Secret | None, configuration: Path | None) -> None:
    """Make sure that a credential that was given is for all of these packages.

    :raises InputError: if they are of several sources.
    """
    if token is None or len(paths) < 2:
        return
    found = {one.name if (one := instance_of(path, configuration)) else "" for path in paths}
    if len(found) > 1:
        raise InputError(
            "One token cannot be for packages of several sources.",
            where=", ".join(sorted(one or "no source" for one in found)),
            hint="give each source's packages in a command of their own, or use BIC_TOKEN_SOURCE",
        )
