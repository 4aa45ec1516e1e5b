"""The rows of a result as a table: what the first screen of the HTML page shows, in the columns of a terminal."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from gradproof.cli.console import columns, count, text
from gradproof.results.rows import RowFacts, facts, rows

if TYPE_CHECKING:
    from rich.console import Console

    from gradproof.results.model import RunResult

HEAD: Final = ("function", "on", "format", "verdict", "usable range", "worst", "felt", "beside own")
LEGEND: Final = (
    "usable range: where f and f' keep the contract; worst: the largest error there over the contract's bound; felt: "
    "whether training feels what fails; beside own: against the framework's own function"
)
_ASCII: Final = str.maketrans({"−": "-", "∞": "inf", "≤": "<=", "′": "'", "″": "''", "–": "-", "’": "'"})


def show_rows(out: Console, result: RunResult, *, verbose: bool = False) -> None:
    """One row for each function or kernel, that of its gravest format and device; all of them with ``verbose``.

    Texts, verdicts and order are those of the page; what was not judged comes as a count.
    """
    every = [f for f in facts(rows(result), result) if f.row.judged]
    shown = every if verbose else gravest(every)
    if not shown:
        return
    columns(out, HEAD, [table_row(f) for f in shown])
    if len(every) > len(shown):
        out.print(text((f"the gravest of each kernel; {count(len(every) - len(shown), 'more row')} with -v", "dim")))
    out.print(text((LEGEND, "dim")))
    out.print()


def gravest(every: list[RowFacts]) -> list[RowFacts]:
    """Of each kernel the first row, as the page has them folded."""
    first: dict[int, RowFacts] = {}
    for one in every:
        first.setdefault(one.row.group, one)
    return list(first.values())


def table_row(of: RowFacts) -> tuple[str, ...]:
    """The cells of ``HEAD``."""
    row = of.row
    user = ":" in row.implementation
    usable = ", ".join(filter(None, (of.usable.text, of.second)))
    worst = " ".join(filter(None, (of.worst.text, of.excused.text if of.excused else "")))
    texts = (
        f"{row.function} {row.implementation}" if user else row.function,
        row.place,
        row.short,
        of.verdict.text,
        usable,
        worst,
        of.felt.text,
        of.own.text,
    )
    return tuple(t.translate(_ASCII) for t in texts)
