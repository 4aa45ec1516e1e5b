"""A plan as plain data: what the process that writes the results knows of it, without any code of the user's.

Whoever judges holds the plan itself, with its callables. Both sides name a cell by its group and its place in it, and
``Outline.digest`` says whether they mean the same plan.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from hashlib import blake2b
from typing import Any

from gradproof.engine.judging.certificates import reproduction
from gradproof.engine.judging.verdict import broken
from gradproof.engine.ledger.ledger import Ledger, Surroundings
from gradproof.engine.planning.plan import Plan
from gradproof.engine.request.selection import Selection
from gradproof.engine.surroundings.environment import backend_table
from gradproof.engine.surroundings.sources import source
from gradproof.errors import SPOILING, Fault, ImplementationFault
from gradproof.results.model import Cell, LedgerState
from gradproof.results.not_run import NotRun, worded

Place = tuple[int, int]
"""A group, and a cell in it."""


@dataclass(frozen=True, eq=False)
class Planned:
    """One cell to judge."""

    blank: Cell
    """The cell without a verdict."""
    user: bool
    reproduce: str
    """The command that judges it again."""

    def not_run(self, why: NotRun, subject: object = "") -> Cell:
        """The cell without a verdict, and why."""
        return replace(self.blank, status="not-run", reason=worded(why, subject), why=why)

    def ends(self, cell: Cell) -> bool:
        """Whether the implementation is not called again after the verdict ``cell`` on it."""
        fault = cell.measured.get("fault")
        return fault in SPOILING or (self.user and fault == Fault.CRASHED)

    def broken(self, fault: ImplementationFault) -> Cell:
        """The cell of an implementation that broke its contract so that nobody was left to say so."""
        return broken(self.blank, fault, self.reproduce)


@dataclass(frozen=True, eq=False)
class Outline:
    """What is to be judged, in groups that share oracle values, and what is settled without."""

    groups: Sequence[Sequence[Planned]]
    settled: Sequence[Cell]
    backends: Mapping[str, Mapping[str, Any]]
    """By backend id: availability, versions and traits, as the results file shows them."""
    deviations: Mapping[str, Mapping[str, Any]]
    """Title, reason and upstream of every deviation that the ledger, or the user, knows."""
    unseen: Sequence[LedgerState]
    """What becomes of the deviations that the run does not see."""
    digest: str
    source: str = ""
    """A digest of what judges (``sources.source``)."""

    @property
    def tasks(self) -> int:
        """Number of cells to judge."""
        return sum(map(len, self.groups))

    def at(self, place: Place) -> Planned:
        """One cell to judge."""
        return self.groups[place[0]][place[1]]

    def places(self) -> list[Place]:
        """All cells to judge, in order."""
        return [(g, i) for g, group in enumerate(self.groups) for i in range(len(group))]


def outline(plan: Plan, ledger: Ledger, selection: Selection, surroundings: Surroundings) -> Outline:
    """The plain side of a plan."""
    ids = sorted({task.backend for group in plan.groups for task in group.tasks})
    return Outline(
        groups=[
            [
                Planned(
                    task.cell("not-run"),
                    task.implementation.user,
                    reproduction(task, None, task.implementation.file, selection),
                )
                for task in group.tasks
            ]
            for group in plan.groups
        ],
        settled=plan.settled,
        backends=backend_table(ids, plan.unavailable),
        deviations={
            d.id: {"title": d.title, "reason": d.reason, "upstream": list(d.upstream)}
            for d in ledger.deviations.values()
        },
        unseen=ledger.unseen([t for g in plan.groups for t in g.tasks], selection, surroundings),
        digest=digest(plan),
        source=source(),
    )


def digest(plan: Plan) -> str:
    """The same for two plans in which every place holds the same cell."""
    seen = blake2b(digest_size=16)
    for group in plan.groups:
        for task in group.tasks:
            seen.update(repr(task.cell("not-run").key).encode("utf-8", "surrogatepass"))
        seen.update(b"|")
    return seen.hexdigest()
