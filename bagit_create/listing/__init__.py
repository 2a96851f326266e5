"""The records of a source: sets, communities, categories, groups, searches.

A lister is one module beside this one and a line in :data:`LISTERS`, by the kind of its server.
"""

from __future__ import annotations

from .base import Listed, Selection, Tally
from .listing import LISTERS, Listing, check, list_records

__all__ = ["LISTERS", "Listed", "Listing", "Selection", "Tally", "check", "list_records"]
