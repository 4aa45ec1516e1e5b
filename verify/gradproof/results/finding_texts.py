"""Findings in words: what every medium says of one. How it looks, and what is escaped in it, is the medium's own."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any, Final

from gradproof.formats import FORMATS
from gradproof.results.findings import findings
from gradproof.results.formatting import SHOWN, digits, figure, over_bound
from gradproof.results.labels import kernel_origin, with_origin
from gradproof.results.model import SEVERITIES, Advice, Cell, Finding, RunResult, WorstInput
from gradproof.results.model import shown as function_text

BASELINE: Final = {
    "same": "the framework's own function is as far off at these inputs",
    "worse": "the framework's own function does better at these inputs",
    "better": "the framework's own function is further off at these inputs",
}
"""What is said of a finding's ``baseline``."""

FAILING: Final = ("fail", "error")


@dataclass(frozen=True)
class Told:
    """A finding in words; a text is empty where there is nothing to say."""

    finding: Finding
    new: bool
    """Whether a cell of it fails that no deviation explains."""
    subject: str
    """The implementation, with whose it is where the backend's name would mislead."""
    function: str
    place: str
    """``torch:cpu, compiled``."""
    kind: str
    """``bulk, felt in training``."""
    numbers: list[tuple[str, str, str]]
    """Name, decimal and bits of the worst input, of what it gives and of what is due."""
    at: str
    """``f', float32``: of which derivative and format the numbers are."""
    error: str
    regions: list[str]
    simplest: str
    """Another input of the intervals that ``regions`` shows, with the fewest significand bits."""
    probably: str
    explained: str
    baseline: str
    advice: str
    cells: int
    accounts: str
    """``accuracy f64, f32, bf16; taylor f32``: the cells that it accounts for."""
    command: str
    """What shows it again."""


def found_in(result: RunResult) -> list[Finding]:
    """The findings of a results file, from its cells where it was written before there were any."""
    return result.findings or findings(result.cells)


def told(result: RunResult) -> list[Told]:
    """All findings of a results file in words, the one to read first first."""
    failing = [c for c in result.cells if c.status in (*FAILING, "known")]
    by_place: dict[tuple[str, ...], list[Cell]] = {}
    for cell in failing:
        by_place.setdefault((*_subject(cell), cell.id), []).append(cell)
    return [tell(f, [c for name in f.cells for c in by_place.get((*_subject(f), name), [])]) for f in found_in(result)]


def is_of(cell: Cell, finding: Finding) -> bool:
    """Whether a finding accounts for a cell of its own results."""
    return _subject(cell) == _subject(finding) and cell.id in finding.cells


def _subject(of: Cell | Finding) -> tuple[str, str, str, str]:
    return of.implementation, of.backend, of.device, of.mode


def tell(finding: Finding, cells: Sequence[Cell]) -> Told:
    """A finding in words; ``cells`` are those that it accounts for."""
    # What raised or hung gave no result, whose error could be felt or not.
    says = finding.felt if finding.kind != "behaviour" else None
    felt = {True: ", felt in training", False: ", not felt in training", None: ""}[says]
    first = _first(finding, cells)
    certificate = first.certificate if first is not None else None
    guess = certificate is not None and finding.regions and finding.explanation is None and not _systematic(cells)
    explained = ""
    if (why := finding.explanation) is not None:
        explained = f"{why.text} [{why.id}], {figure(100 * why.encloses, 4)} % of what fails"
    worst = finding.worst
    return Told(
        finding=finding,
        new=finding.known_ref is None and (not cells or any(c.status in FAILING for c in cells)),
        subject=with_origin(finding.implementation, kernel_origin(finding.implementation)),
        function=function_text(finding.function, finding.params),
        place=f"{finding.backend}:{finding.device}" + (f", {finding.mode}" if finding.mode != "eager" else ""),
        kind=finding.kind + felt,
        numbers=[] if worst is None else _numbers(worst),
        at="" if worst is None else f"{'f' + chr(39) * worst.order}, {worst.format}",
        error="" if worst is None else _error(worst, finding.magnitude),
        regions=_regions(finding),
        simplest=_simplest(finding, first),
        probably=certificate.cause if certificate is not None and guess else "",
        explained=explained,
        baseline=BASELINE.get(finding.baseline or "", ""),
        advice="; ".join(_advice(a, finding) for a in finding.instead or filter(None, [finding.advice])),
        cells=len(cells),
        accounts=_properties(cells),
        command=_repeated(finding, certificate.reproduce) if certificate is not None else "",
    )


def _simplest(finding: Finding, cell: Cell | None) -> str:
    """The simplest input of a cell's certificate, where it lies in the finding's own intervals.

    A certificate is about the worst input of its cell, which may belong to another finding.
    """
    worst = finding.worst
    simplest = cell.certificate.simplest if cell is not None and cell.certificate is not None else None
    if simplest is None or worst is None or cell is None or simplest.bits == worst.bits:
        return ""
    same = (cell.format, cell.order) == (worst.format, worst.order)
    inside = same and any(_holds(worst.format, region, simplest.bits) for region in _worst_regions(finding)[:SHOWN])
    return f"{simplest.decimal} ({simplest.bits})" if inside else ""


def _worst_regions(finding: Finding) -> list[list[str]]:
    """The intervals of the worst input's format and order, the one that holds it first; none of an unknown format."""
    worst = finding.worst
    if worst is None or worst.format not in FORMATS:
        return []
    regions = finding.regions.get(worst.format, {}).get(str(worst.order), [])
    return sorted(regions, key=lambda region: not _holds(worst.format, region, worst.bits))


def _holds(name: str, region: Sequence[str], bits: str) -> bool:
    """Whether an interval holds an input; a NaN is held by itself."""
    fmt = FORMATS[name]
    low, at, high = (int(text, 16) for text in (region[0], bits, region[1]))
    if any(map(fmt.is_nan, (low, at, high))):
        return low == at
    return fmt.ordinal(low) <= fmt.ordinal(at) <= fmt.ordinal(high)


def _advice(of: Advice, finding: Finding) -> str:
    """``f', bfloat16: 1 at inf, at most 0.3 times the contract's bound``; the formats where the finding has others."""
    formats = [] if set(of.formats) >= set(finding.formats) else of.formats
    about = ", ".join(["f" + "'" * of.order, *formats]) + ": " if of.order is not None else ""
    return f"{about}{of.formula}, at most {figure(of.bound)} times the contract's bound"


def _numbers(worst: WorstInput) -> list[tuple[str, str, str]]:
    named = [("x", worst.bits), ("got", worst.got), ("expected", worst.expected)]
    return [(name, _decimal(worst.format, bits), bits) for name, bits in named if bits is not None]


def _decimal(name: str, bits: str) -> str:
    """A datum as a decimal; as it is where a file says what is none."""
    try:
        return FORMATS[name].decimal(int(bits, 16))
    except (KeyError, ValueError):
        return bits


def _error(worst: WorstInput, magnitude: float | None) -> str:
    enough = digits(magnitude)
    errors = [f"u = {figure(worst.u, enough)}, m = {figure(worst.m, enough)}"] if worst.expected is not None else []
    most = (
        "elsewhere a wrong class" if magnitude is None and worst.u is not None else f"{over_bound(magnitude)} at most"
    )
    return "; ".join([*errors, most])


def _regions(finding: Finding) -> list[str]:
    """The first intervals of the worst input's format and order, and how many more there are."""
    worst, regions = finding.worst, _worst_regions(finding)
    if worst is None or not regions:
        return []
    name = worst.format

    def number(bits: str) -> str:
        return f"{_decimal(name, bits)} ({bits})"

    shown = [number(a) if a == b else f"{number(a)} to {number(b)}" for a, b in regions[:SHOWN]]
    rest = len(regions) - SHOWN
    return shown + ([f"and {rest} more interval{'s' if rest > 1 else ''}"] if rest > 0 else [])


def _systematic(cells: Iterable[Cell]) -> bool:
    return any(c.systematic for cell in cells for c in cell.clusters)


def _repeated(finding: Finding, command: str) -> str:
    """The command of a certificate, at the worst input where one input shows the finding."""
    head, flag, _ = command.rpartition(" --bits ")
    return f"{head}{flag}{finding.worst.bits}" if flag and finding.worst is not None and finding.regions else command


def _first(finding: Finding, cells: Iterable[Cell]) -> Cell | None:
    """The cell whose certificate shows the finding: of its worst input, else the gravest."""
    worst = finding.worst
    certified = [c for c in cells if c.certificate is not None]
    for cell in certified:
        if worst is not None and any(c.worst == worst for c in cell.clusters):
            return cell
    return min(certified, key=gravity, default=None)


def gravity(cell: Cell) -> tuple[int, bool, float]:
    """Sort key, the gravest first: severity, then whether training feels it, then error over bound."""
    severity = SEVERITIES.index(cell.severity) if cell.severity in SEVERITIES else len(SEVERITIES)
    return severity, not cell.felt, -(math.inf if cell.magnitude is None else cell.magnitude)


def _properties(cells: Iterable[Cell]) -> str:
    """``accuracy f64, f32, bf16; taylor f32``."""
    formats: dict[str, dict[str, None]] = {}
    for cell in sorted(cells, key=lambda c: math.inf if c.magnitude is None else -c.magnitude):
        short = FORMATS[cell.format].short if cell.format in FORMATS else cell.format
        formats.setdefault(cell.property, {})[short] = None
    return "; ".join(f"{name} {', '.join(shorts)}" for name, shorts in formats.items())


def known_by(told_ones: Iterable[Told], deviations: dict[str, dict[str, Any]]) -> list[tuple[str, list[Told]]]:
    """What is known, by the title of the deviation that explains it, most cells first."""
    groups: dict[str, list[Told]] = {}
    for one in told_ones:
        if not one.new:
            groups.setdefault(one.finding.known_ref or "", []).append(one)
    titled = [
        (str(deviations.get(ref, {}).get("title") or ref or "without a reference"), g) for ref, g in groups.items()
    ]
    return sorted(titled, key=lambda item: -sum(len(one.finding.cells) for one in item[1]))
