"""A verdict in words: short enough for a terminal, complete enough to act on."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from gradproof.errors import Fault
from gradproof.results.formatting import SHOWN, digits, figure, in_order, over_bound
from gradproof.results.model import Cell, Certificate, Interval, LedgerState, Number, shown
from gradproof.text import visible


def failure(cell: Cell, states: Sequence[LedgerState] = ()) -> str:
    """What a failing cell says; its first line is what pytest's short summary shows.

    ``states`` are those of the deviations that were declared for it, and that do not excuse it.
    """
    if cell.status == "error":
        return _message(cell.reason, _about(cell) + _fault(cell))
    rows = _about(cell)
    if cell.certificate is not None:
        rows += _certificate(cell.certificate)
    if cell.felt is not None:
        felt = "yes, it breaks the training contract too" if cell.felt else "no, within the training contract"
        rows.append(("felt", felt))
    rows += [("known", _exceeded(cell, state)) for state in states if state.state == "grown"]
    if cell.measured.get("replayed"):
        rows.append(("corpus", _replayed(cell.measured["replayed"])))
    if cell.certificate is not None:
        rows.append(("reproduce", cell.certificate.reproduce))
    return _message(cell.reason or "failed", rows)


def undecided(cell: Cell) -> str:
    """What an undecided cell says where that counts as a failure."""
    advice = (
        "a function of your own needs limits= for its values at the infinities; gradproof_undecided = skip "
        "or pass lets such cells through"
    )
    return _message(f"undecided: {cell.reason}", [*_about(cell), ("advice", advice)])


def missing(cell: Cell, reason: str) -> str:
    """What the cell of a backend says that was demanded and is not here, or that lacks a mode's compiler."""
    name = f"{cell.backend}:{cell.device}"
    what = "it" if cell.mode == "eager" else f"the mode {cell.mode}"
    return f"--gradproof-require-backend: {name} is required, but {what} cannot run here: {reason}"


def _exceeded(cell: Cell, state: LedgerState) -> str:
    declared = state.deviation.removeprefix(f"{cell.implementation}: {cell.property}: ")
    return f"no longer as declared: {state.detail} ({declared})"


def _replayed(words: dict[str, Any]) -> str:
    return f"of the inputs that failed before, {len(words['failing'])} of {words['inputs']} fail again"


def _about(cell: Cell) -> list[tuple[str, str]]:
    function = shown(cell.function, cell.params)
    what = ("the value", "the first derivative", "the second derivative")[cell.order]
    evidence = {
        "exhaustive": f"; every input tried ({cell.evidence.n})",
        "sampled": f"; {cell.evidence.n} inputs tried",
    }.get(cell.evidence.kind, "")
    claim = f"{cell.property} of {function}, {what} in {cell.format}; contract {cell.contract}{evidence}"
    return [
        ("claim", claim),
        ("by", f"{cell.implementation} on {cell.backend}:{cell.device}, {cell.mode}"),
    ]


def _fault(cell: Cell) -> list[tuple[str, str]]:
    kind = str(cell.measured.get("fault", "fault"))
    if kind == Fault.INTERNAL:
        kind = "internal: a fault of the check, not of the implementation; please report it"
    rows = [("fault", kind)]
    if "line" in cell.measured:
        rows.append(("at", str(cell.measured["line"])))
    if cell.certificate is not None:
        rows.append(("reproduce", cell.certificate.reproduce))
    return rows


def _certificate(found: Certificate) -> list[tuple[str, str]]:
    named = [("input", found.input), ("got", found.got), ("expected", found.expected)]
    if found.simplest != found.input:
        named.append(("simplest", found.simplest))
    numbers = _aligned([(label, value) for label, value in named if value is not None])
    simplest = [numbers.pop()] if numbers and numbers[-1][0] == "simplest" else []
    rows = numbers
    if found.enclosure is not None:
        rows.append(("truth", _truth(found)))
    if found.input is not None:
        rows.append(("error", _error(found)))
    for n, interval in enumerate(in_order(found.region, found.input)[:SHOWN]):
        rows.append(("region" if n == 0 else "", _interval(interval)))
    if len(found.region) > SHOWN:
        rows.append(("", f"and {len(found.region) - SHOWN} more"))
    rows += simplest
    rows.append(("cause", f"probably {found.cause}"))
    return rows


def _truth(found: Certificate) -> str:
    assert found.enclosure is not None
    low, high, how = found.enclosure.lower, found.enclosure.upper, found.enclosure.certified
    interval = low if low == high else f"[{low}, {high}]"
    precision = "" if how == "exact" else f", {found.enclosure.precision} bits"
    return f"{interval} ({how}{precision})"


def _error(found: Certificate) -> str:
    if found.u is None:
        words = "of class (NaN, infinity or sign)" if found.magnitude is None else ""
    else:
        enough = digits(found.magnitude)
        words = f"u = {figure(found.u, enough)} ulp"
        if found.m is not None:
            words += f", m = {figure(found.m, enough)}"
        if found.abs_error is not None:
            words += f", absolute {figure(found.abs_error)}"
    over = "" if found.magnitude is None else over_bound(found.magnitude)
    return "; ".join(part for part in (words, over) if part)


def _interval(interval: Interval) -> str:
    if not interval.tried:
        return f"{_ends(interval.lo, interval.hi)}: {interval.failing} failed"
    what = "inputs" if interval.exhaustive else "tried inputs"
    return f"{_ends(interval.lo, interval.hi)}: {interval.failing} of {interval.tried} {what} fail"


def _ends(low: Number, high: Number) -> str:
    return low.decimal if low == high else f"[{low.decimal}, {high.decimal}]"


def _aligned(numbers: Sequence[tuple[str, Number]]) -> list[tuple[str, str]]:
    """Decimal, hexadecimal and bits in columns."""
    decimal = max((len(n.decimal) for _, n in numbers), default=0)
    hexadecimal = max((len(n.hex) for _, n in numbers), default=0)
    return [(label, f"{n.decimal:<{decimal}}   {n.hex:<{hexadecimal}}   {n.bits}") for label, n in numbers]


def _message(first: str, rows: list[tuple[str, str]]) -> str:
    """The first line and a table; whatever a callable said, a terminal shows it and does not obey."""
    return visible("\n".join([first, *(f"  {label:<9}  {text}" for label, text in rows)]), lines=True)
