"""saturation: where f or f' first rounds to its limit, and how it gets there."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from fractions import Fraction
from functools import lru_cache
from typing import Any, ClassVar, Literal

import numpy as np

from gradproof.extend import (
    LARGE_ERROR,
    LOST_SIGNAL,
    WRONG_CLASS,
    Bits,
    Evidence,
    Format,
    Function,
    Judgement,
    Oracle,
    Outcome,
    Pointwise,
    Probe,
    Property,
    Violations,
    bulk,
)
from gradproof.extend import arrays as fa
from gradproof_properties.allowances import allowance
from gradproof_properties.shapes.order import excess_behind

Side = Literal["left", "right"]
SIDES: tuple[Side, ...] = ("left", "right")
EVENLY = 1 << 12
"""Inputs between 0 and the onset, evenly spaced."""
MOST_LOST = 1 << 8
"""Inputs of a side that ``bulk`` found lost, of those that are tried here."""


@dataclass(frozen=True)
class Tail:
    """One side on which f^(n) has a finite limit.

    ``onset`` is the ordinal of the first input (walking outward) from which on the exact value rounds to the
    limit; None when no finite input does. ``faint`` is that of the first from which on the exact value stays below the
    least normal number; None where the limit is not 0, or it never does. ``rounded`` is the limit in the format,
    ``representable`` whether that is exact.
    """

    side: Side
    limit: Fraction
    rounded: int
    representable: bool
    onset: int | None
    faint: int | None = None


class Saturation(Property):
    """No premature saturation, no value past the asymptote, monotone into it."""

    id: ClassVar[str] = "saturation"
    title: ClassVar[str] = "Saturation sets in where the mathematics says, not earlier"
    statement: ClassVar[str] = (
        "On a side where f^(n) has a finite limit, no result equals the limit while the exact value is still away "
        "from it by more than the contract (tried in every binade of the values, and wherever it was met among "
        "millions of inputs), none lies past the limit, the results approach it without turning back by more than the "
        "contract, and are there where the exact value rounds to it. Where f^(n) goes further away again, as behind a "
        "root, nothing has saturated. The input at which the limit is first reached is measured beside the oracle's."
    )
    source: ClassVar[str] = "saturation is loss of signal by zero gradient"
    orders: ClassVar[tuple[int, ...]] = (0, 1)
    tries_witnesses: ClassVar[bool] = True

    def applies(self, function: Function, order: int) -> bool:
        """Wherever f^(order) has a finite limit at some infinity."""
        return any(_limit(function, side, order) is not None for side in SIDES)

    def check(self, probe: Probe, order: int) -> Outcome:
        """Judge the tails and measure the onset on each side."""
        probe.require(order)
        points = Pointwise(probe, order)
        findings: list[Violations] = []
        measured: dict[str, Any] = {}
        left = 0
        for side in SIDES:
            limit = _limit(probe.function, side, order)
            if limit is None:
                continue
            if abs(limit) >= probe.format.overflow_threshold:
                measured[side] = {"skipped": "the format does not hold the limit"}
                continue
            tail = find_tail(probe.oracle, probe.format, order, side, limit)
            bits = _tail_points(probe, order, tail)
            reference = probe.references(bits)[order]
            got = probe.evaluate(bits, order)
            judgement = probe.judge(bits, got, order, reference)
            saturated = fa.ordinals(got, probe.format) == probe.format.ordinal(tail.rounded)
            approaching = ~_leaves(reference.values, float(limit))
            early = saturated & judgement.failing & approaching
            if early.any():
                findings.append(_finding(bits, got, judgement, early, LOST_SIGNAL, _early(tail, order)))
            past = _past(got, reference.values, tail, probe.format, judgement.magnitude) & ~judgement.excused
            past &= approaching
            if past.any():
                findings.append(
                    _finding(bits, got, judgement, past, WRONG_CLASS, f"a value past the limit {float(limit):g}")
                )
            nan = fa.is_nan(got, probe.format) & judgement.mismatch
            if nan.any():
                findings.append(
                    _finding(bits, got, judgement, nan, WRONG_CLASS, f"a NaN on the way to the limit {float(limit):g}")
                )
            late = judgement.failing & ~saturated & ~nan & ~past & _beyond_onset(bits, tail, probe.format)
            if late.any():
                findings.append(_finding(bits, got, judgement, late, LARGE_ERROR, _late(tail, order)))
            steps, slides = _turns_back(bits, got, tail, probe, order, judgement, approaching)
            # A slide is the mildest finding, and often the flank of another.
            back = slides if not (early | past | nan | late | steps).any() else steps
            if back.any():
                findings.append(
                    _finding(bits, got, judgement, back, LARGE_ERROR, "the approach to the limit turns back")
                )
            # Errors that are no saturation are the accuracy property's business.
            others = judgement.failing & ~(early | past | nan | late | back)
            left += int(others.sum())
            points.add_results(bits[~others], got[~others], reference[~others])
            measured[side] = _onsets(bits, got, tail, probe.format)
        if not any("limit" in row for row in measured.values()):
            return Outcome(Evidence("sampled", 0), measured=measured)
        outcome = points.outcome(exhaustive=probe.format.is_16_bit, with_curve=False)
        outcome.violations = findings
        outcome.measured |= measured | ({"left_to_accuracy": left} if left else {})
        return outcome


def _limit(function: Function, side: Side, order: int) -> Fraction | None:
    """The finite limit of f^(order) at that infinity; None where there is none or the domain ends before."""
    limit = function.limit(side, order)
    bounded = isinstance(function.ends[SIDES.index(side)], Fraction)
    return limit if isinstance(limit, Fraction) and not bounded else None


def _early(tail: Tail, order: int) -> str:
    what = "f" + "'" * order
    return f"{what} has reached its limit {float(tail.limit):g} although the exact value is still away from it"


def _late(tail: Tail, order: int) -> str:
    what = "f" + "'" * order
    return f"{what} is away from its limit {float(tail.limit):g} although the exact value rounds to it"


def _beyond_onset(bits: Bits, tail: Tail, fmt: Format) -> Any:
    """Inputs from which on the exact value rounds to the limit."""
    return np.zeros(bits.size, bool) if tail.onset is None else np.abs(fa.ordinals(bits, fmt)) >= abs(tail.onset)


def _finding(bits: Bits, got: Bits, judgement: Any, rows: Any, severity: int, text: str) -> Violations:
    magnitude = np.maximum(np.nan_to_num(judgement.magnitude[rows], nan=2.0, posinf=np.inf), 1.0 + 1e-9)
    count = int(rows.sum())
    return Violations(
        bits[rows], got[rows], magnitude, np.full(count, severity, np.int8), judgement.felt[rows], text,
        cause="early-saturation" if severity == LOST_SIGNAL else None, absolute=judgement.absolute[rows],
    )  # fmt: skip


def find_tail(oracle: Oracle, fmt: Format, order: int, side: Side, limit: Fraction) -> Tail:
    """The tail with the oracle's onset, found by bisection over certified values."""
    return _find_tail(oracle, fmt, order, side, limit)


@lru_cache(maxsize=512)
def _find_tail(oracle: Oracle, fmt: Format, order: int, side: Side, limit: Fraction) -> Tail:
    rounded = fmt.round(limit)
    sign = -1 if side == "left" else 1

    def at_limit(steps: int) -> bool:
        value = oracle.certified(fmt.from_ordinal(sign * steps), fmt, order, confirm=False)
        return value.kind == "finite" and fmt.same_number(value.bits, rounded)

    def subnormal(steps: int) -> bool:
        value = oracle.certified(fmt.from_ordinal(sign * steps), fmt, order, confirm=False)
        return value.kind == "finite" and (value.bits & (fmt.sign_bit - 1)) < fmt.min_normal_bits

    # Walk outward over a coarse grid for the last input that is still away, then bisect.
    grid = np.unique(np.linspace(0, fmt.max_bits, 513).astype(np.int64))
    reference = oracle.references(fa.from_ordinals(sign * grid, fmt), fmt)[order]
    target = fa.ordinals(np.array([rounded], fa.storage(fmt)), fmt)
    unknown = reference.kind != 0
    onset = _first(grid, (fa.ordinals(reference.rounded, fmt) != target) | unknown, at_limit)
    faint = None
    if not limit:
        large = fa.magnitudes(reference.rounded, fmt) >= fmt.min_normal_bits
        faint = _first(grid, large | unknown, subnormal)
    return Tail(
        side, limit, rounded, fmt.holds(limit), None if onset is None else sign * onset,
        None if faint is None else sign * faint,
    )  # fmt: skip


def _first(grid: Any, away: Any, there: Callable[[int], bool]) -> int | None:
    """The first step from which on ``there`` holds, by bisection behind the last of ``grid`` that is ``away``."""
    last = np.flatnonzero(away)
    if last.size and last[-1] == grid.size - 1:
        return None
    low = int(grid[last[-1]]) if last.size else 0
    high = int(grid[last[-1] + 1]) if last.size else 0
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (low, middle) if there(middle) else (middle, high)
    return high


def _tail_points(probe: Probe, order: int, tail: Tail) -> Bits:
    """Base points of the side, walking outward, and where a signal may be lost too early.

    That is around the onset and around the end of the normal numbers at all distances, evenly up to there (so that a
    tail that falls like e^-x or e^(-x^2) is met in every binade of its values), and inputs all over the line at which
    the limit came back wrongly.
    """
    fmt = probe.format
    sign = -1 if tail.side == "left" else 1
    base = fa.ordinals(probe.base_points[fa.is_finite(probe.base_points, fmt)], fmt) * sign
    steps = [base[base >= 0]]
    near = np.concatenate([np.arange(-64, 65), *(np.array([-1, 1]) << k for k in range(6, fmt.precision + 3))])
    steps += [abs(place) + near for place in (tail.onset, tail.faint) if place is not None]
    if tail.onset and not fmt.is_16_bit and fmt.is_finite(fmt.from_ordinal(abs(tail.onset))):
        end = float(fmt.value(fmt.from_ordinal(abs(tail.onset))))
        even = fa.round_by_quantum(np.linspace(0.0, end, EVENLY), fmt)
        steps.append(fa.ordinals(even, fmt))
    found = bulk(probe, order)
    for bits, got in zip(found.bits, found.got, strict=True) if found else ():
        lost = fa.ordinals(bits[fa.ordinals(got, fmt) == fmt.ordinal(tail.rounded)], fmt) * sign
        lost = lost[lost >= 0]
        steps.append(lost[np.linspace(0, lost.size - 1, min(lost.size, MOST_LOST)).astype(np.int64)])
    if probe.witnesses:
        named = fa.ordinals(np.array(probe.witnesses, dtype=fa.storage(fmt)), fmt) * sign
        steps.append(named[named >= 0])
    walk = np.unique(np.concatenate(steps))
    return fa.from_ordinals(sign * walk[(walk >= 0) & (walk <= fmt.max_bits)], fmt)


def _past(got: Bits, exact: Any, tail: Tail, fmt: Format, magnitude: Any) -> Any:
    """Results on the far side of the limit from the exact value.

    A limit that the format cannot hold may be overshot by its own rounding, within the contract.
    """
    g = fa.values(got, fmt)
    limit = float(fmt.value(tail.rounded))
    side = _side(exact, float(tail.limit))
    with np.errstate(invalid="ignore"):
        beyond = ((side < 0) & (g > limit)) | ((side > 0) & (g < limit))
        return beyond & (True if tail.representable else magnitude > 1)


def _leaves(exact: Any, limit: float) -> Any:
    """Where f^(n) is nearer to its limit than somewhere further out: beside a root of f^(n) - limit, which is no tail.

    What float64 cannot tell from the limit is no way further out.
    """
    gap = np.abs(exact - limit)
    outwards = np.fmax.accumulate(gap[::-1])[::-1]
    return (gap < (1 - 2.0**-20) * outwards) & (outwards > 2.0**-40 * abs(limit))  # NaN compares false


def _side(exact: Any, limit: float) -> Any:
    """Side of the limit on which each exact value lies, walking outward: -1 below, 1 above, 0 unknown.

    An exact value that float64 cannot tell from the limit lies where the last one lay that it can tell: a
    tanh(30) is below 1, and the constant arm of a hardtanh is reached from below. Where the next one lies on the
    other side the function crosses its limit on the way (a hardswish' does at 3/2), and the side is unknown.
    """
    gap = exact - limit
    side = np.where(np.abs(gap) > 2.0**-40 * abs(limit), np.sign(gap), 0.0)  # NaN compares false
    last = np.maximum.accumulate(np.where(side != 0, np.arange(side.size), -1))
    following = np.minimum.accumulate(np.where(side != 0, np.arange(side.size), side.size)[::-1])[::-1]
    before = np.where(last >= 0, side[last], 0.0)
    after = np.append(side, 0.0)[following]
    return np.where(before * after < 0, 0.0, before)


def _turns_back(
    bits: Bits, got: Bits, tail: Tail, probe: Probe, order: int, judgement: Judgement, approaching: Any
) -> Any:
    """Where a result moves away from the limit although the exact values approach it, and where results slide.

    Between two inputs whose exact values approach the limit, a step back is counted when it exceeds what the
    contract allows the two results together. A slide is a wrong result that lies further from the limit than an
    earlier one by more than that, however small the steps.
    """
    reference = probe.references(bits)[order]
    exact, g = reference.values, fa.values(got, probe.format)
    limit = float(tail.limit)
    with np.errstate(invalid="ignore"):
        approach = (np.abs(exact[1:] - limit) <= np.abs(exact[:-1] - limit)) & approaching[1:]
        step = np.abs(g[1:] - limit) - np.abs(g[:-1] - limit)
        # What flushing costs is excused below.
        allowed = allowance(probe, bits, reference, order, flushes=False)
        back = approach & (step > allowed[1:] + allowed[:-1])
        judged = np.isfinite(g) & ~judgement.excused
        behind, _ = excess_behind(-np.abs(g - limit), allowed, judged, approach.astype(np.int64))
    return np.concatenate([[False], back]) & ~_beside(judgement.excused), (behind > 0) & judgement.failing


def _beside(rows: Any) -> Any:
    """Rows and their successors: a step from or to a flushed result is the backend's trait."""
    return rows | np.concatenate([[False], rows[:-1]])


def _onsets(bits: Bits, got: Bits, tail: Tail, fmt: Format) -> dict[str, Any]:
    """The oracle's and the measured onset: input, decimal, and how many ordinals apart."""
    same = fa.ordinals(got, fmt) == fmt.ordinal(tail.rounded)
    away = np.flatnonzero(~same)
    first = None if away.size and away[-1] == bits.size - 1 else int(bits[away[-1] + 1] if away.size else bits[0])
    row: dict[str, Any] = {"limit": fmt.decimal(tail.rounded)}
    row["oracle_onset"] = None if tail.onset is None else fmt.decimal(fmt.from_ordinal(tail.onset))
    row["measured_onset"] = None if first is None else fmt.decimal(first)
    if first is not None and tail.onset is not None:
        row["ordinals_apart"] = str(fmt.ordinal(first) - tail.onset)
    return row
