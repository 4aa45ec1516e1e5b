"""vanishing: how steep a function can be, what that does to a product of many slopes, and which units die of it."""

from __future__ import annotations

import math
from collections.abc import Sequence
from fractions import Fraction
from typing import Any, ClassVar, Final

import numpy as np

from gradproof.extend import (
    FINITE,
    LARGE_ERROR,
    LOST_SIGNAL,
    WRONG_BRANCH,
    WRONG_CLASS,
    Bits,
    Evidence,
    Floats,
    Format,
    Function,
    Outcome,
    Probe,
    Property,
    Unsupported,
    Violations,
    linear_pieces,
)
from gradproof.extend import arrays as fa
from gradproof_properties.allowances import allowance
from gradproof_properties.chains import dead_units
from gradproof_properties.chains.exact_chain import ChainRun, Mask, digits, run, wrong_products
from gradproof_properties.chains.steepness import supremum_of_slope

LANES: Final = 24
DEPTH: Final = 8
GRID: Final = 8
"""Weights are multiples of 1/GRID, exact in every format."""


class Vanishing(Property):
    """sup|f'|, products of slopes and weights, dead units."""

    id: ClassVar[str] = "vanishing"
    title: ClassVar[str] = "Gradients vanish as fast as the slopes say, and units die where f' is exactly 0"
    statement: ClassVar[str] = (
        "|f'| exceeds its supremum nowhere by more than the contract (1/4 for the sigmoid, 1 for tanh and ReLU); where "
        "it is NaN, accuracy has the finding and nothing is counted here. The product of n slopes and weights agrees "
        "with the exact one. For piecewise linear f it is, on a path where every slope is 0 or +-1, bit for bit the "
        "product of the weights, rounded once a layer (0 if a slope is 0). A unit whose f' is exactly 0 for a whole "
        "batch has gradient exactly 0 and keeps its weights bit for bit under gradient descent. Any other has a "
        "gradient that is not 0 unless contract and roundings explain that; where no |z| exceeds 2 it is the gradient "
        "that the oracle says; and the unit moves unless the step is below half an ulp of the weight."
    )
    source: ClassVar[str] = "vanishing gradient, dead neurons"
    orders: ClassVar[tuple[int, ...]] = (1,)
    modes: ClassVar[tuple[str, ...] | None] = ("eager",)
    quick_compiled_formats: ClassVar[tuple[str, ...] | None] = ("float32", "bfloat16")
    same_in_every_profile: ClassVar[bool] = False

    def applies(self, function: Function, order: int) -> bool:
        """Everywhere: a function without a supremum of |f'| still has products and units."""
        return True

    def check(self, probe: Probe, order: int) -> Outcome:
        """Judge the supremum at the base points, then chains of random weights, then units under gradient descent."""
        probe.require(1)
        rng = np.random.default_rng(probe.seed)
        count, found, measured = _steepness(probe)
        for part in (_products, _units):
            judged, violations, figures = part(probe, rng)
            count += judged
            found += violations
            measured |= figures
        return Outcome(Evidence("sampled", count), found, measured=measured if count else {})


Part = tuple[int, list[Violations], dict[str, Any]]


# -- the supremum --------------------------------------------------------------------------------------------


def _steepness(probe: Probe) -> Part:
    """|f'| at the base points against its supremum. NaNs are not judged: they are counted beside the rest.

    At a kink f' is a convention, which has a claim of its own, and so it is at what the backend reads as one.
    """
    most = supremum_of_slope(probe.oracle)
    if math.isinf(most):
        ends = (probe.function.limit(side, 1) for side in ("left", "right"))
        # With finite limits of f' there may be a supremum that the oracle's bounds do not reach.
        return 0, [], {"sup": "not certified" if all(isinstance(end, Fraction) for end in ends) else "none"}
    fmt, bits = probe.format, probe.base_points
    got = probe.evaluate(bits, 1)
    reference = probe.references(bits)[1]
    size = np.abs(fa.values(got, fmt))
    with np.errstate(over="ignore", invalid="ignore"):
        room = allowance(probe, bits, reference, 1)
        excess = size - most
        room = np.where(np.isfinite(room), room, _ulps(most, fmt))
        ratio = np.where(excess > 0, excess / room, 0.0)
    # A slope beyond the format is an infinity there, and that is right.
    known = fa.is_finite(bits, fmt) & (reference.kind == FINITE) & fa.is_finite(reference.rounded, fmt)
    known &= ~probe.judge(bits, got, 1, reference).excused
    judged = known & ~np.isnan(size)
    measured: dict[str, Any] = {"sup": _short(most)}
    lost = int((known & ~judged).sum())
    if lost:
        measured["left_to_accuracy"] = lost
    if not judged.any():
        return 0, [], measured
    wrong = judged & ~(ratio <= 1)
    largest = int(np.argmax(np.where(judged, size, -1.0)))
    measured |= {"largest": _short(float(size[largest])), "at": fmt.decimal(int(bits[largest]))}
    if not wrong.any():
        return int(judged.sum()), [], measured
    i = int(np.argmax(np.where(wrong, ratio, -1)))
    shown = digits(size[i], most)
    text = f"|f'| is {size[i]:.{shown}g} at {fmt.decimal(int(bits[i]))}, above its supremum {most:.{shown}g}"
    severity = np.where(np.isfinite(size), LARGE_ERROR, WRONG_CLASS).astype(np.int8)
    felt = excess > 8 * 2.0**-fmt.precision * most
    return int(judged.sum()), [_rows(bits, got, ratio, severity, felt, wrong, text)], measured


def _ulps(value: float, fmt: Format) -> float:
    """8 ulps of ``value``."""
    return math.ldexp(8.0, int(fa.quantum_exponents(np.array([value]), fmt)[0]))


def _short(value: float) -> float | str:
    """Twelve digits; text for an infinity, which JSON lacks."""
    return float(f"{value:.12g}") if math.isfinite(value) else str(value)


def _rows(bits: Bits, got: Bits, ratio: Floats, severity: Any, felt: Any, wrong: Mask, text: str) -> Violations:
    return Violations(
        bits[wrong], got[wrong], np.maximum(ratio[wrong], 1 + 1e-9), severity[wrong], felt[wrong], text, pointwise=False
    )


# -- products ------------------------------------------------------------------------------------------------


def _products(probe: Probe, rng: np.random.Generator) -> Part:
    """Chains of random weights against the exact product; of piecewise linear functions bit for bit."""
    fmt = probe.format
    # Moderate inputs: what is wrong with f' in the tails is the accuracy claim's business.
    start = fa.round_values(rng.uniform(-1.5, 1.5, LANES), fmt)
    weights = [float(w) for w in rng.integers(GRID // 2, GRID, DEPTH, endpoint=True) / GRID]
    chain = run(probe, weights, start)
    found = wrong_products(chain, start, fmt, " of random weights")
    count = int(chain.passes.judged.sum())
    if all(linear_pieces(probe.function)):
        # A negative weight in the last layer alone: any earlier it would end every path of a ReLU.
        powers = [*(float(w) for w in rng.choice([0.5, 1.0, 2.0], DEPTH - 1)), -2.0]
        for one, known in ((chain, weights), (run(probe, powers, start), powers)):
            count += int(one.passes.judged.sum())
            found += _not_the_weights(one, known, start, fmt)
    grown = sum(math.log2(abs(w)) for w in weights)
    measured: dict[str, Any] = {"layers": DEPTH, "log2_weights": _short(grown)}
    last = chain.passes.due.log2[-1][chain.passes.judged[-1]]
    if np.isfinite(last).any():
        measured["log2_largest_product"] = _short(float(last.max()))
        most = supremum_of_slope(probe.oracle)
        if math.isfinite(most):
            measured["log2_bound"] = _short(DEPTH * math.log2(most) + grown)
    return count, found, measured


def _not_the_weights(chain: ChainRun, weights: Sequence[float], start: Bits, fmt: Format) -> list[Violations]:
    """Products of slopes 0 and +-1 that are not, bit for bit, those of the weights on the path."""
    known = chain.known
    one = (np.abs(known.high) == 0.5) & (known.exponent == 1) & (known.low == 0)
    plain = np.logical_and.accumulate((known.high == 0) | one, axis=0) & chain.passes.judged
    sign = np.cumprod(np.where(known.high == 0, 0.0, np.sign(known.high)), axis=0)
    size = np.array([float(fmt.value(b)) for b in weight_products(weights, fmt)])
    got = fa.values(chain.products, fmt)
    due = sign * size[:, None]
    wrong = plain & ~(got == due)
    if not wrong.any():
        return []
    n = int(np.flatnonzero(wrong.any(axis=1))[0])
    lanes = wrong[n]
    i = int(np.flatnonzero(lanes)[0])
    shown = digits(got[n, i], due[n, i])
    text = f"after {n + 1} layers of slopes 0 and 1: got {got[n, i]:.{shown}g}, "
    text += f"the weights' product is {due[n, i]:.{shown}g}"
    with np.errstate(all="ignore"):
        error = np.abs(got[n] - due[n])
        # The bound is half an ulp: anything else than the correctly rounded product is an ulp away or more.
        ratio = np.nan_to_num(2 * error / np.ldexp(1.0, fa.quantum_exponents(due[n], fmt).astype(np.int32)), nan=np.inf)
        felt = ~(error <= 0.01 * np.abs(due[n]))
    severity = np.where(np.isnan(got[n]), WRONG_CLASS, np.where(got[n] == 0, LOST_SIGNAL, WRONG_BRANCH)).astype(np.int8)
    return [_rows(start, chain.products[n], ratio, severity, felt, lanes, text)]


def weight_products(weights: Sequence[float], fmt: Format) -> list[int]:
    """The products of the first n weights in reverse mode, rounded to nearest at every layer: bits, n from 1."""
    rows = []
    for n in range(1, len(weights) + 1):
        bits = fmt.round(Fraction(1))
        for w in reversed(weights[:n]):
            bits = fmt.round(fmt.value(bits) * Fraction(w))
        rows.append(bits)
    return rows


# -- units ---------------------------------------------------------------------------------------------------


def _units(probe: Probe, rng: np.random.Generator) -> Part:
    """Lone units under gradient descent: the dead and the living. Not on a backend without programs."""
    w, b = dead_units.initial(probe, rng)
    try:
        units = dead_units.descend(probe, w, b)
    except Unsupported as lacking:
        return 0, [], {"units": str(lacking)}
    due = dead_units.due(probe, units.z)
    dead, alive = due.dead, due.alive
    judged, found = _gradients(probe, units, due)
    found = [*_resurrected(probe, units, dead), *found]
    moves, stays, wrong = _moves(probe, units, alive)
    found += wrong
    count = int(dead.sum() + judged.sum())
    measured = {"dead_units": int(dead.sum()), "living_units": int(alive.sum()), "units_not_judged": dead.size - count}
    measured |= {"moved": int(moves.sum()), "held_by_rounding": int(stays.sum())}
    return count, found, measured


def _resurrected(probe: Probe, units: dead_units.Units, dead: Mask) -> list[Violations]:
    """Dead units with a gradient, or whose weights do not keep their bits."""
    fmt, found = probe.format, []
    for name, gradient in zip(("w", "b"), units.gradients, strict=True):
        wrong = dead & (fa.magnitudes(gradient, fmt) != 0)
        if wrong.any():
            value = fa.values(gradient, fmt)
            text = f"a dead unit has dE/d{name} = {value[np.argmax(wrong)]:.6g}, where f' is exactly 0 for its batch"
            found.append(_at(units, gradient, wrong, np.isnan(value), WRONG_BRANCH, text))
    for index, name in enumerate(("w", "b")):
        before, after = units.weights[0][index], units.weights[-1][index]
        wrong = dead & (before != after)
        if wrong.any():
            text = f"{name} of a dead unit changes its bits within {dead_units.STEPS} steps of gradient descent"
            found.append(_at(units, after, wrong, fa.is_nan(after, fmt), WRONG_BRANCH, text))
    return found


def _at(units: dead_units.Units, got: Bits, wrong: Mask, nan: Mask, severity: int, text: str) -> Violations:
    count = int(wrong.sum())
    rows = np.where(nan[wrong], WRONG_CLASS, severity).astype(np.int8)
    # Nothing but 0, or the same bits, is right: there is no bound to exceed by some factor.
    return Violations(
        units.z[0][wrong], got[wrong], np.full(count, np.inf), rows, np.ones(count, bool), text, pointwise=False
    )


def _gradients(probe: Probe, units: dead_units.Units, due: dead_units.Due) -> tuple[Mask, list[Violations]]:
    """Which living units are judged, and whose gradient is not the oracle's; above all those that have none.

    Where some |z| is not moderate a gradient fails only for being 0 where the bound leaves no room for that.
    """
    fmt, found = probe.format, []
    judged = np.zeros(due.alive.size, bool)
    for name, gradient, exact, bound in zip(("w", "b"), units.gradients, due.gradients, due.bounds, strict=True):
        got = fa.values(gradient, fmt)
        with np.errstate(all="ignore"):
            error = np.abs(got - exact)
            ratio = np.where(np.isfinite(got), error / bound, np.inf)
            felt = ~(error <= 0.01 * np.abs(exact))
            fits = due.alive & (np.abs(exact) + bound <= float(fmt.max_value))
            here = fits & (due.moderate | ((np.abs(exact) > bound) & np.isfinite(got)))
        judged |= here
        wrong = here & ~(ratio <= 1) & (due.moderate | (got == 0))
        if wrong.any():
            i = int(np.argmax(np.where(wrong, ratio, -1)))
            shown = digits(got[i], exact[i])
            text = f"dE/d{name} of a unit is {got[i]:.{shown}g}, the exact gradient is {exact[i]:.{shown}g}"
            severity = np.where(np.isnan(got), WRONG_CLASS, np.where(got == 0, LOST_SIGNAL, LARGE_ERROR))
            found.append(_rows(units.z[0], gradient, ratio, severity.astype(np.int8), felt, wrong, text))
    return judged, found


def _moves(probe: Probe, units: dead_units.Units, alive: Mask) -> tuple[Mask, Mask, list[Violations]]:
    """Which living units change w in one step; those that must and do not, or do and must not.

    A step of an ulp of w or more changes it, one below a quarter does not: ulps halve below a power of two.
    """
    fmt = probe.format
    before, after = units.weights[0][0], units.weights[1][0]
    moved = before != after
    quantum = np.ldexp(1.0, fa.quantum_exponents(fa.values(before, fmt), fmt).astype(np.int32))
    with np.errstate(all="ignore"):
        step = dead_units.RATE * np.abs(fa.values(units.gradients[0], fmt)) / quantum
    stuck, restless = alive & ~moved & (step >= 1), alive & moved & (step < 0.25)
    found = []
    if stuck.any():
        text = f"a step of {step[np.argmax(stuck)]:.3g} ulps leaves w as it was"
        found.append(_at(units, after, stuck, np.zeros_like(stuck), LOST_SIGNAL, text))
    if restless.any():
        text = f"a step of {step[np.argmax(restless)]:.3g} ulps changes w"
        found.append(_at(units, after, restless, fa.is_nan(after, fmt), LARGE_ERROR, text))
    return alive & moved, alive & ~moved, found
