"""Right roundings at 10^5 seeds, and faults at as many as it takes: how often the judges of small formats speak.

Each seed is a judgement of its own: of a sample of inputs for casts, of all the tests for stochastic rounding. What is
right must be silent at every seed; what is wrong is counted. ``--seeds`` sets the number; some minutes at 10^5.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable
from typing import Any, Final

import ml_dtypes
import numpy as np

from gradproof.extend import FLOAT32, conversion, get_format
from gradproof.extend import arrays as fa
from gradproof_properties.chance.stochastic_rounding import accepted, binomial_tests, design, failures, strays

BATCH: Final = 250
LANES: Final = 512
CALLS: Final = 8
"""Draws of one judgement are LANES x CALLS; the tests are exact whatever their number."""


def to_bfloat16(x: Any) -> Any:
    """Rounded to nearest by ml_dtypes."""
    with np.errstate(all="ignore"):
        return x.astype(ml_dtypes.bfloat16).astype(np.float32)


def truncated(x: Any) -> Any:
    """The upper half of the bits."""
    return (x.view(np.uint32) & np.uint32(0xFFFF0000)).view(np.float32)


def to_e4m3(x: Any) -> Any:
    """Rounded to nearest by ml_dtypes."""
    with np.errstate(all="ignore"):
        return x.astype(ml_dtypes.float8_e4m3fn).astype(np.float32)


def away(x: Any) -> Any:
    """Ties away from zero: half an ulp of the target is added to the magnitude, and what is below an ulp cut off."""
    y = (x.view(np.uint32) + np.uint32(1 << 19)) & np.uint32(0xFFF00000)
    normal = (np.abs(x) >= 2.0**-6) & (np.abs(x) < 448)
    return np.where(normal, y.view(np.float32), to_e4m3(x))


def casts(convert: Callable[[Any], Any], target: str, seeds: int) -> int:
    """At how many seeds a cast is flagged: 256 numbers of float32, 32 ties of the target and their neighbours, each."""
    fmt, flagged = get_format(target), 0
    for first in range(0, seeds, BATCH):
        count = min(BATCH, seeds - first)
        rng = np.random.default_rng(first)
        bits = rng.integers(0, 1 << 32, (count, 256), dtype=np.uint64).astype(np.uint32)
        below = rng.integers(fmt.min_normal_bits, fmt.max_bits, (count, 32)).astype(fa.storage(fmt))
        middles = (fa.values(below, fmt) + fa.values(below + fa.storage(fmt).type(1), fmt)) / 2
        ties = fa.round_by_quantum(middles, FLOAT32)
        x = np.concatenate([bits, ties, ties - np.uint32(1), ties + np.uint32(1)], axis=1)
        got = np.ascontiguousarray(convert(x.view(np.float32))).view(np.uint32)
        judged = conversion.judge_conversion(x.ravel(), got.ravel(), FLOAT32, fmt)
        flagged += int(judged.failing.reshape(x.shape).any(axis=1).sum())
    return flagged


def drawn(share: float | None, seeds: int) -> int:
    """At how many seeds a stochastic rounding is flagged; a right one, or one that sends that share of ties up."""
    made = design(FLOAT32, get_format("bfloat16"), LANES, 1)
    x, flagged = made.bits.view(np.float32), 0
    for first in range(0, seeds, BATCH):
        count = min(BATCH, seeds - first)
        rng = np.random.default_rng(first + 1)
        r = rng.integers(0, 1 << 16, (count, CALLS, LANES), dtype=np.uint32)
        y = ((x.view(np.uint32) + r) & np.uint32(0xFFFF0000)).view(np.float32).astype(np.float64)
        y = np.where(np.isnan(x), np.nan, y)
        up = (y == made.outer) & (made.group >= 0)
        if share is not None:
            up[..., : made.ties] = rng.random((count, CALLS, made.ties)) < share
        flagged += int((failures(made, up) | strays(made, y, True).any(axis=(1, 2))).sum())
    return flagged


def full_size(seeds: int, share: float) -> tuple[int, float]:
    """At how many seeds a cell's 2^20 draws are flagged by their counts at ties; and how probable that is, exactly."""
    from gradproof_properties.chance.binomial import tail
    from gradproof_properties.chance.stochastic_rounding import LANES as CELL
    from gradproof_properties.chance.stochastic_rounding import LEVEL, SEEDS

    made = design(FLOAT32, get_format("bfloat16"), CELL, 1)
    every = binomial_tests(made, np.zeros((1, 2, CELL), bool))
    level = LEVEL / len(every)
    low = high = 0
    flagged, missed = np.zeros(seeds, bool), 1.0
    for test in every[:2]:  # positive and negative ties
        n = test.n // 2 * SEEDS
        low, high = accepted(n, test.p, level)
        counts = np.random.default_rng(n).binomial(n, share, seeds)
        flagged |= (counts < low) | (counts > high)
        missed *= tail(high, n, share, -1) - tail(low - 1, n, share, -1)
    return int(flagged.sum()), 1 - missed


def main() -> None:
    """Print one line for each rounding: flagged at how many seeds."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--seeds", type=int, default=100_000)
    seeds = parser.parse_args().seeds
    rows: list[tuple[str, Callable[[], int]]] = [
        ("float32 to bfloat16, to nearest", lambda: casts(to_bfloat16, "bfloat16", seeds)),
        ("float32 to bfloat16, truncating", lambda: casts(truncated, "bfloat16", seeds)),
        ("float32 to float8_e4m3fn, to nearest", lambda: casts(to_e4m3, "float8_e4m3fn", seeds)),
        ("float32 to float8_e4m3fn, ties away from zero", lambda: casts(away, "float8_e4m3fn", seeds)),
        (f"stochastic to bfloat16, right, {LANES * CALLS} draws", lambda: drawn(None, seeds)),
    ]
    for name, judge in rows:
        started = time.process_time()
        flagged = judge()
        print(f"{name}: flagged at {flagged:,} of {seeds:,} seeds, {time.process_time() - started:.0f} s", flush=True)
    for share in (0.5, 0.51):
        flagged, power = full_size(seeds, share)
        print(f"{share:.0%} of ties up, 2^20 draws: flagged at {flagged:,} of {seeds:,} seeds; probability {power:.9g}")


if __name__ == "__main__":
    main()
