"""A console of rich's that breaks lines at words, with what follows set in."""

from __future__ import annotations

from dataclasses import dataclass
from typing import IO, TYPE_CHECKING, Any

from rich.console import Console
from rich.text import Text

from gradproof.cli.lines import hanging, pieces

if TYPE_CHECKING:
    from rich.console import ConsoleOptions, RenderResult


@dataclass(frozen=True)
class Hanging:
    """One line, broken where the console ends, with ``hang`` blanks before its later parts.

    With ``shell`` it is a command, which breaks between arguments, with the sign that it goes on.
    """

    line: Text
    hang: int
    shell: bool = False

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        hang = min(self.hang, options.max_width // 2)
        found = pieces(self.line.plain, options.max_width, hang, shell=self.shell)
        for number, (start, end) in enumerate(found):
            piece = Text(" " * hang) if number else Text()
            piece.append_text(self.line[start:end])
            if self.shell and number < len(found) - 1:
                piece.append(" \\")
            yield piece


class FoldingConsole(Console):
    """Writes texts as lines of at most ``width`` columns; ``plain`` writes no escape at all."""

    def __init__(self, stream: IO[str], width: int, *, plain: bool) -> None:
        super().__init__(
            file=stream,
            width=width,
            soft_wrap=True,
            highlight=False,
            markup=False,
            emoji=False,
            color_system=None if plain else "auto",
            force_terminal=False if plain else None,
        )

    def print(self, *objects: Any, no_wrap: bool | None = None, **named: Any) -> None:
        """As rich's, but for texts, which are broken at words unless ``no_wrap``."""
        if not no_wrap:
            objects = tuple(Hanging(o, hanging(o.plain)) if isinstance(o, Text) else o for o in objects)
        super().print(*objects, no_wrap=no_wrap, **named)
