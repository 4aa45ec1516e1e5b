"""Writing to people: plain, escaped, safe at any width, coloured on a terminal unless NO_COLOR is set."""

from __future__ import annotations

import contextlib
import os
import sys
import traceback
from collections.abc import Iterable, Iterator, Sequence
from typing import TYPE_CHECKING, Final

import click

from gradproof.cli.lines import columns_of, folded, wide
from gradproof.cli.streams import commanding
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

INDENT: Final = 4
"""Blanks before the columns of a table that go under others."""

TRACEBACK: Final = "GRADPROOF_TRACEBACK"
"""Environment variable that asks for tracebacks."""


def console(*, stderr: bool = False) -> Console:
    """A console that breaks lines at words, reads no markup out of a user's names, and honours NO_COLOR.

    Lines have the columns of the terminal, of COLUMNS, or 80. With NO_COLOR, or where TERM is ``dumb``, nothing that a
    terminal obeys is written: neither colours nor what moves its cursor.
    """
    from gradproof.cli.folding_console import FoldingConsole

    stream = commanding(sys.stderr if stderr else sys.stdout)
    return FoldingConsole(
        stream, columns_of(stream), plain=bool(os.environ.get("NO_COLOR")) or os.environ.get("TERM") == "dumb"
    )


def text(*parts: str | tuple[str, str]) -> Text:
    """A line from plain parts and (part, style) pairs, whoever wrote them: nothing in it commands a terminal."""
    from rich.text import Text

    shown = (visible(p) if isinstance(p, str) else (visible(p[0]), p[1]) for p in parts)
    return Text.assemble(*shown, end="")


def columns(out: Console, head: Sequence[str], rows: Iterable[Sequence[str]]) -> None:
    """Left-aligned columns two spaces apart, as wide as they need.

    Where lines are too short the widest ones are broken at words; where that is not enough, the last ones go under the
    others, set in.
    """
    listed = [tuple(map(visible, row)) for row in (head, *rows)]
    parts = _side_by_side(list(zip(*listed, strict=True)), out.width)
    for number, row in enumerate(listed):
        for begin, widths in parts:
            indent = " " * INDENT if begin else ""
            for line in _lines(row[begin : begin + len(widths)], widths):
                out.print(text(((indent + line).rstrip(), "bold" if number == 0 else "")), no_wrap=True)


def _lines(cells: Sequence[str], widths: Sequence[int]) -> Iterator[str]:
    """Cells beside each other, each broken to its width."""
    broken = [folded(cell, width, 0).split("\n") for cell, width in zip(cells, widths, strict=True)]
    for line in range(max(map(len, broken))):
        shown = [part[line] if line < len(part) else "" for part in broken]
        yield "  ".join(cell + " " * (width - wide(cell)) for cell, width in zip(shown, widths, strict=True))


def _side_by_side(listed: Sequence[Sequence[str]], room: int) -> list[tuple[int, list[int]]]:
    """Which columns stand beside each other: the first of each part, and the widths of all of its columns."""
    least = [max((wide(word) for cell in column for word in cell.split()), default=0) for column in listed]
    parts: list[list[int]] = []
    for number in range(len(listed)):
        taken = [*(parts[-1] if parts else ()), number]
        if parts and sum(least[n] + 2 for n in taken) - 2 <= room - (INDENT if taken[0] else 0):
            parts[-1] = taken
        else:
            parts.append([number])
    return [
        (p[0], _fitting([listed[n] for n in p], [least[n] for n in p], room - (INDENT if p[0] else 0))) for p in parts
    ]


def _fitting(listed: Sequence[Sequence[str]], least: Sequence[int], room: int) -> list[int]:
    """Widths of columns that fit beside each other, the widest cut first; none below its longest word."""
    widths = [max(map(wide, column)) for column in listed]
    while sum(widths) + 2 * (len(widths) - 1) > room and any(map(int.__gt__, widths, least)):
        _, number = max((w, i) for i, (w, most) in enumerate(zip(widths, least, strict=True)) if w > most)
        widths[number] -= 1
    return widths


def say(message: str) -> None:
    """One message on stderr, of one line or several; in vain where nobody can read it."""
    with contextlib.suppress(OSError):
        shown = folded(f"gradproof: {visible(message, lines=True)}", columns_of(sys.stderr), 4)
        click.echo(shown, err=True)


def status(line: str) -> None:
    """``line`` in the place of the last one, on a terminal that takes commands; nothing elsewhere."""
    out = console(stderr=True)
    if out.is_terminal and out.file.isatty():
        out.file.write(f"\r{visible(line)} \r")
        out.file.flush()


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
