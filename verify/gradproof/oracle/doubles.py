"""The second filter: definitions over arrays of double-double balls ``hi + lo +- rad``.

Where float64 balls are too wide (float64 itself, cancellation near the roots of f' and f''), the same definition is
evaluated in pairs of float64 numbers. The basic operations are those of Joldes, Muller and Popescu ("Tight and
rigorous error bounds for basic building blocks of double-word arithmetic", ACM TOMS 44, 2017), whose relative
errors lie between 3 and 15 times 2^-106; ``PAIR`` bounds them all. Products are split after Dekker (1971), for
want of a fused multiply-add in NumPy; what underflow takes from their low parts is bounded by ``TINY``.

Elementary functions are ours (``pairs``), with the relative error ``ELEMENTARY``: it is derived from the steps there,
and a test compares it with arb. Only sin, cos, tan and their inverses are NumPy's, with ``LIBRARY``, and radii, which
may be 1 % off.

A lane that leaves the finite numbers ends up with a radius of inf or NaN: the filter then decides nothing there.
"""

from __future__ import annotations

import math
from fractions import Fraction
from typing import Any, Final

import numpy as np
import numpy.typing as npt

from gradproof.functions.function import Function
from gradproof.oracle import pairs
from gradproof.oracle.pairs import Pair
from gradproof.oracle.series import FACTORIALS, ORDERS, Series, SeriesContext, lifted

PAIR: Final = 2.0**-101
"""Bound of the relative error of one operation on pairs: 32 times 2^-106."""
TINY: Final = 2.0**-1066
SLACK: Final = 1.0 + 2.0**-40
ELEMENTARY: Final = 2.0**-88
"""Bound of the relative error of the elementary functions of ``pairs``."""
LIBRARY: Final = 2.0**-48
"""The same for those taken from NumPy (sin, cos, tan and their inverses): no better than the first filter."""

Array = npt.NDArray[np.float64]


class Doubles:
    """An array of real numbers, each known to lie within ``rad`` of ``hi + lo``. Broadcasts like NumPy."""

    __slots__ = ("hi", "lo", "rad")
    __array_ufunc__ = None

    def __init__(self, hi: Any, lo: Any, rad: Any) -> None:
        self.hi = hi
        self.lo = lo
        self.rad = rad

    @staticmethod
    def of(other: Any) -> Doubles:
        """Lift a Python int, float or Fraction, with what a pair cannot hold of it as radius."""
        return other if isinstance(other, Doubles) else _enclosed(Fraction(other))

    @property
    def pair(self) -> Pair:
        """The centre."""
        return self.hi, self.lo

    def __neg__(self) -> Doubles:
        return Doubles(-self.hi, -self.lo, self.rad)

    @lifted
    def __add__(self, other: Doubles) -> Doubles:
        hi, lo = pairs.add(self.pair, other.pair)
        return Doubles(hi, lo, (self.rad + other.rad + PAIR * np.abs(hi)) * SLACK)

    __radd__ = __add__

    @lifted
    def __sub__(self, other: Doubles) -> Doubles:
        return self + -other

    @lifted
    def __rsub__(self, other: Doubles) -> Doubles:
        return other + -self

    def __mul__(self, other: Any) -> Any:
        if _is_power_of_two(other):
            return Doubles(self.hi * other, self.lo * other, (self.rad * abs(other)) * SLACK + TINY)
        return self._times(other)

    @lifted
    def _times(self, other: Doubles) -> Doubles:
        hi, lo = pairs.multiply(self.pair, other.pair)
        size, other_size = np.abs(self.hi), np.abs(other.hi)
        carried = size * other.rad + self.rad * (other_size + other.rad)
        return Doubles(hi, lo, (carried + PAIR * np.abs(hi)) * SLACK + TINY)

    __rmul__ = __mul__

    @lifted
    def __truediv__(self, other: Doubles) -> Doubles:
        hi, lo = pairs.divide(self.pair, other.pair)
        room = np.abs(other.hi) * (1 - 2.0**-50) - other.rad
        size = np.abs(hi)
        carried = np.where(room > 0, (self.rad + (size + TINY) * other.rad + TINY) / room, np.inf)
        return Doubles(hi, lo, (carried + PAIR * size) * SLACK + TINY)

    @lifted
    def __rtruediv__(self, other: Doubles) -> Doubles:
        return other / self


def _is_power_of_two(value: Any) -> bool:
    """Whether a factor only moves the exponent, within float64."""
    if not isinstance(value, (int, float)) or abs(value) > 2**1000:
        return False
    return math.frexp(value)[0] in (0.5, -0.5)


def _enclosed(value: Fraction) -> Doubles:
    """The ball around one rational number; of infinite radius beyond float64."""
    try:
        hi, lo = pairs.of(value)
    except OverflowError:
        return Doubles(0.0, 0.0, math.inf)
    gap = abs(Fraction(hi) + Fraction(lo) - value)
    return Doubles(hi, lo, float(gap) * SLACK + (TINY if gap else 0.0))


class _DoubleScalars:
    """Elementary functions of double-double balls: the pair's value, plus the radius times a bound on the slope."""

    @property
    def pi(self) -> Doubles:
        hi, lo = pairs.PI
        return Doubles(hi, lo, 2.0**-104)

    def real(self, value: Any) -> Doubles:
        return _enclosed(Fraction(value))

    def ratio(self, x: Any, n: int) -> Any:
        return x * 0.5 if n == 2 else x / n

    def _ball(self, value: Pair, carried: Any, relative: float = ELEMENTARY) -> Doubles:
        hi, lo = value
        return Doubles(hi, lo, (carried + relative * np.abs(hi)) * SLACK + TINY)

    def exp(self, x: Doubles) -> Doubles:
        hi, lo = pairs.exp(x.pair)
        return self._ball((hi, lo), (np.abs(hi) + TINY) * np.expm1(x.rad) * 1.01)

    def expm1(self, x: Doubles) -> Doubles:
        value = pairs.expm1(x.pair)
        return self._ball(value, (np.abs(value[0]) + 1.0) * np.expm1(x.rad) * 1.01)

    def log(self, x: Doubles) -> Doubles:
        low = np.abs(x.hi) * (1 - 2.0**-50) - x.rad
        value = pairs.log(x.pair)
        return self._ball(value, np.where((low > 0) & (x.hi > 0), x.rad / low, np.inf) + ELEMENTARY)

    def log1p(self, x: Doubles) -> Doubles:
        low = (1.0 + x.hi) * (1 - 2.0**-50) - np.abs(x.lo) - x.rad
        return self._ball(pairs.log1p(x.pair), np.where(low > 0, x.rad / low, np.inf))

    def sqrt(self, x: Doubles) -> Doubles:
        low = x.hi * (1 - 2.0**-50) - x.rad
        carried = np.where(low > 0, 0.5 * x.rad / np.sqrt(np.where(low > 0, low, 1.0)), np.inf)
        return self._ball(pairs.sqrt(x.pair), np.where(x.rad == 0, 0.0, carried))

    def sin(self, x: Doubles) -> Doubles:
        return self._plain(np.sin(x.hi), np.abs(x.lo) + x.rad)

    def cos(self, x: Doubles) -> Doubles:
        return self._plain(np.cos(x.hi), np.abs(x.lo) + x.rad)

    def atan(self, x: Doubles) -> Doubles:
        return self._plain(np.arctan(x.hi), np.abs(x.lo) + x.rad)

    def _plain(self, value: Any, carried: Any) -> Doubles:
        return self._ball((value, np.zeros_like(value)), carried, LIBRARY)

    def tanh(self, x: Doubles) -> Doubles:
        nearest = np.maximum(np.abs(x.hi) * (1 - 2.0**-50) - x.rad, 0.0)
        slope = np.minimum(1.0, 4.01 * np.exp(-2.0 * nearest))
        return self._ball(pairs.tanh(x.pair), x.rad * slope)

    def sech2(self, x: Doubles) -> Doubles:
        folded = np.where(x.hi > 0, -2.0, 2.0)
        t = self.exp(Doubles(x.hi * folded, x.lo * folded, 2.0 * x.rad))
        root = 1 + t
        bell: Doubles = 4 * t / (root * root)
        return bell

    def sigmoid(self, x: Doubles) -> Doubles:
        slope = np.minimum(0.2501, 1.01 * np.exp(x.rad - np.abs(x.hi)))
        return self._ball(pairs.sigmoid(x.pair), x.rad * slope)

    def softplus(self, x: Doubles) -> Doubles:
        slope = np.minimum(1.0, 1.01 * np.exp(x.hi + x.rad))
        return self._ball(pairs.softplus(x.pair), x.rad * slope)

    def erf(self, x: Doubles) -> Doubles:
        return self._ball(pairs.erf(x.pair), x.rad * self._gauss(x))

    def erfc(self, x: Doubles) -> Doubles:
        return self._ball(pairs.erfc(x.pair), x.rad * self._gauss(x))

    def sinh(self, x: Doubles) -> Doubles:
        return self._ball(pairs.sinh(x.pair), self._cosh_change(x))

    def cosh(self, x: Doubles) -> Doubles:
        return self._ball(pairs.cosh(x.pair), self._cosh_change(x))

    def _cosh_change(self, x: Doubles) -> Any:
        """A bound on the change of sinh, and so of cosh, over the ball."""
        return np.where(x.rad == 0, 0.0, x.rad * np.cosh(np.abs(x.hi) + x.rad) * 1.01)

    def tan(self, x: Doubles) -> Doubles:
        moved = np.abs(x.lo) + x.rad
        size = np.abs(np.cos(x.hi)) * 0.99
        room = size - moved
        return self._plain(np.tan(x.hi), np.where(room > 0, 1.01 * moved / (size * room), np.inf))

    def asin(self, x: Doubles) -> Doubles:
        return self._plain(np.arcsin(x.hi), self._asin_change(x))

    def acos(self, x: Doubles) -> Doubles:
        return self._plain(np.arccos(x.hi), self._asin_change(x))

    def _asin_change(self, x: Doubles) -> Any:
        moved = np.abs(x.lo) + x.rad
        room = (1.0 - np.abs(x.hi)) * (1 - 2.0**-50) - moved
        carried = np.where(room > 0, 1.01 * moved / np.sqrt(np.where(room > 0, room, 1.0)), np.inf)
        return np.where(moved == 0, 0.0, carried)

    def asinh(self, x: Doubles) -> Doubles:
        nearest = np.maximum(np.abs(x.hi) * (1 - 2.0**-50) - x.rad, 1.0)
        return self._ball(pairs.asinh(x.pair), x.rad / nearest)

    def acosh(self, x: Doubles) -> Doubles:
        room = (x.hi - 1.0) * (1 - 2.0**-50) - np.abs(x.lo) - x.rad
        carried = np.where(room > 0, x.rad / np.sqrt(np.where(room > 0, room, 1.0)), np.inf)
        return self._ball(pairs.acosh(x.pair), np.where(x.rad == 0, 0.0, carried))

    def atanh(self, x: Doubles) -> Doubles:
        room = (1.0 - np.abs(x.hi)) * (1 - 2.0**-50) - np.abs(x.lo) - x.rad
        return self._ball(pairs.atanh(x.pair), np.where(room > 0, x.rad / room, np.inf))

    def cbrt(self, x: Doubles) -> Doubles:
        low = np.abs(x.hi) * (1 - 2.0**-50) - x.rad
        root = np.cbrt(np.where(low > 0, low, 1.0))
        return self._ball(pairs.cbrt(x.pair), np.where(low > 0, x.rad / (root * root), np.inf))

    def _gauss(self, x: Doubles) -> Any:
        nearest = np.maximum(np.abs(x.hi) * (1 - 2.0**-50) - x.rad, 0.0)
        return 1.13 * np.exp(-nearest * nearest * (1 - 2.0**-48)) + TINY


_SCALARS = _DoubleScalars()
_CONTEXT = SeriesContext(_SCALARS)


def derivatives(
    function: Function, piece: int, x: Array, orders: int = ORDERS, step: Array | None = None
) -> list[Doubles]:
    """f to f''' of one piece at exact float64 inputs of shape (n,): balls of shape (n,) per order.

    With ``step``, powers of two of shape (n,), they are the derivatives by x / step: f^(k)(x) step^k, which stay
    among the normal numbers where f^(k)(x) does not. Where a definition needs something these balls lack, every
    radius is infinite.
    """
    params = {k: _SCALARS.real(v) for k, v in function.exact_params.items()}
    nothing = np.zeros_like(x)
    with np.errstate(all="ignore"):
        try:
            start = Series.variable(Doubles(x, nothing, nothing), orders)
            if step is not None:
                start.c[1] = Doubles(step, nothing, nothing)
            series = function.pieces[piece](_CONTEXT, start, **params)
        except Exception:
            return [Doubles(nothing, nothing, np.full_like(x, np.inf)) for _ in range(orders)]
        coefficients = series.c if isinstance(series, Series) else [series] + [0] * (orders - 1)
        balls = [Doubles.of(c * k if k > 1 else c) for c, k in zip(coefficients, FACTORIALS, strict=False)]
        return [Doubles(_full(b.hi, x), _full(b.lo, x), _full(b.rad, x)) for b in balls]


def _full(values: Any, like: Array) -> Array:
    return np.array(np.broadcast_to(np.asarray(values, dtype=np.float64), like.shape))
