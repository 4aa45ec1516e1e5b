"""Reference values of many inputs at once, as arrays a judge can measure errors against."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any, Final, NamedTuple

import numpy as np
import numpy.typing as npt

from gradproof.formats import Format
from gradproof.formats.arrays import Bits, Floats, Ints
from gradproof.oracle.dyadic import ZERO, Dyadic
from gradproof.oracle.values import Values, clipped

FINITE: Final = 0
INFINITE: Final = 1
NAN: Final = 2
UNDEFINED: Final = 3
"""A convention: the derivative at a NaN, or at a kink whose one-sided derivatives differ."""
UNDECIDED: Final = 4
"""The oracle could not certify the value, or the limit was not declared."""
POLE: Final = 5
"""An infinity whose sign is a convention: at the zero that lies outside a domain that ends in a pole at 0."""

BY_FILTER: Final = 0
BY_ARB: Final = 1
BY_EXACT: Final = 2
UNCERTIFIED: Final = 3

_NEAR: Final = 2.0**-8
"""Mantissas this close to a power of two are looked at; enclosures that are kept are narrower."""
EXPONENT_FLOOR: Final = -8192
"""Exponents are clamped here; no format reaches anywhere near."""
_BEYOND_FLOAT64: Final = 4000


class ReferenceRow(NamedTuple):
    """One input's entry of a ``Reference``."""

    rounded: int
    kind: int
    how: int
    high: float = 0.0
    low: float = 0.0
    exponent: int = 0
    slope: float = 0.0
    slope_exponent: int = 0

    @classmethod
    def of(cls, value: Dyadic, rounded: int, how: int, slope: Dyadic = ZERO) -> ReferenceRow:
        """A finite value with 104 bits, and the magnitude of ``slope`` with 53."""
        steep, steep_exponent = _shortened(slope)
        if not value.man or value.exponent < EXPONENT_FLOOR:
            return cls(rounded, FINITE, how, slope=steep, slope_exponent=steep_exponent)
        man, exponent = abs(value.man), value.exponent + 1
        length = man.bit_length()
        top = man << (106 - length) if length < 106 else man >> (length - 106)
        sign = 2.0**-53 if value.man > 0 else -(2.0**-53)
        head = top >> 53
        rest = float(top - (head << 53)) * sign * 2.0**-53
        return cls(
            rounded, FINITE, how, float(head) * sign, rest, min(exponent, -EXPONENT_FLOOR), steep, steep_exponent
        )


def _shortened(value: Dyadic) -> tuple[float, int]:
    """|value| as a mantissa of 53 bits in [0.5, 1) and an exponent, clamped; (0, 0) for what is too small to matter."""
    if not value.man or value.exponent < EXPONENT_FLOOR:
        return 0.0, 0
    mantissa, _ = math.frexp(abs(value.man) >> max(value.man.bit_length() - 53, 0))
    return mantissa, min(value.exponent + 1, -EXPONENT_FLOOR)


@dataclass
class Reference:
    """The exact reals ``(high + low) * 2**exponent`` of one order at an array of inputs, shape (n,).

    ``high`` lies in [0.5, 1) in magnitude (or is 0), ``low`` extends it to about 104 bits. |f^(order + 1)|, for the
    mixed error, is ``slope * 2**slope_exponent`` with ``slope`` in [0.5, 1) or 0. ``rounded`` are the correctly rounded
    bits; where the filter decided in a format wider than 16 bits, a value within 2^-10 ulp of a tie may be rounded
    either way. From 2^1100 on a value is known by its sign, and that it is no smaller. ``kind`` and ``how`` hold the
    constants of this module; for INFINITE, POLE and NAN ``rounded`` says which.
    """

    high: Floats
    low: Floats
    exponent: Ints
    slope: Floats
    slope_exponent: Ints
    rounded: Bits
    kind: npt.NDArray[np.uint8]
    how: npt.NDArray[np.uint8]

    @classmethod
    def empty(cls, n: int, bits_dtype: np.dtype[Any]) -> Reference:
        """All values undecided."""
        return cls(
            np.zeros(n), np.zeros(n), np.zeros(n, np.int64), np.zeros(n), np.zeros(n, np.int64),
            np.zeros(n, bits_dtype), np.full(n, UNDECIDED, np.uint8), np.zeros(n, np.uint8),
        )  # fmt: skip

    def __getitem__(self, index: Any) -> Reference:
        return Reference(
            self.high[index], self.low[index], self.exponent[index], self.slope[index], self.slope_exponent[index],
            self.rounded[index], self.kind[index], self.how[index],
        )  # fmt: skip

    def __len__(self) -> int:
        return int(self.kind.size)

    @property
    def values(self) -> Floats:
        """The exact values rounded to float64 (overflowing to infinity), NaN where there is none."""
        with np.errstate(over="ignore", under="ignore"):
            finite = np.ldexp(self.high, np.clip(self.exponent, -2000, 2000).astype(np.int32))
        return np.where(self.kind == FINITE, finite, np.nan)

    def set_values(self, where: Any, values: Values, how: int) -> None:
        """Store values at an index or mask.

        A ball that holds a power of two, where the quantum changes, is stored as that power: errors there are
        measured in the larger of the two quanta (see ``Certified.midpoint``).
        """
        mantissa, exponent = np.frexp(values.hi)
        low = np.ldexp(values.lo, -exponent)
        size = np.abs(mantissa)
        near = np.flatnonzero((size < 0.5 + _NEAR) | (size > 1.0 - _NEAR))
        rest, rad = low[near] * np.sign(mantissa[near]), np.ldexp(values.rad[near], -exponent[near])
        at_half, at_one = (np.abs((size[near] - power) + rest) <= rad for power in (0.5, 1.0))
        power = (at_half | at_one) & (rad < _NEAR) & (rad > 0)
        rows = near[power]
        mantissa[rows], low[rows] = np.copysign(0.5, mantissa[rows]), 0.0
        exponent[rows] += at_one[power]
        # Just below a power of two: the nearest float64 is that power, the value's own binade the one below.
        under = near[~power & (size[near] == 0.5) & (rest < 0)]
        mantissa[under] *= 2.0 - 2.0**-52
        low[under] = 2.0 * low[under] + np.copysign(2.0**-53, mantissa[under])
        exponent[under] -= 1
        self.high[where], self.low[where] = mantissa, low
        shifted = clipped(exponent + values.exponent, -EXPONENT_FLOOR)
        self.exponent[where] = np.where(mantissa == 0, 0, shifted)
        self.kind[where], self.how[where] = FINITE, how

    def set_slopes(self, where: Any, following: Values) -> None:
        """Store the magnitudes of the next derivative at an index or mask."""
        mantissa, exponent = np.frexp(np.abs(following.hi))
        self.slope[where] = mantissa
        self.slope_exponent[where] = np.where(mantissa == 0, 0, clipped(exponent + following.exponent, -EXPONENT_FLOOR))

    def set_rows(self, where: Any, rows: list[ReferenceRow]) -> None:
        """Store one row per index of ``where``."""
        columns = list(zip(*rows, strict=True))
        self.rounded[where] = np.array(columns[0], dtype=np.uint64).astype(self.rounded.dtype)
        self.kind[where], self.how[where] = columns[1], columns[2]
        self.high[where], self.low[where], self.exponent[where] = columns[3], columns[4], columns[5]
        self.slope[where], self.slope_exponent[where] = columns[6], columns[7]

    def moved(self, x_quantum: Ints) -> Floats:
        """``|f^(order + 1)| * 2**x_quantum``, what a quantum of the input moves the values by, as float64."""
        with np.errstate(over="ignore", under="ignore"):
            moved: Floats = np.ldexp(self.slope, clipped(self.slope_exponent + x_quantum, _BEYOND_FLOAT64))
        return moved

    def quantum_exponents(self, fmt: Format) -> Ints:
        """``log2`` of the quantum of the exact (unrounded) values; 0 has the least quantum."""
        exponent = np.where(self.high == 0, fmt.e_min, self.exponent - 1)
        return np.maximum(exponent, fmt.e_min) - (fmt.precision - 1)
