"""A million invented records through the engine: what it costs beside the work itself.

The maker does nothing but say how each record ended, so that all that is measured is ours: making
the job, claims, logs, the survey, going on after a stop.

    python -m benchmarks.records [RECORDS [WORKERS]]
"""

from __future__ import annotations

import json
import multiprocessing
import os
import resource
import sys
import tempfile
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from bagit_create.batch import Item, JobFolder, Outcome, create, survey
from bagit_create.batch.crew import Crew
from bagit_create.batch.run import Quiet
from bagit_create.options import JobOptions

FAST = Path("/dev/shm")


class Stub:
    """Makes nothing, quickly; one record in a hundred fails."""

    def make(self, item: Item, place: Path, begin: Callable[[Outcome], None]) -> Outcome:
        """Say how it ended."""
        if item.number % 100 == 99:
            return Outcome(number=item.number, state="failed", error="RecordNotFound", exit_code=5)
        package = f"sip::zenodo::{item.recid}::1790000000"
        return Outcome(number=item.number, state="done", package=package, files=3, bytes=30_000)

    def settle(self, begun: Outcome, place: Path) -> bool:
        """No worker dies here, and none sleeps."""
        return True

    def answers(self, item: Item) -> bool:
        """Nobody is asked."""
        return True

    def stop(self) -> None:
        """Nothing is under way for long."""

    def close(self) -> None:
        """Nothing is kept."""


def work(path: Path, workers: int, seconds: float | None) -> None:
    """Work on a job in this process, for so long."""
    crew = Crew(JobFolder(path), Quiet(), Stub, workers=workers)
    if seconds is not None:
        threading.Timer(seconds, crew.stop).start()
    crew.wait()


def measured(function: Callable[..., Any], *args: Any) -> dict[str, float]:
    """Run something in a process of its own: seconds, of the processor too, and memory in MB."""
    queue: Any = multiprocessing.get_context("spawn").SimpleQueue()
    process = multiprocessing.get_context("spawn").Process(
        target=_measure, args=(queue, function, args)
    )
    process.start()
    found: dict[str, float] = queue.get()
    process.join()
    return found


def _measure(queue: Any, function: Callable[..., Any], args: tuple[Any, ...]) -> None:
    began, used = time.perf_counter(), time.process_time()
    function(*args)
    memory = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1000
    queue.put(
        {
            "seconds": time.perf_counter() - began,
            "processor": time.process_time() - used,
            "memory": memory,
        }
    )


def make(path: Path, records: int) -> None:
    """Make a job."""
    lines = (f"{7_000_000 + number}\n" for number in range(records))
    created = create(path, lines, JobOptions(source="zenodo"))
    created.job.target.mkdir()  # as the first package would


def look(path: Path) -> None:
    """Survey a job."""
    survey(JobFolder(path))


def nothing(path: Path) -> None:
    """What any of the others needs before it begins."""


def main(records: int, workers: int) -> list[dict[str, Any]]:
    """All of it; returns and prints a line a step."""
    rows = []
    with tempfile.TemporaryDirectory(dir=FAST if FAST.is_dir() else None) as folder:
        path = Path(folder, "job")

        def row(what: str, found: dict[str, float], count: int) -> None:
            facts = {"step": what, "records": count, **{k: round(v, 3) for k, v in found.items()}}
            facts["us_per_record"] = round(found["seconds"] / max(count, 1) * 1e6, 2)
            rows.append(facts)
            print(json.dumps(facts), flush=True)

        row("nothing (interpreter and imports)", measured(nothing, path), 0)
        row("create", measured(make, path, records), records)
        row("half of it, then stopped", measured(work, path, workers, 12e-6 * records), 0)
        half = survey(JobFolder(path)).totals.records
        rows[-1]["records"] = half
        row("look at it half done", measured(look, path), half)
        row("go on to the end", measured(work, path, workers, None), records - half)
        row("look at it when it is done", measured(look, path), records)
        row("run it again: nothing to do", measured(work, path, workers, None), 0)
        found = survey(JobFolder(path))
        assert found.complete and found.totals.records == records, found
        size = sum(
            os.path.getsize(Path(place, name))
            for place, _, names in os.walk(path)
            for name in names
        )
        print(json.dumps({"job_folder_bytes_per_record": round(size / records, 1)}), flush=True)
    return rows


if __name__ == "__main__":
    main(*(int(one) for one in (sys.argv[1:] + ["1000000", "8"][len(sys.argv) - 1 :])))
