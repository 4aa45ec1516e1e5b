"""shape: order, range, continuity, symmetry, homogeneity and the kinks of f', along the line of floats."""

from __future__ import annotations

import contextlib
from fractions import Fraction
from functools import lru_cache
from typing import Any, ClassVar

import numpy as np
import numpy.typing as npt

from gradproof.extend import (
    FINITE,
    LARGE_ERROR,
    TRAINING,
    WRONG_BRANCH,
    WRONG_CLASS,
    Bits,
    Evidence,
    Floats,
    Format,
    GradproofError,
    ImplementationFault,
    Ints,
    Oracle,
    Outcome,
    Probe,
    Property,
    Unsupported,
    Violations,
    extent,
)
from gradproof.extend import arrays as fa
from gradproof_properties import flushing
from gradproof_properties.allowances import allowance
from gradproof_properties.kinks.differences import NO_NUMBERS, jump_of, over, value_is_right
from gradproof_properties.shapes.declarations import false_declaration, false_turn, misdeclared
from gradproof_properties.shapes.line import Line, line_of, scaled_pairs, violations_at
from gradproof_properties.shapes.order import directions_along, order_kept
from gradproof_properties.shapes.symmetries import EVEN, ODD, Mirror, is_homogeneous, mirrors

Mask = npt.NDArray[np.bool_]

IDENTITY = 2.0**-45
"""An identity is judged at a pair of inputs where the exact values satisfy it to this relative precision."""
BESIDE = 8
"""Floats from a breakpoint at which f' is asked for: next to it, an x + 3 may round to the breakpoint itself, which is
the business of ``accuracy``."""


class Shape(Property):
    """Values keep the function's order, range, continuity and symmetry; f' has its kinks and no others."""

    id: ClassVar[str] = "shape"
    title: ClassVar[str] = "Results keep the shape of the function: order, range, continuity, symmetry"
    statement: ClassVar[str] = (
        "Results at two inputs between which f does not fall (or rise) come in that order, and those of neighbours "
        "differ by no more than f does, within what the contract allows the two (a jump away from breakpoints counts "
        "if the training contract feels it too); declared discontinuities are there with their height. No result lies "
        "past the range. Each identity of the function among f(-x) = -f(x), f(-x) = f(x), f(x) - f(-x) = a x, "
        "f(x) + f(-x) = b holds within what the contract allows both, and positive homogeneity f(cx) = c f(x) too, bit "
        "for bit where c is a power of two. On either side of a breakpoint f' is the one-sided derivative. What the "
        "function declares of this is true of its oracle. Where a result is NaN or infinite and a number is due, "
        "accuracy and special-values have the finding, and nothing is counted here."
    )
    source: ClassVar[str] = "smoothness claims; redundancy of a trainable slope on the positive side"
    orders: ClassVar[tuple[int, ...]] = (0,)
    modes: ClassVar[tuple[str, ...] | None] = ("eager",)
    same_in_every_profile: ClassVar[bool] = False

    def check(self, probe: Probe, order: int) -> Outcome:
        """Evaluate along the line once, contradict false declarations, then judge each part of the claim."""
        false_turns = false_turn(probe.oracle)
        if false_turns is not None:
            return misdeclared(probe, Fraction(0), false_turns)
        homogeneous = is_homogeneous(probe.oracle)
        pairs = scaled_pairs(probe) if homogeneous else {}
        scaled = [ordinals for both in pairs.values() for ordinals in both]
        line = line_of(probe, [*scaled, *(np.array(pair, np.int64) for pair in _across(probe).values())])
        false = false_declaration(probe, line)
        if false is not None:
            return misdeclared(probe, *false)
        found: list[Violations] = []
        measured: dict[str, Any] = {}
        for part in (order_kept, _range, _continuity, _symmetry, _kinks_of_the_slope):
            violations, row = part(probe, line)
            found += violations
            measured |= row
        if homogeneous:
            violations, row = _homogeneity(probe, line, pairs)
            found += violations
            measured |= row
        judged, lost = int(line.judged.sum()), int(line.lost.sum())
        if lost:
            measured["left_to_accuracy"] = lost
        evidence = Evidence("exhaustive" if probe.format.is_16_bit and not lost else "sampled", judged)
        if not judged:
            measured = {"undecided_why": NO_NUMBERS} if lost else {}
        return Outcome(evidence, found, measured=measured)


def _range(probe: Probe, line: Line) -> tuple[list[Violations], dict[str, Any]]:
    """Results past an end of the range: none if the format holds the end, else within the contract."""
    if not line.judged.any():
        return [], {}
    fmt = probe.format
    seen = line.g[line.judged]
    measured = {"values": [float(seen.min()), float(seen.max())]}
    least = float(fmt.min_normal) if flushing.flushes(probe.traits) else 0.0
    found = []
    for end, sign in zip(_extent(probe.oracle) or (), (-1.0, 1.0), strict=False):
        if isinstance(end, float) or abs(end) >= fmt.overflow_threshold:
            continue
        with np.errstate(invalid="ignore"):
            past = np.where(line.judged, sign * (line.g - float(fmt.value(fmt.round(end)))), 0.0)
            wrong = (past > least) & (fmt.holds(end) | (np.abs(line.g - line.due) > line.room))
        if wrong.any():
            rows = np.flatnonzero(wrong)
            worst = int(rows[int(np.argmax(past[rows]))])
            what = "above" if sign > 0 else "below"
            text = f"f({float(line.x[worst])!r}) gives {float(line.g[worst])!r}, {what} every value of f"
            text += f", whose end is {float(end):.9g}"
            bound = line.room[rows] * (0 if fmt.holds(end) else 1)
            found.append(violations_at(probe, line, rows, past[rows], bound, WRONG_CLASS, text))
    return found, measured


@lru_cache(maxsize=512)
def _extent(oracle: Oracle) -> tuple[Fraction | float, Fraction | float] | None:
    """The declared range, or the one that follows from turns and limits."""
    if oracle.function.exact_range is not None:
        return oracle.function.exact_range
    with contextlib.suppress(GradproofError):  # without python-flint
        return extent(oracle.function)
    return None


def _across(probe: Probe) -> dict[Fraction, tuple[int, int]]:
    """Of each breakpoint the ordinals of the last input on its left side and of the first on its right side.

    Where the backend reads subnormal inputs as 0 the least normal numbers stand for those next to 0.
    """
    fmt = probe.format
    pairs = {}
    for k in dict.fromkeys(probe.function.breaks):
        if abs(k) >= fmt.max_value:
            continue
        nearest = fmt.round(k)
        owned_right = fmt.value(nearest) > k or (fmt.value(nearest) == k and value_is_right(probe.function, k))
        low = fmt.ordinal(nearest) - int(owned_right)
        pairs[k] = _clear(low, -1, probe), _clear(low + 1, 1, probe)
    return pairs


def _clear(ordinal: int, side: int, probe: Probe) -> int:
    """``ordinal``, or the least normal number on that side of 0 where a subnormal input would be read as 0."""
    least = probe.format.min_normal_bits
    return side * least if probe.traits.zeros_inputs and 0 < abs(ordinal) < least else ordinal


def _continuity(probe: Probe, line: Line) -> tuple[list[Violations], dict[str, Any]]:
    """The step across each breakpoint is that of f; elsewhere no step between neighbours is felt as a jump."""
    found = []
    rows_: dict[str, Any] = {}
    breaks = np.zeros(line.bits.size, bool)
    with np.errstate(invalid="ignore", over="ignore"):
        step, due = np.diff(line.g), np.diff(line.due)
    for k, pair in _across(probe).items():
        i, j = (int(at) for at in line.where(np.array(pair)))
        breaks[i:j] = True
        if not (line.judged[i] and line.judged[j]):
            continue
        got, height = float(line.g[j] - line.g[i]), jump_of(probe, k, 0)
        allowed = float(line.room[i] + line.room[j])
        off = abs(got - float(line.due[j] - line.due[i]))
        rows_[f"{float(k):g}"] = {"step": got, "declared_jump": height}
        if off > allowed:
            text = (
                f"across {float(k):g} the results step by {got:.6g}, where f "
                f"{f'jumps by {height:.6g}' if height else 'is continuous'}"
            )
            found.append(
                violations_at(probe, line, np.array([i]), np.array([off]), np.array([allowed]), WRONG_BRANCH, text)
            )
    room = line.pair_room
    unit = TRAINING.bound(0, probe.format) * 2.0**-probe.format.precision
    with np.errstate(invalid="ignore"):
        scale = np.minimum(probe.scale(0, line.reference), np.maximum(np.abs(line.due), 1.0))
    with np.errstate(invalid="ignore"):
        error = np.abs(step - due)
        against = -directions_along(probe, line) * step > room  # a reversal, reported as such
        jump = line.judged_pairs & (np.diff(line.ordinals) == 1) & ~breaks[:-1] & ~against
        jump &= (error > room) & (error > unit * np.maximum(scale[1:], scale[:-1]))
    if jump.any():
        rows = np.flatnonzero(jump)
        worst = int(rows[int(np.argmax(error[rows]))])
        text = (
            f"between the neighbours {float(line.x[worst])!r} and {float(line.x[worst + 1])!r} the results jump by "
            f"{step[worst]:.6g} where f is continuous"
        )
        found.append(violations_at(probe, line, rows, error[rows], room[rows], WRONG_BRANCH, text))
    return found, ({"across": rows_} if rows_ else {})


def _symmetry(probe: Probe, line: Line) -> tuple[list[Violations], dict[str, Any]]:
    """Each mirror identity of the function, at every pair x, -x of the line."""
    found = []
    rows_: dict[str, Any] = {}
    right = np.flatnonzero((line.ordinals > 0) & line.judged)
    left = line.where(-line.ordinals[right])
    both = (left >= 0) & line.judged[left]
    right, left = right[both], left[both]
    for mirror in mirrors(probe.oracle):
        error, room, kept = _residual(line, mirror, right, left)
        if mirror not in (ODD, EVEN):  # among the subnormals such an identity says no more than accuracy does
            kept &= np.maximum(np.abs(line.due[right]), np.abs(line.due[left])) >= float(probe.format.min_normal)
        rows_[mirror.text] = {"pairs": int(kept.sum())}
        if mirror in (ODD, EVEN):
            same = fa.ordinals(line.got[right], probe.format) == -mirror.sign * fa.ordinals(
                line.got[left], probe.format
            )
            rows_[mirror.text]["differ_in_bits"] = int((kept & ~same).sum())
        wrong = kept & (error > room)
        if wrong.any():
            rows = np.flatnonzero(wrong)
            i = int(rows[int(np.argmax(over(error[rows], room[rows])))])
            text = (
                f"{mirror.text} does not hold: f({float(line.x[right[i]])!r}) gives {float(line.g[right[i]])!r} and "
                f"f({float(line.x[left[i]])!r}) gives {float(line.g[left[i]])!r}"
            )
            found.append(violations_at(probe, line, right[rows], error[rows], room[rows], LARGE_ERROR, text))
    return found, ({"identities": rows_} if rows_ else {})


def _residual(line: Line, mirror: Mirror, right: Ints, left: Ints) -> tuple[Floats, Floats, Mask]:
    """|f(x) + sign f(-x) - slope x - constant| of the results, its room, and the pairs where the exact one is 0."""
    with np.errstate(over="ignore"):
        due = float(mirror.slope) * line.x[right] + float(mirror.constant)

    def gap(values: Floats) -> tuple[Floats, Floats]:
        return (
            np.abs(values[right] + mirror.sign * values[left] - due),
            np.abs(values[right]) + np.abs(values[left]) + np.abs(due),
        )

    with np.errstate(invalid="ignore", over="ignore"):
        exactly, size = gap(line.due)
        error, _ = gap(line.g)
        kept = (exactly <= IDENTITY * size) & np.isfinite(size)
        return error, line.room[right] + line.room[left] + 2.0**-51 * size, kept


def _homogeneity(
    probe: Probe, line: Line, pairs: dict[Fraction, tuple[Ints, Ints]]
) -> tuple[list[Violations], dict[str, Any]]:
    """f(c x) = c f(x): bit for bit where c is a power of two and no result is subnormal, else within the contract."""
    found = []
    judged = 0
    least = float(probe.format.min_normal)
    for c, both in pairs.items():
        at, image = (line.where(o) for o in both)
        kept = (at >= 0) & (image >= 0) & line.judged[at] & line.judged[image]
        at, image = at[kept], image[kept]
        factor = float(c)
        with np.errstate(over="ignore"):
            error = np.abs(line.g[image] - factor * line.g[at])
            room = line.room[image] + factor * line.room[at] + 2.0**-51 * np.abs(line.g[image])
        wrong = error > room
        if c.numerator & (c.numerator - 1) == 0:
            sizes = np.minimum(np.abs(line.g[at]), np.abs(line.g[image]))
            wrong |= (error > 0) & (sizes >= least)
        judged += int(at.size)
        if wrong.any():
            rows = np.flatnonzero(wrong)
            i = int(rows[int(np.argmax(over(error[rows], room[rows])))])
            text = (
                f"f(c x) = c f(x) does not hold: f({float(line.x[at[i]])!r}) gives {float(line.g[at[i]])!r} and "
                f"f({float(line.x[image[i]])!r}), c = {factor:g}, gives {float(line.g[image[i]])!r}"
            )
            found.append(violations_at(probe, line, at[rows], error[rows], room[rows], LARGE_ERROR, text))
    return found, {"homogeneous": {"pairs": judged, "factors": [float(c) for c in pairs]}} if judged else {}


def _kinks_of_the_slope(probe: Probe, line: Line) -> tuple[list[Violations], dict[str, Any]]:
    """f' on either side of each breakpoint is the one-sided derivative: a jump where it is due, none elsewhere."""
    fmt = probe.format
    kinks = [k for k in dict.fromkeys(probe.function.breaks) if abs(k) < fmt.max_value]
    if not kinks or not probe.has_derivative(1):
        return [], {}
    nearest = [fmt.ordinal(fmt.round(k)) for k in kinks]
    beside = np.array([[_clear(o - BESIDE, -1, probe), _clear(o + BESIDE, 1, probe)] for o in nearest])
    bits = fa.from_ordinals(beside.ravel(), fmt)
    try:
        got = probe.evaluate(bits, 1)
    except (Unsupported, ImplementationFault) as why:  # the cells of f' have that fault
        return [], {"slope_beside_kinks": str(why)}
    reference = probe.references(bits)[1]
    room = allowance(probe, bits, reference, 1).reshape(beside.shape)
    due, slope = reference.values.reshape(beside.shape), fa.values(got, fmt).reshape(beside.shape)
    known = ((reference.kind == FINITE) & fa.is_finite(reference.rounded, fmt)).reshape(beside.shape)
    found = []
    rows_: dict[str, Any] = {}
    for n, k in enumerate(kinks):
        judged = known[n] & np.isfinite(slope[n])
        if not known[n].all() or not judged.any():
            continue
        jump = jump_of(probe, k, 1)
        sides = zip(("left", "right"), slope[n], judged, strict=True)
        rows_[f"{float(k):g}"] = {side: float(s) if kept else None for side, s, kept in sides} | {"c1": jump == 0}
        with np.errstate(invalid="ignore"):
            error, bound = np.abs(slope[n] - due[n]), room[n]
        wrong = np.flatnonzero(judged & ~(error <= bound))
        if wrong.size:
            kind = "a kink" if jump else "no kink"
            text = (
                f"beside {float(k):g}, where f has {kind}, f' is {slope[n, 0]:.9g} on the left and "
                f"{slope[n, 1]:.9g} on the right; {due[n, 0]:.9g} and {due[n, 1]:.9g} are due"
            )
            found.append(_slopes(bits[2 * n + wrong], got[2 * n + wrong], error[wrong], bound[wrong], text, fmt))
    return found, ({"slope_beside_kinks": rows_} if rows_ else {})


def _slopes(bits: Bits, got: Bits, error: Floats, bound: Floats, text: str, fmt: Format) -> Violations:
    felt = error > TRAINING.bound(1, fmt) * 2.0**-fmt.precision
    return Violations(
        bits, got, over(error, bound), np.full(bits.size, WRONG_BRANCH, np.int8), felt, text, pointwise=False
    )
