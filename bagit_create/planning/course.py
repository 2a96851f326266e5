"""How a run over a harvested record would go on: what is fetched, written, renamed, left out."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from .. import log, provenance
from ..assembly import PATH_COLUMN
from ..checksums import known
from ..client import Client
from ..harvested import arrange
from ..log import now, readable
from ..model import Fetched, Missing, Placed, Record
from ..options import JobOptions
from ..sip import Contents, step
from ..sip.build import coverage
from ..sip.manifests import usable
from ..transfer import look_ahead
from ..transfer.checks import web_addresses
from ..transfer.finished import with_published
from ..transfer.xrootd import addresses as xrootd_addresses
from ..urls import clean, without_secrets
from .model import Failure, Named, RecordPlan, Requests
from .pace import Meter
from .weight import blank, weigh


class Course:
    """How a run over a harvested record would go on."""

    def __init__(
        self,
        options: JobOptions,
        record: Record,
        client: Client | None,
        meter: Meter,
        own: log.JobLog,
        most: int | None,
        block: int,
    ) -> None:
        self._options = options
        self._record = record
        self._client = client
        self._meter = meter
        self._own = own
        self._most = most
        self._block = block

    def plan(self) -> RecordPlan:
        """Follow it to its end, without a file being fetched."""
        options, record, most = self._options, self._record, self._most
        placed, placeholders, renamed = arrange(record)
        fetched: Sequence[Placed] = placed
        kept: Sequence[Placed] = ()
        refused: Sequence[Placed] = ()
        if options.light:
            placed = look_ahead(placed, self._client, options.jobs)
            fetched, kept, refused = self._light(placed)
        fault = self._fault(fetched, refused)
        contents = Contents(
            record=record,
            fetched=tuple(map(self._fetched, fetched)),
            absent=tuple(kept),
            renamed=renamed,
            params=provenance.params(options, record, now()),
            steps=(self._fixity(len(fetched)), *provenance.steps(record, renamed, ())),
            timestamp=now(),
            light=options.light,
            algorithms=options.algorithms,
            bagit_version=options.bagit_version,
            alternate_uri=options.alternate_uri,
            usr_meta=provenance.usr_meta(options),
            author=options.author,
            placeholders=placeholders,
            missing=tuple(
                Missing(one, "A file that upstream lists is refused.") for one in refused
            ),
        )
        algorithms, absent, left_out = coverage(contents)
        weight = weigh(
            contents,
            algorithms,
            absent,
            left_out,
            block=self._block,
            archive=options.archive is not None,
        )
        self._tell_of_path()
        skipped = [(one.name, one.reason) for one in (*record.skipped, *left_out)]
        bare = self._bare(placed, absent)
        servers, downloads = self._requests((*fetched, *refused))
        sizes = [one.entry.size for one in (*fetched, *absent)]
        return RecordPlan(
            source=record.source,
            recid=record.recid,
            requested=record.requested,
            files=len(fetched) + len(absent) + len(refused),
            bytes=sum(one or 0 for one in sizes),
            unknown_sizes=sizes.count(None),
            made=sum(one.entry.maker is not None for one in fetched),
            read=sum(one.entry.size or 0 for one in fetched) if options.light else 0,
            requests=Requests(
                sum(self._meter.servers.values()), downloads, servers, self._meter.heads
            ),
            disk=weight,
            without_checksum=named(({"path": one.bagpath} for one in bare), most),
            renamed=named(({"from": old, "to": new} for old, new in renamed), most),
            skipped=named(({"name": readable(name), "reason": why} for name, why in skipped), most),
            missing=named(({"name": readable(one.entry.name)} for one in refused), most),
            warnings=named(({"text": one} for one in self._own.warnings), most),
            failure=fault,
        )

    def _light(self, placed: Sequence[Placed]) -> tuple[list[Placed], list[Placed], list[Placed]]:
        """The files that are read through, those that are only listed, and those refused."""
        options = self._options
        read: list[Placed] = []
        kept: list[Placed] = []
        refused: list[Placed] = []
        for one in placed:
            if self._client is not None and (
                not options.hash_missing or any(map(known, one.entry.checksums))
            ):
                kept.append(one)
            elif any(clean(url) in self._meter.refused for url in web_addresses(one.entry)[:1]):
                refused.append(one)
            else:
                read.append(one)
        return read, kept, refused

    def _fault(self, fetched: Sequence[Placed], refused: Sequence[Placed]) -> Failure | None:
        """What would end the run, as far as it can be known."""
        for one in fetched:
            entry = one.entry
            if entry.path is None and entry.maker is None:
                if not (web_addresses(entry) or xrootd_addresses(entry)):
                    where = f"{readable(entry.name)}: {', '.join(entry.urls) or 'none'}"
                    told = "A file has no address that can be fetched."
                    return Failure("TransferError", 8, told, where=where)
        needed = [one for one in refused if not one.entry.optional]
        if needed and not self._options.allow_missing:
            entry = needed[0].entry
            return Failure(
                "TransferError",
                8,
                "A file that upstream lists is refused, or not there.",
                where=f"{readable(entry.name)} at {without_secrets(web_addresses(entry)[0])}",
                hint="--allow-missing does without such files",
            )
        return None

    def _fetched(self, one: Placed) -> Fetched:
        """The file as it would arrive."""
        entry = one.entry
        remote = entry.path is None and entry.maker is None
        names = with_published(self._options.algorithms, entry, "md5" if remote else "")
        url = ""
        if remote:
            url = without_secrets(next(iter((*web_addresses(entry), *entry.urls)), ""))
        return Fetched(
            one,
            entry.size or 0,
            blank(names),
            url,
            now(),
            downloaded=not self._options.light,
            http_status=200 if remote else None,
        )

    def _fixity(self, files: int) -> Mapping[str, Any]:
        """A step as long as the one that tells of the reading back."""
        told = "every file read back from disk and compared with the digest of what arrived"
        facts = {"files": files, "compared_with_upstream": files, "hashed": files}
        return step("fixity_check", now(), told, algorithm="sha512", outcome="skipped", **facts)

    def _bare(self, placed: Sequence[Placed], absent: Sequence[Placed]) -> Iterable[Placed]:
        """Files of which upstream gives no checksum and which are not of this machine's making."""
        if self._options.light:
            return (one for one in absent if not usable(one.entry.checksums))
        return (
            one
            for one in placed
            if one.entry.path is None
            and one.entry.maker is None
            and not any(map(known, one.entry.checksums))
        )

    def _requests(self, fetched: Iterable[Placed]) -> tuple[dict[str, int], int]:
        """All requests by server, and how many of them are for files."""
        servers = Counter(self._meter.servers)
        count = 0
        for one in fetched:
            addresses = web_addresses(one.entry)
            if one.entry.path is None and one.entry.maker is None and addresses:
                ways = self._meter.ways(clean(addresses[0]))
                servers.update(ways)
                count += len(ways)
        return dict(servers), count

    def _tell_of_path(self) -> None:
        record = self._record
        name = f"sip::{record.source}::{record.recid}::{now()}"
        if len(str(self._options.target / name)) > PATH_COLUMN:
            log.warning(f"the package's path is longer than {PATH_COLUMN} characters")


def named(rows: Iterable[Mapping[str, Any]], most: int | None) -> Named:
    """Count what is named, and keep the first ``most``, or all with None."""
    kept: list[Mapping[str, Any]] = []
    count = 0
    for row in rows:
        count += 1
        if most is None or count <= most:
            kept.append(row)
    return Named(count, tuple(kept))
