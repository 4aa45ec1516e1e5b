"""Running a selection from beginning to end."""

from __future__ import annotations

import dataclasses
import datetime
import os
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Protocol

from gradproof.engine.environment import backend_table, environment
from gradproof.engine.packs import claims
from gradproof.engine.plan import Plan, Task
from gradproof.engine.pool import Pool
from gradproof.engine.selection import Selection
from gradproof.engine.worker import Desk, prepare
from gradproof.interrupts import Interrupts, interruptible
from gradproof.results.claims import judge
from gradproof.results.model import Cell, LedgerState, RunResult, Shard
from gradproof.text import storable


class Listener(Protocol):
    """Who wants to know how a run is getting on."""

    def planned(self, plan: Plan) -> None:
        """The plan is laid out; ``plan.tasks`` cells will be judged."""

    def judged(self, cell: Cell, done: int, total: int) -> None:
        """One more cell has its verdict."""


class Silent:
    """A listener that does nothing."""

    def planned(self, plan: Plan) -> None:
        """Ignore the plan."""

    def judged(self, cell: Cell, done: int, total: int) -> None:
        """Ignore the cell."""


def run(selection: Selection, listener: Listener | None = None) -> RunResult:
    """Judge every cell of ``selection`` and return the results; nothing is written.

    An interrupt (Ctrl-C, SIGTERM, SIGHUP) ends the run early: the result says ``complete: false`` and what was not
    reached is ``not-run``. Raises UsageError for a selection that names nothing, OracleDisagreement when the oracle's
    routes contradict each other.
    """
    with interruptible() as interrupts:
        return _run(selection, listener or Silent(), interrupts)


def _run(selection: Selection, listener: Listener, interrupts: Interrupts) -> RunResult:
    # Hypothesis would leave a .hypothesis folder where the user stands; inherited by the worker processes.
    os.environ.setdefault("HYPOTHESIS_STORAGE_DIRECTORY", str(Path(tempfile.gettempdir()) / "gradproof-hypothesis"))
    started = datetime.datetime.now(datetime.UTC)
    clock = time.monotonic()
    asked = claims()  # read first: a run of an hour must not fail on a claim's file in its last second
    desk = prepare(selection)
    listener.planned(desk.plan)
    cells: dict[Task, Cell] = {}
    states: list[LedgerState] = []

    def take(task: Task, cell: Cell, seen: list[LedgerState]) -> None:
        cells[task] = cell
        states.extend(seen)
        listener.judged(cell, len(cells), desk.plan.tasks)
        interrupts.check()

    deadline = None if selection.max_seconds is None else clock + selection.max_seconds
    try:
        finished = _judge_all(desk, selection, take, deadline)
        reason = f"not reached within --max-seconds {selection.max_seconds}"
        interrupts.finish()
    except KeyboardInterrupt:
        finished, reason = False, "not reached: the run was interrupted"
        interrupts.finish()
    left = [task.cell("not-run", reason) for g in desk.plan.groups for task in g.tasks if task not in cells]
    ids = sorted({task.backend for g in desk.plan.groups for task in g.tasks})
    shard = Shard(
        environment=environment(),
        backends=backend_table(ids, desk.plan.unavailable),
        settings=_settings(selection),
        seed=selection.seed,
        started=started.isoformat(timespec="seconds"),
        seconds=round(time.monotonic() - clock, 3),
        complete=finished or not left,
    )
    ordered = [cells[task] for g in desk.plan.groups for task in g.tasks if task in cells]
    every = [*ordered, *left, *desk.plan.settled]
    named = {c.known_ref for c in ordered} | {s.deviation for s in states}
    return RunResult(
        run=shard,
        cells=every,
        ledger=states,
        claims=judge(asked, every),
        deviations={
            d.id: {"title": d.title, "reason": d.reason, "upstream": list(d.upstream)}
            for d in desk.ledger.deviations.values()
            if d.id in named
        },
    )


def _judge_all(
    desk: Desk,
    selection: Selection,
    take: Callable[[Task, Cell, list[LedgerState]], None],
    deadline: float | None,
) -> bool:
    jobs = selection.jobs if selection.jobs is not None else len(os.sched_getaffinity(0))
    if jobs > 0:
        return Pool(selection, desk.plan, jobs, take, deadline, desk.sources).run()
    for group in desk.plan.groups:
        for task in group.tasks:
            if deadline is not None and time.monotonic() > deadline:
                return False
            cell, states = desk.judge(task)
            take(task, cell, states)
    return True


def _settings(selection: Selection) -> dict[str, object]:
    settings = dataclasses.asdict(selection)
    settings["files"] = [storable(Path(f).name) for f in selection.files]
    return {k: list(v) if isinstance(v, tuple) else v for k, v in settings.items()}


def exit_code(result: RunResult) -> int:
    """The process exit code of a run: 0 passes and known deviations only, 1 a new failure or a ledger out of
    date, 2 interrupted, 3 a check that raised, 5 nothing was judged (undecided is no verdict).
    """
    counts = result.counts()
    judged = sum(counts[s] for s in ("pass", "fail", "known", "error"))
    interrupted = any(c.reason.startswith("not reached: the run was interrupted") for c in result.cells)
    if any(c.measured.get("fault") == "internal" for c in result.cells):
        return 3
    if interrupted:
        return 2
    if counts["fail"] or counts["error"] or any(s.state in ("grown", "gone") for s in result.ledger):
        return 1
    return 5 if not judged else 0
