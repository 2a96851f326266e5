"""Lists of many records behind a search that hands out 10,000: time, memory, and pages asked for.

The server is our sandbox, in the process that measures; its records are made when asked for. What
is asked of ``bic`` is the number of pages: at most 1.3 times the least that hold so many records.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from shlex import quote

from bagit_create.sandbox import Sandbox
from bagit_create.sandbox.crowd import DAY_MS, Crowd, Run

from .cases import Case, Commands

PAGES = 1.3
ID_BYTES = len("9000000\n")


@dataclass(frozen=True)
class ListCase(Case):
    """``files`` records, so many to a page.

    :param sorts: whether the server keeps to the order that is asked for.
    :param bulk: how many of ten records came in one import of a day.
    """

    page: int = 100
    sorts: bool = True
    bulk: int = 0
    _asked: dict[str, int] = field(default_factory=dict)

    @contextmanager
    def prepared(self, source: Path, scale: float) -> Iterator[str]:
        """Start the server."""
        count, _ = self.shape(scale)
        source.mkdir(parents=True)
        with Sandbox() as sandbox:
            app = sandbox.app("cds-rdm")
            app.records.clear()
            app.most = self.page
            app.searches.sorts = self.sorts
            app.searches.crowd = Crowd(self._runs(count), "9{n:06}")
            (source / "sandbox.toml").write_text(sandbox.config_text(), encoding="utf-8")
            self._asked.clear()
            yield "the sandbox"
            self._asked["requests"] = len(sandbox.seen)

    def _runs(self, count: int) -> list[Run]:
        many = count * self.bulk // 10
        before = (count - many) // 2
        runs = [
            (before, "2012-01-01", 7 * 365 * DAY_MS),
            (many, "2019-05-06T09:00:00Z", DAY_MS // 3),
            (count - many - before, "2020-01-01", 5 * 365 * DAY_MS),
        ]
        return [Run(one, start, span // one) for one, start, span in runs if one]

    def payload(self, scale: float) -> int:
        """Every id, on a line."""
        return self.shape(scale)[0] * ID_BYTES

    def bic(self, source: Path, out: Path) -> list[str]:
        """Our own command line."""
        config = quote(str(source / "sandbox.toml"))
        program = f"{quote(sys.executable)} -m bagit_create list -q -s cds-rdm --config {config}"
        return ["/bin/sh", "-c", f"{program} > {quote(str(out / 'ids'))}"]

    def beside(self, source: Path, out: Path) -> Commands | None:
        """Nobody is known who lists so many."""
        return {}

    def also_asked(self, scale: float, runs: int) -> tuple[str, float, float] | None:
        """Requests of a run, to the least number of pages."""
        least = -(-self.shape(scale)[0] // self.page)
        return "x pages", self._asked["requests"] / runs / least, PAGES


def _cases() -> Iterator[Case]:
    for page in (25, 100):
        for name, sorts, bulk in (
            ("evenly over the years", True, 0),
            ("nine of ten in one day", True, 9),
            ("in no order, evenly over the years", False, 0),
            ("in no order, nine of ten in one day", False, 9),
        ):
            text = f"list 50,000 records, {page} a page, {name}"
            yield ListCase(text, "list", 50_000, page=page, sorts=sorts, bulk=bulk)


CASES = tuple(_cases())
