"""Lines of at most so many columns: where they break, so that words stay whole and what is copied stays right."""

from __future__ import annotations

import os
import re
from typing import IO, Final

COLUMNS: Final = 80
"""Columns of what is written where there is no terminal."""
LEAST: Final = 40
"""Narrower terminals break lines of this many columns themselves."""

_WORDS: Final = re.compile(r"\S+")
_ARGUMENTS: Final = re.compile(r"""(?:\\.|\$?'(?:\\.|[^'\\])*'|"(?:\\.|[^"\\])*"|[^\s'"])+|\S""")
"""Words of a shell, in which quotes hold blanks together."""


def columns_of(stream: IO[str]) -> int:
    """Columns that a stream has: those of COLUMNS, of the terminal behind it, or else COLUMNS of this module."""
    try:
        return max(int(os.environ["COLUMNS"]), LEAST)
    except (KeyError, ValueError):
        pass
    try:
        if stream.isatty():
            return max(os.get_terminal_size(stream.fileno()).columns or COLUMNS, LEAST)
    except (OSError, ValueError):
        pass
    return COLUMNS


def pieces(line: str, width: int, hang: int, *, shell: bool = False) -> list[tuple[int, int]]:
    """Start and end of the parts of ``line`` that fit into ``width`` columns, all but the first after ``hang`` blanks.

    Breaks come at blanks; a word that is wider than a line stays whole, so that it can be copied. With ``shell`` words
    are those of a shell, and two columns stay free for the sign that a command goes on.
    """
    found: list[tuple[int, int]] = []
    start = end = 0
    room, some = width, False
    for word in (_ARGUMENTS if shell else _WORDS).finditer(line):
        if some and wide(line[start : word.end()]) > room - 2 * (shell and word.end() < len(line)):
            found.append((start, end))
            start, room = word.start(), width - hang
        end, some = word.end(), True
    return [*found, (start, end)]


def hanging(line: str) -> int:
    """Blanks before the later parts of a line: more than it begins with."""
    return len(line) - len(line.lstrip(" ")) + 4


def folded(text: str, width: int, hang: int) -> str:
    """``text`` with each of its lines broken to ``width`` columns, later parts after ``hang`` blanks at least."""
    lines = []
    for line in text.split("\n"):
        blanks = min(max(hang, hanging(line)), width // 2) if line[:1] == " " else hang
        parts = [line[a:b] for a, b in pieces(line, width, blanks)]
        lines += [parts[0], *(" " * blanks + part for part in parts[1:])]
    return "\n".join(lines)


def wide(text: str) -> int:
    """Columns that a text takes: two for each character of East Asian scripts, none for an accent of its own."""
    if text.isascii():
        return len(text)
    from rich.cells import cell_len

    return cell_len(text)
