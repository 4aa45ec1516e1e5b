"""Findings for the eye: what is wrong in a sentence, the worst input, what it accounts for, how to see it again."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING

from gradproof.cli.console import count, text
from gradproof.cli.failures import gravity, print_row
from gradproof.cli.operations import show_trace
from gradproof.formats import FORMATS
from gradproof.results.formatting import SHOWN, digits, figure, over_bound
from gradproof.results.labels import kernel_origin, with_origin
from gradproof.results.model import shown as function_text

if TYPE_CHECKING:
    from rich.console import Console

    from gradproof.results.model import Cell, Finding, WorstInput

BASELINE = {
    "same": "the framework's own function is as far off at these inputs",
    "worse": "the framework's own function does better at these inputs",
    "better": "the framework's own function is further off at these inputs",
}
"""What is said of a finding's ``baseline``."""


def show_finding(out: Console, finding: Finding, cells: Sequence[Cell], *, operations: bool = False) -> None:
    """A finding of ``cells``, those of the results that it is from; with the table of its trace if asked."""
    mine = [c for c in cells if _is_of(c, finding)]
    felt = {True: ", felt in training", False: ", not felt in training", None: ""}[finding.felt]
    place = f"{finding.backend}:{finding.device}" + (f", {finding.mode}" if finding.mode != "eager" else "")
    function = function_text(finding.function, finding.params)
    subject = with_origin(finding.implementation, kernel_origin(finding.implementation))
    out.print(text((subject, "bold"), f" as {function} on {place}  ", (finding.kind + felt, "red")))
    print_row(out, "what", finding.text)
    first = _first(finding, mine)
    if finding.worst is not None:
        _worst(out, finding.worst, finding.magnitude)
    certificate = first.certificate if first is not None else None
    for number, region in enumerate(_regions(finding)):
        print_row(out, "" if number else "region", region)
    simplest = certificate.simplest if certificate is not None else None
    if simplest is not None and finding.worst is not None and simplest.bits != finding.worst.bits:
        print_row(out, "simplest", f"{simplest.decimal} ({simplest.bits})")
    if certificate is not None and finding.regions and finding.explanation is None and not _systematic(mine):
        print_row(out, "probably", certificate.cause)
    if finding.explanation is not None:
        share = figure(100 * finding.explanation.encloses, 4)
        print_row(out, "explained", f"{finding.explanation.text} [{finding.explanation.id}], {share} % of what fails")
    if finding.trace:
        show_trace(out, finding.trace, table=operations)
    if finding.baseline is not None:
        print_row(out, "baseline", BASELINE[finding.baseline])
    if finding.advice is not None:
        print_row(
            out,
            "instead",
            f"{finding.advice.formula}, at most {figure(finding.advice.bound)} times the contract's bound",
        )
    print_row(out, "cells", f"{count(len(mine), 'cell')}: {_properties(mine)}")
    if certificate is not None:
        print_row(out, "repeat", _repeated(finding, certificate.reproduce))


def _regions(finding: Finding) -> list[str]:
    """The intervals of the worst input's format and order, the one that holds it first."""
    worst = finding.worst
    regions = finding.regions.get(worst.format, {}).get(str(worst.order), []) if worst is not None else []
    if worst is None or not regions:
        return []
    fmt = FORMATS[worst.format]

    def number(bits: str) -> str:
        return f"{fmt.decimal(int(bits, 16))} ({bits})"

    def holds(region: Sequence[str]) -> bool:
        low, at, high = (int(bits, 16) for bits in (region[0], worst.bits, region[1]))
        if any(map(fmt.is_nan, (low, at, high))):
            return region[0] == worst.bits
        return fmt.ordinal(low) <= fmt.ordinal(at) <= fmt.ordinal(high)

    ordered = sorted(regions, key=lambda region: not holds(region))
    shown = [number(a) if a == b else f"{number(a)} to {number(b)}" for a, b in ordered[:SHOWN]]
    return shown + ([f"and {count(len(regions) - SHOWN, 'more interval')}"] if len(regions) > SHOWN else [])


def _systematic(cells: Iterable[Cell]) -> bool:
    return any(c.systematic for cell in cells for c in cell.clusters)


def _repeated(finding: Finding, command: str) -> str:
    """The command of a certificate, at the worst input where one input shows the finding."""
    head, flag, _ = command.rpartition(" --bits ")
    return f"{head}{flag}{finding.worst.bits}" if flag and finding.worst is not None and finding.regions else command


def _is_of(cell: Cell, finding: Finding) -> bool:
    same = (cell.implementation, cell.mode) == (finding.implementation, finding.mode)
    return same and (cell.backend, cell.device) == (finding.backend, finding.device) and cell.id in finding.cells


def _first(finding: Finding, cells: Iterable[Cell]) -> Cell | None:
    """The cell whose certificate shows the finding: of its worst input, else the gravest."""
    worst = finding.worst
    certified = [c for c in cells if c.certificate is not None]
    for cell in certified:
        if worst is not None and any(c.worst == worst for c in cell.clusters):
            return cell
    return min(certified, key=gravity, default=None)


def _worst(out: Console, worst: WorstInput, magnitude: float | None) -> None:
    fmt = FORMATS[worst.format]
    order = "f" + "'" * worst.order
    shown = [("x", worst.bits), ("got", worst.got), ("expected", worst.expected)]
    decimals = [(name, fmt.decimal(int(bits, 16)), bits) for name, bits in shown if bits is not None]
    width = max(len(decimal) for _, decimal, _ in decimals)
    for name, decimal, bits in decimals:
        where = f"  {order}, {worst.format}" if name == "x" else ""
        out.print(text((f"  {name:<9} ", "dim"), f"{decimal:<{width}}  {bits}{where}"))
    enough = digits(magnitude)
    errors = [f"u = {figure(worst.u, enough)}, m = {figure(worst.m, enough)}"] if worst.expected is not None else []
    most = (
        "elsewhere a wrong class" if magnitude is None and worst.u is not None else f"{over_bound(magnitude)} at most"
    )
    print_row(out, "error", "; ".join([*errors, most]))


def _properties(cells: Iterable[Cell]) -> str:
    """``accuracy f64, f32, bf16; taylor f32``."""
    formats: dict[str, dict[str, None]] = {}
    for cell in sorted(cells, key=lambda c: math.inf if c.magnitude is None else -c.magnitude):
        short = FORMATS[cell.format].short if cell.format in FORMATS else cell.format
        formats.setdefault(cell.property, {})[short] = None
    return "; ".join(f"{name} {', '.join(shorts)}" for name, shorts in formats.items())
