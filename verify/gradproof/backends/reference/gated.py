"""Float64 kernels of x times something that rises from 0 to 1: silu, quick_gelu, mish, gelu, gelu_tanh; orders 0 to 2.

Each takes float64 values of any shape and returns float64 of the same shape. Written over a = |x| and one
exponential as in ``smooth``. Where the gate s has s(-x) = 1 - s(x), the right half follows from
f(x) - f(-x) = x.
"""

from __future__ import annotations

from fractions import Fraction
from typing import Final

import numpy as np

from gradproof.backends.reference.arithmetic import (
    INV_SQRT_2PI,
    Array,
    Pair,
    clipped,
    normal_centre,
    pair,
    pair_product,
    pair_sum,
    scaled_normal_tail,
    times_exp,
    two_product,
)

# -- x s(c x) with the sigmoid s: a = |x|, v = c a, e = exp(-v) ---------------------------------------------


def _gate(a: Array, v: Array, v_low: Array | float) -> tuple[Array, Array]:
    """1 + e, and a e / (1 + e), which is -f on the left."""
    below = 1.0 + np.exp(-v)
    return below, times_exp(a / below, -v, -v_low)


def _gated(x: Array, v: Array, v_low: Array | float = 0.0) -> Array:
    below, tail = _gate(clipped(x), v, v_low)
    return np.where(x < 0.0, -tail, x / below)


def _gated_1(x: Array, v: Array, v_low: Array | float = 0.0) -> Array:
    """s + v s (1 - s) = e (1 + e - v) / (1 + e)^2 on the left; f'(x) = 1 - f'(-x)."""
    below = 1.0 + np.exp(-v)
    left = times_exp(((below - v) - v_low) / below**2, -v, -v_low)
    return np.where(x < 0.0, left, 1.0 - left)


def _gated_2(v: Array, v_low: Array | float = 0.0, c: float = 1.0) -> Array:
    """c s (1 - s) (2 - v tanh(v/2)), even; tanh(v/2) = (1 - e) / (1 + e)."""
    below = 1.0 + np.exp(-v)
    return times_exp(c * (2.0 + v * np.expm1(-v) / below) / below**2, -v, -v_low)


def silu(x: Array) -> Array:
    """x s(x)."""
    return _gated(x, clipped(x))


def silu_1(x: Array) -> Array:
    """s + x s (1 - s)."""
    return _gated_1(x, clipped(x))


def silu_2(x: Array) -> Array:
    """s (1 - s) (2 - x tanh(x/2))."""
    return _gated_2(clipped(x))


_QUICK: Final = Fraction("1.702")


def _quick(x: Array) -> Pair:
    """v = 1.702 a as a pair: the float64 next to 1.702 alone would cost the far tail hundreds of ulps."""
    a = clipped(x)
    return pair_product(pair(_QUICK, a), (a, np.zeros_like(a)))


def quick_gelu(x: Array) -> Array:
    """x s(1.702 x)."""
    return _gated(x, *_quick(x))


def quick_gelu_1(x: Array) -> Array:
    """s + v s (1 - s) at v = 1.702 x."""
    return _gated_1(x, *_quick(x))


def quick_gelu_2(x: Array) -> Array:
    """1.702 s (1 - s) (2 - v tanh(v/2)) at v = 1.702 x."""
    return _gated_2(*_quick(x), c=float(_QUICK))


# -- mish: f = x w with w = tanh(softplus(x)); e = exp(-a) ---------------------------------------------------


def mish(x: Array) -> Array:
    """w = e (e + 2) / (e (e + 2) + 2) on the left, (1 + 2 e) / (1 + 2 e + 2 e^2) on the right."""
    a = clipped(x)
    e = np.exp(-a)
    left = times_exp(-a * (e + 2.0) / (e * (e + 2.0) + 2.0), -a)
    return np.where(x < 0.0, left, x * ((1.0 + 2.0 * e) / (1.0 + 2.0 * e + 2.0 * e * e)))


def mish_1(x: Array) -> Array:
    """e (4 (1 + x) + e (6 + 4 x) + 4 e^2 + e^3) / (e^2 + 2 e + 2)^2 on the left.

    On the right, with e = exp(-x), (1 + 4 e + (6 + 4 x) e^2 + 4 (1 + x) e^3) / (1 + 2 e + 2 e^2)^2.
    """
    a = clipped(x)
    e = np.exp(-a)
    polynomial = 4.0 * (1.0 - a) + e * ((6.0 - 4.0 * a) + e * (4.0 + e))
    left = times_exp(polynomial / (e * (e + 2.0) + 2.0) ** 2, -a)
    right = 1.0 + e * (4.0 + e * ((6.0 + 4.0 * a) + e * (4.0 + 4.0 * a)))
    return np.where(x < 0.0, left, right / (1.0 + 2.0 * e + 2.0 * e * e) ** 2)


def mish_2(x: Array) -> Array:
    """4 e (2 (1 + e) d + x (2 + 2 e - 3 e^2 - 2 e^3)) / d^3 with d = e^2 + 2 e + 2 on the left.

    On the right, with e = exp(-x), 4 e^2 (2 (1 + e) d - x (2 + 3 e - 2 e^2 - 2 e^3)) / d^3 with
    d = 1 + 2 e + 2 e^2. Both brackets by powers of e, so that the difference is that of the first coefficient.
    """
    a = clipped(x)
    e = np.exp(-a)
    d = e * (e + 2.0) + 2.0
    left = (4.0 - 2.0 * a) + e * ((8.0 - 2.0 * a) + e * ((6.0 + 3.0 * a) + e * (2.0 + 2.0 * a)))
    d_right = 1.0 + 2.0 * e + 2.0 * e * e
    right = (2.0 - 2.0 * a) + e * ((6.0 - 3.0 * a) + e * ((8.0 + 2.0 * a) + e * (4.0 + 2.0 * a)))
    return np.where(
        x < 0.0, times_exp(4.0 * left / (d * d * d), -a), times_exp(4.0 * right / d_right**2 / d_right, -2.0 * a)
    )


# -- gelu: Phi and phi of the standard normal, through exp(-x^2/2) with x^2 to twice the precision ---------


def _half_square(x: Array) -> tuple[Array, Array, Array]:
    """a = |x| clipped, and -a^2/2 as a high and a low part."""
    a = clipped(x, 60.0)  # exp(-60^2 / 2) is 0
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
    a = clipped(x, 40.0)  # u(40) > 4000
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
