"""How much each server allows: pace and concurrency, learnt from its answers.

One budget for each server and credential, shared by all runs of the process, and by the processes
of a machine if they are given a folder for it: many records harvested at once are one user to the
server.
"""

from __future__ import annotations

from .budget import RECOVERY, SPARED, Budget, Limits
from .registry import Registry, budgets, forget, share

__all__ = [
    "RECOVERY",
    "SPARED",
    "Budget",
    "Limits",
    "Registry",
    "budgets",
    "forget",
    "share",
]
