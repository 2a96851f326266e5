"""What a run would do, told without doing it: files, bytes, requests, hours, room, and faults.

    planned = planning.plan(JobOptions(source="zenodo", recid="3911261"))
    planned.bytes, planned.requests.total, planned.exit_code

It asks upstream for what a run asks before it fetches a file, and writes nothing anywhere.
"""

from __future__ import annotations

from .model import (
    Credential,
    Failure,
    Limit,
    Named,
    Plan,
    Range,
    RecordPlan,
    Requests,
    Room,
    Weight,
)
from .plan import DEFAULT_WORKERS, plan, plan_job

__all__ = [
    "DEFAULT_WORKERS",
    "Credential",
    "Failure",
    "Limit",
    "Named",
    "Plan",
    "Range",
    "RecordPlan",
    "Requests",
    "Room",
    "Weight",
    "plan",
    "plan_job",
]
