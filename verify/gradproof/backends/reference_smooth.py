"""Float64 kernels of the smooth functions, orders 0 to 2, in forms that do not cancel.

Each takes float64 values of any shape and returns float64 of the same shape. Written over a = |x| and
e = exp(-a), every formula is a product of a bounded factor and one exponential (``times_exp``), so that the
tails keep their digits down to the last subnormal. The left half follows from symmetry:
s(-x) = 1 - s(x) for the sigmoid, and f(x) - f(-x) = x for gelu, gelu_tanh and silu.
Arguments are clipped where the exponential has long underflowed, so that infinities give the limits.
"""

from __future__ import annotations

from fractions import Fraction
from typing import Final

import numpy as np

from gradproof.backends.reference_math import (
    INV_SQRT_2PI,
    Array,
    Pair,
    normal_centre,
    pair,
    pair_product,
    pair_sum,
    scaled_normal_tail,
    times_exp,
    two_product,
)

_FAR: Final = 2000.0
"""exp(-2000) is 0 in float64 by far; larger arguments are clipped to this."""


def _clipped(x: Array, bound: float = _FAR) -> Array:
    return np.minimum(np.abs(x), bound)


# -- the sigmoid family: s = sigmoid(x), a = |x|, e = exp(-a) ---------------------------------------------


def sigmoid(x: Array) -> Array:
    """1 / (1 + e) on the right, e / (1 + e) on the left."""
    a = _clipped(x)
    e = np.exp(-a)
    return np.where(x < 0.0, times_exp(1.0 / (1.0 + e), -a), 1.0 / (1.0 + e))


def sigmoid_1(x: Array) -> Array:
    """s (1 - s) = e / (1 + e)^2, even."""
    a = _clipped(x)
    return times_exp(1.0 / (1.0 + np.exp(-a)) ** 2, -a)


def _odd(x: Array, a: Array) -> Array:
    """-sign(x) (1 - e) / (1 + e)^3."""
    below = 1.0 + np.exp(-a)
    return np.copysign(np.expm1(-a), -x) / (below**2 * below)


def sigmoid_2(x: Array) -> Array:
    """s (1 - s) (1 - 2 s) = -sign(x) e (1 - e) / (1 + e)^3, odd."""
    a = _clipped(x)
    return times_exp(_odd(x, a), -a)


def tanh(x: Array) -> Array:
    """The platform's tanh."""
    return np.tanh(x)


def tanh_1(x: Array) -> Array:
    """1 - tanh^2 = 4 e / (1 + e)^2 with e = exp(-2 a), even."""
    a = 2.0 * _clipped(x)
    return times_exp(4.0 / (1.0 + np.exp(-a)) ** 2, -a)


def tanh_2(x: Array) -> Array:
    """-2 tanh (1 - tanh^2) = -sign(x) 8 e (1 - e) / (1 + e)^3 with e = exp(-2 a), odd."""
    a = 2.0 * _clipped(x)
    return times_exp(8.0 * _odd(x, a), -a)


def logsigmoid(x: Array) -> Array:
    """min(x, 0) - log(1 + e)."""
    return np.minimum(x, 0.0) - np.log1p(np.exp(-_clipped(x)))


def logsigmoid_1(x: Array) -> Array:
    """sigmoid(-x)."""
    return sigmoid(-x)


def logsigmoid_2(x: Array) -> Array:
    """-s (1 - s)."""
    return -sigmoid_1(x)


def silu(x: Array) -> Array:
    """x s(x); on the left -a e / (1 + e)."""
    a = _clipped(x)
    below = 1.0 + np.exp(-a)
    return np.where(x < 0.0, times_exp(-a / below, -a), x / below)


def silu_1(x: Array) -> Array:
    """s + x s (1 - s) = e (1 + e - a) / (1 + e)^2 on the left; f'(x) = 1 - f'(-x)."""
    a = _clipped(x)
    below = 1.0 + np.exp(-a)
    left = times_exp((below - a) / below**2, -a)
    return np.where(x < 0.0, left, 1.0 - left)


def silu_2(x: Array) -> Array:
    """s (1 - s) (2 - a tanh(a/2)), even; tanh(a/2) = (1 - e) / (1 + e)."""
    a = _clipped(x)
    below = 1.0 + np.exp(-a)
    return times_exp((2.0 + a * np.expm1(-a) / below) / below**2, -a)


# -- softplus: v = beta x, kept to twice the precision ----------------------------------------------------


def _beta_x(x: Array, beta: float) -> tuple[Array, Array, Array]:
    """The clipped |v|, what -|v| lacks to be exact, and v itself rounded."""
    v, low = two_product(x, np.full_like(x, beta))
    low = np.where(np.abs(v) < _FAR, -np.copysign(low, low * v), 0.0)
    return _clipped(v), low, v


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


# -- gelu: Phi and phi of the standard normal, through exp(-x^2/2) with x^2 to twice the precision ---------


def _half_square(x: Array) -> tuple[Array, Array, Array]:
    """a = |x| clipped, and -a^2/2 as a high and a low part."""
    a = _clipped(x, 60.0)  # exp(-60^2 / 2) is 0
    square, low = two_product(a, a)
    return a, -0.5 * square, -0.5 * low


def gelu(x: Array) -> Array:
    """x Phi(x); on the left -a Q(a)."""
    a, t, t_low = _half_square(x)
    near = a * (0.5 - normal_centre(np.minimum(a, 1.0)))
    tail = np.where(a < 1.0, near, times_exp(a * scaled_normal_tail(a), t, t_low))
    return np.where(x < 0.0, -tail, x - tail)


def gelu_1(x: Array) -> Array:
    """Phi + x phi = Q(a) - a phi(a) on the left; f'(x) = 1 - f'(-x)."""
    a, t, t_low = _half_square(x)
    steep = INV_SQRT_2PI * a
    near = (0.5 - normal_centre(np.minimum(a, 1.0))) - times_exp(steep, t, t_low)
    left = np.where(a < 1.0, near, times_exp(scaled_normal_tail(a) - steep, t, t_low))
    return np.where(x < 0.0, left, 1.0 - left)


def gelu_2(x: Array) -> Array:
    """phi (2 - x^2), even."""
    _, t, t_low = _half_square(x)
    return times_exp(INV_SQRT_2PI * ((2.0 + 2.0 * t) + 2.0 * t_low), t, t_low)


# -- gelu_tanh: f = x s(u), u = K (x + A x^3), K = 2 sqrt(2/pi), w = u' --------------------------------------

_A: Final = Fraction("0.044715")
_K: Final = Fraction(1.5957691216057308) + Fraction(-9.96930880911092e-17)
"""2 sqrt(2/pi) to 2**-106 (mpmath, 50 digits)."""


def _cubic(x: Array) -> tuple[Array, Pair, Array, Pair]:
    """a = |x| clipped, A a^2 as a pair, e = exp(-u(a)), and u(a) as a pair."""
    a = _clipped(x, 40.0)  # u(40) > 4000
    term = pair_product(pair(_A, a), two_product(a, a))
    u = pair_product(pair_product(pair(_K, a), (a, np.zeros_like(a))), pair_sum(pair(Fraction(1), a), term))
    return a, term, np.exp(-u[0]), u


def gelu_tanh(x: Array) -> Array:
    """x s(u); on the left -a e / (1 + e)."""
    a, _, e, u = _cubic(x)
    tail = times_exp(a / (1.0 + e), -u[0], -u[1])
    return np.where(x < 0.0, -tail, x - tail)


def gelu_tanh_1(x: Array) -> Array:
    """s + x s (1 - s) w = e (1 + e - a w) / (1 + e)^2 on the left; f'(x) = 1 - f'(-x)."""
    a, term, e, u = _cubic(x)
    below = 1.0 + e
    a_slope = u[0] + 2.0 * float(_K) * (a * term[0])  # a w = K (a + 3 A a^3)
    left = times_exp((below - a_slope) / below**2, -u[0], -u[1])
    return np.where(x < 0.0, left, 1.0 - left)


def gelu_tanh_2(x: Array) -> Array:
    """s (1 - s) (2 w + a w' - a w^2 tanh(u/2)), even.

    With tanh(u/2) = 1 - 2 e / (1 + e) the bracket is (K (2 + 12 A a^2) - p) + 2 p e / (1 + e), where
    p = a w^2. The first difference cancels for a above 1, so it is taken over pairs.
    """
    a, term, e, u = _cubic(x)
    k = pair(_K, a)
    slope = pair_product(k, pair_sum(pair(Fraction(1), a), (3.0 * term[0], 3.0 * term[1])))
    p = pair_product(pair_product(slope, slope), (a, np.zeros_like(a)))
    linear = pair_product(k, pair_sum(pair(Fraction(2), a), (12.0 * term[0], 12.0 * term[1])))
    high, low = pair_sum(linear, (-p[0], -p[1]))
    below = 1.0 + e
    return times_exp(((high + 2.0 * p[0] * e / below) + low) / below**2, -u[0], -u[1])
