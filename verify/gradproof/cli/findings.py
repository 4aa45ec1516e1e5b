"""Findings for the eye: what is wrong in a sentence, the worst input, what it accounts for, how to see it again."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from gradproof.cli.console import count, text
from gradproof.cli.failures import COMMAND, print_row
from gradproof.cli.operations import show_trace
from gradproof.results.finding_texts import is_of, tell

if TYPE_CHECKING:
    from rich.console import Console

    from gradproof.results.model import Cell, Finding


def show_finding(out: Console, finding: Finding, cells: Sequence[Cell], *, operations: bool = False) -> None:
    """A finding of ``cells``, those of the results that it is from; with the table of its trace if asked."""
    told = tell(finding, [c for c in cells if is_of(c, finding)])
    out.print(text((told.subject, "bold"), f" as {told.function} on {told.place}  ", (told.kind, "red")))
    print_row(out, "what", finding.text)
    width = max((len(decimal) for _, decimal, _ in told.numbers), default=0)
    for name, decimal, bits in told.numbers:
        where = f"  {told.at}" if name == "x" else ""
        out.print(text((f"  {name:<9} ", "dim"), f"{decimal:<{width}}  {bits}{where}"))
    rows = [("error", told.error)]
    rows += [("" if number else "region", region) for number, region in enumerate(told.regions)]
    _rows(out, [*rows, ("simplest", told.simplest), ("probably", told.probably), ("explained", told.explained)])
    if finding.trace:
        show_trace(out, finding.trace, table=operations)
    accounts = f"{count(told.cells, 'cell')}: {told.accounts}"
    _rows(out, [("baseline", told.baseline), ("instead", told.advice), ("cells", accounts), (COMMAND, told.command)])


def _rows(out: Console, rows: Sequence[tuple[str, str]]) -> None:
    for name, value in rows:
        if value:
            print_row(out, name, value)
