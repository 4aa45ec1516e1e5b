"""Errors of returned bits against a reference: u, m, absolute; classes; what a flushing backend excuses."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, fields
from typing import Any, Final

import numpy as np
import numpy.typing as npt

from gradproof.formats import Format
from gradproof.formats import arrays as fa
from gradproof.formats.arrays import Bits, Floats, Ints
from gradproof.measure.contracts import TRAINING, Contract
from gradproof.oracle import Certified, Reference
from gradproof.oracle.reference import FINITE, INFINITE, NAN, POLE, UNDECIDED, UNDEFINED

Mask = npt.NDArray[np.bool_]


@dataclass
class Judgement:
    """Errors of n results, one row per input.

    ``u`` in ulps of the exact value, ``m`` mixed, ``absolute`` in the units of f^(n); inf for a class
    mismatch, NaN where nothing can be judged (a convention or an undecided value). ``wrong_class`` are the mismatches
    and the infinities in place of numbers, whose errors are finite. ``magnitude`` is the contract's error over its
    bound, above 1 for a wrong class. ``failing`` excludes what the backend's flushing excuses; those rows are
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
    wrong_class: Mask
    judged: Mask
    undecided: Mask

    def __getitem__(self, index: Any) -> Judgement:
        return Judgement(**{field.name: getattr(self, field.name)[index] for field in fields(self)})

    @property
    def conventions(self) -> Mask:
        """Where no single number is due, so that nothing is judged."""
        return ~(self.judged | self.undecided)

    def unexcused(self, errors: Floats) -> Floats:
        """``errors`` of the n rows, 0 where flushing excuses them: what counts, and what a reader is shown."""
        return np.where(self.excused, 0.0, errors)


def joined(parts: Sequence[Judgement]) -> Judgement:
    """Judgements of several batches in a row; of one at least."""
    return Judgement(**{f.name: np.concatenate([getattr(part, f.name) for part in parts]) for f in fields(Judgement)})


@dataclass(frozen=True)
class Flushing:
    """What a backend flushes, and the function's value at zero that an input read as zero would give.

    ``low`` and ``high`` enclose f^(n)(0) (the Clarke interval at a kink) as float64, infinite where f^(n)(0) is; NaN
    when unknown. ``pole`` is the sign (-1 or 1) of the zero at which either infinity is right, 0 for none.
    """

    results: bool
    inputs: bool
    low: float = np.nan
    high: float = np.nan
    pole: int = 0

    @classmethod
    def of(cls, results: bool, inputs: bool, *at_zeros: Certified) -> Flushing:
        """Build from probed traits and the oracle's answers at 0 and, where they may differ, at -0."""
        signs = (1, -1)
        pole = sum(sign for sign, zero in zip(signs, at_zeros, strict=False) if zero.kind == "pole")
        at_zero = next((zero for zero in at_zeros if zero.kind != "pole"), at_zeros[0])
        if at_zero.infinity:
            return cls(results, inputs, at_zero.infinity, at_zero.infinity, pole)
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
SPURIOUS: Final = 1 + 2.0**-20
"""Least error over bound of an infinity in place of a number: beside the greatest number it is an ulp or two off."""


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
    mismatch, wrong_class = errors.mismatch & judged, (errors.mismatch | errors.spurious) & judged
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
        magnitude = np.where(wrong_class, np.maximum(magnitude, SPURIOUS), magnitude)
        failing = wrong_class | ((error >= bound) if contract.strict else (error > bound))
        felt = wrong_class | (felt_units > TRAINING.bound(order, fmt))
    # An input read as zero is right within the contract around f^(order)(0), where no quantum moves it.
    rooms = [contract.room(order, fmt, q, 0.0, scale) for q in flushing.quanta(fmt)]
    excusable = _excusable(inputs, got, reference, fmt, flushing, rooms) & judged
    if flushing.inputs:
        rows = np.flatnonzero(failing & ~excusable & _subnormal(got, fmt))
        excusable[rows] = _right_as_zero(rows, inputs, got, reference, fmt, order, contract, scale, flushing)
    excused = failing & excusable
    return Judgement(
        u=u, m=m, absolute=absolute, magnitude=magnitude, failing=failing & ~excused,
        felt=felt & failing & ~excused, excused=excused, u_flushed=np.where(excusable, 0.0, u),
        mismatch=mismatch, wrong_class=wrong_class, judged=judged, undecided=undecided,
    )  # fmt: skip


def _right_as_zero(
    rows: Ints, inputs: Bits, got: Bits, reference: Reference, fmt: Format, order: int, contract: Contract,
    scale: Floats | float, flushing: Flushing,
) -> Mask:  # fmt: skip
    """Which of the subnormal results at ``rows`` hold as the 0 that whatever comes next takes them for."""
    if not rows.size:
        return np.zeros(0, bool)
    zeros = got[rows] & fa.storage(fmt).type(fmt.sign_bit)
    units = np.broadcast_to(np.asarray(scale, np.float64), inputs.shape)[rows]
    return ~judge(inputs[rows], zeros, reference[rows], fmt, order, contract, units, flushing).failing


class _Errors:
    """|g - y| of n results in whatever unit is asked for, by the rules of ``judge`` for overflow and NaN.

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
        another = ((reference.kind == INFINITE) & (g != rounded)) | ((reference.kind == POLE) & ~infinite)
        self.mismatch: Mask = np.where(
            finite, (nan & ~overflow) | opposite, ((reference.kind == NAN) & ~nan) | (another & ~overflow)
        )
        self.spurious: Mask = finite & infinite & ~self.right & ~opposite

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
        mantissa = self.reference.slope
        steep = np.where(mantissa == 0, quantum, self.reference.slope_exponent + x_quantum)
        unit = np.maximum(quantum, steep)
        with np.errstate(over="ignore", under="ignore"):
            m = self.over(unit) / (_scaled(1.0, quantum - unit) + _scaled(mantissa, steep - unit))
        return np.where(self.mismatch, np.inf, np.minimum(m, _LARGEST))


_LARGEST: Final = float(np.finfo(np.float64).max)


def _declared_overflow(got: Bits, reference: Reference, fmt: Format) -> Mask:
    """Where a format without infinity has what its two conventions say of an overflow: a NaN, or +-max.

    The sign of the greatest number is that of the exact value (OFP8: the conversion is saturating or not).
    """
    pole = reference.kind == POLE
    beyond = pole | (reference.kind == INFINITE)
    beyond |= (reference.kind == FINITE) & ~fa.is_finite(reference.rounded, fmt)
    saturated = fa.magnitudes(got, fmt) == fmt.max_bits
    saturated &= pole | (fa.signs(got, fmt) == fa.signs(reference.rounded, fmt))
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
        g = fa.values(got, fmt)
        right = _reaches(g, flushing.low, rooms[0]) & _reaches(-g, -flushing.high, rooms[1])
        right |= np.isinf(g) & (fa.signs(inputs, fmt) == (flushing.pole < 0)) & (flushing.pole != 0)
        excusable |= _subnormal(inputs, fmt) & right
    return excusable


def _reaches(values: Floats, end: float, room: Floats) -> Mask:
    """Which values are no less than ``end``, an infinite one exactly, a finite one within ``room``."""
    with np.errstate(invalid="ignore"):
        reached: Mask = (values >= end) | (np.isfinite(end) & (end - values <= room))
    return reached


def _subnormal(bits: Bits, fmt: Format) -> Mask:
    magnitude = fa.magnitudes(bits, fmt)
    below: Mask = (magnitude > 0) & (magnitude < fmt.min_normal_bits)
    return below
