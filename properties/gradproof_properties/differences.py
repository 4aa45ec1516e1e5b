"""Differences of an implementation's values, with the exact ones and what rounding can do to them."""

from __future__ import annotations

from fractions import Fraction

import numpy as np

from gradproof.engine.probe import Probe
from gradproof.formats import Format
from gradproof.formats import arrays as fa
from gradproof.formats.arrays import Bits, Floats
from gradproof.measure.contracts import STABLE
from gradproof.oracle.reference import FINITE
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
    return np.array([fmt.round(p) for p in points], dtype=fa.storage(fmt))


def results_at(probe: Probe, bits: Bits) -> tuple[Floats, Floats, Floats]:
    """Results, exact values and allowances of f at ``bits`` as float64."""
    reference = probe.references(bits)[0]
    exact = np.where(reference.kind == FINITE, reference.values, np.nan)
    return fa.values(probe.evaluate(bits, 0), probe.format), exact, allowance(probe, bits, reference, 0)


def gaps(probe: Probe, centres: list[Fraction], steps: list[Fraction], jump: float = 0.0) -> tuple[Floats, Floats]:
    """Forward minus backward slope at each centre, without what the function itself makes of it.

    What is left is ``jump`` (the declared jump of f' at the centres), within the bound that comes second: what
    the contract allows the results; inf where the format does not hold the points.
    """
    fmt = probe.format
    ends = [c + s for c, s in zip(centres, steps, strict=True)], [c - s for c, s in zip(centres, steps, strict=True)]
    points = [*ends[0], *ends[1], *centres]
    bits = [fmt.round(p) for p in points]
    held = np.array([fmt.value(b) == p for b, p in zip(bits, points, strict=True)])
    g, exact, room = results_at(probe, np.array(bits, dtype=fa.storage(fmt)))
    n, width = len(centres), np.array([float(s) for s in steps])

    def second(v: Floats) -> Floats:
        with np.errstate(invalid="ignore", over="ignore"):
            gap: Floats = ((v[:n] - v[2 * n :]) - (v[2 * n :] - v[n : 2 * n])) / width
        return gap

    # A wrong result is as coarse as its own size makes it: that is no noise.
    own = np.ldexp(1.0, fa.quantum_exponents(g, fmt).astype(np.int32))
    room = np.maximum(room, STABLE.bound(0, fmt) * own) + 2.0**-50 * np.abs(exact)
    rounding = (room[:n] + room[n : 2 * n] + 2 * room[2 * n :]) / width
    rounding[~(held[:n] & held[n : 2 * n] & held[2 * n :])] = np.inf
    return second(g) - second(exact) + jump, rounding
