"""A bag that is changed as a whole: examined, made anew beside itself, and replaced by one step."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar
from urllib.parse import urlsplit

from .. import config, credentials, log
from ..client import Client
from ..config import Instance
from ..errors import BicError, InputError, SipError
from ..model import Events
from ..report import Report
from ..sip.disk import FULL, cannot_write, full
from ..sip.staging import Staging
from ..validation.bag import Examination, examine
from ..wire import Wire
from . import sipjson
from .options import CompletionOptions
from .sipjson import SIP_JSON
from .swap import restore, swap

Made = TypeVar("Made")


class Change:
    """What every change of a bag in the folder ``path`` does."""

    def __init__(
        self, path: Path, options: CompletionOptions, events: Events, own: log.JobLog
    ) -> None:
        self._path = path.absolute()
        self._options = options
        self._events = events
        self._log = own
        self._state: Any = None

    def _examine(self) -> tuple[Report, Examination]:
        """Read the whole bag.

        :raises InputError: if it is not a folder.
        """
        restore(self._path)
        if self._path.is_symlink() or not self._path.is_dir():
            raise InputError(
                "Only a bag in a folder can be changed.",
                where=str(self._path),
                hint="unpack an archive first; give the folder itself instead of a link to it",
            )
        self._state = _state(self._path)
        return examine(self._path, self._options.jobs, self._events)

    def _instance(self, old: Examination) -> Instance | None:
        """The server of the record's own source, as the SIP names it."""
        if old.sip is None:
            return None
        document = sipjson.head(self._path / SIP_JSON)
        servers = config.load(self._options.config)
        source = str(document.get("source", "")).lower()
        found = servers.instances.get(source)
        return None if found is None or found.pipeline == "local" else found

    def _client(
        self, instance: Instance | None, first: str, judge: Callable[[str, str], None]
    ) -> Client:
        """Speaks to all servers; the credential of the source goes to its own address only.

        :param first: the address of a file: of its server, where the source is not known.
        """
        options = self._options
        parts = urlsplit(first or "https://localhost")
        base = instance.base_url if instance else f"{parts.scheme}://{parts.netloc}"
        token = credentials.find(instance, options.token) if instance else options.token
        jar = credentials.read_cookies(options.cookies) if options.cookies else None
        for value in (token and token.value, *(cookie.value for cookie in jar or ())):
            self._log.hide(value or "")
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
        return Client(
            wire,
            hosts=instance.hosts if instance else (),
            retries=options.retries,
            max_wait=options.max_wait,
            events=self._events,
        )

    def _staged(self, needed: int, work: Callable[[Staging], Made]) -> Made:
        """Call ``work`` with a folder beside the bag, and leave there only what is of use.

        :param needed: bytes that will be written.
        """
        staging = Staging(self._path.parent, None, "complete", self._path.name, "", alone=True)
        try:
            done = work(staging)
            staging.discard(made=True)
            return done
        except (BicError, KeyboardInterrupt) as err:
            _leave(staging, err)
            raise
        except OSError as err:
            if err.errno in FULL:
                error = full(err, self._path.parent, staging.left_to_write(needed))
                _leave(staging, error)
                raise error from err
            staging.discard()
            raise cannot_write(err, self._path) from err
        except BaseException:
            staging.discard()
            raise

    def _replace(self, new: Path) -> None:
        """Put the new bag in the old one's place.

        :raises SipError: if somebody has changed the old one since it was examined.
        """
        if _state(self._path) != self._state:
            raise SipError(
                "The bag was changed by somebody else meanwhile; nothing was done to it.",
                where=str(self._path),
                hint="run the same command again",
            )
        swap(new, self._path)


def _leave(staging: Staging, err: BaseException) -> None:
    """Keep what the next call can use, or remove everything."""
    resumable = isinstance(err, KeyboardInterrupt) or getattr(err, "resumable", False)
    if resumable and staging.is_worth_keeping():
        staging.keep()
    else:
        staging.discard()


def _state(path: Path) -> tuple[Any, ...]:
    """What changes when somebody else changes a bag's tag files."""
    facts = []
    for entry in sorted(os.scandir(path), key=lambda one: one.name):
        one = entry.stat(follow_symlinks=False)
        facts.append((entry.name, one.st_ino, one.st_mtime_ns, one.st_size))
    return os.stat(path).st_ino, tuple(facts)
