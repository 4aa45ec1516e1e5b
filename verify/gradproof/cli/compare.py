"""``gradproof compare``: what changed between two results files, finding by finding and cell by cell."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, Final

import click

from gradproof.cli import codes, outputs
from gradproof.cli.completion import given
from gradproof.cli.console import console, count, text
from gradproof.cli.options import written_options
from gradproof.cli.progress import shared_ids
from gradproof.cli.reporting import judged, read
from gradproof.results.cell_changes import (
    CLASSES,
    LOST,
    REGRESSIONS,
    Change,
    ComparedResult,
    cell_changes,
    cell_text,
    gravest,
    since,
)
from gradproof.results.changes import CHANGED, FINDING_CHANGES, NEW, FindingChange, finding_changes
from gradproof.results.finding_texts import tell
from gradproof.results.model import document
from gradproof.results.sweeps import differences

if TYPE_CHECKING:
    from rich.console import Console

    from gradproof.cli.json_lines import JsonLines
    from gradproof.results.model import Finding, RunResult

SHOWN: Final = 20
SCHEMA: Final = "gradproof-comparison/1"
FAIL_ON: Final = ("lost", "findings")
"""What fails besides regressions, if asked: cells that BASE judged and HEAD does not, and new findings."""


@click.command("compare", epilog="Example: gradproof compare torch-2.12.json torch-2.13.json --fail-on lost")
@click.argument("base", metavar="BASE.json", **given("file"))
@click.argument("head", metavar="HEAD.json", **given("file"))
@click.option(
    "--again/--as-filed",
    "again",
    default=None,
    help="Evaluate worst inputs again, or not; else where HEAD was made here.",
)
@click.option(
    "--fail-on",
    multiple=True,
    type=click.Choice(FAIL_ON, case_sensitive=False),
    help="Exit 1 also on cells that HEAD lost, or on new findings. Repeatable.",
)
@click.option("--json", metavar="PATH", help="Write the comparison as JSON; - is standard output.")
@written_options(outputs.LINES, "html", "markdown")
@click.option("-v", "--verbose", is_flag=True, help=f"List every change, not {SHOWN} of each class.")
def compare_command(
    base: str, head: str, again: bool | None, fail_on: tuple[str, ...], verbose: bool, **options: Any
) -> int:
    """Compare two results files, by what is wrong and then cell by cell.

    Says first which findings are new or gone, and which are of another kind, explained otherwise, or known in one file
    only; nothing of findings where a file was written before there were any. Then it says which failures are new,
    fixed, worse or better, and which cells were newly run or no longer run. An error counts as changed when it moved by
    half as much again and matters beside the bound. Of two sweeps of one target it says what changed: maxima with their
    inputs, and the intervals of each class. A cell is the same in both where its parameters are the same numbers, 4 and
    4.0.

    Before a cell counts as a new failure or as worse, its worst input and that of BASE are evaluated again, of the
    frameworks' own functions where this machine and its versions are those of HEAD; --again does so anywhere and
    imports files of yours, --as-filed does not. What does not show again fails nothing.

    The page is HEAD's with a column that says what changed, the Markdown the changes alone. `-` is standard input, and
    standard output where a path is written to.

    Exits 1 when something fails that did not, or became worse, and 5 when the two have no cell in common, so that
    nothing was compared. Cells that HEAD lacks are counted at the end; they fail with --fail-on lost.
    """
    chosen = outputs.chosen_by({"report": (), **options})
    writers = {kind: _writer(kind) for kind in {o.kind for o in chosen}}
    prepared = outputs.prepare(chosen, (base, head), writers)
    with prepared.stdout_kept(), prepared.lines("compare") as lines:
        before, after = read([base]), read([head])
        found = cell_changes(before, after)
        if again is not False and any(c.kind in REGRESSIONS for c in found):
            from gradproof.cli.reevaluation import reevaluated

            found = reevaluated(found, after, wanted=again)
        compared = since(before, judged(after), found, alone=True)
        assert compared.since is not None
        code = _code(found, compared, fail_on)
        written = prepared.write(compared)
        _tell_lines(lines, compared, code)
        prepared.lines_written(lines, written)
        _show(before, after, gravest(found), verbose)
        for line in written.lines():
            console().print(text(line))
    return written.code(code)


def _code(found: Sequence[Change], compared: ComparedResult, fail_on: Sequence[str]) -> int:
    assert compared.since is not None
    lost = any(c.kind == LOST for c in found) or compared.since.lacking[0]
    news = any(kind == NEW for kind, *_ in compared.since.findings)
    if any(c.kind in REGRESSIONS for c in found) or ("lost" in fail_on and lost) or ("findings" in fail_on and news):
        return codes.FAILED
    return codes.OK if compared.since.common else codes.NOTHING


def _writer(kind: str) -> outputs.Writer:
    """What writes a comparison as JSON, or as the reports do it."""
    if kind != outputs.RESULTS:
        return outputs.writer(kind)

    def write(compared: ComparedResult, path: str) -> None:
        from gradproof.files.writing import write_text

        write_text(json.dumps(comparison(compared), allow_nan=False) + "\n", path, "comparison")

    return write


def comparison(compared: ComparedResult) -> dict[str, Any]:
    """A comparison as JSON holds it: both runs, the changes of findings and of cells, and what only one file has."""
    told = compared.since
    assert told is not None
    return {
        "schema": SCHEMA,
        "base": document(told.run),
        "head": document(compared.run),
        "findings": [_finding(*one) for one in told.findings],
        "cells": [document(one) for one in told.cells],
        "counts": {kind: sum(c.kind == kind for c in told.cells) for kind in CLASSES},
        "common": told.common,
        "head_lacks": told.lacking[0],
        "base_lacks": told.lacking[1],
    }


def _finding(kind: str, implementation: str, sentence: str) -> dict[str, str]:
    return {"kind": kind, "implementation": implementation, "text": sentence}


def _tell_lines(lines: JsonLines, compared: ComparedResult, code: int) -> None:
    whole = comparison(compared)
    for one in whole["findings"]:
        lines.write("finding", one)
    for one in whole["cells"]:
        lines.write("cell", one)
    lines.end(code, **{name: whole[name] for name in ("counts", "common", "head_lacks", "base_lacks")})


def _show(before: RunResult, after: RunResult, found: Sequence[Change], verbose: bool) -> None:
    shared = shared_ids([*before.cells, *after.cells])
    out = console()
    _show_findings(out, finding_changes(before, after), verbose)
    for kind in CLASSES:
        some = [c for c in found if c.kind == kind]
        if not some:
            continue
        out.print(text((f"{kind}: {count(len(some), 'cell')}", "bold red" if kind in REGRESSIONS else "bold")))
        for change in some if verbose else some[:SHOWN]:
            of = f" of {change.cell.implementation}" if change.cell.id in shared else ""
            out.print(text(f"  {change.cell.id}{of}  {cell_text(change.base)} -> {cell_text(change.head)}"))
            if change.again:
                out.print(text(f"    {change.again}"))
            if change.base is not None and change.head is not None:
                for line in differences(change.base, change.head):
                    out.print(text(f"    {line}"))
        if len(some) > SHOWN and not verbose:
            out.print(text(f"  ... and {len(some) - SHOWN} more"))
        out.print()
    tally = [f"{sum(c.kind == kind for c in found)} {kind}" for kind in CLASSES]
    out.print(text(", ".join(tally)))
    _say_what_only_one_has(out, before, after)


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
            if change.unchecked:
                out.print(text(f"    not checked: {change.unchecked}"))
        if len(some) > SHOWN and not verbose:
            out.print(text(f"  ... and {len(some) - SHOWN} more"))
        out.print()


def _mark_text(finding: Finding) -> str:
    """``tail, explained by sigmoid/product, known as torch-tails``."""
    explained = f", explained by {finding.explanation.id}" if finding.explanation else ", unexplained"
    return finding.kind + explained + (f", known as {finding.known_ref}" if finding.known_ref is not None else "")


def _say_what_only_one_has(out: Console, base: RunResult, head: RunResult) -> None:
    """Count the cells that one of the files lacks."""
    before, after = {c.key for c in base.cells}, {c.key for c in head.cells}
    for name, own, other, others in (("HEAD", after, "BASE", before), ("BASE", before, "HEAD", after)):
        if lacking := len(others - own):
            out.print(text((f"{name} lacks {lacking} of the {count(len(others), 'cell')} of {other}", "bold yellow")))
    if not before & after:
        out.print(text(("NOTHING COMPARED", "bold yellow"), ": the two files have no cell in common"))
