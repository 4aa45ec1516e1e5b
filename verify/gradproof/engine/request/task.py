"""One cell to judge, as the plan makes it and everything after it takes it."""

from __future__ import annotations

import builtins
from dataclasses import dataclass

from gradproof.backends.base import Implementation
from gradproof.functions import Function
from gradproof.results.model import Cell
from gradproof.results.not_run import NotRun, worded
from gradproof.text import storable


@dataclass(frozen=True, eq=False)
class Task:
    """One cell to judge: a claim at one order about one implementation, format and mode.

    Compared and hashed by identity: callables and parameter maps have no useful equality.
    """

    function: Function
    implementation: Implementation
    backend: str
    mode: str
    format: str
    order: int
    property: str

    @builtins.property  # the field of that name hides the decorator
    def contract(self) -> str | None:
        """The contract that the implementation asks for; None for the run's."""
        return self.implementation.contract

    def cell(self, status: str, reason: str = "", **more: object) -> Cell:
        """The results cell of this task."""
        name, _, device = self.backend.partition(":")
        made = Cell(
            function=self.function.name,
            params=dict(self.function.params),
            implementation=self.implementation.name,
            backend=name,
            device=device,
            mode=self.mode,
            format=self.format,
            order=self.order,
            property=self.property,
            status=status,  # type: ignore[arg-type]
            reason=reason,
            **more,  # type: ignore[arg-type]
        )
        return storable(made)

    def not_run(self, why: NotRun, subject: object = "") -> Cell:
        """The results cell of this task without a verdict, and why."""
        return self.cell("not-run", worded(why, subject), why=why)
