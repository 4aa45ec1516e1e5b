"""Which identities a function has, found by asking the oracle: mirror symmetry and positive homogeneity.

Nothing is taken from a list of names, so that functions of a user's own are covered too.
"""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction
from functools import lru_cache
from typing import Final

from gradproof.extend import FLOAT64, Oracle

Interval = tuple[Fraction, Fraction]

_POINTS: Final = tuple(
    map(Fraction, ("1/1048576", "1/8", "3/8", "1/2", "1", "11/8", "9/4", "13/4", "5", "11", "37", "61"))
)
EXPONENTS: Final = 1 << 18
"""Values with larger binary exponents are not handled as fractions."""
FARTHEST: Final = 2**1000
"""No identity is found for a function with a breakpoint beyond."""
_SIMPLE: Final = 64
"""Constants of identities between transcendental values have denominators up to this."""


@dataclass(frozen=True)
class Mirror:
    """f(x) + ``sign`` f(-x) = ``slope`` x + ``constant`` for all x, with ``sign`` 1 or -1.

    With sign 1 the even part of f is constant (odd functions, sigmoid, erfc), with -1 the odd part is linear (even
    functions, and those with f(x) - f(-x) = x: relu, gelu, silu, softplus).
    """

    sign: int
    slope: Fraction = Fraction(0)
    constant: Fraction = Fraction(0)

    @property
    def text(self) -> str:
        """The identity as one writes it."""
        if not self.slope and not self.constant:
            return "f(-x) = -f(x)" if self.sign > 0 else "f(-x) = f(x)"
        if self.sign > 0:
            return f"f(x) + f(-x) = {float(self.constant):g}"
        return f"f(x) - f(-x) = {'' if self.slope == 1 else f'{float(self.slope):g} '}x"


ODD: Final = Mirror(1)
EVEN: Final = Mirror(-1)


@lru_cache(maxsize=512)
def mirrors(oracle: Oracle) -> tuple[Mirror, ...]:
    """The identities of ``Mirror`` that hold at every test point, by values that mpmath and arb agree on.

    The points lie in every section between the magnitudes of the breakpoints, and near these. Values are enclosed
    to some 80 bits; a constant is the exact value or a fraction of small denominator.
    """
    if any(abs(k) > FARTHEST for k in oracle.function.breaks):
        return ()
    found = []
    points = _points(oracle)
    for sign in (1, -1):
        one, other = _value(oracle, Fraction(1)), _value(oracle, Fraction(-1))
        if one is None or other is None:
            break
        amount = _settled(_sum(one, other, sign))
        if amount is None:
            continue
        mirror = Mirror(sign, constant=amount) if sign > 0 else Mirror(sign, slope=amount)
        if all(_residual_holds_zero(oracle, mirror, x) for x in points):
            found.append(mirror)
    return tuple(found)


@lru_cache(maxsize=512)
def counterexample(oracle: Oracle, mirror: Mirror) -> Fraction | None:
    """A test point at which the two sides of ``mirror`` certainly differ; None where there is none."""
    for x in sorted(_points(oracle), key=lambda x: (x != 1, x)):
        residual = _residual(oracle, mirror, x)
        if residual is not None and not residual[0] <= 0 <= residual[1]:
            return x
    return None


@lru_cache(maxsize=512)
def is_homogeneous(oracle: Oracle) -> bool:
    """Whether f(c x) = c f(x) for all c > 0: f is linear on both half lines, by the same points."""
    if any(oracle.function.breaks):
        return False
    origin = _value(oracle, Fraction(0))
    if origin is None or any(origin):
        return False
    for side in (1, -1):
        unit = _value(oracle, Fraction(side))
        if unit is None:
            return False
        for x in _points(oracle):
            value = _value(oracle, side * x)
            if value is None or value[0] > x * unit[1] or value[1] < x * unit[0]:
                return False
    return True


def enclosed(oracle: Oracle, x: Fraction) -> Interval | None:
    """Lower and upper end of f at the float64 ``x``, certified by two routes; None where there is no number."""
    return _value(oracle, x)


@lru_cache(maxsize=4096)
def _value(oracle: Oracle, x: Fraction) -> Interval | None:
    value = oracle.certified(FLOAT64.round(x), FLOAT64, 0)
    if value.kind != "finite" or value.lower is None or value.upper is None:
        return None
    if any(end.man and abs(end.exponent) > EXPONENTS for end in (value.lower, value.upper)):
        return None
    return value.lower.fraction(), value.upper.fraction()


def _points(oracle: Oracle) -> list[Fraction]:
    """Positive float64 test points: _POINTS, and in each section between the magnitudes of the breakpoints."""
    marks = sorted({abs(k) for k in oracle.function.breaks if abs(k) <= FARTHEST} - {Fraction(0)})
    edges = [Fraction(0), *marks]
    inner = [(a + b) / 2 for a, b in zip(edges, marks, strict=False)]
    near = [k * (1 + Fraction(d, 32)) for k in marks for d in (-1, 1, 8)]
    return sorted({Fraction(float(x)) for x in (*_POINTS, *inner, *near) if float(x) > 0})


def _residual(oracle: Oracle, mirror: Mirror, x: Fraction) -> Interval | None:
    one, other = _value(oracle, x), _value(oracle, -x)
    if one is None or other is None:
        return None
    low, high = _sum(one, other, mirror.sign)
    due = mirror.slope * x + mirror.constant
    return low - due, high - due


def _residual_holds_zero(oracle: Oracle, mirror: Mirror, x: Fraction) -> bool:
    residual = _residual(oracle, mirror, x)
    return residual is not None and residual[0] <= 0 <= residual[1]


def _sum(one: Interval, other: Interval, sign: int) -> Interval:
    low, high = other if sign > 0 else (-other[1], -other[0])
    return one[0] + low, one[1] + high


def _settled(ends: Interval) -> Fraction | None:
    """The number that an enclosure pins down: its one point, or a fraction of small denominator inside."""
    low, high = ends
    if low == high:
        return low
    simple = ((low + high) / 2).limit_denominator(_SIMPLE)
    return simple if low <= simple <= high else None
