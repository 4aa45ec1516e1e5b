"""Many reals at once, each known within a radius, over a range of exponents that float64 does not have."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from gradproof.formats import Format
from gradproof.formats import arrays as fa
from gradproof.formats.arrays import Floats, Ints

Mask = npt.NDArray[np.bool_]
_FAR = 5000
"""Shifts are clipped here: no exponent that occurs beside a finite one differs by more."""


@dataclass
class Values:
    """``(hi + lo) * 2**exponent``, each within ``rad * 2**exponent``; arrays of shape (n,)."""

    hi: Floats
    lo: Floats
    rad: Floats
    exponent: Ints

    @classmethod
    def plain(cls, hi: Floats, lo: Floats, rad: Floats) -> Values:
        """Of float64 size."""
        return cls(hi, lo, rad, np.zeros(hi.size, np.int64))

    def __getitem__(self, index: Any) -> Values:
        return Values(self.hi[index], self.lo[index], self.rad[index], self.exponent[index])

    def put(self, index: Any, other: Values) -> None:
        """Overwrite some."""
        self.hi[index], self.lo[index], self.rad[index] = other.hi, other.lo, other.rad
        self.exponent[index] = other.exponent

    @property
    def sound(self) -> Mask:
        """Where they are numbers at all."""
        return np.isfinite(self.hi) & np.isfinite(self.rad) & np.isfinite(self.lo)

    @property
    def magnitude_exponent(self) -> Ints:
        """``floor(log2 |value|)`` of the centre, far below every format for 0."""
        _, exponent = np.frexp(self.hi)
        return np.where(self.hi == 0, -(1 << 20), exponent + self.exponent - 1)

    def quantum_exponents(self, fmt: Format) -> Ints:
        """``log2`` of the quantum of the centre."""
        return np.maximum(self.magnitude_exponent, fmt.e_min) - (fmt.precision - 1)

    def rounded(self, fmt: Format, sign: int) -> fa.Bits:
        """The lower (``sign`` -1) or upper (+1) end, rounded to ``fmt``; 0 rounds the centre.

        Rounding is monotone, and the ends are moved outward by what computing them costs.
        """
        offset = self.lo
        if sign:
            offset = offset + sign * (self.rad * (1 + 2.0**-40) + np.abs(self.lo) * 2.0**-50)
        with np.errstate(over="ignore", under="ignore", invalid="ignore"):
            if fmt.precision < 53:
                end = _ldexp(self.hi + offset, self.exponent)
                return fa.round_values(end if sign == 0 else np.nextafter(end, sign * np.inf), fmt)
            nearest = _ldexp(self.hi + offset, self.exponent)
            small = self.magnitude_exponent < fmt.e_min + 1
            if small.any():
                nearest[small] = _rounded_subnormal(self[small], offset[small], sign, fmt)
            return fa.round_values(nearest, fmt)


def _rounded_subnormal(values: Values, offset: Floats, sign: int, fmt: Format) -> Floats:
    """``hi + offset`` in whole quanta of the subnormals, rounded once."""
    shift = values.exponent - (fmt.e_min - fmt.precision + 1)
    hi, rest = _ldexp(values.hi, shift), _ldexp(offset, shift)
    whole = np.floor(hi)
    part = (hi - whole) + rest + sign * 2.0**-50
    units = whole + np.rint(part)
    tie = part == 0.5
    units = np.where(tie, whole + (whole % 2), units)
    rounded: Floats = np.copysign(
        np.ldexp(units, fmt.e_min - fmt.precision + 1), np.where(units == 0, values.hi, units)
    )
    return rounded


def clipped(exponent: Ints, limit: int) -> npt.NDArray[np.int32]:
    """``exponent`` within +-limit, as ldexp takes it; np.clip would look its types up anew at every call."""
    return np.minimum(np.maximum(exponent, -limit), limit).astype(np.int32)


def _ldexp(mantissa: Floats | float, exponent: Ints) -> Floats:
    scaled: Floats = np.ldexp(mantissa, clipped(exponent, _FAR))
    return scaled


def below(rad: Floats, exponent: Ints, limit_exponent: Ints) -> Mask:
    """Whether ``rad * 2**exponent <= 2**limit_exponent``."""
    with np.errstate(over="ignore"):
        smaller: Mask = rad <= _ldexp(1.0, limit_exponent - exponent)
    return smaller
