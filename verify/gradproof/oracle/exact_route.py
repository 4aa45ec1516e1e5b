"""The exact route: definitions over rationals, for what is rational and nothing else.

Values that are no rational number (or are not known to be one) are *unknown*. Unknown times an exact zero is
zero, zero over an unknown that cannot be zero is zero, anything else with an unknown is unknown. What may be no
number at all (x/0, log 0, a quotient by something that may be 0) is *undefined*, and so is 0 times that. A ReLU-like
piece is exact everywhere, GELU is exact in value and first derivative at 0, and ties that an enclosure can never
resolve are decided here.
"""

from __future__ import annotations

from fractions import Fraction
from typing import Any, Final

from gradproof.functions.function import Function
from gradproof.oracle.series import FACTORIALS, ORDERS, Series, SeriesContext, lifted, long_enough


class ExactReal:
    """A rational number, or an unknown real (``value`` is None), or nothing at all (``undefined``: x/0, log 0).

    Of some unknown numbers it is known that they are not 0, or positive. What is undefined makes all it meets
    undefined.
    """

    __slots__ = ("nonzero", "positive", "undefined", "value")

    def __init__(
        self, value: Fraction | None, *, nonzero: bool = False, positive: bool = False, undefined: bool = False
    ) -> None:
        self.value = value
        self.positive = positive if value is None else value > 0
        self.nonzero = nonzero or positive if value is None else value != 0
        self.undefined = undefined

    def __eq__(self, other: object) -> bool:
        """Whether it is known to be this number."""
        return self.value is not None and self.value == other

    __hash__ = None  # type: ignore[assignment]

    @staticmethod
    def of(other: Any) -> ExactReal:
        """Lift an int, float (its binary value) or Fraction."""
        return other if isinstance(other, ExactReal) else ExactReal(Fraction(other))

    def _with(self, other: ExactReal, value: Fraction | None, *, scaled: bool = False) -> ExactReal:
        """The result of an operation; ``scaled`` for a product or quotient, whose sign and zeros are known."""
        if self.undefined or other.undefined:
            return UNDEFINED
        nonzero, positive = self.nonzero and other.nonzero, self.positive and other.positive
        return ExactReal(value, nonzero=scaled and nonzero, positive=scaled and positive)

    @lifted
    def __add__(self, other: ExactReal) -> ExactReal:
        a, b = self.value, other.value
        return self._with(other, None if a is None or b is None else a + b)

    __radd__ = __add__

    def __neg__(self) -> ExactReal:
        return ExactReal(None if self.value is None else -self.value, nonzero=self.nonzero, undefined=self.undefined)

    @lifted
    def __sub__(self, other: ExactReal) -> ExactReal:
        return self + -other

    @lifted
    def __rsub__(self, other: ExactReal) -> ExactReal:
        return other + -self

    @lifted
    def __mul__(self, other: ExactReal) -> ExactReal:
        a, b = self.value, other.value
        if a == 0 or b == 0:
            return self._with(other, Fraction(0))
        return self._with(other, None if a is None or b is None else a * b, scaled=True)

    __rmul__ = __mul__

    @lifted
    def __truediv__(self, other: ExactReal) -> ExactReal:
        a, b = self.value, other.value
        if not other.nonzero:
            return UNDEFINED
        if a == 0:
            return self._with(other, Fraction(0))
        return self._with(other, None if a is None or b is None else a / b, scaled=True)

    @lifted
    def __rtruediv__(self, other: ExactReal) -> ExactReal:
        return other / self


UNDEFINED: Final = ExactReal(None, undefined=True)


class _KnownScalars:
    """Elementary functions where Lindemann-Weierstrass leaves a rational value: at 0 (or 1 for log)."""

    @property
    def pi(self) -> ExactReal:
        return ExactReal(None, positive=True)

    def real(self, value: Any) -> ExactReal:
        return ExactReal(Fraction(value))

    def ratio(self, x: Any, n: int) -> Any:
        return x / n

    def sqrt(self, x: ExactReal) -> ExactReal:
        if x.value is None or x.value < 0:
            return ExactReal(None, positive=True) if x.positive else UNDEFINED  # an unknown one may be negative
        return ExactReal(rational_root(x.value, 2), positive=x.value > 0)

    def _at(self, x: ExactReal, point: int, value: Fraction | int, *, positive: bool = False) -> ExactReal:
        """``value`` at ``point``, elsewhere an unknown number."""
        return UNDEFINED if x.undefined else ExactReal(Fraction(value) if x.value == point else None, positive=positive)

    def exp(self, x: ExactReal) -> ExactReal:
        return self._at(x, 0, 1, positive=True)

    def expm1(self, x: ExactReal) -> ExactReal:
        return self._at(x, 0, 0)

    def log(self, x: ExactReal) -> ExactReal:
        if x.value is None or x.value in (0, 1):
            return self._at(x, 1, 0) if x.positive else UNDEFINED
        return ExactReal(None, positive=x.value > 1, nonzero=True) if x.positive else UNDEFINED

    def log1p(self, x: ExactReal) -> ExactReal:
        return self._at(x, 0, 0) if (x + 1).positive or x.positive else UNDEFINED

    def sin(self, x: ExactReal) -> ExactReal:
        return self._at(x, 0, 0)

    def cos(self, x: ExactReal) -> ExactReal:
        return self._at(x, 0, 1)

    def atan(self, x: ExactReal) -> ExactReal:
        return self._at(x, 0, 0)

    def tanh(self, x: ExactReal) -> ExactReal:
        return self._at(x, 0, 0)

    def sech2(self, x: ExactReal) -> ExactReal:
        return self._at(x, 0, 1, positive=True)

    def sigmoid(self, x: ExactReal) -> ExactReal:
        return self._at(x, 0, Fraction(1, 2), positive=True)

    def softplus(self, x: ExactReal) -> ExactReal:
        return UNDEFINED if x.undefined else ExactReal(None, positive=True)

    def erf(self, x: ExactReal) -> ExactReal:
        return self._at(x, 0, 0)

    def erfc(self, x: ExactReal) -> ExactReal:
        return self._at(x, 0, 1, positive=True)

    def sinh(self, x: ExactReal) -> ExactReal:
        return self._at(x, 0, 0)

    def cosh(self, x: ExactReal) -> ExactReal:
        return self._at(x, 0, 1, positive=True)

    def tan(self, x: ExactReal) -> ExactReal:
        return UNDEFINED if x.value is None else self._at(x, 0, 0)  # no rational number is a pole

    def asin(self, x: ExactReal) -> ExactReal:
        return self._at(x, 0, 0) if self._below_one(x) else UNDEFINED

    def acos(self, x: ExactReal) -> ExactReal:
        return self._at(x, 1, 0) if x.value == 1 or self._below_one(x) else UNDEFINED

    def atanh(self, x: ExactReal) -> ExactReal:
        return self._at(x, 0, 0) if self._below_one(x) else UNDEFINED

    def _below_one(self, x: ExactReal) -> bool:
        return x.value is not None and abs(x.value) < 1

    def asinh(self, x: ExactReal) -> ExactReal:
        return self._at(x, 0, 0)

    def acosh(self, x: ExactReal) -> ExactReal:
        return self._at(x, 1, 0) if x.value is not None and x.value >= 1 else UNDEFINED

    def cbrt(self, x: ExactReal) -> ExactReal:
        if x.undefined or x.value is None:
            return UNDEFINED if x.undefined else ExactReal(None, positive=x.positive, nonzero=x.nonzero)
        root = rational_root(abs(x.value), 3)
        signed = -root if root is not None and x.value < 0 else root
        return ExactReal(signed, positive=x.value > 0, nonzero=x.value != 0)


def rational_root(value: Fraction, n: int) -> Fraction | None:
    """The n-th root of a number that is not negative, where it is rational."""
    parts = [_integer_root(part, n) for part in (value.numerator, value.denominator)]
    return None if None in parts else Fraction(*parts)  # type: ignore[arg-type]


def _integer_root(value: int, n: int) -> int | None:
    """The n-th root of an integer, where it is one; bit by bit."""
    root = 0
    for bit in reversed(range(value.bit_length() // n + 1)):
        if (root | 1 << bit) ** n <= value:
            root |= 1 << bit
    return root if root**n == value else None


_SCALARS = _KnownScalars()
CONTEXT: Final = SeriesContext(_SCALARS)


def derivatives(function: Function, piece: int, x: Fraction) -> list[Fraction | None]:
    """f to f''' of one piece at ``x``: the exact rational, or None where it is not known to be one."""
    params = {k: ExactReal(v) for k, v in function.exact_params.items()}
    try:
        series = long_enough(
            lambda n: function.pieces[piece](CONTEXT, Series.variable(ExactReal(x), n), **params), ORDERS
        )
        coefficients = series.c[:ORDERS] if isinstance(series, Series) else [series] + [0] * (ORDERS - 1)
        values = [ExactReal.of(c).value for c in coefficients]
    except Exception:
        return [None] * ORDERS
    return [None if v is None else v * FACTORIALS[k] for k, v in enumerate(values)]


def is_rational(function: Function, piece: int) -> bool:
    """Whether a piece is rational arithmetic throughout, so that the exact route decides all of it.

    Tried at an input with no special structure: a definition that is exact there uses no transcendental.
    """
    return None not in derivatives(function, piece, Fraction(355, 113))
