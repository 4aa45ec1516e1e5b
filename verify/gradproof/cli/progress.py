"""How a run is getting on: a bar on a terminal, a line per cell elsewhere."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING

from gradproof.cli.console import STYLES, count, text
from gradproof.cli.progress_bar import ProgressBar
from gradproof.results.formatting import figure
from gradproof.results.model import SEVERITIES

if TYPE_CHECKING:
    from rich.progress import ProgressColumn
    from rich.text import Text

    from gradproof.engine.planning.outline import Outline
    from gradproof.results.model import Cell


class RunProgress(ProgressBar):
    """Listens to a run. ``quiet`` says nothing; ``verbose`` shows every cell on a terminal too."""

    def __init__(self, *, quiet: bool = False, verbose: bool = False) -> None:
        super().__init__(quiet=quiet)
        self.verbose = verbose
        self._failed = 0
        self._shared: set[str] = set()

    def columns(self) -> list[ProgressColumn]:
        """Cells judged of all, and the time since the start."""
        from rich.progress import MofNCompleteColumn, TimeElapsedColumn

        return [MofNCompleteColumn(), TimeElapsedColumn()]

    def planned(self, plan: Outline) -> None:
        """Show how much there is to do."""
        self.show(total=plan.tasks)
        self._shared = shared_ids(plan.at(place).blank for place in plan.places())

    def note(self, message: str) -> None:
        """Say one line that is about the run as a whole."""
        if not self.quiet:
            self.out.print(text(message))

    def judged(self, cell: Cell, done: int, total: int) -> None:
        """Show one verdict."""
        self._failed += cell.status in ("fail", "error")
        note = f"{self._failed} failing  " if self._failed else ""
        shown = self.show(completed=done, total=total, description=f"{note}{cell.id}")
        if not self.quiet and (not shown or self.verbose):
            self.out.print(cell_line(cell, named=cell.id in self._shared))


def shared_ids(cells: Iterable[Cell]) -> set[str]:
    """Identifiers that stand for several implementations among ``cells``, whose lines have to name them."""
    of: dict[str, set[str]] = {}
    for cell in cells:
        of.setdefault(cell.id, set()).add(cell.implementation)
    return {name for name, implementations in of.items() if len(implementations) > 1}


def cell_line(cell: Cell, *, named: bool = False) -> Text:
    """``fail         silu-torch-cpu-float32-order1-accuracy  error/bound inf, wrong class  at -89.0: got nan ...``.

    ``named`` adds the implementation to the identifier.
    """
    parts: list[str | tuple[str, str]] = [(f"{cell.status:<11}", STYLES[cell.status]), "  ", cell.id]
    if named:
        parts.append(f" of {cell.implementation}")
    if cell.status in ("fail", "known") or cell.magnitude is not None:
        parts.append(f"  error/bound {figure(cell.magnitude)}")
        # An infinity just beyond the largest number is one bound away from it, and no number.
        parts.append(", wrong class" if cell.severity == SEVERITIES[0] else "")
    if cell.status == "pass" and cell.excused:
        parts.append(f" ({count(cell.excused, 'point')} excused: this backend flushes subnormal numbers)")
    if cell.reason and cell.status != "known":
        parts.append(f"  {' '.join(cell.reason.split())}")
    return text(*parts)
