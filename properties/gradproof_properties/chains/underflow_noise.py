"""underflow-noise: the depth at which rounding drowns a chain of derivatives, and at which it is flushed."""

from __future__ import annotations

import math
from typing import Any, ClassVar, Final

import numpy as np

from gradproof.extend import Bits, Evidence, Format, Outcome, Probe, Property, Violations
from gradproof.extend import arrays as fa
from gradproof_properties.chains.exact_chain import (
    ChainRun,
    Mask,
    first_wrong,
    jumps_at_zero,
    least_exponent,
    run,
    wrong_products,
)

LANES = 24
REACH: Final = 8
"""Layers in which the weights of the shrinking chain alone lead through the normal numbers."""
BEYOND: Final = 4
"""Layers after those."""


class UnderflowNoise(Property):
    """The chain product of n derivatives, layer by layer, against the exact product."""

    id: ClassVar[str] = "underflow-noise"
    title: ClassVar[str] = "A chain of derivatives loses its signal to rounding and underflow no earlier than it must"
    statement: ClassVar[str] = (
        "For h[k+1] = f(w h[k]), reverse-mode d h[n] / d h[0] differs from the exact product of w f'(w h[k]) (at the "
        "backend's own h[k]) by no more than the contract's errors of each factor, a few roundings a layer and the "
        "format's underflow explain, up to the depth at which a partial product overflows. It is 0 from the depth on "
        "at which no number within that bound can round to anything else. So the depths at which the noise exceeds the "
        "signal and at which 0 comes back lie in the band that the oracle predicts: with w = 1, with w = 2^-s small "
        "enough to leave the format, and with flushing to zero on and off where the backend lets one choose."
    )
    source: ClassVar[str] = "'chaotic noise from digital rounding dominates the correction signal'"
    orders: ClassVar[tuple[int, ...]] = (1,)
    modes: ClassVar[tuple[str, ...] | None] = ("eager",)
    quick_compiled_formats: ClassVar[tuple[str, ...] | None] = ("float32", "bfloat16")
    same_in_every_profile: ClassVar[bool] = False

    def check(self, probe: Probe, order: int) -> Outcome:
        """Run chains of weight 1 and of a weight 2^-s from inputs of moderate size and compare every depth."""
        probe.require(1)
        fmt = probe.format
        rng = np.random.default_rng(probe.seed)
        start = fa.round_values(np.concatenate([rng.uniform(-3, 3, LANES - 2), [0.5, -0.5]]), fmt)
        plain = run(probe, [1.0] * probe.budget.depth, start)
        found = wrong_products(plain, start, fmt)
        judged = int(plain.passes.judged.sum())
        measured: dict[str, Any] = {**depths(plain, fmt), "shrinking": {}}
        step = bits_per_layer(fmt)
        weights = [2.0**-step] * (REACH + BEYOND)
        start = shrinking_start(probe, step, start)
        for setting in probe.backend.flushing_settings() or (None,):
            shrinking = run(probe, weights, start, setting)
            name = f"2^-{step}" + ("" if setting is None else f", flushing {'on' if setting else 'off'}")
            found += wrong_products(shrinking, start, fmt, f" of weight {name}")
            if setting and shrinking.traits.flushes_results:
                found += _kept(shrinking, start, fmt, f" of weight {name}")
            judged += int(shrinking.passes.judged.sum())
            measured["shrinking"][name] = depths(shrinking, fmt)
        return Outcome(Evidence("sampled", judged), found[:1], measured=measured if judged else {})


def bits_per_layer(fmt: Format) -> int:
    """s, such that ``REACH`` layers of weight 2^-s lead from 1 into the subnormal numbers, and ``BEYOND`` more out.

    At least 4: with less, four roundings a layer could keep a product at the least number.
    """
    return max(4, math.floor((fmt.precision / 3 - fmt.e_min) / REACH))


def shrinking_start(probe: Probe, step: int, start: Bits) -> Bits:
    """``start``, times 2^(2 step + 3) where f' jumps at 0.

    h shrinks with the product there: a unit that starts at 1 sits on the kink before its product underflows.
    """
    if not jumps_at_zero(probe):
        return start
    fmt = probe.format
    return fa.round_values(np.ldexp(fa.values(start, fmt), min(2 * step + 3, fmt.e_max - 3)), fmt)


def _kept(run: ChainRun, start: Bits, fmt: Format, weight: str) -> list[Violations]:
    """Subnormal products where results are flushed by choice."""
    magnitude = fa.magnitudes(run.products, fmt)
    kept = run.passes.judged & (magnitude > 0) & (magnitude < fmt.min_normal_bits)
    if not kept.any():
        return []
    with np.errstate(divide="ignore"):
        over = float(fmt.min_normal) / np.abs(fa.values(run.products, fmt))
    return [first_wrong(run, start, kept, over, fmt, weight, ": a subnormal number although flushing is on")]


def depths(run: ChainRun, fmt: Format) -> dict[str, Any]:
    """Median depths over the lanes that carry a signal; None where most of them never come there.

    Measured: where the error reaches the signal, where 0 comes back. Predicted: the bands ``[earliest, latest]`` in
    which the oracle places them, and ``flush_due_at``, where the exact product is at most half the least number.
    ``log2_product`` is the median at the last depth judged.
    """
    due, judged = run.passes.due, run.passes.judged
    signal = judged & (due.m != 0)
    lanes = signal[0]
    room = _median_first((signal & (run.passes.bound >= due.size))[:, lanes])
    small = _median_first((signal & due.at_most(least_exponent(fmt) - 1))[:, lanes])
    last = due.log2[np.maximum(signal.sum(axis=0) - 1, 0), np.arange(signal.shape[1])][lanes]
    return {
        "depth": judged.shape[0],
        "snr_below_1_at": _median_first((signal & (run.error >= due.size))[:, lanes]),
        "snr_band": [room, small],
        "flushed_at": _median_first((signal & (fa.magnitudes(run.products, fmt) == 0))[:, lanes]),
        "flush_due_at": small,
        "flush_band": [room, _median_first((signal & run.passes.vanished)[:, lanes])],
        "log2_product": round(float(np.sort(last)[last.size // 2]), 2) if last.size else None,
    }


def _median_first(events: Mask) -> int | None:
    """Median over lanes of the first layer (from 1) with the event; None when most lanes never see it."""
    if not events.size:
        return None
    first = np.where(events.any(axis=0), events.argmax(axis=0) + 1, np.iinfo(np.int64).max)
    middle = int(np.sort(first)[first.size // 2])
    return None if middle == np.iinfo(np.int64).max else middle
