"""kink-convention: which element of the Clarke interval AD returns at each kink, and whether all paths agree."""

from __future__ import annotations

from contextlib import suppress
from dataclasses import dataclass, replace
from typing import Any, ClassVar

import numpy as np

from gradproof.extend import (
    BY_EXACT,
    WRONG_BRANCH,
    WRONG_CLASS,
    Bits,
    Call,
    Certified,
    Dyadic,
    Evidence,
    Format,
    Function,
    Implementation,
    Outcome,
    Probe,
    Property,
    Reference,
    ReferenceRow,
    Unsupported,
    Violations,
    undecided,
)
from gradproof.extend import arrays as fa
from gradproof_properties.allowances import allowance

COTANGENTS = (0.0, -1.0, 2.0**-6, 2.0**6)
"""Exact scale factors for the linearity of the vjp; powers of two, so that scaling cannot round."""


@dataclass(frozen=True)
class Reading:
    """One derivative read at a kink: by which way, at which zero, and what came back."""

    way: str
    bits: int
    got: int
    value: float


class KinkConvention(Property):
    """The value at a kink is a convention, but an element of the Clarke interval, and one convention."""

    id: ClassVar[str] = "kink-convention"
    title: ClassVar[str] = "At a kink AD returns an element of the Clarke interval, whichever way it is asked"
    statement: ClassVar[str] = (
        "The AD value at each kink lies between the one-sided derivatives; reverse mode, forward mode and the "
        "equivalent formulations of the function return the same one; the vjp is linear in the cotangent there. "
        "Which element it is (0, 1/2, 1, ...) is recorded and never fails by itself. At a discontinuity of f the "
        "one-sided slopes bound it in the same way, although f has no Clarke derivative there. The interval is open "
        "where a one-sided derivative is infinite: any number beyond the other end will do, a NaN will not."
    )
    source: ClassVar[str] = "f'(0) chosen as 0, 1 or 0.5; Clarke 1983; Lee, Park, Aiken, ICML 2023"
    orders: ClassVar[tuple[int, ...]] = (1, 2)
    about_calls: ClassVar[bool] = True

    def applies(self, function: Function, order: int) -> bool:
        """Functions with breakpoints."""
        return bool(function.kinks)

    def check(self, probe: Probe, order: int) -> Outcome:
        """Read the derivative at all kinks in every way there is, each way in one call."""
        probe.require(order)
        fmt = probe.format
        violations: list[Violations] = []
        kinks = list(dict.fromkeys(probe.function.kinks))
        measured: dict[str, Any] = {
            f"{float(kink):g}": {"skipped": "the format does not hold this kink"} for kink in kinks
        }
        held = [kink for kink in kinks if fmt.holds(kink)]
        points = {kink: fmt.round(kink) for kink in held}
        inputs = [bits | sign for bits in points.values() for sign in ([0, fmt.sign_bit] if bits == 0 else [0])]
        readings = _readings(probe, order, np.array(inputs, dtype=fa.storage(fmt))) if held else []
        unknown: list[Reading] = []
        for kink, bits in points.items():
            found = [r for r in readings if r.bits == bits or (bits == 0 and r.bits == fmt.sign_bit)]
            clarke = _clarke(bits, probe, order)
            measured[f"{float(kink):g}"] = _record(found, clarke, order)
            unknown += found if clarke.kind == "undecided" else []
            violations += _outside(found, clarke, bits, probe, order)
            violations += _disagreeing(found, probe)
        if held and order == 1 and "reverse" in probe.paths and probe.mode == "eager":
            violations += _nonlinear(probe, np.array(list(points.values()), dtype=fa.storage(fmt)))
        evidence = Evidence("exhaustive", len(readings) - len(unknown))
        at = {"undecided_at": fmt.decimal(unknown[0].bits)} if unknown else {}
        return Outcome(evidence, violations, undecided=len(unknown), measured={"kinks": measured} | at)


def _readings(probe: Probe, order: int, inputs: Bits) -> list[Reading]:
    found = []
    for path in probe.paths:
        try:
            got = probe.evaluate(inputs, order, path)
        except Unsupported:
            if path == probe.paths[0]:
                raise
            continue  # a framework without a forward derivative has one path less to compare
        found += _read(path, inputs, got, probe.format)
    # How a framework's own formulations differ is its business, not that of a user's implementation.
    if order == 1 and not probe.implementation.user:
        for other in probe.backend.formulations(probe.function.name, probe.function.params):
            with suppress(Unsupported):
                found += _read(other.name, inputs, probe.evaluate_other(other, inputs, order), probe.format)
    return found


def _read(way: str, inputs: Bits, got: Bits, fmt: Format) -> list[Reading]:
    names = [f"{way} at -0" if bits == fmt.sign_bit else way for bits in inputs]
    rows = zip(names, inputs, got, fa.values(got, fmt), strict=True)
    return [Reading(name, int(x), int(g), float(v)) for name, x, g, v in rows]


def _record(found: list[Reading], clarke: Certified, order: int) -> dict[str, Any]:
    low, high = _ends(clarke)
    row: dict[str, Any] = {r.way: repr(r.value) for r in found}
    row["clarke"] = [repr(low), repr(high)]
    if order == 1 and low != high and found:
        row["element"] = _element(found[0].value, low, high)
    return row


def _clarke(bits: int, probe: Probe, order: int) -> Certified:
    """The oracle's answer at a kink; undecided where the derivative before is infinite on a side."""
    answer = probe.oracle.certified(bits, probe.format, order)
    before = probe.oracle.one_sided(probe.format.value(bits), order - 1)
    return undecided(probe.format) if any(side.kind == "infinite" for side in before) else answer


def _ends(clarke: Certified) -> tuple[float, float]:
    """The ends of the interval, infinite where it is open; twice the same infinity where the derivative is that."""
    if clarke.kind == "infinite":
        return clarke.infinity, clarke.infinity
    return (
        -np.inf if clarke.lower is None else float(clarke.lower),
        np.inf if clarke.upper is None else float(clarke.upper),
    )


def _element(value: float, low: float, high: float) -> str:
    """The chosen element in words."""
    least = min((low, high), key=abs) if low * high > 0 else 0.0
    names = [(least, "min-norm"), (low, "lower end"), (high, "upper end"), ((low + high) / 2, "midpoint")]
    near = 1e-2 * (high - low) if np.isfinite(high - low) else 0.0
    return next((name for end, name in names if value == end or abs(value - end) <= near), "interior")


def _outside(found: list[Reading], clarke: Certified, bits: int, probe: Probe, order: int) -> list[Violations]:
    """What lies outside the interval by more than the contract allows its ends; nothing where neither is known."""
    if clarke.kind == "undecided" and clarke.lower is None:
        return []
    low, high = (_beyond(end, probe) for end in _ends(clarke))
    below, above = _room(clarke, bits, probe, order)
    # As differences, which are exact: below a strict bound is not at it.
    rows = [
        r
        for r in found
        if not ((r.value >= low or low - r.value <= below) and (r.value <= high or r.value - high <= above))
    ]
    return [
        _violation(
            r, probe, WRONG_CLASS if np.isnan(r.value) else WRONG_BRANCH,
            f"{r.way} returns {r.value:g}, outside the Clarke interval [{low:g}, {high:g}]",
        )
        for r in rows
    ]  # fmt: skip


def _room(clarke: Certified, bits: int, probe: Probe, order: int) -> tuple[float, float]:
    """What the contract allows either end of the interval at the kink ``bits``, which is exact: no input rounds.

    That of an open end is of no account.
    """
    dtype = fa.storage(probe.format)
    reference = Reference.empty(2, dtype)
    ends = (end or Dyadic(0, 0) for end in (clarke.lower, clarke.upper))
    reference.set_rows([0, 1], [ReferenceRow.of(end, bits, BY_EXACT) for end in ends])
    below, above = allowance(probe, np.full(2, bits, dtype), reference, order)
    return float(below), float(above)


def _beyond(end: float, probe: Probe) -> float:
    """An end of the interval, infinite where it overflows the format."""
    return float(np.copysign(np.inf, end)) if abs(end) >= probe.format.overflow_threshold else end


def _disagreeing(found: list[Reading], probe: Probe) -> list[Violations]:
    if len({None if np.isnan(r.value) else r.value for r in found}) <= 1:
        return []
    first = found[0]
    text = "one function, several derivatives at the kink: " + ", ".join(f"{r.way} {r.value:g}" for r in found)
    return [_violation(first, probe, WRONG_BRANCH, text)]


def _nonlinear(probe: Probe, inputs: Bits) -> list[Violations]:
    """vjp(c) must be c * vjp(1), for c an exact power of two."""
    ones = fa.values(probe.evaluate(inputs, 1), probe.format)
    rows = []
    for c in COTANGENTS:
        results = _pulled(probe, inputs, c)
        for bits, got, value, one in zip(inputs, results, fa.values(results, probe.format), ones, strict=True):
            if value != c * one and not (np.isnan(value) and np.isnan(one)):
                reading = Reading("reverse", int(bits), int(got), float(value))
                text = f"the vjp of cotangent {c:g} is {value:g}, not {c:g} times that of 1 ({one:g})"
                rows.append(_violation(reading, probe, WRONG_BRANCH, text))
    return rows


def _pulled(probe: Probe, inputs: Bits, c: float) -> Bits:
    """The vjp of c; where the backend takes no cotangents, that of 1 of the implementation scaled after the fact."""
    if not probe.backend.takes_cotangents:
        return probe.evaluate_other(_scaled(probe.implementation, c), inputs, 1, "reverse")
    call = Call(order=1, mode=probe.mode, path="reverse", cotangent=c)
    with probe.calling():
        return probe.backend.evaluate(probe.implementation, inputs, probe.format, call)


def _scaled(implementation: Implementation, factor: float) -> Implementation:
    call = implementation.call
    return replace(implementation, call=lambda x: call(x) * factor, name=f"{implementation.name} * {factor:g}")


def _violation(reading: Reading, probe: Probe, severity: int, text: str) -> Violations:
    dtype = fa.storage(probe.format)
    return Violations(
        np.array([reading.bits], dtype), np.array([reading.got], dtype), np.array([2.0]),
        np.array([severity], np.int8), np.array([np.isnan(reading.value)]), text, cause="convention", pointwise=False,
    )  # fmt: skip
