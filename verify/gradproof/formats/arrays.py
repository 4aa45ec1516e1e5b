"""The same formats over NumPy arrays of bit patterns.

Arrays of bits are unsigned integers of the format's width. Values travel as float64, which holds every
format here exactly; ordinals as int64.
"""

from __future__ import annotations

from functools import cache
from typing import Any

import numpy as np
import numpy.typing as npt

from gradproof.errors import GradproofError
from gradproof.formats.format import Format

Bits = npt.NDArray[Any]
Floats = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int64]

_STORAGE = {4: np.uint8, 6: np.uint8, 8: np.uint8, 16: np.uint16, 32: np.uint32, 64: np.uint64}


def storage(fmt: Format) -> np.dtype[Any]:
    """The unsigned integer dtype that holds one bit pattern of ``fmt``, in its low bits where it is wider."""
    return np.dtype(_STORAGE[fmt.width])


def all_bits(fmt: Format) -> Bits:
    """Every bit pattern of a format of at most 16 bits, in numerical order of the pattern."""
    if not fmt.is_16_bit:
        raise ValueError(f"{fmt.name} has 2**{fmt.width} patterns; enumerate intervals instead")
    return np.arange(1 << fmt.width, dtype=np.uint32).astype(storage(fmt))


def values(bits: Bits, fmt: Format) -> Floats:
    """Exact values of ``bits`` as float64, infinities and NaNs included; shape kept."""
    bits = np.asarray(bits, dtype=storage(fmt))
    if fmt.name == "float64":
        return bits.view(np.float64)
    if fmt.name == "float32":
        with np.errstate(invalid="ignore"):
            return bits.view(np.float32).astype(np.float64)
    if fmt.name == "float16":
        with np.errstate(invalid="ignore"):
            return bits.view(np.float16).astype(np.float64)
    if fmt.name == "bfloat16":
        with np.errstate(invalid="ignore"):  # widening a signalling NaN raises the flag
            return (bits.astype(np.uint32) << np.uint32(16)).view(np.float32).astype(np.float64)
    table: Floats = _table(fmt)[bits]
    return table


@cache
def _table(fmt: Format) -> Floats:
    """The values of all patterns of a narrow format."""
    table = np.array([_value(bits, fmt) for bits in range(1 << fmt.width)])
    table.setflags(write=False)
    return table


def _value(bits: int, fmt: Format) -> float:
    return float.fromhex(fmt.hexfloat(bits)) if fmt.is_finite(bits) else float(fmt.hexfloat(bits))


def round_values(x: Floats, fmt: Format, *, saturate: bool = False) -> Bits:
    """Round float64 values to ``fmt`` once, to nearest, ties to even; the result as bits.

    float32 and float16 by NumPy's own casts, which the processor rounds once; the rest by ``round_by_quantum``.
    """
    x = np.asarray(x, dtype=np.float64)
    if fmt.name == "float64" and not saturate:
        return x.view(np.uint64).copy()
    if fmt.name in ("float32", "float16") and not saturate:
        with np.errstate(over="ignore", under="ignore", invalid="ignore"):
            return x.astype(np.dtype(fmt.name)).view(storage(fmt))
    return round_by_quantum(x, fmt, saturate=saturate)


def round_by_quantum(x: Floats, fmt: Format, *, saturate: bool = False) -> Bits:
    """The same rounding with no cast: casts to bfloat16 may go through float32 and round twice.

    What overflows, and an infinity, gives infinity, a NaN in a format without one, or with ``saturate`` (and where
    there is no NaN either) the greatest number; a NaN gives +0 where there is none (see ``Format.round``). Signs are
    kept, those of NaNs included, as far as the format has them.
    """
    x = np.asarray(x, dtype=np.float64)
    magnitude = np.where(np.isfinite(x), np.abs(x), 0.0)
    quantum = quantum_exponents(magnitude, fmt)
    scaled = np.ldexp(magnitude, -quantum)
    # A significand of one bit is never even: ties go away from zero, and 1 is the least.
    units = (np.rint(scaled) if fmt.precision > 1 else np.maximum(np.floor(scaled + 0.5), 1)).astype(np.int64)
    base = (quantum - (fmt.e_min - fmt.precision + 1)) << (fmt.precision - 1)
    # The implicit bit of a normal number is part of ``units`` and adds one exponent step to ``base``.
    pattern = base + units - (not fmt.signed)
    overflow = fmt.max_bits if saturate else fmt.overflow_bits
    pattern = np.where((pattern > fmt.max_bits) | np.isinf(x), overflow, pattern)
    nowhere = np.isnan(x) if fmt.signed else ~(x > 0)
    pattern = np.where(nowhere, fmt.undefined_bits, pattern).astype(np.uint64)
    negative = np.signbit(x)
    if not fmt.has_minus_zero:  # where zero has no sign it would be the NaN, which has none either
        negative &= (pattern != 0) & (pattern != fmt.undefined_bits)
    pattern = np.where(negative, pattern | np.uint64(fmt.sign_bit), pattern)
    return pattern.astype(storage(fmt))


def require_gradual_underflow() -> None:
    """Raise GradproofError on a thread whose processor reads or returns subnormal numbers as zero.

    Code under test can switch that on for the whole thread (``torch.set_flush_denormal``, libraries built with
    ``-ffast-math``); every value computed here would silently be wrong among the subnormals.
    """
    product = np.array([2.0**-1074, 2.0**-1022]) * np.array([2.0, 0.5])
    # As integers: where inputs are read as zero, a comparison of floats would not tell either.
    if not product.view(np.uint64).all():
        raise GradproofError(
            "this thread flushes subnormal numbers to zero, so that reference values cannot be trusted; something "
            "switched it on in this process, such as torch.set_flush_denormal(True): switch it off before the run"
        )


def is_nan(bits: Bits, fmt: Format) -> npt.NDArray[np.bool_]:
    """Where ``bits`` encode a NaN."""
    if fmt.nan == "minus-zero":
        return np.asarray(np.asarray(bits) == fmt.nan_bits)
    return magnitudes(bits, fmt) > fmt.last_bits


def same(bits: Bits, others: Bits, fmt: Format) -> npt.NDArray[np.bool_]:
    """Where two arrays hold the same pattern; one NaN is as good as another."""
    equal: npt.NDArray[np.bool_] = (bits == others) | (is_nan(bits, fmt) & is_nan(others, fmt))
    return equal


def is_finite(bits: Bits, fmt: Format) -> npt.NDArray[np.bool_]:
    """Where ``bits`` encode a finite number."""
    return (magnitudes(bits, fmt) <= fmt.max_bits) & ~is_nan(bits, fmt)


def magnitudes(bits: Bits, fmt: Format) -> Ints:
    """The patterns without their sign, as int64."""
    mask = storage(fmt).type(fmt.magnitude_mask)
    magnitude: Ints = (np.asarray(bits, dtype=storage(fmt)) & mask).astype(np.int64)
    return magnitude


def signs(bits: Bits, fmt: Format) -> npt.NDArray[np.bool_]:
    """Where the sign bit is set."""
    negative: npt.NDArray[np.bool_] = (np.asarray(bits, dtype=storage(fmt)) & storage(fmt).type(fmt.sign_bit)) != 0
    return negative


def ordinals(bits: Bits, fmt: Format) -> Ints:
    """Positions on the ordered line of floats, both zeros at 0. NaNs land beyond its ends."""
    magnitude = magnitudes(bits, fmt)
    return np.where(signs(bits, fmt), -magnitude, magnitude)


def from_ordinals(ordinal: npt.ArrayLike, fmt: Format) -> Bits:
    """Bits at the given positions (0 gives +0), clamped to the ends of the line."""
    position = np.clip(np.asarray(ordinal, dtype=np.int64), -fmt.last_bits if fmt.signed else 0, fmt.last_bits)
    magnitude = np.abs(position).astype(np.uint64)
    pattern = np.where(position < 0, magnitude | np.uint64(fmt.sign_bit), magnitude)
    return pattern.astype(storage(fmt))


def distinct(values_: npt.NDArray[Any]) -> npt.NDArray[Any]:
    """The values of an array of shape (n,), sorted and without repetition: ``np.unique``, which is slower when long."""
    ordered = np.sort(values_)
    first: npt.NDArray[Any] = np.concatenate([np.ones(min(ordered.size, 1), bool), ordered[1:] != ordered[:-1]])
    kept: npt.NDArray[Any] = ordered[first]
    return kept


def quantum_exponents(values_: Floats, fmt: Format) -> Ints:
    """``log2`` of the quantum of each float64 value (0 and non-finite: the least quantum)."""
    magnitude = np.where(np.isfinite(values_), np.abs(values_), 0.0)
    _, exponent = np.frexp(magnitude)
    exponent = np.where(magnitude == 0.0, fmt.e_min, exponent.astype(np.int64) - 1)
    return np.maximum(exponent, fmt.e_min) - (fmt.precision - 1)
