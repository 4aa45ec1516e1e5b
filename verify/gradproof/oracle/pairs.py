"""Elementary functions of pairs of float64 arrays, ``hi + lo`` with |lo| at most half an ulp of hi.

Values only; the error bounds are stated here and carried by ``doubles``. Basic operations: Knuth's two-sum, Dekker's
split and product, and the double-word algorithms of Joldes, Muller and Popescu (2017). Tables are computed from
mpmath at first use.
"""

from __future__ import annotations

import math
from fractions import Fraction
from functools import cache
from typing import Any, Final

import mpmath
import numpy as np

Pair = tuple[Any, Any]

_SPLIT: Final = 2.0**27 + 1.0


def of(value: Fraction) -> tuple[float, float]:
    """The pair nearest to a rational; OverflowError beyond float64."""
    hi = float(value)
    return hi, float(value - Fraction(hi))


def _exactly(value: Any) -> tuple[float, float]:
    """The pair nearest to an mpmath number."""
    hi = float(value)
    return hi, float(value - hi)


def _precise(bits: int) -> Any:
    context = mpmath.mp.clone()
    context.prec = bits
    return context


PI: Final = _exactly(+_precise(200).pi)


# -- basic operations: relative error at most 15 * 2^-106, unless a low part underflows ---------------------


def two_sum(a: Any, b: Any) -> Pair:
    """a + b and its rounding error, exactly."""
    total = a + b
    shadow = total - a
    return total, (a - (total - shadow)) + (b - shadow)


def fast_two_sum(a: Any, b: Any) -> Pair:
    """The same where |a| >= |b|."""
    total = a + b
    return total, b - (total - a)


def two_product(a: Any, b: Any) -> Pair:
    """a b and its rounding error, exactly where nothing under- or overflows."""
    product = a * b
    scaled = a * _SPLIT
    a_hi = scaled - (scaled - a)
    a_lo = a - a_hi
    scaled = b * _SPLIT
    b_hi = scaled - (scaled - b)
    b_lo = b - b_hi
    return product, ((a_hi * b_hi - product) + a_hi * b_lo + a_lo * b_hi) + a_lo * b_lo


def add(x: Pair, y: Pair) -> Pair:
    """x + y."""
    s, s_low = two_sum(x[0], y[0])
    t, t_low = two_sum(x[1], y[1])
    v, v_low = fast_two_sum(s, s_low + t)
    return fast_two_sum(v, t_low + v_low)


def add_float(x: Pair, y: Any) -> Pair:
    """x + y for a float64 y."""
    s, s_low = two_sum(x[0], y)
    return fast_two_sum(s, x[1] + s_low)


def multiply(x: Pair, y: Pair) -> Pair:
    """x y."""
    p, p_low = two_product(x[0], y[0])
    return fast_two_sum(p, p_low + (x[0] * y[1] + x[1] * y[0]))


def multiply_float(x: Pair, y: Any) -> Pair:
    """x y for a float64 y."""
    p, p_low = two_product(x[0], y)
    return fast_two_sum(p, p_low + x[1] * y)


def divide(x: Pair, y: Pair) -> Pair:
    """x / y."""
    quotient = x[0] / y[0]
    p, p_low = multiply_float(y, quotient)
    return fast_two_sum(quotient, ((x[0] - p) + (x[1] - p_low)) / y[0])


def sqrt(x: Pair) -> Pair:
    """The square root; 0 at 0. Small numbers are scaled, because the low part of the root's square underflows."""
    scale = np.where(x[0] < 2.0**-500, 2.0**300, 1.0)
    hi, lo = x[0] * scale * scale, x[1] * scale * scale
    root = np.sqrt(hi)
    square, square_low = two_product(root, root)
    rest = (hi - square) + (lo - square_low)
    return fast_two_sum(root / scale, np.where(root > 0, rest / (2.0 * np.where(root > 0, root, 1.0)), 0.0) / scale)


def _choose(condition: Any, x: Pair, y: Pair) -> Pair:
    return np.where(condition, x[0], y[0]), np.where(condition, x[1], y[1])


def negative(x: Pair) -> Pair:
    """-x."""
    return -x[0], -x[1]


def _minus_magnitude(x: Pair) -> Pair:
    sign = np.where(x[0] > 0, -1.0, 1.0)
    return x[0] * sign, x[1] * sign


# -- exponentials: x = (256 e + j) log(2)/256 + r, e^x = 2^e T[j] e^r, |r| < 0.00136 ------------------------

_STEPS: Final = 256
_INVERSE: Final = _STEPS / math.log(2)


@cache
def _log2_parts() -> tuple[float, float, float]:
    """log(2)/256 in three parts; the first two have 33 bits, so that products with 20-bit integers are exact."""
    mp = _precise(300)
    rest = mp.log(2) / _STEPS
    parts = []
    for _ in range(2):
        part = float(mp.mpf(int(mp.floor(mp.ldexp(rest, 33 - mp.mag(rest))))) * mp.ldexp(1, mp.mag(rest) - 33))
        parts.append(part)
        rest -= part
    return parts[0], parts[1], float(rest)


@cache
def _powers() -> Pair:
    """2^(j/256) for j from 0 to 255."""
    mp = _precise(200)
    rows = [_exactly(mp.mpf(2) ** (mp.mpf(j) / _STEPS)) for j in range(_STEPS)]
    return np.array([r[0] for r in rows]), np.array([r[1] for r in rows])


_FACTORIAL_2: Final = (0.5, 0.0)
_FACTORIAL_3: Final = of(Fraction(1, 6))
_FACTORIAL_4: Final = of(Fraction(1, 24))
_FACTORIAL_LATER: Final = tuple(1.0 / math.factorial(n) for n in range(5, 11))


def _reduced(x: Pair) -> tuple[Any, Pair, Pair]:
    """e, T[j] and e^r - 1 of the reduction above, for |x| < 1500.

    The last has a relative error below 2^-95: powers from r^5/5! on are summed in float64, those from r^11 on
    left out; x itself is reduced with an absolute error below 2^-97.
    """
    k = np.rint(x[0] * _INVERSE)
    first, second, third = _log2_parts()
    a, a_low = two_sum(x[0], -k * first)
    b, b_low = two_sum(a, -k * second)
    r = two_sum(b, a_low + b_low + x[1] - k * third)
    h = r[0]
    tail = _FACTORIAL_LATER[-1] * h
    for c in _FACTORIAL_LATER[-2:0:-1]:
        tail = (tail + c) * h
    tail = tail + _FACTORIAL_LATER[0]
    series = add_float(_FACTORIAL_4, h * tail)
    for coefficient in (_FACTORIAL_3, _FACTORIAL_2):
        series = add(coefficient, multiply(r, series))
    grown = add(r, multiply(multiply(r, r), series))
    whole = k.astype(np.int64) if isinstance(k, np.ndarray) else np.int64(k)
    powers, powers_low = _powers()
    j = whole & (_STEPS - 1)
    return whole >> 8, (powers[j], powers_low[j]), grown


def _scaled(x: Pair, e: Any) -> Pair:
    """x 2^e for |e| < 2000, in two factors, so that only the result under- or overflows."""
    half = e >> 1
    one, two = _power_of_two(half), _power_of_two(e - half)
    return x[0] * one * two, x[1] * one * two


def _power_of_two(e: Any) -> Any:
    return np.asarray((e + 1023) << 52).view(np.float64)


def exp(x: Pair) -> Pair:
    """e^x; relative error below 2^-94."""
    x = _clipped(x, -1400.0, 1400.0)
    e, power, grown = _reduced(x)
    return _scaled(add(power, multiply(power, grown)), e)


def expm1(x: Pair) -> Pair:
    """e^x - 1; relative error below 2^-92. Left of -100 it is -1 within 2^-144."""
    x = _clipped(x, -100.0, 1400.0)
    e, power, grown = _reduced(x)
    one = _power_of_two(np.maximum(-e, -1022))  # an underflowed 1 is far below the result's 2^-106
    return _scaled(add(multiply(power, grown), add_float(power, -one)), e)


def _clipped(x: Pair, low: float, high: float) -> Pair:
    hi = np.clip(x[0], low, high)
    return hi, np.where(hi == x[0], x[1], 0.0)


@cache
def _log2() -> Pair:
    return _exactly(_precise(200).log(2))


def log(x: Pair) -> Pair:
    """The natural logarithm of x > 0: a Newton step from float64, a multiple of log 2; absolute error below 2^-90."""
    m, k = np.frexp(x[0])
    k = k.astype(np.int64)
    low = m < math.sqrt(0.5)
    k = np.where(low, k - 1, k)
    m = np.where(low, 2.0 * m, m)
    near = np.log(m)
    mantissa = m, np.ldexp(x[1], -k.astype(np.int32))
    w = add_float(multiply(mantissa, exp((-near, np.zeros_like(near)))), -1.0)
    fraction = add_float((w[0] - 0.5 * w[0] * w[0], w[1]), near)
    return add(multiply_float(_log2(), k.astype(np.float64)), fraction)


def log1p(x: Pair) -> Pair:
    """The logarithm of 1 + x for x > -1; relative error below 2^-89. Outside [-1/2, 1] as the logarithm of 1 + x."""
    near_zero = (x[0] >= -0.5) & (x[0] <= 1.0)
    small = np.where(near_zero, x[0], 0.0), np.where(near_zero, x[1], 0.0)
    near = np.log1p(small[0])
    e = expm1((-near, np.zeros_like(near)))
    w = add(add(e, small), multiply(small, e))  # (1 + x) e^-near - 1
    answer = add_float((w[0] - 0.5 * w[0] * w[0], w[1]), near)
    if np.all(near_zero):
        return answer
    far = np.where(near_zero, 2.0, x[0]), np.where(near_zero, 0.0, x[1])
    return _choose(near_zero, answer, log(add_float(far, 1.0)))


def tanh(x: Pair) -> Pair:
    """The hyperbolic tangent; relative error below 2^-90."""
    m = _minus_magnitude(x)
    e = expm1((2.0 * m[0], 2.0 * m[1]))
    t = divide(e, add_float(e, 2.0))
    sign = np.where(x[0] > 0, -1.0, 1.0)
    return t[0] * sign, t[1] * sign


def sigmoid(x: Pair) -> Pair:
    """1 / (1 + e^-x); relative error below 2^-92."""
    t = exp(_minus_magnitude(x))
    one = np.ones_like(t[0]), np.zeros_like(t[0])
    return divide(_choose(x[0] > 0, one, t), add_float(t, 1.0))


def softplus(x: Pair) -> Pair:
    """log(1 + e^x); relative error below 2^-89."""
    tail = log1p(exp(_minus_magnitude(x)))
    nothing = np.zeros_like(tail[0])
    return add(_choose(x[0] > 0, x, (nothing, nothing)), tail)


# -- hyperbolic functions and their inverses, roots: sums of positive terms, so that nothing cancels -----------------

_HUGE: Final = 2.0**100
"""From here on asinh(x) and acosh(x) are log(2 x) within 2^-201."""


def sinh(x: Pair) -> Pair:
    """((e^x - 1) - (e^-x - 1)) / 2; relative error below 2^-91."""
    total = add(expm1(x), negative(expm1(negative(x))))
    return total[0] * 0.5, total[1] * 0.5


def cosh(x: Pair) -> Pair:
    """(e^x + e^-x) / 2; relative error below 2^-93."""
    total = add(exp(x), exp(negative(x)))
    return total[0] * 0.5, total[1] * 0.5


def asinh(x: Pair) -> Pair:
    """log1p(a + a^2/(1 + sqrt(1 + a^2))) with a = |x|; relative error below 2^-88."""
    a = negative(_minus_magnitude(x))
    near = _clipped(a, 0.0, _HUGE)
    square = multiply(near, near)
    root = sqrt(add_float(square, 1.0))
    found = log1p(add(near, divide(square, add_float(root, 1.0))))
    sign = np.where(x[0] > 0, 1.0, -1.0)
    far = _choose(a[0] > _HUGE, add(log(_clipped(a, 1.0, np.inf)), _log2()), found)
    return far[0] * sign, far[1] * sign


def acosh(x: Pair) -> Pair:
    """log1p(t + sqrt(t (t + 2))) with t = x - 1, for x >= 1; relative error below 2^-88."""
    t = add_float(_clipped(x, -np.inf, _HUGE), -1.0)
    near = log1p(add(t, sqrt(multiply(t, add_float(t, 2.0)))))
    return _choose(x[0] > _HUGE, add(log(_clipped(x, 1.0, np.inf)), _log2()), near)


def atanh(x: Pair) -> Pair:
    """log1p(2 a/(1 - a)) / 2 with a = |x| < 1; relative error below 2^-88."""
    m = _minus_magnitude(x)
    a = negative(m)
    found = log1p(divide((2.0 * a[0], 2.0 * a[1]), add_float(m, 1.0)))
    half = np.where(x[0] > 0, 0.5, -0.5)
    return found[0] * half, found[1] * half


def cbrt(x: Pair) -> Pair:
    """The real cube root, as e^(log|x| / 3); relative error below 2^-89. NaN at 0."""
    third = multiply(log(negative(_minus_magnitude(x))), of(Fraction(1, 3)))
    root = exp(third)
    sign = np.where(x[0] > 0, 1.0, -1.0)
    return root[0] * sign, root[1] * sign


# -- the error function: erfc(x) = e^(-x^2) erfcx(x), erfcx by Taylor series about j/16 ------------------------

_CENTRES: Final = 16
_REACH: Final = 28
"""erfc(28) < 2^-1130."""
_DEGREE: Final = 18
_IN_PAIRS: Final = 9
"""Coefficients summed in pairs; the later ones in float64."""


@cache
def _scaled_complement() -> tuple[Any, Any]:
    """Taylor coefficients of erfcx(x) = e^(x^2) erfc(x) about j/16, hi and lo of shape (degree + 1, centres).

    From y' = 2 x y - 2/sqrt(pi). The recurrence loses some 130 bits at x = 28, degree 18; 320 are carried.
    """
    mp = _precise(320)
    steep = 2 / mp.sqrt(mp.pi)
    hi = np.zeros((_DEGREE + 1, _REACH * _CENTRES + 1))
    lo = np.zeros_like(hi)
    for j in range(hi.shape[1]):
        c = mp.mpf(j) / _CENTRES
        row = [mp.exp(c * c) * mp.erfc(c)]
        row.append(2 * c * row[0] - steep)
        for n in range(1, _DEGREE):
            row.append(2 * (c * row[n] + row[n - 1]) / (n + 1))
        for n, value in enumerate(row):
            hi[n, j], lo[n, j] = _exactly(value)
    return hi, lo


def _erfcx(x: Pair) -> Pair:
    """erfcx(x) for 0 <= x <= 28; relative error below 2^-95."""
    hi, lo = _scaled_complement()
    j = np.rint(np.where(np.isnan(x[0]), 0.0, x[0]) * _CENTRES).astype(np.int64)
    d = add_float(x, j * (-1.0 / _CENTRES))
    h = d[0]
    tail = np.take(hi[_DEGREE], j)
    for n in range(_DEGREE - 1, _IN_PAIRS - 1, -1):
        tail = tail * h + np.take(hi[n], j)
    n = _IN_PAIRS - 1
    total = add_float((np.take(hi[n], j), np.take(lo[n], j)), h * tail)
    for n in range(_IN_PAIRS - 2, -1, -1):
        total = add((np.take(hi[n], j), np.take(lo[n], j)), multiply(d, total))
    return total


def erfc(x: Pair) -> Pair:
    """1 - erf(x); relative error below 2^-89."""
    m = _minus_magnitude(x)
    a = _clipped(negative(m), 0.0, float(_REACH))
    square = multiply(a, a)
    tail = multiply(exp(negative(square)), _erfcx(a))
    # Past 28 the clipped value would be a number where none is left of it.
    beyond = np.abs(x[0]) > _REACH
    tail = np.where(beyond, 0.0, tail[0]), np.where(beyond, 0.0, tail[1])
    return _choose(x[0] > 0, tail, add_float(negative(tail), 2.0))


_MACLAURIN: Final = 16


@cache
def _maclaurin() -> tuple[Pair, ...]:
    """2/sqrt(pi) (-1)^n / (n! (2n + 1))."""
    mp = _precise(200)
    steep = 2 / mp.sqrt(mp.pi)
    return tuple(_exactly(steep * (-1) ** n / (mp.factorial(n) * (2 * n + 1))) for n in range(_MACLAURIN))


def erf(x: Pair) -> Pair:
    """The error function; relative error below 2^-88: Maclaurin's series for |x| < 1/4, elsewhere 1 - erfc."""
    small = np.abs(x[0]) < 0.25
    a = np.where(small, x[0], 0.0), np.where(small, x[1], 0.0)
    v = multiply(a, a)
    coefficients = _maclaurin()
    tail = np.full_like(v[0], coefficients[-1][0])
    for n in range(_MACLAURIN - 2, 7, -1):
        tail = tail * v[0] + coefficients[n][0]
    total = add_float(coefficients[7], v[0] * tail)
    for n in range(6, -1, -1):
        total = add(coefficients[n], multiply(v, total))
    near = multiply(a, total)
    if np.all(small):
        return near
    far = add_float(negative(erfc(negative(_minus_magnitude(x)))), 1.0)
    sign = np.where(x[0] > 0, 1.0, -1.0)
    return _choose(small, near, (far[0] * sign, far[1] * sign))
