"""Whether the float64 filter's enclosures hold the truth: what its soundness rests on, measured by arb."""

from __future__ import annotations

from fractions import Fraction

import numpy as np

from gradproof.formats.arrays import Floats
from gradproof.functions import Function
from gradproof.oracle import arb_route, balls
from gradproof.oracle.dyadic import Dyadic

FIRST_PRECISION = 128
LAST_PRECISION = 4096


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
