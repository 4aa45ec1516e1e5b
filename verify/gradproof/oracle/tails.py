"""What arb knows of a whole binade at once: where f^(n) has vanished, overflowed, or follows its asymptote.

Far out float64 arithmetic leaves the finite numbers (x^2 overflows) or carries underflow up again (0 times 1e300),
although the answer is plain. One rigorous enclosure per order over all that lies outward of a binade, or failing
that over the binade [2^k, 2^(k+1)] alone, gives it.
"""

from __future__ import annotations

import contextlib
from dataclasses import dataclass
from fractions import Fraction
from typing import Final

import numpy as np

from gradproof.formats.arrays import Floats, Ints
from gradproof.functions.function import Function
from gradproof.oracle import arb_route, intervals, pairs
from gradproof.oracle.arb_route import Enclosure
from gradproof.oracle.dyadic import Dyadic
from gradproof.oracle.series import ORDERS
from gradproof.oracle.values import Values

GONE: Final = -1200
"""Below 2^GONE a value rounds to 0 in every format, and no error measure can tell it from 0."""
GONE_OUTWARD: Final = -2400
"""The same for all x beyond some binade: times any quantum of x, as a slope in the mixed error, it still is nothing."""
BEYOND: Final = 1100
"""From 2^BEYOND on a value rounds to infinity in every format."""
_TIGHT: Final = 2.0**-90
_PRECISION: Final = 160
END: Final = 1024
"""2^END is the end of float64."""


_UNSEEN, _UNKNOWN, _KNOWN, _SLOPED = range(4)


@dataclass(frozen=True)
class TailBound:
    """One order on a range: ``value`` within ``rad``, both times 2^exponent; if ``sloped``, x within ``rad * |x|``."""

    value: tuple[float, float]
    rad: float
    exponent: int
    sloped: bool = False


class Tails:
    """The binades of one piece on one side of 0, looked at on demand."""

    def __init__(self, function: Function, piece: int, sign: int) -> None:
        self._function = function
        self._piece = piece
        self._sign = sign
        self._state = np.full((ORDERS, END), _UNSEEN, np.int8)
        self._columns = np.zeros((3, ORDERS, END))
        self._exponents = np.zeros((ORDERS, END), np.int64)
        self._beyond: list[tuple[int, TailBound | None]] = [(END, None)] * ORDERS
        """Per order the least binade from which on something is known of all that lies outward."""

    def patch(self, values: list[Values], rows: Ints, x: Floats, binades: Ints) -> None:
        """Overwrite what is known of ``rows`` in the values of orders 0 to 3; ``binades`` are theirs, 0 to 1023."""
        for k in np.unique(binades[self._state[0, binades] == _UNSEEN]):
            self._look(int(k))
        for order, value in enumerate(values):
            known = np.flatnonzero(self._state[order, binades] != _UNKNOWN)
            if not known.size:
                continue
            at, k = rows[known], binades[known]
            hi, lo, rad = self._columns[:, order, k]
            sloped = self._state[order, k] == _SLOPED
            hi = np.where(sloped, x[at], hi)
            rad = np.where(sloped, rad * np.abs(x[at]), rad)
            value.put(at, Values(hi, lo, rad, self._exponents[order, k]))

    def _look(self, k: int) -> None:
        for order, verdict in enumerate(self.verdicts(k)):
            self._state[order, k] = _UNKNOWN if verdict is None else _SLOPED if verdict.sloped else _KNOWN
            if verdict is not None:
                self._columns[:, order, k] = *verdict.value, verdict.rad
                self._exponents[order, k] = verdict.exponent

    def verdicts(self, k: int) -> list[TailBound | None]:
        """What is known of orders 0 to 3 on the binade from 2^k on, k >= 0."""
        found = list(self._outward(k))
        if None in found:
            near = self._over(k, k + 1)
            found = [a or _judged(b) for a, b in zip(found, near, strict=True)]
        return found

    def _outward(self, k: int) -> list[TailBound | None]:
        """What holds from 2^k to the end of float64."""
        if self._ends_before():
            return [None] * ORDERS
        held = [verdict if k >= first else None for first, verdict in self._beyond]
        if None in held:
            ends = self._over(k, END)
            found = [a or _judged(b, GONE_OUTWARD) for a, b in zip(held, ends, strict=True)]
            if found[0] is None:
                found[0] = self._asymptote(k, ends[1])
            for order, verdict in enumerate(found):
                if held[order] is None and verdict is not None:
                    self._beyond[order] = k, verdict
            held = found
        return held

    def _over(self, first: int, last: int) -> list[Enclosure]:
        """Enclosures of all orders on [2^first, 2^last] or its mirror image; None where there is none."""
        low, high = Fraction(2) ** first, Fraction(2) ** last
        if self._sign < 0:
            low, high = -high, -low
        found: list[Enclosure] = [None] * ORDERS
        for route in (arb_route.enclosures_over, intervals.derivatives_over):
            with contextlib.suppress(AttributeError, TypeError, ArithmeticError, ValueError):
                more = route(self._function, self._piece, low, high, _PRECISION + last)
                found = [a if _judged(a) else b or a for a, b in zip(found, more, strict=True)]
            if all(_judged(ends) for ends in found):
                break
        return found

    def _asymptote(self, k: int, slopes: Enclosure) -> TailBound | None:
        """f(x) = x + error where f' stays within a hair of 1 from 2^k to the end, by the mean value theorem."""
        if slopes is None:
            return None
        x = self._sign * 2**k
        deviation = max(abs(float(e - Dyadic(1, 0))) for e in slopes)
        ends = None
        with contextlib.suppress(AttributeError, TypeError, ArithmeticError, ValueError):
            ends = arb_route.enclosures(self._function, self._piece, Fraction(x), _PRECISION + k)[0]
        if ends is None:
            return None
        offset = max(abs(float(e - Dyadic(x, 0))) for e in ends) / 2.0**k
        relative = (deviation + offset) * 1.01
        return TailBound((0.0, 0.0), relative, 0, sloped=True) if relative <= _TIGHT else None

    def _ends_before(self) -> bool:
        """Whether another piece takes over further out: nothing is claimed of the end then."""
        return self._piece != (len(self._function.pieces) - 1 if self._sign > 0 else 0)


def _judged(ends: Enclosure, gone: int = GONE) -> TailBound | None:
    """What one enclosure settles: vanished, overflowed, or constant to 2^-90."""
    if ends is None:
        return None
    low, high = ends
    size = max((e.exponent for e in ends if e.man), default=None)
    if size is None:
        return TailBound((0.0, 0.0), 0.0, 0)
    if size < gone:
        sign = 1.0 if low.man >= 0 else -1.0 if high.man <= 0 else 0.0
        return TailBound((0.5 * sign, 0.0), 1.0 - 0.5 * abs(sign), max(size, -(1 << 30)) + 1)
    if low.man * high.man <= 0:
        return None
    least = min(e.exponent for e in ends)
    if least >= BEYOND:
        exponent = min(least, 8191)
        return TailBound((0.75 if low.man > 0 else -0.75, 0.0), 0.25, exponent + 1)
    if abs(low.exponent) < 900 and abs(high.exponent) < 900:
        middle, half = (low.fraction() + high.fraction()) / 2, float((high.fraction() - low.fraction()) / 2) * 1.01
        hi, lo = pairs.of(middle)
        rad = half + abs(hi) * 2.0**-105
        if rad <= _TIGHT * abs(hi):
            return TailBound((hi, lo), rad, 0)
    return None
