"""The bar that shows on a terminal how far something is; elsewhere a line now and then, so that a log goes on."""

from __future__ import annotations

import threading
import time
from types import TracebackType
from typing import TYPE_CHECKING, Any, Final, Self

from gradproof.cli.console import console, text
from gradproof.text import visible

if TYPE_CHECKING:
    from rich.progress import ProgressColumn


HEARTBEAT: Final = 30.0
"""Seconds without a line after which a log without a terminal gets one."""


class ProgressBar:
    """Tells things on stderr, so that stdout holds the summary alone; a context manager around a bar.

    ``quiet`` shows neither bar nor heartbeat. Subclasses say with ``columns`` what stands between the bar and the
    description, and with ``state`` what a line says where there is no bar.
    """

    def __init__(self, *, quiet: bool = False) -> None:
        self.out = console(stderr=True)
        self.quiet = quiet
        self._bar: Any = None
        self._task: Any = None
        self._ended = threading.Event()
        self._heart: threading.Thread | None = None
        self._began = self._spoke = time.perf_counter()

    def state(self) -> str:
        """How far it is, and what is being done."""
        return "starting"

    @property
    def seconds(self) -> float:
        """Seconds since it began."""
        return time.perf_counter() - self._began

    @property
    def bar(self) -> bool:
        """Whether there is a bar to see it on."""
        return self._bar is not None

    def say(self, line: str) -> None:
        """One line beside the bar, or in the log, which then goes on without a heartbeat for a while."""
        self._spoke = time.perf_counter()
        self.out.print(text(line))

    def _beat(self) -> None:
        while not self._ended.wait(max(0.0, self._spoke + HEARTBEAT - time.perf_counter())):
            if time.perf_counter() - self._spoke >= HEARTBEAT:
                self.say(self.state())

    def columns(self) -> list[ProgressColumn]:
        """Between the bar and the description."""
        return []

    def __enter__(self) -> Self:
        self._began = self._spoke = time.perf_counter()
        if self.quiet:
            return self
        if self.out.is_terminal and self.out.file.isatty():
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
        else:
            self._heart = threading.Thread(target=self._beat, name="gradproof-heartbeat", daemon=True)
            self._heart.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, fault: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._ended.set()
        if self._bar is not None:
            self._bar.stop()
        if self._heart is not None:
            self._heart.join(timeout=1.0)

    def show(self, **changes: Any) -> bool:
        """Change ``completed``, ``total`` or ``description``; whether there is a bar to see it on."""
        if self._bar is not None:
            if "description" in changes:
                changes["description"] = visible(changes["description"])
            self._bar.update(self._task, **changes)
        return self._bar is not None
