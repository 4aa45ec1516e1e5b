"""Every catalogued function and its first three derivatives in closed form, for ``audit.py``: no code of the oracle's.

One text serves two arithmetics: arrays of 80-bit numbers (``Extended``) and mpmath (``Precise``). Written so that
nothing cancels but beside the roots of a result, and nothing overflows where the result does not. In 80-bit numbers
x^2 or 1.702 x are off by 2^-64 of themselves, as if x were: far below the ulp of x that a contract admits.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from fractions import Fraction
from typing import Any, Final

import mpmath
import numpy as np

Real = Any
"""An array of np.longdouble, or one mpf."""
Params = Mapping[str, Real]
Jet = Callable[[Any, Real, Params], tuple[Real, Real, Real, Real]]
"""Of an arithmetic, x and parameters: f, f', f'', f''' at x."""

SERIES_BELOW: Final = 1.5
"""|x| up to which erf is summed as a series; beyond, erfc is a continued fraction."""


class Extended:
    """Arrays of np.longdouble, of which 64 bits of significand are asked for."""

    def __init__(self) -> None:
        if np.finfo(np.longdouble).nmant < 63:
            raise SystemExit(f"expected np.longdouble of 64 bits or more, got {np.finfo(np.longdouble)}")
        self.pi = np.longdouble("3.14159265358979323846264338327950288")

    exp, expm1, log1p, sqrt, sign = np.exp, np.expm1, np.log1p, np.sqrt, np.sign

    @staticmethod
    def real(value: Fraction) -> Real:
        """The nearest number."""
        return np.longdouble(value.numerator) / np.longdouble(value.denominator)

    @staticmethod
    def pick(condition: Any, yes: Callable[[], Real], no: Callable[[], Real]) -> Real:
        """Either, by element."""
        return np.where(condition, yes(), no())

    def erf(self, x: Real) -> Real:
        """2 / sqrt(pi) exp(-x^2) (x + 2 x^3 / 3 + 4 x^5 / 15 + ...), of positive terms; 1 - erfc(x) for greater x."""
        z = np.minimum(np.abs(x), SERIES_BELOW)
        term, total = z, z
        for n in range(1, 50):
            term = term * (2 * z * z) / (2 * n + 1)
            total = total + term
        small = 2 / np.sqrt(self.pi) * np.exp(-z * z) * total
        return np.sign(x) * np.where(np.abs(x) <= SERIES_BELOW, small, 1 - self._tail(np.abs(x)))

    def erfc(self, x: Real) -> Real:
        """1 - erf(x) up to SERIES_BELOW."""
        return np.where(x <= SERIES_BELOW, 1 - self.erf(x), self._tail(x))

    def _tail(self, x: Real) -> Real:
        """exp(-x^2) / sqrt(pi) / (x + (1/2) / (x + 1 / (x + (3/2) / (x + ...)))), for x from SERIES_BELOW on."""
        z = np.maximum(x, SERIES_BELOW)
        below = z
        for n in range(160, 0, -1):
            below = z + np.longdouble(n) / 2 / below
        return np.exp(-z * z) / np.sqrt(self.pi) / below

    def excess(self, x: Real) -> Real:
        """x - tanh x: (x cosh x - sinh x) / cosh x with the numerator's series, of terms of one sign, for |x| < 1."""
        z = np.clip(x, -1, 1)
        power, total = z, 0 * z
        for k in range(1, 16):
            power = power * (z * z) / (2 * k * (2 * k + 1))
            total = total + 2 * k * power
        return np.where(np.abs(x) < 1, total / np.cosh(z), x - _tanh(self, x))


class Precise:
    """mpmath at its present working precision, one number at a time."""

    def __init__(self) -> None:
        mp = mpmath.mp
        self.exp, self.expm1, self.log1p, self.sqrt, self.sign = mp.exp, mp.expm1, mp.log1p, mp.sqrt, mp.sign
        self.erf = mp.erf

    @property
    def pi(self) -> Real:
        """pi."""
        return +mpmath.mp.pi

    @staticmethod
    def real(value: Fraction) -> Real:
        """The nearest number."""
        return mpmath.mpf(value.numerator) / value.denominator

    @staticmethod
    def pick(condition: Any, yes: Callable[[], Real], no: Callable[[], Real]) -> Real:
        """Either."""
        return yes() if condition else no()

    def erfc(self, x: Real) -> Real:
        """1 - erf(x). mpmath's overflows for huge x: there the leading term, which is far below every format."""
        if abs(x) < 2**20:
            return mpmath.erfc(x)
        tail = mpmath.exp(-x * x) / (abs(x) * mpmath.sqrt(mpmath.pi))
        return tail if x > 0 else 2 - tail

    def excess(self, x: Real) -> Real:
        """x - tanh x, with the bits to spare that cancel: twice the exponent of x."""
        spare = 2 * max(0, -int(mpmath.frexp(x)[1])) if x else 0
        with mpmath.workprec(mpmath.mp.prec + spare + 8):
            return x - mpmath.tanh(x)


def _logistic(c: Any, x: Real) -> tuple[Real, Real, Real, Real]:
    """1 / (1 + e^-x) and its derivatives."""
    e = c.exp(-abs(x))
    d = 1 + e
    value = c.pick(x >= 0, lambda: 1 / d, lambda: e / d)
    first = e / d**2
    return value, first, c.sign(x) * e * c.expm1(-abs(x)) / d**3, e * (1 - 4 * e + e * e) / d**4


def _tanh(c: Any, x: Real) -> Real:
    e = c.expm1(-2 * abs(x))
    return c.sign(x) * -e / (2 + e)


def _softplus(c: Any, x: Real) -> Real:
    return c.pick(x > 0, lambda: x, lambda: 0 * x) + c.log1p(c.exp(-abs(x)))


def _normal(c: Any, x: Real) -> tuple[Real, Real, Real, Real]:
    """The distribution function of the normal distribution and its derivatives."""
    density = c.exp(-x * x / 2) / c.sqrt(2 * c.pi)
    return c.erfc(-x / c.sqrt(c.real(Fraction(2)))) / 2, density, -x * density, (x * x - 1) * density


def _gated(x: Real, g: tuple[Real, Real, Real, Real]) -> tuple[Real, Real, Real, Real]:
    """x g(x)."""
    return x * g[0], g[0] + x * g[1], 2 * g[1] + x * g[2], 3 * g[2] + x * g[3]


def _inner(g: tuple[Real, Real, Real, Real], t1: Real, t2: Real, t3: Real) -> tuple[Real, Real, Real, Real]:
    """g(t(x)), of g's derivatives at t and t's at x (Faa di Bruno)."""
    return g[0], g[1] * t1, g[2] * t1**2 + g[1] * t2, g[3] * t1**3 + 3 * g[2] * t1 * t2 + g[1] * t3


def _sigmoid(c: Any, x: Real, p: Params) -> tuple[Real, Real, Real, Real]:
    return _logistic(c, x)


def _silu(c: Any, x: Real, p: Params) -> tuple[Real, Real, Real, Real]:
    return _gated(x, _logistic(c, x))


def _quick_gelu(c: Any, x: Real, p: Params) -> tuple[Real, Real, Real, Real]:
    k = c.real(Fraction("1.702"))
    return _gated(x, _inner(_logistic(c, k * x), k, 0 * x, 0 * x))


def _gelu(c: Any, x: Real, p: Params) -> tuple[Real, Real, Real, Real]:
    cdf, density, _, _ = _normal(c, x)
    return x * cdf, cdf + x * density, (2 - x * x) * density, x * (x * x - 4) * density


def _gelu_tanh(c: Any, x: Real, p: Params) -> tuple[Real, Real, Real, Real]:
    a, k = c.real(Fraction("0.044715")), 2 * c.sqrt(2 / c.pi)
    inner = _logistic(c, k * x * (1 + a * x * x))
    return _gated(x, _inner(inner, k * (1 + 3 * a * x * x), 6 * k * a * x, 6 * k * a + 0 * x))


def _softplus_jet(c: Any, x: Real, p: Params) -> tuple[Real, Real, Real, Real]:
    b = p["beta"]
    s, s1, s2, _ = _logistic(c, b * x)
    return _softplus(c, b * x) / b, s, b * s1, b * b * s2


def _softplus_threshold(c: Any, x: Real, p: Params) -> tuple[Real, Real, Real, Real]:
    below = _softplus_jet(c, x, p)
    linear = p["beta"] * x > p["threshold"]
    above = (x, 1 + 0 * x, 0 * x, 0 * x)
    return tuple(c.pick(linear, lambda a=a: a, lambda b=b: b) for a, b in zip(above, below, strict=True))  # type: ignore[return-value]


def _logsigmoid(c: Any, x: Real, p: Params) -> tuple[Real, Real, Real, Real]:
    s, s1, s2, _ = _logistic(c, -x)
    return -_softplus(c, -x), s, -s1, s2


def _mish(c: Any, x: Real, p: Params) -> tuple[Real, Real, Real, Real]:
    """x T with T = tanh(softplus(x)) = 1 - 2 / (u^2 + 2 u + 2), u = e^x; for x > 0 in terms of v = 1 / u."""
    e = c.exp(-abs(x))
    d, b = e * e + 2 * e + 2, 1 + 2 * e + 2 * e * e

    def left() -> tuple[Real, Real, Real, Real]:
        q = e * (2 + e * (2 + e * (-3 - 2 * e)))
        r = e * (2 + e * (4 + e * (-9 - 8 * e)))
        return e * (e + 2) / d, 4 * e * (e + 1) / d**2, 4 * q / d**3, 4 * (r * d - 6 * q * e * (1 + e)) / d**4

    def right() -> tuple[Real, Real, Real, Real]:
        q = -2 + e * (-3 + e * (2 + 2 * e))
        r = -8 + e * (-9 + e * (4 + 2 * e))
        square = 4 * e * e
        return (1 + 2 * e) / b, square * (1 + e) / b**2, square * q / b**3, square * (r * b - 6 * q * (1 + e)) / b**4

    both = zip(left(), right(), strict=True)
    return _gated(x, tuple(c.pick(x > 0, lambda r=r: r, lambda n=n: n) for n, r in both))  # type: ignore[arg-type]


def _tanh_jet(c: Any, x: Real, p: Params) -> tuple[Real, Real, Real, Real]:
    _, s1, s2, s3 = _logistic(c, 2 * x)
    return _tanh(c, x), 4 * s1, 8 * s2, 16 * s3


def _tanhshrink(c: Any, x: Real, p: Params) -> tuple[Real, Real, Real, Real]:
    value, _, second, third = _tanh_jet(c, x, p)
    return c.excess(x), value**2, -second, -third


def _softsign(c: Any, x: Real, p: Params) -> tuple[Real, Real, Real, Real]:
    d, sign = 1 + abs(x), c.sign(x)
    return x / d, 1 / d**2, -2 * sign / d**3, 6 / d**4


def _squareplus(c: Any, x: Real, p: Params) -> tuple[Real, Real, Real, Real]:
    b = p["b"]
    r = c.sqrt(x * x + b)
    value = c.pick(x > 0, lambda: (x + r) / 2, lambda: b / (2 * (r + abs(x))))
    return value, value / r, b / (2 * r**3), -3 * b * x / (2 * r**5)


def _exponential(c: Any, x: Real, p: Params) -> tuple[Real, Real, Real, Real]:
    e = c.exp(x)
    return e, e, e, e


def _expm1(c: Any, x: Real, p: Params) -> tuple[Real, Real, Real, Real]:
    return (c.expm1(x), *_exponential(c, x, p)[1:])


def _log1p(c: Any, x: Real, p: Params) -> tuple[Real, Real, Real, Real]:
    d = 1 + x
    return c.log1p(x), 1 / d, -1 / d**2, 2 / d**3


def _erf(c: Any, x: Real, p: Params) -> tuple[Real, Real, Real, Real]:
    bell = 2 / c.sqrt(c.pi) * c.exp(-x * x)
    return c.erf(x), bell, -2 * x * bell, (4 * x * x - 2) * bell


def _erfc(c: Any, x: Real, p: Params) -> tuple[Real, Real, Real, Real]:
    return (c.erfc(x), *(-y for y in _erf(c, x, p)[1:]))


def _rising(scale: str, alpha: str, inner: str) -> Jet:
    """scale alpha (e^(x / inner) - 1) left of 0, scale x right of it."""

    def jet(c: Any, x: Real, p: Params) -> tuple[Real, Real, Real, Real]:
        names = {**p, "1": c.real(Fraction(1)), "lambda": c.real(SELU[0]), "selu": c.real(SELU[1])}
        s, a, k = names[scale], names[alpha], names[inner]
        z = c.pick(x < 0, lambda: x, lambda: 0 * x) / k
        e = s * a * c.exp(z)
        left = (s * a * c.expm1(z), e / k, e / k / k, e / k / k / k)
        return tuple(  # type: ignore[return-value]
            c.pick(x < 0, lambda y=y: y, lambda t=t: t) for y, t in zip(left, (s * x, s, 0 * x, 0 * x), strict=True)
        )

    return jet


def _pieces(
    *pieces: Callable[[Real, Params], tuple[Real, Real, Real]],
    ends: Callable[[Params], tuple[Real, ...]],
    closed_left: int = 0,
) -> Jet:
    """Polynomials of degree 2 at most, each (f, f', f''), parted by ``ends``.

    Bit n of ``closed_left``: the n-th end belongs to the piece on its left.
    """

    def jet(c: Any, x: Real, p: Params) -> tuple[Real, Real, Real, Real]:
        answer: tuple[Any, ...] = (*pieces[0](x, p), 0 * x)
        for n, (piece, end) in enumerate(zip(pieces[1:], ends(p), strict=True)):
            beyond = x > end if closed_left >> n & 1 else x >= end
            new = (*piece(x, p), 0 * x)
            answer = tuple(c.pick(beyond, lambda y=y: y, lambda o=o: o) for y, o in zip(new, answer, strict=True))
        return answer  # type: ignore[return-value]

    return jet


def _constant(of: Callable[[Params], Real]) -> Callable[[Real, Params], tuple[Real, Real, Real]]:
    return lambda x, p: (of(p) + 0 * x, 0 * x, 0 * x)


def _line(slope: Callable[[Params], Real], at: Callable[[Params], Real]) -> Any:
    return lambda x, p: (slope(p) * x + at(p), slope(p) + 0 * x, 0 * x)


def _zero(p: Params) -> int:
    return 0


def _one(p: Params) -> int:
    return 1


SELU: Final = (Fraction("1.0507009873554804934193349852946"), Fraction("1.6732632423543772848170429916717"))
"""Scale and alpha of Klambauer et al. 2017, as published with the reference code."""
_NOTHING, _ITSELF = _constant(_zero), _line(_one, _zero)
_RELU = _pieces(_NOTHING, _ITSELF, ends=lambda p: (0,))
_CLAMP = _pieces(
    _constant(lambda p: p["min"]), _ITSELF, _constant(lambda p: p["max"]), ends=lambda p: (p["min"], p["max"])
)

FUNCTIONS: Final[dict[str, Jet]] = {
    "relu": _RELU,
    "maximum0": _RELU,
    "leaky_relu": _pieces(_line(lambda p: p["negative_slope"], _zero), _ITSELF, ends=lambda p: (0,)),
    "prelu": _pieces(_line(lambda p: p["weight"], _zero), _ITSELF, ends=lambda p: (0,)),
    "relu6": _pieces(_NOTHING, _ITSELF, _constant(lambda p: 6), ends=lambda p: (0, 6)),
    "threshold": _pieces(_constant(lambda p: p["value"]), _ITSELF, ends=lambda p: (p["threshold"],), closed_left=1),
    "clamp": _CLAMP,
    "hardtanh": _CLAMP,
    "abs": _pieces(_line(lambda p: -1, _zero), _ITSELF, ends=lambda p: (0,)),
    "hardsigmoid": _pieces(
        _NOTHING, lambda x, p: ((x + 3) / 6, 0 * x + 1 / (0 * x + 6), 0 * x), _constant(_one), ends=lambda p: (-3, 3)
    ),
    "hardswish": _pieces(
        _NOTHING,
        lambda x, p: (x * (x + 3) / 6, (2 * x + 3) / 6, 0 * x + 1 / (0 * x + 3)),
        _ITSELF,
        ends=lambda p: (-3, 3),
    ),
    "hardshrink": _pieces(_ITSELF, _NOTHING, _ITSELF, ends=lambda p: (-p["lambd"], p["lambd"]), closed_left=2),
    "softshrink": _pieces(
        _line(_one, lambda p: p["lambd"]),
        _NOTHING,
        _line(_one, lambda p: -p["lambd"]),
        ends=lambda p: (-p["lambd"], p["lambd"]),
    ),
    "elu": _rising("1", "alpha", "1"),
    "selu": _rising("lambda", "selu", "1"),
    "celu": _rising("1", "alpha", "alpha"),
    "gelu": _gelu,
    "gelu_tanh": _gelu_tanh,
    "quick_gelu": _quick_gelu,
    "silu": _silu,
    "mish": _mish,
    "sigmoid": _sigmoid,
    "logsigmoid": _logsigmoid,
    "softplus": _softplus_jet,
    "softplus_threshold": _softplus_threshold,
    "tanh": _tanh_jet,
    "tanhshrink": _tanhshrink,
    "softsign": _softsign,
    "squareplus": _squareplus,
    "exp": _exponential,
    "expm1": _expm1,
    "log1p": _log1p,
    "erf": _erf,
    "erfc": _erfc,
}
"""By name. What is not here is not audited: the conversions, which owe a rounding and no accuracy."""

KINKS: Final[dict[str, Callable[[Mapping[str, Fraction]], tuple[Fraction | int, ...]]]] = {
    "relu": lambda p: (0,),
    "maximum0": lambda p: (0,),
    "leaky_relu": lambda p: (0,),
    "prelu": lambda p: (0,),
    "relu6": lambda p: (0, 6),
    "threshold": lambda p: (p["threshold"],),
    "clamp": lambda p: (p["min"], p["max"]),
    "hardtanh": lambda p: (p["min"], p["max"]),
    "abs": lambda p: (0,),
    "hardsigmoid": lambda p: (-3, 3),
    "hardswish": lambda p: (-3, 3),
    "hardshrink": lambda p: (-p["lambd"], p["lambd"]),
    "softshrink": lambda p: (-p["lambd"], p["lambd"]),
    "elu": lambda p: (0,),
    "selu": lambda p: (0,),
    "celu": lambda p: (0,),
    "softsign": lambda p: (0,),
    "softplus_threshold": lambda p: (p["threshold"] / p["beta"],),
}
"""Where two pieces meet: no derivative is due there, and which one is right is another property's question."""
