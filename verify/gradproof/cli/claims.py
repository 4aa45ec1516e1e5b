"""``gradproof claims``: the claims in words, and what results files say about each."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Final

import click

from gradproof.cli.completion import given
from gradproof.cli.console import columns, console, count, text
from gradproof.cli.outputs import DEFAULTS, RESULTS
from gradproof.cli.reporting import judged, read
from gradproof.config import NONE, check_known, effective
from gradproof.formats import FORMATS, get_format
from gradproof.results.claims import cells_of, figure_text, in_words, overall
from gradproof.results.formatting import figure
from gradproof.spelling import backend_spelled

if TYPE_CHECKING:
    from rich.console import Console

    from gradproof.results.model import Basis, Cell, Claim, ClaimException, ClaimVerdict, PlaceVerdict, RunResult

Keep = Callable[["PlaceVerdict"], bool]

STYLES: Final[dict[ClaimVerdict, str]] = {
    "holds": "green",
    "holds except": "cyan",
    "does not hold": "bold red",
    "partly checked": "yellow",
    "not checked": "dim",
}
"""Colour by verdict; the word itself always stands beside it."""

WORDS: Final[dict[ClaimVerdict, str]] = {
    "holds": "holds",
    "holds except": "except",
    "does not hold": "no",
    "partly checked": "partly",
    "not checked": "-",
}
"""A verdict in a column of the table."""

LEGEND: Final = (
    "except N: holds but for N cells; N?: N cells undecided; partly: not all of it was judged (N against: all N cells "
    "that were speak against it); --claim ID tells which"
)

FEW: Final = 6
"""Functions that are named one by one; more are counted."""

SHOWN: Final = 12
"""Cells of one exception that are listed with their identifiers; the rest are counted."""


@click.command("claims", epilog="Example: gradproof claims results.json --claim exact-zero --backend torch")
@click.argument("results", nargs=-1, metavar="[RESULTS.json...]", **given("file"))
@click.option("--claim", "ids", multiple=True, metavar="ID", help="Tell all about one claim. Repeatable.")
@click.option(
    "--backend",
    "backends",
    multiple=True,
    metavar="NAME",
    help="Only torch, or torch:cpu. Repeatable.",
    **given("backend"),
)
@click.option(
    "--format", "formats", multiple=True, metavar="FORMAT", help="Only this format. Repeatable.", **given("format")
)
@click.option("--json", "as_json", is_flag=True, help="Print JSON, as the results file holds it.")
def claims_command(
    results: tuple[str, ...],
    ids: tuple[str, ...],
    backends: tuple[str, ...],
    formats: tuple[str, ...],
    as_json: bool,
) -> None:
    """Say which claims hold, by backend and format, and where they do not.

    Reads the results of the last run in this folder (results.json), or the files named. Without any it lists
    the claims, with the question that each answers and the properties that check it. Verdicts follow from the
    cells of the run; nothing is checked again. Exits 0 whatever they are.
    """
    paths = results or _last_run()
    result = judged(read(paths)) if paths else None
    known = _installed() if result is None else result.claims
    for name in ids:
        check_known(name, [c.id for c in known], "claim")
    keep = _filter(result, backends, [get_format(f).name for f in formats])
    chosen = [
        dataclasses.replace(c, verdicts=[v for v in c.verdicts if keep(v)]) for c in known if not ids or c.id in ids
    ]
    if as_json:
        click.echo(json.dumps([dataclasses.asdict(c) for c in chosen], indent=2))
        return
    out = console()
    if result is None:
        _definitions(out, chosen)
    elif ids:
        for number, claim in enumerate(chosen):
            if number:
                out.print()
            _details(out, claim, result)
    else:
        _table(out, chosen)
        _exceptions(out, chosen, result)
        out.print(text((LEGEND, "dim")))
        out.print(text(verdict_counts(chosen)))
        out.print(text((_origin(paths, result), "dim")))


def _origin(paths: Sequence[str], result: RunResult) -> str:
    """``from results.json: 2 functions (relu, silu), profile quick, 2026-11-21T15:12:04+00:00``."""
    functions = list(dict.fromkeys(c.function for c in result.cells))
    named = f" ({', '.join(functions)})" if len(functions) <= FEW else ""
    shards = result.shards or [result.run]
    profiles = list(dict.fromkeys(str(s.settings.get("profile", "?")) for s in shards))
    return (
        f"from {', '.join(paths)}: {count(len(functions), 'function')}{named}, profile {', '.join(profiles)}, "
        f"{max(s.started for s in shards)}"
    )


def verdict_counts(claims: Sequence[Claim]) -> str:
    """``Claims: 2 hold, 9 hold with exceptions, 0 do not hold, 7 not checked``."""
    words = [overall(claim) for claim in claims]
    phrases = {
        "holds": "hold",
        "holds except": "hold with exceptions",
        "does not hold": "do not hold",
        "partly checked": "partly checked",
        "not checked": "not checked",
    }
    always = ("holds", "holds except", "does not hold")
    parts = [f"{words.count(w)} {phrases[w]}" for w in STYLES if w in always or w in words]
    return f"Claims: {', '.join(parts)}"


def _installed() -> list[Claim]:
    from gradproof.engine.properties.installed import claims

    return list(claims())


def _last_run() -> tuple[str, ...]:
    """The results file that a run in this folder writes, where it is there."""
    settings = effective({})
    path = str(settings[RESULTS].value) if RESULTS in settings else DEFAULTS[RESULTS]
    return (path,) if path != NONE and Path(path).is_file() else ()


def _filter(result: RunResult | None, backends: Sequence[str], formats: Sequence[str]) -> Keep:
    """Which verdicts are wanted. UsageError for a backend that the results do not name."""
    if result is not None:
        places = {f"{c.backend}:{c.device}": None for c in result.cells}
        known = [*dict.fromkeys(p.partition(":")[0] for p in places), *places]
        backends = [backend_spelled(name, known) for name in backends]
        for name in backends:
            check_known(name, known, "backend", " in these results")
    return lambda v: (
        (not formats or v.format in formats) and (not backends or v.backend in backends or _place(v) in backends)
    )


def _place(verdict: PlaceVerdict) -> str:
    return f"{verdict.backend}:{verdict.device}"


def _short(name: str) -> str:
    return FORMATS[name].short if name in FORMATS else name


def _definitions(out: Console, claims: Sequence[Claim]) -> None:
    for claim in claims:
        out.print(text((claim.id, "bold"), f"  {claim.question}"))
        out.print(text(f"  {claim.statement}"))
        out.print(text(("  checked by ", "dim"), "; ".join(_basis(b) for b in claim.rests_on)))
        out.print()
    out.print(text("No results here: `gradproof run` gives the verdicts, and `gradproof claims FILE` reads a file's."))


def _basis(basis: Basis) -> str:
    """``accuracy, order 1 and 2, of relu, abs``."""
    orders = f", order {' and '.join(map(str, basis.orders))}" if basis.orders else ""
    functions = f", of {', '.join(basis.functions)}" if basis.functions else ""
    return f"{basis.property}{orders}{functions}"


def _table(out: Console, claims: Sequence[Claim]) -> None:
    """One line per claim and place, a column per format; places where nothing was checked come as one line each."""
    verdicts = [v for c in claims for v in c.verdicts]
    checked = [v for v in verdicts if v.verdict != "not checked"]
    names = {v.format for v in checked}
    formats = [*(f for f in FORMATS if f in names), *sorted(names - set(FORMATS))]
    rows = []
    for claim in claims:
        lines = _lines(claim, formats)
        for number, (place, words) in enumerate(lines):
            rows.append([claim.id if number == 0 else "", place, *words])
        if not lines:
            rows.append([claim.id, "not checked", *("-" for _ in formats)])
    columns(out, ["claim", "place", *map(_short, formats)], rows)
    out.print()
    absent = dict.fromkeys(_place(v) for v in verdicts if _place(v) not in {_place(v) for v in checked})
    for place in absent:
        why = next((u.reason for v in verdicts if _place(v) == place for u in v.unjudged if u.cells), "")
        out.print(text(f"{place}: nothing was checked: {why}"))
    if absent:
        out.print()


def _lines(claim: Claim, formats: Sequence[str]) -> list[tuple[str, list[str]]]:
    """Place (with the mode where modes differ) and one word per format, of places where something was checked."""
    rows: dict[str, dict[str, str]] = {}
    split = {_place(v) for v in claim.verdicts for w in claim.verdicts if _twins(v, w)}
    for v in claim.verdicts:
        if v.verdict != "not checked":
            name = f"{_place(v)} {'/'.join(v.modes)}" if _place(v) in split else _place(v)
            rows.setdefault(name, {})[v.format] = _word(v)
    return [(name, [words.get(f, "-") for f in formats]) for name, words in rows.items()]


def _twins(one: PlaceVerdict, other: PlaceVerdict) -> bool:
    """Whether two verdicts differ in nothing but the mode."""
    return one is not other and (_place(one), one.format) == (_place(other), other.format)


def _word(verdict: PlaceVerdict) -> str:
    """``except 4``, ``holds, 2?``: a verdict in one column; a question mark counts the undecided."""
    against = sum(e.cells for e in verdict.exceptions)
    word = WORDS[verdict.verdict] + (f" {against}" if verdict.verdict == "holds except" else "")
    if verdict.verdict == "partly checked" and against:
        word += f", {against} against"
    undecided = verdict.counts.get("undecided")
    return f"{word}, {undecided}?" if undecided else word


def _exceptions(out: Console, claims: Sequence[Claim], result: RunResult) -> None:
    """New failures by claim, place and format, then each deviation once, with the claims that it concerns."""
    fresh: list[str] = []
    known: dict[tuple[str, str], dict[str, None]] = {}
    for claim in claims:
        for verdict in claim.verdicts:
            for exception in verdict.exceptions:
                if exception.status == "known":
                    known.setdefault((_place(verdict), exception.deviation), {})[claim.id] = None
                else:
                    where = f"{claim.id} on {_place(verdict)} in {_short(verdict.format)}"
                    fresh.append(f"{where}: {_exception_text(exception, result)}")
    if fresh:
        out.print(text(("New failures", "bold red")))
        for line in fresh:
            out.print(text(f"  {line}"))
        out.print()
    if known:
        out.print(text(("Known deviations", "bold")))
        for (place, name), concerned in sorted(known.items(), key=lambda item: item[0][0]):
            out.print(text(f"  {place}: {_title(name, result)}", (f"  [{', '.join(concerned)}]", "dim")))
        out.print()


def _title(deviation: str, result: RunResult) -> str:
    return str(result.deviations.get(deviation, {}).get("title", deviation))


def _exception_text(exception: ClaimException, result: RunResult) -> str:
    """``3 cells, known, silu is flushed to 0 (accuracy of silu order 0/1)``."""
    cases = ", ".join(f"{name} order {'/'.join(map(str, orders))}" for name, orders in exception.cases.items())
    what = {"known": f"known, {_title(exception.deviation, result)}", "fail": "new failure", "error": "error"}
    return f"{count(exception.cells, 'cell')}, {what[exception.status]} ({exception.property} of {cases})"


def _details(out: Console, claim: Claim, result: RunResult) -> None:
    word = overall(claim)
    out.print(text((claim.id, "bold"), "  ", (word, STYLES[word])))
    out.print(text(claim.question))
    out.print(text(claim.statement))
    out.print(text(("source      ", "dim"), claim.source))
    out.print(text(("checked by  ", "dim"), "; ".join(_basis(b) for b in claim.rests_on)))
    if not claim.verdicts:
        out.print(text("these results hold no cell of it"))
    for v in claim.verdicts:
        modes = "" if v.modes == ["eager"] else f" {'/'.join(v.modes)}"
        out.print()
        tried = f" ({count(v.points, 'input')} tried)" if v.points else ""
        out.print(text((f"{_place(v)}{modes} {v.format}: ", "bold"), (in_words(v), STYLES[v.verdict]), tried))
        for label, value in v.figures.items():
            out.print(text((f"  {label}: ", "dim"), figure_text(value)))
        for u in v.unjudged:
            out.print(text(f"  {count(u.cells, 'cell')} of {u.property} {u.status.replace('-', ' ')}: {u.reason}"))
        for e in v.exceptions:
            out.print(text(f"  {_exception_text(e, result)}"))
            _cells(out, cells_of(claim, v, result.cells, e))


def _cells(out: Console, cells: Sequence[Cell]) -> None:
    for cell in cells[:SHOWN]:
        size = "" if cell.status == "error" else f"  {figure(cell.magnitude)} times the bound"
        out.print(text(f"    {cell.id}{size}"))
        if cell.certificate is not None and cell.certificate.reproduce:
            out.print(text((f"      {cell.certificate.reproduce}", "dim")))
    if len(cells) > SHOWN:
        out.print(text(f"    ... and {len(cells) - SHOWN} more; see the results file or the report"))
