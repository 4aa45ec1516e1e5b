"""Taylor polynomials about 0, with their remainder bounded by arb: the smallest inputs, in any exponent range.

Near 0 a definition may cancel (x - tanh x, expm1), and among the subnormals float64 arithmetic has no low parts
left. There f^(n)(x) = x^k (d[k] + d[k+1] x + ...) is evaluated with x^k kept as mantissa and exponent. The
coefficients are arb's at 0; the remainder is bounded by the next coefficient over the whole disc (Lagrange).
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from fractions import Fraction
from typing import Final

import numpy as np

from gradproof.formats.arrays import Floats
from gradproof.functions.function import Function
from gradproof.oracle import arb_route, exact_route, pairs
from gradproof.oracle.dyadic import Dyadic
from gradproof.oracle.series import ORDERS
from gradproof.oracle.values import Values

RADII: Final = tuple(2.0**-k for k in (12, 16, 24, 40, 80, 160))
"""Discs tried, the largest first: large parameters need a small one."""
TERMS: Final = {False: 5, True: 9}
"""Coefficients by precision: for float64 sums and for sums of pairs."""
ENOUGH: Final = {False: 2.0**-46, True: 2.0**-88}
"""Relative error that a polynomial must reach to be used."""
_PRECISION: Final = 256


@dataclass(frozen=True)
class Polynomial:
    """x^k times a polynomial; ``error`` bounds the error relative to the leading term."""

    leading: int
    coefficients: tuple[tuple[float, float], ...]
    error: float


@dataclass(frozen=True)
class Expansion:
    """Orders 0 to 3 of one piece for |x| <= radius."""

    radius: float
    orders: tuple[Polynomial, ...]
    precise: bool

    def __call__(self, x: Floats) -> list[Values]:
        """f to f''' at inputs of shape (n,) within the radius, none of them 0."""
        mantissa, exponent = np.frexp(x)
        return [self._evaluate(p, x, mantissa, exponent.astype(np.int64)) for p in self.orders]

    def _evaluate(self, p: Polynomial, x: Floats, mantissa: Floats, exponent: np.ndarray) -> Values:
        nothing = np.zeros_like(x)
        if not p.coefficients:
            return Values.plain(nothing, nothing.copy(), nothing.copy())
        if self.precise:
            hi, lo = _horner_pairs(p.coefficients, x)
            for _ in range(p.leading):
                hi, lo = pairs.multiply_float((hi, lo), mantissa)
        else:
            hi, lo = _horner(p.coefficients, x), nothing
            for _ in range(p.leading):
                hi = hi * mantissa
        return Values(hi, lo, np.abs(hi) * p.error, p.leading * exponent)


def _horner(coefficients: tuple[tuple[float, float], ...], x: Floats) -> Floats:
    total = np.full_like(x, coefficients[-1][0])
    for hi, _ in coefficients[-2::-1]:
        total = total * x + hi
    return total


def _horner_pairs(coefficients: tuple[tuple[float, float], ...], x: Floats) -> pairs.Pair:
    """Pairs for the first five coefficients, float64 for the later ones, which weigh x^5 < 2^-60."""
    first, later = coefficients[:5], coefficients[5:]
    total: pairs.Pair = np.zeros_like(x), np.zeros_like(x)
    if later:
        total = _horner(later, x), total[1]
    for c in first[::-1]:
        total = pairs.add((np.full_like(x, c[0]), np.full_like(x, c[1])), pairs.multiply_float(total, x))
    return total


def expansion(function: Function, piece: int, *, precise: bool) -> Expansion | None:
    """The expansion on the largest disc of RADII that reaches ENOUGH; None if there is none."""
    if not arb_route.AVAILABLE:
        return None
    exact = exact_route.derivatives(function, piece, Fraction(0))
    for radius in RADII:
        try:
            found = [_polynomial(function, piece, order, radius, precise, exact) for order in range(ORDERS)]
        except (AttributeError, TypeError, ArithmeticError, ValueError):
            return None
        if all(p is not None for p in found):
            return Expansion(radius, tuple(p for p in found if p is not None), precise)
    return None


def _polynomial(
    function: Function, piece: int, order: int, radius: float, precise: bool, exact: list[Fraction | None]
) -> Polynomial | None:
    """The polynomial of f^(order); None where its error on this disc is too large."""
    count = TERMS[precise]
    leading = 0
    while order + leading < ORDERS and exact[order + leading] == 0:
        leading += 1
    length = order + leading + count + 1
    at_zero = arb_route.taylor(function, piece, Fraction(0), Fraction(0), length, _PRECISION)
    disc = Fraction(radius)
    around = arb_route.taylor(function, piece, -disc, disc, length, _PRECISION)
    scale = [math.perm(j + order, order) for j in range(length - order)]
    kept = [at_zero[order + j] for j in range(leading, leading + count)]
    remainder = around[order + leading + count]
    if remainder is None or any(c is None for c in kept):
        return None
    top = max(abs(float(e)) for e in remainder) * scale[leading + count]
    if order + leading >= ORDERS and top == 0.0 and all(_is_zero(c) for c in kept):
        return Polynomial(0, (), 0.0)
    coefficients, error = [], 0.0
    for i, ends in enumerate(kept):
        value, uncertain = _centre(ends)  # type: ignore[arg-type]
        factor = scale[leading + i]
        hi, lo = pairs.of(value * factor)
        coefficients.append((hi, lo if precise else 0.0))
        unit = 2.0**-98 if precise and i < 5 else 2.0**-49
        error += (uncertain * factor + abs(hi) * unit) * radius**i
    error += top * radius**count
    first = abs(coefficients[0][0])
    if first < 2.0**-800 or not math.isfinite(error):
        return None
    # The sum itself differs from its first term by less than the terms' own sizes allow.
    least = first - sum(abs(c[0]) * radius**i for i, c in enumerate(coefficients) if i) - error
    if least < first / 2 or error / least > ENOUGH[precise]:
        return None
    return Polynomial(leading, tuple(coefficients), 1.01 * error / least + (2.0**-100 if precise else 2.0**-50) * 4)


def _is_zero(ends: tuple[Dyadic, Dyadic] | None) -> bool:
    return ends is not None and not ends[0].man and not ends[1].man


def _centre(ends: tuple[Dyadic, Dyadic]) -> tuple[Fraction, float]:
    """Midpoint and half width of an enclosure; ArithmeticError for one of no ordinary size."""
    if any(e.man and abs(e.exponent) > 900 for e in ends):
        if all(not e.man or e.exponent < -900 for e in ends):
            return Fraction(0), 2.0**-900
        raise ArithmeticError("a coefficient beyond float64")
    low, high = ends[0].fraction(), ends[1].fraction()
    return (low + high) / 2, float((high - low) / 2) * 1.01
