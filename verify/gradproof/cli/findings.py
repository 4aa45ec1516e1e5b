"""Findings for the eye: what is wrong in a sentence, the worst input, what it accounts for, how to see it again."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from gradproof.cli.console import count, text
from gradproof.cli.failures import print_row
from gradproof.results.telling import is_of, tell

if TYPE_CHECKING:
    from rich.console import Console

    from gradproof.results.model import Cell, Finding


def show_finding(out: Console, finding: Finding, cells: Sequence[Cell]) -> None:
    """A finding of ``cells``, those of the results that it is from."""
    told = tell(finding, [c for c in cells if is_of(c, finding)])
    out.print(text((told.subject, "bold"), f" as {told.function} on {told.place}  ", (told.kind, "red")))
    print_row(out, "what", finding.text)
    width = max((len(decimal) for _, decimal, _ in told.numbers), default=0)
    for name, decimal, bits in told.numbers:
        where = f"  {told.at}" if name == "x" else ""
        out.print(text((f"  {name:<9} ", "dim"), f"{decimal:<{width}}  {bits}{where}"))
    rows = [("error", told.error)]
    rows += [("" if number else "region", region) for number, region in enumerate(told.regions)]
    rows += [
        ("probably", told.probably),
        ("explained", told.explained),
        ("baseline", told.baseline),
        ("instead", told.advice),
        ("cells", f"{count(told.cells, 'cell')}: {told.accounts}"),
        ("repeat", told.command),
    ]
    for name, value in rows:
        if value:
            print_row(out, name, value)
