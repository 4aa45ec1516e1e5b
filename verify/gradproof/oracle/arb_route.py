"""The certifying route: definitions over FLINT's power series of rigorous balls (python-flint).

Independent of ``oracle.series``: sums, products, quotients and compositions are FLINT's own. Only functions that
FLINT has for numbers but not for series (expm1, log1p, tanh, asinh ...) are assembled here, with their constant term
taken from the number's function. Never read a midpoint without its radius: results leave as both ends.

Of a quotient of two series that both begin with exact zeros FLINT divides these out; the last coefficients are lost by
that, so the same is done again with more of them. Over an interval that holds 0 no zero is exact. There a definition is
evaluated twice at once, at 0 and over the interval (``_Around``): what the zeros at 0 allow holds for both.
"""

from __future__ import annotations

import contextlib
import operator
import threading
from collections.abc import Callable, Iterator
from fractions import Fraction
from typing import Any, Final

from gradproof.functions.function import Function
from gradproof.oracle.dyadic import Dyadic
from gradproof.oracle.series import ORDERS

try:
    import flint
    from flint import arb, arb_series, fmpq
except ImportError:  # the oracle then falls back to agreement of two precisions, labelled uncertified
    flint = None  # type: ignore[assignment]

AVAILABLE = flint is not None
_LOCK = threading.RLock()


def number(value: Any) -> Any:
    """Lift ints, floats (their binary value), Fractions and decimal text to an enclosure."""
    if isinstance(value, (str, Fraction)):
        fraction = Fraction(value)
        return arb(fmpq(fraction.numerator, fraction.denominator))
    return arb(value) if isinstance(value, (int, float)) else value


class _ArbContext:
    """The math context ``m`` over arb numbers and series."""

    def real(self, value: Any) -> Any:
        return number(value)

    @property
    def pi(self) -> Any:
        return arb.pi()

    def _call(self, name: str, z: Any) -> Any:
        return getattr(z if isinstance(z, arb_series) else number(z), name)()

    def exp(self, z: Any) -> Any:
        return self._call("exp", z)

    def log(self, z: Any) -> Any:
        return self._call("log", z)

    def sqrt(self, z: Any) -> Any:
        if isinstance(z, arb_series) and not z[0] > 0:
            raise ValueError("the root of a series needs a positive constant term")
        return self._call("sqrt", z)

    def sin(self, z: Any) -> Any:
        return self._call("sin", z)

    def cos(self, z: Any) -> Any:
        return self._call("cos", z)

    def tan(self, z: Any) -> Any:
        return self._call("tan", z)

    def asin(self, z: Any) -> Any:
        return self._call("asin", z)

    def acos(self, z: Any) -> Any:
        return self._call("acos", z)

    def atan(self, z: Any) -> Any:
        return self._call("atan", z)

    def erf(self, z: Any) -> Any:
        return self._call("erf", z)

    def erfc(self, z: Any) -> Any:
        return self._call("erfc", z)

    def expm1(self, z: Any) -> Any:
        return _with_constant(z, "expm1", lambda s: s.exp())

    def log1p(self, z: Any) -> Any:
        return _with_constant(z, "log1p", lambda s: (1 + s).log())

    def tanh(self, z: Any) -> Any:
        if not isinstance(z, arb_series):
            return number(z).tanh()
        # (1 - t)/(1 + t) with t = exp(-2|z|): no cancellation in the tails, where 1 - tanh**2 would lose all.
        negative = z[0] < 0
        folded = z if negative else -z
        quotient = -self.expm1(2 * folded) / (1 + (2 * folded).exp())
        return _with_constant(z, "tanh", lambda _: -quotient if negative else quotient)

    def sigmoid(self, z: Any) -> Any:
        z = z if isinstance(z, arb_series) else number(z)
        if _constant(z) < 0:
            t = z.exp()
            return t / (1 + t)
        return 1 / (1 + (-z).exp())

    def softplus(self, z: Any) -> Any:
        z = z if isinstance(z, arb_series) else number(z)
        if _constant(z) < 0:
            return self.log1p(z.exp())
        return z + self.log1p((-z).exp())

    def sinh(self, z: Any) -> Any:
        return _with_constant(z, "sinh", lambda s: (s.exp() - (-s).exp()) / 2)

    def cosh(self, z: Any) -> Any:
        return _with_constant(z, "cosh", lambda s: (s.exp() + (-s).exp()) / 2)

    def asinh(self, z: Any) -> Any:
        return _with_slope(z, "asinh", lambda s: (1 + s * s).rsqrt())

    def acosh(self, z: Any) -> Any:
        if isinstance(z, arb_series) and not z[0] > 1:
            raise ValueError("acosh of a series needs a constant term beyond 1")
        return _with_slope(z, "acosh", lambda s: ((s - 1) * (s + 1)).rsqrt())

    def atanh(self, z: Any) -> Any:
        return _with_slope(z, "atanh", lambda s: 1 / ((1 - s) * (1 + s)))

    def cbrt(self, z: Any) -> Any:
        if _constant(z if isinstance(z, arb_series) else number(z)) < 0:
            return -self.cbrt(-z)
        if not isinstance(z, arb_series):
            return number(z).root(3)
        return (z.log() / 3).exp()

    def log2(self, z: Any) -> Any:
        return self.log(z) / number(2).log()

    def log10(self, z: Any) -> Any:
        return self.log(z) / number(10).log()

    def power(self, z: Any, exponent: Any) -> Any:
        if isinstance(exponent, int):
            return z**exponent if exponent >= 0 else 1 / z**-exponent
        return (self.log(z) * number(exponent)).exp()


def _constant(z: Any) -> Any:
    return z[0] if isinstance(z, arb_series) else z


def _with_constant(z: Any, name: str, series: Any) -> Any:
    """The series' higher terms from ``series``, its constant term from the accurate number function."""
    if not isinstance(z, arb_series):
        return getattr(number(z), name)()
    found = series(z)
    constant = getattr(z[0], name)()
    return arb_series([constant, *found.coeffs()[1:]], prec=found.prec)


def _with_slope(z: Any, name: str, slope: Any) -> Any:
    """The number's function and, times z', the integral of its derivative ``slope``."""
    return _with_constant(z, name, lambda s: (s.derivative() * slope(s)).integral())


CONTEXT = _ArbContext()


def about(name: str, centre: Any, length: int) -> list[Any]:
    """Taylor coefficients of one of the context's functions about a number; inside ``working``."""
    series = getattr(CONTEXT, name)(arb_series([centre, 1], prec=length))
    return [series[k] for k in range(length)]


@contextlib.contextmanager
def working(precision: int, length: int = ORDERS) -> Iterator[None]:
    """FLINT's global precision and series length, restored afterwards; one thread at a time."""
    with _LOCK:
        before = flint.ctx.prec, flint.ctx.cap
        flint.ctx.prec, flint.ctx.cap = precision, length
        try:
            yield
        finally:
            flint.ctx.prec, flint.ctx.cap = before


def coefficients(function: Function, piece: int, x: Any) -> list[Any]:
    """Taylor coefficients about an arb number ``x``, as many as the series length in force; inside ``working``.

    Where x is an interval that holds 0, a zero that the definition divides out must lie at 0. Raises what the
    definition raises: ValueError for a pole, and for a quotient of series that vanish as far as they are known.
    """
    length = flint.ctx.cap
    params = {k: number(v) for k, v in function.exact_params.items()}
    around = not x.is_exact() and x.contains(0)
    # Over an interval that does not hold 0 nothing is divided out.
    longer = _LONGER if around or x.is_exact() else _LONGER[:1]
    try:
        for more in longer:
            flint.ctx.cap = length + more
            try:
                result = function.pieces[piece](*_started(x, around=around), **params)
            except (ValueError, ZeroDivisionError):
                if more == longer[-1]:
                    raise
                continue
            result = result.over if isinstance(result, _Around) else result
            if not isinstance(result, arb_series):
                return [number(result)] + [arb(0)] * (length - 1)
            if result.prec >= length:
                return [result[k] for k in range(length)]
    finally:
        flint.ctx.cap = length
    return [arb("nan")] * length


_LONGER: Final = (0, 4, 32)
"""Coefficients beyond those asked for that are tried: so many may be lost by dividing out zeros."""


def _started(x: Any, *, around: bool) -> tuple[Any, Any]:
    """The context and the variable about ``x``."""
    variable = arb_series([x, 1], prec=flint.ctx.cap)
    if not around:
        return CONTEXT, variable
    return _AroundContext(), _Around(arb_series([0, 1], prec=flint.ctx.cap), variable)


class _Around:
    """One series at 0, and one over an interval that holds 0.

    If N vanishes at 0 to the order v, N(x) = x^v times the integral of (1 - s)^(v - 1) / (v - 1)! N^(v)(s x) over s
    from 0 to 1. So the Taylor coefficients of N(x) / x^v anywhere on the interval lie in those of N over the interval,
    moved by v places; and N/D is (N/x^v) / (D/x^v).
    """

    __slots__ = ("at", "over")

    def __init__(self, at: Any, over: Any) -> None:
        self.at = at
        self.over = over

    def __neg__(self) -> _Around:
        return _Around(-self.at, -self.over)

    def __pow__(self, exponent: int) -> _Around:
        return _Around(self.at**exponent, self.over**exponent)

    def __add__(self, other: Any) -> _Around:
        return self._with(other, operator.add)

    def __sub__(self, other: Any) -> _Around:
        return self._with(other, operator.sub)

    def __mul__(self, other: Any) -> _Around:
        return self._with(other, operator.mul)

    def __truediv__(self, other: Any) -> _Around:
        if not isinstance(other, _Around):
            return self._with(other, operator.truediv)
        zeros = other.at.valuation()
        if zeros == 0:
            return self._with(other, operator.truediv)
        if not 0 < zeros < other.at.prec or not all(self.at[k].is_zero() for k in range(zeros)):
            raise ValueError("a quotient that is no power series at 0")
        above, below = (_Around(_moved(z.at, zeros), _moved(z.over, zeros)) for z in (self, other))
        return above / below

    def __radd__(self, other: Any) -> _Around:
        return self._with(other, lambda a, b: b + a)

    def __rsub__(self, other: Any) -> _Around:
        return self._with(other, lambda a, b: b - a)

    def __rmul__(self, other: Any) -> _Around:
        return self._with(other, lambda a, b: b * a)

    def __rtruediv__(self, other: Any) -> _Around:
        return self._with(other, lambda a, b: b / a)

    def _with(self, other: Any, operation: Callable[[Any, Any], Any]) -> _Around:
        at, over = (other.at, other.over) if isinstance(other, _Around) else (other, other)
        return _Around(operation(self.at, at), operation(self.over, over))


def _moved(series: Any, places: int) -> Any:
    """The series less its first coefficients, divided by x^places."""
    return arb_series(series.coeffs()[places:], prec=series.prec - places)


class _AroundContext:
    """The math context over both series at once."""

    def __getattr__(self, name: str) -> Any:
        one = getattr(CONTEXT, name)
        if not callable(one):
            return one

        def applied(z: Any, *rest: Any) -> Any:
            return _Around(one(z.at, *rest), one(z.over, *rest)) if isinstance(z, _Around) else one(z, *rest)

        return applied


def _evaluate(function: Function, piece: int, x: Any) -> list[Any]:
    found = coefficients(function, piece, x)
    return [found[0], found[1], 2 * found[2], 6 * found[3]]


Enclosure = tuple[Dyadic, Dyadic] | None


def taylor(
    function: Function, piece: int, low: Fraction, high: Fraction, length: int, precision: int
) -> list[Enclosure]:
    """Rigorous (lower, upper) of f^(k)(x) / k! for k below ``length``, for every x in [low, high] at once."""
    with working(precision, length):
        x = number(low) if low == high else number(low).union(number(high))
        return [_ends(c) for c in coefficients(function, piece, x)]


def enclosures(function: Function, piece: int, x: Fraction, precision: int) -> list[Enclosure]:
    """Rigorous (lower, upper) of f to f''' of one piece at an exact input.

    None for an order whose enclosure is not finite at this precision.
    """
    with working(precision):
        return [_ends(ball) for ball in _evaluate(function, piece, number(x))]


def value(function: Function, piece: int, x: Fraction, precision: int) -> Enclosure:
    """Rigorous (lower, upper) of f alone, also where it has no series (sqrt at 0); raises as the definition."""
    with working(precision):
        params = {k: number(v) for k, v in function.exact_params.items()}
        return _ends(number(function.pieces[piece](CONTEXT, number(x), **params)))


def enclosures_over(function: Function, piece: int, low: Fraction, high: Fraction, precision: int) -> list[Enclosure]:
    """Rigorous (lower, upper) of f to f''' of one piece over all of [low, high]."""
    with working(precision):
        return [_ends(ball) for ball in _evaluate(function, piece, number(low).union(number(high)))]


def _ends(ball: Any) -> Enclosure:
    if not ball.is_finite():
        return None
    if ball.is_exact():
        exact = dyadic(ball)
        return exact, exact
    return dyadic(ball.lower()), dyadic(ball.upper())


def dyadic(exact: Any) -> Dyadic:
    """An arb number without a radius, as it is."""
    return Dyadic(*map(int, exact.man_exp()))
