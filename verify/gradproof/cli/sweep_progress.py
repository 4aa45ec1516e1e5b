"""How a sweep is getting on: a bar with rate and time left on a terminal, a line now and then elsewhere."""

from __future__ import annotations

import time
from types import TracebackType
from typing import TYPE_CHECKING, Any, Final

from gradproof.cli.console import console, duration, text

if TYPE_CHECKING:
    from gradproof.sweep.plan import Target
    from gradproof.sweep.running.campaign import Progress

EVERY: Final = 10.0
"""Seconds between two lines where there is no terminal."""


class SweepProgress:
    """Listens to a sweep and tells it on stderr. ``quiet`` tells warnings alone. Use as a context manager."""

    def __init__(self, *, quiet: bool = False) -> None:
        self.out = console(stderr=True)
        self.quiet = quiet
        self._bar: Any = None
        self._task: Any = None
        self._last = time.monotonic()

    def __enter__(self) -> SweepProgress:
        if self.out.is_terminal and not self.quiet:
            from rich.progress import BarColumn, TaskProgressColumn, TextColumn
            from rich.progress import Progress as Bar
            from rich.table import Column

            self._bar = Bar(
                BarColumn(bar_width=24),
                TaskProgressColumn(),
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

    def advanced(self, progress: Progress) -> None:
        """Show how far it is."""
        if self._bar is not None:
            self._bar.update(self._task, completed=progress.done, total=progress.total, description=told(progress))
        elif not self.quiet and time.monotonic() - self._last >= EVERY:
            self._last = time.monotonic()
            self.out.print(text(f"{progress.done / progress.total:4.0%}  {told(progress)}"))

    def warned(self, message: str) -> None:
        """Show a warning."""
        self.out.print(text((f"warning: {message}", "yellow")))

    def settled(self, target: Target, status: str, reason: str) -> None:
        """Show that a target is done with."""
        if not self.quiet:
            why = f": {' '.join(reason.split())}" if reason else ""
            self.out.print(text(f"{status:<11}  {target.id}{why}"))


def told(progress: Progress) -> str:
    """``120 M/s  31 s left  silu-torch-cpu-float32-order0``."""
    left = "" if progress.left is None else f"{duration(progress.left)} left  "
    speed = f"{rate(progress.rate)}  " if progress.rate else ""
    return f"{speed}{left}{progress.target.id}"


def rate(points: float) -> str:
    """Inputs per second for the eye: ``3.4 G/s``, ``120 M/s``, ``5.1 k/s``."""
    for unit, size in (("G", 1e9), ("M", 1e6), ("k", 1e3)):
        if points >= size:
            return f"{points / size:.3g} {unit}/s"
    return f"{points:.3g} /s"
