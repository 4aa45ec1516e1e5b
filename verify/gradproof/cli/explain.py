"""``gradproof explain``: what is wrong with one implementation, once for each fault, and nothing else."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from gradproof.cli import codes, outputs
from gradproof.cli.completion import given
from gradproof.cli.options import given_options, judging_options, selection, written_options
from gradproof.config import effective
from gradproof.errors import UsageError
from gradproof.files.destinations import STDOUT

if TYPE_CHECKING:
    from collections.abc import Sequence

    from gradproof.cli.json_lines import JsonLines
    from gradproof.results.model import Finding, RunResult


@click.command("explain", epilog="Example: gradproof explain silu --backend torch --format bfloat16")
@click.argument("subject", metavar="FILE.py|FUNCTION|RESULTS.json", **given("function", files=True))
@click.option(
    "--bits", metavar="0x...", help="Only findings whose intervals hold this input; with one --format its operations."
)
@judging_options
@written_options(outputs.LINES)
def explain_command(subject: str, bits: str | None, **options: Any) -> int:
    """Say what is wrong with FILE.py's implementations, or with the frameworks' own FUNCTION, fault by fault.

    Known deviations are told as well, with their reasons. A results file is read, not run again; `-` is one on
    standard input. The profile is quick unless another is named. Of FILE.py's implementations the operations at the
    worst input are shown, or at --bits, where one --format is named beside it.

    Exits 0 when there is no new finding, 1 when there is one, else like `gradproof run`.
    """
    prepared = outputs.prepare(outputs.chosen_by(options), (subject,))
    with prepared.stdout_kept(), prepared.lines("explain") as lines:
        return _explain(subject, bits, options, lines)


def _explain(subject: str, bits: str | None, options: dict[str, Any], lines: JsonLines) -> int:
    reads = subject.endswith(".json") or subject == STDOUT
    result, code = _read(subject) if reads else _judged(subject, options)

    from gradproof.cli.console import console, count, text
    from gradproof.cli.findings import show_finding
    from gradproof.results.finding_texts import found_in

    found = found_in(result)
    if bits is not None:
        found = [f for f in found if _holds(f, _pattern(bits))]
    lines.findings(found)
    lines.end(code)
    out = console()
    for finding in found:
        show_finding(out, finding, result.cells, operations=True)
        if finding.known_ref is not None:
            _known(out, result, finding.known_ref)
        out.print()
    if bits is not None and subject.endswith(".py") and len(options["format"] or ()) == 1:
        from gradproof.cli.input_trace import show_input

        show_input(out, subject, bits, options)
    judged = sum(n for status, n in result.counts().items() if status in ("pass", "fail", "known", "error"))
    out.print(text(f"{count(len(found), 'finding')}, from {count(judged, 'judged cell')}"))
    return code


def _read(path: str) -> tuple[RunResult, int]:
    from gradproof.results import read_results

    result = read_results(path)
    failed = result.counts()["fail"] + result.counts()["error"]
    return result, codes.FAILED if failed else codes.OK


def _judged(subject: str, options: dict[str, Any]) -> tuple[RunResult, int]:
    """The results of a run over a file's implementations, or a catalogued function."""
    from gradproof.engine.running.run import exit_code, run

    given = given_options(options)
    if not given.get("profile"):
        given["profile"] = "quick"
    files = (subject,) if subject.endswith(".py") or Path(subject).is_file() else ()
    if not files:
        if given.get("function"):
            raise UsageError(f"expected one function, got {subject!r} and --function {given['function'][0]}")
        given["function"] = (subject,)
    result = run(selection(effective(given), files))
    return result, exit_code(result)


def _pattern(text: str) -> int:
    try:
        return int(text, 16)
    except ValueError:
        raise UsageError(f"expected bits such as 0xc2b0, got {text!r}") from None


def _holds(finding: Finding, pattern: int) -> bool:
    from gradproof.formats import FORMATS

    def inside(name: str, region: Sequence[str]) -> bool:
        fmt = FORMATS[name]
        ends = [int(end, 16) for end in region]
        if pattern >> fmt.width or any(map(fmt.is_nan, (*ends, pattern))):
            return pattern in ends
        return fmt.ordinal(ends[0]) <= fmt.ordinal(pattern) <= fmt.ordinal(ends[1])

    return any(
        inside(name, region) for name, orders in finding.regions.items() for r in orders.values() for region in r
    )


def _known(out: Any, result: RunResult, name: str) -> None:
    from gradproof.cli.failures import print_row

    about = result.deviations.get(name, {})
    upstream = f" ({', '.join(about['upstream'])})" if about.get("upstream") else ""
    print_row(out, "known", f"{about.get('title', name)}{upstream}: {about.get('reason', '')}".rstrip(": "))
