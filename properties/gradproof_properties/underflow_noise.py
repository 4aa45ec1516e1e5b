"""underflow-noise: the depth at which rounding drowns a chain of derivatives, and at which it is flushed."""

from __future__ import annotations

from typing import Any, ClassVar

import numpy as np

from gradproof.engine.probe import Probe
from gradproof.engine.property import Outcome, Property, Violations
from gradproof.formats import arrays as fa
from gradproof.formats.arrays import Bits, Floats
from gradproof.measure.severity import LARGE_ERROR, LOST_SIGNAL, WRONG_CLASS
from gradproof.oracle.reference import FINITE
from gradproof.results.model import Evidence
from gradproof_properties.allowances import allowance

LANES = 24
SCALE = 2.0**500
"""Products are carried times this factor, so that float64 holds those far below its own least number."""
ROUNDINGS = 4.0
"""Roundings allowed per layer beyond the derivative's own: the product with the weight, with the cotangent, and
as many again for formats in which an implementation may round twice."""


class UnderflowNoise(Property):
    """The chain product of n derivatives, layer by layer, against the exact product."""

    id: ClassVar[str] = "underflow-noise"
    title: ClassVar[str] = "A chain of derivatives loses its signal to rounding and underflow no earlier than it must"
    statement: ClassVar[str] = (
        "For h[k+1] = f(w h[k]), reverse-mode d h[n] / d h[0] differs from the exact product of w f'(w h[k]) (at the "
        "backend's own h[k]) by no more than the contract's errors of each factor, a few roundings a layer and the "
        "format's underflow explain, up to the depth at which a partial product overflows. The depths at which the "
        "noise exceeds the signal, and at which the product is flushed to 0, are measured beside the prediction."
    )
    source: ClassVar[str] = "'chaotic noise from digital rounding dominates the correction signal'"
    orders: ClassVar[tuple[int, ...]] = (1,)
    modes: ClassVar[tuple[str, ...] | None] = ("eager",)
    same_in_every_profile: ClassVar[bool] = False

    def check(self, probe: Probe, order: int) -> Outcome:
        """Run chains of weight 1 from inputs of moderate size and compare every depth."""
        probe.require(1)
        fmt = probe.format
        depth = probe.budget.depth
        rng = np.random.default_rng(probe.seed)
        start = fa.round_values(np.concatenate([rng.uniform(-3, 3, LANES - 2), [0.5, -0.5]]), fmt)
        inputs, products = probe.backend.chain(probe.implementation, [1.0] * depth, start, fmt)
        exact, room, usable = _factors(probe, inputs)
        found: list[Violations] = []
        judged = 0
        signal: list[Floats] = []
        noise: list[Floats] = []
        for n in range(1, depth + 1):
            due, bound, held = _product(exact[:n], room[:n], probe)
            got = fa.values(products[n - 1], fmt)
            lanes = usable[n - 1] & held
            with np.errstate(all="ignore"):
                error = np.abs(got * SCALE - due)
                ratio = np.where(np.isnan(got), np.inf, error / bound)
            judged += int(lanes.sum())
            signal.append(np.where(lanes, np.abs(due), np.nan))
            noise.append(np.where(lanes, error, np.nan))
            wrong = lanes & ~(ratio <= 1)
            if wrong.any():
                found.append(_violation(start, products[n - 1], wrong, ratio, due, got, n))
        return Outcome(
            Evidence("sampled", judged), found[:1], measured=_depths(signal, noise, products, probe) if judged else {}
        )


def _factors(probe: Probe, inputs: list[Bits]) -> tuple[list[Floats], list[Floats], list[Any]]:
    """Exact f' at each layer's inputs, the contract's allowance there, and the lanes still judged."""
    exact, room, usable = [], [], []
    alive = np.ones(inputs[0].size, bool)
    # Chains run into fixed points, so most inputs repeat; one call serves all layers.
    distinct, where = np.unique(np.concatenate(inputs), return_inverse=True)
    references = probe.references(distinct)[1]
    for layer, bits in enumerate(inputs):
        reference = references[where[layer * bits.size : (layer + 1) * bits.size]]
        # At a kink f' is a convention, at a NaN nothing: such a lane is no longer judged.
        alive = alive & (reference.kind == FINITE)
        exact.append(np.where(alive, reference.values, 0.0))
        with np.errstate(over="ignore"):
            room.append(np.where(alive, allowance(probe, bits, reference, 1), 0.0))
        usable.append(alive)
    return exact, room, usable


def _product(exact: list[Floats], room: list[Floats], probe: Probe) -> tuple[Floats, Floats, Any]:
    """The exact product times SCALE, the bound of its error times SCALE, and the lanes without an overflow.

    Reverse mode multiplies from the output inwards, so an underflow on the way is carried through the remaining
    factors; the recurrence follows that order. So is an overflow, which may make a NaN of it: lanes with a partial
    product at which it may occur (past the half of float64's range that SCALE leaves, in that format) are left out.
    """
    fmt = probe.format
    flushes = probe.traits.flushes_results or probe.traits.zeros_inputs
    least = float(fmt.min_normal if flushes else fmt.min_subnormal)
    unit = 2.0**-fmt.precision
    product = np.full(exact[0].size, SCALE)
    bound = np.zeros(exact[0].size)
    held = np.ones(exact[0].size, bool)
    most = 2.0 ** min(fmt.e_max + 500, 1000)
    for factor, allowed in zip(reversed(exact), reversed(room), strict=True):
        with np.errstate(over="ignore", invalid="ignore"):
            following = product * factor
            carried = (np.abs(factor) + allowed) * bound + np.abs(product) * allowed
            bound = carried * (1 + ROUNDINGS * unit) + ROUNDINGS * (unit * np.abs(following) + least * SCALE)
            held &= np.abs(following) + bound < most  # a NaN is not
        product = following
    return product, bound, held


def _depths(signal: list[Floats], noise: list[Floats], products: list[Bits], probe: Probe) -> dict[str, Any]:
    """Median depth over the lanes at which SNR < 1, at which 0 comes back, and at which 0 is due."""
    fmt = probe.format
    zero = [fa.magnitudes(p, fmt) == 0 for p in products]
    half = float(fmt.min_subnormal) / 2 * SCALE
    with np.errstate(invalid="ignore"):
        drowned = [(s > 0) & (e >= s) for s, e in zip(signal, noise, strict=True)]
        flushed = [z & (s > 0) for z, s in zip(zero, signal, strict=True)]
        due = [(s <= half) & (s > 0) for s in signal]
    return {
        "depth": len(products),
        "snr_below_1_at": _median_first(drowned),
        "flushed_at": _median_first(flushed),
        "flush_due_at": _median_first(due),
    }


def _median_first(events: list[Any]) -> int | None:
    """Median over lanes of the first layer (from 1) with the event; None when most lanes never see it."""
    table = np.array(events)
    first = np.where(table.any(axis=0), table.argmax(axis=0) + 1, np.iinfo(np.int64).max)
    middle = int(np.sort(first)[first.size // 2])
    return None if middle == np.iinfo(np.int64).max else middle


def _violation(start: Bits, product: Bits, wrong: Any, ratio: Floats, due: Floats, got: Floats, n: int) -> Violations:
    i = int(np.argmax(np.where(wrong, ratio, -1)))
    text = f"after {n} layers: got {got[i]:.6g}, the exact product is {due[i] / SCALE:.6g}"
    lost = wrong & (got == 0)
    severity = np.where(np.isnan(got), WRONG_CLASS, np.where(lost, LOST_SIGNAL, LARGE_ERROR)).astype(np.int8)
    with np.errstate(invalid="ignore"):
        felt = np.abs(got - due / SCALE) > 0.01 * np.abs(due / SCALE)
    return Violations(start[wrong], product[wrong], ratio[wrong], severity[wrong], felt[wrong], text, pointwise=False)
