"""The float64 filter: definitions over arrays of balls ``mid +- rad``.

Every operation bounds its own rounding, so a definition's error bound is derived, not stated per function.
The bounds rest on two assumptions, both checked by tests: IEEE 754 basic operations (relative error 2^-53),
and elementary functions of the platform's libm and NumPy within ``LIBRARY_ULPS`` ulps. Radii are computed in
rounded arithmetic themselves; ``EPS`` is twice the unit roundoff and ``SLACK`` covers the rest.

A lane that leaves the finite numbers ends up with a radius of inf or NaN: the filter then decides nothing
there, and the point goes up to the certified routes.
"""

from __future__ import annotations

import math
from fractions import Fraction
from typing import Any, Final

import numpy as np
import numpy.typing as npt

from gradproof.functions.function import Function
from gradproof.oracle.series import FACTORIALS, ORDERS, Series, SeriesContext, lifted

EPS: Final = 2.0**-52
TINY: Final = 2.0**-1073
SLACK: Final = 1.0 + 2.0**-40
LIBRARY_ULPS: Final = 8.0
"""Bound assumed for the elementary functions, in ulps of the result: twice the 4 ulps to which NumPy holds its
vector kernels. No library proves such a bound, so a test compares every function used here with arb."""

_erfc = np.frompyfunc(math.erfc, 1, 1)
_erf = np.frompyfunc(math.erf, 1, 1)

Array = npt.NDArray[np.float64]


class Balls:
    """An array of real numbers, each known to lie within ``rad`` of ``mid``. Broadcasts like NumPy."""

    __slots__ = ("mid", "rad")
    __array_ufunc__ = None

    def __init__(self, mid: Any, rad: Any) -> None:
        self.mid = mid
        self.rad = rad

    @staticmethod
    def of(other: Any) -> Balls:
        """Lift a Python int, float or Fraction, with what float64 cannot hold of it as radius."""
        return other if isinstance(other, Balls) else _enclosed(Fraction(other))

    def __neg__(self) -> Balls:
        return Balls(-self.mid, self.rad)

    @lifted
    def __add__(self, other: Balls) -> Balls:
        mid = self.mid + other.mid
        return Balls(mid, (self.rad + other.rad + EPS * np.abs(mid)) * SLACK)

    __radd__ = __add__

    @lifted
    def __sub__(self, other: Balls) -> Balls:
        return self + -other

    @lifted
    def __rsub__(self, other: Balls) -> Balls:
        return other + -self

    @lifted
    def __mul__(self, other: Balls) -> Balls:
        mid = self.mid * other.mid
        carried = np.abs(self.mid) * other.rad + self.rad * (np.abs(other.mid) + other.rad)
        return Balls(mid, (carried + EPS * np.abs(mid)) * SLACK + TINY)

    __rmul__ = __mul__

    @lifted
    def __truediv__(self, other: Balls) -> Balls:
        mid = self.mid / other.mid
        room = np.abs(other.mid) - other.rad
        # A quotient that underflowed still varies with its divisor.
        carried = np.where(room > 0, (self.rad + (np.abs(mid) + TINY) * other.rad) / room, np.inf)
        return Balls(mid, (carried + EPS * np.abs(mid)) * SLACK + TINY)

    @lifted
    def __rtruediv__(self, other: Balls) -> Balls:
        return other / self


def _enclosed(value: Fraction) -> Balls:
    """The ball around one rational number; of infinite radius beyond float64."""
    try:
        mid = float(value)
        gap = abs(Fraction(mid) - value)
    except OverflowError:
        return Balls(0.0, math.inf)
    return Balls(mid, float(gap) * SLACK + (TINY if gap else 0.0))


class _BallScalars:
    """Elementary functions of balls: library value, plus the carried radius times a bound on the slope."""

    @property
    def pi(self) -> Balls:
        return Balls(math.pi, math.ulp(math.pi))

    def real(self, value: Any) -> Balls:
        return _enclosed(Fraction(value))

    def ratio(self, x: Any, n: int) -> Any:
        return x / n

    def _ball(self, mid: Any, carried: Any) -> Balls:
        return Balls(mid, (carried + LIBRARY_ULPS * EPS * np.abs(mid)) * SLACK + LIBRARY_ULPS * TINY)

    def exp(self, x: Balls) -> Balls:
        return self._ball(np.exp(x.mid), self._exp_change(x))

    def expm1(self, x: Balls) -> Balls:
        return self._ball(np.expm1(x.mid), self._exp_change(x))

    def _exp_change(self, x: Balls) -> Any:
        """Largest change of exp over the ball, e^(m + r) (1 - e^-r); finite wherever the exponential is."""
        return np.exp(x.mid + x.rad) * -np.expm1(-x.rad) * (1 + 2 * LIBRARY_ULPS * EPS) * SLACK

    def log(self, x: Balls) -> Balls:
        low = x.mid - x.rad
        return self._ball(np.log(x.mid), np.where(low > 0, x.rad / low * SLACK, np.inf))

    def log1p(self, x: Balls) -> Balls:
        low = (1.0 + x.mid) * (1 - EPS) - x.rad
        return self._ball(np.log1p(x.mid), np.where(low > 0, x.rad / low * SLACK, np.inf))

    def sqrt(self, x: Balls) -> Balls:
        low = x.mid - x.rad
        carried = np.where(low > 0, 0.5 * x.rad / np.sqrt(np.where(low > 0, low, 1.0)), np.inf)
        return self._ball(np.sqrt(x.mid), np.where(x.rad == 0, 0.0, carried) * SLACK)

    def sin(self, x: Balls) -> Balls:
        return self._ball(np.sin(x.mid), x.rad)

    def cos(self, x: Balls) -> Balls:
        return self._ball(np.cos(x.mid), x.rad)

    def atan(self, x: Balls) -> Balls:
        return self._ball(np.arctan(x.mid), x.rad)

    def tanh(self, x: Balls) -> Balls:
        nearest = np.maximum(np.abs(x.mid) - x.rad, 0.0)
        slope = np.minimum(1.0, 4.0 * np.exp(-2.0 * nearest) * SLACK)
        return self._ball(np.tanh(x.mid), x.rad * slope)

    def sech2(self, x: Balls) -> Balls:
        t = self.exp(Balls(-2.0 * np.abs(x.mid), 2.0 * x.rad))
        root = 1 + t
        return 4 * t / (root * root)

    def sigmoid(self, x: Balls) -> Balls:
        t = np.exp(-np.abs(x.mid))
        mid = np.where(x.mid >= 0, 1.0, t) / (1.0 + t)
        slope = np.minimum(0.25, np.exp(x.rad - np.abs(x.mid)) * SLACK)
        return self._ball(mid, x.rad * slope + 3 * EPS * mid)

    def softplus(self, x: Balls) -> Balls:
        tail = np.log1p(np.exp(-np.abs(x.mid)))
        mid = np.maximum(x.mid, 0.0) + tail
        slope = np.minimum(1.0, np.exp(x.mid + x.rad) * SLACK)
        return self._ball(mid, x.rad * slope + 2 * LIBRARY_ULPS * EPS * mid)

    def erf(self, x: Balls) -> Balls:
        return self._ball(_as_float(_erf(x.mid)), x.rad * self._gauss(x))

    def erfc(self, x: Balls) -> Balls:
        return self._ball(_as_float(_erfc(x.mid)), x.rad * self._gauss(x))

    def sinh(self, x: Balls) -> Balls:
        return self._ball(np.sinh(x.mid), self._cosh_change(x))

    def cosh(self, x: Balls) -> Balls:
        return self._ball(np.cosh(x.mid), self._cosh_change(x))

    def _cosh_change(self, x: Balls) -> Any:
        """A bound on the change of sinh, and so of cosh, over the ball."""
        return np.where(x.rad == 0, 0.0, x.rad * np.cosh(np.abs(x.mid) + x.rad) * (1 + 2 * LIBRARY_ULPS * EPS) * SLACK)

    def tan(self, x: Balls) -> Balls:
        # tan(m + d) - tan m = sin d / (cos m cos(m + d)), and cos moves by no more than its argument.
        size = np.abs(np.cos(x.mid)) * (1 - LIBRARY_ULPS * EPS)
        room = size - x.rad
        return self._ball(np.tan(x.mid), np.where(room > 0, x.rad / (size * room) * SLACK, np.inf))

    def asin(self, x: Balls) -> Balls:
        return self._ball(np.arcsin(x.mid), self._asin_change(x))

    def acos(self, x: Balls) -> Balls:
        return self._ball(np.arccos(x.mid), self._asin_change(x))

    def _asin_change(self, x: Balls) -> Any:
        room = (1.0 - np.abs(x.mid)) * (1 - EPS) - x.rad
        return np.where(x.rad == 0, 0.0, np.where(room > 0, x.rad / np.sqrt(np.where(room > 0, room, 1.0)), np.inf))

    def asinh(self, x: Balls) -> Balls:
        nearest = np.maximum(np.abs(x.mid) - x.rad, 1.0)
        return self._ball(np.arcsinh(x.mid), x.rad / nearest)

    def acosh(self, x: Balls) -> Balls:
        room = (x.mid - 1.0) * (1 - EPS) - x.rad
        # The slope is 1/sqrt((x - 1)(x + 1)), and x + 1 > 2.
        carried = np.where(room > 0, x.rad / np.sqrt(np.where(room > 0, room, 1.0)), np.inf)
        return self._ball(np.arccosh(x.mid), np.where(x.rad == 0, 0.0, carried))

    def atanh(self, x: Balls) -> Balls:
        room = (1.0 - np.abs(x.mid)) * (1 - EPS) - x.rad
        # The slope is 1/((1 - |x|)(1 + |x|)).
        return self._ball(np.arctanh(x.mid), np.where(room > 0, x.rad / room * SLACK, np.inf))

    def cbrt(self, x: Balls) -> Balls:
        low = np.abs(x.mid) - x.rad
        root = np.cbrt(np.where(low > 0, low, 1.0))
        return self._ball(np.cbrt(x.mid), np.where(low > 0, x.rad / (root * root), np.inf))

    def _gauss(self, x: Balls) -> Any:
        nearest = np.maximum(np.abs(x.mid) - x.rad, 0.0)
        return 1.1284 * np.exp(-nearest * nearest * (1 - 4 * EPS)) * SLACK + TINY


def _as_float(values: Any) -> Any:
    return np.asarray(values, dtype=np.float64) if isinstance(values, np.ndarray) else float(values)


_SCALARS = _BallScalars()
_CONTEXT = SeriesContext(_SCALARS)


def derivatives(
    function: Function, piece: int, x: Array, orders: int = ORDERS, radius: Array | None = None
) -> list[Balls]:
    """f to f''' of one piece at float64 inputs of shape (n,): balls of shape (n,) per order.

    The inputs are exact, or with ``radius`` all of ``x +- radius``: the balls then hold every value there.
    Where a definition needs something balls lack, every radius is infinite.
    """
    params = {k: _SCALARS.real(v) for k, v in function.exact_params.items()}
    start = Balls(x, np.zeros_like(x) if radius is None else radius)
    with np.errstate(all="ignore"):
        try:
            series = function.pieces[piece](_CONTEXT, Series.variable(start, orders), **params)
        except Exception:
            return [Balls(np.zeros_like(x), np.full_like(x, np.inf)) for _ in range(orders)]
        coefficients = series.c if isinstance(series, Series) else [series] + [0] * (orders - 1)
        balls = [Balls.of(c * k if k > 1 else c) for c, k in zip(coefficients, FACTORIALS, strict=False)]
        return [Balls(_full(b.mid, x), _full(b.rad, x)) for b in balls]


def _full(values: Any, like: Array) -> Array:
    return np.array(np.broadcast_to(np.asarray(values, dtype=np.float64), like.shape))
