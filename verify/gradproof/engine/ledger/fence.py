"""A fence: some failing inputs of some cells, with a ceiling for their errors, where no formula explains them."""

from __future__ import annotations

import math
from dataclasses import dataclass
from fractions import Fraction

import numpy as np
import numpy.typing as npt

from gradproof.formats import Format
from gradproof.formats import arrays as fa
from gradproof.formats.arrays import Bits, Floats

Mask = npt.NDArray[np.bool_]


@dataclass(frozen=True)
class Fence:
    """``region`` holds two numbers, ends included; ``ceiling`` bounds the error over the cell's bound.

    Empty ``claims``, ``formats`` and ``orders`` narrow nothing. NaN inputs belong to a region from -inf to inf.
    """

    region: tuple[Fraction | float, Fraction | float] = (-math.inf, math.inf)
    ceiling: float = math.inf
    claims: tuple[str, ...] = ()
    formats: tuple[str, ...] = ()
    orders: tuple[int, ...] = ()

    def covers(self, claim: str, fmt: str, order: int) -> bool:
        """Whether a cell is one of those it speaks of."""
        return (
            (not self.claims or claim in self.claims)
            and (not self.formats or fmt in self.formats)
            and (not self.orders or order in self.orders)
        )

    def holds(self, bits: Bits, fmt: Format) -> Mask:
        """Which of the inputs, of shape (n,), lie in the region."""
        ends = _inwards(self.region[0], fmt, 1), _inwards(self.region[1], fmt, -1)
        nan = fa.is_nan(bits, fmt)
        ordinals = np.where(nan, 0, fa.ordinals(bits, fmt))
        inside: Mask = (ordinals >= ends[0]) & (ordinals <= ends[1]) & ~nan
        return inside | (nan & (self.region == (-math.inf, math.inf)))

    def admits(self, bits: Bits, magnitude: Floats, fmt: Format) -> Mask:
        """Which of the failing inputs lie in the region and have no greater error than the ceiling."""
        admitted: Mask = self.holds(bits, fmt) & (magnitude <= self.ceiling)
        return admitted


def _inwards(end: Fraction | float, fmt: Format, direction: int) -> int:
    """Ordinal of the least place on the line of floats not below ``end`` (direction 1), or of the greatest not above.

    One past the line's end where there is none, in a format without infinity.
    """
    if isinstance(end, float):
        return fmt.last_bits if end > 0 else -fmt.last_bits
    nearest = fmt.round(end, saturate=True)
    outside = (fmt.value(nearest) - end) * direction < 0
    return fmt.ordinal(nearest) + (direction if outside else 0)
