"""Float64 kernels of the functions that are exponential on the left and linear on the right, orders 0 to 2.

Each takes float64 values of any shape and keyword parameters, and returns float64 of the same shape. At 0 the
derivatives are the left ones, which lie in the Clarke interval. NaN in gives NaN out at every order.
"""

from __future__ import annotations

from fractions import Fraction
from typing import Final

import numpy as np

from gradproof.backends.reference.arithmetic import Array, times_exp

_SCALE: Final = Fraction("1.0507009873554804934193349852946")
_ALPHA: Final = Fraction("1.6732632423543772848170429916717")
SELU_SCALE: Final = float(_SCALE)
"""lambda of SELU as its authors published it (Klambauer et al. 2017), rounded once to float64."""
SELU_SCALE_ALPHA: Final = float(_SCALE * _ALPHA)
"""lambda * alpha, multiplied exactly and rounded once."""


def _left(x: Array) -> Array:
    """x where it is not positive, NaN and -0 included, otherwise 0."""
    return np.where(x > 0.0, 0.0, x)


def elu(x: Array, alpha: float) -> Array:
    """x for x > 0, alpha (exp(x) - 1) otherwise."""
    return np.where(x > 0.0, x, alpha * np.expm1(_left(x)))


def elu_1(x: Array, alpha: float) -> Array:
    """1 for x > 0, alpha exp(x) otherwise."""
    return np.where(x > 0.0, 1.0, times_exp(alpha, _left(x)))


def elu_2(x: Array, alpha: float) -> Array:
    """0 for x > 0, alpha exp(x) otherwise."""
    return np.where(x > 0.0, 0.0, times_exp(alpha, _left(x)))


def selu(x: Array) -> Array:
    """lambda x for x > 0, lambda alpha (exp(x) - 1) otherwise."""
    return np.where(x > 0.0, SELU_SCALE * x, SELU_SCALE_ALPHA * np.expm1(_left(x)))


def selu_1(x: Array) -> Array:
    """lambda for x > 0, lambda alpha exp(x) otherwise."""
    return np.where(x > 0.0, SELU_SCALE, times_exp(SELU_SCALE_ALPHA, _left(x)))


def selu_2(x: Array) -> Array:
    """0 for x > 0, lambda alpha exp(x) otherwise."""
    return elu_2(x, SELU_SCALE_ALPHA)


def _growing(factor: float, t: Array) -> Array:
    """``factor * exp(t)`` for t of either sign: it overflows where the product does, not where exp(t) does."""
    quarter = np.exp(0.25 * np.clip(t, 0.0, 2800.0))
    return np.where(t > 600.0, factor * quarter * quarter * quarter * quarter, times_exp(factor, t))


def celu(x: Array, alpha: float) -> Array:
    """x for x > 0, alpha (exp(x / alpha) - 1) otherwise.

    Where x / alpha is below 2^-54 that is x within half an ulp, and the quotient itself may underflow.
    """
    t = _left(x) / alpha
    left = np.where(t > 600.0, _growing(alpha, t), alpha * np.expm1(t))
    return np.where((x > 0.0) | (np.abs(t) < 2.0**-54), x, left)


def celu_1(x: Array, alpha: float) -> Array:
    """1 for x > 0, exp(x / alpha) otherwise."""
    return np.where(x > 0.0, 1.0, _growing(1.0, _left(x) / alpha))


def celu_2(x: Array, alpha: float) -> Array:
    """0 for x > 0, exp(x / alpha) / alpha otherwise."""
    return np.where(x > 0.0, 0.0, _growing(1.0 / alpha, _left(x) / alpha))
