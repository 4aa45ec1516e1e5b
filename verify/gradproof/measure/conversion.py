"""Judging a conversion to a narrower format: what one rounding gives, how far a result is from it, what went wrong.

A conversion is judged in the wider source format, in which the result is handed back exactly. Its bound is correct
rounding whatever the contract. What a target has no nearest number for is left to ``Conventions``, each the same for
all inputs; at an infinity and at zero, single inputs, either of two answers is right.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final, Literal

import numpy as np
import numpy.typing as npt

from gradproof.formats import FORMATS, Format
from gradproof.formats import arrays as fa
from gradproof.formats.arrays import Bits, Floats
from gradproof.measure.contracts import TRAINING
from gradproof.measure.judge import NO_FLUSHING, Flushing, Judgement, Mask
from gradproof.measure.severity import LARGE, LARGE_ERROR, LOST_SIGNAL, SMALL_ERROR, WRONG_CLASS

WRONG_TIE: Final = 1 + 2.0**-20
"""Least error over bound of a failing row: a tie that went the wrong way is half an ulp off, which is the bound."""

MODERATE: Final = 8.0
"""Least unit of the training contract: sup|x| over the inputs that a training run is about."""

FAULTS: Final[dict[str, tuple[str, str]]] = {
    "nan": ("class-mismatch", "a NaN on one side only"),
    "lattice": ("class-mismatch", "the result is no number of {target}"),
    "nowhere": ("class-mismatch", "{target} has no such number, and others like it gave something else"),
    "overflow": ("intermediate-overflow", "a number where {target} overflows (from {threshold} on), or the reverse"),
    "flush": ("flush", "a number was flushed to zero"),
    "twice": ("rounding", "rounded twice: through {between} the number becomes a tie"),
    "tie": ("rounding", "a tie did not go {tie}"),
    "nearest": ("rounding", "the result is not the nearest number of {target}"),
}
"""What can be wrong with a conversion: its probable cause, and the sentence that says it."""


Negative = Literal["nan", "magnitude", "least"]
SATURATING_WIDTH: Final = 8
"""Widest format to which a conversion may saturate though it has an infinity: OFP8 declares both ways for E5M2."""


@dataclass(frozen=True)
class Conventions:
    """What a conversion makes of numbers for which its target has no nearest one.

    ``saturates``: an overflow gives the greatest number, in place of a NaN or, in 8 bits, of the infinity (OFP8). In a
    format with neither it always does. ``negative``: in an unsigned format a negative number gives a NaN, or what its
    magnitude or the least number would.
    """

    saturates: bool = False
    negative: Negative = "nan"

    def stand_in(self, x: Floats, target: Format) -> Floats:
        """What is rounded in place of the numbers of which an unsigned target has none."""
        if target.signed or self.negative == "nan":
            return x
        return np.where(x < 0, np.abs(x) if self.negative == "magnitude" else float(target.min_subnormal), x)


PLAIN: Final = Conventions()


def converted(inputs: Bits, source: Format, target: Format, conventions: Conventions = PLAIN) -> Bits:
    """``inputs`` rounded once to ``target`` and widened to ``source`` again; shape kept."""
    x = conventions.stand_in(fa.values(inputs, source), target)
    rounded = fa.round_by_quantum(x, target, saturate=conventions.saturates)
    return fa.round_by_quantum(fa.values(rounded, target), source)


def judge_conversion(
    inputs: Bits,
    got: Bits,
    source: Format,
    target: Format,
    conventions: Conventions = PLAIN,
    *,
    flushing: Flushing = NO_FLUSHING,
) -> Judgement:
    """Measure ``got``, in the source format, against ``inputs`` rounded once to ``target``; all of shape (n,).

    ``u`` is in ulps of the target, the magnitude is 2 u. ``flushing`` says what the backend flushes: results in the
    target format, inputs in the source format.
    """
    fa.require_gradual_underflow()
    x, g = fa.values(inputs, source), fa.values(got, source)
    correct = _correct(x, g, target, conventions)
    x = conventions.stand_in(x, target)
    with np.errstate(all="ignore"):
        mismatch = np.isnan(x) | np.isnan(g) | (np.isinf(x) & ~np.isinf(g)) | ~_on_lattice(g, target)
        mismatch |= np.isinf(g) & (np.sign(g) != np.sign(x))
        mismatch &= ~correct
        # An infinity in place of a finite result counts as the first number beyond the format.
        measured = np.where(np.isinf(g), np.copysign(2.0 ** (target.e_max + 1), g), g)
        quantum = fa.quantum_exponents(x, target)
        settled = ~np.isfinite(_rounded(x, target)) | (np.abs(x) >= float(target.overflow_threshold))
        if not target.signed:
            settled |= x <= float(target.min_subnormal)
        absolute = np.where(correct & settled, 0.0, np.abs(measured - x))
        absolute = np.where(mismatch, np.inf, np.where(np.isnan(x), 0.0, absolute))
        u = np.minimum(np.ldexp(absolute, -quantum.astype(np.int32)), np.where(mismatch, np.inf, _LARGEST))
        m = u / (1.0 + np.ldexp(1.0, (fa.quantum_exponents(x, source) - quantum).astype(np.int32)))
        scale = np.maximum(np.abs(x), MODERATE)
        large = absolute > TRAINING.bounds[0] * 2.0**-target.precision * scale
    excusable = _excusable(inputs, x, got, source, target, flushing)
    failing = ~correct & ~excusable
    everything = np.ones(x.size, bool)
    return Judgement(
        u=u, m=m, absolute=absolute, magnitude=np.where(correct, np.minimum(2 * u, 1.0), np.maximum(2 * u, WRONG_TIE)),
        failing=failing, felt=failing & (mismatch | large), excused=~correct & excusable,
        u_flushed=np.where(excusable, 0.0, u), mismatch=mismatch,
        wrong_class=(mismatch | (np.isinf(g) != np.isinf(_rounded(x, target)))) & ~correct,
        judged=everything, undecided=~everything,
    )  # fmt: skip


def severities(inputs: Bits, got: Bits, judgement: Judgement, source: Format, target: Format) -> npt.NDArray[np.int8]:
    """Index into SEVERITIES for every row (meaningful where ``judgement.failing``)."""
    x, g = fa.values(inputs, source), fa.values(got, source)
    severity = np.where(judgement.magnitude >= LARGE, LARGE_ERROR, SMALL_ERROR).astype(np.int8)
    severity[(g == 0) & (np.abs(x) >= float(target.min_normal))] = LOST_SIGNAL
    severity[judgement.wrong_class] = WRONG_CLASS
    return severity


def faults(inputs: Bits, got: Bits, source: Format, target: Format) -> tuple[npt.NDArray[np.str_], str]:
    """The key of FAULTS for each wrong row, and the format that a second rounding went through (or nothing)."""
    x, g = fa.values(inputs, source), fa.values(got, source)
    due = _rounded(x, target)
    between, twice = _through(inputs, got, source, target)
    half = np.ldexp(1.0, (fa.quantum_exponents(x, target) - 1).astype(np.int32))
    beyond = (np.abs(x) > float(target.max_value)) & (not target.has_infinity)
    with np.errstate(invalid="ignore"):
        tie = np.abs(g - x) == half
    rows = [
        ("nowhere", (x <= 0) & (not target.signed)),
        ("nan", np.isnan(x) | (np.isnan(g) & ~beyond)),
        ("lattice", ~_on_lattice(g, target)),
        ("twice", twice),
        ("overflow", np.isfinite(g) != np.isfinite(due)),
        ("flush", (g == 0) & (due != 0)),
        ("tie", tie),
    ]
    return np.select([mask for _, mask in rows], [name for name, _ in rows], default="nearest"), between


def fault_text(fault: str, target: Format, between: str) -> str:
    """The sentence of a fault."""
    return FAULTS[fault][1].format(
        target=target.name,
        between=between,
        threshold=f"{float(target.overflow_threshold):.10g}",
        tie="to the even neighbour" if target.precision > 1 else "away from zero",
    )


_LARGEST: Final = float(np.finfo(np.float64).max)


def _rounded(x: Floats, target: Format, conventions: Conventions = PLAIN) -> Floats:
    x = conventions.stand_in(x, target)
    return fa.values(fa.round_by_quantum(x, target, saturate=conventions.saturates), target)


def _correct(x: Floats, g: Floats, target: Format, conventions: Conventions) -> Mask:
    due = _rounded(x, target, conventions)
    correct: Mask = (g == due) | (np.isnan(g) & np.isnan(due))
    infinite = np.isinf(x) & (target.signed | (x > 0))
    if not target.has_infinity:
        correct |= infinite & (np.isnan(g) | (g == np.copysign(float(target.max_value), x)))
    elif conventions.saturates:
        correct |= infinite & (g == x)
    if not target.has_nan:  # which number a NaN becomes is nobody's rule
        correct |= np.isnan(x) & _on_lattice(g, target)
    if not target.signed:
        correct |= (x == 0) & (np.isnan(g) | (g == float(target.min_subnormal)))
        correct |= np.isneginf(x) & np.isnan(g)
    return correct


def _on_lattice(g: Floats, target: Format) -> Mask:
    """Where a result is a number of the target, an infinity of it or a NaN."""
    held: Mask = (np.isnan(g) & target.has_nan) | (_rounded(g, target) == g)
    return held


def _through(inputs: Bits, got: Bits, source: Format, target: Format) -> tuple[str, Mask]:
    """The widest format between the two by which rounding twice gives each result, where once does not."""
    best, found = "", np.zeros(inputs.size, bool)
    due = converted(inputs, source, target)
    for between in FORMATS.values():
        if source.width > between.width > target.width:
            twice = converted(converted(inputs, source, between), source, target)
            rows = fa.same(twice, got, source) & ~fa.same(twice, due, source)
            if rows.sum() > found.sum():
                best, found = between.name, rows
    return best, found


def _excusable(inputs: Bits, x: Floats, got: Bits, source: Format, target: Format, flushing: Flushing) -> Mask:
    """Where a zero is what flushing makes of a subnormal result, or of a subnormal input."""
    zero = fa.magnitudes(got, source) == 0
    excusable: Mask = zero & (np.abs(x) < float(target.min_normal)) & flushing.results
    magnitude = fa.magnitudes(inputs, source)
    excusable |= zero & (magnitude < source.min_normal_bits) & flushing.inputs
    return excusable
