"""Errors of returned bits against a reference: u, m, absolute; classes; what a flushing backend excuses."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import numpy as np
import numpy.typing as npt

from gradproof.formats import Format
from gradproof.formats import arrays as fa
from gradproof.formats.arrays import Bits, Floats, Ints
from gradproof.measure.contracts import TRAINING, Contract
from gradproof.oracle import Certified, Reference
from gradproof.oracle.reference import FINITE, INFINITE, NAN, UNDECIDED, UNDEFINED

Mask = npt.NDArray[np.bool_]


@dataclass
class Judgement:
    """Errors of n results, one row per input.

    ``u`` in ulps of the exact value, ``m`` mixed, ``absolute`` in the units of f^(n); inf for a class
    mismatch, NaN where nothing can be judged (a convention or an undecided value). ``magnitude`` is the
    contract's error over its bound. ``failing`` excludes what the backend's flushing excuses; those rows are
    ``excused``. ``u_flushed`` is u with subnormal results and inputs allowed to be zero.
    """

    u: Floats
    m: Floats
    absolute: Floats
    magnitude: Floats
    failing: Mask
    felt: Mask
    excused: Mask
    u_flushed: Floats
    mismatch: Mask
    judged: Mask
    undecided: Mask


@dataclass(frozen=True)
class Flushing:
    """What a backend flushes, and the function's value at zero that an input read as zero would give.

    ``low`` and ``high`` enclose f^(n)(0) (the Clarke interval at a kink) as float64; NaN when unknown.
    """

    results: bool
    inputs: bool
    low: float = np.nan
    high: float = np.nan

    @classmethod
    def of(cls, results: bool, inputs: bool, at_zero: Certified) -> Flushing:
        """Build from probed traits and the oracle's answer at 0."""
        lower, upper = at_zero.lower, at_zero.upper
        if at_zero.kind != "undefined" and (lower is None or upper is None):
            return cls(results, inputs)
        # An interval is open at the end that it lacks.
        low = -np.inf if lower is None else float(lower)
        return cls(results, inputs, low, np.inf if upper is None else float(upper))

    def quanta(self, fmt: Format) -> Floats:
        """The quanta of ``low`` and ``high``."""
        exponents = fa.quantum_exponents(np.nan_to_num(np.array([self.low, self.high])), fmt)
        quanta: Floats = np.ldexp(1.0, exponents.astype(np.int32))
        return quanta


NO_FLUSHING: Final = Flushing(results=False, inputs=False)


def judge(
    inputs: Bits,
    got: Bits,
    reference: Reference,
    fmt: Format,
    order: int,
    contract: Contract,
    scale: Floats | float,
    flushing: Flushing = NO_FLUSHING,
) -> Judgement:
    """Measure ``got`` = f^(order)(``inputs``) against ``reference``; all of shape (n,).

    ``scale`` is sup|f^(order)|, the unit of the training contract.
    """
    fa.require_gradual_underflow()
    errors = _Errors(got, reference, fmt)
    undecided = reference.kind == UNDECIDED
    judged = ~undecided & (reference.kind != UNDEFINED)
    mismatch = errors.mismatch & judged
    quantum = reference.quantum_exponents(fmt)
    u = errors.over(quantum)
    m = errors.mixed(quantum, fa.quantum_exponents(fa.values(inputs, fmt), fmt))
    absolute = errors.absolute(u, quantum)
    u, m, absolute = (np.where(judged, e, np.nan) for e in (u, m, absolute))
    felt_units = np.where(mismatch, np.inf, _over(absolute, scale, fmt))
    error = {"u": u, "m": m, "abs": felt_units}[contract.metric]
    bound = contract.bound(order, fmt)
    with np.errstate(invalid="ignore"):
        magnitude = error / bound
        failing = (error >= bound) if contract.strict else (error > bound)
        felt = felt_units > TRAINING.bound(order, fmt)
        # An input read as zero is right within the contract around f^(order)(0), where no quantum moves it.
        rooms = [contract.room(order, fmt, q, 0.0, scale) for q in flushing.quanta(fmt)]
        excusable = _excusable(inputs, got, reference, fmt, flushing, rooms) & judged
    excused = failing & excusable
    return Judgement(
        u=u, m=m, absolute=absolute, magnitude=magnitude, failing=failing & ~excused,
        felt=felt & failing & ~excused, excused=excused, u_flushed=np.where(excusable, 0.0, u),
        mismatch=mismatch, judged=judged, undecided=undecided,
    )  # fmt: skip


class _Errors:
    """|g - y| of n results in whatever unit is asked for, by the rules for overflow and NaN of DESIGN section 3.

    Mantissas and exponents travel apart: y may lie far beyond float64, and so may the unit.
    """

    def __init__(self, got: Bits, reference: Reference, fmt: Format) -> None:
        g = fa.values(got, fmt)
        nan, infinite = np.isnan(g), np.isinf(g)
        finite = reference.kind == FINITE
        rounded = fa.values(reference.rounded, fmt)
        overflow = _declared_overflow(got, reference, fmt)
        self.reference = reference
        self.g_mantissa, self.g_exponent = np.frexp(np.where(nan | infinite, 0.0, g))
        # An infinity in place of a finite result is measured as 2**(e_max + 1), the first number beyond the format.
        self.g_mantissa = np.where(infinite, np.copysign(0.5, g), self.g_mantissa)
        self.g_exponent = np.where(infinite, fmt.e_max + 2, self.g_exponent).astype(np.int64)
        self.right = np.where(finite, (infinite & (g == rounded)) | overflow, True)
        opposite = finite & infinite & (np.sign(g) != np.sign(reference.high)) & (reference.high != 0)
        self.mismatch: Mask = np.where(
            finite,
            (nan & ~overflow) | opposite,
            np.where(reference.kind == NAN, ~nan, (reference.kind == INFINITE) & (g != rounded) & ~overflow),
        )

    def over(self, unit: Ints) -> Floats:
        """Errors in units of ``2**unit``; inf for a class mismatch and for nothing else."""
        reference = self.reference
        with np.errstate(over="ignore", under="ignore", invalid="ignore"):
            gap = np.abs(
                (_scaled(self.g_mantissa, self.g_exponent - unit) - _scaled(reference.high, reference.exponent - unit))
                - _scaled(reference.low, reference.exponent - unit)
            )
        # An error too large for a float64 is large, not a mismatch.
        gap = np.where(self.right, 0.0, np.nan_to_num(gap, nan=_LARGEST, posinf=_LARGEST))
        return np.where(self.mismatch, np.inf, gap)

    def absolute(self, u: Floats, quantum: Ints) -> Floats:
        """Errors in units of f^(n): from ``u``, which knows values beyond float64, unless u itself is beyond it."""
        with np.errstate(over="ignore", under="ignore"):
            gap = np.nan_to_num(_scaled(u, quantum), posinf=_LARGEST)
        return np.where(self.mismatch, np.inf, np.where(u < _LARGEST, gap, self.over(np.zeros_like(quantum))))

    def mixed(self, quantum: Ints, x_quantum: Ints) -> Floats:
        """m = |g - y| / (q(y) + |f^(n+1)(x)| q(x)), each term scaled by the larger of the two."""
        mantissa, exponent = np.frexp(self.reference.slope)
        steep = np.where(mantissa == 0, quantum, exponent + x_quantum)
        unit = np.maximum(quantum, steep)
        with np.errstate(over="ignore", under="ignore"):
            m = self.over(unit) / (_scaled(1.0, quantum - unit) + _scaled(mantissa, steep - unit))
        return np.where(self.mismatch, np.inf, np.minimum(m, _LARGEST))


_LARGEST: Final = float(np.finfo(np.float64).max)


def _declared_overflow(got: Bits, reference: Reference, fmt: Format) -> Mask:
    """Where a format without infinity has what its two conventions say of an overflow: a NaN, or +-max.

    The sign of the greatest number is that of the exact value (OFP8: the conversion is saturating or not).
    """
    beyond = (reference.kind == INFINITE) | ((reference.kind == FINITE) & ~fa.is_finite(reference.rounded, fmt))
    saturated = got == (reference.rounded & fa.storage(fmt).type(fmt.sign_bit)) | fa.storage(fmt).type(fmt.max_bits)
    answered: Mask = beyond & (fa.is_nan(got, fmt) | saturated) & (not fmt.has_infinity)
    return answered


def _scaled(mantissa: Floats | float, exponent: Ints) -> Floats:
    scaled: Floats = np.ldexp(mantissa, np.clip(exponent, -4000, 4000).astype(np.int32))
    return scaled


def _over(absolute: Floats, scale: Floats | float, fmt: Format) -> Floats:
    """Absolute error in units of ``2**-p * scale``; NaN where it is, whatever the scale."""
    unit = np.asarray(scale) * 2.0**-fmt.precision
    with np.errstate(divide="ignore", invalid="ignore", over="ignore"):
        ratio = absolute / unit
    return np.where(absolute == 0, 0.0, np.where((unit == 0) & ~np.isnan(absolute), np.inf, ratio))


def _excusable(
    inputs: Bits, got: Bits, reference: Reference, fmt: Format, flushing: Flushing, rooms: list[Floats]
) -> Mask:
    """Rows whose result is right once subnormal results may be 0 and subnormal inputs may be read as 0.

    ``rooms`` are the admissible errors at the ends of ``flushing``, each one number or shape (n,).
    """
    zero = fa.magnitudes(got, fmt) == 0
    # The exact value lies below the least normal number, whatever it rounds to.
    tiny = (reference.kind == FINITE) & ((reference.high == 0) | (reference.exponent <= fmt.e_min))
    excusable = zero & tiny if flushing.results else np.zeros(inputs.size, bool)
    if flushing.inputs and not np.isnan(flushing.low):
        magnitude = fa.magnitudes(inputs, fmt)
        subnormal = (magnitude > 0) & (magnitude < fmt.min_normal_bits)
        g = fa.values(got, fmt)
        with np.errstate(invalid="ignore"):
            excusable |= subnormal & (flushing.low - g <= rooms[0]) & (g - flushing.high <= rooms[1])
    return excusable
