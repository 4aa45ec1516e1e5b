"""What f^(n) seems to be where nothing is certified: evidence, not proof, from certified values beside the input."""

from __future__ import annotations

from fractions import Fraction
from typing import Final

from gradproof.formats import FLOAT64
from gradproof.functions.function import Function, Side
from gradproof.oracle.certify import certified_piece

STEPS: Final = (Fraction(1), Fraction(1, 2**64), Fraction(1, 2**128))
"""Distances from the input, in units of that to the next number of the format."""
SETTLED: Final = Fraction(1, 2**20)
"""How near to one another the values at the two lesser distances must be, relative to the largest."""


def continued(
    function: Function, piece: int, x: Fraction, gap: Fraction, order: int, sides: tuple[Side, ...]
) -> float | None:
    """The value of f^(order) of one piece on its way to ``x`` from ``sides``, or None where it does not settle there.

    ``gap`` is the distance to the neighbouring numbers, where the values must be finite too. Poles and logarithms grow
    on the way, and what oscillates differs from place to place; none of these settles.
    """
    found = [
        [_value(function, piece, x + (gap if side == "right" else -gap) * step, order) for side in sides]
        for step in STEPS
    ]
    values = [value for row in found for value in row]
    if None in values:
        return None
    near = [value for row in found[1:] for value in row if value is not None]
    largest = max(abs(value) for value in values if value is not None)
    return float(near[-1]) if max(near) - min(near) <= SETTLED * largest else None


def _value(function: Function, piece: int, x: Fraction, order: int) -> Fraction | None:
    value = certified_piece(function, piece, x, FLOAT64, order + 1, rational=False)[order]
    if value.kind != "finite" or abs(value.midpoint.exponent) > 1 << 16:
        return None
    return value.midpoint.fraction()
