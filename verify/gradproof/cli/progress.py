"""How a run is getting on: a bar on a terminal; elsewhere a line per function, every failure, and a heartbeat."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from typing import TYPE_CHECKING

from gradproof.cli.console import STYLES, count, duration, text
from gradproof.cli.progress_bar import ProgressBar
from gradproof.results.formatting import figure
from gradproof.results.model import SEVERITIES

if TYPE_CHECKING:
    from rich.progress import ProgressColumn
    from rich.text import Text

    from gradproof.engine.planning.outline import Outline
    from gradproof.engine.running.run import Listener
    from gradproof.results.model import Cell


class Both:
    """Tells two listeners what it hears."""

    def __init__(self, first: Listener, second: Listener) -> None:
        self._each = (first, second)

    def planned(self, plan: Outline) -> None:
        """Pass on."""
        for one in self._each:
            one.planned(plan)

    def kept(self, cell: Cell) -> None:
        """Pass on."""
        for one in self._each:
            one.kept(cell)

    def began(self, cell: Cell) -> None:
        """Pass on."""
        for one in self._each:
            one.began(cell)

    def judged(self, cell: Cell, done: int, total: int) -> None:
        """Pass on."""
        for one in self._each:
            one.judged(cell, done, total)


class RunProgress(ProgressBar):
    """Listens to a run. ``quiet`` says nothing; ``verbose`` shows every cell.

    Without a bar there is a line for each function when the last of its cells is judged, one for each failing cell at
    once, and a heartbeat that names what is being judged.
    """

    def __init__(self, *, quiet: bool = False, verbose: bool = False) -> None:
        super().__init__(quiet=quiet)
        self.verbose = verbose
        self._failed = 0
        self._done, self._total = 0, 0
        self._running: dict[tuple[object, ...], str] = {}
        self._left: Counter[str] = Counter()
        self._found: dict[str, Counter[str]] = {}
        self._shared: set[str] = set()

    def columns(self) -> list[ProgressColumn]:
        """Cells judged of all, and the time since the start."""
        from rich.progress import MofNCompleteColumn, TimeElapsedColumn

        return [MofNCompleteColumn(), TimeElapsedColumn()]

    def planned(self, plan: Outline) -> None:
        """Show how much there is to do."""
        self.show(total=plan.tasks)
        blanks = [plan.at(place).blank for place in plan.places()]
        self._total, self._left = plan.tasks, Counter(blank.function for blank in blanks)
        self._shared = shared_ids(blanks)

    def state(self) -> str:
        """``12 %, 84 of 700 cells after 95 s, at silu-torch-cpu-float32-order1-taylor``."""
        if not self._total:
            return f"starting, {duration(self.seconds)}"
        at = list(self._running.values())
        more = f" and {count(len(at) - 1, 'other')}" if len(at) > 1 else ""
        where = f", at {at[0]}{more}" if at else ""
        return f"{self._share} {self._done} of {count(self._total, 'cell')} after {duration(self.seconds)}{where}"

    @property
    def _share(self) -> str:
        return f"{self._done / self._total:4.0%} "

    def kept(self, cell: Cell) -> None:
        """Count what an earlier run judged."""
        self._done += 1
        if not self.quiet:
            self._count(cell)

    def began(self, cell: Cell) -> None:
        """Know what is being judged."""
        self._running[cell.key] = cell.id

    def note(self, message: str) -> None:
        """Say one line that is about the run as a whole."""
        if not self.quiet:
            self.out.print(text(message))

    def judged(self, cell: Cell, done: int, total: int) -> None:
        """Show one verdict."""
        failed = cell.status in ("fail", "error")
        self._failed += failed
        self._done = done
        self._running.pop(cell.key, None)
        note = f"{self._failed} failing  " if self._failed else ""
        shown = self.show(completed=done, total=total, description=f"{note}{cell.id}")
        if self.quiet:
            return
        if self.verbose or (failed and not shown):
            self.out.print(cell_line(cell, named=cell.id in self._shared))
        self._count(cell)

    def _count(self, cell: Cell) -> None:
        """Say what came of a function once all of its cells are judged."""
        found = self._found.setdefault(cell.function, Counter())
        found[cell.status] += 1
        self._left[cell.function] -= 1
        if not self._left[cell.function] and not self.bar:
            counts = ", ".join(f"{found[status]} {status}" for status in STYLES if found[status])
            self.say(f"{self._share} {cell.function:<14} {counts}")


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
