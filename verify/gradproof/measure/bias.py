"""Which way results are rounded: their signed errors, and where the nearest number lies.

Up is towards larger magnitudes, down towards smaller ones. An exact value above the middle between two numbers of the
format is *due up*, one below it *due down*.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import numpy as np
import numpy.typing as npt

from gradproof.formats import Format
from gradproof.formats import arrays as fa
from gradproof.formats.arrays import Bits, Floats
from gradproof.measure.judge import Mask
from gradproof.oracle.reference import FINITE, Reference

MARGIN: Final = 2.0**-10
"""Exact values this close, in ulps, to a number of the format or to the middle of two are left out: what computes
16 bits in float32 with an error of some ulps of it cannot tell them from that."""


@dataclass(frozen=True)
class RoundedWay:
    """How results of shape (n,) were rounded; what is not ``inexact`` means nothing.

    ``inexact``: the exact value and the result are normal numbers of the format, or the value lies between two.
    ``error``: the signed error in ulps, positive upwards. ``fraction``: how far the exact value lies above the number
    below it, in ulps, in (0, 1). ``negative``: whether it is.
    """

    inexact: Mask
    error: Floats
    fraction: Floats
    negative: Mask

    def __getitem__(self, rows: npt.NDArray[np.int64] | Mask) -> RoundedWay:
        return RoundedWay(self.inexact[rows], self.error[rows], self.fraction[rows], self.negative[rows])

    @property
    def due_up(self) -> Mask:
        """Where the nearest number is the upper one."""
        due: Mask = self.inexact & (self.fraction > 0.5)
        return due

    @property
    def nearest_error(self) -> Floats:
        """The signed error of rounding to nearest."""
        return np.where(self.fraction > 0.5, 1 - self.fraction, -self.fraction)


def rounded_way(got: Bits, reference: Reference, fmt: Format) -> RoundedWay:
    """How ``got``, of shape (n,) in ``fmt``, was rounded from the exact values of ``reference``.

    Everything is scaled by the power of two that makes the exact value's ulp 1. Where the two are within some ulps
    their leading words cancel exactly, so that the error is known to the accuracy of the reference.
    """
    exponent = reference.exponent - 1
    known = (reference.kind == FINITE) & fa.is_finite(got, fmt) & (reference.high != 0)
    known &= (exponent >= fmt.e_min) & (exponent < fmt.e_max)
    values = fa.values(got, fmt)
    known &= np.abs(values) >= float(fmt.min_normal)
    sign = np.sign(reference.high)
    with np.errstate(all="ignore"):
        whole = np.ldexp(np.abs(reference.high), fmt.precision)
        rest = np.ldexp(reference.low * sign, fmt.precision)
        shift = np.clip(fmt.precision - reference.exponent, -3000, 3000).astype(np.int32)
        error = (np.ldexp(values * sign, shift) - whole) - rest
        below = np.floor(whole) - ((whole == np.floor(whole)) & (rest < 0))
        fraction = (whole - below) + rest
        known &= np.isfinite(error) & (np.abs(fraction - 0.5) < 0.5 - MARGIN) & (np.abs(fraction - 0.5) > MARGIN)
    return RoundedWay(known, error, fraction, sign < 0)
