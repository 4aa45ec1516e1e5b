"""Float64 kernels of the piecewise functions, orders 0 to 2.

Each takes float64 values of any shape and keyword parameters, and returns float64 of the same shape. A kink
takes the piece on its left, except where the function's own line says otherwise; either way the derivative lies
in the Clarke interval. NaN in gives NaN out at every order.
"""

from __future__ import annotations

import numpy as np

from gradproof.backends.reference.arithmetic import Array


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


def threshold(x: Array, threshold: float, value: float) -> Array:
    """x for x > threshold, value otherwise."""
    return _keep_nan(x, np.where(x > threshold, x, value))


def threshold_1(x: Array, threshold: float, **_: float) -> Array:
    """1 for x > threshold, 0 otherwise."""
    return _keep_nan(x, np.where(x > threshold, 1.0, 0.0))


def maximum0_1(x: Array) -> Array:
    """The step function, 1/2 at 0: the gradient of a tie goes to both operands in equal parts."""
    return np.heaviside(x, 0.5)


def absolute_1(x: Array) -> Array:
    """The sign, 0 at 0."""
    return np.sign(x)


def hardsigmoid(x: Array) -> Array:
    """x + 3 clipped to [0, 6], over 6."""
    return np.clip(x + 3.0, 0.0, 6.0) / 6.0


def hardsigmoid_1(x: Array) -> Array:
    """1/6 strictly between -3 and 3, 0 elsewhere."""
    return hardtanh_1(x, -3.0, 3.0) / 6.0


def hardswish(x: Array) -> Array:
    """0 up to -3, x (x + 3) / 6 up to 3, x beyond."""
    return np.where(x >= 3.0, x, np.where(x <= -3.0, 0.0, x * (x + 3.0) / 6.0))


def hardswish_1(x: Array) -> Array:
    """0 up to -3, (2 x + 3) / 6 up to 3, 1 from there on."""
    return np.where(x >= 3.0, 1.0, np.where(x <= -3.0, 0.0, (2.0 * x + 3.0) / 6.0))


def hardswish_2(x: Array) -> Array:
    """1/3 strictly between -3 and 3, 0 elsewhere."""
    return hardtanh_1(x, -3.0, 3.0) / 3.0


def hardshrink(x: Array, lambd: float) -> Array:
    """x where |x| > lambd, otherwise a zero of its sign."""
    return _keep_nan(x, np.where(np.abs(x) > lambd, x, np.copysign(0.0, x)))


def softshrink(x: Array, lambd: float) -> Array:
    """x less lambd towards 0 where |x| > lambd, otherwise a zero of its sign."""
    return _keep_nan(x, np.where(np.abs(x) > lambd, x - np.copysign(lambd, x), np.copysign(0.0, x)))


def shrink_1(x: Array, lambd: float) -> Array:
    """1 where |x| > lambd, 0 elsewhere, for both; with lambd = 0 they are the identity."""
    return _keep_nan(x, np.where((np.abs(x) > lambd) | (lambd == 0.0), 1.0, 0.0))
