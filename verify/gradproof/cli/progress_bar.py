"""The bar that shows on a terminal how far something is; nothing elsewhere."""

from __future__ import annotations

from types import TracebackType
from typing import TYPE_CHECKING, Any, Self

from gradproof.cli.console import console
from gradproof.text import visible

if TYPE_CHECKING:
    from rich.progress import ProgressColumn


class ProgressBar:
    """Tells things on stderr, so that stdout holds the summary alone; a context manager around a bar.

    ``quiet`` shows no bar. Subclasses say with ``columns`` what stands between the bar and the description.
    """

    def __init__(self, *, quiet: bool = False) -> None:
        self.out = console(stderr=True)
        self.quiet = quiet
        self._bar: Any = None
        self._task: Any = None

    def columns(self) -> list[ProgressColumn]:
        """Between the bar and the description."""
        return []

    def __enter__(self) -> Self:
        if self.out.is_terminal and not self.quiet:
            from rich.progress import BarColumn, Progress, TextColumn
            from rich.table import Column

            column = Column(no_wrap=True, overflow="ellipsis", ratio=1)
            # Markup is off: descriptions hold what a user called things.
            described = TextColumn("{task.description}", markup=False, table_column=column)
            self._bar = Progress(
                BarColumn(bar_width=24), *self.columns(), described, console=self.out, transient=True, expand=True
            )
            self._bar.start()
            self._task = self._bar.add_task("starting", total=None)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, fault: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._bar is not None:
            self._bar.stop()

    def show(self, **changes: Any) -> bool:
        """Change ``completed``, ``total`` or ``description``; whether there is a bar to see it on."""
        if self._bar is not None:
            if "description" in changes:
                changes["description"] = visible(changes["description"])
            self._bar.update(self._task, **changes)
        return self._bar is not None
