"""What became of a target as a cell of the results file."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import Executor
from dataclasses import replace
from typing import Any, Final

from gradproof.errors import Fault
from gradproof.execution.processes import WorkerLost
from gradproof.results.model import Cell, LedgerState
from gradproof.results.not_run import NotRun, worded
from gradproof.results.sweeps import TIMED
from gradproof.sweep.guided.search_worker import SearchOutcome
from gradproof.sweep.plan import Target
from gradproof.sweep.results.outcome import swept_cell
from gradproof.sweep.results.search_cell import search_cell
from gradproof.sweep.results.unjudged import unjudged_cell
from gradproof.sweep.running.campaign import Swept
from gradproof.sweep.running.shard_task import fault_status
from gradproof.sweep.targets import Absent

UNANSWERED: Final = {"type": "WorkerLost", "message": "the search was not answered"}


States = list[LedgerState]


def of_sweep(swept: Swept, workers: int | None = None, executor: Executor | None = None) -> tuple[Cell, States]:
    """The cell of an exhaustive sweep, whatever became of it, and what became of the ledger's entries.

    ``executor``: who calls code of the user's again, where there is some; this process without.
    """
    target = swept.job.target
    if swept.result is not None:
        cell, states = _weighed(executor, swept_cell, target, swept.result)
        effort = {
            "seconds": round(swept.seconds, 3),
            "wall": round(swept.wall, 3),
            "patterns_per_second": round(swept.finished / swept.seconds) if swept.seconds else None,
            "workers": workers,
            "processors": list(swept.processors),
        }
        return replace(cell, seconds=round(swept.seconds, 3), measured={**cell.measured, TIMED: effort}), states
    if swept.status == "stopped":
        return interrupted(target, f"; {swept.finished:,} of {swept.job.points:,} inputs are kept"), []
    measured = {"fault": Fault.INTERNAL} if swept.internal else {}
    more = {"seconds": round(swept.seconds, 3), "measured": measured, "why": _why(swept.status)}
    return unjudged_cell(target, swept.status, swept.reason, **more), []


def of_search(searched: SearchOutcome, executor: Executor | None = None) -> tuple[Cell, States]:
    """The cell of a guided search, and what became of the ledger's entries; ``executor`` as for ``of_sweep``."""
    target = searched.search.target
    if searched.found is not None:
        cell, states = _weighed(executor, search_cell, target, searched.found)
        return replace(cell, seconds=round(searched.seconds, 3)), states
    status, reason, internal = fault_status(searched.fault or UNANSWERED)
    measured = {"fault": Fault.INTERNAL} if internal else {}
    return unjudged_cell(target, status, reason, measured=measured, why=_why(status)), []


def _why(status: str) -> NotRun | None:
    """What keeps from being run what was planned: its backend is not where the work is done."""
    return NotRun.MISSING_BACKEND if status == "not-run" else None


def _weighed(
    executor: Executor | None, weigh: Callable[[Target, Any], tuple[Cell, States]], target: Target, found: Any
) -> tuple[Cell, States]:
    if executor is None or target.file is None:
        return weigh(target, found)
    try:
        return executor.submit(weigh, target, found).result()
    except WorkerLost as lost:
        return unjudged_cell(target, "error", f"{lost} while what was found was looked at again"), []


def of_absent(absent: Absent) -> Cell:
    """The cell of a target that cannot be swept here."""
    return unjudged_cell(absent.target, absent.status, absent.reason, why=absent.why)


def interrupted(target: Target, kept: str = "") -> Cell:
    """The cell of a target that was not reached, or not wholly; ``kept`` says how far it was."""
    return unjudged_cell(target, "not-run", worded(NotRun.INTERRUPTED, kept), why=NotRun.INTERRUPTED)
