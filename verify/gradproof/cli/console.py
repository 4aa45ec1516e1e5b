"""Writing to people: plain, escaped, safe at any width, coloured on a terminal unless NO_COLOR is set."""

from __future__ import annotations

import sys
from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from rich.console import Console
    from rich.text import Text

STYLES: Final = {
    "fail": "bold red",
    "error": "bold magenta",
    "undecided": "yellow",
    "known": "cyan",
    "unsupported": "dim",
    "not-run": "dim",
    "pass": "green",
}
"""Colour by status; the word itself always stands beside it."""


def console(*, stderr: bool = False) -> Console:
    """A console that never wraps what it writes to a file, and reads no markup out of a user's names.

    When nobody reads stdout any more it raises BrokenPipeError; without readers of stderr it falls silent,
    since a run must not end because nobody watches it.
    """
    from rich.console import Console

    class Plain(Console):
        def on_broken_pipe(self) -> None:
            if not stderr:
                raise BrokenPipeError
            self.quiet = True

    return Plain(file=sys.stderr if stderr else sys.stdout, soft_wrap=True, highlight=False, markup=False, emoji=False)


def text(*parts: str | tuple[str, str]) -> Text:
    """A line from plain parts and (part, style) pairs."""
    from rich.text import Text

    return Text.assemble(*parts, end="")


def columns(out: Console, head: Sequence[str], rows: Iterable[Sequence[str]]) -> None:
    """Left-aligned columns two spaces apart, as wide as they need; the last one is never padded or cut."""
    listed = [tuple(row) for row in rows]
    widths = [max(map(len, column)) for column in zip(head, *listed, strict=True)]
    for number, row in enumerate([tuple(head), *listed]):
        cells = [cell.ljust(width) for cell, width in zip(row[:-1], widths, strict=False)]
        out.print(text(("  ".join([*cells, row[-1]]), "bold" if number == 0 else "")))


def duration(seconds: float) -> str:
    """``3.2 s``, ``14 s``, ``5 min 3 s``, ``2 h 5 min``."""
    if seconds < 60:
        return f"{seconds:.1f} s" if seconds < 10 else f"{seconds:.0f} s"
    minutes, rest = divmod(round(seconds), 60)
    return f"{minutes} min {rest} s" if minutes < 60 else f"{minutes // 60} h {minutes % 60} min"


def figure(value: float | None) -> str:
    """A measure in four significant digits; ``inf`` for None, which stands for an infinite error."""
    return "inf" if value is None else f"{value:.4g}"


def count(number: int, noun: str) -> str:
    """``1 cell``, ``2 cells``."""
    return f"{number} {noun}" if number == 1 else f"{number} {noun}s"
