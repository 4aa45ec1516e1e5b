"""Inputs of a conversion: where roundings are decided, and where two of them differ from one."""

from __future__ import annotations

from typing import Final

import numpy as np

from gradproof.formats import Format
from gradproof.formats import arrays as fa
from gradproof.formats.arrays import Bits, Floats, Ints
from gradproof.strategies.points import stratified

OFFSETS: Final = (2.0**-26, 2.0**-30)
"""Distances from a midpoint, relative: a first rounding to float32 (or less) lands on the midpoint itself."""
WIDE_SHARE: Final = 8
"""What each number of a target brings along, in inputs: numbers of a wide target are that much fewer."""
NEAR: Final = 64
"""Neighbours in the source format on either side of where overflow begins."""


def conversion_bits(source: Format, target: Format, count: int, seed: int) -> Bits:
    """Inputs for rounding ``source`` to ``target``, without repetition; every pattern of a 16-bit source.

    Otherwise numbers of the target (all of a 16-bit target, ``count / WIDE_SHARE`` of a wider one) and the midpoints
    above them, each with its source neighbours, the midpoints at OFFSETS as well, and quarters between them;
    sixteenths of an ulp past the greatest number, the surroundings of it and of the overflow threshold; NaNs,
    infinities and zeros; ``count`` inputs spread evenly over the source's ordinals. ``count`` must be a power of two.
    """
    if source.is_16_bit:
        return fa.all_bits(source)
    numbers = _numbers(target, count, seed)
    quantum = np.ldexp(1.0, fa.quantum_exponents(numbers, target).astype(np.int32))
    middles = numbers + quantum / 2
    beside = np.concatenate([_ordinals(v, source) + step for v in (numbers, middles) for step in (-1, 0, 1)])
    traps = [_ordinals(middles * (1 + side * off), source) for off in OFFSETS for side in (-1, 1)]
    traps += [_ordinals(numbers + part * quantum, source) for part in (0.25, 0.75)]
    beyond = float(target.max_value) + np.arange(33) / 16 * quantum.max()
    traps.append(_ordinals(beyond, source))
    ends = np.array([float(target.overflow_threshold), float(target.max_value), beyond[16]])
    around = (_ordinals(ends, source)[:, None] + np.arange(-NEAR, NEAR + 1)).ravel()
    edges = np.array([0, 1, source.min_normal_bits, source.max_bits, source.last_bits])
    positive = fa.distinct(np.concatenate([beside, *traps, around, edges]))
    magnitudes = fa.from_ordinals(positive[positive >= 0], source)
    payloads = [source.last_bits + 1, source.nan_bits, source.sign_bit - 1]
    magnitudes = np.concatenate([magnitudes, np.array(payloads, fa.storage(source))])
    spread = stratified(source, count, seed)
    chosen = np.concatenate([magnitudes, magnitudes | fa.storage(source).type(source.sign_bit), spread])
    return fa.distinct(chosen)


def _numbers(target: Format, count: int, seed: int) -> Floats:
    """Numbers of the target >= 0: all of them, or some spread evenly and those next to its edges."""
    if target.is_16_bit:
        return fa.values(np.arange(target.max_bits + 1).astype(fa.storage(target)), target)
    spread = np.abs(fa.ordinals(stratified(target, max(count // WIDE_SHARE, 2), seed), target))
    edges = np.array([0, target.min_normal_bits, target.max_bits])
    near = (edges[:, None] + np.arange(-NEAR, NEAR + 1)).ravel()
    ordinals = np.clip(np.concatenate([spread, near]), 0, target.max_bits)
    return fa.values(fa.from_ordinals(fa.distinct(ordinals), target), target)


def _ordinals(values: Floats, source: Format) -> Ints:
    return fa.ordinals(fa.round_by_quantum(values, source), source)
