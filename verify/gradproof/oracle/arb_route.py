"""The certifying route: definitions over FLINT's power series of rigorous balls (python-flint).

Independent of ``oracle.series``: sums, products, quotients and compositions are FLINT's own. Only expm1,
log1p and tanh, which FLINT has for numbers but not for series, are assembled here, with their constant term
taken from the number's function. Never read a midpoint without its radius: results leave as both ends.
"""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Iterator
from fractions import Fraction
from typing import Any

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


def _constant(z: Any) -> Any:
    return z[0] if isinstance(z, arb_series) else z


def _with_constant(z: Any, name: str, series: Any) -> Any:
    """The series' higher terms from ``series``, its constant term from the accurate number function."""
    if not isinstance(z, arb_series):
        return getattr(number(z), name)()
    coefficients = series(z).coeffs()
    constant = getattr(z[0], name)()
    return arb_series([constant, *coefficients[1:]], prec=flint.ctx.cap)


CONTEXT = _ArbContext()


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
    """Taylor coefficients about an arb number ``x``, as many as the series length in force; inside ``working``."""
    length = flint.ctx.cap
    params = {k: number(v) for k, v in function.exact_params.items()}
    result = function.pieces[piece](CONTEXT, arb_series([x, 1], prec=length), **params)
    if not isinstance(result, arb_series):
        return [number(result)] + [arb(0)] * (length - 1)
    if result.prec < length:  # a quotient of two series that vanish at x: FLINT cancels and forgets the last terms
        return [arb("nan")] * length
    return [result[k] for k in range(length)]


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
