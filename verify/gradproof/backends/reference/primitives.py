"""Float64 kernels of the elementary functions, orders 0 to 2, in forms that do not cancel.

Each takes float64 values of any shape and returns float64 of the same shape. Infinities give the limits, a NaN
gives a NaN.
"""

from __future__ import annotations

from typing import Final

import numpy as np

from gradproof.backends.reference.arithmetic import (
    TWO_OVER_SQRT_PI,
    Array,
    Pair,
    clipped,
    erf_centre,
    scaled_normal_tail,
    times_exp,
    two_product,
)


def exp(x: Array) -> Array:
    """The platform's exp, which is each of its derivatives."""
    return np.exp(x)


def expm1(x: Array) -> Array:
    """The platform's expm1; its derivatives are exp."""
    return np.expm1(x)


def log1p(x: Array) -> Array:
    """The platform's log1p: -inf at -1, NaN below."""
    return np.log1p(x)


def log1p_1(x: Array) -> Array:
    """1 / (1 + x): inf at -1, NaN below. 1 + x is exact for x in [-1, -1/2], where rounding it would tell."""
    return np.where(x < -1.0, np.nan, 1.0 / (1.0 + x))


def log1p_2(x: Array) -> Array:
    """-1 / (1 + x)^2: -inf at -1, NaN below."""
    first = log1p_1(x)
    return -first * first


_SMALL: Final = 0.6875
"""Below this erf comes from its series and erfc is its complement; above, the other way round."""
_ROOT_2: Final = 2.0**0.5


def _minus_square(x: Array) -> Pair:
    """-x^2 as a pair, |x| clipped where exp(-x^2) has long underflowed."""
    a = clipped(x, 40.0)
    high, low = two_product(a, a)
    return -high, -low


def _tail(a: Array) -> Array:
    """erfc(a) = 2 Q(sqrt(2) a) for a >= 0, Q the upper tail of the standard normal."""
    a = np.minimum(a, 40.0)
    return times_exp(2.0 * scaled_normal_tail(_ROOT_2 * a), *_minus_square(a))


def _near(x: Array) -> Array:
    return erf_centre(np.clip(x, -_SMALL, _SMALL))


def erf(x: Array) -> Array:
    """The series near 0, sign(x) (1 - erfc(|x|)) beyond; odd."""
    a = np.abs(x)
    return np.where(a < _SMALL, _near(x), np.copysign(1.0 - _tail(a), x))


def erf_1(x: Array) -> Array:
    """2/sqrt(pi) exp(-x^2), even."""
    return times_exp(TWO_OVER_SQRT_PI, *_minus_square(x))


def erf_2(x: Array) -> Array:
    """-2 x erf'(x), odd."""
    return times_exp(-2.0 * TWO_OVER_SQRT_PI * np.clip(x, -40.0, 40.0), *_minus_square(x))


def erfc(x: Array) -> Array:
    """The complement of erf near 0; 2 Q(sqrt(2) x) on the right, 2 less that of -x on the left."""
    a = np.abs(x)
    beyond = _tail(a)
    return np.where(a < _SMALL, 1.0 - _near(x), np.where(x < 0.0, 2.0 - beyond, beyond))


def erfc_1(x: Array) -> Array:
    """-erf'(x)."""
    return -erf_1(x)


def erfc_2(x: Array) -> Array:
    """-erf''(x)."""
    return -erf_2(x)
