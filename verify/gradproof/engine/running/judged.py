"""A cell with its verdict, as it is told from process to process, and as the record that outlives them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from gradproof.engine.planning.outline import Outline, Place
from gradproof.errors import UsageError
from gradproof.results.model import Cell, LedgerState, document
from gradproof.results.rebuild import rebuild


@dataclass(frozen=True)
class Judged:
    """One verdict, and what became of the deviations about the cell."""

    place: Place
    cell: Cell
    states: list[LedgerState]
    on: str = ""
    """The processor that it was judged on, where that may be another machine's."""


def record(judged: Judged) -> dict[str, Any]:
    """``judged`` as JSON-able data."""
    return {
        "place": list(judged.place),
        "cell": document(judged.cell),
        "states": document(judged.states),
        "on": judged.on,
    }


def recorded(made: Any, outline: Outline) -> Judged:
    """What ``record`` was given; UsageError for what is no record of a cell of ``outline``."""
    try:
        group, index = made["place"]
        planned = outline.groups[group][index]
        cell: Cell = rebuild(Cell, made["cell"], "cell")
        states: list[LedgerState] = rebuild(list[LedgerState], made["states"], "states")
        if cell.key != planned.blank.key or min(group, index) < 0:
            raise UsageError(f"it holds {cell.id} in the place of {planned.blank.id}")
        return Judged((group, index), cell, states, str(made["on"]))
    except (TypeError, ValueError, LookupError) as fault:
        raise UsageError(f"it is no record of a cell ({type(fault).__name__}: {fault})") from fault
