"""Work on a unit of a run (cells of one group), wherever that is: what was judged, or why nothing was, and where.

The calls that an executor of the caller's, or a cluster, is handed. Its process imports and plans once for all units
of a run; what comes back is plain data, since not every exception survives the way between processes.
"""

from __future__ import annotations

import threading
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from gradproof.engine.declared.userfiles import IMPORT_LIMIT, digest_of
from gradproof.engine.planning.outline import Outline, outline
from gradproof.engine.request.selection import Selection
from gradproof.engine.running.judged import record
from gradproof.engine.running.provenance import surroundings_of
from gradproof.engine.running.worker import GivenUp, WorkerState, prepare
from gradproof.errors import Fault, ImplementationFault, UsageError
from gradproof.execution.timelimit import ending_after


@dataclass(frozen=True)
class Asked:
    """What all units of a run share."""

    selection: Selection
    pinned: tuple[tuple[str, str], ...]
    """Where each of the user's files lies, from the root, with the digest that it must have there."""
    cell_limit: float | None = None
    """Seconds after which a process ends itself over a cell, for executors that do not end it."""

    @property
    def files(self) -> tuple[str, ...]:
        """Where the user's files lie."""
        return tuple(path for path, _ in self.pinned)


_alone = threading.Lock()
"""One unit at a time in each process: frameworks' settings and generators belong to the process."""
_prepared: tuple[Asked, WorkerState] | None = None


def describe(asked: Asked) -> dict[str, Any]:
    """``outline``, and the ``surroundings`` that it was made in; or ``fault``."""
    with _alone:
        try:
            for path, digest in asked.pinned:
                if digest_of(path) != digest:
                    raise UsageError(
                        f"{path} {'is not the same' if digest_of(path) else 'cannot be read'} for a worker"
                    )
            state = _state(asked)
            made: Outline = outline(state.plan, state.ledger, state.selection, state.surroundings)
            backends = [name for name, entry in made.backends.items() if entry["available"]]
            return {"outline": made, "surroundings": surroundings_of(backends, asked.files)}
        except Exception as fault:
            return {"fault": fault_of(fault)}


def judge(
    asked: Asked, backends: tuple[str, ...], plan: str, group: int, indices: tuple[int, ...], given_up: frozenset[str]
) -> dict[str, Any]:
    """``records`` of cells of a group (not all, where the process must not go on), ``surroundings``; or ``fault``."""
    answer: dict[str, Any] = {"records": []}
    with _alone:
        try:
            answer["surroundings"] = surroundings_of(backends, asked.files)
            cells = _state(asked).judge_group(plan, group, indices, GivenUp(given_up))
            while (judged := _next(cells, asked.cell_limit)) is not None:
                answer["records"].append(record(judged))
        except Exception as fault:
            answer["fault"] = fault_of(fault)
    return answer


def fault_of(fault: BaseException) -> dict[str, str]:
    """An error as plain data: the name of its type, the kind of an ImplementationFault, and its message."""
    kind = fault.kind if isinstance(fault, ImplementationFault) else Fault.INTERNAL
    return {"type": type(fault).__name__, "kind": str(kind), "message": str(fault)}


def _next(cells: Iterator[Any], limit: float | None) -> Any:
    with ending_after(limit):
        return next(cells, None)


def _state(asked: Asked) -> WorkerState:
    global _prepared
    if _prepared is None or _prepared[0] != asked:
        limit = max(IMPORT_LIMIT, asked.selection.time_limit)
        with ending_after(asked.cell_limit):
            given = asked.selection.files
            pinned = {file: digest for file, (_, digest) in zip(given, asked.pinned, strict=True)}
            at = dict(zip(given, asked.files, strict=True))
            _prepared = asked, prepare(asked.selection, pinned, limit, at)
    return _prepared[1]
