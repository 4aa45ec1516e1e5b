"""Guided searches on the workers of a sweep, for formats that are too wide for all their bit patterns."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Sequence
from concurrent.futures import Future, as_completed
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from gradproof.errors import Fault
from gradproof.execution.executors import Crew, lost
from gradproof.interrupts import interruptible
from gradproof.sweep.plan import Target
from gradproof.sweep.running.campaign import Observer
from gradproof.sweep.running.shard_task import fault_record

if TYPE_CHECKING:
    from gradproof.sweep.guided.search_result import SearchResult
    from gradproof.sweep.targets import PlannedSearch


@dataclass(frozen=True, eq=False)
class SearchOutcome:
    """What became of one guided search: ``found``, or a ``fault`` as ``shard_task.fault_record`` puts it."""

    search: PlannedSearch
    found: SearchResult | None
    fault: dict[str, Any] | None
    seconds: float


def run_search(target: Target, points: int | None, seed: int | None) -> dict[str, Any]:
    """``found`` or ``fault``, and ``seconds``: one guided search with the metric of the target's contract."""
    begun = time.perf_counter()
    answer: dict[str, Any] = {}
    try:
        from gradproof.formats import get_format
        from gradproof.measure import get_contract
        from gradproof.sweep.guided.search import guided
        from gradproof.sweep.judging.implementations import resolve

        function, implementation = resolve(target)
        given = {name: value for name, value in (("points", points), ("seed", seed)) if value is not None}
        answer["found"] = guided(
            function,
            target.backend,
            implementation,
            get_format(target.format),
            target.order,
            mode=target.mode,
            metric=(implementation.terms or get_contract(target.contract)).metric,
            **given,
        )
    except Exception as fault:
        answer["fault"] = fault_record(fault)
    answer["seconds"] = time.perf_counter() - begun
    return answer


def search_all(
    searches: Sequence[PlannedSearch],
    crew: Crew,
    points: int | None = None,
    seed: int | None = None,
    observer: Observer | None = None,
) -> list[SearchOutcome]:
    """Every search on the workers of ``crew``, in the order given; ``observer`` is told of each as it ends.

    ``points`` and ``seed`` as in ``search.guided``. On Ctrl-C, SIGTERM and SIGHUP only those that ended are returned.
    """
    running: dict[Future[Any], PlannedSearch] = {}
    done: dict[PlannedSearch, SearchOutcome] = {}
    with interruptible(), contextlib.suppress(KeyboardInterrupt):
        for search in searches:
            running[crew.executor.submit(run_search, search.target, points, seed)] = search
        for future in as_completed(running):
            search = running[future]
            ended = done[search] = _searched(search, future)
            if observer is not None:
                reason = ended.fault["message"] if ended.fault else ""
                observer.settled(search.target, "error" if ended.fault else "searched", reason)
    for future in running:
        future.cancel()
    return [done[search] for search in searches if search in done]


def _searched(search: PlannedSearch, future: Future[Any]) -> SearchOutcome:
    try:
        answer = future.result()
    except Exception as fault:
        why = fault_record(fault)
        if lost(fault)[0]:
            why |= {"type": "ImplementationFault", "kind": Fault.CRASHED}
        return SearchOutcome(search, None, why, 0.0)
    return SearchOutcome(search, answer.get("found"), answer.get("fault"), answer["seconds"])
