"""The cell of a target about whose numbers nothing is known."""

from __future__ import annotations

from typing import Any

from gradproof.results.model import Cell
from gradproof.results.sweeps import PROPERTY
from gradproof.sweep.plan import Target
from gradproof.text import storable


def unjudged_cell(target: Target, status: str, reason: str, **more: Any) -> Cell:
    """A cell with no more about the numbers than ``more`` says."""
    name, _, device = target.backend.partition(":")
    made = Cell(
        function=target.function,
        params=dict(target.params),
        implementation=target.implementation,
        backend=name,
        device=device,
        mode=target.mode,
        format=target.format,
        order=target.order,
        property=PROPERTY,
        status=status,  # type: ignore[arg-type]
        reason=reason,
        contract=target.contract,
        **more,
    )
    return storable(made)
