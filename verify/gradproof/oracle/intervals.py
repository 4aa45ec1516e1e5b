"""Definitions over intervals with arb numbers as ends: for ranges too wide for balls.

A ball around [exp(2^30), exp(2^31)] holds 0, because a radius has 30 bits; ends kept apart do not. The elementary
functions are monotone, so each is evaluated at both ends (sech^2 and cosh turn at 0; sin, cos and tan are not offered).
"""

from __future__ import annotations

from fractions import Fraction
from typing import Any, Final

from gradproof.functions.function import Function
from gradproof.oracle import arb_route
from gradproof.oracle.dyadic import Dyadic
from gradproof.oracle.series import FACTORIALS, Series, SeriesContext, lifted


class RealInterval:
    """All reals from ``low`` to ``high``, arb numbers; what lies between their outer ends."""

    __slots__ = ("high", "low")

    def __init__(self, low: Any, high: Any) -> None:
        self.low = low.lower()
        self.high = high.upper()

    @staticmethod
    def of(other: Any) -> RealInterval:
        """Lift an int, float (its binary value) or Fraction."""
        if isinstance(other, RealInterval):
            return other
        number = arb_route.number(Fraction(other))
        return RealInterval(number, number)

    def __neg__(self) -> RealInterval:
        return RealInterval(-self.high, -self.low)

    @lifted
    def __add__(self, other: RealInterval) -> RealInterval:
        return RealInterval(self.low + other.low, self.high + other.high)

    __radd__ = __add__

    @lifted
    def __sub__(self, other: RealInterval) -> RealInterval:
        return self + -other

    @lifted
    def __rsub__(self, other: RealInterval) -> RealInterval:
        return other + -self

    @lifted
    def __mul__(self, other: RealInterval) -> RealInterval:
        corners = [a * b for a in (self.low, self.high) for b in (other.low, other.high)]
        low, high = corners[0].lower(), corners[0].upper()
        for corner in corners[1:]:
            low, high = low.min(corner.lower()), high.max(corner.upper())
        return RealInterval(low, high)

    __rmul__ = __mul__

    @lifted
    def __truediv__(self, other: RealInterval) -> RealInterval:
        if not (other.low > 0 or other.high < 0):
            raise ZeroDivisionError("an interval that holds 0 cannot divide")
        return self * RealInterval(1 / other.high, 1 / other.low)

    @lifted
    def __rtruediv__(self, other: RealInterval) -> RealInterval:
        return other / self


_RISING: Final = frozenset(
    (
        "exp", "expm1", "log", "log1p", "sqrt", "cbrt", "atan", "asin", "tanh", "sigmoid", "softplus", "erf",
        "sinh", "asinh", "acosh", "atanh",
    )
)  # fmt: skip
_FALLING: Final = frozenset(("acos", "erfc"))


class _IntervalScalars:
    """Monotone elementary functions, evaluated at both ends by arb."""

    @property
    def pi(self) -> RealInterval:
        pi = arb_route.CONTEXT.pi
        return RealInterval(pi, pi)

    def real(self, value: Any) -> RealInterval:
        return RealInterval.of(Fraction(value))

    def ratio(self, x: Any, n: int) -> Any:
        return x / n

    def __getattr__(self, name: str) -> Any:
        if name not in _RISING | _FALLING:
            raise AttributeError(f"intervals have no {name!r}")
        at = getattr(arb_route.CONTEXT, name)
        if name in _FALLING:
            return lambda x: RealInterval(at(x.high), at(x.low))
        return lambda x: RealInterval(at(x.low), at(x.high))

    def cosh(self, x: RealInterval) -> RealInterval:
        near, far = _magnitudes(x)
        return RealInterval(near.cosh(), far.cosh())

    def sech2(self, x: RealInterval) -> RealInterval:
        """4 t / (1 + t)^2 with t = exp(-2 |x|), falling in |x|."""
        near, far = _magnitudes(x)
        return RealInterval(_sech2(far), _sech2(near))


def _magnitudes(x: RealInterval) -> tuple[Any, Any]:
    """The least and the greatest |x|."""
    near = x.low * 0 if x.low < 0 < x.high else x.low.abs_lower().min(x.high.abs_lower())
    return near, x.low.abs_upper().max(x.high.abs_upper())


def _sech2(a: Any) -> Any:
    t = (-2 * a).exp()
    return 4 * t / (1 + t) ** 2


_SCALARS: Final = _IntervalScalars()
_CONTEXT: Final = SeriesContext(_SCALARS)


def derivatives_over(
    function: Function, piece: int, low: Fraction, high: Fraction, precision: int
) -> list[tuple[Dyadic, Dyadic] | None]:
    """Rigorous (lower, upper) of f to f''' of one piece over [low, high]; None where they are not finite.

    Raises what the definition raises over intervals (AttributeError for something they lack, ZeroDivisionError).
    """
    with arb_route.working(precision):
        params = {k: _SCALARS.real(v) for k, v in function.exact_params.items()}
        x = RealInterval(arb_route.number(low), arb_route.number(high))
        series = function.pieces[piece](_CONTEXT, Series.variable(x), **params)
        coefficients = series.c if isinstance(series, Series) else [series, 0, 0, 0]
        return [_ends(RealInterval.of(c) * k) for c, k in zip(coefficients, FACTORIALS, strict=True)]


def _ends(interval: RealInterval) -> tuple[Dyadic, Dyadic] | None:
    if not (interval.low.is_finite() and interval.high.is_finite()):
        return None
    return arb_route.dyadic(interval.low), arb_route.dyadic(interval.high)
