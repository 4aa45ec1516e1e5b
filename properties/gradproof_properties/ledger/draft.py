"""Draft deviations from what is new in a results file: ``python -m gradproof_properties.ledger.draft RESULTS.json``.

Prints a ledger file for each framework: a ``[[deviation]]`` for the findings of each function and kind that formulas
explain, and comments about those that none does. A draft is for a person to decide on: whether it is a fault, whose,
and where it was reported. A deviation says *known*, not *right*; its title and reason are left to be written.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

from gradproof.extend import Cell, Ledger, RunResult, UsageError, exit_codes, finding_texts, read_results, visible
from gradproof_properties.ledger import directory


@dataclass(frozen=True)
class Proposal:
    """One deviation to decide on: the findings of one function and kind that the same formulas explain."""

    id: str
    findings: tuple[str, ...]
    """Each in a sentence, with its worst input."""
    formulas: tuple[str, ...]
    modes: tuple[str, ...]
    """Empty where every mode of the run shows it; so are ``formats``."""
    formats: tuple[str, ...]

    def lines(self, listed: Iterable[str]) -> Iterator[str]:
        """The table as TOML; ``listed`` are deviations of the ledger that name the function already."""
        for other in listed:
            yield f"# {other} is about this function too"
        yield "[[deviation]]"
        yield f"id = {_quoted(self.id)}"
        yield f"title = {_quoted('TODO: ' + self.findings[0].partition('; worst')[0])}"
        yield f"reason = {_quoted('TODO: why. Seen: ' + '. '.join(self.findings))}"
        for name in ("formulas", "modes", "formats"):
            if values := getattr(self, name):
                yield f"{name} = [{', '.join(map(_quoted, values))}]"


def proposals(result: RunResult, backend: str) -> list[Proposal]:
    """What ``result`` has of a backend (its name) that is new and explained by formulas of the function itself."""
    groups: dict[tuple[str, str], list[tuple[finding_texts.Told, list[Cell], set[str]]]] = {}
    for told, cells, formulas in _new(result, backend):
        if formulas:
            groups.setdefault((told.finding.function, told.finding.kind), []).append((told, cells, formulas))
    covered = [c for c in result.cells if c.backend == backend and c.status not in ("not-run", "unsupported")]
    found = []
    for (function, kind), rows in groups.items():
        mine = [c for c in covered if c.function == function]
        cells = [c for _, some, _ in rows for c in some]
        found.append(
            Proposal(
                f"{backend}-{function}-{kind}".replace("_", "-"),
                tuple(dict.fromkeys(_sentence(told) for told, *_ in rows)),
                tuple(sorted({f for _, _, formulas in rows for f in formulas})),
                _narrowed([c.mode for c in cells], [c.mode for c in mine]),
                _narrowed([c.format for c in cells], [c.format for c in mine]),
            )
        )
    return found


def unexplained(result: RunResult, backend: str) -> list[finding_texts.Told]:
    """What ``result`` has of a backend that is new and not explained by a formula."""
    return [told for told, _, formulas in _new(result, backend) if not formulas]


def document(result: RunResult, backend: str, ledger: Ledger) -> str:
    """The draft of a ledger file for one backend, by its name."""
    table = next(row for name, row in result.run.backends.items() if name.partition(":")[0] == backend)
    version = str(table.get("versions", {}).get(backend, "")).partition("+")[0]
    lines = [
        f"backend = {_quoted(backend)}",
        f"versions = {_quoted(f'>={version}' if version else '')}",
        f"recorded = {_quoted(version)}",
        f"hardware = [{_quoted(str(table.get('hardware', '')))}]",
    ]
    for proposal in proposals(result, backend):
        function = proposal.formulas[0].partition("/")[0]
        about = [d.id for d in ledger.deviations.values() if d.backend == backend and function in d.about]
        lines += ["", *proposal.lines(about)]
    for told in unexplained(result, backend):
        lines += ["", *(f"# {visible(line)}" for line in _comments(told))]
    return "\n".join(lines) + "\n"


def backends(result: RunResult) -> list[str]:
    """The names of the backends whose own functions have something new."""
    return list(dict.fromkeys(t.finding.backend for t in finding_texts.told(result) if t.new and _framework(t)))


def _new(result: RunResult, backend: str) -> Iterator[tuple[finding_texts.Told, list[Cell], set[str]]]:
    """The new findings of a backend's own functions, their failing cells, and the formulas that explain them."""
    for told in finding_texts.told(result):
        finding = told.finding
        if not told.new or finding.backend != backend or not _framework(told):
            continue
        cells = [c for c in result.cells if finding_texts.is_of(c, finding) and c.status == "fail"]
        way = "/".join(finding.explanation.id.split("/")[:2]) if finding.explanation else ""
        every = {e.id for c in cells for cluster in c.clusters for e in cluster.explanations}
        own = way.partition("/")[0] == finding.function and "/" in way
        yield told, cells, {name for name in every if own and name.rpartition("/")[0] == way}


def _framework(told: finding_texts.Told) -> bool:
    """Whether it is a framework's function: a user's is named by its file, ``file:callable``."""
    return ":" not in told.finding.implementation


def _narrowed(some: Iterable[str], every: Iterable[str]) -> tuple[str, ...]:
    """What is left to name: nothing where it is all there is."""
    found = tuple(dict.fromkeys(some))
    return () if set(found) == set(every) else found


def _sentence(told: finding_texts.Told) -> str:
    numbers = ", ".join(f"{name} = {decimal}" for name, decimal, _ in told.numbers)
    return told.finding.text + (f"; worst ({told.at}): {numbers}" if numbers else "")


def _comments(told: finding_texts.Told) -> Iterator[str]:
    yield f"not explained: {told.function}, {told.place}: {told.kind}: {_sentence(told)}"
    if told.regions:
        yield f"  {told.at}: {', '.join(told.regions)}"
    if told.explained:
        yield f"  {told.explained}"
    if told.command:
        yield f"  {told.command}"


def _quoted(text: str) -> str:
    """A basic string of TOML."""
    return json.dumps(" ".join(text.split()), ensure_ascii=False).replace("\x7f", "\\u007f")


def main(arguments: Sequence[str] | None = None) -> int:
    """Print the drafts; the exit code."""
    parser = argparse.ArgumentParser(prog="python -m gradproof_properties.ledger.draft", description=__doc__)
    parser.add_argument("results", metavar="RESULTS.json", help="what `gradproof run --json` wrote; - is stdin")
    asked = parser.parse_args(arguments)
    try:
        result, ledger = read_results(asked.results), Ledger.read([directory()])
    except UsageError as fault:
        sys.stderr.write(f"error: {fault}\n")
        return exit_codes.USAGE
    drafts = [f"# {name}.toml\n{document(result, name, ledger)}" for name in backends(result)]
    sys.stdout.write("\n".join(drafts or ["# nothing is new\n"]))
    return exit_codes.OK


if __name__ == "__main__":
    raise SystemExit(main())
