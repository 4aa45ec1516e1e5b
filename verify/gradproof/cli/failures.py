"""Failing cells for the eye: sorted by gravity, grouped by what they share, each with its certificate."""

from __future__ import annotations

import math
from collections.abc import Iterable
from typing import TYPE_CHECKING, Final

from gradproof.cli.console import STYLES, count, text
from gradproof.formats import FORMATS
from gradproof.results.formatting import SHOWN, digits, figure, in_order, over_bound
from gradproof.results.labels import kernel_origin, with_origin
from gradproof.results.model import SEVERITIES, exact_params

if TYPE_CHECKING:
    from rich.console import Console

    from gradproof.results.model import Cell, Certificate, Interval, Number, RunResult

FAILING: Final = ("fail", "error")


def gravity(cell: Cell) -> tuple[int, bool, float]:
    """Sort key, the gravest first: severity, then whether training feels it, then error over bound."""
    severity = SEVERITIES.index(cell.severity) if cell.severity in SEVERITIES else len(SEVERITIES)
    return severity, not cell.felt, -(math.inf if cell.magnitude is None else cell.magnitude)


def failing(result: RunResult) -> list[Cell]:
    """The new failures of a result, the gravest first."""
    return sorted((c for c in result.cells if c.status in FAILING), key=gravity)


def grouped(cells: Iterable[Cell]) -> list[list[Cell]]:
    """Cells of one implementation, order and cause together, so that one mistake is told once."""
    groups: dict[tuple[object, ...], list[Cell]] = {}
    for cell in cells:
        cause = cell.certificate.cause if cell.certificate else cell.reason
        params = exact_params(cell.params)
        place = (cell.backend, cell.device, cell.mode, cell.order)
        groups.setdefault((cell.function, params, cell.implementation, *place, cause), []).append(cell)
    return list(groups.values())


def show(out: Console, group: list[Cell]) -> None:
    """The first cell of a group with its certificate, and where else the same shows."""
    cell = group[0]
    felt = {True: ", felt in training", False: ", not felt in training", None: ""}[cell.felt]
    out.print(text((cell.id, "bold"), "  ", (f"{cell.severity or cell.status}{felt}", STYLES[cell.status])))
    _row(out, "of", with_origin(cell.implementation, kernel_origin(cell.implementation)))
    if cell.certificate is None:
        _row(out, "what", cell.reason)
    else:
        _certificate(out, cell, cell.certificate)
    if len(group) > 1:
        _row(out, "also", f"{count(len(group) - 1, 'more cell')}: {_others(group[1:])}")
    if cell.certificate is not None:
        _row(out, "repeat", cell.certificate.reproduce)


def _row(out: Console, name: str, value: str) -> None:
    out.print(text((f"  {name:<9} ", "dim"), " ".join(value.split())))


def _certificate(out: Console, cell: Cell, found: Certificate) -> None:
    numbers = [("x", found.input), ("got", found.got), ("expected", found.expected)]
    width = max((len(n.decimal) for _, n in numbers if n is not None), default=0)
    for name, number in numbers:
        if number is not None:
            out.print(text((f"  {name:<9} ", "dim"), f"{number.decimal:<{width}}  {number.bits}"))
    if found.input is not None:
        enough = digits(found.magnitude)
        parts = [f"u = {figure(found.u, enough)}, m = {figure(found.m, enough)}"] if found.expected is not None else []
        parts.append(f"{over_bound(found.magnitude)} of {cell.contract!r}")
        _row(out, "error", ", ".join(parts))
    for place, interval in enumerate(in_order(found.region, found.input)[:SHOWN]):
        _row(out, "" if place else "region", interval_text(interval))
    if len(found.region) > SHOWN:
        _row(out, "", f"and {count(len(found.region) - SHOWN, 'more interval')}")
    if found.simplest is not None and found.input is not None and found.simplest.bits != found.input.bits:
        _row(out, "simplest", number_text(found.simplest))
    shown = f": {found.explanation}" if found.explanation else ""
    _row(out, "cause", f"{found.cause}{shown}")


def number_text(number: Number) -> str:
    """``-5.5 (0xc0b0)``."""
    return f"{number.decimal} ({number.bits})"


def interval_text(interval: Interval) -> str:
    """``-6.0 (0xc0c0) to -5.5 (0xc0b0): 17 of 17 inputs fail``."""
    ends = number_text(interval.lo)
    if interval.hi.bits != interval.lo.bits:
        ends += f" to {number_text(interval.hi)}"
    if not interval.tried:
        return f"{ends}: {count(interval.failing, 'input')} failed"
    kind = "inputs" if interval.exhaustive else "tried inputs"
    return f"{ends}: {interval.failing} of {interval.tried} {kind} fail"


def _others(cells: Iterable[Cell]) -> str:
    """``accuracy f64, f16; taylor f32``."""
    formats: dict[str, list[str]] = {}
    for cell in cells:
        short = FORMATS[cell.format].short if cell.format in FORMATS else cell.format
        formats.setdefault(cell.property, []).append(short)
    return "; ".join(f"{name} {', '.join(shorts)}" for name, shorts in formats.items())
