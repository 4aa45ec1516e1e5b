"""taylor: first-order expansion holds off the kinks, and misses by exactly jump x overshoot across one.

Across a discontinuity it misses by the jump of f on top.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from fractions import Fraction
from typing import Any, ClassVar

import numpy as np
from hypothesis import strategies as st

from gradproof.extend import (
    FINITE,
    LARGE_ERROR,
    WRONG_CLASS,
    Bits,
    Evidence,
    Floats,
    Format,
    Function,
    Outcome,
    Probe,
    Property,
    Violations,
    batches,
    pairs,
    search,
)
from gradproof.extend import arrays as fa
from gradproof_properties.allowances import allowance
from gradproof_properties.kinks.differences import NO_SLOPE, jump_of, over, value_is_right

REACH = 2.0**16
"""Expansion points beyond this magnitude are left to ``accuracy``: there a step of any size swamps f''."""
ORDINARY = (2.0**-8, 2.0**5)
"""Magnitudes at which activations live: every run tries expansion points in each binade between these."""
ORDINARY_POINTS = 256
MODERATE = (2.0**-12, 2.0**6)
"""Magnitudes of a thinner spread, so that no draw of the search may miss them all."""
SCALES = 12
"""Steps across each kink, each a quarter of the one before."""
BEFORE = Fraction(1, 4)
"""Share of such a step that lies before the kink; the rest is the overshoot."""
OFF_SHARE = Fraction(1, 64)
"""How far from there its ends may lie, in shares of the step, where the format does not hold such points."""


class Taylor(Property):
    """f(x + h) = f(x) + f'(x) h within sup|f''| h^2 / 2 and rounding; across a kink, jump x overshoot."""

    id: ClassVar[str] = "taylor"
    title: ClassVar[str] = "The first-order expansion holds everywhere but across a kink"
    statement: ClassVar[str] = (
        "Where [x, x+h] holds no kink, |f(x+h) - f(x) - f'(x) h| is at most sup|f''| h^2 / 2 plus what the contract "
        "allows the three results; where it holds one, the remainder is the jump of f' times the overshoot past the "
        "kink, first order in h, within the same bounds on both sides: every kink is crossed in both directions by "
        "steps that shrink by powers of four, as far as the format resolves them. Where f itself jumps there, the "
        "remainder holds that jump as well, in the direction of h. Nothing is judged where f has no finite value or "
        "overflows."
    )
    source: ClassVar[str] = "the local linearity that back-propagation rests on; Taylor's theorem, Lagrange remainder"
    orders: ClassVar[tuple[int, ...]] = (1,)
    modes: ClassVar[tuple[str, ...] | None] = ("eager",)
    same_in_every_profile: ClassVar[bool] = False

    def check(self, probe: Probe, order: int) -> Outcome:
        """Draw pairs (x, h), some across every kink, and compare remainders with their bounds."""
        probe.require(1)
        fmt, size = probe.format, 64
        totals = _Totals(probe)

        def visit(drawn: tuple[Bits, int]) -> float:
            largest = totals.judge(*_pairs(probe, *drawn)).largest
            return float(np.log2(1 + min(largest, 2.0**60)))

        search(
            st.tuples(batches(probe.function, fmt, size), st.integers(0, 2**16 - 1)),
            visit,
            examples=max(4, probe.budget.pairs // size),
            seed_=probe.seed,
        )
        totals.judge(*_pairs(probe, _spread(fmt, *ORDINARY, ORDINARY_POINTS), 5))
        totals.judge(*_pairs(probe, _spread(fmt, *MODERATE, size), 3))
        first_order: dict[str, Any] = {}
        for kink in dict.fromkeys(probe.function.kinks):
            first_order[f"{float(kink):g}"] = _first_order(totals, kink)
            near = fmt.ordinal(fmt.round(kink, saturate=True)) + np.arange(-size // 2, size // 2)
            totals.judge(*_pairs(probe, fa.from_ordinals(near, fmt), 7))
        return Outcome(
            Evidence("sampled", totals.smooth + totals.across),
            totals.violations,
            magnitude=totals.worst,
            measured={"pairs_off_kinks": totals.smooth, "pairs_across_a_kink": totals.across}
            | ({"across_each_kink": first_order} if first_order else {}),
        )


def _first_order(totals: _Totals, kink: Fraction) -> dict[str, Any]:
    """Judge steps of up to SCALES sizes across one kink in both directions; the remainder over h for the reader.

    The remainder over h tends to the jump of f' times the share of h beyond the kink, however small h is: it is of
    first order, where that of a smooth function would vanish. Measured are the scales judged in either direction, the
    first and the last h, and remainder / h there beside the limit (both to the right). Across a discontinuity the
    remainder itself tends to the jump of f.
    """
    probe = totals.probe
    if probe.oracle.jump(kink, 1) is None:
        return {"skipped": NO_SLOPE}
    crossings = _crossings(probe, kink)
    if not crossings:
        return {"skipped": "the format holds no step across this kink"}
    n = len(crossings)
    start, end = (
        np.array([c[i] for i in columns for c in crossings], fa.storage(probe.format)) for columns in ((0, 2), (1, 3))
    )
    seen = totals.judge(start, end)
    rising = seen.judged[:n] & np.isfinite(seen.remainder[:n])
    row: dict[str, Any] = {"rightward": int(rising.sum()), "leftward": int(seen.judged[n:].sum())}
    if not rising.any():
        return row
    ends = np.flatnonzero(rising)[[0, -1]]
    h = (fa.values(end, probe.format) - fa.values(start, probe.format))[ends]
    row |= {"h": h.tolist(), "remainder_over_h": (seen.remainder[ends] / h).tolist()}
    if height := jump_of(probe, kink, 0):
        return row | {"jump_of_f": height}
    return row | {"due_in_the_limit": _slope_jump(probe, kink) * float(1 - BEFORE)}


def _slope_jump(probe: Probe, kink: Fraction) -> float:
    """The jump of f' at a kink, to float64; NaN where a side is infinite or not certified."""
    jump = probe.oracle.jump(kink, 1)
    return np.nan if jump is None else float(jump)


def _crossings(probe: Probe, kink: Fraction) -> list[tuple[int, int, int, int]]:
    """Bits of start and end of a step to the right across the kink, then of one to the left, coarse to fine.

    The step passes the kink with all but BEFORE of its length, up to OFF_SHARE where the format does not hold such
    points, and passes no other kink. The first is 1, or 16 times the least that the format resolves there if more.
    """
    fmt = probe.format
    widest = max(Fraction(1), 16 * Fraction(2) ** fmt.quantum_exponent(abs(kink)) / OFF_SHARE)
    apart = min((abs(k - kink) for k in probe.function.kinks if k != kink), default=widest)
    crossings = []
    for h in (min(apart, widest) / 4**j for j in range(SCALES)):
        points = [kink - h * BEFORE, kink + h * (1 - BEFORE), kink + h * BEFORE, kink - h * (1 - BEFORE)]
        found = [fmt.round(p) for p in points]
        if all(fmt.is_finite(b) and abs(fmt.value(b) - p) <= h * OFF_SHARE for b, p in zip(found, points, strict=True)):
            crossings.append((found[0], found[1], found[2], found[3]))
    return crossings


@dataclass
class _Remainders:
    """Of n pairs the remainder, |remainder - predicted| over its bound (NaN where not judged), and which cross."""

    remainder: Floats
    ratio: Floats
    across: Any
    violations: Violations | None

    @property
    def judged(self) -> Any:
        """Which pairs are judged."""
        return ~np.isnan(self.ratio)

    @property
    def largest(self) -> float:
        """The largest ratio, 0 where nothing is judged."""
        return float(np.nanmax(self.ratio, initial=0.0))


@dataclass
class _Totals:
    """What all the pairs of a cell come to."""

    probe: Probe
    smooth: int = 0
    across: int = 0
    worst: float = 0.0
    violations: list[Violations] = field(default_factory=list)

    def judge(self, start: Bits, end: Bits) -> _Remainders:
        """Judge the pairs from ``start`` to ``end``, both of shape (n,), and count them."""
        if not start.size:
            return _Remainders(np.array([]), np.array([]), np.array([], bool), None)
        seen = _remainders(self.probe, start, end)
        self.smooth += int((seen.judged & ~seen.across).sum())
        self.across += int((seen.judged & seen.across).sum())
        self.worst = max(self.worst, seen.largest)
        if seen.violations is not None:
            self.violations.append(seen.violations)
        return seen


def _spread(fmt: Format, low: float, high: float, count: int) -> Bits:
    """``count`` inputs between two powers of two, half of them negated, evenly spread over the ordinals."""
    first, last = fa.ordinals(fa.round_values(np.array([low, high]), fmt), fmt)
    positive = np.linspace(first, last, count // 2).astype(np.int64)
    return fa.from_ordinals(np.concatenate([-positive, positive]), fmt)


def _pairs(probe: Probe, bits: Bits, seed: int) -> tuple[Bits, Bits]:
    """Expansion points among ``bits`` and end points at steps of many sizes, kept to a moderate range."""
    fmt = probe.format
    x = fa.values(bits, fmt)
    rng = np.random.default_rng(seed)
    with np.errstate(all="ignore"):
        relative = np.abs(x) * 2.0 ** -rng.integers(1, fmt.precision, x.size)
        absolute = 2.0 ** -rng.integers(-2, fmt.precision // 2, x.size)
        step = np.where(rng.random(x.size) < 0.5, relative, absolute) * rng.choice([-1.0, 1.0], x.size)
        end = fa.round_values(x + step, fmt)
        fine = (np.abs(x) <= REACH) & (np.abs(fa.values(end, fmt)) <= REACH) & (fa.values(end, fmt) != x)
    return bits[fine], end[fine]


def _remainders(probe: Probe, start: Bits, end: Bits) -> _Remainders:
    """The pairs from ``start`` to ``end``, both of shape (n,), against their prediction."""
    fmt = probe.format
    x, z = fa.values(start, fmt), fa.values(end, fmt)
    low, high = np.minimum(x, z), np.maximum(x, z)
    at_start, at_end = probe.references(start), probe.references(end)
    value = fa.values(probe.evaluate(start, 0), fmt)
    end_value = fa.values(probe.evaluate(end, 0), fmt)
    got = probe.evaluate(start, 1)
    slope = fa.values(got, fmt)
    with np.errstate(all="ignore"):
        remainder, rounding = _expanded(end_value, value, slope, z, x)
        predicted, curvature, across, judged = _prediction(probe, x, z, low, high)
        bound = (
            curvature
            + allowance(probe, end, at_end[0], 0)
            + allowance(probe, start, at_start[0], 0)
            + allowance(probe, start, at_start[1], 1) * np.abs(z - x)
            + rounding
            + 2.0**-51 * np.abs(predicted)
        )
        judged &= (at_start[0].kind == FINITE) & (at_start[1].kind == FINITE) & (at_end[0].kind == FINITE)
        # A result that overflows correctly has no remainder to speak of.
        judged &= fa.is_finite(at_end[0].rounded, fmt) & fa.is_finite(at_start[0].rounded, fmt) & np.isfinite(bound)
        judged &= fa.is_finite(at_start[1].rounded, fmt) & np.isfinite(predicted)
        if probe.traits.zeros_inputs:  # a subnormal read as 0 may stand on the other side of a kink
            judged &= ~(_subnormal(start, probe) | _subnormal(end, probe))
        ratio = np.where(np.isfinite(remainder), over(remainder - predicted, bound), np.inf)
    ratio = np.where(judged, ratio, np.nan)
    wrong = judged & ~(ratio <= 1)
    if not wrong.any():
        return _Remainders(remainder, ratio, across, None)
    i = int(np.argmax(np.where(wrong, ratio, -1)))
    text = (
        f"x = {float(x[i])!r}, h = {float(z[i] - x[i])!r}: the remainder is {remainder[i]:.6g} where "
        f"{predicted[i]:.6g} +- {bound[i]:.3g} is due"
    )
    severity = np.where(np.isinf(ratio[wrong]), WRONG_CLASS, LARGE_ERROR).astype(np.int8)
    felt = np.abs(remainder - predicted)[wrong] > 8 * 2.0**-fmt.precision
    violations = Violations(start[wrong], got[wrong], ratio[wrong], severity, felt, text, pointwise=False)
    return _Remainders(remainder, ratio, across, violations)


def _subnormal(bits: Bits, probe: Probe) -> Any:
    magnitude = fa.magnitudes(bits, probe.format)
    return (magnitude > 0) & (magnitude < probe.format.min_normal_bits)


def _expanded(end: Floats, value: Floats, slope: Floats, z: Floats, x: Floats) -> tuple[Floats, Floats]:
    """f(x+h) - f(x) - f'(x) h with a bound on the rounding of this very computation.

    Error-free transformations (Knuth's two-sum, Dekker's product; Handbook of Floating-Point Arithmetic,
    section 4.3-4.4), so that float64 results are compared exactly enough too. They overflow from 2^996 on, so that
    what comes near is scaled down first; what that loses, 2^-874 at most, is no more than ``rounding``.
    """
    largest = np.maximum(np.maximum(np.abs(end), np.abs(value)), np.abs(slope))
    down = np.where(largest > 2.0**900, 2.0**-200, 1.0)
    end, value, slope = end * down, value * down, slope * down
    difference, difference_low = pairs.two_sum(end, -value)
    h, h_low = pairs.two_sum(z, -x)
    product, product_low = pairs.two_product(slope, h)
    remainder = (difference - product) + (difference_low - product_low - slope * h_low)
    rounding = 2.0**-100 * (np.abs(difference) + np.abs(product)) + 2.0**-52 * np.abs(remainder)
    return remainder / down, np.where(np.isfinite(remainder), rounding, 0.0) / down


def _prediction(probe: Probe, x: Floats, z: Floats, low: Floats, high: Floats) -> tuple[Floats, Floats, Any, Any]:
    """Predicted remainder, its curvature bound, which pairs cross a kink, and which can be judged.

    Across a kink k with jump J of f', with M the supremum of |f''| on either side: the remainder is J |z - k| within
    M1 (k-x)^2/2 + M1 |k-x||z-k| + M2 (z-k)^2/2 (expand to the kink, change slope, expand from it). A jump of f,
    right less left, adds itself for steps to the right and takes itself away for steps to the left. Steps across a kink
    with an infinite slope on a side have no prediction (NaN).
    """
    predicted = np.zeros(x.size)
    across = np.zeros(x.size, bool)
    judged = np.ones(x.size, bool)
    near, far = np.abs(z - x), np.zeros(x.size)
    turn = np.where(x < z, high, low)
    for kink in dict.fromkeys(probe.function.kinks):
        k = float(kink)
        jump, height = _slope_jump(probe, kink), jump_of(probe, kink, 0)
        inside = (low < k) & (k < high)
        if height:  # a step that ends at the discontinuity crosses it where the value is that of the far side
            inside |= (z == k) & (x < k if _ends_right(probe.function, kink, k) else x > k)
        judged &= ~((x == k) | (inside & across))  # the choice at the kink is a convention; two kinks are too many
        across |= inside
        turn = np.where(inside, k, turn)
        past = (z - k) - float(kink - Fraction(k))
        near, far = np.where(inside, np.abs(k - x), near), np.where(inside, np.abs(past), far)
        predicted = np.where(inside, np.sign(z - x) * height + jump * np.abs(past), predicted)
    first = probe.oracle.suprema(np.minimum(x, turn), np.maximum(x, turn), 2)
    second = np.where(across, probe.oracle.suprema(np.minimum(turn, z), np.maximum(turn, z), 2), 0.0)
    curvature = first * near * near / 2 + first * near * far + second * far * far / 2
    return predicted, curvature, across, judged


def _ends_right(function: Function, kink: Fraction, k: float) -> bool:
    """Whether f at ``k``, the float64 next to the kink, is a value of the piece to the right."""
    return Fraction(k) > kink or (Fraction(k) == kink and value_is_right(function, kink))
