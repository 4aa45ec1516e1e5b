"""``gradproof report`` and ``gradproof combine``: from results files to pages, and to one results file."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import click

from gradproof.cli import codes, outputs
from gradproof.cli.completion import given
from gradproof.cli.console import console, count, text
from gradproof.cli.options import written_options
from gradproof.config import SHORTHANDS

if TYPE_CHECKING:
    from gradproof.results import RunResult


@click.command("report", epilog="Example: gradproof report numpy.json torch.json --html all.html --junit all.xml")
@click.argument("results", nargs=-1, required=True, metavar="RESULTS.json...", **given("file"))
@written_options(*SHORTHANDS, outputs.XFAILS, "report")
@click.option("--since", metavar="BASE.json", help="An earlier results file: the report says what changed.")
@click.option("--write", "others", nargs=2, multiple=True, hidden=True)  # how --report was called before
def report_command(
    results: tuple[str, ...], since: str | None, others: tuple[tuple[str, str], ...], **options: Any
) -> int:
    """Make reports from results files; several are combined first. Without a format: report.html.

    Nothing is checked again: a report can be made on another machine, later. With `--since` it says beside each kernel
    what changed, as `gradproof compare` does. `-` is standard input, and standard output where a path is written to.
    """
    from gradproof.results.cell_changes import since as changed_since

    options["report"] = (*options["report"], *map("=".join, others))
    default = {} if any(options.values()) else {"html": outputs.DEFAULTS["html"]}
    chosen = outputs.chosen_by(options, default)
    prepared = outputs.prepare(chosen, (*results, since) if since else results)
    result = judged(read(results))
    if since is not None:
        result = changed_since(read([since]), result)
    return _report_combined(results, result, prepared.write(result), stderr=prepared.on_stdout)


@click.command("combine", epilog="Example: gradproof combine numpy.json torch.json --json all.json")
@click.argument("results", nargs=-1, required=True, metavar="IN.json...", **given("file"))
@click.option("--json", required=True, metavar="OUT.json", help="The file to write.")
@written_options(*SHORTHANDS, outputs.XFAILS, "report")
def combine_command(results: tuple[str, ...], **options: Any) -> int:
    """Combine results files of different cells into one, with reports of all of them.

    A cell that one file judged and another did not run is kept as judged. Two verdicts on one cell contradict
    each other: an error; `gradproof compare` is for two runs of the same cells. `-` is standard input or output.
    """
    # One of the inputs may be the output: what it holds, the union holds too.
    prepared = outputs.prepare(outputs.chosen_by(options), results, replacing=outputs.RESULTS)
    result = judged(read(results))
    return _report_combined(results, result, prepared.write(result), stderr=prepared.on_stdout)


def read(paths: Sequence[str]) -> RunResult:
    """The results files of ``paths`` as one; UsageError for one that is none, or that contradicts another."""
    from gradproof.results import combine, read_results

    found = [read_results(path) for path in paths]
    return found[0] if len(found) == 1 else combine(found)


def judged(result: RunResult) -> RunResult:
    """``result`` with verdicts from its own cells; on the installed claims where it holds none."""
    from gradproof.engine.properties.installed import claims
    from gradproof.results.claims import judge

    return dataclasses.replace(result, claims=judge(result.claims or claims(), result.cells))


def _report_combined(results: Sequence[str], result: RunResult, written: outputs.Written, *, stderr: bool) -> int:
    """Say what was written and what could not be; the exit code."""
    where = f": {', '.join(written.files)}" if written.files else ""
    out = console(stderr=stderr)
    out.print(text(f"{count(len(result.cells), 'cell')} from {count(len(results), 'results file')}{where}"))
    return written.code(codes.OK)
