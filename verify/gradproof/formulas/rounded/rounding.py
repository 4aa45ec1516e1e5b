"""One rounding of float64 arrays to a format, its quanta, and what a processor that flushes makes of a result.

Everything stays in float64, which holds every number of every format here. Roundings are to nearest, ties to even.
"""

from __future__ import annotations

from functools import reduce
from typing import Any, Final

import numpy as np

from gradproof.formats import Format

Array = Any
"""A float64 array, or a NumPy scalar of that type, which broadcasts like one."""

_EXPONENT: Final = np.int64(0x7FF0000000000000)
_EXPLICIT: Final = 52
"""Significand bits that a float64 stores."""


def nearest(x: Array, fmt: Format) -> Array:
    """``x`` rounded once to ``fmt``, as float64; what overflows is infinite, zeros keep their signs."""
    if fmt.name == "float64":
        return x
    if fmt.name == "float32":
        with np.errstate(over="ignore", under="ignore", invalid="ignore"):
            return np.asarray(x, np.float64).astype(np.float32).astype(np.float64)
    with np.errstate(over="ignore", under="ignore", invalid="ignore"):
        return _rounded_by_bits(np.asarray(x, np.float64), fmt)


def _rounded_by_bits(x: Array, fmt: Format) -> Array:
    """The same by integer arithmetic: NumPy has no bfloat16, and its casts to float16 are slower."""
    shift = _EXPLICIT + 1 - fmt.precision
    bits = x.view(np.int64) if x.flags.c_contiguous else np.ascontiguousarray(x).view(np.int64)
    bits = bits.reshape(x.shape)
    half_down = (1 << (shift - 1)) - 1
    normal = ((bits + (half_down + ((bits >> shift) & 1))) & ~np.int64((1 << shift) - 1)).view(np.float64)
    # Below the least normal number all quanta are one: adding 2^52 of them rounds to that.
    anchor = float(fmt.min_subnormal) * 2.0**_EXPLICIT
    small = np.abs(x) < float(fmt.min_normal)
    magnitude = np.where(small, (np.abs(x) + anchor) - anchor, np.abs(normal))
    magnitude = np.where(magnitude > float(fmt.max_value), np.inf, magnitude)
    return np.where(np.isnan(x), x, np.copysign(magnitude, x))


def quantum(y: Array, fmt: Format) -> Array:
    """q(y), the distance of the numbers of ``fmt`` in the binade of y (Goldberg 1991); inf for infinities."""
    bits = np.abs(np.asarray(y, np.float64)).view(np.int64) & _EXPONENT
    return np.maximum(bits.view(np.float64) * 2.0 ** (1 - fmt.precision), float(fmt.min_subnormal))


def flushed(x: Array, fmt: Format) -> Array:
    """``x`` with the subnormal numbers of ``fmt`` made zeros of their sign."""
    return np.where(np.abs(x) < float(fmt.min_normal), np.copysign(0.0, x), x)


def has_subnormal(x: Array, fmt: Format) -> bool:
    """Whether ``x`` holds a subnormal number of ``fmt``."""
    return bool(np.any((np.abs(x) < float(fmt.min_normal)) & (x != 0)))


def least(*ends: Array) -> Array:
    """The least of several arrays where -0 is less than +0; NaN only where all are."""
    low = reduce(np.fmin, ends)
    zero = low == 0
    if np.any(zero):
        negative = reduce(np.logical_or, [(e == 0) & np.signbit(e) for e in ends])
        low = np.where(zero & negative, -0.0, low)
    return low


def greatest(*ends: Array) -> Array:
    """The greatest of several arrays where +0 is greater than -0; NaN only where all are."""
    high = reduce(np.fmax, ends)
    zero = high == 0
    if np.any(zero):
        positive = reduce(np.logical_or, [(e == 0) & ~np.signbit(e) for e in ends])
        high = np.where(zero & positive, 0.0, high)
    return high
