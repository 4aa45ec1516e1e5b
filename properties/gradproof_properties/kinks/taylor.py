"""taylor: first-order expansion holds off the kinks, and misses by exactly jump x overshoot across one.

Across a discontinuity it misses by the jump of f on top.
"""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction
from typing import Any, ClassVar

import numpy as np
from hypothesis import strategies as st

from gradproof.engine.probe import Probe
from gradproof.engine.property import Outcome, Property, Violations
from gradproof.engine.search import search
from gradproof.formats import Format
from gradproof.formats import arrays as fa
from gradproof.formats.arrays import Bits, Floats
from gradproof.functions import Function
from gradproof.measure.severity import LARGE_ERROR, WRONG_CLASS
from gradproof.oracle.reference import FINITE
from gradproof.results.model import Evidence
from gradproof.strategies import batches
from gradproof_properties.allowances import allowance
from gradproof_properties.kinks.differences import bits_of, jump_of, value_is_right

REACH = 2.0**16
"""Expansion points beyond this magnitude are left to ``accuracy``: there a step of any size swamps f''."""
ORDINARY = (2.0**-8, 2.0**5)
"""Magnitudes at which activations live: every run tries expansion points in each binade between these."""
ORDINARY_POINTS = 256
SCALES = 12
"""Steps across each kink, each a quarter of the one before."""
BEFORE = Fraction(1, 4)
"""Share of such a step that lies before the kink; the rest is the overshoot."""


class Taylor(Property):
    """f(x + h) = f(x) + f'(x) h within sup|f''| h^2 / 2 and rounding; across a kink, jump x overshoot."""

    id: ClassVar[str] = "taylor"
    title: ClassVar[str] = "The first-order expansion holds everywhere but across a kink"
    statement: ClassVar[str] = (
        "Where [x, x+h] holds no kink, |f(x+h) - f(x) - f'(x) h| is at most sup|f''| h^2 / 2 plus what the contract "
        "allows the three results; where it holds one, the remainder is the jump of f' times the overshoot past the "
        "kink, first order in h, within the same bounds on both sides: every kink is crossed in both directions by "
        "steps that shrink by powers of four. Where f itself jumps there, the remainder holds "
        "that jump as well, in the direction of h. Nothing is judged where f has no finite value or overflows."
    )
    source: ClassVar[str] = "the local linearity that back-propagation rests on; Taylor's theorem, Lagrange remainder"
    orders: ClassVar[tuple[int, ...]] = (1,)
    modes: ClassVar[tuple[str, ...] | None] = ("eager",)
    same_in_every_profile: ClassVar[bool] = False

    def check(self, probe: Probe, order: int) -> Outcome:
        """Draw pairs (x, h), some across every kink, and compare remainders with their bounds."""
        probe.require(1)
        found: list[Violations] = []
        totals = {"smooth": 0, "across": 0}
        worst = [0.0]

        def visit(drawn: tuple[Bits, int]) -> float:
            start, end = _pairs(probe, *drawn)
            if not start.size:
                return 0.0
            seen = _remainders(probe, start, end)
            judged = ~np.isnan(seen.ratio)
            totals["smooth"] += int((judged & ~seen.across).sum())
            totals["across"] += int((judged & seen.across).sum())
            if seen.violations is not None:
                found.append(seen.violations)
            largest = float(np.nanmax(seen.ratio, initial=0.0))
            worst[0] = max(worst[0], largest)
            return float(np.log2(1 + min(largest, 2.0**60)))

        size = 64
        search(
            st.tuples(batches(probe.function, probe.format, size), st.integers(0, 2**16 - 1)),
            visit,
            examples=max(4, probe.budget.pairs // size),
            seed_=probe.seed,
        )
        visit((_ordinary(probe.format), 5))
        visit((_moderate(probe, size), 3))
        first_order: dict[str, Any] = {}
        for kink in dict.fromkeys(probe.function.kinks):
            ratio, violations, row = _first_order(probe, kink)
            totals["across"] += int((~np.isnan(ratio)).sum())
            worst[0] = max(worst[0], float(np.nanmax(ratio, initial=0.0)))
            found += violations
            if row:
                first_order[f"{float(kink):g}"] = row
            near = probe.format.ordinal(probe.format.round(kink, saturate=True)) + np.arange(-size // 2, size // 2)
            visit((fa.from_ordinals(near, probe.format), 7))
        return Outcome(
            Evidence("sampled", totals["smooth"] + totals["across"]),
            found,
            magnitude=worst[0],
            measured={"pairs_off_kinks": totals["smooth"], "pairs_across_a_kink": totals["across"]}
            | ({"across_each_kink": first_order} if first_order else {}),
        )


def _first_order(probe: Probe, kink: Fraction) -> tuple[Floats, list[Violations], dict[str, Any]]:
    """Steps of SCALES sizes across one kink in both directions: ratios, violations, and the remainder over h.

    The remainder over h tends to the jump of f' times the share of h beyond the kink, however small h is: it is of
    first order, where that of a smooth function would vanish. Measured are the scales judged in either direction, the
    first and the last h, and remainder / h there beside the limit (both to the right). Across a discontinuity the
    remainder itself tends to the jump of f.
    """
    fmt = probe.format
    apart = min((abs(k - kink) for k in probe.function.kinks if k != kink), default=Fraction(2))
    steps = [min(apart, Fraction(1)) / 4**j for j in range(SCALES)]
    sizes = [h for h in steps if all(map(fmt.holds, (kink - h * BEFORE, kink + h * (1 - BEFORE))))]
    sizes = [h for h in sizes if all(map(fmt.holds, (kink + h * BEFORE, kink - h * (1 - BEFORE))))]
    if not sizes:
        return np.array([]), [], {}
    points = [kink + s * part * h for part in (-BEFORE, 1 - BEFORE) for s in (1, -1) for h in sizes]
    bits = bits_of(points, fmt)
    start, end = bits[: 2 * len(sizes)], bits[2 * len(sizes) :]
    judged = _remainders(probe, start, end)
    rising = ~np.isnan(judged.ratio[: len(sizes)]) & np.isfinite(judged.remainder[: len(sizes)])
    row: dict[str, Any] = {
        "rightward": int(rising.sum()),
        "leftward": int((~np.isnan(judged.ratio[len(sizes) :])).sum()),
    }
    if rising.any():
        ends = np.flatnonzero(rising)[[0, -1]]
        row |= {
            "h": [float(sizes[i]) for i in ends],
            "remainder_over_h": [float(judged.remainder[i]) / float(sizes[i]) for i in ends],
            "due_in_the_limit": float(probe.oracle.jump(kink, 1)) * float(1 - BEFORE),
        }
        if height := jump_of(probe, kink, 0):
            row["jump_of_f"] = height
            del row["due_in_the_limit"]
    return judged.ratio, [judged.violations] if judged.violations is not None else [], row


@dataclass
class _Remainders:
    """Of n pairs the remainder, |remainder - predicted| over its bound (NaN where not judged), and which cross."""

    remainder: Floats
    ratio: Floats
    across: Any
    violations: Violations | None


def _ordinary(fmt: Format) -> Bits:
    """ORDINARY_POINTS inputs of both signs, evenly spread over the ordinals of ORDINARY."""
    low, high = fa.ordinals(fa.round_values(np.array(ORDINARY), fmt), fmt)
    positive = np.linspace(low, high, ORDINARY_POINTS // 2).astype(np.int64)
    return fa.from_ordinals(np.concatenate([-positive, positive]), fmt)


def _moderate(probe: Probe, size: int) -> Bits:
    """Inputs between 2^-12 and 2^6 of both signs, evenly over ordinals: no draw of a search may miss them all."""
    low, high = (probe.format.ordinal(probe.format.round(Fraction(2) ** k)) for k in (-12, 6))
    positive = np.linspace(low, high, size // 2).astype(np.int64)
    return fa.from_ordinals(np.concatenate([-positive, positive]), probe.format)


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
            + 2.0**-52 * np.abs(predicted)
        )
        judged &= (at_start[0].kind == FINITE) & (at_start[1].kind == FINITE) & (at_end[0].kind == FINITE)
        # A result that overflows correctly has no remainder to speak of.
        judged &= fa.is_finite(at_end[0].rounded, fmt) & fa.is_finite(at_start[0].rounded, fmt) & np.isfinite(bound)
        judged &= fa.is_finite(at_start[1].rounded, fmt)
        if probe.traits.zeros_inputs:  # a subnormal read as 0 may stand on the other side of a kink
            judged &= ~(_subnormal(start, probe) | _subnormal(end, probe))
        ratio = np.abs(remainder - predicted) / bound
        ratio = np.where(np.isfinite(remainder), ratio, np.inf)
    ratio = np.where(judged, ratio, np.nan)
    wrong = judged & (ratio > 1)
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
    section 4.3-4.4), so that float64 results are compared exactly enough too.
    """
    difference, difference_low = _two_sum(end, -value)
    h, h_low = _two_sum(z, -x)
    product, product_low = _two_product(slope, h)
    remainder = (difference - product) + (difference_low - product_low - slope * h_low)
    rounding = 2.0**-100 * (np.abs(difference) + np.abs(product)) + 2.0**-52 * np.abs(remainder)
    return remainder, np.where(np.isfinite(remainder), rounding, 0.0)


def _two_sum(a: Floats, b: Floats) -> tuple[Floats, Floats]:
    total = a + b
    shadow = total - a
    return total, (a - (total - shadow)) + (b - shadow)


def _two_product(a: Floats, b: Floats) -> tuple[Floats, Floats]:
    product = a * b
    a_high, b_high = _split(a), _split(b)
    a_low, b_low = a - a_high, b - b_high
    return product, ((a_high * b_high - product) + a_high * b_low + a_low * b_high) + a_low * b_low


def _split(a: Floats) -> Floats:
    scaled = a * (2.0**27 + 1)
    return scaled - (scaled - a)


def _prediction(probe: Probe, x: Floats, z: Floats, low: Floats, high: Floats) -> tuple[Floats, Floats, Any, Any]:
    """Predicted remainder, its curvature bound, which pairs cross a kink, and which can be judged.

    Across a kink k with jump J of f', with M the supremum of |f''| on either side: the remainder is J |z - k| within
    M1 (k-x)^2/2 + M1 |k-x||z-k| + M2 (z-k)^2/2 (expand to the kink, change slope, expand from it). A jump of f,
    right less left, adds itself for steps to the right and takes itself away for steps to the left.
    """
    predicted = np.zeros(x.size)
    across = np.zeros(x.size, bool)
    judged = np.ones(x.size, bool)
    near, far = np.abs(z - x), np.zeros(x.size)
    turn = np.where(x < z, high, low)
    for kink in dict.fromkeys(probe.function.kinks):
        k = float(kink)
        jump, height = float(probe.oracle.jump(kink, 1)), jump_of(probe, kink, 0)
        inside = (low < k) & (k < high)
        if height:  # a step that ends at the discontinuity crosses it where the value is that of the far side
            inside |= (z == k) & (x < k if _ends_right(probe.function, kink, k) else x > k)
        judged &= ~((x == k) | (inside & across))  # the choice at the kink is a convention; two kinks are too many
        across |= inside
        turn = np.where(inside, k, turn)
        near, far = np.where(inside, np.abs(k - x), near), np.where(inside, np.abs(z - k), far)
        predicted = np.where(inside, np.sign(z - x) * height + jump * np.abs(z - k), predicted)
    first = probe.oracle.suprema(np.minimum(x, turn), np.maximum(x, turn), 2)
    second = np.where(across, probe.oracle.suprema(np.minimum(turn, z), np.maximum(turn, z), 2), 0.0)
    curvature = first * near * near / 2 + first * near * far + second * far * far / 2
    return predicted, curvature, across, judged


def _ends_right(function: Function, kink: Fraction, k: float) -> bool:
    """Whether f at ``k``, the float64 next to the kink, is a value of the piece to the right."""
    return Fraction(k) > kink or (Fraction(k) == kink and value_is_right(function, kink))
