"""Whether the filters' enclosures hold the truth: what their soundness rests on, measured by arb."""

from __future__ import annotations

import math
from collections.abc import Iterator
from fractions import Fraction
from itertools import pairwise
from typing import Any, Final

import mpmath
import numpy as np

from gradproof.formats import BFLOAT16, FLOAT16, FLOAT32, FLOAT64
from gradproof.formats import arrays as fa
from gradproof.formats.arrays import Floats
from gradproof.functions import Function
from gradproof.oracle import arb_route, balls, doubles
from gradproof.oracle.dyadic import Dyadic
from gradproof.strategies import landmark_bits, stratified

FIRST_PRECISION = 128
LAST_PRECISION = 4096

ROOTS = dict.fromkeys(("gelu", "gelu_tanh", "quick_gelu", "silu", "mish"), (1, 2))
"""Orders that cross zero away from x = 0, where relative accuracy is lost."""


def root_inputs(f: Function, count: int) -> Floats:
    """Inputs around the sign changes of f' and f'' on [-8, 8], the closest of them neighbours of the root."""
    found: list[float] = []
    for order in ROOTS.get(f.name, ()):
        signs = {x: _sign(f, x, order) for x in np.linspace(-8, 8, 65).tolist() if x != 0}
        for a, b in pairwise(signs):
            if signs[a] * signs[b] < 0:
                low, high = a, b
                while np.nextafter(low, high) != high:
                    middle = (low + high) / 2
                    if _sign(f, middle, order) == signs[a]:
                        low = middle
                    else:
                        high = middle
                gaps = np.concatenate([[0.0], 2.0 ** -np.linspace(8, 50, count // 2)])
                found += [*(low - gaps), *(high + gaps)]
    return np.array(found)


def _sign(f: Function, x: float, order: int) -> int:
    ends = arb_route.enclosures(f, 0, Fraction(x), 256)[order]
    assert ends is not None
    return 1 if ends[0].man > 0 else -1


def tried(f: Function, count: int, radius: int = 2) -> Floats:
    """``count`` float64 inputs or a few more: tails, tiny numbers, landmarks of all formats, roots."""
    rng = np.random.default_rng(3)
    marks = [fa.values(landmark_bits(f, fmt, radius), fmt) for fmt in (FLOAT64, FLOAT32, FLOAT16, BFLOAT16)]
    n = count // 5
    parts = [
        fa.values(stratified(FLOAT64, 2 * (n // 2), 1), FLOAT64),
        fa.values(stratified(FLOAT32, 2 * (n // 2), 2), FLOAT32),
        rng.normal(0, 3, n),
        rng.uniform(-110, 110, n),  # float32's tails
        rng.uniform(-760, 760, n),  # float64's
        root_inputs(f, min(60, n)),
    ]
    x = np.unique(np.concatenate(marks + parts))
    return x[np.isfinite(x)]


def in_pieces(f: Function, x: Floats) -> Iterator[tuple[int, Floats]]:
    """The inputs of each piece, breakpoints counted on both sides, without the domain's ends and what lies beyond."""
    low, high = map(float, f.ends)
    x = x[(x > low) & (x < high)]
    for piece, (a, b) in enumerate(pairwise([-math.inf, *map(float, f.breaks), math.inf])):
        yield piece, x[(x >= a) & (x <= b)]


def escapes(f: Function, piece: int, x: Floats) -> tuple[list[list[float]], list[int]]:
    """Inputs per order at which arb's enclosure is not inside the filter's, and how many were compared.

    ``x`` must lie in the piece. The filter's enclosure is the one it rounds: mid - rad and mid + rad, each moved
    outward by one float64. Lanes on which the filter gives up are not compared.
    """
    bounds = []
    with np.errstate(all="ignore"):
        for ball in balls.derivatives(f, piece, x):
            low, high = ball.mid - ball.rad, ball.mid + ball.rad
            bounds.append((np.nextafter(low, -np.inf).tolist(), np.nextafter(high, np.inf).tolist()))
    wrong: list[list[float]] = [[] for _ in bounds]
    compared = [0] * len(bounds)
    for i, point in enumerate(x.tolist()):
        enclosures = arb_route.enclosures(f, piece, Fraction(point), FIRST_PRECISION)
        for order, (lows, highs) in enumerate(bounds):
            low, high = lows[i], highs[i]
            if not (np.isfinite(low) and np.isfinite(high)):
                continue
            compared[order] += 1
            if not _holds(low, high, enclosures[order]) and not _held_later(f, piece, point, order, low, high):
                wrong[order].append(point)
    return wrong, compared


def _held_later(f: Function, piece: int, point: float, order: int, low: float, high: float) -> bool:
    """An enclosure that pokes out of the filter's may be the wide one: look again with more precision."""
    precision = FIRST_PRECISION
    while (precision := 4 * precision) <= LAST_PRECISION:
        if _holds(low, high, arb_route.enclosures(f, piece, Fraction(point), precision)[order]):
            return True
    return False


def _holds(low: float, high: float, ends: tuple[Dyadic, Dyadic] | None) -> bool:
    # An end rounds to the side of ``low`` or ``high`` it lies on, or onto it, because those are float64 numbers.
    return ends is not None and low <= float(ends[0]) and float(ends[1]) <= high


EXACT: Final = mpmath.mp.clone()
EXACT.prec = 5000
"""Sums of float64 numbers and of enclosures, with nothing lost."""


def holds_exactly(
    f: Function, piece: int, point: float, order: int, hi: float, lo: float, rad: float, exponent: int = 0
) -> bool:
    """Whether f^(order)(point) times 2^-exponent lies within ``rad`` of ``hi + lo``, by arb at growing precision.

    No precision tells a value from the end of a ball that it only just touches: such a ball does not hold it.
    """
    precision = 320
    middle, room = EXACT.mpf(hi) + EXACT.mpf(lo), EXACT.mpf(rad)
    while precision <= LAST_PRECISION:
        ends = arb_route.enclosures(f, piece, Fraction(point), precision)[order]
        if ends is not None and all(abs(_shifted(end, -exponent) - middle) <= room for end in ends):
            return True
        precision *= 3
    return False


def _shifted(value: Dyadic, exponent: int) -> Any:
    return EXACT.ldexp(EXACT.mpf(value.man), value.exp + exponent)


def doubles_escape(f: Function, piece: int, x: Floats, steps: list[int] | None = None) -> tuple[list[Any], list[int]]:
    """(order, input) at which a double-double ball does not hold the value, and how many per order were compared.

    With ``steps``, exponents of the powers of two that are handed in as ``step``.
    """
    step = None if steps is None else 2.0 ** np.array(steps, np.float64)
    wrong, compared = [], []
    for order, ball in enumerate(doubles.derivatives(f, piece, x, step=step)):
        known = np.isfinite(ball.hi) & np.isfinite(ball.lo) & np.isfinite(ball.rad)
        compared.append(int(known.sum()))
        for i in np.flatnonzero(known).tolist():
            scale = 0 if steps is None else -order * steps[i]
            centre = float(ball.hi[i]), float(ball.lo[i]), float(ball.rad[i])
            if not holds_exactly(f, piece, float(x[i]), order, *centre, scale):
                wrong.append((order, float(x[i])))
    return wrong, compared
