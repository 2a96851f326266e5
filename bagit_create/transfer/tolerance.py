"""Files that upstream withholds: whether a run may do without them."""

from __future__ import annotations

from collections.abc import Callable
from itertools import count

from .. import log
from ..errors import TransferError, UpstreamError
from ..model import Fetched, Missing, Placed

NAMED_AT_MOST = 50
"""Files that are warned about one by one, if many cannot be had; the result has all."""


def tolerant(
    work: Callable[[Placed], Fetched | None], allow_missing: bool, forgive: bool
) -> Callable[[Placed], Fetched | Missing | None]:
    """The same work, which does without a file that upstream withholds where it may.

    :param allow_missing: it always may; else with files that upstream only mentions.
    :param forgive: it may do without every file that cannot be had, whatever is wrong with it.
    """

    told = count()

    def attempt(item: Placed) -> Fetched | Missing | None:
        try:
            return work(item)
        except (TransferError, UpstreamError) as err:
            may = isinstance(err, TransferError) and err.withheld
            if not forgive and not (may and (allow_missing or item.entry.optional)):
                raise
            where = f" ({err.where})" if forgive and err.where else ""
            tell = log.info if forgive and next(told) >= NAMED_AT_MOST else log.warning
            tell(f"not in the package: {item.entry.name}: {err.headline()}{where}")
            return Missing(item, err.message, err.http_status, err.exit_code)

    return attempt
