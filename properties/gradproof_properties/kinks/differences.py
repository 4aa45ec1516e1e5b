"""Differences of an implementation's values, with the exact ones and what rounding can do to them."""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction

import numpy as np
import numpy.typing as npt

from gradproof.extend import FINITE, STABLE, Bits, Floats, Format, Function, Probe, may_be_equal
from gradproof.extend import arrays as fa
from gradproof_properties.allowances import allowance

STEPS_ACROSS = 8
"""Positions on either side of a kink at which the central difference is taken."""


def step_near(probe: Probe, centre: Fraction) -> Fraction:
    """A power of two h for differences around ``centre``: large against rounding, small against curvature.

    Balances rounding (an ulp of f over h) with curvature (h) at about 2^(-p/3), and stays a multiple of
    STEPS_ACROSS quanta of the widest input, so that every input used is exact in the format.
    """
    fmt = probe.format
    h = Fraction(2) ** -(fmt.precision // 3)
    quantum = Fraction(2) ** (fmt.quantum_exponent(abs(centre) + 2 * h))
    return max(h, STEPS_ACROSS * quantum)


def bits_of(points: list[Fraction], fmt: Format) -> Bits:
    """The points rounded to the format."""
    return _rounded(points, fmt)[0]


def _rounded(points: list[Fraction], fmt: Format) -> tuple[Bits, npt.NDArray[np.bool_]]:
    """The points rounded to the format, and which of them it holds: none that is not a float64 itself."""
    doubles = np.array([_double(p) for p in points])
    bits = fa.round_values(doubles, fmt)
    for i in np.flatnonzero(np.isnan(doubles)):
        bits[i] = fmt.round(points[i])
    return bits, fa.values(bits, fmt) == doubles


def _double(point: Fraction) -> float:
    """The point as float64, NaN where that would round."""
    try:
        value = float(point)
    except OverflowError:
        return np.nan
    return value if value.as_integer_ratio() == (point.numerator, point.denominator) else np.nan


def jump_of(probe: Probe, kink: Fraction, order: int) -> float:
    """The right less the left value of f^(order) at a kink, 0 when it is no more than what certifying leaves open.

    NaN where a side is infinite or not certified. Values are told apart by their enclosures, so that a discontinuity
    may be far below an ulp of f.
    """
    jump = probe.oracle.jump(kink, order)
    if jump is None:
        return np.nan
    left, right = probe.oracle.one_sided(kink, order)
    if not jump or (order == 0 and may_be_equal(left, right)):
        return 0.0
    size = max(abs(float(left.midpoint)), abs(float(right.midpoint)))
    return float(jump) if order == 0 or abs(jump) > 2.0**-40 * size else 0.0


def value_is_right(function: Function, kink: Fraction) -> bool:
    """Whether f at a breakpoint is the value of the piece to its right."""
    return function.piece_at(kink) > function.breaks.index(kink)


@dataclass(frozen=True)
class Results:
    """f at n inputs: result bits, results, exact values and allowances; the last three as float64.

    The exact value is NaN where there is none to compare with: outside the domain, and where it overflows.
    """

    bits: Bits
    got: Floats
    exact: Floats
    room: Floats


def results_at(probe: Probe, bits: Bits) -> Results:
    """The implementation's results at ``bits`` of shape (n,), with what is due and what the contract allows."""
    reference = probe.references(bits)[0]
    known = (reference.kind == FINITE) & fa.is_finite(reference.rounded, probe.format)
    exact = np.where(known, reference.values, np.nan)
    with np.errstate(over="ignore"):  # room without bound is no room to judge in
        room = allowance(probe, bits, reference, 0)
    got = probe.evaluate(bits, 0)
    return Results(got, fa.values(got, probe.format), exact, room)


NO_SLOPE = "a one-sided derivative there is infinite or not certified"
"""Why nothing is judged across a kink."""
NO_NUMBERS = "no result is a finite number"
"""Why nothing could be judged where every result is a NaN or infinite."""


def over(off: Floats, bound: Floats) -> Floats:
    """|off| / bound, of any shape: 0 where nothing is off, whatever the bound; inf where that is no number."""
    with np.errstate(divide="ignore", invalid="ignore", over="ignore"):
        ratio = np.where(off == 0, 0.0, np.abs(off) / bound)
    return np.where(np.isnan(ratio), np.inf, ratio)


@dataclass(frozen=True)
class Gaps:
    """Forward minus backward slope at n centres, without what the function itself makes of it; shape (n,) each."""

    found: Floats
    """What is left: what declared jumps make of it, within ``bound``; NaN where there is no exact value."""
    bound: Floats
    """``due_room``, or what rounding makes of the results' own size where that is more."""
    due_room: Floats
    """What the contract allows the results, inf where the format does not hold the points."""

    @property
    def coarse(self) -> npt.NDArray[np.bool_]:
        """Where the results are coarser than right ones can be, whose quantum is at most twice that of the exact."""
        return self.bound > 2 * self.due_room


def gaps(probe: Probe, centres: list[Fraction], steps: list[Fraction], due: Floats | float = 0.0) -> Gaps:
    """The gaps at ``centres``, each with its step; ``due`` is added to what the function itself makes of them."""
    fmt = probe.format
    ends = [c + s for c, s in zip(centres, steps, strict=True)], [c - s for c, s in zip(centres, steps, strict=True)]
    points = [*ends[0], *ends[1], *centres]
    bits, held = _rounded(points, fmt)
    results = results_at(probe, bits)
    n, width = len(centres), np.array([float(s) for s in steps])

    def second(v: Floats) -> Floats:
        with np.errstate(invalid="ignore", over="ignore"):
            gap: Floats = ((v[:n] - v[2 * n :]) - (v[2 * n :] - v[n : 2 * n])) / width
        return gap

    def slack(room: Floats) -> Floats:
        widened = room + 2.0**-50 * np.abs(results.exact)
        total: Floats = (widened[:n] + widened[n : 2 * n] + 2 * widened[2 * n :]) / width
        total[~(held[:n] & held[n : 2 * n] & held[2 * n :])] = np.inf
        return total

    # A wrong result is as coarse as its own size makes it: that alone is no noise.
    quantum, due_quantum = (
        np.ldexp(1.0, fa.quantum_exponents(v, fmt).astype(np.int32)) for v in (results.got, results.exact)
    )
    with np.errstate(over="ignore"):
        own = np.minimum(STABLE.bound(0, fmt), results.room / due_quantum) * quantum
    found = second(results.got) - second(results.exact) + due
    return Gaps(found, slack(np.maximum(results.room, own)), slack(results.room))
