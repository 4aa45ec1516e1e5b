"""Float64 building blocks of the reference implementations: products and exponentials that keep their digits.

Nothing here rounds to another format. NaNs pass through; infinities must be clipped by the caller.
"""

from __future__ import annotations

from fractions import Fraction
from math import factorial
from typing import Final

import numpy as np
import numpy.typing as npt
from numpy.polynomial.chebyshev import chebval

Array = npt.NDArray[np.float64]

_SPLIT: Final = 134217729.0
"""2**27 + 1: Veltkamp's constant cuts a float64 into two halves of at most 26 bits."""

INV_SQRT_2PI: Final = 0.3989422804014327
"""1 / sqrt(2 pi), rounded to float64."""
TWO_OVER_SQRT_PI: Final = 1.1283791670955126
"""2 / sqrt(pi), rounded to float64."""


FAR: Final = 2000.0
"""exp(-2000) is 0 in float64 by far; larger arguments of exponentials are clipped to this."""

Pair = tuple[Array, Array]
"""An unevaluated sum high + low, low at most about an ulp of high."""


def clipped(x: Array, bound: float = FAR) -> Array:
    """``min(|x|, bound)``; NaNs pass through."""
    return np.minimum(np.abs(x), bound)


def two_product(a: Array, b: Array) -> Pair:
    """``a * b`` as an unevaluated sum of two float64 (Dekker 1971).

    Exact while ``|a|, |b| < 2**996`` and the low part is normal.
    """
    a_high, a_low = _halves(a)
    b_high, b_low = _halves(b)
    high = a * b
    low = ((a_high * b_high - high) + a_high * b_low + a_low * b_high) + a_low * b_low
    return high, low


def pair(value: Fraction, like: Array) -> Pair:
    """The real ``value`` as a pair that broadcasts against ``like``."""
    high = float(value)
    return np.full_like(like, high), np.full_like(like, float(value - Fraction(high)))


def _halves(a: Array) -> Pair:
    scaled = _SPLIT * a
    high = scaled - (scaled - a)
    return high, a - high


def pair_sum(a: Pair, b: Pair) -> Pair:
    """The sum of two pairs to about 2**-104 relative to the larger (Knuth's two-sum plus the low parts)."""
    high = a[0] + b[0]
    shadow = high - a[0]
    low = (a[0] - (high - shadow)) + (b[0] - shadow)
    return high, low + (a[1] + b[1])


def pair_product(a: Pair, b: Pair) -> Pair:
    """The product of two pairs to about 2**-103 relative."""
    high, low = two_product(a[0], b[0])
    return high, low + (a[0] * b[1] + a[1] * b[0])


def times_exp(factor: Array | float, t: Array, t_low: Array | float = 0.0) -> Array:
    """``factor * exp(t + t_low)`` for t at most a few units above 0 and a tiny ``t_low``.

    Where exp(t) alone would be subnormal its square root is applied twice, so that only the last product
    rounds to the subnormal grid: the result then errs by about half a quantum, not by ``factor`` quanta.
    """
    t = np.maximum(t, -1600.0)  # far below the last subnormal, and keeps factor * 0 from meeting an infinity
    root = np.exp(0.5 * t)
    corrected = factor + factor * t_low
    return np.where(t > -600.0, corrected * np.exp(t), corrected * root * root)


_SCALED_TAIL: Final = (
    0.5385288138992342,
    -0.02645925107935259,
    -0.028386077272723416,
    0.022438833059881966,
    -0.010014371788857852,
    0.0032270946077398253,
    -0.0007773358378847752,
    0.00013291756873865117,
    -1.2492600229847826e-05,
    -6.331162602793908e-07,
    3.951505696905665e-07,
    -3.7434383155557186e-08,
    -6.3517209623716656e-09,
    1.6999795574677543e-09,
    5.119550416240489e-11,
    -5.7296362937918556e-11,
    1.4153040384573e-12,
    1.9141195007673026e-12,
    -1.0696250192131425e-13,
    -6.892737587234324e-14,
    4.604424764513564e-15,
    2.7324224089305913e-15,
    -1.5321124561749416e-16,
    -1.174225371662994e-16,
    2.996126874418231e-18,
    5.276781438013796e-18,
    1.1298674668535842e-19,
)
"""Chebyshev coefficients of ``G(t) = (1 + 1.25 x) exp(x^2/2) Q(x)`` in ``t = (x - 5) / (x + 5)``, x >= 0.

Q is the upper tail of the standard normal distribution. Mapping the half line to [-1, 1] after taking out
the asymptote is the method of Shepherd and Laframboise (Math. Comp. 36, 1981). Computed with mpmath at 50
digits by interpolation in 64 Chebyshev nodes; the first coefficient left out is below 2**-59.
"""


def scaled_normal_tail(x: Array) -> Array:
    """``exp(x^2/2) * Q(x)`` for x >= 0, to about 2 ulp; Q(x) = P(standard normal > x)."""
    t = (x - 5.0) / (x + 5.0)
    return np.asarray(chebval(t, _SCALED_TAIL) / (1.0 + 1.25 * x), np.float64)


_CENTRE: Final = tuple(float(Fraction((-1) ** n, 2**n * factorial(n) * (2 * n + 1))) for n in reversed(range(17)))
"""Taylor coefficients of ``(Phi(x) - 1/2) / (x phi(0))`` in x^2, highest first; the next is below 2**-70."""


def normal_centre(x: Array) -> Array:
    """``Phi(x) - 1/2`` for 0 <= x <= 1, to about 1 ulp."""
    return INV_SQRT_2PI * (x * _centre(x * x))


def erf_centre(x: Array) -> Array:
    """``erf(x) = 2 Phi(sqrt(2) x) - 1`` for |x| <= sqrt(1/2), to about 1 ulp."""
    return TWO_OVER_SQRT_PI * (x * _centre(2.0 * (x * x)))


def _centre(square: Array) -> Array:
    series = np.zeros_like(square)
    for coefficient in _CENTRE:
        series = series * square + coefficient
    return series
