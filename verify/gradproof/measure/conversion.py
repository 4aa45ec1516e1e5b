"""Judging a conversion to a narrower format: what one rounding gives, how far a result is from it, what went wrong.

A conversion is judged in the wider source format, in which the result is handed back exactly. Its bound is correct
rounding whatever the contract. In a target without infinity an overflow comes out as NaN or, where the conversion
``saturate``s, as the greatest number (OFP8, see ``formats.format``); an infinity may come out as either.
"""

from __future__ import annotations

from typing import Final

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
    "overflow": ("intermediate-overflow", "a number where {target} overflows (from {threshold} on), or the reverse"),
    "flush": ("flush", "a number was flushed to zero"),
    "twice": ("rounding", "rounded twice: through {between} the number becomes a tie"),
    "tie": ("rounding", "a tie did not go to the even neighbour"),
    "nearest": ("rounding", "the result is not the nearest number of {target}"),
}
"""What can be wrong with a conversion: its probable cause, and the sentence that says it."""


def converted(inputs: Bits, source: Format, target: Format, *, saturate: bool = False) -> Bits:
    """``inputs`` rounded once to ``target`` and widened to ``source`` again; shape kept."""
    rounded = fa.round_by_quantum(fa.values(inputs, source), target, saturate=saturate)
    return fa.round_by_quantum(fa.values(rounded, target), source)


def judge_conversion(
    inputs: Bits,
    got: Bits,
    source: Format,
    target: Format,
    *,
    saturate: bool = False,
    flushing: Flushing = NO_FLUSHING,
) -> Judgement:
    """Measure ``got``, in the source format, against ``inputs`` rounded once to ``target``; all of shape (n,).

    ``u`` is in ulps of the target, the magnitude is 2 u. ``saturate`` as for ``Format.round``, of a target without
    infinity. ``flushing`` says what the backend flushes: results in the target format, inputs in the source format.
    """
    fa.require_gradual_underflow()
    x, g = fa.values(inputs, source), fa.values(got, source)
    correct = _correct(x, g, target, saturate)
    with np.errstate(all="ignore"):
        mismatch = np.isnan(x) | np.isnan(g) | (np.isinf(x) & ~np.isinf(g)) | ~_on_lattice(g, target)
        mismatch |= np.isinf(g) & (np.sign(g) != np.sign(x))
        mismatch &= ~correct
        # An infinity in place of a finite result counts as the first number beyond the format.
        measured = np.where(np.isinf(g), np.copysign(2.0 ** (target.e_max + 1), g), g)
        quantum = fa.quantum_exponents(x, target)
        absolute = np.where(correct & ~np.isfinite(_rounded(x, target)), 0.0, np.abs(measured - x))
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
        target=target.name, between=between, threshold=f"{float(target.overflow_threshold):.10g}"
    )


_LARGEST: Final = float(np.finfo(np.float64).max)


def _rounded(x: Floats, target: Format, *, saturate: bool = False) -> Floats:
    return fa.values(fa.round_by_quantum(x, target, saturate=saturate), target)


def _correct(x: Floats, g: Floats, target: Format, saturate: bool) -> Mask:
    due = _rounded(x, target, saturate=saturate and not target.has_infinity)
    correct: Mask = (g == due) | (np.isnan(g) & np.isnan(due))
    if not target.has_infinity:
        correct |= np.isinf(x) & (np.isnan(g) | (g == np.copysign(float(target.max_value), x)))
    return correct


def _on_lattice(g: Floats, target: Format) -> Mask:
    """Where a result is a number of the target, an infinity of it or a NaN."""
    held: Mask = np.isnan(g) | (_rounded(g, target) == g)
    return held


def _through(inputs: Bits, got: Bits, source: Format, target: Format) -> tuple[str, Mask]:
    """The widest format between the two by which rounding twice gives each result, where once does not."""
    best, found = "", np.zeros(inputs.size, bool)
    due = converted(inputs, source, target)
    for between in FORMATS.values():
        if source.width > between.width > target.width:
            twice = converted(converted(inputs, source, between), source, target)
            rows = (twice == got) & (twice != due)
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
