"""``gradproof compare``: what changed between two results files, finding by finding and cell by cell."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import click

from gradproof.cli import codes
from gradproof.cli.console import console, count, text
from gradproof.cli.progress import shared_ids
from gradproof.cli.reporting import read
from gradproof.results.cell_changes import CLASSES, REGRESSIONS, cell_changes, cell_text
from gradproof.results.changes import CHANGED, FINDING_CHANGES, NEW, FindingChange, finding_changes
from gradproof.results.finding_texts import gravity, tell
from gradproof.results.sweeps import differences

if TYPE_CHECKING:
    from rich.console import Console

    from gradproof.results.model import Finding, RunResult

SHOWN: Final = 20


@click.command("compare", epilog="Example: gradproof compare torch-2.12.json torch-2.13.json")
@click.argument("base", metavar="BASE.json")
@click.argument("head", metavar="HEAD.json")
@click.option("-v", "--verbose", is_flag=True, help=f"List every change, not {SHOWN} of each class.")
def compare_command(base: str, head: str, verbose: bool) -> int:
    """Compare two results files, by what is wrong and then cell by cell.

    Says first which findings are new or gone, and which are of another kind, explained otherwise, or known in one file
    only; nothing of findings where a file was written before there were any. Then it says which failures are new,
    fixed, worse or better, and which cells were newly run or no longer run. An error counts as changed when it moved by
    half as much again and matters beside the bound. Of two sweeps of one target it says what changed: maxima with their
    inputs, and the intervals of each class. A cell is the same in both where its parameters are the same numbers, 4 and
    4.0.

    Exits 1 when something fails that did not, or became worse, and 5 when the two have no cell in common, so that
    nothing was compared. Cells that HEAD lacks do not fail; they are counted at the end.
    """
    before, after = read([base]), read([head])
    found = cell_changes(before, after)
    shared = shared_ids([*before.cells, *after.cells])
    out = console()
    _show_findings(out, finding_changes(before, after), verbose)
    for kind in CLASSES:
        some = sorted((c for c in found if c.kind == kind), key=lambda c: gravity(c.cell))
        if not some:
            continue
        out.print(text((f"{kind}: {count(len(some), 'cell')}", "bold red" if kind in REGRESSIONS else "bold")))
        for change in some if verbose else some[:SHOWN]:
            of = f" of {change.cell.implementation}" if change.cell.id in shared else ""
            out.print(text(f"  {change.cell.id}{of}  {cell_text(change.base)} -> {cell_text(change.head)}"))
            if change.base is not None and change.head is not None:
                for line in differences(change.base, change.head):
                    out.print(text(f"    {line}"))
        if len(some) > SHOWN and not verbose:
            out.print(text(f"  ... and {len(some) - SHOWN} more"))
        out.print()
    tally = [f"{sum(c.kind == kind for c in found)} {kind}" for kind in CLASSES]
    out.print(text(", ".join(tally)))
    common = _say_what_only_one_has(out, before, after)
    if any(c.kind in REGRESSIONS for c in found):
        return codes.FAILED
    return codes.OK if common else codes.NOTHING


def _show_findings(out: Console, found: list[FindingChange], verbose: bool) -> None:
    for kind in FINDING_CHANGES:
        some = [c for c in found if c.kind == kind]
        if not some:
            continue
        regression = kind == NEW and any(c.finding.known_ref is None for c in some)
        out.print(text((f"{kind}: {len(some)}", "bold red" if regression else "bold")))
        for change in some if verbose else some[:SHOWN]:
            told = tell(change.finding, [])
            where = f"  {told.subject} as {told.function} on {told.place}, {count(len(change.finding.cells), 'cell')}"
            out.print(text(f"{where}: {change.finding.text}"))
            if kind == CHANGED and change.base and change.head:
                out.print(text(f"    {_mark_text(change.base)} -> {_mark_text(change.head)}"))
            else:
                out.print(text(f"    {_mark_text(change.finding)}"))
        if len(some) > SHOWN and not verbose:
            out.print(text(f"  ... and {len(some) - SHOWN} more"))
        out.print()


def _mark_text(finding: Finding) -> str:
    """``tail, explained by sigmoid/product, known as torch-tails``."""
    explained = f", explained by {finding.explanation.id}" if finding.explanation else ", unexplained"
    return finding.kind + explained + (f", known as {finding.known_ref}" if finding.known_ref is not None else "")


def _say_what_only_one_has(out: Console, base: RunResult, head: RunResult) -> int:
    """How many cells both files have; those that one of them lacks are told."""
    before, after = {c.key for c in base.cells}, {c.key for c in head.cells}
    for name, own, other, others in (("HEAD", after, "BASE", before), ("BASE", before, "HEAD", after)):
        if lacking := len(others - own):
            out.print(text((f"{name} lacks {lacking} of the {count(len(others), 'cell')} of {other}", "bold yellow")))
    if not before & after:
        out.print(text(("NOTHING COMPARED", "bold yellow"), ": the two files have no cell in common"))
    return len(before & after)
