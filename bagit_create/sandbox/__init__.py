"""Miniature upstreams on loopback: to try ``bic`` offline, for ``bic demo``, and for every test.

Nothing here imports the rest of the package, and nothing beyond the standard library.
"""

from .faults import Fault
from .sandbox import Sandbox
from .server import Seen

__all__ = ["Fault", "Sandbox", "Seen"]
