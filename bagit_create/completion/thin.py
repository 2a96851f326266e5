"""Make a light bag of a full one: files that their source still hands out give way to fetch.txt."""

from __future__ import annotations

import os
from contextlib import closing
from dataclasses import replace
from pathlib import Path

from .. import log, sip, validation
from ..checksums import CRYPTOGRAPHIC
from ..client import Client
from ..errors import BicError, InputError, Interrupted, InvalidSip
from ..log import now
from ..model import Events, FileEntry, Missing, Placed, Silent
from ..report import Report
from ..sip.fetchtxt import public
from ..sip.staging import Staging
from ..transfer.checks import is_decoded
from ..transfer.pool import run
from ..validation.bag import Examination
from . import sipjson, workshop
from .change import Change
from .complete import Completion
from .newbag import NewBag
from .options import CompletionOptions, matches
from .policy import Policy, Refused
from .servers import connect, instance_of
from .sipjson import SIP_JSON
from .tagfiles import Gone, TagFiles


def thin(
    path: Path, options: CompletionOptions | None = None, events: Events | None = None
) -> Completion:
    """Take the payload out of a SIP that its source still has, and promise it in fetch.txt.

    Only files go of which sip.json has an address, a manifest has a cryptographic digest, and the
    server says (HEAD) that it has a file of the very size. All others stay, and are named.

    :returns: ``fetched`` and ``bytes`` count what was taken out, ``failed`` what had to stay.
    :raises InvalidSip: if the bag has faults, or is no SIP.
    :raises SipError: if the bag cannot be written.
    """
    options = options or CompletionOptions()
    options.check()
    with log.job(None) as own:
        try:
            return _Thinning(path, options, events or Silent(), own).run()
        except KeyboardInterrupt as err:
            raise Interrupted("Interrupted.", hint="the package is as it was") from err
        except BicError as err:
            err.redact(own.redact)
            raise


class _Thinning(Change):
    """One package on its way to a light one."""

    def run(self) -> Completion:
        """See :func:`thin`."""
        report, old = self._examine()
        faults = [str(one) for one in report.findings if one.level == "error"]
        if old.sip is None and not faults:
            faults.append("this is no SIP: nothing in it says where its files came from")
        if old.sip is not None:
            faults += sipjson.told(self._path / SIP_JSON, (), report)[1]
        self._refuse(old, faults)
        instance = instance_of(self._path, self._options.config)
        policy = Policy(self._options, instance)
        candidates, kept = self._candidates(old, policy)
        if self._options.only and not candidates and not kept:
            where = ", ".join(self._options.only)
            raise InputError("No file in the package has such a name.", where=where)
        urls = {url for one in candidates for url in one.entry.urls}
        judge = policy.judge_machine
        client = connect(instance, urls, self._options, self._events, self._log, judge)
        with closing(client):
            self._events.phase("harvest")
            answers = run(
                lambda one: _find(one, client), candidates, self._options.jobs, client.stop
            )
        going: dict[str, tuple[str, int | None]] = {}
        for one, (url, why) in zip(candidates, answers, strict=True):
            if url:
                going[one.bagpath] = url, one.entry.size
            else:
                kept.append(Missing(one, why, None, 0))
        if not going:
            workshop.tidy(self._path)
            return Completion(self._path, report, 0, 0, tuple(kept), report.to_fetch_files)
        made = self._staged(0, lambda staging: self._make(old, going, staging))
        size = sum(size or 0 for _, size in going.values())
        return Completion(self._path, made, len(going), size, tuple(kept), made.to_fetch_files)

    def _candidates(self, old: Examination, policy: Policy) -> tuple[list[Placed], list[Missing]]:
        """The files that may go, with their addresses; and those that may not, and why."""
        new = NewBag(old, self._path, self._path)
        found: list[Placed] = []
        kept: list[Missing] = []

        def take(entry: sipjson.Entry) -> None:
            path = str(entry.get("bagpath"))
            if path not in old.there.payload or not path.startswith("data/content/"):
                return
            if entry.get("metadata") is True or not matches(path, self._options.only):
                return
            origin = entry.get("origin")
            origin = origin if isinstance(origin, dict) else {}
            refused = Refused()
            # An address in sip.json may be anything; one in fetch.txt has no blank and no secret.
            told = (*sipjson.texts(origin.get("served_by")), *sipjson.texts(origin.get("url")))
            urls = policy.addresses(filter(None, map(public, told)), refused)
            sums = tuple(one for one in new.known(path) if one.algorithm in CRYPTOGRAPHIC)
            size = old.there.payload[path]
            one = Placed(FileEntry(os.path.basename(path), urls, size, sums), path)
            if urls and sums:
                found.append(one)
            else:
                kept.append(Missing(one, next(iter(refused.reasons), "no checksum"), None, 0))

        sipjson.each_entry(self._path / SIP_JSON, take)
        return found, kept

    def _make(self, old: Examination, going: Gone, staging: Staging) -> Report:
        workshop.sweep(staging, set())
        self._events.phase("write")
        new = NewBag(old, self._path, staging.bag, more=False)
        new.link({*going, SIP_JSON})
        step = sip.step("thin", now(), f"{len(going)} files taken out", files=len(going))

        def change(entry: sipjson.Entry) -> sipjson.Entry:
            return {**entry, "downloaded": False} if entry.get("bagpath") in going else entry

        fresh = {SIP_JSON: sipjson.rewrite(self._path, new, change, step)}
        urls, sizes = old.tags.fetch.urls or {}, old.tags.fetch.sizes
        gone = {path: (urls[path], sizes.get(path)) for path in old.missing()}
        TagFiles(new, fresh, {**gone, **going}).write()
        here = old.there.payload
        verified = [(path, here[path]) for path in here if path not in new.copied | {SIP_JSON}]
        report = validation.validate(new.root, verified=verified, jobs=self._options.jobs)
        if report.verdict != "incomplete":
            faults = [str(one) for one in report.findings if one.level == "error"]
            text = "The package would not be valid, so it was left as it is."
            raise InvalidSip(text, findings=faults)
        self._replace(new, staging)
        return replace(report, path=self._path)


def _find(one: Placed, client: Client) -> tuple[str, str]:
    """Ask the servers for a file; returns the address that has it, or why it may not go."""
    reason = "no server said that it has it"
    for url in one.entry.urls:
        if not url.lower().startswith(("http://", "https://")):
            continue
        headers = client.head(url)
        if headers is None:
            continue
        length = headers.get("Content-Length")
        if is_decoded(headers, one.entry.name):
            reason = "its server would send it compressed, and so tells no size"
        elif length == str(one.entry.size):
            return url, ""
        else:
            reason = f"its server has {length or 'an unknown number of'} bytes"
    return "", reason
