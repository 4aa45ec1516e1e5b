"""Float64 kernels of the smooth functions without exponentials, softsign and squareplus; orders 0 to 2.

Each takes float64 values of any shape and returns float64 of the same shape. |x| is clipped or halved where its
square, or a sum with it, would overflow, so that infinities give the limits.
"""

from __future__ import annotations

from typing import Final

import numpy as np

from gradproof.backends.reference.arithmetic import Array, clipped

_HUGE: Final = 1e300


def softsign(x: Array) -> Array:
    """x / (1 + |x|)."""
    a = clipped(x, _HUGE)
    return np.copysign(a / (1.0 + a), x)


def softsign_1(x: Array) -> Array:
    """1 / (1 + |x|)^2, even."""
    r = 1.0 / (1.0 + np.abs(x))
    return r * r


def softsign_2(x: Array) -> Array:
    """-2 sign(x) / (1 + |x|)^3, odd; 0 at 0, where it jumps from 2 to -2."""
    r = 1.0 / (1.0 + np.abs(x))
    return -2.0 * np.sign(x) * r * (r * r)


# -- squareplus: a = |x|, h = sqrt(x^2 + b) ---------------------------------------------------------------


def _hypotenuse(x: Array, b: float) -> tuple[Array, Array]:
    """a and h."""
    a = clipped(x, _HUGE)
    return a, np.hypot(a, np.sqrt(b))


def squareplus(x: Array, b: float) -> Array:
    """(x + h) / 2; on the left b / (2 (a + h)), which does not cancel. Halved first: a + h could overflow."""
    a = np.abs(x)
    mean = 0.5 * a + 0.5 * np.hypot(a, np.sqrt(b))
    return np.where(x < 0.0, 0.25 * b / mean, mean)


def squareplus_1(x: Array, b: float) -> Array:
    """(1 + x / h) / 2; on the left b / (2 h (a + h))."""
    a, h = _hypotenuse(x, b)
    return np.where(x < 0.0, 0.5 * b / h / (a + h), 0.5 + 0.5 * a / h)


def squareplus_2(x: Array, b: float) -> Array:
    """b / (2 h^3), even."""
    _, h = _hypotenuse(x, b)
    return 0.5 * b / h / h / h
