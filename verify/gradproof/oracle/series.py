"""Truncated Taylor arithmetic over any scalar type: one definition in, f to f''' out.

A ``Series`` holds the coefficients ``c[k] = f^(k) / k!``. Elementary functions extend their constant term by
the recurrences that follow from their differential equations (Griewank, Walther, "Evaluating Derivatives",
SIAM 2008, section 13.2). The forms are chosen so that no recurrence cancels away from a true root: sigmoid's
coefficients come from tanh(z/2), whose equation y' = w z', w' = -2 y w z' starts from an accurate
w = sech^2 z.

Coefficients that are plain numbers stay Python ints and Fractions: exact, and 0 and 1 short-circuit the arithmetic.

A quotient of two series that both begin with exact zeros is one of power series too: x / expm1(x) has a value at 0.
The zeros are divided out, which costs as many of the last coefficients; ``ShortSeries`` says that none is left, and
``long_enough`` asks again with more.
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Sequence
from fractions import Fraction
from typing import Any, Final, Protocol, TypeVar

ORDERS: Final = 4
"""Number of coefficients carried: f, f', f'', f''' (the last for the sensitivity of f'')."""

FACTORIALS: Final = (1, 1, 2, 6)
"""f^(k) is the coefficient of order k times this."""


OFFERED: Final = (
    "exp", "expm1", "log", "log1p", "log2", "log10", "sqrt", "cbrt", "power", "sin", "cos", "tan", "asin", "acos",
    "atan", "sinh", "cosh", "tanh", "asinh", "acosh", "atanh", "sigmoid", "softplus", "erf", "erfc", "pi",
)  # fmt: skip
"""What every math context has, beside ``real``."""


class Scalars(Protocol):
    """The elementary functions of one scalar type, each accurate where it stands."""

    def real(self, value: Any) -> Any:
        """An exact real constant."""
        ...

    @property
    def pi(self) -> Any:
        """The circle constant."""
        ...

    def exp(self, x: Any) -> Any:
        """e**x."""
        ...

    def expm1(self, x: Any) -> Any:
        """e**x - 1, accurate near 0."""
        ...

    def log(self, x: Any) -> Any:
        """Natural logarithm."""
        ...

    def log1p(self, x: Any) -> Any:
        """log(1 + x), accurate near 0."""
        ...

    def sqrt(self, x: Any) -> Any:
        """Square root."""
        ...

    def sin(self, x: Any) -> Any:
        """Sine of x in radians."""
        ...

    def cos(self, x: Any) -> Any:
        """Cosine of x in radians."""
        ...

    def atan(self, x: Any) -> Any:
        """Arc tangent."""
        ...

    def tanh(self, x: Any) -> Any:
        """Hyperbolic tangent."""
        ...

    def sech2(self, x: Any) -> Any:
        """1 - tanh(x)**2, accurate in the tails."""
        ...

    def sigmoid(self, x: Any) -> Any:
        """1 / (1 + e**-x), accurate in the tails."""
        ...

    def softplus(self, x: Any) -> Any:
        """log(1 + e**x), accurate in the tails."""
        ...

    def erf(self, x: Any) -> Any:
        """The error function."""
        ...

    def erfc(self, x: Any) -> Any:
        """1 - erf(x), accurate for large x."""
        ...

    def sinh(self, x: Any) -> Any:
        """Hyperbolic sine, accurate near 0."""
        ...

    def cosh(self, x: Any) -> Any:
        """Hyperbolic cosine."""
        ...

    def tan(self, x: Any) -> Any:
        """Tangent of x in radians."""
        ...

    def asin(self, x: Any) -> Any:
        """Arc sine."""
        ...

    def acos(self, x: Any) -> Any:
        """Arc cosine."""
        ...

    def asinh(self, x: Any) -> Any:
        """Inverse hyperbolic sine, accurate near 0."""
        ...

    def acosh(self, x: Any) -> Any:
        """Inverse hyperbolic cosine."""
        ...

    def atanh(self, x: Any) -> Any:
        """Inverse hyperbolic tangent, accurate near 0."""
        ...

    def cbrt(self, x: Any) -> Any:
        """The real cube root, odd."""
        ...

    def ratio(self, x: Any, n: int) -> Any:
        """``x / n`` for a small integer, as exactly as the type can."""
        ...


T = TypeVar("T")


def lifted(operation: Callable[[T, T], T]) -> Callable[[T, Any], T]:
    """Let a scalar type's binary operator see its own type only.

    Numbers are lifted by the type's ``of``; anything else, a ``Series`` above all, gets its own turn.
    """

    @functools.wraps(operation)
    def operator(self: Any, other: Any) -> Any:
        if type(other) is not type(self):
            if not isinstance(other, (int, float, Fraction)):
                return NotImplemented
            other = type(self).of(other)
        return operation(self, other)

    return operator


def _is(value: Any, number: int) -> bool:
    return type(value) is int and value == number


def _plain(value: Any) -> Any:
    """A Python number as an int or Fraction, exactly; anything else as it is."""
    if isinstance(value, (float, Fraction)):
        value = Fraction(value)
        return value.numerator if value.denominator == 1 else value
    return value


def _add(a: Any, b: Any) -> Any:
    return b if _is(a, 0) else a if _is(b, 0) else _plain(a + b)


def _mul(a: Any, b: Any) -> Any:
    if _is(a, 0) or _is(b, 0):
        return 0
    return b if _is(a, 1) else a if _is(b, 1) else _plain(a * b)


def _sub(a: Any, b: Any) -> Any:
    if _is(b, 0):
        return a
    # mpmath subtracts a Fraction from its numbers, not the other way round.
    return -b if _is(a, 0) else _plain(-(b - a) if isinstance(a, Fraction) else a - b)


def _div(a: Any, b: Any) -> Any:
    if _is(a, 0):
        return 0
    if isinstance(a, (int, Fraction)) and isinstance(b, (int, Fraction)):
        return _plain(Fraction(a) / b)
    return 1 / b * a if isinstance(a, Fraction) else a / b


class ShortSeries(ArithmeticError):
    """Dividing out a common zero has used up all the coefficients: the same with more of them may do."""


MOST_DIVIDED: Final = 32
"""Coefficients that a definition may lose by dividing out zeros, in all."""


def long_enough(evaluate: Callable[[int], Any], length: int) -> Any:
    """``evaluate(n)`` for the least n that gives a series of ``length`` coefficients, or gives no series.

    Raises what ``evaluate`` raises, ShortSeries where MOST_DIVIDED more do not suffice.
    """
    n = length
    while True:
        try:
            found = evaluate(n)
        except ShortSeries:
            missing = n
        else:
            missing = length - len(found.c) if isinstance(found, Series) else 0
            if missing <= 0:
                return found
        n += missing
        if n > length + MOST_DIVIDED:
            raise ShortSeries(f"zeros of order {MOST_DIVIDED} and more in a quotient")


def vanishes(value: Any) -> bool:
    """Whether a coefficient is exactly 0: never one that may only be."""
    return bool(value == 0)  # balls and intervals equal nothing but themselves


class Series:
    """A polynomial in the perturbation of x, truncated; arithmetic with scalars, ints and exact floats."""

    __slots__ = ("c",)
    __array_ufunc__ = None  # an array operand must not swallow the series

    def __init__(self, coefficients: Sequence[Any]) -> None:
        self.c = [_plain(c) for c in coefficients]

    @classmethod
    def variable(cls, x: Any, orders: int = ORDERS) -> Series:
        """The series of the variable itself at ``x``."""
        return cls([x, 1, *([0] * (orders - 2))][:orders])

    def __bool__(self) -> bool:
        raise TypeError("a definition may not branch on x")

    def __eq__(self, other: object) -> bool:
        raise TypeError("a definition may not compare x")

    __hash__ = None  # type: ignore[assignment]

    def _lift(self, other: Any) -> Series:
        return other if isinstance(other, Series) else Series([other] + [0] * (len(self.c) - 1))

    def __add__(self, other: Any) -> Series:
        return Series([_add(a, b) for a, b in zip(self.c, self._lift(other).c, strict=False)])

    __radd__ = __add__

    def __neg__(self) -> Series:
        return Series([0 if _is(a, 0) else -a for a in self.c])

    def __sub__(self, other: Any) -> Series:
        return Series([_sub(a, b) for a, b in zip(self.c, self._lift(other).c, strict=False)])

    def __rsub__(self, other: Any) -> Series:
        return self._lift(other) - self

    def __mul__(self, other: Any) -> Series:
        if not isinstance(other, Series):
            return Series([_mul(a, _plain(other)) for a in self.c])
        return Series([_convolve(self.c, other.c, k) for k in range(min(len(self.c), len(other.c)))])

    __rmul__ = __mul__

    def __truediv__(self, other: Any) -> Series:
        if not isinstance(other, Series):
            return Series([_div(a, _plain(other)) for a in self.c])
        above, below = _without_common_zeros(self.c, other.c)
        quotient: list[Any] = []
        for k, a in enumerate(above):
            rest = a
            for j in range(1, k + 1):
                rest = _sub(rest, _mul(below[j], quotient[k - j]))
            quotient.append(_div(rest, below[0]))
        return Series(quotient)

    def __rtruediv__(self, other: Any) -> Series:
        return self._lift(other) / self

    def __pow__(self, exponent: int) -> Series:
        if not isinstance(exponent, int):
            raise TypeError(
                f"x ** {exponent!r}: a definition may raise to integer powers only; others are m.sqrt(x), m.cbrt(x) "
                "and m.power(x, a)"
            )
        result: Series = self._lift(1)
        for _ in range(abs(exponent)):
            result = result * self
        return result if exponent >= 0 else 1 / result


def _without_common_zeros(above: list[Any], below: list[Any]) -> tuple[list[Any], list[Any]]:
    """Both lists of one length, less the exact zeros with which both begin."""
    n = min(len(above), len(below))
    first = 0
    while first < n and vanishes(below[first]) and vanishes(above[first]):
        first += 1
    if first == n:
        raise ShortSeries("a quotient of two series that vanish as far as they are known")
    return above[first:n], below[first:n]


def _convolve(a: Sequence[Any], b: Sequence[Any], k: int) -> Any:
    total: Any = 0
    for j in range(k + 1):
        total = _add(total, _mul(a[j], b[k - j]))
    return total


class SeriesContext:
    """The math context ``m`` over ``Series``: elementary functions of series, or of plain scalars."""

    def __init__(self, scalars: Scalars) -> None:
        self._s = scalars

    def real(self, value: Any) -> Any:
        """An exact real constant from an int, float (its binary value), Fraction or decimal text."""
        return self._s.real(value)

    @property
    def pi(self) -> Any:
        """The circle constant."""
        return self._s.pi

    def _integrate(self, z: Series, constant: Any, derivative: Sequence[Any]) -> Series:
        """The series y with y(0) = ``constant`` and y' = ``derivative`` * z'."""
        y = [constant]
        for k in range(1, len(z.c)):
            total: Any = 0
            for j in range(1, k + 1):
                total = _add(total, _mul(_mul(z.c[j], j), derivative[k - j]))
            y.append(self._over(total, k))
        return Series(y)

    def _over(self, value: Any, n: int) -> Any:
        return value if n == 1 else _div(value, n) if isinstance(value, (int, Fraction)) else self._s.ratio(value, n)

    def _unary(self, z: Any, value: Callable[[Any], Any], derivative: Callable[[Any], Series]) -> Any:
        """f(z) from f of the constant term and f' as a series one order shorter suffices."""
        if not isinstance(z, Series):
            return value(self._scalar(z))
        constant = self._scalar(z.c[0])
        if len(z.c) == 1:
            return Series([value(constant)])
        return self._integrate(z, value(constant), derivative(Series([constant, *z.c[1:-1]])).c)

    def _scalar(self, value: Any) -> Any:
        return self._s.real(value) if isinstance(value, (int, float, Fraction, str)) else value

    def exp(self, z: Any) -> Any:
        """e**z."""
        if not isinstance(z, Series):
            return self._s.exp(self._scalar(z))
        y = [self._s.exp(self._scalar(z.c[0]))]
        for k in range(1, len(z.c)):
            total: Any = 0
            for j in range(1, k + 1):
                total = _add(total, _mul(_mul(z.c[j], j), y[k - j]))
            y.append(self._over(total, k))
        return Series(y)

    def expm1(self, z: Any) -> Any:
        """e**z - 1, without cancellation near 0."""
        return self._unary(z, self._s.expm1, self.exp)

    def log(self, z: Any) -> Any:
        """Natural logarithm."""
        return self._unary(z, self._s.log, lambda s: 1 / s)

    def log1p(self, z: Any) -> Any:
        """log(1 + z), without cancellation near 0."""
        return self._unary(z, self._s.log1p, lambda s: 1 / (1 + s))

    def sqrt(self, z: Any) -> Any:
        """Square root."""
        return self._unary(z, self._s.sqrt, lambda s: 0.5 / self.sqrt(s))

    def sin(self, z: Any) -> Any:
        """Sine of z in radians."""
        return self._unary(z, self._s.sin, self.cos)

    def cos(self, z: Any) -> Any:
        """Cosine of z in radians."""
        return self._unary(z, self._s.cos, lambda s: -self.sin(s))

    def atan(self, z: Any) -> Any:
        """Arc tangent."""
        return self._unary(z, self._s.atan, lambda s: 1 / (1 + s * s))

    def tanh(self, z: Any) -> Any:
        """Hyperbolic tangent, with derivatives that keep their relative accuracy in the tails."""
        if not isinstance(z, Series):
            return self._s.tanh(self._scalar(z))
        constant = self._scalar(z.c[0])
        y, w = [self._s.tanh(constant)], [self._s.sech2(constant)]
        for k in range(1, len(z.c)):
            dy: Any = 0
            dw: Any = 0
            for j in range(1, k + 1):
                slope = _mul(z.c[j], j)
                dy = _add(dy, _mul(slope, w[k - j]))
                dw = _add(dw, _mul(slope, _convolve(y, w, k - j)))
            y.append(self._over(dy, k))
            w.append(0 if _is(dw, 0) else self._over(-2 * dw, k))
        return Series(y)

    def sigmoid(self, z: Any) -> Any:
        """1 / (1 + e**-z)."""
        if not isinstance(z, Series):
            return self._s.sigmoid(self._scalar(z))
        half = self.tanh(z * 0.5)
        return Series([self._s.sigmoid(self._scalar(z.c[0])), *(_mul(c, 0.5) for c in half.c[1:])])

    def softplus(self, z: Any) -> Any:
        """log(1 + e**z)."""
        return self._unary(z, self._s.softplus, self.sigmoid)

    def erf(self, z: Any) -> Any:
        """The error function."""
        return self._unary(z, self._s.erf, self._gauss)

    def erfc(self, z: Any) -> Any:
        """1 - erf(z), without cancellation for large z."""
        return self._unary(z, self._s.erfc, lambda s: -self._gauss(s))

    def sinh(self, z: Any) -> Any:
        """Hyperbolic sine."""
        return self._unary(z, self._s.sinh, self.cosh)

    def cosh(self, z: Any) -> Any:
        """Hyperbolic cosine."""
        return self._unary(z, self._s.cosh, self.sinh)

    def tan(self, z: Any) -> Any:
        """Tangent of z in radians."""
        return self._unary(z, self._s.tan, lambda s: self._reciprocal_square(self.cos(s)))

    def asin(self, z: Any) -> Any:
        """Arc sine, for -1 < z < 1."""
        return self._unary(z, self._s.asin, lambda s: 1 / self.sqrt((1 - s) * (1 + s)))

    def acos(self, z: Any) -> Any:
        """Arc cosine, for -1 < z < 1."""
        return self._unary(z, self._s.acos, lambda s: -1 / self.sqrt((1 - s) * (1 + s)))

    def asinh(self, z: Any) -> Any:
        """Inverse hyperbolic sine."""
        return self._unary(z, self._s.asinh, lambda s: 1 / self.sqrt(1 + s * s))

    def acosh(self, z: Any) -> Any:
        """Inverse hyperbolic cosine, for z > 1."""
        return self._unary(z, self._s.acosh, lambda s: 1 / self.sqrt((s - 1) * (s + 1)))

    def atanh(self, z: Any) -> Any:
        """Inverse hyperbolic tangent, for -1 < z < 1."""
        return self._unary(z, self._s.atanh, lambda s: 1 / ((1 - s) * (1 + s)))

    def cbrt(self, z: Any) -> Any:
        """The real cube root, of negative numbers too."""
        return self._unary(z, self._s.cbrt, lambda s: self._reciprocal_square(self.cbrt(s)) / 3)

    def log2(self, z: Any) -> Any:
        """Logarithm to base 2."""
        return self.log(z) / self.log(2)

    def log10(self, z: Any) -> Any:
        """Logarithm to base 10."""
        return self.log(z) / self.log(10)

    def power(self, z: Any, exponent: Any) -> Any:
        """z to any real power, for z > 0; integers (of Python's) as ``**`` takes them."""
        if isinstance(exponent, int):
            return z**exponent if isinstance(z, Series) else (Series([self._scalar(z)]) ** exponent).c[0]
        return self.exp(self.log(z) * self._scalar(exponent))

    def _reciprocal_square(self, z: Series) -> Series:
        one: Series = 1 / (z * z)
        return one

    def _gauss(self, z: Series) -> Series:
        """2/sqrt(pi) exp(-z**2)."""
        density: Series = self.exp(-(z * z)) * (2 / self._s.sqrt(self._s.pi))
        return density
