"""A whole sweep from Python: ``gradproof.run_sweep``."""

from __future__ import annotations

import contextlib
import datetime
import importlib.util
import multiprocessing
import time
from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import Executor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from gradproof.errors import UsageError
from gradproof.execution import executors
from gradproof.execution.timelimit import MOST_SECONDS
from gradproof.formats import get_format
from gradproof.interrupts import Interrupts, interruptible
from gradproof.results.model import Cell, LedgerState, RunRecord, RunResult
from gradproof.results.not_run import NotRun
from gradproof.sweep.guided import search_worker
from gradproof.sweep.plan import Target
from gradproof.sweep.results import cells
from gradproof.sweep.running.campaign import Observer, SilentObserver, Swept, sweep
from gradproof.sweep.targets import DEFAULT_FORMAT, SweepPlan, Wanted, plan
from gradproof.text import storable

Names = str | Iterable[str]


@dataclass(frozen=True, eq=False)
class TargetResult:
    """One target's cell, and how it was swept; ``swept`` is None for a guided search and what cannot be swept."""

    target: Target
    cell: Cell
    swept: Swept | None = None


@dataclass(frozen=True)
class Means:
    """Who works on the shards, where they are kept, and for how long; see ``run_sweep``."""

    executor: Executor | None = None
    in_flight: int | None = None
    workers: int | None = None
    cluster: str | None = None
    folder: Path | None = None
    fresh: bool = False
    shard_limit: float | None = executors.TIME_LIMIT
    seed: int | None = None
    points: int | None = None

    def __post_init__(self) -> None:
        executors.check_alone(executor=self.executor, workers=self.workers, cluster=self.cluster)
        for name in ("in_flight", "workers", "points", "seed"):
            value = getattr(self, name)
            if value is not None and not isinstance(value, int):
                raise UsageError(f"expected a whole number for {name}, got {value!r}")
        for name in ("in_flight", "points", "shard_limit"):
            value = getattr(self, name)
            if value is not None and not value > 0:
                raise UsageError(f"expected {name} above 0, got {value}")
        if self.shard_limit is not None and self.shard_limit > MOST_SECONDS:
            raise UsageError(f"expected shard_limit of at most {MOST_SECONDS:g}, or None, got {self.shard_limit}")
        if self.workers is not None:
            executors.check_workers("--jobs", self.workers)


def run_sweep(
    functions: Names,
    *,
    backend: Names = (),
    format: Names = DEFAULT_FORMAT,
    order: int | Iterable[int] = 0,
    bits: str | None = None,
    range: str | None = None,
    mode: Names = "eager",
    against: str | None = None,
    contract: str | None = None,
    implementation: str | None = None,
    executor: Executor | None = None,
    in_flight: int | None = None,
    workers: int | None = None,
    cluster: str | None = None,
    folder: str | Path | None = None,
    fresh: bool = False,
    shard_limit: float | None = executors.TIME_LIMIT,
    seed: int | None = None,
    points: int | None = None,
    observer: Observer | None = None,
) -> RunResult:
    """Judge every bit pattern of a format, or of a range, both ends included.

    The range is one of ``bits`` (``"0x3f800000..0x40000000"``) or, in numbers, ``range`` (``"-8..8"``).

    ``functions`` are names of functions, and Python files whose registered implementations are swept. Without
    ``backend``: those on the CPU that are installed. Each combination of function, backend, format, order and mode is
    one cell of the result, its evidence ``exhaustive``. Formats that are too wide (float64) get a guided search of
    ``points`` inputs from ``seed`` unless there is a range.

    ``against`` is another mode of the backend: ``measured["against"]`` of each cell then says at how many inputs its
    results differ, where, by how much, which of the two is nearer to the exact value and which breaks the contract. The
    verdict stays that of ``mode``.

    The shards are worked on by ``workers`` processes of this machine (one per processor by default, two for a GPU, 0
    for this process), by the Dask scheduler at ``cluster``, or by ``executor``: any ``concurrent.futures.Executor``
    whose workers can import gradproof and the frameworks, with ``in_flight`` shards handed to it at a time (as many
    as there are processors here by default). It is not shut down. Within one process shards follow one another, so an
    executor of threads gains nothing. A script that uses worker processes needs ``if __name__ == "__main__":``.

    Finished shards are kept under ``folder`` (``.gradproof/sweeps``); the same call again goes on where it stopped,
    ``fresh`` starts again. ``shard_limit``: seconds that one shard may take before its worker is ended (not those of
    ``executor``, nor this process); None for any number. The result does not depend on who worked on what.

    Raises UsageError for what exists nowhere, and a run folder of other versions or in use; WriteError for a full disk.
    Ctrl-C, SIGTERM and SIGHUP return what there is, the run not ``complete``.
    """
    if getattr(multiprocessing.current_process(), "_inheriting", False):  # a worker that imports the script
        raise UsageError('a script that sweeps needs if __name__ == "__main__": around what it does')
    wanted = Wanted(
        names=_several(functions),
        backends=_several(backend),
        formats=_several(format),
        orders=(order,) if isinstance(order, int) else tuple(order),
        bits=bits,
        numbers=range,
        modes=_several(mode),
        against=against,
        contract=contract,
        implementation=implementation,
    )
    means = Means(
        executor=executor,
        in_flight=in_flight,
        workers=workers,
        cluster=cluster,
        folder=None if folder is None else Path(folder),
        fresh=fresh,
        shard_limit=shard_limit,
        seed=seed,
        points=points,
    )
    return conduct(wanted, plan(wanted), means, observer or SilentObserver())[0]


def conduct(
    wanted: Wanted, planned: SweepPlan, means: Means, observer: Observer
) -> tuple[RunResult, list[TargetResult]]:
    """Do what ``planned`` lays out; the result, and the same row by row. Errors as ``run_sweep``."""
    with interruptible() as interrupts:
        return _conducted(wanted, planned, means, observer, interrupts)


def _conducted(
    wanted: Wanted, planned: SweepPlan, means: Means, observer: Observer, interrupts: Interrupts
) -> tuple[RunResult, list[TargetResult]]:
    started = datetime.datetime.now(datetime.UTC)
    clock = time.monotonic()
    workers = _workers(means, planned)
    if remark := _remark(planned):
        observer.warned(remark)
    rows, states = _worked(planned, means, workers, observer, interrupts)
    rows += [TargetResult(a.target, cells.of_absent(a)) for a in planned.absent]
    complete = not any(row.cell.why is NotRun.INTERRUPTED for row in rows)
    run = _run(wanted, planned, means, started, round(time.monotonic() - clock, 3), complete)
    found = RunResult(
        run=run,
        cells=[row.cell for row in rows],
        ledger=states,
        deviations=_deviations(wanted, [row.cell for row in rows], states),
    )
    return found, rows


def _worked(
    planned: SweepPlan, means: Means, workers: int | None, observer: Observer, interrupts: Interrupts
) -> tuple[list[TargetResult], list[LedgerState]]:
    """The rows of all jobs and searches, and what became of the ledger's entries."""
    rows: list[TargetResult] = []
    states: list[LedgerState] = []
    if not planned.jobs and not planned.searches:
        return rows, states
    with crew(means, workers) as working:
        own = None if workers is None else working.executor
        swept = sweep(
            planned.jobs, working, root=means.folder, fresh=means.fresh, observer=observer, time_limit=means.shard_limit
        )
        searched: list[search_worker.SearchOutcome] = []
        if not any(s.status == "stopped" for s in swept):
            searched = search_worker.search_all(planned.searches, working, means.points, means.seed, observer)
        interrupts.finish()
        for s in swept:
            cell, seen = cells.of_sweep(s, workers, own)
            rows.append(TargetResult(s.job.target, cell, s))
            states += seen
        for r in searched:
            cell, seen = cells.of_search(r, own)
            rows.append(TargetResult(r.search.target, cell))
            states += seen
    ended = {s.search for s in searched}
    rows += [TargetResult(s.target, cells.interrupted(s.target)) for s in planned.searches if s not in ended]
    return rows, states


def _deviations(wanted: Wanted, found: Sequence[Cell], states: Sequence[LedgerState]) -> dict[str, dict[str, Any]]:
    """The texts of the deviations that cells and states name."""
    named = {c.known_ref for c in found} | {s.deviation for s in states}
    if not any(named):
        return {}
    from gradproof.sweep.judging.implementations import registered
    from gradproof.sweep.judging.subject import installed_ledger

    ledger = installed_ledger()
    for file in wanted.files:  # by workers, who came across what is declared there
        ledger.declare(registered(file))
    return {
        d.id: {"title": d.title, "reason": d.reason, "upstream": list(d.upstream)}
        for d in ledger.deviations.values()
        if d.id in named
    }


def _workers(means: Means, planned: SweepPlan) -> int | None:
    """Worker processes of this machine; None where others work."""
    if means.executor or means.cluster:
        return None
    if means.workers is not None:
        # Code of the user's gets a process of its own in any case.
        return max(means.workers, 1 if any(job.target.file for job in planned.jobs) else 0)
    targets = [job.target for job in planned.jobs] + [search.target for search in planned.searches]
    return executors.default_workers(target.backend for target in targets)


def _remark(planned: SweepPlan) -> str:
    """What to say beforehand about float32 on processors without Numba."""
    slow = {job.target.format for job in planned.jobs if job.target.backend.endswith(":cpu")}
    if importlib.util.find_spec("numba") is not None or not any(get_format(name).width == 32 for name in slow):
        return ""
    return "Numba is not installed: NumPy judges float32, some ten times as slowly; pip install 'gradproof[sweep]'"


@contextlib.contextmanager
def crew(means: Means, workers: int | None = None) -> Iterator[executors.Crew]:
    """Who works on the shards: ``workers`` processes where nobody else is named."""
    with executors.elsewhere(means.executor, means.in_flight, means.cluster) as given:
        if given is not None:
            yield given
            return
        with executors.local(workers, means.shard_limit) as found:
            yield found


def _run(
    wanted: Wanted, planned: SweepPlan, means: Means, started: datetime.datetime, seconds: float, complete: bool
) -> RunRecord:
    """Where and how the sweep was run, for the results file."""
    from gradproof.engine.request.selection import DEFAULT_SEED
    from gradproof.engine.surroundings.environment import backend_table, environment

    missing = {a.target.backend: a.reason for a in planned.absent if a.status == "not-run"}
    ids = dict.fromkeys([j.target.backend for j in planned.jobs] + [s.target.backend for s in planned.searches])
    settings: dict[str, Any] = {
        "sweep": {
            "names": [storable(Path(name).name) for name in wanted.names],
            "bits": wanted.bits,
            "range": wanted.numbers,
            **({} if wanted.against is None else {"against": wanted.against}),
            "where": "cluster" if means.cluster else "executor" if means.executor else "processes",
        },
        "backends": list(ids),
        "formats": list(wanted.formats),
        "orders": list(wanted.orders),
        "modes": list(wanted.modes),
        "contract": wanted.contract,
    }
    return RunRecord(
        environment=environment(),
        backends=backend_table(list(ids), {k: v for k, v in missing.items() if k not in ids}),
        settings=settings,
        seed=DEFAULT_SEED if means.seed is None else means.seed,
        started=started.isoformat(timespec="seconds"),
        seconds=seconds,
        complete=complete,
    )


def _several(given: Names) -> tuple[str, ...]:
    return (given,) if isinstance(given, str) else tuple(given)
