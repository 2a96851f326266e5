"""What earlier runs made of one record, and of what use it is today."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

from .. import log
from ..model import Held, Placed, Record, Result
from ..options import JobOptions
from ..pipelines.base import Begun
from . import reuse, same
from .asked import lacks
from .package import Package
from .place import packages
from .same import Judge


class Earlier:
    """The earlier packages of a record; close it in the end.

    :param place: a package, or the folder in which they are looked for; None looks nowhere.
    :param source, recid: of the record, as upstream names it now.
    :param notes: the user's own, as sip.json would have them.
    :param essence: what of a metadata document counts (see :class:`~..pipelines.base.Pipeline`).
    """

    def __init__(
        self,
        place: Path | None,
        source: str,
        recid: str,
        options: JobOptions,
        notes: Mapping[str, Any],
        essence: Judge,
    ) -> None:
        self._options = options
        self._source = source
        self._recid = recid
        self._notes = notes
        self._essence = essence
        self._opened: list[Package] = []
        self._paths = packages(place, source, recid) if place else []
        self._candidate: Package | None = None
        """What may be found to be unchanged once the record is harvested."""

    def unchanged(self, begun: Begun) -> Result | None:
        """The newest package that is sound and what is asked for, if upstream's first answer shows
        that the record is still the same."""
        for package in self._sound():
            verdict = same.compare(package, begun, self._essence)
            if verdict:
                return self._kept(package)
            self._candidate = package if verdict is None else None
            if verdict is False:
                log.info(f"the record has changed since {package.name} was made")
            return None
        return None

    def still_unchanged(self, record: Record) -> Result | None:
        """That package, where only the whole harvest could tell."""
        package = self._candidate
        if package is None:
            return None
        if what := same.differs(package, record, self._essence):
            log.info(f"{package.name} is not taken for the same: {what}")
            return None
        if record.recheck is not None:
            record.recheck()
        return self._kept(package)

    def held(self, placed: Iterable[Placed]) -> dict[str, Held]:
        """Files that need not come from upstream, by their bag path of today.

        They are those of the newest package that has any; one that is broken may do, since only
        bytes that are proven count.
        """
        items = tuple(filter(reuse.may_be_held, placed))
        for package in self._each() if items else ():
            if found := reuse.held(package, items):
                log.info(f"{len(found)} files should be in {package.name} already")
                return found
        return {}

    def close(self) -> None:
        """Let go of archives; what :meth:`held` gave cannot be opened any more."""
        for package in self._opened:
            package.close()

    # -- looking ----------------------------------------------------------------------------------

    def _each(self) -> Iterator[Package]:
        """All of them, the newest first; each is opened once."""
        yield from self._opened
        for path in self._paths[len(self._opened) :]:
            package = Package(path)
            if package.fault:
                log.warning(f"{package.name} is not sound: {package.fault}")
            self._opened.append(package)
            yield package

    def _sound(self) -> Iterator[Package]:
        for package in self._each():
            head = package.head
            if package.fault:
                continue
            if (head.get("source"), head.get("recid")) != (self._source, self._recid):
                log.info(f"{package.name} is of another record")
            elif why := lacks(package, self._options, self._notes):
                log.info(f"{package.name} is not what is asked for: {why}")
            else:
                yield package

    def _kept(self, package: Package) -> Result:
        """The result of a run that makes nothing."""
        log.info(f"the record has not changed since {package.name} was made")
        return Result(
            path=package.path.absolute(),
            name=package.name,
            archive=None if package.serialisation is None else package.path.absolute(),
            timestamp=package.made,
            source=self._source,
            recid=self._recid,
            light=self._options.light,
            files=package.files,
            bytes=package.bytes,
            verified=False,
            warnings=tuple(log.current().warnings),
            algorithms=package.report.algorithms,
            unchanged=True,
        )
