"""Float64 kernels of the piecewise functions, orders 0 to 2.

Each takes float64 values of any shape and keyword parameters, and returns float64 of the same shape. A kink
takes the piece on its left, except the upper bounds of hardtanh and relu6, where the slope is 0; either way
the derivative lies in the Clarke interval. NaN in gives NaN out at every order.
"""

from __future__ import annotations

from fractions import Fraction
from typing import Final

import numpy as np

from gradproof.backends.reference_math import Array, times_exp

_SCALE: Final = Fraction("1.0507009873554804934193349852946")
_ALPHA: Final = Fraction("1.6732632423543772848170429916717")
SELU_SCALE: Final = float(_SCALE)
"""lambda of SELU as its authors published it (Klambauer et al. 2017), rounded once to float64."""
SELU_SCALE_ALPHA: Final = float(_SCALE * _ALPHA)
"""lambda * alpha, multiplied exactly and rounded once."""


def _left(x: Array) -> Array:
    """x where it is not positive, NaN and -0 included, otherwise 0."""
    return np.where(x > 0.0, 0.0, x)


def _keep_nan(x: Array, y: Array | float) -> Array:
    return np.where(np.isnan(x), x, y)


def zero(x: Array, **_: float) -> Array:
    """The second derivative of everything piecewise linear."""
    return _keep_nan(x, 0.0)


def relu(x: Array) -> Array:
    """max(x, 0)."""
    return np.maximum(x, 0.0)


def relu_1(x: Array) -> Array:
    """The step function, 0 at 0."""
    return _keep_nan(x, np.where(x > 0.0, 1.0, 0.0))


def leaky_relu(x: Array, negative_slope: float) -> Array:
    """x for x > 0, negative_slope * x otherwise."""
    return np.where(x > 0.0, x, _sloped(x, negative_slope))


def leaky_relu_1(x: Array, negative_slope: float) -> Array:
    """1 for x > 0, negative_slope otherwise."""
    return _keep_nan(x, np.where(x > 0.0, 1.0, negative_slope))


def prelu(x: Array, weight: float) -> Array:
    """leaky_relu with its slope called ``weight``."""
    return leaky_relu(x, weight)


def prelu_1(x: Array, weight: float) -> Array:
    """1 for x > 0, weight otherwise."""
    return leaky_relu_1(x, weight)


def _sloped(x: Array, slope: float) -> Array:
    # A slope of 0 would turn -inf into NaN, where the limit is 0.
    return slope * x if slope else _keep_nan(x, np.where(np.signbit(x), -0.0, 0.0))


def hardtanh(x: Array, min: float, max: float) -> Array:
    """x clipped to [min, max]."""
    return np.clip(x, min, max)


def hardtanh_1(x: Array, min: float, max: float) -> Array:
    """1 strictly between the bounds, 0 elsewhere."""
    return _keep_nan(x, np.where((x > min) & (x < max), 1.0, 0.0))


def relu6(x: Array) -> Array:
    """x clipped to [0, 6]."""
    return np.clip(x, 0.0, 6.0)


def relu6_1(x: Array) -> Array:
    """1 strictly between 0 and 6, 0 elsewhere."""
    return hardtanh_1(x, 0.0, 6.0)


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
