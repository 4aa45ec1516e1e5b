"""How a sweep is getting on: a bar with rate and time left on a terminal, a line now and then elsewhere."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Final

from gradproof.cli.console import duration, text
from gradproof.cli.progress_bar import ProgressBar

if TYPE_CHECKING:
    from rich.progress import ProgressColumn

    from gradproof.sweep.plan import Target
    from gradproof.sweep.running.campaign import CampaignProgress

EVERY: Final = 10.0
"""Seconds between two lines where there is no terminal."""


class SweepProgress(ProgressBar):
    """Listens to a sweep. ``quiet`` tells warnings alone."""

    def __init__(self, *, quiet: bool = False) -> None:
        super().__init__(quiet=quiet)
        self._last = time.perf_counter()
        self._state = "starting"

    def state(self) -> str:
        """As the last line, with the seconds since the beginning."""
        return f"{self._state}, {duration(self.seconds)}"

    def columns(self) -> list[ProgressColumn]:
        """The share that is done."""
        from rich.progress import TaskProgressColumn

        return [TaskProgressColumn()]

    def advanced(self, progress: CampaignProgress) -> None:
        """Show how far it is."""
        self._state = f"{progress.done / progress.total:4.0%}  {progress_text(progress)}"
        shown = self.show(completed=progress.done, total=progress.total, description=progress_text(progress))
        if not shown and not self.quiet and time.perf_counter() - self._last >= EVERY:
            self._last = time.perf_counter()
            self.say(self._state)

    def warned(self, message: str) -> None:
        """Show a warning."""
        self.out.print(text((f"warning: {message}", "yellow")))

    def settled(self, target: Target, status: str, reason: str) -> None:
        """Show that a target is done with."""
        if not self.quiet:
            why = f": {' '.join(reason.split())}" if reason else ""
            self.say(f"{status:<11}  {target.id}{why}")


def progress_text(progress: CampaignProgress) -> str:
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
