"""Whether results show that their device flushes subnormal numbers, where no operation can be tried on it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import numpy as np
import numpy.typing as npt

from gradproof.formats import Format
from gradproof.formats import arrays as fa
from gradproof.formats.arrays import Bits, Floats

APART: Final = 8.0
"""Quanta between the value at a subnormal input and that at zero from which on results tell the two apart."""
BESIDE: Final = 2.0**8
"""Normal results up to so many times the least one stand beside the subnormal ones."""


@dataclass(frozen=True)
class SeenFlushing:
    """What results show. ``lost``: results at normal inputs that are due as subnormal numbers, if all came as zero;
    ``unread``: results at subnormal inputs far from that at zero, if all came as at zero. ``either``: that subnormal
    inputs gave zero, where a subnormal number is due, says nothing about which of the two it is.
    """

    lost: int = 0
    unread: int = 0
    either: bool = False

    @property
    def results(self) -> bool:
        """FTZ."""
        return self.lost > 0 or self.either

    @property
    def inputs(self) -> bool:
        """DAZ."""
        return self.unread > 0 or self.either

    def __str__(self) -> str:
        said = []
        if self.lost:
            said.append(f"FTZ (all {self.lost:,} results that are due as subnormal numbers are 0)")
        if self.unread:
            said.append(f"DAZ (all {self.unread:,} results at subnormal inputs are those at 0)")
        if self.either:
            said.append("FTZ or DAZ (subnormal inputs, with subnormal results due, give 0)")
        return " and ".join(said) or "no flushing of subnormal numbers"


def seen_flushing(bits: Bits, got: Bits, due: Floats, fmt: Format, into: Format) -> SeenFlushing:
    """What ``got`` at ``bits``, both in ``fmt``, shows; ``due`` are the exact values, NaN where none is known.

    All of shape (n,). ``into`` is the format that results are rounded to: ``fmt`` itself but for conversions. A device
    is said to flush only where every result agrees.
    """
    x, g = fa.values(bits, fmt), fa.values(got, fmt)
    with np.errstate(all="ignore"):
        size = np.abs(due)
        # What rounds to the least normal number is none that would be flushed.
        subnormal = (size >= float(into.min_subnormal)) & (size <= float(into.min_normal - into.min_subnormal))
        small = (np.abs(x) < float(fmt.min_normal)) & (x != 0)
        out = subnormal & (np.abs(x) >= float(fmt.min_normal)) & np.isfinite(x)
        out &= ~_lost_tail(x, g, size, into)
        lost = int(out.sum()) if out.any() and bool((g[out] == 0).all()) else 0
        at_zero = _at_zero(bits, g, fmt)
        quantum = np.ldexp(1.0, fa.quantum_exponents(np.nan_to_num(due), into).astype(np.int32))
        apart = small & (np.abs(due - at_zero) > APART * quantum)
        normal = apart & ~subnormal
        unread = int(normal.sum()) if normal.any() and bool((g[normal] == at_zero[normal]).all()) else 0
        both = small & subnormal & (size > APART * float(into.min_subnormal))
        either = bool(both.any() and (g[both] == 0).all())
    if out.any() or normal.any():
        # One of the two is known: where that is not it, and results are 0 all the same, it is the other.
        unread = unread or (int(both.sum()) if either and not lost and not normal.any() else 0)
        lost = lost or (int(both.sum()) if either and not unread and not out.any() else 0)
        either = False
    return SeenFlushing(lost, unread, either)


def _lost_tail(x: Floats, g: Floats, size: Floats, into: Format) -> npt.NDArray[np.bool_]:
    """Inputs of a sign with which normal results beside the subnormal ones are 0 too: no device flushes those."""
    least = float(into.min_normal)
    near = (size >= least) & (size < BESIDE * least) & np.isfinite(x)
    found = np.zeros(x.size, bool)
    for side in (x < 0, x >= 0):
        rows = near & side
        found |= side & bool(rows.any() and (g[rows] == 0).all())
    return found


def _at_zero(bits: Bits, g: Floats, fmt: Format) -> Floats:
    """The result at the zero of each input's sign; NaN where there is none."""
    found = np.full(g.size, np.nan)
    negative = fa.signs(bits, fmt)
    for sign, pattern in ((False, 0), (True, fmt.sign_bit)):
        at = np.flatnonzero(bits == pattern)
        if at.size:
            found[negative == sign] = g[at[0]]
    return found
