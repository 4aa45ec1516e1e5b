"""How one piece behaves just beside a point: exact limits and infinities of f to f'' where it has no Taylor series.

With x = k + s t, t falling to 0, a definition is a sum of terms c t^a (log t)^b: a rational, b a non-negative integer,
and only finitely many b with each a. Sums, products, quotients, powers, logarithms and analytic functions of such
sums are such sums again, and their derivatives are found term by term. So the first term decides the limit: -x log x
has f -> 0 and f' -> +inf at 0, the signed square root f' -> +inf on both sides, x (1/tanh x) f -> 1.

Coefficients are rational numbers, or arb balls where they are not. Nothing is claimed of a first term whose ball
holds 0, of a limit that is no rational number, and of what grows or shrinks faster than every power (e^(1/t)).
"""

from __future__ import annotations

import math
from collections.abc import Callable
from fractions import Fraction
from typing import Any, Final

from gradproof.functions.function import Function, Side
from gradproof.oracle import arb_route, exact_route
from gradproof.oracle.series import OFFERED, Series

DEPTH: Final = 8
"""Terms are kept to this exponent beyond that of the first one."""
FINEST: Final = Fraction(1, 6)
"""Least exponent of a perturbation that an analytic function is expanded in."""
ORDERS: Final = 3
_PRECISION: Final = 256

Coefficient = Any
"""A Fraction, or an arb ball."""
Limit = Fraction | float
"""A rational number, or a float infinity."""


class Undecided(ArithmeticError):
    """What these terms do not tell."""


class Germ:
    """The sum of ``terms[a, b] t^a (log t)^b``; what is left out has exponents from ``end`` on."""

    __slots__ = ("end", "terms")

    def __init__(self, terms: dict[tuple[Fraction, int], Coefficient], end: Fraction | float = math.inf) -> None:
        self.terms = {k: c for k, c in terms.items() if k[0] < end and not _is_zero(c)}
        self.end = end

    @staticmethod
    def of(value: Any) -> Germ:
        """Lift a constant."""
        if isinstance(value, Germ):
            return value
        constant = Fraction(value) if isinstance(value, (int, float, str, Fraction)) else value
        return Germ({(Fraction(0), 0): constant})

    # -- what it tends to ----------------------------------------------------------------------------

    @property
    def first(self) -> tuple[Fraction, int]:
        """Exponents of the largest term; Undecided where there is none or its coefficient may be 0."""
        if not self.terms:
            raise Undecided("no term is known")
        key = min(self.terms, key=lambda k: (k[0], -k[1]))
        if _sign(self.terms[key]) == 0:
            raise Undecided("the first coefficient may be 0")
        return key

    def limit(self) -> Limit:
        """The limit for t -> 0, where it is rational or infinite."""
        if all(a > 0 for a, _ in self.terms):
            if self.end <= 0:
                raise Undecided("no term is known")
            return Fraction(0)
        a, b = self.first
        c = self.terms[a, b]
        if a == 0 and b == 0:
            if not isinstance(c, Fraction):
                raise Undecided("no rational limit")
            return c
        return _sign(c) * (-1.0) ** b * math.inf  # log t -> -inf

    def derivative(self, side: int) -> Germ:
        """d/dx = side d/dt."""
        found: dict[tuple[Fraction, int], Coefficient] = {}
        for (a, b), c in self.terms.items():
            for key, factor in (((a - 1, b), a), ((a - 1, b - 1), Fraction(b))):
                if factor:
                    found[key] = _plus(found.get(key, Fraction(0)), _times(c, factor * side))
        return Germ(found, self.end - 1)

    # -- arithmetic ----------------------------------------------------------------------------------

    @property
    def _least(self) -> Fraction | float:
        """A lower bound of all exponents."""
        return min((a for a, _ in self.terms), default=self.end)

    def __add__(self, other: Any) -> Germ:
        other = Germ.of(other)
        found = dict(self.terms)
        for key, c in other.terms.items():
            found[key] = _plus(found.get(key, Fraction(0)), c)
        return Germ(found, min(self.end, other.end))

    __radd__ = __add__

    def __neg__(self) -> Germ:
        return Germ({k: -c for k, c in self.terms.items()}, self.end)

    def __sub__(self, other: Any) -> Germ:
        return self + -Germ.of(other)

    def __rsub__(self, other: Any) -> Germ:
        return Germ.of(other) - self

    @property
    def _is_zero(self) -> bool:
        return not self.terms and math.isinf(self.end)

    def __mul__(self, factor: Any) -> Germ:
        other = Germ.of(factor)
        if self._is_zero or other._is_zero:
            return Germ({})
        least = self._least + other._least
        cut = least + DEPTH
        found: dict[tuple[Fraction, int], Coefficient] = {}
        for (a, b), c in self.terms.items():
            for (p, q), d in other.terms.items():
                key = a + p, b + q
                found[key] = _plus(found.get(key, Fraction(0)), _times(c, d))
        exact = math.isinf(self.end) and math.isinf(other.end) and all(a < cut for a, _ in found)
        return Germ(found, math.inf if exact else min(self.end + other._least, other.end + self._least, cut))

    __rmul__ = __mul__

    def __truediv__(self, other: Any) -> Germ:
        quotient: Germ = self * power(Germ.of(other), Fraction(-1))
        return quotient

    def __rtruediv__(self, other: Any) -> Germ:
        return Germ.of(other) / self

    def __pow__(self, exponent: int) -> Germ:
        if not isinstance(exponent, int):
            raise TypeError(f"x ** {exponent!r}")
        result = Germ.of(1)
        for _ in range(abs(exponent)):
            result = result * self
        return result if exponent >= 0 else 1 / result


def _is_zero(c: Coefficient) -> bool:
    return c == 0 if isinstance(c, Fraction) else bool(c.is_zero())


def _sign(c: Coefficient) -> int:
    """1 or -1; 0 where it is not known."""
    return 1 if c > 0 else -1 if c < 0 else 0


def _plus(c: Coefficient, d: Coefficient) -> Coefficient:
    return c + d if isinstance(c, Fraction) and isinstance(d, Fraction) else arb_route.number(c) + arb_route.number(d)


def _times(c: Coefficient, d: Coefficient) -> Coefficient:
    return c * d if isinstance(c, Fraction) and isinstance(d, Fraction) else arb_route.number(c) * arb_route.number(d)


# -- functions of a germ -----------------------------------------------------------------------------


def _parted(z: Germ) -> tuple[Coefficient, Germ]:
    """The constant term, and the rest, which tends to 0; Undecided where z has no finite limit."""
    if z.end <= 0 or any(a < 0 or (a == 0 and b) for a, b in z.terms):
        raise Undecided("no finite limit")
    constant = z.terms.get((Fraction(0), 0), Fraction(0))
    return constant, Germ({k: c for k, c in z.terms.items() if k[0] > 0}, z.end)


def _composed(taylor: Callable[[int], list[Coefficient]], rest: Germ) -> Germ:
    """The sum of taylor(n)[k] rest^k, as far as DEPTH."""
    step = rest._least
    if math.isinf(step):
        return Germ.of(taylor(1)[0])
    if step < FINEST:
        raise Undecided("too fine a perturbation")
    count = math.ceil(DEPTH / step) + 1
    coefficients = taylor(count)
    total = Germ.of(coefficients[-1])
    for c in coefficients[-2::-1]:
        total = total * rest + Germ.of(c)
    return total + Germ({}, count * step)


def _analytic(name: str, z: Germ) -> Germ:
    """A function with a Taylor series about the limit of z: rational coefficients where they are known to be."""
    constant, rest = _parted(z)

    def taylor(count: int) -> list[Coefficient]:
        with arb_route.working(_PRECISION, max(count, 2)):
            balls = arb_route.about(name, arb_route.number(constant), max(count, 2))[:count]
        if not all(ball.is_finite() for ball in balls):
            raise Undecided(f"{name} has no Taylor series there")
        if not isinstance(constant, Fraction):
            return balls
        known = getattr(exact_route.CONTEXT, name)(Series.variable(exact_route.ExactReal(constant), max(count, 2)))
        exact = [exact_route.ExactReal.of(c).value for c in known.c[:count]]
        return [ball if value is None else value for value, ball in zip(exact, balls, strict=True)]

    return _composed(taylor, rest)


def _normalised(z: Germ) -> tuple[Fraction, Coefficient, Germ]:
    """z = c t^a (1 + rest) with c certainly not 0 and the rest tending to 0."""
    a, b = z.first
    if b or any(p == a and q for p, q in z.terms):
        raise Undecided("a logarithm leads")
    c = z.terms[a, 0]
    scale = 1 / c if isinstance(c, Fraction) else 1 / arb_route.number(c)
    rest = {(p - a, q): _times(d, scale) for (p, q), d in z.terms.items() if (p, q) != (a, b)}
    return a, c, Germ(rest, z.end - a)


def power(z: Germ, exponent: Fraction) -> Germ:
    """z to a rational power: of a negative z an integer one only."""
    a, c, rest = _normalised(z)
    whole = exponent.denominator == 1
    if not whole and _sign(c) < 0:
        raise Undecided("a root of a negative number")

    def binomial(count: int) -> list[Coefficient]:
        found = [Fraction(1)]
        for k in range(1, count):
            found.append(found[-1] * (exponent - k + 1) / k)
        return list(found)

    scale = _powered(c, exponent)
    return _composed(binomial, rest) * Germ({(a * exponent, 0): scale})


def _powered(c: Coefficient, exponent: Fraction) -> Coefficient:
    """c^exponent, exactly where that is rational and plain to see."""
    if isinstance(c, Fraction):
        if exponent.denominator == 1:
            return c ** int(exponent)
        root = exact_route.rational_root(c, exponent.denominator)
        if root is not None:
            return root**exponent.numerator
    ball = arb_route.number(c)
    if exponent.denominator == 1:
        return ball ** int(exponent)
    return (ball.log() * arb_route.number(exponent)).exp()


def _log(z: Germ) -> Germ:
    a, c, rest = _normalised(z)
    if _sign(c) <= 0:
        raise Undecided("the logarithm of a negative number")
    constant = Fraction(0) if isinstance(c, Fraction) and c == 1 else arb_route.number(c).log()
    turned = _composed(lambda n: [Fraction(0), *(Fraction((-1) ** (k + 1), k) for k in range(1, n))], rest)
    return Germ({(Fraction(0), 1): a, (Fraction(0), 0): constant}) + turned


def _exp(z: Germ) -> Germ:
    """e^z; of a z that tends to +-inf as a multiple q of log t, it is t^q times the exponential of the rest."""
    growing = {k: c for k, c in z.terms.items() if k[0] < 0 or (k[0] == 0 and k[1])}
    if not growing:
        return _analytic("exp", z)
    exponent = growing.get((Fraction(0), 1))
    if len(growing) > 1 or not isinstance(exponent, Fraction):
        raise Undecided("an exponential of what grows")
    rest = Germ({k: c for k, c in z.terms.items() if k not in growing}, z.end)
    return _analytic("exp", rest) * Germ({(exponent, 0): Fraction(1)})


class _Context:
    """The math context over germs."""

    @property
    def pi(self) -> Germ:
        return Germ.of(arb_route.CONTEXT.pi)

    def real(self, value: Any) -> Germ:
        return Germ.of(Fraction(value))

    def exp(self, z: Any) -> Germ:
        return _exp(Germ.of(z))

    def log(self, z: Any) -> Germ:
        return _log(Germ.of(z))

    def log1p(self, z: Any) -> Germ:
        return _log(1 + Germ.of(z))

    def log2(self, z: Any) -> Germ:
        return self.log(z) / self.log(2)

    def log10(self, z: Any) -> Germ:
        return self.log(z) / self.log(10)

    def sqrt(self, z: Any) -> Germ:
        return power(Germ.of(z), Fraction(1, 2))

    def cbrt(self, z: Any) -> Germ:
        z = Germ.of(z)
        return power(z, Fraction(1, 3)) if _sign(z.terms[z.first]) > 0 else -power(-z, Fraction(1, 3))

    def power(self, z: Any, exponent: Any) -> Germ:
        if isinstance(exponent, int):
            return Germ.of(z) ** exponent
        constant, rest = _parted(Germ.of(exponent))
        if isinstance(constant, Fraction) and not rest.terms:
            return power(Germ.of(z), constant)
        return self.exp(self.log(z) * exponent)

    def acosh(self, z: Any) -> Germ:
        return self.log(z + self.sqrt((z - 1) * (z + 1)))

    def atanh(self, z: Any) -> Germ:
        return (self.log1p(z) - self.log1p(-z)) / 2

    def __getattr__(self, name: str) -> Any:
        if name not in OFFERED:
            raise AttributeError(f"germs have no {name!r}")
        return lambda z: _analytic(name, Germ.of(z))


CONTEXT: Final = _Context()


def limits(function: Function, piece: int, point: Fraction, side: Side) -> list[Limit | None]:
    """The limits of f, f', f'' of one piece at ``point`` from the left or the right; None where they are not told."""
    found: list[Limit | None] = [None] * ORDERS
    if not arb_route.AVAILABLE:
        return found
    sign = 1 if side == "right" else -1
    try:
        with arb_route.working(_PRECISION):
            params = {k: Germ.of(v) for k, v in function.exact_params.items()}
            x = Germ({(Fraction(0), 0): point, (Fraction(1), 0): Fraction(sign)})
            germ = Germ.of(function.pieces[piece](CONTEXT, x, **params))
            for order in range(ORDERS):
                found[order] = _limit(germ)
                germ = germ.derivative(sign)
    except Exception:  # whatever a definition does with what it does not know
        return found
    return found


def _limit(germ: Germ) -> Limit | None:
    try:
        return germ.limit()
    except Undecided:
        return None
