"""Where f rises and falls, in magnitudes of one sign: what the order of neighbouring results is held to."""

from __future__ import annotations

import math
from fractions import Fraction

from gradproof.formats import Format
from gradproof.functions import Function
from gradproof.oracle.shape import turning_points

Section = tuple[int, int, int]
"""First and last magnitude, and whether f grows (1) or shrinks (-1) with the magnitude."""


def sections(function: Function, fmt: Format, *, negative: bool) -> list[Section]:
    """The sections of one side of 0 on which f is declared monotone, turns excluded; none where nothing is declared."""
    if function.directions is None:
        return []
    turns = turning_points(function)
    lows: list[Fraction | float] = [-math.inf, *(high for _, high in turns)]
    highs: list[Fraction | float] = [*(low for low, _ in turns), math.inf]
    found = []
    for low, high, way in zip(lows, highs, function.directions, strict=True):
        near, far = (-high, -low) if negative else (low, high)
        first, last = _first_above(near, fmt), _last_below(far, fmt)
        if first < last:
            found.append((first, last, -way if negative else way))
    return found


def _first_above(bound: Fraction | float, fmt: Format) -> int:
    """The least magnitude whose number exceeds ``bound``; 0 for a negative one."""
    if bound < 0:
        return 0
    if isinstance(bound, float) or bound > fmt.max_value:
        return fmt.last_bits
    return _at_most(bound, fmt) + 1


def _last_below(bound: Fraction | float, fmt: Format) -> int:
    """The greatest magnitude whose number is below ``bound``; -1 where there is none."""
    if isinstance(bound, float) or bound > fmt.max_value:
        return fmt.last_bits if bound > 0 else -1
    if bound <= 0:
        return -1
    at = _at_most(bound, fmt)
    return at - (fmt.value(at) == bound)


def _at_most(bound: Fraction, fmt: Format) -> int:
    nearest = fmt.round(bound)
    return nearest - (not fmt.is_finite(nearest) or fmt.value(nearest) > bound)
