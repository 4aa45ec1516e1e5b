"""Writing to people: plain, escaped, safe at any width, coloured on a terminal unless NO_COLOR is set."""

from __future__ import annotations

import contextlib
import os
import sys
import traceback
from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, Final

import click

from gradproof.text import visible

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

TRACEBACK: Final = "GRADPROOF_TRACEBACK"
"""Environment variable that asks for tracebacks."""


def console(*, stderr: bool = False) -> Console:
    """A console that never wraps what it writes to a file, and reads no markup out of a user's names."""
    from rich.console import Console

    return Console(
        file=sys.stderr if stderr else sys.stdout, soft_wrap=True, highlight=False, markup=False, emoji=False
    )


def text(*parts: str | tuple[str, str]) -> Text:
    """A line from plain parts and (part, style) pairs, whoever wrote them: nothing in it commands a terminal."""
    from rich.text import Text

    shown = (visible(p) if isinstance(p, str) else (visible(p[0]), p[1]) for p in parts)
    return Text.assemble(*shown, end="")


def columns(out: Console, head: Sequence[str], rows: Iterable[Sequence[str]]) -> None:
    """Left-aligned columns two spaces apart, as wide as they need; the last one is never padded or cut."""
    listed = [tuple(map(visible, row)) for row in rows]
    widths = [max(map(len, column)) for column in zip(head, *listed, strict=True)]
    for number, row in enumerate([tuple(head), *listed]):
        cells = [cell.ljust(width) for cell, width in zip(row[:-1], widths, strict=False)]
        out.print(text(("  ".join([*cells, row[-1]]), "bold" if number == 0 else "")))


def say(message: str) -> None:
    """One message on stderr, of one line or several; in vain where nobody can read it."""
    with contextlib.suppress(OSError):
        click.echo(f"gradproof: {visible(message, lines=True)}", err=True)


def trace(fault: BaseException) -> bool:
    """Print the traceback of ``fault`` if the user asked for tracebacks; whether that is so."""
    wanted = os.environ.get(TRACEBACK, "") not in ("", "0")
    if wanted:
        click.echo(visible("".join(traceback.format_exception(fault)), lines=True), err=True)
    return wanted


def duration(seconds: float) -> str:
    """``3.2 s``, ``14 s``, ``5 min 3 s``, ``2 h 5 min``."""
    if seconds < 60:
        return f"{seconds:.1f} s" if seconds < 10 else f"{seconds:.0f} s"
    minutes, rest = divmod(round(seconds), 60)
    return f"{minutes} min {rest} s" if minutes < 60 else f"{minutes // 60} h {minutes % 60} min"


def count(number: int, noun: str) -> str:
    """``1 cell``, ``2 cells``."""
    return f"{number} {noun}" if number == 1 else f"{number} {noun}s"
