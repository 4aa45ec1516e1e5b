"""How a run is getting on: a bar on a terminal, a line per cell elsewhere."""

from __future__ import annotations

from types import TracebackType
from typing import TYPE_CHECKING, Any

from gradproof.cli.console import STYLES, console, figure, text

if TYPE_CHECKING:
    from rich.text import Text

    from gradproof.engine.plan import Plan
    from gradproof.results.model import Cell


class Progress:
    """Listens to a run and tells it on stderr, so that stdout holds the summary alone.

    ``quiet`` says nothing; ``verbose`` shows every cell on a terminal too. Use as a context manager.
    """

    def __init__(self, *, quiet: bool = False, verbose: bool = False) -> None:
        self.out = console(stderr=True)
        self.quiet = quiet
        self.verbose = verbose
        self._bar: Any = None
        self._task: Any = None
        self._failed = 0

    def __enter__(self) -> Progress:
        if self.out.is_terminal and not self.quiet:
            from rich.progress import BarColumn, MofNCompleteColumn, TextColumn, TimeElapsedColumn
            from rich.progress import Progress as Bar
            from rich.table import Column

            # Markup is off: a cell's id holds what a user called things.
            self._bar = Bar(
                BarColumn(bar_width=24),
                MofNCompleteColumn(),
                TimeElapsedColumn(),
                TextColumn(
                    "{task.description}",
                    markup=False,
                    table_column=Column(no_wrap=True, overflow="ellipsis", ratio=1),
                ),
                console=self.out,
                transient=True,
                expand=True,
            )
            self._bar.start()
            self._task = self._bar.add_task("starting", total=None)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, fault: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._bar is not None:
            self._bar.stop()

    def planned(self, plan: Plan) -> None:
        """Show how much there is to do."""
        if self._bar is not None:
            self._bar.update(self._task, total=plan.tasks)

    def judged(self, cell: Cell, done: int, total: int) -> None:
        """Show one verdict."""
        self._failed += cell.status in ("fail", "error")
        if self._bar is not None:
            note = f"{self._failed} failing  " if self._failed else ""
            self._bar.update(self._task, completed=done, total=total, description=f"{note}{cell.id}")
        if not self.quiet and (self._bar is None or self.verbose):
            self.out.print(cell_line(cell))


def cell_line(cell: Cell) -> Text:
    """``fail         silu-torch-cpu-float32-order1-accuracy  error/bound inf  at -89.0: got nan ...``."""
    parts: list[str | tuple[str, str]] = [(f"{cell.status:<11}", STYLES[cell.status]), "  ", cell.id]
    if cell.status in ("fail", "known") or cell.magnitude is not None:
        parts.append(f"  error/bound {figure(cell.magnitude)}")
    if cell.status == "pass" and cell.excused and cell.magnitude is not None and cell.magnitude > 1:
        parts.append(" (excused: this backend flushes subnormal numbers)")
    if cell.reason and cell.status != "known":
        parts.append(f"  {' '.join(cell.reason.split())}")
    return text(*parts)
