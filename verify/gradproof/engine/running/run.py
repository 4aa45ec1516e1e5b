"""Running a selection from beginning to end."""

from __future__ import annotations

import dataclasses
import datetime
import time
from collections import Counter
from pathlib import Path
from typing import Any, Protocol

from gradproof.engine.planning.outline import Outline, Place
from gradproof.engine.properties.installed import claims
from gradproof.engine.request.selection import Selection
from gradproof.engine.running.judged import Judged
from gradproof.engine.running.pool import judges
from gradproof.engine.running.store import Store
from gradproof.engine.surroundings.environment import environment, processor_text
from gradproof.errors import Fault
from gradproof.execution.executors import Crew
from gradproof.interrupts import Interrupts, interruptible
from gradproof.results.claims import judge
from gradproof.results.combine import merged_states
from gradproof.results.findings import findings
from gradproof.results.model import Cell, RunRecord, RunResult
from gradproof.results.not_run import NotRun
from gradproof.text import storable


class Listener(Protocol):
    """Who wants to know how a run is getting on."""

    def planned(self, plan: Outline) -> None:
        """The plan is laid out; ``plan.tasks`` cells will be judged."""

    def kept(self, cell: Cell) -> None:
        """An earlier run judged a cell, whose verdict counts."""

    def began(self, cell: Cell) -> None:
        """Work on a cell began, here or in a worker process; nobody tells of those of a caller's executor."""

    def judged(self, cell: Cell, done: int, total: int) -> None:
        """One more cell has its verdict."""


class SilentListener:
    """A listener that does nothing."""

    def planned(self, plan: Outline) -> None:
        """Ignore the plan."""

    def kept(self, cell: Cell) -> None:
        """Ignore the cell."""

    def began(self, cell: Cell) -> None:
        """Ignore the cell."""

    def judged(self, cell: Cell, done: int, total: int) -> None:
        """Ignore the cell."""


def run(
    selection: Selection, listener: Listener | None = None, *, store: Store | None = None, crew: Crew | None = None
) -> RunResult:
    """Judge every cell of ``selection`` and return the results; nothing is written but what ``store`` keeps.

    ``store``, entered, keeps each cell as it is judged and may hold some of an earlier run. ``crew``: who judges in
    the place of ``selection.jobs`` processes of this machine.

    An interrupt (Ctrl-C, SIGTERM, SIGHUP) ends the run early: the result says ``complete: false`` and what was not
    reached is ``not-run``. Raises UsageError for a selection that names nothing, OracleDisagreement when the oracle's
    routes contradict each other.
    """
    with interruptible() as interrupts:
        return _run(selection, listener or SilentListener(), interrupts, store, crew)


def _run(
    selection: Selection, listener: Listener, interrupts: Interrupts, store: Store | None, crew: Crew | None
) -> RunResult:
    started = datetime.datetime.now(datetime.UTC)
    clock = time.monotonic()
    asked = claims()  # read first: a run of an hour must not fail on a claim's file in its last second
    with judges(selection, crew) as judging:
        planned = judging.outline
        listener.planned(planned)
        found: dict[Place, Judged] = {} if store is None else store.begin(planned)
        for one in found.values():
            listener.kept(one.cell)

        def take(judged: Judged) -> None:
            found[judged.place] = judged
            if store is not None:
                store.keep(judged)
            listener.judged(judged.cell, len(found), planned.tasks)
            interrupts.check()

        def began(place: Place) -> None:
            listener.began(planned.at(place).blank)

        deadline = None if selection.max_seconds is None else clock + selection.max_seconds
        try:
            finished = judging.judge(take, deadline, dict(found), began)
            why = NotRun.DEADLINE
            interrupts.finish()
        except KeyboardInterrupt:
            finished, why = False, NotRun.INTERRUPTED
            interrupts.finish()
    places = planned.places()
    within = selection.max_seconds if why is NotRun.DEADLINE else ""
    left = [planned.at(place).not_run(why, within) for place in places if place not in found]
    # In the order of the plan, whoever judged them and when.
    judged = [found[place] for place in places if place in found]
    seen = merged_states(state for one in judged for state in one.states)
    shown = {s.deviation for s in seen}
    states = [*seen, *(s for s in planned.unseen if s.deviation not in shown)] if finished else seen
    shard = RunRecord(
        environment=environment() | _elsewhere(judged),
        backends={name: dict(entry) for name, entry in planned.backends.items()},
        settings=_settings(selection),
        seed=selection.seed,
        started=started.isoformat(timespec="seconds"),
        seconds=round(time.monotonic() - clock, 3),
        complete=finished or not left,
    )
    every = [*(one.cell for one in judged), *left, *planned.settled]
    named = {one.cell.known_ref for one in judged} | {s.deviation for s in states}
    return RunResult(
        run=shard,
        cells=every,
        ledger=states,
        claims=judge(asked, every),
        findings=findings(every),
        deviations={name: dict(entry) for name, entry in planned.deviations.items() if name in named},
    )


def _elsewhere(judged: list[Judged]) -> dict[str, Any]:
    """On which processors how many cells were judged, where these are other ones than this machine's."""
    counts = Counter(one.on for one in judged if one.on)
    return {"judged_on": dict(sorted(counts.items()))} if set(counts) - {processor_text()} else {}


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
    interrupted = any(c.why is NotRun.INTERRUPTED for c in result.cells)
    if any(c.measured.get("fault") == Fault.INTERNAL for c in result.cells):
        return 3
    if interrupted:
        return 2
    if counts["fail"] or counts["error"] or any(s.state in ("grown", "gone") for s in result.ledger):
        return 1
    return 5 if not judged else 0
