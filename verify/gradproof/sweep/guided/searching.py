"""Guided searches on the workers of a sweep, for formats that are too wide for all their bit patterns."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Sequence
from concurrent.futures import Future, as_completed
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from gradproof.execution.executors import Crew, lost
from gradproof.interrupts import interruptible
from gradproof.sweep.plan import Target
from gradproof.sweep.running.attempt import told
from gradproof.sweep.running.campaign import Observer

if TYPE_CHECKING:
    from gradproof.sweep.guided.found import Found
    from gradproof.sweep.targets import Search


@dataclass(frozen=True, eq=False)
class Searched:
    """What became of one guided search: ``found``, or a ``fault`` as ``attempt.told`` puts it."""

    search: Search
    found: Found | None
    fault: dict[str, Any] | None
    seconds: float


def attempt_search(target: Target, points: int | None, seed: int | None) -> dict[str, Any]:
    """``found`` or ``fault``, and ``seconds``: one guided search with the metric of the target's contract."""
    begun = time.perf_counter()
    answer: dict[str, Any] = {}
    try:
        from gradproof.formats import get_format
        from gradproof.measure import get_contract
        from gradproof.sweep.guided.search import guided
        from gradproof.sweep.judging.subjects import subject_of

        function, implementation = subject_of(target)
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
        answer["fault"] = told(fault)
    answer["seconds"] = time.perf_counter() - begun
    return answer


def search_all(
    searches: Sequence[Search],
    crew: Crew,
    points: int | None = None,
    seed: int | None = None,
    observer: Observer | None = None,
) -> list[Searched]:
    """Every search on the workers of ``crew``, in the order given; ``observer`` is told of each as it ends.

    ``points`` and ``seed`` as in ``search.guided``. On Ctrl-C, SIGTERM and SIGHUP only those that ended are returned.
    """
    running: dict[Future[Any], Search] = {}
    done: dict[Search, Searched] = {}
    with interruptible(), contextlib.suppress(KeyboardInterrupt):
        for search in searches:
            running[crew.executor.submit(attempt_search, search.target, points, seed)] = search
        for future in as_completed(running):
            search = running[future]
            ended = done[search] = _searched(search, future)
            if observer is not None:
                reason = ended.fault["message"] if ended.fault else ""
                observer.settled(search.target, "error" if ended.fault else "searched", reason)
    for future in running:
        future.cancel()
    return [done[search] for search in searches if search in done]


def _searched(search: Search, future: Future[Any]) -> Searched:
    try:
        answer = future.result()
    except Exception as fault:
        why = told(fault)
        if lost(fault)[0]:
            why |= {"type": "ImplementationFault", "kind": "crashed"}
        return Searched(search, None, why, 0.0)
    return Searched(search, answer.get("found"), answer.get("fault"), answer["seconds"])
