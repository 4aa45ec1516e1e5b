"""The reference route: definitions over mpmath floats of any precision."""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Callable
from fractions import Fraction
from typing import Any

import mpmath

from gradproof.errors import UsageError
from gradproof.functions.function import Function
from gradproof.oracle.dyadic import Dyadic
from gradproof.oracle.series import FACTORIALS, OFFERED, ORDERS, Series, SeriesContext, long_enough

_ERFC_ASYMPTOTIC = 2**20
_EXP_REACH = 2**4096
"""Beyond every format's numbers, their squares and cubes; functions of functions get there."""


def _real(function: Callable[[Any], Any]) -> Callable[[Any], Any]:
    """``function`` of mpmath's, where its answer is real; ValueError elsewhere."""

    def applied(x: Any) -> Any:
        answer = function(x)
        if not hasattr(answer, "_mpf_"):
            raise ValueError(f"no real number at {x}")
        return answer

    return applied


class _MpScalars:
    """mpmath numbers in a context of our own, so that the user's ``mpmath.mp.prec`` is left alone."""

    def __init__(self) -> None:
        self.mp: Any = mpmath.mp.clone()
        for name in ("log", "log1p", "sqrt", "sin", "cos", "tan", "asin", "acos", "atan", "asinh", "acosh", "atanh"):
            setattr(self, name, _real(getattr(self.mp, name)))

    def __getattr__(self, name: str) -> Any:
        raise AttributeError(f"the math context has no {name!r}")

    def real(self, value: Any) -> Any:
        if isinstance(value, (str, Fraction)):
            fraction = Fraction(value)
            return self.mp.mpf(fraction.numerator) / fraction.denominator
        return self.mp.mpf(value)

    @property
    def pi(self) -> Any:
        return +self.mp.pi

    def exp(self, x: Any) -> Any:
        """mpmath's, as far as it can scale the argument by ln 2; beyond that 0, or OverflowError."""
        if x < -_EXP_REACH:
            return self.mp.mpf(0)
        if x > _EXP_REACH:
            raise OverflowError("exp of a number beyond 2^4096")
        return self.mp.exp(x)

    def expm1(self, x: Any) -> Any:
        """exp(x) - 1."""
        return self.exp(x) - 1 if abs(x) > _EXP_REACH else self.mp.expm1(x)

    def tanh(self, x: Any) -> Any:
        """mpmath's; the nearer of -1 and 1 where 1 - |tanh x| < 2 exp(-2 |x|) is below the last bit."""
        return self.mp.tanh(x) if abs(x) <= self.mp.prec else self.mp.sign(x)

    def erf(self, x: Any) -> Any:
        if abs(x) < _ERFC_ASYMPTOTIC:
            return self.mp.erf(x)
        return self.mp.sign(x) * (1 - self.erfc(abs(x)))

    def erfc(self, x: Any) -> Any:
        if x < _ERFC_ASYMPTOTIC:
            return self.mp.erfc(x) if x > -_ERFC_ASYMPTOTIC else 2 - self.erfc(-x)
        # mpmath overflows here. exp(-x^2)/(x sqrt(pi)) (1 - 1/(2x^2) + 1*3/(2x^2)^2 - ...), DLMF 7.12.1: the
        # error is below the first term left out.
        step = 1 / (2 * x * x)
        total = term = self.mp.mpf(1)
        k = 1
        while abs(term) > self.mp.ldexp(1, -self.mp.prec):
            term *= -(2 * k - 1) * step
            total += term
            k += 1
        return total * self.exp(-x * x) / (x * self.mp.sqrt(self.mp.pi))

    def sech2(self, x: Any) -> Any:
        t = self.exp(-2 * abs(x))
        return 4 * t / (1 + t) ** 2

    def sigmoid(self, x: Any) -> Any:
        return 1 / (1 + self.exp(-x))

    def softplus(self, x: Any) -> Any:
        tail = self.mp.log1p(self.exp(-abs(x)))
        return x + tail if x > 0 else tail

    def sinh(self, x: Any) -> Any:
        """(expm1(x) - expm1(-x)) / 2: both of one sign."""
        return (self.expm1(x) - self.expm1(-x)) / 2

    def cosh(self, x: Any) -> Any:
        return (self.exp(x) + self.exp(-x)) / 2

    def cbrt(self, x: Any) -> Any:
        return self.mp.sign(x) * self.mp.cbrt(abs(x))

    def ratio(self, x: Any, n: int) -> Any:
        return x / n


_ROUGH = frozenset(
    (
        "fabs",
        "sign",
        "floor",
        "ceil",
        "nint",
        "frac",
        "fmod",
        "fsum",
        "re",
        "im",
        "conj",
        "arg",
        "chop",
        "mag",
        "max",
        "min",
    )
)


class _MpContext(SeriesContext):
    """The documented functions by their own recurrences, and whatever else mpmath offers by numerical Taylor series.

    ``foreign`` collects the names of the latter.
    """

    def __init__(self, scalars: _MpScalars) -> None:
        super().__init__(scalars)
        self.foreign: set[str] = set()

    def __getattr__(self, name: str) -> Any:
        function = None if name.startswith("_") else getattr(_SCALARS.mp, name, None)
        if not callable(function):
            raise AttributeError(f"the math context has no {name!r}")
        if name in _ROUGH:
            raise AttributeError(f"{name!r} is not smooth: give its pieces by gradproof.piecewise")
        self.foreign.add(name)

        def applied(z: Any) -> Any:
            return _composed(_SCALARS.mp, function, z) if isinstance(z, Series) else function(z)

        return applied


def _composed(mp: Any, function: Any, z: Series) -> Series:
    """g(z) from g's Taylor series about the constant term, by mpmath's differences in raised precision."""
    centre = mp.convert(z.c[0])
    scale = max(abs(centre), mp.mpf(1))  # steps in proportion to x: smaller ones would vanish beside it
    around = mp.taylor(lambda t: function(centre + scale * t), 0, len(z.c) - 1, chop=False)  # small ones are no zeros
    around = [coefficient / scale**k for k, coefficient in enumerate(around)]
    step = Series([0, *z.c[1:]])
    total = Series([around[-1], *([0] * (len(z.c) - 1))])
    for coefficient in around[-2::-1]:
        total = total * step + coefficient
    return total


_SCALARS = _MpScalars()
_CONTEXT = _MpContext(_SCALARS)
_LOCK = threading.RLock()
"""One precision for all threads of a process, so one thread at a time."""


def derivatives(function: Function, piece: int, x: Fraction, precision: int, orders: int = ORDERS) -> list[Dyadic]:
    """f to f^(orders - 1) of one piece at an exact input, each in ``precision`` bits of working precision.

    No bound on the error is claimed; the arb route certifies the result. Raises ArithmeticError or ValueError
    outside the definition's domain, UsageError where the definition cannot be evaluated at all.
    """
    mp = _SCALARS.mp
    with _LOCK, mp.workprec(precision):
        params = {k: _SCALARS.real(v) for k, v in function.exact_params.items()}
        point = mp.mpf(x.numerator) / x.denominator
        try:
            series = long_enough(
                lambda n: function.pieces[piece](_CONTEXT, Series.variable(point, n), **params), orders
            )
            coefficients = _coefficients(series, orders)
        except (ArithmeticError, ValueError):
            raise
        except Exception as fault:
            raise UsageError(
                f"function {function.label}: its definition fails in the math context: {fault}. A definition takes "
                f"x with + - * / and integer powers, and from m {', '.join(OFFERED)} and real; pieces that differ by "
                "the sign of x or the like are given by gradproof.piecewise"
            ) from None
        return [_dyadic(c * FACTORIALS[k]) for k, c in enumerate(coefficients)]


def foreign(function: Function) -> list[str]:
    """Names of the functions that a definition takes from mpmath and no other route has: slow, and not certified."""
    with _LOCK:
        _CONTEXT.foreign.clear()
        for piece in range(len(function.pieces)):
            with contextlib.suppress(Exception):
                derivatives(function, piece, Fraction(355, 113), 53, 1)
        return sorted(_CONTEXT.foreign)


def _coefficients(series: Any, orders: int) -> list[Any]:
    if isinstance(series, Series):
        return [_SCALARS.mp.convert(c) for c in series.c[:orders]]
    return [_SCALARS.mp.convert(series)] + [_SCALARS.mp.mpf(0)] * (orders - 1)


def _dyadic(value: Any) -> Dyadic:
    if not hasattr(value, "_mpf_"):
        raise ArithmeticError(f"mpmath returned {value}, which is no real number")
    sign, mantissa, exponent, _ = value._mpf_
    if not mantissa and exponent:
        raise ArithmeticError("mpmath returned a non-finite value")
    return Dyadic(-int(mantissa) if sign else int(mantissa), int(exponent))
