"""Float64 kernels of the smooth functions, orders 0 to 2, in forms that do not cancel.

Each takes float64 values of any shape and returns float64 of the same shape. Written over a = |x| and
e = exp(-a), every formula is a product of a bounded factor and one exponential (``times_exp``), so that the
tails keep their digits down to the last subnormal. The left half follows from symmetry:
s(-x) = 1 - s(x) for the sigmoid. Arguments are clipped where the exponential has long underflowed, so that
infinities give the limits.
"""

from __future__ import annotations

from fractions import Fraction
from math import factorial, inf, nextafter
from sys import float_info
from typing import Final

import numpy as np

from gradproof.backends.reference.arithmetic import FAR, Array, clipped, times_exp, two_product

# -- the sigmoid family: s = sigmoid(x), a = |x|, e = exp(-a) ---------------------------------------------


def sigmoid(x: Array) -> Array:
    """1 / (1 + e) on the right, e / (1 + e) on the left."""
    a = clipped(x)
    e = np.exp(-a)
    return np.where(x < 0.0, times_exp(1.0 / (1.0 + e), -a), 1.0 / (1.0 + e))


def sigmoid_1(x: Array) -> Array:
    """s (1 - s) = e / (1 + e)^2, even."""
    a = clipped(x)
    return times_exp(1.0 / (1.0 + np.exp(-a)) ** 2, -a)


def _odd(x: Array, a: Array) -> Array:
    """-sign(x) (1 - e) / (1 + e)^3."""
    below = 1.0 + np.exp(-a)
    return np.copysign(np.expm1(-a), -x) / (below**2 * below)


def sigmoid_2(x: Array) -> Array:
    """s (1 - s) (1 - 2 s) = -sign(x) e (1 - e) / (1 + e)^3, odd."""
    a = clipped(x)
    return times_exp(_odd(x, a), -a)


def tanh(x: Array) -> Array:
    """The platform's tanh."""
    return np.tanh(x)


def tanh_1(x: Array) -> Array:
    """1 - tanh^2 = 4 e / (1 + e)^2 with e = exp(-2 a), even."""
    a = 2.0 * clipped(x)
    return times_exp(4.0 / (1.0 + np.exp(-a)) ** 2, -a)


def tanh_2(x: Array) -> Array:
    """-2 tanh (1 - tanh^2) = -sign(x) 8 e (1 - e) / (1 + e)^3 with e = exp(-2 a), odd."""
    a = 2.0 * clipped(x)
    return times_exp(8.0 * _odd(x, a), -a)


_SHRUNK: Final = tuple(float(Fraction(2 * n, factorial(2 * n + 1))) for n in range(12, 0, -1))
"""Taylor coefficients of (x cosh x - sinh x) / x^3 in x^2, highest first; the next is below 2**-86."""


def tanhshrink(x: Array) -> Array:
    """x - tanh x; (x cosh x - sinh x) / cosh x for |x| < 1, the numerator by its series, all of one sign."""
    near = np.where(np.abs(x) < 1.0, x, 0.0)
    square = near * near
    series = np.zeros_like(square)
    for coefficient in _SHRUNK:
        series = series * square + coefficient
    return np.where(np.abs(x) < 1.0, near * (square * series / np.cosh(near)), x - np.tanh(x))


def tanhshrink_1(x: Array) -> Array:
    """tanh^2."""
    return np.tanh(x) ** 2


def tanhshrink_2(x: Array) -> Array:
    """2 tanh (1 - tanh^2)."""
    return -tanh_2(x)


def logsigmoid(x: Array) -> Array:
    """min(x, 0) - log(1 + e)."""
    return np.minimum(x, 0.0) - np.log1p(np.exp(-clipped(x)))


def logsigmoid_1(x: Array) -> Array:
    """sigmoid(-x)."""
    return sigmoid(-x)


def logsigmoid_2(x: Array) -> Array:
    """-s (1 - s)."""
    return -sigmoid_1(x)


# -- softplus: v = beta x, kept to twice the precision ----------------------------------------------------


def _beta_x(x: Array, beta: float) -> tuple[Array, Array, Array]:
    """The clipped |v|, what -|v| lacks to be exact, and v itself rounded."""
    v, low = two_product(x, np.full_like(x, beta))
    low = np.where(np.abs(v) < FAR, -np.copysign(low, low * v), 0.0)
    return clipped(v), low, v


def softplus(x: Array, beta: float) -> Array:
    """log(1 + exp(beta x)) / beta."""
    a, low, v = _beta_x(x, beta)
    e = np.exp(-a)
    e = e + e * low
    inner = np.where(v > 0.0, x, 0.0) + np.log1p(e) / beta
    return np.where(v < -37.0, times_exp(1.0 / beta, -a, low), inner)  # there log1p(e) is e


def softplus_1(x: Array, beta: float) -> Array:
    """sigmoid(beta x)."""
    a, low, v = _beta_x(x, beta)
    e = np.exp(-a)
    return np.where(v < 0.0, times_exp(1.0 / (1.0 + e), -a, low), 1.0 / (1.0 + e))


def softplus_2(x: Array, beta: float) -> Array:
    """beta s (1 - s) at beta x."""
    a, low, _ = _beta_x(x, beta)
    return times_exp(beta / (1.0 + np.exp(-a)) ** 2, -a, low)


def _end(beta: float, threshold: float) -> float:
    """The largest float64 that is at most threshold / beta: x > threshold / beta iff x is greater."""
    quotient = Fraction(threshold) / Fraction(beta)
    if quotient > Fraction(float_info.max):
        return float_info.max
    nearest = float(quotient)
    return nearest if Fraction(nearest) <= quotient else nextafter(nearest, -inf)


def softplus_threshold(x: Array, beta: float, threshold: float) -> Array:
    """x where beta x > threshold, softplus elsewhere."""
    return np.where(x > _end(beta, threshold), x, softplus(x, beta))


def softplus_threshold_1(x: Array, beta: float, threshold: float) -> Array:
    """1 where beta x > threshold."""
    return np.where(x > _end(beta, threshold), 1.0, softplus_1(x, beta))


def softplus_threshold_2(x: Array, beta: float, threshold: float) -> Array:
    """0 where beta x > threshold."""
    return np.where(x > _end(beta, threshold), 0.0, softplus_2(x, beta))
