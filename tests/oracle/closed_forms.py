"""Definitions held to values worked out by hand: on each route by itself, and in every format."""

from __future__ import annotations

from collections.abc import Callable
from fractions import Fraction
from typing import Any, Final

import mpmath

from gradproof.formats import BFLOAT16, FLOAT16, FLOAT32, FLOAT64
from gradproof.functions import Function
from gradproof.oracle import Oracle, arb_route, mpmath_route
from gradproof.oracle.dyadic import Dyadic

FORMATS: Final = (FLOAT64, FLOAT32, FLOAT16, BFLOAT16)
MP: Final = mpmath.mp.clone()
MP.prec = 400
PRECISION: Final = 300
NEAR: Final = MP.mpf(2) ** -200

Due = Fraction | int | Callable[[Any], Any]
"""A rational number, or a constant over mpmath: ``lambda mp: -mp.pi**2 / 3``."""


def number(due: Due) -> Any:
    """The value at 400 bits."""
    if callable(due):
        return +due(MP)
    exact = Fraction(due)
    return MP.mpf(exact.numerator) / exact.denominator


def _mp(value: Dyadic) -> Any:
    return MP.ldexp(MP.mpf(value.man), value.exp)


def fraction(value: Any) -> Fraction:
    """An mpmath number, exactly."""
    sign, man, exp, _ = value._mpf_
    return Fraction(-int(man) if sign else int(man)) * Fraction(2) ** exp


def check_routes(function: Function, x: Fraction, due: list[Due], piece: int = 0) -> None:
    """f, f', f'' at ``x``: arb's enclosures hold them and are narrow, mpmath comes near, each without the other."""
    balls = arb_route.enclosures(function, piece, x, PRECISION)
    near = mpmath_route.derivatives(function, piece, x, PRECISION)
    for order, expected in enumerate(map(number, due)):
        room = NEAR * (1 + abs(expected))
        ends = balls[order]
        assert ends is not None, order
        low, high = map(_mp, ends)
        assert low - room * NEAR <= expected <= high + room * NEAR, order  # ``expected`` is rounded itself
        assert high - low <= room, order
        assert abs(_mp(near[order]) - expected) <= room, order


def check_formats(function: Function, x: Fraction, due: list[Due]) -> None:
    """f, f', f'' at ``x`` in every format: certified, and correctly rounded."""
    oracle = Oracle(function)
    for fmt in FORMATS:
        assert fmt.holds(x)
        for order, expected in enumerate(due):
            found = oracle.certified(fmt.round(x), fmt, order)
            assert found.kind == "finite", (fmt.name, order)
            rounded = fmt.round(fraction(number(expected)))
            assert fmt.same_number(found.bits, rounded), (fmt.name, order)
            assert found.value is not None  # of the second route, or exact
