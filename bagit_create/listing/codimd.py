"""The notes of a CodiMD or HedgeDoc 1 history: those that the signed-in user has opened.

Facts: hackmdio/codimd and hedgedoc/hedgedoc (branch ``master``), ``lib/history``. It comes whole,
in no promised order. Its times are those of the user's last visit, in milliseconds. A note that is
gone or closed by now stays in it. Whoever is not signed in is led to the front page.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any

from ..answers import REDIRECTS
from ..client import Client
from ..config import Instance
from ..errors import AccessDenied, InputError, RecordNotFound, UpstreamError
from ..options import JobOptions
from ..pipelines.base import expect, plain_text, reading
from . import dates
from .base import Listed, Selection, Tally, refuse

WHAT = "Request for the history"
_NEVER = datetime.min.replace(tzinfo=UTC)


class CodiMD:
    """Lists the history of the user whose cookie was given, the oldest visit first."""

    def __init__(self, instance: Instance, client: Client) -> None:
        self._instance = instance
        self._client = client

    def records(self, selection: Selection, tally: Tally) -> Iterator[Listed]:
        """See :meth:`Lister.records`; ``since`` and ``until`` are of the last visit."""
        refuse(selection, ("since", "until"), self._instance.name)
        since = dates.moment(selection.since) if selection.since else None
        until = dates.after(selection.until) if selection.until else None
        found: list[tuple[datetime | None, Listed]] = []
        unnamed, odd, timeless = 0, [], 0
        history = self._history()
        tally.pages += bool(history)
        for one in history:
            recid = one.get("id")
            at = _moment(one.get("time"))
            if not isinstance(recid, str) or not recid:
                unnamed += 1
            elif not _can_be_asked_for(recid):
                odd.append(recid)
            elif at is None and (since or until):
                timeless += 1
            elif at is None or ((not since or since <= at) and (not until or at < until)):
                time = dates.zulu(at) if at else ""
                title = plain_text(one.get("text"))
                found.append((at, Listed(self._instance.name, recid, time, title)))
        found.sort(key=lambda pair: (pair[0] or _NEVER, pair[1].recid))
        for _, listed in found:
            yield listed
        if unnamed:
            tally.notes.append(f"{unnamed} entries of the history name no note")
        if odd:
            shown = ", ".join(repr(one[:60]) for one in odd[:5])
            tally.notes.append(f"{len(odd)} entries have names that no address can have: {shown}")
        if timeless:
            tally.notes.append(f"{timeless} entries without a time are left out")
        if found:
            tally.notes.append("a history names notes that were opened: some may be gone or closed")

    def _history(self) -> list[dict[str, Any]]:
        """The entries, as they come."""
        url = f"{self._instance.base_url}/history"
        try:
            answer = self._client.get(url, what=WHAT, allow=tuple(REDIRECTS), follow=False)
        except RecordNotFound as err:
            raise UpstreamError(
                f"{WHAT} was answered: there is none.",
                where=err.where,
                hint="CodiMD 2 and HedgeDoc 1 have one; check the address of the server",
                http_status=err.http_status,
            ) from err
        if answer.status in REDIRECTS:
            stale = self._client.wire.has_credential
            raise AccessDenied(
                f"{WHAT} was refused: access denied, a login is asked for.",
                where=answer.url,
                hint=("the session is not valid any more; " if stale else "")
                + self._client.access_hint(),
            )
        body = answer.json(WHAT)
        with reading("history", answer.url):
            return [expect(one, dict, "entry") for one in expect(body["history"], list, "history")]


def _moment(milliseconds: Any) -> datetime | None:
    """The time of an entry; very old ones have it in words, which nobody can read for sure."""
    if isinstance(milliseconds, bool) or not isinstance(milliseconds, (int, float)):
        return None
    try:
        return datetime.fromtimestamp(milliseconds / 1000, UTC)
    except (ValueError, OverflowError, OSError):
        return None


def _can_be_asked_for(recid: str) -> bool:
    """Whether ``--recid`` takes it."""
    try:
        JobOptions(source="codimd", recid=recid).check("codimd")
    except InputError:
        return False
    return True
