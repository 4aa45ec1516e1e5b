"""Failing cells for the eye: sorted by gravity, grouped by what they share, each with its certificate."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from gradproof.cli.console import STYLES, count, text
from gradproof.results.finding_texts import FAILING, gravity
from gradproof.results.formatting import SHOWN, digits, figure, in_order, over_bound
from gradproof.results.labels import kernel_origin, with_origin

if TYPE_CHECKING:
    from rich.console import Console

    from gradproof.results.model import Cell, Certificate, Interval, Number, RunResult


COMMAND: Final = "repeat"
"""The row that holds a command."""
HANG: Final = 12
"""Columns before what a row says."""


def failing(result: RunResult) -> list[Cell]:
    """The new failures of a result, the gravest first."""
    return sorted((c for c in result.cells if c.status in FAILING), key=gravity)


def show(out: Console, cell: Cell) -> None:
    """A failing cell with its certificate."""
    felt = {True: ", felt in training", False: ", not felt in training", None: ""}[cell.felt]
    out.print(text((cell.id, "bold"), "  ", (f"{cell.severity or cell.status}{felt}", STYLES[cell.status])))
    print_row(out, "of", with_origin(cell.implementation, kernel_origin(cell.implementation)))
    if cell.certificate is None:
        print_row(out, "what", cell.reason)
    else:
        _certificate(out, cell, cell.certificate)
    if cell.certificate is not None:
        print_row(out, COMMAND, cell.certificate.reproduce)


def print_row(out: Console, name: str, value: str) -> None:
    """What is known of a failure, under its heading; a command to be copied is broken as a shell takes it."""
    from gradproof.cli.folding_console import Hanging

    command = name == COMMAND
    line = text((f"  {name:<9} ", "dim"), value if command else " ".join(value.split()))
    out.print(Hanging(line, HANG, shell=command))


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
        print_row(out, "error", ", ".join(parts))
    for place, interval in enumerate(in_order(found.region, found.input)[:SHOWN]):
        print_row(out, "" if place else "region", interval_text(interval))
    if len(found.region) > SHOWN:
        print_row(out, "", f"and {count(len(found.region) - SHOWN, 'more interval')}")
    if found.simplest is not None and found.input is not None and found.simplest.bits != found.input.bits:
        print_row(out, "simplest", number_text(found.simplest))
    shown = f": {found.explanation}" if found.explanation else ""
    print_row(out, "cause", f"{found.cause}{shown}")


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
