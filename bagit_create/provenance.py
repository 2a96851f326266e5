"""What sip.json says of the request: its parameters and the user's own notes, without secrets."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from .log import now, readable
from .model import Fetched, Record
from .options import JobOptions
from .sip import step
from .urls import without_secrets


def params(options: JobOptions, record: Record, timestamp: int) -> Mapping[str, Any]:
    """``audit[0].tool.params``, named as the forerunner names them.

    Of a credential only whether it was given is told, of a folder only its name: an archive keeps
    this for ever, and it is no place for the paths of somebody's machine.
    """
    return {
        "recid": record.requested or record.recid,
        "url": without_secrets(options.url) if options.url else None,
        "source": record.source,
        "target": readable(options.target.name) or None,
        "source_path": record.source_details.get("source_path"),
        "author": options.author,
        "source_base_path": record.source_details.get("source_base_path"),
        "dry_run": options.light,
        "alternate_uri": options.alternate_uri,
        "bibdoc": options.bibdoc,
        "bd_ssh_host": options.bd_ssh_host,
        "timestamp": timestamp,
        "cert": options.cert is not None,
        "token": options.token is not None,
        "skipssl": options.skipssl,
        "cookies": options.cookies is not None,
        "proxy": options.proxy is not None,
        "base_url": options.base_url,
        "allow_missing": options.allow_missing,
        "collection": options.collection,
        "embargo": options.embargo,
        "comment": options.comment,
        "workdir": readable(options.workdir.name) if options.workdir else None,
        "algorithms": list(options.algorithms),
        "bagit_version": options.bagit_version,
        "verify": options.verify,
        "hash_missing": options.hash_missing,
        "if_changed": options.if_changed,
        "previous": readable(options.previous.name) if options.previous else None,
    }


def steps(
    record: Record, renamed: Sequence[tuple[str, str]], fetched: Sequence[Fetched]
) -> Iterator[dict[str, Any]]:
    """The steps of the history between the checking of the files and the package.

    :param renamed: (upstream's name, bag path) of those that changed.
    """
    reused: dict[str, list[dict[str, str]]] = {}
    for one in fetched:
        if one.reused is not None:
            facts = {
                "file": one.placed.bagpath,
                "from": one.reused.bagpath,
                "checksum": str(one.reused.checksum),
            }
            reused.setdefault(one.reused.package, []).append(facts)
    for package, files in reused.items():
        told = f"{len(files)} files taken from an earlier package, compared with upstream's list"
        yield step("reuse", now(), told, package=package, files=files)
    if renamed:
        pairs = [{"from": old, "to": new} for old, new in renamed]
        yield step("rename", now(), "names made portable and unique", files=pairs)
    if record.requested and record.requested != record.recid:
        ids = {"requested": record.requested, "recid": record.recid}
        yield step("resolve", now(), "the source gave it another id", **ids)
    for note in record.notes:
        yield step("note", now(), note)


def usr_meta(options: JobOptions) -> Mapping[str, Any]:
    """The ``usr-meta`` of sip.json: only what was given, so ``{}`` and never null."""
    given = {
        "collection": options.collection,
        "embargo_timestamp": options.embargo,
        "comment": options.comment,
    }
    return {key: value for key, value in given.items() if value is not None}
