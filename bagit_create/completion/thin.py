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
from ..sip.staging import Staging
from ..transfer.pool import run
from ..validation.bag import Examination
from . import sipjson
from .change import Change
from .complete import Completion, matches
from .newbag import NewBag
from .options import CompletionOptions
from .policy import Policy, Refused
from .sipjson import SIP_JSON


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
        if faults or old.sip is None:
            text = "The package has faults, so nothing is taken out of it."
            if not faults:
                text = "This is no SIP: nothing in it says where its files came from."
            raise InvalidSip(text, findings=faults, where=str(self._path))
        instance = self._instance(old)
        policy = Policy(self._options, instance)
        candidates, kept = self._candidates(old, policy)
        if self._options.only and not candidates and not kept:
            where = ", ".join(self._options.only)
            raise InputError("No file in the package has such a name.", where=where)
        first = next((one.entry.urls[0] for one in candidates), "")
        with closing(self._client(instance, first, policy.judge_machine)) as client:
            self._events.phase("harvest")
            answers = run(
                lambda one: _is_there(one, client), candidates, self._options.jobs, client.stop
            )
        going = {one.bagpath: one for one, why in zip(candidates, answers, strict=True) if not why}
        kept += [
            Missing(one, why, None, 0) for one, why in zip(candidates, answers, strict=True) if why
        ]
        if not going:
            return Completion(self._path, report, 0, 0, tuple(kept), report.to_fetch_files)
        made = self._staged(0, lambda staging: self._make(old, going, staging))
        size = sum(one.entry.size or 0 for one in going.values())
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
            origin = entry.get("origin") or {}
            told = [origin.get("served_by"), *_listed(origin.get("url"))]
            refused = Refused()
            urls = policy.addresses((one for one in told if isinstance(one, str)), refused)
            sums = tuple(one for one in new.known(path) if one.algorithm in CRYPTOGRAPHIC)
            size = old.there.payload[path]
            one = Placed(FileEntry(os.path.basename(path), urls, size, sums), path)
            if urls and sums:
                found.append(one)
            else:
                kept.append(Missing(one, next(iter(refused.reasons), "no checksum"), None, 0))

        sipjson.each_entry(self._path / SIP_JSON, take)
        return found, kept

    def _make(self, old: Examination, going: dict[str, Placed], staging: Staging) -> Report:
        staging.keep_only(set())
        self._events.phase("write")
        root, new = staging.bag, NewBag(old, self._path, staging.bag)
        new.link({*going, SIP_JSON})
        step = sip.step("thin", now(), f"{len(going)} files taken out", files=len(going))

        def change(entry: sipjson.Entry) -> sipjson.Entry:
            return {**entry, "downloaded": False} if entry.get("bagpath") in going else entry

        os.makedirs(root / "data/meta", exist_ok=True)
        sipjson.rewrite(self._path / SIP_JSON, root / SIP_JSON, change, step)
        length, sums, _ = validation.digest(f"{root}/{SIP_JSON}", new.algorithms)
        fresh = {SIP_JSON: (length, {one.algorithm: one.value for one in sums})}
        urls, sizes = old.tags.fetch.urls or {}, old.tags.fetch.sizes
        gone = {path: (urls[path], sizes.get(path)) for path in old.missing()}
        gone.update((path, (one.entry.urls[0], one.entry.size)) for path, one in going.items())
        new.write_tags(fresh, gone)
        payload = old.there.payload
        verified = [(path, payload[path]) for path in payload if path != SIP_JSON]
        report = validation.validate(root, verified=verified, jobs=self._options.jobs)
        if report.verdict != "incomplete":
            faults = [str(one) for one in report.findings if one.level == "error"]
            text = "The package would not be valid, so it was left as it is."
            raise InvalidSip(text, findings=faults)
        self._replace(root)
        return replace(report, path=self._path)


def _listed(urls: object) -> list[object]:
    return urls if isinstance(urls, list) else [urls]


def _is_there(one: Placed, client: Client) -> str:
    """Ask a server whether it has the file; returns why it may not go, empty if it may."""
    reason = "its server did not say that it has it"
    for url in one.entry.urls:
        headers = client.head(url)
        if headers is None:
            continue
        length = headers.get("Content-Length")
        if length == str(one.entry.size):
            return ""
        reason = f"its server has {length or 'an unknown number of'} bytes, not {one.entry.size}"
    return reason
