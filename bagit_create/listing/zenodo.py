"""Zenodo: InvenioRDM with smaller pages for guests, and sets of its own names.

Facts: developers.zenodo.org, and zenodo/zenodo-rdm. Since November 2025 a page has 25 hits at most,
with a token 100.
"""

from __future__ import annotations

from .inveniordm import InvenioRDM


class Zenodo(InvenioRDM):
    """zenodo.org and its sandbox."""

    set_of_community = "user-"

    def _sizes(self) -> tuple[int, ...]:
        return (100, 25, 10) if self._client.wire.has_credential else (25, 10)
