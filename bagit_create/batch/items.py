"""The records of a job, one a line: as people and ``bic list`` write them, and as shards do."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from contextlib import suppress
from dataclasses import dataclass, replace
from functools import lru_cache
from pathlib import Path
from typing import IO
from urllib.parse import parse_qsl, urlsplit

from .. import access, config
from ..config import Instance, as_doi
from ..errors import InputError
from ..log import redact, visible
from ..options import JobOptions

NAMED_AT_MOST = 20
"""Faulty lines that a refusal names."""
LONGEST_LINE = 10_000
"""Characters of a line; an address has no more."""


@dataclass(frozen=True, slots=True)
class Item:
    """One record of a job: its number (from 0, in the order of the list), source and id."""

    number: int
    source: str
    recid: str

    def line(self) -> str:
        """The item's line in a shard."""
        text = json.dumps(
            {"n": self.number, "source": self.source, "recid": self.recid}, ensure_ascii=False
        )
        return text + "\n"


def lines_of(stream: IO[str]) -> Iterator[str]:
    """The lines of a list, for :meth:`Lines.read`; what is no list may have one that no memory
    holds.

    :raises InputError: for such a line.
    """
    number = 0
    while text := stream.readline(LONGEST_LINE + 2):
        number += 1
        if len(text) > LONGEST_LINE + 1:
            raise InputError(
                f"This is no list of records: line {number} is longer than {LONGEST_LINE}"
                " characters.",
                where=visible(text[:80]),
                hint="is this a list, with one record a line?",
            )
        yield text


class Lines:
    """Reads a list of records; :attr:`deleted` counts those that cannot be harvested.

    :attr:`unended` is the last line if it has no end, though others have: where whoever wrote the
    list was killed, it may be half an id, which names another record.

    A line is an id (of the job's source), a web address, a DOI, or a JSON object as
    ``bic list --json`` writes it. Empty lines and those that begin with ``#`` do not count.

    :param options: those of the job; ``source`` is that of plain ids.
    """

    def __init__(self, options: JobOptions) -> None:
        self._options = options
        self.deleted = 0
        self.unended = ""

    def read(self, lines: Iterable[str]) -> Iterator[tuple[str, str]]:
        """The source and id of each record.

        :raises InputError: at the end, naming the lines that name no record.
        """
        faults: list[str] = []
        more = 0
        ended = False
        for number, raw in enumerate(lines, 1):
            text = raw.strip()
            self.unended = text if ended and not raw.endswith("\n") else ""
            ended = raw.endswith("\n")
            if not text or text.startswith("#"):
                continue
            try:
                found = self._one(text)
            except InputError as err:
                if len(faults) < NAMED_AT_MOST:
                    told = " ".join(err.message.split())
                    faults.append(f"line {number}: {visible(redact(text)[:80])}: {told}")
                else:
                    more += 1
                continue
            if found is not None and not faults:
                yield found
        if faults:
            told = f" and {more} more lines" if more else ""
            raise InputError(
                "The list has lines that name no record:\n" + "\n".join(faults) + told,
                hint="each line is an id (with --source), an address, a DOI, or what"
                " 'bic list --json' writes",
            )

    def _one(self, text: str) -> tuple[str, str] | None:
        if len(text) > LONGEST_LINE:
            raise InputError(f"it is longer than {LONGEST_LINE} characters.")
        source, recid = self._options.source, text
        if text.startswith("{"):
            source, recid, deleted = _object(text)
            if deleted:
                self.deleted += 1
                return None
        if not source or "://" in recid or (as_doi(recid) and not self._options.source):
            return self._resolved(recid)
        instance = self._instance(source)
        if as_doi(recid):
            with suppress(InputError):  # one that only the source itself knows
                named, found = self._resolved(recid)
                if named == instance.name and found:
                    return named, found
        if not _is_usual(recid):
            replace(self._options, source=instance.name, recid=recid).check(instance.pipeline)
        return instance.name, recid

    def _resolved(self, address: str) -> tuple[str, str]:
        if not ("/" in address or "." in address):
            raise InputError("an id needs --source.")
        query = parse_qsl(urlsplit(address).query)
        if any(name in access.SHARE_PARAMETERS for name, _ in query):
            raise InputError("it holds a secret (a share link), which a job folder may not keep.")
        options = replace(self._options, source=None, base_url=None, url=address, recid=None)
        if self._options.base_url:
            options = replace(options, source=self._options.source, base_url=self._options.base_url)
        instance, recid = access.whereabouts(options)
        return instance.name, recid or ""

    def _instance(self, source: str) -> Instance:
        return _instance(source.strip().lower(), self._options.base_url, self._options.config)


@lru_cache(64)
def _instance(source: str, base_url: str | None, file: Path | None) -> Instance:
    known = config.load(file)
    found = known.one_off(source, base_url) if base_url else known.instance(source)
    if found.pipeline == "local":
        raise InputError("a folder of this machine is no record of a list; use bic itself.")
    return found


def _object(text: str) -> tuple[str, str, bool]:
    try:
        value = json.loads(text)
        source, recid, deleted = value["source"], value["recid"], value.get("deleted", False)
    except (ValueError, KeyError, RecursionError) as err:
        raise InputError("it is no JSON object with source and recid.") from err
    if not isinstance(source, str) or type(recid) not in (str, int):
        raise InputError("its source or recid is not text.")
    return source, str(recid).strip(), deleted is True


def _is_usual(recid: str) -> bool:
    """Whether an id is one that every source may have: nearly all are, and asking is slow."""
    return recid.isascii() and recid.isalnum() and len(recid) <= 50


def read_shard(path: Path) -> list[Item]:
    """The records of one shard.

    :raises OSError, ValueError, KeyError: if it is not what :meth:`Item.line` wrote.
    """
    with path.open(encoding="utf-8") as lines:
        facts = [json.loads(line) for line in lines]
    items = [Item(int(one["n"]), str(one["source"]), str(one["recid"])) for one in facts]
    for item in items:
        f"{item.source}{item.recid}".encode()  # half a surrogate is part of no id
    return items
