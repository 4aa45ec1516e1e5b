"""Where a function turns, and what values it takes, from what it declares and certified signs of f'."""

from __future__ import annotations

import contextlib
import math
from fractions import Fraction
from typing import Final

from gradproof.errors import UsageError
from gradproof.functions.function import Function, Side
from gradproof.oracle import arb_route, exact_route, germs

Bracket = tuple[Fraction, Fraction]
LEFT: Final[Side] = "left"
RIGHT: Final[Side] = "right"
_PRECISION: Final = 256
_WIDTH: Final = Fraction(1, 1 << 80)
_TRIED: Final = (Fraction(355, 113), Fraction(-97, 89), Fraction(17, 71))
"""A rational piece whose second derivative is 0 at these inputs, which have no special structure, is linear."""


def linear_pieces(function: Function) -> tuple[bool, ...]:
    """Whether each piece, from left to right, is a + b x with rational a and b: decided in rational arithmetic."""
    return tuple(
        all(exact_route.derivatives(function, piece, x)[2] == 0 for x in _TRIED)
        for piece in range(len(function.pieces))
    )


def turning_points(function: Function) -> list[Bracket]:
    """The declared turns from left to right; roots of f' narrowed to 2^-80 by bisection over certified signs.

    A turn that is known exactly comes as a bracket of width 0. Raises UsageError where f' has no opposite signs at
    the ends of a declared bracket, and GradproofError's kin where python-flint is missing.
    """
    turns = function.exact_turns
    return [_narrowed(function, *turn) if isinstance(turn, tuple) else (turn, turn) for turn in turns]


def _narrowed(function: Function, low: Fraction, high: Fraction) -> Bracket:
    left, right = _slope_sign(function, low), _slope_sign(function, high)
    if left * right >= 0:
        raise UsageError(
            f"function {function.label}: f' must change its sign between {float(low)!r} and {float(high)!r}, declared "
            f"as a turn; its signs there are {left:+d} and {right:+d}"
        )
    while high - low > _WIDTH:
        middle = (low + high) / 2
        sign = _slope_sign(function, middle)
        if sign == 0:
            break
        low, high = (middle, high) if sign == left else (low, middle)
    return low, high


def _slope_sign(function: Function, x: Fraction) -> int:
    """The certified sign of f'(x); 0 where the enclosure holds 0."""
    ends = arb_route.enclosures(function, function.piece_at(x), x, _PRECISION)[1]
    if ends is None:
        return 0
    return 1 if ends[0].man > 0 else -1 if ends[1].man < 0 else 0


def extent(function: Function) -> tuple[Fraction | float, Fraction | float] | None:
    """The least interval that holds every value, its ends enclosed outward; None where something is not declared.

    Needs directions and limits: between two turns f is monotone, so that its values lie between the one-sided values
    at turns and kinks and the limits.
    """
    if function.directions is None:
        return None
    values: list[Fraction | float] = []
    for side in ("left", "right"):
        limit = function.limit(side, 0)
        if limit is None:
            return None
        values.append(limit)
    for i, kink in enumerate(function.breaks):
        for piece, side in ((i, LEFT), (i + 1, RIGHT)):
            ends = _values_over(function, piece, kink, kink)
            beside = ends or germs.limits(function, piece, kink, side)[:1]
            if beside[0] is None:
                return None
            values += [end for end in beside if end is not None]
    for low, high in turning_points(function):
        ends = _values_over(function, function.piece_at(low), low, high)
        if ends is None:
            return None
        values += ends
    return min(values, key=_ordered), max(values, key=_ordered)


def _values_over(function: Function, piece: int, low: Fraction, high: Fraction) -> tuple[Fraction, Fraction] | None:
    """Two numbers between which f of one piece lies on [low, high]; None where its definition gives none there."""
    found: arb_route.Enclosure = None
    with contextlib.suppress(AttributeError, TypeError, ArithmeticError, ValueError):
        if low == high:
            found = arb_route.value(function, piece, low, _PRECISION)
        else:
            found = arb_route.enclosures_over(function, piece, low, high, _PRECISION)[0]
    return None if found is None else (found[0].fraction(), found[1].fraction())


def _ordered(value: Fraction | float) -> tuple[float, Fraction]:
    infinite = isinstance(value, float) and math.isinf(value)
    return (value if infinite else 0.0), (Fraction(0) if infinite else Fraction(value))  # type: ignore[return-value]
