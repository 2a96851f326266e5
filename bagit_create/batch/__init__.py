"""Many records: a job folder, workers that share it, and what became of each record.

    created = batch.create(Path("job"), ["2728246", "2728247"], JobOptions(source="cds"))
    batch.run(Path("job"), batch.Orders(workers=8))
    batch.survey(created.job).totals.failed

The folder is the truth: any number of processes, on any number of machines that see it, may work on
it at the same time, be killed, and be started again.
"""

from __future__ import annotations

from .child import Orders
from .create import Created, create
from .crew import BatchEvents
from .folder import JobFolder, Shard
from .items import Item
from .outcome import Outcome, Totals
from .report import JobReport, report, write_json
from .reportcsv import write_csv
from .reporthtml import write_html
from .reporttext import write_text
from .retry import last_outcomes, retry
from .run import run
from .survey import Survey, survey

__all__ = [
    "BatchEvents",
    "Created",
    "Item",
    "JobFolder",
    "JobReport",
    "Orders",
    "Outcome",
    "Shard",
    "Survey",
    "Totals",
    "create",
    "last_outcomes",
    "report",
    "retry",
    "run",
    "survey",
    "write_csv",
    "write_html",
    "write_json",
    "write_text",
]
